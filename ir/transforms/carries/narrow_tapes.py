"""A tape that only conditions read becomes a tape of those conditions: bits of a byte, in place of a number.

    for %i … carry(%t = empty n, m) {                   for %i … carry(%c = empty n, m {bool}) {
      %t1 = update %t[%i, :], %x               →          %b = gt %x, 0.0
      … yield %t1 }                                       %c1 = update %c[%i, :], %b
                                                          … yield %c1 }
    for %k … {                                          for %k … {
      %x1 = slice %t.1[%j, :]                             %b1 = slice %c.1[%j, :]
      %b1 = gt %x1, 0.0                                   … }
      … }

Reverse mode keeps what its rules ask for: the operands of `where`, `maximum`, `abs` and their kin. What they make of them is a
choice, which is smaller. The reads of a row are followed to the conditions and signs that are all that is made of them; the ops
on that way are run in front of the write instead, on what is written. A tape that fits the cache stays: reading it costs less
than packing does.
"""
from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from math import nan, prod
from typing import Any, NamedTuple

from ...analysis.uses import Uses
from ...build import const, key_of, make_op
from ...clone import replace, sweep
from ...core import EVERYWHERE, Block, Function, Op, Value
from ...opdef import LIGHT, OPS, Elementwise
from ...ops.index import spec_operands
from ...thresholds import sizes
from ...types import BOOL, F16, F32, INDEX, U8, Dim, Type

_MOST = 24              # ops that are run in front of a write
_BITS = 8               # conditions that are kept as the bits of a byte
_UNKNOWN = 1000         # elements along an axis whose length only run time knows


def narrowed(f: Function) -> bool:
    """Let such tapes hold conditions, in place; whether there were any."""
    found, uses = False, None
    for made in [op for op in f.body.walk() if op.defn.name == "empty" and _is_large(op.results[0].type)]:
        uses = uses or Uses(f.body)
        tape = _tape(made, uses)
        if tape is not None and (rows := _rows(tape, uses)) is not None:
            _narrow(f, tape, rows, uses)
            found, uses = True, None
    if found:
        sweep(f)
    return found


def _is_large(t: Type) -> bool:
    return t.dtype.inexact and _count(t) >= sizes.narrowed


class _Tape(NamedTuple):
    """made: the op that makes it; loops: those that carry it, outermost first; write: the op that fills a row of it; result: it
    as it is behind the loops."""

    made: Op
    loops: list[tuple[Op, int]]
    write: Op
    result: Value

    @property
    def spec(self) -> str:
        return self.write.attrs["spec"]

    @property
    def counters(self) -> tuple[Value, ...]:
        return self.write.operands[2:]


class _Row(NamedTuple):
    """The reads of one row in a block, at these positions; they and the ops on the way to the conditions, in order; the
    conditions."""

    reads: list[Op]
    positions: tuple[Value, ...]
    way: list[Op]
    conditions: list[Value]


def _tape(made: Op, uses: Uses) -> _Tape | None:
    """The tape that an `empty` is: nests of loops write a row of it in each iteration, and nothing else does."""
    v, loops = made.results[0], []
    while True:
        if len(uses.of(v)) != 1:
            return None
        ((user, slot),) = uses.of(v)
        if isinstance(user, Block) or (slot == 0 and user.defn.name != "update"):
            return None
        if user.defn.name == "for":
            loops.append((user, slot - 1))
            v = user.regions[0].params[slot]
        elif user.defn.name == "update" and slot == 0:
            break
        else:
            return None
    counters = {loop.regions[0].params[0] for loop, _ in loops}
    if set(user.attrs["spec"]) - {"i", ":"} or not loops or set(user.operands[2:]) != counters or len(
            user.operands) != 2 + len(loops):
        return None
    v = user.results[0]
    for loop, k in reversed(loops):
        if uses.of(v) != [(loop.regions[0], k)]:
            return None
        v = loop.results[k]
    return _Tape(made, loops, user, v)


def _rows(tape: _Tape, uses: Uses) -> list[_Row] | None:
    """What is read of a tape, where that are conditions only, of half the bytes at most."""
    together: dict[tuple, list[Op]] = {}
    for user, slot in uses.of(tape.result):
        if isinstance(user, Block) or slot or user.defn.name != "slice" or any(
                mine == "i" != theirs for mine, theirs in zip(tape.spec, user.attrs["spec"])):
            return None
        together.setdefault((uses.home[user], *map(key_of, _positions(user, tape.spec))), []).append(user)
    rows, size = [], 0.0
    for reads in together.values():
        way = _Way(tape, reads, uses)
        if not all(way.starts(read) and way.follow(read.results[0]) for read in reads) or len(way.ops) > _MOST:
            return None
        steps = [op for op in way.home.ops if op in way.ops or op in reads]
        rows.append(_Row(reads, way.positions, steps, list(way.conditions)))
        size += sum(_count(code[0][0].type) for code in _codes(rows[-1]))
    kept = tape.write.operands[1].type
    return rows if rows and size <= _count(kept) * kept.dtype.size / 2 else None


def _codes(row: _Row) -> list[list[tuple[Value, int]]]:
    """What shares a byte: bits of conditions and signs, (which, number of the bit)."""
    alike: dict[tuple, list[tuple[Value, int]]] = {}
    for v in row.conditions:
        alike.setdefault(v.type.dims, []).extend((v, k) for k in range(1 if v.type.dtype is BOOL else 3))
    return [found[k:k + _BITS] for found in alike.values() for k in range(0, len(found), _BITS)]


def _count(t: Type) -> float:
    return prod([d if isinstance(d, int) else _UNKNOWN for d in t.dims])


class _Way:
    """From the reads of a row to the conditions that are all that is made of it."""

    def __init__(self, tape: _Tape, reads: list[Op], uses: Uses):
        self.tape, self.read, self.uses = tape, {op.results[0] for op in reads}, uses
        self.home, self.fixed = uses.home[reads[0]], {d for d in tape.result.type.dims if not isinstance(d, int)}
        self.positions = tuple(_positions(reads[0], tape.spec))
        self.ops: dict[Op, None] = {}
        self.conditions: dict[Value, None] = {}

    def starts(self, read: Op) -> bool:
        """Whether the part of the row that is read is known where the tape is written."""
        return all(map(self.known, _within(read, self.tape.spec)))

    def follow(self, v: Value) -> bool:
        """Whether conditions are all that is made of a value."""
        before = dict(self.ops), dict(self.conditions)
        further = [user for user, _ in self.uses.of(v)]
        if (all(isinstance(user, Op) and self.absorbs(user) for user in further)
                and all(self.follow(user.results[0]) for user in further if isinstance(user, Op))
                and (not _is_choice(v) or len(self.conditions) <= len(before[1]) + 1)):
            return True
        self.ops, self.conditions = before
        if not _is_choice(v) or not all(isinstance(d, int) or d in self.fixed for d in v.type.dims):
            return False
        self.conditions[v] = None
        return True

    def absorbs(self, op: Op) -> bool:
        """Whether an op can be run where the tape is written: it is light, and so is what it needs besides, as far as that is
        not there."""
        if op in self.ops:
            return True
        if self.uses.home[op] is not self.home or not _light(op):
            return False
        self.ops[op] = None
        return all(map(self.known, op.operands))

    def known(self, v: Value) -> bool:
        """Whether a value is known where the tape is written, or can be."""
        return self.there(v) or (v.op is not None and self.absorbs(v.op))

    def there(self, v: Value) -> bool:
        """Whether a value is known there as it is: it is what is read, a position of the read, or stands before the loops."""
        if v in self.read or v in self.positions or v.__class__ in EVERYWHERE:
            return True
        anchor = self.tape.loops[0][0]
        while True:
            block = self.uses.home[anchor]
            if v.owner is block:
                return True
            if v.op is not None and self.uses.home.get(v.op) is block:
                return block.ops.index(v.op) < block.ops.index(anchor)
            if block not in self.uses.owner:
                return False
            anchor = self.uses.owner[block]


def _is_choice(v: Value) -> bool:
    """A condition, or a sign of a real number: of few values."""
    return v.type.dtype is BOOL or (
        v.op is not None and v.op.defn.name == "sign" and v.type.dtype.inexact and not v.type.dtype.complex)


def _light(op: Op) -> bool:
    return (isinstance(op.defn, Elementwise) or op.defn.moves) and op.defn.cost <= LIGHT and len(op.results) == 1


def _positions(read: Op, spec: str) -> Iterator[Value]:
    """The positions of a read along the axes of the loops."""
    starts = spec_operands(read.attrs["spec"])
    return (read.operands[1 + starts[axis]] for axis, char in enumerate(spec) if char == "i")


def _within(read: Op, spec: str) -> list[Value]:
    """What says which part of the row a read takes."""
    starts = spec_operands(read.attrs["spec"])
    inside = [axis for axis, char in enumerate(spec) if char == ":"]
    return [read.operands[1 + k] for axis in inside for k in range(starts[axis], starts[axis + 1])]


# --- the change ---------------------------------------------------------------------------------------------------------

def _narrow(f: Function, tape: _Tape, rows: list[_Row], uses: Uses) -> None:
    """Write the conditions onto tapes of their own, and read them there."""
    found: dict[Value, Value] = {}
    for row in rows:
        mapping = _in_front(tape, row, uses)
        bits: dict[Value, list[Value]] = {}
        for code in _codes(row):
            kept = _kept(tape, _packed(tape, [_bit(tape, mapping[v], k, uses) for v, k in code], uses), uses)
            for (v, _), bit in zip(code, _unpacked(tape, row, kept, uses)):
                bits.setdefault(v, []).append(bit)
        found.update((v, _restored(row, v, parts, uses)) for v, parts in bits.items())
    replace(f.body, found)


def _in_front(tape: _Tape, row: _Row, uses: Uses) -> dict[Value, Value]:
    """Run the ops of the way on what is written; what each value is there."""
    whole = tape.write.operands[1]
    mapping = dict(zip(row.positions, tape.counters))
    for op in row.way:
        name, operands, attrs = op.defn.name, op.operands, op.attrs
        if op in row.reads:
            operands = (whole, *_within(op, tape.spec))
            attrs = {"spec": "".join(char for mine, char in zip(tape.spec, op.attrs["spec"]) if mine == ":")}
        mapping[op.results[0]] = whole if operands == (whole,) else _before(
            tape.write, uses, name, *[mapping.get(v, v) for v in operands], **attrs)
    return mapping


def _bit(tape: _Tape, v: Value, k: int, uses: Uses) -> Value:
    """A condition itself; of a sign whether it is positive, negative, NaN."""
    if v.type.dtype is BOOL:
        return v
    zero = const(0, v.type.dtype)
    return _before(tape.write, uses, *((("gt", v, zero), ("lt", v, zero), ("isnan", v))[k]))


def _restored(row: _Row, v: Value, bits: list[Value], uses: Uses) -> Value:
    """The condition or sign of its bits."""
    if v.type.dtype is BOOL:
        return bits[0]
    found = const(0, v.type.dtype)
    for bit, meaning in zip(bits, (1.0, -1.0, nan)):
        found = _before(row.reads[0], uses, "select", bit, const(meaning, v.type.dtype), found)
    return found


def _packed(tape: _Tape, bits: list[Value], uses: Uses) -> Value:
    """Conditions as the bits of a byte. They are added up as numbers of the width of what was compared: one conversion makes
    them small, not one for each. Halves are only stored."""
    real = tape.result.type.dtype.real
    dtype = F32 if real is F16 else real
    parts = [_before(tape.write, uses, "select", v, const(1 << k, dtype), const(0, dtype)) for k, v in enumerate(bits)]
    total = reduce(lambda a, b: _before(tape.write, uses, "add", a, b), parts)
    return _before(tape.write, uses, "cast", total, dtype=U8)


def _unpacked(tape: _Tape, row: _Row, kept: Value, uses: Uses) -> list[Value]:
    """All bits of a code in the backward loop."""
    read = row.reads[0]
    rank = kept.type.rank - len(tape.counters)
    got = _before(read, uses, "slice", kept, *row.positions, spec="i" * len(tape.counters) + ":" * rank)
    return [_before(read, uses, "ne", _before(read, uses, "and", got, const(1 << k, U8)), const(0, U8)) for k in range(_BITS)]


def _kept(tape: _Tape, code: Value, uses: Uses) -> Value:
    """A tape of a code behind the loops: the counters come first."""
    lengths = [d for d, char in zip(tape.made.operands, tape.spec) if char == "i"]
    v = _before(tape.loops[0][0], uses, "empty", *lengths, *map(_index, code.type.dims),
                dtype=code.type.dtype, instead_of=tape.result.type.dtype)
    v.name = tape.made.results[0].name
    for loop, _ in tape.loops:
        loop.operands += (v,)
        body = loop.regions[0]
        v = Value(v.type, v.name, body, len(body.params))
        body.params += (v,)
    spec = "i" * len(tape.counters) + ":" * code.type.rank
    v = _before(tape.write, uses, "update", v, code, *tape.counters, spec=spec)
    for loop, _ in reversed(tape.loops):
        loop.regions[0].yields += (v,)
        v = Value(v.type, v.name, loop, len(loop.results))
        loop.results += (v,)
    return v


def _index(d: Dim) -> Value:
    return d if isinstance(d, Value) else const(d, INDEX)


def _before(op: Op, uses: Uses, name: str, *operands: Value, **attrs: Any) -> Value:
    """The result of a new op in front of another one."""
    made = make_op(OPS[name], operands, attrs, (), op.loc)
    block = uses.home[op]
    block.ops.insert(block.ops.index(op), made)
    return made.results[0]
