"""Code that is wrong in one place only is not accepted as the solution of an exercise."""

import ast

import numpy as np
import pytest
from exercise_cells import answer_of, sources
from mutation import mutants

from course_utils.exercises.judge import find
from course_utils.exercises.kinds import CORRECT, Answer
from course_utils.exercises.networks import Network
from course_utils.exercises.trained import Trained

# To build or train a network anew for each change takes minutes: test_exercises.py spoils those.
SOLUTIONS = {
    name: source
    for name, source in sources("solution").items()
    if not isinstance(find(name), Network | Trained)
}
# Changes after which a solution is still right, and why.
HARMLESS = {
    "02.2": {
        "return image / 255": "NumPy divides whole numbers in floating point",
        "return image.astype('int32') / 255": "the same",
    },
    "02.3": {"side = min(width, height)": "the order does not matter"},
    "02.6": {
        **dict.fromkeys(
            (
                "batch.append(np.array(ImageOps.fit(image, (size, size))) / 254)",
                "batch.append(np.array(ImageOps.fit(image, (size, size))) / 256)",
            ),
            "less than other filters for resizing differ by",
        ),
        "return batch": "a list of equal images is a batch",
    },
    "03.3": {"jump, field = (1, 1)": "both are 1"},
    "03.5": {"axes = list(zip(image.shape, kernel.shape))": "both have two axes"},
    "04.4": {
        "mean, variance = (x.mean(axis=(1, 0, 2)), x.var(axis=(0, 1, 2)))": "a set of axes",
        "mean, variance = (x.mean(axis=(0, 2, 1)), x.var(axis=(0, 1, 2)))": "a set of axes",
        "mean, variance = (x.mean(axis=(0, 1, 2)), x.var(axis=(1, 0, 2)))": "a set of axes",
        "mean, variance = (x.mean(axis=(0, 1, 2)), x.var(axis=(0, 2, 1)))": "a set of axes",
    },
    "05.2": {
        "best = np.argsort(-probabilities)[:, :k]": "the last axis is the default, and is axis 1",
        "found = np.take_along_axis(accepted, best).any(axis=1)": "the same",
    },
    "05.4": {
        "return kernel * kernel * (channels_in / groups) * channels_out + channels_out": (
            "the groups divide the channels"
        )
    },
    "05.6": {
        "queries = queries": "the length of a query does not change which vector is nearest to it",
        "queries = queries * np.linalg.norm(queries, axis=1, keepdims=True)": "the same",
        "queries = queries / np.linalg.norm(queries, keepdims=True)": "the same",
        "return np.argsort(-queries @ gallery.T)[:, :count]": "the last axis is the default",
    },
    "06.3": {
        "return 255 * images[..., ::-1] - [103.939, 116.779, 123.68]": "NumPy takes a list as well"
    },
    "08.2": dict.fromkeys(
        (
            "def mean_iou(found, truth, num_classes):",
            "a, b = (found == label, truth == label)",
            "b, a = (truth == label, found == label)",
            "if np.any(b | a):",
            "values.append(np.sum(a & b) / np.sum(b | a))",
            "values.append(np.sum(b & a) / np.sum(a | b))",
        ),
        "the IoU does not ask which mask is which",
    ),
    "08.3": {
        "if (right, down) != (1, 1):": "both are 1",
        "return np.argwhere(is_peak)[:, 0 + 1::-1]": "there are two columns",
    },
    "09.2": {
        "shifted = corners - labels[:, np.newaxis] * corners.max()": "they move the other way",
        "overlaps = boxes.iou(shifted[kept], shifted[[index]])": "the order does not matter",
    },
    "09.4": {"overlaps[:, best] = -1": "below every threshold, as 0 is"},
    "09.6": {"for label in range(11):": "there is no class 10"},
    "09b.4": {
        "def threshold_for(scores, hits, recall, total):": "their product is what the hits reach"
    },
    "10.2": {
        "step = epsilon / ops.sign(tape.gradient(loss, images))": "a sign divides as it multiplies",
    },
    "10.3": {
        "change = np.clip(-epsilon, change, epsilon)": "the same",
        "return np.clip(0, images + change, 1)": "the same",
        "lengths = np.sqrt(np.sum(np.square(change), axis=(1, 3, 2), keepdims=True))": (
            "a set of axes"
        ),
        "lengths = np.sqrt(np.sum(np.square(change), axis=(2, 1, 3), keepdims=True))": (
            "a set of axes"
        ),
        "change = change * epsilon / np.maximum(epsilon, lengths)": "the order does not matter",
    },
    "10b.4": {
        "def by_group(predicted, labels, groups, num_groups):": "right is right both ways",
        "for group in groups:": "the same groups, some of them more than once",
    },
    "10b.6": {
        "total = np.sum(part * images, axis=(2, 1), keepdims=True)": "a set of axes",
        "mean = total / np.sum(part, axis=(2, 1), keepdims=True)": "a set of axes",
    },
    "11.2": {
        "scores = query @ key.T / np.sqrt(query.shape[1])": "the last axis of two is axis 1",
        "return weights / weights.sum(axis=1, keepdims=True) @ value": "the same",
    },
    "11.3": {
        "scores = query @ key.transpose(0, 1, 3, 2) / np.sqrt(width / heads)": (
            "the heads divide the width"
        ),
    },
    "12.2": {
        "patches = weights[:, 1:, 1:].reshape(-2, *grid, *grid)": (
            "NumPy finds the length for any negative number"
        ),
    },
    "12.3": {
        "return np.concatenate([positions[:1], grid.reshape(-2, positions.shape[1])])": (
            "NumPy finds the length for any negative number"
        ),
    },
    "13.2": {
        "losses = [-np.sum(target * log, axis=1) for t, target in enumerate(targets) "
        "for s, log in enumerate(logs) if s != t]": "the mean over the pairs is one over images too"
    },
}


def as_unparsed(source):
    """The same code with the brackets and spaces that this Python writes; heads of blocks as is."""
    return source if source.endswith(":") else ast.unparse(ast.parse(source))


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("a - 1", {"a + 1", "a", "1", "1 - a", "a - 2", "a - 0"}),
        ("a * b", {"a / b", "a + b", "a", "b"}),
        ("a // b", {"a * b", "a / b", "a", "b", "b // a"}),
        ("a ** b", {"a * b", "a", "b", "b ** a"}),
        ("a < b", {"a <= b"}),
        ("-a", {"a"}),
        ("0.5", {"1.5", "-0.5", "5.0", "0.05"}),
        ("True", set()),
        ("a += b", {"a -= b", "pass"}),
        ("a if b else c", {"a", "c"}),
        ("if a:\n    b", {"if True:\n    b", "if False:\n    b"}),
        ("f(a, b)", {"f(b, a)", "a"}),
        ("np.max(a)", {"np.min(a)", "np.mean(a)", "a"}),
        ("a.any()", {"a.all()", "a"}),
        ("f(axis=1)", {"f()", "f(axis=2)", "f(axis=0)"}),
        ("a = 'float32'", {"a = 'float16'", "a = 'int32'"}),
        ("(a, b, c)", {"(b, a, c)", "(a, c, b)"}),
        ("lambda a, b: a", {"lambda b, a: a"}),
        ("a[:b]", {"a[0 + 1:b]", "a[:b + 1]", "a[:b + -1]"}),
        ("import ceil", set()),
        ("check('99.1', 1 + 2)", set()),
    ],
)
def test_mutants_change_one_thing(source, changed):
    assert set(mutants(source)) == set(map(as_unparsed, changed))


def test_a_mutant_is_known_by_the_line_that_changed():
    assert mutants("a\nb = 2\nc")["a\nb = 3\nc"] == "b = 3"


def is_the_same(answer, expected):
    """Whether two answers are equal, up to how a processor rounds a sum."""
    try:
        return np.shape(answer) == np.shape(expected) and np.allclose(answer, expected, 1e-12, 0)
    except (TypeError, ValueError):  # no numbers, or no array
        return np.array_equal(answer, expected)


def is_accepted(exercise, code):
    try:
        answer = answer_of(code)
    except Exception:  # a cell that fails hands in nothing
        return False
    same = isinstance(exercise, Answer) and is_the_same(answer, exercise.expected)
    return not same and exercise.judge(answer).status == CORRECT


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SOLUTIONS)
def test_every_wrong_change_of_a_solution_is_refused(name):
    changes = mutants(SOLUTIONS[name])
    accepted = {line for code, line in changes.items() if is_accepted(find(name), code)}
    assert accepted == set(map(as_unparsed, HARMLESS.get(name, {})))
