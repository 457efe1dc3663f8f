"""Exercises of chapter 10, limitations: adversarial examples."""

import numpy as np

from course_utils.exercises import robust_10
from course_utils.exercises.judge import Exercises

EXERCISES = Exercises()
rng = np.random.default_rng(10)

EXERCISES.answer(
    "10.1",
    2.6 - (4 * 0.25 + 3 * 0.25 + 2 * 0.2 + 0.2),
    "each pixel contributes the size of its weight times what it can move.",
    mistakes={
        "two of the pixels reach 0 or 1 before they have moved by epsilon.": 2.6 - 0.25 * 10,
        "the third pixel cannot go below 0.": 2.6 - (1 + 0.75 + 0.5 + 0.2),
        "the fourth pixel cannot go above 1.": 2.6 - (1 + 0.75 + 0.4 + 0.25),
        "a negative weight lowers the margin when its pixel moves up: the sizes add up, whatever "
        "the signs.": 2.6 - (1 - 0.75 + 0.4 - 0.2),
        "this is the length of w, which belongs to the L2 norm.": 2.6 - 0.25 * 30**0.5,
        "an attack lowers the margin.": 2.6 + 2.35,
        "this is by how much it falls. What is left?": 2.35,
        "pixels with a negative weight can be moved as well.": 2.6 - (1 + 0.4),
    },
    praise="the model is still right, and without the edges .1 would be left.",
)


class _Small:
    """Two layers for images (N, 2, 3, 1), called as a Keras model; it gives logits."""

    def __init__(self, classes):
        self.hidden = rng.normal(size=(6, 5)).astype(np.float32)
        self.output = rng.normal(size=(5, classes)).astype(np.float32)

    def __call__(self, images, training=False):
        from keras import ops

        flat = ops.reshape(ops.convert_to_tensor(images, "float32"), (-1, 6))
        return ops.matmul(ops.tanh(ops.matmul(flat, self.hidden)), self.output)


def _attacked(classes, epsilon, count=6):
    """Arguments of an attack; about half of the labels are not what the model predicts."""
    model = _Small(classes)
    images = np.clip(rng.uniform(-0.2, 1.2, (count, 2, 3, 1)), 0, 1)  # some pixels at the edge
    images = images.astype(np.float32)
    predicted = np.argmax(model(images), axis=1)
    labels = np.where(np.arange(count) % 2, predicted, np.arange(count) % classes)
    return model, images, labels, epsilon


def _gradient(model, images, labels, from_logits=True):
    """Of the cross-entropy of the labels by the images, an array."""
    import tensorflow as tf
    from keras import losses

    images = tf.convert_to_tensor(images, "float32")
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = model(images)
        loss = losses.sparse_categorical_crossentropy(labels, outputs, from_logits=from_logits)
    return tape.gradient(loss, images).numpy()


def _faulty(own=False, unit=1.0, top=1.0, sign=np.sign, direction=1, from_logits=True):
    def attack(model, images, labels, epsilon):
        chosen = np.argmax(model(images), axis=1) if own else labels
        gradient = _gradient(model, images, chosen, from_logits)
        moved = images + direction * epsilon * unit * sign(gradient)
        return moved if top is None else np.clip(moved, 0, top)

    return attack


@EXERCISES.function(
    "10.2",
    "one step of epsilon along the sign of the gradient for the true labels, then clipped.",
    cases=[_attacked(3, 0.1), _attacked(4, 0.5), _attacked(2, 0.0)],
    mistakes={
        "where the network errs, its own prediction is a wrong label: the attack drives it "
        "away from the error. The true labels are given.": _faulty(own=True),
        "epsilon is in units of the pixels already, which run from 0 to 1.": _faulty(unit=1 / 255),
        "pixels run from 0 to 1, not to 255.": _faulty(top=255),
        "some pixels are now below 0 or above 1: no image file could hold them.": _faulty(top=None),
        "this moves along the gradient itself. Its sign moves each pixel by epsilon.": _faulty(
            sign=lambda gradient: gradient
        ),
        "this lowers the loss of the true label: the network gets better.": _faulty(direction=-1),
        "the model gives logits, and the loss has to be told so.": _faulty(from_logits=False),
        "these are all three faults, as they were.": _faulty(own=True, unit=1 / 255, top=255),
        "two faults are left: the label and the range.": _faulty(own=True, top=255),
        "two faults are left: the unit of epsilon and the range.": _faulty(unit=1 / 255, top=255),
        "two faults are left: the label and the unit of epsilon.": _faulty(own=True, unit=1 / 255),
    },
    praise="the label, the unit, the range.",
)
def attack(model, images, labels, epsilon):
    return np.clip(images + epsilon * np.sign(_gradient(model, images, labels)), 0, 1)


def _lengths(change, axis=(1, 2, 3)):
    return np.sqrt(np.sum(np.square(change), axis=axis, keepdims=True))


def _step(norm, epsilon, spread):
    """Images and what a step made of them: some changes are within epsilon, others are not."""
    images = rng.random((4, 3, 2, 1))
    spread = np.reshape(spread, (-1, 1, 1, 1))
    return images, images + spread * rng.uniform(-1, 1, images.shape), epsilon, norm


def _projection(linf=None, l2=None, clip=True):
    """The right projection, but for the parts that are given: functions of change and epsilon."""

    def wrong(images, found, epsilon, norm):
        other = {"linf": linf, "l2": l2}[norm]
        if other is None:
            return (
                project(images, found, epsilon, norm)
                if clip
                else _unclipped(images, found, epsilon, norm)
            )
        return np.clip(images + other(found - images, epsilon), 0, 1)

    return wrong


def _unclipped(images, found, epsilon, norm):
    change = found - images
    if norm == "linf":
        return images + np.clip(change, -epsilon, epsilon)
    return images + change * epsilon / np.maximum(_lengths(change), epsilon)


@EXERCISES.function(
    "10.3",
    "bring the change within epsilon, add it to the photo, and last clip the pixels to [0, 1].",
    cases=[
        _step("linf", 0.1, [0.05, 0.2, 0.5, 1]),
        _step("l2", 0.5, [0.1, 0.3, 0.6, 1]),
        _step("l2", 0.2, [0, 0.05, 1, 2]),
        _step("linf", 0.3, [0, 0.2, 0.4, 2]),
    ],
    mistakes={
        "pixels have left the range from 0 to 1.": _projection(clip=False),
        "this clips to [0, 1] first and shortens what is left. Both is allowed, but here the "
        "clipping comes last.": (
            lambda images, found, epsilon, norm: _unclipped(
                images, np.clip(found, 0, 1), epsilon, norm
            )
        ),
        "this makes every change as long as epsilon; one that is short enough stays as it is.": (
            _projection(l2=lambda change, e: change * e / np.maximum(_lengths(change), 1e-12))
        ),
        "for l2 you limited each pixel. The length of an image's whole change is what counts.": (
            _projection(l2=lambda change, e: np.clip(change, -e, e))
        ),
        "each image has a length of its own; yours is that of the whole batch.": _projection(
            l2=lambda change, e: change * min(1, e / max(_lengths(change, None).item(), 1e-12))
        ),
        "this is the sum of the squares; the length is its root.": _projection(
            l2=lambda change, e: (
                change * np.minimum(1, e / np.maximum(_lengths(change) ** 2, 1e-12))
            )
        ),
        "for linf you shortened the whole change. Each pixel is limited by itself.": _projection(
            linf=lambda change, e: (
                change
                * np.minimum(1, e / np.maximum(np.abs(change).max((1, 2, 3), keepdims=True), 1e-12))
            )
        ),
        "the step is only clipped to [0, 1]: nothing keeps it near the photo.": (
            lambda images, found, epsilon, norm: np.clip(found, 0, 1)
        ),
    },
)
def project(images, found, epsilon, norm):
    return np.clip(_unclipped(images, found, epsilon, norm), 0, 1)


EXERCISES.trained(
    "10.4",
    "going forward, it is the defended network; only going backward does it differ.",
    accuracy=0.8,
    must={
        "it gives other answers than the defended network. Going forward, the pixels have to be "
        "rounded.": robust_10.answers_as_the_defended,
        "an attack on it finds no gradient, or one that is zero. What does the gradient of the "
        "rounding do to that of the network?": robust_10.has_a_gradient,
        "made with its gradient, attacked images leave the defended network at least half right. "
        "Going backward, the step before the network should change nothing.": robust_10.breaks_it,
    },
    praise="No derivative of the rounding was needed.",
)(robust_10.tested)


def _masked(letters):
    return {letter: letter in letters for letter in "ABCDE"}


EXERCISES.answer(
    "10.5",
    _masked("ACD"),
    "compare, in each report, a stronger attack with a weaker one.",
    mistakes={
        "A: ten steps that do worse than one: can the larger search miss what a smaller one "
        "found?": _masked("CD"),
        "C: half of the range of the pixels turns every image grey. Can three quarters of them "
        "still be recognised?": _masked("AD"),
        "D: images made for another network fool this one more often than those that were made "
        "for it.": _masked("AC"),
        "E: more steps and starts find a little more, as they should.": _masked("ACDE"),
        "B: everything falls as it should: more steps find more, and .5 finds all.": (
            _masked("ABCD")
        ),
        "this is the other way round: B and E are in order.": _masked("BE"),
        "besides A, two more do not fit.": _masked("A"),
        "besides C, two more do not fit.": _masked("C"),
        "besides D, two more do not fit.": _masked("D"),
        "three of them do not fit.": _masked(""),
        "two of them are in order.": _masked("ABCDE"),
    },
    praise="B and E fall as they should.",
)

EXERCISES.trained(
    "10.6",
    "train longer, on attacked images of all classes.",
    accuracy=0.7,
    parameters=(None, 30_000),
    must={
        "it says the same to every image, attacked or not. Let the attack grow, train longer or "
        "take another seed.": robust_10.tells_images_apart,
        "even ten steps of .5, with which no image is left, do not fool it. It withstands no "
        "attack: it hides its gradient.": robust_10.shows_its_gradient,
        "under ten steps of an attack with an epsilon of .1 it gets less than 40 % right. It has "
        "to see attacked images in training, made against its own weights of the moment.": (
            robust_10.withstands_ten_steps
        ),
        "images made for another network fool it more often than those that its own gradient "
        "finds: it hides it.": robust_10.is_no_easier_for_others,
    },
    seconds=60.0,
    praise="It withstands the attack.",
)(robust_10.tested)
