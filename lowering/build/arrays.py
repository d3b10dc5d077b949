"""Arrays while a kernel is written: an element at an index, the memory that an array has, whole copies."""
from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...ir.core import Const, Op, Value
from ...ir.thresholds import sizes
from ...ir.types import F16, F32, Dim, Type
from ..loopir.cursor import Cursor, as_index
from ..loopir.grammar import Alloc, Atom, Buffer, Copy, Fill, Imm, Let, Scalar, Size, Stack, Var
from ..schedule.index_rules import ravel, unravel
from ..schedule.inplace import Storage
from ..schedule.materialize import is_fill, small, space
from ..schedule.memory_plan import MemoryPlan


class Place(NamedTuple):
    """Where an array lies: in a buffer, or in the part of it that has these leading indices."""

    buffer: Buffer
    prefix: tuple = ()


class Values(Cursor):
    """The cursor, with what it knows about arrays.

    env      value of rank 0 -> its atom                                where      storage -> its place
    stacks   value -> its stack, None for a new one                     constants  -> its place, what all elements are
    outs     result number -> its buffer                                allocated  temporary -> the block of its alloc
    sums     addition -> the variable that gathers it, while its loop is written
    """

    def __init__(self, plan: MemoryPlan):
        super().__init__()
        self.plan, self.program, self.stores = plan, plan.program, plan.stores
        self.env: dict[Value, Atom] = {}
        self.stacks: dict[Value, Stack | None] = {}
        self.where: dict[Storage, Place] = {}
        self.constants: dict[Const, tuple[Place, Imm | None]] = {}
        self.allocated: dict[Buffer, list] = {}
        self.outs: dict[int, Buffer] = {}
        self.sums: dict[Op, Var] = {}

    def computed(self, op: Op, index: tuple) -> Atom:
        """The element that a virtual op has at an index."""
        raise NotImplementedError

    # --- values -----------------------------------------------------------------------------------------------------

    def scalar(self, v: Value) -> Atom:
        """A value of rank 0."""
        return Imm(v.data.item(), v.type.dtype) if isinstance(v, Const) else self.env[v]

    def index(self, v: Dim | Scalar) -> Size:
        """A rank-0 index value or a dimension, of a type or of a buffer, as an index."""
        return as_index(self.scalar(v)) if isinstance(v, Value) else v

    size = index

    def dims(self, type: Type) -> tuple[Size, ...]:
        return tuple(self.size(d) for d in type.dims)

    def is_small(self, type: Type) -> bool:
        return small(type)

    def value_at(self, v: Value, index: tuple) -> Atom:
        """The element of an array at an index, computed once per index."""
        if not v.type.dims:
            return self.scalar(v)
        memo = self.memos[self.level(index)]
        found = memo.get((v, index))
        if found is None:
            place = self.place(v)
            if place is not None:
                found = self._read(v, place, index)
            else:
                found = self.computed(v.maker, index)
            memo[v, index] = found
        return found

    def compute(self, v: Value, index: tuple) -> Atom:
        """The element of a virtual array from its operands, although it has memory."""
        atom = self.computed(v.maker, index)
        self.memos[self.level(index)][v, index] = atom
        return atom

    def remember(self, v: Value, index: tuple, atom: Atom) -> None:
        """The element is in a register from here on."""
        if v.type.dims:
            self.memos[self.level(index)][v, index] = atom
        else:
            self.env[v] = atom

    def _read(self, v: Value, place: Place, index: tuple) -> Atom:
        if isinstance(v, Const) and v.frozen:
            uniform = self.constants[v][1]
            if uniform is not None:
                return uniform
            if all(type(i) is int for i in index) and len(index) == v.type.rank:
                return Imm(v.data[index].item(), v.type.dtype)
        return self.load(place.buffer, self._index(v, place, index), self.level(index))

    def _index(self, v: Value, place: Place, index: tuple) -> tuple:
        """The index into the buffer; one index of an array of higher rank is an element number."""
        if len(index) == v.type.rank:
            return place.prefix + tuple(index)
        return (self._from_start(place, index[0]),)

    # --- memory -----------------------------------------------------------------------------------------------------

    def place(self, v: Value) -> Place | None:
        """Where an array lies; None for a virtual one."""
        if isinstance(v, Const):
            return self._constant(v)
        s = self.stores.of.get(v)
        return self.where.get(s) if s is not None else None

    def memory(self, v: Value) -> Place:
        """Where an array lies, of one that is not virtual."""
        place = self.place(v)
        assert place is not None, v
        return place

    def _constant(self, v: Const) -> Place:
        found = self.constants.get(v)
        if found is None:
            data = v.data
            uniform: Imm | None = None
            if v.frozen:
                data = np.ascontiguousarray(data).reshape(data.shape)            # which makes an axis of none
                if 0 < data.size <= sizes.uniform and data.tobytes() == data.flat[:1].tobytes() * data.size:
                    uniform = Imm(data.flat[0].item(), v.type.dtype)
            buffer = Buffer(self.name(None, "const"), v.type.dtype, v.type.shape, "const", data, frozen=v.frozen)
            found = self.constants[v] = (Place(buffer), uniform)
        return found[0]

    def ensure(self, v: Value) -> Place:
        """The memory of an array, as planned; a temporary or result of run-time size is allocated here if it is not yet."""
        s = self.stores.of[v]
        place = self.where.get(s)
        if place is None:
            if s.home is None:
                place = self.temporary(v.type, v.name, s.space)
            elif s.home[0] == "out":
                place = self.open_result(s.home[1], v.type)
            else:
                _, op, k = s.home
                outer = self.ensure(op.results[k])
                place = Place(outer.buffer, outer.prefix + (self.index(op.regions[0].params[0]),))
            self.where[s] = place
        return place

    def open_result(self, k: int, type: Type) -> Place:
        """The memory of result k, allocated where only the kernel knows its size."""
        buffer = self.outs[k]
        if buffer.space == "result":
            buffer.dims = self.dims(type)
            self.write(Alloc(buffer))
        return Place(buffer)

    def temporary(self, type: Type, name: str | None = None, kind: str | None = None) -> Place:
        """New memory: of an array as the plan says, or for what a call or a copy needs besides."""
        buffer = Buffer(self.name(name, "t"), type.dtype, self.dims(type), kind or space(type))
        self.write(Alloc(buffer))
        self.allocated[buffer] = self.stack[-1]
        return Place(buffer)

    def beside(self, v: Value, like: Value) -> None:
        """Allocate v where `like` was, which has its dimensions: what exchanges memory must live equally long."""
        s, model = self.stores.of[v], self.ensure(like).buffer
        if s not in self.where:
            block = self.allocated[model]
            buffer = Buffer(self.name(v.name, "t"), v.type.dtype, model.dims, s.space)
            at = next(k for k, stmt in enumerate(block) if type(stmt) is Alloc and stmt.buffer is model)
            block.insert(at + 1, Alloc(buffer))
            self.allocated[buffer] = block
            self.where[s] = Place(buffer)

    def store_value(self, v: Value, index: tuple, atom: Atom) -> None:
        place = self.memory(v)
        self.store(place.buffer, self._index(v, place, index), atom)

    def load_value(self, v: Value, index: tuple) -> Atom:
        """The element as it is now, in the innermost loop."""
        place = self.memory(v)
        return self.load(place.buffer, place.prefix + tuple(index), self.depth)

    def write_element(self, v: Value, index: tuple, atom: Atom, add: bool) -> None:
        if add:                                     # of an adjoint, or of elements that many positions name
            self.add_to(v, index, "add", atom, reassoc=False, any_order=True)
        else:
            self.store_value(v, index, atom)

    def add_to(self, v: Value, index: tuple, op: str, atom: Atom, reassoc: bool, any_order: bool = False) -> None:
        old, dtype = self.load_value(v, index), v.type.dtype
        wide = F32 if dtype is F16 else dtype           # f16 is added in f32, each sum rounded: as NumPy
        if wide is not dtype:
            old, atom = (self.let("cast", (x,), wide, {"dtype": wide}) for x in (old, atom))
        new = self.fresh(wide)
        self.write(Let(new, op, (old, atom), {"any_order": True} if any_order and wide is dtype else {}, reassoc))
        self.store_value(v, index, new if wide is dtype else self.let("cast", (new,), dtype, {"dtype": dtype}))

    def read_flat(self, v: Value, flat: Size) -> Atom:
        """Element number `flat` of an array in memory."""
        place = self.memory(v)
        if len(place.buffer.dims) == 1:
            return self.value_at(v, (flat,))
        if isinstance(v, Const) and isinstance(flat, int):
            return self.value_at(v, tuple(int(i) for i in np.unravel_index(flat, v.type.shape)))
        return self.load(place.buffer, (self._from_start(place, flat),))

    def _from_start(self, place: Place, flat: Size) -> Size:
        """The element number in the whole buffer."""
        if not place.prefix:
            return flat
        n = len(place.prefix)
        row = ravel(self, place.prefix, place.buffer.dims[:n])
        return self.iop("add", self.iop("mul", row, self.product(place.buffer.dims[n:])), flat)

    # --- whole copies -------------------------------------------------------------------------------------------------

    def copy_whole(self, place: Place, source: Value) -> bool:
        """One statement that fills a place with an array; False where there is none."""
        found = self.place(source)
        if found is None and source.maker.defn.name == "empty":
            return True
        if found is None and is_fill(source.maker) and not place.prefix:
            self.write(Fill(place.buffer, self.scalar(source.maker.operands[0])))
            return True
        if found is None or found.prefix or place.prefix:
            return False
        self.write(Copy(place.buffer, found.buffer))
        return True

    def copy_into(self, place: Place, source: Value | Place) -> None:
        """All of an array into a place: a loop nest where there is no single statement."""
        if isinstance(source, Place) and not place.prefix:
            self.write(Copy(place.buffer, source.buffer))
        elif isinstance(source, Place):
            self._each(source.buffer.dims, (), lambda index: self.store(place.buffer, place.prefix + index,
                                                                        self.load(source.buffer, index, self.depth)))
        elif small(source.type) or not self.copy_whole(place, source):
            self.each(source.type, lambda index: self.store(place.buffer, place.prefix + index, self.value_at(source, index)))

    def each(self, type: Type, body: Callable) -> None:
        """body(index) for every index of a type, small ones written out."""
        if small(type):
            for flat in range(type.count):
                body(unravel(self, flat, type.dims))
        else:
            self._each(self.dims(type), (), body)

    def _each(self, dims: tuple[Size, ...], index: tuple[Scalar, ...], body: Callable) -> None:
        if not dims:
            body(index)
            return
        with self.loop(dims[0]) as i:
            self._each(dims[1:], index + (i,), body)
