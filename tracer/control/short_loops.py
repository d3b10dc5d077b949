"""Loops that are short enough to be written out, but whose bodies are so large that one copy is better.

    for _ in range(3):          written out:  B B B        rolled:  for %i = 0 to 3 { B }
        B

A short loop is written out, as its counter is then a number: small bodies fold. Of a large body, little depends on the counter,
and each copy costs its own time in every pass of every compiler after this one, and its own place in the instruction cache. How
large a body is shows its first iteration: where that is beyond `sizes.traced_body`, the trace starts again with that loop
rolled. What counts are arrays that fit no registers: each becomes loops in machine code, while numbers and small arrays are
worth keeping in registers from copy to copy. They are not in loops that stay rolled in the body: all that is in those counts,
so that a nest of short loops around a longer one is not written out by the product of their lengths. Where a rolled body turns
out much larger than that iteration was, the counter does matter, as where branches hang on it, and the loop is written out
after all. So it is where a name is only assigned, and what it held before the last iteration need not be computed, and where
the function cannot be compiled with the loop rolled.

What stands among the sites of a `Restart`, and so in `Trace.unroll`:

    (ROLL, site, ops)     this loop is to be rolled; its first iteration had so many ops
    (WRITE, site)         this loop is to be written out, however large
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...ir.core import Block, Op, Value
from ...ir.thresholds import sizes
from ..tracing import NeedUnroll, Restart

if TYPE_CHECKING:
    from ..tracing import Loop, Trace

ROLL, WRITE = "roll", "write out"
PER_OP = 4                    # elements of a small array that take the code of one more number
LOOPS = 8                     # so many loops are rolled for their size; each of them is a trace that starts again


def count(ops: Sequence[Op], arrays: bool = True, looped: bool = False) -> int:
    """The ops of a list that make arrays too large for registers, with those inside of them; in loops all ops, small arrays by
    their elements. `arrays` False: in loops only."""
    found = 0
    for op in ops:
        inside = looped or op.name in ("for", "while")
        found += sum(count(region.ops, arrays, inside) for region in op.regions)
        if any(map(_is_large, op.results)):
            found += looped or arrays
        elif looped:
            found += sum([1 + math.prod(v.type.shape) // PER_OP for v in op.results])
    return found


def _is_large(made: Value) -> bool:
    dims = made.type.dims
    known = [d for d in dims if isinstance(d, int)]
    return bool(dims) and (len(known) < len(dims) or math.prod(known) > sizes.registers)


def expect_gain(loop: Loop, body: Block, yields: Sequence[Value]) -> None:
    """Raises NeedUnroll for a loop that is rolled for its size, where copies of its body would be less work: the counter
    decides much in them, or one iteration computes what only the last one hands on."""
    if loop.most is None:
        return
    read = {v for op in body.walk() for v in op.operands}
    carried = body.params[len(body.params) - len(yields):]
    if count(body.ops) > loop.most or any(old is not new and old not in read for old, new in zip(carried, yields)):
        raise NeedUnroll(loop, "brevity")


def _marked(marks: set, kind: str, site: Any = None) -> list[tuple]:
    return [mark for mark in marks if type(mark) is tuple and mark[0] == kind and site in (None, mark[1])]


def most_of(trace: Trace, site: Any) -> int | None:
    """The ops that a loop's body may have where it is to be rolled for its size; None where it is not."""
    if (WRITE, site) in trace.unroll:
        return None
    marks = _marked(trace.unroll, ROLL, site)
    return marks[0][2] * 3 // 2 if marks else None


def measured(trace: Trace, site: Any, body: Callable, copies: int) -> Callable:
    """The body of a loop that is written out, whose first iteration restarts the trace where it is large. Of two copies only
    what they repeat of loops counts."""
    if (WRITE, site) in trace.unroll or len(_marked(trace.unroll, ROLL)) >= LOOPS:
        return body
    first = True

    def iteration_(item: Any) -> None:
        nonlocal first
        block = trace.builder.block
        before = len(block.ops)
        body(item)
        if first and trace.builder.block is block and count(block.ops[before:], copies > 2) > sizes.traced_body:
            raise Restart((), [(ROLL, site, count(block.ops[before:]))])
        first = False

    return iteration_


def failed(trace: Trace, site: Any) -> None:
    """Note of a loop that was rolled for its size that it is to be written out, also where it is met again."""
    trace.unroll.add((WRITE, site))


@contextmanager
def counted(trace: Trace, loop: Loop) -> Iterator[None]:
    """Tracing the body of a loop that stays rolled. Where that is for its size, the loops in it are written out or not as they
    were in the iteration that was measured."""
    outer = trace.unrolling
    if loop.most is not None and type(loop.trip) is int:
        trace.unrolling = outer * max(loop.trip, 1)
    try:
        yield
    finally:
        trace.unrolling = outer


def taken_back(marks: set) -> bool:
    """Have the loops written out that were to be rolled; whether there are such."""
    rolled = _marked(marks, ROLL)
    marks.difference_update(rolled)
    marks.update((WRITE, site) for _, site, _ in rolled)
    return bool(rolled)
