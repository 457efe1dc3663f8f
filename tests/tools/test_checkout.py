"""A checkout by Git for Windows, which would end lines in CRLF, keeps what must not change."""

import subprocess

import pytest
from files import ROOT, has_git, project_files

from course_utils import data


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """The project's files, as they were added last, as Git for Windows writes them."""
    if not has_git():
        pytest.skip("a copy without git cannot be checked out anew")
    folder = tmp_path_factory.mktemp("checkout")
    settings = ["-c", "core.autocrlf=true", "-c", "core.eol=crlf"]
    command = ["git", *settings, "checkout-index", "--all", f"--prefix={folder}/"]
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


def scripts(folder):
    found = {path: path.read_bytes() for path in project_files(folder)}
    return {path: content for path, content in found.items() if content.startswith(b"#!")}


def test_scripts_end_their_lines_as_bash_needs_it(checkout):
    names = {path.relative_to(checkout).as_posix() for path in scripts(checkout)}
    assert {".ci/run", "tools/setup.sh"} <= names
    for content in [*scripts(checkout).values(), *scripts(ROOT).values()]:
        assert b"\r" not in content


def test_assets_have_the_bytes_of_their_hashes(checkout, monkeypatch):
    monkeypatch.setattr(data, "ASSETS", checkout / "course_utils" / "assets")
    # Files are hashed once a process.
    monkeypatch.setattr(data, "asset", data.asset.__wrapped__)
    monkeypatch.setattr(data, "_asset_hashes", data._asset_hashes.__wrapped__)
    assert len(data._asset_hashes()) > 10
    for name in data._asset_hashes():
        assert data.asset(name) == data.ASSETS / name
