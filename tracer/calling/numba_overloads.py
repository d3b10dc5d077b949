"""Functions that have no meaning but what `numba.extending.overload` gives them: the implementation for the types at hand.

    def square_sum(a): pass                        square_sum(x)     choose(types.Array(float64, 1, "C")) -> of_array
                                                                     of_array(x), rewritten as a function of the user
    @overload(square_sum)
    def choose(a):
        if isinstance(a, types.Array):
            return of_array

What Numba's own packages overload (NumPy, the standard library) is not looked up here.
"""
from __future__ import annotations

import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any

from ...ir.errors import UnsupportedError
from .. import tracing
from ..syntax import source
from ..values.boxes import ArrayBox, Box, ScalarBox
from . import calls

_REGISTRY = "numba.core.typing.templates"
_known: dict[Callable, list] = {}
_read = [0]


def _choosers(f: Callable) -> list:
    """The functions that choose an implementation for f, in the order of their definition."""
    registered = sys.modules[_REGISTRY].builtin_registry.globals
    for value, kind in registered[_read[0]:]:
        if isinstance(value, FunctionType):
            found = [t._overload_func for t in getattr(kind, "templates", ()) if hasattr(t, "_overload_func")]
            _known.setdefault(value, []).extend(f for f in found if not f.__module__.startswith("numba."))
    _read[0] = len(registered)
    return _known.get(f, [])


def _type_of(x: Any) -> Any:
    """The type that Numba would see."""
    import numba

    if isinstance(x, ScalarBox):
        return numba.from_dtype(x.dtype_ir.np)
    if isinstance(x, ArrayBox):
        return numba.types.Array(numba.from_dtype(x.dtype_ir.np), len(x.dims), "C")
    if isinstance(x, tuple):
        return numba.types.BaseTuple.from_types([_type_of(item) for item in x])
    return numba.types.pyobject if isinstance(x, Box) else numba.typeof(x)


def redirect(f: Callable) -> Callable | None:
    """What to call instead of a function of the user that has overloads."""
    if _REGISTRY not in sys.modules or type(f) is not FunctionType or not source.is_user(f):
        return None
    choosers = _choosers(f)
    return (lambda *args, **kwargs: _overloaded(f, choosers, args, kwargs)) if choosers else None


def _overloaded(f: FunctionType, choosers: list, args: tuple, kwargs: dict) -> Any:
    kinds = [_type_of(x) for x in args], {name: _type_of(x) for name, x in kwargs.items()}
    for choose in choosers:
        found = choose(*kinds[0], **kinds[1])
        if found is not None:
            return calls.call(found, *args, **kwargs)
    raise UnsupportedError(f"no overload of {f.__name__} takes {', '.join(map(str, kinds[0]))}",
                           "give one with numba.extending.overload", tracing.locate())


calls.REDIRECTS.append(redirect)
