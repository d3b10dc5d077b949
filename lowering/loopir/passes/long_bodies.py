"""Long straight bodies of loops in pieces, each a loop of its own: LLVM's time grows with the square of a body's length.

    for i in n { A; B; C }   ->   for s in n / SIZE {
                                    for k in SIZE { i = s SIZE + k;  A;  handed[0, k] = %a }
                                    for k in SIZE { i = s SIZE + k;  %a = handed[0, k];  B;  handed[1, k] = %b }
                                    for k in SIZE { …;  C } }

A loop that has no more iterations than a strip needs no strips. What a later piece needs of an earlier one is handed on in
rows, which stay in the cache; a row is used again when nothing needs its value any more. Positions that follow the counter, and
elements at such positions of arrays that the loop only reads, are computed once more. The pieces are cut where few values are
handed on.

All of a piece runs before the next, so what one iteration takes from another has to stay in one piece: a variable, and an array
that is written, unless each iteration has an element of its own. The order in which a variable changes is the same as before.
"""
from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise

from ....ir.thresholds import sizes
from ....ir.types import INDEX, DType
from ..cursor import operand
from ..grammar import (
    Alloc,
    Buffer,
    For,
    Get,
    Kernel,
    Let,
    Load,
    Scalar,
    Set,
    Size,
    Stmt,
    Store,
    Var,
    blocks,
    greatest,
    operands,
)
from ..unroll import New, copied, made
from .loop_distribution import Counted, even
from .straight_line import accesses, private, straight
from .strips import counted

SIZE = 64                 # iterations of a strip: what hundreds of values take stays in the second-level cache
STEPS = 4                 # statements one on the other that are computed once more


def cut(kernel: Kernel) -> None:
    """Rewrite the kernel's loops in place."""
    _block(kernel.body, accesses(kernel))


def _block(statements: list, everywhere: Counter[Var]) -> None:
    k = 0
    while k < len(statements):
        s = statements[k]
        found = _cut(s, everywhere) if type(s) is For and len(s.body) >= sizes.long_body else None
        if found is None:
            for block in blocks(s):
                _block(block, everywhere)
        else:
            statements[k:k + 1] = found
            k += len(found) - 1
        k += 1


def _cut(loop: For, everywhere: Counter[Var]) -> list | None:
    """What stands in the place of a loop; None where it stays."""
    body = straight(loop.body, private(loop.body, everywhere))
    if body is None:
        return None
    pieces = _Pieces(loop, body)
    return pieces.loops() if len(pieces.bounds) > 2 else None


class _Pieces:
    """bounds    where the pieces of the body begin, and its end
    at_hand   scalars that a piece computes once more -> how
    made      scalars of the body -> where in it
    own       arrays of which each iteration has elements of its own
    """

    def __init__(self, loop: For, body: list):
        self.loop, self.body = loop, body
        self.written = {s.buffer for s in body if type(s) is Store} | {s.var for s in body if type(s) is Set}
        self.made = {s.target: k for k, s in enumerate(body) if isinstance(s, (Let, Load, Get))}
        self.own = self._own()
        self.at_hand: dict[Scalar, Let | Load | Get] = {}
        self.steps: Counter[Scalar] = Counter()                # how many statements stand one on the other to compute it
        for s in body:
            if isinstance(s, (Let, Load, Get)) and self._is_at_hand(s):
                self.at_hand[s.target] = s
                self.steps[s.target] = 1 + max((self.steps[x] for x in self._used(s)), default=0)
        self.last: dict[Scalar, int] = {}                      # what is handed on -> where it is used last
        for k, s in enumerate(body):
            self.last.update((x, k) for x in self._used(s) if x in self.made and x not in self.at_hand)
        self.bounds = self._bounds()

    def _is_at_hand(self, s: Let | Load | Get) -> bool:
        if type(s) is Load:
            return s.buffer not in self.written and all(map(self._near, self._used(s)))
        if type(s) is Let:
            return s.target.dtype is INDEX and all(map(self._near, self._used(s)))
        return type(s) is Get and s.var not in self.written

    def _near(self, x: Scalar) -> bool:
        return self.steps[x] < STEPS if x in self.at_hand else x not in self.made

    @staticmethod
    def _used(s: Stmt) -> Iterator[Scalar]:
        return (x for x in operands(s) if type(x) is Scalar)

    # --- where to cut ---------------------------------------------------------------------------------------------------

    def _bounds(self) -> list[int]:
        body, length = self.body, max(sizes.body_piece, 1)
        live, whole = self._alive(), self._whole()
        found, at = [0], length
        while at < len(body):
            window = [k for k in range(max(at - length // 2, found[-1] + 1), at + 1) if not whole[k]]
            if window:
                found.append(min(window, key=lambda k: (live[k], -k)))
                at = found[-1] + length
            else:
                at += 1 + length // 2
        return [*found, len(body)]

    def _alive(self) -> list[int]:
        """For each place in the body: how many values are handed on across it."""
        return self._spans((self.made[x], last) for x, last in self.last.items())

    def _whole(self) -> list[int]:
        """For each place in the body: how many things keep it from being cut there."""
        first: dict[Buffer | Var, int] = {}
        last: dict[Buffer | Var, int] = {}
        for k, s in enumerate(self.body):
            for what in self._shared(s):
                first.setdefault(what, k)
                last[what] = k
        return self._spans((first[x], last[x]) for x in first)

    def _shared(self, s: object) -> Iterator[Buffer | Var]:
        """What a statement touches that other iterations may have written, or take from it."""
        if isinstance(s, (Get, Set)) and s.var in self.written:
            yield s.var
        elif isinstance(s, (Load, Store)) and s.buffer in self.written and s.buffer not in self.own:
            yield s.buffer

    def _own(self) -> set[Buffer]:
        """The arrays of which each iteration has elements of its own."""
        places: dict[Buffer, set] = defaultdict(set)
        for s in self.body:
            if isinstance(s, (Load, Store)):
                places[s.buffer].add(s.index)
        return {b for b, where in places.items()
                if self.loop.apart or (len(where) == 1 and self.loop.index in next(iter(where)))}

    def _spans(self, spans: Iterable[tuple[int, int]]) -> list[int]:
        """For each place in the body: how many of the spans go across it."""
        steps = [0] * (len(self.body) + 2)
        for first, last in spans:
            steps[first + 1] += 1
            steps[last + 1] -= 1
        return list(accumulate(steps))

    # --- the loops ------------------------------------------------------------------------------------------------------

    def loops(self) -> list:
        trip, most = self.loop.trip, greatest(self.loop.trip)
        if most <= 2 * SIZE:
            return self._pieces(trip, int(most), lambda k: ([], k))
        size = even(trip, SIZE) if isinstance(trip, int) else SIZE
        s, base, rest, length = (Scalar(INDEX) for _ in range(4))
        length.most = size

        def number(k: Scalar) -> tuple[list, Scalar]:
            i = Scalar(INDEX)
            return [Let(i, "add", (base, k))], i

        return counted(s, trip, size, [Let(base, "mul", (s, operand(size))), Let(rest, "sub", (operand(trip), base)),
                                       Let(length, "min", (rest, operand(size))), *self._pieces(length, size, number)])

    def _pieces(self, trip: Size, size: int, number: Counted) -> list:
        rows = self._rows()
        counts: dict[DType, int] = {}
        for x, row in rows.items():
            counts[x.dtype] = max(counts.get(x.dtype, 0), row + 1)
        handed = {dtype: Buffer(f"handed{k}", dtype, (count, size), "heap") for k, (dtype, count) in enumerate(counts.items())}
        return [*map(Alloc, handed.values()),
                *[self._piece(a, b, trip, number, rows, handed) for a, b in pairwise(self.bounds)]]

    def _rows(self) -> dict[Scalar, int]:
        """Which row of the buffer for its dtype holds a value that is handed on."""
        rows: dict[Scalar, int] = {}
        free: dict[DType, list[int]] = defaultdict(list)
        count: Counter[DType] = Counter()
        ends: dict[int, list[Scalar]] = defaultdict(list)        # the end of the piece that uses it last -> values
        order, at = sorted(self.last, key=self.made.__getitem__), 0
        for a, b in pairwise(self.bounds):
            for x in ends.pop(a, ()):
                free[x.dtype].append(rows[x])
            while at < len(order) and self.made[order[at]] < b:
                x = order[at]
                at += 1
                if self.last[x] >= b:
                    rows[x] = free[x.dtype].pop() if free[x.dtype] else count[x.dtype]
                    count[x.dtype] = max(count[x.dtype], rows[x] + 1)
                    ends[self.bounds[bisect_right(self.bounds, self.last[x])]].append(x)
        return rows

    def _piece(self, a: int, b: int, trip: Size, number: Counted, rows: dict[Scalar, int], handed: dict[DType, Buffer]) -> For:
        k, own = Scalar(INDEX), self.body[a:b]
        body, i = number(k)
        new: New = {self.loop.index: i}
        wanted = self._wanted(a, own)
        body += [copied(self.at_hand[x], new) for x in wanted if x in self.at_hand]
        for x in wanted:
            if x not in self.at_hand:
                body.append(Load(made(x, new), handed[x.dtype], (rows[x], k)))
        body += [copied(s, new) for s in own]
        body += [Store(handed[x.dtype], (rows[x], k), new[x]) for s in own if isinstance(s, (Let, Load, Get))
                 and (x := s.target) in rows]
        carried = any(isinstance(x, Var) or x not in self.own for s in own for x in self._shared(s))
        return For(k, trip, body, self.loop.unroll, self.loop.apart or not carried)

    def _wanted(self, a: int, own: list) -> list[Scalar]:
        """What statements from `a` on need of those before, and what that is computed from, in the order of the body."""
        found: set[Scalar] = set()
        waiting = [x for s in own for x in self._used(s)]
        while waiting:
            x = waiting.pop()
            if self.made.get(x, a) < a and x not in found:
                found.add(x)
                waiting += self._used(self.at_hand[x]) if x in self.at_hand else ()
        return sorted(found, key=self.made.__getitem__)
