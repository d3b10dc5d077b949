"""Tensor IR to loop IR: `lower(f)` makes the kernel of a function.

    plan.py     which arrays get memory                inplace.py  which of them share it
    fuse.py     which tasks share loops, in what order            tasks.py    what each task writes
    access.py   a virtual array at an index            cursor.py   the cursor: levels, hoisting
    nest.py     this: blocks, control, memory          control.py  if, for, while, map

The parameters of the kernel are those of the function, then its results, without those results that overwrite a parameter
(`f.attrs["inout"]`, {result: parameter}): such a parameter has space "inout" and holds the result afterwards.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..ir.build import Builder, function
from ..ir.core import Const, Function, Op, Value
from ..ir.ops.checks import wrap_message
from ..ir.rewrite import inline
from ..ir.types import BOOL, Type
from .access import ravel, rule, unravel, wrapped
from .control import CONTROL
from .cursor import Cursor, as_index, operand
from .fuse import Loop, Nest, Schedule
from .inplace import Storage, Stores
from .loopir import Alloc, At, Atom, Buffer, Clear, Copy, Fill, Imm, Kernel, Let, Pop, Print, Push, Stack
from .memory import plan_slots, work
from .plan import Program, is_fill, small
from .routines import ROUTINES
from .tasks import Task

UNROLL = 32               # iterations of a nest of small static loops that are written out
UNROLL_INNER = 8          # … of its inner loops, under a longer one
UNIFORM = 4096            # constant arrays up to this size are looked at: if all elements are equal they need no memory


class Place(NamedTuple):
    """Where an array lies: in a buffer, or in the part of it that has these leading indices."""

    buffer: Buffer
    prefix: tuple = ()


class Nester(Cursor):
    """Writes one kernel."""

    def __init__(self, f: Function):
        super().__init__()
        self.function = f
        self.program = Program(f)
        self.stores = Stores(self.program)
        self.plan = Schedule(self.program, self.stores, f.body, {})
        self.kernel = Kernel(f.name, [], self.stack[0])
        self.env: dict[Value, Atom] = {}
        self.where: dict[Storage, Place] = {}
        self.allocated: dict[Buffer, list] = {}    # temporary -> the block that it was allocated in
        self.constants: dict[Const, tuple] = {}
        self.sites: dict[Op, int] = {}

    # --- the whole kernel -------------------------------------------------------------------------------------------

    def run(self) -> Kernel:
        f, stores = self.function, self.stores
        buffers: dict[int, Buffer] = {}
        order = sorted(range(len(f.params)), key=lambda k: bool(f.params[k].type.dims))
        for k in order:
            p = f.params[k]
            home = stores.of[p].home[0] if p.type.dims else "in"
            buffers[k] = b = Buffer(self.name(p.name, "in"), p.type.dtype, self.dims(p.type), home)
            if p.type.dims:
                self.where[stores.of[p]] = Place(b)
            else:
                self.env[p] = self.load(b, ())
        self.outs: dict[int, Buffer] = {}
        results = [k for k in range(len(f.results)) if k not in stores.inout]
        for k in results:
            self.outs[k] = self._result(k, f.results[k].type)
        self.kernel.params = [buffers[k] for k in range(len(f.params))] + [self.outs[k] for k in results]
        self.block(self.plan)
        self._finish()
        plan_slots(self.kernel)
        self.kernel.work = work(self.kernel.body)
        return self.kernel

    def _result(self, k: int, type: Type) -> Buffer:
        name = self.name(None, "out")
        if type.static:
            return Buffer(name, type.dtype, type.dims, "out")
        return Buffer(name, type.dtype, (), "result")

    def _finish(self):
        """Outputs that were not computed in their own memory."""
        f, stores = self.function, self.stores
        pending = []
        for k, v in enumerate(f.results):
            if k in stores.inout:
                target = f.params[stores.inout[k]]
                if not stores.same(v, target):
                    pending.append((v, self.where[stores.of[target]]))
            elif not v.type.dims:
                self.store(self.outs[k], (), self.scalar(v))
            elif isinstance(v, Const) or stores.of[v].home != ("out", k):
                place = self.open_result(k, v.type)
                self.copy_into(place, v)
                self.note("copy", v, "a result needs memory of its own")
        for v, source, place in self._apart(pending):
            self.copy_into(place, source)
            self.note("copy", v, "the argument is overwritten at the end")

    def _apart(self, pending):
        """(value, what to copy, target): results that lie in other overwritten arguments are moved away first."""
        targets = {place.buffer for _, place in pending}
        out = []
        for v, place in pending:
            source = self.place(v)
            if source and len(pending) > 1 and source.buffer in targets:
                held = self.temporary(v.type)
                self.copy_into(held, v)
                out.append((v, held, place))
            else:
                out.append((v, v, place))
        return out

    def open_result(self, k: int, type: Type) -> Place:
        """The memory of result k, allocated where only the kernel knows its size."""
        buffer = self.outs[k]
        if buffer.space == "result":
            buffer.dims = self.dims(type)
            self.write(Alloc(buffer))
        return Place(buffer)

    # --- blocks -----------------------------------------------------------------------------------------------------

    def block(self, plan: Schedule):
        for op in plan.before:
            self.scalar_op(op)
        for item in plan.items:
            if isinstance(item, Nest):
                self.nest(item)
            elif self.at(item.op).regions:
                CONTROL[item.op.defn.name](self, item.op, item.plans)
            else:
                for r in item.op.results:
                    if r.type.dims:
                        self.ensure(r)
                ROUTINES[item.op.defn.name](self, item.op)
            for op in item.after:
                self.scalar_op(op)

    def at(self, op: Op) -> Op:
        """From here on, what is written comes from this op."""
        self.loc = op.loc
        return op

    def computed(self, op: Op, index: tuple) -> Atom:
        """The element that a virtual op has at an index."""
        outer, self.loc = self.loc, op.loc
        atom = rule(op).at(self, op, index)
        self.loc = outer
        return atom

    def scalar_op(self, op: Op):
        special = _SCALAR_OPS.get(self.at(op).defn.name)
        if special is not None:
            special(self, op)
        else:
            self.env[op.results[0]] = self.computed(op, ())

    def _check(self, op: Op):
        bad = self.let("not", (self.scalar(op.operands[0]),), BOOL)
        self.fail(bad, self.site_of(op), [self.scalar(v) for v in op.operands[1:]])

    def _wrap(self, op: Op):
        i, n = self.scalar(op.operands[0]), self.scalar(op.operands[1])
        self.env[op.results[0]], bad = wrapped(self, i, n)
        self.fail(bad, self.site_of(op), (i, n))

    def _print(self, op: Op):
        self.write(Print(self.site_of(op), tuple(self._printed(v) if v.type.dims else self.scalar(v) for v in op.operands)))

    def _printed(self, v: Value) -> Buffer:
        place = self.place(v)
        if place.prefix:
            place, row = self.temporary(v.type), v
            self.copy_into(place, row)
        return place.buffer

    # --- stacks -----------------------------------------------------------------------------------------------------

    def _new(self, op: Op):
        self.env[op.results[0]] = None             # every use of an empty stack makes one of its own

    def stack_of(self, v: Value) -> Stack:
        """The stack of a value; a new, empty one for `stack_new`."""
        stack = self.env[v]
        if stack is None:
            stack = Stack(v.type.element.dtype, self.name(v.name, "stack"))
            self.write(Clear(stack))
        return stack

    def _push(self, op: Op):
        stack, v = self.stack_of(op.operands[0]), op.operands[1]
        if v.type.dims:
            self.write(Push(stack, self.address_of(v), self.product(self.dims(v.type))))
        else:
            self.write(Push(stack, self.scalar(v)))
        self.env[op.results[0]] = stack

    def pop(self, op: Op):
        stack, v = self.stack_of(op.operands[0]), op.results[1]
        if v.type.dims:
            self.write(Pop(stack, self.address_of(v), self.product(self.dims(v.type))))
        else:
            self.env[v] = self.fresh(v.type.dtype)
            self.write(Pop(stack, self.env[v]))
        self.env[op.results[0]] = stack

    def address_of(self, v: Value) -> Buffer | At:
        place = self.place(v)
        return At(place.buffer, (self._from_start(place, 0),)) if place.prefix else place.buffer

    def _dim(self, op: Op):
        self.env[op.results[0]] = operand(self.size(op.operands[0].type.dims[op.attrs["axis"]]))

    def site_of(self, op: Op) -> int:
        site = self.sites.get(op)
        if site is None:
            site = self.sites[op] = self.site(*_site(op))
        return site

    def site(self, *row) -> int:
        self.kernel.sites.append(row)
        return len(self.kernel.sites) - 1

    def note(self, kind: str, v: Value, why: str):
        loc = v.owner.loc if isinstance(v.owner, Op) else ()
        self.kernel.notes.append((kind, f"%{v.name}" if v.name else repr(v.type), why, loc))

    # --- nests ------------------------------------------------------------------------------------------------------

    def nest(self, nest: Nest):
        for task in nest.tasks:
            if task.memory and task.value.type.dims:
                for r in task.op.results if task.op is not None else (task.value,):
                    self.ensure(r)
        if len(nest.tasks) == 1 and nest.tasks[0].whole(self):
            return
        if self._linear(nest):
            return
        for child in nest.children:
            self._node(child, (), UNROLL)

    def _linear(self, nest: Nest) -> bool:
        """Several loops over all elements of arrays, in order, are one."""
        dims = nest.tasks[0].loops
        if len(dims) < 2 or _iterations(nest.children[0]) <= UNROLL or not all(
                len(t.loops) == len(dims) and t.linear(self) for t in nest.tasks):
            return False
        inner = nest.children[0]
        opens = list(inner.opens)
        while isinstance(inner.children[0], Loop):
            inner = inner.children[0]
        if len(inner.children) != len(nest.tasks):
            return False
        for task in opens:
            task.begin(self, ())
        with self.loop(self.product(self.size(d) for d in dims)) as i:
            for task in inner.children:
                task.body(self, (i,))
        for task in opens:
            task.finish(self, ())
        return True

    def _node(self, node: Loop | Task, index: tuple, budget: int):
        if isinstance(node, Task):
            if node.op is not None:
                self.at(node.op)
            node.body(self, index)
            return
        for task in node.opens:
            task.begin(self, index)
        trip = self.size(node.dim)
        if _iterations(node) <= budget:
            for k in range(trip):
                for child in node.children:
                    self._node(child, index + (k,), budget)
        else:
            with self.loop(trip) as i:
                for child in node.children:
                    self._node(child, index + (i,), UNROLL_INNER)
        for task in node.opens:
            task.finish(self, index)

    @staticmethod
    def written_out(node: Loop) -> bool:
        """Whether a loop is, wherever it stands."""
        return _iterations(node) <= UNROLL_INNER

    # --- values -----------------------------------------------------------------------------------------------------

    def scalar(self, v: Value) -> Atom:
        """A value of rank 0."""
        return Imm(v.data.item(), v.type.dtype) if isinstance(v, Const) else self.env[v]

    def index(self, v):
        """A rank-0 index value or a dimension as an index."""
        return v if type(v) is int else as_index(self.scalar(v))

    size = index

    def dims(self, type: Type) -> tuple:
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
                found = self.computed(v.owner, index)
            memo[v, index] = found
        return found

    def compute(self, v: Value, index: tuple) -> Atom:
        """The element of a virtual array from its operands, although it has memory."""
        atom = self.computed(v.owner, index)
        self.memos[self.level(index)][v, index] = atom
        return atom

    def remember(self, v: Value, index: tuple, atom: Atom):
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

    def _constant(self, v: Const) -> Place:
        found = self.constants.get(v)
        if found is None:
            data, uniform = v.data, None
            if v.frozen:
                data = np.ascontiguousarray(data)
                if 0 < data.size <= UNIFORM and data.tobytes() == data.flat[:1].tobytes() * data.size:
                    uniform = Imm(data.flat[0].item(), v.type.dtype)
            buffer = Buffer(self.name(None, "const"), v.type.dtype, v.type.dims, "const", data, frozen=v.frozen)
            found = self.constants[v] = (Place(buffer), uniform)
        return found[0]

    def ensure(self, v: Value) -> Place:
        """The memory of an array, allocated here if it has none yet."""
        s = self.stores.of.get(v)
        if s is None:
            s = self.stores.of[v] = Storage(v, 0, 0)
        place = self.where.get(s)
        if place is None:
            if s.home is None:
                place = self.temporary(v.type, v.name, heap=s.swap)
            elif s.home[0] == "out":
                place = self.open_result(s.home[1], v.type)
            else:
                _, op, k = s.home
                outer = self.ensure(op.results[k])
                place = Place(outer.buffer, outer.prefix + (self.index(op.regions[0].params[0]),))
            self.where[s] = place
        return place

    def temporary(self, type: Type, name: str | None = None, heap: bool = False) -> Place:
        space = "stack" if small(type) and not heap else "heap"
        buffer = Buffer(self.name(name, "t"), type.dtype, self.dims(type), space)
        self.write(Alloc(buffer))
        self.allocated[buffer] = self.stack[-1]
        return Place(buffer)

    def beside(self, v: Value, like: Value):
        """Allocate v where `like` was, which has its dimensions: what exchanges memory must live equally long."""
        s, model = self.stores.storage(v), self.ensure(like).buffer
        if s not in self.where:
            block = self.allocated[model]
            buffer = Buffer(self.name(v.name, "t"), v.type.dtype, model.dims, "heap")
            at = next(k for k, stmt in enumerate(block) if type(stmt) is Alloc and stmt.buffer is model)
            block.insert(at + 1, Alloc(buffer))
            self.allocated[buffer] = block
            self.where[s] = Place(buffer)

    def store_value(self, v: Value, index: tuple, atom: Atom):
        place = self.place(v)
        self.store(place.buffer, self._index(v, place, index), atom)

    def load_value(self, v: Value, index: tuple) -> Atom:
        """The element as it is now, in the innermost loop."""
        place = self.place(v)
        return self.load(place.buffer, place.prefix + tuple(index), self.depth)

    def write_element(self, v: Value, index: tuple, atom: Atom, add: bool):
        if add:
            self.add_to(v, index, "add", atom, reassoc=False)
        else:
            self.store_value(v, index, atom)

    def add_to(self, v: Value, index: tuple, op: str, atom: Atom, reassoc: bool):
        old = self.load_value(v, index)
        new = self.fresh(v.type.dtype)
        self.write(Let(new, op, (old, atom), {}, reassoc))
        self.store_value(v, index, new)

    def read_flat(self, v: Value, flat) -> Atom:
        """Element number `flat` of an array in memory."""
        place = self.place(v)
        if len(place.buffer.dims) == 1:
            return self.value_at(v, (flat,))
        if isinstance(v, Const) and type(flat) is int:
            return self.value_at(v, tuple(int(i) for i in np.unravel_index(flat, v.type.dims)))
        return self.load(place.buffer, (self._from_start(place, flat),))

    def _from_start(self, place: Place, flat):
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
        if found is None and is_fill(source.owner) and not place.prefix:
            self.write(Fill(place.buffer, self.scalar(source.owner.operands[0])))
            return True
        if found is None or found.prefix or place.prefix:
            return False
        self.write(Copy(place.buffer, found.buffer))
        return True

    def copy_into(self, place: Place, source: Value | Place):
        """All of an array into a place: a loop nest where there is no single statement."""
        if isinstance(source, Place) and not place.prefix:
            self.write(Copy(place.buffer, source.buffer))
        elif isinstance(source, Place):
            self._each(source.buffer.dims, (), lambda index: self.store(place.buffer, place.prefix + index,
                                                                        self.load(source.buffer, index, self.depth)))
        elif small(source.type) or not self.copy_whole(place, source):
            self.each(source.type, lambda index: self.store(place.buffer, place.prefix + index, self.value_at(source, index)))

    def each(self, type: Type, body):
        """body(index) for every index of a type, small ones written out."""
        if small(type):
            for flat in range(type.count):
                body(unravel(self, flat, type.dims))
        else:
            self._each(self.dims(type), (), body)

    def _each(self, dims, index, body):
        if not dims:
            body(index)
            return
        with self.loop(dims[0]) as i:
            self._each(dims[1:], index + (i,), body)


def _iterations(node: Loop | Task) -> float:
    """How often the innermost statements under a node would be written out."""
    if isinstance(node, Task):
        return 1
    if type(node.dim) is not int:
        return float("inf")
    return node.dim * max((_iterations(c) for c in node.children), default=1)


def _site(op: Op) -> tuple:
    if op.defn.name == "wrap":
        return "BoundsError", wrap_message(op.attrs["axis"]), op.loc
    if op.defn.name == "print":
        return "print", op.attrs["format"], op.loc
    return op.attrs["error"], op.attrs["message"], op.loc


_SCALAR_OPS = {"check": Nester._check, "wrap": Nester._wrap, "print": Nester._print, "dim": Nester._dim,
               "stack_new": Nester._new, "push": Nester._push, "pop": Nester.pop}


def flatten_calls(f: Function) -> Function:
    """The function with every call inlined."""
    if not any(op.defn.name == "call" for op in f.body.walk()):
        return f
    builder = Builder()
    flat = function(f.name, [p.type for p in f.params], [p.name for p in f.params], f.loc)
    flat.attrs = dict(f.attrs)
    with builder.at(flat.body):
        flat.body.yields = tuple(inline(builder, f, flat.params))
    return flat


def lower(f: Function) -> Kernel:
    """The kernel of a function."""
    return Nester(flatten_calls(f)).run()
