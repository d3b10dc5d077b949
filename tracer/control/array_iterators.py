"""np.nditer: an iterator over the elements of one array, or of several that are broadcast against each other.

    for v in np.nditer(a): …                    for k in 0 … a.size: { %at = k;  v = a[index(k), ...]; … }
    it = np.nditer(a, flags=["multi_index"])    %at = 0
    while not it.finished: …; it.iternext()     while %at < a.size: …; %at = %at + 1

An item is a view of rank 0, so a program that asks for op_flags=["readwrite"] writes to the array. The order is that of the
elements in memory (order="K"), the axis of the smallest stride fastest and each from its low end, or of the axes themselves:
arguments in another order than C's are refused where it is asked for (values/memory_layout.py).
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from ...ir.errors import ShapeError, UnsupportedError
from ...ir.types import Dim
from .. import tracing
from ..regions import region_tracing
from ..values import boxes, memory_layout, shapes, unrepeatable, views
from ..values.boxes import ArrayBox, ScalarBox
from ..values.promotion import fail
from . import iteration, loops

_FLAGS = {"multi_index", "refs_ok", "zerosize_ok"}
_ACCESS = {"readonly": False, "readwrite": True, "writeonly": True}


class ArrayIterator(region_tracing.State):
    """`operands`: the arrays, of equal dims; `axes`: which axis runs how fast, the slowest first; `backwards`: those that are
    run through from their ends; `at`: the number of the element at hand."""

    def __init__(self, trace: tracing.Trace, operands: Sequence[ArrayBox], axes: Sequence[int], backwards: frozenset,
                 indexed: bool):
        self.operands, self.axes, self.backwards, self.indexed, self.at = tuple(operands), axes, backwards, indexed, 0
        self.indices = iteration.Crossed([iteration.Range(boxes.count(operands[0].dims[axis])) for axis in axes])
        self.ndim, self.nop = len(axes), len(self.operands)
        trace.note_fresh(self)

    shape = property(lambda self: tuple(map(boxes.count, self.operands[0].dims)))
    itersize = property(lambda self: boxes.count(self.indices.trip))

    def label(self, key: str) -> str:
        return "the position of np.nditer"

    def move(self, at: int | ScalarBox) -> None:
        region_tracing.assign(tracing.current(), (self, True, "at"), at)

    def index(self, at: Any) -> tuple:
        """The index of an element."""
        found: list = [0] * len(self.axes)
        for axis, k in zip(self.axes, self.indices.at(shapes.to_index(at))):
            found[axis] = boxes.count(self.operands[0].dims[axis]) - 1 - k if axis in self.backwards else k
        return tuple(found)

    @property
    def multi_index(self) -> tuple:
        if not self.indexed:
            fail(ShapeError, "Iterator is not tracking a multi-index")
        return self.index(self.at)

    def items(self, at: Any) -> tuple[Any, ...]:
        index = self.index(at)
        return tuple(x[(*index, Ellipsis)] for x in self.operands)

    def item(self, at: Any) -> Any:
        found = self.items(at)
        return found if self.nop > 1 else found[0]

    value = property(lambda self: self.item(self.at))

    def __getitem__(self, k: int) -> Any:
        return self.items(self.at)[k]

    def __setitem__(self, k: int, value: Any) -> None:
        self.items(self.at)[k][...] = value

    def more(self) -> Any:
        unrepeatable.expect_not_spent(self)
        at, trip = self.at, self.indices.trip
        if isinstance(at, int) and isinstance(trip, int):
            return at < trip
        builder = tracing.current().builder
        return ScalarBox(builder("lt", builder.index(shapes.to_index(at)), builder.index(trip)), "bool")

    @property
    def finished(self) -> Any:
        found = self.more()
        return not found if isinstance(found, bool) else found == False                           # noqa: E712

    def iternext(self) -> Any:
        self.move(self.at + 1)
        return self.more()

    def reset(self) -> None:
        self.move(0)

    def close(self) -> None:
        """What has been written is in the arrays already."""


    def __iter__(self) -> Any:
        return iteration.iterate(Elements(self))

    def __next__(self) -> NoReturn:
        _refuse("next() of np.nditer", "write `it[0]`, and `it.iternext()` to go on")


class Elements(iteration.Source):
    """All items of such an iterator, for what takes them at once: a comprehension, zip, list."""

    __slots__ = ("held",)

    def __init__(self, held: ArrayIterator):
        unrepeatable.expect_not_spent(held)
        if not isinstance(held.at, int) or held.at:
            _refuse("the rest of np.nditer, some of whose elements have been taken", "make a new one")
        self.held, self.trip = held, held.indices.trip

    def at(self, k: Any) -> Any:
        tracing.current().spent[id(self.held)] = self.held
        return self.held.item(boxes.count(k))


def _drive(it: ArrayIterator, body: Callable, get: Callable | None, put: Callable | None, names: tuple[str, ...],
           stop: Any) -> None:
    """`for item in it: body(item)`."""
    unrepeatable.expect_not_spent(it)

    def step(k: Any) -> None:
        it.move(k)
        body(it.item(it.at))

    loops.over(iteration.Range(it.at, it.itersize), step, get, put, names, stop, site=id(body.__code__))
    if stop is None:
        it.move(it.itersize)


def nditer(op: Any, flags: Any = (), op_flags: Any = None, op_dtypes: Any = None, order: str = "K", casting: str = "safe",
           op_axes: Any = None, itershape: Any = None, buffersize: int = 0) -> Any:
    trace = tracing.active()
    if trace is None:
        return np.nditer(op, flags, op_flags, op_dtypes, order, casting, op_axes, itershape, buffersize)    # type: ignore
    several = isinstance(op, (list, tuple))
    held, flags = list(op) if several else [op], tuple(flags or ())
    for flag in flags:
        if flag not in _FLAGS:
            _refuse(f"the flag {flag!r} of np.nditer", "loop over the elements, or over the rows of the array itself")
    if op_dtypes is not None or op_axes is not None or itershape is not None or any(x is None for x in held):
        _refuse("np.nditer with op_dtypes, op_axes or itershape, or that allocates an operand",
                "convert or allocate the arrays before it: x.astype(dtype), np.empty(shape)")
    if order not in ("K", "C", "F"):
        _refuse(f"np.nditer with order={order!r}", "name the order: 'C' or 'F'")
    arrays = list(map(boxes.as_array, held))
    dims = shapes.broadcast_dims(*(x.dims for x in arrays))
    if "zerosize_ok" not in flags:
        _expect_some(shapes.product(dims))
    axes, backwards = _order(arrays, dims, order)
    written = _written(op_flags, len(arrays))
    operands = [_operand(x, w, dims) for x, w in zip(arrays, written)]
    return ArrayIterator(trace, operands, axes, backwards, "multi_index" in flags)


def _expect_some(total: Dim) -> None:
    message = "Iteration of zero-sized operands is not enabled"
    if total == 0:
        fail(ShapeError, message)
    if not isinstance(total, int):
        builder = tracing.current().builder
        builder.emit("check", builder("ne", builder.index(total), builder.index(0)), error="ShapeError", message=message)


def _operand(x: ArrayBox, written: bool, dims: tuple) -> ArrayBox:
    if not written:
        return x.view(views.Spread(dims))
    if not shapes.same_dims(x.dims, dims):
        fail(ShapeError, f"non-broadcastable operand with shape {shapes.show(x.dims)} doesn't match the broadcast shape "
                         f"{shapes.show(dims)}")
    x.writable()
    return x


def _written(op_flags: Any, count: int) -> list[bool]:
    """Whether each operand may be written to."""
    if op_flags is None:
        return [False] * count
    one = all(isinstance(x, str) for x in op_flags)
    rows = [op_flags] * count if one else list(op_flags) * (count if len(op_flags) == 1 else 1)
    if len(rows) != count:
        fail(ShapeError, f"op_flags of np.nditer are for {len(rows)} operands, of which there are {count}")
    unknown = {word for row in rows for word in row} - set(_ACCESS)
    if unknown:
        _refuse(f"{min(unknown)!r} in op_flags of np.nditer", "use 'readonly' or 'readwrite'")
    return [any(_ACCESS[word] for word in row) for row in rows]


def _order(arrays: list[ArrayBox], dims: tuple, order: str) -> tuple[tuple[int, ...], frozenset[int]]:
    """(the axes, the slowest first, those that are run through backwards): NumPy's own iterator decides, on stand-ins with
    every longer axis cut to 2 and the strides in the same order (views.ufunc_strides does so, too)."""
    stand_ins = []
    for x in arrays:
        if order == "K" and x.dims:
            memory_layout.order_decides(x)
        strides = x.strides_known
        if strides is None:
            if order == "K" and (x.base is not None or x.permuted):
                _refuse("np.nditer in the order of memory, of a view whose strides follow from a length of run time",
                        "name the order: np.nditer(a, order='C')")
            strides = range(len(x.dims), 0, -1)
        stand_ins.append(views.stand_in(x.dims, strides))
    with np.nditer(stand_ins, ["multi_index"], [["readonly"]] * len(arrays), order=order,    # type: ignore[call-overload]
                   itershape=tuple(1 if d == 1 else 2 for d in dims)) as iterator:
        first = iterator.multi_index
        met: dict[int, int] = {}
        for step in range(iterator.itersize):
            for axis, k in enumerate(iterator.multi_index):
                if k != first[axis]:
                    met.setdefault(axis, step)
            iterator.iternext()
    axes = sorted(range(len(dims)), key=lambda axis: -met.get(axis, 0))
    return tuple(axes), frozenset(axis for axis, k in enumerate(first) if k)


def _refuse(what: str, remedy: str) -> NoReturn:
    raise UnsupportedError(f"{what} cannot be compiled", remedy, tracing.locate())


iteration.DRIVEN[ArrayIterator] = _drive
iteration.SOURCES[ArrayIterator] = Elements
