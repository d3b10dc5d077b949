"""NumPy functions that are written with others: np.unique and np.fill_diagonal.

    s = sort(x)                      first = [True, s[1] != s[0], s[2] != s[1], …]     NaN, which comes last, counts once
    unique(x) = s[first]             rank  = cumsum(first) - 1: which of the distinct values each element of s is
    index = argsort(x)[first]        counts[rank] += 1          inverse[argsort(x)] = rank
"""
from __future__ import annotations

import numpy as np

from ..ir.errors import ShapeError, UnsupportedError
from . import boxes, shapes
from .boxes import FUNCTIONS, as_array, implements
from .manipulation import ravel, reshape
from .promote import fail
from .selection import argsort, take


@implements(np.unique)
def unique(ar, return_index=False, return_inverse=False, return_counts=False, axis=None, *, equal_nan=True, sorted=True):
    box = as_array(ar)
    if axis is not None and len(box.dims) != 1:
        fail(UnsupportedError, "np.unique of rows or columns cannot be compiled",
             "call it before the compiled function and pass the result")
    x = ravel(box)
    order = argsort(x, stable=True)
    s, at = x[order], _range(boxes.count(x.dims[0]))
    before = s[np.maximum(at - 1, 0)]
    differs = s != before
    if equal_nan and x.dtype_ir.inexact:
        differs = differs & ~(np.isnan(s) & np.isnan(before))
    first = differs | (at == 0)
    rank = np.cumsum(first) - 1
    values = s[first]
    found = [values]
    if return_index:
        found.append(order[first])
    if return_inverse:
        inverse = _zeros(boxes.count(x.dims[0]), np.int64)
        inverse[order] = rank
        found.append(reshape(inverse, tuple(map(boxes.count, box.dims))))
    if return_counts:
        counts = _zeros(boxes.count(values.dims[0]), np.int64)
        np.add.at(counts, rank, 1)
        found.append(counts)
    return found[0] if len(found) == 1 else tuple(found)


@implements(np.fill_diagonal)
def fill_diagonal(a, val, wrap=False):
    dims = a.dims
    if len(dims) < 2:
        fail(ShapeError, "array must be at least 2-d")
    if wrap:
        fail(UnsupportedError, "np.fill_diagonal with wrap=True cannot be compiled", "assign to a[i, i] for each block")
    if len(dims) > 2:
        for d in dims[1:]:
            shapes.require_equal(dims[0], d, "All dimensions of input must be of equal length")
    n = shapes.arith("min", dims[0], dims[1]) if len(dims) == 2 else dims[0]
    at = _range(boxes.count(n))
    value = as_array(val)
    if value.dims:
        value = take(ravel(value), np.remainder(at, value.size))
    a[(at,) * len(dims)] = value


def _range(n):
    return FUNCTIONS[np.arange](n)


def _zeros(n, dtype):
    return FUNCTIONS[np.zeros](n, dtype)
