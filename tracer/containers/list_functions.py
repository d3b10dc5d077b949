"""heapq and bisect, and the methods of lists of run-time length that move entries: by the programs of list_programs.

These modules are written in C and would change a list, or compare its items, while the function is traced. On items that are
known then that is right, where the program may change the list; all else goes by the programs.
"""
from __future__ import annotations

import bisect
import builtins
import heapq
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.errors import ConcretizationError, UnsupportedError
from .. import pytrees, tracing
from ..calling import builtin_calls, calls
from ..control import branches, iteration, packed_lists
from ..regions import leaf_types
from ..syntax import source
from ..values import boxes
from ..values.boxes import FUNCTIONS, Box
from . import list_sort
from .lists import dynamic_lists, list_entries, list_programs

_PROGRAMS = {name: f for name, f in vars(list_programs).items() if getattr(f, "__module__", "") == list_programs.__name__}
source.OPENED.update(f.__code__ for f in _PROGRAMS.values())

# function -> the change of length that it makes to its first argument; None where it only reads
_FUNCTIONS: dict[Callable, str | None] = {
    heapq.heappush: "append", heapq.heappop: "pop", heapq.heapreplace: "sort", heapq.heappushpop: "sort",
    heapq.heapify: "sort", bisect.bisect_left: None, bisect.bisect_right: None, bisect.insort_left: "insert",
    bisect.insort_right: "insert",
}


CHANGING = frozenset(f for f, change in _FUNCTIONS.items() if change is not None)


def _known(x: Any) -> bool:
    return not any(isinstance(leaf, Box) for leaf in pytrees.leaves_of(x))


def _by_program(f: Callable, change: str | None) -> Callable:
    program = _PROGRAMS[f.__name__]
    taken = list_entries.taken_out if f in (heapq.heappop, heapq.heapreplace, heapq.heappushpop) else lambda found: found

    def run(held: Any, *args: Any, **kwargs: Any) -> Any:
        trace = tracing.active()
        if type(held) is not list:
            plain = not isinstance(held, (Box, packed_lists.ListValue)) and _known(args) and _known(tuple(kwargs.values()))
            return calls.as_it_stands(f, [held, *args], kwargs) if plain else taken(calls.call(program, held, *args, **kwargs))
        if change is None and _known([held, *args, *kwargs.values()]):
            return calls.as_it_stands(f, [held, *args], kwargs)
        if change is not None:
            if _known([held, *args, *kwargs.values()]):
                if trace is not None:
                    calls.change_length(trace, held, change, args)
                return calls.as_it_stands(f, [held, *args], kwargs)
            dynamic_lists.grow(tracing.current(), held, "append" if args else "pop", args[:1])
            raise UnsupportedError(f"{f.__name__} on a list of items whose order is known only at run time, which are not all "
                                   "numbers or tuples of numbers alike, or which exists outside of the traced function",
                                   "give all items one structure, and make the list in this function", tracing.locate())
        return calls.call(program, held, *args, **kwargs)

    return run


for _f, _change in _FUNCTIONS.items():
    calls.BUILTINS[_f] = calls.OF_LISTS[_f] = _by_program(_f, _change)


def _ordered(held: Any, key: Any, reverse: bool) -> list:
    """The columns of a list in ascending order, or descending, equal entries in their order: stable argsorts of the keys'
    columns, the last one first. A descending order is an ascending one read backwards, of the entries backwards."""
    columns = _columns(held)
    keys = columns if key is None else _columns(calls.call(_PROGRAMS["keys_of"], held, key))
    if any(len(c.dims) > 1 for c in keys):
        raise UnsupportedError("a list whose length is known only at run time is sorted by arrays", "sort by numbers",
                               tracing.locate())
    keys = [c[::-1] for c in keys] if reverse else keys
    *others, last = keys
    order = FUNCTIONS[np.argsort](last, stable=True)
    for column in reversed(others):
        order = order[FUNCTIONS[np.argsort](column[order], stable=True)]
    return [c[::-1][order[::-1]] if reverse else c[order] for c in columns]


def _columns(held: Any) -> list:
    """One array for each number of an entry."""
    if type(held) is list:                                     # of known length, as entries of a table may be
        columns = list_sort.Columns.of(held)
        if columns is None:
            raise UnsupportedError("an order that is known only at run time, by keys that are not all numbers, or tuples of "
                                   "numbers, alike", "sort by numbers", tracing.locate())
        return columns.arrays
    return held.columns() if hasattr(held, "columns") else [held.array()]


def sort(held: dynamic_lists.DynamicList, *, key: Any = None, reverse: bool = False) -> None:
    held.change()
    held.refill([c.read() for c in _ordered(held, key, reverse)])


def sorted_(held: Any, /, *, key: Any = None, reverse: bool = False) -> Any:
    found = _ordered(held, key, reverse)
    if isinstance(held, packed_lists.PackedList):
        return packed_lists.fresh(packed_lists.PackedList(boxes.array(found[0].read()), held.kind))
    return packed_lists.fresh(dynamic_lists.listed(held.entry, [boxes.array(c.read()) for c in found]))


def _extreme(f: Callable, program: Callable) -> Callable:
    """min or max of a list of run-time length: by a key, or of tuples, as Python compares."""
    plain = calls.OF_LISTS[f]

    def run(held: Any, *more: Any, key: Any = None, **default: Any) -> Any:
        now = held.settled() if hasattr(held, "settled") else held
        if more or not (key or default or isinstance(now, dynamic_lists.Entries)):
            return plain(held, *more)
        return calls.call(program, now, key or (lambda x: x), _message(f), tuple(default.values()))

    return run


def _message(f: Callable) -> str:
    """What Python says of an empty list; its words depend on its version."""
    try:
        return str(f([]))
    except ValueError as error:
        return str(error)


def repeated(held: list, count: Box) -> Any:
    """held * count: a list of run-time length where only run time knows the count. One number again and again is packed."""
    try:
        return packed_lists.made(held * count)
    except ConcretizationError:
        if count.dims or count.dtype_ir.kind not in "iux":
            raise
    trace, site = tracing.current(), packed_lists.place()
    known, kind = trace.lists.get(site), packed_lists.element_kind(held) if held else None
    packed = site not in trace.lists or isinstance(known, leaf_types.Kind)
    if len(held) == 1 and kind is not None and not kind.dims and packed:
        kind = leaf_types.join(kind, known) if known else kind
        if kind is not None:
            value = boxes.ScalarBox(leaf_types.emit(held[0], kind))
            box = FUNCTIONS[np.full](calls.call(max, count, 0), value)
            return packed_lists.PackedList(boxes.array(box.read()), kind, site)
    entry = known if isinstance(known, list_entries.Entry) else list_entries.Entry.of(held[0]) if held else None
    if entry is None:
        raise UnsupportedError("a list of other things than numbers is repeated as often as only run time knows",
                               "write a comprehension, `[… for _ in range(n)]`", tracing.locate())
    made = dynamic_lists.DynamicList(entry, site)
    calls.call(_PROGRAMS["repeat"], made, held, count)
    return made


def _chosen(f: Any, program: str) -> Callable:
    """filter, filterfalse, takewhile or dropwhile: Python's, or where only run time knows what is taken a generator."""
    plain = builtin_calls.BUILTINS.get(f)

    def run(function: Any, items: Any) -> Any:
        if tracing.active() is None:
            return f(function, items)
        if iteration.is_source(items) or type(items) in iteration.DRIVEN or any(
                isinstance(x, Box) for x in (items if isinstance(items, (list, tuple)) else ())):
            return calls.call(_PROGRAMS[program], function, items)
        return plain(function, items) if plain else calls.as_it_stands(f, (function, items), {})
    return run


def _greatest(f: Callable) -> Callable:
    """heapq.nlargest or nsmallest, which are what sorted() gives, up to a length."""
    def run(n: Any, items: Any, key: Any = None) -> Any:
        return f(n, items, key) if tracing.active() is None else calls.call(_PROGRAMS[f.__name__], n, items, key)
    return run


def _mapped(function: Any, *items: Any) -> Any:
    """map: over a generator one of its own."""
    if tracing.active() is not None and len(items) == 1 and type(items[0]) in iteration.DRIVEN:
        return calls.call(_PROGRAMS["mapped"], function, items[0])
    return builtin_calls.map_(function, *items)


def _method(name: str) -> Callable:
    return lambda held, *args: calls.call(_PROGRAMS[name], held, *args)


def _replace_part(held: Any, key: slice, items: Any) -> None:
    """held[start:stop] = items, of a list of run-time length; `del held[start:stop]` where there are none."""
    if key.step is not None and not (type(key.step) is int and key.step == 1):
        dynamic_lists._refuse("a slice with a step, of a list whose length is known only at run time, is assigned or deleted",
                              "use an array, or a loop over the positions")
    taken = calls.call(list, items) if items is held or isinstance(items, packed_lists.ListValue) else items
    calls.call(_PROGRAMS["replace_part"], held, key.start, key.stop, taken)


def _count(held: list | tuple, item: Any) -> Any:
    same = sum(x is item for x in held)                    # an item counts as equal to itself, also a NaN
    return calls.call(_PROGRAMS["count"], [x for x in held if x is not item], item) + same


def _index(held: list | tuple, item: Any, *bounds: Any) -> Any:
    """Of a list or tuple of known length: where the first equal item stands, from a bound on and before another."""
    start, stop = [boxes.concrete(x, "a bound of index()") if isinstance(x, Box) else x for x in (*bounds, None, None)[:2]]
    first, last, _ = slice(start, stop).indices(len(held))
    missing = "tuple.index(x): x not in tuple" if type(held) is tuple else None
    own = next((k for k in range(first, last) if held[k] is item), None)
    if own is not None:
        return calls.call(_PROGRAMS["index_before"], held[first:own], item, first, own)
    return calls.call(_PROGRAMS["index"], held[first:last], item, first, missing)


# --- functions of all items -----------------------------------------------------------------------------------------------

def _stack(held: Any, axis: int = 0) -> Any:
    return FUNCTIONS[np.moveaxis](held.array(), 0, axis)


def _concatenate(held: Any, axis: int = 0) -> Any:
    """The entries one after another: their rows, where they are joined along the first axis."""
    rows = held.array()
    if axis != 0 or len(rows.dims) < 2:
        dynamic_lists._refuse("concatenate of a list of run-time length", "use np.stack, or store into an array")
    return FUNCTIONS[np.reshape](rows, (-1, *map(boxes.count, rows.dims[2:])))


def _vstack(held: Any) -> Any:
    rows = held.array()
    return _concatenate(held) if len(rows.dims) > 2 else rows if len(rows.dims) == 2 else rows[:, None]


def _hstack(held: Any) -> Any:
    return held.array() if len(held.array().dims) == 1 else _concatenate(held)


def _list_of(held: Any) -> Any:
    """list() of a list: a new one."""
    return held.copy() if isinstance(held, packed_lists.Fixed) else packed_lists.fresh(held.settled())


def _length(held: Any) -> int | boxes.ScalarBox:
    return held.length() if hasattr(type(held), "length") else boxes.count(dynamic_lists.DynamicListItems(held).trip)


calls.OF_LISTS.update({np.stack: _stack, np.concatenate: _concatenate, np.vstack: _vstack, np.hstack: _hstack,
                       builtins.len: _length, list: _list_of})


def _tolist(plain: Callable) -> Callable:
    """The method of arrays, whose list may turn out to be of another form."""
    return lambda x: packed_lists.made(plain(x))


boxes.METHODS["tolist"] = _tolist(boxes.METHODS["tolist"])
calls.BUILTINS.update({
    map: _mapped, filter: _chosen(filter, "filtered"), itertools.filterfalse: _chosen(itertools.filterfalse, "unfiltered"),
    itertools.takewhile: _chosen(itertools.takewhile, "while_true"),
    itertools.dropwhile: _chosen(itertools.dropwhile, "after_true")})
for _f in (heapq.nlargest, heapq.nsmallest):
    calls.BUILTINS[_f] = _greatest(_f)
calls.LOOKUPS.update(count=_count, index=_index)
packed_lists.EQUAL[:] = _method("equal"), branches.not_
packed_lists.CONTAINS[:] = [_method("contains")]
for _name in ("pop", "insert", "remove", "count", "reverse"):
    dynamic_lists.METHODS[_name] = _method(_name)
dynamic_lists.METHODS["assign_slice"] = _replace_part
dynamic_lists.METHODS["delete_slice"] = lambda held, key: _replace_part(held, key, ())
dynamic_lists.METHODS["index"] = lambda held, item: calls.call(_PROGRAMS["index"], held, item, 0, None)
dynamic_lists.METHODS["sort"] = sort
calls.OF_LISTS[builtins.sorted] = sorted_
calls.OF_LISTS[bool] = lambda held: branches.boxed(branches.truth(held))
for _f, _program in ((builtins.min, list_programs.least_by), (builtins.max, list_programs.greatest_by)):
    calls.OF_LISTS[_f] = _extreme(_f, _program)
