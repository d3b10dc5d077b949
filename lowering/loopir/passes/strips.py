"""Loops whose iterations wait for each other, in strips: first all that does not wait, as vectors, then the rest in its order.

    for i in n { …; h[%k] += %v }   ->   for s in n / SIZE {
                                           for k in SIZE apart { i = s SIZE + k; …; place[k] = %k; share[k] = %v }
                                           for k in SIZE { h[place[k]] += share[k] } }

Where data decide what is written, two iterations may write to one place: a histogram's bins, a particle's cell. Where a
variable, or an element that stays the same, is changed by each iteration, the next one takes what it has become: a sum in a
program's own order, a recurrence. The whole loop would be done one number at a time, and the functions in it with it. What
waits keeps its order, so the results are the same to the last bit. What is read of arrays that the loop writes stays with it.

A check in such a loop only notes for its strip that something is wrong; the strip is then run as it was written, which finds
out what, after all writes of the iterations before. So loops whose iterations do not wait, but check something, become vectors:

    for i in n { …; fail %c; a[i] = %v }     ->     for s in n / SIZE {
                                                      for k in SIZE apart { …; wrong |= %c; value[k] = %v }
                                                      if wrong { as written } else for k in SIZE { a[s SIZE + k] = value[k] } }
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ....ir.opdef import OPS
from ....ir.thresholds import sizes
from ....ir.types import BOOL, INDEX
from ...math import library
from ..cursor import operand
from ..grammar import (
    Alloc,
    Atom,
    Buffer,
    Fail,
    For,
    Get,
    If,
    Imm,
    Kernel,
    Let,
    Load,
    Scalar,
    Set,
    Size,
    Stmt,
    Store,
    Var,
    While,
    operands,
    walk,
)
from ..unroll import New, copied, copies, made, renamed
from .straight_line import accesses, private, straight

SIZE = 256                # iterations of a strip, so that what they hand on stays in the first-level cache
HANDED = 4                # values of an iteration that the rest needs
HEAVY = 4                 # cost from which an operation takes so much longer than the others that they hardly count beside it
PASSED = 2                # the cost of handing one value on


def split(kernel: Kernel) -> None:
    """Rewrite the kernel's loops in place."""
    _block(kernel.body, accesses(kernel))


def _block(statements: list, everywhere: Counter) -> None:
    k = 0
    while k < len(statements):
        s = statements[k]
        if type(s) is For:
            found = _split(s, everywhere)
            if found is None:
                _block(s.body, everywhere)
            else:
                statements[k:k + 1] = found
                k += len(found) - 1
        elif type(s) is While:
            _block(s.body, everywhere)
        elif type(s) is If:
            if not s.rare:
                _block(s.then, everywhere)
            _block(s.other, everywhere)
        k += 1


def _split(loop: For, everywhere: Counter) -> list | None:
    """The loops in the place of one; None where it stays."""
    if loop.apart or loop.unroll or (type(loop.trip) is int and loop.trip < sizes.cut):
        return None
    if not any(type(s) in (For, While) for s in loop.body):
        body = straight(loop.body, private(loop.body, everywhere))
        plan = _Split(loop, loop.body if body is None else body)
        if plan.gains():
            return plan.strips()
    return None


class _Split:
    """What of a loop's body is computed first, and what is left.

    first     Let and Load that depend on nothing that the loop writes or sets, of ops that are as good on vectors
    checks    (scalar, whether it is true where something is wrong)
    writes    the rest
    at_hand   of first, what the rest computes once more: positions that follow the counter, elements at such positions
    """

    def __init__(self, loop: For, body: list[Stmt]):
        self.loop, self.body = loop, body
        self.first: list[Let | Load] = []
        self.checks: list[tuple[Atom, bool]] = []
        self.writes: list[Stmt] = []
        self.at_hand: set[Scalar] = {loop.index}
        self.later: set[Scalar] = set()                     # scalars of the writes
        self.data: set[Scalar] = set()                      # scalars that depend on an element
        self.whence: dict[Scalar, set[Scalar]] = {}         # integers and conditions -> those that they are computed from
        self.guarding: set[Scalar] = set()                  # … of the checks so far
        self.moving: set[Scalar] = {loop.index}             # scalars that depend on the counter

    # --- what goes where ------------------------------------------------------------------------------------------------

    def _sorted(self) -> bool:
        written: set[Buffer | Var] = {s.buffer for s in walk(self.body) if type(s) is Store}
        written |= {s.var for s in walk(self.body) if type(s) is Set}
        return bool(written) and all(self._place(s, written) for s in self.body)

    def _place(self, s: Any, written: set) -> bool:
        kind = type(s)
        if kind is Get and s.var not in written:
            self.first.append(s)
            return True
        if kind in (Get, Set):
            self.later.update({s.target} if kind is Get else ())
            self.writes.append(s)
            return True
        if kind is Let:
            self._note(s.target, s.args)
            self.whence[s.target] = self._from(s.args)
            self._computed(s, s.args, _on_vectors(s))
            return True
        if kind is Load:
            self._note(s.target, s.index)
            self.data.add(s.target)
            if s.buffer in written:
                self.later.add(s.target)
                self.writes.append(s)
                return True
            self._computed(s, s.index, True)
            return self.guarding.isdisjoint(self._from(s.index))     # a check may be what keeps it within its array
        if kind is Store:
            self.writes.append(s)
            return True
        if kind is Fail:
            self.checks.append((s.cond, True))
            self.guarding |= self._from((s.cond,))
            return s.cond not in self.later
        return kind is If and self._branch(s)

    def _note(self, target: Scalar, args: Sequence[int | Atom]) -> None:
        scalars = [a for a in args if type(a) is Scalar]
        for known in (self.data, self.moving):
            if any(a in known for a in scalars):
                known.add(target)

    def _from(self, args: Sequence[int | Atom]) -> set[Scalar]:
        """The integers and conditions among scalars, and those that they are computed from by more than floats and elements."""
        whole = [a for a in args if type(a) is Scalar and a.dtype.kind in "iubx"]
        return {a for b in whole for a in (b, *self.whence.get(b, ()))}

    def _computed(self, s: Let | Load, args: Sequence[int | Atom], lanewise: bool) -> None:
        scalars = [a for a in args if type(a) is Scalar]
        if not lanewise or any(a in self.later for a in scalars):
            self.later.add(s.target)
            self.writes.append(s)
        else:
            self.first.append(s)

    def _branch(self, s: If) -> bool:
        """A branch of writes, or one that only checks."""
        inside = [t for side in (s.then, s.other) for t in walk(side)]
        if any(type(t) in (Store, Set) for t in inside):
            self.writes.append(s)
            self.later.update(t.target for t in inside if isinstance(t, (Let, Load, Get)))
            return all(type(t) in (Let, Load, Store, Get, Set, If) for t in inside)
        if s.cond in self.later or not all(type(t) in (Let, Fail, If) for t in inside) or bool(s.then) == bool(s.other):
            return False
        self.checks.append((s.cond, bool(s.then)))
        self.guarding |= self._from([a for t in (s, *inside) for a in operands(t)])
        return True

    def gains(self) -> bool:
        """Whether there is a plan for the loop that gains."""
        if not self._sorted():
            return False
        defined = {s.target: s for s in self.first}
        used = _used(self.writes)
        for s in self.first:                                 # what is found as cheaply as it would be handed on
            near = all(a in self.at_hand or a not in defined for a in _scalars(s))
            if near and (type(s) is not Let or s.target.dtype is INDEX):
                self.at_hand.add(s.target)
        self.handed = [x for x in defined if x in used and x not in self.at_hand]
        if not 0 < len(self.handed) <= HANDED or any(x.dtype.complex for x in self.handed):
            return False
        costs = [_cost(s) for s in self.first if s.target not in self.at_hand]
        if self._scattered():
            return sum(costs) >= sizes.strip_work
        if self._waits():
            return sum([c for c in costs if c >= HEAVY]) - PASSED * len(self.handed) >= sizes.strip_work
        return bool(self.checks) and sum(costs) >= sizes.strip_work // 2         # all that keeps it from becoming vectors

    def _scattered(self) -> bool:
        """Whether data decide about places that are written."""
        places = {i for s in walk(self.writes) if type(s) is Store for i in s.index if type(i) is Scalar}
        return not places.isdisjoint(self._decided())

    def _waits(self) -> bool:
        """Whether an iteration takes what the one before has made: a variable but for a reduction in any order, an element that
        stays the same, or one beside that which it writes."""
        free = {s.target for s in walk(self.writes) if type(s) is Let and s.reassoc}
        gets = {s.var for s in walk(self.writes) if type(s) is Get}
        if any(type(s) is Set and s.var in gets and s.value not in free for s in walk(self.writes)):
            return True
        places: dict[Buffer, set] = {}
        for s in walk(self.writes):
            if type(s) is Store:
                places.setdefault(s.buffer, set()).add(s.index)
        return any(type(s) is Load and s.buffer in places and (s.index not in places[s.buffer] or not self._moves(s.index))
                   for s in walk(self.writes))

    def _moves(self, index: tuple) -> bool:
        """Whether a place is another one in each iteration, as far as is known."""
        return any(i is self.loop.index or i in self.moving for i in index)

    def _decided(self) -> set[Scalar]:
        """Scalars that data decide, also within branches."""
        found = set(self.data)
        for s in walk(self.writes):
            if type(s) is Let and any(a in found for a in s.args if type(a) is Scalar):
                found.add(s.target)
        return found

    # --- the loops ------------------------------------------------------------------------------------------------------

    def strips(self) -> list:
        trip = self.loop.trip
        s, base, rest, length = (Scalar(INDEX) for _ in range(4))
        length.most = SIZE
        self.base, self.length = base, length
        self.parts = {x: Buffer(f"handed{k}", x.dtype, (SIZE,), "stack") for k, x in enumerate(self.handed)}
        body: list = [Let(base, "mul", (s, operand(SIZE))), Let(rest, "sub", (operand(trip), base)),
                Let(length, "min", (rest, operand(SIZE))), *[Alloc(part) for part in self.parts.values()]]
        wrong = Var(BOOL, "wrong") if self.checks else None
        if wrong is None:
            return counted(s, trip, SIZE, [*body, self._compute(None), self._write()])
        some = Scalar(BOOL)
        body += [Set(wrong, Imm(False, BOOL)), self._compute(wrong), Get(some, wrong),
                 If(some, [self._as_written()], [self._write()], rare=True)]
        return counted(s, trip, SIZE, body)

    def _begin(self) -> tuple[Scalar, New, list]:
        k, i = Scalar(INDEX), Scalar(INDEX)
        return k, {self.loop.index: i}, [Let(i, "add", (self.base, k))]

    def _compute(self, wrong: Var | None) -> For:
        k, new, body = self._begin()
        body += [copied(s, new) for s in self.first]
        if wrong is not None:
            body += self._checked(wrong, new)
        body += [Store(part, (k,), new[x]) for x, part in self.parts.items()]
        return For(k, self.length, body, apart=True)

    def _checked(self, wrong: Var, new: New) -> list:
        body: list = []
        for cond, bad in self.checks:
            held, found, now = renamed(cond, new), Scalar(BOOL), Scalar(BOOL)
            if not bad:
                body.append(Let(fine := Scalar(BOOL), "not", (held,)))
                held = fine
            body += [Get(found, wrong), Let(now, "or", (found, held), {}, True), Set(wrong, now)]
        return body

    def _write(self) -> For:
        k, new, body = self._begin()
        used = _used(self.writes)
        again = [s for s in self.first if s.target in self.at_hand]
        for s in reversed(again):
            if s.target in used:
                used.update(_scalars(s))
        body += [copied(s, new) for s in again if s.target in used]
        body += [Load(made(x, new), part, (k,)) for x, part in self.parts.items()]
        return For(k, self.length, [*body, *copies(self.writes, new)])

    def _as_written(self) -> For:
        k, new, body = self._begin()
        return For(k, self.length, [*body, *copies(self.body, new)])


def counted(s: Scalar, trip: Size, size: int, body: list) -> list:
    """The loop over strips of a size, and what it takes to count them."""
    if isinstance(trip, int):
        return [For(s, -(-trip // size), body)]
    up, strips = Scalar(INDEX), Scalar(INDEX)
    return [Let(up, "add", (trip, operand(size - 1))), Let(strips, "floordiv", (up, operand(size))), For(s, strips, body)]


def _scalars(s: Any) -> list[Scalar]:
    """The scalars that a statement itself reads."""
    return [a for a in operands(s) if type(a) is Scalar]


def _used(statements: list) -> set[Scalar]:
    """The scalars that statements read."""
    return {a for s in walk(statements) for a in _scalars(s)}


def _on_vectors(s: Let) -> bool:
    """Whether several lanes at once are faster than one after the other: also of functions that have vector forms."""
    return getattr(OPS.get(s.op), "lanewise", True) or library.function(s.op, s.target.dtype.name) is not None


def _cost(s: Let | Load | Get) -> int:
    return getattr(OPS.get(s.op), "cost", 1) if type(s) is Let else 1
