"""Straight-line functions through the loop nests: compiled equals evaluated."""
from __future__ import annotations

import numpy as np
import pytest
from nest_check import build, check, zeros
from tracegrad.ir.core import Value
from tracegrad.ir.types import BOOL, F32, F64, I64, INDEX
from tracegrad.lowering.libraries import numpy_sort

RNG = np.random.default_rng(0)


def rand(*shape):
    return RNG.standard_normal(shape)


def test_elementwise_chain_is_one_loop():
    f = build([("f64", 8), ("f64", 8)], lambda b, x, y: b("add", b("mul", x, y), b("exp", x)))
    check(f, rand(8), rand(8))


@pytest.mark.parametrize("n", [0, 1, 2, 7, 33, 1000])
def test_scalar_times_array_plus_constant(n):
    f = build([("f64", n), "f64"], lambda b, x, s: b("add", b("mul", x, s), b.const(1.0)))
    check(f, rand(n), 2.5)


@pytest.mark.parametrize("shape", [(4, 5), (1, 5), (5, 1), (0, 3), (40, 30)])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("kind", ["sum", "prod", "max", "min"])
def test_reductions(shape, axes, kind):
    f = build([("f64", *shape)], lambda b, x: b.reduce(b("mul", x, x), kind, axes))
    check(f, rand(*shape))


def test_row_statistics_share_the_row_loop():
    def body(b, x):
        n, m = x.type.dims
        top = b.reduce(x, "max", (1,))
        wide = b.broadcast(b.reshape(top, (n, 1)), (n, m))
        s = b.reduce(b("exp", b("sub", x, wide)), "sum", (1,))
        return b("add", b("log", s), top)
    kernel = check(build([("f64", 40, 30)], body), rand(40, 30))
    loops = [s for s in kernel.body if type(s).__name__ == "For"]
    assert len(loops) == 1


def test_value_and_gradient_leave_one_loop():
    def body(b, x):
        e = b("exp", x)
        return b.reduce(b("mul", e, e), "sum", (0,)), b("mul", e, b.const(2.0))
    kernel = check(build([("f64", 100)], body), rand(100))
    loops = [s for s in kernel.body if type(s).__name__ == "For"]
    assert len(loops) == 1


def test_softmax_rows_small_and_large():
    def body(b, x):
        n, m = x.type.dims
        top = b.broadcast(b.reshape(b.reduce(x, "max", (1,)), (n, 1)), (n, m))
        e = b("exp", b("sub", x, top))
        s = b.broadcast(b.reshape(b.reduce(e, "sum", (1,)), (n, 1)), (n, m))
        return b("div", e, s), b.reduce(e, "sum", (0,))
    for shape in ((2, 3), (30, 20)):
        check(build([("f64", *shape)], body), rand(*shape))


def test_centred_columns():
    def body(b, x):
        n, m = x.type.dims
        mean = b("div", b.reduce(x, "sum", (0,)), b.const(float(n)))
        c = b("sub", x, b.broadcast(mean, (n, m)))
        return c, b.reduce(b("mul", c, c), "sum", (0,))
    check(build([("f64", 20, 30)], body), rand(20, 30))


@pytest.mark.parametrize("rows,cols", [(3, 4), (20, 30)])
def test_shapes(rows, cols):
    def body(b, x):
        t = b.transpose(x, (1, 0))
        r = b.reshape(b("add", t, b.const(1.0)), (rows * cols,))
        flip = b("slice", x, *map(b.index, (rows - 1, rows, -1)), spec="s:")
        cat = b("concat", x, flip, axis=0)
        one = b("slice", cat, b.index(1), spec="i:")
        cat2 = b("concat", r, one, axis=0)
        last = b("slice", cat2, b.index(rows * cols), spec="i")
        return t, r, flip, cat, one, cat2, last, b.reshape(r, (cols, rows)), b.reshape(cat, (2, rows, cols))
    check(build([("f64", rows, cols)], body), rand(rows, cols), exact=True)


def test_outputs_that_are_arguments_constants_or_equal():
    def body(b, x, s):
        y = b("mul", x, x)
        return x, y, y, s, b.const(np.arange(5.0)), b.const(3.0), b.transpose(x, (1, 0)), s
    check(build([("f64", 3, 4), "f64"], body), rand(3, 4), 1.5, exact=True)


@pytest.mark.parametrize("n", [5, 50])
def test_gather_and_scatter(n):
    index = RNG.integers(0, n, 2 * n)

    def body(b, x, i, v):
        g = b("gather", x, i, axes=(0,), at=0)
        z = zeros(b, n)
        return g, b("scatter_add", z, b("mul", v, v), i, axes=(0,), at=0), b("scatter", x, v, i, axes=(0,), at=0)
    check(build([("f64", n), ("index", 2 * n), ("f64", 2 * n)], body), rand(n), index, rand(2 * n))


def test_gather_two_axes():
    i, j = RNG.integers(0, 6, (3, 2)), RNG.integers(0, 5, (3, 2))

    def body(b, x, i, j):
        return (b("gather", x, i, j, axes=(0, 2), at=1), b("gather", x, i, axes=(0,), at=0),
                b("gather", x, i, axes=(2,), at=2))
    check(build([("f64", 6, 4, 5), ("index", 3, 2), ("index", 3, 2)], body), rand(6, 4, 5), i % 5, j)


@pytest.mark.parametrize("n", [4, 40])
def test_updates_in_a_chain(n):
    def body(b, x, v):
        ix = b.index
        y = b("update", x, v, ix(0), spec="i:")
        y = b("update", y, b("slice", y, ix(0), spec="i:"), ix(1), spec="i:")
        row = b("slice", y, ix(2), spec="i:")
        y = b("update", y, b("slice", y, ix(3), spec="i:"), ix(2), spec="i:")
        y = b("update", y, row, ix(3), spec="i:")
        y = b("update_add", y, b("slice", y, ix(1), spec=":i"), ix(0), spec=":i")
        y = b("update", y, b("slice", y, ix(0), ix(n - 1), ix(1), spec=":s"), ix(1), ix(n - 1), ix(1), spec=":s")
        return y, x
    check(build([("f64", n, n), ("f64", n)], body), rand(n, n), rand(n))


def test_update_of_a_flipped_self():
    def body(b, x):
        ix = b.index
        y = b("update", x, b("slice", x, ix(9), ix(10), ix(-1), spec="s"), spec=":")
        return b("update", y, y, ix(9), ix(10), ix(-1), spec="s")
    check(build([("f64", 10)], body), rand(10), exact=True)


def test_argument_is_overwritten_in_place():
    def body(b, x):
        return b.reduce(x, "sum", (0,)), b("update", x, b("mul", x, b.const(2.0)), spec=":")
    kernel = check(build([("f64", 100)], body, inout={1: 0}), rand(100))
    assert not kernel.notes


def test_swapped_arguments():
    f = build([("f64", 50), ("f64", 50)], lambda b, x, y: (y, x), inout={0: 0, 1: 1})
    check(f, rand(50), rand(50), exact=True)


@pytest.mark.parametrize("n", [3, 30])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("reverse", [False, True])
def test_scans(n, axis, reverse):
    def body(b, x):
        return [b("scan", x, kind=k, axis=axis, reverse=reverse) for k in ("sum", "prod", "max", "min")]
    check(build([("f64", n, n + 1)], body), rand(n, n + 1))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", ["f64", "i64", "bool"])
def test_argreduce(axis, dtype):
    x = rand(20, 30).round(1)
    if dtype == "f64":
        x[3, 4] = x[5, 5] = np.nan
        x[:, 7] = -np.inf

    def body(b, x):
        return b("argreduce", x, kind="argmax", axis=axis), b("argreduce", x, kind="argmin", axis=axis)
    check(build([(dtype, 20, 30)], body), x)


DOTS = [((5,), (5,), ((0,), (0,)), ((), ())), ((4, 5), (5,), ((1,), (0,)), ((), ())), ((5,), (5, 4), ((0,), (0,)), ((), ())),
        ((2, 3), (3, 2), ((1,), (0,)), ((), ())), ((20, 30), (30, 10), ((1,), (0,)), ((), ())),
        ((30, 20), (30, 10), ((0,), (0,)), ((), ())), ((20, 30), (10, 30), ((1,), (1,)), ((), ())),
        ((30, 20), (10, 30), ((0,), (1,)), ((), ())), ((4, 20, 30), (4, 30, 10), ((2,), (1,)), ((0,), (0,))),
        ((20, 4, 30), (30, 10, 4), ((2,), (0,)), ((1,), (2,))), ((20, 5, 6), (5, 6, 9), ((1, 2), (0, 1)), ((), ())),
        ((5, 20, 6), (6, 5, 9), ((2, 0), (0, 1)), ((), ())), ((3,), (4,), ((), ()), ((), ())),
        ((20, 0), (0, 10), ((1,), (0,)), ((), ())),
        ((7, 8, 20), (20, 30), ((2,), (0,)), ((), ())), ((0, 20), (20, 30), ((1,), (0,)), ((), ()))]


@pytest.mark.parametrize("dtype", ["f64", "f32", "c128", "i64"])
@pytest.mark.parametrize("a,c,contract,batch", DOTS)
def test_dot(a, c, contract, batch, dtype):
    x, y = rand(*a), rand(*c)
    if dtype == "i64":
        x, y = (x * 10).astype(int), (y * 10).astype(int)
    f = build([(dtype, *a), (dtype, *c)], lambda b, x, y: b("dot", x, y, contract=contract, batch=batch))
    check(f, x, y)


def test_dot_of_views_and_expressions():
    def body(b, x, y):
        ix = b.index
        xt = b.transpose(x, (1, 0))
        part = b("slice", x, ix(2), ix(20), ix(1), ix(3), ix(15), ix(2), spec="ss")
        rows = b("slice", x, ix(29), ix(20), ix(-1), spec="s:")
        c = {"contract": ((1,), (0,)), "batch": ((), ())}
        return (b("dot", xt, y, **c), b("dot", b.transpose(part, (1, 0)), b("slice", y, ix(0), ix(20), ix(1), spec="s:"), **c),
                b("dot", b("mul", xt, b.const(2.0)), b("exp", y), **c), b("dot", b.transpose(rows, (1, 0)),
                  b("slice", y, ix(1), ix(20), ix(1), spec="s:"), **c))
    check(build([("f64", 30, 40), ("f64", 30, 12)], body), rand(30, 40), rand(30, 12))


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted(side):
    grid = np.sort(rand(20).round(1))
    x = np.concatenate([rand(30).round(1), [np.nan, np.inf, -np.inf]]).reshape(3, 11)
    f = build([("f64", 20), ("f64", 3, 11)], lambda b, g, x: b("searchsorted", g, x, side=side))
    check(f, grid, x)
    check(build([("f64", 0), ("f64", 3, 11)], lambda b, g, x: b("searchsorted", g, x, side=side)), grid[:0], x)


@pytest.mark.parametrize("n", [0, 1, 2, 6, 17])
def test_searchsorted_in_grids_of_all_lengths(n):
    def body(b, g, x, n):
        sizes = [*range(6), 13, b.cast(n, INDEX)]
        parts = [b("slice", g, b.index(0), k if isinstance(k, Value) else b.index(k), b.index(1), spec="s") for k in sizes]
        return [b("searchsorted", part, x, side=side) for part in parts for side in ("left", "right")]
    grid = np.sort(np.concatenate([rand(8).round(1), [0.5] * 5, [np.inf, np.inf, np.nan, np.nan]]))
    x = np.concatenate([grid, rand(9), [-np.inf, 0.0, -0.0]])
    f = build([("f64", 17), ("f64", 29), "i64"], body)
    check(f, grid, x, np.int64(n))
    check(f, np.sort(rand(17)), x, np.int64(n))


def test_iota_cast_select():
    def body(b, x):
        i = b("iota", b.index(20), dtype=I64)
        even = b("eq", b("mod", i, b.const(2, I64)), b.const(0, I64))
        return (b("select", even, x, b("neg", x)), b.cast(i, F32), b("iota", b.index(3), dtype=F64), even,
                b.cast(b("gt", x, b.const(0.0)), I64), b("iota", b.index(20), dtype=INDEX))
    check(build([("f64", 20)], body), rand(20))


def test_nonzero_has_a_run_time_length():
    def body(b, x):
        mask = b("gt", x, b.const(0.0))
        n = b.reduce(b.cast(mask, INDEX), "sum", (0, 1))
        i, j = b.emit("nonzero", mask, n)
        kept = b("gather", x, i, j, axes=(0, 1), at=0)
        return i, j, b("mul", kept, kept), b.reduce(kept, "sum", (0,))
    check(build([("f64", 8, 9)], body), rand(8, 9))
    check(build([("f64", 8, 9)], body), -np.abs(rand(8, 9)))


@pytest.mark.parametrize("shape", [(4, 4), (3, 20, 20)])
def test_factorisations(shape):
    n = shape[-1]
    a = rand(*shape)
    spd = a @ np.swapaxes(a, -1, -2) + n * np.eye(n)
    rhs = rand(*shape[:-1], 3)

    def body(b, a, rhs):
        low = b("cholesky", a)
        lu, perm = b.emit("lu", a)
        perm_t = (*range(len(shape) - 2), len(shape) - 1, len(shape) - 2)
        up = b.transpose(low, perm_t)
        return (low, lu, perm, b("lu_solve", a, lu, perm, rhs, trans=False),
                b("lu_solve", a, lu, perm, b("exp", rhs), trans=True),
                b("triangular_solve", low, rhs, lower=True, trans=False, unit=False),
                b("triangular_solve", low, rhs, lower=True, trans=True, unit=False),
                b("triangular_solve", up, rhs, lower=False, trans=False, unit=False),
                b("triangular_solve", up, rhs, lower=False, trans=True, unit=True))
    check(build([("f64", *shape), ("f64", *shape[:-1], 3)], body), spd, rhs, tol=1e-8)


def test_bool_results():
    def body(b, x):
        m = b("gt", x, b.const(0.0))
        return [b.reduce(m, kind, (0,)) for kind in ("any", "all", "max", "min")] + [b("not", m)]
    check(build([("f64", 20)], body), rand(20))
    assert BOOL


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 40, 1000])
@pytest.mark.parametrize("dtype", ["f64", "i64", "bool"])
def test_sort(n, dtype):
    x = (rand(n) * 3).round(0 if n % 2 else 1)
    if dtype == "f64" and n > 5:
        x[2:4] = np.nan
        x[5] = -np.inf
    f = build([(dtype, n)], lambda b, x: (b("sort", x, axis=0), b("argsort", x, axis=0, kind="stable"),
                                          b("sort", b("mul", x, x) if dtype != "bool" else x, axis=0)))
    check(f, x, exact=True)


def both_sorts(b, x, axis):
    return [b("sort", x, axis=axis), b("argsort", x, axis=axis, kind="stable")]


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_sort_along_an_axis(axis):
    x = rand(4, 5, 6).round(1)
    check(build([("f64", 4, 5, 6)], lambda b, x: both_sorts(b, x, axis)), x, exact=True)


@pytest.mark.parametrize("n", [1, 2, 7, 100])
def test_sort_without_numpys_functions(n, monkeypatch):
    monkeypatch.setattr(numpy_sort, "usable", lambda kind, dtype: False)
    x = (rand(2, n) * 3).round(0)
    if n > 5:
        x[0, 2:4] = np.nan
    check(build([("f64", 2, n)], lambda b, x: both_sorts(b, x, 0) + both_sorts(b, x, 1)), x, exact=True)
