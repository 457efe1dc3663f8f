"""Augmentation of images together with the boxes in them.

Keras moves boxes as well, but in 3.8 to 3.15 its `RandomCrop` shifts x by the offset of the rows
and y by that of the columns (https://github.com/keras-team/keras/issues/23518). Boxes here are
(N, 4) x1, y1, x2, y2 in pixels: edges, not pixel centres, so that (0, 0, W, H) is the whole image.
"""

import numpy as np

from course_utils import _checks
from course_utils._checks import whole_number
from course_utils.detection.boxes import area


def flip_with_boxes(image, boxes):
    """Mirrors an image left to right, and its boxes with it.

    Args:
        image: array (H, W, C).
        boxes: (N, 4) x1, y1, x2, y2 in pixels, x1 < x2, y1 < y2, N >= 0.

    Returns:
        (image, boxes): a new image (H, W, C) of the same type, and float32 boxes (N, 4).

    Raises:
        ValueError: if the image or the boxes have another shape, or a box has no area.
    """
    image, boxes = _checked(image, boxes)
    x1, y1, x2, y2 = boxes.T
    width = image.shape[1]
    return image[:, ::-1].copy(), np.stack([width - x2, y1, width - x1, y2], axis=1)


def crop_with_boxes(image, boxes, top, left, height, width, keep=0.5):
    """Cuts a window out of an image, and clips the boxes to it.

    Args:
        image: array (H, W, C).
        boxes: (N, 4) x1, y1, x2, y2 in pixels, x1 < x2, y1 < y2, N >= 0.
        top: first row of the window, from 0 on.
        left: first column of the window, from 0 on.
        height: rows of the window, >= 1; it ends within the image.
        width: columns of the window, >= 1.
        keep: a box is dropped if less than this share of its area, in (0, 1], is in the window.

    Returns:
        (image, boxes, kept): a new image (height, width, C); float32 boxes (M, 4) in pixels of the
        window, M <= N; and the indices (M,) of these boxes among those given, for their labels.

    Raises:
        ValueError: if the image or the boxes have another shape, a box has no area, the window is
            not within the image, or `keep` is out of range.
    """
    image, boxes = _checked(image, boxes)
    top = whole_number("top", top, 0, image.shape[0] - 1)
    left = whole_number("left", left, 0, image.shape[1] - 1)
    height = whole_number("height", height, 1, image.shape[0] - top)
    width = whole_number("width", width, 1, image.shape[1] - left)
    if not 0 < keep <= 1:
        raise ValueError(f"keep must be above 0 and at most 1, got {keep!r}")
    moved = boxes - np.array([left, top, left, top], np.float32)
    clipped = np.clip(moved, 0, np.array([width, height, width, height], np.float32))
    kept = np.flatnonzero(area(clipped) >= keep * area(boxes))
    return image[top : top + height, left : left + width].copy(), clipped[kept], kept


def resize_with_boxes(image, boxes, height, width):
    """Scales an image, with antialiasing, and its boxes with it.

    Args:
        image: array (H, W, C).
        boxes: (N, 4) x1, y1, x2, y2 in pixels, x1 < x2, y1 < y2, N >= 0.
        height: rows of the new image, >= 1.
        width: columns of the new image, >= 1.

    Returns:
        (image, boxes): float32 image (height, width, C), and float32 boxes (N, 4).

    Raises:
        ValueError: if the image or the boxes have another shape, a box has no area, or a length is
            not a whole number >= 1.
    """
    import keras

    image, boxes = _checked(image, boxes)
    height, width = whole_number("height", height), whole_number("width", width)
    resized = keras.ops.image.resize(image.astype("float32"), (height, width), antialias=True)
    across, down = width / image.shape[1], height / image.shape[0]
    return np.array(resized), boxes * np.array([across, down, across, down], np.float32)


def _checked(image, boxes):
    """The image as an array, and the boxes as a new float32 array (N, 4)."""
    image = np.asarray(image)
    if image.ndim != 3:
        raise ValueError(f"expected an image of shape (H, W, C), got {image.shape}")
    boxes = np.array(_checks.boxes("boxes", boxes, thin=False), np.float32)
    return image, boxes
