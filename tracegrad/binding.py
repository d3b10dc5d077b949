"""From the structures of a traced function to those of the native call path (lowering/layout.py).

The tracer knows a call by its bound arguments: keywords that continue the positional ones are moved there, the others are
sorted, and the leaves of a dict come in the order of its sorted keys. Machine code sees the call as it was written.
"""
from __future__ import annotations

from .lowering import layout
from .lowering.layout import ArgOut, Arguments, ArrayIn, ArrayOut, Node, ObjectOut, SameIn, ScalarIn, ScalarOut, StaticIn
from .tracer import tree
from .tracer.stage import Traced
from .tracer.tree import TreeDef


class _NotNative(Exception):
    """A container whose inside machine code does not know."""


def arguments_of(traced: Traced, aliases: dict[int, int], positions: int, keywords: dict[str, int | None]) -> Arguments | None:
    """The layout of a call; None where an argument is a container that only Python can look into.

    aliases    {leaf: earlier leaf that is the same array}
    positions  how many arguments were given by position
    keywords   each keyword in the order of the call: the position that it was bound to, or None for a keyword-only one
    """
    walk = _Arguments(traced, aliases)
    positional, named = traced.tree.children
    try:
        bound = [walk.layout(child) for child in positional.children]
        others = {name: walk.layout(child) for name, child in zip(named.meta[0], named.children, strict=True)}
    except _NotNative:
        return None
    pairs = tuple((name, others[name] if k is None else bound[k]) for name, k in keywords.items())
    return Arguments(tuple(bound[:positions]), pairs)


def parameters(traced: Traced) -> dict[int, int]:
    """{leaf: parameter} of the dynamic leaves."""
    dynamic = (k for k, leaf in enumerate(traced.leaves) if leaf.kind != "static")
    return {leaf: k for k, leaf in enumerate(dynamic)}


class _Arguments:
    """Takes the leaves in the tracer's order and numbers the dynamic ones."""

    def __init__(self, traced: Traced, aliases: dict[int, int]):
        self.leaves, self.aliases = traced.leaves, aliases
        self.param = parameters(traced)
        self.next = 0

    def layout(self, structure: TreeDef) -> layout.In:
        kind = structure.kind
        if kind is None:
            return self._leaf()
        if kind is tree.NONE:
            return StaticIn(None)
        children = [self.layout(child) for child in structure.children]
        found = _container(kind, structure.meta, children)
        if found is None:
            raise _NotNative
        return found

    def _leaf(self) -> layout.In:
        number, self.next = self.next, self.next + 1
        leaf = self.leaves[number]
        if leaf.kind == "static":
            return StaticIn(leaf.value)
        param = self.param[number]
        if number in self.aliases:
            return SameIn(self.param[self.aliases[number]], param)
        if leaf.kind == "array":
            return ArrayIn(leaf.dtype, tuple(leaf.dims), param)
        return ScalarIn(leaf.kind, leaf.dtype, param)


def _container(kind, meta, children: list) -> Node | None:
    """The node of a container that machine code can look into."""
    if kind is tree.TUPLE or kind is tree.LIST:
        return Node(tuple if kind is tree.TUPLE else list, tuple(children))
    if kind is tree.DICT:
        keys, order = meta
        place = dict(zip(keys, children, strict=True))
        return Node(dict, tuple(place[key] for key in order), order)
    if kind is tree.NAMED:
        return Node(meta[0], tuple(children))
    if kind is tree.DATACLASS:
        return Node(meta[0], tuple(children), meta[1])
    return None


def output_of(traced: Traced) -> layout.Out:
    """The layout of what the function returns."""
    outs, param = iter(traced.outs), parameters(traced)
    types = traced.function.result_types

    def leaf():
        out = next(outs)
        if out.kind == "static":
            return ObjectOut(out.value)
        if out.kind == "arg":
            return ArgOut(param[out.value])
        t = types[out.result]
        if out.kind == "array":
            return ArrayOut(out.result, t.dtype, tuple(d if type(d) is int else None for d in t.dims))
        return ScalarOut(out.result, out.kind, t.dtype)

    def walk(structure: TreeDef):
        if structure.kind is None:
            return leaf()
        if structure.kind is tree.NONE:
            return ObjectOut(None)
        kind, meta = structure.kind, structure.meta
        children = tuple(walk(child) for child in structure.children)
        if kind in (tree.TUPLE, tree.LIST, tree.DICT, tree.NAMED):
            return _container(kind, meta, children)
        return Node(object, children, make=lambda *parts: kind.join(meta, list(parts)))
    return walk(traced.out_tree)
