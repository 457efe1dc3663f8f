"""Checks of arguments: one function for each kind of argument, one form of message."""

import math
import numbers


def is_whole_number(value):
    """Whether `value` is an int or one of NumPy's integers; True and False are none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def whole_number(name, value, low=1, high=None):
    """Checks that an argument is a whole number within its bounds.

    Args:
        name: the argument's name, for the message.
        value: what was given.
        low: the smallest number allowed.
        high: the largest, or None for no bound.

    Returns:
        The number as an int, since sums of NumPy's small integers overflow.

    Raises:
        ValueError: if it is none.
    """
    if not is_whole_number(value) or value < low or (high is not None and value > high):
        bounds = f">= {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be a whole number {bounds}, got {value!r}")
    return int(value)


def one_of(name, value, options):
    """Checks that an argument is one of several options.

    Args:
        name: the argument's name, for the message.
        value: what was given. Types count: True is not 1, nor is 1.0.
        options: strings, whole numbers, None, True or False; at least two.

    Returns:
        The option that the value equals.

    Raises:
        ValueError: if it equals none.
    """
    for option in options:
        kind = type(option)
        alike = is_whole_number(value) if is_whole_number(option) else isinstance(value, kind)
        if alike and value == option:
            return option
    texts = [f'"{option}"' if isinstance(option, str) else str(option) for option in options]
    expected = f"{', '.join(texts[:-1])} or {texts[-1]}"
    raise ValueError(f"{name} must be {expected}, got {value!r}")


def fraction(name, value):
    """Checks that an argument is a number in [0, 1], and returns it as a float."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= 1:
        raise ValueError(f"{name} must be from 0 to 1, got {value!r}")
    return float(value)


def number(name, value, low=0, high=None):
    """Checks that an argument is a finite number within its bounds, and returns it as a float."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if (
        not is_number
        or not low <= value <= (math.inf if high is None else high)
        or value == math.inf
    ):
        bounds = f">= {low}" if high is None else f"from {low} to {high}"
        raise ValueError(f"{name} must be a finite number {bounds}, got {value!r}")
    return float(value)


def images(name, value):
    """Checks that an argument is images, and returns it as a float32 array (N, ...).

    Args:
        name: the argument's name, for the message.
        value: what was given: floats in [0, 1], N >= 1.

    Raises:
        ValueError: if it is none.
    """
    import numpy as np

    array = np.asarray(value)
    if array.ndim < 2 or array.size == 0:
        raise ValueError(f"{name} must have shape (N, ...) with N >= 1, got {array.shape}")
    return _unit_range(name, array)


def attention_weights(array):
    """Checks that the values of an array are attention weights; rounding may add a little to 1."""
    if not (array.min() >= 0 and array.max() <= 1.001):  # NaN is neither
        low, high = array.min(), array.max()
        raise ValueError(f"expected weights from 0 to 1, got {low:.3g} to {high:.3g}")


def photo(name, value):
    """Checks that an argument is a colour image, and returns it as a float32 array (H, W, 3).

    Args:
        name: the argument's name, for the message.
        value: what was given: floats in [0, 1].

    Raises:
        ValueError: if it is none.
    """
    import numpy as np

    image = np.asarray(value)
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"{name} must have shape (height, width, 3), got {image.shape}")
    return _unit_range(name, image)


def rows(name, value, columns):
    """Checks that an argument is rows of finite real numbers.

    Args:
        name: the argument's name, for the message.
        value: what was given; what is empty counts as no rows.
        columns: numbers in a row.

    Returns:
        (N, columns) array of the floating type that holds them, at least float32; not always a new
        one.

    Raises:
        ValueError: if it is none.
    """
    import numpy as np

    array = np.asarray(value)
    if array.size == 0:
        array = array.reshape(0, columns)
    if array.ndim != 2 or array.shape[1] != columns:
        raise ValueError(f"expected {name} of shape (N, {columns}), got {array.shape}")
    if array.dtype.kind not in "iuf":
        raise ValueError(f"expected {name} of real numbers, got type {array.dtype}")
    if not np.all(np.isfinite(array)):
        wrong = array[~np.isfinite(array).all(axis=1)][0]
        raise ValueError(f"expected {name} of finite numbers, got {wrong.tolist()}")
    return array.astype(np.result_type(array, np.float32), copy=False)


def boxes(name, value, thin=True):
    """Checks that an argument is boxes x1, y1, x2, y2.

    Args:
        name: the argument's name, for the message.
        value: what was given.
        thin: whether a box may be without width or height.

    Returns:
        (N, 4) array, as `rows` returns it.

    Raises:
        ValueError: if it is none.
    """
    array = rows(name, value, 4)
    low, high = array[:, :2], array[:, 2:]
    wrong = ((high < low) if thin else (high <= low)).any(axis=1)
    if wrong.any():
        sign = "<=" if thin else "<"
        raise ValueError(
            f"expected {name} x1, y1, x2, y2 with x1 {sign} x2 and y1 {sign} y2, "
            f"got {array[wrong][0].tolist()}"
        )
    return array


def labels(name, value, count, of="box"):
    """Checks that an argument is one class for each box or image, a whole number >= 0.

    Args:
        name: the argument's name, for the message.
        value: what was given.
        count: how many boxes there are.
        of: what has a class, for the message.

    Returns:
        (count,) integer array.

    Raises:
        ValueError: if it is none.
    """
    array = _one_each(name, value, count, of)
    if array.dtype.kind not in "iu":
        raise ValueError(f"expected {name} of whole numbers, got type {array.dtype}")
    if (array < 0).any():
        raise ValueError(f"expected {name} >= 0, got {array.min()}")
    return array


def scores(name, value, count):
    """Checks that an argument is one finite number for each box.

    Args:
        name: the argument's name, for the message.
        value: what was given.
        count: how many boxes there are.

    Returns:
        (count,) array of the floating type that holds them, at least float32.

    Raises:
        ValueError: if it is none.
    """
    return rows(name, _one_each(name, value, count)[:, None], 1)[:, 0]


def predictions_for(truth, predictions):
    """Checks that there are as many predictions as images whose truth is known."""
    if len(truth) != len(predictions):
        raise ValueError(
            f"expected predictions for {len(truth)} images, got them for {len(predictions)}"
        )


def _unit_range(name, array):
    import numpy as np

    if array.dtype.kind != "f":
        raise ValueError(f"{name} must be float in [0, 1], got {array.dtype}: divide 8 bits by 255")
    if not (array.min() >= 0 and array.max() <= 1):  # NaN is neither
        raise ValueError(
            f"{name} must have values in [0, 1], got {array.min():.3g} to {array.max():.3g}"
        )
    return array.astype(np.float32)


def _one_each(name, value, count, of="box"):
    import numpy as np

    array = np.asarray(value)
    if array.shape != (count,):
        raise ValueError(
            f"expected {name} of shape ({count},), one for each {of}, got {array.shape}"
        )
    return array if count else array.astype(int)  # NumPy takes an empty list for floats
