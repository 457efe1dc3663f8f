"""How good a detector is: precision and recall, average precision, mAP.

Numbers are those of COCO's own tool (pycocotools): same matching, same ties, same interpolation.

Source: Everingham et al. (2010), The Pascal Visual Object Classes Challenge; Lin et al. (2014),
Microsoft COCO, and https://cocodataset.org/#detection-eval.
"""

import numpy as np

from course_utils import _checks
from course_utils._checks import one_of, whole_number
from course_utils.detection.boxes import area, intersection

COCO_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).tolist())
RULES = ("coco", "voc", "voc2007")
POINTS = {"coco": 101, "voc2007": 11}  # recalls at which the precision is read


def precision_recall(scores, hits, total):
    """Precision and recall as the score threshold falls from detection to detection.

    Args:
        scores: (D,) of all detections of one class, in all images.
        hits: (D,) of True and False: whether a detection found an object.
        total: number of objects there are to be found, >= 1.

    Returns:
        (precision, recall): (D,) arrays in [0, 1]; entry k counts the k + 1 detections with the
        highest scores. Equal scores keep their order.

    Raises:
        ValueError: if scores and hits are not as many numbers and truth values, or `total` is not a
            whole number >= 1, or smaller than the number of hits.
    """
    hits = np.asarray(hits, bool if len(hits) == 0 else None)
    if hits.ndim != 1 or hits.dtype != bool:
        raise ValueError(f"hits must be (D,) of True and False, got {hits.shape} of {hits.dtype}")
    scores = _checks.scores("scores", scores, len(hits))
    total = whole_number("total", total, low=max(1, int(hits.sum())))
    found = np.cumsum(hits[np.argsort(-scores, kind="stable")])
    return found / np.arange(1, len(hits) + 1), found / total


def average_precision(precision, recall, rule="coco"):
    """Area under the curve of precision over recall, once it has been made to fall only.

    At each recall the precision counts that can be had there or further to the right.

    Args:
        precision: (D,) in [0, 1], as `precision_recall` returns it.
        recall: (D,) in [0, 1], not falling.
        rule: "coco" for the mean over the recalls 0, .01, ... 1; "voc" for the exact area, as in
            Pascal VOC since 2010; "voc2007" for the mean over 0, .1, ... 1, as there before.

    Returns:
        The average precision, a float in [0, 1]; 0 without detections.

    Raises:
        ValueError: if these are not two rows of equally many numbers, the recall falls, or the rule
            is unknown.
    """
    rule = one_of("rule", rule, RULES)
    precision = _checks.scores("precision", precision, len(precision))
    recall = _checks.scores("recall", recall, len(precision))
    if np.any(np.diff(recall) < 0):
        raise ValueError(f"recall must not fall, got {recall.tolist()}")
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    if rule == "voc":
        return float(np.sum(np.diff(recall, prepend=0.0) * envelope[:-1]))
    places = np.searchsorted(recall, np.linspace(0, 1, POINTS[rule]), side="left")
    return float(envelope[places].mean())


def mean_average_precision(
    truth, predictions, iou_thresholds=COCO_THRESHOLDS, rule="coco", max_boxes=100,
    area_range=(0, np.inf),
):  # fmt: skip
    """Mean of the average precision over classes and IoU thresholds: COCO's mAP.

    In each image and class the detections choose by falling score: each takes the free object that
    it overlaps most, if the IoU reaches the threshold, and is then a hit; of equal IoUs it takes
    the last. Classes without an object count for nothing, nor do detections of such a class.

    Args:
        truth: list of N dictionaries with "boxes" (M, 4) x1, y1, x2, y2 in pixels and "labels" (M,)
            whole numbers; perhaps "crowd" (M,) of True and False: a region of many objects, where
            detections count neither as hits nor as false alarms.
        predictions: list of N dictionaries with "boxes", "labels" and "scores" (M,).
        iou_thresholds: a number in (0, 1], or several; COCO's are .5, .55, ... .95.
        rule: of `average_precision`.
        max_boxes: how many detections of each class count in each image, those with the highest
            scores, >= 1.
        area_range: (smallest, largest) area in square pixels; objects of other sizes count as
            crowds do, and so does a detection of another size that finds nothing.

    Returns:
        Dictionary: "mAP", a float, NaN if there is no object; "per_class" {label: mean over the
        thresholds}; "per_threshold" {threshold: mean over the classes}; "AP" (T, K) array of all of
        them, its "thresholds" (T,) and its "labels" (K,), the classes that have objects. Of these
        "objects" {label: number}, "detections" {label: number}, "hits" {label: (T,) numbers}; and
        "ignored", the number of detections of other classes.

    Raises:
        ValueError: if truth and predictions differ in length, a dictionary lacks a key, what it
            holds does not fit, or a setting is out of range.
    """
    thresholds = _thresholds(iou_thresholds)
    rule = one_of("rule", rule, RULES)
    objects, found = _tables(truth, predictions)
    settings = thresholds, whole_number("max_boxes", max_boxes), _range(area_range)
    result = {"mAP": np.nan, "per_class": {}, "per_threshold": {}}
    result.update(objects={}, detections={}, hits={})
    columns = []
    for label in np.unique(objects["labels"]).tolist():
        scores, outcome, total = _match(_select(objects, label), _select(found, label), *settings)
        if total == 0:
            continue
        columns.append([])
        for column in outcome.T:
            counted = column >= 0
            curve = precision_recall(scores[counted], column[counted] == 1, total)
            columns[-1].append(average_precision(*curve, rule))
        result["per_class"][label] = float(np.mean(columns[-1]))
        result["objects"][label], result["detections"][label] = total, len(scores)
        result["hits"][label] = (outcome == 1).sum(axis=0)
    table = np.array(columns).reshape(-1, len(thresholds)).T  # (T, K)
    if columns:
        result["mAP"] = float(table.mean())
        names = [round(threshold, 6) for threshold in thresholds.tolist()]
        result["per_threshold"] = dict(zip(names, table.mean(axis=1).tolist(), strict=True))
    labels = np.array(list(result["per_class"]), int)
    ignored = int((~np.isin(found["labels"], labels)).sum())
    return result | {"AP": table, "thresholds": thresholds, "labels": labels, "ignored": ignored}


def outcomes(truth, predictions, label, iou_threshold=0.5):
    """What became of each detection of one class, for `precision_recall`.

    Args:
        truth, predictions: as in `mean_average_precision`.
        label: the class.
        iou_threshold: from which IoU a detection finds an object, in (0, 1].

    Returns:
        (scores, hits, total): (D,) scores by falling score, without those of detections that found
        a crowd; (D,) of True and False; and the number of objects.

    Raises:
        ValueError: as `mean_average_precision`, or if the label is not a whole number >= 0.
    """
    label = whole_number("label", label, low=0)
    thresholds = _thresholds([iou_threshold])
    objects, found = (_select(table, label) for table in _tables(truth, predictions))
    scores, outcome, total = _match(objects, found, thresholds, np.inf, (0, np.inf))
    counted = outcome[:, 0] >= 0
    return scores[counted], outcome[counted, 0] == 1, total


def _match(objects, found, thresholds, max_boxes, area_range):
    """Matches detections and objects of one class at T thresholds.

    All images go together: in turn n each image's n-th best detection chooses. Only pairs of a
    detection and an object that overlap enough are looked at.

    Args:
        objects, found: columns as `_tables` returns them, of one class.
        thresholds: (T,) IoUs.
        max_boxes, area_range: as in `mean_average_precision`.

    Returns:
        (D,) scores, falling; (D, T) with 1 for a hit, 0 for a false alarm, -1 for what does not
        count; and the number of objects that do.
    """
    thresholds = np.minimum(thresholds, 1 - 1e-10)  # as COCO's tool does
    order = np.lexsort((-found["scores"], found["images"]))
    turn = np.arange(len(order)) - np.searchsorted(found["images"], found["images"])
    found = {key: column[order[turn < max_boxes]] for key, column in found.items()}
    turn = turn[turn < max_boxes]
    sizes = area(objects["boxes"]), area(found["boxes"])
    outside = [(size < area_range[0]) | (size > area_range[1]) for size in sizes]
    left_out = objects["crowd"] | outside[0]
    who, what, overlaps = _pairs(objects, found)
    near = np.flatnonzero(overlaps >= thresholds.min())
    # Of the pairs of one detection the last that is free is its match.
    near = near[np.lexsort((overlaps[near], ~left_out[what[near]], who[near], turn[who[near]]))]
    who, what, overlaps = who[near], what[near], overlaps[near]

    taken = np.zeros((len(left_out), len(thresholds)), bool)
    outcome = np.zeros((len(turn), len(thresholds)), np.int8)
    outcome[outside[1]] = -1
    turns, starts = turn[who], np.flatnonzero(np.diff(who, prepend=-1))
    for now in np.unique(turns):
        begin, end = np.searchsorted(turns, [now, now + 1])
        pairs = np.arange(begin, end)
        free = (overlaps[pairs, np.newaxis] >= thresholds) & ~taken[what[pairs]]  # (P, T)
        firsts = starts[slice(*np.searchsorted(starts, [begin, end]))] - begin
        last = np.maximum.reduceat(np.where(free, pairs[:, np.newaxis], -1), firsts)
        row, column = np.nonzero(last >= 0)
        pair = last[row, column]
        taken[what[pair], column] = ~objects["crowd"][what[pair]]
        outcome[who[pair], column] = np.where(left_out[what[pair]], -1, 1)
    order = np.argsort(-found["scores"], kind="stable")
    return found["scores"][order], outcome[order], int((~left_out).sum())


def _pairs(objects, found):
    """Indices of detections and of objects, (P,) each, of every pair in one image, and its IoU.

    With a crowd it is the share of the detection that lies in it, as in COCO's tool.
    """
    first = np.searchsorted(objects["images"], found["images"], "left")
    count = np.searchsorted(objects["images"], found["images"], "right") - first
    who = np.repeat(np.arange(len(count)), count)
    what = np.arange(len(who)) + np.repeat(first - (np.cumsum(count) - count), count)
    boxes, others = found["boxes"][who], objects["boxes"][what]
    shared = intersection(boxes, others)
    whole = area(boxes) + np.where(objects["crowd"][what], 0, area(others) - shared)
    return who, what, shared / np.maximum(whole, np.finfo(float).tiny)


def _tables(truth, predictions):
    """Objects and detections of all images, in columns: "images", "boxes", "labels", ..."""
    _checks.predictions_for(truth, predictions)
    return _table("truth", truth, "crowd"), _table("predictions", predictions, "scores")


def _table(name, images, extra):
    keys = ("boxes", "labels", extra)
    columns = {key: [] for key in keys}
    for index, image in enumerate(images):
        for key in keys:
            if key not in image and key != "crowd":
                raise ValueError(f"{name}[{index}] must have {key!r}, got {sorted(image)}")
            value = np.asarray(image[key] if key in image else np.zeros(len(image["boxes"]), bool))
            if len(value) != len(image["boxes"]):
                count = len(image["boxes"])
                raise ValueError(f"{name}[{index}] has {count} boxes and {len(value)} {key}")
            if len(value):
                columns[key].append(value)
    counts = [len(image["boxes"]) for image in images]
    boxes, labels, last = (np.concatenate(column) if column else [] for column in columns.values())
    table = {
        "images": np.repeat(np.arange(len(counts)), counts),
        "boxes": _checks.boxes(f"boxes of {name}", boxes).astype(float),
        "labels": _checks.labels(f"labels of {name}", labels, sum(counts)),
    }
    if extra == "scores":
        return table | {"scores": _checks.scores("scores", last, sum(counts)).astype(float)}
    crowd = np.asarray(last, None if len(last) else bool)
    if crowd.dtype != bool:
        raise ValueError(f"crowd must be True and False, got type {crowd.dtype}")
    return table | {"crowd": crowd}


def _select(table, label):
    chosen = table["labels"] == label
    return {key: column[chosen] for key, column in table.items()}


def _thresholds(values):
    array = np.atleast_1d(np.asarray(values))
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "iuf":
        raise ValueError(f"iou_thresholds must be numbers in (0, 1], got {values!r}")
    if not np.all((array > 0) & (array <= 1)):
        raise ValueError(f"iou_thresholds must be numbers in (0, 1], got {values!r}")
    return array.astype(float)


def _range(area_range):
    array = np.asarray(area_range)
    if array.shape != (2,) or array.dtype.kind not in "iuf" or not array[0] < array[1]:
        raise ValueError(f"area_range must be (smallest, largest), got {area_range!r}")
    return array
