"""Work arrays that each iteration writes whole before it reads them are its own, and no loop carries them.

    for %i … carry(%a = %init) {                          for %i … {
      %b = for %j = 0 to %n carry(%c = %a) {                %e = empty %n
        %d = update %c[%j], %v                     →        %b = for %j = 0 to %n carry(%c = %e) {
        yield %d }                                            %d = update %c[%j], %v
      … yield %b }                                            yield %d }
                                                            … }
    where nothing uses the outer loop's result for %a

Programs in the manner of C allocate such arrays once, before all loops. Carried, their old elements would be restored one by
one on the way back of reverse mode, as if somebody could still see them; not carried, only what the derivative reads is kept.
"""
from __future__ import annotations

from math import prod

from ...analysis.patterns import made_by, number
from ...analysis.uses import ACCESSES, Uses
from ...build import Builder
from ...clone import sweep
from ...core import Block, Function, Op, Value
from ...ops.index import spec_operands
from ...types import Type


def private(f: Function) -> bool:
    """Let loops not carry such arrays, in place; whether there were any."""
    loops = [op for op in f.body.walk() if op.defn.name in ("for", "while") and any(_array(r) for r in op.results)]
    if not loops:
        return False
    uses = Uses(f.body)
    starts: list[tuple[Op, int]] = []
    for loop in loops:
        for k, result in enumerate(loop.results):
            if _array(result) and not uses.of(result):
                starts += filter(None, [_first_write(loop, k, uses)])
    for op, slot in starts:
        _forget(op, slot, uses.home[op])
    if starts:
        sweep(f)
    return bool(starts)


def _array(v: Value) -> bool:
    return isinstance(v.type, Type) and bool(v.type.dims)


def _first_write(loop: Op, k: int, uses: Uses) -> tuple[Op, int] | None:
    """Where carry k of a loop, whose result nobody reads, meets what writes it whole: the op and its operand's number."""
    *condition, body = loop.regions
    counted = loop.defn.name == "for"
    users = uses.of(body.params[k + counted])
    if len(users) != 1 or any(uses.of(region.params[k]) for region in condition):
        return None
    user, slot = users[0]
    if isinstance(user, Block):
        return None
    if user.defn.name == "update" and slot == 0:
        return (user, 0) if _one_by_one(user, uses) else None
    if user.defn.name != "for" or slot == 0:
        return None
    if _whole(user, slot - 1, uses):
        return user, slot
    trip = number(user.operands[0])
    handed_on = uses.of(user.results[slot - 1]) == [(body, k)] and trip is not None and trip > 0
    return _first_write(user, slot - 1, uses) if handed_on else None


def _whole(loop: Op, k: int, uses: Uses) -> bool:
    """Whether a nest of loops writes every element of carry k, and reads none before."""
    loops: list[Op] = []
    while True:
        (body,) = loop.regions
        loops.append(loop)
        users = uses.of(body.params[k + 1])
        if len(users) != 1 or isinstance(users[0][0], Block):
            return False
        user, slot = users[0]
        if user.defn.name == "update" and slot == 0:
            return _each_position(user, loops) and _stays_there(user, body, k, uses)
        if user.defn.name != "for" or slot == 0 or uses.of(user.results[slot - 1]) != [(body, k)]:
            return False
        loop, k = user, slot - 1


def _each_position(write: Op, loops: list[Op]) -> bool:
    """Whether the counters of the loops run over all positions of an axis each, and the region over the rest."""
    spec, dims = write.attrs["spec"], write.operands[0].type.dims
    if set(spec) - {"i", ":"} or spec.count("i") != len(loops):
        return False
    counters = {loop.regions[0].params[0]: loop.operands[0] for loop in loops}
    for at, dim in _positions(write, dims):
        trip = counters.pop(_up_or_down(at, dim), None)
        if trip is None or not (trip is dim or (number(trip) is not None and number(trip) == dim)):
            return False
    return True


def _positions(access: Op, dims: tuple) -> list[tuple[Value, object]]:
    """The positions that an access names, with the lengths of their axes. A counter below the length needs no wrap."""
    spec, first = access.attrs["spec"], ACCESSES[access.defn.name]
    found = [(access.operands[first + k], dim) for char, dim, k in zip(spec, dims, spec_operands(spec)) if char == "i"]
    return [(wrap.operands[0] if (wrap := made_by(at, "wrap")) is not None else at, dim) for at, dim in found]


def _up_or_down(at: Value, dim: object) -> Value:
    """The %i of %i, or of n - 1 - %i on an axis of n elements."""
    down = made_by(at, "sub")
    if down is not None and isinstance(dim, int) and number(down.operands[0]) == dim - 1:
        return down.operands[1]
    return at


def _stays_there(write: Op, body: Block, k: int, uses: Uses) -> bool:
    """Whether the rest of the iteration looks only at what it has written, and yields that array."""
    spec, at = write.attrs["spec"], write.operands[ACCESSES["update"]:]
    version = write.results[0]
    while True:
        following = None
        for user, slot in uses.of(version):
            if isinstance(user, Block):
                if user is not body or slot != k:
                    return False
                continue
            first = ACCESSES.get(user.defn.name)
            if first is None or slot or user.attrs["spec"] != spec or user.operands[first:] != at:
                return False
            if user.defn.name != "slice":
                if following is not None:
                    return False
                following = user.results[0]
        if following is None:
            return body.yields[k] is version
        version = following


def _one_by_one(write: Op, uses: Uses) -> bool:
    """Whether writes of single elements, one after the other, make up a whole array, read only where it is written."""
    dims = write.operands[0].type.dims
    sizes = [d for d in dims if isinstance(d, int)]
    if len(sizes) < len(dims):
        return False
    written: set[tuple] = set()
    while True:
        at = _fixed(write, dims)
        if at is None:
            return False
        written.add(at)
        if len(written) == prod(sizes):
            return True
        following = [user for user, slot in uses.of(write.results[0]) if not (
            isinstance(user, Op) and user.defn.name == "slice" and slot == 0 and _fixed(user, dims) in written)]
        if len(following) != 1 or not isinstance(following[0], Op) or following[0].defn.name != "update":
            return False
        if uses.of(write.results[0]).count((following[0], 0)) != 1 or uses.home[following[0]] is not uses.home[write]:
            return False
        write = following[0]


def _fixed(access: Op, dims: tuple) -> tuple | None:
    """The position of a single element, as numbers."""
    if set(access.attrs["spec"]) != {"i"}:
        return None
    at = tuple(number(p) for p, _ in _positions(access, dims))
    return tuple(p % d for p, d in zip(at, dims)) if None not in at and all(-d <= p < d for p, d in zip(at, dims)) else None


def _forget(op: Op, slot: int, block: Block) -> None:
    """Let an op begin with any elements."""
    old, builder, new = op.operands[slot], Builder(), Block()
    with builder.at(new):
        empty = builder("empty", *map(builder.index, old.type.dims), dtype=old.type.dtype)
    for made in new.ops:
        made.loc = op.loc
    at = block.ops.index(op)
    block.ops[at:at] = new.ops
    op.operands = (*op.operands[:slot], empty, *op.operands[slot + 1:])
