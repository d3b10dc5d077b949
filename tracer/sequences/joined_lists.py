"""Lists that the branches of an `if` leave under one name with different lengths.

    path = path + [v] if v > t else []      if %c { %p = concatenate … } else { %p = zeros[0] }     path = Packed(%p)

After the `if` the list is an array of run-time length that does not change (control/packed_lists.Fixed). Where it is changed,
the trace starts again with one that can be, if nothing else holds what the branches have left.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.core import Value
from .. import pytrees, tracing
from ..containers import holders
from ..containers.lists import dynamic_lists
from ..containers.lists.dynamic_lists import DynamicList, Entries
from ..containers.lists.list_entries import Entry
from ..control import branches, packed_lists
from ..control.packed_lists import Fixed, PackedList
from ..regions import if_join, leaf_types
from ..regions.if_join import IfJoin, JoinedValue
from ..tracing import Trace
from ..values import boxes, ownership
from .list_copies import entry_of

_SETTLED = "settled"                 # of a name and a place: stacks that it has there are read when a branch ends


def joined(join: IfJoin, what: str, a: Any, b: Any) -> JoinedValue | None:
    """What a name holds after the branches; None where this is for others to say."""
    trace = join.trace
    entry = _common(a, b) if join.flexible or (isinstance(a, Fixed) and isinstance(b, Fixed)) else None
    if entry is None or (type(a) is list and type(b) is list and len(a) == len(b)):
        return None
    for side, held in enumerate((a, b)):
        if type(held) is DynamicList and not _is_of(join, side, held):
            key = _key(what)
            if key in trace.lists:
                return None
            raise tracing.Restart(lists={key: True})
    columns = [_columns(join, side, held, entry) for side, held in enumerate((a, b))]
    slots = [join.leaf(what, x, y) for x, y in zip(*columns)]
    own = _is_own(join, 0, a) and _is_own(join, 1, b)

    def build(results: list[Value]) -> Any:
        made = dynamic_lists.listed(entry, [s.build(results) for s in slots])
        if own:
            return packed_lists.fresh(made)
        for side, held in enumerate((a, b)):
            if not _is_of(join, side, held):
                flag = join.flag if side == 0 else trace.builder("not", join.flag)
                ownership.note_joined(trace, getattr(held, "source", held), made, flag)
        return made

    return JoinedValue(True, build)


def _key(what: str) -> tuple:
    return (_SETTLED, what, *packed_lists.place())


def _common(a: Any, b: Any) -> Entry | None:
    """What the entries of two lists have in common; None where these are no lists that can be joined."""
    found: Entry | None = None
    for held in (a, b):
        if type(held) is PackedList and len(held.box.dims) > 1:
            return None
        if type(held) is list:
            parts = [Entry.of(x) for x in held]
        elif type(held) in (DynamicList, Entries, PackedList):
            parts = [entry_of(held)]
        else:
            return None
        for part in parts:
            found = part if found is None else found.join(part)
            if found is None:
                return None
    return found


def _is_of(join: IfJoin, side: int, held: Any) -> bool:
    """Whether a branch has made a list."""
    outcome = join.outcomes[side]
    if getattr(held, "source", None) is not None:
        return False
    if type(held) is list:
        return id(held) in outcome.fresh
    cells = [held.total] if type(held) is DynamicList else held.boxes if type(held) is Entries else [held.box]
    return all(cell._epoch > outcome.epoch for cell in cells)


def _is_own(join: IfJoin, side: int, held: Any) -> bool:
    """Whether nothing but the name leads to a list after the `if`."""
    if sum(holders.leads_to(x, held, set()) for x in (*join.outcomes[side].names, join.outcomes[side].returned)) > 1:
        return False
    if _is_of(join, side, held):
        return True
    born = join.trace.born_at.get(id(held))
    site = born[1] if born is not None and born[0] is held else getattr(held, "site", None)
    if not site or site[0] == packed_lists.ARGUMENT:
        return False
    return not holders.is_held_elsewhere(held, lambda: join.before, join.put)


def _columns(join: IfJoin, side: int, held: Any, entry: Entry) -> list:
    """The leaves of all entries at the end of a branch, as arrays."""
    builder = join.trace.builder
    with builder.at(join.blocks[side]), join.outcomes[side].installed():
        if type(held) is DynamicList:
            found = [packed_lists.poured(cell._value, held.total._value, kind)
                     for cell, kind in zip(held.stacks, held.entry.kinds)]
        elif type(held) is list:
            found = [_stacked(held, k, kind) for k, kind in enumerate(entry.kinds)]
        else:
            found = [c.read() for c in (held.boxes if type(held) is Entries else [held.box])]
        return [boxes.array(builder.cast(x, kind.dtype)) for x, kind in zip(found, entry.kinds)]


def _stacked(held: list, k: int, kind: leaf_types.Kind) -> Value:
    builder = tracing.current().builder
    if not held:
        return builder.full(0, (0, *kind.dims), kind.dtype)
    return boxes.FUNCTIONS[np.stack]([boxes.as_array(pytrees.flatten(x)[0][k]) for x in held]).read()


def ending(branch: Callable, get: Any, put: Any, names: tuple[str, ...], what: str) -> Any:
    """Run a branch; what it leaves that is known to be joined with a list of another length is read at its end."""
    returned = branch()
    trace = tracing.current()
    if any(key[0] == _SETTLED for key in trace.lists if isinstance(key, tuple) and key):
        held = list(get()) if get is not None else []
        found = [_settled(trace, name.lstrip("+"), x, get, put) for name, x in zip(names, held)]
        if put is not None and any(x is not y for x, y in zip(found, held)):
            put(tuple(found))
        returned = _settled(trace, what, returned, None, None)
    return returned


def _settled(trace: Trace, what: str, held: Any, get: Callable | None, put: Callable | None) -> Any:
    if type(held) is tuple:
        parts = [_settled(trace, f"{what}[{k}]", x, get, put) for k, x in enumerate(held)]
        return tuple(parts) if any(x is not y for x, y in zip(parts, held)) else held
    if type(held) is not DynamicList or _key(what) not in trace.lists:
        return held
    found = held.settled()
    if holders.is_held_elsewhere(held, get, put):
        found.source = held
    return found


if_join.LISTS.append(joined)
branches.AT_END.append(ending)
