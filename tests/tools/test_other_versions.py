"""The book on Colab's versions and on the oldest ones: what uv is asked for, and who runs what."""

import json
import subprocess
import sys
import tomllib

import other_versions
import pytest
from packaging.requirements import Requirement


def lines(path):
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]


def test_colab_brings_all_that_the_package_needs_in_versions_that_it_allows():
    project = tomllib.loads((other_versions.ROOT / "pyproject.toml").read_text())["project"]
    needed = {need.name: need for need in map(Requirement, project["dependencies"])}
    brought = {
        pin.name: next(iter(pin.specifier)) for pin in map(Requirement, lines(other_versions.COLAB))
    }
    assert needed.keys() - brought.keys() == {"tqdm"}
    for name in needed.keys() & brought.keys():
        assert brought[name].operator == "=="
        assert brought[name].version in needed[name].specifier
    assert project["requires-python"] == ">=3.11,<3.14"
    assert other_versions.COLAB_PYTHON == "3.13"


def test_the_oldest_versions_stand_in_pyproject_alone():
    command = other_versions.requirements("oldest")
    assert command[0] == str(other_versions.ROOT)
    assert command[-2:] == ["--resolution", "lowest-direct"]


@pytest.mark.parametrize(("exists", "runs"), [(False, False), (True, False), (True, True)])
def test_another_python_than_colabs_is_said(monkeypatch, tmp_path, exists, runs):
    python = tmp_path / "python3.13"
    if exists:  # pyenv puts up a stand-in that fails where the version is not chosen
        python.write_text(f"#!/bin/sh\nexit {0 if runs else 127}\n")
        python.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found, remark = other_versions.python_for("colab")
    assert found == (str(python) if runs else sys.executable)
    assert remark.startswith("Colab has Python 3.13; none is here") == (not runs)
    assert other_versions.python_for("oldest") == (sys.executable, "")


def test_the_package_is_installed_anew_and_a_kernel_points_there(monkeypatch, tmp_path):
    commands = []
    monkeypatch.setattr(other_versions, "ROOT", tmp_path)
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_: commands.append(list(map(str, command)))
    )
    python = other_versions.make_environment("oldest")
    assert python == tmp_path / "_build" / "versions" / "oldest" / "bin" / "python"
    made, installed = commands
    assert made[1] == "venv"
    assert "--reinstall-package" in installed
    assert installed[-4:] == [str(tmp_path), *other_versions.requirements("oldest")[1:]]
    python.parent.mkdir(parents=True)
    python.touch()
    other_versions.make_environment("oldest")
    assert [command[1] for command in commands] == ["venv", "pip", "pip"]  # made once only

    other_versions.write_kernel("oldest", python, tmp_path / "jupyter")
    kernel = json.loads((tmp_path / "jupyter/kernels/oldest/kernel.json").read_text())
    assert kernel["argv"][:3] == [str(python), "-m", "ipykernel_launcher"]


def test_an_unknown_chapter_is_refused_before_anything_is_made(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["other_versions.py", "colab", "99"])
    monkeypatch.setattr(subprocess, "run", None)
    with pytest.raises(SystemExit):
        other_versions.main()
    assert "no chapter 99; there are 01" in capsys.readouterr().err
