"""Lifting a `map` over its batch: the same results as the loop, for every op, for random programs, to the second order."""
import itertools

import numpy as np
import pytest
import random_ir
import smooth_ir
import tracegrad.ir.ops  # noqa: F401
from nest_check import execute
from tracegrad.autodiff import forward
from tracegrad.autodiff.reverse import reverse
from tracegrad.ir.batching import map_to_batch
from tracegrad.ir.batching.batched import BatchCost
from tracegrad.ir.batching.control import CONTROL
from tracegrad.ir.batching.map_to_batch import batched
from tracegrad.ir.batching.rules import RULES
from tracegrad.ir.build import Builder, const, function
from tracegrad.ir.clone import inline
from tracegrad.ir.core import Block
from tracegrad.ir.interp import run
from tracegrad.ir.opdef import OPS, Elementwise
from tracegrad.ir.transforms.pipeline import optimize
from tracegrad.ir.types import F64, INDEX, INDEX_SCALAR, Type
from tracegrad.ir.verify import verify

SIZE = 3
GENERATORS = [random_ir, smooth_ir]


@pytest.fixture(autouse=True)
def everything_is_lifted(monkeypatch):
    """Here lifting is tested, not when it pays."""
    monkeypatch.setattr(map_to_batch, "_gains", lambda defn: True)
    monkeypatch.setattr(BatchCost, "pays", lambda self, trip: True)
    monkeypatch.setattr(BatchCost, "gains", property(lambda self: 1, lambda self, count: None), raising=False)


def over(f, axes, size=SIZE, lifted=True):
    """`map i in size: f(…)` with parameter k taken along axes[k], None for shared ones; lifted, or None where that fails."""
    types = [p.type if a is None else Type(p.type.dtype, (*p.type.dims[:a], size, *p.type.dims[a:]))
             for p, a in zip(f.params, axes)]
    g = function(f.name + "_over", types, [p.name for p in f.params], ())
    mapping = dict(zip(f.params, g.params))
    for p in g.params:
        p.type = Type(p.type.dtype, tuple(mapping.get(d, d) for d in p.type.dims))
    b, region = Builder(), Block([INDEX_SCALAR], ["i"])
    with b.at(g.body):
        with b.at(region):
            rows = [p if a is None else b("slice", p, region.params[0], spec=":" * a + "i" + ":" * (p.rank - a - 1))
                    for p, a in zip(g.params, axes)]
            found = inline(b, f, rows)
            region.yields = tuple([y for y in found if all(isinstance(d, int) or d in g.params for d in y.type.dims)])
        if not lifted:
            g.body.yields = b.emit("map", b.index(size), regions=[region])
            return verify(g)
        found = batched(b, region, b.index(size))
        if found is None:
            return None
        g.body.yields = tuple([b.transpose(x.value, (x.axis, *[k for k in range(x.value.rank) if k != x.axis]))
                               if x.axis is not None else b.broadcast(x.value, (size, *x.value.type.dims)) for x in found])
    return verify(g)


def spread_args(rng, f, args, p=0.6):
    """(axes, arguments over the batch): some are varied a little from element to element, at any axis."""
    axes, out = [], []
    for param, arg in zip(f.params, args):
        x = np.asarray(arg, param.type.dtype.np)
        if param.type.dtype is INDEX or rng.random() > p:
            axes.append(None)
            out.append(arg)
            continue
        axis = int(rng.integers(x.ndim + 1))
        if x.dtype.kind in "fc":
            parts = [x + 0.1 * k * rng.standard_normal(x.shape) for k in range(SIZE)]
        elif x.dtype.kind == "b":
            parts = [rng.random(x.shape) < 0.5 for _ in range(SIZE)]
        else:
            parts = [x + k for k in range(SIZE)]
        axes.append(axis)
        out.append(np.stack(parts, axis).astype(x.dtype))
    return axes, out


def same(got, expected):
    for a, b in zip(got, expected, strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype and np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("generator", GENERATORS, ids=lambda g: g.__name__)
def test_random_programs(generator):
    lifted = 0
    for seed in range(40):
        f, args = generator.program(seed)
        axes, given = spread_args(np.random.default_rng(seed), f, args)
        if all(a is None for a in axes):
            continue
        g = over(f, axes)
        if g is not None:
            lifted += 1
            same(run(g, *given), run(over(f, axes, lifted=False), *given))
    assert lifted >= 20


def lifted_pairs(seeds):
    """(the lifted program, the loop, arguments, positions of the inexact ones) of smooth programs."""
    for seed in seeds:
        f, args = smooth_ir.program(seed)
        axes, given = spread_args(np.random.default_rng(seed), f, args)
        if any(a is not None for a in axes) and (g := over(f, axes)) is not None:
            yield g, over(f, axes, lifted=False), given, [k for k, p in enumerate(f.params) if p.type.dtype is F64]


def test_random_programs_compiled():
    for g, looped, given, _ in lifted_pairs(range(100, 112)):
        if g.params and all(t.static for t in g.result_types):
            same(execute(optimize(g), *given)[0], run(looped, *given))


@pytest.mark.sweep(6, days=True)
def test_derivatives_of_random_programs():
    """Of lifted programs in both modes, against those of the loop."""
    for g, looped, given, wrt in lifted_pairs(range(200, 225)):
        rng = np.random.default_rng(1)
        dots = [rng.standard_normal(np.shape(given[k])) for k in wrt]
        bars = [rng.standard_normal(t.dims) for t in g.result_types if t.dtype.inexact]
        same(run(forward.jvp(g, wrt), *given, *dots), run(forward.jvp(looped, wrt), *given, *dots))
        same(run(reverse.vjp(g, wrt), *given, *bars), run(reverse.vjp(looped, wrt), *given, *bars))


# --- op by op ------------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)
X, V = RNG.standard_normal((2, 3, 4)), RNG.standard_normal(4)
SQUARE = RNG.standard_normal((2, 2)) + 3 * np.eye(2)
AT, FROM = np.array([1, 0, 1]), np.array(1)


def n(b, *numbers):
    return [b.index(k) for k in numbers]


# name -> (what is emitted, the arguments; those of integers are positions)
EACH = {
    "scalar and array": (lambda b, x, k: b("mul", x, k), (X, np.array(2.0))),
    "arrays": (lambda b, x, y: b("add", x, y), (X, X + 1)),
    "select": (lambda b, x, y, k: b("select", b("lt", k, const(0.0)), x, y), (X, X + 1, np.array(0.0))),
    "select of numbers": (lambda b, c, k: b("select", b("lt", c, k), k, c), (np.array(0.0), np.array(0.1))),
    "broadcast": (lambda b, x: b.broadcast(x, (5, 2, 3, 4)), (X,)),
    "broadcast of length 1": (lambda b, x: b.broadcast(x, (2, 3, 4)), (X[:, :1],)),
    "broadcast of a number": (lambda b, k: b.broadcast(k, (2, 3)), (np.array(2.0),)),
    "reshape": (lambda b, x: b.reshape(x, (4, 6)), (X,)),
    "reshape to a number": (lambda b, x: b.reshape(x, ()), (np.ones((1, 1)),)),
    "reshape of nothing": (lambda b, x: b.reshape(x, (0, 3)), (np.ones((2, 0)),)),
    "transpose": (lambda b, x: b.transpose(x, (2, 0, 1)), (X,)),
    "concat": (lambda b, x, y: b("concat", x, y, axis=1), (X, X[:, :1])),
    "reduce": (lambda b, x: b.reduce(x, "sum", (0, 2)), (X,)),
    "reduce max": (lambda b, x: b.reduce(x, "max", (1,)), (X,)),
    "argreduce": (lambda b, x: b("argreduce", x, kind="argmin", axis=1), (X,)),
    "scan": (lambda b, x: b("scan", x, kind="sum", axis=1, reverse=True), (X,)),
    "sort": (lambda b, x: b("sort", x, axis=2), (X,)),
    "argsort": (lambda b, x: b("argsort", x, axis=0, kind="stable"), (X,)),
    "searchsorted": (lambda b, grid, x: b("searchsorted", grid, x, side="left"), (np.sort(V), X)),
    "dim": (lambda b, x: b("dim", x, axis=1), (X,)),
    "slice": (lambda b, x, i: b("slice", x, i, *n(b, 2, 2, -1), spec="i:s"), (X, FROM)),
    "slice of rows": (lambda b, x, i: b("slice", x, i, spec=":i:"), (X, FROM)),
    "slice of one element": (lambda b, x, i, j, k: b("slice", x, i, j, k, spec="iii"), (X, FROM, FROM, FROM)),
    "update": (lambda b, x, v, i: b("update", x, v, i, spec=":i:"), (X, X[:, 0], FROM)),
    "update of a run": (lambda b, x, v, i: b("update", x, v, i, *n(b, 2, 1), spec="s::"), (X, X + 1, np.array(0))),
    "update_add": (lambda b, x, v, i: b("update_add", x, v, i, spec="::i"), (X, X[..., 0], FROM)),
    "update of all": (lambda b, x, v: b("update", x, v, spec=":::"), (X, X + 1)),
    "gather": (lambda b, x, i: b("gather", x, i, axes=(1,), at=1), (X, AT)),
    "gather at the end": (lambda b, x, i: b("gather", x, i, axes=(0,), at=2), (X, AT)),
    "gather of two axes": (lambda b, x, i, j: b("gather", x, i, j, axes=(2, 0), at=0), (X, AT, AT[::-1].copy())),
    "scatter": (lambda b, x, v, i: b("scatter", x, v, i, axes=(1,), at=1), (X, X + 1, AT)),
    "scatter_add": (lambda b, x, v, i: b("scatter_add", x, v, i, axes=(1,), at=0), (X, X.transpose(1, 0, 2).copy(), AT)),
    "scatter_add of two axes": (lambda b, x, v, i, j: b("scatter_add", x, v, i, j, axes=(2, 0), at=1),
                                (X, np.ones((3, 3)), AT, AT[::-1].copy())),
    "wrap": (lambda b, i: b("wrap", b("sub", i, b.index(2)), b.index(3), axis=0), (AT,)),
    "dot": (lambda b, x, y: b("dot", x, y, contract=((2,), (0,)), batch=((), ())), (X, RNG.standard_normal((4, 5)))),
    "dot with batch axes": (lambda b, x, y: b("dot", x, y, contract=((1,), (2,)), batch=((0,), (1,))),
                            (X, RNG.standard_normal((5, 2, 3)))),
    "dot of vectors": (lambda b, x, y: b("dot", x, y, contract=((0,), (0,)), batch=((), ())), (V, V + 1)),
    "cholesky": (lambda b, a: b("cholesky", b("dot", a, a, contract=((1,), (1,)), batch=((), ()))), (SQUARE,)),
    "lu_solve": (lambda b, a, y: b("lu_solve", a, *b.emit("lu", a), y, trans=False), (SQUARE, SQUARE[:, :1].copy())),
    "triangular_solve": (lambda b, a, y: b("triangular_solve", a, y, lower=True, trans=True, unit=False),
                         (SQUARE, SQUARE[:, :1].copy())),
}


def declared(emit, args):
    f = function("one", [Type(INDEX if a.dtype.kind == "i" else F64, a.shape) for a in args], "abcdefg"[:len(args)])
    with (b := Builder()).at(f.body):
        f.body.yields = (emit(b, *f.params),)
    return f


def batches(args, axes):
    """Each element of the batch is a little different; positions stay in their ranges."""
    return [a if axis is None else np.stack([a + 0.25 * k if a.dtype.kind == "f" else a * (k % 2) for k in range(SIZE)], axis)
            for a, axis in zip(args, axes)]


@pytest.mark.parametrize("name", EACH)
def test_each_op(name):
    """Every choice of operands that differ from element to element, the batch first or last in them."""
    f = declared(*EACH[name])
    args = EACH[name][1]
    for axes in itertools.product(*[dict.fromkeys((None, 0, a.ndim)) for a in args]):
        given = batches(args, axes)
        found, looped = over(f, axes), over(f, axes, lifted=False)
        same(run(found, *given), run(looped, *given))


def test_every_op_has_a_row():
    """Those without one make the whole body stay a loop: lengths that data decide, tapes, printing, random numbers. `couple` is
    gone before."""
    plain = {name for name, op in OPS.items() if not isinstance(op, Elementwise)}
    assert plain - set(RULES) - set(CONTROL) == {
        "print", "nonzero", "iota", "empty", "stack_new", "push", "pop", "exchange", "couple", "draw", "random_call",
        "lookup", "members", "replica"}
