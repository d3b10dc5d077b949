"""Hash tables: which of the keys that have been entered a key is. A table lies on a stack of i64; `stack_new` is an empty one.

    lookup t, key… {key, mode}     -> (t, position: index)     the number that a key was entered with; -1: it is not there
                                      mode ::= find | remove
    lookup t, n, key… {key, mode="enter"} -> (t, position)     the same; a new key is entered with the number n
    lookup t {key, mode="pop"}     -> (t, position)             removes the key that Python's set.pop would; -1: there is none
    lookup t, n {key, mode="room"} -> (t, -1)                   makes room as Python's set.update does before it adds n members
    members t, n {key}             -> (t, positions: index[n])  of its n keys, in the order in which Python's set iterates
    replica t {key}                -> (t, t)                    the second one as Python's set.copy makes it
    key ::= "i" | "f" | "(" ("i" | "f")* ")"                    an i64, an f64 that is not NaN, or a tuple of these

As stacks, a table is used once: who has looked up goes on with the table that came out. Keys are no subject of derivatives,
positions neither: what belongs to a key lies on stacks of its own, at its position.

The table is laid out as CPython's sets are (Objects/setobject.c), so that sets iterate in Python's order. It has 2^k places and
at least 8. A key is looked for from place hash mod 2^k on, in that place and the 9 behind it where these exist; then at
i <- 5 i + 1 + p, with p the hash shifted down by 5 bits more each time. What is removed leaves a mark; a new key takes the last
mark on its way, else the first free place. When 3/5 of the places have been used, all keys move, in order of place, to a table
of the first power of two above 4 times their number (2 times, from 50000 on).
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..opdef import OpDef
from ..types import F64, I64, INDEX, INDEX_SCALAR, Array, StackType, Type
from .common import array_type, expect_count, expect_index, fail

if TYPE_CHECKING:
    from ..core import Block, Op, Value

MODES = ("find", "enter", "remove", "pop", "room")
LEAST = 8                        # places of the smallest table
NEAR = 9                         # places behind the first that are looked at
SHIFT = 5
MANY = 50_000                    # from this number of keys on a table grows by 2
MODULUS = 2 ** 61 - 1            # Python's hashes of numbers are values modulo this prime


def leaves(key: str) -> str:
    """The dtypes of a key's operands, a letter each."""
    return key.strip("()")


def _table(name: str, value: Value) -> None:
    if type(value.type) is not StackType or value.type.element != Type(I64):
        fail(f"{name} takes a table, a stack of i64, not {value.type!r}")


def _infer_lookup(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    mode, kinds = attrs["mode"], leaves(attrs["key"])
    if mode not in MODES or set(kinds) - {"i", "f"} or not kinds:
        fail(f"lookup: mode {mode!r}, key {attrs['key']!r}")
    counted = mode in ("room", "enter")
    keys = 0 if mode in ("pop", "room") else len(kinds)
    expect_count("lookup", operands, 1 + counted + keys)
    _table("lookup", operands[0])
    if counted:
        expect_index("lookup", operands[1])
    if keys:
        for v, kind in zip(operands[1 + counted:], kinds):
            found = array_type("lookup", v)
            if found != Type(I64 if kind == "i" else F64):
                fail(f"lookup of {found!r} in a table with key {attrs['key']!r}")
    return [operands[0].type, INDEX_SCALAR]


def _infer_members(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("members", operands, 2)
    _table("members", operands[0])
    return [operands[0].type, Type(INDEX, (expect_index("members", operands[1]),))]


def _infer_replica(operands: Sequence[Value], attrs: dict[str, Any], regions: Sequence[Block]) -> list[Type]:
    expect_count("replica", operands, 1)
    _table("replica", operands[0])
    return [operands[0].type, operands[0].type]


# --- what they mean ---------------------------------------------------------------------------------------------------

class _Places:
    """The places of a table: None, or [key, position], the key None where it has been removed."""

    def __init__(self) -> None:
        self.places: list[list | None] = [None] * LEAST
        self.fill = self.used = self.finger = 0

    def way(self, key: Any) -> Iterator[int]:
        mask, perturb = len(self.places) - 1, hash(key) % 2 ** 64
        i = perturb & mask
        while True:
            yield from range(i, i + 1 + (NEAR if i + NEAR <= mask else 0))
            perturb >>= SHIFT
            i = (i * 5 + 1 + perturb) & mask

    def find(self, key: Any) -> list | None:
        for k in self.way(key):
            place = self.places[k]
            if place is None or place[0] == key:
                return place
        raise AssertionError

    def enter(self, number: Any, key: Any) -> int:
        mark = None
        for k in self.way(key):
            place = self.places[k]
            if place is None:
                break
            if place[0] == key:
                return place[1]
            mark = k if place[0] is None else mark
        self.places[k if mark is None else mark] = [key, int(number)]
        self.used += 1
        if mark is None:
            self.fill += 1
            if self.fill * 5 >= (len(self.places) - 1) * 3:
                self.resize(self.used * (2 if self.used > MANY else 4))
        return int(number)

    def remove(self, key: Any) -> int:
        place = self.find(key)
        if place is None:
            return -1
        place[0], self.used = None, self.used - 1
        return place[1]

    def pop(self) -> int:
        if not self.used:
            return -1
        k, n = self.finger & (len(self.places) - 1), len(self.places)
        while (place := self.places[k]) is None or place[0] is None:
            k = (k + 1) % n
        place[0], self.used, self.finger = None, self.used - 1, k + 1
        return place[1]

    def room(self, n: Any) -> int:
        if (self.fill + n) * 5 >= (len(self.places) - 1) * 3:
            self.resize((self.used + n) * 2)
        return -1

    def resize(self, least: int) -> None:
        size = LEAST
        while size <= least:
            size *= 2
        if size == LEAST == len(self.places) and self.fill == self.used:
            return
        held, self.places, self.fill = self.members(), [None] * size, self.used
        for place in held:
            self.clean(place)

    def clean(self, place: list) -> None:
        self.places[next(k for k in self.way(place[0]) if self.places[k] is None)] = place

    def members(self) -> list:
        return [p for p in self.places if p is not None and p[0] is not None]

    def replica(self) -> _Places:
        made = _Places()
        made.room(self.used)
        made.fill = made.used = self.used
        if len(made.places) == len(self.places) and self.fill == self.used:
            made.places = [p and list(p) for p in self.places]
        else:
            for place in self.members():
                made.clean(list(place))
        return made


class _Table:
    """A table after the first `at` steps: the places are those after all steps, and are made again for one that is older."""

    __slots__ = ("at", "places", "steps")

    def __init__(self, places: _Places, steps: list, at: int):
        self.places, self.steps, self.at = places, steps, at

    def done(self, step: tuple[str, tuple]) -> tuple[_Table, Any]:
        here = self
        if self.at < len(self.steps):
            places, steps = _Places(), self.steps[:self.at]
            for name, args in steps:
                places = _step(places, name, args)
            here = _Table(places, steps, self.at)
        found = getattr(here.places, step[0])(*step[1])
        here.steps.append(step)
        return _Table(here.places, here.steps, here.at + 1), found


def _step(places: _Places, name: str, args: tuple) -> _Places:
    found = getattr(places, name)(*args)
    return found if name == "replica" else places


def _of(t: Any) -> _Table:
    return t if type(t) is _Table else _Table(_Places(), [], 0)


def _evaluate_lookup(op: Op, t: Any, *given: Array) -> tuple[Any, np.int64]:
    args: tuple = tuple(np.asarray(x).item() for x in given)
    mode = op.attrs["mode"]
    if mode in ("find", "enter", "remove"):
        *count, args = (args[0], args[1:]) if mode == "enter" else (args,)
        args = (*count, args if op.attrs["key"].startswith("(") else args[0])
    t, found = _of(t).done((mode, args))
    if mode == "find":
        found = -1 if found is None else found[1]
    return t, np.int64(found)


def _evaluate_members(op: Op, t: Any, n: Array) -> tuple[Any, np.ndarray]:
    t, found = _of(t).done(("members", ()))
    if len(found) != n:
        fail(f"{n} members of {len(found)}")
    return t, np.array([p[1] for p in found], np.int64)


def _evaluate_replica(op: Op, t: Any) -> tuple[Any, Any]:
    t, _ = _of(t).done(("members", ()))
    return t, _Table(t.places.replica(), [*t.steps[:-1], ("replica", ())], t.at)


OpDef("lookup", _infer_lookup, _evaluate_lookup, cost=20, doc="The position of a key in a table.")
OpDef("members", _infer_members, _evaluate_members, cost=4, doc="The positions of a table's keys.")
OpDef("replica", _infer_replica, _evaluate_replica, cost=4, doc="A table, and another one like it.")
