"""Anchors: the boxes that a detector starts from, the same for every image.

They are (N, 4) x1, y1, x2, y2 in pixels, and may reach over the edges of the image.
"""

import numpy as np

from course_utils import _checks
from course_utils._checks import whole_number


def shapes(scales, ratios=(1.0,)):
    """Widths and heights of anchors: every scale with every ratio.

    Args:
        scales: S numbers > 0: the side of a square of the same area, in pixels.
        ratios: R numbers > 0: width by height, so that 2 lies and 1/2 stands. (Faster R-CNN's
            code counts them the other way round.)

    Returns:
        (S * R, 2) array of widths and heights in pixels: first all ratios of the first scale.

    Raises:
        ValueError: if scales or ratios are none, or not above 0.

    Source: Ren et al. (2015), Faster R-CNN, section 3.1.1; Liu et al. (2016), SSD, section 2.2.
    """
    scales, roots = _positive("scales", scales), np.sqrt(_positive("ratios", ratios))
    widths, heights = scales[:, np.newaxis] * roots, scales[:, np.newaxis] / roots  # (S, R)
    return np.stack([widths, heights], axis=-1).reshape(-1, 2)


def grid(rows, columns, stride, shapes):
    """Anchors of all shapes at every position of a feature map.

    Position (i, j) of the map stands for the stride x stride pixels of the image from
    (j * stride, i * stride) on; its anchors share the centre of that cell.

    Args:
        rows: height of the feature map, >= 1.
        columns: width of the feature map, >= 1.
        stride: pixels of the image between two positions, > 0.
        shapes: (A, 2) widths and heights in pixels, > 0, as `shapes` returns them.

    Returns:
        (rows * columns * A, 4) float32 boxes x1, y1, x2, y2 in pixels, row by row, at each position
        shape by shape: the order in which a head's output (rows, columns, A * 4) is reshaped to
        (rows * columns * A, 4).

    Raises:
        ValueError: if a length is not a whole number >= 1, or the stride or a shape is not above 0.
    """
    rows, columns = whole_number("rows", rows), whole_number("columns", columns)
    (stride,) = _positive("stride", [stride])
    sizes = _checks.rows("shapes", shapes, 2)
    if len(sizes) == 0 or not np.all(sizes > 0):
        raise ValueError(f"shapes must be widths and heights above 0, got {sizes.tolist()}")
    y, x = np.meshgrid(np.arange(rows) + 0.5, np.arange(columns) + 0.5, indexing="ij")
    centres = np.stack([x, y], axis=-1)[:, :, np.newaxis] * stride  # (rows, columns, 1, 2)
    corners = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=-1)
    return corners.reshape(-1, 4).astype(np.float32)


def ssd_scales(levels, smallest=0.2, largest=0.9):
    """Scales of SSD's anchors: from the finest feature map to the coarsest in equal steps.

    Args:
        levels: number of feature maps, >= 2.
        smallest: scale on the finest, as a share of the image's side, in (0, 1].
        largest: scale on the coarsest, the same, larger than `smallest`.

    Returns:
        (levels,) array of shares, rising.

    Raises:
        ValueError: if `levels` is not a whole number >= 2, or the shares are out of range.

    Source: Liu et al. (2016), SSD, equation 4.
    """
    levels = whole_number("levels", levels, low=2)
    if not 0 < smallest < largest <= 1:
        raise ValueError(
            f"expected 0 < smallest < largest <= 1, got smallest {smallest!r}, largest {largest!r}"
        )
    return np.linspace(smallest, largest, levels)


def _positive(name, values):
    array = np.asarray(values)
    if array.ndim != 1 or array.dtype.kind not in "iuf" or array.size == 0:
        raise ValueError(f"{name} must be numbers above 0, got {values!r}")
    if not np.all((array > 0) & np.isfinite(array)):
        raise ValueError(f"{name} must be numbers above 0, got {values!r}")
    return array.astype(float)
