"""Exercises of chapter 02, working with visual data."""

import numpy as np

from course_utils.exercises.judge import Answer, Function

_rng = np.random.default_rng(2)


def _to_float(image):
    return image.astype("float32") / 255 if image.dtype == np.uint8 else image


def _guess_by_maximum(image):
    return image.astype("float32") / 255 if image.max() > 1 else image.astype("float32")


def _centre_crop(image):
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def _corner_crop(image):
    side = min(image.shape[:2])
    return image[:side, :side]


def _crop_odd_pixel_before(image):
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = -((side - height) // 2), -((side - width) // 2)
    return image[top : top + side, left : left + side]


def _size_for(height, width, shorter):
    scale = shorter / min(height, width)
    return round(height * scale), round(width * scale)


def _image(*shape):
    return _rng.random(shape, dtype="float32")


EXERCISES = {
    "02.1": Answer(
        expected=(16, 480, 640, 3),
        hint="the order is number of images, height, width, channels.",
        misconceptions=[
            (
                (16, 640, 480, 3),
                "you swapped height and width. Screens and cameras say width x height; an array "
                "counts rows first.",
            ),
            ((480, 640, 3), "this is one image; the batch of 16 needs an axis of its own, first."),
            ((16, 3, 480, 640), "this is channels first, as in PyTorch. Keras puts channels last."),
            ((480, 640, 3, 16), "the number of images comes first, not last."),
        ],
    ),
    "02.2": Answer(
        expected=16 * 480 * 640 * 3 * 4,
        hint="multiply the four numbers of the shape, then the bytes of one float32.",
        misconceptions=[
            (16 * 480 * 640 * 3, "one byte a number would be uint8; a float32 takes four."),
            (16 * 480 * 640 * 3 * 32, "a float32 has 32 bits, and a byte is 8 bits."),
            (16 * 480 * 640 * 4, "you forgot the three channels."),
            (480 * 640 * 3 * 4, "you forgot that there are 16 images."),
        ],
        praise="59 MB for 16 photos that are about 1 MB on disk: JPEG is that good.",
    ),
    "02.3": Function(
        reference=_to_float,
        cases=[
            (np.array([[0, 51, 255]], "uint8"),),
            (np.array([[0.0, 0.2, 1.0]], "float32"),),
            (np.array([[0, 1, 1]], "uint8"),),
        ],
        hint="uint8 runs from 0 to 255, floating point from 0 to 1 already.",
        misconceptions=[
            (
                lambda image: image.astype("float32") / 255,
                "you divide always; an image that is floating point already becomes black.",
            ),
            (
                _guess_by_maximum,
                "you look at the largest value, and a nearly black uint8 photo whose largest "
                "value is 1 fools you. Ask for the dtype: it cannot lie.",
            ),
            (
                lambda image: image.astype("float32") / 256 if image.dtype == np.uint8 else image,
                "white must become exactly 1: the largest uint8 is 255, not 256.",
            ),
        ],
    ),
    "02.4": Function(
        reference=_centre_crop,
        cases=[(_image(4, 7, 3),), (_image(9, 5, 3),), (_image(6, 6, 1),), (_image(1, 4, 3),)],
        hint="the side is the smaller of height and width; half of what is left over stays before.",
        misconceptions=[
            (_corner_crop, "this is the square at the upper left, not the one in the middle."),
            (
                _crop_odd_pixel_before,
                "nearly: when an odd number of pixels must go, the odd one goes at the end, so "
                "round the start down.",
            ),
        ],
    ),
    "02.5": Function(
        reference=lambda images: np.transpose(images, (0, 2, 3, 1)),
        cases=[(_image(2, 3, 5, 7),), (_image(1, 3, 4, 4),), (_image(1, 1, 3, 2),)],
        hint="axis 1 moves to the end, the other axes keep their order.",
        misconceptions=[
            (
                lambda images: images.reshape(
                    len(images), images.shape[2], images.shape[3], images.shape[1]
                ),
                "the shape is right and the pixels are scrambled: reshape reads the numbers in "
                "the order in which they lie in memory. Axes are moved with transpose.",
            ),
            (
                lambda images: np.transpose(images, (0, 3, 2, 1)),
                "you reversed the axes: height and width are swapped, so each image is mirrored "
                "along its diagonal.",
            ),
        ],
    ),
    "02.6": Function(
        reference=_size_for,
        cases=[(480, 640, 240), (640, 480, 240), (300, 300, 224), (333, 1000, 224), (10, 7, 7)],
        hint="one factor for both axes: the wanted length over the length of the shorter axis.",
        misconceptions=[
            (
                lambda height, width, shorter: (shorter, round(width * shorter / height)),
                "right for landscape photos; in a portrait the width is the shorter one.",
            ),
            (
                lambda height, width, shorter: (
                    round(height * shorter / max(height, width)),
                    round(width * shorter / max(height, width)),
                ),
                "this makes the longer side fit. Asked was the shorter one.",
            ),
            (
                lambda height, width, shorter: (shorter, shorter),
                "this squashes the photo: both axes need the same factor.",
            ),
            (
                lambda height, width, shorter: (
                    int(height * shorter / min(height, width)),
                    int(width * shorter / min(height, width)),
                ),
                "you cut the fraction off; round to the nearest pixel.",
            ),
        ],
    ),
}
