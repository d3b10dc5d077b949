"""The units of work that schedule/fuse.py arranges into loops: each computes one array (or a reduction) under loops of its own.

A task has `loops`, the dimensions that it runs over from the outside in; schedule/fuse.py may let several tasks share outer
loops. `body(g, index)` writes one innermost iteration. A reduction is opened before loop number `first` and closed after it.

`reads` says which memory is read at which terms (schedule/index_rules.py), `write` at which terms the result is written: with
them schedule/fuse.py decides which tasks may share loops. `Loop`, `Nest` and `Step` are what it makes of them.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ...ir.core import Op, Value
from ...ir.types import Dim
from ..loopir.grammar import Fill, Scalar
from .index_rules import Reads, Term, Terms, concat_pieces, gather_index, gather_terms, ravel, region_index, region_terms
from .materialize import run_time

if TYPE_CHECKING:
    from ..build.loop_builder import Nester
    from .fuse import Schedule
    from .materialize import Program
    from .stencil_updates import Joining


class Task:
    """memory: whether the value is stored. serial: the innermost loop must keep its order, and would keep others from
    being vectorised. loads: whether the value's own memory is read while it is written."""

    __slots__ = ("first", "item", "loops", "memory", "op", "path", "reads", "value", "write")
    serial = False
    adds = False               # whether it adds to a part of an array
    register = False           # the value at an index is known in a register after `body` (or after the reduction's loop)

    def __init__(self, op: Op | None, value: Value | None, loops: Sequence[Dim], program: Program):
        self.op, self.value, self.loops = op, value, tuple(loops)
        self.reads = Reads(program)
        self.write: Terms | None = None
        self.memory = value is not None and value in program.must
        self.first: int | None = None
        self.path: list = []
        self.item = -1
        self.reads.scalars.update(run_time(self.loops))

    def read(self, v: Value, terms: Iterable[Term]) -> None:
        if v.type.dims:
            self.reads.add(v, tuple(terms))
        else:
            self.reads.add_scalars((v,))

    def whole(self, g: Nester) -> bool:
        """Write the task in one statement, where it is alone in its nest and there is one."""
        return False

    def linear(self, g: Nester) -> bool:
        """Whether the task may run over element numbers instead of indices."""
        return False

    def _plain(self) -> bool:
        own = tuple(range(len(self.loops)))
        return self.reads.plain and all(terms == own for _, terms in self.reads.leaves)

    def begin(self, g: Any, index: tuple[int | Scalar, ...]) -> None:
        """Before the first reduced loop."""

    def finish(self, g: Any, index: tuple[int | Scalar, ...]) -> None:
        """After it."""

    def body(self, g: Any, index: tuple[int | Scalar, ...]) -> None:
        raise NotImplementedError


class Loop:
    """`opens`: the reductions whose first reduced loop this is."""

    __slots__ = ("children", "dim", "opens", "serial")

    def __init__(self, dim: Dim):
        self.dim, self.serial = dim, False
        self.children: list[Loop | Task] = []
        self.opens: list[Task] = []


class Nest:
    __slots__ = ("after", "children", "tasks")

    def __init__(self) -> None:
        self.children: list[Loop | Task] = []
        self.tasks: list[Task] = []
        self.after: list[Op] = []


class Step:
    """An op that runs alone. plans: the schedule of each region."""

    __slots__ = ("after", "op", "plans")

    def __init__(self, op: Op, plans: Sequence[Schedule] = ()):
        self.op, self.plans = op, tuple(plans)
        self.after: list[Op] = []


class OpTask(Task):
    """A task that computes a result of an op."""

    __slots__ = ()
    op: Op
    value: Value


class StoreTask(OpTask):
    """A virtual array computed element by element."""

    register = True

    def __init__(self, value: Value, program: Program):
        op = value.maker
        super().__init__(op, value, value.type.dims, program)
        own = tuple(range(len(self.loops)))
        self.write = own
        self.reads.through(op, own)

    def whole(self, g: Nester) -> bool:
        op = self.op
        if not self.memory or g.is_small(self.value.type):
            return False
        place = g.memory(self.value)
        if place.prefix:
            return False
        if op.defn.name == "empty":
            return True
        if op.defn.name == "broadcast" and not op.operands[0].type.dims:
            g.write(Fill(place.buffer, g.scalar(op.operands[0])))
            return True
        if op.defn.name in ("stop_gradient", "reshape"):
            return g.copy_whole(place, op.operands[0])
        return False

    def linear(self, g: Nester) -> bool:
        return self._plain()

    def body(self, g: Nester, index: tuple[int | Scalar, ...]) -> None:
        atom = g.compute(self.value, index)
        if self.memory:
            g.store_value(self.value, index, atom)


class CopyTask(Task):
    """One array value copied into the memory of another: the base of an update whose old contents are still needed."""

    __slots__ = ("source",)
    value: Value

    def __init__(self, value: Value, source: Value, program: Program):
        super().__init__(None, value, value.type.dims, program)
        self.source, self.memory = source, True
        own = tuple(range(len(self.loops)))
        self.write = own
        self.read(source, own)

    def whole(self, g: Nester) -> bool:
        place = g.memory(self.value)
        return not place.prefix and not g.is_small(self.value.type) and g.copy_whole(place, self.source)

    def body(self, g: Nester, index: tuple[int | Scalar, ...]) -> None:
        g.store_value(self.value, index, g.value_at(self.source, index))


class PieceTask(OpTask):
    """One operand of a concatenation, into its range of the result."""

    __slots__ = ("number", "offset", "piece")

    def __init__(self, value: Value, number: int, program: Program):
        op = value.maker
        piece = op.operands[number]
        super().__init__(op, value, piece.type.dims, program)
        self.piece, self.number = piece, number
        own: Terms = tuple(range(len(self.loops)))
        axis: int = op.attrs["axis"]
        offset: int | None = 0
        for x in op.operands[:number]:
            d = x.type.dims[axis]
            if isinstance(d, int):
                offset = offset + d if offset is not None else None
            else:
                offset = None
                self.reads.scalars.add(d)
        self.offset = offset
        place: Term = None if offset is None else axis if offset == 0 else ("s", axis, offset, 1)
        self.write = own[:axis] + (place,) + own[axis + 1:]
        self.read(piece, own)

    def body(self, g: Nester, index: tuple[int | Scalar, ...]) -> None:
        axis = self.op.attrs["axis"]
        atom = g.value_at(self.piece, index)
        offset = self.offset if self.offset is not None else next(
            place for k, (_, place) in enumerate(concat_pieces(g, self.op)) if k == self.number)
        g.store_value(self.value, index[:axis] + (g.iop("add", index[axis], offset),) + index[axis + 1:], atom)


class FlatTask(OpTask):
    """A reshape, in the order of its operand's axes: no division is needed."""

    def __init__(self, value: Value, program: Program):
        op = value.maker
        x = op.operands[0]
        super().__init__(op, value, x.type.dims, program)
        self.write = (None,) * value.type.rank
        self.read(x, range(x.type.rank))

    def whole(self, g: Nester) -> bool:
        place = g.memory(self.value)
        return not place.prefix and g.copy_whole(place, self.op.operands[0])

    def body(self, g: Nester, index: tuple[int | Scalar, ...]) -> None:
        x = self.op.operands[0]
        g.store_value(self.value, (ravel(g, index, x.type.dims),), g.value_at(x, index))


class RegionTask(OpTask):
    """update and update_add: v into a region of the result's memory, which holds the base. `joining`: stencil_updates.py."""

    __slots__ = ("adds", "joining")

    def __init__(self, op: Op, program: Program):
        v = op.operands[1]
        super().__init__(op, op.results[0], v.type.dims, program)
        self.joining: Joining | None = None
        own: Terms = tuple(range(len(self.loops)))
        self.write = region_terms(op.attrs["spec"], op.operands[2:], own)
        self.adds = op.defn.name == "update_add"
        self.reads.add_scalars(op.operands[1:])
        self.read(v, own)

    def body(self, g: Nester, index: tuple[int | Scalar, ...]) -> None:
        op = self.op
        v = op.operands[1]
        atom = g.value_at(v, index) if v.type.dims else g.scalar(v)
        if op in g.sums:
            g.accumulate(g.sums[op], "add", atom)
            return
        where = region_index(g, op.attrs["spec"], op.operands[2:], index)
        g.write_element(self.value, where, atom, add=op.defn.name == "update_add")


class ScatterTask(OpTask):
    """scatter and scatter_add: in C order of the index arrays, so that later ones win."""

    serial = True

    def __init__(self, op: Op, program: Program):
        v = op.operands[1]
        super().__init__(op, op.results[0], v.type.dims, program)
        own = tuple(range(len(self.loops)))
        self.write, b = gather_terms(op.attrs["axes"], op.attrs["at"], op.operands[2:], own)
        self.read(v, own)
        for i in op.operands[2:]:
            self.read(i, b)

    def body(self, g: Nester, index: tuple[int | Scalar, ...]) -> None:
        op = self.op
        v = op.operands[1]
        atom = g.value_at(v, index) if v.type.dims else g.scalar(v)
        where = gather_index(g, op.attrs["axes"], op.attrs["at"], op.operands[2:], index)
        g.write_element(self.value, where, atom, add=op.defn.name == "scatter_add")
