"""Checkpoints: less memory for more time.

A call marked `checkpoint` keeps its arguments and nothing else; the backward program calls a function that runs it again and
returns the adjoints of the arguments.

    forward    %y = call @f(%x) {checkpoint}          backward   %x_bar = call @f_again(%x, %y_bar) {checkpoint}

A loop whose tape is too large is cut into segments, each a checkpointed call. The loop over the segments tapes the state at
the start of each; going back through a segment either tapes its iterations (level 0) or cuts it again.

    %s = for %i = 0 to n carry(…)        ->        %s = for %m = 0 to ceil(n / size) carry(…) {
                                                       call @segment(m size, min(size, n - m size), …) {checkpoint, levels} }

    size at level l = least fan^(l - 1)            capacity of L levels = least fan^L iterations
    bytes of L levels = least t + L fan s          t a row of tape, s a state

So with fan = 2 and L = log2(n) levels (recursive halving) any loop fits into one row and 2 L states. The forward code of a
segment is the plain loop at every level: only its backward code is cut again, and code grows with L, not with 2^L.

Time: an iteration runs once forward and once in the backward code of level 0. At each level in between, all segments but the
last are run forward again to find their states (`_without_last`), so an iteration runs at most L + 1 times in all, plus once
backward. A `while` is run once more before, to count its iterations.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.build import Builder, make_op
from ...ir.clone import copy_block, copy_op, copy_region, dce, lift_free, mapped, new_params
from ...ir.core import Block, Function, Op, Value
from ...ir.opdef import OPS
from ...ir.types import INDEX_SCALAR

SEGMENT = "segment"        # the mark of a call that the budget makes; that of a user is True
LONGEST = 1 << 40          # iterations that a segment may have
WIDEST = 1 << 20           # segments that a segment may have
HEAD = ("start", "count", "least", "fan")          # the parameters of a segment in front of what it carries


def marked(op: Op) -> bool:
    return bool(op.attrs.get("checkpoint"))


def again(f: Function, wrt: tuple[int, ...], results: tuple[int, ...], attrs: dict[str, Any], budget: int | None,
          vjp: Callable) -> Function:
    """The function of f's parameters and a cotangent for each of the `results` that returns the cotangents of `wrt`. `attrs`
    are those of the call of f: {checkpoint, levels} of a segment, {checkpoint, budget} of one iteration. `budget` is for
    what the user has marked."""
    levels = attrs.get("levels", 0)
    run = segments(f, levels) if levels else silent(f)
    whole = vjp(run, wrt, results, budget=attrs.get("budget") if attrs["checkpoint"] == SEGMENT else budget)
    whole.body.yields = whole.body.yields[len(f.results):]
    whole.name = f"{f.name}_again"
    whole = dce(whole)
    if levels:
        _without_last(whole, run)
    return whole


# --- segments --------------------------------------------------------------------------------------------------------------

def segment(op: Op) -> tuple[Function, list[Value]]:
    """(a function of (start, count, least, fan, what is carried, values from outside) that runs `count` iterations of a `for`
    from `start` on, the values from outside)."""
    region = op.regions[0]
    carried = op.operands[1:]
    body = Block([INDEX_SCALAR] * len(HEAD) + [v.type for v in carried], [*HEAD, *[p.name for p in region.params[1:]]])
    builder = Builder()
    builder.loc = op.loc
    with builder.at(body):
        inner = Block([INDEX_SCALAR, *[p.type for p in region.params[1:]]], [p.name for p in region.params])
        mapping = dict(zip(region.params[1:], inner.params[1:]))
        with builder.at(inner):
            mapping[region.params[0]] = builder("add", body.params[0], inner.params[0])
            inner.yields = copy_block(builder, region, mapping)
        builder.loc = op.loc
        body.yields = builder.emit("for", body.params[1], *body.params[len(HEAD):], regions=[inner])
    return lift_free(Function("segment", body, op.loc))


def segments(f: Function, levels: int) -> Function:
    """A segment as a loop over the segments of the level below: the same parameters and results."""
    builder, silenced = Builder(), silent(f)
    builder.loc = f.loc
    body = new_params(f.body, {})
    with builder.at(body):
        body.yields = over_segments(builder, silenced, levels, body.params)
    return Function(f.name, body, f.loc)


def over_segments(builder: Builder, f: Function, levels: int, args: tuple[Value, ...]) -> tuple[Value, ...]:
    """The loop over the segments of a range: f(start, count, …) in calls of level `levels` - 1."""
    start, count, least, fan, *rest = args
    size = least
    for _ in range(levels - 1):
        size = builder.iop("min", builder.iop("mul", size, fan), LONGEST)
    inits, outside = rest[:len(f.results)], rest[len(f.results):]
    number = builder.iop("floordiv", builder.iop("add", count, builder.iop("sub", size, 1)), size)
    names = [p.name for p in f.params[len(HEAD):]]
    body = Block([INDEX_SCALAR, *[v.type for v in inits]], [None, *names[:len(inits)]])
    with builder.at(body):
        done = builder.iop("mul", body.params[0], size)
        length = builder.iop("min", size, builder.iop("sub", count, done))
        body.yields = builder.emit("call", builder.iop("add", start, done), length, least, fan, *body.params[1:], *outside,
                                   callee=f, checkpoint=SEGMENT, levels=levels - 1)
    return builder.emit("for", number, *inits, regions=[body])


def _without_last(whole: Function, run: Function) -> None:
    """In place: backwards, nothing needs the state behind the last segment, so that one is not run forward.

        for %m = 0 to M { … call @segment(%start, %length, …) }     →     … call @segment(%start, (m + 1 < M ? length : 0), …)
    """
    used = {v for op in whole.body.walk() for v in op.operands} | set(whole.results)
    used |= {y for op in whole.body.walk() for region in op.regions for y in region.yields}
    (callee,) = {op.attrs["callee"] for op in run.body.walk() if op.defn.name == "call"}
    for loop in whole.body.ops:
        inside = loop.regions[0].ops if loop.defn.name == "for" else ()
        for call in [op for op in inside if op.attrs.get("callee") is callee]:
            behind = {r for r, y in zip(loop.results, loop.regions[0].yields) if y in call.results}
            if behind.isdisjoint(used):
                _skip_last(loop, call)


def _skip_last(loop: Op, call: Op) -> None:
    builder, block = Builder(), Block()
    builder.loc = call.loc
    with builder.at(block):
        more = builder("lt", builder.iop("add", loop.regions[0].params[0], 1), loop.operands[0])
        length = builder("select", more, call.operands[1], builder.index(0))
    ops = loop.regions[0].ops
    place = ops.index(call)
    loop.regions[0].ops = [*ops[:place], *block.ops, *ops[place:]]
    call.operands = (call.operands[0], length, *call.operands[2:])


# --- one iteration, while loops, printing -----------------------------------------------------------------------------------

def by_iterations(op: Op, budget: int) -> Op:
    """A `for` each iteration of which is a checkpointed call, whose own loops may take `budget` bytes."""
    region, builder = op.regions[0], Builder()
    builder.loc = op.loc
    inner = Block([p.type for p in region.params], [p.name for p in region.params])
    mapping: dict[Value, Value] = {}
    mapping.update(zip(region.params, inner.params))
    with builder.at(inner):
        inner.yields = copy_block(builder, region, mapping)
    f, free = lift_free(Function("iteration", inner, op.loc))
    body = Block([p.type for p in region.params], [p.name for p in region.params])
    with builder.at(body):
        body.yields = builder.emit("call", *body.params, *free, callee=f, checkpoint=SEGMENT, budget=budget)
    return make_op(OPS["for"], op.operands, {}, [body], op.loc)


def as_for(op: Op) -> Op:
    """A `while` as a `for` whose trip count is a new value, which `count` leads to. What it prints, counting prints."""
    trip = Value(INDEX_SCALAR, "count", None, 0)
    region = op.regions[1]
    body = Block([INDEX_SCALAR, *[p.type for p in region.params]], [None, *[p.name for p in region.params]])
    builder = Builder()
    with builder.at(body):
        body.yields = copy_block(builder, region, dict(zip(region.params, body.params[1:])), _SILENT)
    return make_op(OPS["for"], (trip, *op.operands), {}, [body], op.loc)


def count(builder: Builder, op: Op, mapping: dict[Value, Value]) -> Value:
    """The number of iterations of a `while`, by running it."""
    def counting(region: Block, last: Any) -> Any:
        new = new_params(region, inner)
        counter = Value(INDEX_SCALAR, "n", new, len(new.params))
        new.params += (counter,)
        with builder.at(new):
            new.yields = copy_block(builder, region, inner)
            if last:
                new.yields += (builder.iop("add", counter, 1),)
        return new

    inner = dict(mapping)
    regions = [counting(op.regions[0], False), counting(op.regions[1], True)]
    return builder.emit("while", *mapped(op.operands, mapping), builder.index(0), regions=regions)[-1]


def silent(f: Function) -> Function:
    """The function without printing: what is run again prints nothing again."""
    if not _prints(f):
        return f
    return Function(f.name, copy_region(Builder(), f.body, {}, _SILENT), f.loc, dict(f.attrs))


def _prints(f: Function) -> bool:
    return any(op.defn.name == "print" or ("callee" in op.attrs and _prints(op.attrs["callee"])) for op in f.body.walk())


def _silent_call(builder: Builder, op: Op, mapping: dict[Value, Value]) -> Any:
    if "rule" in op.attrs or not _prints(op.attrs["callee"]):
        return copy_op(builder, op, mapping)
    return builder.emit("call", *mapped(op.operands, mapping), **{**op.attrs, "callee": silent(op.attrs["callee"])})


_SILENT = {"print": lambda builder, op, mapping: (), "call": _silent_call}
