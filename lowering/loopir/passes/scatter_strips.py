"""Loops that write to places which data decide, in strips: first all that is computed, as vectors, then the writes.

    for i in n { …; h[%k] += %v }   ->   for s in n / SIZE {
                                           for k in SIZE apart { i = s SIZE + k; …; place[k] = %k; share[k] = %v }
                                           for k in SIZE { h[place[k]] += share[k] } }

Two iterations may write to one place, so the whole loop would be done one number at a time, and what it takes to find the place
with it: a histogram's bins, a particle's cell. The writes keep their order, so the results are the same to the last bit. What
is read of arrays that the loop writes stays with the writes.

A check in such a loop only notes for its strip that something is wrong; the strip is then run as it was written, which finds
out what, after all writes of the iterations before.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ....ir.opdef import OPS
from ....ir.thresholds import sizes
from ....ir.types import BOOL, INDEX
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
    walk,
)
from .unroll import New, copied, made, renamed

SIZE = 256                # iterations of a strip, so that what they hand on stays in the first-level cache
HANDED = 4                # values of an iteration that the writes need


def split(kernel: Kernel) -> None:
    """Rewrite the kernel's loops in place."""
    _block(kernel.body)


def _block(statements: list) -> None:
    k = 0
    while k < len(statements):
        s = statements[k]
        if type(s) is For:
            plan = _Split.of(s)
            if plan is None:
                _block(s.body)
            else:
                statements[k:k + 1] = found = plan.strips()
                k += len(found) - 1
        elif type(s) is While:
            _block(s.body)
        elif type(s) is If:
            _block(s.then)
            _block(s.other)
        k += 1


class _Split:
    """What of a loop's body is computed first, and what is left for the writes.

    first     Let and Load that depend on nothing that the loop writes, of ops that are as good on vectors
    checks    (scalar, whether it is true where something is wrong)
    writes    the rest
    at_hand   of first, what the writes compute once more: positions that follow the counter, elements at such positions
    """

    def __init__(self, loop: For):
        self.loop = loop
        self.first: list[Let | Load] = []
        self.checks: list[tuple[Atom, bool]] = []
        self.writes: list[Stmt] = []
        self.at_hand: set[Scalar] = {loop.index}
        self.later: set[Scalar] = set()                     # scalars of the writes
        self.data: set[Scalar] = set()                      # scalars that depend on an element

    @classmethod
    def of(cls, loop: For) -> _Split | None:
        """The plan for a loop; None where there is none or it would not gain."""
        if loop.apart or loop.unroll or (type(loop.trip) is int and loop.trip < sizes.cut):
            return None
        plan = cls(loop)
        return plan if plan._sorted() and plan._gains() else None

    # --- what goes where ------------------------------------------------------------------------------------------------

    def _sorted(self) -> bool:
        body = self.loop.body
        written = {s.buffer for s in walk(body) if type(s) is Store}
        if not any(type(s) is Store and any(type(i) is Scalar for i in s.index) for s in walk(body)):
            return False
        return all(self._place(s, written) for s in body)

    def _place(self, s: Any, written: set) -> bool:
        kind = type(s)
        if kind is Let:
            self._note(s.target, s.args)
            self._computed(s, s.args, getattr(OPS.get(s.op), "lanewise", True))
            return True
        if kind is Load:
            self._note(s.target, s.index)
            self.data.add(s.target)
            if s.buffer in written:
                self.later.add(s.target)
                self.writes.append(s)
                return True
            guarded = bool(self.checks) and any(i in self.data for i in s.index if type(i) is Scalar)
            self._computed(s, s.index, True)
            return not guarded
        if kind is Store:
            self.writes.append(s)
            return True
        if kind is Fail:
            self.checks.append((s.cond, True))
            return s.cond not in self.later
        return kind is If and self._branch(s)

    def _note(self, target: Scalar, args: Sequence[int | Atom]) -> None:
        scalars = [a for a in args if type(a) is Scalar]
        if any(a in self.data for a in scalars):
            self.data.add(target)

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
        if any(type(t) is Store for t in inside):
            self.writes.append(s)
            return all(type(t) in (Let, Load, Store, If) for t in inside)
        if s.cond in self.later or not all(type(t) in (Let, Fail, If) for t in inside) or bool(s.then) == bool(s.other):
            return False
        self.checks.append((s.cond, bool(s.then)))
        return True

    def _gains(self) -> bool:
        defined = {s.target: s for s in self.first}
        used = _used(self.writes)
        for s in self.first:                                 # what is found as cheaply as it would be handed on
            args = s.args if type(s) is Let else s.index
            near = all(a in self.at_hand or a not in defined for a in args if type(a) is Scalar)
            if near and (type(s) is Load or s.target.dtype is INDEX):
                self.at_hand.add(s.target)
        self.handed = [x for x in defined if x in used and x not in self.at_hand]
        places = {i for s in walk(self.writes) if type(s) is Store for i in s.index if type(i) is Scalar}
        cost = sum(_cost(s) for s in self.first if s.target not in self.at_hand)
        return (0 < len(self.handed) <= HANDED and cost >= sizes.strip_work and not places.isdisjoint(self._decided()))

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
            return _counted(s, trip, [*body, self._compute(None), self._write()])
        some = Scalar(BOOL)
        body += [Set(wrong, Imm(False, BOOL)), self._compute(wrong), Get(some, wrong),
                 If(some, [self._as_written()], [self._write()], rare=True)]
        return _counted(s, trip, body)

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
                used.update(a for a in (s.args if type(s) is Let else s.index) if type(a) is Scalar)
        body += [copied(s, new) for s in again if s.target in used]
        body += [Load(made(x, new), part, (k,)) for x, part in self.parts.items()]
        return For(k, self.length, [*body, *_copies(self.writes, new)])

    def _as_written(self) -> For:
        k, new, body = self._begin()
        return For(k, self.length, [*body, *_copies(self.loop.body, new)])


def _counted(s: Scalar, trip: Size, body: list) -> list:
    """The loop over strips, and what it takes to count them."""
    if isinstance(trip, int):
        return [For(s, -(-trip // SIZE), body)]
    up, strips = Scalar(INDEX), Scalar(INDEX)
    return [Let(up, "add", (trip, operand(SIZE - 1))), Let(strips, "floordiv", (up, operand(SIZE))), For(s, strips, body)]


def _copies(statements: list, new: New) -> list:
    """Copies of statements, with scalars of their own."""
    found: list = []
    for s in statements:
        if type(s) is If:
            found.append(If(renamed(s.cond, new), _copies(s.then, new), _copies(s.other, new), s.rare))
        elif type(s) is Fail:
            found.append(Fail(renamed(s.cond, new), s.site, tuple([renamed(v, new) for v in s.values])))
        else:
            found.append(copied(s, new))
    return found


def _used(statements: list) -> set[Scalar]:
    """The scalars that statements read."""
    found: set[Scalar] = set()
    for s in walk(statements):
        found.update(a for a in _ATOMS[type(s)](s) if type(a) is Scalar)
    return found


_ATOMS: dict[type, Callable[[Any], tuple]] = {Let: lambda s: s.args, Load: lambda s: s.index,
                                              Store: lambda s: (*s.index, s.value), If: lambda s: (s.cond,)}


def _cost(s: Let | Load) -> int:
    return getattr(OPS.get(s.op), "cost", 1) if type(s) is Let else 1
