"""Parallel loops in reverse mode: where the record of all iterations would not stay in the cache, each is run again.

    forward    %y = map %i = 0 to %n { %r = slice %x, %i;  yield f(%r, %w) }
    backward   for %i … { %r_bar, %w1 = f and then its adjoint(%r, %w, %y_bar[i]);  %x_bar[i] += %r_bar;  %w_bar += %w1 }

The iterations do not depend on each other, so what the adjoint of one needs is made where it is used: a record of one iteration
in place of n, for one more run of f (none, where nothing but the adjoint uses what f makes). Each iteration becomes a
checkpointed call (checkpoint/segments.py). What it reads by its own number stays outside of the call, so that the adjoint of
the array is added to in place. Each call returns the adjoint of an array that all share; where f reads only parts of a large
one, that would cost more than it saves, and the record is kept.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.analysis.draws import draws
from ...ir.analysis.patterns import number
from ...ir.build import Builder
from ...ir.clone import copy_block, copy_op, copy_region, free_values, lift_free, mapped, new_params
from ...ir.core import Block, Function, Op, Value
from ...ir.opdef import Elementwise
from ...ir.thresholds import sizes
from ...ir.types import Type
from ..activity import inexact
from ..checkpoint.segments import SEGMENT

STEPS = 1024                # iterations that a loop of unknown length is taken to have
_TRIPS = {"while": lambda op: STEPS, **dict.fromkeys(("for", "map"), lambda op: number(op.operands[0]) or STEPS)}


def run_again(f: Function, budget: int | None, reverse: Callable) -> Function:
    """The function, or a copy in which iterations of such loops are checkpointed calls. With a budget, that decides what is
    large, and their own loops may take half of it. reverse(f, wrt) is the reverse mode of a function, which says what it
    keeps."""
    least = sizes.record if budget is None else min(sizes.record, budget // 2)
    if not any(_candidate(op, least) for op in f.body.walk()):
        return f

    def each(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        reads = _parted(op) if _candidate(op, least) else None
        if reads is None or not _worth(op, reads, budget, reverse):
            return copy_op(builder, op, mapping)
        return _emitted(builder, op, mapping, reads, budget)

    return Function(f.name, copy_region(Builder(), f.body, {}, {"map": each}), f.loc, dict(f.attrs))


def _candidate(op: Op, least: int) -> bool:
    """Whether all values of all iterations are large together; what is kept are some of them."""
    return (op.defn.name == "map" and any(map(inexact, op.results)) and (number(op.operands[0]) or 0) * _bytes(op) >= least
            and not draws(op.regions[0]))


def _bytes(op: Op) -> int:
    """What the regions of an op make in one iteration."""
    total = 0
    for region in op.regions:
        for inner in region.ops:
            trip = _TRIPS.get(inner.defn.name, lambda op: 1)(inner)
            total += trip * _bytes(inner) + sum(map(_size, inner.results))
    return total


def _parted(op: Op) -> set[Op]:
    """The ops of the body that read what an iteration finds by its number: parts of arrays from outside, and positions."""
    (region,) = op.regions
    found: set[Op] = set()
    for inner in region.ops:
        found_again = inner.defn.moves and inner.defn.name not in ("broadcast", "concat")
        number = isinstance(inner.defn, Elementwise) and not inner.results[0].type.dims and not inexact(inner.results[0])
        if (found_again or number) and not inner.regions and all(v.op in found for v in inner.operands if _made_in(region, v)):
            found.add(inner)
    return found


def _made_in(region: Block, v: Value) -> bool:
    return v.op is not None and v.op in set(region.ops)


def _rest(op: Op, reads: set[Op]) -> Block:
    """The body without them. It shares its ops with the body, and is only read."""
    rest = Block()
    rest.ops = [inner for inner in op.regions[0].ops if inner not in reads]
    rest.yields = op.regions[0].yields
    return rest


def _worth(op: Op, reads: set[Op], budget: int | None, reverse: Callable) -> bool:
    record = _record(op, reverse)
    if record is None:
        if budget is None:
            return False
        record = budget
    elif not (record > budget // 2 if budget is not None else record >= max(sizes.record, sizes.record_times * _outside(op))):
        return False
    trip = number(op.operands[0])
    assert trip is not None, op                    # a candidate
    row, rest = max(record, sizes.record) // trip, _rest(op, reads)
    shared = {v for v in free_values(rest) if inexact(v)} - _own(op, reads)
    in_parts = {v for inner in rest.walk() if inner.defn.reads for v in inner.operands if v in shared}
    return all(v.type.static and _size(v) <= row for v in in_parts)


def _outside(op: Op) -> int:
    """The bytes of the arrays that the loop reads and makes, as far as they are known."""
    return sum([_size(v) for v in (*free_values(op.regions[0]), *op.results)])


def _size(v: Value) -> int:
    return v.type.count * v.type.dtype.size if v.type.__class__ is Type and v.type.static else 0


def _own(op: Op, reads: set[Op]) -> set[Value]:
    """What the reads give that is an iteration's own."""
    found = {op.regions[0].params[0]}
    for inner in op.regions[0].ops:
        if inner in reads and not found.isdisjoint(inner.operands):
            found.update(inner.results)
    return found


def _record(op: Op, reverse: Callable) -> int | None:
    """The bytes that the adjoint of a map has kept; None where only run time knows."""
    block = Block()
    with (builder := Builder()).at(block):
        block.yields = copy_op(builder, op, {})
    f, _ = lift_free(Function("map", block, op.loc))
    run = reverse(f, tuple([k for k, p in enumerate(f.params) if inexact(p)]))
    if any(how == "stacked" for _, _, how in run.notes):
        return None
    kept = {run.kept[v] for _, v, how in run.notes if how == "taped"}
    return sum(map(_size, kept)) if all(v.type.static for v in kept) else None


def _emitted(builder: Builder, op: Op, mapping: dict[Value, Value], reads: set[Op], budget: int | None) -> tuple[Value, ...]:
    region = op.regions[0]
    made, inner = new_params(region, mapping), Block()
    with builder.at(made):
        for read in [o for o in region.ops if o in reads]:
            builder.loc = read.loc
            mapping.update(zip(read.results, copy_op(builder, read, mapping)))
        with builder.at(inner):
            inner.yields = copy_block(builder, _rest(op, reads), mapping)
        f, free = lift_free(Function("iteration", inner, op.loc))
        half: dict[str, Any] = {} if budget is None else {"budget": budget // 2}
        made.yields = builder.emit("call", *free, callee=f, checkpoint=SEGMENT, **half)
    builder.loc = op.loc
    return builder.emit("map", *mapped(op.operands, mapping), regions=[made])
