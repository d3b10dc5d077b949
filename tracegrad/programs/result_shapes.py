"""The shapes and dtypes of what a program returns, without elements."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.errors import ShapeError
from ..ir.types import Type
from ..tracer.staging.shape_struct import ShapeDtypeStruct
from ..tracer.staging.traced import Out, Traced


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
