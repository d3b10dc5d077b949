"""Lists and deques that a long loop of known length makes longer or shorter: piles, where copies of the body would be too many.

    out = [x0]                                 What an iteration reads of `out`, or whether it appends at all, follows
    for i in range(5000):                      from the counter. Written out, the loop keeps out as Python's own list; but
        out.append(out[-1] + f(i))             5,000 copies of a body take minutes to compile. As a pile, which is what
    for i in range(5000):                      containers/lists/dynamic_lists.py makes, the list has a length of run time, and
        if i % 10 == 0: out.append(x)          the loop stays one.

It is an attempt: entries of several types, or what the program does with the list later, may need Python's own. Then the trace
starts again as it was before, with the lists at these places left alone (`control/restarts.py`) and the loop written out.
"""
from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

from ...ir.thresholds import sizes
from .. import pytrees, tracing
from ..regions import list_scan_outputs
from . import ragged_lists
from .lists.dynamic_lists import entries_after
from .lists.list_entries import Entry

if TYPE_CHECKING:
    from ..tracing import Trace


def attempt(trace: Trace, held: Any, name: str, args: tuple) -> None:
    """Told that loops would be unrolled because held.<name>(*args) changes its length, or because it is read while it grows:
    trace again with it a pile, where the loops are long and all entries of one type; of arrays of run-time length, which are
    much work in each copy, where they are not short."""
    born = trace.born_at.get(id(held))
    if type(held) not in (list, deque) or born is None or born[0] is not held or born[1] in trace.lists or trace.general:
        return
    site, copies = born[1], _copies(trace, held)
    facts = ragged_lists.facts_after(held, name, args) if copies > sizes.traced_unrolled else None
    if facts is not None and _is_value(facts.structure):
        raise tracing.Restart(lists={site: facts}, attempt=True)
    # where the bodies deal with piles already, each copy is much work
    piled = any(type(known) is Entry for known in trace.lists.values())
    if copies <= (sizes.traced_unrolled if piled else sizes.traced_lists):
        return
    entries = entries_after(held, name, args)
    if entries and entries[0] is not None and _is_value(entries[0].structure) and all(entry == entries[0] for entry in entries):
        raise tracing.Restart(lists={site: entries[0]}, attempt=True)


def _is_value(structure: pytrees.TreeDef) -> bool:
    """Whether nothing in an entry can be changed: a pile holds what was entered."""
    return structure is pytrees.LEAF or (structure.kind in (pytrees.TUPLE, pytrees.NAMED)
                                         and all(map(_is_value, structure.children)))


def _copies(trace: Trace, held: Any) -> int:
    """How many copies of a body the loops around, each pass of which finds the same list, would be."""
    trips = [scope.loop.trip for scope in trace.scopes[max(trace.maker(held), 0) + 1:] if scope.loop is not None]
    return math.prod(trip for trip in trips if isinstance(trip, int)) if trips else 0


list_scan_outputs.LENGTHENED.append(attempt)
