"""numba.stencil, as the loops that it means.

    @numba.stencil                                   out = np.full(a.shape, cval)
    def f(a): return a[0, 1] - a[0, -1]       ->     for i in range(0, a.shape[0]):
                                                         for j in range(1, a.shape[1] - 1):
                                                             out[i, j] = f(a around (i, j))

The kernel is traced like any function, on windows: in a window, positions count from its place. How far the kernel reaches is
what Numba reads off its constants, or its option `neighborhood`. Array arguments that `standard_indexing` names are no windows.
"""
from __future__ import annotations

import inspect
import operator
from typing import Any

import numpy as np

from ...ir.errors import ShapeError, UnsupportedError
from ..calling import calls, dispatch
from ..control import iteration, loops
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
        offsets = key if isinstance(key, tuple) else (key,)
        if len(offsets) != len(self.place) or any(isinstance(k, slice) for k in offsets):
            fail(UnsupportedError, f"an array with {len(self.place)} axes is read with {len(offsets)} positions, or slices",
                 "read one element: a[0, 1]")
        return self.array[tuple([p + k for p, k in zip(self.place, offsets)])]


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
    reach = _reach(f, {n for n, m in zip(names, moving) if m}, len(frame))

    def value(arrays: list[ArrayBox], place: tuple[int | ScalarBox, ...]) -> ScalarBox:
        return calls.call(kernel, *[Window(x, place) if m else x for x, m in zip(arrays, moving)])

    cval = f.options.get("cval", 0)
    if out is None:
        out = FUNCTIONS[np.full](frame, cval, dtype=_kind(value, args, moving, reach))
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


def _kind(value: Any, args: list, moving: list, reach: list) -> Any:
    """The dtype of the results, from a call on ones that nothing uses."""
    sizes = [max(0, high) - min(0, low) + 1 for low, high in reach]
    ones = [FUNCTIONS[np.ones](tuple(sizes), dtype=x.dtype) if m else x for x, m in zip(args, moving)]
    found = lift(value(ones, tuple([-min(0, low) for low, _ in reach])))
    return np.result_type(found.kind) if found.weak else found.kind


def _reach(f: Any, names: set[str], rank: int) -> list[tuple[int, int]]:
    """(lowest, highest) position relative to the place, for each axis."""
    if f.neighborhood is not None:
        return [(int(low), int(high)) for low, high in f.neighborhood]
    reach = [(0, 0)] * rank
    for offsets in _offsets(f.kernel_ir, names):
        if len(offsets) != rank:
            fail(ShapeError, f"the stencil reads an array of {rank} axes with {len(offsets)} positions")
        reach = [(min(low, k), max(high, k)) for (low, high), k in zip(reach, offsets)]
    return reach


def _offsets(kernel: Any, names: set[str]) -> Any:
    """The positions that a kernel reads, from Numba's own program of it."""
    from numba.core import ir

    for block in kernel.blocks.values():
        for read in [s.value for s in block.body if isinstance(s, ir.Assign) and isinstance(s.value, ir.Expr)]:
            if read.op not in ("getitem", "static_getitem") or _origin(kernel, read.value) not in names:
                continue
            index = read.index if read.op == "static_getitem" else _constant(kernel, read.index)
            offsets = index if isinstance(index, tuple) else (index,)
            if not all(isinstance(k, (int, np.integer)) for k in offsets):
                fail(UnsupportedError, "a position that the stencil reads is no constant", _NEEDED)
            yield offsets


def _constant(kernel: Any, variable: Any) -> Any:
    """What a variable of the kernel is in every run: a number, a tuple of such; None where runs differ."""
    from numba.core import ir

    found = _definition(kernel, variable)
    if isinstance(found, (ir.Const, ir.Global, ir.FreeVar)):
        return found.value
    if isinstance(found, ir.Expr) and found.op == "build_tuple":
        return tuple([_constant(kernel, x) for x in found.items])
    if isinstance(found, ir.Expr) and found.op == "unary" and found.fn is operator.neg:
        inner = _constant(kernel, found.value)
        return None if inner is None else -inner
    return None


def _origin(kernel: Any, variable: Any) -> str | None:
    """The name of the argument that a variable of the kernel is."""
    from numba.core import ir

    found = _definition(kernel, variable)
    return found.name if isinstance(found, ir.Arg) else None


def _definition(kernel: Any, variable: Any) -> Any:
    """What a variable is bound to, once for all; None where there are several."""
    from numba.core import ir, ir_utils

    found = ir_utils.guard(ir_utils.get_definition, kernel, variable)
    while isinstance(found, ir.Var):
        found = ir_utils.guard(ir_utils.get_definition, kernel, found)
    return found


def _redirect(f: Any) -> Any:
    if type(f).__name__ == "StencilFunc" and type(f).__module__.startswith("numba."):
        return lambda *args, out=None: stencil(f, args, out)
    return None


calls.REDIRECTS.append(_redirect)
