"""What a division of Python numbers by zero does, and a math function outside of its domain or range: raise, as Python does, or
give inf, nan or 0, as NumPy's numbers do.

Numba calls the second one `error_model="numpy"`. It holds for a function that `numba.njit` decorates with it, and for what that
calls without a decorator of its own; elsewhere the option of the compilation decides (`decide_by`).
"""
from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_STATE = threading.local()
_asked: list[Callable[[], bool]] = [lambda: False]


def decide_by(asked: Callable[[], bool]) -> None:
    """asked: whether the option says NumPy's model."""
    _asked[0] = asked


def raises() -> bool:
    """Whether arithmetic of Python numbers raises (ZeroDivisionError, ValueError, OverflowError)."""
    model = getattr(_STATE, "model", None)
    return not _asked[0]() if model is None else model != "numpy"


@contextmanager
def model_of(function: Any) -> Iterator[None]:
    """Within this block the model that `numba.njit` was given for a function holds, where it was given one."""
    options = getattr(function, "targetoptions", None)
    model = options.get("error_model") if isinstance(options, dict) else None
    if model is None:
        yield
        return
    before, _STATE.model = getattr(_STATE, "model", None), model
    try:
        yield
    finally:
        _STATE.model = before
