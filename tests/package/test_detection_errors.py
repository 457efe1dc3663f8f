"""Kinds of errors, each on an example of its own."""

import numpy as np
import pytest

from course_utils.detection.errors import count_errors, sort_errors

OBJECTS = {"boxes": [[0, 0, 10, 10], [50, 50, 70, 60]], "labels": [2, 5]}


def found(*detections):
    """From (box, label, score)."""
    boxes, labels, scores = zip(*detections, strict=True) if detections else ([], [], [])
    return {"boxes": boxes, "labels": labels, "scores": scores}


@pytest.mark.parametrize(
    ("box", "label", "kind", "missed"),
    [
        ([0, 0, 10, 10], 2, "found", [1]),
        ([0, 0, 10, 5], 2, "found", [1]),  # .5 reaches .5
        ([0, 0, 10, 4], 2, "misplaced", [1]),
        ([0, 0, 10, 1], 2, "misplaced", [1]),  # .1 reaches .1
        ([0, 0, 9, 1], 2, "background", [0, 1]),
        ([0, 0, 10, 5], 5, "misnamed", [1]),
        ([0, 0, 10, 4], 5, "misplaced and misnamed", [1]),
        ([50, 50, 70, 60], 5, "found", [0]),
        ([80, 0, 90, 10], 2, "background", [0, 1]),
    ],
)
def test_one_detection(box, label, kind, missed):
    (image,) = sort_errors([OBJECTS], [found((box, label, 0.9))])
    assert image["kinds"] == [kind]
    assert image["detections"].tolist() == [0]
    assert image["missed"].tolist() == missed


def test_the_better_score_finds_and_the_other_is_double():
    detections = found(([0, 0, 10, 10], 2, 0.4), ([0, 0, 10, 8], 2, 0.8), ([0, 0, 10, 3], 2, 0.6))
    (image,) = sort_errors([OBJECTS], [detections])
    assert image["detections"].tolist() == [1, 2, 0]
    assert image["kinds"] == ["found", "misplaced", "doubled"]
    assert image["missed"].tolist() == [1]


def test_a_detection_takes_a_free_object_before_it_is_a_double():
    objects = {"boxes": [[0, 0, 10, 10], [0, 0, 10, 8]], "labels": [1, 1]}
    detections = found(([0, 0, 10, 10], 1, 0.9), ([0, 0, 10, 10], 1, 0.8))
    (image,) = sort_errors([objects], [detections])
    assert image["kinds"] == ["found", "found"]


def test_the_object_overlapped_most_decides():
    objects = {"boxes": [[0, 0, 10, 10], [4, 0, 14, 10]], "labels": [1, 2]}
    (image,) = sort_errors([objects], [found(([3, 0, 13, 10], 3, 0.9), ([8, 0, 18, 10], 1, 0.8))])
    assert image["kinds"] == ["misnamed", "misplaced and misnamed"]
    assert image["missed"].tolist() == [0]


def test_low_scores_do_not_count():
    detections = found(([0, 0, 10, 10], 2, 0.3), ([80, 0, 90, 10], 2, 0.29))
    (image,) = sort_errors([OBJECTS], [detections])
    assert image["kinds"] == ["found"]
    (image,) = sort_errors([OBJECTS], [detections], score_threshold=0.2)
    assert image["kinds"] == ["found", "background"]


def test_counts_of_all_images():
    empty = {"boxes": [], "labels": []}
    truth = [OBJECTS, empty, OBJECTS]
    predictions = [
        found(([0, 0, 10, 10], 2, 0.9), ([0, 0, 10, 10], 5, 0.8)),
        found(([1, 2, 3, 4], 0, 0.5)),
        found(),
    ]
    assert count_errors(truth, predictions) == {
        "found": 1,
        "misplaced": 0,
        "misnamed": 1,
        "misplaced and misnamed": 0,
        "doubled": 0,
        "background": 1,
        "missed": 3,
    }
    assert list(count_errors(truth, predictions, iou_threshold=0.9))[-1] == "missed"
    assert count_errors([], []) == dict.fromkeys(count_errors(truth, predictions), 0)


def test_thresholds_move_the_borders():
    detections = [found(([0, 0, 10, 7], 2, 0.9))]
    (image,) = sort_errors([OBJECTS], detections, iou_threshold=0.8)
    assert image["kinds"] == ["misplaced"]
    (image,) = sort_errors([OBJECTS], detections, iou_threshold=0.8, background=0.75)
    assert image["kinds"] == ["background"]


@pytest.mark.parametrize(
    ("predictions", "options", "message"),
    [
        ([], {}, "expected predictions for 1 images, got them for 0"),
        ([found()], {"background": 0.5}, "background 0.5, iou_threshold 0.5"),
        ([found()], {"iou_threshold": 1.1}, "iou_threshold 1.1"),
        ([{"boxes": np.zeros((1, 4)), "labels": [0], "scores": []}], {}, r"shape \(1,\)"),
    ],
)
def test_bad_arguments(predictions, options, message):
    with pytest.raises(ValueError, match=message):
        sort_errors([OBJECTS], predictions, **options)
