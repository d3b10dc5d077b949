"""Additions to one element of an array, of which a loop reads other parts: reverse mode keeps one element for the loop."""
import numpy as np
import pytest
from tracegrad.autodiff.canonicalize import prepare

import tracegrad as tg

RNG = np.random.default_rng(5)


def triangular(a, b):
    """A product with a triangle, in place."""
    b = b.copy()
    n = b.shape[0]
    for i in range(n):
        for j in range(b.shape[1]):
            for k in range(i + 1, n):
                b[i, j] += a[k, i] * b[k, j]
            b[i, j] = 1.5 * b[i, j]
    return np.sum(b ** 2)


def backwards(a, b):
    """The same from below, with differences."""
    b = b.copy()
    for i in range(b.shape[0] - 1, -1, -1):
        for j in range(b.shape[1]):
            for k in range(i):
                b[i, j] -= np.sin(a[i, k] * b[k, j])
    return np.sum(b ** 3)


def two_elements(a, b):
    """A loop that adds to two elements and reads a third."""
    x = b.copy()
    for i in range(2, x.shape[0]):
        for k in range(x.shape[1]):
            x[i, 0] += x[i - 1, k] * a[i, k]
            x[i, 1] += x[i - 2, k] * x[i - 1, 0]
        x[i - 1, 0] = x[i, 1] * x[i, 0]
    return np.sum(np.sin(x))


def met(a, b):
    """The sum meets an element that it reads: nothing may be taken out."""
    x = b.copy()
    for i in range(x.shape[0]):
        for k in range(x.shape[0]):
            x[i, 0] += a[i, k] * x[k, 0]
    return np.sum(np.cos(x))


def nested(a, b):
    """Two loops add to one element."""
    x = b.copy()
    n = x.shape[0]
    for i in range(n):
        for k in range(i + 1, n):
            for m in range(x.shape[1]):
                x[i, 0] += a[k, m] * x[k, m] * x[k, 0]
        x[i, 0] = np.tanh(x[i, 0])
    return np.sum(x ** 2)


def guarded(a, b):
    """The position lies in the array only where the loop has iterations."""
    x = b.copy()
    n = x.shape[0]
    for i in range(n + 2):
        for k in range(min(i + 1, n), n):
            x[i, 0] += a[k, i] * x[k, 0]
    return np.sum(x ** 2)


PROGRAMS = (triangular, backwards, two_elements, met, nested, guarded)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("f", PROGRAMS)
@pytest.mark.parametrize("n", [2, 3, 7])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_value_and_gradient(f, n, dtype):
    a, b = (0.3 * RNG.normal(size=(2, n, n))).astype(dtype)
    tight, loose = (1e-12, 1e-10) if dtype == np.float64 else (1e-5, 1e-3)
    value, gradients = tg.value_and_grad(f, argnums=(0, 1))(a, b)
    np.testing.assert_allclose(value, f(a, b), rtol=tight)
    with tg.disable_jit():
        expected = tg.grad(f, argnums=(0, 1))(a, b)
    dots = [RNG.normal(size=a.shape).astype(dtype) for _ in range(2)]
    _, slope = tg.jvp(f, (a, b), tuple(dots))
    np.testing.assert_allclose(sum(np.sum(g * d) for g, d in zip(gradients, dots)), slope, rtol=loose, atol=loose)
    for g, e in zip(gradients, expected):
        np.testing.assert_allclose(g, e, rtol=loose, atol=loose)
    if dtype == np.float64:
        h = 1e-6
        up, down = (f(a + s * h * dots[0], b + s * h * dots[1]) for s in (1, -1))
        np.testing.assert_allclose(slope, (up - down) / (2 * h), rtol=1e-6, atol=1e-7)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", [triangular, two_elements, nested])
def test_second_order(f):
    a, b, v = 0.3 * RNG.normal(size=(3, 4, 4))
    _, forward = tg.jvp(tg.grad(f, argnums=1), (a, b), (np.zeros_like(a), v))
    found = tg.grad(lambda a, b: np.sum(tg.grad(f, argnums=1)(a, b) * v), argnums=1)(a, b)
    np.testing.assert_allclose(found, forward, rtol=1e-9, atol=1e-10)


def sums(f, *args):
    """How many additions to an array of one element the prepared program has."""
    traced = tg.jit(f).lower(*args)
    g = prepare(traced.function, "f")
    return sum(op.defn.name == "update_add" and op.results[0].type.dims == (1,) for op in g.body.walk())


@pytest.mark.parametrize(("f", "count"), [(triangular, 1), (backwards, 1), (two_elements, 2), (met, 0), (guarded, 0)])
def test_what_is_taken_out(f, count):
    assert sums(f, *RNG.normal(size=(2, 20, 20))) == count


def test_the_tape_is_one_element_for_each_sum():
    text = tg.grad(triangular, argnums=(0, 1)).lower(*RNG.normal(size=(2, 40, 40))).text("loops")
    assert "push" not in text                              # nothing is kept for each k


@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_no_iteration_keeps_the_sign_of_zero(zero):
    def f(b):
        b = b.copy()
        for i in range(b.size):
            for k in range(i + 1, b.size):
                b[i] += b[k] * b[k]
        return np.copysign(1.0, b[b.size - 1]) * np.sum(b)

    b = np.array([1.0, 2.0, zero])
    value, _ = tg.value_and_grad(f)(b)
    assert value == f(b)


def test_halves():
    """They are added as they are elsewhere: in f32, each sum rounded."""
    def f(x, y):
        for _ in range(40):
            x = np.maximum(x, 0.125) - y[-1] * 0.25
        return np.sum(x)

    x, y = np.linspace(-1, 1, 5).astype("f2"), np.ones(3, "f2")
    got, want = tg.grad(f, argnums=1)(x, y), tg.grad(f, argnums=1)(x.astype("f4"), y.astype("f4"))
    np.testing.assert_array_equal(got, want)
    assert got.dtype == np.float16 and want[-1] == -1.25
