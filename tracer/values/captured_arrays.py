"""Arrays that exist outside of the trace: what traced code sees of them, and what is remembered so that calls find them again.

    read at run time    the usual case: a box over a live constant, for which each call looks up the present array
    known               its elements are part of the program: a position, a length, a condition that Python decides. A call
                        compares them with those that the trace saw

An array starts as the first. `A[2]` of a small one is known, until it has changed once; and where the trace needs a number that
hangs on elements, it starts again with the array known (`context.Restart`). What NumPy or another library computes of arrays
alone, while the function is traced, makes them known, too.
"""
from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.build import const, memory
from ...ir.core import Const
from ...ir.errors import DTypeError
from ...ir.types import INDEX, Array
from .. import tracing
from . import boxes, views
from .boxes import ArrayBox, Box
from .promotion import fail, to_dtype

if TYPE_CHECKING:
    from ..tracing import Trace

SMALL = 1024              # bytes: of such an array an element is a number in the program
_DEEP = 3                 # containers inside of each other in which the arguments of other libraries are looked for


@dataclass(eq=False)
class Captured:
    """What a trace reached outside of its arguments.

    functions   the rewritten functions that ran, whose globals, cells and defaults it was reached by
    objects     the callable that was traced, and the arguments that are part of the specialisation
    live        (constant, the array that it stands for)
    known       arrays whose elements are part of the program
    reads       what was read of other objects, from each root (values/captured_values.py)
    inputs      constants that stand for numbers among these
    ways        how calls find them again, once somebody has looked for that
    """

    functions: tuple = ()
    objects: tuple = ()
    live: tuple[tuple[Const, np.ndarray], ...] = ()
    known: tuple[np.ndarray, ...] = ()
    reads: tuple[tuple, ...] = ()
    inputs: tuple[Const, ...] = ()
    ways: Any = field(default=None, repr=False)


def reached(trace: Trace, writes: bool, objects: list[Callable | int]) -> Captured:
    """What a trace that has ended reached. With `writes`, the memory of known arrays matters, too: an argument that is
    overwritten may lie there."""
    seen = {id(x) for x in trace.live.values()}
    for x in trace.known.values() if writes else ():
        if id(x) not in seen and _readable(x):
            trace.live[_constant(x)] = x
    found = Captured(tuple(trace.entered.values()), tuple(objects), tuple(trace.live.items()), tuple(trace.known.values()),
                     tuple(trace.reads.values()), tuple(trace.inputs))
    for table in (trace.lifted, trace.live, trace.known, trace.reads, trace.outside, trace.ways, trace.inputs,
                  trace.untraced):
        table.clear()                                  # what nobody holds can be resized
    tracing.gathered().append(found)
    return found


def merged(parts: list[Captured]) -> Captured:
    """What several traces reached whose programs became one: that of a function, and those of rules for its derivative."""
    columns = zip(*((p.functions, p.objects, p.live, p.known, p.reads, p.inputs) for p in parts))
    return Captured(*(tuple(itertools.chain(*column)) for column in columns))


def outside(x: Any) -> bool:
    """Whether x is an array that the trace under way has not made."""
    trace = tracing.active()
    return trace is not None and isinstance(x, np.ndarray) and trace.maker(x) < 0


def seen(x: Any) -> Any:
    """An array as an operand of traced code: a box where run time reads it, itself where it is known."""
    if not outside(x):
        return x
    trace = tracing.current()
    if _is_known(trace, x) or not _readable(x):
        trace.note_known(x)
        return x
    return _box(x)


def seen_within(x: Any) -> Any:
    """The same, of what lists and tuples hold too."""
    if type(x) in (list, tuple) and any(isinstance(v, (np.ndarray, list, tuple)) for v in x):
        return type(x)(map(seen_within, x))
    return seen(x)


def made(result: Any, *operands: Any) -> Any:
    """What NumPy computed of known arrays. It belongs to the traced program, unless it is a view of one of them."""
    if isinstance(result, np.ndarray) and result.base is None and not any(result is x for x in operands):
        tracing.current().note_fresh(result)
    return result


def element(x: np.ndarray, key: int | slice) -> Array | Box:
    """x[key] for a key without traced parts."""
    trace = tracing.current()
    if trace.maker(x) >= 0:
        return x[key]
    if not _is_known(trace, x) and _readable(x):
        if x.nbytes > SMALL or id(x) in trace.changing or isinstance(found := x[key], np.ndarray):
            return _box(x)[key]
        trace.note_known(x)
        return found
    trace.note_known(x)
    return made(x[key], x)


def items(x: np.ndarray) -> np.ndarray | ArrayBox:
    """x, which is iterated outside of a `for` statement. A short row of numbers is known, as single elements are."""
    if not outside(x):
        return x
    trace = tracing.current()
    if x.ndim > 1 or id(x) in trace.changing or x.nbytes > SMALL:
        return seen(x)
    trace.note_known(x)
    return x


def note_read(*given: Any, deep: int = _DEEP) -> None:
    """A library is about to read arrays while the function is traced: their elements are part of the program."""
    trace = tracing.active()
    for x in given:
        if isinstance(x, np.ndarray):
            if trace is not None:
                trace.note_known(x)
        elif deep and type(x) in (list, tuple, dict):
            note_read(*(x.values() if type(x) is dict else x), deep=deep - 1)


def taken(f: Callable, instead: Callable, args: tuple, kwargs: dict) -> Any:
    """What `instead`, which stands for a function of NumPy, makes of arguments. An array among them that it has made no box of
    is part of the program: it gave a shape, positions or widths."""
    trace = tracing.current()
    given = [x for x in _arrays((*args, *kwargs.values()), _DEEP) if trace.maker(x) < 0]
    if not given or f in _DESCRIPTIONS:
        return instead(*args, **kwargs)
    before, trace.boxed = trace.boxed, set()
    result = instead(*args, **kwargs)
    for x in given:
        if id(x) not in trace.boxed:
            trace.note_known(x)
    trace.boxed |= before
    return result


def _arrays(held: Any, deep: int) -> Iterator[np.ndarray]:
    for x in held:
        if isinstance(x, np.ndarray):
            yield x
        elif deep and type(x) in (list, tuple):
            yield from _arrays(x, deep - 1)


# They ask for shapes and dtypes only.
_DESCRIPTIONS = frozenset({np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj, np.iterable,
                           np.isscalar, np.may_share_memory, np.shares_memory, np.common_type, len})


def _is_known(trace: Trace, x: np.ndarray) -> bool:
    while isinstance(x, np.ndarray):
        if trace.fixed is None or id(x) in trace.fixed:
            return True
        x = x.base
    return False


def _readable(x: np.ndarray) -> bool:
    """Whether machine code can read the elements where they are."""
    return (x.dtype.kind in "biufc" and x.dtype.isnative and x.flags.aligned and x.dtype.itemsize <= 16
            and not isinstance(x, (np.matrix, np.ma.MaskedArray)) and _spaced(x))


def _spaced(x: np.ndarray) -> bool:
    return x.flags.c_contiguous or x.flags.f_contiguous or (x.size > 0 and not any(s % x.itemsize for s in x.strides))


def _box(x: np.ndarray) -> ArrayBox:
    """What `boxes.lift` makes of an array."""
    if isinstance(x, (np.matrix, np.ma.MaskedArray)):
        fail(DTypeError, f"a {type(x).__name__} cannot be compiled", "use a plain ndarray")
    trace = tracing.current()
    trace.boxed.add(id(x))
    found = trace.lifted.get(id(x))
    if found is None:
        dtype = to_dtype(x.dtype)
        own = trace.maker(x) >= 0
        if own or _is_known(trace, x) or not _readable(x):
            if not own:
                trace.note_known(x)
            box = ArrayBox(const(x, dtype))
        else:
            box = _live(x)
        box.captured = box.root.captured = True
        if own:                                            # Python may write into it while it traces
            return box
        found = trace.lifted[id(x)] = (x, box)
    return found[1]


def span(x: np.ndarray) -> tuple[int, ...]:
    """The dimensions of the contiguous memory in which the elements of x lie."""
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    turned = x.transpose(order)
    if turned.flags.c_contiguous:
        return turned.shape
    return (sum((d - 1) * abs(s) for d, s in zip(x.shape, x.strides)) // x.itemsize + 1,)


def _constant(x: np.ndarray) -> Const:
    return const(memory(x, span(x)), to_dtype(x.dtype), frozen=False)


def _live(x: np.ndarray) -> ArrayBox:
    """A live constant over x's memory, whatever its strides: a transposed contiguous block, else a gather from its span."""
    value = _constant(x)
    tracing.current().live[value] = x
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    if x.transpose(order).flags.c_contiguous:
        box = ArrayBox(value)
        return box if order == list(range(x.ndim)) else box.view(views.Strided((None,) * x.ndim,
                                                                               tuple(map(order.index, range(x.ndim)))))
    at = np.zeros(x.shape, np.int64)
    for axis, s in enumerate(x.strides):
        steps = np.arange(x.shape[axis]) if s >= 0 else np.arange(x.shape[axis])[::-1]
        at += (steps * (abs(s) // x.itemsize)).reshape((-1,) + (1,) * (x.ndim - axis - 1))
    return ArrayBox(value).view(views.Gathered(const(at, INDEX)))


boxes.HOOKS["captured"] = _box
