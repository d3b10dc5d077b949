"""odeint: a differentiable solution of an ordinary differential equation, as the program of its steps (ode_steps.py).

The step lengths are chosen by the error and are not differentiated, so derivatives are those of the steps that were taken:
forward sensitivities in forward mode, the discrete adjoint in reverse mode, exact for the numbers that are returned. Other ways
back are in ode_adjoint.py.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.errors import ArgumentError, ArgumentTypeError, UnsupportedError
from ..jitted.functions import jit
from ..tracer import tracing
from ..tracer.staging.arguments import where
from .ode_adjoint import MODES, differently
from .ode_banded import Band
from .ode_solve import Steps, solver
from .ode_steps import METHODS

SCIPY_BOUND = 1.49012e-8                         # rtol and atol of scipy.integrate.odeint, where none are given


def odeint(f: Callable, y0: Any, t: Any, *args: Any, rtol: float = 1e-8, atol: float = 1e-8, steps: int | None = None,
           maxsteps: int = 1_000_000, method: str = "RK45", band: Band | None = None, mode: str = "discrete") -> Any:
    """y(t[0]), y(t[1]), … as an array with one more axis in front, where dy/dt = f(y, t, *args) and y(t[0]) = y0.

    Differentiable in y0, t and args, in every mode and order, and usable in compiled code. y0 is an array or a number; f
    returns the same shape. Times may fall.

    rtol, atol   bounds of the error of one step; steps   that many equal ones between two times instead
    method       "RK45", explicit, or "Rodas5P", implicit, for stiff equations; both of order 5
    band         (l, u) for Rodas5P: the Jacobian df/dy has l diagonals below and u above the main one, and nothing else
    mode         how derivatives go back (reverse mode); forward mode is that of the steps in any case

                 "discrete"     through the steps: exact for the numbers that are returned. The steps are kept, or run again
                                where the option memory_budget says so
                 "continuous"   by the adjoint equation, solved backwards within the same bounds: exact up to these. Between two
                                times it keeps as many steps as memory_budget has room for (64 MB where it is not set)
                 "forward"      by the derivatives by all numbers of y0 and args, found on the way: for few of these
                 "auto"         "forward" where y0 and args are few numbers, "continuous" where the steps that "discrete" keeps
                                could be more than memory_budget (1 GB where it is not set), else "discrete"

    In all modes but "discrete" what f depends on and is differentiated must be in args.

    Raises RuntimeError where maxsteps between two times do not suffice: for stiff equations use Rodas5P.

    >>> decay = lambda k: tg.implicit.odeint(lambda y, t, k: -k * y, 1.0, np.array([0.0, 1.0]), k)[-1]
    >>> round(float(decay(2.0)), 6), round(tg.grad(decay)(2.0), 6)
    (0.135335, -0.135335)
    """
    name = "tg.implicit.odeint"
    if not callable(f):
        raise ArgumentTypeError(f"{name} takes a function first, got a {type(f).__name__}", f"write {name}(f, y0, t, *args)")
    if not (rtol >= 0 and atol >= 0 and rtol + atol > 0) or maxsteps < 1 or (steps is not None and steps < 1):
        raise ArgumentError(f"{name} takes positive tolerances and numbers of steps; got rtol={rtol!r}, "
                            f"atol={atol!r}, steps={steps!r}, maxsteps={maxsteps!r}", "", where(f))
    _expect_ways(f, method, band, mode, steps)
    slope = slope_of(f, name, tfirst=False, reshapes=False)
    diagonals = None if band is None else (band[0], band[1])
    how = Steps(slope, float(rtol), float(atol), steps, int(maxsteps), name, method, diagonals)
    solve = solver(how) if mode == "discrete" else differently(how, solver(how), mode)
    return solve(y0, t, args) if tracing.active() is not None else jit(solve)(y0, t, args)


def _expect_ways(f: Callable, method: str, band: Any, mode: str, steps: int | None) -> None:
    for what, found, known in (("method", method, tuple(METHODS)), ("mode", mode, MODES)):
        if found not in known:
            raise ArgumentError(f"there is no {what} {found!r} of tg.implicit.odeint", f"use one of {', '.join(known)}",
                                where(f))
    if band is not None and not METHODS[method].implicit:
        raise ArgumentError(f"{method} does not solve with the Jacobian, so it takes no band", "use method=\"Rodas5P\"",
                            where(f))
    if band is not None and not (isinstance(band, (tuple, list)) and len(band) == 2
                                 and all(type(d) is int and d >= 0 for d in band)):
        raise ArgumentError(f"band is {band!r}", "give the numbers of diagonals below and above the main one: band=(1, 1)",
                            where(f))
    if mode == "continuous" and steps is not None:
        raise ArgumentError("the continuous adjoint chooses its steps by rtol and atol", "leave steps out, or use "
                            "mode=\"discrete\"", where(f))


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
    solve = solver(Steps(slope, min(float(relative), SCIPY_BOUND), min(float(absolute), SCIPY_BOUND), None, 1_000_000, name))
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
