"""Ops that the programs of this folder use and NumPy has no name for. They are called, not rewritten."""
from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.core import Const
from ...ir.errors import UnsupportedError
from .. import tracing
from ..numpy.linalg import inexact, square
from ..values import boxes, shapes
from ..values.boxes import as_array
from ..values.promotion import fail


def lu_factors(a: Any) -> Any:
    """(L and U in one matrix, the permutation with a[permutation] = L U)."""
    builder, a = tracing.current().builder, as_array(a)
    a = square(a)
    (x,) = inexact(a)
    lu, order = builder.emit("lu", x)
    return boxes.array(lu), boxes.array(builder.cast(order, boxes.I64))


def is_known(x: Any) -> bool:
    """Whether a number is known while compiling."""
    return not isinstance(x, boxes.Box)


def _elements(x: Any, what: str) -> np.ndarray:
    """The elements of an array that is known while compiling: one from outside, or one number in each place (np.ones)."""
    if not isinstance(x, boxes.Box):
        return np.asarray(x)
    value, data = x.read(), boxes.frozen_data(x)
    if data is None and value.op is not None and value.op.name == "broadcast":
        filling = value.op.operands[0]
        dims = tuple(n for n in value.type.dims if isinstance(n, int))
        if isinstance(filling, Const) and filling.data.size == 1 and len(dims) == value.type.rank:
            return np.full(dims, filling.data.item())
    if data is None:
        fail(UnsupportedError, f"{what} that is known only at run time cannot be compiled", "make it outside the function")
    return np.asarray(data)


def footprint_of(x: Any) -> tuple[tuple[int, ...], list[bool]]:
    """The shape of a footprint of a filter and which of its places count, in order: known while compiling."""
    x = _elements(x, "a footprint")
    return x.shape, (x.ravel() != 0).tolist()


def structure_of(structure: Any, rank: int, turned: bool) -> Any:
    """The structure of a morphological operation, known while compiling: by default an element and those next to it."""
    found = (np.abs(np.indices((3,) * rank) - 1).sum(axis=0) <= 1 if structure is None
             else _elements(structure, "a structure") != 0)
    if found.ndim != rank:
        raise RuntimeError("structure and input must have same dimensionality")
    if found.size < 1:
        raise RuntimeError("structure must not be empty")
    return np.flip(found) if turned else found


def steps_before(structure: Any) -> Any:
    """The steps from the middle of a structure to its elements that come before it, as tuples."""
    steps = (np.argwhere(structure) - 1).tolist()
    return [tuple(step) for step in steps if step < [0] * structure.ndim]


def solve_triangle(a: Any, b: Any, lower: Any, trans: Any, unit: Any) -> Any:
    """x with a x = b, or a^T x = b, from one triangle of a; b a vector or a matrix."""
    builder, a, b = tracing.current().builder, as_array(a), as_array(b)
    a = square(a)
    x, y = inexact(a, b)
    vector = y.type.rank == 1
    if vector:
        y = builder.reshape(y, (*y.type.dims, 1))
    n = shapes.unify(x.type.dims[-1], y.type.dims[-2], "shapes of a {0} and b {1} are incompatible")
    x = shapes.retype(x, (*x.type.dims[:-2], n, n))
    y = shapes.retype(y, (*y.type.dims[:-2], n, y.type.dims[-1]))
    found = builder("triangular_solve", x, y, lower=lower, trans=trans, unit=unit)
    return boxes.array(builder.reshape(found, found.type.dims[:-1]) if vector else found)


def sloped(value: Any, like: Any) -> Any:
    """A number with the derivatives of another that is equal to it, where that may be NaN."""
    builder, x, y = tracing.current().builder, boxes.lift(value), boxes.lift(like)
    return type(x)(builder("surrogate", x.read(), builder.cast(y.read(), x.dtype_ir)), x.weak)      # type: ignore[call-arg]


def followed(value: Any, like: Any) -> Any:
    """An array of constant elements with the derivatives of another, which is equal to it."""
    builder, x, y = tracing.current().builder, as_array(value), as_array(like)
    held = builder("stop_gradient", x.read())
    return boxes.array(builder("surrogate", held, builder.cast(y.read(), x.dtype_ir)))


def stopped(x: Any) -> Any:
    """The same numbers without a derivative."""
    x = boxes.lift(x)
    held = tracing.current().builder("stop_gradient", x.read())
    return boxes.array(held) if isinstance(x, boxes.ArrayBox) else type(x)(held, x.weak)               # type: ignore[call-arg]
