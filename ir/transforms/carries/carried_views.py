"""Loops that carry an array which their bodies write under another shape carry it under that shape.

    w = p.reshape(n, m)                   for … carry(%p = %init) {              %w0 = reshape %init, n, m
    for …:                                  %w = reshape %p, n, m                for … carry(%w = %w0) {
        w[i, j] = …                   is    %w1 = update %w, …, %i, %j      →      %w1 = update %w, …, %i, %j
                                            yield reshape %w1, size }              yield %w1 }

A view is written in its base, so the loop hands the base on, and each iteration would copy it to the view's shape and back. The
results of a branch are treated alike. What else looks at the array sees a reshape of it, which is no copy.
"""
from __future__ import annotations

import math
from collections import Counter

from ...build import const, make_op
from ...clone import replace
from ...core import Block, Function, Op, Value
from ...opdef import OPS
from ...types import INDEX, Type


def reshaped(f: Function) -> bool:
    """Let loops and branches hand arrays on under the shape in which they are written, in place; whether there were any."""
    return _block(f.body)


def _block(block: Block) -> bool:
    ops: list[Op] = []
    found = False
    for op in block.ops:
        for region in op.regions:
            found |= _block(region)
        before, after = [], []
        if op.defn.rule == "control" and op.regions and op.defn.name != "map":
            for k in range(len(op.results)):
                shape = _written_as(op, k)
                if shape is not None:
                    found = True
                    before += _hand_on(op, k, shape)
                    after.append(_seen_as_before(op.results[k], shape, block))
        ops += [*before, op, *after]
    block.ops = ops
    return found


def _written_as(op: Op, k: int) -> Type | None:
    """The type under which result k is made in the regions, where they reshape it at their end; it must be known outside."""
    result = op.results[k].type
    for v in _yielded(op, k):
        if v.op is not None and v.op.defn.name == "reshape":
            shape = v.op.operands[0].type
            inside = {r for o in _walk(op) for r in o.results} | {p for region in _regions(op) for p in region.params}
            outside = shape.dims and result.dims and not any(d in inside for t in (shape, result) for d in t.dims)
            if outside and _as_many(shape, result):
                return shape
    return None


def _as_many(a: Type, b: Type) -> bool:
    """Whether two types have equally many elements, whatever run-time lengths are.

    A reshape in one branch, or in a loop that may run no iteration, says nothing of the other branch, or of what was there
    before.
    """
    counts = [math.prod(d for d in t.dims if isinstance(d, int)) for t in (a, b)]
    lengths = [Counter(d for d in t.dims if not isinstance(d, int)) for t in (a, b)]
    return counts[0] == counts[1] and lengths[0] == lengths[1]


def _yielded(op: Op, k: int) -> list[Value]:
    return [region.yields[k] for region in op.regions] if op.defn.name == "if" else [op.regions[-1].yields[k]]


def _walk(op: Op) -> list[Op]:
    return [op, *[o for region in op.regions for o in region.walk()]]


def _regions(op: Op) -> list[Block]:
    return [region for o in _walk(op) for region in o.regions]


def _reshape(v: Value, to: Type) -> Op:
    dims = tuple([const(d, INDEX) if isinstance(d, int) else d for d in to.dims])
    return make_op(OPS["reshape"], (v, *dims), {}, (), v.op.loc if v.op is not None else ())


def _hand_on(op: Op, k: int, shape: Type) -> list[Op]:
    """Change what the regions take and yield; the ops that stand before."""
    if op.defn.name == "if":
        for region in op.regions:
            _yield_as(region, k, shape)
        return []
    (body,) = op.regions[-1:]
    carried = len(op.operands) - len(op.results) + k
    old = op.results[k].type
    first = _reshape(op.operands[carried], shape)
    op.operands = (*op.operands[:carried], first.results[0], *op.operands[carried + 1:])
    for region in op.regions:
        p = region.params[len(body.params) - len(op.results) + k]
        p.type = shape
        back = _reshape(p, old)
        replace(region, {p: back.results[0]})
        region.ops = [back, *region.ops]
    _yield_as(body, k, shape)
    return [first]


def _yield_as(region: Block, k: int, shape: Type) -> None:
    v = region.yields[k]
    if v.op is not None and v.op.defn.name == "reshape" and v.op.operands[0].type == shape:
        v = v.op.operands[0]
    else:
        made = _reshape(v, shape)
        region.ops = [*region.ops, made]
        v = made.results[0]
    region.yields = (*region.yields[:k], v, *region.yields[k + 1:])


def _seen_as_before(result: Value, shape: Type, block: Block) -> Op:
    """What gives the users of a result the shape that it had."""
    old, result.type = result.type, shape
    back = _reshape(result, old)
    replace(block, {result: back.results[0]})
    return back
