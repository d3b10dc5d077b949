"""Which loops become vectors, and how many at once: what lies apart, what sums wait for; values do not depend on it."""
from __future__ import annotations

import numpy as np
import pytest
from loop_run import Compiled
from tracegrad.ir.thresholds import TABLE, sizes
from tracegrad.ir.types import C128, F64, INDEX
from tracegrad.lowering.llvm import straight_loops
from tracegrad.lowering.loopir.grammar import Buffer, For, Get, Imm, Kernel, Let, Load, Scalar, Set, Store, Var

import tracegrad as tg


def accesses(count, dims, dtype=F64, place=lambda i, k: (i, k)):
    """A loop that reads so many elements of an array in each iteration."""
    i, x = Scalar(INDEX, "i"), Buffer("x", dtype, dims, "in")
    return For(i, dims[0], [Load(Scalar(dtype), x, place(i, k)) for k in range(count)])


def test_what_lies_apart():
    assert straight_loops.apart(accesses(12, (16, 12))) == 12                           # rows too long to be loaded whole
    assert straight_loops.apart(accesses(4, (16, 4))) == 0                              # rows of four, all of which are read
    assert straight_loops.apart(accesses(1, (16, 4))) == 1                              # one of them
    assert straight_loops.apart(accesses(8, (16, 8), C128)) == 8                        # sixteen parts
    assert straight_loops.apart(accesses(4, (12, 16), place=lambda i, k: (k, i))) == 0  # along a row
    assert straight_loops.apart(accesses(3, (16, 1))) == 0                              # a column that is all there is
    assert straight_loops.apart(accesses(3, (16, 16), place=lambda i, k: (i, i))) == 3  # a diagonal
    assert straight_loops.apart(accesses(3, (16, 16), place=lambda i, k: (k, 0))) == 0  # the same in each iteration
    n = Scalar(INDEX, "n")
    assert straight_loops.apart(accesses(2, (16, n))) == 2                              # rows of any length


def test_places_by_arithmetic():
    i, k, near, far, found = (Scalar(INDEX, name) for name in ("i", "k", "near", "far", "found"))
    x, at = Buffer("x", F64, (64,), "in"), Buffer("at", INDEX, (64,), "in")
    body = [Let(near, "add", (Imm(2, INDEX), i)), Let(far, "mul", (i, Imm(2, INDEX))), Load(found, at, (near,)),
            *(Load(Scalar(F64), x, (place,)) for place in (near, k, far, found))]
    loop = For(i, 16, body)
    assert straight_loops.is_straight(loop)
    assert straight_loops.apart(loop) == 2                                              # `far`, and what memory says
    assert not straight_loops.is_straight(For(i, 4, [loop]))


def test_rows_are_stored_whole_or_apart():
    i, x = Scalar(INDEX, "i"), Buffer("x", F64, (16, 4), "out")
    stores = [Store(x, (i, k), Imm(1.0, F64)) for k in range(4)]
    assert straight_loops.apart(For(i, 16, stores)) == 0
    assert straight_loops.apart(For(i, 16, stores[:3])) == 3


def test_steps_of_a_sum_and_work():
    i, total, other = Scalar(INDEX, "i"), Var(F64, "total"), Var(F64, "other")
    step = [Get(a := Scalar(F64), total), Set(total, a)]
    assert straight_loops.chain(For(i, 16, [*step, *step, Set(other, Imm(0.0, F64))])) == 2
    assert straight_loops.chain(For(i, 16, [])) == 0
    assert straight_loops.work(["  %a = fadd double %b, %c", "  %d = fdiv double %a, %b", "  %p = getelementptr double, ptr %x",
                                "  store double %d, ptr %p"]) == 5


def sums_of_columns(rows, columns):
    """A loop over rows that adds each to a row of sums, written out."""
    i, x, out = Scalar(INDEX, "i"), Buffer("x", F64, (rows, columns), "in"), Buffer("out", F64, (columns,), "out")
    sums = [Var(F64, f"s{k}") for k in range(columns)]
    body: list = []
    for k, total in enumerate(sums):
        a, b, c = Scalar(F64), Scalar(F64), Scalar(F64)
        body += [Load(a, x, (i, k)), Get(b, total), Let(c, "add", (b, a), reassoc=True), Set(total, c)]
    ends: list = []
    for k, total in enumerate(sums):
        a = Scalar(F64)
        ends += [Get(a, total), Store(out, (k,), a)]
    starts = [Set(total, Imm(0.0, F64)) for total in sums]
    return Kernel("k", [x, out], [*starts, For(i, rows, body), *ends])


def test_columns_are_not_gathered():
    kernel = sums_of_columns(500, 12)
    text = Compiled(kernel).code.source
    assert '"llvm.loop.vectorize.enable", i1 false' in text
    with sizes.at(llvm_apart=TABLE["llvm_apart"][2]):
        assert '"llvm.loop.vectorize.enable", i1 false' not in Compiled(sums_of_columns(500, 12)).code.source


@pytest.mark.parametrize("rows", [1, 7, 12, 40, 500])
@pytest.mark.parametrize("setting", [{}, {"llvm_apart": 0}, {"llvm_wide": 0}, {"llvm_short_lines": 0}], ids=str)
def test_sums_on_both_sides(rows, setting):
    x, got = np.random.default_rng(rows).random((rows, 12)), np.zeros(12)
    with sizes.at(**setting):
        Compiled(sums_of_columns(rows, 12))(x, got)
    np.testing.assert_allclose(got, x.sum(0), rtol=1e-13)


def spread(x, w):
    """Long bodies over rows and columns, with a sum in each."""
    centred = x - x.mean(0)
    weights = np.exp(-centred ** 2) * w / (1.0 + np.abs(centred))
    return np.sum(weights * centred.T @ weights) + np.sum(np.cos(x[:, 1]) * x[:, 0] / (2.0 + x[:, 2] ** 2))


@pytest.mark.sweep(2)
@pytest.mark.parametrize("n", [9, 40])
def test_gradients_do_not_depend_on_it(n):
    x, w = np.random.default_rng(n).standard_normal((2, n, n))
    with tg.disable_jit():
        want = tg.grad(spread, argnums=(0, 1))(x, w)
    for setting in ({}, {"llvm_apart": 0, "llvm_wide": 0}):
        f = tg.grad(spread, argnums=(0, 1))
        f.cache_clear()
        with sizes.at(**setting):
            got = f(x, w)
        f.cache_clear()
        for a, b in zip(got, want, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
