"""Places to set things on, and garments whose place gives their class away."""

import functools

import numpy as np
from PIL import Image

from course_utils import data
from course_utils._checks import fraction, one_of, whole_number

# Photo of `data.photo` and the part of it (left, top, right, bottom) that shows no animal.
GRASS = ("pig", (305, 10, 480, 360))
SAND = ("red_pyramid", (0, 150, 160, 240))
SKY = ("red_pyramid", (0, 0, 320, 50))
WATER = ("narwhals", (0, 0, 110, 100))
SNOW = ("polar_bear", (0, 180, 113, 260))
PLACES = ("meadow", "sand", "beach", "sea", "snow")
GARMENTS = ("Pullover", "Coat")  # of `data.FASHION_CLASSES`
BEHIND = ("meadow", "sand")  # the place where most garments of each class lie
SIDE = 28  # pixels of a garment
OBJECT = 0.05  # brighter pixels of a garment belong to it; the rest is Fashion-MNIST's black


@functools.cache
def place(name, size=224):
    """A piece of landscape, made of parts of shipped photos.

    A part without an animal is small, so it is mirrored, and the seam shows if one looks for it.
    "beach" is a collage: the sky and the sand of one photo, the sea of another.

    Args:
        name: one of `PLACES`.
        size: height and width in pixels, >= 4.

    Returns:
        float32 array in [0, 1] of shape (size, size, 3), which cannot be written to.

    Raises:
        ValueError: if there is no such place, or the size is not a whole number >= 4.
    """
    one_of("name", name, PLACES)
    size = whole_number("size", size, low=4)
    if name == "beach":
        heights = (size // 4, size // 4, size - 2 * (size // 4))
        parts = [_part(*part) for part in (SKY, WATER, SAND)]
        strips = [_resized(part, size, h) for part, h in zip(parts, heights, strict=True)]
        landscape = np.concatenate(strips)
    else:
        part = _part(*{"meadow": GRASS, "sand": SAND, "sea": WATER, "snow": SNOW}[name])
        part = np.concatenate([part[:, ::-1], part], axis=1)
        if name == "sea":
            part = np.concatenate([part, part[::-1]])
        landscape = _resized(part, size, size)
    landscape.flags.writeable = False
    return landscape


def backgrounds(places, rng):
    """Small pieces of the meadow and of the sand, cut at random.

    Args:
        places: (N,) whole numbers, 0 for the meadow, 1 for the sand.
        rng: a `numpy.random.Generator`.

    Returns:
        float32 array in [0, 1] of shape (N, 28, 28, 3).

    Raises:
        ValueError: if `places` are none such.
    """
    places = np.asarray(places)
    if places.ndim != 1 or places.dtype.kind not in "iu" or not np.isin(places, (0, 1)).all():
        raise ValueError(f"expected places (N,) of 0 and 1, got {places!r:.60}")
    landscapes = [place(name, 4 * SIDE) for name in BEHIND]
    corners = rng.integers(0, 3 * SIDE + 1, (len(places), 2))
    pieces = [
        landscapes[number][top : top + SIDE, left : left + SIDE]
        for number, (top, left) in zip(places, corners, strict=True)
    ]
    return np.stack(pieces) if pieces else np.zeros((0, SIDE, SIDE, 3), np.float32)


def garments_on_places(part="train", share=0.95, seed=0):
    """Pullovers and coats of Fashion-MNIST, cut out and set on a meadow or on sand.

    Args:
        part: "train" or "test" of `data.fashion_mnist()`.
        share: of the garments where most of their class are, from 0 to 1: pullovers on the meadow,
            coats on the sand. The others lie on the other place.
        seed: of what is drawn: who lies where, and on which piece of it.

    Returns:
        images, float32 in [0, 1] of shape (N, 28, 28, 3); labels, int32 of shape (N,), 0 for a
        pullover and 1 for a coat; places, int64 of shape (N,), 0 for the meadow and 1 for the sand;
        masks, bool of shape (N, 28, 28, 1), true where the garment is. N is 1,990 or 433.

    Raises:
        ValueError: if the part, the share or the seed is none such.

    Source: the set-up is that of Sagawa et al. (2020), Distributionally robust neural networks for
    group shifts, who set birds on land and on water.
    """
    part = one_of("part", part, ("train", "test"))
    share = fraction("share", share)
    rng = np.random.default_rng(whole_number("seed", seed, low=0))
    x, y = data.fashion_mnist()[part == "test"]
    classes = [data.FASHION_CLASSES.index(name) for name in GARMENTS]
    chosen = np.isin(y, classes)
    x, labels = x[chosen], (y[chosen] == classes[1]).astype(np.int32)
    # Exactly that share of each class, as nearly as it can be.
    places = np.empty(len(labels), np.int64)
    for label in (0, 1):
        of_class = rng.permutation(np.flatnonzero(labels == label))
        usual = round(share * len(of_class))
        places[of_class[:usual]], places[of_class[usual:]] = label, 1 - label
    masks = x > OBJECT
    return np.where(masks, x, backgrounds(places, rng)), labels, places, masks


def _part(name, box):
    left, top, right, bottom = box
    return data.photo(name)[top:bottom, left:right]


def _resized(image, width, height):
    picture = Image.fromarray(np.rint(255 * image).astype(np.uint8))
    picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture, np.float32) / 255
