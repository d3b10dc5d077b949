"""Loop-invariant motion: what gives the same in every iteration is computed once, before the loop.

    for %i … { %1 = exp %a; %2 = mul %1, %x; … }    →    %1 = exp %a   for %i … { %2 = mul %1, %x; … }

Scalars always move: no pure op fails, so it does not matter whether the loop has an iteration. An array has to be stored
when it is made outside, so it moves where that costs less than making it anew each time, and less memory than there is already:

    worth it     exp and its kin, sums, products, sorts of arrays that exist (not of ones that are only broadcast:
                 exp(x[:, None] - y)); lists of single numbers
    comes along  what those are made from: slices, broadcasts, sums of two arrays …
    needs an     if the loop may have no iteration and is itself inside another, nothing large moves: it could be for nothing
    iteration    each time. A read of x[i] moves only out of a loop that has an iteration and before any check: else i may be
                 outside x.

Effects stay where they are, in order.
"""
from __future__ import annotations

from typing import Any

from ..analysis.patterns import number
from ..clone import dims_of, has_effect
from ..core import Block, Const, Function, Op, Value
from ..opdef import LIGHT, Elementwise, OpDef
from ..text.printer import everything
from ..types import StackType


def _heavy(defn: OpDef) -> bool:
    """Whether an array of such elements is worth its memory."""
    return defn.combines or defn.cost > LIGHT or not getattr(defn, "lanewise", True)


def invariant(f: Function) -> bool:
    """In place, on a function and what it calls; whether anything moved."""
    moved = False
    for g in everything(f):
        if any(op.defn.loop for op in g.body.walk()):
            moved |= _Motion(g).run()
    return moved


class _Frame:
    """A block on the way from the function's body to the op at hand.

    loop     whether the block is the body of a loop (else a branch, or the function's body)
    sure     of a loop: whether it has an iteration for sure
    inside   whether any loop is around what stands in this block
    quiet    no effect so far in this block
    """

    __slots__ = ("floor", "inside", "loop", "ops", "quiet", "sure")

    floor: int
    inside: bool

    def __init__(self, depth: int, loop: bool, sure: bool, outer: _Frame | None):
        self.ops: list[Op] = []
        self.loop, self.sure, self.quiet = loop, sure, True
        self.inside = loop or (outer is not None and outer.inside)
        self.floor = outer.floor if loop and outer is not None else depth           # no op moves out of a branch


class _Motion:
    """The motion in one function."""

    def __init__(self, f: Function):
        self.f = f
        self.frames: list[_Frame] = []
        self.level: dict[Value, int] = {}           # the frame where a value is, or could be for `light` ones
        self.light: dict[Op, int] = {}              # ops that move if something made from them does -> their frame by now
        self.memo: dict = {}
        self.moved = False

    def run(self) -> bool:
        for p in self.f.params:
            self.level.update((d, 0) for d in dims_of(p.type))
        self.block(self.f.body, False, False)
        return self.moved

    def block(self, block: Block, loop: bool, sure: bool) -> None:
        depth = len(self.frames)
        frame = _Frame(depth, loop, sure, self.frames[-1] if self.frames else None)
        self.frames.append(frame)
        self.level.update((p, depth) for p in block.params)
        for op in block.ops:
            if op.regions:
                self.control(op)
                self.stay(op, depth)
            elif depth > frame.floor and not has_effect(op, self.memo):
                self.pure(op, depth)
            else:
                self.stay(op, depth)
        self.frames.pop()
        block.ops = [op for op in frame.ops if self.light.get(op, depth) == depth]

    def control(self, op: Op) -> None:
        name = op.defn.name
        for k, region in enumerate(op.regions):
            loop = op.defn.loop
            at_once = name == "while" and k == 0                     # the condition is asked at least once
            once = name in ("for", "map") and (number(op.operands[0]) or 0) >= 1
            self.block(region, loop, at_once or once)

    def stay(self, op: Op, depth: int) -> None:
        frame = self.frames[depth]
        frame.ops.append(op)
        frame.quiet = frame.quiet and not has_effect(op, self.memo)
        self.level.update((r, depth) for r in op.results)

    def pure(self, op: Op, depth: int) -> None:
        """An op without effect in the body of a loop: move it now, let it come along later, or leave it."""
        target = self.target(op)
        name, frames = op.defn.name, self.frames
        if op.defn.reads and not _in_bounds(op):
            while target < depth and not all(f.sure and f.quiet for f in frames[target + 1:]):
                target += 1
        if target >= depth:
            self.stay(op, depth)
            return
        scalar = not any(r.type.__class__ is StackType or r.type.dims for r in op.results)
        if scalar and (op.defn.__class__ is Elementwise or op.defn.reads or name == "dim"):
            self.move(op, target)
            return
        if (_heavy(op.defn) and self.backed_result(op)) or _is_list(op):
            while target < depth and not (frames[target].inside is False or all(f.sure for f in frames[target + 1:])):
                target += 1
            if target < depth:
                self.move(op, target)
                return
        self.stay(op, depth)
        if op.defn.moves or op.defn.__class__ is Elementwise:
            self.light[op] = depth
            self.level.update((r, target) for r in op.results)

    def target(self, op: Op) -> int:
        """The outermost frame where all that the op reads is."""
        level, found = self.level, self.frames[-1].floor
        for v in op.operands:
            if v.__class__ is not Const and level[v] > found:
                found = level[v]
        for r in op.results:
            for d in dims_of(r.type):
                if d not in op.results and level[d] > found:
                    found = level[d]
        return found

    def move(self, op: Op, target: int) -> None:
        """Put an op at the end of a frame so far, behind what it is made from."""
        for v in op.operands:
            maker = v.op
            if maker is not None and self.light.get(maker, -1) > target:
                self.light[maker] = target
                self.move(maker, target)
        self.frames[target].ops.append(op)
        if op not in self.light:
            self.level.update((r, target) for r in op.results)
        self.moved = True

    # --- memory ------------------------------------------------------------------------------------------------------------

    def backed_result(self, op: Op) -> bool:
        """Whether arrays that exist anyway are at least as large as the result."""
        if all(not r.type.dims for r in op.results):
            return True
        if op.defn.name == "dot":
            return bool(op.attrs["contract"][0]) and all(self.backed(v) for v in op.operands)
        if len(op.results[0].type.dims) < len(op.operands[0].type.dims):
            return True
        return any(v.type.dims == op.results[0].type.dims and self.backed(v) for v in op.operands if v.type.dims)

    def backed(self, v: Value) -> bool:
        op = v.op
        if op not in self.light:
            return True
        name = op.defn.name
        if name in ("transpose", "reshape", "slice"):
            return self.backed(op.operands[0])
        if op.defn.__class__ is Elementwise:
            return any(o.type.dims == v.type.dims and self.backed(o) for o in op.operands if o.type.dims)
        return False


def _is_list(op: Op) -> bool:
    """Whether an array is made of single numbers, as of a list of Python: it is as short as the program that makes it."""
    return op.defn.name == "concat" and all(d == 1 for v in op.operands for d in v.type.dims)


def _in_bounds(op: Op) -> bool:
    """Whether a slice is of numbers inside an array of known lengths."""
    if op.defn.name != "slice":
        return False
    rest = iter(op.operands[1:])
    for char, dim in zip(op.attrs["spec"], op.operands[0].type.dims):
        if char == ":":
            continue
        found: list[Any] = [number(next(rest)) for _ in range(1 if char == "i" else 3)]
        if None in found or not isinstance(dim, int):
            return False
        start, length, step = found if char == "s" else (found[0], 1, 1)
        if length > 0 and not (0 <= start < dim and 0 <= start + (length - 1) * step < dim):
            return False
    return True
