"""The judge: what counts as an answer, which hint a wrong one gets, what it survives."""

import dataclasses
import fractions
import importlib.machinery
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from strange_answers import STRANGE, deeper, fail, hostile, leave

from course_utils.exercises import judge
from course_utils.exercises.compare import difference, is_unchanged
from course_utils.exercises.judge import Exercises, check, find
from course_utils.exercises.kinds import CORRECT, UNANSWERED, WRONG, Answer, Function

# Equal or not ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (321_184, 321_184),
        (321_184.0, 321_184),
        (np.float32(321_184), 321_184),
        (0.1 * 30, 3),  # 3.0000000000000004
        (True, 1),
        (np.float32(1e-3) * np.float32(123.456), 0.123456),
        (np.float32(20_000.1), 20_000.1),
        (np.float32(1 / 3), 1 / 3),
        (fractions.Fraction(1, 3), 1 / 3),
        (tf.constant([1 / 3], tf.bfloat16), np.array([0.333984375])),
        ([1e-4, 2000.0], np.array([0.0, 2000.0])),  # what float32 loses beside 2000
        ([0.5, np.inf, np.nan], np.array([0.5, np.inf, np.nan])),
        (np.float32([1e30, 1]), np.array([1e30, 1.0])),
        (2.0001, 2.0000999),
    ],
)
def test_equal_numbers(answer, expected):
    assert difference(answer, expected) is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (321_185, 321_184),
        (321_185.0, 321_184),
        (np.float32(321_185), 321_184),
        (np.nan, 3),
        (np.inf, 3),
        (0.3333, 1 / 3),
        (1e-9, 0.5),
        (0.0, 0.5),
        ([0.0, 2000.0], np.array([0.01, 2000.0])),
        ([0.5, -np.inf], np.array([0.5, np.inf])),
        ([0.5, np.nan], np.array([0.5, 0.5])),
        ([319_178.0, 0.8], [319_178.0, 0.9]),  # of a list each number counts by itself
    ],
)
def test_different_numbers(answer, expected):
    assert difference(answer, expected) is not None


def test_a_float32_computation_is_right():
    """Beside the same in float64: a softmax, an average, and a difference of large numbers."""
    logits = np.random.default_rng(0).normal(scale=10, size=(50, 10))
    short = logits.astype("float32")
    for compute in (
        lambda x: np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True),
        lambda x: ((x + 100) ** 2).mean(axis=0),
        lambda x: (x * 255).mean(axis=-1) - (x * 255 + x**2).mean(axis=-1),
    ):
        assert compute(short).dtype == np.float32
        assert difference(compute(short), compute(logits)) is None


def test_a_tolerance_is_absolute():
    assert difference(0.109, 0.1, tolerance=0.01) is None
    assert difference(0.111, 0.1, tolerance=0.01) is not None
    assert difference(102, 100, tolerance=2) is None
    assert difference(103, 100, tolerance=2) is not None


# A number, an array, a text, a structure ---------------------------------------------------------

THREE = Answer(
    expected=3,
    hint="count again.",
    mistakes={"you forgot the last one.": 2, "you counted one twice.": 4},
    praise="well counted.",
)
PAIR = Answer(expected=(1, 2), hint="two numbers.", mistakes={"swapped.": (2, 1)})
ARRAY = Answer(expected=np.array([[1.0, 2.0]]), hint="one row.")
TEXT = Answer(expected="Stride two", hint="read on.", mistakes={"no zeros.": "padding"})
TRUTH = Answer(expected=True, hint="look again.")
BOXES = Answer(
    expected=[
        {"boxes": np.array([[0.0, 0, 4, 4], [1, 1, 2, 3]]), "labels": [1, 7]},
        {"boxes": np.zeros((0, 4)), "labels": []},
    ],
    hint="match again.",
    mistakes={
        "the second image has no box.": [
            {"boxes": np.array([[0.0, 0, 4, 4], [1, 1, 2, 3]]), "labels": [1, 7]},
            {"boxes": np.zeros((1, 4)), "labels": [0]},
        ]
    },
)
ROWS = Answer(expected=[np.array([1.0, 2.0]), np.array([3.0, 4.0])], hint="row by row.")
RAGGED = Answer(expected=[np.array([0.5, 0.25]), np.array([1.0]), "cat"], hint="row by row.")
ANSWERS = [THREE, PAIR, ARRAY, TEXT, TRUTH, BOXES, ROWS, RAGGED]


@pytest.mark.parametrize("untouched", [..., None, (..., 2), [1, ...], {"boxes": ...}, [{"a": ...}]])
@pytest.mark.parametrize("exercise", ANSWERS)
def test_dots_and_none_are_no_answer(exercise, untouched):
    verdict = exercise.judge(untouched)
    todo = "put your answer in place of the dots `...` and run the cell."
    assert (verdict.status, verdict.message) == (UNANSWERED, todo)


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
        (PAIR, range(1, 3)),
        (PAIR, np.array([1, 2], "uint8")),
        (PAIR, (np.int32(1), tf.constant(2))),
        (PAIR, [tf.constant(1), keras.Variable(2.0)]),
        (ARRAY, [[1, 2]]),
        (ARRAY, [tf.constant([1.0, 2.0])]),
        (ARRAY, [[tf.constant(1.0), keras.Variable(2.0)]]),
        (TEXT, "Stride two"),
        (TEXT, "  stride\n TWO "),
        (TRUTH, True),
        (TRUTH, np.True_),
        (BOXES, BOXES.expected),
        (BOXES, tuple(BOXES.expected)),
        (
            BOXES,
            [
                {"labels": (1, 7), "boxes": tf.constant([[0, 0, 4, 4], [1, 1, 2, 3]])},
                {"labels": np.zeros(0), "boxes": np.zeros((0, 4), "float32")},
            ],
        ),
        (ROWS, np.array([[1, 2], [3, 4]])),
        (RAGGED, ([0.5, 0.25], [1], "Cat")),
        (RAGGED, np.array([[0.5, 0.25], [1], "cat"], dtype=object)),
    ],
)
def test_right_answers(exercise, answer):
    verdict = exercise.judge(answer)
    assert (verdict.status, verdict.message) == (CORRECT, exercise.praise)


def generator():
    yield 1


@pytest.mark.parametrize(
    ("exercise", "answer", "message"),
    [
        (THREE, 2, "you forgot the last one."),
        (THREE, np.float64(4), "you counted one twice."),
        (THREE, 7, "count again."),
        (THREE, np.nan, "count again."),
        (THREE, -np.inf, "count again."),
        (THREE, "3", "expected a number, got str '3'."),
        (THREE, {3}, "expected a number, got set {3}."),
        (THREE, {3: 3}, "expected a number, got dict {3: 3}."),
        (THREE, 3j, "expected a number, got complex 3j."),
        (THREE, len, "expected a number, got a function."),
        (THREE, int, "expected a number, got the class int."),
        (THREE, [3], "expected one number, got an array of shape (1,)."),
        (
            THREE,
            generator(),
            "expected a number, got a generator, which hands out its values one by one "
            "(put `list(...)` around it).",
        ),
        (PAIR, (2, 1), "swapped."),
        (PAIR, (2, 2), "two numbers. (Look at the part [0].)"),
        (PAIR, 1, "expected an array of shape (2,), got one number."),
        (PAIR, [[1, 2]], "the shape should be (2,), yours is (1, 2)."),
        (PAIR, ("1", 2), "expected a number, got str '1'. (Look at the part [0].)"),
        (PAIR, (1, None), "expected a number, got NoneType None. (Look at the part [1].)"),
        (PAIR, "1, 2", "expected a list of 2, got str '1, 2'."),
        (ARRAY, [[2, 1]], "one row."),
        (ARRAY, [[1], [2]], "the shape should be (1, 2), yours is (2, 1)."),
        (ARRAY, [[1, 2], [3]], "expected numbers, got list [[1, 2], [3]]."),
        (TEXT, "Padding", "no zeros."),
        (TEXT, "stride", "read on."),
        (TEXT, 2, "expected a text in quotes, got int 2."),
        (TRUTH, False, "look again."),
        (BOXES, [BOXES.expected[0]], "expected 2 parts, got 1."),
        (
            BOXES,
            [BOXES.expected[0]] * 2,
            'the shape should be (0, 4), yours is (2, 4). (Look at the part [1]["boxes"].)',
        ),
        (
            BOXES,
            [{"boxes": [[0, 0, 4, 4], [1, 1, 2, 3]], "labels": [1, 6]}, BOXES.expected[1]],
            'match again. (Look at the part [0]["labels"][1].)',
        ),
        (BOXES, BOXES.mistakes["the second image has no box."], "the second image has no box."),
        (
            BOXES,
            [[], []],
            'expected a dict with "boxes", "labels", got list []. (Look at the part [0].)',
        ),
        (
            BOXES,
            [{"boxes": 1, 2: 2}, {}],
            'the keys should be "boxes", "labels", yours are "boxes", 2. (Look at the part [0].)',
        ),
        (
            BOXES,
            [BOXES.expected[0], {}],
            'the keys should be "boxes", "labels", yours are none. (Look at the part [1].)',
        ),
        (ROWS, np.ones((2, 3)), "the shape should be (2,), yours is (3,). (Look at the part [0].)"),
        (RAGGED, ([0.5, 0.25], [2], "cat"), "row by row. (Look at the part [1].)"),
        (RAGGED, 5, "expected a list of 3, got int 5."),
    ],
)
def test_wrong_answers_get_the_hint_that_fits(exercise, answer, message):
    verdict = exercise.judge(answer)
    assert (verdict.status, verdict.message) == (WRONG, message)


def test_a_symbolic_tensor_is_no_number():
    assert THREE.judge(keras.Input((3,))).message.startswith("expected a number, got KerasTensor")


def test_a_gradient_of_another_library_is_let_go():
    class Tensor:
        def detach(self):
            return self

        def cpu(self):
            return np.array(3)

        def __array__(self, *arguments, **options):
            raise RuntimeError("call detach() first")

    assert THREE.judge(Tensor()).status == CORRECT


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
    mistakes={"this is the square.": lambda values: values**2, "this is the sum.": sum},
    praise="twice as good.",
)
# Arguments of several kinds, none of which a function may change.
LENGTH = Function(
    reference=lambda items, options: len(items) + options["extra"],
    cases=[([[1, 2], [3]], {"extra": 1}), ([], {"extra": 0}), (["a", np.ones(2)], {"extra": 2})],
    hint="count them.",
)
BEST = Function(
    reference=lambda scores: {"best": scores.max(), "order": np.argsort(scores)},
    cases=[(np.arange(9.0),), (np.array([0.5]),)],
    hint="sort.",
)
DRAW = Function(
    reference=lambda rng, names: rng.random(3),
    cases=[(np.random.default_rng(0), np.array(["a"])), (np.random.default_rng(1), None)],
    hint="three numbers.",
)
NOTHING = Function(reference=lambda: 1, cases=[()], hint="one.")


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


def replace_an_item(items, options):
    result = len(items) + options["extra"]
    items[:] = [hostile(object, fail, "__eq__")() for _ in items]
    return result


def yield_the_double(values):
    yield values * 2


@pytest.mark.parametrize(
    "untouched", [..., None, lambda values: ..., lambda values: None, lambda values: (..., 1)]
)
def test_a_function_without_a_body_is_no_answer(untouched):
    assert DOUBLE.judge(untouched).status == UNANSWERED


@pytest.mark.parametrize(
    ("exercise", "function"),
    [
        (DOUBLE, double),
        (DOUBLE, lambda values: values + values + 1e-7),
        (DOUBLE, lambda values: tf.constant(values) * 2),
        (DOUBLE, lambda values: values.astype("float32") * 2),
        (DOUBLE, lambda values: (values * 2).tolist() if values.size else values),
        (DOUBLE, lambda values, factor=2: values * factor),
        (DOUBLE, lambda *values: values[0] * 2),
        (LENGTH, lambda items, options: sum(1 for _ in items) + options["extra"]),
        (BEST, lambda scores: {"order": list(range(len(scores))), "best": scores[-1]}),
        (DRAW, lambda rng, names: [rng.random() for _ in range(3)]),
        (NOTHING, lambda: 1),
    ],
)
def test_right_functions(exercise, function):
    assert exercise.judge(function).status == CORRECT


@pytest.mark.parametrize(
    ("exercise", "function", "message"),
    [
        (DOUBLE, 3, "expected a function, got int 3."),
        (DOUBLE, lambda values: values**2, "this is the square."),
        (DOUBLE, np.sum, "expected an array of shape (2,), got one number."),
        (
            DOUBLE,
            lambda values: values * 3,
            "times two. (Tried with the float64 array [1., 2.].)",
        ),
        (DOUBLE, lambda values: "a", "expected numbers, got str 'a'."),
        (DOUBLE, lambda values: values[:1] * 2, "the shape should be (2,), yours is (1,)."),
        (DOUBLE, change_in_place, "it changes its input; work on a copy."),
        (DOUBLE, forget_the_edge, "expected numbers, got NoneType None."),
        (
            DOUBLE,
            stop_at_the_edge,
            "called with the float64 array [] it stopped with ZeroDivisionError: division by zero.",
        ),
        (DOUBLE, yield_the_double, "a generator, which hands out its values one by one"),
        (DOUBLE, lambda: 3, "it is called with (values), but yours takes ()."),
        (DOUBLE, lambda a, b: a, "it is called with (values), but yours takes (a, b)."),
        (DOUBLE, lambda *, a: a, "it is called with (values), but yours takes (a)."),
        (DOUBLE, leave, "called with the float64 array [1., 2.] it stopped with SystemExit: bye."),
        (DOUBLE, deeper, "it stopped with RecursionError: "),
        (DOUBLE, dict, "it stopped with TypeError: "),  # a builtin that does not say what it takes
        (LENGTH, empty_the_list, "it changes its input; work on a copy."),
        (LENGTH, empty_the_options, "it changes its input; work on a copy."),
        (LENGTH, replace_an_item, "it changes its input; work on a copy."),
        (LENGTH, lambda items, options: 0, "count them. (Tried with [[1, 2], [3]], {'extra': 1}.)"),
        (
            BEST,
            lambda scores: {"best": 1, "order": np.argsort(scores)},
            'sort. (Tried with a float64 array of shape (9,), where the part ["best"] differs.)',
        ),
        (NOTHING, lambda: 2, "one. (Tried with nothing.)"),
    ],
)
def test_wrong_functions_get_the_hint_that_fits(exercise, function, message):
    verdict = exercise.judge(function)
    assert verdict.status == WRONG
    assert message in verdict.message


def test_a_mistake_that_stops_is_not_the_readers():
    mistakes = {"stops.": lambda values: 1 / 0, "three times.": lambda values: values * 3}
    exercise = dataclasses.replace(DOUBLE, mistakes=mistakes)
    assert exercise.judge(lambda values: values * 3).message == "three times."


def halve_even(number):
    if number % 2:
        raise ValueError(f"expected an even number, got {number}")
    return number // 2


HALVE = Function(
    reference=halve_even,
    cases=[(2,), (8,)],
    refused=[(3,)],
    hint="half of it.",
    mistakes={"you round down.": lambda number: number // 2},
)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda number: number // 2, "you round down."),
        (
            lambda number: number / 2,
            "here it should raise a ValueError, and does not. (Tried with 3.)",
        ),
        (lambda number: int("x"), "it raises a ValueError where nothing is wrong. (Tried with 2.)"),
        (
            lambda number: number // 2 if number % 2 < 1 else 1 / 0,
            "called with 3 it stopped with Zero",
        ),
        (lambda number: halve_even(number) + number // 8, "half of it. (Tried with 8.)"),
    ],
)
def test_a_function_must_refuse_what_the_exercise_says(function, message):
    assert HALVE.judge(halve_even).status == CORRECT
    verdict = HALVE.judge(function)
    assert verdict.status == WRONG
    assert verdict.message.startswith(message)


def test_a_value_error_is_an_error_where_none_is_asked_for():
    exercise = dataclasses.replace(HALVE, refused=[])
    assert exercise.judge(lambda number: int("x")).message.startswith(
        "called with 2 it stopped with"
    )


def test_a_division_by_zero_is_wrong_without_a_warning():
    exercise = Function(reference=double, cases=[(np.zeros(2),)], hint="times two.")
    message = exercise.judge(lambda values: values / values).message
    assert message == "times two. (Tried with the float64 array [0., 0.].)"


def test_the_cases_stay_as_they_are():
    before = DOUBLE.cases[0][0].copy()
    DOUBLE.judge(change_in_place)
    np.testing.assert_array_equal(DOUBLE.cases[0][0], before)


def test_what_a_function_prints_is_shown(capsys):
    DOUBLE.judge(lambda values: print("looking at", values.shape) or values * 2)
    assert capsys.readouterr().out == "looking at (2,)\nlooking at (1, 1)\nlooking at (0, 2)\n"


def test_the_stop_button_works():
    def wait(values):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        DOUBLE.judge(wait)


@pytest.mark.parametrize(
    ("value", "before", "unchanged"),
    [
        ([1, "a", np.nan], [1, "a", np.nan], True),
        ({"a": (1,)}, {"a": (1,)}, True),
        (np.array([1, np.nan]), np.array([1, np.nan]), True),
        (np.array([1.0]), np.array([1]), False),
        ([1, 2], [1, 3], False),
        ([1], [1, 2], False),
        ({"b": 1}, {"a": 1}, False),
        ({"a": 1}, {"a": 2}, False),
        ((np.array([1]),), (np.array([2]),), False),
    ],
)
def test_what_counts_as_unchanged(value, before, unchanged):
    assert is_unchanged(value, before) is unchanged


# What is handed in may be anything ---------------------------------------------------------------


@pytest.mark.parametrize("exercise", [*ANSWERS, DOUBLE])
@pytest.mark.parametrize("name", STRANGE)
def test_nothing_handed_in_stops_the_judge(name, exercise):
    verdict = exercise.judge(STRANGE[name])
    assert verdict.status == WRONG
    assert verdict.message.endswith((".", ".)"))


@pytest.mark.parametrize("name", STRANGE)
def test_nothing_returned_stops_the_judge(name):
    assert DOUBLE.judge(lambda values: STRANGE[name]).status == WRONG


def test_an_error_that_cannot_be_shown():
    def stop(values):
        raise hostile(Exception, fail, "__str__")

    message = DOUBLE.judge(stop).message
    assert message == "called with the float64 array [1., 2.] it stopped with Hostile."


# check and find ----------------------------------------------------------------------------------

EXERCISES = Exercises()
EXERCISES.answer("99.1", 3, "count again.", mistakes={"one less.": 2}, praise="well counted.")
EXERCISES.answer("99.2", (1, 2), "two numbers.", tolerance=0.1)


@EXERCISES.function("99.3", "times two.", cases=[(2,), (0,)])
def times_two(value):
    return value * 2


def test_declaring_leaves_a_function_as_it_is():
    assert times_two(4) == 8


def test_an_identifier_is_used_once():
    with pytest.raises(ValueError, match=r"there is an exercise 99\.3 already"):
        EXERCISES.answer("99.3", 1, "one.")
    assert EXERCISES["99.3"].judge(times_two).status == CORRECT


@pytest.mark.parametrize(
    ("name", "answer", "line"),
    [
        ("99.1", 3, "Exercise 99.1 correct: well counted.\n"),
        ("99.1", 2, "Exercise 99.1 not yet: one less.\n"),
        ("99.2", [1, 2.05], "Exercise 99.2 correct.\n"),
        (
            "99.1",
            ...,
            "Exercise 99.1 not answered yet: "
            "put your answer in place of the dots `...` and run the cell.\n",
        ),
        (
            "99.3",
            ...,
            "Exercise 99.3 not answered yet: write the function and run the cell.\n",
        ),
        (
            "99.3",
            lambda value: ...,
            "Exercise 99.3 not answered yet: "
            "put your code in place of the dots `...`, return its result and run the cell.\n",
        ),
    ],
)
def test_check_prints_one_line(monkeypatch, capsys, name, answer, line):
    monkeypatch.setattr(judge, "find", EXERCISES.get)
    check(name, answer)
    assert capsys.readouterr().out == line


@pytest.fixture
def chapter_99(monkeypatch):
    module = types.ModuleType("course_utils.exercises.chapter_99")
    module.EXERCISES = EXERCISES
    module.__spec__ = importlib.machinery.ModuleSpec(module.__name__, None)
    monkeypatch.setitem(sys.modules, module.__name__, module)


def test_an_exercise_is_found_in_its_chapter(chapter_99):
    assert find("99.2") is EXERCISES["99.2"]


def test_an_unknown_number_names_those_there_are(chapter_99):
    with pytest.raises(
        ValueError, match=r"no exercise 99\.9; this chapter has 99\.1, 99\.2, 99\.3"
    ):
        find("99.9")


@pytest.mark.parametrize(
    "name", ["3.2", "03", "03.22", "3.2.1", "", "aa.b", "05B.1", "05bc.1", 3.2, None]
)
def test_an_identifier_is_a_chapter_and_a_number(name):
    with pytest.raises(ValueError, match=r'as in "03\.2", got'):
        find(name)


def test_an_unknown_chapter_is_refused():
    with pytest.raises(ValueError, match=r"got '98\.1'"):
        check("98.1", 3)


def test_the_judge_takes_no_time_to_import():
    code = (
        "import sys\n"
        "from course_utils.exercises.trained import Trained\n"
        "assert Trained(None, 'look.', 0.9).judge(...).status == 'not answered yet'\n"
        "print(sorted({'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
