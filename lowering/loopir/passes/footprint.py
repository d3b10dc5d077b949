"""What one iteration of a loop touches and costs, and whether two iterations can meet in memory.

    access   one load, store or addition to an element (or all of a buffer), with the positions on each axis as forms, and what
             holds where it happens
    meet     two accesses of different iterations, unless on some axis the position of one is proved to be below the other's:
             for the iterations i < i', both ways round. What is defined in the body, inner counters among it, has another
             value in the other iteration, of which the same is known.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ....ir.analysis.affine import LONGEST, AffineExpr, Symbol
from ....ir.opdef import OPS
from ....ir.types import INDEX
from ..dependence import Positions
from ..grammar import (
    Alloc,
    At,
    Buffer,
    Copy,
    Fill,
    For,
    If,
    Imm,
    Index,
    Let,
    Load,
    Peek,
    Poke,
    Pop,
    Push,
    Scalar,
    Size,
    Store,
    Table,
    While,
)
from .reorder_iterations import additions

UNKNOWN = 30               # iterations of a loop of which no more is known

# scalar operations as a polynomial: {run-time lengths that are multiplied: factor}
Cost = dict[tuple[Scalar, ...], float]


def total(costs: Cost, more: Cost, times: float = 1.0) -> Cost:
    """costs + times * more."""
    for key, value in more.items():
        costs[key] = costs.get(key, 0.0) + times * value
    return costs


def product(costs: Cost, trip: float | Scalar) -> Cost:
    """costs * trip."""
    if not isinstance(trip, Scalar):
        return {key: value * trip for key, value in costs.items()}
    return {tuple(sorted((*key, trip), key=id)): value for key, value in costs.items()}


class Access(NamedTuple):
    """kind: "load", "store" or "add"; forms: None where it may be anywhere in the buffer; under: what is >= 0 there."""

    kind: str
    buffer: Buffer
    forms: tuple[AffineExpr, ...] | None
    under: tuple[AffineExpr, ...]


class Footprint:
    """Of one iteration. `accesses`: to memory that is not the iteration's own, which is `made`; `cost`: of one iteration."""

    def __init__(self, positions: Positions, loop: For):
        self.positions, self.loop = positions, loop
        self.counter: Symbol = positions.forms[loop.index].symbol
        self.first = positions.facts.count                   # the symbols after it belong to the iteration
        self.outside = len(positions.held) - 1               # what is known of the counter holds in both
        self.accesses: list[Access] = []
        self.made: set[Buffer] = set()
        self.inner: set[Scalar] = {loop.index}
        self.strips: dict[Scalar, Let] = {}                  # lengths that are quotients, or the smaller one of two
        self.cost = self._block(loop.body)
        self.accesses = _different([a for a in self.accesses if a.buffer not in self.made])

    # --- one walk over the body

    def _block(self, body: list) -> Cost:
        costs: Cost = {}
        adds = additions(body)
        merged = {load for load, _, _ in adds.values()}
        for k, s in enumerate(body):
            kind = type(s)
            self.positions.define(s)
            if (target := getattr(s, "target", None)) is not None:
                self.inner.add(target)
            if kind is Let and s.op in ("floordiv", "min") and s.target.dtype is INDEX:
                self.strips[s.target] = s
            if kind is Load and k not in merged:
                self._touch("load", s.buffer, s.index)
            elif kind is Store:
                self._touch("add" if k in adds else "store", s.buffer, s.index)
            elif kind is Alloc:
                self.made.add(s.buffer)
            elif kind in _WHOLE:
                _WHOLE[kind](self, s)
            total(costs, self._cost(s))
        return costs

    def _touch(self, kind: str, buffer: Buffer, index: Index | None = None) -> None:
        if kind == "load" and buffer.space in ("in", "const"):
            return
        forms = None if index is None else tuple(map(self.positions.form, index))
        self.accesses.append(Access(kind, buffer, forms, tuple(self.positions.held[self.outside + 1:])))

    def _address(self, kind: str, x: object) -> None:
        if isinstance(x, (Buffer, At)):
            self._touch(kind, x.buffer if isinstance(x, At) else x)

    def _cost(self, s: Any) -> Cost:
        """Of a statement; walks over its blocks."""
        kind = type(s)
        if kind is For:
            trip = self._trip(s.trip)
            self.inner.add(s.index)
            with self.positions.loop(s):
                return product(self._block(s.body), trip)
        if kind is While:
            return product(total(self._block(s.head), self._block(s.body)), UNKNOWN)
        if kind is If:
            with self.positions.where(s.cond):
                costs = self._block(s.then)
            return total(costs, self._block(s.other))
        if kind is Let:
            return {(): max(OPS[s.op].cost, 1) if s.op in OPS else 1}
        if kind is Fill or kind is Copy:
            whole: Cost = {(): 0.25}
            for d in (s.buffer if kind is Fill else s.dst).dims:
                whole = product(whole, self._trip(d))
            return whole
        return {(): 1.0}

    def _trip(self, trip: Size) -> float | Scalar:
        """A length as a factor of the cost: a number, or a scalar that is known before the loop."""
        if isinstance(trip, int):
            return trip
        if trip not in self.inner:
            return trip
        if trip in self.strips and (length := self._of_strips(self.strips[trip])) is not None:
            return length
        form = self.positions.form(trip)
        if form.high < LONGEST:
            return max(form.high + max(form.low, 0), 2) / 2
        return self.loop.trip if type(self.loop.trip) is Scalar else UNKNOWN

    def _of_strips(self, made: Let) -> float | None:
        """The number of strips of a loop, and the length of one: of 30 iterations there is one strip, of 30."""
        x, y = made.args
        parts = [a.value if type(a) is Imm else self._trip(a) for a in (x, y) if type(a) in (Imm, Scalar)]
        lengths = [float(part) for part in parts if type(part) is not Scalar]
        if len(lengths) < 2:
            return None
        return min(lengths) if made.op == "min" else max(lengths[0] // max(lengths[1], 1.0), 1.0)

    # --- two iterations

    def meet(self, a: Access, b: Access) -> bool:
        """Whether different iterations may touch one element by a and b."""
        if a.forms is None or b.forms is None or len(a.forms) != len(b.forms):
            return True
        if any(f == g and self._follows(f) for f, g in zip(a.forms, b.forms)):
            return False
        return not (self._ordered(a, b) and (a is b or self._ordered(b, a)))

    def _follows(self, f: AffineExpr) -> bool:
        return self.counter in f.terms and not any(t.number > self.first for t in f.terms)

    def _ordered(self, a: Access, b: Access) -> bool:
        """Whether a is proved to be apart from b in any later iteration."""
        assert a.forms is not None and b.forms is not None       # `meet` has looked
        facts = self.positions.facts
        mark = facts.mark()
        later = {self.counter: self.positions.counter(self.loop)}
        facts.assume(AffineExpr(-1, {later[self.counter]: 1, self.counter: -1}))
        possible = facts.assume_all(a.under) and facts.assume_all([self._renamed(f, later) for f in b.under])
        found = not possible or any(self.positions.less(f, g) or self.positions.less(g, f) for f, g in zip(
            a.forms, [self._renamed(g, later) for g in b.forms]))
        facts.undo(mark)
        return found

    def _renamed(self, f: AffineExpr, later: dict[Symbol, Symbol]) -> AffineExpr:
        """A form in a later iteration."""
        for t in f.terms:
            if t.number > self.first and t not in later:
                later[t] = self.positions.facts.atom(t.low, t.high)
        return AffineExpr(f.const, {later.get(t, t): c for t, c in f.terms.items()})


def _different(accesses: list[Access]) -> list[Access]:
    found: dict = {}
    for a in accesses:
        key = (a.kind, a.buffer, a.forms and tuple(f.key for f in a.forms), tuple(f.key for f in a.under))
        found.setdefault(key, a)
    return list(found.values())


def _copy(of: Footprint, s: Copy) -> None:
    of._touch("load", s.src)
    of._touch("store", s.dst)


_WHOLE: dict[type, Callable[[Footprint, Any], None]] = {
          Fill: lambda of, s: of._touch("store", s.buffer), Copy: _copy,
          Push: lambda of, s: of._address("load", s.source), Pop: lambda of, s: of._address("store", s.target),
          Poke: lambda of, s: of._address("load", s.source), Peek: lambda of, s: of._address("store", s.target),
          Table: lambda of, s: of._address("store", s.target)}
