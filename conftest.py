"""How `pytest --nbval book/*.ipynb` runs the chapters, and how many processes `-n auto` means.

A chapter runs in its own kernel, without a network. Once a cell has failed, the rest of its chapter
is skipped. At the end each chapter's CPU-seconds and peak memory are printed. With `-n auto --dist
loadfile` several chapters run at a time: the hooks around a cell then run in the process that has
the chapter, and the last ones in the process that was called, which prints.
"""

import gc
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from queue import Empty

import pytest

ROOT = Path(__file__).resolve().parent
sys.path.append(str(ROOT / "tools"))
# nbformat's check of notebooks imports it when it can, never uses it, and waits 1.7 s for a grammar
# of addresses that it builds, in every process.
sys.modules.setdefault("rfc3987_syntax", None)

SECONDS_PER_CELL = 600
PEAK_MEGABYTES = 2048
MEMORY_PER_WORKER = 3 * 2**30  # a kernel with its peak, and the process that runs it
CGROUP = Path("/sys/fs/cgroup")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """What `-n auto` means: a worker on each CPU if the memory allows it; 0 does without xdist."""
    workers = min(_cpus(), _free_memory() // MEMORY_PER_WORKER)
    if config.getoption("nbval", default=False):
        workers = min(workers, len(config.args))  # a chapter stays whole
    return workers if workers > 1 else 0


def _share_cpus(workers):
    """Lets TensorFlow and NumPy use as many threads as there are CPUs for each of the workers.

    Else each of them takes all CPUs, and threads of one wait for those of another. What a chapter
    finds holds with any number of threads.
    """
    threads = str(max(1, _cpus() // workers))
    for name in ("TF_NUM_INTRAOP_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, threads)


def _cpus():
    """The CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _free_memory():
    """Bytes of memory that are left on the machine, at most those that its container may take."""
    import psutil

    free = [psutil.virtual_memory().available]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # cgroups of version 2 and 1
        if (CGROUP / name).exists() and (limit := (CGROUP / name).read_text().strip()) != "max":
            free.append(int(limit))
    return min(free)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    """Lets a worker of the unit tests import TensorFlow before coverage follows each line of it."""
    config = session.config
    if hasattr(config, "workerinput") and not config.getoption("nbval", default=False):
        import keras  # noqa: F401

        gc.freeze()  # no collection need look at its million objects again


def pytest_configure(config):
    if hasattr(config, "workerinput"):
        _share_cpus(config.workerinput["workercount"])
    if not config.getoption("nbval", default=False):
        return
    os.environ["COURSE_CHECKS"] = "1"  # a conclusion that fails stops its chapter
    config.option.nbval_current_env = not config.option.nbval_kernel_name
    config.option.nbval_sanitize_with = str(ROOT / "tests" / "book" / "nbval_sanitize.cfg")
    config.option.nbval_cell_timeout = min(config.option.nbval_cell_timeout, SECONDS_PER_CELL)
    config.option.loadscopereorder = False  # keeps the order of pytest_collection_modifyitems
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
        self.usage = {}  # name of a chapter -> what its kernel took so far
        self.background = []  # what a thread that outlived its cell tried to reach
        self.folder = tempfile.TemporaryDirectory(prefix="network-")
        self.network_log = Path(self.folder.name, "attempts")
        _cut_network(self.network_log)

    def pytest_collectstart(self, collector):
        if hasattr(collector, "skip_compare"):
            collector.skip_compare += ("stderr",)

    def pytest_collection_modifyitems(self, config, items):
        if hasattr(config, "workerinput"):
            # What a chapter measures it trains, mostly: those that take long start first, so that
            # all workers end at about the same time.
            measured = Counter(item.path for item in items if "report(" in item.cell.source)
            items.sort(key=lambda item: measured[item.path], reverse=True)

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
            if targets := self._new_attempts():
                item.raise_cell_error(f"The cell tried to reach the network: {' '.join(targets)}")
        used = usage(kernel.km.provisioner.pid)
        item.user_properties.append(("usage", str(used)))
        if used.megabytes > PEAK_MEGABYTES:
            item.raise_cell_error(f"The kernel may take {PEAK_MEGABYTES} MB, it took {used}")
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item):
        report = yield
        if report.failed:
            self.failed.setdefault(item.path, item.name)
        return report

    def pytest_runtest_logreport(self, report):
        if used := dict(report.user_properties).get("usage"):
            self.usage[Path(report.location[0]).stem] = used

    def pytest_sessionfinish(self, session):
        self.background += self._new_attempts()
        if hasattr(session.config, "workeroutput"):  # this is one of several workers
            session.config.workeroutput["background"] = self.background
        elif self.background:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node):
        self.background += getattr(node, "workeroutput", {}).get("background", [])

    def pytest_terminal_summary(self, terminalreporter):
        terminalreporter.section("what the chapters took", sep="-")
        for name, used in sorted(self.usage.items()):
            terminalreporter.write_line(f"{name:30} {used}")
        if self.background:
            targets = " ".join(self.background)
            terminalreporter.write_line(f"A chapter tried to reach the network later: {targets}")

    def _new_attempts(self):
        """What this process and its kernels tried to reach since the last call."""
        if not self.network_log.exists():
            return []
        targets = self.network_log.read_text(encoding="utf-8").splitlines()
        self.network_log.unlink()
        return targets


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
