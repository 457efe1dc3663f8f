"""The book on Colab's versions and on the oldest ones: what uv is asked for, and who runs what."""

import json
import os
import platform
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import other_versions
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

PROJECT = tomllib.loads((other_versions.ROOT / "pyproject.toml").read_text())["project"]
# Logs what it is asked, makes the environment's Python, and lists what one would have.
FAKE_UV = """\
#!/bin/sh
echo "$*" >>"{log}"
case "$1 $2" in
"venv --quiet") for folder; do :; done
    mkdir -p "$folder/bin" && printf '#!/bin/sh\\necho Python 3.11.7\\n' >"$folder/bin/python"
    chmod +x "$folder/bin/python" ;;
"pip freeze") printf 'absl-py==2\\ncourse-utils @ ./here\\nkeras==3.8.0\\nnumpy==1.26.0\\n' ;;
*) exit {status} ;;
esac
"""

# Stands for pytest: says where it finds kernels and how it was called.
RUNNER = """\
#!/bin/sh
echo "$JUPYTER_PATH"
echo "$*"
exit 3
"""


def program(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def uv(monkeypatch, tmp_path):
    """Puts up a root folder and a uv; returns a function that gives what uv was asked so far."""
    log = tmp_path / "log"

    def put(status=0):
        program(tmp_path / "uv", FAKE_UV.format(log=log, status=status))
        return lambda: log.read_text().splitlines() if log.exists() else []

    for name, value in {"ROOT": tmp_path, "UV": tmp_path / "uv"}.items():
        monkeypatch.setattr(other_versions, name, value)
    return put


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["other_versions.py", *arguments])
    return other_versions.main()


def test_colab_brings_all_that_the_package_needs_in_versions_that_it_allows():
    needed = {need.name: need for need in map(Requirement, PROJECT["dependencies"])}
    lines = other_versions.COLAB.read_text().splitlines()
    pins = [Requirement(line) for line in lines if not line.startswith("#")]
    brought = {pin.name: next(iter(pin.specifier)) for pin in pins}
    assert needed.keys() - brought.keys() == {"tqdm"}
    for name in needed.keys() & brought.keys():
        assert brought[name].operator == "=="
        assert brought[name].version in needed[name].specifier


def test_the_pythons_are_colabs_and_the_oldest_that_the_package_allows():
    allowed = SpecifierSet(PROJECT["requires-python"])
    assert other_versions.PYTHON["colab"] in allowed
    minors = [f"3.{minor}" for minor in range(20) if f"3.{minor}" in allowed]
    assert other_versions.PYTHON["oldest"] == minors[0]


@pytest.mark.parametrize("name", ["colab", "oldest"])
def test_a_python_of_the_wanted_version_is_taken(monkeypatch, tmp_path, capsys, name):
    wanted = other_versions.PYTHON[name]
    python = program(tmp_path / f"python{wanted}", f"#!/bin/sh\necho Python {wanted}.5\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert other_versions.python_for(name) == (str(python), f"{wanted}.5")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("stand_in", [False, True])
def test_another_python_than_the_wanted_is_said(monkeypatch, tmp_path, capsys, stand_in):
    if stand_in:
        program(tmp_path / "python3.13", "#!/bin/sh\nexit 127\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    ours = platform.python_version()
    assert other_versions.python_for("colab") == (sys.executable, ours)
    said = f"There is no python3.13 here; this runs on Python {ours}.\n"
    assert capsys.readouterr().out == said


def test_an_environment_is_made_once_and_brought_up_to_date_each_time(uv, monkeypatch, tmp_path):
    asked = uv()
    monkeypatch.setattr(other_versions, "python_for", lambda name: ("/bin/python3.11", "3.11.7"))
    folder = tmp_path / "_build" / "versions" / "oldest-3.11.7"
    for _ in range(2):
        assert other_versions.make_environment("oldest") == folder / "bin" / "python"
    made, *installed = asked()
    assert made == f"venv --quiet --clear --python /bin/python3.11 {folder}"
    assert (
        installed
        == [
            f"pip install --quiet --python {folder} --upgrade --reinstall-package course-utils "
            f"{tmp_path} ipykernel>=6.17.1 --resolution lowest-direct"
        ]
        * 2
    )

    monkeypatch.setattr(other_versions, "python_for", lambda name: ("/bin/python3.13", "3.13.5"))
    other_versions.make_environment("oldest")
    assert "--python /bin/python3.13" in asked()[3]  # another Python, another environment
    assert (folder / "bin" / "python").exists()


def test_colabs_versions_stand_in_one_file():
    assert other_versions.requirements("colab")[1:] == [
        "ipykernel",
        "--constraint",
        str(other_versions.COLAB),
    ]


def test_the_chapters_run_on_a_kernel_of_that_environment(uv, monkeypatch, tmp_path, capfd):
    uv()
    monkeypatch.setattr(other_versions, "python_for", lambda name: ("python", "3.11.7"))
    monkeypatch.setattr(sys, "executable", str(program(tmp_path / "runner", RUNNER)))
    assert run(monkeypatch, "oldest", "5b") == 3
    *versions, path, command = capfd.readouterr().out.splitlines()
    assert versions == ["Python 3.11.7", "keras==3.8.0", "numpy==1.26.0"]
    options = "-m pytest -q --nbval --nbval-kernel-name oldest"
    assert command.startswith(options)
    assert command.endswith("/book/05b_going_deeper.ipynb")
    kernel = json.loads((tmp_path / path / "kernels" / "oldest" / "kernel.json").read_text())
    python = tmp_path / "_build" / "versions" / "oldest-3.11.7" / "bin" / "python"
    assert kernel["argv"] == [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]


def test_packages_that_cannot_be_installed_end_it(uv, monkeypatch, capfd):
    asked = uv(status=2)
    assert run(monkeypatch, "oldest", "03") == 1
    assert "The environment could not be made" in capfd.readouterr().err
    assert asked()[-1].startswith("pip install")  # and no chapter ran


def test_an_unknown_chapter_is_refused_before_anything_is_made(uv, monkeypatch, capsys):
    asked = uv()
    with pytest.raises(SystemExit):
        run(monkeypatch, "colab", "99")
    assert "no chapter 99; there are 01" in capsys.readouterr().err
    assert asked() == []


def test_nbval_takes_the_kernel_that_is_named(tmp_path):
    """Other versions are of no use if it runs that of its own environment all the same."""
    text = f'#!/bin/sh\nKERNEL=named exec {sys.executable} "$@"\n'
    python = program(tmp_path / "python", text)
    other_versions.write_kernel("oldest", python, tmp_path / "jupyter")
    printed = new_output("stream", name="stdout", text="named\n")
    source = "import os\nprint(os.environ.get('KERNEL'))"
    cell = new_code_cell(source, outputs=[printed], execution_count=1)
    nbformat.write(new_notebook(cells=[cell]), tmp_path / "one.ipynb")
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-q", "--nbval"]
    done = subprocess.run(
        [*command, "--nbval-kernel-name", "oldest", tmp_path / "one.ipynb"],
        cwd=Path(other_versions.__file__).parent.parent,
        env={**os.environ, "JUPYTER_PATH": str(tmp_path / "jupyter")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
