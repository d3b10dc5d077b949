"""The cursor that writes loop IR: a stack of open statement lists, and for each scalar the depth at which it is known.

A pure statement is written at the deepest level of its arguments, not at the innermost open one. So what does not depend on
an inner loop's index lands before that loop: in `for i { for j { y[i, j] = x[i, j] - exp(m[i]) } }` the load of m[i] and
its exp stand in the outer loop. Levels from `base` on belong to the current nest; nothing moves out of a control region.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from typing import Any

from ...ir.errors import Loc
from ...ir.types import BOOL, INDEX, DType
from .grammar import Atom, Buffer, Fail, For, Get, If, Imm, Let, Load, Scalar, Set, Size, Stmt, Store, Var

_FOLD: dict[str, Callable[[int, int], int]] = {
         "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "min": min, "max": max,
         "floordiv": lambda a, b: a // b if b else 0, "mod": lambda a, b: a % b if b else 0}
_COMPARE: dict[str, Callable[[int, int], bool]] = {
            "lt": lambda a, b: a < b, "le": lambda a, b: a <= b, "eq": lambda a, b: a == b, "ge": lambda a, b: a >= b,
            "gt": lambda a, b: a > b, "ne": lambda a, b: a != b}


# The ends between which the results of index arithmetic lie, from the ends (least, most) of its operands.
Ends = tuple[float, float]
ENDS: dict[str, Callable[..., Ends]] = {
    "min": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])), "max": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "add": lambda a, b: (a[0] + b[0], a[1] + b[1]), "sub": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "mul": lambda a, b: (0, a[1] * b[1] if a[1] and b[1] else 0) if min(a[0], b[0]) >= 0 else (-inf, inf),
    "floordiv": lambda a, b: (0, inf if a[1] == inf else a[1] // b[0]) if a[0] >= 0 and b[0] > 0 else (-inf, inf),
    "mod": lambda a, b: (0, b[1] - 1) if b[0] > 0 else (-inf, inf),
    "select": lambda c, a, b: (min(a[0], b[0]), max(a[1], b[1])),
}


def ends_of(a: int | Atom) -> Ends:
    if type(a) is not Scalar:
        n = a.value if type(a) is Imm else a
        return n, n
    return -inf if a.least is None else a.least, inf if a.most is None else a.most


def _bound(target: Scalar, op: str, args: Sequence[Atom]) -> None:
    """Note what is known of an index."""
    low, high = ENDS[op](*map(ends_of, args))
    target.least, target.most = (None if abs(end) == inf else int(end) for end in (low, high))


_NEUTRAL = {("add", 0), ("sub", 0), ("mul", 1), ("floordiv", 1)}


class Cursor:
    """Statement lists by level; `memos[level]` holds what is already computed there."""

    def __init__(self) -> None:
        self.stack: list[list] = [[]]
        self.memos: list[dict] = [{}]
        self.levels: dict[Scalar, int] = {}
        self.base = 0
        self._names = 0
        self.loc: Loc = ()                         # of the op that is being written

    # --- levels -----------------------------------------------------------------------------------------------------

    def level(self, atoms: Sequence) -> int:
        """The deepest level that any of the atoms is known at."""
        at, levels = self.base, self.levels
        for a in atoms:
            if type(a) is Scalar:
                depth = levels[a]
                if depth > at:
                    at = depth
        return at

    @property
    def depth(self) -> int:
        return len(self.stack) - 1

    def write(self, stmt: Stmt, level: int | None = None) -> None:
        self.stack[-1 if level is None else level].append(stmt)

    @contextmanager
    def open(self, control: bool = False) -> Iterator[list]:
        """A new innermost statement list; a control region becomes the base, which nothing leaves."""
        body: list = []
        base = self.base
        self.stack.append(body)
        self.memos.append({})
        if control:
            self.base = len(self.stack) - 1
        try:
            yield body
        finally:
            self.stack.pop()
            self.memos.pop()
            self.base = base

    @contextmanager
    def at_level(self, level: int) -> Iterator[None]:
        """Write at an outer level for a while."""
        kept, memos = self.stack[level + 1:], self.memos[level + 1:]
        del self.stack[level + 1:], self.memos[level + 1:]
        try:
            yield
        finally:
            self.stack.extend(kept)
            self.memos.extend(memos)

    def fresh(self, dtype: DType, level: int | None = None, name: str = "") -> Scalar:
        s = Scalar(dtype, name, self.loc)
        self.levels[s] = len(self.stack) - 1 if level is None else level
        return s

    def name(self, hint: str | None, prefix: str) -> str:
        self._names += 1
        return f"{hint}.{self._names}" if hint else f"{prefix}{self._names}"

    # --- statements -------------------------------------------------------------------------------------------------

    def let(self, op: str, args: Sequence[Atom], dtype: DType, attrs: dict[str, Any] | None = None,
            level: int | None = None) -> Scalar:
        at = self.level(args) if level is None else level
        target = Scalar(dtype, "", self.loc)
        self.levels[target] = at
        self.stack[at].append(Let(target, op, tuple(args), attrs or {}))
        if dtype is INDEX and op in ENDS:
            _bound(target, op, args)
        return target

    def load(self, buffer: Buffer, index: Sequence[int | Atom], level: int | None = None) -> Scalar:
        at = self.level(index) if level is None else level
        target = Scalar(buffer.dtype, "", self.loc)
        self.levels[target] = at
        self.stack[at].append(Load(target, buffer, tuple(index)))
        return target

    def store(self, buffer: Buffer, index: Sequence[int | Atom], value: Atom) -> None:
        self.stack[-1].append(Store(buffer, tuple(index), value))

    def get(self, var: Var) -> Scalar:
        target = self.fresh(var.dtype)
        self.stack[-1].append(Get(target, var))
        return target

    def set(self, var: Var, value: Atom) -> None:
        self.stack[-1].append(Set(var, value))

    def accumulate(self, var: Var, op: str, value: Atom, reassoc: bool = True) -> None:
        """var = op(var, value), the step of a reduction."""
        now = self.get(var)
        target = self.fresh(var.dtype)
        self.stack[-1].append(Let(target, op, (now, value), {}, reassoc))
        self.stack[-1].append(Set(var, target))

    def var(self, dtype: DType, prefix: str = "v") -> Var:
        return Var(dtype, self.name(None, prefix))

    @contextmanager
    def loop(self, trip: Size, **flags: Any) -> Iterator[Scalar]:
        """for i = 0 … trip-1; yields the index."""
        with self.open() as body:
            i = self.fresh(INDEX)
            yield i
        self.stack[-1].append(For(i, trip, body, **flags))

    def fail(self, cond: Atom, site: int, values: Sequence[Atom] = (), level: int | None = None) -> None:
        self.write(Fail(cond, site, tuple(values)), level)

    def branch(self, cond: Atom, then: list, other: list, rare: bool = False) -> None:
        self.stack[-1].append(If(cond, then, other, rare))

    # --- index arithmetic on Python ints and index scalars ----------------------------------------------------------

    def iop(self, op: str, a: Size, b: Size) -> Size:
        if type(a) is int and type(b) is int:
            return _FOLD[op](a, b)
        if type(b) is int and (op, b) in _NEUTRAL:
            return a
        if type(a) is int and ((op == "add" and a == 0) or (op == "mul" and a == 1)):
            return b
        if op == "mul" and (a == 0 or b == 0) and (type(a) is int or type(b) is int):
            return 0
        at = self.level((a, b))
        key = (op, a, b)
        found = self.memos[at].get(key)
        if found is None:
            found = self.memos[at][key] = self.let(op, (operand(a), operand(b)), INDEX, level=at)
        return found

    def compare(self, op: str, a: Size, b: Size) -> Atom:
        if type(a) is int and type(b) is int:
            return Imm(_COMPARE[op](a, b), BOOL)
        return self.let(op, (operand(a), operand(b)), BOOL)

    def sum(self, parts: Iterable[Size]) -> Size:
        total: Size = 0
        for p in parts:
            total = self.iop("add", total, p)
        return total

    def product(self, parts: Iterable[Size]) -> Size:
        total: Size = 1
        for p in parts:
            total = self.iop("mul", total, p)
        return total


def operand(x: Size) -> Atom:
    """An index as an operand of `Let`."""
    return Imm(x, INDEX) if isinstance(x, int) else x


def as_index(atom: Atom | int) -> Size:
    """An atom of an integer dtype as an index: the int of an immediate."""
    return int(atom.value) if isinstance(atom, Imm) else atom
