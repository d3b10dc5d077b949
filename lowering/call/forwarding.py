"""Callables that another one answers for as long as some places hold what they held: the light objects that users have.

    f(x)  ->  guard (call/entry.py): all places as they were?  ->  entries of the callable that answers
                                      else                     ->  f.miss(x), which finds the one that answers now

The places are fields of Python functions and closure cells, compared by pointer, about a nanosecond each. Without native calls
`Dispatcher.__call__` does the same in Python.
"""
from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple

from ..native import c_layouts
from .calling_convention import MISSING
from .dispatch import Dispatcher, the_trampoline

# attribute -> where it is in the object that has it
FIELDS = {"__code__": "function.code", "__defaults__": "function.defaults", "__kwdefaults__": "function.kwdefaults",
          "cell_contents": "cell.contents"}
EMPTY = object()                  # what a cell without contents holds
_retired: list[Dispatcher] = []   # what answered until a place changed, with a call still running when last seen


class Held(NamedTuple):
    """A place and what it holds: `getattr(holder(), name)` is `value`. The holder is not kept alive: it is the function of whom
    the question is, or something that this function leads to."""

    holder: Callable[[], Any]
    name: str
    value: Any

    def holds(self) -> bool:
        try:
            return getattr(self.holder(), self.name) is self.value
        except MISSING:
            return self.value is EMPTY

    def words(self) -> tuple[int, int]:
        address = id(self.holder()) + c_layouts.OFFSETS[FIELDS[self.name]]
        if self.value is EMPTY or (self.value is None and c_layouts.uint64_at(address) == 0):
            return address, 0                                # a field without a value; Python shows None for it
        return address, id(self.value)


class Answer:
    """Who answers, and while what holds. Keeps alive what the machine code compares with."""

    __slots__ = ("_words", "address", "by", "guard", "places")

    def __init__(self, by: Dispatcher, places: tuple[Held, ...]):
        self.by, self.places = by, places
        self.address = self.guard = 0
        if c_layouts.NATIVE:
            words = [id(by), len(places), *[word for place in places for word in place.words()]]
            self._words = (ctypes.c_uint64 * len(words))(*words)
            self.address, self.guard = ctypes.addressof(self._words), the_trampoline().guard

    def holds(self) -> bool:
        return all(place.holds() for place in self.places)


def forward(f: Dispatcher, answer: Answer) -> None:
    """From now on `answer.by` answers calls of f. One word is stored, so that no other thread sees half of it.

    The caller keeps `answer` alive, for as long as f has it."""
    if c_layouts.NATIVE:
        f._bound = answer.address
        f._vectorcall = answer.guard


def retire(by: Dispatcher) -> None:
    """Keep what answered until now alive while calls still run in its code."""
    _retired[:] = [old for old in (*_retired, by) if any(s.running for s in old.specialisations)]
