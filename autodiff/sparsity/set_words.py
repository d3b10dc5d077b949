"""Sets of inputs as words of 64 bits, one for each element of an array: their unions, and where they lie."""
from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import overload

from ...ir.build import Builder, key_of
from ...ir.core import Block, Op, Value
from ...ir.types import INDEX_SCALAR, U64, Dim


def empty(b: Builder, dims: Sequence[Dim] = ()) -> Value:
    return b.full(0, dims, U64)


@overload
def either(b: Builder, x: Value, y: Value | None) -> Value: ...
@overload
def either(b: Builder, x: Value | None, y: Value) -> Value: ...
@overload
def either(b: Builder, x: Value | None, y: Value | None) -> Value | None: ...
def either(b: Builder, x: Value | None, y: Value | None) -> Value | None:
    """The union, element by element; one of them may be a single word."""
    if x is None or y is None:
        return y if x is None else x
    return x if x is y else b("or", x, y)


@overload
def united(b: Builder, x: Value, y: Value | None) -> Value: ...
@overload
def united(b: Builder, x: Value | None, y: Value | None) -> Value | None: ...
def united(b: Builder, x: Value | None, y: Value | None) -> Value | None:
    """`either`, of what two branches leave. Where both wrote the same regions of one array, or only one wrote to it, the
    union is made of the regions, not of the arrays:

        update(a, v, i) | update(a, w, i)   ->   update(a, v | w, i)
        update(a, v, i) | a                 ->   update(a, v | a[i], i)
    """
    if x is None or y is None or x is y or not (x.rank and y.rank):
        return either(b, x, y)
    (base, one), (other, two) = _writes(x), _writes(y)
    for k, op in enumerate(one):                             # y itself may be among what x was written over
        if op.operands[0] is y:
            base, one, other, two = y, one[k:], y, []
    for k, op in enumerate(two):
        if op.operands[0] is x:
            base, one, other, two = x, [], x, two[k:]
    if base is not other or (one and two and [_place(op) for op in one] != [_place(op) for op in two]):
        return either(b, x, y)
    places = one or two
    if len(places) > 1 and not (one and two):
        return either(b, x, y)
    written = [op.operands[1] for op in one] or [b("slice", base, *op.operands[2:], **op.attrs) for op in two]
    others = [op.operands[1] for op in two] or [b("slice", base, *op.operands[2:], **op.attrs) for op in one]
    for op, v, w in zip(places, written, others):
        base = b("update", base, either(b, v, w), *op.operands[2:], **op.attrs)
    return base


def _writes(x: Value) -> tuple[Value, list[Op]]:
    """(the array that came before, the updates that made x of it, in order)."""
    found = []
    while x.op is not None and x.op.defn.name == "update":
        found.append(x.op)
        x = x.op.operands[0]
    return x, found[::-1]


def _place(op: Op) -> tuple[str, tuple]:
    return op.attrs["spec"], tuple(map(key_of, op.operands[2:]))


def where(b: Builder, holds: Value, x: Value | None) -> Value | None:
    """The sets where a condition holds, else nothing."""
    return None if x is None else b("select", holds, x, empty(b))


def loop(b: Builder, trip: Dim, init: Value, step: Callable[[Value, Value], Value]) -> Value:
    """`for k in trip: x = step(k, x)`."""
    body = Block([INDEX_SCALAR, init.type], ["k", "words"])
    with b.at(body):
        body.yields = (step(*body.params),)
    return b.emit("for", b.index(trip), init, regions=[body])[0]


def at(b: Builder, x: Value, k: Value, axis: int = 0) -> Value:
    return b("slice", x, k, spec="".join("i" if n == axis else ":" for n in range(x.rank)))


def count(b: Builder, dims: Sequence[Dim]) -> Dim:
    total: Dim = 1
    for d in dims:
        total = b.iop("mul", total, d)
    return total


@overload
def union(b: Builder, x: Value) -> Value: ...
@overload
def union(b: Builder, x: Value | None) -> Value | None: ...
def union(b: Builder, x: Value | None) -> Value | None:
    """One word: the union over all elements."""
    if x is None or not x.rank:
        return x
    total = count(b, x.type.dims)
    flat = b.reshape(x, [total])
    return loop(b, total, empty(b), lambda k, word: b("or", word, at(b, flat, k)))


@overload
def union_over(b: Builder, x: Value, axes: Collection[int]) -> Value: ...
@overload
def union_over(b: Builder, x: Value | None, axes: Collection[int]) -> Value | None: ...
def union_over(b: Builder, x: Value | None, axes: Collection[int]) -> Value | None:
    """The union along axes, which are dropped. A single word stays one."""
    if x is None or not x.rank:
        return x
    if len(axes) == x.rank:
        return union(b, x)
    for axis in sorted(axes, reverse=True):
        x = _union_last(b, x) if axis == x.rank - 1 else _union_axis(b, x, axis)
    return x


def _union_axis(b: Builder, x: Value, axis: int) -> Value:
    rest = [d for k, d in enumerate(x.type.dims) if k != axis]
    return loop(b, x.type.dims[axis], empty(b, rest), lambda k, words: b("or", words, at(b, x, k, axis)))


def _union_last(b: Builder, x: Value) -> Value:
    """Row by row, so that memory is read in order."""
    *rest, n = x.type.dims
    rows = count(b, rest)
    flat = b.reshape(x, [rows, n])
    region = Block([INDEX_SCALAR], ["i"])
    with b.at(region):
        region.yields = (union(b, at(b, flat, region.params[0])),)
    return b.reshape(b.emit("map", b.index(rows), regions=[region])[0], rest)


def running_union(b: Builder, x: Value, axis: int, reverse: bool) -> Value:
    """The union of each element with those before it along an axis (behind it, in reverse)."""
    n, dims = b.index(x.type.dims[axis]), x.type.dims
    spec = "".join("i" if k == axis else ":" for k in range(len(dims)))
    rest = [d for k, d in enumerate(dims) if k != axis]
    init = empty(b, dims), empty(b, rest)
    body = Block([INDEX_SCALAR, *(v.type for v in init)], ["k", "words", "so_far"])
    with b.at(body):
        k, words, so_far = body.params
        k = b("sub", b.iop("sub", n, 1), k) if reverse else k
        so_far = b("or", so_far, at(b, x, k, axis))
        body.yields = b("update", words, so_far, k, spec=spec), so_far
    return b.emit("for", n, *init, regions=[body])[0]


def spread(b: Builder, x: Value, dims: tuple[Dim, ...], axes: Collection[int]) -> Value:
    """x, which lacks the axes `axes` of `dims`, repeated along them."""
    if not x.rank:
        return b.broadcast(x, dims)
    return b.broadcast(b.reshape(x, [1 if k in axes else d for k, d in enumerate(dims)]), dims)
