"""Rows of finished runs in a CSV file, so that a recipe that was cut off goes on where it was."""

import csv
import hashlib


def complete(target, columns, runs):
    """Does the runs whose rows are not in the file yet, and writes the file after each.

    Rows stand in the order of the runs, behind those of other runs.

    Args:
        target: path of the CSV file, which may be missing.
        columns: names of its columns.
        runs: for each run (key, function): the first fields of its rows, as they stand in the file,
            and what yields the rest of each of its rows.
    """
    rows = []
    if target.exists():
        with open(target, encoding="utf-8", newline="") as file:
            rows = [tuple(row) for row in csv.reader(file)][1:]
    for key, run in runs:
        key = tuple(map(str, key))
        own = [row for row in rows if row[: len(key)] == key]
        rows = [row for row in rows if row[: len(key)] != key]
        if not own:
            own = [(*key, *map(str, rest)) for rest in run()]
            for row in own:
                print(*row, flush=True)
        rows += own
        with open(target, "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([columns, *rows])
    print(target.name, hashlib.sha256(target.read_bytes()).hexdigest())
