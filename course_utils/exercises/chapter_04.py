"""Exercises of chapter 04, convolutional neural networks."""

from itertools import pairwise

import numpy as np

from course_utils.exercises.judge import Exercises

EXERCISES = Exercises()
rng = np.random.default_rng(4)


def _values(*shape):
    return rng.normal(2, 3, shape)


EXERCISES.answer(
    "04.1",
    3 * 3 * 32 * 64 + 64,
    "follow the height and width: a convolution takes off 2, a pooling halves and drops an odd "
    "row. Flatten makes one long row of what is left.",
    mistakes={
        "with SAME, yes; with VALID each convolution takes off 2.": 7 * 7 * 32 * 64 + 64,
        "you forgot the biases.": 3 * 3 * 32 * 64,
        "you stopped before conv3, which takes off 2 as well.": 5 * 5 * 32 * 64 + 64,
        "the second pooling drops the odd row: of 11 rows it makes 5.": 4 * 4 * 32 * 64 + 64,
        "you forgot the two poolings, each of which halves the size.": 22 * 22 * 32 * 64 + 64,
        "each of the 64 units has a weight for every number in all 32 maps.": 3 * 3 * 64 + 64,
    },
    praise="28, 26, 13, 11, 5, 3: less than a fifth of what SAME needs.",
)


def _stack(weights, channels):
    """Parameters of layers of which each has `weights` per pair of channels."""
    return sum(weights * before * after + after for before, after in pairwise(channels))


@EXERCISES.function(
    "04.2",
    "each layer takes one entry of the list as channels in and the next as channels out.",
    cases=[(3, [1, 16, 32, 32]), (5, [3, 7]), (1, [4, 2, 9]), (3, [16])],
    mistakes={
        "you forgot the biases, one for each channel that a layer puts out; the channels of the "
        "image have none.": lambda kernel, channels: (
            _stack(kernel**2, channels) - sum(channels[1:])
        ),
        "only the first layer works on the image; each later one takes the channels that the layer "
        "before puts out.": lambda kernel, channels: sum(
            _stack(kernel**2, [channels[0], after]) for after in channels[1:]
        ),
        "a kernel has height and width: kernel times kernel.": _stack,
    },
)
def conv_parameters(kernel, channels):
    return _stack(kernel * kernel, channels)


@EXERCISES.function(
    "04.3",
    "walk through conv1, pool1 and conv2: how large is the field, how far apart are the fields of "
    "two neighbours, and where does the first one start?",
    cases=[(0, 0), (3, 5), (10, 1)],
    mistakes={
        "you forgot the padding: the first unit looks at zeros outside the image, so its patch "
        "starts before row 0.": lambda row, column: (2 * row, 2 * column, 8),
        "top and left may be negative: do not cut the patch off at the edge of the image, it "
        "reaches into the padding.": lambda *case: [max(0, n) for n in seen_by_conv2(*case)],
        "you forgot the pooling: neighbours are two pixels apart.": lambda r, c: (r - 3, c - 3, 8),
        "this is conv3, one layer deeper.": lambda r, c: (4 * r - 7, 4 * c - 7, 18),
        "this is pool2, one layer deeper.": lambda r, c: (4 * r - 3, 4 * c - 3, 10),
        "two layers of 3 x 3 alone see 5 pixels; the pooling between them adds to it, and so does "
        "its stride.": lambda row, column: (2 * row - 3, 2 * column - 3, 5),
        "top comes from the row, left from the column.": lambda r, c: seen_by_conv2(c, r),
    },
)
def seen_by_conv2(row, column):
    return 2 * row - 3, 2 * column - 3, 8


@EXERCISES.function(
    "04.4",
    "if place i of the shuffled row holds the pixel order[i], where has pixel j gone?",
    cases=[
        (_values(3, 12), rng.permutation(12)),
        (_values(2, 7), rng.permutation(7)),
        (_values(2, 4), np.arange(4)),
    ],
    mistakes={
        "this shuffles once more. You need the order that undoes it.": lambda x, order: x[:, order],
        "reading the order backwards does not undo it: look for the place where each number "
        "stands.": lambda shuffled, order: shuffled[:, order[::-1]],
        "this sorts the pixels by brightness; sort the order.": lambda x, _: np.sort(x, axis=1),
    },
    praise="no pixel was lost in the shuffle: only the neighbourhood was.",
)
def unshuffle(shuffled, order):
    return shuffled[:, np.argsort(order)]


@EXERCISES.function(
    "04.5",
    "set the others to zero, and make up for what is missing in the sum.",
    cases=[
        (_values(2, 5), rng.random((2, 5)) > 0.3, 0.3),
        (_values(3, 5), rng.random((3, 5)) > 0.75, 0.75),
        (_values(2, 2), np.ones((2, 2), bool), 0.0),
    ],
    mistakes={
        "the sum is now smaller on average: scale the survivors up.": lambda x, keep, _: x * keep,
        "you scaled down; with fewer units left, each must become larger: divide by the share that "
        "stays.": lambda x, keep, rate: x * keep * (1 - rate),
        "close for small rates only: a share of 1 - rate is left, so divide by that instead of "
        "multiplying.": lambda x, keep, rate: x * keep * (1 + rate),
        "`rate` is dropped; divide by the share that stays.": lambda x, keep, r: x * keep / r,
        "you divide by the share that happened to stay. Dropout divides by the share expected, "
        "1 - rate.": lambda x, keep, rate: x * keep / keep.mean(),
        "`keep` is true for the units that stay, and you dropped those instead of the others, "
        "where it is false.": lambda x, keep, rate: x * ~keep / (1 - rate),
    },
)
def dropout_by_hand(x, keep, rate):
    return x * keep / (1 - rate)


def _batch_norm(x, gamma, beta, axes=(0, 1, 2), power=0.5, inside=0.001, outside=0):
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    return gamma * (x - mean) / ((variance + inside) ** power + outside) + beta


@EXERCISES.function(
    "04.6",
    "one mean and one variance for each channel, taken over all that is not a channel.",
    cases=[
        (_values(4, 3, 5, 2), np.array([1.0, 2.0]), np.array([0.0, -1.0])),
        (_values(2, 2, 2, 3) / 100, np.ones(3), np.zeros(3)),
        (np.full((2, 3, 3, 1), 5.0), np.array([3.0]), np.array([0.5])),
    ],
    tolerance=1e-5,
    mistakes={
        "you took the mean over the images only. In a feature map all places share one mean, as "
        "they share one kernel.": lambda *case: _batch_norm(*case, axes=0),
        "you normalised each image by itself. Batch normalisation takes the mean over the images "
        "as well.": lambda *case: _batch_norm(*case, axes=(1, 2)),
        "you mixed the channels: each has a mean and a variance of its own, taken over images and "
        "places.": lambda *case: _batch_norm(*case, axes=(0, 1, 2, 3)),
        "divide by the standard deviation, the square root of the variance, not by the variance "
        "itself.": lambda *case: _batch_norm(*case, power=1),
        "add 0.001 to the variance, inside the square root, not to the standard deviation behind "
        "it.": lambda *case: _batch_norm(*case, inside=0, outside=0.001),
        "without the 0.001, a constant channel is 0 / 0.": lambda *case: _batch_norm(
            *case, inside=0
        ),
        "you forgot to scale by gamma and to shift by beta.": lambda x, *_: _batch_norm(x, 1, 0),
    },
)
def batch_norm_by_hand(x, gamma, beta):
    return _batch_norm(x, gamma, beta)
