"""Iterators over arrays, ranges and their like that have a name: iter(x), a.flat, itertools.count(). Where they stand is a
number of the program.

    it = iter(x)                         %at = 0
    first = next(it)                     first = x[0];  %at = 1
    for v in it: …                       for k from %at to n: { %at = k + 1;  v = x[k]; … }

So a loop that run time leaves early leaves the rest for the next one. A body that takes further items from the iterator of its
own loop is traced again as that of `while %at < n`.
"""
from __future__ import annotations

import builtins
import itertools
import types
from collections.abc import Callable
from typing import Any

from .. import tracing
from ..calling import builtin_calls, calls
from ..control import branches, iteration, loops, packed_lists
from ..control.iteration import Source
from ..regions import region_tracing
from ..tracing import Trace
from ..values import boxes, shapes, unrepeatable
from ..values.boxes import ArrayBox, ScalarBox


class ElementIterator(region_tracing.State):
    """An iterator over what source() gives. `at`: how many items it has given."""

    def __init__(self, trace: Trace, source: Callable[[], Source]):
        self.source, self.at = source, 0
        trace.note_fresh(self)

    def label(self, key: str) -> str:
        return "the position of an iterator"

    def move(self, at: int | ScalarBox) -> None:
        region_tracing.assign(tracing.current(), (self, True, "at"), at)

    def take(self) -> Any:
        """The item at the position, which moves on; there is one."""
        at: Any = self.at
        self.move(at + 1)
        return self.source().at(shapes.to_index(at))

    def more(self) -> bool | ScalarBox:
        """Whether there is another item."""
        unrepeatable.expect_not_spent(self)
        at, trip = self.at, self.source().trip
        if isinstance(at, int) and isinstance(trip, int):
            return at < trip
        builder = tracing.current().builder
        return ScalarBox(builder("lt", builder.index(shapes.to_index(at)), builder.index(trip)), "bool")

    def left(self, whole: bool = True) -> Any:
        """What it has not given yet. `whole`: all of it is taken; else it is not to be asked again, as nobody knows how much
        is."""
        unrepeatable.expect_not_spent(self)
        source = self.source()
        found = source if isinstance(self.at, int) and self.at == 0 else Left(source, self.at)
        if whole:
            self.move(boxes.count(shapes.arith("max", source.trip, shapes.to_index(self.at))))
        else:
            tracing.current().spent[id(self)] = self
        return found

    def __iter__(self) -> Any:
        """For what Python itself goes through, item by item."""
        return iter(self.left(False))


class Left(Source):
    """A source from a position on."""

    __slots__ = ("inner", "start")

    def __init__(self, inner: Source, start: int | ScalarBox):
        self.inner, self.start = inner, shapes.to_index(start)
        self.trip = shapes.arith("max", shapes.arith("sub", inner.trip, self.start), 0)

    def at(self, k: Any) -> Any:
        return self.inner.at(shapes.arith("add", self.start, k))


def drive(it: ElementIterator, body: Callable, get: Callable | None, put: Callable | None, names: tuple[str, ...],
          stop: Any) -> None:
    """`for item in it: body(item)`."""
    trace, site = tracing.current(), id(body.__code__)
    more = it.more()
    if more is False:
        return
    if ("live iterator", site) in trace.lists:
        loops.while_(it.more, lambda: body(it.take()), get, put, names, stop)
        return
    source = it.source()

    def step(k: Any) -> None:
        it.move(k + 1)
        mark = it.at
        body(source.at(shapes.to_index(k)))
        if it.at is not mark:
            raise tracing.Restart(lists={("live iterator", site): True})

    start = it.at
    loops.over(iteration.Range(start, boxes.count(source.trip)), step, get, put, names, stop, site=site)
    if stop is None:
        it.move(boxes.count(shapes.arith("max", source.trip, shapes.to_index(start))))


def following(it: ElementIterator, *default: Any) -> Any:
    """next(it)."""
    more = it.more()
    if isinstance(more, bool):
        if more:
            return it.take()
        if default:
            return default[0]
        raise branches.raise_(StopIteration)
    if default:
        return branches.either(more, it.take, lambda: default[0])
    tracing.current().builder.emit("check", more.read(), error="StopIteration", message="")
    return it.take()


def _iter(x: Any, *stop: Any) -> Any:
    """iter(x)."""
    trace = tracing.active()
    if stop or trace is None or not isinstance(x, (ArrayBox, Source, range, packed_lists.Fixed)):
        return _ITER(x, *stop)
    source = iteration.source_of(iteration.spend(x))
    assert source is not None
    return ElementIterator(trace, lambda: source)


def _count(start: Any = 0, step: Any = 1) -> Any:
    """itertools.count(start, step) of ints: a range without an end."""
    trace, numbers = tracing.active(), (start, step)
    if trace is None or not all(type(x) is int or (type(x) is ScalarBox and x.weak == "int") for x in numbers):
        return itertools.count(start, step)
    source = iteration.Endless(start, step)
    return ElementIterator(trace, lambda: source)


def _called(f: Any, args: tuple, kwargs: dict) -> Any:
    """A call with such an iterator among its arguments: what reads it has the rest of its items."""
    if f is builtins.next and type(args[0]) is ElementIterator:
        return following(*args)
    if f is builtins.iter and len(args) == 1:
        return args[0]
    if not reads(f):
        return NotImplemented

    def taken(x: Any) -> Any:
        if type(x) is not ElementIterator:
            return x
        rest = x.left(f in WHOLE)
        return rest if isinstance(rest.trip, int) or f is list or f not in WHOLE else calls.call(list, rest)

    return calls.call(f, *map(taken, args), **{name: taken(x) for name, x in kwargs.items()})


WHOLE = (list, tuple, set, sum, min, max, sorted)          # functions that take all that there is


def reads(f: Any) -> bool:
    """Whether a function takes the elements, and neither keeps the iterator nor writes to it."""
    if isinstance(f, type):
        return f.__module__ == "builtins" and f is not type
    return not isinstance(f, (types.FunctionType, types.MethodType)) and f not in (builtins.iter, builtins.next, isinstance)


_ITER = builtin_calls.BUILTINS[iter]
calls.BUILTINS[iter] = _iter
calls.BUILTINS[itertools.count] = _count
calls.SPREAD[ElementIterator] = _called
iteration.DRIVEN[ElementIterator] = drive
iteration.SOURCES[ElementIterator] = ElementIterator.left
