"""Steep flows: tangents and adjoints that may be infinite although every value of the program is finite.

    y = sqrt(s),  s = sum x^2  at x = 0        forward   s_dot = 2 x x_dot = 0,   y_dot = 0 * inf = 0     (rules/partials.py)
                                               reverse   s_bar = y_bar * inf,     x_bar = inf * 2 x

A derivative is a sum over paths of products of partials. Forward mode multiplies a path from its one end, reverse mode from the
other, and for both to find the same, a partial that is 0 must count wherever it stands: 0 times anything is 0, so x_bar is 0,
as y_dot is. Only what has passed an infinite partial can meet a 0 behind it, so only such flows pay for the comparison.

    y = 1 / (1 + e),  e = exp(-x) at x = -800  forward   e_dot = -inf x_dot,   y_dot = 0 e_dot = 0

A tangent *overflows* with its value: e is infinite, and where a later op forgets that (y = 0, with a partial of 0), so must its
tangent. An adjoint meets the 0 first. So what has passed an op that overflows pays at those ops that may forget it.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...ir.analysis.patterns import number
from ...ir.build import Builder, Expr
from ...ir.core import Block, Const, Op, Value
from ...ir.opdef import Elementwise

# Ops with a finite value where a partial is infinite. Not `log`, `div` or a negative power: there the value is infinite itself,
# and if it is used, so is the derivative.


def is_steep(op: Op) -> bool:
    """Whether an op may make a flow infinite. sqrt(d @ d + 0.1) may not."""
    if op.defn.name == "sqrt" and positive(op.operands[0]):
        return False
    if op.defn.name == "pow":
        y = op.operands[1]
        known = isinstance(y, Const) and not y.data.ndim and y.data.dtype.kind != "c" and (y.item >= 1 or y.item <= 0)
        return not known
    if op.defn.name == "sloped":
        return made_with(op.operands[2], _may_be_infinite, 2 * _DEPTH)
    return getattr(op.defn, "steep", False) or ("callee" in op.attrs and any(map(is_steep, op.attrs["callee"].body.walk())))


def _may_be_infinite(op: Op) -> bool:
    """Whether a slope that a program states may be infinite: the second of |x|^1.5 at 0, or that of a steep function, which is
    made with steep functions."""
    if op.defn.name in ("pow", "power_slope"):                 # the second is y x^(y - 1)
        exponent, least_exponent = _known(op.operands[1]), float(op.defn.name == "power_slope")
        return exponent is None or isinstance(exponent, complex) or exponent < least_exponent
    if op.defn.name in ("log", "log2", "log10", "div"):
        return not positive(op.operands[-1])
    return getattr(op.defn, "steep", False)


def _known(v: Value) -> Any:
    """The number that a value is, or the difference of two."""
    if v.op is None or v.op.defn.name != "sub":
        return number(v)
    a, b = map(number, v.op.operands)
    return None if a is None or b is None else a - b


def positive(v: Value) -> bool:
    """Whether a number, or each of an array, is certainly above 0, or NaN."""
    return least(v) > 0


def least(v: Value, depth: int = 10) -> float:
    """A number that no element of a real array is below, as far as its makers tell; what may underflow counts as 0."""
    dtype = np.dtype(v.type.dtype.np)
    if dtype.kind != "f" or (v.op is None and v.__class__ is not Const) or not depth:
        return -math.inf
    if isinstance(v, Const):
        found = float(np.min(v.data, initial=math.inf))
    else:
        found = _LEAST.get(v.maker.defn.name, _unknown)(v.maker, depth - 1)
    return -math.inf if math.isnan(found) else 0.0 if 0 < found < np.finfo(dtype).tiny else found


def _unknown(op: Op, depth: int) -> float:
    return -math.inf


def _least_of_first(op: Op, depth: int) -> float:
    return least(op.operands[0], depth)


def _least_sum(op: Op, depth: int) -> float:
    a = least(op.operands[0], depth)
    return a if a == -math.inf else a + least(op.operands[1], depth)


def _least_product(op: Op, depth: int) -> float:
    x, y = op.operands
    a = least(x, depth)
    if x is y:
        return max(a, 0.0) * max(a, 0.0)
    b = least(y, depth) if a >= 0 else -math.inf
    return a * b if b >= 0 else -math.inf


def _least_quotient(op: Op, depth: int) -> float:
    return 0.0 if all(least(x, depth) >= 0 for x in op.operands) else -math.inf


def _least_power(op: Op, depth: int) -> float:
    exponent = number(op.operands[1])
    if exponent is None or isinstance(exponent, complex) or not 0 < exponent < math.inf:
        return -math.inf
    a = _least_of_first(op, depth)
    if a < 0:
        return 0.0 if exponent % 2 == 0 else -math.inf
    return min(a, 1e100) ** min(exponent, 3.0) if a >= 1 else a ** exponent        # where it would overflow: less


def _least_of_all(op: Op, depth: int) -> float:
    a, kind = _least_of_first(op, depth), op.attrs["kind"]
    return a if kind in ("max", "min") else 0.0 if kind == "sum" and a >= 0 else -math.inf


_LEAST: dict[str, Callable[[Op, int], float]] = {
    "add": _least_sum, "mul": _least_product, "div": _least_quotient, "pow": _least_power, "reduce": _least_of_all,
    "max": lambda op, depth: max(least(x, depth) for x in op.operands),
    "min": lambda op, depth: min(least(x, depth) for x in op.operands),
    "dot": lambda op, depth: 0.0 if op.operands[0] is op.operands[1] and not op.results[0].type.dims else -math.inf,
    "sqrt": lambda op, depth: math.sqrt(max(_least_of_first(op, depth), 0.0)),
    "abs": lambda op, depth: max(_least_of_first(op, depth), 0.0), "exp": lambda op, depth: 0.0,
    **dict.fromkeys(("broadcast", "reshape", "transpose", "slice"), _least_of_first)}


# Ops that overflow to an infinity.
def forgets(op: Op) -> bool:
    """Whether an op is finite, with a partial of 0, where an operand is infinite."""
    return op.defn.__class__ is Elementwise and op.defn.forgets


def overflows(op: Op) -> bool:
    """Whether a tangent may become infinite with the value of an op."""
    return getattr(op.defn, "overflows", False) or ("callee" in op.attrs and any(map(overflows,
                                                                                     op.attrs["callee"].body.walk())))


_KEEPS = frozenset({"add", "sub", "mul", "mulz", "neg", "div", "pow", "broadcast", "reshape", "transpose", "slice", "select"})
_DEPTH = 6                 # how far back an overflow is looked for


def forgotten(body: Block) -> set[Value]:
    """The values from which something is computed that may forget an infinity in them."""
    found: set[Value] = set()
    for op in reversed(list(body.walk())):
        name = op.defn.name
        if forgets(op):
            found.update(op.operands[1:] if name == "div" else op.operands)
        if name in _KEEPS and any(r in found for r in op.results):
            found.update(op.operands)
    return found


def may_overflow(v: Value) -> bool:
    """Whether a value may be infinite because one that it is computed from overflows, where its adjoint may well be 0."""
    return made_with(v, overflows)


def made_with(v: Value, test: Callable[[Op], bool], depth: int = _DEPTH) -> bool:
    """Whether an infinity of an op that is asked for may have reached a value."""
    op = v.op
    if op is None or not depth:
        return False
    if test(op):
        return True
    operands = op.operands[:1] if op.defn.name == "div" else op.operands
    return op.defn.name in _KEEPS and any(made_with(x, test, depth - 1) for x in operands)


class Steep:
    """Which flows of a derivative are steep: those that are marked, and what is computed from them. `may`: what marks."""

    def __init__(self, may: Callable = is_steep):
        self.may = may
        self.marked: set[Value] = set()
        self.memo: dict[Value, bool] = {}

    def __contains__(self, v: Value) -> bool:
        if not self.marked:
            return False
        pending = [v]
        while pending:
            top = pending[-1]
            if top in self.memo:
                pending.pop()
                continue
            if top in self.marked or top.op is None:
                self.memo[top] = top in self.marked
                continue
            below = [*top.op.operands, *[y for region in top.op.regions for y in region.yields]]
            open_ = [x for x in below if x not in self.memo]
            if open_:
                pending += open_
            else:
                self.memo[top] = any(self.memo[x] for x in below)
        return self.memo[v]

    def passed(self, op: Op, flow: Value, result: Value | None) -> None:
        """A flow has passed a partial of an op."""
        if result is not None and result is not flow and self.may(op):
            self.marked.add(result)

    def carries(self, op: Op, inits: Sequence[Value]) -> bool:
        """Whether what a loop carries of flows is steep: it is on entry, or may become so in an iteration."""
        return any(v in self for v in inits) or any(map(self.may, op.regions[-1].walk()))


def times(b: Builder, flow: Value, factor: Value, mulz: bool) -> Value:
    """A steep flow times a partial: 0 where the partial is, and with `mulz` where the flow is. Where the partial is 0 its own
    derivative still counts, that of the flow does not: the product has the derivative of `mulz` with what is 0 in front."""
    if not mulz:
        return b("mulz", factor, flow)
    zero, product = b.const(0, flow.type.dtype), b("mulz", flow, factor)
    none = b("eq", factor, b.const(0, factor.type.dtype))
    only = b("and", none, b("ne", flow, zero))
    return b("surrogate", b("select", none, zero, product), b("select", only, b("mulz", factor, flow), product))


def beside_pole(b: Builder, x: Value, factor: Value) -> Value:
    """The partial of x * factor by x, where x may be infinite at a pole: NaN where the product is."""
    nan = b.const(math.nan, factor.type.dtype)
    if factor.__class__ is Const and number(factor) == 0:
        return b("select", b("isfinite", x), factor, nan)
    return b("select", b("isnan", b("mul", x, factor)), nan, factor)


def forgotten_pole(x: Expr, out: Expr, partial: Expr) -> Expr:
    """The partial of an op that forgets that x is infinite at a pole: NaN there."""
    return (x.isinf() & out.isfinite()).select(math.nan, partial)
