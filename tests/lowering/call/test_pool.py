"""Recycled memory of large results."""
from __future__ import annotations

import gc
import sys

import numpy as np
import pytest
from native_calls import calling, copies, identity
from tracegrad.ir.types import C128, F64
from tracegrad.lowering.call.calling_convention import Arguments, ArrayIn, ArrayOut, Node
from tracegrad.lowering.memory.result_pool import BLOCKS, LARGE, limit, pool
from tracegrad.lowering.native import c_layouts

pytestmark = pytest.mark.skipif(not c_layouts.NATIVE, reason="no native calls")
N = LARGE // 8


@pytest.fixture(autouse=True)
def _empty():
    pool().clear()
    yield
    gc.collect()
    pool().clear()


def address(x):
    return x.ctypes.data


@pytest.mark.sweep(2, days=True)
def test_a_dropped_result_is_used_again():
    f, x = calling(identity(ArrayIn(F64, (N,), 0))), np.arange(float(N))
    y, = f(x)
    assert np.array_equal(x, y) and y.flags.owndata and y.flags.writeable and y.flags.c_contiguous and y.base is None
    z, = f(x)
    assert address(y) != address(z)
    first, reused = address(y), pool().reused
    del y
    assert pool().kept == LARGE
    y, = f(x)
    assert address(y) == first and pool().kept == 0 and pool().reused == reused + 1 and np.array_equal(x, y)
    view = y[10:20]
    del y
    assert pool().kept == 0 and view[0] == 10
    del view, z
    assert pool().kept == 2 * LARGE
    pool().clear()
    assert pool().kept == 0 and np.array_equal(f(x)[0], x)


@pytest.mark.sweep(3, days=True)
def test_small_results_do_not_go_there():
    f, x = calling(identity(ArrayIn(F64, (N - 1,), 0))), np.zeros(N - 1)
    f(x)
    assert pool().kept == 0


@pytest.mark.sweep(2, days=True)
def test_what_is_kept_is_bounded():
    sizes = [N + k for k in range(BLOCKS + 3)]
    functions = [calling(identity(ArrayIn(F64, (n,), 0))) for n in sizes]
    for f, n in zip(functions, sizes, strict=True):
        assert f(np.empty(n))[0].shape == (n,)
        assert LARGE <= pool().kept <= limit()
    for f, n in zip(functions, sizes, strict=True):
        assert np.array_equal(f(np.full(n, 2.0))[0], np.full(n, 2.0))


@pytest.mark.sweep(2, days=True)
def test_results_can_be_resized_and_counted():
    f, x = calling(identity(ArrayIn(C128, (2, N // 4), 0))), np.ones((2, N // 4), "c16")
    y, = f(x)
    y.resize((3, N // 4), refcheck=False)
    assert (y[2] == 0).all() and (y[:2] == 1).all()
    y.resize(4, refcheck=False)
    del y
    handler = pool().capsule
    f(x)
    before = sys.getrefcount(handler)
    for _ in range(20):
        f(x)
    assert sys.getrefcount(handler) == before and pool().kept == LARGE


@pytest.mark.sweep(2, days=True)
def test_a_failure_after_it_was_taken():
    out = Node(tuple, (ArrayOut(0, F64, (N,)), ArrayOut(1, F64, (1 << 48,))))
    f, x = calling(copies(Arguments((ArrayIn(F64, (N,), 0),)), out, {0: 0, 1: 0})), np.zeros(N)
    for _ in range(5):
        with pytest.raises(MemoryError):
            f(x)
    assert pool().kept == LARGE
