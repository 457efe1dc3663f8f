"""tools/stability.py: bands and claims under many settings, cells that are run again."""

import re

import nbformat
import pytest
import stability
from nbformat.v4 import new_code_cell, new_notebook


@pytest.fixture
def chapter(tmp_path):
    """A function that writes a notebook of a setup cell and these cells."""

    def write(*sources):
        path = tmp_path / "01_a.ipynb"
        cells = [
            new_code_cell(source) for source in ("from course_utils.notebook import *", *sources)
        ]
        nbformat.write(new_notebook(cells=cells), path)
        return path

    return write


@pytest.fixture
def _two_settings(monkeypatch):
    """Two runs, of which the chapter learns the offset; Keras is not needed."""
    monkeypatch.setattr(stability, "MOVE_SEEDS", "offset = {offset}")
    monkeypatch.setattr(
        stability, "settings", lambda seeds: {"a": (0, {}), "b": (1000, {"B": "1"})}
    )


@pytest.mark.usefixtures("_two_settings")
def test_bands_hold_or_the_setting_is_named(chapter, capsys):
    path = chapter(
        "report('loss', 1200.5 + offset, 1500, 2000, ' s')",
        "report('accuracy', 0.5 + offset, 0.5, 0.2)\nclaim('It holds', offset == 0)",
        "import os\nos.environ['B']",
    )
    assert not stability.bands(path, seeds=1)
    shown = capsys.readouterr().out
    assert "loss: 1200 to 2200, expected 1,500 ± 2,000 s  wider than 3 x the spread" in shown
    assert "accuracy: 0.5 to 1000.5, expected 0.5 ± 0.2\n" in shown
    assert "✗ accuracy (expected 0.5 ± 0.2): b\n" in shown
    assert "✗ It holds (claim): b\n" in shown
    assert "✗ ! KeyError: 'B' (error): a\n" in shown


@pytest.mark.usefixtures("_two_settings")
def test_a_stable_chapter_passes(chapter, monkeypatch):
    monkeypatch.setattr(stability, "settings", lambda seeds: {"a": (0, {})})
    assert stability.bands(chapter("report('loss', 1, 1, 2)\nclaim('It holds', True)"), seeds=1)


def test_cells_that_stand_being_run_again_pass(chapter):
    calm = "import random\nreport('x', random.random(), 0.5, 0.5)"
    assert stability.twice(chapter(calm, "count = 0", "count += 1\nprint(count > 0)"))


def test_cells_that_do_not_are_named(chapter, capsys):
    sources = {
        "once": "print('y' in globals())",
        "first": "count, x = 0, 1\nimport os",
        "counts": "count += 1\nprint(count)",
        "fails": "os.mkdir('there')",
        "overwrites": "print(x)\nx = 5",
        "last": "y = 5",
    }
    assert not stability.twice(chapter(*(f"# {name}\n{code}" for name, code in sources.items())))
    assert re.findall("cell '# (.*)', run again (.*):", capsys.readouterr().out) == [
        ("once", "from the top"),
        ("counts", "twice in a row"),
        ("fails", "twice in a row"),
        ("fails", "from the top"),
        ("overwrites", "twice in a row"),
    ]


def test_the_settings_are_seeds_threads_and_onednn():
    runs = stability.settings(2)
    assert list(runs) == ["seed 0", "seed 1", "one thread", "oneDNN"]
    assert runs["seed 1"][0] - runs["seed 0"][0] == 1000
