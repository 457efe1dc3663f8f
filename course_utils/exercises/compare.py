"""How an answer is compared: numbers within a tolerance, text by its words, structures by parts.

Nothing here raises on a strange answer, not even where its own methods do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Real

import numpy as np

# float32 has seven digits, and a sum or a difference of some length loses one or two of them.
RELATIVE_TOLERANCE = 1e-5
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


def difference(answer, expected, tolerance=1e-6, part=""):
    """Compares an answer with what was expected.

    Integers must be equal up to `tolerance`. Floating-point numbers may differ by another
    `RELATIVE_TOLERANCE` of the largest number beside them: what float32 loses in a subtraction
    depends on the size of the operands, not on the size of the result.

    Args:
        answer: anything at all.
        expected: a number, an array, a text, or a list, tuple or dict of such; a list or tuple
            may be answered by either or by an array.
        tolerance: largest absolute difference that still counts as equal.
        part: where in the answer this part stands.

    Returns:
        The first `Difference`, or None if there is none.
    """
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
    keys = ", ".join(map(repr, expected))
    if not isinstance(answer, dict):
        return Difference(part, f"expected a dict with {keys}, got {describe(answer)}.")
    if set(answer) != set(expected):
        return Difference(part, f"the keys should be {keys}, yours are {describe(list(answer))}.")
    found = (difference(answer[k], expected[k], tolerance, f"{part}[{k!r}]") for k in expected)
    return next(filter(None, found), None)


def _difference_of_sequences(answer, expected, tolerance, part):
    if all(np.ndim(item) == 0 and not isinstance(item, str | dict) for item in expected):
        given = numbers(answer)
        if given is not None and given.shape != (len(expected),):
            return Difference(part, _about_shapes(given.shape, (len(expected),)))
    items = _items(answer)
    if items is None:
        return Difference(part, f"expected {len(expected)} parts, got {describe(answer)}.")
    if len(items) != len(expected):
        return Difference(part, f"expected {len(expected)} parts, got {len(items)}.")
    pairs = enumerate(zip(items, expected, strict=True))
    found = (difference(one, right, tolerance, f"{part}[{i}]") for i, (one, right) in pairs)
    return next(filter(None, found), None)


def _difference_of_numbers(answer, right, tolerance, part):
    given = numbers(answer)
    if given is None:
        wanted = "a number" if right.ndim == 0 else "numbers"
        return Difference(part, f"expected {wanted}, got {describe(answer)}.")
    if given.shape != right.shape:
        return Difference(part, _about_shapes(given.shape, right.shape))
    if right.dtype.kind == "f":
        largest = np.abs(right[np.isfinite(right)]).max(initial=0)
        tolerance = tolerance + RELATIVE_TOLERANCE * float(largest)
    same = np.allclose(given.astype(float), right, rtol=0, atol=tolerance, equal_nan=True)
    return None if same else Difference(part, "")


def _items(answer):
    """The parts of an answer that stands for a list, or None."""
    if isinstance(answer, list | tuple):
        return list(answer)
    if isinstance(answer, np.ndarray) and answer.dtype == object and answer.ndim:
        return list(answer)  # a ragged array
    array = numbers(answer)
    return None if array is None or array.ndim == 0 else list(array)


def numbers(value):
    """`value` as an array of numbers, or None if it holds anything else.

    Args:
        value: a number, an array, a tensor of any library, a list of them, or anything else.
    """
    try:
        if hasattr(value, "detach"):  # PyTorch hands out nothing that carries a gradient
            value = value.detach().cpu()
        array = np.asarray(value)
        if array.dtype.kind in "OSU" and isinstance(value, list | tuple):  # a list of tensors
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
    kind = type(value).__name__
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, Iterator):
        return f"a {kind}, which hands out its values one by one (put `list(...)` around it)"
    try:
        shown = " ".join(repr(value).split())
    except ANY_ERROR:
        return f"{kind} that cannot be shown"
    return "a function" if callable(value) else f"{kind} {shown:.60}"


def is_unanswered(answer):
    """Whether the dots of the stub, alone or as a part, are still there, or nothing came."""
    if isinstance(answer, list | tuple | dict):
        parts = answer.values() if isinstance(answer, dict) else answer
        return any(part is ... for part in parts)
    return answer is ... or answer is None


def is_unchanged(arguments, before):
    """Whether two tuples of arguments are equal down to the last part, whatever they hold."""
    try:
        np.testing.assert_equal(arguments, before)
    except ANY_ERROR:
        return False
    return True


def _about_shapes(given, right):
    if right == ():
        return f"expected one number, got an array of shape {given}."
    if given == ():
        return f"expected an array of shape {right}, got one number."
    return f"the shape should be {right}, yours is {given}."


def _tidy(text):
    return " ".join(text.lower().split())
