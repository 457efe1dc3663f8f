"""The kinds of exercise that need no network: `Answer` and `Function`.

A kind knows the right answer and the wrong ones that a misunderstanding leads to, each with a
hint that names the misunderstanding. `judge(answer)` never raises on what a reader hands in.
"""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from course_utils.exercises.compare import (
    ANY_ERROR,
    Difference,
    describe,
    difference,
    is_unanswered,
    is_unchanged,
    stopped,
)

CORRECT, WRONG, UNANSWERED = "correct", "not yet", "not answered yet"
VALUES_SHOWN = 8  # numbers of an array that a message still lists
REFUSED = object()  # what came of a call that raised a ValueError, where an exercise asks for one


@dataclass(frozen=True)
class Verdict:
    """What a checker found: `status` is CORRECT, WRONG or UNANSWERED, `message` a sentence."""

    status: str
    message: str


@dataclass(frozen=True)
class Answer:
    """A number, an array, a text or a list, tuple or dict of them that must equal `expected`.

    Attributes:
        expected: the right answer. Integers are compared exactly, see `compare.difference`.
        hint: said of a wrong answer that no mistake explains.
        mistakes: hints that name what went wrong, each with the wrong answer it is for.
        tolerance: largest absolute difference that still counts as equal.
        praise: one sentence added to "correct".
    """

    expected: Any
    hint: str
    mistakes: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 1e-6
    praise: str = ""

    def judge(self, answer):
        if is_unanswered(answer):
            todo = "put your answer in place of the dots `...` and run the cell."
            return Verdict(UNANSWERED, todo)
        found = difference(answer, self.expected, self.tolerance)
        if found is None:
            return Verdict(CORRECT, self.praise)
        for hint, wrong in self.mistakes.items():
            if difference(answer, wrong, self.tolerance) is None:
                return Verdict(WRONG, hint)
        where = f" (Look at the part {found.part}.)" if found.part else ""
        return Verdict(WRONG, (found.problem or self.hint) + where)


@dataclass(frozen=True)
class Function:
    """A function that must agree with `reference` on every one of `cases`.

    Attributes:
        reference: the right function; its parameters are those of the stub.
        hint: said of a wrong function that no mistake explains.
        cases: argument tuples it is tried on; at least one is an edge case.
        mistakes: hints that name what went wrong, each with the wrong function it is for. One
            that agrees with the answer on every case is what the reader wrote.
        tolerance: largest absolute difference that still counts as equal.
        praise: one sentence added to "correct".
        refused: argument tuples on which it must raise a ValueError.
    """

    reference: Callable
    hint: str
    cases: Sequence[tuple]
    mistakes: Mapping[str, Callable] = field(default_factory=dict)
    tolerance: float = 1e-6
    praise: str = ""
    refused: Sequence[tuple] = ()

    @np.errstate(all="ignore")  # a wrong function may divide by zero; the hint says so
    def judge(self, answer):
        if is_unanswered(answer):
            return Verdict(UNANSWERED, "write the function and run the cell.")
        if not callable(answer):
            return Verdict(WRONG, f"expected a function, got {describe(answer)}.")
        if problem := _call_problem(answer, self.reference, self.cases[0]):
            return Verdict(WRONG, problem)
        given, cases = [], [*self.cases, *self.refused]
        for case in cases:
            arguments = copy.deepcopy(case)
            try:
                given.append(self._outcome(answer, arguments))
            except ANY_ERROR as error:
                return Verdict(WRONG, f"called with {_show(case)} it {stopped(error)}.")
            if not is_unchanged(arguments, case):
                return Verdict(WRONG, "it changes its input; work on a copy.")
        if all(map(is_unanswered, given)):
            todo = "put your code in place of the dots `...`, return its result and run the cell."
            return Verdict(UNANSWERED, todo)
        expected = [self.reference(*copy.deepcopy(case)) for case in self.cases]
        expected += [REFUSED] * len(self.refused)
        found = list(map(self._compare, given, expected))
        if not any(found):
            return Verdict(CORRECT, self.praise)
        for hint, wrong in self.mistakes.items():
            if self._agrees(given, wrong):
                return Verdict(WRONG, hint)
        case, first = next(pair for pair in zip(cases, found, strict=True) if pair[1])
        where = f", where the part {first.part} differs" if first.part else ""
        return Verdict(WRONG, f"{first.problem or self.hint} (Tried with {_show(case)}{where}.)")

    def _outcome(self, function, arguments):
        """What a function returns, or `REFUSED`; other errors pass through."""
        try:
            return function(*arguments)
        except ValueError:
            if self.refused:
                return REFUSED
            raise

    def _compare(self, given, expected):
        if given is expected is REFUSED:
            return None
        if expected is REFUSED:
            return Difference("", "here it should raise a ValueError, and does not.")
        if given is REFUSED:
            return Difference("", "it raises a ValueError where nothing is wrong.")
        return self._difference(given, expected)

    def _difference(self, given, expected):
        return difference(given, expected, self.tolerance)

    def _agrees(self, given, wrong):
        """Whether a wrong function returns what was given; it may fail where that did not."""
        try:
            pairs = zip(given, [*self.cases, *self.refused], strict=True)
            return not any(
                self._compare(one, self._outcome(wrong, copy.deepcopy(case))) for one, case in pairs
            )
        except ANY_ERROR:
            return False


def _call_problem(answer, reference, case):
    """A sentence if `answer` cannot be called as `reference` is, with as many arguments as `case`.

    Returns:
        The sentence, or None; also None for a builtin that does not say what it takes.
    """
    try:
        takes = inspect.signature(answer)
        yours = ", ".join(map(str, takes.parameters.values()))
    except ANY_ERROR:
        return None
    try:
        takes.bind(*case)
    except TypeError:
        called = ", ".join(inspect.signature(reference).parameters)
        return f"it is called with ({called}), but yours takes ({yours})."
    return None


def _show(case):
    """The arguments of a case in one short line: large arrays by their shape."""
    return ", ".join(map(_show_argument, case)) or "nothing"


def _show_argument(value):
    if not isinstance(value, np.ndarray):
        return f"{value!r:.60}"
    if value.size > VALUES_SHOWN:
        return f"a {value.dtype} array of shape {value.shape}"
    numbers = np.array2string(value, separator=", ", precision=4)
    return f"the {value.dtype} array {' '.join(numbers.split())}"
