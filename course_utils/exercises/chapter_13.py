"""Exercises of chapter 13, self-supervision."""

import functools

import numpy as np

from course_utils import data
from course_utils.exercises.judge import Exercises
from course_utils.exercises.models import all_layers

EXERCISES = Exercises()
rng = np.random.default_rng(13)
SIZE = 112  # pixels of the photos in 13.5
BACKBONE = 21_555_072  # numbers in the vision transformer for photos of that size
HEAD = 2 * 384 * 5 + 5  # a linear layer on [CLS] and on the mean of the patches


def _missing(*means):
    return dict(zip("ABCD", means, strict=True))


EXERCISES.answer(
    "13.1",
    _missing("centring", "sharpening", "nothing", "centring"),
    'for each letter one of "centring", "sharpening" and "nothing".',
    mistakes={
        "a loss of nearly 0 is no success when all images have the same target, as in A.": _missing(
            "nothing", "sharpening", "nothing", "centring"
        ),
        "what tells D from C is not the loss. How much do targets of different images differ?": (
            _missing("centring", "sharpening", "nothing", "nothing")
        ),
        "it is the other way round: without centring one prototype takes all, without sharpening "
        "none does.": _missing("sharpening", "centring", "nothing", "sharpening"),
        "A and B are the other way round; and in D, how much do targets of different images "
        "differ?": _missing("sharpening", "centring", "nothing", "nothing"),
        "A and B are the other way round: which of the two is undecided?": _missing(
            "sharpening", "centring", "nothing", "centring"
        ),
        "D has decided, for one or two prototypes, the same for all images.": _missing(
            "centring", "sharpening", "nothing", "sharpening"
        ),
    },
    praise="the spread tells, not the loss.",
)


def _softmax(x):
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def _crops(large, all_crops, count, prototypes):
    logits = [rng.normal(size=(count, prototypes)) for _ in range(all_crops)]
    targets = [_softmax(3 * rng.normal(size=(count, prototypes))) for _ in range(large)]
    return targets, logits, 0.5


def _loss(skip=lambda t, s, large: s == t, total=np.mean, cross=None):
    """The loss, or one of the ways to get it wrong."""

    def loss(targets, logits, temperature):
        terms = [
            (cross or _cross_entropy)(target, other, temperature)
            for t, target in enumerate(targets)
            for s, other in enumerate(logits)
            if not skip(t, s, len(targets))
        ]
        return total(terms) if terms else 0.0

    return loss


def _cross_entropy(target, logits, temperature):
    return -np.mean(np.sum(target * np.log(_softmax(logits / temperature)), axis=-1))


@EXERCISES.function(
    "13.2",
    "for each target the cross-entropy with the student's answer to every other crop, then the "
    "mean of all these.",
    cases=[_crops(2, 5, 3, 4), _crops(1, 2, 5, 3), _crops(2, 2, 4, 6), _crops(3, 4, 1, 2)],
    mistakes={
        "a crop is compared with itself, too: the student then has nothing to predict.": _loss(
            skip=lambda t, s, large: False
        ),
        "the student answers for the small crops as well.": _loss(
            skip=lambda t, s, large: s == t or s >= large
        ),
        "the student answers for the large crops as well.": _loss(
            skip=lambda t, s, large: s < large
        ),
        "the sign is missing: a cross-entropy is not negative.": _loss(
            cross=lambda target, logits, temperature: -_cross_entropy(target, logits, temperature)
        ),
        "the targets are probabilities already; they need no softmax.": _loss(
            cross=lambda target, logits, temperature: _cross_entropy(
                _softmax(target), logits, temperature
            )
        ),
        "take the mean over the images, too.": _loss(
            cross=lambda target, logits, temperature: (
                _cross_entropy(target, logits, temperature) * len(target)
            )
        ),
        "this is the sum over the pairs; take their mean.": _loss(total=np.sum),
        "the student's logits have to be divided by the temperature.": _loss(
            cross=lambda target, logits, temperature: _cross_entropy(target, logits, 1)
        ),
        "the logarithm belongs to the student's answer, not to the target.": _loss(
            cross=lambda target, logits, temperature: (
                -np.mean(np.sum(_softmax(logits / temperature) * np.log(target), axis=-1))
            )
        ),
        "sum over the prototypes; the mean is over the images only.": _loss(
            cross=lambda target, logits, temperature: (
                _cross_entropy(target, logits, temperature) / target.shape[1]
            )
        ),
    },
    praise="with two large and eight small crops these are 18 pairs.",
)
def multi_crop_loss(targets, logits, temperature):
    return _loss()(targets, logits, temperature)


def _teacher_side(
    centred=-1, temperature=0.05, keep=0.99, keep_center=0.95, new_first=False,
    mean=lambda logits, targets: logits,
):  # fmt: skip
    """What a step does with the teacher, or one of the ways to get it wrong."""

    def side(teacher, student, center, logits):
        new = keep_center * center + (1 - keep_center) * logits.mean(axis=0)
        targets = _softmax((logits + centred * (new if new_first else center)) / temperature)
        new = keep_center * center + (1 - keep_center) * mean(logits, targets).mean(axis=0)
        return keep * teacher + (1 - keep) * student, new, targets

    return side


def _state(count, prototypes):
    teacher, student = rng.normal(size=(2, 3, 4))
    return teacher, student, rng.normal(size=prototypes) / 4, rng.normal(size=(count, prototypes))


@EXERCISES.function(
    "13.3",
    "read each line: which way does it pull?",
    cases=[_state(5, 3), _state(1, 4), _state(7, 2)],
    mistakes={
        "the centre is added: what is popular becomes more so.": _teacher_side(centred=1),
        "the teacher's temperature is above the student's: its targets are flatter than the "
        "answers, and that is no sharpening.": _teacher_side(temperature=0.2),
        "the teacher is nearly a copy of the student: the two weights are swapped.": _teacher_side(
            keep=0.01
        ),
        "the centre is the mean of the targets; it should be that of the logits.": _teacher_side(
            mean=lambda logits, targets: targets
        ),
        "the teacher's temperature is as high as the student's, and that is no sharpening.": (
            _teacher_side(temperature=0.1)
        ),
        "the targets take the centre as it was before this step.": _teacher_side(new_first=True),
        "the centre moves by 0.05 and keeps 0.95 of itself, not the other way round.": (
            _teacher_side(keep_center=0.05)
        ),
        "nothing has been repaired yet.": _teacher_side(1, 0.2, 0.01),
        "the centre is still added, and the teacher nearly a copy.": _teacher_side(1, 0.05, 0.01),
        "the targets are still flat, and the teacher nearly a copy.": _teacher_side(-1, 0.2, 0.01),
        "the centre is still added, and the targets are flat.": _teacher_side(1, 0.2),
    },
    praise="three signs and numbers, and no error message for any of them.",
)
def repaired(teacher, student, center, logits):
    return _teacher_side()(teacher, student, center, logits)


def _bank():
    (images, labels), _ = data.fashion_mnist()
    return images[:3000], labels[:3000]


@EXERCISES.encoder(
    "13.4",
    "train on crops that move, by contrast, say, and hand in what was trained.",
    accuracy=0.44,
    parameters=(None, 30_000),
    bank=_bank,
    praise="And no label was used until now.",
    noun="garments",
)
def shifted_garments():
    """Test images, mirrored and shifted by up to four pixels: readers may look at the others."""
    _, (images, labels) = data.fashion_mnist()
    mirrored = np.pad(images[:1000, :, ::-1], ((0, 0), (4, 4), (4, 4), (0, 0)))
    starts = np.random.default_rng(7).integers(9, size=(1000, 2))
    pairs = zip(mirrored, starts, strict=True)
    return np.stack([image[y : y + 28, x : x + 28] for image, (y, x) in pairs]), labels[:1000]


@functools.cache
def _shipped():
    from course_utils import pretrained

    layers = pretrained.dinov2_small(SIZE).layers
    return {layer.name: layer.get_weights() for layer in layers if layer.weights}


def _holds_the_transformer(model):
    return set(_shipped()) <= {layer.name for layer in all_layers(model)}


def _is_frozen(model):
    return all(
        np.array_equal(now, before)
        for layer in all_layers(model)
        for now, before in zip(layer.get_weights(), _shipped().get(layer.name, ()), strict=False)
    )


def _is_linear(model):
    """Whether there is one matrix behind the transformer."""
    others = (layer for layer in all_layers(model) if layer.name not in _shipped())
    return sum(value.ndim > 1 for layer in others for value in layer.get_weights()) == 1


@EXERCISES.trained(
    "13.5",
    "is the head trained on the features that it gets here, and long enough?",
    accuracy=0.65,
    parameters=(BACKBONE, BACKBONE + HEAD),
    must={
        "the vision transformer is not in it: build a model from the photos to the logits, with "
        f"`dinov2_small({SIZE})` inside.": _holds_the_transformer,
        "the weights of the transformer have moved. A probe leaves the features as they are.": (
            _is_frozen
        ),
        "a linear classifier has one layer with weights behind the transformer.": _is_linear,
    },
    seconds=60.0,
    praise="The transformer is as it was.",
    noun="photos",
)
def mirrored_photos():
    """Test photos, mirrored: readers may look at the others. As many of each class."""
    _, (images, labels) = data.photo_set(size=SIZE)
    chosen = np.concatenate([np.flatnonzero(labels == one)[:8] for one in range(5)])
    return images[chosen, :, ::-1], labels[chosen]
