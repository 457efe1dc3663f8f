"""Trains the lecture's second network, as it stands on the slide and with the activation it lacks.

The first convolution of the slide has no activation. This trains the network of 1,249,994
parameters both ways, three epochs on the 10,000 images of Fashion-MNIST that ship with the package,
five CPU-minutes in all. It writes the accuracies after each epoch to
course_utils/assets/lecture_network.csv; a run that was cut off, or one with more seeds, adds what
is still missing.

    python recipes/train_lecture_network.py
"""

import argparse
import functools
from pathlib import Path

from course_utils import notebook

notebook.setup()

import keras  # noqa: E402
from keras import layers  # noqa: E402
from runs import complete  # noqa: E402

from course_utils import data  # noqa: E402

TARGET = data.ASSETS / "lecture_network.csv"
COLUMNS = ("first_activation", "seed", "epoch", "training_accuracy", "test_accuracy")
BATCH = 64


def build(first_activation):
    same = {"padding": "same", "activation": "relu"}
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(64, 7, activation=first_activation),
            layers.MaxPooling2D(2),
            layers.Conv2D(128, 3, **same),
            layers.Conv2D(128, 3, **same),
            layers.MaxPooling2D(2),
            layers.Conv2D(256, 3, **same),
            layers.Conv2D(256, 3, **same),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


def train(first_activation, seed, epochs):
    """Yields epoch and accuracies; that of training is taken while the weights still move."""
    (x, y), test = data.fashion_mnist()
    keras.utils.set_random_seed(seed)
    model = build(first_activation)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * -(-len(x) // BATCH))
    optimizer = keras.optimizers.Adam(rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    settings = {"batch_size": BATCH, "epochs": epochs, "validation_data": test, "verbose": 2}
    history = model.fit(x, y, **settings).history
    for epoch, pair in enumerate(
        zip(history["accuracy"], history["val_accuracy"], strict=True), start=1
    ):
        yield epoch, *(f"{accuracy:.4f}" for accuracy in pair)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args()
    runs = [
        ((activation, seed), functools.partial(train, activation, seed, options.epochs))
        for seed in range(options.seeds)
        for activation in ("linear", "relu")
    ]
    complete(options.target, COLUMNS, runs)


if __name__ == "__main__":
    main()
