"""Deques whose length only run time knows: two piles (containers/lists/dynamic_lists.py) with their ends outside.

    d.appendleft(x)      left.append(x)                              left: [2, 1, 0]   right: [3, 4]     is 0 1 2 3 4
    d.popleft()          left.pop(); where that is empty, the lowest of right, which is passed over from then on

So no entry moves from one to the other, and each step takes the same time, whatever the order of steps. What is passed over is
given back once it is more than what is held (`list_programs.pass_over`). A deque of known length stays Python's own.
"""
from __future__ import annotations

import collections
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np

from .. import pytrees, tracing
from ..calling import calls
from ..control import branches, iteration, loops, packed_lists
from ..tracing import Trace
from ..values import shapes
from ..values.boxes import FUNCTIONS, Box, ScalarBox
from .lists import list_programs
from .lists.dynamic_lists import DynamicList, DynamicListItems, _refuse, listed
from .lists.list_entries import Cell, Entry, copied


class DynamicDeque(packed_lists.ListValue):
    """`ends`: the left pile and the right one; `passed`: how many entries at the bottom of each are none any more. `maxlen`: as
    Python's."""

    __slots__ = ("ends", "maxlen", "passed")
    __hash__ = None         # type: ignore[assignment]      # how Python says that there is none
    shown = "deque"

    def __init__(self, entry: Entry, site: tuple, maxlen: int | None):
        self.ends, self.maxlen = (DynamicList(entry, site), DynamicList(entry, site)), maxlen
        self.passed = tuple(Cell(tracing.current().builder.index(0)) for _ in self.ends)

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
        for pile in self.ends:
            pile._expect_unwritten()
        return calls.call(list_programs.take, self, side)

    # what the programs ask of one side

    def held(self, side: int) -> Box:
        """How many entries it has."""
        return self.ends[side].length() - self.dead(side)

    def dead(self, side: int) -> Box:
        return ScalarBox(self.passed[side]._value, "int")

    def pass_to(self, side: int, count: Any) -> None:
        self.passed[side].set(tracing.current().builder.index(shapes.to_index(count)))

    def top(self, side: int) -> object:
        return self.ends[side].pop()

    def at(self, side: int, k: Any) -> object:
        return self.ends[side].at(self.dead(side) + k)

    def put(self, side: int, k: Any, value: object) -> None:
        self.ends[side][self.dead(side) + k] = value

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
        for pile, cell in zip(self.ends, self.passed, strict=True):
            pile.clear()
            cell.set(tracing.current().builder.index(0))

    # --- all of it ----------------------------------------------------------------------------------------------------

    def length(self) -> Box:
        return self.held(0) + self.held(1)

    def columns(self) -> list:
        left, right = ([column[self.dead(side):] for column in pile.columns()] for side, pile in enumerate(self.ends))
        return [FUNCTIONS[np.concatenate]([a[::-1], b]) for a, b in zip(left, right, strict=True)]

    def settled(self) -> packed_lists.ListValue:
        return listed(self.entry, self.columns())

    def returned(self) -> Returned:
        return Returned(self.settled(), self.maxlen)

    def packed(self) -> Any:
        return self.settled().packed()

    array = DynamicList.array

    def __len__(self) -> int:
        return tracing.need_concrete(self.length(), "len()")

    def __bool__(self) -> Any:
        return self.length() != 0

    def __getitem__(self, key: int | Box) -> Any:
        for pile in self.ends:
            pile._expect_unwritten()
        return copied(calls.call(list_programs.deque_item, self, key))

    def __setitem__(self, key: int | Box, value: object) -> None:
        calls.call(list_programs.set_deque_item, self, key, value)

    def __delitem__(self, key: Any) -> NoReturn:
        _refuse("`del` of an item of a deque whose length is known only at run time", "use pop or popleft")

    def copy(self) -> None:
        _refuse("copy of a deque whose length is known only at run time", "make it a list: `list(d)`")

    __copy__ = __deepcopy__ = copy

    def __iter__(self) -> Any:
        return iter(DynamicListItems(self))

    def __getattr__(self, name: str) -> NoReturn:
        if hasattr(collections.deque, name) and not name.startswith("__"):
            _refuse(f"deque.{name}, of a deque whose length is known only at run time", "use append, pop, appendleft, popleft")
        raise AttributeError(f"'deque' object has no attribute '{name}'")


class Returned:
    """What a deque of run-time length holds, on its way to the caller, for whom it is one."""

    __slots__ = ("items", "maxlen")

    def __init__(self, items: packed_lists.ListValue, maxlen: int | None):
        self.items, self.maxlen = items, maxlen


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
pytrees.learn(Returned, pytrees.Kind("deque", lambda x: ((x.items,), x.maxlen),
                                     lambda maxlen, made: collections.deque(made[0], maxlen), lambda meta, n: [""]))
