"""Writes the repository's address wherever it stands: tools/repository.py https://github.com/OWNER/NAME

`_config.yml` holds the address; setup cells, badges and links repeat it, since Colab and GitHub
show them without building anything.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ADDRESS = re.compile(r"https://github\.com/[\w.-]+/[\w.-]*\w")


def current():
    """The address that `_config.yml` holds."""
    return ADDRESS.search((ROOT / "_config.yml").read_text(encoding="utf-8"))[0]


def stamp(new):
    """Replaces the address in every tracked text file; returns the names of those changed."""
    old = current()
    slugs = [address.removeprefix("https://github.com/") for address in (old, new)]
    names = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
    changed = []
    for name in filter(None, names):
        path = ROOT / name
        if path.suffix not in {".cff", ".html", ".ipynb", ".md", ".py", ".toml", ".yml", ".js"}:
            continue
        text = path.read_text(encoding="utf-8")
        stamped = text.replace(*slugs)
        if stamped != text:
            path.write_text(stamped, encoding="utf-8")
            changed.append(name)
    return changed


def main():
    new = sys.argv[1].removesuffix("/").removesuffix(".git") if len(sys.argv) > 1 else ""
    if not ADDRESS.fullmatch(new):
        sys.exit(
            "make repository URL=https://github.com/OWNER/NAME\n"
            f"expected such an address, got {new!r}; now it is {current()}"
        )
    changed = stamp(new)
    print(f"make repository: {new} written into {len(changed)} files")
    for name in changed:
        print(f"  {name}")


if __name__ == "__main__":
    main()
