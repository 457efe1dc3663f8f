"""Average precision by hand, and against COCO's own tool."""

import math

import numpy as np
import pytest
from coco_reference import average_precisions, coco_tool

from course_utils.detection import metrics

FIRST, SECOND, ELSEWHERE = [0, 0, 10, 10], [20, 0, 30, 10], [60, 60, 70, 70]


def image(boxes=(), labels=(), scores=None, crowd=None):
    found = {"boxes": boxes, "labels": labels}
    if scores is not None:
        found["scores"] = scores
    return found if crowd is None else found | {"crowd": crowd}


NOTHING = image(scores=[])


class TestPrecisionRecall:
    def test_by_hand(self):
        # By falling score: hit, false alarm, hit; one of three objects is never found.
        precision, recall = metrics.precision_recall([0.5, 0.9, 0.7], [True, True, False], 3)
        np.testing.assert_allclose(precision, [1, 1 / 2, 2 / 3])
        np.testing.assert_allclose(recall, [1 / 3, 1 / 3, 2 / 3])

    def test_equal_scores_keep_their_order(self):
        precision, _ = metrics.precision_recall([0.5, 0.5], [False, True], 1)
        np.testing.assert_allclose(precision, [0, 0.5])

    def test_without_detections(self):
        precision, recall = metrics.precision_recall([], [], 4)
        assert precision.shape == recall.shape == (0,)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (([0.5], [1], 1), r"hits must be \(D,\) of True and False, got \(1,\) of int"),
            (([0.5], [[True]], 1), r"hits must be \(D,\) of True and False, got \(1, 1\)"),
            (([0.5, 0.4], [True], 1), r"scores of shape \(1,\)"),
            (([float("nan")], [True], 1), "scores of finite numbers"),
            (([0.5], [True], 0), "total must be a whole number >= 1, got 0"),
            (([0.5, 0.4], [True, True], 1), "total must be a whole number >= 2, got 1"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            metrics.precision_recall(*arguments)


class TestAveragePrecision:
    # A hit, a false alarm, a hit, of four objects: precision 1, 1/2, 2/3 at recalls 1/4, 1/4, 1/2.
    CURVE = np.array([1, 1 / 2, 2 / 3]), np.array([1 / 4, 1 / 4, 1 / 2])

    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            ("voc", 1 / 4 * 1 + 1 / 4 * 2 / 3),
            ("voc2007", (3 * 1 + 3 * 2 / 3) / 11),  # recalls 0, .1, .2 and .3, .4, .5
            ("coco", (26 * 1 + 25 * 2 / 3) / 101),  # 0 to .25 and .26 to .5
        ],
    )
    def test_by_hand(self, rule, expected):
        assert metrics.average_precision(*self.CURVE, rule) == pytest.approx(expected, abs=1e-15)

    def test_cocos_rule_by_default(self):
        found = metrics.average_precision(*self.CURVE)
        assert found == metrics.average_precision(*self.CURVE, "coco")
        assert isinstance(found, float)

    @pytest.mark.parametrize("rule", metrics.RULES)
    def test_the_ends(self, rule):
        assert metrics.average_precision([1.0, 1.0], [0.5, 1.0], rule) == pytest.approx(1)
        assert metrics.average_precision([], [], rule) == 0
        assert metrics.average_precision([0.0], [0.0], rule) == 0
        # What is found late counts at every recall before it.
        assert metrics.average_precision([0, 0.5], [0, 1], rule) == pytest.approx(0.5)

    def test_input_stays(self):
        metrics.average_precision(*self.CURVE)
        np.testing.assert_array_equal(self.CURVE[0], [1, 1 / 2, 2 / 3])

    def test_what_does_not_fit_is_refused(self):
        with pytest.raises(ValueError, match="recall must not fall, got"):
            metrics.average_precision([1, 1], [0.5, 0.4])
        with pytest.raises(ValueError, match=r"recall of shape \(2,\)"):
            metrics.average_precision([1, 1], [0.5])
        with pytest.raises(ValueError, match='rule must be "coco", "voc" or "voc2007", got'):
            metrics.average_precision([1], [1], "area")


class TestMeanAveragePrecision:
    def test_by_hand(self):
        truth = [image([FIRST, SECOND], [3, 3]), image([FIRST], [5])]
        predictions = [
            # IoU .8; a second box for the same object; nothing there.
            image([[0, 0, 10, 8], FIRST, ELSEWHERE], [3, 3, 3], [0.9, 0.8, 0.7]),
            image([[0, 0, 10, 6], SECOND], [5, 8], [0.3, 0.99]),  # IoU .6; a class without objects
        ]
        result = metrics.mean_average_precision(truth, predictions, [0.5, 0.75])
        # Class 3: a hit, two false alarms, one object missed: 51 recalls of precision 1.
        # Class 5: a hit at .5, none at .75.
        np.testing.assert_allclose(result["AP"], [[51 / 101, 1], [51 / 101, 0]])
        assert result["labels"].tolist() == [3, 5]
        assert result["thresholds"].tolist() == [0.5, 0.75]
        assert result["mAP"] == pytest.approx((51 / 101 + 51 / 101 + 1 + 0) / 4)
        assert result["per_class"] == pytest.approx({3: 51 / 101, 5: 0.5})
        assert result["per_threshold"] == pytest.approx({0.5: (51 / 101 + 1) / 2, 0.75: 25.5 / 101})
        assert result["objects"] == {3: 2, 5: 1}
        assert result["detections"] == {3: 3, 5: 1}
        hits = {label: counts.tolist() for label, counts in result["hits"].items()}
        assert hits == {3: [1, 1], 5: [1, 0]}
        assert result["ignored"] == 1

    def test_one_threshold(self):
        truth, predictions = [image([FIRST], [0])], [image([[0, 0, 10, 6]], [0], [1.0])]
        assert metrics.mean_average_precision(truth, predictions, 0.6)["mAP"] == pytest.approx(1)
        assert metrics.mean_average_precision(truth, predictions, 0.61)["mAP"] == 0
        # Of COCO's ten thresholds it reaches .5, .55, .6.
        found = metrics.mean_average_precision(truth, predictions)
        assert found["mAP"] == pytest.approx(0.3)
        assert list(found["per_threshold"])[:3] == [0.5, 0.55, 0.6]

    @pytest.mark.parametrize("rule", metrics.RULES)
    def test_perfect_predictions(self, rule):
        truth = [image([FIRST, SECOND], [1, 2]), image(), image([ELSEWHERE], [1])]
        predictions = [scene | {"scores": np.ones(len(scene["labels"]))} for scene in truth]
        result = metrics.mean_average_precision(truth, predictions, [0.5, 1], rule)
        assert result["mAP"] == pytest.approx(1)
        assert result["thresholds"].tolist() == [0.5, 1]

    def test_the_rule_is_heard(self):
        truth = [image([FIRST, SECOND], [1, 1])]
        predictions = [image([FIRST], [1], [0.5])]
        found = [
            metrics.mean_average_precision(truth, predictions, 0.5, rule)["mAP"]
            for rule in metrics.RULES
        ]
        assert found == pytest.approx([51 / 101, 1 / 2, 6 / 11])

    @pytest.mark.parametrize("truth", [[], [image()], [image([FIRST], [1], crowd=[True])]])
    def test_without_objects(self, truth):
        predictions = [image([FIRST], [1], [0.5]) for _ in truth]
        result = metrics.mean_average_precision(truth, predictions, [0.5, 0.7])
        assert math.isnan(result["mAP"])
        assert result["AP"].shape == (2, 0)
        assert result["per_class"] == result["objects"] == result["per_threshold"] == {}
        assert result["ignored"] == len(truth)

    def test_without_detections(self):
        result = metrics.mean_average_precision([image([FIRST], [1])], [NOTHING])
        assert result["mAP"] == 0
        assert result["detections"] == {1: 0}

    def test_an_object_is_found_once_and_by_the_highest_score(self):
        truth = [image([FIRST], [0])]
        twice = [image([FIRST, [0, 0, 10, 7]], [0, 0], [0.4, 0.6])]
        scores, hits, total = metrics.outcomes(truth, twice, label=0)
        assert scores.tolist() == [0.6, 0.4]
        assert hits.tolist() == [True, False]
        assert total == 1

    def test_a_detection_takes_the_next_best_free_object(self):
        # Both overlap both objects; the second finds its favourite taken.
        truth = [image([[0, 0, 10, 10], [0, 0, 10, 8]], [0, 0])]
        both = [image([[0, 0, 10, 9.5], [0, 0, 10, 9.6]], [0, 0], [0.9, 0.8])]
        assert metrics.outcomes(truth, both, 0)[1].tolist() == [True, True]

    def test_of_another_image_or_class_is_no_hit(self):
        truth = [image([FIRST], [0]), image([SECOND], [1])]
        swapped = [image([SECOND], [0], [0.9]), image([FIRST, SECOND], [0, 0], [0.8, 0.7])]
        scores, hits, total = metrics.outcomes(truth, swapped, 0)
        assert not hits.any()
        assert (len(scores), total) == (3, 1)
        assert metrics.outcomes(truth, swapped, 1)[0].shape == (0,)

    def test_a_crowd_counts_for_nothing(self):
        truth = [image([[0, 0, 40, 10], ELSEWHERE], [0, 0], crowd=[True, False])]
        inside = [image([FIRST, SECOND, [100, 0, 110, 9]], [0] * 3, [0.9, 0.8, 0.7])]
        scores, hits, total = metrics.outcomes(truth, inside, 0)
        assert scores.tolist() == [0.7]
        assert hits.tolist() == [False]
        assert total == 1

    def test_objects_of_other_sizes_count_for_nothing(self):
        truth = [image([FIRST, [50, 0, 90, 40]], [0, 0])]  # 100 and 1,600 square pixels
        found = [image([FIRST, ELSEWHERE], [0, 0], [0.9, 0.8])]
        small = metrics.mean_average_precision(truth, found, 0.5, area_range=(0, 400))
        large = metrics.mean_average_precision(truth, found, 0.5, area_range=(400, 1e4))
        assert (small["mAP"], small["objects"]) == (pytest.approx(1), {0: 1})
        assert (large["mAP"], large["objects"]) == (0, {0: 1})


def random_set(rng, images, classes, most_objects, most_boxes, grid, levels, crowds):
    """Truth and predictions; on a grid IoUs are equal, with few levels scores are."""

    def boxes_near(centres):
        first, second = np.split(centres + rng.normal(0, 2, centres.shape), 2, axis=1)
        corners = np.hstack([np.minimum(first, second), np.maximum(first, second)])
        return np.round(corners / grid) * grid if grid else corners

    truth, predictions = [], []
    for _ in range(images):
        objects, boxes = rng.integers(most_objects + 1), rng.integers(most_boxes + 1)
        corner = rng.uniform(0, 60, (objects, 2))
        real = boxes_near(np.hstack([corner, corner + rng.uniform(3, 30, (objects, 2))]))
        labels = rng.integers(classes, size=objects)
        found, its_labels = (
            boxes_near(rng.uniform(0, 60, (boxes, 4))),
            rng.integers(classes, size=boxes),
        )
        if objects:
            for index in np.flatnonzero(rng.random(boxes) < 0.7):
                chosen = rng.integers(objects)
                found[index], its_labels[index] = boxes_near(real[[chosen]])[0], labels[chosen]
        scores = rng.random(boxes)
        scores = np.ceil(scores * levels) / levels if levels else scores
        truth.append(image(real, labels, crowd=rng.random(objects) < crowds))
        predictions.append(image(found, its_labels, scores))
    return truth, predictions


@pytest.mark.parametrize("grid", [0, 1, 5])
@pytest.mark.parametrize("levels", [0, 3])
@pytest.mark.parametrize("crowds", [0, 0.3])
def test_like_cocos_tool(grid, levels, crowds):
    rng = np.random.default_rng([grid, levels, int(10 * crowds)])
    compared = 0
    for case in range(25):
        sizes = rng.integers([1, 1, 0, 0], [9, 5, 9, 16]).tolist()
        truth, predictions = random_set(rng, *sizes, grid, levels, crowds)
        settings = {
            "max_boxes": (100, 1, 3)[case % 3],
            "area_range": ((0, 1e10), (60, 400))[case % 2],
        }
        thresholds = (metrics.COCO_THRESHOLDS, (0.3, 1), (0.6,))[case % 3]
        expected = average_precisions(coco_tool(truth, predictions, thresholds, **settings))
        result = metrics.mean_average_precision(truth, predictions, thresholds, **settings)
        assert sorted(expected) == result["labels"].tolist()
        for column, label in enumerate(sorted(expected)):
            np.testing.assert_allclose(result["AP"][:, column], expected[label], rtol=0, atol=1e-9)
            compared += 1
    assert compared >= 20


def test_like_cocos_tool_on_many_detections():
    # More than the 100 that count in each image and class.
    rng = np.random.default_rng(1)
    truth, predictions = random_set(rng, 3, 1, 30, 400, 1, 20, 0.1)
    expected = average_precisions(coco_tool(truth, predictions, metrics.COCO_THRESHOLDS))
    result = metrics.mean_average_precision(truth, predictions)
    np.testing.assert_allclose(result["AP"][:, 0], expected[0], rtol=0, atol=1e-9)
    assert result["detections"][0] == 300 < sum(len(found["labels"]) for found in predictions)


def test_what_is_equal_but_for_rounding_reaches_1():
    truth, found = [image([FIRST], [0])], [image([[0, 0, 10, 10 - 1e-11]], [0], [1.0])]
    assert metrics.mean_average_precision(truth, found, 1)["mAP"] == pytest.approx(1)
    assert average_precisions(coco_tool(truth, found, [1]))[0] == pytest.approx(1)


def test_of_equal_overlaps_the_last_object_is_taken():
    # As in COCO's tool: which one it is decides what is left for the second detection.
    truth = [image([[0, 0, 10, 10], [4, 0, 14, 10]], [0, 0])]
    found = [image([[2, 0, 12, 10], [0, 0, 10, 10]], [0, 0], [0.9, 0.8])]
    assert metrics.outcomes(truth, found, 0, 0.6)[1].tolist() == [True, True]
    found = [image([[2, 0, 12, 10], [4, 0, 14, 10]], [0, 0], [0.9, 0.8])]
    assert metrics.outcomes(truth, found, 0, 0.6)[1].tolist() == [True, False]


GOOD = image([FIRST], [0], [0.5])


@pytest.mark.parametrize(
    ("truth", "predictions", "message"),
    [
        ([GOOD], [], "predictions for 1 images, got them for 0"),
        ([{"boxes": [FIRST]}], [GOOD], r"truth\[0\] must have 'labels', got \['boxes'\]"),
        ([{"labels": [1]}], [GOOD], r"truth\[0\] must have 'boxes', got \['labels'\]"),
        ([GOOD], [image([FIRST], [0])], r"predictions\[0\] must have 'scores'"),
        ([image([FIRST], [0, 1])], [GOOD], r"truth\[0\] has 1 boxes and 2 labels"),
        (
            [GOOD, GOOD],
            [GOOD, image([FIRST], [0], [])],
            r"predictions\[1\] has 1 boxes and 0 scores",
        ),
        ([image([[5, 5, 1, 9]], [0])], [GOOD], "boxes of truth x1, y1, x2, y2 with x1 <= x2"),
        ([GOOD], [image([[0, 0, 1]], [0], [1])], r"boxes of predictions of shape \(N, 4\)"),
        ([image([FIRST], [0.0])], [GOOD], "labels of truth of whole numbers, got type float64"),
        ([GOOD], [image([FIRST], [-1], [1])], "labels of predictions >= 0, got -1"),
        ([GOOD], [image([FIRST], [0], [math.nan])], "scores of finite numbers"),
        ([image([FIRST], [0], crowd=[1])], [GOOD], "crowd must be True and False, got type int"),
    ],
)
def test_what_does_not_fit_is_refused(truth, predictions, message):
    for call in (metrics.mean_average_precision, lambda *a: metrics.outcomes(*a, label=0)):
        with pytest.raises(ValueError, match=message):
            call(truth, predictions)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"iou_thresholds": 0}, r"iou_thresholds must be numbers in \(0, 1\], got 0"),
        ({"iou_thresholds": [0.5, 1.1]}, "iou_thresholds must be"),
        ({"iou_thresholds": []}, "iou_thresholds must be"),
        ({"iou_thresholds": "0.5"}, "iou_thresholds must be"),
        ({"iou_thresholds": [[0.5]]}, "iou_thresholds must be"),
        ({"iou_thresholds": math.nan}, "iou_thresholds must be"),
        ({"rule": "voc2012"}, "rule must be"),
        ({"max_boxes": 0}, "max_boxes must be a whole number >= 1"),
        ({"area_range": (5, 5)}, r"area_range must be \(smallest, largest\), got"),
        ({"area_range": 100}, "area_range must be"),
        ({"area_range": ("a", "b")}, "area_range must be"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        metrics.mean_average_precision([GOOD], [GOOD], **settings)


def test_a_label_is_a_whole_number():
    with pytest.raises(ValueError, match=r"label must be a whole number >= 0, got 0\.5"):
        metrics.outcomes([GOOD], [GOOD], label=0.5)
