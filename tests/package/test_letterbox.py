"""Photos as squares, points back in the photo, and what of overlapping boxes is left."""

import numpy as np
import pytest

from course_utils.pretrained import letterbox, undo_letterbox
from course_utils.pretrained.letterbox import best_in_photo


class TestLetterbox:
    def test_bars_are_black_and_the_image_stays_as_it_is(self):
        image = np.full((3, 8, 3), (0.25, 0.5, 0.75), np.float32)
        square = letterbox(image, 8)
        assert square.shape == (8, 8, 3)
        assert square.dtype == np.float32
        np.testing.assert_array_equal(square[2:5], image)  # two rows above, three below
        assert not square[:2].any()
        assert not square[5:].any()

    def test_a_tall_image_has_bars_at_its_sides(self):
        square = letterbox(np.ones((9, 4, 3)), 9)
        assert square[..., 0].tolist() == [[0, 0, 1, 1, 1, 1, 0, 0, 0]] * 9

    def test_it_is_resized_with_antialiasing(self):
        stripes = np.zeros((64, 64, 3), np.float32)
        stripes[:, ::2] = 1
        np.testing.assert_allclose(letterbox(stripes, np.int64(8))[:, 1:-1], 0.5, atol=0.03)

    def test_an_image_that_grows(self):
        square = letterbox(np.tile(np.float32([[0, 1]])[..., np.newaxis], (2, 1, 3)), 4)
        # The centres of the four lie at -1/4, 1/4, 3/4 and 5/4 of the two, and stop at the ends.
        np.testing.assert_allclose(square[..., 1], [[0, 0.25, 0.75, 1]] * 4, atol=1e-6)

    def test_the_image_given_is_left_alone(self):
        image = np.ones((2, 2, 3), np.float32)
        letterbox(image, 2)[:] = 0
        assert image.all()

    @pytest.mark.parametrize("image", [np.zeros((4, 5)), np.full((4, 5, 3), np.nan)])
    def test_refuses_an_image(self, image):
        with pytest.raises(ValueError, match=r"^image must have .*, got "):
            letterbox(image, 8)

    @pytest.mark.parametrize("size", [0, 8.0, None, True])
    def test_refuses_a_size(self, size):
        with pytest.raises(ValueError, match=f"size must be a whole number >= 1, got {size!r}"):
            letterbox(np.zeros((4, 5, 3)), size)


class TestUndoLetterbox:
    @pytest.mark.parametrize("shape", [(30, 70, 3), (70, 30, 3), (9, 9, 3)])
    def test_a_bright_pixel_is_found_where_it_was(self, shape):
        image = np.zeros(shape, np.float32)
        image[4, 6] = 1
        square = letterbox(image, 280)
        weights = square[..., 0] / square[..., 0].sum()
        steps = np.arange(280) + 0.5
        x, y = weights.sum(axis=0) @ steps, weights.sum(axis=1) @ steps
        back = undo_letterbox([x, y], 280, shape)
        np.testing.assert_allclose(back, [6.5, 4.5], atol=0.02)  # the middle of the pixel

    def test_corners_of_a_box_by_hand(self):
        # 10 x 40 pixels stand 15 pixels below the upper edge of a square of 40, at twice the size.
        corners = np.array([[[0, 30], [80, 50]], [[8, 0], [40, 80]]])
        moved = undo_letterbox(corners, 80, (10, 40, 3))
        assert moved.dtype == np.float32
        assert moved.tolist() == [[[0, 0], [40, 10]], [[4, -15], [20, 25]]]

    @pytest.mark.parametrize("shape", [(3,), (5, 4), ()])
    def test_refuses_points(self, shape):
        with pytest.raises(ValueError, match=r"points must have shape \(\.\.\., 2\), got") as error:
            undo_letterbox(np.zeros(shape), 80, (10, 40, 3))
        assert str(error.value).endswith(str(shape))

    def test_refuses_a_size(self):
        with pytest.raises(ValueError, match=r"size must be a whole number >= 1, got 0.5"):
            undo_letterbox([1, 2], 0.5, (10, 40, 3))


class TestBestInPhoto:
    @staticmethod
    def found(boxes, labels, scores):
        return {
            "boxes": np.array(boxes, np.float32).reshape(-1, 4),
            "labels": np.array(labels, np.int32),
            "scores": np.array(scores, np.float32),
            "row": np.arange(len(boxes)),
        }

    def test_the_best_of_each_class_by_falling_score(self):
        # Boxes 0 and 1 share 8 of 12 square pixels, 2 equals 0 but for its class.
        boxes = [(0, 4, 2, 9), (0, 5, 2, 10), (0, 4, 2, 9), (4, 4, 8, 8)]
        found = self.found(boxes, [3, 3, 5, 3], [0.6, 0.7, 0.5, 0.9])
        best = best_in_photo(found, 12, (12, 12, 3), iou_threshold=0.6, max_boxes=9)
        assert best["row"].tolist() == [3, 1, 2]
        assert best["labels"].tolist() == [3, 3, 5]
        assert best["scores"].tolist() == pytest.approx([0.9, 0.7, 0.5])
        assert best["boxes"].dtype == np.float32
        best = best_in_photo(found, 12, (12, 12, 3), iou_threshold=0.7, max_boxes=9)
        assert best["row"].tolist() == [3, 1, 0, 2]
        best = best_in_photo(found, 12, (12, 12, 3), iou_threshold=0.6, max_boxes=2)
        assert best["row"].tolist() == [3, 1]

    def test_boxes_are_clipped_to_the_photo_and_gone_if_nothing_is_left(self):
        boxes = [(0, 20, 80, 60), (10, 0, 30, 30), (70, 45, 90, 99)]  # the second is in a bar
        found = self.found(boxes, [0, 0, 0], [0.5, 0.9, 0.4])
        best = best_in_photo(found, 80, (10, 40, 3), iou_threshold=0.5, max_boxes=9)
        assert best["row"].tolist() == [0, 2]
        assert best["boxes"].tolist() == [[0, 0, 40, 10], [35, 7.5, 40, 10]]

    def test_nothing_found(self):
        best = best_in_photo(self.found([], [], []), 80, (10, 40, 3), 0.5, 9)
        assert {name: array.shape for name, array in best.items()} == {
            "boxes": (0, 4),
            "labels": (0,),
            "scores": (0,),
            "row": (0,),
        }
