"""Cutting a derivative in two: a part that needs the arguments only, and a linear part that also needs tangents or cotangents.

    func @f_vjp(%x, %out_bar) { forward ops; backward ops; return %out, %x_bar }

    func @f_forward(%x)                   { forward ops;  return %out, residuals }
    func @f_backward(residuals, %out_bar) { backward ops; return %x_bar }

A residual is a value of the first part that the second one uses. What is only another shape of something (a broadcast, a
transpose) is made again from that. A residual may already be a parameter or a result: `sources` says so.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..ir.build import Builder
from ..ir.clone import copy_block, dims_of, free_values, mapped
from ..ir.core import Block, Const, Function, Op, Value, subst_type
from ..ir.types import INDEX_SCALAR


class Parts(NamedTuple):
    """`forward` returns the results of the function and the residuals that are neither parameters nor results of it.
    `second` takes all residuals, then tangents or cotangents. sources[k] is where residual k is found: ("param", i),
    ("result", i) or ("new", i), the i-th further result of `forward`."""

    forward: Function
    second: Function
    sources: tuple[tuple[str, int], ...]


def cut(name: str, first: Block, results: tuple[Value, ...], second: Block, flows: Sequence[Value],
        flow_results: Sequence[Value], suffixes: tuple[str, ...]) -> Parts:
    """Cut between two blocks, of which the second uses values of the first. `flows` are the values that the second takes
    besides (tangents or cotangents), `flow_results` what it returns."""
    second.yields = tuple(flow_results)
    residuals, again = _residuals(first, second, flows)
    forward, sources = _first(name + suffixes[0], first, results, residuals)
    return Parts(forward, _second(name + suffixes[1], second, residuals, again, flows), sources)


def _residuals(first: Block, second: Block, flows: Sequence[Value]) -> tuple[list[Value], list[Op]]:
    """The values to hand over, lengths before arrays that have them, and the ops that are run again on them."""
    found: dict[Value, None] = {}
    again: dict[Op, None] = {}

    def visit(v: Value) -> None:
        if isinstance(v, Const) or v in found or v.op in again:
            return
        for d in dims_of(v.type):
            visit(d)
        again_is_cheap = v.op is not None and (v.op.defn.name == "iota" or (v.op.defn.view and not v.op.defn.reads))
        if again_is_cheap and v.type != INDEX_SCALAR:             # which may be a length in the types of other residuals
            assert v.op is not None
            for operand in v.op.operands:
                visit(operand)
            again[v.op] = None
        else:
            found[v] = None

    taken = set(flows)
    for flow in flows:
        for d in dims_of(flow.type):
            visit(d)
    for v in free_values(second):
        if v not in taken:
            visit(v)
    return list(found), list(again)


def _first(name: str, block: Block, results: tuple[Value, ...], residuals: list[Value]) -> tuple[Function, tuple]:
    places = {p: ("param", k) for k, p in reversed(list(enumerate(block.params)))}
    for k, r in reversed(list(enumerate(results))):
        places.setdefault(r, ("result", k))
    new = [r for r in residuals if r not in places]
    places.update({r: ("new", k) for k, r in enumerate(new)})
    block.yields = (*results, *new)
    return Function(name, block), tuple([places[r] for r in residuals])


def _second(name: str, block: Block, residuals: list[Value], again: list[Op], flows: Sequence[Value]) -> Function:
    params = [*residuals, *flows]
    body = Block([p.type for p in params], [p.name for p in params])
    mapping: dict[Value, Value] = dict(zip(params, body.params))
    for p in body.params:
        p.type = subst_type(p.type, mapping)
    b = Builder()
    with b.at(body):
        for op in again:
            b.loc = op.loc
            mapping.update(zip(op.results, b.emit(op.defn, *mapped(op.operands, mapping), **op.attrs)))
        body.yields = copy_block(b, block, mapping)
    return Function(name, body)


def all_new(parts: Parts) -> tuple[Function, Function]:
    """(forward, second) where forward returns every residual, whatever it is otherwise."""
    forward, second, sources = parts
    count = len(forward.results) - sum([kind == "new" for kind, _ in sources])
    results = forward.results[:count]
    fetched = {"param": forward.params, "result": results, "new": forward.results[count:]}
    forward.body.yields = results + tuple([fetched[kind][k] for kind, k in sources])
    return forward, second


def dependent(block: Block, values: tuple[Value, ...]) -> list[Op]:
    """The ops of a block (not of its regions) that use these values, directly or not."""
    reached, found = set(values), []
    for op in block.ops:
        used = [*op.operands, *[v for region in op.regions for v in free_values(region)]]
        if not reached.isdisjoint(used):
            found.append(op)
            reached.update(op.results)
    return found
