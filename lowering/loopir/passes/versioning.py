"""Loops that check positions which follow the counter: two versions, of which the one without checks nearly always runs.

    for i in n {                              if %k or %k + n - 1 is outside of %m {
      %p = add %i, %k;  %q = wrap %p, %m        for i in n { as written }
      fail outside %q, %m               ->    } else {
      … a[%q] … }                               for i in n { %p = add %i, %k;  … a[%p] … } }

Range analysis has not proved that such positions lie in their arrays, as they start or end where data say. They move by the
same constant in each iteration, so all of them lie between the first and the last. Where those are in the array nothing needs
to be checked, nor counted from the end, and the loop can become vectors. Elsewhere it runs as it was written: it raises at the
right iteration, after the writes before it, or counts from the end. No position goes around 64 bits on the way from the first
to the last: the constant is small, and a loop that would count so far runs as it was written. So a Python int on the way fits
64 bits where it does at both ends.
"""
from __future__ import annotations

from typing import Any

from ....ir.ops.elementwise import FITS
from ....ir.thresholds import sizes
from ....ir.types import BOOL, I64, INDEX
from ..cursor import operand
from ..grammar import Atom, Fail, For, Get, If, Imm, Kernel, Let, Load, Scalar, Set, Store, While, walk
from ..unroll import New, copied, copies, renamed

_MOST = 8                 # places that are looked at before a loop
_STEP = 1 << 16           # how far they move in an iteration at most
_FAR = 1 << 46            # iterations within which positions that move so far do not go around 64 bits
_PLAIN = (Let, Load, Store, Get, Set, If, Fail)


def version(kernel: Kernel) -> None:
    """Rewrite the kernel's loops in place."""
    _block(kernel.body)


def _block(statements: list) -> None:
    statements[:] = [t for s in statements for t in _statement(s)]


def _statement(s: Any) -> list:
    if type(s) is For and all(type(t) in _PLAIN for t in walk(s.body)):
        plan = _Versions(s)
        return plan.written() if 0 < len(plan.places) <= _MOST else [s]
    if type(s) in (For, While):
        _block(s.body)
    elif type(s) is If:
        _block(s.then)
        _block(s.other)
    return [s]


class _Versions:
    """What a loop checks that can be checked before it.

    made      what its body computes and reads; top: those of the former that stand in no branch, in their order
    places    (op that says whether a position is outside of its length, or a result fits; operands; how far they move)
    checks    the conditions of their checks; plain: a position after `wrap` -> the position itself
    fitting   the operations whose results fit
    """

    def __init__(self, loop: For):
        self.loop = loop
        self.made = {s.target: s for s in walk(loop.body) if isinstance(s, (Let, Load, Get))}
        self.top = {s.target: s for s in loop.body if type(s) is Let}
        self.places: list[tuple[str, tuple[Atom, ...], int]] = []
        self.checks: set[Atom] = set()
        self.plain: dict[Scalar, Atom] = {}
        self.fitting: set[tuple] = set()
        if not loop.unroll and not (type(loop.trip) is int and loop.trip < sizes.cut):
            for s in loop.body:
                if type(s) is Fail:
                    self._look(s)

    def _look(self, check: Fail) -> None:
        """Take a check among those that can be made before the loop."""
        asked = self._made_by(check.cond, "outside")
        if asked is not None:
            wrap = self._made_by(asked.args[0], "wrap")
            if wrap is None or wrap.args[1] != asked.args[1] or self._step(wrap.args[1]) != 0:
                return
            step = self._step(wrap.args[0])
            if step is not None and abs(step) <= _STEP:
                self.places.append(("outside", wrap.args, step))
                self.checks.add(check.cond)
                self.plain[wrap.target] = wrap.args[0]
            return
        fine = self._made_by(check.cond, "not")
        fits = self._made_by(fine.args[0], *FITS) if fine else None
        if fits is None:
            return
        name, step = fits.op.removesuffix("_fits"), self._moved(fits.op.removesuffix("_fits"), fits.args)
        if step is not None and abs(step) <= _STEP and all(map(self._exact, fits.args)):
            self.places.append((fits.op, fits.args, step))
            self.checks.add(check.cond)
            self.fitting.add((name, fits.args))

    def _made_by(self, a: Atom, *ops: str) -> Let | None:
        s = self.top.get(a) if type(a) is Scalar else None
        return s if s is not None and s.op in ops else None

    def _exact(self, a: Atom) -> bool:
        """Whether an integer is surely what it would be with more than 64 bits: a position, or what has been found to fit."""
        if type(a) is not Scalar or a not in self.made or a.dtype is INDEX:
            return True
        s = self.top.get(a)
        return s is not None and ((s.op, s.args) in self.fitting or (s.op == "cast" and self._exact(s.args[0])))

    def _step(self, a: Atom | int) -> int | None:
        """By how much an integer moves in an iteration; None where that is not the same each time, or not known."""
        if a is self.loop.index:
            return 1
        if type(a) is not Scalar or a not in self.made:
            return 0
        s = self.top.get(a)
        return self._moved(s.op, s.args) if s is not None and s.target.dtype in (INDEX, I64) else None

    def _moved(self, op: str, args: tuple[Atom, ...]) -> int | None:
        steps = [step for a in args if a.dtype in (INDEX, I64) and (step := self._step(a)) is not None]
        if len(steps) < len(args):
            return None
        if op == "cast":
            return steps[0]
        if op in ("add", "sub"):
            return steps[0] + steps[1] if op == "add" else steps[0] - steps[1]
        if op == "mul" and any(type(a) is Imm for a in args):
            factor, step = (args[0], steps[1]) if type(args[0]) is Imm else (args[1], steps[0])
            return int(factor.value) * step if type(factor) is Imm else None
        return None

    def written(self) -> list:
        """Both versions, and what chooses."""
        loop, last = self.loop, Scalar(INDEX)
        found: list = [Let(last, "sub", (operand(loop.trip), operand(1)))]
        wrong: list[Atom] = []
        if any(abs(step) > 1 for _, _, step in self.places) and not (type(loop.trip) is int and loop.trip <= _FAR):
            found.append(Let(far := Scalar(BOOL), "lt", (operand(_FAR), operand(loop.trip))))
            wrong.append(far)
        for op, args, step in self.places:
            for at in (operand(0), last) if step else (operand(0),):
                new: New = {loop.index: at}
                found += [copied(s, new) for s in self._way(args)]
                found.append(Let(said := Scalar(BOOL), op, tuple([renamed(a, new) for a in args])))
                if op in FITS:
                    found.append(Let(said := Scalar(BOOL), "not", (found[-1].target,)))
                wrong.append(said)
        while len(wrong) > 1:
            found.append(Let(both := Scalar(BOOL), "or", (wrong.pop(), wrong.pop())))
            wrong.append(both)
        return [*found, If(wrong[0], [loop], [self._sure()], rare=True)]

    def _way(self, args: tuple[Atom, ...]) -> list[Let]:
        """What integers are computed by, in its order."""
        needed: set[Scalar] = set()
        pending: list[Any] = list(args)
        while pending:
            a = pending.pop()
            if type(a) is Scalar and a in self.top and a not in needed:
                needed.add(a)
                pending += self.top[a].args
        return [s for s in self.top.values() if s.target in needed]

    def _sure(self) -> For:
        """The loop without these checks."""
        i = Scalar(INDEX)
        new: New = {self.loop.index: i}
        body: list = []
        for s in self.loop.body:
            if type(s) is Let and s.target in self.plain:
                new[s.target] = renamed(self.plain[s.target], new)
            elif type(s) is not Fail or s.cond not in self.checks:
                body += copies([s], new)
        return For(i, self.loop.trip, body, apart=self.loop.apart)
