"""Boxes and arrows, for the paths through a block of layers."""

from itertools import pairwise

import matplotlib.pyplot as plt

FRAME = {"boxstyle": "round,pad=0.45", "facecolor": "#D6EAF8", "edgecolor": "0.4"}
ARROW = {"arrowstyle": "->", "shrinkA": 2, "shrinkB": 2, "color": "0.3"}
MARGIN = 0.5  # around the centres of the outermost boxes, as places of a box go


def show_diagram(boxes, paths, bent=(), ax=None):
    """Draws boxes with text, and arrows from box to box.

    Args:
        boxes: for each name (x, y, text): where the centre of the box lies, and what it says.
        paths: lists of names; an arrow leads from each box of a path to the next one.
        bent: pairs of names between which an arrow leads in a bow over what lies between.
        ax: Axes to draw on, or None for a new figure.

    Returns:
        The Axes.

    Raises:
        ValueError: if a path or a pair names a box that is not there.
    """
    arrows = [(*pair, 0) for path in paths for pair in pairwise(path)]
    arrows += [(*pair, -0.35) for pair in bent]
    for name in (name for start, end, _ in arrows for name in (start, end)):
        if name not in boxes:
            raise ValueError(f"expected one of the boxes {', '.join(map(str, boxes))}; got {name}")
    x, y, _ = zip(*boxes.values(), strict=True)
    if ax is None:
        _, ax = plt.subplots(figsize=(7.4, 1.4 + 0.6 * (max(y) - min(y) + bool(bent))))
    frames = {}
    for name, (left, up, text) in boxes.items():
        drawn = ax.text(left, up, text, ha="center", va="center", fontsize=10, bbox=FRAME)
        frames[name] = drawn.get_bbox_patch()
    for start, end, bend in arrows:
        ends = {"patchA": frames[start], "patchB": frames[end]}
        style = ARROW | ends | {"connectionstyle": f"arc3,rad={bend}"}
        ax.annotate("", boxes[end][:2], boxes[start][:2], arrowprops=style)
    top = max(y) + MARGIN + (0.5 if bent else 0)
    ax.set(xlim=(min(x) - MARGIN, max(x) + MARGIN), ylim=(min(y) - MARGIN, top))
    ax.axis("off")
    return ax
