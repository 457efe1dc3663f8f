"""The head of exercise 09b.3 and the heat map of 09b.6, right and wrong, and what must hold."""

import functools

import numpy as np

from course_utils.exercises import head_09
from course_utils.exercises.head_09 import ROWS, noise, outputs

ANCHORS, CHANNELS = 9, 96
NEEDED = 0.8  # recall and precision of a heat map, at least


def build(shared=True, activation=None, hidden="relu", softmax=False, size=1, mixed=False):
    """The head of 09b.3, right or with one of the usual faults."""
    import keras
    from keras import layers

    features = keras.Input((ROWS, ROWS, CHANNELS))

    def seen():
        return layers.Conv2D(64, 3, padding="same", activation=hidden)(features)

    common = seen()
    outputs = {}
    for name, numbers in (("objectness", 2 if softmax else 1), ("offsets", 4)):
        x = common if shared or name == "objectness" else seen()
        final = activation if name == "objectness" else None
        x = layers.Conv2D(ANCHORS * numbers, size, padding="same", activation=final)(x)
        x = layers.Permute((3, 1, 2))(x) if mixed else x
        shape = (-1,) if numbers == 1 else (-1, numbers)
        outputs[name] = layers.Reshape(shape, name=name)(x)
    return keras.Model(features, outputs)


def has_both_signs(model):
    """Whether objectness and offsets have values below 0 and above."""
    values = outputs(model, noise(CHANNELS)).values()
    return all(value.min() < 0 < value.max() for value in values)


def is_local(model):
    """As for the head of 09.5."""
    return head_09.is_local(model, ANCHORS, CHANNELS)


def is_not_linear(model):
    """Whether the head is more than one linear step: opposite features give no opposite offsets."""
    here, there, none = (
        outputs(model, sign * noise(CHANNELS))["offsets"] for sign in (1.0, -1.0, 0.0)
    )
    return not np.allclose(here - none, none - there, atol=1e-4)


@functools.cache
def _scenes():
    from course_utils.detection import scenes

    return scenes.make_scenes(100, seed=96, split="test")


def _hot(model):
    """Cells (N, 12, 12) that a model says to hold a centre."""
    from course_utils.exercises.models import run

    return run(model, _scenes()[0])[..., 0] >= 0.5


def recall_and_precision(hot, truth):
    """How well hot cells and the centres of objects agree, to one cell.

    Args:
        hot: (N, 12, 12) of True and False.
        truth: list of N dictionaries with "boxes".

    Returns:
        (recall, precision); a precision of 0 where no cell is hot.
    """
    near, right = [], []
    for cells, scene in zip(hot, truth, strict=True):
        middles = (scene["boxes"][:, :2] + scene["boxes"][:, 2:]) / 2 // 8
        apart = np.abs(middles[:, np.newaxis] - np.argwhere(cells)[:, ::-1]).max(axis=-1)
        near.append((apart <= 1).any(axis=1))
        right.append((apart <= 1).any(axis=0))
    right = np.concatenate(right)
    return np.concatenate(near).mean(), right.mean() if len(right) else 0.0


def says_something(model):
    """Whether any cell of any scene is hot."""
    return bool(_hot(model).any())


def is_not_transposed(model):
    """Whether the heat map fits the scenes no worse than its mirror image at the diagonal."""
    hot, truth = _hot(model), _scenes()[1]
    mirrored = hot.transpose(0, 2, 1)
    return sum(recall_and_precision(hot, truth)) >= sum(recall_and_precision(mirrored, truth))


def finds_enough(model):
    """Whether the recall is as asked for."""
    return recall_and_precision(_hot(model), _scenes()[1])[0] >= NEEDED


def is_precise_enough(model):
    """Whether the precision is as asked for."""
    return recall_and_precision(_hot(model), _scenes()[1])[1] >= NEEDED


def heat_map(confident=True, transposed=False, hot=False):
    """A heat map made of the shipped YOLO, right or with one of the usual faults."""
    import keras
    from keras import layers, ops

    from course_utils.pretrained import detectors

    trained = detectors.yolo()
    x = layers.Lambda(lambda y: ops.max(y[..., 4:10:5], axis=-1, keepdims=True))(trained.output)
    shift = 20.0 if hot else 0.8 if confident else -20.0
    x = layers.Lambda(lambda y: y + shift)(x)
    x = layers.Activation("sigmoid")(x)
    return keras.Model(trained.input, layers.Permute((2, 1, 3))(x) if transposed else x)
