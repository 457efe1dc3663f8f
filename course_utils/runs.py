"""Results of the recipes: trainings too long for a chapter, done beforehand over several seeds."""

import numpy as np

from course_utils import data


def load(name, **wanted):
    """Loads what a recipe measured, one row for each training, or for each epoch of one.

    Args:
        name: of the file in `course_utils/assets` without its ending, as in "transfer".
        wanted: for some of its columns the value of the rows to keep, as in `seed=0`.

    Returns:
        A structured array with a field for each column, (N,), in the order of the file, N >= 1.

    Raises:
        ValueError: if there is no such file or column, or no row has these values.
    """
    table = np.genfromtxt(
        data.asset(f"{name}.csv"), delimiter=",", names=True, dtype=None, encoding="utf-8"
    )
    for column, value in wanted.items():
        if column not in table.dtype.names:
            columns = ", ".join(table.dtype.names)
            raise ValueError(f"expected one of the columns {columns}; got {column!r}")
        rows = table[table[column] == value]
        if not len(rows):
            there = ", ".join(repr(one) for one in np.unique(table[column]).tolist())
            raise ValueError(f"expected {column} to be one of {there}; got {value!r}")
        table = rows
    return table
