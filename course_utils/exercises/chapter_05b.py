"""Exercises of chapter 05b, famous architectures: going deeper."""

import numpy as np

from course_utils.exercises.judge import Answer, Function

_rng = np.random.default_rng(5)


def _inception_cost(size, channels, widths):
    ones, reduce_3, threes, reduce_5, fives, projection = widths
    on_input = channels * (ones + reduce_3 + reduce_5 + projection)
    return size * size * (on_input + 9 * reduce_3 * threes + 25 * reduce_5 * fives)


def _without_reductions(size, channels, widths):
    ones, _, threes, _, fives, projection = widths
    return size * size * channels * (ones + 9 * threes + 25 * fives + projection)


def _soften(logits, temperature, axis=1):
    scaled = logits / temperature
    powers = np.exp(scaled - scaled.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


def _overflowing(logits, temperature):
    powers = np.exp(logits / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def _shortcut(x, channels, before=None, step=2):
    missing = channels - x.shape[-1]
    before = missing // 2 if before is None else before(missing)
    pairs = ((0, 0), (0, 0), (0, 0), (before, missing - before))
    return np.pad(x[:, ::step, ::step], pairs)


def _average_two(x, channels):
    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    x = x[:, :height, :width]
    means = (x[:, ::2, ::2] + x[:, 1::2, ::2] + x[:, ::2, 1::2] + x[:, 1::2, 1::2]) / 4
    return _shortcut(means, channels, step=1)


def _fold(weights, gamma, beta, mean, variance, epsilon=0.001):
    scale = gamma / np.sqrt(variance + epsilon)
    return np.vstack([weights * scale, beta - mean * scale])


def _fold_variance(weights, gamma, beta, mean, variance):
    scale = gamma / (variance + 0.001)
    return np.vstack([weights * scale, beta - mean * scale])


def _values(*shape):
    return _rng.normal(1, 2, shape)


def _norms(count):
    """gamma, beta, mean and variance of a BatchNorm that has seen something."""
    return _values(count), _values(count), _values(count), _rng.uniform(0.1, 3, count)


EXERCISES = {
    "05b.1": Answer(
        expected=256 * 64 + 9 * 64 * 64 + 64 * 256,
        hint="add up three products: 1 x 1 x 256 x 64, then 3 x 3 on the 64, then back to 256.",
        misconceptions=[
            (
                256 * 64 + 9 * 64 * 256 + 64 * 256,
                "the 3 x 3 convolution stays at 64 channels; only the last one widens.",
            ),
            (256 * 64 + 64 * 64 + 64 * 256, "the one in the middle has 3 x 3 = 9 places."),
            (256 * 64 + 9 * 64 * 64, "the last 1 x 1 convolution, up to 256, is missing."),
            (
                256 * 64 + 64 + 9 * 64 * 64 + 64 + 64 * 256 + 256,
                "without biases: the BatchNorm behind each has a shift of its own.",
            ),
            (2 * 9 * 256 * 256, "these are two 3 x 3 convolutions on 256 channels, undivided."),
        ],
        praise="69,632, where two 3 x 3 convolutions on 256 channels have 1,179,648.",
    ),
    "05b.2": Function(
        reference=lambda stages, convolutions: convolutions * sum(stages) + 2,
        cases=[([3, 4, 6, 3], 2), ([3, 8, 36, 3], 3), ([5, 5, 5], 2), ([1], 2)],
        hint="blocks times convolutions, and what stands before and after them.",
        misconceptions=[
            (
                lambda stages, convolutions: convolutions * sum(stages),
                "the first convolution and the dense layer count as well.",
            ),
            (
                lambda stages, convolutions: convolutions * sum(stages) + 1,
                "two layers stand outside the blocks: one in front, one at the end.",
            ),
            (
                lambda stages, convolutions: convolutions * len(stages) + 2,
                "a stage has several blocks: add them up.",
            ),
            (
                lambda stages, convolutions: convolutions * sum(stages) + 2 + len(stages) - 1,
                "the convolutions in shortcuts stand beside the others, not behind them.",
            ),
        ],
    ),
    "05b.3": Function(
        reference=_inception_cost,
        cases=[
            (28, 192, (64, 96, 128, 16, 32, 32)),
            (7, 832, (384, 192, 384, 48, 128, 128)),
            (5, 3, (1, 2, 3, 4, 5, 6)),
            (1, 1, (1, 1, 1, 1, 1, 1)),
        ],
        hint="four convolutions of 1 x 1 work on the input, the 3 x 3 and the 5 x 5 on what a "
        "reduction left; each costs places x kernel x channels in x channels out.",
        misconceptions=[
            (
                _without_reductions,
                "the 3 x 3 and the 5 x 5 work on the reduced channels, and the reductions cost "
                "something themselves.",
            ),
            (
                lambda size, channels, widths: _inception_cost(1, channels, widths),
                "these are the weights; each is used at every place of the map.",
            ),
            (
                lambda size, channels, widths: _inception_cost(size, channels, (*widths[:5], 0)),
                "the projection behind the pooling is missing.",
            ),
            (
                lambda size, channels, widths: (
                    _inception_cost(size, channels, widths)
                    - size * size * channels * (widths[1] + widths[3])
                ),
                "the two reductions cost something as well.",
            ),
        ],
    ),
    "05b.4": Function(
        reference=_soften,
        cases=[
            (_values(3, 4), 2.0),
            (_values(2, 5), 0.5),
            (np.array([[1000.0, 998.0, 0.0], [0.0, 0.0, 0.0]]), 1.0),
        ],
        hint="divide, take powers of e, and divide by the sum of the row.",
        misconceptions=[
            (
                _overflowing,
                "right, until a logit is large: e to the power of 1000 is not a number that fits. "
                "Take off the row's largest first.",
            ),
            (
                lambda logits, temperature: _soften(logits, 1 / temperature),
                "a high temperature makes answers softer: divide by it.",
            ),
            (
                lambda logits, temperature: _soften(logits, 1) / temperature,
                "divide the logits, before the softmax, not the probabilities.",
            ),
            (
                lambda logits, temperature: _soften(logits, temperature, axis=0),
                "each row is one image: sum along the classes, axis 1.",
            ),
        ],
    ),
    "05b.5": Function(
        reference=_shortcut,
        cases=[
            (_values(2, 6, 4, 3), 6),
            (_values(1, 5, 7, 2), 6),
            (_values(3, 4, 6, 1), 1),
        ],
        hint="two steps: every second pixel, then zeros in front of and behind the channels.",
        misconceptions=[
            (
                lambda x, channels: _shortcut(x, channels, step=1),
                "the size stays: take every second pixel in height and width.",
            ),
            (
                lambda x, channels: _shortcut(x, channels, before=lambda missing: 0),
                "half of the zeros belong in front.",
            ),
            (
                lambda x, channels: _shortcut(
                    x, channels, before=lambda missing: missing - missing // 2
                ),
                "an odd channel of zeros goes behind, not in front.",
            ),
            (
                _average_two,
                "this averages 2 x 2 pixels; the paper's shortcut skips them.",
            ),
        ],
        praise="no parameter, and nothing to learn: the block decides what to add.",
    ),
    "05b.6": Function(
        reference=_fold,
        cases=[
            (_values(3, 4), *_norms(4)),
            (_values(5, 2), *_norms(2)),
            (np.ones((1, 1)), np.ones(1), np.zeros(1), np.zeros(1), np.ones(1)),
        ],
        hint="what multiplies x is gamma / sqrt(variance + 0.001); the rest is the bias.",
        tolerance=1e-5,
        misconceptions=[
            (
                lambda weights, gamma, beta, mean, variance: np.vstack(
                    [weights * gamma / np.sqrt(variance + 0.001), beta - mean]
                ),
                "the mean is taken off before the scaling, so it is scaled too.",
            ),
            (
                lambda weights, gamma, beta, mean, variance: np.vstack(
                    [weights * gamma / np.sqrt(variance + 0.001), beta]
                ),
                "you forgot the mean, which is taken off from what the weights put out.",
            ),
            (_fold_variance, "divide by the standard deviation, the root of the variance."),
            (
                lambda weights, gamma, beta, mean, variance: _fold(
                    weights, gamma, beta, mean, variance, epsilon=0
                ),
                "add epsilon, 0.001, to the variance, as Keras does.",
            ),
        ],
    ),
}
