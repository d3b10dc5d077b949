"""The native call path: what it takes, what it returns, who owns what. Every test of values runs both paths."""
from __future__ import annotations

import collections
import copy
import dataclasses
import gc
import pickle
import sys
import threading
import time
from typing import NamedTuple

import numpy as np
import pytest
from native_calls import MALLOC, Callable, Missed, Python, calling, copies, identity, resident, specialise
from tracegrad.ir.errors import ArgumentError
from tracegrad.ir.types import BOOL, C64, C128, DTYPES, F32, F64, I8, I32, I64, INDEX, U64
from tracegrad.lowering import capi, layout
from tracegrad.lowering.layout import (
    ArgOut,
    Arguments,
    ArrayIn,
    ArrayOut,
    Node,
    ObjectOut,
    SameIn,
    ScalarIn,
    ScalarOut,
    Signature,
    StaticIn,
)

NUMPY_DTYPES = [d for d in DTYPES.values() if d is not INDEX]
PATHS = pytest.mark.parametrize("path", [lambda f: f, Python], ids=["native", "python"])
needs_native = pytest.mark.skipif(not capi.NATIVE, reason=f"no native calls: {capi.REASON}")


def same(a, b):
    """Equal in type, dtype, shape and every bit."""
    if isinstance(a, np.ndarray):
        return type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and (np.asarray(a).tobytes() == np.asarray(b).tobytes())


def test_native_is_available_on_cpython():
    assert capi.NATIVE, capi.REASON


# ------------------------------------------------------------------------------------------------------------- arguments

@PATHS
@pytest.mark.parametrize("d", NUMPY_DTYPES, ids=repr)
@pytest.mark.parametrize("dims", [(), (0,), (1,), (5,), (2, 3), (2, 0, 3), (1, 1, 2, 3)], ids=str)
def test_arrays_of_every_dtype_and_shape(path, d, dims):
    f = path(calling(identity(ArrayIn(d, dims, 0))))
    x = np.asarray(np.arange(np.prod(dims, dtype=int)).reshape(dims) % 2 * 3).astype(d.np)
    y, = f(x)
    assert same(x, y) and y is not x and y.flags.owndata and y.flags.writeable and y.flags.c_contiguous


@PATHS
def test_every_array_mismatch_goes_on(path):
    f = path(calling(identity(ArrayIn(F64, (2, 3), 0))))
    good = np.arange(6.0).reshape(2, 3)
    raw = np.zeros(49, "u1")[1:].view("f8").reshape(2, 3)
    frozen = good.copy()
    frozen.flags.writeable = False
    for wrong in (good.astype("f4"), good.ravel(), good.reshape(3, 2), good.reshape(2, 3, 1), np.asfortranarray(good),
                  good[:, ::-1], good.astype(">f8"), raw, good.view(np.matrix), good.tolist(), 1.0, None, np.float64(1),
                  good[:1], np.ma.array(good)):
        with pytest.raises(Missed):
            f(wrong)
    for call in (lambda: f(), lambda: f(good, good), lambda: f(x=good), lambda: f(good, y=1)):
        with pytest.raises(Missed):
            call()
    assert same(f(good)[0], good) and same(f(frozen)[0], good)


SPECIAL = [0.0, -0.0, 1.5, float("nan"), float("inf"), -float("inf"), 5e-324]


@PATHS
def test_python_scalars(path):
    f = path(calling(identity(ScalarIn("float", F64, 0)), identity(ScalarIn("int", I64, 0)),
                     identity(ScalarIn("complex", C128, 0))))
    for value in [*SPECIAL, complex(1, -2), complex(float("nan"), -0.0), 0, 1, -1, 255, 2**31, 2**62, 2**63 - 1, -2**63]:
        assert same(f(value)[0], value), value
    for wrong in (2**63, -2**63 - 1, 10**40, True, None, "1", np.float64(1), np.int64(1), np.float32(1), np.array(1.0), float):
        with pytest.raises(Missed):
            f(wrong)


class OtherFloat(float):
    pass


class OtherInt(int):
    pass


@PATHS
def test_subclasses_of_numbers_are_not_numbers(path):
    f = path(calling(identity(ScalarIn("float", F64, 0)), identity(ScalarIn("int", I64, 0))))
    for wrong in (OtherFloat(1), OtherInt(1)):
        with pytest.raises(Missed):
            f(wrong)


@PATHS
@pytest.mark.parametrize("d", NUMPY_DTYPES, ids=repr)
def test_numpy_scalars(path, d):
    f = path(calling(identity(ScalarIn("numpy", d, 0))))
    for value in (0, 1, 3):
        x = d.np.type(value)
        assert same(f(x)[0], x)
    for wrong in (np.array(1, d.np), 1, 1.0, 1j, np.float16(1), (np.int8 if d is not I8 else np.int16)(1)):
        with pytest.raises(Missed):
            f(wrong)


@PATHS
def test_statics(path):
    class Anything:
        pass
    one, text = Anything(), "mode" + str(len(sys.argv) * 0)
    statics = [one, None, True, text, 12345678, -3, 2**70, 2.5, -0.0, float("nan"), (1, 2), len, np.float32, b"raw"]
    for value in statics:
        f = path(calling(identity(StaticIn(value), ScalarIn("float", F64, 0))))
        assert f(value, 1.0) == (1.0,)
        for wrong in (Anything(), False, "mod", "mode00", 12345679, 2.25, 0.0, 0, (1, 3), max, np.float64, ["x"]):
            with pytest.raises(Missed):
                f(wrong, 1.0)
    f = path(calling(identity(StaticIn(text), StaticIn(2**40), StaticIn(2.5))))
    assert f("".join(["mo", "de", "0"]), int("1099511627776"), float("2.5")) == ()


@PATHS
def test_one_array_passed_twice(path):
    layouts = Arguments((ArrayIn(F64, (2,), 0), SameIn(0)))
    f = path(calling(copies(layouts, ArrayOut(0, F64, (2,)), {0: 0})))
    x = np.ones(2)
    assert same(f(x, x), x)
    with pytest.raises(Missed):
        f(x, x.copy())


class Point(NamedTuple):
    x: object
    y: object = 1


class Other(NamedTuple):
    x: object
    y: object = 1


@dataclasses.dataclass
class Model:
    w: object
    b: object


class Slotted:
    __slots__ = ("a",)

    def __init__(self, a):
        self.a = a


NESTED = (
    Node(dict, (ArrayIn(F64, (2,), 0), Node(list, (ScalarIn("float", F64, 1), Node(tuple, ())))), ("w", "more")),
    Node(Point, (ScalarIn("int", I64, 2), Node(tuple, (ArrayIn(F32, (), 3), StaticIn("s"))))),
    Node(Model, (ArrayIn(I32, (1,), 4), Node(dict, (), ())), ("w", "b")),
    Node(dict, (ScalarIn("numpy", U64, 5), Node(list, ())), (7, ("a", "b"))),
)
PAIR = ("a", "b")


def nested_arguments():
    return ({"w": np.array([1.0, 2.0]), "more": [2.5, ()]}, Point(3, (np.array(4, "f4"), "s")),
            Model(np.array([5], "i4"), {}), {7: np.uint64(6), PAIR: []})


@PATHS
def test_nested_structures_in(path):
    layouts = list(NESTED)
    layouts[3] = Node(dict, NESTED[3].children, (7, PAIR))
    f = path(calling(identity(*layouts)))
    args = nested_arguments()
    for _ in range(3):
        out = f(*args)
    assert [np.asarray(v).tolist() for v in out] == [[1.0, 2.0], 2.5, 3, 4.0, [5], 6]
    a, p, m, d = args
    wrong = [
        ({**a, "extra": 1}, p, m, d), ({"w": a["w"]}, p, m, d), ({"more": a["more"], "w": a["w"]}, p, m, d),
        ({"w": a["w"], "others": a["more"]}, p, m, d), (collections.OrderedDict(a), p, m, d),
        ({**a, "more": (2.5, ())}, p, m, d), ({**a, "more": [2.5]}, p, m, d), ({**a, "more": [2.5, (1,)]}, p, m, d),
        (a, tuple(p), m, d), (a, Other(*p), m, d), (a, Point(3, [*p.y]), m, d), (a, p, Slotted(1), d),
        (a, p, Model(m.w, {"k": 1}), d), (a, p, m, {7: np.uint64(6)}), (a, p, m, {8: np.uint64(6), PAIR: []}), (a, p, m, None),
    ]
    for call in wrong:
        with pytest.raises(Missed):
            f(*call)
    assert f(*args)[1] == 2.5


@PATHS
def test_attributes_that_run_python(path):
    class Lazy:
        @property
        def a(self):
            return np.arange(3.0)          # nobody else holds it

        @property
        def b(self):
            if broken:
                raise broken[0]
            return 2.0
    broken = []
    spec = identity(Node(Lazy, (ArrayIn(F64, (3,), 0), ScalarIn("float", F64, 1)), ("a", "b")))
    f = path(calling(spec))
    assert f(Lazy())[0].tolist() == [0, 1, 2] and spec.running == 0
    broken.append(AttributeError("no b"))
    with pytest.raises((Missed, AttributeError)):
        f(Lazy())
    assert spec.running == 0
    x = Lazy()
    before = sys.getrefcount(x)
    broken.clear()
    for _ in range(10):
        f(x)
    assert sys.getrefcount(x) == before


@PATHS
def test_keywords_and_defaults(path):
    layouts = Arguments((ScalarIn("float", F64, 0),),
                        keywords=(("b", ScalarIn("float", F64, 2)), ("a", ScalarIn("int", I64, 1))),
                        given=((np.arange(2.0), ArrayIn(F64, (2,), 3)),))
    out = Node(tuple, (ScalarOut(0, "float", F64), ScalarOut(1, "int", I64), ScalarOut(2, "float", F64),
                       ArrayOut(3, F64, (2,))))
    f = path(calling(copies(layouts, out, {0: 0, 1: 1, 2: 2, 3: 3})))
    x, a, b, given = f(1.5, b=2.5, a=7)
    assert (x, a, b, given.tolist()) == (1.5, 7, 2.5, [0, 1])
    assert f(*[1.5], **{"b": 2.5, "a": 7})[1] == 7
    for call in (lambda: f(1.5, a=7, b=2.5), lambda: f(1.5), lambda: f(1.5, b=2.5), lambda: f(1.5, 2.5, 7),
                 lambda: f(1.5, b=2.5, a=7, c=1), lambda: f(1.5, b=2.5, c=7), lambda: f(x=1.5, b=2.5, a=7), lambda: f(1.5, b=2, a=7)):
        with pytest.raises(Missed):
            call()


@PATHS
def test_run_time_lengths(path):
    layouts = Arguments((ArrayIn(F64, ("n", 2, "m"), 0), Node(list, (ArrayIn(F32, ("m",), 1),))), lengths=(("m", 2), ("n", 3)))
    out = Node(tuple, (ScalarOut(0, "int", I64), ScalarOut(1, "int", I64)))
    f = path(calling(copies(layouts, out, {0: 2, 1: 3})))
    for n, m in [(3, 5), (1, 1), (0, 4), (7, 0)]:
        assert f(np.zeros((n, 2, m)), [np.zeros(m, "f4")]) == (m, n)
    for wrong in [((3, 2, 5), 4), ((3, 1, 5), 5)]:
        with pytest.raises(Missed):
            f(np.zeros(wrong[0]), [np.zeros(wrong[1], "f4")])


def test_methods_and_attributes():
    f = calling(identity(ScalarIn("float", F64, 0)))
    assert f.__call__(2.0) == (2.0,)

    class Bound(Callable):
        def __get__(self, instance, owner=None):
            return self if instance is None else type(self.miss)(self, instance)
    g = Bound()
    one = object()
    g.install(identity(StaticIn(one), ScalarIn("float", F64, 0)))
    assert g.__get__(one)(2.5) == (2.5,)
    g.note = 3
    assert g.note == 3 and g.__dict__["note"] == 3


def test_copies_are_the_function_itself():
    f = calling(identity(ScalarIn("float", F64, 0)))
    assert copy.copy(f) is f and copy.deepcopy([f])[0] is f
    f.__qualname__, f.__module__ = "module_level", __name__
    globals()["module_level"] = f
    assert pickle.loads(pickle.dumps(f)) is f


# --------------------------------------------------------------------------------------------------------------- results

@PATHS
def test_results_of_every_kind(path):
    arguments = Arguments((ArrayIn(F64, (2,), 0), ScalarIn("numpy", F32, 1), ScalarIn("numpy", BOOL, 2),
                           ScalarIn("numpy", C64, 3), ScalarIn("numpy", I8, 4), ScalarIn("numpy", U64, 5), ScalarIn("complex", C128, 6)))
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
        type("Bare", (layout_dispatcher(),), {})()(1)


def layout_dispatcher():
    return Callable.__mro__[1]


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

def test_reference_counts_are_exact():
    layouts = [*NESTED[:3], Node(dict, NESTED[3].children, (7, PAIR))]
    arguments = Arguments(tuple(layouts), keywords=(("k", ArrayIn(F64, (1,), 6)),),
                          given=((np.zeros(2), ArrayIn(F64, (2,), 7)),))
    marker = object()
    out = Node(dict, (Node(tuple, (ArrayOut(0, F64, (2,)), ObjectOut(marker), ArgOut(0), ArrayOut(0, F64, (2,)))),
                      Node(Point, (ScalarOut(2, "int", I64), Node(list, (ArgOut(4), ArgOut(6)))))), ("p", "q"))
    f = calling(copies(arguments, out, {0: 0, 2: 2}))
    args, k = nested_arguments(), np.zeros(1)
    watched = [marker, k, *args, args[0]["w"], args[0]["more"], args[2].w, np.dtype("f8"), Point, PAIR, f]
    f(*args, k=k)
    before = [sys.getrefcount(v) for v in watched]
    results = [f(*args, k=k) for _ in range(1000)]
    del results
    gc.collect()
    after = [sys.getrefcount(v) for v in watched]
    assert all(abs(a - b) < 5 for a, b in zip(before, after, strict=True)), (before, after)


@needs_native
def test_a_million_calls_in_flat_memory():
    spec = identity(ArrayIn(F64, (8,), 0), ScalarIn("float", F64, 1))
    f, x = calling(spec), np.arange(8.0)
    for _ in range(1000):
        f(x, 1.0)
    start, ticks = resident(), capi.TICK.value
    for _ in range(1_000_000):
        f(x, 2.0)
    assert resident() - start < 2 and spec.hits == 1_001_000 and capi.TICK.value - ticks == 1_000_000
    assert spec.last_used == capi.TICK.value and spec.running == 0


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


# ------------------------------------------------------------------------------------------- the two paths say the same

def random_layout(rng, depth, next_param, make):
    """(layout, a value that fits)."""
    kind = rng.integers(0, 9 if depth else 6)
    d = NUMPY_DTYPES[rng.integers(len(NUMPY_DTYPES))]
    if kind < 2:
        dims = tuple(int(n) for n in rng.integers(0, 4, rng.integers(0, 3)))
        return ArrayIn(d, dims, next(next_param)), np.ones(dims, d.np)
    if kind == 2:
        return ScalarIn("numpy", d, next(next_param)), d.np.type(1)
    if kind == 3:
        name = ("float", "int", "complex")[rng.integers(3)]
        return (ScalarIn(name, {"float": F64, "int": I64, "complex": C128}[name], next(next_param)),
                {"float": 1.5, "int": 3, "complex": 1j}[name])
    if kind < 6:
        value = ("x", 5, None, 2.5)[rng.integers(4)]
        return StaticIn(value), value
    pairs = [random_layout(rng, depth - 1, next_param, make) for _ in range(rng.integers(0, 4))]
    children, values = tuple(p[0] for p in pairs), [p[1] for p in pairs]
    if kind == 6:
        return Node(tuple, children), tuple(values)
    if kind == 7:
        return Node(list, children), values
    keys = tuple(f"k{i}" for i in range(len(children)))
    return Node(dict, children, keys), dict(zip(keys, values))


def test_random_structures_match_alike():
    rng = np.random.default_rng(5)
    built = []
    for _ in range(25):
        count = iter(range(1000))
        pairs = [random_layout(rng, 2, count, None) for _ in range(rng.integers(1, 4))]
        built.append((identity(*(p[0] for p in pairs)), [p[1] for p in pairs]))
    for spec, _ in built:
        native = calling(spec)
        for other, args in built:
            fits = layout.match(spec.signature.arguments, tuple(args), {}) is not None
            assert fits or other is not spec
            try:
                out, taken = native(*args), True
            except Missed:
                taken = False
            assert taken == fits
            if fits:
                expected = spec.invoke(layout.match(spec.signature.arguments, tuple(args), {}))
                assert all(same(a, b) for a, b in zip(out, expected, strict=True))
