"""Sums and recurrences in their own order, of costly terms: those are computed as vectors, and the bits are Python's."""
import math

import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(5)
LENGTHS = (0, 1, 15, 16, 100, 255, 256, 257, 1000)


def summed(x):
    s = 0.0
    for i in range(x.size):
        s += 1.0 / np.sqrt(x[i] + 1.0) / np.sqrt(x[i] * x[i] + 0.5)
    return s


def forces(x):
    """Additions to elements that stay the same."""
    n = x.shape[0]
    a = np.zeros((n, 2))
    for i in range(n):
        for j in range(n):
            dx, dy = x[j, 0] - x[i, 0], x[j, 1] - x[i, 1]
            w = 1.0 / (dx * dx + dy * dy + 0.01) ** 1.5
            a[i, 0] += w * dx
            a[i, 1] -= w * dy
    return a


def recurrence(x):
    v, out = 0.3, np.empty_like(x)
    for i in range(x.size):
        v = v * 0.9 + 1.0 / np.sqrt(1.0 + x[i]) / (2.0 + x[i])
        out[i] = v
    return out


def through_memory(x):
    v = np.zeros(x.size + 1)
    for i in range(x.size):
        v[i + 1] = 0.5 * v[i] + 1.0 / np.sqrt(1.0 + x[i]) / (2.0 + x[i])
    return v


def chosen(x):
    """A branch on what is carried, and one on what is not."""
    s, c = 0.0, 0
    for i in range(x.size):
        t = np.sqrt(1.0 + x[i]) / (2.0 + x[i]) / (3.0 - x[i])
        if s < 10.0:
            s += t
        else:
            s -= 5.0
            c += 1
    return s, c


def products(x):
    p, q = 1.0, 0.0
    for i in range(x.size):
        p = p * (1.0 - 1.0 / np.sqrt(x[i] + 9.0) / (x[i] + 3.0))
        q = max(q, p) + x[i]
    return p, q


def skipped(x):
    s = 0.0
    for i in range(x.size):
        if x[i] < 0.1:
            continue
        s += np.sqrt(x[i]) / (1.0 + x[i]) / (2.0 + x[i])
    return s


ONE_ARRAY = (summed, recurrence, through_memory, chosen, products, skipped)


def same(found, wanted):
    for a, b in zip(found if type(found) is tuple else (found,), wanted if type(wanted) is tuple else (wanted,), strict=True):
        assert np.array_equal(a, b, equal_nan=True)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", ONE_ARRAY, ids=lambda f: f.__name__)
@pytest.mark.parametrize("size", LENGTHS)
def test_same_bits_as_python(f, size):
    x = RNG.random(size)
    same(tg.jit(f)(x), f(x))


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", ONE_ARRAY, ids=lambda f: f.__name__)
def test_same_bits_for_lengths_of_run_time_and_strides(f):
    @tg.jit
    def part(x, n):
        return f(x[:n])

    x = RNG.random(2000)[::2]
    for n in LENGTHS:
        same(part(x, n), f(x[:n]))


@pytest.mark.parametrize("f", ONE_ARRAY, ids=lambda f: f.__name__)
def test_nan_and_inf(f):
    x = RNG.random(600)
    x[300], x[450], x[77] = np.nan, np.inf, -3.0
    with np.errstate(all="ignore"):
        same(tg.jit(f)(x), f(x))


@pytest.mark.parametrize("f", [*ONE_ARRAY, forces], ids=lambda f: f.__name__)
def test_terms_are_handed_over(f):
    x = RNG.random((300, 2)) if f is forces else RNG.random(1000)
    assert "$handed0" in tg.jit(f).lower(x).text("loops") or f is skipped


@pytest.mark.sweep(2)
@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_forces(threads):
    x = RNG.random((300, 2))
    before = tg.config.threads
    tg.config.threads = threads
    try:
        np.testing.assert_allclose(tg.jit(forces)(x), forces(x), rtol=1e-14)
    finally:
        tg.config.threads = before


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", ONE_ARRAY, ids=lambda f: f.__name__)
def test_gradients(f):
    def of(x):
        out = f(x)
        return np.sum(out[0] if type(out) is tuple else out)

    tg.check_grads(of, (RNG.random(300) + 0.2,), order=1)


def test_functions_of_libraries_differ_by_their_last_bits_only():
    def f(x):
        s = 0.0
        for i in range(x.size):
            s += math.exp(x[i]) * math.sin(x[i]) + x[i] ** 1.7
        return s

    x = RNG.random(1000)
    np.testing.assert_allclose(tg.jit(f)(x), f(x), rtol=1e-14)


def test_floats_of_single_precision():
    def f(x):
        s = np.float32(0.0)
        for i in range(x.size):
            s += np.sqrt(x[i]) / (x[i] + np.float32(1.0)) / (x[i] + np.float32(2.0))
        return s

    x = RNG.random(700).astype(np.float32)
    assert tg.jit(f)(x) == f(x)


def test_sums_in_any_order_stay_whole():
    """They are vectors as they are."""
    text = tg.jit(lambda x: np.sum(np.exp(x))).lower(RNG.random(1000)).text("loops")
    assert "$handed0" not in text
