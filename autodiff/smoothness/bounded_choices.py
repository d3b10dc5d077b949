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
from .kink_lines import multiple


def stated(builder: Builder, results: tuple[Value, ...], smooth: Expr | None) -> tuple[Value, ...]:
    """The results of an op, with the derivative of a smooth form where there is one."""
    if smooth is None:
        return results
    (value,) = results
    return builder.emit("surrogate", value, builder.broadcast(smooth.value, value.type.dims))


def beside(x: Value, c: float) -> int:
    """1 of an x that is never less than c, as far as its makers tell, -1 of one that is never more, else 0."""
    if least(x) == c:
        return 1
    found = multiple(x)
    if found is None and x.op is not None and x.op.defn.name == "mul":             # (-a) a
        one, other = x.op.operands
        negative = any(v.op is not None and v.op.defn.name == "neg" and v.op.operands[0] is w
                       for v, w in ((one, other), (other, one)))
        return -1 if c == 0 and negative else 0
    return -1 if c == 0 and found is not None and found[1] < 0 and least(found[0]) == 0 else 0


def larger(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    """max(q, 0) = q of a square distance q, which is never less: at q = 0 that is no tie."""
    return _extreme(builder, op, mapping, 1)


def smaller(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    """min(q, 0) = 0 of the same, and min(-q, 0) = -q."""
    return _extreme(builder, op, mapping, -1)


def _extreme(builder: Builder, op: Op, mapping: dict[Value, Value], side: int) -> tuple[Value, ...]:
    results = copy_op(builder, op, mapping)
    for x, other in itertools.permutations(mapped(op.operands, mapping)):
        c = number(other)
        if isinstance(c, float) and x.type.dims == results[0].type.dims and (found := beside(x, c)):
            return stated(builder, results, builder.expr(x if found == side else other))
    return results


# comparison: (the same with its operands exchanged; on which sides of c the comparison of q with c takes its first choice)
_COMPARED = {"gt": ("lt", (1,)), "ge": ("le", (1,)), "lt": ("gt", (-1,)), "le": ("ge", (-1,)), "ne": ("ne", (1, -1)),
             "eq": ("eq", ())}


def chosen(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    """where(q > c, q, c) = where(q >= c, q, c) of a q that is never less than c: q, or c where q is NaN. where(q <= c, c, q) is
    q itself, and so on; where(q > 0, q, -q) is q."""
    results = copy_op(builder, op, mapping)
    condition, *choices = mapped(op.operands, mapping)
    asked = condition.op
    if asked is None or asked.defn.name not in _COMPARED:
        return results
    name, (q, bound) = asked.defn.name, asked.operands
    if isinstance(number(q), float):
        name, q, bound = _COMPARED[name][0], bound, q
    c = number(bound)
    first = q is choices[0]
    other = choices[first]
    if not isinstance(c, float) or q is not choices[not first] or q.type.dims != results[0].type.dims:
        return results
    side = beside(q, c)
    if side and c == 0 and multiple(other) == (q, -1.0):       # where(q >= 0, q, -q): the two are equal where q is 0
        return stated(builder, results, builder.expr(choices[side not in _COMPARED[name][1]]))
    if not side or number(other) != c or (side in _COMPARED[name][1]) != first:
        return results
    if not first or name == "ne":
        return stated(builder, results, builder.expr(q))
    return stated(builder, results, builder.expr(builder("select", builder("ge" if side > 0 else "le", q, other), q, other)))
