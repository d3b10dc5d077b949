"""digamma ψ = (log Γ)' as an op (see probability.py for the form): no loop, and right digits at its roots."""
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...types import F32, F64
from ..elementwise import declare, like, polygamma_slope
from ..numeric import Special
from .transforms import horner

if TYPE_CHECKING:
    from ...build import Expr

# On [1, 2]: ψ(x) = (x - root)(Y + P(x - 1) / Q(x - 1)) with the root in three parts (Boost, math/special_functions/digamma.hpp,
# digamma_imp_1_2 for 53 bits); against mpmath the error is 1.6e-17.
_ROOT = (1569415565 / 2**30, 381566830 / 2**60, 0.9016312093258695918615325266959189453125e-19)
_Y = 0.99558162689208984375
_P = (0.25479851061131551, -0.32555031186804491, -0.65031853770896507, -0.28919126444774784, -0.045251321448739056,
      -0.0020713321167745952)
_Q = (1.0, 2.0767117023730469, 1.4606242909763515, 0.43593529692665969, 0.054151797245674225, 0.0021284987017821144,
      -0.55789841321675513e-6)
# B(2k) / 2k for k = 1 … 7
_SERIES = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
_FAR = 10.0                            # from which the series is exact
# The root between -1 and 0 in two parts, and (ψ(2 + root + d) - ψ(2 + root)) / d on |d| <= 1/4, a fit to 8e-17
_LEFT_ROOT = (float.fromhex("-0x1.02172b05ee260p-1"), -8.15428206243813e-18)
_LEFT_NEAR = 0.25
_LEFT = (0.9381979690834112, -0.41728953034468996, 0.23722825947364168, -0.14666629432127393, 0.09410557230997793,
         -0.061506005868765666, 0.04059509610778779, -0.026938744893043928, 0.017931290222637484, -0.01195795515235852,
         0.007981856612869067, -0.005305085889566239, 0.003544507851928435, -0.002645736760292686, 0.001768329872392032)


def _near(x: Expr) -> Any:
    """Of 1 <= x < 2."""
    g = ((x - _ROOT[0]) - _ROOT[1]) - _ROOT[2]
    return g * _Y + g * (horner(x - 1.0, _P) / horner(x - 1.0, _Q))


def _steps(x: Expr, count: Expr) -> Any:
    """1/(x-1) + 1/(x-2) + … of `count` terms, at most 8, in pairs, each of which is one division."""
    total: Any = 0.0
    for k in (1, 3, 5, 7):
        one, two = count >= k, count >= k + 1
        a, b = x - float(k), x - float(k + 1)
        above = two.select(a + b, one.select(like(x, 1.0), 0.0))
        total = total + above / two.select(a * b, one.select(a, 1.0))
    return total


def _of_positive(x: Expr) -> Any:
    """ψ(x + 1) = ψ(x) + 1/x leads to [1, 2) from below 10, by a step up from below 1; beyond 10
    log x - 1/(2x) - sum B(2k) / (2k x^2k). The terms of the steps down have one sign, and ψ is less than they where it has
    the other: nothing cancels."""
    small = (x < _FAR).select(x, 1.5)
    up = small < 1.0
    at = up.select(small + 1.0, small)
    count = at.floor() - 1.0
    near = _near(at - count) + _steps(at, count) - up.select(1.0 / up.select(small, 1.0), 0.0)
    large = (x < _FAR).select(_FAR, x)
    w = 1.0 / (large * large)
    far = large.log() - 0.5 / large - w * horner(w, _SERIES)
    return (x < _FAR).select(near, far)


def _at_left_root(x: Expr) -> Any:
    """ψ(x) = ψ(x + 2) - 1/x - 1/(x + 1), less its value at the root r, which is 0: d (fit + 1/(x r) + 1/((x + 1)(r + 1))) with
    d = x - r, whose terms are all positive."""
    r = _LEFT_ROOT[0]
    d = (x - r) - _LEFT_ROOT[1]
    return d * (horner(d, _LEFT) + 1.0 / (x * r) + 1.0 / ((x + 1.0) * (r + 1.0)))


def _digamma(x: Expr) -> Any:
    """ψ(x) = ψ(1 - x) - π / tan(πx) left of 0, the angle reduced to x - rint(x) first, which is exact. Integers x < 0 are poles
    of both signs: NaN. ψ(±0) = ∓inf."""
    if x.dtype is F32:
        return _digamma(x.cast(F64)).cast(F32)
    left = x < 0
    value = _of_positive(left.select(1.0 - x, x))
    offset = x - x.rint()
    reflected = value - math.pi / (offset * math.pi).tan()
    inside = (x - _LEFT_ROOT[0]).abs() < _LEFT_NEAR
    reflected = inside.select(_at_left_root(inside.select(x, _LEFT_ROOT[0])), (offset == 0).select(math.nan, reflected))
    return (x == 0).select(like(x, math.inf).copysign(-x), left.select(reflected, value))


declare("digamma", Special("psi"), formula=_digamma, partials=(lambda x, out: polygamma_slope(like(x, 1), x),), singular=(0,),
        domain=((0.3, 4.0),), apart=True)
