"""What LLVM would gain by making vectors of a loop's iterations, or by taking several of them at once.

LLVM makes a vector of elements that do not lie side by side from single loads, and takes it apart into single stores: each
element is then one instruction more than in the loop as it was. Its cost model thinks better of that than it is, above all of
bodies that are long as inner loops are written out in them, whose code becomes many times as long. So such loops stay as they
are unless the arithmetic pays for it.

A sum waits four cycles for each addition. Several sums side by side, as LLVM makes them, hide that in short bodies; in long
ones there is other work meanwhile, and they only cost code: the body so many times, and again for what is left.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..loopir.grammar import Atom, Buffer, For, Get, Index, Let, Load, Scalar, Set, Store

_STEADY, _BESIDE, _ELSEWHERE = range(3)        # how a position moves from one iteration to the next: not, by 1, otherwise
_GROUPED = 8                                   # elements of a row that LLVM loads whole to take it apart in registers

# The work of an instruction as a multiple of an addition's; what is not named here addresses, moves or counts.
_WORK = {"fadd": 1, "fsub": 1, "fmul": 1, "fneg": 1, "fcmp": 1, "select": 1, "fdiv": 4, "frem": 20, "call": 6, "tail": 6}


def is_straight(loop: For) -> bool:
    """Whether a body has neither loops nor branches, so that it may become vectors."""
    return all(type(s) in (Let, Load, Store, Get, Set) for s in loop.body)


def apart(loop: For) -> int:
    """The accesses of a straight body whose elements in iterations that follow one another are no neighbours, nor are when put
    together with other accesses of the body: LLVM loads rows of a few elements whole, and stores those that are complete."""
    moves: dict[Atom, int] = {loop.index: _BESIDE}
    rows: Counter[tuple[type, Buffer, int]] = Counter()
    found = 0
    for s in loop.body:
        if type(s) is Let:
            moves[s.target] = _moved(s, moves)
        elif type(s) in (Load, Store):
            step = _step(s.buffer, s.index, moves)
            if 1 < step <= _GROUPED:
                rows[type(s), s.buffer, step] += 1
            found += step > _GROUPED
        if type(s) is Load:
            moves[s.target] = _ELSEWHERE           # a place that was read from memory
    return found + sum(n for (kind, _, step), n in rows.items() if (2 if kind is Load else 1) * n < step)


def _moved(s: Let, moves: dict[Atom, int]) -> int:
    parts = sorted(moves.get(a, _STEADY) for a in s.args if type(a) is Scalar)
    if not parts or parts[-1] == _STEADY:
        return _STEADY
    beside = s.op in ("add", "sub") and parts.count(_STEADY) == len(parts) - 1
    return _BESIDE if beside and parts[-1] == _BESIDE else _ELSEWHERE


def _step(buffer: Buffer, index: Index, moves: dict[Atom, int]) -> int:
    """How many elements, for complex ones numbers, an address moves by in each iteration; more than _GROUPED where that is not
    known."""
    parts = [moves.get(i, _STEADY) if type(i) is Scalar else _STEADY for i in index]
    moving = [k for k, part in enumerate(parts) if part]
    if not moving:
        return 0
    if len(moving) > 1 or parts[moving[0]] == _ELSEWHERE:
        return _GROUPED + 1
    step = 1
    for dim in buffer.dims[len(buffer.dims) - len(index) + moving[0] + 1:]:
        if type(dim) is not int:
            return _GROUPED + 1
        step *= dim
    return 2 * step if buffer.dtype.complex and step > 1 else step


def chain(loop: For) -> int:
    """The most steps that one variable takes in an iteration of a straight body."""
    return max(Counter(s.var for s in loop.body if type(s) is Set).values(), default=0)


def work(lines: Sequence[str]) -> int:
    """The arithmetic of lines of LLVM IR, in additions."""
    total = 0
    for line in lines:
        _, equals, right = line.partition(" = ")
        if equals:
            total += _WORK.get(right.split(" ", 1)[0], 0)
    return total
