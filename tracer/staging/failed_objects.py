"""What the caller's objects and containers hold after a call that raises at run time: what was assigned to them before.

    self.count += 1                %c1 = add %count, 1
    if v < 0: raise ValueError     if %neg { print %c1 {format="\\x1a0"}; check false {error="ValueError", …} }

In the branch that fails, Python is told the values, under the number of what is to be done with them (`Told`).
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...ir.core import Block, Const, Value
from ...ir.errors import UnsupportedError
from ...ir.ops import checks
from .. import pytrees, tracing
from ..containers import array_choice
from ..containers.lists.dynamic_lists import DynamicList
from ..containers.tables.hash_tables import HashTable
from ..control import branches, packed_lists
from ..control.packed_lists import PackedList
from ..regions import region_tracing
from ..values.python import format_strings
from . import argument_objects, list_arguments

if TYPE_CHECKING:
    from ..tracing import Trace
    from .arguments import Call
    from .trace_function import _Run
    from .traced import Out, Traced

_PYTHON = {"float": float, "int": int, "bool": bool, "complex": complex}


class Told(NamedTuple):
    """`places` of the values that are assigned, and structure and leaves of (None, values)."""

    places: tuple
    tree: pytrees.TreeDef
    outs: tuple[Out, ...]


class Telling:
    """What a trace emits before a check that fails. `told`: what is to be done with the values, by number."""

    def __init__(self, run: _Run):
        self.run, self.busy = run, False
        self.told: list[Told] = []
        self.left_out: int | None = None              # in a draft

    def changed(self) -> argument_objects.Assigned | None:
        """What the program has assigned to objects of the caller's, lists of another form aside, where it has changed anything;
        not where that cannot be said to it."""
        run = self.run
        if self.busy or sum(s.kind == "function" for s in run.trace.scopes) > 1:
            return None
        lists = [x for x in run.lists if x.changed]
        try:
            found = argument_objects.assigned(run.trace, run.objects_seen, run.before, run.originals, ())
        except UnsupportedError:                      # the end of the trace says so
            return None
        told = bool(lists or found.places) and all(_readable(run.trace, x.held) for x in lists)
        return found if told else None

    def in_loop(self, trace: Trace, cond: Callable[[], Value]) -> None:
        """Tell it at a check that the program does not write, in a loop: those inside of a table come while it changes."""
        if not any(isinstance(x.held, HashTable) for x in self.run.lists):
            self(trace, cond)

    def __call__(self, trace: Trace, cond: Value | Callable[[], Value]) -> None:
        """Tell it where cond is false."""
        found = self.changed()
        if found is None:
            return
        if self.left_out is not None:
            self.left_out += 1
            return
        with self.done(), self.here():
            holds = cond if isinstance(cond, Value) else cond()
            if isinstance(holds, Const):
                if not holds.data.item():
                    self.tell(trace, found)
                return
            read = [(pile, pile.seen) for x in self.run.lists for pile in _piles(x.held) or ()]
            fails = branches.negate(holds)
            failing = region_tracing.Branch(Block(), fails)
            # nothing comes after it, so what it does to the stacks that it reads is forgotten: run() puts that back
            region_tracing.run(trace, failing, lambda: self.tell(trace, found), None, None, ())
            for pile, seen in read:
                pile.seen = seen
            trace.builder.emit("if", fails, regions=(failing.block, Block()))

    def draft(self, make: Callable[[], Any]) -> tuple[Any, bool]:
        """(make(), whether something was left out in it). It traces an iteration that as a rule is traced again, as what the
        loop carries is not known yet: nothing is told in it, which would take most of the time."""
        if self.left_out is not None:
            return make(), False                      # in another one
        self.left_out = 0
        try:
            return make(), self.left_out > 0
        finally:
            self.left_out = None

    @contextmanager
    def done(self) -> Iterator[None]:
        """In this block checks are emitted of which all is told, or needs not be."""
        before, self.busy = self.busy, True
        try:
            yield
        finally:
            self.busy = before

    @contextmanager
    def here(self) -> Iterator[None]:
        """In this block all ops have the place at which it is entered: looking for it at each takes long."""
        builder, loc = self.run.trace.builder, tracing.locate()
        before, builder.locate = builder.locate, lambda: loc
        try:
            yield
        finally:
            builder.locate = before

    def tell(self, trace: Trace, found: argument_objects.Assigned) -> None:
        run = self.run
        lists = {(x.number, list_arguments.ALL): x.contents() for x in run.lists if x.changed}
        changes = argument_objects.Assigned((*lists, *found.places), (*lists.values(), *found.values))
        met = run.met = argument_objects.Met(run.objects_seen, run.open_made, run.lists)
        values = packed_lists.settled(array_choice.settled(format_strings.settled((None, changes.values))), met.own)
        leaves, tree = pytrees.flatten(values, run.open_made, met)
        results: list[Value] = []
        outs = run.outs_of(leaves, run.held, results)
        trace.builder.emit("print", *results, format=f"{checks.TOLD}{len(self.told)}")
        self.told.append(Told(changes.places, tree, outs))


def _piles(held: Any) -> list[DynamicList] | None:
    """The stacks in which a list or dict of another form has its contents; None where these are in others, too."""
    if isinstance(held, PackedList):
        return []
    if isinstance(held, HashTable):
        return None if hasattr(held, "lists") else list(held.columns_())
    return [held] if type(held) is DynamicList else None


def _readable(trace: Trace, held: Any) -> bool:
    """Whether the contents can be read here: a loop reads the stacks that it carries."""
    piles, loop = _piles(held), next((s for s in reversed(trace.scopes) if s.kind == "loop" and s.loop is not None), None)
    if piles is None or loop is None:
        return piles is not None
    inside = {id(p) for p in loop.block.params} | {id(r) for op in loop.block.walk() for r in op.results}
    at = trace.scopes.index(loop)
    inside |= {id(r) for s in trace.scopes[at:] for op in s.block.walk() for r in op.results}
    cells = [cell for pile in piles for cell in pile.stacks]
    values = [cell._value for cell in cells] + ([held.cell._value] if isinstance(held, HashTable) else [])
    return all(id(v) in inside for v in values)


def invoked(run: Callable, values: Sequence, traced: Traced, call: Call) -> Any:
    """What run(values) gives, of a program: objects of the call stand in their places, and hold what has been assigned."""
    if not traced.refers_to_objects:
        return run(values)
    try:
        returned = run(values)
    except Exception:
        if traced.told:
            deliver(traced, call)
        raise
    return argument_objects.delivered(returned, traced.out_tree, traced.assigned, call.objects)


def deliver(traced: Traced, call: Call) -> None:
    """After a call that raised: what the program told goes to the objects of the call."""
    said = checks.taken()
    if said is None:
        return
    told = traced.told[said[0]]
    made: dict[int, Any] = {}
    for out in told.outs:
        if id(out) not in made:
            made[id(out)] = _leaf(out, said[1], call)
    pair = told.tree.unflatten([made[id(out)] for out in told.outs])
    argument_objects.delivered(pair, told.tree, told.places, call.objects)


def _leaf(out: Out, values: Sequence, call: Call) -> Any:
    if out.kind == "static":
        return out.value
    if out.kind == "arg":
        return call.values[out.value]
    value = np.asarray(values[out.computed])
    if out.kind == "array":
        return value.copy()
    if out.kind == "view":
        return out.value.maker()(call.values[out.value.leaf], *(int(values[k]) for k in out.value.numbers))
    return value[()] if out.kind == "numpy" else _PYTHON[out.kind](value.item())
