"""What every chapter starts with, here and in a real kernel; and output that tells the truth."""

import random
import subprocess
import sys
import types

import keras
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow as tf
from IPython.core.formatters import DisplayFormatter
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from course_utils import notebook
from course_utils.notebook import claim, report


def modules_after(statement):
    """The modules that a fresh Python holds after a statement."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_package_alone_imports_nothing_heavy():
    heavy = {"IPython", "keras", "matplotlib", "numpy", "tensorflow"}
    assert not modules_after("import course_utils") & heavy


def test_importing_notebook_leaves_tensorflow_to_setup():
    assert not modules_after("from course_utils import notebook") & {"keras", "tensorflow"}


# setup -------------------------------------------------------------------------------------------


@pytest.fixture
def style():
    with mpl.rc_context():
        yield


def draws():
    return [
        random.random(),
        np.random.rand(),  # noqa: NPY002
        float(tf.random.uniform(())),
        float(keras.random.uniform(())),
    ]


def trained_weights():
    layers = [keras.layers.Conv2D(3, 3), keras.layers.Flatten(), keras.layers.Dropout(0.5)]
    model = keras.Sequential([keras.Input((7, 5, 1)), *layers, keras.layers.Dense(2)])
    model.compile("adam", "mse")
    x = np.linspace(0, 1, 11 * 35, dtype="float32").reshape(11, 7, 5, 1)
    model.fit(x, x[:, :2, 0, 0], batch_size=4, epochs=2, verbose=0)
    return np.concatenate([np.ravel(weight) for weight in model.get_weights()])


@pytest.mark.usefixtures("style")
def test_setup_seeds_everything():
    notebook.setup()
    first = draws()
    notebook.setup()
    assert draws() == first
    notebook.setup(seed=1)
    assert all(a != b for a, b in zip(draws(), first, strict=True))


@pytest.mark.usefixtures("style")
def test_training_repeats_bit_by_bit_after_setup():
    notebook.setup()
    first = trained_weights()
    notebook.setup()
    np.testing.assert_array_equal(trained_weights(), first)


@pytest.mark.usefixtures("style")
def test_setup_sets_the_figure_style():
    notebook.setup()
    assert plt.rcParams["figure.dpi"] <= 100
    assert plt.rcParams["axes.prop_cycle"].by_key()["color"] == list(notebook.PALETTE)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_setup_refuses_other_seeds(seed):
    with pytest.raises(ValueError, match=f"seed must be from 0 to .*, got {seed}"):
        notebook.setup(seed)


# claim and report --------------------------------------------------------------------------------


@pytest.mark.parametrize("true", [True, np.float32(2) > 1, np.array([1, 2]).all()])
def test_a_true_claim_is_printed(capsys, true):
    claim("Two is more than one", true)
    assert capsys.readouterr().out == "✓ Two is more than one\n"


@pytest.mark.parametrize("false", [False, np.float64(np.nan) > 1])
def test_a_false_claim_stops(capsys, false):
    with pytest.raises(AssertionError, match="This no longer holds: One is more"):
        claim("One is more than two", false)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("vague", [1, None, "yes", np.array([True]), [True], tf.constant(True)])
def test_a_claim_needs_true_or_false(vague):
    with pytest.raises(ValueError, match="holds must be True or False, got"):
        claim("Something", vague)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("test accuracy", 0.8734, 0.87, 0.03), "test accuracy ≈ 0.873 (expected 0.87 ± 0.03)"),
        (("loss", np.float32(0.5), 0.5, 0.1), "loss ≈ 0.50 (expected 0.5 ± 0.1)"),
        (("error", 2e-5, 0, 1e-4), "error ≈ 0.00002 (expected 0 ± 0.0001)"),
        (("time", 12.34, 12, 3, " s"), "time ≈ 12.3 s (expected 12 ± 3 s)"),
        (("weights", 61706, 61_700, 20), "weights ≈ 61,706 (expected 61,700 ± 20)"),
        (("pairs", 1234567, 1234000, 5000), "pairs ≈ 1,234,567 (expected 1,234,000 ± 5,000)"),
        (("shift", -2.5, -2, 1), "shift ≈ -2.5 (expected -2 ± 1)"),
        (("edge", 0.75, 0.5, 0.25), "edge ≈ 0.75 (expected 0.5 ± 0.25)"),
        (("tensor", tf.constant(0.5), 0.5, 0.25), "tensor ≈ 0.50 (expected 0.5 ± 0.25)"),
    ],
)
def test_report_prints_one_digit_more_than_its_band(capsys, arguments, line):
    report(*arguments)
    assert capsys.readouterr().out == line + "\n"


@pytest.mark.parametrize("value", [0.901, 0.839, float("nan"), float("inf")])
def test_a_value_outside_its_band_stops(capsys, value):
    with pytest.raises(AssertionError, match=r"outside its band \(expected 0.87 ± 0.03\)"):
        report("accuracy", value, 0.87, 0.03)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("within", [0, -1, float("nan"), float("inf")])
def test_report_needs_a_band(within):
    with pytest.raises(ValueError, match="within must be above 0 and finite, got"):
        report("accuracy", 0.87, 0.87, within)


@pytest.mark.parametrize("value", [[0.87], np.ones(2)])
def test_report_takes_one_number(value):
    with pytest.raises(ValueError, match="value must be one number, got shape"):
        report("accuracy", value, 0.87, 0.03)


# Figures -----------------------------------------------------------------------------------------

PHOTO = np.zeros((80, 70, 3))


def draw_line(ax):
    ax.plot([0, 1])


def draw_photo(ax):
    ax.imshow(PHOTO)


def draw_photo_in_an_inset(ax):
    ax.plot([0, 1])
    ax.inset_axes([0.1, 0.1, 0.4, 0.4]).inset_axes([0, 0, 1, 1]).imshow(PHOTO)


def draw_grey_photo(ax):
    ax.imshow(PHOTO[..., 0])


def draw_small_grid(ax):
    ax.imshow(PHOTO[:7, :5])


@pytest.mark.parametrize(
    ("draw", "kind"),
    [
        (draw_line, "image/png"),
        (draw_photo, "image/jpeg"),
        (draw_photo_in_an_inset, "image/jpeg"),
        (draw_grey_photo, "image/jpeg"),
        (draw_small_grid, "image/png"),
    ],
)
def test_only_photos_become_jpeg(draw, kind):
    shell = types.SimpleNamespace(display_formatter=DisplayFormatter())
    notebook._show_photos_as_jpeg(shell)
    figure, (_, right) = plt.subplots(1, 2)
    draw(right)
    data, _ = shell.display_formatter.format(figure)
    plt.close(figure)
    assert set(data) == {kind, "text/plain"}


# A real kernel -----------------------------------------------------------------------------------

SETUP = "from course_utils import notebook\nnotebook.setup()"
PLOT = "import matplotlib.pyplot as plt\nplt.plot([0, 1])\nplt.show()"
SHOW_PHOTO = "import numpy as np\nplt.imshow(np.zeros((80, 70, 3)))\nplt.show()"
CELLS = {
    "setup": SETUP,
    "first figure, a photo": f"import matplotlib.pyplot as plt\n{SHOW_PHOTO}",
    "plot": PLOT,
    "photo": SHOW_PHOTO,
    "figure as value": "figure, axes = plt.subplots()\nplt.close()\nfigure",
    "photo without show": "plt.imshow(np.zeros((80, 70, 3)))\nNone",
    "fit": "import keras\n"
    "model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])\n"
    "model.compile('sgd', 'mse')\n"
    "history = model.fit(np.zeros((8, 3)), np.zeros(8), verbose=0)",
    "python on stderr": "import sys\nprint('progress', file=sys.stderr)",
    "shell": "!echo out; echo error >&2",
    "photo after setup ran again": f"{SETUP}\n{SHOW_PHOTO}",
}


def run_in_kernel(sources):
    cells = [new_code_cell(source) for source in sources]
    NotebookClient(new_notebook(cells=cells), kernel_name="python3", timeout=120).execute()
    return [cell.outputs for cell in cells]


@pytest.fixture(scope="module")
def in_kernel():
    return dict(zip(CELLS, run_in_kernel(CELLS.values()), strict=True))


def kinds(outputs):
    return [set(output.data) - {"text/plain"} for output in outputs]


def test_setup_and_training_print_nothing(in_kernel):
    assert in_kernel["setup"] == in_kernel["fit"] == []


@pytest.mark.parametrize("cell", [cell for cell in CELLS if "photo" in cell])
def test_a_kernel_stores_photos_as_jpeg(in_kernel, cell):
    assert kinds(in_kernel[cell]) == [{"image/jpeg"}]


@pytest.mark.parametrize("cell", ["plot", "figure as value"])
def test_a_kernel_stores_other_figures_as_png(in_kernel, cell):
    assert kinds(in_kernel[cell]) == [{"image/png"}]


def test_a_photo_in_the_very_first_cell(in_kernel):
    [[*first], [*second]] = run_in_kernel(
        [f"{SETUP}\nimport matplotlib.pyplot as plt\n{SHOW_PHOTO}", PLOT]
    )
    assert kinds(first + second) == [{"image/jpeg"}, {"image/png"}]


def test_python_and_the_shell_are_still_heard(in_kernel):
    assert in_kernel["python on stderr"][0].text == "progress\n"
    assert in_kernel["shell"][0].text.split() == ["out", "error"]
