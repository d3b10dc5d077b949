"""After emission: temporaries that are never alive together share a slot of the workspace; and the work of a kernel.

Lifetimes are intervals of statement numbers in the order of the text. A temporary that is allocated outside a loop and used
inside it lives to the end of the loop, and from its start: its contents may come from the iteration before.
"""
from __future__ import annotations

from math import inf, prod

from ....ir.thresholds import sizes
from ..grammar import (
    Alloc,
    At,
    Atom,
    Buffer,
    Copy,
    Fill,
    For,
    Get,
    If,
    Imm,
    Kernel,
    Let,
    Lib,
    Load,
    Peek,
    Poke,
    Pop,
    Print,
    Push,
    Set,
    Store,
    Swap,
    Table,
    Var,
    While,
    greatest,
    walk,
)

DRAW = 20              # scalar operations


class _Lives:
    """The first and last statement of each candidate."""

    def __init__(self) -> None:
        self.clock = 0
        self.first: dict[Buffer, int] = {}
        self.last: dict[Buffer, int] = {}
        self.depth: dict[Buffer, int] = {}
        self.loops: list[list] = []                 # for each open loop: the buffers from outside that it uses

    def touch(self, b: object) -> None:
        if isinstance(b, At):
            b = b.buffer
        if isinstance(b, Buffer) and b in self.first:
            self.last[b] = self.clock
            for used in self.loops[self.depth[b]:]:
                used.append(b)

    def walk(self, body: list) -> None:
        for s in body:
            self.clock += 1
            kind = type(s)
            if kind is Load or kind is Store or kind is Fill:
                self.touch(s.buffer)
            elif kind is Alloc:
                b = s.buffer
                if (s.stack is None and b.space == "heap" and b.static and b not in self.first
                        and b.count * b.dtype.size >= sizes.shared):
                    self.first[b], self.depth[b] = self.clock, len(self.loops)
                    self.last[b] = self.clock
            elif kind is Copy:
                self.touch(s.dst)
                self.touch(s.src)
            elif kind is Lib:
                for a in s.args:
                    self.touch(a)
            elif kind is Push or kind is Poke:
                self.touch(s.source)
            elif kind is Pop or kind is Peek or kind is Table:
                self.touch(s.target)
            elif kind is Print:
                for v in s.values:
                    self.touch(v)
            elif kind is For:
                self.loop(s.body)
            elif kind is While:
                self.loop(s.head, s.body)
            elif kind is If:
                self.walk(s.then)
                self.walk(s.other)
            elif kind is Swap:
                self.first.pop(s.a, None)
                self.first.pop(s.b, None)

    def loop(self, *bodies: list) -> None:
        self.loops.append([])
        for body in bodies:
            self.walk(body)
        self.clock += 1
        for b in self.loops.pop():
            if b in self.first:
                self.last[b] = self.clock


def plan_slots(kernel: Kernel) -> None:
    """Give large static temporaries slots."""
    lives = _Lives()
    lives.walk(kernel.body)
    if len(lives.first) < 2:
        return
    slots: list[tuple[int, int]] = []              # (size, free from)
    for b in sorted(lives.first, key=lives.first.__getitem__):
        size = b.count * b.dtype.size
        free = [(abs(have - size), k) for k, (have, until) in enumerate(slots) if until < lives.first[b]]
        if free:
            k = min(free)[1]
            slots[k] = (max(slots[k][0], size), lives.last[b])
        else:
            k = len(slots)
            slots.append((size, lives.last[b]))
        b.slot = k


def work(body: list) -> float:
    """A rough number of scalar operations; inf where nothing is known of a trip count or length before run time."""
    total = 0.0
    for s in body:
        kind = type(s)
        if kind is For:
            total += greatest(s.trip) * work(s.body) if s.body and s.trip != 0 else 0
        elif kind is While:
            total += _most(s) * (work(s.head) + work(s.body))
        elif kind is If:
            total += max(work(s.then), work(s.other))
        elif kind is Fill or kind is Copy:
            b = s.buffer if kind is Fill else s.dst
            total += 0 if 0 in b.dims else prod(map(greatest, b.dims))
        elif kind is Lib:
            total += lib_work(s)
        else:
            total += 1
    return total


def _most(loop: While) -> float:
    """The iterations of `while x:` that clears a bit of x each time, or shifts it: as many as x has bits. Else inf."""
    made: dict[Atom, Let] = {s.target: s for s in (*loop.head, *loop.body) if type(s) is Let}
    held: dict[Atom, Var] = {s.target: s.var for s in (*loop.head, *loop.body) if type(s) is Get}
    asked = made.get(loop.cond)
    if asked is None or asked.op not in ("ne", "gt") or type(asked.args[1]) is not Imm or asked.args[1].value != 0:
        return inf
    var = held.get(asked.args[0])
    sets = [s for s in walk(loop.body) if type(s) is Set and s.var is var]
    if var is None or not var.dtype.integer or len(sets) != 1 or sets[0] not in loop.body:
        return inf
    step = made.get(sets[0].value)
    never_negative = asked.op == "gt" or var.dtype.kind == "u"
    if step is None or not (_clears_a_bit(step, var, made, held) or (never_negative and _shifts(step, var, held))):
        return inf
    return 8 * var.dtype.size


def _clears_a_bit(s: Let, var: Var, made: dict, held: dict) -> bool:
    """x & (x - 1)."""
    return s.op == "and" and any(
        held.get(x) is var and (less := made.get(y)) is not None and held.get(less.args[0]) is var and type(less.args[1]) is Imm
        and (less.op, less.args[1].value) in (("sub", 1), ("add", -1)) for x, y in (s.args, s.args[::-1]))


def _shifts(s: Let, var: Var, held: dict) -> bool:
    """x >> 1 and beyond, x // 2 and beyond."""
    return held.get(s.args[0]) is var and s.op in ("shr", "floordiv") and type(s.args[1]) is Imm and (
        s.args[1].value >= (1 if s.op == "shr" else 2))


def lib_work(s: Lib) -> float:
    """The product of the sizes among the arguments; a draw is a little work."""
    if s.name == "draw":
        return DRAW
    sizes = [a for a in s.args if type(a) is int]
    product = 1.0
    for n in sorted(sizes)[-3:]:
        product *= max(n, 1)
    return product if len(sizes) > 2 else inf
