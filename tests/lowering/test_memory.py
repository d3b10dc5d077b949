"""Resident memory stays flat: over a million calls, over thousands of shapes, over functions that come and go.

3,000 shapes are 3,000 compilations, which take a minute or more; a run takes a fifth of them, all on one day of
four weeks, as does TRACEGRAD_FULL_TESTS=1.
"""
import gc
import os
import weakref

import numpy as np
import pytest
import sweeps

import tracegrad as tg

SHAPES = 3000 if sweeps.FULL or sweeps.PART % sweeps.MONTH == 0 else 600
MEGABYTE = 1 << 20
pytestmark = pytest.mark.usefixtures("compiled_anew")


def resident() -> int:
    """Bytes of this process in memory."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        pytest.skip("this system does not say how much memory a process holds")


def growth(run, warm_up) -> int:
    """How many bytes more are resident after `run` than before it."""
    warm_up()
    gc.collect()
    before = resident()
    run()
    gc.collect()
    return resident() - before


def calls(f, count, *args):
    def run():
        for _ in range(count):
            f(*args)
    return run


@pytest.mark.sweep(3, days=True)
def test_a_million_calls():
    f, x = tg.jit(lambda x: x * 2.0 + 1.0), np.arange(8.0)
    assert growth(calls(f, 1_000_000, x), calls(f, 10_000, x)) < MEGABYTE
    assert f.cache_info().hits == 1_010_000 and f.cache_info().misses == 1


@pytest.mark.sweep(14, days=True)
@pytest.mark.parametrize("f, args", [
    (tg.jit(lambda d, s: {"sum": d["x"] + s, "pair": (s, [d["x"][0]])}), ({"x": np.arange(3.0)}, 2.0)),
    (tg.value_and_grad(lambda w, x: np.mean((x @ w) ** 2)), (np.ones(3), np.ones((5, 3)))),
    (tg.jit(lambda x: x[x > 0.0]), (np.linspace(-1.0, 1.0, 50),)),
    (tg.jit(lambda x: x.T.copy()), (np.ones((30, 40))[::2, ::-1],)),
], ids=["containers", "gradient", "length from data", "strided"])
def test_other_kinds_of_calls(f, args):
    assert growth(calls(f, 20_000, *args), calls(f, 2_000, *args)) < MEGABYTE


@pytest.mark.sweep(6, days=True)
def test_many_temporaries_of_run_time_size_are_given_back():
    """More than there are cells of their own for, by calls that end well and by calls that fail."""
    f, p = tg.grad(lambda p: np.sum(np.abs(np.roots(p)) ** 2)), np.cos(np.arange(40.0)) + 1.5
    bad = np.where(np.arange(40) == 20, np.nan, p)
    step = 1e-6 * (np.arange(40) == 1)
    slope = np.sum(np.abs(np.roots(p + step)) ** 2) - np.sum(np.abs(np.roots(p - step)) ** 2)
    assert f(p)[1] == pytest.approx(slope / 2e-6, rel=1e-5)

    def both():
        for k in range(150):
            with pytest.raises(np.linalg.LinAlgError):
                f(bad)
            if k % 10 == 0:
                f(p)

    assert growth(both, both) < MEGABYTE


@pytest.mark.sweep(3, days=True)
def test_calls_that_fail():
    f, x = tg.jit(lambda x, i: x[i]), np.arange(3.0)

    def run():
        for _ in range(5_000):
            for bad in (7, -4):
                with pytest.raises(IndexError):
                    f(x, bad)

    assert growth(run, run) < MEGABYTE


@pytest.mark.sweep(4, days=True)
def test_thousands_of_shapes_through_one_function():
    """A compilation leaves a few kilobytes of fragmented heap behind; the machine code of evicted shapes is freed."""
    f, sizes = tg.jit(lambda x: x * 2.0 + 1.0, shapes="static"), iter(range(1, SHAPES + 1))
    kept = f.cache_info().maxsize
    full = []

    def warm_up():
        for _ in range(kept + 64):
            n = next(sizes)
            assert f(np.ones(n)).shape == (n,)
        full.append(f.cache_info())

    def run():
        for n in sizes:
            assert f(np.ones(n)).shape == (n,)

    grown = growth(run, warm_up)
    info = f.cache_info()
    compiled = info.misses - full[0].misses
    assert grown < 2 * MEGABYTE + 4096 * compiled
    assert (info.misses, info.currsize, info.evictions) == (SHAPES, kept, SHAPES - kept)
    assert info.code_bytes < 1.1 * full[0].code_bytes + 10_000


@pytest.mark.sweep(3, days=True)
def test_functions_that_come_and_go():
    """A compiled function, with its code, goes when nothing refers to it any more."""
    alive = []

    def run():
        for k in range(40):
            f = tg.grad(lambda x, k=k: x**2 * k)
            assert f(3.0) == 6.0 * k
            alive.append(weakref.ref(f))

    assert growth(run, run) < 2 * MEGABYTE
    gc.collect()
    assert sum(ref() is not None for ref in alive) <= 1
