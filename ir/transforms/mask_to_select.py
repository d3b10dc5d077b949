"""Elements picked by a mask that are only added up or put back: the whole array, with a selection at the end.

    %i = nonzero %m                               (nothing is picked)
    %a = gather %x, %i                     →
    %b = mul %a, %a                               %b = mul %x, %x
    %s = reduce %b {sum}                          %c = select %m, %b, 0;   %s = reduce %c {sum}
    %z = scatter_add %y, %b, %i                   %d = add %y, %b;         %z = select %m, %d, %y
    %z = scatter %y, %b, %i                       %z = select %m, %b, %y

Each picked element stands at one place of the mask, so no two of them meet. What the ops give at the other places is dropped by
the selection; a reduction of another kind than sum has its own neutral number. The left side runs through the mask element by
element and through lists of positions; the right side is one loop of vectors. Ops that are dear, or that no vector does, and
complex ones, keep to the elements that were picked.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..analysis.patterns import scalar_in
from ..build import Builder, const
from ..clone import copy_op, copy_region, mapped
from ..core import Block, Function, Op, Value
from ..opdef import Elementwise
from ..ops.reduce import identity


def masked(f: Function) -> Function | None:
    """The function with such elements left in their arrays; None where there are none."""
    plan: dict[Op, Op] = {}
    for block in _blocks(f.body):
        for op in block.ops:
            if op.defn.name == "nonzero":
                plan.update(dict.fromkeys(_picked(op, block), op))
    if not plan:
        return None
    rules: dict[str, Callable] = {}

    def rule(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        if op in plan:
            return (_whole(builder, op, mapping, plan[op]),)
        return copy_op(builder, op, mapping, rules)

    rules.update(dict.fromkeys({op.defn.name for op in plan}, rule))
    return Function(f.name, copy_region(Builder(), f.body, {}, rules), f.loc, dict(f.attrs))


def _blocks(body: Block) -> Iterator[Any]:
    yield body
    for op in body.walk():
        yield from op.regions


def _picked(nonzero: Op, block: Block) -> list[Op]:
    """The ops on the elements that the positions pick, in order; none where one of them cannot be moved to whole arrays."""
    mask, positions, found = nonzero.operands[0], nonzero.results, []
    parts = set(positions)                             # of the length of the positions
    for op in block.ops:
        if any(v in parts for v in op.operands):
            if not _fits(op, mask, positions, parts):
                return []
            found.append(op)
            if not _puts(op) and op.defn.name != "reduce":
                parts.update(op.results)
        elif any(v in parts for region in op.regions for v in _used(region)):
            return []
    return [] if any(v in parts for v in block.yields) else found


def _used(region: Block) -> Iterator[Any]:
    yield from region.yields
    for op in region.walk():
        yield from op.operands
        for inner in op.regions:
            yield from inner.yields


def _puts(op: Op) -> bool:
    """Whether an op writes at arrays of positions."""
    return op.defn.overwrites is not None and "axes" in op.attrs


def _fits(op: Op, mask: Value, positions: tuple[Value, ...], parts: set[Value]) -> bool:
    name, operands, picked = op.defn.name, op.operands, parts.difference(positions)
    if name == "gather" or _puts(op):
        first = 1 if name == "gather" else 2
        return (op.attrs["axes"] == tuple(range(mask.type.rank)) and op.attrs["at"] == 0 and operands[first:] == positions
                and operands[0].type.dims == mask.type.dims and (first == 1 or _part(operands[1], picked)))
    if name == "reduce":
        return op.attrs["axes"] == (0,) and operands[0] in picked and not operands[0].type.dtype.complex
    return (isinstance(op.defn, Elementwise) and op.defn.lanewise and all(_part(v, picked) for v in operands)
            and not any(v.type.dtype.complex for v in (*operands, *op.results)))


def _part(v: Value, picked: set[Value]) -> bool:
    return v in picked or not v.type.dims or scalar_in(v) is not None


def _whole(b: Builder, op: Op, mapping: dict[Value, Value], nonzero: Op) -> Value:
    """What the op becomes on whole arrays."""
    name = op.defn.name
    if name == "gather":
        return mapping.get(op.operands[0], op.operands[0])
    mask, = mapped(nonzero.operands[:1], mapping)
    if _puts(op):
        base, = mapped(op.operands[:1], mapping)
        value = _operand(op.operands[1], mapping)
        return b("select", mask, b("add", base, value) if name == "scatter_add" else value, base)
    if name == "reduce":
        v, = mapped(op.operands, mapping)
        kind = op.attrs["kind"]
        neutral = const(identity(kind, v.type.dtype), v.type.dtype)
        return b.reduce(b("select", mask, v, neutral), kind, tuple(range(mask.type.rank)))
    return b(op.defn, *[_operand(v, mapping) for v in op.operands], **op.attrs)


def _operand(v: Value, mapping: dict[Value, Value]) -> Value:
    """A picked value as a whole array; a scalar stays one."""
    s = scalar_in(v)
    v = v if s is None else s
    return mapping.get(v, v)
