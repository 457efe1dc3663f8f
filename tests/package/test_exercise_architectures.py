"""What exercises 04.3, 05.3, 05.5 and 05b.6 see of a network before they ask how good it is."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cheaper import on_few_images
from keras import layers

from course_utils.exercises.kinds import CORRECT, WRONG


def judged(name, *stack):
    """What is said of an untrained network for garments."""
    network = keras.Sequential([keras.Input((28, 28, 1)), *stack])
    return on_few_images(name).judge(network)


def alexnet(pool=3, stride=2, threes=3, order="DoDo", activation="relu", units=32, groups=1):
    """AlexNet's plan for small images, or nearly; o is a Dropout, D a dense layer before it."""
    relu = {"padding": "same", "activation": activation}

    def pooling():
        return layers.MaxPooling2D(pool, stride, padding="same")

    head = {"D": lambda: layers.Dense(units, activation="relu"), "o": lambda: layers.Dropout(0.5)}
    return [
        layers.Conv2D(8, 5, strides=2, **relu),
        pooling(),
        layers.Conv2D(8, 3, **relu),
        pooling(),
        *(layers.Conv2D(8, 3, groups=groups, **relu) for _ in range(threes)),
        pooling(),
        layers.Flatten(),
        *(head[kind]() for kind in order),
        layers.Dense(10, activation="softmax"),
    ]


@pytest.mark.parametrize(
    ("faults", "hint"),
    [
        ({"pool": 2}, "so that they overlap"),
        ({"stride": 3}, "so that they overlap"),
        ({"threes": 2}, "three convolutions, pool"),
        ({"threes": 4}, "three convolutions, pool"),
        ({"order": "DDo"}, "behind the first and the second"),
        ({"order": "oDDo"}, "behind the first and the second"),
        ({"order": "Do"}, "three dense layers"),
        ({"activation": "tanh"}, "no ReLU in one"),
        ({"groups": 2}, "no groups"),
        ({"units": 1_000}, "at most 150,000"),
        ({}, "0.75 is asked for"),  # a right plan, not yet trained
    ],
)
def test_a_small_alexnet_keeps_the_plan(faults, hint):
    verdict = judged("05.5", *alexnet(**faults))
    assert verdict.status == WRONG
    assert hint in verdict.message


def test_a_relu_may_be_a_layer():
    apart = []
    for layer in alexnet():
        if getattr(layer, "activation", None) is keras.activations.relu:
            layer.activation = keras.activations.linear
            apart += [layer, layers.ReLU()]
        else:
            apart.append(layer)
    assert "0.75 is asked for" in judged("05.5", *apart).message


def lenet(padding="valid", end=("softmax",), hidden="relu", global_pooling=False):
    """LeNet-5 for images of 28 x 28; global pooling hides that C5 sees too large a map."""

    def convolution(filters, padding):
        return layers.Conv2D(filters, 5, padding=padding, activation="relu")

    return [
        convolution(6, "same"),
        layers.MaxPooling2D(2),
        convolution(16, padding),
        layers.MaxPooling2D(2),
        convolution(120, padding),
        layers.GlobalAveragePooling2D() if global_pooling else layers.Flatten(),
        layers.Dense(84, activation=hidden),
        layers.Dense(10),
        *map(layers.Activation, end),
    ]


@pytest.mark.parametrize(
    ("faults", "hint"),
    [
        ({"end": ("softmax", "softmax")}, "softmax twice"),
        ({"end": ("relu", "softmax"), "hidden": None}, "the last layer has none"),
        ({"end": ("relu", "softmax")}, "the last layer has none"),
        ({"padding": "same", "global_pooling": True}, "no global pooling"),
    ],
)
def test_a_lenet_of_61_706_parameters_need_not_be_right(faults, hint):
    verdict = judged("05.3", *lenet(**faults))
    assert verdict.status == WRONG
    assert hint in verdict.message


def test_the_activations_of_a_lenet_may_be_layers():
    assert judged("05.3", *lenet()).status == CORRECT


def test_without_batch_norm_or_dropout_the_mistakes_are_not_mended():
    stack = layers.Conv2D(4, 3, strides=4), layers.Flatten(), layers.Dense(10)
    assert "keep the two BatchNorm layers" in judged("04.3", *stack).message


@pytest.mark.parametrize(
    ("momentum", "rate", "hint"),
    [(0.9, 0.9, "share that is dropped"), (0.99, 0.1, "running averages"), (0.9, 0.1, "0.77 is")],
)
def test_both_numbers_are_to_be_mended(momentum, rate, hint):
    norms = [layers.BatchNormalization(momentum=momentum) for _ in range(2)]
    stack = layers.Conv2D(4, 3, strides=4), *norms, layers.Flatten(), layers.Dropout(rate)
    verdict = judged("04.3", *stack, layers.Dense(10, activation="softmax"))
    assert verdict.status == WRONG
    assert hint in verdict.message


@pytest.mark.parametrize(
    ("convolutions", "additions", "hint"),
    [(7, 4, "8 convolutions of 3 x 3"), (8, 3, "four additions"), (8, 4, "0.75 is asked for")],
)
def test_a_residual_network_has_blocks(convolutions, additions, hint):
    x = images = keras.Input((28, 28, 1))
    x = layers.AveragePooling2D(7)(x)
    for number in range(convolutions):
        y = layers.Conv2D(1, 3, padding="same")(x)
        x = layers.Add()([x, y]) if number < additions else y
    x = layers.Dense(10, activation="softmax")(layers.Flatten()(x))
    verdict = on_few_images("05b.6").judge(keras.Model(images, x))
    assert verdict.status == WRONG
    assert hint in verdict.message


class Block(layers.Layer):
    """Two convolutions and the skip connection around them, as a layer of the reader's own."""

    def __init__(self, join):
        super().__init__()
        self.first, self.second = (layers.Conv2D(1, 3, padding="same") for _ in range(2))
        self.join = join

    def call(self, x):
        return self.join(x, tf.nn.relu(self.second(self.first(x))))


class OwnModel(keras.Model):
    """A network without a graph of layers."""

    def __init__(self, stack):
        super().__init__()
        self.stack = stack

    def call(self, x):
        return self.stack(x)


def of_blocks(join, normalize=layers.BatchNormalization):
    """Four blocks of a reader's own, not yet trained."""
    blocks = [layer for _ in range(4) for layer in (Block(join), normalize())]
    head = [layers.Flatten(), layers.Dense(10, activation="softmax")]
    return keras.Sequential([keras.Input((28, 28, 1)), layers.AveragePooling2D(7), *blocks, *head])


@pytest.mark.parametrize(
    "join",
    [lambda x, y: x + y, tf.add, lambda x, y: layers.Add()([x, y]), keras.ops.add],
    ids=["plus", "tf", "layer", "ops"],
)
def test_a_block_may_be_a_layer_of_ones_own(join):
    model = of_blocks(join)
    before = model.get_weights()
    assert "0.75 is asked for" in on_few_images("05b.6").judge(model).message
    assert all(map(np.array_equal, model.get_weights(), before))


def test_the_network_may_be_a_class_of_ones_own():
    model = OwnModel(of_blocks(tf.add))
    model(np.zeros((1, 28, 28, 1)))
    assert "0.75 is asked for" in on_few_images("05b.6").judge(model).message


@pytest.mark.parametrize(
    ("join", "normalize"),
    [
        (lambda x, y: y, layers.BatchNormalization),
        (lambda x, y: y + y, layers.BatchNormalization),
        (lambda x, y: y, layers.LayerNormalization),
    ],
    ids=["plain", "doubled", "normalized"],
)
def test_an_addition_joins_what_a_convolution_parted(join, normalize):
    verdict = on_few_images("05b.6").judge(of_blocks(join, normalize))
    assert verdict.status == WRONG
    assert "four additions" in verdict.message


def test_a_block_may_be_a_model_of_its_own():
    x = images = keras.Input((28, 28, 1))
    x = layers.AveragePooling2D(7)(x)
    for _ in range(4):
        y = inside = keras.Input(x.shape[1:])
        for _ in range(2):
            y = layers.Conv2D(1, 3, padding="same")(y)
        x = keras.Model(inside, layers.Add()([inside, y]))(x)
    x = layers.Dense(10, activation="softmax")(layers.Flatten()(x))
    assert "0.75 is asked for" in on_few_images("05b.6").judge(keras.Model(images, x)).message
