"""Positions and slices of an axis as starts, lengths and steps, whatever of them is known while tracing.

CPython's rule (PySlice_AdjustIndices) for an axis of length n, with `low, high` the positions to which the ends are clipped:

    step > 0    low, high = 0, n           the ends left out are 0 and n
    step < 0    low, high = -1, n - 1      the ends left out are n - 1 and -1

A bound below 0 counts from n.
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from ....ir.core import Value
from ....ir.errors import BoundsError, ShapeError
from ....ir.types import Dim
from ... import tracing
from .. import shapes
from ..promotion import fail
from ..shapes import arith
from . import bounds

if TYPE_CHECKING:
    from ..boxes import ScalarBox

_MOST = 2**63 - 1
_ZERO = "slice step cannot be zero"


def position(k: int | ScalarBox, dim: Dim, axis: int) -> Dim:
    """An integer index as a position from the start: an int, or an index value that is checked at run time."""
    k = shapes.to_index(k)
    if type(k) is int and type(dim) is int:
        if not -dim <= k < dim:
            fail(BoundsError, f"index {k} is out of bounds for axis {axis} with size {dim}")
        return k % dim
    builder = tracing.current().builder
    return builder("wrap", builder.index(k), builder.index(dim), axis=axis)


def _bound(x: int | ScalarBox | None, what: str) -> Dim | None:
    """A slice bound as an int or an index value; an argument int that decides a length becomes static."""
    if x is None:
        return None
    found = shapes.to_index(x)
    if type(found) is not int:
        tracing.need_static(x, what)
    return found


def _from_either_end(k: Dim, n: Dim, low: Dim | None, high: Dim | None) -> Dim:
    """A bound counted from either end, clipped to [low, high]; `low` and `high` may be None where the other bound clips."""
    if isinstance(k, int):
        if k < 0:
            k = arith("add", n, k)
            return k if low is None else arith("max", k, low)
        return k if high is None else arith("min", k, high)
    builder = tracing.current().builder
    k = builder("select", builder("lt", k, builder.index(0)), builder("add", k, builder.index(n)), k)
    k = k if low is None else arith("max", k, low)
    return k if high is None else arith("min", k, high)


def span(key: slice, n: Dim) -> tuple:
    """(start, length, step) of a slice of an axis of length n; the start matters only where the length is not 0.

    With literal bounds the length is one subtraction from n, so that x[1:] and x[:-1] have the same length:
    x[a:] has max(n - a, 0), x[:-b] has max(n - b, 0), x[a:-b] has max(n - a - b, 0).
    """
    step = 1 if key.step is None else shapes.to_index(key.step)
    if isinstance(step, Value):
        tracing.need_static(key.step, "the step of a slice")
        return _span_by(step, key, n)
    if step == 0:
        fail(ShapeError, _ZERO)
    start, stop = _bound(key.start, "the start of a slice"), _bound(key.stop, "the end of a slice")
    if type(n) is int and type(start) in (int, type(None)) and type(stop) in (int, type(None)):
        first, last, step = slice(start, stop, step).indices(n)
        return first, len(range(first, last, step)), step
    if step > 0:
        if (count := bounds.inside(0 if start is None else start, n if stop is None else stop, step, n)) is not None:
            return 0 if start is None else start, count, step
        first = 0 if start is None else _from_either_end(start, n, 0, None)
        literal = type(first) is int
        if stop is None:
            end = n
        elif type(stop) is int and stop < 0:
            end = arith("add", n, stop) if literal else _from_either_end(stop, n, 0, None)
        else:
            end = _from_either_end(stop, n, None, n)
        room = arith("sub", end, first)
    else:
        last = arith("sub", n, 1)
        first = last if start is None else _from_either_end(start, n, -1, last)
        end = -1 if stop is None else _from_either_end(stop, n, -1, None)
        room = arith("sub", first, end)
    if abs(step) != 1:
        room = arith("floordiv", arith("add", room, abs(step) - 1), abs(step))
    sure = step > 0 and first == 0 and type(first) is int and (stop is None or (type(stop) is int and stop >= 0))
    length = room if sure else arith("max", room, 0)
    if step == 1 and isinstance(length, Value) and start is not None and stop is not None and bounds.at_most_one(start, stop):
        tracing.current().short.add(length)
    return first, length, step


def _span_by(step: Value, key: slice, n: Dim) -> tuple[Value, Dim, Value]:
    """The same by a step that only run time knows, which a check keeps from 0. With `room` the way from start to stop in the
    direction of the step, the length is max((room - 1) // |step| + 1, 0): no sum in it leaves 64 bits, whatever the step."""
    b = tracing.current().builder
    zero = b.index(0)
    b.emit("check", b("ne", step, zero), step, error="ShapeError", message=_ZERO)
    forward = b("gt", step, zero)
    low = b("select", forward, zero, b.index(-1))
    high = b("add", b.index(n), low)
    start, stop = _bound(key.start, "the start of a slice"), _bound(key.stop, "the end of a slice")
    first = b("select", forward, low, high) if start is None else b.index(_from_either_end(start, n, low, high))
    end = b("select", forward, high, low) if stop is None else b.index(_from_either_end(stop, n, low, high))
    room = b("select", forward, b("sub", end, first), b("sub", first, end))
    # -2**63 has no negative; and the check stops the program where the step is 0, but the division may be computed before
    backward = b("neg", b("max", step, b.index(-_MOST)))
    size = b("max", b("select", forward, step, backward), b.index(1))
    length = b("add", b("floordiv", b("sub", room, b.index(1)), size), b.index(1))
    return first, arith("max", length, 0), step
