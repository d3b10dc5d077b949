"""Numba's jitclasses: what is traced is the Python class that `@jitclass` was put on.

    @jitclass([("n", int64), ("v", float64[:])])
    class Bag: …

    Bag(4)             in traced code: an object of the Python class, whose numbers have the types of the specification
    f(bag)             where Numba has made `bag`: the call is given an object of the Python class with the fields of `bag`,
                       which afterwards gets what the program assigned

Where `tg.jit` stands in the place of `numba.njit`, Numba makes the methods with it, and `Bag(4)` outside of traced code is such
an object, too.
"""
from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from typing import Any

from ...ir.errors import ArgumentTypeError
from . import calls, types_seen

# class -> the dtypes of its fields that hold numbers: what is assigned to them is converted (staging/assignment.py)
KINDS: weakref.WeakKeyDictionary[type, dict[str, str]] = weakref.WeakKeyDictionary()
_plain: weakref.WeakKeyDictionary[Any, type] = weakref.WeakKeyDictionary()


def plain(numbas: Any) -> type:
    """The Python class of what Numba's types call a class type: its methods as they were written, or as `tg.jit` has them where
    Numba has made them by that."""
    found = _plain.get(numbas)
    if found is None:
        init = numbas.jit_methods["__init__"].py_func
        found = _plain[numbas] = type(numbas.class_name, (), {
            **{name: f.py_func if name.startswith("__") or not hasattr(type(f), "__tracegrad_call__") else f
               for name, f in numbas.jit_methods.items()},
            **{name: property(*[parts[k].py_func if k in parts else None for k in ("get", "set")])
               for name, parts in numbas.jit_props.items()},
            **{name: staticmethod(f.py_func) for name, f in numbas.jit_static_methods.items()},
            "__module__": init.__module__, "__qualname__": init.__qualname__.rpartition(".")[0], "__doc__": numbas.class_doc})
        KINDS[found] = {name: kind for name, x in numbas.struct.items() if (kind := _kind(x))}
    return found


def _kind(found: Any) -> str | None:
    """The dtype of a field that holds a number."""
    if type(found).__name__ == "Boolean":
        return "bool"
    return str(found) if type(found).__name__ in ("Integer", "Float", "Complex") else None


def _plain_of(cls: Any) -> type | None:
    """The Python class of a jitclass; None of anything else."""
    jitclass = type(cls).__name__ == "JitClassType" and type(cls).__module__.startswith("numba.")
    return plain(cls.class_type) if jitclass else None


def _redirect(f: Any) -> Callable | None:
    found = _plain_of(f)
    return found and functools.partial(calls.call, found)


calls.REDIRECTS.append(_redirect)
types_seen.TRACED_CLASS.append(_plain_of)


# --- objects that Numba has made --------------------------------------------------------------------------------------------

def _is_numbas(x: Any) -> bool:
    return type(x).__module__ == "numba.experimental.jitclass.boxing" and hasattr(x, "_numba_type_")


def _holds(args: tuple, kwargs: dict[str, Any]) -> bool:
    """Whether arguments, or items of their tuples at any depth, are such objects."""
    waiting, seen = [*args, *kwargs.values()], set[int]()
    for x in waiting:                                      # which grows meanwhile
        if type(x) is tuple and id(x) not in seen:
            seen.add(id(x))
            waiting += x
        elif _is_numbas(x):
            return True
    return False


class Opened:
    """The arguments of a call with objects of Python in the place of Numba's."""

    def __init__(self) -> None:
        self.made: dict[int, tuple[Any, Any, dict[str, Any]]] = {}       # id of either -> both, and the fields at first

    def open(self, x: Any) -> Any:
        if type(x) is tuple:
            return tuple(map(self.open, x))
        if not _is_numbas(x):
            return x
        if id(x) not in self.made:
            cls = x._numba_type_.class_type
            made: Any = object.__new__(plain(cls))
            before = {name: self.open(getattr(x, name)) for name in cls.struct}
            made.__dict__.update(before)
            self.made[id(x)] = self.made[id(made)] = (x, made, before)
        return self.made[id(x)][1]

    def close(self, x: Any) -> Any:
        """What a program returned, with the objects of the call in it."""
        if type(x) in (tuple, list):
            return type(x)(map(self.close, x))
        return self.made[id(x)][0] if id(x) in self.made else x

    def write(self) -> None:
        """Numba's objects get what the program assigned."""
        for x, made, before in list(self.made.values()):
            for name, value in made.__dict__.items():
                if name not in before:
                    raise ArgumentTypeError(f"`.{name}` is no field of the jitclass {type(x).__name__}",
                                            "name it, with its type, in the specification of the class")
                if value is not before[name]:
                    setattr(x, name, self.close(value))
                    before[name] = value


def opened_call(f: Callable, args: tuple, kwargs: dict[str, Any]) -> Callable[[], Any] | None:
    """f(*args, **kwargs) with objects of Python in the place of those that Numba has made; None where there is none."""
    if "numba.experimental.jitclass.boxing" not in sys.modules or not _holds(args, kwargs):
        return None
    found = Opened()
    opened, named = tuple(map(found.open, args)), {name: found.open(x) for name, x in kwargs.items()}
    return functools.partial(_run, found, f, opened, named) if found.made else None


def _run(found: Opened, f: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    try:
        returned = f(*args, **kwargs)
    finally:
        found.write()
    return found.close(returned)
