"""Products that sum nothing are elementwise; sums of a few products have one order, so that a gradient may take them again."""
from __future__ import annotations

import re

import numpy as np
import pytest
from tracegrad.ir.transforms.pipeline import optimize
from tracegrad.tracer.staging import trace_function

import tracegrad as tg

RNG = np.random.default_rng(5)


def outers(u, v, a):
    """a + u vᵀ, and what only one transpose or batch axis tells apart from it."""
    first = a + np.outer(u, v)
    second = a.T - np.multiply.outer(v, u)
    third = np.einsum("i,j->ji", u, v).T * a
    rows = np.einsum("ij,ik->ikj", a, a)[:, :2, :]
    return first, second, third, rows, np.tensordot(u, v, 0)


def check_gradient(f, args, seed=0):
    """Reverse equals forward equals a difference; a Hessian times a vector equals a difference of gradients."""
    rng, every = np.random.default_rng(seed), tuple(range(len(args)))
    dots = tuple(rng.standard_normal(np.shape(x)) for x in args)
    grad = tg.grad(f, argnums=every)

    def moved(step):
        return [x + step * d for x, d in zip(args, dots)]

    slope = sum(np.sum(g * d) for g, d in zip(grad(*args), dots))
    assert tg.jvp(f, args, dots)[1] == pytest.approx(slope, rel=1e-12)
    assert (f(*moved(1e-5)) - f(*moved(-1e-5))) / 2e-5 == pytest.approx(slope, rel=1e-6)
    for h, a, b in zip(tg.hvp(f, args, dots), grad(*moved(1e-5)), grad(*moved(-1e-5))):
        np.testing.assert_allclose(h, (a - b) / 2e-5, rtol=1e-6, atol=1e-7)


def optimised(fn, *args):
    return list(optimize(trace_function.trace(fn, args).function).body.walk())


@pytest.mark.sweep(2)
@pytest.mark.parametrize("dtype", ["f4", "f8", "c16", "i8"])
@pytest.mark.parametrize("n,m", [(3, 4), (1, 5), (4, 1), (0, 3), (1, 1)])
def test_outer_products(dtype, n, m):
    def draw(*dims):
        x = RNG.standard_normal(dims) * 4
        return (x + 1j * RNG.standard_normal(dims) if dtype == "c16" else x).astype(dtype)

    args = draw(n), draw(m)[::-1], draw(n, m)
    for found, expected in zip(tg.jit(outers)(*args), outers(*args), strict=True):
        assert found.dtype == expected.dtype and found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-15 if dtype == "c16" else 0)


def test_no_product_stays_without_a_sum():
    def fn(u, v, a):
        return np.outer(u, v) + a, np.multiply.outer(u, v), np.einsum("ij,ik->ijk", a, a), np.tensordot(u, a, 0)

    names = [op.defn.name for op in optimised(fn, np.ones(3), np.ones(4), np.ones((3, 4)))]
    assert "dot" not in names and "mul" in names


def test_gradient_of_outer_products():
    def loss(u, v, a):
        return sum((x * x * x).sum() for x in outers(u, v, a))

    check_gradient(loss, (RNG.standard_normal(3), RNG.standard_normal(4), RNG.standard_normal((3, 4))))


@pytest.mark.parametrize("fn", [
    lambda a, v: a.T.T @ v, lambda a, v: a.T @ a @ v, lambda a, v: v @ a.T, lambda a, v: np.einsum("ij,ij->i", a.T.T, a),
    lambda a, v: a.T @ a, lambda a, v: a @ a.T,
    lambda a, v: np.einsum("kij,j->ki", np.stack([a, a]).transpose(0, 2, 1)[:, :3], v),
])
def test_products_of_transposed_operands(fn):
    a, v = RNG.standard_normal((3, 3)), RNG.standard_normal(3)
    for x in (a, a.T, np.asfortranarray(a), a[::-1]):
        np.testing.assert_allclose(tg.jit(fn)(x, v), fn(x, v), rtol=1e-13)


def fitted(x, y, rate, steps):
    w, b = np.zeros(3), 0.0
    for _ in range(steps):
        error = x @ w + b - y
        w = w - rate * (x.T @ error) / y.size
        b -= rate * error.mean()
    return (w * w).sum() + b * b


def test_short_products_are_taken_again():
    """The residual of 50 numbers follows from w and b: four numbers a step are kept, and not its 50."""
    x, y = RNG.standard_normal((50, 3)), RNG.standard_normal(50)
    text = tg.grad(fitted).lower(x, y, 0.1, 7).text("optimized")
    assert re.findall(r"empty .*", text) == ["empty %2, 3 {dtype=f64} : f64[%2, 3]", "empty %2 {dtype=f64} : f64[%2]"]
    check_gradient(lambda x, y, rate: fitted(x, y, rate, 7), (x, y, 0.1))


def nearest(points, queries):
    """Ties of distances on a grid: which point is nearest is decided again in the reverse sweep, by the same bits."""
    total = 0.0
    for k in range(queries.shape[0]):
        best, chosen = np.inf, 0
        for j in range(points.shape[0]):
            d = ((points[j] - queries[k]) ** 2).sum()
            if d < best:
                best, chosen = d, j
        total += best * points[chosen, 0]
    return total


def test_ties_of_short_sums():
    grid = np.array([(i, j, 1.0) for i in range(4) for j in range(4)]) * 0.1
    middle = np.array([(i + 0.5, j + 0.5, 1.0) for i in range(3) for j in range(3)]) * 0.1
    assert tg.jit(nearest)(grid, middle) == nearest(grid, middle)
    grads = tg.grad(nearest, argnums=(0, 1))(grid, middle)
    dots = RNG.standard_normal(grid.shape), RNG.standard_normal(middle.shape)
    slope = sum((g * d).sum() for g, d in zip(grads, dots))
    assert tg.jvp(nearest, (grid, middle), dots)[1] == pytest.approx(slope, rel=1e-12)


def gram(a):
    return a.T @ a


def outer_gram(a):
    return a @ a.T / a.shape[1]


def stacked_gram(a):
    return np.matmul(a, np.swapaxes(a, -1, -2))


def centred_gram(a):
    c = a - a.mean(axis=0)
    return c.T @ c


@pytest.mark.sweep(3)
@pytest.mark.parametrize("dtype", ["f4", "f8", "c16"])
@pytest.mark.parametrize("f", [gram, outer_gram, stacked_gram, centred_gram])
def test_a_matrix_times_its_own_transpose_is_made_by_halves(f, dtype):
    rng = np.random.default_rng(5)
    for shape in ((3, 100, 70) if f is stacked_gram else (100, 70), (70, 100), (64, 64), (0, 70), (70, 0)):
        a = rng.normal(size=shape).astype(dtype)
        found, wanted = tg.jit(f)(a), f(a)
        np.testing.assert_allclose(found, wanted, rtol=1e-4 if dtype == "f4" else 1e-11, atol=1e-4 if dtype == "f4" else 1e-11)
        np.testing.assert_array_equal(found, np.swapaxes(found, -1, -2))
    text = tg.jit(f).lower(rng.normal(size=(100, 90)).astype(dtype)).text("loops")
    assert "lib syrk" in text and "gemm" not in text
    assert "syrk" not in tg.jit(f).lower(rng.normal(size=(40, 40)).astype(dtype)).text("loops")


def test_halves_of_any_length_and_their_gradient():
    f = tg.jit(lambda a: a.T @ a)
    rng = np.random.default_rng(6)
    for n in (70, 71, 130, 20, 5):
        a = rng.normal(size=(30, n))
        np.testing.assert_allclose(f(a), a.T @ a, rtol=1e-12, atol=1e-12)
    tg.check_grads(lambda a: np.sum(np.sin(a @ a.T)), (rng.normal(size=(66, 4)) * 0.1,))


def test_what_is_no_product_with_its_own_transpose():
    rng = np.random.default_rng(7)
    a = rng.normal(size=(200, 100))
    for f in (lambda a: a[:100].T @ a[100:], lambda a: a[:100] @ a[:100], lambda a: a[:, :80].T @ a[:, :80],
              lambda a: a[:100].T @ a[:100].T):
        np.testing.assert_allclose(tg.jit(f)(a), f(a), rtol=1e-11, atol=1e-11)
