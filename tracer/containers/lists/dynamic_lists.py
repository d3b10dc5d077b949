"""Python lists whose length only run time knows: appended to in a branch, or in a loop that ends on a condition.

    found = []                                   %s, %n = stack_new, 0
    while error > tolerance:                     while … carry(%s, %n):
        error = step()                               …
        found.append(error)                          push %s, %error;  %n + 1
    return np.array(found)                       rows[%n - 1 - i] = pop %s, for i in 0 … %n

A list starts as Python's own. Where the program changes its length under a condition of run time (`grow`), the trace starts
again with the lists that are made at this place of the source as piles: one stack for each leaf of an entry, and a count. The
end of a pile is at hand (`append`, `pop`, `x[-1]`, `len`); whoever asks for more has it as arrays, whose rows are the entries.
Stacks and counts are logged and carried by regions as arrays are. A stack is used once, so what empties it fills another.

All entries have one structure, whose leaves are numbers, or arrays of known shape. An array is entered with its present
contents: one that Python would change under the list, because it is written to later, is refused. The types of an entry do
not depend on how many there are: np.array of an empty list is of shape (0, 3) where the entries are arrays of 3.
"""
from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ....ir.core import Value
from ....ir.errors import UnsupportedError
from ... import pytrees, tracing
from ...calling import calls
from ...control import iteration, loops, packed_lists
from ...regions import leaf_types, list_scan_outputs
from ...values import boxes, shapes
from ...values.boxes import FUNCTIONS, ArrayBox, ScalarBox
from ...values.python import chosen_texts
from .list_entries import Cell, Entry, copied, item_of, read_only, taken_out

if TYPE_CHECKING:
    from ...control.packed_lists import PackedList
    from ...tracing import Trace

# name -> method(list, *args) of those that move entries or look for one (list_functions.py)
METHODS: dict = {}
UNLIKE: list = []                        # told(list, entry) of one that fits none of the others (ragged_lists.py)
EMPTY, OUTSIDE = "pop from empty list", "list index out of range"


# --- becoming one -----------------------------------------------------------------------------------------------------

def grow(trace: Trace, held: list | deque, name: str, args: tuple[float | ScalarBox, ...]) -> None:
    """Told that list.<name>(*args) would give a list a length of run time: trace again with it a pile, if it can be."""
    epoch = trace.born_at.get(id(held))
    found = entry_after(held, name, args) if type(held) in (list, deque) else None
    if found is not None and epoch is not None and epoch[0] is held and trace.lists.get(epoch[1]) is not packed_lists.NEITHER:
        raise tracing.Restart(lists={epoch[1]: found})


def entry_after(held: Iterable[ScalarBox], name: str, args: tuple) -> Entry | None:
    found, *others = entries_after(held, name, args) or [None]
    for part in others:
        found = found and found.join(part)
    return found


def entries_after(held: Iterable[ScalarBox], name: str, args: tuple) -> list[Entry | None]:
    """Of each entry that a list has after list.<name>(*args), and before it."""
    more: Any = args[name == "insert"] if args and name not in ("pop", "popleft", "remove") else ()
    parts = [Entry.of(x) for x in held]
    if name in ("append", "appendleft", "insert"):
        parts.append(Entry.of(more))
    elif isinstance(more, (list, tuple)):
        parts += map(Entry.of, more)
    elif isinstance(more, packed_lists.ListValue):
        parts.append(more.entry if hasattr(more, "entry") else Entry(pytrees.LEAF, (more.packed().kind,)))
    return parts


def piled(trace: Trace, held: list, entry: Entry, site: tuple[int, ...]) -> DynamicList | None:
    """A list that has just been made, as a pile; None where its entries do not fit."""
    for x in held:
        joined = entry.join(Entry.of(x))
        if joined is None or (joined != entry and site in trace.tried):
            trace.lists[site] = packed_lists.NEITHER
            return None
        trace.lists[site] = entry = joined
    made = DynamicList(entry, site)
    for x in held:
        made.append(x)
    return made


# --- the list ---------------------------------------------------------------------------------------------------------

class DynamicList(packed_lists.ListValue):
    """A list of run-time length. `site`: the place of the source that made it; `top`: (stack, entry) of what was appended
    last, `seen`: (stack, columns) of what was read last, as long as the first stack is that one. `write_guard`: an alias of
    each array that was entered, unreadable once the array is written; `shared`: perhaps a list that something else holds
    (rebinding.py), and cannot be changed; `changes`: how often the trace has changed it."""

    __slots__ = ("changes", "entry", "seen", "shared", "site", "stacks", "top", "total", "write_guard")

    def __init__(self, entry: Entry, site: tuple[int, ...]):
        if tracing.current().general:            # where the number is known, what an entry shares with a name is, too
            raise tracing.NeedLengths("the number of entries of a list follows from a length")
        builder = tracing.current().builder
        self.entry, self.site, self.shared, self.changes = entry, site, False, 0
        self.top: tuple | None = None
        self.seen: tuple | None = None
        self.write_guard: list = []
        self.stacks = [Cell(builder("stack_new", dtype=k.dtype)) for k in entry.kinds]
        self.total = Cell(builder.index(0))

    # --- its end ------------------------------------------------------------------------------------------------------

    def change(self) -> None:
        """Before what it holds is changed."""
        packed_lists.expect_own(self)
        self.changes += 1

    def append(self, value: Any) -> None:
        self.change()
        self._append(value)

    def _append(self, value: Any) -> None:
        leaves = self._leaves(value)
        builder = tracing.current().builder
        for cell, x, kind in zip(self.stacks, leaves, self.entry.kinds):
            cell.set(builder("push", cell._value, leaf_types.emit(x, kind)))
        self.total.set(builder.iop("add", self.total._value, 1))
        self.top = self.stacks[0]._value, self._entry([leaf_types.emit(x, k) for x, k in zip(leaves, self.entry.kinds)])

    def _leaves(self, value: Any) -> list:
        """The leaves of a new entry; traces again where it needs a wider type."""
        joined = self.entry.join(Entry.of(value))
        if joined is None:
            for told in UNLIKE:
                told(self, value)
        if joined != self.entry:
            self.widen(joined)
        leaves = chosen_texts.leaves_as(copied(value), self.entry.structure)
        for x in leaves:
            if isinstance(x, ArrayBox):
                list_scan_outputs.entered(tracing.current(), x, self.write_guard)
        return leaves

    def widen(self, joined: Entry | None) -> NoReturn:
        if self.site in tracing.current().tried:
            raise tracing.Restart(lists={self.site: packed_lists.NEITHER})
        if joined is None:
            _refuse("an entry unlike the others of the list: all must have one structure", "give them one shape")
        raise tracing.Restart(lists={self.site: joined})

    def extend(self, values: tuple[Value, ...]) -> None:
        source = iteration.source_of(values)
        if source is None:
            for x in list(iteration.iterate(values)):
                self.append(x)
        else:
            loops.for_(source, self.append, None, None, (), None, site=(self.site, "extend"))

    def __iadd__(self, values: Any) -> Any:
        self.extend(values)
        return self

    def pop(self, position: Any = -1) -> Any:
        if type(position) is not int or position != -1:
            return taken_out(METHODS["pop"](self, position))
        self.change()
        self._expect_unwritten()
        self._expect(1, EMPTY)
        found = self._taken()
        self.total.set(tracing.current().builder.iop("sub", self.total._value, 1))
        return found

    def clear(self) -> None:
        self.change()
        builder = tracing.current().builder
        for cell, kind in zip(self.stacks, self.entry.kinds):
            cell.set(builder("stack_new", dtype=kind.dtype))
        self.total.set(builder.index(0))

    def _taken(self) -> ScalarBox:
        """The last entry, which leaves the stacks."""
        builder, values = tracing.current().builder, []
        for cell, kind in zip(self.stacks, self.entry.kinds):
            below, value = builder.emit("pop", cell._value, *map(builder.index, kind.dims))
            cell.set(below)
            values.append(value)
        return self._entry(values)

    def last(self) -> ScalarBox:
        self._expect_unwritten()
        if self.top is not None and self.top[0] is self.stacks[0]._value:
            return copied(self.top[1])
        self._expect(1, OUTSIDE)
        count, found = self.total._value, self._taken()
        self._append(found)
        self.total.set(count)
        return copied(found)

    def _expect(self, least: int, message: str) -> None:
        builder = tracing.current().builder
        builder.emit("check", builder("ge", self.total._value, builder.index(least)), error="BoundsError", message=message)

    def _expect_unwritten(self) -> None:
        for alias in self.write_guard:
            alias.read()

    def _entry(self, values: list[Value]) -> ScalarBox:
        return self.entry.structure.unflatten([read_only(leaf_types.wrap(v, k)) for v, k in zip(values, self.entry.kinds)])

    # --- all of it ----------------------------------------------------------------------------------------------------

    def columns(self) -> list[ArrayBox]:
        """For each leaf an array whose rows are those of the entries. The stacks are emptied into it, and filled from it."""
        self._expect_unwritten()
        if self.seen is None or self.seen[0] is not self.stacks[0]._value:
            if tracing.current().scopes[-1].kind != "function":
                tracing.current().note("copy", "a list of run-time length is read while it may grow: all of it, each time")
            rows = [packed_lists.poured(s._value, self.total._value, kind) for s, kind in zip(self.stacks, self.entry.kinds)]
            self.refill(rows)
            self.seen = self.stacks[0]._value, rows
        return [read_only(boxes.array(v)) for v in self.seen[1]]

    def refill(self, rows: list[Value]) -> None:
        for cell, value, kind in zip(self.stacks, rows, self.entry.kinds):
            cell.set(packed_lists.refilled(value, self.total._value, kind))
        self.top = self.seen = None

    def array(self) -> ArrayBox:
        """np.array of the list."""
        columns = self.columns()
        if self.entry.structure is pytrees.LEAF:
            return boxes.array(columns[0].read())
        if self.entry.structure.kind is chosen_texts.KIND:
            _refuse("an array of texts that only run time knows", "keep the list, or use positions: np.flatnonzero(x > 0)")
        if any(k.dims for k in self.entry.kinds) or any(c is not pytrees.LEAF for c in self.entry.structure.children):
            _refuse("an array of a list of structures", "append numbers or arrays, to one list each")
        return FUNCTIONS[np.stack](columns, -1)

    def settled(self) -> PackedList:
        """The list as it is now, which does not change with it."""
        return listed(self.entry, self.columns())

    def packed(self) -> PackedList:
        return self.settled().packed()

    def length(self) -> ScalarBox:
        return ScalarBox(self.total._value, "int")

    def __len__(self) -> int:
        return tracing.need_concrete(self.length(), "len()")

    def __bool__(self) -> Any:
        builder = tracing.current().builder
        return ScalarBox(builder("ne", self.total._value, builder.index(0)), "bool")

    def __getitem__(self, key: Any) -> Any:
        if type(key) is int and key == -1:
            return self.last()
        seen = self.seen is not None and self.seen[0] is self.stacks[0]._value
        if seen or isinstance(key, slice) or tracing.current().scopes[-1].kind == "function":
            return self.settled()[key]
        return copied(self.at(key))

    def at(self, key: Any) -> Any:
        """An entry where it lies: zero takes its place, and is exchanged for it again."""
        self._expect_unwritten()
        depth, values = self._depth(key), []
        builder = tracing.current().builder
        for cell, kind in zip(self.stacks, self.entry.kinds):
            nothing = builder.full(0, kind.dims, kind.dtype)
            rest, value = builder.emit("exchange", cell._value, depth, nothing)
            cell.set(builder.emit("exchange", rest, depth, value)[0])
            values.append(value)
        return self._entry(values)

    def _depth(self, key: Any, message: str = OUTSIDE) -> Value:
        """How many entries lie on that at a position, which is checked."""
        builder, count = tracing.current().builder, self.total._value
        position = builder.index(shapes.to_index(key))
        start = builder("select", builder("lt", position, builder.index(0)), builder.iop("add", position, count), position)
        inside = builder("and", builder("ge", start, builder.index(0)), builder("lt", start, count))
        builder.emit("check", inside, error="BoundsError", message=message)
        return builder.iop("sub", builder.iop("sub", count, 1), start)

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, slice):
            METHODS["assign_slice"](self, key, value)
            return
        self.change()
        leaves, depth = self._leaves(value), self._depth(key, "list assignment index out of range")
        self._expect_unwritten()
        for cell, x, kind in zip(self.stacks, leaves, self.entry.kinds):
            cell.set(tracing.current().builder.emit("exchange", cell._value, depth, leaf_types.emit(x, kind))[0])
        self.top = None

    def __delitem__(self, key: Any) -> None:
        METHODS["delete_slice" if isinstance(key, slice) else "pop"](self, key)

    def copy(self, memo: Any = None) -> Any:
        return packed_lists.fresh(self.settled())

    __copy__ = __deepcopy__ = copy

    def __iter__(self) -> Any:
        return iter(DynamicListItems(self))

    def __add__(self, other: Any) -> Any:
        return _concatenated(self, self, other)

    def __radd__(self, other: Any) -> Any:
        return _concatenated(self, other, self)

    def __getattr__(self, name: str) -> Any:
        if name in METHODS:
            return functools.partial(METHODS[name], self)
        return _other(name)


class Entries(packed_lists.Fixed):
    """What a pile held when it was read: a list that does not change."""

    __slots__ = ("boxes", "entry")

    def __init__(self, entry: Entry, columns: Any):
        self.entry, self.boxes = entry, columns

    settled = lambda self: self                                                                     # noqa: E731

    def copy(self, memo: Any = None) -> Any:
        return packed_lists.fresh(Entries(self.entry, self.boxes))

    __copy__ = __deepcopy__ = copy

    def packed(self) -> NoReturn:
        _refuse("sum, min or max of a list of arrays or tuples whose length is known only at run time",
                "make it an array: `np.array(x)`")

    def columns(self) -> list[ArrayBox]:
        return self.boxes

    array = DynamicList.array

    def item(self, k: Any) -> Any:
        return copied(self.entry.structure.unflatten([item_of(c, k, kind) for c, kind in zip(self.boxes, self.entry.kinds)]))

    def __bool__(self) -> Any:
        builder = tracing.current().builder
        return ScalarBox(builder("ne", builder.index(self.boxes[0].dims[0]), builder.index(0)), "bool")

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return listed(self.entry, [read_only(boxes.array(c[key].read())) for c in self.boxes])
        return self.item(key)

    def __add__(self, other: Any) -> Any:
        return _concatenated(self, self, other)

    def __radd__(self, other: Any) -> Any:
        return _concatenated(self, other, self)

    def __iter__(self) -> Any:
        return iter(DynamicListItems(self))

    def __getattr__(self, name: str) -> None:
        if hasattr(list, name):
            self.expect_growing()
        _other(name)


def listed(entry: Entry, columns: list[ArrayBox]) -> Any:
    """A list of numbers as any other that is packed, others as `Entries`."""
    if entry.structure is pytrees.LEAF and not entry.kinds[0].dims:
        return packed_lists.PackedList(boxes.array(columns[0].read()), entry.kinds[0])
    return Entries(entry, columns)


def _concatenated(like: Any, *parts: Any) -> Any:
    """A list of the entries of several. like: the first of them that is of such."""
    site = (type(like) is DynamicList and like.site) or packed_lists.place()
    known = tracing.current().lists.get(site)
    entry = Entry(pytrees.LEAF, (like.kind,)) if type(like) is packed_lists.PackedList else like.entry
    made = DynamicList(known if type(known) is Entry else entry, site)
    for part in parts:
        made.extend(part)
    return made


def _other(name: str) -> NoReturn:
    if hasattr(list, name) and not name.startswith("__"):
        _refuse(f"list.{name}, of a list whose length is known only at run time",
                "make it an array when it is complete: `np.array(x)`")
    raise AttributeError(f"'list' object has no attribute '{name}'")


def _refuse(what: str, remedy: str) -> NoReturn:
    raise UnsupportedError(what, remedy, tracing.locate())


def _join(meta: Any, children: Any) -> Any:
    """The list that the caller has, of what its columns hold."""
    (entry,) = meta
    if not isinstance(children[0], np.ndarray):
        return Entries(entry, children)
    columns = [x.tolist() if kind.weak else list(x) for x, kind in zip(children, entry.kinds)]
    return [entry.structure.unflatten(row) for row in zip(*columns)]


class DynamicListItems(iteration.Source):
    """A pile, or what it held, as what a loop runs over."""

    __slots__ = ("held", "origin")

    def __init__(self, held: Any):
        self.held, self.origin = held.settled(), held
        self.trip = self.held.boxes[0].dims[0] if type(self.held) is Entries else self.held.box.dims[0]

    def at(self, k: Any) -> Any:
        at = boxes.count(k) if isinstance(k, int) else ScalarBox(k, "int")
        return self.held.item(at)


calls.OUTGROWN.append(grow)
packed_lists.OUTGROWN.append(grow)
packed_lists.CONCATENATED.append(_concatenated)
packed_lists.MAKERS[Entry] = piled
iteration.SOURCES.update({DynamicList: DynamicListItems, Entries: DynamicListItems})
pytrees.learn(Entries, pytrees.Kind("list", lambda x: (tuple(x.boxes), (x.entry,)), _join, lambda meta, n: [""] * n))
