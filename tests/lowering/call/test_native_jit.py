"""Traced functions called natively: structures, keywords, aliases and writes as in Python."""
from __future__ import annotations

import collections
import dataclasses
import gc
import threading
from typing import NamedTuple

import numpy as np
import pytest
from native_calls import Python, resident, same
from tracegrad.tracer import pytrees

import tracegrad as tg

PATHS = pytest.mark.parametrize("path", [lambda f: f, Python], ids=["native", "python"])


class State(NamedTuple):
    x: object
    v: object


@dataclasses.dataclass
class Layer:
    w: object
    b: object


def alike(a, b):
    la, ta = pytrees.flatten(a)
    lb, tb = pytrees.flatten(b)
    return ta == tb and all(same(x, y) for x, y in zip(la, lb, strict=True))


def step(state, *, dt=0.5, k=2.0):
    x, v = state
    return State(x + dt * v, v - dt * k * x)


def dense(layers, x, names=("a", "b")):
    out = {}
    for name, layer in zip(names, layers):
        x = x @ layer.w + layer.b
        out[name] = x
    return out, [x, None, 3, "text", x.sum()], layers[0].w


def bump(x, y):
    x[0] += 1.0
    return y * x[0], x


def kinds(a, b, c, d):
    return a + b, b * 2, c * 1j, d > a, {"z": d, "a": (a, ())}, a < 3.0


CASES = [
    (step, (State(np.ones(3), np.arange(3.0)),), {}),
    (step, (State(1.0, np.float32(2)),), {"k": 3, "dt": 0.25}),
    (step, (State(np.ones((2, 0)), 1.5),), {"dt": 0.25}),
    (dense, ([Layer(np.ones((2, 3)), np.zeros(3)), Layer(np.ones((3, 1)), 1.0)], np.ones((4, 2))), {}),
    (dense, ((Layer(np.ones((2, 2)), 0.0),), np.ones(2)), {"names": ("only",)}),
    (dense, ((Layer(np.ones((2, 2)), 0.0),),), {"names": ["q"], "x": np.ones(2)}),
    (kinds, (1.5, np.arange(3), 2, np.float64(4)), {}),
    (kinds, (np.float32(1.5), 3, 2.0, np.array(4)), {}),
]


@PATHS
@pytest.mark.parametrize("case", CASES, ids=lambda c: c[0].__name__)
def test_as_in_python(path, case):
    function, args, kwargs = case
    compiled = tg.jit(function)
    compiled.cache_clear()                                           # of earlier cases: kernels are the function's
    call = path(compiled)
    expected = function(*args, **kwargs)
    for _ in range(4):
        assert alike(call(*args, **kwargs), expected)
    assert compiled.cache_info().misses == 1 and compiled.specialisations[0].hits == 4


@PATHS
def test_writes_and_aliases(path):
    compiled = tg.jit(bump)
    call = path(compiled)
    for _ in range(3):
        x, y = np.zeros(2), np.ones(3)
        out, back = call(x, y)
        assert back is x and x.tolist() == [1, 0] and out.tolist() == [1, 1, 1]
        z = np.zeros(2)
        out, back = call(z, z)
        assert back is z and z.tolist() == [1, 0] and out.tolist() == [1, 0]
    assert compiled.cache_info().misses == 2


def test_containers_that_only_python_knows():
    def f(d):
        return collections.OrderedDict(b=d["a"] + 1.0)
    compiled = tg.jit(f)
    for _ in range(3):
        r = compiled(collections.OrderedDict(a=1.0))
        assert type(r) is collections.OrderedDict and r == {"b": 2.0}
    assert compiled.cache_info().misses == 1


def test_every_way_to_write_a_call_is_native_the_third_time():
    def f(a, b, /, c, *rest, d=1.0, e):
        return a + 10 * b + 100 * c + 1000 * d + e + sum(rest)
    compiled, values = tg.jit(f), {"c": 3.0, "d": 4.0, "e": 5.0}
    for args, kwargs in [((1.0, 2.0, 3.0), {"d": 4.0, "e": 5.0}), ((1.0, 2.0, 3.0), {"e": 5.0, "d": 4.0}),
                         ((1.0, 2.0), {"e": 5.0, "c": 3.0, "d": 4.0}), ((1.0, 2.0), values)]:
        for _ in range(4):
            assert compiled(*args, **kwargs) == f(*args, **kwargs)
    only, = compiled.specialisations
    assert compiled.cache_info().misses == 1 and len(only.forms) == 4
    assert sum(form.calls for form in only.forms) == 4 * 3 and only.hits == 16
    assert compiled(1.0, 2.0, 3.0, 7.0, e=0.5) == f(1.0, 2.0, 3.0, 7.0, e=0.5) and compiled.cache_info().misses == 2
    for call in (lambda: compiled(1.0), lambda: compiled(1.0, 2.0, 3.0, e=1.0, q=2.0),
                 lambda: compiled(1.0, 2.0, 3.0, c=1.0, e=1.0)):
        with pytest.raises(TypeError):
            call()


def test_options_reach_compiled_functions():
    f = tg.jit(lambda x: x * 2.0)
    for _ in range(3):
        assert f(1.5) == 3.0
    before = f.cache_info()
    with tg.disable_jit():
        assert f(1.5) == 3.0
    assert f.cache_info() == before
    with tg.config(fastmath=True):
        assert f(1.5) == 3.0
    assert f.cache_info().misses == 2
    tg.config.fastmath = True
    try:
        for _ in range(3):
            assert f(1.5) == 3.0
        assert f.cache_info().misses == 2 and tg.config.fastmath
        slow = []
        thread = threading.Thread(target=lambda: slow.append(tg.config.fastmath))
        thread.start()
        thread.join()
        assert slow == [True]
    finally:
        tg.config.update("fastmath", False)
    assert f(1.5) == 3.0 and [s.hits for s in f.specialisations] in ([4, 4], [4, 5], [5, 4])
    for wrong in (lambda: tg.config.update("nothing", 1), lambda: tg.config.update("cache_size", 0),
                  lambda: tg.config(verify=3).__enter__()):
        with pytest.raises(tg.ArgumentError):
            wrong()
    with pytest.raises(AttributeError):
        getattr(tg.config, "nothing")  # noqa: B009


@pytest.mark.sweep(14, days=True)
@pytest.mark.usefixtures("compiled_anew")
def test_memory_is_flat_over_calls_and_shapes():
    x = np.arange(4096.0)
    with tg.config(cache_size=8):
        f = tg.jit(lambda x: x * 2.0 + 1.0, shapes="static")
    for n in range(1, 61):
        f(x[:n])
    gc.collect()
    start = resident()
    for n in range(61, 261):
        f(x[:n])
    gc.collect()
    assert f.cache_info()[:5] == (260, 260, 8, 8, 252)
    assert resident() - start < 4, f"{resident() - start:.1f} MB"
    start, y = resident(), x[:8].copy()
    for _ in range(1_000_000):
        f(y)
    assert resident() - start < 2 and f.cache_info().hits == 1_000_260


def test_which_arguments_are_one_array_is_asked_at_each_call():
    f, x, y = tg.jit(lambda a, b: a * 2 if a is b else a + 10 * b), np.arange(3.0), np.ones(3)
    g = tg.jit(lambda p: p[0] * 2 if p[0] is p[1] else p[0] + 10 * p[1])
    for _ in range(2):
        for a, b in ((x, y), (x, x), (y, y), (y, x)):
            for found in (f(a, b), g((a, b)), g([a, b])):
                assert found.tolist() == f.__wrapped__(a, b).tolist()


@pytest.mark.parametrize("f, args, kwargs", [
    (lambda a, b: a * 2 + b, (), ("b", "a")),
    (lambda a, b, c: a * 2 + b + c, (np.ones(3),), ("c", "b")),
    (lambda p: p["z"] * 2 + p["q"], ({"z": None, "q": None},), ()),
    (lambda p: (p["a_b"] * 2, p["a"]["b"])[0], ({"a_b": None, "a": {"b": None}},), ()),
    (lambda a, b: a * 2 + b["z"], (), ("b", "a")),
])
def test_one_array_twice_in_an_order_that_is_not_the_parameters(f, args, kwargs):
    x = np.arange(3.0)

    def put(p):
        return {k: put(y) for k, y in p.items()} if type(p) is dict else x if p is None else p
    args, compiled = tuple(map(put, args)), tg.jit(f)
    kwargs = {k: {"z": x} if k == "b" and "z" in f.__code__.co_consts else x for k in kwargs}
    for _ in range(2):
        assert compiled(*args, **kwargs).tolist() == f(*args, **kwargs).tolist()
    assert compiled.specializations[0].hits == 2
