"""Loops over scalars compute Python's bits, and stores under a condition are stores of a choice where that is free."""
import math

import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(5)


def lorenz(x, y, z, n):
    for _ in range(n):
        dx, dy, dz = 10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z
        x, y, z = x + dx * 0.001, y + dy * 0.001, z + dz * 0.001
    return x, y, z


def test_a_chaotic_orbit_is_pythons():
    """A fused multiply-add anywhere would leave it within 40 units of time."""
    assert tg.jit(lorenz)(1.0, 1.0, 1.0, 50_000) == lorenz(1.0, 1.0, 1.0, 50_000)


def discriminant(a, b, c):
    return b * b - a * c


def test_equal_products_cancel():
    f = tg.jit(discriminant)
    for x in RNG.uniform(0, 1, 50).tolist():
        assert f(x, x, x) == 0.0


def functions(x):
    s = 0.5
    for v in x:
        v = v + 0.05 * abs(s)
        s = math.exp(-v) + math.log(v) + v**1.7 + math.hypot(v, 1.5) + math.asin(v * 0.1)
    return s


def test_functions_of_serial_loops_are_maths():
    x = RNG.uniform(0.5, 2, 200).tolist()
    assert tg.jit(functions)(np.array(x)) == functions(x)


def shortest(d):
    for k in range(len(d)):
        for i in range(len(d)):
            for j in range(len(d)):
                if d[i, k] + d[k, j] < d[i, j]:
                    d[i, j] = d[i, k] + d[k, j]
    return d


def both_ends(x, y):
    for i in range(len(x)):
        if x[i] > y[i]:
            x[i], y[i] = y[i], x[i]
    return x, y


def best_of(group, x):
    best = np.zeros(3)
    for i in range(len(x)):
        if x[i] > best[group[i]]:
            best[group[i]] = x[i]
    return best


def beyond(x):
    for i in range(len(x)):
        if i + 1 < len(x):
            x[i + 1] = x[i] * 2
    return x


@pytest.mark.parametrize("fn, args, branches", [
    (shortest, (RNG.uniform(0, 1, (9, 9)),), 0), (both_ends, (RNG.normal(size=11), RNG.normal(size=11)), 0),
    (best_of, (RNG.integers(0, 3, 20), RNG.normal(size=20)), 1), (beyond, (RNG.normal(size=6),), 1)],
    ids=lambda x: getattr(x, "__name__", ""))
@pytest.mark.parametrize("nan", [False, True])
def test_stores_under_a_condition(fn, args, branches, nan):
    """Where the element was read in the same iteration at an index that follows the loop's, no branch is left."""
    args = [a.copy() for a in args]
    if nan:
        args[-1].flat[2] = np.nan
    expected = fn(*[a.copy() for a in args])
    f = tg.jit(fn)
    got = f(*[a.copy() for a in args])
    np.testing.assert_array_equal(got, expected)
    assert f.lower(*args).text("loops").count("if %") == branches
