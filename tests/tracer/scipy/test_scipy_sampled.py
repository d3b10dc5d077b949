"""scipy.signal, ndimage, integrate, spatial, interpolate and fft in traced code: values, and derivatives in both modes."""
import numpy as np
import pytest
import scipy.fft as sf
import scipy.integrate as si
import scipy.interpolate as sx
import scipy.ndimage as sn
import scipy.signal as sg
import scipy.spatial.distance as sd

import tracegrad as tg

RNG = np.random.default_rng(6)
X, K, M, MK = RNG.standard_normal(9), RNG.standard_normal(4), RNG.standard_normal((5, 6)), RNG.standard_normal((2, 3))
POINTS, OTHERS = RNG.standard_normal((4, 3)), RNG.standard_normal((3, 3))
T = np.sort(RNG.uniform(0, 5, 8))
SPLINE, PCHIP = sx.CubicSpline(T, RNG.standard_normal(8)), sx.PchipInterpolator(T, RNG.standard_normal(8), extrapolate=False)
AT = np.linspace(-0.3, 5.5, 7)
SOS = sg.butter(4, 0.3, output="sos")

CASES = {
    **{f"convolve {m}": (lambda a, b, m=m: sg.convolve(a, b, m), (X, K)) for m in ("full", "same", "valid")},
    **{f"convolve 2d {m}": (lambda a, b, m=m: sg.convolve(a, b, m), (M, MK)) for m in ("full", "same", "valid")},
    **{f"fftconvolve {m}": (lambda a, b, m=m: sg.fftconvolve(a, b, m), (M, MK)) for m in ("full", "same", "valid")},
    **{f"correlate {m}": (lambda a, b, m=m: sg.correlate(a, b, m), (X, K)) for m in ("full", "same", "valid")},
    "correlate short": (lambda a, b: sg.correlate(a, b, "valid"), (K, X)),
    "lfilter": (lambda b, a, x: sg.lfilter(b, a, x), (K, np.array([1.3, -0.4, 0.2]), X)),
    "lfilter axis": (lambda x: sg.lfilter([0.2, 0.1], [1.0, -0.5], x, axis=0), (M,)),
    "lfilter zi": (lambda x, z: sg.lfilter([0.2, 0.1], [1.0, -0.5], x, zi=z)[0], (X, np.array([0.3]))),
    "sosfilt": (lambda x: sg.sosfilt(SOS, x), (X,)),
    "sosfilt zi": (lambda x, z: sg.sosfilt(SOS, x, zi=z)[1], (X, np.array([[0.1, 0.2], [0.3, -0.1]]))),
    **{f"correlate1d {m}": (lambda x, w, m=m: sn.correlate1d(x, w, mode=m, cval=0.5), (M, K))
       for m in ("reflect", "mirror", "nearest", "wrap", "constant")},
    "convolve1d": (lambda x, w: sn.convolve1d(x, w, axis=0, origin=1), (M, K)),
    "ndimage.convolve": (lambda x, w: sn.convolve(x, w), (M, MK)),
    "ndimage.correlate": (lambda x, w: sn.correlate(x, w, mode="wrap"), (M, MK)),
    "gaussian_filter": (lambda x: sn.gaussian_filter(x, 0.8), (M,)),
    "gaussian_filter order": (lambda x: sn.gaussian_filter(x, (0.6, 1.0), order=(1, 2), mode="nearest"), (M,)),
    "gaussian_filter1d radius": (lambda x, s: sn.gaussian_filter1d(x, s, radius=3), (X, 0.9)),
    "uniform_filter": (lambda x: sn.uniform_filter(x, 3), (M,)),
    "trapezoid": (lambda y, x: si.trapezoid(y, x), (X, np.cumsum(np.abs(X)))),
    "cumulative_trapezoid": (lambda y: si.cumulative_trapezoid(y, dx=0.3, axis=0, initial=0), (M,)),
    "simpson": (lambda y, x: si.simpson(y, x), (X, np.cumsum(np.abs(X)))),
    "romb": (lambda y: si.romb(y, dx=0.3), (np.cos(np.arange(9.0)),)),
    "romb columns": (lambda y: si.romb(y, axis=0), (np.cos(np.arange(10.0)).reshape(5, 2),)),
    "simpson even": (lambda y: si.simpson(y, dx=0.3), (M,)),
    "simpson even x": (lambda y, x: si.simpson(y, x=x), (X[:8], np.cumsum(np.abs(X[:8])))),
    "fixed_quad": (lambda a, b: si.fixed_quad(lambda x: np.exp(-x * x), a, b, n=6)[0], (0.2, 1.4)),
    **{f"cdist {m}": (lambda a, b, m=m: sd.cdist(a, b, m), (POINTS, OTHERS)) for m in (
        "euclidean", "sqeuclidean", "cityblock", "chebyshev", "cosine", "correlation", "canberra", "braycurtis")},
    "cdist minkowski": (lambda a, b: sd.cdist(a, b, "minkowski", p=3), (POINTS, OTHERS)),
    "pdist": (lambda a: sd.pdist(a), (POINTS,)),
    "squareform": (lambda a: sd.squareform(sd.pdist(a)), (POINTS,)),
    "euclidean": (lambda a, b: sd.euclidean(a, b), (X, X[::-1])),
    "spline": (lambda x: SPLINE(x), (AT,)), "spline slope": (lambda x: SPLINE(x, 1), (AT,)),
    "pchip": (lambda x: PCHIP(x), (T[:-1] + 0.4 * np.diff(T),)),
    "rfft": (lambda x: np.abs(sf.rfft(x)), (X,)), "ifft2": (lambda x: np.abs(sf.ifft2(x)), (M,)),
    **{f"dct {t} {n}": (lambda x, t=t, n=n: sf.dct(x, t, norm=n), (X,)) for t in (2, 3) for n in (None, "ortho")},
    **{f"idct {t} {n}": (lambda x, t=t, n=n: sf.idct(x, t, norm=n, axis=0), (M,)) for t in (2, 3) for n in (None, "ortho")},
}


@pytest.mark.sweep(8)
@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name):
    f, args = CASES[name]
    found, right = tg.jit(f)(*args), f(*args)
    np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-13)
    assert np.shape(found) == np.shape(right) and np.asarray(found).dtype == np.asarray(right).dtype
    weights = 1 + np.arange(np.size(right)).reshape(np.shape(right)) * 0.1
    tg.check_grads(lambda *args: np.sum(weights * f(*args)), args, order=1)


def test_integers_and_single_precision():
    a, b = np.array([[1, 2, 3], [4, 5, 6]]), np.array([[1, -1]])
    np.testing.assert_array_equal(tg.jit(lambda a, b: sg.convolve(a, b))(a, b), sg.convolve(a, b))
    single = M.astype(np.float32)
    for f in (lambda x: sn.gaussian_filter(x, 0.8), lambda x: sg.lfilter(np.float32([0.2, 0.1]), np.float32([1.0, -0.5]), x),
              lambda x: sf.rfft(x)):
        found, right = tg.jit(f)(single), f(single)
        np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-6)
        assert found.dtype == right.dtype
