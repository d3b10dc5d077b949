"""Loops that compute on with a kink that they carry: the square of what is carried is carried beside it.

    %r = for %i = 0 to %n carry(%a = abs %x) {         →    %r, %s = for %i = 0 to %n carry(%a = abs %x, %q = mul %x, %x) {
      %b = mul %a, %a                                         %k = with_square %a, %q
      yield %b }                                              %b = surrogate (mul %k, %k), %q
                                                              yield %b, (mul %q, %q) }

By the product rule the slope of %a² is 2 %a times that of %a, which is a convention in the first round: the second derivative
of x² written so would be 0 at 0. `with_square` is its first operand, of which the body knows the square in smooth form, as it
does of |x| itself; whether what a later round carries has a kink does not matter.
"""
from __future__ import annotations

from ...ir.build import Builder
from ...ir.clone import copy_block, copy_op, copy_region, mapped, new_params
from ...ir.core import Block, Op, Value
from ...ir.types import StackType
from .joined_kinks import LOOPS, PARTS, is_joined, square
from .kink_lines import FACTORS_OF
from .kink_products import MOVES, STATED, smooth_power, smooth_square

_HANDED_ON = MOVES | PARTS.keys()              # of a part of a carried value


def carried(body: Block) -> Block:
    """A program with such squares; the program itself where no loop carries a kink."""
    if not any(_slots(op) for op in body.walk() if op.defn.name in LOOPS):
        return body
    return copy_region(Builder(), body, {}, _RULES)


def _slots(op: Op) -> list[int]:
    """The carried values of a loop that the body makes functions of. Not of an array with a root written to some elements, as
    Cholesky's begins with: its square would be a second array in every step, for the roots of 0 that have no slope anyway."""
    first, region = LOOPS[op.defn.name], op.regions[-1]
    offset = len(region.params) - len(op.results)
    found = []
    for slot, init in enumerate(op.operands[first:first + len(op.results)]):
        if (not isinstance(init.type, StackType) and init.type.dtype.kind == "f" and init.type.static and init.op is not None
                and not is_joined(init)):
            same = {region.params[offset + slot]}
            if any(_computes(inner, same) for inner in region.walk()):
                found.append(slot)
    return found


def _computes(op: Op, same: set[Value]) -> bool:
    """Whether an op makes a function that can be smooth of a carried value, or of a part; `same` grows by what are parts."""
    if not any(v in same for v in op.operands):
        return False
    name = op.defn.name
    if name in _HANDED_ON or FACTORS_OF.get(name) == 1:
        same.update(op.results)
        return False
    return name in STATED


def _loop(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    first, slots = LOOPS[op.defn.name], _slots(op)
    squares = [(slot, found) for slot in slots
               if (found := smooth_power(builder, mapped(op.operands, mapping)[first + slot], 2)) is not None]
    if not squares:
        return copy_op(builder, op, mapping, _RULES)
    regions = []
    for region in op.regions:
        new, offset = new_params(region, mapping), len(region.params) - len(op.results)
        with builder.at(new):
            for slot, found in squares:
                param = new.params[offset + slot]
                q = Value(found.value.type, None, new, len(new.params))
                new.params += (q,)
                mapping[region.params[offset + slot]] = known = builder("with_square", param, q)
                builder.noted["square", param] = builder.noted["square", known] = q
            new.yields = copy_block(builder, region, mapping, {**STATED, **_RULES})
            if region is op.regions[-1]:
                new.yields += tuple([square(builder, new.yields[slot], lambda v: smooth_square(builder, v))
                                     for slot, _ in squares])
        regions.append(new)
    inits = (*mapped(op.operands, mapping), *[found.value for _, found in squares])
    results = builder.emit(op.defn, *inits, regions=regions, **op.attrs)
    for (slot, _), q in zip(squares, results[len(op.results):]):
        builder.noted["square", results[slot]] = q
    return results[:len(op.results)]


_RULES = dict.fromkeys(LOOPS, _loop)
