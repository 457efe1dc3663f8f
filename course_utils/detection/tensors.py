"""Boxes inside a network: what `boxes` does, for tensors of any rank, and without checks.

Boxes are (..., 4) x1, y1, x2, y2; all axes but the last broadcast.
"""

import numpy as np
from keras import ops

from course_utils.detection.boxes import GROWTH, VARIANCES

SCALE = np.array(VARIANCES, "float32")


def iou(a, b):
    """IoU of boxes and their partners: (..., 4), (..., 4) -> (...)."""
    low, high = ops.maximum(a[..., :2], b[..., :2]), ops.minimum(a[..., 2:], b[..., 2:])
    shared = ops.prod(ops.relu(high - low), axis=-1)
    union = area(a) + area(b) - shared
    return shared / ops.maximum(union, 1e-9)


def area(boxes):
    """(..., 4) -> (...), in square pixels."""
    return ops.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)


def encode(boxes, anchors):
    """Offsets of boxes from their anchors, as `boxes.encode`: twice (..., 4) -> (..., 4).

    What has no area counts as a pixel wide or high, so that boxes which only fill up stay finite.
    """
    (centres, sizes), (middles, spans) = _centred(boxes), _centred(anchors)
    sizes, spans = ops.maximum(sizes, 1), ops.maximum(spans, 1)
    return ops.concatenate([(centres - middles) / spans, ops.log(sizes / spans)], axis=-1) / SCALE


def decode(offsets, anchors):
    """Boxes at the offsets from their anchors, as `boxes.decode`: twice (..., 4) -> (..., 4)."""
    middles, spans = _centred(anchors)
    offsets = offsets * SCALE
    centres = middles + offsets[..., :2] * spans
    sizes = spans * ops.exp(ops.minimum(offsets[..., 2:], GROWTH))
    return ops.concatenate([centres - sizes / 2, centres + sizes / 2], axis=-1)


def smooth_l1(errors):
    """Squared near 0, absolute beyond 1, summed over the last axis: (..., 4) -> (...).

    Source: Girshick (2015), Fast R-CNN, equation 3.
    """
    size = ops.abs(errors)
    return ops.sum(ops.where(size < 1, 0.5 * ops.square(size), size - 0.5), axis=-1)


def _centred(boxes):
    low, high = boxes[..., :2], boxes[..., 2:]
    return (low + high) / 2, high - low
