"""What `in_axes` and `out_axes` of `vmap` say about each leaf of a structure, and what is wrong with them.

    axes ::= int | None | a container with an `axes` for each part of the structure
"""
from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from ..ir.errors import ArgumentError, ArgumentTypeError
from ..tracer import pytrees
from ..tracer.staging.signature import Leaf
from ..tracer.values.shapes import show


def axes_of(axes: Any, structure: pytrees.TreeDef, what: str, name: str, heads: list[str] | None = None) -> list:
    """One axis (an int or None) for each leaf of a structure; `axes` may stop above the leaves.

    what    in_axes or out_axes, and `name` what a user calls the structure, for messages
    heads   the names of its parts, where they are not those of items or attributes
    """
    if axes is None:
        return [None] * structure.count
    if structure.kind is pytrees.SPARSE:
        raise ArgumentTypeError(f"{what} has {axes!r} for {name}, a sparse matrix, which has no axis for a batch",
                                "write None where all elements share it, or map over dense arrays (its .data, or .toarray())")
    if not isinstance(axes, bool) and hasattr(axes, "__index__"):
        axis = operator.index(axes)
        return [k for child, head in zip(structure.children, heads or _heads(structure, name))
                for k in axes_of(axis, child, what, head)] if structure.kind is not None else [axis]
    same = structure.kind is pytrees.OBJECT and type(axes) is structure.meta[0]
    kind = pytrees.OBJECT if same else pytrees.kind_of(axes)
    if kind is None:
        raise ArgumentTypeError(f"{what} has {axes!r} for {name}, a {type(axes).__name__}",
                                "write an int, None for what all elements share, or a structure of such")
    if structure.kind is None:
        raise ArgumentTypeError(f"{what} has {axes!r} for {name}, which is one value", "write an int or None")
    parts = _parts(axes, kind, structure, what, name)
    heads = heads or _heads(structure, name)
    return [axis for part, child, head in zip(parts, structure.children, heads) for axis in axes_of(part, child, what, head)]


def _heads(structure: pytrees.TreeDef, name: str) -> list[str]:
    assert structure.kind is not None, structure
    return [name + label for label in structure.kind.labels(structure.meta, len(structure.children))]


def _parts(axes: tuple[int | None, ...], kind: pytrees.Kind, structure: pytrees.TreeDef, what: str,
           name: str) -> Sequence[int | None]:
    """What `axes` has for each part of the structure."""
    parts, meta = kind.split(axes)
    assert structure.kind is not None, structure
    if kind is structure.kind is pytrees.OBJECT and meta[1] != structure.meta[1]:
        raise ArgumentTypeError(f"{what} has the attributes {_listed(meta[1])} for {name}, which has "
                                f"{_listed(structure.meta[1])}", "write one int for all, or an axis for each attribute")
    keyed, expected = (k.name in _KEYED for k in (kind, structure.kind))
    if keyed != expected:
        raise ArgumentTypeError(f"{what} has a {kind.name} for {name}: a {structure.kind.name}",
                                "write one int for all, or the same structure with an int or None in each place")
    if keyed:
        mine, theirs = meta[0], structure.meta[0]
        if set(mine) != set(theirs):
            raise ArgumentTypeError(f"{what} has the keys {_listed(mine)} for {name}, which has {_listed(theirs)}",
                                    "write one int for all, or an entry for each key")
        found = dict(zip(mine, parts))
        return [found[key] for key in theirs]
    if len(parts) != len(structure.children):
        raise ArgumentTypeError(f"{what} has {_count(len(parts), 'entry', 'entries')} for {name}: there "
                                f"{'is' if len(structure.children) == 1 else 'are'} {len(structure.children)}",
                                "write one int for all, or an entry for each")
    return parts


_KEYED = frozenset({"dict", "defaultdict", "OrderedDict"})


def axis_in(axis: int, leaf: Leaf, path: str) -> int:
    """The axis of an argument to map over, counted from the front."""
    if leaf.kind != "array":
        raise ArgumentError(f"argument {path} is a number, which has no axis {axis} to map over",
                            "pass an array, or give it by position with None in in_axes: then all elements share it")
    rank = len(leaf.dims)
    expect_axis(axis, rank, f"in_axes names axis {axis} of argument {path}, which has shape {show(leaf.dims)}: it")
    return axis % rank


def expect_axis(axis: int, rank: int, what: str) -> None:
    """Raises ArgumentError for an axis that an array of this rank has not."""
    if not -rank <= axis < rank:
        raise ArgumentError(f"{what} has {_count(rank, 'axis', 'axes')}", f"name one of {-rank} … {rank - 1}" if rank else
                            "pass an array of one axis more, or write None for what all elements share")


def _count(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"


def _listed(keys: Any) -> str:
    return ", ".join(map(repr, keys)) or "none"
