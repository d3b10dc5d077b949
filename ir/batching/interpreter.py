"""Lifting: the ops of one element of a batch become ops on all of them.

Each value of the body becomes a `BatchedValue` one. An op on shared values is emitted as it is; for each other one
batching/rules.py has a row, or batching/control.py for branches, loops and calls. Where elements may take different ways (a
`while` that data ends, a branch with effects), a `map` of its own runs that op:

    %r = while … { … }       ->       %r = map %i = 0 to %n { yield while … { … } }
"""
from __future__ import annotations

from collections.abc import Sequence

from ..analysis.patterns import made_by
from ..build import Builder
from ..clone import copy_op, dims_of, free_values
from ..core import Block, Op, Value, as_dim
from ..opdef import Elementwise
from ..types import INDEX, INDEX_SCALAR, Dim, Type
from .batched import BatchCost, BatchedValue, NotBatched, Unprofitable
from .control import CONTROL
from .rules import RULES


class Lift:
    """The lifting of one body, for `length` elements from number `start` on. `at` leads from each of its values to what it
    became."""

    def __init__(self, b: Builder, counter: Value, length: int, start: Value | None = None):
        self.b, self.trip, self.start = b, b.index(length), start
        iota = b("iota", self.trip, dtype=INDEX)
        self.iota = BatchedValue(iota if start is None else b("add", iota, start), 0)
        self.at: dict[Value, BatchedValue] = {counter: self.iota}
        self.loops = 0                                       # how many lifted loops are open
        self.tally = BatchCost()

    def results(self, body: Block) -> tuple[BatchedValue, ...]:
        """What the body yields. Raises Apart where nothing gains."""
        found = tuple(map(self.get, self.block(body)))
        if not self.tally.gains:
            raise Unprofitable
        return found

    def get(self, v: Value) -> BatchedValue:
        return self.at.get(v) or BatchedValue(v, None)

    def shared(self, v: Value) -> Value:
        """A value that must be the same for all elements, such as a length."""
        found = self.get(v)
        if found.axis is not None:
            raise NotBatched
        return found.value

    def dims(self, type: Type) -> list:
        """The dimensions of one element."""
        return [d if isinstance(d, int) else as_dim(self.shared(d)) for d in type.dims]

    # the batch's axis

    def place(self, axes: list[int | None], rank: int) -> int:
        """The axis for the batch in an array with elements of this rank, of those that its operands have. In a loop it comes
        last, so that what one iteration writes lies together."""
        found = sorted([a for a in axes if a is not None])
        return (found or [rank])[-1] if self.loops else (found or [0])[0]

    def moved(self, x: BatchedValue, axis: int) -> Value:
        """The array with the batch at this axis; repeated over the batch where it is shared."""
        b, value = self.b, x.value
        if x.axis is None:
            dims = [*value.type.dims[:axis], self.length, *value.type.dims[axis:]]
            if made_by(value, "empty"):
                return b("empty", *map(b.index, dims), dtype=value.type.dtype)
            if axis:
                value = b.reshape(value, [1 if k == axis else d for k, d in enumerate(dims)])
            return b.broadcast(value, dims)
        order = [k for k in range(value.rank) if k != x.axis]
        order.insert(axis, x.axis)
        return b.transpose(value, order)

    def spread(self, x: Value, dims: Sequence[Dim], axis: int) -> Value:
        """Numbers, one for each element, repeated to arrays of the dimensions `dims`, the batch at this axis."""
        if axis < len(dims):
            x = self.b.reshape(x, [1] * axis + [self.length] + [1] * (len(dims) - axis))
        return self.b.broadcast(x, [*dims[:axis], self.length, *dims[axis:]])

    @property
    def length(self) -> Dim:
        """The number of elements, as a dimension."""
        return as_dim(self.trip)

    # blocks and ops

    def block(self, block: Block) -> tuple[Value, ...]:
        """Emit the ops of a block, lifted. Returns its yields, which `get` leads on from."""
        outer = self.b.loc
        for op in block.ops:
            self.b.loc = op.loc or outer
            for old, new in zip(op.results, self.op(op), strict=True):
                self.at[old] = new
                if old.name and new.value.name is None:
                    new.value.name = old.name
        self.b.loc = outer
        return block.yields

    def op(self, op: Op) -> list[BatchedValue]:
        name = op.defn.name
        if name in CONTROL:
            return CONTROL[name](self, op)
        xs = [self.get(v) for v in op.operands]
        if all(x.axis is None for x in xs):
            self.count(op, shared=True)
            return [BatchedValue(r, None) for r in self.b.emit(op.defn, *[x.value for x in xs], **op.attrs)]
        self.count(op)
        rule = RULES["elementwise"] if isinstance(op.defn, Elementwise) else RULES.get(name)
        if rule is None:
            raise NotBatched
        found = rule(self, op, xs)
        return self.alone(op) if found is None else found

    def count(self, op: Op, shared: bool = False) -> None:
        """An op in the tally. A number that all elements share is computed once, not once for each."""
        if not isinstance(op.defn, Elementwise):
            return
        cost = op.defn.cost
        if op.results[0].type.dims:
            self.tally.arrays += not shared
        elif not shared or cost > 1:
            self.tally.work += cost

    def alone(self, op: Op) -> list[BatchedValue]:
        """`map i { op on element i }`. In a loop that would be a loop over the batch in each iteration: there it is refused."""
        if self.loops:
            raise Unprofitable
        b, region = self.b, Block([INDEX_SCALAR], ["i"])
        used = dict.fromkeys([*op.operands, *[v for r in op.regions for v in free_values(r)]])
        with b.at(region):
            mapping = {v: self._row(self.get(v), region.params[0]) for v in used}
            results = copy_op(b, op, mapping)
            inside = {r for made in region.ops for r in made.results}
            if any(type(r.type) is not Type or not inside.isdisjoint(dims_of(r.type)) for r in results):
                raise NotBatched
            region.yields = tuple(results)
        return [BatchedValue(r, 0) for r in b.emit("map", self.trip, regions=[region])]

    def _row(self, x: BatchedValue, i: Value) -> Value:
        if x.axis is None:
            return x.value
        if x is self.iota:
            return i if self.start is None else self.b.iop("add", self.start, i)
        return self.b("slice", x.value, i, spec=":" * x.axis + "i" + ":" * (x.value.rank - x.axis - 1))
