"""The chapters' run under nbval: what it lets pass, what it refuses; offline for certain.

One run over small notebooks made here, two at a time. In each, the last cell shows whether the run
went on. What one process does too is run again without workers.
"""

import os
import re
import subprocess
import sys
import types

import conftest
import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from notebook_rules import ROOT

TWO_WORKERS = ("-n", "2", "--dist", "loadfile")
NOWHERE = "192.0.2.1"  # an address reserved for documentation


def printed(text, name="stdout"):
    return [new_output("stream", name=name, text=text)]


# name of the notebook -> (source, stored outputs) of its first cell
ACCEPTED = {
    "masked": (
        "print('a ≈ 0.87 (± 1)\\nb ≈ -1,234.5 %\\nc ≈ 3e-05')",
        printed("a ≈ 0.91 (± 1)\nb ≈ 77 %\nc ≈ 1\n"),
    ),
    "stderr": ("import sys\nprint('1 %', file=sys.stderr)", printed("2 %", name="stderr")),
    "loopback": (
        "import socket\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "client = socket.create_connection(('localhost', server.getsockname()[1]))",
        [],
    ),
    "its_words": (
        "print('ValueError: 7 rows, 5 numbers\\nNumPy says: shapes (7,) and (5,) differ')",
        printed("ValueError: 7 rows, 5 numbers\nNumPy says: (7,) and (5,) do not match\n"),
    ),
}
REFUSED = {
    "our_words": (
        "print('ValueError: 7 rows, 5 numbers\\nNumPy says: shapes differ')",
        printed("ValueError: 7 rows, 6 numbers\nNumPy says: shapes differ\n"),
    ),
    "other_speaker": ("print('NumPy says: no')", printed("Keras says: no\n")),
    "other_band": ("print('a ≈ 0.87 (± 1)')", printed("a ≈ 0.87 (± 2)\n")),
    "other_unit": ("print('a ≈ 0.87 %')", printed("a ≈ 0.87\n")),
    "other_number": ("print('a = 0.87')", printed("a = 0.88\n")),
    "not_a_number": ("print('a ≈ nan')", printed("a ≈ 0.87\n")),
    "error": ("1 / 0", []),
    "dead": ("import os\nos._exit(1)", []),
    "url": (f"import urllib.request\nurllib.request.urlopen('http://{NOWHERE}')", []),
    "url_swallowed": (
        f"import urllib.request\ntry:\n    urllib.request.urlopen('http://{NOWHERE}')\n"
        "except OSError:\n    pass",
        [],
    ),
    "socket_swallowed": (
        "import contextlib, socket\nwith contextlib.suppress(OSError):\n"
        f"    socket.socket().connect_ex(('{NOWHERE}', 80))",
        [],
    ),
    "datagram_swallowed": (
        "import contextlib, socket\nwith contextlib.suppress(OSError):\n"
        f"    socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('{NOWHERE}', 80))",
        [],
    ),
    "name_swallowed": (
        "import contextlib, socket\nwith contextlib.suppress(OSError):\n"
        "    socket.getaddrinfo('example.org', 80)",
        [],
    ),
    "subprocess_swallowed": (
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c',\n"
        f"    'import socket; socket.create_connection((\"{NOWHERE}\", 80))'])",
        [],
    ),
}


def run_nbval(folder, notebooks, *options, failing=REFUSED.keys(), **environment):
    """Runs notebooks as the chapters are run; returns all that was printed."""
    for name, (source, outputs) in notebooks.items():
        cells = [new_code_cell(source, outputs=outputs), new_code_cell("'went on'")]
        cells[1].outputs = [new_output("execute_result", {"text/plain": "'went on'"})]
        cells[1].outputs[0].execution_count = 2
        for number, cell in enumerate(cells, start=1):
            cell.execution_count = number
        nbformat.write(new_notebook(cells=cells), folder / f"{name}.ipynb")
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "--nbval", "-rA", *options]
    done = subprocess.run(
        [*command, *sorted(folder.glob("*.ipynb"))],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == (1 if notebooks.keys() & failing else 0), done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def printout(tmp_path_factory):
    return run_nbval(tmp_path_factory.mktemp("book"), ACCEPTED | REFUSED, *TWO_WORKERS)


def outcome(printout, name, cell):
    return re.search(rf"^([A-Z]+) \S*\b{name}\.ipynb::Cell {cell}\b", printout, re.M)[1]


def section(printout, name):
    """What is printed of the first cell's failure, and all behind it."""
    return re.split(rf"^_+ \S*\b{name}\.ipynb::Cell 0 _+$", printout, flags=re.M)[1]


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(printout, name):
    assert outcome(printout, name, 0) == outcome(printout, name, 1) == "PASSED"


@pytest.mark.parametrize("name", REFUSED)
def test_refused_and_the_rest_skipped(printout, name):
    assert outcome(printout, name, 0) == "FAILED"
    assert not re.search(rf"{name}\.ipynb::Cell 1", printout)


@pytest.mark.parametrize("name", [name for name in REFUSED if "swallowed" in name or name == "url"])
def test_network_is_named_as_the_cause(printout, name):
    target = re.search(r"tried to reach the network: (.*)", section(printout, name))[1]
    assert NOWHERE in target or "example.org" in target


def test_a_dead_kernel_is_named_as_the_cause(printout):
    assert "the kernel died" in section(printout, "dead")


def test_two_workers_ran_and_the_cost_of_each_chapter_is_printed(printout):
    assert "2 workers" in printout
    taken = re.findall(r"^(\w+) +\d+\.\d CPU-s +\d+ MB$", printout, re.M)
    assert taken == sorted(ACCEPTED)


def test_a_cell_that_hangs_is_stopped(tmp_path):
    sleep = {"error": ("import time\ntime.sleep(100)", [])}
    assert "Timeout of 1 seconds" in run_nbval(tmp_path, sleep, "--nbval-cell-timeout=1")


# Reaches for the network when all cells have run, as a thread of a chapter may.
LATER = """\
import os, pytest

@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput") or not session.config.getoption("numprocesses"):
        with open(os.environ["NETWORK_LOG"], "a") as log:
            log.write("192.0.2.1 port 80\\n")
"""


@pytest.mark.parametrize("workers", [(), TWO_WORKERS])
def test_an_attempt_in_the_background_fails_the_run(tmp_path, workers):
    (tmp_path / "later.py").write_text(LATER)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    calm = {"calm": ("print('1')", printed("1\n"))}
    shown = run_nbval(tmp_path, calm, "-p", "later", *workers, failing={"calm"}, PYTHONPATH=path)
    assert outcome(shown, "calm", 1) == "PASSED"
    assert f"tried to reach the network later: {NOWHERE} port 80" in shown
    assert re.search(r"^calm +\d+\.\d CPU-s +\d+ MB$", shown, re.M)


# How many workers `-n auto` takes ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("cpus", "gigabytes", "container", "chapters", "workers"),
    [
        (2, 16, None, 6, 2),
        (2, 6, "max", 6, 2),
        (2, 5.9, None, 6, 0),  # one alone needs no xdist
        (1, 16, None, 6, 0),
        (2, 16, None, 1, 0),
        (8, 16, None, 6, 5),
        (8, 64, None, 6, 6),
        (2, 16, 4 * 2**30, 6, 0),  # the container's limit, not the machine's memory
        (2, 16, 7 * 2**30, 6, 2),
        (8, 16, None, None, 5),  # unit tests: the number of files does not count
    ],
)
@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_workers(monkeypatch, tmp_path, name, cpus, gigabytes, container, chapters, workers):
    free = types.SimpleNamespace(available=int(gigabytes * 2**30))
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free)
    monkeypatch.setattr(conftest, "_cpus", lambda: cpus)
    monkeypatch.setattr(conftest, "CGROUP", tmp_path)
    if container is not None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{container}\n")
    config = types.SimpleNamespace(
        args=["a.ipynb"] * (chapters or 1), getoption=lambda name, default: chapters is not None
    )
    assert conftest.pytest_xdist_auto_num_workers(config) == workers


def test_a_process_counts_the_cpus_that_it_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    assert conftest._cpus() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert conftest._cpus() == 4
