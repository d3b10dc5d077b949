"""itertools.groupby of items whose keys only run time knows: the runs of equal keys, a loop over their starts.

    for k, group in groupby(x, key): …          keys = [key(v) for v in x];  starts, stops = _runs(keys)
                                                for r in 0 … len(starts): k = keys[starts[r]]
                                                                          group = iter(x[starts[r]:stops[r]]); …
"""
from __future__ import annotations

import builtins
import contextlib
import functools
import itertools
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.errors import UnsupportedError
from .. import tracing
from ..calling import calls
from ..control import iteration, packed_lists
from ..regions import leaf_types
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
        leaves = [leaf for part in (self.items, *_reached(self.key)) for leaf in leaf_types.leaves_of(part)]
        return [x.root.own if isinstance(x, ArrayBox) else x for x in leaves]

    def at(self, k: Any) -> Any:
        now = self.read()
        if len(now) != len(self.reads) or any(a is not b for a, b in zip(self.reads, now)):
            raise UnsupportedError("the loop over itertools.groupby changes what the keys are computed of, which Python reads "
                                   "as it goes", "compute the keys before the loop", tracing.locate())
        number = boxes.count(k)
        start, stop = self.starts[number], self.stops[number]
        return calls.call(_first, self.keys, start), calls.call(_part, self.items, start, stop)


def _first(keys: Any, start: Any) -> Any:
    return keys[start]


source.OPENED.add(_first.__code__)


def _reached(f: Any) -> list:
    """What a function leads to: its defaults, what the variables hold that it has from around it and the global ones that it
    names, the object that it is a method of, and likewise of the functions among these."""
    found: list = []
    todo, seen = [f], set[int]()
    while todo:
        x = todo.pop()
        if id(x) in seen:
            continue
        seen.add(id(x))
        if isinstance(x, types.MethodType):
            todo += [x.__self__, x.__func__]
        elif isinstance(x, functools.partial):
            todo += [x.func, *x.args, *x.keywords.values()]
        elif isinstance(x, types.FunctionType):
            named = [x.__globals__[name] for name in x.__code__.co_names if name in x.__globals__]
            todo += [*(x.__defaults__ or ()), *(x.__kwdefaults__ or {}).values(), *_cells(x), *named]
        elif not isinstance(x, (types.ModuleType, types.BuiltinFunctionType, type)):
            found.append(x)
    return found


def _cells(f: types.FunctionType) -> list:
    held = []
    for cell in f.__closure__ or ():
        with contextlib.suppress(ValueError):                 # it holds nothing
            held.append(cell.cell_contents)
    return held


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
