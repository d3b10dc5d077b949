"""scipy.stats.multivariate_normal as NumPy programs, by the Cholesky factor of the covariance. With allow_singular by its
eigenvalues: those that are not above `_LEAST` times the largest count as zero, and the density is that on the space of the
rest. It is differentiated at constant rank, as `pinv`."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..linalg.over_numpy import solve_triangular
from .families import LOG_ROOT_2PI


def parameters(mean: Any, cov: Any, name: str = "cov") -> Any:
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
        raise ValueError(f"Array {name!r} must be of shape {(size, size)}, but is of shape {cov.shape}")
    return mean, cov


def deviations(flat: Any, cov: Any) -> Any:
    """(the squared distances flat cov^-1 flat^T of the rows, log det cov)."""
    factor = np.linalg.cholesky(cov)
    scaled = solve_triangular(factor, flat.T, 0, True)
    return np.sum(scaled * scaled, axis=0), 2.0 * np.sum(np.log(np.diag(factor)))


def _regular(flat: Any, cov: Any) -> Any:
    """The logarithm of the density at the rows of `flat`."""
    squared, log_det = deviations(flat, cov)
    return (squared + log_det) * -0.5 - cov.shape[0] * LOG_ROOT_2PI


_LEAST = 1e6 * np.finfo(np.float64).eps              # as SciPy's
_OUTSIDE = 1e3                                       # times that, and the largest eigenvalue: how far a point may lie outside


def _on_its_space(flat: Any, cov: Any) -> Any:
    """The logarithm of the density at the rows of `flat` for a covariance V diag(w) V^T some of whose w are zero:

        -(flat V_r diag(1/w_r) V_r^T flat^T + sum log w_r + r log(2 pi)) / 2    with the r eigenvalues that are not,

    and -inf where a row has a part outside of the space that those span."""
    w, v = np.linalg.eigh(cov)
    least = _LEAST * np.max(np.abs(w))
    if np.min(w) < -least:
        raise ValueError("The input matrix must be symmetric positive semidefinite.")
    kept = w > least
    weight = np.where(kept, w, 1.0)
    inverse = (v * np.where(kept, 1.0 / weight, 0.0)) @ v.T
    total = np.sum((flat @ inverse) * flat, axis=1) + np.sum(np.log(weight))
    outside = np.sqrt(np.sum(np.where(kept, 0.0, flat @ v) ** 2, axis=1))
    inside = (outside < _OUTSIDE * least) | np.all(kept)
    return np.where(inside, total * -0.5 - np.sum(kept) * LOG_ROOT_2PI, -np.inf)


def points(x: Any, mean: Any) -> Any:
    """(the points with an axis of coordinates, less the mean as the rows of a matrix)."""
    x = np.asarray(x).astype(np.float64)
    if x.ndim == 0:
        x = x[None]
    elif x.ndim == 1 and mean.shape[0] == 1:
        x = x[:, None]
    return x, (x - mean).reshape(-1, mean.shape[0])


def shaped(total: Any, x: Any) -> Any:
    """One number for each point; as SciPy, no axis of length 1 is left."""
    return total[0] if x.ndim == 1 else np.squeeze(total.reshape(x.shape[:-1]))[()]


def _log_density(x: Any, mean: Any = None, cov: int = 1, allow_singular: bool = False) -> Any:
    mean, cov = parameters(mean, cov)
    x, flat = points(x, mean)
    return shaped(_on_its_space(flat, cov) if allow_singular else _regular(flat, cov), x)


def _density(x: Any, mean: Any = None, cov: int = 1, allow_singular: bool = False) -> Any:
    return np.exp(_log_density(x, mean, cov, allow_singular))


def _entropy(mean: Any = None, cov: int = 1, allow_singular: bool = True) -> Any:
    """(log of the product of the r eigenvalues that are not zero + r (1 + log(2 pi))) / 2, whatever r is, as SciPy's."""
    w = np.linalg.eigvalsh(parameters(mean, cov)[1])
    kept = w > _LEAST * np.max(np.abs(w))
    return np.sum(np.log(np.where(kept, w, 1.0))) * 0.5 + np.sum(kept) * (LOG_ROOT_2PI + 0.5)


METHODS = {"logpdf": _log_density, "pdf": _density, "entropy": _entropy}
