"""A function for PyTensor, and so for PyMC: an Op whose gradient is such an Op, to any order."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.errors import ArgumentError
from ..jitted.functions import jit
from ..tracer import pytrees
from .programs import expect_function, package, pulled, results


def as_op(f: Callable, *examples: Any) -> Callable:
    """f as a function of PyTensor variables, differentiable by pytensor.grad: a plain NumPy likelihood in a PyMC model, say.

    examples   an argument of each kind that f takes: numbers, arrays and containers of them. Their dtypes and numbers of axes
               count, and those of the results follow; shapes may be others when the graph runs.
    """
    package("pytensor", "pytensor")
    expect_function(f, "tg.interop.pytensor.as_op")
    if not examples:
        raise ArgumentError("tg.interop.pytensor.as_op needs an example of each argument: PyTensor decides types first",
                            "write as_op(f, 0.0, np.zeros(3))")
    return _as_op(f, examples)


def _as_op(f: Callable, examples: tuple) -> Callable:
    leaves, structure = pytrees.flatten(examples)
    leaves = [np.asarray(x) for x in leaves]
    op = _op_class()(f, structure, leaves, results(f, structure.unflatten(leaves)))

    @functools.wraps(f, updated=())
    def call(*args: Any) -> Any:
        given, found = pytrees.flatten(args)
        if found != structure:
            raise ArgumentError(f"the arguments are {found}, and the example was {structure}", "pass what as_op was given")
        return op.results.structure.unflatten(op(*given, return_list=True))
    return call


@functools.cache
def _op_class() -> Any:
    tensor, graph = package("pytensor.tensor", "pytensor"), package("pytensor.graph", "pytensor")

    class CompiledOp(graph.Op):                            # type: ignore[name-defined]
        """f of the leaves of its arguments."""

        def __init__(self, f: Callable, structure: Any, examples: list, results: Any):
            self.f, self.structure, self.examples, self.results = f, structure, examples, results

        def make_node(self, *inputs: Any) -> Any:
            found = []
            for x, example in zip(map(tensor.as_tensor_variable, inputs), self.examples, strict=True):
                if x.ndim != example.ndim:
                    raise ArgumentError(f"a variable has {x.ndim} axes, and its example {example.ndim}",
                                        "pass what as_op was given an example of")
                found.append(x.astype(str(example.dtype)))
            outs = [tensor.tensor(dtype=str(dtype), shape=(None,) * len(dims)) for dims, dtype in self.results.leaves]
            return graph.Apply(self, found, outs)

        def perform(self, node: Any, inputs: list, outputs: list) -> None:
            found = jit(self.f)(*self.structure.unflatten([np.asarray(x) for x in inputs]))
            for cell, x, out in zip(outputs, pytrees.flatten(found)[0], node.outputs):
                cell[0] = np.asarray(x, out.type.dtype)

        def pullback(self, inputs: list, outputs: list, bars: list) -> list:
            """The cotangents of the inputs; those of integers are zero."""
            bars = [bar if hasattr(bar.type, "dtype") else tensor.zeros_like(out) for bar, out in zip(bars, outputs)]
            found = self.back(self.structure.unflatten(inputs), self.results.structure.unflatten(bars))
            return [bar if np.issubdtype(example.dtype, np.inexact) else tensor.zeros_like(x, dtype="float64")
                    for bar, x, example in zip(pytrees.flatten(found)[0], inputs, self.examples)]

        L_op = pullback

        @functools.cached_property
        def back(self) -> Callable:
            bars = [np.zeros(dims, dtype) for dims, dtype in self.results.leaves]
            return _as_op(pulled(self.f), (self.structure.unflatten(self.examples), self.results.structure.unflatten(bars)))

    return CompiledOp
