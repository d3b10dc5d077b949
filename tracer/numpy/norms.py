"""Norms of vectors and matrices, and condition numbers."""
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.build import const
from ...ir.core import Const
from ...ir.errors import LinAlgError, ShapeError
from ...ir.types import BOOL
from .. import tracing
from ..values import boxes, shapes, ufuncs
from ..values.boxes import FUNCTIONS, ArrayBox, Box, as_array, implements
from ..values.promotion import fail
from ..values.shapes import axes_of, axis_of
from . import linalg, reductions, spectral
from .arrays.creation import eye
from .linalg import inexact
from .reductions import root

if TYPE_CHECKING:
    from ...ir.core import Value


def _magnitude(value: Value) -> Value:
    builder = tracing.current().builder
    return builder("abs", value)


def _square_sum(value: Value, axes: tuple[int, ...]) -> Value:
    builder = tracing.current().builder
    if value.type.dtype.complex:
        re, im = builder("real", value), builder("imag", value)
        squares = builder("add", builder("mul", re, re), builder("mul", im, im))
    else:
        squares = builder("mul", value, value)
    return builder.reduce(squares, "sum", axes)


def _extreme(value: Value, largest: bool, axes: tuple[int, ...]) -> Value:
    """The largest of numbers that are not negative, 0 where there are none, or the smallest, where that is an error."""
    builder, count = tracing.current().builder, reductions.total_of(value.type.dims, axes)
    if not largest:
        reductions.require_elements(count, "zero-size array to reduction operation minimum which has no identity")
        return builder.reduce(value, "min", axes)
    found = builder.reduce(value, "max", axes)
    if type(count) is int and count:
        return found
    zero = const(0, value.type.dtype)
    return builder("select", builder("lt", found, zero), zero, found)           # the IR's largest number of none is -inf


def _vector_norm(value: Value, order: float | None, axes: tuple[int, ...]) -> Value:
    if isinstance(order, Box) and tracing.constant(order.read()) is None:
        return _norm_of_traced_order(value, boxes.to_value(order, value.type.dtype.real), axes)
    if order is None or order == 2:
        return root(_square_sum(value, axes))
    if order in (math.inf, -math.inf):
        return _extreme(_magnitude(value), order > 0, axes)
    builder, dtype = tracing.current().builder, value.type.dtype.real
    if order == 0:
        return _nonzero(value, axes)
    if order == 1:
        return builder.reduce(_magnitude(value), "sum", axes)
    if isinstance(order, str):
        fail(ShapeError, f"Invalid norm order '{order}' for vectors")
    return _power_norm(value, boxes.to_value(order, dtype), axes)


def _nonzero(value: Value, axes: tuple[int, ...]) -> Value:
    builder = tracing.current().builder
    unlike = builder("ne", value, const(0, value.type.dtype))
    return builder.reduce(builder.cast(unlike, value.type.dtype.real), "sum", axes)


def _power_norm(value: Value, power: Value, axes: tuple[int, ...]) -> Value:
    builder = tracing.current().builder
    total = builder.reduce(builder("pow", _magnitude(value), power), "sum", axes)
    exponent = builder("div", const(1, value.type.dtype.real), power)
    return builder("norm_root" if exponent.__class__ is Const and exponent.item > 0 else "pow", total, exponent)


def _norm_of_traced_order(value: Value, order: Value, axes: tuple[int, ...]) -> Value:
    """The formula for powers, which holds for orders of 1 and 2 as well and is smooth in the order; 0 and both infinities
    select others."""
    builder, size = tracing.current().builder, _magnitude(value)
    least, some = const(-math.inf, order.type.dtype), builder.index(reductions.total_of(value.type.dims, axes))
    builder.emit("check", builder("or", builder("ne", order, least), builder("ne", some, builder.index(0))), error="ValueError",
                 message="zero-size array to reduction operation minimum which has no identity")
    found = _power_norm(value, order, axes)
    for special, other in ((0.0, _nonzero(value, axes)), (math.inf, _extreme(size, True, axes)),
                           (-math.inf, builder.reduce(size, "min", axes))):
        found = builder("select", builder("eq", order, const(special, order.type.dtype)), other, found)
    return found


def _matrix_norm(value: Value, order: float, axes: tuple[int, ...]) -> Value:
    builder = tracing.current().builder
    if order in (None, "fro", "f"):
        return root(_square_sum(value, axes))
    rows, columns = axes
    if order in (1, -1, math.inf, -math.inf):
        inside, outside = (rows, columns) if order in (1, -1) else (columns, rows)
        lines = builder.reduce(_magnitude(value), "sum", (inside,))
        return _extreme(lines, order > 0, (outside - (outside > inside),))
    if order in (2, -2, "nuc"):
        s = spectral.singular_values(builder.transpose(value, (*(k for k in range(value.type.rank) if k not in axes), *axes)))
        last = s.type.rank - 1
        return builder.reduce(s, "sum", (last,)) if order == "nuc" else _extreme(s, order > 0, (last,))
    fail(ShapeError, "Invalid norm order for matrices.")


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Box:
    (value,) = inexact(as_array(x))
    rank = value.type.rank
    if axis is None and (ord is None or (ord in ("fro", "f") and rank == 2)):
        value, axes, found = value, tuple(range(rank)), _vector_norm(value, None, tuple(range(rank)))
    else:
        if axis is None:
            if rank not in (1, 2):
                fail(ShapeError, "Improper number of dimensions to norm.")
            given = tuple(range(rank))
        else:
            given = tuple(axis_of(k, rank) for k in (axis if isinstance(axis, (tuple, list)) else (axis,)))
        axes = tuple(sorted(given))
        if len(given) == 1:
            found = _vector_norm(value, ord, given)
        elif len(given) == 2:
            found = _matrix_norm(value, ord, given)
        else:
            fail(ShapeError, "Improper number of dimensions to norm.")
    return reductions.finish(found, value.type.dims, axes, keepdims, None, "norm")


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: Any = False, ord: Any = 2) -> Any:
    (value,) = inexact(as_array(x))
    axes = axes_of(axis, value.type.rank)
    return reductions.finish(_vector_norm(value, ord, axes), value.type.dims, axes, keepdims, None, "norm")


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: Any = False, ord: Any = "fro") -> Any:
    return norm(x, ord, (-2, -1), keepdims)


def _inverse_or_nan(value: Value) -> ArrayBox:
    """The inverse, of NaN where the matrix has none."""
    builder = tracing.current().builder
    linalg.square(boxes.array(value))
    pivots = FUNCTIONS[np.diagonal](boxes.array(linalg.factored(value)[0]), 0, -2, -1)
    singular = FUNCTIONS[np.any](np.equal(pivots, 0), axis=-1, keepdims=True)
    singular = shapes.expand(as_array(singular)[..., None].read(), value.type.dims)
    nan = builder.full(math.nan, value.type.dims, value.type.dtype)
    unit = shapes.expand(eye(boxes.count(value.type.dims[-1]), dtype=value.type.dtype).read(), value.type.dims)
    inverse = linalg.inv(boxes.array(builder("select", singular, unit, value))).read()
    return boxes.array(builder("select", singular, nan, inverse))


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """The largest singular value over the smallest, or the norm of the matrix times that of its inverse."""
    a = as_array(x)
    if len(a.dims) < 2:
        fail(LinAlgError, f"{len(a.dims)}-dimensional array given. Array must be at least two-dimensional")
    if any(type(d) is int and d == 0 for d in a.dims[-2:]):
        fail(LinAlgError, "cond is not defined on empty arrays")
    builder = tracing.current().builder
    (value,) = inexact(a)
    if p in (None, 2, -2):
        s = spectral.singular_values(value)
        first, last = (boxes.array(s)[..., k] for k in (0, -1))
        found = (last / first if p == -2 else first / last).read()
    else:
        found = np.multiply(norm(a, p, (-2, -1)), norm(_inverse_or_nan(value), p, (-2, -1))).read()
    nan = ufuncs.evaluate(np.isnan, [found], (BOOL,))
    rank = value.type.rank
    given = builder.reduce(ufuncs.evaluate(np.isnan, [value], (BOOL,)), "any", (rank - 2, rank - 1))
    lost = builder("and", nan, builder("not", given))
    return boxes.result(builder("select", lost, builder.full(math.inf, found.type.dims, found.type.dtype), found))
