"""Additions to zeros that hit each element once are writes.

    %z = broadcast 0.0, %n                                %z = empty %n
    for %i = 0 to %n carry(%a = %z) {                     for %i = 0 to %n carry(%a = %z) {
      %b = update_add %a[%i], %v                  →         %b = update %a[%i], %v + 0.0
      yield %b }                                            yield %b }

The adjoint of `x[i]` in a loop adds to such an array. A write neither loads the element nor waits for the last one. The sum
with zero stays: -0.0 + 0.0 is 0.0. In nested loops each counter needs an axis of its own, at which every iteration has a
position that the others have not. The zeros stay, too, unless the loops have as many iterations as the axes have positions.
"""
from __future__ import annotations

from ...analysis.patterns import number, scalar_in
from ...analysis.uses import Uses, one_to_one, position
from ...build import Builder
from ...clone import replace
from ...core import Block, Function, Op, Value


def first_writes(f: Function) -> bool:
    """Turn such additions into writes, in place; whether there were any."""
    starts = [(op, k) for op in f.body.walk() if op.defn.name == "for"
              for k in range(len(op.results)) if _zeros(op.operands[k + 1])]
    if not starts:
        return False
    uses, found = Uses(f.body), {}
    for op, k in starts:
        path = _path(op, k, uses)
        axes = _axes(*path) if path is not None else None
        if path is None or axes is None:
            continue
        add, loops = path
        if _all_written(add, axes, loops):
            _forget(op, k, uses.home[op])
        found[add.results[0]] = _write(add, uses.home[add])
    replace(f.body, found)
    return bool(found)


def _zeros(v: Value) -> bool:
    scalar = scalar_in(v)
    return scalar is not None and number(scalar) == 0


def _path(loop: Op, k: int, uses: Uses) -> tuple[Op, list[Op]] | None:
    """The addition that is all that happens to carry k of a loop, and the loops that it is in, from this one inwards."""
    loops = []
    while True:
        (body,) = loop.regions
        loops.append(loop)
        users, y = uses.of(body.params[k + 1]), body.yields[k]
        if len(users) != 1 or uses.of(y) != [(body, k)] or y.owner is not users[0][0]:
            return None
        user, slot = users[0]
        if isinstance(user, Block):
            return None                                     # two carries change places
        if user.defn.name == "update_add" and slot == 0:
            return user, loops
        if user.defn.name != "for" or slot == 0 or user.results[slot - 1] is not y:
            return None
        loop, k = user, slot - 1


def _axes(add: Op, loops: list[Op]) -> list[int] | None:
    """For each loop an axis at which no two of its iterations add to one position; None where one has none."""
    axes, free = [], [k for k, char in enumerate(add.attrs["spec"]) if char == "i"]
    for loop in loops:
        (body,) = loop.regions
        axis = next((k for k in free if (at := position(add, k)) is not None and one_to_one(at, body.params[0], body)), None)
        if axis is None:
            return None
        axes.append(axis)
        free.remove(axis)
    return axes


def _all_written(add: Op, axes: list[int], loops: list[Op]) -> bool:
    """As many iterations as positions, which lie within the axis and differ, take all of them."""
    dims, spec = add.operands[0].type.dims, add.attrs["spec"]
    trips = [loop.operands[0] for loop in loops]
    return (all(spec[k] == ":" for k in range(len(dims)) if k not in axes)
            and all(t is dims[k] or (number(t) is not None and number(t) == dims[k]) for k, t in zip(axes, trips)))


def _forget(loop: Op, k: int, block: Block) -> None:
    """Let a loop begin with any elements."""
    zeros, builder, new = loop.operands[k + 1], Builder(), Block()
    with builder.at(new):
        empty = builder("empty", *zeros.maker.operands[1:], dtype=zeros.type.dtype)
    block.ops[block.ops.index(loop):block.ops.index(loop)] = new.ops
    loop.operands = (*loop.operands[:k + 1], empty, *loop.operands[k + 2:])


def _write(add: Op, block: Block) -> Value:
    x, v, *indices = add.operands
    builder, new = Builder(), Block()
    with builder.at(new):
        total = builder("add", v, builder.full(0, v.type.dims, v.type.dtype))
        write = builder("update", x, total, *indices, **add.attrs)
    for op in new.ops:
        op.loc = add.loc
    at = block.ops.index(add)
    block.ops[at:at + 1] = new.ops
    return write
