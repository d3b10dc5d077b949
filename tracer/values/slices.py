"""Positions and slices of an axis as starts, lengths and steps, whatever of them is known while tracing.

CPython's rule (PySlice_AdjustIndices) for an axis of length n, with `low, high` the positions to which the ends are clipped:

    step > 0    low, high = 0, n           the ends left out are 0 and n
    step < 0    low, high = -1, n - 1      the ends left out are n - 1 and -1

A bound below 0 counts from n.

`w[:, b:b + 1]` in a loop over b has one column in every iteration, and NumPy stretches it. That is seen from the forms of its
two ends, sums of multiples of loop counters: their difference is a number, and the bounds of the counters keep both on it.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...ir.core import Const, Value
from ...ir.errors import BoundsError, ShapeError
from ...ir.types import Dim
from .. import tracing
from . import shapes
from .promotion import fail
from .shapes import arith

if TYPE_CHECKING:
    from .boxes import ScalarBox

_MOST = 2**63 - 1
_ZERO = "slice step cannot be zero"
_DEPTH = 24               # ops that a form looks back through
_EXACT = frozenset({"cast", "add", "sub", "mul"})
Form = tuple[dict[Value, int], int]           # value -> its factor, and the constant


# --- which lie on the axis in every iteration of a loop ---------------------------------------------------------------

def _is_word(v: Value) -> bool:
    return v.type.dtype.kind in "iux" and v.type.dtype.bits == 64


def form(x: Any, depth: int = _DEPTH) -> Form:
    """An int or an index value as a sum of multiples: exact where it is within 64 bits, as the sums of machine words wrap."""
    if type(x) is int:
        return {}, x
    if isinstance(x, Const) and x.frozen:
        return {}, int(x.data)
    op = x.op
    if op is None or not depth or op.name not in _EXACT or not all(map(_is_word, (x, *op.operands))):
        return {x: 1}, 0
    if op.name == "cast":
        return form(op.operands[0], depth - 1)
    if op.name in ("add", "sub"):
        return _plus(form(op.operands[0], depth - 1), form(op.operands[1], depth - 1), 1 if op.name == "add" else -1)
    (a, p), (b, q) = [form(v, depth - 1) for v in op.operands]
    if a and b:
        return {x: 1}, 0
    return _scaled(b, q, p) if not a else _scaled(a, p, q)


def _plus(a: Form, b: Form, times: int) -> Form:
    terms = dict(a[0])
    for v, c in b[0].items():
        terms[v] = terms.get(v, 0) + times * c
    return {v: c for v, c in terms.items() if c}, a[1] + times * b[1]


def _scaled(terms: Any, const: int, factor: int) -> Form:
    return ({v: c * factor for v, c in terms.items()} if factor else {}), const * factor


def bounds(found: Form) -> tuple[int, int] | None:
    """The least and the greatest value of a form, where its terms have known bounds."""
    terms, low = found
    high = low
    for v, c in terms.items():
        ends = _ends(v)
        if ends is None:
            return None
        a, b = sorted((c * ends[0], c * ends[1]))
        low, high = low + a, high + b
    return low, high


def _ends(v: Value) -> tuple[int, int] | None:
    loop, init = tracing.current().origin.get(v, (None, None))
    if loop is not None and init is None and type(loop.trip) is int:         # the counter of a loop
        return 0, max(loop.trip - 1, 0)
    if v.op is None or v.op.name not in ("mod", "floordiv"):
        return None
    x, d = map(form, v.op.operands)
    if d[0] or d[1] <= 0:
        return None
    if v.op.name == "mod":
        return 0, d[1] - 1
    ends = bounds(x)
    return ends and (ends[0] // d[1], ends[1] // d[1])


def on_axis(i: Value, n: Value) -> bool:
    """Whether a position lies on an axis of length n in every iteration: it has known bounds, or it is a loop's counter."""
    found, length = form(i), form(n)
    ends = bounds(found)
    if ends is not None and not length[0]:
        return -length[1] <= ends[0] and ends[1] < length[1]
    terms, first = found
    if list(terms.values()) != [1] or first < 0:
        return False
    loop, init = tracing.current().origin.get(next(iter(terms)), (None, None))
    if loop is None or init is not None or loop.trip is None:
        return False
    terms, room = _plus(length, form(loop.trip), -1)          # i < trip + first <= n
    return not terms and room >= first


def at_most_one(start: Dim, stop: Dim) -> bool:
    """Whether `start:stop` has one element, or none where it leaves the axis."""
    return form(stop) == _plus(form(start), ({}, 1), 1)


def inside(start: Dim, stop: Dim, step: int, n: Dim) -> int | None:
    """The length of `start:stop:step` (step > 0) on an axis of length n, where both bounds lie on it for sure and differ by a
    number."""
    if type(n) is not int:
        return None
    first, last = form(start), form(stop)
    terms, count = _plus(last, first, -1)
    ends = None if terms or count < 0 else bounds(first)
    if ends is None or ends[0] < 0 or ends[1] + count > n:
        return None
    return -(-count // step)


# --- starts, lengths and steps ----------------------------------------------------------------------------------------

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
        if (count := inside(0 if start is None else start, n if stop is None else stop, step, n)) is not None:
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
    if step == 1 and isinstance(length, Value) and start is not None and stop is not None and at_most_one(start, stop):
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
