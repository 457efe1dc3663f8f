"""Where tokens look."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from course_utils._checks import attention_weights


def show_attention(weights, queries=None, keys=None, ax=None):
    """Draws attention weights as a heat map, one row for each query and one column for each key.

    White is 0, dark blue is 1. Up to 60 weights are written into their cells.

    Args:
        weights: (T, S) numbers from 0 to 1.
        queries: names of the T rows, or None for none.
        keys: names of the S columns, or None for none.
        ax: Axes to draw on, or None for a new figure.

    Returns:
        The Axes.

    Raises:
        ValueError: if the weights are not a matrix of numbers from 0 to 1, or there are not as many
            names as rows or columns.
    """
    weights = np.asarray(weights, float)
    if weights.ndim != 2 or weights.size == 0:
        raise ValueError(f"expected weights (T, S), got shape {weights.shape}")
    attention_weights(weights)
    rows, columns = weights.shape
    for what, names, count in (("queries", queries, rows), ("keys", keys, columns)):
        if names is not None and len(names) != count:
            raise ValueError(f"expected {count} names of {what}, got {len(names)}")
    if ax is None:
        _, ax = plt.subplots(figsize=(4.2, 3.6))
    ax.imshow(weights, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    if weights.size <= 60:
        for (row, column), weight in np.ndenumerate(weights):
            color = "white" if weight > 0.5 else "black"
            text = f"{weight:.2f}"
            ax.text(column, row, text, color=color, ha="center", va="center", fontsize=9)
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if queries is not None:
        ax.set_yticks(range(rows), queries)
    if keys is not None:
        upright = columns > 8 or max(map(len, map(str, keys))) > 8
        ax.set_xticks(range(columns), keys, rotation=90 if upright else 0)
    ax.set(xlabel="key: looked at", ylabel="query: looks")
    ax.tick_params(length=0)
    ax.grid(False)
    return ax
