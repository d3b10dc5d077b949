"""NumPy functions that change the form of arrays: views where NumPy gives views, copies where it copies."""
from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ....ir.build import const
from ....ir.core import Value
from ....ir.errors import ShapeError, UnsupportedError
from ....ir.types import BOOL, INDEX, Dim
from ... import tracing
from ...values import boxes, memory_layout, shapes, views
from ...values.boxes import METHODS, PROPERTIES, ArrayBox, Box, ScalarBox, as_array, implements, lift
from ...values.promotion import fail, strong
from ...values.shapes import axes_of, axis_of, same
from ...values.views import Strided
from .creation import below, iota

# --- reshape --------------------------------------------------------------------------------------------------------

def reshaped(box: ArrayBox, dims: tuple[Dim, ...]) -> ArrayBox:
    """The same elements in C order under `dims`: a view where NumPy gives one."""
    old = box.dims
    if shapes.same_dims(old, dims):
        return box.view(views.whole(len(old)))
    out = views.squeezed(old, dims)
    if out is not None:
        sel = tuple(None if a in out else 0 for a in range(len(old)))
        return box.view(Strided(sel, out))
    found = _regrouped(box, old, dims)
    if len(box.root.dims) > 1:                 # one axis stays evenly spaced, however far apart its elements are
        memory_layout.decided(box, found)
    return found


def _regrouped(box: ArrayBox, old: Any, dims: Any) -> ArrayBox:
    strides = box.strides_known
    if strides is None or any(type(d) is not int for d in (*old, *dims)):
        contiguous = _contiguous(box)
        if contiguous:
            return box.view(views.Reshaped(dims))
        found = boxes.array(views.Reshaped(dims).read(box.read()))
        return found if strides is None or views.contiguous(old, strides) is False else _perhaps_a_view(found)
    seen = views.reshaped_strides(old, strides, dims)
    if seen is None:
        return boxes.array(tracing.current().builder.reshape(box.read(), dims))
    return box.view(views.Reshaped(dims, seen))


def _perhaps_a_view(found: ArrayBox) -> ArrayBox:
    """A copy of what is a view at some lengths: it can be read."""
    found.writeable = ("this is a view of another array at some lengths and a copy at others, as NumPy makes it, and its "
                       "length is known only at run time: so it cannot be overwritten", "make a copy of it first: a.copy()")
    return found


def c_contiguous(box: ArrayBox) -> bool | None:
    """Whether the array lies in memory in C order without gaps; None: run time decides."""
    strides = box.strides_known
    return _contiguous(box) if strides is None else views.contiguous(box.dims, strides)


def _contiguous(box: ArrayBox) -> bool:
    """The same, as far as it is known without the lengths."""
    if box.base is None:
        return box._strides is None
    path = box.path
    if isinstance(path, views.Reshaped):
        return _contiguous(box.base)
    if not isinstance(path, Strided) or path.permuting or not _contiguous(box.base):
        return False
    body = path.spec.lstrip("i")
    return set(body[1:]) <= {":"} and (body[:1] != "s" or path.sel[len(path.spec) - len(body)][2] == 1)


def factors(dim: Dim) -> list:
    """A dimension as a product: an int and index values."""
    if type(dim) is Value and dim.op is not None and dim.op.name == "mul":
        return [f for x in dim.op.operands for f in factors(shapes.as_dim(x))]
    return [dim]


def wanted_dims(shape: tuple[int, ...], old: tuple[int, ...]) -> tuple:
    """A shape argument with -1 filled in, checked against the number of elements."""
    entries = [shapes.to_index(s) for s in (shape if isinstance(shape, (tuple, list)) else boxes_of(shape))]
    for e in entries:
        if isinstance(e, Value):
            tracing.need_static(ScalarBox(e), "a shape")
    unknown = [k for k, e in enumerate(entries) if type(e) is int and e < 0]
    if len(unknown) > 1:
        fail(ShapeError, "can only specify one unknown dimension")
    have = [f for d in old for f in factors(d)]
    want = [f for k, e in enumerate(entries) if k not in unknown for f in factors(e)]
    for f in list(want):
        twin = next((h for h in have if same(h, f)), None)
        if twin is not None and not (type(f) is int and f == 0):
            have = _without(have, twin)
            want = _without(want, f)
    total, known = shapes.product(have), shapes.product(want)
    message = f"cannot reshape array of size {show_size(old)} into shape {shapes.show(tuple(entries))}"
    if not unknown:
        _check_count(total, known, message)
        return tuple(entries)
    if type(known) is int and known == 1:
        missing = total
    elif type(total) is int and type(known) is int:
        if known == 0 or total % known:
            fail(ShapeError, message)
        missing = total // known
    else:
        missing = shapes.arith("floordiv", total, known)
        _check_count(total, shapes.arith("mul", missing, known), message)
    entries[unknown[0]] = missing
    return tuple(entries)


def _check_count(total: Dim, known: Dim, message: str) -> None:
    if not same(total, known):
        if type(total) is int and type(known) is int:
            fail(ShapeError, message)
        shapes.require_equal(total, known, "cannot reshape array of size {0} into a shape of size {1}")


def _without(items: list[int], one: int) -> list[int]:
    k = next(k for k, x in enumerate(items) if x is one or same(x, one))
    return items[:k] + items[k + 1:]


def show_size(dims: tuple[Dim, ...]) -> str:
    found = shapes.product(dims)
    return str(found) if type(found) is int else "?"


def boxes_of(shape: Any) -> list[int]:
    """The entries of a shape that is no tuple: one int, or an array of them."""
    return list(shape) if isinstance(shape, (tuple, list)) or (hasattr(shape, "ndim") and shape.ndim) else [shape]


@implements(np.reshape)
def reshape(a: Any, /, shape: Any, order: Any = "C", *, copy: Any = None) -> ArrayBox:
    box = as_array(a)
    dims = wanted_dims(shape, box.dims)
    if order == "F" or (order == "A" and _fortran(box)):
        turned = transpose(reshaped(transpose(box), tuple(reversed(dims))))
        return boxes.array(turned.read()) if copy else turned
    return boxes.array(reshaped(box, dims).read()) if copy else reshaped(box, dims)


def _fortran(box: ArrayBox) -> bool:
    if len(box.dims) > 1:
        memory_layout.order_decides(box)
    strides = box.strides_known
    if strides is None and box.permuted:
        fail(UnsupportedError, "order='A' of an array whose order in memory only run time knows cannot be compiled",
             "name the order: 'C' or 'F'")
    return (strides is not None and not views.contiguous(box.dims, strides)
            and views.contiguous(tuple(reversed(box.dims)), tuple(reversed(strides))) is True)


def reshape_in_place(box: ArrayBox, shape: Any) -> None:
    """`box.shape = shape`: the box becomes the view that reshape gives, of what it has been."""
    if box.seen or box.captured or tracing.current().made_before(box):
        fail(UnsupportedError, "assigning the shape of an array that others see cannot be compiled: the caller, a view, "
             "or what stands outside of this branch or loop", "write x = x.reshape(shape)")
    old = ArrayBox(box._value, box.base, box.path, box._strides)
    old.writeable, old._epoch, old.identity = box.writeable, box._epoch, box.identity
    new = reshaped(old, wanted_dims(shape, old.dims))
    if new.base is None:
        fail(ShapeError, "incompatible shape for in-place modification: NumPy would have to copy the elements",
             "write x = x.reshape(shape)")
    box._value, box.base, box.path, box._strides = None, new.base, new.path, None


boxes.HOOKS["reshape_in_place"] = reshape_in_place


@implements(method="reshape")
def reshape_method(a: Any, *shape: Any, order: Any = "C", copy: Any = None) -> ArrayBox:
    return reshape(a, shape[0] if len(shape) == 1 else shape, order, copy=copy)


@implements(np.ravel, method="ravel")
def ravel(a: Any, order: Any = "C") -> ArrayBox:
    """A view of a contiguous array, else a copy: unlike reshape, which also views what lies in memory with equal gaps."""
    box = as_array(a)
    strides = box.strides_known
    if order == "K" and len(box.dims) > 1:
        memory_layout.order_decides(box)
    if order == "K" and box.permuted:
        if strides is None:
            fail(UnsupportedError, "ravel(order='K') of this array cannot be compiled", "name the order: 'C' or 'F'")
        box = transpose(box, views.memory_order([(box.dims, strides)], box.dims)[::-1])
    if order == "F" or (order == "A" and _fortran(box)):
        box = transpose(box)
    total = (shapes.product(box.dims),)
    without_gaps = c_contiguous(box)
    if without_gaps:
        found = box.view(views.Reshaped(total, (1,), packed=True))
    else:
        found = boxes.array(tracing.current().builder.reshape(box.read(), total))
        found = _perhaps_a_view(found) if without_gaps is None else found
    memory_layout.decided(box, found)
    return found


@implements(method="flatten")
def flatten(a: Any, order: Any = "C") -> Any:
    return boxes.array(ravel(a, order).read())


# --- axes -----------------------------------------------------------------------------------------------------------

@implements(np.transpose, np.permute_dims)
def transpose(a: Any, axes: Any = None) -> ArrayBox:
    box = as_array(a)
    rank = len(box.dims)
    perm = tuple(reversed(range(rank))) if axes is None else tuple(axis_of(x, rank) for x in axes)
    if sorted(perm) != list(range(rank)):
        fail(ShapeError, "axes don't match array" if len(perm) != rank else "repeated axis in transpose")
    return box.view(Strided((None,) * rank, perm))


@implements(method="transpose")
def transpose_method(a: Any, *axes: Any) -> ArrayBox:
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
        axes = axes[0]
    return transpose(a, axes or None)


@implements(np.swapaxes, method="swapaxes")
def swapaxes(a: Any, axis1: Any, axis2: Any) -> ArrayBox:
    box = as_array(a)
    perm = list(range(len(box.dims)))
    i, j = axis_of(axis1, len(perm)), axis_of(axis2, len(perm))
    perm[i], perm[j] = perm[j], perm[i]
    return transpose(box, perm)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> ArrayBox:
    box = as_array(a)
    rank = len(box.dims)
    src = [axis_of(x, rank) for x in (source if isinstance(source, (tuple, list)) else [source])]
    dst = [axis_of(x, rank) for x in (destination if isinstance(destination, (tuple, list)) else [destination])]
    if len(src) != len(dst):
        fail(ShapeError, "`source` and `destination` arguments must have the same number of elements")
    order = [k for k in range(rank) if k not in src]
    for d, s in sorted(zip(dst, src)):
        order.insert(d, s)
    return transpose(box, order)


@implements(np.rollaxis)
def rollaxis(a: Any, axis: Any, start: Any = 0) -> Any:
    rank = len(as_array(a).dims)
    axis = axis_of(axis, rank)
    start = start + rank if start < 0 else start
    return moveaxis(a, axis, start - 1 if axis < start else start)


def turned(box: ArrayBox, axes: tuple[int, ...]) -> ArrayBox:
    """A view with some axes backwards."""
    key = tuple(slice(None, None, -1) if k in axes else slice(None) for k in range(len(box.dims)))
    return as_array(box[key]) if box.dims else box


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    box = as_array(m)
    axes = axes_of(axis, len(box.dims))
    return turned(box, axes) if box.dims else box[()]


@implements(np.fliplr)
def fliplr(m: Any) -> Any:
    return flip(m, 1)


@implements(np.flipud)
def flipud(m: Any) -> Any:
    return flip(m, 0)


@implements(np.rot90)
def rot90(m: Any, k: Any = 1, axes: Any = (0, 1)) -> Any:
    box = as_array(m)
    a, b = (axis_of(x, len(box.dims)) for x in axes)
    k %= 4
    swapped = list(range(len(box.dims)))
    swapped[a], swapped[b] = b, a
    if k == 0:
        return box.view(views.whole(len(box.dims)))
    if k == 2:
        return turned(box, (a, b))
    return transpose(turned(box, (b,)), swapped) if k == 1 else turned(transpose(box, swapped), (b,))


# --- diagonals and triangles ----------------------------------------------------------------------------------------

@implements(np.diagonal, method="diagonal")
def diagonal(a: Any, offset: Any = 0, axis1: Any = 0, axis2: Any = 1) -> ArrayBox:
    box = as_array(a)
    rank = len(box.dims)
    if rank < 2:
        fail(ShapeError, "diag requires an array of at least two dimensions")
    i, j = axis_of(axis1, rank), axis_of(axis2, rank)
    if i == j:
        fail(ShapeError, "axis1 and axis2 cannot be the same")
    k = shapes.offset(offset)
    if type(k) is not int:                       # from the first element of the diagonal on it is the main one
        skipped = {i: shapes.arith("max", shapes.arith("sub", 0, k), 0), j: shapes.arith("max", k, 0)}
        box, k = box[tuple(slice(boxes.count(skipped[axis]) if axis in skipped else 0, None) for axis in range(rank))], 0
    rows, columns = box.dims[i], box.dims[j]
    rows = shapes.arith("sub", rows, -k) if k < 0 else rows
    columns = shapes.arith("sub", columns, k) if k > 0 else columns
    length = rows if same(rows, columns) else shapes.arith("min", rows, columns)
    length = max(length, 0) if type(length) is int else shapes.arith("max", length, 0) if k else length
    return box.view(views.Diagonal(i, j, k, length))


@implements(np.diag)
def diag(v: Any, k: Any = 0) -> ArrayBox:
    box = as_array(v)
    if len(box.dims) == 2:
        return diagonal(box, k)
    if len(box.dims) != 1:
        fail(ShapeError, "Input must be 1- or 2-d.")
    builder, k = tracing.current().builder, shapes.offset(k)
    below, beside = shapes.arith("max", shapes.arith("sub", 0, k), 0), shapes.arith("max", k, 0)
    n = shapes.arith("add", box.dims[0], shapes.arith("add", below, beside))
    i = iota(box.dims[0], INDEX)
    rows, columns = (i if type(d) is int and d == 0 else builder("add", i, builder.index(d)) for d in (below, beside))
    zero = builder.full(0, (n, n), box.dtype_ir)
    return boxes.array(builder("scatter", zero, box.read(), rows, columns, axes=(0, 1), at=0))


@implements(np.diagflat)
def diagflat(v: Any, k: Any = 0) -> Any:
    return diag(ravel(v), k)


def _triangle(keep: bool) -> Callable:
    def run(m: ArrayBox, k: int = 0) -> ArrayBox:
        box = as_array(m)
        if len(box.dims) == 1:
            box = box.view(views.Spread((box.dims[0],) * 2))
        builder = tracing.current().builder
        inside = below(box.dims[-2], box.dims[-1], k if keep else k - 1)
        x = box.read()
        zero = const(0, x.type.dtype)
        inside = shapes.expand(inside, x.type.dims)
        return boxes.array(builder("select", inside, x, zero) if keep else builder("select", inside, zero, x))

    return run


implements(np.tril)(_triangle(True))
implements(np.triu)(_triangle(False))


# --- attributes -----------------------------------------------------------------------------------------------------

def _real(x: Any) -> Box:
    if not x.dtype_ir.complex:
        return x
    return x.view(views.Part("real")) if type(x) is ArrayBox else ScalarBox(tracing.current().builder("real", x.read()))


def _imag(x: Any) -> Any:
    if x.dtype_ir.complex:
        return x.view(views.Part("imag")) if type(x) is ArrayBox else ScalarBox(tracing.current().builder("imag", x.read()))
    zero = tracing.current().builder.full(0, x.dims, x.dtype_ir)
    if type(x) is not ArrayBox:
        return ScalarBox(zero)
    found = ArrayBox(zero)
    found.writeable = False
    return found


class Flat:
    """ndarray.flat: reads and writes in C order. `state`: where its iteration stands (sequences/flat_iterators.py)."""

    __slots__ = ("box", "state")

    def __init__(self, box: ArrayBox):
        self.box = box
        self.state: Any = None

    def elements(self) -> ArrayBox:
        """What a loop over it runs over."""
        return reshape(self.box, (-1,))

    def rewind(self) -> None:
        """As NumPy does when it is asked for items by position."""
        if self.state is not None:
            self.state.move(0)

    def __getitem__(self, key: Any) -> Any:
        self.rewind()
        return self.elements()[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self.rewind()
        line = boxes.array(tracing.current().builder.reshape(self.box.read(), (shapes.product(self.box.dims),)))
        line[key] = value
        self.box.write(tracing.current().builder.reshape(line.read(), self.box.dims))

    def fill(self, value: Value) -> None:
        """a.flat = value: its elements again and again."""
        boxes.FUNCTIONS[np.put](self.box, boxes.FUNCTIONS[np.arange](boxes.count(shapes.product(self.box.dims))), value)

    def __iter__(self) -> Any:
        return iter(self.elements())

    def __len__(self) -> int:
        return len(self.elements())

    def copy(self) -> ArrayBox:
        """The elements as an array of their own."""
        return boxes.FUNCTIONS[np.copy](self.elements())


for _sign in ("eq", "ne", "lt", "le", "gt", "ge"):            # as those of the array
    setattr(Flat, f"__{_sign}__", lambda flat, other, compare=getattr(operator, _sign): compare(flat.elements(), other))
implements(np.real)(lambda val: _real(lift(val)))
implements(np.imag)(lambda val: _imag(lift(val)))
PROPERTIES.update({
    "shape": lambda x: tuple(map(boxes.count, x.dims)), "ndim": lambda x: len(x.dims), "T": lambda x: transpose(x) if x.dims
    else x,
    "size": lambda x: boxes.count(shapes.product(x.dims)), "dtype": lambda x: x.dtype_ir.np,
    "itemsize": lambda x: x.dtype_ir.size,
    "nbytes": lambda x: boxes.count(shapes.product((*x.dims, x.dtype_ir.size))), "real": _real, "imag": _imag, "flat": Flat,
    "mT": lambda x: swapaxes(x, -1, -2),
})


def _fill(x: Any, value: Value) -> None:
    x[...] = value


def _namespace(x: Any, *, api_version: Any = None) -> Any:
    return np.ndarray.__array_namespace__(np.zeros(()), api_version=api_version)


METHODS.update({"fill": _fill, "view": lambda x, *a: _plain_view(x, *a), "__array_namespace__": _namespace})


def _plain_view(x: Any, *asked: Any) -> Any:
    if asked and not (asked == (np.ndarray,) or boxes.to_dtype(asked[0]) is x.dtype_ir):
        fail(UnsupportedError, f"ndarray.view of {x.dtype_ir.np} with another dtype cannot be compiled",
             "use .real and .imag" if x.dtype_ir.complex else "use .astype() to convert the numbers")
    return x.view(views.whole(len(x.dims)))


implements(np.shape)(lambda a: tuple(map(boxes.count, lift(a).dims)))
implements(np.ndim)(lambda a: len(lift(a).dims))


def _limits(limits: Callable, of: Any) -> Any:
    """np.finfo and np.iinfo of a number are those of its dtype."""
    return limits(strong(of.kind) if isinstance(of, ScalarBox) else of)


for _class in (np.finfo, np.iinfo):
    implements(_class)(functools.partial(_limits, _class))


@implements(np.size)
def size(a: Any | Box, axis: Any = None) -> Any:
    dims = lift(a).dims
    return boxes.count(shapes.product(dims if axis is None else [dims[axis_of(axis, len(dims))]]))


def truth_value(x: Any) -> Value:
    """An array as bool."""
    return boxes.to_value(x, BOOL)


