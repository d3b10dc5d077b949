"""Slices as arguments: their bounds are inputs like other ints, None is part of the types."""
import numpy as np
import pytest

import tracegrad as tg

X = np.arange(12.0) ** 2
SLICES = [slice(None), slice(3), slice(2, 9), slice(2, 9, 3), slice(None, None, -1), slice(9, 2, -2), slice(-4, None),
          slice(5, 5), slice(100), slice(-100, 3)]


def part(x, s):
    return x[s]


def cleared(x, s):
    y = x.copy()
    y[s] = 1.0
    return np.sum(y**2)


def bounds(s):
    return s, (s.start, s.stop, s.step)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("s", SLICES, ids=str)
def test_parts_and_their_derivatives(s):
    np.testing.assert_array_equal(tg.jit(part)(X, s), X[s])
    expected = np.zeros(12)
    expected[s] = 2 * X[s]
    np.testing.assert_array_equal(tg.grad(lambda x, s: np.sum(part(x, s) ** 2))(X, s), expected)
    np.testing.assert_array_equal(tg.grad(cleared)(X, s), 2 * X - expected)
    assert tg.jit(bounds)(s) == bounds(s)


@pytest.mark.parametrize("key", [
    (0, slice(1, 3)), (Ellipsis, slice(None, 2)), (slice(0, 2), 1, slice(None, None, 2)), (np.array([0, 1]), slice(1, 3)),
    (slice(None), np.array([True, False, True])), (None, slice(1)),
], ids=str)
def test_keys_that_hold_slices(key):
    cube = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(tg.jit(part)(cube, key), cube[key])


def chunks(x, n):
    total = 0.0
    for k in range(0, 12, n):
        s = slice(k, k + n)
        total += np.prod(x[s])
    return total


def sliding(x):
    s, total = slice(0, 2), 0.0
    while s.stop < 10:
        total += np.sum(x[s])
        s = slice(s.start + 1, s.stop + 2)
    return total


def chosen(x, number):
    s = slice(0, 3) if number > 0 else slice(2, 7)
    return np.sum(x[s])


def of_list(x, slices):
    return np.array([np.sum(x[s]) for s in slices])


@pytest.mark.parametrize(("f", "args"), [
    (chunks, (3,)), (sliding, ()), (chosen, (1.0,)), (chosen, (-1.0,)), (of_list, ([slice(0, 3), slice(4, 6)],)),
])
def test_slices_made_and_carried(f, args):
    np.testing.assert_allclose(tg.jit(f)(X, *args), f(X, *args), rtol=1e-15)


def test_native_entry():
    jitted = tg.jit(lambda x, s: x[s] + 1.0)
    jitted(X, slice(2, 5))
    before = jitted.specializations[0].hits
    jitted(X, slice(2, 5))
    jitted(X, slice(2, 5))
    assert len(jitted.specializations) == 1 and jitted.specializations[0].hits == before + 2


def test_refusals():
    with pytest.raises(TypeError, match="'str' object cannot be interpreted as an integer"):
        tg.jit(part)(X, slice("a"))
    with pytest.raises(TypeError, match="only integer"):
        tg.jit(part)(X, slice(1.5))
