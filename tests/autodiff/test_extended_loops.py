"""Loops that do what others do and more: one is differentiated, and everything that it is used for gets its derivative."""
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


A = np.random.default_rng(3).normal(size=(7, 6)) + 0.1


@pytest.mark.parametrize("f", [both, all_three, checked], ids=lambda f: f.__name__)
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


def test_how_many_are_left():
    for f, count in ((both, 1), (all_three, 2)):
        made = prepare(trace_call(f, tg.jit(f).flatten((A,), {})).function, "made")
        assert sum(op.defn.name == "for" for op in made.body.ops) == count, f
