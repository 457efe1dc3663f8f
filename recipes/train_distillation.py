"""Trains two students of one teacher, and the same networks on labels, few and many.

Students and lessons are those of chapter 5b: a dense network and one with a single convolution
learn from 1,000 labelled images of Fashion-MNIST, from the teacher's answers to all 10,000, or from
all 10,000 labels, in about the same number of steps, from five sets of initial weights, two
CPU-minutes in all. It writes the accuracies on the test images to
course_utils/assets/distillation.csv; a run that was cut off adds what is still missing.

    python recipes/train_distillation.py
"""

import argparse
import functools
from pathlib import Path

from course_utils import notebook

notebook.setup()

import keras  # noqa: E402
from keras import layers  # noqa: E402
from runs import complete  # noqa: E402

from course_utils import data, pretrained  # noqa: E402

TARGET = data.ASSETS / "distillation.csv"
COLUMNS = ("student", "lesson", "seed", "test_accuracy")
BATCH, TEMPERATURE = 64, 2
EPOCHS = {"few labels": 30, "teacher": 3, "all labels": 3}
STUDENTS = {
    "dense": [layers.Flatten, functools.partial(layers.Dense, 130, activation="relu")],
    "conv": [
        functools.partial(layers.Conv2D, 32, 5, 2, padding="same", activation="relu"),
        functools.partial(layers.MaxPooling2D, 2),
        layers.Flatten,
        functools.partial(layers.Dense, 63, activation="relu"),
    ],
}


@functools.cache
def lessons():
    """Images and targets of each lesson."""
    (x, y), _ = data.fashion_mnist()
    teacher = pretrained.fashion_cnn()
    logits = keras.Model(teacher.input, teacher.get_layer("logits").output)
    halved = logits.predict(x, batch_size=500, verbose=0) / TEMPERATURE
    soft = keras.ops.convert_to_numpy(keras.ops.softmax(halved))
    hard = keras.utils.to_categorical(y)
    return {
        "few labels": (x[:1000], hard[:1000]),
        "teacher": (x, soft),
        "all labels": (x, hard),
    }


def train(student, lesson, seed):
    """Yields how many of the test images the student gets right."""
    x, targets = lessons()[lesson]
    keras.utils.set_random_seed(seed)
    stack = [make() for make in STUDENTS[student]]
    out = layers.Dense(10, activation="softmax")
    model = keras.Sequential([keras.Input((28, 28, 1)), *stack, out])
    steps = EPOCHS[lesson] * len(x) // BATCH
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.Adam(rate), "categorical_crossentropy")
    model.fit(x, targets, batch_size=BATCH, epochs=EPOCHS[lesson], verbose=0)
    test_images, labels = data.fashion_mnist()[1]
    chosen = model.predict(test_images, batch_size=500, verbose=0).argmax(axis=1)
    yield (f"{(chosen == labels).mean():.4f}",)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args()
    runs = [
        ((student, lesson, seed), functools.partial(train, student, lesson, seed))
        for seed in range(options.seeds)
        for student in STUDENTS
        for lesson in EPOCHS
    ]
    complete(options.target, COLUMNS, runs)


if __name__ == "__main__":
    main()
