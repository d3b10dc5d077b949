"""What the caller's arrays hold after a call that raises at run time: all that was written before, as in Python.

    x[0] = 1                    %x1 = update %x, 1, 0
    if c: raise KeyError        if %c { check false, %x1 {error="KeyError", states=(0,)} }

A raise or an assertion says so wherever it stands. A check that the program does not write (of an index, a divisor) does so
outside of loops only: in a loop it would have to wait for the stores of its iteration, and could not be taken out of the loop.
"""
from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from ...ir.build import Builder
from ...ir.core import Const, Value
from ...ir.opdef import OpDef
from ...ir.ops.checks import Message, wrap_message
from ...ir.transforms.simplify import peephole
from ..tracing import Trace
from ..values import index_bounds
from ..values.boxes import ArrayBox


def states(trace: Trace) -> dict[int, Value]:
    """Of each of the caller's arrays that has been changed: its parameter's number, and its value."""
    if not trace.written or sum(s.kind == "function" for s in trace.scopes) > 1:
        return {}
    return {k: box._value for k, box, param in trace.written
            if type(box) is ArrayBox and box._value is not None and box._value is not param}


def comes_late(trace: Trace) -> bool:
    """Whether an exception that is raised here for sure must wait for run time: it may not be reached, or another one comes
    first, or something that is seen from outside was done before it."""
    return (any(s.kind != "function" or any(op.defn.effect for op in s.block.walk()) for s in trace.scopes)
            or _changed(trace))


def _changed(trace: Trace) -> bool:
    """Whether the caller would see what the program has done so far."""
    return bool(states(trace)) or (trace.telling is not None and trace.telling.changed())


def check(trace: Trace, cond: Value, values: Sequence[Value], error: str, message: Message) -> None:
    """A check that the program writes."""
    if trace.telling is not None:
        trace.telling(trace, cond)
    found = states(trace)
    trace.failing.update(found)
    attrs: dict[str, Any] = {"states": tuple(found)} if found else {}
    with trace.telling.done() if trace.telling is not None else nullcontext():
        trace.builder.emit("check", cond, *values, *found.values(), error=error, message=message, **attrs)


def observing(trace: Trace) -> Any:
    """The peephole of a trace: checks that NumPy or Python makes leave the caller's arrays as they are at their place."""
    def emit(builder: Builder, defn: OpDef, operands: tuple, attrs: dict) -> Any:
        if defn.name in ("check", "wrap") and "states" not in attrs and not any(s.kind == "loop" for s in trace.scopes):
            if defn.name == "check" and not isinstance(operands[0], Const) and _changed(trace):
                check(trace, operands[0], operands[1:], attrs["error"], attrs["message"])
                return ()
            if defn.name == "wrap" and not operands[0].type.dims and not index_bounds.on_axis(*operands) and _changed(trace):
                i, n = operands
                inside = builder("and", builder("ge", i, builder("neg", n)), builder("lt", i, n))
                check(trace, inside, operands, "BoundsError", wrap_message(attrs["axis"]))
        return peephole(builder, defn, operands, attrs)
    return emit
