"""Options of the test run."""
from __future__ import annotations

import os
import pathlib
import tempfile

import pytest

# Tests count compilations and read what the compiler says: nothing may come from a disk, least of all from the user's own
# folder.
os.environ["TRACEGRAD_CACHE"] = "0"
os.environ["TRACEGRAD_CACHE_DIR"] = os.path.join(tempfile.gettempdir(), f"tracegrad-tests-{os.getpid()}")

GOLDENS = pathlib.Path(__file__).parent / "goldens"


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
