"""Runs the book on other versions of what it needs: tools/other_versions.py colab [CHAPTER ...]

"colab" takes the versions of tests/book/colab.txt, "oldest" the lowest that pyproject.toml allows.
The kernel runs in an environment of its own under _build/; nbval itself stays in .venv.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from execute import chapters

ROOT = Path(__file__).resolve().parent.parent
COLAB = ROOT / "tests" / "book" / "colab.txt"
PYTHON = {"colab": "3.13", "oldest": "3.11"}
UV = Path(sys.executable).parent / "uv"
SHOWN = {"ipykernel", "ipython", "keras", "matplotlib", "numpy", "pillow", "tensorflow", "tqdm"}
# The oldest ipykernel of all knows no asyncio of today; Colab's is old enough.
OLDEST_KERNEL = "ipykernel>=6.17.1"


def python_for(name):
    """The Python that an environment is made with, and its version.

    If the one wanted is not on the PATH, that is said, and it is the Python that runs this.
    """
    wanted = f"python{PYTHON[name]}"
    if found := shutil.which(wanted):
        # pyenv puts up a stand-in that fails where the version is not chosen.
        asked = subprocess.run([found, "--version"], capture_output=True, text=True)
        if asked.returncode == 0:
            return found, asked.stdout.split()[1]
    ours = platform.python_version()
    print(f"There is no {wanted} here; this runs on Python {ours}.", flush=True)
    return sys.executable, ours


def requirements(name):
    """What `uv pip install` is told: the package, a kernel, and which versions to choose."""
    if name == "colab":
        return [str(ROOT), "ipykernel", "--constraint", str(COLAB)]
    return [str(ROOT), OLDEST_KERNEL, "--resolution", "lowest-direct"]


def make_environment(name):
    """Brings an environment up to date, with the package as it lies here; returns its Python."""
    python, version = python_for(name)
    folder = ROOT / "_build" / "versions" / f"{name}-{version}"
    if not (folder / "bin" / "python").exists():
        subprocess.run([UV, "venv", "--quiet", "--clear", "--python", python, folder], check=True)
    # Without --upgrade what is there already stays, although it may not be the oldest.
    fresh = ["--upgrade", "--reinstall-package", "course-utils"]
    install = [UV, "pip", "install", "--quiet", "--python", folder, *fresh]
    subprocess.run([*install, *requirements(name)], check=True)
    return folder / "bin" / "python"


def versions(python):
    """The versions that a run depends on, a line each, from the environment of that Python."""
    freeze = [UV, "pip", "freeze", "--quiet", "--python", python]
    listed = subprocess.run(freeze, check=True, stdout=subprocess.PIPE, text=True).stdout
    own = subprocess.run([python, "--version"], check=True, stdout=subprocess.PIPE, text=True)
    return [own.stdout.strip(), *(line for line in listed.split() if line.split("==")[0] in SHOWN)]


def write_kernel(name, python, folder):
    """Writes the specification by which Jupyter finds a kernel of that name under a folder."""
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    specification = {"argv": command, "display_name": name, "language": "python"}
    (folder / "kernels" / name).mkdir(parents=True, exist_ok=True)
    (folder / "kernels" / name / "kernel.json").write_text(json.dumps(specification))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=PYTHON)
    parser.add_argument("chapter", nargs="*", help='number of a chapter, as in "03"; default all')
    options = parser.parse_args()
    try:
        paths = chapters(options.chapter)
        python = make_environment(options.name)
        print(*versions(python), sep="\n", flush=True)
    except ValueError as error:
        parser.error(str(error))
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"The environment could not be made: {error}", file=sys.stderr)
        return 1
    jupyter = ROOT / "_build" / "versions" / "jupyter"
    write_kernel(options.name, python, jupyter)
    environment = {**os.environ, "JUPYTER_PATH": str(jupyter)}
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "--nbval-kernel-name", options.name]
    return subprocess.run([*command, *paths], cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
