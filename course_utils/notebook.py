"""What every chapter starts with: seeds, quiet logs, figure style; and honest output."""

import os

import numpy as np

# Okabe and Ito's colour-blind safe palette (2008), darkest first so that one line alone reads well.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

STYLE = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "figure.constrained_layout.use": True,
    "figure.dpi": 96,
    "figure.facecolor": "white",
    "figure.figsize": (7.2, 3.6),
    "font.size": 11,
    "grid.alpha": 0.3,
    "image.cmap": "gray",
    "savefig.dpi": 96,
}


def setup(seed=0):
    """Makes a chapter repeatable and quiet.

    Seeds Python, NumPy and TensorFlow, asks TensorFlow for deterministic operations, hides its
    log, and sets the figure style. Call it in the first cell, before TensorFlow is imported
    anywhere else.

    Args:
        seed: whole number from 0 to 2**32 - 1.

    Raises:
        ValueError: if the seed is out of range.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be from 0 to 2**32 - 1, got {seed}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    shell = _kernel_shell()
    if shell is not None:
        _hide_tensorflow_log()

    import keras
    import matplotlib.pyplot as plt
    import tensorflow as tf
    from cycler import cycler

    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    tf.get_logger().setLevel("ERROR")
    plt.rcParams.update(STYLE, **{"axes.prop_cycle": cycler(color=PALETTE)})
    if shell is not None:
        plt.switch_backend(plt.get_backend())  # now, as loading it resets the shell's formatters
        _show_photos_as_jpeg(shell)


def claim(text, holds):
    """Prints a conclusion, or stops the chapter when the numbers no longer support it.

    Args:
        text: the conclusion, one sentence.
        holds: the condition that the cells above computed.

    Raises:
        AssertionError: if `holds` is false.
        ValueError: if `holds` is not a single true or false.
    """
    if not isinstance(holds, bool | np.bool_):
        raise ValueError(f"holds must be True or False, got {type(holds).__name__}: {holds!r}")
    if not holds:
        raise AssertionError(f"This no longer holds: {text}")
    print(f"✓ {text}")


def report(name, value, expected, within, unit=""):
    """Prints a measured number that may differ a little from one machine to the next.

    The number behind `≈` is masked when the stored outputs are compared; the band is not, and
    a value outside it stops the chapter.

    Args:
        name: what was measured, as in "test accuracy".
        value: the number measured here.
        expected: the middle of the band.
        within: half the width of the band, above 0.
        unit: written behind the numbers, as in " s".

    Raises:
        AssertionError: if the value is outside the band.
        ValueError: if `value` is not one number or `within` not above 0.
    """
    if np.ndim(value) != 0:
        raise ValueError(f"value must be one number, got shape {np.shape(value)}")
    if not 0 < within < np.inf:
        raise ValueError(f"within must be above 0 and finite, got {within}")
    digits = max(0, 1 - int(np.floor(np.log10(within))))
    band = f"(expected {expected:,.12g} ± {within:,.12g}{unit})"
    if not abs(value - expected) <= within:
        raise AssertionError(f"{name} is {value:,.{digits}f}{unit}, outside its band {band}")
    print(f"{name} ≈ {value:,.{digits}f}{unit} {band}")


def _kernel_shell():
    """The IPython shell of a notebook's kernel, or None elsewhere."""
    from IPython import get_ipython

    shell = get_ipython()
    return shell if hasattr(shell, "kernel") else None


def _hide_tensorflow_log():
    """Drops what C++ code writes to stderr; a kernel sends Python's own stderr another way.

    TensorFlow 2.21 no longer heeds TF_CPP_MIN_LOG_LEVEL for its first messages.
    """
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)


def _show_photos_as_jpeg(shell):
    """Stores figures that hold a photo as JPEG, a fifth of the PNG; others stay PNG."""
    from IPython.core.pylabtools import print_figure
    from matplotlib.figure import Figure

    def is_photo(figure):
        shapes = [
            np.shape(image.get_array()) for axes in _all_axes(figure) for image in axes.images
        ]
        return any(shape[0] * shape[1] > 5000 for shape in shapes)

    def png(figure):
        return None if is_photo(figure) else print_figure(figure, "png", base64=True)

    def jpeg(figure):
        if not is_photo(figure):
            return None
        options = {"quality": 85, "optimize": True}
        return print_figure(figure, "jpeg", base64=True, pil_kwargs=options)

    formatters = shell.display_formatter.formatters
    formatters["image/png"].for_type(Figure, png)
    formatters["image/jpeg"].for_type(Figure, jpeg)


def _all_axes(figure):
    """Every Axes of a figure, those inset into others included."""
    pending = list(figure.axes)
    while pending:
        axes = pending.pop()
        yield axes
        pending.extend(axes.child_axes)
