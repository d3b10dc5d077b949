"""Kinks along one line: |x| and |c x|, |x - y| and |y - x|, whose products are smooth.

    |x - y| |y - x| = -(x - y) (y - x)              |x| |c x| = ±x (c x)
"""
from __future__ import annotations

import itertools
import math

from ...ir.analysis.patterns import number
from ...ir.build import Builder, Expr, key_of
from ...ir.core import Value


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
