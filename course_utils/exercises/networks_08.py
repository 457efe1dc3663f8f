"""The networks that exercises of chapter 08 ask for, right and wrong, and what is asked of them."""

import functools

import numpy as np

from course_utils import data

MEANS = np.array([[0.12], [0.25], [0.33], [0.48]], np.float32)  # of rows of four pixels


def a_unet(skips=True, pooled=False, last="softmax", classes=5, strides=2, added=False):
    """The U-Net that is asked for, or one of its wrong relatives."""
    import keras
    from keras import layers

    def convolution(x, channels):
        return layers.Conv2D(channels, 3, padding="same", activation="relu")(x)

    inputs = keras.Input((64, 64, 3))
    saved, x = [], inputs
    for channels in (16, 32):
        x = convolution(x, channels)
        shortcut = x
        x = layers.MaxPooling2D(2)(x)
        saved.append(x if pooled else shortcut)
    x = convolution(x, 64)
    for channels, shortcut in ((32, saved[1]), (16, saved[0])):
        if pooled:
            x = layers.Concatenate()([x, shortcut])
        x = layers.Conv2DTranspose(channels, 2, strides=strides)(x)
        if added:
            x = layers.Add()([x, shortcut])
        elif skips and not pooled:
            x = layers.Concatenate()([x, shortcut])
        x = convolution(x, channels)
    return keras.Model(inputs, layers.Conv2D(classes, 1, activation=last)(x))


def a_denoiser(padding="same", flat=False):
    """An untrained denoiser, or one whose outputs have another shape."""
    import keras
    from keras import layers

    outputs = [layers.Conv2D(1, 3, padding=padding)]
    if flat:
        outputs = [layers.GlobalAveragePooling2D(), layers.Dense(28 * 28)]
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(24, 3, padding=padding, activation="relu"),
            layers.Conv2D(24, 3, padding=padding, activation="relu"),
            *outputs,
        ]
    )


@functools.cache
def _noisy_garments():
    """Garments that readers do not train on, with noise and without: float32 (200, 28, 28, 1)."""
    _, (images, _) = data.fashion_mnist()
    clean = images[1000:1200]
    noise = np.random.default_rng(8).normal(0, 0.2, clean.shape)
    return (clean + noise).astype(np.float32), clean


def psnr_of(model):
    """What a model reaches on noisy garments, in decibels, the mean over them."""
    noisy, clean = _noisy_garments()
    errors = (np.asarray(model(noisy, training=False)) - clean) ** 2
    return np.mean(-10 * np.log10(errors.mean(axis=(1, 2, 3))))


def _rows():
    """(4, 2, 4), the two rows of four pixels that each of `MEANS` may come from."""
    return 2 * MEANS[:, np.newaxis] * np.array([[1, 1, 0, 0], [0, 0, 1, 1]])


def _answers(model):
    return np.asarray(model(MEANS, training=False))


def rows_found(model):
    """(2,), for each of the two rows whether one of the answers is always near to it."""
    apart = np.abs(_answers(model)[:, np.newaxis] - _rows()[:, :, np.newaxis]).max(axis=-1)
    return np.all(apart.min(axis=-1) < 0.1, axis=0)


def answers_are(model, low, high):
    """Whether the darker and the brighter answer are everywhere grey like this, in means."""
    answers = _answers(model)
    order = answers.mean(axis=-1, keepdims=True).argsort(axis=1)
    expected = MEANS[:, np.newaxis] * np.array([[low], [high]])
    return np.abs(np.take_along_axis(answers, order, axis=1) - expected).max() < 0.1


def a_pair(first=(2, 2, 0, 0), second=(0, 0, 2, 2), shape=(2, 4)):
    """A network that answers with these multiples of the mean."""
    import keras
    from keras import layers

    kernel = np.array([*first, *second], np.float32)[np.newaxis]
    answers = layers.Dense(kernel.size, use_bias=False, name="answers")
    model = keras.Sequential([keras.Input((1,)), answers, layers.Reshape(shape)])
    answers.set_weights([kernel])
    return model
