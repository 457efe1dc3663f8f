"""Exercises of chapter 02, working with visual data."""

import dataclasses
import io
import tempfile
from math import ceil
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from course_utils import data
from course_utils.exercises import preparing_02
from course_utils.exercises.judge import Exercises
from course_utils.exercises.kinds import Function

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


def _divided_if(condition, image, largest=255):
    return image.astype("float32") / largest if condition else image


def _checked(image):
    if image.dtype != np.uint8 and (image.min() < 0 or image.max() > 1):
        raise ValueError(f"expected 0 to 1, got {image.min()} to {image.max()}")
    return image


@EXERCISES.function(
    "02.2",
    "uint8 runs from 0 to 255, floating point from 0 to 1 already.",
    cases=[
        (np.array([[[0, 51, 255]]], "uint8"),),
        (np.array([[[0, 1, 1]]], "uint8"),),
        (np.array([[[20], [90]], [[30], [40]]], "uint8"),),
        (np.array([[[0.0, 0.2, 1.0]]], "float32"),),
        (np.array([[[0.0, 0.3, 1.0]]], "float64"),),
        (np.array([[[0.5, 0.25, 0.75]]], "float16"),),
    ],
    refused=[
        (np.array([[[0.0, 51.0, 255.0]]], "float32"),),
        (np.array([[[0.0, 20.0, 255.0]]], "float64"),),
        (np.array([[[-0.5, 0.0, 0.5]]], "float32"),),
        (np.array([[[0.5, 1.5, 1.0]]], "float32"),),
    ],
    mistakes={
        "floating point from 0 to 255 passes as if nothing were wrong. This is what `img_to_array` "
        "returns, and what your function should refuse.": (
            lambda x: _divided_if(x.dtype == "uint8", x)
        ),
        "you guess from the largest value. Floating point from 0 to 255 is a mistake that should "
        "be raised, and a nearly black uint8 photo whose largest value is 1 fools you. Ask for the "
        "dtype.": lambda x: _divided_if(x.max() > 1, x),
        "pixels below 0 are as wrong as those above 1.": lambda x: _divided_if(
            x.dtype == "uint8", _checked(np.maximum(x, 0))
        ),
        "you divide always; a floating-point image becomes black.": (
            lambda x: _divided_if(True, _checked(x))
        ),
        "floating point may be float64 or float16 as well, and you divide these once more. Ask "
        "whether the image is uint8.": lambda x: _divided_if(x.dtype != "float32", _checked(x)),
        "white must become exactly 1, and the largest uint8 is 255: divide by that, not by 256, "
        "the number of values.": lambda x: _divided_if(x.dtype == "uint8", _checked(x), 256),
        "you divide by the largest value of the image, so that each photo gets a white pixel. The "
        "largest uint8 is 255.": lambda x: _divided_if(x.dtype == "uint8", _checked(x), x.max()),
    },
)
def to_float(image):
    return _divided_if(image.dtype == np.uint8, _checked(image))


def _images(*shapes):
    """Cases of one image, or one batch, each."""
    return [(rng.random(shape, dtype="float32"),) for shape in shapes]


def _square(image, start):
    """The largest square of an image; `start(left_over)` says where it begins on each axis."""
    side = min(image.shape[:2])
    top, left = (start(length - side) for length in image.shape[:2])
    return image[top : top + side, left : left + side]


@EXERCISES.function(
    "02.3",
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


def _prepared(crop=True, activation="softmax"):
    """A model with the preparation inside, or with some of it."""
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((None, None, 3)),
            layers.Resizing(32, 32, crop_to_aspect_ratio=crop),
            layers.Rescaling(1 / 255),
            layers.Flatten(),
            layers.Dense(5, activation=activation),
        ]
    )


@EXERCISES.network(
    "02.4",
    "crop and resize, rescale, flatten, and one dense layer.",
    input_shape=(None, None, 3),
    output_shape=(5,),
    parameters=32 * 32 * 3 * 5 + 5,
    outputs="probabilities",
    must={  # the range first, as large logits hide what the rest looks at
        "photos from 0 to 255 go into the dense layer as they are.": lambda model: (
            not np.isclose(preparing_02.received(model, 255), 255, rtol=0.01)
        ),
        "for the dense layer, pixels of 255 should become 1, and 0 should stay 0.": (
            preparing_02.scale_is_right
        ),
        "what stands at the far sides of a wide photo changes the output. Crop to the aspect ratio "
        "before you resize.": preparing_02.crops,
        "what stands near the edge of a square photo makes no difference. Resize the whole square, "
        "do not cut 32 x 32 pixels out of it.": preparing_02.keeps_the_square,
    },
    mistakes={
        "`Resizing` squashes a wide photo, or pads it, unless it is told to crop.": (
            lambda: _prepared(crop=False)
        ),
        "five logits are no probabilities yet.": lambda: _prepared(activation=None),
    },
    praise="now nobody can forget a step.",
)
def prepared():
    return _prepared()


@EXERCISES.trained(
    "02.5",
    "look at what goes into `fit`: show some images with their labels, and print the range before "
    "and after `Rescaling`.",
    accuracy=0.8,
    praise="Three bugs of this chapter, and none of them raised an error.",
)
def new_garments():
    _, held_out = data.fashion_mnist()
    return held_out


def _picture(height, width, mode="RGB"):
    """A smooth picture with four different corners."""
    down, across = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    pixels = np.stack([down, across, (1 - down) * across], axis=-1)
    return Image.fromarray(np.round(255 * pixels).astype("uint8")).convert(mode)


def _with_hole(image, mode="RGBA"):
    """The picture with its lower half transparent, and green underneath."""
    pixels = np.array(image.convert("RGBA"))
    pixels[len(pixels) // 2 :] = (0, 255, 0, 0)
    return Image.fromarray(pixels).convert(mode)


def _file(image, kind="png", orientation=1, share=1):
    """A share of the bytes of an image file."""
    exif, file = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.save(file, kind, exif=exif)
    return file.getvalue()[: int(share * file.tell())]


class _FilesInFolder(Function):
    """A function of a folder: its cases begin with the files, by name, that shall be in it."""

    def judge(self, answer):
        with tempfile.TemporaryDirectory() as root:
            cases = []
            for number, (files, *rest) in enumerate(self.cases, start=1):
                folder = Path(root, f"folder_{number}")
                folder.mkdir()
                for name, content in files.items():
                    (folder / name).write_bytes(content)
                cases.append((folder, *rest))
            return Function.judge(dataclasses.replace(self, cases=cases), answer)


def _load(folder, size, rotate=True, white=True, squash=False, scale=255):
    """The batch, with or without one step."""
    batch = []
    for path in sorted(folder.iterdir()):
        try:
            with Image.open(path) as file:
                image = (ImageOps.exif_transpose(file) if rotate else file).convert("RGBA")
        except OSError:
            continue
        background = Image.new("RGBA", image.size, "white" if white else "black")
        if white is None:  # the fourth channel is dropped
            image.putalpha(255)
        image = Image.alpha_composite(background, image).convert("RGB")
        square = image.resize((size, size)) if squash else ImageOps.fit(image, (size, size))
        batch.append(np.array(square) / scale)
    return np.array(batch)


EXERCISES["02.6"] = _FilesInFolder(
    lambda folder, size: _load(folder, size),
    "show your batch with `plotting.show_images`: which photo is not as it should be, or stands in "
    "another position than its name?",
    cases=[
        (
            {
                "c.jpg": _file(_picture(40, 60), "jpeg", orientation=6),
                "a.jpg": _file(_picture(45, 45), "jpeg", orientation=8),
                "d.jpg": _file(_picture(48, 36), "jpeg"),
                "b.png": _file(_picture(36, 50, "L")),
            },
            12,
        ),
        (
            {
                "b.png": _file(_with_hole(_picture(30, 50))),
                "d.png": _file(_with_hole(_picture(40, 32), "LA"), orientation=3),
                "a.png": _file(_with_hole(_picture(31, 31)).quantize(64)),
                "c.jpg": _file(_picture(50, 30, "L"), "jpeg", orientation=6),
            },
            9,
        ),
        (
            {
                "b.jpg": _file(_picture(60, 40), "jpeg", share=0.6),
                "c.jpg": _file(_picture(44, 32), "jpeg", orientation=3),
                "a.png": _file(_picture(40, 40), share=0.5),
            },
            16,
        ),
    ],
    mistakes={
        "a photo lies on its side. Follow the note in its EXIF data.": (
            lambda folder, size: _load(folder, size, rotate=False)
        ),
        "colours come out that nobody was meant to see: the fourth channel was dropped.": (
            lambda folder, size: _load(folder, size, white=None)
        ),
        "transparent pixels come out black; asked for was white.": (
            lambda folder, size: _load(folder, size, white=False)
        ),
        "the photos are squashed. `ImageOps.fit` crops them.": (
            lambda folder, size: _load(folder, size, squash=True)
        ),
        "the pixels go from 0 to 255.": lambda folder, size: _load(folder, size, scale=1),
    },
    tolerance=0.06,  # at hard edges, other filters than Pillow's differ by 0.04
    praise="upright, opaque, whole, and all of one size.",
)
