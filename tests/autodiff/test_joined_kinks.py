"""Loops that put kinks together hand on the squares beside them: one loop is differentiated, and everything that it is used for
gets its derivative."""
import numpy as np
import pytest
from tracegrad.autodiff.canonicalize import prepare
from tracegrad.tracer.staging.trace_function import trace_call

import tracegrad as tg


def gram_schmidt(a):
    a, q, r = a.copy(), np.zeros_like(a), np.zeros((a.shape[1], a.shape[1]))
    for k in range(a.shape[1]):
        r[k, k] = np.sqrt(a[:, k] @ a[:, k])
        q[:, k] = a[:, k] / r[k, k]
        for j in range(k + 1, a.shape[1]):
            r[k, j] = q[:, k] @ a[:, j]
            a[:, j] -= q[:, k] * r[k, j]
    return q, r


def norms(x):
    """Three loops of one kind: of two arrays of roots the squares are needed, of one itself as well."""
    p, q, s = np.zeros(len(x)), np.zeros(len(x)), 0.0
    for i in range(len(x)):
        p[i] = np.sqrt(x[i] ** 2 + x[i - 1] ** 2)
        q[i] = np.abs(x[i])
        s += x[i] * p[i]
    return p, q, s


def both(a):
    q, r = gram_schmidt(a)
    return np.sum(q ** 2 * np.arange(6.0)) + np.sum(r * r) + np.sum(q[0])


def all_three(a):
    p, q, s = norms(a[0])
    return np.sum(p * p) + s * np.sum(q * q) + np.sum(np.sin(p))


def checked(a):
    """What a loop checks is checked once."""
    k, r, s = np.array([0, 2, 1, 3, 5, 4]), np.zeros(6), 0.0
    for i in range(6):
        j = k[i] + int(a[0, 0] > 50.0) * 9
        r[i] = np.sqrt(a[0, j] ** 2 + a[1, i] ** 2)
        s += a[2, i] * a[1, j]
    return np.sum(r * r) + s


def spd(a):
    return a.T @ a + np.eye(6)


def elements(a):
    """Cholesky's factor, whose inner loop writes one element over and over: of its squares, the last one."""
    a = spd(a)
    for i in range(6):
        for j in range(i):
            for k in range(j):
                a[i, j] -= a[i, k] * a[j, k]
            a[i, j] /= a[j, j]
        a[i, i] = np.sqrt(a[i, i] - a[i, :i] @ a[i, :i])
    return np.sum(a * a)


def branches(a):
    a, low = spd(a), np.zeros((6, 6))
    for i in range(6):
        for j in range(i + 1):
            s = a[i, j]
            for k in range(j):
                s -= low[i, k] * low[j, k]
            if i == j:
                low[i, j] = np.sqrt(s)
            else:
                low[i, j] = s / low[j, j]
    return np.sum(low * low) + np.sum(np.sin(low))


def columns(a):
    a = spd(a)
    for k in range(6):
        a[k, k] = np.sqrt(a[k, k])
        a[k + 1:, k] /= a[k, k]
        for j in range(k + 1, 6):
            a[j:, j] -= a[j:, k] * a[j, k]
    return np.sum(np.tril(a) ** 2)


def steady(a):
    """A sum over a root, in a loop that may have no iterations: then the square is that of the root."""
    r = np.zeros(6)
    for i in range(6):
        r[i] = np.sqrt(a[0, i] ** 2 + a[1, i] ** 2)
        for k in range(i % 3):
            r[i] += a[k, i]
    return np.sum(r * r)


def later(a):
    """Squares that other loops take one by one of what a loop wrote: its square is made there, not in each iteration."""
    r, s = np.zeros(6), 0.0
    for i in range(6):
        r[i] = np.abs(a[0, i])
    for k in range(2):
        for i in range(6):
            s += a[k, i] * r[i] ** 2
    return s


A = np.random.default_rng(3).normal(size=(7, 6)) + 0.1


@pytest.mark.parametrize("f", [both, all_three, checked, elements, branches, columns, steady, later], ids=lambda f: f.__name__)
def test_gradients(f):
    got = tg.grad(f)(A)
    steps = np.zeros_like(A)
    for at in np.ndindex(A.shape):
        e = np.zeros_like(A)
        e[at] = 1e-6
        steps[at] = (f(A + e) - f(A - e)) / 2e-6
    np.testing.assert_allclose(got, steps, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(tg.jacfwd(f)(A), got, rtol=1e-12, atol=1e-13)
    with tg.disable_jit():
        np.testing.assert_allclose(tg.grad(f)(A), got, rtol=1e-12, atol=1e-13)
    h = tg.hessian(f)(A).reshape(42, 42)
    np.testing.assert_allclose(h, h.T, rtol=1e-9, atol=1e-9)


def test_a_failed_check_is_told():
    with pytest.raises(IndexError):
        tg.grad(checked)(A + 100.0)


def test_where_a_column_is_zero():
    """|r|² has the derivative 2 a there, though the root has none."""
    def f(a):
        s, r = 0.0, np.zeros(6)
        for k in range(6):
            r[k] = np.sqrt(a[:, k] @ a[:, k])
            s += a[0, k]
        return np.sum(r * r) + s * s

    a = A * (np.arange(6) != 2)
    np.testing.assert_allclose(tg.grad(f)(a), 2.0 * a + 2.0 * a[0].sum() * (np.arange(7) == 0)[:, None])


def test_without_iterations_a_root_is_left():
    a = A * (np.arange(6) != 3)                    # of column 3 no element is added: r² = a0² + a1²
    np.testing.assert_allclose(tg.grad(steady)(a)[:, 3], 0.0)
    assert np.isfinite(tg.grad(steady)(a)).all()


def test_positions_are_checked_where_there_are_iterations():
    def f(a, n):
        r = np.abs(a[0])
        for k in range(n):
            r[7] += a[0, k]
        return np.sum(r * r)

    np.testing.assert_allclose(tg.grad(f)(A, 0), np.outer(np.arange(7) == 0, 2.0 * A[0]))
    with pytest.raises(IndexError):
        tg.grad(f)(A, 1)


def test_how_many_are_left():
    for f, count in ((both, 2), (all_three, 1), (elements, 3), (branches, 3), (steady, 2), (columns, 2), (later, 3)):
        made = prepare(trace_call(f, tg.jit(f).flatten((A,), {})).function, "made")
        assert sum(op.defn.name == "for" for op in made.body.walk()) == count, f
