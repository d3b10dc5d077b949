"""Which rows of a long table a run tests: all with `TRACEGRAD_NIGHTLY=1`, else a few that stand for the others."""
from __future__ import annotations

import os

NIGHTLY = os.environ.get("TRACEGRAD_NIGHTLY") == "1"


def some(names, every: int, start: int = 0) -> list:
    """Every so many-th name, from one on; all of them at night."""
    names = list(names)
    return names if NIGHTLY else names[start::every]
