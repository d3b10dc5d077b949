"""Moments of trimmed samples, and what scipy.stats has of compiled routines behind its Python: pairs out of order, von Mises.

ROUTINES  full name of a compiled routine -> its program, for functions of SciPy that are traced themselves
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .families import sp


def _limited(a: Any, limits: Any, inclusive: Any, axis: Any) -> tuple[Any, Any, Any]:
    """(the sample, which elements count as 1.0 and 0.0, whether it has a NaN along the axis)."""
    a = np.asarray(a)
    if not np.issubdtype(a.dtype, np.inexact):
        a = a.astype(np.float64)
    counts = np.ones(a.shape, bool)
    low, high = (None, None) if limits is None else limits
    if low is not None:
        counts = counts & ((a >= low) if inclusive[0] else (a > low))
    if high is not None:
        counts = counts & ((a <= high) if inclusive[1] else (a < high))
    if (low is not None or high is not None) and not np.any(counts):
        raise ValueError("No array values within given limits")
    return a, counts.astype(a.dtype), np.any(np.isnan(a), axis=axis)


def _variance(a: Any, counts: Any, axis: Any, ddof: Any) -> tuple[Any, Any]:
    """(the variance of the elements that count, how many they are)."""
    n = np.sum(counts, axis=axis, keepdims=True)
    used = np.where(counts > 0, a, 0.0)
    gap = np.where(counts > 0, a - np.sum(used, axis=axis, keepdims=True) / n, 0.0)
    count = np.sum(counts, axis=axis)
    rest = count - ddof
    return np.where(rest > 0, np.sum(gap * gap, axis=axis) / np.where(rest > 0, rest, 1.0), np.nan), count


def _trimmed(name: str, a: Any, limits: Any, inclusive: Any, axis: Any, ddof: Any, nan_policy: str, keepdims: bool) -> Any:
    if nan_policy != "propagate":
        raise NotImplementedError(f"scipy.stats.{name} with nan_policy='{nan_policy}' cannot be compiled: drop the NaN before")
    a, counts, bad = _limited(a, limits, inclusive, axis)
    found, count = _variance(a, counts, axis, ddof)
    if name != "tvar":
        found = np.sqrt(found)
    if name == "tsem":
        found = found / np.sqrt(count)
    found = np.where(bad, np.nan, found).astype(a.dtype)
    if keepdims:
        found = found.reshape((1,) * a.ndim) if axis is None else np.expand_dims(found, axis)
    return found[()]


def tvar(a: Any, limits: Any = None, inclusive: Any = (True, True), axis: Any = 0, ddof: int = 1, *,
         nan_policy: str = "propagate", keepdims: bool = False) -> Any:
    return _trimmed("tvar", a, limits, inclusive, axis, ddof, nan_policy, keepdims)


def tstd(a: Any, limits: Any = None, inclusive: Any = (True, True), axis: Any = 0, ddof: int = 1, *,
         nan_policy: str = "propagate", keepdims: bool = False) -> Any:
    return _trimmed("tstd", a, limits, inclusive, axis, ddof, nan_policy, keepdims)


def tsem(a: Any, limits: Any = None, inclusive: Any = (True, True), axis: Any = 0, ddof: int = 1, *,
         nan_policy: str = "propagate", keepdims: bool = False) -> Any:
    return _trimmed("tsem", a, limits, inclusive, axis, ddof, nan_policy, keepdims)


TRIMMED = {f.__name__: f for f in (tvar, tstd, tsem)}


# --- compiled routines ------------------------------------------------------------------------------------------------

def _pairs_out_of_order(x: Any, y: Any) -> Any:
    """How many pairs of ranks have x_i < x_j and y_i > y_j, with x sorted: those before in x are counted by y in a tree of
    sums (P. M. Fenwick, Software: Practice and Experience 24, 1994), so that n log n steps do."""
    n = x.shape[0]
    most = np.max(y) + 1
    tree = np.zeros(n + 2, np.int64)
    found, first = 0, 0
    while first < n:
        last = first
        while last < n and x[last] == x[first]:
            found += first
            k = y[last]
            while k != 0:
                found -= tree[k]
                k = k & (k - 1)
            last += 1
        for i in range(first, last):
            k = y[i]
            while k < most:
                tree[k] += 1
                k += k & -k
        first = last
    return found


def kendall_p_exact(n: int, c: Any, alternative: str = "two-sided") -> Any:
    """The probability of at most c pairs out of order among n in random order (M. G. Kendall, Rank Correlation Methods, 1970,
    page 68): counts of orders by their pairs, each row over the number of orders so far. SciPy asks for more than 33 elements
    only where c <= 1, which the second row of each count says."""
    most = n * (n - 1) // 2
    right = c >= most - c
    c = np.minimum(c, most - c)
    length = most // 2 + 1 if n <= 33 else 2
    counts = np.zeros(max(length, 2))
    counts[:2] = 0.5
    for j in range(3, n + 1):
        summed = np.cumsum(counts) / j
        counts = summed - np.concatenate((np.zeros(j), summed))[:length] if j < length else summed
    places = np.arange(counts.shape[0])
    mass = np.sum(np.where(places == c, counts, 0.0))
    found = 2.0 * np.sum(np.where(places <= c, counts, 0.0))
    if n <= 2:
        found, mass = 1.0, (1.0 if n == 1 else 0.5)
    elif alternative == "two-sided":
        found = np.where(4 * c == n * (n - 1), 1.0, found)
    if alternative != "two-sided":
        found = np.where(right == (alternative == "greater"), found / 2, 1 - found / 2 + mass)
    return np.clip(found, 0.0, 1.0)


def _von_mises_below(kappa: Any, x: Any) -> Any:
    """The distribution function, like SciPy's: below κ = 50 the series 1/2 + x/2π + Σ I_n(κ)/I_0(κ) sin(n x)/(n π) with the
    ratios of Bessel functions by their continued fraction (G. W. Hill, Algorithm 518, ACM Trans. Math. Software 3, 1977), of
    as many terms as the largest κ needs; above the normal approximation there."""
    kappa, x = np.broadcast_arrays(np.asarray(kappa).astype(np.float64), np.asarray(x).astype(np.float64))
    turns = np.round(x / (2 * np.pi))
    x = x - turns * (2 * np.pi)
    flat = kappa < 50
    k = np.where(flat, kappa, 1.0)
    ratio, total = x * 0.0, x * 0.0
    for step in range(54):
        n = 54.0 - step
        ratio = k / (2.0 * n + k * ratio)
        total = ratio * (np.sin(n * x) / n + total)
    series = np.clip(0.5 + x / (2 * np.pi) + total / np.pi, 0.0, 1.0)
    steep = sp.ndtr(np.sqrt(2 / np.pi) / sp.i0e(np.where(flat, 60.0, kappa)) * np.sin(x * 0.5))
    return np.where(flat, series, steep) + turns


ROUTINES = {"scipy.stats._stats._kendall_dis": _pairs_out_of_order, "scipy.stats._stats.von_mises_cdf": _von_mises_below}
