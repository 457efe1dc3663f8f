"""Which anchor is to find which object: the targets of a detector's training."""

import numpy as np

from course_utils.detection.boxes import iou

BACKGROUND, IGNORED = -1, -2


def match(anchors, boxes, positive=0.5, negative=None, best=True):
    """Gives each anchor an object to predict, the background, or no task at all.

    An anchor takes the object that it overlaps most, if the IoU reaches `positive`; below
    `negative` it is background; between the two it is left out of the loss. With `best` every
    object also gets one anchor of its own, however little they overlap: of all pairs the one with
    the highest IoU is joined, then the next among the anchors and objects that are left, and so on.

    Args:
        anchors: (N, 4) x1, y1, x2, y2 in pixels.
        boxes: (M, 4), the objects, the same; M may be 0.
        positive: from which IoU an anchor takes an object, in (0, 1].
        negative: below which IoU an anchor is background, from 0 to `positive`; by default
            `positive`, and no anchor is left out.
        best: whether each object gets its best anchor. One that touches no free anchor gets none.

    Returns:
        (N,) integer array: for each anchor the index of its object, `BACKGROUND` (-1), or `IGNORED`
        (-2). Of equal IoUs the first object or anchor wins.

    Raises:
        ValueError: if these are no boxes, or the thresholds are out of range.

    Source: Liu et al. (2016), SSD, section 2.2 (0.5, no band, best); Ren et al. (2015), Faster
    R-CNN, section 3.1.2 (0.7 and 0.3; there an object's best anchors may be several that tie).
    """
    negative = positive if negative is None else negative
    if not 0 <= negative <= positive <= 1 or positive == 0:
        raise ValueError(
            "expected 0 <= negative <= positive <= 1 and positive > 0, "
            f"got negative {negative!r} and positive {positive!r}"
        )
    overlaps = iou(anchors, boxes)  # (N, M)
    if 0 in overlaps.shape:
        return np.full(len(overlaps), BACKGROUND)
    highest = overlaps.max(axis=1)
    matches = np.where(highest >= positive, overlaps.argmax(axis=1), IGNORED)
    matches[highest < negative] = BACKGROUND
    for _ in range(min(overlaps.shape) if best else 0):
        anchor, box = np.unravel_index(overlaps.argmax(), overlaps.shape)
        if overlaps[anchor, box] <= 0:
            break
        matches[anchor] = box
        overlaps[anchor] = overlaps[:, box] = 0
    return matches
