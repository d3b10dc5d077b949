"""Integrals, distances, interpolants and transforms of sampled data as NumPy programs: scipy.integrate, scipy.spatial.distance,
scipy.interpolate and scipy.fft."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .stats.families import sp

if TYPE_CHECKING:
    from ....ir.types import Array

# --- scipy.integrate --------------------------------------------------------------------------------------------------

def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    y = np.asarray(y)
    return np.trapezoid(y, x, dx, axis).astype(y.dtype if np.issubdtype(y.dtype, np.inexact) else np.float64)


def _spacing(y: Any, x: Any, dx: Any, axis: int) -> Any:
    """The lengths of the intervals, to multiply differences along the first axis with."""
    if x is None:
        return dx
    x = np.asarray(x)
    if x.shape[0 if x.ndim == 1 else axis] != y.shape[0]:
        raise ValueError("If given, length of x along axis must be the same as y.")
    h = np.diff(x) if x.ndim == 1 else np.diff(np.moveaxis(x, axis, 0), axis=0)
    return h.reshape(-1, *[1] * (y.ndim - 1)) if x.ndim == 1 else h


def cumulative_trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1, initial: Any = None) -> Any:
    if initial not in (None, 0):
        raise ValueError("`initial` parameter should be `None` or `0`.")
    rows = np.moveaxis(np.asarray(y), axis, 0)
    if rows.shape[0] == 0:
        raise ValueError("At least one point is required along `axis`.")
    found = np.cumsum(_spacing(rows, x, dx, axis) * (rows[1:] + rows[:-1]) / 2.0, axis=0)
    if initial is not None:
        found = np.concatenate((np.zeros((1, *rows.shape[1:]), found.dtype), found), axis=0)
    return np.moveaxis(found, 0, axis)


def simpson(y: Any, x: Any = None, *, dx: float = 1.0, axis: int = -1) -> Any:
    """Simpson's rule over pairs of intervals; of an odd number the last one by Cartwright's correction."""
    rows = np.moveaxis(np.asarray(y), axis, 0)
    n = rows.shape[0]
    h = _spacing(rows, x, dx, axis)
    if x is None:
        kind = rows.dtype if n % 2 and np.issubdtype(rows.dtype, np.inexact) else np.float64       # SciPy corrects in double
        h = np.full((n - 1, *[1] * (rows.ndim - 1)), dx, kind)
    if n == 2:
        return 0.5 * h[0] * (rows[0] + rows[1])
    last = n - 1 if n % 2 else n - 2
    h0, h1 = h[0:last:2], h[1:last:2]
    total = h0 + h1
    found = np.sum(total / 6.0 * (rows[0:last - 1:2] * (2.0 - h1 / h0) + rows[1:last:2] * (total * total / (h0 * h1))
                                  + rows[2:last + 1:2] * (2.0 - h0 / h1)), axis=0)
    if n % 2:
        return found
    a, b = h[-2], h[-1]
    return (found + (2 * b * b + 3 * a * b) / (6 * (a + b)) * rows[-1] + (b * b + 3 * a * b) / (6 * a) * rows[-2]
            - b ** 3 / (6 * a * (a + b)) * rows[-3])


def fixed_quad(func: Any, a: Any, b: Array, args: Sequence[Array] = (), n: int = 5) -> Any:
    nodes, weights = np.polynomial.legendre.leggauss(n)
    y = (b - a) * (nodes + 1) / 2.0 + a
    return (b - a) / 2.0 * np.sum(weights * func(y, *args), axis=-1), None


def romb(y: Any, dx: Any = 1.0, axis: int = -1, show: bool = False) -> Any:
    """Trapezoidal sums of 1, 2, 4 … intervals, and from row to row (4^k R - R_before) / (4^k - 1)."""
    y = np.moveaxis(np.asarray(y), axis, 0)
    n = y.shape[0] - 1
    count = n.bit_length() - 1
    if n < 1 or 1 << count != n:
        raise ValueError("Number of samples must be one plus a non-negative power of 2.")
    h = n * np.asarray(dx, np.float64)
    row = [(y[0] + y[n]) * 0.5 * h]
    for i in range(1, count + 1):
        step = n >> i
        h = h / 2
        following = [0.5 * (row[0] + 2 * h * np.sum(y[step:n:2 * step], axis=0))]
        for k in range(i):
            following.append(following[k] + (following[k] - row[k]) / (4 ** (k + 1) - 1))
        row = following
    return row[-1]


INTEGRATE = {f.__name__: f for f in (trapezoid, cumulative_trapezoid, simpson, fixed_quad, romb)}


# --- scipy.spatial.distance -------------------------------------------------------------------------------------------

def _ratio(a: Any, b: Any) -> Any:
    return np.where(b == 0, 0.0, a / np.where(b == 0, 1.0, b))


def _cosine(a: Any, b: Any, w: Any) -> Any:
    return 1.0 - np.sum(w * a * b, axis=-1) / np.sqrt(np.sum(w * a * a, axis=-1) * np.sum(w * b * b, axis=-1))


def _centred(a: Any, w: Any) -> Any:
    return a - np.sum(w * a, axis=-1, keepdims=True) / np.sum(w + a * 0.0, axis=-1, keepdims=True)


def _jensenshannon(a: Any, b: Any) -> Any:
    p, q = a / np.sum(a, axis=-1, keepdims=True), b / np.sum(b, axis=-1, keepdims=True)
    half = (p + q) / 2
    return np.sqrt(np.sum(sp.rel_entr(p, half) + sp.rel_entr(q, half), axis=-1) / 2)


def _weighed(a: Any, b: Any, metric: str, p: float, w: Any) -> Any:
    """The distances of vectors along the last axis that are sums over elements with weights, None for another metric."""
    gap = a - b
    if metric == "euclidean":
        return np.linalg.norm(gap * np.sqrt(w), axis=-1)
    if metric == "sqeuclidean":
        return np.sum(w * gap * gap, axis=-1)
    if metric in ("cityblock", "manhattan"):
        return np.sum(w * np.abs(gap), axis=-1)
    if metric == "minkowski":
        return np.sum(w * np.abs(gap) ** p, axis=-1) ** (1.0 / p)
    if metric == "cosine":
        return _cosine(a, b, w)
    if metric == "correlation":
        return _cosine(_centred(a, w), _centred(b, w), w)
    if metric == "canberra":
        return np.sum(w * _ratio(np.abs(gap), np.abs(a) + np.abs(b)), axis=-1)
    if metric == "braycurtis":
        return np.sum(w * np.abs(gap), axis=-1) / np.sum(w * np.abs(a + b), axis=-1)
    if metric == "hamming":
        return np.sum(w * (a != b), axis=-1) / np.sum(w + gap * 0.0, axis=-1)
    return None


def _of_truths(a: Any, b: Any, metric: str) -> Any:
    """By the numbers of elements where both are true, neither, or one: R is twice the last."""
    a, b = a != 0, b != 0
    n, both = a.shape[-1], np.sum(a & b, axis=-1)
    only_a, only_b = np.sum(a & ~b, axis=-1), np.sum(~a & b, axis=-1)
    one = only_a + only_b
    if metric == "jaccard":
        return _ratio(one, both + one)
    if metric == "rogerstanimoto":
        return 2 * one / (n + one)
    if metric == "russellrao":
        return (n - both) / n
    if metric == "sokalsneath":
        return 2 * one / (both + 2 * one)
    product = only_a * only_b
    return np.where(product == 0, 0.0, 2 * product / np.where(product == 0, 1, (n - both - one) * both + product))


def _between(a: Any, b: Any, metric: Any, p: float, w: Any, V: Any, VI: Any) -> Array:
    if not isinstance(metric, str):
        raise NotImplementedError("a metric that is a function cannot be compiled here: call it in loops over rows")
    metric = metric.lower()
    found = _weighed(a, b, metric, p, 1.0 if w is None else np.asarray(w))
    if found is not None:
        return found
    if metric in ("chebyshev", "chebychev"):
        return np.max(np.abs(a - b) if w is None else np.where(np.asarray(w) > 0, np.abs(a - b), 0.0), axis=-1)
    if metric == "dice" and w is None:                       # of numbers too, as if they were truth values
        one = np.sum(a * (1.0 - b) + (1.0 - a) * b, axis=-1)
        return one / (2.0 * np.sum(a * b, axis=-1) + one)
    if metric in ("jaccard", "rogerstanimoto", "russellrao", "sokalsneath", "yule") and w is None:
        return _of_truths(a, b, metric)
    if metric == "jensenshannon" and w is None:
        return _jensenshannon(a, b)
    if metric == "seuclidean" and V is not None:
        return np.linalg.norm((a - b) / np.sqrt(np.asarray(V)), axis=-1)
    if metric == "mahalanobis" and VI is not None:
        gap = a - b
        return np.sqrt(np.sum(np.matmul(gap, np.asarray(VI)) * gap, axis=-1))
    raise NotImplementedError(f"the metric {metric!r} with these arguments cannot be compiled: give V= of seuclidean, VI= of "
                              "mahalanobis, and no weights for metrics of truth values")


def _table(x: Array) -> Any:
    x = np.asarray(x).astype(np.float64)
    if x.ndim != 2:
        raise ValueError("A 2-dimensional array must be passed.")
    return x


def _delivered(found: Any, out: Any) -> Any:
    if out is None:
        return found
    out[...] = found
    return out


def cdist(XA: Any, XB: Any, metric: Any = "euclidean", *, out: Array | None = None, p: float = 2.0, w: Any = None,
          V: Any = None, VI: Any = None) -> Any:
    a, b = _table(XA), _table(XB)
    if a.shape[1] != b.shape[1]:
        raise ValueError("XA and XB must have the same number of columns (i.e. feature dimension.)")
    return _delivered(_between(a[:, None, :], b[None, :, :], metric, p, w, V, VI), out)


def pdist(X: Array, metric: Any = "euclidean", *, out: Array | None = None, p: float = 2.0, w: Any = None, V: Any = None,
          VI: Any = None) -> Array:
    x = _table(X)
    i, j = np.triu_indices(x.shape[0], 1)
    return _delivered(_between(x[i], x[j], metric, p, w, V, VI), out)


def squareform(X: Any, force: str = "no", checks: bool = True) -> Any:
    x = np.asarray(X)
    if x.ndim == 2:
        i, j = np.triu_indices(x.shape[0], 1)
        return x[i, j]
    n = int(np.ceil(np.sqrt(x.shape[0] * 2)))
    if n * (n - 1) // 2 != x.shape[0]:
        raise ValueError("Incompatible vector size. It must be a binomial coefficient n choose 2 for some integer n >= 2.")
    i, j = np.triu_indices(n, 1)
    out = np.zeros((n, n), x.dtype)
    out[i, j] = x
    out[j, i] = x
    return out


def cosine(u: Any, v: Any, w: Any = None) -> Any:
    """Without SciPy's clip to [0, 2], which has no second derivative where the vectors have one direction."""
    a, b = np.asarray(u), np.asarray(v)
    if a.ndim != 1 or b.ndim != 1:
        raise ValueError("Input vector should be 1-D.")
    aw, bw = (a, b) if w is None else (a * np.asarray(w), b * np.asarray(w))
    squares = np.dot(a, aw) * np.dot(b, bw)
    return 1.0 - np.dot(a, bw) / np.sqrt(squares if np.issubdtype(squares.dtype, np.inexact) else squares.astype(np.float64))


DISTANCE = {"cdist": cdist, "pdist": pdist, "squareform": squareform, "cosine": cosine}


# --- scipy.interpolate ------------------------------------------------------------------------------------------------

def piecewise_polynomial(c: np.ndarray, x: np.ndarray, extrapolate: bool, at: Array, nu: int = 0) -> Any:
    """Σ_k c[k, i] (at - x[i])^(m-k) of the interval i that a point lies in, or its derivative of the order nu."""
    at = np.asarray(at).astype(np.float64)
    if extrapolate == "periodic":
        at = x[0] + np.mod(at - x[0], x[-1] - x[0])
    i = np.clip(np.searchsorted(x, at, side="right") - 1, 0, x.shape[0] - 2)
    step = (at - x[i]).reshape(*at.shape, *[1] * (c.ndim - 2))
    degree = c.shape[0] - 1
    total = np.zeros((*at.shape, *c.shape[2:]), c.dtype)
    for k in range(degree + 1 - nu):
        factor = 1.0
        for j in range(nu):
            factor *= degree - k - j
        total = total * step + c[k][i] * factor
    if extrapolate:
        return total
    inside = ((at >= x[0]) & (at <= x[-1])).reshape(step.shape)
    return np.where(inside, total, np.nan)


# --- scipy.fft --------------------------------------------------------------------------------------------------------

def _transform(name: str) -> Callable:
    own = getattr(np.fft, name)

    def transform(x: Any, n: Any = None, axis: int = -1, norm: str | None = None, overwrite_x: bool = False,
                  workers: Any = None, *, plan: list[Array] | None = None) -> Any:
        return own(x, n, axis, norm)

    return transform


def _transform_of_axes(name: str, both: tuple[int, ...] | None) -> Callable:
    own = getattr(np.fft, name)

    def transform(x: Any, s: Any = None, axes: tuple[int, ...] | None = both, norm: str | None = None,
                  overwrite_x: bool = False, workers: Any = None, *, plan: list[Array] | None = None) -> Any:
        return own(x, s, axes, norm)

    return transform


FFT = {**{name: _transform(name) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")},
       **{name: _transform_of_axes(name, (-2, -1)) for name in ("fft2", "ifft2", "rfft2", "irfft2")},
       **{name: _transform_of_axes(name, None) for name in ("fftn", "ifftn", "rfftn", "irfftn")},
       "fftshift": np.fft.fftshift, "ifftshift": np.fft.ifftshift}
