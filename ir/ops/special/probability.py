"""Functions of scipy.special as ops: for differentiation each is one function with its own partial derivatives, for machine
code a formula over other ops (`Elementwise.formula`).

A formula may branch where the function is smooth (|x|, an overflow avoided, a series instead of a quotient); the partials never
do, so derivatives of any order are those of the function. Each partial is written in functions of this table or of
ops/elementwise, which closes it under differentiation. Formulas are those of SciPy's documentation unless a comment derives
another.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..elementwise import ANY, POSITIVE, UNIT, declare, like
from ..numeric import Special, mills_ratio

if TYPE_CHECKING:
    from ...build import Expr

SQRT_HALF, SQRT_2PI = math.sqrt(0.5), math.sqrt(2 * math.pi)


# --- logistic functions ---------------------------------------------------------------------------------------------------

def _logistic(x: Expr) -> Expr:
    """1 / (1 + exp(-x)) from exp(-|x|), which cannot overflow."""
    small = (-x.abs()).exp()
    return (x < 0).select(small, small * 0 + 1) / (1 + small)


def _log_logistic(x: Expr) -> Any:
    """-log(1 + exp(-x)) = min(x, 0) - log(1 + exp(-|x|))"""
    return (x < 0).select(x, 0) - (-x.abs()).exp().log1p()


# σ' = σ(x) σ(-x), not σ (1 - σ): all digits where σ is near 1
declare("expit", Special("expit"), formula=_logistic, partials=(lambda x, out: out * (-x).expit(),), flat=True,
        domain=(ANY,))
declare("log_expit", Special("log_expit"), formula=_log_logistic, partials=(lambda x, out: (-x).expit(),), flat=True,
        domain=(ANY,))
# x + 0.0 is x, but 0.0 of -0.0: at the end of a domain the slope is that from inside
declare("logit", Special("logit"), formula=lambda x: (x / (1 - x)).log(),
        partials=(lambda x, out: 1 / (x + 0.0) + 1 / (1 - x),),
        singular=(0,), domain=((0.1, 0.9),))


def _apart(x: Expr, y: Expr) -> Expr:
    """x - y, and 0 of equal infinities. Where x and y are equal the derivative is that of x - y all the same."""
    gap = x - y
    return (x == y).select(0, gap).surrogate(gap)


def _log_add(x: Expr, y: Expr) -> Expr:
    """max + log1p(exp(-|x - y|)); equal infinities have distance 0."""
    return x.max(y) + (-_apart(x, y).abs()).exp().log1p()


def _log2_add(x: Expr, y: Expr) -> Any:
    return x.max(y) + (-_apart(x, y).abs()).exp2().log1p() * (1 / math.log(2))


def _share(base: float = 1.0) -> tuple[Callable, Callable]:
    """The partials of log(exp x + exp y) to a base: the shares of either term."""
    return (lambda x, y, out: (_apart(x, y) * base).expit(), lambda x, y, out: (_apart(y, x) * base).expit())


declare("logaddexp", np.logaddexp, 2, formula=_log_add, partials=_share(), domain=(ANY, ANY))
declare("logaddexp2", np.logaddexp2, 2, formula=_log2_add, partials=_share(math.log(2)), domain=(ANY, ANY))


# --- the normal distribution ----------------------------------------------------------------------------------------------

_MILLS = 20            # terms of the asymptotic series of Φ, which left of -10 are exact to the last bit


def _normal(x: Expr) -> Any:
    return (-x * SQRT_HALF).erfc() * 0.5


def _tail(x: Expr) -> Any:
    """(S, S') with Φ(x) = φ(x)/|x| · S(1/x²), S(q) = 1 - q + 3 q² - 15 q³ + …, by Horner's rule."""
    inverse = 1 / x
    q = inverse * inverse                     # not 1 / x²: of which the slope is 0 times infinity at infinity
    series = slope = q * 0
    for k in range(_MILLS, -1, -1):
        coefficient = math.prod(range(1, 2 * k, 2)) * (-1.0) ** k
        slope = slope * q + series
        series = series * q + coefficient
    return series, slope


def _log_normal(x: Expr) -> Any:
    """log Φ(x): from the series far to the left; right of 0 log1p(-Φ(-x))."""
    far, right = x < -20, x > 0
    safe = far.select(x, -20.0)
    tail = safe * safe * -0.5 - (-safe).log() - 0.5 * math.log(2 * math.pi) + _tail(safe)[0].log()
    near = far.select(-20.0, x)
    left = right.select(0.0, near)
    return far.select(tail, right.select((-_normal(-near)).log1p(), _normal(left).log()))


def _mills(x: Expr) -> Any:
    """φ(x) / Φ(x), the slope of log Φ: -x / S(1/x²) left of -10."""
    far = x < -10
    near, safe = far.select(-10.0, x), far.select(x, -10.0)
    return far.select(-safe / _tail(safe)[0], (near * SQRT_HALF).bell() * (1 / SQRT_2PI) / _normal(near))


def _mills_slope(x: Expr, out: Expr) -> Any:
    """r' = -r (x + r). Far left x + r cancels, and r' = -1/S - 2 q S'/S² with q = 1/x²: the derivative of -x / S(q)."""
    far = x < -10
    safe = far.select(x, -10.0)
    series, slope = _tail(safe)
    inverse = 1 / safe
    return far.select(-1 / series - 2 * inverse * inverse * slope / (series * series), -out.mulz(x + out))


declare("ndtr", Special("ndtr"), formula=_normal, partials=(lambda x, out: (x * SQRT_HALF).bell() * (1 / SQRT_2PI),),
        flat=True,
        domain=(ANY,))
declare("log_ndtr", Special("log_ndtr"), formula=_log_normal, partials=(lambda x, out: x.mills_ratio(),),
        flat=True, domain=(ANY,))
declare("mills_ratio", mills_ratio, formula=_mills, partials=(_mills_slope,), flat=True, domain=(ANY,),
        doc="φ(x) / Φ(x) of the normal distribution: the slope of log_ndtr.")


def _inverse(a: Expr, q: Expr) -> Any:
    """The y >= 0 with erf(y) = a and erfc(y) = q = 1 - a, which are given apart as the smaller of them has all the digits.

    From an approximation by logarithms (Winitzki), for small a from erf(y) ~ 2y/√π, four steps of Halley's method:
    y -= r / (f' + y r) with r = erf(y) - a = q - erfc(y) and f' = 2/√π exp(-y²). Its error is cubed each time.
    """
    small, inside = a < 0.5, (q > 0) & (a >= 0)
    log = small.select(-1.0, inside.select(q * (2 - q), 0.5).log())
    half = log * 0.5 + 2 / (math.pi * 0.147)
    y = small.select(a * (math.sqrt(math.pi) / 2), ((half * half - log / 0.147).sqrt() - half).sqrt())
    for _ in range(4):
        r = small.select(y.erf() - a, q - y.erfc())
        y = y - r / ((-y * y).exp() * (2 / math.sqrt(math.pi)) + y * r)
    return (q == 0).select(math.inf, inside.select(y, math.nan))


def _inverse_erf(x: Expr) -> Any:
    left = x < 0
    size = left.select(-x, x)
    y = _inverse(size, 1 - size)
    return left.select(-y, y)


def _inverse_erfc(q: Expr) -> Any:
    left = q > 1
    y = _inverse(left.select(q - 1, 1 - q), left.select(2 - q, q))
    return left.select(-y, y)


def _inverse_normal(p: Expr) -> Any:
    left = p < 0.5
    y = _inverse(left.select(1 - 2 * p, 2 * p - 1), left.select(2 * p, 2 * (1 - p))) * math.sqrt(2)
    return left.select(-y, y)


# of an inverse y of f: y' = 1 / f'(y)
declare("erfinv", Special("erfinv"), formula=_inverse_erf, singular=(0,), domain=(UNIT,),
        partials=(lambda x, out: (out * out).exp() * (math.sqrt(math.pi) / 2),))
declare("erfcinv", Special("erfcinv"), formula=_inverse_erfc, singular=(0,), domain=((0.1, 1.9),),
        partials=(lambda x, out: (out * out).exp() * (-math.sqrt(math.pi) / 2),))
declare("ndtri", Special("ndtri"), formula=_inverse_normal, singular=(0,), domain=((0.1, 0.9),),
        partials=(lambda x, out: (out * out * 0.5).exp() * SQRT_2PI,))


# --- x log x and its kind -------------------------------------------------------------------------------------------------

def _times_log(x: Expr, y: Expr, log: Any) -> Any:
    """x log y, and 0 where x is 0 and y is no NaN."""
    return ((x == 0) & ~y.isnan()).select(0, x * log)


def _entropy(x: Expr) -> Any:
    inside = x > 0
    return (x < 0).select(-math.inf, (x == 0).select(0, -x * (inside | x.isnan()).select(x, 1.0).log()))


def _relative_entropy(x: Expr, y: Expr) -> Any:
    """x log(x / y) where both are positive, 0 where x is 0 and y is not negative, else infinity."""
    inside, zero = (x > 0) & (y > 0), (x == 0) & (y >= 0)
    top, bottom = inside.select(x, 1.0), inside.select(y, 1.0)
    ratio = top / bottom
    log = ((ratio == 0) | ratio.isinf()).select(top.log() - bottom.log(), ratio.log())
    outside = zero.select(like(x, 0), like(x, math.inf))
    return (x.isnan() | y.isnan()).select(math.nan, inside.select(x * log, outside))


def _kullback_leibler(x: Expr, y: Expr) -> Any:
    """rel_entr - x + y where that is finite, or x is."""
    found = x.rel_entr(y)
    outside = ~((x >= 0) & (y >= 0)) | ((x > 0) & (y == 0))
    return (x.isnan() | y.isnan()).select(math.nan, outside.select(math.inf, found - x + y))


def _log_ratio(x: Expr, y: Expr) -> Any:
    """log(x / y), whose derivatives by x and y do not mix: log x - log y has them."""
    ratio, apart = x / y, x.log() - y.log()
    return ((ratio == 0) | ratio.isinf()).select(apart, ratio.log()).surrogate(apart)


# the slope by y counts as 0 where x is, whatever y: `mulz`
declare("xlogy", Special("xlogy"), 2, steep=True, formula=lambda x, y: _times_log(x, y, y.log()), singular=(0, 1),
        domain=(ANY, POSITIVE),
        partials=(lambda x, y, out: y.log(), lambda x, y, out: x.mulz(1 / y)))
declare("xlog1py", Special("xlog1py"), 2, steep=True, formula=lambda x, y: _times_log(x, y, y.log1p()), singular=(0, 1),
        domain=(ANY, POSITIVE), partials=(lambda x, y, out: y.log1p(), lambda x, y, out: x.mulz(1 / (1 + y))))
declare("entr", Special("entr"), steep=True, formula=_entropy, singular=(0,), domain=(POSITIVE,),
        partials=(lambda x, out: -1 - (x + 0.0).log(),))
declare("rel_entr", Special("rel_entr"), 2, steep=True, formula=_relative_entropy, singular=(0, 1), domain=(POSITIVE, POSITIVE),
        partials=(lambda x, y, out: 1 + _log_ratio(x, y), lambda x, y, out: -x.mulz(1 / y)))
declare("kl_div", Special("kl_div"), 2, steep=True, formula=_kullback_leibler, singular=(0, 1), domain=(POSITIVE, POSITIVE),
        partials=(lambda x, y, out: _log_ratio(x, y), lambda x, y, out: 1 - x.mulz(1 / y)))
