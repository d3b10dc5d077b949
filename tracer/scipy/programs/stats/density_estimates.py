"""scipy.stats.gaussian_kde as a NumPy program, built inside traced code or captured."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..linalg.over_numpy import solve_triangular


class Kde:
    """A mixture of normal densities around the points, of the data's covariance times a factor's square."""

    def __init__(self, dataset: Any, bw_method: Any = None, weights: Any = None) -> None:
        data = np.atleast_2d(np.asarray(dataset)).astype(np.float64)
        if data.size < 2:
            raise ValueError("`dataset` input should have multiple elements.")
        d, n = data.shape
        if weights is None:
            weights = np.full(n, 1.0 / n)
        else:
            weights = np.atleast_1d(np.asarray(weights)).astype(np.float64)
            weights = weights / np.sum(weights)
        self.dataset, self.weights, self.d, self.n = data, weights, d, n
        self.neff = 1.0 / np.sum(weights * weights)
        self.factor = self._factor(bw_method)
        middle = np.sum(data * weights, axis=1, keepdims=True)
        spread = (data - middle) * weights @ (data - middle).T / (1.0 - np.sum(weights * weights))
        self.covariance = spread * self.factor ** 2

    def _factor(self, bw_method: Any) -> Any:
        if bw_method is None or (isinstance(bw_method, str) and bw_method == "scott"):
            return self.neff ** (-1.0 / (self.d + 4))
        if isinstance(bw_method, str) and bw_method == "silverman":
            return (self.neff * (self.d + 2.0) / 4.0) ** (-1.0 / (self.d + 4))
        if isinstance(bw_method, str):
            raise ValueError("`bw_method` should be 'scott', 'silverman', a scalar or a callable.")
        return bw_method

    def _exponents(self, points: Any) -> Any:
        """The logarithms of the normal densities: one row for each point of the data."""
        points = np.atleast_2d(np.asarray(points)).astype(np.float64)
        if points.shape[0] != self.d:
            if points.shape[0] != 1 or points.shape[1] != self.d:
                raise ValueError(f"points have dimension {points.shape[0]}, dataset has dimension {self.d}")
            points = points.reshape(self.d, 1)
        root = np.linalg.cholesky(self.covariance)
        m = points.shape[1]
        gaps = (points[:, None, :] - self.dataset[:, :, None]).reshape(self.d, self.n * m)
        white = solve_triangular(root, gaps, 0, True)
        log_size = 0.5 * self.d * np.log(2 * np.pi) + np.sum(np.log(np.diag(root)))
        return -0.5 * np.sum(white * white, axis=0).reshape(self.n, m) - log_size

    def evaluate(self, points: Any) -> Any:
        return self.weights @ np.exp(self._exponents(points))

    def __call__(self, points: Any) -> Any:
        return self.evaluate(points)

    def pdf(self, x: Any) -> Any:
        return self.evaluate(x)

    def logpdf(self, x: Any) -> Any:
        terms = self._exponents(x) + np.log(self.weights)[:, None]
        top = np.max(terms, axis=0)
        return np.log(np.sum(np.exp(terms - top), axis=0)) + top


CAPTURED = {"gaussian_kde": lambda f: (Kde, f.dataset, f.factor, f.weights)}
BUILT = {"gaussian_kde": Kde}
