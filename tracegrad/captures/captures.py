"""How arrays outside of a function's arguments are found again at each call.

A trace says which arrays it used, and which functions ran. From these functions' globals, closure cells and defaults, and from
the objects that these lead to, a search finds every way to such an array: a chain of places. A call looks there: the array must
be there and be described as before (dtype, shape, strides), then the kernel gets the memory that it has now. An object on the
way must be the same one; but a list, tuple or dict that holds nothing but arrays may be another of the same structure.
An array to which no way leads (a library made it, or keeps it) is held itself.
"""
from __future__ import annotations

import collections
import functools
import types
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import numpy as np

from ..ir.build import Builder, function
from ..ir.clone import copy_block
from ..ir.core import Const, Function, Length, subst_type
from ..ir.ops.random import kind_of
from ..ir.types import I64
from ..lowering.call.calling_convention import (
    MISSING,
    HeldIn,
    In,
    Node,
    PartsIn,
    Place,
    SameIn,
    ScalarIn,
    StaticIn,
    TypeIn,
    UnreadIn,
)
from ..lowering.call.python_call import Mismatch, children_of, match_given
from ..tracer.values.captured_arrays import Captured, span
from .layouts import ValueLayouts, numbers_in, numbers_of

LONGEST, MOST = 4096, 20_000            # items of a container that are looked at, and objects in all
_KEYS = (str, int, float, bool, type(None))


class Captures:
    """The arrays that one trace used, and where each call finds them.

    parameters   the constants that stand for them in the program, in the order of the kernel's parameters behind the arguments
    repeats      constants of further traces for arrays that have one: constant -> the one among the parameters
    """

    def __init__(self, held: Captured):
        first: dict[int, Const] = {}
        self.repeats = {c: first[id(x)] for c, x in held.live if first.setdefault(id(x), c) is not c}
        self.parameters = (*first.values(), *held.inputs)
        known = {id(x): _copy(x) for x in held.known}
        arrays = tuple(_Finder(held, known).checks()) if held.live or known else ()
        self.numbers, values = numbers_of(held.reads), ValueLayouts({c: k for k, c in enumerate(self.parameters)})
        self.given: tuple[tuple[Any, In], ...] = (*values.checks(held.reads), *arrays)
        held.live = held.known = held.reads = held.inputs = ()
        for c in (*self.parameters, *self.repeats):
            c.data = np.broadcast_to(np.zeros((), c.data.dtype), c.data.shape)     # let go of the array: calls look it up

    @classmethod
    def of(cls, given: tuple[tuple[Any, In], ...], count: int) -> Captures:
        """Those of a program that is compiled already, with `count` arrays and numbers."""
        made = cls(Captured())
        unused = cast("tuple[Const, ...]", (None,) * count)                # only their number counts
        made.given, made.parameters, made.numbers = given, unused, numbers_in(given)
        return made

    def find(self) -> list | None:
        """The arrays and numbers of the parameters as they are now; None where the program does not hold for what is there."""
        found: dict[int, np.ndarray] = {}
        try:
            match_given(self.given, found, {})
        except Mismatch:
            return None
        return [found[k] for k in range(len(self.parameters))]

    def layouts(self, first: int) -> tuple[tuple[Any, In], ...]:
        """What native code checks and takes, where the arguments have the parameters before `first`."""
        return tuple((what, _shifted(layout, first)) for what, layout in self.given)

    def now(self, constants: tuple[Const, ...], captured: list[np.ndarray]) -> list[np.ndarray]:
        """What some of the constants stand for, among what `find` has found."""
        place = {c: k for k, c in enumerate(self.parameters)}
        return [captured[place[self.repeats.get(c, c)]] for c in constants]

    def arrays(self) -> Iterator[np.ndarray]:
        """The arrays of the program, wherever they are now."""
        for what, layout in self.given:
            try:
                yield from _held(layout, what.find() if type(what) is Place else what)
            except MISSING:
                continue

    def changed(self) -> list[np.ndarray]:
        """The arrays whose elements are others than the trace saw, although they are described as they were."""
        found = []
        for what, layout in self.given:
            try:
                x = what.find() if type(what) is Place else what
            except MISSING:
                continue
            if type(layout) is HeldIn and layout.kept is not None and not layout.takes(x) and np.shape(x) == layout.shape:
                found.append(x)
        return found


def _copy(x: np.ndarray) -> np.ndarray:
    """The same elements, and nothing that is written to when x is."""
    return np.ma.array(x, copy=True, fill_value=x.fill_value) if isinstance(x, np.ma.MaskedArray) else x.copy(order="K")


def varying(known: tuple[Captures, ...]) -> set[tuple]:
    """Paths of the numbers that had two values at earlier traces: the third is read at run time, as are all later ones."""
    values: dict[tuple, set] = {}
    for captures in known:
        for path, x in captures.numbers.items():
            values.setdefault(path, set()).add((type(x), repr(x)))
    return {path for path, found in values.items() if len(found) > 1}


def _held(layout: In, x: Any) -> Iterator[np.ndarray]:
    if type(layout) is HeldIn:
        yield x
    elif type(layout) is Node:
        for child, y in zip(layout.children, children_of(layout, x) or ()):
            yield from _held(child, y)


NOTHING = Captures(Captured())


def captures_of(held: Captured) -> Captures:
    """Looked for once, when the trace has just ended: an array that is bound anew later is not to be found any more."""
    if held.ways is None:
        held.ways = Captures(held) if held.live or held.known or held.reads else NOTHING
    return held.ways


def joined(held: Captured, more: list[Captured]) -> Captured:
    """What a program captures that was made of a traced one, and of rules that were traced while it was made."""
    if not more:
        return held
    made = Captures(Captured())
    for ways in map(captures_of, (held, *more)):
        made.given += ways.layouts(len(made.parameters))
        made.parameters += ways.parameters
        made.repeats |= ways.repeats
        made.numbers |= ways.numbers
    return Captured(tuple([f for part in (held, *more) for f in part.functions]), ways=made)


def live(f: Function) -> tuple[Const, ...]:
    """The constants of a program that stand for arrays that the function captured."""
    found: dict[Const, None] = {}
    for op in f.body.walk():
        for v in (*op.operands, *[y for region in op.regions for y in region.yields]):
            if isinstance(v, Const) and not v.frozen:
                found[v] = None
    found |= {v: None for v in f.body.yields if isinstance(v, Const) and not v.frozen}
    return tuple(found)


def closed(f: Function, constants: tuple[Const | Length, ...], repeats: dict | tuple = ()) -> Function:
    """The program with parameters in place of these constants, behind its own, and in place of what repeats one of them."""
    if not constants:
        return f
    names = [*(p.name for p in f.params), *(f"captured{k}" for k in range(len(constants)))]
    made = function(f.name, [*(p.type for p in f.params), *(c.type for c in constants)], names, f.loc)
    mapping = dict(zip((*f.params, *constants), made.params))
    mapping |= {c: mapping[first] for c, first in dict(repeats).items()}
    for p in made.params:
        p.type = subst_type(p.type, mapping)
    builder = Builder()
    with builder.at(made.body):
        made.body.yields = copy_block(builder, f.body, mapping)
    made.attrs = dict(f.attrs)
    return made


# --- the search ----------------------------------------------------------------------------------------------------------


class _Edge(NamedTuple):
    """A way to an object: a place that can change, or (None) one that cannot, in the object `owner` (None: a root)."""

    place: Place | None
    owner: Any


class _Finder:
    def __init__(self, held: Captured, kept: dict[int, np.ndarray]):
        self.kept = kept
        self.wanted = {id(x): x for x in (*(x for _, x in held.live), *held.known)}
        self.param = {key: k for k, key in enumerate(dict.fromkeys(id(x) for _, x in held.live))}
        self.names = {name for f in held.functions for name in _names(f.__code__)}
        self.edges: dict[int, dict[Any, _Edge]] = {}
        self.objects: dict[int, Any] = {}
        self.todo: collections.deque = collections.deque()
        for f in held.functions:
            self.enter(f)
        for x in held.objects:
            self.reach(x, None)
        while self.todo and len(self.objects) < MOST:
            self.expand(self.todo.popleft())

    def enter(self, f: types.FunctionType) -> None:
        original = f.__dict__["<tg original>"]()
        space = (original or f).__globals__
        for name in _names(f.__code__):
            if name in space:
                self.reach(space[name], _Edge(Place("item", space, name), None))
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or ()):
            if not name.startswith("<tg"):
                try:
                    self.reach(cell.cell_contents, _Edge(Place("cell", cell), None))
                except ValueError:                           # empty
                    continue
        if original is not None:
            for name in ("__defaults__", "__kwdefaults__"):
                self.reach(getattr(original, name), _Edge(Place("attr", original, name), None))

    def reach(self, x: Any, edge: _Edge | None) -> None:
        if isinstance(x, _ATOMS) or x is None:
            return
        new = id(x) not in self.objects
        self.objects[id(x)] = x
        known = self.edges.setdefault(id(x), {})
        if edge is not None:
            place, owner = edge
            known.setdefault((place and (place.kind, id(place.holder), place.key), id(owner)), edge)
        if new and not isinstance(x, np.ndarray):
            self.todo.append(x)

    def expand(self, x: Any) -> None:
        for y, place in self.parts(x):
            self.reach(y, _Edge(place, x))

    def parts(self, x: Any) -> Iterator[tuple[Any, Place | None]]:
        """What an object refers to, with the place that it is in (None: it cannot change)."""
        if isinstance(x, tuple):
            yield from ((y, None) for y in x[:LONGEST])
        elif type(x) is list:
            yield from ((y, Place("item", x, k)) for k, y in enumerate(x[:LONGEST]))
        elif isinstance(x, dict):
            if len(x) <= LONGEST:
                yield from ((y, Place("item", x, k)) for k, y in list(x.items()) if type(k) in _KEYS)
        elif isinstance(x, types.ModuleType):
            space = vars(x)
            yield from ((space[n], Place("item", space, n)) for n in self.names if n in space)
        elif isinstance(x, types.MethodType):
            yield x.__self__, None
        elif isinstance(x, functools.partial):
            yield from ((y, None) for y in (x.func, x.args, *x.keywords.values()))
        elif isinstance(x, type):
            yield from ((y, Place("attr", x, n)) for n, y in _class_values(x) if n in self.names)
        elif not isinstance(x, (types.FunctionType, types.BuiltinFunctionType)):
            yield from self.attributes(x)

    def attributes(self, x: Any) -> Iterator[tuple[Any, Place]]:
        """Attributes that Python reads without running code of the user."""
        cls = type(x)
        if type(cls.__getattribute__) is not types.WrapperDescriptorType or cls.__module__.partition(".")[0] == _OWN:
            return
        own = getattr(x, "__dict__", None)
        own = own if type(own) is dict else {}
        for name, y in list(own.items())[:LONGEST]:
            if type(name) is str and not hasattr(getattr(cls, name, None), "__set__"):
                yield y, Place("attr", x, name)
        for name, y in _class_values(cls):
            if name == "__dict__":                           # its items are the attributes above
                continue
            if isinstance(y, types.MemberDescriptorType):
                try:
                    yield y.__get__(x), Place("attr", x, name)
                except AttributeError:
                    continue
            elif name in self.names and name not in own and not hasattr(y, "__get__"):
                yield y, Place("attr", x, name)

    # what a call has to check

    def checks(self) -> Iterator[tuple[Any, In]]:
        done: set[int] = set()
        bound: set[int] = set()                              # arrays that have got their parameter
        todo = list(self.wanted.values())
        while todo:
            x = todo.pop()
            if id(x) in done:
                continue
            done.add(id(x))
            edges = self.edges.get(id(x), {}).values()
            for place, owner in edges:
                if owner is not None:
                    todo.append(owner)
                if place is not None and not self.open(owner):
                    yield place, self.layout(x, bound)
            itself = not edges or any(place is None and not self.open(owner) for place, owner in edges)
            if itself and (id(x) in self.wanted or self.open(x)):
                yield x, self.layout(x, bound)

    def layout(self, x: Any, bound: set[int]) -> In:
        if id(x) in self.wanted and (kind := kind_of(x)) is not None:
            return ScalarIn(kind, I64, self.param[id(x)])
        if id(x) in self.wanted:
            param = self.param.get(id(x))
            if id(x) in bound and param is not None:
                return SameIn(param)
            bound.add(id(x))
            return HeldIn(x, span(x) if param is not None else (), param, self.kept.get(id(x)))
        if isinstance(x, np.ndarray):
            return UnreadIn()
        if type(x) is types.MethodType:
            return PartsIn(TypeIn(types.MethodType), (("field", "__func__", StaticIn(x.__func__)),
                                                      ("field", "__self__", StaticIn(x.__self__))))
        if self.open(x):
            parts = list(x.values()) if type(x) is dict else x
            return Node(type(x), tuple([self.layout(y, bound) for y in parts]), tuple(x) if type(x) is dict else ())
        return StaticIn(x)

    def open(self, x: Any) -> bool:
        """Whether x is a container of nothing but arrays."""
        if type(x) not in (list, tuple, dict) or not 0 < len(x) <= LONGEST:
            return False
        if type(x) is dict and not all(type(k) in _KEYS for k in x):
            return False
        return all(isinstance(y, np.ndarray) or self.open(y) for y in (x.values() if type(x) is dict else x))


_OWN = __name__.partition(".")[0]
_ATOMS = (bool, int, float, complex, str, bytes, np.generic, np.dtype, range, types.CodeType, types.CellType)


def _names(code: types.CodeType) -> set[str]:
    """The names of globals and attributes in a code object and those within it."""
    found = set(code.co_names)
    for c in code.co_consts:
        if isinstance(c, types.CodeType):
            found |= _names(c)
        elif type(c) is str:                                 # attributes, in rewritten code
            found.add(c)
    return found


def _class_values(cls: type) -> Iterator[tuple[str, Any]]:
    for base in cls.__mro__:
        if base.__module__ != "builtins":
            yield from list(vars(base).items())


def _shifted(layout: In, first: int) -> In:
    """The layout with parameters that count from `first`."""
    if type(layout) is SameIn:
        return SameIn(layout.first + first, layout.param)
    if type(layout) is HeldIn and layout.param is not None:
        return layout.at(layout.param + first)
    if type(layout) is ScalarIn:
        return layout._replace(param=layout.param + first)
    if type(layout) is PartsIn:
        return layout._replace(parts=tuple([(kind, key, _shifted(part, first)) for kind, key, part in layout.parts]))
    if type(layout) is Node:
        return layout._replace(children=tuple([_shifted(child, first) for child in layout.children]))
    return layout
