"""Functions of installed packages that read the clock or draw random numbers, at some depth.

A package's function that is given no value of run time is run while the program is traced, and what it gives is part of the
program. That would be one draw for all calls, so these are traced instead, by what their code names.

    def jitter(n): return noise(n) * 0.1            traced: noise is one of the package, and names np.random.normal
    def noise(n): return np.random.normal(size=n)
"""
from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..values import unrepeatable
from . import untraced

_MOST = 300                           # functions that are looked at
_KNOWN: dict[types.CodeType, bool] = {}


def leads_to(f: Callable) -> bool:
    """Whether a Python function, or one of its package that it names, names such a function."""
    code = getattr(f, "__code__", None)
    if code is None:
        return False
    if code not in _KNOWN:
        _KNOWN[code] = _searched(f)
    return _KNOWN[code]


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
    """The globals of a function that its code names, attributes of modules among them, and its free variables."""
    names, space = untraced.names_of(f.__code__), f.__globals__
    yield from untraced.filled_cells(f)
    for value in [space[name] for name in names if name in space]:
        yield value
        if isinstance(value, types.ModuleType):
            yield from [vars(value)[name] for name in names & vars(value).keys()]
