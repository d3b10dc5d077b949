"""Modified Bessel functions of the first kind as ops (see probability.py for the form): np.i0 and its derivatives.

bessel_i(n, x) = I_n(x), n a constant. Its slope is (I_(n-1) + I_(n+1)) / 2 (DLMF 10.29.1), so the family is closed. All terms
of the power series (DLMF 10.25.2) are positive; from 30 on the asymptotic series (DLMF 10.40.1) is exact to the last bits.
"""
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...core import Const
from ...types import F32, F64
from ..elementwise import ANY, declare
from ..numeric import Special
from .transforms import horner

if TYPE_CHECKING:
    from ...build import Expr

_NEAR, _TERMS, _FAR_TERMS = 30.0, 64, 30


def _series(n: int, x: Expr) -> Any:
    """(x/2)^n Σ (x²/4)^k / (k! (n + k)!)"""
    half = x * 0.5
    found = horner(half * half, [1 / (math.factorial(k) * math.factorial(n + k)) for k in range(_TERMS)])
    for _ in range(n):
        found = found * half
    return found


def _asymptotic(n: int, size: Any) -> Any:
    """exp(x)/sqrt(2πx) Σ (-1)^k a_k(n) / x^k, a_k = Π (4n² - (2j-1)²) / (k! 8^k); the exponential in two halves, as it
    overflows before the whole does."""
    coefficients = [1.0]
    for k in range(1, _FAR_TERMS):
        coefficients.append(-coefficients[-1] * (4 * n * n - (2 * k - 1) ** 2) / (8 * k))
    half = (size * 0.5).exp()
    return half * horner(1 / size, coefficients) / (size * (2 * math.pi)).sqrt() * half


def _bessel(n: Expr, x: Expr) -> Any:
    if x.dtype is F32:
        return _bessel(n.cast(F64), x.cast(F64)).cast(F32)
    if n.value.__class__ is not Const or n.value.type.dims:
        return (n == 0).select(_of_order(0, x), (n == 1).select(_of_order(1, x), (n == 2).select(_of_order(2, x), math.nan)))
    return _of_order(int(n.value.item), x)


def _of_order(n: int, x: Expr) -> Any:
    size = x.abs()
    near = size < _NEAR
    far = _asymptotic(n, near.select(_NEAR, size))
    return near.select(_series(n, near.select(x, 0.0)), (x < 0).select(-far, far) if n % 2 else far)


def _slope(n: Expr, x: Expr, out: Expr) -> Any:
    """Σ of the neighbours; I_(-1) is I_1."""
    return ((n - 1).abs().bessel_i(x) + (n + 1).bessel_i(x)) * 0.5


declare("bessel_i", Special("iv"), 2, formula=_bessel, partials=(None, _slope), singular=(1,), domain=((1.0, 1.0), ANY),
        doc="The modified Bessel function of the first kind of a whole order: bessel_i(n, x).")
