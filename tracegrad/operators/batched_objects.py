"""What a mapped function assigns to the objects, dicts and lists of a call: the caller's get it with the batch in it.

    p.x = p.x + p.v * dt      where p.x has the batch along axis 1: the new p.x has it there, too
    p.kind = "moved"          what is no number is the same for all elements

What is assigned to something that all elements share must be the same for all of them.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..ir.errors import ArgumentError, UnsupportedError
from ..programs.derivative_programs import dynamic
from ..tracer import pytrees
from ..tracer.staging import argument_objects, list_arguments
from ..tracer.staging.arguments import Call
from ..tracer.staging.traced import Traced


class Holder(NamedTuple):
    """An object or container of a call: how it is taken apart, and its leaves in the call."""

    structure: pytrees.TreeDef
    leaves: range

    def part(self, key: Any) -> range:
        """The leaves of an attribute or item; none where there was none."""
        start = self.leaves.start
        for label, child in zip(self.keys, self.structure.children):
            if label == key:
                return range(start, start + child.count)
            start += child.count
        return range(start, start)

    @property
    def keys(self) -> Sequence[Any]:
        return argument_objects.keys_of(self.structure)

    def label(self, key: Any) -> str:
        dotted = self.structure.kind in (pytrees.OBJECT, pytrees.DATACLASS)
        return f".{key}" if dotted else f"[{key!r}]"


def holders(call: Call) -> list[Holder]:
    """In the order of `call.objects`."""
    found: list[Holder] = []
    start = 0
    for side in call.tree.children:
        for child in side.children:
            found += _holders(child, start)
            start += child.count
    return found


def _holders(structure: pytrees.TreeDef, start: int) -> Iterator[Holder]:
    if structure.kind in argument_objects.HOLDERS:
        yield Holder(structure, range(start, start + structure.count))
    for child in structure.children:
        yield from _holders(child, start)
        start += child.count


def paths(traced: Traced, call: Call) -> list[str]:
    """For each leaf of what is assigned, how a user writes it."""
    if not traced.assigned:
        return []
    known, values = holders(call), traced.out_tree.children[1].children
    whole = [number for number, key in traced.assigned if key == list_arguments.ALL]
    if whole:
        raise UnsupportedError(
            f"{_name(known[whole[0]], call)} gets longer or shorter, or is written to at positions of run time, by each "
            "element of a batch", "work on a copy of it, `list(x)`, and return that", traced.function.loc)
    return [path for (number, key), value in zip(traced.assigned, values)
            for path in value.paths(_name(known[number], call) + known[number].label(key))]


def _name(holder: Holder, call: Call) -> str:
    """What leads to all leaves of an object."""
    within = [call.paths[k] for k in holder.leaves]
    if not within:
        return "an argument"
    first = holder.structure.paths("")[0]
    return within[0].removesuffix(first) or "an argument"


def axes_of_assigned(traced: Traced, call: Call, axes: list[int | None]) -> list[int | None]:
    """For each leaf of what is assigned, the axis that the batch has in it: that of what was there, the first axis where that
    was no array, None where all elements share the object."""
    if not traced.assigned:
        return []
    known, values, found = holders(call), traced.out_tree.children[1].children, []
    for (number, key), value in zip(traced.assigned, values):
        holder = known[number]
        before = [axes[k] for k in holder.part(key) if call.leaves[k].kind != "static"]
        if before and len(before) == len(holder.part(key)) == value.count:
            found += before
        else:
            every = before or [axes[k] for k in holder.leaves]
            mapped = [axis for axis in every if axis is not None]
            found += [(mapped[0] if before else 0) if mapped else None] * value.count
    return found


def overwritten(traced: Traced, call: Call, axes: list[int | None]) -> dict[int, int]:
    """{parameter: leaf} of the arrays of objects and containers that the function writes to."""
    inside = {k for holder in holders(call) for k in holder.leaves}
    leaves = dynamic(traced)
    found = {param: leaves[param] for param in traced.writes if leaves[param] in inside}
    for k in found.values():
        if axes[k] is None:
            raise ArgumentError(f"all elements of the batch share {call.paths[k]}, and each writes to it",
                                "let in_axes name its axis, or work on a copy of it", traced.function.loc)
        if k in call.aliases or k in call.aliases.values():
            other = next(first if k == later else later for later, first in call.aliases.items() if k in (later, first))
            raise ArgumentError(f"arguments {call.paths[k]} and {call.paths[other]} are the same array, which each element of "
                                "the batch writes to", "pass a copy of one of them", traced.function.loc)
    return found
