"""NumPy indexing on boxes: reading a view, gathering, masking, and writing through each of them.

A key is cut into entries, one for each axis of the array or none (None). Basic entries (ints, slices, None, Ellipsis) make a
Strided view. Integer arrays gather from that view; masks become the integer arrays of their true positions. With arrays, the
new axes stand where the arrays stood if they stood together (ints count as arrays then), else first: NumPy's rule.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...ir.build import const
from ...ir.core import Block, Const, Value
from ...ir.errors import BoundsError, DTypeError, ShapeError, UnsupportedError
from ...ir.types import BOOL, INDEX, INDEX_SCALAR, Array, Dim, DType
from .. import tracing
from . import boxes, shapes, ufuncs, views
from .boxes import HOOKS, UFUNC_METHODS, ArrayBox, Box, ScalarBox, lift
from .promotion import fail, result_dtype
from .slices import position, span
from .views import Strided

# --- the key --------------------------------------------------------------------------------------------------------

class Key:
    """A key cut into its parts, for an array of given dims.

    path    the Strided path of the basic part; axes with arrays stay whole
    arrays  (axis of the path's view, index value) of each integer array, all of one shape
    at      where the arrays' axes stand in the result
    copies  whether NumPy returns a copy even so (a 0-d array as an index)
    mask    the mask, where the key is one mask and nothing else (then `arrays` is made only when asked for)
    """

    __slots__ = ("_arrays", "at", "copies", "mask", "path")

    def __init__(self, path: Strided, arrays: Sequence[Array] = (), at: int = 0, copies: bool = False,
                 mask: Value | None = None):
        self.path, self._arrays, self.at, self.copies, self.mask = path, arrays, at, copies, mask

    @property
    def arrays(self) -> Any:
        if self.mask is not None and not self._arrays:
            self._arrays = list(enumerate(true_positions(self.mask)))
        return self._arrays

    @property
    def advanced(self) -> bool:
        return self.mask is not None or bool(self._arrays)


_BOOL = "a single bool among other indices cannot be compiled"
_KEYS = (
    "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean arrays are valid indices, "
    "not "
)


def _entries(key: Any, dims: tuple[Dim, ...]) -> list:
    """The key as a list with one entry an axis, None for new axes and masks standing for their rank of axes."""
    if type(key) is not tuple:
        key = (key,)
    entries: list = []
    taken, dots = 0, None
    for entry in key:
        if entry is Ellipsis:
            if dots is not None:
                fail(BoundsError, "an index can only have a single ellipsis ('...')")
            dots = len(entries)
            continue
        if entry is None or isinstance(entry, slice) or type(entry) is int:
            taken += entry is not None
        elif isinstance(entry, (bool, np.bool_)) or getattr(entry, "weak", None) == "bool":
            fail(UnsupportedError, _BOOL, "use an if statement or np.where")
        elif isinstance(entry, (list, np.ndarray, tuple, range)):
            entry = lift(np.zeros(0, np.int64) if isinstance(entry, (list, tuple)) and not entry else entry)
            taken += (entry.dtype_ir is BOOL and len(entry.dims)) or 1
        elif isinstance(entry, Box):
            if entry.dtype_ir is BOOL and not entry.dims:
                fail(UnsupportedError, _BOOL, "use an if statement or np.where")
            if entry.dtype_ir.kind in "fc" and not entry.dims:
                fail(BoundsError, _KEYS + (entry.weak or entry.dtype_ir.np.name), "convert it with int()")
            taken += (entry.dtype_ir is BOOL and len(entry.dims)) or 1
        else:
            try:
                entry = shapes.whole_number(entry)
            except TypeError:
                fail(BoundsError, _KEYS + type(entry).__name__)
            taken += 1
        entries.append(entry)
    if taken > len(dims):
        fail(BoundsError, f"too many indices for array: array is {len(dims)}-dimensional, but {taken} were indexed")
    fill = [slice(None)] * (len(dims) - taken)
    where = len(entries) if dots is None else dots
    return entries[:where] + ([Ellipsis] if dots is not None else []) + fill + entries[where:]


_WHOLE = slice(None)


def parse(key: Any, dims: Any) -> Key:
    """The parts of a key; every bound is normalised and checked."""
    sel: list[Dim | tuple | None] = []
    out: list[int | None] = []
    arrays: list[tuple[int, Value]] = []
    spots: list[str] = []                             # what stood at each place, for NumPy's rule on adjacency
    copies = False
    for entry in _entries(key, dims):
        axis = len(sel)
        if entry is Ellipsis:
            spots.append("…")
        elif entry is None:
            out.append(None)
            spots.append(":")
        elif isinstance(entry, slice):
            sel.append(None if entry == _WHOLE else span(entry, dims[axis]))
            out.append(axis)
            spots.append(":")
        elif isinstance(entry, int) or not entry.dims:
            copies = copies or type(entry) is ArrayBox
            sel.append(position(entry, dims[axis], axis))
            spots.append("i")
        elif entry.dtype_ir is BOOL:
            _check_mask(entry, dims, axis)
            if not spots and _alone(key) and boxes.frozen_data(entry) is None:
                return Key(views.whole(len(dims)), mask=entry.read(), at=0)
            for k, at in enumerate(true_positions(entry.read())):
                arrays.append((len(out), at))
                out.append(axis + k)
                sel.append(None)
                spots.append("a")
        else:
            arrays.append((len(out), _positions(entry, dims[axis], axis)))
            out.append(axis)
            sel.append(None)
            spots.append("a")
    path = Strided(tuple(sel), tuple(out))
    return _with_arrays(path, arrays, spots, copies) if arrays else Key(path, copies=copies)


def _alone(key: ArrayBox) -> bool:
    return type(key) is not tuple or len(key) == 1


def _with_arrays(path: Strided, arrays: list[tuple[int, Value]], spots: list[str], copies: bool) -> Key:
    """Bring the index arrays to one shape and find where their axes go."""
    dims = shapes.broadcast_dims(*(a.type.dims for _, a in arrays))
    arrays = [(axis, shapes.expand(a, dims)) for axis, a in arrays]
    special = [k for k, s in enumerate(spots) if s in "ia"]
    together = special == list(range(special[0], special[-1] + 1))
    at = sum(s == ":" for s in spots[:special[0]]) if together else 0
    return Key(path, arrays, at, copies)


def _positions(entry: Box, dim: Dim, axis: int) -> Value:
    """An integer array as positions from the start, checked against the length: now where all is known, else at run time."""
    if entry.dtype_ir.kind not in "iu":
        fail(BoundsError, "arrays used as indices must be of integer (or boolean) type")
    data = boxes.frozen_data(entry)
    if data is not None and type(dim) is int:
        outside = (data < -dim) | (data >= dim)
        if outside.any():
            fail(BoundsError, f"index {data[outside].flat[0]} is out of bounds for axis {axis} with size {dim}")
        return const(np.where(data < 0, data + dim, data), INDEX)
    builder = tracing.current().builder
    value = shapes.index_value(entry.read())
    if value.op is not None and value.op.name == "iota" and shapes.same(value.type.dims[0], dim):
        return value
    return builder("wrap", value, builder.index(dim), axis=axis)


def _check_mask(mask: Box, dims: tuple[Dim, ...], axis: int) -> None:
    for k, d in enumerate(mask.dims):
        if type(d) is int and type(dims[axis + k]) is int and d != dims[axis + k]:
            fail(BoundsError,
                 f"boolean index did not match indexed array along axis {axis + k}; size of axis is {dims[axis + k]} "
                              f"but size of corresponding boolean axis is {d}")
        shapes.require_equal(dims[axis + k], d, "boolean index did not match the indexed array: sizes {0} and {1}")


def true_positions(mask: Value) -> tuple:
    """Index arrays of a mask's true elements in C order, one an axis. For a constant their length is known while tracing."""
    builder = tracing.current().builder
    if isinstance(mask, Const) and mask.frozen:
        return tuple(const(p, INDEX) for p in np.nonzero(mask.data))
    count = builder.reduce(builder("cast", mask, dtype=INDEX), "sum", range(mask.type.rank))
    return builder.emit("nonzero", mask, count)


# --- reading --------------------------------------------------------------------------------------------------------

def _lone_bool(key: Any) -> ArrayBox | None:
    """A key that is one bool as the mask of an axis of length 1: x[b] is x[None][mask]."""
    entry = key[0] if type(key) is tuple and len(key) == 1 else key
    if isinstance(entry, (bool, np.bool_)):
        return boxes.as_array(np.array([entry]))
    if not isinstance(entry, Box) or entry.dtype_ir is not BOOL or entry.dims:
        return None
    return boxes.as_array(getitem(ArrayBox(entry.read()), None))


def getitem(box: Box, key: Any) -> Box:
    """box[key]."""
    mask = _lone_bool(key)
    if mask is not None:
        return getitem(ArrayBox(box.read()) if isinstance(box, ScalarBox) else box, None)[mask]
    known = parse(key, box.dims)
    if isinstance(box, ScalarBox):
        box = ArrayBox(box.read())
        if not known.path.out:
            return _whole_scalar(box, key)
    if known.advanced:
        return boxes.array(gathered(box.view(known.path).read(), known))
    if not known.path.out and not _has_dots(key):
        return _element(box, known.path)
    found = box.view(known.path)
    return ArrayBox(found.read()) if known.copies else found


def _whole_scalar(box: ArrayBox, key: Any) -> Any:
    return box if _has_dots(key) else ScalarBox(box.read())


def _has_dots(key: int | ScalarBox) -> bool:
    return key is Ellipsis or (type(key) is tuple and any(k is Ellipsis for k in key))


def _element(box: Any, path: Any) -> ScalarBox:
    """One element, as a NumPy scalar; of a constant, the constant."""
    data = boxes.frozen_data(box) if box.base is None else None
    if data is not None and all(type(s) is int for s in path.sel):
        return ScalarBox(const(data[path.sel], box.dtype_ir))
    return ScalarBox(box.view(path).read())


def gathered(x: Value, key: Key) -> Value:
    builder = tracing.current().builder
    arrays = sorted(key.arrays, key=lambda pair: pair[0])
    return builder("gather", x, *(a for _, a in arrays), axes=tuple(axis for axis, _ in arrays), at=key.at)


# --- writing --------------------------------------------------------------------------------------------------------

def setitem(box: ArrayBox, key: Any, value: float | Box) -> None:
    """box[key] = value."""
    if isinstance(box, ScalarBox):
        raise TypeError(f"'{box.dtype_ir.np.name}' object does not support item assignment")
    box.writable()
    mask = _lone_bool(key)
    if mask is not None:
        return setitem(boxes.as_array(getitem(box, None)), mask, value)
    known = parse(key, box.dims)
    target = box.view(known.path)
    if type(value) is ArrayBox and not known.advanced and _same_view(target, value):
        return
    v = assigned(value, box.dtype_ir)
    if not known.advanced:
        target.write(shapes.assignable(v, target.dims))
    elif known.mask is not None and _spreads(v, known.mask, target.dims):
        _write_where(target, known.mask, v)
    else:
        x = target.read()
        target.write(_scatter("scatter", x, known, v))


def assigned(value: float | Box, dtype: DType) -> Value:
    """A value on its way into an array of `dtype`: cast without a rule, as assignment does."""
    box = value if isinstance(value, Box) else lift(value)
    if box.weak == "complex" and not dtype.complex:
        fail(DTypeError, f"a complex number cannot be assigned to an array of {dtype.np}", "take its real part")
    return boxes.converted(box, box.read(), dtype)


def _same_view(a: ArrayBox, b: ArrayBox) -> bool:
    """Whether two boxes are the same region of one root (as after `a[i] -= v`, which assigns the view to itself)."""
    if a is b:
        return True
    if a.base is None or a.base is not b.base or type(a.path) is not Strided or type(b.path) is not Strided:
        return False
    return a.path.out == b.path.out and all(map(_same_part, a.path.sel, b.path.sel))


def _same_part(a: Any, b: Any) -> bool:
    """Whether two entries of a path's `sel` are the same."""
    if type(a) is tuple and type(b) is tuple:
        return all(map(shapes.same, a, b))
    return shapes.same(a, b)


def _spreads(v: Value, mask: Value, dims: tuple[Dim, ...]) -> bool:
    """Whether the value of a masked assignment is broadcast along the true elements."""
    rest = len(dims) - mask.type.rank
    own = v.type.dims
    return len(own) <= rest or all(type(d) is int and d == 1 for d in own[:len(own) - rest])


def _write_where(target: ArrayBox, mask: Value, v: Value) -> None:
    """target[mask] = v as a select: the mask's axes come first."""
    builder = tracing.current().builder
    dims, rest = target.dims, len(target.dims) - mask.type.rank
    if len(v.type.dims) > rest:
        v = builder.reshape(v, v.type.dims[len(v.type.dims) - rest:] if rest else ())
    shapes.assignable(v, dims[len(dims) - rest:] if rest else ())
    if rest:
        mask = builder.reshape(mask, (*mask.type.dims, *(1,) * rest))
    mask = shapes.expand(shapes.retype(mask, dims[:len(dims) - rest] + (1,) * rest), dims)
    if v.type.dims:
        v = shapes.expand(v, dims)
    target.write(builder("select", mask, v, target.read()))


_TOO_MANY = ("NumPy boolean array indexing assignment cannot assign {0} input values to the {1} output values where the mask "
             "is true")


def _scatter(op: str, x: Value, key: Key, v: Value) -> Value:
    builder = tracing.current().builder
    arrays = sorted(key.arrays, key=lambda pair: pair[0])
    axes = tuple(axis for axis, _ in arrays)
    rest = shapes.dropped(x.type.dims, axes)
    dims = (*rest[:key.at], *arrays[0][1].type.dims, *rest[key.at:])
    v = shapes.assignable(v, dims, _TOO_MANY) if key.mask is not None else shapes.assignable(v, dims)
    return builder(op, x, v, *(a for _, a in arrays), axes=axes, at=key.at)


def add_at(ufunc: np.ufunc, a: ArrayBox, indices: ArrayBox | tuple[int | ArrayBox, list[int] | ArrayBox],
           b: int | ArrayBox | None = None) -> None:
    """np.add.at and subtract.at; other ufuncs are applied one element after the other."""
    builder = tracing.current().builder
    takes = f"np.{ufunc.__name__}.at takes the array and the indices"
    if b is None and ufunc.nin == 2:
        fail(ShapeError, "second operand needed for ufunc", f"{takes}, and the values")
    if b is not None and ufunc.nin == 1:
        fail(ShapeError, "second operand provided when ufunc is unary", takes)
    a = lift(a) if isinstance(a, np.ndarray) else a
    if not isinstance(a, ArrayBox):
        fail(ShapeError, f"np.{ufunc.__name__}.at needs an array made in the compiled function or passed to it")
    a.writable()
    known = parse(indices, a.dims)
    target = a.view(known.path)
    if not known.advanced:
        HOOKS["in_place"](ufunc.__name__, ufunc, target, b)
        return
    if b is None or ufunc not in (np.add, np.subtract) or a.dtype_ir is BOOL or _widens(a, b):
        _one_by_one(ufunc, target, known, b)
        return
    value = builder.cast(lift(b).read(), a.dtype_ir)               # a Python int that does not fit wraps here, as in NumPy
    if ufunc is np.subtract:
        value = builder("neg", value)
    target.write(_scatter("scatter_add", target.read(), known, value))


def _widens(a: ArrayBox, b: Any) -> bool:
    """Whether a sum with b is of a wider inexact dtype than a's."""
    found = result_dtype([a.kind, lift(b).kind])
    return found.inexact and found is not a.dtype_ir


def _one_by_one(ufunc: Callable, target: ArrayBox, key: Key, b: Any) -> None:
    """ufunc.at: element after element of the index arrays, so that a repeated position is updated repeatedly. Each result is
    cast to the array's dtype, whatever it is: `at` is NumPy's one method that casts so.

    for k = 0 … count-1 carry(x = target) { x[i1[k], …] = ufunc(x[i1[k], …], b[k]) }, over the flattened index arrays.
    """
    builder, x = tracing.current().builder, target.read()
    arrays = sorted(key.arrays, key=lambda pair: pair[0])
    count = shapes.product(arrays[0][1].type.dims)
    lines = [(axis, builder.reshape(i, (count,))) for axis, i in arrays]
    rest = shapes.dropped(x.type.dims, tuple(axis for axis, _ in arrays))
    spec = "".join("i" if any(axis == k for k, _ in lines) else ":" for axis in range(x.type.rank))
    wide = (*rest[:key.at], *arrays[0][1].type.dims, *rest[key.at:])
    rows = None
    if b is not None:
        v = shapes.assignable(boxes.to_value(b), wide)
        rank = len(arrays[0][1].type.dims)
        order = (*range(key.at, key.at + rank), *range(key.at), *range(key.at + rank, len(wide)))
        rows = builder.reshape(builder.transpose(v, order), (count, *rest))
    body = Block([INDEX_SCALAR, x.type], ("k", "x"))
    with builder.at(body):
        k, held = body.params
        at = [builder("slice", i, k, spec="i") for _, i in lines]
        old = boxes.result(builder("slice", held, *at, spec=spec))
        row = () if rows is None else (boxes.result(builder("slice", rows, k, spec="i" + ":" * len(rest))),)
        new = ufuncs.call(ufunc, old, *row)
        body.yields = (builder("update", held, builder.cast(new.read(), x.type.dtype), *at, spec=spec),)
    target.write(builder.emit("for", builder.index(count), x, regions=[body])[0])


HOOKS.update(getitem=getitem, setitem=setitem)
UFUNC_METHODS["at"] = add_at
