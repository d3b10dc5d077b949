"""Exponentials, logarithms, hyperbolic functions and their inverses as formulas; see math/functions.py."""
from __future__ import annotations

import math
from collections.abc import Callable

from .formula_builder import Math, V

INF, NAN = math.inf, math.nan
LN2, LN2_ERR = 0.6931471805599453, 2.3190468138462996e-17
INV_LN2, INV_LN2_ERR = 1.4426950408889634, 2.0355273740931033e-17
INV_LN10, INV_LN10_ERR = 0.4342944819032518, 1.098319650216765e-17
LOG10_2_HI, LOG10_2_LO = 0.30102999566383914, 1.42050232272661e-13           # hi has 42 bits

# (e^r - 1 - r) / r^2 on |r| <= ln2/2, to 1.3e-17; for f32 to 7.8e-9
EXP = (0.5000000000000001, 0.16666666666666669, 0.04166666666662413, 0.008333333333330062, 0.0013888888917213717,
       0.00019841269863053618, 2.4801521295954376e-05, 2.7557268459997064e-06, 2.7620088445409746e-07, 2.510038549551032e-08)
# (e^r - 1 - r - r^2/2) / r^3 likewise, to 1e-18
EXP_CUBIC = (0.16666666666666669, 0.041666666666666664, 0.008333333333330062, 0.0013888888888886552, 0.00019841269863053618,
             2.4801587317144498e-05, 2.7557268459997064e-06, 2.755728296954995e-07, 2.510038549551032e-08,
             2.0911236630261545e-09)
EXP_SHORT = (0.5, 0.16666576989698775, 0.041666554617204574, 0.008363179052722578, 0.0013926183587713494)


# --- exponentials -----------------------------------------------------------------------------------------------------


def clamp(m: Math, x: V, low: float, high: float) -> V:
    """x between the limits; NaN stays NaN."""
    x = m.select(x > high, high, x)
    return m.select(x < low, low, x)


def vanishing(m: Math, x: V, low: float, function: Callable[[V], V]) -> V:
    """A function that is 0, rounded, below `low`, without a step by numbers of less than the least normal one: these take some
    processors a hundred times as long as others."""
    gone = x < low
    return m.select(gone, 0.0, function(m.select(gone, 0.0, x)))


def nearest(m: Math, x: V) -> tuple[V, V]:
    """The nearest integer, as a float and as an integer, of |x| < 2^51 (2^22)."""
    t = x + m.format.shift
    return t - m.format.shift, m.bits(t) - m.format.shift_bits


def power_of_two(m: Math, k: V) -> V:
    """2^k, for k from -1022 to 1023 (-126 to 127)."""
    return m.as_float((k + m.format.bias) << m.format.mantissa)


def scale(m: Math, x: V, k: V) -> V:
    """x 2^k in two steps, so that k may leave the range of exponents; one rounding, also where the result is subnormal."""
    half = k >> 1
    return x * power_of_two(m, half) * power_of_two(m, k - half)


def reduce_exp(m: Math, x: V, half: V | None = None) -> tuple[V, V, V]:
    """(k, r, r's rounding error) with x = k ln2 + r and |r| <= ln2/2. half: x / 2, where that is at hand sooner."""
    t = m.fma(x, INV_LN2, m.format.shift) if half is None else m.fma(half, 2.0 * INV_LN2, m.format.shift)
    k, n = t - m.format.shift, m.bits(t) - m.format.shift_bits
    hi, lo = m.format.ln2
    high = m.fma(k, -hi, x)
    r = m.fma(k, -lo, high)
    return n, r, m.fma(k, -lo, high - r)


def exp_polynomial(m: Math, r: V) -> V:
    return m.poly(r, m.pick(EXP, EXP_SHORT))


def exp(m: Math, x: V) -> V:
    """0 from the logarithm of half of the least number on, -745.133 (-103.972)."""
    return vanishing(m, x, m.choose(-745.14, -103.98), lambda x: _exp(m, x))


def _exp(m: Math, x: V) -> V:
    largest = m.choose(710.0, 89.0)
    n, r, error = reduce_exp(m, m.select(x > largest, largest, x))
    return scale(m, (m.fma(r * r, exp_polynomial(m, r), error) + r) + 1.0, n)


def exp2(m: Math, x: V) -> V:
    """0 below the logarithm of half of the least number; at it the even one of 0 and that number is 0, too."""
    return vanishing(m, x, m.choose(-1075.0, -150.0), lambda x: _exp2(m, x))


def _exp2(m: Math, x: V) -> V:
    """2^x = 2^k e^(r ln2), r = x - k exactly; r ln2 as (z, its error)."""
    x = m.select(x > 1025.0, 1025.0, x)
    k, n = nearest(m, x)
    r = x - k
    z = r * LN2
    low = m.fma(r, LN2_ERR, m.fma(r, LN2, -z))
    return scale(m, (m.fma(z * z, exp_polynomial(m, z), low) + z) + 1.0, n)


def expm1_parts(m: Math, x: V, halvings: int) -> tuple[V, V]:
    """(e^x - 1) / 2^halvings as (hi, lo), for -60 <= x, and e^x / 2^halvings below overflow."""
    first, rest = expm1_terms(m, reduce_exp(m, x), halvings)
    hi = first + rest
    return hi, (first - hi) + rest


def expm1_terms(m: Math, reduced: tuple[V, V, V], halvings: int) -> tuple[V, V]:
    """The same as a sum whose first term is there early; the other one is less than a hundredth of it.

        e^r - 1 = q = r + r^2/2 + r^3 P;    2^k (q + 1) - 1 = (2^k - 1) + 2^k q: the sums with their rounding errors
    """
    n, r, error = reduced
    square = r * r
    q = m.fma(square, 0.5, r)
    cube = m.pick(EXP_CUBIC, EXP_CUBIC[:6])
    q_low = m.fma(square, 0.5, r - q) + m.fma(m.fma(r, r, -square), 0.5, error)
    s = power_of_two(m, n - halvings)
    large, small = s - 2.0 ** -halvings, s * q
    first = large + small
    return first, m.fma(s * (r * square), m.poly(r, cube), m.fma(s, q_low, (large - first) + small))


def expm1(m: Math, x: V) -> V:
    hi, lo = expm1_parts(m, clamp(m, x, -60.0, m.choose(710.0, 89.0)), 1)
    return m.select(m.abs(x) < m.choose(2.0 ** -54, 2.0 ** -25), x, (hi + lo) * 2.0)


def tanh(m: Math, x: V) -> V:
    """t / (t + 2) with t = e^(2|x|) - 1, the quotient corrected by its remainder. In a recurrence each value waits for the one
    before, so what can be is computed beside the polynomial, and beside the division."""
    a = m.abs(x)
    largest = m.choose(22.0, 10.0)
    a = m.select(a > largest, largest, a)
    first, rest = expm1_terms(m, reduce_exp(m, a + a, a), 0)
    early = first + 2.0
    back = early - first
    early_low = (first - (early - back)) + (2.0 - back)
    d = early + rest
    inverse = 1.0 / d
    d_low = ((early - d) + rest) + early_low
    hi = first + rest
    lo = (first - hi) + rest
    q = hi * inverse
    left = m.fma(-q, d, hi) + m.fma(-q, d_low, lo)
    return m.copysign(m.fma(left, inverse, q), x)


def sinh(m: Math, x: V) -> V:
    """h + h / (2h + 1) with h = (e^|x| - 1) / 2, computed as twice its half: e^|x| overflows before sinh does."""
    a = m.abs(x)
    hi, lo = expm1_parts(m, m.select(a > 710.5, 710.5, a), 2)
    h = (hi + lo) * 2.0
    out = m.select(a > 40.0, h, hi * 2.0 + m.fma(lo, 2.0, h / m.fma(h, 2.0, 1.0)))
    return m.select(a < 2.0 ** -28, x, m.copysign(out, x))


def cosh(m: Math, x: V) -> V:
    """h + 1 / (4h) with h = e^|x| / 2."""
    a = m.abs(x)
    n, r, error = reduce_exp(m, m.select(a > 711.0, 711.0, a))
    h = scale(m, (m.fma(r * r, exp_polynomial(m, r), error) + r) + 1.0, n - 1)
    return h + 0.25 / h


# --- logarithms -------------------------------------------------------------------------------------------------------

# (2 atanh(s) - 2s) / s^3 as a polynomial in s^2, |s| <= 0.1716, to 1e-17; for f32 to 3.4e-11
LOG = (0.666666666666667, 0.39999999999899444, 0.2857142862600327, 0.22222211130259878, 0.18182889455674947,
       0.15331710618210773, 0.14616585424888623)
LOG_SHORT = (0.6666666655445165, 0.40000121876972, 0.2855081659971155, 0.23330581938241893)


def split_log(m: Math, u: V) -> tuple[V, V, V]:
    """(k as a float, k as an integer, f) with u = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2), for a normal u > 0."""
    bits = m.bits(u)
    n = (bits - m.format.sqrt_half) >> m.format.mantissa
    k = m.as_float(n + m.format.shift_bits) - m.format.shift
    return k, n, m.as_float(bits - (n << m.format.mantissa)) - 1.0


def normal(m: Math, x: V) -> tuple[V, V]:
    """(x, 0), or (x 2^54, -54) where x is subnormal; the second is to be added to the exponent."""
    small = x < m.choose(2.0 ** -1022, 2.0 ** -126)
    return m.select(small, x * 2.0 ** 54, x), m.select(small, -54.0, m.const(0.0))


def log_tail(m: Math, f: V) -> tuple[V, V]:
    """(f^2 / 2, t) with log(1 + f) = f - (f^2/2 - t):  t = s (f^2/2 + R), s = f / (2 + f), 2 atanh(s) = 2s + s R."""
    s = f / (f + 2.0)
    z = s * s
    half = f * f * 0.5
    return half, s * m.fma(z, m.poly(z, m.pick(LOG, LOG_SHORT)), half)


def log_fixed(m: Math, x: V, zero_at: float, out: V) -> V:
    """The special values of a logarithm: -inf at `zero_at`, NaN below it, inf and NaN as they are."""
    out = m.select(x < INF, out, x)
    return m.select(x <= zero_at, m.select(m.eq(x, zero_at), -INF, m.const(NAN)), out)


def log_sum(m: Math, k: V, f: V, more: float | V = 0.0) -> V:
    """k ln2 + log(1 + f) + more, `more` being small."""
    half, t = log_tail(m, f)
    hi, lo = m.format.ln2
    return m.fma(k, hi, -((half - (t + m.fma(k, lo, m.const(more)))) - f))


def log(m: Math, x: V) -> V:
    u, shift = normal(m, x)
    k, _, f = split_log(m, u)
    return log_fixed(m, x, 0.0, log_sum(m, k + shift, f))


def log_other_base(m: Math, x: V, inverse: float, inverse_error: float, unit: float, unit_error: float) -> V:
    """log(x) / log(base) with log(1 + f) as (hi, lo); `unit` is log(2) / log(base), short enough for k unit to be exact."""
    u, shift = normal(m, x)
    k, _, f = split_log(m, u)
    k = k + shift
    half, t = log_tail(m, f)
    hi = f - half
    lo = ((f - hi) - half) + t
    p = hi * inverse
    p_low = m.fma(lo, inverse, m.fma(hi, inverse_error, m.fma(hi, inverse, -p)))
    whole = k * unit
    out = whole + p
    return log_fixed(m, x, 0.0, out + (((whole - out) + p) + m.fma(k, unit_error, p_low)))


def log2(m: Math, x: V) -> V:
    return log_other_base(m, x, INV_LN2, INV_LN2_ERR, 1.0, 0.0)


def log10(m: Math, x: V) -> V:
    return log_other_base(m, x, INV_LN10, INV_LN10_ERR, LOG10_2_HI, LOG10_2_LO)


def log1p_sum(m: Math, hi: V, lo: float | V, doublings: V | None = None) -> V:
    """log(1 + hi + lo) + doublings ln2, for hi >= 0 or |lo| a rounding error of hi.

    u = 1 + hi; what the sum lost, c, enters as c / u = (c / 2^k) / (1 + f), and 1 / (1 + f) = 1 - f + f^2 - f^3 suffices.
    """
    u = hi + 1.0
    back = u - hi
    c = ((hi - (u - back)) + (1.0 - back)) + lo
    k, n, f = split_log(m, u)
    c = scale(m, c, 0 - n)
    inverse = m.fma(f, m.fma(f, 1.0 - f, -1.0), 1.0)
    return log_sum(m, k if doublings is None else k + doublings, f, c * inverse)


def log1p(m: Math, x: V) -> V:
    out = log_fixed(m, x, -1.0, log1p_sum(m, x, 0.0))
    return m.select(m.abs(x) < m.choose(2.0 ** -54, 2.0 ** -25), x, out)


def asinh(m: Math, x: V) -> V:
    """log1p(a + a^2 / (1 + sqrt(1 + a^2))); log(2a) from 2^500 on."""
    a = m.abs(x)
    large = a > 2.0 ** 500
    b = m.select(large, 1.0, a)
    square = b * b
    w = square / (m.sqrt(square + 1.0) + 1.0)
    t = b + w
    out = log1p_sum(m, m.select(large, a, t), m.select(large, 0.0, (b - t) + w), m.select(large, 1.0, m.const(0.0)))
    out = m.select(a < INF, out, a)
    return m.select(a < 2.0 ** -28, x, m.copysign(out, x))


def acosh(m: Math, x: V) -> V:
    """log1p(t + sqrt(2t + t^2)), t = x - 1; log(2x) from 2^500 on."""
    large = x > 2.0 ** 500
    t = m.select(large, 1.0, x - 1.0)
    w = m.sqrt(m.fma(t, t, t + t))
    y = t + w
    error = (w - y) + t                                           # w >= t
    out = log1p_sum(m, m.select(large, x, y), m.select(large, 0.0, error), m.select(large, 1.0, m.const(0.0)))
    out = m.select(x < INF, out, x)
    return m.select(x < 1.0, NAN, out)


def atanh(m: Math, x: V) -> V:
    """log1p(2a / (1 - a)) / 2, the quotient with its remainder."""
    a = m.abs(x)
    d = 1.0 - a
    d_low = (1.0 - d) - a
    q = (a + a) / d
    rest = (m.fma(-q, d, a + a) - q * d_low) / d
    out = log1p_sum(m, q, rest) * 0.5
    out = m.select(m.eq(a, 1.0), INF, m.select(a > 1.0, NAN, out))
    return m.select(a < 2.0 ** -28, x, m.copysign(out, x))
