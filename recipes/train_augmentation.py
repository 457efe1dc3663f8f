"""Trains with and without augmentation, over five seeds: the runs that chapter 7 has no time for.

- letters: capital letters of one typeface, 8 images of each, tested on 14 other typefaces, once and
  as the average over five positions; for several lengths of training.
- garments: 500 images of Fashion-MNIST, long enough to fit them, tested as they are.
- scattered: 500 and 4,000 images of Fashion-MNIST, in training as in the test each moved once, to a
  random position, and half of them mirrored; tested once and as the average over five positions.
- moved: 5,000 images of Fashion-MNIST, tested on images that are shifted or rotated; with
  shifts and without, also after three times as many epochs; with shifts, seeds 0 to 2, also after
  nine times as many.
- photos: chapter 6's hundred photos and its small network from scratch, seeds 0 to 2; the accuracy
  is the mean over classes of the share that is recognised.
- tuned: 5 and 20 of these photos of each class, drawn by the seed; a head on EfficientNet-Lite0's
  features of eight versions of each photo (alike without augmentation), then this head and the
  blocks from the sixth on, for as many steps with augmentation as without.

About 60 CPU-minutes in all. It writes accuracies to course_utils/assets/augmentation.csv; a run
that was cut off goes on with what is missing.

    TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 python recipes/train_augmentation.py
"""

import argparse
import string
from functools import partial
from pathlib import Path

from course_utils import notebook

notebook.setup()

import keras  # noqa: E402
import matplotlib as mpl  # noqa: E402
import numpy as np  # noqa: E402
import train_transfer  # noqa: E402
from keras import layers  # noqa: E402
from PIL import Image, ImageDraw, ImageFont  # noqa: E402
from runs import complete  # noqa: E402

from course_utils import data, pretrained, transfer  # noqa: E402

TARGET = data.ASSETS / "augmentation.csv"
COLUMNS = ("experiment", "augmentation", "images", "epochs", "seed", "test", "accuracy")
SEEDS = range(5)

LETTER_EPOCHS = (5, 10, 20, 40, 80, 160)
TRAINING_FACE = "DejaVuSans"
OTHER_FACES = (
    *(f"DejaVuSans-{style}" for style in ("Bold", "Oblique", "BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *("cmr10", "cmtt10", "STIXGeneral"),
)
SHIFTS, ANGLES = range(7), range(0, 91, 15)
REACH = 5  # pixels
VERSIONS = 8  # of each photo, for a head
SCATTERED = ("none", "flip", "flip and shift", "flip and far shift")


def letter_images(faces, copies, seed):
    """Capital letters, white on black: images (N, 28, 28, 1) and labels, each letter in each face.

    Size and position vary a little.
    """
    rng = np.random.default_rng(seed)
    images, labels = [], []
    folder = Path(mpl.get_data_path(), "fonts", "ttf")
    for face in faces * copies:
        for label, letter in enumerate(string.ascii_uppercase):
            font = ImageFont.truetype(str(folder / f"{face}.ttf"), int(rng.integers(17, 22)))
            image = Image.new("L", (28, 28))
            place = (14 + int(rng.integers(-1, 2)), 14 + int(rng.integers(-1, 2)))
            ImageDraw.Draw(image).text(place, letter, fill=255, font=font, anchor="mm")
            images.append(np.asarray(image, "float32")[..., np.newaxis] / 255)
            labels.append(label)
    return np.array(images), np.array(labels)


def augmentation(name, seed):
    """The layers of an augmentation, each with its own seed."""
    black = {"fill_mode": "constant"}
    flip = layers.RandomFlip("horizontal", seed=seed)

    def shift(pixels):
        return layers.RandomTranslation(pixels / 28, pixels / 28, seed=seed + 10, **black)

    geometric = [
        layers.RandomTranslation(0.08, 0.08, seed=seed, **black),
        layers.RandomRotation(12 / 360, seed=seed + 10, **black),
        layers.RandomZoom((-0.15, 0.15), (-0.25, 0.25), seed=seed + 20, **black),
    ]
    return {
        "none": [],
        "flip": [flip],
        "flip and shift": [flip, shift(2)],
        "flip and far shift": [flip, shift(REACH)],
        "geometric": geometric,
        "shift": [layers.RandomTranslation(0.2, 0.2, seed=seed, **black)],
        "rotation": [layers.RandomRotation(45 / 360, seed=seed, **black)],
        "six families": six_families(seed),
    }[name]


def six_families(seed):
    """All that chapter 7 shows, for photos: mild enough that each still looks like a photo."""
    unit = {"value_range": (0, 1)}
    return [
        layers.RandomFlip("horizontal", seed=seed),
        layers.RandomTranslation(0.1, 0.1, seed=seed + 10),
        layers.RandomRotation(10 / 360, seed=seed + 20),
        layers.RandomZoom((-0.2, 0.1), seed=seed + 30),
        layers.RandomSaturation((0.4, 0.6), seed=seed + 40, **unit),
        layers.RandomContrast((0.2, 0.2), seed=seed + 50, **unit),
        layers.RandomBrightness(0.1, seed=seed + 60, **unit),
    ]


def strided_network(num_classes):
    return [
        layers.Conv2D(16, 5, strides=2, activation="relu"),
        layers.Conv2D(32, 3, strides=2, activation="relu"),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(num_classes, activation="softmax"),
    ]


def pooling_network(num_classes):
    parts = []
    for filters in (16, 32):
        parts.append(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        parts.append(layers.MaxPooling2D(2))
    return [
        *parts,
        layers.Conv2D(64, 3, padding="same", activation="relu"),
        layers.Flatten(),
        layers.Dropout(0.4),
        layers.Dense(num_classes, activation="softmax"),
    ]


def train(build, name, images, labels, epochs, seed, batch_size):
    """A network with augmentation layers in front, trained with a falling learning rate."""
    keras.utils.set_random_seed(seed)
    front = augmentation(name, seed)
    model = keras.Sequential([keras.Input((28, 28, 1)), *front, *build(int(labels.max()) + 1)])
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(images) // batch_size))
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    model.fit(images, labels, batch_size=batch_size, epochs=epochs, verbose=0)
    return model


def probabilities(model, images):
    return model.predict(images, batch_size=250, verbose=0)


def accuracy(model, images, labels):
    return np.mean(probabilities(model, images).argmax(axis=1) == labels)


def averaged(model, images, labels):
    """The accuracy of the mean answer to an image and to it moved by a pixel, four ways."""
    cross = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    answers = [probabilities(model, windows(images, *by)) for by in cross]
    return np.mean(np.mean(answers, axis=0).argmax(axis=1) == labels)


def windows(images, right, down):
    """Moved right and down, each image by the same whole number of pixels; black moves in."""
    size = images.shape[1]
    reach = max(abs(right), abs(down))
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    top, left = reach - down, reach - right
    return padded[:, top : top + size, left : left + size]


def scatter(images, seed):
    """Each image moved once, by up to REACH pixels in each direction; half of them mirrored."""
    rng = np.random.default_rng(seed)
    moves = rng.integers(-REACH, REACH + 1, (len(images), 2))
    mirror = rng.random(len(images)) < 0.5
    moved = [windows(x[np.newaxis], *by)[0] for x, by in zip(images, moves, strict=True)]
    return np.where(mirror[:, None, None, None], np.array(moved)[:, :, ::-1], moved)


def shifted(images, pixels):
    """Moved to the right; black moves in."""
    return windows(images, pixels, 0)


def rotated(images, degrees):
    turn = degrees / 360
    rotate = layers.RandomRotation((turn, turn), fill_mode="constant")
    return np.array(rotate(images, training=True))


def letters(name, count, epochs, seed):
    x, y = letter_images((TRAINING_FACE,), copies=8, seed=0)
    test = letter_images(OTHER_FACES, copies=2, seed=1)
    model = train(strided_network, name, x, y, epochs, seed, batch_size=32)
    yield "other typefaces", accuracy(model, *test)
    yield "other typefaces averaged", averaged(model, *test)


def garments(name, count, epochs, seed):
    (x, y), test = data.fashion_mnist()
    model = train(pooling_network, name, x[:count], y[:count], epochs, seed, batch_size=64)
    yield "as they are", accuracy(model, *test)


def scattered(name, count, epochs, seed):
    (x, y), (x_test, y_test) = data.fashion_mnist()
    x, x_test = scatter(x[:count], seed=0), scatter(x_test, seed=1)
    model = train(pooling_network, name, x, y[:count], epochs, seed, batch_size=64)
    yield "scattered", accuracy(model, x_test, y_test)
    yield "scattered averaged", averaged(model, x_test, y_test)


def moved(name, count, epochs, seed):
    (x, y), (x_test, y_test) = data.fashion_mnist()
    model = train(pooling_network, name, x[:count], y[:count], epochs, seed, batch_size=64)
    for pixels in SHIFTS:
        yield f"shift {pixels}", accuracy(model, shifted(x_test, pixels), y_test)
    for degrees in ANGLES:
        yield f"rotation {degrees}", accuracy(model, rotated(x_test, degrees), y_test)


def photos(name, count, epochs, seed):
    (x, y), (x_test, y_test) = data.photo_set(train_transfer.SIZE)
    keras.utils.set_random_seed(seed)
    network = train_transfer.small_cnn(5)
    model = keras.Sequential([keras.Input(x.shape[1:]), *augmentation(name, seed), network])
    train_transfer.train(model, x, y, 1e-3, epochs * count / 20, batch_size=20)
    yield "as they are", train_transfer.score(network, x_test, y_test)


def tuned(name, count, epochs, seed):
    (x, y), (x_test, y_test) = data.photo_set(train_transfer.SIZE)
    chosen = train_transfer.pick(y, count // 5, seed, range(5))
    x, y = x[chosen], y[chosen]
    keras.utils.set_random_seed(seed)
    network = transfer.add_head(pretrained.efficientnet_lite0(False, x.shape[1:]), 5)
    front = augmentation(name, seed)
    versions = np.tile(x, (VERSIONS, 1, 1, 1))
    for layer in front:
        versions = layer(versions, training=True)
    features, features_test = (
        transfer.features(network, np.asarray(images), train_transfer.TOP)
        for images in (versions, x_test)
    )
    head = train_transfer.new_head(features.shape[1], 5)
    train_transfer.train(head, features, np.tile(y, VERSIONS), 1e-2, steps=200)
    yield "head", train_transfer.score(head, features_test, y_test)
    network.get_layer("logits").set_weights(head.layers[-2].get_weights())
    transfer.unfreeze_from(network, train_transfer.FINE_TUNED_FROM["photos"])
    model = keras.Sequential([keras.Input(x.shape[1:]), *front, network])
    train_transfer.train(model, x, y, 1e-4, epochs * count / 25, batch_size=25)
    yield "fine-tuned", train_transfer.score(network, x_test, y_test)


RUNS = [
    *((letters, name, 208, e) for e in LETTER_EPOCHS for name in ("none", "geometric")),
    *((garments, name, 500, 100) for name in ("none", "flip", "flip and shift")),
    *((scattered, name, 500, 100) for name in SCATTERED),
    *((scattered, name, 4000, 25) for name in SCATTERED if name != "flip"),
    *((moved, name, 5000, 12) for name in ("none", "shift", "rotation")),
    *((moved, name, 5000, 36) for name in ("none", "shift")),
    *((tuned, name, 25, 80) for name in ("none", "six families")),
    *((tuned, name, 100, 20) for name in ("none", "six families")),
]
COSTLY_RUNS = [
    (moved, "shift", 5000, 108),
    *((photos, name, 100, 120) for name in ("none", "six families")),
]
COSTLY_SEEDS = range(3)


def rounded(run, *setting):
    for test, value in run(*setting):
        yield test, f"{value:.4f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", type=Path, default=TARGET)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options = parser.parse_args()
    runs = [
        ((run.__name__, *setting, seed), partial(rounded, run, *setting, seed))
        for seed in options.seeds
        for run, *setting in [*RUNS, *(COSTLY_RUNS if seed in COSTLY_SEEDS else [])]
    ]
    complete(options.target, COLUMNS, runs)


if __name__ == "__main__":
    main()
