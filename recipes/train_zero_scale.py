"""Trains a plain network, and residual ones whose blocks begin as the identity or nearly so.

A residual block is the identity while the scale of its last BatchNorm is zero; Keras starts it at
one. The networks have 32 layers (8, 16, 32 channels, first stride 2) and are trained as in chapter
5b, for two epochs on 2,000 images of Fashion-MNIST, from five sets of initial weights, two
CPU-minutes in all. It writes the training accuracies of the second epoch to
course_utils/assets/zero_scale.csv; a run that was cut off adds what is still missing.

    python recipes/train_zero_scale.py
"""

import argparse
import functools
from pathlib import Path

from course_utils import notebook

notebook.setup()

import keras  # noqa: E402
import numpy as np  # noqa: E402
from runs import complete  # noqa: E402

from course_utils import data  # noqa: E402
from course_utils.architectures import cifar_resnet  # noqa: E402

TARGET = data.ASSETS / "zero_scale.csv"
COLUMNS = ("kind", "scale", "seed", "training_accuracy")
NETWORKS = [("plain", 1.0), ("residual", 1.0), ("residual", 0.1), ("residual", 0.0)]
RATE, IMAGES, BATCH, EPOCHS = 0.05, 2000, 64, 2


def build(kind):
    shape = {"input_shape": (28, 28, 1), "filters": 8, "stem_stride": 2}
    return cifar_resnet(32, residual=kind == "residual", **shape)


@functools.cache
def compiled(kind):
    """A network that several runs share, since to trace it takes longer than to train it."""
    falling = keras.optimizers.schedules.CosineDecay(RATE, EPOCHS * -(-IMAGES // BATCH))
    optimizer = keras.optimizers.SGD(falling, momentum=0.9)
    model = build(kind)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def train(kind, scale, seed):
    """Yields the training accuracy of the last epoch, taken while the weights still move."""
    (x, y), _ = data.fashion_mnist()
    model = compiled(kind)
    keras.utils.set_random_seed(seed)
    model.set_weights(build(kind).get_weights())
    for variable in model.optimizer.variables:  # the step and the momenta
        variable.assign(keras.ops.zeros_like(variable))
    for layer in model.layers:
        if layer.name.endswith("_2_bn"):  # the last of a block
            layer.gamma.assign(np.full(layer.gamma.shape, scale))
    settings = {"batch_size": BATCH, "epochs": EPOCHS, "verbose": 2}
    history = model.fit(x[:IMAGES], y[:IMAGES], **settings).history
    yield (f"{history['accuracy'][-1]:.4f}",)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args()
    runs = [
        ((*network, seed), functools.partial(train, *network, seed))
        for seed in range(options.seeds)
        for network in NETWORKS
    ]
    complete(options.target, COLUMNS, runs)


if __name__ == "__main__":
    main()
