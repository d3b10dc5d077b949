"""Ops that the programs of this folder use and NumPy has no name for. They are called, not rewritten."""
from __future__ import annotations

from typing import Any

import numpy as np

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


def footprint_of(x: Any) -> tuple[tuple[int, ...], list[bool]]:
    """The shape of a footprint of a filter and which of its places count, in order: known while compiling."""
    if isinstance(x, boxes.Box):
        fail(UnsupportedError, "a footprint that is known only at run time cannot be compiled", "make it outside the function")
    x = np.asarray(x)
    return x.shape, (x.ravel() != 0).tolist()


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
