"""Overlapping additions to one array as one task: each element is written once, with all that is added to it.

    out[0:n-1] += a; out[1:n] += b      becomes      out[0] += a[0]
                                                     for i in n - 2 { out[i + 1] = out[i + 1] + a[i + 1] + b[i] }
                                                     out[n - 1] += b[n - 2]

Each axis is cut where a part begins or ends, so that in every cell of the grid of cuts the same parts meet: a loop there has
no branch. Short segments (the ends of a stencil) are written out. The sums keep the order of the program. This is the shape
of a stencil's adjoint: walking over the parts one after another reads and writes the array once for each.

Where an axis has a length of run time (`Length`), a cut is a number from its one end or its other one, which do not meet.

A task is joined to the one before on the same memory, and both then run in the place of the later one; `Joining` says when
that changes nothing. A fill of the array that comes first becomes the value that the sums start from.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from ...ir.analysis.lengths import Sum, plus, sum_of
from ...ir.analysis.patterns import scalar_in
from ...ir.core import Length, Op, Value
from ...ir.ops.index import region_axes, spec_operands
from ...ir.thresholds import sizes
from ...ir.types import Dim, Type
from .index_rules import as_dim
from .tasks import CopyTask, OpTask, RegionTask, Task

if TYPE_CHECKING:
    from ..build.loop_builder import Nester
    from ..loopir.grammar import Atom, Size
    from .fuse import Access, Schedule
    from .materialize import Program


class Edge(NamedTuple):
    """A place on an axis: so many elements from its start, or (end) from its stop where only run time knows that. In order."""

    end: bool
    at: int


Cell = tuple[tuple["Size", Edge], ...]        # for each axis (index, edge), whose sum is the position


class Part(NamedTuple):
    """One update: its operand, for each axis of the array where it starts and stops, and the axes of the operand."""

    value: Value
    adds: bool
    spans: tuple[tuple[Edge, Edge], ...]
    axes: tuple[int, ...]


def _edge(form: Sum | None, n: Dim) -> Edge | None:
    """The place on an axis of length n."""
    if form is None:
        return None
    lengths, at = form
    if lengths and lengths != {n: 1}:
        return None
    if isinstance(n, Length) and (abs(at) if lengths else at) > n.least // 2:
        return None
    return Edge(bool(lengths), at)


def _length(n: Dim) -> Edge:
    return Edge(False, n) if isinstance(n, int) else Edge(True, 0)


def _gap(a: Edge, b: Edge) -> int:
    """b - a; where run time knows it, many."""
    return b.at - a.at if a.end == b.end else sizes.overlapping + sizes.segment + 1


def _value(g: Nester, edge: Edge, n: Dim) -> Size:
    """An edge as an index."""
    return g.iop("add", g.size(n), edge.at) if edge.end else edge.at


def part_of(op: Op) -> Part | None:
    """An `update` or `update_add` of a region that lies at places known now, without gaps."""
    x, v, *indices = op.operands
    if not v.type.dims or not _large(x.type):
        return None
    spans, places = [], [as_dim(i) for i in indices]
    for char, dim, k in zip(op.attrs["spec"], x.type.dims, spec_operands(op.attrs["spec"])):
        start, length, step = (0, dim, 1) if char == ":" else (places[k], 1, 1) if char == "i" else places[k:k + 3]
        first, count = _sum(start), _sum(length)
        if first is None or count is None or step != 1 or count == ({}, 0):
            return None
        begin, end = _edge(first, dim), _edge(plus(first, count, 1), dim)
        if begin is None or end is None:
            return None
        spans.append((begin, end))
    return Part(v, op.defn.name == "update_add", tuple(spans), region_axes(op.attrs["spec"]))


def _sum(x: int | Value) -> Sum | None:
    return ({}, x) if isinstance(x, int) else sum_of(x)


def _large(x: Type) -> bool:
    """Whether an array is worth the trouble, with axes of known ends."""
    least = [d.least if isinstance(d, Length) else d for d in x.dims]
    known = [n for n in least if isinstance(n, int)]
    return len(known) == len(least) and prod(known) >= sizes.overlapping


def _meet(a: Part, b: Part) -> bool:
    return all(max(s[0], t[0]) < min(s[1], t[1]) for s, t in zip(a.spans, b.spans))


def segments(parts: list[Part], axis: int, n: Dim) -> Iterator[tuple[Edge, Edge, list[Part]]]:
    """(start, stop, parts there) along an axis, in order."""
    cuts = sorted({Edge(False, 0), _length(n), *(edge for p in parts for edge in p.spans[axis])})
    for a, b in pairwise(cuts):
        yield a, b, [p for p in parts if p.spans[axis][0] <= a and b <= p.spans[axis][1]]


def terms(parts: list[Part], dims: tuple[Dim, ...], axis: int = 0) -> int:
    """How many terms the code of all cells has."""
    if axis == len(dims):
        return len(parts)
    short = sizes.segment
    return sum(min(_gap(a, b), short) * terms(inside, dims, axis + 1) if _gap(a, b) <= short else terms(inside, dims, axis + 1)
               for a, b, inside in segments(parts, axis, dims[axis]) if inside)


def visit(g: Nester, dims: tuple[Dim, ...], parts: list[Part], wanted: Callable, element: Callable,
          at: Cell = ()) -> None:
    """element(g, at, parts there) in loops over the cells that are wanted(parts there, whether this is the last axis).

    at   for each outer axis (index, edge), whose sum is the position
    """
    if len(at) == len(dims):
        element(g, at, parts)
        return
    n = dims[len(at)]
    for a, b, inside in segments(parts, len(at), n):
        if not wanted(inside, len(at) == len(dims) - 1):
            continue
        if _gap(a, b) <= sizes.segment:
            for k in range(_gap(a, b)):
                visit(g, dims, inside, wanted, element, (*at, (k, a)))
        else:
            with g.loop(g.iop("sub", _value(g, b, n), _value(g, a, n))) as i:
                visit(g, dims, inside, wanted, element, (*at, (i, a)))


def position(g: Nester, at: Cell, dims: tuple[Dim, ...]) -> tuple[Size, ...]:
    return tuple([g.iop("add", i, _value(g, edge, n)) for (i, edge), n in zip(at, dims)])


class BorderTask(CopyTask):
    """The base of an update that overwrites most of it: only the other elements are copied, or filled."""

    __slots__ = ("part",)

    def __init__(self, value: Value, source: Value, part: Part, program: Program):
        super().__init__(value, source, program)
        self.part, self.loops = part, ()                                # beside no other task: `whole` writes it

    def whole(self, g: Nester) -> bool:
        visit(g, self.value.type.dims, [self.part], lambda inside, last: not (inside and last), self._element)
        return True

    def _element(self, g: Nester, at: Cell, parts: list) -> None:
        index = position(g, at, self.value.type.dims)
        g.store_value(self.value, index, g.value_at(self.source, index))


def base_copy(op: Op, program: Program) -> CopyTask:
    """How an update that does not work in place gets the elements that it leaves alone."""
    value, base = op.results[0], op.operands[0]
    part = part_of(op) if op.defn.name == "update" else None
    if part is None or 2 * prod(_gap(*span) for span in part.spans) < prod(_gap(Edge(False, 0), _length(n)) for n in
                                                                           value.type.dims):
        return CopyTask(value, base, program)
    return BorderTask(value, base, part, program)


class OverlapTask(OpTask):
    """Several updates of parts of one array. `fill`: the scalar that the array is filled with before, or None."""

    __slots__ = ("fill", "joining", "parts")
    serial = True

    def __init__(self, op: Op, parts: list[Part], fill: Value | None, program: Program):
        super().__init__(op, op.results[0], (), program)
        self.memory, self.parts, self.fill = True, parts, fill
        self.joining: Joining | None = None
        self.write = (None,) * self.value.type.rank
        for part in parts:
            self.read(part.value, (None,) * part.value.type.rank)
        if fill is not None:
            self.reads.add_scalars((fill,))

    def whole(self, g: Nester) -> bool:
        visit(g, self.value.type.dims, self.parts, lambda inside, last: inside or self.fill is not None, self._element)
        return True

    def _element(self, g: Nester, at: Cell, parts: list[Part]) -> None:
        dims, dtype = self.value.type.dims, self.value.type.dtype
        index = position(g, at, dims)
        total: Atom | None = None
        if not parts or parts[0].adds:
            total = g.load_value(self.value, index) if self.fill is None else g.scalar(self.fill)
        for part in parts:
            own = tuple(g.iop("add", at[k][0], g.iop("sub", _value(g, at[k][1], dims[k]), _value(g, part.spans[k][0], dims[k])))
                        for k in part.axes)
            term = g.value_at(part.value, own)
            if part.adds:
                assert total is not None                   # what is there, or an earlier part
                term = g.let("add", (total, term), dtype)
            total = term
        assert total is not None
        g.store_value(self.value, index, total)


class Joining:
    """What must not have changed since a task was added for it to be joined to a later one.

    The task then runs later: what it reads must still be there, and nobody may have seen what it wrote, nor stopped in between.
    """

    __slots__ = ("fill", "item", "parts", "readers", "sources")

    def __init__(self, schedule: Schedule, task: OpTask, parts: list[Part], fill: CopyTask | Value | None):
        self.item, self.parts, self.fill = task.item, parts, fill
        self.sources = [(access, access.writers[-1:]) for access in _sources(schedule, task)]
        self.readers = list(schedule.access(task.value).readers)

    def holds(self, schedule: Schedule, task: OpTask) -> bool:
        own = schedule.access(task.value)
        return (
            self.item > max(schedule.guard, schedule.barrier)
            and all(access is not own and [*map(id, access.writers[-1:])] == [*map(id, last)] for access, last in self.sources)
            and all(any(r is known for known in self.readers) for r in own.readers)
            and schedule.only_nests(self.item)
        )


def _sources(schedule: Schedule, task: Task) -> list[Access]:
    return [schedule.access(leaf) for leaf, _ in task.reads.leaves]


def joined(schedule: Schedule, op: Op) -> OverlapTask | None:
    """One task for the op and the task that wrote the array before; None where they stay apart. The earlier is withdrawn."""
    part = part_of(op) if op.defn.name == "update_add" else None
    own = schedule.access(op.results[0])
    if part is None or not own.writers:
        return None
    before = own.writers[-1][1]
    state = before.joining if isinstance(before, (RegionTask, OverlapTask)) else None
    if state is None or before.value is not op.operands[0] or not any(_meet(part, p) for p in state.parts):
        return None
    parts = [*state.parts, part]
    if not state.holds(schedule, before) or terms(parts, op.results[0].type.dims) > sizes.overlap_terms:
        return None
    fill = state.fill
    task = OverlapTask(op, parts, scalar_in(fill.source) if isinstance(fill, CopyTask) else fill, schedule.program)
    if any(access is own for access in _sources(schedule, task)):
        return None
    schedule.withdraw(before)
    if isinstance(fill, CopyTask):
        schedule.withdraw(fill)
    return task


def note(schedule: Schedule, op: Op, task: Task, copy: CopyTask | None) -> None:
    """Remember of a task that was just added what `joined` asks."""
    if isinstance(task, OverlapTask):
        task.joining = Joining(schedule, task, task.parts, task.fill)
        return
    if not isinstance(task, RegionTask):
        return
    part = part_of(op)
    if part is not None and (copy is None or scalar_in(copy.source) is not None):
        task.joining = Joining(schedule, task, [part], copy)
