"""Convolutions of two dimensions with each boundary and mode, and medians of windows, as scipy.signal has them."""
import numpy as np
import pytest
import scipy.signal as sg

import tracegrad as tg

RNG = np.random.default_rng(2)
A, B, C = RNG.standard_normal((5, 6)), RNG.standard_normal((3, 2)), RNG.standard_normal((2, 3))


@pytest.mark.sweep(6)
@pytest.mark.parametrize("f", [sg.convolve2d, sg.correlate2d], ids=lambda f: f.__name__)
def test_modes_and_boundaries(f):
    def every(a, b):
        found = [f(a, b, mode, boundary) for mode in ("full", "same", "valid") for boundary in ("fill", "wrap", "symm")]
        return [*found, f(a, b, "same", fillvalue=1.5), f(b, a, "valid")]

    for a, b in ((A, B), ((A * 9).astype(int), (C * 9).astype(int)), (A + 1j * A[::-1], C - 1j)):
        for found, right in zip(tg.jit(every)(a, b), every(a, b)):
            np.testing.assert_allclose(found, right, rtol=1e-11, atol=1e-12)
            assert found.dtype == right.dtype and found.shape == right.shape
    tg.check_grads(lambda a, b: np.sum(np.sin(f(a, b, "same", "symm"))), (A, B), order=1)


@pytest.mark.sweep(6, days=True)
def test_medians():
    f = tg.jit(lambda a, x: (sg.medfilt(x), sg.medfilt(a, (3, 5)), sg.medfilt2d(a)))
    for found, right in zip(f(A, A[0]), (sg.medfilt(A[0]), sg.medfilt(A, (3, 5)), sg.medfilt2d(A))):
        np.testing.assert_array_equal(found, right)
    with pytest.raises(ValueError, match="odd"):
        tg.jit(lambda x: sg.medfilt(x, 4))(A[0])


def test_what_differs():
    for f, message in ((lambda a: sg.convolve2d(a, a[0]), "2-D"), (lambda a: sg.convolve2d(a, a, "some"), "mode"),
                       (lambda a: sg.convolve2d(a, a, boundary="odd"), "boundary")):
        with pytest.raises(ValueError, match=message):
            tg.jit(f)(A)
