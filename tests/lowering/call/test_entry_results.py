"""The native call path: what it returns and overwrites, how it fails, and who owns what."""
from __future__ import annotations

import gc
import sys
import threading
import time

import numpy as np
import pytest
from native_calls import (
    MALLOC,
    NESTED,
    PAIR,
    PATHS,
    Callable,
    Missed,
    Model,
    Point,
    calling,
    copies,
    identity,
    needs_native,
    nested_arguments,
    resident,
    same,
    specialise,
)
from tracegrad.ir.errors import ArgumentError
from tracegrad.ir.types import BOOL, C64, C128, F32, F64, I8, I64, U64
from tracegrad.lowering.call.calling_convention import (
    ArgOut,
    Arguments,
    ArrayIn,
    ArrayOut,
    Node,
    ObjectOut,
    ScalarIn,
    ScalarOut,
    Signature,
)
from tracegrad.lowering.call.dispatch import Dispatcher
from tracegrad.lowering.native import c_layouts

# --------------------------------------------------------------------------------------------------------------- results

@pytest.mark.sweep(3, days=True)
@PATHS
def test_results_of_every_kind(path):
    arguments = Arguments((ArrayIn(F64, (2,), 0), ScalarIn("numpy", F32, 1), ScalarIn("numpy", BOOL, 2),
                           ScalarIn("numpy", C64, 3), ScalarIn("numpy", I8, 4), ScalarIn("numpy", U64, 5),
                           ScalarIn("complex", C128, 6)))
    shared = object()
    out = Node(dict, (
        Node(tuple, (ArrayOut(0, F64, (2,)), ArrayOut(0, F64, (2,)), ScalarOut(1, "float", F32),
                     ScalarOut(1, "numpy", F32))),
        Node(list, (ScalarOut(2, "bool", BOOL), ScalarOut(2, "numpy", BOOL), ScalarOut(3, "complex", C64),
                    ScalarOut(3, "numpy", C64))),
        Node(Point, (ScalarOut(4, "int", I8), ScalarOut(5, "int", U64))),
        Node(tuple, (ScalarOut(6, "complex", C128), ScalarOut(5, "numpy", U64), ObjectOut(shared), ObjectOut(None), ArgOut(0))),
        Node(Model, (ArgOut(1), Node(list, ())), ("w", "b"), lambda w, b: Model(w, b)),
        Node(dict, (), ()), Node(tuple, ()),
    ), ("a", "b", "c", 4, PAIR, "e", "t"))
    f = path(calling(copies(arguments, out, {k: k for k in range(7)})))
    x = np.array([1.0, np.nan])
    args = (np.float32(1.5), np.True_, np.complex64(1 - 2j), np.int8(-3), np.uint64(2**64 - 1), complex(-0.0, 3))
    for _ in range(3):
        r = f(x, *args)
    assert list(r) == ["a", "b", "c", 4, PAIR, "e", "t"]
    assert same(r["a"][0], x) and r["a"][0] is r["a"][1] and same(r["a"][2], 1.5) and same(r["a"][3], np.float32(1.5))
    assert r["b"][0] is True and r["b"][1] is np.True_ and same(r["b"][2], 1 - 2j) and same(r["b"][3], np.complex64(1 - 2j))
    assert type(r["c"]) is Point and r["c"] == (-3, 2**64 - 1) and all(type(v) is int for v in r["c"])
    assert same(r[4][0], complex(-0.0, 3)) and same(r[4][1], args[4]) and r[4][2] is shared and r[4][3] is None and r[4][4] is x
    assert type(r[PAIR]) is Model and r[PAIR].w is args[0] and r[PAIR].b == []
    assert r["e"] == {} and r["t"] == ()
    gc.collect()
    assert type(r["c"])._make(r["c"]) == r["c"]


@PATHS
def test_false_comes_back(path):
    f = path(calling(copies(Arguments((ScalarIn("numpy", BOOL, 0),)), ScalarOut(0, "bool", BOOL), {0: 0})))
    assert f(np.False_) is False and f(np.True_) is True


def fill_dynamic(count: int, rank: int = 1, value: float = 2.0) -> str:
    """Result 0 is an array that the kernel allocates: `count` in every dimension, each element the value."""
    total = count**rank
    dims = "\n".join(f"  %d{k} = getelementptr i8, ptr %p0, i64 {8 + 8 * k}\n  store i64 {count}, ptr %d{k}"
                     for k in range(rank))
    values = "\n".join(f"  %e{k} = getelementptr double, ptr %m, i64 {k}\n  store double {value}, ptr %e{k}"
                       for k in range(total))
    return f"  %m = call ptr @malloc(i64 {max(total * 8, 1)})\n  store ptr %m, ptr %p0\n{dims}\n{values}"


@PATHS
@pytest.mark.parametrize(("count", "rank"), [(0, 1), (1, 1), (7, 1), (3, 2), (0, 3), (300, 1)])
def test_arrays_that_the_kernel_allocates(path, count, rank):
    signature = Signature(Arguments(), Node(list, (ArrayOut(0, F64, (None,) * rank),)), (("out", 0),))
    f = path(calling(specialise(signature, fill_dynamic(count, rank), MALLOC)))
    for _ in range(50):
        y, = f()
        assert y.shape == (count,) * rank and (y == 2.0).all() and y.flags.owndata and y.flags.writeable
        y.resize((count + 3,) * rank, refcheck=False)
        del y
    assert f()[0].shape == (count,) * rank


# ---------------------------------------------------------------------------------------------------------------- writes

DOUBLE_IN_PLACE = """  %v = load double, ptr %p0
  %w = fadd double %v, 10.0
  store double %w, ptr %p0"""


def in_place(**options):
    arguments = Arguments((ArrayIn(F64, (3,), 0), ArrayIn(F64, (2,), 1)))
    signature = Signature(arguments, ArgOut(0), (("in", 0), ("in", 1)), writes=(0,), **options)
    return specialise(signature, DOUBLE_IN_PLACE)


@PATHS
def test_written_arguments(path):
    f = path(calling(in_place()))
    x, y = np.zeros(3), np.zeros(2)
    assert f(x, y) is x and x.tolist() == [10, 0, 0]
    x.flags.writeable = False
    with pytest.raises(Missed):
        f(x, y)
    memory = np.zeros(6)
    assert f(memory[:3], memory[3:5])[0] == 10        # neighbours
    for a, b in [(slice(0, 3), slice(2, 4)), (slice(1, 4), slice(0, 2)), (slice(1, 4), slice(1, 3))]:
        with pytest.raises(Missed):
            f(memory[a], memory[b])
    y.flags.writeable = False
    assert f(np.zeros(3), y)[0] == 10                 # only written ones must be writeable


@PATHS
def test_written_arguments_and_captured_arrays(path):
    memory = np.zeros(8)
    f = path(calling(in_place(captured=(memory[4:6],))))
    assert f(memory[:3], np.zeros(2))[0] == 10
    with pytest.raises(Missed):
        f(memory[3:6], np.zeros(2))


def test_invoke_takes_any_layout_of_a_written_argument():
    spec = in_place()
    y = np.zeros(2)
    for x in (np.zeros(6)[::2], np.zeros(3, ">f8"), np.zeros(25, "u1")[1:].view("f8"), np.zeros(3)[::-1]):
        assert spec.invoke([x, y]) is x and x.tolist() == [10, 0, 0]
    frozen = np.zeros(3)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        spec.invoke([frozen, y])
    memory = np.zeros(4)
    with pytest.raises(ArgumentError, match="memory"):
        spec.invoke([memory[:3], memory[1:3]])
    assert spec.running == 0


def test_invoke_takes_any_layout_of_a_read_argument():
    spec = identity(ArrayIn(F64, (2, 3), 0))
    x = np.arange(6.0).reshape(2, 3)
    wide = np.zeros((2, 6))
    wide[:, ::2] = x
    for given in (x, np.asfortranarray(x), wide[:, ::2], x.astype(">f8"), np.ma.array(x), x.view(np.matrix)):
        assert same(spec.invoke([given])[0], x)


# ---------------------------------------------------------------------------------------------------------------- errors

FAIL = """  store i64 3, ptr %error
  %e1 = getelementptr i64, ptr %error, i64 1
  store i64 -7, ptr %e1
  ret i32 1
dead:"""


@PATHS
@pytest.mark.usefixtures("compiled_anew")
def test_failed_checks_raise(path):
    arguments = Arguments((ArrayIn(F64, (1000,), 0),))
    signature = Signature(arguments, Node(tuple, (ArrayOut(0, F64, (1000,)), ArgOut(0))), (("in", 0), ("out", 0)))
    spec = specialise(signature, FAIL)
    f, x = path(calling(spec)), np.zeros(1000)
    before, start = sys.getrefcount(x), resident()
    for _ in range(3000):
        with pytest.raises(ValueError, match="site 3: \\(-7,"):
            f(x)
    assert sys.getrefcount(x) == before and spec.running == 0 and resident() - start < 8


@PATHS
@pytest.mark.usefixtures("compiled_anew")
def test_out_of_memory(path):
    huge = Signature(Arguments((ArrayIn(F64, (4,), 0),)), Node(tuple, (ArrayOut(0, F64, (500,)), ArrayOut(1, F64, (1 << 48,)))),
                     (("in", 0), ("out", 0), ("out", 1)))
    spec = specialise(huge)
    f, x = path(calling(spec)), np.zeros(4)
    d, before, start = np.dtype("f8"), sys.getrefcount(x), resident()
    dtype_before = sys.getrefcount(d)
    for _ in range(2000):
        with pytest.raises(MemoryError):
            f(x)
    assert spec.running == 0 and sys.getrefcount(x) == before and abs(sys.getrefcount(d) - dtype_before) < 5
    assert resident() - start < 8


def test_a_miss_that_raises_and_one_that_returns():
    class Counting(Callable):
        def miss(self, *args, **kwargs):
            return (self.name, args, kwargs)
    f = Counting()
    f.name = "f"
    for _ in range(2):
        assert f(1, "a", k=2) == ("f", (1, "a"), {"k": 2}) and f() == ("f", (), {})
        f.install(identity(ArrayIn(F64, (1,), 0)))
    with pytest.raises(TypeError):
        f(**{1: 2})
    with pytest.raises(NotImplementedError):
        type("Bare", (Dispatcher,), {})()(1)


def test_error_maker_that_raises_nothing():
    spec = specialise(Signature(Arguments(), ObjectOut(None), ()), FAIL)
    spec._failure.report = lambda site, words: None
    with pytest.raises(AssertionError, match="raised nothing"):
        calling(spec)()
    assert spec.running == 0


@PATHS
def test_a_constructor_that_raises(path):
    def refuse(a, b):
        raise ZeroDivisionError("no")
    arguments = Arguments((ArrayIn(F64, (2,), 0),))
    out = Node(tuple, (ArrayOut(0, F64, (2,)), Node(Model, (ArrayOut(0, F64, (2,)), ArgOut(0)), ("w", "b"), refuse)))
    spec = copies(arguments, out, {0: 0})
    f, x = path(calling(spec)), np.zeros(2)
    before = sys.getrefcount(x)
    for _ in range(10):
        with pytest.raises(ZeroDivisionError):
            f(x)
    assert sys.getrefcount(x) == before and spec.running == 0


# ------------------------------------------------------------------------------------------------------------- ownership

@pytest.mark.sweep(2, days=True)
def test_reference_counts_are_exact():
    arguments = Arguments(NESTED, keywords=(("k", ArrayIn(F64, (1,), 6)),),
                          given=((np.zeros(2), ArrayIn(F64, (2,), 7)),))
    marker = object()
    out = Node(dict, (Node(tuple, (ArrayOut(0, F64, (2,)), ObjectOut(marker), ArgOut(0), ArrayOut(0, F64, (2,)))),
                      Node(Point, (ScalarOut(2, "int", I64), Node(list, (ArgOut(4), ArgOut(6)))))), ("p", "q"))
    f = calling(copies(arguments, out, {0: 0, 2: 2}))
    args, k = nested_arguments(), np.zeros(1)
    watched = [marker, k, *args, args[0]["w"], args[0]["more"], args[2].w, np.dtype("f8"), Point, PAIR, f]
    f(*args, k=k)
    gc.collect()                                 # what other tests have left behind
    before = [sys.getrefcount(v) for v in watched]
    results = [f(*args, k=k) for _ in range(1000)]
    del results
    gc.collect()
    after = [sys.getrefcount(v) for v in watched]
    assert all(abs(a - b) < 5 for a, b in zip(before, after, strict=True)), (before, after)


@needs_native
@pytest.mark.usefixtures("compiled_anew")
def test_a_million_calls_in_flat_memory():
    spec = identity(ArrayIn(F64, (8,), 0), ScalarIn("float", F64, 1))
    f, x = calling(spec), np.arange(8.0)
    for _ in range(1000):
        f(x, 1.0)
    start, ticks = resident(), c_layouts.TICK.value
    for _ in range(1_000_000):
        f(x, 2.0)
    assert resident() - start < 2 and spec.hits == 1_001_000 and c_layouts.TICK.value - ticks == 1_000_000
    assert spec.last_used == c_layouts.TICK.value and spec.running == 0


@pytest.mark.usefixtures("compiled_anew")
def test_large_results_are_freed():
    f, x = calling(identity(ArrayIn(F64, (1 << 20,), 0))), np.ones(1 << 20)
    f(x)
    start = resident()
    for _ in range(200):
        f(x)
    assert resident() - start < 20


SLEEP = "  %s = call i32 @usleep(i32 100000)\n"


@needs_native
def test_other_threads_run_meanwhile_and_arguments_stay():
    arguments = Arguments((Node(list, (ArrayIn(F64, (1000,), 0),)),))
    signature = Signature(arguments, ArrayOut(0, F64, (1000,)), (("in", 0), ("out", 0)), release=True)
    copy = "  %c = call ptr @memcpy(ptr %p1, ptr %p0, i64 8000)"
    spec = specialise(signature, SLEEP + copy, "declare i32 @usleep(i32)\ndeclare ptr @memcpy(ptr, ptr, i64)\n")
    f, box, out = calling(spec), [np.full(1000, 3.0)], []
    thread = threading.Thread(target=lambda: out.append(f(box)))
    thread.start()
    time.sleep(0.03)
    assert spec.running == 1
    box.clear()                                      # the caller's only reference
    others = [np.full(1000, 9.0) for _ in range(50)]
    f.remove(spec)
    assert not spec.closed and spec.running == 1     # code in use is kept
    thread.join()
    assert (out[0] == 3.0).all() and len(others) == 50
    f.install(identity())
    assert spec.closed and spec.hits == 1
