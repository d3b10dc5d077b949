"""Overlapping additions to one array: one pass, and the same sums."""
from __future__ import annotations

import numpy as np
import pytest
from nest_check import build, check
from tracegrad.lowering.loopir.grammar import For, Store, walk

import tracegrad as tg

RNG = np.random.default_rng(3)
N = 20


def region(b, name, x, v, *spans):
    """x with v written or added at x[start:stop, …]; an int is one position, None a whole axis."""
    spec, operands = "", []
    for span in spans:
        if span is None:
            spec += ":"
        elif isinstance(span, int):
            spec, operands = spec + "i", [*operands, b.index(span)]
        else:
            start, stop = span
            spec, operands = spec + "s", [*operands, b.index(start), b.index(stop - start), b.index(1)]
    return b(name, x, v, *operands, spec=spec)


def stores(kernel):
    """How many elements are stored, over all loops."""
    def count(body):
        return sum(s.trip * count(s.body) if isinstance(s, For) else isinstance(s, Store) for s in body)
    return count(kernel.body)


def cut(b, v, rows, columns):
    return b("slice", v, b.index(0), b.index(rows), b.index(1), b.index(0), b.index(columns), b.index(1), spec="ss")


def stencil(b, x, v, offsets, first="update_add"):
    part = cut(b, v, N - 2, N - 2)
    for k, (i, j) in enumerate(offsets):
        x = region(b, first if k == 0 else "update_add", x, b("mul", part, b.const(k + 1.0)), (i, N - 2 + i), (j, N - 2 + j))
    return x


NINE = [(i, j) for i in range(3) for j in range(3)]
X, V = RNG.standard_normal((N, N)), RNG.standard_normal((N, N))
TYPES = [("f64", N, N), ("f64", N, N)]


FIVE = [(1, 0), (1, 2), (0, 1), (2, 1), (1, 1)]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("offsets", [NINE, NINE[::-1], FIVE, [(0, 0), (2, 2)], [(1, 1)] * 3])
@pytest.mark.parametrize("first", ["update", "update_add"])
def test_a_stencil_stores_each_element_once(offsets, first):
    kernel = check(build(TYPES, lambda b, x, v: stencil(b, b.broadcast(b.const(0.5), [N, N]), v, offsets, first)), X, V)
    assert stores(kernel) == N * N
    kernel = check(build(TYPES, lambda b, x, v: stencil(b, x, v, offsets, first), inout={0: 0}), X, V)
    assert stores(kernel) <= N * N


@pytest.mark.parametrize("kind", ["f32", "i32", "c128", "u8"])
def test_dtypes(kind):
    def body(b, x, v):
        for offset in range(4):
            x = region(b, "update_add", x, v, (offset, offset + 300))
        return x
    check(build([(kind, 303), (kind, 300)], body, inout={0: 0}), RNG.integers(0, 99, 303), RNG.integers(0, 99, 300))


def test_rows_columns_and_whole_axes():
    def body(b, x, v, w):
        x = region(b, "update_add", x, w, 3, None)
        x = region(b, "update_add", x, w, None, 3)
        x = region(b, "update_add", x, v, (0, N), (0, N))
        x = region(b, "update_add", x, cut(b, v, 2, N), (N - 2, N), None)
        return region(b, "update_add", x, w, 3, None)
    check(build([*TYPES, ("f64", N)], body, inout={0: 0}), X, V, RNG.standard_normal(N))


def test_an_update_in_between_replaces():
    def body(b, x, v):
        x = region(b, "update", x, cut(b, v, 9, 9), (1, 10), (1, 10))
        x = region(b, "update_add", x, cut(b, v, 9, 9), (2, 11), (1, 10))
        x = region(b, "update", x, cut(b, v, 5, 9), (0, 5), (2, 11))
        return region(b, "update_add", x, cut(b, v, 5, 5), (2, 7), (0, 5))
    check(build(TYPES, body, inout={0: 0}), X, V)


def test_what_is_seen_in_between_stays_apart():
    def body(b, x, v):
        one = region(b, "update_add", x, cut(b, v, 9, 9), (0, 9), (0, 9))
        seen = b("reduce", one, kind="sum", axes=(0,))
        two = region(b, "update_add", one, cut(b, v, 9, 9), (1, 10), (0, 9))
        return two, seen, b("reduce", two, kind="sum", axes=(1,))
    check(build(TYPES, body), X, V)
    check(build(TYPES, body, inout={0: 0}), X, V)


def test_sources_that_are_overwritten_or_are_the_array_itself():
    def overwritten(b, x, v):
        y = region(b, "update_add", x, cut(b, v, 9, 9), (0, 9), (0, 9))
        w = region(b, "update", v, cut(b, x, 5, 5), (2, 7), (2, 7))
        return region(b, "update_add", y, cut(b, w, 9, 9), (1, 10), (0, 9)), w
    check(build(TYPES, overwritten, inout={0: 0, 1: 1}), X, V)

    def itself(b, x, v):
        y = region(b, "update_add", x, cut(b, x, 9, 9), (1, 10), (1, 10))
        z = region(b, "update_add", y, cut(b, y, 9, 9), (0, 9), (1, 10))
        return region(b, "update_add", z, cut(b, x, 9, 9), (2, 11), (1, 10))
    check(build(TYPES, itself, inout={0: 0}), X, V)
    check(build(TYPES, itself), X, V)


def test_disjoint_parts_and_small_arrays_keep_their_loops():
    def body(b, x, v):
        x = region(b, "update_add", x, cut(b, v, 10, N), (0, 10), None)
        return region(b, "update_add", x, cut(b, v, 10, N), (10, 20), None)
    kernel = check(build(TYPES, body, inout={0: 0}), X, V)
    assert sum(isinstance(s, For) for s in walk(kernel.body)) == 3         # the rows of both share a loop

    def short(b, x, v):
        for k in range(3):
            x = region(b, "update_add", x, v, (k, k + 4))
        return x
    check(build([("f64", 6), ("f64", 4)], short, inout={0: 0}), X[0, :6], V[0, :4])


def test_many_parts_are_joined_in_groups():
    def body(b, x, v):
        part = cut(b, v, N - 6, N - 6)
        for i in range(7):
            for j in range(7):
                x = region(b, "update_add", x, part, (i, N - 6 + i), (j, N - 6 + j))
        return x
    check(build(TYPES, body, inout={0: 0}), X, V)


def test_in_three_dimensions():
    def body(b, x, v):
        for offset in [(1, 1, 0), (1, 1, 2), (1, 0, 1), (1, 2, 1), (0, 1, 1), (2, 1, 1), (1, 1, 1)]:
            x = region(b, "update_add", x, v, *((o, o + 7) for o in offset))
        return x
    check(build([("f64", 9, 9, 9), ("f64", 7, 7, 7)], body, inout={0: 0}), RNG.standard_normal((9, 9, 9)),
          RNG.standard_normal((7, 7, 7)))


def test_values_that_later_nests_and_checks_need():
    def body(b, x, v):
        e = b("exp", v)
        x = region(b, "update_add", x, cut(b, e, 9, 9), (0, 9), (0, 9))
        total = b("reduce", e, kind="sum", axes=(0, 1))
        b.emit("check", b("gt", total, b.const(0.0)), error="ValueError", message="not positive")
        x = region(b, "update_add", x, b("mul", cut(b, e, 9, 9), total), (1, 10), (1, 10))
        return region(b, "update_add", x, cut(b, v, 9, 9), (0, 9), (1, 10)), e
    check(build(TYPES, body, inout={0: 0}), X, V)


def smooth(x):
    y = np.zeros_like(x)
    y[1:-1, 1:-1] = x[1:-1, 1:-1] ** 2 + x[:-2, 1:-1] * x[2:, 1:-1] + x[1:-1, :-2] - 0.5 * x[1:-1, 2:] ** 3
    for _ in range(2):
        y[1:] += y[:-1] * x[1:]
        y[:, :-1] += np.sin(y[:, 1:])
    return np.sum(y * y)


@pytest.mark.sweep(6, days=True)
def test_derivatives_of_stencils():
    tg.check_grads(smooth, (X * 0.3,), order=2)


# --- the border of an update ----------------------------------------------------------------------------------------------

def _frame(x, lo, hi, fill):
    y = np.full_like(x, fill) if fill is not None else x.copy()
    region = tuple(slice(lo, n - hi) for n in x.shape)
    y[region] = x[region] * 2 - 1
    return y, x + 1


def _steps(x, n):
    before, now = x.copy(), x * 1
    for _ in range(n):
        after = np.zeros_like(now)
        after[1:-1, 1:-1] = now[2:, 1:-1] + now[:-2, 1:-1] - 2 * now[1:-1, 1:-1] + 0.3 * before[1:-1, 2:] ** 2
        edge = now.copy()
        edge[:, 2:] = after[:, 2:] - now[:, :-2]
        edge[0, 1:] = after[1, 1:]
        before, now = after, edge
    return before, now


def _in_place(x, n):
    """The new array takes the memory of the old one, whose elements are read until then."""
    for _ in range(n):
        new = np.zeros_like(x)
        new[1:-1] = x[1:-1] + 0.1 * (x[2:] - 2 * x[1:-1] + x[:-2])
        x = new
    for _ in range(n):
        new = x.copy()
        new[:-1] = x[1:] * 0.5 + x[:-1]
        x = new
    return x


def _twice(x):
    """One array is the base of two updates, and read between them."""
    a, b = x.copy(), x.copy()
    a[1:] = x[:-1] * 3
    total = (a * x).sum()
    b[:-1] = a[1:] + total
    a[:-1] = b[1:]
    return a, b, total


@pytest.mark.sweep(3)
@pytest.mark.parametrize("dtype", ["f4", "f8", "c16", "i4"])
@pytest.mark.parametrize("shape,lo,hi", [((400,), 1, 1), ((20, 19), 1, 2), ((20, 19), 3, 0), ((8, 9, 7), 1, 1), ((300,), 0, 1),
                                         ((2, 200), 0, 0), ((2, 300), 1, 0), ((20, 19), 8, 8)])
@pytest.mark.parametrize("fill", [None, 0, 3])
def test_the_border_of_an_update(dtype, shape, lo, hi, fill):
    x = (np.random.default_rng(0).standard_normal(shape) * 9).astype(dtype)
    for found, expected in zip(tg.jit(_frame)(x, lo, hi, fill), _frame(x, lo, hi, fill), strict=True):
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("shape", [(30, 31), (17, 16), (5, 300)])
def test_borders_in_a_loop(shape):
    x = np.random.default_rng(1).standard_normal(shape) * 0.3
    for n in (0, 1, 2, 5):
        for found, expected in zip(tg.jit(_steps)(x, n), _steps(x, n), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)
    for n in (1, 4):
        np.testing.assert_allclose(tg.jit(_in_place)(x, n), _in_place(x, n), rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(tg.jit(_in_place)(x[:, 0], n), _in_place(x[:, 0], n), rtol=1e-13, atol=1e-13)
        np.testing.assert_allclose(tg.jit(_in_place)(x.ravel(), n), _in_place(x.ravel(), n), rtol=1e-13, atol=1e-13)
    for found, expected in zip(tg.jit(_twice)(x), _twice(x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.sweep(6, days=True)
def test_gradient_of_borders():
    x, v = np.random.default_rng(2).standard_normal((2, 18, 17)) * 0.3

    def loss(x):
        return sum((y * y).sum() for y in (*_steps(x, 3), *_twice(x)[:2]))

    slope = (tg.grad(loss)(x) * v).sum()
    assert tg.jvp(loss, (x,), (v,))[1] == pytest.approx(slope, rel=1e-12)
    assert (loss(x + 1e-6 * v) - loss(x - 1e-6 * v)) / 2e-6 == pytest.approx(slope, rel=1e-6)
    second = tg.hvp(loss, (x,), (v,))
    np.testing.assert_allclose(second, (tg.grad(loss)(x + 1e-5 * v) - tg.grad(loss)(x - 1e-5 * v)) / 2e-5, rtol=1e-5, atol=1e-3)


def test_only_the_border_is_filled():
    def fn(x):
        y = np.zeros_like(x)
        y[1:-1, 1:-1] = x[1:-1, 1:-1] * 2
        return y

    text = tg.jit(fn).lower(np.ones((30, 30))).text("loops")
    assert "fill" not in text and text.count("for ") == 5
