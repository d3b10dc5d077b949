"""The types that Python would see: type(x), isinstance(x, kinds), where a stand-in takes the place of an object."""
from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...ir.ops.random import class_of
from ...ir.types import Array
from .. import pytrees
from ..control import iteration, packed_lists
from ..scipy.programs.interpolate.stands import Stand
from ..syntax import source
from ..values import captured_arrays, captured_values
from ..values.boxes import ArrayBox, Box, ScalarBox
from ..values.python.chosen_texts import ChosenText
from ..values.random_generators import GeneratorBox

_WEAK = {"int": int, "float": float, "complex": complex, "bool": bool}
# what Python would see; sequences/flat_iterators.py adds its own
STANDS_FOR: dict[type, type] = {ArrayBox: np.ndarray, ChosenText: str, iteration.Range: range}


def type_of(x: Any) -> type:
    """The type that Python would see."""
    captured_arrays.seen(x)                            # an array from outside is to be one at each call
    if type(x) in STANDS_FOR:
        return x.stands_for if type(x) is ChosenText else STANDS_FOR[type(x)]
    if isinstance(x, ArrayBox):
        return np.ndarray
    if isinstance(x, (packed_lists.Settling, Stand)):
        return x.stands_for
    if isinstance(x, GeneratorBox):
        return class_of(x.kind)
    if isinstance(x, ScalarBox):
        return _WEAK[x.weak] if x.weak else (np.int64 if x.dtype_ir.kind == "x" else x.dtype_ir.np.type)
    captured_values.class_of(x)
    return slice if x is slice else type(x)


def type_(*args: ScalarBox | tuple[np.ndarray | Box, ...]) -> type:
    return type_of(args[0]) if len(args) == 1 else type(*args)


# class -> the class of its objects in traced code, or None (jitclasses.py)
TRACED_CLASS: list[Callable[[Any], type | None]] = []


def _in_traced_code(kinds: Any) -> Any:
    if isinstance(kinds, tuple):
        return tuple(map(_in_traced_code, kinds))
    return next((own for find in TRACED_CLASS if (own := find(kinds)) is not None), kinds)


def isinstance_(x: Array | Box, kinds: tuple[type, ...] | type) -> bool:
    kinds = _in_traced_code(kinds)
    if isinstance(x, (Box, packed_lists.Settling, Stand, GeneratorBox, *STANDS_FOR)):
        return issubclass(type_of(x), kinds)
    captured_arrays.seen(x)
    captured_values.class_of(x)
    _related(type(x), kinds)
    for kind in _each(kinds) if not isinstance(x, captured_values.ATOMS) else ():
        if getattr(kind, "_is_protocol", False):                         # it asks for attributes, those of x among them
            captured_values.answered(x, ("instance", kind), isinstance(x, kind))
    for kind in _each(kinds) if isinstance(x, captured_values.KEYS) else ():
        if isinstance(check := type(kind).__instancecheck__, types.FunctionType) and source.is_user(check):
            captured_values.answered(kind, ("call", "__instancecheck__", x), kind.__instancecheck__(x))
    own = pytrees.kind_of(x) in (pytrees.SPARSE, pytrees.RECORDS) and getattr(x, "cls", None)
    return issubclass(own, kinds) if isinstance(own, type) else isinstance(x, kinds)


def issubclass_(cls: type, kinds: Any) -> bool:
    if isinstance(cls, type):
        _related(cls, kinds)
    return issubclass(cls, kinds)


def _related(cls: type, kinds: Any) -> None:
    """That a class is or is no subclass of others may change: by other bases, by ABC.register, by code of a metaclass."""
    captured_values.ancestors(cls)
    for kind in _each(kinds):
        if type(kind) is type or not (captured_values.users(kind) or captured_values.users(cls)):
            continue
        for name in ("__instancecheck__", "__subclasscheck__"):
            check = getattr(type(kind), name)
            if isinstance(check, types.FunctionType) and source.is_user(check):
                captured_values.special(type(kind), name)
                captured_values.UNTRACED[0](check)
        captured_values.answered(cls, ("subclass", kind), issubclass(cls, kind))


def _each(kinds: Any) -> Iterator[type]:
    """The classes in the second argument of isinstance: a class, a tuple of such arguments, or a union."""
    if isinstance(kinds, type):
        yield kinds
    else:
        for part in kinds if isinstance(kinds, tuple) else getattr(kinds, "__args__", ()):
            yield from _each(part)
