"""placeholder"""

import operator


def whole_number(name, value, low=1, high=None):
    try:
        ok = (
            not isinstance(value, bool)
            and low <= operator.index(value)
            and (high is None or value <= high)
        )
    except TypeError:
        ok = False
    if not ok:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, got {value!r}")
