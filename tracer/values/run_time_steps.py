"""Slices whose step only run time knows, `flags[p * p::p] = False`: a view like any other, of which no sign is known.

CPython's rule (PySlice_AdjustIndices) for an axis of length n, with `low, high` the positions to which the ends are clipped:

    step > 0    low, high = 0, n           the ends left out are 0 and n
    step < 0    low, high = -1, n - 1      the ends left out are n - 1 and -1

A bound below 0 counts from n. With the way from start to stop in the direction of the step, `room`, the length is
max((room - 1) // |step| + 1, 0): no sum in it leaves 64 bits, whatever the step.
"""
from __future__ import annotations

from typing import Any

from ...ir.core import Value
from ...ir.types import Dim
from .. import tracing
from . import shapes
from .shapes import arith

_MOST = 2**63 - 1
ZERO = "slice step cannot be zero"


def span(key: slice, n: Dim, step: Value) -> tuple[Value, Dim, Value]:
    """(start, length, step) of a slice of an axis of length n by such a step, which a check keeps from 0."""
    b = tracing.current().builder
    zero = b.index(0)
    b.emit("check", b("ne", step, zero), step, error="ShapeError", message=ZERO)
    forward = b("gt", step, zero)
    low = b("select", forward, zero, b.index(-1))
    high = b("add", b.index(n), low)
    start = b("select", forward, low, high) if key.start is None else _clipped(key.start, n, low, high)
    stop = b("select", forward, high, low) if key.stop is None else _clipped(key.stop, n, low, high)
    room = b("select", forward, b("sub", stop, start), b("sub", start, stop))
    # -2**63 has no negative; and the check stops the program where the step is 0, but the division may be computed before
    backward = b("neg", b("max", step, b.index(-_MOST)))
    size = b("max", b("select", forward, step, backward), b.index(1))
    length = b("add", b("floordiv", b("sub", room, b.index(1)), size), b.index(1))
    return start, arith("max", length, 0), step


def _clipped(bound: Any, n: Dim, low: Value, high: Value) -> Value:
    """A bound counted from either end, as a position between two others."""
    b = tracing.current().builder
    found = shapes.to_index(bound)
    if isinstance(found, Value):
        tracing.need_static(bound, "a bound of a slice")
        counted = b("select", b("lt", found, b.index(0)), b("add", found, b.index(n)), found)
    else:
        counted = b.index(found if found >= 0 else arith("add", n, found))
    return b("min", b("max", counted, low), high)
