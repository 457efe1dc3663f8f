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
        "this is the network above, with SAME. With VALID each convolution takes off 2.": (
            7 * 7 * 32 * 64 + 64
        ),
        "you forgot the biases.": 3 * 3 * 32 * 64,
        "you stopped before conv3, which takes off 2 as well.": 5 * 5 * 32 * 64 + 64,
        "the second pooling drops the odd row: of 11 rows it makes 5.": 4 * 4 * 32 * 64 + 64,
        "you forgot the two poolings, each of which halves the size.": 22 * 22 * 32 * 64 + 64,
        "each of the 64 units has a weight for every number in all 32 maps.": 3 * 3 * 64 + 64,
    },
    praise="28, 26, 13, 11, 5, 3: less than a fifth of what SAME needs.",
)


@EXERCISES.function(
    "04.2",
    "each layer takes one entry of the list as channels in and the next as channels out.",
    cases=[(3, [1, 16, 32, 32]), (5, [3, 7]), (1, [4, 2, 9]), (3, [16])],
    mistakes={
        "you forgot the biases, one for each channel out.": (
            lambda kernel, channels: conv_parameters(kernel, channels) - sum(channels[1:])
        ),
        "each layer has one bias for every channel out, not for every channel in.": (
            lambda kernel, channels: conv_parameters(kernel, channels) + channels[0] - channels[-1]
        ),
        "only the first layer works on the image; each later one takes the channels that the layer "
        "before it puts out.": lambda kernel, channels: sum(
            conv_parameters(kernel, [channels[0], after]) for after in channels[1:]
        ),
        "a kernel has height and width: kernel times kernel.": (
            lambda kernel, channels: sum(kernel * a * b + b for a, b in pairwise(channels))
        ),
    },
)
def conv_parameters(kernel, channels):
    return sum(kernel * kernel * before * after + after for before, after in pairwise(channels))


@EXERCISES.function(
    "04.3",
    "walk through conv1, pool1 and conv2: how large is the field, how far apart are the fields of "
    "two neighbours, and where does the first one start?",
    cases=[(0, 0), (3, 5), (10, 1)],
    mistakes={
        "you forgot the padding: the first unit looks at zeros outside the image.": (
            lambda row, column: (2 * row, 2 * column, 8)
        ),
        "top and left may be negative: the patch begins in the padding, so do not cut it off at "
        "the edge of the image.": lambda *case: tuple(max(0, n) for n in seen_by_conv2(*case)),
        "you forgot the pooling between: neighbours in conv2 look at places that are two pixels "
        "apart.": lambda row, column: (row - 3, column - 3, 8),
        "this is conv3, one layer deeper.": lambda row, column: (4 * row - 7, 4 * column - 7, 18),
        "this is pool2, one layer deeper.": lambda row, column: (4 * row - 3, 4 * column - 3, 10),
        "this is pool1, one layer less deep.": lambda row, column: (2 * row - 1, 2 * column - 1, 4),
        "two layers of 3 x 3 alone see 5 pixels; the pooling between them adds to it.": (
            lambda row, column: (2 * row - 3, 2 * column - 3, 5)
        ),
        "you swapped row and column: top comes from the row.": (
            lambda row, column: seen_by_conv2(column, row)
        ),
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
        "this shuffles once more. You need the order that undoes the first one.": (
            lambda shuffled, order: shuffled[:, order]
        ),
        "reading the order backwards does not undo it: look for the place where each number "
        "stands.": lambda shuffled, order: shuffled[:, order[::-1]],
        "this sorts the pixels by their brightness; sort the order instead, and move the pixels "
        "along with it.": lambda shuffled, order: np.sort(shuffled, axis=1),
    },
    praise="no pixel was lost in the shuffle: only the neighbourhood was.",
)
def unshuffle(shuffled, order):
    return shuffled[:, np.argsort(order)]


@EXERCISES.function(
    "04.5",
    "set the others to zero, and make up for what is missing in the sum.",
    cases=[
        (_values(2, 5), rng.random((2, 5)) > 0.4, 0.4),
        (_values(3, 4), rng.random((3, 4)) > 0.75, 0.75),
        (_values(2, 2), np.ones((2, 2), bool), 0.0),
    ],
    mistakes={
        "the sum is now smaller on average; the survivors must be scaled up.": (
            lambda x, keep, rate: x * keep
        ),
        "you scaled down; with fewer units left, each must become larger.": (
            lambda x, keep, rate: x * keep * (1 - rate)
        ),
        "close for small rates only: a share of 1 - rate is left, so divide by that.": (
            lambda x, keep, rate: x * keep * (1 + rate)
        ),
        "`rate` is the share that is dropped; divide by the share that stays.": (
            lambda x, keep, rate: x * keep / rate
        ),
        "you divide by the share that stayed this time. Dropout divides by the one expected, "
        "1 - rate.": lambda x, keep, rate: x * keep / keep.mean(),
        "`keep` is true for the units that stay, and you dropped those.": (
            lambda x, keep, rate: dropout_by_hand(x, ~keep, rate)
        ),
    },
)
def dropout_by_hand(x, keep, rate):
    return x * keep / (1 - rate)


def _normalise(x, axes=(0, 1, 2), divisor=lambda variance: np.sqrt(variance + 0.001)):
    return (x - x.mean(axes, keepdims=True)) / divisor(x.var(axes, keepdims=True))


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
        "they share one kernel.": lambda x, gamma, beta: gamma * _normalise(x, 0) + beta,
        "you normalised each image by itself. Batch normalisation takes the mean over the images "
        "as well.": lambda x, gamma, beta: gamma * _normalise(x, (1, 2)) + beta,
        "you mixed the channels: each has a mean and a variance of its own.": (
            lambda x, gamma, beta: gamma * _normalise(x, None) + beta
        ),
        "divide by the standard deviation, the square root of the variance.": (
            lambda x, gamma, beta: (
                gamma * _normalise(x, divisor=lambda variance: variance + 0.001) + beta
            )
        ),
        "add 0.001 to the variance, inside the square root, not to the standard deviation.": (
            lambda x, gamma, beta: (
                gamma * _normalise(x, divisor=lambda variance: np.sqrt(variance) + 0.001) + beta
            )
        ),
        "without the 0.001, a channel that is constant divides zero by zero.": (
            lambda x, gamma, beta: gamma * _normalise(x, divisor=np.sqrt) + beta
        ),
        "you forgot to scale by gamma and to shift by beta.": lambda x, *_: _normalise(x),
    },
)
def batch_norm_by_hand(x, gamma, beta):
    return gamma * _normalise(x) + beta
