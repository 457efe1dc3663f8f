"""Exercises of chapter 10b, limitations: context and confidence."""

import numpy as np

from course_utils import context, data
from course_utils.exercises import models
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
    """Scores of known and unknown images, in no order; some are equal."""
    high, low = rng.normal(shift, 1, known), rng.normal(0, 1, unknown)
    return np.round(high, 1), np.round(low, 1)


def _accepted(place=lambda n: n // 20, swap=False, strict=False, rejected=False, descending=False):
    """The function of 10b.2, right or with one of its faults."""

    def share(known, unknown):
        if swap:
            known, unknown = unknown, known
        ordered = np.sort(known)[::-1] if descending else np.sort(known)
        threshold = ordered[place(len(known))]
        passed = unknown > threshold if strict else unknown >= threshold
        return np.mean(~passed if rejected else passed)

    return share


@EXERCISES.function(
    "10b.2",
    "sort the known scores, find the threshold, then count the unknown ones that reach it.",
    cases=[
        _scored(60, 41, 1.5),
        _scored(87, 30, 0.5),
        _scored(200, 77, 2.5),
        (np.arange(20.0), np.array([0.0, 1.0, 2.0, 0.5])),
        (np.arange(39.0), np.array([1.5, 40.0, 1.0])),
        (np.array([3.0, 1.0, 2.0]), np.array([1.0, 0.9, 5.0])),
    ],
    mistakes={
        "the roles are swapped: the threshold comes from the known images.": _accepted(swap=True),
        "this threshold lets only 5 % of the known images pass.": _accepted(descending=True),
        "a score equal to the threshold is accepted.": _accepted(strict=True),
        "this is the share that is rejected.": _accepted(rejected=True),
        "5 % of n scores are n // 20.": _accepted(place=lambda n: n // 5),
        "positions count from 0: with n // 20 scores below it, it stands at n // 20.": _accepted(
            place=lambda n: max(0, n // 20 - 1)
        ),
        "this threshold is the lowest known score: nothing known is rejected.": _accepted(
            place=lambda n: 0
        ),
    },
    praise="papers call it FPR95, the false positive rate at a true positive rate of 95 %.",
)
def slipped_through(known, unknown):
    threshold = np.sort(known)[len(known) // 20]
    return np.mean(unknown >= threshold)


@EXERCISES.trained(
    "10b.3",
    "it leans on the place. Show each garment on both, or hide what is behind it.",
    accuracy=0.8,
    parameters=(None, 150_000),
    praise="And that wherever they lie.",
)
def garments_anywhere():
    """Test garments, half of them where their class usually is not."""
    images, labels, _, _ = context.garments_on_places("test", share=0.5, seed=10)
    return images, labels


def _count(few=0, everywhere=False, worst=np.nanmin, missing=np.nan, keep=True):
    """The function of 10b.4, right or with some of its faults."""

    def count(labels, predicted, groups, num_groups):
        found = []
        for group in range(num_groups):
            inside = groups == group
            right = (labels == predicted) | ~inside if everywhere else (labels == predicted)[inside]
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
            few=30, everywhere=True, worst=np.mean, keep=False
        ),
        "small groups are left out, and in a small group an error weighs as much as elsewhere.": (
            _count(few=30)
        ),
        "small groups are still left out, so the list has fewer entries than groups.": _count(
            few=30, keep=False
        ),
        "all images outside the group count as right: divide by those inside only.": _count(
            everywhere=True
        ),
        "the mean over groups is not the worst of them.": _count(worst=np.nanmean),
        "a group without images has no accuracy: NaN, which is not 0.": _count(missing=0.0),
        "a group without images keeps its place in the array, as NaN.": _count(keep=False),
        "NaN spreads: `min` of an array that holds one is NaN. NumPy has `nanmin`.": _count(
            worst=np.min
        ),
        "two faults are left: small groups are left out, and `right` counts the images outside.": (
            _count(few=30, everywhere=True, keep=False)
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


def _outputs(model):
    images, labels = other_garments()
    return models.run(model, images), labels


def gives_probabilities(model):
    """Whether each row of what a model gives is a distribution."""
    outputs, _ = _outputs(model)
    return bool(np.all(outputs >= 0) and np.allclose(outputs.sum(axis=1), 1, atol=1e-3))


def is_calibrated(model):
    """Whether the expected calibration error is small enough."""
    return bool(calibration_error(*_outputs(model)) <= LARGEST_ERROR)


@EXERCISES.trained(
    "10b.5",
    "train longer, on all classes.",
    accuracy=0.78,
    parameters=(None, 150_000),
    must={
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
