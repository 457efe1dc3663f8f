"""The proposals of exercise 09b.3 and the heat map of 09b.6, right and wrong; what must hold."""

import functools

import numpy as np

from course_utils.exercises import head_09, models
from course_utils.exercises.head_09 import ROWS, noise, outputs

ANCHORS, CHANNELS = 9, 96
ROUGHLY, CLOSELY = 0.9, 0.6  # shares of garments that proposals cover at IoUs of 0.5 and 0.75
ALIKE = 0.9  # rank correlation from which on a heat map is taken for the shipped YOLO's
NEEDED = 0.8  # recall and precision of a heat map, at least


def build(shared=True, activation=None, hidden="relu", softmax=False, size=1, mixed=False):
    """The network of 09b.3, not trained, right or with one of the usual faults."""
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


def _maps_of(images, name, layers):
    """What a layer of a shipped detector, or each of a list of layers, says of images."""
    import keras

    from course_utils.pretrained import detectors

    network = getattr(detectors, name)()
    outputs = keras.tree.map_structure(lambda layer: network.get_layer(layer).output, layers)
    return keras.Model(network.input, outputs).predict(images, verbose=0)


@functools.cache
def _merged():
    return _maps_of(_scenes()[0], "faster_rcnn", "merged")


@models.once
def covered(model):
    """The IoU of each garment in the checker's scenes with the best of a model's 24 proposals."""
    from course_utils.detection import boxes, faster_rcnn

    outputs = models.call(model, _merged())
    regions = np.array(faster_rcnn.Proposals()(outputs["objectness"], outputs["offsets"]))
    pairs = zip(_scenes()[1], regions, strict=True)
    return np.concatenate([boxes.iou(one["boxes"], some).max(axis=1) for one, some in pairs])


def knows_objects(model):
    """Whether enough garments have a proposal."""
    return np.mean(covered(model) >= 0.5) >= ROUGHLY


def moves_anchors(model):
    """Whether enough proposals fit well."""
    return np.mean(covered(model) >= 0.75) >= CLOSELY


@functools.cache
def proposer():
    """The network of 09b.3, trained as readers may."""
    import keras
    from keras import ops

    from course_utils.detection import faster_rcnn, scenes
    from course_utils.detection.tensors import smooth_l1

    def of_drawn(y, logits):
        doubt = ops.binary_crossentropy(ops.maximum(y, 0), logits, from_logits=True)
        return ops.sum(ops.where(y >= 0, doubt, 0))

    def of_positives(y, offsets):
        return ops.sum(ops.where(ops.any(y != 0, axis=-1), smooth_l1(offsets - y), 0))

    images, truth = scenes.make_scenes(300, seed=7)
    targets, losses = faster_rcnn.encode(truth), {"objectness": of_drawn, "offsets": of_positives}
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(keras.optimizers.Adam(2e-3), losses)
    maps = _maps_of(images, "faster_rcnn", "merged")
    targets = {name: targets[name] for name in losses}
    model.fit(maps, targets, batch_size=16, epochs=6, verbose=0)
    return model


@models.once
def _map_of_scenes(model):
    """What a model says of the checker's scenes, (100, 12, 12)."""
    return models.run(model, _scenes()[0])[..., 0]


def _hot(model):
    """Cells (100, 12, 12) that a model says to hold a centre."""
    return _map_of_scenes(model) >= 0.5


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


@functools.cache
def _confidence():
    """What the shipped YOLO says of the checker's scenes, (100, 12, 12)."""
    from course_utils.pretrained import detectors

    return detectors.yolo().predict(_scenes()[0], verbose=0)[..., 4:10:5].max(axis=-1)


def is_not_the_shipped_one(model):
    """Whether a model puts the cells in another order than the confidence of the shipped YOLO."""
    ranks = [np.argsort(np.argsort(x.ravel())) for x in (_map_of_scenes(model), _confidence())]
    return np.corrcoef(ranks)[0, 1] < ALIKE


def trained_heat_map():
    """The heat map of 09b.6, trained as readers may: a small head on frozen convolutions."""
    import keras
    from keras import layers, ops

    from course_utils.detection import scenes, yolo
    from course_utils.pretrained import detectors

    def weighted_crossentropy(y, p):
        p = ops.clip(p, 1e-6, 1 - 1e-6)
        return ops.mean(-10 * y * ops.log(p) - (1 - y) * ops.log(1 - p))

    network, names = detectors.ssd(), ["conv5_relu", "conv7_relu"]
    images, truth = scenes.make_scenes(300, seed=7)
    keras.utils.set_random_seed(0)
    fine, coarse = keras.Input((ROWS, ROWS, 96)), keras.Input((ROWS // 2, ROWS // 2, 96))
    x = layers.Concatenate()([fine, layers.UpSampling2D(2)(coarse)])
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(x)
    head = keras.Model([fine, coarse], layers.Conv2D(1, 1, activation="sigmoid")(x))
    head.compile(keras.optimizers.Adam(2e-3), weighted_crossentropy)
    maps, targets = _maps_of(images, "ssd", names), yolo.encode(truth)[..., 5:]
    head.fit(maps, targets, batch_size=16, epochs=8, verbose=0)
    outputs = [network.get_layer(name).output for name in names]
    return keras.Model(network.input, head(outputs))


def heat_map(confident=True, transposed=False, hot=False):
    """A wrong heat map: the shipped YOLO's confidence, as it is or with one of the usual faults."""
    import keras
    from keras import layers, ops

    from course_utils.pretrained import detectors

    trained = detectors.yolo()
    x = layers.Lambda(lambda y: ops.max(y[..., 4:10:5], axis=-1, keepdims=True))(trained.output)
    shift = 20.0 if hot else 0.8 if confident else -20.0
    x = layers.Lambda(lambda y: y + shift)(x)
    x = layers.Activation("sigmoid")(x)
    return keras.Model(trained.input, layers.Permute((2, 1, 3))(x) if transposed else x)
