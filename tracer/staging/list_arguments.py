"""Lists, dicts and sets that are arguments, where the program does with them what only one of another form can: index them at a
position or key of run time, append under a condition. Then the program works on such a one (control/packed_lists.py,
containers/lists/dynamic_lists.py, containers/tables/dynamic_dicts.py), and the caller's gets its contents when the call ends.

    def bubble(a):                              %a = the elements of a, an array
        for i in range(len(a)):                 …
            …                                   a[:] = %a, when the call ends
            a[j], a[j + 1] = a[j + 1], a[j]
"""
from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import pytrees
from ..containers.nested_lists import NestedList, Numbered
from ..containers.tables.hash_tables import Facts, HashTable, of_members
from ..control import packed_lists
from ..values.boxes import ArrayBox, ScalarBox

if TYPE_CHECKING:
    from ..tracing import Trace

_SCALARS = (bool, int, float, complex, np.number, np.bool_)
ALL = "[:]"                   # the place of all items of a list or dict, among those that are assigned


class StandIn(NamedTuple):
    """A list of another form, in the place of the list with a number; `start`: what it held at first, None where that is not
    known; of Python's own set its members."""

    number: int
    held: Any
    start: tuple | None

    @property
    def changed(self) -> bool:
        """Whether its contents may not be those of the argument any more."""
        if isinstance(self.held, set):
            return self.held != set(self.start or ())
        return self.start is None or any(a is not b for a, b in zip(_values(self.held) or (), self.start, strict=True))

    def contents(self) -> Any:
        if isinstance(self.held, set):
            return list(self.held)
        if isinstance(self.held, packed_lists.PackedList):
            return self.held[:]
        return self.held.contents() if isinstance(self.held, NestedList) else self.held.settled()


def _set_of(trace: Trace, members: pytrees.Members, known: Any, site: tuple) -> StandIn:
    """A set that is an argument: Python's own until the program uses it with a member that only run time knows."""
    if not isinstance(known, Facts) and all(type(x) is not ScalarBox for x in pytrees.leaves_of(list(members))):
        held = trace.note_fresh(set(members))
        trace.born_at[id(held)] = held, site
        return StandIn(site[1], held, tuple(members))
    if not isinstance(known, Facts):
        known = trace.lists[site] = of_members(members)
    made = packed_lists.MAKERS[Facts](trace, members, known, site)
    return StandIn(site[1], made, _values(made))


def _values(held: Any) -> tuple[Any, ...] | None:
    """All that a list or table holds now, where that tells whether it has been changed."""
    if isinstance(held, HashTable) and not hasattr(held, "lists"):
        columns = [cell._value for column in held.columns_() for cell in (*column.stacks, column.total)]
        return held.cell._value, held.used_._value, *columns
    box = getattr(held, "box", None)
    return (box._value,) if isinstance(box, ArrayBox) else None


def replaced(trace: Trace, args: tuple, kwargs: dict, seen: list) -> tuple[tuple, dict, list[StandIn]]:
    """The arguments with the lists and dicts among them in the forms that an earlier trace has found to be needed."""
    found: list[StandIn] = []
    within = {id(child) for x in seen if type(x) is list for child in x if type(child) is list}
    whole = _reachable(args, kwargs)
    for number, x in enumerate(seen):
        if type(x) not in (list, dict, pytrees.Members) or (id(x) not in whole and id(x) not in within):
            continue
        site = packed_lists.ARGUMENT, number
        trace.born_at[id(x)] = x, site
        known = trace.lists.get(site)
        if type(x) is pytrees.Members:
            found.append(_set_of(trace, x, known, site))
            continue
        if id(x) not in whole or type(known) not in packed_lists.MAKERS:
            continue
        made = packed_lists.MAKERS[type(known)](trace, x, known, site)
        if made is not None:
            found.append(StandIn(number, made, _values(made)))
    if not found:
        return args, kwargs, found
    instead = {id(seen[x.number]): x.held for x in found}
    return _with(args, instead), {name: _with(x, instead) for name, x in kwargs.items()}, found


def _with(x: Any, instead: dict[int, Any]) -> Any:
    """The arguments with some of their lists and dicts exchanged; their tuples are made anew."""
    if type(x) is tuple:
        return tuple([_with(child, instead) for child in x])
    return instead.get(id(x), x)


def _reachable(args: tuple, kwargs: dict) -> set[int]:
    """The addresses of the lists and dicts that `replaced` can exchange."""
    found: set[int] = set()

    def visit(x: Any) -> None:
        if type(x) in (list, pytrees.Members) or (type(x) is dict and x is not kwargs):
            found.add(id(x))
        elif type(x) is tuple or x is kwargs:
            for child in x.values() if isinstance(x, dict) else x:
                visit(child)

    visit(args)
    visit(kwargs)
    return found


def fill(x: Any, items: Any, own: AbstractSet[int]) -> None:
    """Give a list, deque or dict of the caller other items. What the call has made of a list in a list goes into the caller's
    at its position; items that are the caller's own objects (by address) are where the program has moved them."""
    if isinstance(x, set):
        x.intersection_update(items)
        x.update(items)
        return
    if isinstance(x, dict):
        for key, item in items.items():
            if type(x.get(key)) is list and type(item) is list and id(item) not in own:
                fill(x[key], item, own)
                items[key] = x[key]
            elif key in x and _alike(x[key], item):
                items[key] = x[key]                  # as a rule it is not another one, but has been there before
        x.clear()
        x.update(items)
        return
    if isinstance(items, Numbered):
        before = list(x)
        for k, number in enumerate(items.numbers):
            if number < len(before):
                fill(before[number], items[k], own)
                items[k] = before[number]
        x[:] = items
        return
    for k, item in enumerate(items):
        if k < len(x) and type(x[k]) is list and type(item) is list and id(item) not in own:
            fill(x[k], item, own)
            items[k] = x[k]
        elif k < len(x) and type(x[k]) is not type(item) and _same_number(x[k], item):
            items[k] = x[k]                          # as a rule it has not been written to: the list holds wider numbers inside
    x.clear()
    x.extend(items)


def _same_number(old: Any, new: Any) -> bool:
    alike = isinstance(old, _SCALARS) and isinstance(new, _SCALARS) and bool(old == new)
    return alike and (new != 0 or not str(new).startswith("-"))


def _alike(old: Any, new: Any) -> bool:
    """Whether a value of the caller's is still there."""
    if isinstance(old, np.ndarray):
        return isinstance(new, np.ndarray) and old.dtype == new.dtype and np.array_equal(old, new, old.dtype.kind in "fc")
    return isinstance(old, _SCALARS) and isinstance(new, _SCALARS) and bool(old == new)
