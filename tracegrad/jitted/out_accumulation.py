"""Gradients that are added to the caller's array itself, not to zeros that are added to it at the end.

    %x_bar = for … carry(%s = zeros) { … %s1 = update_add %s, %v, %i   yield %s1 }       out1 = add %out, %x_bar
    →
    %x_bar = for … carry(%s = %out)  { … %s1 = update_add %s, %v, %i   yield %s1 }       out1 = %x_bar

That is the same where all that the loop does with the carried array is to add to it, in its branches too. So the addition at
the end moves up to where the gradient begins:

    out + zeros = out        out + (x + y) = (out + x) + y        out + if(c, x, y) = if(c, out + x, out + y)
    out + (x with v added to a part) = (out + x) with v added to the part,     that of zeros with v in a part likewise

An addition that is left is of something computed element by element, or a product: its own loops, or the library, add to `out`
(lowering/schedule/accumulating_contractions.py).
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..ir.build import Builder
from ..ir.core import Block, Const, Function, Op, Value

# What adds to its operand, and which operands that may be.
_ADDS = {"update_add": (0,), "scatter_add": (0,), "add": (0, 1)}


def accumulated(f: Function, places: dict[int, Value]) -> None:
    """In place: where result k is `places[k]` plus something, that is added to `places[k]` where it is computed."""
    results = list(f.results)
    for k, place in places.items():
        total = results[k]
        if total.op is None or total.op.defn.name != "add" or total.op.operands[0] is not place:
            continue
        found = total.op.operands[1]
        uses = _uses(f.body)
        if len(uses[place]) == 1 and found.type == place.type and (moved := _added(place, found, f.body, uses)) is not None:
            results[k] = moved
            f.body.yields = tuple(results)


def _uses(block: Block, found: dict[Value, list[Block | Op]] | None = None) -> dict[Value, list]:
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


# --- moving the addition up ------------------------------------------------------------------------------------------------

def _added(place: Value, v: Value, block: Block, uses: Any) -> Value | None:
    """`place` + v, added where v is computed in the block; None where that is no better than one addition: something else uses
    v, or it is computed before `place` is known."""
    if _is_zero(v):
        return place
    if _position(v, block) <= _position(place, block) or len(uses.get(v, ())) != 1:
        return None
    move = _MOVES.get(v.maker.defn.name)
    return move(place, v, block, uses) if move is not None else None


def _plus(place: Value, x: Value, block: Block, uses: Any) -> Value:
    """`place` + x, as one addition where there is no better way."""
    found = _added(place, x, block, uses)
    return found if found is not None else _emitted(block, "add", place, x)


def _into_loop(place: Value, v: Value, block: Block, uses: dict[Value, list[Op]]) -> Value | None:
    if not _only_adds(v, uses):
        return None
    op = v.maker
    op.operands = (*op.operands[:1 + v.slot], _plus(place, _start(v), block, uses), *op.operands[2 + v.slot:])
    return v


def _into_part(place: Value, v: Value, block: Block, uses: dict[Value, list[Op]]) -> Value:
    op = v.maker
    op.operands = (_plus(place, op.operands[0], block, uses), *op.operands[1:])
    return v


def _into_zeros(place: Value, v: Value, block: Block, uses: dict[Value, list[Op]]) -> Value | None:
    zeros, part, *indices = v.maker.operands
    return _emitted(block, "update_add", place, part, *indices, spec=v.maker.attrs["spec"]) if _is_zero(zeros) else None


def _into_sum(place: Value, v: Value, block: Block, uses: dict[Value, list[Block | Op]]) -> Value:
    """Through the operand that is computed first, so that what it becomes is known to the other."""
    first, second = sorted(v.maker.operands, key=lambda x: _position(x, block))
    return _plus(_plus(place, first, block, uses), second, block, uses)


def _into_branches(place: Value, v: Value, block: Block, uses: dict[Value, list[Op]]) -> Value:
    for region in v.maker.regions:
        new = _plus(place, region.yields[v.slot], region, uses)
        region.yields = (*region.yields[:v.slot], new, *region.yields[v.slot + 1:])
    return v


_MOVES: dict[str, Callable[[Value, Value, Block, Any], Value | None]] = {
          "for": _into_loop, "update_add": _into_part, "scatter_add": _into_part, "update": _into_zeros, "add": _into_sum,
          "if": _into_branches}


def _emitted(block: Block, name: str, *operands: Value, **attrs: Any) -> Value:
    """An op as soon as its operands are known in the block."""
    at = 1 + max(_position(x, block) for x in operands)
    rest, block.ops = block.ops[at:], block.ops[:at]
    builder = Builder()
    builder.loc = next((x.op.loc for x in operands[1:] if x.op is not None), ())
    with builder.at(block):
        total = builder(name, *operands, **attrs)
    block.ops += rest
    return total


def _position(x: Value, block: Block) -> int:
    """Where in a block a value is computed; -1 where that is outside."""
    return block.ops.index(x.op) if x.op is not None and x.op in block.ops else -1


# --- loops that only add ---------------------------------------------------------------------------------------------------

def _slot(op: Op, v: Value) -> tuple[Value, Value]:
    """(the parameter, the yield) behind result v of a `for`."""
    body = op.regions[0]
    return body.params[1 + v.slot], body.yields[v.slot]


def _only_adds(v: Value, uses: dict[Value, list[Op]]) -> bool:
    """Whether v is the result of a `for` that only adds to what it carries there."""
    if v.op is None or v.op.defn.name != "for":
        return False
    param, y = _slot(v.op, v)
    return _taken(y, param, uses) == len(uses.get(param, ()))


def _taken(y: Value, param: Value, uses: dict[Value, list[Op]]) -> int | None:
    """How many uses of `param` stand in y, where y is `param` after some additions; None where it is not."""
    if y is param:
        return 1
    if y.op is None or len(uses.get(y, ())) != 1:
        return None
    name = y.op.defn.name
    if name == "if":
        taken = [_taken(region.yields[y.slot], param, uses) for region in y.op.regions]
        known = [n for n in taken if n is not None]
        return sum(known) if len(known) == len(taken) else None
    if name == "for":
        return _taken(_start(y), param, uses) if _only_adds(y, uses) else None
    found = [n for k in _ADDS.get(name, ()) if (n := _taken(y.op.operands[k], param, uses)) is not None]
    return found[0] if len(found) == 1 else None


def _start(v: Value) -> Value:
    return v.maker.operands[1 + v.slot]


def _is_zero(v: Value) -> bool:
    if v.__class__ is Const:
        return not v.data.any()
    return v.op is not None and v.op.defn.name == "broadcast" and _is_zero(v.op.operands[0])
