"""How `pytest --nbval book/*.ipynb` runs the chapters; unit tests are not touched by it.

A chapter runs in its own kernel, without a network. Once a cell has failed, the rest of its chapter
is skipped. At the end each chapter's CPU-seconds and peak memory are printed.
"""

import os
import sys
import tempfile
import time
from pathlib import Path
from queue import Empty

import pytest

ROOT = Path(__file__).resolve().parent
sys.path.append(str(ROOT / "tools"))

SECONDS_PER_CELL = 600
PEAK_MEGABYTES = 2048


def pytest_configure(config):
    if not config.getoption("nbval", default=False):
        return
    os.environ["COURSE_CHECKS"] = "1"  # a conclusion that fails stops its chapter
    config.option.nbval_current_env = not config.option.nbval_kernel_name
    config.option.nbval_sanitize_with = str(ROOT / "tests" / "book" / "nbval_sanitize.cfg")
    config.option.nbval_cell_timeout = min(config.option.nbval_cell_timeout, SECONDS_PER_CELL)
    if not sys.stdout.isatty():
        config.option.color = "no"  # nbval takes "auto" for "yes"
    # nbval leaves files and sockets to the garbage collector.
    config.addinivalue_line("filterwarnings", "ignore::ResourceWarning")
    config.addinivalue_line("filterwarnings", "ignore::pytest.PytestUnraisableExceptionWarning")
    config.pluginmanager.register(_Chapters())


class _Chapters:
    """Hooks around nbval's items: one for each code cell; the parent of an item is its chapter."""

    def __init__(self):
        self.failed = {}  # path of a chapter -> its first cell that failed
        self.usage = {}  # path of a chapter -> what its kernel took so far
        self.folder = tempfile.TemporaryDirectory(prefix="network-")
        self.network_log = Path(self.folder.name, "attempts")
        _cut_network(self.network_log)

    def pytest_collectstart(self, collector):
        if hasattr(collector, "skip_compare"):
            collector.skip_compare += ("stderr",)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item):
        if item.path in self.failed:
            pytest.skip(f"{self.failed[item.path]} failed")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item):
        from execute import usage

        kernel = item.parent.kernel
        kernel.get_message = _notices_death(kernel)
        item.output_timeout = 60  # nbval's 5 seconds are short on a busy machine
        try:
            result = yield
        finally:
            if self.network_log.exists():
                targets = self.network_log.read_text(encoding="utf-8").split("\n")
                self.network_log.unlink()
                item.raise_cell_error(f"The cell tried to reach the network: {' '.join(targets)}")
        self.usage[item.path] = used = usage(kernel.km.provisioner.pid)
        if used.megabytes > PEAK_MEGABYTES:
            item.raise_cell_error(f"The kernel may take {PEAK_MEGABYTES} MB, it took {used}")
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item):
        report = yield
        if report.failed:
            self.failed.setdefault(item.path, item.name)
        return report

    def pytest_sessionfinish(self, session):
        if self.network_log.exists():  # a thread that outlived its cell
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.section("what the chapters took", sep="-")
        for path, used in self.usage.items():
            terminalreporter.write_line(f"{path.stem:30} {used}")
        if self.network_log.exists():
            terminalreporter.write_line("A chapter tried to reach the network in the background.")


def _cut_network(log):
    """Lets every Python process started from here refuse the network and note attempts in `log`."""
    proxy = "http://127.0.0.1:9"  # where nobody listens: for programs that are not Python
    folders = [str(ROOT / "tests" / "book" / "offline"), os.environ.get("PYTHONPATH")]
    os.environ.update(
        dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), proxy),
        no_proxy="localhost,127.0.0.1",
        NETWORK_LOG=str(log),
        PYTHONPATH=os.pathsep.join(filter(None, folders)),
    )


def _notices_death(kernel):
    """`kernel.get_message`, but it fails at once when the kernel is dead; nbval waits on."""
    get_message = type(kernel).get_message

    def get(stream, timeout=None):
        end = time.monotonic() + timeout
        while True:
            try:
                return get_message(kernel, stream, timeout=1)
            except Empty:
                if not kernel.is_alive():
                    raise RuntimeError("the kernel died (out of memory?)") from None
                if time.monotonic() > end:
                    raise

    return get
