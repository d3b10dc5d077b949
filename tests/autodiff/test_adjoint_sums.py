"""What adjoints of loops add up: rows that may be the same, numbers from outside, and what branches overwrite."""
import numpy as np
import pytest
from test_gradient_memory import gradient, kept_by

import tracegrad as tg

RNG = np.random.default_rng(0)


def total_of(f):
    return lambda x: np.sum(f(x) ** 2)


def pair_distances(x):
    """Rows are read by name and by counter, and may be the same."""
    d = np.zeros((x.shape[0], x.shape[0]))
    for i in range(x.shape[0]):
        for j in range(x.shape[0]):
            s = 0.0
            for k in range(3):
                s += (x[i, k] - x[j, k]) ** 2
            d[i, j] = np.sqrt(s + 0.1)
    return d


def eliminated(a):
    """Gauss-Jordan: a branch that overwrites a row of which it reads an element."""
    n = a.shape[0]
    m = np.zeros((n, 2 * n))
    for i in range(n):
        for j in range(n):
            m[i, j] = a[i, j]
        m[i, n + i] = 1.0
    for k in range(n):
        p = m[k, k]
        for j in range(2 * n):
            m[k, j] /= p
        for i in range(n):
            if i != k:
                f = m[i, k]
                for j in range(2 * n):
                    m[i, j] -= f * m[k, j]
    return m[:, n:]


def squared_where(x):
    """A branch that reads just what it overwrites."""
    for i in range(x.shape[0]):
        if x[i] > 1.0:
            x[i] = x[i] * x[i] * x[i - 1]
    return x


MATRICES = {f.__name__: f for f in (pair_distances, eliminated)}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", MATRICES)
def test_gradients_of_rows(name):
    f = total_of(MATRICES[name])
    x = RNG.uniform(-1.0, 1.0, (3, 3)) + 3.0 * np.eye(3)
    found = tg.grad(f)(x)
    with tg.disable_jit():
        np.testing.assert_allclose(found, tg.grad(f)(x), rtol=1e-11)
    tg.check_grads(f, (x,), order=2)


def test_a_branch_keeps_what_it_destroys_once():
    x = RNG.uniform(0.5, 1.5, 12)
    f = total_of(squared_where)
    found = tg.grad(f)(x)
    with tg.disable_jit():
        np.testing.assert_allclose(found, tg.grad(f)(x), rtol=1e-12)
    tg.check_grads(f, (x,), order=2)
    kept, _ = kept_by(gradient(f, (x,)), x)
    assert kept <= 2 * x.size                        # a condition and a number


@pytest.mark.sweep(10, days=True)
def test_a_row_is_restored_once():
    """Else the elimination would copy the matrix for each row."""
    a = RNG.uniform(-1.0, 1.0, (20, 20)) + 10.0 * np.eye(20)
    f = total_of(eliminated)
    text = tg.grad(f).lower(a).text("loops")
    _, backward = text.split("load $t", 1)
    assert "copy" not in backward
    kept, _ = kept_by(gradient(f, (a,)), a)
    assert kept <= 20 * 20 * 40 + 2 * 20 * 40       # what the rows were, and the numbers that they were multiplied with
    with tg.disable_jit():
        expected = tg.grad(f)(a)
    np.testing.assert_allclose(tg.grad(f)(a), expected, rtol=1e-10)


def test_sums_of_adjoints_are_reductions():
    """What each iteration adds to the slope of a number from outside is summed as vectors; a sum of the function is not."""
    def f(u, rate):
        total = 0.0
        for i in range(1, u.shape[0]):
            total += rate * u[i] * u[i - 1]
        return total

    u = RNG.uniform(0.5, 1.5, 100)
    assert tg.value_and_grad(f)(u, 2.0)[0] == f(u, 2.0)
    tg.check_grads(f, (u, 2.0), order=2)
    assert "any_order=true" in tg.grad(f, argnums=1).lower(u, 2.0).text("optimized")
    assert "reassoc" in tg.grad(f, argnums=1).lower(u, 2.0).text("loops")
    assert "reassoc" not in tg.jit(f).lower(u, 2.0).text("loops")
