"""Interpolants of several variables: RBFInterpolator, and RectBivariateSpline through all of its data."""
from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from ..stats.families import sp
from .interpolants import Spline, _knots
from .stands import Stand

# kernel -> the least degree of the polynomial beside it. Of a distance of 0 the slope counts as 0
_LEAST = {"multiquadric": 0, "linear": 0, "thin_plate_spline": 1, "cubic": 1, "quintic": 2}
_NO_SCALE = ("linear", "thin_plate_spline", "cubic", "quintic")


def _kernel(name: str, squared: Any) -> Any:
    if name == "gaussian":
        return np.exp(-squared)
    if name in ("inverse_quadratic", "inverse_multiquadric", "multiquadric"):
        return {"inverse_quadratic": lambda s: 1 / (s + 1), "inverse_multiquadric": lambda s: 1 / np.sqrt(s + 1),
                "multiquadric": lambda s: -np.sqrt(s + 1)}[name](squared)
    some = squared > 0
    s = np.where(some, squared, 1.0)
    found = {"linear": lambda s: -np.sqrt(s), "thin_plate_spline": lambda s: 0.5 * sp.xlogy(s, s),
             "cubic": lambda s: s * np.sqrt(s), "quintic": lambda s: -s * s * np.sqrt(s)}[name](s)
    return np.where(some, found, 0.0)


class Radial(Stand):
    """Σ a_i k(|x - y_i|) + a polynomial, with coefficients by G. Fasshauer, Meshfree Approximation Methods with Matlab, chapter
    6: the sums of the data are exact, and the a_i are orthogonal to the polynomials."""
    of = ("scipy.interpolate", "RBFInterpolator")

    def __init__(self, y: Any, d: Any, neighbors: Any = None, smoothing: Any = 0.0, kernel: str = "thin_plate_spline",
                 epsilon: Any = None, degree: Any = None):
        y, d = np.asarray(y).astype(np.float64), np.asarray(d)
        if neighbors is not None or np.iscomplexobj(d):
            raise NotImplementedError("scipy.interpolate.RBFInterpolator with neighbors= or complex data cannot be compiled: "
                                      "leave neighbors out, interpolate real and imaginary parts")
        kernel = kernel.lower()
        if kernel not in (*_LEAST, "gaussian", "inverse_quadratic", "inverse_multiquadric"):
            raise ValueError("`kernel` must be one of the radial basis functions of SciPy.")
        if y.ndim != 2:
            raise ValueError("`y` must be a 2-dimensional array.")
        if d.shape[0] != y.shape[0]:
            raise ValueError(f"Expected the first axis of `d` to have length {y.shape[0]}.")
        if epsilon is None and kernel not in _NO_SCALE:
            raise ValueError(f"`epsilon` must be specified if `kernel` is not one of {set(_NO_SCALE)}.")
        degree = max(_LEAST.get(kernel, -1), 0) if degree is None else int(degree)
        if degree < -1:
            raise ValueError("`degree` must be at least -1.")
        self.y, self.kernel, self.epsilon, self.shape = y, kernel, 1.0 if epsilon is None else epsilon, d.shape[1:]
        self.terms = [c for k in range(degree + 1) for c in combinations_with_replacement(range(y.shape[1]), k)]
        n, more = y.shape[0], len(self.terms)
        if more > n:
            raise ValueError(f"At least {more} data points are required when `degree` is {degree} and the number of dimensions "
                             f"is {y.shape[1]}.")
        low, high = np.min(y, axis=0), np.max(y, axis=0)
        self.shift = (high + low) / 2
        scale = (high - low) / 2
        self.scale = np.where(scale == 0, 1.0, scale)
        p = self._polynomials(y)
        smooth = np.broadcast_to(np.asarray(smoothing) * 1.0, (n,))
        top = np.concatenate((self._kernels(y) + np.diag(smooth), p), axis=1)
        system = np.concatenate((top, np.concatenate((p.T, np.zeros((more, more))), axis=1)), axis=0)
        right = np.concatenate((d.astype(np.float64).reshape(n, -1), np.zeros((more, int(np.prod(self.shape))))), axis=0)
        self.coefficients = np.linalg.solve(system, right)

    def _kernels(self, x: Any) -> Any:
        gap = (x[:, None, :] - self.y) * self.epsilon
        return _kernel(self.kernel, np.sum(gap * gap, axis=-1))

    def _polynomials(self, x: Any) -> Any:
        x = (x - self.shift) / self.scale
        columns = [np.prod(x[:, list(term)], axis=1) if term else np.ones(x.shape[0]) for term in self.terms]
        return np.stack(columns, axis=1) if columns else np.zeros((x.shape[0], 0))

    def __call__(self, x: Any) -> Any:
        x = np.asarray(x).astype(np.float64)
        if x.ndim != 2:
            raise ValueError("`x` must be a 2-dimensional array.")
        if x.shape[1] != self.y.shape[1]:
            raise ValueError(f"Expected the second axis of `x` to have length {self.y.shape[1]}.")
        n = self.y.shape[0]
        found = self._kernels(x) @ self.coefficients[:n] + self._polynomials(x) @ self.coefficients[n:]
        return found.reshape(x.shape[0], *self.shape)


def captured_radial(f: Any) -> Any:
    """What makes the same of an object of SciPy's."""
    if f.neighbors is not None or not np.issubdtype(f.d_dtype, np.floating):
        return None
    degree = int(f.powers.sum(axis=1).max()) if len(f.powers) else -1
    return Radial, f.y, f.d.reshape(-1, *f.d_shape), None, f.smoothing, f.kernel, f.epsilon, degree


class Surface(Stand):
    """A product of splines: values B_x C B_y^T, with C from the conditions at the grid's points."""
    of = ("scipy.interpolate", "RectBivariateSpline")

    def __init__(self, x: Any, y: Any, z: Any, bbox: Any = (None,) * 4, kx: int = 3, ky: int = 3, s: Any = 0, maxit: int = 20):
        if any(b is not None for b in bbox) or s != 0:
            raise NotImplementedError("scipy.interpolate.RectBivariateSpline can be compiled through all data: with s=0, "
                                      "without bbox=")
        x, y, z = (np.asarray(a).astype(np.float64) for a in (x, y, z))
        for name, points in (("x", x), ("y", y)):
            if not np.all(np.diff(np.ravel(points)) > 0.0):
                raise ValueError(f"{name} must be strictly increasing")
        if z.shape != (x.size, y.size):
            raise ValueError(f"{'x' if x.size != z.shape[0] else 'y'} dimension of z must have same number of elements as "
                             f"{'x' if x.size != z.shape[0] else 'y'}")
        self.knots, self.degrees = (_knots(x, kx), _knots(y, ky)), (kx, ky)
        half = np.linalg.solve(self._basis(0, x, 0), z)
        self.c = np.linalg.solve(self._basis(1, y, 0), half.T).T

    def _basis(self, k: int, x: Any, order: int) -> Any:
        """The values of the basis at places, which are brought into the box."""
        t, degree = self.knots[k], self.degrees[k]
        x = np.clip(x, t[0], t[-1])
        return Spline(t, np.eye(t.shape[0] - degree - 1), degree)(x, order)

    def __call__(self, x: Any, y: Any, dx: int = 0, dy: int = 0, grid: bool = True) -> Any:
        x, y = np.asarray(x).astype(np.float64), np.asarray(y).astype(np.float64)
        if not grid:
            return self.ev(x, y, dx, dy)
        if not (np.all(np.diff(np.ravel(x)) >= 0.0) and np.all(np.diff(np.ravel(y)) >= 0.0)):
            raise ValueError("x and y must be sorted to evaluate the grid")
        return self._basis(0, np.ravel(x), dx) @ self.c @ self._basis(1, np.ravel(y), dy).T

    def ev(self, xi: Any, yi: Any, dx: int = 0, dy: int = 0) -> Any:
        x, y = np.broadcast_arrays(np.asarray(xi).astype(np.float64), np.asarray(yi).astype(np.float64))
        found = np.sum((self._basis(0, x.ravel(), dx) @ self.c) * self._basis(1, y.ravel(), dy), axis=1)
        return found.reshape(x.shape)[()]


def bisplev(x: Any, y: Any, tck: Any, dx: int = 0, dy: int = 0) -> Any:
    """At the points of a grid, which are brought into the knots' box."""
    tx, ty, c, kx, ky = tck
    if not 0 <= dx < kx:
        raise ValueError(f"0 <= dx = {dx} < kx = {kx} must hold")
    if not 0 <= dy < ky:
        raise ValueError(f"0 <= dy = {dy} < ky = {ky} must hold")
    x, y = (np.atleast_1d(np.asarray(a).astype(np.float64)) for a in (x, y))
    if x.ndim != 1 or y.ndim != 1:
        raise ValueError("First two entries should be rank-1 arrays.")
    if not (np.all(np.diff(x) >= 0.0) and np.all(np.diff(y) >= 0.0)):
        raise ValueError("Invalid input data")
    tx, ty = np.asarray(tx), np.asarray(ty)
    m, n = tx.shape[0] - kx - 1, ty.shape[0] - ky - 1
    left = Spline(tx, np.eye(m), kx)(np.clip(x, tx[kx], tx[m]), dx)
    right = Spline(ty, np.eye(n), ky)(np.clip(y, ty[ky], ty[n]), dy)
    z = left @ np.asarray(c).reshape(m, n) @ right.T
    return z if x.shape[0] > 1 else z[0] if y.shape[0] > 1 else z[0, 0]
