"""Objects of the user's classes as arguments, `self` of a method among them: their attributes are the arguments.

    sim.step(dt)                              parameters sim.x, sim.v, …, dt
        self.x += self.v * dt                 an assignment: the new value is a result, which the caller's object gets
        return self                           the caller's object

So one program serves all objects of a class whose attributes are of the same types, and a derivative with respect to an object
is an object of its class. The trace sees a copy of each object (`pytrees.OBJECT`), whose attributes it may assign.

What is not taken apart stays part of the specialisation, and what is read of it is looked up at each call
(values/captured_values): an object without numbers, one whose class has its own idea of attributes, and all of them where an
object or a container can be reached in two ways, so that a change through the one would have to be seen through the other.
"""
from __future__ import annotations

import collections
import threading
import types
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from ...ir.errors import TracegradError, UnsupportedError
from .. import pytrees, tracing
from ..values import captured_values
from ..values.boxes import Box
from . import list_arguments, signature

if TYPE_CHECKING:
    from ..tracing import Trace

MOST, DEEPEST = 1000, 20              # attributes of one argument; objects in objects
_PROTOCOLS = ("__array__", "__array_interface__", "__dlpack__", "__tracegrad_call__", "__getattr__", "__next__", "__fspath__")
_known: weakref.WeakKeyDictionary[type, bool] = weakref.WeakKeyDictionary()


class Hidden:
    """What stands for an attribute of an argument that is no number, until the program reads it: a history that grows from call
    to call, a name, a lock or a file shall not make each call another one."""

    def __init__(self, cls: type, name: str):
        self.place = cls, name

    def reveal(self, *_: Any, **__: Any) -> NoReturn:
        raise tracing.Reveal(*self.place)

    __iter__ = __len__ = __bool__ = __getitem__ = __contains__ = __add__ = __radd__ = __mul__ = __rmul__ = reveal

    def __repr__(self) -> str:
        return "not read"


def show_all(x: Any) -> None:
    """All attributes of an object are about to be looked at."""
    for value in pytrees.attributes(x).values():
        if type(value) is Hidden:
            value.reveal()


_STATE = threading.local()
_hidden: dict[tuple[type, str], Hidden] = {}
Revealed = set[tuple[type, str | None]]
_CONTAINERS = (list, dict, set, collections.deque, collections.defaultdict, collections.OrderedDict)
_SEEN = (bool, int, float, complex, type(None), Box, Hidden)


@contextmanager
def hiding(revealed: Revealed | None) -> Iterator[None]:
    """In this block attributes of objects that are no numbers are hidden, but for the revealed ones; for None no one is.
    Revealed classes (their attribute is None) are those whose objects are taken apart even if they hold no numbers."""
    before, _STATE.revealed = getattr(_STATE, "revealed", None), revealed
    try:
        yield
    finally:
        _STATE.revealed = before


def hides() -> bool:
    return getattr(_STATE, "revealed", None) is not None


def _seen(cls: type, name: str, value: Any) -> Any:
    revealed = getattr(_STATE, "revealed", None)
    if revealed is None or (cls, name) in revealed or not _hides(value):
        return value
    found = _hidden.get((cls, name))
    return _hidden.setdefault((cls, name), Hidden(cls, name)) if found is None else found


def _hides(x: Any) -> bool:
    """Whether an attribute waits for being read: a container, and all that is part of the specialisation."""
    if type(x) in _CONTAINERS:
        return True
    if isinstance(x, _SEEN) or is_open(type(x)) or pytrees.kind_of(x) is not None:
        return False
    try:
        return signature.abstract(x).kind == "static"
    except TracegradError:
        return True


pytrees.SEEN[0] = _seen
pytrees.LEAVES.append(Box)


captured_values.SHOWN[0] = show_all


class Reference:
    """An object or container in what a program returns or assigns: of the call, or `made` by the program and met before."""

    __slots__ = ("made", "number")

    def __init__(self, number: int, made: bool = False):
        self.number, self.made = number, made


class _Shared(Exception):
    """Something can be reached in two ways."""


def is_open(cls: type) -> bool:
    """Whether the attributes of an instance say all: a user's class that leaves to Python how they are read and written."""
    found = _known.get(cls)
    if found is None:
        found = _known[cls] = (
            captured_values.users(cls) and cls.__new__ is object.__new__ and not issubclass(cls, (BaseException, type))
            and cls.__getattribute__ is object.__getattribute__ and cls.__setattr__ is object.__setattr__
            and type(cls).__call__ is type.__call__ and not any(hasattr(cls, name) for name in _PROTOCOLS))
    return found


def opener(arguments: Any, leaves: list) -> Callable[[Any], pytrees.Kind | None] | None:
    """What opens the objects among the leaves of a call's arguments, for `pytrees.flatten`; None where none is opened."""
    sets = _sets_among(arguments) if any(type(x) is set for x in leaves) else set()
    opened: set[int] = set()
    if any(is_open(type(x)) for x in leaves):
        try:
            _visit(arguments, opened, set(), 0)
        except (_Shared, RecursionError):
            opened = set()
    if not opened and not sets:
        return None
    return lambda x: pytrees.OBJECT if id(x) in opened else pytrees.SET if id(x) in sets else None


def _sets_among(arguments: Any) -> set[int]:
    """The addresses of the sets that are arguments, or stand in tuples that are: those that are met once, of members alike."""
    if tracing.active() is not None:
        return set()                                    # members of those that a program makes are its own
    found: list[Any] = []

    def visit(x: Any) -> None:
        if type(x) in (list, tuple) and (x is arguments or type(x) is tuple):
            for child in x:
                visit(child)
        elif type(x) is set and _alike(x):
            found.append(x)

    visit(arguments)
    times = collections.Counter(map(id, found))
    return {address for address, n in times.items() if n == 1}


def _alike(members: set) -> bool:
    """Whether a set can be taken apart: all its members are texts, or numbers of one type, or tuples of such."""
    shapes = {tuple(map(type, x)) if type(x) is tuple else type(x) for x in members}
    parts = [cls for shape in shapes for cls in (shape if type(shape) is tuple else (shape,))]
    return len(shapes) <= 1 and all(cls in _MEMBERS for cls in parts)


_MEMBERS = (int, float, bool, str, np.int64, np.int32, np.float64, np.float32)


def _visit(x: Any, opened: set[int], seen: set[int], depth: int) -> bool:
    """Walk a tree: add to `opened` the objects in it that can be opened. Returns whether it holds numbers.

    Raises _Shared where a container or an object that may be opened is met again.
    """
    kind = pytrees.kind_of(x)
    if kind is None and (not is_open(type(x)) or signature.gives_array(x)):
        return isinstance(x, (float, complex, np.ndarray, np.inexact, Box, Hidden)) or type(x) is int
    if kind is pytrees.NONE:
        return False
    if id(x) in seen or depth > DEEPEST or len(seen) > MOST:
        raise _Shared
    if kind is not pytrees.TUPLE:
        seen.add(id(x))
    children = kind.split(x)[0] if kind is not None else pytrees.OBJECT.split(x)[0]
    numbers = [_visit(child, opened, seen, depth + 1) for child in children]
    numbers.append((type(x), None) in (getattr(_STATE, "revealed", None) or ()))
    if kind is None and any(numbers) and all(map(_is_plain, children)) and not _is_behind_descriptors(x):
        opened.add(id(x))
    return any(numbers)


def _is_behind_descriptors(x: Any) -> bool:
    """Whether reading an attribute gives something else than what the instance has under this name."""
    return any(hasattr(type(getattr(type(x), name, None)), "__set__") for name in getattr(x, "__dict__", ()))


def _is_plain(x: Any) -> bool:
    """Whether an attribute can be an argument: a number, an array, an object, what is part of the specialisation."""
    if isinstance(x, types.MethodType):
        return False                                    # it may lead back to the object
    if type(x) is Hidden:
        return True
    if pytrees.kind_of(x) is not None or is_open(type(x)):
        return True
    try:
        signature.abstract(x)
    except TracegradError:
        return False
    return True


def shared_among(objects: tuple) -> tuple[tuple[int, int], ...]:
    """(number, earlier number) of the objects and containers of a call that come again."""
    if len(objects) < 2 or len({id(x) for x in objects}) == len(objects):
        return ()
    first: dict[int, int] = {}
    return tuple([(k, earlier) for k, x in enumerate(objects) if (earlier := first.setdefault(id(x), k)) != k])


def put_together(structure: pytrees.TreeDef, held: list, shared: tuple[tuple[int, int], ...]) -> tuple[tuple, dict]:
    """The arguments of a call of this structure: of objects that are one, there is one. Their leaves in `held`, too."""
    if not shared:
        return structure.unflatten(held)
    again, at = dict(shared), 0
    made: list[Any] = []
    starts: list[int] = []

    def build(part: pytrees.TreeDef) -> Any:
        nonlocal at
        start = at
        if part.kind is None:
            at += 1
            return held[start]
        number = len(made) if part.kind in HOLDERS else None
        if number is not None:
            made.append(None)
            starts.append(start)
        found = part.kind.join(part.meta, [build(child) for child in part.children])
        if number is None:
            return found
        if number in again:
            first = again[number]
            found, held[start:at] = made[first], held[starts[first]:starts[first] + at - start]
        made[number] = found
        return found

    positional, keyword = structure.children
    return (tuple([build(child) for child in positional.children]),
            dict(zip(keyword.meta[0], [build(child) for child in keyword.children])))


HOLDERS = (pytrees.OBJECT, pytrees.DATACLASS, pytrees.DICT, pytrees.DEFAULT, pytrees.ORDERED, pytrees.LIST, pytrees.SET,
           pytrees.DEQUE)
_LISTS = (list, collections.deque)


def objects_of(x: Any, structure: pytrees.TreeDef) -> Iterator[Any]:
    """The objects and containers that can be assigned to, which a structure has taken apart, in its order."""
    kind = structure.kind
    if kind is None or kind is pytrees.NONE:
        return
    if kind in HOLDERS:
        yield x
    for child, below in zip(kind.split(x)[0], structure.children):
        yield from objects_of(child, below)


def keys_of(structure: pytrees.TreeDef) -> Sequence[Any]:
    """The attributes, keys or positions under which one of the HOLDERS has its children."""
    kind = structure.kind
    if kind in (pytrees.LIST, pytrees.SET, pytrees.DEQUE):
        return range(len(structure.children))
    return structure.meta[1 if kind in (pytrees.OBJECT, pytrees.DATACLASS) else 0]


class Assigned(NamedTuple):
    """What a program assigned to the objects and containers of a call: (number, attribute or key) of each value."""

    places: tuple[tuple[int, Any], ...] = ()
    values: tuple = ()


def contents(x: Any) -> dict[Any, Any]:
    """What an object or a container holds, by attribute, key or position."""
    return dict(x) if isinstance(x, dict) else dict(enumerate(x)) if isinstance(x, _LISTS) else pytrees.attributes(x)


def assigned(trace: Trace, held: list, before: list[dict[Any, Any]], originals: tuple,
             lists: Sequence[list_arguments.StandIn] | None = None) -> Assigned:
    """What has changed in the trace's copies of the objects and containers, and in the lists that stand for some of them.
    lists: None where items cannot be taken out, as the objects are those of an enclosing trace."""
    found: dict[tuple[int, Any], Any] = {(x.number, list_arguments.ALL): x.contents() for x in lists or () if x.changed}
    for number, (x, old) in enumerate(zip(held, before)):
        if any(x is y for y in held[:number]):
            continue
        now = contents(x)
        gone = [key for key in old if key not in now]
        moved = isinstance(x, dict) and [*now][:len(old)] != [*old]           # taken out and put in again: then it is the last
        if (gone or moved) and lists is not None and isinstance(x, (dict, *_LISTS)):
            found[number, list_arguments.ALL] = dict(x) if isinstance(x, dict) else list(x)
            continue
        if gone:
            raise UnsupportedError(f"taking {gone[0]!r} out of an argument cannot be compiled: its caller would not see it",
                                   "assign None to it, or work on a copy, and return that", tracing.locate())
        found |= {(number, key): value for key, value in now.items() if key not in old or value is not old[key]}
    for number in {number for number, _ in found}:
        if id(originals[number]) in trace.outside:
            raise UnsupportedError(
                f"a {type(originals[number]).__name__} that is an argument is assigned to, and can also be reached in another "
                "way", "reach it through one argument only", tracing.locate())
    return Assigned(tuple(found), tuple(found.values()))


def restore(held: list, before: list[dict[Any, Any]]) -> None:
    """Give the trace's copies what they held at first."""
    for x, old in zip(held, before):
        if isinstance(x, dict):
            x.clear()
            x.update(old)
        elif isinstance(x, _LISTS):
            x.clear()
            x.extend(old.values())
        else:
            for name in pytrees.attributes(x):
                pytrees.remove_attribute(x, name)
            for name, value in old.items():
                pytrees.set_attribute(x, name, value)


class Met:
    """Which objects and containers were met in what a program returns, and how to refer to them where they come again."""

    def __init__(self, own: list, opened: Callable[[Any], pytrees.Kind | None], lists: Sequence[list_arguments.StandIn] = ()):
        self.own = {id(x): number for number, x in enumerate(own)} | {id(x.held): x.number for x in lists}
        self.made: dict[int, int] = {}
        self.opened = opened

    def __call__(self, x: Any) -> bool:
        """Whether there is a reference to it. For `pytrees.flatten`, which asks for everything in its order."""
        if id(x) in self.own or id(x) in self.made:
            return True
        if (pytrees.kind_of(x) or self.opened(x)) in HOLDERS:
            self.made[id(x)] = len(self.made)
        return False

    def reference(self, x: Any) -> Reference | None:
        if id(x) in self.own:
            return Reference(self.own[id(x)])
        return Reference(self.made[id(x)], True) if id(x) in self.made else None


def _referred(x: Any, structure: pytrees.TreeDef, originals: tuple, made: list) -> Any:
    """Put into a tree what its references stand for; adds to `made` its objects and containers, in the order of `Met`."""
    kind = structure.kind
    if kind is None:
        return (made if x.made else originals)[x.number] if type(x) is Reference else x
    if kind is pytrees.NONE or (kind is not pytrees.OBJECT and pytrees.kind_of(x) is not kind):
        return x                                      # of the latter the call has made something else: a text, a dict, a list
    if kind in HOLDERS:
        made.append(x)
    before, meta = kind.split(x)
    now = [_referred(child, below, originals, made) for child, below in zip(before, structure.children)]
    if kind not in HOLDERS:
        return kind.join(meta, now) if any(a is not b for a, b in zip(before, now)) else x
    for key, old, value in zip(keys_of(structure), list(before), now):
        if value is not old:
            _assign(x, key, value, originals)
    return x


def _assign(x: Any, key: Any, value: Any, originals: tuple) -> None:
    if key == list_arguments.ALL and isinstance(x, (dict, set, *_LISTS)) and isinstance(value, (list, dict, set)):
        list_arguments.fill(x, value, {id(own) for own in originals})
    elif isinstance(x, _LISTS) and key == len(x):
        x.append(value)
    elif isinstance(x, (dict, *_LISTS)):
        x[key] = value
    else:
        pytrees.set_attribute(x, key, value)


def delivered(returned: Any, structure: pytrees.TreeDef, places: tuple[tuple[int, Any], ...], originals: tuple) -> Any:
    """What a call returns, of what its program returned: the objects of the call stand in their places, and have been given
    what the program assigned to them."""
    returned = _referred(returned, structure, originals, [])
    if not places:
        return returned
    returned, values = returned
    for (number, key), value in zip(places, values):
        _assign(originals[number], key, value, originals)
    return returned
