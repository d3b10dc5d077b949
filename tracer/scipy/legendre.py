"""scipy.special's Legendre functions and spherical harmonics, by derivatives of Legendre's polynomials (DLMF 14.6, 14.30):

    (d/dx)^k P_n = (n + 1)_k / 2^k  P_(n-k)^(k,k)
    P_n^k(x) = (-1)^k (1 - x^2)^(k/2) (d/dx)^k P_n,      P_n^-k = (-1)^k (n - k)! / (n + k)!  P_n^k
    Y_n^m(θ, φ) = sqrt((2n + 1) / 4π (n - m)! / (n + m)!)  P_n^m(cos θ) exp(i m φ)

Angles enter by sin θ and cos θ, so that derivatives are right at the poles too.
"""
from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.errors import UnsupportedError
from ...ir.types import F32, F64
from ..values.boxes import Box, as_array
from ..values.promotion import fail
from ..values.ufuncs import SPECIAL
from .special import FUNCTIONS, _ufunc

if TYPE_CHECKING:
    from ...ir.build import Builder, Expr
    from ...ir.core import Value
    from ...ir.types import DType


# --- the ufunc --------------------------------------------------------------------------------------------------------

def _zero(x: Expr) -> Expr:
    return x * 0


def _lpmv(b: Builder, xs: list[Value], outs: tuple[DType, ...]) -> Value:
    """P_v^m(x) of real v by Jacobi's functions, of which integers take SciPy's recurrence."""
    if outs[0] not in (F32, F64):
        fail(UnsupportedError, "scipy.special.lpmv of these numbers cannot be compiled", "convert with .astype(float) first")
    whole = all(x.type.dtype.kind in "iu" for x in xs[:2])
    order, v, x = (b.expr(b.cast(value, outs[0])) for value in xs)
    v, k = (v < 0).select(-v - 1, v), b.expr(b("stop_gradient", order.abs().value))
    none = (v < k) & (v == v.rint())
    degree = none.select(_zero(v), v - k)
    slope = getattr(degree, "eval_jacobi_n" if whole else "eval_jacobi")(k, k, x)
    square = 1 - x * x
    size = (v + 1).poch(k) * 2.0 ** -k * (k == 0).select(_zero(x) + 1, square ** (k * 0.5)) * slope
    odd = k - (k * 0.5).floor() * 2
    sign = 1 - odd * 2
    mirrored = (order < 0).select(1 / (none.select(_zero(v) + 1, v - k + 1)).poch(k * 2), sign)
    inside = (x.abs() <= 1) | (k == 0)
    found = none.select((order < 0).select(math.nan, _zero(x)), size * mirrored)
    return (inside & (order == order.rint())).select(found, math.nan).value


SPECIAL["lpmv"] = _lpmv


# --- those of several ufuncs ------------------------------------------------------------------------------------------

def _layout(name: str, *at: Any) -> bool:
    """Whether this SciPy puts derivatives along a first axis, also where there is none but the value."""
    return bool(np.ndim(getattr(sys.modules["scipy.special"], name)(*at)))


def _whole(name: str, n: Any, what: str) -> Any:
    n = as_array(n) if isinstance(n, Box) else np.asarray(n)
    if not np.issubdtype(n.dtype, np.integer):
        raise TypeError(f"scipy.special.{name} takes integers for its {what}, not {n.dtype}")
    return n


def _real(name: str, x: Any) -> Any:
    x = as_array(x)
    if np.issubdtype(x.dtype, np.complexfloating):
        fail(UnsupportedError, f"scipy.special.{name} of complex numbers cannot be compiled", "pass real numbers")
    return x if np.issubdtype(x.dtype, np.floating) else x.astype(np.float64)


def _expect_value(name: str, diff_n: Any) -> None:
    if diff_n != 0:
        fail(UnsupportedError, f"scipy.special.{name} with diff_n={diff_n} cannot be compiled",
             "leave it out, and take tg.jvp or tg.grad of the value")


def _slope(n: Any, k: Any, x: Any) -> Any:
    """(d/dx)^k P_n without (n + 1)_k / 2^k, and 0 where k > n."""
    found = _ufunc("eval_jacobi", as_array(np.maximum(n - k, 0)), as_array(k), as_array(k), x)
    return np.where(as_array(n >= k), found, np.zeros((), found.dtype))


def _legendre(n: Any, x: Any, diff_n: Any) -> list[Any]:
    return [np.multiply(_ufunc("poch", as_array(n + 1.0), float(k)) / 2.0 ** k, _slope(n, as_array(k), x).astype(np.float64))
            for k in range(diff_n + 1)]


def legendre_p(n: Any, z: Any, *, diff_n: int = 0) -> Any:
    found = _legendre(_whole("legendre_p", n, "degree"), _real("legendre_p", z), diff_n)
    if _layout("legendre_p", 0, 0.5):
        return np.stack(found)
    return found[0] if diff_n == 0 else tuple(found)


def _harmonic(n: Any, m: Any, theta: Any, scale: float = 4 * math.pi) -> Any:
    """sqrt((2n + 1) / scale (n - m)! / (n + m)!) P_n^m(cos θ): binomial coefficients in place of factorials, which overflow."""
    k = np.abs(m)
    among = as_array(np.where(k <= n, k, 0) * 1.0)
    binomials = _ufunc("binom", as_array(n + among), among) / _ufunc("binom", as_array(n * 1.0), among)
    sine = np.sin(theta)
    sine = np.where(sine < 0, -sine, sine)
    sign = np.where((m > 0) & (k % 2 == 1), -1.0, 1.0)
    return sign * np.sqrt((2 * n + 1) / scale * binomials) * 2.0 ** -among * sine ** k * _slope(n, k, np.cos(theta))


def sph_legendre_p(n: Any, m: Any, theta: Any, *, diff_n: int = 0) -> Any:
    _expect_value("sph_legendre_p", diff_n)
    n, m, theta = (_whole("sph_legendre_p", n, "degree"), _whole("sph_legendre_p", m, "order"), _real("sph_legendre_p", theta))
    found = _harmonic(n, m, theta).astype(np.float64)
    return found[None] if _layout("sph_legendre_p", 0, 0, 0.5) else found


def assoc_legendre_p(n: Any, m: Any, z: Any, *, branch_cut: Any = 2, norm: bool = False, diff_n: int = 0) -> Any:
    name = "assoc_legendre_p"
    _expect_value(name, diff_n)
    if isinstance(branch_cut, Box) or np.any(np.not_equal(branch_cut, 2)):
        fail(UnsupportedError, "scipy.special.assoc_legendre_p with a branch_cut other than 2 cannot be compiled",
             "leave it out, and write the factor (z - 1)**(m/2) * (z + 1)**(m/2) for numbers beyond 1")
    n, m, z = _whole(name, n, "degree"), _whole(name, m, "order"), _real(name, z).astype(np.float64)
    found = _ufunc("lpmv", as_array(np.where(np.abs(m) <= n, m, 0)), as_array(n), z)
    found = np.where(as_array(np.abs(m) <= n), found, 0.0)
    if norm:
        ratio = _ufunc("poch", as_array(np.where(np.abs(m) <= n, n - m + 1.0, 1.0)), as_array(2.0 * m))
        found = found * np.sqrt((2 * n + 1) / 2.0 / ratio)
    return found[None] if _layout(name, 0, 0, 0.5) else found


def sph_harm_y(n: Any, m: Any, theta: Any, phi: Any, *, diff_n: int = 0) -> Any:
    name = "sph_harm_y"
    _expect_value(name, diff_n)
    n, m = _whole(name, n, "degree"), _whole(name, m, "order")
    found = _harmonic(n, m, _real(name, theta)) * np.exp(1j * (m * _real(name, phi)))
    return as_array(found[None] if _layout(name, 0, 0, 0.5, 0.5) else found).astype(np.complex128)


def _all(name: str, f: Callable, *sizes: int) -> Callable:
    """The same for all degrees, and orders 0 … m, -m … -1, along axes in front."""
    def function(*args: Any, **kwargs: Any) -> Any:
        limits, at = args[:len(sizes)], [as_array(x) for x in args[len(sizes):]]
        if any(isinstance(x, Box) for x in limits):
            fail(UnsupportedError, f"scipy.special.{name} of a degree known only at run time cannot be compiled",
                 "make it an int that is known while compiling: pass it through tg.static")
        rank = max(x.ndim for x in at)
        grids = [np.arange(limits[0] + 1)] + [np.concatenate((np.arange(m + 1), np.arange(-m, 0))) for m in limits[1:]]
        places = [g.reshape(*(-1 if i == k else 1 for i in range(len(grids))), *(1,) * rank) for k, g in enumerate(grids)]
        return f(*places, *at, **kwargs)

    return function


FUNCTIONS.update({f.__name__: f for f in (legendre_p, sph_legendre_p, assoc_legendre_p, sph_harm_y)})
FUNCTIONS.update(legendre_p_all=_all("legendre_p_all", legendre_p, 1), sph_harm_y_all=_all("sph_harm_y_all", sph_harm_y, 1, 1),
                 sph_legendre_p_all=_all("sph_legendre_p_all", sph_legendre_p, 1, 1),
                 assoc_legendre_p_all=_all("assoc_legendre_p_all", assoc_legendre_p, 1, 1))
