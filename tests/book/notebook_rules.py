"""The rules every chapter keeps. Each takes a notebook and its path and returns its problems.

A rule reads only what it is given and, where two files must agree, the other file.
"""

import ast
import base64
import copy
import importlib
import io
import re
import statistics
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import execute
import nbformat
import release
import yaml
from IPython.core.inputtransformer2 import TransformerManager
from packaging.requirements import Requirement
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]

MEDIAN_LINES, MOST_LINES = 8, 30
FILE_BYTES = 2**20
FIGURE_PIXELS = 1000
FIGURE_TYPES = ("image/png", "image/jpeg")
ALT_LETTERS = 20
FEWEST_EXERCISES, MOST_EXERCISES = 3, 6
EXERCISE_TAGS = {"exercise", "solution"}
PORTABLE_HTML = {"br", "details", "kbd", "sub", "summary", "sup"}
MACHINE_PATH = re.compile(
    r"(?<![\w.~-])/(?:home|Users|root|work|tmp)/\w|\b[A-Z]:\\\w|\bsite-packages\b"
)
RULES = {}


def rule(function):
    RULES[function.__name__] = function
    return function


def repository_url():
    """The repository's address as `_config.yml` has it."""
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]


# What several rules look at ----------------------------------------------------------------------


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _markdown(notebook):
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def _without_code_blocks(source):
    """A markdown cell without its fenced code; directives, which look much alike, stay."""
    return re.sub(r"^(```+|~~~+)(?!\{).*?^\1 *$", "", source, flags=re.M | re.S)


def _prose(source):
    """A markdown cell without its code and formulas."""
    source = _without_code_blocks(source)
    # Braces right before inline code make it a role: that stays.
    source = re.sub(r"(?<!\})(`+)(?!`).*?(?<!`)\1(?!`)", "", source, flags=re.S)
    return re.sub(r"(\$\$?)(?!\s).+?\1", "", source, flags=re.S)


def _texts(cell):
    """Pairs of mime type (or stream name) and text that a code cell has stored."""
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.name, output.text
        for kind, content in output.get("data", {}).items():
            if isinstance(content, str) and kind not in FIGURE_TYPES:
                yield kind, content


def _printed(cell):
    return "".join(text for kind, text in _texts(cell) if kind == "stdout")


def _figures(cell):
    return [
        (kind, output.data[kind])
        for output in cell.outputs
        for kind in FIGURE_TYPES
        if kind in output.get("data", {})
    ]


def _statements(cell):
    """What a cell does, as a syntax tree; magics become calls."""
    return ast.parse(TransformerManager().transform_cell(cell.source)).body


@cache
def _modules_at_hand():
    """What a chapter may import: Python's own modules, ours, and those of our dependencies."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ours = {Requirement(line).name for line in project["dependencies"]}
    theirs = {name for name, of in packages_distributions().items() if not ours.isdisjoint(of)}
    return theirs | {*sys.stdlib_module_names, "course_utils"}


def _calls(node, name):
    """Whether a part of a syntax tree calls this function, taken from whatever module."""
    if not isinstance(node, ast.Call):
        return False
    return name == getattr(node.func, "attr", getattr(node.func, "id", None))


def _calls_somewhere(cell, name):
    return any(_calls(node, name) for part in _statements(cell) for node in ast.walk(part))


def _short(source):
    return repr(source.strip().split("\n")[0][:60])


# Cells -------------------------------------------------------------------------------------------


@rule
def is_a_valid_notebook(notebook, path):
    ids = [cell.get("id") for cell in notebook.cells]
    if None in ids or len(set(ids)) < len(ids):
        return ["cells without an id or with the same one"]
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        return [str(error).split("\n")[0]]
    return []


@rule
def begins_with_its_only_title(notebook, path):
    first = notebook.cells[0]
    if first.cell_type != "markdown" or not re.match(r"# \S", first.source):
        return ["the first cell is no title (# ...)"]
    prose = "\n".join(map(_prose, _markdown(notebook)))
    titles = re.findall(r"^# .*", prose, re.M)
    return [f"a second title: {title}" for title in titles[1:]]


@rule
def second_cell_is_the_setup(notebook, path):
    cell = notebook.cells[1]
    if cell.cell_type != "code" or cell.source != release.setup_cell(repository_url()):
        return [
            "the second cell is not the setup cell with the release and the address of _config.yml"
        ]
    return ["the setup cell has outputs"] if cell.outputs else []


@rule
def cells_are_short(notebook, path):
    lengths = [len(cell.source.split("\n")) for cell in _code(notebook)]
    problems = [
        f"{length} lines, at most {MOST_LINES}: {_short(cell.source)}"
        for cell, length in zip(_code(notebook), lengths, strict=True)
        if length > MOST_LINES
    ]
    if statistics.median(lengths) > MEDIAN_LINES:
        problems.append(f"median {statistics.median(lengths)} lines a cell, at most {MEDIAN_LINES}")
    return problems


@rule
def text_stands_between_code_cells(notebook, path):
    """Two code cells may stand side by side, three may not; an empty cell is no text."""
    cells = [cell for cell in notebook.cells if cell.source.strip()]
    triples = zip(cells, cells[1:], cells[2:], strict=False)
    return ["an empty cell"] * (len(notebook.cells) - len(cells)) + [
        f"no text in the two cells before {_short(third.source)}"
        for first, second, third in triples
        if first.cell_type == second.cell_type == third.cell_type == "code"
    ]


@rule
def was_run_from_a_clean_kernel(notebook, path):
    counts = [cell.execution_count for cell in _code(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        return [f"cells were run as {counts}, expected 1 to {len(counts)}"]
    return [
        f"stored an error: {_short(cell.source)}"
        for cell in _code(notebook)
        if any(output.output_type == "error" for output in cell.outputs)
    ]


@rule
def holds_nothing_volatile(notebook, path):
    tidy = copy.deepcopy(notebook)
    execute.tidy(tidy)
    problems = [] if tidy.metadata == notebook.metadata else ["metadata of the notebook"]
    for cell, right in zip(notebook.cells, tidy.cells, strict=True):
        if cell.metadata != right.metadata:
            extra = sorted(set(cell.metadata) - set(right.metadata))
            problems.append(f"metadata {', '.join(extra)} of {_short(cell.source)}")
        elif cell != right:
            problems.append(f"stderr or torn stdout below {_short(cell.source)}")
    return problems


@rule
def is_small(notebook, path):
    size = len(nbformat.writes(notebook).encode())
    return [f"{size:,} bytes, at most {FILE_BYTES:,}"] if size > FILE_BYTES else []


# Text --------------------------------------------------------------------------------------------


@rule
def markdown_is_portable(notebook, path):
    forbidden = {
        r"^ *:::.*": "directive",
        r"\{[\w:.-]+\}`": "role",
        r"^\([\w-]+\)=": "label",
        r"\[\^[\w-]+\]": "footnote",
        r"<!--": "comment",
    }
    problems = []
    for source in _markdown(notebook):
        directives = re.findall(r"^ *(?:```+|~~~+)\{.*", _without_code_blocks(source), re.M)
        problems += [f"directive: {found}" for found in directives]
        prose = _prose(source)
        for pattern, name in forbidden.items():
            problems += [f"{name}: {found}" for found in re.findall(pattern, prose, re.M)]
        tags = re.findall(r"</?([A-Za-z][\w-]*)(?=[\s/>])", prose)
        problems += [f"raw HTML: <{tag}>" for tag in tags if tag.lower() not in PORTABLE_HTML]
    return problems


@rule
def links_lead_somewhere(notebook, path):
    targets = [
        target
        for source in _markdown(notebook)
        for target in re.findall(r"\]\(<?([^)\s>]+)", _prose(source))
    ]
    local = [target for target in targets if not re.match(r"[a-z]+:|#", target)]
    return [
        f"no such file: {target}"
        for target in local
        if not (path.parent / target.split("#")[0]).exists()
    ]


@rule
def names_no_machine(notebook, path):
    texts = [cell.source for cell in notebook.cells]
    texts += [text for cell in _code(notebook) for _, text in _texts(cell)]
    return [
        f"machine path {text[found.start() : found.end() + 20]!r}"
        for text in texts
        for found in MACHINE_PATH.finditer(text)
    ]


# Outputs -----------------------------------------------------------------------------------------


@rule
def figures_have_alt_texts(notebook, path):
    problems, seen = [], set()
    for cell in _code(notebook):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        figures = len(_figures(cell))
        if figures > 1:  # the site gives one alt text to all of a cell's figures
            problems.append(f"{figures} figures in one cell: {_short(cell.source)}")
        if alt and not figures:
            problems.append(f"an alt text but no figure: {_short(cell.source)}")
        if not figures:
            continue
        if len(alt) < ALT_LETTERS or re.search(r"\.(png|jpe?g|svg)\b", alt):
            problems.append(f"no alt text that says what one sees: {_short(cell.source)}")
        elif alt in seen:
            problems.append(f"the same alt text twice: {alt!r}")
        seen.add(alt)
    return problems


@rule
def figures_are_pixels_of_modest_size(notebook, path):
    problems = []
    for cell in _code(notebook):
        kinds = {kind for output in cell.outputs for kind in output.get("data", {})}
        for kind in sorted(kinds & {"image/svg+xml", "application/pdf"}):
            problems.append(f"{kind} below {_short(cell.source)}")
        for _, content in _figures(cell):
            width, _ = Image.open(io.BytesIO(base64.b64decode(content))).size
            if width > FIGURE_PIXELS:
                problems.append(f"{width} pixels wide, at most {FIGURE_PIXELS}")
    return problems


@rule
def outputs_are_readable(notebook, path):
    problems = []
    for cell in _code(notebook):
        for kind, text in _texts(cell):
            if kind in ("stdout", "text/plain") and re.search("[\x1b\r]", text):
                problems.append(f"colour codes or carriage returns below {_short(cell.source)}")
            if re.search(r"\bat 0x[0-9a-fA-F]{4}", text):
                problems.append(f"an address in memory below {_short(cell.source)}")
        for output in cell.outputs:
            data = output.get("data", {})
            if set(data) == {"text/plain"} and re.match(r"\[?<|Text\(", data["text/plain"]):
                problems.append(f"a bare object below {_short(cell.source)}")
    return problems


@rule
def only_report_prints_approximate_numbers(notebook, path):
    made_by_report = re.compile(
        r".+ ≈ [-\d]\S* ?\S* \(expected \S+ ± \S+.*\)"
        r"|Exercise \d\d[a-z]?\.\d correct: accuracy ≈ \d\.\d{3} on [\d,]+ \w+\..*"
    )
    return [
        f"not printed by report or a checker: {line!r}"
        for cell in _code(notebook)
        for kind, text in _texts(cell)
        for line in text.split("\n")
        if "≈" in line and not (kind == "stdout" and made_by_report.fullmatch(line))
    ]


@rule
def errors_are_told_in_our_words(notebook, path):
    """What a library says changes with its version; `show_error` keeps it out of the comparison."""
    problems = []
    for cell in _code(notebook):
        handlers = [
            node
            for part in _statements(cell)
            for node in ast.walk(part)
            if isinstance(node, ast.ExceptHandler) and node.name
        ]
        for handler in handlers:
            nodes = [node for part in handler.body for node in ast.walk(part)]
            told = {id(node.args[0]) for node in nodes if _calls(node, "show_error")}
            uses = [
                node for node in nodes if isinstance(node, ast.Name) and node.id == handler.name
            ]
            if any(id(node) not in told for node in uses):
                problems.append(
                    f"an error's own words, not through show_error: {_short(cell.source)}"
                )
    return problems


@rule
def imports_come_with_the_package(notebook, path):
    """A reader has what the package depends on; whoever runs the checks has more."""
    nodes = [
        node for cell in _code(notebook) for part in _statements(cell) for node in ast.walk(part)
    ]
    names = [name.name for node in nodes if isinstance(node, ast.Import) for name in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    modules = {name.partition(".")[0] for name in names} - _modules_at_hand()
    return [
        f"{module} comes from nothing that pyproject.toml depends on" for module in sorted(modules)
    ]


@rule
def ignored_outputs_say_why(notebook, path):
    problems = []
    for cell in _code(notebook):
        comments = [line.strip("# ") for line in cell.source.split("\n") if line.startswith("#")]
        tags = [tag for tag in cell.metadata.get("tags", []) if tag.startswith(("nbval", "raises"))]
        marks = [comment for comment in comments if "NBVAL_" in comment] + tags
        reasons = [comment for comment in comments if "NBVAL_" not in comment and " " in comment]
        if marks and not reasons:
            problems.append(f"{', '.join(marks)} without a reason in a comment")
    return problems


@rule
def draws_a_conclusion(notebook, path):
    for cell in _code(notebook):
        if _calls_somewhere(cell, "claim") and "✓" in _printed(cell):
            return []
    return ["no claim(...) that was found true"]


# Exercises ---------------------------------------------------------------------------------------


def _checked(cell):
    """The identifier that a cell's last statement hands to `check`, or None."""
    for last in _statements(cell)[-1:]:
        if isinstance(last, ast.Expr) and _calls(last.value, "check"):
            return ast.literal_eval(last.value.args[0])
    return None


def _tags(cell):
    return set(cell.metadata.get("tags", []))


@rule
def exercises_are_the_registered_ones(notebook, path):
    chapter = path.name.split("_")[0]  # 05, or 05b for a second part
    try:
        module = importlib.import_module(f"course_utils.exercises.chapter_{chapter}")
    except ModuleNotFoundError as error:
        return [str(error)]
    registered = list(module.EXERCISES)
    used = [_checked(cell) for cell in _code(notebook) if "exercise" in _tags(cell)]
    problems = []
    if used != [f"{chapter}.{number}" for number in range(1, len(used) + 1)]:
        problems.append(f"exercises are not numbered from {chapter}.1 on: {used}")
    if used != registered:
        problems.append(f"the notebook has {used}, the package {registered}")
    if not FEWEST_EXERCISES <= len(used) <= MOST_EXERCISES:
        problems.append(f"{len(used)} exercises, expected {FEWEST_EXERCISES} to {MOST_EXERCISES}")
    return problems


@rule
def hidden_code_that_solves_no_exercise_says_so(notebook, path):
    return [
        f"hidden, but no solution: mystnb.code_prompt_show is missing: {_short(cell.source)}"
        for cell in _code(notebook)
        if "hide-input" in _tags(cell)
        and "solution" not in _tags(cell)
        and "code_prompt_show" not in cell.metadata.get("mystnb", {})
    ]


@rule
def exercises_have_task_stub_and_solution(notebook, path):
    problems = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code" or not (
            _tags(cell) & EXERCISE_TAGS or _calls_somewhere(cell, "check")
        ):
            continue
        name = _checked(cell)
        if name is None or len(_tags(cell) & EXERCISE_TAGS) != 1:
            problems.append(f"one tag and check as last line expected: {_short(cell.source)}")
        elif "exercise" in _tags(cell):
            found = _problems_of_stub(notebook.cells, index, name)
            problems += [f"{name}: {problem}" for problem in found]
        else:
            problems += [f"{name}: {problem}" for problem in _problems_of_solution(cell, name)]
    return problems


def _problems_of_stub(cells, index, name):
    task, stub = cells[index - 1], cells[index]
    if not re.search(rf"^### Exercise {re.escape(name)} ★{{1,3}} \S", task.source, re.M):
        yield f'above the stub stands no "### Exercise {name} ★ Title"'
    if not _printed(stub).startswith(f"Exercise {name} not answered yet"):
        yield f"the stub printed {_printed(stub)!r}"
    next_code = next((cell for cell in cells[index + 1 :] if cell.cell_type == "code"), None)
    if next_code is None or "solution" not in _tags(next_code) or _checked(next_code) != name:
        yield "the next code cell is not its solution"


def _problems_of_solution(cell, name):
    if cell.source.split("\n")[0] != f"# @title Solution {name}":
        yield f'the first line is not "# @title Solution {name}"'
    if "hide-input" not in _tags(cell):
        yield "the solution has no tag hide-input"
    if cell.metadata.get("jupyter", {}).get("source_hidden") is not True:
        yield "the solution is not hidden in JupyterLab (jupyter.source_hidden)"
    if cell.metadata.get("cellView") != "form":
        yield 'the solution is not hidden in Colab (cellView "form")'
    if not _printed(cell).startswith(f"Exercise {name} correct"):
        yield f"the solution printed {_printed(cell)!r}"
