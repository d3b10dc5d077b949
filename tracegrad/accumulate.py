"""Gradients that a loop accumulates are accumulated in the caller's array itself, not in zeros that are added to it at the end.

    %x_bar = for … carry(%s = zeros) { … %s1 = update_add %s, %v, %i   yield %s1 }       out1 = add %out, %x_bar
    →
    %x_bar = for … carry(%s = %out)  { … %s1 = update_add %s, %v, %i   yield %s1 }       out1 = %x_bar

That is the same where all that the loop does with the carried array is to add to it. The addition behind the loop is left dead.
"""
from __future__ import annotations

from .ir.core import Block, Const, Function, Op, Value

# What adds to its operand, and which operands that may be.
_ADDS = {"update_add": (0,), "scatter_add": (0,), "add": (0, 1)}


def accumulated(f: Function, places: dict[int, Value]) -> None:
    """In place: where result k is `places[k]` plus what a loop has added up from zeros, the loop starts from `places[k]`."""
    results = list(f.results)
    for k, place in places.items():
        total = results[k]
        if total.op is None or total.op.defn.name != "add" or total.op.operands[0] is not place:
            continue
        found = total.op.operands[1]
        uses = _uses(f.body)
        if (len(uses[found]) == 1 and len(uses[place]) == 1 and found.type == place.type and _only_adds(found, uses)
                and _is_zero(_start(found))):
            _start_from(found, place)
            results[k] = found
    f.body.yields = tuple(results)


def _uses(block: Block, found=None) -> dict[Value, list]:
    """The ops that use each value, and the blocks that yield it."""
    found = {} if found is None else found
    for op in block.ops:
        for v in op.operands:
            found.setdefault(v, []).append(op)
        for region in op.regions:
            _uses(region, found)
    for v in block.yields:
        found.setdefault(v, []).append(block)
    return found


def _slot(op: Op, v: Value) -> tuple[Value, Value]:
    """(the parameter, the yield) behind result v of a `for`."""
    body = op.regions[0]
    return body.params[1 + v.slot], body.yields[v.slot]


def _only_adds(v: Value, uses) -> bool:
    """Whether v is the result of a `for` that only adds to what it carries there."""
    if v.op is None or v.op.defn.name != "for":
        return False
    param, y = _slot(v.op, v)
    while y is not param:
        if y.op is None or len(uses.get(y, ())) != 1:
            return False
        if y.op.defn.name == "for":
            if not _only_adds(y, uses):
                return False
            y = y.op.operands[1 + y.slot]
            continue
        earlier = [y.op.operands[k] for k in _ADDS.get(y.op.defn.name, ()) if _leads_to(y.op.operands[k], param, uses)]
        if len(earlier) != 1:
            return False
        y = earlier[0]
    return len(uses.get(param, ())) == 1


def _leads_to(v: Value, param: Value, uses) -> bool:
    """Whether v is the carried array after some additions."""
    while v is not param:
        if v.op is None:
            return False
        if v.op.defn.name == "for":
            v = v.op.operands[1 + v.slot]
        elif v.op.defn.name in _ADDS:
            later = [x for k in _ADDS[v.op.defn.name] if _leads_to(x := v.op.operands[k], param, uses)]
            if len(later) != 1:
                return False
            v = later[0]
        else:
            return False
    return True


def _start(v: Value) -> Value:
    return v.op.operands[1 + v.slot]


def _is_zero(v: Value) -> bool:
    if v.__class__ is Const:
        return not v.data.any()
    return v.op is not None and v.op.defn.name == "broadcast" and _is_zero(v.op.operands[0])


def _start_from(v: Value, place: Value) -> None:
    op = v.op
    op.operands = (*op.operands[:1 + v.slot], place, *op.operands[2 + v.slot:])
