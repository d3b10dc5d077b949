"""Of two loops, one of which does what the other does, and maybe more, one is enough.

    %a, %q = for … carry(%a0, %q0) { … }                            %a, %q, %s = for … carry(%a0, %q0, %s0) { … ; … }
    … %q …                                                    →     … %q …
    %a1, %q1, %s = for … carry(%a0, %q0, %s0) { … ; … }             … %s …
    … %s …

Squares of what a loop puts together of kinks are put together by a copy of it with one carry more
(smoothness/joined_kinks.py). Where a program needs other results of the loop as well, both would be differentiated. The
longer one checks what the other does, as it has each of its ops, and takes its place.
"""
from __future__ import annotations

from collections import defaultdict

from ..ir.build import key_of
from ..ir.clone import dims_of, free_values, has_effect, mapped, replace
from ..ir.core import Block, Op, Value


def without_shorter(block: Block) -> None:
    """Let the longer loop stand for both, in place."""
    groups = defaultdict[tuple, list[Op]](list)
    for op in block.ops:
        if op.defn.name == "for" and len(op.operands) > 1:
            groups[tuple(map(key_of, op.operands[:2]))].append(op)
    for loops in groups.values():
        for k, short in enumerate(loops):
            for long in loops[k + 1:]:
                if _extends(long, short) and _move(block, long, short):
                    replace(block, dict(zip(short.results, long.results)))
                    break
    for op in block.ops:
        for region in op.regions:
            without_shorter(region)


def _extends(long: Op, short: Op) -> bool:
    """Whether the first results of a loop are those of another."""
    count = len(short.operands)
    if len(long.operands) < count or short.attrs != long.attrs:
        return False
    if list(map(key_of, short.operands)) != list(map(key_of, long.operands[:count])):
        return False
    (a,), (b,) = short.regions, long.regions
    return _matched(a, b, dict(zip(a.params, b.params)))


def _matched(a: Block, b: Block, mapping: dict[Value, Value]) -> bool:
    """Whether the first yields of block b are what block a yields, where the mapping leads from one's values to the other's."""
    there = defaultdict[tuple, list[Op]](list)
    for op in b.ops:
        there[op.defn, tuple(map(key_of, op.operands))].append(op)
    for op in a.ops:
        for other in there[op.defn, tuple(map(key_of, mapped(op.operands, mapping)))]:
            if op.attrs == other.attrs and _same_regions(op, other, mapping):
                mapping.update(zip(op.results, other.results))
                break
        else:
            return False
    wanted = [key_of(v) for v in mapped(a.yields, mapping)]
    return wanted == [key_of(v) for v in b.yields[:len(a.yields)]]


def _same_regions(op: Op, other: Op, mapping: dict[Value, Value]) -> bool:
    return len(op.regions) == len(other.regions) and len(op.results) == len(other.results) and all(
        len(a.params) == len(b.params) and _matched(a, b, {**mapping, **dict(zip(a.params, b.params))})
        for a, b in zip(op.regions, other.regions))


def _move(block: Block, long: Op, short: Op) -> bool:
    """Put a loop, and what it needs, in place of another; whether that can be."""
    first, last = block.ops.index(short), block.ops.index(long)
    if last < first:                               # it stands for another one already
        block.ops.remove(short)
        return True
    needed, moved = _reads(long), [long]
    for op in reversed(block.ops[first + 1:last]):
        if needed & set(op.results):
            if has_effect(op, {}) or op.defn.draws:
                return False
            needed |= _reads(op)
            moved.insert(0, op)
    if needed & set(short.results) or any(op.defn.draws for op in short.regions[0].walk()):
        return False
    gone = {short, *moved}
    rest = [op for op in block.ops[first:] if op not in gone]
    block.ops[first:] = [*moved, *rest]
    return True


def _reads(op: Op) -> set[Value]:
    """What an op uses, also inside and in types."""
    return {*op.operands, *(v for r in op.results for v in dims_of(r.type)), *(v for b in op.regions for v in free_values(b))}
