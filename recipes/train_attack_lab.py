"""Puts ten garments and two small networks into the attack lab, and what attacks leave of them.

Both networks are the same three convolutions and a dense layer. The plain one learns from the
10,000 training images, the robust one from what four steps of an attack within 16/255 make of them,
started at random. Kernels are rounded to 8 bits, those of each output channel times a scale of
its own. One thread; five CPU-minutes, most of them for the curves:

    TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 python recipes/train_attack_lab.py
"""

import base64
import functools
import json

import numpy as np
from make_lab_photos import put
from make_nanodet import to_8_bits

from course_utils import notebook

SEED, BATCH = 0, 64
notebook.setup(SEED)

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402
from keras import layers  # noqa: E402

from course_utils import adversarial, data  # noqa: E402

EPOCHS = {"plain": 16, "robust": 30}
EPSILON, STEPS = 16 / 255, 4  # of the attack that the robust network learns from
EPSILONS = (0, 1, 2, 4, 6, 8, 12, 16, 24, 32, 48)  # of the curves, in 1/255
SHARE = 2.5  # the steps of that attack add up to so many times the way that it may go, by STEPS


def build():
    """A network from garments (N, 28, 28, 1) to logits (N, 10)."""
    images = x = keras.Input((28, 28, 1))
    for filters, kernel in ((16, 5), (24, 3), (32, 3)):
        x = layers.Conv2D(filters, kernel, 2, padding="same", activation="relu")(x)
    return keras.Model(images, layers.Dense(10)(layers.Flatten()(x)))


def attacked(model, images, labels):
    """Images after STEPS steps of projected gradient descent, started at random."""
    x = images + tf.random.uniform(tf.shape(images), -EPSILON, EPSILON)
    for _ in range(STEPS):
        x = tf.clip_by_value(x, 0, 1)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = keras.losses.sparse_categorical_crossentropy(labels, model(x), from_logits=True)
        x += EPSILON / SHARE * tf.sign(tape.gradient(loss, x))
        x = tf.clip_by_value(x, images - EPSILON, images + EPSILON)
    return tf.clip_by_value(x, 0, 1)


def train(name, images, labels):
    keras.utils.set_random_seed(SEED)
    model = build()
    steps = EPOCHS[name] * -(-len(images) // BATCH)
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps))

    @tf.function
    def step(x, y):
        x = tf.cond(tf.random.uniform(()) < 0.5, lambda: x, lambda: x[:, :, ::-1])
        if name == "robust":
            x = attacked(model, x, y)
        with tf.GradientTape() as tape:
            losses = keras.losses.sparse_categorical_crossentropy(y, model(x), from_logits=True)
            loss = tf.reduce_mean(losses)
        weights = model.trainable_variables
        optimizer.apply(tape.gradient(loss, weights), weights)

    batches = tf.data.Dataset.from_tensor_slices((images, labels))
    batches = batches.shuffle(len(images), SEED).batch(BATCH)
    for _ in range(EPOCHS[name]):
        for x, y in batches:
            step(x, y)
    return model


def packed(model):
    """Scale and bias of each channel as float32, then the kernel as int8; layer by layer."""
    parts = []
    for kernel, bias in zip(*[iter(model.get_weights())] * 2, strict=True):
        numbers, scale = to_8_bits("kernel", kernel).values()
        parts += [scale.astype("<f4"), bias.astype("<f4"), numbers]
    return b"".join(part.tobytes() for part in parts)


def unpacked(content):
    """The network that `packed` has packed."""
    model, weights, start = build(), [], 0

    def take(kind, shape):
        nonlocal start
        found = np.frombuffer(content, kind, int(np.prod(shape)), start).reshape(shape)
        start += found.nbytes
        return found

    for kernel, bias in zip(*[iter(model.get_weights())] * 2, strict=True):
        scale, bias = take("<f4", bias.shape), take("<f4", bias.shape)
        weights += [take("int8", kernel.shape) * scale, bias]
    model.set_weights(weights)
    return model


def text(content):
    """URL-safe base64: two slashes in a row would look like an address."""
    return base64.urlsafe_b64encode(content).decode()


def accuracies(model, images, labels):
    """Percent right at each of EPSILONS, by attack; the same random signs at each."""
    signs = np.sign(np.random.default_rng(SEED).normal(size=images.shape)).astype("float32")
    ten = functools.partial(adversarial.pgd, steps=10, batch_size=250)
    attacks = {
        "once": adversarial.fgsm,
        "ten": lambda *given: ten(*given, step_size=given[-1] / 4),
        "random": lambda _, x, __, epsilon: np.clip(x + epsilon * signs, 0, 1),
    }
    budgets = [epsilon / 255 for epsilon in EPSILONS]
    return {
        name: [
            round(100 * share, 1)
            for share in adversarial.accuracy_curve(model, images, labels, budgets, attack)
        ]
        for name, attack in attacks.items()
    }


def main():
    (x, y), (x_test, y_test) = data.fashion_mnist()
    networks, right = {}, True
    for name in EPOCHS:
        content = packed(train(name, x, y.astype("int32")))
        put("attack", f'const {name.upper()} = ".*";', f'const {name.upper()} = "{text(content)}";')
        networks[name] = unpacked(content)
        right &= networks[name].predict(x_test, verbose=0).argmax(axis=1) == y_test
        print(name, len(content), "bytes")
    # The first garment of each class that both networks recognise.
    chosen = [int(np.flatnonzero(right & (y_test == label))[0]) for label in range(10)]
    pixels = np.rint(255 * x_test[chosen]).astype("uint8")
    put("attack", r"const INDICES = \[.*\];", f"const INDICES = {chosen};")
    put("attack", r'const GARMENTS = ".*";', f'const GARMENTS = "{text(pixels.tobytes())}";')
    curves = {name: accuracies(model, x_test, y_test) for name, model in networks.items()}
    put("attack", r"const EPSILONS = \[.*\];", f"const EPSILONS = {list(EPSILONS)};")
    put("attack", r"const CURVES = \{.*\};", f"const CURVES = {json.dumps(curves)};")
    print(json.dumps(curves, indent=1))


if __name__ == "__main__":
    main()
