"""Sorting, searching and reducing with equal elements, NaN and blocks of every length: NumPy's answers, ties included."""
import numpy as np
import pytest
from tracegrad.ir.thresholds import sizes

import tracegrad as tg

DTYPES = "?bBhHiIlLefdFD"
LENGTHS = [0, 1, 2, 16, 17, 64, 300, 1000]


def with_ties(dtype, n, seed=0):
    rng = np.random.default_rng([n, seed])
    x = rng.integers(0, max(2, n // 3), n).astype(dtype)
    if dtype in "fdFD" and n > 5:
        x[rng.integers(0, n, 3)] = np.nan
        x[rng.integers(0, n, 2)] = -0.0
    return x


@pytest.mark.parametrize("dtype", DTYPES)
def test_argsort_leaves_equals_as_numpy_does(dtype):
    by_default, stable = tg.jit(lambda x: np.argsort(x)), tg.jit(lambda x: np.argsort(x, kind="stable"))
    for x in (with_ties(dtype, n) for n in LENGTHS):
        expected = np.argsort(x, kind="stable")
        np.testing.assert_array_equal(stable(x), expected)
        # float16 is computed in float32, whose sort has another order of equals
        np.testing.assert_array_equal(by_default(x), expected if dtype == "e" else np.argsort(x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_distinct_values_and_their_counts(dtype):
    def counted(x):
        return np.unique(x, return_counts=True)

    def full(x):
        return np.unique(x, return_index=True, return_inverse=True, return_counts=True)

    for x in (with_ties(dtype, n, 1) for n in LENGTHS):
        for f in (np.unique, counted, full):
            found, expected = tg.jit(lambda x, f=f: f(x))(x), f(x)
            for a, b in zip([found] if f is np.unique else found, [expected] if f is np.unique else expected, strict=True):
                np.testing.assert_array_equal(a, b)
                assert a.dtype == b.dtype


@pytest.mark.parametrize(("kind", "stable", "message"), [("stable", True, "can't be provided"), ("x", None, "must be one of")])
def test_kinds_of_sorts_that_numpy_refuses(kind, stable, message):
    def in_place(x):
        y = x.copy()
        y.sort(kind=kind, stable=stable)
        return y

    for f in (lambda x: np.argsort(x, kind=kind, stable=stable), lambda x: np.sort(x, kind=kind, stable=stable), in_place):
        with pytest.raises(ValueError, match=message):
            tg.jit(f)(np.ones(3))


def test_equal_elements_keep_their_order_in_the_derivative_of_a_sort():
    """On every machine: NumPy's fastest sort does not."""
    x = with_ties("d", 300, 2)
    x = x[~np.isnan(x)]
    found = tg.grad(lambda x: np.sum(np.sort(x) * np.arange(x.size)))(x)
    np.testing.assert_array_equal(found[np.argsort(x, kind="stable")], np.arange(x.size))


@pytest.mark.parametrize("block", [1, 32, 10**9])
@pytest.mark.parametrize("dtype", "?bHlefdD")
def test_extremes_by_blocks(block, dtype):
    rng = np.random.default_rng(3)
    with sizes.at(arg_block=block):
        # the block is a part of the functions, as equal ones share what is compiled
        largest, smallest = tg.jit(lambda x: np.argmax(x) + 0 * block), tg.jit(lambda x: np.argmin(x) + 0 * block)
        for n in (1, 5, 63, 64, 65, 96, 127, 128, 1000):
            x = rng.integers(0, 4, n).astype(dtype)
            cases = [x]
            if dtype in "efdD":
                cases += [np.where(rng.random(n) < 0.1, np.nan, x).astype(dtype), -0.0 * x, np.full(n, -np.inf, dtype)]
            for y in cases:
                assert (largest(y), smallest(y)) == (np.argmax(y), np.argmin(y))


@pytest.mark.parametrize("dtype", "?bHlfdD")
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "any", "all"])
def test_reductions_of_what_a_mask_picks(name, dtype):
    f, rng = tg.jit(lambda x, m: getattr(x[m], name)()), np.random.default_rng(4)
    for n, share in [(1, 1.0), (5, 0.5), (40, 0.0), (40, 0.9), (1000, 0.5)]:
        x, m = rng.integers(-2, 3, n).astype(dtype), rng.random(n) < share
        if name in ("max", "min") and not m.any():
            with pytest.raises(ValueError, match="zero-size array to reduction"):
                f(x, m)
            continue
        expected = getattr(x[m], name)()
        found = f(x, m)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert np.asarray(found).dtype == np.asarray(expected).dtype


def test_masked_extremes_and_their_gradients():
    x = np.random.default_rng(5).normal(size=70)
    m = x > 0.3
    for f in (lambda x: np.max(np.where(m, x, -np.inf)), lambda x: np.nanmin(np.where(m, x, np.nan)), lambda x: x[m].max(),
              lambda x: np.max(x, where=m, initial=-np.inf)):
        assert tg.jit(f)(x) == f(x)
        expected = np.zeros(70)
        expected[np.flatnonzero(x == f(x))] = 1.0
        np.testing.assert_array_equal(tg.grad(f)(x), expected)
    y = np.where(m, np.nan, x)
    assert np.isnan(tg.jit(lambda x: x[x != 5].max())(y))
