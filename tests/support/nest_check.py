"""Lower a function by itself, run it, and compare with the evaluator."""
from __future__ import annotations

import numpy as np
from loop_run import Compiled
from tracegrad.ir import interp
from tracegrad.ir.build import Builder, function
from tracegrad.ir.core import Block
from tracegrad.ir.transforms.pipeline import simplify
from tracegrad.ir.types import F64, INDEX_SCALAR, Type, dtype
from tracegrad.ir.verify import verify
from tracegrad.lowering.build.loop_builder import lower
from tracegrad.lowering.loopir.passes.verifier import verify as verify_loops


def build(types, body, **attrs):
    """A function of the types ("f64", 3, 4) whose results body(builder, *params) returns."""
    params = []
    for t in types:
        t = (t,) if isinstance(t, str) else t
        params.append(Type(dtype(t[0]), t[1:]))
    f = function("f", params, [f"x{k}" for k in range(len(params))])
    f.attrs = attrs
    b = Builder()
    with b.at(f.body):
        results = body(b, *f.params)
        f.body.yields = tuple(results) if isinstance(results, (tuple, list)) else (results,)
    verify(f)
    return f


def execute(f, *arrays):
    """The results of the compiled function, and the arguments as it left them."""
    kernel = lower(simplify(f) if any(getattr(op.defn, "formula", None) for op in f.body.walk()) else f)
    verify_loops(kernel)
    args = [np.array(a, dtype=p.type.dtype.np, order="C") for a, p in zip(arrays, f.params)]
    inout = f.attrs.get("inout", {})
    outs = {}
    for k, t in enumerate(f.result_types):
        if k not in inout:
            outs[k] = np.full(t.dims, 7, t.dtype.np) if t.static else None
    late = iter(Compiled(kernel)(*args, *outs.values()))
    results = [args[inout[k]] if k in inout else outs[k] if outs[k] is not None else next(late)
               for k in range(len(f.result_types))]
    return results, args, kernel


def close(got, want, exact=False, tol=None):
    assert got.shape == want.shape and got.dtype == want.dtype, (got.shape, got.dtype, want.shape, want.dtype)
    if exact or not np.issubdtype(want.dtype, np.inexact):
        np.testing.assert_array_equal(got, want)
        return
    single = want.dtype in (np.float32, np.complex64)
    np.testing.assert_allclose(got, want, rtol=tol or (2e-4 if single else 1e-11), atol=tol or (1e-4 if single else 1e-11))


def check(f, *arrays, exact=False, tol=None):
    """Compiled equals evaluated; returns the kernel."""
    want = interp.run(f, *[np.array(a, dtype=p.type.dtype.np) for a, p in zip(arrays, f.params)])
    got, args, kernel = execute(f, *arrays)
    for g, w in zip(got, want, strict=True):
        close(g, np.asarray(w), exact, tol)
    changed = set(f.attrs.get("inout", {}).values())
    for k, (a, given) in enumerate(zip(args, arrays)):
        if k not in changed:
            np.testing.assert_array_equal(a, np.array(given, dtype=a.dtype))
    return kernel


def zeros(b, *dims, dtype=F64):
    return b.full(0, dims, dtype)


def for_(b, trip, inits, body):
    """for: body(i, *carried) -> yields."""
    block = Block([INDEX_SCALAR, *(v.type for v in inits)])
    with b.at(block):
        out = body(*block.params)
        block.yields = tuple(out) if isinstance(out, (tuple, list)) else (out,)
    return b.emit("for", b.index(trip), *inits, regions=(block,))


def while_(b, inits, cond, body):
    head, block = Block([v.type for v in inits]), Block([v.type for v in inits])
    with b.at(head):
        head.yields = (cond(*head.params),)
    with b.at(block):
        out = body(*block.params)
        block.yields = tuple(out) if isinstance(out, (tuple, list)) else (out,)
    return b.emit("while", *inits, regions=(head, block))


def if_(b, cond, then, other):
    blocks = []
    for branch in (then, other):
        block = Block()
        with b.at(block):
            out = branch()
            block.yields = tuple(out) if isinstance(out, (tuple, list)) else (out,)
        blocks.append(block)
    return b.emit("if", cond, regions=blocks)


def map_(b, trip, body):
    block = Block([INDEX_SCALAR])
    with b.at(block):
        out = body(*block.params)
        block.yields = tuple(out) if isinstance(out, (tuple, list)) else (out,)
    return b.emit("map", b.index(trip), regions=(block,))


def at(b, x, *index):
    """x[index] of rank 0."""
    return b("slice", x, *map(b.index, index), spec="i" * len(index))


def put(b, x, v, *index):
    return b("update", x, v, *map(b.index, index), spec="i" * len(index))


def run(b, x, start, length, step=1):
    """x[start : … : step] along the first axis."""
    return b("slice", x, b.index(start), b.index(length), b.index(step), spec="s" + ":" * (x.type.rank - 1))
