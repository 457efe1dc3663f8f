"""Exercises of chapter 09b, object detection: three detectors."""

import itertools

import numpy as np

from course_utils.exercises import head_09b
from course_utils.exercises.broken_09b import ORDER
from course_utils.exercises.head_09b import ANCHORS, CHANNELS, ROWS
from course_utils.exercises.judge import Exercises

EXERCISES = Exercises()
rng = np.random.default_rng(92)

# What readers may say for each of the two numbers, and what is wrong with it.
OF_YOLO = {
    7 * 7 * 2 * 25: "in YOLO the classes belong to the cell, not to each of its boxes.",
    7 * 7 * 2 * 5: "the classes are missing: 20 numbers for each cell.",
    7 * 7 * (2 * 4 + 20): "each box has a confidence beside its four coordinates.",
    7 * 7 * (2 * 5 + 21): "YOLO has no class for the background: that is what confidence is for.",
    7 * 7 * 2: "these are the boxes; the question is for the numbers.",
}
OF_SSD = {
    (38 + 19 + 10 + 5 + 3 + 1) * 6: "a map of 38 positions a side has 38 x 38 of them.",
    (38**2 + 19**2 + 10**2 + 5**2 + 3**2 + 1) * 6: "not all maps have six boxes at a position.",
    (38**2 + 19**2 + 10**2 + 5**2 + 3**2 + 1) * 4: "not all maps have four boxes at a position.",
    38**2 + 19**2 + 10**2 + 5**2 + 3**2 + 1: "these are the positions; each has several boxes.",
    8732 * 25: "the question is for the boxes, not for the numbers that are predicted for them.",
}
EXERCISES.answer(
    "09b.1",
    (1470, 8732),
    "for YOLO: cells times numbers of a cell; for SSD: positions of each map times its boxes.",
    mistakes={
        **{f"YOLO: {why}": (number, 8732) for number, why in OF_YOLO.items()},
        **{f"SSD: {why}": (1470, number) for number, why in OF_SSD.items()},
        **{
            f"YOLO: {OF_YOLO[one]} SSD: {OF_SSD[other]}": (one, other)
            for one, other in itertools.product(OF_YOLO, OF_SSD)
        },
    },
    praise="the 1,470 come from one dense layer, the 8,732 boxes from six convolutions.",
)


def _assign(overlaps, axis=0, background="max", last=False, best=True, strict=False):
    """The function of 09b.2, right or with some of its faults."""
    labels = np.full(len(overlaps), -1)
    negative = getattr(overlaps, background)(axis=1) < 0.3
    if not last:
        labels[negative] = 0
    labels[overlaps.max(axis=1) > 0.7 if strict else overlaps.max(axis=1) >= 0.7] = 1
    if best:
        labels[overlaps.argmax(axis=axis)] = 1
    if last:
        labels[negative] = 0
    return labels


@EXERCISES.function(
    "09b.2",
    "read the rules once more: from 0.7 on, below 0.3 with every object, and each object's best.",
    cases=[
        # The last object's best anchor overlaps it by less than 0.3, and it is not the first.
        (np.array([[0.8, 0, 0.1], [0.5, 0.1, 0], [0.2, 0.1, 0], [0, 0.4, 0.2], [0.1, 0, 0]]),),
        (np.array([[0.9, 0], [0.7, 0], [0.3, 0.2], [0.29, 0.1], [0, 0.6], [0.1, 0.3], [0, 0.05]]),),
        (np.array([[0.1], [0.0], [0.2], [0.05]]),),
        (rng.uniform(0, 0.9, (30, 4)) ** 2,),
        (rng.uniform(0, 0.5, (12, 3)),),
    ],
    mistakes={
        "three faults at once, as it was given: try it on a matrix of three rows.": (
            lambda overlaps: _assign(overlaps, 1, "min", last=True)
        ),
        "argmax along axis 1 finds an object for each anchor; each object wants an anchor.": (
            lambda overlaps: _assign(overlaps, 1)
        ),
        "an anchor is background if its *largest* overlap is below 0.3.": (
            lambda overlaps: _assign(overlaps, 0, "min")
        ),
        "an object's best anchor stays positive, however little they overlap: mind the order.": (
            lambda overlaps: _assign(overlaps, last=True)
        ),
        "the largest overlap decides about the background, and an object's best anchor stays.": (
            lambda overlaps: _assign(overlaps, 0, "min", last=True)
        ),
        "each object wants an anchor, not the other way round, and it must not be overwritten.": (
            lambda overlaps: _assign(overlaps, 1, last=True)
        ),
        "two faults are left: the axis of argmax, and which overlap makes background.": (
            lambda overlaps: _assign(overlaps, 1, "min")
        ),
        "without the second rule some objects have no anchor at all.": (
            lambda overlaps: _assign(overlaps, best=False)
        ),
        "an overlap of 0.7 itself is enough.": lambda overlaps: _assign(overlaps, strict=True),
    },
    praise="in training, 64 of these are drawn for each image.",
)
def assign(overlaps):
    return _assign(overlaps)


@EXERCISES.network(
    "09b.3",
    "one 3 x 3 convolution of 64 channels with ReLU, then two of 1 x 1 beside each other.",
    input_shape=(ROWS, ROWS, CHANNELS),
    output_shape={
        "objectness": (ROWS * ROWS * ANCHORS,),
        "offsets": (ROWS * ROWS * ANCHORS, 4),
    },
    parameters=(9 * CHANNELS + 1) * 64 + 65 * ANCHORS * 5,
    layers={"Conv2D": 3},
    must={
        "logits and offsets are below 0 as well as above: no activation on them.": (
            head_09b.has_both_signs
        ),
        "the 3 x 3 convolution should have a ReLU; without it, all is one linear step.": (
            head_09b.is_not_linear
        ),
        "the numbers of an anchor should come from its own position and the eight around it: "
        "reshape from (rows, columns, anchors * numbers) straight away.": head_09b.is_local,
        "more than one garment in ten has no proposal at 0.5: train it, on both targets, and mind "
        "the anchors that the losses leave out.": head_09b.knows_objects,
        "the proposals lie on the garments, but too few fit well, at 0.75: leave anchors "
        "of -1 out, and train the offsets longer.": head_09b.moves_anchors,
    },
    mistakes={
        "both outputs should share the 3 x 3 convolution.": lambda: head_09b.build(shared=False),
        "these are two scores for each anchor, as in the paper; here one logit is asked for.": (
            lambda: head_09b.build(softmax=True)
        ),
        "the last two convolutions should be 1 x 1: only the shared one looks around.": (
            lambda: head_09b.build(size=3)
        ),
        "objectness is a logit here: leave the sigmoid to the loss.": (
            lambda: head_09b.build(activation="sigmoid")
        ),
        "the shared convolution has lost its ReLU; without it, all is one linear step.": (
            lambda: head_09b.build(hidden=None)
        ),
        "the axes are mixed up: before the reshape the channels must come last.": (
            lambda: head_09b.build(mixed=True)
        ),
    },
    praise="figure 3 of the paper: two sliding layers on a common one, trained without a class.",
)
def proposer():
    return head_09b.proposer()


def _lowest(scores, hits, total, recall, order=-1, strict=False, among="total", missing=0.0):
    """The function of 09b.4, right or with one of the usual faults."""
    ranked = np.argsort(order * scores, kind="stable")
    found = np.cumsum(hits[ranked]) / (total if among == "total" else max(1, hits.sum()))
    if among == "precision":
        found = np.cumsum(hits[ranked]) / np.arange(1, len(hits) + 1)
    enough = np.flatnonzero(found > recall if strict else found >= recall)
    return float(scores[ranked][enough[0]]) if len(enough) else missing


def _detections(count):
    return rng.permutation(count) / count, rng.random(count) < 0.6


@EXERCISES.function(
    "09b.4",
    "let the detections in one by one, by falling score, and count: when is the recall enough?",
    cases=[
        (np.array([0.2, 0.9, 0.5, 0.7]), np.array([True, True, False, True]), 4, 0.5),
        (np.array([0.2, 0.9, 0.5, 0.7]), np.array([True, True, False, True]), 4, 0.75),
        (np.array([0.2, 0.9, 0.5, 0.7]), np.array([True, True, False, True]), 4, 0.9),
        (*_detections(25), 18, 0.6),
        (*_detections(40), 30, 0.4),
        (np.array([0.8]), np.array([False]), 1, 0.5),
    ],
    mistakes={
        "argsort sorts upwards: this lets in the worst detections first.": (
            lambda *case: _lowest(*case, order=1)
        ),
        "a recall that is reached exactly is enough.": lambda *case: _lowest(*case, strict=True),
        "recall is the share of the *objects*; those without a detection count, too.": (
            lambda *case: _lowest(*case, among="hits")
        ),
        "this is the precision: hits among detections. Recall is hits among objects.": (
            lambda *case: _lowest(*case, among="precision")
        ),
        "if all detections together are not enough, return 0.": (
            lambda *case: _lowest(*case, missing=float(case[0].min()))
        ),
    },
    praise="pick it on validation images: on the test images it would be fitted to them.",
)
def threshold_for(scores, hits, total, recall):
    return _lowest(scores, hits, total, recall)


def _swapped(one, other):
    return {**ORDER, one: ORDER[other], other: ORDER[one]}


EXERCISES.answer(
    "09b.5",
    dict(ORDER),
    "for each case: does the name matter? does the number of boxes tell? do boxes fit a little, or "
    "not at all?",
    mistakes={
        "C and E: unmoved default boxes still overlap their objects, by about a half.": (
            _swapped("C", "E")
        ),
        "B and D: which fault leaves too few boxes, which too many?": _swapped("B", "D"),
        "A and E: boxes that are wrong do not get right when names do not matter.": (
            _swapped("A", "E")
        ),
        "A and C: in one of them only the name is wrong.": _swapped("A", "C"),
        "D and E: both leave many boxes, but those of doubles still fit.": _swapped("D", "E"),
    },
    praise="each fault has its own fingerprint, and none of them raised an error.",
)


@EXERCISES.network(
    "09b.6",
    "the checker counts cells of 0.5 and more, to one cell.",
    input_shape=(96, 96, 3),
    output_shape=(ROWS, ROWS, 1),
    outputs="probabilities",
    must={
        "no cell reaches 0.5. Nearly all cells are empty: make those with an object count more.": (
            head_09b.says_something
        ),
        "rows and columns are swapped: y comes first in an image.": head_09b.is_not_transposed,
        "it misses more than one garment in five: weight the cells with an object more, or train "
        "longer.": head_09b.finds_enough,
        "more than one hot cell in five has no garment: weight the cells with an object less, or "
        "train longer.": head_09b.is_precise_enough,
        "this is the confidence of the shipped YOLO; train a head of your own.": (
            head_09b.is_not_the_shipped_one
        ),
    },
    mistakes={
        "it never reaches 0.5. To say nothing is cheap while nearly all cells are empty.": (
            lambda: head_09b.heat_map(confident=False)
        ),
        "rows and columns are swapped: in an array y comes first.": (
            lambda: head_09b.heat_map(transposed=True)
        ),
        "nearly every cell is hot: to say yes everywhere finds all and tells nothing.": (
            lambda: head_09b.heat_map(hot=True)
        ),
        "this is the shipped YOLO, with its confidence shifted: train a head of your own.": (
            head_09b.heat_map
        ),
    },
    praise="a map of centres. To count, take its peaks; each still wants a size and a name.",
)
def heat_map():
    return head_09b.trained_heat_map()
