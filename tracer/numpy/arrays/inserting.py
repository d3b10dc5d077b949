"""np.insert and np.delete: lines put between those of an array, and taken out."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....ir.build import const
from ....ir.errors import BoundsError, UnsupportedError
from ....ir.types import I64
from ... import tracing
from ...values import boxes, shapes
from ...values.boxes import FUNCTIONS, ArrayBox, Box, ScalarBox, as_array, implements, lift
from ...values.promotion import fail
from ...values.shapes import axis_of
from .joining import broadcast_to, concatenate
from .manipulation import moveaxis, ravel, reshape
from .unit_axes import expand_dims


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    box = ravel(arr) if axis is None else as_array(arr)
    axis = 0 if axis is None else axis_of(axis, len(box.dims))
    if type(box.dims[axis]) is not int or _is_of_run_time(obj):
        return _delete_where(box, obj, axis)
    kept = np.delete(np.arange(box.dims[axis]), _static_selection(obj, "np.delete"))
    return box[(*(slice(None),) * axis, boxes.array(const(kept, I64)))]


def _is_of_run_time(obj: Any) -> bool:
    """Whether a selection holds positions that only run time knows."""
    if isinstance(obj, (list, tuple)):
        return any(map(_is_of_run_time, obj))
    if isinstance(obj, ScalarBox):
        return tracing.constant(obj.read()) is None
    return isinstance(obj, Box) and boxes.frozen_data(obj) is None


def _delete_where(box: ArrayBox, obj: Any, axis: int) -> Any:
    """x without one line: those before it and those after it; without several: x[mask]."""
    builder, n, lead = tracing.current().builder, boxes.count(box.dims[axis]), (slice(None),) * axis
    if isinstance(obj, (int, ScalarBox)) and not isinstance(obj, bool):
        at = boxes.count(builder("wrap", builder.index(shapes.to_index(obj)), builder.index(box.dims[axis]), axis=axis))
        k = FUNCTIONS[np.arange](n - 1)
        return box[(*lead, FUNCTIONS[np.where](k >= at, k + 1, k))]
    if isinstance(obj, slice):
        chosen: Any = obj
    else:
        chosen = as_array(obj)
        if chosen.dtype_ir.kind == "b":
            if len(chosen.dims) != 1:
                raise ValueError("boolean array argument obj to delete must be one dimensional and match the axis length of "
                                 f"{box.dims[axis]}")
            shapes.require_equal(chosen.dims[0], box.dims[axis], "boolean array argument obj to delete must be one dimensional "
                                 "and match the axis length")
            return box[(*lead, ~chosen)]
    kept = FUNCTIONS[np.ones](n, np.bool_)
    kept[chosen] = False
    return box[(*lead, kept)]


def _static_selection(obj: Sequence[int], what: str) -> Sequence[int]:
    if isinstance(obj, (int, slice, list, tuple)) and not isinstance(obj, bool):
        return obj
    if isinstance(obj, Box) and not obj.dims:
        return tracing.need_concrete(obj, f"the position for {what}")
    data = boxes.frozen_data(lift(obj))
    if data is None:
        fail(UnsupportedError, f"{what} at positions known only at run time", "use a mask: x[mask]")
    return data


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> ArrayBox:
    box = ravel(arr) if axis is None else as_array(arr)
    axis = 0 if axis is None else axis_of(axis, len(box.dims))
    alone = (isinstance(obj, int) and not isinstance(obj, bool)) or (isinstance(obj, Box) and not obj.dims)
    places = None if alone else _places(obj, box.dims[axis])
    if places is not None and places.size != 1:
        return _insert_each(box, places, values, axis)
    at = _insertion_point(obj if places is None else int(places[0]), box.dims[axis], axis)
    v = as_array(boxes.array(boxes.to_value(values, box.dtype_ir)))
    v = _as_lines(v, box, axis) if alone else _with_axes(v, box, axis)
    lead = (slice(None),) * axis
    return concatenate([box[(*lead, slice(None, at))], v, box[(*lead, slice(at, None))]], axis)


def _as_lines(v: ArrayBox, box: ArrayBox, axis: int) -> ArrayBox:
    """What is inserted at one number: with fewer axes than the array it stands for one line."""
    rest = shapes.dropped(box.dims, (axis,))
    if len(v.dims) >= len(box.dims):
        return moveaxis(v, 0, axis) if axis else v
    if len(v.dims) <= len(rest) and rest:
        return expand_dims(broadcast_to(v, tuple(map(boxes.count, rest))), axis)
    return reshape(v, (-1,))


def _with_axes(v: Any, box: ArrayBox, axis: int) -> Any:
    """What is inserted at a sequence of one position: its own length along the axis counts."""
    dims = (1,) * (len(box.dims) - len(v.dims)) + v.dims
    dims = tuple(boxes.count(d if k == axis else n) for k, (d, n) in enumerate(zip(dims, box.dims)))
    return broadcast_to(v, dims)


def _places(obj: Any, n: int) -> np.ndarray:
    """The positions of np.insert that are given as a sequence, slice or mask, as an array of ints."""
    found = _static_selection(obj, "np.insert")
    if isinstance(found, slice):
        if type(n) is not int:
            fail(UnsupportedError, "np.insert at a slice of a length known only at run time", "give the positions")
        return np.arange(n)[found]
    found = np.asarray(found)
    found = np.flatnonzero(found) if found.dtype == bool else found
    if found.ndim > 1:
        raise ValueError("index array argument obj to insert must be one dimensional or scalar")
    return found.astype(np.intp) if not found.size else found


def _insertion_point(obj: Any, n: int, axis: int) -> int | ScalarBox:
    """A position from -n to n, checked now where both are known, else at run time."""
    at, message = shapes.to_index(obj), f"index {{0}} is out of bounds for axis {axis} with size {{1}}"
    if type(at) is int and type(n) is int:
        if not -n <= at <= n:
            fail(BoundsError, message.format(at, n))
        return at
    builder = tracing.current().builder
    i, size = builder.index(at), builder.index(n)
    inside = builder("and", builder("ge", i, builder("neg", size)), builder("le", i, size))
    builder.emit("check", inside, i, size, error="BoundsError", message=message)
    return boxes.count(at)


def _insert_each(box: ArrayBox, places: np.ndarray, values: float | list[float], axis: int) -> ArrayBox:
    """One line of the values at each position, which are those in the array before anything is inserted."""
    n = box.dims[axis]
    if type(n) is not int:
        fail(UnsupportedError, "np.insert at several positions of an array whose length is known only at run time",
             "insert one after the other, or fill a new array in a loop")
    outside = (places < -n) | (places > n)
    if outside.any():
        fail(BoundsError, f"index {places[outside][0]} is out of bounds for axis {axis} with size {n}")
    order = np.argsort(places := np.where(places < 0, places + n, places), kind="stable")
    places[order] += np.arange(places.size)
    total = n + places.size
    kept = np.delete(np.arange(total), places)
    dims = tuple(total if k == axis else boxes.count(d) for k, d in enumerate(box.dims))
    out, lead = FUNCTIONS[np.zeros](dims, box.dtype_ir.np), (slice(None),) * axis
    out[(*lead, places)] = values
    out[(*lead, kept)] = box
    return out
