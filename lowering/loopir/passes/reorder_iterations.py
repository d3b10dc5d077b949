"""Innermost loops whose iterations can run in any order, found and brought into a form that becomes vectors.

Reverse mode walks backwards, and where a loop read neighbours its adjoint adds to neighbours:

    for i { out[i] = f(x[i], x[i + 1]) }     ->     for i downwards { x_bar[i] += …; x_bar[i + 1] += … }

Each addition waits for that of the iteration before, through memory. Those of adjoints happen in any order, so where
nothing else in the loop touches it, they commute, and so do iterations whose other accesses are to elements of their own.
Such a loop may run upwards, and be cut: the additions that meet those of other iterations move to loops of their own
(loopir/passes/loop_distribution.py). Which accesses can meet is proved with forms over counters (loopir/dependence.py):

    apart   on some axis one is certainly before the other, in whatever iterations
    own     on some axis both are at the same place, which follows the counter: in different iterations they are different
    meet    anything else
"""
from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from ....ir.analysis.affine import AffineExpr
from ....ir.thresholds import sizes
from ....ir.types import INDEX
from ..dependence import Positions, rewrite_loops
from ..grammar import At, Buffer, For, Get, If, Kernel, Let, Load, Scalar, Set, Store, operands, walk
from ..unroll import TooMuch, written_out
from .loop_distribution import Addition, cut, gathered, leading_to, upwards
from .straight_line import accesses, private, straight


class Access(NamedTuple):
    """kind: "load", "store" or "add", which is a load, an addition and a store; at: their places in the body."""

    kind: str
    statement: Load | Store
    forms: tuple[AffineExpr, ...]
    at: tuple[int, ...]

    @property
    def buffer(self) -> Buffer:
        return self.statement.buffer

    @property
    def places(self) -> Addition:
        """Of an addition."""
        load, step, store = self.at
        return load, step, store


def commute(kernel: Kernel) -> None:
    """Rewrite the kernel's loops in place."""
    positions, everywhere = Positions(), accesses(kernel)
    rewrite_loops(kernel.body, positions, lambda s: _commuted(s, positions, everywhere), inner_first=True)


def _commuted(s: For, positions: Positions, everywhere: Counter) -> list | None:
    """What stands in the place of a loop, None where it stays."""
    if s.unroll or (type(s.trip) is int and s.trip < sizes.commuting):
        return None
    outer = any(type(t) is For for t in s.body)
    body = s.body
    if outer:
        try:
            body = written_out(body, {}, sizes.commuting, sizes.commuting_body)
        except TooMuch:
            return None
    branches = any(type(t) is If for t in body)
    body = straight(body, private(s.body, everywhere))
    if body is None or not _reduces(body):
        return None
    for t in body:
        if type(t) is Let:
            positions.let(t)
    loop = _Iterations(positions, s, body)
    steady = loop.steady()
    moved = loop.moved()
    if moved is None or ((moved or steady or branches or outer) and not loop.vectors):
        return None                              # as it is, it is faster
    s.body, s.apart = [_reassociated(t) for t in body], True
    before, after = gathered(s, [a.places for a in steady])
    down = loop.downwards()
    if moved:
        return [*before, *cut(s, [[a.places for a in group] for group in moved], down), *after]
    if down:
        upwards(s)
    return [*before, s, *after]


def _reduces(body: list) -> bool:
    """Whether each variable that an iteration hands on is reduced in any order: got, combined and set, once each."""
    used = uses(body)
    made = {s.target: s for s in body if type(s) is Let}
    gets = {s.var: s.target for s in body if type(s) is Get}
    sets = {s.var: s.value for s in body if type(s) is Set}
    touched = [s.var for s in body if type(s) in (Get, Set)]
    if len(touched) != len(gets) + len(sets) or gets.keys() != sets.keys():
        return False
    return all(_steps(sets[var], before, made, used) for var, before in gets.items())


def _steps(value: Any, before: Scalar, made: dict, used: Counter) -> bool:
    """Whether a value is `before` combined with others in any order, and nothing else sees what it goes through."""
    kinds: set[str] = set()
    while type(value) is Scalar and used[value] == 1:
        if value is before:
            return len(kinds) == 1
        step = made.get(value)
        if step is None or not any_order(step):
            return False
        kinds.add("add" if step.op == "sub" else step.op)
        sides = step.args[:1] if step.op == "sub" else step.args          # v - s has another sign each time
        value = next((a for a in sides if a is before or _leads(a, before, made)), None)
    return False


def any_order(step: Let) -> bool:
    """Whether this may be reassociated: a reduction, or a sum of adjoints. (In a loop that stays serial the latter is not:
    contracted with a product, each addition would wait for the multiplier, too.)"""
    return step.reassoc or "any_order" in step.attrs


def _reassociated(s: Any) -> Any:
    return Let(s.target, s.op, s.args, {}, True) if type(s) is Let and "any_order" in s.attrs else s


def _leads(value: Scalar, before: Scalar, made: dict) -> bool:
    step = made.get(value) if type(value) is Scalar else None
    return step is not None and any_order(step) and any(a is before or _leads(a, before, made) for a in step.args)


def uses(body: list) -> Counter:
    """How often each scalar is an operand."""
    found: Counter = Counter()
    for s in walk(body):
        for x in operands(s):
            if type(x) is Scalar:
                found[x] += 1
            elif type(x) is At:
                found.update(i for i in x.index if type(i) is Scalar)
    return found


class _Iterations:
    """The accesses of one loop."""

    def __init__(self, positions: Positions, loop: For, body: list):
        self.positions, self.loop, self.body = positions, loop, body
        (self.counter,) = positions.forms[loop.index].terms
        made = [positions.form(s.target) for s in body if type(s) in (Let, Load, Get) and s.target.dtype is INDEX]
        self.local = {self.counter, *[form.atom for form in made if form.atom is not None]}
        self.written = {s.buffer for s in body if type(s) is Store}
        self.accesses = self._accesses()
        # the same forms, in some other iteration
        facts = positions.facts
        other = {a: facts.atom(a.low, a.high) for a in self.local}
        other[self.counter] = positions.counter(loop)
        self.other = other

    def _accesses(self) -> list[Access]:
        adds = additions(self.body)
        found = []
        for k, s in enumerate(self.body):
            if type(s) is Store and k in adds:
                found.append(self._access("add", s, adds[k]))
            elif type(s) is Store:
                found.append(self._access("store", s, (k,)))
            elif type(s) is Load and not any(k in at for at in adds.values()):
                found.append(self._access("load", s, (k,)))
        return found

    def _access(self, kind: str, s: Load | Store, at: tuple[int, ...]) -> Access:
        return Access(kind, s, tuple(map(self.positions.form, s.index)), at)

    # --- what meets what

    def steady(self) -> list[Access]:
        """The additions to elements that stay the same in all iterations, where nothing else in the loop sees them; they are
        not among the accesses any more."""
        found = [a for a in self.accesses if a.kind == "add" and all(self.local.isdisjoint(f.terms) for f in a.forms)
                 and self._arithmetic(a, set())
                 and all(b.kind == "add" or b.buffer is not a.buffer or self._apart(a, b) for b in self.accesses)]
        self.accesses = [a for a in self.accesses if not any(a is b for b in found)]
        return found

    def _arithmetic(self, a: Access, given: set[Scalar]) -> bool:
        """Whether an element's position is computed from these scalars and those of outside by arithmetic alone: that of a form
        may cancel what it is computed from."""
        load = self.body[a.at[0]]
        steps = leading_to([load], self.body)
        used = {x for x in (*load.index, *(x for s in steps for x in s.args)) if type(x) is Scalar}
        inside = {self.loop.index, *(s.target for s in self.body if type(s) in (Let, Load, Get))}
        return not used & (inside - {s.target for s in steps} - given)

    def moved(self) -> list[list[Access]] | None:
        """The additions that have to leave the loop, in groups that do not meet each other; None where iterations do not
        commute."""
        touched = [a for a in self.accesses if a.buffer in self.written]
        if len(touched) > sizes.compared:
            return None
        groups: list[list[Access]] = [[]]
        for k, a in enumerate(touched):
            if a.kind == "add":
                if not self._own(a, a):
                    return None
                self._place(a, groups, touched)
            for b in touched[:k + 1]:
                if a.buffer is not b.buffer or (a.kind == b.kind == "load") or (a.kind == b.kind == "add"):
                    continue
                if not (self._own(a, b) or self._apart(a, b)):
                    return None
        moved = [a for group in groups[1:] for a in group]
        if not all(self._arithmetic(a, {self.loop.index}) for a in moved):
            return None
        if any(a.buffer is b.buffer and b.kind != "add" and not self._apart(a, b) for a in moved for b in touched):
            return None                             # it would be added later than something that sees it
        return groups[1:]

    def _place(self, a: Access, groups: list[list[Access]], touched: list[Access]) -> None:
        """Into the first group where it meets none."""
        for group in groups:
            if all(a.buffer is not b.buffer or self._own(a, b) or self._apart(a, b) for b in group):
                group.append(a)
                return
        groups.append([a])

    def _own(self, a: Access, b: Access) -> bool:
        return len(a.forms) == len(b.forms) and any(
            f == g and self._follows(f) for f, g in zip(a.forms, b.forms))

    def _follows(self, f: AffineExpr) -> bool:
        return self.counter in f.terms and not any(t in self.local for t in f.terms if t is not self.counter)

    def _apart(self, a: Access, b: Access) -> bool:
        if len(a.forms) != len(b.forms):
            return False
        for f, g in zip(a.forms, b.forms):
            if self.local.isdisjoint(f.terms) and self.local.isdisjoint(g.terms) and self.positions.differ(f, g):
                return True
            g = AffineExpr(g.const, {self.other.get(t, t): c for t, c in g.terms.items()})
            if self.positions.less(f, g) or self.positions.less(g, f):
                return True
        return False

    # --- what becomes vectors

    @property
    def vectors(self) -> bool:
        """Whether every access follows the counter by a known stride, and those to what is written by one element."""
        for a in self.accesses:
            if any(not self._follows(f) and not self.local.isdisjoint(f.terms) for f in a.forms):
                return False
            if a.buffer in self.written and self._stride(a) not in (1, -1):
                return False
        return True

    def _stride(self, a: Access) -> int:
        """How far along the last axis an iteration is from the one before; 0 where it is on another row."""
        if not a.forms or any(self.counter in f.terms for f in a.forms[:-1]):
            return 0
        return a.forms[-1].terms.get(self.counter, 0)

    def downwards(self) -> bool:
        """Whether most accesses are to the element before that of the last iteration."""
        strides = [self._stride(a) for a in self.accesses]
        return strides.count(-1) > strides.count(1)


def additions(body: list) -> dict[int, Addition]:
    """For each store that adds to an element in any order: where the load, the addition and the store stand. A program's own
    `a[i] += x` is none, since its sums keep their order."""
    used = uses(body)
    loads = {s.target: k for k, s in enumerate(body) if type(s) is Load and used[s.target] == 1}
    sums = {s.target: k for k, s in enumerate(body)
            if type(s) is Let and s.op in ("add", "sub") and used[s.target] == 1 and any_order(s)}
    found = {}
    for k, s in enumerate(body):
        step = sums.get(s.value) if type(s) is Store and type(s.value) is Scalar else None
        if step is None:
            continue
        args = body[step].args
        for x in args if body[step].op == "add" else args[:1]:
            at = loads.get(x) if type(x) is Scalar else None
            if at is not None and body[at].buffer is s.buffer and body[at].index == s.index:
                found[k] = at, step, k
                break
    return found
