"""Exercises of chapter 02, working with visual data."""

from math import ceil

import numpy as np

from course_utils.exercises.judge import Exercises

EXERCISES = Exercises()
rng = np.random.default_rng(2)

EXERCISES.answer(
    "02.1",
    (16, 480, 640, 3),
    "the order is number of images, height, width, channels.",
    mistakes={
        "you swapped height and width. Screens and cameras say width x height; an array counts "
        "rows first.": (16, 640, 480, 3),
        "this is one image; the batch of 16 needs an axis of its own, first.": (480, 640, 3),
        "a colour photo has an axis for its three channels, last.": (16, 480, 640),
        "this is channels first, as in PyTorch. Keras puts channels last.": (16, 3, 480, 640),
        "the number of images comes first, not last.": (480, 640, 3, 16),
    },
)

EXERCISES.answer(
    "02.2",
    16 * 480 * 640 * 3 * 4,
    "multiply the four numbers of the shape, then the bytes of one float32.",
    mistakes={
        "one byte a number would be uint8; a float32 takes four.": 16 * 480 * 640 * 3,
        "a float32 has 32 bits, and a byte is 8 bits.": 16 * 480 * 640 * 3 * 32,
        "eight bytes a number would be float64; a float32 takes four.": 16 * 480 * 640 * 3 * 8,
        "you forgot the three channels.": 16 * 480 * 640 * 4,
        "you forgot that there are 16 images.": 480 * 640 * 3 * 4,
    },
    praise="59 MB for 16 photos that are about 1 MB on disk: JPEG is that good.",
)


def _divided_if(condition, image, largest=255):
    return image.astype("float32") / largest if condition else image


@EXERCISES.function(
    "02.3",
    "uint8 runs from 0 to 255, floating point from 0 to 1 already.",
    cases=[
        (np.array([[[0, 51, 255]]], "uint8"),),
        (np.array([[[0, 1, 1]]], "uint8"),),
        (np.array([[[20], [90]], [[30], [40]]], "uint8"),),
        (np.array([[[0.0, 0.2, 1.0]]], "float32"),),
        (np.array([[[0.0, 0.3, 1.0]]], "float64"),),
        (np.array([[[0.5, 0.25, 0.75]]], "float16"),),
    ],
    mistakes={
        "you divide always; a floating-point image becomes black.": lambda x: _divided_if(True, x),
        "you look at the largest value, and a nearly black uint8 photo whose largest value is 1 "
        "fools you. Ask for the dtype: it cannot lie.": lambda x: _divided_if(x.max() > 1, x),
        "floating point may be float64 or float16 as well, and you divide these once more. Ask "
        "whether the image is uint8.": lambda x: _divided_if(x.dtype != "float32", x),
        "white must become exactly 1, and the largest uint8 is 255: divide by that, not by 256, "
        "the number of values.": lambda x: _divided_if(x.dtype == "uint8", x, largest=256),
        "you divide by the largest value of the image, so that each photo gets a white pixel. The "
        "largest uint8 is 255.": lambda x: _divided_if(x.dtype == "uint8", x, largest=x.max()),
    },
)
def to_float(image):
    return _divided_if(image.dtype == np.uint8, image)


def _images(*shapes):
    """Cases of one image, or one batch, each."""
    return [(rng.random(shape, dtype="float32"),) for shape in shapes]


def _square(image, start):
    """The largest square of an image; `start(left_over)` says where it begins on each axis."""
    side = min(image.shape[:2])
    top, left = (start(length - side) for length in image.shape[:2])
    return image[top : top + side, left : left + side]


@EXERCISES.function(
    "02.4",
    "the side is the smaller of height and width; half of what is left over stays before.",
    cases=_images((4, 7, 3), (9, 5, 3), (10, 5, 3), (3, 9, 3), (6, 6, 1), (1, 4, 3)),
    mistakes={
        "this is the square at the upper left, not the one in the middle.": (
            lambda image: _square(image, lambda left_over: 0)
        ),
        "nearly: when an odd number of pixels must go, the odd one goes at the end, so round the "
        "start down.": lambda image: _square(image, lambda left_over: ceil(left_over / 2)),
        "nearly: `round` takes a half to the even neighbour, now up, now down. `// 2` rounds the "
        "start down.": lambda image: _square(image, lambda left_over: round(left_over / 2)),
    },
)
def centre_crop(image):
    return _square(image, lambda left_over: left_over // 2)


@EXERCISES.function(
    "02.5",
    "axis 1 moves to the end, the other axes keep their order.",
    cases=_images((2, 3, 5, 7), (1, 3, 4, 4), (1, 1, 3, 2)),
    mistakes={
        "the shape is right and the pixels are scrambled: reshape reads the numbers in the order "
        "in which they lie in memory. Axes are moved with transpose.": (
            lambda images: images.reshape(to_channels_last(images).shape)
        ),
        "you reversed the axes: height and width are swapped, so each image is mirrored along its "
        "diagonal.": lambda images: np.transpose(images, (0, 3, 2, 1)),
    },
)
def to_channels_last(images):
    return np.transpose(images, (0, 2, 3, 1))


def _scaled(height, width, shorter, rule=min, rounded=round):
    scale = shorter / rule(height, width)
    return rounded(height * scale), rounded(width * scale)


@EXERCISES.function(
    "02.6",
    "one factor for both axes: the wanted length over the length of the shorter axis.",
    # Each factor is a binary fraction and no result ends in .5, so that neither the order of the
    # operations nor the way to round a half matters.
    cases=[(480, 640, 240), (256, 341, 96), (341, 256, 96), (801, 400, 100), (48, 64, 96)],
    mistakes={
        "right for landscape photos; in a portrait the width is the shorter one.": (
            lambda *case: _scaled(*case, rule=lambda height, width: height)
        ),
        "this makes the longer side fit. Asked was the shorter one.": (
            lambda *case: _scaled(*case, rule=max)
        ),
        "this squashes the photo: both axes need the same factor.": lambda *case: case[2:] * 2,
        "you cut the fraction off; round to the nearest pixel.": (
            lambda *case: _scaled(*case, rounded=int)
        ),
        "you rounded up; round to the nearest pixel.": lambda *case: _scaled(*case, rounded=ceil),
        "the height comes first, then the width.": lambda *case: size_for(*case)[::-1],
    },
)
def size_for(height, width, shorter):
    return _scaled(height, width, shorter)
