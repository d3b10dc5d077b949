"""scipy.integrate.solve_ivp at the times that it chooses itself: SciPy's own steps, of the explicit methods.

Steps and their lengths are those of SciPy's rk.py (J. R. Dormand, P. J. Prince, J. Comp. Appl. Math. 6, 1980; P. Bogacki,
L. F. Shampine, Appl. Math. Lett. 2, 1989; first step: Hairer, Nørsett, Wanner, Solving Ordinary Differential Equations I,
II.4). The times have no derivatives, other than by both ends of the interval; the states have those of the steps.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..operators.transforms import stop_gradient
from ..tracer.scipy.primitives import sloped

_SAFETY, _SHRINK, _GROW = 0.9, 0.2, 10.0


def _size(x: Any) -> Any:
    return np.sqrt(np.sum(np.real(x * np.conj(x)))) / np.sqrt(np.size(x))


def _first(slope: Callable, t: Any, y: Any, k: Any, end: Any, order: int, rtol: Any, atol: Any, most: Any) -> Any:
    """The length of the first step."""
    span = np.abs(end - t)
    scale = atol + np.abs(y) * rtol
    d0, d1 = _size(y / scale), _size(k / scale)
    h0 = np.minimum(1e-6 if d0 < 1e-5 or d1 < 1e-5 else 0.01 * d0 / d1, span)
    way = np.sign(end - t)
    d2 = _size((slope(t + h0 * way, y + h0 * way * k) - k) / scale) / h0
    h1 = np.maximum(1e-6, h0 * 1e-3) if d1 <= 1e-15 and d2 <= 1e-15 else (0.01 / np.maximum(d1, d2)) ** (1 / (order + 1))
    return np.minimum(np.minimum(100 * h0, h1), np.minimum(span, most))


def _stages(method: Any, slope: Callable, t: Any, y: Any, k: Any, h: Any) -> tuple[Any, list]:
    """(y after a step, the slopes on the way, that at its end among them)."""
    slopes = [k]
    for row, c in zip(method.A[1:method.n_stages], method.C[1:method.n_stages]):
        move = sum([a * s for a, s in zip(row.tolist(), slopes) if a != 0.0], start=0.0 * k)
        slopes.append(slope(t + float(c) * h, y + move * h))
    move = sum([b * s for b, s in zip(method.B.tolist(), slopes) if b != 0.0], start=0.0 * k)
    after = y + move * h
    return after, [*slopes, slope(t + h, after)]


def _mixed(weights: Any, slopes: list) -> Any:
    return sum([e * s for e, s in zip(weights.tolist(), slopes) if e != 0.0], start=0.0 * slopes[0])


def _error(method: Any, slopes: list, h: Any, scale: Any) -> Any:
    if not hasattr(method, "E3"):
        return _size(_mixed(method.E, slopes) * h / scale)
    five, three = _mixed(method.E5, slopes) / scale, _mixed(method.E3, slopes) / scale            # DOP853
    large, small = np.sum(np.real(five * np.conj(five))), np.sum(np.real(three * np.conj(three)))
    whole = large + 0.01 * small
    return 0.0 if large == 0 and small == 0 else np.abs(h) * large / np.sqrt(np.where(whole > 0, whole, 1.0) * np.size(scale))


def _factor(error: Any, rejected: Any, power: float) -> Any:
    grown = _GROW if error == 0 else np.minimum(_GROW, _SAFETY * error ** power)
    return np.minimum(1.0, grown) if rejected else grown


def integrated(method: Any, slope: Callable, start: Any, end: Any, y: Any, rtol: Any, atol: Any, first: Any,
               most: Any) -> tuple[Any, Any, Any, Any]:
    """(times, states with one row each, whether the end was reached, how often the slope was asked for)."""
    t, last = stop_gradient(start), stop_gradient(end)
    k = slope(start, y)
    way = np.sign(last - t)
    if y.size == 0:                                            # nothing that an error could be of
        t = last
    length = _first(slope, t, y, k, last, method.error_estimator_order, rtol, atol, most) if first is None else first * 1.0
    length = stop_gradient(length)
    power = -1 / (method.error_estimator_order + 1)
    times, states, failed, rejected, count = [start], [y], False, False, 1
    if first is None and t != last:
        count = 2
    if t == last:                                              # SciPy gives an interval of no length both ends
        times.append(end)
        states.append(y + (end - start) * k)
    while way * (t - last) < 0 and not failed:
        least = 10 * np.abs(np.nextafter(t, way * np.inf) - t)
        if not rejected:
            length = np.maximum(np.minimum(length, most), least)
        if not length >= least:                                # also of NaN, which SciPy would follow for ever
            failed = True
        else:
            after_t = last if way * (t + length * way - last) > 0 else t + length * way
            length = np.abs(after_t - t)
            # times are parts of the interval, and move with its ends
            here, there = _moved(t, start, end), _moved(after_t, start, end)
            after, slopes = _stages(method, slope, here, y, k, there - here)
            scale = atol + np.maximum(np.abs(y), np.abs(after)) * rtol
            error = stop_gradient(_error(method, slopes, after_t - t, scale))
            count += len(slopes) - 1
            if error < 1:
                length = length * _factor(error, rejected, power)
                t, y, k, rejected = after_t, after, slopes[-1], False
                times.append(there)
                states.append(y)
            else:
                length = length * max(_SHRINK, _SAFETY * error ** power)          # Python's: the former of NaN
                rejected = True
            length = stop_gradient(length)
    return np.array(times), np.array(states), not failed, count


def _moved(t: Any, start: Any, end: Any) -> Any:
    part = stop_gradient((t - start) / (end - start))          # of an interval that has a length
    return sloped(t, start + part * (end - start))
