"""A function that calls itself becomes a `while` over frames of its own.

    def fib(n):                          while sp >= 0:
        if n < 2: return n                   if pc == 0:  n = frame.n[sp]
        a = fib(n - 1)                                    if n < 2: result, sp, pc = n, sp - 1, frame.back[sp - 1]
        b = fib(n - 2)                                    else: frame.back[sp], frame.n[sp + 1], sp, pc = 1, n - 1, sp + 1, 0
        return a + b                         elif pc == 1: frame.a[sp] = result; …

The body is cut into segments at its calls of itself. One iteration runs a segment, from its start to the next call or return,
through branches; where a branch or a loop has calls inside, what comes after it is a segment too. A value that another segment
uses lives in an array with an element for each depth. Arrays that the function overwrites (its last parameters and results,
which its calls hand on) are one for all depths: the loop carries their present versions. All of it is ordinary IR, of which
nothing needs to know about recursion: derivatives run such a loop backwards like any other.
"""
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..build import Builder, const
from ..clone import copy_op, free_values
from ..core import Block, Function, Op, Value
from ..types import I64, StackType, Type

_WRITES = ("update", "update_add", "scatter", "scatter_add")
LARGEST = 1 << 22                        # elements of all frames of one value, at most


class Point(NamedTuple):
    """Where a segment begins: at op `k` of a block, where `called` is the call that has returned, or at the head of the loop
    `called`. `end`: where the block's end leads, `op`: whose region it is. `versions`: of the overwritten arrays, here."""

    block: Block
    k: int
    end: Point | None
    op: Op | None
    called: Op | None
    head: bool
    versions: tuple[Value, ...]


class State(NamedTuple):
    """What an iteration hands on: the depth, the segment that is next, the results of the last return, the overwritten arrays,
    the frames."""

    depth: Value
    next: Value
    results: tuple[Value, ...]
    shared: tuple[Value, ...]
    back: Value
    frames: tuple[Value, ...]

    def values(self) -> tuple[Value, ...]:
        return (self.depth, self.next, *self.results, *self.shared, self.back, *self.frames)

    def of(self, values: tuple[Value, ...]) -> State:
        n = 2 + len(self.results)
        m = n + len(self.shared)
        return State(values[0], values[1], tuple(values[2:n]), tuple(values[n:m]), values[m], tuple(values[m + 1:]))


class Unframed(Exception):
    """A value cannot live in frames: its size is not known, or too large."""


class _Machine:
    """The loop for one function, of which `callee` is what its own calls name."""

    def __init__(self, builder: Builder, body: Block, callee: Function, deepest: int, shared: int):
        self.builder, self.body, self.callee, self.deepest, self.count = builder, body, callee, deepest, shared
        self.own = len(body.params) - shared
        self.outs = len(body.yields) - shared
        self.inside = set(_defined(body))
        self.calling = {op: _calls(op, callee) for op in body.walk()}
        self.slots: dict[Value, int] = {p: k for k, p in enumerate(body.params[:self.own])}
        self.version: dict[Value, int] = {p: k for k, p in enumerate(body.params[self.own:])}
        self.find_versions(body)
        self.points: list[Point] = []
        self.numbers: dict[Point, int] = {}

    # --- the loop -----------------------------------------------------------------------------------------------------

    def run(self, args: Sequence[Value]) -> tuple[Value, ...]:
        while True:
            count = len(self.slots)
            scratch = Block()
            with self.builder.at(scratch):
                results = self.emit(args)
            if len(self.slots) == count:
                self.builder.block.ops.extend(scratch.ops)
                return results

    def emit(self, args: Sequence[Value]) -> tuple[Value, ...]:
        b = self.builder
        self.points, self.numbers = [], {}
        self.number(Point(self.body, 0, None, None, None, False, self.body.params[self.own:]))
        slots = list(self.slots)
        frames = []
        for v in slots:
            if not v.type.static or self.deepest * _size(v.type) > LARGEST:
                raise Unframed(v)
            frames.append(b.full(0, (self.deepest, *v.type.dims), v.type.dtype))
        for k, arg in enumerate(args[:self.own]):
            frames[k] = self.put(frames[k], arg, b.index(0))
        zeros = tuple(b.full(0, v.type.dims, v.type.dtype) for v in self.callee.results[:self.outs])
        start = State(b.index(0), const(0, I64), zeros, tuple(args[self.own:]), b.full(0, (self.deepest,), I64), tuple(frames))
        asked, step = (Block([v.type for v in start.values()]) for _ in range(2))
        with b.at(asked):
            asked.yields = (b("ge", asked.params[0], b.index(0)),)
        with b.at(step):
            step.yields = self.dispatch(start.of(step.params), 0).values()
        left = start.of(b.emit("while", *start.values(), regions=(asked, step)))
        return left.results + left.shared

    def dispatch(self, state: State, k: int) -> State:
        """The segments from number k on."""
        b = self.builder
        here, rest = Block(), Block()
        with b.at(here):
            here.yields = self.segment(self.points[k], state).values()
        if k + 1 == len(self.points):
            self.builder.block.ops.extend(here.ops)
            return state.of(here.yields)
        with b.at(rest):
            rest.yields = self.dispatch(state, k + 1).values()
        return state.of(b.emit("if", b("eq", state.next, const(k, I64)), regions=(here, rest)))

    def number(self, point: Point) -> int:
        if point not in self.numbers:
            self.numbers[point] = len(self.points)
            self.points.append(point)
        return self.numbers[point]

    # --- a segment ----------------------------------------------------------------------------------------------------

    def segment(self, point: Point, state: State) -> State:
        mapping: dict[Value, Value] = dict(zip(point.versions, state.shared))
        if point.head:
            return self.head(point, state, mapping)
        if point.called is not None:
            for old, new in zip(point.called.results, state.results):
                mapping[old] = new
                state = self.keep(state, old, new)
        return self.go(point, state, mapping)

    def go(self, point: Point, state: State, mapping: dict[Value, Value]) -> State:
        """From an op on to the next call or the end."""
        versions = point.versions
        for k in range(point.k, len(point.block.ops)):
            op = point.block.ops[k]
            if not self.calling[op]:
                needed = [*op.operands, *(v for region in op.regions for v in free_values(region))]
                self.take(needed, state, mapping)
                self.builder.loc, locate, self.builder.locate = op.loc, self.builder.locate, None
                results = copy_op(self.builder, op, mapping)
                self.builder.locate = locate
                for old, new in zip(op.results, results):
                    mapping[old] = new
                    state = self.keep(state, old, new)
                versions = self.latest(versions, op.results)
                continue
            after = point._replace(k=k + 1, called=None, versions=versions)
            if op.name == "call":
                return self.call(op, after._replace(called=op, versions=op.results[self.outs:]), state, mapping)
            if op.name == "if":
                return self.branch(op, after, state, mapping)
            return self.loop(op, after, state, mapping)
        return self.finish(point._replace(versions=versions), state, mapping)

    def call(self, op: Op, after: Point, state: State, mapping: dict[Value, Value]) -> State:
        b = self.builder
        args = self.take(op.operands, state, mapping)
        deeper = b.iop("add", state.depth, 1)
        b.loc, locate, b.locate = op.loc, b.locate, None
        b.emit("check", b("lt", deeper, b.index(self.deepest)), error="RecursionError",
               message="maximum recursion depth exceeded")
        b.locate = locate
        frames = list(state.frames)
        for k, arg in enumerate(args[:self.own]):
            frames[k] = self.put(frames[k], arg, deeper)
        back = self.put(state.back, const(self.number(after), I64), state.depth)
        return state._replace(depth=deeper, next=const(0, I64), shared=args[self.own:], back=back, frames=tuple(frames))

    def branch(self, op: Op, after: Point, state: State, mapping: dict[Value, Value]) -> State:
        (flag,) = self.take(op.operands, state, mapping)
        blocks = Block(), Block()
        before, after = after.versions, after._replace(versions=self.latest(after.versions, op.results))
        for region, block in zip(op.regions, blocks):
            with self.builder.at(block):
                inner = Point(region, 0, after, op, None, False, before)
                block.yields = self.go(inner, state, dict(mapping)).values()
        return state.of(self.builder.emit("if", flag, regions=blocks))

    def loop(self, op: Op, after: Point, state: State, mapping: dict[Value, Value]) -> State:
        body, b = op.regions[-1], self.builder
        inits = self.take(op.operands, state, mapping)
        inits = (b.index(0), *inits[1:]) if op.name == "for" else inits
        for p, v in zip(body.params, inits):
            self.want(p)
            state = self.keep(state, p, v)
        versions = self.latest(after.versions, body.params)
        shared = self.matched(versions, body.params, inits, state, mapping)
        head = after._replace(called=op, head=True, versions=versions)
        return state._replace(next=const(self.number(head), I64), shared=shared)

    def head(self, point: Point, state: State, mapping: dict[Value, Value]) -> State:
        """Whether there is another iteration."""
        op, b = point.called, self.builder
        assert op is not None
        body = op.regions[-1]
        versions = self.latest(point.versions, op.results)
        after = point._replace(called=None, head=False, versions=versions)
        now = self.take(body.params, state, mapping)
        if op.name == "for":
            (trip,) = self.take(op.operands[:1], state, mapping)
            flag = b("lt", now[0], trip)
        else:
            asked = op.regions[0]
            self.take(free_values(asked), state, mapping)
            inner = dict(mapping) | dict(zip(asked.params, now))
            for inside in asked.ops:
                inner.update(zip(inside.results, copy_op(b, inside, inner)))
            flag = inner.get(asked.yields[0], asked.yields[0])
        blocks = Block(), Block()
        with b.at(blocks[0]):
            blocks[0].yields = self.go(Point(body, 0, point, op, None, False, point.versions), state, dict(mapping)).values()
        with b.at(blocks[1]):
            left, carried = state, now[1:] if op.name == "for" else now
            for old, new in zip(op.results, carried):
                left = self.keep(left, old, new)
            shared = self.matched(versions, op.results, carried, left, mapping)
            blocks[1].yields = left._replace(next=const(self.number(after), I64), shared=shared).values()
        return state.of(b.emit("if", flag, regions=blocks))

    def finish(self, point: Point, state: State, mapping: dict[Value, Value]) -> State:
        """The end of a block: the function returns, a branch is left, a loop goes on."""
        b, op, after = self.builder, point.op, point.end
        yields = self.take(point.block.yields, state, mapping)
        if op is None:
            up = b.iop("sub", state.depth, 1)
            back = b("slice", state.back, b("max", up, b.index(0)), spec="i")
            return state._replace(depth=up, next=back, results=yields[:self.outs], shared=yields[self.outs:])
        if op.name == "if":
            for old, new in zip(op.results, yields):
                state = self.keep(state, old, new)
            assert after is not None
            shared = self.matched(after.versions, op.results, yields, state, mapping)
            return state._replace(next=const(self.number(after), I64), shared=shared)
        assert after is not None
        params = op.regions[-1].params
        if op.name == "for":
            (i,) = self.take(params[:1], state, mapping)
            yields = (b.iop("add", i, 1), *yields)
        for p, v in zip(params, yields):
            state = self.keep(state, p, v)
        shared = self.matched(after.versions, params, yields, state, mapping)
        return state._replace(next=const(self.number(after), I64), shared=shared)

    # --- overwritten arrays -------------------------------------------------------------------------------------------

    def find_versions(self, block: Block) -> None:
        """Note which values are versions of the overwritten arrays, as far as that is plain: others take frames."""
        for op in block.ops:
            if op.attrs.get("callee") is self.callee:
                self.version.update({r: k for k, r in enumerate(op.results[self.outs:])})
            elif op.name in _WRITES and op.operands[0] in self.version:
                self.version[op.result] = self.version[op.operands[0]]
            inits = op.operands[1:] if op.name == "for" else op.operands
            for region in op.regions if op.name in ("for", "while") else ():
                params = region.params[1:] if op.name == "for" else region.params
                self.version.update({p: self.version[v] for p, v in zip(params, inits) if v in self.version})
            for region in op.regions:
                self.find_versions(region)
            if op.regions and op.name != "map":
                yields = [region.yields for region in (op.regions if op.name == "if" else op.regions[-1:])]
                for r, found in zip(op.results, zip(*yields)):
                    known = {self.version.get(v) for v in found}
                    if len(known) == 1 and (version := known.pop()) is not None:
                        self.version[r] = version

    def latest(self, versions: tuple[Value, ...], values: tuple[Value, ...]) -> tuple[Value, ...]:
        """The versions where these values are newer ones."""
        found = {self.version[v]: v for v in values if v in self.version}
        return tuple(found.get(k, v) for k, v in enumerate(versions))

    def matched(self, versions: tuple[Value, ...], old: tuple[Value, ...], new: tuple[Value, ...], state: State,
                mapping: dict[Value, Value]) -> tuple[Value, ...]:
        """What the versions at the next segment's start are: `old` are about to be `new` there, others stay as they are."""
        becomes = dict(zip(old, new))
        return tuple(becomes[v] if v in becomes else self.take((v,), state, mapping)[0] for v in versions)
    # --- frames -------------------------------------------------------------------------------------------------------

    def want(self, value: Value) -> None:
        if isinstance(value.type, StackType):               # it cannot be put into an array of frames
            raise Unframed(value)
        self.slots.setdefault(value, len(self.slots))

    def take(self, values: Sequence[Value], state: State, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        """What stands for values in this segment; those of other segments are read from the frame."""
        for v in values:
            if v in mapping or v not in self.inside:
                continue
            self.want(v)
            k = self.slots[v]
            if k >= len(state.frames):                       # its frames are made in the next round
                mapping[v] = self.builder.full(0, v.type.dims, v.type.dtype)
            else:
                mapping[v] = self.builder("slice", state.frames[k], state.depth, spec="i" + ":" * len(v.type.dims))
        return tuple(mapping.get(v, v) for v in values)

    def keep(self, state: State, value: Value, new: Value) -> State:
        """Into the frame, where another segment uses it."""
        k = self.slots.get(value)
        if k is None or k >= len(state.frames):
            return state
        frames = (*state.frames[:k], self.put(state.frames[k], new, state.depth), *state.frames[k + 1:])
        return state._replace(frames=frames)

    def put(self, frames: Value, value: Value, depth: Value) -> Value:
        return self.builder("update", frames, value, depth, spec="i" + ":" * (frames.rank - 1))


def _defined(block: Block) -> Iterator[Any]:
    yield from block.params
    for op in block.ops:
        yield from op.results
        for region in op.regions:
            yield from _defined(region)


def _calls(op: Op, callee: Function) -> bool:
    return op.attrs.get("callee") is callee or any(_calls(inner, callee) for region in op.regions for inner in region.ops)


def _size(type: Type) -> int:
    return math.prod(type.shape)


def recursion_to_loop(builder: Builder, body: Block, callee: Function, args: Sequence[Value], deepest: int,
                      shared: int = 0) -> tuple[Value, ...]:
    """Emit the loop that calls the function of `body` with these arguments; its results. In `body` it calls itself as `callee`,
    whose parameters and results say the types; the last `shared` of both are arrays that it overwrites. `deepest`: how many
    calls may be under way. Raises Unframed."""
    return _Machine(builder, body, callee, deepest, shared).run(args)
