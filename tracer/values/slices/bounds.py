"""Bounds of index values while a program is traced: which slices lie inside of their axis whatever the iteration.

`w[:, b:b + 1]` in a loop over b has one column in every iteration, and NumPy stretches it. That is seen from the forms of its
two ends, sums of multiples of loop counters: their difference is a number, and the bounds of the counters keep both on it.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....ir.core import Const, Value
from ... import tracing

if TYPE_CHECKING:
    from ....ir.types import Dim

_DEPTH = 24               # ops that a form looks back through
_EXACT = frozenset({"cast", "add", "sub", "mul"})
Form = tuple[dict[Value, int], int]           # value -> its factor, and the constant


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
