"""Functions that are rewritten from NumPy's own source, and those composed of others: as in NumPy, with derivatives."""
from __future__ import annotations

import warnings

import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(0)
X, Y = RNG.uniform(0.2, 1.5, 7), RNG.uniform(0.2, 1.5, 7)
A = RNG.standard_normal((4, 4))
I = np.array([3, 0, 2, 2, 1, 0])
P = np.polynomial


def same(f, *args):
    got, want = tg.jit(f)(*args), f(*args)
    pairs = [(got, want)] if not isinstance(want, tuple) else list(zip(got, want, strict=True))
    for g, w in pairs:
        assert np.shape(g) == np.shape(w) and np.asarray(g).dtype == np.asarray(w).dtype, (g, w)
        np.testing.assert_allclose(g, w, rtol=1e-9, atol=1e-11)


@pytest.mark.sweep(6, days=True)
def test_sets():
    same(lambda i: np.union1d(i, [7, 2]), I)
    same(lambda i: np.intersect1d(i, [1, 2]), I)
    same(lambda i: np.intersect1d(i, [1, 2], return_indices=True), I)
    same(lambda i: np.setdiff1d(i, [1, 2]), I)
    same(lambda i: np.setdiff1d(i, [1, 2], assume_unique=True), I)
    same(lambda i: np.setxor1d(i, [1, 9]), I)
    same(lambda x: np.union1d(x, x[::-1] + 1), X)
    same(lambda i: tuple(np.unique_all(i)), I)
    same(lambda i: np.sort(np.unique_values(i)), I)


@pytest.mark.sweep(2, days=True)
def test_unique_lines():
    rows = np.array([[3, 1, 2], [1, 5, 2], [3, 1, 2], [1, 4, 9], [1, 5, 2]])
    for a in (rows, rows / 2, rows.astype(np.int8), rows[:1], np.stack([rows, rows * 2], 2)):
        same(lambda a: np.unique(a, axis=0), a)
        same(lambda a: np.unique(a, axis=0, return_index=True, return_inverse=True, return_counts=True), a)
        same(lambda a: np.unique(a, axis=1), a)
    with pytest.raises(tg.UnsupportedError, match="lines of more than"):
        tg.jit(lambda a: np.unique(a, axis=0))(np.ones((2, 100)))


@pytest.mark.sweep(2, days=True)
def test_indices():
    same(lambda a: a[np.tril_indices_from(a, -1)] + a[np.triu_indices_from(a, 1)], A)
    same(lambda a: a[np.diag_indices_from(a)], A)
    same(lambda a, n: a[np.tril_indices(n)].sum() + a[np.diag_indices(n)], A, 4)
    same(lambda a: a[np.mask_indices(4, np.triu, 1)], A)
    same(lambda x: (np.resize(x, (3, 4)), np.sort_complex(x)), X)
    for values in ([0, 0, 1, 0, 2, 0], [0, 0], [1, 2], [0]):
        for trim in ("fb", "f", "b"):
            same(lambda v, trim=trim: np.trim_zeros(v, trim), np.array(values))


@pytest.mark.sweep(6, days=True)
def test_polynomials():
    same(lambda x, y: np.polyfit(x, y, 2), X, Y)
    same(lambda x, y: np.polyfit(x, np.stack([y, x * y], 1), 1, w=y), X, Y)
    same(lambda x, y: np.polyfit(x, y, 2, full=True)[:4], X, Y)
    same(lambda x: (np.polyint(x), np.polyint(x, 2, k=[1, 2]), np.poly(x[:3])), X)
    same(lambda x, y: P.polynomial.polyval(x, y[:3]) + P.chebyshev.chebval(x, y[:4]) + P.legendre.legval(x, y[:4]), X, Y)
    same(lambda x, y: P.hermite.hermval(x, y[:3]) + P.hermite_e.hermeval(x, y[:4]) + P.laguerre.lagval(x, y[:4]), X, Y)
    same(lambda x, y: (P.polynomial.polyvander(x, 3), P.chebyshev.chebvander(x, 2), P.legendre.legvander(x, 3)), X, Y)
    same(lambda x, y: (P.polynomial.polyfit(x, y, 2), P.polynomial.polyder(x), P.polynomial.polyint(x)), X, Y)
    same(lambda x, y: P.polynomial.polymul(x, y), X, Y)
    same(lambda x, y: P.Polynomial(y[:3])(x) + P.Chebyshev(y[:3])(x), X, Y)
    same(lambda x: (lambda p: p(x) + p.deriv()(x))(P.Polynomial([1.0, 2.0, 3.0])), X)
    same(lambda x: np.poly1d([1.0, 2.0, 3.0])(x) * P.legendre.leggauss(7)[0], X)


@pytest.mark.sweep(2, days=True)
def test_windows_and_histograms():
    same(lambda x, n: np.hamming(n) * x + np.hanning(n) + np.blackman(n) + np.bartlett(n) + np.kaiser(n, 8.0), X, 7)
    same(lambda x: np.i0(x), X)
    same(lambda x: np.asarray_chkfinite(x) * 2, X)
    same(lambda x, y: np.histogram2d(x, y, bins=3), X, Y)
    same(lambda x, y: np.histogram2d(x, y, bins=[2, [0.1, 0.5, 2.0]], weights=y, density=True), X, Y)
    same(lambda x, y: np.histogram2d(x, y, bins=(2, 4), range=[[0, 1], [0.5, 1]]), X, Y)
    same(lambda x: np.histogram_bin_edges(x, 4), X)


def test_tensor_equations():
    t = RNG.standard_normal((2, 3, 6))
    same(lambda a, b: np.linalg.tensorsolve(a, b), t, t[..., 0])
    same(lambda a, b: np.linalg.tensorsolve(a, b, axes=(0, 2)), RNG.standard_normal((3, 6, 2)), t[0, 0])
    same(lambda a: np.linalg.tensorinv(a, ind=2), t)
    same(lambda a: np.linalg.tensorinv(a, ind=1), t.reshape(6, 2, 3))


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", [lambda x, y: np.sum(np.polyfit(x, y, 2) ** 2), lambda x, y: np.sum(np.i0(x) * y),
                               lambda x, y: np.sum(P.chebyshev.chebval(x, y[:4]) ** 2),
                               lambda x, y: np.sum(np.poly(x[:3]) * np.polyint(y)[:4]),
                               lambda x, y: np.sum(P.Polynomial(y[:3])(x)),
                               lambda x, y: np.sum(np.linalg.tensorsolve(np.outer(x, x) + np.eye(7), y) ** 2)], ids=range(6))
def test_gradients(f):
    tg.check_grads(f, (X, Y), order=1)


def test_no_warning_of_what_only_run_time_knows():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(lambda x, y: (np.polyfit(x, y, 1), P.polynomial.polyfit(x, y, 1)), X, Y)


def test_errors_stand_at_the_users_line():
    def refused(x):
        return np.polynomial.polynomial.polyder(np.roots(x))      # asks for the dtype of roots

    with pytest.raises(tg.UnsupportedError) as caught:
        tg.jit(refused)(X)
    assert "in refused" in str(caught.value) and "polynomial.py" not in str(caught.value)
    with pytest.raises(ValueError, match="infs or NaNs"):
        tg.jit(lambda x: np.asarray_chkfinite(x))(X * np.inf)
    with pytest.raises(np.linalg.LinAlgError, match="prod"):
        tg.jit(lambda a: np.linalg.tensorinv(a, ind=1))(np.ones((2, 3)))
