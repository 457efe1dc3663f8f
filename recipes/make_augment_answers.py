"""Puts photos into the augmentation lab, and what EfficientNet-Lite0 says to them when changed.

The photos are those that ship, cut to a square of 224 pixels, the network's input. Each answer is
for the photo as the lab carries it (JPEG) after Keras' own layers: every step of every slider
alone, and a few changes at once. About half a CPU-minute.

    TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 python recipes/make_augment_answers.py
"""

import base64
import io
import json

import numpy as np
from keras import layers
from make_lab_photos import put
from PIL import Image

from course_utils import data, pretrained

SIDE, QUALITY = 224, 85
# Name of the photo: its class, and the square to cut out (left, top, side).
PHOTOS = {
    "german_shepherd": ("German shepherd", (60, 0, 360)),
    "giant_panda": ("giant panda", (60, 0, 319)),
    "coffee": ("espresso", (100, 0, 400)),
}
# Change: lowest and highest value, step, and the value that changes nothing; in the order in which
# they are made.
GRID = {
    "crop": (-168, 168, 8, 0),  # pixels cut away, on the lower right or on the upper left
    "mirror": (0, 3, 1, 0),  # not, left-right, upside down, both
    "hue": (-180, 180, 10, 0),  # degrees
    "saturation": (0, 100, 5, 50),  # percent, as all below but rotation
    "scaling": (-90, 100, 5, 0),
    "rotation": (-180, 180, 5, 0),  # degrees
    "contrast": (0, 200, 5, 100),
    "brightness": (-100, 100, 5, 0),
}
PRESETS = {
    "light": {"mirror": 1, "scaling": -10, "rotation": 5, "contrast": 110, "brightness": -5},
    "strong": {"mirror": 1, "hue": 10, "saturation": 65, "scaling": -25, "rotation": -20}
    | {"contrast": 130, "brightness": -15},
    "too much": {"hue": 120, "saturation": 80, "scaling": 60, "rotation": 150, "contrast": 40},
}
FLIPS = (None, "horizontal", "vertical", "horizontal_and_vertical")


def square(name):
    """The JPEG file of a photo, for the lab."""
    left, top, side = PHOTOS[name][1]
    pixels = np.rint(255 * data.photo(name)).astype(np.uint8)[top : top + side, left : left + side]
    target = io.BytesIO()
    photo = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    # With colours at half of the resolution, JPEG's default, "espresso" falls from .94 to .81.
    photo.save(target, "JPEG", quality=QUALITY, subsampling=0, optimize=True)
    return target.getvalue()


def images(jpeg):
    """A JPEG file as the network takes it: float32 (1, H, W, 3) in [0, 1]."""
    return np.asarray(Image.open(io.BytesIO(jpeg)), np.float32)[np.newaxis] / 255


def change(images, name, value):
    """Images (1, H, W, 3) after one change, made by the Keras layer for it."""
    height, width = images.shape[1:3]
    share, unit = value / 100, {"value_range": (0, 1)}
    if name == "crop":
        layer = layers.RandomCrop(height - abs(value), width - abs(value))
        window = layer.transform_images(images, (max(value, 0), max(value, 0)))
        return layers.Resizing(height, width)(window)
    if name == "mirror":
        return layers.RandomFlip(FLIPS[value]).transform_images(images, {"flips": True})
    if name == "hue":
        return layers.RandomHue(1, **unit).transform_images(images, {"factor": [value / 360]})
    if name == "contrast":  # the layer itself draws factors above 1, or on both sides of it
        return layers.RandomContrast(1, **unit).transform_images(images, {"contrast_factor": share})
    layer = {
        "saturation": lambda: layers.RandomSaturation((share, share), **unit),
        "scaling": lambda: layers.RandomZoom((share, share)),
        "rotation": lambda: layers.RandomRotation((value / 360, value / 360)),
        "brightness": lambda: layers.RandomBrightness((share, share), **unit),
    }[name]()
    return layer(images, training=True)


def changed(images, setting):
    """Images (1, H, W, 3) after all changes of a setting {name: value}."""
    for name, (*_, rest) in GRID.items():
        if setting.get(name, rest) != rest:
            images = change(images, name, setting[name])
    return np.array(images)


def steps(name):
    low, high, step, _ = GRID[name]
    return range(low, high + 1, step)


def probabilities(network, photo, settings):
    """The network's answers (N, 1000) to one photo (1, H, W, 3) in N settings."""
    return network.predict(np.concatenate([changed(photo, one) for one in settings]), verbose=0)


class Names(dict):
    """Numbers the classes as they come up."""

    def __missing__(self, label):
        return self.setdefault(label, len(self))


def packed(answers, right, names):
    """For each answer the thousandths of the right class, then class and thousandths of three."""
    rows = []
    for row, best in zip(answers, pretrained.top_k(answers, 3), strict=True):
        numbers = [round(1000 * float(row[right]))]
        for label, probability in best:
            numbers += [names[label], round(1000 * probability)]
        rows.append(numbers)
    return rows


def main():
    network = pretrained.efficientnet_lite0()
    names, photos, answers = Names(), {}, {}
    for name, (label, _) in PHOTOS.items():
        jpeg = square(name)
        # The URL-safe letters have no slash: two in a row would look like an address.
        photos[name] = [label, base64.urlsafe_b64encode(jpeg).decode()]
        photo, right = images(jpeg), pretrained.class_names().index(label)

        def ask(settings, photo=photo, right=right):
            return packed(probabilities(network, photo, settings), right, names)

        answers[name] = {one: ask([{one: value} for value in steps(one)]) for one in GRID}
        answers[name]["presets"] = ask(PRESETS.values())
    for constant, value in {
        "PHOTOS": photos,
        "GRID": GRID,
        "PRESETS": PRESETS,
        "CLASSES": list(names),
        "ANSWERS": answers,
    }.items():
        line = json.dumps(value, separators=(",", ":"))
        put("augment", f"const {constant} = .*;", f"const {constant} = {line};")


if __name__ == "__main__":
    main()
