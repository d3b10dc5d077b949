"""Running a program with the IR's evaluator instead of machine code: derivatives under `disable_jit`."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..captures.captures import captures_of, closed
from ..ir.build import memory
from ..ir.core import Value
from ..ir.interp import Machine
from ..ir.ops.random import handle_of, kind_of
from ..lowering.build import loop_builder
from ..tracer.staging import failed_objects
from ..tracer.staging.argument_objects import delivered
from ..tracer.staging.arguments import Call
from ..tracer.staging.traced import Out, Traced
from .compile import leaf_values, optimized, parameter_of, without_aliases, without_viewed

if TYPE_CHECKING:
    from ..ir.types import Array
    from ..operators.transforms import LinearProgram

_PYTHON = {"float": float, "int": int, "bool": bool, "complex": complex}


def _number(x: Any, v: Value) -> np.ndarray:
    """What the evaluator gets for an argument that is no array from outside."""
    return np.array(x if kind_of(x) is None else handle_of(x), v.type.dtype.np)


class Evaluator:
    """One program, run with NumPy: the same results, dtypes, structures, overwritten arguments and errors."""

    def __init__(self, traced: Traced, call: Call):
        self.traced, self.place = traced, parameter_of(traced, call)
        self.program = without_viewed(without_aliases(traced, call))
        self.captures = captures_of(traced.held)
        f = optimized(self.program)
        if self.captures.parameters:
            f = closed(loop_builder.flatten_calls(f), self.captures.parameters, self.captures.repeats)
        self.machine = Machine(f)

    def __call__(self, call: Call, captured: list) -> Any:
        given = leaf_values(self.traced, call)
        outside = [memory(x, c.type.shape) if isinstance(x, np.ndarray) else _number(x, c) for x, c in
                   zip(captured, self.captures.parameters)]
        try:
            results = self.machine(*(_number(x, p) for x, p in zip(given, self.program.function.params)), *outside)
        except Exception as error:
            for param, state in vars(error).pop("states", {}).items():
                given[param][...] = state
            if self.traced.told:
                failed_objects.deliver(self.traced, call)
            raise
        for param, result in self.program.writes.items():
            given[param][...] = results[result]
        made: dict = {}
        returned = self.traced.out_tree.unflatten([made[id(out)] if id(out) in made else made.setdefault(
            id(out), self._leaf(out, results, given)) for out in self.program.outs])
        traced = self.traced
        return delivered(returned, traced.out_tree, traced.assigned, call.objects) if traced.refers_to_objects else returned

    def _leaf(self, out: Out, results: tuple[np.ndarray, ...], given: list[Array]) -> Array | LinearProgram:
        if out.kind == "static":
            return out.value
        if out.kind == "arg":
            return given[self.place[out.value]]
        if out.kind == "view":
            return out.value.maker()(given[self.place[out.value.leaf]], *(int(results[k]) for k in out.value.numbers))
        value = np.asarray(results[out.computed])
        if out.kind == "array":
            return value.copy()
        return value[()] if out.kind == "numpy" else _PYTHON[out.kind](value.item())
