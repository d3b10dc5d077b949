"""Taking a value out of a forward region: how it is kept, and how the backward region gets it back.

    result   of an `if`, a further result; the other branch yields zeros
    row      of a `for` whose trip count is known on entry, an element of an array with an axis for each loop
    stack    elsewhere it is pushed where it is made, and popped backwards
"""
from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ...ir.build import const
from ...ir.clone import dims_of
from ...ir.core import Const, Value
from ...ir.errors import IRError
from ...ir.thresholds import sizes
from ...ir.types import INDEX, Type

if TYPE_CHECKING:
    from ..adjoint_frames import Frame
    from ..reverse.control_flow import Branch, Region


def keep(frame: Region, v: Value) -> Value:
    """Take a value out of the forward region and bring it into the backward one."""
    if not frame.run.recordable(frame):
        raise IRError("a special rule needs a value kept from inside its own loop")
    depth = _rows_depth(frame, v)
    if depth:
        return _keep_row(frame, v, depth)
    if is_loop(frame) or any(_inside(frame, d) for d in dims_of(v.type)):
        return _keep_on_stack(frame, v)
    return _keep_result(frame, v)


def is_loop(frame: Region | Frame) -> bool:
    return frame.op is not None and frame.op.defn.name != "if"


def _inside(frame: Region | Frame, v: Value) -> bool:
    """Whether a value is defined in the frame's block, not outside it."""
    return frame.owns(v)


def _rows_depth(frame: Any, v: Value) -> int:
    """How many frames, from this one outwards, lie inside an array with an axis per `for` around v: up to the outermost `for`
    outside which all the trip counts and v's lengths are known. 0 where there is none."""
    lengths, depth, n = list(dims_of(v.type)), 0, 0
    while frame.parent is not None and not any(_inside(frame, d) for d in lengths):
        n += 1
        if is_loop(frame):
            if not frame.fixed:
                break
            lengths.append(frame.op.operands[0])
            depth = n
        frame = frame.parent
    return depth


def _keep_row(frame: Region, v: Value, depth: int) -> Value:
    """An element of an array beside the loops:  %t1 = update %t0[%i, %j], %v."""
    run = frame.run
    frames: list[Any] = [frame]
    for _ in range(depth - 1):
        frames.append(frames[-1].parent)
    outermost, loops = frames[-1], _rows_last(_short_first([f for f in reversed(frames) if is_loop(f)]))
    first = loops[:-1] if _is_column(v, loops[-1]) else loops
    spec = "i" * len(first) + ":" * len(v.type.dims) + "i" * (len(loops) - len(first))
    if v not in run.kept:
        dims = [const(d, INDEX) if type(d) is int else d for d in v.type.dims]
        dims = [*[f.op.operands[0] for f in first], *dims, *[f.op.operands[0] for f in loops[len(first):]]]
        tape = run.forward_before(outermost.op, "empty", *dims, dtype=v.type.dtype)
        tape.name = v.name and v.name + "_tape"
        counters = [f.block.params[0] for f in loops]
        run.kept[v] = _thread(frames, tape, lambda t: run.forward(frame.block, "update", t, v, *counters, spec=spec))
        run.note(outermost.op, v, "taped")
    indices = [f.index for f in loops]
    return _named(frame.b("slice", outermost.parent.get(run.kept[v]), *indices, spec=spec), v)


def _is_column(v: Value, loop: Region) -> bool:
    """Whether an iteration of the loop takes a column of an array of rows: kept as columns, loops over them can be exchanged
    with those down the columns (lowering/loopir/passes/interchange.py), as without a tape."""
    made = v.op
    if made is None or made.defn.name != "slice" or not made.attrs["spec"].endswith(":i"):
        return False
    return _follows(made.operands[-1], loop.block.params[0])


def _follows(v: Value, counter: Value, ops: int = 5) -> bool:
    """Whether a position is computed from a counter."""
    return v is counter or (v.op is not None and ops > 0 and any(_follows(a, counter, ops - 1) for a in v.op.operands))


def _short_first(loops: list) -> list:
    """The loops around a tape, in the order of its axes. A few iterations come first where the loop around them hands on no
    number: written out, they let that one become vectors, which read and write rows."""
    outer, times = list(loops), 1
    while len(outer) > 1 and outer[-1].op.operands[0].__class__ is Const:
        times *= outer[-1].op.operands[0].item
        if times > sizes.tape_inner:
            break
        outer.pop()
    handed_on = outer[-1].params if len(outer) < len(loops) else ()
    if any(p.type.__class__ is Type and not p.type.dims for p in handed_on):
        return loops
    return [*loops[len(outer):], *outer]


def _rows_last(loops: list) -> list:
    """The two innermost loops, exchanged where the inner one runs down columns that the outer one goes through: the tape then
    lies as the arrays do, and the loops can be exchanged with it."""
    if len(loops) < 2:
        return loops
    *around, outer, inner = loops
    across, down = outer.block.params[0], inner.block.params[0]
    columns = False
    for op in inner.block.ops:
        if (op.defn.reads or op.defn.overwrites is not None) and len(at := op.attrs.get("spec", "")) > 1 and set(at) == {"i"}:
            *first, last = op.operands[-len(at):]
            if _follows(last, down):
                return loops
            columns = columns or (_follows(last, across) and any(_follows(v, down) for v in first))
    return [*around, inner, outer] if columns else loops


def _named(found: Value, v: Value) -> Value:
    """A forward value, as the backward program found it, under its own name."""
    found.name = found.name or v.name
    return found


def _thread(frames: list[Region], outer: Value, write: Callable) -> Value:
    """Make a value flow from in front of the outermost of these frames (the last) into the first one's block, through
    `write`, and out again; what it is behind the outermost."""
    *inner, frame = frames
    run, op = frame.run, frame.op

    def through(value: Value) -> Value:
        return _thread(inner, value, write) if inner else write(value)

    if is_loop(frame):
        body = op.regions[-1]
        new = through(run.add_carry(op, outer))
        body.yields += (new,)
    else:
        new = through(outer)
        for region in op.regions:
            region.yields += (new if region is frame.block else outer,)
    return run.add_result(op, outer.type, outer.name)


def _keep_result(branch: Branch | Region, v: Value) -> Value:
    """A further result of the `if`; the other branch yields zeros."""
    run, op = branch.run, branch.op
    if v not in run.kept:
        zero = const(0, v.type.dtype)
        dims = [const(d, INDEX) if isinstance(d, int) else d for d in v.type.dims]
        for region in op.regions:
            mine = region is branch.block
            region.yields += (v if mine else run.forward(region, "broadcast", zero, *dims) if dims else zero,)
        run.kept[v] = run.add_result(op, v.type, v.name)
        run.note(op, v, "taped")
    return branch.parent.get(run.kept[v])


def _keep_on_stack(frame: Region, v: Value) -> Value:
    """Push v where it is made; backwards, pop it. The stack flows through all enclosing regions."""
    run, b = frame.run, frame.b
    dims = frame.dims(v)
    frames: list[Any] = [frame]
    while frames[-1].parent.parent is not None:
        frames.append(frames[-1].parent)
    stack, site = run.forward_before(frames[-1].op, "stack_new", dtype=v.type.dtype), _Site()
    stack.name = v.name and v.name + "_tape"
    run.root.bars[site] = _thread(frames, stack, lambda s: run.forward(frame.block, "push", s, v))
    run.note(frame.op, v, "stacked")
    tape = frame.current(site)
    assert tape is not None, v                     # it has just been put on
    rest, found = b.emit("pop", tape, *dims)
    frame.put(site, rest)
    return _named(found, v)


class _Site:
    """A stack, as a key among adjoints: it flows through backward regions as they do."""

    __slots__ = ()
