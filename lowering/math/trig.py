"""Circular functions and their inverses as formulas; see math/functions.py."""
from __future__ import annotations

import math

from .exponentials import INF, NAN, nearest
from .formula_builder import Math, V

LARGEST = 2.0 ** 30, 2.0 ** 14          # beyond, libm's exact reduction
TINY = 2.0 ** -26, 2.0 ** -12           # up to here, sin x = tan x = x
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
    one, two, three = m.format.half_pi
    first = m.fma(k, -one, x)
    t = k * two
    r = first - t
    lo = m.fma(k, -three, ((first - r) - t) - m.fma(k, two, -t))
    z = r * r
    half = z * 0.5
    sine = r + m.fma(z * r, m.poly(z, m.pick(SIN, SIN_SHORT)), lo * (1.0 - half))
    whole = 1.0 - half
    cosine = whole + (((1.0 - whole) - half) + m.fma(z * z, m.poly(z, m.pick(COS, COS_SHORT)), -(r * lo)))
    return n, sine, cosine


def negated(m: Math, x: V, bit: V) -> V:
    """-x where bit 1 of an integer is set."""
    return m.as_float(m.bits(x) ^ ((bit & 2) << m.choose(62, 30)))


def odd(m: Math, n: V) -> V:
    return m.eq(n & 1, 1)


def sin(m: Math, x: V) -> V:
    a = m.abs(x)
    n, s, c = quarter_turns(m, x)
    out = m.select(a < m.choose(*TINY), x, negated(m, m.select(odd(m, n), c, s), n))
    return m.rare(a > m.choose(*LARGEST), out, "sin", x)


def cos(m: Math, x: V) -> V:
    n, s, c = quarter_turns(m, x)
    return m.rare(m.abs(x) > m.choose(*LARGEST), negated(m, m.select(odd(m, n), s, c), n + 1), "cos", x)


def tan(m: Math, x: V) -> V:
    a = m.abs(x)
    n, s, c = quarter_turns(m, x)
    turned = odd(m, n)
    out = m.select(turned, -c, s) / m.select(turned, s, c)
    return m.rare(a > m.choose(*LARGEST), m.select(a < m.choose(*TINY), x, out), "tan", x)


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
