"""Medians and quantiles: elements of sorted lines, and points between two neighbours."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.build import Builder, Expr, const
from ...ir.core import Block, Value
from ...ir.errors import BoundsError, ShapeError, UnsupportedError
from ...ir.types import BOOL, F64, INDEX, Dim, DType
from .. import tracing
from ..values import boxes, shapes, ufuncs
from ..values.boxes import FUNCTIONS, ArrayBox, Box, as_array, implements, lift
from ..values.promotion import fail, mean_dtype, result_dtype
from ..values.shapes import axes_of
from .reductions import finish, total_of
from .selection import take_along_axis, where


def _sorted_lines(a: ArrayBox, axis: int | tuple[int, ...] | None, dtype: DType | None = None) -> tuple[Value, tuple[int, ...],
                  tuple[Dim, ...]]:
    """(values in ascending order along the last axis, the reduced axes, dims before); several axes are joined into one."""
    builder, box = tracing.current().builder, as_array(a)
    value = boxes.converted(box, box.read(), dtype or mean_dtype(box.dtype_ir))
    dims = value.type.dims
    axes = axes_of(axis, len(dims))
    rest = tuple(k for k in range(len(dims)) if k not in axes)
    value = builder.transpose(value, rest + axes)
    value = builder.reshape(value, (*(dims[k] for k in rest), total_of(dims, axes)))
    return builder("sort", value, axis=len(rest)), axes, dims


@implements(np.median)
def median(a: Any, axis: Any = None, out: Any = None, overwrite_input: Any = False,
           keepdims: Any = False) -> Box:
    """The mean of the two middle elements, which are the same where the length is odd. NaN, which sorts last, wins."""
    builder = tracing.current().builder
    ordered, axes, dims = _sorted_lines(a, axis)
    n, dtype = ordered.type.dims[-1], ordered.type.dtype
    nothing = builder.full(math.nan, ordered.type.dims[:-1], dtype)
    if type(n) is int:
        found = _middle(ordered) if n else nothing
    else:
        some, regions = builder("gt", builder.index(n), builder.index(0)), [Block(), Block()]
        for region, compute in zip(regions, (lambda: _middle(ordered), lambda: nothing)):
            with builder.at(region):
                region.yields = (compute(),)
        (found,) = builder.emit("if", some, regions=regions)
    return finish(found, dims, axes, keepdims, out, "median")


def _middle(ordered: Value) -> Value:
    """The median of sorted lines that are not empty."""
    builder = tracing.current().builder
    n, rank, dtype = ordered.type.dims[-1], ordered.type.rank, ordered.type.dtype

    def at(k: Dim) -> Value:
        return builder("slice", ordered, builder.index(k), spec=":" * (rank - 1) + "i")

    low = at(shapes.arith("floordiv", shapes.arith("sub", n, 1), 2))
    if type(n) is int and n % 2:
        middle = low
    else:
        middle = builder("div", builder("add", low, at(shapes.arith("floordiv", n, 2))), const(2, dtype))
    last = at(shapes.arith("sub", n, 1))
    nan = ufuncs.evaluate(np.isnan, [last], (BOOL,))
    return builder("select", nan, last, middle)


def _of_fractions(q: Any, dtype: DType) -> DType:
    """The dtype that quantiles are computed in: the array's for a Python number, else that of q."""
    if q.weak is not None and dtype.kind == "f":
        return dtype
    return result_dtype([q.dtype_ir.np]) if q.dtype_ir.inexact else F64


def _quantile(scale: int, nan: bool = False) -> Callable:
    def run(a: ArrayBox, q: float | list[int | list[float]], axis: int | tuple[int, ...] | None = None, out: Expr | None = None,
            overwrite_input: bool = False, method: str = "linear", keepdims: bool = False, *, weights: Any = None,
            interpolation: Any = None) -> Box:
        method = interpolation or method
        _expect(method, weights)
        builder, box = tracing.current().builder, as_array(a)
        _expect_real_numbers(box)
        at = boxes.to_value(q, _of_fractions(lift(q), box.dtype_ir))
        dtype = box.dtype_ir
        if method not in _DISCRETE and not dtype.inexact:
            dtype = result_dtype([dtype.np, at.type.dtype.np])
        ordered, axes, dims = _sorted_lines(box, axis, dtype)
        if nan and total_of(dims, range(len(dims))) == 0:     # a NaN for each line, whatever the number of quantiles
            lost = builder.full(math.nan, ordered.type.dims[:-1], mean_dtype(box.dtype_ir))
            return finish(lost, dims, axes, keepdims, out, "nanquantile")
        _expect_elements(ordered.type.dims[-1])
        if scale != 1:
            at = builder("div", at, const(scale, at.type.dtype))
        good = builder("and", builder("ge", at, const(0, at.type.dtype)), builder("le", at, const(1, at.type.dtype)))
        builder.emit("check", builder.reduce(good, "all", range(good.type.rank)), error="ValueError",
                     message="Quantiles must be in the range [0, 1]" if scale == 1
                     else "Percentiles must be in the range [0, 100]")
        found = _interpolated(builder, ordered, at) if method == "linear" and not nan else _by_counts(ordered, at, method, nan)
        lead = at.type.rank
        whole = (*at.type.dims, *dims)
        return finish(found, whole, tuple(k + lead for k in axes), keepdims, out, "quantile")

    return run


def _expect_elements(n: Dim) -> None:
    """NumPy looks for the last element of nothing."""
    message = "index -1 is out of bounds for axis 0 with size 0"
    if n == 0:
        fail(BoundsError, message)
    if isinstance(n, Value):
        builder = tracing.current().builder
        builder.emit("check", builder("gt", n, builder.index(0)), error="BoundsError", message=message)


def _expect_real_numbers(box: ArrayBox) -> None:
    if box.dtype_ir.complex:
        raise TypeError("a must be an array of real numbers")
    if box.dtype_ir is BOOL:
        np.subtract(box, box)                                # raises as NumPy does, which interpolates by differences


def _interpolated(builder: Builder, ordered: Value, at: Any) -> Any:
    """Element q (n - 1) of each sorted line, between two neighbours in proportion; the axes of q come first. As np's _lerp."""
    n, rank, dtype = ordered.type.dims[-1], ordered.type.rank, result_dtype([ordered.type.dtype.np, at.type.dtype.np])
    last, at = shapes.arith("sub", n, 1), builder.cast(at, dtype)
    place = builder("mul", at, builder.cast(builder.index(last), dtype))
    below = builder("floor", place)
    part = builder("sub", place, below)
    low = builder.cast(below, INDEX)
    high = builder("min", builder("add", low, builder.index(1)), builder.index(last))

    def take(k: Any) -> Any:
        if k.type.dims:
            return builder("gather", ordered, k, axes=(rank - 1,), at=0)
        return builder("slice", ordered, k, spec=":" * (rank - 1) + "i")

    a, b = take(low), take(high)
    part = builder.reshape(part, (*part.type.dims, *(1,) * (rank - 1))) if part.type.dims else part
    (a, b, t), _ = shapes.align([a, b, part])
    a, b, step = (builder.cast(v, dtype) for v in (a, b, builder("sub", b, a)))
    upper = builder("sub", b, builder("mul", step, builder("sub", const(1, dtype), t)))
    lower = builder("add", a, builder("mul", step, t))
    found = builder("select", builder("ge", t, const(0.5, dtype)), upper, lower)
    found = builder("surrogate", builder("select", builder("eq", a, b), a, found), found)     # neighbours that tie share
    end = builder.cast(builder("slice", ordered, builder.index(last), spec=":" * (rank - 1) + "i"), dtype)
    (end, _), _ = shapes.align([end, found])
    nan = ufuncs.evaluate(np.isnan, [end], (BOOL,))
    return builder("select", nan, end, found)


# --- by the number of elements in each line ---------------------------------------------------------------------------

def _hyndman(alpha: float, beta: float) -> Callable:
    """Position of a quantile among n elements, counted from 0, of the family of Hyndman and Fan (1996)."""
    return lambda n, q: q * n + (alpha + q * (1 - alpha - beta)) - 1


def _up_if(test: Any) -> Any:
    """The position below an index, or the next one: test(fraction, position below) -> whether to go up."""
    def run(index: ArrayBox) -> Any:
        below = np.floor(index)
        return np.maximum(where(test(index - below, below), below + 1, below), 0)

    return run


# method -> position of the quantile q among n elements; of a discrete one that of an element
_DISCRETE = {
    "lower": lambda n, q: np.floor((n - 1) * q), "higher": lambda n, q: np.ceil((n - 1) * q),
    "nearest": lambda n, q: np.rint((n - 1) * q),
    "inverted_cdf": lambda n, q: _up_if(lambda part, below: np.greater(part, 0))(n * q - 1),
    "closest_observation": lambda n, q: _up_if(
        lambda part, below: ~(np.equal(part, 0) & np.equal(np.remainder(below, 2), 1)))(n * q - 1 - 0.5),
}
_CONTINUOUS = {
    "linear": lambda n, q: (n - 1) * q, "hazen": _hyndman(0.5, 0.5), "weibull": _hyndman(0, 0),
    "interpolated_inverted_cdf": _hyndman(0, 1), "median_unbiased": _hyndman(1 / 3, 1 / 3),
    "normal_unbiased": _hyndman(3 / 8, 3 / 8), "averaged_inverted_cdf": lambda n, q: n * q - 1,
    "midpoint": lambda n, q: 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q)),
}
# what becomes of the fraction between two neighbours
_FRACTION = {
    "averaged_inverted_cdf": lambda t, index: where(np.equal(t, 0), 0.5, 1.0),
    "midpoint": lambda t, index: where(np.equal(np.remainder(index, 1), 0), 0.0, 0.5),
}


def _expect(method: str, weights: Any) -> None:
    if method not in _DISCRETE and method not in _CONTINUOUS:
        fail(ShapeError, f"{method!r} is not a valid method. Use one of: {', '.join(sorted([*_DISCRETE, *_CONTINUOUS]))}")
    if weights is not None:
        fail(UnsupportedError, "np.quantile with weights cannot be compiled",
             "sort by np.argsort and search the cumulative sum of the weights")


def _by_counts(ordered: Value, at: Value, method: str, nan: bool) -> Value:
    """The quantiles of each line, among its elements that are no NaN where `nan`; the axes of q come first."""
    lines, q = boxes.array(ordered), boxes.array(at)
    nan = nan and lines.dtype_ir.inexact
    lead, lanes, n = q.dims, lines.dims[:-1], boxes.count(lines.dims[-1])
    if nan:
        count = as_array(FUNCTIONS[np.sum](~np.isnan(lines), axis=-1, dtype=q.kind))[None]
    else:
        count = boxes.array(boxes.to_value(n, at.type.dtype))
    flat = FUNCTIONS[np.reshape](q, (-1, *(1,) * len(lanes)))
    index = {**_DISCRETE, **_CONTINUOUS}[method](count, flat)
    index = FUNCTIONS[np.broadcast_to](as_array(index), tuple(map(boxes.count, (shapes.product(lead), *lanes))))
    last = np.maximum(count - 1, 0)
    if method in _DISCRETE:
        found = _elements(lines, np.minimum(index, last))
    else:
        below = np.floor(index)
        t = index - below
        t = FUNCTIONS[np.astype](_FRACTION[method](t, index), t.kind) if method in _FRACTION else t
        a, b = (_elements(lines, np.clip(k, 0, last)) for k in (below, below + 1))
        step = b - a
        found = where(np.equal(a, b), a, where(np.greater_equal(t, 0.5), b - step * (1 - t), a + step * t))
    if nan:
        found = where(np.equal(count, 0), math.nan, found)
    elif lines.dtype_ir.inexact:
        end = lines[..., -1]
        found = where(np.isnan(end), end, found)
    found = FUNCTIONS[np.reshape](found, tuple(map(boxes.count, (*lead, *lanes))))
    return as_array(found).read()


def _elements(lines: ArrayBox, index: Any) -> ArrayBox:
    """Of each line the elements at its positions; they vary along the first axis."""
    places = FUNCTIONS[np.moveaxis](FUNCTIONS[np.astype](as_array(index), np.int64), 0, -1)
    return FUNCTIONS[np.moveaxis](take_along_axis(lines, places, -1), -1, 0)


@implements(np.nanmedian)
def nanmedian(a: Any, axis: Any = None, out: Any = None, overwrite_input: Any = False,
              keepdims: Any = False) -> Box:
    """The mean of the two middle elements that are no NaN; NaN where there is none."""
    if not as_array(a).dtype_ir.inexact:
        return median(a, axis, out, False, keepdims)
    ordered, axes, dims = _sorted_lines(a, axis)
    lines = boxes.array(ordered)
    n = lines.dims[-1]
    if type(n) is int and n == 0:
        return median(a, axis, out, False, keepdims)
    count = as_array(FUNCTIONS[np.sum](~np.isnan(lines), axis=-1))
    low, high = (_elements(lines, np.maximum(k, 0)[None])[0] for k in ((count - 1) // 2, count // 2))
    found = where(np.equal(count, 0), math.nan, (low + high) / 2)
    return finish(boxes.to_value(found, lines.dtype_ir), dims, axes, keepdims, out, "nanmedian")


implements(np.quantile)(_quantile(1))
implements(np.percentile)(_quantile(100))
implements(np.nanquantile)(_quantile(1, nan=True))
implements(np.nanpercentile)(_quantile(100, nan=True))
