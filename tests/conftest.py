"""Options of the test run. Tests marked `sweep` are taken in turns: see support/sweeps.py."""
from __future__ import annotations

import gc
import os
import pathlib
import sys
import tempfile

import pytest
import sweeps

# Tests count compilations and read what the compiler says: nothing may come from a disk, least of all from the user's own
# folder.
os.environ["TRACEGRAD_CACHE"] = "0"
os.environ["TRACEGRAD_CACHE_DIR"] = os.path.join(tempfile.gettempdir(), f"tracegrad-tests-{os.getpid()}")

GOLDENS = pathlib.Path(__file__).parent / "goldens"
LEFT = pytest.StashKey[int]()


def pytest_configure(config):
    import machine_code
    from tracegrad.ir import verify

    from tracegrad.programs import symbolic

    verify.PASS_BY_PASS = symbolic.RAISE = True
    machine_code.remember()
    gc.disable()                                # until thousands of tests have been collected
    if sys.dont_write_bytecode and hasattr(config, "cache"):
        # Processes that tests start need not compile the package from its source each time.
        os.environ.setdefault("PYTHONPYCACHEPREFIX", str(config.cache.mkdir("bytecode")))
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    config.addinivalue_line("markers", "sweep(n=3, by=(), days=False): one of many tests; a run takes an n-th of them")


def pytest_report_header():
    if sweeps.FULL:
        return "sweeps: all"
    return f"sweeps: part {sweeps.PART} (TRACEGRAD_PART={sweeps.PART} takes the same, TRACEGRAD_FULL_TESTS=1 all)"


def pytest_collection_modifyitems(config, items):
    """One test alone, or a file named on the command line with -k, is not cut."""
    if any("::" in arg for arg in config.args) or config.option.keyword:
        return
    away = sweeps.left_out(items)
    if away:
        config.hook.pytest_deselected(items=list(away))
        items[:] = [item for item in items if item not in away]
    config.stash[LEFT] = len(away)


def pytest_collection_finish():
    gc.enable()
    gc.freeze()                                 # what has been imported is not looked through again and again
    gc.set_threshold(10_000, 20, 20)            # functions of IR are large circles


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Tests of one file stay in one process, as far as there is work for all: it has the code of their functions already."""
    if config.getoption("dist") == "load":
        from xdist.scheduler import WorkStealingScheduling

        return WorkStealingScheduling(config, log)
    return None


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left"] = session.config.stash.get(LEFT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    node.config.stash[LEFT] = getattr(node, "workeroutput", {}).get("left", 0)


def pytest_terminal_summary(terminalreporter, config):
    left = config.stash.get(LEFT, 0)
    if left:
        terminalreporter.write_line(f"{left} cases of sweeps wait for other days; part {sweeps.PART} of them has run")


def pytest_addoption(parser):
    parser.addoption("--refresh-goldens", action="store_true", help="write the golden files anew instead of comparing")


@pytest.fixture
def compiled_anew():
    """For tests that look at memory or at how long compiling took: see support/machine_code.py."""
    import machine_code

    with machine_code.anew():
        yield


@pytest.fixture
def golden(request):
    """golden(name, text): the text equals tests/goldens/<name>, which `--refresh-goldens` rewrites."""

    def compare(name: str, text: str):
        path = GOLDENS / name
        if request.config.getoption("--refresh-goldens"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"{path} is missing: run pytest with --refresh-goldens"
        assert text == path.read_text(), f"{path} differs: look, then run pytest with --refresh-goldens"

    return compare
