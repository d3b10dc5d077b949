"""NumPy's statistics beyond sums and moments: averages and covariance."""
from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.build import const
from ...ir.errors import ShapeError, UnsupportedError
from .. import tracing
from ..values import boxes, shapes
from ..values.boxes import FUNCTIONS, as_array, implements, lift
from ..values.promotion import fail, result_dtype, to_dtype
from ..values.shapes import axes_of, axis_of
from . import linalg, reductions
from .arrays.manipulation import diagonal
from .reductions import MISSING, mean, sum_, total_of


@implements(np.average)
def average(a: Any, axis: Any = None, weights: Any = None, returned: Any = False, *, keepdims: Any = MISSING) -> Any:
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
    builder = tracing.current().builder
    some = builder("ne", scale.read(), const(0, scale.dtype_ir))
    builder.emit("check", builder.reduce(some, "all", range(some.type.rank)), error="ZeroDivisionError",
                 message="Weights sum to zero, can't be normalized")
    found = sum_(np.multiply(a, w, dtype=target.np), axis, keepdims=keepdims) / scale
    return (found, scale) if returned else found


# --- covariance -------------------------------------------------------------------------------------------------------

@implements(np.cov)
def cov(m: Any, y: Any = None, rowvar: Any = True, bias: Any = False, ddof: Any = None, fweights: Any = None,
        aweights: Any = None, *, dtype: Any = None) -> Any:
    x = FUNCTIONS[np.atleast_2d](m)
    if not rowvar and len(lift(m).dims) != 1:
        x = x.T
    if y is not None:
        other = FUNCTIONS[np.atleast_2d](y)
        x = FUNCTIONS[np.concatenate]([x, other.T if not rowvar and other.dims[0] != 1 else other], 0)
    target = result_dtype([x.kind, np.dtype(float)]) if dtype is None else to_dtype(dtype)
    x = boxes.array(boxes.to_value(x, target))
    less = (0 if bias else 1) if ddof is None else ddof
    if lift(less).dims or (isinstance(less, float) and less != int(less)):
        fail(ShapeError, "ddof must be integer")
    w = [as_array(v) for v in (fweights, aweights) if v is not None]
    if not w:
        x = x - reductions.mean(x, 1, keepdims=True)
        n, turned = boxes.count(x.dims[1]), x.T
        left = max(n - less, 0) if isinstance(n, int) and isinstance(less, int) else np.maximum(n - less, 0)
    else:
        weight = w[0] if len(w) == 1 else w[0] * w[1]
        total = sum_(weight)
        x = x - (sum_(x * weight, 1) / total)[:, None]
        turned = (x * weight).T
        extra = less if aweights is None or less == 0 else less * sum_(weight * as_array(aweights)) / total
        left = np.maximum(total - extra, 0)
    return FUNCTIONS[np.squeeze](boxes.array(tracing.current().builder(
        "div", linalg.matmul(x, np.conjugate(turned)).read(), boxes.to_value(left, target))))


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: Any = True, *, dtype: Any = None) -> Any:
    builder, c = tracing.current().builder, cov(x, y, rowvar, dtype=dtype)
    if not c.dims:
        return np.true_divide(c, c)
    spread = np.sqrt(np.real(diagonal(c)))
    found = c / spread[:, None] / spread[None, :]
    if found.dtype_ir.complex:
        return found
    clipped = FUNCTIONS[np.clip](found, -1, 1)                 # of rounding errors, which no slope is to be cut for
    return boxes.array(builder("surrogate", clipped.read(), found.read()))


