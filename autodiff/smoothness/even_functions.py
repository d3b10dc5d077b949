"""Even functions of a kink r, as smooth functions of its square q.

    cos(r) = 1 - q/2 + q²/24 - …              r sin(r) = q (1 - q/6 + q²/120 - …)

where q = x² + y² and r = sqrt(q), or q = x² and r = |x|. The derivative of cos(r) by way of r is -sin(r) dr, of which dr has no
limit at 0: of a norm the first derivative is right there, as sin(r) is 0, and no other is. As a function of q it is smooth.
Near 0 that is the series, farther away the function of sqrt(q).
"""
from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from ...ir.build import Expr

_TERMS = 6
NEAR = 1e-3                   # the third derivative of the series errs by less than 1e-9 there, that of f(sqrt(q)) beyond


def _factorials(sign: int, odd: int) -> list[Fraction]:
    return [Fraction(sign**k, math.factorial(2 * k + odd)) for k in range(_TERMS)]


def _binomials(sign: int) -> list[Fraction]:
    """Of arcsin and arcsinh: (2k)! / (4^k k!² (2k+1))."""
    return [Fraction(sign**k * math.comb(2 * k, k), 4**k * (2 * k + 1)) for k in range(_TERMS)]


def _quotient(above: list[Fraction], below: list[Fraction]) -> list[Fraction]:
    found: list[Fraction] = []
    for k in range(_TERMS):
        found.append((above[k] - sum((found[j] * below[k - j] for j in range(k)), Fraction(0))) / below[0])
    return found


# f(r) = Σ a[k] q^k
EVEN = {"cos": _factorials(-1, 0), "cosh": _factorials(1, 0)}
# f(r) = r Σ a[k] q^k
ODD = {"sin": _factorials(-1, 1), "sinh": _factorials(1, 1),
       "tan": _quotient(_factorials(-1, 1), _factorials(-1, 0)), "tanh": _quotient(_factorials(1, 1), _factorials(1, 0)),
       "atan": [Fraction((-1)**k, 2 * k + 1) for k in range(_TERMS)],
       "atanh": [Fraction(1, 2 * k + 1) for k in range(_TERMS)],
       "asin": _binomials(1), "asinh": _binomials(-1),
       "erf": [Fraction((-1)**k, math.factorial(k) * (2 * k + 1)) * Fraction(2 / math.sqrt(math.pi)) for k in range(_TERMS)]}


def even(name: str, q: Expr) -> Expr:
    """f(sqrt(q)) of an even f."""
    return _near_and_far(EVEN[name], q, lambda r: getattr(r, name)())


def odd_share(name: str, q: Expr) -> Expr:
    """f(sqrt(q)) / sqrt(q) of an odd f."""
    return _near_and_far(ODD[name], q, lambda r: getattr(r, name)() / r)


def _near_and_far(coefficients: list[Fraction], q: Expr, far: Callable) -> Expr:
    near = q < NEAR
    small = near.select(q, 0)
    series = small * float(coefficients[-1])
    for a in reversed(coefficients[1:-1]):
        series = (series + float(a)) * small
    return near.select(series + float(coefficients[0]), far(near.select(1, q).sqrt()))
