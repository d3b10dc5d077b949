"""odeint: a differentiable solution of an ordinary differential equation, as the program of its steps.

Dormand and Prince's method of order 5 with an error estimate of order 4 (J. Comput. Appl. Math. 6, 1980), as SciPy's RK45:

    k_s = f(t + c_s h, y + h sum_r a_sr k_r)       y_next = y + h sum_s b_s k_s       error = h sum_s e_s k_s

The step lengths are chosen by the error and are not differentiated, so derivatives are those of the steps that were taken:
forward sensitivities in forward mode, the discrete adjoint in reverse mode, exact for the numbers that are returned.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.errors import ArgumentError, ArgumentTypeError, UnsupportedError
from ..jitted.functions import jit
from ..operators.transforms import stop_gradient
from ..tracer import tracing
from ..tracer.staging.arguments import where

if TYPE_CHECKING:
    from ..tracer.values.boxes import ArrayBox, Box, ScalarBox

NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0)
STAGES = ((), (1 / 5,), (3 / 40, 9 / 40), (44 / 45, -56 / 15, 32 / 9), (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
          (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656))
WEIGHTS = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)
ERRORS = (-71 / 57600, 0.0, 71 / 16695, -71 / 1920, 17253 / 339200, -22 / 525, 1 / 40)
SCIPY_BOUND = 1.49012e-8                         # rtol and atol of scipy.integrate.odeint, where none are given
SAFETY, SHRINK, GROW = 0.9, 0.2, 10.0            # of the next step's length


def odeint(f: Callable, y0: Any, t: Any, *args: Any, rtol: float = 1e-8, atol: float = 1e-8, steps: int | None = None,
           maxsteps: int = 1_000_000) -> Any:
    """y(t[0]), y(t[1]), … as an array with one more axis in front, where dy/dt = f(y, t, *args) and y(t[0]) = y0.

    Differentiable in y0, t and args, in every mode and order, and usable in compiled code. Reverse mode keeps the steps, or
    runs them again where the option memory_budget says so. y0 is an array or a
    number; f returns the same shape. Times may fall.

    rtol, atol   bounds of the error of one step; steps   that many equal ones between two times instead

    Raises RuntimeError where maxsteps between two times do not suffice: for stiff equations use tg.scipy.solve_ivp.
    """
    if not callable(f):
        raise ArgumentTypeError(f"tg.implicit.odeint takes a function first, got a {type(f).__name__}",
                                "write tg.implicit.odeint(f, y0, t, *args)")
    if not (rtol >= 0 and atol >= 0 and rtol + atol > 0) or maxsteps < 1 or (steps is not None and steps < 1):
        raise ArgumentError(f"tg.implicit.odeint takes positive tolerances and numbers of steps; got rtol={rtol!r}, "
                            f"atol={atol!r}, steps={steps!r}, maxsteps={maxsteps!r}", "", where(f))
    name = "tg.implicit.odeint"
    slope = slope_of(f, name, tfirst=False, reshapes=False)
    solve = solver(slope, float(rtol), float(atol), steps, int(maxsteps), name)
    return solve(y0, t, args) if tracing.active() is not None else jit(solve)(y0, t, args)


def like_scipy(func: Callable, y0: Any, t: Any, args: Any = (), Dfun: Any = None, col_deriv: Any = 0, full_output: Any = 0,
               ml: Any = None, mu: Any = None, rtol: Any = None, atol: Any = None, tcrit: Any = None, h0: Any = 0.0,
               hmax: Any = 0.0, hmin: Any = 0.0, ixpr: Any = 0, mxstep: Any = 0, mxhnil: Any = 0, mxordn: Any = 12,
               mxords: Any = 5, printmessg: Any = 0, tfirst: Any = False) -> Any:
    """scipy.integrate.odeint in compiled code. Its bounds are SciPy's at most, so the two differ by SciPy's own error; what
    tells LSODA how to take its steps (Dfun, hmax, tcrit …) does not matter here."""
    name = "scipy.integrate.odeint"
    if full_output:
        raise UnsupportedError(f"{name} with full_output cannot be compiled", "leave it out", where(func))
    relative, absolute = (SCIPY_BOUND if bound is None else bound for bound in (rtol, atol))
    if not all(type(bound) in (int, float) and bound >= 0 for bound in (relative, absolute)):
        raise UnsupportedError(f"{name} takes as rtol and atol what is a number when the function is compiled",
                               "give Python floats, or leave them out", where(func))
    slope = slope_of(func, name, bool(tfirst), reshapes=True)
    solve = solver(slope, min(float(relative), SCIPY_BOUND), min(float(absolute), SCIPY_BOUND), None, 1_000_000, name)
    return solve(np.atleast_1d(np.asarray(y0)), t, args if isinstance(args, tuple) else (args,))


def slope_of(f: Callable, name: str, tfirst: bool, reshapes: bool) -> Callable:
    """f in the order of its arguments, with a result of the shape of y. reshapes: of one unknown it may be a number, as in
    SciPy."""
    def slope(y: Any, s: Any, args: Any) -> Any:
        found = np.asarray(f(s, y, *args) if tfirst else f(y, s, *args))
        if reshapes and np.shape(found) == () and np.shape(y) == (1,):
            return np.reshape(found, (1,))
        if np.shape(found) != np.shape(y):
            raise ValueError(f"f of {name} must return the shape of y, {np.shape(y)}: it returns {np.shape(found)}")
        return found

    return slope


def _stages(slope: Callable) -> Callable:
    """One step: (y after it, the slope there, the estimated error)."""
    def stages(y: Any, s: Any, h: Any, first: Any, args: tuple[Box, ...]) -> Any:
        ks = [first]
        for a, c in zip(STAGES[1:], NODES[1:]):
            move = a[0] * ks[0]
            for weight, k in zip(a[1:], ks[1:]):
                move = move + weight * k
            ks.append(slope(y + h * move, s + c * h, args))
        move = WEIGHTS[0] * ks[0]
        for weight, k in zip(WEIGHTS[1:], ks[1:]):
            if weight != 0.0:
                move = move + weight * k
        after = y + h * move
        last = slope(after, s + h, args)
        wrong = ERRORS[0] * ks[0]
        for weight, k in zip(ERRORS[1:], [*ks[1:], last]):
            if weight != 0.0:
                wrong = wrong + weight * k
        return after, last, h * wrong

    return stages


def solver(slope: Callable, rtol: float, atol: float, steps: int | None, maxsteps: int, name: str) -> Callable:
    stages = _stages(slope)

    def far(wrong: Box, y: Box, after: Box) -> Any:
        scale = atol + rtol * np.maximum(np.abs(y), np.abs(after))
        return np.sqrt(np.mean((wrong / scale)**2)) if np.size(y) > 0 else 0.0 * np.sum(wrong)

    def first_length(y: Any, k: Any, span: Any) -> Any:
        scale = atol + rtol * np.abs(y)
        size, speed = np.sqrt(np.mean((y / scale)**2)), np.sqrt(np.mean((k / scale)**2))
        guess = 0.01 * size / speed if size > 1e-5 and speed > 1e-5 else 1e-6
        return min(guess, span)

    def equal(y: Any, start: ScalarBox, end: ScalarBox, args: Any) -> Any:
        assert steps is not None
        h = (end - start) / steps
        for n in range(steps):
            s = start + n * h
            y, _, _ = stages(y, s, h, slope(y, s, args), args)
        return y

    def adaptive(y: Any, start: ScalarBox, end: ScalarBox, args: tuple[Box, ...]) -> Box:
        # in parts of the interval, so that the end is reached exactly and depends on `end`: s = start + u (end - start)
        span, u, count = end - start, 0.0, 0
        k = slope(y, start, args)
        part = stop_gradient(first_length(y, k, np.abs(span)) / np.abs(span))
        while u < 1.0:
            if count >= maxsteps:
                raise RuntimeError(f"{name} has not arrived after {count} steps: is the equation stiff?")
            part = min(part, 1.0 - u)
            after, last, wrong = stages(y, start + u * span, part * span, k, args)
            error = stop_gradient(far(wrong, y, after))
            if error <= 1.0:
                ends = u + part >= 1.0
                y, k = after, last
                u = 1.0 if ends else u + part
            change = SAFETY * max(error, 1e-10) ** -0.2 if error == error else SHRINK
            part = part * min(GROW, max(SHRINK, change))
            count += 1
        return y

    def solve(y0: Box, t: list[ScalarBox] | ArrayBox, args: tuple[Box, ...]) -> Any:
        y, times = np.asarray(y0) * 1.0, np.asarray(t) * 1.0
        out = np.zeros((times.shape[0], *np.shape(y)), y.dtype)
        out[0] = y
        for n in range(1, times.shape[0]):
            if steps is not None:
                y = equal(y, times[n - 1], times[n], args)
            elif times[n] != times[n - 1]:
                y = adaptive(y, times[n - 1], times[n], args)
            out[n] = y
        return out
    return solve
