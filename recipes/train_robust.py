"""Makes course_utils/assets/robust.csv: what adversarial training gains and costs, five seeds.

Small networks for Fashion-MNIST, trained on its 10,000 training images as they are ("clean"), on
images attacked in one step ("fgsm"), and on images attacked in three steps from a random start
("pgd"), for two sizes of the attack. For the larger one the differences are taken one by one: one
step from a random start ("fgsm-random"), one step that grows over the first epoch ("fgsm-warm"),
both ("fgsm-random-warm"), and three steps that grow ("warm"). "long" has three times the epochs.
Accuracies are those of 1,000 test images under attacks that training does not see, of one step and
of ten with a random start. About ten CPU-minutes with one thread:

    TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 python recipes/train_robust.py
"""

from typing import NamedTuple

from runs import complete

from course_utils import notebook

notebook.setup()

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers, ops  # noqa: E402

from course_utils import adversarial, data  # noqa: E402

TARGET = data.ASSETS / "robust.csv"
COLUMNS = ("training", "trained_epsilon", "seed", "attack", "epsilon", "accuracy")
EPSILONS = (0, 0.02, 0.05, 0.1, 0.15, 0.2)
BATCH, SEEDS, TESTED = 64, 5, 1000


class Training(NamedTuple):
    """How a network is trained: the attack on each batch, and what else differs."""

    steps: int = 0
    random: bool = False  # whether the attack starts at random
    warm: bool = False  # whether it grows over the first epoch
    epochs: int = 4


PGD = Training(steps=3, random=True)
TRAININGS = {
    ("clean", 0): Training(),
    ("fgsm", 0.1): Training(steps=1),
    ("pgd", 0.1): PGD,
    ("fgsm", 0.2): Training(steps=1),
    ("pgd", 0.2): PGD,
    ("warm", 0.2): PGD._replace(warm=True),
    ("fgsm-random", 0.2): Training(steps=1, random=True),
    ("fgsm-warm", 0.2): Training(steps=1, warm=True),
    ("fgsm-random-warm", 0.2): Training(steps=1, random=True, warm=True),
    ("clean-long", 0): Training(epochs=12),
    ("pgd-long", 0.1): PGD._replace(epochs=12),
}

cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def network():
    conv = {"strides": 2, "padding": "same", "activation": "relu"}
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, **conv),
            layers.Conv2D(32, 3, **conv),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10),
        ]
    )


def attacked(model, images, labels, training, epsilon):
    """The images that a step of training sees."""
    start, size = images, epsilon
    if training.random:
        start += tf.random.uniform(tf.shape(images), -epsilon, epsilon)
        size = {1: 1.25, 3: 2.5 / 3}[training.steps] * epsilon
    found = start
    for _ in range(training.steps):
        with tf.GradientTape() as tape:
            tape.watch(found)
            loss = cross_entropy(labels, model(found))
        found += size * ops.sign(tape.gradient(loss, found))
        found = ops.clip(images + ops.clip(found - images, -epsilon, epsilon), 0, 1)
    return found


def train(training, epsilon, seed):
    (x, y), _ = data.fashion_mnist()
    keras.utils.set_random_seed(seed)
    model = network()
    steps = training.epochs * -(-len(x) // BATCH)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(images, labels, epsilon):
        images = attacked(model, images, labels, training, epsilon)
        with tf.GradientTape() as tape:
            loss = cross_entropy(labels, model(images, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)

    batches = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed).batch(BATCH)
    for number, batch in enumerate(batches.repeat(training.epochs)):
        share = min(1, number / len(batches)) if training.warm else 1
        step(*batch, tf.constant(share * epsilon, tf.float32))
    return model


def ten_steps(model, images, labels, epsilon):
    return adversarial.pgd(model, images, labels, epsilon, 10, epsilon / 4, seed=0, batch_size=250)


def one_step(model, images, labels, epsilon):
    return adversarial.fgsm(model, images, labels, epsilon, batch_size=250)


def run(name, epsilon, seed):
    model = train(TRAININGS[name, epsilon], epsilon, seed)
    _, (x_test, y_test) = data.fashion_mnist()
    x_test, y_test = x_test[:TESTED], y_test[:TESTED]
    for tester, attack in (("fgsm", one_step), ("pgd", ten_steps)):
        curve = adversarial.accuracy_curve(model, x_test, y_test, EPSILONS, attack)
        yield from (
            (tester, tested, round(float(a), 4)) for tested, a in zip(EPSILONS, curve, strict=True)
        )


def main():
    runs = [
        ((*key, seed), lambda key=key, seed=seed: run(*key, seed))
        for key in TRAININGS
        for seed in range(SEEDS)
    ]
    complete(TARGET, COLUMNS, runs)


if __name__ == "__main__":
    main()
