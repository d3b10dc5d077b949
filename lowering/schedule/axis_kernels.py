"""Tasks with inner loops of their own: along an axis (argmax, cumulative sums), over all of a mask, over positions to check."""
from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from ...ir.core import Op, Value
from ...ir.ops.reduce import identity
from ...ir.thresholds import sizes
from ...ir.types import BOOL, INDEX, DType
from ..loopir.cursor import operand
from ..loopir.grammar import Imm, Scalar, Size, Var, While
from .index_rules import Term, combine, wrapped
from .materialize import run_time
from .tasks import OpTask, Task

if TYPE_CHECKING:
    from ..build.loop_builder import Nester
    from .materialize import Program


class LaneTask(OpTask):
    """Works along one axis for each index of the others: `loops` are the other axes, `lane` writes the rest."""

    __slots__ = ("axis",)

    def __init__(self, op: Op, value: Value, program: Program):
        x, self.axis = op.operands[0], op.attrs["axis"]
        others = [d for k, d in enumerate(x.type.dims) if k != self.axis]
        super().__init__(op, value, others, program)
        self.reads.add_scalars(run_time(x.type.dims))
        whole: list[Term] = list(range(len(others)))
        lane = [*whole[:self.axis], None, *whole[self.axis:]]
        self.read(x, lane)
        self.write = tuple(whole if value.type.rank == len(others) else lane)

    def full(self, index: tuple[Size, ...], i: Size) -> tuple[Size, ...]:
        return index[:self.axis] + (i,) + index[self.axis:]

    def length(self, g: Nester) -> Size:
        return g.size(self.op.operands[0].type.dims[self.axis])


class ArgTask(LaneTask):
    """argmax and argmin: the first of equals; the first NaN if there is one."""

    __slots__ = ()
    register = True

    def body(self, g: Nester, index: tuple[Size, ...]) -> None:
        x = self.op.operands[0]
        d = x.type.dims[self.axis]
        twice = (not isinstance(d, int) or d >= sizes.two_passes) and g.program.cost.get(x, 1) < sizes.twice
        atom = self._search(g, index) if twice else self._one_pass(g, index)
        g.remember(self.value, index, atom)
        if self.memory and self.value.type.dims:
            g.store_value(self.value, index, atom)

    def _one_pass(self, g: Nester, index: tuple[Size, ...]) -> Scalar:
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

    def _search(self, g: Any, index: Any) -> Any:
        """The extreme value of each block, which vectorises, and the first block with the best one; then where it is in there.
        It is found unless there are no elements."""
        n, step = self.length(g), sizes.arg_block
        blocks = g.iop("floordiv", n, step)
        best, first = g.var(self.op.operands[0].type.dtype, "best"), g.var(INDEX, "first")
        g.set(best, self._identity())
        g.set(first, operand(0))
        with g.loop(blocks) as k:
            self._block(g, index, (best, first), g.iop("mul", k, step), step)
        start = g.iop("mul", blocks, step)
        self._block(g, index, (best, first), start, g.iop("sub", n, start))
        with g.open() as found:
            self._place(g, index, g.get(best), first)
        g.branch(g.compare("gt", n, 0), found, [])
        return g.get(first)

    def _identity(self) -> Imm:
        dtype = self.op.operands[0].type.dtype
        return Imm(identity(self.op.attrs["kind"][3:], dtype), dtype)

    def _block(self, g: Any, index: Any, state: tuple[Var, Var], start: Size, count: Size) -> None:
        """state = (best, first), after the block of `count` elements from `start` on."""
        x, kind = self.op.operands[0], self.op.attrs["kind"]
        dtype, (best, first) = x.type.dtype, state
        own = g.var(dtype, "extreme")
        g.set(own, self._identity())
        with g.loop(count) as j:
            g.accumulate(own, combine(kind[3:], dtype), g.value_at(x, self.full(index, g.iop("add", start, j))))
        new, old = g.get(own), g.get(best)
        better = _better(g, kind, new, old)
        g.set(best, g.let("select", (better, new, old), dtype))
        g.set(first, g.let("select", (better, operand(start), g.get(first)), INDEX))

    def _place(self, g: Any, index: Any, target: Scalar, at: Var) -> None:
        """Move `at` on to the first element that is equal to `target`, or NaN as it is."""
        x = self.op.operands[0]
        with g.open() as head:
            v = g.value_at(x, self.full(index, g.get(at)))
            other = g.let("ne", (v, target), BOOL, level=g.depth)
            if x.type.dtype.inexact:
                nan = g.let("and", (g.let("ne", (v, v), BOOL), g.let("ne", (target, target), BOOL)), BOOL)
                other = g.let("and", (other, g.let("not", (nan,), BOOL)), BOOL)
        with g.open() as body:
            g.set(at, g.let("add", (g.get(at), operand(1)), INDEX))
        g.write(While(head, other, body))


def _better(g: Nester, kind: str, v: Any, old: Scalar) -> Scalar:
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

    def body(self, g: Nester, index: Any) -> None:
        x, kind = self.op.operands[0], self.op.attrs["kind"]
        dtype, n = x.type.dtype, self.length(g)
        acc = g.var(dtype, "acc")
        g.set(acc, scan_start(kind, dtype))
        with g.loop(n) as i:
            k = g.iop("sub", g.iop("sub", n, 1), i) if self.op.attrs["reverse"] else i
            at = self.full(index, k)
            g.accumulate(acc, combine(kind, dtype), g.value_at(x, at), reassoc=False)
            g.store_value(self.value, at, g.get(acc))


class RowScanTask(OpTask):
    """A scan along an outer axis, row by row: out[i, …] = out[i - 1, …] + x[i, …]."""

    __slots__ = ()

    def __init__(self, op: Op, program: Program):
        x, axis = op.operands[0], op.attrs["axis"]
        super().__init__(op, op.results[0], x.type.dims[:axis], program)
        self.reads.add_scalars(run_time(x.type.dims))
        own = tuple(range(axis)) + (None,) * (x.type.rank - axis)
        self.read(x, own)
        self.write = own

    def body(self, g: Any, index: tuple[int | Scalar, ...]) -> None:
        op = self.op
        dims = op.operands[0].type.dims[len(index):]
        n = g.size(dims[0])
        with g.loop(n) as i:
            k = g.iop("sub", g.iop("sub", n, 1), i) if op.attrs["reverse"] else i
            self._row(g, i, index + (k,), len(index), dims[1:])

    def _row(self, g: Any, i: Any, at: Any, axis: int, dims: Any) -> None:
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
    op: Op

    def __init__(self, op: Op, program: Program):
        super().__init__(op, None, op.operands[0].type.dims, program)
        self.first = 0
        self.read(op.operands[0], range(len(self.loops)))
        self.reads.add_scalars(op.operands[1:])

    def begin(self, g: Nester, index: tuple[int | Scalar, ...]) -> None:
        self.bad = g.var(BOOL, "bad")
        g.set(self.bad, Imm(False, BOOL))

    def _outside(self, g: Nester, index: tuple[int | Scalar, ...]) -> Any:
        i = g.value_at(self.op.operands[0], index)
        return i, wrapped(g, i, g.scalar(self.op.operands[1]))[1]

    def body(self, g: Nester, index: tuple[int | Scalar, ...]) -> None:
        g.accumulate(self.bad, "or", self._outside(g, index)[1])

    def finish(self, g: Nester, index: tuple[int | Scalar, ...]) -> None:
        with g.open() as then:
            self._report(g, ())
        g.branch(g.get(self.bad), then, [])

    def _report(self, g: Nester, index: tuple[Scalar, ...]) -> None:
        if len(index) < len(self.loops):
            with g.loop(g.size(self.loops[len(index)])) as i:
                self._report(g, index + (i,))
        else:
            i, bad = self._outside(g, index)
            g.fail(bad, g.site_of(self.op), (i, g.scalar(self.op.operands[1])))


CHEAP = 12               # what an element of a mask may cost (opdef.py) to be computed twice


class NonzeroTask(OpTask):
    """The positions of true elements, in C order. Each position is written where the next one belongs, and stays if its element
    is true: no branch depends on the data. After the last true element nothing is written. Blocks without a true element, which
    vectors find out, are passed over, unless the elements cost much."""

    __slots__ = ()

    def __init__(self, op: Op, program: Program):
        super().__init__(op, op.results[0], (), program)
        self.memory = True
        self.write = (None,)
        mask = op.operands[0]
        self.reads.add_scalars(run_time(mask.type.dims))
        self.reads.add_scalars(op.operands[1:])
        self.read(mask, (None,) * mask.type.rank)

    def body(self, g: Nester, index: tuple[int | Scalar, ...]) -> None:
        count, mask, found = g.var(INDEX, "count"), self.op.operands[0], g.index(self.op.operands[1])
        sizes = [d for d in mask.type.dims if isinstance(d, int)]
        if type(found) is Scalar and len(sizes) == mask.type.rank:
            found.least, found.most = 0, prod(sizes)
        g.set(count, operand(0))
        self._level(g, count, mask, ())

    def _level(self, g: Nester, count: Var, mask: Value, index: tuple[Scalar, ...]) -> None:
        n = g.size(mask.type.dims[len(index)])
        if len(index) < mask.type.rank - 1:
            with g.loop(n) as i:
                self._level(g, count, mask, (*index, i))
            return
        begin: int | Scalar = 0
        block = sizes.mask_block
        if g.program.cost.get(mask, 1) <= CHEAP and not (type(n) is int and n < block):
            blocks = g.iop("floordiv", n, block)
            with g.loop(blocks) as b:
                self._block(g, count, mask, index, g.iop("mul", b, block), block)
            begin = g.iop("mul", blocks, block)
        self._run(g, count, mask, index, begin, n)

    def _block(self, g: Nester, count: Var, mask: Value, index: tuple[Scalar, ...], begin: int | Scalar, block: int) -> None:
        some = g.var(BOOL, "some")
        g.set(some, Imm(False, BOOL))
        with g.loop(block) as k:
            g.accumulate(some, "or", g.value_at(mask, (*index, g.iop("add", begin, k))))
        with g.open() as then:
            self._run(g, count, mask, index, begin, g.iop("add", begin, block))
        g.branch(g.get(some), then, [])

    def _run(self, g: Nester, count: Var, mask: Value, index: tuple[Scalar, ...], begin: int | Scalar,
             end: int | Scalar) -> None:
        last = g.var(INDEX, "last")
        g.set(last, operand(begin))
        with g.open() as head:
            i, at = g.get(last), g.get(count)
            more = g.let("lt", (at, operand(g.index(self.op.operands[1]))), BOOL, level=g.depth)
            more = g.let("and", (g.let("lt", (i, operand(end)), BOOL), more), BOOL)
        with g.open() as body:
            i, at = g.get(last), g.get(count)
            for r, k in zip(self.op.results, (*index, i)):
                g.store_value(r, (at,), operand(k))
            hit = g.let("cast", (g.value_at(mask, (*index, i)),), INDEX, {"dtype": INDEX})
            g.set(count, g.let("add", (at, hit), INDEX))
            g.set(last, g.let("add", (i, operand(1)), INDEX))
        g.write(While(head, more, body))
