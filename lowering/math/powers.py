"""Powers, roots and the error function as formulas; see math/functions.py."""
from __future__ import annotations

from . import exponentials as E
from .exponentials import INF, NAN, nearest, power_of_two, scale
from .formula_builder import Math, V

# --- powers and roots -------------------------------------------------------------------------------------------------

# (2 atanh(s) - 2s - 2/3 s^3) / s^5 as a polynomial in s^2, |s| <= 0.1716, to 2.4e-19
POW_LOG = (0.40000000000000024, 0.2857142857133851, 0.2222222227110234, 0.18181808247544543, 0.15385574796462032,
           0.13285957435193352, 0.1291361767218225)
TWO_THIRDS = (0.6666666666666666, 3.700743415417188e-17)


def log_double(m: Math, a: V) -> tuple[V, V]:
    """log(a) as (hi, lo), about 66 bits, for 0 < a < inf.

    2s + s^3 (2/3 + s^2 P), s = f / (2 + f): s with its remainder (1 / (2 + f) = (1 - s) / 2), then each product and sum
    with its rounding error as far as it counts.
    """
    u, shift = E.normal(m, a)
    k, _, f = E.split_log(m, u)
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
    ln2, ln2_low = m.format.ln2
    whole = k * ln2
    out = whole + part
    low = ((whole - out) + part) + m.fma(k, ln2_low, part_low)
    return out + low, (out - (out + low)) + low


def exp_double(m: Math, hi: V, lo: V) -> tuple[V, V, V]:
    """(n, p, q): e^(hi + lo) = 2^n (p + q), for a small lo."""
    n, first, error = E.reduce_exp(m, E.clamp(m, hi, -746.0, 710.0))
    lo = error + lo
    r = first + lo
    y = m.fma(r * r, E.exp_polynomial(m, r), (first - r) + lo) + r
    p = y + 1.0
    return n, p, (1.0 - p) + y


def rounded_exp(m: Math, hi: V, lo: V) -> V:
    """e^(hi + lo)."""
    n, out, _ = exp_double(m, hi, lo)
    return scale(m, out, n)


def pow(m: Math, x: V, y: V) -> V:
    """e^(y log|x|), then the cases of C's pow."""
    a = m.abs(x)
    hi, lo = log_double(m, a)
    e = y * hi
    e_low = m.fma(y, lo, m.fma(y, hi, -e))
    out = E.vanishing(m, e, -746.0, lambda e: rounded_exp(m, e, m.select(m.abs(e) < 800.0, e_low, 0.0)))
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
    u, shift = E.normal(m, a)
    bits = m.bits(u)
    k = bits >> 52
    g = m.as_float(bits - ((k - 1023) << 52))
    q = m.floor((m.as_float(k + m.format.shift_bits) - m.format.shift - 1022.5) * (1 / 3))
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
