"""Writes the repository's address wherever it stands: tools/repository.py https://github.com/OWNER/NAME

`_config.yml` holds the address; setup cells, badges and links repeat it, since Colab and GitHub
show them without building anything.
"""

import re
import sys
from pathlib import Path

from files import project_files

ROOT = Path(__file__).resolve().parent.parent
SUFFIXES = {".cff", ".html", ".ipynb", ".md", ".py", ".toml", ".yml", ".js"}
ADDRESS = re.compile(r"https://github\.com/[\w.-]+/[\w.-]*\w")


def current():
    """The address that `_config.yml` holds."""
    return ADDRESS.search((ROOT / "_config.yml").read_text(encoding="utf-8"))[0]


def _slug_and_site(address):
    """OWNER/NAME, and the address of its GitHub Pages, which the output of a cell may hold."""
    slug = address.removeprefix("https://github.com/")
    return slug, "https://{}.github.io/{}".format(*slug.split("/"))


def stamp(new):
    """Replaces the address in every text file of the project; returns what was changed."""
    old = current()
    slugs, sites = zip(*map(_slug_and_site, (old, new)), strict=True)
    changed = []
    for path in project_files(ROOT):
        if path.suffix not in SUFFIXES:
            continue
        text = path.read_text(encoding="utf-8")
        stamped = text.replace(*slugs).replace(*sites)
        if stamped != text:
            path.write_text(stamped, encoding="utf-8")
            changed.append(path.relative_to(ROOT).as_posix())
    return changed


def main():
    new = sys.argv[1].removesuffix("/").removesuffix(".git") if len(sys.argv) > 1 else ""
    if not ADDRESS.fullmatch(new):
        sys.exit(
            "make repository URL=https://github.com/OWNER/NAME\n"
            f"expected such an address, got {new!r}; now it is {current()}"
        )
    if new == current():
        sys.exit(f"make repository: {new} stands everywhere already; nothing was written")
    changed = stamp(new)
    if "_config.yml" not in changed:
        sys.exit(
            "make repository: nothing was written: _config.yml is not among the project's files"
        )
    print(f"make repository: {new} written into {len(changed)} files")
    for name in changed:
        print(f"  {name}")


if __name__ == "__main__":
    main()
