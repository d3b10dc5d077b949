"""NumPy functions that join, split, repeat, pad, insert and remove."""
from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ....ir.build import const
from ....ir.core import Value
from ....ir.errors import ShapeError, UnsupportedError
from ....ir.types import INDEX, Dim, DType
from ... import tracing
from ...regions import list_scan_outputs
from ...values import boxes, shapes, ufuncs, views
from ...values.boxes import FUNCTIONS, ArrayBox, ScalarBox, as_array, implements, lift
from ...values.promotion import fail, result_dtype, strong, to_dtype
from ...values.shapes import axis_of
from .creation import iota, stacked
from .manipulation import boxes_of, moveaxis, ravel, reshape
from .unit_axes import at_least_2d, expand_dims

# --- joining --------------------------------------------------------------------------------------------------------

def joined(arrays: list[ArrayBox], axis: int, dtype: DType | None = None) -> Value:
    """Values of one rank along an axis, in their common dtype."""
    builder = tracing.current().builder
    target = dtype or result_dtype([strong(a.kind) for a in arrays])
    values = [boxes.to_value(a, target) for a in arrays]
    rank = values[0].type.rank
    for k, v in enumerate(values):
        if v.type.rank != rank:
            fail(ShapeError,
                 f"all the input array dimensions except for the concatenation axis must match exactly, but the array at "
                             f"index 0 has {rank} dimension(s) and the array at index {k} has {v.type.rank} dimension(s)")
    dims = list(values[0].type.dims)
    for k, v in enumerate(values[1:], 1):
        for axis_k, d in enumerate(v.type.dims):
            if axis_k != axis:
                message = (f"all the input array dimensions except for the concatenation axis must match exactly, but along "
                           f"dimension "
                           f"{axis_k}, the array at index 0 has size {{0}} and the array at index {k} has size {{1}}")
                dims[axis_k] = shapes.unify(dims[axis_k], d, message)
    parts = []
    for v in values:
        own = (*dims[:axis], v.type.dims[axis], *dims[axis + 1:])
        parts.append(shapes.retype(v, own))
    if len(parts) == 1:
        return parts[0]
    total = 0
    for p in parts:
        total = shapes.arith("add", total, p.type.dims[axis])
    known = all(type(p.type.dims[axis]) is int for p in parts)
    return builder("concat", *parts, *(() if known else (builder.index(total),)), axis=axis)


def _deliver(name: str, value: Value, out: ArrayBox | None, casting: str) -> Any:
    return boxes.array(value) if out is None else ufuncs.deliver(name, value, out, casting=casting)


def sequence(x: Sequence) -> list:
    """The arrays of an argument that is a sequence of arrays or one array."""
    return [as_array(a) for a in x]


@implements(np.concatenate)
def concatenate(arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None,
                casting: Any = "same_kind") -> ArrayBox:
    parts = sequence(arrays)
    if not parts:
        fail(ShapeError, "need at least one array to concatenate")
    if axis is None:
        parts, axis = [ravel(p) for p in parts], 0
    if not parts[0].dims:
        fail(ShapeError, "zero-dimensional arrays cannot be concatenated")
    from_dtype = None if dtype is None else to_dtype(dtype)
    return _deliver("concatenate", joined(parts, axis_of(axis, len(parts[0].dims)), from_dtype), out, casting)


@implements(np.stack)
def stack(arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None,
          casting: Any = "same_kind") -> ArrayBox:
    rows = list_scan_outputs.rows_of(arrays) if dtype is None else None
    if rows is not None:
        return _deliver("stack", list_scan_outputs.stacked_rows(rows, axis_of(axis, len(rows.dims))).read(), out, casting)
    parts = sequence(arrays)
    if not parts:
        fail(ShapeError, "need at least one array to stack")
    target = to_dtype(dtype) if dtype is not None else result_dtype([strong(p.kind) for p in parts])
    values = [boxes.to_value(p, target) for p in parts]
    return _deliver("stack", stacked(values, axis_of(axis, len(values[0].type.dims) + 1)), out, casting)


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    return concatenate([at_least_2d(x) for x in tup], 0, dtype=dtype)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    parts = [FUNCTIONS[np.atleast_1d](x) for x in tup]
    return concatenate(parts, 0 if parts and len(parts[0].dims) == 1 else 1, dtype=dtype)


@implements(np.dstack)
def dstack(tup: Any) -> Any:
    return concatenate([FUNCTIONS[np.atleast_3d](x) for x in tup], 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Any:
    return concatenate([expand_dims(x, 1) if len(x.dims) == 1 else at_least_2d(x) for x in sequence(tup)], 1)


@implements(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> ArrayBox:
    if axis is None:
        arr, values, axis = ravel(arr), ravel(values), 0
    return concatenate([arr, values], axis)


@implements(np.block)
def block(arrays: Any) -> Any:
    def depth(x: Any) -> Any:
        return 1 + max(map(depth, x)) if isinstance(x, list) else 0

    levels = depth(arrays)

    def leaf_rank(x: Any) -> Any:
        return max(map(leaf_rank, x)) if isinstance(x, list) else len(as_array(x).dims)

    rank = max(levels, leaf_rank(arrays))

    def build(x: Any, level: Any) -> Any:
        if isinstance(x, list):
            return concatenate([build(p, level - 1) for p in x], axis=-level)
        box = as_array(x)
        for _ in range(rank - len(box.dims)):
            box = expand_dims(box, 0)
        return box

    return boxes.array(build(arrays, levels).read())


# --- splitting ------------------------------------------------------------------------------------------------------

def _cut(box: ArrayBox, bounds: Sequence[int | ScalarBox | None], axis: int) -> Any:
    lead = (slice(None),) * axis
    return [box[(*lead, slice(a, b))] for a, b in itertools.pairwise(bounds)]


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> Any:
    box = as_array(ary)
    axis = axis_of(axis, len(box.dims))
    n = box.dims[axis]
    if isinstance(indices_or_sections, (list, tuple, np.ndarray)) or _rank(indices_or_sections):
        return _cut(box, [0, *list(indices_or_sections), None], axis)
    parts = shapes.static_int(indices_or_sections, "the number of sections")
    if parts <= 0:
        fail(ShapeError, "number sections must be larger than 0.")
    if type(n) is not int:
        tracing.need_concrete(ScalarBox(n, "int"), "splitting an axis")
    size, extra = divmod(n, parts)
    bounds = [k * size + min(k, extra) for k in range(parts + 1)]
    return _cut(box, bounds, axis)


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> Any:
    box = as_array(ary)
    many = isinstance(indices_or_sections, (list, tuple, np.ndarray)) or _rank(indices_or_sections)
    n = box.dims[axis_of(axis, len(box.dims))]
    if not many and type(n) is int and n % shapes.static_int(indices_or_sections, "the number of sections"):
        fail(ShapeError, "array split does not result in an equal division")
    return array_split(box, indices_or_sections, axis)


implements(np.vsplit)(lambda ary, indices_or_sections: split(ary, indices_or_sections, 0))
implements(np.hsplit)(lambda ary, indices_or_sections: split(ary, indices_or_sections, 0 if len(as_array(ary).dims) == 1
                                                             else 1))
implements(np.dsplit)(lambda ary, indices_or_sections: split(ary, indices_or_sections, 2))


@implements(np.unstack)
def unstack(x: Any, /, *, axis: Any = 0) -> Any:
    return tuple(moveaxis(x, axis, 0))


# --- repeating ------------------------------------------------------------------------------------------------------

@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: Any = False) -> ArrayBox:
    box, dims = as_array(array), shapes.shape_of(shape)
    if len(dims) < len(box.dims) or not shapes.same_dims(shapes.broadcast_dims(box.dims, dims), dims):
        fail(ShapeError, f"operands could not be broadcast together with remapped shapes [original->remapped]: "
                         f"{shapes.show(box.dims)} and requested shape {shapes.show(dims)}")
    return box.view(views.Spread(dims))


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: Any = False) -> Any:
    parts = [as_array(a) for a in args]
    dims = shapes.broadcast_dims(*(p.dims for p in parts))
    return tuple(p.view(views.Spread(dims)) if not shapes.same_dims(p.dims, dims) else p for p in parts)


@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: Any = True, sparse: Any = False, indexing: Any = "xy") -> Any:
    parts = [ravel(x) for x in xi]
    rank = len(parts)
    places = list(range(rank))
    if indexing == "xy" and rank > 1:
        places[:2] = 1, 0
    lines = [reshape(p, tuple(-1 if k == place else 1 for k in range(rank))) for p, place in zip(parts, places)]
    found = lines if sparse else broadcast_arrays(*lines)
    return tuple(boxes.array(f.read()) for f in found) if copy else tuple(found)


@implements(np.tile)
def tile(A: Any, reps: Any) -> Any:
    box = as_array(A)
    many = [shapes.length(r) for r in (reps if isinstance(reps, (tuple, list)) else boxes_of(reps))]
    rank = max(len(many), len(box.dims))
    many = [1] * (rank - len(many)) + many
    dims = (1,) * (rank - len(box.dims)) + box.dims
    builder = tracing.current().builder
    value = builder.reshape(box.read(), tuple(x for d in dims for x in (1, d)))
    value = builder.broadcast(value, tuple(x for r, d in zip(many, dims) for x in (r, d)))
    return boxes.array(builder.reshape(value, tuple(shapes.arith("mul", r, d) for r, d in zip(many, dims))))


@implements(np.repeat, method="repeat")
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """One count for all: broadcast and reshape. A count each: element k comes from where k falls in their running sum."""
    box = ravel(a) if axis is None else as_array(a)
    axis = 0 if axis is None else axis_of(axis, len(box.dims))
    builder, dims, counts = tracing.current().builder, box.dims, lift(repeats)
    if not counts.dims or (type(counts.dims[0]) is int and counts.dims[0] == 1):
        times = shapes.length(counts if not counts.dims else counts[0], "the number of repeats")
        value = builder.reshape(box.read(), (*dims[:axis + 1], 1, *dims[axis + 1:]))
        value = builder.broadcast(value, (*dims[:axis + 1], times, *dims[axis + 1:]))
        return boxes.array(builder.reshape(value, (*dims[:axis], shapes.arith("mul", dims[axis], times), *dims[axis + 1:])))
    data = boxes.frozen_data(counts)
    shapes.require_equal(counts.dims[0], dims[axis], "operands could not be broadcast together with shape ({0},) ({1},)")
    if data is not None:
        origin = const(np.repeat(np.arange(len(data)), data), INDEX)
    else:
        few = builder.reduce(builder("ge", shapes.index_value(counts.read()), builder.index(0)), "all", (0,))
        builder.emit("check", few, error="ValueError", message="repeats may not contain negative values.")
        ends = builder("scan", shapes.index_value(counts.read()), kind="sum", axis=0, reverse=False)
        total = builder.reduce(shapes.index_value(counts.read()), "sum", (0,))
        origin = builder("searchsorted", ends, iota(total, INDEX), side="right")
    return boxes.array(builder("gather", box.read(), origin, axes=(axis,), at=axis))


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    box = as_array(a)
    if axis is None:
        return reshape(_rolled(ravel(box), shift, 0), tuple(map(boxes.count, box.dims)))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    shifts = shift if isinstance(shift, (tuple, list)) else (shift,) * len(axes)
    axes = axes * len(shifts) if len(axes) == 1 else axes
    for s, x in zip(shifts, axes):
        box = _rolled(box, s, axis_of(x, len(box.dims)))
    return boxes.array(box.read())


def _rolled(box: ArrayBox, shift: Any, axis: int) -> ArrayBox:
    """Where shift and length are numbers, the end before the beginning; else a gather by (k - shift) mod n."""
    n, s = box.dims[axis], shapes.to_index(shift)
    lead = (slice(None),) * axis
    if type(n) is int and type(s) is int:
        if n == 0 or s % n == 0:
            return box
        parts = [as_array(box[(*lead, slice(n - s % n, None))]), as_array(box[(*lead, slice(0, n - s % n))])]
        return boxes.array(joined(parts, axis))
    builder = tracing.current().builder
    size = builder("max", builder.index(n), builder.index(1))
    shifted = builder("mod", builder.index(s), size)                 # first: `k - s` may not fit into 64 bits
    origin = builder("mod", builder("sub", iota(n, INDEX), shifted), size)
    return boxes.array(builder("gather", box.read(), origin, axes=(axis,), at=axis))


# --- padding --------------------------------------------------------------------------------------------------------

@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> ArrayBox:
    box = as_array(array)
    rank = len(box.dims)
    widths = _pairs(pad_width, rank)
    if any(type(w) is int and w < 0 for pair in widths for w in pair):
        fail(ShapeError, "index can't contain negative values")
    for w in [w for pair in widths for w in pair if type(w) is not int]:             # else the parts would not fit the whole
        build = tracing.current().builder
        build.emit("check", build("ge", build.index(w), build.index(0)), error="ValueError",
                   message="index can't contain negative values")
    if mode in ("constant", "empty"):
        return boxes.array(_padded(box, widths, _values(options.get("constant_values", 0), rank)))
    _expect_extendable(box.dims, widths)
    if mode in _FROM_LINES:
        return _from_lines(box, widths, mode, **options)
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        fail(UnsupportedError, f"np.pad with mode {mode!r} cannot be compiled",
             f"use constant, edge, reflect, symmetric, wrap, linear_ramp, {', '.join(_FROM_LINES[:4])}")
    builder, value, odd = tracing.current().builder, box.read(), options.pop("reflect_type", "even") == "odd"
    for axis, (low, high) in enumerate(widths):
        if (low, high) == (0, 0):
            continue
        n = value.type.dims[axis]
        if odd and n != 1 and type(n) is type(low) is type(high) is int:
            value = _reflected(boxes.array(value), axis, low, high, mode == "symmetric").read()
            continue
        if isinstance(n, int) and type(low) is type(high) is int:
            origin = const(np.pad(np.arange(n), (low, high), mode, **options), INDEX)
        elif odd:
            fail(UnsupportedError, f"np.pad with mode {mode!r} and reflect_type='odd' of a length known only at run time",
                 "use reflect_type='even', or one of the modes constant, edge, reflect, symmetric and wrap")
        else:
            origin = _origins(n, low, high, mode)
        value = builder("gather", value, origin, axes=(axis,), at=axis)
    return boxes.array(value)


def _origins(n: Dim, low: Dim, high: Dim, mode: str) -> Value:
    """Which element of an axis each of the padded one is: the nearest, or one of a periodic continuation."""
    builder, total = tracing.current().builder, shapes.arith("add", n, shapes.arith("add", low, high))
    moved, last = builder("sub", iota(total, INDEX), builder.index(low)), builder.index(shapes.arith("sub", n, 1))
    if mode == "edge":
        return builder("min", builder("max", moved, builder.index(0)), last)
    if mode == "wrap":
        return builder("mod", moved, builder("max", builder.index(n), builder.index(1)))
    # to and fro: 0 1 2 2 1 0 where the end is repeated, 0 1 2 1 where it is not, each again and again
    repeated = builder.index(1 if mode == "symmetric" else 0)
    turn = builder("add", builder("add", last, last), repeated)
    place = builder("mod", moved, builder("max", builder("add", turn, repeated), builder.index(1)))
    return builder("min", place, builder("max", builder("sub", turn, place), builder.index(0)))


def _expect_extendable(dims: tuple[Dim, ...], widths: list[tuple]) -> None:
    """What lies beyond an axis is made of what lies on it."""
    builder = tracing.current().builder
    for axis, (n, pair) in enumerate(zip(dims, widths)):
        message = f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'"
        if n == 0 and any(type(w) is not int or w for w in pair):
            fail(ShapeError, message)
        if type(n) is not int:
            none = builder("eq", builder("max", *map(builder.index, pair)), builder.index(0))
            some = builder("gt", builder.index(n), builder.index(0))
            builder.emit("check", builder("or", some, none), error="ValueError", message=message)


def _reflected(box: ArrayBox, axis: int, low: int, high: int, edge: bool) -> ArrayBox:
    """Borders that continue the line through its end: 2 * end - the mirror image of what there is, as often as is needed.

    A chunk is a multiple of the period (the length of the line, less one where the end is not repeated), as NumPy has it.
    """
    period, lead = box.dims[axis] - (not edge), (slice(None),) * axis

    def mirrored(near: Any, end: Any) -> ArrayBox:
        return FUNCTIONS[np.astype](FUNCTIONS[np.flip](2 * box[(*lead, slice(end, end + 1))] - near, axis), box.kind)

    while low or high:
        n = box.dims[axis]
        chunk = (n - (not edge)) // period * period
        parts, first = [box], not edge
        if low:
            size = min(chunk, low)
            near = box[(*lead, slice(first, first + size))]
            parts.insert(0, mirrored(near, 0))
            low -= size
        if high:
            size, last = min(chunk, high), n - first
            near = box[(*lead, slice(last - size, last))]
            parts.append(mirrored(near, n - 1))
            high -= size
        box = boxes.array(joined(parts, axis))
    return box


_FROM_LINES = ("maximum", "minimum", "mean", "median", "linear_ramp")


def _from_lines(box: ArrayBox, widths: list[tuple[Dim, Dim]], mode: str, stat_length: int | None = None,
                end_values: int = 0) -> ArrayBox:
    """Borders made of each line along the axis: a statistic of its `stat_length` nearest elements, or a ramp to a value."""
    rank = len(box.dims)
    lengths, ends = _values(stat_length, rank), _values(end_values, rank)
    for axis, (pair, near, goals) in enumerate(zip(widths, lengths, ends)):
        n = boxes.count(box.dims[axis])
        parts = [box]
        for side, (width, count, goal) in enumerate(zip(pair, near, goals)):
            if type(width) is int and width == 0:
                continue
            made = _ramp(box, axis, width, goal, side) if mode == "linear_ramp" else _statistic(box, axis, n, mode, count, side)
            dims = (*box.dims[:axis], width, *box.dims[axis + 1:])
            made = boxes.array(shapes.expand(boxes.to_value(made, box.dtype_ir), dims))
            parts.insert(0 if side == 0 else len(parts), made)
        box = boxes.array(joined(parts, axis)) if len(parts) > 1 else box
    return box


def _statistic(box: ArrayBox, axis: int, n: Any, mode: str, count: int | None, side: int) -> ArrayBox:
    count = n if count is None else min(count, n) if isinstance(n, int) else count
    near = box[(*(slice(None),) * axis, slice(None, count) if side == 0 else slice(n - count, None))]
    found = FUNCTIONS[{"maximum": np.max, "minimum": np.min, "mean": np.mean, "median": np.median}[mode]](near, axis=axis,
                                                                                                    keepdims=True)
    return np.rint(found) if mode in ("mean", "median") and box.dtype_ir.kind in "iu" else found


def _ramp(box: ArrayBox, axis: int, width: Any, goal: Any, side: int) -> Any:
    """From the value at the end (included) to the edge (excluded)."""
    edge = box[(*(slice(None),) * axis, slice(None, 1) if side == 0 else slice(-1, None))]
    steps = FUNCTIONS[np.arange](boxes.count(width))
    steps = FUNCTIONS[np.reshape](steps, (-1, *(1,) * (len(box.dims) - 1 - axis)))
    steps = steps if side == 0 else boxes.count(width) - 1 - steps
    found = steps * ((edge - goal) / boxes.count(width)) + goal
    return np.floor(found) if box.dtype_ir.kind in "iu" else found


def _rank(x: Any) -> int:
    return x.ndim if hasattr(x, "ndim") else 0


def _pairs(width: Any, rank: int) -> list[tuple[Dim, Dim]]:
    """pad_width for each axis, as np.broadcast_to(pad_width, (rank, 2)) does."""
    if isinstance(width, dict):
        by_axis = {shapes.axis_of(axis, rank): w for axis, w in width.items()}
        width = [_pairs(by_axis.get(k, 0), 1)[0] for k in range(rank)]
    if isinstance(width, (tuple, list)) or _rank(width):
        rows: list[Any] = list(width)
        if rows and (isinstance(rows[0], (tuple, list)) or _rank(rows[0])):
            rows = [tuple(r) * (2 if len(r) == 1 else 1) for r in rows]
            rows = rows * rank if len(rows) == 1 else rows
        else:
            rows = [tuple(rows) * (2 if len(rows) == 1 else 1)] * rank
        if len(rows) != rank:
            fail(ShapeError,
                 f"operands could not be broadcast together with remapped shapes: pad_width and requested shape ({rank},2)")
    else:
        rows = [(width, width)] * rank
    return [(shapes.to_index(low), shapes.to_index(high)) for low, high in rows]


def _values(given: Any, rank: int) -> list[tuple[Any, Any]]:
    """What np.pad takes for both sides of each axis: (before, after)."""
    if isinstance(given, (tuple, list)) or _rank(given):
        rows = list(given)
        if rows and (isinstance(rows[0], (tuple, list)) or _rank(rows[0])):
            rows = [tuple(r) * (2 if len(r) == 1 else 1) for r in rows]
            return rows * rank if len(rows) == 1 else rows
        return [tuple(rows) * (2 if len(rows) == 1 else 1)] * rank
    return [(given, given)] * rank


def _padded(box: ArrayBox, widths: list[tuple[Dim, Dim]], values: list[tuple[Any, Any]]) -> Value:
    """Axis by axis: the low border, the array, the high border."""
    builder, value = tracing.current().builder, box.read()

    def border(axis: int, width: Dim, filler: Any) -> list[ArrayBox]:
        if type(width) is int and width == 0:
            return []
        dims = (*value.type.dims[:axis], width, *value.type.dims[axis + 1:])
        return [boxes.array(builder.broadcast(boxes.to_value(filler, box.dtype_ir), dims))]

    for axis, ((low, high), (left, right)) in enumerate(zip(widths, values)):
        value = joined([*border(axis, low, left), boxes.array(value), *border(axis, high, right)], axis)
    return value
