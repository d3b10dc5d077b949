"""One loop being rolled: its body traced on parameters in place of what it changes, until an iteration fits the next.

    counted       for %i = 0 to %n carry(…)
    conditional   while %go(%i, …) { … }: with an exit, or a condition of its own
    inverted      %go = test; while %go { body; %go = test }: a condition that assigns names, changes an array or may fail
"""
from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...ir.analysis.lengths import expression, follows, may_decide
from ...ir.build import const
from ...ir.core import Block, Value
from ...ir.types import BOOL, INDEX, INDEX_SCALAR, Dim, Type
from .. import tracing
from ..regions import buffer_rotation, escapes, identity, leaf_types, list_scan_outputs, loop_carry, region_tracing
from ..regions.region_tracing import Mismatch, Outcome
from ..tracing import Loop, Scope, Trace
from ..values.boxes import ArrayBox, Box, ScalarBox
from . import any_order, branches, iteration, remembered_plans, short_loops
from .branches import as_bool, truth

if TYPE_CHECKING:
    from ..regions.loop_carry import Carry

LONG = 64                     # a longer one whose arrays change their lengths carries the lengths
AT_START: list[Callable] = []  # told(loop), before its plan is made (containers/rebinding.py)
AT_END: list[Callable] = []   # told(loop), of the end of an iteration (containers/rebinding.py)
ROUNDS = 12                   # a plan that is still changing after so many iterations never settles


class Leaves(Exception):
    """An iteration of a counted loop may leave something around it."""


class Changes(Exception):
    """The condition of a `while` changes an array or an object."""


def _forget(body: Block, outer: Block, before: int) -> None:
    """Take out what was emitted from position `before` on of values in a body that is given up, as reads of views there."""
    gone = {*body.params, *(v for op in body.walk() for v in op.results)}
    kept = []
    for op in outer.ops[before:]:
        if gone.isdisjoint(op.operands):
            kept.append(op)
        else:
            gone.update(op.results)
    outer.ops[before:] = kept


class RolledLoop:
    """One loop being staged: its plan, and the trials that settle it."""

    def __init__(self, trace: Trace, loop: Loop, body: Callable, get: Callable | None, put: Callable | None,
                 names: tuple[str, ...], mutated: Callable | None):
        self.trace, self.loop, self.body, self.get, self.put = trace, loop, body, get, put
        self.labels = tuple(name.lstrip("+") for name in names)
        for told in AT_START:
            told(self)
        self.before, self.epoch = get() if get else (), tracing.stamp()
        self.flexible = not loop.unrollable or (type(loop.trip) is int and loop.trip > LONG)
        self.names = loop_carry.planned(names, self.before, self.epoch, self.flexible)
        self.items: dict = {}                       # mark -> (place, Carry)
        self.roots: dict = {}                       # id -> box
        self.poisoned: dict = {}                      # id -> (box, reason)
        self.pairs: set = set()                     # positions in `carried` of what may hold the same array
        self.growing: dict = {}                     # id -> (list that an iteration appends to, what)
        self.heads: tuple = ()                      # what the names hold when an iteration begins
        self.entered: dict = {}                     # id -> the parameter of each root, in the region at hand …
        self.ended: dict = {}                       # … and in the body that settled
        self.pair_up(self.before)
        for x in mutated() if mutated else ():
            if type(x) is ArrayBox and not x.root.captured and type(x.root) is ArrayBox:
                self.roots[id(x.root)] = x.root

    @property
    def carried(self) -> list[Carry]:
        return [*self.names, *(c for _, c in self.items.values())]

    def pair_up(self, held: Sequence) -> bool:
        """Note which names hold, or may hold, the same array; whether that is news."""
        seen: dict[int, set[int]] = {}
        known = len(self.pairs)
        for k, x in enumerate(held):
            for leaf in leaf_types.leaves_of(x.held if type(x) is leaf_types.MaybeUndefined else x):
                if isinstance(leaf, ArrayBox):
                    root = leaf.root
                    self.pairs |= {(j, k) for r in (root, *region_tracing.relatives(self.trace,
                                                                                    root)) for j in seen.get(id(r), ())
                                   if j != k}
                    seen.setdefault(id(root), set()).add(k)
        return len(self.pairs) > known

    def link_pairs(self, head: bool = False) -> None:
        carried = self.carried
        for j, k in self.pairs:
            if head and (carried[j].is_return_value or carried[k].is_return_value):
                continue
            for a in carried[j].boxes:
                for b in carried[k].boxes:
                    region_tracing.link(self.trace, a, b)

    def block(self, *first: Type, names: Sequence[str] = ()) -> Block:
        """A block with parameters of the types `first` and then those of what is carried."""
        block = Block(first, names)
        for c in self.carried:
            c.parameters(block)
        for root in self.roots.values():
            loop_carry.parameter(block, root._value.type, self.name_of(root))
        return block

    def name_of(self, root: ArrayBox) -> str | None:
        """What the program calls an array that the body writes into."""
        named = (c.label for c in self.carried if isinstance(c.initial, ArrayBox) and c.initial is root)
        return next(named, root.own.name)

    def inits(self) -> list[Value]:
        builder = self.trace.builder
        return [v for c in self.carried for v in c.inits(builder)] + [root._value for root in self.roots.values()]

    def enter(self, params: tuple[Value, ...], asking: bool = False) -> None:
        """Put the parameters in place of what is carried, inside the region."""
        trace, params = self.trace, iter(params)
        scope = trace.scopes[-1]
        self.heads = held = tuple(c.at_head(trace, params, asking) for c in self.names)
        if self.put is not None:
            self.put(held)
        for place, carry in self.items.values():
            region_tracing.assign(trace, place, carry.at_head(trace, params, asking))
        if trace.clock is not None and not asking:
            identity.tick(trace)
        self.link_pairs(head=not asking)
        self.entered = {}
        for key, root in self.roots.items():
            scope.roots[key] = root, root._value
            root._value = self.entered[key] = next(params)
        for box, reason in self.poisoned.values():
            region_tracing.spoil(trace, box, reason)

    def trial(self, block: Block, params: tuple[Value, ...], items: Callable, grows: bool = False) -> region_tracing.Outcome:
        """Trace one iteration. `grows`: lists may grow in it."""
        origin = [None] * (len(block.params) - len(params)) + self.inits_cache
        for param, init in zip(block.params, origin):
            self.trace.origin[param] = self.loop, init

        def iteration_() -> Any:
            if grows:
                list_scan_outputs.opened(self.trace, self.trace.scopes[-1], self.growing.values())
            self.enter(params)
            returned = self.body(*items())
            for told in AT_END:
                told(self)
            list_scan_outputs.named(self.trace, self.heads, self.get() if self.get else ())
            return returned

        return escapes.run(self.trace, Scope(block, "loop", self.loop), iteration_, self.get, self.put, self.before,
                           names=self.labels)

    def settle(self, make: Callable) -> tuple:
        """Trace iterations until the plan holds; make() traces one and gives (block, outcome, …)."""
        told, plan = self.trace.telling, remembered_plans.Planned(self.trace, self)

        def iteration_() -> Any:
            return plan.turns.turn(self.trace, make)

        for turn in range(ROUNDS):
            self.inits_cache = self.inits()
            made, partial = (iteration_(), False) if told is None or turn > 0 else told.draft(iteration_)
            outer = self.trace.builder.block
            before = len(outer.ops)
            try:
                news = self.absorb(made[1])
            except Mismatch:
                _forget(made[0], outer, before)
                raise
            if not news and not partial:
                self.loop.active, self.ended = False, self.entered
                list_scan_outputs.expect_settled(made[1], self.heads)
                plan.note()
                return made
        raise Mismatch("what the loop carries", "one type", "another, time and again")

    def absorb(self, outcome: region_tracing.Outcome) -> bool:
        if outcome.raised is not None:
            return False
        moving = [c for c in self.names if c.moves]
        changed = self.pair_up([*outcome.names, *(outcome.items[mark][2] for mark in self.items)])
        for key, (held, added, *_) in outcome.grown.items():
            changed |= key not in self.growing
            self.growing[key] = held, added
        for carry, final in zip(self.names, outcome.names):
            changed |= carry.absorb(final)
        if not all(c.moves for c in moving):                  # it was the same array all the time, and no other name of it
            self.poisoned.clear()
            outcome.poisoned.clear()
        for mark, (place, before, after) in outcome.items.items():
            if mark in self.items:
                changed |= self.items[mark][1].absorb(after)
            elif after is not before:
                if before is region_tracing.MISSING or after is region_tracing.MISSING:
                    was, now = ("missing" if x is region_tracing.MISSING else "present" for x in (before, after))
                    raise Mismatch(region_tracing.name_of(place), was, now, "the structure changes")
                self.items[mark] = place, loop_carry.Carry(region_tracing.name_of(place), before, True, self.epoch,
                                                           self.flexible)
                changed = True
        for key, (root, before, after) in outcome.roots.items():
            if key not in self.roots and after is not before:
                self.roots[key] = root
                changed = True
        for box, reason in outcome.poisoned:
            if box._epoch < self.epoch and id(box) not in self.poisoned:
                self.poisoned[id(box)] = box, reason
                changed = True
        return changed

    def yields(self, block: Block, outcome: region_tracing.Outcome) -> list[Value]:
        """What the iteration hands on, emitted at its end."""
        finals = self.finals(outcome)
        with self.trace.builder.at(block), outcome.installed():
            found = [v for c, final in zip(self.carried, finals) for v in c.yields(final)]
        return found + [outcome.roots[key][2] for key in self.roots]

    def finals(self, outcome: Outcome) -> list:
        if outcome.raised is not None:
            return [c.entry for c in self.carried]
        return [*outcome.names, *(outcome.items[mark][2] for mark in self.items)]

    def leave(self, results: tuple[Value, ...], outcome: Outcome, ran: bool, trip: Dim | None = None) -> None:
        """Put the results in place. `trip` where it is the number of iterations for sure."""
        trace, results = self.trace, iter(results)
        taken = [[next(results) for _ in range(c.width)] for c in self.carried]
        for key, root in self.roots.items():
            found = next(results)
            if outcome.roots[key][2] is not self.ended[key]:
                trace.note_write(root)
                root._value = found
        finals = self.finals(outcome)
        uses = collections.Counter(id(part) for final in finals for part in leaf_types.containers(final))
        own = {mark for mark in outcome.fresh if uses[mark] == 1}
        held = [c.after(trace, values, final, ran, own) for c, values, final in zip(self.carried, taken, finals)]
        if trip is not None:
            for k, box in buffer_rotation.settle(self, outcome, taken, trip).items():
                held[k] = box
        self.link_pairs()
        list_scan_outputs.handed_on(trace, outcome, finals, held)
        if self.put is not None:
            self.put(tuple(held[:len(self.names)]))
        for (place, carry), found in zip(self.items.values(), held[len(self.names):]):
            if carry.moves:
                region_tracing.assign(trace, place, found)
        region_tracing.merge_spoilt(trace, outcome)

    def expect_iteration(self, trip: Dim) -> None:
        """A program for many lengths, in which a number has one type: that after an iteration."""
        if not self.trace.general or isinstance(trip, int) or not any(c.widens() for c in self.carried):
            return
        some = self.trace.builder("ge", trip, self.trace.builder.index(1))
        if expression(some) is None and follows(some, self.trace.unfixed):
            raise tracing.NeedLengths("the type of a number depends on lengths")
        if type(expression(some)) is tuple:
            self.trace.builder.emit("check", some, error="ValueError", message="a loop of another length")

    # --- the forms of a loop ------------------------------------------------------------------------------------------

    def counted(self, source: Any, start: int, trip: Dim) -> None:
        def make() -> tuple[Block, Outcome]:
            block = self.block(INDEX_SCALAR, names=["i"])
            k = block.params[0]
            outcome = self.trial(block, block.params[1:], lambda: (source.at(plus(k, start)),), type(trip) is int)
            if may_leave(outcome):
                raise Leaves
            return block, outcome

        block, outcome = self.settle(make)
        list_scan_outputs.expect_no_aliases(outcome, self.heads)
        self.expect_iteration(trip)
        rows = list_scan_outputs.Rows(self.trace, outcome, trip)
        yields = self.yields(block, outcome)
        short_loops.expect_gain(self.loop, block, yields)
        block.yields = (*yields, *rows.extend(block))
        if type(source) is iteration.AnyOrder:
            any_order.mark(block)
        results = self.trace.builder.emit("for", iteration.as_value(trip), *self.inits_cache, *rows.inits(), regions=(block,))
        self.leave(loop_carry.named(results[:len(yields)], block.params[1:]), outcome, type(trip) is int and trip > 0, trip)
        rows.leave(results[len(yields):], self.get() if self.get else ())

    def conditional(self, go: Callable, item: Callable | None, trip: Dim | None) -> None:
        """A `while`: go(k) gives the condition's thunk, item(k) an iteration's arguments; without item there is no counter.
        trip: the most iterations of a loop that ends early, None where only the condition says."""
        counter = [INDEX_SCALAR] if item is not None else []

        def make() -> tuple[Block, Outcome]:
            block = self.block(*counter, names=["i"] if counter else ())
            k = block.params[0] if counter else None
            return block, self.trial(block, block.params[len(counter):], (lambda: item(k)) if item is not None else lambda: ())

        block, outcome = self.settle(make)
        yields = self.yields(block, outcome)
        if counter:
            with self.trace.builder.at(block):
                yields.insert(0, self.trace.builder.iop("add", block.params[0], 1))
        block.yields = tuple(yields)
        asked = self.condition(counter, go)
        if trip is not None:
            self.expect_iteration(trip)
        elif self.trace.general and any(c.widens() for c in self.carried) and may_decide(asked.yields[0], self.trace.unfixed):
            raise tracing.NeedLengths("the type of a number depends on lengths")
        inits = [iteration.as_value(0)] * len(counter) + self.inits_cache
        results = self.trace.builder.emit("while", *inits, regions=(asked, block))
        self.leave(loop_carry.named(results, block.params)[len(counter):], outcome, type(trip) is int and trip > 0)

    def condition(self, counter: list[Type], go: Callable) -> Block:
        """The block that decides whether there is another iteration."""
        block = self.block(*counter, names=["i"] if counter else ())
        for param, init in zip(block.params[len(counter):], self.inits_cache):
            self.trace.origin[param] = self.loop, init
        thunk = go(block.params[0] if counter else None)

        def ask() -> Any:
            self.enter(block.params[len(counter):], asking=True)
            with escapes.asking(self.trace):
                return branches.boxed(truth(thunk()))

        outcome = escapes.run(self.trace, Scope(block, "loop", self.loop), ask, self.get, self.put, self.before,
                              names=self.labels, always=True)
        changed = [root for key, (root, _, after) in outcome.roots.items() if after is not self.entered.get(key)]
        assigned = any(outcome.items[mark][2] is not carry.entry
                       for mark, (_, carry) in self.items.items() if mark in outcome.items)
        if changed or assigned or len(outcome.items) > len(self.items):
            raise Changes
        block.yields = (flag_of(outcome.returned),)
        return block

    def inverted(self, condition: Callable) -> None:
        """`go = test` then `while go: body; go = test`: for a condition that assigns names."""
        go = as_bool(truth(condition()))
        self.before = self.get() if self.get else ()
        self.names = [loop_carry.Carry(c.label, held, True, self.epoch, self.flexible) for c,
                      held in zip(self.names, self.before)]
        inner = self.body

        def body() -> Any:
            inner()
            return branches.boxed(truth(condition()))

        self.body = body

        def make() -> tuple[Block, Outcome]:
            block = self.block(const(True, BOOL).type)
            return block, self.trial(block, block.params[1:], lambda: ())

        block, outcome = self.settle(make)
        block.yields = (flag_of(outcome.returned), *self.yields(block, outcome))
        asked = self.block(const(True, BOOL).type)
        asked.yields = (asked.params[0],)
        results = self.trace.builder.emit("while", go, *self.inits_cache, regions=(asked, block))
        self.leave(loop_carry.named(results, block.params)[1:], outcome, False)


def may_leave(outcome: region_tracing.Outcome) -> bool:
    """Whether a region may leave something that is around it."""
    return any(isinstance(place[0], escapes.Target) and place[2] == "left" and after is not before
               for place, before, after in outcome.items.values())


def flag_of(returned: ScalarBox) -> Value:
    """A condition that a region returned. Where the region was left before, nobody asks for it."""
    return as_bool(returned.read() if isinstance(returned, Box) else returned is True)


def plus(k: Value, start: int) -> Value:
    return k if not start else tracing.current().builder("add", k, const(start, INDEX))
