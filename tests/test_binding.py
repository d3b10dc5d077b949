"""Traced functions called natively: structures, keywords, aliases and writes as in Python."""
from __future__ import annotations

import collections
import dataclasses
from typing import NamedTuple

import numpy as np
import pytest
from native_calls import Callable, Missed, Python, same
from tracegrad.ir.passes import optimize
from tracegrad.lowering.assemble import assemble
from tracegrad.lowering.nest import lower
from tracegrad.tracer import stage, tree

from tracegrad.binding import arguments_of, output_of

PATHS = pytest.mark.parametrize("path", [lambda f: f, Python], ids=["native", "python"])


class State(NamedTuple):
    x: object
    v: object


@dataclasses.dataclass
class Layer:
    w: object
    b: object


class Compiled(Callable):
    """A minimal jit: traces, lowers, installs at each miss, then asks the chain again."""

    def __init__(self, function):
        super().__init__()
        self.function, self.misses = function, 0

    def miss(self, *args, **kwargs):
        self.misses += 1
        if self.misses > 20:
            raise Missed
        call = stage.flatten_call(self.function, args, kwargs)
        traced = stage.trace_call(self.function, call)
        names = stage.parameters_of(self.function).names
        moved = len(traced.tree.children[0].children)
        keywords = {k: (names.index(k) if k in names[:moved] else None) for k in kwargs}
        arguments = arguments_of(traced, call.aliases, len(args), keywords)
        inout = {r: p for p, r in traced.writes.items()}
        function = optimize(traced.function)
        function.attrs["inout"] = inout
        self.install(assemble(lower(function), arguments, output_of(traced), inout))
        return self.specialisations[0].invoke([call.values[k] for k, leaf in enumerate(traced.leaves) if leaf.kind != "static"])


def alike(a, b):
    la, ta = tree.flatten(a)
    lb, tb = tree.flatten(b)
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
    compiled = Compiled(function)
    call = path(compiled)
    expected = function(*args, **kwargs)
    for _ in range(4):
        assert alike(call(*args, **kwargs), expected)
    assert compiled.misses == 1 and compiled.specialisations[0].hits == 4


@PATHS
def test_writes_and_aliases(path):
    compiled = Compiled(bump)
    call = path(compiled)
    for _ in range(3):
        x, y = np.zeros(2), np.ones(3)
        out, back = call(x, y)
        assert back is x and x.tolist() == [1, 0] and out.tolist() == [1, 1, 1]
        z = np.zeros(2)
        out, back = call(z, z)
        assert back is z and z.tolist() == [1, 0] and out.tolist() == [1, 0]
    assert compiled.misses == 2


def test_containers_that_only_python_knows():
    def f(d):
        return collections.OrderedDict(b=d["a"] + 1.0)
    d = collections.OrderedDict(a=1.0)
    traced = stage.trace(f, (d,))
    assert arguments_of(traced, {}, 1, {}) is None
    compiled = Compiled(lambda x: collections.OrderedDict(b=x + 1.0))
    for _ in range(3):
        r = compiled(1.0)
        assert type(r) is collections.OrderedDict and r == {"b": 2.0}
    assert compiled.misses == 1
