"""Sums of integers, and what is known of their sign: the arithmetic behind range analysis.

    form  ::= const + coefficient * atom + …       exact integers: no machine wrap-around in here
    atom  an integer of which only bounds are known: low <= atom <= high as numbers, and by other forms
          lows    (s, form): s * atom >= form      highs   (s, form): s * atom <= form      s > 0
          cases   (guards, form)…: atom is one of these forms, each where its guards (forms) are >= 0

`Constraints.nonneg(form)` looks for a proof that a form is never negative, by putting bounds in place of atoms:

    n - 1 - i, i <= n - 2   ->   n - 1 - (n - 2) = 1 >= 0

All of it holds for integers, so that s * form > -s suffices for form >= 0. `Constraints.assume(form)` records form >= 0 as a
bound of each of its atoms, until `undo`.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1
LONGEST = 1 << 56          # no axis has more elements, and no loop makes more iterations before the end of time
FUEL = 48                  # steps of one proof
MANY = 12                  # of the bounds of an atom, so many of the newest are tried


class Symbol:
    """An integer of which only bounds are known. `array`: the element of an array at the position of the form.

    over  where this is max(over, c) with c <= 0: it equals `over` wherever it is positive
    """

    __slots__ = ("array", "cases", "high", "highs", "low", "lows", "number", "over")

    def __init__(self, number: int, low: int, high: int, array: bool = False):
        self.number, self.low, self.high, self.array = number, low, high, array
        self.lows: list[tuple[int, AffineExpr]] = []
        self.highs: list[tuple[int, AffineExpr]] = []
        self.cases: Sequence[tuple[Sequence[AffineExpr], AffineExpr]] | None = None
        self.over: AffineExpr | None = None

    def __repr__(self) -> str:
        return f"a{self.number}"


class AffineExpr:
    """const + sum of coefficient * atom. Immutable."""

    __slots__ = ("const", "terms")

    def __init__(self, const: int, terms: dict[Symbol, int]):
        self.const, self.terms = const, terms

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AffineExpr) and self.const == other.const and self.terms == other.terms

    __hash__ = None         # type: ignore[assignment]      # how Python says that there is none

    @property
    def key(self) -> Any:
        return self.const, frozenset(self.terms.items())

    def plus(self, other: AffineExpr, times: int = 1) -> AffineExpr:
        """self + times * other."""
        if not other.terms:
            return AffineExpr(self.const + times * other.const, self.terms)
        return AffineExpr(self.const + times * other.const, _sum(self.terms, 1, other.terms, times))

    def add(self, const: int) -> AffineExpr:
        return AffineExpr(self.const + const, self.terms) if const else self

    def times(self, factor: int) -> AffineExpr:
        if factor == 1:
            return self
        return AffineExpr(self.const * factor, {a: c * factor for a, c in self.terms.items()} if factor else {})

    @property
    def atom(self) -> Symbol | None:
        """The atom, of a form that is one and nothing else."""
        if self.const == 0 and len(self.terms) == 1:
            ((atom, c),) = self.terms.items()
            return atom if c == 1 else None
        return None

    @property
    def symbol(self) -> Symbol:
        """The atom, of a form that was made as one."""
        atom = self.atom
        assert atom is not None
        return atom

    @property
    def low(self) -> int:
        total = self.const
        for a, c in self.terms.items():
            total += c * (a.low if c > 0 else a.high)
        return total

    @property
    def high(self) -> int:
        total = self.const
        for a, c in self.terms.items():
            total += c * (a.high if c > 0 else a.low)
        return total

    def __repr__(self) -> str:
        return " + ".join([str(self.const), *(f"{c}*{a}" for a, c in self.terms.items())])


def _sum(x: dict, p: int, y: dict, q: int) -> dict:
    """p*x + q*y, on terms."""
    terms = {a: c * p for a, c in x.items()} if p != 1 else dict(x)
    for a, c in y.items():
        c = terms.get(a, 0) + q * c
        if c:
            terms[a] = c
        else:
            del terms[a]
    return terms


def _newest(atom: Symbol) -> int:
    return -atom.number


class Constraints:
    """The bounds of all atoms, some of which hold only in a part of the program: `mark`, `assume` …, `undo`."""

    __slots__ = ("count", "fuel", "trail", "used")

    def __init__(self) -> None:
        self.count, self.fuel = 0, 0
        self.trail: list = []
        self.used: set = set()

    def atom(self, low: int, high: int, array: bool = False) -> Symbol:
        self.count += 1
        return Symbol(self.count, low, high, array)

    # --- what holds for a while ----------------------------------------------------------------------------------------------

    def mark(self) -> int:
        return len(self.trail)

    def undo(self, mark: int) -> None:
        trail = self.trail
        while len(trail) > mark:
            field, atom, old = trail.pop()
            if old is None:
                getattr(atom, field).pop()
            else:
                setattr(atom, field, old)

    def assume(self, form: AffineExpr) -> bool:
        """form >= 0 from here on; False where that contradicts what is known.

        What holds for all elements of an array says nothing about other numbers, as there may be none: then only array atoms
        are bounded.
        """
        terms, most = form.terms, form.high
        if most < 0:
            return False
        trail, alone, elements = self.trail, len(terms) == 1, any(a.array for a in terms)
        for a, c in terms.items():
            if elements and not a.array:
                continue
            others = most - c * (a.high if c > 0 else a.low)            # c a >= -(the rest) >= -others
            if c > 0:
                if (low := -(others // c)) > a.low:
                    trail.append(("low", a, a.low))
                    a.low = low
                if not alone:
                    a.lows.append((c, AffineExpr(-form.const, {t: -k for t, k in terms.items() if t is not a})))
                    trail.append(("lows", a, None))
            else:
                if (high := others // -c) < a.high:
                    trail.append(("high", a, a.high))
                    a.high = high
                if not alone:
                    a.highs.append((-c, AffineExpr(form.const, {t: k for t, k in terms.items() if t is not a})))
                    trail.append(("highs", a, None))
        return True

    def assume_all(self, forms: Iterable[AffineExpr]) -> bool:
        consistent = True
        for form in forms:
            consistent &= self.assume(form)
        return consistent

    def assume_unequal(self, form: AffineExpr) -> bool:
        """form != 0: says something where its sign is known."""
        if self.nonneg(form):
            return self.assume(form.add(-1))
        negated = form.times(-1)
        return self.assume(negated.add(-1)) if self.nonneg(negated) else True

    # --- proofs --------------------------------------------------------------------------------------------------------------

    def nonneg(self, form: AffineExpr) -> bool:
        """Whether a proof is found that form >= 0."""
        if form.low >= 0:
            return True
        if form.high < 0:
            return False
        self.fuel = FUEL
        return self._prove(form.const, form.terms, 1)

    def _prove(self, const: int, terms: dict, scale: int) -> bool:
        """Whether const + terms > -scale. Each atom is replaced once on the way."""
        total = const
        for a, c in terms.items():
            total += c * (a.low if c > 0 else a.high)
        if total > -scale:
            return True
        self.fuel -= 1
        if self.fuel < 0:
            return False
        used = self.used
        for a in sorted(terms, key=_newest) if len(terms) > 1 else terms:
            c = terms[a]
            bounds = a.lows if c > 0 else a.highs
            if a in used or not (bounds or a.cases):
                continue
            rest = dict(terms)
            del rest[a]
            used.add(a)
            try:
                for s, bound in bounds[-MANY:]:                         # s a >= bound:  s (rest + c a) >= s rest + c bound
                    if used.isdisjoint(bound.terms) and self._prove(
                            s * const + c * bound.const, _sum(rest, s, bound.terms, c), s * scale):
                        return True
                if a.cases and self._in_all(a.cases, const, rest, c, scale):
                    return True
            finally:
                used.discard(a)
        return False

    def _in_all(self, cases: tuple[tuple[list, AffineExpr], ...], const: int, rest: dict, c: int, scale: int) -> bool:
        """Whether the bound holds for each thing that the atom may be."""
        for guards, form in cases:
            mark = self.mark()
            try:
                if self.assume_all(guards) and not (
                        self.used.isdisjoint(form.terms)
                        and self._prove(const + c * form.const, _sum(rest, 1, form.terms, c), scale)):
                    return False
            finally:
                self.undo(mark)
        return True

    # --- bounds without some atoms ------------------------------------------------------------------------------------------

    def hull(self, form: AffineExpr, local: Callable, side: int, limit: int = 4) -> list[AffineExpr]:
        """Forms without atoms of which `local` is true that bound the form: from below (side -1) or above (side 1)."""
        found: list[AffineExpr] = []
        todo = [form]
        while todo and len(found) < limit and len(todo) < 16:
            form = todo.pop()
            inner = [a for a in form.terms if local(a)]
            if not inner:
                if not any(form == f for f in found):
                    found.append(form)
                continue
            a = min(inner, key=_newest)
            c = form.terms[a]
            rest = AffineExpr(form.const, {t: k for t, k in form.terms.items() if t is not a})
            below = (c > 0) == (side < 0)
            number = a.low if below else a.high
            if LOWEST // 2 < number < HIGHEST // 2 and number not in (LONGEST, LONGEST - 1):
                todo.append(rest.add(c * number))
            todo += [rest.plus(b, c) for s, b in (a.lows if below else a.highs) if s == 1]
        return found
