"""Products and sums that are added to arrays: compiled equals evaluated equals NumPy, and none is stored on its way."""
import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(0)


def plain(x, a, b):
    return x + a @ b


def turned(x, a, b):
    return a @ b + x


def twice(x, a, b):
    return x + a @ b + b @ a


def itself(x, a, b):
    x += a @ x
    return x


def square(x, a, b):
    x += x @ x
    return x


def row_of_itself(x, a, b):
    """What is added reads the row that is written, and others."""
    x[1] += x.T @ x[1]
    return x


def old(x, a, b):
    """The old array is read afterwards."""
    y = x + a @ b
    return y * x


def looped(x, a, b):
    for k in range(4):
        x = x + (k * a) @ b
    return x


def steps(x, a, b):
    for k in range(a.shape[0]):
        x += np.outer(a[k], b[k]) @ a
    return x


def columns(x, a, b):
    for k in range(3):
        x[k] += a.T @ b[k]
        x[0] += np.sum(a * b[k], axis=0)
    return x


def several(x, a, b):
    total = np.zeros_like(x)
    for k in range(3):
        total += a.T @ (b * x[k])
        total += np.sum(a)
    return total, x + total.T @ b


def branches(x, a, b):
    if x[0, 0] > 0.0:
        return x + a @ b
    return x + b @ a


PROGRAMS = [plain, turned, twice, itself, square, row_of_itself, old, looped, steps, columns, several, branches]


@pytest.mark.sweep(3)
@pytest.mark.parametrize("n", [0, 1, 3, 12])
@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.complex128])
def test_equals_numpy(f, n, dtype):
    if n < 3 and f not in (plain, turned, twice, itself, square, old, looped, steps):
        return
    args = [(RNG.standard_normal((n, n)) + (1j * RNG.standard_normal((n, n)) if dtype is np.complex128 else 0)).astype(dtype)
            for _ in range(3)]
    if f is branches and dtype is np.complex128:
        return
    want = f(*[x.copy() for x in args])
    rtol = 2e-4 if dtype is np.float32 else 1e-11
    for jit in (True, False):
        compiled = tg.jit(f)
        found = (compiled if jit else compiled.interpret)(*[x.copy() for x in args])
        for a, b in zip(found if isinstance(found, tuple) else (found,), want if isinstance(want, tuple) else (want,)):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * max(1.0, np.max(np.abs(b), initial=0.0)))


@pytest.mark.parametrize("shapes", [((4, 5, 6), (4, 5, 20), (4, 20, 6)), ((5,), (30, 5), (30,)), ((3, 9), (9, 3), (9, 9))])
def test_stacks_vectors_and_transposes(shapes):
    x, a, b = [RNG.standard_normal(s) for s in shapes]

    def f(x, a, b):
        y = a.T @ b if a.ndim == 2 else a @ b
        x += y
        return x

    np.testing.assert_allclose(tg.jit(f)(x.copy(), a, b), f(x.copy(), a, b), rtol=1e-12, atol=1e-12)


def loops_of(f, *args):
    return tg.jit(f).lower(*args).text("loops")


@pytest.mark.parametrize("n", [5, 40])
def test_nothing_is_stored_on_the_way(n):
    """One library call, or loops that add to memory; no temporary of the size of the product."""
    def product(x, a, b):
        x += a.T @ b

    def vector(x, a, b):
        x += a.T @ b[0]

    def total(x, a, b):
        x += np.sum(a * b, axis=0)

    a, b = RNG.standard_normal((2, n, n))
    for f, x in ((product, np.zeros((n, n))), (vector, np.zeros(n)), (total, np.zeros(n))):
        text = loops_of(f, x, a, b)
        assert "alloc" not in text, text
        assert ("gemm" in text) == (f is product and n == 40)


def test_an_old_array_that_is_still_read_is_copied_once():
    x, a, b = RNG.standard_normal((3, 40, 40))
    text = loops_of(old, x, a, b)
    assert text.count("alloc") == 1 and text.count("gemm") == 1


def test_sums_of_one_pass_stay_together():
    """Sums over both axes of one matrix, added up: the matrix is computed once and never stored."""
    def fn(x):
        d = np.exp(-(x[:, None] - x[None, :]) ** 2)
        return d.sum(axis=0) + d.sum(axis=1)

    x = np.linspace(0, 2, 70)
    np.testing.assert_allclose(tg.jit(fn)(x), fn(x), rtol=1e-14)
    text = tg.jit(fn).lower(x).text("loops")
    assert "f64[70, 70]" not in text and text.count("exp") == 1


@pytest.mark.parametrize("n, m", [(1, 3), (2, 3), (300, 200)])
def test_what_a_sum_reads_is_read_before_it_is_overwritten(n, m):
    """The derivative reads a column of the adjoint, clears it, and then adds a product with it to a row."""
    def columns(a, k):
        out = np.zeros((n, 4))
        for j in range(4):
            out[:, j] = a @ k[j]
        return np.sum(out**2)

    a, k = RNG.uniform(0.5, 1.0, (n, m)), RNG.uniform(0.5, 1.0, (4, m))
    np.testing.assert_allclose(tg.grad(columns, argnums=1)(a, k), 2 * (k @ a.T) @ a)
