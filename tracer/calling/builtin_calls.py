"""Builtins that traced code calls in its own way: iteration, texts, types, and those that need the running program's names."""
from __future__ import annotations

import builtins
import functools
import itertools
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.errors import UnsupportedError
from .. import tracing
from ..control import array_iterators, branches, iteration, packed_lists
from ..values import captured_values, ownership, unrepeatable
from ..values.boxes import ScalarBox
from ..values.python import format_strings
from . import calls
from .types_seen import isinstance_, issubclass_, type_


def map_(function: Callable, *iterables: Any) -> Any:
    return (calls.call(function, *row) for row in zip(*map(iteration.iterate, iterables)))


def filter_(function: Callable, iterable: Any) -> Any:
    items = iteration.iterate(iterable)
    return [x for x in items if keep(x if function is None else calls.call(function, x))]


def reduce_(function: Callable, iterable: Any, *initial: Any) -> Any:
    return functools.reduce(lambda a, b: calls.call(function, a, b), iteration.iterate(iterable), *initial)


def keep(test: Any) -> bool:
    """The condition of a comprehension, which decides a length."""
    flag = branches.truth(test)
    if isinstance(flag, bool):
        return flag
    return bool(tracing.need_concrete(ScalarBox(flag, "bool"), "the condition of a comprehension, which decides a length,"))


def _of_items(kind: type) -> Callable:
    return lambda *args: packed_lists.made(kind(*map(iteration.iterate, args)))


def callable_(x: Any) -> bool:
    if captured_values.users(type(x)):
        captured_values.special(type(x), "__call__")
    return callable(x)


def _next(iterator: Any, *default: Any) -> int:
    """next(iterator) changes the iterator: not in a loop that is traced once for all of its iterations."""
    trace = tracing.current()
    unrepeatable.expect_not_consumed(iterator)
    if isinstance(iterator, iteration.ONCE):
        raise UnsupportedError("next() of what enumerate, zip, reversed or itertools.product gave cannot be compiled",
                               "ask `items = iter(…)` of it for the next one", tracing.locate())
    if trace.scopes and (not isinstance(iterator, types.GeneratorType) or trace.maker(iterator) >= 0):
        ownership.expect_own(trace, iterator, "next()")
    return next(iterator, *default)


def _refused(name: str, remedy: str) -> Callable:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        if not args or name in ("eval", "exec"):
            raise UnsupportedError(f"{name}() cannot be compiled: its names are those of the running program", remedy,
                                   tracing.locate())
        if isinstance(args[0], types.ModuleType):
            return captured_values.attribute(args[0], "__dict__", vars(args[0]))
        captured_values.handed_over(*args)
        if isinstance(args[0], type):
            for key in [key for key in vars(args[0]) if not key.startswith("__")]:
                captured_values.class_part(args[0], key)
        captured_values.answered(args[0], ("names",), tuple(vars(args[0])))
        return getattr(builtins, name)(*args, **kwargs)
    return refuse


BUILTINS: dict[Any, Callable] = {
    range: iteration.range_, enumerate: iteration.enumerate_, zip: iteration.zip_, reversed: iteration.reversed_,
    print: format_strings.print_, map: map_, filter: filter_, functools.reduce: reduce_, isinstance: isinstance_, type: type_,
    issubclass: issubclass_,
    list: _of_items(list), tuple: _of_items(tuple), iter: lambda x, *stop: iter(iteration.iterate(x), *stop),
    callable: callable_, itertools.product: iteration.product_, np.ndindex: iteration.ndindex,
    np.ndenumerate: iteration.ndenumerate, np.nditer: array_iterators.nditer,
    str: format_strings.text_of(str, "s"), repr: format_strings.text_of(repr, "r"), format: format_strings.format_, next: _next,
    **{f: _refused(f.__name__, "name the variables that you need") for f in (locals, vars)},
    eval: _refused("eval", "write the expression, or make a function of it outside"),
    exec: _refused("exec", "write the statements, or make a function of them outside"),
}
calls.BUILTINS.update(BUILTINS)
