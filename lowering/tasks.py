"""The units of work that fuse.py arranges into loops: each computes one array (or a reduction) under loops of its own.

A task has `loops`, the dimensions that it runs over from the outside in; fuse.py may let several tasks share outer loops.
`body(g, index)` writes one innermost iteration. A reduction is opened before loop number `first` and closed after it:

    reduce [n, m] over axis 1      for i in n { r = 0;  for j in m { r += x[i, j] }  -> r is the result at [i] }
    reduce [n, m] over axis 0      out[:] = 0;  for i in n { for j in m { out[j] += x[i, j] } }      memory is walked row by row

`reads` says which memory is read at which terms (access.py), `write` at which terms the result is written: with them fuse.py
decides which tasks may share loops.
"""
from __future__ import annotations

from itertools import product

from ..ir.core import Op, Value
from ..ir.ops.linalg import dot_axes
from ..ir.ops.reduce import identity
from ..ir.types import BOOL, INDEX, DType
from .access import Reads, combine, concat_pieces, gather_index, gather_terms, ravel, region_index, region_terms, wrapped
from .cursor import operand
from .loopir import Fill, Imm, While
from .plan import TWICE

LONG = 64                 # lanes from this length on are searched in two passes

class Task:
    """memory: whether the value is stored. serial: the innermost loop must keep its order, and would keep others from
    being vectorised. loads: whether the value's own memory is read while it is written."""

    __slots__ = ("first", "item", "loops", "memory", "op", "path", "reads", "value", "write")
    serial = False
    register = False           # the value at an index is known in a register after `body` (or after the reduction's loop)

    def __init__(self, op: Op | None, value: Value | None, loops, program):
        self.op, self.value, self.loops = op, value, tuple(loops)
        self.reads = Reads(program)
        self.write: tuple | None = None
        self.memory = value is not None and value in program.must
        self.first: int | None = None
        self.path: list = []
        self.item = -1
        for d in self.loops:
            if type(d) is not int:
                self.reads.scalars.add(d)

    def read(self, v: Value, terms):
        if v.type.dims:
            self.reads.add(v, tuple(terms))
        else:
            self.reads.add_scalars((v,))

    def whole(self, g) -> bool:
        """Write the task in one statement, where it is alone in its nest and there is one."""
        return False

    def linear(self, g) -> bool:
        """Whether the task may run over element numbers instead of indices."""
        return False

    def _plain(self) -> bool:
        own = tuple(range(len(self.loops)))
        return self.reads.plain and all(terms == own for _, terms in self.reads.leaves)

    def begin(self, g, index):
        """Before the first reduced loop."""

    def finish(self, g, index):
        """After it."""

    def body(self, g, index):
        raise NotImplementedError


class StoreTask(Task):
    """A virtual array computed element by element."""

    register = True

    def __init__(self, value: Value, program):
        op = value.owner
        super().__init__(op, value, value.type.dims, program)
        self.write = tuple(range(len(self.loops)))
        self.reads.through(op, self.write)

    def whole(self, g) -> bool:
        op, place = self.op, g.place(self.value)
        if not self.memory or place.prefix or g.is_small(self.value.type):
            return False
        if op.defn.name == "broadcast" and not op.operands[0].type.dims:
            g.write(Fill(place.buffer, g.scalar(op.operands[0])))
            return True
        if op.defn.name in ("stop_gradient", "reshape"):
            return g.copy_whole(place, op.operands[0])
        return False

    def linear(self, g) -> bool:
        return self._plain()

    def body(self, g, index):
        atom = g.compute(self.value, index)
        if self.memory:
            g.store_value(self.value, index, atom)


class CopyTask(Task):
    """One array value copied into the memory of another: the base of an update whose old contents are still needed."""

    def __init__(self, value: Value, source: Value, program):
        super().__init__(None, value, value.type.dims, program)
        self.source, self.memory = source, True
        self.write = tuple(range(len(self.loops)))
        self.read(source, self.write)

    __slots__ = ("source",)

    def whole(self, g) -> bool:
        place = g.place(self.value)
        return not place.prefix and not g.is_small(self.value.type) and g.copy_whole(place, self.source)

    def body(self, g, index):
        g.store_value(self.value, index, g.value_at(self.source, index))


class PieceTask(Task):
    """One operand of a concatenation, into its range of the result."""

    __slots__ = ("number", "piece")

    def __init__(self, value: Value, number: int, program):
        op = value.owner
        piece = op.operands[number]
        super().__init__(op, value, piece.type.dims, program)
        self.piece, self.number = piece, number
        own = tuple(range(len(self.loops)))
        axis, offset = op.attrs["axis"], 0
        for x in op.operands[:number]:
            d = x.type.dims[axis]
            if type(d) is int:
                offset = offset + d if offset is not None else None
            else:
                offset = None
                self.reads.scalars.add(d)
        place = None if offset is None else axis if offset == 0 else ("s", axis, offset, 1)
        self.write = own[:axis] + (place,) + own[axis + 1:]
        self.read(piece, own)

    def body(self, g, index):
        axis = self.op.attrs["axis"]
        atom = g.value_at(self.piece, index)
        for k, (_, offset) in enumerate(concat_pieces(g, self.op)):
            if k == self.number:
                target = index[:axis] + (g.iop("add", index[axis], offset),) + index[axis + 1:]
                g.store_value(self.value, target, atom)


class FlatTask(Task):
    """A reshape, in the order of its operand's axes: no division is needed."""

    def __init__(self, value: Value, program):
        op = value.owner
        x = op.operands[0]
        super().__init__(op, value, x.type.dims, program)
        self.write = (None,) * value.type.rank
        self.read(x, range(x.type.rank))

    def whole(self, g) -> bool:
        place = g.place(self.value)
        return not place.prefix and g.copy_whole(place, self.op.operands[0])

    def body(self, g, index):
        x = self.op.operands[0]
        g.store_value(self.value, (ravel(g, index, x.type.dims),), g.value_at(x, index))


class RegionTask(Task):
    """update and update_add: v into a region of the result's memory, which holds the base."""

    def __init__(self, op: Op, program):
        v = op.operands[1]
        super().__init__(op, op.results[0], v.type.dims, program)
        own = tuple(range(len(self.loops)))
        self.write = region_terms(op.attrs["spec"], op.operands[2:], own)
        self.reads.add_scalars(op.operands[1:])
        self.read(v, own)

    def body(self, g, index):
        op = self.op
        v = op.operands[1]
        atom = g.value_at(v, index) if v.type.dims else g.scalar(v)
        where = region_index(g, op.attrs["spec"], op.operands[2:], index)
        g.write_element(self.value, where, atom, add=op.defn.name == "update_add")


class ScatterTask(Task):
    """scatter and scatter_add: in C order of the index arrays, so that later ones win."""

    serial = True

    def __init__(self, op: Op, program):
        v = op.operands[1]
        super().__init__(op, op.results[0], v.type.dims, program)
        own = tuple(range(len(self.loops)))
        self.write, b = gather_terms(op.attrs["axes"], op.attrs["at"], op.operands[2:], own)
        self.read(v, own)
        for i in op.operands[2:]:
            self.read(i, b)

    def body(self, g, index):
        op = self.op
        v = op.operands[1]
        atom = g.value_at(v, index) if v.type.dims else g.scalar(v)
        where = gather_index(g, op.attrs["axes"], op.attrs["at"], op.operands[2:], index)
        g.write_element(self.value, where, atom, add=op.defn.name == "scatter_add")


# --- reductions ---------------------------------------------------------------------------------------------------------


class ReduceTask(Task):
    """A reduction. `kept[l]`: loop l is an axis of the result; `order[a]` is the loop of result axis a."""

    __slots__ = ("combine", "kept", "order", "start", "vars")
    register = True

    def __init__(self, op: Op, loops, kept, order, program, kind: str):
        value = op.results[0]
        super().__init__(op, value, loops, program)
        dtype = value.type.dtype
        self.kept, self.order = tuple(kept), tuple(order)
        self.combine, self.start = combine(kind, dtype), Imm(identity(kind, dtype), dtype)
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

    def element(self, g, index):
        raise NotImplementedError

    def at(self, index):
        return tuple(index[k] for k in self.order)

    def begin(self, g, index):
        dtype = self.value.type.dtype
        self.vars = {}
        if self.in_register or self._few(g):
            for row in product(*(range(self.loops[k]) for k in self.rows)):
                self.vars[row] = g.var(dtype, "acc")
                g.set(self.vars[row], self.start)
        else:
            self._clear(g, dict(enumerate(index)), list(self.rows))

    def _few(self, g) -> bool:
        """Whether the rows are so short that their loops are written out: then each element is a variable."""
        return all(type(self.loops[k]) is int and g.written_out(self.path[k]) for k in self.rows)

    def _clear(self, g, at, rows):
        if rows:
            with g.loop(g.size(self.loops[rows[0]])) as i:
                self._clear(g, at | {rows[0]: i}, rows[1:])
        else:
            g.store_value(self.value, self.at(at), self.start)

    def body(self, g, index):
        x = self.element(g, index)
        if self.first is None:
            self._done(g, self.at(index), x)
        elif self.vars:
            g.accumulate(self.vars[tuple(index[k] for k in self.rows)], self.combine, x)
        else:
            g.add_to(self.value, self.at(index), self.combine, x, reassoc=True)

    def finish(self, g, index):
        for row, var in self.vars.items():
            at = dict(enumerate(index)) | dict(zip(self.rows, row))
            self._done(g, self.at(at), g.get(var))

    def _done(self, g, index, atom):
        g.remember(self.value, index, atom)
        if self.memory and self.value.type.dims:
            g.store_value(self.value, index, atom)


class AxisReduce(ReduceTask):
    """The op `reduce`, over the axes of its operand in order."""

    __slots__ = ()

    def __init__(self, op: Op, program):
        x, axes = op.operands[0], op.attrs["axes"]
        kept = [k not in axes for k in range(x.type.rank)]
        super().__init__(op, x.type.dims, kept, [k for k, keep in enumerate(kept) if keep], program, op.attrs["kind"])
        self.read(x, range(x.type.rank))

    def linear(self, g) -> bool:
        return self._plain() and not any(self.kept)

    def element(self, g, index):
        return g.value_at(self.op.operands[0], index)


class DotTask(ReduceTask):
    """A product of arrays as loops: batch, then the axes of the larger operand in its order, then the other's."""

    __slots__ = ("a_index", "b_index")

    def __init__(self, op: Op, program):
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
    def _order(batch, of_a, of_b, contracted):
        """Walk a matrix row by row; of two matrices, a's free axes, the contracted ones, then b's free axes."""
        wide, narrow = (of_a, of_b) if len(of_a) >= len(of_b) else (of_b, of_a)
        if len(set(wide) | set(narrow)) > len(wide):
            free_a = [x for x in of_a if x not in contracted]
            rest = free_a + [x for x in of_a if x in contracted] + of_b
        else:
            rest = list(wide)
        return list(dict.fromkeys(batch + rest))

    def element(self, g, index):
        a, b = self.op.operands
        x = g.value_at(a, tuple(index[k] for k in self.a_index))
        y = g.value_at(b, tuple(index[k] for k in self.b_index))
        return g.let("mul", (x, y), self.value.type.dtype)


# --- tasks with inner loops of their own ----------------------------------------------------------------------------------


class LaneTask(Task):
    """Works along one axis for each index of the others: `loops` are the other axes, `lane` writes the rest."""

    __slots__ = ("axis",)

    def __init__(self, op: Op, value: Value, program):
        x, self.axis = op.operands[0], op.attrs["axis"]
        others = [d for k, d in enumerate(x.type.dims) if k != self.axis]
        super().__init__(op, value, others, program)
        self.reads.add_scalars(d for d in x.type.dims if type(d) is not int)
        whole = list(range(len(others)))
        self.read(x, whole[:self.axis] + [None] + whole[self.axis:])
        self.write = tuple(whole) if value.type.rank == len(others) else tuple(whole[:self.axis] + [None] + whole[self.axis:])

    def full(self, index, i):
        return index[:self.axis] + (i,) + index[self.axis:]

    def length(self, g):
        return g.size(self.op.operands[0].type.dims[self.axis])


class ArgTask(LaneTask):
    """argmax and argmin: the first of equals; the first NaN if there is one."""

    __slots__ = ()
    register = True

    def body(self, g, index):
        x = self.op.operands[0]
        d = x.type.dims[self.axis]
        twice = (type(d) is not int or d >= LONG) and g.program.cost.get(x, 1) < TWICE
        atom = self._search(g, index) if twice else self._one_pass(g, index)
        g.remember(self.value, index, atom)
        if self.memory and self.value.type.dims:
            g.store_value(self.value, index, atom)

    def _one_pass(self, g, index):
        x, kind = self.op.operands[0], self.op.attrs["kind"]
        dtype = x.type.dtype
        best, at = g.var(dtype, "best"), g.var(INDEX, "at")
        g.set(best, Imm(identity(kind[3:], dtype), dtype))
        g.set(at, operand(0))
        with g.loop(self.length(g)) as i:
            v = g.value_at(x, self.full(index, i))
            old = g.get(best)
            better = _better(g, kind, v, old)
            g.set(best, g.let("select", (better, v, old), dtype))
            g.set(at, g.let("select", (better, i, g.get(at)), INDEX))
        return g.get(at)

    def _search(self, g, index):
        """The extreme value first, which vectorises, and then where it is; it is found unless there are no elements."""
        x, kind = self.op.operands[0], self.op.attrs["kind"][3:]
        dtype, n = x.type.dtype, self.length(g)
        best, at = g.var(dtype, "best"), g.var(INDEX, "at")
        g.set(best, Imm(identity(kind, dtype), dtype))
        with g.loop(n) as i:
            g.accumulate(best, combine(kind, dtype), g.value_at(x, self.full(index, i)))
        target = g.get(best)
        g.set(at, operand(0))
        with g.open() as head:
            i = g.get(at)
            v = g.value_at(x, self.full(index, i))
            other = g.let("ne", (v, target), BOOL, level=g.depth)
            if dtype.inexact:
                nan = g.let("and", (g.let("ne", (v, v), BOOL), g.let("ne", (target, target), BOOL)), BOOL)
                other = g.let("and", (other, g.let("not", (nan,), BOOL)), BOOL)
        with g.open() as body:
            g.set(at, g.let("add", (g.get(at), operand(1)), INDEX))
        some = g.compare("gt", n, 0)
        with g.open() as found:
            g.write(While(head, other, body))
        g.branch(some, found, [])
        return g.get(at)


def _better(g, kind: str, v, old):
    if v.dtype is BOOL:
        a, b = (v, old) if kind == "argmax" else (old, v)
        return g.let("and", (a, g.let("not", (b,), BOOL)), BOOL)
    better = g.let("gt" if kind == "argmax" else "lt", (v, old), BOOL)
    if not v.dtype.inexact:
        return better
    first_nan = g.let("and", (g.let("ne", (v, v), BOOL), g.let("eq", (old, old), BOOL)), BOOL)
    return g.let("or", (better, first_nan), BOOL)


class ScanTask(LaneTask):
    """Cumulative sum, product, maximum or minimum along the last axis."""

    __slots__ = ()

    def body(self, g, index):
        x, kind = self.op.operands[0], self.op.attrs["kind"]
        dtype, n = x.type.dtype, self.length(g)
        acc = g.var(dtype, "acc")
        g.set(acc, scan_start(kind, dtype))
        with g.loop(n) as i:
            k = g.iop("sub", g.iop("sub", n, 1), i) if self.op.attrs["reverse"] else i
            at = self.full(index, k)
            g.accumulate(acc, combine(kind, dtype), g.value_at(x, at), reassoc=False)
            g.store_value(self.value, at, g.get(acc))


class RowScanTask(Task):
    """A scan along an outer axis, row by row: out[i, …] = out[i - 1, …] + x[i, …]."""

    __slots__ = ()

    def __init__(self, op: Op, program):
        x, axis = op.operands[0], op.attrs["axis"]
        super().__init__(op, op.results[0], x.type.dims[:axis], program)
        self.reads.add_scalars(d for d in x.type.dims if type(d) is not int)
        own = tuple(range(axis)) + (None,) * (x.type.rank - axis)
        self.read(x, own)
        self.write = own

    def body(self, g, index):
        op = self.op
        dims = op.operands[0].type.dims[len(index):]
        n = g.size(dims[0])
        with g.loop(n) as i:
            k = g.iop("sub", g.iop("sub", n, 1), i) if op.attrs["reverse"] else i
            self._row(g, i, index + (k,), len(index), dims[1:])

    def _row(self, g, i, at, axis, dims):
        if dims:
            with g.loop(g.size(dims[0])) as j:
                self._row(g, i, at + (j,), axis, dims[1:])
            return
        op, dtype = self.op, self.value.type.dtype
        x = g.value_at(op.operands[0], at)
        before = g.iop("add", at[axis], 1) if op.attrs["reverse"] else g.iop("sub", at[axis], 1)
        first = g.compare("eq", i, 0)
        clamped = g.let("select", (first, operand(at[axis]), operand(before)), INDEX)
        old = g.load_value(self.value, at[:axis] + (clamped,) + at[axis + 1:])
        new = g.let(combine(op.attrs["kind"], dtype), (old, x), dtype)
        g.store_value(self.value, at, g.let("select", (first, x, new), dtype))


def scan_start(kind: str, dtype: DType) -> Imm:
    """The neutral element; of a floating sum it is -0.0, which keeps a leading -0.0."""
    if kind == "sum" and dtype.inexact:
        return Imm(complex(-0.0, -0.0) if dtype.complex else -0.0, dtype)
    return Imm(identity(kind, dtype), dtype)


class BoundsTask(Task):
    """The check of a `wrap` of an array of positions: whether any is outside, and only then, which."""

    __slots__ = ("bad",)
    serial = True

    def __init__(self, op: Op, program):
        super().__init__(op, None, op.operands[0].type.dims, program)
        self.first = 0
        self.read(op.operands[0], range(len(self.loops)))
        self.reads.add_scalars(op.operands[1:])

    def begin(self, g, index):
        self.bad = g.var(BOOL, "bad")
        g.set(self.bad, Imm(False, BOOL))

    def _outside(self, g, index):
        i = g.value_at(self.op.operands[0], index)
        return i, wrapped(g, i, g.scalar(self.op.operands[1]))[1]

    def body(self, g, index):
        g.accumulate(self.bad, "or", self._outside(g, index)[1])

    def finish(self, g, index):
        with g.open() as then:
            self._report(g, ())
        g.branch(g.get(self.bad), then, [])

    def _report(self, g, index):
        if len(index) < len(self.loops):
            with g.loop(g.size(self.loops[len(index)])) as i:
                self._report(g, index + (i,))
        else:
            i, bad = self._outside(g, index)
            g.fail(bad, g.site_of(self.op), (i, g.scalar(self.op.operands[1])))


class NonzeroTask(Task):
    """The positions of true elements, counted in C order."""

    __slots__ = ()

    def __init__(self, op: Op, program):
        super().__init__(op, op.results[0], (), program)
        self.memory = True
        self.write = (None,)
        mask = op.operands[0]
        self.reads.add_scalars(d for d in mask.type.dims if type(d) is not int)
        self.reads.add_scalars(op.operands[1:])
        self.read(mask, (None,) * mask.type.rank)

    def body(self, g, index):
        count = g.var(INDEX, "count")
        g.set(count, operand(0))
        self._level(g, count, self.op.operands[0], ())

    def _level(self, g, count, mask, index):
        if len(index) < mask.type.rank:
            with g.loop(g.size(mask.type.dims[len(index)])) as i:
                self._level(g, count, mask, index + (i,))
            return
        hit = g.value_at(mask, index)
        with g.open() as then:
            at = g.get(count)
            for r, i in zip(self.op.results, index):
                g.store_value(r, (at,), operand(i))
            g.set(count, g.let("add", (at, operand(1)), INDEX))
        g.branch(hit, then, [])

