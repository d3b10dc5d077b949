"""itertools.groupby of items whose keys only run time knows: the runs of equal keys, a loop over their starts.

    for k, group in groupby(x, key): …          keys = [key(v) for v in x];  starts, stops = _runs(keys)
                                                for r in 0 … len(starts): k = keys[starts[r]]
                                                                          group = iter(x[starts[r]:stops[r]]); …
"""
from __future__ import annotations

import builtins
import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.errors import UnsupportedError
from .. import tracing
from ..calling import calls
from ..control import iteration, packed_lists
from ..syntax import source
from ..values import boxes
from ..values.boxes import ArrayBox, Box


def _keys(items: Any, key: Any) -> Any:
    return [key(x) for x in items]


def _runs(keys: Any) -> Any:
    """(where each run starts, where it ends)"""
    found = np.array(keys)
    starts = np.ones(len(found), bool)
    starts[1:] = found[1:] != found[:-1]
    first = np.flatnonzero(starts)
    return first, np.append(first[1:], len(found))[:len(first)]


def _part(items: Any, start: Any, stop: Any) -> Any:
    return iter(items[start:stop])


source.OPENED.update(f.__code__ for f in (_keys, _runs, _part))


class Runs(iteration.Source):
    """(key, iterator over its items) of each run."""

    __slots__ = ("items", "key", "keys", "reads", "starts", "stops")

    def __init__(self, items: Any, keys: Any, key: Any):
        self.items, self.keys, self.key = items, keys, key
        self.reads = self.read()
        self.starts, self.stops = calls.call(_runs, keys)
        self.trip = self.starts.dims[0]

    def read(self) -> list:
        """What the keys follow from."""
        parts = [self.items, *_closed_over(self.key)]
        return [x.root.own if isinstance(x, ArrayBox) else x for x in parts]

    def at(self, k: Any) -> Any:
        if any(a is not b for a, b in zip(self.reads, self.read(), strict=True)):
            raise UnsupportedError("the loop over itertools.groupby changes what the keys are computed of, which Python reads "
                                   "as it goes", "compute the keys before the loop", tracing.locate())
        number = boxes.count(k)
        start, stop = self.starts[number], self.stops[number]
        return calls.call(_first, self.keys, start), calls.call(_part, self.items, start, stop)


def _first(keys: Any, start: Any) -> Any:
    return keys[start]


source.OPENED.add(_first.__code__)


def _closed_over(f: Any) -> list:
    """What the variables hold that a function has from around it."""
    found = []
    for cell in getattr(f, "__closure__", None) or ():
        with contextlib.suppress(ValueError):                 # it holds nothing
            found.append(cell.cell_contents)
    return found


def groupby(iterable: Any, key: Callable | None = None) -> Any:
    trace = tracing.active()
    kept = isinstance(iterable, (ArrayBox, list, tuple, packed_lists.ListValue))
    if trace is None or not (kept or iteration.is_source(iterable)):
        return itertools.groupby(iterable, key)
    items = iterable if kept else calls.call(builtins.list, iterable)
    keys = items if key is None else calls.call(_keys, items, key)
    if isinstance(keys, (list, tuple)) and not any(isinstance(k, Box) for k in keys):
        known = iter(keys)
        return itertools.groupby(items, lambda x: next(known))
    return calls.call(builtins.iter, Runs(items, keys, key))


calls.BUILTINS[itertools.groupby] = groupby
