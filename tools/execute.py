"""Runs chapters from clean kernels and stores their outputs: tools/execute.py [CHAPTER ...]

Without arguments all chapters run; "3" or "03" names one, and "5" names both 05_... and its second
part 05b_..., "5b" the second alone. What differs from run to run (progress bars on stderr, times,
versions) is left out. A chapter that fails is shown and stays on disk as it was.
"""

import argparse
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from string import digits

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

BOOK = Path(__file__).resolve().parent.parent / "book"
SECONDS_PER_CELL = 600
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
CELL_METADATA = ("tags", "mystnb", "jupyter", "cellView")


@dataclass(frozen=True)
class Usage:
    """What a kernel took so far: CPU-seconds over all cores, and peak memory in MB."""

    seconds: float
    megabytes: float

    def __str__(self):
        return f"{self.seconds:6.1f} CPU-s {self.megabytes:6,.0f} MB"


def usage(pid):
    """The `Usage` of a running process and of its finished children."""
    process = psutil.Process(pid)
    status = Path(f"/proc/{pid}/status")
    if status.exists():
        peak = int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024
    else:  # outside Linux only the present size is known
        peak = process.memory_info().rss
    return Usage(sum(process.cpu_times()[:4]), peak / 2**20)


def chapters(numbers, book=BOOK):
    """Paths of the chapters with these numbers, of all if there are none.

    A chapter in two parts has the files 05_... and 05b_...: "5" means both, "5b" the second.

    Raises:
        ValueError: if a number has no chapter.
    """
    found = {path.name.split("_")[0]: path for path in sorted(book.glob("[0-9][0-9]*_*.ipynb"))}
    if not numbers:
        return list(found.values())
    paths = []
    for number in numbers:
        name = number.zfill(2 + len(number.lstrip(digits)))
        parts = [path for part, path in found.items() if part.startswith(name)]
        if not parts:
            raise ValueError(f"no chapter {name}; there are {', '.join(found) or 'none'}")
        paths += parts
    return paths


def run(notebook, folder):
    """Runs a notebook, in place, in a clean kernel that sits in `folder`.

    Returns:
        Index of each cell that ran -> the kernel's `Usage` after it.

    Raises:
        RuntimeError: if a cell fails, takes too long or ends the kernel.
    """
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    started, used = [], {}

    def note(cell_index, **_):
        used[cell_index] = usage(client.km.provisioner.pid)

    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=SECONDS_PER_CELL,
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
        on_cell_start=lambda cell, **_: started.append(cell),
        on_cell_executed=note,
    )
    env = {**os.environ, "COURSE_CHECKS": "1"}  # a conclusion that fails stops its chapter
    try:
        client.execute(env=env, stderr=subprocess.DEVNULL)
    except CellExecutionError as error:
        raise RuntimeError(str(error)) from error
    except (CellTimeoutError, DeadKernelError) as error:
        raise RuntimeError(f"{error}\nin this cell:\n{started[-1].source}") from error
    return used


def execute(path):
    """Runs one notebook and rewrites its file with fresh outputs.

    Returns:
        the kernel's `Usage`.

    Raises:
        RuntimeError: as `run` does; the file is unchanged.
    """
    notebook = nbformat.read(path, as_version=4)
    used = run(notebook, path.parent)
    tidy(notebook)
    write(notebook, path)
    return used[max(used)]


def tidy(notebook):
    """Leaves out of a notebook, in place, what differs from run to run or from tool to tool."""
    notebook.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    for cell in notebook.cells:
        kept = {key: cell.metadata[key] for key in CELL_METADATA if key in cell.metadata}
        cell.metadata = nbformat.from_dict(kept)
        if cell.cell_type == "code":
            cell.outputs = _without_stderr(cell.outputs)


def write(notebook, path):
    """Writes a notebook whole or not at all."""
    nbformat.validate(notebook)
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        nbformat.write(notebook, unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _without_stderr(outputs):
    """The outputs without stderr; what it had cut in two on stdout is one again."""
    kept = []
    for output in outputs:
        if output.output_type != "stream":
            kept.append(output)
        elif output.name == "stdout":
            if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text
            else:
                kept.append(output)
    return kept


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapter", nargs="*", help='number of a chapter, as in "03"; default all')
    parser.add_argument("--list", action="store_true", help="only print the files' names")
    options = parser.parse_args()
    try:
        paths = chapters(options.chapter)
    except ValueError as error:
        parser.error(str(error))
    if options.list:
        print(*paths, sep="\n")
        return 0
    failed = False
    for path in paths:
        try:
            used = execute(path)
        except RuntimeError as error:
            failed = True
            print(f"{path.stem}: failed, the file stays as it was\n{error}", file=sys.stderr)
        else:
            print(f"{path.stem:30} {used} {path.stat().st_size / 1024:6,.0f} KB", flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
