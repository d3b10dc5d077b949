"""From what a trace has read of objects outside of its arguments to what each call checks before it uses the program.

Scalars are compared by value, functions by identity and by their code and defaults, lists and dicts by the parts that were
read, objects of users' classes by their class and the attributes that were read, and by identity (weakly: nothing lives longer
for being checked) where it may matter, as that of all other objects. A number that is an input of the program is handed to the
kernel instead.
"""
from __future__ import annotations

import collections
import types
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

from ..ir.core import Const
from ..ir.ops import random
from ..ir.types import C128, F64, I64, known_dtype
from ..lowering.call.calling_convention import (
    AbsentIn,
    In,
    KeptIn,
    Node,
    PartsIn,
    Place,
    SameIn,
    ScalarIn,
    StaticIn,
    TypeIn,
    UnreadIn,
    WeakIn,
    items_of,
)
from ..lowering.call.python_call import equal_items
from ..tracer import pytrees
from ..tracer.staging.foreign_arrays import is_foreign
from ..tracer.values.captured_values import ABSENT, ATOMS, Reading

_NUMBERS = {float: ("float", F64), int: ("int", I64), complex: ("complex", C128)}
_LONGEST = 64                       # items that are checked one by one; those of a longer container in one step
_OFTEN = 4                          # ways to one object along which its attributes are checked, not its identity
_STRONG = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type, np.ufunc)


def numbers_of(reads: tuple[tuple, ...]) -> dict[tuple, Any]:
    """path -> number, of all that were read: what may become inputs."""
    found: dict[tuple, Any] = {}
    todo, seen = [reading for _, _, _, reading in reads], set()
    while todo:
        reading = todo.pop()
        if id(reading) in seen:
            continue
        seen.add(id(reading))
        if type(reading.value) in _NUMBERS or isinstance(reading.value, np.number):
            found[reading.path] = None if reading.const is not None else reading.value
        todo += reading.parts.values()
    return found


def numbers_in(given: tuple[tuple[Any, In], ...]) -> dict[tuple, Any]:
    """The same of checks: where a program came from the disk, there are no readings."""
    found: dict[tuple, Any] = {}
    todo: list[tuple[tuple, In]] = [
        (((what.kind, id(what.holder), what.key) if type(what) is Place else ("object", id(what), None),), layout)
        for what, layout in given]
    while todo:
        path, layout = todo.pop()
        match layout:
            case StaticIn(value) if type(value) in _NUMBERS or isinstance(value, np.number):
                found[path] = value
            case ScalarIn():
                found[path] = None
            case PartsIn(_, parts):
                todo += [((*path, (kind, key)), part) for kind, key, part in parts]
            case Node(_, children, keys):
                todo += [((*path, ("item", key)), child) for key, child in zip(keys or range(len(children)), children)]
    return found


class ValueLayouts:
    """param: the kernel's parameter of each constant that stands for a number."""

    def __init__(self, param: dict[Const, int]):
        self.param = param
        self.open: set[int] = set()                          # readings whose layouts are being made: an object may hold itself
        self.count: collections.Counter[int] = collections.Counter()
        self.bound: set[int] = set()                         # parameters that have got their place
        self.done: set[int] = set()                          # objects known by identity whose parts are checked once

    def checks(self, reads: tuple[tuple, ...]) -> Iterator[tuple[Any, In]]:
        for kind, holder, key, reading in reads:
            what = holder if kind == "object" else Place(kind, holder, key)
            layout = self.strong(reading) if kind == "object" else self.layout(reading)
            if type(layout) is not UnreadIn:
                yield what, layout

    def strong(self, reading: Reading) -> In:
        """An object that the trace started from, which is at hand: only its parts can change."""
        self.open.add(id(reading))
        if reading.whole and type(reading.value) in (list, dict):
            made = self.whole(reading.value, reading)
            self.open.discard(id(reading))
            return made
        kept = self.kept(reading.value, bool(reading.parts)) if reading.whole else None
        parts = self.parts(reading) if id(reading) not in self.done else ()
        self.open.discard(id(reading))
        self.done.add(id(reading))
        return PartsIn(kept or StaticIn(reading.value), parts) if parts or kept else UnreadIn()

    def layout(self, reading: Reading) -> In:
        x = reading.value
        if reading.const is not None:
            kind, dtype = _NUMBERS.get(type(x)) or ("numpy", known_dtype(x.dtype))
            param = self.param[reading.const]
            if param in self.bound:                          # there are two ways to the object that has it
                return SameIn(param)
            self.bound.add(param)
            return ScalarIn(kind, dtype, param)
        if x is ABSENT:
            return AbsentIn()
        if isinstance(x, np.ndarray) and reading.exact:
            return PartsIn(WeakIn(x), self.parts(reading))
        if isinstance(x, np.ndarray) or random.kind_of(x) is not None:       # more is checked where elements are read or drawn
            return PartsIn(TypeIn(type(x)), self.parts(reading)) if reading.parts else TypeIn(type(x))        # (captures.py)
        if isinstance(x, ATOMS):
            return StaticIn(x)
        if id(reading) in self.open:
            return StaticIn(x) if type(x) in (list, dict) else self.itself(x)
        self.open.add(id(reading))
        made = self.compound(x, reading)
        self.open.discard(id(reading))
        return made

    def compound(self, x: Any, reading: Reading) -> In:
        if reading.exact:
            return PartsIn(StaticIn(x), self.parts(reading))
        if type(x) is tuple:
            return self.items(x, reading)
        if type(x) is types.MethodType:
            return PartsIn(TypeIn(types.MethodType), self.parts(reading))
        if (type(x) is list or isinstance(x, dict)) and not reading.whole:
            return PartsIn(TypeIn(type(x)), self.parts(reading))
        if type(x) in (list, dict):
            return self.whole(x, reading)
        if reading.whole and (kept := self.kept(x, bool(reading.parts))) is not None:
            return PartsIn(kept, self.parts(reading))
        if not reading.itself and reading.parts and self.count[id(reading)] < _OFTEN:
            self.count[id(reading)] += 1
            return PartsIn(TypeIn(type(x)), self.parts(reading))
        parts = self.parts(reading) if id(reading) not in self.done else ()
        self.done.add(id(reading))
        return PartsIn(self.itself(x), parts) if parts else self.itself(x)

    def items(self, x: tuple, reading: Reading | None) -> In:
        """Another tuple with the same items will do."""
        parts = reading.parts if reading is not None else {}
        if len(x) > _LONGEST:
            return StaticIn(x)
        return Node(tuple, tuple([self.layout(parts.get(("item", k)) or Reading(y, ())) for k, y in enumerate(x)]))

    def whole(self, x: dict | list, reading: Reading) -> In:
        keys = tuple(x) if isinstance(x, dict) else tuple(range(len(x)))
        parts = [part for k in keys if (part := reading.parts.get(("item", k))) is not None]
        if len(parts) < len(keys) or (len(x) > _LONGEST and all(isinstance(p.value, ATOMS) and p.const is None for p in parts)):
            rest = [p for p in reading.parts.items() if p[1].const is not None or not isinstance(p[1].value, ATOMS)]
            return PartsIn(KeptIn.of(x), tuple([(kind, key, self.layout(part)) for (kind, key), part in rest]))
        return Node(type(x), tuple(map(self.layout, parts)), keys if isinstance(x, dict) else ())

    def kept(self, x: Any, otherwise: bool) -> KeptIn | None:
        """The items of a container that is no list, tuple or dict; None where it has none, or where it makes them anew at each
        request and is known `otherwise`, by its attributes."""
        plain = isinstance(x, tuple) or pytrees.is_sparse_class(type(x)) or is_foreign(x)
        if plain or not hasattr(type(x), "__len__") or not (hasattr(x, "__iter__") or hasattr(type(x), "__getitem__")):
            return None
        try:
            found = KeptIn.of(x)
            return None if otherwise and not equal_items(found.items, items_of(x)) else found
        except TypeError:                                    # a single rotation, which has the methods and refuses
            return None

    def itself(self, x: Callable | ModuleType) -> StaticIn | WeakIn | TypeIn:
        if isinstance(x, _STRONG):
            return StaticIn(x)
        try:
            return WeakIn(x)
        except TypeError:
            return TypeIn(type(x)) if type(x) in (list, dict) else StaticIn(x)

    def parts(self, reading: Reading) -> tuple[tuple[str, Any, In], ...]:
        found = []
        for (kind, key), part in reading.parts.items():
            layout = self.layout(part)
            found.append((kind, key, layout))
        return tuple(found)


