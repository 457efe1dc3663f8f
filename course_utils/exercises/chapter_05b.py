"""Exercises of chapter 05b, famous architectures: going deeper."""

import numpy as np

from course_utils.exercises.judge import Exercises

EXERCISES = Exercises()
rng = np.random.default_rng(5)


def _values(*shape):
    return rng.normal(1, 2, shape)


EXERCISES.answer(
    "05b.1",
    256 * 64 + 9 * 64 * 64 + 64 * 256,
    "add up three products: 1 x 1 x 256 x 64, then 3 x 3 on the 64, then back to 256.",
    mistakes={
        "the 3 x 3 convolution stays at 64 channels.": 256 * 64 + 9 * 64 * 256 + 64 * 256,
        "the one in the middle has 3 x 3 = 9 places.": 256 * 64 + 64 * 64 + 64 * 256,
        "the last 1 x 1 convolution, up to 256, is missing.": 256 * 64 + 9 * 64 * 64,
        "without biases: the BatchNorm behind each has a shift.": 69_632 + 64 + 64 + 256,
        "these are two 3 x 3 convolutions on 256 channels, undivided.": 2 * 9 * 256 * 256,
    },
    praise="69,632, where two 3 x 3 convolutions on 256 channels have 1,179,648.",
)


@EXERCISES.function(
    "05b.2",
    "blocks times convolutions, and what stands before and after them.",
    cases=[([3, 4, 6, 3], 2), ([3, 8, 36, 3], 3), ([5, 5, 5], 2), ([1], 2)],
    mistakes={
        "the first convolution and the dense layer count too.": lambda s, each: each * sum(s),
        "two layers are in no block: the first and the last.": lambda s, each: each * sum(s) + 1,
        "a stage has several blocks: add them up.": lambda s, each: each * len(s) + 2,
        "the convolutions in shortcuts stand beside the others, not behind them, so they add no "
        "depth.": lambda s, each: each * sum(s) + 2 + len(s) - 1,
    },
)
def resnet_depth(stages, convolutions):
    return convolutions * sum(stages) + 2


def _on_input(size, channels, *widths):
    """Multiply-adds of 1 x 1 convolutions that all work on the input."""
    return size * size * channels * sum(widths)


@EXERCISES.function(
    "05b.3",
    "four convolutions of 1 x 1 work on the input, the 3 x 3 and the 5 x 5 on what a reduction "
    "left; each costs places x kernel x channels in x channels out.",
    cases=[
        (28, 192, (64, 96, 128, 16, 32, 32)),
        (7, 832, (384, 192, 384, 48, 128, 128)),
        (5, 3, (1, 2, 3, 4, 5, 6)),
        (1, 1, (1, 1, 1, 1, 1, 1)),
    ],
    mistakes={
        "the 3 x 3 and the 5 x 5 work on the reduced channels, and the reductions cost something "
        "themselves.": lambda size, channels, w: _on_input(
            size, channels, w[0], 9 * w[2], 25 * w[4], w[5]
        ),
        "these are the weights; each is used at every place of the map, and there are size x size "
        "of them.": lambda size, channels, w: inception_cost(1, channels, w),
        "a multiply-add counts once, not twice.": lambda *case: 2 * inception_cost(*case),
        "the projection is missing.": lambda *case: inception_cost(*case[:2], (*case[2][:5], 0)),
        "the two reductions cost something as well.": lambda size, channels, w: (
            inception_cost(size, channels, w) - _on_input(size, channels, w[1], w[3])
        ),
    },
)
def inception_cost(size, channels, widths):
    ones, reduce_3, threes, reduce_5, fives, projection = widths
    on_input = _on_input(size, channels, ones, reduce_3, reduce_5, projection)
    return on_input + size * size * (9 * reduce_3 * threes + 25 * reduce_5 * fives)


def _softmax(logits, offset, axis=1):
    powers = np.exp(logits - offset)
    return powers / powers.sum(axis, keepdims=True)


@EXERCISES.function(
    "05b.4",
    "divide, take powers of e, and divide by the sum of the row.",
    cases=[
        (_values(3, 4), 2.0),
        (_values(2, 5), 0.5),
        (np.array([[1000.0, 998.0, 0.0], [0.0, 0.0, 0.0], [-900.0, -1000.0, -950.0]]), 0.5),
        (np.array([[800.0, -800.0, -700.0]]), 1.0),
        (np.array([[1000.0, 0.0, -1000.0]]), 500.0),
    ],
    mistakes={
        "right, until a logit is large: e to the power of 1000 is not a number that fits. Take off "
        "the row's largest first.": lambda logits, t: _softmax(logits / t, 0),
        "nearly: you take off the largest logit of all rows, and a row far below it becomes 0 / 0. "
        "Take the row's own.": lambda logits, t: _softmax(logits / t, logits.max() / t),
        "a high temperature makes answers softer: divide.": lambda x, t: soften(x, 1 / t),
        "divide the logits, not the probabilities.": lambda x, t: soften(x, 1) / t,
        "each row is one image: sum along the classes.": lambda x, t: soften(x.T, t).T,
    },
)
def soften(logits, temperature):
    logits = logits / temperature
    return _softmax(logits, logits.max(axis=1, keepdims=True))


def _shortcut(x, channels, step=2, front=lambda missing: missing // 2):
    missing = channels - x.shape[-1]
    before = front(missing)
    pairs = ((0, 0), (0, 0), (0, 0), (before, missing - before))
    return np.pad(x[:, ::step, ::step], pairs)


def _average_two(x, channels):
    x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
    means = (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4
    return _shortcut(means, channels, step=1)


@EXERCISES.function(
    "05b.5",
    "two steps: every second pixel, then zeros in front of and behind the channels.",
    cases=[(_values(2, 6, 4, 3), 6), (_values(1, 5, 7, 2), 6), (_values(3, 4, 6, 1), 1)],
    mistakes={
        "take every second pixel in height and width.": lambda *case: _shortcut(*case, step=1),
        "half of the zeros belong in front.": lambda *case: _shortcut(*case, front=lambda n: 0),
        "an odd channel of zeros goes behind, not in front: round half of their number down for "
        "the front.": lambda *case: _shortcut(*case, front=lambda missing: (missing + 1) // 2),
        "this averages 2 x 2 pixels; the paper's shortcut skips them.": _average_two,
    },
    praise="no parameter, and nothing to learn: the block decides what to add.",
)
def shortcut(x, channels):
    return _shortcut(x, channels)


def _scale(gamma, variance):
    return gamma / np.sqrt(variance + 0.001)


def _norms(count):
    """gamma, beta, mean and variance of a BatchNorm that has seen something."""
    return _values(count), _values(count), _values(count), rng.uniform(0.1, 3, count)


@EXERCISES.function(
    "05b.6",
    "what multiplies x is gamma / sqrt(variance + 0.001); the rest is the bias.",
    cases=[
        (_values(3, 4), *_norms(4)),
        (_values(5, 2), *_norms(2)),
        (np.ones((1, 1)), np.ones(1), np.zeros(1), np.zeros(1), np.ones(1)),
    ],
    tolerance=1e-5,
    mistakes={
        "the mean is taken off before the scaling, so it is scaled too: multiply it by the scale "
        "as well.": lambda w, gamma, beta, mean, v: np.vstack([w * _scale(gamma, v), beta - mean]),
        "you forgot the mean.": lambda w, gamma, beta, mean, v: fold(w, gamma, beta, 0, v),
        "divide by the standard deviation, the root of the variance plus 0.001, not by the "
        "variance.": lambda w, gamma, *rest: fold(w, gamma * _scale(1, rest[-1]), *rest),
        "add epsilon, 0.001, to the variance.": lambda *case: fold(*case[:4], case[4] - 0.001),
        "the bias is the last row.": lambda *case: np.roll(fold(*case), 1, axis=0),
    },
)
def fold(weights, gamma, beta, mean, variance):
    scale = _scale(gamma, variance)
    return np.vstack([weights * scale, beta - mean * scale])
