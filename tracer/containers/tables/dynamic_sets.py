"""Sets whose members only run time knows: tables without values (hash_tables.py), laid out and iterated as Python's."""
from __future__ import annotations

from typing import Any, NoReturn

from ...calling import calls
from ...control import branches, iteration, packed_lists
from ...values.boxes import Box, ScalarBox
from . import table_programs as programs
from .dynamic_dicts import MADE, Returned, TableItems, View, columns_of, lifted, like, listed, run
from .hash_tables import SETS, Facts, HashTable


class DynamicSet(HashTable):
    __slots__ = ()

    def __init__(self, facts: Facts, site: tuple, default: Any = None):
        super().__init__(facts, site)

    stands_for = property(lambda self: self.facts.cls)
    shown = "set"

    # --- what the programs ask ----------------------------------------------------------------------------------------

    def said(self, key: Any) -> Any:
        return key if type(key) is not tuple else calls.call(str, key)

    def add_key(self, key: Any) -> None:
        self.key_column.append(key)
        self.counted()

    def key_at(self, position: ScalarBox) -> Any:
        return 0 if self.keys_ is None else self.keys_.read(position.read())

    def __tracegrad_contains__(self, key: Any) -> Box:
        return self.find(key) >= 0

    # --- Python's methods ---------------------------------------------------------------------------------------------

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise TypeError(f"'{self.stands_for.__name__}' object does not support item assignment")

    def add(self, key: Any) -> None:
        calls.call(programs.add, self, key)

    def discard(self, key: Any) -> None:
        calls.call(programs.discard, self, key)

    def remove(self, key: Any) -> Any:
        return calls.call(programs.remove, self, key)

    def pop(self) -> Any:
        return calls.call(programs.pop_any, self)

    def clear(self) -> None:
        self.empty()

    def copy(self) -> DynamicSet:
        made = like(self, packed_lists.place())
        made.replicate(self)
        return made

    __copy__ = copy

    def __deepcopy__(self, memo: dict) -> DynamicSet:
        return self.copy()

    def update(self, *others: Any) -> None:
        for other in others:
            items = _as_set(other, self)
            calls.call(programs.merge if isinstance(items, DynamicSet) else programs.add_all, self, items)

    def union(self, *others: Any) -> DynamicSet:
        made = self.copy()
        made.update(*others)
        return made

    def intersection(self, *others: Any) -> DynamicSet:
        made = self if others else self.copy()
        for k, other in enumerate(others):
            held, items = made, _as_set(other, self)
            made = like(self, (packed_lists.place(), k))
            if isinstance(items, DynamicSet):
                calls.call(programs.add_common, made, held, items)
            else:
                calls.call(programs.add_common_to, made, items, held)
        return made

    def difference(self, *others: Any) -> DynamicSet:
        if len(others) != 1:
            made = self.copy()
            made.difference_update(*others)
            return made
        items, made = _as_set(others[0], self), like(self, packed_lists.place())
        if isinstance(items, DynamicSet):
            calls.call(programs.add_rest, made, self, items)
        else:
            made.replicate(self)
            calls.call(programs.discard_all, made, items)
        return made

    def symmetric_difference(self, other: Any) -> DynamicSet:
        items = _as_set(other, self)
        made = like(self, packed_lists.place())
        calls.call(programs.merge if isinstance(items, DynamicSet) else programs.add_all, made, items)
        calls.call(programs.exchange_all, made, self)
        return made

    def difference_update(self, *others: Any) -> None:
        for other in others:
            calls.call(programs.discard_all, self, _as_set(other, self))

    def intersection_update(self, *others: Any) -> None:
        self._become(self.intersection(*others))

    def symmetric_difference_update(self, other: Any) -> None:
        items = _as_set(other, self)
        if not isinstance(items, DynamicSet):
            made = like(self, (packed_lists.place(), "once"))
            calls.call(programs.add_all, made, items)
            items = made
        calls.call(programs.exchange_all, self, items)

    def _become(self, other: DynamicSet) -> None:
        """Take over the table of another set, which is used no more."""
        packed_lists.expect_own(self)
        self.replicate(other)
        self.cell.set(other.cell._value)

    def issubset(self, other: Any) -> Any:
        held = _in_a_set(other, self)
        return branches.and_(self.length() <= held.length(), lambda: calls.call(programs.contains_all, held, self))

    def issuperset(self, other: Any) -> Any:
        return calls.call(programs.contains_all, self, _as_set(other, self))

    def isdisjoint(self, other: Any) -> Any:
        return calls.call(programs.contains_none, self, _as_set(other, self))

    # --- operators, which take sets only ------------------------------------------------------------------------------

    def _operand(self, other: Any) -> Any:
        return _as_set(other, self) if isinstance(other, (set, frozenset, DynamicSet)) else None

    def __or__(self, other: Any) -> Any:
        return NotImplemented if (held := self._operand(other)) is None else self.union(held)

    def __and__(self, other: Any) -> Any:
        return NotImplemented if (held := self._operand(other)) is None else self.intersection(held)

    def __sub__(self, other: Any) -> Any:
        return NotImplemented if (held := self._operand(other)) is None else self.difference(held)

    def __xor__(self, other: Any) -> Any:
        return NotImplemented if (held := self._operand(other)) is None else self.symmetric_difference(held)

    def __ror__(self, other: Any) -> Any:
        return NotImplemented if (held := self._operand(other)) is None else held.union(self)

    def __rand__(self, other: Any) -> Any:
        return NotImplemented if (held := self._operand(other)) is None else held.intersection(self)

    def __rsub__(self, other: Any) -> Any:
        return NotImplemented if (held := self._operand(other)) is None else held.difference(self)

    def __rxor__(self, other: Any) -> Any:
        return NotImplemented if (held := self._operand(other)) is None else held.symmetric_difference(self)

    def __ior__(self, other: Any) -> Any:
        self.update(other)
        return self

    def __iand__(self, other: Any) -> Any:
        self.intersection_update(other)
        return self

    def __isub__(self, other: Any) -> Any:
        self.difference_update(other)
        return self

    def __ixor__(self, other: Any) -> Any:
        self.symmetric_difference_update(other)
        return self

    def __eq__(self, other: Any) -> Any:
        held = self._operand(other)
        if held is None:
            return False
        return branches.and_(self.length() == held.length(), lambda: calls.call(programs.contains_all, self, held))

    def __ne__(self, other: Any) -> Any:
        return branches.not_(self == other)

    def __le__(self, other: Any) -> Any:
        return NotImplemented if (held := self._operand(other)) is None else self.issubset(held)

    def __ge__(self, other: Any) -> Any:
        return NotImplemented if (held := self._operand(other)) is None else held.issubset(self)

    def __lt__(self, other: Any) -> Any:
        held = self._operand(other)
        return NotImplemented if held is None else branches.and_(self.length() < held.length(), lambda: self.issubset(held))

    def __gt__(self, other: Any) -> Any:
        held = self._operand(other)
        return NotImplemented if held is None else held < self

    def __bool__(self) -> Any:
        return self.length() != 0

    def __iter__(self) -> Any:
        return iter(listed(self))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"'{self.shown}' object has no attribute '{name}'")

    def settled(self) -> Any:
        """As it is now, for the caller."""
        return Returned(self.facts, [x for column in self.columns_() for x in columns_of(self.listed(column))])


def _as_set(other: Any, like_this: DynamicSet) -> Any:
    """A set of Python as a table; the keys of a dict; what else has items as it is."""
    if isinstance(other, SETS):
        return lifted(other, like_this)
    if isinstance(other, View) and other.what == "keys":
        return other.held
    return other


def _in_a_set(other: Any, like_this: DynamicSet) -> Any:
    held = _as_set(other, like_this)
    if isinstance(held, HashTable):
        return held
    made = like(like_this, (packed_lists.place(), "all"))
    calls.call(programs.add_all, made, held)
    return made


MADE[True] = DynamicSet
iteration.SOURCES[DynamicSet] = TableItems
iteration.DRIVEN[DynamicSet] = run
