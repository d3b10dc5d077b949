"""What the tracer raises to itself: a trace is to begin again in another way, or a loop is to be traced unrolled."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .tracing import Loop


class Signal(BaseException):
    """Control flow of the tracer itself: not an Exception, so that no user's or library's handler stops it."""


class Restart(Signal):
    """Trace the whole function again, with these argument leaves static, these loops unrolled, these lists packed, and the
    elements of these arrays from outside (by id) and the numbers at these paths part of the program, or arrays told apart by
    run-time identities (`identities` 1), or names standing for one of several (2). An `attempt`: where that fails, the lists
    are left alone (control/restarts.py)."""

    def __init__(self, leaves: set[int] | tuple = (), loops: Sequence = (),
                 lists: dict | None = None, arrays: set | tuple = (),
                 identities: int = 0, attempt: bool = False):
        self.leaves, self.loops, self.lists, self.arrays = frozenset(leaves), frozenset(loops), lists or {}, frozenset(arrays)
        self.identities, self.attempt = identities, attempt
        self.otherwise: object = None                    # in place of `loops` where the leaves have no values, as under a map


class Reveal(Signal):
    """Trace the function again, with this attribute of the objects of a class among the arguments: it is read.

    Without a name: with objects of the class taken apart though they hold no numbers. They are assigned to, which is `refused`
    where that is in vain."""

    def __init__(self, cls: type, name: str | None, refused: Exception | None = None):
        self.place, self.refused = (cls, name), refused


class NeedLengths(Signal):
    """A program for arguments of many lengths fails under a condition, which it may not do for the lengths of the call."""


class NeedUnroll(Signal):
    """Trace this loop again, unrolled."""

    def __init__(self, loop: Loop, reason: str):
        self.loop, self.reason = loop, reason
