"""A budget for the tapes of a function: which loops are cut, and how finely (checkpoint/segments.py does the cutting).

The loops of a function are on the tape at the same time, so they divide the budget: those that need less than an equal share
have what they need, the others the rest in equal parts. A loop that needs more than its part B is cut into L levels of
segments, with t bytes a row of tape and s bytes a state:

    least = B / (2 t)                 iterations that are taped at once
    fan   = (B - least t) / (L s)     segments of a level
    L     the least for which         least fan^L >= n iterations

Lengths and trip counts that only run time knows are computed there, in the same formulas, and checked: L is then chosen for
2^32 iterations where t and s are known, else it is 3.

Where a row is larger than half of the budget because the iteration has loops itself, or where its size depends on what the
iteration does (a `while`, a loop of a data-dependent length), the iteration becomes a checkpointed call. Its row is then the
state, and its own loops have the other half of the budget.

A derivative that is differentiated again is not cut a second time: its segments then keep the states and their adjoints, and
each row of tape what its own derivative needs, a small multiple of the budget.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil, log2
from typing import TYPE_CHECKING, Any, NamedTuple

from ...ir.analysis.draws import draws
from ...ir.build import FOLDED, Builder
from ...ir.clone import copy_op, copy_region, dims_of, mapped
from ...ir.core import Block, Const, Function, Op, Value
from ...ir.errors import ArgumentError
from ...ir.types import I64, StackType, Type
from ..activity import inexact
from .segments import HEAD, LONGEST, SEGMENT, WIDEST, as_for, by_iterations, count, over_segments, segment

if TYPE_CHECKING:
    from ..reverse.reverse import Reverse

LEVELS = 40                # of a known trip count: enough for halving
UNKNOWN = 1 << 32          # iterations that a loop is made ready for where only run time knows their number
LEVELS_UNKNOWN = 3         # where sizes are known at run time only
REMEDY = "give more memory, or wrap a part of the iteration in tg.checkpoint"
TOO_SMALL = ("memory_budget is too small: it leaves {budget} bytes for this loop of {0} iterations, of which one keeps {1} "
             "bytes and whose state between two takes {2}")
CHANGING = ("memory_budget leaves {budget} bytes for this loop, but what one of its iterations keeps depends on lengths that "
            "change from iteration to iteration")


class Sizes(NamedTuple):
    """Bytes as a sum of products: (a number, lengths) each. A length is a value of the function around the loop, or is computed
    from such in the function of the segment; `where` leads from parameters of the latter to the former."""

    terms: tuple[tuple[int, tuple[Value, ...]], ...]
    where: dict[Value, Value]

    def emit(self, builder: Builder, mapping: dict[Value, Value]) -> Value:
        total: Value | int = 0
        for number, lengths in self.terms:
            product: Value | int = number
            for d in lengths:
                product = builder.iop("mul", product, self._length(builder, d, mapping))
            total = builder.iop("add", total, product)
        return builder.index(total)

    def _length(self, builder: Builder, d: Value, mapping: dict[Value, Value]) -> Value:
        d = self.where.get(d, d)
        if d.__class__ is Const or d in mapping or d.op is None:
            return mapping.get(d, d)
        operands = [self._length(builder, v, mapping) for v in d.op.operands]
        name = d.op.defn.name
        return builder.iop(name, *operands) if name in FOLDED else builder(d.op.defn, *operands, **d.op.attrs)

    @property
    def known(self) -> int | None:
        return None if any(lengths for _, lengths in self.terms) else sum([number for number, _ in self.terms])


class Cut(NamedTuple):
    """A loop that keeps something: the `for` (a `while` as one), its segment, and what a row and a state take. None: more than
    can be said before it runs."""

    loop: Op
    segment: Function | None
    free: list[Value]
    row: Sizes | None
    state: Sizes | None

    @property
    def need(self) -> float:
        """The bytes of its whole tape, as far as they are known."""
        trip, row = self.loop.operands[0], self.row and self.row.known
        return trip.item * row if row is not None and trip.__class__ is Const else float("inf")


def within(g: Function, budget: int, reverse: Callable) -> tuple[Function, int]:
    """A prepared function with its loops cut where their tapes would exceed `budget` bytes, and the budget of each function
    that it calls. reverse(f, wrt) is the reverse mode of a function, which says what it tapes."""
    cuts = {op: cut for op in _outermost(g.body) if op.defn.name != "call" and (cut := _cut(op, reverse)) is not None}
    calls = [op for op in _outermost(g.body) if op.defn.name == "call"]
    shares = _shares([cut.need for cut in cuts.values()] + [float("inf")] * len(calls), budget)
    share = dict(zip(cuts, shares))
    tight = [op for op, cut in cuts.items() if cut.need > share[op]]
    rest = min(shares[len(cuts):], default=budget)
    if not tight:
        return g, rest

    def loop(builder: Builder, op: Op, mapping: dict[Value, Value]) -> tuple[Value, ...]:
        if op not in tight:
            return copy_op(builder, op, mapping)
        return _limited(builder, op, cuts[op], mapping, share[op], reverse)

    return Function(g.name, copy_region(Builder(), g.body, {}, {"for": loop, "while": loop}), g.loc), rest


def _outermost(block: Block) -> Iterator[Any]:
    """The loops of a block that stand in no other loop, and its calls of functions that have loops."""
    for op in block.ops:
        if op.defn.name in ("for", "while") or (op.defn.name == "call" and _has_loops(op.attrs["callee"])):
            yield op
        elif op.defn.name == "if":
            for region in op.regions:
                yield from _outermost(region)


def _has_loops(f: Function) -> bool:
    return any(op.defn.name in ("for", "while", "map") or ("callee" in op.attrs and _has_loops(op.attrs["callee"]))
               for op in f.body.walk())


def _shares(needs: list[float], budget: int) -> list[int]:
    """The budget divided: who needs least is served first, and leaves the others what it does not need."""
    found, left = {}, budget
    for n, k in enumerate(sorted(range(len(needs)), key=needs.__getitem__)):
        found[k] = int(min(needs[k], left // (len(needs) - n)))
        left -= found[k]
    return [found[k] for k in range(len(needs))]


# --- one loop --------------------------------------------------------------------------------------------------------------

def _limited(builder: Builder, op: Op, cut: Cut, mapping: dict[Value, Value], budget: int, reverse: Callable) -> tuple[Value,
             ...]:
    """Emit a loop that stays within `budget`."""
    if op.defn.name == "while":
        mapping[cut.loop.operands[0]] = count(builder, op, mapping)
    row = None if cut.row is None else cut.row.known
    if (cut.row is None or (row is not None and row > budget // 2)) and _loops_inside(cut.loop):
        budget //= 2
        cut = _measured(by_iterations(cut.loop, budget), reverse)
    if cut.row is None or cut.state is None:
        raise ArgumentError(CHANGING.replace("{budget}", f"{budget:,}"),
                            "leave memory_budget out, or give the arrays of the loop fixed lengths", op.loc)
    if cut.need <= budget:
        return copy_op(builder, cut.loop, mapping)
    return _segmented(builder, cut, mapping, budget)


def _loops_inside(op: Op) -> bool:
    return any(inner.defn.name in ("for", "while", "map", "call") for region in op.regions for inner in region.walk())


def _segmented(builder: Builder, cut: Cut, mapping: dict[Value, Value], budget: int) -> tuple[Value, ...]:
    trip = mapping.get(cut.loop.operands[0], cut.loop.operands[0])
    assert cut.segment is not None and cut.row is not None and cut.state is not None       # `_limited` has looked
    row = builder.iop("max", cut.row.emit(builder, mapping), 1)
    state = builder.iop("max", cut.state.emit(builder, mapping), 1)
    n, t, s = [v.item if v.__class__ is Const else None for v in (trip, row, state)]
    levels, share = _levels(n, t, s, budget)
    if levels is None:
        assert n is not None and t is not None and s is not None
        most = t + 2 * s * ceil(log2(max(n, 2)))
        text = TOO_SMALL.replace("{budget}", f"{budget:,}").format(f"{n:,}", f"{t:,}", f"{s:,}")
        raise ArgumentError(text, f"{REMEDY}; {most:,} bytes would do for this loop", cut.loop.loc)
    least = _bounded(builder, builder.iop("floordiv", builder.index(budget // share), row), LONGEST)
    left = builder.iop("sub", budget, builder.iop("mul", least, row))
    fan = _bounded(builder, builder.iop("floordiv", left, builder.iop("mul", state, levels)), WIDEST)
    if n is None or t is None or s is None:
        _expect_room(builder, trip, row, state, least, fan, levels, budget)
    args = (builder.index(0), trip, least, fan, *mapped(cut.loop.operands[1:], mapping), *mapped(cut.free, mapping))
    return over_segments(builder, cut.segment, levels, args)


def _bounded(builder: Builder, v: Value, most: int) -> Value:
    return builder.iop("max", builder.iop("min", v, most), 1)


def _levels(n: int | None, t: int | None, s: int | None, budget: int) -> tuple[int | None, int]:
    """(the number of levels, the part of the budget that is for the rows: 2 for a half); None where none would do."""
    if t is None or s is None:
        return LEVELS_UNKNOWN, 2
    wanted = UNKNOWN if n is None else n
    for levels in range(1, LEVELS + 1):
        share = 2
        while True:
            least = max(budget // share // t, 1)
            fan = (budget - least * t) // (levels * s)
            if fan >= 1 and least * fan ** levels >= wanted:
                return levels, share
            if least == 1:
                break
            share *= 2
    if n is not None:
        return None, 2
    room = max(budget - max(budget // 2 // t, 1) * t, 0)
    return max(range(1, LEVELS + 1), key=lambda levels: (room // (levels * s)) ** levels), 2


def _expect_room(builder: Builder, trip: Value, row: Value, state: Value, least: Value, fan: Value, levels: int,
                 budget: int) -> None:
    """Stop at run time where the levels do not hold the loop."""
    capacity = least
    for _ in range(levels):
        capacity = builder.iop("min", builder.iop("mul", capacity, fan), LONGEST)
    taken = builder.iop("add", builder.iop("mul", builder.iop("min", trip, least), row), builder.iop("mul", state, levels))
    enough = builder("and", builder("le", trip, capacity), builder("le", taken, builder.index(budget)))
    enough = builder("or", enough, builder("le", trip, builder.index(0)))
    builder.emit("check", enough, *[builder.cast(v, I64) for v in (trip, row, state)], error="ArgumentError",
                 message=TOO_SMALL.replace("{budget}", f"{budget:,}") + "; " + REMEDY)


# --- how much an iteration keeps ---------------------------------------------------------------------------------------------

def _cut(op: Op, reverse: Callable) -> Cut | None:
    """What a loop keeps; None where that is nothing, the loop is one over segments, or it draws random numbers: those are not
    to be drawn again."""
    if any(map(draws, op.regions)):
        return None
    if (not any(inexact(r) for r in op.results) or any(r.type.__class__ is StackType for r in op.results)
            or any(inner.attrs.get("checkpoint") == SEGMENT for inner in op.regions[-1].ops)):
        return None
    cut = _measured(as_for(op) if op.defn.name == "while" else op, reverse)
    return None if cut.row is not None and not cut.row.terms else cut


def _measured(loop: Op, reverse: Callable) -> Cut:
    changing = set(loop.regions[0].params)
    if any(d in changing for p in loop.regions[0].params for d in dims_of(p.type)):
        return Cut(loop, None, [], None, None)
    f, free = segment(loop)
    run = reverse(f, [k for k, p in enumerate(f.params) if inexact(p)])
    where = dict(zip(run.f.params[len(HEAD):], (*loop.operands[1:], *free)))
    return Cut(loop, f, free, _row(run, where), _sizes([v.type for v in loop.operands[1:]], {}, lambda d: True))


def _row(run: Reverse, where: dict[Value, Value]) -> Sizes | None:
    """What an iteration of a segment adds to the tapes."""
    counter, types = run.f.params[HEAD.index("count")], []
    for _, v, how in run.notes:
        if how == "stacked":
            return None
        if how == "taped" and run.home.get(run.kept[v].op) is run.f.body:
            t = run.kept[v].type
            types.append(t.with_dims([d for d in t.dims if d is not counter]))
    return _sizes(types, where, lambda d: _known_outside(d, run, where))


def _sizes(types: list[Type], where: dict[Value, Value], known: Callable) -> Sizes | None:
    """The bytes of one value of each type; None where a length is not known outside."""
    terms = []
    for t in types:
        number, lengths = t.dtype.size, []
        for d in t.dims:
            d = d if isinstance(d, int) else where.get(d, d)
            if isinstance(d, int) or d.__class__ is Const:
                number *= d if isinstance(d, int) else d.item
            elif known(d):
                lengths.append(d)
            else:
                return None
        terms.append((number, tuple(lengths)))
    return Sizes(tuple(terms), where)


def _known_outside(d: Value, run: Reverse, where: Any) -> bool:
    """Whether a length of the function of a segment follows from values that are known in front of the loop."""
    if d.__class__ is Const or d in where:
        return True
    if d.op is None or run.home.get(d.op) is not run.f.body or d.op.regions:
        return False
    return all(_known_outside(v, run, where) for v in d.op.operands)
