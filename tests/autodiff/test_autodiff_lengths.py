"""Derivatives of functions whose results have a length that only the run knows."""
import numpy as np
import pytest

import tracegrad as tg


def positive_squares(x):
    return x[x > 0] ** 2


def positives(x):
    return x[x > 0]


X, Y = np.array([1.0, -2.0, 3.0]), np.array([1.0, 2.0, 3.0, -1.0])


def test_pullback_takes_the_length_that_was_found():
    out, pull = tg.vjp(positive_squares, X)
    np.testing.assert_array_equal(out, [1, 9])
    np.testing.assert_array_equal(pull(np.array([1.0, 10.0]))[0], [2, 0, 60])
    _, longer = tg.vjp(positive_squares, Y)
    np.testing.assert_array_equal(longer(np.ones(3))[0], [2, 4, 6, 0])
    np.testing.assert_array_equal(pull(np.ones(2))[0], [2, 0, 6])      # the first is as it was
    np.testing.assert_array_equal(tg.vjp(positives, X)[1](np.array([5.0, 6.0]))[0], [5, 0, 6])


@pytest.mark.parametrize("f", [positive_squares, positives])
def test_wrong_length_of_a_cotangent(f):
    _, pull = tg.vjp(f, X)
    with pytest.raises(ValueError, match=r"shape \(3,\), the primal \(2,\)"):
        pull(np.ones(3))


def test_forward_and_linear_part():
    _, slope = tg.jvp(positive_squares, (X,), (np.ones(3),))
    np.testing.assert_array_equal(slope, [2, 6])
    np.testing.assert_array_equal(tg.linearize(positive_squares, X)[1](np.ones(3)), [2, 6])


# --- arrays that change their length from iteration to iteration ------------------------------------------------------------

def grown(x, m):
    for _ in range(m):
        x = np.concatenate([x, np.sin(x[-1:]) * x[0]])
    return np.sum(x ** 2)


def doubled(x, m):
    for _ in range(m):
        x = np.concatenate([x, x * np.cos(x[-1])])
    return np.sum(x ** 2)


def filtered(x, m):
    for _ in range(m):
        x = x[x > 0.25] * 1.1 - 0.1 * x[0] ** 2
    return np.sum(x ** 2)


def halved(x, m):
    while x.shape[0] > m:
        x = np.sin(x[::2]) * x[:(x.shape[0] + 1) // 2]
    return np.sum(x ** 2)


def until_small(x, m):
    while np.sum(x) > 0.5 and x.shape[0] > m:
        x = np.sin(x[1:]) * x[:-1]
    return np.sum(x ** 2)


def either(x, m):
    for _ in range(m):
        if x[0] > 0.2:
            x = np.cos(x[1:]) * x[:-1]
        else:
            x = np.concatenate([x, np.sin(x[1:])])
    return np.sum(x ** 2)


def sometimes(x, m):
    for k in range(m):
        if k % 2 == 1:
            x = np.concatenate([x, np.sin(x[-1:])])
        x = x * x[0]
    return np.sum(x)


def within_a_loop(x, m):
    total = 0.0
    for i in range(m):
        y = x * 1.0
        for _ in range(i):
            y = np.concatenate([y, np.sin(y[-1:]) * x[0]])
        total += np.sum(y ** 2)
    return total


def to_nothing(x, m):
    total = 0.0
    while x.shape[0] > 0:
        total += np.sum(x) * x[-1]
        x = x[m:] * 0.5
    return total


@pytest.mark.sweep(14, days=True)
@pytest.mark.parametrize("kind", [np.float64, np.float32])
@pytest.mark.parametrize("f", [grown, doubled, filtered, halved, until_small, either, sometimes, within_a_loop, to_nothing],
                         ids=lambda f: f.__name__)
def test_arrays_that_change_their_length_in_a_loop(f, kind):
    x, m = np.linspace(0.3, 1.1, 6), 3
    reverse, bend = tg.grad(f), tg.jacrev(tg.grad(f))
    single = x.astype(kind)
    got = reverse(single, m)
    assert got.dtype == kind
    tight = 1e-11 if kind is np.float64 else 2e-5
    forward = [tg.jvp(f, (single, m), (e, 0.0))[1] for e in np.eye(6, dtype=kind)]
    np.testing.assert_allclose(got, forward, rtol=tight, atol=tight)
    step = 1e-6
    np.testing.assert_allclose(got, [(f(x + step * e, m) - f(x - step * e, m)) / (2 * step) for e in np.eye(6)],
                               rtol=1e-6 if kind is np.float64 else 1e-4, atol=1e-6)
    np.testing.assert_allclose(bend(single, m), tg.hessian(f)(single, m), rtol=100 * tight, atol=100 * tight)
    with tg.disable_jit():
        np.testing.assert_allclose(reverse(single, m), got, rtol=tight, atol=tight)


def test_no_iteration_changes_nothing():
    np.testing.assert_allclose(tg.grad(grown)(X, 0), 2 * X)
    np.testing.assert_allclose(tg.grad(to_nothing)(X[:0], 3), [])


def test_a_budget_takes_loops_of_steady_lengths():
    with tg.config(memory_budget=1000), pytest.raises(tg.ArgumentError, match="lengths that change from iteration") as error:
        tg.grad(doubled)(X, 3)
    assert "for _ in range(m):" in str(error.value) and "leave memory_budget out" in str(error.value)


@pytest.mark.parametrize("shapes", ["static", "symbolic"])
def test_a_length_that_becomes_a_number_in_a_loop(shapes):
    def program(x, k):
        y = x[x > 0] if shapes == "static" else x
        for _ in range(k):
            y = y * np.array([1.0, 2.0, 3.0])
        return np.sum(y**2)

    x = np.array([0.1, 0.2, 0.3])
    gradient = tg.grad(tg.jit(program, shapes=shapes))
    for k in (3, 0, 1):
        np.testing.assert_allclose(gradient(x, k), 2 * x * np.array([1.0, 4.0, 9.0]) ** k)


def test_a_loop_in_a_branch_gives_an_array_another_length():
    def program(x, c):
        y = x[x > -9]
        a = y * 2
        if c > 0:
            for v in y:
                a = np.ones(6) + v
        else:
            a = a + 0.0
        return np.sum(a**2)

    x = np.arange(4.0)
    gradient = tg.grad(program)
    np.testing.assert_allclose(gradient(x, 1.0), [0, 0, 0, 48.0])
    np.testing.assert_allclose(gradient(x, -1.0), 8 * x)


@pytest.mark.parametrize("n", [1, 2])
def test_a_length_that_a_view_gives(n):
    """Of one element, how many there are is the mask itself under another shape: the pullback takes it as a length."""
    def program(x):
        out, mask = np.full(x.shape, np.nan), x > 2
        chosen = np.extract(mask, x)
        np.place(out, mask, chosen / (chosen - 2.0))
        return out

    x = np.array([6.0, 7.0])[:n]
    _, pull = tg.vjp(program, x)
    np.testing.assert_allclose(pull(np.ones(n))[0], -2 / (x - 2) ** 2)
