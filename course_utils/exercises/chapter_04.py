"""Exercises of chapter 04, convolutional neural networks."""

from itertools import pairwise

import numpy as np

from course_utils.exercises.judge import Answer, Function

_rng = np.random.default_rng(4)


def _conv_parameters(kernel, channels):
    pairs = pairwise(channels)
    return sum(kernel * kernel * before * after + after for before, after in pairs)


def _dropout(x, keep, rate):
    return x * keep / (1 - rate)


def _batch_norm(x, gamma, beta, epsilon=1e-3, axes=(0, 1, 2), use_variance=True):
    mean, variance = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    scale = np.sqrt(variance + epsilon) if use_variance else variance + epsilon
    return gamma * (x - mean) / scale + beta


def _values(*shape):
    return _rng.normal(2, 3, shape)


_ORDER = _rng.permutation(12)
_OTHER_ORDER = _rng.permutation(7)

EXERCISES = {
    "04.1": Answer(
        expected=3 * 3 * 32 * 64 + 64,
        hint="follow the height and width: a convolution takes off 2, a pooling halves and drops "
        "an odd row. Flatten makes one long row of what is left.",
        misconceptions=[
            (
                7 * 7 * 32 * 64 + 64,
                "this is the network above, with SAME. With VALID each convolution takes off 2.",
            ),
            (3 * 3 * 32 * 64, "you forgot the biases."),
            (
                5 * 5 * 32 * 64 + 64,
                "you stopped before conv3, which takes off 2 as well.",
            ),
            (22 * 22 * 32 * 64 + 64, "you forgot the two poolings, each of which halves the size."),
            (3 * 3 * 64 + 64, "each of the 64 units has a weight for every number in all 32 maps."),
        ],
        praise="28, 26, 13, 11, 5, 3: less than a fifth of what SAME needs.",
    ),
    "04.2": Function(
        reference=_conv_parameters,
        cases=[(3, [1, 16, 32, 32]), (5, [3, 7]), (1, [4, 2, 9]), (3, [16])],
        hint="each layer takes one entry of the list as channels in and the next as channels out.",
        misconceptions=[
            (
                lambda kernel, channels: sum(
                    kernel * kernel * a * b for a, b in pairwise(channels)
                ),
                "you forgot the biases, one for each channel out.",
            ),
            (
                lambda kernel, channels: sum(
                    kernel * kernel * channels[0] * b + b for b in channels[1:]
                ),
                "only the first layer works on the image; each later one takes the channels that "
                "the layer before it puts out.",
            ),
            (
                lambda kernel, channels: sum(kernel * a * b + b for a, b in pairwise(channels)),
                "a kernel has height and width: kernel times kernel.",
            ),
        ],
    ),
    "04.3": Function(
        reference=lambda row, column: (2 * row - 3, 2 * column - 3, 8),
        cases=[(0, 0), (3, 5), (10, 1)],
        hint="walk through conv1, pool1 and conv2: how large is the field, how far apart are the "
        "fields of two neighbours, and where does the first one start?",
        misconceptions=[
            (
                lambda row, column: (2 * row, 2 * column, 8),
                "you forgot the padding: the first unit looks at zeros outside the image.",
            ),
            (
                lambda row, column: (row - 3, column - 3, 8),
                "you forgot the pooling between: neighbours in conv2 look at places that are two "
                "pixels apart.",
            ),
            (
                lambda row, column: (4 * row - 7, 4 * column - 7, 18),
                "this is conv3, one layer deeper.",
            ),
            (
                lambda row, column: (2 * row - 3, 2 * column - 3, 5),
                "two layers of 3 x 3 alone see 5 pixels; the pooling between them adds to it.",
            ),
            (
                lambda row, column: (2 * column - 3, 2 * row - 3, 8),
                "you swapped row and column: top comes from the row.",
            ),
        ],
    ),
    "04.4": Function(
        reference=lambda shuffled, order: shuffled[:, np.argsort(order)],
        cases=[
            (_values(3, 12), _ORDER),
            (_values(2, 7), _OTHER_ORDER),
            (_values(2, 4), np.arange(4)),
        ],
        hint="if place i of the shuffled row holds the pixel order[i], where has pixel j gone?",
        misconceptions=[
            (
                lambda shuffled, order: shuffled[:, order],
                "this shuffles once more. You need the order that undoes the first one.",
            ),
            (
                lambda shuffled, order: shuffled[:, order[::-1]],
                "reading the order backwards does not undo it: look for the place where each "
                "number stands.",
            ),
        ],
        praise="no pixel was lost in the shuffle: only the neighbourhood was.",
    ),
    "04.5": Function(
        reference=_dropout,
        cases=[
            (_values(2, 5), _rng.random((2, 5)) > 0.4, 0.4),
            (_values(3, 4), _rng.random((3, 4)) > 0.75, 0.75),
            (_values(2, 2), np.ones((2, 2), bool), 0.0),
        ],
        hint="set the others to zero, and make up for what is missing in the sum.",
        misconceptions=[
            (
                lambda x, keep, rate: x * keep,
                "the sum is now smaller on average; the survivors must be scaled up.",
            ),
            (
                lambda x, keep, rate: x * keep * (1 - rate),
                "you scaled down; with fewer units left, each must become larger.",
            ),
            (
                lambda x, keep, rate: x * keep * (1 + rate),
                "close for small rates only: a share of 1 - rate is left, so divide by that.",
            ),
            (
                lambda x, keep, rate: x * ~keep / (1 - rate),
                "`keep` is true for the units that stay, and you dropped those.",
            ),
        ],
    ),
    "04.6": Function(
        reference=_batch_norm,
        cases=[
            (_values(4, 3, 5, 2), np.array([1.0, 2.0]), np.array([0.0, -1.0])),
            (_values(2, 2, 2, 3), np.ones(3), np.zeros(3)),
            (np.full((2, 3, 3, 1), 5.0), np.array([3.0]), np.array([0.5])),
        ],
        hint="one mean and one variance for each channel, taken over all that is not a channel.",
        tolerance=1e-5,
        misconceptions=[
            (
                lambda x, gamma, beta: _batch_norm(x, gamma, beta, axes=(0,)),
                "you took the mean over the images only. In a feature map all places share one "
                "mean, as they share one kernel.",
            ),
            (
                lambda x, gamma, beta: _batch_norm(x, gamma, beta, axes=(1, 2)),
                "you normalised each image by itself. Batch normalisation takes the mean over "
                "the images as well.",
            ),
            (
                lambda x, gamma, beta: _batch_norm(x, gamma, beta, axes=(0, 1, 2, 3)),
                "you mixed the channels: each has a mean and a variance of its own.",
            ),
            (
                lambda x, gamma, beta: _batch_norm(x, gamma, beta, use_variance=False),
                "divide by the standard deviation, the square root of the variance.",
            ),
            (
                lambda x, gamma, beta: _batch_norm(x, 1, 0),
                "you forgot to scale by gamma and to shift by beta.",
            ),
            (
                lambda x, gamma, beta: _batch_norm(x, gamma, beta, epsilon=0.0),
                "without epsilon, a channel that is constant divides zero by zero.",
            ),
        ],
    ),
}
