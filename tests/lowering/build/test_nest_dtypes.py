"""Every kind of task on every dtype, on empty, single, small and larger arrays."""
from __future__ import annotations

import numpy as np
import pytest
from nest_check import build, check, for_, put
from tracegrad.ir.types import DTYPES, INDEX

NUMBERS = [name for name in DTYPES if name not in ("bool", "index")]
RNG = np.random.default_rng(2)


def draw(name, *shape):
    d = DTYPES[name]
    if d.kind == "c":
        return (RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)).astype(d.np)
    if d.kind == "f":
        return RNG.standard_normal(shape).astype(d.np)
    if d.kind == "b":
        return RNG.integers(0, 2, shape).astype(bool)
    return RNG.integers(0, 100, shape).astype(d.np)


@pytest.mark.sweep(4, by="name")
@pytest.mark.parametrize("n", [0, 1, 5, 40])
@pytest.mark.parametrize("name", NUMBERS)
def test_reduce_and_scan(name, n):
    kinds = ["sum", "prod", "max", "min"]

    def body(b, x):
        out = [b.reduce(x, kind, axes) for kind in kinds for axes in ((0,), (1,), (0, 1))]
        return out + [b("scan", x, kind=kind, axis=k, reverse=bool(k)) for kind in kinds for k in (0, 1)]
    x = draw(name, n, n + 1)
    if DTYPES[name].inexact:
        x /= np.maximum(np.abs(x), 0.5)                  # products stay of ordinary size
    check(build([(name, n, n + 1)], body), x)


@pytest.mark.sweep(3, by="name")
@pytest.mark.parametrize("n", [1, 5, 40])
@pytest.mark.parametrize("name", [*NUMBERS, "bool"])
def test_write_and_move(name, n):
    index = RNG.integers(0, n, n)

    def body(b, x, v, i):
        ix = b.index
        y = b("update", x, v, ix(n - 1), spec="i:")
        y = b("update", y, b("slice", y, ix(n - 1), ix(n), ix(-1), spec="s:"), spec="::")
        z = b("scatter", y, b.broadcast(v, (n, n)), i, axes=(1,), at=1)
        out = [y, z, b("gather", z, i, axes=(0,), at=0), b("concat", y, z, axis=1), b.transpose(z, (1, 0)),
               b.reshape(z, (n * n,)), b("slice", z, ix(0), ix(0), spec="ii")]
        if name != "bool":
            y = b("update_add", y, v, ix(0), spec=":i")
            out += [y, b("scatter_add", y, b.broadcast(v, (n, n)), i, axes=(0,), at=0)]
        return out
    check(build([(name, n, n), (name, n), ("index", n)], body), draw(name, n, n), draw(name, n), index)


@pytest.mark.sweep(4, by="name")
@pytest.mark.parametrize("n", [0, 1, 7, 40])
@pytest.mark.parametrize("name", [*NUMBERS, "bool"])
def test_order(name, n):
    x = draw(name, 2, n)

    def body(b, x):
        out = [b("sort", x, axis=1), b("argsort", x, axis=1, kind="stable")]
        if n:
            out += [b("argreduce", x, kind=kind, axis=k) for kind in ("argmax", "argmin") for k in (0, 1)]
        return out
    check(build([(name, 2, n)], body), x, exact=True)


@pytest.mark.parametrize("name", ["f64", "f32"])
def test_nan_and_inf(name):
    x = draw(name, 6, 40)
    x[1, 3] = x[1, 30] = np.nan
    x[2, 5], x[2, 6] = np.inf, -np.inf
    x[3, :], x[4, :] = np.inf, -np.inf
    x[5, 0] = -0.0

    def body(b, x):
        out = [b.reduce(x, kind, (1,)) for kind in ("sum", "prod", "max", "min")]
        out += [b("scan", x, kind=kind, axis=1, reverse=False) for kind in ("sum", "max", "min")]
        out += [b("argreduce", x, kind=kind, axis=k) for kind in ("argmax", "argmin") for k in (0, 1)]
        grid = b("sort", b.reshape(x, (240,)), axis=0)
        return [*out, b("sort", x, axis=1), b("argsort", x, axis=0, kind="stable"), b("searchsorted", grid, x, side="right")]
    check(build([(name, 6, 40)], body), x)


@pytest.mark.parametrize("name", [*NUMBERS, "bool"])
def test_carried(name):
    def body(b, x, s):
        def step(i, a, t):
            a = put(b, a, t, i)
            return a, b("slice", a, b.iop("sub", b.index(29), i), spec="i")
        return for_(b, 30, [x, s], step)
    check(build([(name, 30), name], body), draw(name, 30), draw(name))
    assert INDEX
