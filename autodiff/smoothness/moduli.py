"""|x| in the other forms that programs write it in, stated as that: the kinks of one x are one kink then.

    %r = sqrt (mul %x, %x)                 →   %r = surrogate (sqrt …), (abs %x)
    %r = hypot (mul %q, 3.0), (mul %q, 4.0)    →   %r = surrogate (hypot …), (mul (abs %q), 5.0)

So are copysign(x, 1), max(x, -x), the root of a sum of squares that are multiples of one, and of the square of an only element.
The modulus of what is never negative is that itself: hypot(x², x²) is √2 x², without a kink. The larger of two rows is that of
two values, which other kinks of the same two can meet.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ...ir.analysis.patterns import number
from ...ir.build import Builder, Expr, key_of
from ...ir.clone import copy_op, mapped
from ...ir.core import Op, Value
from ...ir.types import Dim
from .bounded_choices import beside, stated
from .kink_lines import FACTORS_OF, multiple, shown

# powers of the first operand, to their exponents; None: the second operand
_POWERS = {"sqrt": 0.5, "root": 0.5, "cbrt": 1 / 3, "pow": None, "norm_root": None}
_ABOVE = {"gt": True, "ge": True, "lt": False, "le": False}
_WHOLE = range(1, 9)           # powers that are written as products
_DEPTH = 6
_FEW = 4                       # rows that are told apart


class Size(NamedTuple):
    """c |x|^p, c > 0."""

    x: Value
    p: float
    c: float


def modulus(b: Builder, x: Value) -> Expr:
    """|x|."""
    side = beside(shown(x), 0.0)
    return (b.expr(x) if side > 0 else -b.expr(x)) if side else b.expr(b("abs", x))


def or_modulus(rule: Callable) -> Callable:
    """Another form of a modulus as that, else by the rule."""
    def state(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        smooth = _as_modulus(builder, op, mapped(op.operands, mapping))
        return rule(builder, op, mapping) if smooth is None else stated(builder, copy_op(builder, op, mapping), smooth)
    return state


def _as_modulus(b: Builder, op: Op, operands: Sequence[Value]) -> Expr | None:
    """The result of an op on these operands, as a multiple of a modulus or of a square; None where it is neither."""
    if operands[0].type.dtype.complex or not operands[0].type.dtype.inexact:
        return None
    found, sign = _made(b, op, operands)
    if found is None or found.p not in _WHOLE or found.x.type.dims != op.results[0].type.dims:
        return None
    limits = np.finfo(found.x.type.dtype.np)
    if not limits.tiny <= found.c <= limits.max:
        return None
    size = modulus(b, found.x) if found.p % 2 else b.expr(found.x) * b.expr(found.x)
    for _ in range(int(found.p - 1) // 2 if found.p > 2 else 0):
        size = size * (b.expr(found.x) * b.expr(found.x))
    c = math.copysign(found.c, sign)
    return size if c == 1 else -size if c == -1 else size * c


def _made(b: Builder, op: Op, operands: Sequence[Value]) -> tuple[Size | None, float]:
    """What an op makes of sizes, and its sign."""
    name, first = op.defn.name, operands[0]
    match name:
        case "hypot":
            one, other = (_of_product(b, *line(shown(v))) or _first_power(v) for v in operands)
            if not one.c or not other.c:
                return (one if one.c else other), 1.0
            same = key_of(one.x) == key_of(other.x) and one.p == other.p
            return (Size(one.x, one.p, math.hypot(one.c, other.c)) if same else None), 1.0
        case "abs":
            return _of_product(b, *line(shown(first))), 1.0
        case "copysign":
            sign = number(operands[1])
            return (_first_power(first), sign) if isinstance(sign, float) and not math.isnan(sign) else (None, 1.0)
        case "mul":
            return _signed(*operands)
        case "max" | "min":
            if _opposite(*operands):
                return _first_power(first), 1.0 if name == "max" else -1.0
            return _larger(name, *[size_of(b, v) for v in operands]), 1.0
    exponent = number(operands[1]) if _POWERS[name] is None else _POWERS[name]
    if not isinstance(exponent, float) or not 0 < exponent < 1:
        return None, 1.0
    inner = size_of(b, first)
    return (inner and _raised(inner, exponent)), 1.0


def _of_product(b: Builder, v: Value, c: float) -> Size | None:
    """|c v| of a power of a size, or a product of two multiples of one value."""
    size, op = size_of(b, v), v.op
    if size is None and op is not None and op.defn.name == "mul":
        (x, d), (y, e) = map(line, op.operands)
        size = Size(x, 2, abs(d * e)) if key_of(x) == key_of(y) else None
    return size and size._replace(c=size.c * abs(c))


def _larger(name: str, one: Size | None, other: Size | None) -> Size | None:
    """The larger or smaller of c |x|^p and d |x|^p."""
    if one is None or other is None or key_of(one.x) != key_of(other.x) or one.p != other.p:
        return None
    return one._replace(c=(max if name == "max" else min)(one.c, other.c))


def _signed(one: Value, other: Value) -> tuple[Size | None, float]:
    """sign(x) x = |x|."""
    for v, w in ((one, other), (other, one)):
        v, k = line(v)
        if v.op is not None and v.op.defn.name == "sign":
            (x, c), (y, d) = line(v.op.operands[0]), line(w)
            if key_of(x) == key_of(y):
                return Size(y, 1, abs(d * k)), math.copysign(1.0, c * d * k)
    return None, 1.0


def line(v: Value) -> tuple[Value, float]:
    """(x, c) of a value c x; c is 0 of a constant 0."""
    c = 1.0
    while (found := multiple(v)) is not None and 0 < abs(c * found[1]) < math.inf:
        v, c = found[0], c * found[1]
    return v, 0.0 if number(v) == 0 else c


def common(x: Value, y: Value) -> tuple[Value, float, float] | None:
    """(u, c, d) of c u and d u, two different multiples of a real number."""
    if not x.type.dtype.inexact or x.type.dtype.complex or x.type != y.type:
        return None
    (u, c), (v, d) = line(x), line(y)
    return (u, c, d) if key_of(u) == key_of(v) and 0 not in (c, d) and c != d else None


def _first_power(v: Value) -> Size:
    x, c = line(v)
    return Size(x, 1, abs(c))


def _raised(size: Size, exponent: float) -> Size:
    with np.errstate(all="ignore"):
        return Size(size.x, round(size.p * exponent, 12), float(np.float64(size.c) ** exponent))


def size_of(b: Builder, v: Value, depth: int = _DEPTH) -> Size | None:
    """A value as a power of a size, as it is for derivatives or else as it is written."""
    smooth = shown(v)
    found = _size_of(b, smooth, depth)
    while found is None and v is not smooth:
        v = v.maker.operands[0] if v.maker.defn.name == "surrogate" else smooth
        found = _size_of(b, v, depth)
    return found


def _size_of(b: Builder, v: Value, depth: int) -> Size | None:
    if v.op is None or not depth or v.type.dtype.complex:
        return None
    name, operands = v.op.defn.name, v.op.operands
    match name:
        case "abs":
            return _first_power(operands[0])
        case "select":
            return _first_power(operands[1]) if _chooses_size(*operands) else None
        case "mul":
            return _product(b, operands[0], operands[1], depth - 1)
        case "add":
            return _sum_of([size_of(b, x, depth - 1) for x in operands])
        case _ if name in _POWERS:
            return _power(b, operands[0], number(operands[1]) if _POWERS[name] is None else _POWERS[name], depth - 1)
        case _ if v.op.defn.view and v.op.defn.moves and not v.op.defn.reads:
            inner = size_of(b, operands[0], depth - 1)
            if inner is None or inner.x.type.dims != operands[0].type.dims:
                return None
            return inner._replace(x=b(v.op.defn, inner.x, *operands[1:], **v.op.attrs))
    return _only(b, v.op, depth - 1)


def _chooses_size(asked: Value, x: Value, y: Value) -> bool:
    """Whether where(x >= 0, x, -x), where(x < 0, -x, x) and so on choose what is not negative."""
    if asked.op is None or asked.op.defn.name not in _ABOVE or not _opposite(x, y):
        return False
    name, (v, bound) = asked.op.defn.name, asked.op.operands
    above = _ABOVE[name]
    if number(v) == 0:
        v, bound, above = bound, v, not above
    (one, c), (base, d) = line(v), line(x)
    return number(bound) == 0 and key_of(one) == key_of(base) and (c * d > 0) == above


def _product(b: Builder, one: Value, other: Value, depth: int) -> Size | None:
    first = size_of(b, one, depth)
    if one is other:
        return _raised(first or _first_power(one), 2.0)
    for v, factor in ((one, other), (other, one)):
        c = number(factor)
        if isinstance(c, float):
            inner = size_of(b, v, depth) if c > 0 else None
            return inner and inner._replace(c=inner.c * c)
    (x, c), (y, d) = line(one), line(other)
    if key_of(x) == key_of(y) and c * d > 0:
        return Size(x, 2, c * d)
    second = size_of(b, other, depth) if first is not None else None
    same = first is not None and second is not None and key_of(first.x) == key_of(second.x)
    return Size(first.x, first.p + second.p, first.c * second.c) if same and first and second else None


def _power(b: Builder, v: Value, exponent: object, depth: int) -> Size | None:
    if not isinstance(exponent, (int, float)) or not 0 < exponent < math.inf:
        return None
    inner = size_of(b, v, depth)
    if inner is None and exponent % 2 == 0:
        inner = _first_power(v)
    return inner and _raised(inner, exponent)


def _only(b: Builder, op: Op, depth: int) -> Size | None:
    """That of a sum over axes of length 1."""
    if len(op.results) != 1 or not op.operands:
        return None
    v, first = op.results[0], op.operands[0]
    if op.defn.name == "reduce" and op.attrs["kind"] == "sum":
        axes = op.attrs["axes"]
        if len(axes) == 1 and first.type.dims[axes[0]] != 1:
            return _sum_of(_sizes(b, first, axes[0], depth))
        inner = size_of(b, first, depth)
    elif op.defn.name == "dot" and first is op.operands[1] and not v.type.dims:
        axes, inner = op.attrs["contract"][0], _raised(_first_power(first), 2.0)
    else:
        return None
    dims = first.type.dims
    if inner is None or inner.x.type.dims != dims or any(dims[k] != 1 for k in axes):
        return None
    return inner._replace(x=b.reshape(inner.x, [d for k, d in enumerate(dims) if k not in axes]))


def _sizes(b: Builder, v: Value, axis: int, depth: int) -> list[Size | None]:
    """The sizes of the rows of an array that is put together of rows, and of its powers."""
    rank, v = v.type.rank, shown(v)
    if v.op is None or not depth or v.type.rank != rank:       # a number that stands for an array of one
        return []
    if (rows := _rows(b, v, axis, _FEW)) is not None:
        return [size_of(b, row, depth) for row in rows]
    name, (x, *others) = v.op.defn.name, v.op.operands or (None,)
    exponent = {"abs": 1.0, "mul": 2.0 if others and others[0] is x else None, "pow": others and number(others[0])}.get(name)
    if x is None or not isinstance(exponent, (int, float)) or not 0 < exponent < math.inf:
        return []
    inner = _sizes(b, x, axis, depth - 1)
    if name == "abs" or exponent % 2 == 0:
        rows = _rows(b, shown(x), axis, _FEW) if shown(x).type.rank == rank else None
        inner = [size or _first_power(row) for size, row in zip(inner, rows or ())] or inner
    return [size and _raised(size, exponent) for size in inner]


def _sum_of(sizes: Sequence[Size | None]) -> Size | None:
    known = [size for size in sizes if size is not None]
    if not known or len(known) < len(sizes) or any(key_of(s.x) != key_of(known[0].x) or s.p != known[0].p for s in known):
        return None
    return known[0]._replace(c=sum(size.c for size in known))


def _opposite(x: Value, y: Value) -> bool:
    """Whether one is the other's negative."""
    (one, c), (other, d) = line(x), line(y)
    return key_of(one) == key_of(other) and c == -d != 0


def vanishes_with(v: Value, x: Value, depth: int = _DEPTH) -> bool:
    """Whether a value is x times something: x, x * x, x**3."""
    while v is not x and v.op is not None and v.op.defn.name == "surrogate":
        v = v.op.operands[0]                                   # as it is written: x² of |x|² has no |x| in it
    if v is x or v.op is None or not depth:
        return v is x
    name, operands = v.op.defn.name, v.op.operands
    if name == "pow":
        exponent = number(operands[1])
        return operands[0] is x and isinstance(exponent, (int, float)) and exponent >= 1
    return any(vanishes_with(w, x, depth - 1) for w in operands[:FACTORS_OF.get(name, 0)])


# --- cubes --------------------------------------------------------------------------------------------------------------

def _is_product_with_itself(v: Value) -> bool:
    return v.op is not None and v.op.defn.name == "mul" and v.op.operands[0] is v.op.operands[1]


def cube_root(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    """cbrt(x * x * x) = x."""
    results = copy_op(builder, op, mapping)
    (power,) = mapped(op.operands, mapping)
    if power.op is None or power.type.dtype.complex:
        return results
    name, (x, *others) = power.op.defn.name, power.op.operands
    cube = name == "pow" and number(others[0]) == 3
    for twice, y in ((x, others[0]), (others[0], x)) if name == "mul" else ():
        if _is_product_with_itself(twice) and twice.maker.operands[0] is y:
            x, cube = y, True
    return stated(builder, results, builder.expr(x)) if cube else results


# --- the larger and the smaller of two --------------------------------------------------------------------------------------

_BESIDE = {"max": "min", "min": "max"}


def larger_and_smaller(u: Value, v: Value) -> tuple[Value, ...] | None:
    """The x and y of max(x, y) and min(x, y), in either order."""
    u, v = shown(u), shown(v)
    if u.op is None or v.op is None or _BESIDE.get(u.op.defn.name) != v.op.defn.name:
        return None
    return u.op.operands if set(map(key_of, u.op.operands)) == set(map(key_of, v.op.operands)) else None


def spread(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    """max(x, y) - min(x, y) = |x - y|. x - x depends on nothing: at a pole of 1/(x - x) its slope is 0 in both modes."""
    results = copy_op(builder, op, mapping)
    u, v = mapped(op.operands, mapping)
    if key_of(u) == key_of(v) and u.type.dtype.inexact:
        return stated(builder, results, builder.expr(builder.const(0, u.type.dtype)))
    if (both := larger_and_smaller(u, v)) is None:
        return results
    size = (builder.expr(both[0]) - builder.expr(both[1])).abs()
    return stated(builder, results, size if shown(u).maker.defn.name == "max" else -size)


# --- extremes of few ----------------------------------------------------------------------------------------------------

def largest(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    """Reductions, of which the largest of few is that of two values."""
    found = _extreme(builder, op, mapped(op.operands, mapping))
    if found is None:
        return copy_op(builder, op, mapping)
    chosen = found.op
    if chosen is None or chosen.defn.name not in ("max", "min"):
        return (found,)
    smooth = _as_modulus(builder, chosen, chosen.operands)
    return stated(builder, (found,), smooth)


def _extreme(b: Builder, op: Op, operands: Sequence[Value]) -> Value | None:
    """The largest or smallest of two rows, as that of two values; of one row, that row."""
    if op.attrs["kind"] not in ("max", "min") or len(op.attrs["axes"]) != 1 or not operands[0].type.dtype.inexact:
        return None
    rows = None if operands[0].type.dtype.complex else _pair(b, operands[0], op.attrs["axes"][0])
    if rows is None:
        return None
    return rows[0] if len(rows) == 1 else b(op.attrs["kind"], *rows)


def _pair(b: Builder, v: Value, axis: int) -> list[Value] | None:
    """The one row or the two rows of an array."""
    if (rows := _rows(b, v, axis, 2)) is not None or v.type.dims[axis] != 2:
        return rows
    spec = "".join("i" if k == axis else ":" for k in range(len(v.type.dims)))
    return [b("slice", v, b.index(k), spec=spec) for k in range(2)]


def few_rows(b: Builder, v: Value, axes: Sequence[int]) -> list[Value] | None:
    """The rows of an array that is put together of few."""
    return _rows(b, v, axes[0], _FEW) if len(axes) == 1 and v.type.dtype.inexact and not v.type.dtype.complex else None


def _rows(b: Builder, v: Value, axis: int, most: int) -> list[Value] | None:
    """The parts of an array along an axis, where there are so few."""
    dims = v.type.dims
    kept = [d for k, d in enumerate(dims) if k != axis]
    if dims[axis] == 1:
        return [_reshaped(b, v, kept)]
    if v.op is None or v.op.defn.name != "concat" or v.op.attrs["axis"] != axis or len(v.op.operands) > most:
        return None
    return [_reshaped(b, x, kept) for x in v.op.operands] if all(x.type.dims[axis] == 1 for x in v.op.operands) else None


def _reshaped(b: Builder, v: Value, dims: Sequence[Dim]) -> Value:
    if v.op is not None and v.op.defn.name == "reshape" and v.op.operands[0].type.dims == tuple(dims):
        return v.op.operands[0]
    return b.reshape(v, dims)
