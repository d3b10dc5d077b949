"""Squares of what is put together of kinks: lists that become arrays, writes into arrays, branches, loops and maps.

    %d = concat (sqrt %p), (sqrt %q)               %d²     concat %p, %q

    %d = for %i = 0 to %n carry(%a = %z) {         %d²     for %i = 0 to %n carry(%a = %z, %b = mul %z, %z) {
      %r = sqrt (slice %p[%i])                               %r = …;  %q = slice %p[%i]
      yield update %a[%i], %r }                              yield (update %a[%i], %r), (update %b[%i], %q) }

An element is one of those that were written, its square the square of that. So the square is put together in the same way, by a
second loop or branch whose only use is in derivatives; what nothing needs of either is taken out with the dead code.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...ir.build import Builder
from ...ir.clone import copy_block, has_effect, new_params
from ...ir.core import Block, Op, Value, subst_type
from ...ir.types import StackType

_MOST = 64                     # values that are looked at

# op -> the values that the one at a slot of its results is put together of
_PARTS: Mapping[str, Callable[[Op, int], Sequence[Value]]] = {
    "concat": lambda op, slot: op.operands, "update": lambda op, slot: op.operands[:2],
    "select": lambda op, slot: op.operands[1:],
    "if": lambda op, slot: [region.yields[slot] for region in op.regions],
    "map": lambda op, slot: [op.regions[0].yields[slot]],
    "for": lambda op, slot: [op.operands[1 + slot], op.regions[0].yields[slot]]}


def is_joined(v: Value) -> bool:
    """Whether a value is put together of others, in a way that is followed."""
    op = v.op
    if op is None or op.defn.name not in _PARTS or isinstance(v.type, StackType):
        return False
    if not v.type.dtype.inexact or v.type.dtype.complex:
        return False
    return not op.regions or (v.type.static and not any(map(_only_once, op.regions)))


def _only_once(region: Block) -> bool:
    """Whether a region draws random numbers, or calls what has effects, so that it may not run a second time. What may fail
    there fails the first time, and what prints is left out of the second."""
    return any(op.defn.draws or ("callee" in op.attrs and has_effect(op, {})) for op in region.walk())


_SILENT = {"check": lambda builder, op, mapping: (), "print": lambda builder, op, mapping: ()}


def parts(v: Value) -> list[Value]:
    """What a joined value is put together of, in the end; nothing where that is too much to look at."""
    found: dict[Value, None] = {}
    pending, seen = [v], {v}
    while pending:
        x = pending.pop()
        if x is not v and not is_joined(x):
            found[x] = None
            continue
        op = x.maker
        if op.defn.name == "for":
            seen.add(op.regions[0].params[1 + x.slot])
        more = [y for y in _PARTS[op.defn.name](op, x.slot) if y not in seen]
        seen.update(more)
        pending += more
        if len(seen) > _MOST:
            return []
    return list(found)


def is_blank(v: Value) -> bool:
    """Whether a value is an array of zeros, or one of nothing yet."""
    while v.op is not None and v.op.defn.name == "broadcast":
        v = v.op.operands[0]
    data = getattr(v, "data", None)
    return (data is not None and not data.any()) or (v.op is not None and v.op.defn.name == "empty")


def square(b: Builder, v: Value, of: Callable[[Value], Value], known: Mapping[Value, Value] | None = None) -> Value:
    """The square of a joined value; `of` gives that of a part, `known` the squares of what loops carry."""
    known = {} if known is None else known
    if v in known:
        return known[v]
    if is_blank(v):
        return v
    if not is_joined(v):
        return of(v)
    op = v.maker
    match op.defn.name:
        case "concat":
            return b(op.defn, *[square(b, x, of, known) for x in op.operands], **op.attrs)
        case "update":
            return b(op.defn, *[square(b, x, of, known) for x in op.operands[:2]], *op.operands[2:], **op.attrs)
        case "select":
            return b(op.defn, op.operands[0], *[square(b, x, of, known) for x in op.operands[1:]])
        case "for":
            return _loop(b, op, v.slot, of, known)
    regions = [_region(b, region, v.slot, of, known) for region in op.regions]
    return b.emit(op.defn, *op.operands, regions=regions, **op.attrs)[0]


def _region(b: Builder, region: Block, slot: int, of: Callable, known: Mapping[Value, Value]) -> Block:
    """A copy of a branch, or of an iteration of a map, that yields the square of what it yields at a slot."""
    mapping: dict[Any, Any] = {}
    new = new_params(region, mapping)
    with b.at(new):
        new.yields = (square(b, copy_block(b, region, mapping, _SILENT)[slot], of, known),)
    return new


def _loop(b: Builder, op: Op, slot: int, of: Callable, known: Mapping[Value, Value]) -> Value:
    """A copy of a loop that carries one more, the square of what it carries at a slot."""
    (region,) = op.regions
    init = square(b, op.operands[1 + slot], of, known)
    params = (*region.params, region.params[1 + slot])
    new = Block([p.type for p in params], [*[p.name for p in region.params], None])
    mapping = dict(zip(region.params, new.params))
    for p in new.params:
        p.type = subst_type(p.type, mapping)
    inner = {**known, new.params[1 + slot]: new.params[-1]}
    with b.at(new):
        yields = copy_block(b, region, mapping, _SILENT)
        new.yields = (*yields, square(b, yields[slot], of, inner))
    return b.emit(op.defn, *op.operands, init, regions=[new], **op.attrs)[-1]
