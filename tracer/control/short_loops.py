"""Loops that are short enough to be written out, but whose bodies are so large that one copy is better.

    for _ in range(3):          written out:  B B B        rolled:  for %i = 0 to 3 { B }
        B

A short loop is written out, as its counter is then a number: small bodies fold. Of a large body, little depends on the counter,
and each copy costs its own time in every pass of every compiler after this one, and its own place in the instruction cache. How
large a body is shows its first iteration: where that is beyond `sizes.traced_body`, the trace starts again with that loop
rolled. What counts are arrays that fit no registers: each becomes loops in machine code, while numbers and small arrays are
worth keeping in registers from copy to copy. Where a rolled body turns out much larger than that iteration was, the counter
does matter, as where branches hang on it, and the loop is written out after all. So it is where a name is only assigned, and
what it held before the last iteration need not be computed, and where the function cannot be compiled with the loop rolled.

What stands among the sites of a `Restart`, and so in `Trace.unroll`:

    (ROLL, site, ops)     this loop is to be rolled; its first iteration had so many ops
    (WRITE, site)         this loop is to be written out, however large
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...ir.core import Block, Op, Value
from ...ir.thresholds import sizes
from ..tracing import NeedUnroll, Restart

if TYPE_CHECKING:
    from ..tracing import Loop, Trace

ROLL, WRITE = "roll", "write out"
LOOPS = 8                     # so many loops are rolled for their size; each of them is a trace that starts again


def count(ops: Sequence[Op]) -> int:
    """The ops of a list that make arrays too large for registers, with those inside of them."""
    return sum(any(map(_is_large, op.results)) + sum(count(region.ops) for region in op.regions) for op in ops)


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
    marks = _marked(trace.unroll, ROLL, site)
    return marks[0][2] * 3 // 2 if marks else None


def measured(trace: Trace, site: Any, body: Callable) -> Callable:
    """The body of a loop that is written out, whose first iteration restarts the trace where it is large."""
    if (WRITE, site) in trace.unroll or len(_marked(trace.unroll, ROLL)) >= LOOPS:
        return body
    first = True

    def iteration_(item: Any) -> None:
        nonlocal first
        block = trace.builder.block
        before = len(block.ops)
        body(item)
        if first and trace.builder.block is block and (ops := count(block.ops[before:])) > sizes.traced_body:
            raise Restart((), [(ROLL, site, ops)])
        first = False

    return iteration_


def taken_back(marks: set) -> bool:
    """Have the loops written out that were to be rolled; whether there are such."""
    rolled = _marked(marks, ROLL)
    marks.difference_update(rolled)
    marks.update((WRITE, site) for _, site, _ in rolled)
    return bool(rolled)
