"""scipy.integrate with compiled functions and exact Jacobians."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import log
from ..ir.errors import ArgumentError, TracegradError
from ..jitted.functions import jit
from . import native_steps
from .compiled import jacobian_for, vector

_IMPLICIT = {"Radau": True, "BDF": True, "LSODA": False}        # methods that take a Jacobian; whether a sparse one


def solve_ivp(fun: Callable, t_span: Any, y0: Any, method: Any = "RK45", t_eval: Any = None, dense_output: bool = False,
              events: Any = None, vectorized: bool = False, args: Any = None, **options: Any) -> Any:
    """scipy.integrate.solve_ivp, with the right side compiled and its Jacobian for implicit methods, sparse where it is.

    method   "RK45" (SciPy's steps) and "Rodas5P" (implicit, order 5, for stiff equations) run as a whole in compiled code,
             unless there are events, dense_output or complex numbers, or `fun` writes to its y: Rodas5P refuses those. RK45
             then takes SciPy's steps in Python, as SciPy's other methods do; TRACEGRAD_LOG=compile says why
    `vectorized` says that `fun` takes many states at once, which nothing here asks for. Returns SciPy's result.

    >>> import tracegrad.scipy
    >>> found = tg.scipy.solve_ivp(lambda t, y, k: -k * y, (0.0, 1.0), np.ones(1), method="BDF", args=(2.0,), rtol=1e-8)
    >>> bool(np.isclose(found.y[0, -1], np.exp(-2.0), rtol=1e-5))
    True
    """
    from scipy import integrate

    name = method if isinstance(method, str) else getattr(method, "__name__", "")
    more = () if args is None else tuple(args)
    y = np.atleast_1d(np.asarray(y0))
    y = y if y.dtype.kind in "fc" else y.astype(float)
    if native_steps.takes(method, y, t_span, t_eval, events, dense_output, options):
        times = None if t_eval is None else np.asarray(t_eval)
        try:
            return _result(native_steps.solved(fun, method, (float(t_span[0]), float(t_span[1])), y, times, more, options))
        except TracegradError as reason:            # SciPy's loop says what is wrong with fun, or can do with it
            if name == "Rodas5P":
                raise
            log.COMPILE.info("solve_ivp takes SciPy's steps in Python: %s", str(reason).partition("\n")[0])
    if name == "Rodas5P":
        raise ArgumentError("method=\"Rodas5P\" takes float64 numbers, t_eval, rtol, atol, max_step and first_step only",
                            "use \"Radau\" with events, dense_output or complex numbers")
    right = jit(vector(fun))
    if name in _IMPLICIT and options.get("jac") is None and y.dtype.kind == "f":
        jac = jacobian_for(fun, (float(t_span[0]), y, *more), argnum=1, sparse=_IMPLICIT[name])
        options["jac"] = lambda t, y, *args: jac(float(t), y, *args)
    return integrate.solve_ivp(lambda t, y, *args: right(float(t), y, *args), t_span, y, method, t_eval, dense_output, events,
                               False, args, **options)


@functools.cache
def _finished() -> Any:
    """A result of SciPy's that has arrived."""
    from scipy import integrate

    return integrate.solve_ivp(lambda t, y: y, (0.0, 0.0), np.zeros(1))


def _result(fields: dict[str, Any]) -> Any:
    done = _finished()
    return type(done)({**fields, "message": done.message} if fields["success"] else fields)
