"""Powers whose exponent is half an odd number, as recipes: roots and products take a fifth of the time of a general power.

    x^(k + 1/2) = x^k sqrt(x)            x^-(k + 1/2) = 1 / x^(k + 1/2)

In f64 each step hands its rounding error on, so that the result errs by little more than 1/2 ulp, as C's pow does. With
s = sqrt(x) rounded and e = x - s s, which is exact, sqrt(x) = s + e / (2 s) up to e^2; so x^k (e / (2 s)) = x^(k-1) s e / 2.
Of a product p = a b the error is fma(a, b, -p), and of a reciprocal r = 1 / p it is r (1 - p r). A reciprocal is taken of x
times a power of two where x^(k + 1/2) would leave the range in which that is so, which its result does not do.

f32 is computed in f64, where nothing overflows, and rounded at the end.
"""
from __future__ import annotations

import math

from ...ir.ops.scalar_expansions import A, N, Node, const, eq, narrow, select, wide

HALVES = (1, 3, 5, 7)               # twice the exponents, or less, that are made so
_FMA = ("intrinsic", "fma")


def _fma(a: Node, b: Node, c: Node | float) -> Node:
    return N(_FMA, a, b, c)


def _abs(x: Node) -> Node:
    return N("abs", x)


def _product(x: Node, s: Node, n: int) -> tuple[Node, Node]:
    """x^(n/2) as (hi, lo), from s = sqrt(x)."""
    e = _fma(-s, s, x)
    if n == 1:
        return s, e / (s + s)
    half = e * 0.5
    hi, lo = x, None                                        # x^k
    for _ in range((n - 3) // 2):
        power = hi * x
        error = _fma(hi, x, -power)
        hi, lo, half = power, error if lo is None else _fma(lo, x, error), half * x
    out = hi * s
    low = _fma(half, s, _fma(hi, s, -out))
    return out, low if lo is None else _fma(lo, s, low)


def _positive(n: int) -> Node:
    """x^(n/2). Where it overflows the correction is NaN; (-inf)^(n/2) is inf, and (-0.0)^(1/2) is 0.0."""
    s = N("sqrt", A)
    if n == 1:
        out = s + 0.0
    else:
        hi, lo = _product(A, s, n)
        out = select(N("lt", hi, math.inf), hi + lo, hi)
    return select(eq(_abs(A), math.inf), math.inf, out)


def _negative(n: int) -> Node:
    """x^(-n/2). A result is a number where |log2 x| < 2 * 1076 / n: half of that is the limit from which x is scaled by as
    much. No root needs that."""
    limit, one = (1076 // n // 2 * 2 if n > 1 else 0), const(1.0)
    large, small = N("gt", A, 2.0 ** limit), N("lt", A, 2.0 ** -limit)
    x = A * select(large, 2.0 ** -limit, select(small, 2.0 ** limit, one)) if limit else A
    hi, lo = _product(x, N("sqrt", x), n)
    r = 1.0 / hi
    better = _fma(r, _fma(-hi, r, 1.0) - lo * r, r)
    if limit:
        better = better * select(large, 2.0 ** (-limit // 2 * n), select(small, 2.0 ** (limit // 2 * n), one))
    out = select(N("gt", hi, 0.0) & N("lt", r, math.inf) & N("lt", hi, math.inf), better, _abs(r))
    return select(eq(_abs(A), math.inf), 0.0, out)


def _short(n: int) -> Node:
    """The same of f32."""
    size = abs(n)
    x = wide(A)
    out = N("sqrt", x)
    for _ in range(size // 2):
        out = out * x
    out = narrow(1.0 / _abs(out) if n < 0 else out + 0.0)
    return select(eq(_abs(A), math.inf), math.inf if n > 0 else 0.0, out)


_SIGNED = [sign * n for n in HALVES for sign in (1, -1)]
# exponent -> (the rule for f64, for f32)
ROOT_POWERS = {n / 2: (_positive(n) if n > 0 else _negative(-n), _short(n)) for n in _SIGNED}
