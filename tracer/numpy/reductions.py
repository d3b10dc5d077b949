"""Reductions and cumulative functions, with NumPy's accumulator dtypes, keepdims, initial, where and empty-axis errors."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.build import Expr, const
from ...ir.core import Value
from ...ir.errors import ShapeError
from ...ir.types import BOOL, F16, F32, I64, INDEX, Dim, DType
from .. import tracing
from ..values import boxes, shapes, ufuncs
from ..values.boxes import FUNCTIONS, ArrayBox, Box, ScalarBox, as_array, implements, lift
from ..values.promotion import accumulator, fail, mean_dtype, to_dtype
from ..values.shapes import axes_of, axis_of, kept, reduced_axes
from .arrays.manipulation import ravel

if TYPE_CHECKING:
    from ...ir.build import Builder
    from ...ir.core import Const

MISSING = np._NoValue


def given(x: Any) -> bool:
    return x is not MISSING and x is not None


def finish(value: Value, whole_dims: tuple[Dim, ...], axes: tuple[int, ...], keepdims: Any, out: Any, name: str) -> Box:
    """A reduced value as NumPy returns it: with the axes kept, put into `out`, or a scalar where the rank is 0."""
    builder = tracing.current().builder
    if keepdims is not MISSING and keepdims:
        value = builder.reshape(value, kept(whole_dims, axes))
    return boxes.result(value) if out is None else ufuncs.deliver(name, value, out)


def total_of(dims: Any, axes: Any) -> Dim:
    return shapes.product([dims[k] for k in axes])


def total(value: Value, axes: tuple[int, ...]) -> Value:
    """The sum along axes, which starts from 0.0: of one element of -0.0 that is 0.0, of which only the derivative is the
    element's own."""
    builder, dtype = tracing.current().builder, value.type.dtype
    found = builder.reduce(value, "sum", axes)
    if not axes or not dtype.inexact or any(value.type.dims[k] != 1 for k in axes):
        return found
    return builder("surrogate", builder("add", found, const(0, dtype)), found)


def masked(value: Value, where: Any, filler: float) -> Value:
    """The value with `filler` where the mask is false."""
    if where is MISSING or where is True or where is None:
        return value
    builder = tracing.current().builder
    (mask, x), dims = shapes.align([boxes.to_value(where, BOOL), value])
    x = shapes.expand(x, dims)
    return builder("select", mask, x, const(filler, x.type.dtype))


def _initial(initial: float, dtype: DType) -> Const:
    """The value that a reduction starts from: a Python number as NumPy stores it in an array of the dtype, errors included."""
    if isinstance(initial, (int, float, complex)):
        stored = np.zeros((), dtype.np)
        stored[()] = initial
        return const(stored, dtype)
    return boxes.to_value(initial, dtype)


def _is_negative_zero(x: Value) -> bool:
    data = getattr(x, "data", None)
    return data is not None and data.dtype.kind == "f" and not data.any() and bool(np.signbit(data).all())


def _of_negative_zeros(builder: Builder, value: Value, found: Value, axes: tuple[int, ...]) -> Value:
    """A sum that starts from -0.0 and not, as `found` does, from 0.0: -0.0 where each element is."""
    signs = builder("copysign", builder.broadcast(const(1, value.type.dtype), value.type.dims), value)
    negative = builder("lt", builder.reduce(signs, "max", axes), const(0, value.type.dtype))
    at = builder("and", negative, builder("eq", found, const(0, found.type.dtype)))
    return builder("surrogate", builder("select", at, builder("neg", found), found), found)


def _arithmetic(kind: str, name: str) -> Callable:
    """np.sum and np.prod."""
    start = 0 if kind == "sum" else 1
    combine = "add" if kind == "sum" else "mul"

    def run(a: Box, axis: int | None = None, dtype: Any = None, out: Expr | None = None, keepdims: Any = MISSING,
            initial: Any = MISSING, where: Any = MISSING) -> Any:
        builder, box = tracing.current().builder, lift(a)
        value = boxes.to_value(box)
        target = accumulator(value.type.dtype) if dtype is None else to_dtype(dtype)
        if dtype is None and out is not None:
            target = accumulator(value.type.dtype)
        first = None if initial is MISSING or initial is None else _initial(initial, target)
        from_negative = kind == "sum" and first is not None and _is_negative_zero(first)
        value = masked(boxes.converted(box, value, target), where, -0.0 if from_negative else start)
        axes = reduced_axes(axis, value.type.rank)
        found = total(value, axes) if kind == "sum" else builder.reduce(value, kind, axes)
        if first is not None:
            found = builder(combine, found, first)
            if from_negative:
                found = _of_negative_zeros(builder, value, found, axes)
        return finish(found, value.type.dims, axes, keepdims, out, name)

    return run


sum_ = implements(np.sum, method="sum")(_arithmetic("sum", "add"))
prod = implements(np.prod, method="prod")(_arithmetic("prod", "multiply"))


def extreme_of(dtype: DType, kind: str) -> float:
    """The number below (for max) or above (for min) all others of a dtype."""
    if dtype.kind == "b":
        return kind == "min"
    if dtype.kind in "iu":
        info = np.iinfo(dtype.np)
        return info.min if kind == "max" else info.max
    return -math.inf if kind == "max" else math.inf


def require_elements(count: Dim, message: str) -> None:
    """NumPy's error for a reduction without identity over no elements."""
    if isinstance(count, int):
        if count == 0:
            fail(ShapeError, message)
        return
    builder = tracing.current().builder
    builder.emit("check", builder("gt", count, builder.index(0)), error="ShapeError", message=message, decided=True)


def _extremum(kind: str, name: str) -> Callable:
    def run(a: ArrayBox, axis: int | None = None, out: Expr | None = None, keepdims: Any = MISSING, initial: Any = MISSING,
            where: Any = MISSING) -> Any:
        builder, value = tracing.current().builder, boxes.to_value(a)
        axes = reduced_axes(axis, value.type.rank)
        dtype = value.type.dtype
        if initial is MISSING or initial is None:
            if where is not MISSING and where is not True:
                fail(ShapeError, f"reduction operation '{name}' does not have an identity, so to use a where mask one has to "
                                 "specify 'initial'")
            if axes:
                require_elements(total_of(value.type.dims, axes),
                                 f"zero-size array to reduction operation {name} which has no identity")
        value = masked(value, where, extreme_of(dtype, kind))
        found = builder.reduce(value, kind, axes)
        if initial is not MISSING and initial is not None:
            found = builder(kind, found, _initial(initial, dtype))
        return finish(found, value.type.dims, axes, keepdims, out, name)

    return run


amax = implements(np.max, np.amax, method="max")(_extremum("max", "maximum"))
amin = implements(np.min, np.amin, method="min")(_extremum("min", "minimum"))


def _logical(kind: str) -> Callable:
    def run(a: ArrayBox, axis: int | None = None, out: Expr | None = None, keepdims: Any = MISSING, *,
            where: Any = MISSING) -> Box:
        value = masked(boxes.to_value(a, BOOL), where, kind == "all")
        axes = reduced_axes(axis, value.type.rank)
        return finish(tracing.current().builder.reduce(value, kind, axes), value.type.dims, axes, keepdims, out,
                      f"logical_{kind}")

    return run


any_ = implements(np.any, method="any")(_logical("any"))
all_ = implements(np.all, method="all")(_logical("all"))


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = MISSING) -> Any:
    found = amax(a, axis, keepdims=keepdims) - amin(a, axis, keepdims=keepdims)
    return found if out is None else ufuncs.deliver("subtract", found.read(), out)


# --- moments --------------------------------------------------------------------------------------------------------

def counted(dims: tuple[Dim, ...], axes: tuple[int, ...], where: Any, dtype: DType) -> Value:
    """The number of elements that enter a mean, as a value of `dtype` (an array where a mask makes it differ)."""
    builder = tracing.current().builder
    if where is MISSING or where is True:
        n = total_of(dims, axes)
        return builder.cast(n, dtype) if isinstance(n, Value) else const(n, dtype)
    mask = shapes.expand(boxes.to_value(where, BOOL), dims)
    return builder.cast(builder.reduce(builder.cast(mask, I64), "sum", axes), dtype)


@implements(np.mean, method="mean")
def mean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = MISSING, *,
         where: Any = MISSING) -> Any:
    builder, box = tracing.current().builder, lift(a)
    target = mean_dtype(box.dtype_ir) if dtype is None else to_dtype(dtype)
    half = target is F16 and dtype is None                             # the sum is in float32, and may leave float16's range
    value = masked(boxes.converted(box, box.read(), F32 if half else target), where, 0)
    axes = axes_of(axis, value.type.rank)
    summed = total(value, axes)
    if not target.inexact:
        summed = builder.cast(summed, mean_dtype(target))
    found = builder("div", summed, counted(value.type.dims, axes, where, summed.type.dtype))
    return finish(builder.cast(found, target), value.type.dims, axes, keepdims, out, "divide")


def variance(a: ArrayBox, axis: int | None, dtype: Any, ddof: int, where: Any, centre: Any = MISSING) -> tuple[Value,
             tuple, tuple]:
    """(mean of squared distances from the mean, dims, axes): two passes, as NumPy."""
    builder, box = tracing.current().builder, lift(a)
    target = mean_dtype(box.dtype_ir) if dtype is None else to_dtype(dtype)
    value = boxes.converted(box, box.read(), target)
    axes = axes_of(axis, value.type.rank)
    dims, distant = value.type.dims, value
    if box.dtype_ir.complex and not target.complex:            # the mean is real then, and the distances from it are not
        distant = box.read()
    wide = kept(dims, axes)
    if centre is MISSING:
        total = builder.reduce(masked(value, where, 0), "sum", axes)
        centre_value = builder("div", total, counted(dims, axes, where, target))
        centre_value = builder.reshape(centre_value, wide) if wide else centre_value
    else:
        centre_value = boxes.to_value(centre, target)
    (x, m), _ = shapes.align([distant, builder.cast(centre_value, distant.type.dtype)])
    distance = builder("sub", x, m)
    if distant.type.dtype.complex:
        re, im = builder("real", distance), builder("imag", distance)
        squares = builder.cast(builder("add", builder("mul", re, re), builder("mul", im, im)), target.real)
    else:
        squares = builder("mul", distance, distance)
    total = builder.reduce(masked(squares, where, 0), "sum", axes)
    n = counted(dims, axes, where, total.type.dtype)
    less = boxes.to_value(ddof, total.type.dtype)
    left = builder("max", builder("sub", n, less), const(0, total.type.dtype))
    found = builder("div", total, left)
    return (builder.cast(found, target) if dtype is not None and target.complex else found), dims, axes


def root(value: Value) -> Value:
    """The square root of a sum of squares, which counts as constant where that is 0, as |x| does at 0."""
    return tracing.current().builder("root", value)


@implements(np.var, method="var")
def var(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
        keepdims: Any = MISSING, *, where: Any = MISSING, mean: Any = MISSING, correction: Any = MISSING) -> Any:
    value, dims, axes = variance(a, axis, dtype, ddof if correction is MISSING else correction, where, mean)
    return finish(value, dims, axes, keepdims, out, "divide")


@implements(np.std, method="std")
def std(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, ddof: Any = 0,
        keepdims: Any = MISSING, *, where: Any = MISSING, mean: Any = MISSING, correction: Any = MISSING) -> Any:
    value, dims, axes = variance(a, axis, dtype, ddof if correction is MISSING else correction, where, mean)
    return finish(root(value), dims, axes, keepdims, out, "sqrt")


_COUNTS_IN_PYTHON = type(np.count_nonzero(np.ones(1))) is int          # so until NumPy 2.3


@implements(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    builder = tracing.current().builder
    truth = boxes.to_value(a, BOOL)
    axes = reduced_axes(axis, truth.type.rank)
    found = builder.reduce(builder.cast(truth, INDEX), "sum", axes)
    if axis is None and not keepdims and _COUNTS_IN_PYTHON:
        return ScalarBox(found, "int")
    return finish(builder.cast(found, I64), truth.type.dims, axes, keepdims, None, "count_nonzero")


# --- positions of extremes ------------------------------------------------------------------------------------------

def _position(kind: str) -> Callable:
    def run(a: ArrayBox, axis: int | None = None, out: Expr | None = None, *, keepdims: Any = MISSING) -> Any:
        builder, box = tracing.current().builder, as_array(a)
        dims = box.dims
        value = box.read()
        if axis is None or not (dims or reduced_axes(axis, 0)):
            value, k, axes = builder.reshape(value, (shapes.product(dims),)), 0, tuple(range(len(dims)))
        else:
            k = axis_of(axis, len(dims))
            axes = (k,)
        require_elements(value.type.dims[k], f"attempt to get {kind} of an empty sequence")
        if out is not None and not np.can_cast(given := as_array(out).dtype_ir.np, np.int64):
            raise TypeError(f"Cannot cast array data from {given!r} to dtype('int64') according to the rule 'safe'")
        found = builder.cast(builder("argreduce", value, kind=kind, axis=k), I64)
        return finish(found, dims, axes, keepdims, out, kind)

    return run


argmax = implements(np.argmax, method="argmax")(_position("argmax"))
argmin = implements(np.argmin, method="argmin")(_position("argmin"))


# --- cumulative -----------------------------------------------------------------------------------------------------

def _cumulative(kind: str, name: str) -> Callable:
    def run(a: ArrayBox, axis: int | None = None, dtype: Any = None, out: Any = None) -> ArrayBox:
        builder = tracing.current().builder
        box = ravel(a) if axis is None or not lift(a).dims else as_array(a)
        k = 0 if axis is None else axis_of(axis, len(box.dims))
        if dtype is not None:
            target = to_dtype(dtype)
        else:
            target = accumulator(box.dtype_ir) if kind in ("sum", "prod") else box.dtype_ir
        value = boxes.converted(box, box.read(), target)
        if target is BOOL:
            value = builder.cast(value, I64)
        found = builder.cast(builder("scan", value, kind=kind, axis=k, reverse=False), target)
        return boxes.array(found) if out is None else ufuncs.deliver(name, found, out)

    return run


cumsum = implements(np.cumsum, method="cumsum")(_cumulative("sum", "add"))
cumprod = implements(np.cumprod, method="cumprod")(_cumulative("prod", "multiply"))


def _cumulative_standard(run: Callable) -> Callable:
    """np.cumulative_sum and _prod of the array API."""
    def call(x: Any, /, *, axis: int | None = None, dtype: DType | None = None, out: Expr | None = None,
             include_initial: bool = False) -> Any:
        box = as_array(x)
        if axis is None and len(box.dims) > 1:
            fail(ShapeError, "For arrays which have more than one dimension ``axis`` argument is required.")
        k = 0 if axis is None else axis_of(axis, len(box.dims))
        found = run(box, k, dtype, out)
        if include_initial:
            dims = (*found.dims[:k], 1, *found.dims[k + 1:])
            first = tracing.current().builder.full(0 if run is cumsum else 1, dims, found.dtype_ir)
            found = FUNCTIONS[np.concatenate]([boxes.array(first), found], k)
        return found

    return call


implements(np.cumulative_sum)(_cumulative_standard(cumsum))
implements(np.cumulative_prod)(_cumulative_standard(cumprod))


# --- ignoring NaN ---------------------------------------------------------------------------------------------------

def without_nan(a: Any, filler: Any) -> Any:
    """(the array with NaN replaced, the mask of what is not NaN); arrays that hold no NaN stay as they are."""
    box = as_array(a)
    if not box.dtype_ir.inexact:
        return box, boxes.array(tracing.current().builder.full(True, box.dims, BOOL))
    good = np.logical_not(np.isnan(box))
    return FUNCTIONS[np.where](good, box, np.zeros((), box.kind)[()] + filler), good


def _nan_arithmetic(run: Callable, filler: int) -> Callable:
    def call(a: Any, axis: int | None = None, dtype: DType | None = None, out: Expr | None = None, keepdims: Any = MISSING,
             initial: Any = MISSING, where: Any = MISSING) -> Any:
        return run(without_nan(a, filler)[0], axis, dtype, out, keepdims, initial, where)

    return call


implements(np.nansum)(_nan_arithmetic(sum_, 0))
implements(np.nanprod)(_nan_arithmetic(prod, 1))
implements(np.nancumsum)(lambda a, axis=None, dtype=None, out=None: cumsum(without_nan(a, 0)[0], axis, dtype, out))
implements(np.nancumprod)(lambda a, axis=None, dtype=None, out=None: cumprod(without_nan(a, 1)[0], axis, dtype, out))


def _nan_extremum(run: Callable, kind: str) -> Callable:
    """Where all are NaN the result is NaN."""
    def call(a: Any, axis: int | None = None, out: Any = None, keepdims: Any = MISSING, initial: Any = MISSING,
             where: Any = MISSING) -> Any:
        box = as_array(a)
        if not box.dtype_ir.inexact:
            return run(box, axis, out, keepdims, initial, where)
        filled, good = without_nan(box, extreme_of(box.dtype_ir, kind))
        found = run(filled, axis, None, keepdims, initial, where)
        some = any_(good, axis, None, keepdims, where=where)
        if initial is not MISSING and initial is not None:
            some = np.logical_or(some, np.logical_not(np.isnan(initial)))
        value = FUNCTIONS[np.where](some, found, np.asarray(math.nan, box.kind)[()])
        return boxes.result(value.read()) if out is None else ufuncs.deliver(kind, value.read(), out)

    return call


implements(np.nanmax)(_nan_extremum(amax, "max"))
implements(np.nanmin)(_nan_extremum(amin, "min"))


def _nan_moment(run: Callable) -> Callable:
    def call(a: Any, axis: int | None = None, dtype: DType | None = None, out: Expr | None = None, ddof: int = 0,
             keepdims: Any = MISSING, *, where: Any = MISSING, mean: Any = MISSING, correction: Any = MISSING) -> Any:
        filled, good = without_nan(a, 0)
        if where is not MISSING:
            good = np.logical_and(good, where)
        return run(filled, axis, dtype, out, ddof if correction is MISSING else correction, keepdims, where=good)

    return call


@implements(np.nanmean)
def nanmean(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = MISSING, *,
            where: Any = MISSING) -> Any:
    filled, good = without_nan(a, 0)
    return mean(filled, axis, dtype, out, keepdims, where=good if where is MISSING else np.logical_and(good, where))


implements(np.nanvar)(_nan_moment(var))
implements(np.nanstd)(_nan_moment(std))


def _nan_position(run: Callable, kind: str) -> Callable:
    def call(a: Any, axis: int | None = None, out: Expr | None = None, *, keepdims: Any = MISSING) -> Any:
        filled, good = without_nan(a, extreme_of(as_array(a).dtype_ir, kind))
        builder = tracing.current().builder
        some = any_(good, axis).read()
        builder.emit("check", builder.reduce(some, "all", range(some.type.rank)), error="ValueError",
                     message="All-NaN slice encountered")
        return run(filled, axis, out, keepdims=keepdims)

    return call


implements(np.nanargmax)(_nan_position(argmax, "max"))
implements(np.nanargmin)(_nan_position(argmin, "min"))


# --- ufunc methods --------------------------------------------------------------------------------------------------

def _as_ufunc_method(run: Callable, takes_dtype: bool = True) -> Callable:
    """np.add.reduce: axis 0 unless said."""
    def call(array: ArrayBox, axis: int = 0, dtype: DType | None = None, out: Any = None, keepdims: bool = False,
             initial: Any = MISSING, where: bool | str = True) -> Any:
        where = MISSING if where is True else where
        out = out[0] if isinstance(out, tuple) else out
        if takes_dtype:
            return run(array, axis, dtype, out, keepdims, initial, where)
        return run(array, axis, out, keepdims, **({"initial": initial} if initial is not MISSING else {}), where=where)

    return call


for _ufunc, _run, _with_dtype in ((np.add, sum_, True), (np.multiply, prod, True), (np.maximum, amax, False),
                                  (np.minimum, amin, False), (np.logical_and, all_, False), (np.logical_or, any_, False)):
    ufuncs.REDUCERS[_ufunc, "reduce"] = _as_ufunc_method(_run, _with_dtype)
for _ufunc, _kind in ((np.add, "sum"), (np.multiply, "prod"), (np.maximum, "max"), (np.minimum, "min")):
    _scan = _cumulative(_kind, _ufunc.__name__)
    ufuncs.REDUCERS[_ufunc, "accumulate"] = lambda array, axis=0, dtype=None, out=None, scan=_scan: scan(
        array, axis, dtype, out[0] if isinstance(out, tuple) else out)
