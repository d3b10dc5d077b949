"""What lines cost: estimated from the loop IR, and measured in a run whose loops count.

A counted run gives each loop its clock ticks (lowering/llvm/annotated.py). What a loop takes beyond the loops inside it is
shared among the lines of its own statements, by their estimated costs: a clock between two statements would cost more than
they do.
"""
from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..ir.errors import Loc
from ..ir.opdef import OPS
from ..lowering.llvm.annotated import Clock, Place, loops_of, place
from ..lowering.loopir.grammar import Copy, Fill, For, Kernel, Let, Lib, Size, Stmt, While, blocks, greatest, loc_of, walk

Amounts = defaultdict[Place, float]               # by line

UNKNOWN_TRIP = 10              # iterations of a loop of which nothing is known
MOST_RUNS = 1000
SHORTEST = 2000                # additions of a loop that has a clock: reading it takes about as long as 100
_CALL = 200                    # of a routine of a library, in additions; its size is not known here


@dataclass
class Loop:
    """A loop of the kernel. depth: how many are around it; lines: of its own statements; row: its clock, 0 where it is too
    short for one; estimate: additions of its own statements in one call; seconds: of a call, without the timed loops inside;
    entered and iterations: in a call."""

    name: str
    depth: int
    place: Place
    lines: list[Place]
    row: int
    estimate: float = 0.0
    seconds: float = 0.0
    entered: int = 0
    iterations: int = 0


@dataclass
class Costs:
    """loops: outer ones first; estimate, seconds: by line; total: seconds of a call of the kernel, without what
    stands around it (arguments checked, results made)."""

    loops: list[Loop]
    estimate: Amounts
    seconds: Amounts
    total: float = 0.0
    runs: int = 0


def cost_of(s: Stmt) -> float:
    """Of a statement without those inside it, in additions."""
    if isinstance(s, Let):
        return float(max(OPS[s.op].cost, 1)) if s.op in OPS else 1.0
    if isinstance(s, Lib):
        return float(_CALL)
    if isinstance(s, (Copy, Fill)):
        buffer = s.dst if isinstance(s, Copy) else s.buffer
        return float(np.prod([_trip(d) for d in buffer.dims])) / 4.0
    return 1.0


def _trip(size: Size) -> float:
    found = greatest(size)
    return found if np.isfinite(found) and found < 1e15 else float(UNKNOWN_TRIP)


def _work(statements: list[Stmt]) -> float:
    """Of a block with all inside it, in additions."""
    return sum(cost_of(s) + _times(s) * sum(_work(block) for block in blocks(s)) for s in statements)


def _times(s: Stmt) -> float:
    return _trip(s.trip) if isinstance(s, For) else float(UNKNOWN_TRIP) if isinstance(s, While) else 1.0


def timed(kernel: Kernel) -> list[For | While]:
    """The loops that are long enough for a clock around them, outer ones first."""
    return [s for s in loops_of(kernel) if _work([s]) >= SHORTEST]


def estimated(kernel: Kernel) -> tuple[Costs, list[Amounts]]:
    """(the costs without times; the cost by line of what is in no timed loop, and of each such loop without those inside)."""
    rows = {id(s): k + 1 for k, s in enumerate(timed(kernel))}
    own: list[Amounts] = [defaultdict(float) for _ in range(len(rows) + 1)]
    loops: list[Loop] = []

    def visit(statements: list[Stmt], row: int, times: float, loop: Loop | None, around: Loc) -> None:
        for s in statements:
            loc, inside, entered = loc_of(s) or around, loop, row
            if isinstance(s, (For, While)) and not getattr(s, "unroll", False):
                loc = loc_of(s) or next((loc_of(t) for t in walk(s.body) if loc_of(t)), around)
                entered = rows.get(id(s), row)
                inside = _loop(s, 0 if loop is None else loop.depth + 1, place(loc), rows.get(id(s), 0))
                loops.append(inside)
            else:
                own[row][place(loc)] += cost_of(s) * times
                if loop is not None:
                    loop.estimate += cost_of(s) * times
                    loop.lines += [place(loc)] * (bool(loc) and place(loc) not in loop.lines)
            for block in blocks(s):
                visit(block, entered, times * _times(s), inside, loc)

    visit(kernel.body, 0, 1.0, None, ())
    total: Amounts = defaultdict(float)
    for lines in own:
        for line, amount in lines.items():
            total[line] += amount
    return Costs(loops, total, defaultdict(float)), own


def _loop(s: For | While, depth: int, where: Place, row: int) -> Loop:
    if isinstance(s, While):
        return Loop("while", depth, where, [], row)
    trip = s.trip if isinstance(s.trip, int) else "a run-time number"
    return Loop(f"for {s.index.name or '…'} in {trip}", depth, where, [], row)


def measured(kernel: Kernel, counts: np.ndarray, run: Callable[[], object], seconds: float) -> Costs:
    """The costs with times: `run` calls the counting kernel, again and again for about so many seconds."""
    costs, own = estimated(kernel)
    run()                                                   # memory is touched for the first time
    samples: list[np.ndarray] = []
    clock, begin = Clock(), time.perf_counter()
    started = clock.now()
    while not samples or (time.perf_counter() < begin + seconds and len(samples) < MOST_RUNS):
        counts[:] = 0
        run()
        samples.append(counts.copy())
    tick = (time.perf_counter() - begin) / max(clock.now() - started, 1)
    ticks, entered, iterations = np.median(samples, axis=0).T           # other processes lengthen some of the runs
    clocked = [loop for loop in costs.loops if loop.row]
    spans = _own_ticks(clocked, ticks - clock.empty * entered, clock.beside * entered) * tick
    costs.total, costs.runs = float(spans.sum()), len(samples)
    for row, lines in enumerate(own):
        for line, amount in lines.items():
            costs.seconds[line] += float(spans[row]) * amount / sum(lines.values())
    for loop in clocked:
        loop.seconds, loop.entered, loop.iterations = float(spans[loop.row]), int(entered[loop.row]), int(iterations[loop.row])
    return costs


def _own_ticks(clocked: list[Loop], ticks: np.ndarray, beside: np.ndarray) -> np.ndarray:
    """Of each row what it takes beyond the clocked loops just inside it, and beyond what counting these takes."""
    own, around = ticks.copy(), [(-1, 0)]
    for loop in clocked:
        while around[-1][0] >= loop.depth:
            around.pop()
        own[around[-1][1]] -= ticks[loop.row] + beside[loop.row]
        around.append((loop.depth, loop.row))
    return np.maximum(own, 0.0)
