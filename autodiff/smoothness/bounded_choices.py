"""Choices between a value and a bound that it never passes: no kink, though the two may be equal.

    %m = max %q, 0.0        →   %m = surrogate (max %q, 0.0), %q          of a q that is a sum of squares

At q = 0 the two tie, and half of the slope of a square distance would be lost.
"""
from __future__ import annotations

import itertools

from ...ir.analysis.patterns import number
from ...ir.build import Builder, Expr
from ...ir.clone import copy_op, mapped
from ...ir.core import Op, Value
from ..rules.nonfinite_partials import least


def stated(builder: Builder, results: tuple[Value, ...], smooth: Expr | None) -> tuple[Value, ...]:
    """The results of an op, with the derivative of a smooth form where there is one."""
    if smooth is None:
        return results
    (value,) = results
    return builder.emit("surrogate", value, builder.broadcast(smooth.value, value.type.dims))


def larger(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    """max(q, 0) = q of a square distance q, which is never less: at q = 0 that is no tie."""
    results = copy_op(builder, op, mapping)
    for x, other in itertools.permutations(mapped(op.operands, mapping)):
        c = number(other)
        if isinstance(c, float) and x.type.dims == results[0].type.dims and least(x) == c:
            return stated(builder, results, builder.expr(x))
    return results


def smaller(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    """min(q, 0) = 0 of the same."""
    results = copy_op(builder, op, mapping)
    for x, other in itertools.permutations(mapped(op.operands, mapping)):
        c = number(other)
        if isinstance(c, float) and least(x) == c:
            return stated(builder, results, builder.expr(other))
    return results


def chosen(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    """where(q > c, q, c) = where(q >= c, q, c) of a q that is never less than c: q, or c where q is NaN."""
    results = copy_op(builder, op, mapping)
    condition, x, other = mapped(op.operands, mapping)
    c, asked = number(other), condition.op
    if not isinstance(c, float) or asked is None or asked.defn.name not in ("gt", "ge"):
        return results
    found = asked.operands[0] is x and number(asked.operands[1]) == c and x.type.dims == results[0].type.dims and least(x) == c
    return stated(builder, results, builder.expr(builder("select", builder("ge", x, other), x, other))) if found else results
