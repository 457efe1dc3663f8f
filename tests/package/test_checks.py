"""What counts as a whole number or as an option, and how a refusal reads."""

import subprocess
import sys

import numpy as np
import pytest

from course_utils._checks import boxes, fraction, labels, one_of, photo, rows, scores, whole_number


@pytest.mark.parametrize("kind", [int, np.int64, np.int32, np.uint8, np.int8])
def test_whole_numbers_become_ints(kind):
    number = whole_number("count", kind(100))
    assert number == 100
    assert type(number) is int
    assert number + 200 == 300  # which NumPy's bytes cannot hold


@pytest.mark.parametrize(
    "value", [0, -1, 2.0, np.float32(2), True, False, np.True_, "3", None, [3], np.array([3, 4])]
)
def test_refuses_what_is_no_whole_number_from_1_on(value):
    with pytest.raises(ValueError, match=r"^count must be a whole number >= 1, got ") as error:
        whole_number("count", value)
    assert str(error.value).endswith(repr(value))


def test_bounds_are_included():
    assert [whole_number("k", k, 0, 2) for k in (0, 1, 2)] == [0, 1, 2]
    for k in (-1, 3):
        with pytest.raises(ValueError, match=rf"^k must be a whole number from 0 to 2, got {k}$"):
            whole_number("k", k, 0, 2)
    assert whole_number("seed", 2**40, 0) == 2**40
    with pytest.raises(ValueError, match=r"^seed must be a whole number >= 0, got -1$"):
        whole_number("seed", -1, 0)


@pytest.mark.parametrize(
    ("value", "options"),
    [("same", ("valid", "same")), (2, (1, 2)), (np.int64(2), (1, 2)), (None, (None, "avg")),
     (np.str_("same"), ("valid", "same")), (True, (True, False))],
)  # fmt: skip
def test_options(value, options):
    option = one_of("setting", value, options)
    assert option == value
    assert any(option is known for known in options)


@pytest.mark.parametrize(
    ("value", "options", "expected"),
    [
        ("SAME", ("valid", "same"), '"valid" or "same"'),
        (1, ("valid", "same"), '"valid" or "same"'),
        (True, (1, 2), "1 or 2"),
        (2.0, (1, 2), "1 or 2"),
        ([2], (1, 2, 4), "1, 2 or 4"),
        (np.array([1, 2]), (1, 2), "1 or 2"),
        (np.array(["a", "b"]), ("a", "b"), '"a" or "b"'),
        (1, (True, False), "True or False"),
        ("", (None, "avg"), 'None or "avg"'),
    ],
)
def test_refuses_what_is_no_option(value, options, expected):
    with pytest.raises(ValueError, match=r"^setting must be ") as error:
        one_of("setting", value, options)
    assert str(error.value) == f"setting must be {expected}, got {value!r}"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([[1, 2, 3]], "float64"),
        (np.ones((2, 3), "uint8"), "float32"),
        (np.ones((2, 3), "float16"), "float32"),
        (np.ones((2, 3), "int32"), "float64"),
        ([], "float64"),
        (np.ones((0, 3), "float32"), "float32"),
    ],
)
def test_rows_become_floats(given, expected):
    found = rows("points", given, 3)
    assert found.shape == (len(given), 3)
    assert found.dtype == expected
    np.testing.assert_array_equal(found, np.reshape(given, (-1, 3)))


def test_a_box_may_be_thin_unless_told_otherwise():
    thin = [[3, 4, 3, 9], [3, 4, 8, 4]]
    np.testing.assert_array_equal(boxes("b", thin), thin)
    for box in thin:
        with pytest.raises(
            ValueError, match=r"^expected b x1, y1, x2, y2 with x1 < x2 and y1 < y2, "
        ):
            boxes("b", [box], thin=False)
    with pytest.raises(ValueError, match=r"x1 <= x2 and y1 <= y2, got \[3.0, 4.0, 2.0, 9.0\]$"):
        boxes("b", [[0, 0, 1, 1], [3.0, 4.0, 2.0, 9.0]])


def test_labels_and_scores_of_no_boxes():
    assert labels("labels", [], 0).dtype.kind == "i"
    assert scores("scores", [], 0).shape == (0,)
    with pytest.raises(
        ValueError, match=r"^expected labels of shape \(0,\), one for each box, got"
    ):
        labels("labels", [1], 0)


@pytest.mark.parametrize("value", [0, 1, 0.25, np.float32(0.5), np.int64(1)])
def test_fractions(value):
    assert fraction("share", value) == value
    assert type(fraction("share", value)) is float


@pytest.mark.parametrize("value", [-0.1, 1.01, np.nan, True, "0.5", None, [0.5]])
def test_refuses_what_is_no_fraction(value):
    with pytest.raises(ValueError, match=r"^share must be from 0 to 1, got ") as error:
        fraction("share", value)
    assert str(error.value).endswith(repr(value))


def test_photos():
    image = photo("image", [[[0.0, 0.5, 1.0], [0.1, 0.2, 0.3]]])
    assert image.shape == (1, 2, 3)
    assert image.dtype == np.float32


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((4, 5)), r"image must have shape \(height, width, 3\), got \(4, 5\)"),
        (np.zeros((4, 5, 1)), r"got \(4, 5, 1\)"),
        (np.zeros((1, 4, 5, 3)), r"got \(1, 4, 5, 3\)"),
        (np.zeros((0, 5, 3)), r"got \(0, 5, 3\)"),
        (np.zeros((4, 5, 3), np.uint8), "must be float in .* got uint8: divide 8 bits by 255"),
        (np.full((4, 5, 3), 255.0), r"values in \[0, 1\], got 255 to 255"),
        (np.full((4, 5, 3), -0.01), "got -0.01 to -0.01"),
        (np.full((4, 5, 3), np.nan), "got nan to nan"),
    ],
)
def test_refuses_what_is_no_photo(value, message):
    with pytest.raises(ValueError, match=message):
        photo("image", value)


def test_imports_nothing_heavy():
    code = "import sys, course_utils._checks; print({'numpy', 'keras'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
