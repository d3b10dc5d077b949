"""Running a program with the IR's evaluator instead of machine code: derivatives under `disable_jit`."""
from __future__ import annotations

import numpy as np

from .compile import leaf_values, optimized, parameter_of, without_aliases
from .ir.interp import Machine
from .tracer.stage import Call, Traced

_PYTHON = {"float": float, "int": int, "bool": bool, "complex": complex}


class Evaluator:
    """One program, run with NumPy: the same results, dtypes, structures, overwritten arguments and errors."""

    def __init__(self, traced: Traced, call: Call):
        self.traced, self.place = traced, parameter_of(traced, call)
        self.program = without_aliases(traced, call)
        self.machine = Machine(optimized(self.program))

    def __call__(self, call: Call):
        given = leaf_values(self.traced, call)
        results = self.machine(*(np.array(x, p.type.dtype.np) for x, p in zip(given, self.program.function.params)))
        for param, result in self.program.writes.items():
            given[param][...] = results[result]
        return self.traced.out_tree.unflatten([self._leaf(out, results, given) for out in self.traced.outs])

    def _leaf(self, out, results, given):
        if out.kind == "static":
            return out.value
        if out.kind == "arg":
            return given[self.place[out.value]]
        value = np.asarray(results[out.result])
        if out.kind == "array":
            return value.copy()
        return value[()] if out.kind == "numpy" else _PYTHON[out.kind](value.item())
