"""tools/release.py: a changed package has a version of its own, and the chapters ask for it."""

import json
import sys
import types

import pytest
import release


def test_the_version_rose_with_the_package():
    version, files = release.RECORD.read_text(encoding="utf-8").split()
    assert tuple(map(int, version.split("."))) == release.current()
    assert files == release.fingerprint(), (
        f"course_utils has changed since {version}: make release VERSION=..., one higher"
    )


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A small project at 0.9.1, of which `release` takes care in this test."""
    (tmp_path / "course_utils").mkdir()
    (tmp_path / "course_utils" / "__init__.py").write_text('__version__ = "0.9.1"\n')
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 0.9.1\n")
    (tmp_path / "book").mkdir()
    (tmp_path / "tools").mkdir()
    monkeypatch.setattr(release, "ROOT", tmp_path)
    monkeypatch.setattr(release, "PACKAGE", tmp_path / "course_utils")
    monkeypatch.setattr(release, "RECORD", tmp_path / "tools" / "release.txt")
    cells = [{"source": ["# Émile\n"]}, {"source": release.setup_cell("https://x.org")}]
    text = json.dumps({"cells": cells}, indent=1, ensure_ascii=False) + "\n"
    (tmp_path / "book" / "01_a.ipynb").write_text(text, encoding="utf-8")
    return tmp_path


def test_a_release_is_written_wherever_it_stands(copy):
    release.raise_to("0.10.0")
    assert (copy / "course_utils" / "__init__.py").read_text() == '__version__ = "0.10.0"\n'
    assert (copy / "CITATION.cff").read_text() == "cff-version: 1.2.0\nversion: 0.10.0\n"
    text = (copy / "book" / "01_a.ipynb").read_text(encoding="utf-8")
    assert "Émile" in text
    cell = "".join(json.loads(text)["cells"][1]["source"])
    assert cell == release.setup_cell("https://x.org")
    assert "< (0, 10, 0):" in cell
    assert release.RECORD.read_text().split() == ["0.10.0", release.fingerprint()]


@pytest.mark.parametrize("version", ["0.9.1", "0.9.0", "1.0", "v1.0.0", ""])
def test_a_release_that_is_not_higher_is_refused(copy, version):
    with pytest.raises(ValueError, match=r"above 0\.9\.1, as in 1\.2\.3; got"):
        release.raise_to(version)
    assert not release.RECORD.exists()


def test_the_fingerprint_sees_names_and_contents_but_no_caches(copy):
    before = release.fingerprint()
    (copy / "course_utils" / "__pycache__").mkdir()
    (copy / "course_utils" / "__pycache__" / "a.pyc").write_text("x")
    assert release.fingerprint() == before
    (copy / "course_utils" / "a.py").write_text("x")
    added = release.fingerprint()
    (copy / "course_utils" / "a.py").rename(copy / "course_utils" / "b.py")
    assert len({before, added, release.fingerprint()}) == 3


def run_setup(source, monkeypatch, package):
    """Runs a setup cell beside an installed package; returns what pip would be asked for."""
    asked = []
    monkeypatch.delitem(sys.modules, "course_utils", raising=False)
    monkeypatch.setitem(sys.modules, "course_utils", package)
    lines = source.replace("    %pip install", "    pip('install").split("\n")
    lines = [f"{line}')" if "pip('install" in line else line for line in lines]
    lines = lines[: lines.index("from course_utils import notebook")]
    exec("\n".join(lines), {"pip": asked.append})
    return asked


@pytest.mark.parametrize(
    ("installed", "wants"),
    [("0.1.0", True), ("0.9.0", True), ("0.9.1", False), ("0.9.2", False), ("0.10.0", False)],
)
def test_the_setup_cell_installs_only_what_is_missing_or_older(copy, monkeypatch, installed, wants):
    package = types.ModuleType("course_utils")
    package.__version__ = installed
    asked = run_setup(release.setup_cell("https://x.org"), monkeypatch, package)
    assert asked == (
        ['install --quiet --upgrade "course-utils @ git+https://x.org"'] if wants else []
    )


def test_the_setup_cell_installs_a_missing_package(copy, monkeypatch):
    assert run_setup(release.setup_cell("https://x.org"), monkeypatch, None)
