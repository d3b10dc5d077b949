"""Copies and parts of lists of run-time length: l[a:b], list(l), sorted(l), l.copy().

    rest = found[1:]             an array, as long as nothing changes it
    rest.append(x)               then the trace starts again with a stack, into which this place of the program copies it
"""
from __future__ import annotations

from typing import Any

from .. import pytrees, tracing
from ..containers.lists.dynamic_lists import DynamicList
from ..containers.lists.list_entries import Entry
from ..control import packed_lists
from ..control.packed_lists import PackedList


def entry_of(held: Any) -> Entry:
    return Entry(pytrees.LEAF, (held.kind,)) if isinstance(held, PackedList) else held.entry


def fresh(held: Any) -> Any:
    """A list that the program has just made: one that can be changed, where that is known to be needed."""
    if isinstance(held, PackedList) and len(held.box.dims) > 1:
        return held
    site = packed_lists.place()
    known = tracing.current().lists.get(site)
    if not isinstance(known, Entry):
        held.grows = site
        return held
    made = DynamicList(known, site)
    made.extend(held)
    return made


packed_lists.ENTRY_OF.append(entry_of)
packed_lists.FRESH.append(fresh)
