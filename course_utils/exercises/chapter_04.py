"""Exercises of chapter 04, convolutional neural networks."""

import numpy as np

from course_utils.exercises.judge import Exercises
from course_utils.exercises.models import all_layers

EXERCISES = Exercises()
rng = np.random.default_rng(4)


def _values(*shape):
    return rng.normal(2, 3, shape)


EXERCISES.answer(
    "04.1",
    3 * 3 * 32 * 64 + 64,
    "follow the height and width: a convolution takes off its kernel less 1, a pooling halves. "
    "Flatten makes one long row of what is left.",
    mistakes={
        "with SAME, yes; with VALID a convolution takes off 4 or 2.": 7 * 7 * 32 * 64 + 64,
        "you forgot the biases.": 3 * 3 * 32 * 64,
        "you stopped before conv3, which takes off 2 as well.": 5 * 5 * 32 * 64 + 64,
        "you forgot the two poolings, each of which halves the size.": 20 * 20 * 32 * 64 + 64,
        "each of the 64 units has a weight for every number in all 32 maps.": 3 * 3 * 64 + 64,
    },
    praise="24, 12, 10, 5, 3: less than a fifth of what SAME needs.",
)


@EXERCISES.function(
    "04.2",
    "walk through conv1, pool1 and conv2: how large is the field, how far apart are the fields of "
    "two neighbours, and where does the first one start?",
    cases=[(0, 0), (3, 5), (13, 1)],
    mistakes={
        "you forgot the padding: the first unit looks at zeros outside the image, so its patch "
        "starts before row 0.": lambda row, column: (2 * row, 2 * column, 10),
        "top and left may be negative: do not cut the patch off at the edge of the image, it "
        "reaches into the padding.": lambda *case: [max(0, n) for n in seen_by_conv2(*case)],
        "you forgot the padding of conv2, which moves the start as well.": lambda row, column: (
            2 * row - 2,
            2 * column - 2,
            10,
        ),
        "the zero that conv2 adds stands for one unit of pool1, which is two pixels wide.": (
            lambda row, column: (2 * row - 3, 2 * column - 3, 10)
        ),
        "you forgot the stride: neighbours are two pixels apart.": lambda r, c: (r - 4, c - 4, 10),
        "this is conv3, one layer deeper.": lambda r, c: (4 * r - 8, 4 * c - 8, 20),
        "this is pool2, one layer deeper.": lambda r, c: (4 * r - 4, 4 * c - 4, 12),
        "the kernels of conv1 have 5 x 5 weights.": lambda r, c: (2 * r - 3, 2 * c - 3, 8),
        "kernels of 5 x 5 and 3 x 3 alone see 7 pixels; the pooling between them adds to it, and "
        "so does its stride.": lambda row, column: (2 * row - 4, 2 * column - 4, 7),
        "top comes from the row, left from the column.": lambda r, c: seen_by_conv2(c, r),
    },
)
def seen_by_conv2(row, column):
    return 2 * row - 4, 2 * column - 4, 10


def _test_images():
    from course_utils import data

    return data.fashion_mnist()[1]


def _of_kind(model, kind):
    return [layer for layer in all_layers(model) if type(layer).__name__ == kind]


EXERCISES.trained(
    "04.3",
    "it may be good in training all the same. Which two kinds of layers do something else in use? "
    "For each, read what its number means, and count the batches of two epochs.",
    accuracy=0.77,
    parameters=(None, 20_000),
    must={
        "keep the two BatchNorm layers and the Dropout; change their numbers.": lambda model: (
            len(_of_kind(model, "BatchNormalization")) == 2 and len(_of_kind(model, "Dropout")) == 1
        ),
        "read what Dropout's number means: the share that is dropped.": lambda model: all(
            layer.rate <= 0.5 for layer in _of_kind(model, "Dropout")
        ),
        "count the batches of two epochs: how far do BatchNorm's running averages get with this "
        "momentum?": lambda model: all(
            layer.momentum < 0.99 for layer in _of_kind(model, "BatchNormalization")
        ),
    },
    praise="One mistake slows the training down, the other shows only in use.",
)(_test_images)


def _batch_norm(x, gamma, beta, axes=(0, 1, 2), power=0.5, inside=0.001, outside=0):
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return gamma * (x - mean) / ((variance + inside) ** power + outside) + beta


@EXERCISES.function(
    "04.4",
    "one mean and one variance for each channel, taken over all that is not a channel, with 0.001 "
    "added to the variance; then times gamma, and plus beta.",
    cases=[
        (_values(4, 3, 5, 2), np.array([1.0, 2.0]), np.array([0.0, -1.0])),
        (_values(2, 2, 2, 3) / 100, np.ones(3), np.zeros(3)),
        (np.full((2, 3, 3, 1), 5.0), np.array([3.0]), np.array([0.5])),
    ],
    tolerance=1e-5,
    mistakes={
        "you took the mean over the images only. In a feature map all positions share one mean, as "
        "they share one kernel.": lambda *case: _batch_norm(*case, axes=0),
        "you normalised each image by itself. Batch normalisation takes the mean over the images "
        "as well.": lambda *case: _batch_norm(*case, axes=(1, 2)),
        "you mixed the channels: each has a mean and a variance of its own, taken over images and "
        "positions.": lambda *case: _batch_norm(*case, axes=(0, 1, 2, 3)),
        "you took the mean over the channels. Each channel has a mean of its own.": (
            lambda *case: _batch_norm(*case, axes=3)
        ),
        "divide by the standard deviation, the square root of the variance, not by the variance "
        "itself.": lambda *case: _batch_norm(*case, power=1),
        "add 0.001 to the variance, inside the square root, not to the standard deviation behind "
        "it.": lambda *case: _batch_norm(*case, inside=0, outside=0.001),
        "without the 0.001, a constant channel is 0 / 0.": lambda *case: _batch_norm(
            *case, inside=0
        ),
        "you forgot to scale by gamma and to shift by beta.": lambda x, *_: _batch_norm(x, 1, 0),
        "you forgot to add beta.": lambda x, gamma, _: _batch_norm(x, gamma, 0),
        "this uses running averages that have seen nothing; call the layer with training=True.": (
            lambda x, gamma, beta: gamma * x / 1.001**0.5 + beta
        ),
    },
)
def batch_norm_by_hand(x, gamma, beta):
    return _batch_norm(x, gamma, beta)


def _any_size(pool="average", units=10, size=None, last="softmax"):
    """A CNN for images of any size, or with another head."""
    import keras
    from keras import layers

    heads = {
        "average": layers.GlobalAveragePooling2D,
        "max": layers.GlobalMaxPooling2D,
        "flatten": layers.Flatten,
    }
    return keras.Sequential(
        [
            keras.Input((size, size, 1)),
            layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            heads[pool](),
            layers.Dense(units, activation=last),
        ]
    )


def _outputs_on_canvas(model):
    """What a model says of one noisy square on black, 48 x 48, at two positions 8 pixels apart."""
    import keras

    canvas = np.zeros((2, 48, 48, 1), "float32")
    square = np.random.default_rng(0).random((12, 12, 1))
    canvas[0, 12:24, 12:24], canvas[1, 12:24, 20:32] = square, square
    return keras.ops.convert_to_numpy(model(canvas, training=False))


@EXERCISES.network(
    "04.5",
    "convolutions, a pooling over all positions, and one dense layer.",
    input_shape=(None, None, 1),
    output_shape=(10,),
    parameters=(5_000, 20_000),
    outputs="probabilities",
    must={
        "a CNN looks at neighbours: a kernel should be larger than 1 x 1.": lambda model: any(
            max(getattr(layer, "kernel_size", [1])) > 1 for layer in all_layers(model)
        ),
        "the answer changes when the same thing stands elsewhere. Which layer still looks at "
        "positions? And the strides together should be 1, 2, 4 or 8.": lambda model: (
            np.ptp(_outputs_on_canvas(model), axis=0).max() < 1e-4
        ),
        "it gives the same answer for every image.": lambda model: (
            not np.allclose(_outputs_on_canvas(model)[0], model(np.zeros((1, 48, 48, 1)))[0])
        ),
    },
    mistakes={
        "Flatten ties the network to one size, and each weight behind it to a position.": (
            lambda: _any_size("flatten", size=28)
        ),
        "the layers would do, but the input says that all images are 28 x 28.": (
            lambda: _any_size(size=28)
        ),
        "these are logits; let the last layer give probabilities.": lambda: _any_size(last=None),
    },
    praise="It takes images of any size, and a thing may stand anywhere in them.",
)
def any_size():
    return _any_size()


EXERCISES.trained(
    "04.6",
    "was it trained long enough, and does the learning rate fall at the end? Strides in place of "
    "poolings cost little; BatchNorm makes the first epochs count.",
    accuracy=0.87,
    parameters=(None, 12_000),
    praise="A tenth of the parameters, and as good as the chapter's network.",
)(_test_images)
