"""`eval_shape`: what a function would return, by shapes and dtypes, without compiling or running it."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.errors import ShapeError
from ..ir.types import Type
from ..tracer import tracing
from ..tracer.staging import trace_function
from ..tracer.staging.shape_struct import ShapeDtypeStruct, with_structs
from ..tracer.staging.trace_function import Out, Traced
from .api import Jitted
from .functions import jit


def eval_shape(f: Callable, *args: Any, **kwargs: Any) -> Any:
    """What `f` would return for such arguments, with a ShapeDtypeStruct in place of each array and number.

    Nothing is compiled or computed. Arguments are arrays and numbers, or what has only their `shape` and `dtype`, such as
    `tg.ShapeDtypeStruct((3,), float)` or JAX's.

    Parameters: `f`, a function or a compiled one; its arguments. Result: as above; strings and the like as they are.
    Errors: those of `jit`; ShapeError where only the elements of arrays decide the length of a result.

    >>> tg.eval_shape(lambda a, x: a @ x, tg.ShapeDtypeStruct((2, 3), np.float64), np.ones(3))
    ShapeDtypeStruct(shape=(2,), dtype=float64)
    """
    inner = tracing.active() is not None
    jitted: Any = f if isinstance(f, Jitted) else jit(f)
    jitted = getattr(jitted, "own", jitted) if inner else getattr(jitted, "core", jitted)
    trace = functools.partial(trace_function.trace_inner_call if inner else trace_function.trace_call, private=True)
    args, kwargs = with_structs((args, kwargs))
    call = jitted.flatten(args, kwargs)
    if inner:
        return shapes_of(jitted.program(call, trace))
    return shapes_of(jitted.with_captures(call, lambda call: jitted.program(call, trace)))


def shapes_of(traced: Traced) -> Any:
    """The shapes and dtypes of what a program returns, in its structure."""
    structure, outs = traced.out_tree, traced.outs
    if traced.assigned:
        structure, *_ = structure.children
    paths = structure.paths("the result")
    return structure.unflatten([_shape_of(traced, out, path) for out, path in zip(outs, paths)])


def _shape_of(traced: Traced, out: Out, path: str) -> Any:
    if out.kind == "static":
        known = isinstance(out.value, (int, float, complex, np.generic, np.ndarray))
        return ShapeDtypeStruct(np.shape(out.value), np.result_type(type(out.value) if np.isscalar(out.value) else out.value),
                                type(out.value) in (int, float, complex)) if known else out.value
    if out.kind == "arg":
        leaf = traced.leaves[out.value]
        return _struct(leaf.type, leaf.kind in _WEAK, path, traced)
    return _struct(traced.function.results[out.computed].type, out.kind in _WEAK, path, traced)


_WEAK = ("int", "float", "complex")


def _struct(found: Type, weak: bool, path: str, traced: Traced) -> ShapeDtypeStruct:
    if not all(isinstance(d, int) for d in found.dims):
        raise ShapeError(f"the shape of {path} depends on the elements of arrays", "call the function to know it",
                         traced.function.loc)
    return ShapeDtypeStruct(found.dims, found.dtype.np, weak)
