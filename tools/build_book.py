"""Builds the site into _build/html: python tools/build_book.py

A warning fails the build. Nothing is executed: the site shows the chapters' stored outputs. The
page of the teachable machine and the network that it loads are made from what the package ships.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from light_site import lighten
from section_times import add_times

from course_utils import labs
from course_utils.labs import teachable

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "_build" / "html"
LOG = ROOT / "_build" / "book.log"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# What the theme copies and no page asks for: about 6 MB.
UNUSED = (
    "scripts/fontawesome.js*",
    "**/*.map",
    "locales/**/*",
    "*webpack-macros.html",
)


def complaints(log):
    """The lines of a build log that say what is wrong, paths relative to the repository."""
    wanted = re.compile(r"WARNING|ERROR|CRITICAL|Exception|Error\b|error:", re.ASCII)
    lines = [
        line.strip().replace(f"{ROOT}/", "") for line in log.splitlines() if wanted.search(line)
    ]
    return list(dict.fromkeys(lines)) or log.splitlines()[-15:]


def build():
    """Runs Jupyter Book, quietly; returns its exit status and its log without colours."""
    shutil.rmtree(SITE, ignore_errors=True)  # a page that was renamed must not linger
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    command = [jupyter_book, "build", ".", "--all", "-n", "-W"]
    run = subprocess.run(
        [*command, "--keep-going"],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return run.returncode, COLOUR.sub("", run.stdout)


def add_teachable_machine(folder):
    """Writes the lab's page and what it reads beside the runtime that Sphinx has copied there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(labs.page("teachable"), encoding="utf-8")
    for name, content in teachable.files().items():
        (folder / name).write_bytes(content)


def main():
    print("book: building the site, warnings are errors", flush=True)
    status, log = build()
    if status:
        print("book: failed. What is wrong:", file=sys.stderr)
        print(*(f"  {line}" for line in complaints(log)), sep="\n", file=sys.stderr)
        LOG.parent.mkdir(exist_ok=True)
        LOG.write_text(log, encoding="utf-8")
        print(f"book: the whole log is in {LOG.relative_to(ROOT)}", file=sys.stderr)
        sys.exit(1)
    for pattern in UNUSED:
        for path in (SITE / "_static").glob(pattern):
            if path.is_file():
                path.unlink()
    lecture = SITE / "book" / "lecture.html"
    if lecture.exists():
        add_times(lecture)
    lighten(SITE)
    add_teachable_machine(SITE / "_static" / "teachable")
    start = SITE / "book" / "index.html"
    print(f"book: done. Open {start.relative_to(ROOT)} in a browser:\n      {start.as_uri()}")
    print("      or `make serve` and open http://127.0.0.1:8000")


if __name__ == "__main__":
    main()
