"""Views of an array by positions in memory: windows that slide along axes, and strides."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....ir.errors import ShapeError, UnsupportedError
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
    sizes = tuple(shapes.static_int(w, "the length of a window") for w in boxes_of(window_shape))
    axes = tuple(range(len(box.dims))) if axis is None else tuple(axis_of(k, len(box.dims)) for k in boxes_of(axis))
    if len(sizes) != len(axes):
        fail(ShapeError, f"Must provide window_shape for all dimensions of `x`; got {len(sizes)} and {len(axes)} axes")
    for size, k in zip(sizes, axes):
        if type(box.dims[k]) is int and size > box.dims[k]:
            fail(ShapeError, "window shape cannot be larger than input array shape")
    return box.view(views.Windows(axes, sizes))


@implements(np.lib.stride_tricks.as_strided)
def as_strided(x: Any, shape: Any = None, strides: Any = None, subok: Any = False, writeable: Any = True) -> ArrayBox:
    box = as_array(x)
    own, size = _strides(box), box.dtype_ir.size
    count = math.prod(shapes.static_int(d, "a length of an array under as_strided") for d in box.dims)
    to = box.dims if shape is None else tuple(shapes.static_int(n, "a length of as_strided") for n in boxes_of(shape))
    steps = own if strides is None else tuple(shapes.static_int(s, "a stride") for s in boxes_of(strides))
    if len(to) != len(steps) or any(n < 0 for n in to):
        fail(ShapeError, f"as_strided takes a stride for each axis, got the shape {to} and the strides {steps}")
    order = sorted(range(len(own)), key=lambda axis: -abs(own[axis]))
    box = box if views.contiguous(box.dims, tuple(s // size for s in own)) else transpose(box, order)
    if any(s % size for s in steps) or not views.contiguous(box.dims, tuple(own[axis] // size for axis in order)):
        fail(UnsupportedError, "as_strided of an array with gaps, or of parts of elements, cannot be compiled",
             "pass np.ascontiguousarray(…), and strides that are multiples of its itemsize")
    ends = [(n - 1) * s // size for n, s in zip(to, steps)]
    if 0 not in to and (sum(e for e in ends if e < 0) < 0 or sum(ends) >= count):
        fail(ShapeError, f"as_strided with the shape {to} and the strides {steps} reads outside of the array",
             f"its {count} elements of {size} bytes are what it can read")
    found = box.view(views.Restrided(to, tuple(s // size for s in steps)))
    found.writeable = found.writeable if writeable else False
    return found
