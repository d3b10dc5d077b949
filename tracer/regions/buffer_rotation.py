"""Arrays that trade names in a loop, as the buffers of a time step do.

    for _ in range(n):                    an iteration:   a holds what b held, b holds what a held
        b[1:] += a[:-1]                   after n of them: names and arrays are as before where n is even, else exchanged
        a, b = b, a

The loop carries what the names hold. Where the arrays have other names too (they are arguments, perhaps), these must hold the
right contents afterwards: the permutation of one iteration, applied n times, says which.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...ir.build import const
from ...ir.core import Value
from ...ir.types import INDEX, Dim
from .. import tracing
from ..values.boxes import ArrayBox
from . import region_tracing

if TYPE_CHECKING:
    from ..control.rolled_loops import RolledLoop
    from ..tracing import Trace
    from .region_tracing import Outcome


def permutation(rolled: RolledLoop, outcome: Outcome) -> dict[int, int]:
    """{k: j} where name k ends an iteration holding what name j began it with: whole arrays, each once."""
    if outcome.raised is not None:
        return {}
    heads = {id(c.entry): k for k, c in enumerate(rolled.names)
             if isinstance(c.initial, ArrayBox) and c.moves and c.initial.base is None}
    found = {k: heads[id(final)] for k, final in enumerate(outcome.names) if id(final) in heads}
    while set(found) != set(found.values()):
        both = set(found) & set(found.values())
        found = {k: j for k, j in found.items() if k in both and j in both}
    roots = {id(rolled.names[k].initial) for k in found}
    return found if len(roots) == len(found) == len(set(found.values())) else {}


def cycles(mapping: dict[int, int]) -> list[list[int]]:
    seen, out = set(), []
    for start in mapping:
        cycle, k = [], start
        while k not in seen:
            seen.add(k)
            cycle.append(k)
            k = mapping[k]
        if cycle:
            out.append(cycle)
    return out


def settle(rolled: RolledLoop, outcome: Outcome, taken: list[list[Value]], trip: Dim) -> dict[int, ArrayBox]:
    """Give the arrays of each cycle their contents after `trip` iterations; what the names hold then, where that is sure."""
    poisoned, held = {id(box) for box, _ in outcome.poisoned if box._epoch < rolled.epoch}, {}
    for cycle in cycles(permutation(rolled, outcome)):
        arrays = [rolled.names[k].initial for k in cycle]
        if not any(id(a) in poisoned for a in arrays) or (not isinstance(trip, int) and len(cycle) > 2):
            continue
        if any(set(map(id, region_tracing.relatives(rolled.trace, a))) & poisoned - set(map(id, arrays)) for a in arrays):
            continue
        values = [taken[k][0] for k in cycle]
        if isinstance(trip, int):
            shift = trip % len(cycle)
            for position, k in enumerate(cycle):
                held[k] = arrays[(position + shift) % len(cycle)]
                _put(rolled.trace, held[k], values[position])
        else:
            for array, value in zip(arrays, _by_parity(rolled.trace, trip, values)):
                _put(rolled.trace, array, value)
        outcome.poisoned[:] = [(box, reason) for box, reason in outcome.poisoned if not any(box is a for a in arrays)]
    return held


def _by_parity(trace: Trace, trip: Value, values: Sequence[Value]) -> tuple[Value, ...]:
    """The contents of two arrays whose names were exchanged `trip` times."""
    builder, blocks = trace.builder, (tracing.Block(), tracing.Block())
    even = builder("eq", builder("mod", trip, const(2, INDEX)), const(0, INDEX))
    blocks[0].yields, blocks[1].yields = tuple(values), tuple(reversed(values))
    return builder.emit("if", even, regions=blocks)


def _put(trace: Trace, array: ArrayBox, value: Value) -> None:
    scope = trace.scopes[-1]
    if array._epoch < scope.epoch and id(array) not in scope.roots:
        scope.roots[id(array)] = array, array.own
    array._value = value
