"""Scenes of garments to detect: images of which everything is known.

They are in colour, as photos are. What tells the classes apart is form, since every garment is dyed
at random; what tells two garments apart that overlap is, as in photos, mostly colour.
"""

import functools

import numpy as np

from course_utils._checks import one_of, whole_number
from course_utils.data import fashion_mnist

SIZE = 96  # pixels, height and width of a scene
MOST = 5  # garments in a scene
SMALLEST, LARGEST = 20, 48  # pixels, side of the square that holds a garment
VISIBLE = 0.6  # the share of a garment's pixels that those in front of it must leave
TRIES = 10  # positions tried for a garment
OPAQUE = 17  # from this brightness on, of 255, a pixel of a garment hides what is behind
SPLITS = ("train", "test")
# Rows and columns of colours from which a background is made: plain, gradients, stripes, checks.
PATTERNS = ((1, 1), (1, 2), (2, 1), (2, 2), (3, 3), (6, 6), (12, 12), (1, 12), (12, 1))


def make_scenes(count, seed=0, split="train"):
    """Draws scenes of one to five garments from Fashion-MNIST on varied backgrounds.

    Each garment is scaled, dyed, perhaps mirrored, and lies wholly within the image. A later one
    may hide at most two fifths of an earlier one; one that finds no such place is left out.
    The same arguments give the same scenes on every machine, and the first scenes of a longer list
    are those of a shorter one.

    Args:
        count: number of scenes, >= 1.
        seed: whole number >= 0.
        split: "train" to draw garments from the 10,000 training images, "test" from the 2,000 test
            images, so that no garment is seen in both.

    Returns:
        (images, truth): float32 images in [0, 1] of shape (count, 96, 96, 3), and for each a
        dictionary of its M garments, from back to front: "boxes", float32 (M, 4) x1, y1, x2, y2 in
        pixels, tight around what is visible; "labels", int32 (M,), see `data.FASHION_CLASSES`;
        "masks", bool (M, 96, 96), the visible pixels. Each pixel is in at most one mask.

    Raises:
        ValueError: if count or seed are no such numbers, or the split is unknown.
    """
    count, seed = whole_number("count", count), whole_number("seed", seed, low=0)
    split = one_of("split", split, SPLITS)
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    garments, labels = _garments(split)
    images, truth = np.empty((count, SIZE, SIZE, 3), np.uint8), []
    for image in images:
        chosen, masks = _draw(rng, garments, image)
        boxes = np.array([_frame(mask) for mask in masks], np.float32)
        truth.append({"boxes": boxes, "labels": labels[chosen], "masks": np.stack(masks)})
    return np.divide(images, 255, dtype=np.float32), truth


# Whole numbers everywhere, also where their type is float64: below 2^53 it adds them exactly, in
# whatever order a machine does.


@functools.cache
def _garments(split):
    """(N, 2, 28, 28) uint8, brightness and opacity of each garment, and (N,) labels."""
    images, labels = fashion_mnist()[SPLITS.index(split)]
    pixels = np.rint(255 * images[..., 0]).astype(np.uint8)
    opacity = np.minimum(pixels, OPAQUE) * np.uint8(255 // OPAQUE)
    return np.stack([pixels, opacity], axis=1), labels


def _draw(rng, garments, image):
    """Paints one scene into `image`; returns the indices of its garments, and their masks."""
    image[:] = _background(rng)
    chosen, masks, wholes = [], [], []
    for _ in range(rng.integers(1, MOST + 1)):
        index, side = rng.integers(len(garments)), int(rng.integers(SMALLEST, LARGEST + 1))
        step = 1 - 2 * rng.integers(2)  # half of them are mirrored
        brightness, opacity = _resize(garments[index], side, side)[:, :, ::step]
        shape = opacity >= 128
        place = _place(rng, shape, masks, wholes)
        if place is None:
            continue
        # Around a garment its picture is black: it is its own brightness times its opacity.
        dye = rng.integers(96, 256, 3, np.uint16)
        behind = image[place] * (255 - opacity)[..., np.newaxis]
        image[place] = (behind + brightness[..., np.newaxis] * dye + 127) // 255
        for mask in masks:
            mask[place] &= ~shape
        mask = np.zeros((SIZE, SIZE), bool)
        mask[place] = shape
        masks.append(mask)
        chosen.append(index)
        wholes.append(np.count_nonzero(shape))
    return chosen, masks


def _place(rng, shape, masks, wholes):
    """A window of the scene where a garment leaves enough of each earlier one, or None."""
    side = len(shape)
    for top, left in rng.integers(0, SIZE - side + 1, (TRIES, 2)):
        place = slice(top, top + side), slice(left, left + side)
        if all(
            np.count_nonzero(mask) - np.count_nonzero(mask[place] & shape) >= VISIBLE * whole
            for mask, whole in zip(masks, wholes, strict=True)
        ):
            return place
    return None


def _background(rng):
    """(SIZE, SIZE, 3) whole numbers from 0 to 255: a few colours, sharp or blurred, and noise."""
    rows, columns = PATTERNS[rng.integers(len(PATTERNS))]
    colours = rng.integers(32, 224) + rng.integers(-40, 41, 3)
    colours = colours + rng.integers(-48, 49, (rows, columns, 1))
    colours = colours + rng.integers(-16, 17, (rows, columns, 3))
    colours = np.clip(colours, 0, 255).astype(np.int16)
    if rng.integers(2):
        canvas = _resize(colours.transpose(2, 0, 1), SIZE, SIZE).transpose(1, 2, 0)
    else:
        canvas = colours.repeat(SIZE // rows, axis=0).repeat(SIZE // columns, axis=1)
    noise = rng.integers(-8, 9, (SIZE, SIZE, 1), np.int8)
    return np.clip(canvas.astype(np.int16) + noise, 0, 255)


def _resize(images, height, width):
    """(N, H, W) from 0 to 255 -> uint16 (N, height, width), by linear interpolation."""
    down, across = _weights(images.shape[1], height), _weights(images.shape[2], width)
    sums = down @ images.astype(float) @ across.T  # in 65536ths
    return ((sums.astype(np.int32) + 2**15) >> 16).astype(np.uint16)


@functools.cache
def _weights(size, pixels):
    """(pixels, size) weights in 256ths, whole numbers: each row adds up to 256."""
    centres = (256 * (2 * np.arange(pixels) + 1) * size // pixels - 256) // 2
    left, share = np.divmod(np.clip(centres, 0, 256 * (size - 1)), 256)
    weights = np.zeros((pixels, size))
    weights[np.arange(pixels), left] = 256 - share
    weights[np.arange(pixels), np.minimum(left + 1, size - 1)] += share
    return weights


def _frame(mask):
    """x1, y1, x2, y2 of the box around the true pixels of a mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
