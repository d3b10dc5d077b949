"""Elements that a mask picks, where they are only added up or put back."""
from __future__ import annotations

import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(7)
X = np.concatenate([RNG.standard_normal(20), [0.0, -0.0, 1.0, -1.0]])
A = RNG.standard_normal((4, 5))


def energy(x):
    kept = x[x > 0]
    return np.sum(kept ** 2) / max(kept.size, 1)


def logs(x):
    return np.sum(np.log(x[x > 0.1])) + np.sqrt(x[x > 0.5]).sum() + (1.0 / x[np.abs(x) > 0.2]).mean()


def put_back(x):
    y = np.zeros_like(x)
    m = x < 0.3
    y[m] = np.exp(x[m]) * 2.0
    y[x > 0.6] += np.log(x[x > 0.6])
    return y


def two_axes(a):
    m = a > 0
    b = a * 3.0
    b[m] = a[m] * b[m] + 1.0
    return np.sum(b), np.sum(a[m] * b[m])


def of_another(a):
    y = a[0].copy()
    m = a[1] > a[2]
    return np.sum(a[3][m] * 2.0), y[m].sum()


def rows(a):
    return np.sum(a[a[:, 0] > 0] ** 2)                  # rows of a matrix: positions remain


PICKED = [(energy, X), (logs, X), (put_back, X), (two_axes, A), (of_another, A)]


def optimized(fn, *args):
    return tg.jit(fn).lower(*args).text("optimized")


def equal(got, want):
    for g, w in zip(got if isinstance(got, tuple) else (got,), want if isinstance(want, tuple) else (want,), strict=True):
        np.testing.assert_allclose(g, w, rtol=1e-5 if np.asarray(w).dtype == np.float32 else 1e-13)
        assert np.asarray(g).dtype == np.asarray(w).dtype


@pytest.mark.parametrize(("fn", "x"), PICKED, ids=lambda v: getattr(v, "__name__", ""))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_nothing_is_listed(fn, x, dtype):
    x = x.astype(dtype)
    assert "nonzero" not in optimized(fn, x)
    with np.errstate(all="ignore"):
        equal(tg.jit(fn)(x.copy()), fn(x.copy()))
        equal(tg.jit(fn)(-np.abs(x)), fn(-np.abs(x)))
        if fn is not logs:
            equal(tg.jit(fn)(x[:, :0] if x.ndim == 2 else x[:0]), fn(x[:, :0] if x.ndim == 2 else x[:0]))


@pytest.mark.sweep(3)
@pytest.mark.parametrize(("fn", "x"), PICKED, ids=lambda v: getattr(v, "__name__", ""))
def test_derivatives(fn, x):
    def total(x):
        found = fn(x)
        return sum(np.sum(v * v) for v in found) if isinstance(found, tuple) else np.sum(found * found)
    x = np.where(np.abs(x) < 0.05, 0.05, x)
    tg.check_grads(total, (x,), order=2)


def test_what_is_not_picked_adds_nothing_to_a_gradient():
    x = np.array([0.5, 0.0, -1.0, np.nan, np.inf, 2.0, -np.inf])
    g = tg.grad(lambda x: np.sum(np.log(x[(x > 0) & (x < 9)])))(x)
    np.testing.assert_array_equal(g, [2.0, 0, 0, 0, 0, 0.5, 0])


def test_signed_zeros_and_infinities_beside_the_mask_stay():
    def fn(x, y):
        y[x > 0] += x[x > 0]
        return y
    x, y = np.array([1.0, -1.0, -2.0, 3.0]), np.array([-0.0, -0.0, np.inf, np.nan])
    got, want = tg.jit(fn)(x, y.copy()), fn(x, y.copy())
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(np.signbit(got), np.signbit(want))


def test_integers():
    def fn(n):
        return np.sum(n[n > 2] * 2), np.sum(n[n > 2] > 4), (n[n > 9]).sum()
    n = np.arange(-3, 8)
    assert "nonzero" not in optimized(fn, n)
    equal(tg.jit(fn)(n), fn(n))


def test_extremes_and_products():
    def fn(x):
        return np.max(x[x > 0]), np.min(x[x < 0] * 2), np.prod(x[x > 1])
    assert "nonzero" not in optimized(fn, X)
    equal(tg.jit(fn)(X), fn(X))


@pytest.mark.parametrize("fn", [
    lambda x: x[x > 0],
    lambda x: np.sort(x[x > 0]) * 2.0,
    lambda x: np.sum(np.cumsum(x[x > 0])),
    lambda x: np.sum(np.abs(x[x > 0]) ** 1.7),
    lambda x: np.sum(x[np.nonzero(x > 0)[0] // 2]),
    lambda x: x[x > 0][0] + np.sum(x[x > 0]),
    lambda x: np.sum(x[x > 0] * np.arange(np.sum(x > 0))),
], ids=["returned", "sorted", "scanned", "dear", "positions", "one", "numbered"])
def test_others_are_listed(fn):
    assert "nonzero" in optimized(fn, X)
    equal(tg.jit(fn)(X), fn(X))


def test_in_loops():
    def fn(a, n):
        total = 0.0
        for k in range(n):
            row = a[k]
            total += np.sum(row[row > total] ** 2)
            for v in row[row < 0]:
                total += v
        return total
    equal(tg.jit(fn)(A, 4), fn(A, 4))
    tg.check_grads(lambda a: fn(a, 4), (A,))


def test_rows_of_a_matrix():
    assert "nonzero" in optimized(rows, A)
    equal(tg.jit(rows)(A), rows(A))
    tg.check_grads(rows, (A,))


def test_numbers_are_checked_where_they_are_picked():
    x = np.array([1.0, -2.0, 0.0, 3.0])
    with tg.config(check_numerics=True):
        fn = tg.jit(lambda x: np.sum(np.log(x[x > 0])))
        assert fn(x) == np.log(3.0)
        np.testing.assert_array_equal(tg.grad(fn)(x), [1.0, 0, 0, 1 / 3.0])
