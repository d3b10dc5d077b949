"""Relative exponentials and logarithms, Box-Cox transforms, losses, as ops (see probability.py for the form).

(exp(x) - 1)/x and log(1 + t)/t have removable singularities, and so have all their derivatives. These are families, with the
order as first operand, a constant, as polygamma has it:

    exprel_n(n, x)    = d^n/dx^n (exp(x) - 1)/x   = ∫₀¹ s^n exp(x s) ds
    log1prel_n(n, t)  = d^n/dt^n log(1 + t)/t     = (-1)^n n! ∫₀¹ s^n / (1 + t s)^(n+1) ds

Near 0 they are power series; elsewhere integration by parts leads from order n - 1 to n.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...core import Const
from ...types import F32, F64
from ..elementwise import ANY, POSITIVE, declare, like, share_of
from ..numeric import Special, exprel_n, hypot_excess, log1prel_n

if TYPE_CHECKING:
    from ...build import Expr

_ORDERS = 3            # orders of a family that are told apart where the order is not a constant


def _of_order(family: Callable) -> Callable:
    """The formula of a family by its order: chosen now where that is a constant. Single precision is computed in double: the
    terms overflow, or cancel, before the result does."""
    def formula(n: Expr, x: Expr) -> Any:
        if x.dtype is F32:
            return formula(n.cast(F64), x.cast(F64)).cast(F32)
        if n.value.__class__ is Const and not n.value.type.dims:
            return family(int(n.value.item), x)
        found = family(0, x)
        for k in range(1, _ORDERS):
            found = (n == k).select(family(k, x), found)
        return (n < _ORDERS).select(found, math.nan)

    return formula


def horner(x: Expr, coefficients: Any) -> Any:
    """Σ c_k x^k"""
    out = x * 0 + coefficients[-1]
    for c in reversed(coefficients[:-1]):
        out = out * x + c
    return out


def _exprel(n: int, x: Expr) -> Any:
    """x f_n = exp(x) - n f_(n-1)  from |x| = 1.5 on;  f_n = Σ x^k / (k! (n + k + 1))  below."""
    near = x.abs() < 1.5
    small, large = near.select(x, 0.0), near.select(2.0, x)
    power = large.exp()
    found = large.expm1() / large
    for k in range(1, n + 1):
        found = (power - k * found) / large
    series = horner(small, [1 / (math.factorial(k) * (n + k + 1)) for k in range(24)])
    return near.select(series, (x == math.inf).select(x, found))


def _log1prel(n: int, t: Expr) -> Any:
    """t g_n = (-1)^(n-1) (n-1)! / (1 + t)^n - n g_(n-1)  from |t| = 0.3 on;  Σ (-1)^k k!/(k-n)! t^(k-n) / (k + 1)  below."""
    near = t.abs() < 0.3
    small, large = near.select(t, 0.0), near.select(1.0, t)
    found, reciprocal = large.log1p() / large, 1.0 / (1.0 + large)
    power = reciprocal
    for k in range(1, n + 1):
        found = ((-1.0) ** (k - 1) * math.factorial(k - 1) * power - k * found) / large
        power = power * reciprocal
    series = horner(small, [(-1.0) ** k * math.perm(k, n) / (k + 1) for k in range(n, n + 40)])
    return near.select(series, (t == -1).select((-1.0) ** n * math.inf, found))      # there the power's infinity is larger


def _next(name: str) -> tuple[None, Callable]:
    return (None, lambda n, x, out: getattr(n + 1, name)(x))


def exprel_value(x: Expr) -> Any:
    zero = x == 0
    return zero.select(1 + x * 0.5, (x == math.inf).select(x, x.expm1() / zero.select(1.0, x)))


declare("exprel_n", exprel_n, 2, formula=_of_order(_exprel), partials=_next("exprel_n"), singular=(1,),
        domain=((1.0, 1.0), ANY), doc="The n-th derivative of (exp(x) - 1)/x: exprel_n(n, x).")
declare("log1prel_n", log1prel_n, 2, formula=_of_order(_log1prel), partials=_next("log1prel_n"), singular=(1,),
        domain=((1.0, 1.0), POSITIVE), doc="The n-th derivative of log(1 + t)/t: log1prel_n(n, t).")
declare("exprel", Special("exprel"), formula=exprel_value, partials=(lambda x, out: like(x, 1).exprel_n(x),), singular=(0,),
        domain=(ANY,))


# --- Box-Cox --------------------------------------------------------------------------------------------------------------

def _box_cox(x: Expr, power: Any) -> Any:
    zero = power == 0
    return zero.select(x.log(), (x.log() * power).expm1() / zero.select(1.0, power))


def _box_cox_by_power(x: Expr, power: Any, out: Expr) -> Any:
    """(x^p - 1)/p = L exprel(p L) with L = log x, so L² exprel'(p L); 1/p² where x is 0, where it is -1/p."""
    log = x.log()
    return ((x == 0) & (power > 0)).select(1 / (power * power), log * log * like(x, 1).exprel_n(power * log))


def _inverse_box_cox(y: Expr, power: Any) -> Any:
    zero = power == 0
    return zero.select(y.exp(), ((y * power).log1p() / zero.select(1.0, power)).exp())


def _inverse_by_y(y: Expr, power: Any, out: Expr) -> Any:
    """(1 + p y)^(1/p - 1); at the end of the domain, where the power is 0, it is not that over 0."""
    base = 1 + power * y
    return (base == 0).select(base ** (1 / power - 1), out / base)


def _inverse_by_power(y: Expr, power: Any, out: Expr) -> Any:
    """out y² d/dt (log(1 + t)/t) at t = p y; at the end of the domain from log out = log(1 + p y)/p."""
    base = 1 + power * y
    end = _inverse_by_y(y, power, out) * y / power - out.mulz(base.log()) / power
    return (base == 0).select(end, out * y * y * like(y, 1).log1prel_n(power * y))


declare("boxcox", Special("boxcox"), 2, formula=_box_cox, singular=(0, 1), domain=(POSITIVE, ANY),
        partials=(lambda x, p, out: x ** (p - 1), _box_cox_by_power), steep=True)
# (1 + p y)^(1/p) = exp(y log1prel(p y))
declare("inv_boxcox", Special("inv_boxcox"), 2, formula=_inverse_box_cox, singular=(0, 1), domain=(POSITIVE, POSITIVE),
        partials=(_inverse_by_y, _inverse_by_power), steep=True)


# --- losses ---------------------------------------------------------------------------------------------------------------

def _pseudo_huber(delta: Any, r: Expr) -> Any:
    """δ² (sqrt(1 + (r/δ)²) - 1), without the difference: r² / (sqrt(1 + (r/δ)²) + 1)"""
    ratio = r / (delta == 0).select(1.0, delta)
    found = r.isinf().select(math.inf, r * r / ((ratio * ratio + 1).sqrt() + 1))
    return (delta < 0).select(math.inf, ((delta == 0) | (r == 0)).select(0, found))


# h - δ with h = sqrt(δ² + r²), without the difference; its slope by δ is δ/h - 1 = -(h - δ)/h
declare("hypot_excess", hypot_excess, 2, formula=lambda delta, r: r * r.mulz(1 / (delta.hypot(r) + delta)), singular=(0, 1),
        domain=(POSITIVE, ANY), doc="np.hypot(delta, r) - delta for delta >= 0, to the last digits.",
        partials=(lambda delta, r, out: -share_of(out, delta.hypot(r)), lambda delta, r, out: share_of(r, delta.hypot(r))))


def _by_delta(delta: Any, r: Expr, out: Expr) -> Any:
    """(h - δ)² / h"""
    excess = delta.hypot_excess(r)
    return excess * share_of(excess, delta.hypot(r))


def _by_residual(delta: Any, r: Expr, out: Expr) -> Any:
    """δ r/h, with the derivatives of r - r (h - δ)/h where r is small: by δ, those of δ r/h are differences of near equals."""
    size = delta.hypot(r)
    slope = delta * share_of(r, size)
    return slope.surrogate((r.abs() < delta).select(r - r * share_of(delta.hypot_excess(r), size), slope))


declare("pseudo_huber", Special("pseudo_huber"), 2, formula=_pseudo_huber, singular=(0, 1), domain=(POSITIVE, ANY),
        partials=(_by_delta, _by_residual))
