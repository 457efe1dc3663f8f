"""What every chapter starts with: seeds, quiet logs, figure style; and honest output."""

import base64
import contextlib
import io
import os

import numpy as np

from course_utils._checks import whole_number

# Set to 1 by whatever runs the chapters to check them: a conclusion that fails then stops them.
CHECKS = "COURSE_CHECKS"

MOST_COLOURS = 4096  # of a figure that 256 can stand for: lines, bars and text, not a photo

# Okabe and Ito's colour-blind safe palette (2008), darkest first so that one line alone reads well.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

STYLE = {
    "axes.axisbelow": True,
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

    Seeds Python, NumPy and TensorFlow, asks TensorFlow for deterministic operations where it has no
    GPU (on a GPU some operations have no deterministic form), sets what Keras may have read from a
    `keras.json` back to its defaults (channels last, float32), and sets the figure style. Call it
    in the first cell, before TensorFlow is imported anywhere else: its messages at the start are
    then hidden.

    Args:
        seed: whole number from 0 to 2**32 - 1.

    Raises:
        ValueError: if the seed is out of range.
        RuntimeError: if Keras runs, or is told to run, on another backend than TensorFlow.
    """
    whole_number("seed", seed, low=0, high=2**32 - 1)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _check_backend(os.environ.setdefault("KERAS_BACKEND", "tensorflow"))
    with _without_stderr():
        import keras
        import tensorflow as tf

        on_gpu = bool(tf.config.list_physical_devices("GPU"))
        if not on_gpu:
            tf.config.experimental.enable_op_determinism()
        tf.zeros(1)  # starts the devices, which say so
    import matplotlib.pyplot as plt
    from cycler import cycler

    _check_backend(keras.config.backend())
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(seed)
    tf.get_logger().setLevel("ERROR")
    plt.rcParams.update(STYLE, **{"axes.prop_cycle": cycler(color=PALETTE)})
    shell = _kernel_shell()
    if shell is not None:
        plt.switch_backend(plt.get_backend())  # now, as loading it resets the shell's formatters
        _show_photos_as_jpeg(shell)


def claim(text, holds):
    """Prints a conclusion, and whether the numbers support it.

    When the checks run a chapter, an unsupported conclusion stops it. A reader, who may have
    changed something on purpose, is told, and the chapter goes on.

    Args:
        text: the conclusion, one sentence.
        holds: the condition that the cells above computed.

    Raises:
        AssertionError: if `holds` is false and the checks run.
        ValueError: if `holds` is not a single true or false.
    """
    if not isinstance(holds, bool | np.bool_):
        raise ValueError(f"holds must be True or False, got {type(holds).__name__}: {holds!r}")
    if holds:
        print(f"✓ {text}")
    else:
        _object(f"{text}: expected to hold, found that it does not")


def report(name, value, expected, within, unit=""):
    """Prints a measured number that may differ a little from one machine to the next.

    The number behind `≈` is masked when the stored outputs are compared; the band is not. A value
    outside the band stops the chapter when the checks run it; a reader is told, and it goes on.

    Args:
        name: what was measured, as in "test accuracy".
        value: the number measured here.
        expected: the middle of the band.
        within: half the width of the band, above 0.
        unit: written behind the numbers, as in " s".

    Raises:
        AssertionError: if the value is outside the band and the checks run.
        ValueError: if `value` is not one number or `within` not above 0.
    """
    if np.ndim(value) != 0:
        raise ValueError(f"value must be one number, got shape {np.shape(value)}")
    if not 0 < within < np.inf:
        raise ValueError(f"within must be above 0 and finite, got {within}")
    digits = max(0, 1 - int(np.floor(np.log10(within))))
    band = f"expected {expected:,.12g} ± {within:,.12g}{unit}"
    if abs(value - expected) <= within:
        print(f"{name} ≈ {value:,.{digits}f}{unit} ({band})")
    else:
        _object(f"{name}: {band}, found {value:,.{digits}f}{unit}")


def show_error(error, text, source="Keras"):
    """Prints what went wrong in the course's words, then the library's own.

    The library's words, which change with its version, are left out when the stored outputs are
    compared.

    Args:
        error: the exception or warning that was caught.
        text: what went wrong, one sentence.
        source: whose words the error holds.
    """
    print(f"{type(error).__name__}: {text}")
    print(f"{source} says: {str(error).strip().splitlines()[0]}")


def _object(finding):
    """Stops a chapter that the checks run; tells a reader and goes on."""
    if os.environ.get(CHECKS) == "1":
        raise AssertionError(finding)
    print(
        f"✗ {finding}.\n  A change of your own, another GPU or processor, or another version of "
        "TensorFlow or Keras\n  can be the reason. The chapter goes on."
    )


def _check_backend(name):
    if name != "tensorflow":
        raise RuntimeError(
            f"expected Keras on the backend TensorFlow, got {name!r}: restart the kernel and run "
            'this cell first, with the environment variable KERAS_BACKEND unset or "tensorflow"'
        )


def _kernel_shell():
    """The IPython shell of a notebook's kernel, or None elsewhere."""
    from IPython import get_ipython

    shell = get_ipython()
    return shell if hasattr(shell, "kernel") else None


@contextlib.contextmanager
def _without_stderr():
    """Drops what C++ code writes to stderr meanwhile, TensorFlow's messages at its start.

    TensorFlow 2.21 does not heed TF_CPP_MIN_LOG_LEVEL for the first of them.
    """
    saved = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


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
        if is_photo(figure):
            return None
        return base64.b64encode(_in_few_colours(print_figure(figure, "png"))).decode()

    def jpeg(figure):
        if not is_photo(figure):
            return None
        options = {"quality": 85, "optimize": True}
        return print_figure(figure, "jpeg", base64=True, pil_kwargs=options)

    formatters = shell.display_formatter.formatters
    formatters["image/png"].for_type(Figure, png)
    formatters["image/jpeg"].for_type(Figure, jpeg)


def _in_few_colours(png):
    """A PNG with a palette of 256 colours, half the bytes; one of many colours as it is."""
    from PIL import Image

    image = Image.open(io.BytesIO(png)).convert("RGB")
    if image.getcolors(MOST_COLOURS) is None:
        return png
    small = io.BytesIO()
    image.quantize(dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def _all_axes(figure):
    """Every Axes of a figure, those inset into others included."""
    pending = list(figure.axes)
    while pending:
        axes = pending.pop()
        yield axes
        pending.extend(axes.child_axes)
