"""Kinks along one line: |x| and |c x|, |x - y| and |y - x|, whose products are smooth.

    |x - y| |y - x| = -(x - y) (y - x)              |x| |c x| = ±x (c x)

And whether a value touches another where a root is some number: of lines through the root and pieces of such.
"""
from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass

from ...ir.analysis.patterns import number
from ...ir.build import Builder, Expr, key_of
from ...ir.core import Const, Value

_PIECES_OF_LINES: dict[str, Callable] = {"neg": operator.neg, "add": operator.add, "sub": operator.sub, "mul": operator.mul,
                                         "abs": abs, "max": max, "min": min}
FACTORS_OF = {"mul": 2, "neg": 1, "div": 1}   # products, and how many of their operands are factors
_LONG = 48                                     # ops of a value that is followed


@dataclass(frozen=True)
class Factors:
    """A product: each kink to its exponent, times each (value, whether it divides), negated or not."""

    kinks: dict[Value, int]
    rest: tuple[tuple[Value, bool], ...] = ()
    negative: bool = False

    def __mul__(self, other: Factors) -> Factors:
        kinks = dict(self.kinks)
        for kink, exponent in other.kinks.items():
            kinks[kink] = kinks.get(kink, 0) + exponent
        return Factors(kinks, self.rest + other.rest, self.negative != other.negative)

    def over(self, divisor: Value) -> Factors:
        return Factors(self.kinks, (*self.rest, (divisor, True)), self.negative)

    def __neg__(self) -> Factors:
        return Factors(self.kinks, self.rest, not self.negative)

    def raised(self, exponent: int) -> Factors:
        return Factors({kink: e * exponent for kink, e in self.kinks.items()}, self.rest * exponent,
                       self.negative and exponent % 2 == 1)


def alike(b: Builder, kinks: dict[Value, int]) -> list[Expr]:
    """|u| |v| → ±u v of u and v along one line; the exponents of such kinks become less."""
    parts: list[Expr] = _norms(b, kinks)
    lines = {kink: _line(kink) for kink, exponent in kinks.items() if exponent % 2}
    for (one, u), (other, v) in itertools.combinations(lines.items(), 2):
        if u is None or v is None or u[:2] not in (v[:2], v[1::-1]) or not kinks[one] % 2 or not kinks[other] % 2:
            continue
        product = b.expr(one.maker.operands[0]) * b.expr(other.maker.operands[0])
        parts.append(product if (u[2] == v[2]) == (u[:2] == v[:2]) else -product)
        kinks[one], kinks[other] = kinks[one] - 1, kinks[other] - 1
    return parts


def _norms(b: Builder, kinks: dict[Value, int]) -> list[Expr]:
    """|u| |c u| → |c| u @ u of norms of vectors along one line."""
    parts: list[Expr] = []
    known = {kink: found for kink, exponent in kinks.items() if exponent % 2 and (found := _norm(kink)) is not None}
    for (one, u), (other, v) in itertools.combinations(known.items(), 2):
        if u[0] == v[0] and kinks[one] % 2 and kinks[other] % 2:
            parts.append(b.expr(one.maker.operands[0]) * (v[1] / u[1]))
            kinks[one], kinks[other] = kinks[one] - 1, kinks[other] - 1
    return parts


def _norm(kink: Value) -> tuple[object, float] | None:
    """(what norm of which x, |c|) of the norm of a vector c x."""
    op = kink.maker
    total = op.operands[0].op if op.defn.name in ("sqrt", "root") else None
    if total is None or total.defn.name not in ("reduce", "dot"):
        return None
    if total.defn.name == "dot":
        (v, w), attrs = total.operands, (total.attrs["contract"], total.attrs["batch"])
    elif (square := total.operands[0].op) is not None and square.defn.name == "mul" and total.attrs["kind"] == "sum":
        (v, w), attrs = square.operands, total.attrs["axes"]
    else:
        return None
    c = 1.0
    if v is not w or v.type.dtype.complex:
        return None
    while (found := multiple(v)) is not None and 0 < abs(c * found[1]) < math.inf:
        v, c = found[0], c * found[1]
    return (key_of(v), total.defn.name, attrs), abs(c)


def _line(kink: Value) -> tuple[object, object, bool] | None:
    """(x, y, whether c is negative) of a kink |c (x - y)|, by their keys; y is None of |c x|."""
    op = kink.maker
    if op.defn.name != "abs" or op.operands[0].type.dtype.complex:
        return None
    (v,), negative = op.operands, False
    while (found := multiple(v)) is not None:
        v, negative = found[0], negative != (found[1] < 0)
    if v.op is not None and v.op.defn.name == "sub":
        x, y = map(key_of, v.op.operands)
        return x, y, negative
    return key_of(v), None, negative


def multiple(v: Value) -> tuple[Value, float] | None:
    """(x, c) of c x."""
    if v.op is None or v.op.defn.name not in ("neg", "mul"):
        return None
    if v.op.defn.name == "neg":
        return v.op.operands[0], -1.0
    for x, other in itertools.permutations(v.op.operands):
        c = number(other)
        if isinstance(c, float) and c and math.isfinite(c):
            return x, c
    return None


# --- values by a root

def shown(v: Value) -> Value:
    """What a value is for derivatives."""
    while v.op is not None and v.op.defn.name == "surrogate":
        v = v.op.operands[1]
    return v


def is_constant(v: Value) -> bool:
    while v.op is not None and v.op.defn.name == "broadcast":
        v = v.op.operands[0]
    return v.__class__ is Const


def along(v: Value, root: Value) -> float | None:
    """The slope of a multiple of the root and a number; None of anything else."""
    slope, v = 1.0, shown(v)
    while v is not root and not is_constant(v):
        if (found := multiple(v)) is not None:
            v, slope = shown(found[0]), slope * found[1]
        elif (op := v.op) is not None and op.defn.name in ("add", "sub") and any(map(is_constant, op.operands)):
            k = int(is_constant(op.operands[0]))
            v, slope = shown(op.operands[k]), -slope if k and op.defn.name == "sub" else slope
        else:
            return None
    return slope if v is root else 0.0


def where(x: Value, y: Value | None, root: Value) -> float | None:
    """The number that the root is where two lines through it cross."""
    slope, other = along(x, root), 0.0 if y is None else along(y, root)
    if slope is None or other is None or slope == other:
        return None
    one, two = _straight(x, root, 0.0), 0.0 if y is None else _straight(y, root, 0.0)
    return None if one is None or two is None else (two - one) / (slope - other)


def _straight(v: Value, root: Value, x: float, known: dict[Value, float | None] | None = None) -> float | None:
    """A value made of pieces of lines through the root, where that is x; None of what bends between kinks."""
    v, known = shown(v), {} if known is None else known
    if v is root or is_constant(v):
        return x if v is root else number(v)
    if v not in known:
        known[v] = None                                        # of what has too many ops
        op = v.op
        if op is not None and op.defn.name in _PIECES_OF_LINES and len(known) <= _LONG and (
                op.defn.name != "mul" or any(map(is_constant, op.operands))):
            parts = [_straight(w, root, x, known) for w in op.operands]
            known[v] = None if None in parts else float(_PIECES_OF_LINES[op.defn.name](*parts))
    return known[v]


def touches(x: Value, y: Value | None, root: Value, place: float) -> bool:
    """Whether x - y may be 0 where the root has a value at which it has a corner: true of what is not known."""
    one, other = _straight(x, root, place), 0.0 if y is None else _straight(y, root, place)
    if one is None or other is None:
        return True
    exact = 0.0 in (one, other) and min(abs(one), abs(other)) != max(abs(one), abs(other)) > 1e-15     # max(|x|, 1e-12)
    return not exact and abs(one - other) <= 1e-9 * (1 + abs(other))
