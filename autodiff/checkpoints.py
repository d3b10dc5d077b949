"""Checkpoints: less memory for more time.

A call marked `checkpoint` keeps its arguments and nothing else; the backward program calls a function that runs it again and
returns the adjoints of the arguments.

    forward    %y = call @f(%x) {checkpoint}          backward   %x_bar = call @f_again(%x, %y_bar) {checkpoint}

A loop whose tape would exceed a budget is cut into segments of k iterations, each a checkpointed call. The loop over the
segments tapes the state at the start of each; going back through a segment tapes its k iterations.

    %s = for %i = 0 to n carry(…)        ->        %s = for %m = 0 to ceil(n / k) carry(…) {
                                                       call @segment(m k, min(k, n - m k), …) {checkpoint} }

    bytes    n t                                   k t + ceil(n / k) s                       t a row of tape, s a state

k is the most that half of the budget holds, k = budget / (2 t), so that there are as few segments as may be; the other half is
for the states. Each iteration runs twice. Where n is known only at run time, so is k.
"""
from __future__ import annotations

from collections.abc import Callable

from ..ir.build import Builder
from ..ir.core import Block, Const, Function, Op, Value
from ..ir.errors import ArgumentError
from ..ir.rewrite import copy_block, copy_op, copy_region, dce, lift_free, mapped
from ..ir.types import I64, INDEX_SCALAR, StackType
from .activity import inexact

STACKED = 64               # entries that an iteration is taken to push where that is known only at run time
LONG = 1000                # the length of an axis of which nothing is known
SEGMENT = "segment"        # the mark of a call that this file makes; that of a user is True
TOO_SMALL = ("memory_budget of {budget} bytes is too small for this loop of {0} iterations: its states at the starts of "
             "segments take {1} bytes")


def marked(op: Op) -> bool:
    return bool(op.attrs.get("checkpoint"))


def again(f: Function, wrt, results, budget: int | None, vjp: Callable) -> Function:
    """The function of f's parameters and a cotangent for each of the `results` that returns the cotangents of `wrt`."""
    whole = vjp(f, wrt, results, budget=budget)
    whole.body.yields = whole.body.yields[len(f.results):]
    whole.name = f"{f.name}_again"
    return dce(whole)


# --- loops within a budget -------------------------------------------------------------------------------------------------

def within(g: Function, budget: int, reverse: Callable) -> Function:
    """A prepared function with its loops cut where their tapes would exceed `budget` bytes. reverse(f, wrt) is the reverse mode
    of a function, which says what it tapes."""
    if not any(op.defn.name == "for" for op in g.body.walk()):
        return g

    def loop(builder, op, mapping):
        return _cut(builder, op, mapping, budget, reverse)

    return Function(g.name, copy_region(Builder(), g.body, {}, {"for": loop}), g.loc)


def _cut(builder: Builder, op: Op, mapping, budget: int, reverse: Callable):
    if not any(inexact(r) for r in op.results) or any(r.type.__class__ is StackType for r in op.results):
        return copy_op(builder, op, mapping)
    segment, free = _segment(op)
    places = dict(zip(segment.params[2:], (*op.operands[1:], *free)))

    def length(d: Value) -> Value:
        """A length that the segment knows as a parameter, in the function."""
        d = places.get(d, d)
        return mapping.get(d, d)

    row = _row_bytes(segment, reverse, length)
    state = sum([_bytes(r.type, 1, length) for r in op.results])
    trip = mapping.get(op.operands[0], op.operands[0])
    if not row or (trip.__class__ is Const and trip.item * row <= budget):
        return copy_op(builder, op, mapping)
    if row > budget:
        raise ArgumentError(f"memory_budget is {budget:,} bytes, but one iteration of a loop alone keeps {row:,}",
                            "give more memory, or wrap a part of the iteration in tg.checkpoint", op.loc)
    return _segmented(builder, op, mapping, segment, free, trip, budget, row, state)


def _segment(op: Op) -> tuple[Function, list[Value]]:
    """A function of (start, count, what is carried, values from outside) that runs `count` iterations."""
    region = op.regions[0]
    carried = op.operands[1:]
    body = Block(
        [INDEX_SCALAR, INDEX_SCALAR, *[v.type for v in carried]], ["start", "count", *[p.name for p in region.params[1:]]]
    )
    builder = Builder()
    builder.loc = op.loc
    with builder.at(body):
        inner = Block([INDEX_SCALAR, *[p.type for p in region.params[1:]]], [p.name for p in region.params])
        mapping = dict(zip(region.params[1:], inner.params[1:]))
        with builder.at(inner):
            mapping[region.params[0]] = builder("add", body.params[0], inner.params[0])
            inner.yields = copy_block(builder, region, mapping)
        builder.loc = op.loc
        body.yields = builder.emit("for", body.params[1], *body.params[2:], regions=[inner])
    return lift_free(Function("segment", body, op.loc))


def _segmented(builder: Builder, op: Op, mapping, segment: Function, free, trip: Value, budget: int, row: int, state: int):
    most = max(budget // (2 * row), 1)
    size = builder.iop("max", builder.iop("min", trip, most), 1)
    count = builder.iop("floordiv", builder.iop("add", trip, builder.iop("sub", size, 1)), size)
    _expect_room(builder, trip, count, state, budget, op)
    inits = mapped(op.operands[1:], mapping)
    outside = mapped(free, mapping)
    region = op.regions[0]
    body = Block([INDEX_SCALAR, *[v.type for v in inits]], [None, *[p.name for p in region.params[1:]]])
    with builder.at(body):
        start = builder("mul", body.params[0], size)
        length = builder("min", size, builder("sub", trip, start))
        body.yields = builder.emit("call", start, length, *body.params[1:], *outside, callee=segment, checkpoint=SEGMENT)
    return builder.emit("for", count, *inits, regions=[body])


def _expect_room(builder: Builder, trip: Value, count: Value, state: int, budget: int, op: Op) -> None:
    """The states at the starts of the segments have to fit into the budget too."""
    most = budget // max(state, 1)
    if count.__class__ is Const:
        if count.item > most:
            text = TOO_SMALL.replace("{budget}", f"{budget:,}").format(trip.item, count.item * state)
            raise ArgumentError(text, "give more memory", op.loc)
        return
    enough = builder("le", count, builder.index(most))
    builder.emit("check", enough, builder.cast(trip, I64), builder.cast(builder("mul", count, builder.index(state)), I64),
                 error="ArgumentError", message=TOO_SMALL.replace("{budget}", f"{budget:,}"))


# --- how much an iteration keeps ---------------------------------------------------------------------------------------------

def _row_bytes(segment: Function, reverse: Callable, length: Callable) -> int:
    """The bytes that an iteration of a segment adds to the tapes."""
    wrt = [k for k, p in enumerate(segment.params) if inexact(p)]
    run = reverse(segment, wrt)
    count, total = run.f.params[1], 0
    places = dict(zip(run.f.params, segment.params))
    for _, v, how in run.notes:
        if how == "taped":
            dims = [d for d in run.kept[v].type.dims if d is not count]
            total += _bytes(run.kept[v].type.with_dims(dims), 1, lambda d: length(places.get(d, d)))
        elif how == "stacked":
            total += _bytes(v.type, STACKED, lambda d: length(places.get(d, d)))
    return total


def _bytes(type, times: int, length: Callable) -> int:
    for d in type.dims:
        if not isinstance(d, int):
            found = length(d)
            d = found.item if isinstance(found, Const) else LONG
        times *= d
    return times * type.dtype.size
