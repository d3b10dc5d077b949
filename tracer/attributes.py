"""What an object holds itself, told without running code of its class, and whose its class is."""
from __future__ import annotations

import enum
import functools
import sys
import types
from collections.abc import Callable
from typing import Any

HEAP_TYPE = 1 << 9                  # Py_TPFLAGS_HEAPTYPE: a class that Python code has made
_NOTHING = object()
_OWN = __name__.partition(".")[0]
_C_METHOD = types.WrapperDescriptorType
_OPEN = frozenset({"types", "argparse"})             # modules whose objects are bags of the user's attributes
# packages whose own names and classes are taken to stay as they are
_FIXED = frozenset({_OWN, "numpy", "scipy", "numba", *sys.stdlib_module_names} - {"__main__"})


def remembered(asked: Callable[[type], bool]) -> Callable[[type], bool]:
    return functools.lru_cache(maxsize=4096)(asked)


def fixed(module: str | None) -> bool:
    return (module or "").partition(".")[0] in _FIXED


def of_package(module: str | None) -> bool:
    """Whether it is a module of this package, whose names nobody gives other values."""
    return (module or "").partition(".")[0] == _OWN


@remembered
def users(cls: type) -> bool:
    """Whether Python code that is no library's has made the class."""
    return bool(cls.__flags__ & HEAP_TYPE) and isinstance(cls.__module__, str) and not fixed(cls.__module__)


def own(held: Any) -> dict:
    """The attributes in an object's `__dict__`, whatever its class answers when it is asked for them."""
    try:
        found = object.__getattribute__(held, "__dict__")
    except AttributeError:
        return {}
    return found if type(found) is dict else {}


def names(held: Any) -> tuple:
    """The names in an object's `__dict__`, which come before those of its class."""
    return tuple(own(held))


def directory(held: Any) -> tuple:
    """The names that an object and its classes have."""
    return tuple(dir(held))


def slots(held: Any) -> dict[str, Any]:
    """What stands in the slots of an object; those that are empty are left out."""
    found: dict[str, Any] = {}
    for cls in type(held).__mro__:
        for name, member in vars(cls).items():
            if isinstance(member, types.MemberDescriptorType) and cls.__flags__ & HEAP_TYPE:
                try:
                    found[name] = member.__get__(held)
                except AttributeError:
                    continue
    return found


def fields(cls: type) -> tuple[str, ...]:
    """The names of a namedtuple's items."""
    return getattr(cls, "_fields", ()) if issubclass(cls, tuple) else ()


def is_dict(cls: type) -> bool:
    """Whether items of the class are looked up as a dict's."""
    return issubclass(cls, dict) and cls.__getitem__ is dict.__getitem__ and cls.__contains__ is dict.__contains__


def after(held: Any, key: str) -> type:
    """The class in which super() finds a name."""
    order = held.__self_class__.__mro__
    rest = order[order.index(held.__thisclass__) + 1:]
    return next((base for base in rest if key in vars(base)), object)


def computed(held: Any, cls: type, key: str) -> bool:
    """Whether code that is not traced computes the attribute, so that another look may give another object."""
    found = next((vars(base)[key] for base in cls.__mro__ if key in vars(base)), _NOTHING)
    if found is _NOTHING:
        return key not in own(held)
    plain = (types.FunctionType, staticmethod, classmethod, types.MemberDescriptorType, types.GetSetDescriptorType)
    return (hasattr(type(found), "__get__") and not isinstance(found, plain) and key not in own(held)
            and key not in fields(cls))


@remembered
def plain(cls: type) -> bool:
    """Whether another object of the class with the same attributes does as well, as far as attributes are all that is read."""
    if issubclass(cls, (enum.Enum, type)) or any("__call__" in vars(base) for base in cls.__mro__):
        return False
    return bool(fields(cls)) or ((users(cls) or cls.__module__ in _OPEN) and type(cls.__getattribute__) is _C_METHOD)
