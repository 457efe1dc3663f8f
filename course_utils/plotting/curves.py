"""Curves of a training."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator


def learning_curves(history, metric="accuracy", ax=None):
    """Draws a metric over the epochs, for training and (where there is one) validation.

    Args:
        history: what `fit` returned, or its `history` dict.
        metric: a name that was passed to `compile(metrics=...)`, or "loss".
        ax: Axes to draw on, or None for a new figure.

    Returns:
        The Axes.

    Raises:
        ValueError: if the metric was not recorded.
    """
    curves = getattr(history, "history", history)
    if metric not in curves:
        raise ValueError(f"no {metric!r} was recorded, only {', '.join(curves)}")
    if ax is None:
        _, ax = plt.subplots(figsize=(5.2, 3.2))
    epochs = np.arange(1, len(curves[metric]) + 1)
    every = max(1, len(epochs) // 20)  # a marker at each epoch hides the line of a long run
    ax.plot(epochs, curves[metric], "o-", markersize=4, markevery=every, label="training")
    if f"val_{metric}" in curves:
        style = {"markersize": 5, "markevery": every, "markerfacecolor": "none", "linewidth": 1}
        ax.plot(epochs, curves[f"val_{metric}"], "s--", label="validation", **style)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set(xlabel="epoch", ylabel=metric)
    ax.legend()
    return ax
