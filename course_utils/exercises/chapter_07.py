"""Exercises of chapter 07, visual data preparation: augmentation."""

import itertools

import numpy as np

from course_utils import data
from course_utils.exercises.compare import ANY_ERROR, Difference, describe, difference, stopped
from course_utils.exercises.judge import Exercises
from course_utils.exercises.kinds import Function

EXERCISES = Exercises()
rng = np.random.default_rng(7)

EXERCISES.answer(
    "07.1",
    200,
    "a flip has two outcomes, and two flips in a row give the photo back.",
    mistakes={
        "so many images are shown, but most of them were shown before.": 100 * 200,
        "the mirrored photo is a second image.": 100,
        "flipping a mirrored photo gives the photo back, not a third version.": 300,
        "with a probability of one half, half of those shown are flipped; but many of them are the "
        "same.": 100 * 200 // 2,
        "each pass shows a photo once, in one of two versions that all passes share.": 40_000,
    },
    praise="twice the photos, whatever the number of epochs. Continuous changes give more.",
)


def _boxes(count, height, width):
    """Random boxes within an image."""
    x = np.sort(rng.uniform(0, width, (count, 2)))
    y = np.sort(rng.uniform(0, height, (count, 2)))
    return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)


def _columns(pick):
    """A function of boxes, height and width that picks the four new columns."""
    return lambda boxes, height, width: np.stack(pick(*boxes.T, height, width), axis=1)


@EXERCISES.function(
    "07.2",
    "rows become columns: the new x is the old y. The new y counts from the old right edge.",
    cases=[
        (_boxes(5, 20, 31), 20, 31),
        (np.array([[0.0, 0.0, 31.0, 20.0], [30.0, 2.0, 31.0, 5.0]]), 20, 31),
        (_boxes(3, 9, 4), 9, 4),
    ],
    mistakes={
        "this is a quarter turn clockwise.": _columns(
            lambda x1, y1, x2, y2, height, width: [height - y2, x1, height - y1, x2]
        ),
        "y1 is now larger than y2: the old right edge is on top, so the edges change places.": (
            _columns(lambda x1, y1, x2, y2, height, width: [y1, width - x1, y2, width - x2])
        ),
        "x is measured along the width of the image, not along its height.": _columns(
            lambda x1, y1, x2, y2, height, width: [y1, height - x2, y2, height - x1]
        ),
        "this swaps rows and columns, which mirrors the image besides.": _columns(
            lambda x1, y1, x2, y2, height, width: [y1, x1, y2, x2]
        ),
        "boxes are made of edges, not of pixels: an image 31 wide ends at 31, so nothing has to be "
        "taken off.": _columns(
            lambda x1, y1, x2, y2, height, width: [y1, width - 1 - x2, y2, width - 1 - x1]
        ),
    },
)
def rotate_boxes(boxes, height, width):
    x1, y1, x2, y2 = boxes.T
    return np.stack([y1, width - x2, y2, width - x1], axis=1)


def _mixed(x, partners, weights):
    """Each row of x with its partner; the weight belongs to the row itself."""
    weights = np.reshape(weights, (-1,) + (1,) * (np.ndim(x) - 1))
    return weights * x + (1 - weights) * x[partners]


def _batch(count, size, classes):
    labels = np.eye(classes)[rng.integers(0, classes, count)]
    return rng.random((count, size, size, 2)), labels, rng.permutation(count), rng.random(count)


@EXERCISES.function(
    "07.3",
    "image and label take the same weight: lambda times one's own, 1 - lambda times the partner's.",
    cases=[
        _batch(5, 3, 4),
        _batch(3, 3, 3),
        (rng.random((2, 4, 3, 1)), np.array([[0.5, 0.5], [1, 0]]), np.array([0, 0]), np.ones(2)),
    ],
    mistakes={
        "the labels are still those of the images before.": lambda x, y, partners, weights: (
            _mixed(x, partners, weights),
            y,
        ),
        "the weight belongs to the image itself, the rest to its partner; yours are the other way "
        "round.": lambda x, y, partners, weights: mix(x, y, partners, 1 - weights),
        "each image has a weight of its own, and you took the first for all.": (
            lambda x, y, partners, weights: mix(x, y, partners, np.full(len(x), weights[0]))
        ),
        "each image has a weight of its own, and you took their mean for all.": (
            lambda x, y, partners, weights: mix(x, y, partners, np.full(len(x), weights.mean()))
        ),
        "the partner is added with the same weight; it should get the rest, 1 - lambda.": (
            lambda x, y, partners, weights: (
                _mixed(x, partners, weights) + (2 * weights - 1)[:, None, None, None] * x[partners],
                _mixed(y, partners, weights) + (2 * weights - 1)[:, None] * y[partners],
            )
        ),
    },
)
def mix(images, labels, partners, weights):
    return _mixed(images, partners, weights), _mixed(labels, partners, weights)


def _reader(rotation=10 / 360, value_range=(0, 1), flip=False, augment=True):
    """The colleague's model, with some of its faults or none."""
    import keras
    from keras import layers

    augmentation = [
        *([layers.RandomFlip("horizontal")] if flip else []),
        layers.RandomRotation(rotation),
        layers.RandomBrightness(0.2, value_range=value_range),
    ]
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            *(augmentation if augment else []),
            layers.Conv2D(16, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )


def _layer(model, kind):
    return next(layer for layer in model.layers if type(layer).__name__ == kind)


def _largest_turn(model):
    return max(map(abs, _layer(model, "RandomRotation").factor))


@EXERCISES.network(
    "07.4",
    "leave the rest as it is.",
    input_shape=(28, 28, 1),
    output_shape=(10,),
    parameters=160 + 26 * 26 * 16 * 10 + 10,
    layers=["RandomRotation", "RandomBrightness", "Conv2D", "Flatten", "Dense"],
    outputs="probabilities",
    must={
        "something in it still makes digits that are none.": lambda model: all(
            type(layer).__name__ != "RandomFlip" for layer in model.layers
        ),
        "how far may a digit be rotated before it is read as another? The number is a share of a "
        "full turn.": lambda model: 0 < _largest_turn(model) <= 45 / 360,
        "look at the pixels that come out of RandomBrightness.": lambda model: (
            tuple(_layer(model, "RandomBrightness").value_range) == (0, 1)
        ),
    },
    mistakes={
        "which digits can still be read when they are mirrored? The label does not survive.": (
            lambda: _reader(flip=True)
        ),
        "RandomRotation takes a share of a full turn: 0.5 is half a turn to either side, and that "
        "makes a 9 of a 6.": lambda: _reader(rotation=0.5),
        "RandomBrightness adds up to a fifth of 255 to pixels that end at 1. Tell it their "
        "range.": lambda: _reader(value_range=(0, 255)),
        "one layer has to go, not all three.": lambda: _reader(augment=False),
    },
    praise="a flip and half a turn that break the label, and a range of 255.",
)
def reader():
    return _reader()


CALLS = itertools.count(1)
FILE, LOADED, CHANGED = range(3)  # channels of the images below


def _call():
    """The number of this call, a new one for each element of a pipeline."""
    import tensorflow as tf

    return tf.ensure_shape(tf.numpy_function(lambda: np.float32(next(CALLS)), [], "float32"), ())


def load(name):
    """An image (2, 3, 3): the number in its name, that of the call, and 0."""
    import tensorflow as tf

    file = tf.strings.to_number(tf.strings.regex_replace(name, r"\D", ""))
    return tf.ones((2, 3, 1)) * tf.stack([file, _call(), 0.0])


def augment(image):
    """Changes the last channel of an image, or of a batch of them by one draw."""
    return image + _call() * np.array([0, 0, 1], np.float32)


def _seen(dataset):
    """What two epochs of a dataset show; of one that does not end, its first batches."""
    epochs = [list(itertools.islice(dataset, 9)) for _ in range(2)]
    images, labels = (
        np.concatenate([batch[part] for epoch in epochs for batch in epoch]) for part in (0, 1)
    )
    corners, first = images[:, 0, 0], sum(len(batch[0]) for batch in epochs[0])
    return {
        "sizes of the batches": [[len(batch[0]) for batch in epoch] for epoch in epochs],
        "the images of an epoch": np.sort(corners[:first, FILE]),
        "the labels": labels - 10 * corners[:, FILE],
        "calls of load": np.unique(corners[:, LOADED]).size,
        "versions in an epoch": np.unique(corners[:first, CHANGED]).size,
        "versions in two epochs": np.unique(corners[:, CHANGED]).size,
    }


class _Pipeline(Function):
    """A function that returns a tf.data.Dataset, compared by what two epochs of it show."""

    def _difference(self, given, expected):
        import tensorflow as tf

        try:
            if not isinstance(given, tf.data.Dataset):
                return Difference("", f"expected a tf.data.Dataset, got {describe(given)}.")
            return difference(_seen(given), _seen(expected), self.tolerance)
        except ANY_ERROR as error:
            return Difference("", f"going through the dataset {stopped(error)}.")


def _in_order(*steps):
    """A pipeline of these steps."""

    def prepare(names, labels, load, augment, batch_size):
        import tensorflow as tf

        dataset = tf.data.Dataset.from_tensor_slices((names, labels))
        for step in steps:
            if step == "cache":
                dataset = dataset.cache()
            elif step == "batch":
                dataset = dataset.batch(batch_size)
            else:
                change = {"load": load, "augment": augment}[step]
                dataset = dataset.map(lambda x, label, change=change: (change(x), label))
        return dataset

    return prepare


def _folder(count):
    files = rng.permutation(50)[:count]
    return np.array([f"photo_{file}.jpg" for file in files]), 10 * files, load, augment


EXERCISES["07.5"] = _Pipeline(
    _in_order("load", "cache", "augment", "batch"),
    "count over two epochs: how often is `load` called, and how many versions come out?",
    cases=[(*_folder(7), 3), (*_folder(4), 2), (*_folder(1), 5)],
    mistakes={
        "a cache keeps what comes before it, augmentation too: the second epoch brings nothing "
        "new.": _in_order("load", "augment", "cache", "batch"),
        "each epoch loads the images again. Keep them, once they are loaded.": _in_order(
            "load", "augment", "batch"
        ),
        "`augment` gets a whole batch, and changes all its images by the same draw.": _in_order(
            "load", "cache", "batch", "augment"
        ),
        "the images come out as they were loaded. Where is `augment` called?": _in_order(
            "load", "cache", "batch"
        ),
    },
    praise="loaded once, and in each epoch each image gets a draw of its own.",
)


@EXERCISES.trained(
    "07.6",
    "a network that saw its garments in the middle knows them there only. Put RandomTranslation in "
    "front, as far as the garments move, filled with black (does it move up and down as well as "
    "left and right?), and train long enough: moved images are harder to learn.",
    accuracy=0.7,
    parameters=(None, 100_000),
    praise="You moved none of the images: the network did.",
)
def moved_garments():
    _, (images, labels) = data.fashion_mnist()
    generator = np.random.default_rng(7)
    padded = np.pad(images[1000:], ((0, 0), (5, 5), (5, 5), (0, 0)))
    corners = generator.integers(0, 11, (len(padded), 2))
    windows = zip(padded, corners, strict=True)
    moved = [image[top : top + 28, left : left + 28] for image, (top, left) in windows]
    return np.array(moved), labels[1000:]
