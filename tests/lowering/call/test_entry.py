"""The native call path: what it takes. Every test of values runs both paths."""
from __future__ import annotations

import collections
import copy
import pickle
import sys

import numpy as np
import pytest
from native_calls import (
    NESTED,
    NUMPY_DTYPES,
    PAIR,
    PATHS,
    Callable,
    Missed,
    Model,
    Other,
    Point,
    Slotted,
    calling,
    copies,
    identity,
    nested_arguments,
    same,
)
from tracegrad.ir.types import C128, F32, F64, I8, I64
from tracegrad.lowering.call import python_call
from tracegrad.lowering.call.calling_convention import (
    ArgOut,
    Arguments,
    ArrayIn,
    ArrayOut,
    Node,
    SameIn,
    ScalarIn,
    ScalarOut,
    StaticIn,
)
from tracegrad.lowering.call.dispatch import set_options
from tracegrad.lowering.native import c_layouts


def test_native_is_available_on_cpython():
    assert c_layouts.NATIVE, c_layouts.REASON


# ------------------------------------------------------------------------------------------------------------- arguments

@pytest.mark.sweep(2)
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


@PATHS
@pytest.mark.parametrize("d", NUMPY_DTYPES, ids=repr)
def test_dtypes_that_are_not_the_one_object(path, d):
    """Unpickled arrays, dtypes with metadata, an explicit byte order."""
    f = path(calling(identity(ArrayIn(d, (3,), 0))))
    x = np.ones(3, d.np)
    for y in (pickle.loads(pickle.dumps(x)), x.astype(np.dtype(d.np, metadata={"unit": "m"})), x.view(d.np.newbyteorder("<"))):
        assert same(f(y)[0], x) and f(y)[0].dtype is d.np
    if d.np.itemsize > 1:
        with pytest.raises(Missed):
            f(x.astype(d.np.newbyteorder(">")))


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
    for wrong in (np.array(1, d.np), 1, 1.0, 1j, np.longdouble(1), (np.float16 if d.name != "f16" else np.float32)(1),
                  (np.int8 if d is not I8 else np.int16)(1)):
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
    with_pointer = Arguments((ArrayIn(F64, (2,), 0), Node(list, (SameIn(0, 1),)), ScalarIn("float", F64, 2)))
    out = Node(tuple, (ArrayOut(1, F64, (2,)), ScalarOut(2, "float", F64), ArgOut(1)))
    g = path(calling(copies(with_pointer, out, {1: 1, 2: 2}, writes=(0,))))
    assert same(g(x, [x], 2.0)[0], x) and g(x, [x], 2.0)[1:] == (2.0, x)
    with pytest.raises(Missed):
        g(x, [x[:]], 2.0)


@PATHS
def test_nested_structures_in(path):
    f = path(calling(identity(*NESTED)))
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
                 lambda: f(1.5, b=2.5, a=7, c=1), lambda: f(1.5, b=2.5, c=7), lambda: f(x=1.5, b=2.5, a=7),
                 lambda: f(1.5, b=2, a=7)):
        with pytest.raises(Missed):
            call()


@PATHS
def test_several_forms_of_one_call(path):
    a, b = ScalarIn("float", F64, 0), ScalarIn("int", I64, 1)
    out = Node(tuple, (ScalarOut(0, "float", F64), ScalarOut(1, "int", I64)))
    spec = copies(Arguments((a, b)), out, {0: 0, 1: 1})
    f = calling(spec)
    call = path(f)
    assert call(1.5, 2) == (1.5, 2)
    for arguments, kwargs in [(Arguments((a,), (("b", b),)), {"b": 2}),
                              (Arguments((), (("b", b), ("a", a))), {"b": 2, "a": 1.5}),
                              (Arguments((), (("a", a), ("b", b))), {"a": 1.5, "b": 2})]:
        args = (1.5,) * len(arguments.positional)
        with pytest.raises(Missed):
            call(*args, **kwargs)
        for _ in range(2):
            f.add_form(spec, arguments)
            assert call(*args, **kwargs) == (1.5, 2)
    assert call(1.5, 2) == (1.5, 2) and len(spec.forms) == 4 and spec.hits == 8 and spec.running == 0
    f.remove(spec)
    assert spec.closed and spec.hits == 8 and not spec.add_form(Arguments())
    with pytest.raises(Missed):
        call(1.5, b=2)


@PATHS
def test_options_in_force(path):
    layouts, out = Arguments((ScalarIn("float", F64, 0),)), ScalarOut(0, "float", F64)
    f = calling(copies(layouts, out, {0: 0}), copies(layouts, out, {0: 0}, options=1))
    other, plain = f.specialisations
    call = path(f)
    try:
        for number, hits in [(0, (1, 0)), (1, (1, 1)), (-1, (1, 1)), (0, (2, 1))]:
            set_options(number)
            if number < 0:
                with pytest.raises(Missed):
                    call(1.0)
            else:
                assert call(1.0) == 1.0
            assert (plain.hits, other.hits) == hits
    finally:
        set_options(0)


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
            fits = python_call.match(spec.signature.arguments, tuple(args), {}) is not None
            assert fits or other is not spec
            try:
                out, taken = native(*args), True
            except Missed:
                taken = False
            assert taken == fits
            if fits:
                expected = spec.invoke(python_call.match(spec.signature.arguments, tuple(args), {}))
                assert all(same(a, b) for a, b in zip(out, expected, strict=True))
