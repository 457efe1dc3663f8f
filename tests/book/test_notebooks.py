"""Every chapter keeps every rule; and each rule refuses a notebook that breaks it."""

import base64
import io
import re
import sys
import types

import nbformat
import notebook_rules
import pytest
import release
from execute import NOTEBOOK_METADATA
from files import project_files
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from notebook_rules import MACHINE_PATH, ROOT, RULES
from PIL import Image

CHAPTERS = sorted((ROOT / "book").glob("[0-9][0-9]*_*.ipynb"))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter(path, rule):
    problems = RULES[rule](nbformat.read(path, as_version=4), path)
    assert not problems, "\n".join([f"{path.name} {rule}:", *problems])


def test_there_are_chapters():
    assert CHAPTERS


# A notebook that keeps all rules, and for each rule what breaks it --------------------------------


def png(width=40):
    stream = io.BytesIO()
    Image.new("RGB", (width, 30)).save(stream, "png")
    return base64.b64encode(stream.getvalue()).decode()


def figure(width=40):
    data = {"image/png": png(width), "text/plain": "<Figure size 40x30 with 1 Axes>"}
    return new_output("display_data", data)


def shown(text):
    return new_output("execute_result", {"text/plain": text}, execution_count=1)


def printed(text, name="stdout"):
    return new_output("stream", name=name, text=text)


TITLE, SETTING_UP, TEXT, FIGURE, QUOTE, CLAIM, TASK, STUB, HINT, SOLUTION, END = range(11)


def good_notebook():
    cells = [
        new_markdown_cell("# Sample\n\nSee [this file](99_sample.md), $a<b>c$ and `<div>`."),
        new_code_cell(release.setup_cell(notebook_rules.repository_url())),
        new_markdown_cell("Water is H<sub>2</sub>O.\n\n```python\n# no title\n```"),
        new_code_cell(
            "draw()",
            outputs=[figure()],
            metadata={"mystnb": {"image": {"alt": "A black square, 40 pixels wide"}}},
        ),
        new_markdown_cell("> **Note.** A set is written {`a`, `b`}."),
        new_code_cell(
            'notebook.claim("It holds", True)\nnotebook.report("loss", 1234.5, 1234, 3, " %")\n'
            "try:\n    f()\nexcept ValueError as error:\n    show_error(error, 'f is missing')",
            outputs=[printed("✓ It holds\nloss ≈ 1,234.5 % (expected 1,234 ± 3 %)\n")],
        ),
    ]
    for name in ("99.1", "99.2", "99.3"):
        cells += [
            new_markdown_cell(f"### Exercise {name} ★★ Count\n\nHow many?"),
            new_code_cell(
                f'count = ...\ncheck("{name}", count)',
                outputs=[printed(f"Exercise {name} not answered yet: put it there.\n")],
                metadata={"tags": ["exercise"]},
            ),
            new_markdown_cell("Try it before you open the solution."),
            new_code_cell(
                f'# @title Solution {name}\ncheck("{name}", 3)',
                outputs=[printed(f"Exercise {name} correct.\n")],
                metadata={
                    "tags": ["hide-input", "solution"],
                    "jupyter": {"source_hidden": True},
                    "cellView": "form",
                },
            ),
            new_markdown_cell("Three it is."),
        ]
    code = [cell for cell in cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, start=1):
        cell.execution_count = number
    notebook = new_notebook(cells=cells)
    notebook.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    return notebook


@pytest.fixture
def path(tmp_path, monkeypatch):
    """Where the sample would stand, with the file it links to and the exercises it uses."""
    module = types.SimpleNamespace(EXERCISES={"99.1": 3, "99.2": 3, "99.3": 3})
    monkeypatch.setitem(sys.modules, "course_utils.exercises.chapter_99", module)
    (tmp_path / "99_sample.md").touch()
    return tmp_path / "99_sample.ipynb"


def source(index, text):
    """Spoils a notebook: another source for one cell."""
    return lambda notebook: notebook.cells[index].update(source=text)


def more(index, text):
    """Spoils a notebook: adds to the source of one cell."""

    def spoil(notebook):
        notebook.cells[index].source += text

    return spoil


def outputs(index, *new):
    """Spoils a notebook: other outputs for one cell."""
    return lambda notebook: notebook.cells[index].update(outputs=list(new))


def metadata(index, **new):
    """Spoils a notebook: other entries in the metadata of one cell."""
    return lambda notebook: notebook.cells[index].metadata.update(nbformat.from_dict(new))


def alt(text):
    return metadata(FIGURE, mystnb={"image": {"alt": text}})


def removed(*indices):
    def spoil(notebook):
        notebook.cells = [c for i, c in enumerate(notebook.cells) if i not in indices]

    return spoil


def repeated(index):
    return lambda notebook: notebook.cells.append(notebook.cells[index])


def second_figure(notebook):
    notebook.cells[CLAIM].outputs.append(figure())
    notebook.cells[CLAIM].metadata = notebook.cells[FIGURE].metadata


BAD = {
    "is_a_valid_notebook": [repeated(TEXT), metadata(TEXT, tags="one")],
    "begins_with_its_only_title": [source(TITLE, "Hello"), source(TEXT, "# Again"), removed(TITLE)],
    "second_cell_is_the_setup": [
        source(SETTING_UP, release.setup_cell("https://elsewhere.org/course")),
        more(SETTING_UP, "\n"),
        outputs(SETTING_UP, printed("Collecting")),
    ],
    "cells_are_short": [
        more(CLAIM, "\n#" * 29),
        lambda notebook: [more(i, "\n#" * 7)(notebook) for i in (3, 5, 7, 9, 12, 14)],
    ],
    "text_stands_between_code_cells": [
        removed(TEXT, QUOTE),
        removed(TASK, QUOTE, HINT),
        source(TEXT, " \n"),
    ],
    "hidden_code_that_solves_no_exercise_says_so": [metadata(CLAIM, tags=["hide-input"])],
    "was_run_from_a_clean_kernel": [
        lambda notebook: notebook.cells[CLAIM].update(execution_count=None),
        lambda notebook: notebook.cells[CLAIM].update(execution_count=30),
        outputs(CLAIM, new_output("error", ename="ValueError", evalue="", traceback=[])),
    ],
    "holds_nothing_volatile": [
        metadata(TEXT, execution={"iopub.execute_input": "2026"}),
        metadata(CLAIM, ExecuteTime={"duration": 3}),
        outputs(CLAIM, printed("100%", name="stderr")),
        outputs(CLAIM, printed("a"), printed("b")),
        lambda notebook: notebook.metadata.kernelspec.update(name="conda-env"),
        lambda notebook: notebook.metadata.language_info.update(version="3.11.7"),
    ],
    "is_small": [outputs(CLAIM, printed("1" * 2**20))],
    "markdown_is_portable": [
        source(TEXT, "```{note}\nText\n```"),
        source(TEXT, "1. A list\n   ```{note}\n   Text\n   ```"),
        source(TEXT, ":::{tip}\nText\n:::"),
        source(TEXT, "See {doc}`other`."),
        source(TEXT, "(label)=\n## Heading"),
        source(TEXT, "Text[^1]"),
        source(TEXT, "<!-- later -->"),
        source(TEXT, '<img src="a.png"/>'),
        source(TEXT, "<div>\nText\n</div>"),
    ],
    "links_lead_somewhere": [
        source(TEXT, "[Next](100_next.ipynb)"),
        source(TEXT, "![A cat](cat.png#here)"),
    ],
    "names_no_machine": [
        source(CLAIM, 'open("/home/ada/cat.png")'),
        source(TEXT, r"Look in C:\cats"),
        outputs(CLAIM, printed("/usr/lib/python3/site-packages/keras")),
        outputs(CLAIM, shown("PosixPath('/tmp/x')")),
    ],
    "figures_have_alt_texts": [
        metadata(FIGURE, mystnb={}),
        alt("A square"),
        alt("_images/0123456789abcdef.png"),
        outputs(FIGURE, figure(), figure()),
        outputs(FIGURE),
        second_figure,
    ],
    "figures_are_pixels_of_modest_size": [
        outputs(FIGURE, figure(width=1001)),
        outputs(FIGURE, new_output("display_data", {"image/svg+xml": "<svg/>"})),
    ],
    "outputs_are_readable": [
        outputs(CLAIM, printed("\x1b[31mred\x1b[0m")),
        outputs(CLAIM, printed(" 10%\r 20%")),
        outputs(CLAIM, printed("<function f at 0x7f00aa>")),
        outputs(CLAIM, shown("[<matplotlib.lines.Line2D>]")),
        outputs(CLAIM, shown("<Axes: >")),
        outputs(CLAIM, shown("Text(0.5, 1.0, 'Cats')")),
    ],
    "only_report_prints_approximate_numbers": [
        outputs(CLAIM, printed("accuracy ≈ 0.87\n")),
        outputs(CLAIM, shown("'≈ 0.87 (expected 0.87 ± 0.03)'")),
    ],
    "errors_are_told_in_our_words": [
        source(CLAIM, "try:\n    f()\nexcept ValueError as error:\n    print(error)"),
        source(CLAIM, "try:\n    f()\nexcept ValueError as e:\n    show_error(e, str(e))"),
    ],
    "imports_come_with_the_package": [
        source(CLAIM, "import pytest"),
        source(CLAIM, "def f():\n    from nowhere.at_all import anything"),
    ],
    "ignored_outputs_say_why": [
        source(CLAIM, "# NBVAL_IGNORE_OUTPUT\nnow()"),
        metadata(CLAIM, tags=["nbval-skip"]),
    ],
    "draws_a_conclusion": [source(CLAIM, "1"), outputs(CLAIM), source(CLAIM, "# claim()")],
    "exercises_are_the_registered_ones": [
        removed(TASK, STUB, HINT, SOLUTION, END),
        metadata(STUB, tags=[]),
        source(STUB, 'check("99.4", ...)'),
        source(STUB, 'check("98.1", ...)'),
        repeated(STUB),
    ],
    "exercises_have_task_stub_and_solution": [
        source(TASK, "### Exercise 99.1 Count"),
        source(TASK, "### Exercise 99.2 ★ Count"),
        outputs(STUB, printed("Exercise 99.1 correct.")),
        outputs(STUB),
        metadata(STUB, tags=[]),
        more(STUB, "\n1"),
        removed(SOLUTION),
        source(SOLUTION, '# @title Solution 99.1\ncheck("99.2", 3)'),
        source(SOLUTION, 'check("99.1", 3)'),
        outputs(SOLUTION, printed("Exercise 99.1 not yet: no.")),
        metadata(SOLUTION, tags=["solution"]),
        metadata(SOLUTION, jupyter={}),
        metadata(SOLUTION, cellView="code"),
    ],
}


def test_a_good_notebook_keeps_all_rules(path):
    problems = {name: rule(good_notebook(), path) for name, rule in RULES.items()}
    assert not any(problems.values()), problems


def test_each_rule_has_something_to_refuse():
    assert BAD.keys() == RULES.keys()


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        pytest.param(name, spoil, id=f"{name}-{number}")
        for name, spoils in BAD.items()
        for number, spoil in enumerate(spoils)
    ],
)
def test_rule_refuses(name, spoil, path):
    notebook = good_notebook()
    spoil(notebook)
    assert RULES[name](notebook, path)


def test_an_exercise_without_module_is_refused(tmp_path):
    rule = RULES["exercises_are_the_registered_ones"]
    assert "chapter_99" in rule(good_notebook(), tmp_path / "99_sample.ipynb")[0]


# The repository -----------------------------------------------------------------------------------


def test_the_repository_is_small():
    assert sum(path.stat().st_size for path in project_files()) < 60 * 2**20


PRIVATE_INDEX = re.compile(r"--(?:extra-)?index-url[ =]|--find-links[ =]|--trusted-host|file:///")


def test_no_file_names_a_machine_or_a_package_index():
    problems = []
    here = ROOT / "tests" / "book" / "test_notebooks.py"  # its bad examples are meant
    texts = {path: path.read_bytes() for path in project_files() if path != here}
    for path, content in texts.items():
        text = "" if b"\0" in content[:8000] else content.decode(errors="replace")
        for found in [*MACHINE_PATH.finditer(text), *PRIVATE_INDEX.finditer(text)]:
            if found[0].startswith("/tmp"):  # instructions may name it
                continue
            problems.append(f"{path.relative_to(ROOT)}: {text[found.start() : found.end() + 30]!r}")
    assert not problems, "\n".join(problems)


def test_modules_are_short():
    lengths = {
        path.relative_to(ROOT): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / "course_utils").rglob("*.py")
    }
    assert not {path: length for path, length in lengths.items() if length > 300}
