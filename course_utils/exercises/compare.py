"""How an answer is compared: numbers within a tolerance, text by its words, structures by parts.

Nothing here raises on a strange answer, not even where its own methods do.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Number, Real

import numpy as np

# A floating-point answer may have been computed in float32, which has seven digits. A product or a
# sum keeps at least five of them, in proportion to the number itself.
RELATIVE_TOLERANCE = 1e-5
# A difference does not: its error has the size of what was subtracted, for which the largest number
# beside it stands. Eight units in float32's last place are allowed: beside 2000, a 0 that should be
# 0.001 is rounding, one that should be 0.01 is wrong.
ROUNDING = 1e-6
# What an answer may raise. A KeyboardInterrupt is the reader's own and passes through.
ANY_ERROR = (Exception, SystemExit)


@dataclass(frozen=True)
class Difference:
    """Where an answer first differs from what was expected.

    Attributes:
        part: the part as Python writes it, `["boxes"]` or `[1]`; empty for the whole answer.
        problem: a sentence about kind, length or shape; empty if only values differ.
    """

    part: str
    problem: str


def difference(answer, expected, tolerance=1e-6):
    """Compares an answer with what was expected.

    Integers must be equal up to `tolerance`. Floating-point numbers may differ further by what
    float32 loses: `RELATIVE_TOLERANCE` of the number and `ROUNDING` of the largest in its array.
    The numbers of a list or a tuple are judged each on its own.

    Args:
        answer: anything at all.
        expected: a number, an array, a text, or a list, tuple or dict of such; a list or tuple
            may be answered by either or by an array.
        tolerance: largest absolute difference that still counts as equal; to be lowered where
            the right answer is itself that small.

    Returns:
        The first `Difference`, or None if there is none.
    """
    try:
        with np.errstate(all="ignore"):
            return _difference(answer, expected, tolerance, "")
    except ANY_ERROR as error:  # from a method of the answer
        return Difference("", f"your answer cannot be compared: it {stopped(error)}.")


def _difference(answer, expected, tolerance, part):
    if isinstance(expected, str):
        if not isinstance(answer, str):
            return Difference(part, f"expected a text in quotes, got {describe(answer)}.")
        return None if _tidy(answer) == _tidy(expected) else Difference(part, "")
    if isinstance(expected, Mapping):
        return _difference_of_mappings(answer, expected, tolerance, part)
    if isinstance(expected, list | tuple):
        return _difference_of_sequences(answer, expected, tolerance, part)
    return _difference_of_numbers(answer, np.asarray(expected), tolerance, part)


def _difference_of_mappings(answer, expected, tolerance, part):
    keys = ", ".join(map(_key, expected))
    if not isinstance(answer, dict):
        return Difference(part, f"expected a dict with {keys}, got {describe(answer)}.")
    if set(answer) != set(expected):
        yours = ", ".join(map(_key, answer)) or "none"
        return Difference(part, f"the keys should be {keys}, yours are {yours:.60}.")
    found = (_difference(answer[k], expected[k], tolerance, f"{part}[{_key(k)}]") for k in expected)
    return next(filter(None, found), None)


def _difference_of_sequences(answer, expected, tolerance, part):
    given, right = numbers(answer), numbers(expected)
    if given is not None and right is not None and right.ndim == 1 and given.shape != right.shape:
        return Difference(part, _about_shapes(given.shape, right.shape))
    parts = _parts(answer, given)
    if parts is None:
        return Difference(part, f"expected a list of {len(expected)}, got {describe(answer)}.")
    if len(parts) != len(expected):
        return Difference(part, f"expected {len(expected)} parts, got {len(parts)}.")
    pairs = enumerate(zip(parts, expected, strict=True))
    found = (_difference(one, other, tolerance, f"{part}[{i}]") for i, (one, other) in pairs)
    return next(filter(None, found), None)


def _difference_of_numbers(answer, right, tolerance, part):
    given = numbers(answer)
    if given is None:
        wanted = "a number" if right.ndim == 0 else "numbers"
        return Difference(part, f"expected {wanted}, got {describe(answer)}.")
    if given.shape != right.shape:
        return Difference(part, _about_shapes(given.shape, right.shape))
    relative = 0.0
    if right.dtype.kind == "f":
        right, relative = right.astype(float), RELATIVE_TOLERANCE
        tolerance += ROUNDING * np.abs(right[np.isfinite(right)]).max(initial=0)
    same = np.allclose(given.astype(float), right, rtol=relative, atol=tolerance, equal_nan=True)
    return None if same else Difference(part, "")


def _parts(answer, given):
    """The parts of an answer that stands for a list, or None; `given` are its numbers."""
    if isinstance(answer, list | tuple):
        return list(answer)
    if isinstance(answer, np.ndarray) and answer.dtype == object and answer.ndim:
        return list(answer)  # a ragged array
    return None if given is None or given.ndim == 0 else list(given)


def numbers(value):
    """`value` as an array of numbers, or None if it holds anything else.

    Args:
        value: a number, an array, a tensor of any library, a list of them, or anything else.
    """
    try:
        if hasattr(value, "detach"):  # PyTorch hands out nothing that carries a gradient
            value = value.detach().cpu()
        array = np.asarray(value)
        if array.dtype == object and isinstance(value, list | tuple):  # a list of tensors
            array = np.asarray([np.asarray(part) for part in value])
        if array.dtype == object and all(isinstance(item, Real) for item in array.flat):
            array = array.astype(float)  # fractions, very large integers
        if array.dtype.kind == "V":  # bfloat16; raises for a record
            array = array.astype(float)
        return array if array.dtype.kind in "biuf" else None
    except ANY_ERROR:
        return None


def describe(value):
    """A short phrase for a message: what kind of thing this is, and how Python shows it."""
    try:
        kind = type(value).__name__
        if isinstance(value, type):
            return f"the class {value.__name__}"
        if isinstance(value, Iterator):
            return f"a {kind}, which hands out its values one by one (put `list(...)` around it)"
        return "a function" if callable(value) else f"{kind} {_one_line(repr(value)):.60}"
    except ANY_ERROR:
        return "something that cannot be shown"


def stopped(error):
    """ "stopped with ..." and what an error says of itself, in one line."""
    try:
        said = _one_line(str(error))
    except ANY_ERROR:
        said = ""
    return f"stopped with {type(error).__name__}{said and f': {said:.200}'}"


def is_unanswered(answer):
    """Whether the dots of the stub are still there, alone or in a part, or nothing came."""
    try:
        return answer is None or _has_dots(answer)
    except ANY_ERROR:
        return False


def is_unchanged(value, before):
    """Whether arrays, numbers and texts are as they were, in lists, tuples and dicts of them.

    Other objects count as unchanged: a random generator, for one, moves on when it is used.
    """
    try:
        if isinstance(before, np.ndarray):
            np.testing.assert_array_equal(value, before, strict=True)
            return True
        if isinstance(before, dict):
            return list(value) == list(before) and all(
                is_unchanged(value[key], before[key]) for key in before
            )
        if isinstance(before, list | tuple):
            pairs = zip(value, before, strict=True)
            return all(is_unchanged(one, other) for one, other in pairs)
        return not isinstance(before, Number | str) or value is before or bool(value == before)
    except ANY_ERROR:
        return False


def _has_dots(answer):
    parts = answer.values() if isinstance(answer, dict) else answer
    return answer is ... or (isinstance(answer, list | tuple | dict) and any(map(_has_dots, parts)))


def _key(key):
    return f'"{key}"' if isinstance(key, str) else repr(key)


def _about_shapes(given, right):
    if right == ():
        return f"expected one number, got an array of shape {given}."
    if given == ():
        return f"expected an array of shape {right}, got one number."
    return f"the shape should be {right}, yours is {given}."


def _tidy(text):
    return _one_line(text.lower())


def _one_line(text):
    """The text without line breaks and without the colours that some messages carry."""
    return " ".join(re.sub(r"\x1b\[[\d;]*m", "", text).split())
