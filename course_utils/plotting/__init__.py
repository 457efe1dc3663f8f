"""Figures. Each function draws on `ax`, or on a new figure, and returns the Axes.

`show_images` returns an array of Axes, one for each image, as `plt.subplots` does.
"""

from course_utils.plotting.attention import show_attention
from course_utils.plotting.boxes import draw_boxes
from course_utils.plotting.curves import learning_curves
from course_utils.plotting.diagrams import show_diagram
from course_utils.plotting.images import show_images, show_numbers
from course_utils.plotting.windows import show_windows

__all__ = [
    "draw_boxes", "learning_curves", "show_attention", "show_diagram", "show_images",
    "show_numbers", "show_windows",
]  # fmt: skip
