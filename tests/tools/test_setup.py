"""tools/setup.sh: when it makes the environment, when it leaves it alone, and what it says.

Each test runs a copy of it with small programs in place of Python, uname and flock.
"""

import os
import shutil
import subprocess

import pytest
from files import ROOT

# Answers what setup.sh asks: its version, whether it fits, and `-m venv`, which copies itself.
PYTHON = """\
#!/bin/sh
version={version}
case "$*" in
--version) echo "Python $version" ;;
*platform.python_version*) echo "$version" ;;
*version_info*) case "$version" in 3.1[123].*) exit 0 ;; *) exit 1 ;; esac ;;
*musl*) exit {musl} ;;
*ensurepip*) exit 0 ;;
"-m venv .venv") mkdir -p .venv/bin && cp "$0" .venv/bin/python && echo new >>log ;;
"-m pip"*) echo pip >>log; case "$*" in *lock.txt*) cp .venv/lock.txt installed ;; esac ;;
*) echo "unexpected: $*" >&2; exit 99 ;;
esac
"""


class Project:
    """A folder with setup.sh, a lock, and programs of its own on the PATH."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "tools").mkdir(parents=True)
        (folder / "bin").mkdir()
        shutil.copy(ROOT / "tools" / "setup.sh", folder / "tools")
        (folder / "requirements.txt").write_text("numpy==1\n")
        (folder / "pyproject.toml").write_text("[project]\n")
        self.program("python3", PYTHON.format(version="3.11.7", musl=0))

    def program(self, name, text):
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def run(self, *arguments, **environment):
        """Returns (exit status, output, what was done since the last run)."""
        log = self.folder / "log"
        log.unlink(missing_ok=True)
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, **environment}
        if "PYTHON" not in environment:
            environment["PYTHON"] = ""
        done = subprocess.run(
            ["bash", "tools/setup.sh", *arguments],
            cwd=self.folder,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        return done.returncode, done.stdout, log.read_text().split() if log.exists() else []


NEW, KEPT, NOTHING = ["new", "pip", "pip"], ["pip", "pip"], []


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path / "course")
    assert project.run()[::2] == (0, NEW)
    return project


def test_a_second_call_does_nothing(project):
    assert project.run() == (0, "", NOTHING)


LOCK = """# a comment
numpy==1 \\
    --hash=sha256:1
tensorflow==2 ; python_version < '4' \\
    --hash=sha256:2
    # via keras-hub
tinycss2==3 \\
    --hash=sha256:3
"""


def test_the_site_needs_no_tensorflow_and_the_rest_is_added_later(tmp_path):
    project = Project(tmp_path)
    (tmp_path / "requirements.txt").write_text(LOCK)
    status, output, done = project.run("site")
    assert (status, done) == (0, NEW)
    assert "without TensorFlow" in output
    installed = (tmp_path / "installed").read_text()
    assert installed.splitlines() == [LOCK.splitlines()[i] for i in (1, 2, 6, 7)]
    assert project.run("site") == (0, "", NOTHING)
    assert project.run()[::2] == (0, KEPT)
    assert (tmp_path / "installed").read_text() == LOCK
    assert project.run("site") == project.run() == (0, "", NOTHING)
    (tmp_path / "requirements.txt").write_text(LOCK + "# changed\n")
    assert project.run("site")[::2] == (0, KEPT)  # what was there stays
    assert (tmp_path / "installed").read_text() == LOCK + "# changed\n"


def test_a_check_makes_nothing(tmp_path):
    assert Project(tmp_path).run("--check") == (0, "", NOTHING)


def test_another_lock_installs_into_the_same_environment(project):
    (project.folder / "requirements.txt").write_text("numpy==2\n")
    assert project.run()[::2] == (0, KEPT)


def test_another_version_behind_the_environment_makes_a_new_one(project):
    program = PYTHON.format(version="3.12.1", musl=0)
    project.program("python3", program)
    shutil.copy(project.folder / "bin" / "python3", project.folder / ".venv" / "bin" / "python")
    assert project.run()[::2] == (0, NEW)


def test_an_environment_whose_python_is_gone_is_made_anew(project):
    (project.folder / ".venv" / "bin" / "python").unlink()
    assert project.run()[::2] == (0, NEW)


def test_a_moved_folder_gets_a_new_environment(project, tmp_path):
    project.folder = project.folder.rename(tmp_path / "moved")
    assert project.run()[::2] == (0, NEW)


def test_a_setup_that_was_cut_off_is_done_again(project):
    (project.folder / ".venv" / ".lock-installed").unlink()
    assert project.run()[::2] == (0, NEW)


def test_a_python_that_does_not_exist_is_refused_even_when_all_is_ready(project):
    status, output, done = project.run(PYTHON="/nowhere/python3")
    assert (status, done) == (1, NOTHING)
    assert output == "setup: PYTHON=/nowhere/python3 is not a Python 3.11, 3.12 or 3.13.\n"


def test_a_python_that_is_asked_for_is_taken(project):
    other = project.program("other", PYTHON.format(version="3.13.0", musl=0))
    assert project.run(PYTHON=str(other))[::2] == (0, NEW)
    assert project.run(PYTHON=str(other))[::2] == (0, NOTHING)


@pytest.mark.parametrize("version", ["3.10.9", "3.14.0", "2.7.18"])
def test_no_python_that_fits(tmp_path, version):
    project = Project(tmp_path)
    for name in ("python3", "python3.11", "python3.12", "python3.13"):
        project.program(name, PYTHON.format(version=version, musl=0))
    status, output, done = project.run()
    assert (status, done) == (1, NOTHING)
    assert f"needs Python 3.11, 3.12 or 3.13 (found: Python {version})" in output
    assert project.run("--check") == (1, "", NOTHING)


@pytest.mark.parametrize(
    ("system", "sentence"),
    [
        (
            "Darwin x86_64",
            "no package for Macs with an Intel processor: open the chapters in Colab",
        ),
        ("MINGW64_NT-10.0 x86_64", "on Windows run this inside WSL"),
    ],
)
def test_platforms_without_tensorflow_are_pointed_to_colab(tmp_path, system, sentence):
    kernel, machine = system.split()
    project = Project(tmp_path)
    project.program("uname", f"#!/bin/sh\n[ $1 = -s ] && echo {kernel} || echo {machine}\n")
    status, output, done = project.run()
    assert (status, done) == (1, NOTHING)
    assert sentence in output
    assert output.count("\n") == 1


def test_musl_is_pointed_to_colab(tmp_path):
    project = Project(tmp_path)
    project.program("python3", PYTHON.format(version="3.11.7", musl=1))
    status, output, done = project.run()
    assert (status, done) == (1, NOTHING)
    assert "built on musl" in output


def test_it_says_that_it_waits_for_another_make(tmp_path):
    project = Project(tmp_path)
    project.program("flock", "#!/bin/sh\n[ $1 != -n ]\n")  # taken, then free
    status, output, done = project.run()
    assert (status, done) == (0, NEW)
    assert output.startswith("setup: another make is setting up .venv here; waiting for it\n")
