"""`vmap`: a function of one element becomes a function of a batch: a parallel loop around its program.

    vmap(f)(x, y)   ->   map i in n:  f(x[i], y[i])     results stacked along a new axis
"""
from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, overload

import numpy as np

from ..ir.batching.batched import BatchedValue
from ..ir.batching.map_to_batch import batched
from ..ir.build import Builder, const
from ..ir.clone import dce, dims_of, free_values, inline
from ..ir.core import Block, Function, Value
from ..ir.errors import ArgumentError, ShapeError
from ..ir.ops.random import KINDS
from ..ir.types import INDEX_SCALAR, dtype, known_dtype
from ..jitted.api import Jitted
from ..jitted.functions import Frozen, derived, maker
from ..jitted.out_argument import WithOut
from ..programs.derivative_programs import built, dynamic, explicit
from ..tracer.staging import trace_function
from ..tracer.staging.arguments import Call
from ..tracer.staging.signature import Leaf
from ..tracer.staging.traced import Out, Traced
from ..tracer.values.shapes import unify
from . import batched_objects
from .batch_axes import axes_of, axis_in, expect_axis


class Batched(Jitted):
    """`vmap` of a function."""

    def __init__(self, fn: Callable, in_axes: Sequence | int, out_axes: int, static: dict[str, Any]):
        super().__init__(fn, label="vmap", **static)
        self.in_axes, self.out_axes = in_axes, out_axes

    @property
    def derives(self) -> bool:
        return True

    def program(self, call: Call, trace: Callable = trace_function.trace_call) -> Traced:
        axes, size = self._batch(call)
        leaves = tuple(leaf if axis is None else _element(leaf, axis) for leaf, axis in zip(call.leaves, axes))
        inner = call._replace(leaves=leaves, aliases={}, values=tuple(
            None if axis is not None else value for value, axis in zip(call.values, axes)))
        traced = super().program(inner, trace)
        follows = getattr(trace, "keywords", {}).get("follows", True)
        written = batched_objects.overwritten(traced, call, axes) if follows else {}
        last = tuple([Out("array", traced.writes[param]) for param in written])
        made = _looped(explicit(replace(traced, outs=traced.outs + last)), call, axes, size, self.out_axes,
                       tuple(written.values()))
        writes = {param: out.computed for param, out in zip(written, made.outs[len(traced.outs):])}
        return replace(made, outs=made.outs[:len(traced.outs)], writes=writes)

    def _batch(self, call: Call) -> tuple[list, Any]:
        """(the axis of each leaf, None where all elements share it; the number of elements, a dimension)."""
        axes = self._axes(call)
        size: Any = None
        first = -1
        for k, (leaf, axis) in enumerate(zip(call.leaves, axes)):
            if axis is None:
                continue
            axes[k] = axis_in(axis, leaf, call.paths[k])
            found = leaf.dims[axes[k]]
            if size is None:
                size, first = found, k
            elif found.__class__ is int and size.__class__ is int and found != size:
                raise ShapeError(f"argument {call.paths[k]} has length {found} along its batch axis {axes[k]}, argument "
                                 f"{call.paths[first]} has {size} along axis {axes[first]}",
                                 "pass batches of one length, or None in in_axes for what all elements share")
            else:
                size = unify(size, found, f"argument {call.paths[first]} has length {{0}} along its batch axis, argument "
                                          f"{call.paths[k]} has {{1}}")
        if size is None:
            raise ArgumentError("vmap has nothing to map over", "let in_axes name an axis of at least one array")
        return axes, size

    def _axes(self, call: Call) -> list:
        positional, keyword = call.tree.children
        starts = itertools.accumulate([child.count for child in positional.children], initial=0)
        heads = [re.findall(r"^\w*", call.paths[k])[0] if child.count else "an argument" for k, child in
                 zip(starts, positional.children)]
        axes = axes_of(self.in_axes, positional, "in_axes", "the positional arguments", heads)
        axes += [0] * keyword.count
        return [None if leaf.kind == "static" or leaf.kind in KINDS else axis for leaf, axis in zip(call.leaves, axes)]


def _element(leaf: Leaf, axis: int) -> Leaf:
    """What one element of a batch is: an array, or a NumPy scalar."""
    dims = leaf.dims[:axis] + leaf.dims[axis + 1:]
    return Leaf("array", leaf.dtype, dims) if dims else Leaf("numpy", leaf.dtype)


def _looped(traced: Traced, call: Call, axes: list[int | None], size: int, out_axes: int, written: tuple[int, ...]) -> Traced:
    """The program for the batch. written: the leaves of the call of which the last results are new contents."""
    f, held = dce(traced.function), dynamic(traced)
    own = len(held)
    outer = [call.leaves[k] for k in held]
    types = [leaf.type for leaf in outer] + [p.type for p in f.params[own:]]
    returned = traced.out_tree.children[0] if traced.assigned else traced.out_tree
    paths = [*returned.paths("result"), *batched_objects.paths(traced, call), *[call.paths[k] for k in written]]
    places = [*axes_of(out_axes, returned, "out_axes", "result"), *batched_objects.axes_of_assigned(traced, call, axes),
              *[axes[k] for k in written]]
    varied = _depending(f, [p for p, k in zip(f.params, held) if axes[k] is not None])

    def body(b: Builder, params: tuple[Value, ...]) -> list[Value]:
        region = Block([INDEX_SCALAR], ["i"])
        with b.at(region):
            elements = [p if (axis := axes[k]) is None else
                        b("slice", p, region.params[0], spec=":" * axis + "i" + ":" * (p.rank - axis - 1))
                        for p, k in zip(params, held)]
            region.yields = tuple(inline(b, f, (*elements, *params[own:])))
        _expect_lengths(region, traced, paths)
        lifted = batched(b, region, b.index(size))
        if lifted is None:
            lifted = [BatchedValue(v, 0) for v in b.emit("map", b.index(size), regions=[region])]
        results = [x.value for x in lifted]
        for out, place, path in zip(traced.outs, places, paths):
            if out.result is not None:
                shared = f.results[out.result] not in varied
                results[out.result] = _placed(b, lifted[out.result], size, place, path, shared)
            elif place is not None and _is_number(out):
                number = const(out.value, known_dtype(type(out.value)))
                results.append(_placed(b, BatchedValue(number, None), size, place, path, True))
        return results

    g = built(f.name + "_vmap", f, types, [p.name for p in f.params], body)
    added = itertools.count(len(f.results))
    outs = tuple(out if place is None or (out.result is None and not _is_number(out)) else
                 Out("array", next(added) if out.result is None else out.result) for out, place in zip(traced.outs, places))
    leaves = tuple([now if now.kind == "static" else leaf for now, leaf in zip(traced.leaves, call.leaves)])    # ints may be
    return replace(traced, function=g, leaves=leaves, paths=call.paths, tree=call.tree, outs=outs)


def _is_number(out: Out) -> bool:
    """Whether a leaf that is no result is a number, which each element of the batch has: others stay as they are."""
    return out.kind == "static" and isinstance(out.value, (int, complex, np.generic)) and dtype(type(out.value)) is not None


def _depending(f: Function, values: list[Value]) -> set[Value]:
    """These values and all that is made from them, by any way."""
    found = set(values)
    for op in f.body.ops:
        if not found.isdisjoint((*op.operands, *[v for r in op.regions for v in free_values(r)])):
            found.update(op.results)
    return found


def _expect_lengths(region: Block, traced: Traced, paths: list[str]) -> None:
    """Raises ShapeError where each element of the batch decides the length of a result."""
    inside = {r for op in region.ops for r in op.results}
    for out, path in zip(traced.outs, paths):
        if out.result is not None and not inside.isdisjoint(dims_of((y := region.yields[out.result]).type)):
            raise ShapeError(f"the length of {path} depends on the element of the batch, so that they make no array",
                             "give all elements one length, for example by np.where(mask, x, 0) in place of x[mask]",
                             (y.op.loc if y.op is not None else ()) or traced.function.loc)


def _placed(b: Builder, x: BatchedValue, size: int, place: int, path: str, shared: bool) -> Value:
    """A result with the axis of the batch where `out_axes` wants it; without it for None, where all elements have the same."""
    rank = x.rank + 1
    if place is None:
        return _single(b, x, size, path, shared)
    expect_axis(place, rank, f"out_axes names axis {place} of {path}, which with the batch")
    value = x.value
    if x.axis is None:
        value = b.broadcast(value, (size, *value.type.dims))
    order = [k for k in range(rank) if k != (x.axis or 0)]
    order.insert(place % rank, x.axis or 0)
    return b.transpose(value, order)


def _single(b: Builder, x: BatchedValue, size: int, path: str, shared: bool) -> Any:
    """What all elements have in common, of the first one."""
    if not shared:
        raise ArgumentError(f"out_axes is None for {path}, but each element of the batch has one of its own"
                            if path.startswith("result") else f"all elements share {path}, and each gives it another value",
                            "name the axis that the batch shall have in it, or reduce it outside of vmap")
    if x.axis is None:
        return x.value
    message = f"out_axes is None for {path}, but the batch has no element to take it from"
    if size == 0:
        raise ArgumentError(message, "name an axis")
    if not isinstance(size, int):
        b.emit("check", b("gt", b.index(size), b.index(0)), error="ShapeError", message=message)
    return b("slice", x.value, b.index(0), spec=":" * x.axis + "i" + ":" * (x.value.rank - x.axis - 1))


def _option(axes: Any) -> Any:
    """Structures of other types may be equal: a namedtuple is a tuple, True is 1."""
    plain = type(axes) is tuple and all(type(a) in (int, type(None)) for a in axes)
    return axes if plain or type(axes) in (int, type(None)) else Frozen(axes)


class BatchedWithOut(WithOut, Batched):
    """`vmap` whose results can be written into arrays that the caller gives."""


@maker("vmap")
def _batched(f: Callable, in_axes: Sequence | int, out_axes: int, static_argnums: tuple, static_argnames: tuple) -> Batched:
    return BatchedWithOut(f, in_axes, out_axes, {"static_argnums": static_argnums, "static_argnames": static_argnames})


@overload
def vmap(f: Callable, in_axes: Any = 0, out_axes: Any = 0, *,
         static_argnums: Any = (), static_argnames: Any = ()) -> Jitted[..., Any]: ...
@overload
def vmap(f: None = None, in_axes: Any = 0, out_axes: Any = 0, *, static_argnums: Any = (), static_argnames: Any = ()
         ) -> Callable[[Callable], Jitted[..., Any]]: ...
def vmap(f: Callable | None = None, in_axes: Any = 0, out_axes: Any = 0, *, static_argnums: Any = (),
         static_argnames: Any = ()) -> Any:
    """`f` over a batch: the function of one element runs in a parallel loop.

    in_axes    the axis to map over: one int for all arguments, or a tuple with an int, None (shared by all elements) or a
               structure of them for each argument
    out_axes   where the new axis of each result goes, likewise; None for a result that all elements share

    Arguments by keyword are mapped over their axis 0. Any function that compiles can be mapped, loops and branches included; it
    runs for one element after the other, in parallel, or for many at once where that is faster (ir/batching/map_to_batch.py).
    What it writes to arrays that are arguments stays inside; objects, dicts and lists that are arguments get what is assigned
    to them, with the batch in it. Raises ShapeError where batch lengths differ, ArgumentError for an axis that is not there,
    and ArgumentTypeError where in_axes or out_axes does not fit the structure.

    Parameters: `f`, `in_axes`, `out_axes`; `static_argnums` and `static_argnames` as of `jit`.
    Result: a function of the same arguments with an axis more each; with `f` left out, a decorator.
    Errors: as above, and those of `jit`.

    >>> tg.vmap(lambda row, k: k * np.sum(row), in_axes=(0, None))(np.ones((2, 3)), 2.0).tolist()
    [6.0, 6.0]
    """
    static = {"static_argnums": static_argnums, "static_argnames": static_argnames}
    if f is None:
        return functools.partial(vmap, in_axes=in_axes, out_axes=out_axes, **static)
    return derived(f, "vmap", _option(in_axes), _option(out_axes), static_argnums, static_argnames)
