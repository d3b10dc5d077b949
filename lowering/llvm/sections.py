"""Large kernels in sections: runs of statements that become functions of their own, so that threads can compile them at once.

    … A; B; C; D …      ->      … call section(what A, B, C use); D …          section: A; B; C

LLVM takes a function at a time, and longer than in proportion for a large one. A section is worth its call: it holds whole
loops, of many statements, and what happens to memory of run-time size and to exchanged memory stays outside.

    scalars      from before: parameters; made for others: left in memory
    variables    that others use too: their values are parameters, and are left in memory where they are set
    buffers      pointers. A small temporary that nobody else uses lies in the section's own frame; others lie where the kernel
                 says. Temporaries whose slots may be shared are told apart by their alias scopes, as outside, not by `noalias`.
    stacks       pointers to their records. Where a buffer lies that a section has made or found on one is left in memory
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...ir.thresholds import sizes
from ...ir.types import INDEX
from ..loopir.grammar import (
    Alloc,
    At,
    Buffer,
    For,
    Get,
    If,
    Kernel,
    Let,
    Load,
    Peek,
    Pop,
    Scalar,
    Set,
    Stack,
    Stmt,
    Store,
    Swap,
    Table,
    Var,
    While,
    blocks,
    greatest,
    operands,
    walk,
)

if TYPE_CHECKING:
    from .emit import Emitter

_OUTSIDE = (Table, Swap)


@dataclass(eq=False)
class Section:
    """Statements of a kernel, one after the other.

    given, found   variables that it gets and leaves
    results        scalars that others use
    own, shared    buffers that it allocates: which nobody else uses, and others
    lying          buffers on stacks that it makes or finds for others, and their stacks
    tops           buffers on stacks that it declares for others, who make or find them
    """

    statements: list[Stmt]
    given: tuple[Var, ...]
    found: tuple[Var, ...]
    results: tuple[Scalar, ...]
    own: tuple[Buffer, ...]
    shared: tuple[Buffer, ...]
    lying: dict[Buffer, Stack]
    tops: dict[Buffer, Stack]


@dataclass(eq=False)
class Lie:
    """At the end of a section: where buffers lie goes to memory."""

    places: list[tuple[Buffer, Buffer]]


def cut(kernel: Kernel) -> dict[int, list]:
    """{id of a list of the kernel's statements: the same with sections in place of their statements}; {} for a small kernel."""
    if sum(map(_looped, kernel.body)) < sizes.sectioned:
        return {}
    return dict(_Cutter(kernel).blocks(kernel.body, False))


def _looped(s: Stmt) -> int:
    """The statements in loops that last, of a statement."""
    if isinstance(s, (For, While)) and not (isinstance(s, For) and (s.unroll or greatest(s.trip) < sizes.lanes)):
        return sum(1 for _ in walk([s]))
    return sum(_looped(t) for block in blocks(s) for t in block)


class _Cutter:
    def __init__(self, kernel: Kernel):
        self.total = _occurrences(kernel.body)
        self.exchanged = {x for s in walk(kernel.body) if type(s) is Swap for x in (s.a, s.b)}
        self.on = {s.buffer: s.stack for s in walk(kernel.body) if type(s) is Alloc and s.stack is not None}

    def blocks(self, body: list[Stmt], again: bool) -> Iterator[tuple[int, list]]:
        """again: the block stands in a loop, so what one run of it has left, the next one may find."""
        parts, run, weight, found = list[Stmt | Section](), list[Stmt](), 0, False

        def end() -> None:
            nonlocal found, weight
            whole = weight >= sizes.section
            parts.extend([self._section(run, again)] if whole else run)
            found |= whole
            run.clear()
            weight = 0

        for s in body:
            inside = list(self._inside(s, again))
            if inside or self._stays(s):
                end()
                parts.append(s)
                yield from inside
                continue
            run.append(s)
            weight += _looped(s)
            if weight >= sizes.section:
                end()
        end()
        if found:
            yield id(body), parts

    def _inside(self, s: Stmt, again: bool) -> Iterator[tuple[int, list]]:
        """What is cut in the blocks of a statement, if it is large."""
        if type(s) not in (For, While, If) or (isinstance(s, For) and (s.spread is not None or s.unroll)):
            return
        if _looped(s) >= 2 * sizes.section or self._stays(s):
            for block in blocks(s):
                yield from self.blocks(block, again or not isinstance(s, If))

    def _stays(self, s: Stmt) -> bool:
        """Whether a statement is of the kinds that a section does not have."""
        return any(type(t) in _OUTSIDE or (type(t) is Alloc and self._apart(t)) for t in walk([s]))

    def _apart(self, s: Alloc) -> bool:
        return (s.stack is None and not s.buffer.static) or s.buffer.space == "result" or s.buffer in self.exchanged

    def _section(self, run: list[Stmt], again: bool) -> Section:
        own, total = _occurrences(run), self.total
        elsewhere = {x for x in own if again or total[x] > own[x]}
        inside = list(walk(run))
        variables = [x for x in own if isinstance(x, Var) and x in elsewhere]
        assigned = {s.var for s in inside if type(s) is Set} | {v for s in inside if type(s) is For and s.spread
                                                                for v in s.spread.sums}
        made = [s.target for s in run if isinstance(s, (Let, Load, Get, Pop, Peek)) and isinstance(s.target, Scalar)]
        allocated = dict.fromkeys(s.buffer for s in inside if type(s) is Alloc and s.stack is None)
        tops = {s.buffer: s.stack for s in run if type(s) is Alloc and s.stack is not None and total[s.buffer] > own[s.buffer]}
        placed = {s.target if type(s) is Pop else s.buffer for s in run if type(s) is Pop or (type(s) is Alloc and not s.taken)}
        lying = {b: self.on[b] for b in self.on if b in placed and total[b] > own[b]}
        return Section(list(run), tuple(variables), tuple(v for v in variables if v in assigned),
                       tuple(x for x in made if total[x] > own[x]), tuple(b for b in allocated if total[b] == own[b]),
                       tuple(b for b in allocated if total[b] > own[b]), lying, tops)


def _occurrences(body: list[Stmt]) -> Counter:
    """How often scalars, variables and buffers are named by statements, and by those in them."""
    return Counter(x for s in walk(body) for x in _named(s))


def _named(s: Stmt) -> Iterator[Scalar | Var | Buffer]:
    names: list = [*operands(s)]
    if isinstance(s, (Get, Set)):
        names.append(s.var)
    if isinstance(s, For) and s.spread is not None:
        spread = s.spread
        names += [*(length for key in spread.work for length in key), *spread.given, *spread.sums, *spread.shared]
    while names:
        x = names.pop()
        if isinstance(x, At):
            names += [x.buffer, *x.index]
        elif isinstance(x, (Scalar, Var)):
            yield x
        elif isinstance(x, Buffer):
            yield x
            names += x.dims


def write(out: Emitter, s: Section) -> None:
    """Write a section's function and its call."""
    lent = [*s.shared, *(b for b in s.own if out.storage.layout.kind(b) == "workspace")]
    out.body([Alloc(b) for b in lent])
    values = [(var, Scalar(var.dtype)) for var in s.given]
    out.body([Get(value, var) for var, value in values])
    others: list[Var | Scalar] = [*s.found, *s.results]
    left = [(x, Buffer("left", x.dtype, (1,), "stack")) for x in others]
    out.body([Alloc(place) for _, place in left])
    lying = [(b, Buffer("lies", INDEX, (1,), "stack")) for b in s.lying]
    out.body([Alloc(place) for _, place in lying])
    inner = out.section(s.statements, lent)
    name = f"{out.kernel.symbol}.section{next(out.module.loops)}"
    text = inner.function(f"define dso_local i32 @{name}", lambda: [*inner.parameters(), "ptr noalias nocapture %error"],
                          [*(Set(var, value) for var, value in values), *s.statements, *_leave(left), Lie(lying)],
                          "noinline nounwind")
    out.module.functions.append(text)
    code, passed = out.fresh(), [*(f"{kind} {there}" for kind, there, _ in inner.captured), "ptr %error"]
    out.lines.append(f"  {code} = call i32 @{name}({', '.join(passed)})")
    out.innermost = False
    if inner.fails or inner.no_memory:
        out.leave(code)
    out.body([t for x, place in left for t in _take(x, place)])
    out.stacks.tops |= s.tops
    for b, place in lying:
        pointer = out.fresh()
        out.lines.append(f"  {pointer} = load ptr, ptr {out.storage.base(place)}")
        out.storage.lie(b, pointer)


def lie(inner: Emitter, s: Lie) -> None:
    for b, place in s.places:
        inner.lines.append(f"  store ptr {inner.storage.base(b)}, ptr {inner.storage.base(place)}")


def _leave(left: list[tuple[Var | Scalar, Buffer]]) -> list[Stmt]:
    """At the end of a section: what others use goes to memory."""
    statements: list[Stmt] = []
    for x, place in left:
        value = x if isinstance(x, Scalar) else Scalar(x.dtype)
        statements += [Store(place, (0,), value)] if isinstance(x, Scalar) else [Get(value, x), Store(place, (0,), value)]
    return statements


def _take(x: Var | Scalar, place: Buffer) -> list[Stmt]:
    """After the call: from there to where it is looked for."""
    if isinstance(x, Scalar):
        return [Load(x, place, (0,))]
    value = Scalar(x.dtype)
    return [Load(value, place, (0,)), Set(x, value)]
