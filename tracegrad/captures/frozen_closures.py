"""Functions as they are now: copies whose closures nothing that the program does later can change.

A rule (operators/custom.py) is traced when something differentiates the call, after the trace has gone on. What the rule
reads through closures of functions that the trace made, the number of a loop's iteration or an array that is overwritten
later, has by then another value; the call's derivative is that of the value that it had.

    for k in range(3):                                        a copy of `rule` has a cell of its own
        @tg.custom_jvp                                        with the k of this iteration
        def g(x): return x * k
"""
from __future__ import annotations

import types
from typing import Any

from ..tracer import tracing
from ..tracer.values.boxes import ArrayBox

# type -> copier(object, frozen), of objects that hold functions; operators/custom.py adds its own
HOLDERS: dict[type, Any] = {}


def frozen(x: Any, memo: dict[int, Any]) -> Any:
    """The function, or what holds one, with the closures of functions made by the trace as they are now."""
    if id(x) in memo:
        return memo[id(x)]
    if type(x) is types.FunctionType:
        return _function(x, memo) if x.__closure__ and id(x.__code__) in tracing.PLACES else x
    if isinstance(x, ArrayBox):
        memo[id(x)] = made = ArrayBox(x.read())
        return made
    copier = HOLDERS.get(type(x))
    return x if copier is None else copier(x, memo)


def _function(f: types.FunctionType, memo: dict[int, Any]) -> types.FunctionType:
    held = f.__closure__ or ()
    cells = tuple([types.CellType() for _ in held])
    made = types.FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, cells)
    memo[id(f)] = made
    made.__kwdefaults__, made.__qualname__, made.__module__ = f.__kwdefaults__, f.__qualname__, f.__module__
    made.__dict__.update(f.__dict__)
    for cell, old in zip(cells, held):
        try:
            cell.cell_contents = frozen(old.cell_contents, memo)
        except ValueError:                       # a name that is not bound yet
            continue
    return made
