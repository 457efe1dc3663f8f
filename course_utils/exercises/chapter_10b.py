"""Exercises of chapter 10b, limitations: context and confidence."""

import numpy as np

from course_utils import context, data
from course_utils.exercises.judge import Exercises

EXERCISES = Exercises()
rng = np.random.default_rng(102)

EXERCISES.answer(
    "10b.1",
    0.5 * 0.15 + 0.3 * 0.05 + 0.2 * 0.05,
    "each bin's gap, times the share of the answers that are in it; then the sum.",
    mistakes={
        "a bin counts as much as it has answers: 50, 30 and 20 of 100.": (0.15 + 0.05 + 0.05) / 3,
        "a gap has no sign: in the last bin the network promises too little, and that counts "
        "too.": 0.5 * 0.15 + 0.3 * 0.05 - 0.2 * 0.05,
        "this is the largest gap, which is called the maximum calibration error.": 0.15,
        "these are gaps of the answers in each bin, not yet divided by 100.": 10.0,
        "this is the sum of the gaps; each counts as much as its bin has answers.": 0.25,
        "this is the share of right answers.": 0.5 * 0.8 + 0.3 * 0.7 + 0.2 * 0.6,
    },
    praise="ten points, most of them from the fullest bin.",
)


def _scored(known, unknown, shift):
    """Scores of known images and of kinds of unknown ones, in no order; some are equal."""
    kinds = [np.round(rng.normal(low, 1, count), 1) for count, low in unknown]
    return np.round(rng.normal(shift, 1, known), 1), kinds


def _threshold(known):
    return np.sort(known)[len(known) // 20]


def _missed(threshold=_threshold, of_kind=np.mean, passes=np.greater_equal, best=np.argmax):
    """The function of 10b.2, right or with one of its faults."""

    def missed(known, unknown):
        shares = [of_kind(passes(scores, threshold(known))) for scores in unknown]
        return best(shares), shares[best(shares)]

    return missed


@EXERCISES.function(
    "10b.2",
    "sort the known scores and find the threshold; then, for each kind, the share that reaches it.",
    cases=[
        _scored(60, [(41, 0.3), (17, 0.0), (90, -1.0)], 1.5),
        _scored(87, [(30, -0.5), (12, 0.5)], 0.5),
        _scored(218, [(20, 0.2), (77, 0.0), (33, 1.1), (9, -0.7)], 2.5),
        (np.arange(20.0), [np.array([0.0, 1.0, 2.0, 0.5]), np.array([3.0, 0.2, 0.1])]),
        (np.arange(39.0), [np.array([1.5, 0.0, 1.0])]),
        (np.array([3.0, 1.0, 2.0]), [np.array([0.2, 0.3]), np.array([1.0, 0.9, 5.0])]),
    ],
    mistakes={
        "this threshold lets only 5 % of the known images pass.": _missed(
            threshold=lambda known: np.sort(known)[::-1][len(known) // 20]
        ),
        "a score equal to the threshold is accepted.": _missed(passes=np.greater),
        "these are the shares that are rejected.": _missed(passes=np.less),
        "the kind that is wanted is the one that slips through most.": _missed(best=np.argmin),
        "this is a count: divide by the number of images of the kind.": _missed(of_kind=np.sum),
        "np.quantile moves the threshold towards the next score. Take that at n // 20.": _missed(
            threshold=lambda known: np.quantile(known, 0.05)
        ),
        "the 5 % are rounded down: the position is n // 20.": _missed(
            threshold=lambda known: np.sort(known)[round(0.05 * len(known))]
        ),
        "5 % of n scores are n // 20.": _missed(
            threshold=lambda known: np.sort(known)[len(known) // 5]
        ),
        "positions count from 0: with n // 20 scores below it, it stands at n // 20.": _missed(
            threshold=lambda known: np.sort(known)[max(0, len(known) // 20 - 1)]
        ),
        "this threshold is the lowest known score: nothing known is rejected.": _missed(
            threshold=np.min
        ),
    },
    praise="papers call such a share FPR95, the false positive rate at a true positive rate of "
    "95 %.",
)
def most_missed(known, unknown):
    return _missed()(known, unknown)


@EXERCISES.trained(
    "10b.3",
    "it leans on the place. Show each garment on both, or hide what is behind it.",
    accuracy=0.8,
    parameters=(None, 150_000),
    praise="It knows them wherever they lie.",
)
def garments_anywhere():
    """Test garments, half of them where their class usually is not."""
    images, labels, _, _ = context.garments_on_places("test", share=0.5, seed=10)
    return images, labels


def _inside(right, inside):
    return right[inside]


def _of_all(right, inside):
    return right | ~inside


def _count(few=0, of=_inside, worst=np.nanmin, missing=np.nan, keep=True):
    """The function of 10b.4, right or with some of its faults."""

    def count(labels, predicted, groups, num_groups):
        found = []
        for group in range(num_groups):
            inside = groups == group
            right = of(labels == predicted, inside)
            if inside.sum() < max(few, 1):
                found += [missing] if keep else []
            else:
                found.append(right.mean())
        return np.array(found), worst(found)

    return count


def _answered(sizes, share):
    """Labels, predictions and groups of the sizes given, each with its share of right answers."""
    groups = np.repeat(np.arange(len(sizes)), sizes)
    labels = rng.integers(0, 4, len(groups))
    wrong = (labels + 1 + rng.integers(0, 3, len(groups))) % 4
    right = rng.random(len(groups)) < np.repeat(share, sizes)
    order = rng.permutation(len(groups))
    return labels[order], np.where(right, labels, wrong)[order], groups[order], len(sizes)


@EXERCISES.function(
    "10b.4",
    "go through the groups: only the images inside count, and the smallest accuracy is the worst.",
    cases=[
        _answered([120, 9, 60], [0.9, 0.0, 0.7]),
        _answered([40, 35, 0, 50], [0.5, 0.9, 0, 0.8]),
        _answered([5, 80], [1.0, 0.4]),
        _answered([31], [0.6]),
    ],
    mistakes={
        "three faults at once, as it was given.": _count(
            few=30, of=_of_all, worst=np.mean, keep=False
        ),
        "small groups are left out, and in a small group an error weighs as much as elsewhere.": (
            _count(few=30)
        ),
        "small groups are still left out, so the list has fewer entries than groups.": _count(
            few=30, keep=False
        ),
        "all images outside the group count as right: divide by those inside only.": _count(
            of=_of_all
        ),
        "this divides by the number of all images: take the mean over those inside.": _count(
            of=lambda right, inside: right & inside
        ),
        "this says which group is worst; asked for is its accuracy.": _count(worst=np.nanargmin),
        "the mean over groups is not the worst of them.": _count(worst=np.nanmean),
        "a group without images has no accuracy: NaN, which is not 0.": _count(missing=0.0),
        "a group without images keeps its place in the array, as NaN.": _count(keep=False),
        "NaN spreads: `min` of an array that holds one is NaN. NumPy has `nanmin`.": _count(
            worst=np.min
        ),
        "two faults are left: small groups are left out, and `right` counts the images outside.": (
            _count(few=30, of=_of_all, keep=False)
        ),
        "two faults are left: small groups are left out, and the mean is taken for the worst.": (
            _count(few=30, worst=np.mean, keep=False)
        ),
    },
    praise="the group of nine is visible now.",
)
def by_group(labels, predicted, groups, num_groups):
    accuracies = np.full(num_groups, np.nan)
    for group in np.unique(groups):
        inside = groups == group
        accuracies[group] = np.mean(labels[inside] == predicted[inside])
    return accuracies, np.nanmin(accuracies)


BINS, LARGEST_ERROR = 15, 0.04


def calibration_error(probabilities, labels):
    """Expected calibration error of (N, C) probabilities, with 15 bins of equal width."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bin_of = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bin_of, right - confidence, BINS)
    return np.abs(gaps).sum() / len(labels)


def gives_probabilities(outputs, labels):
    """Whether each row of what a model gives is a distribution."""
    return bool(np.all(outputs >= 0) and np.allclose(outputs.sum(axis=1), 1, atol=1e-3))


def is_calibrated(outputs, labels):
    """Whether the expected calibration error is small enough."""
    return calibration_error(outputs, labels) <= LARGEST_ERROR


@EXERCISES.trained(
    "10b.5",
    "train longer, on all classes.",
    accuracy=0.78,
    parameters=(None, 150_000),
    also={
        "its rows are no probabilities: they should be at least 0 and sum to 1. A Softmax layer "
        "comes last.": gives_probabilities,
        "its calibration error is above .04. Was the temperature fitted on images that training "
        "did not see, and are the logits divided by it, before the softmax?": is_calibrated,
    },
    praise="And its confidence is to be believed, on images like these.",
)
def other_garments():
    """The 2,000 test images."""
    _, test = data.fashion_mnist()
    return test


def _flat(images, parts, of_each=True, value=None):
    """Images whose `parts` have their own mean colour: of each image, or of all of them."""
    axes = (1, 2) if of_each else (0, 1, 2)
    total = np.sum(images * parts, axis=axes, keepdims=True)
    mean = total / np.sum(parts, axis=axes, keepdims=True) if value is None else value
    return parts * mean + (1 - parts) * images


def _falls(swapped=False, sign=1, reduce=np.mean, **options):
    """The function of 10b.6, right or with one of its faults."""

    def falls(confidence, images, masks):
        parts = [1 - masks, masks] if swapped else [masks, 1 - masks]
        before = confidence(images)
        flat = [_flat(images, part, **options) for part in parts]
        return tuple(sign * reduce(before - confidence(one)) for one in flat)

    return falls


def _scene(count, height, width):
    """Images, and masks of a square in the middle, larger in each further image."""
    rows = np.abs(np.arange(height) - height // 2)[:, np.newaxis]
    columns = np.abs(np.arange(width) - width // 2)
    masks = np.stack([np.maximum(rows, columns) <= 1 + number for number in range(count)])
    return rng.random((count, height, width, 3)), masks[..., np.newaxis].astype(float)


def looks_at_contrast(images):
    """A confidence that rises with the spread of the pixels."""
    return np.std(images, axis=(1, 2, 3))


def looks_at_red(images):
    """A confidence that rises with the red of the left half."""
    return np.mean(images[:, :, : images.shape[2] // 2, 0] ** 2, axis=(1, 2))


@EXERCISES.function(
    "10b.6",
    "in each image, give the object its own mean colour and see how far the confidence falls; then "
    "the background.",
    cases=[
        (looks_at_contrast, *_scene(2, 9, 11)),
        (looks_at_red, *_scene(3, 11, 9)),
        (looks_at_red, *_scene(1, 7, 8)),
    ],
    mistakes={
        "the two are swapped: masks are 1 on the object.": _falls(swapped=True),
        "a fall is positive: before minus after.": _falls(sign=-1),
        "the colour is the part's own mean, not grey.": _falls(value=0.5),
        "each image has a mean colour of its own.": _falls(of_each=False),
        "take the mean over the images, not their sum.": _falls(reduce=np.sum),
        "take the mean over the images, not the largest fall.": _falls(reduce=np.max),
    },
    praise="it asks any classifier what its answer depends on.",
)
def depends_on(confidence, images, masks):
    return _falls()(confidence, images, masks)
