"""Linear ops on sets of inputs: what each element of a result depends on, given what each element of the operands does.

A set is a word of 64 bits. The sets of an array are one word for all of its elements (rank 0), or an array of words of its
dimensions; no entry is the empty set. A linear op unites the sets of the elements that it adds up:

    add x, y              x | y
    mul x_dot, y          x_dot, and nothing where y is known to be 0
    slice, reshape …      the same op on words
    reduce {sum}          the union along the axes
    update_add x, v, i    x, and v united with the region

A row is row(s, op) -> the sets of each result, None for empty ones. `s` (interpreter.Walk) has what is known of the operands:
`s.sets(v)`, the sets of a value; `s.value(v)`, its value where that follows from no differentiated or floating argument;
`s.dims(type)`, dimensions in the new program, None where they are not known there. An op without a row makes every element of
its results depend on all that any operand does.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...ir.build import Builder
from ...ir.core import Const, Op, Value
from ...ir.opdef import Elementwise
from ...ir.ops.index import region_axes, spec_operands
from ...ir.ops.linalg import dot_axes
from ...ir.ops.shape import concat_parts
from ...ir.types import Dim
from .set_words import at, count, either, empty, loop, running_union, spread, union, union_over, where

if TYPE_CHECKING:
    from .interpreter import Walk

Sets = Sequence[Value | None]          # of each result

# --- elementwise -------------------------------------------------------------------------------------------------------


def _any(s: Walk, op: Op) -> Sets:
    """Every element of the results may depend on all that any operand does."""
    total = None
    for v in op.operands:
        total = either(s.b, total, union(s.b, s.sets(v)))
    return [total] * len(op.results)


def _same(s: Walk, op: Op) -> Sets:
    total = None
    for v in op.operands:
        total = either(s.b, total, s.sets(v))
    return [total]


def _mul(s: Walk, op: Op) -> Sets:
    b, total = s.b, None
    for v, other in (op.operands, op.operands[::-1]):
        words, factor = s.sets(v), s.value(other)
        if words is not None and factor is not None:
            words = where(b, b("ne", factor, b.const(0, factor.type.dtype)), words)
        total = either(b, total, words)
    return [total]


def _select(s: Walk, op: Op) -> Sets:
    b, cond = s.b, s.value(op.operands[0])
    yes, no = map(s.sets, op.operands[1:])
    if cond is None:
        return [either(b, yes, no)]
    return [b("select", cond, empty(b) if yes is None else yes, empty(b) if no is None else no)]


# --- axes --------------------------------------------------------------------------------------------------------------


def _moved(emit: Callable) -> Callable:
    """An op that puts elements elsewhere: emit(b, words, dims, attrs). A single word stays one."""
    def rule(s: Walk, op: Op) -> Sets:
        words, dims = s.some(op.operands[0]), s.dims(op.result.type)
        if not words.rank:
            return [words]
        return [union(s.b, words) if dims is None else emit(s.b, words, dims, op.attrs)]
    return rule


def _concat(s: Walk, op: Op) -> Sets:
    b, dims = s.b, s.dims(op.result.type)
    parts, length = concat_parts(op.operands)
    whole = [words for v in parts if (words := s.full(v)) is not None]
    if dims is None or len(whole) < len(parts):
        return _any(s, op)
    length = () if length is None else (b.index(dims[op.attrs["axis"]]),)
    return [b("concat", *whole, *length, axis=op.attrs["axis"])]


def _reduce(s: Walk, op: Op) -> Sets:
    return [union_over(s.b, s.sets(op.operands[0]), op.attrs["axes"])] if op.attrs["kind"] == "sum" else _any(s, op)


def _scan(s: Walk, op: Op) -> Sets:
    words = s.some(op.operands[0])
    if op.attrs["kind"] != "sum" or not words.rank:
        return _any(s, op)
    return [running_union(s.b, words, op.attrs["axis"], op.attrs["reverse"])]


# --- parts -------------------------------------------------------------------------------------------------------------


def _inside(s: Walk, position: Value | None, length: Dim, last: Any = None) -> Value | None:
    """A known position, moved to the nearest inside of an axis where what is emitted might not run in the program itself (a
    branch not taken, an iteration too many), so that it reads no foreign memory. None where that is not possible."""
    if position is None or s.sure:
        return position
    last = length - 1 if last is None and isinstance(length, int) else last
    if last is None or last < 0:
        return None
    b = s.b
    return b("max", b("min", position, b.index(last)), b.index(0))


def _axis_position(s: Walk, char: str, indices: Sequence[Value], length: Dim) -> list[Value] | None:
    """The index operands of one axis, None where they are not known."""
    found = [s.value(i) for i in indices]
    values = [v for v in found if v is not None]
    if len(values) < len(found):
        return None
    first: Value | None = values[0] if values else None
    if char == "i":
        first = _inside(s, first, length)
    elif char == "s" and not s.sure:
        run, step = (v.item if isinstance(v, Const) else None for v in values[1:])
        if not isinstance(length, int) or run is None or step is None or step < 1:
            return None
        first = _inside(s, first, length, length - 1 - max(run - 1, 0) * step)
    if not values:
        return values
    return None if first is None else [first, *values[1:]]


def positions(s: Walk, x: Value, indices: Sequence[Value], spec: str) -> list[list[Value] | None]:
    """For each axis of x the operands that address it; None for an axis whose positions are not known."""
    starts = spec_operands(spec)
    return [_axis_position(s, char, indices[starts[k]:starts[k + 1]], d)
            for k, (char, d) in enumerate(zip(spec, x.type.dims))]


def _slice(s: Walk, op: Op) -> Sets:
    b, (x, *indices), spec = s.b, op.operands, op.attrs["spec"]
    words, dims = s.some(x), s.dims(op.result.type)
    if not words.rank:
        return [words]
    if dims is None:
        return [union(b, words)]
    places = positions(s, x, indices, spec)
    lost = [k for k, place in enumerate(places) if place is None]
    words = union_over(b, words, lost)
    if not words.rank:
        return [words]
    kept = [k for k in range(len(spec)) if k not in lost]
    words = b("slice", words, *[i for place in places if place is not None for i in place], spec="".join(spec[k] for k in kept))
    along = [n for n, k in enumerate(region_axes(spec)) if k in lost]        # axes of the region whose union was taken
    return [spread(b, words, dims, along) if along else words]


def _update(s: Walk, op: Op) -> Sets:
    """Where the region is known its elements are replaced (or united, for update_add); else any element of an axis whose
    position is not known may have been."""
    b, (x, v, *indices), spec = s.b, op.operands, op.attrs["spec"]
    dims, part, words = s.dims(x.type), s.sets(v), s.full(x)
    if dims is None or words is None or (part is not None and part.rank and s.dims(v.type) is None):
        return _any(s, op)
    places = positions(s, x, indices, spec)
    lost = [k for k, place in enumerate(places) if place is None]
    if part is None and (lost or op.defn.name == "update_add"):
        return [s.sets(x)]
    axes = region_axes(spec)
    part = union_over(b, empty(b) if part is None else part, [n for n, k in enumerate(axes) if k in lost])
    spec = "".join(":" if k in lost else char for k, char in enumerate(spec))
    operands = [i for place in places for i in place or ()]
    region = b("slice", words, *operands, spec=spec)
    part = spread(b, part, region.type.dims, [n for n, k in enumerate(region_axes(spec)) if k in lost])
    if lost or op.defn.name == "update_add":
        part = b("or", region, part)
    return [b("update", words, part, *operands, spec=spec)]


def index_arrays(s: Walk, x: Value, indices: Sequence[Value], axes: tuple[int, ...]) -> list[Value | None]:
    return [_inside(s, s.value(i), x.type.dims[axis]) for i, axis in zip(indices, axes)]


def _gather(s: Walk, op: Op) -> Sets:
    b, (x, *indices), axes, place = s.b, op.operands, op.attrs["axes"], op.attrs["at"]
    words, dims = s.some(x), s.dims(op.result.type)
    if not words.rank:
        return [words]
    if dims is None:
        return [union(b, words)]
    arrays = index_arrays(s, x, indices, axes)
    lost = {axis for axis, array in zip(axes, arrays) if array is None}
    words = union_over(b, words, lost)
    if not words.rank:
        return [words]
    kept = [k for k in range(x.rank) if k not in lost]
    left = [(kept.index(axis), array) for axis, array in zip(axes, arrays) if array is not None]
    if left:
        return [b("gather", words, *[array for _, array in left], axes=tuple(k for k, _ in left), at=place)]
    return [spread(b, words, dims, range(place, place + indices[0].rank))]


def _scatter(s: Walk, op: Op) -> Sets:
    b, (x, v, *indices), axes, place = s.b, op.operands, op.attrs["axes"], op.attrs["at"]
    words, part = s.full(x), s.full(v)
    if words is None or part is None:
        return _any(s, op)
    found = index_arrays(s, x, indices, axes)
    arrays = [array for array in found if array is not None]
    block = range(place, place + indices[0].rank)
    if len(arrays) < len(found):
        part = union_over(b, part, list(block))
        return [b("or", words, spread(b, part, words.type.dims, axes))]
    if op.defn.name == "scatter":
        return [b("scatter", words, part, *arrays, axes=axes, at=place)]
    return [_scatter_union(b, words, part, arrays, axes, block)]


def _scatter_union(b: Builder, words: Value, part: Value, arrays: Sequence[Value], axes: tuple[int, ...],
                   block: range) -> Value:
    """for e: words[i1[e], …] |= part[e]: positions may repeat."""
    rest = [k for k in range(part.rank) if k not in block]
    part = b.transpose(part, [*block, *rest])
    total = count(b, part.type.dims[:len(block)])
    part = b.reshape(part, [total, *part.type.dims[len(block):]])
    flat = [b.reshape(array, [total]) for array in arrays]
    spec = "".join("i" if k in axes else ":" for k in range(words.rank))

    def step(e: Value, words: Value) -> Value:
        where = [at(b, flat[axes.index(k)], e) for k in sorted(axes)]
        return b("update", words, b("or", b("slice", words, *where, spec=spec), at(b, part, e)), *where, spec=spec)
    return loop(b, total, words, step)


def _last_axis(s: Walk, op: Op) -> Sets:
    """A transform: each element of a lane depends on the whole lane."""
    words, dims = s.some(op.operands[0]), s.dims(op.result.type)
    if dims is None or not words.rank:
        return _any(s, op)
    return [spread(s.b, union_over(s.b, words, [words.rank - 1]), dims, [words.rank - 1])]


# --- products, solves, stacks ------------------------------------------------------------------------------------------


def _dot(s: Walk, op: Op) -> Sets:
    total, sides = None, dot_axes(op.attrs, op.operands[0].rank, op.operands[1].rank)
    for own in (0, 1):
        if s.sets(op.operands[own]) is not None:
            total = either(s.b, total, _dot_side(s, op, own, sides))
    return [total]


def _dot_side(s: Walk, op: Op, own: int, sides: Any) -> Value:
    """out[batch, i, j] = the union over k of x[batch, i, k] where y[batch, k, j] is not known to be 0, for operand `own`."""
    b, x, y = s.b, op.operands[own], op.operands[1 - own]
    (batch, contract, free), (y_batch, y_contract, y_free) = sides[own], sides[1 - own]
    dims, words, factor = s.dims(op.result.type), s.some(x), s.value(y)
    if dims is None or (not words.rank and factor is None):
        return union(b, words)
    lead = len(batch)
    ours = range(lead, lead + len(free)) if own == 0 else range(lead + len(y_free), len(dims))
    theirs = [k for k in range(lead, len(dims)) if k not in ours]
    if factor is None:
        kept = [k for k in range(x.rank) if k not in contract]
        words = union_over(b, words, contract)
        if words.rank:
            words = b.transpose(words, [kept.index(k) for k in batch + free])
        return spread(b, words, dims, theirs)
    whole = s.full(x)
    if whole is None:
        return union(b, words)
    words = b.transpose(whole, contract + batch + free)
    holds = b.transpose(b("ne", factor, b.const(0, factor.type.dtype)), y_contract + y_batch + y_free)
    inner = count(b, words.type.dims[:len(contract)])
    words = b.reshape(words, [inner, *words.type.dims[len(contract):]])
    holds = b.reshape(holds, [inner, *holds.type.dims[len(contract):]])

    def step(k: Value, total: Value) -> Value:
        term = b("select", spread(b, at(b, holds, k), dims, list(ours)), spread(b, at(b, words, k), dims, theirs), empty(b))
        return b("or", total, term)
    return loop(b, inner, empty(b, dims), step)


def _lu_solve(s: Walk, op: Op) -> Sets:
    """Each element of a solution depends on the whole right side."""
    words, dims = s.sets(op.operands[3]), s.dims(op.result.type)
    if s.sets(op.operands[0]) is not None or dims is None or words is None or not words.rank:
        return _any(s, op)
    return [spread(s.b, union_over(s.b, words, [words.rank - 2]), dims, [words.rank - 2])]


def _triangular_solve(s: Walk, op: Op) -> Sets:
    """Forward substitution needs the right side up to the row, backward substitution from it on."""
    words = s.sets(op.operands[1])
    if s.sets(op.operands[0]) is not None or words is None or not words.rank:
        return _any(s, op)
    return [running_union(s.b, words, words.rank - 2, op.attrs["lower"] == op.attrs["trans"])]


def _push(s: Walk, op: Op) -> Sets:
    """The sets of a stack are those of an entry: all of its entries, united."""
    stack, v = op.operands
    words = s.sets(v)
    return [either(s.b, s.sets(stack), union(s.b, words) if s.entry(stack) is None else words)]


def _pop(s: Walk, op: Op) -> Sets:
    return [s.sets(op.operands[0])] * 2


def _exchange(s: Walk, op: Op) -> Sets:
    stack, _, v = op.operands
    found, words = s.sets(stack), s.sets(v)
    return [either(s.b, found, union(s.b, words) if s.entry(stack) is None else words), found]


ROWS = {
    "mul": _mul, "mulz": _mul, "select": _select,
    "broadcast": _moved(lambda b, words, dims, attrs: b.broadcast(words, dims)),
    "reshape": _moved(lambda b, words, dims, attrs: b.reshape(words, dims)),
    "transpose": _moved(lambda b, words, dims, attrs: b.transpose(words, attrs["perm"])),
    "concat": _concat, "reduce": _reduce, "scan": _scan, "slice": _slice, "update": _update, "update_add": _update,
    "gather": _gather, "scatter": _scatter, "scatter_add": _scatter, "dot": _dot, "lu_solve": _lu_solve,
    "triangular_solve": _triangular_solve, "fft": _last_axis, "rfft": _last_axis, "irfft": _last_axis,
    "push": _push, "pop": _pop, "exchange": _exchange,
}


def sets_of(s: Walk, op: Op) -> Sets:
    """The sets of each result of an op that is no control, of which at least one operand has any."""
    row = ROWS.get(op.defn.name) or (_same if isinstance(op.defn, Elementwise) else _any)
    return row(s, op)
