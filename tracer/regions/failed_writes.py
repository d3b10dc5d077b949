"""What the caller's arrays hold after a call that raises at run time: all that was written before, as in Python.

    x[0] = 1                    %x1 = update %x, 1, 0
    if c: raise KeyError        if %c { check false, %x1 {error="KeyError", states=(0,)} }

A raise or an assertion says so wherever it stands. A check that the program does not write (of an index, a divisor) says so of
arrays outside of loops only: in a loop it would have to wait for the stores of its iteration, and could not be taken out of the
loop. Of objects and lists (staging/failed_objects.py) it says so in loops, too.
"""
from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from ...ir.build import Builder
from ...ir.core import Block, Const, Value
from ...ir.opdef import OpDef
from ...ir.ops.checks import SHOWN, Message, wrap_message
from ...ir.transforms.simplify import peephole
from ..tracing import Trace
from ..values import slices
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
    return bool(states(trace)) or (trace.telling is not None and trace.telling.changed() is not None)


def check(trace: Trace, cond: Value, values: Sequence[Value], error: str, message: Message) -> None:
    """A check that the program writes. Arrays among the values, which its message shows, are told to Python where it fails."""
    arrays = [v for v in values if v.type.dims]
    if arrays:
        values = values[:len(values) - len(arrays)]
        told = Block()
        with trace.builder.at(told):
            trace.builder.emit("print", *arrays, format=SHOWN)
        trace.builder.emit("if", trace.builder("not", cond), regions=(told, Block()))
    if trace.telling is not None:
        for scope in trace.scopes:
            scope.tells = True
        trace.telling(trace, cond)
    found = states(trace)
    trace.failing.update(found)
    attrs: dict[str, Any] = {"states": tuple(found)} if found else {}
    with trace.telling.done() if trace.telling is not None else nullcontext():
        trace.builder.emit("check", cond, *values, *found.values(), error=error, message=message, **attrs)


def observing(trace: Trace) -> Any:
    """The peephole of a trace: checks that NumPy or Python makes leave what the caller has as it is at their place."""
    def emit(builder: Builder, defn: OpDef, operands: tuple, attrs: dict) -> Any:
        if _may_fail(defn, operands) and "states" not in attrs:
            if any(s.kind == "loop" for s in trace.scopes):
                if trace.telling is not None:
                    for scope in trace.scopes:
                        scope.tells = True                # a list of the caller's that grows has what came before
                    trace.telling.in_loop(trace, lambda: _condition(builder, defn, operands))
            elif _changed(trace):
                holds = _condition(builder, defn, operands)
                if defn.name == "check":
                    check(trace, holds, operands[1:], attrs["error"], attrs["message"])
                    return ()
                check(trace, holds, operands, "BoundsError", wrap_message(attrs["axis"]))
        return peephole(builder, defn, operands, attrs)
    return emit


def _may_fail(defn: OpDef, operands: tuple) -> bool:
    """Whether an op is a check, or an index that counts from the end where it is negative, and may be outside."""
    if defn.name == "check":
        return not isinstance(operands[0], Const)
    return defn.name == "wrap" and not operands[0].type.dims and not slices.on_axis(*operands)


def _condition(builder: Builder, defn: OpDef, operands: tuple) -> Value:
    """What must hold for such an op not to fail."""
    if defn.name == "check":
        return operands[0]
    i, n = operands
    return builder("and", builder("ge", i, builder("neg", n)), builder("lt", i, n))
