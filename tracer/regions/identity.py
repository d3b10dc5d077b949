"""Which array a name holds, where only run time knows: identities are numbers of the program, and a write reaches every name.

    a, b = x.copy(), y.copy()              %a, %b carry their identities %ia, %ib
    while …:
        b[1:] = a[:-1]                     %b' = update %b …;  %x' = if eq %ib, ix then { update %x … } else { %x }
        if …: a, b = b, a                  %a, %ia = if %c then { %b', %ib } else { %a, %ia }

As values, arrays have no aliases: two names that may be one array are two values, linked (`region_tracing.link`). Mostly the
trace knows which is which. Where a write would leave it in doubt, it starts again (`Restart`) with identities: every array
that comes out of a join or is carried by a loop has a number that says which array it is, and a write to one is done to each
linked one whose number is the same at that moment. As they held the same before, they do so afterwards.

An array's number is its stamp. In a loop each iteration makes arrays anew with the same stamps, so a clock, which is carried
like an attribute and advances at each iteration, is added to those: numbers differ whenever arrays do.

A joined name that is a view of an array, or has another dtype, is a copy as a value, which no number relates to its base
(OPAQUE): a write then leaves the other unreadable, as without identities.
"""
from __future__ import annotations

from typing import Any

from ...ir.build import const
from ...ir.core import Block, Const, Value
from ...ir.types import I64
from ..tracing import Trace
from ..values.boxes import ArrayBox, Box, ScalarBox
from . import region_tracing

OPAQUE: Any = object()                   # in place of a number: nothing says which array it is
NOBODY = 0                               # the number of what is no array of the program: no stamp
STRIDE = 1 << 24                         # more than the stamps of one trace
_WRITES = ("update", "update_add", "scatter", "scatter_add")


class Clock:
    """Counts the iterations of all loops at run time; `now` is carried through regions like any object's attribute."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = ScalarBox(const(0, I64), "int")


def tick(trace: Trace) -> None:
    """An iteration of the loop at hand begins."""
    clock = trace.clock
    assert clock is not None                              # arrays have identities
    now = ScalarBox(trace.builder("add", clock.now.read(), const(STRIDE, I64)), "int")
    region_tracing.assign(trace, (clock, True, "now"), now)
    trace.scopes[-1].clock = now.read()


def number(trace: Trace, held: float | Box | None) -> Value:
    """The identity of what a name holds, emitted here."""
    if not isinstance(held, ArrayBox):
        return const(NOBODY, I64)
    if isinstance(held.identity, Value):
        return held.identity
    stamp = const(1 + held._epoch - trace.epoch, I64)
    for scope in reversed(trace.scopes):
        if scope.clock is not None and scope.epoch < held._epoch:
            return trace.builder("add", scope.clock, stamp)
    return stamp


def opaque(held: float | Box | None) -> bool:
    """Whether a join with this leaves an array that no number relates to its base."""
    return isinstance(held, ArrayBox) and (held.base is not None or held.identity is OPAQUE)


def propagate(trace: Trace, root: ArrayBox, before: Value | None) -> None:
    """`root` has been written, and held `before` until then: whatever may be the same array is written, where it is."""
    for other in region_tracing.relatives(trace, root):
        if type(other) is not ArrayBox:
            continue
        if OPAQUE in (root.identity, other.identity):
            region_tracing.spoil(trace, other, "")          # also in a region that is over: a list may hold it
            continue
        if trace.closed(other._epoch):
            continue
        if other.own.type != root.own.type:
            region_tracing.spoil(trace, other, "")
            continue
        same = trace.builder("eq", number(trace, root), number(trace, other))
        if isinstance(same, Const) and not same.item:
            continue
        trace.note("copy", "a write under one name of an array that may have another, which run time decides")
        trace.log_root(other)
        other._value = _where(trace, same, root.own, before, other.own)


def _where(trace: Trace, same: Value, after: Value, before: Value | None, old: Value) -> Value:
    """old, or, where it is the same array, what the write makes of it."""
    yes, no = Block(), Block()
    with trace.builder.at(yes):
        op = after.op
        if op is not None and op.name in _WRITES and op.operands[0] is before:
            yes.yields = trace.builder.emit(op.defn, old, *op.operands[1:], **op.attrs)
        else:
            yes.yields = (after,)
    no.yields = (old,)
    return trace.builder.emit("if", same, regions=(yes, no))[0]
