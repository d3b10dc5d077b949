"""Names that a rolled loop binds to another list, dict or set of run-time size than the one that they held before.

    while frontier:                             while … carry(%table, %keys, %n):
        following = set()                           %other, … = stack_new, …
        …                                           …
        frontier = following                        yield %other, …

The new container has been made in the iteration, and nothing else that is read later holds it; if nothing but this name holds
the old one either, nobody can tell whether the name is bound to the new one or the old one has taken over its contents.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import pytrees, tracing
from ..control import packed_lists, rolled_loops
from . import holders
from .dynamic_dicts import DynamicDict
from .dynamic_lists import DynamicList, Entries, Entry
from .hash_tables import FORMS, HashTable, merged

if TYPE_CHECKING:
    from ..control.rolled_loops import RolledLoop

_LISTS = (DynamicList, Entries, packed_lists.PackedList)


def settle(loop: RolledLoop) -> None:
    """At the end of an iteration: names that held one container and now hold another one keep the first."""
    if loop.get is None or loop.put is None:
        return
    finals = list(loop.get())
    moved = False
    for k, (head, final) in enumerate(zip(loop.heads, finals)):
        if final is head or not isinstance(final, (list, packed_lists.Settling)) or not _is_new(final, loop.epoch):
            continue
        if sum(holders.leads_to(x, final, set()) for x in finals) > 1:
            continue
        if type(head) is list or type(head) in FORMS:
            _expect_run_time(loop.before[k], final)
        elif isinstance(head, (DynamicList, HashTable)) and not holders.is_held(head) and _taken_over(head, final):
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
    if isinstance(final, HashTable) and type(head) is final.facts.cls:
        raise tracing.Restart(lists={site: final.facts})
    if isinstance(final, DynamicList) and type(head) is list:
        entry: Entry | None = final.entry
        for x in head:
            entry = entry and entry.join(Entry.of(x))
        if entry is not None:
            raise tracing.Restart(lists={site: entry})


def _taken_over(head: Any, final: Any) -> bool:
    """Give a container the contents of another one, which nobody uses any more; whether that can be."""
    if isinstance(head, DynamicList):
        return isinstance(final, _LISTS) and _list_taken_over(head, final)
    return type(head) is type(final) and head.facts.cls is final.facts.cls and _table_taken_over(head, final)


def _list_taken_over(head: DynamicList, final: Any) -> bool:
    entry = final.entry if not isinstance(final, packed_lists.PackedList) else Entry(pytrees.LEAF, (final.kind,))
    joined = head.entry.join(entry)
    if joined is None or (isinstance(final, packed_lists.PackedList) and len(final.box.dims) > 1):
        return False
    if joined != head.entry:
        head.widen(joined)
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


rolled_loops.AT_END.append(settle)
