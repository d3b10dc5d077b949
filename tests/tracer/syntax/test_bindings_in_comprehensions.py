"""`:=` in the conditions of comprehensions, also of ones that only run time decides."""
import math

import numpy as np
import pytest

import tracegrad as tg

X = np.array([0.3, 1.2, -0.4, 0.9, 2.0])


def filtered(x):
    return [y for v in x if (y := 2.0 * v) < 2.0]


def summed(x):
    return sum(y * v for v in x if (y := math.sin(v)) > 0.2 and y < 0.95)


def nested(x):
    rows = [x, x * x]
    return [(k, t, u) for k, row in enumerate(rows) if (t := row.sum()) > 1.0 if t < 100.0 for v in row if not (u := v) < 0.5]


def called(x):
    return len([s for v in x if np.isfinite(s := v * v) and s > 0.2])


def known(x):
    return {r for k in range(7) if (r := k % 3)}, [n for word in ["a1", "b"] if (n := word[1:])]


@pytest.mark.parametrize("f", [filtered, summed, nested, called, known])
def test_the_name_is_bound_by_the_condition(f):
    got, want = tg.jit(f)(X), f(X)
    assert got == want if f is known else np.allclose(got, want)


def test_derivatives():
    expected = [2.0 * (2.0 * v < 2.0) for v in X]
    assert tg.grad(lambda x: np.sum(np.array(filtered(x))))(X).tolist() == expected
    assert tg.jvp(lambda x: np.sum(np.array(filtered(x))), (X,), (np.ones(5),))[1] == sum(expected)


def kept(x):
    hit = -1.0
    found = [v for v in [1.0, 5.0, 2.0] if (hit := v) > 3.0]
    return hit * x, found


def test_a_name_that_is_read_behind_stays_the_functions():
    assert tg.jit(kept)(2.0) == kept(2.0) == (4.0, [5.0])


def functions_of_a_comprehension(x):
    last = [lambda: k * x[0] for k in range(3)]                   # noqa: B023
    each = [lambda v, k=k: v * k for k in range(3)]
    pairs = {k: (k, lambda v: v + k) for k in range(2)}                   # noqa: B023
    lazy = [(v * k for v in x) for k in range(3) if k != 1]
    return ([f() for f in last], [f(x[1]) for f in each], pairs[0][1](x[0]), [sum(g) for g in lazy],
            [sorted(x, key=lambda v: v * k)[0] for k in (-1, 1)], [(lambda v: v * k)(x[0]) for k in range(3)])


def test_functions_read_the_last_item():
    x = np.array([0.5, 1.5])
    assert tg.jit(functions_of_a_comprehension)(x) == functions_of_a_comprehension(x)
