"""What the exercises of chapter 11 that ask for a model look at."""

import numpy as np

from course_utils.exercises import models

TOKENS, WIDTH, HEADS, HIDDEN = 197, 192, 3, 768  # of ViT-Ti/16
DIGITS, POSITIONS = 10, 20  # of the sequences of 11.6


def build(
    heads=HEADS, key_dim=WIDTH // HEADS, hidden=HIDDEN, use_bias=True, norms=2, pre_norm=True,
    skips=True, activation="gelu", raw_queries=False, parallel=False,
):  # fmt: skip
    """The block of 11.5, right or with some of its faults."""
    import keras
    from keras import layers

    def around(x, layer, norm):
        if not pre_norm:
            return norm(x + layer(x))
        return x + layer(norm(x)) if skips else layer(norm(x))

    def attend(y):
        look = layers.MultiHeadAttention(heads, key_dim, use_bias=use_bias)
        return look(inputs if raw_queries else y, y)

    def mlp(y):
        return layers.Dense(WIDTH)(layers.Dense(hidden, activation=activation)(y))

    x = inputs = keras.Input((TOKENS, WIDTH))
    x = around(x, attend, layers.LayerNormalization(epsilon=1e-6))
    second = layers.LayerNormalization(epsilon=1e-6) if norms == 2 else layers.Identity()
    if parallel:
        return keras.Model(inputs, x + mlp(second(inputs)))
    return keras.Model(inputs, around(x, mlp, second) if hidden else second(x))


def _noise(size=1.0):
    return size * np.random.default_rng(0).normal(size=(2, TOKENS, WIDTH)).astype("float32")


def tokens_meet(model):
    """Whether the first token's output depends on the last token."""
    changed = _noise()
    changed[:, -1] *= -1  # a larger one would be normalised
    return np.abs(models.run(model, changed) - models.run(model, _noise()))[:, 0].max() > 1e-5


def ends_without_norm(model):
    """Whether the outputs are anything but normalised, to standard deviation 1."""
    return np.abs(models.run(model, _noise(100.0)).std(axis=-1) - 1).max() > 0.05


def has_skips(model):
    """Whether a large input comes out nearly unchanged, as what is added to it was normalised."""
    large = _noise(1000.0)
    return np.abs(models.run(model, large) - large).mean() < 100


def has_heads(model):
    """Whether its one attention has the heads of ViT-Ti/16, of the right length."""
    found = [layer for layer in models.all_layers(model) if hasattr(layer, "num_heads")]
    return [(layer.num_heads, layer.key_dim) for layer in found] == [(HEADS, WIDTH // HEADS)]


def agrees(model, within=0.02, **faults):
    """Whether `build(**faults)` with the model's weights gives the same outputs, or nearly.

    The inputs are far from what a norm makes of them, so that a missing one shows.
    """
    return models.computes_the_same(model, build(**faults), _noise(10.0), within)


def differs(**faults):
    """A function of a model: whether it is not the one with these faults.

    There is less room than for a right block, which may have another GELU, as the attention of
    Keras 3.13 begins with weights so small that a fault in it hardly shows.
    """
    return lambda model: not agrees(model, within=3e-4, **faults)


def make_larger(count, seed):
    """The sequences of 11.6, as one-hot vectors (N, 21, 30), and labels (N,).

    Twenty digits and a position k; the label is the larger of the digits at k and at 19 - k.
    """
    rng = np.random.default_rng(seed)
    digits = rng.integers(DIGITS, size=(count, POSITIONS))
    asked = rng.integers(POSITIONS, size=(count, 1))
    both = np.hstack([asked, POSITIONS - 1 - asked])
    labels = np.take_along_axis(digits, both, axis=1).max(axis=1)
    tokens = np.hstack([digits, DIGITS + asked])
    return np.eye(DIGITS + POSITIONS, dtype="float32")[tokens], labels
