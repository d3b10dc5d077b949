"""Who holds a container: the variables of the running functions of the program that lead to it."""
from __future__ import annotations

import gc
import os
import sys
import types
from collections.abc import Callable, Iterable
from typing import Any

from .. import pytrees, tracing
from ..calling import calls
from ..control import iteration
from ..regions import leaf_types
from ..values import captured_values
from .tables.dynamic_dicts import View

_OWN = os.path.dirname(os.path.dirname(__file__)) + os.sep          # where programs like list_programs.py are
_PYTHONS = {"builtins", "collections", "functools", "itertools", "operator", "types"}


def is_held(x: Any) -> bool:
    """Whether a variable leads to a container. What an expression has just made has no name yet."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if id(code) in tracing.PLACES and not code.co_filename.startswith(_OWN):
            held = frame.f_locals
            if any(leads_to(held.get(name), x, set()) for name in (*code.co_varnames, *code.co_cellvars)):
                return True
        frame = frame.f_back
    return False


def is_held_elsewhere(x: Any, get: Callable | None, put: Callable | None) -> bool:
    """The same, but for the names that `put` sets."""
    if get is None or put is None:
        return is_held(x)
    before = get()
    put((None,) * len(before))
    try:
        return is_held(x)
    finally:
        put(before)


def leads_to(held: Any, x: Any, seen: set[int]) -> bool:
    """Whether one can come from an object to another one, by its items, its attributes or the variables that it has kept."""
    if held is x:
        return True
    if id(held) in seen:
        return False
    seen.add(id(held))
    if type(held) is leaf_types.MaybeUndefined:
        return leads_to(held.held, x, seen)
    return any(leads_to(part, x, seen) for part in _parts(held))


def _parts(held: Any) -> Iterable[Any]:
    """What can be reached from an object in one step."""
    if isinstance(held, types.FunctionType):
        cells = [c.cell_contents for c in held.__closure__ or () if _is_set(c)]
        return *cells, *(held.__defaults__ or ()), *(held.__kwdefaults__ or {}).values(), *held.__dict__.values()
    if isinstance(held, types.MethodType):
        return held.__self__, held.__func__
    if isinstance(held, (list, tuple, dict)):
        return held.values() if isinstance(held, dict) else held
    if captured_values.users(type(held)) or type(held) in (View, *calls.GENERATORS) or isinstance(held, iteration.Source):
        return pytrees.attributes(held).values()
    if type(held).__module__ in _PYTHONS and not isinstance(held, (type, types.ModuleType, types.CodeType)):
        return gc.get_referents(held)              # a deque, a set, an iterator, a partial, a bound method
    return ()


def _is_set(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
