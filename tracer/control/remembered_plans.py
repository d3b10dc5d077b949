"""What a loop in a loop carried when the iteration around it was traced before.

An iteration is traced until the plan of its loop holds, twice as a rule: `s = 0.0; for v in x: s += v` begins with a float of
Python and goes on with one of NumPy. Each time the loops in it settle anew, so that n loops in each other would be traced 2**n
times. But a plan is the least one that holds, and what an iteration leaves is of wider types where it began with wider ones. So
what the numbers of an inner loop had become the last time, from the types that they begin with now, is part of what they will
become: its plan starts from that, and n loops in each other are traced n + 1 times. The same holds for the arrays that were
there before the loop around, and were written to.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .. import tracing

if TYPE_CHECKING:
    from ..regions.loop_carry import Carry
    from ..tracing import Trace
    from ..values.boxes import ArrayBox
    from .rolled_loops import RolledLoop

T = TypeVar("T")


class Plan(NamedTuple):
    """place: where the loop stands, with the names that it changes; kinds: for each name the leaf types that it begins with and
    those that it is carried in, None where it is no number; roots: the arrays that its iterations write to; inner: the plans of
    the loops in it."""

    place: tuple
    kinds: list[tuple[tuple, tuple] | None]
    roots: list[ArrayBox]
    inner: Sequence[Plan | None]


class Turns:
    """The plans of the loops in a loop, in the order in which they begin: of the iteration traced last, and of this one. The
    arrays of the last one are known in this one if they are older than the stamp `known`."""

    __slots__ = ("_epoch", "before", "known", "now")

    def __init__(self, epoch: int, inherited: Sequence[Plan | None] = (), known: int = 0):
        self._epoch = epoch
        self.before: Sequence[Plan | None] = ()
        self.now: list[Plan | None] = list(inherited)
        self.known = known

    def turn(self, trace: Trace, make: Callable[[], T]) -> T:
        """Trace an iteration."""
        around, trace.turns = trace.turns, self
        self.before, self.now = self.now, []
        try:
            return make()
        finally:
            trace.turns, self.known = around, self._epoch


class Planned:
    """A loop that settles: its plan, as far as it is remembered, is noted where it holds."""

    __slots__ = ("around", "begun", "index", "loop", "place", "turns")

    def __init__(self, trace: Trace, loop: RolledLoop):
        self.loop, self.around = loop, trace.turns
        self.place = (*tracing.locate(), *loop.labels)
        self.begun = [_numbers(c) for c in loop.names]
        self.turns = Turns(loop.epoch)
        if self.around is not None:
            self.index = len(self.around.now)
            self.around.now.append(None)
            plan = self.around.before[self.index] if self.index < len(self.around.before) else None
            if plan is not None and plan.place == self.place:
                self._recall(plan, self.around.known)

    def _recall(self, plan: Plan, known: int) -> None:
        self.turns = Turns(self.loop.epoch, plan.inner, known)
        for carry, begun, found in zip(self.loop.names, self.begun, plan.kinds):
            if found is not None and begun == found[0]:
                carry.kinds = [*found[1]]
        self.loop.roots.update((id(root), root) for root in plan.roots if root._epoch < known)

    def note(self) -> None:
        """The plan holds."""
        if self.around is not None:
            kinds = [None if begun is None or (now := _numbers(c)) is None else (begun, now)
                     for c, begun in zip(self.loop.names, self.begun)]
            self.around.now[self.index] = Plan(self.place, kinds, list(self.loop.roots.values()), self.turns.now)


def _numbers(carry: Carry) -> tuple[Any, ...] | None:
    """The leaf types of a name that holds numbers, from before the loop on."""
    plain = carry.moves and not carry.flag and all(k is not None and k.form == "scalar" for k in carry.kinds)
    return tuple(carry.kinds) if plain else None
