"""What each integer op says of its result, as a form (ir/analysis/affine.py): the transfer functions of range analysis.

A machine integer is the exact sum of its operands only where that cannot leave the dtype; else it is an atom of its own. So
what is proved of forms holds for machine integers. An array stands for its element at some position: elementwise ops go by
position, and the atoms of other ops on arrays have only bounds that hold for all elements.

`FORMS` maps the name of an op to rule(ranges, op, slot) -> Form, where `ranges.form(value)` is the form of an operand.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core import Const, Op, Value
from ..thresholds import sizes
from ..types import DType, Type
from .affine import LONGEST, AffineExpr, Constraints, Symbol
from .patterns import number

if TYPE_CHECKING:
    from ..transforms.range_checks import Ranges

INTEGER_KINDS = frozenset("iux")


@cache
def limits(dtype: DType) -> tuple[int, int]:
    if dtype.kind == "b":
        return 0, 1
    info = np.iinfo(dtype.np)
    return int(info.min), int(info.max)


def is_integer(v: Value) -> bool:
    return v.type.__class__ is Type and v.type.dtype.kind in INTEGER_KINDS


def of_constant(facts: Constraints, v: Const) -> AffineExpr:
    if not v.type.dims and v.frozen:
        return AffineExpr(int(v.data), {})
    if v.frozen and 0 < v.data.size <= sizes.searched:
        return AffineExpr(0, {facts.atom(int(v.data.min()), int(v.data.max()), True): 1})
    return opaque(facts, v)


def opaque(facts: Constraints, v: Value, low: int | None = None, high: int | None = None) -> AffineExpr:
    """An atom with the bounds of its dtype, or these."""
    least, most = limits(v.type.dtype)
    return AffineExpr(0, {facts.atom(least if low is None else low, most if high is None else high, bool(v.type.dims)): 1})


def exact(r: Ranges, v: Value, form: AffineExpr) -> AffineExpr:
    """The form of a sum, where the dtype has room for it."""
    least, most = limits(v.type.dtype)
    return form if form.low >= least and form.high <= most else opaque(r.facts, v)


# --- arithmetic ----------------------------------------------------------------------------------------------------------

def _add(r: Ranges, op: Op, slot: int) -> AffineExpr:
    x, y = op.operands
    return exact(r, op.results[0], r.form(x).plus(r.form(y)))


def _sub(r: Ranges, op: Op, slot: int) -> AffineExpr:
    x, y = op.operands
    return exact(r, op.results[0], r.form(x).plus(r.form(y), -1))


def _neg(r: Ranges, op: Op, slot: int) -> AffineExpr:
    return exact(r, op.results[0], r.form(op.operands[0]).times(-1))


def _mul(r: Ranges, op: Op, slot: int) -> AffineExpr:
    x, y = map(r.form, op.operands)
    if not x.terms:
        x, y = y, x
    if not y.terms:
        return exact(r, op.results[0], x.times(y.const))
    corners = [p * q for p in (x.low, x.high) for q in (y.low, y.high)]
    least, most = limits(op.results[0].type.dtype)
    low, high = min(corners), max(corners)
    if low < least or high > most:
        return opaque(r.facts, op.results[0])
    return opaque(r.facts, op.results[0], low, high)


def _floordiv(r: Ranges, op: Op, slot: int) -> AffineExpr:
    """q = floor(a / c), c > 0:  c q <= a <= c q + c - 1.  A divisor of unknown size, but positive: q is between 0 and a."""
    a, b = map(r.form, op.operands)
    v, c = op.results[0], b.const
    if b.terms:
        if b.low < 1 or a.low < 0:
            return opaque(r.facts, v)
        q = opaque(r.facts, v, 0, a.high // b.low)
        q.symbol.highs.append((1, a))
        return q
    if c <= 0:
        return AffineExpr(0, {}) if c == 0 else opaque(r.facts, v)            # by 0 it is 0
    if all(k % c == 0 for k in a.terms.values()):
        return AffineExpr(a.const // c, {t: k // c for t, k in a.terms.items()})
    q = opaque(r.facts, v, a.low // c, a.high // c)
    q.symbol.lows.append((c, a.add(1 - c)))
    q.symbol.highs.append((c, a))
    return q


def _mod(r: Ranges, op: Op, slot: int) -> AffineExpr:
    """0 <= a mod b < b for b > 0, and a itself where a is in that range already."""
    a, b = map(r.form, op.operands)
    v = op.results[0]
    if b.low < 1:
        return AffineExpr(0, {}) if not b.terms and b.const == 0 else opaque(r.facts, v)
    positive = r.facts.nonneg(a)
    if positive and r.facts.nonneg(b.plus(a, -1).add(-1)):
        return a
    m = opaque(r.facts, v, 0, b.high - 1)
    if b.terms:
        m.symbol.highs.append((1, b.add(-1)))
    if positive:
        m.symbol.high = min(m.symbol.high, a.high)
        m.symbol.highs.append((1, a))
    return m


def _extreme(sign: int) -> Callable:
    """max (1) and min (-1): one of the two, at or beyond both."""
    def rule(r: Ranges, op: Op, slot: int) -> AffineExpr:
        a, b = map(r.form, op.operands)
        above = a.plus(b, -1).times(sign)                               # >= 0 where the result is a
        if r.facts.nonneg(above):
            return a
        below = above.times(-1)
        if r.facts.nonneg(below):
            return b
        v = op.results[0]
        if sign > 0:
            m = opaque(r.facts, v, max(a.low, b.low), max(a.high, b.high))
            m.symbol.lows += [(1, f) for f in (a, b) if f.terms]
            m.symbol.over = a if not b.terms and b.const <= 0 else b if not a.terms and a.const <= 0 else None
        else:
            m = opaque(r.facts, v, min(a.low, b.low), min(a.high, b.high))
            m.symbol.highs += [(1, f) for f in (a, b) if f.terms]
        m.symbol.cases = ([above], a), ([below], b)
        return m
    return rule


def _abs(r: Any, op: Op, slot: int) -> AffineExpr:
    a = r.form(op.operands[0])
    if r.facts.nonneg(a):
        return a
    negated = exact(r, op.results[0], a.times(-1))
    if a.high <= 0:
        return negated
    v = opaque(r.facts, op.results[0], None if a.low == limits(op.results[0].type.dtype)[0] else 0, max(a.high, -a.low))
    v.symbol.cases = ([a], a), ([a.times(-1)], negated)
    return v


def _sign(r: Any, op: Op, slot: int) -> AffineExpr:
    a = r.form(op.operands[0])
    return opaque(r.facts, op.results[0], 0 if a.low >= 0 else -1, 0 if a.high <= 0 else 1)


def _and(r: Any, op: Op, slot: int) -> AffineExpr:
    """Bits in common with something that is not negative: between 0 and that."""
    tops = [f for f in map(r.form, op.operands) if f.low >= 0]
    if not tops:
        return opaque(r.facts, op.results[0])
    v = opaque(r.facts, op.results[0], 0, min(f.high for f in tops))
    v.symbol.highs += [(1, f) for f in tops if f.terms]
    return v


def _shift(r: Ranges, op: Op, slot: int) -> AffineExpr:
    """x >> c = floor(x / 2**c);  x << c = x * 2**c."""
    x, c = r.form(op.operands[0]), number(op.operands[1])
    v = op.results[0]
    if c is None or not 0 <= c < v.type.dtype.bits - 1:
        return opaque(r.facts, v)
    if op.defn.name == "shl":
        return exact(r, v, x.times(1 << c))
    q = opaque(r.facts, v, x.low >> c, x.high >> c)
    q.symbol.lows.append((1 << c, x.add(1 - (1 << c))))
    q.symbol.highs.append((1 << c, x))
    return q


def _cast(r: Ranges, op: Op, slot: int) -> AffineExpr:
    (x,), v = op.operands, op.results[0]
    if x.type.dtype.kind == "b":
        return opaque(r.facts, v, 0, 1)
    if not is_integer(x):
        return opaque(r.facts, v)
    return exact(r, v, r.form(x))


def _select(r: Ranges, op: Op, slot: int) -> AffineExpr:
    cond, x, y = op.operands
    known = r.decide(cond)
    if known is not None:
        return r.form(x if known else y)
    return r.either(op.results[0], cond, r.form(x), r.form(y))


# --- positions and lengths -----------------------------------------------------------------------------------------------

def _dim(r: Any, op: Op, slot: int) -> AffineExpr:
    return opaque(r.facts, op.results[0], 0, LONGEST)


def below(r: Ranges, v: Value, n: AffineExpr, known: bool = True) -> AffineExpr:
    """An atom in [0, n); where it is not `known` that n > 0, it may be 0 as well."""
    known = known or r.facts.nonneg(n.add(-1))
    form = opaque(r.facts, v, 0, max(n.high - 1, 0))
    if known and n.terms:
        form.symbol.highs.append((1, n.add(-1)))
    return form


def _wrap(r: Ranges, op: Op, slot: int) -> AffineExpr:
    i, n = map(r.form, op.operands)
    side = r.side(i, n)
    if side is not None:
        return i.plus(n) if side < 0 else i
    v = below(r, op.results[0], n)
    if r.facts.nonneg(i):
        v.symbol.cases = (([], i),)
    else:
        v.symbol.cases = ([i], i), ([i.times(-1).add(-1)], i.plus(n))
    return v


def _argreduce(r: Ranges, op: Op, slot: int) -> AffineExpr:
    return below(r, op.results[0], r.size(op.operands[0].type.dims[op.attrs["axis"]]), False)


def _argsort(r: Ranges, op: Op, slot: int) -> AffineExpr:
    return below(r, op.results[0], r.size(op.operands[0].type.dims[op.attrs["axis"]]))


def _iota(r: Ranges, op: Op, slot: int) -> AffineExpr:
    return exact(r, op.results[0], below(r, op.results[0], r.form(op.operands[0])))


def _nonzero(r: Ranges, op: Op, slot: int) -> AffineExpr:
    return below(r, op.results[slot], r.size(op.operands[0].type.dims[slot]))


def _searchsorted(r: Ranges, op: Op, slot: int) -> AffineExpr:
    return below(r, op.results[0], r.size(op.operands[0].type.dims[0]).add(1))


def _lu(r: Ranges, op: Op, slot: int) -> AffineExpr:
    v = op.results[slot]
    return below(r, v, r.size(v.type.dims[-1]))


# --- arrays of integers --------------------------------------------------------------------------------------------------

def _element(count: int) -> Callable:
    """Elements of the operands, at other positions."""
    def rule(r: Ranges, op: Op, slot: int) -> AffineExpr:
        return somewhere(r, op.results[slot], [r.form(v) for v in op.operands[:count]])
    return rule


def somewhere(r: Ranges, v: Value, forms: list[AffineExpr]) -> AffineExpr:
    """An atom that is an element of one of these, wherever it stands."""
    first, facts = forms[0], r.facts
    if len(forms) == 1 and not any(a.array for a in first.terms):
        return first
    made = opaque(facts, v, min(f.low for f in forms), max(f.high for f in forms))
    if len(forms) == 1:
        atom = made.symbol
        atom.lows += [(1, f) for f in facts.hull(first, _is_array, -1) if f.terms]
        atom.highs += [(1, f) for f in facts.hull(first, _is_array, 1) if f.terms]
    return made


def _is_array(atom: Symbol) -> bool:
    return atom.array


def _reduce(r: Ranges, op: Op, slot: int) -> AffineExpr:
    """max and min are elements, where there are any; a count of true elements is at most the number of them."""
    x, kind, v = op.operands[0], op.attrs["kind"], op.results[0]
    if kind in ("max", "min"):
        sizes = [r.size(x.type.dims[k]) for k in op.attrs["axes"]]
        if all(r.facts.nonneg(n.add(-1)) for n in sizes):
            return somewhere(r, v, [r.form(x)])
    elif kind == "sum":
        form = r.form(x)
        if form.low >= 0:
            most = form.high
            for k in op.attrs["axes"]:
                most *= max(r.size(x.type.dims[k]).high, 0)
            if most <= limits(v.type.dtype)[1]:
                return opaque(r.facts, v, 0, max(most, 0))
    return opaque(r.facts, v)


def _scan(r: Ranges, op: Op, slot: int) -> AffineExpr:
    if op.attrs["kind"] in ("max", "min"):
        return somewhere(r, op.results[0], [r.form(op.operands[0])])
    return opaque(r.facts, op.results[0])


def _update(r: Ranges, op: Op, slot: int) -> AffineExpr:
    return somewhere(r, op.results[0], [r.form(op.operands[0]), r.form(op.operands[1])])


def _same(r: Any, op: Op, slot: int) -> AffineExpr:
    return r.form(op.operands[0])


FORMS = {
    "add": _add, "sub": _sub, "neg": _neg, "mul": _mul, "floordiv": _floordiv, "mod": _mod, "max": _extreme(1),
    "min": _extreme(-1), "abs": _abs, "sign": _sign, "and": _and, "shl": _shift, "shr": _shift, "cast": _cast,
    "select": _select, "stop_gradient": _same, "dim": _dim, "wrap": _wrap, "argreduce": _argreduce, "argsort": _argsort,
    "iota": _iota, "nonzero": _nonzero, "searchsorted": _searchsorted, "lu": _lu,
    "slice": _element(1), "gather": _element(1), "reshape": _element(1), "transpose": _element(1), "broadcast": _element(1),
    "sort": _element(1), "reduce": _reduce, "scan": _scan, "update": _update, "scatter": _update,
}
