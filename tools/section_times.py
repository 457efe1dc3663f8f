"""How long the sections of the chapters take: tools/section_times.py [CHAPTER ...]

Runs chapters and writes CPU-seconds by section into section_times.csv; the outputs stored in the
notebooks stay. What there is to read is counted when the site is built, and both stand on the page
that leads from the lecture's slides to the sections.
"""

import csv
import math
import re
import sys
from pathlib import Path

import execute
import nbformat
from bs4 import BeautifulSoup
from docutils.nodes import make_id

TABLE = Path(__file__).with_suffix(".csv")
HEADING = re.compile(r"^(#{1,3}) (.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)  # where # begins a comment
WORDS_A_MINUTE = 200
SECONDS_A_LINE = 3  # of code
SECONDS_A_FIGURE = 15


def sections(notebook):
    """For each cell the sections that it stands in, from the chapter down."""
    inside, found = [], []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for marks, title in HEADING.findall(FENCED.sub("", cell.source)):
                inside = [*inside[: len(marks) - 1], make_id(title)]
        found.append(tuple(inside))
    return found


def measure(path):
    """CPU-seconds of each section of a notebook; those of its parts are among them."""
    notebook = nbformat.read(path, as_version=4)
    seconds, before = {}, 0.0
    used = execute.run(notebook, path.parent)
    for index, inside in enumerate(sections(notebook)):
        now = used[index].seconds if index in used else before
        for section in inside:
            seconds[section] = seconds.get(section, 0.0) + now - before
        before = now
    return seconds


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
            chapters[name] = BeautifulSoup(chapter, "html.parser").select_one("article > section")
        chapter = chapters[name]
        section = chapter.find(id=anchor) if anchor else chapter
        key = Path(name).stem, section["id"]
        note = text.new_tag("span", attrs={"class": "course-time"})
        note.string = f" {reading_minutes(section)} min"
        if seconds.get(key, 0) >= 1:
            note.string += f" + {seconds[key]:.0f} s"
        link.insert_after(note)
    page.write_text(str(text), encoding="utf-8")


def main():
    for path in execute.chapters(sys.argv[1:]):
        times = measure(path)
        found = {key: value for key, value in load().items() if key[0] != path.stem}
        found |= {(path.stem, section): value for section, value in times.items()}
        with TABLE.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("chapter", "section", "seconds"))
            rows.writerows((*key, f"{value:.1f}") for key, value in sorted(found.items()))
        print(f"{path.stem:30} {max(times.values()):6.1f} CPU-s", flush=True)


if __name__ == "__main__":
    main()
