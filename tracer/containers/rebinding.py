"""Names that a rolled loop binds to another list, dict or set of run-time size than the one that they held before.

    while frontier:                             while … carry(%table, %keys, %n):
        following = set()                           %other, … = stack_new, …
        …                                           …
        frontier = following                        yield %other, …

The new container has been made in the iteration, and nothing else that is read later holds it; if nothing but this name holds
the old one either, nobody can tell whether the name is bound to the new one or the old one has taken over its contents.

Where something else holds the first one, as the caller does its argument, the name has a copy of it from before the loop on.
Whether it is another one than the first is known only at run time, so where the copy would be changed (`shared`) none is made.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import pytrees, tracing
from ..control import packed_lists, rolled_loops
from ..values import ownership
from . import holders
from .lists.dynamic_lists import DynamicList, Entries
from .lists.list_entries import Entry
from .tables.dynamic_dicts import DynamicDict, fill
from .tables.hash_tables import FORMS, HashTable, merged

if TYPE_CHECKING:
    from ..control.rolled_loops import RolledLoop

_LISTS = (DynamicList, Entries, packed_lists.PackedList)
_REBOUND = "rebound"                       # of the place of a copy


def begin(loop: RolledLoop) -> None:
    """Before a loop: names that it binds to other containers, and now hold one that is held elsewhere, too, get a copy."""
    if loop.get is None or loop.put is None:
        return
    held, moved = list(loop.get()), False
    for k, x in enumerate(held):
        facts = loop.trace.lists.get(_site(loop, k))
        if facts is not packed_lists.NEVER and isinstance(x, (list, dict, set, packed_lists.Settling)):
            held[k], moved = _copy(x, facts, _site(loop, k)), True
    if moved:
        loop.put(tuple(held))


def _site(loop: RolledLoop, k: int) -> tuple:
    return (_REBOUND, loop.labels[k], *packed_lists.place())


def _copy(x: Any, facts: Any, site: tuple) -> Any:
    if isinstance(facts, Entry):
        made: Any = DynamicList(facts, site)
        made.extend(x)
    else:
        made = packed_lists.MAKERS[type(facts)](tracing.current(), facts.cls(), facts, site)
        if isinstance(x, HashTable):
            made.replicate(x)
        else:
            fill(made, x)
    made.shared = True
    return made


def _held_elsewhere(head: Any) -> bool:
    """Whether more than the name of a loop, which now holds another one, leads to a container, or may be it."""
    born = tracing.current().born_at.get(id(head))
    site: Any = born[1] if born is not None and born[0] is head else getattr(head, "site", None)
    return (bool(site) and site[0] == packed_lists.ARGUMENT) or holders.is_held(head)


def settle(loop: RolledLoop) -> None:
    """At the end of an iteration: names that held one container and now hold another one keep the first."""
    if loop.get is None or loop.put is None:
        return
    finals = list(loop.get())
    moved = False
    for k, (head, final) in enumerate(zip(loop.heads, finals)):
        if final is head or not isinstance(final, (list, packed_lists.Settling)) or not _is_new(final, loop.epoch):
            continue
        if sum(holders.leads_to(x, final, set()) for x in finals) > 1 or ownership.joined(loop.trace, final):
            continue
        python = type(head) is list or type(head) in FORMS
        if (python or isinstance(head, (DynamicList, HashTable))) and _held_elsewhere(loop.before[k] if python else head):
            _expect_copy(_site(loop, k), head, final)
        elif python:
            _expect_run_time(loop.before[k], final)
        elif isinstance(head, (DynamicList, HashTable)) and _taken_over(head, final):
            finals[k], moved = head, True
    if moved:
        loop.put(tuple(finals))


def _is_new(x: Any, epoch: int) -> bool:
    """Whether a container has been made since a stamp."""
    trace = tracing.current()
    if isinstance(x, list):
        return id(x) in trace.scopes[-1].fresh
    cells = [x.total] if isinstance(x, DynamicList) else [x.cell] if isinstance(x, HashTable) else getattr(x, "boxes", None)
    if cells is None and isinstance(x, packed_lists.PackedList):
        cells = [x.box]
    return bool(cells) and all(c._epoch > epoch for c in cells or ())


def _expect_run_time(head: Any, final: Any) -> None:
    """Trace again with a container of Python that a loop exchanges for one of run-time size as such a one, too."""
    trace = tracing.current()
    place, site = trace.born_at.get(id(head), (None, None))
    if place is not head or site in trace.lists:
        return
    facts = _facts(head, final)
    if facts is not None:
        raise tracing.Restart(lists={site: facts})


def _expect_copy(site: tuple, head: Any, final: Any) -> None:
    """Trace again with a copy of what a name holds before a loop."""
    facts = _facts(head, final)
    if facts is not None and site not in tracing.current().lists:
        raise tracing.Restart(lists={site: facts})


def _facts(head: Any, final: Any) -> Any:
    """What is to be known of a container of run-time size that can hold what both do; None where there is none."""
    if isinstance(final, HashTable) and final.facts.cls in (type(head), getattr(head, "stands_for", None)):
        return merged(final.facts, head.facts) if isinstance(head, HashTable) else final.facts
    if not isinstance(final, _LISTS) or not (type(head) is list or isinstance(head, DynamicList)):
        return None
    entry: Entry | None = _entry(final)
    for found in (head.entry,) if isinstance(head, DynamicList) else map(Entry.of, head):
        entry = entry and entry.join(found)
    return entry


def _entry(held: Any) -> Entry:
    return Entry(pytrees.LEAF, (held.kind,)) if isinstance(held, packed_lists.PackedList) else held.entry


def _taken_over(head: Any, final: Any) -> bool:
    """Give a container the contents of another one, which nobody uses any more; whether that can be."""
    if isinstance(head, DynamicList):
        return isinstance(final, _LISTS) and _list_taken_over(head, final)
    return type(head) is type(final) and head.facts.cls is final.facts.cls and _table_taken_over(head, final)


def _list_taken_over(head: DynamicList, final: Any) -> bool:
    joined = head.entry.join(_entry(final))
    if joined is None or (isinstance(final, packed_lists.PackedList) and len(final.box.dims) > 1):
        return False
    if joined != head.entry:
        head.widen(joined)
    head.changes += 1
    if isinstance(final, DynamicList):
        if joined != final.entry:
            final.widen(joined)
        _moved(head, final)
        return True
    rows = [final.box] if isinstance(final, packed_lists.PackedList) else final.columns()
    builder = tracing.current().builder
    head.total.set(builder.index(rows[0].dims[0]))
    head.refill([builder.cast(rows_.read(), kind.dtype) for rows_, kind in zip(rows, head.entry.kinds)])
    return True


def _table_taken_over(head: HashTable, final: HashTable) -> bool:
    facts = merged(head.facts, final.facts)
    parts = [(getattr(facts, name), getattr(table.facts, name)) for name in ("key", "value") for table in (head, final)]
    if any(own is not None and own.join(joined) != joined for joined, own in parts):
        return False
    if isinstance(head, DynamicDict) and isinstance(final, DynamicDict) and head.default != final.default:
        return False
    changed = {table.site: facts._replace(factory=table.facts.factory) for table in (head, final)
               if table.facts != facts._replace(factory=table.facts.factory)}
    if changed:
        raise tracing.Restart(lists=changed)
    head.cell.set(final.cell._value)
    for mine, theirs in zip(head.columns_(), final.columns_()):
        _moved(mine, theirs)
    if head.facts.thinned or head.keys_ is None:
        head.used_.set(final.used_._value)
    head.last = None
    return True


def _moved(head: DynamicList, final: DynamicList) -> None:
    for mine, theirs in zip(head.stacks, final.stacks):
        mine.set(theirs._value)
    head.total.set(final.total._value)
    head.top = head.seen = None
    head.write_guard += final.write_guard


rolled_loops.AT_START.append(begin)
rolled_loops.AT_END.append(settle)
