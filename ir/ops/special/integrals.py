"""Error functions of other arguments, exponential, trigonometric and elliptic integrals, zeta functions: SciPy's routines
(library.py). Slopes are the integrands, with their removable singularities as entire functions of their own.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...opdef import COMPLEXES, INEXACT
from ..elementwise import ANY, POSITIVE, like
from .library import by_parameter, first, library, unknown

if TYPE_CHECKING:
    from ...build import Expr

_TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)
_FAR = 12.0            # from here on x² times rounding would show in 1 - 2x F(x) and its kin


# --- relatives of erf -------------------------------------------------------------------------------------------------

def _series(x: Expr, sign: float, terms: int = 20) -> Expr:
    """Σ_(k≥1) sign^k (2k-1)!! (2k-1) … of the slopes below, in 1/x²: Σ_(k≥0) (±1)^k (2k+1)!! / (2^(k+1) x^(2k+2))."""
    q = 1 / (x * x)
    found = q * 0
    for k in range(terms, -1, -1):
        found = found * q + sign ** k * math.prod(range(1, 2 * k + 2, 2)) / 2.0 ** (k + 1)
    return found * q


def _erfcx_slope(x: Expr, out: Expr) -> Any:
    """2x w - 2/√π cancels far to the right, where it is -(2/√π) Σ (-1)^k (2k+1)!!/(2^(k+1) x^(2k+2)), by w's own series."""
    if x.dtype.complex:
        return x * out * 2 - _TWO_OVER_ROOT_PI
    far = x > _FAR
    near = x * out * 2 - _TWO_OVER_ROOT_PI
    return far.select(_series(far.select(x, _FAR), -1.0) * -_TWO_OVER_ROOT_PI, near)


def _dawson_slope(x: Expr, out: Expr) -> Any:
    """1 - 2x F, far out -Σ (2k+1)!!/(2^(k+1) x^(2k+2))."""
    if x.dtype.complex:
        return 1 - x * out * 2
    far = x.abs() > _FAR
    return far.select(-_series(far.select(x, _FAR), 1.0), 1 - x * out * 2)


library("erfcx", 1, _erfcx_slope, takes=INEXACT, domain=(ANY,), singular=())
library("erfi", 1, lambda x, out: (x * x).exp() * _TWO_OVER_ROOT_PI, takes=INEXACT, domain=(ANY,), singular=())
library("dawsn", 1, _dawson_slope, takes=INEXACT, domain=(ANY,), singular=())
library("wofz", 1, lambda z, out: 2j * (1 / math.sqrt(math.pi)) - z * out * 2, takes=COMPLEXES, domain=(ANY,), singular=())


def _voigt_parts(x: Expr, s: Expr, g: Expr) -> Any:
    """(z, w, w') of z = (x + ig)/(s√2)"""
    size = s * math.sqrt(2.0)
    z = (x / size).complex(g / size)
    w = z.wofz()
    return z, w, 2j * (1 / math.sqrt(math.pi)) - z * w * 2, size


# V = Re w(z) / (s √2π). Without Gaussian part, s = 0, it is Cauchy's density g / π(x² + g²), whose slope by s is that of the
# heat equation, s V_xx.
def _without_gaussian(by_size: Callable, cauchy: Callable) -> Callable:
    def slope(x: Expr, s: Expr, g: Expr, out: Expr) -> Any:
        none, square = s == 0, x * x + g * g
        return none.select(cauchy(x, s, g, square), by_size(x, none.select(1.0, s), g, out))

    return slope


def _voigt_by_x(x: Expr, s: Expr, g: Expr, out: Expr) -> Any:
    _, _, slope, size = _voigt_parts(x, s, g)
    return slope.real() / (size * s * math.sqrt(2 * math.pi))


def _voigt_by_s(x: Expr, s: Expr, g: Expr, out: Expr) -> Any:
    z, _, slope, _ = _voigt_parts(x, s, g)
    return -(out + (z * slope).real() / (s * math.sqrt(2 * math.pi))) / s


def _voigt_by_g(x: Expr, s: Expr, g: Expr, out: Expr) -> Any:
    _, _, slope, size = _voigt_parts(x, s, g)
    return -slope.imag() / (size * s * math.sqrt(2 * math.pi))


_voigt_slopes = (
    _without_gaussian(_voigt_by_x, lambda x, s, g, square: x * g * (-2 / math.pi) / (square * square)),
    _without_gaussian(_voigt_by_s, lambda x, s, g, square: s * g * (2 / math.pi) * (x * x * 3 - g * g) / square ** 3),
    _without_gaussian(_voigt_by_g, lambda x, s, g, square: (x * x - g * g) * (1 / math.pi) / (square * square)))
library("voigt_profile", 3, _voigt_slopes, domain=(ANY, POSITIVE, POSITIVE))

# Functions whose ops for real numbers are formulas, of complex ones
library("erf_z", 1, lambda z, out: (-z * z).exp() * _TWO_OVER_ROOT_PI, routine="erf", takes=COMPLEXES,
        domain=(ANY,), singular=())
library("erfc_z", 1, lambda z, out: (-z * z).exp() * -_TWO_OVER_ROOT_PI, routine="erfc", takes=COMPLEXES,
        domain=(ANY,), singular=())
library("ndtr_z", 1, lambda z, out: (z * z * -0.5).exp() * (1 / math.sqrt(2 * math.pi)), routine="ndtr", takes=COMPLEXES,
        domain=(ANY,), singular=())
library("log_ndtr_z", 1, lambda z, out: (z * z * -0.5 - out).exp() * (1 / math.sqrt(2 * math.pi)), routine="log_ndtr",
        takes=COMPLEXES, domain=(ANY,), singular=())
library("gamma_z", 1, lambda z, out: out * z.digamma_z(), routine="gamma", takes=COMPLEXES,
        domain=((0.3, 4.0),), singular=())
library("rgamma_z", 1, lambda z, out: -out * z.digamma_z(), routine="rgamma", takes=COMPLEXES,
        domain=((0.3, 4.0),), singular=())
library("digamma_z", 1, (...,), routine="psi", takes=COMPLEXES, domain=((0.3, 4.0),), singular=())
library("loggamma", 1, lambda z, out: z.digamma_z(), takes=COMPLEXES, domain=((0.3, 4.0),), singular=())

# --- exponential and trigonometric integrals --------------------------------------------------------------------------

library("exp1", 1, lambda x, out: -(-x).exp() / x, takes=INEXACT, domain=(POSITIVE,))
library("expi", 1, lambda x, out: x.exp() / x, takes=INEXACT, domain=(POSITIVE,))


def _exponential_slope(name: str) -> Callable:
    """E_n' = -E_(n-1); E_0 = e^(-x)/x, and its slope."""
    def slope(n: Expr, x: Expr, out: Expr) -> Any:
        zero = -(-x).exp() * (1 + 1 / x) / x
        return (n == 0).select(zero, -getattr((n - 1).max(like(n, 0)), name)(x))

    return slope


library("expn", 2, (..., _exponential_slope("expn")), domain=((2.0, 2.0), POSITIVE), singular=(1,), steep=True)
library("expn_n", 2, (..., _exponential_slope("expn_n")), routine="expn", whole=(0,), domain=((2.0, 2.0), POSITIVE),
        singular=(1,), steep=True)


def _quotient(sign: float) -> Callable:
    """sin(x)/x, or sinh(x)/x: near 0 as the entire function ₀F₁(3/2, ∓x²/4)."""
    def slope(x: Expr, out: Expr) -> Any:
        near = x.abs() < 1
        small, large = near.select(x, like(x, 0)), near.select(like(x, 1), x)
        entire = like(x, 1.5).hyp0f1(small * small * (sign * 0.25))
        return near.select(entire, (large.sin() if sign < 0 else large.sinh()) / large)

    return slope


def _of_real(name: str, slope: Callable) -> Callable:
    refused = unknown(f"{name}, of complex numbers,", 0)
    return lambda x, out: (refused if x.dtype.complex else slope)(x, out)


library("sine_integral", 1, _of_real("sici", _quotient(-1.0)), routine="sici", takes=INEXACT, domain=(POSITIVE,), singular=())
library("cosine_integral", 1, lambda x, out: x.cos() / x, routine="sici", output=1, takes=INEXACT, domain=(POSITIVE,))
library("sinh_integral", 1, _of_real("shichi", _quotient(1.0)), routine="shichi", takes=INEXACT, domain=(POSITIVE,),
        singular=())
library("cosh_integral", 1, lambda x, out: x.cosh() / x, routine="shichi", output=1, takes=INEXACT, domain=(POSITIVE,))
library("fresnel_s", 1, lambda x, out: (x * x * (math.pi / 2)).sin(), routine="fresnel", takes=INEXACT, domain=(ANY,),
        singular=())
library("fresnel_c", 1, lambda x, out: (x * x * (math.pi / 2)).cos(), routine="fresnel", output=1, takes=INEXACT, domain=(ANY,),
        singular=())
# Li₂(1-x): log x / (1 - x), smooth at 1
library("spence", 1, lambda x, out: -like(x, 0).log1prel_n(x - 1), domain=(POSITIVE,), steep=True)
library("cosm1", 1, lambda x, out: -x.sin(), domain=(ANY,), singular=())
_DEGREE = math.pi / 180
library("sindg", 1, lambda x, out: x.cosdg() * _DEGREE, domain=(ANY,), singular=())
library("cosdg", 1, lambda x, out: x.sindg() * -_DEGREE, domain=(ANY,), singular=())
library("tandg", 1, lambda x, out: (1 + out * out) * _DEGREE, domain=(ANY,), singular=())
library("cotdg", 1, lambda x, out: (1 + out * out) * -_DEGREE, domain=(POSITIVE,), singular=())
# x^y - 1
library("powm1", 2, (lambda x, y, out: x.power_slope(y), lambda x, y, out: (x ** y).mulz(x.log())), domain=(POSITIVE, ANY),
        steep=True)
library("boxcox1p", 2, (lambda x, p, out: (1 + x) ** (p - 1),
                        lambda x, p, out: x.log1p() ** 2 * like(x, 1).exprel_n(p * x.log1p())), domain=(POSITIVE, ANY),
        steep=True)

# --- elliptic integrals -----------------------------------------------------------------------------------------------

_PART = (-0.7, 0.7)


# Slopes by m (DLMF 19.4.1): K' = (E/(1-m) - K)/(2m), E' = (E - K)/(2m). Both are smooth at m = 0, where they are, by 19.25.1,
# R_D(0, 1, 1-m)/6 = π/8 ₂F₁(3/2, 3/2; 2; m), -R_D(0, 1-m, 1)/6 = -π/8 ₂F₁(1/2, 3/2; 2; m); away from 0 in terms of K and E
def _ellipk_slope(m: Expr, out: Expr) -> Any:
    near = m.abs() < 0.4
    small, large = near.select(m, like(m, 0)), near.select(like(m, 0.5), m)
    entire = like(m, 1.5).hyp2f1(like(m, 1.5), like(m, 2), small) * (math.pi / 8)
    return near.select(entire, (large.ellipe() / (1 - large) - large.ellipk()) / (large * 2))


def _ellipe_slope(m: Expr, out: Expr) -> Any:
    near = m.abs() < 0.4
    small, large = near.select(m, like(m, 0)), near.select(like(m, 0.5), m)
    entire = like(m, 0.5).hyp2f1(like(m, 1.5), like(m, 2), small) * (-math.pi / 8)
    return near.select(entire, (large.ellipe() - large.ellipk()) / (large * 2))


def _ellipkm1_slope(p: Expr, out: Expr) -> Any:
    """-K'(1-p), from p itself where it is small."""
    near = p > 0.6
    small = near.select(like(p, 0.5), p)
    close = ((1 - small).ellipe() / small - small.ellipkm1()) / ((1 - small) * 2)
    return -near.select(_ellipk_slope(near.select(1 - p, like(p, 0)), out), close)


library("ellipk", 1, _ellipk_slope, domain=(_PART,))
library("ellipe", 1, _ellipe_slope, domain=(_PART,), steep=True)
library("ellipkm1", 1, _ellipkm1_slope, domain=((0.2, 0.9),))
for _name, _count in (("elliprc", 2), ("elliprd", 3), ("elliprf", 3), ("elliprg", 3), ("elliprj", 4)):
    library(_name, _count, (...,) * _count, takes=INEXACT, domain=(POSITIVE,) * _count, singular=())


def _delta(phi: Any, m: Expr) -> Any:
    """sqrt(1 - m sin² φ)"""
    s = phi.sin()
    return (1 - m * s * s).sqrt()


def _turns(phi: Any, complete: Any) -> Any:
    """What whole turns add: F(φ + πn) = F(φ) + 2n K."""
    n = (phi * (1 / math.pi)).rint()
    return (n == 0).select(like(phi, 0), n * 2 * (n == 0).select(like(phi, 0), complete))


def _ellipkinc_by_m(phi: Any, m: Expr, out: Expr) -> Any:
    """sin³φ R_D(cos²φ, 1, 1 - m sin²φ)/6 of φ in a half turn around 0 (DLMF 19.25.5 with 19.18.1)"""
    s, c = phi.sin() * _parity(phi), phi.cos()
    part = s * s * s * (c * c).elliprd(like(phi, 1), 1 - m * s * s) * (1 / 6)
    return part + _turns(phi, _ellipk_slope(m, out))


def _ellipeinc_by_m(phi: Any, m: Expr, out: Expr) -> Any:
    s, c = phi.sin() * _parity(phi), phi.cos()
    part = s * s * s * (c * c).elliprd(1 - m * s * s, like(phi, 1)) * (-1 / 6)
    return part + _turns(phi, _ellipe_slope(m, out))


def _parity(phi: Any) -> Any:
    """The sign of the cosine: sin of φ less whole half turns is ±sin φ."""
    n = (phi * (1 / math.pi)).rint() * 0.5
    return (n == n.floor()).select(like(phi, 1), like(phi, -1))


library("ellipkinc", 2, (lambda phi, m, out: 1 / _delta(phi, m), _ellipkinc_by_m), domain=(ANY, _PART))
library("ellipeinc", 2, (lambda phi, m, out: _delta(phi, m), _ellipeinc_by_m), domain=(ANY, _PART), steep=True)


# Jacobi's functions of the amplitude φ: φ_u = dn, and from F(φ, m) = u: φ_m = -dn F_m(φ, m)
def _jacobi(name: str, by_phi: Callable, output: int, slope_m: Callable | None = None) -> None:
    def by_u(u: Expr, m: Expr, out: Expr) -> Any:
        return by_phi(u, m) * u.jacobi_dn(m)

    def by_m(u: Expr, m: Expr, out: Expr) -> Any:
        phi, dn = u.jacobi_am(m), u.jacobi_dn(m)
        found = by_phi(u, m) * -dn * _ellipkinc_by_m(phi, m, out)
        return found if slope_m is None else found + slope_m(u, m)

    library(name, 2, (by_u, by_m), routine="ellipj", output=output, domain=(ANY, (0.1, 0.8)), singular=())


_jacobi("jacobi_sn", lambda u, m: u.jacobi_cn(m), 0)
_jacobi("jacobi_cn", lambda u, m: -u.jacobi_sn(m), 1)
_jacobi("jacobi_dn", lambda u, m: -m * u.jacobi_sn(m) * u.jacobi_cn(m) / u.jacobi_dn(m), 2,
        lambda u, m: u.jacobi_sn(m) ** 2 * -0.5 / u.jacobi_dn(m))
_jacobi("jacobi_am", lambda u, m: like(u, 1), 3)


# --- zeta functions ---------------------------------------------------------------------------------------------------

_S, _Q = (1.6, 4.0), (0.5, 3.0)


def _zeta_step(s: Expr, q: Expr) -> Any:
    """q^(-s) changes with log q; there is a pole at s = 1."""
    return (s - 1).min(1 / q.log().abs().max(like(s, 1.0))) * 0.03


by_parameter("zeta", 2, 0, lambda *at: lambda s, q: s.zeta(q), _zeta_step,
             {1: lambda order: (lambda s, q, out: -(s + 1).zeta(q) - s * (s + 1).zeta_by0_1(q)) if order == 1
              else (lambda s, q, out: -(s + 1).zeta_by0_1(q) * 2 - s * (s + 1).zeta_by0_2(q))}, domain=(_S, _Q))
library("zeta", 2, (first("zeta", 0), lambda s, q, out: -s * (s + 1).zeta(q)), routine="_zeta", domain=(_S, _Q))
by_parameter("riemann_zeta", 1, 0, lambda *at: lambda s: s.riemann_zeta(), lambda s: (s - 1).abs().min(like(s, 1.0)) * 0.03, {},
             domain=(_S,))
library("riemann_zeta", 1, lambda s, out: s.riemann_zeta_by0_1(), routine="_riemann_zeta", domain=(_S,))
library("zetac", 1, lambda s, out: s.riemann_zeta_by0_1(), domain=(_S,))
