"""Loops over a.flat, and functions that take it."""
import numpy as np
import pytest

import tracegrad as tg


def summed(a):
    s = 0.0
    for x in a.flat:
        s += x**2
    return s


def numbered(a):
    s = 0.0
    for k, (x, y) in enumerate(zip(a.flat, a.T.flat)):
        s += k * x * y
    return s


def listed(a):
    return np.array([2 * x for x in a.flat if x > 1])


def helper(a):
    return weighted(a.flat, 0.5)


def weighted(items, w):
    items[1] = 7.0
    return w * sum(items) + items[-1]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("program", [summed, numbered, listed, helper], ids=lambda f: f.__name__)
def test_loops(program):
    f, static = tg.jit(program), tg.jit(program, shapes="static")
    for n in (2, 3, 1, 5, 6, 7):
        x = np.arange(3.0 * n).reshape(n, 3) / 2 - 1
        for ours in (f, static):
            np.testing.assert_allclose(ours(x.copy()), program(x.copy()), rtol=1e-14)
    assert len(f.specializations) < 6 or program is listed        # a list that data make long


def test_long_ones_are_loops():
    x = np.random.default_rng(0).random((150, 200))
    np.testing.assert_allclose(tg.jit(summed)(x), np.sum(x * x))
    np.testing.assert_allclose(tg.grad(summed)(x), 2 * x)
    tg.check_grads(lambda a: weighted((a * a).flat, 0.3), (x[:2, :3],), order=2)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", [max, min, sum, any, len, sorted, list, np.sum, np.array, np.sort, np.exp],
                         ids=lambda f: f.__name__)
def test_functions_take_the_elements(f):
    for x in (np.array([[3.0, np.nan if f is not sorted else 2.0, 1.0]]), np.arange(6.0).reshape(3, 2).T, np.ones((1, 1))):
        want, got = f(x.flat), tg.jit(lambda a: f(a.flat))(x)
        np.testing.assert_array_equal(got, want)
        assert type(got) is type(want)
