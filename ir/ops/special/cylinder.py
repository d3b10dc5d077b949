"""Bessel functions and their relatives: SciPy's routines, with derivatives by recurrence (library.py).

    C_v' = (C_(v-1) - C_(v+1)) / 2     for J, Y and the Hankel functions (DLMF 10.6.1)
    I_v' = (I_(v-1) + I_(v+1)) / 2,    K_v' = -(K_(v-1) + K_(v+1)) / 2     (DLMF 10.29.1)

Derivatives by the order are differences over orders (`by_parameter`): all of these are entire in v, and change over a length of
about one, or as (x/2v)^v where that is faster. They obey the same recurrences.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...opdef import COMPLEXES, INEXACT
from ..elementwise import like
from .library import by_parameter, first, library, unknown

if TYPE_CHECKING:
    from ...build import Expr

_ORDER, RIGHT, ANY = (0.3, 2.7), (0.4, 4.0), (-2.0, 2.0)
_SHORT = 0.08


def _step(v: Expr, x: Expr) -> Expr:
    size = (x.abs() * 0.5).max(like(x, 1e-300)) / v.abs().max(like(v, 1.0))
    return _SHORT / size.log().abs().max(like(v, 1.0))


def _recurrence(name: str, low: float, high: float, tail: Callable | None = None) -> Callable:
    """(low C_(v-1) + high C_(v+1)) / 2, with a further term tail(v, x, out)."""
    def slope(v: Expr, x: Expr, out: Expr) -> Expr:
        found = (getattr(v - 1, name)(x) * low + getattr(v + 1, name)(x) * high) * 0.5
        return found if tail is None else found + tail(v, x, out)

    return slope


def _by_order(name: str, complex_too: bool = True) -> Callable:
    known, refused = first(name, 0), unknown(name, 0)
    return lambda v, x, out: (refused if x.dtype.complex else known)(v, x, out)


def _cylinder(name: str, low: float, high: float, domain: tuple[float, ...], tail: Callable | None = None,
              steep: bool = False) -> None:
    """A function of two operands, with its derivatives by the order."""
    def by_x(order: int) -> Callable:
        return _recurrence(f"{name}_by0_{order}", low, high, tail)

    by_parameter(name, 2, 0, lambda *at: lambda v, x: getattr(v, name)(x), _step, {1: by_x}, domain=(_ORDER, domain))
    library(name, 2, (_by_order(name), _recurrence(name, low, high, tail)), takes=INEXACT, domain=(_ORDER, domain), steep=steep)


def _decay(v: Expr, x: Expr, out: Expr) -> Any:
    return -out * x.sign()


_cylinder("jv", 1.0, -1.0, RIGHT, steep=True)            # x^v at 0, as iv
_cylinder("yv", 1.0, -1.0, RIGHT)
_cylinder("iv", 1.0, 1.0, RIGHT, steep=True)
_cylinder("kv", -1.0, -1.0, RIGHT)


# scaled by exp(∓x): for real arguments; of a complex one the scale is that of its real part, which has no complex derivative
def _scaled(name: str, low: float, high: float, tail: Callable | None, steep: bool = False) -> None:
    def by_x(v: Expr, x: Expr, out: Expr) -> Expr:
        if x.dtype.complex:
            return unknown(f"{name}, of complex arguments,", 1)(v, x, out)
        return _recurrence(name, low, high, tail)(v, x, out)

    by_parameter(name, 2, 0, lambda *at: lambda v, x: getattr(v, name)(x), _step,
                 {1: lambda order: _recurrence(f"{name}_by0_{order}", low, high, tail)}, domain=(_ORDER, RIGHT))
    library(name, 2, (_by_order(name), by_x), takes=INEXACT, domain=(_ORDER, RIGHT), steep=steep)


_scaled("jve", 1.0, -1.0, None, True)
_scaled("yve", 1.0, -1.0, None)
_scaled("ive", 1.0, 1.0, _decay, True)
library("kve", 2, (lambda v, x, out: v.kv_by0_1(x) * x.exp() if not x.dtype.complex else unknown("kve", 0)(),
                   _recurrence("kve", -1.0, -1.0, lambda v, x, out: out)), takes=INEXACT, domain=(_ORDER, RIGHT))
for _name in ("hankel1", "hankel2"):
    library(_name, 2, (..., _recurrence(_name, 1.0, -1.0)), takes=COMPLEXES, domain=(_ORDER, RIGHT))
# e^(∓iz) H: of a complex argument too, as the scale is analytic
library("hankel1e", 2, (..., _recurrence("hankel1e", 1.0, -1.0, lambda v, x, out: out * -1j)), takes=COMPLEXES,
        domain=(_ORDER, RIGHT))
library("hankel2e", 2, (..., _recurrence("hankel2e", 1.0, -1.0, lambda v, x, out: out * 1j)), takes=COMPLEXES,
        domain=(_ORDER, RIGHT))


# --- whole orders -----------------------------------------------------------------------------------------------------

def _two(x: Expr) -> Expr:
    return like(x, 2)


library("j0", 1, lambda x, out: -x.j1(), domain=(ANY,), singular=())
library("j1", 1, lambda x, out: (x.j0() - _two(x).jv(x)) * 0.5, domain=(ANY,), singular=())
library("y0", 1, lambda x, out: -x.y1(), domain=(RIGHT,))
library("y1", 1, lambda x, out: (x.y0() - _two(x).yv(x)) * 0.5, domain=(RIGHT,))
library("i0e", 1, lambda x, out: x.i1e() - x.sign() * out, domain=(RIGHT,))
library("i1e", 1, lambda x, out: (x.i0e() + _two(x).ive(x)) * 0.5 - x.sign() * out, domain=(RIGHT,))
library("k0", 1, lambda x, out: -x.k1(), domain=(RIGHT,))
library("k1", 1, lambda x, out: -(x.k0() + _two(x).kv(x)) * 0.5, domain=(RIGHT,))
library("k0e", 1, lambda x, out: out - x.k1e(), domain=(RIGHT,))
library("k1e", 1, lambda x, out: out - (x.k0e() + _two(x).kve(x)) * 0.5, domain=(RIGHT,))
for _suffix, _whole in (("", ()), ("_n", (0,))):
    library("yn" + _suffix, 2, (..., _recurrence("yn" + _suffix, 1.0, -1.0)), routine="yn", whole=_whole,
            domain=((2.0, 2.0), RIGHT), singular=(1,))
    library("kn" + _suffix, 2, (..., _recurrence("kn" + _suffix, -1.0, -1.0)), routine="kn", whole=_whole,
            domain=((2.0, 2.0), RIGHT), singular=(1,))


# --- Struve functions -------------------------------------------------------------------------------------------------

def _struve_term(v: Expr, x: Expr, out: Expr) -> Any:
    """(x/2)^v / (2 √π Γ(v + 3/2)) (DLMF 11.4.26, 11.4.30)"""
    return (x * 0.5) ** v * (v + 1.5).rgamma() * (0.5 / math.sqrt(math.pi))


def _struve_slope(name: str, sign: float) -> Callable:
    """Of order 0: 2/π - H_1 and 2/π + L_1 (DLMF 11.4.32), which need no order -1."""
    general = _recurrence(name, 1.0, sign, _struve_term)

    def slope(v: Expr, x: Expr, out: Expr) -> Any:
        none = v == 0
        return none.select(getattr(like(x, 1), name)(x) * sign + 2 / math.pi, general(none.select(1.0, v), x, out))

    return slope


library("struve", 2, (..., _struve_slope("struve", -1.0)), domain=(_ORDER, RIGHT), singular=(1,), steep=True)
library("modstruve", 2, (..., _struve_slope("modstruve", 1.0)), domain=(_ORDER, RIGHT), singular=(1,), steep=True)


# --- Airy functions: w'' = x w ----------------------------------------------------------------------------------------

for _k, _name in enumerate(("ai", "bi")):
    library(f"airy_{_name}", 1, lambda x, out, n=f"airy_{_name}_slope": getattr(x, n)(), routine="airy", output=2 * _k,
            takes=INEXACT, domain=(ANY,))
    library(f"airy_{_name}_slope", 1, lambda x, out, n=f"airy_{_name}": x * getattr(x, n)(), routine="airy", output=2 * _k + 1,
            takes=INEXACT, domain=(ANY,))
# Kelvin functions, with ber + i bei = J_0(x e^(3πi/4)): x² f'' + x f' = i x² f
for _name in ("ber", "bei", "ker", "kei"):
    library(_name, 1, lambda x, out, n=_name + "p": getattr(x, n)(), domain=(RIGHT,))


def _kelvin_ratio(first: int) -> Callable:
    """ber'(x)/x = Σ_(k≥1) (-1)^k k (x/2)^(4k-2) / (2k)!² (first 0), bei'(x)/x = Σ (-1)^k (2k+1)/2 (x/2)^(4k) / (2k+1)!²."""
    def ratio(x: Expr, out: Expr) -> Any:
        near, half = x.abs() < 1, x * 0.5
        power, series = half * half, like(x, 0)
        quartic = power * power
        for k in range(6, -first, -1):
            factor = (2 * k + 1) / 2 / math.factorial(2 * k + 1) ** 2 if first else k / math.factorial(2 * k) ** 2
            series = series * quartic + (-1.0) ** k * factor
        return near.select(series if first else series * power, out / near.select(1.0, x))

    return ratio


for _name, _other, _sign, _first in (("berp", "bei", -1.0, 0), ("beip", "ber", 1.0, 1)):
    library(_name, 1, lambda x, out, n=_other, s=_sign, r=_kelvin_ratio(_first): getattr(x, n)() * s - r(x, out),
            domain=(RIGHT,))
for _name, _other, _sign in (("kerp", "kei", -1.0), ("keip", "ker", 1.0)):
    library(_name, 1, lambda x, out, n=_other, s=_sign: getattr(x, n)() * s - out / x, domain=(RIGHT,))
