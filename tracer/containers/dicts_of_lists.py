"""Dicts whose keys only run time knows and whose values are lists: groups of items, neighbours of nodes.

    groups = defaultdict(list)               keys, numbers: {}              a table, with a column of numbers
    for k, v in zip(keys, values):           lists: []                      a list of lists, of which run time chooses one
        groups[k].append(v)                  lists[numbers[k]].append(v)

A list is known by its number, so it must have no other name when it is stored (holders.py); one that is read from the dict and
stored again keeps its number, and is the same list.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import pytrees, tracing
from ..calling import calls, dispatch
from ..control import iteration, packed_lists
from ..regions import leaf_types
from ..values.boxes import ScalarBox
from . import holders
from .lists.list_entries import Entry
from .nested_lists import Inner, NestedList, Row
from .tables import dynamic_dicts
from .tables import table_programs as programs
from .tables.dynamic_dicts import MADE, DynamicDict, TableItems
from .tables.hash_tables import Facts, refuse

_NUMBER = Entry.of(0)


class DictOfLists(DynamicDict):
    """`lists`: the lists of all values, also of those that are no values any more."""

    __slots__ = ("lists",)

    def __init__(self, facts: Facts, site: tuple, default: Any = None, lists: NestedList | None = None):
        super().__init__(facts._replace(value=_NUMBER), site, default)
        known = tracing.current().lists.get((site, "lists"))
        self.lists = NestedList(known.entry if isinstance(known, Inner) else None, (site, "lists")) if lists is None else lists

    # --- what the programs ask ----------------------------------------------------------------------------------------

    def at(self, position: ScalarBox) -> Any:
        return super().at(position) if self.values_ is None else Row(self.lists, self.value_column.read(position.read()))

    def add(self, key: Any, value: Any) -> None:
        super().add(key, self.number_of(value))

    def put(self, position: ScalarBox, value: Any) -> None:
        super().put(position, self.number_of(value))

    def number_of(self, value: Any) -> Any:
        """The number of a list: of one that is new to the dict, the next one."""
        if type(value) is Row and value.held is self.lists:
            return value.row
        if value is list:                                          # what defaultdict makes
            value = []
        if not isinstance(value, (list, packed_lists.ListValue)):
            refuse(f"a {type(value).__name__} is stored in a dict that also holds lists, and of whose keys some are known only "
                   "at run time", "store lists only")
        if isinstance(value, Row) or holders.is_held(value):
            refuse("a list that has a name is stored in a dict, some of whose keys are known only at run time",
                   "store a new one, `d[k] = [*x]`, and reach it as `d[k]`")
        self.lists.add(value)
        return self.lists.length() - 1

    # --- Python's methods ---------------------------------------------------------------------------------------------

    def get(self, key: Any, default: Any = None) -> Any:
        if default is None:
            refuse("get() of a dict of lists whose keys are known only at run time may give None",
                   "ask `if k in d:` first, or write `d.get(k, [])`")
        number = calls.call(programs.number_or, self, key, [] if default == () else default)
        return Row(self.lists, number)

    def copy(self) -> DictOfLists:
        made = DictOfLists(self.facts, packed_lists.place(), self.default, self.lists)
        made.replicate(self)
        return made

    __copy__ = copy

    def __deepcopy__(self, memo: dict) -> DictOfLists:
        return refuse("a deep copy of a dict of lists whose keys are known only at run time",
                      "write `{k: [*v] for k, v in d.items()}`")

    def __eq__(self, other: Any) -> Any:
        return refuse("the comparison of a dict of lists whose keys are known only at run time", "compare the items in a loop")

    __ne__ = __eq__

    def items_listed(self, what: str) -> Any:
        found = super().items_listed(what)
        return found if what == "keys" else Listing(self.lists, found, what == "items")

    def settled(self) -> Any:
        return Returned(super().settled(), self.lists.settled())


class Listing(packed_lists.Settling):
    """list(d.values()) or list(d.items()) of a dict of lists. `numbers`: the list of their numbers, or of (key, number)."""

    __slots__ = ("lists", "numbers", "paired")
    shown = "list"
    __hash__ = None         # type: ignore[assignment]      # how Python says that there is none

    def __init__(self, lists: NestedList, numbers: Any, paired: bool):
        self.lists, self.numbers, self.paired = lists, numbers, paired

    def __getitem__(self, k: Any) -> Any:
        if isinstance(k, slice):
            return Listing(self.lists, self.numbers[k], self.paired)
        found = self.numbers[k]
        return (found[0], Row(self.lists, found[1])) if self.paired else Row(self.lists, found)

    def length(self) -> Any:
        return calls.call(len, self.numbers)

    def __len__(self) -> int:
        return tracing.need_concrete(self.length(), "len()")

    def __iter__(self) -> Any:
        return iter(Items(self))

    def __getattr__(self, name: str) -> Any:
        if hasattr(list, name) and not name.startswith("__"):
            refuse(f"list.{name}, of a list of the values of a dict whose keys are known only at run time", "write a loop")
        raise AttributeError(f"'list' object has no attribute '{name}'")

    def settled(self) -> Any:
        return Returned(packed_lists.settled(self.numbers), self.lists.settled(), self.paired)


class Items(iteration.Source):
    """A listing as what a loop runs over."""

    __slots__ = ("held",)

    def __init__(self, held: Listing):
        self.held, numbers = held, held.numbers
        source: Any = iteration.source_of(numbers) if isinstance(numbers, packed_lists.ListValue) else None
        self.trip = len(numbers) if source is None else source.trip

    def at(self, k: Any) -> Any:
        return self.held[k if isinstance(k, int) else ScalarBox(k, "int")]


def called(f: Any, args: tuple, kwargs: dict) -> Any:
    """A call that has a listing as its first argument."""
    held = args[0] if args else None
    if not isinstance(held, Listing):
        return NotImplemented
    if f is len:
        return held.length()
    if f is list:
        return Listing(held.lists, held.numbers, held.paired)
    key = kwargs.get("key")
    if f is sorted and key is None and held.paired:                # keys are all different: no list is compared
        return Listing(held.lists, calls.call(sorted, held.numbers, **kwargs), True)
    if f is sorted and key is not None:
        order = calls.call(programs.order_by, held, key, kwargs.get("reverse", False))
        return Listing(held.lists, calls.call(programs.in_order, held.numbers, order), held.paired)
    if f in (min, max) and key is not None:
        empty = f"{f.__name__}() iterable argument is empty"
        return held[calls.call(programs.greatest_at, held, key, 1 if f is max else -1, empty)]
    return NotImplemented


# --- for the caller, and across regions -------------------------------------------------------------------------------

class Returned:
    """A dict of lists for the caller: `table`, a dict of numbers, and `rows`, the lists; or a listing of one: `table` is the
    list of numbers, `paired` whether of (key, number)."""

    __slots__ = ("paired", "rows", "table")

    def __init__(self, table: Any, rows: Any, paired: bool = False):
        self.table, self.rows, self.paired = table, rows, paired


def _join(paired: bool, children: Sequence) -> Any:
    table, rows = children
    if isinstance(table, list) and isinstance(rows, list):
        return [(key, rows[number]) for key, number in table] if paired else [rows[number] for number in table]
    if not isinstance(table, dict) or not isinstance(rows, list):
        return Returned(table, rows, paired)
    for key, number in table.items():
        table[key] = rows[number]
    return table


class _One:
    """A list of lists, as part of the structure of its rows: itself."""

    __slots__ = ("held",)

    def __init__(self, held: NestedList):
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _One) and self.held is other.held

    def __hash__(self) -> int:
        return id(self.held)


def _made(facts: Facts, site: tuple, default: Any = None) -> DynamicDict:
    return (DictOfLists if facts.lists else DynamicDict)(facts, site, default)


MADE[False] = _made
leaf_types.PLAIN[Row] = pytrees.Kind("list", lambda x: ((x.row,), _One(x.held)), lambda meta, parts: Row(meta.held, parts[0]),
                                     lambda meta, n: [""])
pytrees.learn(Returned, pytrees.Kind("dict", lambda x: ((x.table, x.rows), x.paired), _join, lambda meta, n: [""] * n))
calls.STAND_INS.add(Listing)
calls.SPREAD[Listing] = called
iteration.SOURCES.update({DictOfLists: TableItems, Listing: Items})
iteration.DRIVEN[DictOfLists] = dynamic_dicts.run
dispatch.SUBSCRIPTS[DictOfLists] = DictOfLists.__getitem__
