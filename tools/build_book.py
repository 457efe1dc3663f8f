"""Builds the site into _build/html: python tools/build_book.py

A warning fails the build. Nothing is executed: the site shows the chapters' stored outputs. The
page of the teachable machine and the network that it loads are made from what the package ships.
"""

import gc
import re
import shutil
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from traceback import format_exception_only

from lecture_times import add_times
from light_site import lighten

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
    """Runs Jupyter Book, quietly; returns whether it failed, and its log without colours."""
    sys.modules.setdefault("rfc3987_syntax", None)  # see conftest.py
    from jupyter_book.sphinx import build_sphinx

    shutil.rmtree(SITE, ignore_errors=True)  # a page that was renamed must not linger
    log = StringIO()
    with redirect_stdout(log), redirect_stderr(log):
        result = build_sphinx(
            ROOT,
            SITE,
            path_config=ROOT / "_config.yml",
            noconfig=True,  # no conf.py
            confoverrides={
                "external_toc_path": str(ROOT / "_toc.yml"),
                "latex_individualpages": False,
                "nitpicky": True,
            },
            freshenv=True,
            warningiserror=True,
            keep_going=True,
        )
        if isinstance(result, Exception):
            print(*format_exception_only(result))
    return bool(result), COLOUR.sub("", log.getvalue())


def add_teachable_machine(folder):
    """Writes the lab's page and what it reads beside the runtime that Sphinx has copied there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(labs.page("teachable"), encoding="utf-8")
    for name, content in teachable.files().items():
        (folder / name).write_bytes(content)


def main():
    print("book: building the site, warnings are errors", flush=True)
    gc.disable()  # it would look through the trees of all pages again and again
    failed, log = build()
    if failed:
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
