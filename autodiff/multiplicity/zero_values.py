"""Where vectors of singular values of 0 meet: what columns that a factor lacks add, and NaN where the result has no slope.

Of A = U (S + B) V^H + U2 C V^H with columns C of values of 0 (rules/spectral.py) is, with f of all values between the vectors,

    f odd    U f V^H:     f'(0) U2 C V^H                              added
    f even   U f U^H:     f''(0)/2 (U B C^H U2^H + U2 C B^H U^H + U2 C C^H U2^H)
             V f V^H:     f''(0)/2 V C^H C V^H

to the second power of B and C. Where U lacks no columns, V may: that is the same of A^H. The vectors of values of 0 themselves
turn to anywhere, so U f V^H has no slope where f(0) is not 0, and U f U^H none either where U lacks columns.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ...ir.build import Builder
from ...ir.core import Value
from ...ir.types import BOOL
from ..rules.jvp_rules import adjoint, matmul
from ..rules.spectral import rounding, rows, vanishing, zeros_among
from .vector_mixing import Bare, Flow, Frame, mean_of, moved, slope_in, square_of


def multiplied(b: Builder, bare: Bare | None, core: Value) -> Bare | None:
    """The vectors after they were multiplied by a function of values."""
    return bare and replace(bare, by=core if bare.by is None else _times(b, bare.by, core))


def summed(b: Builder, name: str, x: Bare | None, y: Bare | None) -> Bare | None:
    """The vectors of a sum or difference; None where it is not vectors with one function."""
    if x is None or y is None:
        return None
    if x.by is y.by:
        outside = None if x.outside is None or y.outside is None else b(name, x.outside, y.outside)
        return Bare(b(name, x.value, y.value), outside, x.by)
    if x.value is not y.value or x.by is None or y.by is None or x.by.type != y.by.type:
        return None
    return replace(x, by=b(name, x.by, y.by))


def _times(b: Builder, f: Value, g: Value) -> Value:
    dtype = f.type.dtype if f.type.dtype.complex or not g.type.dtype.complex else g.type.dtype
    return b("mul", b.cast(f, dtype), b.cast(g, dtype))


def meeting(b: Builder, x: Flow, y: Flow, join: Callable[[Value, Value], Value]) -> Value | None:
    """join(x, y), which sums over the axis of vectors; None where it cannot be told what they were multiplied by."""
    plain = join(x.value, y.value)
    if x.frame.lower is not None:
        return plain
    if x.bare is None or y.bare is None:
        return None
    by = y.bare.by if x.bare.by is None else x.bare.by if y.bare.by is None else _times(b, x.bare.by, y.bare.by)
    terms = (_of_one_side if x.right == y.right else _of_both_sides)(b, x, y, x.bare, y.bare, by)
    for left, right in terms:
        plain = b("add", plain, b.cast(join(left, right), plain.type.dtype))
    return plain


_Pairs = list[tuple[Value, Value]]


def _of_both_sides(b: Builder, x: Flow, y: Flow, p: Bare, q: Bare, by: Value | None) -> _Pairs:
    """U f V^H, or V f U^H."""
    frame, slope = x.frame, _slopes(b, x.frame, by)[0]
    like = square_of(b, frame)
    bad = b("and", vanishing(b, frame.w, like), rows(b, _not_zero(b, frame, by), like))
    nan = b.const(np.nan, frame.w.type.dtype)
    n = b("couple", frame.a, *frame.vectors, b("select", bad, nan, b.const(0, nan.type.dtype)), lower=None, part="whole")
    pairs = [(p.value, _moved(b, y, q.value, n)) if x.right else (_moved(b, x, p.value, n), q.value)]
    if slope is not None and p.outside is not None:
        pairs.append((_scaled(b, x, p.outside, slope), q.value))
    if slope is not None and q.outside is not None:
        pairs.append((p.value, _scaled(b, y, q.outside, slope)))
    return pairs


def _of_one_side(b: Builder, x: Flow, y: Flow, p: Bare, q: Bare, by: Value | None) -> _Pairs:
    """U f U^H, or V f V^H."""
    frame, bend = x.frame, _slopes(b, x.frame, by)[1]
    other = frame.outside(b)[0 if x.right else 1]
    pairs: _Pairs = []
    if other is not None and bend is not None:
        like = square_of(b, frame)
        gram = matmul(b, adjoint(b, other), other)
        pairs.append((_moved(b, x, p.value, _times(b, gram, mean_of(b, bend, like))), q.value))
    if p.outside is None or q.outside is None:
        return pairs
    lost = b("and", _not_zero(b, frame, by), zeros_among(b, frame.w, frame.w))
    m, n = frame.a.type.dims[-2:]
    lacking = b.broadcast(b("gt", *[b.index(d) for d in ((n, m) if x.right else (m, n))]), lost.type.dims)
    nan = b.const(np.nan, frame.w.type.dtype)
    lost = b("select", b("and", lost, lacking), nan, b.const(0, nan.type.dtype))
    pairs.append((_scaled(b, x, p.outside, lost), q.value))
    if bend is None:
        return pairs
    none = b.cast(vanishing(b, frame.w, square_of(b, frame)), frame.w.type.dtype)
    block = b("couple", frame.a, *frame.vectors, none, lower=None, part="whole")
    block = adjoint(b, block) if x.right else block
    inside = [_moved(b, f, v.value, adjoint(b, block) if f.turned else block) for f, v in ((x, p), (y, q))]
    ours = _scaled(b, x, p.outside, bend)
    return [*pairs, (ours, q.outside), (ours, inside[1]), (_scaled(b, x, inside[0], bend), q.outside)]


def _moved(b: Builder, flow: Flow, value: Value, n: Value) -> Value:
    return b.cast(moved(b, value, n, flow.axis, flow.frame.lead, flow.turned), value.type.dtype)


def _scaled(b: Builder, flow: Flow, value: Value, by: Value) -> Value:
    """A number for each vector times that."""
    dims, lead = value.type.dims, flow.frame.lead
    shape = [*dims[:lead], *[d if k == flow.axis else 1 for k, d in enumerate(dims) if k >= lead]]
    return b.cast(_times(b, value, b.broadcast(b.reshape(by, shape), dims)), value.type.dtype)


def _slopes(b: Builder, frame: Frame, by: Value | None) -> tuple[Value | None, Value | None]:
    """(f'(0), f''(0) / 2) at values of 0, 0 at others; None for 0 at all."""
    if by is None:
        return None, None
    w = frame.w
    slope = slope_in(b, by, w, {})
    if slope is None:
        return None, None
    zero, none = b.const(0, slope.type.dtype), zeros_among(b, w, w)
    bend = slope_in(b, slope, w, {})
    if bend is None:
        return b("select", none, slope, zero), None
    still = b("sub", slope, _times(b, bend, w))
    return b("select", none, still, zero), b("select", none, b("mul", bend, b.const(0.5, bend.type.dtype)), zero)


def _not_zero(b: Builder, frame: Frame, by: Value | None) -> Value:
    """Whether f(0) is not 0, by f(s) near 0: a function that is linear there has f(s) = s f'(s)."""
    w = frame.w
    if by is None:
        return b.full(True, w.type.dims, BOOL)
    slope = slope_in(b, by, w, {})
    size = b("abs", by)
    rest = size if slope is None else b("abs", b("sub", by, _times(b, slope, w)))
    wide = b.cast(size, w.type.dtype), b.cast(rest, w.type.dtype)
    bound = b("add", rounding(b, wide[0], w, w), b("mul", wide[0], b.const(0.1, w.type.dtype)))
    return b("not", b("le", wide[1], bound))
