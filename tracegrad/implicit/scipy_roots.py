"""scipy.optimize's roots of one number and scipy.integrate.solve_ivp in compiled code: SciPy's steps, and exact derivatives.

The search is not differentiated. From its root x0, a number without a derivative, two Newton steps follow the root x(θ):

    N(x) = x - f(x, θ) / f'(x, θ),   N(N(x0)) - x(θ) = O((x0 - x(θ))^4)

so that they have its derivatives to the third order, in whatever f depends on, arguments or closure; the value is that of x0.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.errors import UnsupportedError
from ..operators.transforms import jvp, stop_gradient
from ..tracer.scipy.primitives import sloped
from ..tracer.staging.arguments import where
from . import scipy_steps
from .ode import SCIPY_BOUND, slope_of
from .ode_solve import Steps, solver

_EPS = 8.881784197001252e-16             # SciPy's rtol where none is given: 4 eps


def following(f: Callable, x: Any, args: tuple) -> Any:
    """The root x, with the derivatives of the function of arguments and closure that it is."""
    x = stop_gradient(x)
    y = x
    for _ in range(2):
        value, slope = jvp(lambda t: f(t, *args) * 1.0, (y,), (1.0,))
        y = y - float(np.divide(value, slope))             # NaN, no error, where the slope is 0
    return sloped(x, y)


def _expect(name: str, f: Callable, full_output: Any) -> None:
    if full_output:
        raise UnsupportedError(f"scipy.optimize.{name} with full_output cannot be compiled", "leave it out", where(f))


def _tuple(args: Any) -> tuple:
    return args if isinstance(args, tuple) else (args,)


def _opposite(left: Any, right: Any) -> None:
    if np.signbit(left) == np.signbit(right):
        raise ValueError("f(a) and f(b) must have different signs")


def brentq(f: Callable, a: Any, b: Any, args: Any = (), xtol: float = 2e-12, rtol: float = _EPS, maxiter: int = 100,
           full_output: Any = False, disp: Any = True) -> Any:
    """Brent's method as SciPy takes its steps (R. Brent, Algorithms for Minimization Without Derivatives, chapter 4)."""
    _expect("brentq", f, full_output)
    args = _tuple(args)
    before, x, other = a * 1.0, b * 1.0, 0.0
    f_before, f_x, f_other = f(before, *args) * 1.0, f(x, *args) * 1.0, 0.0
    last, step, count = 0.0, 0.0, 0
    found = f_before == 0.0
    if found:
        x, f_x = before, f_before
    elif f_x != 0.0:
        _opposite(f_before, f_x)
    found = f_x == 0.0
    while not found:
        if f_before != 0.0 and np.signbit(f_before) != np.signbit(f_x):
            other, f_other = before, f_before
            step = x - before
            last = step
        if abs(f_other) < abs(f_x):
            before, x, other = x, other, x
            f_before, f_x, f_other = f_x, f_other, f_x
        delta, half = (xtol + rtol * abs(x)) / 2, (other - x) / 2
        found = f_x == 0.0 or abs(half) < delta
        if not found:
            if count >= maxiter:
                raise RuntimeError(f"Failed to converge after {maxiter} iterations.")
            tried = half
            if abs(last) > delta and abs(f_x) < abs(f_before):
                if before == other:
                    tried = float(np.divide(-f_x * (x - before), f_x - f_before))
                else:
                    to_before, to_other = (f_before - f_x) / (before - x), (f_other - f_x) / (other - x)
                    tried = float(np.divide(-f_x * (f_other * to_other - f_before * to_before),
                                            to_other * to_before * (f_other - f_before)))
                good = 2 * abs(tried) < min(abs(last), 3 * abs(half) - delta)
                last = step if good else half
                step = tried if good else half
            else:
                last, step = half, half
            before, f_before = x, f_x
            x = x + (step if abs(step) > delta else (delta if half > 0 else -delta))
            f_x = f(x, *args) * 1.0
            count += 1
    return following(f, x, args)


def toms748(f: Callable, a: Any, b: Any, args: Any = (), k: Any = 1, xtol: float = 2e-12, rtol: float = _EPS,
            maxiter: int = 100, full_output: Any = False, disp: Any = True) -> Any:
    """The same root by Brent's method, as a NumPy number."""
    return brentq(f, np.float64(a), np.float64(b), args, xtol, rtol, maxiter, full_output)


def bisect(f: Callable, a: Any, b: Any, args: Any = (), xtol: float = 2e-12, rtol: float = _EPS, maxiter: int = 100,
           full_output: Any = False, disp: Any = True) -> Any:
    _expect("bisect", f, full_output)
    args = _tuple(args)
    low, width = a * 1.0, b * 1.0 - a
    f_low, f_high = f(low, *args) * 1.0, f(b * 1.0, *args) * 1.0
    found, x, count = f_low == 0.0, low, 0
    if not found:
        if f_high == 0.0:
            found, x = True, b * 1.0
        else:
            _opposite(f_low, f_high)
    while not found:
        if count >= maxiter:
            raise RuntimeError(f"Failed to converge after {maxiter} iterations.")
        width = width * 0.5
        x = low + width
        value = f(x, *args) * 1.0
        low = x if np.signbit(value) == np.signbit(f_low) else low
        found = value == 0.0 or abs(width) < xtol + rtol * abs(x)
        count += 1
    return following(f, x, args)


def newton(func: Callable, x0: Any, fprime: Any = None, args: Any = (), tol: float = 1.48e-8, maxiter: int = 50,
           fprime2: Any = None, x1: Any = None, rtol: float = 0.0, full_output: Any = False, disp: Any = True) -> Any:
    """Newton's, Halley's or the secant method, as SciPy chooses."""
    _expect("newton", func, full_output)
    if np.ndim(x0):
        raise UnsupportedError("scipy.optimize.newton of an array cannot be compiled", "use tg.implicit.root, or a loop over "
                               "the elements", where(func))
    args = _tuple(args)
    x = _tangents(func, x0, fprime, fprime2, args, tol, maxiter, rtol) if fprime is not None else _secants(
        func, x0, x1, args, tol, maxiter, rtol)
    return following(func, x, args)


def _tangents(f: Callable, x0: Any, fprime: Callable, fprime2: Any, args: tuple, tol: float, maxiter: int, rtol: float) -> Any:
    x, found, count = x0 * np.float64(1.0), False, 0
    while not found:
        if count >= maxiter:
            raise RuntimeError(f"Failed to converge after {maxiter} iterations.")
        value = f(x, *args) * 1.0
        found = value == 0.0
        if not found:
            slope = fprime(x, *args)
            if slope == 0.0:
                raise RuntimeError("Derivative was zero.")
            step = value / slope
            if fprime2 is not None:
                bend = step * fprime2(x, *args) / slope / 2
                step = step / (1.0 - bend) if abs(bend) < 1.0 else step
            after = x - step
            found = abs(after - x) <= tol + rtol * abs(x)
            x = after
        count += 1
    return x


def _secants(f: Callable, x0: Any, x1: Any, args: tuple, tol: float, maxiter: int, rtol: float) -> Any:
    p = x0 * np.float64(1.0)
    q = (p * (1 + 1e-4) + (1e-4 if p * (1 + 1e-4) >= 0 else -1e-4)) if x1 is None else x1 * np.float64(1.0)
    f_p, f_q = f(p, *args) * 1.0, f(q, *args) * 1.0
    if abs(f_q) < abs(f_p):
        p, q = q, p
        f_p, f_q = f_q, f_p
    found, x, count = False, q, 0
    while not found:
        if count >= maxiter:
            raise RuntimeError(f"Failed to converge after {maxiter} iterations.")
        if f_q == f_p:
            if q != p:
                raise RuntimeError("Tolerance reached: two points of the secant have the same value.")
            x, found = (q + p) / 2.0, True
        else:
            if abs(f_q) > abs(f_p):
                x = (-f_p / f_q * q + p) / (1 - f_p / f_q)
            else:
                x = (-f_q / f_p * p + q) / (1 - f_q / f_p)
            found = abs(x - q) <= tol + rtol * abs(q)
            p, f_p = q, f_q
            q = x
            f_q = f(q, *args) * 1.0
        count += 1
    return x


# --- solve_ivp --------------------------------------------------------------------------------------------------------

def solve_ivp(fun: Callable, t_span: Any, y0: Any, method: Any = "RK45", t_eval: Any = None, dense_output: Any = False,
              events: Any = None, vectorized: Any = False, args: Any = None, rtol: Any = 1e-3, atol: Any = 1e-6,
              first_step: Any = None, max_step: Any = None, **options: Any) -> Any:
    """The values at t_eval, by the steps of Dormand and Prince. Its bounds are 1.5e-8 at most, so the two differ by SciPy's own
    error. Without t_eval the times and the values of SciPy's steps (scipy_steps.py). Derivatives are those of the steps that
    were taken."""
    name = "scipy.integrate.solve_ivp"
    methods: tuple[str, ...] = ("RK45", "RK23", "DOP853") if t_eval is None else ("RK45", "RK23", "DOP853", "LSODA")
    refused = {"with events": events is not None, "with dense_output": bool(dense_output),
               f"with method {method!r}" + " and without t_eval" * (t_eval is None): method not in methods,
               "with other options": bool(options)}
    for what, found in refused.items():
        if found:
            raise UnsupportedError(f"{name} {what} cannot be compiled", "give the times in t_eval and one of the methods RK45, "
                                   "RK23, DOP853 and LSODA, or hand a compiled function to tg.scipy.solve_ivp", where(fun))
    slope = slope_of(fun, name, tfirst=True, reshapes=True)
    args = () if args is None else tuple(args)
    if t_eval is None:
        return _own_steps(method, lambda t, y: slope(y, t, args), t_span, np.asarray(y0) * 1.0, float(rtol), atol, first_step,
                          max_step)
    bounds = [min(float(b), SCIPY_BOUND) for b in (rtol, atol)]
    times = np.asarray(t_eval) * 1.0
    start = np.asarray(t_span[0] * 1.0)
    solve = solver(Steps(slope, bounds[0], bounds[1], None, 1_000_000, name))
    found = solve(np.asarray(y0) * 1.0, np.concatenate((np.reshape(start, (1,)), times)), args)
    return _ode_result(times, np.transpose(found[1:]), True, {"nlu": 0})


def _ode_result(times: Any, states: Any, arrived: Any, counts: dict) -> Any:
    from scipy.integrate._ivp.ivp import OdeResult

    return OdeResult(t=times, y=states, sol=None, t_events=None, y_events=None, status=0 if arrived else -1, success=arrived,
                     message="The solver successfully reached the end of the integration interval." if arrived else
                     "Required step size is less than spacing between numbers.", **counts)


def _own_steps(method: str, slope: Callable, t_span: Any, y: Any, rtol: float, atol: Any, first: Any, most: Any) -> Any:
    from scipy import integrate

    start, end = t_span[0] * 1.0, t_span[1] * 1.0
    rtol, most = max(rtol, 100 * float(np.finfo(np.float64).eps)), np.inf if most is None else most
    _check_steps(y, abs(end - start), np.asarray(atol), first, most)
    found = scipy_steps.integrated(getattr(integrate, method), slope, start, end, y, rtol, atol, first, most)
    return _ode_result(found[0], np.transpose(found[1]), found[2], {"nfev": found[3], "njev": 0, "nlu": 0})


def _check_steps(y: Any, span: Any, atol: Any, first: Any, most: Any) -> None:
    """SciPy's errors."""
    if y.ndim != 1:
        raise ValueError("`y0` must be 1-dimensional.")
    if not np.all(np.isfinite(y)):
        raise ValueError("All components of the initial state `y0` must be finite.")
    if most <= 0:
        raise ValueError("`max_step` must be positive.")
    if atol.ndim > 0 and atol.shape != y.shape:
        raise ValueError("`atol` has wrong shape.")
    if np.any(atol < 0):
        raise ValueError("`atol` must be positive.")
    if first is not None:
        if first <= 0:
            raise ValueError("`first_step` must be positive.")
        if first > span:
            raise ValueError("`first_step` exceeds bounds.")
