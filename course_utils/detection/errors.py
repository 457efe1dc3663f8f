"""What kinds of errors a detector makes.

Source: Hoiem, Chodpathumwan and Dai (2012), Diagnosing error in object detectors; Bolya et al.
(2020), TIDE. There an error counts by the mAP that it costs, here by number; and where a false
alarm overlaps several objects, here the one that it overlaps most decides, not the order of kinds.
"""

from collections import Counter

import numpy as np

from course_utils import _checks
from course_utils.detection.boxes import iou

FOUND, MISSED = "found", "missed"
FALSE_ALARMS = ("misplaced", "misnamed", "misplaced and misnamed", "doubled", "background")


def sort_errors(truth, predictions, score_threshold=0.3, iou_threshold=0.5, background=0.1):
    """Says of each detection whether it found an object or what is wrong with it.

    By falling score each detection takes the free object of its class that it overlaps most, if
    the IoU reaches the threshold: it is "found". Any other is judged by the object that it overlaps
    most. Of its own class: "doubled" if the IoU reaches the threshold, else "misplaced". Of another
    class: "misnamed", or "misplaced and misnamed". If it overlaps none by `background`, it is
    "background". An object is "missed" if no detection found it and none is wrong because of it.

    Args:
        truth: list of N dictionaries with "boxes" (M, 4) x1, y1, x2, y2 in pixels and "labels".
        predictions: list of N dictionaries with "boxes", "labels" and "scores" (D,).
        score_threshold: detections with lower scores do not count.
        iou_threshold: from which IoU a detection finds an object, in (0, 1].
        background: from which IoU a false alarm has to do with an object, in (0, iou_threshold).

    Returns:
        List of N dictionaries: "detections", the indices of those that count, by falling score;
        "kinds", what became of each, one of `FOUND` and `FALSE_ALARMS`; "missed", the indices of
        the objects that are missed.

    Raises:
        ValueError: if truth and predictions differ in length, what they hold does not fit, or the
            thresholds are out of range.
    """
    _checks.predictions_for(truth, predictions)
    if not 0 < background < iou_threshold <= 1:
        raise ValueError(
            "expected 0 < background < iou_threshold <= 1, "
            f"got background {background!r}, iou_threshold {iou_threshold!r}"
        )
    return [
        _one_image(objects, found, score_threshold, iou_threshold, background)
        for objects, found in zip(truth, predictions, strict=True)
    ]


def count_errors(truth, predictions, **thresholds):
    """How often each kind occurs in all images together.

    Args:
        truth, predictions, thresholds: as in `sort_errors`.

    Returns:
        Dictionary {kind: number} of `FOUND`, `FALSE_ALARMS` and `MISSED`, in this order.

    Raises:
        ValueError: as `sort_errors`.
    """
    images = sort_errors(truth, predictions, **thresholds)
    counts = Counter(kind for image in images for kind in image["kinds"])
    numbers = {kind: counts[kind] for kind in (FOUND, *FALSE_ALARMS)}
    return numbers | {MISSED: sum(len(image["missed"]) for image in images)}


def _one_image(objects, found, score_threshold, iou_threshold, background):
    count = len(found["boxes"])
    scores = _checks.scores("scores", found["scores"], count)
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= score_threshold]
    names = _checks.labels("labels of predictions", found["labels"], count)[order]
    labels = _checks.labels("labels of truth", objects["labels"], len(objects["boxes"]))
    overlaps = iou(found["boxes"], objects["boxes"])[order]  # (D, M)
    kinds, taken, touched = [], np.zeros(len(labels), bool), np.zeros(len(labels), bool)
    for name, row in zip(names, overlaps, strict=True):
        free = np.where((labels == name) & ~taken, row, 0)
        if free.max(initial=0) >= iou_threshold:
            taken[free.argmax()] = True
            kinds.append(FOUND)
        elif row.max(initial=0) < background:
            kinds.append("background")
        else:
            best = row.argmax()
            touched[best] = True
            close, right = row[best] >= iou_threshold, labels[best] == name
            wrong = {(0, 1): "misplaced", (1, 0): "misnamed", (1, 1): "doubled"}
            kinds.append(wrong.get((close, right), "misplaced and misnamed"))
    missed = np.flatnonzero(~taken & ~touched)
    return {"detections": order, "kinds": kinds, "missed": missed}
