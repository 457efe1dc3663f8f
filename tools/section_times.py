"""How long the sections of the chapters take: tools/section_times.py [CHAPTER ...]

Runs chapters and writes CPU-seconds by section into section_times.csv; the outputs stored in the
notebooks stay. lecture_times.py puts them on the page that leads from the lecture's slides to the
sections.
"""

import csv
import re
import sys

import execute
import nbformat
from docutils.nodes import make_id
from lecture_times import TABLE, load

HEADING = re.compile(r"^(#{1,3}) (.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)  # where # begins a comment


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
