"""Integers that each iteration of a loop changes by the same amount.

    while … carry(%j = %i, …) { … yield %j - 1, … }        in iteration t, counted from 0, %j is %i - t

Integer arithmetic is exact (of machine integers: modulo a power of two), so nothing of them need be kept. Floats are not.
"""
from __future__ import annotations

from typing import Any, NamedTuple

from ...ir.core import Const, Op, Value
from ...ir.types import Type


class Step(NamedTuple):
    name: str              # "add" or "sub"
    by: Value              # from outside the loop


def step_of(loop: Any, k: int) -> Step | None:
    """How the loop of a frame steps its carried value k; None where it does something else to it."""
    param, y = loop.block.params[loop.fixed + k], loop.block.yields[k]
    if type(param.type) is not Type or param.type.dims or not param.type.dtype.integer:
        return None
    op = y.owner
    if not isinstance(op, Op) or op.defn.name not in ("add", "sub"):
        return None
    x, by = op.operands
    if op.defn.name == "add" and by is param:
        x, by = by, x
    if x is not param or (by.__class__ is not Const and loop.owns(by)):
        return None
    return Step(op.defn.name, by)


def stepped(loop: Any, k: int, step: Step) -> Value:
    """In the backward block of a loop, its carried value k at the start of the iteration."""
    b, init = loop.b, loop.op.operands[loop.fixed + k]
    change = b("mul", b.cast(loop.index, init.type.dtype), loop.get(step.by))
    return b(step.name, loop.parent.get(init), change)
