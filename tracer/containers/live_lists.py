"""Loops over lists that get longer or shorter meanwhile, as lists of what is left to do.

    for u in order:                          k = 0
        for v in adj[u]:                     while k < len(order):
            order.append(v)                      u = order[k];  k += 1;  …

A loop over a list of run-time length goes over what it held at first. Where it turns out that its body has changed the list,
the trace starts again with this loop, and goes item by item.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir.errors import UnsupportedError
from .. import tracing
from ..calling import calls
from ..control import iteration, loops
from . import list_programs
from .dynamic_lists import DynamicList

# class of a list -> the pile that changes with its length
WATCHED: dict[type, Callable[[Any], DynamicList]] = {DynamicList: lambda held: held}


def run(held: Any, body: Callable, get: Any, put: Any, names: tuple, stop: Any) -> None:
    """A `for` statement over a list."""
    trace, place = tracing.current(), ("live", id(body.__code__))
    if place in trace.lists:
        made = calls.call(list_programs.live, held)
        if type(made) not in iteration.DRIVEN:
            raise UnsupportedError("a list changes while a loop in a generator, taken one by one, runs over it",
                                   "loop over a copy, `list(x)`", tracing.locate())
        iteration.DRIVEN[type(made)](made, body, get, put, names, stop)
        return
    source, pile = iteration.source_of(held), WATCHED[type(held)](held)
    before = [cell._value for cell in (pile.total, *pile.stacks)]              # what makes the source may have moved it
    loops.for_(source, body, get, put, names, stop, site=id(body.__code__))
    if any(now._value is not was for now, was in zip((pile.total, *pile.stacks), before)):
        raise tracing.Restart(lists={place: True})


iteration.DRIVEN[DynamicList] = run
