"""Exercises of chapter 09, object detection: boxes, NMS and mAP."""

import numpy as np

from course_utils.detection import boxes
from course_utils.exercises import evaluation_09, head_09
from course_utils.exercises.head_09 import ANCHORS, CLASSES, ROWS
from course_utils.exercises.judge import Exercises

EXERCISES = Exercises()
rng = np.random.default_rng(9)

EXERCISES.answer(
    "09.1",
    16 / 68,
    "find the shared rectangle first: the larger of the two left edges, the smaller of the two "
    "right ones, and the same for top and bottom.",
    mistakes={
        "this is the shared area in pixels; divide it by the area of the union.": 16,
        "the sum of both areas counts the shared part twice.": 16 / (48 + 36),
        "this divides by the area of the first box; the union is larger.": 16 / 48,
        "boxes are edges: a box from 2 to 10 is 8 wide, not 9.": 25 / (63 + 49 - 25),
        "the first box is in xywh: convert it before you compare.": 6 / (18 + 36 - 6),
        "the second box is in xyxy: its last two numbers are edges.": 20 / (48 + 84 - 20),
    },
    tolerance=1e-3,
    praise="4/17: at a threshold of 0.5 these two would not count as the same object.",
)


def _suppress(corners, scores, labels, threshold, shift=None, seen="kept", touching=False):
    """The function of 09.2, right or with some of its faults."""
    shift = corners.max() if shift is None else shift
    shifted = corners + labels[:, np.newaxis] * shift
    kept, order = np.full(len(corners), False), np.argsort(-scores)
    for rank, index in enumerate(order):
        others = {"kept": kept, "lower": np.arange(index), "earlier": order[:rank]}[seen]
        overlaps = boxes.iou(shifted[[index]], shifted[others])
        kept[index] = not np.any(overlaps >= threshold if touching else overlaps > threshold)
    return kept


# Three in a row, each half over the next, and two more: the first suppresses only its neighbour.
CHAIN = np.array([[1, 1, 7, 7], [3, 1, 9, 7], [5, 1, 11, 7], [12, 2, 16, 6], [13, 2, 17, 6.0]])


def _cloud(count, classes):
    corners = rng.integers(0, 30, (count, 2))
    sizes = rng.integers(8, 20, (count, 2))
    cloud = np.hstack([corners, corners + sizes]).astype(float)
    return cloud, rng.permutation(count) / count, rng.integers(0, classes, count)


@EXERCISES.function(
    "09.2",
    "go through the loop with five boxes on paper: who comes first, and with whom is it compared?",
    cases=[
        (*_cloud(30, 3), 0.3),
        (*_cloud(40, 2), 0.5),
        (CHAIN, np.array([0.7, 0.9, 0.8, 0.5, 0.6]), np.array([1, 1, 1, 0, 0]), 0.5),
        (CHAIN, np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([0, 0, 0, 2, 2]), 0.4),
        (CHAIN[[0, 0, 3, 3]], np.array([0.2, 0.4, 0.8, 0.6]), np.array([0, 1, 3, 2]), 0.1),
        (*_cloud(12, 4), 0.2),
    ],
    mistakes={
        "the classes still compete: one pixel a class does not take their boxes apart.": (
            lambda *case: _suppress(*case, shift=1)
        ),
        "the classes still compete: all boxes lie where they were.": (
            lambda *case: _suppress(*case, shift=0)
        ),
        "the classes still compete, and a box is compared with whichever stand before it.": (
            lambda *case: _suppress(*case, 1, "lower")
        ),
        "the classes still compete, and the worst box chooses first.": (
            lambda corners, scores, *rest: _suppress(corners, -scores, *rest, 1)
        ),
        "argsort sorts upwards, so the worst box chooses first.": (
            lambda corners, scores, *rest: _suppress(corners, -scores, *rest)
        ),
        "a box is compared with those that come before it in the list, whether kept or not.": (
            lambda *case: _suppress(*case, seen="lower")
        ),
        "a box that was dropped must not suppress others: compare with those kept.": (
            lambda *case: _suppress(*case, seen="earlier")
        ),
        "a box at the threshold itself stays: only more overlap suppresses.": (
            lambda *case: _suppress(*case, touching=True)
        ),
    },
    praise="torchvision's batched_nms moves the classes apart in the same way.",
)
def suppress_per_class(corners, scores, labels, threshold):
    return _suppress(corners, scores, labels, threshold)


def _decode(
    offsets, anchors, variances=(0.1, 0.2), origin=0.5, grow=np.exp, pixels=False, old=False
):
    corners, sizes = anchors[:, :2], anchors[:, 2:] - anchors[:, :2]
    centres = corners + origin * sizes + variances[0] * offsets[:, :2] * (1 if pixels else sizes)
    sizes = sizes * (1 if old else grow(variances[1] * offsets[:, 2:]))
    return np.hstack([centres - sizes / 2, centres + sizes / 2])


def _anchors(count):
    corners = rng.uniform(0, 50, (count, 2))
    return np.hstack([corners, corners + rng.uniform(5, 40, (count, 2))])


@EXERCISES.function(
    "09.3",
    "solve the four equations of `encode` for the centre and the size of the box, then turn these "
    "into corners.",
    cases=[
        (rng.normal(0, 2, (7, 4)), _anchors(7)),
        (np.zeros((3, 4)), _anchors(3)),
        (np.array([[5.0, -10.0, 0.0, 3.0]]), np.array([[10.0, 20.0, 30.0, 60.0]])),
    ],
    mistakes={
        "the offsets were divided by the variances, so multiply by them.": (
            lambda *case: _decode(*case, variances=(1, 1))
        ),
        "encode divided by the variances; this divides once more.": (
            lambda *case: _decode(*case, variances=(10, 5))
        ),
        "tx and ty count in widths and heights of the anchor, not in pixels.": (
            lambda *case: _decode(*case, pixels=True)
        ),
        "the corners lie around the new centre by half the new size.": (
            lambda *case: _decode(*case, old=True)
        ),
        "tx and ty move the centre of the anchor, not its corner.": (
            lambda *case: _decode(*case, origin=0)
        ),
        "tw and th are logarithms.": lambda *case: _decode(*case, grow=lambda t: 1 + t),
        "these are centre and size; the answer should be x1, y1, x2, y2.": (
            lambda *case: boxes.convert(_decode(*case), "xyxy", "cxcywh")
        ),
    },
)
def decode(offsets, anchors):
    return _decode(offsets, anchors)


def _true_positives(
    corners, scores, objects, threshold, taken=0, wait=False, order=None, touched=False
):
    """The function of 09.4, right or with one of the usual faults."""
    overlaps, hits = boxes.iou(corners, objects), []
    found = np.full(len(objects), False)
    for index in np.argsort(-scores) if order is None else order:
        best = overlaps[index].argmax()
        hits.append(overlaps[index, best] >= threshold and not (wait and found[best]))
        found[best] |= hits[-1]
        overlaps[:, best] *= taken if (hits[-1] or touched) and not wait else 1
    return np.array(hits)


def _first_free(corners, scores, objects, threshold):
    """A wrong function: each detection takes the first object that is near enough."""
    enough = boxes.iou(corners, objects) >= threshold
    hits = []
    for index in np.argsort(-scores):
        hits.append(enough[index].any())
        enough[:, enough[index].argmax()] &= not hits[-1]
    return np.array(hits)


def _objects_choose(corners, scores, objects, threshold):
    """A wrong function: each object takes the detection that overlaps it most."""
    overlaps = boxes.iou(corners, objects)
    best = overlaps.argmax(axis=0)[overlaps.max(axis=0) >= threshold]
    return np.isin(np.argsort(-scores), best)


def _seen(objects, count):
    """Detections around objects, some of them doubles or far off."""
    chosen = objects[rng.integers(0, len(objects), count)]
    return chosen + rng.integers(-3, 4, (count, 1)), rng.permutation(count) / count, objects


OBJECTS = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [30, 30, 44, 42.0]])


@EXERCISES.function(
    "09.4",
    "by falling score, each takes the free object that it overlaps most, if that is enough.",
    cases=[
        (*_seen(OBJECTS, 9), 0.5),
        (*_seen(OBJECTS, 6), 0.75),
        # Both detections overlap the first object most; the second one has to take the other.
        (np.array([[1, 0, 11, 10], [0, 0, 10, 10.0]]), np.array([0.3, 0.8]), OBJECTS, 0.5),
        # The first detection overlaps both objects enough, and leaves the second one its own.
        (np.array([[3, 0, 13, 10], [0, 0, 10, 9.0]]), np.array([0.9, 0.6]), OBJECTS[:2], 0.5),
        # One that is exactly at the threshold: 50 of 100 pixels.
        (np.array([[0, 0, 10, 5.0], [60, 0, 70, 9]]), np.array([0.2, 0.9]), OBJECTS[:1], 0.5),
        (OBJECTS[[2, 2, 2]], np.array([0.5, 0.9, 0.7]), OBJECTS, 0.9),
        (OBJECTS[[0]], np.array([0.5]), OBJECTS[[2]], 0.1),
        # The better box comes second and finds its object taken.
        (
            np.array([[0, 0, 10, 9], [60, 60, 70, 70], [0, 0, 10, 10.0]]),
            np.array([0.9, 0.8, 0.6]),
            OBJECTS[[0, 2]],
            0.5,
        ),
    ],
    mistakes={
        "an object is found once; a second box on it is a false positive.": (
            lambda *case: _true_positives(*case, taken=1)
        ),
        "the detections choose by falling score, not in the order in which they come.": (
            lambda corners, *rest: _true_positives(corners, *rest, order=range(len(corners)))
        ),
        "they choose by falling score: argsort sorts upwards.": (
            lambda corners, scores, *rest: _true_positives(corners, -scores, *rest)
        ),
        "the right hits in the wrong order: return them by falling score.": (
            lambda corners, scores, *rest: _true_positives(corners, scores, *rest)[
                np.argsort(np.argsort(-scores))
            ]
        ),
        "this gives up when the best object is taken, as Pascal VOC's tool did; COCO's takes the "
        "best of those that are free.": lambda *case: _true_positives(*case, wait=True),
        "a detection that is not near enough leaves its object free.": (
            lambda *case: _true_positives(*case, touched=True)
        ),
        "here each object chooses; it is the detections that choose, by falling score.": (
            _objects_choose
        ),
        "of the free objects it takes the one it overlaps most, not the first that will do.": (
            _first_free
        ),
        "an overlap of the threshold itself is enough.": (
            lambda corners, scores, objects, threshold: _true_positives(
                corners, scores, objects, threshold + 1e-9
            )
        ),
    },
    praise="with cumsum and an envelope behind it, this is the AP of one image.",
)
def true_positives(corners, scores, objects, threshold):
    return _true_positives(corners, scores, objects, threshold)


@EXERCISES.network(
    "09.5",
    "two 3 x 3 convolutions: for each anchor 10 classes and the background, and 4 offsets.",
    input_shape=(ROWS, ROWS, 32),
    output_shape={
        "scores": (ROWS * ROWS * ANCHORS, CLASSES + 1),
        "offsets": (ROWS * ROWS * ANCHORS, 4),
    },
    parameters=(9 * 32 + 1) * ANCHORS * (CLASSES + 1 + 4),
    must={
        "offsets are below 0 as well as above: no activation on them.": head_09.has_both_signs,
        "no activation between the convolution and the softmax: it makes scores equal.": (
            head_09.scores_differ
        ),
        "look at the axis of the softmax.": lambda model: not head_09.adds_up(axis=0)(model),
        "the scores of one anchor, background included, should add up to 1.": head_09.adds_up(
            axis=1
        ),
        "the numbers of an anchor should come from its own position and the eight around it: "
        "reshape from (rows, columns, anchors * numbers) straight away.": head_09.is_local,
    },
    mistakes={
        "where would the score of an anchor go that has no object?": (
            lambda: head_09.build(classes=CLASSES)
        ),
        "without padding the anchors at the border get no numbers.": (
            lambda: head_09.build(padding="valid")
        ),
        "put a softmax over the 11 scores of each anchor, behind the reshape.": (
            lambda: head_09.build(softmax=False)
        ),
        "this softmax runs over the anchors, so that they compete for a class; it is the classes "
        "that compete.": lambda: head_09.build(axis=1),
        "the scores' convolution has an activation; the softmax wants its numbers as they are.": (
            lambda: head_09.build(activations=("relu", None))
        ),
        "the offsets' convolution has an activation; then no box moves left.": (
            lambda: head_09.build(activations=(None, "relu"))
        ),
        "the axes are mixed up: before the reshape the channels must come last.": (
            lambda: head_09.build(mixed=True)
        ),
    },
    praise="this is SSD's head for one feature map; SSD has one for each of six.",
)
def head():
    return head_09.build()


EXERCISES.function("09.6", **evaluation_09.FIELDS)(evaluation_09.evaluate)
