"""Attacks that change every pixel by a little: the fast gradient sign method and its repetition.

Images are in [0, 1] and so is epsilon, the largest change that is allowed: 8 / 255 are eight steps
of an 8-bit image. Labels are the true ones (of a targeted attack: the ones that the network is to
say). With the network's own answer in their place, an attack on an image that the network gets
wrong would help it.
"""

import numpy as np
import tensorflow as tf
from keras import ops
from tqdm import tqdm

from course_utils import _checks
from course_utils.adversarial.scores import cross_entropy_exponent, logits_of, margin, predicted

LEVELS = 255
NORMS = ("linf", "l2")


def fgsm(model, images, labels, epsilon, targeted=False, *, eight_bit=False, batch_size=32):
    """The fast gradient sign method: one step of epsilon at each pixel, up or down.

    Args:
        model, images, labels, targeted, eight_bit, batch_size: as for `pgd`.
        epsilon: the change of each pixel, in [0, 1].

    Returns:
        float32 array of the shape of `images`, in [0, 1].

    Raises:
        ValueError: as `pgd` does.

    Source: Goodfellow, Shlens and Szegedy (2015), Explaining and harnessing adversarial examples.
    """
    return pgd(
        model, images, labels, epsilon, 1, epsilon, targeted,
        eight_bit=eight_bit, batch_size=batch_size,
    )  # fmt: skip


def pgd(
    model,
    images,
    labels,
    epsilon,
    steps,
    step_size,
    targeted=False,
    *,
    norm="linf",
    seed=None,
    restarts=1,
    eight_bit=False,
    batch_size=32,
):
    """Projected gradient descent: steps along the gradient, each kept within epsilon of the image.

    Each step raises the cross-entropy of the label, or lowers that of a target. The loss is taken
    from the logits in a form that does not saturate, so that a confident network is no obstacle.
    A bar on the standard error stream shows the progress.

    Args:
        model: a Keras model, or a function that can be differentiated, from images to logits or
            probabilities (N, K). What it gives is found out, see `scores.logits_of`.
        images: float array (N, H, W, C) in [0, 1], N >= 1; it is not changed.
        labels: (N,) whole numbers, the true classes; with `targeted` the classes to be predicted.
        epsilon: the largest change: of a pixel, in [0, 1], for "linf"; the largest root of the sum
            of all squared changes of an image for "l2".
        steps: number of steps, >= 1.
        step_size: length of a step, >= 0, in the units of epsilon.
        targeted: whether `labels` are what the model is to predict.
        norm: "linf" or "l2".
        seed: None to start at the image, or a whole number >= 0 to start at random within epsilon.
        restarts: number of random starts, >= 1; more than one need a seed. Of each image the start
            is kept after which the model is furthest on the wrong side, or nearest to it.
        eight_bit: whether the result is to have the 256 levels of a PNG, and to be within epsilon
            for all that. It needs images that have them, and the norm "linf". Below an epsilon of
            1/255 nothing can change.
        batch_size: images computed at a time, >= 1.

    Returns:
        float32 array of the shape of `images`, in [0, 1]: after the last step.

    Raises:
        ValueError: if an argument is none of these, or the model has no gradient.

    Source: Madry et al. (2018), Towards deep learning models resistant to adversarial attacks;
    started at the image, it is the iterative method of Kurakin et al. (2017).
    """
    images = _checks.images("images", images)
    labels = _checks.labels("labels", labels, len(images), of="image")
    norm = _checks.one_of("norm", norm, NORMS)
    epsilon = _checks.number("epsilon", epsilon, high=1 if norm == "linf" else None)
    step_size = _checks.number("step_size", step_size)
    steps = _checks.whole_number("steps", steps)
    restarts = _checks.whole_number("restarts", restarts)
    batch_size = _checks.whole_number("batch_size", batch_size)
    if seed is None and restarts > 1:
        raise ValueError(f"restarts must be 1 without a seed for random starts, got {restarts}")
    rng = None if seed is None else np.random.default_rng(_checks.whole_number("seed", seed, 0))
    if eight_bit:
        _check_levels(images, norm)
        epsilon = int(LEVELS * epsilon + 1e-6) / LEVELS
    logits = logits_of(model, images[:batch_size], labels)

    direction = -1 if targeted else 1
    starts = range(0, len(images), batch_size)
    total = len(starts) * restarts * steps
    gradient = _gradient(logits, images.shape, compiled=total > 1)
    results = np.empty_like(images)
    with tqdm(total=total, unit="step", leave=False) as bar:
        for begin in starts:
            x, y = images[begin : begin + batch_size], labels[begin : begin + batch_size]
            best = np.full(len(x), -np.inf)
            for _ in range(restarts):
                found = x if rng is None else np.clip(x + _noise(x, epsilon, norm, rng), 0, 1)
                for _ in range(steps):
                    step = direction * step_size * _steepest(gradient(found, y), norm)
                    found = np.clip(x + _shortened(found + step - x, epsilon, norm), 0, 1)
                    bar.update()
                if eight_bit:
                    found = np.rint(LEVELS * found) / np.float32(LEVELS)
                reached = direction * margin(logits(found), y) if restarts > 1 else np.zeros(len(x))
                better = reached > best
                results[begin : begin + batch_size][better] = found[better]
                best = np.maximum(best, reached)
    return results


def accuracy_curve(model, images, labels, epsilons, attack=fgsm, **options):
    """The accuracy that an attack leaves, for several epsilons.

    Args:
        model, images, labels: as for `pgd`; the labels are the true ones.
        epsilons: budgets of the attack; 0 gives the accuracy without it.
        attack: a function (model, images, labels, epsilon) -> images, such as `fgsm`.
        **options: what else it takes.

    Returns:
        float64 array with the share of right answers for each epsilon.

    Raises:
        ValueError: as the attack does.
    """
    images = _checks.images("images", images)
    labels = _checks.labels("labels", labels, len(images), of="image")
    found = (attack(model, images, labels, epsilon, **options) for epsilon in epsilons)
    return np.array([np.mean(predicted(model, attacked) == labels) for attacked in found])


def _check_levels(images, norm):
    if norm != "linf":
        raise ValueError(f'eight_bit needs the norm "linf", got {norm!r}')
    off = np.abs(LEVELS * images - np.rint(LEVELS * images)).max()
    if off > 1e-3:
        raise ValueError(
            f"eight_bit needs images of 256 levels, multiples of 1/255, got one {off:.2g} levels "
            "off: round them first"
        )


def _gradient(logits, shape, compiled):
    """A function from images and labels to the gradient of the loss by the images, an array."""

    def gradient(x, labels):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = ops.sum(cross_entropy_exponent(logits(x), labels))
        found = tape.gradient(loss, x)
        if found is None:
            raise ValueError("expected a model with a gradient by its input, got one without")
        return found

    if compiled:  # one trace for batches of any length; for a single step it does not pay
        signature = tf.TensorSpec((None, *shape[1:])), tf.TensorSpec((None,), tf.int32)
        gradient = tf.function(gradient, input_signature=signature, autograph=False)
    return lambda x, labels: gradient(tf.constant(x), tf.constant(labels, tf.int32)).numpy()


def _lengths(x):
    """Root of the sum of squares of each image, of a shape that divides images: (N, 1, ..., 1)."""
    return np.sqrt(np.sum(np.square(x), axis=tuple(range(1, x.ndim)), keepdims=True))


def _steepest(gradient, norm):
    """The step of length one along which the loss rises most; zero where the gradient is."""
    if norm == "linf":
        return np.sign(gradient)
    return gradient / np.maximum(_lengths(gradient), np.finfo(np.float32).tiny)


def _shortened(change, epsilon, norm):
    """The change nearest to one, of all within epsilon."""
    if norm == "linf":
        return np.clip(change, -epsilon, epsilon)
    return change * np.minimum(1, epsilon / np.maximum(_lengths(change), epsilon or 1))


def _noise(images, epsilon, norm, rng):
    """Changes within epsilon, each as likely as any other."""
    if norm == "linf":
        return rng.uniform(-epsilon, epsilon, images.shape).astype(np.float32)
    noise = rng.standard_normal(images.shape, np.float32)
    share = rng.random((len(images),) + (1,) * (images.ndim - 1), np.float32)
    return epsilon * share ** (1 / images[0].size) * noise / _lengths(noise)
