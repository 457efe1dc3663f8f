"""YOLO: the image is looked at once, and each cell of one grid says what lies in it.

Figure and equation numbers are those of Redmon et al. (2016), You only look once. Different here,
as in its successors: the head is a convolution and not two dense layers, with BatchNorm before it
(YOLOv2); sigmoids keep a box's numbers between 0 and 1 (YOLOv2, for x, y and the confidence); the
features are those of `backbone.merged_map`, and confidence and class are judged by cross-entropy
and not by squared error (YOLOv3, where a box may be of several classes).
"""

import keras
import numpy as np
from keras import layers, ops

from course_utils.architectures.resnet import conv_norm
from course_utils.detection.backbone import IMAGE_SHAPE, NUM_CLASSES, STRIDE, merged_map
from course_utils.detection.boxes import convert
from course_utils.detection.detections import check_truth, choose
from course_utils.detection.tensors import iou

SIZE = IMAGE_SHAPE[0]
CELLS = SIZE // STRIDE  # S: the grid has 12 x 12 cells; 7 x 7 in the paper
BOXES = 2  # B: boxes that each cell predicts
COORDINATES, NO_OBJECT = 5.0, 0.5  # the two weights lambda of equation 3


def build_yolo():
    """The network of figure 3, small.

    Returns:
        A `keras.Model` named "yolo": images (N, 96, 96, 3) in [0, 1] -> (N, 12, 12, 20): for each
        cell two boxes x, y, w, h, confidence, before the sigmoid, then ten logits of classes.
    """
    images = keras.Input(IMAGE_SHAPE, name="images")
    x = conv_norm(merged_map(images), 96, 3, name="head")
    x = layers.Conv2D(BOXES * 5 + NUM_CLASSES, 1, name="predictions")(x)
    return keras.Model(images, x, name="yolo")


def encode(truth):
    """The grid that the network is to predict (figure 2): a cell answers for what has its centre.

    Of two objects with their centres in one cell only the last is learned.

    Args:
        truth: list of N dictionaries with "boxes" (M, 4) x1, y1, x2, y2 in pixels and "labels".

    Returns:
        (N, 12, 12, 6) float32 array: the centre x, y within the cell, from 0 to 1; the roots of
        width and height as shares of the image; the label; and whether there is an object at all.

    Raises:
        ValueError: if a box lies outside the image or has no area, or a label is no class.
    """
    grid = np.zeros((len(truth), CELLS, CELLS, 6), np.float32)
    for cells, (boxes, labels) in zip(grid, check_truth(truth, SIZE, NUM_CLASSES), strict=True):
        centres, sizes = np.split(convert(boxes, "xyxy", "cxcywh") / SIZE, 2, axis=1)
        column, row = np.floor(CELLS * centres).astype(int).T
        within = CELLS * centres - np.stack([column, row], axis=1)
        ones = np.ones((len(boxes), 1))
        cells[row, column] = np.hstack([within, np.sqrt(sizes), labels[:, np.newaxis], ones])
    return grid


def loss(y_true, y_pred):
    """The sum of equation 3 for each image.

    Args:
        y_true: (N, 12, 12, 6), as `encode` returns it.
        y_pred: (N, 12, 12, 20), as the network returns it.

    Returns:
        (N,) tensor.
    """
    boxes, confidence, classes = _parts(y_pred)
    truth, label, present = y_true[..., np.newaxis, :4], y_true[..., 4], y_true[..., 5:]
    # Of a cell's boxes the one that overlaps the object most is responsible for it, section 2.2.
    overlap = ops.stop_gradient(iou(_corners(boxes), _corners(truth)))  # (N, S, S, B)
    responsible = present * ops.one_hot(ops.argmax(overlap, axis=-1), BOXES)
    off = ops.sum(ops.square(boxes - truth), axis=-1)
    # Its confidence is to be the IoU, that of all others 0.
    doubt = ops.binary_crossentropy(responsible * overlap, confidence, from_logits=True)
    weight = responsible + NO_OBJECT * (1 - responsible)
    named = ops.sparse_categorical_crossentropy(label, classes, from_logits=True)  # (N, S, S)
    of_boxes = ops.sum(COORDINATES * responsible * off + weight * doubt, axis=(1, 2, 3))
    return of_boxes + ops.sum(present[..., 0] * named, axis=(1, 2))


def decode(outputs, score_threshold=0.02, iou_threshold=0.5):
    """The detections that the network's outputs stand for.

    A box's score for a class is its confidence times the probability of the class (equation 1).

    Args:
        outputs: (N, 12, 12, 20), as the network returns them.
        score_threshold: the lowest score of a detection.
        iou_threshold: the largest IoU of two detections of one class.

    Returns:
        List of N dictionaries: "boxes" (D, 4) x1, y1, x2, y2 in pixels, "labels", "scores".
    """
    boxes, confidence, classes = _parts(ops.convert_to_tensor(outputs))
    scores = ops.sigmoid(confidence)[..., np.newaxis] * ops.softmax(classes)[..., np.newaxis, :]
    corners = np.reshape(SIZE * _corners(boxes), (len(outputs), -1, 4))
    scores = np.reshape(scores, (len(outputs), -1, NUM_CLASSES))
    return [
        choose(*image, SIZE, score_threshold, iou_threshold)
        for image in zip(corners, scores, strict=True)
    ]


def _parts(outputs):
    """Boxes (N, S, S, B, 4), logits of confidence (N, S, S, B) and of classes (N, S, S, C)."""
    boxes = ops.reshape(outputs[..., : 5 * BOXES], (-1, CELLS, CELLS, BOXES, 5))
    return ops.sigmoid(boxes[..., :4]), boxes[..., 4], outputs[..., 5 * BOXES :]


def _corners(boxes):
    """x, y within the cell and roots of width and height -> x1, y1, x2, y2 as shares of the image.

    (N, S, S, B, 4), both.
    """
    cell = np.stack(np.meshgrid(np.arange(CELLS), np.arange(CELLS)), axis=-1)[:, :, np.newaxis]
    centres = (boxes[..., :2] + cell.astype(np.float32)) / CELLS
    sizes = ops.square(boxes[..., 2:])
    return ops.concatenate([centres - sizes / 2, centres + sizes / 2], axis=-1)
