"""What the sections of a chapter take to read, and where it stands."""

import lecture_times
import pytest
from bs4 import BeautifulSoup

SECTION = """<section id="first-part"><h2>First part</h2><p>{words}</p>
<div class="cell_input"><pre><span class="n">a</span> <span class="o">=</span> 1

b = 2</pre></div><div class="cell_output"><pre>not read</pre></div>{figures}</section>"""


@pytest.mark.parametrize(("words", "figures", "minutes"), [(396, 0, 3), (380, 0, 2), (380, 1, 3)])
def test_words_lines_and_figures_take_time(words, figures, minutes):
    text = SECTION.format(words="word " * words, figures="<img>" * figures)
    assert lecture_times.reading_minutes(BeautifulSoup(text, "html.parser").section) == minutes


def test_times_stand_behind_the_links_of_the_table(tmp_path, monkeypatch):
    table = {("01_a", "a"): 61.6, ("01_a", "first-part"): 0.4}
    monkeypatch.setattr(lecture_times, "load", lambda: table)
    section = SECTION.format(words="word " * 300, figures="")
    chapter = f'<article><section id="a"><h1>A</h1>{"word " * 100}{section}</section></article>'
    (tmp_path / "01_a.html").write_text(chapter)
    cells = "".join(
        f'<td><a class="internal" href="{link}">x</a></td>'
        for link in ("01_a.html", "01_a.html#first-part", "glossary.html")
    )
    page = tmp_path / "lecture.html"
    page.write_text(f"<article><table><tr>{cells}</tr></table></article>")
    lecture_times.add_times(page)
    found = [cell.get_text() for cell in BeautifulSoup(page.read_text(), "html.parser")("td")]
    assert found == ["x 3 min + 62 s", "x 2 min", "x"]
