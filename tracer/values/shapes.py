"""Dimensions and axes: equal or not, broadcast, normalised, as the user gave them and as the IR wants them.

A dimension is an int or an index value. Two that must agree and cannot be proved equal get a run-time check.
"""
from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...ir.build import const
from ...ir.core import Const, Value, as_dim
from ...ir.errors import DTypeError, ShapeError, UnsupportedError
from ...ir.types import INDEX, U64, Dim
from .. import tracing
from .promotion import AxisError, fail

if TYPE_CHECKING:
    from .boxes import ArrayBox


def same(a: Dim, b: Dim) -> bool:
    """Whether two dimensions are known to be equal."""
    return a is b or (type(a) is int and type(b) is int and a == b)


def same_dims(a: tuple[Dim, ...], b: tuple[Dim, ...]) -> bool:
    return len(a) == len(b) and all(map(same, a, b))


def show(dims: Any) -> str:
    """A shape as NumPy prints it; a length known only at run time is a name or `?`."""
    words = [str(d) if type(d) is int else d.name or "?" for d in dims]
    return "(" + ", ".join(words) + (",)" if len(words) == 1 else ")")


def product(dims: Sequence[Dim]) -> Dim:
    """The number of elements: an int or an index value."""
    count, builder = 1, None
    for d in dims:
        if type(count) is int and type(d) is int:
            count *= d
        else:
            builder = builder or tracing.current().builder
            count = as_dim(builder.iop("mul", count, d))
    return count


def arith(name: str, a: Any, b: Any) -> Dim:
    """Index arithmetic on ints and index values; the result is an int where it can be."""
    if type(a) is int and type(b) is int:
        return _FOLD[name](a, b)
    return as_dim(tracing.current().builder.iop(name, a, b))


_FOLD: dict[str, Callable[[int, int], int]] = {"add": operator.add, "sub": operator.sub, "mul": operator.mul,
                                               "floordiv": operator.floordiv, "mod": operator.mod, "min": min, "max": max}


def require_equal(a: Any, b: Dim, message: str) -> None:
    """At run time: a ShapeError unless two dimensions agree. {0} and {1} in the message are the two."""
    if same(a, b):
        return
    if type(a) is int and type(b) is int:
        fail(ShapeError, message.format(a, b))
    builder = tracing.current().builder
    x, y = builder.index(a), builder.index(b)
    builder.emit("check", builder("eq", x, y), x, y, error="ShapeError", message=message)


def require_rank(box: ArrayBox, rank: int, message: str) -> None:
    """A ShapeError, which is a ValueError, unless an array has this rank."""
    if len(box.dims) != rank:
        fail(ShapeError, f"{message} (its shape is {show(box.dims)})")


def unify(a: Dim, b: Dim, message: str) -> Dim:
    """The one of two equal dimensions that says more (an int before a value), with a check where that is not proved."""
    if same(a, b):
        return a
    require_equal(a, b, message)
    return b if type(b) is int else a


_UNEQUAL = ("operands could not be broadcast together with lengths {0} and {1} (a length that is known only at run time is not "
            "stretched, even where it is 1: write `w[0]`, or `w.reshape(1)`, for an array that always has one element)")


def _stretched(d: Dim, other: Dim) -> bool:
    """Whether a length of 0 or 1 meets another that it can only be stretched to: then it is 1, which the caller checks."""
    return type(d) is not int and d in tracing.current().short and not same(d, other)


def broadcast_dims(*shapes: Any) -> tuple[Dim, ...]:
    """NumPy's broadcast of shapes."""
    first = shapes[0]
    if all(same_dims(first, s) for s in shapes[1:]):
        return tuple(first)
    rank = max(map(len, shapes))
    out = []
    for axis in range(-rank, 0):
        dim = 1
        for s in shapes:
            if len(s) < -axis or (type(s[axis]) is int and s[axis] == 1) or same(s[axis], dim):
                continue
            if type(dim) is int and dim == 1:
                dim = s[axis]
            elif type(dim) is int and type(s[axis]) is int:
                words = " ".join(show(s) for s in shapes)
                fail(ShapeError, f"operands could not be broadcast together with shapes {words}")
            elif _stretched(s[axis], dim):
                require_equal(s[axis], 1, _UNEQUAL)
            elif _stretched(dim, s[axis]):
                require_equal(dim, 1, _UNEQUAL)
                dim = s[axis]
            else:
                dim = unify(dim, s[axis], _UNEQUAL)
        out.append(dim)
    return tuple(out)


def retype(value: Value, dims: tuple[Dim, ...]) -> Value:
    """The value under dimensions that are equal to its own, or proved so by a check."""
    return value if same_dims(value.type.dims, dims) else tracing.current().builder.reshape(value, dims)


def expand(value: Value, dims: Any) -> Value:
    """The value broadcast to `dims`, which is the broadcast of its own with others."""
    builder, own = tracing.current().builder, value.type.dims
    if same_dims(own, dims):
        return value
    if own:
        tail = dims[len(dims) - len(own):]
        value = retype(value, tuple(1 if (type(o) is int and o == 1) or _stretched(o, t) else t for o, t in zip(own, tail)))
    return builder.broadcast(value, dims)


_MISFIT = "could not broadcast input array of length {0} into length {1}"


def assignable(value: Value, dims: tuple[Dim, ...], message: str = _MISFIT) -> Value:
    """The value broadcast for an assignment to a region of `dims`: leading 1s beyond its rank are dropped."""
    own = value.type.dims
    while len(own) > len(dims) and type(own[0]) is int and own[0] == 1:
        own = own[1:]
    value = tracing.current().builder.reshape(value, own)
    tail = dims[len(dims) - len(own):] if len(own) <= len(dims) else None
    if tail is None or any(type(o) is int and type(t) is int and o not in (1, t) for o, t in zip(own, tail)):
        fail(ShapeError, f"could not broadcast input array from shape {show(value.type.dims)} into shape {show(dims)}")
    for o, t in zip(own, tail):
        if not (type(o) is int and o == 1):
            require_equal(o, 1 if _stretched(o, t) else t, message)
    return expand(value, dims)


def align(values: list[Value]) -> tuple[list[Value], tuple]:
    """Operands of one elementwise op: (values of the common dims or rank 0, the common dims)."""
    dims = None
    for v in values:
        own = v.type.dims
        if own:
            dims = own if dims is None else dims if same_dims(dims, own) else broadcast_dims(dims, own)
    if dims is None:
        return list(values), ()
    return [expand(v, dims) if v.type.dims else v for v in values], dims


def whole_number(x: Any) -> int:
    """operator.index(x)"""
    number = operator.index(x)
    if isinstance(x, np.ndarray):
        tracing.current().note_known(x)
    return number


def axis_of(axis: int, rank: int) -> int:
    """A non-negative axis number."""
    number = whole_number(axis)
    if not -rank <= number < rank:
        fail(AxisError, f"axis {number} is out of bounds for array of dimension {rank}")
    return number % rank


def axes_of(axis: Any, rank: int) -> tuple[int, ...]:
    """The axes of a reduction: None is all of them; sorted, without repetition."""
    if axis is None:
        return tuple(range(rank))
    if not isinstance(axis, (tuple, list)):
        return (axis_of(axis, rank),)
    axes = tuple(axis_of(a, rank) for a in axis)
    if len(set(axes)) < len(axes):
        fail(ShapeError, "duplicate value in 'axis'")
    return tuple(sorted(axes))


def reduced_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """The axes that a ufunc reduces: `axes_of`, but a single axis 0 or -1 of an array without axes is none."""
    if rank == 0 and axis is not None and not isinstance(axis, (tuple, list)) and operator.index(axis) in (0, -1):
        return ()
    return axes_of(axis, rank)


def kept(dims: tuple[Dim, ...], axes: tuple[int, ...]) -> tuple:
    """The dims after a reduction with keepdims."""
    return tuple(1 if k in axes else d for k, d in enumerate(dims))


def dropped(dims: tuple[Dim, ...], axes: Sequence[int]) -> tuple:
    return tuple(d for k, d in enumerate(dims) if k not in axes)


def to_index(x: Any) -> Dim:
    """An int or a rank-0 index value from an int or a traced integer scalar."""
    if type(x) is int:
        return x
    read = getattr(x, "read", None)
    if read is None:
        try:
            return whole_number(x)
        except TypeError:
            fail(DTypeError, f"'{type(x).__name__}' object cannot be interpreted as an integer")
    value = read()
    if value.type.dtype.kind not in "iux" or value.type.dims:
        fail(DTypeError, f"only integer scalars can be lengths or indices, not {value.type!r}",
             "convert with int() or .astype(int)")
    return as_dim(index_value(value))


def index_value(value: Value) -> Value:
    """An integer value of any shape as index; a value that was made from an index is that index again."""
    if value.type.dtype is INDEX:
        return value
    if isinstance(value, Const):
        return tracing.current().builder.cast(value, INDEX) if value.frozen else tracing.current().builder("cast", value,
                                                                                                           dtype=INDEX)
    op = value.op
    if op is not None and op.name == "cast" and op.operands[0].type.dtype is INDEX and value.type.dtype.bits == 64:
        return op.operands[0]
    if value.type.dtype is U64:                                # no position is so large, and none of these is negative
        value = tracing.current().builder("min", value, const(2**63 - 1, U64))
    return tracing.current().builder("cast", value, dtype=INDEX)


def static_int(x: Any, what: str) -> int:
    """A Python int, from anything whose value is known while tracing; an argument int becomes static, others are refused."""
    if type(x) is int:
        return x
    if isinstance(x, Value):
        fail(UnsupportedError, f"{what} follows from a length that is known only at run time", "give it as a number")
    read = getattr(x, "read", None)
    if read is None:
        try:
            return whole_number(x)
        except TypeError:
            fail(DTypeError, f"{what}: '{type(x).__name__}' object cannot be interpreted as an integer")
    value = read()
    if isinstance(value, Const) and value.frozen and value.data.size == 1:
        return int(value.data.item())
    tracing.need_static(x, what)
    tracing.need_concrete(x, what)
    raise AssertionError("need_concrete returns only by raising")


_LENGTHS = {"dim", "reduce"}     # ops whose index results are never negative


def length(x: Any, what: str = "a length", negative: str = "negative dimensions are not allowed") -> Dim:
    """A dimension that the user gave: an int where it can be, an index value where it depends on data. `negative`: the message
    of the ShapeError, which is a ValueError, where it is below 0."""
    found = to_index(x)
    if isinstance(found, Value):
        tracing.need_static(x, what)
        builder = tracing.current().builder
        if found.op is not None and found.op.name not in _LENGTHS:
            builder.emit("check", builder("ge", found, builder.index(0)), found,
                         error="ShapeError", message=negative, decided=True)
        return found
    if found < 0:
        fail(ShapeError, negative)
    return found


def offset(x: Any) -> Dim:
    """The number of a diagonal: an argument that is one becomes static, what data decide is an index value."""
    found = to_index(x)
    if isinstance(found, Value):
        tracing.need_static(x, "the offset of a diagonal")
    return found


def shape_of(shape: Any) -> tuple:
    """The dims of a `shape` argument: an int, a traced int, a tuple, list or array of them."""
    if isinstance(shape, (tuple, list)):
        return tuple(map(length, shape))
    if isinstance(shape, np.ndarray):
        tracing.current().note_known(shape)
        return tuple(map(length, shape.tolist())) if shape.ndim else (length(shape.item()),)
    rank = getattr(shape, "ndim", 0)
    return tuple(map(length, shape)) if rank else (length(shape),)


