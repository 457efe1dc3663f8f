"""Exercises that check themselves: `check("03.2", answer)` says correct, or gives a hint.

A chapter's exercises stand in the module `chapter_NN`, as a dict `EXERCISES` from identifier
to one of the kinds below. A kind knows the right answer and the wrong ones that a
misunderstanding leads to, each with a hint that names the misunderstanding.
"""

import copy
import importlib.util
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

CORRECT, WRONG, UNANSWERED = "correct", "not yet", "not answered yet"


@dataclass(frozen=True)
class Verdict:
    """What a checker found: `status` is CORRECT, WRONG or UNANSWERED, `message` a sentence."""

    status: str
    message: str


@dataclass(frozen=True)
class Answer:
    """A number, an array or a text that must equal `expected`.

    Attributes:
        expected: the right answer; a function without arguments is called for it.
        hint: said of a wrong answer that no misconception explains.
        misconceptions: pairs of a wrong answer and the hint that names what went wrong.
        tolerance: largest absolute difference that still counts as equal.
        praise: one sentence added to "correct".
    """

    expected: Any
    hint: str
    misconceptions: Sequence[tuple[Any, str]] = ()
    tolerance: float = 1e-6
    praise: str = ""

    def judge(self, answer):
        if answer is ... or answer is None:
            return Verdict(
                UNANSWERED, "put your answer in place of the dots `...` and run the cell."
            )
        expected = _value(self.expected)
        if problem := _wrong_kind(answer, expected):
            return Verdict(WRONG, problem)
        if _equal(answer, expected, self.tolerance):
            return Verdict(CORRECT, self.praise)
        for wrong, hint in self.misconceptions:
            if _equal(answer, _value(wrong), self.tolerance):
                return Verdict(WRONG, hint)
        return Verdict(WRONG, _shape_hint(answer, expected) or self.hint)


@dataclass(frozen=True)
class Function:
    """A function that must agree with `reference` on every one of `cases`.

    Attributes:
        reference: the right function.
        cases: argument tuples it is tried on; at least one is an edge case.
        hint: said of a wrong function that no misconception explains.
        misconceptions: pairs of a wrong function and the hint that names what went wrong. A
            wrong function that agrees with the answer on every case is what the reader wrote.
        tolerance: largest absolute difference that still counts as equal.
        praise: one sentence added to "correct".
    """

    reference: Callable
    cases: Sequence[tuple]
    hint: str
    misconceptions: Sequence[tuple[Callable, str]] = field(default=())
    tolerance: float = 1e-6
    praise: str = ""

    @np.errstate(all="ignore")  # a wrong function may divide by zero; the hint says so
    def judge(self, answer):
        if answer is ... or answer is None:
            return Verdict(UNANSWERED, "write the function and run the cell.")
        if not callable(answer):
            return Verdict(WRONG, f"expected a function, got {type(answer).__name__}.")
        given, expected = [], []
        for case in self.cases:
            expected.append(self.reference(*copy.deepcopy(case)))
            arguments = copy.deepcopy(case)
            try:
                given.append(answer(*arguments))
            except Exception as error:
                shown = f"{type(error).__name__}: {error}"
                return Verdict(WRONG, f"called with {_show(case)} it stopped with {shown}.")
            if not _unchanged(arguments, case):
                return Verdict(WRONG, "it changes its input; work on a copy.")
        if all(value is ... or value is None for value in given):
            todo = "put your code in place of the dots `...`, return its result and run the cell."
            return Verdict(UNANSWERED, todo)

        def agrees(values):
            return all(_equal(a, b, self.tolerance) for a, b in zip(given, values, strict=True))

        if agrees(expected):
            return Verdict(CORRECT, self.praise)
        for wrong, hint in self.misconceptions:
            if agrees([wrong(*copy.deepcopy(case)) for case in self.cases]):
                return Verdict(WRONG, hint)
        trials = zip(self.cases, given, expected, strict=True)
        case, got, right = next(t for t in trials if not _equal(t[1], t[2], self.tolerance))
        problem = _wrong_kind(got, right) or _shape_hint(got, right) or self.hint
        return Verdict(WRONG, f"{problem} (Tried with {_show(case)}.)")


def check(exercise_id, answer):
    """Prints whether `answer` solves the exercise, and if not, a hint.

    Args:
        exercise_id: chapter and number, as in "03.2".
        answer: what the exercise asks for: a number, an array, a text or a function.

    Raises:
        ValueError: if there is no exercise of that identifier.
    """
    verdict = find(exercise_id).judge(answer)
    end = f": {verdict.message}" if verdict.message else "."
    print(f"Exercise {exercise_id} {verdict.status}{end}")


def find(exercise_id):
    """The exercise of that identifier; `ValueError` if there is none."""
    if isinstance(exercise_id, str) and re.fullmatch(r"\d\d[a-z]?\.\d", exercise_id):
        chapter = f"{__package__}.chapter_{exercise_id.split('.')[0]}"
        if importlib.util.find_spec(chapter):
            exercises = importlib.import_module(chapter).EXERCISES
            if exercise_id in exercises:
                return exercises[exercise_id]
            raise ValueError(f"no exercise {exercise_id}; this chapter has {', '.join(exercises)}")
    raise ValueError(f'expected a chapter and a number, as in "03.2", got {exercise_id!r}')


def _value(expected):
    return expected() if callable(expected) else expected


def _is_text(value):
    return isinstance(value, str)


def _array(value):
    """`value` as a float array, or None if it is not made of numbers alone."""
    try:
        array = np.asarray(value)
        if array.dtype.kind in "OSU" and isinstance(value, list | tuple):
            array = np.asarray([np.asarray(part) for part in value])
        return array.astype(float) if array.dtype.kind in "biuf" else None
    except (ValueError, TypeError, NotImplementedError):  # the last: a symbolic tensor
        return None


def _unchanged(arguments, before):
    """Whether two tuples of arguments are equal down to the last part, whatever they hold."""
    try:
        np.testing.assert_equal(arguments, before)
    except AssertionError:
        return False
    return True


def _equal(answer, expected, tolerance):
    if _is_text(answer) or _is_text(expected):
        return _is_text(answer) and _is_text(expected) and _tidy(answer) == _tidy(expected)
    given, right = _array(answer), _array(expected)
    if given is None or right is None or given.shape != right.shape:
        return False
    return bool(np.allclose(given, right, rtol=0, atol=tolerance, equal_nan=True))


def _tidy(text):
    return " ".join(text.lower().split())


def _wrong_kind(answer, expected):
    """A sentence if the answer is not even of the expected kind, else None."""
    if _is_text(expected):
        return None if _is_text(answer) else f"expected a text in quotes, got {_kind(answer)}."
    if _is_text(answer) or _array(answer) is None:
        wanted = "a number" if np.ndim(expected) == 0 else "numbers"
        return f"expected {wanted}, got {_kind(answer)}."
    return None


def _kind(value):
    return "a function" if callable(value) else f"{type(value).__name__} {value!r:.60}"


def _shape_hint(answer, expected):
    given, right = np.shape(_array(answer)), np.shape(_array(expected))
    if given == right:
        return None
    if right == ():
        return f"expected one number, got an array of shape {given}."
    if given == ():
        return f"expected an array of shape {right}, got one number."
    return f"the shape should be {right}, yours is {given}."


def _show(case):
    """The arguments of a case in one short line: arrays by their shape."""
    return ", ".join(
        f"an array of shape {part.shape}" if isinstance(part, np.ndarray) else f"{part!r:.60}"
        for part in case
    )
