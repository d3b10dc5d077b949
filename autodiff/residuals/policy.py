"""How the adjoint of a region finds a value of the forward region again.

In the order of preference, for a value v that some adjoint asks for (what nothing asks for costs nothing):

    recompute   v is cheap, and what it is made of is at hand or is no more to keep than v itself
    stepped     v is an integer that each iteration changes by the same amount: it follows from their number
                (residuals/invertible_induction.py)
    carried     v is yielded to the next iteration: the backward loop carries it (`Loop.last`)
    later       v is a part of an array that nothing overwrites afterwards: it is in the final array
                (residuals/later_versions.py)
    undo        v is an array that is overwritten later: that write is undone with the elements that it destroyed

                    forward   %a1 = update %a0, %v, %i          and  %old = slice %a0[%i]  is kept
                    backward  %a0 = update %a1, %old, %i        in place, as the forward write was

    keep        v goes out of the region, onto a tape (residuals/tapes.py)

So arrays that a loop writes to cost memory for the elements written only, and reads of them cost nothing.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ...ir.build import const, key_of
from ...ir.core import Block, Const, Op, Value
from ...ir.ops.index import WRITES
from ...ir.thresholds import sizes
from ...ir.types import BOOL, INDEX, Type
from .invertible_induction import step_of, stepped
from .remat_cost import cheap, simple
from .tapes import is_loop, keep

if TYPE_CHECKING:
    from ..adjoint_frames import Frame
    from ..reverse.control_flow import Branch, Region
    from ..reverse.reverse import Reverse

CONDITION = Type(BOOL)
_PART = 4              # several values that are kept instead are at most this part of it
_SLACK = 1.25          # by how much what is kept instead may be larger: others are found from it, too


def find(frame: Region, v: Value) -> Value:
    """The forward value v, which belongs to the frame's block, in its backward block."""
    same = frame.run.same.get(v)
    if same is not None:                           # a custom rule's link stands between them
        found = frame.get(same)
    else:
        found = _param(frame, v) if v.owner is frame.block else _result(frame, v)
    # where undoing a write on the way there had to keep v, what was kept is at hand: only one of the two is used
    return frame.known.setdefault(v, found)


def _param(loop: Any, v: Value) -> Value:
    k = v.slot - loop.fixed
    if k < 0:
        return loop.index
    y = loop.block.yields[k]
    if y is v:                                     # carried unchanged
        return loop.parent.get(loop.op.operands[v.slot])
    if (step := step_of(loop, k)) is not None:
        return stepped(loop, k, step)
    return undo(loop, v) if _free(loop, v) else keep(loop, v)


def _result(frame: Region, v: Value) -> Value:
    op: Any = v.owner
    again, overwritten = cheap(op), _overwritten_next(frame, op)
    if again and overwritten:
        return keep(frame, v)
    needs = _needs(frame, v) if again else None
    if needs is not None and not needs.missing:
        return recompute(frame, op)
    k = frame.yielded(v)
    if k is not None and not again:
        return frame.last(k)
    if not again and _leads_out(frame, v):
        return undo(frame, v)
    write = None if v.type.dims else _writes(frame.run, frame.block).get(v)
    array = None if write is None else _holding(frame, write)
    if write is not None and array is not None:
        return frame.b("slice", array, *[frame.get(i) for i in write.operands[2:]], **write.attrs)
    if needs is not None and v.type != CONDITION and _worth(frame, v, needs):      # a byte is less than what it was decided by
        for x in needs.far:
            frame.known.setdefault(x, keep(frame, x))
        return recompute(frame, op)
    if k is not None:
        return frame.last(k)
    return undo(frame, v) if _leads_out(frame, v) else keep(frame, v)


# --- recompute ---------------------------------------------------------------------------------------------------------

def recompute(frame: Region, op: Op) -> Value:
    path = _settled(frame, op)
    if path is not None:
        frame.run.note(frame.op, op.results[0], "settled")
        return frame.b(op.defn, _version(frame, path), *[frame.get(v) for v in op.operands[1:]], **op.attrs)
    if frame.op is not None and op.results[0].type.__class__ is Type and op.results[0].type.dtype.inexact:
        frame.run.note(frame.op, op.results[0], "recomputed")
    args = [frame.get(v) for v in op.operands]
    if op.defn.name == "wrap":                     # the forward run has checked it
        i, n = args
        return frame.b("select", frame.b("lt", i, const(0, INDEX)), frame.b("add", i, n), i)
    return frame.b(op.defn, *args, **op.attrs)


def _settled(frame: Region | Frame, op: Op) -> list | None:
    """The later versions of the array in which a `slice` finds what it reads, up to one that is at hand
    (residuals/later_versions.py); None where
    there is none, or the array is at hand itself."""
    if op.defn.name != "slice":
        return None
    x = op.operands[0]
    while not frame.owns(x):
        frame = frame.parent
        if frame is None:
            return None
    if frame.parent is None or x in frame.known:
        return None
    return frame.run.settled.path(op)


def _version(frame: Any, path: list[tuple[Block, Value]]) -> Value:
    """The first of these versions that is at hand."""
    frames = {}
    while frame is not None:
        frames[frame.block] = frame
        frame = frame.parent
    for block, x in path:
        if x in frames[block].known:
            return frames[block].known[x]
    block, x = path[-1]
    return frames[block].get(x)


class _Needs(NamedTuple):
    """What computing a value again takes: how many elements of which values would have to be kept for it, and which ops run."""

    missing: dict[Value, float]
    seen: set[Value]
    again: list[Op]
    far: list[Value]           # where the way back is cut
    outer: bool                # in a branch, also what would have to be kept outside it


def _needs(frame: Region, v: Value) -> _Needs:
    needs = _Needs({}, set(), [], [], v.type == CONDITION)
    _add_needs(frame, v, needs, 0)
    return needs


def _worth(frame: Region, v: Value, needs: _Needs) -> bool:
    """Whether computing v again keeps hardly more than v: one value, not larger, or several that are much smaller and lead to v
    by little work. An array that is written to in place would be kept whole for each write."""
    total = sum(needs.missing.values())
    if len(needs.missing) == 1:
        small = 0 if next(iter(needs.missing)) in versions(frame.run, frame.block) else sizes.kept_elements
        return total <= max(_SLACK * _size(v), small)
    return total <= _size(v) / _PART and all(map(simple, needs.again))


def _add_needs(frame: Region | Frame, v: Value, needs: _Needs, steps: int) -> None:
    missing = needs.missing
    while needs.outer and _is_branch(frame) and not (frame.owns(v) or _overwritten_in(frame, v)):
        assert frame.parent is not None                # it is a branch
        frame = frame.parent
    if v.__class__ is Const or v in needs.seen or v in frame.known or frame.op is None:
        return
    if not (frame.owns(v) or _overwritten_in(frame, v)):
        return
    needs.seen.add(v)
    if v in frame.run.kept:
        return
    if not frame.owns(v):
        missing[v] = _destroyed_by(frame, v)
        return
    if v.owner is frame.block:
        if not _free(frame, v):
            missing[v] = _size(v)
        elif _restored(frame, v):
            missing[v] = _destroyed_by(frame, v)
    elif cheap(v.maker) and not _overwritten_next(frame, v.maker):
        if steps >= sizes.redone and frame.run.recordable(frame):
            missing[v] = _size(v)
            needs.far.append(v)
            return
        needs.again.append(v.maker)
        for x in v.maker.operands if _settled(frame, v.maker) is None else v.maker.operands[1:]:
            _add_needs(frame, x, needs, steps + 1)
    elif v.type.dims and _leads_out(frame, v):
        missing[v] = _destroyed_by(frame, v)
    else:
        missing[v] = _size(v)


def _is_branch(frame: Region | Frame) -> bool:
    return frame.op is not None and not is_loop(frame)


def _free(loop: Any, param: Value) -> bool:
    """Whether a parameter of a loop is found without keeping it: a counter, what does not change, what can be undone."""
    k = param.slot - loop.fixed
    if k < 0 or loop.block.yields[k] is param or step_of(loop, k) is not None:
        return True
    return bool(param.type.dims) and chain(loop.run, loop.block.yields[k], loop.block) is param and _leads_out(loop, param)


def _restored(loop: Any, param: Value) -> bool:
    k = param.slot - loop.fixed
    return k >= 0 and loop.block.yields[k] is not param and step_of(loop, k) is None


def _destroyed_by(frame: Region | Frame, v: Value) -> float:
    """How many elements of an array are overwritten from here to the version that is at hand: what undoing that keeps."""
    total, later = 0.0, versions(frame.run, frame.block)
    while v not in frame.known and (step := later.get(v)) is not None:
        total += _overwrites(frame.run, *step)
        v = step[0].results[step[1]]
    return total


def _overwrites(run: Reverse, op: Op, k: int) -> float:
    if not op.regions:
        return _size(op.operands[1])
    name = op.defn.name
    trips = 1.0
    if name in ("for", "while"):
        trips = op.operands[0].item if name == "for" and op.operands[0].__class__ is Const else 1e3
    total = 0.0
    for region in op.regions if name == "if" else op.regions[-1:]:
        v = region.yields[k]
        while (
            isinstance(v.owner, Op)
            and run.home.get(v.owner) is region
            and (base := bases(run, v.owner).get(v.slot)) is not None
        ):
            total += _overwrites(run, v.owner, v.slot)
            v = base
    return trips * total


def _size(v: Value) -> float:
    t = v.type
    return t.count if t.static else 1e3 ** len(t.dims)


# --- undo ---------------------------------------------------------------------------------------------------------------

def bases(run: Reverse, op: Op) -> dict[int, Value]:
    """For each array result of an op that is an operand with parts overwritten: its position, and that operand."""
    found = run.bases.get(op)
    if found is None:
        found = run.bases[op] = _BASES.get(op.defn.name, _no_bases)(run, op)
    return found


def _no_bases(run: Reverse, op: Op) -> dict:
    return {}


def _write_base(run: Reverse, op: Op) -> dict[int, Value]:
    return {0: op.operands[0]}


def _loop_bases(run: Reverse, op: Op) -> dict[int, Value]:
    body = op.regions[-1]
    fixed = len(op.operands) - len(op.results)
    return {k: op.operands[fixed + k] for k, (p, y) in enumerate(zip(body.params[fixed:], body.yields))
            if type(p.type) is Type and p.type.dims and chain(run, y, body) is p}


def _if_bases(run: Reverse, op: Op) -> dict[int, Value]:
    found = {}
    for k, (x, y) in enumerate(zip(op.regions[0].yields, op.regions[1].yields)):
        if type(x.type) is Type and x.type.dims:
            base = chain(run, x, op.regions[0])
            if base is chain(run, y, op.regions[1]) and base.__class__ is not Const:
                found[k] = base
    return found


_BASES = {**dict.fromkeys(WRITES, _write_base), "for": _loop_bases, "while": _loop_bases, "if": _if_bases}


def chain(run: Reverse, v: Value, block: Block) -> Value:
    """The array that v is after all writes inside this block: a parameter, or something from outside."""
    while isinstance(v.owner, Op) and run.home.get(v.owner) is block:
        base = bases(run, v.owner).get(v.slot)
        if base is None:
            return v
        v = base
    return v


def versions(run: Reverse, block: Block) -> dict[Value, tuple[Op, int]]:
    """For each array that an op of the block overwrites: the op, and the position of the result that replaces it."""
    found = run.versions.get(block)
    if found is None:
        found = run.versions[block] = {}
        for op in block.ops:
            for k, base in bases(run, op).items():
                found[base] = op, k
    return found


def _leads_out(frame: Any, v: Value) -> bool:
    """Whether a later version of an array is at hand, or will be from behind the region."""
    later, blocked = versions(frame.run, frame.block), frame.run.blocked
    while v not in blocked:
        step = later.get(v)
        if step is None:
            return False
        v = step[0].results[step[1]]
        if v in frame.known or frame.yielded(v) is not None:
            return True
    return False


def _writes(run: Reverse, block: Block) -> dict[Value, Op]:
    """For each value that an `update` of the block writes: that op."""
    found = run.writes.get(block)
    if found is None:
        found = run.writes[block] = {op.operands[1]: op for op in block.ops if op.defn.name == "update"}
    return found


def _holding(frame: Region, write: Op) -> Value | None:
    """Where a value is best found in the array that it was written to, that array: it is at hand, or nothing overwrites that
    part later, or the array will be restored anyway because other elements of it are read, and no further write stands
    between."""
    array, block = write.results[0], frame.block
    if array in frame.known:
        return frame.known[array]
    if frame.parent is not None and (path := frame.run.settled.path(write)) is not None:
        return _version(frame, path)
    if frame.yielded(array) is None or not is_loop(frame) or bases(frame.run, write)[0].owner is not block:
        return None
    earlier = write.operands[0]
    if any(op.defn.reads and op.operands[0] is earlier and not _overwritten_next(frame, op)
           and _settled(frame, op) is None for op in block.ops):
        return frame.get(array)
    return None


def undo(frame: Region, base: Value) -> Value:
    """The array as it was before the op that overwrites it.

    What that takes (positions, conditions, trip counts) cannot be read from the array itself: `blocked`.
    """
    op, k = versions(frame.run, frame.block)[base]
    if frame.op is not None:
        frame.run.note(frame.op, base, "restored")
    after, blocked = frame.get(op.results[k]), frame.run.blocked
    if base in blocked:                            # on behalf of the frame outside
        return _undo(frame, base, op, k, after)
    blocked.add(base)
    found = _undo(frame, base, op, k, after)
    blocked.discard(base)
    return found


def _undo(frame: Region, base: Value, op: Op, k: int, after: Value) -> Value:
    if op.defn.overwrites is None:
        frame.run.restore[op.defn.name](frame, op, k)
        return frame.known[base]
    old = _destroyed(frame, op)
    indices = [frame.get(i) for i in op.operands[2:]]
    return frame.b("scatter" if "scatter" in op.defn.name else "update", after, old, *indices, **op.attrs)


def before(branch: Branch, base: Value, k: int) -> Value:
    """In a branch, the outer array `base` that became its yield k."""
    return branch.last(k) if branch.block.yields[k] is base else undo(branch, base)


def _destroyed(frame: Region, op: Op) -> Value:
    """The elements that a write destroys."""
    run = frame.run
    old = run.destroyed.get(op)
    if old is None:
        reads = "gather" if "scatter" in op.defn.name else "slice"
        old = _same_read(run, op, reads)
        if old is None:
            old = run.forward_before(op, reads, op.operands[0], *op.operands[2:], **op.attrs)
        run.destroyed[op] = old
    found = frame.known.get(old)
    if found is None:
        found = frame.known[old] = keep(frame, old)
    return found


def _same_read(run: Reverse, write: Op, reads: str) -> Value | None:
    """A read of just what `write` overwrites, in the same block."""
    for op in run.home[write].ops:
        if op is write:
            return None
        if op.defn.name == reads and _reads_target(op, write):
            return op.results[0]
    return None


def _reads_target(read: Op, write: Op) -> bool:
    x, *indices = read.operands
    return (x is write.operands[0] and read.attrs == write.attrs
            and [*map(key_of, indices)] == [*map(key_of, write.operands[2:])])


def _overwritten_next(frame: Region | Frame, op: Op) -> bool:
    """Whether op reads just the elements that the next write to its array destroys: then keeping them is all there is to do."""
    if not op.defn.reads:
        return False
    x = op.operands[0]
    if x in frame.known or not (frame.owns(x) or _overwritten_in(frame, x)):
        return False
    step = versions(frame.run, frame.block).get(x)
    return step is not None and step[0].defn.overwrites is not None and _reads_target(op, step[0])


def _overwritten_in(frame: Region | Frame, x: Value) -> bool:
    """Whether a branch overwrites parts of an array from outside: what it was before is to be had by undoing that."""
    return (not is_loop(frame) and x in versions(frame.run, frame.block)
            and frame.parent is not None and x not in frame.parent.known)
