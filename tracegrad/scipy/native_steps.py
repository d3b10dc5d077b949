"""solve_ivp's loop over the steps in compiled code, for the methods whose step is compiled whole: RK45 and Rodas5P.

The steps of RK45 are those of SciPy's: its first step and its control (E. Hairer, S. P. Norsett and G. Wanner, Solving Ordinary
Differential Equations I, II.4), so numbers differ by rounding only. One call takes them all; SciPy takes 50 us for each.

    h = first step
    until t is the end:  make a step of h, at most to the end;  error = rms(estimate / (atol + rtol max(|y|, |y'|)))
        error < 1:  go there;  h *= min(10, 0.9 error^-1/5), after a failure at most 1
        else:       h *= max(0.2, 0.9 error^-1/5)
"""
from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np

from ..implicit.ode_steps import METHODS
from ..jitted.functions import jit

SAFETY, SHRINK, GROW, EXPONENT = 0.9, 0.2, 10.0, -0.2
TAKEN = frozenset({"rtol", "atol", "max_step", "first_step"})          # options that are known here


def _norm(x: Any) -> Any:
    return np.sqrt(np.mean(x * x))


def _first_step(slope: Callable, t: Any, y: Any, k: Any, way: Any, span: Any, rtol: Any, atol: Any, largest: Any,
                args: Any) -> Any:
    """SciPy's select_initial_step for a method whose error has order 4."""
    scale = atol + np.abs(y) * rtol
    size, speed = _norm(y / scale), _norm(k / scale)
    guess = 1e-6 if size < 1e-5 or speed < 1e-5 else 0.01 * size / speed
    guess = min(guess, span)
    ahead = slope(y + guess * way * k, t + guess * way, args)
    bend = _norm((ahead - k) / scale) / guess
    better = max(1e-6, guess * 1e-3) if speed <= 1e-15 and bend <= 1e-15 else (0.01 / max(speed, bend)) ** 0.2
    return min(100 * guess, better, span, largest)


def _method(fun: Callable, name: str) -> tuple[Callable, Callable, Callable]:
    """(slope, one step, the polynomial through it)."""
    def slope(y: Any, t: Any, args: Any) -> Any:
        return np.asarray(fun(t, y if implicit else np.broadcast_to(y, y.shape), *args)) * 1.0

    implicit = METHODS[name].implicit       # SciPy's steps see what `fun` writes to its y: one that does cannot have it here
    return slope, METHODS[name].rolled(slope, None), METHODS[name].curve


def _loop(fun: Callable, name: str, chosen: bool, begun: bool) -> Callable:
    """chosen: only the values at `times` are wanted; begun: the first step's length is given."""
    slope, step, curve = _method(fun, name)

    def integrate(t: Any, end: Any, y: Any, times: Any, rtol: Any, atol: Any, largest: Any, first: Any, args: Any) -> Any:
        way = 1.0 if end > t else -1.0
        k = slope(y, t, args)
        h = first if begun else _first_step(slope, t, y, k, way, np.abs(end - t), rtol, atol, largest, args)
        ts, ys, at, out = [t], [y], 0, np.zeros((len(times), len(y)))
        tries, status, failed = 0, 0, False
        while t != end and status == 0:
            least = 10.0 * np.abs(np.nextafter(t, way * np.inf) - t)
            if not failed:
                h = min(max(h, least), largest)
            if h < least or h != h:
                status = -1
                continue
            after = t + h * way
            if way * (after - end) > 0.0:
                after = end
            length = after - t
            h = np.abs(length)
            made = step(y, t, length, k, args)
            tries += 1
            error = _norm(made.wrong / (atol + np.maximum(np.abs(y), np.abs(made.after)) * rtol))
            if error < 1.0:
                grown = GROW if error == 0.0 else min(GROW, SAFETY * error**EXPONENT)
                h *= min(1.0, grown) if failed else grown
                if chosen:
                    parts = curve(y, made, length)
                    while at < len(times) and way * (times[at] - after) <= 0.0:
                        u = (times[at] - t) / length
                        out[at] = y + u * (parts[0] + u * (parts[1] + u * (parts[2] + u * parts[3])))
                        at += 1
                t, y, k, failed = after, made.after, made.last, False
                if not chosen:
                    ts.append(t)
                    ys.append(y)
            else:
                h *= max(SHRINK, SAFETY * error**EXPONENT) if error == error else SHRINK
                failed = True
        return (out, at, tries, status) if chosen else (np.array(ts), np.array(ys), tries, status)

    return integrate


@functools.lru_cache(64)
def _compiled(fun: Callable, name: str, chosen: bool, begun: bool) -> Callable:
    """The loop, compiled; kept for the functions of late, as to find it again takes longer than many steps."""
    return jit(_loop(fun, name, chosen, begun))


def takes(name: Any, y: np.ndarray, span: Any, times: Any, events: Any, dense_output: bool, options: dict) -> bool:
    """Whether the whole integration can be one call. What SciPy refuses or warns about, it shall see itself."""
    plain = isinstance(name, str) and name in METHODS and events is None and not dense_output and options.keys() <= TAKEN
    if not (plain and y.dtype == np.float64 and y.ndim == 1 and y.size and np.shape(span) == (2,) and np.isfinite(y).all()):
        return False
    first, last = np.asarray(span, float)
    sound = first != last and np.isfinite([first, last]).all() and _sound(y, options, last - first)
    return bool(sound and _inside(times, first, last))


def _inside(times: Any, first: float, last: float) -> bool:
    """Whether the times that are asked for lie between those, in their order."""
    if times is None:
        return True
    t = np.asarray(times)
    if t.ndim != 1 or t.size == 0 or t.dtype.kind not in "fiu":
        return False
    way = np.sign(last - first)
    return bool(np.all(way * np.diff(t) > 0) and way * (t[0] - first) >= 0 and way * (last - t[-1]) >= 0)


def _sound(y: np.ndarray, options: dict, span: float) -> bool:
    """Whether the options are sound."""
    atol, rtol, first = np.asarray(options.get("atol", 1e-6)), options.get("rtol", 1e-3), options.get("first_step")
    numbers = [rtol, options.get("max_step", np.inf), *([] if first is None else [first])]
    good = all(isinstance(x, (int, float, np.floating)) and x > 0 for x in numbers) and rtol >= 100 * np.finfo(float).eps
    good = good and (first is None or first <= abs(span))
    return bool(good and (atol.ndim == 0 or atol.shape == y.shape) and np.all(atol >= 0))


def solved(fun: Callable, name: str, span: tuple[float, float], y: np.ndarray, times: np.ndarray | None, args: tuple,
           options: dict) -> dict[str, Any]:
    """The fields of SciPy's result."""
    from scipy.integrate import OdeSolver

    first = options.get("first_step")
    make = _compiled if isinstance(fun, FunctionType) else _compiled.__wrapped__
    run = make(fun, name, times is not None, first is not None)
    atol: Any = options.get("atol", 1e-6)
    found, second, tries, status = run(
        *span, y, np.zeros(0) if times is None else times.astype(float), float(options.get("rtol", 1e-3)),
        float(atol) if np.ndim(atol) == 0 else np.asarray(atol, float), float(options.get("max_step", np.inf)),
        float(first or 0.0), args)
    implicit = METHODS[name].implicit
    t, rows = (found, second) if times is None else (times[:second], found[:second])
    slopes = tries * (9 if implicit else 6) + (1 if first is not None else 2)
    return {"t": t, "y": np.ascontiguousarray(rows.T), "sol": None, "t_events": None, "y_events": None, "nfev": int(slopes),
            "njev": int(tries) if implicit else 0, "nlu": int(tries) if implicit else 0, "status": int(status),
            "message": OdeSolver.TOO_SMALL_STEP if status else None, "success": status == 0}
