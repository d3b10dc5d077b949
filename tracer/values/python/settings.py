"""Settings of the process that Python's texts and decimals depend on: they are asked for again at each call.

    f"{A}"             NumPy's arrays and numbers are written as np.set_printoptions says
    Decimal(1) / 3     is computed as the context of this thread says
"""
from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np

from .. import captured_values


def print_options(numpy: ModuleType) -> str:
    return repr(numpy.get_printoptions())


def decimal_context(decimal: ModuleType) -> tuple:
    """Without the flags, which say what has happened."""
    c = decimal.getcontext()
    traps = ",".join(sorted(signal.__name__ for signal, raises in c.traps.items() if raises))
    return c.prec, c.rounding, c.Emin, c.Emax, c.capitals, c.clamp, traps


def shown(*held: Any) -> None:
    """Python is about to write objects as text."""
    if any(_holds(x, np.ndarray, np.generic) or captured_values.users(type(x)) for x in held):
        captured_values.told(np, print_options)
    computed(*held)


def computed(*held: Any) -> None:
    """Python is about to compute with objects."""
    decimal = sys.modules.get("decimal")
    if decimal is not None and any(_holds(x, decimal.Decimal) for x in held):
        captured_values.told(decimal, decimal_context)


def called(f: Any, args: tuple) -> None:
    """A function that is not traced is about to be called."""
    owner = getattr(f, "__self__", None)
    if type(owner) is str or f in _WRITERS:
        shown(*args)
    elif getattr(f, "__name__", "") in ("__str__", "__repr__", "__format__"):
        shown(owner, *args)
    else:
        computed(f, owner, *args)


_WRITERS = (np.array2string, np.array_str, np.array_repr, np.format_float_positional, np.format_float_scientific, print)


def _holds(x: Any, *kinds: type, deep: int = 3) -> bool:
    """Whether x is of a kind, or a container that holds one."""
    if issubclass(type(x), kinds) or (type(x) is type and x in kinds):
        return True
    if not deep or type(x) not in (list, tuple, dict, set):
        return False
    return any(_holds(y, *kinds, deep=deep - 1) for y in (x.values() if type(x) is dict else x))
