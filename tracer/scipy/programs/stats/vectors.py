"""scipy.stats.multivariate_t and multinomial as NumPy programs. Formulas are those of SciPy's documentation."""
from __future__ import annotations

from typing import Any

import numpy as np

from ...primitives import followed
from .families import sp
from .multivariate import deviations, parameters, points, shaped


def _log_density(x: Any, loc: Any = None, shape: Any = 1, df: Any = 1) -> Any:
    """With m the squared distance of x and d the dimension,

        log Γ((df + d)/2) - log Γ(df/2) - d/2 log(df π) - log det(shape)/2 - (df + d)/2 log(1 + m/df)

    and the normal density for df = inf."""
    if df <= 0:
        raise ValueError("'df' must be greater than zero.")
    if np.isnan(df):
        raise ValueError("'df' is 'nan' but must be greater than zero or 'np.inf'.")
    loc, shape = parameters(loc, shape, "shape")
    size = loc.shape[0]
    x, flat = points(x, loc)
    squared, log_det = deviations(flat, shape)
    df = np.asarray(df).astype(np.float64)
    some = np.where(np.isinf(df), 1.0, df)
    half = (some + size) * 0.5
    heavy = (sp.gammaln(half) - sp.gammaln(some * 0.5) - np.log(some * np.pi) * (size * 0.5) - log_det * 0.5
             - half * np.log1p(squared / some))
    normal = (squared + log_det + size * float(np.log(2 * np.pi))) * -0.5
    return shaped(np.where(np.isinf(df), normal, heavy), x)


def _density(x: Any, loc: Any = None, shape: Any = 1, df: Any = 1, allow_singular: bool = False) -> Any:
    if allow_singular:
        raise NotImplementedError("scipy.stats.multivariate_t with allow_singular=True cannot be compiled")
    return np.exp(_log_density(x, loc, shape, df))


STUDENT = {"logpdf": _log_density, "pdf": _density}


def _chances(n: Any, p: Any) -> Any:
    """(n, p whose last element makes their sum 1 where it is not, where parameters are valid), as SciPy's. The last element is
    differentiated as what the others leave, also where the sum is 1: that is the function next to such p."""
    p, n = np.asarray(p), np.asarray(n)
    least = 10 * float(np.finfo(np.result_type(p.dtype, np.float32)).eps)
    p = p.astype(np.float64)
    rest = 1.0 - np.sum(p[..., :-1], axis=-1)
    last = followed(np.where(np.abs(1.0 - np.sum(p, axis=-1)) > least, rest, p[..., -1]), rest)
    p = np.concatenate([p[..., :-1], last[..., None]], axis=-1)
    return n, p, (n >= 0) & np.all((p >= 0) & (p <= 1), axis=-1)


def _log_mass(x: Any, n: Any, p: Any) -> Any:
    x = np.asarray(x)
    n, p, good = _chances(n, p)
    if x.ndim == 0:
        raise ValueError("x must be an array.")
    if x.shape[-1] != p.shape[-1]:
        raise ValueError(f"Size of each quantile should be size of p: received {x.shape[-1]}, but expected {p.shape[-1]}.")
    k = x.astype(np.float64)
    inside = np.all((k >= 0) & (k == np.floor(k)), axis=-1) & (np.sum(k, axis=-1) == n)
    counts = np.where(inside[..., None], k, 0.0)
    value = sp.gammaln(n + 1.0) + np.sum(sp.xlogy(counts, p) - sp.gammaln(counts + 1.0), axis=-1)
    return np.asarray(np.where(good, np.where(inside, value, -np.inf), np.nan))


def _mass(x: Any, n: Any, p: Any) -> Any:
    return np.exp(_log_mass(x, n, p))


def _mean(n: Any, p: Any) -> Any:
    n, p, good = _chances(n, p)
    return np.where(good[..., None], n[..., None] * p, np.nan)


def _covariance(n: Any, p: Any) -> Any:
    """n (diag(p) - p p^T)"""
    n, p, good = _chances(n, p)
    found = n[..., None, None] * (np.eye(p.shape[-1]) * p[..., None, :] - p[..., :, None] * p[..., None, :])
    return np.where(good[..., None, None], found, np.nan)


MULTINOMIAL = {"logpmf": _log_mass, "pmf": _mass, "mean": _mean, "cov": _covariance}
