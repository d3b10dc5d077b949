"""Carried arrays whose writes nobody reads: every iteration reads and writes a part that is its own.

    for %i … carry(%a = %init) {                          for %i … {
      %v = slice %a[%i, …]                        →         %v = slice %init[%i, …]
      %b = update %a[%i, …], 0.0                            …
      … yield %b }                                        }            where nothing uses the loop's result for %a

The adjoint of `out[i] = …` in a loop is such an array: it is read where the element was written and then cleared. What an
iteration reads lies at a position that no other iteration writes, so it is what was there before the loop. Without the writes
the array is not carried at all, and loads need not wait for stores.
"""
from __future__ import annotations

from ...analysis.uses import ACCESSES, Uses, one_to_one, position
from ...core import Block, Function, Op, Value


def cleared(f: Function) -> bool:
    """Let such loops yield what they were given, in place; whether there were any."""
    loops = [op for op in f.body.walk() if op.defn.name == "for" and any(r.type.dims for r in op.results)]
    if not loops:
        return False
    uses, found = Uses(f.body), False
    for op in loops:
        (body,) = op.regions
        for k, result in enumerate(op.results):
            p = body.params[k + 1]
            if result.type.dims and not uses.of(result) and body.yields[k] is not p and _own_parts(body, k, uses):
                body.yields = (*body.yields[:k], p, *body.yields[k + 1:])
                found = True
    return found


def _own_parts(body: Block, k: int, uses: Uses) -> bool:
    """Whether the array of carry k is only read as it came, and all accesses share a position that each iteration has alone."""
    p = body.params[k + 1]
    versions, accesses = _versions(p, body, k, uses)
    if accesses is None or body.yields[k] not in versions:
        return False
    return any(_shared(axis, accesses, body.params[0], body) for axis in range(p.type.rank))


def _versions(p: Value, body: Block, k: int, uses: Uses) -> tuple[set[Value], list[Op] | None]:
    """(p and all that writes make of it, the accesses); None for the accesses where anything else is done with one."""
    versions, accesses, waiting = {p}, [], [p]
    while waiting:
        v = waiting.pop()
        for user, slot in uses.of(v):
            if isinstance(user, Block):
                branch = uses.owner.get(user)
                if user is body and slot == k:
                    continue
                if branch is None or branch.defn.name != "if":
                    return versions, None
                new = branch.results[slot]
            elif slot or user.defn.name not in ACCESSES or (user.defn.name == "slice" and v is not p):
                return versions, None
            else:
                accesses.append(user)
                if user.defn.name == "slice":
                    continue
                new = user.results[0]
            if new not in versions:
                versions.add(new)
                waiting.append(new)
    for v in versions - {p}:
        if v.maker.defn.name == "if" and not all(region.yields[v.slot] in versions for region in v.maker.regions):
            return versions, None
    return versions, accesses


def _shared(axis: int, accesses: list[Op], i: Value, body: Block) -> bool:
    """Whether all accesses are at one position along the axis, another one in every iteration."""
    at = {position(op, axis) for op in accesses}
    return len(at) == 1 and (only := at.pop()) is not None and one_to_one(only, i, body)
