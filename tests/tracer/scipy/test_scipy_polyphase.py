"""scipy.signal's changes of rate and of sampling as SciPy's: values, dtypes, derivatives."""
import numpy as np
import pytest
import scipy.signal as sg

import tracegrad as tg

H, X = np.array([0.5, 1.5, 2.5]), np.random.default_rng(2).standard_normal((2, 5))


@pytest.mark.sweep(2)
@pytest.mark.parametrize("up, down, axis", [(1, 1, -1), (2, 1, 1), (3, 2, 0), (1, 4, 1)])
def test_as_scipy(up, down, axis):
    f = tg.jit(lambda h, x: sg.upfirdn(h, x, up, down, axis))
    for h, x in ((H, X), (H[:1], X), (H.astype(np.float32), X.astype(np.float32)), ([1, 2], np.arange(6).reshape(2, 3)),
                 (H, X + 1j)):
        found, right = f(h, x), sg.upfirdn(h, x, up, down, axis)
        np.testing.assert_allclose(found, right, rtol=1e-6)
        assert found.dtype == right.dtype
    tg.check_grads(lambda h, x: np.sum(sg.upfirdn(h, x, up, down, axis) ** 2), (H, X), order=1)


def test_errors():
    for h, up in ((np.ones((2, 2)), 1), (H, 0)):
        with pytest.raises(ValueError):
            tg.jit(lambda h, x, up=up: sg.upfirdn(h, x, up))(h, X)


B, A, S = np.array([1.0, 2.0]), np.array([1.3, 0.3, 0.1]), np.random.default_rng(3).standard_normal((3, 10))
SYSTEMS = {
    "bilinear": (lambda b, a: np.concatenate(sg.bilinear(b, a)), (B, A)),
    "bilinear, fewer poles": (lambda b, a: np.concatenate(sg.bilinear(b, a, 8.0)), (A, B)),
    "resample_poly": (lambda x: sg.resample_poly(x, 3, 2, axis=1), (S,)),
    "resample_poly, down, around the mean": (lambda x: sg.resample_poly(x, 2, 6, axis=1, padtype="mean"), (S,)),
    "resample_poly, own window": (lambda x, w: sg.resample_poly(x, 2, 1, window=w), (S, np.array([0.2, 0.5, 0.2]))),
    "czt": (lambda x: np.abs(sg.czt(x)), (S,)), "czt, more points": (lambda x: np.real(sg.czt(x, m=12)), (S[0, :7],)),
    "czt, spiral": (lambda x: np.imag(sg.czt(x, m=5, w=np.exp(-0.3j), a=0.9 + 0.2j, axis=0)), (S,)),
    "zoom_fft": (lambda x, f: np.abs(sg.zoom_fft(x, [0.1, f])), (S, 0.4)),
    "zoom_fft, endpoint": (lambda x, f: np.abs(sg.zoom_fft(x, f, m=7, endpoint=True, fs=3.0)), (S, 0.4)),
}


@pytest.mark.sweep(4)
@pytest.mark.parametrize("name", SYSTEMS)
def test_systems(name):
    f, args = SYSTEMS[name]
    found, right = tg.jit(f)(*args), f(*args)
    np.testing.assert_allclose(found, right, rtol=1e-11, atol=1e-12)
    assert found.dtype == right.dtype
    weights = 1 + np.arange(right.size).reshape(right.shape) * 0.1
    tg.check_grads(lambda *args: np.sum(weights * f(*args)), args, order=1)


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.complex64])
def test_dtypes_of_resampled(kind):
    x = (S[0] * 5).astype(kind)
    found, right = tg.jit(lambda x: sg.resample_poly(x, 2, 3))(x), sg.resample_poly(x, 2, 3)
    np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-5)
    assert found.dtype == right.dtype
