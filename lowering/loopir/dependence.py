"""Positions in loop IR as forms over loop counters (affine.py): what can be proved about two accesses to one buffer."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ...ir.analysis.affine import HIGHEST, LONGEST, LOWEST, AffineExpr, Symbol
from ...ir.analysis.affine import Constraints as _Facts
from ...ir.types import INDEX
from .grammar import Atom, For, If, Let, Scalar, While


class Positions:
    """The forms of index scalars, and what is known of them at the place where a walk over the kernel stands."""

    def __init__(self) -> None:
        self.facts = _Facts()
        self.forms: dict[Scalar, AffineExpr] = {}
        self.conditions: dict[Scalar, Let] = {}
        self.unequal: list[AffineExpr] = []               # forms that are not 0
        self.held: list[AffineExpr] = []                  # forms that are >= 0 here, of the loops and branches around

    def form(self, x: int | Atom) -> AffineExpr:
        """The form of an index: an int, an immediate or a scalar."""
        if type(x) is not Scalar:
            return AffineExpr(x if isinstance(x, int) else int(x.value), {})
        found = self.forms.get(x)
        if found is None:
            found = self.forms[x] = AffineExpr(0, {self.facts.atom(LOWEST, HIGHEST): 1})
        return found

    def let(self, s: Let) -> None:
        """Note index arithmetic, and comparisons of positions."""
        if s.op in _HOLDS and all(a.dtype is INDEX for a in s.args):
            self.conditions[s.target] = s
        if s.op == "wrap" and self.facts.nonneg(self.form(s.args[0])):
            self.forms[s.target] = self.form(s.args[0])
        elif s.target.dtype is INDEX and s.op in _ARITHMETIC:
            found = _ARITHMETIC[s.op](*map(self.form, s.args))
            if found is not None:
                self.forms[s.target] = found
        elif s.target.dtype is INDEX and s.op in _BOUNDS:
            found = self.forms.setdefault(s.target, AffineExpr(0, {self.facts.atom(LOWEST, HIGHEST): 1}))
            for a in s.args:
                self.facts.assume(_BOUNDS[s.op](self.form(a), found))

    def define(self, s: Any) -> None:
        """Note a statement that defines an index, of which nothing may be known."""
        target = getattr(s, "target", None)
        if type(target) is Scalar and target.dtype is INDEX:
            self.forms[target] = AffineExpr(0, {self.facts.atom(LOWEST, HIGHEST): 1})
        if type(s) is Let:
            self.let(s)

    @contextmanager
    def loop(self, s: For) -> Iterator[None]:
        """Within, the counter of a loop is from 0 to trip - 1."""
        mark, i = self.facts.mark(), self.counter(s)
        self.forms[s.index] = AffineExpr(0, {i: 1})
        self.held.append(self.left(s, i))
        yield
        self.held.pop()
        self.facts.undo(mark)

    def counter(self, s: For) -> Symbol:
        """The number of one more iteration of a loop."""
        i = self.facts.atom(0, LONGEST)
        self.facts.assume(self.left(s, i))
        return i

    def left(self, s: For, i: Symbol) -> AffineExpr:
        """How many iterations of a loop follow number i."""
        return self.form(s.trip).add(-1).plus(AffineExpr(0, {i: 1}), -1)

    @contextmanager
    def where(self, cond: Atom) -> Iterator[None]:
        """Within, a condition holds."""
        s = self.conditions.get(cond) if type(cond) is Scalar else None
        if s is None:
            yield
            return
        mark, known = self.facts.mark(), len(self.unequal)
        a, b = map(self.form, s.args)
        open = len(self.held)
        holds = _HOLDS[s.op]
        if holds is None:
            self.unequal.append(a.plus(b, -1))
        else:
            self.held.append(holds(a, b))
            self.facts.assume(self.held[-1])
        yield
        self.facts.undo(mark)
        del self.unequal[known:], self.held[open:]

    def differ(self, a: AffineExpr, b: AffineExpr) -> bool:
        """Whether two positions are known to differ, in whichever direction."""
        d = a.plus(b, -1)
        return any(d == u or d == u.times(-1) for u in self.unequal)

    def less(self, a: AffineExpr, b: AffineExpr) -> bool:
        """Whether a < b is proved."""
        return self.facts.nonneg(b.plus(a, -1).add(-1))


def rewrite_loops(statements: list, positions: Positions, rewrite: Callable[[For], list | None], *, inner_first: bool) -> None:
    """Let `rewrite` say what stands in the place of each loop (None: the loop itself), with what is known of positions there.

    With inner_first a loop comes after those inside of it, else before, and what it is replaced by is left alone.
    """
    def inside(block: list) -> None:
        rewrite_loops(block, positions, rewrite, inner_first=inner_first)

    k = 0
    while k < len(statements):
        s, found = statements[k], None
        if isinstance(s, Let):
            positions.let(s)
        elif isinstance(s, For):
            with positions.loop(s):
                if inner_first:
                    inside(s.body)
                found = rewrite(s)
                if found is None and not inner_first:
                    inside(s.body)
        elif isinstance(s, While):
            inside(s.head)
            inside(s.body)
        elif isinstance(s, If):
            with positions.where(s.cond):
                inside(s.then)
            inside(s.other)
        if found is not None:
            statements[k:k + 1] = found
            k += len(found) - 1
        k += 1


def _mul(a: AffineExpr, b: AffineExpr) -> AffineExpr | None:
    if a.terms and b.terms:
        return None
    return a.times(b.const) if a.terms else b.times(a.const)


# What is >= 0 where a comparison holds; where two numbers differ, it is not known which is less.
_HOLDS: dict[str, Callable[[AffineExpr, AffineExpr], AffineExpr] | None] = {
          "ge": lambda a, b: a.plus(b, -1), "le": lambda a, b: b.plus(a, -1), "gt": lambda a, b: a.plus(b, -1).add(-1),
          "lt": lambda a, b: b.plus(a, -1).add(-1), "ne": None}
# of an extreme and what it is taken of: what is >= 0
_BOUNDS: dict[str, Callable[[AffineExpr, AffineExpr], AffineExpr]] = {
          "min": lambda a, least: a.plus(least, -1), "max": lambda a, most: most.plus(a, -1)}
_ARITHMETIC: dict[str, Callable[[AffineExpr, AffineExpr], AffineExpr | None]] = {
               "add": AffineExpr.plus, "sub": lambda a, b: a.plus(b, -1), "mul": _mul}
