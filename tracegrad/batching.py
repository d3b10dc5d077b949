"""`vmap`: a function of one element becomes a function of a batch: a parallel loop around its program.

    vmap(f)(x, y)   ->   map i in n:  f(x[i], y[i])     results stacked along a new axis
"""
from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .api import Jitted
from .derive import built, dynamic, explicit
from .ir.core import Block
from .ir.errors import ArgumentError, ArgumentTypeError, ShapeError
from .ir.rewrite import inline
from .ir.types import INDEX_SCALAR
from .tracer import stage, tree
from .tracer.signature import Leaf
from .tracer.stage import Call, Out, Traced


def axes_of(axes, structure: tree.TreeDef, what: str) -> list:
    """One axis (an int or None) for each leaf of a structure; `axes` may stop above the leaves."""
    if axes is None or isinstance(axes, int):
        return [axes] * structure.count
    if structure.kind is None:
        raise ArgumentTypeError(f"{what} gives {axes!r} for one array", "write an int, or None for what is not batched")
    parts = list(axes.values()) if isinstance(axes, dict) else list(axes)
    if isinstance(axes, dict):
        parts = [axes[key] for key in tree.sorted_keys(axes)]
    if len(parts) != len(structure.children):
        raise ArgumentTypeError(f"{what} has {len(parts)} entries for {len(structure.children)} values",
                                "write one int for all, or an entry for each")
    return [axis for part, child in zip(parts, structure.children) for axis in axes_of(part, child, what)]


class Batched(Jitted):
    """`vmap` of a function."""

    def __init__(self, fn: Callable, in_axes, out_axes, static):
        super().__init__(fn, label="vmap", **static)
        self.in_axes, self.out_axes = in_axes, out_axes

    @property
    def derives(self) -> bool:
        return True

    def program(self, call: Call, trace=stage.trace_call) -> Traced:
        axes, size = self._batch(call)
        leaves = tuple(leaf if axis is None else _element(leaf, axis) for leaf, axis in zip(call.leaves, axes))
        inner = call._replace(leaves=leaves, aliases={}, values=tuple(
            None if axis is not None else value for value, axis in zip(call.values, axes)))
        return _looped(explicit(super().program(inner, trace)), call, axes, size, self.out_axes)

    def _batch(self, call: Call) -> tuple[list, int]:
        positional, keyword = call.tree.children
        axes = axes_of(self.in_axes, positional, "in_axes")
        axes = [None if call.leaves[k].kind == "static" else axis for k, axis in enumerate(axes)]
        axes += [0 if call.leaves[len(axes) + k].kind != "static" else None for k in range(keyword.count)]
        size = None
        for k, (leaf, axis) in enumerate(zip(call.leaves, axes)):
            if axis is None:
                continue
            if leaf.kind != "array" or not -len(leaf.dims) <= axis < len(leaf.dims):
                raise ArgumentError(f"argument {call.paths[k]} has no axis {axis} to map over",
                                    "pass an array, or None in in_axes for what all elements share")
            axes[k] = axis % len(leaf.dims)
            found = leaf.dims[axes[k]]
            if size is not None and found != size[0]:
                raise ShapeError(
                    f"argument {call.paths[k]} has length {found} along its batch axis, argument {call.paths[size[1]]} has "
                    f"{size[0]}",
                    "pass batches of one length",
                )
            size = size or (found, k)
        if size is None:
            raise ArgumentError("vmap has nothing to map over", "let in_axes name an axis of at least one array")
        return axes, size[0]


def _element(leaf: Leaf, axis: int) -> Leaf:
    """What one element of a batch is: an array, or a NumPy scalar."""
    dims = leaf.dims[:axis] + leaf.dims[axis + 1:]
    return Leaf("array", leaf.dtype, dims) if dims else Leaf("numpy", leaf.dtype)


def _looped(traced: Traced, call: Call, axes, size: int, out_axes) -> Traced:
    f, held = traced.function, dynamic(traced)
    own = len(held)
    outer = [call.leaves[k] for k in held]
    types = [leaf.type for leaf in outer] + [p.type for p in f.params[own:]]

    def body(b, params):
        region = Block([INDEX_SCALAR], ["i"])
        with b.at(region):
            elements = [p if axes[k] is None else
                        b("slice", p, region.params[0], spec=":" * axes[k] + "i" + ":" * (p.rank - axes[k] - 1))
                        for p, k in zip(params, held)]
            region.yields = tuple(inline(b, f, (*elements, *params[own:])))
        stacked = b.emit("map", b.index(size), regions=[region])
        places = axes_of(out_axes, traced.out_tree, "out_axes")
        results = list(stacked)
        for out, place in zip(traced.outs, places):
            if out.result is not None:
                results[out.result] = _moved(b, stacked[out.result], place)
        return results

    g = built(f.name + "_vmap", f, types, [p.name for p in f.params], body)
    outs = tuple(out if out.result is None else Out("array", out.result) for out in traced.outs)
    return replace(traced, function=g, leaves=call.leaves, paths=call.paths, tree=call.tree, outs=outs)


def _moved(b, x, place):
    if place is None:
        raise ArgumentError("out_axes is None, but each element of the batch has a result of its own", "name an axis")
    if not -x.rank <= place < x.rank:
        raise ArgumentError(f"out_axes is {place}, but the result has {x.rank} axes", f"name one of 0 … {x.rank - 1}")
    order = list(range(1, x.rank))
    order.insert(place % x.rank, 0)
    return b.transpose(x, order)


def vmap(f: Callable | None = None, in_axes: Any = 0, out_axes: Any = 0, *, static_argnums=(), static_argnames=()) -> Any:
    """`f` over a batch: the function of one element runs in a parallel loop.

    in_axes    the axis to map over: one int for all arguments, or a tuple with an int, None (shared by all elements) or a
               structure of them for each argument
    out_axes   where the new axis of each result goes, likewise

    Any function that compiles can be mapped, loops and branches included. Raises ShapeError where batch lengths differ.
    """
    static = {"static_argnums": static_argnums, "static_argnames": static_argnames}
    if f is None:
        return functools.partial(vmap, in_axes=in_axes, out_axes=out_axes, **static)
    return Batched(f, in_axes, out_axes, static)
