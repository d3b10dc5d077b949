"""Kinks along one line: |x| and |c x|, |x - y| and |y - x|, whose products are squares.

    |x - y| |y - x| = (x - y)²              |x| |c x| = |c| x²
"""
from __future__ import annotations

import itertools
import math
from typing import Any

from ...ir.analysis.patterns import number
from ...ir.build import Builder, Expr, key_of
from ...ir.core import Value


def alike(b: Builder, kinks: dict[Value, int]) -> list[Expr]:
    """|x - y| |y - x| → (x - y)², and |x| |c x| → |c| x²; the exponents of such kinks become less."""
    parts: list[Expr] = []
    lines = {kink: _line(kink) for kink, exponent in kinks.items() if exponent % 2}
    for (one, u), (other, v) in itertools.combinations(lines.items(), 2):
        if u is None or v is None or u[0] != v[0] or not kinks[one] % 2 or not kinks[other] % 2:
            continue
        x = b.expr(u[1])
        parts.append(x * x * abs(v[2] / u[2]))
        kinks[one], kinks[other] = kinks[one] - 1, kinks[other] - 1
    return parts


def _line(kink: Value) -> tuple[Any, Value, float] | None:
    """(what tells a line from others, x, c) of a kink |x|, where x is c times what is told."""
    op = kink.maker
    if op.defn.name != "abs" or op.operands[0].type.dtype.complex:
        return None
    (x,), c = op.operands, 1.0
    v = x
    while (found := multiple(v)) is not None:
        v, c = found[0], c * found[1]
    if v.op is not None and v.op.defn.name == "sub":
        return frozenset(map(key_of, v.op.operands)), x, c
    return key_of(v), x, c


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
