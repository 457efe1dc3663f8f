"""Trains the networks that chapter 12 compares and has no time for, over several seeds.

A convolutional network and a vision transformer of about as many parameters and multiply-adds, on
1,000, 3,000 and 10,000 images of Fashion-MNIST; on 3,000 also with shuffled patches or pixels
(those of all images in the same order), without positions, and a network with one hidden layer of
about as many parameters. Each training takes 500 steps, on 3,000 images also 1,500 and on 10,000
also 1,000 and 2,000. A seed draws the images, their order and the initial weights. Seeds 0 to 4,
of the long trainings and on 10,000 images 0 to 2.

    TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 python recipes/train_vision_transformer.py

It writes accuracies, on at most 1,000 of the images of the training and on the test images, to
course_utils/assets/vision_transformer.csv; a run that was cut off goes on with what is missing.
About 25 CPU-minutes.
"""

import argparse
import functools
from pathlib import Path

import keras
import numpy as np
from keras import layers
from runs import complete

from course_utils import data
from course_utils.architectures.vit import ClassToken, encoder_block
from course_utils.attention import LearnedPositions

TARGET = data.ASSETS / "vision_transformer.csv"
COLUMNS = ("network", "images", "pixels", "steps", "seed", "training_accuracy", "test_accuracy")
SIDE, PATCH, WIDTH, DEPTH, HEADS, HIDDEN = 28, 7, 64, 4, 4, 128
UNITS = 174  # of the network with one hidden layer
BATCH = 64
RATE = 2e-3  # the best of four for the transformer, of three for the cnn, with another seed
SHUFFLED = 3000  # images of the trainings with shuffled patches or pixels
SIZES = (1000, 3000, 10_000)
RUNS = [
    *((network, images, "in place", 500) for images in SIZES for network in ("vit", "cnn")),
    *((network, SHUFFLED, "all shuffled", 500) for network in ("vit", "cnn")),
    ("cnn", SHUFFLED, "patches shuffled", 500),
    ("vit without positions", SHUFFLED, "in place", 500),
    ("dense", SHUFFLED, "in place", 500),
]
LONG_RUNS = [
    (network, images, "in place", steps)
    for images, steps in ((10_000, 1000), (10_000, 2000), (3000, 1500))
    for network in ("vit", "cnn")
]


def convolution(x, filters, strides):
    x = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))


def cnn():
    x = images = keras.Input((SIDE, SIDE, 1))
    for filters, strides in ((24, 2), (48, 2), (96, 2), (96, 1)):
        x = convolution(x, filters, strides)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, layers.Dense(10)(x))


def dense():
    images = keras.Input((SIDE, SIDE, 1))
    x = layers.Dense(UNITS, activation="relu")(layers.Flatten()(images))
    return keras.Model(images, layers.Dense(10)(x))


def vit(positions=True):
    images = keras.Input((SIDE, SIDE, 1))
    x = layers.Conv2D(WIDTH, PATCH, strides=PATCH)(images)
    x = ClassToken()(layers.Reshape((-1, WIDTH))(x))
    if positions:
        x = LearnedPositions()(x)
    for block in range(DEPTH):
        x = encoder_block(x, HEADS, HIDDEN, name=f"block{block}")
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    return keras.Model(images, layers.Dense(10)(x[:, 0]))


NETWORKS = {
    "cnn": cnn,
    "dense": dense,
    "vit": vit,
    "vit without positions": functools.partial(vit, positions=False),
}


@functools.cache
def compiled(name, steps):
    """One network for all trainings of a kind, since TensorFlow takes its time to trace it."""
    warm_up = steps // 10
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, steps - warm_up, warmup_target=RATE, warmup_steps=warm_up
    )
    model = NETWORKS[name]()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.AdamW(schedule, weight_decay=0.05), loss, metrics=["accuracy"])
    return model


def begin_anew(model, name, seed):
    keras.utils.set_random_seed(seed)
    model.set_weights(NETWORKS[name]().get_weights())
    for variable in model.optimizer.variables:
        variable.assign(np.zeros(variable.shape))


def shuffled(images, pixels):
    """All images in one order of their patches, or of their pixels: (N, 28, 28, 1)."""
    rng = np.random.default_rng(12)
    count = SIDE // PATCH
    if pixels == "all shuffled":
        flat = images.reshape(len(images), -1)
        return flat[:, rng.permutation(SIDE * SIDE)].reshape(images.shape)
    if pixels == "patches shuffled":
        tiles = images.reshape(-1, count, PATCH, count, PATCH).swapaxes(2, 3)
        tiles = tiles.reshape(-1, count**2, PATCH, PATCH)[:, rng.permutation(count**2)]
        return tiles.reshape(-1, count, count, PATCH, PATCH).swapaxes(2, 3).reshape(images.shape)
    return images


def batches(chosen, steps):
    """Indices of the images of all steps: each epoch in another order."""
    rng = np.random.default_rng(12)
    epochs = -(-steps * BATCH // len(chosen))
    return np.concatenate([rng.permutation(chosen) for _ in range(epochs)])[: steps * BATCH]


def run(network, count, pixels, steps, seed):
    (x, y), test = data.fashion_mnist()
    chosen = np.random.default_rng(seed).permutation(len(x))[:count]
    model = compiled(network, steps)
    begin_anew(model, network, seed)
    order = batches(chosen, steps)
    model.fit(shuffled(x[order], pixels), y[order], batch_size=BATCH, shuffle=False, verbose=0)
    accuracies = []
    for images, labels in ((x[chosen[:1000]], y[chosen[:1000]]), test):
        answers = model.predict(shuffled(images, pixels), batch_size=250, verbose=0)
        accuracies.append(f"{np.mean(answers.argmax(axis=1) == labels):.4f}")
    yield tuple(accuracies)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args()
    runs = [
        ((*setting, seed), functools.partial(run, *setting, seed))
        for settings in (RUNS, LONG_RUNS)
        for seed in range(5)
        for setting in settings
        if seed < 3 or (setting[1] < 10_000 and settings is RUNS)
    ]
    complete(options.target, COLUMNS, runs)


if __name__ == "__main__":
    main()
