"""Boxes by hand, and against TensorFlow's non-maximum suppression."""

import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from course_utils.detection import boxes

TALL, WIDE = [10, 20, 14, 50], [3, 5, 33, 12]  # x1, y1, x2, y2
HALF = [10, 20, 14, 35]  # the upper half of TALL
NONE = np.zeros((0, 4))
FORMS = {  # TALL and WIDE
    "xyxy": [TALL, WIDE],
    "xywh": [[10, 20, 4, 30], [3, 5, 30, 7]],
    "cxcywh": [[12, 35, 4, 30], [18, 8.5, 30, 7]],
}


def tensorflows(corners, scores, threshold, most=None):
    """What TensorFlow keeps; its boxes are y1, x1, y2, x2."""
    corners = np.asarray(corners, np.float32).reshape(-1, 4)[:, [1, 0, 3, 2]]
    most = len(corners) if most is None else most
    scores = np.asarray(scores, np.float32)
    return tf.image.non_max_suppression(corners, scores, most, float(threshold)).numpy().tolist()


def random_boxes(rng, count, clusters, grid=None, size=100):
    """Boxes around a few centres; on a grid many are equal, touch, or have no area."""
    centres = rng.uniform(0, size, (clusters, 4))[rng.integers(clusters, size=count)]
    first, second = np.split(centres + rng.normal(0, 3, (count, 4)), 2, axis=1)
    corners = np.hstack([np.minimum(first, second), np.maximum(first, second)])
    return np.round(corners / grid) * grid if grid else corners


class TestConvert:
    @pytest.mark.parametrize("source", boxes.FORMATS)
    @pytest.mark.parametrize("target", boxes.FORMATS)
    def test_by_hand(self, source, target):
        np.testing.assert_array_equal(boxes.convert(FORMS[source], source, target), FORMS[target])

    def test_there_and_back(self):
        corners = random_boxes(np.random.default_rng(0), 50, 7)
        for form in ("xywh", "cxcywh"):
            back = boxes.convert(boxes.convert(corners, "xyxy", form), form, "xyxy")
            np.testing.assert_allclose(back, corners, atol=1e-12)

    @pytest.mark.parametrize("form", ["xywh", "cxcywh"])
    def test_a_negative_size_is_refused(self, form):
        with pytest.raises(ValueError, match="x1 <= x2"):
            boxes.convert([[5, 5, -1, 2]], form, "xyxy")

    def test_an_unknown_format_is_refused(self):
        with pytest.raises(ValueError, match='source must be "xyxy", "xywh" or "cxcywh", got'):
            boxes.convert([TALL], "yxyx", "xyxy")
        with pytest.raises(ValueError, match="target must be"):
            boxes.convert([TALL], "xyxy", "corners")


class TestOverlap:
    def test_areas_by_hand(self):
        np.testing.assert_array_equal(boxes.area([TALL, WIDE, [1, 2, 1, 9]]), [120, 210, 0])

    def test_intersections_by_hand(self):
        # TALL and [12, 25, 40, 40] share 2 x 15; WIDE only touches [33, 0, 40, 9].
        shared = boxes.intersection([TALL, WIDE, WIDE], [[12, 25, 40, 40], [33, 0, 40, 9], TALL])
        np.testing.assert_array_equal(shared, [30, 0, 0])

    def test_iou_by_hand(self):
        others = [TALL, HALF, [12, 20, 18, 50], [14, 20, 18, 50], [0, 0, 5, 5]]
        # Equal; half; 2 x 30 of 120 + 180 - 60; they touch; far away.
        np.testing.assert_allclose(boxes.iou([TALL], others), [[1, 0.5, 60 / 240, 0, 0]])
        assert boxes.iou([TALL, WIDE, HALF], [TALL, WIDE]).shape == (3, 2)
        np.testing.assert_array_equal(boxes.iou(others, [TALL]), boxes.iou([TALL], others).T)

    def test_boxes_without_area_overlap_nothing(self):
        point, line = [12, 30, 12, 30], [12, 20, 12, 50]
        np.testing.assert_array_equal(
            boxes.iou([point, line], [TALL, point, line]), np.zeros((2, 3))
        )

    @pytest.mark.parametrize(("a", "b"), [([TALL], []), ([], [TALL, WIDE]), ([], NONE)])
    def test_no_boxes(self, a, b):
        assert boxes.iou(a, b).shape == (len(a), len(b))

    @pytest.mark.parametrize(
        ("given", "expected"),
        [("float32", "float32"), ("float64", "float64"), ("uint8", "float32")],
    )
    def test_types(self, given, expected):
        corners = np.array([TALL, WIDE], given)
        for result in (boxes.iou(corners, corners), boxes.area(corners)):
            assert result.dtype == expected
        assert boxes.clip(corners, 30, 30).dtype == expected

    def test_unequal_numbers_are_refused(self):
        with pytest.raises(ValueError, match="as many boxes in b as in a, 2, got 1"):
            boxes.intersection([TALL, WIDE], [TALL])


class TestNms:
    @pytest.mark.parametrize(
        ("threshold", "kept"), [(0.4, [1, 2]), (0.5, [1, 0, 2]), (0.6, [1, 0, 2])]
    )
    def test_by_hand(self, threshold, kept):
        # HALF overlaps TALL by .5 exactly, which is not more than .5.
        assert boxes.nms([HALF, TALL, WIDE], [0.6, 0.9, 0.5], threshold).tolist() == kept

    def test_a_box_that_is_gone_suppresses_nobody(self):
        row = [[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10]]  # neighbours overlap by 6 / 14
        assert boxes.nms(row, [0.9, 0.8, 0.7], 0.3).tolist() == [0, 2]

    def test_equal_scores_go_by_index(self):
        assert boxes.nms([WIDE, TALL, WIDE], [0.5, 0.5, 0.5], 0.5).tolist() == [0, 1]

    @pytest.mark.parametrize("most", [0, 1, 2, 5, np.int64(2)])
    def test_no_more_than_asked_for(self, most):
        kept = boxes.nms([HALF, TALL, WIDE], [0.6, 0.9, 0.5], 0.5, most)
        assert kept.tolist() == [1, 0, 2][: int(most)]

    def test_no_boxes(self):
        kept = boxes.nms([], [], 0.5)
        assert kept.shape == (0,)
        assert NONE[kept].shape == (0, 4)

    @pytest.mark.parametrize("grid", [None, 1, 7])
    @pytest.mark.parametrize("levels", [None, 4])
    def test_like_tensorflow(self, grid, levels):
        rng = np.random.default_rng(1)
        for count, clusters in [(1, 1), (3, 1), (40, 4), (130, 9), (300, 40), (700, 700)]:
            corners, scores = random_boxes(rng, count, clusters, grid), rng.normal(size=count)
            if levels:
                scores = np.round(scores * levels) / levels  # many ties
            for threshold in (0, 0.1, 0.25, 0.5, 0.7, 1):
                for most in (None, 5):
                    kept = boxes.nms(corners, scores, threshold, most).tolist()
                    assert kept == tensorflows(corners, scores, threshold, most)

    @pytest.mark.parametrize("threshold", [0.1, 0.2, 0.3, 0.6, 0.7, 0.9])
    def test_like_tensorflow_at_the_threshold_itself(self, threshold):
        # Of 10 columns the second box has 1 to 10: IoUs of .1, .2, ... 1, as float32 has them.
        for columns in range(1, 11):
            corners = [[0, 0, 10, 3], [0, 0, columns, 3]]
            for given in (threshold, np.float64(threshold), np.float32(threshold)):
                kept = boxes.nms(corners, [2, 1], given).tolist()
                assert kept == tensorflows(corners, [2, 1], threshold)

    def test_float32_decides_what_is_equal(self):
        scores = [0.5, 0.5 + 1e-9]
        assert boxes.nms([WIDE, TALL], scores, 0.5).tolist() == [0, 1]
        assert tensorflows([WIDE, TALL], scores, 0.5) == [0, 1]

    def test_input_stays(self):
        corners, scores = np.array([WIDE, TALL], "float32"), np.array([1, 2], "float32")
        corners.flags.writeable = scores.flags.writeable = False
        boxes.nms(corners, scores, 0.5)
        boxes.nms_per_class(corners, scores, [0, 1], 0.5)

    @pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
    def test_a_threshold_out_of_range_is_refused(self, threshold):
        with pytest.raises(ValueError, match="iou_threshold must be from 0 to 1, got"):
            boxes.nms([TALL], [1.0], threshold)

    @pytest.mark.parametrize("most", [-1, 1.5, "2"])
    def test_a_wrong_number_is_refused(self, most):
        for call in (boxes.nms, lambda *a: boxes.nms_per_class(*a[:2], [0], *a[2:])):
            with pytest.raises(ValueError, match="max_boxes must be a whole number >= 0, got"):
                call([TALL], [1.0], 0.5, most)


class TestNmsPerClass:
    def test_by_hand(self):
        corners, scores = [TALL, HALF, TALL, WIDE], [0.3, 0.9, 0.8, 0.4]
        # The second TALL is of another class; the first and HALF compete.
        kept = boxes.nms_per_class(corners, scores, [7, 7, 2, 2], 0.4)
        assert kept.tolist() == [1, 2, 3]
        assert boxes.nms_per_class(corners, scores, [7, 7, 2, 2], 0.4, 2).tolist() == [1, 2]

    def test_equal_scores_go_by_index(self):
        kept = boxes.nms_per_class([TALL, WIDE, TALL], [0.5, 0.5, 0.5], [9, 3, 1], 0.5)
        assert kept.tolist() == [0, 1, 2]

    def test_of_one_class_it_is_nms(self):
        rng = np.random.default_rng(2)
        corners, scores = random_boxes(rng, 90, 11), rng.random(90)
        kept = boxes.nms_per_class(corners, scores, np.full(90, 4), 0.3)
        np.testing.assert_array_equal(kept, boxes.nms(corners, scores, 0.3))

    def test_like_tensorflow_with_the_classes_far_apart(self):
        rng = np.random.default_rng(3)
        corners, scores = random_boxes(rng, 200, 11, grid=1), rng.random(200)
        labels = rng.integers(0, 5, 200)
        apart = corners + 1000 * labels[:, np.newaxis]
        kept = boxes.nms_per_class(corners, scores, labels, 0.4)
        assert kept.tolist() == tensorflows(apart, scores, 0.4)

    def test_no_boxes(self):
        assert boxes.nms_per_class([], [], [], 0.5).shape == (0,)


class TestClip:
    def test_by_hand(self):
        over = [[-3, 5, 8, 70], [35, -9, 60, 4], [50, 60, 70, 80]]
        # The last lies outside of an image of 30 x 40 pixels: no area is left.
        expected = [[0, 5, 8, 30], [35, 0, 40, 4], [40, 30, 40, 30]]
        np.testing.assert_array_equal(boxes.clip(over, height=30, width=40), expected)

    def test_a_wrong_size_is_refused(self):
        with pytest.raises(ValueError, match="width must be a whole number >= 1, got 0"):
            boxes.clip([TALL], 30, 0)


class TestOffsets:
    ANCHOR = (10, 20, 20, 60)  # centre 15, 40; 10 wide, 40 high

    def test_by_hand(self):
        box = [12, 40, 32, 80]  # centre 22, 60: .7 widths and .5 heights away; twice as wide
        offsets = boxes.encode([box], [self.ANCHOR], variances=(1, 1, 1, 1))
        np.testing.assert_allclose(offsets, [[0.7, 0.5, np.log(2), 0]], atol=1e-15)
        offsets = boxes.encode([box], [self.ANCHOR])
        np.testing.assert_allclose(offsets, [[7, 5, np.log(2) / 0.2, 0]], atol=1e-14)
        np.testing.assert_allclose(boxes.decode(offsets, [self.ANCHOR]), [box], atol=1e-12)

    def test_no_offsets_are_the_anchors(self):
        decoded = boxes.decode(np.zeros((2, 4), "float32"), np.array([TALL, WIDE], "float32"))
        np.testing.assert_array_equal(decoded, [TALL, WIDE])
        assert decoded.dtype == np.float32

    @pytest.mark.parametrize("variances", [(1, 1, 1, 1), (0.1, 0.1, 0.2, 0.2), (3, 1, 4, 2)])
    def test_there_and_back(self, variances):
        rng = np.random.default_rng(4)
        a, b = (random_boxes(rng, 60, 60) + [0, 0, 1, 1] for _ in range(2))
        back = boxes.decode(boxes.encode(a, b, variances), b, variances)
        np.testing.assert_allclose(back, a, atol=1e-9)

    def test_an_untrained_network_cannot_overflow(self):
        (box,) = boxes.decode([[0, 0, 1e30, -1e30]], [self.ANCHOR], (1, 1, 1, 1))
        np.testing.assert_allclose(box, [15 - 312.5, 40, 15 + 312.5, 40])

    def test_no_boxes(self):
        assert boxes.encode([], []).shape == boxes.decode([], []).shape == (0, 4)

    def test_what_does_not_fit_is_refused(self):
        with pytest.raises(ValueError, match="as many anchors as boxes, 2, got 1"):
            boxes.encode([TALL, WIDE], [TALL])
        with pytest.raises(ValueError, match="as many anchors as offsets, 1, got 2"):
            boxes.decode([[0, 0, 0, 0]], [TALL, WIDE])
        with pytest.raises(ValueError, match=r"expected boxes .* x1 < x2 and y1 < y2"):
            boxes.encode([[1, 2, 1, 3]], [TALL])
        with pytest.raises(ValueError, match=r"expected anchors .* x1 < x2 and y1 < y2"):
            boxes.decode([[0, 0, 0, 0]], [[1, 2, 3, 2]])
        for wrong in ((1, 1, 1, 0), (1, -1, 1, 1)):
            with pytest.raises(ValueError, match="variances must be four numbers above 0, got"):
                boxes.encode([TALL], [TALL], wrong)
        with pytest.raises(ValueError, match=r"variances of shape \(N, 4\), got \(1, 3\)"):
            boxes.decode([[0, 0, 0, 0]], [TALL], (1, 1, 1))


@pytest.mark.parametrize(
    "call",
    [
        boxes.area,
        lambda given: boxes.iou(given, [TALL]),
        lambda given: boxes.iou([TALL], given),
        lambda given: boxes.intersection(given, given),
        lambda given: boxes.nms(given, np.ones(len(given)), 0.5),
        lambda given: boxes.nms_per_class(
            given, np.ones(len(given)), np.ones(len(given), int), 0.5
        ),
        lambda given: boxes.clip(given, 10, 10),
        lambda given: boxes.encode(given, given),
        lambda given: boxes.decode([[0, 0, 0, 0]], given),
        lambda given: boxes.convert(given, "xyxy", "xywh"),
    ],
)
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (TALL, r"of shape \(N, 4\), got \(4,\)"),
        ([TALL[:3]], r"of shape \(N, 4\), got \(1, 3\)"),
        ([WIDE, [14, 20, 10, 50]], r"x1 <?=? ?x2 .*, got \[14.*, 20.*, 10.*, 50"),
        ([[10, 50, 14, 20]], "x1"),
        ([[0, 0, float("nan"), 1]], r"of finite numbers, got \[0.0, 0.0, nan, 1.0\]"),
        ([[0, 0, float("inf"), 1]], "of finite numbers"),
        ([["a", "b", "c", "d"]], "of real numbers, got type <U1"),
    ],
)
def test_what_is_no_box_is_refused(call, given, message):
    with pytest.raises(ValueError, match=message):
        call(given)


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([0.5], r"scores of shape \(2,\), one for each box, got \(1,\)"),
        ([[0.5], [0.4]], r"scores of shape \(2,\)"),
        ([0.5, float("nan")], "scores of finite numbers, got"),
        ([0.5, float("-inf")], "scores of finite numbers, got"),
        (["a", "b"], "scores of real numbers"),
    ],
)
def test_what_are_no_scores_is_refused(scores, message):
    for call in (
        lambda: boxes.nms([TALL, WIDE], scores, 0.5),
        lambda: boxes.nms_per_class([TALL, WIDE], scores, [0, 1], 0.5),
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0], r"labels of shape \(2,\)"),
        ([0.0, 1.0], "labels of whole numbers, got type float64"),
        ([True, False], "labels of whole numbers, got type bool"),
        ([0, -1], r"labels >= 0, got -1"),
    ],
)
def test_what_are_no_labels_is_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        boxes.nms_per_class([TALL, WIDE], [0.1, 0.2], labels, 0.5)


def test_numpy_is_enough():
    modules = ", ".join(
        f"course_utils.detection.{name}" for name in ("metrics", "matching", "anchors")
    )
    code = f"import sys, {modules}; print({{'tensorflow', 'keras'}} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"set\(\)\s*", run.stdout)
