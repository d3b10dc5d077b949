"""a.flat where NumPy gives an iterator: what a loop runs over, and what is handed to a function is an array of one dimension.

    for x in a.flat: …          a loop over the elements, of any number
    max(a.flat), np.sum(a.flat) max(a.reshape(-1)), np.sum(a.reshape(-1))
    helper(a.flat)              the user's function has the iterator itself: it may write to it
"""
from __future__ import annotations

import builtins
import types
from collections.abc import Callable
from typing import Any

from ..calling import calls
from ..control import iteration
from ..numpy.arrays.manipulation import Flat


def _reads(f: Any) -> bool:
    """Whether a function takes the elements, and neither keeps the iterator nor writes to it."""
    if isinstance(f, type):
        return f.__module__ == "builtins"
    return not isinstance(f, (types.FunctionType, types.MethodType)) and f not in (builtins.iter, builtins.next, isinstance)


def _called(f: Callable, args: tuple, kwargs: dict) -> Any:
    """A call with a.flat among its arguments."""
    if not _reads(f):
        return NotImplemented

    def taken(x: Any) -> Any:
        return x.elements() if type(x) is Flat else x

    return calls.call(f, *map(taken, args), **{name: taken(x) for name, x in kwargs.items()})


iteration.SOURCES[Flat] = lambda flat: iteration.Rows(flat.elements())
calls.SPREAD[Flat] = _called
