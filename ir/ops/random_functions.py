"""Elementwise ops of random numbers: functions that give NumPy's numbers to the last bit.

`libm_exp`, `libm_expm1` and `libm_pow` are the C library's, which NumPy's distributions call. Those of elementwise.py are
tracegrad's own, which vectorise and may differ in the last bit.

`gamma_draw` carries the derivative of a draw x of the standard gamma distribution by its shape a (implicit reparameterisation,
Figurnov, Mohamed, Mnih 2018): along a level of the distribution function F, with F' = p,

    dx/da = g(a, x) = -(dF/da) / p = -M1,    M1 = 1/p(x) int_0^x L p(t) dt,          L = ln t - psi(a)
    dg/dx = psi(a) - ln x - g ((a - 1)/x - 1)
    dg/da = -M2 - g (ln x - psi(a)),         M2 = 1/p(x) int_0^x (L^2 - psi'(a)) p(t) dt

Both integrals over all t are 0, so the one from 0 and minus that to infinity are equal. Each is taken on the side of x where p
falls: t = x exp(-u) for x < a, t = x exp(u) for x > a, where p(t) t / (p(x) x) = exp(h(u)) with

    h(u) = -a u + x (1 - exp(-u))   or   a u - x (exp(u) - 1)

is concave and falls from 0. It is cut where h = -30, nearly (from the root of its first two terms by a step of Newton's
method), and what is left is smooth: Gauss's formula of 24 points, 1e-11 in all.
Where x <= 2, F is a series instead: F/p = x/a S, S = sum of x^n / ((a + 1) … (a + n)).
"""
from __future__ import annotations

import ctypes
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..opdef import OPS
from ..types import F64, Array
from .elementwise import ANY, POSITIVE, declare

if TYPE_CHECKING:
    from ..build import Expr

DOUBLE = frozenset({F64})


def _c(name: str, arity: int = 1) -> Callable:
    """A function of the C library on arrays."""
    function = getattr(ctypes.CDLL(None), name)
    function.argtypes, function.restype = [ctypes.c_double] * arity, ctypes.c_double

    def every(*arrays: Any) -> Any:
        return np.vectorize(function, otypes=[np.float64])(*arrays)

    every.__name__ = name
    return every


def _recipe(name: str) -> tuple[tuple[str, tuple], ...]:
    return (("f", ("exact", name)),)


declare("libm_exp", _c("exp"), 1, DOUBLE, recipe=_recipe("exp"), partials=(lambda x, out: out,), singular=(0,), domain=(ANY,),
        doc="The C library's exp.")
declare("libm_expm1", _c("expm1"), 1, DOUBLE, recipe=_recipe("expm1"), partials=(lambda x, out: out + 1,), singular=(0,),
        domain=(ANY,), doc="The C library's expm1.")
declare("libm_pow", _c("pow", 2), 2, DOUBLE, recipe=_recipe("pow"), singular=(0, 1), domain=(POSITIVE, POSITIVE),
        partials=(lambda x, y, out: y * x.libm_pow(y - 1), lambda x, y, out: (x == 0).select(0, out * x.log())),
        doc="The C library's pow of a number that is not negative.")


# --- the slope of a gamma distribution's draws ------------------------------------------------------------------------------

_CUT, _TERMS, _SERIES = 30.0, 26, 2.0
_POINTS, _WEIGHTS = (tuple(map(float, x)) for x in np.polynomial.legendre.leggauss(24))


def _safe(a: Expr, x: Expr) -> tuple[Expr, Expr, Expr]:
    """The operands where they are as they should be, else ones that give no warning."""
    good = (x > 0) & (a > 0)
    return good, good.select(a, 1.0), good.select(x, 1.0)


def _moments(a: Expr, x: Expr) -> tuple[Expr, Expr]:
    """(M1, M2) by the integral, for x > 2."""
    below, psi, slope = x < a, a.digamma(), _psi1(a)
    start = x.log() - psi
    side = below.select(a * 0 - 1, a * 0 + 1)            # t = x exp(side u)
    gap = (x - a).abs()
    u = 2 * _CUT / (gap + (gap * gap + 2 * _CUT * x).sqrt())
    e = (side * u).expm1()
    u = u - (side * a * u - x * e + _CUT) / (side * (a - x * (e + 1)))
    first = second = a * 0
    for point, weight in zip(_POINTS, _WEIGHTS):
        v = u * (0.5 * (point + 1))
        log = start + side * v
        height = (side * a * v - x * (side * v).expm1()).exp() * weight
        first, second = first + height * log, second + height * (log * log - slope)
    scale = u * 0.5 * x * -side
    return first * scale, second * scale


def _series(a: Expr, x: Expr) -> tuple[Expr, Expr]:
    """(M1, M2) by the series: of S, its first and second derivative by a, and those of x^a e^-x / Gamma(a + 1) in front."""
    term, total, one, two = a * 0 + 1, a * 0 + 1, a * 0, a * 0
    h = k = a * 0                                        # sums of 1/(a + n) and 1/(a + n)^2
    for n in range(1, _TERMS):
        r = 1 / (a + n)
        term, h, k = term * x * r, h + r, k + r * r
        total, one, two = total + term, one - term * h, two + term * (h * h + k)
    log = x.log() - (a + 1).digamma()
    factor = x / a
    return factor * (log * total + one), factor * ((log * log - _psi1(a + 1)) * total + 2 * log * one + two)


def _moment(k: int, a: Any, x: Any) -> Any:
    good, a, x = _safe(a, x)
    near = x <= _SERIES
    return good.select(near.select(_series(a, near.select(x, _SERIES))[k], _moments(a, near.select(2 * _SERIES, x))[k]), 0.0)


class _Numbers:
    """NumPy arrays with the methods of `build.Expr`: the formula as the evaluator runs it."""

    def __init__(self, x: Array):
        self.x = x

    def select(self, yes: Any, no: Any) -> _Numbers:
        return _Numbers(np.where(self.x, _plain(yes), _plain(no)))

    def __getattr__(self, name: str) -> Callable[..., _Numbers]:
        function = cast(Any, OPS[name]).numpy
        return lambda *others: _Numbers(function(self.x, *map(_plain, others)))


def _plain(x: Expr) -> Array:
    return x.x if isinstance(x, _Numbers) else x


for _name in ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "le", "lt", "gt", "and", "neg"):
    setattr(_Numbers, f"__{_name}__", lambda self, *others, name=f"__{_name}__": _Numbers(
        getattr(np.asarray(self.x), name)(*map(_plain, others))))


def _evaluated(k: int, sign: int) -> Callable:
    def function(a: Array, x: Array) -> Array:
        with np.errstate(all="ignore"):
            a, x = np.broadcast_arrays(np.asarray(a, float), np.asarray(x, float))
            return sign * _moment(k, _Numbers(a), _Numbers(x)).x

    return function


def _psi1(a: Expr) -> Expr:
    return (a * 0 + 1).polygamma(a)


declare("gamma_draw", lambda a, x: np.array(np.broadcast_arrays(a, x)[1]), 2, DOUBLE, formula=lambda a, x: x,
        partials=(lambda a, x, out: a.gamma_draw_slope(out), None), domain=(POSITIVE, POSITIVE),
        doc="A draw x of the standard gamma distribution of shape a, with its derivative by a.")
declare("gamma_draw_slope", _evaluated(0, -1), 2, DOUBLE, formula=lambda a, x: -_moment(0, a, x), singular=(0, 1),
        partials=(lambda a, x, out: -a.gamma_draw_bend(x) - out * (x.log() - a.digamma()),
                  lambda a, x, out: a.digamma() - x.log() - out * ((a - 1) / x - 1)),
        domain=(POSITIVE, POSITIVE), doc="g(a, x) = dx/da of a gamma draw.")
declare("gamma_draw_bend", _evaluated(1, 1), 2, DOUBLE, formula=lambda a, x: _moment(1, a, x), singular=(0, 1),
        partials=(lambda a, x, out: out * math.nan, lambda a, x, out: (
            (x.log() - a.digamma()) * (x.log() - a.digamma()) - _psi1(a) - out * ((a - 1) / x - 1))),
        domain=(POSITIVE, POSITIVE), doc="M2(a, x); its own derivative by a is not known: NaN.")
