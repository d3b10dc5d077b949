"""Loops over lists that get longer or shorter meanwhile, as lists of what is left to do.

    for u in order:                          k = 0
        for v in adj[u]:                     while k < len(order):
            order.append(v)                      u = order[k];  k += 1;  …

A loop over a list of run-time length goes over what it held at first. Where it turns out that its body has changed the list,
the trace starts again with this loop, and goes item by item; so does one over enumerate(), zip() or reversed() of the list.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...ir.errors import UnsupportedError
from .. import tracing
from ..calling import calls
from ..control import iteration, loops
from .lists import list_programs
from .lists.dynamic_lists import DynamicList

# class of a list -> the pile that changes with its length
WATCHED: dict[type, Callable[[Any], DynamicList]] = {DynamicList: lambda held: held}


def run(held: Any, body: Callable, get: Any, put: Any, names: tuple, stop: Any) -> None:
    """A `for` statement over a list."""
    if not _live(held, body, get, put, names, stop):
        _fixed(iteration.source_of(held), [held], body, get, put, names, stop)


def run_around(source: Any, body: Callable, get: Any, put: Any, names: tuple, stop: Any) -> None:
    """A `for` statement over enumerate(), zip() or reversed(), perhaps of lists."""
    held = list(_lists_in(source))
    if not held or not _live(source, body, get, put, names, stop):
        _fixed(source, held, body, get, put, names, stop)


def _live(items: Any, body: Callable, get: Any, put: Any, names: tuple, stop: Any) -> bool:
    """Item by item, where it is known that the body changes a list; returns whether it is."""
    if ("live", id(body.__code__)) not in tracing.current().lists:
        return False
    made = _one_by_one(items)
    if type(made) not in iteration.DRIVEN:
        raise UnsupportedError("a list changes while a loop in a generator, taken one by one, runs over it",
                               "loop over a copy, `list(x)`", tracing.locate())
    iteration.DRIVEN[type(made)](made, body, get, put, names, stop)
    return True


def _fixed(source: Any, held: list, body: Callable, get: Any, put: Any, names: tuple, stop: Any) -> None:
    """As long as nothing is changed: over what the lists held at first."""
    piles = [WATCHED[type(x)](x) for x in held]
    before = [pile.changes for pile in piles]
    loops.over(source, body, get, put, names, stop, site=id(body.__code__))
    if any(pile.changes != was for pile, was in zip(piles, before)):
        raise tracing.Restart(lists={("live", id(body.__code__)): True})


def _lists_in(source: Any) -> Iterator[Any]:
    """The lists whose length may change that a loop goes through."""
    origin = getattr(source, "origin", None)
    if type(origin) in WATCHED:
        yield origin
    inner = getattr(source, "inner", None)
    for part in getattr(source, "inners", () if inner is None else (inner,)):
        yield from _lists_in(part)


def _one_by_one(items: Any) -> Any:
    """What gives the items of a source as they are when their turn comes."""
    items = items if type(origin := getattr(items, "origin", None)) not in WATCHED else origin
    if type(items) in WATCHED:
        return calls.call(list_programs.live, items)
    if next(_lists_in(items), None) is None:
        return items
    if type(items) is iteration.Enumerated:
        return calls.call(enumerate, _one_by_one(items.inner), items.start)
    if type(items) is iteration.Zipped:
        return calls.call(zip, *map(_one_by_one, items.inners))
    if type(items) is iteration.Backwards and type(origin := getattr(items.inner, "origin", None)) in WATCHED:
        return calls.call(list_programs.live_backwards, origin)
    raise UnsupportedError("a list of run-time length changes in a loop that runs over it in another way than one by one",
                           "loop over a copy, `list(x)`", tracing.locate())


iteration.DRIVEN[DynamicList] = run
iteration.DRIVEN.update(dict.fromkeys((iteration.Enumerated, iteration.Zipped, iteration.Backwards), run_around))
