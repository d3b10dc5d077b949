"""Loop bodies without branches: what the vectoriser can take, as a list of Let, Load, Store, Get and Set.

    if %c { set @r, %a } else { %b = mul …; set @r, %b }     ->     %b = mul …;  %r = select %c, %a, %b
    %x = get @r

Both sides are computed, so they must be short, cheap and without effect. Variables that an iteration sets before it gets them
vanish; those that are left are carried from one iteration to the next.
"""
from __future__ import annotations

from collections import Counter

from ....ir.opdef import LIGHT, OPS, Elementwise
from ....ir.thresholds import sizes
from ..grammar import Atom, Get, If, Kernel, Let, Load, Scalar, Set, Stmt, Store, Var, walk
from ..unroll import Operand


def _speculates(name: str) -> bool:
    """Whether an op may be computed on both sides of a branch."""
    defn = OPS[name]
    return isinstance(defn, Elementwise) and defn.cost <= LIGHT and defn.lanewise


class _Branching(Exception):
    """The body has something that cannot be straightened."""


def accesses(kernel: Kernel) -> Counter[Var]:
    """How often each variable of a kernel is set or got."""
    return Counter(s.var for s in walk(kernel.body) if isinstance(s, (Get, Set)))


def private(body: list, everywhere: Counter[Var]) -> set[Var]:
    """The variables that no other iteration of a loop sees. `everywhere`: `accesses` of the kernel."""
    here: Counter[Var] = Counter()
    first: dict[Var, type] = {}
    for s in walk(body):
        if isinstance(s, (Get, Set)):
            here[s.var] += 1
            first.setdefault(s.var, type(s))
    return {var for var, n in here.items() if n == everywhere[var] and first[var] is Set}


def straight(body: list, own: set[Var]) -> list | None:
    """The body of a loop without branches; None where it must have them. `own`: its `private` variables."""
    writer = _Straight(own)
    try:
        writer.block(body, {}, False)
    except _Branching:
        return None
    return writer.out


class _Straight:
    """`private`: the variables that no other iteration sees."""

    def __init__(self, private: set[Var]):
        self.private = private
        self.out: list[Stmt] = []
        self.same: dict[Scalar, Atom] = {}          # what got a variable -> what it had been set to

    def atom(self, a: Operand) -> Operand:
        return self.same.get(a, a) if type(a) is Scalar else a

    def atoms(self, items: tuple[Operand, ...]) -> tuple[Operand, ...]:
        return tuple([self.atom(a) for a in items])

    def block(self, statements: list, held: dict[Var, Atom], branch: bool) -> dict[Var, Atom]:
        """Write statements; `held`: the values of variables, which changes."""
        for s in statements:
            kind = type(s)
            if kind is Let:
                if branch and not (_speculates(s.op) and all(a.dtype.kind in "fb" for a in (s.target, *s.args))):
                    raise _Branching
                self.out.append(Let(s.target, s.op, self.atoms(s.args), s.attrs, s.reassoc))
            elif kind is Get and s.var in held:
                self.same[s.target] = held[s.var]
            elif kind is Set and s.var in self.private:
                held[s.var] = self.atom(s.value)
            elif kind is If:
                self._if(s, held)
            elif branch:
                raise _Branching
            elif kind is Load:
                self.out.append(Load(s.target, s.buffer, self.atoms(s.index)))
            elif kind is Store:
                self.out.append(Store(s.buffer, self.atoms(s.index), self.atom(s.value)))
            elif kind is Get:
                self.out.append(s)
            elif kind is Set:
                self.out.append(Set(s.var, self.atom(s.value)))
            else:
                raise _Branching
        return held

    def _if(self, s: If, held: dict[Var, Atom]) -> None:
        if s.rare or len(s.then) > sizes.straightened or len(s.other) > sizes.straightened:
            raise _Branching
        cond = self.atom(s.cond)
        then, other = (self.block(side, dict(held), True) for side in (s.then, s.other))
        for var in {**then, **other}:
            a, b = then.get(var), other.get(var)
            if a is None or b is None:              # set on one side only: no value after it
                raise _Branching
            if a is not b:
                made = Scalar(var.dtype)
                self.out.append(Let(made, "select", (cond, a, b)))
                a = made
            held[var] = a
