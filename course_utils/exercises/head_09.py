"""The head of exercise 09.5, right and wrong, and what must hold of it."""

import numpy as np

ROWS, ANCHORS, CLASSES = 12, 6, 10


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

    features = keras.Input((ROWS, ROWS, 32))

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


def _outputs(model, features):
    return {name: np.array(value)[0] for name, value in model(features).items()}


def _features():
    return np.random.default_rng(0).normal(size=(1, ROWS, ROWS, 32))


def has_both_signs(model):
    """Whether some offsets are above 0 and some below."""
    offsets = _outputs(model, _features())["offsets"]
    return offsets.min() < 0 < offsets.max()


def scores_differ(model):
    """Whether few scores of one anchor are equal; a ReLU before the softmax makes many so."""
    scores = np.sort(_outputs(model, _features())["scores"], axis=1)
    return np.mean(np.diff(scores, axis=1) == 0) < 0.1


def adds_up(axis):
    """A function of a model: whether its scores add up to 1 along an axis (anchors, classes)."""

    def holds(model):
        return np.allclose(_outputs(model, _features())["scores"].sum(axis), 1, atol=1e-3)

    return holds


def is_local(model):
    """Whether a change at one position reaches the anchors of its neighbours only, all of them."""
    features = _features()
    changed = features.copy()
    changed[0, 3, 7] += 1
    before, after = _outputs(model, features), _outputs(model, changed)
    reached = np.zeros((ROWS, ROWS, ANCHORS), bool)
    reached[2:5, 6:9] = True
    return all(
        np.array_equal(np.abs(after[name] - before[name]).max(axis=-1) > 1e-6, reached.ravel())
        for name in before
    )
