"""Deques whose length only run time knows: two piles (containers/dynamic_lists.py) with their ends outside.

    d.appendleft(x)      left.append(x)                            left: [2, 1, 0]   right: [3, 4]     is 0 1 2 3 4
    d.popleft()          if not left: left, right = right[::-1], []; left.pop()

So each entry changes sides once, and a queue costs as much as two lists do. A deque of known length stays Python's own.
"""
from __future__ import annotations

import collections
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np

from .. import tracing
from ..calling import calls
from ..control import branches, iteration, loops, packed_lists
from ..tracing import Trace
from ..values.boxes import FUNCTIONS, Box
from .dynamic_lists import DynamicList, DynamicListItems, Entry, _refuse, listed

EMPTY = "pop from an empty deque"


class DynamicDeque(packed_lists.ListValue):
    """`ends`: the left pile and the right one. `maxlen`: as Python's."""

    __slots__ = ("ends", "maxlen")
    __hash__ = None         # type: ignore[assignment]      # how Python says that there is none
    shown = "deque"

    def __init__(self, entry: Entry, site: tuple, maxlen: int | None):
        self.ends, self.maxlen = (DynamicList(entry, site), DynamicList(entry, site)), maxlen

    @property
    def entry(self) -> Entry:
        return self.ends[0].entry

    # --- the ends -----------------------------------------------------------------------------------------------------

    def append(self, value: object) -> None:
        self._add(1, value)

    def appendleft(self, value: object) -> None:
        self._add(0, value)

    def _add(self, side: int, value: object) -> None:
        if self.maxlen == 0:
            return
        def make_room() -> None:
            self._take(1 - side)

        if self.maxlen is not None:
            branches.if_(self.length() >= self.maxlen, make_room, None, None, None, ())
        self.ends[side].append(value)

    def pop(self) -> object:
        return self._take(1)

    def popleft(self) -> object:
        return self._take(0)

    def _take(self, side: int) -> object:
        own, other = self.ends[side], self.ends[1 - side]

        def pour() -> None:
            loops.for_(iteration.range_(other.length()), lambda _: own.append(other.pop()), None, None, (), None,
                       site=(own.site, "pour", side))

        branches.if_(own.__bool__(), branches._nothing, pour, None, None, ())
        own._expect_unwritten()
        own._expect(1, EMPTY)
        return own.pop()

    def extend(self, values: Iterable) -> None:
        self._each(values, self.append, "extend")

    def extendleft(self, values: Iterable) -> None:
        self._each(values, self.appendleft, "extendleft")

    def __iadd__(self, values: Iterable) -> DynamicDeque:
        self.extend(values)
        return self

    def _each(self, values: Iterable, add: Any, what: str) -> None:
        source = iteration.source_of(values)
        if source is None:
            for x in list(iteration.iterate(values)):
                add(x)
        else:
            loops.for_(source, add, None, None, (), None, site=(self.ends[0].site, what))

    def clear(self) -> None:
        for pile in self.ends:
            pile.clear()

    # --- all of it ----------------------------------------------------------------------------------------------------

    def length(self) -> Box:
        return self.ends[0].length() + self.ends[1].length()

    def columns(self) -> list:
        left, right = (pile.columns() for pile in self.ends)
        return [FUNCTIONS[np.concatenate]([a[::-1], b]) for a, b in zip(left, right, strict=True)]

    def settled(self) -> packed_lists.ListValue:
        return listed(self.entry, self.columns())

    def packed(self) -> Any:
        return self.settled().packed()

    array = DynamicList.array

    def __len__(self) -> int:
        return tracing.need_concrete(self.length(), "len()")

    def __bool__(self) -> Any:
        return self.length() != 0

    def __getitem__(self, key: int | Box) -> Any:
        return self.settled()[key]

    def copy(self) -> None:
        _refuse("copy of a deque whose length is known only at run time", "make it a list: `list(d)`")

    __copy__ = __deepcopy__ = copy

    def __iter__(self) -> Any:
        return iter(DynamicListItems(self))

    def __getattr__(self, name: str) -> NoReturn:
        if hasattr(collections.deque, name) and not name.startswith("__"):
            _refuse(f"deque.{name}, of a deque whose length is known only at run time", "use append, pop, appendleft, popleft")
        raise AttributeError(f"'deque' object has no attribute '{name}'")


def deque(iterable: Iterable = (), maxlen: int | None = None) -> collections.deque | DynamicDeque:
    """collections.deque: how many it holds is part of the program, unless that has turned out to be known only at run time."""
    if isinstance(maxlen, Box):
        maxlen = int(tracing.need_concrete(maxlen, "the length of a deque"))
    trace, site = tracing.current(), packed_lists.place()
    entry = trace.lists.get(site)
    if isinstance(entry, Entry):
        return _piled(trace, iterable, entry, site, maxlen)
    held = collections.deque(iteration.iterate(iterable), maxlen)
    trace.born_at[id(held)] = held, site
    return held


def _piled(trace: Trace, iterable: Iterable, entry: Entry, site: tuple, maxlen: int | None) -> DynamicDeque:
    made = DynamicDeque(entry, site, maxlen)
    made.extend(iterable)
    return made


calls.BUILTINS[collections.deque] = deque
calls.STAND_INS.update([DynamicList, DynamicDeque])
iteration.SOURCES[DynamicDeque] = DynamicListItems
