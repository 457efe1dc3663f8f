"""What the sections of a chapter take to run."""

import execute
import nbformat
import pytest
import section_times
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


def test_a_cell_stands_in_its_section_and_in_those_around_it():
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# A chapter"),
            new_code_cell("1"),
            new_markdown_cell("## One\n\n```python\n# pip install a\n```\n\n### It's a part"),
            new_code_cell("2"),
            new_markdown_cell("## Two"),
            new_code_cell("# no heading"),
        ]
    )
    assert section_times.sections(notebook)[1::2] == [
        ("a-chapter",),
        ("a-chapter", "one", "it-s-a-part"),
        ("a-chapter", "two"),
    ]


def test_seconds_go_to_the_section_that_took_them(tmp_path, monkeypatch):
    burn = "import time\nend = time.process_time() + {}\nwhile time.process_time() < end: pass"
    cells = [new_markdown_cell("# A"), new_markdown_cell("## B"), new_code_cell(burn.format(1.5))]
    cells += [new_markdown_cell("## C"), new_code_cell(burn.format(0.01))]
    path = tmp_path / "a.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    before = path.read_bytes()
    seconds = section_times.measure(path)
    assert list(seconds) == ["a", "b", "c"]
    assert seconds["b"] > 1.4 > 1 > seconds["c"]
    assert seconds["a"] == pytest.approx(seconds["b"] + seconds["c"])
    assert path.read_bytes() == before


def test_the_table_has_the_sections_of_the_chapters():
    measured = set(section_times.load())
    for path in execute.chapters([]):
        inside = section_times.sections(nbformat.read(path, as_version=4))
        there = {(path.stem, section) for sections in inside for section in sections}
        renamed = {key for key in measured ^ there if key[0] == path.stem}
        assert not renamed, f"make times CHAPTER={path.stem.split('_')[0]}: {sorted(renamed)}"
