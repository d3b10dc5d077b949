"""Digits of special functions against mpmath: next to their roots, at the ends of their pieces and between."""
import mpmath
import numpy as np
import pytest
import scipy.special as sp

import tracegrad as tg

# (function, its reference, most units of the last place, intervals); psi's roots are at 1.4616 and -0.5041
ROWS = {
    "digamma": (sp.digamma, mpmath.digamma, 4, [
        (1, 2), (1.46163, 1.46164), (1.9999, 2.0001), (2, 3.5), (3.5, 10), (9.999, 10.001), (10, 1e3), (1e5, 1e300), (0, 1),
        (1e-300, 1e-5), (-1, 0), (-0.5041, -0.50406), (-0.755, -0.753), (-0.2542, -0.2539), (-1e-5, -1e-300)]),
}


def units(found, exact):
    spacing = float(np.spacing(abs(float(exact)))) or 5e-324
    return float(abs(mpmath.mpf(float(found)) - exact) / spacing)


@pytest.mark.parametrize("name", ROWS)
def test_units_of_the_last_place(name):
    function, exact_of, most, intervals = ROWS[name]
    f, rng = tg.jit(lambda x: function(x)), np.random.default_rng(11)
    for low, high in intervals:
        x = rng.uniform(low, high, 200)
        with mpmath.workdps(50):
            errors = [units(a, exact_of(mpmath.mpf(float(v)))) for a, v in zip(f(x), x, strict=True)]
        worst = int(np.argmax(errors))
        assert errors[worst] <= most, (errors[worst], x[worst])


def test_digamma_at_its_poles_and_ends():
    x = np.array([0.0, -0.0, -1.0, -2.0, -np.inf, np.inf, np.nan, 5e-324, -1e-300, 1e308, -1e17])
    for dtype in (np.float64, np.float32):
        with np.errstate(all="ignore"):
            points = x.astype(dtype)
            expected = sp.digamma(points)
        found = tg.jit(lambda x: sp.digamma(x))(points)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=1e-6 if dtype is np.float32 else 1e-15)


@pytest.mark.parametrize("x", [-0.5040830082644554, -0.3, 0.4, 1.4616321449683623, 2.5, 12.0])
def test_derivatives_of_digamma(x):
    f = tg.jit(lambda x: sp.digamma(x))
    with mpmath.workdps(40):
        exact = [float(mpmath.polygamma(k, mpmath.mpf(x))) for k in (1, 2)]
    np.testing.assert_allclose(tg.grad(f)(x), exact[0], rtol=1e-13)
    np.testing.assert_allclose(tg.jvp(f, (x,), (1.0,))[1], exact[0], rtol=1e-13)
    np.testing.assert_allclose(tg.grad(tg.grad(f))(x), exact[1], rtol=1e-12)
