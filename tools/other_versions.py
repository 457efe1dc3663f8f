"""Runs the book on other versions of what it needs: tools/other_versions.py colab [CHAPTER ...]

"colab" takes the versions of tests/book/colab.txt, "oldest" the lowest that pyproject.toml allows.
The kernel runs in an environment of its own under _build/; nbval itself stays in .venv.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from execute import chapters

ROOT = Path(__file__).resolve().parent.parent
COLAB = ROOT / "tests" / "book" / "colab.txt"
COLAB_PYTHON = "3.13"
UV = ROOT / ".venv" / "bin" / "uv"
SHOWN = "course-utils|ipykernel|ipython|keras|matplotlib|numpy|pillow|tensorflow"
# The oldest ipykernel of all knows no asyncio of today; Colab's is old enough.
OLDEST_KERNEL = "ipykernel>=6.17.1"


def python_for(name):
    """The Python that an environment is made with, and a sentence if it is not the one wanted."""
    if name == "oldest":
        return sys.executable, ""
    wanted = shutil.which(f"python{COLAB_PYTHON}")
    if wanted and not subprocess.run([wanted, "--version"], capture_output=True).returncode:
        return wanted, ""
    ours = ".".join(map(str, sys.version_info[:2]))
    return sys.executable, f"Colab has Python {COLAB_PYTHON}; none is here, so this is {ours}"


def requirements(name):
    """What `uv pip install` is told: the package, a kernel, and which versions to choose."""
    if name == "colab":
        return [str(ROOT), "ipykernel", "--constraint", str(COLAB)]
    return [str(ROOT), OLDEST_KERNEL, "--resolution", "lowest-direct"]


def make_environment(name):
    """Brings an environment up to date, with the package as it lies here; returns its Python."""
    folder = ROOT / "_build" / "versions" / name
    python, remark = python_for(name)
    if remark:
        print(remark, flush=True)
    if not (folder / "bin" / "python").exists():
        subprocess.run([UV, "venv", "--quiet", "--python", python, folder], check=True)
    install = [UV, "pip", "install", "--quiet", "--python", folder]
    package = ["--reinstall-package", "course-utils"]
    subprocess.run([*install, *package, *requirements(name)], check=True)
    return folder / "bin" / "python"


def write_kernel(name, python, folder):
    """Writes the specification by which Jupyter finds a kernel of that name under a folder."""
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    specification = {"argv": command, "display_name": name, "language": "python"}
    (folder / "kernels" / name).mkdir(parents=True, exist_ok=True)
    (folder / "kernels" / name / "kernel.json").write_text(json.dumps(specification))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=("colab", "oldest"))
    parser.add_argument("chapter", nargs="*", help='number of a chapter, as in "03"; default all')
    options = parser.parse_args()
    try:
        paths = chapters(options.chapter)
        python = make_environment(options.name)
    except (ValueError, subprocess.CalledProcessError) as error:
        parser.error(str(error))
    freeze = [UV, "pip", "freeze", "--quiet", "--python", python]
    listed = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout.split("\n")
    print(*(line for line in listed if line.split("==")[0] in SHOWN.split("|")), sep="\n")
    jupyter = ROOT / "_build" / "versions" / "jupyter"
    write_kernel(options.name, python, jupyter)
    environment = {**os.environ, "JUPYTER_PATH": str(jupyter)}
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "--nbval-kernel-name", options.name]
    return subprocess.run([*command, *paths], cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
