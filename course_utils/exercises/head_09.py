"""The head of exercise 09.5, right and wrong, and what must hold of it."""

import numpy as np

ROWS, ANCHORS, CHANNELS, CLASSES = 12, 6, 32, 10


def build(
    classes=CLASSES + 1,
    padding="same",
    softmax=True,
    axis=-1,
    mixed=False,
    activations=(None, None),
):
    """The head of 09.5, right or with one of the usual faults."""
    import keras
    from keras import layers

    features = keras.Input((ROWS, ROWS, CHANNELS))

    def predict(numbers, activation, name=None):
        x = layers.Conv2D(ANCHORS * numbers, 3, padding=padding, activation=activation)(features)
        if mixed:
            x = layers.Permute((3, 1, 2))(x)
        return layers.Reshape((-1, numbers), name=name)(x)

    scores = predict(classes, activations[0])
    if softmax:
        scores = layers.Softmax(axis=axis, name="softmax")(scores)
    offsets = predict(4, activations[1], "offsets")
    return keras.Model(features, {"scores": scores, "offsets": offsets})


def outputs(model, features):
    """What a head says of one image's features, by name."""
    return {name: np.array(value)[0] for name, value in model(features).items()}


def noise(channels):
    """Features that a head is tried on, (1, 12, 12, channels)."""
    return np.random.default_rng(0).normal(size=(1, ROWS, ROWS, channels)).astype("float32")


def has_both_signs(model):
    """Whether some offsets are above 0 and some below."""
    offsets = outputs(model, noise(CHANNELS))["offsets"]
    return offsets.min() < 0 < offsets.max()


def scores_differ(model):
    """Whether few scores of one anchor are equal; a ReLU before the softmax makes many so."""
    scores = np.sort(outputs(model, noise(CHANNELS))["scores"], axis=1)
    return np.mean(np.diff(scores, axis=1) == 0) < 0.1


def adds_up(axis):
    """A function of a model: whether its scores add up to 1 along an axis (anchors, classes)."""

    def holds(model):
        scores = outputs(model, noise(CHANNELS))["scores"]
        return np.allclose(scores.sum(axis), 1, atol=1e-3)

    return holds


def is_local(model, anchors=ANCHORS, channels=CHANNELS):
    """Whether a change at one position reaches the anchors of its neighbours only, all of them."""
    features = noise(channels)
    changed = features.copy()
    changed[0, 3, 7] += 1
    before, after = outputs(model, features), outputs(model, changed)
    reached = np.zeros((ROWS, ROWS, anchors), bool)
    reached[2:5, 6:9] = True
    moved = [np.abs(after[name] - before[name]) for name in before]
    moved = [gaps.reshape(len(gaps), -1) for gaps in moved]
    return all(np.array_equal(gaps.max(axis=1) > 1e-6, reached.ravel()) for gaps in moved)
