"""What traced code reads of Python objects that exist outside of the trace: each value, with the place that it was found at.

A name of a module or of a closure is a root. What it leads to is told apart by parts, as far as the program looks: attributes,
items, the fields of a function that is called. Whoever compiles the program makes checks of these readings: a call finds the
program again only where every place holds what it held.

    K = 2.0; cfg = Config(rate=0.1)

    def f(x):                                  ("item", globals, "K")     2.0
        return x * K * cfg.rate                ("item", globals, "cfg")   the object    ("attr", "rate")   0.1

A number that has changed twice since the function was first traced is an input: the program reads it at each call. Where the
trace needs it as a number, it starts again (`tracing.Restart`), as for the elements of captured arrays.
"""
from __future__ import annotations

import collections
import collections.abc
import enum
import functools
import sys
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.build import const
from ...ir.core import Const
from ...ir.types import C128, F64, I64
from .. import attributes, tracing
from ..attributes import fixed, users
from . import memory_layout
from .boxes import Box, ScalarBox
from .captured_arrays import note_read
from .promotion import to_dtype

if TYPE_CHECKING:
    from ..tracing import Trace

ABSENT = type("Absent", (), {"__repr__": lambda self: "nothing"})()
ATOMS = (bool, int, float, complex, str, bytes, type(None), np.generic, np.dtype, types.CodeType, range, slice, type(Ellipsis))
KEYS = (str, int, float, bool, type(None))          # keys of a dict that are looked up without running code of the user
ALL, _LONGEST, _MOST = 100, 100_000, 20_000            # containers inside of each other, items of one, objects in all
_WEAK = {float: ("float", F64), int: ("int", I64), complex: ("complex", C128)}


class Reading:
    """What was read at one place.

    path   the places from the root on;  parts  (kind, key) -> what was read of the value;  whole  whether all of it was
    raw    whether Python has got the value;  const  what stands for it in the program where it is an input
    itself whether which object it is may matter: it was compared, returned, used as a key or handed to a library
    exact  the same of a list, tuple or dict, where an equal one will not do: `is` was asked
    """

    __slots__ = ("const", "exact", "itself", "parts", "path", "raw", "value", "whole")

    def __init__(self, value: Any, path: tuple):
        self.value, self.path = value, path
        self.parts: dict[tuple, Reading] = {}
        self.whole = self.raw = self.exact = False
        self.itself = not attributes.plain(type(value))
        self.const: Const | None = None


# --- roots -----------------------------------------------------------------------------------------------------------

def rooted(trace: Trace, kind: str, holder: Any, key: str | tuple | None, found: Any, value: Any) -> Any:
    if (id(holder), key) in trace.rebound:
        return value                                                     # what the program itself has put there for a while
    path = ((kind, id(holder), key),)
    known = trace.reads.get(path)
    if known is None:
        if trace.freezing or _inside(trace, value):
            return value
        known = trace.reads[path] = kind, holder, key, _reading(trace, found, path)
    return value if found is ABSENT else _given(trace, known[3])


def root(trace: Trace, x: Any) -> Reading:
    """An object that the trace starts from: a function that ran, a class, the object of a method."""
    known = trace.outside.get(id(x))
    if known is None:
        path = (("object", id(x), None),)
        known = _reading(trace, x, path)
        trace.reads[path] = "object", x, None, known
    return known


def owner(trace: Trace, x: Any) -> None:
    """The container of whom a function outside is a method: `look = TABLE.get`."""
    if id(x) in trace.outside and type(x) in METHODS and not trace.freezing and isinstance(x.__self__, _OWNERS):
        root(trace, x.__self__)


METHODS = (types.BuiltinFunctionType, types.MethodWrapperType)
_OWNERS = (list, dict, set, collections.deque, bytearray)


def start(trace: Trace, x: Any) -> None:
    """The callable that is traced, or an argument that is part of the specialisation."""
    if isinstance(x, types.MethodType):
        x = x.__self__
    if not isinstance(x, (*ATOMS, np.ndarray)) and not _inside(trace, x) and (users(type(x)) or isinstance(x, _WRAPPERS)):
        root(trace, x)


_WRAPPERS = (functools.partial,)


def entered(trace: Trace, function: types.FunctionType) -> None:
    """A user's function runs: its code and its defaults are part of the program."""
    if trace.freezing:
        return
    reading = root(trace, function)
    for field in ("__code__", "__defaults__", "__kwdefaults__"):
        if ("field", field) not in reading.parts:
            made = _part(trace, reading, "field", field, getattr(function, field))
            if type(made.value) in (tuple, dict):
                _all(trace, made)


# --- parts -----------------------------------------------------------------------------------------------------------

def attribute(held: Any, key: str, value: Any) -> Any:
    """held.key, which is `value`: itself, or the box of an input."""
    trace = tracing.active()
    if trace is None or trace.freezing:
        return value
    cls = type(held)
    if cls is types.ModuleType:
        space = vars(held)
        if key == "__dict__":
            root(trace, space)
            return value
        if attributes.of_package(held.__name__):
            return value
        if key in space:
            return rooted(trace, "item", space, key, value, value)
        if fixed(held.__name__):
            return value                                             # a module that NumPy or SciPy imports when it is asked for
        return rooted(trace, "attr", held, key, value, value) if isinstance(value, ATOMS) else value      # its __getattr__
    if isinstance(held, type):
        return _given(trace, _part(trace, root(trace, held), "attr", key, value)) if users(held) else value
    if cls is super:
        ancestors(held.__self_class__)
        _of_class(trace, held.__thisclass__ if held.__self_class__ is None else attributes.after(held, key), key)
        return value
    reading = trace.outside.get(id(held))
    if issubclass(cls, enum.Enum) and key == "value" and "_value_" in attributes.own(held):
        key = "_value_"                                                  # what Enum's own property reads
    if reading is None and users(cls) and not issubclass(cls, tuple) and not _inside(trace, held):
        reading = root(trace, held)                                      # an item of a set, what a weak reference gave
    if reading is None:
        if users(cls) and key not in attributes.own(held):
            _of_class(trace, cls, key)
        return value
    if isinstance(value, (types.BuiltinFunctionType, types.MethodWrapperType)) and value.__self__ is held:
        return value                                                     # a method written in C, bound anew by each look
    if attributes.computed(held, cls, key):
        if attributes.is_dict(cls) and type(key) in KEYS and key in held:          # __getattr__ = dict.__getitem__
            return item(held, key, value)
        opaque(trace, reading)
        if not isinstance(value, ATOMS):
            if users(cls) and key not in attributes.own(held):
                special(cls, key)
            return value
    return _given(trace, _part(trace, reading, "attr", key, value))


def class_of(held: Any) -> None:
    """Which class an object is of decides something: `held.__class__ = Other` is seen."""
    trace = tracing.active()
    reading = None if trace is None or trace.freezing else trace.outside.get(id(held))
    if trace is not None and reading is not None and users(type(held)):
        _part(trace, reading, "attr", "__class__", type(held))


def class_part(cls: type, key: str) -> None:
    """A method or property that was found in a class is about to run."""
    trace = tracing.active()
    if trace is not None and not trace.freezing and users(cls):
        _of_class(trace, cls, key)


def state(held: Any, key: str) -> None:
    """An attribute of an object of this package that a user may set."""
    trace = tracing.active()
    if trace is not None and not trace.freezing:
        _all(trace, _part(trace, root(trace, held), "attr", key, getattr(held, key)))


def absent(held: tuple[np.ndarray | Box, ...] | type, key: str) -> None:
    """An object was found to have no such attribute."""
    trace = tracing.active()
    if trace is None:
        return
    reading = trace.outside.get(id(held))
    if reading is not None and not trace.freezing:
        _part(trace, reading, "attr", key, ABSENT)
    elif isinstance(held, types.ModuleType) and not attributes.of_package(held.__name__):
        rooted(trace, "item", vars(held), key, ABSENT, None)


def item(held: Any, key: Any, value: Any) -> Any:
    """held[key], which is `value` (ABSENT: there is none) of a list, tuple or dict, or of what a library made."""
    trace = tracing.active()
    reading = None if trace is None else trace.outside.get(id(held))
    if trace is None or reading is None or trace.freezing:
        return value
    cls = type(held)
    if type(key) is int and (fields := attributes.fields(cls)):
        return attribute(held, fields[key], value)
    if users(cls):
        special(cls, "__getitem__")
    if (attributes.is_dict(cls) and type(key) in KEYS) or (cls in (list, tuple) and type(key) is int):
        return _given(trace, _part(trace, reading, "item", key, value))
    whole(held)
    if cls not in _CONTAINERS and not users(cls):
        handed_over(held)
    if not (cls in (list, tuple) or isinstance(value, (*ATOMS, np.ndarray)) or _inside(trace, value)):
        root(trace, value)                                               # a section of a ConfigParser, what a ChainMap found
    return value


def presence(held: Any, key: Any) -> None:
    """Whether a dict has a key decides something."""
    trace = tracing.active()
    if trace is None:
        return
    reading = trace.outside.get(id(held))
    if reading is not None and not trace.freezing and attributes.is_dict(type(held)) and type(key) in KEYS:
        _part(trace, reading, "item", key, dict.get(held, key, ABSENT))
    elif reading is not None and not trace.freezing and type(held) in (set, frozenset) and type(key) in KEYS:
        _part(trace, reading, "member", key, True if key in held else ABSENT)
    else:
        whole(held)


def whole(*held: Any, deep: int = 1) -> None:
    """Python is about to look at all that containers hold, and (deep > 1) at what those within hold."""
    trace = tracing.active()
    if trace is None or not trace.outside or trace.freezing:
        return
    for x in held:
        reading = trace.outside.get(id(x))
        if reading is not None and type(x) not in _NO_CONTAINERS:
            _all(trace, reading)
            if deep > 1:
                whole(*(part.value for part in reading.parts.values()), deep=deep - 1)
        elif reading is None and deep > 1 and type(x) in (list, tuple, dict):
            whole(*(x.values() if type(x) is dict else x), deep=deep - 1)


def compared(*held: Any) -> None:
    """Which objects these are decides something."""
    trace = tracing.active()
    if trace is None:
        return
    for x in held if trace.outside else ():
        if (reading := trace.outside.get(id(x))) is not None:
            reading.itself = True


def same(a: Any, b: Any) -> bool:
    """a is b"""
    compared(a, b)
    trace = tracing.active()
    if trace is not None and a is not b and id(a) in trace.given and id(b) in trace.given:
        trace.told_apart = True
    if trace is not None and isinstance(a, (*_CONTAINERS, np.ndarray)) and type(a) is type(b):
        for x in (a, b):
            for reading in (*filter(None, [trace.outside.get(id(x))]), *trace.ways.get(id(x), ())):
                reading.exact = True
    return a is b or (trace is not None and memory_layout.one(trace, a, b))


# What is done about an object that a library is about to look into (staging/argument_objects.py)
SHOWN: list[Callable[[Any], None]] = [lambda x: None]
# What is done about a function or object whose code is about to run untraced (calling/untraced.py)
UNTRACED: list[Callable[[Any], None]] = [lambda x: None]
# Whether all that matters of an object is the array that it gives, of which note has been taken (staging/foreign_arrays.py)
FOREIGN: list[Callable[[Any], bool]] = [lambda x: False]
_RUN = (types.FunctionType, types.MethodType, functools.partial)


def handed_over(*held: Any) -> None:
    """A library is about to read objects while the function is traced: all that they hold, and what these hold, matters."""
    trace = tracing.active()
    if trace is None or trace.freezing:
        return
    for x in held:
        if users(type(x)):
            SHOWN[0](x)
    seen: set[int] = set()
    todo = list(held)
    while todo and len(seen) < _MOST:
        x = todo.pop()
        if id(x) in seen or isinstance(x, ATOMS):
            continue
        seen.add(id(x))
        if "__array__" in vars(type(x)) and users(type(x)) and FOREIGN[0](x):
            continue                                                    # its class is its library's: nothing of the user's runs
        if type(x) in METHODS:
            owner(trace, x)
            todo.append(x.__self__)
        if type(x) in _RUN or type(x) is np.ufunc or users(type(x)):
            UNTRACED[0](x)
        if type(x) in _NO_CONTAINERS:
            continue
        reading = trace.outside.get(id(x))
        if reading is not None:
            opaque(trace, reading)
            todo += [part.value for part in reading.parts.values()]
        elif type(x) in _CONTAINERS:
            todo += x.values() if type(x) is dict else x


def asked(method: str, *held: Any) -> None:
    """Python is about to call a special method of objects, which is not traced: it may read all that they hold."""
    for x in held:
        cls = type(x)
        names = (method, *_BY_DEFAULT.get(method, ()))
        if not isinstance(x, ATOMS) and users(cls) and any(
                getattr(cls, name, None) is not getattr(object, name, None) for name in names):
            handed_over(x)
            for name in names if (trace := tracing.active()) is not None and not trace.freezing else ():
                special(cls, name)


# What a special method of object calls.
_BY_DEFAULT = {"__str__": ("__repr__",), "__format__": ("__str__", "__repr__"), "__ne__": ("__eq__",)}


def opaque(trace: Trace, reading: Reading) -> None:
    """Code that is not traced looks into an object: all of its items and attributes matter."""
    held, reading.itself = reading.value, True
    if issubclass(type(held), collections.abc.Collection):
        _all(trace, reading)
    own = attributes.own(held) | attributes.slots(held)
    if issubclass(type(held), enum.Enum) or FOREIGN[0](held):
        return
    note_read(*own.values())
    if not (users(type(held)) or type(held).__module__.partition(".")[0] in sys.stdlib_module_names):
        return
    shared = {key: value for base in reversed(type(held).__mro__) if users(base) for key, value in vars(base).items()
              if isinstance(value, (*ATOMS, *_CONTAINERS, set, frozenset, np.ndarray)) and not key.startswith("__")}
    for key in [key for key, value in shared.items() if isinstance(value, np.ndarray)]:
        note_read(shared[key])
        special(type(held), key)
        same(shared[key], shared[key])
        told(held, attributes.names)
    for key, value in (shared | own).items():
        if type(key) is str:
            as_python(trace, _part(trace, reading, "attr", key, value))


_CONTAINERS = (list, tuple, dict)
_NO_CONTAINERS = frozenset({types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type, types.MethodType})


def _all(trace: Trace, reading: Reading) -> None:
    x = reading.value
    reading.whole = True
    for field in attributes.fields(type(x)):
        as_python(trace, _part(trace, reading, "attr", field, getattr(x, field)))
    if type(x) not in _CONTAINERS or len(x) > _LONGEST:
        return
    for key, value in x.items() if type(x) is dict else enumerate(x):
        if type(x) is not dict or type(key) in KEYS:
            as_python(trace, _part(trace, reading, "item", key, value))


def _part(trace: Trace, reading: Reading, kind: str, key: Any, value: Any) -> Reading:
    known = reading.parts.get((kind, key))
    if known is None:
        known = reading.parts[kind, key] = _reading(trace, value, (*reading.path, (kind, key)))
    return known


def _reading(trace: Trace, value: Any, path: tuple) -> Reading:
    if isinstance(value, types.MethodType):                            # made anew by each look at the attribute
        made = Reading(value, path)
        for field in ("__func__", "__self__"):
            _part(trace, made, "field", field, getattr(value, field))
        return made
    if isinstance(value, np.ndarray):
        trace.ways.setdefault(id(value), []).append(made := Reading(value, path))
        return made
    if isinstance(value, ATOMS) or value is ABSENT or _inside(trace, value):
        return Reading(value, path)
    return trace.outside.setdefault(id(value), Reading(value, path))


def _inside(trace: Trace, value: Any) -> bool:
    """Whether the traced program made the object."""
    return isinstance(value, Box) or (not isinstance(value, ATOMS) and (id(value) in trace.shared or trace.maker(value) >= 0))


# --- inputs ----------------------------------------------------------------------------------------------------------

def _given(trace: Trace, reading: Reading) -> Any:
    """What the program gets: the value, or the box of an input."""
    if reading.const is None and not reading.raw and _varies(trace, reading):
        dtype = _WEAK[type(reading.value)][1] if type(reading.value) in _WEAK else to_dtype(reading.value.dtype)
        reading.const = const(np.array(reading.value, dtype.np), dtype, frozen=False)
        trace.inputs[reading.const] = reading.path
    if reading.const is not None:
        return ScalarBox(reading.const, _WEAK.get(type(reading.value), (None,))[0])
    reading.raw = True
    return reading.value


def _varies(trace: Trace, reading: Reading) -> bool:
    x = reading.value
    if reading.path not in trace.varying or trace.fixed is None or reading.path in trace.fixed:
        return False
    if isinstance(x, np.generic):
        return x.dtype.kind in "iufc" and x.dtype.itemsize <= 16
    return type(x) in _WEAK and (type(x) is not int or -2**63 <= x < 2**63)


def as_python(trace: Trace, reading: Reading) -> None:
    """Python takes the value itself."""
    if reading.const is not None:
        raise tracing.Restart(arrays={reading.path})
    reading.raw = True


def answered(held: Any, question: tuple, value: Any) -> None:
    """Python has answered a question about an object outside, which is asked again at each call (lowering/call/answers.py)."""
    trace = tracing.active()
    if trace is not None and not trace.freezing and not _inside(trace, held):
        rooted(trace, "asked", held, question, value, value)


def told(held: Any, function: Callable[[Any], Any]) -> None:
    """Something is known of an object outside that `function`, of this package, tells of it."""
    question = ("told", function)
    trace = tracing.active()
    if trace is None or trace.freezing or _inside(trace, held):
        return
    for reading in (ways := trace.ways.get(id(held), [])):               # an array: wherever the trace has found it
        _part(trace, reading, "asked", question, function(held))
    if not ways:
        answered(held, question, function(held))


def special(cls: type, key: str) -> None:
    """What stands in a class or its bases under a name, which is no value of the object's own."""
    answered(cls, ("special", key), next((vars(base)[key] for base in cls.__mro__ if key in vars(base)), None))


# --- classes ---------------------------------------------------------------------------------------------------------

def ancestors(cls: type) -> None:
    """In which classes Python looks for names decides something."""
    trace = tracing.active()
    if trace is not None and not trace.freezing and isinstance(cls, type) and users(cls) and not _inside(trace, cls):
        _all(trace, _part(trace, root(trace, cls), "attr", "__mro__", cls.__mro__))


def _of_class(trace: Trace, cls: type, key: str) -> None:
    if not users(cls):
        return
    try:
        value = getattr(cls, key)
    except AttributeError:
        return
    if not isinstance(value, types.MethodType) or isinstance(cls.__dict__.get(key), classmethod):
        _part(trace, root(trace, cls), "attr", key, value)
