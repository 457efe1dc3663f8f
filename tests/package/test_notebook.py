"""What every chapter starts with, here and in a real kernel; and output that tells the truth."""

import io
import os
import random
import subprocess
import sys
import types

import IPython
import keras
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow as tf
from cheaper import untraced
from IPython.core.formatters import DisplayFormatter
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from course_utils import notebook
from course_utils.notebook import claim, report, show_error


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
    with untraced():
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


@pytest.mark.parametrize("seed", [-1, 2**32, 0.5, True])
def test_setup_refuses_other_seeds(seed):
    with pytest.raises(ValueError, match=rf"seed .* 0 to {2**32 - 1}, got {seed}"):
        notebook.setup(seed)


@pytest.mark.usefixtures("style")
def test_setup_undoes_what_keras_json_says():
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx("float16")
    keras.config.set_dtype_policy("mixed_float16")
    notebook.setup()
    assert keras.config.image_data_format() == "channels_last"
    assert keras.config.floatx() == "float32"
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.usefixtures("style")
@pytest.mark.parametrize("gpus", [[], ["a GPU"]])
def test_determinism_is_forced_only_without_a_gpu(monkeypatch, gpus):
    """Some operations have no deterministic form on a GPU, and stop when it is forced."""
    asked = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(
        tf.config.experimental, "enable_op_determinism", lambda: asked.append("determinism")
    )
    notebook.setup()
    assert asked == ([] if gpus else ["determinism"])


def test_setup_refuses_another_backend_that_is_asked_for(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(RuntimeError, match="backend TensorFlow, got 'jax': restart the kernel"):
        notebook.setup()


def test_setup_refuses_another_backend_that_runs(monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(RuntimeError, match="backend TensorFlow, got 'torch'"):
        notebook.setup()


@pytest.mark.usefixtures("style")
def test_stderr_is_given_back(capfd):
    with notebook._without_stderr():
        subprocess.run("echo lost >&2", shell=True, check=True)
    subprocess.run("echo heard >&2", shell=True, check=True)
    assert capfd.readouterr().err == "heard\n"


# claim and report --------------------------------------------------------------------------------


@pytest.mark.parametrize("true", [True, np.float32(2) > 1, np.array([1, 2]).all()])
def test_a_true_claim_is_printed(capsys, true):
    claim("Two is more than one", true)
    assert capsys.readouterr().out == "✓ Two is more than one\n"


@pytest.fixture
def checking(monkeypatch):
    monkeypatch.setenv("COURSE_CHECKS", "1")


@pytest.fixture
def reading(monkeypatch):
    monkeypatch.delenv("COURSE_CHECKS", raising=False)


FALSE = [False, np.float64(np.nan) > 1]


@pytest.mark.usefixtures("checking")
@pytest.mark.parametrize("false", FALSE)
def test_a_false_claim_stops_the_checks(capsys, false):
    with pytest.raises(AssertionError, match="One is more than two: expected to hold, found"):
        claim("One is more than two", false)
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize("false", FALSE)
def test_a_reader_is_told_of_a_false_claim_and_goes_on(capsys, false):
    claim("One is more than two", false)
    first, *why = capsys.readouterr().out.splitlines()
    assert first == "✗ One is more than two: expected to hold, found that it does not."
    assert "change of your own" in why[0]


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


OUTSIDE = [(0.901, "0.901"), (0.839, "0.839"), (np.nan, "nan"), (np.inf, "inf")]


@pytest.mark.usefixtures("checking")
@pytest.mark.parametrize(("value", "shown"), OUTSIDE)
def test_a_value_outside_its_band_stops_the_checks(capsys, value, shown):
    with pytest.raises(AssertionError, match=f"accuracy: expected 0.87 ± 0.03, found {shown}"):
        report("accuracy", value, 0.87, 0.03)
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize(("value", "shown"), OUTSIDE)
def test_a_reader_is_told_of_a_value_outside_its_band_and_goes_on(capsys, value, shown):
    report("accuracy", value, 0.87, 0.03)
    first, *why = capsys.readouterr().out.splitlines()
    assert first == f"✗ accuracy: expected 0.87 ± 0.03, found {shown}."
    assert "The chapter goes on" in why[-1]


@pytest.mark.parametrize("within", [0, -1, float("nan"), float("inf")])
def test_report_needs_a_band(within):
    with pytest.raises(ValueError, match="within must be above 0 and finite, got"):
        report("accuracy", 0.87, 0.87, within)


@pytest.mark.parametrize("value", [[0.87], np.ones(2)])
def test_report_takes_one_number(value):
    with pytest.raises(ValueError, match="value must be one number, got shape"):
        report("accuracy", value, 0.87, 0.03)


@pytest.mark.parametrize("kind", [ValueError, UserWarning])
def test_an_error_is_told_in_our_words_and_in_its_own(capsys, kind):
    show_error(kind("\nShapes differ.\nA second line"), "7 rows, 5 numbers", source="NumPy")
    shown = capsys.readouterr().out
    assert shown == f"{kind.__name__}: 7 rows, 5 numbers\nNumPy says: Shapes differ.\n"


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
@pytest.mark.usefixtures("style")
def test_only_photos_become_jpeg(monkeypatch, draw, kind):
    shell = types.SimpleNamespace(kernel=..., display_formatter=DisplayFormatter())
    with monkeypatch.context() as patch:
        patch.setattr(IPython, "get_ipython", lambda: shell)
        patch.setattr(plt, "switch_backend", lambda name: None)  # it needs more of a shell
        notebook.setup()
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
    "photo in the very first cell": f"{SETUP}\nimport matplotlib.pyplot as plt\n{SHOW_PHOTO}",
    "setup again": SETUP,
    "photo after setup ran again": SHOW_PHOTO,
    "plot": PLOT,
    "figure as value": "figure, axes = plt.subplots()\nplt.close()\nfigure",
    "photo without show": "plt.imshow(np.zeros((80, 70, 3)))\nNone",
    "fit": "import keras\n"
    "model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])\n"
    "model.compile('sgd', 'mse')\n"
    "history = model.fit(np.zeros((8, 3)), np.zeros(8), verbose=0)",
    "python on stderr": "import sys\nprint('progress', file=sys.stderr)",
    "shell": "!echo out; echo error >&2",
    # A thread of the kernel passes on what programs say, sooner or later.
    "subprocess": "import subprocess, time\n"
    "subprocess.run('echo trouble >&2', shell=True)\ntime.sleep(1)",
}


@pytest.fixture(scope="module")
def in_kernel():
    """The outputs of each of the CELLS, run in one kernel."""
    cells = {name: new_code_cell(source) for name, source in CELLS.items()}
    # Under pytest a kernel does not show what other programs print; a reader's does.
    env = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    notebook = new_notebook(cells=[*cells.values()])
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute(env=env)
    return {name: cell.outputs for name, cell in cells.items()}


def kinds(outputs):
    return [set(output.data) - {"text/plain"} for output in outputs]


def test_setup_and_training_print_nothing(in_kernel):
    assert in_kernel["setup again"] == in_kernel["fit"] == []


@pytest.mark.parametrize(("colours", "mode"), [(9, "P"), (4096, "P"), (4097, "RGB")])
def test_a_png_of_few_colours_gets_a_palette(colours, mode):
    pixels = np.zeros((70, 70, 3), "uint8")
    pixels.reshape(-1, 3)[:colours, 0] = np.arange(colours) % 256
    pixels.reshape(-1, 3)[:colours, 1] = np.arange(colours) // 256
    png = io.BytesIO()
    Image.fromarray(pixels).save(png, "PNG")
    small = notebook._in_few_colours(png.getvalue())
    image = Image.open(io.BytesIO(small))
    assert image.mode == mode
    difference = np.abs(np.asarray(image.convert("RGB")).astype(int) - pixels)
    assert difference.max() <= (0 if colours < 256 or mode == "RGB" else 16)


@pytest.mark.parametrize("cell", [cell for cell in CELLS if "photo" in cell])
def test_a_kernel_stores_photos_as_jpeg(in_kernel, cell):
    assert kinds(in_kernel[cell]) == [{"image/jpeg"}]


@pytest.mark.parametrize("cell", ["plot", "figure as value"])
def test_a_kernel_stores_other_figures_as_png(in_kernel, cell):
    assert kinds(in_kernel[cell]) == [{"image/png"}]


def test_python_and_the_shell_are_still_heard(in_kernel):
    assert in_kernel["python on stderr"][0].text == "progress\n"
    assert in_kernel["shell"][0].text.split() == ["out", "error"]


def test_what_a_program_complains_of_is_heard(in_kernel):
    assert "trouble" in "".join(output.get("text", "") for output in in_kernel["subprocess"])
