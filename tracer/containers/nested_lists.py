"""Lists of lists in which run time chooses the inner list that grows: neighbours of nodes, buckets.

    adj = [[] for _ in range(n)]             starts, counts, rooms: [0, 0, …];  pool: []
    adj[u].append(v)                         pool[starts[u] + counts[u]] = v;  counts[u] += 1

The entries of all inner lists lie in one pile, the pool (dynamic_lists.py). An inner list has a run of it with some room; one
that needs more moves to the end of the pool, into twice the room (list_programs.py). So appending costs the same on average
however long a list is, and the pool has at most four places for each entry.

An inner list is known by its number, so it must not have another name: only lists that are written inside of the outer one
(`[[], []]`, `[[] for …]`) become such ones. Where one is exchanged for another (`rows[i], rows[j] = rows[j], rows[i]`) or put
in once more, the outer list has a pile of their numbers, in its order; else a list's number is its position.
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from ...ir.build import const
from ...ir.errors import UnsupportedError
from ...ir.types import I64
from .. import pytrees, tracing
from ..calling import calls
from ..control import iteration, loops, packed_lists
from ..values import boxes, shapes
from ..values.boxes import ScalarBox
from . import holders, list_functions, list_sort, live_lists
from .lists import list_programs
from .lists.dynamic_lists import METHODS, DynamicList
from .lists.list_entries import Entry
from .tables import hash_tables

if TYPE_CHECKING:
    from ..tracing import Trace

_COUNT = Entry.of(0)


class Inner(NamedTuple):
    """What is known of a place that makes such lists: the entries of the inner ones, None where none has been seen yet; whether
    the outer one has their numbers, as they are moved."""

    entry: Entry | None
    moved: bool = False


# --- becoming one -----------------------------------------------------------------------------------------------------

def outgrow(trace: Trace, held: Any) -> None:
    """Told that a list of lists is indexed at a position of run time: trace again with it a NestedList, if it can be."""
    born = trace.born_at.get(id(held))
    if born is None or born[0] is not held or trace.lists.get(born[1]) or len({id(x) for x in held}) < len(held):
        return
    parts: list = []
    for x in held:
        site: Any = x.site if isinstance(x, (DynamicList, packed_lists.PackedList)) else trace.born_at.get(id(x), (0, ()))[1]
        if not isinstance(x, (list, packed_lists.ListValue)) or not packed_lists.written_within(site, born[1]):
            return
        parts += map(Entry.of, x) if type(x) is list else [x.entry if isinstance(x, DynamicList) else Entry.of(0.0)]
    if None not in parts:
        raise tracing.Restart(lists={born[1]: Inner(functools.reduce(_join, parts) if parts else None)})


def _join(a: Entry | None, b: Entry | None) -> Entry | None:
    return a and a.join(b)


def nested(trace: Trace, held: list, inner: Inner, site: tuple[int, ...]) -> NestedList:
    """A list that has just been made, as a nested one."""
    made = NestedList(inner.entry, site, inner.moved)
    for x in held:
        made.add(x)
    return made


def collected(trace: Trace, element: Callable, source: iteration.Source, site: tuple[int, ...], inner: Inner) -> NestedList:
    """[element(item) for item in source]"""
    made = NestedList(inner.entry, site, inner.moved)
    loops.for_(source, lambda item: made.add(element(item)), None, None, (), None, site=(site, "nested"))
    return made


class Column(hash_tables.Column):
    """Numbers of the inner lists, or the entries of all of them. Positions are not checked."""

    __slots__ = ()

    def widen(self, joined: Entry | None) -> NoReturn:
        if joined is None:
            _refuse("an entry unlike the others of a list of lists: all must have one structure", "give them one shape")
        _again(self.site, joined)

    def __getitem__(self, key: Any) -> Any:
        return self.read(tracing.current().builder.index(shapes.to_index(key)))

    def __setitem__(self, key: Any, value: Any) -> None:
        self.write(tracing.current().builder.index(shapes.to_index(key)), value)


def _again(site: tuple, entry: Entry | None, moved: bool = False) -> NoReturn:
    """Trace again with lists of other entries at this place, or with ones that are moved."""
    known = tracing.current().lists.get(site)
    raise tracing.Restart(lists={site: Inner(entry, moved or (isinstance(known, Inner) and known.moved))})


def _place(key: Any, count: Any, message: str) -> ScalarBox:
    """A position counted from either end, checked against the length."""
    builder = tracing.current().builder
    position, n, zero = builder.index(shapes.to_index(key)), builder.index(shapes.to_index(count)), builder.index(0)
    start = builder("select", builder("lt", position, zero), builder.iop("add", position, n), position)
    inside = builder("and", builder("ge", start, zero), builder("lt", start, n))
    builder.emit("check", inside, error="BoundsError", message=message)
    return ScalarBox(start, "int")


class _Changed(packed_lists.ListValue):
    """What outer and inner lists have in common."""

    __slots__ = ()
    __hash__ = None        # type: ignore[assignment]

    if TYPE_CHECKING:
        def length(self) -> ScalarBox: ...

    def __len__(self) -> int:
        return tracing.need_concrete(self.length(), "len()")

    def __bool__(self) -> Any:
        return self.length() != 0

    def __iter__(self) -> Any:
        return iter(Items(self))

    def __iadd__(self, items: Any) -> Any:
        self.extend(items)
        return self

    def extend(self, items: Any) -> None:
        self._other("extend")

    def _refused(self, *_: Any) -> Any:
        _refuse("this operation on a list of lists of which run time chooses one", "write it as a loop over the items")

    __str__ = __repr__ = __format__ = __lt__ = __le__ = __gt__ = __ge__ = _refused
    __mul__ = __rmul__ = __delitem__ = __deepcopy__ = _refused

    def _other(self, name: str) -> NoReturn:
        if hasattr(list, name) and not name.startswith("__"):
            _refuse(f"list.{name}, of a list of lists of which run time chooses one", "write it as a loop over the items")
        raise AttributeError(f"'list' object has no attribute '{name}'")


def _refuse(what: str, remedy: str) -> NoReturn:
    raise UnsupportedError(what, remedy, tracing.locate())


class NestedList(_Changed):
    """The outer list. Of the list with a number: where it begins in the pool, how many entries it has, how many places.
    `order`: the numbers of its items; None where they are 0, 1, 2, …"""

    __slots__ = ("counts", "entry", "order", "pool", "rooms", "site", "starts")

    def __init__(self, entry: Entry | None, site: tuple, moved: bool = False):
        assert _COUNT is not None
        self.entry, self.site = entry, site
        self.order = Column(_COUNT, site, "count") if moved else None
        self.starts, self.counts, self.rooms = (Column(_COUNT, site, "count") for _ in range(3))
        self.pool = None if entry is None else Column(entry, site, "entry")

    @property
    def positions(self) -> Column:
        """A column with an entry for each item."""
        return self.counts if self.order is None else self.order

    def length(self) -> ScalarBox:
        return self.positions.length()

    def append(self, items: Any) -> None:
        if type(items) is Row and items.held is self:
            self.numbers().append(items.row)
            return
        site = getattr(items, "site", None) or tracing.current().born_at.get(id(items), (0, ()))[1]
        if isinstance(items, list) and not packed_lists.written_within(site, packed_lists.place()):
            _refuse("a list that has a name, or may have one, is put into a list of lists of which run time chooses one",
                    "put a new list into it, `x.append([…])`, and reach it as `x[-1]`")
        self.add(items)

    def numbers(self) -> Column:
        """The pile of numbers, which a list needs whose items are moved."""
        return _again(self.site, self.entry, moved=True) if self.order is None else self.order

    def add(self, items: Any) -> None:
        """Append a list that nobody else has."""
        if self.order is not None:
            self.order.append(self.counts.length())
        self.enter(items)

    def enter(self, items: Any) -> None:
        """Give a list that nobody else has the next number."""
        if self.pool is not None and type(items) is list and items:
            self.starts.append(self.pool.length())
            for x in items:
                self.pool.append(x)
            self.counts.append(len(items))
            self.rooms.append(len(items))
            return
        for column in (self.starts, self.counts, self.rooms):
            column.append(0)
        if not isinstance(items, (list, packed_lists.ListValue)):
            _refuse(f"a {type(items).__name__} is put into a list of lists", "put lists into it")
        if items if type(items) is list else True:
            Row(self, self.counts.length() - 1).extend(items)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            _refuse("a slice of a list of lists of which run time chooses one", "write a loop over the positions")
        place = _place(key, self.length(), "list index out of range")
        return Row(self, place if self.order is None else self.order[place], key)

    def __setitem__(self, key: Any, value: Any) -> None:
        own = type(value) is Row and value.held is self
        if own and self.order is None and value.key is key:
            return                                          # adj[u] += … puts the list back where it has been
        if not own and (not isinstance(value, (list, packed_lists.ListValue)) or type(value) is Row or holders.is_held(value)):
            _refuse("a list that has a name, or may have one, is put into a list of lists of which run time chooses one",
                    "put a copy into it: `x[k] = list(…)`")
        numbers = self.numbers()
        place = _place(key, self.length(), "list assignment index out of range")
        if own:
            numbers[place] = value.row
            return
        numbers[place] = self.counts.length()
        self.enter(value)

    def settled(self, numbered: bool = False) -> Any:
        columns = [] if self.pool is None else self.pool.columns()
        order = [] if self.order is None else [self.order.array()]
        return Returned(self.entry, [*columns, self.starts.array(), self.counts.array(), *order], bool(order), numbered)

    def contents(self) -> Any:
        """For the list that this one stands for: with the numbers of its items."""
        return self.settled(self.order is not None)

    def array(self) -> Any:
        return self._refused()

    packed = copy = __copy__ = array

    def __getattr__(self, name: str) -> Any:
        return self._other(name)


class Row(_Changed):
    """An inner list, by its number. `key`: by which it was asked for."""

    __slots__ = ("held", "key", "row")

    def __init__(self, held: NestedList, row: Any, key: Any = None):
        self.held, self.row, self.key = held, row, key

    def _call(self, program: Callable, *args: Any) -> Any:
        return calls.call(program, self.held, self.row, *args)

    def length(self) -> ScalarBox:
        return self.held.counts[self.row]

    def same(self, other: Any) -> Any:
        return type(other) is Row and other.held is self.held and other.row == self.row

    def append(self, item: Any) -> None:
        if self.held.pool is None:
            found = Entry.of(item)
            if found is None:
                _refuse(f"a {type(item).__name__} in a list of lists of which run time chooses one",
                        "store numbers, arrays of a known shape, or tuples of them")
            _again(self.held.site, found)
        self._call(list_programs.push_row, item)

    def extend(self, items: Any) -> None:
        calls.call(list_programs.extend, self, items)

    def pop(self, *position: Any) -> Any:
        if position and not (type(position[0]) is int and position[0] == -1):
            return METHODS["pop"](self, *position)
        return self._call(list_programs.pop_row)

    def clear(self) -> None:
        self.held.counts[self.row] = 0

    def sort(self, **how: Any) -> None:
        calls.call(list_programs.put_back, self, calls.call(sorted, self.settled(), **how))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return self.settled()[key]
        return self._pool()[self._at(key, "list index out of range")]

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(key, slice):
            _refuse("a slice of a list whose length is known only at run time is assigned", "use an array")
        self._pool()[self._at(key, "list assignment index out of range")] = value

    def _at(self, key: Any, message: str) -> ScalarBox:
        """The position of an entry in the pool."""
        inside = _place(key, self.length(), message)
        return self.held.starts[self.row] + inside

    def _pool(self) -> Column:
        """The pool; of lists that never have had an entry, one of no meaning, behind a check that has failed."""
        return self.held.counts if self.held.pool is None else self.held.pool

    def settled(self) -> Any:
        """As it is now: a list that does not change with this one."""
        found = [] if self.held.pool is None else calls.call(list_programs.items_of, self)
        return found.settled() if isinstance(found, packed_lists.Settling) else found

    copy = __copy__ = settled

    def array(self) -> Any:
        return self.settled().array()

    def packed(self) -> Any:
        return self.settled().packed()

    def __add__(self, other: Any) -> Any:
        return calls.call(list_programs.joined, self, other)

    def __radd__(self, other: Any) -> Any:
        return calls.call(list_programs.joined, other, self)

    def __getattr__(self, name: str) -> Any:
        return functools.partial(METHODS[name], self) if name in METHODS else self._other(name)


# --- use --------------------------------------------------------------------------------------------------------------

class Items(iteration.Source):
    """The items of an outer or an inner list, read when their turn comes."""

    __slots__ = ("held", "origin")

    def __init__(self, held: Any):
        self.held = self.origin = held
        start = tracing.current().builder.index(shapes.to_index(held.length()))
        known = tracing.constant(start)
        self.trip = start if known is None else int(known)

    def at(self, k: Any) -> Any:
        position = boxes.count(k) if isinstance(k, int) else ScalarBox(k, "int")
        return self.held[position]


def _of_row(f: Any, args: tuple, kwargs: dict) -> Any:
    """A function that takes the items of an inner list."""
    if f in calls.OF_LISTS and f is not len and f not in list_functions.CHANGING and type(args[0]) is Row:
        return calls.call(f, args[0].settled(), *args[1:], **kwargs)
    return NotImplemented


class Returned:
    """Lists of lists for the caller. `columns`: those of the pool, where each list starts, how many entries it has, and where
    they have been moved the numbers of the items; `numbered`: whether these are told."""

    __slots__ = ("columns", "entry", "moved", "numbered")
    shown = "list"

    def __init__(self, entry: Entry | None, columns: list, moved: bool = False, numbered: bool = False):
        self.entry, self.columns, self.moved, self.numbered = entry, columns, moved, numbered

    def settled(self) -> Returned:
        return self


class Numbered(list):
    """Lists with their numbers among all that there have been: the first ones are those that the outer list held at first."""

    def __init__(self, items: list, numbers: list[int]):
        super().__init__(items)
        self.numbers = numbers


def _split(x: Returned) -> tuple:
    """With a one, which is none in what is no value: a tangent, or the values of a batch."""
    return (ScalarBox(const(1, I64)), *x.columns), (x.entry, x.moved, x.numbered)


def _join_columns(meta: tuple, children: Sequence) -> Any:
    (entry, moved, numbered), (one, *columns) = meta, children
    if not isinstance(one, (int, float, np.generic, np.ndarray)):
        return Returned(entry, list(columns), moved, numbered)
    if np.ndim(one) or one != 1 or not isinstance(one, (int, np.integer)):
        raise UnsupportedError("lists of lists whose lengths are known only at run time are returned by a function of which a "
                               "derivative or a batch is taken", "return arrays")
    order = columns.pop().tolist() if moved else []
    *pool, starts, counts = columns
    listed = [x.tolist() if kind.weak else list(x) for x, kind in zip(pool, entry.kinds if entry else ())]
    rows = [entry.structure.unflatten(list(row)) for row in zip(*listed)] if entry else []
    made = [rows[start:start + count] for start, count in zip(starts.tolist(), counts.tolist())]
    if numbered:
        return Numbered([made[number] for number in order], order)
    return [made[number] for number in order] if moved else made


def _appended(trace: Trace, held: Any, name: str, args: tuple) -> None:
    """Told of a change of length that only run time decides: a list that is put into a list of lists."""
    if name != "append" or type(held) is not list:
        return
    first = type(args[0]) is list and not args[0]
    if (held or first) and all(isinstance(x, (list, packed_lists.ListValue)) for x in (*held, args[0])):
        outgrow(trace, held)


calls.OUTGROWN.insert(0, _appended)
list_sort.NESTED.append(outgrow)
packed_lists.MAKERS[Inner] = nested
packed_lists.COLLECTED[Inner] = collected
calls.STAND_INS.update([NestedList, Row])
calls.SPREAD[Row] = _of_row
iteration.SOURCES.update({NestedList: Items, Row: Items})
live_lists.WATCHED.update({NestedList: lambda held: held.positions, Row: lambda held: held.held.counts})
iteration.DRIVEN.update({NestedList: live_lists.run, Row: live_lists.run})
pytrees.learn(Returned, pytrees.Kind("list", _split, _join_columns, lambda meta, n: [""] * n))
