"""How a loop changes a variable: whether its iterations combine it with others in any order.

    @v = op(@v, x), any number of times, also in inner loops            the op, where each step may be reassociated
    @w = @v;  for … { @w = op(@w, x) };  @v = @w                        the same: an inner loop carries it on
    if c { @w = op(@v, x) } else { @w = @v };  @v = @w                  the same: a branch decides; or a `select`
"""
from __future__ import annotations

from collections import Counter

from ..grammar import Atom, For, Get, If, Let, Scalar, Set, Var, While, walk
from .reorder_iterations import any_order, uses

# op of a reduction -> the op that combines what chunks have found
REDUCED = {"add": "add", "mul": "mul", "max": "max", "min": "min"}
_STEPS = {**REDUCED, "sub": "add"}
_LEADING = frozenset((*_STEPS, "select"))


def step_of(body: list, var: Var, everywhere: Counter[Var]) -> str:
    """The op of the reduction; "ordered" where only its order stands against it; "" where it is none."""
    kinds = _Steps(everywhere, uses(body)).of(body, var)
    if len(kinds) != 1:
        return "" if kinds != {"add", "ordered"} else "ordered"
    return kinds.pop()


class _Steps:
    """`passed`: how often each scalar has been found on the way of the variable; nothing else may use it."""

    def __init__(self, everywhere: Counter[Var], used: Counter[Scalar]):
        self.everywhere, self.used = everywhere, used
        self.passed: Counter[Scalar] = Counter()

    def of(self, body: list, var: Var) -> set[str]:
        """The ops of all steps; with "" where something is no step."""
        now: Scalar | None = None
        kinds: set[str] = set()
        for k, s in enumerate(body):
            kind = type(s)
            if kind is Get and s.var is var:
                kinds |= set() if now is None else {""}
                now = s.target
            elif kind is Set and s.var is var:
                kinds |= {""} if now is None else self._step(s.value, now, body[:k])
                kinds |= set() if now is None or self.passed[now] == self.used[now] else {""}
                now = None
            elif kind in (For, If, While) and _touches([s], var):
                kinds |= {""} if now is not None or kind is While else self._inner(s, var)
        return kinds | ({""} if now is not None else set())

    def _inner(self, s: For | If, var: Var) -> set[str]:
        if isinstance(s, For):
            return self.of(s.body, var)
        return set().union(*(self.of(side, var) for side in (s.then, s.other) if _touches(side, var)))

    def _step(self, value: Atom | None, before: Scalar, body: list) -> set[str]:
        """The ops on the way from what was got to what is set."""
        made = {s.target: s for s in body if type(s) in (Let, Get)}
        leading = _leading(before, made)
        kinds: set[str] = set()
        while type(value) is Scalar:
            self.passed[value] += 1
            if value is before:
                return kinds
            step = made.get(value)
            if step is None or self.used[value] != 1:
                return {""}
            if type(step) is Get:
                return kinds | self._through(step, before, body)
            if step.op == "select":
                return kinds.union(*(self._step(a, before, body) for a in step.args[1:]))
            if step.op not in _STEPS:
                return {""}
            free = any_order(step) or step.target.dtype.integer
            kinds |= {_STEPS[step.op]} if free else {"add", "ordered"}
            sides = step.args[:1] if step.op == "sub" else step.args
            value = next((a for a in sides if a in leading), None)
        return {""}

    def _through(self, got: Get, before: Scalar, body: list) -> set[str]:
        """From `before` through another variable, which an inner loop or a branch sets, to what is got of it."""
        w = got.var
        here = [s for s in body if _touches([s], w)]
        if not here or here[-1] is not got or self.everywhere[w] != sum(
                isinstance(t, (Get, Set)) and t.var is w for t in walk(here)):
            return {""}
        if len(here) == 2 and type(here[0]) is If:
            return set().union(*(self._branch(side, w, before, body) for side in (here[0].then, here[0].other)))
        if len(here) == 3 and type(here[0]) is Set and type(here[1]) is For:
            return self._step(here[0].value, before, body) | self._inner(here[1], w)
        return {""}

    def _branch(self, side: list, w: Var, before: Scalar, body: list) -> set[str]:
        last = side[-1] if side else None
        if type(last) is not Set or last.var is not w or _touches(side[:-1], w):
            return {""}
        return self._step(last.value, before, [*body, *side])


def _leading(before: Scalar, made: dict[Scalar, Let | Get]) -> set[Atom]:
    """The scalars from which steps may lead back to `before`; of what is got of a variable, that variable decides. made: in the
    order in which they are computed."""
    found: set[Atom] = {before}
    for target, step in made.items():
        if type(step) is Get or (type(step) is Let and step.op in _LEADING and not found.isdisjoint(step.args)):
            found.add(target)
    return found


def _touches(statements: list, var: Var) -> bool:
    return any(isinstance(t, (Get, Set)) and t.var is var for t in walk(statements))
