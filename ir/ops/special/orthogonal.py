"""Orthogonal polynomials, hypergeometric functions, binomial coefficients and Lambert's W: SciPy's routines
(library.py).

The slope of a polynomial is a polynomial of the next family (DLMF 18.9): P_n^(α,β)' = (n+α+β+1)/2 P_(n-1)^(α+1,β+1),
C_n^(λ)' = 2λ C_(n-1)^(λ+1), L_n^(α)' = -L_(n-1)^(α+1), T_n' = n U_(n-1), U_n' = 2 C_(n-1)^(2). A degree that is an integer in
the user's program takes SciPy's recurrence, one that is a float its hypergeometric function: the ops "…_n" and "…".
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...opdef import COMPLEXES, INEXACT
from ..elementwise import like
from .gamma import RIGHT, _pole, _rgamma_slope
from .library import by_parameter, first, library, unknown

if TYPE_CHECKING:
    from ...build import Expr
    from ...types import DType

_X, _DEGREE, _SHAPE = (-0.8, 0.8), (3.0, 3.0), (0.4, 1.6)
_ABOVE = (0.2, 3.0)


def _lowered(n: Expr, slope: Expr) -> Expr:
    """The slope, and 0 of degree 0."""
    return (n == 0).select(like(slope, 0), slope)


def _polynomials(s: str, whole: tuple[int, ...]) -> None:
    def degree(name: str, arity: int, slope: Callable, domain: tuple[float, ...] = _X, shapes: int = 0,
               takes: frozenset[DType] = INEXACT) -> None:
        def by_x(*exprs: Any) -> Any:
            return _lowered(exprs[0].cast(exprs[-1].dtype), slope(*exprs[:-1]))

        library(name + s, arity, (*[...] * (arity - 1), by_x), routine=name, whole=whole, takes=takes,
                domain=(_DEGREE, *[_SHAPE] * shapes, domain), singular=())

    jacobi, gegenbauer = "eval_jacobi" + s, "eval_gegenbauer" + s

    def of(name: str, n: Expr, *rest: Any) -> Any:
        return getattr(n - 1, name)(*rest)

    degree("eval_jacobi", 4, lambda n, a, b, x: (n + a + b + 1) * 0.5 * of(jacobi, n, a + 1, b + 1, x), shapes=2)
    degree("eval_sh_jacobi", 4, lambda n, p, q, x: n * of("eval_sh_jacobi" + s, n, p + 2, q + 1, x), shapes=2,
           domain=(0.2, 0.8))
    degree("eval_gegenbauer", 3, lambda n, a, x: a * 2 * of(gegenbauer, n, a + 1, x), shapes=1)
    degree("eval_genlaguerre", 3, lambda n, a, x: -of("eval_genlaguerre" + s, n, a + 1, x), shapes=1, domain=_ABOVE)
    degree("eval_laguerre", 2, lambda n, x: -of("eval_genlaguerre" + s, n, like(x, 1), x), domain=_ABOVE)
    degree("eval_legendre", 2, lambda n, x: (n + 1) * 0.5 * of(jacobi, n, like(x, 1), like(x, 1), x))
    degree("eval_sh_legendre", 2, lambda n, x: (n + 1) * of(jacobi, n, like(x, 1), like(x, 1), x * 2 - 1), domain=(0.2, 0.8))
    degree("eval_chebyt", 2, lambda n, x: n * of("eval_chebyu" + s, n, x))
    degree("eval_chebyu", 2, lambda n, x: of(gegenbauer, n, like(x, 2), x) * 2)
    degree("eval_chebyc", 2, lambda n, x: n * of("eval_chebys" + s, n, x))
    degree("eval_chebys", 2, lambda n, x: of(gegenbauer, n, like(x, 2), x * 0.5))
    degree("eval_sh_chebyt", 2, lambda n, x: n * 2 * of("eval_sh_chebyu" + s, n, x), domain=(0.2, 0.8))
    degree("eval_sh_chebyu", 2, lambda n, x: of(gegenbauer, n, like(x, 2), x * 2 - 1) * 4, domain=(0.2, 0.8))


_polynomials("", ())
_polynomials("_n", (0,))
library("eval_hermite_n", 2, (..., lambda n, x, out: n * 2 * (n - 1).max(like(n, 0)).eval_hermite_n(x)), routine="eval_hermite",
        whole=(0,), domain=(_DEGREE, _X), singular=())
library("eval_hermitenorm_n", 2, (..., lambda n, x, out: n * (n - 1).max(like(n, 0)).eval_hermitenorm_n(x)),
        routine="eval_hermitenorm", whole=(0,), domain=(_DEGREE, _X), singular=())


# --- hypergeometric functions -----------------------------------------------------------------------------------------

_SHORT = 0.035


def _real(name: str, k: int, known: Callable) -> Callable:
    refused = unknown(f"{name}, of complex numbers,", k)
    return lambda *exprs: (refused if exprs[-1].dtype.complex else known)(*exprs)


def _pole_distance(c: Expr) -> Any:
    """How far c is from the poles 0, -1, -2 …, at most 1."""
    return (c > 0).select(c, (c - c.rint()).abs()).min(like(c, 1.0))


def _by_logarithm(z: Expr) -> Any:
    return _SHORT / z.abs().max(like(z, 1.0)).log().max(like(z, 1.0))


_CONFLUENT = (_SHAPE, (1.2, 2.6), (-2.0, 2.0))
# M' = a/b M(a+1, b+1); its derivatives by a and b by the product rule
by_parameter("hyp1f1", 3, 0, lambda *at: lambda a, b, z: a.hyp1f1(b, z), lambda a, b, z: _by_logarithm(z),
             {2: lambda order: ... if order > 1 else lambda a, b, z, out:
              ((a + 1).hyp1f1(b + 1, z) + a * (a + 1).hyp1f1_by0_1(b + 1, z)) / b}, domain=_CONFLUENT)
by_parameter("hyp1f1", 3, 1, lambda *at: lambda a, b, z: a.hyp1f1(b, z), lambda a, b, z: _by_logarithm(z) * _pole_distance(b),
             {2: lambda order: ... if order > 1 else lambda a, b, z, out:
              (a / b) * ((a + 1).hyp1f1_by1_1(b + 1, z) - (a + 1).hyp1f1(b + 1, z) / b)}, domain=_CONFLUENT)
library("hyp1f1", 3, (_real("hyp1f1", 0, first("hyp1f1", 0)), _real("hyp1f1", 1, first("hyp1f1", 1)),
                      lambda a, b, z, out: a / b * (a + 1).hyp1f1(b + 1, z)), takes=INEXACT, domain=_CONFLUENT, singular=())

by_parameter("hyp0f1", 2, 0, lambda *at: lambda b, z: b.hyp0f1(z), lambda b, z: _by_logarithm(z) * _pole_distance(b),
             {1: lambda order: ... if order > 1 else lambda b, z, out: ((b + 1).hyp0f1_by0_1(z) - (b + 1).hyp0f1(z) / b) / b},
             domain=((1.2, 2.6), (-2.0, 2.0)))
library("hyp0f1", 2, (_real("hyp0f1", 0, first("hyp0f1", 0)), lambda b, z, out: (b + 1).hyp0f1(z) / b), takes=INEXACT,
        domain=((1.2, 2.6), (-2.0, 2.0)), singular=())
library("hyperu", 3, (..., ..., lambda a, b, z, out: -a * (a + 1).hyperu(b + 1, z)), domain=(_SHAPE, (1.2, 2.6), _ABOVE))

_GAUSS = (_SHAPE, _SHAPE, (1.2, 2.6), (-0.7, 0.7))


def _gauss(*at: Any) -> Any:
    return lambda a, b, c, z: a.hyp2f1(b, c, z)


def _gauss_step(k: int) -> Callable:
    """F grows as (1-z)^(c-a-b) near 1 and as (-z)^(-a) far to the left."""
    def step(a: Expr, b: Expr, c: Expr, z: Expr) -> Any:
        near = _SHORT / (1 - z).abs().max(like(z, 1e-300)).log().abs().max(like(z, 1.0))
        return near * _pole_distance(c) if k == 2 else near

    return step


_GAUSS_SLOPES = (
    lambda a, b, c, z, out: b / c * ((a + 1).hyp2f1(b + 1, c + 1, z) + a * (a + 1).hyp2f1_by0_1(b + 1, c + 1, z)),
    lambda a, b, c, z, out: a / c * ((a + 1).hyp2f1(b + 1, c + 1, z) + b * (a + 1).hyp2f1_by1_1(b + 1, c + 1, z)),
    lambda a, b, c, z, out: a * b / c * ((a + 1).hyp2f1_by2_1(b + 1, c + 1, z) - (a + 1).hyp2f1(b + 1, c + 1, z) / c),
)
for _k in range(3):
    by_parameter("hyp2f1", 4, _k, _gauss, _gauss_step(_k), {3: lambda order, k=_k: _GAUSS_SLOPES[k]}, domain=_GAUSS, orders=1)
library("hyp2f1", 4, (*(_real("hyp2f1", k, first("hyp2f1", k)) for k in range(3)),
                      lambda a, b, c, z, out: (a * b / c).mulz((a + 1).hyp2f1(b + 1, c + 1, z))), takes=INEXACT, domain=_GAUSS,
        singular=())


# --- binomial coefficients, Lambert's W -------------------------------------------------------------------------------

def _binomial_slope(n: Expr, k: Expr, other: Any, out: Expr) -> Any:
    """C (ψ(n+1) - ψ(n-k+1)), the slope by n; where C is 0, at a pole of Γ(n-k+1), that of Γ(n+1) times 1/Γ(n-k+1), over Γ(k+1):
    the product rule as it stands, so that higher derivatives have both terms."""
    at_zero = _pole(other) & ~_pole(n + 1)
    reciprocal = other.rgamma()
    zero = (n + 1).gamma() * (k + 1).rgamma() * ((n + 1).digamma() * reciprocal + _rgamma_slope(other, reciprocal))
    safe = at_zero.select(1.0, other)
    return at_zero.select(zero, out.mulz((n + 1).digamma() - safe.digamma()))


def _binomial_by_k(n: Expr, k: Expr, out: Expr) -> Any:
    """C (ψ(n-k+1) - ψ(k+1)); where C is 0, that of 1/Γ(n-k+1) times 1/Γ(k+1), one of which is 0."""
    right, left = n - k + 1, k + 1
    over_right, over_left = right.rgamma(), left.rgamma()
    either = _pole(right) | _pole(left)
    zero = (n + 1).gamma() * (_rgamma_slope(left, over_left) * over_right - over_left * _rgamma_slope(right, over_right))
    return either.select(zero, out.mulz(either.select(1.0, right).digamma() - either.select(1.0, left).digamma()))


def _rising_by_z(z: Expr, m: Expr, out: Expr) -> Any:
    """(z)_m (ψ(z+m) - ψ(z)) where neither is a pole. Where z is one, (z)_m is 0: that of Γ(z+m) times 1/Γ(z). Where both are, m
    is whole and (z)_m = (-1)^m Γ(1-z) / Γ(1-z-m)."""
    total = z + m
    both, at_zero = _pole(z) & _pole(total), _pole(z) & ~_pole(total)
    top, reciprocal = at_zero.select(total, 1.0), z.rgamma()
    zero = top.gamma() * (top.digamma() * reciprocal + _rgamma_slope(z, reciprocal))
    mirrored = out * (both.select(1 - total, 1.0).digamma() - both.select(1 - z, 1.0).digamma())
    plain = out.mulz((both | at_zero).select(1.0, total).digamma() - (both | at_zero).select(1.0, z).digamma())
    return at_zero.select(zero, both.select(mirrored, plain))


library("binom", 2, (lambda n, k, out: _binomial_slope(n, k, n - k + 1, out), _binomial_by_k),
        domain=((3.2, 5.0), (0.6, 2.4)))
library("poch", 2, (_rising_by_z, lambda z, m, out: out.mulz((z + m).digamma())),
        domain=(RIGHT, RIGHT))
# W' = e^(-W) / (1 + W), which is right at 0 too
library("wrightomega", 1, lambda z, out: out / (1 + out), takes=INEXACT, domain=((-2.0, 2.0),))
library("lambertw", 3, (lambda z, k, tol, out: (-out).exp() / (1 + out), None, None), routine="_lambertw", takes=COMPLEXES,
        domain=((0.5, 3.0), (0.0, 0.0), (1e-8, 1e-8)), singular=(0,), steep=True)
