"""NumPy functions that order elements, and searching in what is ordered."""
from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.errors import ArgumentError, ShapeError
from ...ir.types import F16, I64
from .. import tracing
from ..values import boxes, shapes
from ..values.boxes import METHODS, ArrayBox, as_array, implements, lift
from ..values.promotion import fail, result_dtype
from ..values.shapes import axis_of
from .arrays.manipulation import ravel
from .selection import take


def _line(a: ArrayBox, axis: Any) -> tuple[ArrayBox, int]:
    box = ravel(a) if axis is None else as_array(a)
    return box, 0 if axis is None else axis_of(axis, len(box.dims))


@implements(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> ArrayBox:
    box, k = _line(a, axis)
    _order_of_equals(box, kind, stable)                   # a wrong kind is refused; equal values have no order
    return boxes.array(tracing.current().builder("sort", box.read(), axis=k))


@implements(np.argsort)
def argsort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *,
            stable: Any = None) -> ArrayBox:
    box = as_array(a)
    box, k = _line(box, None if not box.dims and axis in (0, -1) else axis)          # of a number an array of one position
    builder = tracing.current().builder
    return boxes.array(builder.cast(builder("argsort", box.read(), axis=k, kind=_order_of_equals(box, kind, stable)), I64))


_KINDS = {"q": "quicksort", "h": "stable", "m": "stable", "s": "stable"}          # NumPy looks at the first letter


def _order_of_equals(box: ArrayBox, kind: Any, stable: Any) -> str:
    """The attribute `kind` of an argsort: NumPy's default leaves equal elements in an order of its own. float16 is computed in
    float32, which has another such order."""
    if kind is not None and stable is not None:
        raise ValueError("`kind` and `stable` keyword arguments can't be provided at the same time. Use only one of them.")
    if stable or box.dtype_ir is F16:
        return "stable"
    found = "quicksort" if kind is None else _KINDS.get(kind[:1].lower())
    if found is None:
        raise ValueError(f"sort kind must be one of 'quick', 'heap', or 'stable' (got {kind!r})")
    return found


def _expect_kth(a: Any, kth: Any, axis: int) -> None:
    """Positions of a partition: in the line, counted from either end."""
    box, axis = _line(a, axis)
    n, index = box.dims[axis], lift(kth)
    if index.dtype_ir.kind not in "iux":
        raise TypeError("Partition index must be integer")
    if shapes.product(box.dims) == 0:
        return
    data = boxes.frozen_data(index)
    if data is not None and type(n) is int:
        wrong = [k for k in data.flat if not -n <= k < n]
        if wrong:
            fail(ArgumentError, f"kth(={wrong[0]}) out of bounds ({n})")
        return
    builder, value = tracing.current().builder, shapes.index_value(boxes.to_value(index))
    good = builder("and", builder("ge", value, builder("neg", builder.index(n))), builder("lt", value, builder.index(n)))
    builder.emit("check", builder.reduce(good, "all", range(good.type.rank)), error="ValueError", message="kth out of bounds")


@implements(np.partition)
def partition(a: Any, kth: Any, axis: Any = -1, kind: Any = "introselect", order: Any = None) -> Any:
    _expect_kth(a, kth, axis)
    return sort(a, axis)


@implements(np.argpartition)
def argpartition(a: Any, kth: Any, axis: Any = -1, kind: Any = "introselect", order: Any = None) -> Any:
    if not as_array(a).dims and axis in (0, -1):
        a = ravel(a)
    _expect_kth(a, kth, axis)
    return argsort(a, axis)


def _sort_in_place(x: ArrayBox, axis: int = -1, kind: str | None = None, order: str | None = None, *,
                   stable: Any = None) -> None:
    x.write(sort(x, axis, kind, stable=stable).read())


METHODS["sort"] = _sort_in_place


def _partition_in_place(x: Any, kth: Any, axis: int = -1, kind: str = "introselect", order: str | None = None) -> None:
    _expect_kth(x, kth, axis)
    _sort_in_place(x, axis)


METHODS["partition"] = _partition_in_place


@implements(np.searchsorted)
def searchsorted(a: Any, v: Any, side: Any = "left", sorter: Any = None) -> Any:
    grid, x = as_array(a), lift(v)
    if len(grid.dims) != 1:
        fail(ShapeError, "object too deep for desired array")
    if side not in ("left", "right"):
        raise ValueError(f"search side must be 'left' or 'right' (got {side!r})")
    if sorter is not None:
        grid = take(grid, sorter)
    common = result_dtype([grid.kind, x.kind])
    builder = tracing.current().builder
    found = builder("searchsorted", boxes.to_value(grid, common), boxes.converted(x, x.read(), common), side=side)
    return boxes.result(builder.cast(found, I64))
