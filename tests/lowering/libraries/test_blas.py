"""The rows of `Lib`: BLAS and LAPACK on row-major matrices, whole and as blocks of larger ones."""
from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from loop_run import Compiled, Failed
from tracegrad.ir.types import C64, C128, F32, F64, INDEX
from tracegrad.lowering.libraries import blas
from tracegrad.lowering.loopir.grammar import Alloc, At, Buffer, For, Imm, Kernel, Lib, Load, Scalar

import tracegrad as tg

DTYPES = [F32, F64, C64, C128]
available = blas._numpy_has
TOLERANCE = {"f32": 1e-4, "c64": 1e-4, "f64": 1e-12, "c128": 1e-12}


def random(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype.complex else x).astype(dtype.np)


def close(got, want, dtype):
    np.testing.assert_allclose(got, want, rtol=TOLERANCE[dtype.name], atol=TOLERANCE[dtype.name])


def call(name, arrays, args, dtype, sites=None, site=None, written=(0,), spaces=None, extra=()):
    """Run one Lib on arrays: `args(buffers)` gives its operands. Returns the arrays (those written are copies)."""
    arrays = [np.array(a) if k in written else a for k, a in enumerate(arrays)]
    buffers = [Buffer(f"b{k}", INDEX if a.dtype == np.int64 else dtype, a.shape, "inout" if k in written else "in")
               for k, a in enumerate(arrays)]
    Compiled(Kernel("k", buffers, [*extra, Lib(name, args(*buffers), site)]))(*arrays)
    return arrays


@pytest.mark.sweep(2)
@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 1, 1), (1, 6, 3), (7, 1, 2), (3, 4, 0), (0, 2, 3), (2, 0, 3), (40, 50, 60)])
def test_gemm(dtype, shape):
    m, n, k = shape
    for trans_a, trans_b in itertools.product((False, True), repeat=2):
        a, b, c = random((m, k), dtype), random((k, n), dtype, 1), random((m, n), dtype, 2)
        stored = [np.ascontiguousarray(x.T) if t else x for x, t in ((a, trans_a), (b, trans_b))]
        for alpha, beta in ((1.0, 0.0), (2.0, -0.5), (-1.0, 1.0)):
            def args(cc, aa, bb, ta=trans_a, tb=trans_b, alpha=alpha, beta=beta):
                return (cc, aa, bb, ta, tb, m, n, k, aa.dims[1], bb.dims[1], n, alpha, beta)
            start = np.full_like(c, np.nan) if beta == 0 else c
            got = call("gemm", [start, *stored], args, dtype)[0]
            close(got, alpha * (a @ b) + (0 if beta == 0 else beta * c), dtype)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
@pytest.mark.parametrize("m, k", [(1, 1), (3, 5), (5, 0), (0, 3), (32, 4), (33, 7), (70, 40), (97, 3)])
def test_syrk(dtype, m, k):
    for trans in (False, True):
        a = random((m, k), dtype)
        stored = np.ascontiguousarray(a.T) if trans else a
        got = call("syrk", [np.full((m, m), np.nan, dtype.np), stored],
                   lambda cc, aa, t=trans: (cc, aa, t, m, k, aa.dims[1], m), dtype)[0]
        close(got, a @ a.T, dtype)
        np.testing.assert_array_equal(got, got.T)


@pytest.mark.parametrize("dtype", [F32, F64], ids=repr)
@pytest.mark.parametrize("numpy", [False, True], ids=["SciPy's", "NumPy's"])
def test_gemm_on_blocks_with_run_time_sizes_and_factors(dtype, numpy, monkeypatch):
    monkeypatch.setattr(blas, "_numpy_has", lambda name: numpy and available(name))
    size, scale = Buffer("size", INDEX, (), "in"), Buffer("scale", dtype, (), "in")
    a, b, c = (Buffer(x, dtype, (10, 12), "in") for x in "abc")
    c.space = "inout"
    n, s = Scalar(INDEX, "n"), Scalar(dtype, "s")
    body = [Load(n, size, ()), Load(s, scale, ()),
            Lib("gemm", (At(c, (1, 2)), At(a, (n, 1)), At(b, (0, 3)), False, True, n, 3, n, 12, 12, 12, s, Imm(1.0, dtype)))]
    run = Compiled(Kernel("k", [size, scale, a, b, c], body))
    for k in (0, 1, 4):
        x, y, z = random((10, 12), dtype), random((10, 12), dtype, 1), random((10, 12), dtype, 2)
        want = z.copy()
        want[1:1 + k, 2:5] += 1.5 * x[k:2 * k, 1:1 + k] @ y[0:3, 3:3 + k].T
        run(np.array(k), np.array(1.5, dtype.np), x, y, z)
        close(z, want, dtype)


@pytest.mark.skipif(not available("dgemm"), reason="NumPy has no OpenBLAS of its own here")
def test_products_need_no_library_besides_numpys():
    """SciPy's takes up to 20 ms of a first call to load."""
    layers = tg.grad(lambda w, x: np.sum(np.tanh(x @ w)[0] @ w))
    text = layers.lower(np.ones((40, 40)), np.ones((30, 40))).text("llvm")
    called = set(re.findall(r"@(\w+\.[sdcz]ge\w+)\(", text))
    assert called and all(name.startswith("numpy.") for name in called)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
@pytest.mark.parametrize("trans", [False, True])
@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (5, 0), (0, 5), (33, 20)])
def test_gemv(dtype, trans, shape):
    m, n = shape
    a = random(shape, dtype)
    rows, inner = (n, m) if trans else (m, n)
    x, y = random((inner, 2), dtype, 1), random((rows, 3), dtype, 2)
    for alpha, beta in ((1.0, 0.0), (2.0, 0.5)):
        got = call("gemv", [y, a, x], lambda yy, aa, xx, al=alpha, be=beta: (
            At(yy, (1,)) if rows else yy, aa, xx, trans, m, n, n, 2, 3, al, be), dtype)[0]
        want = y.copy()
        want[:, 1] = alpha * ((a.T if trans else a) @ x[:, 0]) + (beta * y[:, 1] if beta else 0)
        close(got, want, dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
def test_ger_and_dot(dtype):
    a, x, y = random((4, 6), dtype), random((4, 2), dtype, 1), random(6, dtype, 2)
    got = call("ger", [a, x, y], lambda aa, xx, yy: (aa, At(xx, (0, 1)), yy, 4, 6, 6, 2, 1, -2.0), dtype)[0]
    close(got, a - 2 * np.outer(x[:, 1], y), dtype)
    out = np.zeros((), dtype.np)
    for n in (0, 1, 4):
        got = call("dot", [out, x, y], lambda oo, xx, yy, n=n: (oo, xx, yy, n, 2, 1), dtype)[0]
        close(got, np.sum(x[:n, 0] * y[:n]), dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
@pytest.mark.parametrize("n", [0, 1, 2, 5, 40])
def test_cholesky(dtype, n):
    g = random((n, n), dtype)
    a = g @ g.conj().T + n * np.eye(n, dtype=dtype.np)
    want = np.linalg.cholesky(a)
    messy = a.copy()
    messy[np.triu_indices(n, 1)] = np.nan                        # only the lower triangle counts
    wide = np.full((n + 1, n + 2), 7, dtype.np)
    wide[1:, 1:n + 1] = messy
    got = call("cholesky", [wide], lambda aa: (At(aa, (1, 1)) if n else aa, n, n + 2), dtype)[0]
    close(got[1:, 1:n + 1], want, dtype)
    assert np.all(got[0] == 7) and np.all(got[:, 0] == 7) and np.all(got[:, n + 1] == 7)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
@pytest.mark.parametrize("n", [0, 1, 2, 5, 40])
def test_lu_and_its_solutions(dtype, n):
    a = random((n, n), dtype)
    lu, perm = call("lu", [a, np.zeros(n, np.int64)], lambda aa, pp: (aa, pp, n, n), dtype, written=(0, 1))
    lower, upper = np.tril(lu, -1) + np.eye(n, dtype=dtype.np), np.triu(lu)
    close(lower @ upper, a[perm], dtype)
    for trans, k in itertools.product((False, True), (0, 1, 3)):
        b, x = random((n, k + 1), dtype, 3), np.zeros((n, k + 2), dtype.np)
        got = call("lu_solve", [x, lu, perm, b], lambda xx, ll, pp, bb, t=trans, k=k: (
            xx, ll, pp, bb, t, n, k, n, k + 1, k + 2), dtype)[0]
        close((a.T if trans else a) @ got[:, :k], b[:, :k], dtype)
        assert np.all(got[:, k:] == 0)


@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
@pytest.mark.parametrize("lower,trans,unit", list(itertools.product((False, True), repeat=3)))
def test_triangular(dtype, lower, trans, unit):
    n, k = 5, 3
    t, b = random((n, n), dtype) + 3 * np.eye(n, dtype=dtype.np), random((n, k), dtype, 1)
    full = np.tril(t) if lower else np.triu(t)
    if unit:
        np.fill_diagonal(full, 1)
    got = call("triangular", [b, t], lambda bb, tt: (bb, tt, lower, trans, unit, n, k, n, k), dtype, site=0)[0]
    close((full.T if trans else full) @ got, b, dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=repr)
def test_errors_are_reported(dtype):
    zero = np.zeros((3, 3), dtype.np)
    perm = np.zeros(3, np.int64)
    rows = [("cholesky", [zero - np.eye(3, dtype=dtype.np)], lambda a: (a, 3, 3), (0,)),
            ("lu", [zero, perm], lambda a, p: (a, p, 3, 3), (0, 1)),
            ("triangular", [zero, zero], lambda b, t: (b, t, True, False, False, 3, 3, 3, 3), (0,))]
    for name, arrays, args, written in rows:
        with pytest.raises(Failed) as caught:
            call(name, arrays, args, dtype, site=4, written=written)
        assert caught.value.site == 4
        call(name, arrays, args, dtype, written=written)           # without a site it goes on


def test_factorisations_of_a_stack_with_run_time_size():
    """lu of each matrix of a[batch, n, n], n known at run time."""
    size, n, i = Buffer("size", INDEX, (), "in"), Scalar(INDEX, "n"), Scalar(INDEX, "i")
    a, p = Buffer("a", F64, (4, n, n), "inout"), Buffer("p", INDEX, (4, n), "out")
    body = [Load(n, size, ()), For(i, 4, [Lib("lu", (At(a, (i, 0, 0)), At(p, (i, 0)), n, n), 0)])]
    run = Compiled(Kernel("k", [size, a, p], body))
    for k in (1, 6, 3):
        data = random((4, k, k), F64, k)
        lu, perm = data.copy(), np.zeros((4, k), np.int64)
        run(np.array(k), lu, perm)
        for m in range(4):
            close((np.tril(lu[m], -1) + np.eye(k)) @ np.triu(lu[m]), data[m][perm[m]], F64)


def test_temporaries_as_operands():
    t = Buffer("t", F64, (3, 3), "heap")
    out, a = Buffer("out", F64, (3, 3), "out"), Buffer("a", F64, (3, 3), "in")
    body = [Alloc(t), Lib("gemm", (t, a, a, False, False, 3, 3, 3, 3, 3, 3)),
            Lib("gemm", (out, t, a, False, True, 3, 3, 3, 3, 3, 3))]
    x, got = random((3, 3), F64), np.zeros((3, 3))
    Compiled(Kernel("k", [a, out], body))(x, got)
    close(got, x @ x @ x.T, F64)
