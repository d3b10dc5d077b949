"""What a `for` runs over: sources whose item k the trace can name without having the others.

  source ::= Range | Rows (of an array) | Enumerated | Zipped | Backwards | Crossed

A source has a trip count, an int or an index value, and gives its item at a position, an int or an index value. What is no
source (lists, dicts, generators) is iterated as Python does.
"""
from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ...ir.build import const
from ...ir.core import Value
from ...ir.errors import ConcretizationError, UnsupportedError
from ...ir.thresholds import sizes
from .. import pytrees, tracing
from ..regions import leaf_types, list_scan_outputs
from ..values import boxes, captured_arrays, captured_values, shapes, unrepeatable, views
from ..values.boxes import ArrayBox, Box, ScalarBox

if TYPE_CHECKING:
    from ...ir.types import Dim

LIMIT = 10_000
SOURCES: dict = {}            # class -> the source that an instance is (control/packed_lists.py)
DRIVEN: dict = {}             # class -> drive(iterable, body, get, put, names, stop): runs a loop (sequences/generators.py)
_range = range


def _index(k: int | ScalarBox) -> Dim:
    """An int or index value of a bound."""
    if isinstance(k, Box):
        number = tracing.constant(k.read())
        return shapes.to_index(k) if number is None else number
    return shapes.to_index(k)


class Source:
    """`trip`: an int or an index value."""

    __slots__ = ("trip",)

    if TYPE_CHECKING:
        trip: Dim
        def at(self, k: Any) -> Any: ...

    def __iter__(self) -> Iterator:
        spend(self)
        if isinstance(self.trip, Value):
            why = tracing.make_static(self.trip, "iteration outside a for statement")
            raise ConcretizationError(
                f"the number of items is known only at run time, but iteration outside a for statement needs it: it depends "
                f"on {why}",
                "write a for statement", tracing.locate())
        return (self.at(k) for k in _range(self.trip))

    def __len__(self) -> int:
        if isinstance(self.trip, Value):
            return tracing.need_concrete(ScalarBox(self.trip, "int"), "len()")
        return self.trip


class Range(Source):
    """range(start, stop, step) with traced parts."""

    __slots__ = ("by", "end", "first")

    def __init__(self, *bounds: int | ScalarBox) -> None:
        start, stop, step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
        self.first, self.end, self.by = map(_index, (start, stop, step))
        self.trip = self._trip()

    def _trip(self) -> Dim:
        """max(0, ceil((stop - start) / step))"""
        arith, span = shapes.arith, shapes.arith("sub", self.end, self.first)
        if type(self.by) is int:
            if self.by == 0:
                raise ValueError("range() arg 3 must not be zero")
            if self.by < 0:
                span = arith("sub", self.first, self.end)
            size = abs(self.by)
            return arith("max", arith("floordiv", arith("add", span, size - 1), size), 0)
        builder = tracing.current().builder
        zero = builder.index(0)
        step = builder.index(self.by)
        builder.emit("check", builder("ne", step, zero), error="ValueError", message="range() arg 3 must not be zero")
        up = builder("gt", step, zero)
        last = builder("select", up, builder("sub", step, builder.index(1)), builder("add", step, builder.index(1)))
        return arith("max", arith("floordiv", arith("add", span, last), self.by), 0)

    def at(self, k: Dim) -> int | ScalarBox:
        return boxes.count(shapes.arith("add", self.first, shapes.arith("mul", k, self.by)))

    @property
    def start(self) -> int | ScalarBox:
        return boxes.count(self.first)

    @property
    def stop(self) -> int | ScalarBox:
        return boxes.count(self.end)

    @property
    def step(self) -> int | ScalarBox:
        return boxes.count(self.by)

    def length(self) -> Any:
        """len(): a traced int where it is known only at run time."""
        return boxes.count(self.trip)

    def refused(self, *args: Any) -> Any:
        """For what Python does with a range, and a traced one cannot."""
        raise UnsupportedError("a range whose bounds are known only at run time is compared or printed",
                               "compare or print its start, stop and step", tracing.locate())

    __str__ = __format__ = refused

    def __getitem__(self, k: Any) -> Any:
        """The item at a position, which is checked."""
        if isinstance(k, slice):
            raise UnsupportedError("a slice of a range whose bounds are known only at run time",
                                   "make a range of the numbers that it starts and ends with", tracing.locate())
        builder = tracing.current().builder
        position, count, zero = builder.index(shapes.to_index(k)), builder.index(self.trip), builder.index(0)
        at = builder("select", builder("lt", position, zero), builder.iop("add", position, count), position)
        inside = builder("and", builder("ge", at, zero), builder("lt", at, count))
        builder.emit("check", inside, error="BoundsError", message="range object index out of range")
        return self.at(at)


class Endless(Range):
    """itertools.count(start, step), of ints. It has more items than any loop has iterations."""

    __slots__ = ()

    def __init__(self, start: int | ScalarBox, step: int | ScalarBox):
        self.first, self.by = _index(start), _index(step)
        self.trip = ENDLESS


ENDLESS = 1 << 62


def is_endless(trip: Any) -> bool:
    """Whether that is the length of such a one, or of what is left of it."""
    return type(trip) is int and trip > ENDLESS >> 1


class AnyOrder(Range):
    """numba.prange(start, stop, step): the program allows any order."""

    __slots__ = ()


def _bounds(x: Range | range) -> tuple[list, None]:
    return [x.start, x.stop, x.step], None


def _not_zero(step: Box) -> ScalarBox:
    """The step of a range that has been made; 1 where the path that was taken made none."""
    builder, value = tracing.current().builder, step.read()
    none, one = const(0, value.type.dtype), const(1, value.type.dtype)
    return ScalarBox(builder("select", builder("eq", value, none), one, value), "int")


def _range_kind(cls: type) -> pytrees.Kind:
    """A range is a container of its bounds: branches may leave different ones, and the caller gets Python's own."""
    def join(meta: None, bounds: Sequence) -> Range | range:
        if all(type(b) is int for b in bounds):
            return _range(*bounds)
        return cls(*bounds[:2], _not_zero(bounds[2]) if isinstance(bounds[2], Box) else bounds[2])

    return pytrees.Kind("range", _bounds, join, lambda meta, n: [".start", ".stop", ".step"])


leaf_types.PLAIN[_range] = _range_kind(Range)
pytrees.learn(Range, leaf_types.PLAIN[_range])
pytrees.learn(AnyOrder, _range_kind(AnyOrder))


class Rows(Source):
    """An array along its first axis."""

    __slots__ = ("box",)

    def __init__(self, box: ArrayBox):
        if not box.dims:
            raise TypeError("iteration over a 0-d array")
        self.box, self.trip = box, box.dims[0]

    def at(self, k: Dim) -> Box:
        rank = len(self.box.dims)
        row = self.box.view(views.Strided((k,) + (None,) * (rank - 1), tuple(_range(1, rank))))
        return row if rank > 1 else ScalarBox(row.read())


class Items(Source):
    """A long list or tuple of numbers of one type that only run time knows: an array to a rolled loop, itself to one that is
    written out."""

    __slots__ = ("first", "held", "rows")

    def __init__(self, held: list | tuple, rows: ArrayBox | None = None):
        self.held, self.first, self.trip = held, list(held), len(held)
        self.rows = Rows(boxes.HOOKS["array"](list(held)) if rows is None else rows)

    def at(self, k: Any) -> Any:
        self.expect_same_length()
        if isinstance(k, int):
            return self.held[k]
        found, trace = self.rows.at(k), tracing.current()
        if type(found) is not ScalarBox:
            return found
        value = found.read()
        trace.items[value] = next((scope.loop for scope in reversed(trace.scopes) if scope.loop is not None), None)
        return ScalarBox(value, getattr(self.held[0], "weak", None))

    def left(self, start: int) -> Iterator:
        """The items from a position on, as Python goes through a list that may get longer or shorter meanwhile."""
        while start < len(self.held):
            yield self.held[start]
            start += 1

    def changed(self) -> bool:
        """Whether the loop has written into the list, which its array doesn't show."""
        return len(self.held) != self.trip or any(now is not was for now, was in zip(self.held, self.first))

    def expect_same_length(self) -> None:
        if len(self.held) != self.trip:
            raise UnsupportedError("a list of numbers of run time changes its length in a loop over it",
                                   "loop over a copy, `for x in list(items)`, or with `while`", tracing.locate())


class Scanned(Items):
    """A list that a rolled loop has made, of which there is an array already."""

    __slots__ = ()


def lists_in(source: Source) -> list[Items]:
    """The lists that a loop goes through, also behind enumerate(), zip(), reversed()."""
    if isinstance(source, Items):
        return [source]
    inner = getattr(source, "inner", None)
    parts = getattr(source, "inners", () if inner is None else (inner,))
    return [items for part in parts for items in lists_in(part)]


def expect_identity(*numbers: ScalarBox) -> None:
    """Before numbers are asked whether they are the same object: items of a list are, once its loop is written out."""
    trace = tracing.current()
    for x in numbers:
        loop = trace.items.get(x.read())
        if loop is not None and loop.active:
            raise tracing.NeedUnroll(loop, "the identity of an item")


def _are_alike(held: list | tuple) -> bool:
    """Whether all are numbers of one type, of which the trace knows none."""
    kinds = {(x.weak, x.dtype_ir) if isinstance(x, ScalarBox) and tracing.constant(x.read()) is None else None for x in held}
    return len(kinds) == 1 and None not in kinds


class Enumerated(Source):
    __slots__ = ("inner", "start")

    def __init__(self, inner: Source, start: int = 0):
        self.inner, self.start, self.trip = inner, start, inner.trip

    def at(self, k: Any) -> tuple[int | ScalarBox, Box]:
        return boxes.count(shapes.arith("add", _index(self.start), k)), self.inner.at(k)


class Zipped(Source):
    __slots__ = ("inners",)

    def __init__(self, inners: Any):
        self.inners = inners
        trips = [s.trip for s in inners]
        self.trip = trips[0]
        for trip in trips[1:]:
            if not shapes.same(self.trip, trip):
                self.trip = shapes.arith("min", self.trip, trip)

    def at(self, k: Dim) -> tuple[Box, ...]:
        return tuple(s.at(k) for s in self.inners)


class Backwards(Source):
    __slots__ = ("inner",)

    def __init__(self, inner: Source):
        self.inner, self.trip = inner, inner.trip

    def at(self, k: Any) -> int:
        return self.inner.at(shapes.arith("sub", shapes.arith("sub", self.trip, 1), k))


class Crossed(Source):
    """All combinations, the last source fastest: itertools.product, np.ndindex."""

    __slots__ = ("inners",)

    def __init__(self, inners: Any):
        self.inners = inners
        self.trip = shapes.product([s.trip for s in inners])

    def at(self, k: Any) -> Any:
        found = []
        for s in reversed(self.inners):
            found.append(s.at(shapes.arith("mod", k, s.trip)))
            k = shapes.arith("floordiv", k, s.trip)
        return tuple(reversed(found))


_PYTHON = {Enumerated: "enumerate", Zipped: "zip", Backwards: "reversed", Crossed: "itertools.product"}
ONCE = tuple(_PYTHON)                                   # what Python goes through once


def expect_first(x: Any) -> None:
    """Before items are taken: an iterator that has a name may have been gone through, or left early."""
    if type(x) in ONCE and tracing.active() is not None:
        unrepeatable.expect_not_spent(x)


def spend(x: Any) -> Any:
    """x, of which items have been taken."""
    trace = tracing.active()
    if type(x) in ONCE and trace is not None:
        unrepeatable.expect_not_spent(x)
        trace.spent[id(x)] = x
    return x


def source_of(x: Any) -> Source | None:
    """The source that x is, or None."""
    if isinstance(x, Source):
        return x
    if isinstance(x, _range):
        return Range(x.start, x.stop, x.step)
    if isinstance(x, ArrayBox):
        return Rows(x)
    if isinstance(x, np.ndarray) and x.dtype.kind in "biufc" and x.ndim:
        return Rows(boxes.as_array(x))
    if type(x) is list:
        captured_values.whole(x)
        if (trace := tracing.active()) is not None:
            list_scan_outputs.read(trace, x)
        rows = list_scan_outputs.rows_of(x)
        if rows is not None:
            return Scanned(x, rows) if len(x) == rows.dims[0] else Rows(rows)
    if type(x) in (list, tuple) and len(x) > sizes.traced_unrolled_total and tracing.active() is not None and _are_alike(x):
        return Items(x)
    own = SOURCES.get(type(x))
    return own and own(x)


def is_source(x: Any) -> bool:
    """Whether x is one, or goes for one, asked without taking the items of an iterator."""
    return type(x) in SOURCES or source_of(x) is not None


# --- the builtins -----------------------------------------------------------------------------------------------------

def range_(*bounds: int | ScalarBox) -> range | Range:
    if not any(isinstance(b, Box) for b in bounds):
        captured_arrays.note_read(*bounds)
        captured_values.asked("__index__", *bounds)
        return _range(*bounds)
    for b in bounds:
        if isinstance(b, Box) and (b.dims or b.dtype_ir.kind not in "iux"):
            raise TypeError(f"'{b.weak or b.dtype_ir.np.name if isinstance(b, ScalarBox) else 'numpy.ndarray'}' object "
                            "cannot be "
                            "interpreted as an integer")
    found = Range(*bounds)
    parts = [p for p in (found.first, found.end, found.by) if isinstance(p, int)]
    return _range(*parts) if len(parts) == 3 else found


def enumerate_(iterable: Sequence | ArrayBox, start: int = 0) -> enumerate | Enumerated:
    source = source_of(spend(iterable))
    if source is None:
        return enumerate(iterate(iterable), start)
    return Enumerated(source, start)


def zip_(*iterables: Sequence | ArrayBox, strict: bool = False) -> Zipped | zip:
    sources = [source for x in iterables if (source := source_of(spend(x))) is not None]
    if not sources or len(sources) < len(iterables):
        return zip(*map(iterate, iterables), strict=strict)
    if strict:
        for k, s in enumerate(sources[1:], 2):
            shapes.require_equal(sources[0].trip, s.trip, f"zip() argument {k} has another length than argument 1")
    return Zipped(sources)


def reversed_(sequence: range) -> Any:
    if type(sequence) in ONCE:
        raise TypeError(f"'{_PYTHON[type(sequence)]}' object is not reversible")
    source = source_of(sequence)
    return reversed(sequence) if source is None else Backwards(source)


def product_(*iterables: Any, repeat: int = 1) -> Any:
    sources = [source_of(spend(x)) for x in iterables] * repeat
    if None in sources:
        return itertools.product(*map(iterate, iterables), repeat=repeat)
    return Crossed(sources)


def ndindex(*shape: Any) -> Any:
    """np.ndindex: the index tuples of a shape."""
    dims = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
    return Crossed([Range(d) for d in dims])


def ndenumerate(x: Any) -> Any:
    """np.ndenumerate: (index tuple, element) for each element."""
    box = boxes.lift(x)
    return Zipped([ndindex(tuple(map(boxes.count, box.dims))), Rows(box.reshape(-1))])


def iterate(x: Any) -> Any:
    """x as Python iterates it: a source item by item."""
    captured_values.whole(x)
    unrepeatable.expect_no_environment(x)
    unrepeatable.expect_not_consumed(x)
    captured_values.asked("__iter__", x)
    if type(x) is list and (trace := tracing.active()) is not None:
        list_scan_outputs.read(trace, x)
    if isinstance(x, (list, tuple, dict, str)):
        return x
    x = captured_arrays.items(x) if isinstance(x, np.ndarray) else x
    source = None if isinstance(x, np.ndarray) else source_of(x)
    if source is None:
        return x
    if is_endless(source.trip):
        return _first_items(source)
    if isinstance(source.trip, int) and source.trip > LIMIT:
        too_long(source.trip)
    return iter(source)


def _first_items(source: Source) -> Iterator:
    yield from itertools.islice(source, LIMIT)
    too_long(LIMIT + 1)


def too_long(trip: Dim, why: str = "it is iterated outside a for statement") -> NoReturn:
    raise UnsupportedError(
        f"{trip:,} iterations would be unrolled, more than {LIMIT:,}: {why}",
        "write a for statement whose body works with a traced index, and store into an array", tracing.locate())


def as_value(trip: Dim) -> Value:
    """A trip count as an operand."""
    return tracing.current().builder.index(trip)
