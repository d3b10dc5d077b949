"""NumPy functions that make arrays. In traced code they return boxes even of plain numbers: it may write to the result."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ....ir.build import const
from ....ir.errors import DTypeError, ShapeError, UnsupportedError
from ....ir.types import BOOL, F16, F32, F64, I64, INDEX, Dim, DType
from ... import tracing
from ...regions import list_scan_outputs
from ...values import boxes, captured_values, memory_layout, shapes, views
from ...values.boxes import FUNCTIONS, HOOKS, METHODS, ArrayBox, Box, ScalarBox, as_array, implements, lift
from ...values.promotion import fail, result_dtype, strong, to_dtype

if TYPE_CHECKING:
    from ....ir.core import Value


def creates(*functions: Callable, method: str | None = None) -> Callable:
    return implements(*functions, method=method, instead_of_calling=True)


def _filled(value: Any, dims: Any, dtype: DType, order: str = "C") -> ArrayBox:
    """A new array of one value, or of none in particular (None); order "F" is remembered in its strides."""
    builder = tracing.current().builder
    if value is None and dims:
        made = builder("empty", *map(builder.index, dims), dtype=dtype)
    else:
        made = shapes.assignable(boxes.to_value(0 if value is None else value, dtype), dims)
    return boxes.array(made, _fortran_strides(dims) if order == "F" and len(dims) > 1 else None)


def _fortran_strides(dims: tuple[Dim, ...]) -> tuple:
    strides = views.c_strides(tuple(reversed(dims)))
    return views.UNKNOWN if strides is None else tuple(reversed(strides))


@creates(np.zeros)
def zeros(shape: Any, dtype: np.dtype | type | None = float, order: str = "C", *, device: Any = None,
          like: Any = None) -> ArrayBox:
    return _filled(0, shapes.shape_of(shape), to_dtype(dtype or float), order)


@creates(np.ones)
def ones(shape: int | tuple[int, ...], dtype: np.dtype | type | None = None, order: str = "C", *, device: Any = None,
         like: Any = None) -> ArrayBox:
    return _filled(1, shapes.shape_of(shape), to_dtype(dtype or float), order)


@creates(np.empty)
def empty(shape: int | ScalarBox | tuple[int, ...], dtype: Any = float, order: str = "C", *, device: Any = None,
          like: Any = None) -> ArrayBox:
    """What an uninitialised array holds is nobody's business: the op `empty`."""
    return _filled(None, shapes.shape_of(shape), to_dtype(dtype or float), order)


@creates(np.ndarray)
def ndarray(shape: Any, dtype: Any = float, buffer: Any = None, offset: int = 0, strides: Any = None,
            order: str | None = None) -> Any:
    """The constructor: an uninitialised array, or one over the elements of another."""
    if buffer is None:
        return empty(shape, dtype or float, order or "C")
    box, dtype = as_array(buffer), to_dtype(dtype or float)
    step = dtype.np.itemsize
    if strides is not None or order == "F" or dtype is not box.dtype_ir or type(offset) is not int or offset % step:
        fail(UnsupportedError, "np.ndarray over a buffer takes its dtype, a known offset of whole elements and C order here",
             "use slices, reshape and transpose of the buffer")
    dims, size = shapes.shape_of(shape), 1
    for d in dims:
        size = shapes.arith("mul", size, d)
    start = offset // step
    part = METHODS["reshape"](box, -1)[start:boxes.count(shapes.arith("add", start, size))]
    return METHODS["reshape"](part, tuple(map(boxes.count, dims)))


@creates(np.full)
def full(shape: int | tuple[int, ...], fill_value: float | ScalarBox, dtype: np.dtype | None = None, order: str = "C", *,
         device: Any = None, like: Any = None) -> ArrayBox:
    value = lift(fill_value)
    return _filled(value, shapes.shape_of(shape), to_dtype(strong(value.kind) if dtype is None else dtype), order)


def _like(fill: int | None) -> Callable:
    def make(a: Box, dtype: Any = None, order: str = "K", subok: bool = True, shape: tuple[int, ...] | None = None, *,
             device: Any = None) -> ArrayBox:
        a = lift(a)
        dims = a.dims if shape is None else shapes.shape_of(shape)
        out = _filled(fill, dims, to_dtype(strong(a.kind) if dtype is None else dtype), order)
        return _in_order_of(out, a, order)

    return make


def _in_order_of(out: ArrayBox, a: Box, order: str) -> ArrayBox:
    """A copy of `a`: order "K" is the memory order of `a`, "F" that of Fortran, "A" also, if `a` has it, else that of C."""
    if order == "F" and len(out.dims) > 1:
        return boxes.array(out.read(), _fortran_strides(out.dims))
    if order not in "KA" or type(a) is not ArrayBox or len(out.dims) < 2 or not shapes.same_dims(out.dims, a.dims):
        return out
    if a.permuted:
        strides = a.strides_known
        found = views.UNKNOWN
        if strides is not None and out.read().type.static:
            found = views.copy_strides(out.dims, strides) if order == "K" else _fortran_strides(
                out.dims) if views.contiguous(out.dims[::-1], strides[::-1]) else views.c_strides(out.dims)
            found = None if found == views.c_strides(out.dims) else found
        out = boxes.array(out.read(), found)
    return memory_layout.follow(out, [a])


creates(np.zeros_like)(_like(0))
creates(np.ones_like)(_like(1))
creates(np.empty_like)(_like(None))


@creates(np.full_like)
def full_like(a: ArrayBox, fill_value: ScalarBox, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *,
              device: Any = None) -> ArrayBox:
    a = lift(a)
    dims = a.dims if shape is None else shapes.shape_of(shape)
    out = _filled(fill_value, dims, to_dtype(strong(a.kind) if dtype is None else dtype), order)
    return _in_order_of(out, a, order)


def iota(n: Dim, dtype: DType = I64, start: int = 0) -> Value:
    """start, start + 1 … as a value."""
    builder = tracing.current().builder
    counted = builder.cast(builder("iota", builder.index(n), dtype=F32 if dtype is F16 else dtype), dtype)
    return counted if type(start) is int and start == 0 else builder("add", counted, boxes.to_value(start, dtype))


@creates(np.eye)
def eye(N: Any, M: Any = None, k: int = 0, dtype: Any = float, order: str = "C", *, device: Any = None,
        like: Any = None) -> ArrayBox:
    n = shapes.length(N)
    m = n if M is None else shapes.length(M)
    builder = tracing.current().builder
    on = builder("eq", shapes.expand(iota(m, INDEX), (n, m)), shapes.expand(_crossings(n, k), (n, m)))
    return boxes.array(builder.cast(on, to_dtype(dtype or float)))


@creates(np.identity)
def identity(n: Any, dtype: DType | None = None, *, like: Any = None) -> Any:
    return eye(n, dtype=dtype)


@creates(np.tri)
def tri(N: int | ScalarBox, M: int | None = None, k: int = 0, dtype: type = float, *, like: Any = None) -> ArrayBox:
    n, m = (shapes.length(max(d, 0) if isinstance(d, int) else np.maximum(d, 0)) for d in (N, N if M is None else M))
    return boxes.array(tracing.current().builder.cast(below(n, m, k), to_dtype(dtype or float)))


def below(n: Dim, m: Dim, k: Any) -> Value:
    """bool[n, m]: column <= row + k."""
    builder = tracing.current().builder
    return builder("le", shapes.expand(iota(m, INDEX), (n, m)), shapes.expand(_crossings(n, k), (n, m)))


def _crossings(n: Dim, k: Any) -> Value:
    """index[n, 1]: the column at which each row meets diagonal k."""
    builder, k = tracing.current().builder, shapes.offset(k)
    rows = iota(n, INDEX)
    return builder.reshape(rows if type(k) is int and k == 0 else builder("add", rows, builder.index(k)), (n, 1))


# --- points at equal steps ------------------------------------------------------------------------------------------

@creates(np.linspace)
def linspace(start: ScalarBox, stop: ScalarBox, num: Any = 50, endpoint: Any = True, retstep: bool = False, dtype: Any = None,
             axis: int = 0, *, device: Any = None) -> Any:
    n = shapes.length(num, "the number of points of np.linspace", "Number of samples must be non-negative.")
    a, z = lift(start), lift(stop)
    computing = result_dtype([a.kind, z.kind, float])
    if dtype is None:
        target = computing
    else:
        target = to_dtype(dtype)
    known = [boxes.frozen_data(x) for x in (a, z)]
    if type(n) is int and known[0] is not None and known[1] is not None and not a.dims and not z.dims:
        found, step = np.linspace(known[0].item(), known[1].item(), n, endpoint=bool(endpoint), retstep=True,
                                  dtype=target.np)
        return (boxes.array(const(found, target)), step) if retstep else boxes.array(const(found, target))
    out, step = _linspace(a, z, n, bool(endpoint), computing)
    builder = tracing.current().builder
    if target.integer and computing.inexact:
        out = builder("floor", out)
    out = boxes.array(builder.cast(out, target))
    if axis not in (0, -len(out.dims)):
        out = FUNCTIONS[np.moveaxis](out, 0, axis)
    return (out, step) if retstep else out


def _linspace(a: ScalarBox | Box, z: ScalarBox | Box, n: Dim, endpoint: bool, dtype: DType) -> Any:
    """start + k * (stop - start) / divisions, the last point exactly `stop`, as NumPy computes it."""
    builder = tracing.current().builder
    (x, y), dims = shapes.align([boxes.to_value(a, dtype), boxes.to_value(z, dtype)])
    delta, wide = builder("sub", y, x), (n, *dims)
    divisions = shapes.arith("sub", n, 1) if endpoint else n
    places = shapes.expand(builder.reshape(iota(n, INDEX), (n, *(1,) * len(dims))), wide)
    k = builder.cast(places, dtype)
    if type(divisions) is int and divisions <= 0:
        step = const(math.nan, dtype.real)
        run = builder("mul", k, shapes.expand(delta, wide))
    else:
        parts = builder.cast(builder.index(shapes.arith("max", divisions, 1)), dtype)
        step = builder("div", delta, shapes.expand(parts, dims))
        plain = builder("mul", k, shapes.expand(step, wide))
        exact = builder("mul", builder("div", k, shapes.expand(parts, wide)), shapes.expand(delta, wide))
        zero = builder("eq", step, const(0, dtype))
        if dims:
            zero = builder.reduce(zero, "any", range(len(dims)))
        run = builder("select", zero, exact, plain)
        if type(divisions) is not int:
            some = builder("gt", builder.index(divisions), builder.index(0))
            step = builder("select", shapes.expand(some, dims), step, shapes.expand(const(math.nan, dtype), dims))
    out = builder("add", run, shapes.expand(x, wide))
    if not endpoint:
        return out, boxes.result(step)
    if type(n) is not int:         # the first point, where it is the only one, is `start`
        last = builder("eq", places, shapes.expand(builder.index(shapes.arith("max", divisions, 1)), wide))
        out = builder("select", last, shapes.expand(y, wide), out)
    elif n > 1:
        out = builder("update", out, shapes.expand(y, dims), builder.index(n - 1), spec="i" + ":" * len(dims))
    return out, boxes.result(step)


@creates(np.logspace)
def logspace(start: int, stop: Any, num: Any = 50, endpoint: bool = True, base: float = 10.0, dtype: DType | None = None,
             axis: int = 0) -> Any:
    found = np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return found if dtype is None else FUNCTIONS[np.astype](found, dtype)


@creates(np.geomspace)
def geomspace(start: int, stop: Any, num: Any = 50, endpoint: Any = True, dtype: Any = None, axis: Any = 0) -> Any:
    """exp of equal steps between the logarithms, ends exact; for a sign common to both ends."""
    a, z = lift(start), lift(stop)
    known = [boxes.frozen_data(x) for x in (a, z)]
    n = shapes.length(num, "the number of points of np.geomspace", "Number of samples must be non-negative.")
    if None not in known and type(n) is int:
        found = np.geomspace(known[0], known[1], n, endpoint, dtype, axis)
        return boxes.array(const(found, to_dtype(found.dtype)))
    computing = result_dtype([a.kind, z.kind, np.dtype(np.float64)]).np
    a, z = (FUNCTIONS[np.astype](x, computing) for x in (a, z))
    sign = np.sign(a)
    found = 10.0 ** linspace(np.log10(a / sign), np.log10(z / sign), boxes.count(n), endpoint) * sign
    if type(n) is not int:
        # some first and last points, where there are none: of the slices' lengths min(n, 1) and min(max(n - 1, 0), 1)
        found[:1] = a
        if endpoint:
            found[1:][-1:] = z
    if type(n) is int and n > 0:
        found[0] = a
    if type(n) is int and n > 1 and endpoint:
        found[-1] = z
    found = found if axis == 0 else FUNCTIONS[np.moveaxis](found, 0, axis)
    return found if dtype is None else FUNCTIONS[np.astype](found, dtype)


@creates(np.indices)
def indices(dimensions: tuple[int, ...], dtype: type = int, sparse: bool = False) -> tuple[ArrayBox, ...]:
    dims, target = shapes.shape_of(dimensions), to_dtype(dtype)
    builder = tracing.current().builder
    grids = []
    for k, d in enumerate(dims):
        line = builder.reshape(iota(d, target), tuple(d if j == k else 1 for j in range(len(dims))))
        grids.append(boxes.array(line if sparse else shapes.expand(line, dims)))
    return tuple(grids) if sparse else FUNCTIONS[np.stack](grids)


# --- from other arrays ----------------------------------------------------------------------------------------------

def from_nested(x: Any, dtype: DType | None = None) -> ArrayBox:
    """np.array of nested lists: constants where nothing is traced, else the pieces stacked."""
    captured_values.whole(x, deep=captured_values.ALL)
    if not has_traced(x):
        data = np.array(x, dtype=None if dtype is None else dtype.np)
        return boxes.array(const(data, to_dtype(data.dtype)))
    rows = list_scan_outputs.rows_of(x)
    if rows is not None:
        rows = list_scan_outputs.stacked_rows(rows)
        return rows if dtype is None else boxes.array(boxes.to_value(rows, dtype))
    parts = [from_nested(p) if isinstance(p, (list, tuple)) else lift(p) for p in x]
    target = dtype or result_dtype([strong(p.kind) for p in parts])
    for p in parts:
        if len(p.dims) != len(parts[0].dims):
            fail(ShapeError, "setting an array element with a sequence. The requested array has an inhomogeneous shape "
                             f"after 1 dimensions: {', '.join(shapes.show(q.dims) for q in parts)}")
    return boxes.array(stacked([boxes.to_value(p, target) for p in parts]))


def stacked(values: list[Value], axis: int = 0) -> Value:
    """Values of one dtype and equal dims along a new axis."""
    builder = tracing.current().builder
    dims = values[0].type.dims
    for v in values[1:]:
        own = v.type.dims
        if len(own) != len(dims) or any(type(a) is int and type(b) is int and a != b for a, b in zip(dims, own)):
            fail(ShapeError, f"all input arrays must have the same shape, not {shapes.show(dims)} and {shapes.show(own)}")
        for a, b in zip(dims, own):
            shapes.require_equal(a, b, "all input arrays must have the same shape: lengths {0} and {1}")
    wide = (*dims[:axis], 1, *dims[axis:])
    parts = [builder.reshape(v, wide) for v in values]
    return parts[0] if len(parts) == 1 else builder("concat", *parts, axis=axis)


def has_traced(x: Any) -> bool:
    """Whether a nested list holds boxes or arrays that exist outside the trace."""
    if isinstance(x, (list, tuple)):
        return any(map(has_traced, x))
    return isinstance(x, (Box, np.ndarray))


HOOKS["array"] = from_nested


@creates(np.array)
def array(object: list[float | list[float | ScalarBox] | ScalarBox] | Box, dtype: DType | None = None, *, copy: bool = True,
          order: str = "K", subok: bool = False, ndmin: int = 0, like: Any = None, ndmax: int = 0) -> ArrayBox:
    out = asarray(object, dtype, None if copy else order)
    if copy and type(object) is ArrayBox and out.root is object.root:
        out = _in_order_of(boxes.array(out.read()), out, order)
    elif isinstance(object, np.ndarray) and copy:
        out = boxes.array(out.read())
    if ndmin > len(out.dims):
        out = FUNCTIONS[np.reshape](out, (*(1,) * (ndmin - len(out.dims)), *map(boxes.count, out.dims)))
    return out


@creates(np.from_dlpack)
def from_dlpack(x: ArrayBox, /, *, device: Any = None, copy: Any = None) -> ArrayBox:
    return asarray(x, copy=copy)


@creates(np.asarray, np.asanyarray)
def asarray(a: list[float | ScalarBox] | Box, dtype: Any = None, order: str | None = None, *, device: Any = None,
            copy: Any = None, like: Any = None) -> ArrayBox:
    target = None if dtype is None else to_dtype(dtype)
    if isinstance(a, (list, tuple, range)):
        return from_nested(list(a) if isinstance(a, range) else a, target)
    box = lift(a)
    if type(box) is ArrayBox and (target is None or target is box.dtype_ir) and not copy:
        return _with_order(box, order)
    return boxes.array(boxes.to_value(box, target or to_dtype(strong(box.kind))))


@creates(np.ascontiguousarray)
def ascontiguousarray(a: Any, dtype: DType | None = None, *, like: Any = None) -> Any:
    box = asarray(a, dtype)
    if not box.dims:
        return FUNCTIONS[np.reshape](box, (1,))
    return _with_order(box, "C")


def _with_order(box: ArrayBox, order: str | None) -> ArrayBox:
    """An array as it is where it lies in C or Fortran order as asked, else a copy."""
    if order not in ("C", "F"):
        return box
    strides = box.strides_known
    if order == "F" and len(box.dims) > 1:
        fine = strides is not None and views.contiguous(tuple(reversed(box.dims)), tuple(reversed(strides)))
    else:
        fine = box.base is None and box._strides is None if strides is None else views.contiguous(box.dims, strides)
    strides = _fortran_strides(box.dims) if order == "F" and len(box.dims) > 1 else None
    found = memory_layout.itself(box) if fine else boxes.array(box.read(), strides)
    memory_layout.decided(box, found, named=bool(fine))
    return found


@creates(np.require)
def require(a: Any, dtype: DType | None = None, requirements: Any = None, *, like: Any = None) -> Any:
    """Everything that can be asked for holds of a copy in the order that is asked for."""
    asked = [requirements] if isinstance(requirements, str) else list(requirements or ())
    fortran = any(str(r).upper() in ("F", "FORTRAN", "F_CONTIGUOUS") for r in asked)
    return asfortranarray(a, dtype) if fortran else ascontiguousarray(asarray(a, dtype))


@creates(np.asfortranarray)
def asfortranarray(a: Any, dtype: DType | None = None, *others: Any, like: Any = None) -> Any:
    box = asarray(a, dtype)
    return _with_order(box, "F") if box.dims else ascontiguousarray(box)


@creates(np.copy)
def copy(a: ArrayBox, order: str = "K", subok: bool = False) -> ArrayBox:
    box = as_array(a)
    return _in_order_of(boxes.array(box.read()), box, order)


@implements(method="copy")
def copy_method(a: Any, order: Any = "C") -> ArrayBox:
    return copy(a, order) if type(a) is ArrayBox else a


@implements(np.astype, method="astype")
def astype(x: Any, dtype: Any, order: Any = "K", casting: Any = "unsafe", subok: Any = True, copy: Any = True, *,
           device: Any = None) -> Any:
    box, target = lift(x), to_dtype(dtype)
    if not np.can_cast(strong(box.kind), target.np, casting):
        fail(DTypeError, f"Cannot cast array data from {strong(box.kind)!r} to {target.np!r} according to the rule '{casting}'")
    if type(box) is ArrayBox and not copy and box.dtype_ir is target:
        return _with_order(box, order)
    value = boxes.converted(box, box.read(), target)
    return ScalarBox(value) if isinstance(box, ScalarBox) else _in_order_of(boxes.array(value), box, order)


def scalar_type(dtype: type) -> Callable:
    """np.float64(x) and its kind."""
    target = to_dtype(dtype)

    def make(x: int | ScalarBox = 0) -> Any:
        if isinstance(x, (list, tuple)):
            x = from_nested(x)
        box = lift(x)
        if box.dtype_ir.complex and not target.complex and box.weak is not None:
            raise TypeError(f"float() argument must be a string or a real number, not 'complex' (np.{target.np.name})")
        if target is BOOL or box.dtype_ir is not target or box.weak:
            value = boxes.converted(box, box.read(), target)
        else:
            value = box.read()
        return boxes.result(value)

    return make


SCALAR_TYPES = {t: scalar_type(t) for t in (np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32,
                                            np.uint64,
                                            np.float16, np.float32, np.float64, np.complex64, np.complex128)}


@implements(np.vander)
def vander(x: Any, N: Any = None, increasing: Any = False) -> Any:
    x = as_array(x)
    shapes.require_rank(x, 1, "x must be a one-dimensional array or sequence.")
    n = x.dims[0] if N is None else shapes.length(N, "the number of columns of np.vander")
    powers = boxes.array(iota(n, I64 if x.dtype_ir.kind in "iub" else F64)) if type(n) is not int else np.arange(n)
    powers = powers if increasing else powers[::-1]
    if type(n) is int:
        powers = lift(powers.copy() if x.dtype_ir.kind in "iub" else powers.astype(float))
    return np.power(FUNCTIONS[np.reshape](x, (-1, 1)), powers)


