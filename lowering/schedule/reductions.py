"""Reductions and products as loops: accumulators in registers where the reduced loops are the inner ones, else in memory.

    reduce [n, m] over axis 1      for i in n { r = 0;  for j in m { r += x[i, j] }  -> r is the result at [i] }
    reduce [n, m] over axis 0      out[:] = 0;  for i in n { for j in m { out[j] += x[i, j] } }      memory is walked row by row
    reduce [n, 3] over axis 0      three registers
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import TYPE_CHECKING

from ...ir.core import Op
from ...ir.ops.linalg import dot_axes
from ...ir.ops.reduce import few, identity
from ..loopir.grammar import Atom, Imm, Scalar, Size, Var
from .index_rules import combine
from .tasks import OpTask

if TYPE_CHECKING:
    from ..build.loop_builder import Nester
    from .materialize import Program


class ReduceTask(OpTask):
    """A reduction. `kept[l]`: loop l is an axis of the result; `order[a]` is the loop of result axis a."""

    __slots__ = ("combine", "kept", "loose", "order", "start", "vars")
    register = True

    def __init__(self, op: Op, loops: Sequence, kept: list[bool], order: list[int], program: Program, kind: str):
        value = op.results[0]
        super().__init__(op, value, loops, program)
        dtype = value.type.dtype
        self.kept, self.order = tuple(kept), tuple(order)
        self.combine, self.start = combine(kind, dtype), Imm(identity(kind, dtype), dtype)
        self.loose = not few([n for n, keep in zip(loops, self.kept) if not keep])      # taken in any order
        self.first = next((k for k, keep in enumerate(self.kept) if not keep), None)
        self.write = self.order
        if not self.in_register:
            self.memory = True

    @property
    def in_register(self) -> bool:
        """Whether the reduced loops are the inner ones."""
        return self.first is None or not any(self.kept[self.first:])

    @property
    def rows(self) -> tuple[int, ...]:
        """The kept loops inside the first reduced one."""
        if self.first is None:
            return ()
        return tuple(k for k in range(self.first, len(self.loops)) if self.kept[k])

    def element(self, g: Nester, index: tuple[Size, ...]) -> Atom:
        raise NotImplementedError

    def at(self, index: Sequence[Size] | Mapping[int, Size]) -> tuple[Size, ...]:
        return tuple(index[k] for k in self.order)

    def begin(self, g: Nester, index: tuple[Size, ...]) -> None:
        dtype = self.value.type.dtype
        self.vars: dict[tuple[Size, ...], Var] = {}
        short = self._short(g)
        if short is not None:
            for row in product(*map(range, short)):
                self.vars[row] = g.var(dtype, "acc")
                g.set(self.vars[row], self.start)
        else:
            self._clear(g, dict(enumerate(index)), list(self.rows))

    def _short(self, g: Nester) -> list[int] | None:
        """The lengths of the rows where they are so short that their loops are written out: then each element is a variable."""
        short = [n for k in self.rows if isinstance(n := self.loops[k], int) and g.written_out(self.path[k])]
        return short if len(short) == len(self.rows) else None

    def _clear(self, g: Nester, at: dict[int, Size], rows: list[int]) -> None:
        if rows:
            with g.loop(g.size(self.loops[rows[0]])) as i:
                self._clear(g, at | {rows[0]: i}, rows[1:])
        else:
            g.store_value(self.value, self.at(at), self.start)

    def body(self, g: Nester, index: tuple[int | Scalar, ...]) -> None:
        x = self.element(g, index)
        if self.first is None:
            self._done(g, self.at(index), x)
        elif self.vars:
            g.accumulate(self.vars[tuple(index[k] for k in self.rows)], self.combine, x, self.loose)
        else:
            g.add_to(self.value, self.at(index), self.combine, x, self.loose)

    def finish(self, g: Nester, index: tuple[Size, ...]) -> None:
        for row, var in self.vars.items():
            at = dict(enumerate(index)) | dict(zip(self.rows, row))
            self._done(g, self.at(at), self._total(g, g.get(var)))

    def _total(self, g: Nester, found: Atom) -> Atom:
        """What a register holds at the end. A sum in any order may leave out the 0.0 that it starts from, but that decides the
        sign of a sum of -0.0."""
        dtype = self.value.type.dtype
        return g.let("add", (found, self.start), dtype) if self.loose and self.combine == "add" and dtype.inexact else found

    def _done(self, g: Nester, index: tuple[int | Scalar, ...], atom: Atom) -> None:
        g.remember(self.value, index, atom)
        if self.memory and self.value.type.dims:
            g.store_value(self.value, index, atom)


class AxisReduce(ReduceTask):
    """The op `reduce`, over the axes of its operand in order."""

    __slots__ = ()

    def __init__(self, op: Op, program: Program):
        x, axes = op.operands[0], op.attrs["axes"]
        kept = [k not in axes for k in range(x.type.rank)]
        super().__init__(op, x.type.dims, kept, [k for k, keep in enumerate(kept) if keep], program, op.attrs["kind"])
        self.read(x, range(x.type.rank))

    def linear(self, g: Nester) -> bool:
        return self._plain() and not any(self.kept)

    def element(self, g: Nester, index: tuple[int | Scalar, ...]) -> Imm | Scalar:
        return g.value_at(self.op.operands[0], index)


class DotTask(ReduceTask):
    """A product of arrays as loops: batch, then the axes of the larger operand in its order, then the other's."""

    __slots__ = ("a_index", "b_index")

    def __init__(self, op: Op, program: Program):
        a, b = op.operands
        (a_batch, a_contract, a_free), (b_batch, b_contract, b_free) = dot_axes(op.attrs, a.type.rank, b.type.rank)
        # axes of the product: ("a", axis) for batch, contracted and free axes of a, ("b", axis) for free axes of b
        from_b = {j: ("a", i) for i, j in zip(a_batch + a_contract, b_batch + b_contract)}
        of_b = [from_b.get(j, ("b", j)) for j in range(b.type.rank)]
        of_a = [("a", i) for i in range(a.type.rank)]
        contracted = {("a", i) for i in a_contract}
        batch = [("a", i) for i in a_batch]
        order = self._order(batch, of_a, of_b, contracted)
        number = {axis: k for k, axis in enumerate(order)}
        dims = [(a if side == "a" else b).type.dims[k] for side, k in order]
        out = batch + [("a", i) for i in a_free] + [("b", j) for j in b_free]
        super().__init__(op, dims, [axis not in contracted for axis in order], [number[axis] for axis in out], program, "sum")
        self.a_index, self.b_index = tuple(number[x] for x in of_a), tuple(number[x] for x in of_b)
        self.read(a, self.a_index)
        self.read(b, self.b_index)

    @staticmethod
    def _order(batch: list, of_a: list[tuple[str, int]], of_b: list[tuple[str, int]],
               contracted: set[tuple[str, int]]) -> list[tuple[str, int]]:
        """Walk a matrix row by row; of two matrices, a's free axes, the contracted ones, then b's free axes."""
        wide, narrow = (of_a, of_b) if len(of_a) >= len(of_b) else (of_b, of_a)
        if len(set(wide) | set(narrow)) > len(wide):
            free_a = [x for x in of_a if x not in contracted]
            rest = free_a + [x for x in of_a if x in contracted] + of_b
        else:
            rest = list(wide)
        return list(dict.fromkeys(batch + rest))

    def element(self, g: Nester, index: tuple[int | Scalar, ...]) -> Scalar:
        a, b = self.op.operands
        x = g.value_at(a, tuple(index[k] for k in self.a_index))
        y = g.value_at(b, tuple(index[k] for k in self.b_index))
        return g.let("mul", (x, y), self.value.type.dtype)
