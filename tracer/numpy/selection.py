"""NumPy functions that choose elements, by condition or by position, and comparisons of whole arrays."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ir.build import const
from ...ir.core import Value
from ...ir.errors import ArgumentError, BoundsError, DTypeError, UnsupportedError
from ...ir.types import BOOL, I64, INDEX, Dim
from .. import tracing
from ..values import boxes, indexing, shapes, ufuncs, views
from ..values.boxes import FUNCTIONS, METHODS, ArrayBox, Box, ScalarBox, as_array, implements, lift
from ..values.promotion import check_cast, fail, resolve, result_dtype, to_dtype
from ..values.shapes import axis_of
from . import reductions
from .arrays.creation import iota
from .arrays.manipulation import ravel, reshape

_CLIP = vars(np)["_core"].umath.clip           # what np.clip calls


# --- by condition ---------------------------------------------------------------------------------------------------

@implements(np.where)
def where(condition: Any, x: Any = None, y: Any = None, /) -> ArrayBox:
    if x is None and y is None:
        return nonzero(condition)
    if x is None or y is None:
        raise ValueError("either both or neither of x and y should be given")
    yes, no = lift(x), lift(y)
    target = result_dtype([yes.kind, no.kind])
    mask = boxes.to_value(condition, BOOL)
    values, dims = shapes.align([mask, *(boxes.converted(v, v.read(), target) for v in (yes, no))])
    found = shapes.expand(tracing.current().builder("select", *values), dims)
    return as_array(ufuncs.laid([lift(condition), yes, no], found))


@implements(np.nonzero)
def nonzero(a: Any) -> tuple[ArrayBox, ...]:
    box = as_array(a)
    if not box.dims:
        raise ValueError("Calling nonzero on 0d arrays is not allowed. Use np.atleast_1d(scalar).nonzero() instead.")
    builder = tracing.current().builder
    return tuple(boxes.array(builder.cast(p, I64)) for p in indexing.true_positions(boxes.to_value(box, BOOL)))


implements(np.flatnonzero)(lambda a: nonzero(ravel(a))[0])


@implements(np.argwhere)
def argwhere(a: Any) -> Any:
    box = as_array(a)
    if not box.dims:
        box = FUNCTIONS[np.atleast_1d](box)
        return argwhere(box)[:, :0]
    return FUNCTIONS[np.stack](list(nonzero(box)), 1)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    return take(ravel(arr), nonzero(ravel(condition))[0])


@implements(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> ArrayBox:
    box, condition = ravel(a) if axis is None else as_array(a), as_array(condition)
    shapes.require_rank(condition, 1, "condition must be a 1-d array")
    found = take(box, nonzero(condition)[0], 0 if axis is None else axis)
    return found if out is None else ufuncs.deliver("compress", found.read(), out)


@implements(np.clip)
def clip(a: Any, a_min: Any = np._NoValue, a_max: Any = np._NoValue, out: Any = None, *, min: Any = np._NoValue,
         max: Any = np._NoValue, dtype: Any = None, where: Any = True, casting: Any = "same_kind") -> Any:
    low = min if a_min is np._NoValue else a_min
    high = max if a_max is np._NoValue else a_max
    low, high = (None if v is np._NoValue else v for v in (low, high))
    if low is None and high is None:
        return ufuncs.call(np.positive, a, out=out)
    given = [lift(v) for v in (a, low, high) if v is not None]
    three = given if len(given) == 3 else [*given, given[-1]]
    ins, _ = resolve(_CLIP, tuple(v.kind for v in three), None if dtype is None else to_dtype(dtype).np)
    parts = {name: v for name, v in (("low", low), ("high", high)) if v is not None}
    found = boxes.converted(given[0], given[0].read(), ins[0])
    for name, v in parts.items():
        (x, bound), _ = shapes.align([found, boxes.to_value(v, ins[0])])
        found = ufuncs.evaluate(np.maximum if name == "low" else np.minimum, [x, bound], (ins[0],))
    if out is None and where is True:
        return ufuncs.laid(given, found)
    return ufuncs.deliver("clip", found, out[0] if isinstance(out, tuple) else out, where, casting, core=0)


@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    choices = [lift(c) for c in [*choicelist, default]]
    target = result_dtype([c.kind for c in choices])
    values = [boxes.converted(c, c.read(), target) for c in choices]
    masks = [boxes.to_value(c, BOOL) for c in condlist]
    values, dims = shapes.align([*masks, *values])
    masks, values = values[:len(masks)], values[len(masks):]
    found = values.pop()
    for mask, value in zip(reversed(masks), reversed(values)):
        found = tracing.current().builder("select", mask, value, found)
    return boxes.array(shapes.expand(found, dims))


@implements(np.nan_to_num)
def nan_to_num(x: Any, copy: Any = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    box = lift(x)
    if not box.dtype_ir.inexact:
        if not box.dims:
            return boxes.result(box.read())
        return FUNCTIONS[np.copy](box) if copy else box
    b, value = tracing.current().builder, box.read()
    if box.dtype_ir.complex:
        found = b("complex", *[_made_finite(b(part, value), nan, posinf, neginf) for part in ("real", "imag")])
    else:
        found = _made_finite(value, nan, posinf, neginf)
    if not copy and isinstance(box, ArrayBox):
        box.write(found)
    return box if not copy and box.dims else boxes.result(found)


def _made_finite(value: Value, nan: Any, posinf: Any, neginf: Any) -> Value:
    b, dtype = tracing.current().builder, value.type.dtype
    info = np.finfo(dtype.np)
    top, bottom, middle = (boxes.to_value(x, dtype) for x in (
        info.max if posinf is None else posinf, info.min if neginf is None else neginf, nan))
    found = b("select", b("eq", value, const(math.inf, dtype)), top, value)
    found = b("select", b("eq", value, const(-math.inf, dtype)), bottom, found)
    return b("select", b("isnan", value), middle, found)


@implements(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    a, v = as_array(a), as_array(values)
    dims = a.dims
    if v.dims and not shapes.same_dims(v.dims, dims):
        at = np.arange(a.size) % v.size if isinstance(a.size, int) and isinstance(v.size, int) else None
        if at is None:
            fail(UnsupportedError, "np.putmask of lengths known only at run time", "use a[mask] = values")
        v = reshape(take(ravel(v), at), tuple(map(boxes.count, dims)))
    a[...] = where(mask, boxes.array(boxes.to_value(v, a.dtype_ir)), a)


@implements(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    arr, mask = as_array(arr), boxes.array(boxes.to_value(mask, BOOL))
    count, v = reductions.count_nonzero(mask), ravel(vals)
    at = np.remainder(FUNCTIONS[np.arange](count), v.size)
    arr[reshape(mask, tuple(map(boxes.count, arr.dims)))] = take(v, at)


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    dst, value = as_array(dst), lift(src)
    if value.weak is None or "fc".find(value.dtype_ir.kind) >= 0 or dst.dtype_ir.kind == "b":
        check_cast("copyto", value.dtype_ir, dst.dtype_ir, casting)
    if where is True:
        dst[...] = value
        return
    mask = shapes.expand(boxes.to_value(where, BOOL), dst.dims)
    new = shapes.assignable(boxes.converted(value, value.read(), dst.dtype_ir), dst.dims)
    dst.write(tracing.current().builder("select", mask, new, dst.read()))


# --- by position ----------------------------------------------------------------------------------------------------

_EMPTY = {"take": "cannot do a non-empty take from an empty axes.", "put": "cannot replace elements of an empty array"}


def _expect_elements(dims: Any, n: Any, message: str, kind: Any = BoundsError) -> None:
    """Positions, as many as `dims` say, are of `n` elements: where there are positions, there must be an element. Wrapping and
    clipping would find one at 0 otherwise."""
    count = shapes.product(dims)
    if (type(n) is int and n > 0) or (type(count) is int and count == 0):
        return
    if type(n) is int and type(count) is int:
        fail(kind, message)
    builder = tracing.current().builder
    some, none = (builder("gt", builder.index(n), builder.index(0)), builder("eq", builder.index(count), builder.index(0)))
    builder.emit("check", builder("or", some, none), error="IndexError" if kind is BoundsError else "ValueError",
                 message=message)


def _expect_within(value: Value, n: Dim, message: str) -> Value:
    """The index values themselves, where all are in [0, n); `message` may name the first of them as {0}."""
    builder = tracing.current().builder
    good = builder("and", builder("ge", value, builder.index(0)), builder("lt", value, builder.index(n)))
    first = (builder.index(0),) * value.type.rank
    shown = [builder("slice", value, *first, spec="i" * value.type.rank)] if "{0}" in message else []
    builder.emit("check", builder.reduce(good, "all", range(good.type.rank)), *shown, error="ValueError", message=message)
    return value


def _entries(index: Box, n: Dim, mode: str, what: str) -> Box:
    """Integers in [0, n), none of them counted from the end."""
    if mode == "raise":
        value = _expect_within(shapes.index_value(boxes.to_value(index)), n, f"invalid entry in {what} array")
    else:
        _expect_elements(index.dims, n, f"an entry of the {what} array of an axis of size 0", ArgumentError)
        value = _positions(index, n, mode, 0)
    return boxes.result(tracing.current().builder.cast(value, I64))


def _positions(index: Box, n: Dim, mode: str, axis: int, what: str = "take") -> Value:
    """Index values in [0, n): checked, wrapped around or clipped."""
    builder = tracing.current().builder
    if mode == "raise":
        return indexing._positions(index, n, axis)
    value = shapes.index_value(boxes.to_value(index))
    _expect_elements(value.type.dims, n, _EMPTY[what])
    if mode == "wrap":
        return builder("mod", value, builder.index(n))
    if mode == "clip":
        return builder("min", builder("max", value, builder.index(0)), builder.index(shapes.arith("sub", n, 1)))
    raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got '{mode}')")


@implements(np.take)
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: Any = "raise") -> Box:
    box = ravel(a) if axis is None else as_array(a)
    axis = 0 if axis is None else axis_of(axis, len(box.dims))
    index = as_array(indices)
    if index.dtype_ir.kind not in "iu":
        fail(DTypeError, f"Cannot cast array data from {index.dtype_ir.np!r} to dtype('int64') according to the rule 'safe'")
    builder, at = tracing.current().builder, _positions(index, box.dims[axis], mode, axis)
    if at.type.dims:
        value = builder("gather", box.read(), at, axes=(axis,), at=axis)
    else:
        rank = len(box.dims)
        value = builder("slice", box.read(), at, spec=":" * axis + "i" + ":" * (rank - axis - 1))
    return boxes.result(value) if out is None else ufuncs.deliver("take", value, out)


METHODS["take"] = take


def _along(arr: ArrayBox, indices: ArrayBox, axis: int) -> tuple[ArrayBox, tuple[ArrayBox, ...]]:
    """(array, key) that address arr at `indices` along one axis and at its own positions along the others."""
    box = as_array(arr)
    axis = axis_of(axis, len(box.dims))
    index = as_array(indices)
    if len(index.dims) != len(box.dims):
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    key = []
    for k, d in enumerate(box.dims):
        if k == axis:
            key.append(index)
        else:
            line = boxes.array(tracing.current().builder.cast(iota(d, INDEX), I64))
            key.append(reshape(line, tuple(-1 if j == k else 1 for j in range(len(box.dims)))))
    return box, tuple(key)


@implements(np.take_along_axis)
def take_along_axis(arr: Any | ArrayBox, indices: Any | ArrayBox, axis: Any = -1) -> Any:
    box, key = _along(ravel(arr), ravel(indices), 0) if axis is None else _along(arr, indices, axis)
    return box[key]


@implements(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    box, key = _along(ravel(arr), ravel(indices), 0) if axis is None else _along(arr, indices, axis)
    box[key] = values


@implements(np.put)
def put(a: Any, ind: Any, v: Any, mode: Any = "raise") -> None:
    a, index, value = as_array(a), ravel(ind), ravel(v)
    line = boxes.array(tracing.current().builder.reshape(a.read(), (shapes.product(a.dims),)))
    if value.dims == (0,):
        return
    at = _positions(index, line.dims[0], mode, 0, "put")
    if not shapes.same_dims(value.dims, index.dims):
        _expect_elements(index.dims, value.dims[0], "cannot put elements of an empty array")
        value = take(value, np.remainder(FUNCTIONS[np.arange](index.size), value.size))
    b = tracing.current().builder
    filled = b("scatter", line.read(), boxes.to_value(value, a.dtype_ir), at, axes=(0,), at=0)
    a.write(b.reshape(filled, a.dims))


@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: Any = "raise") -> ArrayBox:
    every = [as_array(c) for c in choices]
    dims = shapes.broadcast_dims(as_array(a).dims, *(c.dims for c in every))
    spread = [c.view(views.Spread(dims)) for c in every]
    stack = FUNCTIONS[np.stack](spread)
    at = boxes.array(shapes.expand(as_array(a).read(), dims))
    at = _entries(at, len(every), mode, "choice")
    found = take_along_axis(stack, at[None], 0)[0] if dims else stack[at]
    return found if out is None else ufuncs.deliver("choose", found.read(), out)


@implements(np.ix_)
def ix_(*args: Any) -> Any:
    rank, found = len(args), []
    for k, x in enumerate(args):
        line = as_array(x)
        shapes.require_rank(line, 1, "Cross index must be 1 dimensional")
        if line.dtype_ir is BOOL:
            line = nonzero(line)[0]
        found.append(reshape(line, tuple(-1 if j == k else 1 for j in range(rank))))
    return tuple(found)


@implements(np.unravel_index)
def unravel_index(indices: Any, shape: Any, order: Any = "C") -> Any:
    index, found = lift(indices), []
    sizes = shapes.shape_of(shape)
    dims = [boxes.count(d) for d in sizes]
    total = shapes.product(sizes)
    if index.dims != (0,):
        _expect_within(shapes.index_value(boxes.to_value(index)), total,
                       f"index {'{0} ' if not index.dims else ''}is out of bounds for array with size {total}"
                       if type(total) is int else "index is out of bounds for the shape")
    for d in (reversed(dims) if order == "C" else dims):
        found.append(np.remainder(index, d))
        index = np.floor_divide(index, d)
    return tuple(reversed(found)) if order == "C" else tuple(found)


@implements(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: Any = "C") -> Any:
    sizes, total = [boxes.count(d) for d in shapes.shape_of(dims)], 0
    pairs = list(zip(multi_index, sizes, strict=True))
    for index, d in pairs if order == "C" else reversed(pairs):
        total = np.add(np.multiply(total, d), _entries(as_array(index), shapes.to_index(d), mode, "coordinates"))
    return total


# --- whole arrays ---------------------------------------------------------------------------------------------------

@implements(np.isclose)
def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: Any = False) -> Any:
    x, y = lift(a), lift(b)
    if y.dtype_ir.kind in "biu" and y.weak is None:
        y = FUNCTIONS[np.astype](y, result_dtype([y.kind, float]).np)
    near = np.logical_and(np.less_equal(np.absolute(np.subtract(x, y)), np.add(atol, np.multiply(rtol, np.absolute(y)))),
                          np.isfinite(y))
    found = np.logical_or(near, np.equal(x, y))
    if equal_nan:
        found = np.logical_or(found, np.logical_and(np.isnan(x), np.isnan(y)))
    return found


@implements(np.allclose)
def allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: Any = False) -> Any:
    return ScalarBox(reductions.all_(isclose(a, b, rtol, atol, equal_nan)).read(), "bool")


@implements(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: Any = False) -> Any:
    x, y = as_array(a1), as_array(a2)
    if len(x.dims) != len(y.dims) or any(type(p) is int and type(q) is int and p != q for p, q in zip(x.dims, y.dims)):
        return False
    same = np.equal(x, y)
    if equal_nan and (x.dtype_ir.inexact or y.dtype_ir.inexact):
        same = np.logical_or(same, np.logical_and(np.isnan(x), np.isnan(y)))
    return ScalarBox(reductions.all_(same).read(), "bool")


@implements(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    x, y = as_array(a1), as_array(a2)
    if any(type(p) is int and type(q) is int and p != q and 1 not in (p, q) for p, q in zip(x.dims[::-1], y.dims[::-1])):
        return False                                                                     # they do not broadcast
    return ScalarBox(reductions.all_(np.equal(a1, a2)).read(), "bool")


@implements(np.isposinf)
def isposinf(x: Any, out: Any = None) -> Any:
    return np.equal(x, math.inf, **({} if out is None else {"out": out}))


@implements(np.isneginf)
def isneginf(x: Any, out: Any = None) -> Any:
    return np.equal(x, -math.inf, **({} if out is None else {"out": out}))


implements(np.iscomplex)(lambda x: np.not_equal(FUNCTIONS[np.imag](x), 0))
implements(np.isreal)(lambda x: np.equal(FUNCTIONS[np.imag](x), 0))


@implements(np.isin)
def isin(element: Any, test_elements: Any, assume_unique: Any = False, invert: Any = False, *,
         kind: Any = None) -> ArrayBox:
    if isinstance(test_elements, (set, frozenset, dict)):      # NumPy makes one object of it, which no element equals
        test_elements = ()
    x, among = as_array(element), ravel(test_elements)
    found = as_array(reductions.any_(np.equal(x[..., None], among), -1))
    return as_array(np.logical_not(found)) if invert else found


