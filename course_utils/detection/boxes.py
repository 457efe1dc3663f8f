"""Boxes: formats, overlap, non-maximum suppression, and offsets from anchors.

Boxes are (N, 4) x1, y1, x2, y2 in pixels, x1 <= x2, y1 <= y2, unless something else is said. They
are edges, not pixel centres: the width is x2 - x1 (Pascal VOC counts pixels, one more).
"""

import math

import numpy as np

from course_utils import _checks
from course_utils._checks import one_of, whole_number

FORMATS = ("xyxy", "xywh", "cxcywh")
VARIANCES = (0.1, 0.1, 0.2, 0.2)  # SSD's, for x, y, width, height
GROWTH = math.log(1000 / 16)  # how far `decode` lets a box outgrow its anchor, as in Detectron
BLOCK, CHUNK = 256, 128  # boxes that `nms` compares at a time, and with how many: fits the cache


def convert(boxes, source, target):
    """Turns boxes from one format into another.

    Args:
        boxes: (N, 4) in the format `source`.
        source: "xyxy" for two corners, x1, y1, x2, y2; "xywh" for x1, y1, width, height, as in
            COCO's files; "cxcywh" for centre x, centre y, width, height, as in YOLO.
        target: one of these, too.

    Returns:
        A new float array (N, 4) in the format `target`, in the units of `boxes`.

    Raises:
        ValueError: if the boxes are none of that format, or a format is unknown.
    """
    source, target = one_of("source", source, FORMATS), one_of("target", target, FORMATS)
    first, second = np.split(_checks.rows("boxes", boxes, 4), 2, axis=1)
    if source == "xywh":
        first, second = first, first + second
    elif source == "cxcywh":
        first, second = first - second / 2, first + second / 2
    first, second = np.split(_checks.boxes("boxes", np.hstack([first, second])), 2, axis=1)
    if target == "xywh":
        second = second - first
    elif target == "cxcywh":
        first, second = (first + second) / 2, second - first
    return np.hstack([first, second])


def area(boxes):
    """Area of each box.

    Args:
        boxes: (N, 4) x1, y1, x2, y2 in pixels.

    Returns:
        (N,) array in square pixels.

    Raises:
        ValueError: if these are no boxes.
    """
    return _area(_checks.boxes("boxes", boxes).T)


def intersection(a, b):
    """Area that each box shares with its partner.

    Args:
        a: (N, 4) x1, y1, x2, y2 in pixels.
        b: (N, 4), the same.

    Returns:
        (N,) array in square pixels; 0 where boxes only touch.

    Raises:
        ValueError: if these are no boxes, or not equally many.
    """
    a, b = _checks.boxes("a", a), _checks.boxes("b", b)
    if len(a) != len(b):
        raise ValueError(f"expected as many boxes in b as in a, {len(a)}, got {len(b)}")
    return _intersection(a.T, b.T)


def iou(a, b):
    """Intersection over union of every pair of boxes, also known as the Jaccard index.

    Args:
        a: (N, 4) x1, y1, x2, y2 in pixels.
        b: (M, 4), the same.

    Returns:
        (N, M) array in [0, 1]; 0 where boxes only touch, or one has no area.

    Raises:
        ValueError: if these are no boxes.
    """
    a, b = _checks.boxes("a", a), _checks.boxes("b", b)
    return _iou(a.T[:, :, np.newaxis], b.T[:, np.newaxis])


def nms(boxes, scores, iou_threshold, max_boxes=None):
    """Non-maximum suppression: keeps the best box of each cluster.

    Goes through the boxes by falling score, and keeps each that overlaps none of those kept before
    by more than the threshold. Equal scores go by index. The arithmetic is float32, as in
    `tf.image.non_max_suppression`, so that both keep the same boxes.

    Args:
        boxes: (N, 4) x1, y1, x2, y2 in pixels.
        scores: (N,), the higher the better.
        iou_threshold: the largest IoU of two boxes that are kept, from 0 to 1.
        max_boxes: how many to keep at most, or None for all.

    Returns:
        (M,) indices of the boxes that are kept, by falling score.

    Raises:
        ValueError: if these are no boxes, the scores are not N finite numbers, or the threshold or
            `max_boxes` is out of range.
    """
    boxes, scores = _scored(boxes, scores)
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"iou_threshold must be from 0 to 1, got {iou_threshold!r}")
    most = len(boxes) if max_boxes is None else whole_number("max_boxes", max_boxes, low=0)
    threshold = np.float32(iou_threshold)
    order = np.argsort(-scores, kind="stable")
    corners = boxes[order].T.copy()  # (4, N)
    kept = np.zeros(0, int)
    for start in range(0, len(order), BLOCK):
        if len(kept) >= most:
            break
        block = np.arange(start, min(start + BLOCK, len(order)))
        for first in range(0, len(kept), CHUNK):
            better = corners[:, np.newaxis, kept[first : first + CHUNK]]
            overlaps = _iou(corners[:, block, np.newaxis], better)
            block = block[overlaps.max(axis=1) <= threshold]
        candidates = corners[:, block]
        overlaps = _iou(candidates[:, :, np.newaxis], candidates[:, np.newaxis]) > threshold
        alive = [True] * len(block)
        # Pairs (i, j) with i < j come by rising i: what i is has been settled by then.
        for i, j in np.argwhere(np.triu(overlaps, k=1)).tolist():
            if alive[i]:
                alive[j] = False
        kept = np.append(kept, block[np.array(alive, bool)])
    return order[kept[:most]]


def nms_per_class(boxes, scores, labels, iou_threshold, max_boxes=None):
    """Non-maximum suppression within each class: boxes of two classes do not compete.

    Args:
        boxes: (N, 4) x1, y1, x2, y2 in pixels.
        scores: (N,), the higher the better.
        labels: (N,) whole numbers, the class of each box.
        iou_threshold: as in `nms`.
        max_boxes: how many to keep at most, of all classes together, or None for all.

    Returns:
        (M,) indices of the boxes that are kept, by falling score.

    Raises:
        ValueError: as `nms`, or if the labels are not N whole numbers.
    """
    boxes, scores = _scored(boxes, scores)
    labels = _checks.labels("labels", labels, len(boxes))
    most = len(boxes) if max_boxes is None else whole_number("max_boxes", max_boxes, low=0)
    kept = [np.zeros(0, int)]
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        kept.append(members[nms(boxes[members], scores[members], iou_threshold)])
    kept = np.sort(np.concatenate(kept))
    return kept[np.argsort(-scores[kept], kind="stable")][:most]


def clip(boxes, height, width):
    """Cuts boxes off at the edges of an image; one that lies outside keeps no area.

    Args:
        boxes: (N, 4) x1, y1, x2, y2 in pixels.
        height: of the image in pixels, >= 1.
        width: of the image in pixels, >= 1.

    Returns:
        A new float array (N, 4).

    Raises:
        ValueError: if these are no boxes, or a length is not a whole number >= 1.
    """
    height, width = whole_number("height", height), whole_number("width", width)
    edges = np.array([width, height, width, height])
    boxes = _checks.boxes("boxes", boxes)
    return np.clip(boxes, 0, edges.astype(boxes.dtype))


def encode(boxes, anchors, variances=VARIANCES):
    """What a detector learns to predict: each box as offsets from its anchor.

    In x and y the centre's shift in widths and heights of the anchor, then the logarithms of the
    ratios of widths and heights; each divided by its variance, so that all are about as large.

    Args:
        boxes: (N, 4) x1, y1, x2, y2 in pixels, each with an area.
        anchors: (N, 4), the anchor of each box, the same.
        variances: four numbers > 0; (1, 1, 1, 1) for the offsets of Faster R-CNN.

    Returns:
        (N, 4) array: the offsets tx, ty, tw, th.

    Raises:
        ValueError: if these are not as many boxes as anchors, one has no area, or the variances are
            not four numbers above 0.

    Source: Girshick et al. (2014), R-CNN, equations 6 to 9; Ren et al. (2015), Faster R-CNN,
    equation 2. The variances are in the code of Liu et al. (2016), SSD, not in the paper.
    """
    boxes = _checks.boxes("boxes", boxes, thin=False)
    centres, sizes = np.split(convert(boxes, "xyxy", "cxcywh"), 2, axis=1)
    anchor_centres, anchor_sizes = _anchors(anchors, len(boxes), "boxes")
    shifts = (centres - anchor_centres) / anchor_sizes
    return np.hstack([shifts, np.log(sizes / anchor_sizes)]) / _variances(variances, boxes)


def decode(offsets, anchors, variances=VARIANCES):
    """The boxes that a detector means by its offsets: the inverse of `encode`.

    A box may become at most 62.5 times as wide or high as its anchor: a network that has learned
    nothing yet must not overflow.

    Args:
        offsets: (N, 4) tx, ty, tw, th, as `encode` returns them.
        anchors: (N, 4) x1, y1, x2, y2 in pixels, each with an area.
        variances: those given to `encode`.

    Returns:
        (N, 4) boxes x1, y1, x2, y2 in pixels; they may reach over the edges of the image.

    Raises:
        ValueError: if these are not as many offsets as anchors, an offset is not finite, an anchor
            has no area, or the variances are not four numbers above 0.
    """
    offsets = _checks.rows("offsets", offsets, 4)
    anchor_centres, anchor_sizes = _anchors(anchors, len(offsets), "offsets")
    shifts, growths = np.split(offsets * _variances(variances, offsets), 2, axis=1)
    centres = anchor_centres + shifts * anchor_sizes
    sizes = anchor_sizes * np.exp(np.minimum(growths, GROWTH))
    return convert(np.hstack([centres, sizes]), "cxcywh", "xyxy")


def _area(corners):
    """From x1, y1, x2, y2 along the first axis."""
    x1, y1, x2, y2 = corners
    return (x2 - x1) * (y2 - y1)


def _intersection(a, b):
    """Shared area of boxes whose x1, y1, x2, y2 lie along the first axis; the others broadcast."""
    widths = np.minimum(a[2], b[2]) - np.maximum(a[0], b[0])
    heights = np.minimum(a[3], b[3]) - np.maximum(a[1], b[1])
    return np.maximum(widths, 0) * np.maximum(heights, 0)


def _iou(a, b):
    """IoU of boxes whose x1, y1, x2, y2 lie along the first axis; the others broadcast."""
    shared = _intersection(a, b)
    union = _area(a) + _area(b) - shared
    return shared / np.maximum(union, np.finfo(union.dtype).tiny)  # two points share nothing


def _scored(boxes, scores):
    """Boxes and scores as float32, the type in which TensorFlow compares them."""
    boxes = _checks.boxes("boxes", boxes).astype(np.float32)
    return boxes, _checks.scores("scores", scores, len(boxes)).astype(np.float32)


def _anchors(anchors, count, name):
    """Centres and sizes, (N, 2) each."""
    anchors = _checks.boxes("anchors", anchors, thin=False)
    if len(anchors) != count:
        raise ValueError(f"expected as many anchors as {name}, {count}, got {len(anchors)}")
    return np.split(convert(anchors, "xyxy", "cxcywh"), 2, axis=1)


def _variances(variances, like):
    numbers = _checks.rows("variances", [variances], 4)[0]
    if not np.all(numbers > 0):
        raise ValueError(f"variances must be four numbers above 0, got {variances!r}")
    return numbers.astype(like.dtype)
