"""SSD: boxes of several shapes at every position of several feature maps, each scored by itself.

Figure and equation numbers are those of Liu et al. (2016), SSD: single shot multibox detector.
Different here: three maps, 12, 6 and 3 positions wide, and not six from 38 down to 1; scales from
0.2 to 0.5 of the image, as the garments need, and not to 0.9; the same four boxes on each map;
BatchNorm in each convolution, where the paper normalises the finest map only.
"""

import keras
import numpy as np
from keras import layers, ops

from course_utils.architectures.resnet import conv_norm
from course_utils.detection import anchors, boxes
from course_utils.detection.backbone import IMAGE_SHAPE, NUM_CLASSES, feature_maps
from course_utils.detection.detections import check_truth, choose
from course_utils.detection.matching import match
from course_utils.detection.tensors import smooth_l1

SIZE = IMAGE_SHAPE[0]
MAPS = (12, 6, 3)  # positions along each side
RATIOS = (1.0, 2.0, 0.5)
NEGATIVES = 3  # at most so many background boxes for each with an object


def default_boxes():
    """The default boxes of all maps (figure 1): at each position three ratios and a larger square.

    Returns:
        (756, 4) float32 array, x1, y1, x2, y2 in pixels: the finest map first, row by row.
    """
    scales = SIZE * anchors.ssd_scales(len(MAPS) + 1, smallest=0.2, largest=0.65)
    grids = []
    for positions, scale, following in zip(MAPS, scales, scales[1:], strict=False):
        larger = anchors.shapes([np.sqrt(scale * following)])  # section 2.2
        shapes = np.concatenate([anchors.shapes([scale], RATIOS), larger])
        grids.append(anchors.grid(positions, positions, SIZE / positions, shapes))
    return np.concatenate(grids)


def build_ssd():
    """The network of figure 2, small.

    Returns:
        A `keras.Model` named "ssd": images (N, 96, 96, 3) in [0, 1] -> (N, 756, 15): for each
        default box eleven logits, the background first, and four offsets.
    """
    images = keras.Input(IMAGE_SHAPE, name="images")
    return keras.Model(images, heads(*feature_maps(images)), name="ssd")


def heads(fine, coarse):
    """What stands behind the convolutions: a coarser map, and a head on each of the three.

    Args:
        fine, coarse: tensors (N, 12, 12, C) and (N, 6, 6, C).

    Returns:
        (N, 756, 15) tensor, as the network returns it.
    """
    coarsest = conv_norm(coarse, 64, 1, name="extra_1")
    coarsest = conv_norm(coarsest, 96, 3, 2, name="extra_2")
    outputs = []
    for positions, x in zip(MAPS, (fine, coarse, coarsest), strict=True):
        filters = (len(RATIOS) + 1) * (1 + NUM_CLASSES + 4)
        x = layers.Conv2D(filters, 3, padding="same", name=f"head{positions}")(x)
        outputs.append(layers.Reshape((-1, 1 + NUM_CLASSES + 4), name=f"boxes{positions}")(x))
    return layers.Concatenate(axis=1, name="predictions")(outputs)


def encode(truth):
    """Which default box is to find what: matched by section 2.2.

    Args:
        truth: list of N dictionaries with "boxes" (M, 4) x1, y1, x2, y2 in pixels and "labels".

    Returns:
        (N, 756, 5) float32 array: for each default box the category, 0 for the background or
        1 + label, and the offsets to its object, 0 if it has none.

    Raises:
        ValueError: if a box lies outside the image or has no area, or a label is no class.
    """
    defaults = default_boxes()
    targets = np.zeros((len(truth), len(defaults), 5), np.float32)
    for target, (objects, labels) in zip(
        targets, check_truth(truth, SIZE, NUM_CLASSES), strict=True
    ):
        matches = match(defaults, objects, positive=0.5)
        found = matches >= 0
        target[found, 0] = 1 + labels[matches[found]]
        target[found, 1:] = boxes.encode(objects[matches[found]], defaults[found])
    return targets


def loss(y_true, y_pred):
    """Equation 1, with hard negative mining; its N is the number of matched boxes in the batch.

    Args:
        y_true: (N, 756, 5), as `encode` returns it.
        y_pred: (N, 756, 15), as the network returns it.

    Returns:
        A number; 0 if no image has an object.
    """
    category, offsets = y_true[..., 0], y_true[..., 1:]
    positive = ops.cast(category > 0, "float32")
    confidence = ops.sparse_categorical_crossentropy(
        category, y_pred[..., : 1 + NUM_CLASSES], from_logits=True
    )  # equation 3, (N, 756)
    localisation = smooth_l1(y_pred[..., 1 + NUM_CLASSES :] - offsets)  # equation 2
    # The negatives that are most taken for an object, three for each positive (section 2.2).
    hardness = ops.stop_gradient(confidence) * (1 - positive)
    rank = ops.argsort(ops.argsort(-hardness, axis=1), axis=1)
    wanted = NEGATIVES * ops.sum(positive, axis=1, keepdims=True)
    negative = ops.cast(ops.cast(rank, "float32") < wanted, "float32") * (1 - positive)
    total = ops.sum((positive + negative) * confidence + positive * localisation)
    return total / ops.maximum(ops.sum(positive), 1)


def decode(outputs, score_threshold=0.02, iou_threshold=0.45):
    """The detections that the network's outputs stand for.

    Args:
        outputs: (N, 756, 15), as the network returns them.
        score_threshold: the lowest score of a detection.
        iou_threshold: the largest IoU of two detections of one class.

    Returns:
        List of N dictionaries: "boxes" (D, 4) x1, y1, x2, y2 in pixels, "labels", "scores".
    """
    defaults, outputs = default_boxes(), np.asarray(outputs)
    scores = np.asarray(ops.softmax(outputs[..., : 1 + NUM_CLASSES]))[..., 1:]
    return [
        choose(boxes.decode(offsets, defaults), image, SIZE, score_threshold, iou_threshold)
        for offsets, image in zip(outputs[..., 1 + NUM_CLASSES :], scores, strict=True)
    ]
