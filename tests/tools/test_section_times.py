"""What the sections of a chapter take to read and to run."""

import execute
import nbformat
import pytest
import section_times
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

SECTION = """<section id="first-part"><h2>First part</h2><p>{words}</p>
<div class="cell_input"><pre>a = 1

b = 2</pre></div><div class="cell_output"><pre>not read</pre></div>{figures}</section>"""


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


@pytest.mark.parametrize(("words", "figures", "minutes"), [(396, 0, 3), (380, 0, 2), (380, 1, 3)])
def test_words_lines_and_figures_take_time(words, figures, minutes):
    text = SECTION.format(words="word " * words, figures="<img>" * figures)
    assert section_times.reading_minutes(BeautifulSoup(text, "html.parser").section) == minutes


def test_times_stand_behind_the_links_of_the_table(tmp_path, monkeypatch):
    table = {("01_a", "a"): 61.6, ("01_a", "first-part"): 0.4}
    monkeypatch.setattr(section_times, "load", lambda: table)
    section = SECTION.format(words="word " * 300, figures="")
    chapter = f'<article><section id="a"><h1>A</h1>{"word " * 100}{section}</section></article>'
    (tmp_path / "01_a.html").write_text(chapter)
    cells = "".join(
        f'<td><a class="internal" href="{link}">x</a></td>'
        for link in ("01_a.html", "01_a.html#first-part", "glossary.html")
    )
    page = tmp_path / "lecture.html"
    page.write_text(f"<article><table><tr>{cells}</tr></table></article>")
    section_times.add_times(page)
    found = [cell.get_text() for cell in BeautifulSoup(page.read_text(), "html.parser")("td")]
    assert found == ["x 3 min + 62 s", "x 2 min", "x"]


def test_the_table_has_the_sections_of_the_chapters():
    measured = set(section_times.load())
    for path in execute.chapters([]):
        inside = section_times.sections(nbformat.read(path, as_version=4))
        there = {(path.stem, section) for sections in inside for section in sections}
        renamed = {key for key in measured ^ there if key[0] == path.stem}
        assert not renamed, f"make times CHAPTER={path.stem.split('_')[0]}: {sorted(renamed)}"
