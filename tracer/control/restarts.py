"""What the runs of a trace that were given up have shown, with which the next one starts."""
from __future__ import annotations

from typing import TYPE_CHECKING

from ...ir.errors import TracegradError
from . import packed_lists, short_loops

if TYPE_CHECKING:
    from ..tracing import Restart, Trace


class Learned:
    """statics  argument leaves that are part of the program
    unroll      loops to be unrolled, with the marks of control/short_loops.py
    lists       place of the source -> the form of the lists that are made there
    known       arrays from outside whose elements are part of the program; None: all
    tried       places of which the form of lists is an attempt
    identities  how arrays are told apart at run time: 1 by numbers of theirs, 2 by what names stand for
    closed      packages whose functions run as they stand (syntax/source.py)
    """

    __slots__ = ("_before", "closed", "identities", "known", "lists", "statics", "tried", "unroll")

    def __init__(self) -> None:
        self.statics: set[int] = set()
        self.unroll: set = set()
        self.lists: dict = {}
        self.known: set | None = set()
        self.identities = 0
        self.tried: set = set()
        self.closed: frozenset = frozenset()
        self._before: tuple | None = None                    # what was known before the first of these

    def add(self, signal: Restart) -> bool:
        """Learn from a run; False where that is nothing new."""
        if (signal.leaves <= self.statics and signal.loops <= self.unroll and signal.lists.items() <= self.lists.items()
                and (self.known is None or signal.arrays <= self.known) and signal.identities <= self.identities):
            return False
        if signal.attempt:
            self._before = self._before or self._state()
            self.tried |= set(signal.lists)
        self.identities = max(self.identities, signal.identities)
        self.statics |= signal.leaves
        self.unroll |= signal.loops
        self.lists |= signal.lists
        self.known = self.known if self.known is None else self.known | signal.arrays
        return True

    def _state(self) -> tuple:
        return set(self.statics), set(self.unroll), dict(self.lists), self.known, self.identities

    def taken_back(self) -> bool:
        """A run has failed: whether there was something that may be otherwise, and now is."""
        if self._before is None:
            return short_loops.taken_back(self.unroll)
        self.statics, self.unroll, self.lists, self.known, self.identities = self._before
        self.lists |= dict.fromkeys(self.tried, packed_lists.NEITHER)
        self.tried, self._before = set(), None
        return True

    def closes(self, error: Exception, trace: Trace) -> bool:
        """A run has failed: whether packages were opened in it, which now stay closed. The rest is learned anew."""
        if not trace.opened or trace.met_chance or not isinstance(error, TracegradError):
            return False
        closed = self.closed | trace.opened
        self.__init__()                                       # type: ignore[misc]
        self.closed = closed
        return True
