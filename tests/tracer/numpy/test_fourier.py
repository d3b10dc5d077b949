"""np.fft: compiled == evaluated == NumPy to the bit, for all lengths, norms, axes and dtypes; exact transposes."""
from __future__ import annotations

import nest_check
import numpy as np
import pytest
from derivatives import check as check_derivatives
from numpy_trace import build, check, expressions, run

import tracegrad as tg

RNG = np.random.default_rng(9)
X = RNG.standard_normal((3, 6))
Z = X + 1j * RNG.standard_normal((3, 6))
CUBE = RNG.standard_normal((2, 3, 5))

TRANSFORMS = """
    np.fft.fft(a)
    np.fft.ifft(a)
    np.fft.fft(a, 4)
    np.fft.fft(a, n=9, axis=0)
    np.fft.ifft(a, axis=0, norm="ortho")
    np.fft.fft(a, norm="forward")
    np.fft.irfft(a)
    np.fft.irfft(a, 7)
    np.fft.irfft(a, 3, norm="ortho")
    np.fft.irfft(a, axis=0, n=4)
    np.fft.hfft(a)
    np.fft.fft2(a)
    np.fft.ifft2(a, s=(2, 8))
    np.fft.fftn(a)
    np.fft.fftn(a, axes=(0,))
    np.fft.ifftn(a, norm="ortho")
    np.fft.irfft2(a)
    np.fft.irfftn(a, (4, 5), (0, 1))
    np.fft.fftshift(a)
    np.fft.ifftshift(a, axes=0)
    np.fft.fftshift(a, axes=(0, -1))
    np.fft.fft(a[0])
    np.fft.fft(a[:, :1])
    np.fft.ifft(np.fft.fft(a)) * 2
"""
OF_REAL = """
    np.fft.rfft(a)
    np.fft.rfft(a, 5)
    np.fft.rfft(a, 9, norm="ortho")
    np.fft.rfft(a, axis=0)
    np.fft.rfft(a, norm="forward")
    np.fft.ihfft(a)
    np.fft.rfft2(a)
    np.fft.rfftn(a, (2, 4), (1, 0))
    np.fft.irfft(np.fft.rfft(a), 6)
    np.fft.rfft(a.T)
"""


@pytest.mark.sweep(3)
@pytest.mark.parametrize("fn", expressions("np, a", globals(), TRANSFORMS))
@pytest.mark.parametrize("a", [Z, X, Z.astype(np.complex64), X.astype(np.float32), (X * 9).astype(int)], ids=range(5))
def test_transforms(fn, a):
    agree(fn, a)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("fn", expressions("np, a", globals(), OF_REAL))
@pytest.mark.parametrize("a", [X, X.astype(np.float32), X > 0], ids=range(3))
def test_transforms_of_real_numbers(fn, a):
    agree(fn, a)


def agree(fn, a):
    check(fn, a, tol=1e-13)
    f = build(fn, a)[0]
    nest_check.check(f, a, tol=2e-6 if a.dtype in (np.float32, np.complex64) else 1e-13)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 16, 31, 97, 128, 360, 1009])
def test_lengths(n):
    """Small primes, large primes, powers of two: the same routines as NumPy's, so the same bits."""
    x = RNG.standard_normal((2, n))
    f = tg.jit(lambda x: (np.fft.fft(x), np.fft.rfft(x), np.fft.irfft(np.fft.rfft(x), x.shape[-1]), np.fft.ifft(x + 2j * x)))
    for got, want in zip(f(x), f.__wrapped__(x)):
        assert got.dtype == want.dtype
        np.testing.assert_allclose(got, want, rtol=1e-15, atol=1e-15 * n)
    np.testing.assert_array_equal(f(x)[0], np.fft.fft(x))


def test_frequencies():
    for n in (1, 4, 5):
        check(lambda np, n: (np.fft.fftfreq(n), np.fft.rfftfreq(n, 0.1)), n)
        check(lambda np, d, n=n: (np.fft.fftfreq(n, d), np.fft.rfftfreq(n, d=d)), 0.3)


@pytest.mark.sweep(2, days=True)
def test_lengths_known_at_run_time():
    @tg.jit
    def f(x, bounds):
        out = 0.0
        for k in range(len(bounds)):
            part = x[:bounds[k]]
            spectrum = np.fft.rfft(part)
            out += np.sum(np.abs(spectrum) * np.fft.rfftfreq(len(part)))
            out += np.sum(np.abs(np.fft.fft(part)) * np.abs(np.fft.fftfreq(len(part)))) + np.sum(np.fft.irfft(spectrum, 8))
            out += np.sum(np.fft.irfft(spectrum) ** 2)
        return out

    x, bounds = RNG.standard_normal(9), np.array([2, 5, 9, 8])
    np.testing.assert_allclose(f(x, bounds), f.__wrapped__(x, bounds), rtol=1e-13)
    tg.check_grads(lambda x: f(x, bounds), (x,), order=1)


@pytest.mark.parametrize("fn", expressions("np, a", globals(), """
    np.fft.fft(a) ** 2
    np.fft.ifft(a ** 2)
    np.fft.fft2(a) * a
    np.fft.irfft(a ** 2)
    np.fft.irfft(a * a, 7)
    np.fft.hfft(a) ** 2
    np.fft.fft(a, 4, axis=0, norm="ortho") ** 2
    np.fft.fftshift(a) * a
"""))
@pytest.mark.sweep(2)
@pytest.mark.parametrize("a", [Z, X], ids=["complex", "real"])
def test_derivatives(fn, a):
    check_derivatives(build(fn, a)[0], [a])


@pytest.mark.parametrize("fn", expressions("np, a", globals(), """
    np.fft.rfft(a) ** 2
    np.fft.rfft(a, axis=0) ** 2
    np.fft.rfft(a ** 2, 5)
    np.fft.irfft(np.fft.rfft(a) ** 2, 6)
    np.fft.irfft(np.fft.rfft(a[:, :5]) ** 2, 5)
    np.abs(np.fft.rfft2(a)) ** 2
    np.fft.ihfft(a) ** 2
"""))
def test_derivatives_of_real_transforms(fn):
    check_derivatives(build(fn, X)[0], [X])


def test_out():
    check(lambda np, a: np.fft.fft(a, out=np.zeros((3, 6), complex)), X)
    check(lambda np, a: np.fft.irfft2(a, out=np.zeros((3, 10))), Z)


def test_compiled_gradient():
    def power(x, shift):
        spectrum = np.fft.rfft(x) * np.exp(-2j * np.pi * np.fft.rfftfreq(x.size) * shift)
        return np.sum(np.fft.irfft(spectrum, x.size) ** 3)

    tg.check_grads(power, (X[0], 0.3), order=1)


def test_errors():
    with pytest.raises(ValueError, match=r"Invalid number of FFT data points \(0\)"):
        run(lambda np, a: np.fft.fft(a, 0), X)
    with pytest.raises(ValueError, match="Invalid norm value"):
        run(lambda np, a: np.fft.fft(a, norm="other"), X)
    with pytest.raises(TypeError, match=r"(?s)rfft.*np\.fft\.fft"):
        run(lambda np, a: np.fft.rfft(a), Z)
    with pytest.raises(ValueError):
        run(lambda np, a: np.fft.fft(a, axis=3), X)
    with pytest.raises(ValueError, match=r"data points \(0\)"):
        tg.jit(lambda x, k: np.fft.fft(x[:k[0]]))(X[0], np.array([0]))
