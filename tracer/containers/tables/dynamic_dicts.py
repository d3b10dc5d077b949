"""Dicts whose keys only run time knows: tables of keys with a column of values (hash_tables.py), and their views.

The order is Python's: that of entering. A view is of the dict as it is when it is used; what a loop runs over must not change
in size. A dict that is returned becomes Python's own when the call ends.
"""
from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from ....ir.build import const
from ....ir.errors import UnsupportedError
from ....ir.types import I64, INDEX
from ... import pytrees, tracing
from ...calling import calls, dispatch
from ...control import branches, iteration, loops, packed_lists
from ...regions import leaf_types
from ...syntax import source
from ...values import boxes
from ...values.boxes import Box, ScalarBox
from ..lists.dynamic_lists import Entries
from ..lists.list_entries import Entry
from . import table_programs as programs
from .hash_tables import FORMS, SETS, Column, Facts, HashTable, merged, no_text, refuse

source.OPENED.update(f.__code__ for f in vars(programs).values() if getattr(f, "__module__", "") == programs.__name__)


class DynamicDict(HashTable):
    """`values_`: the column of values, None while nothing has been stored; `default`: what defaultdict and Counter give."""

    __slots__ = ("default", "values_")

    def __init__(self, facts: Facts, site: tuple, default: Any = None):
        super().__init__(facts, site)
        self.default = default
        self.values_ = None if facts.value is None else Column(facts.value, site, "value")

    shown = "dict"
    stands_for = property(lambda self: self.facts.cls)

    @property
    def value_column(self) -> Column:
        """The column of values, where one has been stored."""
        assert self.values_ is not None
        return self.values_

    # --- what the programs ask ----------------------------------------------------------------------------------------

    def said(self, key: Any) -> Any:
        return key if type(key) is not tuple else calls.call(str, key)

    def at(self, position: ScalarBox) -> Any:
        if self.values_ is None:                           # nothing has been stored: there is no such position
            return calls.call(programs.never)
        return self.values_.read(position.read())

    def key_at(self, position: ScalarBox) -> Any:
        return self.key_column.read(position.read())

    def add(self, key: Any, value: Any) -> None:
        self._typed(value)
        self.key_column.append(key)
        self.value_column.append(value)
        self.counted()

    def put(self, position: ScalarBox, value: Any) -> None:
        self._typed(value)
        self.value_column.write(position.read(), value)

    def _typed(self, value: Any) -> None:
        """Trace again where this is the first value."""
        if self.values_ is None:
            if isinstance(value, (list, packed_lists.ListValue)) or value is list:
                raise tracing.Restart(lists={self.site: self.facts._replace(lists=True)})
            found = Entry.of(value)
            if found is None:
                unfit(self, value)
            raise tracing.Restart(lists={self.site: self.facts._replace(value=found)})

    def last_key(self) -> Any:
        return self.key_column.last()

    def drop(self) -> None:
        """Forget the last entry, whose key has been removed."""
        self.key_column.pop()
        if self.values_ is not None:
            self.values_.pop()

    def columns_(self) -> list[Column]:
        return [x for x in (self.keys_, self.values_) if x is not None]

    def items_listed(self, what: str) -> Any:
        """The keys, the values or the items as a list."""
        if what != "items" and (what == "keys" or self.values_ is not None):
            return self.listed(self.keys_ if what == "keys" else self.values_)
        if self.values_ is None:
            return []
        keys, values = self.listed(self.keys_), self.listed(self.values_)
        parts = self.facts.of_keys, self.facts.of_values
        pair = pytrees.TreeDef(pytrees.TUPLE, pytrees.flatten((0, 0))[1].meta, tuple(part.structure for part in parts))
        entry = Entry(pair, (*parts[0].kinds, *parts[1].kinds))
        return Entries(entry, [*columns_of(keys), *columns_of(values)])

    # --- Python's methods ---------------------------------------------------------------------------------------------

    def __getitem__(self, key: Any) -> Any:
        if self.default is None:
            return calls.call(programs.item, self, key)
        if self.facts.cls is collections.Counter:
            return calls.call(programs.get, self, key, 0)
        return calls.call(programs.setdefault, self, key, self.default)

    def __setitem__(self, key: Any, value: Any) -> None:
        calls.call(programs.store, self, key, value)

    def __delitem__(self, key: Any) -> None:
        calls.call(programs.discard if self.facts.cls is collections.Counter else programs.delete, self, key)

    def __tracegrad_contains__(self, key: Any) -> Box:
        return self.find(key) >= 0

    def get(self, key: Any, default: Any = None) -> Any:
        if self.values_ is None:
            self.find(key)
            return default
        value, other = self.facts.of_values, leaf_types.kind_of(default)
        plain = value.structure is pytrees.LEAF and value.kinds[0].form == "scalar"
        if not plain or other is None or leaf_types.join(value.kinds[0], other) != value.kinds[0]:
            return calls.call(programs.get, self, key, default)
        return self._chosen(self.find(key), default)

    def _chosen(self, position: ScalarBox, default: Any) -> ScalarBox:
        """The value at a position, or where that is -1 the default: without a branch. The last entry is read instead."""
        builder, kind = tracing.current().builder, self.facts.of_values.kinds[0]
        there = builder("ge", position.read(), builder.index(0))
        last = builder.iop("sub", self.value_column.total._value, 1)
        found = self.value_column.read(builder("select", there, position.read(), last))
        return ScalarBox(builder("select", there, found.read(), leaf_types.emit(default, kind)), kind.weak)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        return calls.call(programs.setdefault, self, key, default)

    def pop(self, key: Any, *default: Any) -> Any:
        return calls.call(programs.pop, self, key, *default)

    def popitem(self, last: bool = True) -> Any:
        if not last:
            refuse("popitem(last=False) of a dict whose keys are known only at run time", "use a deque beside a dict")
        self.expect_thinned()
        return calls.call(programs.popitem, self)

    def clear(self) -> None:
        self.empty()

    def keys(self) -> View:
        return View(self, "keys")

    def values(self) -> View:
        return View(self, "values")

    def items(self) -> View:
        return View(self, "items")

    def copy(self) -> DynamicDict:
        made = like(self, packed_lists.place())
        made.replicate(self)
        return made

    __copy__ = copy

    def __deepcopy__(self, memo: dict) -> DynamicDict:
        return self.copy()

    def update(self, *others: Any, **named: Any) -> None:
        if named:
            refuse("strings are keys of a dict, some of whose keys are known only at run time", "use numbers as keys")
        for other in others:
            self._add_items(other)

    def _add_items(self, other: Any) -> None:
        if self.facts.cls is collections.Counter:
            paired = isinstance(other, (dict, DynamicDict))
            calls.call(programs.add_counts if paired else programs.count, self, other.items() if paired else other)
        else:
            calls.call(programs.update, self, other.items() if isinstance(other, (dict, DynamicDict)) else other)

    def __ior__(self, other: Any) -> DynamicDict:
        self.update(other)
        return self

    def __or__(self, other: Any) -> DynamicDict:
        if not isinstance(other, (dict, DynamicDict)):
            return NotImplemented
        made = self.copy()
        made.update(other)
        return made

    def __ror__(self, other: Any) -> DynamicDict:
        made = like(self, packed_lists.place())
        made.update(other)
        made.update(self)
        return made

    def total(self) -> Any:
        return calls.call(programs.total, self)

    def __eq__(self, other: Any) -> Any:
        other = lifted(other, self) if type(other) in FORMS and not issubclass(type(other), SETS) else other
        return calls.call(programs.same_items, self, other) if isinstance(other, DynamicDict) else False

    def __ne__(self, other: Any) -> Any:
        return branches.not_(self == other)

    def __bool__(self) -> Any:
        return self.length() != 0

    def __iter__(self) -> Any:
        return iter(self.listed(self.keys_))

    def __getattr__(self, name: str) -> Any:
        if name == "most_common" and self.facts.cls is collections.Counter:
            return lambda n=None: calls.call(programs.most_common, self, n)
        if name == "elements" and self.facts.cls is collections.Counter:
            return lambda: calls.call(programs.elements, self)
        if hasattr(self.facts.cls, name) and not name.startswith("__"):
            refuse(f"{self.stands_for.__name__}.{name}, of a dict whose keys are known only at run time",
                   "write a loop over `d.items()`")
        raise AttributeError(f"'{self.stands_for.__name__}' object has no attribute '{name}'")

    def settled(self) -> Any:
        """As it is now, for the caller: Python's own dict."""
        return Returned(self.facts, [x for column in self.columns_() for x in columns_of(self.listed(column))])


def unfit(held: DynamicDict, value: Any) -> NoReturn:
    """A value that a column cannot hold: perhaps the keys can be known when the function is compiled."""
    lists = tracing.current().lists
    if lists.get(held.site) is held.facts and isinstance(held.site[0], int):
        raise tracing.Restart(lists={held.site: packed_lists.NEVER})
    refuse(f"a {type(value).__name__} is stored in a dict, some of whose keys are known only at run time",
           "store numbers, arrays of a known shape, or tuples of them")


class Returned:
    """A dict or set for the caller. `columns`: of its keys and values."""

    __slots__ = ("columns", "facts")

    def __init__(self, facts: Facts, columns: list):
        self.facts, self.columns = facts, columns


def _split(x: Returned) -> tuple:
    """With a one, which is none in what is no value: a tangent, or the values of a batch."""
    return (ScalarBox(const(1, I64)), *x.columns), (x.facts,)


def _join(meta: tuple, children: Sequence) -> Any:
    (facts,), (one, *columns) = meta, children
    if not isinstance(one, (int, float, np.generic, np.ndarray)):
        return Returned(facts, list(columns))
    if np.ndim(one) or one != 1 or not isinstance(one, (int, np.integer)):
        raise UnsupportedError("a dict or set whose keys are known only at run time is returned by a function of which a "
                               "derivative or a batch is taken", "return arrays: np.array(list(d)), np.array(list(d.values()))")
    n = 0 if facts.key is None else len(facts.key.kinds)
    keys = _rows(facts.key, columns[:n])
    if facts.cls in SETS:
        return facts.cls(keys)
    found = dict(zip(keys, _rows(facts.value, columns[n:])))
    return collections.defaultdict(facts.factory, found) if facts.cls is collections.defaultdict else facts.cls(found)


def _rows(entry: Entry | None, columns: Sequence[np.ndarray]) -> list:
    """The entries that lie in columns."""
    if entry is None:
        return []
    listed = [x.tolist() if kind.weak else list(x) for x, kind in zip(columns, entry.kinds)]
    return [entry.structure.unflatten(list(row)) for row in zip(*listed)]


def columns_of(held: Any) -> list:
    return [] if type(held) is list else list(held.boxes) if isinstance(held, Entries) else [held.box]


def like(held: Any, site: tuple) -> Any:
    """An empty dict or set of the kind of another one."""
    facts = merged(held.facts, tracing.current().lists.get(site))
    return type(held)(facts, site, *((held.default,) if isinstance(held, DynamicDict) else ()))


MADE: dict = {False: DynamicDict}             # whether a set is asked for -> the class (dynamic_sets.py)


def lifted(held: Any, other: HashTable) -> Any:
    """A dict or set of Python as a table that can be compared with another one."""
    site = other.site, "lifted"
    facts = merged(other.facts._replace(cls=type(held), thinned=False), tracing.current().lists.get(site))
    made = MADE[type(held) in SETS](facts, site, None)
    fill(made, held)
    return made


def fill(made: Any, held: Any) -> None:
    """Enter what a dict or set of Python holds into an empty one: its keys all differ."""
    for key in held:
        made.enter(key)
        if isinstance(held, dict):
            made.add(key, held[key])
        else:
            made.add_key(key)


# --- what loops run over ----------------------------------------------------------------------------------------------

class View:
    """d.keys(), d.values() or d.items()."""

    __slots__ = ("held", "what")
    __hash__ = None         # type: ignore[assignment]      # how Python says that there is none

    def __init__(self, held: DynamicDict, what: str):
        self.held, self.what = held, what

    shown = "view of a dict"
    __repr__ = __str__ = __format__ = no_text

    def length(self) -> ScalarBox:
        return self.held.length()

    def __tracegrad_contains__(self, x: Any) -> Any:
        if self.what == "keys":
            return self.held.find(x) >= 0
        return branches.in_(x, self.listed()) if self.what == "values" else self.held.get(x[0]) == x[1]

    def listed(self) -> Any:
        """A list of them, which does not change with the dict."""
        return listed(self)

    def __bool__(self) -> Any:
        return self.length() != 0

    def __iter__(self) -> Any:
        return iter(self.listed())


def listed(held: Any) -> Any:
    """The items of a table or a view as a list."""
    return held.held.items_listed(held.what) if isinstance(held, View) else held.items_listed("keys")


class TableItems(iteration.Source):
    """A table or a view as what a loop runs over. `rows`: the keys, None where there have been none; `keyed`: whether the loop
    wants them; `valued`: the dict whose values it wants, which are read when their turn comes, so they may change."""

    __slots__ = ("keyed", "order", "rows", "start", "table", "valued")

    def __init__(self, held: HashTable | View):
        table, what = (held.held, held.what) if isinstance(held, View) else (held, "keys")
        self.table: HashTable = table
        self.start = table.used_._value
        known = tracing.constant(self.start)
        self.trip = self.start if known is None else int(known)
        self.order = table.order()
        self.keyed = what != "values"
        keys = table.keys_ if self.keyed else None
        self.rows = None if keys is None else Entries(keys.entry, keys.columns())
        self.valued = held.held if isinstance(held, View) and what != "keys" else None

    def at(self, k: Any) -> Any:
        self.expect_unchanged()
        builder = tracing.current().builder
        found = builder.index(k) if self.order is None else builder.index(self.order[boxes.count(k)].read())
        position = ScalarBox(builder.cast(found, INDEX), "int")
        parts = [0 if self.rows is None else self.rows.item(position)] if self.keyed else []
        if self.valued is not None:
            parts.append(0 if self.valued.values_ is None else self.valued.at(position))
        return parts[0] if len(parts) == 1 else tuple(parts)

    def expect_unchanged(self, unless: Any = False) -> None:
        """An iteration begins, or the loop comes to its end and not to an exit."""
        builder = tracing.current().builder
        same = builder("eq", self.table.used_._value, self.start)
        flag = branches.truth(unless)
        if flag is True:
            return
        what = "Set" if self.table.facts.cls in SETS else "dictionary"
        builder.emit("check", same if flag is False else builder("or", same, flag), error="RuntimeError",
                     message=f"{what} changed size during iteration")


def run(held: Any, body: Callable, get: Any, put: Any, names: tuple, stop: Any) -> None:
    """A `for` statement over a table: it asks once more for a next item at its end."""
    items = TableItems(held)
    loops.for_(items, body, get, put, names, stop, site=id(body.__code__))
    items.expect_unchanged(False if stop is None else branches.boxed(loops.stopped(stop)))


iteration.SOURCES.update({DynamicDict: TableItems, View: TableItems})
iteration.DRIVEN.update({DynamicDict: run, View: run})
dispatch.SUBSCRIPTS[DynamicDict] = DynamicDict.__getitem__
pytrees.learn(Returned, pytrees.Kind("dict", _split, _join, lambda meta, n: [""] * n))
