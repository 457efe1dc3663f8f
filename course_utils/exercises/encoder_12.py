"""What the exercises of chapter 12 that ask for a model look at."""

import functools

import numpy as np

from course_utils.exercises import models

SIDE, PATCH, WIDTH, DEPTH, HEADS, HIDDEN = 28, 7, 64, 4, 4, 128  # of the chapter's transformer
TOKENS = 1 + (SIDE // PATCH) ** 2


def build(
    key_dim=WIDTH // HEADS, skip=True, mlp_skip=True, read=0, class_token_first=True,
    class_token=True, positions=True, last_norm=True, softmax=False, epsilon=1e-6,
):  # fmt: skip
    """The transformer of 12.4, right or with some of its faults."""
    import keras
    from keras import layers

    from course_utils.architectures.vit import ClassToken
    from course_utils.attention import LearnedPositions

    def around(x, layer, skips):
        y = layer(layers.LayerNormalization(epsilon=epsilon)(x))
        return x + y if skips else y

    def mlp(y):
        return layers.Dense(WIDTH)(layers.Dense(HIDDEN, activation="gelu")(y))

    images = keras.Input((SIDE, SIDE, 1))
    x = layers.Conv2D(WIDTH, PATCH, strides=PATCH)(images)
    x = layers.Reshape((-1, WIDTH))(x)
    front = [ClassToken()] * class_token + [LearnedPositions()] * positions
    for layer in front if class_token_first else front[::-1]:
        x = layer(x)
    for _ in range(DEPTH):
        look = layers.MultiHeadAttention(HEADS, key_dim)
        x = around(x, lambda y, look=look: look(y, y), skip)
        x = around(x, mlp, mlp_skip)
    if last_norm:
        x = layers.LayerNormalization(epsilon=epsilon)(x)
    x = layers.Dense(10)(keras.ops.mean(x, axis=1) if read == "mean" else x[:, read])
    return keras.Model(images, layers.Softmax()(x) if softmax else x)


_twin = functools.cache(build)  # for each fault one, which is given the weights of the other


def agrees(model, **faults):
    """Whether `build(**faults)` with the model's weights gives the same outputs."""
    noise = np.random.default_rng(0).normal(size=(3, SIDE, SIDE, 1)).astype("float32")
    return models.computes_the_same(model, _twin(**faults), noise, within=2e-3)


def differs(**faults):
    """A function of a model: whether it is not the one with these faults."""
    return lambda model: not agrees(model, **faults)


def attends(model):
    """Whether there is attention in a model."""
    return any(hasattr(layer, "num_heads") for layer in models.all_layers(model))


def attends_by_keras(model):
    """Whether a model has a layer of Keras' own attention for each block."""
    kinds = [type(layer).__name__ for layer in models.all_layers(model)]
    return kinds.count("MultiHeadAttention") == DEPTH


def only_cuts(model):
    """Whether no convolution of a model has windows that overlap."""
    kinds = ("Conv1D", "Conv2D", "DepthwiseConv2D", "SeparableConv2D")
    return all(
        kernel <= stride
        for layer in models.all_layers(model)
        if type(layer).__name__ in kinds
        for kernel, stride in zip(layer.kernel_size, layer.strides, strict=True)
    )
