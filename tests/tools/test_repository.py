"""tools/repository.py and tools/files.py: the project's files and address, with git and without."""

import subprocess

import files
import pytest
import repository

OLD, NEW = "https://github.com/old-owner/old.name", "https://github.com/new/copy"


@pytest.fixture(params=["git", "ZIP"])
def project(request, tmp_path, monkeypatch):
    """A small project; the file in `.venv` does not belong to it."""
    texts = {
        "_config.yml": f"url: {OLD}\n",
        "book/01_a.ipynb": f'"git+{OLD}"',
        "book/02_a.ipynb": "https://old-owner.github.io/old.name/book/a.html",
        "README.md": "old-owner/old.name and more",
        "data.txt": OLD,
        ".venv/lib/a.py": OLD,
        "tools/__pycache__/a.py": OLD,
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    if request.param == "git":
        (tmp_path / ".gitignore").write_text(".venv/\n__pycache__/\n")
        subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    monkeypatch.setattr(repository, "ROOT", tmp_path)
    return tmp_path


def run(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["repository.py", *arguments])
    repository.main()


def test_the_projects_files(project):
    names = {path.relative_to(project).as_posix() for path in files.project_files(project)}
    assert names - {".gitignore"} == {
        "_config.yml",
        "book/01_a.ipynb",
        "book/02_a.ipynb",
        "README.md",
        "data.txt",
    }


def test_the_address_is_written_wherever_it_stands(project, monkeypatch, capsys):
    run(monkeypatch, NEW + ".git")
    assert repository.current() == NEW
    assert (project / "book" / "01_a.ipynb").read_text() == f'"git+{NEW}"'
    page = "https://new.github.io/copy/book/a.html"
    assert (project / "book" / "02_a.ipynb").read_text() == page
    assert (project / "README.md").read_text() == "new/copy and more"
    assert (project / ".venv" / "lib" / "a.py").read_text() == OLD
    assert "written into 4 files" in capsys.readouterr().out


def test_nothing_written_is_no_success(project, monkeypatch):
    with pytest.raises(SystemExit, match="nothing was written"):
        run(monkeypatch, OLD)
    monkeypatch.setattr(repository, "project_files", lambda root: [])
    with pytest.raises(SystemExit, match="nothing was written"):
        run(monkeypatch, NEW)


@pytest.mark.parametrize("address", [(), ("owner/name",), ("https://gitlab.com/a/b",)])
def test_another_kind_of_address_is_refused(project, monkeypatch, address):
    with pytest.raises(SystemExit, match="expected such an address, got"):
        run(monkeypatch, *address)
