"""How each op works on a whole batch: one row an op, (lift, op, operands) -> results.

Operands and results are `BatchedValue`: an array and the axis that the batch has in it. At least one operand differs from
element to element. A rule gives None where one op cannot do it for all elements: then a `map` runs the op
(batching/interpreter.py).
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core import Op, Value
from ..ops.index import region_axes
from ..ops.linalg import dot_axes
from ..ops.shape import concat_parts
from ..thresholds import sizes
from .batched import BatchedValue, Unprofitable

if TYPE_CHECKING:
    from ..types import Type
    from .interpreter import Lift


# Measured on products with vectors and matrices of 4 to 256 rows, alone, in networks and in loops; batches of 64 and 1024.


def _shared(xs: list[BatchedValue]) -> bool:
    return all(x.axis is None for x in xs)


def _emit(lift: Lift, op: Op, operands: list[Value], batch: int, /, **attrs: Any) -> list[BatchedValue]:
    return [BatchedValue(r, batch) for r in lift.b.emit(op.defn, *operands, **{**op.attrs, **attrs})]


# --- single elements -----------------------------------------------------------------------------------------------------

def _elementwise(lift: Lift, op: Op, xs: list[BatchedValue]) -> list[BatchedValue]:
    """Arrays are aligned; numbers stay numbers where the result is one, or where all elements share them."""
    result = op.results[0].type
    return _emit(lift, op, *_aligned(lift, result, xs))


def _aligned(lift: Lift, result: Type, xs: list[BatchedValue]) -> tuple[list[Value], int]:
    """(operands of one shape, the axis of the batch)"""
    rank = len(result.dims)
    axis = lift.place([x.axis for x in xs if x.rank == rank], rank)
    return [_fitted(lift, x, result, axis) for x in xs], axis


def _fitted(lift: Lift, x: BatchedValue, result: Type, axis: int) -> Value:
    if x.rank == len(result.dims):
        return x.value if not x.rank and x.axis is None else lift.moved(x, axis)
    return x.value if x.axis is None else lift.spread(x.value, lift.dims(result), axis)


def select(lift: Lift, result: Value, xs: Any) -> BatchedValue:
    """`select` of lifted values: a condition, and two of the type of `result`."""
    axis = lift.place([x.axis for x in xs if x.rank == result.rank], result.rank)
    cond, yes, no = xs
    ends = [_fitted(lift, x, result.type, axis) for x in (yes, no)]
    return BatchedValue(lift.b("select", _fitted(lift, cond, result.type, axis), *ends), axis)


# --- axes ----------------------------------------------------------------------------------------------------------------

def _broadcast(lift: Lift, op: Op, xs: list[BatchedValue]) -> list[BatchedValue]:
    x, rank = xs[0], op.results[0].rank
    dims = lift.dims(op.results[0].type)
    if not x.rank:
        axis = lift.place([], rank)
        return [BatchedValue(lift.spread(x.value, dims, axis), axis)]
    assert x.axis is not None
    value, axis = x.value, x.axis + rank - x.rank
    if x.axis == 0 and rank > x.rank:                        # [batch, …] to [batch, new…, …]
        value, axis = lift.b.reshape(value, [lift.length, *[1] * (rank - x.rank), *value.type.dims[1:]]), 0
    return [BatchedValue(lift.b.broadcast(value, [*dims[:axis], lift.length, *dims[axis:]]), axis)]


def _reshape(lift: Lift, op: Op, xs: list[BatchedValue]) -> list[BatchedValue]:
    x, dims = xs[0], lift.dims(op.results[0].type)
    if x.rank and x.axis == x.rank:
        return [BatchedValue(lift.b.reshape(x.value, [*dims, lift.length]), len(dims))]
    return [BatchedValue(lift.b.reshape(lift.moved(x, 0), [lift.length, *dims]), 0)]


def _transpose(lift: Lift, op: Op, xs: Any) -> Any:
    (x,) = xs
    order = [x.outer(k) for k in op.attrs["perm"]]
    axis = len(order) if x.axis == x.rank else 0
    order.insert(axis, x.axis)
    return [BatchedValue(lift.b.transpose(x.value, order), axis)]


def _concat(lift: Lift, op: Op, xs: Any) -> Any:
    count = len(concat_parts(op.operands)[0])
    axis, along = lift.place([x.axis for x in xs[:count]], op.results[0].rank), op.attrs["axis"]
    parts = [lift.moved(x, axis) for x in xs[:count]]
    return _emit(lift, op, parts + [lift.shared(v) for v in op.operands[count:]], axis, axis=along + (along >= axis))


def _dim(lift: Lift, op: Op, xs: Any) -> Any:
    (x,) = xs
    return [BatchedValue(lift.b.dim(x.value, x.outer(op.attrs["axis"])), None)]


def _along(lift: Lift, op: Op, xs: Any) -> Any:
    """scan, sort, argsort: an axis that stays."""
    (x,) = xs
    return _emit(lift, op, [x.value], x.axis, axis=x.outer(op.attrs["axis"]))


def _reduce(lift: Lift, op: Op, xs: list[BatchedValue]) -> list[BatchedValue]:
    (x,) = xs
    assert x.axis is not None
    axes = tuple([x.outer(k) for k in op.attrs["axes"]])
    return _emit(lift, op, [x.value], x.axis - sum([k < x.axis for k in axes]), axes=axes)


def _argreduce(lift: Lift, op: Op, xs: Any) -> Any:
    (x,) = xs
    along = x.outer(op.attrs["axis"])
    return _emit(lift, op, [x.value], x.axis - (along < x.axis), axis=along)


# --- parts of arrays -------------------------------------------------------------------------------------------------------

def _slice(lift: Lift, op: Op, xs: list[BatchedValue]) -> list[BatchedValue] | None:
    """At positions that all elements share, a region; at positions of their own, a gather of single elements or rows."""
    x, *idx = xs
    spec = op.attrs["spec"]
    lift.tally.columns += 1
    if _shared(idx):
        at = spec[:x.axis] + ":" + spec[x.axis:]
        return _emit(lift, op, [x.value, *[i.value for i in idx]], region_axes(at).index(x.axis), spec=at)
    if "s" in spec:
        return None
    axes = [k for k, char in enumerate(spec) if char == "i"]
    if x.axis is None and len(idx) == 1 and idx[0] is lift.iota:
        return [_rows(lift, x.value, axes[0])]
    at, positions = _own_positions(lift, x, idx, axes, 0)
    return [BatchedValue(lift.b("gather", x.value, *positions, axes=at, at=0), 0)]


def _rows(lift: Lift, x: Value, axis: int) -> BatchedValue:
    """Element i is row i: a run of rows, or the array itself."""
    if lift.start is None and x.type.dims[axis] == lift.length:
        return BatchedValue(x, axis)
    b, start = lift.b, lift.b.index(0) if lift.start is None else lift.start
    return BatchedValue(b("slice", x, start, lift.trip, b.index(1), spec=":" * axis + "s" + ":" * (x.rank - axis - 1)), axis)


def _own_positions(lift: Lift, x: BatchedValue, idx: list[BatchedValue], axes: list[int], rank: int) -> tuple[tuple[int, ...],
                   list[Value]]:
    """(axes, index arrays [batch, …] of this rank for one element): the part of each element at its own positions. In a loop
    over the whole batch no two of them would be near each other: there it is refused."""
    if lift.loops:
        raise Unprofitable
    at, positions = [x.outer(k) for k in axes], [lift.moved(i, 0) for i in idx]
    if x.axis is not None:
        own = lift.iota.value if not rank else lift.spread(lift.iota.value, positions[0].type.dims[1:], 0)
        at, positions = [x.axis, *at], [own, *positions]
    return tuple(at), positions


_SCATTER = {"update": "scatter", "update_add": "scatter_add"}


def _update(lift: Lift, op: Op, xs: list[BatchedValue]) -> list[BatchedValue] | None:
    x, v, *idx = xs
    lift.tally.columns += 1
    spec = op.attrs["spec"]
    if not _shared(idx):
        if "s" in spec:
            return None
        x = x if x.axis is not None else BatchedValue(lift.moved(x, x.rank), x.rank)
        at, positions = _own_positions(lift, x, idx, [k for k, char in enumerate(spec) if char == "i"], 0)
        found = lift.b(_SCATTER[op.defn.name], x.value, lift.moved(v, 0), *positions, axes=at, at=0)
        return [BatchedValue(found, x.axis)]
    axis = x.axis if x.axis is not None else lift.place([], x.rank) if ":" * x.rank == spec else x.rank
    at = spec[:axis] + ":" + spec[axis:]
    operands = [lift.moved(x, axis), lift.moved(v, region_axes(at).index(axis)), *[i.value for i in idx]]
    return _emit(lift, op, operands, axis, spec=at)


def _part_axis(x: BatchedValue, attrs: dict[str, Any], rank: int) -> tuple[tuple[int, ...], int, int]:
    """(axes, at, the axis of the batch in the parts) of a gather from x with the batch, at shared positions of this rank."""
    assert x.axis is not None
    axes = tuple([x.outer(k) for k in attrs["axes"]])
    before, at = x.axis - sum([k < x.axis for k in axes]), attrs["at"]
    return (axes, at + 1, before) if before < at else (axes, at, before + rank)


def _gather(lift: Lift, op: Op, xs: Any) -> Any:
    x, *idx = xs
    rank = op.operands[1].rank
    lift.tally.columns += 1
    if _shared(idx):
        axes, at, axis = _part_axis(x, op.attrs, rank)
        return _emit(lift, op, [x.value, *[i.value for i in idx]], axis, axes=axes, at=at)
    axes, positions = _own_positions(lift, x, idx, op.attrs["axes"], rank)
    return _emit(lift, op, [x.value, *positions], op.attrs["at"], axes=axes)


def _scatter(lift: Lift, op: Op, xs: Any) -> Any:
    x, v, *idx = xs
    lift.tally.columns += 1
    if x.axis is None:
        x = BatchedValue(lift.moved(x, 0), 0)
    assert x.axis is not None
    rank = op.operands[2].rank
    if _shared(idx):
        axes, at, axis = _part_axis(x, op.attrs, rank)
        return _emit(lift, op, [x.value, lift.moved(v, axis), *[i.value for i in idx]], x.axis, axes=axes, at=at)
    axes, positions = _own_positions(lift, x, idx, op.attrs["axes"], rank)
    return _emit(lift, op, [x.value, lift.moved(v, op.attrs["at"]), *positions], x.axis, axes=axes)


def _searchsorted(lift: Lift, op: Op, xs: Any) -> Any:
    grid, x = xs
    return None if grid.axis is not None else _emit(lift, op, [grid.value, x.value], x.axis)


def _wrap(lift: Lift, op: Op, xs: Any) -> Any:
    i, n = xs
    return None if n.axis is not None else _emit(lift, op, [i.value, n.value], i.axis)


# --- products and factorisations -------------------------------------------------------------------------------------------

def _dot(lift: Lift, op: Op, xs: list[BatchedValue]) -> list[BatchedValue]:
    """The batch is a further axis of one factor, or a batch axis of both.

        a [batch, m, k]  b [k, n]            ->  [batch, m, n]       one product of matrices
        a [batch, m, k]  b [batch, k, n]     ->  [batch, m, n]       a product for each element
    """
    contract, batch = [tuple([tuple([x.outer(k) for k in axes]) for x, axes in zip(xs, op.attrs[name])])
                       for name in ("contract", "batch")]
    a, b = xs
    both = a.axis is not None and b.axis is not None
    _weigh(lift, op, None if both else b if b.axis is None else a)
    if both:
        assert a.axis is not None and b.axis is not None
        batch = ((a.axis, *batch[0]), (b.axis, *batch[1]))
    attrs = {"contract": contract, "batch": batch}
    (a_batch, _, a_free), (_, _, b_free) = dot_axes(attrs, a.value.rank, b.value.rank)
    free = a_free.index(a.axis) if not both and a.axis is not None else len(a_free) + (0 if both else b_free.index(b.axis))
    return _emit(lift, op, [x.value for x in xs], 0 if both else len(a_batch) + free, **attrs)


def _weigh(lift: Lift, op: Op, factor: BatchedValue | None) -> None:
    """A product in the tally; `factor` is what all elements share. Small ones are as fast one after the other, and a vector for
    each element stays in the cache in a loop."""
    tally = lift.tally
    if lift.loops:
        tally.arrays += 1
    elif factor is not None:
        dims = factor.value.type.dims
        tally.gains += len(dims) >= 2 and (not factor.value.type.static or (
            min(factor.value.type.shape) >= sizes.lifted_rows and factor.value.type.count >= sizes.lifted_matrix))


def _leading(lift: Lift, op: Op, xs: Any) -> Any:
    """Ops on stacks of matrices: one more axis in front."""
    return _emit(lift, op, [lift.moved(x, 0) for x in xs], 0)


def _stacked(lift: Lift, op: Op, xs: Any) -> Any:
    """Ops on a stack and numbers that say how: one more axis in front, where all elements share the numbers."""
    x, *how = xs
    return _emit(lift, op, [lift.moved(x, 0), *[k.value for k in how]], 0) if _shared(how) else None


def _alone(lift: Lift, op: Op, xs: Any) -> None:
    return None


RULES = {
    "elementwise": _elementwise, "broadcast": _broadcast, "reshape": _reshape, "transpose": _transpose, "concat": _concat,
    "dim": _dim, "reduce": _reduce, "argreduce": _argreduce, "scan": _along, "sort": _along, "argsort": _along,
    "slice": _slice, "update": _update, "update_add": _update, "gather": _gather, "scatter": _scatter, "scatter_add": _scatter,
    "searchsorted": _searchsorted, "wrap": _wrap, "check": _alone, "dot": _dot,
    **dict.fromkeys(("eigh", "eigvalsh", "eig", "eigvals", "svd", "svdvals", "qr", "pinv", "fft", "rfft", "irfft"), _stacked),
    "cholesky": _leading, "lu": _leading, "lu_solve": _leading, "triangular_solve": _leading,
}
