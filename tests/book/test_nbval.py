"""The chapters' run under nbval: what it lets pass, what it refuses; offline for certain.

One run over small notebooks made here. In each, the last cell shows whether the run went on.
"""

import re
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from notebook_rules import ROOT

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
}
REFUSED = {
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


def run_nbval(folder, notebooks, *options):
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
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == (1 if notebooks.keys() & REFUSED.keys() else 0), done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def printout(tmp_path_factory):
    return run_nbval(tmp_path_factory.mktemp("book"), ACCEPTED | REFUSED)


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


def test_the_cost_of_each_chapter_is_printed(printout):
    assert re.search(r"^masked +\d+\.\d CPU-s +\d+ MB$", printout, re.M)


def test_a_cell_that_hangs_is_stopped(tmp_path):
    sleep = {"error": ("import time\ntime.sleep(100)", [])}
    assert "Timeout of 1 seconds" in run_nbval(tmp_path, sleep, "--nbval-cell-timeout=1")
