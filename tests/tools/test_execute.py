"""tools/execute.py: stores what a clean kernel printed, and nothing when a cell fails."""

import execute
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


def write(path, *sources):
    cells = [new_markdown_cell("# Title"), *map(new_code_cell, sources)]
    notebook = new_notebook(
        cells=cells, metadata={"widgets": {}, "kernelspec": {"name": "x", "display_name": "X"}}
    )
    nbformat.write(notebook, path)
    return path


def test_stores_outputs_without_what_differs_from_run_to_run(tmp_path):
    torn = "import sys\nprint('a')\nprint('5 %', file=sys.stderr, flush=True)\nprint('b')"
    path = write(tmp_path / "01_a.ipynb", torn, "1 + 1")
    before = nbformat.read(path, as_version=4)
    before.cells[1].metadata.update(execution={}, tags=["kept"])
    nbformat.write(before, path)

    used = execute.execute(path)

    after = nbformat.read(path, as_version=4)
    assert after.metadata == execute.NOTEBOOK_METADATA
    assert [cell.id for cell in after.cells] == [cell.id for cell in before.cells]
    assert after.cells[1].metadata == {"tags": ["kept"]}
    assert after.cells[1].outputs == [{"output_type": "stream", "name": "stdout", "text": "a\nb\n"}]
    assert [cell.execution_count for cell in after.cells[1:]] == [1, 2]
    assert after.cells[2].outputs[0].data == {"text/plain": "2"}
    assert path.read_text().endswith("}\n")
    assert 0 < used.seconds < 60
    assert 10 < used.megabytes < 1000


def test_a_second_run_changes_nothing(tmp_path):
    path = write(tmp_path / "01_a.ipynb", "print('a')")
    execute.execute(path)
    first = path.read_bytes()
    execute.execute(path)
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("source", "shown"),
    [("1 / 0", "ZeroDivisionError"), ("import os\nos._exit(1)", "Kernel died")],
)
def test_a_failing_chapter_is_shown_and_stays_as_it_was(tmp_path, source, shown):
    path = write(tmp_path / "01_a.ipynb", "print('a')", source)
    before = path.read_bytes()
    with pytest.raises(RuntimeError, match=shown) as caught:
        execute.execute(path)
    assert source.split("\n")[-1] in str(caught.value)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_chapters_are_found_by_number(tmp_path):
    two, ten = (tmp_path / name for name in ("02_b.ipynb", "10_c.ipynb"))
    for path in (two, ten, tmp_path / "index.ipynb"):
        path.touch()
    assert execute.chapters([], tmp_path) == [two, ten]
    assert execute.chapters(["2"], tmp_path) == execute.chapters(["02"], tmp_path) == [two]
    with pytest.raises(ValueError, match="no chapter 03; there are 02, 10"):
        execute.chapters(["3", "10"], tmp_path)


def test_a_chapter_may_have_two_parts(tmp_path):
    first, second, other = (tmp_path / name for name in ("05_a.ipynb", "05b_b.ipynb", "15_c.ipynb"))
    for path in (second, first, other):
        path.touch()
    assert execute.chapters([], tmp_path) == [first, second, other]
    assert execute.chapters(["5"], tmp_path) == execute.chapters(["05"], tmp_path)
    assert execute.chapters(["5"], tmp_path) == [first, second]
    assert execute.chapters(["5b", "15"], tmp_path) == [second, other]
