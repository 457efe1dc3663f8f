"""Trains plain and residual networks of 20 and 56 layers, long enough to see degradation.

He et al. (2015) showed on CIFAR-10 that a plain network of 56 layers ends with a higher *training*
error than one of 20. This is the same comparison on the 10,000 images of Fashion-MNIST that ship
with the package, with narrow networks (8, 16, 32 channels, first stride 2), about 45 CPU-minutes a
seed. It writes the curves to course_utils/assets/degradation.csv; a run that was cut off, or one
with another seed, adds the networks that are still missing.

    python recipes/train_degradation.py --seed 0
    python recipes/train_degradation.py --seed 1
"""

import argparse
import functools
from pathlib import Path

from course_utils import notebook

notebook.setup()

import keras  # noqa: E402
from runs import complete  # noqa: E402

from course_utils import data  # noqa: E402
from course_utils.architectures import cifar_resnet  # noqa: E402

TARGET = data.ASSETS / "degradation.csv"
NETWORKS = [("plain", 56), ("plain", 20), ("residual", 56), ("residual", 20)]
COLUMNS = ("kind", "depth", "seed", "epoch", "training_error", "test_error", "training_loss")
BATCH = 128


def train(kind, depth, seed, epochs):
    """Yields epoch and errors; the training error is taken while the weights still move."""
    (x, y), test = data.fashion_mnist()
    keras.utils.set_random_seed(seed)
    shape = {"input_shape": (28, 28, 1), "filters": 8, "stem_stride": 2}
    model = cifar_resnet(depth, residual=kind == "residual", **shape)
    rate = keras.optimizers.schedules.CosineDecay(0.1, epochs * -(-len(x) // BATCH))
    optimizer = keras.optimizers.SGD(rate, momentum=0.9, weight_decay=1e-4)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    settings = {"batch_size": BATCH, "epochs": epochs, "validation_data": test, "verbose": 2}
    history = model.fit(x, y, **settings).history
    for epoch, (right, right_in_test, loss) in enumerate(
        zip(history["accuracy"], history["val_accuracy"], history["loss"], strict=True), start=1
    ):
        errors = f"{1 - right:.4f}", f"{1 - right_in_test:.4f}"
        yield epoch, *errors, f"{loss:.4f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args()
    runs = [
        ((*network, options.seed), functools.partial(train, *network, options.seed, options.epochs))
        for network in NETWORKS
    ]
    complete(options.target, COLUMNS, runs)


if __name__ == "__main__":
    main()
