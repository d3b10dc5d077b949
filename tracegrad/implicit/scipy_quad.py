"""scipy.integrate's quad, dblquad, tplquad and quad_vec in compiled code, differentiable in bounds and parameters.

Intervals are halved where the rule of Gauss and Kronrod with 21 points is least certain (R. Piessens and others, QUADPACK,
1983), in parts u of the range, x = a + u (b - a). Which parts there are is not differentiated; the sum over them is, which by
Leibniz's rule is the derivative of the integral:

    I(θ) = sum_k w_k f(x(u_k, θ), θ) x'(u_k, θ)

An infinite range is mapped to u in (0, 1] by x = a + (1 - u) / u, as QUADPACK does. QUADPACK extrapolates at singular ends,
where this takes smaller intervals; both keep to the bounds that are asked for.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.errors import UnsupportedError
from ..operators.transforms import stop_gradient
from ..tracer.scipy.primitives import sloped
from ..tracer.staging.arguments import where

_HALF = (0.995657163025808080735527280689003, 0.973906528517171720077964012084452, 0.930157491355708226001207180059508,
         0.865063366688984510732096688423493, 0.780817726586416897063717578345042, 0.679409568299024406234327365114874,
         0.562757134668604683339000099272694, 0.433395394129247190799265943165784, 0.294392862701460198131126603103866,
         0.148874338981631210884826001129720)
_KRONROD = (0.011694638867371874278064396062192, 0.032558162307964727478818972459390, 0.054755896574351996031381300244580,
            0.075039674810919952767043140916190, 0.093125454583697605535065465083366, 0.109387158802297641899210590325805,
            0.123491976262065851077958109585166, 0.134709217311473325928054001771707, 0.142775938577060080797094273138717,
            0.147739104901338491374841515972068, 0.149445554002916905664936468389821)
_GAUSS = (0.066671344308688137593568809893332, 0.149451349150580593145863396957697, 0.219086362515982043995534934228163,
          0.269266719309996355091226921569469, 0.295524224714752870173815619188769)
# on the range from 0 to 1
NODES = (np.array([-x for x in _HALF] + [0.0] + list(_HALF[::-1])) + 1) / 2
WEIGHTS = np.array(_KRONROD + _KRONROD[-2::-1]) / 2
_SOME = np.zeros(21)
_SOME[1:10:2] = _GAUSS
_SOME[11::2] = _GAUSS[::-1]
SOME = _SOME / 2                                     # the rule of Gauss by every second node
MOST, LEAST = 200, 1e-10                             # parts of the range, and the relative error that is asked for at most
_EPS = float(np.finfo(float).eps)


def _mapped(f: Callable, a: Any, b: Any) -> Callable:
    """The integrand over u from 0 to 1."""
    if np.isinf(a) and np.isinf(b):
        if a == b:
            return lambda u: f(a) * 0.0
        sign = 1.0 if b > 0 else -1.0
        return lambda u: (f((1.0 - u) / u) + f((u - 1.0) / u)) * (sign / (u * u))
    if np.isinf(a) or np.isinf(b):
        end, ahead = (b, np.sign(a)) if np.isinf(a) else (a, np.sign(b))
        ahead, way = float(ahead), float(-ahead if np.isinf(a) else ahead)
        return lambda u: f(end + ahead * (1.0 - u) / u) * (way / (u * u))
    return lambda u: f(a + u * (b - a)) * (b - a)


def _rule(g: Callable, low: Any, width: Any, like: Any) -> Any:
    """(the integral of g over a part, an estimate of its error), by Kronrod's and Gauss's nodes."""
    held = np.zeros((21, *np.shape(like)), np.asarray(like).dtype)
    for k in range(21):
        held[k] = g(low + width * NODES[k])
    rows = held.reshape(21, -1)
    fine = WEIGHTS @ rows
    apart = _size(fine - SOME @ rows)
    spread, whole = _size(WEIGHTS @ np.abs(rows - fine)), _size(WEIGHTS @ np.abs(rows))
    wrong = spread * min(1.0, (200.0 * apart / (spread if spread > 0.0 else 1.0)) ** 1.5) if spread > 0.0 else apart
    return width * fine.reshape(np.shape(like)), width * max(wrong, 50.0 * _EPS * whole)


def _size(v: Any) -> Any:
    return np.sqrt(np.sum(np.abs(v) ** 2))


def _parts(g: Callable, absolute: float, relative: float, like: Any) -> Any:
    """(the parts' beginnings, their widths, how many, the integral, its error). At first the range is halved."""
    low, width, errors, count = np.zeros(MOST), np.ones(MOST), np.full(MOST, -1.0), 1
    values = np.zeros((MOST, *np.shape(like)), np.asarray(like).dtype)
    total, error = like * 0.0, np.inf
    while count < MOST and error > max(absolute, relative * _size(total)):
        k = int(np.argmax(errors))
        width[k] = width[k] / 2
        low[count], width[count] = low[k] + width[k], width[k]
        for j in range(count, count + 2):
            at = count if j == count else k
            values[at], errors[at] = _rule(g, low[at], width[at], like)
        count += 1
        total, error = np.sum(values, axis=0), float(np.sum(np.maximum(errors, 0.0)))
    return low, width, count, total, error


def _integral(f: Callable, a: Any, b: Any, absolute: float, relative: float) -> Any:
    g = _mapped(f, a, b)
    like = g(0.5) * 1.0
    low, width, count, total, error = _parts(g, absolute, relative, like)
    low, width, count = stop_gradient(low), stop_gradient(width), stop_gradient(count)
    found = total * 0.0
    for i in range(count):
        for k in range(21):
            found = found + width[i] * WEIGHTS[k] * g(low[i] + width[i] * NODES[k])
    return sloped(total, found), stop_gradient(error)


def _expect(name: str, f: Callable, refused: dict) -> None:
    for what, found in refused.items():
        if found:
            raise UnsupportedError(f"scipy.integrate.{name} with {what} cannot be compiled", f"leave {what} out", where(f))


def quad(func: Callable, a: Any, b: Any, args: Any = (), full_output: Any = 0, epsabs: float = 1.49e-8,
         epsrel: float = 1.49e-8, limit: int = 50, points: Any = None, weight: Any = None, wvar: Any = None, wopts: Any = None,
         maxp1: int = 50, limlst: int = 50, complex_func: Any = False) -> Any:
    _expect("quad", func, {"full_output": full_output, "points": points is not None, "weight": weight is not None,
                           "complex_func": complex_func})
    args = args if isinstance(args, tuple) else (args,)
    value, error = _integral(lambda x: _number(func(x, *args)), a, b, epsabs, min(epsrel, LEAST))
    return float(value), error


def _number(value: Any) -> Any:
    return np.reshape(value, ())[()] if np.ndim(value) else value


def _bound(f: Any, *at: Any) -> Any:
    return f(*at) if callable(f) else f


def dblquad(func: Callable, a: Any, b: Any, gfun: Any, hfun: Any, args: Any = (), epsabs: float = 1.49e-8,
            epsrel: float = 1.49e-8) -> Any:
    def inner(x: Any) -> Any:
        return quad(lambda y: func(y, x, *args), _bound(gfun, x), _bound(hfun, x), (), 0, epsabs, epsrel)[0]

    return quad(inner, a, b, (), 0, epsabs, epsrel)


def tplquad(func: Callable, a: Any, b: Any, gfun: Any, hfun: Any, qfun: Any, rfun: Any, args: Any = (),
            epsabs: float = 1.49e-8, epsrel: float = 1.49e-8) -> Any:
    def inner(y: Any, x: Any) -> Any:
        return quad(lambda z: func(z, y, x, *args), _bound(qfun, x, y), _bound(rfun, x, y), (), 0, epsabs, epsrel)[0]

    return dblquad(inner, a, b, gfun, hfun, (), epsabs, epsrel)


def nquad(func: Callable, ranges: Any, args: Any = None, opts: Any = None, full_output: Any = False) -> Any:
    """One integral inside of the other, the first range innermost; a range may be a function of the variables outside."""
    _expect("nquad", func, {"full_output": full_output})
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    opts = opts if isinstance(opts, (list, tuple)) else [opts] * len(ranges)

    def inside(k: int, outer: tuple) -> Any:
        low, high = ranges[k](*outer, *args) if callable(ranges[k]) else ranges[k]
        options = opts[k](*outer, *args) if callable(opts[k]) else opts[k] or {}
        return quad(lambda x: func(x, *outer, *args) if k == 0 else inside(k - 1, (x, *outer))[0], low, high, **options)

    return inside(len(ranges) - 1, ())


def quad_vec(f: Callable, a: Any, b: Any, epsabs: float = 1e-200, epsrel: float = 1e-8, norm: Any = "2",
             cache_size: Any = 1e8, limit: int = 10000, workers: Any = 1, points: Any = None, quadrature: Any = None,
             full_output: Any = False, *, args: Any = ()) -> Any:
    _expect("quad_vec", f, {"full_output": full_output, "points": points is not None, "norm other than '2'": norm != "2"})
    value, error = _integral(lambda x: np.asarray(f(x, *args))[()], a, b, epsabs, min(epsrel, LEAST))
    return value, error
