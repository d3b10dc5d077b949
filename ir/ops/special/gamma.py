"""The gamma function and its relatives as ops (see probability.py for the form)."""
from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...types import F32, F64
from ..elementwise import declare, like
from ..numeric import Special

if TYPE_CHECKING:
    from ...build import Expr

_LANCZOS_G = 6.024680040776729583740234375
_LANCZOS = ((2.5066282746310002701649081771338373386264310793408, 1.0),
            (210.82427775157934587250973392071336271166969580291, 66.0),
            (8071.6720023658162106380029022722506138218516325024, 1925.0),
            (186056.26539522349504029498971604569928220784236328, 32670.0),
            (2876370.6289353724412254090516208496135991145378768, 357423.0),
            (31426415.585400194380614231628318205362874684987640, 2637558.0),
            (248874557.86205415651146038641322942321632125127801, 13339535.0),
            (1439720407.3117216736632230727949123939715485786372, 45995730.0),
            (6039542586.3520280050642916443072979210699388420708, 105258076.0),
            (17921034426.037209699919755754458931112671403265390, 150917976.0),
            (35711959237.355668049440185451547166705960488635843, 120543840.0),
            (42919803642.649098768957899047001988850926355848959, 39916800.0),
            (23531376880.410759688572007674451636754734846804940, 0.0))


def _lanczos(x: Expr) -> Any:
    """Γ(x) e^(x+g-½) (x+g-½)^(½-x) of x > 0, a ratio of polynomials; beyond 5 in powers of 1/x."""
    large = x > 5
    small = large.select(x * 0 + 5, x)
    inverse = 1 / large.select(x, x * 0 + 5)
    above = below = above_inverse = below_inverse = x * 0
    for p, q in _LANCZOS:
        above, below = above * small + p, below * small + q
    for p, q in reversed(_LANCZOS):
        above_inverse, below_inverse = above_inverse * inverse + p, below_inverse * inverse + q
    return large.select(above_inverse / below_inverse, above / below)


def _gamma_right(x: Expr) -> Any:
    """Two factors of Γ of x > 0: the power in it is taken in two halves, as it overflows before Γ does, and Γ before 1/Γ is 0.
    Beyond 200 those of 200, of which both are."""
    x = (x > 200).select(200.0, x)
    y = x + (_LANCZOS_G - 0.5)
    half = y ** (x * 0.5 - 0.25)
    return _lanczos(x) * half, (-y).exp() * half


def _gamma(x: Expr) -> Any:
    """Γ(x) = π / (sin(πx) Γ(1 - x)) left of 0; there sin(πx) from the distance to the nearest integer. NaN at its poles.
    Next to 0 it is 1/x - 0.577…. Of single precision in double, as the factors overflow before Γ does."""
    if x.dtype is F32:
        return _gamma(x.cast(F64)).cast(F32)
    left = x < 0
    size = left.select(-x, x)
    nearest = size.rint()
    odd = (nearest * 0.5) != (nearest * 0.5).floor()
    sine = ((size - nearest) * math.pi).sin()
    sine = odd.select(-sine, sine)
    tiny = size < 1e-20                       # below that the product of the factors may be 0
    one, other = _gamma_right(tiny.select(1.0, size))
    reflected = -math.pi / (left.select(sine, x * 0 + 1) * left.select(size, x * 0 + 1) * one) / other
    pole = left & (sine == 0)
    return tiny.select(1 / x, pole.select(math.nan, left.select(reflected, one * other)))


def _gamma_slope(x: Expr, out: Expr) -> Any:
    """Γ ψ. Where Γ is too large for a number so are all its derivatives, which are infinite: in those of the product are
    terms of both signs."""
    return ((out == math.inf) & (x > 1)).select(out, x.digamma().mulz(out))


def _turned(x: Expr) -> Any:
    """(sin πx, cos πx), of x less a whole number of turns, which is exact."""
    angle = (x - (x * 0.5).rint() * 2.0) * math.pi
    return angle.sin(), angle.cos()


def _rgamma_slope(x: Expr, out: Expr) -> Any:
    """-ψ(x)/Γ(x), right of ½. 1/Γ is smooth where Γ and ψ have poles: left of ½ it is sin(πx) Γ(1-x)/π, of which
    Γ(1-x) (cos πx - sin πx ψ(1-x)/π) is the derivative."""
    left, mirrored = x < 0.5, 1.0 - x
    sine, cosine = _turned(x)
    right = (x == math.inf).select(0, -out.mulz(x.digamma()))
    return left.select(mirrored.gamma() * (cosine - sine * mirrored.digamma() * (1 / math.pi)), right)


def _pole(x: Expr) -> Any:
    return (x <= 0) & (x == x.floor())


def _reciprocal_gamma(x: Expr) -> Any:
    """1/Γ(x), which is 0 at the poles of Γ and at infinity."""
    if x.dtype is F32:
        return _reciprocal_gamma(x.cast(F64)).cast(F32)
    return (_pole(x) | (x == math.inf)).select(0, 1 / x.gamma())


def _parity(x: Expr) -> Any:
    """The sign of Γ(x) between its poles."""
    half = x.floor() * 0.5
    return ((x > 0) | (half == half.floor())).select(like(x, 1), like(x, -1))


def _sign(x: Expr) -> Any:
    return (x == 0).select(like(x, 1).copysign(x), (_pole(x) | x.isnan()).select(math.nan, _parity(x)))


# --- beta -----------------------------------------------------------------------------------------------------------------

_FAR = 1e6             # a beyond so many b: log Γ(a) - log Γ(a + b) would cancel


def _is_far(a: Expr, b: Expr) -> Any:
    return (a > _FAR) & (a > b.abs() * _FAR)


def _log_beta(a: Expr, b: Expr) -> Any:
    """log Γ(a) + log Γ(b) - log Γ(a + b); for a far beyond b by Stirling's series
    log Γ(b) - b log a + b(1-b)/(2a) + b(1-b)(1-2b)/(12a²)."""
    far = _is_far(a, b) | _is_far(b, a)
    large, small = a.max(b), a.min(b)
    slow = small * (1 - small) / large
    series = small.lgamma() - small * large.log() + slow * 0.5 + slow * (1 - 2 * small) / (12 * large)
    ends = (large == math.inf).select((small == math.inf).select(math.nan, (small > 0).select(like(a, -math.inf), math.inf)),
                                      far.select(series, a.lgamma() + b.lgamma() - (a + b).lgamma()))
    return (_pole(a) | _pole(b)).select(math.inf, ends)


def _log_beta_slope(a: Expr, b: Expr) -> Any:
    """ψ(a) - ψ(a + b), from the same series for a far beyond b."""
    far = _is_far(a, b)
    slow = b * (1 - b) / (a * a)
    return far.select(-b / a - slow * 0.5 - slow * (1 - 2 * b) / (6 * a), a.digamma() - (a + b).digamma())


def _beta_slope(a: Expr, b: Expr, out: Expr) -> Any:
    """B (ψ(a) - ψ(a + b)); where B is 0, at a pole of Γ(a + b), the slope of Γ(a) Γ(b) 1/Γ(a + b)."""
    total = a + b
    at_zero = _pole(total) & ~_pole(a) & ~_pole(b)
    reciprocal = total.rgamma()
    product = a.gamma() * b.gamma() * (a.digamma() * reciprocal + _rgamma_slope(total, reciprocal))
    return at_zero.select(product, out * _log_beta_slope(a, b))


RIGHT = (0.3, 4.0)

declare("gamma", Special("gamma"), formula=_gamma, partials=(_gamma_slope,), singular=(0,),
        domain=(RIGHT,), apart=True)
declare("rgamma", Special("rgamma"), formula=_reciprocal_gamma,
        partials=(_rgamma_slope,), singular=(0,), domain=((-2.5, 3.0),), apart=True)
declare("gammasgn", Special("gammasgn"), formula=_sign)
declare("betaln", Special("betaln"), 2, formula=_log_beta, singular=(0, 1), domain=(RIGHT, RIGHT), apart=True,
        partials=(lambda a, b, out: _log_beta_slope(a, b), lambda a, b, out: _log_beta_slope(b, a)))
declare("beta", Special("beta"), 2, singular=(0, 1), domain=(RIGHT, RIGHT), apart=True,
        formula=lambda a, b: _parity(a) * _parity(b) * _parity(a + b) * a.betaln(b).exp(),
        partials=(_beta_slope, lambda a, b, out: _beta_slope(b, a, out)))
