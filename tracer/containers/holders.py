"""Who holds a container: the variables of the running functions of the program that lead to it."""
from __future__ import annotations

import os
import sys
import types
from typing import Any

from .. import pytrees, tracing
from ..calling import calls
from ..control import iteration
from ..regions import leaf_types
from ..values import captured_values
from .dynamic_dicts import View

_OWN = os.path.dirname(os.path.dirname(__file__)) + os.sep          # where programs like list_programs.py are


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


def leads_to(held: Any, x: Any, seen: set[int]) -> bool:
    """Whether one can come from an object to another one, by its items, its attributes or the variables that it has kept."""
    if held is x:
        return True
    if id(held) in seen:
        return False
    seen.add(id(held))
    if type(held) is leaf_types.MaybeUndefined:
        return leads_to(held.held, x, seen)
    if isinstance(held, types.FunctionType):
        cells = [c.cell_contents for c in held.__closure__ or () if _is_set(c)]
        return any(leads_to(part, x, seen) for part in (*cells, *(held.__defaults__ or ())))
    if isinstance(held, types.MethodType):
        return leads_to(held.__self__, x, seen)
    if isinstance(held, (list, tuple, dict)):
        parts = list(held.values()) if isinstance(held, dict) else held
    elif captured_values.users(type(held)) or type(held) in (View, *calls.GENERATORS) or isinstance(held, iteration.Source):
        parts = list(pytrees.attributes(held).values())
    else:
        return False
    return any(leads_to(part, x, seen) for part in parts)


def _is_set(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False
