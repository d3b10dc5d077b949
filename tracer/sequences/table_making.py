"""Where dicts and sets of Python become tables (hash_tables.py): at the places that make them, once the program has used one
with a key that only run time knows; and the functions that take tables.

A comprehension, dict(pairs) or set(items) whose items only run time knows makes a table at once.
"""
from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.errors import UnsupportedError
from .. import pytrees, tracing
from ..calling import calls
from ..containers.dicts_of_lists import DictOfLists
from ..containers.tables import table_programs as programs
from ..containers.tables.dynamic_dicts import MADE, DynamicDict, View, fill, listed
from ..containers.tables.dynamic_sets import DynamicSet
from ..containers.tables.hash_tables import FORMS, SETS, Facts, HashTable, facts_of, is_traced, outgrow, refuse
from ..control import branches, iteration, packed_lists
from ..numpy.arrays import creation
from ..tracing import Trace
from ..values import boxes, captured_values
from ..values.boxes import Box, ScalarBox
from . import generator_reductions

_ZERO = {int: 0, float: 0.0, bool: False, complex: 0j}


def made(trace: Trace, held: Any, facts: Facts, site: tuple) -> Any:
    """A dict or set that the program has just made, as a table."""
    if type(held) is not facts.cls and type(held) is not pytrees.Members:
        return None
    found = MADE[facts.cls in SETS](facts, site, default_of(held))
    fill(found, held)
    return found


def default_of(held: Any) -> Any:
    if isinstance(held, collections.Counter):
        return 0
    if not isinstance(held, collections.defaultdict) or held.default_factory is None:
        return None
    if held.default_factory in _ZERO:
        return _ZERO[held.default_factory]
    if held.default_factory is list:
        return list
    return refuse("a defaultdict whose keys are known only at run time makes values that are no numbers",
                  "use defaultdict(int), defaultdict(float) or defaultdict(list), or lists beside a dict of positions")


def _new(cls: type) -> Callable:
    """dict(…), defaultdict(…), Counter(…), OrderedDict(…) or set(…): Python's own, or a table."""
    def make(*args: Any, **kwargs: Any) -> Any:
        trace, site = tracing.current(), packed_lists.place()
        *before, items = args if len(args) > (cls is collections.defaultdict) else (*args, ())
        if not holds_run_time(items, pairs=cls is not collections.Counter):
            return packed_lists.made(calls.as_it_stands(cls, args, kwargs))
        facts, held = trace.lists.get(site), cls(*before)
        found = MADE[cls in SETS](facts if isinstance(facts, Facts) else facts_of(held), site, default_of(held))
        found.update(items, **kwargs)
        return found
    return make


def _set(cls: type) -> Callable:
    """set(items) or frozenset(items)"""
    def make(*items: Any) -> Any:
        trace, site = tracing.current(), packed_lists.place()
        if not items or not holds_run_time(items[0]):
            plain = [x if isinstance(x, SETS) else list(iteration.iterate(x)) for x in items]
            return packed_lists.made(calls.as_it_stands(cls, plain, {}))
        facts = trace.lists.get(site)
        found = DynamicSet(facts if isinstance(facts, Facts) else Facts(cls), site)
        found.update(items[0])
        return found
    return make


def _from_keys(keys: Any, value: Any = None, /) -> Any:
    """dict.fromkeys(keys, value)"""
    if tracing.active() is not None and holds_run_time(keys):
        if value is None:
            raise UnsupportedError("dict.fromkeys of keys that only run time knows has None for each of them",
                                   "give it a number: `dict.fromkeys(keys, 0)`; the keys are the same", tracing.locate())
        return calls.call(programs.from_keys, keys, value)
    plain = keys if isinstance(keys, (dict, str, range, *SETS)) else list(iteration.iterate(keys))
    return packed_lists.made(calls.as_it_stands(dict.fromkeys, [plain, value], {}))


def holds_run_time(items: Any, pairs: bool = False) -> bool:
    """Whether keys that these items give are known only at run time. pairs: of a key and a value."""
    if isinstance(items, (HashTable, View, Box, packed_lists.ListValue, iteration.Source)):
        return True
    if isinstance(items, (list, tuple)):
        return any(is_traced(x[0] if pairs and isinstance(x, (list, tuple)) and x else x) for x in items)
    return type(items) in calls.GENERATORS or (iteration.is_source(items) and not isinstance(items, range))


class Entered(generator_reductions.Kept):
    """Enters the terms of a comprehension into a table."""

    def __init__(self, held: Any):
        self.terms = held

    def take(self, term: Any) -> None:
        if self.terms.facts.cls in SETS:
            calls.call(programs.add, self.terms, term)
        else:
            calls.call(programs.store, self.terms, *term)


def entries(sets: bool, visit: Callable) -> Any:
    """A comprehension of a dict or set, whose terms `visit` hands over: pairs, or keys."""
    trace, cls = tracing.active(), set if sets else dict
    if trace is None:
        return _in_python(cls, visit, generator_reductions.Listed())
    site = packed_lists.place()
    facts = trace.lists.get(site)
    if not isinstance(facts, Facts):
        terms = generator_reductions.Tried(site, Facts(cls))
        visit(terms)
        if not any(is_traced(x if sets else x[0]) for x in terms.terms):
            return packed_lists.made(trace.note_fresh(cls(terms.terms)))
        facts = Facts(cls)
    made = MADE[sets](facts, site, None)
    visit(Entered(made))
    return made


def _in_python(cls: type, visit: Callable, terms: Any) -> Any:
    visit(terms)
    return cls(terms.terms)


def display(sets: bool, *parts: Any) -> Any:
    """{k: v, …} or {k, …}; `parts`: keys and values in turn, or keys."""
    trace, cls = tracing.active(), set if sets else dict
    items: Any = parts if sets else zip(parts[::2], parts[1::2])
    if trace is None or not any(map(is_traced, parts if sets else parts[::2])):
        held = cls(items)
        return held if trace is None else packed_lists.made(trace.note_fresh(held))
    site = packed_lists.place()
    facts = trace.lists.get(site)
    made = MADE[sets](facts if isinstance(facts, Facts) else Facts(cls), site, None)
    for item in items:
        calls.call(programs.add if sets else programs.store, made, *((item,) if sets else item))
    return made


# --- where they are met -----------------------------------------------------------------------------------------------

_LISTED = frozenset({list, tuple, sorted, sum, min, max, any, all})          # functions that take their items one by one


def called(f: Any, args: tuple, kwargs: dict) -> Any:
    """A call that has a table or a view among its arguments."""
    held, cls = args[0] if args else None, type(args[0]) if args else None
    if not isinstance(held, (HashTable, View)):
        return NotImplemented
    own: Any = getattr(cls, getattr(f, "__name__", ""), None)
    if own is f:
        return f(*args, **kwargs)
    if f is len:
        return held.length()
    if f is bool:
        return branches.boxed(branches.truth(held))
    key: Any = kwargs.get("key")
    if getattr(key, "__self__", None) is held and getattr(key, "__name__", "") == "get":     # each of its keys is there
        table: Any = held
        key = table.__getitem__
        kwargs = {**kwargs, "key": key}
    if f in (min, max) and key is not None:
        empty = f"{f.__name__}() iterable argument is empty"
        return calls.call(programs.greatest, listed(held), key, 1 if f is max else -1, empty)
    if f in _LISTED:
        return calls.call(f, listed(held), *args[1:], **kwargs)
    return NotImplemented


def met(trace: Trace, held: Any, name: str, args: tuple) -> tuple | None:
    """Told of a method of a dict or set of Python, before it runs: some need keys that only run time knows."""
    if type(held) not in FORMS:
        return None
    if name == "copy":
        return (packed_lists.made(calls.as_it_stands(held.copy, args, {})),)
    if name == "update" or (name in _OF_SETS and isinstance(held, SETS)):
        for items in args:
            if holds_run_time(items, pairs=not isinstance(held, (*SETS, collections.Counter))):
                trace_again(trace, held)
    elif args and is_traced(args[0]):
        outgrow(trace, held, args[0])
        if name in ("get", "__getitem__") and type(held) in (dict, collections.OrderedDict):
            return looked_up(held, name, *args)
    return None


def looked_up(held: dict, name: str, key: Any, default: Any = None) -> tuple | None:
    """(held[key],), or held.get(key, default), of a dict from outside: all its keys are known, and in order of size."""
    kinds = {type(k) for k in held}
    letter = "iu" if kinds == {int} else "f" if kinds == {float} else ""
    kind = packed_lists.element_kind(list(held.values())) if held else None
    if kind is None or kind.dims or not isinstance(key, ScalarBox) or key.dtype_ir.kind not in letter + "x" * (letter == "iu"):
        return None
    captured_values.whole(held)
    keys = sorted(held)
    values = creation.array([held[k] for k in keys])
    listed = packed_lists.PackedList(boxes.array(tracing.current().builder.cast(values.read(), kind.dtype)), kind)
    program = programs.known_item if name == "__getitem__" else programs.known_get
    return (calls.call(program, np.array(keys), listed, key, *(() if name == "__getitem__" else (default,))),)


_OF_SETS = frozenset({"union", "intersection", "difference", "symmetric_difference", "issubset", "issuperset", "isdisjoint",
                      "intersection_update", "difference_update", "symmetric_difference_update"})


def trace_again(trace: Trace, held: Any) -> None:
    """Trace again with a dict or set a table, if it was made in the program."""
    born = trace.born_at.get(id(held))
    if born is not None and born[0] is held and born[1] not in trace.lists:
        raise tracing.Restart(lists={born[1]: facts_of(held)})


def changed(trace: Trace, held: Any, name: str, args: tuple) -> None:
    """Told that a change of size is refused where only run time knows whether it happens."""
    if type(held) in FORMS:
        keys = args[:1] if name in ("setdefault", "pop", "add", "discard", "remove", "an item") else ()
        if all(isinstance(leaf, (int, float, str, Box, np.number)) for leaf in pytrees.leaves_of((*held, *keys))):
            trace_again(trace, held)


calls.SPREAD.update({DynamicDict: called, DictOfLists: called, DynamicSet: called, View: called})
branches.TOLD.append(met)
calls.OUTGROWN.append(changed)
calls.BUILTINS.update({set: _set(set), frozenset: _set(frozenset), dict.fromkeys: _from_keys})
calls.BUILTINS.update({cls: _new(cls) for cls in (dict, collections.defaultdict, collections.Counter, collections.OrderedDict)})
packed_lists.GROWING.update(FORMS)
packed_lists.MAKERS[Facts] = made
