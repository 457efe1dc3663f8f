"""Anchors and objects, matched by hand."""

import numpy as np
import pytest

from course_utils.detection.matching import BACKGROUND, IGNORED, match

OBJECTS = [[0, 0, 10, 10], [20, 0, 30, 10]]
ANCHORS = [
    [0, 0, 10, 8],  # .8 of the first object
    [0, 0, 10, 6],  # .6
    [0, 0, 10, 4],  # .4
    [0, 0, 10, 2],  # .2
    [40, 0, 50, 9],  # far away
    [20, 0, 30, 3],  # .3 of the second
]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"best": False}, [0, 0, -1, -1, -1, -1]),
        ({"best": True}, [0, 0, -1, -1, -1, 1]),
        ({"best": False, "negative": 0.3}, [0, 0, -2, -1, -1, -2]),
        ({"best": True, "negative": 0.3}, [0, 0, -2, -1, -1, 1]),
        ({"best": False, "positive": 0.7, "negative": 0.4}, [0, -2, -2, -1, -1, -1]),
        ({"best": False, "positive": 0.6}, [0, 0, -1, -1, -1, -1]),  # .6 reaches .6
        ({"best": False, "positive": 0.2}, [0, 0, 0, 0, -1, 1]),
        ({"best": True, "positive": 1}, [0, -1, -1, -1, -1, 1]),
    ],
)
def test_by_hand(settings, expected):
    matches = match(ANCHORS, OBJECTS, **settings)
    assert matches.tolist() == expected
    assert matches.dtype.kind == "i"


def test_names_for_what_is_no_object():
    assert (BACKGROUND, IGNORED) == (-1, -2)
    matches = match(ANCHORS, OBJECTS, negative=0.3, best=False)
    assert (matches == IGNORED).tolist() == [False, False, True, False, False, True]


def test_two_objects_that_want_one_anchor_both_get_one():
    objects = [[0, 0, 10, 10], [0, 0, 10, 9]]
    anchors = [[0, 0, 10, 8], [0, 0, 10, 3]]
    # The first anchor is best for both: the second object overlaps it more, by 8 / 9.
    assert match(anchors, objects).tolist() == [1, 0]
    assert match(anchors, objects, best=False).tolist() == [1, -1]


def test_the_best_anchor_of_one_may_be_taken_from_another():
    objects = [[0, 0, 10, 10], [8, 0, 10, 10]]
    # The anchor overlaps the first object by .9, but is all that touches the second.
    assert match([[0, 0, 10, 10], [1, 0, 10, 10]], objects).tolist() == [0, 1]
    assert match([[0, 0, 10, 10], [1, 0, 10, 10]], objects, best=False).tolist() == [0, 0]


def test_an_object_that_no_anchor_touches_gets_none():
    assert match(ANCHORS[4::-1], OBJECTS).tolist() == [-1, -1, -1, 0, 0]


def test_more_objects_than_anchors():
    objects = [[0, 0, 10, 10], [0, 0, 10, 7], [0, 0, 10, 5]]
    assert match([[0, 0, 10, 9]], objects).tolist() == [0]


def test_of_equal_overlaps_the_first_wins():
    twins = [[0, 0, 10, 10], [0, 0, 10, 10]]
    assert match(twins[:1], twins, best=False).tolist() == [0]
    assert match(twins, twins[:1], positive=1, negative=1).tolist() == [0, 0]
    assert match([[0, 0, 10, 4], [0, 0, 10, 4]], twins[:1]).tolist() == [0, -1]


def test_no_objects_and_no_anchors():
    assert match(ANCHORS, []).tolist() == [-1] * 6
    assert match([], OBJECTS).shape == (0,)


def test_every_object_is_found_among_random_anchors():
    rng = np.random.default_rng(0)
    for _ in range(50):
        corner = rng.uniform(0, 60, (40, 2))
        anchors = np.hstack([corner, corner + rng.uniform(5, 40, (40, 2))])
        objects = anchors[rng.choice(40, 7, replace=False)] + rng.uniform(-2, 2, (7, 4))
        assert set(range(7)) <= set(match(anchors, objects, 0.7, 0.3).tolist())


@pytest.mark.parametrize(
    ("positive", "negative"), [(0, 0), (1.1, 0.5), (0.5, 0.6), (0.5, -0.1), (float("nan"), 0)]
)
def test_thresholds_out_of_range_are_refused(positive, negative):
    with pytest.raises(
        ValueError, match="expected 0 <= negative <= positive <= 1 and positive > 0"
    ):
        match(ANCHORS, OBJECTS, positive, negative)
