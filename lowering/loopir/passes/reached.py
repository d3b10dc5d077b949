"""How long a loop can be that reads or writes an array of known size in each iteration: no position lies outside of its array.

    alloc $t: f64[16]
    for %i in %n { %k = mul %i, 2   load $t[%k] … }       →   %n is 8 at most

What a position is at least is read off how it is computed: as intervals of integers, which variables join over all that is
stored in them.

    set @n, 0    if … { set @n, 3 }    %n = get @n    %k = sub 4, %n      →   %n is 0 to 3, %k is 1 to 4

A bound is an estimate: it holds where the loop runs, and where no sum is wider than its dtype. Loops of few iterations get no
form for threads (parallelize.py), and the shortest none for vectors (llvm/kernel_writer.py): such code is long to compile, and
never runs.
"""
from __future__ import annotations

from collections.abc import Callable
from math import inf, prod

from ....ir.types import INDEX
from ..cursor import ENDS, Ends, ends_of
from ..grammar import Atom, For, Get, Imm, Kernel, Let, Load, Scalar, Set, Stmt, Store, Var, greatest, walk


def bound(kernel: Kernel) -> None:
    """Note what loops reach in the scalars that are their lengths."""
    statements = list(walk(kernel.body))
    if any(type(s) is For and greatest(s.trip) == inf for s in statements):
        _Intervals().follow(statements)
    for s in statements:
        if type(s) is For and type(s.trip) is Scalar:
            least = min(reach(s), greatest(s.trip))
            s.trip.most = None if least == inf else int(least)


def reach(loop: For) -> float:
    """The greatest number of iterations with which all positions lie in their arrays."""
    forms: dict[Scalar, tuple[int, int]] = {loop.index: (1, 0)}        # scalar -> (a, b): it is at least a * counter + b
    found = inf
    for s in loop.body:
        if type(s) is Let and s.target.dtype is INDEX and s.op in ("add", "mul"):
            for x, y in (s.args, s.args[::-1]):
                known = _least(y)
                if isinstance(x, Scalar) and x in forms and known is not None and known >= (s.op == "mul"):
                    a, b = forms[x]
                    forms[s.target] = (a, b + known) if s.op == "add" else (a * known, b * known)
        elif type(s) in (Load, Store):
            dims = s.buffer.dims
            if len(s.index) < len(dims):                    # one position over all elements
                dims = (prod(dims),) if all(type(d) is int for d in dims) else (None,)
            for i, size in zip(s.index, dims, strict=True):
                if type(i) is Scalar and i in forms and type(size) is int:
                    a, b = forms[i]
                    found = min(found, max(size - 1 - b, -1) // a + 1)
    return found


def _least(x: Imm | Scalar) -> int | None:
    return int(x.value) if type(x) is Imm else x.least


# --- intervals -------------------------------------------------------------------------------------------------------

_RULES: dict[str, Callable[..., Ends]] = {
    **ENDS, "cast": lambda a: a, "neg": lambda a: (-a[1], -a[0]),
    "wrap": lambda a, n: (0, a[1] if a[0] >= 0 else max(a[1], n[1] - 1)),         # a negative position counts from the end
}
_NOTHING: Ends = (inf, -inf)
_STEADY = 2                # rounds after which an end that still moves is given up


class _Intervals:
    """The intervals of integers: from nothing, they grow by all statements until none grows."""

    def __init__(self) -> None:
        self.of: dict[Scalar | Var, Ends] = {}

    def follow(self, statements: list[Stmt]) -> None:
        """Note the intervals in the scalars."""
        rounds = 0
        while self._round(statements, rounds >= _STEADY):
            rounds += 1
        for x, (low, high) in self.of.items():
            if type(x) is Scalar and low <= high:
                known = ends_of(x)
                low, high = max(low, known[0]), min(high, known[1])
                x.least, x.most = None if low == -inf else int(low), None if high == inf else int(high)

    def _round(self, statements: list[Stmt], widen: bool) -> bool:
        """Whether a variable may hold more than was known."""
        of, grown = self.of, False
        for s in statements:
            if type(s) is Let and s.op in _RULES and s.target.dtype.integer:
                found = [self._ends(a) for a in s.args]
                of[s.target] = _NOTHING if _NOTHING in found else _RULES[s.op](*found)
            elif type(s) is For:
                of[s.index] = (0, max(self._ends(s.trip)[1] - 1, 0))
            elif type(s) is Get and s.var.dtype.integer:
                of[s.target] = of.get(s.var, _NOTHING)
            elif type(s) is Set and s.var.dtype.integer:
                old, new = of.get(s.var, _NOTHING), self._ends(s.value)
                low, high = min(old[0], new[0]), max(old[1], new[1])
                if (low, high) != old:
                    of[s.var] = (-inf if widen and low < old[0] else low, inf if widen and high > old[1] else high)
                    grown = True
        return grown

    def _ends(self, a: int | Atom) -> Ends:
        known = self.of.get(a) if type(a) is Scalar else None
        return ends_of(a) if known is None else known
