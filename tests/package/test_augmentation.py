"""Boxes stay on what they frame when the image is flipped, cropped or scaled."""

import numpy as np
import pytest

from course_utils.augmentation import crop_with_boxes, flip_with_boxes, resize_with_boxes

HEIGHT, WIDTH = 5, 7
IMAGE = np.arange(HEIGHT * WIDTH * 2, dtype="float32").reshape(HEIGHT, WIDTH, 2)
BOXES = np.array([[1, 0, 3, 2], [2, 1, 7, 4]], "float32")  # x1, y1, x2, y2


def painted(box):
    """An image in which exactly the pixels of a box are 1."""
    x1, y1, x2, y2 = map(int, box)
    image = np.zeros((HEIGHT, WIDTH, 1), "float32")
    image[y1:y2, x1:x2] = 1
    return image


def found(image):
    """The box around all pixels that are not 0."""
    rows, columns = np.nonzero(image[:, :, 0])
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_flip_by_hand():
    image, boxes = flip_with_boxes(IMAGE, BOXES)
    np.testing.assert_array_equal(image, IMAGE[:, ::-1])
    np.testing.assert_array_equal(boxes, [[4, 0, 6, 2], [0, 1, 5, 4]])
    assert boxes.dtype == np.float32


def test_two_flips_are_none():
    image, boxes = flip_with_boxes(*flip_with_boxes(IMAGE, BOXES))
    np.testing.assert_array_equal(image, IMAGE)
    np.testing.assert_array_equal(boxes, BOXES)


@pytest.mark.parametrize("box", BOXES)
def test_a_flipped_box_frames_the_flipped_pixels(box):
    image, boxes = flip_with_boxes(painted(box), [box])
    np.testing.assert_array_equal(boxes, [found(image)])


def test_crop_by_hand():
    image, boxes, kept = crop_with_boxes(IMAGE, BOXES, top=1, left=2, height=3, width=4)
    np.testing.assert_array_equal(image, IMAGE[1:4, 2:6])
    # Of the first box one of four pixels is left, of the second 12 of 15.
    np.testing.assert_array_equal(boxes, [[0, 0, 4, 3]])
    np.testing.assert_array_equal(kept, [1])
    assert boxes.dtype == np.float32


@pytest.mark.parametrize("box", BOXES)
def test_a_cropped_box_frames_the_pixels_that_are_left(box):
    image, boxes, _ = crop_with_boxes(painted(box), [box], 1, 2, 3, 4, keep=0.1)
    np.testing.assert_array_equal(boxes, [found(image)])


@pytest.mark.parametrize(
    ("keep", "kept"), [(0.25, [0, 1]), (0.26, [1]), (0.8, [1]), (0.81, []), (1, [])]
)
def test_a_box_stays_if_enough_of_it_does(keep, kept):
    _, boxes, indices = crop_with_boxes(IMAGE, BOXES, 1, 2, 3, 4, keep=keep)
    assert indices.tolist() == kept
    assert boxes.shape == (len(kept), 4)


def test_a_box_outside_the_window_is_dropped_however_little_must_stay():
    _, boxes, kept = crop_with_boxes(IMAGE, BOXES, 3, 0, 2, 2, keep=1e-9)
    assert boxes.shape == (0, 4)
    assert kept.shape == (0,)


def test_the_whole_image_is_a_crop():
    image, boxes, kept = crop_with_boxes(IMAGE, BOXES, 0, 0, HEIGHT, WIDTH, keep=1)
    np.testing.assert_array_equal(image, IMAGE)
    np.testing.assert_array_equal(boxes, BOXES)
    np.testing.assert_array_equal(kept, [0, 1])


def test_resize_by_hand():
    image, boxes = resize_with_boxes(IMAGE, BOXES, height=10, width=21)
    assert image.shape == (10, 21, 2)
    np.testing.assert_array_equal(boxes, [[3, 0, 9, 4], [6, 2, 21, 8]])


def test_resize_to_half_averages():
    image, _ = resize_with_boxes(np.full((4, 6, 1), 3, "uint8"), [], height=2, width=3)
    np.testing.assert_allclose(image, np.full((2, 3, 1), 3), rtol=1e-6)
    assert image.dtype == np.float32


@pytest.mark.parametrize(
    "change",
    [
        flip_with_boxes,
        lambda image, boxes: crop_with_boxes(image, boxes, 1, 2, 3, 4),
        lambda image, boxes: resize_with_boxes(image, boxes, 3, 4),
    ],
)
def test_input_stays_and_no_boxes_are_fine(change):
    image, boxes = IMAGE.copy(), BOXES.copy()
    results = change(image, boxes)
    for result in results[:2]:
        result += 1
    np.testing.assert_array_equal(image, IMAGE)
    np.testing.assert_array_equal(boxes, BOXES)
    assert change(IMAGE, [])[1].shape == (0, 4)


@pytest.mark.parametrize(
    ("image", "boxes", "message"),
    [
        (IMAGE[:, :, 0], BOXES, r"image of shape \(H, W, C\), got \(5, 7\)"),
        (IMAGE, BOXES[0], r"boxes of shape \(N, 4\), got \(4,\)"),
        (IMAGE, BOXES[:, :3], r"boxes of shape \(N, 4\), got \(2, 3\)"),
        (IMAGE, [[3, 0, 1, 2]], "x1 < x2"),
        (IMAGE, [[1, 2, 3, 2]], "y1 < y2"),
    ],
)
def test_wrong_images_and_boxes_are_refused(image, boxes, message):
    with pytest.raises(ValueError, match=message):
        flip_with_boxes(image, boxes)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("top", -1, "from 0 to 4"),
        ("top", 5, "from 0 to 4"),
        ("left", 7, "from 0 to 6"),
        ("height", 5, "from 1 to 4"),
        ("width", 0, "from 1 to 5"),
        ("width", 6, "from 1 to 5"),
        ("keep", 0, "above 0 and at most 1"),
        ("keep", 1.1, "above 0 and at most 1"),
    ],
)
def test_a_window_outside_the_image_is_refused(name, value, expected):
    window = {"top": 1, "left": 2, "height": 3, "width": 4, "keep": 0.5, name: value}
    with pytest.raises(ValueError, match=f"{name} must be .*{expected}, got {value}"):
        crop_with_boxes(IMAGE, BOXES, **window)


@pytest.mark.parametrize("size", [(0, 4), (3, 1.5)])
def test_a_wrong_size_is_refused(size):
    with pytest.raises(ValueError, match="must be a whole number >= 1"):
        resize_with_boxes(IMAGE, BOXES, *size)
