"""What the exercises on detection measure: evaluations, broken decoders, proposals, heat maps."""

import numpy as np
import pytest
from cheaper import untraced

from course_utils.detection import scenes, ssd
from course_utils.detection.metrics import mean_average_precision
from course_utils.exercises import broken_09b, evaluation_09, head_09b
from course_utils.exercises.judge import find
from course_utils.pretrained import detectors


@pytest.fixture(scope="module")
def results():
    return broken_09b.broken_results()


def test_the_right_decoder_is_the_package_s(results):
    images, truth = scenes.make_scenes(broken_09b.SCENES, seed=3, split="test")
    with untraced():
        found = ssd.decode(detectors.ssd()(images))
    scores = mean_average_precision(truth, found, (0.5, 0.75))["per_threshold"]
    assert results["right"][:2] == pytest.approx(list(scores.values()), abs=1e-3)
    boxes = np.mean([len(image["boxes"]) for image in found])
    assert results["right"][3] == pytest.approx(boxes, abs=0.1)


def test_each_fault_leaves_the_trace_that_gives_it_away(results):
    right = results["right"]
    by_fault = {fault: results[case] for case, fault in broken_09b.ORDER.items()}
    assert list(results) == ["right", "A", "B", "C", "D", "E"]
    assert sorted(by_fault) == sorted(broken_09b.FAULTS)
    # Default boxes as they are fit by half, and no better.
    assert by_fault[1][1] < 0.1 < 0.5 < by_fault[1][0] < right[0]
    assert max(by_fault[2][:3]) < 0.05  # ten times too far: nothing fits, whatever its name
    assert by_fault[3][0] < 0.1  # wrong names, and the boxes of the right decoder
    assert by_fault[3][2:] == pytest.approx(right[2:])
    assert by_fault[4][3] > 2 * right[3]
    assert by_fault[5][3] < right[3] / 3
    assert by_fault[5][1] > 0.9 * by_fault[5][0]  # what is left fits well


def test_recall_and_precision_to_one_cell():
    # Centres in the cells (column, row) (1, 2), (11, 0) and, in the second image, (5, 5).
    truth = [
        {"boxes": np.array([[4.0, 16, 20, 24], [90, 0, 94, 6]])},
        {"boxes": np.array([[30.0, 40, 54, 50]])},
    ]
    hot = np.zeros((2, 12, 12), bool)
    hot[0, 3, 2] = True  # one down and one right of the first
    hot[0, 2, 3] = True  # two right of it: too far
    hot[1, 5, 5] = hot[1, 4, 5] = True
    assert head_09b.recall_and_precision(hot, truth) == (2 / 3, 3 / 4)
    assert head_09b.recall_and_precision(np.zeros((2, 12, 12), bool), truth) == (0, 0)


@pytest.mark.parametrize(
    ("options", "holds"),
    [
        ({}, (True, True, True, True)),
        ({"confident": False}, (False, True, False, False)),
        ({"transposed": True}, (True, False, False, False)),
        ({"hot": True}, (True, True, True, False)),
    ],
)
def test_what_is_seen_of_a_heat_map(options, holds):
    model = head_09b.heat_map(**options)
    seen = (
        head_09b.says_something, head_09b.is_not_transposed, head_09b.finds_enough,
        head_09b.is_precise_enough,
    )  # fmt: skip
    assert tuple(function(model) for function in seen) == holds


def test_an_evaluation_without_faults_is_the_package_s():
    cases = evaluation_09.FIELDS["cases"]
    right = [evaluation_09.evaluate(*case) for case in cases]
    assert [evaluation_09.faulty()(*case) for case in cases] == pytest.approx(right)
    assert right[2:] == pytest.approx([1, 0, 1])  # the truth handed in, nothing found, one object


def test_the_evaluation_as_it_is_given_finds_nothing():
    planted = evaluation_09.faulty(shares=True, **dict.fromkeys(evaluation_09.QUIET, True))
    assert {planted(*case) for case in evaluation_09.FIELDS["cases"]} == {0}


def test_the_confidence_of_the_shipped_yolo_is_known_by_its_order():
    assert not head_09b.is_not_the_shipped_one(head_09b.heat_map())
    assert head_09b.is_not_the_shipped_one(head_09b.heat_map(transposed=True))


def test_proposals_that_nobody_trained_are_refused():
    assert "has no proposal" in find("09b.3").judge(head_09b.build()).message
