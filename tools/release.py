"""Raises the release of the package: tools/release.py 0.3.0

pip keeps an installed package whose version has not changed, and a chapter would then run on old
code. So the version rises whenever the package changes; each chapter's setup cell names it, and
`release.txt` holds a fingerprint of the files that belong to it.
"""

import hashlib
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "course_utils"
RECORD = ROOT / "tools" / "release.txt"  # the version and the fingerprint of its files
VERSION = re.compile(r'(?<=__version__ = ")\d+\.\d+\.\d+(?=")')
NEEDED = re.compile(r"(?<=< )\(\d+, \d+, \d+\)(?=:\n)")

SETUP = """\
import sys

try:  # the release that this chapter was made with, or a newer one
    from course_utils import __version__ as release
except ImportError:
    release = "0"
if tuple(map(int, release.split("."))) < {release}:
    %pip install --quiet --upgrade "course-utils @ git+{url}"
    sys.modules.pop("course_utils", None)

from course_utils import notebook

notebook.setup()"""


def current():
    """The version of the package, a triple of whole numbers."""
    return _numbers(VERSION.search((PACKAGE / "__init__.py").read_text(encoding="utf-8"))[0])


def setup_cell(url):
    """The source of every chapter's second cell."""
    return SETUP.format(url=url, release=current())


def fingerprint():
    """sha256 over the names and contents of all files of the package."""
    total = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.relative_to(ROOT).as_posix()} {content}\n".encode())
    return total.hexdigest()


def raise_to(version):
    """Writes a new version wherever it stands, and the fingerprint of the package as it is now.

    Raises:
        ValueError: if it is not three whole numbers with dots, or not higher than the current one.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version) or _numbers(version) <= current():
        least = ".".join(map(str, current()))
        raise ValueError(f"expected a version above {least}, as in 1.2.3; got {version!r}")
    _replace(PACKAGE / "__init__.py", VERSION, version)
    _replace(ROOT / "CITATION.cff", re.compile(r"(?<=^version: )\S+$", re.M), version)
    for path in sorted((ROOT / "book").glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cell = notebook["cells"][1]
        source = NEEDED.sub(str(_numbers(version)), "".join(cell["source"]))
        cell["source"] = source.splitlines(keepends=True)
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        path.write_text(text, encoding="utf-8")
    RECORD.write_text(f"{version} {fingerprint()}\n", encoding="utf-8")


def _numbers(version):
    return tuple(map(int, version.split(".")))


def _replace(path, pattern, new):
    text, count = pattern.subn(new, path.read_text(encoding="utf-8"))
    if count != 1:
        raise ValueError(f"expected one version in {path.name}, found {count}")
    path.write_text(text, encoding="utf-8")


def main():
    version = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        raise_to(version)
    except ValueError as error:
        sys.exit(f"make release VERSION=1.2.3: {error}")
    print(f"make release: the package is {version}, and the chapters ask for it")


if __name__ == "__main__":
    main()
