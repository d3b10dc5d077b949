"""NumPy's counting of values: np.bincount, np.digitize, and histograms, whose bins are those of NumPy to the last value."""
from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.errors import UnsupportedError
from ...ir.types import BOOL, F16, F64, I64
from .. import tracing
from ..values import boxes, shapes
from ..values.boxes import FUNCTIONS, as_array, implements, lift
from ..values.promotion import fail, result_dtype
from . import reductions
from .arrays.manipulation import ravel
from .calculus import diff
from .selection import take, where
from .sorting import searchsorted


def _takes_unsigned() -> bool:
    """Whether this NumPy counts numbers of uint64."""
    try:
        return bool(np.bincount(np.zeros(1, np.uint64))[0])
    except TypeError:
        return False


_TAKES_UNSIGNED = _takes_unsigned()


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    builder, x = tracing.current().builder, as_array(x)
    if len(x.dims) != 1:
        raise ValueError("object too deep for desired array")
    if not np.can_cast(x.kind, np.int64) and not (x.kind == np.uint64 and _TAKES_UNSIGNED):
        raise TypeError(f"Cannot cast array data from {x.kind!r} to dtype('int64') according to the rule 'safe'")
    at = shapes.index_value(x.read())
    fine = builder.reduce(builder("ge", at, builder.index(0)), "all", (0,))
    builder.emit("check", fine, error="ValueError", message="'list' argument must have no negative elements")
    least = shapes.to_index(minlength)
    data = boxes.frozen_data(x)
    if data is not None:
        n = shapes.arith("max", int(data.max(initial=-1)) + 1, least)
    else:
        top = builder("max", builder.reduce(at, "max", (0,)), builder.index(-1))
        n = shapes.arith("max", shapes.arith("add", shapes.as_dim(top), 1), least)
    dtype = I64 if weights is None else F64
    amount = builder.full(1, at.type.dims, I64) if weights is None else boxes.to_value(weights, F64)
    shapes.require_equal(amount.type.dims[0], at.type.dims[0], "The weights and list don't have the same length.")
    amount = shapes.retype(amount, at.type.dims)
    return boxes.array(builder("scatter_add", builder.full(0, (n,), dtype), amount, at, axes=(0,), at=0))


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: Any = False) -> Any:
    """Ascending bins: a search. Descending ones: the number of bins less a search in the reversed bins."""
    edges = as_array(bins)
    if lift(x).dtype_ir.complex:
        raise TypeError("x may not be complex")
    side = "left" if right else "right"
    up = searchsorted(edges, x, side)
    n = boxes.count(edges.dims[0])
    if isinstance(n, int) and n < 2:
        return up
    before, after = edges[:-1], edges[1:]
    climbs, differ = np.less(before, after), np.not_equal(before, after)
    # the first two that differ decide, of which a NaN is one; NumPy looks at no more before it calls bins descending
    first = np.equal(FUNCTIONS[np.cumsum](FUNCTIONS[np.cumsum](differ)), 1)
    falls = FUNCTIONS[np.any](np.logical_and(first, np.logical_not(climbs)))
    against = where(falls, climbs, np.greater(before, after))
    _require(np.logical_not(FUNCTIONS[np.any](against)), "bins must be monotonically increasing or decreasing")
    down = np.subtract(n, searchsorted(edges[::-1], x, side))
    return boxes.result(where(falls, down, up).read())


_NO_BINS = "`bins` must be positive, when an integer"


def edges_of(a: Any, bins: Any, range_: Any) -> Any:
    """The edges of a histogram, and whether they are evenly spaced by construction."""
    if a.dtype_ir.complex:
        fail(UnsupportedError, "a histogram of complex numbers cannot be compiled", "take their .real, or np.abs of them")
    given = lift(bins)
    if given.dims:
        edges = as_array(given)
        shapes.require_rank(edges, 1, "`bins` must be 1d, when an array")
        _require(FUNCTIONS[np.all](np.less_equal(edges[:-1], edges[1:])), "`bins` must increase monotonically, when an array")
        return edges, False
    n = shapes.length(bins, "the number of bins", _NO_BINS)
    if type(n) is not int:
        _require(boxes.count(n) > 0, _NO_BINS)
    elif n < 1:
        raise ValueError(_NO_BINS)
    low, high = _limits(a) if range_ is None else range_
    dtype = result_dtype([a.kind, lift(low).kind, lift(high).kind]).np
    low, high = lift(low) + 0.0, lift(high) + 0.0
    finite = np.logical_and(np.isfinite(low), np.isfinite(high))
    if range_ is None:
        _require(finite, "autodetected range of [{0}, {1}] is not finite", low, high)
    else:
        _require(np.less_equal(low, high), "max must be larger than min in range parameter.")
        _require(finite, "supplied range of [{0}, {1}] is not finite", low, high)
    flat = np.equal(low, high)
    low, high = (boxes.result(where(flat, x + d, x).read()) for x, d in ((low, -0.5), (high, 0.5)))
    return FUNCTIONS[np.linspace](low, high, boxes.count(n) + 1, dtype=dtype if dtype.kind == "f" else np.float64), True


def _limits(a: Any) -> Any:
    """The smallest and the largest element; 0 and 1 of none, as NumPy has it."""
    n = a.dims[0]
    if type(n) is int:
        return (reductions.amin(a), reductions.amax(a)) if n else (0.0, 1.0)
    some = boxes.count(n) > 0
    ends = (reductions.amin(a, initial=reductions.extreme_of(a.dtype_ir, "min")),
            reductions.amax(a, initial=reductions.extreme_of(a.dtype_ir, "max")))
    return tuple(where(some, FUNCTIONS[np.astype](end, np.float64), other) for end, other in zip(ends, (0.0, 1.0)))


def _require(condition: Any, message: str, *values: Any) -> None:
    """At run time: a ValueError unless a truth holds."""
    operands = [as_array(v).read() for v in values]
    tracing.current().builder.emit("check", boxes.to_value(condition, BOOL), *operands, error="ValueError", message=message)


def bin_of(a: Any, edges: Any, n: Any, equal: bool) -> Any:
    """(the bin of each element, 0 … n - 1; whether it is in one). What is in none is looked up as the first edge is.

    Equal bins: `_guess` gives the bin or the one before it, and the edges decide, as they do in NumPy. The last edge is in the
    last bin.
    """
    x = FUNCTIONS[np.astype](a, result_dtype([a.kind, edges.kind]).np)
    first, last = edges[0], edges[-1]
    inside = np.logical_and(np.greater_equal(x, first), np.less_equal(x, last))
    x = where(inside, x, first)
    if not equal or x.dtype_ir is F16:
        return FUNCTIONS[np.clip](searchsorted(edges, x, "right") - 1, 0, n - 1), inside
    at = FUNCTIONS[np.clip](FUNCTIONS[np.astype](_guess(x, first, last, n), np.int64), 0, n - 1)
    return FUNCTIONS[np.clip](at + np.greater_equal(x, take(edges, at + 1)), 0, n - 1), inside


def _guess(x: Any, first: Any, last: Any, n: Any) -> Any:
    """A number whose whole part is the bin of x among n equal ones, or one less.

    It is (x - first) n / (last - first), less the most that rounding can add to it. With the unit roundoff u, M the larger of
    the limits and W their distance, the difference, the factor and the product err by 3 u; edge k, at first + k step, errs by
    2 u W and by u M when it is rounded. Of n bins these are n u (5 + M / W), and 2 u is NumPy's eps. A factor of 2**60 keeps
    n / W finite.
    """
    width, kind = last - first, x.dtype_ir.np
    up = where(np.less(width, kind.type(2.0 ** -60)), kind.type(2.0 ** 60), kind.type(1.0))
    wide = width * up
    largest = np.maximum(np.absolute(first), np.absolute(last))
    n = FUNCTIONS[np.astype](n, kind) if isinstance(n, boxes.Box) else n
    slack = n * float(np.finfo(kind).eps) * (4.0 + largest * up / wide)
    return (x - first) * up * (n / wide) - slack


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: int = 10, range: Any = None, weights: Any = None) -> Any:
    if isinstance(bins, str):
        fail(UnsupportedError, f"np.histogram_bin_edges with bins={bins!r} cannot be compiled", "give the number of bins")
    return edges_of(ravel(a), bins, range)[0]


@implements(np.histogram)
def histogram(a: Any, bins: int = 10, range: Any = None, density: Any = None, weights: Any = None) -> Any:
    """Bin k holds edge k <= x < edge k + 1; the last bin holds its right edge too."""
    shape, a = as_array(a).dims, ravel(a)
    if isinstance(bins, str):
        fail(UnsupportedError, f"np.histogram with bins={bins!r} cannot be compiled", "give the number of bins or their edges")
    edges, equal = edges_of(a, bins, range)
    n = boxes.count(shapes.arith("sub", edges.dims[0], 1))
    at, inside = bin_of(a, edges, n, equal)
    if weights is None:
        counts, amount = FUNCTIONS[np.zeros](n, np.int64), FUNCTIONS[np.astype](inside, np.int64)
    else:
        w = as_array(weights)
        if len(w.dims) != len(shape):
            raise ValueError("weights should have the same shape as a.")
        for one, other in zip(w.dims, shape):
            shapes.require_equal(one, other, "weights should have the same shape as a.")
        w = ravel(w)
        counts, amount = FUNCTIONS[np.zeros](n, w.kind), where(inside, w, np.zeros((), w.kind)[()])
    np.add.at(counts, at, amount)
    if density:
        widths = diff(edges)
        return counts / widths / np.sum(counts), edges
    return counts, edges
