"""scipy.stats.multivariate_normal as NumPy programs, by the Cholesky factor of the covariance."""
from __future__ import annotations

from typing import Any

import numpy as np

from .families import LOG_ROOT_2PI
from .linalg import solve_triangular


def _parameters(mean: Any, cov: Any) -> Any:
    """The mean as a vector and the covariance as a matrix, in SciPy's readings: a number, a diagonal, a matrix."""
    cov = np.asarray(cov).astype(np.float64)
    mean = None if mean is None else np.atleast_1d(np.asarray(mean).astype(np.float64))
    size = mean.shape[0] if mean is not None else cov.shape[0] if cov.ndim else 1
    if mean is None:
        mean = np.zeros(size)
    if cov.ndim == 0:
        cov = cov * np.eye(size)
    elif cov.ndim == 1:
        cov = np.diag(cov)
    if cov.shape != (size, size):
        raise ValueError(f"Array 'cov' must be of shape {(size, size)}, but is of shape {cov.shape}")
    return mean, cov


def _log_density(x: Any, mean: Any = None, cov: int = 1, allow_singular: bool = False) -> Any:
    if allow_singular:
        raise NotImplementedError("multivariate_normal with allow_singular=True cannot be compiled")
    mean, cov = _parameters(mean, cov)
    x = np.asarray(x).astype(np.float64)
    size = mean.shape[0]
    if x.ndim == 0:
        x = x[None]
    elif x.ndim == 1 and size == 1:
        x = x[:, None]
    factor = np.linalg.cholesky(cov)
    flat = (x - mean).reshape(-1, size)
    scaled = solve_triangular(factor, flat.T, 0, True)
    total = np.sum(scaled * scaled, axis=0) * -0.5 - np.sum(np.log(np.diag(factor))) - size * LOG_ROOT_2PI
    return total[0] if x.ndim == 1 else np.squeeze(total.reshape(x.shape[:-1]))[()]     # as SciPy: no axis of length 1 is left


def _density(x: Any, mean: Any = None, cov: int = 1, allow_singular: bool = False) -> Any:
    return np.exp(_log_density(x, mean, cov, allow_singular))


def _entropy(mean: Any = None, cov: int = 1) -> Any:
    mean, cov = _parameters(mean, cov)
    return np.linalg.slogdet(cov)[1] * 0.5 + mean.shape[0] * (LOG_ROOT_2PI + 0.5)


METHODS = {"logpdf": _log_density, "pdf": _density, "entropy": _entropy}
