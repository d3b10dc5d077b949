"""Remainders as formulas; see math/functions.py."""
from __future__ import annotations

from .formula_builder import Math, V


def fmod(m: Math, x: V, y: V) -> V:
    """C's fmod, exact: |x| - q |y| with q = floor(|x| / |y|), and x's sign.

    The quotient is rounded once. Below 2^52 its error is less than 1/2 and it does not fall below a whole number that it has
    reached, so its floor is q or q + 1. Both |x| - q |y| and |x| - (q + 1) |y| are multiples of the last place of |y| (of |x|,
    where that is less: then q = 0) and at most |y|, so the fused step gives them exactly, and so is the sum that mends the
    second. Larger quotients, infinite |x| and y = 0 are left to libm.
    """
    a, b = m.abs(x), m.abs(y)
    quotient = a / b
    q = m.floor(quotient)
    r = m.fma(-q, b, a)
    r = m.select(r < 0.0, r + b, r)
    r = m.select(a < b, a, r)                             # b may be infinite
    return m.rare(quotient > 2.0 ** 52 - 1.0, m.copysign(r, x), "fmod", x, y)
