"""Which functions are the same program: by their code and what they captured, so that closures made anew share kernels.

    for k in range(1000):
        tg.grad(lambda x: np.sum(a * x))(x)          a new function each time; its code and the number `a` are the same

Compiled is a private copy of a function. Where all that it captured is immutable (numbers, texts, modules, classes, and
functions of this kind), the copy has cells of its own, which nobody can bind anew, and functions with equal code and values
share it. Else the copy has the very cells of the function, which no other function shares. Either way the copy answers only
while the function still has its code, its defaults and, in the first case, the values in its cells (`Binding.places`).
"""
from __future__ import annotations

import collections
import dis
import functools
import struct
import sys
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from ..lowering.call.forwarding import EMPTY, Held
from ..lowering.native.locks import register
from ..tracer.calling.libraries import numba_overloads
from ..tracer.syntax import source

KEY = "<tg found>"              # where a function keeps what was derived from it
RECENT = 64                     # families that are kept although no function needs them, and objects that are no functions
_SCALARS = (bool, int, str, bytes, type(None), type(...), type(NotImplemented), range, slice)
_THEMSELVES = (types.ModuleType, np.ufunc, np.dtype)
_LOCK = threading.RLock()
register(0, _LOCK)


class _Mutable(Exception):
    """Something was captured that may change: no other function shares its kernels."""


class Family:
    """One program, and what was derived from it: chain of operators -> what answers its calls."""

    __slots__ = ("__weakref__", "derived", "function")

    def __init__(self, function: Callable):
        self.function = function
        self.derived: dict[tuple, Any] = {}


class Binding:
    """A function's family, and the places of the function that have to stay as they are."""

    __slots__ = ("family", "places")

    def __init__(self, family: Family, places: tuple[Held, ...] = ()):
        self.family, self.places = family, places

    def holds(self) -> bool:
        return all(place.holds() for place in self.places)


class Table:
    """What a function keeps about itself: its binding, and who answers for what was derived from it."""

    __slots__ = ("answers", "binding", "owner")

    def __init__(self, owner: Callable, binding: Binding):
        self.owner, self.binding = weakref.ref(owner), binding
        self.answers: dict[tuple, Any] = {}

    def __reduce__(self) -> tuple:
        return type(None), ()                        # a function that is pickled takes nothing of it along


_shared: weakref.WeakValueDictionary[Any, Family] = weakref.WeakValueDictionary()
_recent: collections.OrderedDict[int, Family] = collections.OrderedDict()
_objects: collections.OrderedDict[tuple, tuple[Any, Table]] = collections.OrderedDict()


def table_of(f: Callable) -> Table | None:
    """What f keeps, if it does."""
    if type(f) is types.FunctionType or type(f) is functools.partial:
        found = f.__dict__.get(KEY)
        return found if found is not None and found.owner() is f else None
    try:
        _objects.move_to_end(_name(f))
        return _objects[_name(f)][1]
    except KeyError:
        return None


def new_table(f: Callable) -> Table:
    """Look at f as it is now."""
    with _LOCK:
        if type(f) is types.FunctionType or type(f) is functools.partial:
            table = f.__dict__[KEY] = Table(f, _bound(f))
            return table
        table = Table(type(f), Binding(Family(f)))
        _objects[_name(f)] = f, table                # an object may hold anything: for a while only
        _trim(_objects)
        return table


def _name(f: Callable) -> tuple:
    """What tells an object that is no function from others; a method is made anew by each look-up."""
    return (id(f.__func__), id(f.__self__)) if type(f) is types.MethodType else (id(f),)


def _trim(table: collections.OrderedDict) -> None:
    while len(table) > RECENT:
        table.popitem(last=False)


def _bound(f: Callable) -> Binding:
    look = _Look()
    try:
        key = look.value(f)
    except _Mutable:
        return Binding(Family(_copy(f)), _fields(f) if type(f) is types.FunctionType else ())
    family = _shared.get(key)
    if family is None:
        family = _shared[key] = Family(look.copied(f))
    _recent[id(family)] = family
    _recent.move_to_end(id(family))
    _trim(_recent)
    return Binding(family, tuple(look.places))


def _fields(f: types.FunctionType) -> tuple[Held, ...]:
    return tuple([Held(weakref.ref(f), name, getattr(f, name)) for name in ("__code__", "__defaults__", "__kwdefaults__")])


def _copy(f: Callable, places: dict[str, Any] | None = None, closure: tuple | None = None) -> Callable:
    """f with cells of its own, or with those that it has."""
    if type(f) is functools.partial:
        made: Any = functools.partial(f.func)
        made.__setstate__((f.func, f.args, f.keywords, {}))          # with the very dict of its keywords, which may change
        return made
    return _copied(f, places, closure)


def _copied(f: Any, places: dict[str, Any] | None, closure: tuple | None) -> types.FunctionType:
    held = places or {place.name: place.value for place in _fields(f)}
    made = types.FunctionType(held["__code__"], f.__globals__, f.__name__, held["__defaults__"],
                              f.__closure__ if closure is None else closure)
    made.__kwdefaults__ = held["__kwdefaults__"]
    made.__qualname__, made.__module__, made.__doc__ = f.__qualname__, f.__module__, f.__doc__
    made.__dict__.update({name: x for name, x in f.__dict__.items() if name != KEY})
    return made


class _Look:
    """One look at a function: the key of its family, the places that the key was read from, and a copy.

    seen    id(function or tuple) -> (it, number), for what stands there more than once, or leads back to itself
    """

    def __init__(self) -> None:
        self.places: list[Held] = []
        self.seen: dict[int, tuple[Any, int]] = {}
        self.copies: dict[int, Any] = {}

    def value(self, x: Any) -> Any:
        """A key that only equal values have. Those of objects that are named by identity hold as long as a family has them."""
        kind = type(x)
        if kind in _SCALARS:
            return kind, (repr(x) if kind in (range, slice) else x)
        if kind is float:
            return kind, struct.pack("d", x)
        if kind is complex:
            return kind, struct.pack("dd", x.real, x.imag)
        if isinstance(x, np.generic) and kind.__module__ == "numpy" and x.dtype.kind in "biufcSU":
            return kind, x.dtype.str, x.tobytes()
        if kind is tuple or _is_record(kind):
            return self.items(x)
        if kind is types.FunctionType:
            return self.named(x) if self.seen and _is_itself(x) else self.function(x)
        if kind is functools.partial and not (_extras(x) or x.keywords):
            return kind, self.value(x.func), self.value(x.args)
        if kind is type or isinstance(x, _THEMSELVES) or (
                kind is types.BuiltinFunctionType and isinstance(x.__self__, (types.ModuleType, type(None)))):
            return "itself", id(x)
        raise _Mutable

    def items(self, x: tuple) -> Any:
        """Of a tuple; the same one again is not one that is equal: the program may ask by `is`."""
        if x and id(x) in self.seen:
            return "again", self.seen[id(x)][1]
        self.seen[id(x)] = x, len(self.seen)
        return type(x), *map(self.value, x)

    def named(self, f: types.FunctionType) -> Any:
        """Of a function that the program may compare with others, or look up: no copy stands for it."""
        own = _fields(f)
        self.places += own
        self.copies[id(f)] = f
        return "itself", id(f), id(own[0].value), self.value(own[1].value), self.value(tuple((own[2].value or {}).items()))

    def function(self, f: types.FunctionType) -> Any:
        if id(f) in self.seen:
            return "again", self.seen[id(f)][1]
        if f.__kwdefaults__ or _extras(f) or (f.__closure__ and _looks_at_functions(f.__code__)):
            raise _Mutable
        self.seen[id(f)] = f, len(self.seen)
        own = _fields(f)
        cells = [Held(_Cell(cell), "cell_contents", _contents(cell)) for cell in f.__closure__ or ()]
        self.places += [*own, *cells]
        values = ["empty" if cell.value is EMPTY else self.held(f.__code__, name, cell.value)
                  for name, cell in zip(f.__code__.co_freevars, cells)]
        return types.FunctionType, id(own[0].value), id(f.__globals__), self.value(own[1].value), *values

    def held(self, code: types.CodeType, name: str, x: Any) -> Any:
        """Of what a free variable holds. A copy does for a function that is called only: a function made anew by a loop of a
        module, `for …: def model(w): …; fit(model)`, has the program of the earlier ones."""
        if type(x) is types.FunctionType and name in _called_only(code):
            own = source.is_user_file(x.__code__.co_filename) and not numba_overloads.is_overloaded(x)
            return self.function(x) if own else self.value(x)
        return self.value(x)

    # the copy, of what was seen

    def copied(self, x: Any) -> Any:
        if type(x) is types.FunctionType:
            return self.copies.get(id(x)) or self.copied_function(x)
        if type(x) is functools.partial:
            return functools.partial(self.copied(x.func), *self.copied(x.args))
        if type(x) is not tuple and not _is_record(type(x)):
            return x
        if id(x) not in self.copies:
            values = [self.copied(y) for y in x]
            same = all(new is old for new, old in zip(values, x))
            self.copies[id(x)] = x if same else tuple(values) if type(x) is tuple else type(x)._make(values)
        return self.copies[id(x)]

    def copied_function(self, f: types.FunctionType) -> types.FunctionType:
        fields = {place.name: place.value for place in self.places if place.holder() is f}
        contents = {id(place.holder()): place.value for place in self.places if place.name == "cell_contents"}
        cells = tuple([types.CellType() for _ in f.__closure__ or ()])
        made = self.copies[id(f)] = _copied(f, fields, cells)
        made.__defaults__ = self.copied(made.__defaults__)
        for old, new in zip(f.__closure__ or (), cells):
            if contents[id(old)] is not EMPTY:
                new.cell_contents = self.copied(contents[id(old)])
        return made


def _is_itself(f: types.FunctionType) -> bool:
    """Whether others can have the same function: it has a name in its module, or Numba's registry knows it."""
    module = sys.modules.get(f.__module__ or "")
    return getattr(module, "__dict__", {}).get(f.__name__) is f or numba_overloads.is_overloaded(f)


@functools.lru_cache(4096)
def _called_only(code: types.CodeType) -> frozenset[str]:
    """The free variables of a code object of which it and those within it do nothing but call what they hold."""
    found, other = set(code.co_freevars), set()
    steps = [x for x in dis.get_instructions(code) if x.opname not in ("CACHE", "EXTENDED_ARG")]
    for before, step, after in zip([None, *steps], steps, [*steps[1:], None]):
        beside = after if sys.version_info >= (3, 13) else before
        called = step.opname == "LOAD_DEREF" and beside is not None and beside.opname == "PUSH_NULL"
        if step.argval in found and not called and step.opname not in ("LOAD_CLOSURE", "MAKE_CELL", "COPY_FREE_VARS"):
            other.add(step.argval)
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            other |= set(inner.co_freevars) - _called_only(inner)
    return frozenset(found - other)


@functools.lru_cache(4096)
def _looks_at_functions(code: types.CodeType) -> bool:
    """Whether a code object may read what a function says about itself: its copy would go on saying it."""
    return not _ABOUT.isdisjoint(code.co_names) or any(isinstance(c, types.CodeType) and _looks_at_functions(c)
                                                       for c in code.co_consts)


_ABOUT = frozenset({"__name__", "__qualname__", "__doc__", "__annotations__", "__module__", "__dict__", "__wrapped__",
                    "getattr", "hasattr", "vars", "dir", "AttributeError"})


def _is_record(kind: type) -> bool:
    """Whether it is a class of named tuples that have nothing but their items."""
    return issubclass(kind, tuple) and hasattr(kind, "_make") and kind.__dictoffset__ == 0


def _extras(f: Callable) -> bool:
    """Whether somebody has given a function attributes of its own."""
    held = [cell.cell_contents for cell in getattr(f, "__closure__", None) or () if cell != types.CellType()]
    return any(name != KEY and not (name == "__wrapped__" and any(x is y for y in held)) for name, x in f.__dict__.items())


class _Cell:
    """A cell, which has no weak references; it leads to a function only where that captures itself."""

    __slots__ = ("cell",)

    def __init__(self, cell: types.CellType):
        self.cell = cell

    def __call__(self) -> types.CellType:
        return self.cell


def _contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return EMPTY
