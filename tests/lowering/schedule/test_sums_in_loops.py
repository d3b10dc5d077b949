"""Additions to an element that a loop does not move, and that nothing else touches, are gathered in a register."""
import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(8)


def eliminate(a):
    a = a.copy()
    for k in range(len(a)):
        for i in range(k + 1, len(a)):
            a[i, k] /= a[k, k]
            for j in range(k + 1, len(a)):
                a[i, j] -= a[i, k] * a[k, j]
    return np.sum(a * a)


def product(a):
    c = 0.0
    for i in range(len(a)):
        for j in range(len(a)):
            for k in range(len(a)):
                c += a[i, k] * a[k, j]
    return c


def filtered(a):
    """The coefficients a[0] are read in each iteration."""
    total = 0.0
    for i in range(2, len(a)):
        total += (a[0, 0] * a[i, 0] + a[0, 1] * a[i - 1, 1]) ** 2
    return total


def meets(a):
    """The read of a[i, 0] meets a[2, 0] in one iteration: nothing may be gathered."""
    total = 0.0
    a = a.copy()
    for i in range(len(a)):
        a[2, 0] += a[i, 0] * a[i, 1]
        total += a[i, 0] ** 2
    return total + a[2, 0]


def maybe_no_iteration(a):
    total = 0.0
    for i in range(len(a)):
        for j in range(i):
            total += a[i, j] * a[j, i] * a[i, i]
    return total


def at_traced_places(a, n):
    total = 0.0
    for i in range(n):
        total += a[n, i] * a[n, n]
    return total


PROGRAMS = [eliminate, product, filtered, meets, maybe_no_iteration]
SQUARE = RNG.normal(size=(5, 5)) + 4 * np.eye(5)


def check(fn, a, *rest):
    gradient, direction = tg.grad(fn)(a, *rest), RNG.normal(size=a.shape)
    found = np.sum(gradient * direction)
    assert found == pytest.approx(tg.jvp(lambda x: fn(x, *rest), (a,), (direction,))[1], rel=1e-12, abs=1e-12)
    h = 1e-6
    assert found == pytest.approx((fn(a + h * direction, *rest) - fn(a - h * direction, *rest)) / (2 * h), rel=1e-6, abs=1e-7)
    with tg.disable_jit():
        np.testing.assert_allclose(tg.grad(fn)(a, *rest), gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("fn", PROGRAMS, ids=lambda f: f.__name__)
def test_gradients(fn):
    check(fn, SQUARE)


def test_gradients_at_traced_places():
    check(at_traced_places, SQUARE, 3)
    check(at_traced_places, SQUARE, 0)


def test_sizes_one_and_zero():
    for n in (0, 1):
        np.testing.assert_allclose(tg.grad(product)(np.full((n, n), 3.0)), np.full((n, n), 6.0))
        np.testing.assert_allclose(tg.grad(maybe_no_iteration)(np.full((n, n), 3.0)), np.zeros((n, n)))


def test_second_order():
    v, h = RNG.normal(size=SQUARE.shape), 1e-6
    found = tg.hvp(eliminate, (SQUARE,), (v,))
    expected = (tg.grad(eliminate)(SQUARE + h * v) - tg.grad(eliminate)(SQUARE - h * v)) / (2 * h)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("fn, sums", [(eliminate, True), (filtered, True), (meets, False)],
                         ids=lambda x: getattr(x, "__name__", ""))
def test_what_is_gathered(fn, sums):
    assert ("@sum" in tg.grad(fn).lower(np.eye(40)).text("loops")) is sums


def test_nan_and_inf_pass():
    a = SQUARE.copy()
    a[1, 0] = np.inf
    with tg.disable_jit():
        expected = tg.grad(product)(a)
    np.testing.assert_array_equal(tg.grad(product)(a), expected)
