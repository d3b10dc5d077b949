"""Products and sums that are added to an array in memory: they add there themselves, and are nowhere stored.

    %t = dot %a, %b : f64[m, n]                        copy y = x, unless y lies in the memory of x
    %y = add %x, %t : f64[m, n]                        gemm y, a, b … beta = 1

where y is an array in memory, x is one, and nothing else reads t. An `update_add` of a row, x[k] += t, likewise. That is so for
products that a library computes, and for those products and sums whose loops would add to memory all the same (A.T @ r and the
sum of all rows of A, row by row of A).
"""
from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir.core import Const, Op, Value
from .index_rules import region_index, region_terms
from .library_calls import by_library, product_into
from .materialize import Program
from .reductions import AxisReduce, DotTask, ReduceTask

if TYPE_CHECKING:
    from ..build.loop_builder import Nester
    from ..loopir.grammar import Atom, Size


def absorb(program: Program) -> None:
    """Find them: `program.sums` leads from the op that adds to the product or sum. Those are no roots any more."""
    for y in [op for ops in program.ops.values() for op in ops if op.defn.name in ("add", "update_add")]:
        for k in (1, 0) if y.defn.name == "add" else (1,):
            part = y.operands[k].op
            if part is not None and part.defn.name in _TASKS and _may_add(program, part, y, y.operands[1 - k]):
                program.absorb(part, y)
                break


def _may_add(program: Program, part: Op, y: Op, base: Value) -> bool:
    t, total = part.results[0], y.results[0]
    if t not in program.rooted or len(program.uses[t]) != 1 or program.home[part] is not program.home[y]:
        return False
    if total not in program.must or isinstance(base, Const) or not program.buffered(base) or base.type != total.type:
        return False
    rows = _spec(y).rstrip(":")
    if rows.strip("i") or len(_spec(y)) - len(rows) != t.type.rank or t.type.dtype is not total.type.dtype:
        return False
    if called(part):
        return True
    return (t.type.rank > 0 and part.attrs.get("kind", "sum") == "sum" and _lies_there(program, base, y)
            and not _TASKS[part.defn.name][0](part, program).in_register)


def _lies_there(program: Program, base: Value, y: Op) -> bool:
    """Whether an array is in memory before the block begins or by an op that ends there. What loops of the block compute they
    may compute in the loops of the sum, which would have to wait for the last element."""
    op = base.op
    return op is None or program.home[op] is not program.home[y] or bool(op.regions) or op.defn.overwrites is not None


def called(part: Op) -> bool:
    """Whether a library computes it."""
    return part.defn.name == "dot" and by_library(part)


def _spec(y: Op) -> str:
    return y.attrs["spec"] if y.defn.name == "update_add" else ":" * y.results[0].type.rank


def _row(y: Op) -> tuple[Value, ...]:
    """The index operands of the row that is added to."""
    return y.operands[2:] if y.defn.name == "update_add" else ()


def base_of(program: Program, y: Op) -> Value:
    """The array that is added to."""
    t = program.sums[y].results[0]
    return next(v for v in y.operands if v is not t)


class _Summed(ReduceTask):
    """The loops of a product or sum that is added to an array."""

    __slots__ = ()
    register = False
    sum: Op

    def _into(self, y: Op) -> None:
        self.value, self.memory = y.results[0], True
        self.write = region_terms(_spec(y), _row(y), self.order)
        self.reads.add_scalars(_row(y))

    def _clear(self, g: Nester, at: dict[int, Size], rows: list[int]) -> None:
        """What is there stays."""

    def body(self, g: Nester, index: tuple[Size, ...]) -> None:
        x = self.element(g, index)
        if self.vars:
            g.accumulate(self.vars[tuple(index[k] for k in self.rows)], self.combine, x)
        else:
            self._done(g, self.at(index), x)

    def _done(self, g: Nester, index: tuple[Size, ...], atom: Atom) -> None:
        g.add_to(self.value, region_index(g, _spec(self.sum), _row(self.sum), index), "add", atom, reassoc=True)


class _Product(_Summed, DotTask):
    __slots__ = ("sum",)

    def __init__(self, y: Op, program: Program):
        DotTask.__init__(self, program.sums[y], program)
        self.sum = y
        self._into(y)


class _Sum(_Summed, AxisReduce):
    __slots__ = ("sum",)

    def __init__(self, y: Op, program: Program):
        AxisReduce.__init__(self, program.sums[y], program)
        self.sum = y
        self._into(y)


# by the op of the part: the loops that compute it by itself, and those that add it to an array
_TASKS: dict[str, tuple[type[DotTask | AxisReduce], type[_Product | _Sum]]] = {"dot": (DotTask, _Product),
                                                                              "reduce": (AxisReduce, _Sum)}


def task(y: Op, program: Program) -> _Summed:
    """The loops that add a product or sum to the array that y makes."""
    return _TASKS[program.sums[y].defn.name][1](y, program)


def summed(g: Nester, y: Op) -> None:
    """A library's product, added to the array that y makes."""
    zeros = (0,) * g.program.sums[y].results[0].type.rank
    product_into(g, g.program.sums[y], y.results[0], region_index(g, _spec(y), _row(y), zeros), 1.0)
