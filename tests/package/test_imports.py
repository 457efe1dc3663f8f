"""Who imports whom in the package: never in a circle."""

import ast
import graphlib
from pathlib import Path

import course_utils

ROOT = Path(course_utils.__file__).parent
PACKAGE = course_utils.__name__


def name_of(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path, modules):
    """The modules of the package that a file names in its import statements."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names] + [node.module]
        else:
            continue
        found.update(name for name in names if name in modules and name != PACKAGE)
    return found - {name_of(path)}


def graph():
    paths = {name_of(path): path for path in ROOT.rglob("*.py")}
    return {name: imported(path, paths) for name, path in paths.items()}


def test_no_module_imports_itself_through_others():
    order = list(graphlib.TopologicalSorter(graph()).static_order())  # raises CycleError
    assert order.index(f"{PACKAGE}.convolution") < order.index(f"{PACKAGE}.architectures.counting")


def test_the_lowest_module_imports_none():
    assert graph()[f"{PACKAGE}._checks"] == set()
