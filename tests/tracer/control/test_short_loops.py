"""Short loops with large bodies are rolled; those that copies serve better are written out."""
import numpy as np
import pytest
from tracegrad.ir.thresholds import sizes

import tracegrad as tg

X = np.linspace(0.5, 2.0, 20)
Y = np.linspace(1.0, 3.0, 40).reshape(2, 20)


def body(x, a):
    y = x
    for _ in range(a):
        y = np.sin(y) * y + np.roll(y, 1) - np.cos(y[::-1]) / (1.0 + y * y)
    return y


def steps(x):
    for k in range(3):
        for _ in [0, 1]:
            x = body(x, 1) * 0.5
        x = x + x[k]
    return x


def counter(x):
    for k in range(3):
        x = body(x, 1)
        if k == 1:
            x = body(body(x, 1), 1)
        elif k == 2:
            x = np.sort(body(body(x[::-1], 1), 1))
    return x


def last_only(x):
    for _ in range(3):
        x = body(x, 1)
        found = np.sum(body(x, 1))
    return x * found


def shapes(x):
    for k in range(3):
        x = body(x, 1)[k:]
    return x


def number_needed(x):
    for k in range(3):
        x = body(x, 1) + len("abc"[k:]) * np.zeros((k + 1, x.size)).sum()
    return x


def in_a_loop(x):
    for row in range(2):
        for _ in range(3):
            x[row] = body(x[row], 1)
    return x


def left_early(x):
    for _ in range(3):
        x = body(x, 1)
        if x[0] > 1e3:
            break
    return x


CASES = {f.__name__: f for f in (steps, counter, last_only, shapes, number_needed, left_early)}


def loops(f, *args):
    return sum(op.name == "for" for op in tg.jit(f).lower(*args).function.body.walk())


def test_a_large_body_has_one_copy():
    with sizes.at(traced_body=8):
        assert loops(steps, X) == 1
    with sizes.at(traced_body=1000):
        assert loops(steps, X) == 0


def test_small_arrays_and_numbers_stay_in_registers():
    with sizes.at(traced_body=8):
        assert loops(steps, X[:5]) == 0


def nest(a, b, c):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            for m in range(2):
                for k in range(a.shape[2]):
                    for q in range(3):
                        if j >= m:
                            c[i, q] += a[i, j - m, k] @ b[q] * np.sin(b[m, q]) @ a[i, j, k].T
    return c


A, B = (np.cos(np.arange(n)).reshape(shape) for n, shape in ((540, (3, 4, 5, 3, 3)), (27, (3, 3, 3))))


@pytest.mark.sweep(2, days=True)
def test_a_nest_of_short_loops_around_a_long_one_has_one_copy():
    C = np.zeros((3, 3, 3, 3))
    assert loops(nest, A, B, C) == 5
    np.testing.assert_allclose(tg.jit(nest)(A, B, C.copy()), nest(A, B, C.copy()), rtol=1e-13)

    def total(a, b):
        return np.sum(nest(a, b, np.zeros((3, 3, 3, 3))) ** 2)

    slopes = tg.grad(total, argnums=(0, 1))(A, B)
    along = tg.jvp(total, (A, B), (np.sin(A), B * B))[1]
    np.testing.assert_allclose(np.sum(slopes[0] * np.sin(A)) + np.sum(slopes[1] * B * B), along, rtol=1e-11)
    step = 1e-6
    ends = [total(A + s * np.sin(A), B + s * B * B) for s in (step, -step)]
    np.testing.assert_allclose((ends[0] - ends[1]) / (2 * step), along, rtol=1e-6)


def test_two_iterations_around_long_loops_have_one_copy_where_they_are_large():
    def sweeps(x):
        for colour in range(2):
            for i in range(1, x.size - 1):
                if (i + colour) % 2:
                    y = x[i - 1] + x[i + 1] - 2.0 * x[i]
                    z = np.sin(y) * x[i] + np.cos(y) * x[i - 1] - np.tanh(y) * x[i + 1] + y * y / (1.0 + y * y)
                    x[i] = x[i] + 0.1 * y - 0.01 * np.exp(-z * z) + 0.02 * z / (2.0 + z) - 0.03 * z * y
        return x

    assert loops(sweeps, X) == 2
    np.testing.assert_allclose(tg.jit(sweeps)(X.copy()), sweeps(X.copy()), rtol=1e-13)


def test_two_iterations_are_copies():
    def twice(x):
        for _ in range(2):
            x = body(x, 1)
        return x

    with sizes.at(traced_body=4):
        assert loops(twice, X) == 0


@pytest.mark.parametrize("f", [counter, last_only, shapes, number_needed, left_early], ids=lambda f: f.__name__)
def test_copies_where_they_are_less_work(f):
    with sizes.at(traced_body=4):
        assert loops(f, X) == 0


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", CASES)
def test_results_and_slopes_are_those_of_copies(name):
    f = CASES[name]
    wanted, slope = f(X), tg.grad(lambda x: np.sum(f(x) ** 2))(X)
    with sizes.at(traced_body=4):
        np.testing.assert_allclose(tg.jit(lambda x: f(x))(X), wanted, rtol=1e-13)
        np.testing.assert_allclose(tg.grad(lambda x: np.sum(f(x) ** 2) + 0.0)(X), slope, rtol=1e-11)
        np.testing.assert_allclose(tg.jvp(lambda x: np.sum(f(x) ** 2), (X,), (X,))[1], slope @ X, rtol=1e-11)


def test_stores_in_nested_loops():
    wanted = in_a_loop(Y.copy())
    with sizes.at(traced_body=4, traced_unrolled_total=64):
        np.testing.assert_allclose(tg.jit(in_a_loop)(Y.copy()), wanted, rtol=1e-13)


def test_what_cannot_be_rolled_is_written_out():
    def named(x):
        parts = {}
        for k in range(3):
            x = body(x, 1)
            parts[f"part {k}"] = x
        return parts

    with sizes.at(traced_body=4):
        found = tg.jit(named)(X)
    for k, (part, wanted) in enumerate(named(X).items()):
        assert part == f"part {k}"
        np.testing.assert_allclose(found[part], wanted, rtol=1e-13)
