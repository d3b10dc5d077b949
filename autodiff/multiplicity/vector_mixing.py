"""What functions of eigenvalues or singular values mean for vectors of close ones: N of smoothness/equal_values.py, with the
frames it is of.

The slopes f' and f'' are made with the declared partial derivatives of the ops that f consists of.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ...ir.build import Builder, Expr, key_of
from ...ir.core import Op, Value
from ..rules.jvp_rules import adjoint, join, matmul, positions, rule_of
from ..rules.partials import partial, product
from ..rules.spectral import beyond, columns, grouped, inverse_gaps, rounding, rows, skew_part, vanishing

if TYPE_CHECKING:
    from ...ir.opdef import Elementwise
    from ...ir.types import Dim

_ALIKE = frozenset({"select", "cast", "neg", "add", "sub", "mul", "mulz", "complex", "real", "imag", "conj", "abs"})


def of_each(op: Op) -> bool:
    """Whether an op does the same to each element by itself."""
    return hasattr(op.defn, "arity") or op.defn.name in _ALIKE


def same_length(a: Dim, b: Dim) -> bool:
    return a is b or (type(a) is int and a == b)


@dataclass(eq=False)
class Frame:
    """A factorisation whose vectors are followed: a range of its columns, `w` their values; `lead` axes number matrices."""

    a: Value
    u: Value | None
    v: Value | None
    w: Value
    lead: int
    near: float
    lower: bool | None
    ranges: dict = field(default_factory=dict)
    lacking: tuple[Value | None, Value | None] | None = None

    @property
    def real(self) -> bool:
        return not self.a.type.dtype.complex

    @property
    def vectors(self) -> tuple[Value, Value]:
        """u and v, once they have been asked for."""
        assert self.u is not None and self.v is not None
        return self.u, self.v

    def block(self, b: Builder, adjoined: bool = False) -> tuple[Value, Value]:
        """(B, B^H) without their diagonals; the other way round beside V."""
        like = square_of(b, self)
        found = other = _couple(b, self, b.cast(grouped(b, self.w, like, self.near)[2], self.w.type.dtype))
        if self.lower is None:
            skew = _twisted(b, self, b.cast(vanishing(b, self.w, like), self.w.type.dtype))
            found, other = b("add", found, skew), b("sub", found, skew)
        return (other, found) if adjoined else (found, other)

    def outside(self, b: Builder) -> tuple[Value | None, Value | None]:
        """U2 C of what U lacks, and of what V does (rules/spectral.py): zeros like U and V, and orthogonal to them."""
        if self.lacking is not None:
            return self.lacking
        u, v = self.vectors
        return (_orthogonal(b, u, beyond(b, self.a, u, self.w, v)),
                _orthogonal(b, v, beyond(b, adjoint(b, self.a), v, self.w, u)))


def _orthogonal(b: Builder, u: Value, x: Value | None) -> Value | None:
    return None if x is None else b("sub", x, matmul(b, u, matmul(b, adjoint(b, u), x)))


@dataclass(frozen=True)
class Bare:
    """Singular vectors without the functions of values that they were multiplied by, whose product is `by` (None: 1), and what
    the columns that they lack have become in their place (None: they lack none)."""

    value: Value
    outside: Value | None
    by: Value | None = None

    def through(self, f: Callable[[Value], Value]) -> Bare:
        return Bare(f(self.value), None if self.outside is None else f(self.outside), self.by)


@dataclass(frozen=True)
class Flow:
    """What a value means: `kind` "vectors" (an axis numbers them; `turned` where they are conjugated, `right` where they are V
    of singular values), "values" (a function of each; `core` without axes beyond those of w), "diagonal" (values on the
    diagonal of a matrix), "pairs" (products of two vectors' elements along the axis: of `parts`)."""

    kind: str
    value: Value
    frame: Frame
    axis: int
    turned: bool = False
    core: Value | None = None
    parts: tuple = ()
    right: bool = False
    bare: Bare | None = None

    @property
    def each(self) -> Value:
        """`core`, of values and of a diagonal."""
        assert self.core is not None, self.kind
        return self.core

    def through(self, f: Callable[[Value], Value], **changes: Any) -> Flow:
        """What a linear op f makes of it."""
        return replace(self, value=f(self.value), bare=self.bare and self.bare.through(f), **changes)


# --- N of a function of values ------------------------------------------------------------------------------------------

def slope_in(b: Builder, core: Value, w: Value, memo: dict) -> Value | None:
    """The derivative of a function of each element of w; None where that is 0."""
    if core is w:
        return b.full(1, w.type.dims, w.type.dtype)
    if core not in memo:
        memo[core] = slope_of(b, core, [slope_in(b, v, w, memo) for v in core.op.operands]) if core.op is not None else None
    return memo[core]


def slope_of(b: Builder, core: Value, dots: list[Value | None]) -> Value | None:
    op = core.maker
    rule, name = rule_of(op), op.defn.name
    if all(d is None for d in dots) or not core.type.dtype.inexact or not (of_each(op) or name == "slice"):
        return None                                            # a sum over all values, say, is no function of each
    if rule == "none":                                         # a sign, which is constant
        return None
    if name in ("mul", "mulz"):
        terms = [b("mul", dot, op.operands[1 - k]) for k, dot in enumerate(dots) if dot is not None]
    elif rule == "elementwise":
        exprs = [Expr(b, v) for v in (*op.operands, core)]
        terms = [product(b, dot, partial(op, k, exprs), k in cast("Elementwise", op.defn).singular)
                 for k, dot in enumerate(dots) if dot is not None and cast("Elementwise", op.defn).partials[k] is not None]
    elif name == "select":
        zero = b.const(0, core.type.dtype)
        terms = [b("select", op.operands[0], *[zero if d is None else d for d in dots[1:]])]
    elif name in ("add", "sub"):
        terms = [b("neg", d) if k and name == "sub" else d for k, d in enumerate(dots) if d is not None]
    else:
        terms = [b(op.defn, *[d if d is not None else b.zeros_like(v) if v.type.dtype.inexact else v
                              for d, v in zip(dots, op.operands)], **op.attrs)]
    total = None
    for term in terms:
        if term is not None:
            total = term if total is None else b("add", total, term)
    return total if total is None or total.type.dims else b.broadcast(total, core.type.dims)


def square_of(b: Builder, frame: Frame) -> Value:
    """A matrix of the differences of values, for its dims."""
    w = frame.w
    return b.full(0, (*w.type.dims, w.type.dims[-1]), w.type.dtype)


def _couple(b: Builder, frame: Frame, k: Value) -> Value:
    return b("couple", frame.a, *frame.vectors, k, lower=frame.lower)


def mixing(b: Builder, frame: Frame, core: Value, right: bool = False, against: bool = False) -> Value:
    """N of f(w) = core, beside V if `right`; `against`: of V f(S) U^H."""
    if core.type.dtype.complex:
        parts = [mixing(b, frame, b(part, core), right, against) for part in ("real", "imag")]
        i = b.const(1j, core.type.dtype)
        re, im = (b.cast(p, core.type.dtype) for p in parts)
        return b("add", re, b("mul", im, i))
    slope = slope_in(b, core, frame.w, {})
    wide = frame.w.type.dtype
    f = b.cast(core, wide)
    bend = None if slope is None else slope_in(b, slope, frame.w, {})
    slope = b.zeros_like(f) if slope is None else b.cast(slope, wide)
    first = _couple(b, frame, _quotients(b, frame, f, slope, None if bend is None else b.cast(bend, wide)))
    if bend is None:
        return first
    second = b("add", first, _bent(b, frame.block(b, right), b.cast(bend, wide)))
    change = slope_in(b, bend, frame.w, {})
    return second if change is None else b("add", second, _of_third_power(b, frame.block(b, against), b.cast(change, wide)))


def mixing_of(b: Builder, y: Flow, core: Value) -> Value:
    """N of f(w) = core beside the vectors y. For singular values of 0 all of M = U^H A_dot V = H + K is in B, of which V has
    the adjoint. Odd f are between U and V^H, f(S + B) = f'(0) (S + B); even ones between U and U^H, or V and V^H:

        f''(0)/2 (S + B) (S + B)^H     in which H is with the mean of f'(s[i]) and f'(s[j]), and K with f''(0)/2 (s[j] - s[i])
    """
    against = y.right != y.turned
    n = mixing(b, y.frame, core, y.right, against)
    if y.frame.lower is not None:
        return n
    odd, even = _of_skew_part(b, y.frame, core)
    n = n if odd is None else b("sub" if against else "add", n, odd)
    return n if even is None else b("sub" if y.right else "add", n, even)


def _of_skew_part(b: Builder, frame: Frame, core: Value) -> tuple[Value | None, Value | None]:
    """What K adds to odd and to even f, where both values are 0; None where that is nothing."""
    if core.type.dtype.complex:
        i = b.const(1j, core.type.dtype)
        halves = zip(*[_of_skew_part(b, frame, b(part, core)) for part in ("real", "imag")])
        odd, even = [[p and b.cast(p, core.type.dtype) for p in pair] for pair in halves]
        return _sum(b, odd[0], odd[1] and b("mul", odd[1], i)), _sum(b, even[0], even[1] and b("mul", even[1], i))
    slope = slope_in(b, core, frame.w, {})
    if slope is None:
        return None, None
    like, wide = square_of(b, frame), frame.w.type.dtype
    none, zero = vanishing(b, frame.w, like), b.const(0, wide)
    bend = slope_in(b, slope, frame.w, {})
    slope = b.cast(slope, wide)
    if bend is None:
        return _twisted(b, frame, b("select", none, mean_of(b, slope, like), zero)), None
    bend = b.cast(bend, wide)
    still = b("sub", slope, b("mul", bend, frame.w))                  # f'(0), of which f''(0) is no part
    odd = _twisted(b, frame, b("select", none, mean_of(b, still, like), zero))
    gap = b("mul", b("sub", rows(b, frame.w, like), columns(b, frame.w, like)), b.const(0.5, wide))
    k = b("select", none, b("mul", mean_of(b, bend, like), gap), zero)
    whole = b("couple", frame.a, *frame.vectors, k, lower=None, part="whole")
    return odd, b("mul", b("add", whole, adjoint(b, whole)), b.const(0.5, whole.type.dtype))


def _sum(b: Builder, x: Value | None, y: Value | None) -> Value | None:
    return b("add", x, y) if x is not None and y is not None else x if y is None else y


def mean_of(b: Builder, x: Value, like: Value) -> Value:
    """That of the numbers of a row's value and a column's."""
    return b("mul", b("add", rows(b, x, like), columns(b, x, like)), b.const(0.5, x.type.dtype))


def _twisted(b: Builder, frame: Frame, k: Value) -> Value:
    """k times the skew part K of M."""
    return skew_part(b, b("couple", frame.a, *frame.vectors, k, lower=None, part="whole"))


def _of_third_power(b: Builder, block: tuple[Value, Value], change: Value) -> Value:
    """The third power of B in f(B): B B^H B times a sixth of the third derivative of f, the mean of those at both ends."""
    mixed, other = block
    change = b.cast(b("mul", change, b.const(1 / 12, change.type.dtype)), mixed.type.dtype)
    ends = b("add", rows(b, change, mixed), columns(b, change, mixed))
    return b("mul", ends, matmul(b, mixed, matmul(b, other, mixed)))


def _bent(b: Builder, block: tuple[Value, Value], bend: Value) -> Value:
    """The second power of B in f(B): sum over k of B[i, k] B^H[k, j] f''/2, of which f'' is the mean of those at i, j and k."""
    mixed, other = block
    third = b.const(1 / 6, bend.type.dtype)
    bend = b.cast(b("mul", bend, third), mixed.type.dtype)
    ends = b("add", rows(b, bend, mixed), columns(b, bend, mixed))
    middle = matmul(b, mixed, b("mul", columns(b, bend, mixed), other))
    return b("add", b("mul", ends, matmul(b, mixed, other)), middle)


def trace(b: Builder, flow: Flow, kind: str) -> Value | None:
    """A symmetric function of all values, of its second order in B too: the trace of f(B), or its determinant."""
    core, frame = flow.each, flow.frame
    if flow.value is not core:
        return None
    plain = b.reduce(core, kind, (frame.lead,))
    slope = slope_in(b, core, frame.w, {})
    bend = None if slope is None else slope_in(b, slope, frame.w, {})
    if kind == "sum" and bend is None:
        return plain
    if core.type.dtype.complex or slope is None:
        return None
    _with_vectors(b, frame)
    n = b.cast(_real(b, _with_lacking(b, frame, mixing(b, frame, core), bend)), core.type.dtype)
    like = square_of(b, frame)
    eye, none = b("eq", positions(b, like, -2), positions(b, like, -1)), b.const(0, n.type.dtype)
    last = frame.lead, frame.lead + 1
    if kind == "sum":
        return b("add", plain, b.reduce(b("select", eye, n, none), "sum", last))
    pairs = _couple(b, frame, _quotients(b, frame, *[b.cast(x, frame.w.type.dtype) for x in (core, slope)]))
    square = b.cast(_real(b, b("mul", pairs, b("conj", pairs) if pairs.type.dtype.complex else pairs)), core.type.dtype)
    alone, both = _other_products(b, core, frame.lead, square)
    traced = b.reduce(b("select", eye, b("mul", n, alone), none), "sum", last)
    half = b("mul", b.reduce(b("mul", square, both), "sum", last), b.const(0.5, core.type.dtype))
    return b("add", plain, b("sub", traced, half))


def _other_products(b: Builder, core: Value, lead: int, like: Value) -> tuple[Value, Value]:
    """The product of all values but the one of a row, and of all but those of a row and a column: 0 while another is 0."""
    zero = b.const(0, core.type.dtype)
    none = b("eq", core, zero)
    count = b.cast(none, core.type.dtype)
    safe = b("select", none, b.const(1, core.type.dtype), core)
    product, zeros = (b.reduce(x, kind, (lead,)) for x, kind in ((safe, "prod"), (count, "sum")))
    ends = [(place(b, safe, like), place(b, count, like)) for place in (rows, columns)]
    product, zeros = (b.broadcast(b.reshape(x, (*x.type.dims, 1, 1)), like.type.dims) for x in (product, zeros))
    alone, both = b("div", product, ends[0][0]), b("div", product, b("mul", ends[0][0], ends[1][0]))
    left = b("eq", ends[0][1], zeros), b("eq", b("add", ends[0][1], ends[1][1]), zeros)
    return b("select", left[0], alone, zero), b("select", left[1], both, zero)


def _with_lacking(b: Builder, frame: Frame, n: Value, bend: Value | None) -> Value:
    """N with f''(0)/2 C^H C: the squares of values of 0 are those of all that their columns become."""
    for outside in frame.outside(b) if frame.lower is None and bend is not None else ():
        if outside is not None and bend is not None:
            gram = matmul(b, adjoint(b, outside), outside)
            half = b("mul", mean_of(b, bend, n), b.const(0.5, bend.type.dtype))
            n = b("add", n, b("mul", gram, b.cast(half, gram.type.dtype)))
    return n


def _real(b: Builder, x: Any) -> Any:
    return b("real", x) if x.type.dtype.complex else x


def _quotients(b: Builder, frame: Frame, f: Value, slope: Value, bend: Value | None = None) -> Value:
    """(f[j] - f[i]) / (w[j] - w[i]) of close values, by the slopes where these agree with it: f may be another function of
    some elements than of others. 0 elsewhere. The mean of the slopes has the derivatives of itself less (w[j] - w[i]) times
    (bend[j] - bend[i]) / 12, which are right to the third (Euler, Maclaurin)."""
    w, like = frame.w, square_of(b, frame)
    _, equal, close = grouped(b, w, like, frame.near)
    zero, mean = b.const(0, w.type.dtype), mean_of(b, slope, like)
    rise = b("sub", rows(b, f, like), columns(b, f, like))
    gap = b("sub", rows(b, w, like), columns(b, w, like))
    size = b("add", b("abs", rows(b, f, like)), b("abs", columns(b, f, like)))
    off = b("abs", b("sub", rise, b("mul", gap, mean)))
    bound = b("add", b("mul", b("abs", b("mul", gap, mean)), b.const(0.1, w.type.dtype)),
              b("mul", size, b.const(1e-6 if frame.near < 1e-4 else 1e-3, w.type.dtype)))
    # values that differ by rounding alone may differ by a large part of themselves: of f = s³ at zeros, say
    bends = b("abs", b("sub", rows(b, slope, like), columns(b, slope, like)))
    tiny = b("and", b("le", b("abs", rise), rounding(b, f, w, like)), b("le", bends, rounding(b, slope, w, like)))
    agree = b("or", b("not", b("gt", off, bound)), b("and", equal, tiny))
    if bend is not None:
        less = b("mul", gap, b("mul", b("sub", rows(b, bend, like), columns(b, bend, like)), b.const(1 / 12, w.type.dtype)))
        mean = b("surrogate", mean, b("sub", mean, less))
    apart = b("and", close, b("not", equal))
    quotient = b("select", apart, b("mul", rise, inverse_gaps(b, w, like, apart)), b.const(np.nan, w.type.dtype))
    return b("select", close, b("select", agree, mean, quotient), zero)


def moved(b: Builder, y: Value, n: Value, axis: int, lead: int, turned: bool) -> Value:
    """y N along an axis of vectors, N y of conjugated ones."""
    dtype = y.type.dtype if y.type.dtype.complex or not n.type.dtype.complex else n.type.dtype
    y, n = b.cast(y, dtype), b.cast(n, dtype)
    leading = tuple(range(lead))
    found = b("dot", y, n, contract=((axis,), (lead + 1 if turned else lead,)), batch=(leading, leading))
    last = len(found.type.dims) - 1
    order = list(range(last))
    order.insert(axis, last)
    return b.transpose(found, order)


def scaled(b: Builder, value: Value, y: Flow, core: Value) -> Value:
    """`value`, the vectors y times f(w) = core, with what N adds."""
    n = mixing_of(b, y, core)
    return b("add", value, b.cast(moved(b, y.value, n, y.axis, y.frame.lead, y.turned), value.type.dtype))


# --- ranges of vectors --------------------------------------------------------------------------------------------------

def _inside(b: Builder, frame: Frame, start: Value, length: Value) -> Value:
    """Of each value, whether it is in the range."""
    n = frame.w.type.dims
    at = b.broadcast(b("iota", b.index(n[-1]), dtype=start.type.dtype), n)
    end = b.iop("add", start, length)
    return b("and", b("ge", at, start), b("lt", at, end))


def _outwards(b: Builder, frame: Frame, start: Value, length: Value, values: bool) -> Value:
    """Factors of M for close values of which one is in the range: what turns vectors out of it, NaN where they are equal. Of
    values only that."""
    w, like = frame.w, square_of(b, frame)
    inside = _inside(b, frame, start, length)
    _, equal, close = grouped(b, w, like, frame.near)
    cut = b("ne", rows(b, inside, like), columns(b, inside, like))
    if values:
        return b("select", b("and", cut, equal), b.const(np.nan, w.type.dtype), b.const(0, w.type.dtype))
    cut = b("and", cut, close)
    gaps = inverse_gaps(b, w, like, b("and", cut, b("not", equal)), np.nan)
    return b("select", cut, gaps, b.const(0, w.type.dtype))


def leaving(b: Builder, flow: Flow, value: Value, start: Any, length: Any) -> Value:
    """Vectors, those of the flow, to be cut to a range: those of close values outside of it do turn into them."""
    n = _couple(b, flow.frame, _outwards(b, flow.frame, start, length, False))
    found = moved(b, value, n, flow.axis, flow.frame.lead, flow.turned)
    return b("add", value, b.cast(b("neg", found) if flow.turned else found, value.type.dtype))


def columns_of(b: Builder, x: Value, start: Value, length: Value) -> Value:
    spec = ":" * (len(x.type.dims) - 1) + "s"
    return b("slice", x, start, length, b.index(1), spec=spec)


def widened(b: Builder, x: Value, like: Value) -> Value:
    """Columns of 0 behind x, to be as many as `like` has."""
    n, all_of = x.type.dims[-1], like.type.dims
    if same_length(n, all_of[-1]):
        return x
    zeros = b.full(0, (*x.type.dims[:-1], b.iop("sub", b.dim(like, -1), n)), x.type.dtype)
    return b.reshape(join(b, [x, zeros], len(all_of) - 1), all_of)


def _with_vectors(b: Builder, frame: Frame) -> None:
    """Asked for the values only, find the vectors for derivatives of parts; without derivatives nobody uses them."""
    if frame.u is not None:
        return
    if frame.lower is None:
        frame.u, _, vh = b.emit("svd", frame.a, b.index(frame.w.type.dims[-1]), full=False, near=frame.near, spare=True)
        frame.v = adjoint(b, vh)
    else:
        frame.u = frame.v = b.emit("eigh", frame.a, lower=frame.lower, near=frame.near, spare=True)[1]


def range_of(b: Builder, frame: Frame, start: Value, length: Value) -> Frame:
    key = key_of(start), key_of(length)
    if key not in frame.ranges:
        _with_vectors(b, frame)
        left, right = frame.vectors
        u = columns_of(b, left, start, length)
        v = u if right is left else columns_of(b, right, start, length)
        lost = b.reduce(_couple(b, frame, _outwards(b, frame, start, length, True)), "sum", (frame.lead + 1,))
        lost = b("real", lost) if lost.type.dtype.complex else lost
        w = columns_of(b, b("add", frame.w, lost), start, length)
        lacking: Any = None
        if frame.lower is None:
            lacking = tuple(x and columns_of(b, x, start, length) for x in frame.outside(b))
        frame.ranges[key] = replace(frame, u=u, v=v, w=w, ranges={}, lacking=lacking)
    return frame.ranges[key]


def values_in(b: Builder, flow: Flow, start: Value, length: Value) -> Flow | None:
    """The values in a range, which is a frame of its own; other functions of values are too little used in part."""
    if flow.core is not flow.frame.w:
        return None
    part = range_of(b, flow.frame, start, length)
    return replace(flow, value=part.w, core=part.w, frame=part)
