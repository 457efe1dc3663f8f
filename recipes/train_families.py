"""Trains four small networks that differ in their block: plain, Inception, residual, inverted.

The networks are those of chapter 5b, with the skeleton of a ResNet: a stem of stride 2, two stages
of two blocks, global average pooling. Each is trained for four epochs on the 10,000 images of
Fashion-MNIST that ship with the package, from four sets of initial weights, eight CPU-minutes in
all. It writes the accuracies to course_utils/assets/families.csv; a run that was cut off adds what
is still missing.

    python recipes/train_families.py
"""

import argparse
import functools
from pathlib import Path

from course_utils import notebook

notebook.setup()

import keras  # noqa: E402
from keras import layers  # noqa: E402
from runs import complete  # noqa: E402

from course_utils import architectures, data  # noqa: E402

TARGET = data.ASSETS / "families.csv"
COLUMNS = ("block", "seed", "parameters", "multiply_adds", "test_accuracy")
BATCH = 128


def conv(x, filters, size):
    return layers.Conv2D(filters, size, padding="same", activation="relu")(x)


def conv_norm(x, filters, size, stride=1, relu=True):
    x = layers.Conv2D(filters, size, stride, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization(momentum=0.9)(x)
    return layers.ReLU()(x) if relu else x


def plain(x, filters, stride):
    return conv_norm(conv_norm(x, filters, 3, stride), filters, 3)


def inception(x, filters, stride):
    x = layers.MaxPooling2D(2)(x) if stride > 1 else x
    half, quarter, eighth = filters // 2, filters // 4, filters // 8
    path_1 = conv(x, quarter, 1)
    path_3 = conv(conv(x, quarter, 1), half, 3)
    path_5 = conv(conv(x, eighth, 1), eighth, 5)
    path_pool = conv(layers.MaxPooling2D(3, 1, padding="same")(x), eighth, 1)
    return conv_norm(layers.Concatenate()([path_1, path_3, path_5, path_pool]), filters, 1)


def residual(x, filters, stride):
    y = conv_norm(conv_norm(x, filters, 3, stride), filters, 3, relu=False)
    if x.shape != y.shape:
        x = conv_norm(x, filters, 1, stride, relu=False)
    return layers.ReLU()(layers.Add()([x, y]))


def inverted(x, filters, stride):
    y = conv_norm(x, 4 * x.shape[-1], 1)
    y = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False)(y)
    y = layers.ReLU()(layers.BatchNormalization(momentum=0.9)(y))
    y = conv_norm(y, filters, 1, relu=False)
    return layers.Add()([x, y]) if x.shape == y.shape else y


BLOCKS = {
    "plain": plain,
    "Inception": inception,
    "residual": residual,
    "inverted residual": inverted,
}


def build(block):
    x = images = keras.Input((28, 28, 1))
    x = conv_norm(x, 16, 3, 2)
    for filters, stride in ((16, 1), (16, 1), (32, 2), (32, 1)):
        x = BLOCKS[block](x, filters, stride)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, layers.Dense(10, activation="softmax")(x))


def train(block, seed, epochs):
    """Yields what the network has and costs, and how many test images it gets right."""
    (x, y), test = data.fashion_mnist()
    keras.utils.set_random_seed(seed)
    model = build(block)
    rate = keras.optimizers.schedules.CosineDecay(5e-3, epochs * -(-len(x) // BATCH))
    optimizer = keras.optimizers.Adam(rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=2)
    _, accuracy = model.evaluate(*test, batch_size=500, verbose=0)
    parameters = sum(weight.shape.num_elements() for weight in model.trainable_weights)
    yield parameters, architectures.multiply_adds(model), f"{accuracy:.4f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args()
    runs = [
        ((block, seed), functools.partial(train, block, seed, options.epochs))
        for seed in range(options.seeds)
        for block in BLOCKS
    ]
    complete(options.target, COLUMNS, runs)


if __name__ == "__main__":
    main()
