"""a.flat where NumPy gives an iterator: what a loop runs over, and what is handed to a function is an array of one dimension.

    for x in a.flat: …          a loop over the elements, of any number
    f = a.flat; next(f)         its first one: f goes on from there (element_iterators.py), until it is asked for f[k]
    max(a.flat), np.sum(a.flat) max(a.reshape(-1)), np.sum(a.reshape(-1))
    helper(a.flat)              the user's function has the iterator itself: it may write to it
"""
from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import tracing
from ..calling import calls, types_seen
from ..control import iteration
from ..numpy.arrays.manipulation import Flat
from ..values import boxes
from ..values.boxes import ArrayBox
from . import element_iterators
from .element_iterators import ElementIterator


def _flat(box: ArrayBox) -> Flat:
    """The property."""
    made, trace = Flat(box), tracing.active()
    if trace is not None:
        made.state = ElementIterator(trace, lambda: iteration.Rows(made.elements()))
    return made


def _called(f: Callable, args: tuple, kwargs: dict) -> Any:
    """A call with a.flat among its arguments."""
    if f is builtins.next or (f is builtins.iter and len(args) == 1):
        return calls.call(f, args[0].state, *args[1:]) if f is builtins.next else args[0]
    if not element_iterators.reads(f):
        return NotImplemented
    iterates = isinstance(f, type) or f in _ITERATING

    def taken(x: Any) -> Any:
        if type(x) is not Flat:
            return x
        if iterates and x.state is not None and not (isinstance(x.state.at, int) and x.state.at == 0):
            return x.state
        if iterates and x.state is not None:
            x.state.left(f in element_iterators.WHOLE)
        return x.elements()

    return calls.call(f, *map(taken, args), **{name: taken(x) for name, x in kwargs.items()})


_ITERATING = (sum, min, max, sorted, any, all)
boxes.PROPERTIES["flat"] = _flat
iteration.SOURCES[Flat] = lambda flat: iteration.Rows(flat.elements()) if flat.state is None else flat.state.left()
iteration.DRIVEN[Flat] = lambda flat, *rest: iteration.DRIVEN[ElementIterator](flat.state, *rest)
calls.SPREAD[Flat] = _called
types_seen.STANDS_FOR[Flat] = np.flatiter
