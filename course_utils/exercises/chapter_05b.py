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
        "the 3 x 3 convolution stays at 64 channels; only the last one widens.": (
            256 * 64 + 9 * 64 * 256 + 64 * 256
        ),
        "the one in the middle has 3 x 3 = 9 places.": 256 * 64 + 64 * 64 + 64 * 256,
        "the last 1 x 1 convolution, up to 256, is missing.": 256 * 64 + 9 * 64 * 64,
        "without biases: the BatchNorm behind each has a shift of its own.": (
            256 * 64 + 64 + 9 * 64 * 64 + 64 + 64 * 256 + 256
        ),
        "these are two 3 x 3 convolutions on 256 channels, undivided.": 2 * 9 * 256 * 256,
    },
    praise="69,632, where two 3 x 3 convolutions on 256 channels have 1,179,648.",
)


@EXERCISES.function(
    "05b.2",
    "blocks times convolutions, and what stands before and after them.",
    cases=[([3, 4, 6, 3], 2), ([3, 8, 36, 3], 3), ([5, 5, 5], 2), ([1], 2)],
    mistakes={
        "the first convolution and the dense layer count as well.": (
            lambda stages, convolutions: convolutions * sum(stages)
        ),
        "two layers stand outside the blocks: one in front, one at the end.": (
            lambda stages, convolutions: convolutions * sum(stages) + 1
        ),
        "a stage has several blocks: add them up.": (
            lambda stages, convolutions: convolutions * len(stages) + 2
        ),
        "the convolutions in shortcuts stand beside the others, not behind them.": (
            lambda stages, convolutions: convolutions * sum(stages) + 2 + len(stages) - 1
        ),
    },
)
def resnet_depth(stages, convolutions):
    return convolutions * sum(stages) + 2


def _on_the_input(size, channels, *widths):
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
        "themselves.": lambda size, channels, widths: _on_the_input(
            size, channels, widths[0], 9 * widths[2], 25 * widths[4], widths[5]
        ),
        "these are the weights; each is used at every place of the map.": (
            lambda size, channels, widths: inception_cost(1, channels, widths)
        ),
        "a multiply-add is one operation here, not two.": lambda *case: 2 * inception_cost(*case),
        "the projection behind the pooling is missing.": (
            lambda size, channels, widths: inception_cost(size, channels, (*widths[:5], 0))
        ),
        "the two reductions cost something as well.": lambda size, channels, widths: (
            inception_cost(size, channels, widths)
            - _on_the_input(size, channels, widths[1], widths[3])
        ),
    },
)
def inception_cost(size, channels, widths):
    ones, reduce_3, threes, reduce_5, fives, projection = widths
    on_the_input = _on_the_input(size, channels, ones, reduce_3, reduce_5, projection)
    return on_the_input + size * size * (9 * reduce_3 * threes + 25 * reduce_5 * fives)


def _softmax(logits, offset, axis=1):
    powers = np.exp(logits - offset)
    return powers / powers.sum(axis, keepdims=True)


@EXERCISES.function(
    "05b.4",
    "divide, take powers of e, and divide by the sum of the row.",
    cases=[
        (_values(3, 4), 2.0),
        (_values(2, 5), 0.5),
        (np.array([[1000.0, 998.0, 0.0], [0.0, 0.0, 0.0]]), 1.0),
        (np.array([[800.0, 0.0, -800.0, 790.0]]), 1.0),
    ],
    mistakes={
        "right, until a logit is large: e to the power of 1000 is not a number that fits. Take off "
        "the row's largest first.": lambda logits, temperature: _softmax(logits / temperature, 0),
        "nearly: you take off the largest logit of all rows, and a row far below it becomes 0 / 0. "
        "Take off the row's own.": (
            lambda logits, temperature: _softmax(logits / temperature, logits.max() / temperature)
        ),
        "a high temperature makes answers softer: divide by it.": (
            lambda logits, temperature: soften(logits, 1 / temperature)
        ),
        "divide the logits, before the softmax, not the probabilities.": (
            lambda logits, temperature: soften(logits, 1) / temperature
        ),
        "each row is one image: sum along the classes, axis 1.": (
            lambda logits, temperature: soften(logits.T, temperature).T
        ),
    },
)
def soften(logits, temperature):
    logits = logits / temperature
    return _softmax(logits, logits.max(axis=1, keepdims=True))


def _zeros_around(x, channels, before):
    after = channels - x.shape[-1] - before
    return np.pad(x, ((0, 0), (0, 0), (0, 0), (before, after)))


def _average_two(x, channels):
    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    x = x[:, :height, :width]
    means = (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4
    return _zeros_around(means, channels, (channels - x.shape[-1]) // 2)


@EXERCISES.function(
    "05b.5",
    "two steps: every second pixel, then zeros in front of and behind the channels.",
    cases=[(_values(2, 6, 4, 3), 6), (_values(1, 5, 7, 2), 6), (_values(3, 4, 6, 1), 1)],
    mistakes={
        "the size stays: take every second pixel in height and width.": (
            lambda x, channels: _zeros_around(x, channels, (channels - x.shape[-1]) // 2)
        ),
        "half of the zeros belong in front.": (
            lambda x, channels: _zeros_around(x[:, ::2, ::2], channels, 0)
        ),
        "an odd channel of zeros goes behind, not in front.": (
            lambda x, channels: _zeros_around(
                x[:, ::2, ::2], channels, (channels - x.shape[-1] + 1) // 2
            )
        ),
        "this averages 2 x 2 pixels; the paper's shortcut skips them.": _average_two,
    },
    praise="no parameter, and nothing to learn: the block decides what to add.",
)
def shortcut(x, channels):
    return _zeros_around(x[:, ::2, ::2], channels, (channels - x.shape[-1]) // 2)


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
        "the mean is taken off before the scaling, so it is scaled too.": (
            lambda weights, gamma, beta, mean, variance: np.vstack(
                [fold(weights, gamma, beta, mean, variance)[:-1], beta - mean]
            )
        ),
        "you forgot the mean, which is taken off from what the weights put out.": (
            lambda weights, gamma, beta, mean, variance: fold(weights, gamma, beta, 0, variance)
        ),
        "divide by the standard deviation, the root of the variance.": (
            lambda weights, gamma, beta, mean, variance: fold(
                weights, gamma, beta, mean, (variance + 0.001) ** 2 - 0.001
            )
        ),
        "add epsilon, 0.001, to the variance, as Keras does.": (
            lambda weights, gamma, beta, mean, variance: fold(
                weights, gamma, beta, mean, variance - 0.001
            )
        ),
        "the bias is the last row, below the weights.": (
            lambda *case: np.roll(fold(*case), 1, axis=0)
        ),
    },
)
def fold(weights, gamma, beta, mean, variance):
    scale = gamma / np.sqrt(variance + 0.001)
    return np.vstack([weights * scale, beta - mean * scale])
