"""The chapters' run under nbval: what it lets pass, what it refuses; offline for certain.

One run over small notebooks made here, two at a time; the last cell of each shows whether the run
went on. What differs without workers is run again.
"""

import os
import re
import subprocess
import sys
import types

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from nbval.plugin import get_sanitize_patterns
from notebook_rules import ROOT

import conftest

COST = r"^(\w+) +\d+\.\d CPU-s +\d+ MB$"
TWO_WORKERS = ("-n", "2", "--dist", "loadfile")
NOWHERE = "192.0.2.1"  # an address reserved for documentation


def printed(text, name="stdout"):
    return [new_output("stream", name=name, text=text)]


# (source, stored outputs) of cells that pass, all at the beginning of one notebook
ACCEPTED = {
    "measured": ("print('a ≈ 0.87 (± 1)')", printed("a ≈ 0.91 (± 1)\n")),
    "its words": (
        "print('ValueError: 7 rows, 5 numbers\\nNumPy says: shapes (7,) and (5,) differ')",
        printed("ValueError: 7 rows, 5 numbers\nNumPy says: (7,) and (5,) do not match\n"),
    ),
    "stderr": ("import sys\nprint('1 %', file=sys.stderr)", printed("2 %", name="stderr")),
    "loopback": (
        "import socket\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "client = socket.create_connection(('localhost', server.getsockname()[1]))",
        [],
    ),
}
# name of a notebook -> (source, stored outputs) of the cell that fails
REFUSED = {
    "compared": ("print('a = 0.87')", printed("a = 0.88\n")),
    "error": ("1 / 0", []),
    "dead": ("import os\nos._exit(1)", []),
    "url": (f"import urllib.request\nurllib.request.urlopen('http://{NOWHERE}')", []),
    "swallowed": (
        f"import urllib.request\ntry:\n    urllib.request.urlopen('http://{NOWHERE}')\n"
        "except OSError:\n    pass\n"
        "import subprocess, sys\ndone = subprocess.run([sys.executable, '-c',\n"
        f"    'import socket; socket.create_connection((\"{NOWHERE}\", 80))'])",
        [],
    ),
}


def write(path, cells):
    """Writes a notebook of these cells and a last one, which shows whether the run went on."""
    went_on = new_output("execute_result", {"text/plain": "'went on'"})
    went_on.execution_count = len(cells) + 1
    cells = [new_code_cell(source, outputs=outputs) for source, outputs in cells]
    cells.append(new_code_cell("'went on'", outputs=[went_on]))
    for number, cell in enumerate(cells, start=1):
        cell.execution_count = number
    nbformat.write(new_notebook(cells=cells), path)


# A plugin that reaches for the network when all cells have run, as a thread of a chapter may.
LATER = f"""\
import os, pytest

@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput") or not session.config.getoption("numprocesses"):
        with open(os.environ["NETWORK_LOG"], "a") as log:
            log.write("{NOWHERE} port 80\\n")
"""


def run_nbval(folder, *options):
    """Runs notebooks as the chapters are run, and LATER; returns (exit status, what it printed)."""
    (folder / "later.py").write_text(LATER)
    # What these processes import of the package is not for its coverage.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(folder), env.get("PYTHONPATH")]))
    plugins = ["-p", "conftest", "-p", "later"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "--nbval", "-rA", *options]
        + sorted(folder.glob("*.ipynb")),
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def printout(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    for name, cell in REFUSED.items():
        before = ACCEPTED.values() if name == "compared" else []
        write(folder / f"{name}.ipynb", [*before, cell])
    status, printout = run_nbval(folder, *TWO_WORKERS)
    assert status == pytest.ExitCode.TESTS_FAILED, printout
    return printout


def outcome(printout, name, cell):
    return re.search(rf"^([A-Z]+) \S*\b{name}\.ipynb::Cell {cell}\b", printout, re.M)[1]


def section(printout, name):
    """What is printed of the failure in a notebook, up to the next heading."""
    heading = r"^_+ \S*\b{}\.ipynb::Cell \d _+$"
    behind = re.split(heading.format(name), printout, flags=re.M)[1]
    return re.split(heading.format(r"\w+") + "|^=+ ", behind, flags=re.M)[0]


@pytest.mark.parametrize("cell", range(len(ACCEPTED)), ids=ACCEPTED)
def test_accepted(printout, cell):
    assert outcome(printout, "compared", cell) == "PASSED"


@pytest.mark.parametrize("name", REFUSED)
def test_refused_and_the_rest_skipped(printout, name):
    cell = len(ACCEPTED) if name == "compared" else 0
    assert outcome(printout, name, cell) == "FAILED"
    assert not re.search(rf"{name}\.ipynb::Cell {cell + 1}", printout)


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("url", f"http://{NOWHERE}"),
        ("swallowed", f"http://{NOWHERE} {NOWHERE}"),  # the kernel's own and its subprocess's
    ],
)
def test_network_is_named_as_the_cause(printout, name, targets):
    told = re.search(r"tried to reach the network: (.*)", section(printout, name))[1]
    assert told == targets


def test_a_dead_kernel_is_named_as_the_cause(printout):
    assert "the kernel died" in section(printout, "dead")


def test_two_workers_ran_and_the_cost_of_each_chapter_is_printed(printout):
    assert "created: 2/2 workers" in printout
    assert re.findall(COST, printout, re.M) == ["compared"]


@pytest.mark.parametrize(
    ("found", "stored", "same"),
    [
        ("b ≈ -1,234.5 % (± 1)", "b ≈ 77 % (± 1)", True),
        ("c ≈ 3e-05", "c ≈ 1", True),
        ("NumPy says: no", "NumPy says: never", True),
        ("a ≈ 0.87 (± 1)", "a ≈ 0.87 (± 2)", False),  # another band
        ("a ≈ 0.87 %", "a ≈ 0.87", False),  # another unit
        ("a ≈ nan", "a ≈ 0.87", False),
        ("a = 0.87", "a = 0.88", False),
        ("NumPy says: no", "Keras says: no", False),
        ("He says NumPy says: no", "He says NumPy says: never", False),
        ("NumPy says: no\nNo", "NumPy says: no\nYes", False),
        ("ValueError: 7 rows\nNumPy says: no", "ValueError: 6 rows\nNumPy says: no", False),
    ],
)
def test_what_is_left_out_of_the_comparison(found, stored, same):
    rules = (ROOT / "tests" / "book" / "nbval_sanitize.cfg").read_text(encoding="utf-8")
    for regex, replacement in get_sanitize_patterns(rules):
        found, stored = (re.sub(regex, replacement, text) for text in (found, stored))
    assert (found == stored) == same


@pytest.mark.parametrize(
    ("call", "target"),
    [
        (f"socket.socket().connect_ex(('{NOWHERE}', 80))", f"{NOWHERE} port 80"),
        (
            f"socket.socket(type=socket.SOCK_DGRAM).sendto(b'', ('{NOWHERE}', 80))",
            f"{NOWHERE} port 80",
        ),
        ("socket.getaddrinfo('example.org', 80)", "example.org"),
        ("socket.gethostbyname('example.org')", "example.org"),
        ("socket.create_connection(('127.0.0.1', 9))", "127.0.0.1 port 9"),  # the proxy
        ("socket.getaddrinfo('localhost', 80)", None),
    ],
)
def test_an_attempt_is_refused_and_noted_even_when_the_error_is_swallowed(tmp_path, call, target):
    code = (
        f"import contextlib, socket\nwith contextlib.suppress(OSError):\n    {call}\n    print('!')"
    )
    log = tmp_path / "attempts"
    environment = {"PYTHONPATH": str(ROOT / "tests" / "book" / "offline"), "NETWORK_LOG": str(log)}
    shown = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert shown == ("!\n" if target is None else "")
    assert (log.read_text() if log.exists() else None) == (target and f"{target}\n")


def test_a_cell_that_hangs_is_stopped(tmp_path):
    write(tmp_path / "sleeps.ipynb", [("import time\ntime.sleep(100)", [])])
    status, shown = run_nbval(tmp_path, "--nbval-cell-timeout=1")
    assert status == pytest.ExitCode.TESTS_FAILED
    assert "Timeout of 1 seconds" in shown


def test_an_attempt_in_the_background_fails_the_run(printout, tmp_path):
    write(tmp_path / "calm.ipynb", [])
    status, alone = run_nbval(tmp_path)
    assert status == pytest.ExitCode.TESTS_FAILED
    assert outcome(alone, "calm", 0) == "PASSED"
    assert re.findall(COST, alone, re.M) == ["calm"]
    told = f"A chapter tried to reach the network later: {NOWHERE} port 80"
    assert told in alone.splitlines()
    assert f"{told} {NOWHERE} port 80" in printout.splitlines()  # each of two workers did


def test_workers_begin_with_the_chapters_that_measure_most():
    sources = {"01": ["report(1)", "2"], "02": ["3"], "03": ["report(4)", "5", "report(6)"]}
    items = [
        types.SimpleNamespace(path=path, cell=types.SimpleNamespace(source=source))
        for path, cells in sources.items()
        for source in cells
    ]
    sort = conftest._Chapters.pytest_collection_modifyitems
    sort(None, types.SimpleNamespace(), items)
    assert [item.path for item in items] == ["01"] * 2 + ["02"] + ["03"] * 3
    sort(None, types.SimpleNamespace(workerinput={}), items)
    assert [item.path for item in items] == ["03"] * 3 + ["01"] * 2 + ["02"]
    assert [item.cell.source for item in items[:3]] == sources["03"]


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


@pytest.mark.parametrize(("cpus", "workers", "threads"), [(2, 2, "1"), (8, 3, "2"), (1, 2, "1")])
def test_workers_share_the_cpus(monkeypatch, cpus, workers, threads):
    names = ("TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS")
    monkeypatch.setattr(conftest, "_cpus", lambda: cpus)
    for name in names:
        monkeypatch.setenv(name, "")  # so that it is as before when the test is over
        monkeypatch.delenv(name)
    config = types.SimpleNamespace(
        workerinput={"workercount": workers}, getoption=lambda name, default: False
    )
    conftest.pytest_configure(config)
    assert [os.environ[name] for name in names] == [threads] * 2
    monkeypatch.setenv(names[0], "7")  # whoever asks for a number gets it
    conftest.pytest_configure(config)
    assert os.environ[names[0]] == "7"
