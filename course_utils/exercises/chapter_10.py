"""Exercises of chapter 10, limitations: adversarial examples."""

import numpy as np

from course_utils import data
from course_utils.exercises.judge import Exercises

EXERCISES = Exercises()
rng = np.random.default_rng(10)

EXERCISES.answer(
    "10.1",
    2.6 - 0.25 * 10,
    "each of the four pixels contributes epsilon times the size of its weight.",
    mistakes={
        "a negative weight lowers the margin when its pixel moves up: the sizes add up, whatever "
        "the signs.": 2.6 - 0.25 * 2,
        "this counts each pixel as if its weight were one.": 2.6 - 0.25 * 4,
        "this is the length of w, which belongs to the L2 norm.": 2.6 - 0.25 * 30**0.5,
        "an attack lowers the margin.": 2.6 + 0.25 * 10,
        "this is by how much it falls. What is left?": 0.25 * 10,
        "pixels with a negative weight can be moved as well.": 2.6 - 0.25 * 6,
    },
    praise="the model is still right. With an epsilon of .26 the margin would be used up.",
)


class _Linear:
    """A linear classifier of images (N, 2, 3, 1), called as a Keras model is."""

    def __init__(self, classes):
        self.weights = rng.normal(size=(6, classes))

    def __call__(self, images):
        return np.reshape(images, (len(images), -1)) @ self.weights

    def gradient(self, images, labels):
        """Of the cross-entropy of the labels by the images."""
        powers = np.exp(self(images))
        shares = powers / powers.sum(axis=1, keepdims=True)
        shares[np.arange(len(images)), labels] -= 1
        return (shares @ self.weights.T).reshape(images.shape)


def _attacked(classes, epsilon, count=6):
    """Arguments of an attack; about half of the labels are not what the model predicts."""
    model = _Linear(classes)
    images = np.clip(rng.uniform(-0.2, 1.2, (count, 2, 3, 1)), 0, 1)  # some pixels at the edge
    labels = np.where(
        np.arange(count) % 2, model(images).argmax(axis=1), np.arange(count) % classes
    )
    return model, model.gradient, images, labels, epsilon


def _faulty(own=False, unit=1.0, top=1.0, sign=np.sign, direction=1):
    def attack(model, gradient, images, labels, epsilon):
        chosen = model(images).argmax(axis=1) if own else labels
        step = direction * epsilon * unit * sign(gradient(images, chosen))
        return images + step if top is None else np.clip(images + step, 0, top)

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
        "these are all three faults, as they were.": _faulty(own=True, unit=1 / 255, top=255),
        "two faults are left: the label and the range.": _faulty(own=True, top=255),
        "two faults are left: the unit of epsilon and the range.": _faulty(unit=1 / 255, top=255),
        "two faults are left: the label and the unit of epsilon.": _faulty(own=True, unit=1 / 255),
    },
    praise="the label, the unit, the range.",
)
def attack(model, gradient, images, labels, epsilon):
    step = epsilon * np.sign(gradient(images, labels))
    return np.clip(images + step, 0, 1)


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
    "bring the change within epsilon, add it to the photo, then clip the pixels to [0, 1].",
    cases=[
        _step("linf", 0.1, [0.05, 0.2, 0.5, 1]),
        _step("l2", 0.5, [0.1, 0.3, 0.6, 1]),
        _step("l2", 0.2, [0, 0.05, 1, 2]),
        _step("linf", 0.3, [0, 0.2, 0.4, 2]),
    ],
    mistakes={
        "pixels have left the range from 0 to 1.": _projection(clip=False),
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


def _coarse(images):
    """The pixels in four grey levels."""
    return np.round(3 * images) / 3


def _defended(classes, epsilon, scale):
    model, _, images, labels, _ = _attacked(classes, epsilon)
    model.weights *= scale
    return _coarse, model.gradient, images, labels, epsilon


def _stepped(at, start=lambda quantise, images: images, clip=True, direction=1):
    """An attack whose gradient is taken at one place and whose step starts at another."""

    def attack(quantise, gradient, images, labels, epsilon):
        slope = gradient(at(quantise, images), labels)
        moved = start(quantise, images) + direction * epsilon * np.sign(slope)
        return np.clip(moved, 0, 1) if clip else moved

    return attack


def _itself(quantise, images):
    return images


def _rounded(quantise, images):
    return quantise(images)


@EXERCISES.function(
    "10.4",
    "forward through the rounding, backward as if it were not there: where is the gradient taken, "
    "and to which images is the step added?",
    cases=[_defended(3, 0.1, 2), _defended(5, 0.2, 3), _defended(4, 0.3, 2)],
    mistakes={
        "this is the attack on the network alone. The network sees rounded images, and its "
        "gradient is another one there.": _stepped(_itself),
        "the step starts at the rounded images: together with the rounding the change is larger "
        "than epsilon.": _stepped(_rounded, start=_rounded),
        "some pixels are now below 0 or above 1.": _stepped(_rounded, clip=False),
        "this lowers the loss: the images are now safer.": _stepped(_rounded, direction=-1),
        "the defence rounds by itself. If the attacker rounds as well, the change is larger than "
        "epsilon.": lambda quantise, *rest: quantise(pretend(quantise, *rest)),
    },
    praise="no derivative of the rounding was needed.",
)
def pretend(quantise, gradient, images, labels, epsilon):
    step = epsilon * np.sign(gradient(quantise(images), labels))
    return np.clip(images + step, 0, 1)


EXERCISES.answer(
    "10.5",
    "ACD",
    "compare, in each report, a stronger attack with a weaker one; letters in the order of the "
    "alphabet, without spaces.",
    mistakes={
        "ten steps that do worse than one: can the larger search miss what a smaller one found?": (
            "CD"
        ),
        "half of the range of the pixels turns every image grey. Can three quarters of them still "
        "be recognised?": "AD",
        "images made for another network fool this one more often than those that were made for "
        "it.": "AC",
        "more steps and starts find a little more, as they should.": "ACDE",
        "everything in B falls as it should: more steps find more, and .5 finds all.": "ABCD",
        "these are the two that are in order.": "BE",
        "three reports do not fit; you found one of them.": "A",
    },
    praise="B and E fall as they should.",
)


def _accuracy_under_attack(model):
    from course_utils import adversarial

    images, labels = (part[:ATTACKED] for part in held_out())

    def ten_steps(model, images, labels, epsilon):
        return adversarial.pgd(model, images, labels, epsilon, 10, epsilon / 4, batch_size=250)

    return adversarial.accuracy_curve(model, images, labels, [0.1], ten_steps)[0]


ATTACKED = 250  # images


@EXERCISES.trained(
    "10.6",
    "train longer, on attacked images of all classes.",
    accuracy=0.7,
    parameters=(None, 150_000),
    must={
        "under ten steps of an attack with an epsilon of .1 it gets less than 45 % right. It has "
        "to see attacked images in training, made against its own weights of the moment.": (
            lambda model: _accuracy_under_attack(model) >= 0.45
        ),
    },
    seconds=60.0,
    praise="and it withstands the attack.",
)
def held_out():
    """Test images: what is attacked is not what a network was trained on."""
    _, (images, labels) = data.fashion_mnist()
    return images[1000:2000], labels[1000:2000]
