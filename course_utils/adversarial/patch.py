"""The adversarial patch: one sticker for all photos, wherever it lies.

Source: Brown et al. (2017), Adversarial patch. As there, the patch is trained over many photos and
placements: it is moved, scaled and rotated at random, so that it works wherever it is put.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from PIL import Image
from tqdm import tqdm

from course_utils import _checks, data
from course_utils.adversarial.scores import cross_entropy_exponent, logits_of, predicted


def random_places(count, image_shape, sizes, max_angle=0, seed=0):
    """Draws where a patch lies in each of several images; it lies within the image.

    Args:
        count: number of images, >= 1.
        image_shape: (height, width, ...) in pixels.
        sizes: (smallest, largest) diameter in pixels, not larger than the image.
        max_angle: it is rotated by up to so many degrees to either side.
        seed: a whole number >= 0.

    Returns:
        float32 array (count, 4): x, y of the centre in pixels, diameter in pixels, and angle in
        degrees, counterclockwise.

    Raises:
        ValueError: if an argument is none of these.
    """
    count = _checks.whole_number("count", count)
    seed = _checks.whole_number("seed", seed, low=0)
    max_angle = _checks.number("max_angle", max_angle, high=180)
    height, width = image_shape[:2]
    low, high = sizes
    if not 0 < low <= high <= min(height, width):
        raise ValueError(
            f"sizes must be two numbers, rising, from 0 to {min(height, width)}, got {sizes!r}"
        )
    rng = np.random.default_rng(seed)
    size = rng.uniform(low, high, count)
    x = rng.uniform(size / 2, width - size / 2)
    y = rng.uniform(size / 2, height - size / 2)
    angle = rng.uniform(-max_angle, max_angle, count)
    return np.stack([x, y, size, angle], axis=1).astype(np.float32)


def place_patch(images, patch, places):
    """Puts a round patch on images.

    Args:
        images: float array (N, H, W, 3) in [0, 1]; it is not changed.
        patch: float array (P, P, 3) in [0, 1], P <= H and W; only the disc inside it is used.
        places: (N, 4), as `random_places` returns them.

    Returns:
        float32 array (N, H, W, 3) in [0, 1].

    Raises:
        ValueError: if an argument is none of these.
    """
    images, patch = _checks.images("images", images), _checks.photo("patch", patch)
    places = _checks.rows("places", places, 4)
    if images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(f"images must have shape (N, height, width, 3), got {images.shape}")
    if len(places) != len(images) or (places[:, 2] <= 0).any():
        raise ValueError(
            f"expected places for {len(images)} images with diameters > 0, got {places.tolist()}"
        )
    if patch.shape[0] != patch.shape[1] or patch.shape[0] > min(images.shape[1:3]):
        raise ValueError(
            f"patch must be square and fit into {images.shape[1:3]}, got {patch.shape[:2]}"
        )
    return np.clip(ops.convert_to_numpy(_placed(images, patch, places)), 0, 1)


def train_patch(
    model,
    images,
    target,
    size=64,
    steps=200,
    *,
    sizes=(40, 90),
    max_angle=20,
    batch_size=16,
    learning_rate=0.05,
    seed=0,
):
    """Trains a patch that makes a classifier see a class, whatever else is in the image.

    Adam raises the log-probability of the class, averaged over random images and placements. A bar
    on the standard error stream shows the progress.

    Args:
        model: images -> logits or probabilities, as for `pgd`.
        images: float array (N, H, W, 3) in [0, 1].
        target: the class, a whole number.
        size: side of the patch in pixels, >= 1.
        steps: number of steps, >= 1.
        sizes, max_angle: as for `random_places`.
        batch_size: images of a step, >= 1.
        learning_rate: of Adam; the patch is in [0, 1], and starts grey.
        seed: a whole number >= 0.

    Returns:
        float32 array (size, size, 3) in [0, 1], for `place_patch`.

    Raises:
        ValueError: if an argument is none of these.
    """
    images = _checks.images("images", images)
    target = _checks.whole_number("target", target, low=0)
    size, steps = _checks.whole_number("size", size), _checks.whole_number("steps", steps)
    batch_size = _checks.whole_number("batch_size", batch_size)
    rng = np.random.default_rng(_checks.whole_number("seed", seed, low=0))
    logits = logits_of(model, images[:batch_size], [target])
    patch = keras.Variable(np.full((size, size, 3), 0.5, np.float32))
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build([patch])
    labels = np.full(batch_size, target)

    @tf.function
    def gradient(batch, places):
        with tf.GradientTape() as tape:
            excess = cross_entropy_exponent(logits(_placed(batch, patch, places)), labels)
            loss = ops.mean(ops.softplus(excess))  # the cross-entropy
        return tape.gradient(loss, patch.value)

    for _ in tqdm(range(steps), unit="step", leave=False):
        batch = images[rng.integers(len(images), size=batch_size)]
        draw = int(rng.integers(2**31))
        places = random_places(batch_size, images.shape[1:], sizes, max_angle, draw)
        optimizer.apply([gradient(tf.constant(batch), tf.constant(places))], [patch])
        patch.assign(ops.clip(patch, 0, 1))
    return patch.numpy()


def toaster_patch():
    """A patch that makes EfficientNet-Lite0 see toasters, made by `recipes/train_patch.py`.

    Returns:
        float32 array (80, 80, 3) in [0, 1], for `place_patch`.

    Raises:
        ValueError: if its file is damaged.
    """
    with Image.open(data.asset("toaster_patch.png")) as image:
        return np.asarray(image).astype(np.float32) / 255


def patch_success(model, images, patch, target, places, batch_size=32):
    """The share of images that a patch turns into its class.

    Args:
        model, images, target: as for `train_patch`. Images that the model takes for the class
            without the patch are left out.
        patch, places: as for `place_patch`.
        batch_size: images computed at a time, >= 1.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: if an argument is none of these, or no image is left.
    """
    before = predicted(model, _checks.images("images", images), batch_size)
    if (before == target).all():
        raise ValueError(f"expected images of another class than {target}, got none")
    after = predicted(model, place_patch(images, patch, places), batch_size)
    return float(np.mean(after[before != target] == target))


def _placed(images, patch, places):
    """Images with the patch, a tensor (N, H, W, 3) that can be differentiated by the patch."""
    height, width = images.shape[1:3]
    side = patch.shape[0]
    middles = np.arange(side) - (side - 1) / 2
    disc = np.hypot(middles, middles[:, np.newaxis]) <= side / 2
    disc = disc[..., np.newaxis].astype(np.float32)
    sticker = ops.concatenate([patch * disc, disc], axis=-1)  # (P, P, 4), colour times alpha
    canvas = ops.pad(sticker, ((0, height - side), (0, width - side), (0, 0)))
    canvas = ops.repeat(canvas[np.newaxis], len(images), axis=0)
    moved = ops.image.affine_transform(canvas, _transforms(places, side), "bilinear")
    return images * (1 - moved[..., 3:]) + moved[..., :3]


def _transforms(places, side):
    """For each place the eight numbers that say where a pixel lies in the patch, (N, 8).

    The pixel with the centre (x, y) + 0.5 has there the coordinates a x + b y + c, d x + e y + f.
    """
    x, y, size, angle = ops.unstack(ops.cast(places, "float32"), axis=1)
    turn = angle * (np.pi / 180)
    a, b = side / size * ops.cos(turn), -side / size * ops.sin(turn)
    middle = (side - 1) / 2
    c = middle - a * (x - 0.5) - b * (y - 0.5)
    f = middle + b * (x - 0.5) - a * (y - 0.5)
    zero = ops.zeros_like(a)
    return ops.stack([a, b, c, -b, a, f, zero, zero], axis=1)
