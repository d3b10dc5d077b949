"""Functions of installed packages that read the clock or draw random numbers, at some depth.

A package's function that is given no value of run time is run while the program is traced, and what it gives is part of the
program. That would be one draw for all calls, so these are traced instead, by what their code names.

    def jitter(n): return noise(n) * 0.1            traced: noise is one of the package, and names np.random.normal
    def noise(n): return np.random.normal(size=n)
"""
from __future__ import annotations

import inspect
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..values import unrepeatable
from . import untraced

_MOST = 300                           # functions that are looked at
_MAKING = {"__new__", "__init__", "__post_init__"}
# by function: those that a decorator makes have one code
_KNOWN: weakref.WeakKeyDictionary[Callable, bool] = weakref.WeakKeyDictionary()


def leads_to(f: Callable) -> bool:
    """Whether a Python function, or one of its package that it names, names such a function."""
    if not isinstance(f, types.FunctionType):
        return False
    if f not in _KNOWN:
        _KNOWN[f] = _searched(f)
    return _KNOWN[f]


def _searched(f: Callable) -> bool:
    todo: list[Any] = [f]
    seen: set[Any] = {f}
    while todo:
        for found in _named_by(todo.pop()):
            if _is_chance(found):
                return True
            inside = isinstance(found, types.FunctionType) and _package(found) == _package(f)
            if inside and found not in seen and len(seen) < _MOST:
                seen.add(found)
                todo.append(found)
    return False


def _is_chance(x: object) -> bool:
    return unrepeatable.is_chance(x) or x is np.random or (getattr(x, "__module__", None) or "").startswith("numpy.random")


def _package(f: Callable) -> str:
    return (f.__module__ or "").partition(".")[0]


def _named_by(f: Callable) -> Iterator[object]:
    """The globals of a function that its code names, and its free variables; of modules and classes among them the attributes
    that it names, and what makes objects of a class."""
    names, space = untraced.names_of(f.__code__), f.__globals__
    for value in [*untraced.filled_cells(f), *[space[name] for name in names if name in space]]:
        yield value
        if isinstance(value, types.ModuleType):
            yield from [vars(value)[name] for name in names & vars(value).keys()]
        elif isinstance(value, type):
            parts = [inspect.getattr_static(value, name, None) for name in names | _MAKING]
            yield from [getattr(part, "__func__", part) for part in parts]
