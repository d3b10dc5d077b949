"""The math and cmath modules at special points: Python's values and Python's errors."""
import cmath
import itertools
import math
import random

import numpy as np
import pytest
from tracegrad.tracer.values.python import power_checks

import tracegrad as tg


def outcome(f, *args):
    try:
        return f(*args)
    except (ValueError, OverflowError) as error:
        return "OverflowError" if isinstance(error, OverflowError) else "ValueError"


SPECIAL = (0.0, -0.0, 1.0, -1.5, math.inf, -math.inf, math.nan)


@pytest.mark.parametrize("name", ["exp", "log", "log10", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "atan",
                                  "atanh"])
def test_cmath_has_pythons_errors(name):
    f = getattr(cmath, name)
    g = tg.jit(lambda z: f(z))
    for a, b in [*itertools.product(SPECIAL, SPECIAL), (1000.0, 1.0), (1.0, 1000.0)]:
        found, wanted = outcome(g, complex(a, b)), outcome(f, complex(a, b))
        if isinstance(wanted, str) or isinstance(found, str):
            assert found == wanted, (a, b)
        elif a == a and b == b:
            np.testing.assert_allclose([found.real, found.imag], [wanted.real, wanted.imag], rtol=1e-15, err_msg=str((a, b)))


def test_cmath_rect_polar_and_logarithms_to_a_base():
    g = tg.jit(lambda r, phi: cmath.rect(r, phi))
    for r, phi in itertools.product(SPECIAL, SPECIAL):
        found, wanted = outcome(g, r, phi), outcome(cmath.rect, r, phi)
        if isinstance(wanted, str):
            assert found == wanted, (r, phi)
        else:
            np.testing.assert_allclose([found.real, found.imag], [wanted.real, wanted.imag], rtol=4e-16, err_msg=str((r, phi)))
    assert outcome(tg.jit(lambda z: cmath.polar(z)), complex(1e308, 1.7e308)) == "OverflowError"
    for base in (10, 2.5, 1 + 1j):
        np.testing.assert_allclose(tg.jit(lambda z, b: cmath.log(z, b))(1 + 2j, base), cmath.log(1 + 2j, base), rtol=1e-15)
        np.testing.assert_allclose(tg.jit(lambda z: cmath.log(z, base))(1 + 2j), cmath.log(1 + 2j, base), rtol=1e-15)  # noqa: B023
    with pytest.raises(TypeError):
        tg.jit(lambda z: cmath.exp(z, 2))(1j)


def test_powers_of_and_to_infinities_and_nan():
    def said(f, *args):
        try:
            found = f(*args)
        except (ZeroDivisionError, TypeError) as error:              # by Python a number to a fraction can be complex
            return "complex" if isinstance(error, TypeError) else "ZeroDivisionError"
        return "complex" if isinstance(found, complex) else found

    powers = (*SPECIAL, 0.5, -2.5, 3.0, -3.0)
    g = tg.jit(lambda x, y: x**y)
    for x, y in itertools.product(powers, powers):
        np.testing.assert_equal(said(g, x, y), said(pow, x, y), err_msg=str((x, y)))
    for y in (math.inf, -math.inf, math.nan, 0.5):
        g = tg.jit(lambda x, y=y: x**y, static_argnames="y")
        for x in (*powers, 2, True):
            np.testing.assert_equal(said(g, x), said(pow, x, y), err_msg=str((x, y)))
POWERS = (2, 3, -3, 400, 0.5, 2.5, -1, 1e3, math.inf)


@pytest.mark.parametrize("y", POWERS)
def test_powers_of_floats_that_are_too_large(y):
    """Python's numbers raise; NumPy's are infinite, and so are squares that are written as such."""
    traced, known = tg.jit(lambda x, y: x ** y), tg.jit(lambda x: x ** y)
    for x in (0.0, 10.0, 1e200, 1e-200, -1e200, math.inf, math.nan):
        if x < 0 and y % 1:
            continue
        try:
            wanted = x ** y
        except (OverflowError, ZeroDivisionError) as error:
            wanted = error
        if y == 2 and isinstance(wanted, OverflowError):
            assert known(x) == math.inf
            continue
        for f in (lambda: traced(x, y), lambda: known(x)):                           # noqa: B023
            if isinstance(wanted, Exception):
                with pytest.raises(type(wanted)):
                    f()
            elif not isinstance(wanted, complex):
                np.testing.assert_allclose(f(), wanted, rtol=1e-14, err_msg=str((x, y)))
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(known(np.float64(1e200)), np.float64(1e200) ** y, rtol=1e-14)


@pytest.mark.parametrize("y", (3, 2.5, -1, -3, 1e3, -0.97))
def test_the_last_power_that_is_a_float(y):
    """Raised to y, the last base gives a float, and the next one raises; infinity does not."""
    f = tg.jit(lambda x: x ** y)
    last = power_checks._bound(y)
    beyond = math.nextafter(last, math.inf if y > 0 else 0.0)
    np.testing.assert_allclose(f(last), last ** y, rtol=1e-13)
    for g in (f, lambda x: x ** y, tg.jit(tg.grad(lambda x: x ** y))):
        with pytest.raises(OverflowError):
            g(beyond)
    assert f(math.inf) == math.inf ** y and math.isnan(f(math.nan))


def test_a_derivative_computes_no_power_for_its_error():
    assert tg.jit(tg.grad(lambda x: x ** 7.5)).lower(2.0).text().count("pow ") == 1


def test_powers_of_complex_numbers_that_have_none():
    f = tg.jit(lambda x, y: x ** y)
    for x, y, error in ((1e200 + 0j, 2.5, OverflowError), (0j, -1, ZeroDivisionError), (0j, 1j, ZeroDivisionError)):
        with pytest.raises(error):
            f(x, y)
    assert f(0j, 0) == 1 and f(0j, 2) == 0 and f(2j, 2) == -4


def test_remainders_of_large_quotients_and_of_nan():
    g = tg.jit(lambda x, y: math.remainder(x, y))
    draw = random.Random(3)
    pairs = [(draw.uniform(-1, 1) * 10 ** draw.randint(-9, 300), draw.uniform(-1, 1) * 10 ** draw.randint(-9, 9))
             for _ in range(300)]
    for x, y in [*pairs, *((k / 2, 1.0) for k in range(-9, 10)), *itertools.product(SPECIAL, SPECIAL)]:
        assert repr(outcome(g, x, y)) == repr(outcome(math.remainder, x, y)), (x, y)
    for name in ("fmod", "pow"):
        f = getattr(math, name)
        g = tg.jit(lambda x, y: f(x, y))                                            # noqa: B023
        for x, y in itertools.product((*SPECIAL, 1e308), (*SPECIAL, 1e3)):
            assert repr(outcome(g, x, y)) == repr(outcome(f, x, y)), (name, x, y)
    assert outcome(tg.jit(lambda x: math.ldexp(x, 2000)), 1.5) == "OverflowError"
    for x in (*SPECIAL, 5e-324, 1.7976931348623157e308, 3.0):
        assert repr(tg.jit(lambda x: math.ulp(x))(x)) == repr(math.ulp(x))


def test_signs_by_a_power():
    """(-1) ** n: of a negative n Python gives a float, compiled code an int of the same value."""
    signs = tg.jit(lambda n: ((-1) ** n, 1 ** n, True ** n))
    for n in (-3, -2, 0, 1, 4, 2**62 + 1):
        assert signs(n) == ((-1) ** n, 1 ** n, 1)
    with pytest.raises(tg.DTypeError, match="an int to a negative power is a float"):
        tg.jit(lambda n: 2 ** n)(-1)
    assert tg.jit(lambda x: (-1) ** len(x[x > 0]) * x[0])(np.array([1.0, -2.0, 3.0, 4.0])) == -1.0
