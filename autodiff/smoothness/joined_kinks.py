"""Squares of what is put together of kinks: lists that become arrays, writes into arrays, branches, loops and maps.

    %d = concat (sqrt %p), (sqrt %q)               %d²     concat %p, %q

    %d = for %i = 0 to %n carry(%a = %z) {         →       %d, %d² = for %i = 0 to %n carry(%a = %z, %b = mul %z, %z) {
      %q = slice %p[%i];  %r = sqrt %q                       %q = slice %p[%i];  %r = sqrt %q
      yield update %a[%i], %r }                              yield (update %a[%i], %r), (update %b[%i], %q) }

An element is one of those that were written, its square the square of that. So the square is put together beside the value, as
one result more of the loop or branch, whose only use is in derivatives; what nothing needs is taken out with the dead code. (A
copy of a loop would run a second time in the gradient, one of a loop of loops four times, one inside of another loop in each of
its iterations, and read again what the first has overwritten.) What stands in a block around the product is extended there.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...ir.build import Builder
from ...ir.clone import add_carry, add_result, copy_op, has_effect
from ...ir.core import Block, Op, Value
from ...ir.types import StackType

_MOST = 64                     # values that are looked at

# op -> the values that the one at a slot of its results is put together of
PARTS: Mapping[str, Callable[[Op, int], Sequence[Value]]] = {
    "concat": lambda op, slot: op.operands, "update": lambda op, slot: op.operands[:2],
    "select": lambda op, slot: op.operands[1:],
    "if": lambda op, slot: [region.yields[slot] for region in op.regions],
    "map": lambda op, slot: [op.regions[0].yields[slot]],
    "for": lambda op, slot: [op.operands[1 + slot], op.regions[0].yields[slot]],
    "while": lambda op, slot: [op.operands[slot], op.regions[-1].yields[slot]]}
LOOPS = {"for": 1, "while": 0}           # loops, and the first operand that is carried


def is_joined(v: Value) -> bool:
    """Whether a value is put together of others, in a way that is followed."""
    op = v.op
    if op is None or op.defn.name not in PARTS or isinstance(v.type, StackType):
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
        if op.defn.name in LOOPS:
            seen.update([_param(op, region, x.slot) for region in op.regions])
        more = [y for y in PARTS[op.defn.name](op, x.slot) if y not in seen]
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


def square(b: Builder, v: Value, of: Callable[[Value], Value | None]) -> Value:
    """The square of a joined value; `of` gives that of a part in smooth form, None where it is smooth as a product."""
    if is_blank(v):
        return v
    key = "square", v                              # what control flow has already, and what loops carry of a parameter
    if key in b.noted:
        return b.noted[key]
    if not is_joined(v):
        found = of(v)
        return b("mul", v, v) if found is None else found
    op = v.maker
    match op.defn.name:
        case "concat":
            return b(op.defn, *[square(b, x, of) for x in op.operands], **op.attrs)
        case "update":
            return b(op.defn, *[square(b, x, of) for x in op.operands[:2]], *op.operands[2:], **op.attrs)
        case "select":
            return b(op.defn, op.operands[0], *[square(b, x, of) for x in op.operands[1:]])
    with b.around(op) as found_there:
        if found_there:
            write = _steady_write(b, op, v.slot, of)
            b.noted[key] = _extended(b, op, v.slot, of) if write is None else _last_written(b, op, v.slot, write, of)
            return b.noted[key]
    return square(b, copy_op(b, op, {}, _SILENT)[v.slot], of)


def _extended(b: Builder, op: Op, slot: int, of: Callable) -> Value:
    """One result more of a branch, loop or map of this block: the square of the one at a slot."""
    with b.beside(op):
        if (first := LOOPS.get(op.defn.name)) is not None:
            q = add_carry(op, square(b, op.operands[first + slot], of))
            b.noted["square", _param(op, op.regions[-1], slot)] = q
        for region in op.regions[-1:] if first is not None else op.regions:
            with b.at(region):
                region.yields += (square(b, region.yields[slot], of),)
    return add_result(op, op.results[slot].type)


def _param(op: Op, region: Block, slot: int) -> Value:
    """What stands for a carried value in a region of a loop."""
    return region.params[len(region.params) - len(op.operands[LOOPS[op.defn.name]:]) + slot]


def _steady_write(b: Builder, op: Op, slot: int, of: Callable) -> Op | None:
    """The write of a loop that writes one element alone, which is no kink, and the same one in every iteration; None of
    another."""
    if op.defn.name != "for":
        return None
    (region,) = op.regions
    write, inside = region.yields[slot].op, {*region.params, *(r for o in region.ops for r in o.results)}
    if write is None or write.defn.name != "update" or set(write.attrs["spec"]) != {"i"} or 0 in write.results[0].type.dims:
        return None
    x, element, *place = write.operands
    if x is not region.params[1 + slot] or any(v in inside and not _is_check(v, inside) for v in place):
        return None
    with b.beside(op), b.at(region):
        return write if of(element) is None else None


def _is_check(v: Value, inside: set[Value]) -> bool:
    """Whether a value is a position from outside, checked."""
    return v.op is not None and v.op.defn.name == "wrap" and not inside & set(v.op.operands)


def _last_written(b: Builder, op: Op, slot: int, write: Op, of: Callable) -> Value:
    """The square of what a loop wrote to one element, written once: of an array that the loop carries there is no other. (Of
    a loop without iterations nothing is checked: the first element stands for it.)"""
    with b.beside(op):
        before = square(b, op.operands[1 + slot], of)
    with b.beside(op, after=True):
        some = b("gt", op.operands[0], b.index(0))
        place = [_checked(b, v, some) for v in write.operands[2:]]
        last, old = [b("slice", x, *place, spec=write.attrs["spec"]) for x in (op.results[slot], before)]
        return b("update", before, b("select", some, b("mul", last, last), old), *place, spec=write.attrs["spec"])


def _checked(b: Builder, v: Value, some: Value) -> Value:
    """A position that a loop checks, behind the loop."""
    if v.op is None or v.op.defn.name != "wrap":
        return v
    i, *length = v.op.operands
    return b("wrap", b("select", some, i, b.index(0)), *length, **v.op.attrs)
