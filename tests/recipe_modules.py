"""The recipes, which are scripts and no package, as modules."""

import importlib
import sys
from contextlib import contextmanager
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "recipes"


@contextmanager
def imported(name):
    """The module of a recipe; it and the neighbours that it imports are forgotten afterwards."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module(name)
    finally:
        sys.path.remove(str(FOLDER))
        for path in FOLDER.glob("*.py"):
            sys.modules.pop(path.stem, None)
