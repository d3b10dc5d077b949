"""Numba's jitclasses: what is traced is the Python class that `@jitclass` was put on.

    @jitclass([("n", int64), ("v", float64[:])])
    class Bag: …

    Bag(4)             in traced code: an object of the Python class, whose numbers have the types of the specification
    f(bag)             where Numba has made `bag`: an object of the Python class, too (jitted/numba_objects.py)

Where `tg.jit` stands in the place of `numba.njit`, Numba makes the methods with it, and `Bag(4)` outside of traced code is such
an object, too.
"""
from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from typing import Any

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
        _MADE.add(found)
        _also_by_isinstance()
        KINDS[found] = {name: kind for name, x in numbas.struct.items() if (kind := _kind(x))}
    return found


_MADE: weakref.WeakSet[type] = weakref.WeakSet()


def _also_by_isinstance() -> None:
    """What Python makes of a jitclass whose methods `tg.jit` has compiled is an instance of it: Numba's class of jitclasses,
    which `isinstance` asks, knows its own boxes only."""
    kinds = sys.modules["numba.experimental.jitclass.base"].JitClassType
    asked = kinds.__instancecheck__
    if getattr(asked, "of_python", False):
        return

    def instance_check(cls: Any, x: Any) -> bool:
        return asked(cls, x) or (type(x) in _MADE and _plain.get(cls.class_type) is type(x))

    instance_check.of_python = True                        # type: ignore[attr-defined]
    kinds.__instancecheck__ = instance_check


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
