"""Images in a grid, and small matrices with their numbers."""

import math

import matplotlib.pyplot as plt
import numpy as np

from course_utils._checks import whole_number

PAGE = 7.6  # inches across the text of a page
GAP = 0.06  # inches between two pictures


def show_images(images, titles=None, columns=None, limits="full", ax=None):
    """Draws images in a grid.

    Args:
        images: (N, H, W), (N, H, W, 1) or (N, H, W, 3) array, or a list of images of
            different sizes and types. Values go from 0 to 255 in uint8 images, else from 0 to 1.
        titles: N texts, or None.
        columns: images in a row, >= 1; chosen when None.
        limits: what is drawn black and white in grey images: "full", the ends of the range
            above; (low, high), in the images' own units; or None, each image's own smallest and
            largest value.
        ax: Axes whose place the grid takes, or None for a new figure.

    Returns:
        (N,) array of Axes, one for each image in its order. Draw on them in pixels: (0, 0) is the
        centre of the first pixel, x goes right and y down; an image stays where it is, and what
        lies outside of it is not shown.

    Raises:
        ValueError: if there is no image, one has another shape or no numbers, titles and images
            differ in number, `columns` is no whole number >= 1, `limits` are none, or `images` is
            one array without a batch axis. (A, B, 1) and (A, B, 3) with B larger than 1 or 3 count
            as one image; pass narrow grey images as a list, or with an axis of channels.
    """
    shape = tuple(getattr(images, "shape", ()))
    if len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3) and shape[1] > shape[2]):
        raise ValueError(
            f"expected a batch of images or a list of them, got one image {shape}: "
            "put it into a list, [image], or give it a batch axis, image[None]"
        )
    images = [np.asarray(image) for image in images]
    if not images:
        raise ValueError("expected at least one image, got none")
    for image in images:
        if image.ndim < 2 or image.shape[2:] not in ((), (1,), (3,)) or image.size == 0:
            raise ValueError(f"expected images (H, W), (H, W, 1) or (H, W, 3), got {image.shape}")
        if image.dtype.kind not in "biuf":
            raise ValueError(f"expected images of real numbers, got type {image.dtype}")
    titles = [""] * len(images) if titles is None else [str(title) for title in titles]
    if len(titles) != len(images):
        raise ValueError(f"{len(images)} images need as many titles, got {len(titles)}")
    if columns is not None:
        columns = whole_number("columns", columns)
    if not isinstance(limits, str) or limits != "full":
        _check_limits(limits)
    ax, places, font_size = _lay_out(images, titles, columns, ax)
    cells = np.array([ax.inset_axes(place) for place in places])
    for cell, image, title in zip(cells, images, titles, strict=True):
        picture = image.squeeze(2) if image.shape[2:] == (1,) else image
        if picture.dtype == bool:
            picture = picture.astype("float32")  # Matplotlib knows no colours of truth values
        if limits is None:
            low, high = None, None
        elif isinstance(limits, str):
            low, high = 0, 255 if picture.dtype == np.uint8 else 1
        else:
            low, high = limits
        # Small images show their pixels; large ones are smoothed as they shrink.
        interpolation = "nearest" if max(picture.shape[:2]) <= 128 else None
        cell.imshow(picture, cmap="gray", vmin=low, vmax=high, interpolation=interpolation)
        cell.set_title(title, fontsize=font_size, loc="center", pad=3)
        cell.axis("off")
        cell.autoscale(False)  # a box over the edge must not shrink the picture
    return cells


def _check_limits(limits):
    """Refuses what is neither None nor a pair of numbers, the lower one first."""
    if limits is None:
        return
    pair = np.asarray(limits)
    if pair.shape != (2,) or pair.dtype.kind not in "iuf" or not pair[0] < pair[1]:
        raise ValueError(f"limits must be (low, high) with low < high, got {limits!r}")


def _lay_out(images, titles, columns, ax):
    """Finds room for a grid of pictures; all lengths are inches.

    Returns:
        the Axes, each picture's (left, bottom, width, height) as shares of it, and the titles'
        font size.
    """
    text_width = 0.07 * max(len(line) for title in titles for line in title.split("\n"))
    text_height = max(0.06 + 0.15 * (title.count("\n") + 1) if title else 0 for title in titles)
    if columns is None:
        columns = min(len(images), 6 if len(images) > 8 else 4, int(PAGE / (text_width + 0.1)) or 1)
    rows = math.ceil(len(images) / columns)
    slope = max(image.shape[0] / image.shape[1] for image in images)  # of the tallest picture
    if ax is None:
        is_photo = min(image.shape[1] for image in images) > 100
        widest = PAGE / columns
        width = min(widest - GAP, 4.6 if is_photo else max(1.5, 4.6 / columns))
        width = min(width, max(2.4, 4.6 / rows) / slope)
    else:
        across, down = ax.get_window_extent().size / ax.figure.dpi
        widest = across / columns
        width = max(0.1, min(widest - GAP, (down / rows - text_height - GAP) / slope))
    cell_width = min(widest, max(width, text_width) + GAP)
    cell_height = width * slope + text_height + GAP
    grid_width, grid_height = columns * cell_width, rows * cell_height
    if ax is None:
        _, ax = plt.subplots(figsize=(grid_width, grid_height))
    ax.axis("off")
    ax.set_box_aspect(grid_height / grid_width)
    places = []
    for index in range(len(images)):
        row, column = divmod(index, columns)
        left, bottom = column * cell_width + GAP / 2, grid_height - (row + 1) * cell_height
        place = left, bottom, cell_width - GAP, width * slope
        places.append(np.divide(place, (grid_width, grid_height) * 2))
    return ax, places, 9 * min(1, cell_width / max(text_width, 0.1))


def show_numbers(array, digits=0, highlight=None, limits=None, ax=None):
    """Draws a small matrix as a grid of grey cells, each with its number.

    Args:
        array: (H, W) numbers; NaN cells are left empty and hatched.
        digits: decimals shown.
        highlight: (top, left, height, width) of a window to frame, or None.
        limits: (low, high), the values drawn black and white; the array's own when None.
        ax: Axes to draw on, or None for a new figure.

    Returns:
        The Axes.

    Raises:
        ValueError: if the array is not two-dimensional, or empty, if `digits` is below 0 or no
            whole number, if the window is not given by four, or the limits by two numbers.
    """
    array = np.asarray(array, float)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"expected a matrix (H, W), got shape {array.shape}")
    digits = whole_number("digits", digits, low=0)
    if highlight is not None and np.shape(highlight) != (4,):
        raise ValueError(f"highlight must be (top, left, height, width), got {highlight!r}")
    _check_limits(limits)
    height, width = array.shape
    # Adding zero turns the "-0" of a rounded negative number into "0".
    texts = [f"{round(value, digits) + 0.0:.{digits}f}" for value in array.flat]
    longest = max(map(len, texts))
    if ax is None:
        side = min(max(0.5, 0.11 * longest), PAGE / width)  # inches of a cell
        _, ax = plt.subplots(figsize=(side * width + 0.2, side * height + 0.4))
    else:
        side = min(ax.get_window_extent().size / ax.figure.dpi / (width, height))
    font_size = min(11, 72 * side / (0.7 * longest))
    known = array[~np.isnan(array)]
    if limits is None:
        limits = (known.min(), known.max()) if known.size else (0, 1)
    low, high = limits
    ax.imshow(array, vmin=low, vmax=high, cmap="gray")
    middle = (low + high) / 2
    for (row, column), value in np.ndenumerate(array):
        if np.isnan(value):
            ax.add_patch(_cell(row, column, 1, 1, hatch="///", edgecolor="0.7", linewidth=0))
            continue
        ax.text(
            column, row, texts[row * width + column], fontsize=font_size,
            color="black" if value > middle else "white", ha="center", va="center",
        )  # fmt: skip
    if highlight is not None:
        ax.add_patch(_cell(*highlight, edgecolor="#D55E00", linewidth=3, zorder=3, clip_on=False))
    ax.set_xticks(np.arange(-0.5, width), [])
    ax.set_yticks(np.arange(-0.5, height), [])
    ax.tick_params(length=0)
    ax.grid(color="0.8", alpha=1, linewidth=0.8)
    ax.spines[:].set(visible=True, color="0.8", linewidth=0.8)
    return ax


def _cell(row, column, height, width, **style):
    """A frame around pixels of an image, whose pixel (0, 0) has its centre at 0, 0."""
    return plt.Rectangle((column - 0.5, row - 0.5), width, height, fill=False, **style)
