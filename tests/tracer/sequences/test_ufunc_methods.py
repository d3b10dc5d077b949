"""NumPy functions that call functions, and the methods of ufuncs: as in NumPy, and their derivatives."""
from __future__ import annotations

import nest_check
import numpy as np
import pytest
from derivatives import check as check_derivatives
from numpy_trace import build, check, expressions, run

import tracegrad as tg

RNG = np.random.default_rng(12)
X, Y = RNG.uniform(0.2, 1.5, 7), RNG.uniform(0.2, 1.5, 7)
A = RNG.standard_normal((3, 4))
CUBE = RNG.standard_normal((2, 3, 4))
I = np.array([3, 0, 6, 2, 12])
M = X > 0.8


def same(f, *args):
    got, want = tg.jit(f)(*args), f(*args)
    for g, w in zip(*((x if isinstance(x, tuple) else (x,)) for x in (got, want)), strict=True):
        assert type(g) is type(w) and np.shape(g) == np.shape(w), (type(g), type(w))
        assert np.asarray(g).dtype == np.asarray(w).dtype
        np.testing.assert_allclose(g, w, rtol=1e-13)


def relu(v, slope=0.1):
    if v < 0:
        return slope * v
    return v


def middle(row):
    total = 0.0
    for k in range(1, len(row) - 1):
        if row[k] > 0:
            total += row[k] * row[k - 1]
    return total


@np.vectorize
def decorated(v, power):
    """A loop of a length that the element decides."""
    out, k = 1.0, 0
    while k < power:
        out *= v
        k += 1
    return out


@pytest.mark.sweep(6, days=True)
def test_vectorize():
    for a in (A, A[0], A[:, ::2], A.astype(np.float32), CUBE):
        same(lambda a: np.vectorize(relu)(a), a)
    same(lambda a: np.vectorize(relu)(a, 0.5), A)
    same(lambda k: np.vectorize(lambda v: v * 2 if v > 3 else -v)(k), I)
    same(lambda k: np.vectorize(lambda v: v / 2)(k), I.astype(np.int8))
    same(lambda a, x: np.vectorize(relu)(a, slope=x[:4]), A, X)
    same(lambda a, x: np.vectorize(lambda p, q: (p + q, p > q))(a, x[:3, None]), A, X)
    same(lambda a: np.vectorize(relu, otypes=[np.float32])(a), A)
    same(lambda a: np.vectorize(relu, otypes="f", excluded=[1])(a, 3.0), A)
    same(lambda x: decorated(x, np.arange(7)), X)
    same(lambda x: decorated(x, 3), X)
    same(lambda x: np.vectorize(relu)(x[0]), X)
    same(lambda x: np.vectorize(np.sqrt)(x), X)
    same(lambda x, k: np.vectorize(relu)(x[:k[0]] - 1), X, np.array([4]))
    tg.check_grads(lambda a, s: np.sum(np.vectorize(relu)(a, s) ** 3), (A, 0.3), order=2)
    with pytest.raises(ValueError, match="of an empty array"):
        tg.jit(lambda x: np.vectorize(relu)(x[:0]))(X)
    with pytest.raises(tg.UnsupportedError, match=r"signature '\(n\)->\(\)'.*(?s:.*)loop"):
        tg.jit(lambda x: np.vectorize(np.sum, signature="(n)->()")(x))(A)


@pytest.mark.sweep(2, days=True)
def test_apply_along_axis():
    for axis in (0, 1, -1):
        same(lambda a, axis=axis: np.apply_along_axis(middle, axis, a), A)
        same(lambda a, axis=axis: np.apply_along_axis(lambda r: np.sort(r)[:2], axis, a), CUBE)
        same(lambda a, axis=axis: np.apply_along_axis(np.outer, axis, a, np.ones(2)), A)
    same(lambda a: np.apply_along_axis(np.mean, 1, a), A)
    same(lambda a: np.apply_along_axis(np.max, 0, a), A[:, 0])
    same(lambda a: np.apply_along_axis(lambda r, k: r[::-1] * k, 0, a, k=3), A)
    same(lambda a: np.apply_along_axis(lambda r: 3, 0, a), A)
    same(lambda a: np.apply_over_axes(np.sum, a, [0, -1]), CUBE)
    same(lambda a: np.apply_over_axes(np.max, a, 1), CUBE)
    tg.check_grads(lambda a: np.sum(np.apply_along_axis(middle, 1, a) ** 2), (A,), order=1)
    with pytest.raises(ValueError, match="any iteration dimensions are 0"):
        tg.jit(lambda a: np.apply_along_axis(np.sum, 1, a))(A[:0])


def test_from_functions():
    same(lambda x: np.piecewise(x, [x < 0.5, x > 1], [lambda t: t ** 2, lambda t: relu(t.sum()), -1]), X)
    same(lambda x: np.piecewise(x, [x < 0.5], [0.0, lambda t, s: t * s], 3.0), X)
    same(lambda x: np.fromiter((v * 2 for v in x), float), X)
    same(lambda x: np.fromiter([v * 2 for v in x], np.float32, count=3), X)
    same(lambda x: np.fromfunction(lambda i, j: np.where(i > j, i * x[0], j), (3, 4)), X)
    with pytest.raises(ValueError, match="functions are expected"):
        tg.jit(lambda x: np.piecewise(x, [x < 1], [1, 2, 3]))(X)


@pytest.mark.parametrize("fn", expressions("np, x, a, i, m", globals(), """
    np.subtract.accumulate(x)
    np.subtract.reduce(a, axis=1)
    np.divide.reduce(x)
    np.hypot.reduce(a, axis=None)
    np.hypot.reduce(a, (0, 1), keepdims=True)
    np.hypot.reduce(x[:0])
    np.hypot.reduce(i)
    np.hypot.accumulate(a, axis=1)
    np.logaddexp.reduce(a, axis=-1, keepdims=True)
    np.logaddexp.reduce(x, where=m)
    np.fmax.reduce(x, initial=1.0, where=m)
    np.fmin.accumulate(a)
    np.bitwise_or.reduce(i)
    np.bitwise_and.reduce(i[:, None] + i, axis=0)
    np.bitwise_xor.accumulate(i)
    np.logical_xor.reduce(m)
    np.logical_and.accumulate(m)
    np.logical_or.accumulate(x > 1)
    np.copysign.reduce(x)
    np.gcd.reduce(i)
    np.lcm.reduce(i[::2] + 1)
    np.gcd(i, 6)
    np.gcd(i[:, None], -i)
    np.gcd(i[0], i[4])
    np.lcm(i, 4)
    np.lcm(i.astype(np.int8), i.astype(np.int16))
    np.add.reduceat(x, i[:4])
    np.add.reduceat(a, [0, 2], axis=1)
    np.add.reduceat(m, [0, 2, 4])
    np.maximum.reduceat(x, [0, 4, 2, 6])
    np.multiply.reduceat(a, np.array([1, 0]))
    np.logical_or.reduceat(m, [0, 3], out=np.zeros(2, bool))
    np.subtract.reduce(a, out=np.zeros(4))
"""))
@pytest.mark.sweep(2, days=True)
def test_methods_of_ufuncs(fn):
    with np.errstate(all="ignore"):
        check(fn, X, A, I, M)
    nest_check.check(build(fn, X, A, I, M)[0], X, A, I, M)


@pytest.mark.parametrize("fn", expressions("np, x, y", globals(), """
    np.subtract.accumulate(x * y)
    np.hypot.reduce(x * y)
    np.logaddexp.accumulate(x * y)
    np.add.reduceat(x * y, np.array([0, 3, 2, 5]))
    np.multiply.reduceat(x * y, [0, 3, 1])
    np.divide.reduce(x + y)
"""))
@pytest.mark.sweep(2, days=True)
def test_derivatives(fn):
    check_derivatives(build(fn, X, Y)[0], [X, Y])


def test_errors():
    with pytest.raises(ValueError, match="no identity"):
        run(lambda np, x: np.subtract.reduce(x[:0]), X)
    with pytest.raises(ValueError, match="does not have an identity"):
        run(lambda np, x: np.fmax.reduce(x, where=x > 1), X)
    with pytest.raises(IndexError, match=r"out-of-bounds in add\.reduceat"):
        run(lambda np, x, i: np.add.reduceat(x, i), X, I)
    with pytest.raises(ValueError, match="only supported for binary"):
        run(lambda np, x: np.sqrt.reduce(x), X)
    with pytest.raises(tg.UnsupportedError, match=r"(?s)np.less.reduce.*loop"):
        run(lambda np, x: np.less.reduce(x), X)
