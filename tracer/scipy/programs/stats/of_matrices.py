"""scipy.stats' matrix_normal, invwishart and dirichlet_multinomial as NumPy programs, by formulas of SciPy's documentation."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..linalg.over_numpy import solve_triangular
from .families import LOG_ROOT_2PI, sp


def _log_det(factor: Any) -> Any:
    """log det of what has this Cholesky factor."""
    return 2.0 * np.sum(np.log(np.diagonal(factor, axis1=-2, axis2=-1)), axis=-1)


def _squeezed(x: Any) -> Any:
    return np.squeeze(x)[()]


# --- the normal distribution of matrices ------------------------------------------------------------------------------

def _covariance(cov: Any, size: Any, name: str) -> Any:
    cov = np.asarray(cov).astype(np.float64)
    if cov.ndim == 0:
        cov = cov * np.eye(1 if size is None else size)
    elif cov.ndim == 1:
        cov = np.diag(cov)
    if cov.ndim != 2:
        raise ValueError(f"`{name}` must be a scalar or a 2D array.")
    if cov.shape[0] != cov.shape[1]:
        raise ValueError(f"Array `{name}` must be square.")
    return cov


def _normal(X: Any, mean: Any = None, rowcov: Any = 1, colcov: Any = 1) -> Any:
    """-(r c log 2π + c log det U + r log det V + |L_U^-1 (X - M) L_V^-T|^2) / 2"""
    mean = None if mean is None else np.asarray(mean).astype(np.float64)
    if mean is not None and mean.ndim != 2:
        raise ValueError("Array `mean` must be two dimensional.")
    rows = _covariance(rowcov, None if mean is None else mean.shape[0], "rowcov")
    columns = _covariance(colcov, None if mean is None else mean.shape[1], "colcov")
    r, c = rows.shape[0], columns.shape[0]
    if mean is not None and mean.shape[0] != r:
        raise ValueError("Arrays `mean` and `rowcov` must have the same number of rows.")
    if mean is not None and mean.shape[1] != c:
        raise ValueError("Arrays `mean` and `colcov` must have the same number of columns.")
    x = np.asarray(X).astype(np.float64)
    if x.shape[-2:] != (r, c):
        raise ValueError("The shape of array `X` is not compatible with the distribution parameters.")
    left, right = np.linalg.cholesky(rows), np.linalg.cholesky(columns)
    gap = (x if mean is None else x - mean).reshape(-1, r, c)
    lying = solve_triangular(left, np.moveaxis(gap, 0, 1).reshape(r, -1), 0, True)             # each L_U^-1 gap beside the last
    turned = np.moveaxis(lying.reshape(r, -1, c), 2, 0).reshape(c, -1)
    squares = solve_triangular(right, turned, 0, True).reshape(c, r, -1) ** 2
    total = np.sum(squares, axis=(0, 1)) + c * _log_det(left) + r * _log_det(right)
    return _squeezed((total * -0.5 - r * c * LOG_ROOT_2PI).reshape(x.shape[:-2]))


def _normal_density(X: Any, mean: Any = None, rowcov: Any = 1, colcov: Any = 1) -> Any:
    return np.exp(_normal(X, mean, rowcov, colcov))


# --- the inverse Wishart distribution ---------------------------------------------------------------------------------

def _matrices(x: Any, n: int) -> Any:
    """Points as a stack of matrices, whose last axis counts in SciPy."""
    x = np.asarray(x).astype(np.float64)
    if x.ndim == 0:
        x = (x * np.eye(n))[:, :, None]
    elif x.ndim == 1:
        x = x[None, None, :] if n == 1 else np.diag(x)[:, :, None]
    elif x.ndim == 2:
        if x.shape[0] != x.shape[1]:
            raise ValueError(f"Quantiles must be square if they are two dimensional, but x.shape = {x.shape}.")
        x = x[:, :, None]
    if x.ndim > 3:
        raise ValueError(f"Quantiles must be at most two-dimensional with an additional dimension for multiple components, but "
                         f"x.ndim = {x.ndim}")
    if x.shape[:2] != (n, n):
        raise ValueError(f"Quantiles have incompatible dimensions: should be {(n, n)}, got {x.shape[:2]}.")
    return np.moveaxis(x, 2, 0)


def _inverse_wishart(x: Any, df: Any, scale: Any) -> Any:
    """(df log det S - tr(S X^-1) - df p log 2 - (df + p + 1) log det X) / 2 - log Γ_p(df/2)"""
    scale = np.asarray(1.0 if scale is None else scale).astype(np.float64)
    scale = scale.reshape(1, 1) if scale.ndim == 0 else np.diag(scale) if scale.ndim == 1 else scale
    if scale.ndim != 2 or scale.shape[0] != scale.shape[1]:
        raise ValueError(f"Array 'scale' must be square if it is two dimensional, but scale.scale = {scale.shape}.")
    n = scale.shape[0]
    df = n if df is None else df
    if np.ndim(df) > 0:
        raise ValueError("Degrees of freedom must be a scalar.")
    if df <= n - 1:
        raise ValueError("Degrees of freedom must be greater than the dimension of scale matrix minus 1.")
    x = _matrices(x, n)
    inner, outer = np.linalg.cholesky(scale), np.linalg.cholesky(x)
    ratio = solve_triangular(outer, np.broadcast_to(inner, x.shape), 0, True)
    half = df * 0.5
    total = half * _log_det(inner) - np.sum(ratio * ratio, axis=(1, 2)) * 0.5 - (half + (n + 1) * 0.5) * _log_det(outer)
    return _squeezed(total - half * n * float(np.log(2)) - sp.multigammaln(half, n))


def _inverse_wishart_density(x: Any, df: Any, scale: Any) -> Any:
    return np.exp(_inverse_wishart(x, df, scale))


# --- counts of which Dirichlet's distribution draws the chances -------------------------------------------------------

def _parameters(alpha: Any, n: Any) -> tuple[Any, Any, Any]:
    alpha, n = np.asarray(alpha), np.asarray(n)
    if np.any(alpha <= 0):
        raise ValueError("`alpha` must contain only positive values.")
    if np.any(n < 0) or np.any(n != np.floor(n)):
        raise ValueError("`n` must be a non-negative integer.")
    total, n = np.broadcast_arrays(np.sum(alpha, axis=-1), np.floor(n))
    return alpha, total, n


def _counts_log(x: Any, alpha: Any, n: Any) -> Any:
    """log Γ(A) n! / Γ(n + A) + Σ log Γ(x + a) / (Γ(a) x!), A the sum of a"""
    x, alpha = np.broadcast_arrays(np.asarray(x), np.asarray(alpha))
    if np.any(x < 0) or np.any(x != np.floor(x)):
        raise ValueError("`x` must contain only non-negative integers.")
    x = np.floor(x)
    alpha, total, n = _parameters(alpha, n)
    found = sp.gammaln(total) + sp.gammaln(n + 1.0) - sp.gammaln(n + total)
    found = found + np.sum(sp.gammaln(x + alpha) - sp.gammaln(alpha) - sp.gammaln(x + 1.0), axis=-1)
    return np.where(n == np.sum(x, axis=-1), found, -np.inf)[()]


def _counts(x: Any, alpha: Any, n: Any) -> Any:
    return np.exp(_counts_log(x, alpha, n))


def _counts_mean(alpha: Any, n: Any) -> Any:
    alpha, total, n = _parameters(alpha, n)
    return n[..., None] * alpha / total[..., None]


def _counts_variance(alpha: Any, n: Any) -> Any:
    alpha, total, n = _parameters(alpha, n)
    n, total = n[..., None], total[..., None]
    return n * alpha / total * (1 - alpha / total) * (n + total) / (1 + total)


OF_MATRICES = {
    "matrix_normal_gen": {"logpdf": _normal, "pdf": _normal_density},
    "invwishart_gen": {"logpdf": _inverse_wishart, "pdf": _inverse_wishart_density},
    "dirichlet_multinomial_gen": {"logpmf": _counts_log, "pmf": _counts, "mean": _counts_mean, "var": _counts_variance},
}
