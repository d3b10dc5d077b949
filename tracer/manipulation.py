"""NumPy functions that change the form of arrays: views where NumPy gives views, copies where it copies."""
from __future__ import annotations

import numpy as np

from ..ir.build import const
from ..ir.core import Value
from ..ir.errors import ShapeError, UnsupportedError
from ..ir.types import BOOL, I64, INDEX
from . import boxes, context, shapes, views
from .boxes import FUNCTIONS, METHODS, PROPERTIES, ArrayBox, ScalarBox, as_array, implements, lift
from .creation import below, iota, stacked
from .promote import fail, result_dtype, strong
from .shapes import axes_of, axis_of, same
from .views import Strided

# --- reshape --------------------------------------------------------------------------------------------------------

def reshaped(box: ArrayBox, dims) -> ArrayBox:
    """The same elements in C order under `dims`: a view where NumPy gives one."""
    old = box.dims
    if shapes.same_dims(old, dims):
        return box.view(views.whole(len(old)))
    out = views.squeezed(old, dims)
    if out is not None:
        sel = tuple(None if a in out else 0 for a in range(len(old)))
        return box.view(Strided(sel, out))
    strides = box.strides_known
    if strides is None or any(type(d) is not int for d in (*old, *dims)):
        contiguous = _contiguous(box)
        return box.view(views.Reshaped(dims)) if contiguous else boxes.array(views.Reshaped(dims).read(box.read()))
    seen = views.reshaped_strides(old, strides, dims)
    if seen is None:
        return boxes.array(context.current().builder.reshape(box.read(), dims))
    return box.view(views.Reshaped(dims, seen))


def _contiguous(box: ArrayBox) -> bool:
    """Whether the array lies in memory without gaps and in C order, as far as is known without the lengths."""
    if box.base is None:
        return box._strides is None
    path = box.path
    if isinstance(path, views.Reshaped):
        return _contiguous(box.base)
    if not isinstance(path, Strided) or path.permuting or not _contiguous(box.base):
        return False
    body = path.spec.lstrip("i")
    return set(body[1:]) <= {":"} and (body[:1] != "s" or path.sel[len(path.spec) - len(body)][2] == 1)


def factors(dim) -> list:
    """A dimension as a product: an int and index values."""
    if type(dim) is Value and dim.op is not None and dim.op.name == "mul":
        return [f for x in dim.op.operands for f in factors(shapes.as_dim(x))]
    return [dim]


def wanted_dims(shape, old) -> tuple:
    """A shape argument with -1 filled in, checked against the number of elements."""
    entries = [shapes.to_index(s) for s in (shape if isinstance(shape, (tuple, list)) else boxes_of(shape))]
    for e in entries:
        if type(e) is not int:
            context.need_static(ScalarBox(e), "a shape")
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


def _check_count(total, known, message):
    if not same(total, known):
        if type(total) is int and type(known) is int:
            fail(ShapeError, message)
        shapes.require_equal(total, known, "cannot reshape array of size {0} into a shape of size {1}")


def _without(items, one):
    k = next(k for k, x in enumerate(items) if x is one or same(x, one))
    return items[:k] + items[k + 1:]


def show_size(dims) -> str:
    found = shapes.product(dims)
    return str(found) if type(found) is int else "?"


def boxes_of(shape):
    """The entries of a shape that is no tuple: one int, or an array of them."""
    return list(shape) if getattr(shape, "ndim", 0) else [shape]


@implements(np.reshape)
def reshape(a, /, shape, order="C", *, copy=None):
    box = as_array(a)
    dims = wanted_dims(shape, box.dims)
    if order == "F" or (order == "A" and _fortran(box)):
        turned = transpose(reshaped(transpose(box), tuple(reversed(dims))))
        return boxes.array(turned.read()) if copy else turned
    return boxes.array(reshaped(box, dims).read()) if copy else reshaped(box, dims)


def _fortran(box) -> bool:
    strides = box.strides_known
    return strides is not None and len(box.dims) > 1 and strides == tuple(reversed(views.c_strides(tuple(reversed(box.dims)))))


@implements(method="reshape")
def reshape_method(a, *shape, order="C", copy=None):
    return reshape(a, shape[0] if len(shape) == 1 else shape, order, copy=copy)


@implements(np.ravel, method="ravel")
def ravel(a, order="C"):
    box = as_array(a)
    if order == "K" and box.permuted:
        strides = box.strides_known
        if strides is None:
            fail(UnsupportedError, "ravel(order='K') of this array cannot be compiled", "name the order: 'C' or 'F'")
        box = transpose(box, sorted(range(len(box.dims)), key=lambda axis: -abs(strides[axis])))
    return reshape(box, (-1,), "C" if order == "K" else order)


@implements(method="flatten")
def flatten(a, order="C"):
    return boxes.array(ravel(a, order).read())


@implements(np.squeeze, method="squeeze")
def squeeze(a, axis=None):
    box = as_array(a)
    ones = tuple(k for k, d in enumerate(box.dims) if type(d) is int and d == 1)
    axes = ones if axis is None else axes_of(axis, len(box.dims))
    if not set(axes) <= set(ones):
        fail(ShapeError, "cannot select an axis to squeeze out which has size not equal to one")
    out = tuple(k for k in range(len(box.dims)) if k not in axes)
    return box.view(Strided(tuple(0 if k in axes else None for k in range(len(box.dims))), out))


@implements(np.expand_dims)
def expand_dims(a, axis):
    box = as_array(a)
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    rank = len(box.dims) + len(axes)
    places = axes_of(tuple(axes), rank)
    rest = iter(range(len(box.dims)))
    return box.view(Strided((None,) * len(box.dims), tuple(None if k in places else next(rest) for k in range(rank))))


def _at_least(rank, place):
    def one(x):
        box = as_array(x)
        for _ in range(rank - len(box.dims)):
            box = expand_dims(box, place(len(box.dims)))
        return box

    def many(*arys):
        return one(arys[0]) if len(arys) == 1 else tuple(map(one, arys))

    return many


at_least_2d = _at_least(2, lambda rank: 0)
implements(np.atleast_1d)(_at_least(1, lambda rank: 0))
implements(np.atleast_2d)(at_least_2d)
implements(np.atleast_3d)(_at_least(3, lambda rank: 0 if rank < 2 else 2))


# --- axes -----------------------------------------------------------------------------------------------------------

@implements(np.transpose, np.permute_dims)
def transpose(a, axes=None):
    box = as_array(a)
    rank = len(box.dims)
    perm = tuple(reversed(range(rank))) if axes is None else tuple(axis_of(x, rank) for x in axes)
    if sorted(perm) != list(range(rank)):
        fail(ShapeError, "axes don't match array" if len(perm) != rank else "repeated axis in transpose")
    return box.view(Strided((None,) * rank, perm))


@implements(method="transpose")
def transpose_method(a, *axes):
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
        axes = axes[0]
    return transpose(a, axes or None)


@implements(np.swapaxes, method="swapaxes")
def swapaxes(a, axis1, axis2):
    box = as_array(a)
    perm = list(range(len(box.dims)))
    i, j = axis_of(axis1, len(perm)), axis_of(axis2, len(perm))
    perm[i], perm[j] = perm[j], perm[i]
    return transpose(box, perm)


@implements(np.moveaxis)
def moveaxis(a, source, destination):
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
def rollaxis(a, axis, start=0):
    rank = len(as_array(a).dims)
    axis = axis_of(axis, rank)
    start = start + rank if start < 0 else start
    return moveaxis(a, axis, start - 1 if axis < start else start)


def turned(box: ArrayBox, axes) -> ArrayBox:
    """A view with some axes backwards."""
    return box[tuple(slice(None, None, -1) if k in axes else slice(None) for k in range(len(box.dims)))] if box.dims else box


@implements(np.flip)
def flip(m, axis=None):
    box = as_array(m)
    return turned(box, axes_of(axis, len(box.dims)))


@implements(np.fliplr)
def fliplr(m):
    return flip(m, 1)


@implements(np.flipud)
def flipud(m):
    return flip(m, 0)


@implements(np.rot90)
def rot90(m, k=1, axes=(0, 1)):
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


# --- joining --------------------------------------------------------------------------------------------------------

def joined(arrays, axis: int, dtype=None) -> Value:
    """Values of one rank along an axis, in their common dtype."""
    builder = context.current().builder
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
    return builder("concat", *parts, *(() if type(total) is int else (total,)), axis=axis)


def _deliver(name, value, out):
    if out is None:
        return boxes.array(value)
    out[...] = boxes.array(value)
    return out


def sequence(x) -> list:
    """The arrays of an argument that is a sequence of arrays or one array."""
    return [as_array(a) for a in x]


@implements(np.concatenate)
def concatenate(arrays, /, axis=0, out=None, *, dtype=None, casting="same_kind"):
    parts = sequence(arrays)
    if not parts:
        fail(ShapeError, "need at least one array to concatenate")
    if axis is None:
        parts, axis = [ravel(p) for p in parts], 0
    if not parts[0].dims:
        fail(ShapeError, "zero-dimensional arrays cannot be concatenated")
    from_dtype = None if dtype is None else boxes.to_dtype(dtype)
    return _deliver("concatenate", joined(parts, axis_of(axis, len(parts[0].dims)), from_dtype), out)


@implements(np.stack)
def stack(arrays, axis=0, out=None, *, dtype=None, casting="same_kind"):
    parts = sequence(arrays)
    if not parts:
        fail(ShapeError, "need at least one array to stack")
    target = boxes.to_dtype(dtype) if dtype is not None else result_dtype([strong(p.kind) for p in parts])
    values = [boxes.to_value(p, target) for p in parts]
    return _deliver("stack", stacked(values, axis_of(axis, len(values[0].type.dims) + 1)), out)


@implements(np.vstack)
def vstack(tup, *, dtype=None, casting="same_kind"):
    return concatenate([at_least_2d(x) for x in tup], 0, dtype=dtype)


@implements(np.hstack)
def hstack(tup, *, dtype=None, casting="same_kind"):
    parts = [FUNCTIONS[np.atleast_1d](x) for x in tup]
    return concatenate(parts, 0 if parts and len(parts[0].dims) == 1 else 1, dtype=dtype)


@implements(np.dstack)
def dstack(tup):
    return concatenate([FUNCTIONS[np.atleast_3d](x) for x in tup], 2)


@implements(np.column_stack)
def column_stack(tup):
    return concatenate([expand_dims(x, 1) if len(x.dims) == 1 else at_least_2d(x) for x in sequence(tup)], 1)


@implements(np.append)
def append(arr, values, axis=None):
    if axis is None:
        arr, values, axis = ravel(arr), ravel(values), 0
    return concatenate([arr, values], axis)


@implements(np.block)
def block(arrays):
    def depth(x):
        return 1 + max(map(depth, x)) if isinstance(x, list) else 0

    levels = depth(arrays)

    def leaf_rank(x):
        return max(map(leaf_rank, x)) if isinstance(x, list) else len(as_array(x).dims)

    rank = max(levels, leaf_rank(arrays))

    def build(x, level):
        if isinstance(x, list):
            return concatenate([build(p, level - 1) for p in x], axis=-level)
        box = as_array(x)
        for _ in range(rank - len(box.dims)):
            box = expand_dims(box, 0)
        return box

    return boxes.array(build(arrays, levels).read())


# --- splitting ------------------------------------------------------------------------------------------------------

def _cut(box, bounds, axis):
    lead = (slice(None),) * axis
    return [box[(*lead, slice(a, b))] for a, b in zip(bounds, bounds[1:])]


@implements(np.array_split)
def array_split(ary, indices_or_sections, axis=0):
    box = as_array(ary)
    axis = axis_of(axis, len(box.dims))
    n = box.dims[axis]
    if isinstance(indices_or_sections, (list, tuple, np.ndarray)) or getattr(indices_or_sections, "ndim", 0):
        return _cut(box, [0, *list(indices_or_sections), None], axis)
    parts = shapes.static_int(indices_or_sections, "the number of sections")
    if parts <= 0:
        fail(ShapeError, "number sections must be larger than 0.")
    if type(n) is not int:
        context.need_concrete(ScalarBox(n, "int"), "splitting an axis")
    size, extra = divmod(n, parts)
    bounds = [k * size + min(k, extra) for k in range(parts + 1)]
    return _cut(box, bounds, axis)


@implements(np.split)
def split(ary, indices_or_sections, axis=0):
    box = as_array(ary)
    many = isinstance(indices_or_sections, (list, tuple, np.ndarray)) or getattr(indices_or_sections, "ndim", 0)
    n = box.dims[axis_of(axis, len(box.dims))]
    if not many and type(n) is int and n % shapes.static_int(indices_or_sections, "the number of sections"):
        fail(ShapeError, "array split does not result in an equal division")
    return array_split(box, indices_or_sections, axis)


implements(np.vsplit)(lambda ary, indices_or_sections: split(ary, indices_or_sections, 0))
implements(np.hsplit)(lambda ary, indices_or_sections: split(ary, indices_or_sections, 0 if len(as_array(ary).dims) == 1
                                                             else 1))
implements(np.dsplit)(lambda ary, indices_or_sections: split(ary, indices_or_sections, 2))


@implements(np.unstack)
def unstack(x, /, *, axis=0):
    return tuple(moveaxis(x, axis, 0))


# --- repeating ------------------------------------------------------------------------------------------------------

@implements(np.broadcast_to)
def broadcast_to(array, shape, subok=False):
    box, dims = as_array(array), shapes.shape_of(shape)
    if len(dims) < len(box.dims) or not shapes.same_dims(shapes.broadcast_dims(box.dims, dims), dims):
        fail(ShapeError, f"operands could not be broadcast together with remapped shapes [original->remapped]: "
                         f"{shapes.show(box.dims)} and requested shape {shapes.show(dims)}")
    return box.view(views.Spread(dims))


@implements(np.broadcast_arrays)
def broadcast_arrays(*args, subok=False):
    parts = [as_array(a) for a in args]
    dims = shapes.broadcast_dims(*(p.dims for p in parts))
    return tuple(p.view(views.Spread(dims)) if not shapes.same_dims(p.dims, dims) else p for p in parts)


@implements(np.meshgrid)
def meshgrid(*xi, copy=True, sparse=False, indexing="xy"):
    parts = [ravel(x) for x in xi]
    rank = len(parts)
    places = list(range(rank))
    if indexing == "xy" and rank > 1:
        places[:2] = 1, 0
    lines = [reshape(p, tuple(-1 if k == place else 1 for k in range(rank))) for p, place in zip(parts, places)]
    found = lines if sparse else broadcast_arrays(*lines)
    return tuple(boxes.array(f.read()) for f in found) if copy else tuple(found)


@implements(np.tile)
def tile(A, reps):
    box = as_array(A)
    many = [shapes.length(r) for r in (reps if isinstance(reps, (tuple, list)) else boxes_of(reps))]
    rank = max(len(many), len(box.dims))
    many = [1] * (rank - len(many)) + many
    dims = (1,) * (rank - len(box.dims)) + box.dims
    builder = context.current().builder
    value = builder.reshape(box.read(), tuple(x for d in dims for x in (1, d)))
    value = builder.broadcast(value, tuple(x for r, d in zip(many, dims) for x in (r, d)))
    return boxes.array(builder.reshape(value, tuple(shapes.arith("mul", r, d) for r, d in zip(many, dims))))


@implements(np.repeat, method="repeat")
def repeat(a, repeats, axis=None):
    """One count for all: broadcast and reshape. A count each: element k of the result comes from where k falls in their running sum."""
    box = ravel(a) if axis is None else as_array(a)
    axis = 0 if axis is None else axis_of(axis, len(box.dims))
    builder, dims, counts = context.current().builder, box.dims, lift(repeats)
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
        ends = builder("scan", shapes.index_value(counts.read()), kind="sum", axis=0, reverse=False)
        total = builder.reduce(shapes.index_value(counts.read()), "sum", (0,))
        origin = builder("searchsorted", ends, iota(total, INDEX), side="right")
    return boxes.array(builder("gather", box.read(), origin, axes=(axis,), at=axis))


@implements(np.roll)
def roll(a, shift, axis=None):
    box = as_array(a)
    if axis is None:
        return reshape(_rolled(ravel(box), shift, 0), tuple(map(boxes.count, box.dims)))
    axes = axis if isinstance(axis, (tuple, list)) else (axis,)
    shifts = shift if isinstance(shift, (tuple, list)) else (shift,) * len(axes)
    axes = axes * len(shifts) if len(axes) == 1 else axes
    for s, x in zip(shifts, axes):
        box = _rolled(box, s, axis_of(x, len(box.dims)))
    return boxes.array(box.read())


def _rolled(box: ArrayBox, shift, axis: int) -> ArrayBox:
    """Where shift and length are numbers, the end before the beginning; else a gather by (k - shift) mod n."""
    n, s = box.dims[axis], shapes.to_index(shift)
    lead = (slice(None),) * axis
    if type(n) is int and type(s) is int:
        if n == 0 or s % n == 0:
            return box
        return boxes.array(joined([box[(*lead, slice(n - s % n, None))], box[(*lead, slice(0, n - s % n))]], axis))
    builder = context.current().builder
    origin = builder("mod", builder("sub", iota(n, INDEX), builder.index(s)), builder.index(n))
    return boxes.array(builder("gather", box.read(), origin, axes=(axis,), at=axis))


# --- diagonals and triangles ----------------------------------------------------------------------------------------

@implements(np.diagonal, method="diagonal")
def diagonal(a, offset=0, axis1=0, axis2=1):
    box = as_array(a)
    rank = len(box.dims)
    if rank < 2:
        fail(ShapeError, "diag requires an array of at least two dimensions")
    i, j = axis_of(axis1, rank), axis_of(axis2, rank)
    if i == j:
        fail(ShapeError, "axis1 and axis2 cannot be the same")
    k = shapes.static_int(offset, "the offset of a diagonal")
    rows, columns = box.dims[i], box.dims[j]
    rows = shapes.arith("sub", rows, -k) if k < 0 else rows
    columns = shapes.arith("sub", columns, k) if k > 0 else columns
    length = rows if same(rows, columns) else shapes.arith("min", rows, columns)
    length = max(length, 0) if type(length) is int else shapes.arith("max", length, 0) if k else length
    return box.view(views.Diagonal(i, j, k, length))


@implements(np.diag)
def diag(v, k=0):
    box = as_array(v)
    if len(box.dims) == 2:
        return boxes.array(diagonal(box, k).read())
    if len(box.dims) != 1:
        fail(ShapeError, "Input must be 1- or 2-d.")
    builder, k = context.current().builder, shapes.static_int(k, "the offset of a diagonal")
    n = shapes.arith("add", box.dims[0], abs(k))
    i = iota(box.dims[0], INDEX)
    moved = builder("add", i, builder.index(abs(k))) if k else i
    rows, columns = (i, moved) if k >= 0 else (moved, i)
    zero = builder.full(0, (n, n), box.dtype_ir)
    return boxes.array(builder("scatter", zero, box.read(), rows, columns, axes=(0, 1), at=0))


@implements(np.diagflat)
def diagflat(v, k=0):
    return diag(ravel(v), k)


def _triangle(keep):
    def run(m, k=0):
        box = as_array(m)
        if len(box.dims) == 1:
            box = broadcast_to(box, (boxes.count(box.dims[0]),) * 2)
        builder = context.current().builder
        inside = below(*box.dims[-2:], k if keep else shapes.static_int(k, "a diagonal") - 1)
        x = box.read()
        zero = const(0, x.type.dtype)
        inside = shapes.expand(inside, x.type.dims)
        return boxes.array(builder("select", inside, x, zero) if keep else builder("select", inside, zero, x))

    return run


implements(np.tril)(_triangle(True))
implements(np.triu)(_triangle(False))


# --- padding --------------------------------------------------------------------------------------------------------

@implements(np.pad)
def pad(array, pad_width, mode="constant", **options):
    box = as_array(array)
    rank = len(box.dims)
    widths = _pairs(pad_width, rank)
    if any(type(w) is int and w < 0 for pair in widths for w in pair):
        fail(ShapeError, "index can't contain negative values")
    if mode in ("constant", "empty"):
        return boxes.array(_padded(box, widths, _values(options.get("constant_values", 0), rank)))
    if mode not in ("edge", "reflect", "symmetric", "wrap"):
        fail(UnsupportedError, f"np.pad with mode {mode!r} cannot be compiled",
             "use constant, edge, reflect, symmetric or wrap")
    builder, value = context.current().builder, box.read()
    for axis, (low, high) in enumerate(widths):
        if (low, high) == (0, 0):
            continue
        n = value.type.dims[axis]
        if all(type(w) is int for w in (n, low, high)):
            origin = const(np.pad(np.arange(n), (low, high), mode, **options), INDEX)
        elif mode == "edge":
            total = shapes.arith("add", n, shapes.arith("add", low, high))
            moved = builder("sub", iota(total, INDEX), builder.index(low))
            origin = builder("min", builder("max", moved, builder.index(0)), builder.index(shapes.arith("sub", n, 1)))
        else:
            fail(UnsupportedError, f"np.pad with mode {mode!r} of a length known only at run time", "use constant or edge")
        value = builder("gather", value, origin, axes=(axis,), at=axis)
    return boxes.array(value)


def _pairs(width, rank):
    """pad_width for each axis, as np.broadcast_to(pad_width, (rank, 2)) does."""
    if isinstance(width, dict):
        return [tuple(width.get(k, width.get(k - rank, (0, 0)))) if not isinstance(width.get(k, 0), int)
                else (width.get(k, 0),) * 2
                for k in range(rank)]
    if isinstance(width, (tuple, list)) or getattr(width, "ndim", 0):
        rows = list(width)
        if rows and (isinstance(rows[0], (tuple, list)) or getattr(rows[0], "ndim", 0)):
            rows = [tuple(r) * (2 if len(r) == 1 else 1) for r in rows]
            rows = rows * rank if len(rows) == 1 else rows
        else:
            rows = [tuple(rows) * (2 if len(rows) == 1 else 1)] * rank
        if len(rows) != rank:
            fail(ShapeError,
                 f"operands could not be broadcast together with remapped shapes [original->remapped]: pad_width and ({rank},2)")
    else:
        rows = [(width, width)] * rank
    return [tuple(shapes.to_index(x) for x in r) for r in rows]


def _values(given, rank):
    if isinstance(given, (tuple, list)):
        rows = list(given)
        if rows and isinstance(rows[0], (tuple, list)):
            rows = [tuple(r) * (2 if len(r) == 1 else 1) for r in rows]
            return rows * rank if len(rows) == 1 else rows
        return [tuple(rows) * (2 if len(rows) == 1 else 1)] * rank
    return [(given, given)] * rank


def _padded(box, widths, values):
    """Axis by axis: the low border, the array, the high border."""
    builder, value = context.current().builder, box.read()
    for axis, ((low, high), (left, right)) in enumerate(zip(widths, values)):
        parts = []
        for width, filler in ((low, left), (None, None), (high, right)):
            if width is None:
                parts.append(boxes.array(value))
            elif not (type(width) is int and width == 0):
                dims = (*value.type.dims[:axis], width, *value.type.dims[axis + 1:])
                parts.append(boxes.array(builder.broadcast(boxes.to_value(filler, box.dtype_ir), dims)))
        value = joined(parts, axis)
    return value


# --- inserting and removing -----------------------------------------------------------------------------------------

@implements(np.delete)
def delete(arr, obj, axis=None):
    box = ravel(arr) if axis is None else as_array(arr)
    axis = 0 if axis is None else axis_of(axis, len(box.dims))
    if type(box.dims[axis]) is not int:
        fail(UnsupportedError, "np.delete of a length known only at run time", "use a mask: x[mask]")
    kept = np.delete(np.arange(box.dims[axis]), _static_selection(obj, "np.delete"))
    return box[(*(slice(None),) * axis, boxes.array(const(kept, I64)))]


def _static_selection(obj, what):
    if isinstance(obj, (int, slice, list, tuple)) and not isinstance(obj, bool):
        return obj
    data = boxes.frozen_data(lift(obj))
    if data is None:
        fail(UnsupportedError, f"{what} at positions known only at run time", "use a mask: x[mask]")
    return data


@implements(np.insert)
def insert(arr, obj, values, axis=None):
    box = ravel(arr) if axis is None else as_array(arr)
    axis = 0 if axis is None else axis_of(axis, len(box.dims))
    where = shapes.to_index(obj)
    lead = (slice(None),) * axis
    cut = boxes.count(where)
    v = as_array(boxes.array(boxes.to_value(values, box.dtype_ir)))
    rest = shapes.dropped(box.dims, (axis,))
    if len(v.dims) < len(box.dims):
        v = expand_dims(broadcast_to(v, tuple(map(boxes.count, rest))),
                        axis) if len(v.dims) <= len(rest) and rest else reshape(v, (-1,))
    return concatenate([box[(*lead, slice(None, cut))], v, box[(*lead, slice(cut, None))]], axis)


# --- attributes -----------------------------------------------------------------------------------------------------

def _real(x):
    if not x.dtype_ir.complex:
        return x
    return x.view(views.Part("real")) if type(x) is ArrayBox else ScalarBox(context.current().builder("real", x.read()))


def _imag(x):
    if x.dtype_ir.complex:
        return x.view(views.Part("imag")) if type(x) is ArrayBox else ScalarBox(context.current().builder("imag", x.read()))
    zero = context.current().builder.full(0, x.dims, x.dtype_ir)
    found = ArrayBox(zero) if type(x) is ArrayBox else ScalarBox(zero)
    if type(x) is ArrayBox:
        found.writeable = False
    return found


class Flat:
    """ndarray.flat: reads and writes in C order."""

    __slots__ = ("box",)

    def __init__(self, box):
        self.box = box

    def __getitem__(self, key):
        return reshape(self.box, (-1,))[key]

    def __setitem__(self, key, value):
        line = boxes.array(context.current().builder.reshape(self.box.read(), (shapes.product(self.box.dims),)))
        line[key] = value
        self.box.write(context.current().builder.reshape(line.read(), self.box.dims))

    def __iter__(self):
        return iter(ravel(self.box))

    def __len__(self):
        return len(ravel(self.box))


implements(np.real)(lambda val: _real(lift(val)))
implements(np.imag)(lambda val: _imag(lift(val)))
PROPERTIES.update({
    "shape": lambda x: tuple(map(boxes.count, x.dims)), "ndim": lambda x: len(x.dims), "T": lambda x: transpose(x) if x.dims
    else x,
    "size": lambda x: boxes.count(shapes.product(x.dims)), "dtype": lambda x: x.dtype_ir.np,
    "itemsize": lambda x: x.dtype_ir.size,
    "nbytes": lambda x: boxes.count(shapes.product((*x.dims, x.dtype_ir.size))), "real": _real, "imag": _imag, "flat": Flat,
    "mT": lambda x: swapaxes(x, -1, -2),
    "strides": lambda x: tuple(s * x.dtype_ir.size for s in x.strides_known) if x.dims else (),
})


def _fill(x, value):
    x[...] = value


METHODS.update({"fill": _fill, "view": lambda x, *a: _plain_view(x, *a)})


def _plain_view(x, *dtype):
    if dtype and boxes.to_dtype(dtype[0]) is not x.dtype_ir:
        fail(UnsupportedError, "ndarray.view with another dtype cannot be compiled", "use .astype() to convert the numbers")
    return x.view(views.whole(len(x.dims)))


implements(np.shape)(lambda a: tuple(map(boxes.count, lift(a).dims)))
implements(np.ndim)(lambda a: len(lift(a).dims))


@implements(np.size)
def size(a, axis=None):
    dims = lift(a).dims
    return boxes.count(shapes.product(dims if axis is None else [dims[axis_of(axis, len(dims))]]))


def truth_value(x) -> Value:
    """An array as bool."""
    return boxes.to_value(x, BOOL)


