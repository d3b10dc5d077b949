"""scipy.optimize's minimize_scalar, root_scalar, root, fsolve, fixed_point and minimize in compiled code.

The search is not differentiated, and need not take SciPy's steps: both end within the tolerance. Where f'(x, θ) = 0, two Newton
steps on f' follow the minimum, as scipy_roots.py has it for roots, and those of systems, which solvers.py finds.
What is refused, by name, is what returns how the search went: the numbers of calls and steps are those of this search.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.errors import UnsupportedError
from ..jacobians.jacobians import jacobian
from ..operators.transforms import grad, jvp, stop_gradient
from ..tracer.scipy.primitives import sloped
from ..tracer.staging.arguments import where
from . import scipy_roots, solvers

_GOLD, _TURN, _MOST = 1.618034, 0.381966011250105, 500
_ROOTS = {"brentq": "brentq", "brenth": "brentq", "ridder": "brentq", "toms748": "toms748", "bisect": "bisect"}


def _result(**parts: Any) -> Any:
    from scipy.optimize import OptimizeResult

    return OptimizeResult(**parts)


def _tuple(args: Any) -> tuple:
    return args if isinstance(args, tuple) else (args,)


# --- one number ---------------------------------------------------------------------------------------------------------

def _bracketed(f: Callable, bracket: Any) -> Any:
    """Three points, the lowest in the middle: downhill in growing steps (Press and others, Numerical Recipes)."""
    a, b = (0.0, 1.0) if bracket is None else (bracket[0] * 1.0, bracket[1] * 1.0)
    if bracket is not None and len(bracket) == 3:
        return a, b, bracket[2] * 1.0
    f_a, f_b = f(a), f(b)
    if f_a < f_b:
        a, b = b, a
        f_a, f_b = f_b, f_a
    c = b + _GOLD * (b - a)
    f_c, count = f(c), 0
    while f_c < f_b:
        if count >= 1000:
            raise RuntimeError("No valid bracket was found before the iteration limit was reached.")
        a, b, f_b = b, c, f_c
        c = b + _GOLD * (b - a)
        f_c = f(c)
        count += 1
    return a, b, c


def _lowest(f: Callable, low: Any, middle: Any, high: Any, tol: float, least: float) -> Any:
    """Brent's method (R. Brent, Algorithms for Minimization Without Derivatives, chapter 5)."""
    a, b, x = min(low, high), max(low, high), middle
    w, v, step, last, count = x, x, 0.0, 0.0, 0
    f_x = f(x)
    f_w, f_v, found = f_x, f_x, False
    while not found and count < _MOST:
        half = 0.5 * (a + b)
        near = tol * abs(x) + least
        found = abs(x - half) <= 2 * near - 0.5 * (b - a)
        if not found:
            r, q = (x - w) * (f_x - f_v), (x - v) * (f_x - f_w)
            p, q = (x - v) * q - (x - w) * r, 2 * (q - r)
            p, q = (-p if q > 0 else p), abs(q)
            good = abs(last) > near and abs(p) < abs(0.5 * q * last) and p > q * (a - x) and p < q * (b - x)
            before = (a if x >= half else b) - x
            last, step = (step, p / q) if good else (before, _TURN * before)
            u = x + step
            if good and (u - a < 2 * near or b - u < 2 * near):
                step = near if x < half else -near
            u = x + (step if abs(step) >= near else (near if step > 0 else -near))
            f_u = f(u)
            if f_u <= f_x:
                a, b = (x, b) if u >= x else (a, x)
                v, f_v, w, f_w, x, f_x = w, f_w, x, f_x, u, f_u
            else:
                a, b = (u, b) if u < x else (a, u)
                if f_u <= f_w or w == x:
                    v, f_v, w, f_w = w, f_w, u, f_u
                elif f_u <= f_v or v == x or v == w:                   # noqa: SIM109
                    v, f_v = u, f_u
            count += 1
    return x


def minimize_scalar(fun: Callable, bracket: Any = None, bounds: Any = None, args: Any = (), method: Any = None,
                    tol: Any = None, options: Any = None) -> Any:
    """x and fun, with their derivatives where the minimum is not at a bound."""
    args = _tuple(args)
    method = ("brent" if bounds is None else "bounded") if method is None else str(method).lower()
    if method not in ("brent", "bounded", "golden") or options:
        raise UnsupportedError(f"scipy.optimize.minimize_scalar with method {method!r} and options {options!r} cannot be "
                               "compiled", "use brent, bounded or golden without options", where(fun))

    def at(x: Any) -> Any:
        return fun(x, *args) * 1.0

    def slope(x: Any) -> Any:
        return jvp(at, (x,), (1.0,))[1]

    if method == "bounded":
        low, high = bounds[0] * 1.0, bounds[1] * 1.0
        if low > high:
            raise ValueError("The lower bound exceeds the upper bound.")
        x = _lowest(at, low, low + _TURN * (high - low), high, 1.48e-8, (1e-5 if tol is None else tol) / 3)
        edge = low if x - low <= high - x else high
        at_edge = abs(x - edge) <= 1e-5 * (high - low)             # then it goes where the bound goes
        moved = edge + stop_gradient(x - edge)
        x = moved if at_edge else scipy_roots.following(slope, x, ())
    else:
        low, middle, high = _bracketed(at, bracket)
        x = scipy_roots.following(slope, _lowest(at, low, middle, high, 1.48e-8 if tol is None else tol, 1e-11), ())
    return _result(x=x, fun=at(x), success=True, status=0, message="Solution found.")


def root_scalar(f: Callable, args: Any = (), method: Any = None, bracket: Any = None, fprime: Any = None, fprime2: Any = None,
                x0: Any = None, x1: Any = None, xtol: Any = None, rtol: Any = None, maxiter: Any = None,
                options: Any = None) -> Any:
    name = "scipy.optimize.root_scalar"
    if options or fprime is True or fprime2 is True:
        raise UnsupportedError(f"{name} with options, or fprime=True, cannot be compiled", "give fprime as a function",
                               where(f))
    if bracket is None and x0 is None:
        raise ValueError("Unable to select a solver as neither bracket nor starting point provided.")
    more = {k: v for k, v in (("rtol", rtol), ("maxiter", maxiter)) if v is not None}
    if bracket is not None and (method is None or str(method).lower() in _ROOTS):
        by: Any = getattr(scipy_roots, _ROOTS["brentq" if method is None else str(method).lower()])
        more = more if xtol is None else {**more, "xtol": xtol}
        x = by(f, bracket[0], bracket[1], _tuple(args), **more)
    elif method is None or str(method).lower() in ("newton", "secant", "halley"):
        more = more if xtol is None else {**more, "tol": xtol}
        x = scipy_roots.newton(f, x0, fprime, _tuple(args), fprime2=fprime2, x1=x1, **more)
    else:
        raise UnsupportedError(f"{name} with method {method!r} cannot be compiled", "leave out method", where(f))
    return _result(root=x, converged=True, flag="converged", method=method)


# --- several numbers ----------------------------------------------------------------------------------------------------

def _following(f: Callable, x: Any) -> Any:
    """The zero x of a function of vectors, with its derivatives by all that f depends on: two Newton steps from it."""
    x = stop_gradient(x)
    y = x
    for _ in range(2):
        y = y - np.linalg.solve(jacobian(f)(y), f(y))
    return sloped(x, y)


def root(fun: Callable, x0: Any, args: Any = (), method: str = "hybr", jac: Any = None, tol: Any = None, callback: Any = None,
         options: Any = None) -> Any:
    """x by Newton's method with the exact Jacobian, whatever method and jac say."""
    args, start = _tuple(args), np.asarray(x0) * 1.0
    if jac is True:
        raise UnsupportedError("scipy.optimize.root with jac=True cannot be compiled: f gives two results",
                               "leave out jac, and return the values alone", where(fun))
    flat = np.ravel(start)

    def at(v: Any) -> Any:
        return np.ravel(np.asarray(fun(np.reshape(v, np.shape(start)) if np.ndim(start) else v, *args)) * 1.0)

    x = _following(at, solvers.zero_of(at, 1e-12, 200)(stop_gradient(flat), ()))
    return _result(x=x.reshape(np.shape(start)) if np.ndim(start) else x, fun=at(x), success=True,
                   message="The solution converged.")


def fsolve(func: Callable, x0: Any, args: Any = (), fprime: Any = None, full_output: Any = 0, **options: Any) -> Any:
    if full_output:
        raise UnsupportedError("scipy.optimize.fsolve with full_output cannot be compiled", "leave it out", where(func))
    return root(func, x0, args).x


def fixed_point(func: Callable, x0: Any, args: Any = (), xtol: float = 1e-8, maxiter: int = 500, method: str = "del2") -> Any:
    start, args = np.asarray(x0) * 1.0, _tuple(args)

    def at(v: Any) -> Any:
        x = np.reshape(v, np.shape(start)) if np.ndim(start) else v[0]
        return np.ravel(np.asarray(func(x, *args)) - x)

    x = _following(at, solvers.zero_of(at, 1e-12, 200)(stop_gradient(np.ravel(start)), ()))
    return x.reshape(np.shape(start))


def minimize(fun: Callable, x0: Any, args: Any = (), method: Any = None, jac: Any = None, hess: Any = None, hessp: Any = None,
             bounds: Any = None, constraints: Any = (), tol: Any = None, callback: Any = None, options: Any = None) -> Any:
    """A minimum near x0 by Newton's method with the exact Hessian, made to go downhill."""
    if bounds is not None or (constraints is not None and constraints != ()) or jac is True:
        raise UnsupportedError("scipy.optimize.minimize with bounds, constraints or jac=True cannot be compiled",
                               "leave them out, or hand compiled functions to tg.scipy.minimize from outside", where(fun))
    args, start = _tuple(args), np.ravel(np.asarray(x0) * 1.0)

    def at(x: Any) -> Any:
        value = fun(x, *args)
        return np.reshape(value, ())[()] if np.ndim(value) else value

    x = _following(grad(at), solvers.lowest_of(at, 1e-10, 1000)(stop_gradient(start), ()))
    return _result(x=x, fun=at(x), success=True, status=0, message="Optimization terminated successfully.")
