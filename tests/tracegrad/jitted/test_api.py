"""`jit` and its object, as a user meets them: what can be compiled, how it may be called, what it tells about itself."""
import collections
import copy
import dataclasses
import functools
import inspect
import math
import operator
import pickle
import sys
import threading
from typing import NamedTuple

import numba
import numpy as np
import pytest

import tracegrad as tg
from tracegrad.jitted.specialization_info import SpecializationInfo

X = np.arange(3.0)


def scaled(x, factor=2.0, *rest, shift=0.0, **named):
    """The docstring."""
    return x * factor + shift + sum(rest) + sum(named.values())


# --- the object -------------------------------------------------------------------------------------------------------

def test_it_looks_like_the_function():
    f = tg.jit(scaled)
    assert (f.__name__, f.__doc__, f.__module__, f.__wrapped__) == ("scaled", "The docstring.", __name__, scaled)
    assert inspect.signature(f) == inspect.signature(scaled)
    assert repr(f) == "<tracegrad.jit of scaled>" and repr(tg.grad(scaled)) == "<tracegrad.grad of scaled>"
    assert copy.copy(f) is f and copy.deepcopy([f])[0] is f
    assert f != tg.jit(scaled) and len({f, tg.jit(scaled)}) == 2


@tg.jit
def bare(x):
    return x + 1.0


@tg.jit(static_argnames="mode")
def with_options(x, mode="up"):
    return x + 1.0 if mode == "up" else x - 1.0


def test_as_a_decorator():
    assert pickle.loads(pickle.dumps(bare)) is bare
    assert bare(1.0) == 2.0 and with_options(1.0) == 2.0 and with_options(1.0, mode="down") == 0.0


@pytest.mark.parametrize(
    "args, kwargs",
    [
        ((1.5,), {}),
        ((1.5, 3.0), {}),
        ((1.5, 3.0, 4.0, 5.0), {}),
        ((1.5,), {"factor": 3.0}),
        ((), {"x": 1.5}),
        ((), {"factor": 3.0, "x": 1.5}),
        ((1.5,), {"shift": 1.0}),
        ((1.5, 2.0, 3.0), {"shift": 1.0, "other": 2.0, "more": 3.0}),
        ((X,), {"more": X}),
        ((1.5,), {"shift": 7}),
    ],
)
def test_ways_to_write_a_call(args, kwargs):
    f = tg.jit(scaled)
    f.cache_clear()                                                  # of earlier cases: kernels are the function's
    for _ in range(3):
        got, expected = f(*args, **kwargs), scaled(*args, **kwargs)
        assert type(got) is type(expected)
        np.testing.assert_array_equal(got, expected)
    assert f.cache_info().misses == 1


# --- what can be compiled ---------------------------------------------------------------------------------------------

class Model:
    scale = 2.0

    def __init__(self):
        self.weight = X + 1.0

    def method(self, x):
        return self.weight * x * self.scale

    @classmethod
    def of_class(cls, x):
        return cls.scale * x

    @staticmethod
    def static(x):
        return x * 3.0

    @property
    def half(self):
        return self.weight / 2.0

    def __call__(self, x):
        return self.half + x

    @tg.jit
    def compiled(self, x):
        return self.weight * x

    @staticmethod
    @tg.jit
    def compiled_static(x):
        return x * 3.0

    @classmethod
    @tg.jit
    def compiled_class(cls, x):
        return cls.scale * x

    slope = tg.grad(lambda self, x: x**2 * self.scale, argnums=1)


MODEL = Model()
FACTORIES = [lambda x, k=k: x * k for k in range(3)] + [(lambda x: lambda: x * 2.0)(2.0)]
same_line = [
    lambda x: x + 1.0,
    lambda x: x + 2.0,
    lambda x: x if x > 0 else x + 3.0,
    lambda x: x + 4.0,
    lambda x: (lambda x: x + 5.0)(x),
]


def recursive(x, n):
    return x if n == 0 else x * recursive(x, n - 1)


@functools.lru_cache
def cached(x):
    return x * 2.0


def decorated(f):
    @functools.wraps(f)
    def inner(*args):
        return f(*args) * 10.0
    return inner


CALLABLES = {
    "method": MODEL.method,
    "classmethod": Model.of_class,
    "staticmethod": Model.static,
    "callable": MODEL,
    "compiled method": MODEL.compiled,
    "compiled static": Model.compiled_static,
    "compiled classmethod": Model.compiled_class,
    "partial": functools.partial(scaled, factor=3.0, shift=X),
    "partial of partial": functools.partial(functools.partial(scaled, 2.0), 3.0),
    "decorated": decorated(bare),
    "cached": cached,
    "njit": numba.njit(lambda x: x * 2.0),
    "jit of jit": tg.jit(tg.jit(scaled)),
    "builtin": abs,
    "math": math.sin,
    "ufunc": np.exp,
    "function of NumPy": np.sum,
    "type": complex,
    "itemgetter": operator.neg,
    **{f"lambda {k}": f for k, f in enumerate(same_line)},
    **{f"closure {k}": f for k, f in enumerate(FACTORIES[:3])},
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", CALLABLES)
def test_callables(name):
    f = CALLABLES[name]
    for compiled in (tg.jit(f), tg.jit(lambda x: f(x))):
        for _ in range(2):
            got, expected = compiled(1.5), f(1.5)
            assert np.shape(got) == np.shape(expected) and np.asarray(got).dtype == np.asarray(expected).dtype
            np.testing.assert_allclose(got, expected, rtol=1e-14)


def test_no_arguments_and_no_results():
    assert tg.jit(FACTORIES[3])() == 4.0 and tg.jit(lambda: None)() is None and tg.jit(lambda x: ())(X) == ()


def test_methods_of_instances():
    other = Model()
    other.weight = X * 10.0
    np.testing.assert_array_equal(MODEL.compiled(2.0), MODEL.weight * 2.0)
    np.testing.assert_array_equal(other.compiled(2.0), other.weight * 2.0)
    assert MODEL.slope(3.0) == 12.0


def test_recursion_that_a_python_int_ends():
    f = tg.jit(recursive)
    assert f(2.0, 5) == 64.0 and f(2.0, 3) == 16.0


def test_captured_values_are_read_at_every_call_where_they_are_arrays():
    table = np.array([1.0, 2.0])
    f = tg.jit(lambda x: x * table)
    np.testing.assert_array_equal(f(2.0), [2.0, 4.0])
    table[0] = 10.0
    np.testing.assert_array_equal(f(2.0), [20.0, 4.0])


# --- values in and out ------------------------------------------------------------------------------------------------

class Point(NamedTuple):
    x: object
    y: object


@dataclasses.dataclass
class State:
    position: np.ndarray
    mass: float
    name: str = "body"


VALUES = [
    1,
    1.5,
    1 + 2j,
    True,
    None,
    "text",
    np.float32(1.5),
    np.int8(3),
    np.uint64(2**63),
    np.bool_(True),
    np.complex64(1j),
    np.array(2.0),
    X,
    X[::-1],
    X.astype(">f8"),
    X.astype(np.float32),
    np.zeros((0, 3)),
    np.ones((1, 1)),
    np.asfortranarray(np.ones((2, 3))),
    np.broadcast_to(X, (2, 3)),
    np.array([True, False]),
    np.arange(3),
    (),
    [],
    {},
    (1.0, [X, {"a": None, "b": (2, "c")}]),
    Point(1.0, X),
    State(X, 2.0),
    {"b": 1.0, "a": X},
    collections.OrderedDict(b=1.0, a=2),
    collections.defaultdict(list, a=1.0),
    {1: X, (2, 3): 1.0},
    2**70,
    -0.0,
    float("nan"),
    float("inf"),
]


def equal(a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, State):
        return equal(vars(a), vars(b))
    if isinstance(a, np.ndarray):
        return a.dtype.newbyteorder("=") == b.dtype.newbyteorder("=") and a.shape == b.shape and np.array_equal(a, b)
    return repr(a) == repr(b)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("value", VALUES, ids=lambda v: repr(v).replace("\n", " ")[:40])
def test_structures_pass_through(value):
    f = tg.jit(lambda x: x)
    for _ in range(3):
        assert equal(f(value), value)
    inside = tg.jit(lambda x: {"first": [x], "second": (x, 1.0)})
    for _ in range(2):
        assert equal(inside(value), {"first": [value], "second": (value, 1.0)})


def test_the_order_of_a_dict_is_kept():
    f = tg.jit(lambda d: {**d, "sum": d["a"] + d["b"]})
    for d in ({"a": 1.0, "b": 2.0}, {"b": 2.0, "a": 1.0}) * 2:
        assert list(f(d)) == [*d, "sum"]


def test_objects_that_become_arrays():
    class Series:
        def __array__(self, dtype=None, copy=None):
            return np.arange(3.0)

    f = tg.jit(lambda s: np.sum(s) * 2.0)
    assert [f(Series()) for _ in range(3)] == [6.0] * 3 and f.cache_info().misses == 1


def test_huge_ints_are_part_of_the_specialisation():
    f = tg.jit(lambda n, x: n * x)
    for n in (3, 2**63 - 1, -(2**63), 2**63, 2**70, 3):
        assert f(n, 2.0) == n * 2.0


def test_written_arguments():
    def step(x, y):
        x[1:] += y
        return x.sum()

    f = tg.jit(step)
    for x in (X.copy(), np.arange(6.0)[::2], np.arange(3.0).astype(">f8"), np.arange(3.0)[::-1]):
        ours, theirs = x.copy(), x.copy()
        if x.strides != (8,):
            ours, theirs = np.repeat(x, 2)[::2], np.repeat(x, 2)[::2]
        assert f(ours, 2.0) == step(theirs, 2.0)
        np.testing.assert_array_equal(ours, theirs)


def test_the_same_array_twice():
    def both(x, y):
        x[0] = 10.0
        return x + y

    f = tg.jit(both)
    for _ in range(2):
        ours, theirs = X.copy(), X.copy()
        np.testing.assert_array_equal(f(ours, ours), both(theirs, theirs))
        np.testing.assert_array_equal(f(ours.copy(), ours), both(theirs.copy(), theirs))


def test_a_returned_argument_is_the_argument():
    x = X.copy()
    assert tg.jit(lambda x: x)(x) is x and tg.jit(lambda x: [x])(x)[0] is x
    assert tg.jit(lambda x: x + 0.0)(x) is not x


# --- specialisation ---------------------------------------------------------------------------------------------------

def test_one_specialisation_for_each_type():
    f = tg.jit(lambda x: x * 2)
    values = [
        1,
        1.0,
        1j,
        np.float32(1),
        np.float64(1),
        X,
        X.astype(np.float32),
        X[:2],
        np.ones((3, 1)),
        "ab",
        True,
        X.astype(">f8"),
        X[::-1],
    ]
    for value in values:
        f(value)
    assert f.cache_info().misses == len(values) - 2                # byte order and strides do not count
    for value in values:
        f(value)
    assert f.cache_info().misses == len(values) - 2 and f.cache_info().hits == 2 * len(values)


def test_a_python_int_is_static_only_where_it_decides_something():
    times, zeros = tg.jit(lambda x, n: x * n), tg.jit(lambda n: np.zeros(n))
    for n in (2, 3, 4, 2):
        assert times(1.5, n) == 1.5 * n and zeros(n).shape == (n,)
    assert times.cache_info().misses == 1 and zeros.cache_info().misses == 3


def test_statics():
    f = tg.jit(lambda x, mode, n: x * n if mode == "times" else x + n, static_argnums=(2,))
    assert [f(2.0, "times", 3), f(2.0, "plus", 3), f(2.0, "times", 4), f(2.0, "times", 3.0)] == [6.0, 5.0, 8.0, 6.0]
    assert f.cache_info().misses == 4
    g = tg.jit(lambda x, shape: np.ones(shape) * x, static_argnames="shape")
    assert g(2.0, shape=(2, 3)).shape == g(2.0, (2, 3)).shape == (2, 3)
    same = tg.jit(lambda x, zero: math.copysign(x, zero), static_argnums=-1)
    assert same(1.0, 0.0) == 1.0 and same(1.0, -0.0) == -1.0


def test_cache_info_and_specializations():
    f = tg.jit(lambda x, mode="soft": x * 2.0)
    assert f.cache_info() == (0, 0, tg.config.cache_size, 0, 0, 0) and f.specializations == []
    f(X)
    f(X)
    f(1.5, "hard")
    info = f.cache_info()
    assert (info.hits, info.misses, info.currsize, info.evictions) == (3, 2, 2, 0)
    newest, oldest = f.specializations
    assert isinstance(newest, SpecializationInfo)
    assert (newest.types, newest.hits, oldest.types, oldest.hits) == ("x: float, mode: 'hard'", 1, "x: f64[3]", 2)
    assert newest.code_bytes > 0 and info.code_bytes == newest.code_bytes + oldest.code_bytes
    assert {"trace", "optimize", "loops", "emit", "machine", "entry"} <= set(oldest.phases)
    assert all(ms >= 0 for ms in oldest.phases.values()) and oldest.compile_ms == sum(oldest.phases.values())
    assert repr(oldest).startswith("<(x: f64[3]): ") and "bytes of code, 2 hits>" in repr(oldest) and "trace " in repr(oldest)
    assert repr(info).startswith("CacheInfo(hits=3, misses=2,")
    f.cache_clear()
    assert f.cache_info().currsize == 0 and f.specializations == []
    np.testing.assert_array_equal(f(X), X * 2.0)


def test_the_cache_is_bounded():
    with tg.config(cache_size=4):
        f = tg.jit(lambda x: x + 1.0, shapes="static")
    for n in range(1, 11):
        np.testing.assert_array_equal(f(np.ones(n)), np.full(n, 2.0))
    info = f.cache_info()
    assert (info.maxsize, info.currsize, info.evictions, info.misses) == (4, 4, 6, 10)
    assert [s.types for s in f.specializations] == [f"x: f64[{n}]" for n in (10, 9, 8, 7)]


def test_lower():
    lowered = tg.jit(scaled).lower(X, shift=1.0)
    assert str(lowered) == lowered.text() == lowered.text("optimized")
    assert "func @scaled(%x: f64[3], %shift: f64)" in lowered.text("traced")
    assert "# test_api.py:" in lowered.text("traced", margin=True) and "\x1b[" in lowered.text("vjp", color=True)
    assert lowered.function.name == "scaled"
    assert "define" in lowered.text("llvm") and "kernel scaled" in lowered.text("loops")


# --- options ----------------------------------------------------------------------------------------------------------

def test_disable_jit_takes_calls_that_machine_code_would_take():
    f, x = tg.jit(lambda x: np.sum(x * 2.0)), X.copy()
    assert [f(x) for _ in range(3)] == [6.0] * 3
    before = f.cache_info()
    with tg.disable_jit():
        assert [f(x) for _ in range(3)] == [6.0] * 3
        assert tg.grad(lambda x: x**3)(2.0) == 12.0
    assert f.cache_info() == before
    assert f(x) == 6.0 and f.cache_info().hits == before.hits + 1


def test_disable_jit_runs_the_function_itself():
    """On the user's arrays, in the user's frame: whatever Python can do, a debugger too."""
    seen = []

    def f(x, y):
        s = np.sum(x) * 2.0
        seen.append((type(s), sys._getframe().f_code.co_filename, sys._getframe().f_back.f_code.co_name, x))
        x[0] = float(s)
        return sorted({s, y}), {"s": s, 3: object}

    x = X.copy()
    g = tg.jit(f)
    with tg.disable_jit():
        found = g(x, y=-1.0)
        assert tg.jit(numba_like)(2.0) == "Python saw 2.0"
    assert found == ([-1.0, 6.0], {"s": 6.0, 3: object}) and x[0] == 6.0
    assert seen[0][:2] == (np.float64, __file__) and seen[0][3] is x
    assert g.cache_info().currsize == 0


def numba_like(x):
    raise AssertionError


numba_like.py_func = lambda x: f"Python saw {x}"


def test_breakpoint_stops_in_the_frame_of_the_user(monkeypatch):
    stopped = []
    monkeypatch.setattr(sys, "breakpointhook", lambda: stopped.append(dict(sys._getframe(1).f_locals)))

    def f(x):
        s = np.sum(x) * 2.0
        breakpoint()
        return s

    assert tg.jit(f)(X) == 6.0                               # traced: `s` stands for a number
    with tg.disable_jit():
        assert tg.jit(f)(X) == 6.0
        assert tg.grad(f)(X).tolist() == [2.0, 2.0, 2.0]
    assert len(stopped) == 3 and "s" in stopped[0] and stopped[1]["s"] == 6.0


def test_interpret_runs_the_program_without_compiling():
    f, x = tg.jit(lambda x: (np.cumsum(x), x.shape)), X.copy()
    found = f.interpret(x)
    assert found[0].tolist() == [0.0, 1.0, 3.0] and found[1] == (3,) and f.cache_info().currsize == 0


def test_disable_jit_concerns_one_thread():
    f = tg.jit(lambda x: x * 2.0)
    f(1.5)
    found = []

    def other():
        found.append((tg.config.disable_jit, f(1.5)))

    with tg.disable_jit():
        before = f.cache_info().hits
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert f.cache_info().hits == before + 1
    assert found == [(False, 3.0)]


def test_config():
    assert "cache_size = " in repr(tg.config) and "fastmath" in dir(tg.config)
    with tg.config(verify=False):
        assert not tg.config.verify
        with tg.config(verify=True, fastmath=True):
            assert tg.config.verify and tg.config.fastmath
        assert not tg.config.verify and not tg.config.fastmath
    assert tg.config.verify
    with pytest.raises(RuntimeError), tg.config(verify=False):
        raise RuntimeError
    assert tg.config.verify
    with pytest.raises(AttributeError):
        _ = tg.config.nothing


def test_threads_compile_and_call_at_once():
    f = tg.jit(lambda x: np.sum(x) * 2.0, shapes="static")
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        for _ in range(60):
            n = int(rng.integers(1, 6))
            if f(np.ones(n)) != 2.0 * n:
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and f.cache_info().currsize == 5


def test_the_function_itself_by_numba_s_name():
    f = tg.jit(square := lambda x: x * x)
    assert f.py_func is square
    assert tg.jit(f).py_func is square
    with pytest.raises(AttributeError, match="no Python function"):
        _ = tg.grad(f).py_func


def test_what_numba_s_users_ask_for_is_named():
    f = tg.jit(lambda x: x + 1.0)
    with pytest.raises(AttributeError, match=r"no attribute 'inspect_llvm': f\.lower\(\*args\)\.text\('llvm'\) says"):
        _ = f.inspect_llvm
    assert not hasattr(f, "no_such_name")
    assert "define" in f.lower(1.0).text("llvm")


def test_a_generator_with_a_signature():
    @tg.jit("int64(int64)")
    def squares(n):
        for k in range(n):
            yield k * k

    assert list(squares(4)) == [0, 1, 4, 9]
    assert tg.jit(lambda n: sum(squares(n)))(4) == 14
