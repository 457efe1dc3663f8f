"""The checkers: what counts as an answer, which hint is given; and every chapter's exercises."""

import importlib
import itertools
import pkgutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from course_utils import exercises
from course_utils.exercises import judge
from course_utils.exercises.judge import CORRECT, UNANSWERED, WRONG, Answer, Function, check, find

# A number, an array, a text ----------------------------------------------------------------------

THREE = Answer(
    expected=3,
    hint="count again.",
    misconceptions=[(2, "you forgot the last one."), (lambda: 4, "you counted one twice.")],
    praise="well counted.",
)
PAIR = Answer(expected=(1, 2), hint="two numbers.", misconceptions=[((2, 1), "swapped.")])
NEAR = Answer(expected=0.1, hint="near.", tolerance=0.01)
TEXT = Answer(expected="Stride two", hint="read on.", misconceptions=[("padding", "no zeros.")])
TRUTH = Answer(expected=True, hint="look again.")


@pytest.mark.parametrize("untouched", [..., None])
@pytest.mark.parametrize("exercise", [THREE, PAIR, TEXT, TRUTH])
def test_dots_and_none_are_no_answer(exercise, untouched):
    assert exercise.judge(untouched).status == UNANSWERED


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        (THREE, 3),
        (THREE, 3.0),
        (THREE, np.int64(3)),
        (THREE, np.float32(3)),
        (THREE, np.array(3)),
        (THREE, tf.constant(3)),
        (THREE, keras.Variable(3.0)),
        (PAIR, (1, 2)),
        (PAIR, [1.0, 2.0]),
        (PAIR, np.array([1, 2], "uint8")),
        (PAIR, (np.int32(1), tf.constant(2))),
        (PAIR, [tf.constant(1), keras.Variable(2.0)]),
        (NEAR, 0.109),
        (TEXT, "Stride two"),
        (TEXT, "  stride\n TWO "),
        (TRUTH, True),
        (TRUTH, np.True_),
    ],
)
def test_right_answers(exercise, answer):
    assert exercise.judge(answer).status == CORRECT


@pytest.mark.parametrize(
    ("exercise", "answer", "message"),
    [
        (THREE, 2, "you forgot the last one."),
        (THREE, np.float64(4), "you counted one twice."),
        (THREE, 7, "count again."),
        (THREE, float("nan"), "count again."),
        (THREE, -np.inf, "count again."),
        (THREE, "3", "expected a number, got str '3'."),
        (THREE, {3}, "expected a number, got set {3}."),
        (THREE, {3: 3}, "expected a number, got dict {3: 3}."),
        (THREE, 3j, "expected a number, got complex 3j."),
        (THREE, len, "expected a number, got a function."),
        (THREE, [3], "expected one number, got an array of shape (1,)."),
        (PAIR, (2, 1), "swapped."),
        (PAIR, (2, 2), "two numbers."),
        (PAIR, 1, "expected an array of shape (2,), got one number."),
        (PAIR, [[1, 2]], "the shape should be (2,), yours is (1, 2)."),
        (PAIR, [[1, 2], [3]], "expected numbers, got list [[1, 2], [3]]."),
        (PAIR, ("1", 2), "expected numbers, got tuple ('1', 2)."),
        (PAIR, (1, None), "expected numbers, got tuple (1, None)."),
        (PAIR, "1, 2", "expected numbers, got str '1, 2'."),
        (NEAR, 0.111, "near."),
        (TEXT, "Padding", "no zeros."),
        (TEXT, "stride", "read on."),
        (TEXT, 2, "expected a text in quotes, got int 2."),
        (TRUTH, False, "look again."),
    ],
)
def test_wrong_answers_get_the_hint_that_fits(exercise, answer, message):
    verdict = exercise.judge(answer)
    assert (verdict.status, verdict.message) == (WRONG, message)


def test_a_symbolic_tensor_is_no_number():
    assert THREE.judge(keras.Input((3,))).message.startswith("expected a number, got KerasTensor")


def test_not_a_number_can_be_the_right_answer():
    exercise = Answer(expected=np.array([1, np.nan]), hint="divide.")
    assert exercise.judge([1, np.nan]).status == CORRECT
    assert exercise.judge([1, 0]).status == WRONG


def test_judging_does_not_change_the_answer():
    answer = np.array([2, 1])
    PAIR.judge(answer)
    assert answer.tolist() == [2, 1]


# A function --------------------------------------------------------------------------------------


def double(values):
    return values * 2


DOUBLE = Function(
    reference=double,
    cases=[(np.array([1.0, 2.0]),), (np.array([[3.0]]),), (np.zeros((0, 2)),)],
    hint="times two.",
    misconceptions=[(lambda values: values**2, "this is the square."), (sum, "this is the sum.")],
    praise="twice as good.",
)
# Arguments of several kinds, none of which a function may change.
LENGTH = Function(
    reference=lambda items, options: len(items) + options["extra"],
    cases=[([[1, 2], [3]], {"extra": 1}), ([], {"extra": 0}), (["a", np.ones(2)], {"extra": 2})],
    hint="count them.",
)


def change_in_place(values):
    values *= 2
    return values


def forget_the_edge(values):
    return values * 2 if values.size else None


def stop_at_the_edge(values):
    return values * (2 if values.size else 1 / 0)


def empty_the_list(items, options):
    result = len(items) + options["extra"]
    items.clear()
    return result


def empty_the_options(items, options):
    return len(items) + options.pop("extra")


@pytest.mark.parametrize("untouched", [..., None, lambda values: ..., lambda values: None])
def test_a_function_without_a_body_is_no_answer(untouched):
    assert DOUBLE.judge(untouched).status == UNANSWERED


@pytest.mark.parametrize(
    ("exercise", "function"),
    [
        (DOUBLE, double),
        (DOUBLE, lambda values: values + values + 1e-7),
        (DOUBLE, lambda values: tf.constant(values) * 2),
        (DOUBLE, lambda values: (values * 2).tolist() if values.size else values),
        (LENGTH, lambda items, options: sum(1 for _ in items) + options["extra"]),
    ],
)
def test_right_functions(exercise, function):
    assert exercise.judge(function).status == CORRECT


@pytest.mark.parametrize(
    ("exercise", "function", "message"),
    [
        (DOUBLE, 3, "expected a function, got int."),
        (DOUBLE, lambda values: values**2, "this is the square."),
        (DOUBLE, lambda values: values * 3, "times two. (Tried with an array of shape (2,).)"),
        (DOUBLE, lambda values: "a", "expected numbers, got str 'a'."),
        (DOUBLE, lambda values: np.sum(values), "expected an array of shape (2,), got one number."),
        (DOUBLE, lambda values: values[:1] * 2, "the shape should be (2,), yours is (1,)."),
        (DOUBLE, change_in_place, "it changes its input; work on a copy."),
        (DOUBLE, forget_the_edge, "expected numbers, got NoneType None."),
        (
            DOUBLE,
            stop_at_the_edge,
            "called with an array of shape (0, 2) it stopped with ZeroDivisionError: "
            "division by zero.",
        ),
        (DOUBLE, lambda: 3, "it stopped with TypeError"),
        (DOUBLE, lambda a, b: a, "missing 1 required positional argument: 'b'"),
        (LENGTH, empty_the_list, "it changes its input; work on a copy."),
        (LENGTH, empty_the_options, "it changes its input; work on a copy."),
        (LENGTH, lambda items, options: 0, "count them. (Tried with [[1, 2], [3]], {'extra': 1}.)"),
    ],
)
def test_wrong_functions_get_the_hint_that_fits(exercise, function, message):
    verdict = exercise.judge(function)
    assert verdict.status == WRONG
    assert message in verdict.message


def test_a_division_by_zero_is_wrong_without_a_warning():
    exercise = Function(reference=double, cases=[(np.zeros(2),)], hint="times two.")
    assert exercise.judge(lambda values: values / values).status == WRONG


def test_the_cases_stay_as_they_are():
    before = DOUBLE.cases[0][0].copy()
    DOUBLE.judge(change_in_place)
    np.testing.assert_array_equal(DOUBLE.cases[0][0], before)


# check and find ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (3, "Exercise 99.1 correct: well counted.\n"),
        (2, "Exercise 99.1 not yet: you forgot the last one.\n"),
        (
            ...,
            "Exercise 99.1 not answered yet: "
            "put your answer in place of the dots `...` and run the cell.\n",
        ),
    ],
)
def test_check_prints_one_line(monkeypatch, capsys, answer, line):
    monkeypatch.setattr(judge, "find", {"99.1": THREE}.get)
    check("99.1", answer)
    assert capsys.readouterr().out == line


def test_check_without_praise(monkeypatch, capsys):
    monkeypatch.setattr(judge, "find", {"99.2": PAIR}.get)
    check("99.2", [1, 2])
    assert capsys.readouterr().out == "Exercise 99.2 correct.\n"


@pytest.mark.parametrize(
    "name", ["3.2", "03", "03.22", "3.2.1", "", "aa.b", "05B.1", "05bc.1", 3.2, None]
)
def test_an_identifier_is_a_chapter_and_a_number(name):
    with pytest.raises(ValueError, match=r'as in "03\.2", got'):
        find(name)


def test_an_unknown_chapter_is_refused():
    with pytest.raises(ValueError, match=r"got '99\.1'"):
        check("99.1", 3)


# Every exercise of every chapter -----------------------------------------------------------------

MODULES = [
    importlib.import_module(f"{exercises.__name__}.{module.name}")
    for module in pkgutil.iter_modules(exercises.__path__)
    if module.name.startswith("chapter_")
]
EXERCISES = {name: exercise for module in MODULES for name, exercise in module.EXERCISES.items()}
every_exercise = pytest.mark.parametrize("name", EXERCISES)


def answers_of(exercise):
    """The right answer and each wrong one with its hint, as a reader would hand them in."""
    if isinstance(exercise, Function):
        return exercise.reference, list(exercise.misconceptions)

    def value(answer):
        return answer() if callable(answer) else answer

    wrong = [(value(answer), hint) for answer, hint in exercise.misconceptions]
    return value(exercise.expected), wrong


def test_there_are_exercises():
    assert EXERCISES


def test_unknown_number_names_those_there_are():
    chapter = next(iter(EXERCISES)).split(".")[0]
    with pytest.raises(ValueError, match=rf"this chapter has {chapter}\.1, "):
        find(f"{chapter}.9")


@every_exercise
def test_exercise_is_found_by_its_name(name):
    assert find(name) is EXERCISES[name]


@every_exercise
@pytest.mark.parametrize("untouched", [..., None])
def test_stub_is_not_answered(name, untouched):
    assert EXERCISES[name].judge(untouched).status == UNANSWERED


@every_exercise
def test_right_answer_is_accepted(name):
    right, _ = answers_of(EXERCISES[name])
    verdict = EXERCISES[name].judge(right)
    assert (verdict.status, verdict.message) == (CORRECT, EXERCISES[name].praise)


@every_exercise
def test_each_misconception_gets_its_own_hint(name):
    exercise = EXERCISES[name]
    _, wrong = answers_of(exercise)
    assert wrong, "an exercise names at least one misconception"
    verdicts = [exercise.judge(answer) for answer, _ in wrong]
    assert [verdict.status for verdict in verdicts] == [WRONG] * len(wrong)
    assert [verdict.message for verdict in verdicts] == [hint for _, hint in wrong]
    assert len({hint for _, hint in wrong} | {exercise.hint}) == len(wrong) + 1


@every_exercise
def test_hints_are_sentences(name):
    exercise = EXERCISES[name]
    texts = [exercise.hint, *(hint for _, hint in exercise.misconceptions)]
    assert all(text.endswith((".", "?", ")")) and " " in text for text in texts), texts
    assert exercise.praise == "" or exercise.praise.endswith((".", "!"))


@pytest.mark.parametrize("name", [n for n, e in EXERCISES.items() if isinstance(e, Function)])
def test_function_is_tried_on_several_different_inputs(name):
    cases = EXERCISES[name].cases
    assert len(cases) >= 2
    assert all(isinstance(case, tuple) for case in cases)
    shown = [judge._show(case) + repr(case) for case in cases]
    assert all(first != second for first, second in itertools.combinations(shown, 2))
