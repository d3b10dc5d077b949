"""numba.stencil, as the loops that it means.

    @numba.stencil                                   out = np.full(a.shape, cval)
    def f(a): return a[0, 1] - a[0, -1]       ->     for i in range(0, a.shape[0]):
                                                         for j in range(1, a.shape[1] - 1):
                                                             out[i, j] = f(a around (i, j))

The kernel is traced like any function, on windows: in a window, positions count from its place. How far the kernel reaches is
what a run of it on unknown elements shows, or its option `neighborhood`. Arrays that `standard_indexing` names are no windows.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.core import Block, Value
from ...ir.errors import ShapeError, UnsupportedError
from ...ir.types import Type
from .. import tracing
from ..calling import calls, dispatch
from ..control import iteration, loops
from ..regions import region_tracing
from ..tracing import Scope
from ..values import boxes
from ..values.boxes import FUNCTIONS, ArrayBox, Box, ScalarBox, as_array, lift
from ..values.promotion import fail

_NEEDED = "give the stencil's reach: numba.stencil(neighborhood=((-1, 1), (-1, 1)))"


class Window:
    """An array whose positions are relative to a place in it."""

    __slots__ = ("array", "place")

    def __init__(self, array: Any, place: tuple):
        self.array, self.place = array, place

    def __getitem__(self, key: Any) -> Any:
        return self.array[tuple([p + k for p, k in zip(self.place, _offsets(key, len(self.place)))])]


def _offsets(key: Any, rank: int) -> tuple:
    offsets = key if isinstance(key, tuple) else (key,)
    if len(offsets) != rank or any(isinstance(k, slice) for k in offsets):
        fail(UnsupportedError, f"an array with {rank} axes is read with {len(offsets)} positions, or slices",
             "read one element: a[0, 1]")
    return offsets


def stencil(f: Any, args: tuple, out: Any = None) -> Any:
    """The stencil of these arguments: an array, or `out`, whose inner elements are written."""
    if not any(map(dispatch.traced, (*args, out))):
        return dispatch.fresh(f(*args) if out is None else f(*args, out=out))
    kernel = f.kernel_ir.func_id.func
    names = list(inspect.signature(kernel).parameters)
    if len(args) != len(names):
        fail(TypeError, f"the stencil `{kernel.__name__}` takes {len(names)} arguments, got {len(args)}", "")
    fixed = set(f.options.get("standard_indexing", ()))
    moving = [name not in fixed and (isinstance(x, np.ndarray) or (isinstance(x, Box) and lift(x).dims != ()))
              for name, x in zip(names, args)]
    if not moving or not moving[0]:
        fail(UnsupportedError, f"the first argument of the stencil `{kernel.__name__}` is no array that it moves over",
             "pass an array first")
    args = [as_array(x) if m else x for x, m in zip(args, moving)]
    frame = tuple(map(boxes.count, args[0].dims))
    if any(len(x.dims) != len(frame) for x, m in zip(args, moving) if m):
        fail(ShapeError, f"the arrays of the stencil `{kernel.__name__}` have different numbers of axes")
    reach, kind = _survey(f, kernel, args, moving, len(frame))

    def value(arrays: list[ArrayBox], place: tuple[int | ScalarBox, ...]) -> ScalarBox:
        return calls.call(kernel, *[Window(x, place) if m else x for x, m in zip(arrays, moving)])

    cval = f.options.get("cval", 0)
    if out is None:
        out = FUNCTIONS[np.full](frame, cval, dtype=kind)
    elif "cval" in f.options:
        out[...] = cval
    _sweep(frame, reach, (), lambda place: out.__setitem__(place, value(args, place)), id(kernel))
    return out


def _sweep(frame: tuple, reach: list, place: tuple, write: Any, site: int) -> None:
    """write(place) for all places around which the kernel stays inside."""
    axis = len(place)
    if axis == len(frame):
        write(place)
        return
    low, high = reach[axis]
    inner = iteration.range_(max(0, -low), frame[axis] - max(0, high))
    loops.for_(inner, lambda k: _sweep(frame, reach, (*place, k), write, site), None, None, (), None,
               site=(site, "stencil", axis))


class Survey:
    """What stands for an array while the kernel is run once, for the positions that it reads: each has the same element."""

    __slots__ = ("element", "rank", "read")

    def __init__(self, element: Value, rank: int, read: list[tuple]):
        self.element, self.rank, self.read = element, rank, read

    def __getitem__(self, key: Any) -> Any:
        offsets = _offsets(key, self.rank)
        self.read.append(tuple([tracing.constant(k.read()) if isinstance(k, Box) else k for k in offsets]))
        return ScalarBox(self.element)


def _survey(f: Any, kernel: Callable, args: list, moving: list, rank: int) -> tuple[list[tuple[int, int]], Any]:
    """((lowest, highest) position relative to the place, for each axis; the dtype of the results), from a run into a block that
    nothing uses: of elements that are not known both branches are traced, so it reads all positions that any place asks for."""
    read: list[tuple] = []
    block = Block([Type(x.dtype_ir, ()) for x, m in zip(args, moving) if m])
    elements, returned = iter(block.params), []
    windows = [Survey(next(elements), rank, read) if m else x for x, m in zip(args, moving)]
    region_tracing.run(tracing.current(), Scope(block), lambda: returned.append(lift(calls.call(kernel, *windows))),
                       None, None, ())
    if not returned:
        fail(UnsupportedError, f"the stencil `{kernel.__name__}` always raises", "return a number from it")
    kind = np.result_type(returned[0].kind) if returned[0].weak else returned[0].kind
    if f.neighborhood is not None:
        return [(int(low), int(high)) for low, high in f.neighborhood], kind
    reach = [(0, 0)] * rank
    for offsets in read:
        if not all(isinstance(k, (int, np.integer)) for k in offsets):
            fail(UnsupportedError, "a position that the stencil reads is no constant", _NEEDED)
        reach = [(min(low, int(k)), max(high, int(k))) for (low, high), k in zip(reach, offsets)]
    return reach, kind


def _redirect(f: Any) -> Any:
    if type(f).__name__ == "StencilFunc" and type(f).__module__.startswith("numba."):
        return lambda *args, out=None: stencil(f, args, out)
    return None


calls.REDIRECTS.append(_redirect)
