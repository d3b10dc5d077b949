"""Loops over columns whose inner loops run down the columns are exchanged; where iterations meet they are not."""
import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(12)


def triangular(a, b):
    for i in range(b.shape[0]):
        for j in range(b.shape[1]):
            b[i, j] += a[i + 1:, i] @ b[i + 1:, j]
    return b


def gram_schmidt(a, b):
    for j in range(a.shape[1]):
        a[:, j] /= np.sqrt(a[:, j] @ a[:, j])
        for k in range(j + 1, a.shape[1]):
            a[:, k] -= (a[:, j] @ a[:, k]) * a[:, j]
    return a


def elimination(a, b):
    n = a.shape[0]
    for i in range(n):
        for j in range(i):
            a[i, j] = (a[i, j] - a[i, :j] @ a[:j, j]) / a[j, j]
        for j in range(i, n):
            a[i, j] -= a[i, :i] @ a[:i, j]
    return a


def product(a, b):
    c = np.zeros((a.shape[0], b.shape[1]))
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            s = 0.5
            for k in range(a.shape[1]):
                s += a[i, k] * b[k, j]
            c[i, j] = s * s
    return c


def standardized(a, b):
    for j in range(a.shape[1]):
        low, top = np.mean(a[:, j]), np.max(a[:, j])
        a[:, j] = (a[:, j] - low) / (top - low)
    return a


def symmetric(a, b):
    c = np.zeros(a.shape)
    for i in range(c.shape[0]):
        for j in range(c.shape[1]):
            c[:i, j] += 1.5 * b[i, j] * a[i, :i]
            c[i, j] += b[i, j] * a[i, i] + 1.5 * (b[:i, j] @ a[i, :i])
    return c


def running(a, b):
    """Each column needs the one before."""
    for j in range(1, a.shape[1]):
        for i in range(a.shape[0]):
            a[i, j] += 0.5 * a[i, j - 1]
    return a


def shifted(a, b):
    """A column is read by a later iteration, from another row."""
    for j in range(a.shape[1] - 1):
        s = 0.0
        for i in range(a.shape[0]):
            s += a[i, j]
        a[0, j + 1] = s
    return a


def folded(a, b):
    """All iterations add to the same elements."""
    t = np.zeros(a.shape[0])
    for j in range(a.shape[1]):
        for i in range(a.shape[0]):
            t[i] = t[i] * 0.5 + a[i, j]
    return t


def by_rows(a, b):
    """A sum along each row has no use for it."""
    out = np.zeros(a.shape[0])
    for i in range(a.shape[0]):
        s = 0.0
        for k in range(a.shape[1]):
            s += a[i, k] * b[0, k]
        out[i] = s
    return out


EXCHANGED = (triangular, gram_schmidt, elimination, product, standardized, symmetric)
LEFT = (running, shifted, folded, by_rows)


def matrices(n):
    return RNG.normal(size=(n, n)) / (n + 1) + 3 * np.eye(n), RNG.normal(size=(n, n))


def copies(args):
    return [x.copy() for x in args]


@pytest.mark.sweep(2, by="f")
@pytest.mark.parametrize("f", (*EXCHANGED, *LEFT), ids=lambda f: f.__name__)
@pytest.mark.parametrize("n", [1, 2, 9, 18, 140])
def test_same_as_python(f, n):
    args = matrices(n)
    if f is standardized and n == 1:
        return
    np.testing.assert_allclose(tg.jit(f)(*copies(args)), f(*copies(args)), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("f", (*EXCHANGED, *LEFT), ids=lambda f: f.__name__)
def test_what_is_exchanged(f):
    assert ("$row" in tg.jit(f).lower(*matrices(40)).text("loops")) == (f in EXCHANGED)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("f", EXCHANGED, ids=lambda f: f.__name__)
def test_any_length_and_precision(f):
    g = tg.jit(f)
    for n in (10, 20, 21, 33):
        args = matrices(n)
        np.testing.assert_allclose(g(*copies(args)), f(*copies(args)), rtol=1e-9, atol=1e-11)
    args = [x.astype(np.float32) for x in matrices(20)]
    np.testing.assert_allclose(g(*copies(args)), f(*copies(args)), rtol=1e-3, atol=1e-4)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("f", EXCHANGED, ids=lambda f: f.__name__)
def test_gradients(f):
    a, b = matrices(18)
    tg.check_grads(lambda a, b: np.sum(np.sin(f(a.copy(), b.copy()))), (a, b))


def test_nan_stays_in_its_column():
    a, b = matrices(30)
    b[20, 3] = np.nan
    found, wanted = tg.jit(triangular)(a.copy(), b.copy()), triangular(a.copy(), b.copy())
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))


@pytest.mark.sweep(3)
@pytest.mark.parametrize("f", [triangular, elimination, product], ids=lambda f: f.__name__)
def test_gradients_of_several_strips(f):
    """Adjoints of all columns are added to one element, strip by strip; the backward loop walks down the columns."""
    a, b = matrices(150)

    def loss(a, b):
        return np.sum(f(a.copy(), b.copy()) ** 2)

    text = tg.grad(loss, argnums=(0, 1)).lower(a, b).text("loops")
    assert "@sum" in text
    da, db = RNG.normal(size=a.shape), RNG.normal(size=b.shape)
    ga, gb = tg.grad(loss, argnums=(0, 1))(a, b)
    _, slope = tg.jvp(loss, (a, b), (da, db))
    np.testing.assert_allclose(np.sum(ga * da) + np.sum(gb * db), slope, rtol=1e-9)


def centred(a):
    """Temporary arrays of each column, in whose place a strip has one of all."""
    n = a.shape[1]
    for j in range(n):
        for k in range(j + 1, n):
            a[:, k] -= 0.05 * np.tanh(a[:, j] @ a[:, k]) * a[:, j] * np.sin(a[:, k])
    return a


@pytest.mark.sweep(8, by="f")
@pytest.mark.parametrize("f", [gram_schmidt, lambda a, b: centred(a)], ids=["gram_schmidt", "centred"])
@pytest.mark.parametrize("shape", [(3, 2), (20, 17), (40, 40), (20, 130)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_gradients_with_columns_on_the_tape(f, shape, dtype):
    rng = np.random.default_rng(1)
    a, w = (rng.normal(size=shape) / 3).astype(dtype), rng.normal(size=shape).astype(dtype)
    if shape[1] > shape[0]:                       # orthogonal columns are as many as rows at most
        f = lambda a, b: centred(a)  # noqa: E731
    loss = lambda a: (f(a.copy(), None) * w).sum()  # noqa: E731
    if dtype is np.float64:
        tg.check_grads(loss, (a,), order=1)
    rtol, atol = (1e-10, 1e-12) if dtype is np.float64 else (2e-3, 2e-4)
    np.testing.assert_allclose(tg.grad(loss)(a), tg.grad(loss).interpret(a), rtol=rtol, atol=atol)


def reflections(a, b):
    """Householder's: in the gradient all columns add to the adjoint of one number, vv, which a variable holds."""
    m, n = a.shape
    v = np.zeros(m)
    for k in range(min(m - 1, n)):
        size = np.sqrt(a[k:, k] @ a[k:, k])
        for i in range(k, m):
            v[i] = a[i, k]
        v[k] += size if a[k, k] > 0 else -size
        vv = 0.0
        for i in range(k, m):
            vv += v[i] * v[i]
        for j in range(k, n):
            t = 0.0
            for i in range(k, m):
                t += v[i] * a[i, j]
            t = 2.0 * t / vv
            for i in range(k, m):
                a[i, j] -= t * v[i]
    return a


@pytest.mark.parametrize("shape", [(2, 1), (5, 3), (20, 17), (17, 20), (12, 140)])
def test_all_columns_add_to_a_variable(shape):
    a, w = RNG.normal(size=shape), RNG.normal(size=shape)

    def loss(a):
        return np.sum(np.sin(reflections(a.copy(), None)) * w)

    gradient = tg.grad(loss)
    got, da = gradient(a), RNG.normal(size=shape)
    np.testing.assert_allclose(got, gradient.interpret(a), rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(np.sum(got * da), tg.jvp(loss, (a,), (da,))[1], rtol=1e-8, atol=1e-10)
    rows = [f.lower(a).text("loops").count("alloc $row") for f in (tg.jit(loss), gradient)]
    assert shape[1] < 20 or rows[1] > 2 * rows[0] > 0


def test_temporaries_of_columns_are_exchanged():
    text = tg.grad(lambda a: (gram_schmidt(a.copy(), None) ** 2).sum()).lower(RNG.random((100, 50))).text("loops")
    assert "f64[100, 64] heap" in text
