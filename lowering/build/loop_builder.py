"""Tensor IR to loop IR: `lower(f)` makes the kernel of a function.

    schedule/memory_plan.py       where every array lives         schedule/materialize.py, schedule/inplace.py: its steps
    schedule/fuse.py       which tasks share loops, in what order             schedule/tasks.py, schedule/reductions.py,
                           schedule/axis_kernels.py …: the tasks
    schedule/index_rules.py     a virtual array at an index           loopir/cursor.py    levels, hoisting      build/arrays.py
                                  elements and memory
    build/loop_builder.py       this: the kernel, blocks, nests       build/control.py   if, for, while, map
    schedule/library_calls.py   BLAS and LAPACK                       loopir/passes/buffer_coloring.py    slots of the workspace

The parameters of the kernel are those of the function, then its results, without those results that overwrite a parameter
(`f.attrs["inout"]`, {result: parameter}): such a parameter has space "inout" and holds the result afterwards. The caller
allocates results whose dimensions are numbers or parameters among `f.attrs["lengths"]`, the kernel all others.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ...ir.build import Builder
from ...ir.clone import copy_block, copy_region, mapped, nest_locations
from ...ir.core import Const, Function, Length, Op, Value
from ...ir.ops.checks import reported, wrap_message
from ...ir.thresholds import sizes
from ...ir.types import BOOL, StackType, Type
from ...ir.verify import checked
from ..loopir.cursor import operand
from ..loopir.grammar import At, Atom, Buffer, Clear, Fail, Kernel, Peek, Poke, Pop, Print, Push, Stack, Table
from ..loopir.passes import pipeline, verifier
from ..schedule.accumulating_contractions import summed
from ..schedule.fuse import Loop, Nest, Schedule
from ..schedule.index_rules import rule, wrapped
from ..schedule.memory_plan import MemoryPlan
from ..schedule.spectral import ROUTINES
from ..schedule.tasks import Task
from .arrays import Place, Values
from .control import CONTROL

if TYPE_CHECKING:
    from ...ir.errors import Frame


class Nester(Values):
    """Writes one kernel."""

    def __init__(self, f: Function):
        super().__init__(MemoryPlan(f))
        self.function = f
        self.kernel = Kernel(f.name, [], self.stack[0], threads=f.attrs.get("threads", 0))
        self.sites: dict[Op, int] = {}
        self.alone = self.plan.alone

    # --- the whole kernel -------------------------------------------------------------------------------------------

    def run(self) -> Kernel:
        f, stores = self.function, self.stores
        buffers: dict[int, Buffer] = {}
        order = sorted(range(len(f.params)), key=lambda k: bool(f.params[k].type.dims))
        for k in order:
            p = f.params[k]
            home = stores.of[p].parameter if p.type.dims else "inout" if k in stores.owned else "in"
            buffers[k] = b = Buffer(self.name(p.name, "in"), p.type.dtype, self.dims(p.type), home)
            if p.type.dims:
                self.where[stores.of[p]] = Place(b)
            else:
                self.env[p] = read = self.load(b, ())
                read.least, read.most = (p.least, p.most) if p.__class__ is Length else (None, None)
        results = [k for k in range(len(f.results)) if k not in stores.inout]
        for k in results:
            self.outs[k] = self._result(k, f.results[k].type)
        self.kernel.params = [buffers[k] for k in range(len(f.params))] + [self.outs[k] for k in results]
        self.block(self.plan.body)
        self._finish()
        return self.kernel

    def _result(self, k: int, found: Type) -> Buffer:
        name = self.name(None, "out")
        if self.plan.by_caller(k):
            return Buffer(name, found.dtype, self.dims(found), "out")
        return Buffer(name, found.dtype, (), "result")

    def _finish(self) -> None:
        """Outputs that were not computed in their own memory."""
        f, stores = self.function, self.stores
        for k, v in enumerate(f.results):
            if k in stores.inout:
                continue
            if not v.type.dims:
                self.store(self.outs[k], (), self.scalar(v))
            elif isinstance(v, Const) or stores.of[v].home != ("out", k):
                place = self.open_result(k, v.type)
                self.copy_into(place, v)
                self.note("copy", v, "a result needs memory of its own")
        self._overwrite((f.results[k], f.params[p]) for k, p in stores.inout.items())

    def _overwrite(self, pairs: Iterable[tuple[Value, Value]]) -> None:
        """Put values into the memory of parameters, where they are not there already."""
        pending = []
        for v, target in pairs:
            if not target.type.dims:
                self.store(self.kernel.params[self.function.params.index(target)], (), self.scalar(v))
            elif not self.stores.same(v, target):
                pending.append((v, self.where[self.stores.of[target]]))
        for v, source, place in self._apart(pending):
            self.copy_into(place, source)
            self.note("copy", v, "the argument is overwritten at the end")

    def _apart(self, pending: list) -> list:
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

    # --- blocks -----------------------------------------------------------------------------------------------------

    def block(self, plan: Schedule) -> None:
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
                ROUTINES.get(item.op.defn.name, summed)(self, item.op)
            for op in item.after:
                self.scalar_op(op)

    def at(self, op: Op) -> Op:
        """From here on, what is written comes from this op."""
        self.loc = op.loc
        return op

    def computed(self, op: Op, index: tuple) -> Atom:
        outer, self.loc = self.loc, op.loc
        atom = rule(op).at(self, op, index)
        self.loc = outer
        return atom

    def scalar_op(self, op: Op) -> None:
        special = _SCALAR_OPS.get(self.at(op).defn.name)
        if special is not None:
            special(self, op)
        else:
            self.env[op.results[0]] = self.computed(op, ())

    def _check(self, op: Op) -> None:
        values, states = reported(op.attrs, op.operands)
        said = [self.scalar(v) for v in values]
        if not states and (both := _both(op.operands[0])):
            first, second = map(self.scalar, both)
            self.branch(first, [Fail(second, self.site_of(op), tuple(said))], [], rare=True)
            return
        bad = self.let("not", (self.scalar(op.operands[0]),), BOOL)
        if states:
            with self.open() as copies:
                self._overwrite((v, self.function.params[k]) for k, v in zip(op.attrs["states"], states, strict=True))
            if copies:
                self.branch(bad, copies, [])
        self.fail(bad, self.site_of(op), said)

    def _wrap(self, op: Op) -> None:
        i, n = self.scalar(op.operands[0]), self.scalar(op.operands[1])
        self.env[op.results[0]], bad = wrapped(self, i, n)
        self.fail(bad, self.site_of(op), (i, n))

    def _print(self, op: Op) -> None:
        self.write(Print(self.site_of(op), tuple(self._printed(v) if v.type.dims else self.scalar(v) for v in op.operands)))

    def _printed(self, v: Value) -> Buffer:
        place = self.memory(v)
        if place.prefix:
            place, row = self.temporary(v.type), v
            self.copy_into(place, row)
        return place.buffer

    # --- stacks -----------------------------------------------------------------------------------------------------

    def _new(self, op: Op) -> None:
        self.stacks[op.results[0]] = None          # every use of an empty stack makes one of its own

    def stack_of(self, v: Value) -> Stack:
        """The stack of a value; a new, empty one for `stack_new`."""
        stack = self.stacks[v]
        if stack is None:
            stack = self.new_stack(v)
            self.write(Clear(stack))
        return stack

    def new_stack(self, v: Value) -> Stack:
        assert isinstance(v.type, StackType), v
        return Stack(v.type.element.dtype, self.name(v.name, "stack"))

    def _push(self, op: Op) -> None:
        stack, v = self.stack_of(op.operands[0]), op.operands[1]
        if v.type.dims:
            self.write(Push(stack, self.address_of(v), self.product(self.dims(v.type))))
        else:
            self.write(Push(stack, self.scalar(v)))
        self.stacks[op.results[0]] = stack

    def pop(self, op: Op) -> None:
        stack, v = self.stack_of(op.operands[0]), op.results[1]
        if v.type.dims:
            self.write(Pop(stack, self.address_of(v), self.product(self.dims(v.type))))
        else:
            self.env[v] = found = self.fresh(v.type.dtype)
            self.write(Pop(stack, found))
        self.stacks[op.results[0]] = stack

    def exchange(self, op: Op) -> None:
        stack, depth, given, old = self.stack_of(op.operands[0]), self.scalar(op.operands[1]), op.operands[2], op.results[1]
        if given.type.dims:
            size = self.product(self.dims(given.type))
            self.write(Peek(stack, depth, self.address_of(old), size))
            self.write(Poke(stack, depth, self.address_of(given), size))
        else:
            value = self.scalar(given)
            self.env[old] = found = self.fresh(old.type.dtype)
            self.write(Peek(stack, depth, found))
            self.write(Poke(stack, depth, value))
        self.stacks[op.results[0]] = stack

    def lookup(self, op: Op) -> None:
        stack, values = self.stack_of(op.operands[0]), tuple(map(self.scalar, op.operands[1:]))
        self.env[op.results[1]] = found = self.fresh(op.results[1].type.dtype)
        self.write(Table(op.attrs["mode"], op.attrs["key"], stack, found, values))
        self.stacks[op.results[0]] = stack

    def members(self, op: Op) -> None:
        stack = self.stack_of(op.operands[0])
        self.write(Table("members", op.attrs["key"], stack, self.address_of(op.results[1])))
        self.stacks[op.results[0]] = stack

    def replica(self, op: Op) -> None:
        stack, made = self.stack_of(op.operands[0]), self.new_stack(op.results[1])
        self.write(Table("replica", op.attrs["key"], stack, made))
        self.stacks[op.results[0]], self.stacks[op.results[1]] = stack, made

    def hold(self, v: Value, stack: Stack | None = None) -> Stack:
        """Put an array on a stack, whatever its length."""
        if stack is None:
            stack = Stack(v.type.dtype, self.name(v.name, "held"))
        if self.place(v) is None:
            s = self.stores.of[v]
            self.where[s] = place = self.temporary(v.type, kind=s.space)
            self.each(v.type, lambda index: self.store(place.buffer, index, self.computed(v.maker, index)))
        self.write(Push(stack, self.address_of(v), self.product(self.dims(v.type))))
        return stack

    def release(self, v: Value, stack: Stack) -> None:
        """Take it off again, into memory of its own."""
        self.ensure(v)
        self.write(Pop(stack, self.address_of(v), self.product(self.dims(v.type))))

    def address_of(self, v: Value) -> Buffer | At:
        place = self.memory(v)
        return At(place.buffer, (self._from_start(place, 0),)) if place.prefix else place.buffer

    def _dim(self, op: Op) -> None:
        self.env[op.results[0]] = operand(self.size(op.operands[0].type.dims[op.attrs["axis"]]))

    def site_of(self, op: Op) -> int:
        site = self.sites.get(op)
        if site is None:
            site = self.sites[op] = self.site(*_site(op))
        return site

    def site(self, *row: str | tuple[Frame, ...]) -> int:
        self.kernel.sites.append(row)
        return len(self.kernel.sites) - 1

    def note(self, kind: str, v: Value, why: str) -> None:
        loc = v.owner.loc if isinstance(v.owner, Op) else ()
        self.kernel.notes.append((kind, f"%{v.name}" if v.name else repr(v.type), why, loc))

    # --- nests ------------------------------------------------------------------------------------------------------

    def nest(self, nest: Nest) -> None:
        if not nest.tasks:
            return
        for task in nest.tasks:
            if task.memory and task.value is not None and task.value.type.dims:
                for r in task.op.results if task.op is not None and task.value.owner is task.op else (task.value,):
                    self.ensure(r)
        if len(nest.tasks) == 1 and nest.tasks[0].whole(self):
            return
        if self._linear(nest):
            return
        for child in nest.children:
            self._node(child, (), sizes.unrolled)

    def _linear(self, nest: Nest) -> bool:
        """Several loops over all elements of arrays, in order, are one."""
        dims, inner = nest.tasks[0].loops, nest.children[0]
        if len(dims) < 2 or isinstance(inner, Task) or _iterations(inner) <= sizes.registers or not all(
                len(t.loops) == len(dims) and t.linear(self) for t in nest.tasks):
            return False
        opens = list(inner.opens)
        while isinstance(child := inner.children[0], Loop):
            inner = child
        tasks = [c for c in inner.children if isinstance(c, Task)]
        if len(inner.children) != len(nest.tasks):
            return False
        for task in opens:
            task.begin(self, ())
        with self.loop(self.product(self.size(d) for d in dims)) as i:
            for task in tasks:
                task.body(self, (i,))
        for task in opens:
            task.finish(self, ())
        return True

    def _node(self, node: Loop | Task, index: tuple, budget: int) -> None:
        if isinstance(node, Task):
            if node.op is not None:
                self.at(node.op)
            node.body(self, index)
            return
        for task in node.opens:
            task.begin(self, index)
        trip = self.size(node.dim)
        if isinstance(trip, int) and _iterations(node) <= budget:
            for k in range(trip):
                for child in node.children:
                    self._node(child, index + (k,), budget)
        else:
            with self.loop(trip) as i:
                for child in node.children:
                    self._node(child, index + (i,), sizes.unrolled_inner)
        for task in node.opens:
            task.finish(self, index)

    @staticmethod
    def written_out(node: Loop) -> bool:
        """Whether a loop is, wherever it stands."""
        return _iterations(node) <= sizes.unrolled_inner


def _iterations(node: Loop | Task) -> float:
    """How often the innermost statements under a node would be written out; inf where they are better vectorised."""
    if isinstance(node, Task):
        return 1
    if type(node.dim) is not int:
        return float("inf")
    inner = max((_iterations(c) for c in node.children), default=1)
    if node.dim >= sizes.lanes and (inner == 1 or (inner <= sizes.unrolled_inner and node.dim * inner > sizes.registers)):
        return float("inf")
    return node.dim * inner


def _both(fine: Value) -> tuple[Value, ...]:
    """Where a check fails if two conditions hold: these. Where the first, which is rare, does not, the second is not asked."""
    op = fine.op.operands[0].op if fine.op is not None and fine.op.defn.name == "not" else None
    return op.operands if op is not None and op.defn.name == "and" else ()


def _site(op: Op) -> tuple:
    if op.defn.name == "wrap":
        return "BoundsError", wrap_message(op.attrs["axis"]), op.loc
    if op.defn.name == "print":
        return "print", op.attrs["format"], op.loc
    return op.attrs["error"], op.attrs["message"], op.loc


_SCALAR_OPS = {"check": Nester._check, "wrap": Nester._wrap, "print": Nester._print, "dim": Nester._dim,
               "stack_new": Nester._new, "push": Nester._push, "pop": Nester.pop, "exchange": Nester.exchange,
               "lookup": Nester.lookup, "replica": Nester.replica}


def _inlined(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
    callee, start, scopes = op.attrs["callee"], len(builder.block.ops), builder._scopes
    if op.attrs.get("checkpoint"):
        builder._scopes = [{}]                     # what is to be computed again is not to be found, and kept
    results = copy_block(builder, callee.body, dict(zip(callee.params, mapped(op.operands, mapping))), _INLINED)
    builder._scopes = scopes
    for inner in builder.block.ops[start:]:
        nest_locations(inner, op.loc)
    return results


_INLINED = {"call": _inlined}


def flatten_calls(f: Function) -> Function:
    """The function with every call inlined, at any depth."""
    if not any(op.defn.name == "call" for op in f.body.walk()):
        return f
    return Function(f.name, copy_region(Builder(), f.body, {}, _INLINED), f.loc, dict(f.attrs))


def build(f: Function) -> Kernel:
    """The kernel of a function, as it is before the passes over loop IR."""
    return Nester(flatten_calls(f)).run()


def lower(f: Function, verify: bool = False, until: str | None = None) -> Kernel:
    """The kernel of a function. verify, until: as in `pipeline.optimize` of the IR."""
    def run(each: bool) -> Kernel:
        return pipeline.optimize(build(f), each, until)

    return checked(run, lambda kernel: verifier.verify(kernel, "the passes over loops")) if verify else run(False)
