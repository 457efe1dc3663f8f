"""How long a reader takes for the sections that the lecture's slides lead to.

What there is to read is counted in the built pages; what there is to run, section_times.py has
measured.
"""

import csv
import math
import re
from pathlib import Path

from bs4 import BeautifulSoup

TABLE = Path(__file__).with_name("section_times.csv")
ARTICLE = re.compile("<article.*?</article>", re.DOTALL)
COLOURED = re.compile("</?span[^>]*>")  # nearly all tags of a chapter; they change no word
WORDS_A_MINUTE = 200
SECONDS_A_LINE = 3  # of code
SECONDS_A_FIGURE = 15


def load():
    """The table: {(chapter, section): CPU-seconds}."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {(r["chapter"], r["section"]): float(r["seconds"]) for r in csv.DictReader(file)}


def reading_minutes(section):
    """Of a section of a built page: its words, lines of code and figures; folded parts count."""
    code = [block.get_text() for block in section.select("div.cell_input pre")]
    output = [block.get_text() for block in section.select("div.cell_output")]
    words = len(section.get_text().split()) - sum(len(text.split()) for text in code + output)
    lines = sum(len([line for line in text.splitlines() if line.strip()]) for text in code)
    figures = len(section.find_all("img"))
    seconds = 60 * words / WORDS_A_MINUTE + SECONDS_A_LINE * lines + SECONDS_A_FIGURE * figures
    return math.ceil(seconds / 60)


def add_times(page):
    """Writes behind each link to a section, in a table of a built page, how long it takes."""
    seconds, chapters = load(), {}
    text = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    for link in text.select("article td a.internal"):
        name, _, anchor = link["href"].partition("#")
        if not name[:1].isdigit():
            continue
        if name not in chapters:
            chapter = (page.parent / name).read_text(encoding="utf-8")
            article = COLOURED.sub("", ARTICLE.search(chapter)[0])
            chapters[name] = BeautifulSoup(article, "html.parser").select_one("article > section")
        chapter = chapters[name]
        section = chapter.find(id=anchor) if anchor else chapter
        key = Path(name).stem, section["id"]
        note = text.new_tag("span", attrs={"class": "course-time"})
        note.string = f" {reading_minutes(section)} min"
        if seconds.get(key, 0) >= 1:
            note.string += f" + {seconds[key]:.0f} s"
        link.insert_after(note)
    page.write_text(str(text), encoding="utf-8")
