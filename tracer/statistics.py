"""NumPy's statistics beyond sums and moments: averages, medians and quantiles, covariance."""
from __future__ import annotations

import math

import numpy as np

from ..ir.build import const
from ..ir.errors import ShapeError, UnsupportedError
from ..ir.types import BOOL, INDEX
from . import boxes, context, linalg, reductions, shapes, ufuncs
from .boxes import FUNCTIONS, as_array, implements, lift
from .manipulation import diagonal
from .promote import fail, mean_dtype, result_dtype, to_dtype
from .reductions import MISSING, finish, mean, sum_, total_of
from .shapes import axes_of, axis_of


@implements(np.average)
def average(a, axis=None, weights=None, returned=False, *, keepdims=MISSING):
    if weights is None:
        found = mean(a, axis, keepdims=keepdims)
        n = total_of(lift(a).dims, axes_of(axis, len(lift(a).dims)))
        return (found, found * 0 + boxes.count(n)) if returned else found
    a, w = as_array(a), as_array(weights)
    target = result_dtype([a.kind, w.kind] + ([] if a.dtype_ir.inexact else [np.dtype(float)]))
    if not shapes.same_dims(a.dims, w.dims):
        if axis is None:
            fail(ShapeError, "Axis must be specified when shapes of a and weights differ.")
        if len(w.dims) != 1 or isinstance(axis, tuple):
            fail(UnsupportedError, "np.average with weights of this shape cannot be compiled",
                 "broadcast the weights to the array's shape")
        k = axis_of(axis, len(a.dims))
        shapes.require_equal(w.dims[0], a.dims[k], "Length of weights not compatible with specified axis: {0} and {1}.")
        w = FUNCTIONS[np.reshape](w, tuple(-1 if j == k else 1 for j in range(len(a.dims))))
        w = FUNCTIONS[np.broadcast_to](w, tuple(map(boxes.count, a.dims)))
    scale = sum_(w, axis, target, keepdims=keepdims)
    found = sum_(np.multiply(a, w, dtype=target.np), axis, keepdims=keepdims) / scale
    return (found, scale) if returned else found


# --- order statistics -----------------------------------------------------------------------------------------------

def _sorted_lines(a, axis):
    """(values in ascending order along the last axis, the reduced axes, dims before); several axes are joined into one."""
    builder, box = context.current().builder, as_array(a)
    value = boxes.converted(box, box.read(), mean_dtype(box.dtype_ir))
    dims = value.type.dims
    axes = axes_of(axis, len(dims))
    rest = tuple(k for k in range(len(dims)) if k not in axes)
    value = builder.transpose(value, rest + axes)
    value = builder.reshape(value, (*(dims[k] for k in rest), total_of(dims, axes)))
    return builder("sort", value, axis=len(rest)), axes, dims


@implements(np.median)
def median(a, axis=None, out=None, overwrite_input=False, keepdims=False):
    """The mean of the two middle elements, which are the same where the length is odd. NaN, which sorts last, wins."""
    builder = context.current().builder
    ordered, axes, dims = _sorted_lines(a, axis)
    n, rank, dtype = ordered.type.dims[-1], ordered.type.rank, ordered.type.dtype
    if type(n) is int and n == 0:
        return finish(builder.full(math.nan, ordered.type.dims[:-1], dtype), dims, axes, keepdims, out, "median")

    def at(k):
        return builder("slice", ordered, builder.index(k), spec=":" * (rank - 1) + "i")

    low = at(shapes.arith("floordiv", shapes.arith("sub", n, 1), 2))
    if type(n) is int and n % 2:
        middle = low
    else:
        middle = builder("div", builder("add", low, at(shapes.arith("floordiv", n, 2))), const(2, dtype))
    last = at(shapes.arith("sub", n, 1))
    nan = ufuncs.evaluate(np.isnan, [last], (BOOL,))
    return finish(builder("select", nan, last, middle), dims, axes, keepdims, out, "median")


def _quantile(scale):
    def run(a, q, axis=None, out=None, overwrite_input=False, method="linear", keepdims=False, *, weights=None,
            interpolation=None):
        if method != "linear" or weights is not None:
            fail(UnsupportedError, f"np.quantile with method {method!r} or weights cannot be compiled",
                 "use method='linear' without weights")
        builder = context.current().builder
        ordered, axes, dims = _sorted_lines(a, axis)
        fractions = lift(q)
        at = boxes.to_value(fractions, ordered.type.dtype)
        if scale != 1:
            at = builder("div", at, const(scale, at.type.dtype))
        good = builder("and", builder("ge", at, const(0, at.type.dtype)), builder("le", at, const(1, at.type.dtype)))
        builder.emit("check", builder.reduce(good, "all", range(good.type.rank)), error="ValueError",
                     message="Quantiles must be in the range [0, 1]" if scale == 1
                     else "Percentiles must be in the range [0, 100]")
        found = _interpolated(builder, ordered, at)
        lead = at.type.rank
        whole = (*at.type.dims, *dims)
        return finish(found, whole, tuple(k + lead for k in axes), keepdims, out, "quantile")

    return run


def _interpolated(builder, ordered, at):
    """Element q (n - 1) of each sorted line, between two neighbours in proportion; the axes of q come first. As np's _lerp."""
    n, rank, dtype = ordered.type.dims[-1], ordered.type.rank, ordered.type.dtype
    last = shapes.arith("sub", n, 1)
    place = builder("mul", at, builder.cast(builder.index(last), dtype))
    below = builder("floor", place)
    part = builder("sub", place, below)
    low = builder.cast(below, INDEX)
    high = builder("min", builder("add", low, builder.index(1)), builder.index(last))

    def take(k):
        if k.type.dims:
            return builder("gather", ordered, k, axes=(rank - 1,), at=0)
        return builder("slice", ordered, k, spec=":" * (rank - 1) + "i")

    a, b = take(low), take(high)
    part = builder.reshape(part, (*part.type.dims, *(1,) * (rank - 1))) if part.type.dims else part
    (a, b, t), _ = shapes.align([a, b, part])
    step = builder("sub", b, a)
    upper = builder("sub", b, builder("mul", step, builder("sub", const(1, dtype), t)))
    lower = builder("add", a, builder("mul", step, t))
    found = builder("select", builder("ge", t, const(0.5, dtype)), upper, lower)
    found = builder("select", builder("eq", a, b), a, found)
    end = builder("slice", ordered, builder.index(last), spec=":" * (rank - 1) + "i")
    (end, _), _ = shapes.align([end, found])
    nan = ufuncs.evaluate(np.isnan, [end], (BOOL,))
    return builder("select", nan, end, found)


implements(np.quantile)(_quantile(1))
implements(np.percentile)(_quantile(100))


# --- covariance -------------------------------------------------------------------------------------------------------

@implements(np.cov)
def cov(m, y=None, rowvar=True, bias=False, ddof=None, fweights=None, aweights=None, *, dtype=None):
    if fweights is not None or aweights is not None:
        fail(UnsupportedError, "np.cov with weights cannot be compiled",
             "compute it from the centred array with a matrix product")
    x = FUNCTIONS[np.atleast_2d](m)
    if not rowvar and len(lift(m).dims) != 1:
        x = x.T
    if y is not None:
        other = FUNCTIONS[np.atleast_2d](y)
        x = FUNCTIONS[np.concatenate]([x, other.T if not rowvar and other.dims[0] != 1 else other], 0)
    target = result_dtype([x.kind, np.dtype(float)]) if dtype is None else to_dtype(dtype)
    x = boxes.array(boxes.to_value(x, target))
    x = x - reductions.mean(x, 1, keepdims=True)
    less = (0 if bias else 1) if ddof is None else ddof
    n = boxes.count(x.dims[1])
    left = max(n - less, 0) if isinstance(n, int) and isinstance(less, int) else n - less
    return FUNCTIONS[np.squeeze](boxes.array(context.current().builder(
        "div", linalg.matmul(x, np.conjugate(x.T)).read(), boxes.to_value(left, target))))


@implements(np.corrcoef)
def corrcoef(x, y=None, rowvar=True, *, dtype=None):
    c = cov(x, y, rowvar, dtype=dtype)
    if not c.dims:
        return np.true_divide(c, c)
    spread = np.sqrt(np.real(diagonal(c)))
    found = c / spread[:, None] / spread[None, :]
    return found if found.dtype_ir.complex else FUNCTIONS[np.clip](found, -1, 1)


