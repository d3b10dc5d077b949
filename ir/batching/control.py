"""Lifting of control flow: (lift, op) -> results, a row for each op with regions or a callee.

A loop is lifted where all elements make the same iterations and where it pays (`BatchCost`); else it runs for one element after
the other, so that its arrays keep their place in the cache.
"""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..analysis.patterns import number
from ..clone import copy_op, dims_of, free_values, nest_locations
from ..core import Block, Op
from ..opdef import Elementwise
from ..thresholds import sizes
from ..types import INDEX_SCALAR, Dim, Type
from .batched import BatchCost, BatchedValue, NotBatched, Unprofitable
from .rules import select

if TYPE_CHECKING:
    from .interpreter import Lift



def _if(lift: Lift, op: Op) -> list[BatchedValue]:
    cond = lift.get(op.operands[0])
    if any(type(r.type) is not Type or not r.type.static for r in op.results):
        return _kept(lift, op)
    if cond.axis is not None:
        return _chosen(lift, op, cond) if all(map(_plain, op.regions)) else lift.alone(op)
    b, blocks, ends = lift.b, [Block(), Block()], []
    for region, new in zip(op.regions, blocks):
        with b.at(new):
            ends.append([lift.get(y) for y in lift.block(region)])
    places = [lift.place([x.axis, y.axis], r.rank) if (x.axis, y.axis) != (None, None) else None
              for x, y, r in zip(*ends, op.results)]
    for new, end in zip(blocks, ends):
        with b.at(new):
            new.yields = tuple([x.value if axis is None else lift.moved(x, axis) for x, axis in zip(end, places)])
    results = b.emit("if", cond.value, regions=blocks, **op.attrs)
    return [BatchedValue(r, axis) for r, axis in zip(results, places)]


def _plain(region: Block) -> bool:
    """Whether a branch may be computed where it is not taken: a little arithmetic that cannot fail."""
    return len(region.ops) <= sizes.lifted_branch and all(isinstance(op.defn, Elementwise) for op in region.ops)


def _chosen(lift: Lift, op: Op, cond: BatchedValue) -> Any:
    """Both branches, and what each element takes of them. The derivative of what is not taken is exactly zero, as in `if`."""
    ends = [[lift.get(y) for y in lift.block(region)] for region in op.regions]
    return [select(lift, r, [cond, x, y]) for x, y, r in zip(*ends, op.results)]


def _kept(lift: Lift, op: Op) -> list[BatchedValue]:
    """An op that no element changes stays as it is; another one runs in a `map`."""
    used = dict.fromkeys([*op.operands, *[v for r in op.regions for v in free_values(r)]])
    if any(lift.get(v).axis is not None for v in used):
        return lift.alone(op)
    mapping = {v: lift.get(v).value for v in used}
    return [BatchedValue(r, None) for r in copy_op(lift.b, op, mapping)]


@contextmanager
def _weighed(lift: Lift) -> Iterator[Any]:
    """A lifted region with a tally of its own."""
    outer, lift.tally = lift.tally, BatchCost()
    try:
        yield lift.tally
    finally:
        lift.tally = outer


def _expect(lift: Lift, gain: bool) -> None:
    """What pays counts as one gain outside. Raises Apart for what does not."""
    if not gain:
        raise Unprofitable
    lift.tally.gains += 1


def _loop(lift: Lift, op: Op) -> list[BatchedValue]:
    fixed = len(op.operands) - len(op.results)
    own = {p for region in op.regions for p in region.params}
    if (any(lift.get(v).axis is not None for v in op.operands[:fixed])
            or any(type(p.type) is not Type or not own.isdisjoint(dims_of(p.type)) for p in own)):
        return _kept(lift, op)
    inits = [lift.get(v) for v in op.operands[fixed:]]
    lift.loops += 1
    try:
        regions, axes = _together(lift, op, fixed, [x.axis for x in inits])
    except (Unprofitable, NotBatched):
        regions = None
    finally:
        lift.loops -= 1
    if regions is None:
        return _kept(lift, op)
    operands = [x.value if axis is None else lift.moved(x, axis) for x, axis in zip(inits, axes)]
    shared = [lift.get(v).value for v in op.operands[:fixed]]
    results = lift.b.emit(op.defn, *shared, *operands, regions=regions, **op.attrs)
    return [BatchedValue(r, axis) for r, axis in zip(results, axes)]


def _together(lift: Lift, op: Op, fixed: int, axes: list[int | None]) -> tuple[list[Block], list[int | None]]:
    """(the lifted regions, the axis of the batch in each carried value): the fixed point."""
    while True:
        with _weighed(lift) as tally:
            regions, found = _lifted_regions(lift, op, fixed, axes)
        if found == axes:
            _expect(lift, tally.pays(number(op.operands[0]) if fixed else None))
            return regions, axes
        axes = found


def _lifted_regions(lift: Lift, op: Op, fixed: int, axes: list[int | None]) -> tuple[list[Block], list[int | None]]:
    """(the regions with the carried values over the batch where `axes` says so, `axes` with what turned out to be batched
    too). Raises Apart where the elements go on for different numbers of iterations."""
    b, regions, found = lift.b, [], list(axes)
    for region in op.regions:
        last = region is op.regions[-1]
        types = [Type(p.type.dtype, _inserted(lift.dims(p.type), axis, lift.length))
                 for p, axis in zip(region.params, [*[None] * fixed, *axes])]
        new = Block(types, [p.name for p in region.params])
        lift.at.update({p: BatchedValue(q, axis) for p, q, axis in zip(region.params, new.params, [*[None] * fixed, *axes])})
        with b.at(new):
            yields = [lift.get(y) for y in lift.block(region)]
            if not last:
                if yields[0].axis is not None:
                    raise Unprofitable
                new.yields = (yields[0].value,)
            else:
                found = [y.axis if axis is None else axis for y, axis in zip(yields, axes)]
                new.yields = tuple([y.value if axis is None else lift.moved(y, axis) for y, axis in zip(yields, found)])
        regions.append(new)
    return regions, found


def _inserted(dims: list, axis: int | None, length: Dim) -> tuple[Dim, ...]:
    return tuple(dims) if axis is None else (*dims[:axis], length, *dims[axis:])


def _map(lift: Lift, op: Op) -> Any:
    """A parallel loop over what all elements have, the batch inside of it."""
    (region,), trip = op.regions, lift.get(op.operands[0])
    if trip.axis is not None:
        raise NotBatched
    new = Block([INDEX_SCALAR], [region.params[0].name])
    lift.at[region.params[0]] = BatchedValue(new.params[0], None)
    try:
        with lift.b.at(new), _weighed(lift) as tally:
            ends = [lift.get(y) for y in lift.block(region)]
        _expect(lift, tally.gains > 0)
    except (Unprofitable, NotBatched):
        return _kept(lift, op)
    new.yields = tuple([x.value for x in ends])
    results = lift.b.emit("map", trip.value, regions=[new], **op.attrs)
    return [BatchedValue(r, None if x.axis is None else x.axis + 1) for r, x in zip(results, ends)]


def _call(lift: Lift, op: Op) -> Any:
    if len(op.attrs) > 1:                                    # a rule of the user, a mark: what they say is said of one element
        return _kept(lift, op)
    callee, start = op.attrs["callee"], len(lift.b.block.ops)
    lift.at.update(zip(callee.params, [lift.get(v) for v in op.operands]))
    results = [lift.get(y) for y in lift.block(callee.body)]
    for made in lift.b.block.ops[start:]:
        nest_locations(made, op.loc)
    return results


CONTROL = {"if": _if, "for": _loop, "while": _loop, "map": _map, "call": _call}
