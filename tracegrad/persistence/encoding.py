"""What a specialisation refers to, as JSON and back: values, structures, locations, and where captured arrays are found.

    value ::= null | true | 3 | "text" | ["f", hexadecimal float] | ["j", re, im] | ["b", hex] | ["t", value…] (a tuple)
           |  ["n", dtype, hex]                   a NumPy scalar
           |  ["d", text] | ["..."]               a dtype of NumPy's own, Ellipsis
           |  ["m", name] | ["s", name]           a module that has been imported, and its names
           |  ["k", number]                       the code of a function that the fingerprint has met
           |  ["o", number]                       an object that the fingerprint has met, under that number
           |  ["c", module, name]                 a class or function of a library that tracing may depend on (purity.py)
    tree  ::= "*" | [kind, value, tree…]
    in    ::= ["held", class, dtype, shape, strides, dims, param, null or [part, strides]]
           |  ["same", first, param] | ["unread"] | ["static", value] | ["node", class, keys, in…]
           |  ["scalar", kind, dtype, param] | ["weak", value] | ["type", class] | ["absent"] | ["kept", class, value…]
           |  ["parts", in, [kind, value, in]…]
    class ::= "name" (of Python's or NumPy's own) | value
    given ::= [["item" | "cell" | "attr", value, value], in]  |  [["itself", value], in]
           |  [["item", names of a library's module, value], ["named", module and name of a class, what the object holds]]

Nothing is executed to read this: classes are found in modules that have been imported already.
"""
from __future__ import annotations

import collections.abc
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.errors import Frame, Loc, SlopeFrame
from ..ir.ops.checks import own_class, users_class
from ..ir.ops.random import KINDS
from ..ir.types import DTYPES
from ..lowering.call.calling_convention import (
    BY_VALUE,
    AbsentIn,
    HeldIn,
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
)
from ..tracer import pytrees
from ..tracer.pytrees import LEAF, TreeDef
from ..tracer.values.python import chosen_texts, optional_values
from .fingerprint import Fingerprint
from .purity import is_pure

_KINDS = {kind.name: kind for kind in (
    pytrees.NONE, pytrees.TUPLE, pytrees.LIST, pytrees.DICT, pytrees.ORDERED, pytrees.DEFAULT, pytrees.NAMED, pytrees.BUNCH,
    pytrees.DATACLASS, pytrees.SPARSE, pytrees.DEQUE, pytrees.SLICE, optional_values.KIND, chosen_texts.KIND)}
_BUILTIN: dict[str, type] = {"tuple": tuple, "list": list, "dict": dict, "ndarray": np.ndarray, "memmap": np.memmap,
                             "method": types.MethodType}
_ORDERED = (bool, int, float, complex)                # whose hashes are the same in every process
_UFUNCS = ("numpy", "scipy.special")                  # modules that have ufuncs under their names


class NotStorable(Exception):
    """Something cannot be written so that another process finds it again."""


class Encoder:
    """Writes. `parts` are the arrays that are written beside the JSON."""

    def __init__(self, seen: Fingerprint):
        self.seen = seen
        self.parts: list[bytes] = []

    def value(self, x: Any, identity: bool = False) -> Any:
        """`identity`: the object itself is meant, not one that is equal."""
        if x is None or type(x) in (bool, int, str):
            return x
        if type(x) is float:
            return ["f", x.hex()]
        if isinstance(x, types.ModuleType) and sys.modules.get(x.__name__) is x:
            return ["m", x.__name__]
        number = self.seen.number(x)
        if number is not None:
            return ["o", number]
        if (module := _module_of(x)) is not None:
            return ["s", module]
        if id(x) in self.seen.codes:
            return ["k", self.seen.codes[id(x)]]
        if x is ...:
            return ["..."]
        if isinstance(x, np.dtype) and np.dtype(x.str) is x:
            return ["d", x.str]
        if isinstance(x, type) or callable(x):
            return self.library(x)
        if identity:
            raise NotStorable(f"it refers to a '{type(x).__qualname__}' that no name leads to")
        if type(x) is complex:
            return ["j", x.real.hex(), x.imag.hex()]
        if type(x) is bytes:
            return ["b", x.hex()]
        if type(x) is tuple:
            return ["t", *map(self.value, x)]
        if isinstance(x, np.generic) and not x.dtype.hasobject:
            return ["n", x.dtype.str, x.tobytes().hex()]
        raise NotStorable(f"it refers to a '{type(x).__qualname__}'")

    def library(self, x: Any) -> list:
        module, name = _name_of(x)
        if module is None or not is_pure(module) or _found(module, name) is not x:
            raise NotStorable(f"it refers to {module}.{name}, which no name leads to")
        return ["c", module, name]

    def tree(self, structure: TreeDef) -> Any:
        if structure.kind is None:
            return "*"
        if _KINDS.get(structure.kind.name) is not structure.kind:
            raise NotStorable(f"it returns a {structure.kind.name}, a container that the user has registered")
        return [structure.kind.name, self.value(structure.meta), *map(self.tree, structure.children)]

    def given(self, what: Callable | Place, layout: In) -> list:
        if type(what) is Place:
            place = [what.kind, self.value(what.holder, True), self.value(what.key)]
        else:
            place = ["itself", self.value(what, True)]
        try:
            return [place, self.layout(layout)]
        except NotStorable:
            if type(what) is Place and what.kind == "item" and is_pure(_module_of(what.holder)):
                found = what.find()
                return [place, ["named", *_class_name(found), [[key, self.value(x)] for key, x in _state(found).items()]]]
            raise

    def layout(self, x: In) -> list:
        match x:
            case HeldIn():
                if x.kind.kind not in "biufc":
                    raise NotStorable(f"it depends on an array of {x.kind}")
                return ["held", self.builtin(x.cls), x.kind.str, x.shape, x.strides, x.dims, x.param, self.kept(x.kept)]
            case SameIn(first, param):
                return ["same", first, param]
            case UnreadIn():
                return ["unread"]
            case StaticIn(value):
                return ["static", self.value(value, not isinstance(value, (*BY_VALUE, np.generic)))]
            case ScalarIn(kind, dtype, param) if kind not in KINDS:
                return ["scalar", kind, dtype.name, param]
            case WeakIn() if x.reference() is not None:
                return ["weak", self.value(x.reference(), True)]
            case TypeIn(kind):
                return ["type", self.type_of(kind)]
            case AbsentIn():
                return ["absent"]
            case KeptIn(kind, items):
                if issubclass(kind, collections.abc.Set) and not all(type(y) in _ORDERED for y in items):
                    raise NotStorable("it goes through a set, whose order is another in each process")
                return ["kept", self.type_of(kind), *map(self.value, items)]
            case PartsIn(whole, parts):
                return ["parts", self.layout(whole), *[[k, self.value(key), self.layout(part)] for k, key, part in parts]]
            case Node(kind, children, keys, None):
                return ["node", self.builtin(kind), self.value(tuple(keys)), *map(self.layout, children)]
        raise NotStorable(f"it looks up a {type(x).__name__}")

    def error(self, name: str) -> Any:
        """The name of an exception class in a check, or the user's class that it stands for."""
        cls = users_class(name)
        return name if cls is None else self.value(cls, True)

    def type_of(self, cls: type) -> Any:
        return cls.__name__ if _BUILTIN.get(cls.__name__) is cls else self.value(cls, True)

    def builtin(self, cls: type) -> str:
        if _BUILTIN.get(cls.__name__) is not cls:
            raise NotStorable(f"it looks up a '{cls.__qualname__}'")
        return cls.__name__

    def kept(self, x: np.ndarray | None) -> list | None:
        """The number of the part with an array's elements, and how they lie in memory."""
        if x is None:
            return None
        self.parts.append(x.tobytes())
        return [len(self.parts) - 1, x.strides]


class Decoder:
    """Reads. Raises an exception of any kind where something is not as it should be."""

    def __init__(self, seen: Fingerprint, parts: list[bytes]):
        self.seen, self.parts = seen, parts

    def value(self, x: Any) -> Any:
        if type(x) is not list:
            return x
        kind, *rest = x
        match kind:
            case "f":
                return float.fromhex(rest[0])
            case "o":
                return self.seen.objects[rest[0]]
            case "m":
                return sys.modules[rest[0]]
            case "s":
                return vars(sys.modules[rest[0]])
            case "k":
                return self.seen.objects[rest[0]].__code__
            case "d":
                return np.dtype(rest[0])
            case "...":
                return ...
            case "c":
                module, name = rest
                found = _found(module, name)
                if not is_pure(module) or _name_of(found) != (module, name):
                    raise ValueError(f"{module}.{name} is no part of a library, or not as it was")
                return found
            case "j":
                return complex(*map(float.fromhex, rest))
            case "b":
                return bytes.fromhex(rest[0])
            case "t":
                return tuple(map(self.value, rest))
            case "n":
                return np.frombuffer(bytes.fromhex(rest[1]), np.dtype(rest[0]))[0]
        raise ValueError(f"there is no value of kind {kind!r}")

    def tree(self, x: Any) -> TreeDef:
        if x == "*":
            return LEAF
        kind, meta, *children = x
        return TreeDef(_KINDS[kind], self.value(meta), tuple(map(self.tree, children)))

    def error(self, x: str) -> str:
        if type(x) is str:
            return x
        name = own_class(self.value(x))
        if name is None:
            raise ValueError("an exception class is not as it was")
        return name

    def given(self, x: Any) -> tuple[Any, In]:
        (kind, holder, *key), layout = x
        what = self.value(holder)
        if kind == "itself":
            return what, self.layout(layout)
        place = Place(kind, what, self.value(key[0]))
        if layout[0] == "named":
            *named, state = layout[1:]
            found = place.find()
            if _class_name(found) != tuple(named) or repr(_state(found)) != repr({k: self.value(x) for k, x in state}):
                raise ValueError(f"{place.key} of a module is not as it was")
            return place, StaticIn(found)
        return place, self.layout(layout)

    def layout(self, x: Any) -> In:
        kind, *rest = x
        match kind:
            case "held":
                cls, dtype, shape, strides, dims, param, kept = rest
                shape, dtype = tuple(shape), np.dtype(dtype)
                elements = None if kept is None else _array(self.parts[kept[0]], dtype, shape, kept[1])
                return HeldIn.described(_BUILTIN[cls], dtype, shape, tuple(strides), tuple(dims), param, elements)
            case "same":
                return SameIn(*rest)
            case "unread":
                return UnreadIn()
            case "static":
                return StaticIn(self.value(rest[0]))
            case "scalar":
                return ScalarIn(rest[0], DTYPES[rest[1]], rest[2])
            case "weak":
                return WeakIn(self.value(rest[0]))
            case "type":
                return TypeIn(self.type_of(rest[0]))
            case "absent":
                return AbsentIn()
            case "kept":
                return KeptIn(self.type_of(rest[0]), tuple(map(self.value, rest[1:])))
            case "parts":
                first, *parts = rest
                whole = self.layout(first)
                if not isinstance(whole, (StaticIn, WeakIn, TypeIn, KeptIn)):
                    raise ValueError(f"parts of a {type(whole).__name__}")
                return PartsIn(whole, tuple([(k, self.value(key), self.layout(part)) for k, key, part in parts]))
            case "node":
                return Node(_BUILTIN[rest[0]], tuple(map(self.layout, rest[2:])), self.value(rest[1]))
        raise ValueError(f"there is no layout of kind {kind!r}")

    def type_of(self, x: Any) -> type:
        return _BUILTIN[x] if isinstance(x, str) else self.value(x)


def _array(data: bytes, dtype: np.dtype, shape: Any, strides: Any) -> np.ndarray:
    """An array of a dense block of memory, from its elements in C order."""
    made = np.ndarray(shape, dtype, bytearray(len(data)), strides=strides)
    made[...] = np.frombuffer(data, dtype).reshape(shape)
    return made


def _found(module: str, name: str) -> Any:
    found = sys.modules[module]
    for part in name.split("."):
        found = getattr(found, part)
    return found


def _name_of(x: Any) -> tuple[str | None, str]:
    """(module, name) of a class or function of a library."""
    if isinstance(x, np.ufunc):
        name = x.__name__
        return next((m for m in _UFUNCS if m in sys.modules and getattr(sys.modules[m], name, None) is x), None), name
    owner = x.__self__ if isinstance(x, types.BuiltinFunctionType) else getattr(x, "__objclass__", None)        # object.__new__
    module = getattr(x, "__module__", None) or getattr(owner, "__module__", None)
    return module, getattr(x, "__qualname__", "")


def _module_of(x: Any) -> str | None:
    """The name of the module whose names these are."""
    name = x.get("__name__") if type(x) is dict else None
    module = sys.modules.get(name) if type(name) is str else None
    return name if module is not None and vars(module) is x else None


def _class_name(x: Any) -> tuple[str, str]:
    return type(x).__module__, type(x).__qualname__


def _state(x: Any) -> dict[str, Any]:
    """What an object holds. NotStorable where Python does not see all of that."""
    cls = type(x)
    members = {key: m for base in cls.__mro__ for key, m in vars(base).items() if type(m) is types.MemberDescriptorType}
    words = len(members) + (cls.__dictoffset__ > 0) + (cls.__weakrefoffset__ > 0)
    if cls.__itemsize__ or cls.__basicsize__ != object.__basicsize__ + words * tuple.__itemsize__:
        raise NotStorable(f"it refers to a '{cls.__qualname__}'")
    state = dict(getattr(x, "__dict__", {}))
    for key, member in members.items():
        try:
            state[key] = member.__get__(x)
        except AttributeError:                       # a slot without a value
            continue
    return dict(sorted(state.items()))


def loc_out(loc: Loc) -> list:
    return [[*frame, int(isinstance(frame, SlopeFrame))] for frame in loc]


def loc_in(x: list[list[Any]]) -> Loc:
    return tuple((SlopeFrame if slope else Frame)(*frame) for *frame, slope in x)


def message_in(x: Any) -> str | tuple:
    """The message of a check (ir/ops/checks.py), whose tuples have become lists."""
    return tuple(map(message_in, x)) if type(x) is list else x
