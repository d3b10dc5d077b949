"""Options of the test run.

Tests marked `sweep(n)` are many of one kind. A plain run takes an n-th of them, a third if n is not given, other ones each day;
TRACEGRAD_NIGHTLY=1 takes all, TRACEGRAD_PART= a number says which.
"""
from __future__ import annotations

import datetime
import os
import pathlib
import tempfile
import zlib

import pytest

# Tests count compilations and read what the compiler says: nothing may come from a disk, least of all from the user's own
# folder.
os.environ["TRACEGRAD_CACHE"] = "0"
os.environ["TRACEGRAD_CACHE_DIR"] = os.path.join(tempfile.gettempdir(), f"tracegrad-tests-{os.getpid()}")

GOLDENS = pathlib.Path(__file__).parent / "goldens"
# Kept in the environment, so that the processes of one run agree, also where it runs over midnight.
PART = int(os.environ.setdefault("TRACEGRAD_PART", str(datetime.date.today().toordinal())))
NIGHTLY = os.environ.get("TRACEGRAD_NIGHTLY") == "1"


def pytest_configure(config):
    from tracegrad.ir import verify

    from tracegrad.programs import symbolic

    verify.PASS_BY_PASS = symbolic.RAISE = True
    config.addinivalue_line("markers", "sweep(n=3): one of many tests of a kind; a plain run takes an n-th of them")


def pytest_report_header():
    return "sweeps: all" if NIGHTLY else f"sweeps: part {PART} (TRACEGRAD_PART; TRACEGRAD_NIGHTLY=1 for all)"


def pytest_collection_modifyitems(config, items):
    """One test alone, or a file named on the command line with -k, is not cut."""
    if NIGHTLY or any("::" in arg for arg in config.args) or config.option.keyword:
        return
    away = [item for item in items if not _today(item)]
    if away:
        config.hook.pytest_deselected(items=away)
        gone = set(map(id, away))
        items[:] = [item for item in items if id(item) not in gone]


def _today(item) -> bool:
    marker = item.get_closest_marker("sweep")
    parts = (*marker.args, 3)[0] if marker else 1
    return zlib.crc32(item.name.encode()) % parts == PART % parts


def pytest_addoption(parser):
    parser.addoption("--refresh-goldens", action="store_true", help="write the golden files anew instead of comparing")


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
