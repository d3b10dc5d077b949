"""The formulas of vecmath: reduce the argument, evaluate a polynomial, undo the reduction, put special values right by selects.

`m` is a vecbuilder.Math; everything is f64. Polynomials are Chebyshev fits on the reduced range; the comment at each gives
what it approximates and how well, relative to the function. A sum written as (hi, lo) is their unevaluated exact sum.
Each formula's error, against mpmath over its whole range, stands in tests/test_vecmath.py.
"""
from __future__ import annotations

import math

from .vecbuilder import Math, V

INF, NAN = math.inf, math.nan
SHIFT = 6755399441055744.0                  # 1.5 * 2^52: adding it rounds to an integer, which the low bits then hold
SHIFT_BITS = 0x4338000000000000
LN2_HI, LN2_LO = 6.93147180369123816490e-01, 1.90821492927058770002e-10        # hi has 32 bits: k hi is exact
LN2, LN2_ERR = 0.6931471805599453, 2.3190468138462996e-17
INV_LN2, INV_LN2_ERR = 1.4426950408889634, 2.0355273740931033e-17
INV_LN10, INV_LN10_ERR = 0.4342944819032518, 1.098319650216765e-17
LOG10_2_HI, LOG10_2_LO = 0.30102999566383914, 1.42050232272661e-13           # hi has 42 bits

# (e^r - 1 - r) / r^2 on |r| <= ln2/2, to 1.3e-17; for f32 to 7.8e-9
EXP = (0.5000000000000001, 0.16666666666666669, 0.04166666666662413, 0.008333333333330062, 0.0013888888917213717,
       0.00019841269863053618, 2.4801521295954376e-05, 2.7557268459997064e-06, 2.7620088445409746e-07, 2.510038549551032e-08)
# (e^r - 1 - r - r^2/2) / r^3 likewise, to 1e-18
EXP_CUBIC = (0.16666666666666669, 0.041666666666666664, 0.008333333333330062, 0.0013888888888886552, 0.00019841269863053618,
             2.4801587317144498e-05, 2.7557268459997064e-06, 2.755728296954995e-07, 2.510038549551032e-08, 2.0911236630261545e-09)
EXP_SHORT = (0.5, 0.16666576989698775, 0.041666554617204574, 0.008363179052722578, 0.0013926183587713494)


# --- exponentials -----------------------------------------------------------------------------------------------------


def clamp(m: Math, x: V, low: float, high: float) -> V:
    """x between the limits; NaN stays NaN."""
    x = m.select(x > high, high, x)
    return m.select(x < low, low, x)


def nearest(m: Math, x: V) -> tuple[V, V]:
    """The nearest integer, as f64 and i64, of |x| < 2^51."""
    t = x + SHIFT
    return t - SHIFT, m.bits(t) - SHIFT_BITS


def power_of_two(m: Math, k: V) -> V:
    """2^k, for k from -1022 to 1023."""
    return m.float((k + 1023) << 52)


def scale(m: Math, x: V, k: V) -> V:
    """x 2^k in two steps, so that k may leave the range of exponents; one rounding, also where the result is subnormal."""
    half = k >> 1
    return x * power_of_two(m, half) * power_of_two(m, k - half)


def reduce_exp(m: Math, x: V) -> tuple[V, V, V]:
    """(k, r, r's rounding error) with x = k ln2 + r and |r| <= ln2/2."""
    k, n = nearest(m, x * INV_LN2)
    high = m.fma(k, -LN2_HI, x)
    r = m.fma(k, -LN2_LO, high)
    return n, r, m.fma(k, -LN2_LO, high - r)


def exp_polynomial(m: Math, r: V) -> V:
    return m.poly(r, m.pick(EXP, EXP_SHORT))


def exp(m: Math, x: V) -> V:
    n, r, error = reduce_exp(m, clamp(m, x, -746.0, 710.0))
    return scale(m, (m.fma(r * r, exp_polynomial(m, r), error) + r) + 1.0, n)


def exp2(m: Math, x: V) -> V:
    """2^x = 2^k e^(r ln2), r = x - k exactly; r ln2 as (z, its error)."""
    x = clamp(m, x, -1080.0, 1025.0)
    k, n = nearest(m, x)
    r = x - k
    z = r * LN2
    low = m.fma(r, LN2_ERR, m.fma(r, LN2, -z))
    return scale(m, (m.fma(z * z, exp_polynomial(m, z), low) + z) + 1.0, n)


def expm1_parts(m: Math, x: V, halvings: int) -> tuple[V, V]:
    """(e^x - 1) / 2^halvings as (hi, lo), for -60 <= x, and e^x / 2^halvings below overflow.

        e^r - 1 = q = r + r^2/2 + r^3 P;    2^k (q + 1) - 1 = (2^k - 1) + 2^k q: the sums with their rounding errors
    """
    n, r, error = reduce_exp(m, x)
    square = r * r
    q = m.fma(square, 0.5, r)
    cube = m.pick(EXP_CUBIC, EXP_CUBIC[:6])
    q_low = m.fma(square, 0.5, r - q) + m.fma(r * square, m.poly(r, cube), m.fma(m.fma(r, r, -square), 0.5, error))
    s = power_of_two(m, n - halvings)
    large, small = s - 2.0 ** -halvings, s * q
    first = large + small
    rest = m.fma(s, q_low, (large - first) + small)
    hi = first + rest
    return hi, (first - hi) + rest


def expm1(m: Math, x: V) -> V:
    hi, lo = expm1_parts(m, clamp(m, x, -60.0, 710.0), 1)
    return m.select(m.abs(x) < 2.0 ** -54, x, (hi + lo) * 2.0)


def tanh(m: Math, x: V) -> V:
    """t / (t + 2) with t = e^(2|x|) - 1, the quotient corrected by its remainder."""
    a = m.abs(x)
    hi, lo = expm1_parts(m, m.select(a > 22.0, 22.0, a) * 2.0, 0)
    d = hi + 2.0
    back = d - hi
    d_low = ((hi - (d - back)) + (2.0 - back)) + lo
    inverse = 1.0 / d
    q = hi * inverse
    rest = m.fma(-q, d, hi) + m.fma(-q, d_low, lo)
    return m.copysign(m.fma(rest, inverse, q), x)


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
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD


def split_log(m: Math, u: V) -> tuple[V, V, V]:
    """(k as f64, k as i64, f) with u = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2), for a normal u > 0."""
    bits = m.bits(u)
    n = (bits - SQRT_HALF_BITS) >> 52
    k = m.float(n + SHIFT_BITS) - SHIFT
    return k, n, m.float(bits - (n << 52)) - 1.0


def normal(m: Math, x: V) -> tuple[V, V]:
    """(x, 0), or (x 2^54, -54) where x is subnormal; the second is to be added to the exponent."""
    small = x < 2.0 ** -1022
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


def log_sum(m: Math, k: V, f: V, more=0.0) -> V:
    """k ln2 + log(1 + f) + more, `more` being small."""
    half, t = log_tail(m, f)
    return m.fma(k, LN2_HI, -((half - (t + m.fma(k, LN2_LO, m.const(more)))) - f))


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


def log1p_sum(m: Math, hi: V, lo, doublings: V | None = None) -> V:
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
    return m.select(m.abs(x) < 2.0 ** -54, x, out)


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


# --- circular functions -----------------------------------------------------------------------------------------------

# pi/2 in three parts of 53 bits
HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)
LARGEST = 2.0 ** 30          # beyond, libm's exact reduction
# (sin r - r) / r^3 and (cos r - 1 + r^2/2) / r^4 as polynomials in r^2, |r| <= pi/4, to 1.3e-17 and 5e-19; for f32 to 2e-8
SIN = (-0.16666666666666666, 0.008333333333330936, -0.00019841269836740532, 2.7557316093198404e-06, -2.5051129896450185e-08,
       1.5917988979397435e-10)
COS = (0.041666666666666664, -0.0013888888888887389, 2.48015872987544e-05, -2.755731726587808e-07, 2.087614504941318e-09,
       -1.138254464534925e-11)
SIN_SHORT = (-0.16666664656312208, 0.00833274710466453, -0.0001958763909873762)
COS_SHORT = (0.04166665465348879, -0.001388830186756237, 2.454768977246003e-05)


def quarter_turns(m: Math, x: V) -> tuple[V, V, V]:
    """(n, sin r, cos r) with x = n pi/2 + r, |r| <= pi/4. The first product is exact; r is (hi, lo)."""
    k, n = nearest(m, x * (2 / math.pi))
    first = m.fma(k, -HALF_PI[0], x)
    t = k * HALF_PI[1]
    r = first - t
    lo = m.fma(k, -HALF_PI[2], ((first - r) - t) - m.fma(k, HALF_PI[1], -t))
    z = r * r
    half = z * 0.5
    sine = r + m.fma(z * r, m.poly(z, m.pick(SIN, SIN_SHORT)), lo * (1.0 - half))
    whole = 1.0 - half
    cosine = whole + (((1.0 - whole) - half) + m.fma(z * z, m.poly(z, m.pick(COS, COS_SHORT)), -(r * lo)))
    return n, sine, cosine


def negated(m: Math, x: V, bit: V) -> V:
    """-x where bit 1 of an integer is set."""
    return m.float(m.bits(x) ^ ((bit & 2) << 62))


def odd(m: Math, n: V) -> V:
    return m.eq(n & 1, 1)


def sin(m: Math, x: V) -> V:
    a = m.abs(x)
    n, s, c = quarter_turns(m, x)
    out = m.select(a < 2.0 ** -26, x, negated(m, m.select(odd(m, n), c, s), n))
    return m.rare(a > LARGEST, out, "sin", x)


def cos(m: Math, x: V) -> V:
    n, s, c = quarter_turns(m, x)
    return m.rare(m.abs(x) > LARGEST, negated(m, m.select(odd(m, n), s, c), n + 1), "cos", x)


def tan(m: Math, x: V) -> V:
    a = m.abs(x)
    n, s, c = quarter_turns(m, x)
    turned = odd(m, n)
    out = m.select(turned, -c, s) / m.select(turned, s, c)
    return m.rare(a > LARGEST, m.select(a < 2.0 ** -26, x, out), "tan", x)


# (atan t - t) / t^3 as a polynomial in t^2, |t| <= tan(pi/8), to 2e-19; for f32 to 5e-10
ATAN = (-0.3333333333333333, 0.199999999999998, -0.14285714285659326, 0.11111111105106705, -0.09090908751076636,
        0.0769229630497447, -0.06666423628069258, 0.058789145444006215, -0.052303478730160745, 0.04551108126325172,
        -0.034558092551413795, 0.01627194475162406)
ATAN_SHORT = (-0.33333333278951577, 0.19999977153974205, -0.14284145548273774, 0.11071260444313767, -0.08623896669600505,
              0.05046128167603517)
QUARTER_PI = (0.7853981633974483, 3.061616997868383e-17)
PI = (3.141592653589793, 1.2246467991473532e-16)


def atan_parts(m: Math, a: V) -> tuple[V, V]:
    """atan(a) as (hi, lo) for a >= 0.

    a > tan(3pi/8): pi/2 + atan(t), t = -1/a;  a > tan(pi/8): pi/4 + atan(t), t = (a-1)/(a+1);  else t = a. The quotient's
    remainder over the divisor is t's error: 1/a = -t, 1/(a+1) = (1-t)/2.
    """
    high, middle = a > 2.414213562373095, a > 0.41421356237309503
    num = m.select(high, -1.0, m.select(middle, a - 1.0, a))
    den = m.select(high, a, m.select(middle, a + 1.0, m.const(1.0)))
    t = num / den
    lost = m.fma(a - (den - 1.0), t, -(a - (num + 1.0)))              # of both sums, where there are any
    rest = m.fma(-t, den, num) - m.select(middle & ~high, lost, 0.0)
    error = rest * m.select(high, -t, m.fma(t, -0.5, 0.5))
    error = m.select(middle & (a < INF), error, m.const(0.0))
    z = t * t
    tail = m.fma(z * t, m.poly(z, m.pick(ATAN, ATAN_SHORT)), error)
    base = m.select(high, 2 * QUARTER_PI[0], m.select(middle, QUARTER_PI[0], m.const(0.0)))
    base_low = m.select(high, 2 * QUARTER_PI[1], m.select(middle, QUARTER_PI[1], m.const(0.0)))
    hi = base + t
    return hi, ((base - hi) + t) + (tail + base_low)


def atan(m: Math, x: V) -> V:
    hi, lo = atan_parts(m, m.abs(x))
    return m.copysign(hi + lo, x)


def atan2(m: Math, y: V, x: V) -> V:
    """atan(|y| / |x|), from pi where x is negative, with y's sign. 0/0 counts as 0, inf/inf as 1."""
    a, b = m.abs(y), m.abs(x)
    q = m.select(m.eq(a, b), m.select(m.eq(a, 0.0), m.const(0.0), m.const(1.0)), a / b)
    hi, lo = atan_parts(m, q)
    left = m.copysign(1.0, x) < 0.0
    turned = PI[0] - hi
    turned_low = ((PI[0] - turned) - hi) + (PI[1] - lo)
    out = m.select(left, turned + turned_low, hi + lo)
    out = m.select(m.compare("lt", a + b, INF) | (a >= 0.0) & (b >= 0.0), out, a + b)       # NaN of either
    return m.copysign(out, y)


# asin(s) = s + s z P(z) / Q(z), z = s^2 <= 1/4 (fdlibm)
ASIN_P = (1.66666666666666657415e-01, -3.25565818622400915405e-01, 2.01212532134862925881e-01, -4.00555345006794114027e-02,
          7.91534994289814532176e-04, 3.47933107596021167570e-05)
ASIN_Q = (1.0, -2.40339491173441421878e+00, 2.02094576023350569471e+00, -6.88283971605453293030e-01,
          7.70381505559019352791e-02)
HALF = (1.5707963267948966, 6.123233995736766e-17)


def asin_parts(m: Math, x: V) -> tuple[V, V, V, V, V]:
    """(wide, s, its error, asin(s) - s, |x|): s = |x|, or sqrt((1 - |x|) / 2) where |x| >= 1/2: asin|x| = pi/2 - 2 asin(s)."""
    a = m.abs(x)
    wide = a >= 0.5
    z = m.select(wide, (1.0 - a) * 0.5, a * a)
    root = m.sqrt(z)
    s = m.select(wide, root, a)
    nonzero = m.select(m.eq(root, 0.0), m.const(1.0), root)
    error = m.select(wide, m.fma(-root, root, z) / (nonzero + nonzero), m.const(0.0))
    return wide, s, error, s * z * (m.poly(z, ASIN_P) / m.poly(z, ASIN_Q)), a


def asin(m: Math, x: V) -> V:
    wide, s, error, rest, a = asin_parts(m, x)
    hi = HALF[0] - (s + s)
    lo = ((HALF[0] - hi) - (s + s)) + (HALF[1] - 2.0 * (rest + error))
    out = m.select(wide, hi + lo, s + rest)
    return m.copysign(m.select(a > 1.0, NAN, out), x)


def acos(m: Math, x: V) -> V:
    """2 asin(s) for x >= 1/2, pi - 2 asin(s) for x <= -1/2, else pi/2 - asin(x)."""
    wide, s, error, rest, a = asin_parts(m, x)
    negative = x < 0.0
    double, double_rest = s + s, 2.0 * (rest + error)
    hi = PI[0] - double
    left = hi + (((PI[0] - hi) - double) + (PI[1] - double_rest))
    signed, signed_rest = m.select(negative, -s, s), m.select(negative, -rest, rest)
    mid = HALF[0] - signed
    middle = mid + (((HALF[0] - mid) - signed) + (HALF[1] - signed_rest))
    out = m.select(wide, m.select(negative, left, double + double_rest), middle)
    return m.select(a <= 1.0, out, NAN)



# --- powers and roots -------------------------------------------------------------------------------------------------

# (2 atanh(s) - 2s - 2/3 s^3) / s^5 as a polynomial in s^2, |s| <= 0.1716, to 2.4e-19
POW_LOG = (0.40000000000000024, 0.2857142857133851, 0.2222222227110234, 0.18181808247544543, 0.15385574796462032,
           0.13285957435193352, 0.1291361767218225)
TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)


def log_double(m: Math, a: V) -> tuple[V, V]:
    """log(a) as (hi, lo), about 66 bits, for 0 < a < inf.

    2s + s^3 (2/3 + s^2 P), s = f / (2 + f): s with its remainder (1 / (2 + f) = (1 - s) / 2), then each product and sum with its
    rounding error as far as it counts.
    """
    u, shift = normal(m, a)
    k, _, f = split_log(m, u)
    k = k + shift
    d = f + 2.0
    s = f / d
    s_low = (m.fma(-s, d, f) - s * (f - (d - 2.0))) * m.fma(s, -0.5, 0.5)
    z = s * s
    z_low = m.fma(s, s, -z) + 2.0 * (s * s_low)
    tail = z * m.poly(z, POW_LOG)
    c = tail + TWO_THIRDS[0]
    c_low = ((TWO_THIRDS[0] - c) + tail) + TWO_THIRDS[1]
    cube = s * z
    cube_low = m.fma(s, z, -cube) + m.fma(s, z_low, s_low * z)
    rest = cube * c
    rest_low = m.fma(cube, c, -rest) + m.fma(cube, c_low, cube_low * c)
    double = s + s
    part = double + rest
    part_low = ((double - part) + rest) + (rest_low + (s_low + s_low))
    whole = k * LN2_HI
    out = whole + part
    low = ((whole - out) + part) + m.fma(k, LN2_LO, part_low)
    return out + low, (out - (out + low)) + low


def exp_double(m: Math, hi: V, lo: V) -> tuple[V, V, V]:
    """(n, p, q): e^(hi + lo) = 2^n (p + q), for a small lo."""
    n, first, error = reduce_exp(m, clamp(m, hi, -746.0, 710.0))
    lo = error + lo
    r = first + lo
    y = m.fma(r * r, exp_polynomial(m, r), (first - r) + lo) + r
    p = y + 1.0
    return n, p, (1.0 - p) + y


def pow(m: Math, x: V, y: V) -> V:
    """e^(y log|x|), then the cases of C's pow."""
    a = m.abs(x)
    hi, lo = log_double(m, a)
    e = y * hi
    e_low = m.fma(y, lo, m.fma(y, hi, -e))
    n, out, _ = exp_double(m, e, m.select(m.abs(e) < 800.0, e_low, 0.0))
    out = scale(m, out, n)
    falls = y < 0.0
    out = m.select(m.eq(a, 0.0), m.select(falls, INF, m.const(0.0)), out)
    out = m.select(m.eq(a, INF), m.select(falls, 0.0, m.const(INF)), out)
    out = m.select(m.eq(a, 1.0), 1.0, out)
    whole, half = m.eq(m.floor(y), y), y * 0.5
    is_odd = whole & ~m.eq(m.floor(half), half)
    out = m.select(is_odd, m.copysign(out, x), out)
    out = m.select((x < 0.0) & ~whole & (a < INF), NAN, out)
    both = x + y
    out = m.select(m.eq(a, a) & m.eq(y, y), out, both)
    return m.select(m.eq(y, 0.0) | m.eq(x, 1.0), 1.0, out)


# cbrt on [1, 2], to 1.3e-5
CBRT = (0.5092481335492415, 0.7117423866025924, -0.2939541180848237, 0.08307903547963541, -0.010102212336338642)


def cbrt(m: Math, x: V) -> V:
    """Of 2^(3q + j) g, 1 <= g < 2: a polynomial, a step of Halley's method, one of Newton's with y^3 to twice the precision."""
    a = m.abs(x)
    u, shift = normal(m, a)
    bits = m.bits(u)
    k = bits >> 52
    g = m.float(bits - ((k - 1023) << 52))
    q = m.floor((m.float(k + SHIFT_BITS) - SHIFT - 1022.5) * (1 / 3))
    _, whole = nearest(m, q)
    j = (k - 1023) - (whole + whole + whole)
    first, second = m.eq(j, 1), m.eq(j, 2)
    g_root = m.poly(g, CBRT) * m.select(second, 1.5874010519681996, m.select(first, 1.2599210498948732, m.const(1.0)))
    v = g * m.select(second, 4.0, m.select(first, 2.0, m.const(1.0)))
    y = g_root
    cube = y * y * y
    y = y * (m.fma(v, 2.0, cube) / m.fma(cube, 2.0, v))
    square = y * y
    cube = square * y
    cube_low = m.fma(square, y, -cube) + m.fma(y, y, -square) * y
    y = y + ((v - cube) - cube_low) / (square * 3.0)
    _, back = nearest(m, shift * (1 / 3))
    out = m.copysign(y * power_of_two(m, whole + back), x)
    return m.select((a < INF) & (a > 0.0), out, x)


def hypot(m: Math, x: V, y: V) -> V:
    """sqrt(a^2 + b^2) of scaled operands, the sum to twice the precision, with a step of Newton's method. inf wins over NaN."""
    x, y = m.abs(x), m.abs(y)
    swap = x < y
    a, b = m.select(swap, y, x), m.select(swap, x, y)
    large, small = a > 2.0 ** 500, a < 2.0 ** -400
    factor = m.select(large, 2.0 ** -600, m.select(small, 2.0 ** 600, m.const(1.0)))
    undo = m.select(large, 2.0 ** 600, m.select(small, 2.0 ** -600, m.const(1.0)))
    a, b = a * factor, b * factor
    p, q = a * a, b * b
    total = p + q
    low = ((p - total) + q) + (m.fma(a, a, -p) + m.fma(b, b, -q))
    h = m.sqrt(total)
    better = h + (m.fma(-h, h, total) + low) / (h + h)
    out = m.select(m.eq(total, 0.0), 0.0, better) * undo
    return m.select(m.eq(x, INF) | m.eq(y, INF), INF, out)


# --- the error function -----------------------------------------------------------------------------------------------

# erf(x) / x - 1 in x^2, |x| <= 0.905, to 7e-19 (for f32 to 1.3e-8); (1 + 2x) e^(x^2) erfc(x) in (x - 3) / (x + 3),
# 0.45 <= x <= 28, to 4e-18 (for f32 to 6e-9)
ERF = (0.1283791670955126, -0.37612638903183726, 0.11283791670953626, -0.02686617064478925, 0.005223977621408321,
       -0.0008548326742384589, 0.00012055320546050548, -1.4925287257284608e-05, 1.645501388992068e-06,
       -1.627349929764496e-07, 1.4035072777069241e-08, -8.455672762838276e-10)
ERF_SHORT = (0.1283791538300037, -0.37612522255855985, 0.11282119550049277, -0.02677780550021477, 0.005009903781113329,
             -0.0006077778281572684)
ERFCX = (1.2530080582697296, -0.13562110612458117, -0.04756229435345069, 0.12964515870275992, -0.11927366341531172,
         0.0683080273440331, -0.023770514918556238, 0.0025293918146319454, 0.001888690357008306, -0.0007798322535249472,
         -0.00010515976842654433, 0.0001250992136022878, 4.9492347360956755e-06, -2.0099922580094685e-05,
         -7.303431788850293e-07, 3.4704763768340144e-06, 3.5349863091448884e-07, -6.128754926539542e-07,
         -1.3567738403155552e-07, 9.725436494084162e-08, 3.5489820960622545e-08, -1.0096333797401699e-08,
         -4.819971581991126e-09)
ERFCX_SHORT = (1.2530080556858665, -0.13562103525531283, -0.047562034568258874, 0.12964275292224214, -0.1192777623762031,
               0.06833124539831337, -0.023748091018804374, 0.002436119692488162, 0.0018383617111689644, -0.0006101123778455432,
               -6.330131227237581e-05)


def erf_near(m: Math, x: V) -> V:
    z = x * x
    return m.fma(x, m.poly(z, m.pick(ERF, ERF_SHORT)), x)


def erfc_far(m: Math, a: V) -> V:
    """erfc(a) for a >= 0.45: e^(-a^2), the square with its rounding error, times P(t) / (1 + 2a), the quotient with its own."""
    a = m.select(a > 28.0, 28.0, a)
    square = a * a
    t = (a - 3.0) / (a + 3.0)
    first, *rest = m.pick(ERFCX, ERFCX_SHORT)
    p = m.fma(t, m.poly(t, rest), first)
    double = a + a
    d = double + 1.0
    larger = double > 1.0
    d_low = m.select(larger, double, m.const(1.0)) - d + m.select(larger, m.const(1.0), double)
    inverse = 1.0 / d
    q = p * inverse
    q_low = (m.fma(-q, d, p) - q * d_low) * inverse
    n, e, e_low = exp_double(m, -square, -m.fma(a, a, -square))
    return scale(m, m.fma(e, q, m.fma(e_low, q, e * q_low)), n)


def erf(m: Math, x: V) -> V:
    a = m.abs(x)
    out = m.select(a < 0.9, erf_near(m, a), 1.0 - erfc_far(m, m.select(a < 0.5, 0.5, a)))
    return m.copysign(out, x)


def erfc(m: Math, x: V) -> V:
    a = m.abs(x)
    far = erfc_far(m, m.select(a < 0.5, 0.5, a))
    return m.select(a < 0.5, 1.0 - erf_near(m, x), m.select(x < 0.0, 2.0 - far, far))


FORMULAS = {f.__name__: f for f in (exp, exp2, expm1, tanh, sinh, cosh, log, log2, log10, log1p, asinh, acosh, atanh, sin,
                                    cos, tan, atan, atan2, asin, acos, pow, cbrt, hypot, erf, erfc)}
