"""The memory cache: lookup, recency, bounds, counters, flat memory, and threads."""
from __future__ import annotations

import gc
import threading
import time

import numpy as np
import pytest
import sweeps
from native_calls import Callable, copies, resident
from tracegrad.ir.types import F64
from tracegrad.lowering.call import cache, dispatch
from tracegrad.lowering.call.cache import Cache, CacheInfo
from tracegrad.lowering.call.calling_convention import Arguments, ArrayIn, ArrayOut
from tracegrad.lowering.call.dispatch import Dispatcher
from tracegrad.lowering.call.specialisation import ClosedError
from tracegrad.lowering.native import c_layouts


def copier(n, native=True):
    return copies(Arguments((ArrayIn(F64, (n,), 0),)), ArrayOut(0, F64, (n,)), {0: 0}) if native else None


class Copying(Dispatcher):
    """Copies an array of any length, with one specialisation for each."""

    def __init__(self, maxsize=cache.MAXSIZE):
        super().__init__()
        self.cache = Cache(self, maxsize)
        self.made = []

    def miss(self, x):
        return self.cache.run(len(x), [x], lambda: self.make(len(x)))

    def make(self, n):
        self.made.append(n)
        return copier(n)


def test_hits_and_misses():
    f = Copying()
    x = np.arange(3.0)
    assert f.cache.info() == CacheInfo(0, 0, cache.MAXSIZE, 0, 0, 0)
    for _ in range(10):
        assert f(x).tolist() == [0, 1, 2]
    assert f(np.arange(5.0)).tolist() == [0, 1, 2, 3, 4]
    assert f(np.arange(6.0)[::2]).tolist() == [0, 2, 4]          # not contiguous: through Python, the same specialisation
    info = f.cache.info()
    assert (info.hits, info.misses, info.currsize, info.evictions) == (12, 2, 2, 0) and info.code_bytes > 100
    assert f.made == [3, 5]
    f.cache.clear()
    assert f.cache.info() == CacheInfo(0, 0, cache.MAXSIZE, 0, 0, 0) and f.specialisations == ()
    assert f(x).tolist() == [0, 1, 2] and f.made == [3, 5, 3]


def test_the_least_recently_used_goes():
    f = Copying(maxsize=3)
    arrays = {n: np.ones(n) for n in range(1, 8)}
    for n in (1, 2, 3, 1, 3, 4):       # 2 is the oldest when 4 comes
        f(arrays[n])
    assert [len(s.signature.results()[0].dims) for s in f.specialisations] == [1, 1, 1]
    assert sorted(s.signature.results()[0].dims[0] for s in f.specialisations) == [1, 3, 4]
    f(arrays[1])
    f(arrays[5])
    assert sorted(s.signature.results()[0].dims[0] for s in f.specialisations) == [1, 4, 5]
    assert f.cache.info().evictions == 2 and f.cache.info().currsize == 3 and f.cache.info().hits == 8
    for n in range(1, 8):
        assert f(arrays[n]).shape == (n,)
    assert f.cache.info().currsize == 3
    with pytest.raises(ValueError, match="at least one"):
        Cache(f, 0)


def test_evicted_code_is_freed_and_refuses_calls():
    f = Copying(maxsize=1)
    f(np.ones(1))
    first, = f.specialisations
    f(np.ones(2))
    assert first.closed and first.hits == 1
    with pytest.raises(ClosedError):
        first.invoke([np.ones(1)])


def test_the_faster_thread_wins():
    f = Copying()
    one, two = copier(4), copier(4)
    assert f.cache.put(4, one) is one and f.cache.put(4, two) is one
    assert two.closed and f.specialisations == (one,)


@pytest.mark.sweep(2, days=True)
def test_the_process_has_a_bound(monkeypatch):
    gc.collect()
    others = sum(len(c) for c in cache._caches)
    monkeypatch.setattr(cache, "PROCESS_MAXSIZE", others + 4)
    functions = [Copying() for _ in range(5)]
    for k, f in enumerate(functions):
        for c in list(cache._caches):
            if c not in [g.cache for g in functions]:
                for s in c._entries.values():
                    s.touch()
        f(np.ones(k + 1))
    assert sum(len(c) for c in cache._caches) <= others + 4
    assert functions[0].cache.info().evictions == 1 and functions[-1].cache.info().currsize == 1
    assert [f(np.ones(2)).shape for f in functions] == [(2,)] * 5


@pytest.mark.sweep(14, days=True)
@pytest.mark.usefixtures("compiled_anew")
def test_a_dropped_function_frees_its_code():
    f = Copying()
    f(np.ones(2))
    specialisation, = f.specialisations
    code = specialisation.code
    del f, specialisation
    gc.collect()
    del code
    start = resident()
    for k in range(300):
        Copying()(np.ones(k + 1))
    gc.collect()
    assert resident() - start < 6


@pytest.mark.sweep(14, days=True)
@pytest.mark.usefixtures("compiled_anew")
def test_memory_is_flat_over_three_thousand_specialisations():
    """On other days than one of four weeks, over 600."""
    f, count = Copying(maxsize=16), 3000 if sweeps.FULL or sweeps.PART % sweeps.MONTH == 0 else 600
    x = np.zeros(4096)
    for n in range(1, 301):
        f(x[:n])
    gc.collect()
    start = resident()
    for n in range(301, count + 1):
        f(x[:n])
    gc.collect()
    info = f.cache.info()
    assert (info.misses, info.currsize, info.evictions) == (count, 16, count - 16)
    assert resident() - start < 8, f"{resident() - start:.1f} MB"
    assert dispatch.reap() == 0


@pytest.mark.sweep(2)
@pytest.mark.parametrize("native", [True, False], ids=["native", "python"])
def test_threads_call_while_others_evict(native):
    f = Copying(maxsize=4)
    call = f if native else (lambda x: Dispatcher.__call__(f, x))
    arrays = [np.arange(float(n)) for n in range(1, 13)]
    errors, stop, calls = [], time.monotonic() + 4, [0] * 6

    def work(k):
        rng = np.random.default_rng(k)
        try:
            while time.monotonic() < stop:
                for x in [arrays[rng.integers(12)]] + [arrays[k]] * 20:
                    y = call(x)
                    if not np.array_equal(x, y):
                        raise AssertionError((x, y))
                    calls[k] += 1
        except BaseException as error:
            errors.append(error)
    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors and min(calls) > 0
    assert all(s.running == 0 for s in f.specialisations) and dispatch.reap() == 0
    info = f.cache.info()
    assert info.currsize <= 4 and info.evictions > 4


def test_without_native_calls(monkeypatch):
    """The same callables on an interpreter whose objects are not as expected."""
    monkeypatch.setattr(c_layouts, "NATIVE", False)

    class Plain(Callable):
        pass
    assert not Plain.__flags__ & c_layouts.HAVE_VECTORCALL
    f = Copying()
    x = np.arange(3.0)
    for _ in range(5):
        assert f(x).tolist() == [0, 1, 2]
    specialisation, = f.specialisations
    assert not specialisation.native and specialisation.hits == 5 and f.cache.info().hits == 5
    f.cache.clear()
    assert f(x).tolist() == [0, 1, 2] and specialisation.closed


@pytest.mark.skipif(not c_layouts.NATIVE, reason="no native calls")
@pytest.mark.parametrize(("check", "field", "offset"), [
    (c_layouts._check_array, "ndarray.nd", 28), (c_layouts._check_array, "ndarray.flags", 68),
    (c_layouts._check_dtypes, "descr.type_num", 24),
    (c_layouts._check_scalars, "value", 8), (c_layouts._check_containers, "size", 24),
    (c_layouts._check_owner, "ndarray.flags", 68)])
def test_another_layout_is_noticed(check, field, offset):
    assert check(c_layouts.OFFSETS) and not check({**c_layouts.OFFSETS, field: offset})
