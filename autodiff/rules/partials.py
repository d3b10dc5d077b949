"""Elementwise ops: what their declared partial derivatives contribute, the same in both modes.

    out = f(a, b)        forward    out_dot = f_a * a_dot + f_b * b_dot
                         reverse    a_bar += f_a * out_bar,  b_bar += f_b * out_bar

A partial that can be infinite where the other factor is 0 multiplies with `mulz`, for which 0 times anything is 0.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from ...ir.build import Builder, Expr
from ...ir.core import Const, Op, Value
from ...ir.types import Type
from .nonfinite_partials import times

if TYPE_CHECKING:
    from ...ir.opdef import Elementwise


def partial(op: Op, k: int, exprs: Sequence[Expr]) -> Value:
    """The partial derivative of an elementwise op by operand k, as a number or a value; `exprs` are its operands and result."""
    found = cast("Elementwise", op.defn).partials[k](*exprs)
    return found.value if isinstance(found, Expr) else found


def product(b: Builder, flow: Value, factor: Value, mulz: bool, steep: bool = False) -> Value | None:
    """`flow` (a tangent or cotangent; steep: see nonfinite_partials.py) times a partial; None where that is 0 for certain."""
    number = factor if isinstance(factor, (int, float)) else _scalar(factor)
    if number == 1:
        return flow
    if number == 0:
        return None
    if number == -1:
        return b("neg", flow)
    if not isinstance(factor, Value):
        factor = b.const(factor, flow.type.dtype)
    return times(b, flow, factor, mulz) if steep else b("mulz" if mulz else "mul", flow, factor)


def _scalar(value: Value) -> float | None:
    """The number of a rank-0 constant, else None."""
    return value.data.item() if isinstance(value, Const) and not value.data.ndim else None


def to_dims(b: Builder, flow: Value, like: Value) -> Value:
    """`flow` with the dimensions of `like`: repeated where it is a scalar that the op broadcast."""
    t = like.type
    return flow if flow.type == t else b.broadcast(flow, t.dims)


def to_operand(b: Builder, flow: Value, operand: Type) -> Value:
    """`flow` of the result's dimensions as a contribution to an operand: summed where the op broadcast a scalar."""
    return flow if operand.dims or not flow.type.dims else b.reduce(flow, "sum", range(len(flow.type.dims)))
