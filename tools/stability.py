"""How stable the chapters are: tools/stability.py [CHAPTER ...] [--seeds 5] [--twice]

Runs each chapter under several seeds of initial weights, with one thread, and with oneDNN the other
way round, and prints for each `report` the smallest and largest value found beside its band, and
which `claim` did not hold where. With --twice each cell runs twice in a row, and then all cells run
once more from the top in the same kernel, as a reader may do it: nothing may fail, or say another
thing than before. Nothing is written.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import nbformat
from execute import SECONDS_PER_CELL, chapters
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell

NUMBER = r"(?P<found>-?[\d,]+(?:\.\d+)?(?:e[-+]?\d+)?|-?inf|nan)"
REPORT = re.compile(rf"^(?P<name>.+) ≈ {NUMBER}.*\((?P<band>expected .+ ± .+)\)$")
OUTSIDE = re.compile(rf"^✗ (?P<name>.+): (?P<band>expected .+ ± .+), found {NUMBER}.*\.$")
FAILED = re.compile(r"^✗ (?P<name>.+): expected to hold, found that it does not\.$")
# Seeds that a chapter sets itself are moved on, so that seeds 0, 1, 2 of one run are not another's.
MOVE_SEEDS = """\
import keras
_set_random_seed = keras.utils.set_random_seed
keras.utils.set_random_seed = lambda seed: _set_random_seed(seed + {offset})
keras.utils.set_random_seed(0)"""
ONEDNN_OTHER_WAY = "1" if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0" else "0"


def settings(seeds):
    """Pairs of a name and (offset of all seeds, environment) of each run."""
    runs = {f"seed {seed}": (1000 * seed, {}) for seed in range(seeds)}
    runs["one thread"] = 0, {"TF_NUM_INTRAOP_THREADS": "1"}
    runs["oneDNN"] = 0, {"TF_ENABLE_ONEDNN_OPTS": ONEDNN_OTHER_WAY}
    return runs


def run(path, sources, env=()):
    """Runs cells in a kernel in the chapter's folder; returns what each printed, and its errors."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [new_code_cell(source) for source in sources]
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=SECONDS_PER_CELL,
        allow_errors=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    # A conclusion that fails is printed, and the chapter goes on.
    env = {**os.environ, **dict(env), "COURSE_CHECKS": "0"}
    client.execute(env=env, stderr=subprocess.DEVNULL)
    printed = []
    for cell in notebook.cells:
        texts = [output.text for output in cell.outputs if output.get("name") == "stdout"]
        texts += [
            f"! {output.ename}: {output.evalue}"
            for output in cell.outputs
            if output.output_type == "error"
        ]
        printed.append("".join(texts))
    return printed


def code_of(path):
    notebook = nbformat.read(path, as_version=4)
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def bands(path, seeds):
    """Runs a chapter under all settings; prints a line for each band and each failed claim.

    Returns:
        whether every value was in its band, every claim held, and no cell failed.
    """
    sources = code_of(path)
    found, failures = defaultdict(dict), defaultdict(list)
    for setting, (offset, env) in settings(seeds).items():
        prelude = MOVE_SEEDS.format(offset=offset)
        for cell, text in enumerate(run(path, [sources[0], prelude, *sources[1:]], env)):
            for line in text.splitlines():
                if match := REPORT.match(line) or OUTSIDE.match(line):
                    key = cell, match["name"], match["band"]
                    found[key][setting] = float(match["found"].replace(",", ""))
                    if line.startswith("✗"):
                        failures[key].append(setting)
                elif match := FAILED.match(line):
                    failures[cell, match["name"], "claim"].append(setting)
                elif line.startswith("! "):
                    failures[cell, line, "error"].append(setting)
        print(f"  {path.stem}: {setting} done", file=sys.stderr, flush=True)
    for (_, name, band), values in found.items():
        low, high = min(values.values()), max(values.values())
        within = float(band.split("± ")[1].split()[0].rstrip("%s").replace(",", ""))
        wide = "  wider than 3 x the spread" if 2 * within > 3 * (high - low) else ""
        print(f"  {name}: {low:g} to {high:g}, {band}{wide}")
    for (_, name, kind), where in failures.items():
        print(f"  ✗ {name} ({kind}): {', '.join(where)}")
    return not failures


def twice(path):
    """Runs each cell twice, then all once more; prints what failed or changed; returns if none."""
    sources = code_of(path)
    printed = run(path, [source for source in sources for _ in range(2)] + sources)
    in_a_row, again = printed[: 2 * len(sources)], printed[2 * len(sources) :]
    first, second = in_a_row[::2], in_a_row[1::2]
    calm = True
    for number, source in enumerate(sources):
        for when, text in (("twice in a row", second[number]), ("from the top", again[number])):
            if _masked(text) != _masked(first[number]) or "✗" in text or "! " in text[:2]:
                calm = False
                print(f"  cell {source.splitlines()[0]!r}, run again {when}:\n    {text.strip()}")
    return calm


def _masked(text):
    return re.sub(r"≈ *[-\d.,e]+", "≈", text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapter", nargs="*", help='number of a chapter, as in "03"; default all')
    parser.add_argument("--seeds", type=int, default=5, help="seeds of initial weights")
    parser.add_argument("--twice", action="store_true", help="run each cell twice instead")
    options = parser.parse_args()
    stable = True
    with tempfile.TemporaryDirectory() as folder:
        for path in chapters(options.chapter):
            copy = Path(folder, path.name)
            copy.write_bytes(path.read_bytes())
            print(path.stem, flush=True)
            stable &= twice(copy) if options.twice else bands(copy, options.seeds)
    return 0 if stable else 1


if __name__ == "__main__":
    sys.exit(main())
