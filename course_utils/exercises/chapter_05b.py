"""Exercises of chapter 05b, famous architectures: going deeper."""

import numpy as np

from course_utils.exercises import models
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
        "the one in the middle has 3 x 3 = 9 positions.": 256 * 64 + 64 * 64 + 64 * 256,
        "the last 1 x 1 convolution, up to 256, is missing.": 256 * 64 + 9 * 64 * 64,
        "without biases: the BatchNorm behind each has a shift.": 69_632 + 64 + 64 + 256,
        "these are two 3 x 3 convolutions on 256 channels, undivided.": 2 * 9 * 256 * 256,
    },
    praise="69,632, where two 3 x 3 convolutions on 256 channels have 1,179,648.",
)


def _on_input(size, channels, *widths):
    """Multiply-adds of 1 x 1 convolutions that all work on the input."""
    return size * size * channels * sum(widths)


@EXERCISES.function(
    "05b.2",
    "four convolutions of 1 x 1 work on the input, the 3 x 3 and the 5 x 5 on what a reduction "
    "left; each costs positions x kernel x channels in x channels out.",
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
        "these are the weights; each is used at every position of the map, and a map has size x "
        "size of them.": lambda size, channels, w: inception_cost(1, channels, w),
        "a multiply-add counts once, not twice.": lambda *case: 2 * inception_cost(*case),
        "the projection is missing.": lambda *case: inception_cost(*case[:2], (*case[2][:5], 0)),
        "the two reductions cost something as well.": lambda size, channels, w: (
            inception_cost(size, channels, w) - _on_input(size, channels, w[1], w[3])
        ),
        "a kernel of 3 x 3 has 9 positions, one of 5 x 5 has 25.": lambda size, channels, w: (
            _on_input(size, channels, w[0], w[1], w[3], w[5])
            + size * size * (3 * w[1] * w[2] + 5 * w[3] * w[4])
        ),
    },
)
def inception_cost(size, channels, widths):
    ones, reduce_3, threes, reduce_5, fives, projection = widths
    on_input = _on_input(size, channels, ones, reduce_3, reduce_5, projection)
    return on_input + size * size * (9 * reduce_3 * threes + 25 * reduce_5 * fives)


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
    "05b.3",
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


def _excited(
    squeeze=True, units=8, shortcut=True, bias=False, inside="relu", dense="relu", gate="sigmoid",
    last="relu",
):  # fmt: skip
    """A residual block with squeeze-and-excitation, or nearly; the last four are activations."""
    import keras
    from keras import layers

    x = y = keras.Input((14, 14, 32))
    for activation in (inside, "linear"):
        y = layers.Conv2D(32, 3, padding="same", use_bias=bias)(y)
        y = layers.Activation(activation)(layers.BatchNormalization()(y))
    weights = layers.GlobalAveragePooling2D(keepdims=True)(y) if squeeze else y
    weights = layers.Dense(units, activation=dense)(weights)
    weights = layers.Dense(32, activation=gate)(weights)
    y = layers.Multiply()([y, weights])
    y = layers.Add()([x, y]) if shortcut else y
    return keras.Model(x, layers.Activation(last)(y))


def _agrees(model, **faults):
    """Whether the block with these faults, given the model's weights, computes the same."""
    images = np.random.default_rng(0).normal(1, 2, (2, 14, 14, 32))
    return models.computes_the_same(model, _excited(**faults), images)


_is_right = models.once(_agrees)


def _differs(*faulty):
    """Whether a model computes something else than blocks with these faults, or is right."""
    return lambda model: _is_right(model) or not any(_agrees(model, **one) for one in faulty)


@EXERCISES.network(
    "05b.4",
    "the order is two convolutions without bias, each with BatchNorm, average, two dense layers, "
    "multiply, add.",
    input_shape=(14, 14, 32),
    output_shape=(14, 14, 32),
    parameters=2 * (9 * 32 * 32 + 4 * 32) + 32 * 8 + 8 + 8 * 32 + 32,
    must={
        "these are weights for each position. Squeeze first: one average a channel.": _differs(
            {"squeeze": False}
        ),
        "the input is not added.": _differs({"shortcut": False}),
        "each weight lies between 0 and 1 by itself: a sigmoid, not a softmax, which sums to "
        "1.": _differs({"gate": "softmax"}, {"gate": "tanh"}, {"gate": "linear"}),
        "the first BatchNorm has a ReLU behind it.": _differs({"inside": "linear"}),
        "a ReLU follows the addition.": _differs({"last": "linear"}),
        "the dense layer of 8 units has a ReLU.": _differs({"dense": "linear"}),
        "its parameters are right, what it computes is not. Is the average taken after the second "
        "BatchNorm, the input added after the multiplication, and each activation in its "
        "place?": _is_right,
    },
    mistakes={
        "the dense layer in the middle has 8 units, a quarter of the channels.": (
            lambda: _excited(units=32)
        ),
        "the convolutions need no bias: the BatchNorm behind each has a shift.": (
            lambda: _excited(bias=True)
        ),
    },
    praise="552 parameters on top of 18,688: weighing the channels is cheap.",
)
def excited_block():
    return _excited()


def _scale(gamma, variance):
    return gamma / np.sqrt(variance + 0.001)


def _norms(count):
    """gamma, beta, mean and variance of a BatchNorm that has seen something."""
    return _values(count), _values(count), _values(count), rng.uniform(0.1, 3, count)


@EXERCISES.function(
    "05b.5",
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


@models.once
def _structure(model):
    """Its 3 x 3 convolutions, and its additions of a path through one and a path around it."""
    kernels, additions, before = set(), 0, {}  # `before`: the kernels on the way to a tensor
    for operation in models.operations(model, (28, 28, 1)):
        inputs = operation.inputs
        paths = [before.get(tensor.name, frozenset()) for tensor in inputs]
        passed = frozenset().union(*paths)
        if operation.type == "Conv2D" and inputs[1].shape[:2] == (3, 3):
            kernels.add(operation.name)
            passed |= {operation.name}
        elif operation.type == "AddV2" and inputs[0].shape == inputs[1].shape:
            additions += paths[0] != paths[1]
        before.update({tensor.name: passed for tensor in operation.outputs})
    return len(kernels), additions


@EXERCISES.trained(
    "05b.6",
    "was it trained long enough, with a rate that falls, and can BatchNorm's running averages keep "
    "up with so few steps?",
    accuracy=0.75,
    parameters=(None, 60_000),
    must={
        "it needs 8 convolutions of 3 x 3, or more.": lambda model: _structure(model)[0] >= 8,
        "it needs four additions, or more, each of a map and what convolutions of 3 x 3 make of "
        "it.": lambda model: _structure(model)[1] >= 4,
    },
    praise="Deep, small, and trained in seconds.",
)
def test_images():
    from course_utils import data

    return data.fashion_mnist()[1]
