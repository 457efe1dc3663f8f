"""Checks of arguments: one function for each kind of argument, one form of message."""

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
