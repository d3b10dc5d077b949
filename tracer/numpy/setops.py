"""NumPy functions that are written with others: np.unique, np.fill_diagonal, np.histogram2d …

    s = sort(x)                      first = [True, s[1] != s[0], s[2] != s[1], …]     NaN, which comes last, counts once
    unique(x) = s[first]             rank  = cumsum(first) - 1: which of the distinct values each element of s is
    index = argsort(x)[first]        counts[rank] += 1          inverse[argsort(x)] = rank
"""
from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.errors import ShapeError, UnsupportedError
from ..values import boxes, shapes
from ..values.boxes import FUNCTIONS, ArrayBox, ScalarBox, as_array, implements
from ..values.promotion import fail
from . import histograms
from .arrays.manipulation import moveaxis, ravel, reshape
from .selection import take, take_along_axis
from .sorting import argsort, sort


@implements(np.lexsort)
def lexsort(keys: Any, axis: Any = -1) -> Any:
    """Stable sorts from the last key to the first: the last decides."""
    parts = [as_array(k) for k in keys]
    if not parts[0].dims:
        return argsort(parts[0], axis)[0]
    order = argsort(parts[0], axis, stable=True)
    for key in parts[1:]:
        order = take_along_axis(order, argsort(take_along_axis(key, order, axis), axis, stable=True), axis)
    return order


@implements(np.unique)
def unique(ar: Any, return_index: Any = False, return_inverse: Any = False, return_counts: Any = False,
           axis: Any = None, *, equal_nan: Any = True, sorted: Any = True) -> ArrayBox | tuple[ArrayBox, ...]:
    box = as_array(ar)
    lines = axis is not None and len(box.dims) != 1
    order: Any
    if lines:
        x, order, differs = _ordered_lines(box, axis)
        s, at = x[order], _range(boxes.count(x.dims[0]))
    else:
        x = ravel(box)
        order = argsort(x, stable=True) if return_index or return_inverse else None
        s, at = sort(x) if order is None else x[order], _range(boxes.count(x.dims[0]))
        before = s[np.maximum(at - 1, 0)]
        differs = s != before
        if equal_nan and x.dtype_ir.inexact:
            differs = differs & ~(np.isnan(s) & np.isnan(before))
    first = differs | (at == 0)
    values = s[first]
    found = [boxes.array(moveaxis(values, 0, axis).read()) if lines else values]
    if return_index:
        found.append(order[first])
    if return_inverse:
        inverse = _zeros(boxes.count(x.dims[0]), np.int64)
        inverse[order] = as_array(np.cumsum(first) - 1)
        found.append(inverse if lines else reshape(inverse, tuple(map(boxes.count, box.dims))))
    if return_counts:
        found.append(np.diff(np.append(np.flatnonzero(first), boxes.count(x.dims[0]))))
    return found[0] if len(found) == 1 else tuple(found)


LONGEST = 64        # elements of a line that np.unique sorts lines by


def _ordered_lines(box: ArrayBox, axis: int) -> Any:
    """(the lines along the first axis, their order, where a line differs from the one before it in that order)."""
    x = moveaxis(box, axis, 0)
    n, size = boxes.count(x.dims[0]), shapes.product(x.dims[1:])
    if type(size) is not int or not 0 < size <= LONGEST:
        fail(UnsupportedError, f"np.unique of lines of more than {LONGEST} elements, or of a length known only at run time, "
             "cannot be compiled", "call it before the compiled function and pass the result")
    flat = reshape(x, (n, size))
    order = FUNCTIONS[np.lexsort]([flat[:, k] for k in reversed(range(size))])
    s = flat[order]
    return x, order, FUNCTIONS[np.any](s != s[np.maximum(_range(n) - 1, 0)], axis=1)


@implements(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: Any = False) -> None:
    a = as_array(a)
    dims = a.dims
    if len(dims) < 2:
        fail(ShapeError, "array must be at least 2-d")
    if wrap and len(dims) == 2:
        if not all(isinstance(d, int) for d in dims):
            fail(UnsupportedError, "np.fill_diagonal with wrap=True of lengths known only at run time",
                 "assign to a[i, i] for each block")
        at = np.arange(0, dims[0] * dims[1], dims[1] + 1)
        a[at // dims[1], at % dims[1]] = _repeated(val, np.arange(len(at)))
        return
    if len(dims) > 2:
        for d in dims[1:]:
            shapes.require_equal(dims[0], d, "All dimensions of input must be of equal length")
    n = shapes.arith("min", dims[0], dims[1]) if len(dims) == 2 else dims[0]
    at = _range(boxes.count(n))
    a[(at,) * len(dims)] = _repeated(val, at)


def _repeated(val: Any, at: Any) -> ArrayBox:
    """The elements of an array at some places, where it begins again after its last."""
    value = as_array(val)
    return take(ravel(value), np.remainder(at, value.size)) if value.dims else value


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: Any = False) -> ArrayBox:
    x = ravel(ar1) if assume_unique else unique(ar1)
    return x[FUNCTIONS[np.isin](x, ar2, invert=True)]


@implements(np.trim_zeros)
def trim_zeros(filt: Any, trim: Any = "fb", axis: Any = None) -> Any:
    """What lies between the first and the last element that is not 0, or from the start, or to the end."""
    x = as_array(filt)
    if len(x.dims) != 1:
        fail(UnsupportedError, "np.trim_zeros of several axes cannot be compiled", "find the bounds with np.any and slice")
    n, some, full = boxes.count(x.dims[0]), np.not_equal(x, 0), trim.lower()
    if type(n) is int and n == 0:
        return x
    none = np.logical_not(FUNCTIONS[np.any](some))
    first = FUNCTIONS[np.where](none, n, FUNCTIONS[np.argmax](some)) if "f" in full else 0
    last = n - FUNCTIONS[np.argmax](some[::-1]) if "b" in full else n
    return x[_number(first):_number(FUNCTIONS[np.where](none, n if "f" in full else 0, last) if "b" in full else n)]


def _number(x: Any) -> int | ScalarBox:
    return x if type(x) is int else boxes.ScalarBox(x.read(), "int")


@implements(np.histogram2d)
def histogram2d(x: Any, y: Any, bins: Any = 10, range: Any = None,
                density: Any = None, weights: Any = None) -> tuple[ArrayBox, ...]:
    """Pairs counted in a grid of bins; the last bin of each axis holds its right edge too."""
    axes = [as_array(x), as_array(y)]
    for a in axes:
        shapes.require_rank(a, 1, "the coordinates of np.histogram2d are one-dimensional arrays")
    shapes.require_equal(axes[0].dims[0], axes[1].dims[0], "x and y must have the same length.")
    pair = isinstance(bins, (list, tuple)) and len(bins) == 2
    each = list(bins) if pair else [bins, bins]
    limits = [None, None] if range is None else list(range)
    edges, equal = zip(*[histograms.edges_of(a, n, r) for a, n, r in zip(axes, each, limits)])
    sizes = [boxes.count(shapes.arith("sub", e.dims[0], 1)) for e in edges]
    places = [histograms.bin_of(a, e, n, q) for a, e, n, q in zip(axes, edges, sizes, equal)]
    inside = np.logical_and(places[0][1], places[1][1])
    amount = np.multiply(inside, 1.0 if weights is None else ravel(weights))
    counts = FUNCTIONS[np.zeros]((*sizes,))
    np.add.at(counts, (places[0][0], places[1][0]), amount)
    if density:
        widths = [FUNCTIONS[np.diff](e) for e in edges]
        counts = counts / widths[0][:, None] / widths[1] / np.sum(counts)
    return counts, *edges


def _range(n: Any) -> ArrayBox:
    return FUNCTIONS[np.arange](n)


def _zeros(n: int | ScalarBox, dtype: type) -> ArrayBox:
    return FUNCTIONS[np.zeros](n, dtype)
