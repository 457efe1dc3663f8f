""".ci/run: when it installs something, when it cannot, and how it calls `make test`.

Each test runs a copy of it with small programs in place of all that it calls.
"""

import shutil
import subprocess

import pytest
from files import ROOT
from screenshots import NAMES

NEEDED = ("make", "git", "chromium", "python3", "apt-get")


@pytest.fixture
def machine(tmp_path):
    """A function that runs the script where only some programs are installed.

    It returns (exit status, what was called, stderr).
    """
    for name in (".ci/run", "tests/browser_names.txt", "tools/setup.sh"):
        (tmp_path / name).parent.mkdir()
        shutil.copy(ROOT / name, tmp_path / name)
    programs = tmp_path / "bin"
    programs.mkdir()
    log = tmp_path / "log"

    def run(installed, user=0, status=0, **environment):
        answers = dict.fromkeys(installed, "exit 0")
        answers["id"] = f"echo {user}"
        answers["make"] = f'echo "make $* CI=$CI" >>{log}; exit {status}'
        answers["apt-get"] = f'echo "apt-get $*" >>{log}'
        for name in {*installed, "id"}:
            (programs / name).write_text(f"#!/bin/sh\n{answers[name]}\n")
            (programs / name).chmod(0o755)
        for name in ("bash", "dirname"):
            (programs / name).symlink_to(shutil.which(name))
        done = subprocess.run(
            [shutil.which("bash"), ".ci/run"],
            cwd=tmp_path,
            env={"PATH": str(programs), **environment},
            capture_output=True,
            text=True,
        )
        return done.returncode, log.read_text().splitlines() if log.exists() else [], done.stderr

    return run


def without(*names):
    return [name for name in NEEDED if name not in names]


@pytest.mark.parametrize("user", [0, 1000])
def test_nothing_is_installed_where_nothing_is_missing(machine, user):
    assert machine(NEEDED, user) == (0, ["make test CI=true"], "")


@pytest.mark.parametrize("name", NAMES)
def test_every_browser_that_the_tests_accept_will_do(machine, name):
    installed = [*without("chromium", "apt-get"), name]
    assert machine(installed, user=1000) == (0, ["make test CI=true"], "")


def test_another_python_will_do(machine):
    installed = [*without("python3", "apt-get"), "python3.13"]
    assert machine(installed, user=1000) == (0, ["make test CI=true"], "")


def test_the_python_that_is_asked_for_must_be_there(machine):
    status, called, error = machine(NEEDED, user=1000, PYTHON="python3.13")
    assert (status, called) == (1, [])
    assert error.startswith("ci: python3 python3-venv must")


def test_root_installs_only_what_is_missing(machine):
    status, called, _ = machine(without("chromium", "git"))
    assert status == 0
    assert called[1].startswith("apt-get install ")
    assert called[1].endswith(" git chromium")
    assert called == ["apt-get update -qq", called[1], "make test CI=true"]


@pytest.mark.parametrize(("user", "lacks"), [(1000, ()), (0, ("apt-get",))])
def test_where_it_cannot_install_it_says_in_a_sentence_what_is_missing(machine, user, lacks):
    status, called, error = machine(without("chromium", "python3", *lacks), user)
    assert (status, called) == (1, [])
    assert error.startswith("ci: chromium python3 python3-venv must be installed first")
    assert error.count("\n") == 1


def test_a_failing_check_fails_ci(machine):
    assert machine(NEEDED, status=2)[0] == 2
