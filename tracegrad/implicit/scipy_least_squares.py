"""scipy.optimize's least_squares, leastsq and curve_fit in compiled code.

The search is Levenberg's and Marquardt's with the exact Jacobian (J. J. Moré, "The Levenberg-Marquardt algorithm", Lecture
Notes in Mathematics 630, 1978), with steps cut off at the bounds. It is not differentiated, and need not take SciPy's steps:
both end within the tolerance. Where the slope of the cost by the free parameters is 0, Newton's steps on that slope follow the
minimum; parameters at a bound move as the bound does.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.errors import UnsupportedError
from ..jacobians.jacobians import jacobian
from ..operators.transforms import grad, stop_gradient
from ..tracer.scipy.primitives import sloped
from ..tracer.staging.arguments import where
from .scipy_minima import _result, _tuple

_EPS = float(np.finfo(np.float64).eps)
_STEP, _MOST = 1e-11, 500                       # a step that is this part of x ends the search; attempts at a step

# loss -> (rho(z), rho'(z), rho''(z)) of z = (r / f_scale)^2, as SciPy's
LOSSES: dict[str, tuple[Callable, Callable, Callable]] = {
    "linear": (lambda z: z, lambda z: np.ones_like(z), lambda z: np.zeros_like(z)),
    "soft_l1": (lambda z: 2 * (np.sqrt(1 + z) - 1), lambda z: (1 + z) ** -0.5, lambda z: -0.5 * (1 + z) ** -1.5),
    "cauchy": (lambda z: np.log1p(z), lambda z: 1 / (1 + z), lambda z: -1 / (1 + z) ** 2),
    "huber": (lambda z: np.where(z <= 1, z, 2 * np.sqrt(np.maximum(z, 1.0)) - 1),
              lambda z: np.where(z <= 1, 1.0, np.where(z <= 1, 1.0, z) ** -0.5),
              lambda z: np.where(z <= 1, 0.0, -0.5 * np.where(z <= 1, 1.0, z) ** -1.5)),
    "arctan": (lambda z: np.arctan(z), lambda z: 1 / (1 + z * z), lambda z: -2 * z / (1 + z * z) ** 2),
}


class _Cost:
    """The cost f_scale² / 2 Σ rho((r / f_scale)²) of residuals r(x), and its slope Jᵀ (rho' r)."""

    def __init__(self, residual: Callable, loss: str, f_scale: Any) -> None:
        self.residual, self.scale, (self.rho, self.rate, self.bend) = residual, f_scale, LOSSES[loss]

    def __call__(self, x: Any) -> Any:
        return 0.5 * self.scale ** 2 * np.sum(self.rho((self.residual(x) / self.scale) ** 2))

    def weighted(self, r: Any) -> Any:
        return self.rate((r / self.scale) ** 2) * r

    def slope(self, x: Any) -> Any:
        weighted = self.weighted(self.residual(x))
        return grad(lambda y: np.sum(weighted * self.residual(y)))(x)

    def slopes(self, x: Any) -> tuple[Any, Any]:
        """(the slope, the matrix of Gauss and Newton)."""
        j = jacobian(self.residual)(x)
        return j.T @ self.weighted(self.residual(x)), j.T @ j

    def jacobian(self, x: Any, r: Any) -> Any:
        """The Jacobian whose square is the matrix of second derivatives of the cost without those of the residuals: rows times
        the root of rho'(z) + 2 z rho''(z)."""
        z = (r / self.scale) ** 2
        return jacobian(self.residual)(x) * np.sqrt(np.maximum(self.rate(z) + 2 * z * self.bend(z), _EPS))[:, None]


def _lowest(cost: _Cost, x: Any, low: Any, high: Any) -> tuple[Any, Any]:
    """(a minimum near x, whether it was reached)."""
    x = np.clip(x, low, high)
    slope, matrix = cost.slopes(x)
    least, damping, done, count = cost(x), 1e-3, False, 0
    one = np.eye(x.shape[0])
    while not done and count < _MOST:
        held = ((x <= low) & (slope > 0)) | ((x >= high) & (slope < 0))
        free = ~held[:, None] & ~held
        size = np.maximum(np.diag(matrix), 1e-30 + 1e-12 * np.max(np.diag(matrix)))
        step = np.linalg.solve(np.where(free, matrix, one) + damping * np.diag(size), np.where(held, 0.0, -slope))
        y = np.clip(x + step, low, high)
        lower = cost(y)
        small = np.sqrt(np.sum((y - x) ** 2)) <= _STEP * (np.sqrt(np.sum(x * x)) + _STEP)
        if lower < least:
            x, least, damping = y, lower, max(damping * 0.1, 1e-15)
            slope, matrix = cost.slopes(x)
        else:
            damping = damping * 8.0
        done = small or not np.any((slope != 0) & ~held)
        count += 1
    return x, done


def _inverse(hessian: Any) -> Any:
    """The inverse of a symmetric matrix, NaN where it has none: no parameter follows from a model that does not settle them."""
    finite = np.all(np.isfinite(hessian))
    sizes, vectors = np.linalg.eigh(np.where(finite, hessian, 0.0))
    least = hessian.shape[0] * _EPS * np.max(np.abs(sizes), initial=0.0)
    regular = finite & np.all(np.abs(sizes) > least)
    return vectors / np.where(regular, sizes, np.nan) @ vectors.T


def _followed(cost: _Cost, x: Any, low: Any, high: Any) -> Any:
    """The minimum x with its derivatives to the third order. With the slope g of the cost and H = g'(x), held fast,

        y <- y - H^-1 g(y, θ)        has one order of derivatives more than y

    since the error of y is multiplied by I - H^-1 g'(y, θ), which is 0 at x. So H itself is not differentiated."""
    x = stop_gradient(x)
    at_low, at_high = x <= low, x >= high
    held = at_low | at_high
    free = ~held[:, None] & ~held
    inverse = stop_gradient(_inverse(np.where(free, jacobian(cost.slope)(x), np.eye(x.shape[0]))))
    y = np.where(at_low, low, np.where(at_high, high, x)) if np.ndim(low) or np.ndim(high) else x
    for _ in range(3):
        y = y - inverse @ np.where(held, 0.0, cost.slope(y))
    return sloped(x, y)


def _bounds(bounds: Any, n: Any) -> tuple[Any, Any]:
    low, high = (bounds.lb, bounds.ub) if hasattr(bounds, "lb") else bounds
    low, high = (np.broadcast_to(np.asarray(b) * 1.0, (n,)) for b in (low, high))
    if np.any(low >= high):
        raise ValueError("Each lower bound must be strictly less than each upper bound.")
    return low, high


def _minimum(residual: Callable, x0: Any, bounds: Any, loss: str = "linear", f_scale: Any = 1.0) -> tuple[Any, _Cost, Any]:
    """(x, the cost, whether it was reached)."""
    low, high = _bounds(bounds, x0.shape[0])
    if np.any((x0 < low) | (x0 > high)):
        raise ValueError("`x0` is infeasible.")
    cost = _Cost(residual, loss, f_scale)
    x, reached = _lowest(cost, stop_gradient(x0), stop_gradient(low), stop_gradient(high))
    return _followed(cost, x, low, high), cost, reached


def least_squares(fun: Callable, x0: Any, jac: Any = "2-point", bounds: Any = (-np.inf, np.inf), method: str = "trf",
                  ftol: Any = 1e-8, xtol: Any = 1e-8, gtol: Any = 1e-8, x_scale: Any = None, loss: Any = "linear",
                  f_scale: Any = 1.0, diff_step: Any = None, tr_solver: Any = None, tr_options: Any = None,
                  jac_sparsity: Any = None, max_nfev: Any = None, verbose: Any = 0, args: Any = (), kwargs: Any = None,
                  callback: Any = None, workers: Any = None) -> Any:
    """x, cost, fun, jac, grad and optimality at the minimum. Numbers of calls are those of another search, and not given."""
    if loss not in LOSSES:
        raise UnsupportedError("scipy.optimize.least_squares with a loss of your own cannot be compiled",
                               "use one of " + ", ".join(LOSSES), where(fun))
    args, more = _tuple(args), {} if kwargs is None else kwargs
    start = np.atleast_1d(np.asarray(x0) * 1.0)
    if start.ndim > 1:
        raise ValueError("`x0` must have at most 1 dimension.")

    def residual(x: Any) -> Any:
        return np.ravel(np.asarray(fun(x, *args, **more)) * 1.0)

    x, cost, reached = _minimum(residual, start, bounds, loss, f_scale)
    slope = cost.slope(x)
    low, high = _bounds(bounds, start.shape[0])
    r = residual(x)
    return _result(x=x, cost=cost(x), fun=r, jac=cost.jacobian(x, r), grad=slope,
                   optimality=np.max(np.abs(np.where((x <= low) | (x >= high), 0.0, slope))), success=reached,
                   active_mask=np.where(x <= low, -1, np.where(x >= high, 1, 0)), message="The search ended.")


def leastsq(func: Callable, x0: Any, args: Any = (), Dfun: Any = None, full_output: Any = False, **options: Any) -> Any:
    """(x, 1), the code of success."""
    if full_output:
        raise UnsupportedError("scipy.optimize.leastsq with full_output cannot be compiled", "use least_squares", where(func))
    args, start = _tuple(args), np.atleast_1d(np.asarray(x0) * 1.0)
    x, _, reached = _minimum(lambda v: np.ravel(np.asarray(func(v, *args)) * 1.0), start, (-np.inf, np.inf))
    if not reached:
        raise RuntimeError("Optimal parameters not found: the search did not end.")
    return x, 1


def _count(f: Callable) -> int:
    """How many parameters a model has, behind its variable."""
    count = len([p for p in inspect.signature(f).parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)])
    if count < 2:
        raise ValueError("Unable to determine number of fit parameters.")
    return count - 1


def _feasible(low: Any, high: Any) -> Any:
    """Where SciPy starts: 1, or inside of the bounds."""
    start = np.where(np.isfinite(low) & np.isfinite(high), 0.5 * (low + high), 1.0)
    start = np.where(np.isfinite(low) & ~np.isfinite(high), low + 1, start)
    return np.where(~np.isfinite(low) & np.isfinite(high), high - 1, start)


def curve_fit(f: Callable, xdata: Any, ydata: Any, p0: Any = None, sigma: Any = None, absolute_sigma: bool = False,
              check_finite: Any = None, bounds: Any = (-np.inf, np.inf), method: Any = None, jac: Any = None, *,
              full_output: bool = False, nan_policy: Any = None, **options: Any) -> Any:
    """The parameters and their covariance."""
    if full_output or nan_policy is not None:
        raise UnsupportedError("scipy.optimize.curve_fit with full_output or nan_policy cannot be compiled", "leave it out",
                               where(f))
    y = np.asarray(ydata).astype(np.float64)
    if isinstance(xdata, (list, tuple)) or not np.isscalar(xdata):
        xdata = np.asarray(xdata).astype(np.float64)
    if (check_finite or check_finite is None) and not (np.all(np.isfinite(y)) and np.all(np.isfinite(xdata))):
        raise ValueError("array must not contain infs or NaNs")
    low, high = _bounds(bounds, _count(f) if p0 is None else np.size(p0))
    start = _feasible(low, high) if p0 is None else np.atleast_1d(np.asarray(p0) * 1.0)
    scaled = _scaled(sigma, y)

    def residual(p: Any) -> Any:
        return scaled(np.asarray(f(xdata, *[p[k] for k in range(p.shape[0])])) - y)

    if p0 is not None and start.shape[0] > y.size != 1:
        raise TypeError(f"The number of func parameters={start.shape[0]} must not exceed the number of data points={y.size}")
    x, cost, reached = _minimum(residual, start, (low, high))
    if not reached:
        raise RuntimeError("Optimal parameters not found: the search did not end.")
    return x, _covariance(jacobian(residual)(x), cost(x), absolute_sigma, method, low, high)


def _covariance(j: Any, cost: Any, absolute: bool, method: Any, low: Any, high: Any) -> Any:
    """The inverse of J^T J, scaled by the residuals; infinite where the data do not settle the parameters. Where there are
    bounds, SciPy leaves out the directions that are not settled."""
    m, n = j.shape
    if m <= n and not absolute:
        return np.full((n, n), np.inf)
    matrix = j.T @ j
    covariance = np.linalg.pinv(matrix)
    if method not in ("trf", "dogbox") and not np.any(np.isfinite(low) | np.isfinite(high)):
        sizes = np.linalg.svdvals(stop_gradient(j))
        settled = n <= m and sizes[-1] > max(m, n) * _EPS * sizes[0]
        covariance = np.where(settled, covariance, np.inf)
    return covariance if absolute else covariance * (2 * cost / (m - n))


def _scaled(sigma: Any, y: Any) -> Callable:
    if sigma is None:
        return lambda r: np.ravel(r)
    sigma = np.asarray(sigma) * 1.0
    if sigma.size == 1 or sigma.shape == (y.size,):
        return lambda r: np.ravel(r / sigma)
    if sigma.shape != (y.size, y.size):
        raise ValueError("`sigma` has incorrect shape.")
    factor = np.linalg.cholesky(sigma)
    return lambda r: np.linalg.solve(factor, np.ravel(r))
