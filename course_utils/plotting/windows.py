"""Windows that slide along a row of pixels."""

import matplotlib.pyplot as plt

from course_utils.convolution import output_size, same_padding


def show_windows(size, kernel, stride=1, padding="valid", ax=None):
    """Draws every position of a window that slides along one row of pixels.

    Padded zeros are hatched, pixels that no window sees are crossed out.

    Args:
        size, kernel, stride, padding: as in `convolution.output_size`.
        ax: Axes to draw on, or None for a new figure.

    Returns:
        The Axes.

    Raises:
        ValueError: as `convolution.output_size`.
    """
    positions = output_size(size, kernel, stride, padding)
    before, after = same_padding(size, kernel, stride) if padding == "same" else (0, 0)
    starts = [position * stride - before for position in range(positions)]
    seen = {pixel for start in starts for pixel in range(start, start + kernel)}
    if ax is None:
        _, ax = plt.subplots(figsize=(7.2, 0.42 * (positions + 2)))
    for pixel in range(-before, size + after):
        inside = 0 <= pixel < size
        style = {"facecolor": "#D6EAF8"} if inside else {"facecolor": "white", "hatch": "////"}
        ax.add_patch(plt.Rectangle((pixel, 0), 1, 1, edgecolor="0.35", **style))
        label = f"{pixel + 1}" if inside else "0"
        text = ax.text(pixel + 0.5, 0.5, label, ha="center", va="center", fontsize=9)
        if not inside:
            text.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
        if inside and pixel not in seen:
            sides = [pixel, pixel + 1]
            ax.plot(sides, [0, 1], sides, [1, 0], color="black", linewidth=1)
    word = "window " if kernel > 0.1 * (before + size + after) else ""
    for position, start in enumerate(starts):
        bar = plt.Rectangle((start + 0.06, -position - 0.85), kernel - 0.12, 0.6, color="#0072B2")
        ax.add_patch(bar)
        ax.text(
            start + kernel / 2, -position - 0.55, f"{word}{position + 1}", color="white",
            ha="center", va="center", fontsize=9,
        )  # fmt: skip
    ax.set(xlim=(-before - 0.2, size + after + 0.2), ylim=(-positions - 0.2, 1.2))
    ax.axis("off")
    return ax
