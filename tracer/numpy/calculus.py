"""NumPy's numerical analysis: rounding, differences, integrals, interpolation, polynomials, convolution."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.analysis.lengths import expression
from ...ir.build import Builder, const
from ...ir.errors import DTypeError, ShapeError
from ...ir.types import BOOL, C64, C128, F16, F32, F64, INDEX, Dim
from .. import tracing
from ..values import boxes, shapes, ufuncs
from ..values.boxes import FUNCTIONS, HOOKS, METHODS, ArrayBox, ScalarBox, as_array, implements, lift
from ..values.promotion import can_cast, fail, result_dtype
from ..values.shapes import axis_of
from . import reductions
from .arrays.creation import iota
from .arrays.manipulation import moveaxis, ravel, reshape
from .selection import take, where
from .sorting import searchsorted

if TYPE_CHECKING:
    from ...ir.core import Value


@implements(np.round, np.around)
def round_(a: Any, decimals: Any = 0, out: Any = None) -> Any:
    """rint(a * 10**d) / 10**d, as NumPy; integers stay as they are for d >= 0."""
    box = lift(a)
    builder, value, dtype = tracing.current().builder, boxes.to_value(a), box.dtype_ir
    decimals = shapes.to_index(decimals)
    if dtype.complex:
        re, im = (round_(boxes.result(builder(part, value)), decimals).read() for part in ("real", "imag"))
        found = builder("complex", re, im)
    elif dtype.inexact:
        found = _rounded(builder, value, decimals, dtype)
    elif dtype is BOOL:
        if decimals:
            fail(DTypeError, "np.round of bools to a number of decimals: NumPy has no such rounding", "use .astype(float)")
        found = builder.cast(value, F16)
    elif type(decimals) is int and decimals >= 0:
        found = value
    else:
        wide = _rounded(builder, builder.cast(value, F64), decimals, F64)
        found = builder.cast(wide, value.type.dtype)
        if type(decimals) is not int:
            stays = builder("ge", builder.index(decimals), builder.index(0))
            found = builder("select", shapes.expand(stays, value.type.dims), value, found)
    if out is not None:
        return ufuncs.deliver("round", found, out)
    return boxes.result(found)


def _rounded(builder: Builder, value: Value, decimals: Dim, dtype: Any) -> Value:
    if type(decimals) is not int:
        return _rounded_by(builder, value, builder.index(decimals), dtype)
    if decimals == 0:
        return builder("rint", value)
    scale = const(10.0 ** abs(decimals), dtype)
    there, back = ("mul", "div") if decimals > 0 else ("div", "mul")
    return builder(back, builder("rint", builder(there, value, scale)), scale)


def _rounded_by(builder: Builder, value: Value, decimals: Value, dtype: Any) -> Value:
    """To a number of decimals that run time knows: the power of ten is taken from a table, as exact as a constant."""
    powers = const(np.array([10.0 ** k for k in range(_MOST_DECIMALS + 1)]).astype(dtype.np), dtype)
    zero, dims = builder.index(0), value.type.dims
    size = builder("min", builder("max", decimals, builder("sub", zero, decimals)), builder.index(_MOST_DECIMALS))
    scale = shapes.expand(builder("slice", powers, size, spec="i"), dims)
    finer, coarser = (builder(back, builder("rint", builder(there, value, scale)), scale)
                      for there, back in (("mul", "div"), ("div", "mul")))
    return builder("select", shapes.expand(builder("ge", decimals, zero), dims), finer, coarser)


_MOST_DECIMALS = 308       # 10.0 ** 309 is no float64


METHODS["round"] = round_


@implements(np.fix)
def fix(x: Any, out: Any = None) -> Any:
    return ufuncs.call(np.trunc, x, out=out)


# below, sin(y) / y = 1 - y^2/6 + y^4/120 - y^6/5040; the quotient's second derivative errs by the dtype's precision / y^2
SERIES = {F32: 0.5, F64: 0.03, C64: 0.5, C128: 0.03}


@implements(np.sinc)
def sinc(x: Any) -> Any:
    box = lift(x)
    dtype = result_dtype([box.kind, float])
    if dtype is F16:
        return FUNCTIONS[np.astype](sinc(FUNCTIONS[np.astype](as_array(x), np.float32)), np.float16)
    y = boxes.result(boxes.to_value(box, dtype)) * math.pi
    small = np.abs(y) < SERIES[dtype]
    safe, square = where(small, 1.0, y), y * y
    series = 1.0 - square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0))
    return boxes.result(where(small, series, np.sin(safe) / safe).read())


@implements(np.i0)
def i0(x: Any) -> Any:
    box = lift(x)
    if box.dtype_ir.complex:
        raise TypeError("i0 not supported for complex values")
    value = boxes.to_value(box, box.dtype_ir if box.dtype_ir.inexact else F64)
    return boxes.result(tracing.current().builder("bessel_i", const(0, value.type.dtype), value))


@implements(np.real_if_close)
def real_if_close(a: Any, tol: Any = 100) -> Any:
    """Real numbers as they are. Of complex ones the elements decide the dtype."""
    box = as_array(a)
    if not box.dtype_ir.complex:
        return box
    if tol > 1:
        tol = float(np.finfo(box.dtype_ir.np).eps) * tol
    flag = FUNCTIONS[np.all](np.less(np.abs(FUNCTIONS[np.imag](box)), tol))
    only = FUNCTIONS[np.real](box)
    return HOOKS["real_or_complex"](flag.read(), where(flag, boxes.array(boxes.to_value(only, box.dtype_ir)), box).read())


@implements(np.angle)
def angle(z: Any, deg: Any = False) -> Any:
    box = lift(z)
    found = np.arctan2(FUNCTIONS[np.imag](box), FUNCTIONS[np.real](box)) if box.dtype_ir.complex else np.arctan2(0, box)
    return found * (180 / math.pi) if deg else found


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: Any = -1, *, period: Any = 2 * math.pi) -> Any:
    p = as_array(p)
    dd = diff(p, axis=axis)
    dtype = result_dtype([dd.dtype, lift(period).kind])
    if dtype.integer:
        high, between = period // 2, period % 2 == 0
    else:
        high, between = period / 2, True
    moved = np.remainder(dd + high, period) - high
    moved = where(np.logical_and(np.logical_and(np.equal(moved, -high), np.greater(dd, 0)), between), high, moved)
    correction = where(np.less(np.absolute(dd), period / 2 if discont is None else discont), 0, moved - dd)
    k = axis_of(axis, len(p.dims))
    out = FUNCTIONS[np.astype](p, dtype.np)
    out[(*(slice(None),) * k, slice(1, None))] += FUNCTIONS[np.cumsum](correction, axis=k)
    return out


# --- differences and integrals ---------------------------------------------------------------------------------------

def _between(box: Any, axis: int, start: int | None, stop: int | None) -> Any:
    return box[(*(slice(None),) * axis, slice(start, stop))]


@implements(np.diff)
def diff(a: Any, n: Any = 1, axis: Any = -1, prepend: Any = np._NoValue, append: Any = np._NoValue) -> Any:
    box, n = as_array(a), shapes.static_int(n, "the order of np.diff")
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n}")
    k = axis_of(axis, len(box.dims))

    def edge(x: Any) -> Any:
        part = as_array(x)
        dims = tuple(1 if j == k else boxes.count(d) for j, d in enumerate(box.dims))
        return part if part.dims else FUNCTIONS[np.broadcast_to](part, dims)

    parts = [*([] if prepend is np._NoValue else [edge(prepend)]), box, *([] if append is np._NoValue else [edge(append)])]
    box = FUNCTIONS[np.concatenate](parts, k) if len(parts) > 1 and n else box
    for _ in range(n):
        later, earlier = _between(box, k, 1, None), _between(box, k, None, -1)
        box = np.not_equal(later, earlier) if box.dtype_ir is BOOL else np.subtract(later, earlier)
    return box


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    inner = _differences(ravel(ary))

    def end(x: Any, name: str) -> list:
        if x is None:
            return []
        if not can_cast(as_array(x).dtype_ir.np, inner.dtype_ir, "same_kind"):
            raise TypeError(f"dtype of `{name}` must be compatible with input `ary` under the `same_kind` rule.")
        return [FUNCTIONS[np.astype](ravel(x), inner.kind)]

    parts = [*end(to_begin, "to_begin"), inner, *end(to_end, "to_end")]
    return parts[0] if len(parts) == 1 else FUNCTIONS[np.concatenate](parts)


def _differences(x: Any) -> Any:
    """x[1:] - x[:-1], which NumPy refuses of bools."""
    return np.subtract(x[1:], x[:-1])


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Any:
    y = as_array(y)
    k = axis_of(axis, len(y.dims))
    d = dx
    if x is not None:
        x = as_array(x)
        d = diff(x, axis=axis if len(x.dims) > 1 else -1)
        if len(x.dims) == 1:
            d = reshape(d, tuple(-1 if j == k else 1 for j in range(len(y.dims))))
    return np.sum(d * (_between(y, k, 1, None) + _between(y, k, None, -1)) / 2.0, axis=k)


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: Any = 1) -> Any:
    """Central differences inside, one-sided ones of the given order at the ends; spacing by number or by coordinates."""
    f = as_array(f)
    if f.dtype_ir is BOOL:
        np.subtract(f, f)                                    # raises as NumPy does
    f = f if f.dtype_ir.inexact else FUNCTIONS[np.astype](f, np.float64)
    rank = len(f.dims)
    axes = tuple(range(rank)) if axis is None else tuple(axis_of(k, rank)
                                                         for k in (axis if isinstance(axis, tuple) else (axis,)))
    steps = list(varargs) or [1.0] * len(axes)
    steps = steps * len(axes) if len(steps) == 1 and len(axes) > 1 else steps
    if len(steps) != len(axes):
        raise TypeError("invalid number of arguments")
    found = [_gradient(moveaxis(f, k, 0), h, edge_order) for k, h in zip(axes, steps)]
    found = [boxes.array(moveaxis(g, 0, k).read()) for g, k in zip(found, axes)]
    return found[0] if len(axes) == 1 else tuple(found)


def _gradient(f: Any, h: Any, edge_order: Any) -> Any:
    n = f.dims[0]
    if type(n) is int and n < edge_order + 1:
        raise ValueError("Shape of array too small to calculate a numerical gradient, at least (edge_order + 1) elements are "
                         "required.")
    out = FUNCTIONS[np.zeros_like](f)
    h = spacing = lift(h)
    if spacing.dims and spacing.dtype_ir.integer:              # differences of unsigned coordinates would wrap around
        spacing = FUNCTIONS[np.astype](spacing, np.float64)
    even = not spacing.dims
    if even:
        out[1:-1] = (f[2:] - f[:-2]) / (2.0 * h)
        first = last = h
    else:
        gaps = diff(spacing)
        wide = (-1, *(1,) * (len(f.dims) - 1))
        a, c = reshape(gaps[:-1], wide), reshape(gaps[1:], wide)
        out[1:-1] = -c / (a * (a + c)) * f[:-2] + (c - a) / (a * c) * f[1:-1] + a / (c * (a + c)) * f[2:]
        first, last = gaps[0], gaps[-1]
    if edge_order == 1:
        out[0], out[-1] = (f[1] - f[0]) / first, (f[-1] - f[-2]) / last
        return out
    if even:
        out[0] = -1.5 / h * f[0] + 2.0 / h * f[1] - 0.5 / h * f[2]
        out[-1] = 0.5 / h * f[-3] - 2.0 / h * f[-2] + 1.5 / h * f[-1]
        return out
    p, q = gaps[0], gaps[1]
    out[0] = -(2.0 * p + q) / (p * (p + q)) * f[0] + (p + q) / (p * q) * f[1] - p / (q * (p + q)) * f[2]
    p, q = gaps[-2], gaps[-1]
    out[-1] = q / (p * (p + q)) * f[-3] - (q + p) / (p * q) * f[-2] + (2.0 * q + p) / (q * (p + q)) * f[-1]
    return out


# --- interpolation and polynomials ----------------------------------------------------------------------------------

@implements(np.interp)
def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None) -> Any:
    """Linear between the two neighbours; the end values, or left and right, outside."""
    if period is not None:
        return interp(*_wrapped(x, xp, fp, period))
    grid, table = as_array(xp), as_array(fp)
    for given in (x, grid):
        if (dtype := lift(given).dtype_ir).complex:
            raise TypeError(f"Cannot cast array data from {dtype.np!r} to dtype('float64') according to the rule 'safe'")
    target = np.complex128 if table.dtype_ir.complex else np.float64
    grid, table = FUNCTIONS[np.astype](grid, np.float64), FUNCTIONS[np.astype](table, target)
    shapes.require_equal(grid.dims[0], table.dims[0], "fp and xp are not of the same length.")
    at = boxes.result(boxes.to_value(lift(x), F64))
    reductions.require_elements(grid.dims[0], "array of sample points is empty")
    low, high = table[0] if left is None else left, table[-1] if right is None else right
    if target is np.complex128:
        found = boxes.result(tracing.current().builder("complex", *[
            _interpolated(at, grid, part(table), part(low), part(high)).read() for part in (np.real, np.imag)]))
    else:
        found = _interpolated(at, grid, table, low, high)
    return boxes.result((found if grid.dims == (1,) else where(np.isnan(at), at, found)).read())


def _interpolated(at: Any, grid: Any, table: Any, low: Any, high: Any) -> Any:
    """The line between the two neighbours of `at`, where it is no NaN. Where the line from the left one is NaN, as between
    infinite values, NumPy takes that from the right one, and their value where they are equal."""
    n = grid.dims[0]
    if type(n) is int and n == 1:
        inside = line = table[0]
    else:
        last = boxes.count(shapes.arith("sub", n, 2))
        k = FUNCTIONS[np.clip](searchsorted(grid, at, "right") - 1, 0, last)
        x0, y0, x1, y1 = take(grid, k), take(table, k), take(grid, k + 1), take(table, k + 1)
        slope = (y1 - y0) / (x1 - x0)
        line = slope * (at - x0) + y0                          # at a point of the table the slope is that to its right
        other = slope * (at - x1) + y1
        other = where(np.logical_and(np.isnan(other), np.equal(y0, y1)), y0, other)
        inside = where(np.equal(at, x0), y0, where(np.isnan(line), other, line))
    found, smooth = (where(np.greater(at, grid[-1]), high, where(np.less(at, grid[0]), low, within))
                     for within in (where(np.equal(at, grid[-1]), table[-1], inside), line))
    if line is not inside:
        found = boxes.result(tracing.current().builder("surrogate", found.read(), smooth.read()))
    return found


def _wrapped(x: Any, xp: Any, fp: Any, period: Any) -> Any:
    """x and the points modulo a period, in order, with a point of the neighbouring period at each end."""
    if type(period) in (int, float) and period == 0:
        fail(ShapeError, "period must be a non-zero value")
    period = np.absolute(period)
    grid, table, cat = np.remainder(as_array(xp), period), as_array(fp), FUNCTIONS[np.concatenate]
    order = FUNCTIONS[np.argsort](grid)
    grid, table = grid[order], table[order]
    return (np.remainder(lift(x), period), cat([grid[-1:] - period, grid, grid[:1] + period]),
            cat([table[-1:], table, table[:1]]))


@implements(np.polyval)
def polyval(p: Any, x: Any) -> ScalarBox:
    x = as_array(x)                                           # of a Python number an array of its dtype, which counts
    found = FUNCTIONS[np.zeros_like](x)
    for c in as_array(p):
        found = found * x + c
    return found


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    return _aligned(np.add, a1, a2)


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    return _aligned(np.subtract, a1, a2)


def _aligned(ufunc: Callable, a: Any, b: Builder) -> Any:
    a, b = FUNCTIONS[np.atleast_1d](a, b)
    short = len(b) - len(a)
    pad = FUNCTIONS[np.pad]
    return ufunc(pad(a, (short, 0)), b) if short > 0 else ufunc(a, pad(b, (-short, 0)))


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> ArrayBox:
    return convolve(*map(_without_leading_zeros, (a1, a2)))


def _without_leading_zeros(p: np.ndarray | ArrayBox) -> Any:
    """The coefficients of a polynomial from the first that is not 0; one 0 where all are. The length depends on the values."""
    p = FUNCTIONS[np.atleast_1d](as_array(p))
    shapes.require_rank(p, 1, "Polynomial must be 1d only.")
    data = boxes.frozen_data(p)
    if data is not None:
        found = np.trim_zeros(data, "f")
        return lift(found if found.size else np.zeros(1, data.dtype))
    n = boxes.count(p.dims[0])
    if type(n) is int and n < 2:
        return p if n else FUNCTIONS[np.zeros](1)
    some = np.not_equal(p, 0)
    first = where(FUNCTIONS[np.any](some), FUNCTIONS[np.argmax](some), n - 1)
    return p[boxes.ScalarBox(first.read(), "int"):]


@implements(np.polyder)
def polyder(p: Any, m: Any = 1) -> Any:
    p = as_array(p)
    for _ in range(m):
        n = len(p)
        p = p[:-1] * lift(np.arange(n - 1, 0, -1))
    return p


# --- convolution ----------------------------------------------------------------------------------------------------

@implements(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> ArrayBox:
    a, v = (FUNCTIONS[np.atleast_1d](as_array(x)) for x in (a, v))
    _expect_lines(a, v)
    if _shorter(a, v):
        a, v = v, a
    return _in_order(a, v, mode, lambda order: _sliding(a, v[::-1], order), exchanged=False)


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    """The longer one slides: with the operands exchanged the result is reversed and conjugated."""
    a, v = as_array(a), as_array(v)
    _expect_lines(a, v)
    v = as_array(np.conjugate(v)) if v.dtype_ir.complex else v
    if _shorter(a, v):
        return boxes.array(_sliding(v, a, mode).read())[::-1]
    return _in_order(a, v, mode, lambda order: _sliding(a, v, order), exchanged=True)


def _expect_lines(*arrays: ArrayBox) -> None:
    for x in arrays:
        shapes.require_rank(x, 1, f"object {'too deep for' if x.dims else 'of too small depth for'} desired array")


def _shorter(a: ArrayBox, v: Any) -> bool:
    """Whether a is shorter for sure."""
    found = _lengths(a, v)
    return found is not None and found[0] < found[1]


def _lengths(*arrays: ArrayBox) -> list[int] | None:
    """The lengths of lines, where all are known while the program is traced."""
    found = [x.dims[0] if isinstance(x.dims[0], int) else tracing.constant(x.dims[0]) for x in arrays]
    known = [n for n in found if n is not None]
    return known if len(known) == len(found) else None


def _in_order(a: ArrayBox, v: ArrayBox, mode: str, sliding: Callable, exchanged: bool) -> Any:
    """sliding(mode), where a may be shorter than v at run time. `full` needs no order. A program for many lengths of arguments
    asks that a is not shorter; lengths that data decide are ordered at run time:

        same     full[first : first + greatest]     first = (least - 1) // 2;  exchanged, from the other end: least // 2
        valid    full[least - 1 : greatest]
    """
    builder = tracing.current().builder
    n, m = (builder.index(x.dims[0]) for x in (a, v))
    longer = builder("ge", n, m)
    if mode == "full" or _lengths(a, v) is not None or tracing.constant(longer) is not None:
        return sliding(mode)
    if expression(longer) is not None:
        builder.emit("check", longer, error="ValueError", message="the second array is longer than the first")
        return sliding(mode)
    least, greatest = builder("min", n, m), builder("max", n, m)
    first, end = shapes.arith("sub", least, 1), greatest
    if mode == "same":
        turned = builder("and", builder("lt", n, m), const(exchanged, BOOL))
        first = shapes.arith("floordiv", builder("select", turned, least, builder.index(first)), 2)
        end = builder.index(shapes.arith("add", first, greatest))
    return boxes.array(sliding("full").read())[boxes.count(first):boxes.count(end)]


def _sliding(a: Any, v: Any, mode: str) -> ArrayBox:
    """sum_j a[i + j - pad] v[j]: windows of the padded array, times v, summed."""
    builder = tracing.current().builder
    dtype = result_dtype([a.kind, v.kind])
    n, m = a.dims[0], v.dims[0]
    for d, name in ((n, "a"), (m, "v")):
        if type(d) is int and d == 0:
            raise ValueError(f"{name} cannot be empty")
        if type(d) is not int:
            builder.emit("check", builder("gt", d, builder.index(0)), error="ValueError", message=f"{name} cannot be empty")
    less = shapes.arith("sub", m, 1)
    half = shapes.arith("floordiv", m, 2)
    before, after = {"full": (less, less), "same": (half, shapes.arith("sub", less, half)), "valid": (0, 0)}[mode]
    total = shapes.arith("sub", shapes.arith("add", n, shapes.arith("add", before, after)), less)
    padded = as_array(FUNCTIONS[np.pad](boxes.array(boxes.to_value(a, dtype)),
                                        (boxes.count(before), boxes.count(after)))).read()
    rows = builder.reshape(iota(total, INDEX), (total, 1))
    dims = (total, m)
    at = builder("add", shapes.expand(rows, dims), shapes.expand(iota(m, INDEX), dims))
    windows = builder("gather", padded, at, axes=(0,), at=0)
    product = ufuncs.evaluate(np.multiply, [windows, shapes.expand(boxes.to_value(v, dtype), dims)], (dtype,))
    return boxes.array(builder.reduce(product, "any" if dtype is BOOL else "sum", (1,)))
