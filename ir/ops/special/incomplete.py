"""The incomplete gamma and beta functions, their inverses, and the distribution functions that are made of them
(library.py says how they are declared).

    P(a, x) = ∫₀ˣ g(a, t) dt,        g(a, x) = x^(a-1) e^(-x) / Γ(a)               dg/dx = g(a-1, x) - g(a, x)
    I(a, b, x) = ∫₀ˣ h(a, b, t) dt,  h = x^(a-1) (1-x)^(b-1) / B(a, b)             dh/dx = (a+b-1) (h(a-1, b, x) - h(a, b-1, x))

Both densities are ops, so that derivatives at the ends of their domain are those of g and h and not of logarithms.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..elementwise import like
from .gamma import RIGHT, _parity, _pole, _rgamma_slope
from .library import by_parameter, composed, difference, first, library

if TYPE_CHECKING:
    from ...build import Expr

_SHORT = 0.08          # steps, of the length over which an entire function changes
_SHORTER = 0.035       # and of the distance of a pole, as of Γ(a + b) or 1/v
ABOVE, INSIDE = (0.3, 4.0), (0.15, 0.85)


def _larger(a: Expr, b: Expr) -> Any:
    return a.max(b)


def _least(*xs: Any) -> Any:
    found = xs[0]
    for x in xs[1:]:
        found = found.min(x)
    return found


# --- densities --------------------------------------------------------------------------------------------------------

def _gamma_density(a: Expr, x: Expr) -> Expr:
    """By logarithms for a beyond 30; below, where a - 1 may be negative, as it stands. 0 at the poles of Γ(a), also at x = 0:
    the limit."""
    large = a > 30
    logs = ((a - 1) * x.log() - x - large.select(a, 31.0).lgamma()).exp()
    small = large.select(1.0, a)
    reciprocal = small.rgamma()
    near, far = x ** (small - 1) * (-x).exp(), ((small - 1) * x.log() - x).exp()
    found = large.select((x == 0).select(0.0, logs), (reciprocal == 0).select(0.0, (x > 700).select(far, near) * reciprocal))
    return (x == math.inf).select(0.0, found)


def _gamma_by_shape(a: Expr, x: Expr, out: Expr) -> Any:
    """g (log x - ψ(a)); left of ½, where Γ has poles, x^(a-1) e^(-x) times the slope of 1/Γ, plus g log x."""
    left = a < 0.5
    safe = left.select(a, 0.25)
    near = x ** (safe - 1) * (-x).exp() * _rgamma_slope(safe, safe.rgamma()) + out.mulz(x.log())
    return left.select(near, out.mulz(x.log() - left.select(1.0, a).digamma()))


composed("gamma_density", 2, _gamma_density, (_gamma_by_shape, lambda a, x, out: (a - 1).gamma_density(x) - out),
         domain=(RIGHT, ABOVE), doc="x^(a-1) exp(-x) / Γ(a): gamma_density(a, x).", steep=True)


def _beta_density(a: Expr, b: Expr, x: Expr) -> Any:
    """0 where B(a, b) is infinite, also at an end of x: the limit."""
    sign, log = _parity(a) * _parity(b) * _parity(a + b), a.betaln(b)
    return (log == math.inf).select(0.0, sign * ((a - 1).xlogy(x) + (b - 1).xlog1py(-x) - log).exp())


def _beta_by(a: Expr, b: Expr, x: Expr, out: Expr) -> Any:
    """h (log x - ψ(a) + ψ(a+b)); where h is 0 as a is a pole of Γ: x^(a-1) (1-x)^(b-1) Γ(a+b)/Γ(b) times the slope of 1/Γ."""
    pole = _pole(a)
    safe = pole.select(1.0, a)
    at_pole = x ** (a - 1) * (1 - x) ** (b - 1) * (a + b).gamma() * b.rgamma() * _rgamma_slope(a, like(a, 0))
    return pole.select(at_pole, out.mulz(x.log() - safe.digamma() + (safe + b).digamma()))


def _beta_by_b(a: Expr, b: Expr, x: Expr, out: Expr) -> Any:
    pole = _pole(b)
    safe = pole.select(1.0, b)
    at_pole = x ** (a - 1) * (1 - x) ** (b - 1) * (a + b).gamma() * a.rgamma() * _rgamma_slope(b, like(b, 0))
    return pole.select(at_pole, out.mulz((-x).log1p() - safe.digamma() + (safe + a).digamma()))


composed("beta_density", 3, _beta_density,
         (_beta_by, _beta_by_b,
          lambda a, b, x, out: (a + b - 1) * ((a - 1).beta_density(b, x) - a.beta_density(b - 1, x))),
         domain=(RIGHT, RIGHT, INSIDE), doc="x^(a-1) (1-x)^(b-1) / B(a, b): beta_density(a, b, x).", steep=True)


# --- the incomplete gamma function ------------------------------------------------------------------------------------

def _gamma_value(a: Expr, x: Expr) -> Any:
    """P, or -Q, which differs by 1: the smaller here, whose digits are all there."""
    left = x < a
    return lambda p, x: left.select(p.gammainc(x), -p.gammaincc(x))


def _gamma_step(a: Expr, x: Expr) -> Any:
    """P changes over sqrt(a) where it is not small, and as (x/a)^a where it is."""
    ratio = (_least(_larger(x, like(x, 1e-300)), like(x, 1e300)) / a).log().abs()
    return _least(a, a.sqrt(), 1 / _larger(ratio, like(a, 1e-3))) * _SHORT


def _gamma_slopes(order: int) -> Callable:
    """∂^k g/∂a^k: g L, and g (L² - ψ'(a)) with L = log x - ψ(a)."""
    if order == 1:
        return lambda a, x, out: _gamma_by_shape(a, x, a.gamma_density(x))
    return lambda a, x, out: a.gamma_density(x).mulz((x.log() - a.digamma()) ** 2 - like(a, 1).polygamma(a))


by_parameter("gammainc", 2, 0, _gamma_value, _gamma_step, {1: _gamma_slopes}, domain=(RIGHT, ABOVE))
library("gammainc", 2, (first("gammainc", 0), lambda a, x, out: a.gamma_density(x)), domain=(RIGHT, ABOVE), steep=True)
library("gammaincc", 2, (lambda a, x, out: -a.gammainc_by0_1(x), lambda a, x, out: -a.gamma_density(x)), domain=(RIGHT, ABOVE),
        steep=True)
# P(a, X(a, y)) = y: X_y = 1/g, X_a = -P_a/g
library("gammaincinv", 2, (lambda a, y, out: -a.gammainc_by0_1(out) / a.gamma_density(out),
                           lambda a, y, out: 1 / a.gamma_density(out)), domain=(RIGHT, INSIDE), steep=True)
library("gammainccinv", 2, (lambda a, y, out: -a.gammainc_by0_1(out) / a.gamma_density(out),
                            lambda a, y, out: -1 / a.gamma_density(out)), domain=(RIGHT, INSIDE), steep=True)


# --- the incomplete beta function -------------------------------------------------------------------------------------

def _beta_value(a: Expr, b: Expr, x: Expr) -> Any:
    """I, or I - 1, which keeps the digits of the smaller."""
    left = x * (a + b) < a
    return lambda p, q, x: left.select(p.betainc(q, x), -p.betaincc(q, x))


def _beta_step(a: Expr, b: Expr, x: Expr, part: Any) -> Any:
    """`part` is x for a, 1 - x for b: I changes over sqrt(a (a+b)/b) where it is not small, else as (x (a+b)/a)^a."""
    ratio = (_larger(part, like(x, 1e-300)) * (a + b) / a).log().abs()
    return _least(a, (a * (a + b) / b).sqrt(), 1 / _larger(ratio, like(a, 1e-3))) * _SHORTER


def _beta_slopes(k: int) -> Callable:
    """∂^n h by a, or by b: h L, and h (L² - ψ'(a) + ψ'(a+b)) with L = log x - ψ(a) + ψ(a+b)."""
    def of_order(order: int) -> Callable:
        def slope(a: Expr, b: Expr, x: Expr, out: Expr) -> Any:
            own, log = (a, x.log()) if k == 0 else (b, (-x).log1p())
            inner = log - own.digamma() + (a + b).digamma()
            one = like(a, 1)
            factor = inner if order == 1 else inner ** 2 - one.polygamma(own) + one.polygamma(a + b)
            return a.beta_density(b, x).mulz(factor)

        return slope

    return of_order


_BETA = (RIGHT, RIGHT, INSIDE)


def _mixed(order: int) -> Any:
    if order > 1:
        return ...
    return lambda a, b, x, out: a.betainc_by01(b, x)


def _mixed_formula(a: Expr, b: Expr, x: Expr) -> Any:
    """∂²I/∂a∂b: the difference by a of that by b."""
    value = _beta_value(a, b, x)
    return difference(lambda p: difference(lambda q: value(p, q, x), b, _beta_step(b, a, 1 - x, 1 - x), 1),
                      a, _beta_step(a, b, x, x), 1)


def _mixed_slope(a: Expr, b: Expr, x: Expr, out: Expr) -> Any:
    """∂²h/∂a∂b = h (L_a L_b + ψ'(a+b))"""
    total = (a + b).digamma()
    return a.beta_density(b, x).mulz((x.log() - a.digamma() + total) * ((-x).log1p() - b.digamma() + total)
                                     + like(a, 1).polygamma(a + b))


composed("betainc_by01", 3, _mixed_formula, (..., ..., _mixed_slope), domain=_BETA,
         doc="The mixed derivative of the incomplete beta function by both of its parameters.")
by_parameter("betainc", 3, 0, _beta_value, lambda a, b, x: _beta_step(a, b, x, x), {1: _mixed, 2: _beta_slopes(0)},
             domain=_BETA)
by_parameter("betainc", 3, 1, _beta_value, lambda a, b, x: _beta_step(b, a, 1 - x, 1 - x), {0: _mixed, 2: _beta_slopes(1)},
             domain=_BETA)
library("betainc", 3, (first("betainc", 0), first("betainc", 1), lambda a, b, x, out: a.beta_density(b, x)), domain=_BETA,
        steep=True)
library("betaincc", 3, (lambda a, b, x, out: -a.betainc_by0_1(b, x), lambda a, b, x, out: -a.betainc_by1_1(b, x),
                        lambda a, b, x, out: -a.beta_density(b, x)), domain=_BETA, steep=True)
for _name, _sign in (("betaincinv", 1.0), ("betainccinv", -1.0)):
    library(_name, 3, (lambda a, b, y, out: -a.betainc_by0_1(b, out) / a.beta_density(b, out),
                       lambda a, b, y, out: -a.betainc_by1_1(b, out) / a.beta_density(b, out),
                       lambda a, b, y, out, sign=_sign: sign / a.beta_density(b, out)), domain=_BETA, steep=True)


# --- distribution functions -------------------------------------------------------------------------------------------

def _t_density(v: Expr, t: Expr) -> Any:
    half = v * 0.5
    return (-(half + 0.5) * (t * t / v).log1p() - half.betaln(like(v, 0.5))).exp() / v.sqrt()


def _t_tail(v: Expr, t: Expr) -> Any:
    """F(-|t|) = I(v/2, ½, v/(v+t²))/2, which has all its digits. (SciPy's stdtr itself leaves 1e-11 open.)"""
    return lambda v, t: (v * 0.5).betainc(like(v, 0.5), v / (v + t * t)) * 0.5


def _t_step(v: Expr, t: Expr) -> Any:
    return v.min(1 / _larger((1 + t * t / v).log() * 0.5, like(v, 0.05))) * _SHORTER


def _t_slope(order: int) -> Any:
    """∂/∂t of ∂F/∂v at -|t|: the derivative of the density by v, and so on; with the sign of t."""
    if order > 1:
        return ...
    def slope(v: Expr, t: Expr, out: Expr) -> Any:
        half = v * 0.5
        log = (t * t / v).log1p() * -0.5 + (t * t / v) * (half + 0.5) / (v + t * t)
        inner = log - 0.5 / v - (half.digamma() - (half + 0.5).digamma()) * 0.5
        return -_t_density(v, t) * inner * t.sign()

    return slope


by_parameter("t_tail", 2, 0, _t_tail, _t_step, {1: _t_slope}, domain=(RIGHT, (-2.0, 2.0)))
_T = (RIGHT, (0.2, 2.0))
# F(t) = 1 - F(-t)
library("stdtr", 2, (lambda v, t, out: -t.sign() * v.t_tail_by0_1(t), lambda v, t, out: _t_density(v, t)), domain=_T)
library("stdtrit", 2, (lambda v, p, out: out.sign() * v.t_tail_by0_1(out) / _t_density(v, out),
                       lambda v, p, out: 1 / _t_density(v, out)), domain=(RIGHT, (0.55, 0.9)))


def _half_gamma(sign: float) -> tuple[Callable, Callable]:
    """Partials of ±P(v/2, x/2)."""
    return (lambda v, x, out: (v * 0.5).gammainc_by0_1(x * 0.5) * (0.5 * sign),
            lambda v, x, out: (v * 0.5).gamma_density(x * 0.5) * (0.5 * sign))


def _scaled_gamma(sign: float) -> tuple[Callable, Callable, Callable]:
    """Partials of ±P(b, a x), as gdtr has its parameters."""
    return (lambda a, b, x, out: b.gamma_density(a * x) * x * sign, lambda a, b, x, out: b.gammainc_by0_1(a * x) * sign,
            lambda a, b, x, out: b.gamma_density(a * x) * a * sign)


library("chdtr", 2, _half_gamma(1.0), domain=(RIGHT, ABOVE), steep=True)
library("chdtrc", 2, _half_gamma(-1.0), domain=(RIGHT, ABOVE), steep=True)
library("chdtri", 2, (lambda v, y, out: -(v * 0.5).gammainc_by0_1(out * 0.5) / (v * 0.5).gamma_density(out * 0.5),
                      lambda v, y, out: -2 / (v * 0.5).gamma_density(out * 0.5)), domain=(RIGHT, INSIDE), steep=True)
library("gdtr", 3, _scaled_gamma(1.0), domain=(ABOVE, RIGHT, ABOVE), steep=True)
library("gdtrc", 3, _scaled_gamma(-1.0), domain=(ABOVE, RIGHT, ABOVE), steep=True)
# Σ_(j ≤ k) of Poisson's probabilities is Q(⌊k⌋ + 1, m): a step function of k
library("pdtr", 2, (None, lambda k, m, out: -(k.floor() + 1).gamma_density(m)), domain=((2.2, 2.8), ABOVE))
library("pdtrc", 2, (None, lambda k, m, out: (k.floor() + 1).gamma_density(m)), domain=((2.2, 2.8), ABOVE))


def _f_partials(sign: float) -> tuple[Callable, Callable, Callable]:
    """Partials of ±I(m/2, n/2, z), z = m x / (n + m x), by m, n and x."""
    def parts(m: Expr, n: Expr, x: Expr) -> Any:
        total = n + m * x
        return m * 0.5, n * 0.5, m * x / total, total

    def by_m(m: Expr, n: Expr, x: Expr, out: Expr) -> Any:
        a, b, z, total = parts(m, n, x)
        return (a.betainc_by0_1(b, z) * 0.5 + a.beta_density(b, z) * n * x / (total * total)) * sign

    def by_n(m: Expr, n: Expr, x: Expr, out: Expr) -> Any:
        a, b, z, total = parts(m, n, x)
        return (a.betainc_by1_1(b, z) * 0.5 - a.beta_density(b, z) * m * x / (total * total)) * sign

    def by_x(m: Expr, n: Expr, x: Expr, out: Expr) -> Any:
        a, b, z, total = parts(m, n, x)
        return a.beta_density(b, z) * m * n / (total * total) * sign

    return by_m, by_n, by_x


_F_BY = _f_partials(1.0)
library("fdtr", 3, _F_BY, domain=(RIGHT, RIGHT, ABOVE), steep=True)
library("fdtrc", 3, _f_partials(-1.0), domain=(RIGHT, RIGHT, ABOVE), steep=True)
library("fdtri", 3, (*(lambda m, n, p, out, by=by: -by(m, n, out, out) / _F_BY[2](m, n, out, out) for by in _F_BY[:2]),
                     lambda m, n, p, out: 1 / _F_BY[2](m, n, out, out)), domain=(RIGHT, RIGHT, INSIDE), steep=True)

# Binomial: Σ_(j ≤ k) is I(n-k, k+1, 1-p); negative binomial: I(n, k+1, p); k whole
_COUNTS = ((1.2, 1.8), (3.0, 3.0), INSIDE)
def _sums(suffix: str, counts: tuple[int, ...], both: tuple[int, ...]) -> None:
    def declare_sum(name: str, slope: Callable, whole: tuple[int, ...]) -> None:
        library(name + suffix, 3, (None, ..., slope), routine=name, whole=whole, domain=_COUNTS, singular=(2,))

    declare_sum("bdtr", lambda k, n, p, out: -(n - k.floor()).beta_density(k.floor() + 1, 1 - p), counts)
    declare_sum("bdtrc", lambda k, n, p, out: (n - k.floor()).beta_density(k.floor() + 1, 1 - p), counts)
    declare_sum("nbdtr", lambda k, n, p, out: n.beta_density(k.floor() + 1, p), both)
    declare_sum("nbdtrc", lambda k, n, p, out: -n.beta_density(k.floor() + 1, p), both)


_sums("", (), ())
_sums("_n", (1,), (0, 1))

library("kolmogorov_slope", 1, (...,), routine="_kolmogp", domain=(ABOVE,), singular=())
library("kolmogorov", 1, lambda x, out: x.kolmogorov_slope(), domain=(ABOVE,))
library("kolmogi", 1, lambda p, out: 1 / out.kolmogorov_slope(), domain=(INSIDE,))
library("smirnov_slope", 2, (..., ...), routine="_smirnovp", whole=(0,), domain=((3.0, 3.0), INSIDE), singular=())
for _suffix, _whole in (("", ()), ("_n", (0,))):
    library("smirnov" + _suffix, 2, (..., lambda n, d, out: n.smirnov_slope(d)), routine="smirnov", whole=_whole,
            domain=((3.0, 3.0), INSIDE), singular=(1,))
    library("smirnovi" + _suffix, 2, (..., lambda n, p, out: 1 / n.smirnov_slope(out)), routine="smirnovi", whole=_whole,
            domain=((3.0, 3.0), INSIDE), singular=(1,))


# --- the normal distribution and its kin ------------------------------------------------------------------------------

def _gaussian(x: Expr) -> Any:
    return (x * x * -0.5).exp() * (1 / math.sqrt(2 * math.pi))


# T_h = -φ(h) erf(a h/√2)/2,   T_a = exp(-h² (1+a²)/2) / (2π (1+a²))
library("owens_t", 2, (lambda h, a, out: _gaussian(h) * (a * h * math.sqrt(0.5)).erf() * -0.5,
                       lambda h, a, out: (h * h * (1 + a * a) * -0.5).exp() / ((1 + a * a) * (2 * math.pi))),
        domain=((-2.0, 2.0), (-2.0, 2.0)))
# Φ(y) = exp(x): y' = exp(x)/φ(y) = Φ(y)/φ(y)
library("ndtri_exp", 1, lambda x, out: 1 / out.mills_ratio(), domain=((-3.0, -0.2),))
