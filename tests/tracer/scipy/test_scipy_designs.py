"""Filters of scipy.signal with a cutoff of run time, and the crossings of piecewise polynomials of scipy.interpolate."""
import numpy as np
import pytest
import scipy.interpolate as si
import scipy.signal as sg

import tracegrad as tg

EDGES = np.array([0.2, 0.5])
DESIGNS = {
    "butter": (lambda w: sg.butter(3, w), 0.3), "butter high": (lambda w: sg.butter(2, w, "high"), 0.3),
    "butter band": (lambda w: sg.butter(2, w, "band"), EDGES), "butter stop": (lambda w: sg.butter(2, w, "bandstop"), EDGES),
    "butter analog": (lambda w: sg.butter(3, w, analog=True), 1.3), "butter fs": (lambda w: sg.butter(3, w, fs=100.0), 20.0),
    "butter zpk": (lambda w: sg.butter(3, w, output="zpk")[1], 0.3), "cheby1": (lambda w: sg.cheby1(3, 1.0, w), 0.3),
    "cheby2": (lambda w: sg.cheby2(4, 20, w, "high"), 0.3), "ellip": (lambda w: sg.ellip(3, 1, 20, w, "band"), EDGES),
    "bessel": (lambda w: sg.bessel(3, w, norm="mag"), 0.3),
}


@pytest.mark.sweep(13, days=True)
@pytest.mark.parametrize("name", DESIGNS)
def test_coefficients_of_filters(name):
    f, w = DESIGNS[name]
    for found, right in zip(tg.jit(f)(w), f(w)):
        np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-12)
        assert np.asarray(found).dtype == np.asarray(right).dtype
    if "zpk" not in name:
        tg.check_grads(lambda w: np.sum(np.arange(1.0, f(w)[1].size + 1) * f(w)[1]) + np.sum(f(w)[0][:2]), (w,), order=1)


def test_cutoffs_that_are_wrong():
    f = tg.jit(lambda w: sg.butter(2, w))
    for w in (0.0, 1.0):
        with pytest.raises(ValueError, match="critical frequencies must be"):
            f(w)


X = np.array([0.0, 0.7, 1.5, 2.1, 3.0, 3.8])
Y = np.array([1.0, -0.4, 0.8, 0.6, -0.9, 0.3])
TOUCHING = np.array([0.0, 1.0, -0.4, 0.0, 0.7, 0.0])


@pytest.mark.sweep(6)
@pytest.mark.parametrize("cls", [si.CubicSpline, si.PchipInterpolator, si.Akima1DInterpolator])
def test_roots(cls):
    f, g = (lambda y: cls(X, y).roots()), (lambda x, y: cls(x, y).solve(0.2, extrapolate=False))
    for y in (Y, TOUCHING):
        np.testing.assert_allclose(tg.jit(f)(y), f(y), rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(tg.jit(g)(X, y), g(X, y), rtol=1e-9, atol=1e-11)


@pytest.mark.sweep(3, days=True)
def test_derivatives_of_roots():
    tg.check_grads(lambda x, y: np.sum(np.sin(si.PchipInterpolator(x, y).roots(extrapolate=False))), (X, Y), order=1)
    slope = tg.grad(lambda c: si.PPoly(np.stack((c, c * 0.0, c - 4.0))[:, None], [0.0, 3.0]).roots(extrapolate=False)[0])
    bend = tg.grad(slope)                                     # c x^2 + c - 4 = 0: x = sqrt(4 / c - 1)
    np.testing.assert_allclose([slope(1.0), bend(1.0)], [-2 / 3 ** 0.5, 4 / 3 ** 0.5 - 4 / 3 ** 1.5], rtol=1e-10)


@pytest.mark.sweep(6, days=True)
def test_jumps_and_pieces_that_are_zero():
    jump, flat = np.array([[0.0, 0, 0], [1.0, -1, 2], [-1, 0.5, -3]]), np.array([1.0, 0, 0, 0, 2])
    for f, x in ((lambda c: si.PPoly(c, np.arange(4.0)).roots(), jump),
                 (lambda c: si.PPoly(c, np.arange(4.0)).roots(False), jump),
                 (lambda y: si.PchipInterpolator(np.arange(5.0), y).roots(), flat)):
        found, right = tg.jit(f)(x), f(x)            # a double root of SciPy's is off by rounding, or there twice
        np.testing.assert_array_equal(np.isnan(found).sum(), np.isnan(right).sum())
        np.testing.assert_array_equal(np.unique(found.round(6)), np.unique(right.round(6)))


def test_what_an_interpolant_lacks_is_refused_by_name():
    with pytest.raises(tg.UnsupportedError, match=r"`.vander` of an interpolant of SciPy"):
        tg.jit(lambda y: si.CubicSpline(X, y).vander())(Y)
    with pytest.raises(tg.UnsupportedError, match=r"a SciPy interpolant .* cannot be returned"):
        tg.jit(lambda y: si.CubicSpline(X, y))(Y)
