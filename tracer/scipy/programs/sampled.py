"""Integrals, distances, interpolants and transforms of sampled data as NumPy programs: scipy.integrate, scipy.spatial.distance,
scipy.interpolate and scipy.fft."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ....ir.types import Array

# --- scipy.integrate --------------------------------------------------------------------------------------------------

def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Any:
    return np.trapezoid(y, x, dx, axis)


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
        h = np.full((n - 1, *[1] * (rows.ndim - 1)), dx)
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


INTEGRATE = {f.__name__: f for f in (trapezoid, cumulative_trapezoid, simpson, fixed_quad)}


# --- scipy.spatial.distance -------------------------------------------------------------------------------------------

def _ratio(a: Any, b: Any) -> Any:
    return np.where(b == 0, 0.0, a / np.where(b == 0, 1.0, b))


def _cosine(a: Any, b: Any) -> Any:
    return 1.0 - np.sum(a * b, axis=-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))


def _between(a: Any, b: Any, metric: str, p: float) -> Array:
    """The distances of vectors along the last axis."""
    gap = a - b
    if metric == "euclidean":
        return np.linalg.norm(gap, axis=-1)
    if metric == "sqeuclidean":
        return np.sum(gap * gap, axis=-1)
    if metric in ("cityblock", "manhattan"):
        return np.sum(np.abs(gap), axis=-1)
    if metric in ("chebyshev", "chebychev"):
        return np.max(np.abs(gap), axis=-1)
    if metric == "minkowski":
        return np.sum(np.abs(gap) ** p, axis=-1) ** (1.0 / p)
    if metric == "cosine":
        return _cosine(a, b)
    if metric == "correlation":
        return _cosine(a - np.mean(a, axis=-1, keepdims=True), b - np.mean(b, axis=-1, keepdims=True))
    if metric == "canberra":
        return np.sum(_ratio(np.abs(gap), np.abs(a) + np.abs(b)), axis=-1)
    if metric == "braycurtis":
        return np.sum(np.abs(gap), axis=-1) / np.sum(np.abs(a + b), axis=-1)
    raise NotImplementedError(f"the metric {metric!r} cannot be compiled: use euclidean, sqeuclidean, cityblock, chebyshev, "
                              "minkowski, cosine, correlation, canberra or braycurtis")


def _table(x: Array) -> Any:
    x = np.asarray(x).astype(np.float64)
    if x.ndim != 2:
        raise ValueError("A 2-dimensional array must be passed.")
    return x


def cdist(XA: Any, XB: Any, metric: str = "euclidean", *, out: Array | None = None, p: float = 2.0) -> Any:
    a, b = _table(XA), _table(XB)
    if a.shape[1] != b.shape[1]:
        raise ValueError("XA and XB must have the same number of columns (i.e. feature dimension.)")
    return _between(a[:, None, :], b[None, :, :], metric, p)


def pdist(X: Array, metric: str = "euclidean", *, out: Array | None = None, p: float = 2.0) -> Array:
    x = _table(X)
    i, j = np.triu_indices(x.shape[0], 1)
    return _between(x[i], x[j], metric, p)


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


def _vectors(u: Any, v: Array) -> Any:
    return np.asarray(u) + 0.0, np.asarray(v) + 0.0


def _one(metric: str) -> Callable:
    def distance(u: Any, v: Array, w: Any = None, p: float = 2.0) -> Any:
        if w is not None:
            raise NotImplementedError(f"{metric} with weights cannot be compiled")
        a, b = _vectors(u, v)
        return _between(a, b, metric, p)

    return distance


def minkowski(u: Any, v: Array, p: int = 2, w: Any = None) -> Any:
    return _one("minkowski")(u, v, w, p)


DISTANCE = {"cdist": cdist, "pdist": pdist, "squareform": squareform, "minkowski": minkowski,
            **{name: _one(name) for name in ("euclidean", "sqeuclidean", "cityblock", "chebyshev", "cosine", "canberra",
                                             "braycurtis")}}


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
