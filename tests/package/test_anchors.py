"""Anchors by hand."""

import numpy as np
import pytest

from course_utils.detection import anchors, boxes


class TestShapes:
    def test_by_hand(self):
        # Ratio 4: twice as wide, half as high as the square.
        found = anchors.shapes([10, 30], [1, 4, 1 / 4])
        expected = [(10, 10), (20, 5), (5, 20), (30, 30), (60, 15), (15, 60)]
        np.testing.assert_allclose(found, expected)

    def test_the_area_depends_on_the_scale_alone(self):
        found = anchors.shapes([7.5, 40], [0.3, 1, 2, 3])
        np.testing.assert_allclose(found.prod(axis=1), [7.5**2] * 4 + [40**2] * 4)
        np.testing.assert_allclose(found[:, 0] / found[:, 1], [0.3, 1, 2, 3] * 2)

    def test_squares_by_default(self):
        np.testing.assert_array_equal(anchors.shapes([8]), [[8, 8]])

    @pytest.mark.parametrize("wrong", [[], [0], [1, -2], [float("inf")], ["a"], 3, [[1, 2]]])
    def test_wrong_numbers_are_refused(self, wrong):
        with pytest.raises(ValueError, match="scales must be numbers above 0, got"):
            anchors.shapes(wrong)
        with pytest.raises(ValueError, match="ratios must be numbers above 0, got"):
            anchors.shapes([1], wrong)


class TestGrid:
    def test_by_hand(self):
        # 2 x 3 cells of 10 pixels: centres at x = 5, 15, 25 and y = 5, 15; two shapes at each.
        found = anchors.grid(rows=2, columns=3, stride=10, shapes=[(4, 8), (20, 2)])
        assert found.shape == (2 * 3 * 2, 4)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found[0], [3, 1, 7, 9])
        np.testing.assert_array_equal(found[1], [-5, 4, 15, 6])  # over the edge
        np.testing.assert_array_equal(found[2], [13, 1, 17, 9])  # the next column
        np.testing.assert_array_equal(found[6], [3, 11, 7, 19])  # the next row
        np.testing.assert_array_equal(found[11], [15, 14, 35, 16])

    def test_the_order_is_that_of_a_heads_output(self):
        found = anchors.grid(4, 5, 8, anchors.shapes([10, 20, 30]))
        centres = boxes.convert(found, "xyxy", "cxcywh").reshape(4, 5, 3, 4)
        assert np.all(centres[:, 2, :, 0] == 2.5 * 8)
        assert np.all(centres[3, :, :, 1] == 3.5 * 8)
        np.testing.assert_allclose(centres[1, 4, :, 2], [10, 20, 30], rtol=1e-6)

    def test_a_stride_need_not_be_whole(self):
        found = anchors.grid(3, 3, 96 / 9, [(2, 2)])
        np.testing.assert_allclose(
            found[-1], np.array([25.6667, 25.6667, 27.6667, 27.6667]), atol=1e-3
        )

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"rows": 0}, "rows must be a whole number >= 1, got 0"),
            ({"columns": 1.5}, "columns must be a whole number >= 1, got 1.5"),
            ({"stride": 0}, "stride must be numbers above 0"),
            ({"shapes": []}, "shapes must be widths and heights above 0"),
            ({"shapes": [(3, 0)]}, "shapes must be widths and heights above 0"),
            ({"shapes": [(3, 4, 5)]}, r"shapes of shape \(N, 2\), got \(1, 3\)"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, change, message):
        with pytest.raises(ValueError, match=message):
            anchors.grid(**({"rows": 2, "columns": 3, "stride": 8, "shapes": [(4, 4)]} | change))


class TestSsdScales:
    def test_as_in_the_paper(self):
        # Six maps from .2 to .9: steps of .14.
        np.testing.assert_allclose(anchors.ssd_scales(6), [0.2, 0.34, 0.48, 0.62, 0.76, 0.9])

    @pytest.mark.parametrize(("smallest", "largest"), [(0, 0.9), (0.5, 0.5), (0.2, 1.1)])
    def test_wrong_shares_are_refused(self, smallest, largest):
        with pytest.raises(ValueError, match="expected 0 < smallest < largest <= 1, got"):
            anchors.ssd_scales(3, smallest, largest)

    def test_one_map_has_no_steps(self):
        with pytest.raises(ValueError, match="levels must be a whole number >= 2, got 1"):
            anchors.ssd_scales(1)
