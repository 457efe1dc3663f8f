"""Boxes on an image."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patheffects
from matplotlib.artist import Artist
from matplotlib.colors import to_rgb
from matplotlib.transforms import Bbox

from course_utils import _checks
from course_utils.notebook import PALETTE

FONT_SIZE = 8


def draw_boxes(boxes, labels=None, scores=None, names=None, colour=None, linestyle="-", ax=None):
    """Draws boxes, each in the colour of its class and with its name beside it.

    Names are placed where they lie in the picture and hide no other name, if there is such a place;
    those of the highest scores choose first.

    Args:
        boxes: (N, 4) x1, y1, x2, y2 in pixels, edges, so that (0, 0, W, H) is the whole image.
        labels: (N,) whole numbers >= 0, the class of each box, or None for boxes of one colour.
        scores: (N,) numbers to be written after the names, or None.
        names: names of the classes; the numbers themselves when None.
        colour: of all boxes, anything that Matplotlib takes for one, in place of the classes' own.
        linestyle: of all boxes, as in Matplotlib.
        ax: Axes that show an image in pixels, such as one of those that `show_images` returns, or
            None for a new figure, as large as the boxes reach.

    Returns:
        The Axes.

    Raises:
        ValueError: if these are no boxes, labels or scores are not as many, or a class has no name.
    """
    boxes = _checks.boxes("boxes", boxes)
    order, texts = np.arange(len(boxes)), [""] * len(boxes)
    colours = [colour or PALETTE[0]] * len(boxes)
    if labels is not None:
        labels = _checks.labels("labels", labels, len(boxes)).tolist()
        if names is not None and max(labels, default=-1) >= len(names):
            raise ValueError(f"expected labels below {len(names)}, one a name, got {max(labels)}")
        texts = [str(label if names is None else names[label]) for label in labels]
        colours = [colour or PALETTE[label % len(PALETTE)] for label in labels]
    if scores is not None:
        scores = _checks.scores("scores", scores, len(boxes))
        order = np.argsort(-scores, kind="stable")
        texts = [f"{text} {score:.2f}".strip() for text, score in zip(texts, scores, strict=True)]
    if ax is None:
        _, ax = plt.subplots(figsize=(4.6, 4.6))
        right, bottom = boxes[:, 2:].max(axis=0, initial=1)
        ax.set(xlim=(-0.5, right - 0.5), ylim=(bottom - 0.5, -0.5), aspect="equal")
        ax.grid(False)
    corners = boxes - 0.5  # the first pixel's centre is 0, its edge -0.5
    halo = patheffects.withStroke(linewidth=3.5, foreground="white", alpha=0.7)
    for (x1, y1, x2, y2), line in zip(corners, colours, strict=True):
        frame = plt.Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, path_effects=[halo])
        frame.set(linewidth=1.8, linestyle=linestyle, edgecolor=line)
        ax.add_patch(frame)
    if any(texts):
        ax.add_artist(_Names(ax, [(corners[i], texts[i], colours[i]) for i in order]))
    return ax


class _Names(Artist):
    """Finds places for names beside boxes whenever the figure is drawn, as only then it is known
    where the picture lies, and how large it is.
    """

    def __init__(self, ax, names):
        """Args: names: (box, text, colour) of each; the first chooses first."""
        super().__init__()
        self.set(zorder=3, in_layout=False)
        self.names = []
        for box, text, colour in names:
            name = ax.text(box[0], box[1], text, color=_ink(colour), zorder=4, in_layout=False)
            name.set_bbox({"facecolor": colour, "edgecolor": "none", "pad": 1.5})
            self.names.append((box, name))

    def draw(self, renderer):
        """Moves the names; the Axes draw them next."""
        picture, taken = self.axes.get_window_extent(renderer), []
        for (x1, y1, x2, y2), name in self.names:
            name.set_fontsize(FONT_SIZE)
            width = name.get_window_extent(renderer).width
            name.set_fontsize(FONT_SIZE * min(1, 0.95 * picture.width / width))
            spots = [(x1, y1, "left", "bottom"), (x1, y2, "left", "top"),
                     (x2, y1, "right", "bottom"), (x2, y2, "right", "top"),
                     (x1, y1, "left", "top"), (x1, y2, "left", "bottom"),
                     (x2, y1, "right", "top"), (x2, y2, "right", "bottom")]  # fmt: skip
            costs, places = [], []
            for x, y, across, up in spots:
                name.set(x=x, y=y, ha=across, va=up)
                place = name.get_window_extent(renderer).padded(2)
                outside = place.width * place.height - _shared(place, picture)
                costs.append(outside + sum(_shared(place, other) for other in taken))
                places.append(place)
            best = int(np.argmin(costs))
            name.set(**dict(zip(("x", "y", "ha", "va"), spots[best], strict=True)))
            taken.append(places[best])


def _shared(a, b):
    """Area that two boxes of a rendered figure share, in square pixels of the screen."""
    both = Bbox.intersection(a, b)
    return 0.0 if both is None else both.width * both.height


def _ink(colour):
    """Black or white, whichever stands out more on a colour (contrast as in WCAG 2)."""
    linear = np.power(to_rgb(colour), 2.2)
    return "black" if linear @ (0.2126, 0.7152, 0.0722) > 0.18 else "white"
