"""scipy.special: what traced code computes in place of its functions. SciPy itself is not imported for that.

`ufuncs.SPECIAL` maps the name of a ufunc to its rule, a formula over one element; `FUNCTIONS` that of another function to a
handler that is composed of NumPy's. Formulas are those of SciPy's documentation unless a comment derives another. Derivatives
follow from the formulas.
"""
from __future__ import annotations

import math

import numpy as np

from ..ir.build import Expr
from . import boxes
from .boxes import as_array
from .ufuncs import SPECIAL, direct

FUNCTIONS: dict = {}


def _formula(name: str):
    """Register a formula over expressions as the rule of a ufunc."""
    def register(formula):
        SPECIAL[name] = lambda b, xs, outs: formula(*map(b.expr, xs)).value
        return formula

    return register


def _where(test: Expr, yes, no) -> Expr:
    return test.select(yes, no)


SPECIAL.update({"erf": direct("erf"), "erfc": direct("erfc"), "gammaln": direct("lgamma"), "psi": direct("digamma"),
                "digamma": direct("digamma"), "log1p": direct("log1p"), "expm1": direct("expm1"), "cbrt": direct("cbrt"),
                "exp2": direct("exp2"), "round": direct("rint"), "expit": direct("expit")})


# --- logistic and normal ----------------------------------------------------------------------------------------------

@_formula("log_expit")
def _log_logistic(x):
    """-log(1 + exp(-x)) = min(x, 0) - log(1 + exp(-|x|))"""
    return (x < 0).select(x, 0) - (-x.abs()).exp().log1p()


_formula("logit")(lambda x: (x / (1 - x)).log())
_formula("exp10")(lambda x: 10.0 ** x)


@_formula("ndtr")
def _normal(x):
    return (-x * math.sqrt(0.5)).erfc() * 0.5


@_formula("log_ndtr")
def _log_normal(x):
    """log Φ(x), far to the left from Φ(x) ~ φ(x)/|x| · (1 - 1/x² + 3/x⁴ - 15/x⁶ + 105/x⁸ - …); right of 0 log1p(-Φ(-x))."""
    far = x < -20
    safe = far.select(x, -20.0)
    q = 1 / (safe * safe)
    series = q * 0 + 1
    for k in (13, 11, 9, 7, 5, 3, 1):
        series = 1 - series * q * k
    tail = safe * safe * -0.5 - (-safe).log() - 0.5 * math.log(2 * math.pi) + series.log()
    right = x > 0
    near = far.select(-20.0, x)
    left = right.select(0.0, near)
    return far.select(tail, right.select((-_normal(-near)).log1p(), _normal(left).log()))


def _inverse(a: Expr, q: Expr) -> Expr:
    """The y >= 0 with erf(y) = a and erfc(y) = q = 1 - a, which are given apart as the smaller of them has all the digits.

    From an approximation by logarithms (Winitzki), for small a from erf(y) ~ 2y/√π, three steps of Halley's method:
    y -= r / (f' + y r) with r = erf(y) - a = q - erfc(y) and f' = 2/√π exp(-y²). Its error is cubed each time, so that the
    derivative of the result is the inverse's to the last digits, too.
    """
    small, inside = a < 0.5, (q > 0) & (a >= 0)
    log = small.select(-1.0, inside.select(q * (2 - q), 0.5).log())
    half = log * 0.5 + 2 / (math.pi * 0.147)
    y = small.select(a * (math.sqrt(math.pi) / 2), ((half * half - log / 0.147).sqrt() - half).sqrt())
    for _ in range(3):
        r = small.select(y.erf() - a, q - y.erfc())
        y = y - r / ((-y * y).exp() * (2 / math.sqrt(math.pi)) + y * r)
    return (q == 0).select(math.inf, inside.select(y, math.nan))


@_formula("erfinv")
def _inverse_erf(x):
    left = x < 0
    size = left.select(-x, x)                            # not abs, whose derivative at 0 is 0
    y = _inverse(size, 1 - size)
    return left.select(-y, y)


@_formula("erfcinv")
def _inverse_erfc(q):
    left = q > 1
    y = _inverse(left.select(q - 1, 1 - q), left.select(2 - q, q))
    return left.select(-y, y)


@_formula("ndtri")
def _inverse_normal(p):
    left = p < 0.5
    y = _inverse(left.select(1 - 2 * p, 2 * p - 1), left.select(2 * p, 2 * (1 - p))) * math.sqrt(2)
    return left.select(-y, y)


# --- gamma ------------------------------------------------------------------------------------------------------------

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


def _lanczos(x: Expr) -> Expr:
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


def _gamma_right(x: Expr) -> Expr:
    """Γ of x > 0. The power is taken in two halves: it overflows before Γ does."""
    y = x + (_LANCZOS_G - 0.5)
    half = y ** (x * 0.5 - 0.25)
    large = x > 172
    return large.select(math.inf, _lanczos(x) * half * ((-y).exp() * half))


def gamma(x: Expr) -> Expr:
    """Γ(x) = π / (sin(πx) Γ(1 - x)) left of 0; there sin(πx) from the distance to the nearest integer. NaN at its poles."""
    left = x < 0
    size = left.select(-x, x)
    nearest = size.rint()
    odd = (nearest * 0.5) != (nearest * 0.5).floor()
    sine = ((size - nearest) * math.pi).sin()
    sine = odd.select(-sine, sine)
    right = _gamma_right((size == 0).select(1.0, size))
    reflected = -math.pi / (left.select(sine, x * 0 + 1) * left.select(size, x * 0 + 1) * right)
    pole = left & (sine == 0)
    return (x == 0).select(1 / x, pole.select(math.nan, left.select(reflected, right)))


_formula("gamma")(gamma)
_formula("rgamma")(lambda x: (x.isinf() & (x > 0)).select(0, 1 / gamma(x)))


def _gamma_sign(x: Expr) -> Expr:
    half = x.floor() * 0.5
    return ((x > 0) | (half == half.floor())).select(x * 0 + 1, x * 0 - 1)


@_formula("betaln")
def _log_beta(a, b):
    return a.lgamma() + b.lgamma() - (a + b).lgamma()


_formula("gammasgn")(_gamma_sign)
_formula("beta")(lambda a, b: _gamma_sign(a) * _gamma_sign(b) * _gamma_sign(a + b) * _log_beta(a, b).exp())


# --- x log x and its kind ---------------------------------------------------------------------------------------------

def _times_log(x, y, log):
    """x log y, and 0 where x is 0 and y is no NaN."""
    return ((x == 0) & ~y.isnan()).select(0, x * log)


_formula("xlogy")(lambda x, y: _times_log(x, y, y.log()))
_formula("xlog1py")(lambda x, y: _times_log(x, y, y.log1p()))


@_formula("entr")
def _entropy(x):
    inside = x > 0
    return (x < 0).select(-math.inf, (x == 0).select(0, -x * (inside | x.isnan()).select(x, 1.0).log()))


@_formula("rel_entr")
def _relative_entropy(x, y):
    """x log(x / y) where both are positive, 0 where x is 0 and y is not negative, else infinity."""
    inside = (x > 0) & (y > 0)
    ratio = inside.select(x, 1.0) / inside.select(y, 1.0)
    outside = ((x == 0) & (y >= 0)).select(0, x * 0 + math.inf)
    return (x.isnan() | y.isnan()).select(math.nan, inside.select(x * ratio.log(), outside))


@_formula("kl_div")
def _kullback_leibler(x, y):
    found = _relative_entropy(x, y)
    return (found == math.inf).select(math.inf, found - x + y)


# --- losses and transforms --------------------------------------------------------------------------------------------

@_formula("huber")
def _huber(delta, r):
    size = r.abs()
    return (delta < 0).select(math.inf, (size <= delta).select(r * r * 0.5, delta * (size - delta * 0.5)))


@_formula("pseudo_huber")
def _pseudo_huber(delta, r):
    """δ² (sqrt(1 + (r/δ)²) - 1), without the difference: r² / (sqrt(1 + (r/δ)²) + 1)"""
    ratio = r / (delta == 0).select(1.0, delta)
    found = r * r / ((ratio * ratio + 1).sqrt() + 1)
    return ((delta < 0) | r.isinf()).select(math.inf, ((delta == 0) | (r == 0)).select(r * delta * 0, found))


@_formula("exprel")
def _relative_exponential(x):
    zero = x == 0
    return zero.select(1 + x * 0.5, (x == math.inf).select(x, x.expm1() / zero.select(1.0, x)))


@_formula("boxcox")
def _box_cox(x, power):
    zero = power == 0
    return zero.select(x.log(), (x.log() * power).expm1() / zero.select(1.0, power))


@_formula("inv_boxcox")
def _inverse_box_cox(y, power):
    zero = power == 0
    return zero.select(y.exp(), ((y * power).log1p() / zero.select(1.0, power)).exp())


# --- functions of whole arrays ----------------------------------------------------------------------------------------

def _function(name: str):
    def register(handler):
        FUNCTIONS[name] = handler
        return handler

    return register


def _floating(x):
    box = as_array(x)
    return box if box.dtype_ir.inexact else box.astype(np.float64)


def _shifted(x, axis):
    """(x minus its maximum along the axis, that maximum, or 0 where it is not finite)."""
    top = np.max(x, axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, np.zeros((), x.dtype))
    return x - top, top


@_function("logsumexp")
def logsumexp(a, axis=None, b=None, keepdims=False, return_sign=False):
    x = _floating(a)
    if b is not None:
        x, b = np.broadcast_arrays(x, _floating(b))
        x = np.where(b == 0, -np.inf, x)
    shifted, top = _shifted(x, axis)
    terms = np.exp(shifted) if b is None else b * np.exp(shifted)
    total = np.sum(terms, axis=axis, keepdims=True)
    sign = np.sign(total)
    out = np.log(np.abs(total) if return_sign else total) + top
    found = [v if keepdims else (v.reshape(())[()] if axis is None else np.squeeze(v, axis=axis)) for v in (out, sign)]
    return tuple(found) if return_sign else found[0]


@_function("softmax")
def softmax(x, axis=None):
    terms = np.exp(_shifted(_floating(x), axis)[0])
    return terms / np.sum(terms, axis=axis, keepdims=True)


@_function("log_softmax")
def log_softmax(x, axis=None):
    shifted = _shifted(_floating(x), axis)[0]
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


@_function("multigammaln")
def multigammaln(a, d):
    """log Γ_d(a) = d(d-1)/4 log π + Σ log Γ(a - k/2)"""
    box, total = _floating(a), 0.25 * d * (d - 1) * math.log(math.pi)
    for k in range(d):
        total = total + boxes.result(SPECIAL["gammaln"](boxes.context.current().builder, [(box - 0.5 * k).read()],
                                                        (box.dtype_ir,)))
    return total


def redirect(f):
    """The handler of a function of scipy.special that is no ufunc."""
    if (getattr(f, "__module__", None) or "").startswith("scipy.special"):
        return FUNCTIONS.get(getattr(f, "__name__", ""))
    return None


