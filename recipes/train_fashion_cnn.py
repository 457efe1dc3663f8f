"""Trains the network of `pretrained.fashion_cnn`: course_utils/assets/fashion_cnn.npz

24 passes over the 10,000 training images, half of them mirrored at random, with a learning rate
that falls along a cosine; about two CPU-minutes. The test images are looked at once, at the end.

    python recipes/train_fashion_cnn.py
"""

import hashlib

from make_fashion_mnist import write_npz

from course_utils import notebook

SEED, EPOCHS, BATCH = 0, 24, 64
notebook.setup(SEED)

import keras  # noqa: E402
import numpy as np  # noqa: E402

from course_utils import data, pretrained  # noqa: E402
from course_utils.pretrained.weights import named_weights  # noqa: E402

TARGET = data.ASSETS / "fashion_cnn.npz"


def main():
    (x, y), (x_test, y_test) = data.fashion_mnist()
    network = pretrained.build_fashion_cnn()
    images = keras.Input((28, 28, 1))
    mirrored = keras.layers.RandomFlip("horizontal", seed=SEED)(images)
    model = keras.Model(images, network(mirrored))
    rate = keras.optimizers.schedules.CosineDecay(2e-3, EPOCHS * -(-len(x) // BATCH))
    optimizer = keras.optimizers.Adam(rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=2)
    weights = named_weights(network)
    write_npz(TARGET, {name: np.array(weight, "float16") for name, weight in weights.items()})
    print("test accuracy", model.evaluate(x_test, y_test, verbose=0)[1])
    print(TARGET.name, TARGET.stat().st_size, hashlib.sha256(TARGET.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
