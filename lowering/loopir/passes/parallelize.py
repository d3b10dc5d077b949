"""Which loops are spread over threads: the outermost ones whose iterations are independent, where the work is worth it.

    for i { y[i] = f(x[i]) }                           each iteration writes what no other one touches (footprint.py)
    for i { s = s + f(x[i]) }        s a reduction     chunks of iterations have sums of their own, added in their order
    for i { x_bar[k[i]] += v[i] }    of adjoints       the same with arrays: each chunk adds to zeros of its own

The number of chunks follows from sizes, never from the number of threads, so results have the same bits for any number of them.
A loop of known size that is not worth it stays as it is; where lengths are known only at run time, the code counts before it
starts (llvm/parallel.py).

What stays serial, with the reason in the notes of the kernel: variables that are carried from one iteration to the next (also
sums that a program writes, whose order is the program's), memory in which iterations may meet, draws of random numbers, calls
of libraries, prints, tapes that grow, and checks in a loop that writes an argument of the caller (where one fails, what follows
must not have been written). Other checks are allowed: the first failure in the order of the loop is reported.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import prod
from typing import Any

from ....ir.errors import Loc
from ....ir.thresholds import sizes
from ..dependence import Positions
from ..grammar import (
    Alloc,
    Buffer,
    Clear,
    Fail,
    For,
    Get,
    If,
    Kernel,
    Lib,
    Peek,
    Poke,
    Pop,
    Print,
    Push,
    Scalar,
    Set,
    Size,
    Spread,
    Stack,
    Swap,
    Table,
    Var,
    While,
    greatest,
    walk,
)
from .buffer_coloring import work
from .footprint import Access, Cost, Footprint, product
from .reduction_steps import REDUCED, step_of
from .straight_line import accesses, private

MOST_CHUNKS = 64
MOST_COPIES = 16           # chunks that add to arrays of their own
COPIED = 24                # operations that zeros of a chunk, and adding them up, must be less than, for each element
SHORT = 8                  # iterations; an inner loop may be better
COSTLIEST = 64             # of one operation, in additions


class Serial(Exception):
    """Why a loop stays serial."""


def parallelize(kernel: Kernel) -> None:
    """Mark the kernel's loops, and note for each outermost one what became of it."""
    _Walk(kernel).block(kernel.body)


class _Walk:
    def __init__(self, kernel: Kernel):
        self.kernel, self.positions = kernel, Positions()
        self.everywhere = accesses(kernel)
        self.stacks = Counter(x for s in walk(kernel.body) for x in _stacks(s))

    def block(self, statements: list) -> bool:
        """Whether a loop in here is spread."""
        found = False
        for s in statements:
            kind = type(s)
            self.positions.define(s)
            if kind is For:
                found |= self.loop(s)
            elif kind is While:
                found |= self.block(s.head) | self.block(s.body)
            elif kind is If:
                with self.positions.where(s.cond):
                    found |= self.block(s.then)
                found |= self.block(s.other)
        return found

    def loop(self, s: For) -> bool:
        rough = work([s])
        if rough * COSTLIEST < sizes.parallel:
            self._note("serial", s, f"too little work, about {rough:.0f} operations")
            return False
        with self.positions.loop(s):
            footprint = Footprint(self.positions, s)
            costs = product(footprint.cost, s.trip)
            short = type(s.trip) is int and s.trip < SHORT
            if short and worth(costs) and self.block(s.body):
                return True
            try:
                if not worth(costs):
                    raise Serial(f"too little work, about {sum(costs.values()):.0f} operations")
                s.spread = self._spread(s, footprint, costs)
                self._note("parallel", s, _parts(s.spread))
                return True
            except Serial as why:
                found = worth(costs) and not short and self.block(s.body)
                if not found:
                    self._note("serial", s, str(why))
                return found

    def _note(self, kind: str, s: For, why: str) -> None:
        self.kernel.loops.append((kind, "a loop" if not s.index.name else f"the loop over {s.index.name}", why, _where(s)))

    def _spread(self, s: For, footprint: Footprint, costs: Cost) -> Spread:
        if s.unroll or s.trip == 1:
            raise Serial("it is short and written out")
        for t in walk(s.body):
            self._allowed(t, s, footprint)
        given, sums = self._variables(s)
        shared = self._memory(footprint)
        most = MOST_COPIES if shared else MOST_CHUNKS
        spread = Spread(costs, most, given, sums, shared)
        if (number := chunks_of(spread, s.trip)) and number < 2:
            raise Serial("what its iterations add to is too large for the work" if shared else "too little work to divide")
        return spread

    def _allowed(self, t: Any, s: For, footprint: Footprint) -> None:
        kind = type(t)
        if kind in _REFUSED:
            raise Serial(_REFUSED[kind](t))
        if kind is Alloc and t.buffer.space == "result":
            raise Serial("it makes a result whose size it finds out")
        if kind is Swap and not (footprint.made >= {t.a, t.b}):
            raise Serial("arrays change places in every iteration")
        if kind is Fail and any(a.buffer.space == "inout" and a.kind != "load" for a in footprint.accesses):
            raise Serial("it checks something while it writes to an argument")

    def _variables(self, s: For) -> tuple[tuple[Var, ...], dict[Var, str]]:
        """(variables that are only read, those that are reduced)."""
        own = private(s.body, self.everywhere)
        touched: dict[Var, bool] = {}
        for t in walk(s.body):
            if isinstance(t, (Get, Set)):
                touched[t.var] = touched.get(t.var, False) or type(t) is Set
        sums = {}
        for var in [v for v, written in touched.items() if written and v not in own]:
            op = step_of(s.body, var, self.everywhere)
            if op not in REDUCED or (var.dtype.complex and op in ("max", "min")):
                raise Serial(f"{_spoken(var)} is carried from one iteration to the next" + (
                    ", and its sum keeps its order" if op == "ordered" else ""))
            sums[var] = op
        return tuple(v for v, written in touched.items() if not written), sums

    def _memory(self, footprint: Footprint) -> tuple[Buffer, ...]:
        """The buffers that are only added to, by iterations that may meet."""
        of: dict[Buffer, list[Access]] = {}
        for a in footprint.accesses:
            of.setdefault(a.buffer, []).append(a)
        shared = []
        for buffer, touched in of.items():
            if all(a.kind == "load" for a in touched):
                continue
            if len(touched) > sizes.compared:
                raise Serial(f"there are too many accesses to {_spoken(buffer)} to compare")
            pairs = ((a, b) for k, a in enumerate(touched) for b in touched[:k + 1] if not a.kind == b.kind == "load")
            if any(footprint.meet(a, b) for a, b in pairs):
                if any(a.kind != "add" for a in touched) or buffer.dtype.kind not in "fc" or not _zeros_can_be_made(
                        buffer, footprint):
                    raise Serial(f"iterations may meet in {_spoken(buffer)}")
                shared.append(buffer)
        return tuple(shared)


def _zeros_can_be_made(buffer: Buffer, footprint: Footprint) -> bool:
    return buffer.space != "result" or all(d not in footprint.inner for d in buffer.dims)


_REFUSED: dict[type, Callable[[Any], str]] = {
    Lib: lambda t: "it draws random numbers" if t.name == "draw" else f"it calls {t.name} of a library",
    Print: lambda t: "it prints",
    Push: lambda t: "it records on a tape that grows",
    Pop: lambda t: "it reads a tape that grows",
    Clear: lambda t: "it records on a tape that grows",
    Peek: lambda t: "it reads a tape that grows",
    Poke: lambda t: "it records on a tape that grows",
    Table: lambda t: "it looks up a dict or set",
}


def _stacks(s: Any) -> tuple:
    if type(s) is Table and type(s.target) is Stack:
        return s.stack, s.target
    return (s.stack,) if type(s) in (Push, Pop, Clear, Peek, Poke, Table) else ()


def _spoken(x: Buffer | Var) -> str:
    name, dot, _ = x.name.partition(".")
    return name if dot else name.rstrip("0123456789")


def _parts(spread: Spread) -> str:
    said = [f"{_spoken(v)} is a reduction" for v in spread.sums] + [f"chunks add to {_spoken(b)} apart" for b in spread.shared]
    return "its iterations are independent" + "".join(f"; {text}" for text in said)


def _where(s: For) -> Loc:
    """The user's line of a loop, as far as its statements tell."""
    if s.index.loc:
        return s.index.loc
    made = (getattr(t, "target", None) for t in walk(s.body))
    return next((x.loc for x in made if isinstance(x, Scalar) and x.loc), ())


# --- how many chunks ---------------------------------------------------------------------------------------------------


def worth(costs: Cost) -> bool:
    """Whether a loop may be worth several threads, for some lengths at least."""
    return sum([times * prod(map(greatest, key)) for key, times in costs.items() if times]) >= sizes.parallel


def chunks_of(spread: Spread, trip: Size) -> int | None:
    """The number of chunks, where it is known before run time."""
    if not isinstance(trip, int) or any(spread.work) or not all(b.static for b in spread.shared):
        return None
    cost = spread.work.get((), 0.0)
    number = min(trip, spread.most, cost / max(sizes.grain, 1))
    for b in spread.shared:
        number = min(number, cost / (COPIED * b.count + 1))
    return max(int(number), 1)


def length_of(trip: int, number: int) -> int:
    """The iterations of a chunk: of long ones a multiple of eight, which leaves vectors whole."""
    length = -(-trip // number)
    return -(-length // 8) * 8 if length >= 64 else max(length, 1)
