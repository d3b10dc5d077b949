"""Views of an array by positions in memory: windows that slide along axes, and strides."""
from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from ....ir.core import Value
from ....ir.errors import ShapeError, UnsupportedError
from ....ir.types import Dim
from ... import tracing
from ...values import boxes, memory_layout, shapes, views
from ...values.boxes import PROPERTIES, ArrayBox, as_array, implements
from ...values.promotion import fail
from ...values.shapes import axis_of
from .manipulation import boxes_of, transpose


def _strides(box: ArrayBox) -> tuple[int, ...]:
    """NumPy's strides, in bytes: of an array that lies in memory as it does here."""
    for d in box.dims:
        shapes.static_int(boxes.count(d), "strides")
    memory_layout.order_decides(box)
    if not box.dims:
        return ()
    strides = box.strides_known
    if strides is None:
        fail(UnsupportedError, "the strides of a view follow from a length that is known only at run time",
             "take the strides of a copy, whose own shape is known")
    return tuple(s * box.dtype_ir.size for s in strides)


PROPERTIES["strides"] = _strides


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(x: Any, window_shape: Any, axis: Any = None, *, subok: Any = False,
                        writeable: Any = False) -> Any:
    box = as_array(x)
    sizes = tuple(shapes.length(w, "the length of a window") for w in boxes_of(window_shape))
    axes = tuple(range(len(box.dims))) if axis is None else tuple(axis_of(k, len(box.dims)) for k in boxes_of(axis))
    if len(sizes) != len(axes):
        fail(ShapeError, f"Must provide window_shape for all dimensions of `x`; got {len(sizes)} and {len(axes)} axes")
    for size, k in zip(sizes, axes):
        _expect(_order("le", size, box.dims[k]), "window shape cannot be larger than input array shape")
    return box.view(views.Windows(axes, sizes))


@implements(np.lib.stride_tricks.as_strided)
def as_strided(x: Any, shape: Any = None, strides: Any = None, subok: Any = False, writeable: Any = True) -> ArrayBox:
    box = as_array(x)
    own, size = _strides(box), box.dtype_ir.size
    count = math.prod(shapes.static_int(d, "a length of an array under as_strided") for d in box.dims)
    to = box.dims if shape is None else shapes.shape_of(shape)
    given = own if strides is None else tuple(map(shapes.to_index, boxes_of(strides)))
    if len(to) != len(given):
        fail(ShapeError, f"as_strided takes a stride for each axis, got the shape {shapes.show(to)} and {len(given)} strides")
    order = sorted(range(len(own)), key=lambda axis: -abs(own[axis]))
    box = box if views.contiguous(box.dims, tuple(s // size for s in own)) else transpose(box, order)
    strides_now = tuple(s // size for s in _strides(box))
    for step in given:
        _expect(_order("eq", shapes.arith("mod", step, size), 0),
                f"as_strided of parts of elements cannot be compiled: strides are multiples of the itemsize, {size}")
    memory = tuple(shapes.arith("floordiv", step, size) for step in given)
    if views.contiguous(box.dims, strides_now):
        steps = memory
        _expect_inside(to, steps, count, f"array, which has {count}")
    else:
        steps = _among(box.dims, strides_now, to, memory)
    found = box.view(views.Restrided(to, steps, memory))
    found.writeable = found.writeable if writeable else False
    return found


def _among(dims: tuple[int, ...], strides: tuple[int, ...], to: tuple[Dim, ...], memory: tuple[Dim, ...]) -> tuple[int, ...]:
    """Steps among the elements in C order for steps in the memory of an array with gaps: each is a number of steps along every
    axis, the longest strides first, and no axis may be left."""
    axes = [axis for axis, (n, stride) in enumerate(zip(dims, strides)) if n > 1 and stride]
    packed = views.c_strides(dims) or ()
    along: list[list[int]] = [[0] * len(dims) for _ in memory]
    for counts, step in zip(along, memory):
        if type(step) is not int:
            fail(UnsupportedError, "as_strided of an array with gaps, by strides that only run time knows, cannot be compiled",
                 "pass np.ascontiguousarray(…)")
        for axis in axes:
            counts[axis] = int(step / strides[axis])
            step -= counts[axis] * strides[axis]
        if step:
            fail(UnsupportedError, "as_strided that reads in the gaps between the elements of an array cannot be compiled",
                 "pass np.ascontiguousarray(…), and strides for it")
    for axis in range(len(dims)):
        _expect_inside(to, tuple(counts[axis] for counts in along), dims[axis], f"axis, of which the length is {dims[axis]}")
    return tuple(sum(map(operator.mul, counts, packed)) for counts in along)


def _expect_inside(to: tuple[Dim, ...], steps: tuple[Dim, ...], count: int, what: str) -> None:
    """The first and the last of the positions sum_k i_k steps_k are among the elements, where there are any."""
    low: Dim = 0
    high: Dim = 0
    fewest: Dim = 1
    for n, step in zip(to, steps):
        end = shapes.arith("mul", shapes.arith("sub", n, 1), step)
        low = shapes.arith("add", low, shapes.arith("min", end, 0))
        high = shapes.arith("add", high, shapes.arith("max", end, 0))
        fewest = shapes.arith("min", fewest, n)
    message = (f"as_strided with the shape {shapes.show(to)} and steps of {shapes.show(steps)} elements reads outside of the "
               f"{what}")
    # where nothing is read, `fewest` is 0, and both ends become 0 by it
    _expect(_order("ge", shapes.arith("mul", low, fewest), 0), message)
    _expect(_order("lt", shapes.arith("mul", high, fewest), max(count, 1)), message)
    if count == 0:
        _expect(_order("eq", fewest, 0), message)


def _order(name: str, a: Dim, b: Dim) -> bool | Value:
    """a == b, a <= b, … of two lengths: known now, or at run time."""
    if type(a) is int and type(b) is int:
        return _ORDERS[name](a, b)
    builder = tracing.current().builder
    return builder(name, builder.index(a), builder.index(b))


_ORDERS = {"eq": operator.eq, "le": operator.le, "lt": operator.lt, "ge": operator.ge}


def _expect(fine: bool | Value, message: str) -> None:
    if isinstance(fine, Value):
        tracing.current().builder.emit("check", fine, error="ShapeError", message=message)
    elif not fine:
        fail(ShapeError, message)
