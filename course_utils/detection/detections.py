"""What all detectors do at both ends: check the truth, and choose among their boxes."""

import numpy as np

from course_utils import _checks
from course_utils.detection.boxes import clip, nms_per_class


def check_truth(truth, size, num_classes):
    """Checks what a detector is to learn.

    Args:
        truth: list of N dictionaries with "boxes" (M, 4) x1, y1, x2, y2 in pixels and "labels" (M,)
            whole numbers; M may be 0.
        size: side of the images in pixels.
        num_classes: the number of classes.

    Returns:
        For each image a pair (boxes, labels), float32 (M, 4) and int32 (M,).

    Raises:
        ValueError: if a box has no area or reaches over the edge of the image, a label is none of
            the classes, or boxes and labels are not equally many.
    """
    checked = []
    for index, image in enumerate(truth):
        name = f"truth[{index}]"
        boxes = _checks.boxes(f"boxes of {name}", image["boxes"], thin=False)
        labels = _checks.labels(f"labels of {name}", image["labels"], len(boxes))
        outside = ((boxes < 0) | (boxes > size)).any(axis=1)
        if outside.any():
            raise ValueError(
                f"expected boxes of {name} within the image, from 0 to {size}, "
                f"got {boxes[outside][0].tolist()}"
            )
        if (labels >= num_classes).any():
            raise ValueError(f"expected labels of {name} < {num_classes}, got {labels.max()}")
        checked.append((boxes.astype(np.float32), labels.astype(np.int32)))
    return checked


def choose(boxes, scores, size, score_threshold, iou_threshold, max_boxes=100):
    """The detections of one image: what scores enough, without its doubles.

    Args:
        boxes: (K, 4) x1, y1, x2, y2 in pixels, or (K, C, 4), a box for each class.
        scores: (K, C) of each box as each class.
        size: side of the image in pixels; boxes are cut off at its edges.
        score_threshold: the lowest score of a detection.
        iou_threshold: the largest IoU of two detections of one class.
        max_boxes: how many to keep at most.

    Returns:
        Dictionary of the D detections by falling score: "boxes" (D, 4), "labels" (D,), "scores"
        (D,).
    """
    row, labels = np.nonzero(scores >= score_threshold)
    chosen = clip(boxes[row] if boxes.ndim == 2 else boxes[row, labels], size, size)
    scores = scores[row, labels]
    kept = nms_per_class(chosen, scores, labels, iou_threshold, max_boxes)
    return {"boxes": chosen[kept], "labels": labels[kept], "scores": scores[kept]}
