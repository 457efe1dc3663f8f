"""A chapter opened alone, as Colab does it: nothing but the .ipynb in an empty folder.

A new environment sees what the package depends on (Colab brings it), but not the package; the
chapter's setup cell installs it from the repository's address, which git is told to find here.
Seen are the tracked files as they lie in the working tree; a file that was never added is missed.
"""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import nbformat
import pytest
from files import project_files
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell
from notebook_rules import ROOT, repository_url
from other_versions import write_kernel
from packaging.requirements import Requirement

CHAPTER = "09_object_detection.ipynb"  # the one that takes least
BUILD_TOOL = "hatchling>=1.27"  # pip fetches it to build the package
COMMITTER = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
WHERE_FROM = """\
import json
from pathlib import Path

import course_utils

folder = Path(course_utils.__file__).parent
files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
print(json.dumps([str(folder), files]))"""


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


def snapshot(target):
    """A repository with one commit: the project's files as they lie here. Returns their names."""
    names = [path.relative_to(ROOT).as_posix() for path in project_files()]
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target / name)
    run("git", "init", "--quiet", cwd=target)
    run("git", "add", "--all", "--force", cwd=target)
    run("git", *COMMITTER, "commit", "--quiet", "--no-gpg-sign", "-m", "snapshot", cwd=target)
    return names


def old_release(folder):
    """A project that installs an older package, with a module that is gone today."""
    (folder / "course_utils").mkdir(parents=True)
    (folder / "course_utils" / "__init__.py").write_text('__version__ = "0.0.9"\n')
    (folder / "course_utils" / "gone.py").touch()
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("[tool.ruff]")[0]
    keep = [line for line in project.splitlines() if not line.startswith(("readme", "license"))]
    (folder / "pyproject.toml").write_text("\n".join(keep), encoding="utf-8")


def dependencies(*roots):
    """The installed distributions that these need, themselves included, without extras."""
    found, pending = {}, list(roots)
    while pending:
        distribution = importlib.metadata.distribution(pending.pop())
        if distribution.name in found:
            continue
        found[distribution.name] = distribution
        for requirement in map(Requirement, distribution.requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                pending.append(requirement.name)
    return found


def bring_dependencies(folder):
    """Links to what the package needs at run time, and a kernel; to nothing else."""
    installed = Path(sysconfig.get_path("purelib"))
    folder.mkdir()
    brought = dependencies("course-utils", "ipykernel")
    del brought["course-utils"]
    for distribution in brought.values():
        for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(installed / top)


@pytest.mark.fresh
def test_a_chapter_alone_installs_the_package_and_runs(tmp_path, monkeypatch):
    repository, home, folder = (tmp_path / name for name in ("repository", "home", "folder"))
    for path in (repository, home, folder):
        path.mkdir()
    tracked = snapshot(repository)
    shutil.copy(repository / "book" / CHAPTER, folder)

    run(sys.executable, "-m", "venv", tmp_path / "fresh")
    python = tmp_path / "fresh" / "bin" / "python"
    bring_dependencies(tmp_path / "brought")
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "brought.pth").write_text(f"{tmp_path / 'brought'}\n")

    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment |= {
        "HOME": str(home),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{repository.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": repository_url(),
    }
    fetch = [python, "-m", "pip", "download", "--quiet", "--no-deps", BUILD_TOOL]
    if subprocess.run([*fetch, "--dest", home], env=environment, capture_output=True).returncode:
        reason = f"pip cannot fetch {BUILD_TOOL}, which it needs to build the package"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)

    write_kernel("fresh", python, tmp_path / "jupyter")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))

    inside = "course_utils/"
    expected = {name.removeprefix(inside) for name in tracked if name.startswith(inside)}
    chapter = nbformat.read(folder / CHAPTER, as_version=4)

    def run_cells(cells):
        """Runs cells as a reader would; checks that the package of the repository was installed."""
        notebook = nbformat.v4.new_notebook(cells=[*cells, new_code_cell(WHERE_FROM)])
        resources = {"metadata": {"path": str(folder)}}
        client = NotebookClient(notebook, kernel_name="fresh", timeout=600, resources=resources)
        client.execute(env=environment)
        package, files = json.loads(notebook.cells[-1].outputs[-1].text)
        assert Path(package).is_relative_to(site)
        assert {name for name in files if "__pycache__" not in name} == expected

    old_release(tmp_path / "old")
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run(*pip, "install", "--no-deps", tmp_path / "old", env=environment)
    run_cells([chapter.cells[1]])
    run(*pip, "uninstall", "--yes", "course-utils", env=environment)
    run_cells(chapter.cells)
