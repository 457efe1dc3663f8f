"""Photos of any shape as squares of the size that a network takes, and points back in the photo."""

import keras
import numpy as np

from course_utils._checks import photo, whole_number
from course_utils.detection.boxes import nms_per_class


def letterbox(image, size):
    """Fits an image into a square without distortion; black bars fill the rest.

    Args:
        image: array (H, W, 3), float, in [0, 1].
        size: side of the square in pixels, >= 1.

    Returns:
        float32 array (size, size, 3) in [0, 1], the image in its middle, resized with antialiasing.

    Raises:
        ValueError: if the image is none of that kind, or the size no whole number >= 1.
    """
    image, size = photo("image", image), whole_number("size", size)
    height, width, _ = image.shape
    side, left, top = _square(height, width)
    square = np.zeros((side, side, 3), np.float32)
    square[top : top + height, left : left + width] = image
    resized = keras.ops.image.resize(square, (size, size), antialias=True)
    return np.clip(np.asarray(resized), 0, 1)


def undo_letterbox(points, size, image_shape):
    """Where points of the square of `letterbox` lie in the image.

    Args:
        points: (..., 2) x, y in pixels of the square; a box is two points, (..., 2, 2).
        size: side of the square in pixels.
        image_shape: shape of the image, (height, width, ...).

    Returns:
        float32 array (..., 2), x, y in pixels of the image; outside of it where a bar is.

    Raises:
        ValueError: if the points have another shape, or the size is no whole number >= 1.
    """
    points, size = np.asarray(points, np.float32), whole_number("size", size)
    if points.shape[-1:] != (2,):
        raise ValueError(f"points must have shape (..., 2), got {points.shape}")
    side, left, top = _square(*image_shape[:2])
    return points * (side / size) - np.array([left, top], np.float32)


def best_in_photo(found, size, image_shape, iou_threshold, max_boxes):
    """What is left of boxes found in a letterboxed photo, moved to the photo and clipped to it.

    Args:
        found: dictionary of arrays with a row for each box: "boxes" (N, 4) x1, y1, x2, y2 in pixels
            of the square, "labels" (N,), "scores" (N,), and more.
        size: side of the square in pixels.
        image_shape: shape of the photo, (height, width, ...).
        iou_threshold: boxes with one label that overlap more than this count as one, in [0, 1].
        max_boxes: how many to return at most, or None for all.

    Returns:
        Dictionary of the same arrays with K <= N rows, by falling score, boxes in pixels of the
        photo. What lies in the bars alone is gone.

    Raises:
        ValueError: if `iou_threshold` or `max_boxes` is none of these.
    """
    height, width = image_shape[:2]
    corners = undo_letterbox(found["boxes"].reshape(-1, 2, 2), size, image_shape)
    boxes = np.clip(corners, 0, (width, height)).astype(np.float32).reshape(-1, 4)
    inside = np.all(boxes[:, :2] < boxes[:, 2:], axis=1)
    found = {name: array[inside] for name, array in (found | {"boxes": boxes}).items()}
    kept = nms_per_class(found["boxes"], found["scores"], found["labels"], iou_threshold, max_boxes)
    return {name: array[kept] for name, array in found.items()}


def _square(height, width):
    """Side of the smallest square around an image, and where the image's corner is in it."""
    side = max(height, width)
    return side, (side - width) // 2, (side - height) // 2
