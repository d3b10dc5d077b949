"""What `grad` and `value_and_grad` make: compiled gradients, which can also be written into arrays that the caller gives.

    g = tg.grad(f)(x)                              a new array
    tg.grad(f)(x, out=buffer)                      buffer[...] = g
    tg.grad(f)(x, out=buffer, accumulate=True)     buffer[...] += g

`out` has the structure of the gradient, and its arrays have exactly the dtypes and shapes. They become arguments that the
program overwrites, so the machine code itself writes to them, as to any argument array that a jitted function assigns to.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autodiff.custom_calls import closed
from ..ir.clone import inline
from ..ir.core import Value
from ..ir.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from ..programs.derivative_programs import dynamic, gradient
from ..tracer import pytrees
from ..tracer.staging import arguments, signature, trace_function
from ..tracer.staging.arguments import Call
from ..tracer.staging.traced import Out, Traced
from ..tracer.values import boxes
from .api import Jitted
from .out_accumulation import accumulated

if TYPE_CHECKING:
    from ..ir.build import Builder
    from ..ir.types import Array
    from ..tracer.staging.signature import Leaf

OPTIONS = ("accumulate", "out")


class Gradient(Jitted):
    """A gradient. A call takes, besides the function's arguments, `out` and `accumulate` by keyword, unless the function has
    parameters of those names."""

    def __init__(self, fn: Callable, argnums: int | tuple[int, ...], has_aux: bool, with_value: bool, label: str,
                 **static: Any):
        super().__init__(fn, lambda traced: gradient(traced, argnums, has_aux, with_value), label=label, **static)
        self.has_aux, self.with_value = has_aux, with_value

    def flatten(self, args: Sequence[Any], kwargs: dict) -> Call:
        if not kwargs or not any(name in kwargs for name in OPTIONS):
            return super().flatten(args, kwargs)
        names = arguments.parameters_of(self.root).names
        own = {name: kwargs[name] for name in OPTIONS if name in kwargs and name not in names}
        call = super().flatten(args, {name: x for name, x in kwargs.items() if name not in own})
        return _with_options(call, own) if own else call

    def program(self, call: Call, trace: Callable = trace_function.trace_call) -> Traced:
        base, out = _without_options(call, arguments.parameters_of(self.root).names)
        traced = super().program(base, trace)
        return traced if out is None else self._into(traced, call, len(base.leaves), out)

    def _into(self, traced: Traced, call: Call, start: int, out: pytrees.TreeDef) -> Traced:
        """The program that writes the gradient into the last leaves of the call, from `start` on."""
        accumulate = any(leaf.kind == "static" and leaf.value is True and path == "accumulate"
                         for leaf, path in zip(call.leaves[start:], call.paths[start:]))
        structure = traced.out_tree
        if self.with_value or self.has_aux:
            structure = structure.children[1 if self.with_value else 0]
        if structure != out:
            raise ArgumentTypeError(f"out has the structure {out!r}, the gradient {structure!r}",
                                    "pass arrays in the structure of the arguments that are differentiated")
        first = traced.out_tree.children[0].count if self.with_value else 0
        slopes = range(first, first + structure.count)
        leaves = traced.leaves + call.leaves[start:]
        target = dict(zip(slopes, range(len(leaves) - out.count, len(leaves))))
        made = [k for k in slopes if traced.outs[k].kind != "static"]
        for k in made:
            _expect_type(call.paths[target[k]], leaves[target[k]], traced.function.results[traced.outs[k].computed])
        return _rebuilt(traced, call, leaves, {k: target[k] for k in made}, accumulate)


def _with_options(call: Call, own: dict[str, Any]) -> Call:
    """The call with `accumulate` and `out` as further keywords."""
    accumulate = own.get("accumulate", False)
    if not isinstance(accumulate, bool):
        raise ArgumentTypeError(f"accumulate is {accumulate!r}", "pass True or False")
    if own.get("out") is None:
        raise ArgumentError("accumulate=True adds to arrays, but out gives none" if accumulate else "out is None",
                            "pass out=, arrays of the gradient's shapes and dtypes, or leave both out")
    held, structure = pytrees.flatten(own["out"])
    paths = structure.paths("out")
    for x, path in zip(held, paths):
        if not isinstance(x, (boxes.ArrayBox, np.ndarray)):
            raise ArgumentTypeError(f"{path} is a {type(x).__name__}, which cannot be written to",
                                    "pass an array; for the gradient of a number np.zeros(())")
        if isinstance(x, np.ndarray) and not x.flags.writeable:
            raise ArgumentError(f"{path} is read-only", "pass an array that can be written to")
    positional, keyword = call.tree.children
    names = (*keyword.meta[0], "accumulate", "out")
    keyword = pytrees.TreeDef(pytrees.DICT, (names, names), (*keyword.children, pytrees.LEAF, structure))
    added = [signature.abstract(x, f"argument {p}") for x, p in zip(held, paths)]
    leaves = (*call.leaves, signature.static(accumulate), *added)
    values = (*call.values, accumulate, *held)
    paths = (*call.paths, "accumulate", *paths)
    aliases = arguments.aliases_of(values, leaves)
    _expect_apart(values, paths, aliases, len(call.leaves) + 1)
    return Call(pytrees.TreeDef(pytrees.TUPLE, None, (positional, keyword)), leaves, paths, values, aliases, call.objects)


def _expect_apart(values: tuple[Array, ...], paths: tuple[str, ...], aliases: dict[int, int], start: int) -> None:
    """Raises where an array that is written to, from `start` on, shares memory with another one of the call."""
    for k in range(start, len(values)):
        for other in range(k):
            a, b = values[k], values[other]
            if aliases.get(k, k) == other:
                how = "is the same array as"
            elif isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and np.shares_memory(a, b):
                how = "shares memory with"
            else:
                continue
            raise ArgumentError(f"{paths[k]} {how} {paths[other]}", "pass an array of its own to write to")


def _without_options(call: Call, names: tuple[str, ...]) -> tuple[Call, pytrees.TreeDef | None]:
    """(the call of the function itself, the structure of `out`)."""
    positional, keyword = call.tree.children
    if "out" in names or keyword.meta[0][-2:] != OPTIONS:
        return call, None
    out, kept = keyword.children[-1], keyword.meta[0][:-2]
    count = call.tree.count - out.count - 1
    structure = pytrees.TreeDef(pytrees.TUPLE, None, (positional, pytrees.TreeDef(pytrees.DICT, (kept, kept),
                                                                                  keyword.children[:-2])))
    return Call(structure, call.leaves[:count], call.paths[:count], call.values[:count], call.aliases,
                call.objects), out


def _expect_type(path: str, leaf: Leaf, slope: Value) -> None:
    have, need = leaf.type, slope.type
    if have.dims != need.dims:
        raise ShapeError(f"{path} has shape {have.dims}, the gradient {need.dims}",
                         "pass an array of the shape of the argument")
    if have.dtype is not need.dtype:
        raise DTypeError(f"{path} has dtype {have.dtype.np}, the gradient {need.dtype.np}",
                         f"make it with dtype=np.{need.dtype.np}")


def _rebuilt(traced: Traced, call: Call, leaves: tuple[Leaf, ...], target: dict[int, int], accumulate: bool) -> Traced:
    """The program with the returned leaves `target` written into the arguments that it leads to."""
    f, own = traced.function, len(dynamic(traced))
    added = [k for k in range(len(traced.leaves), len(leaves)) if leaves[k].kind != "static"]
    buffers = {k: Value(leaves[k].type, call.paths[k]) for k in added}
    values = (*f.params[:own], *buffers.values(), *f.params[own:])
    kept = sorted({out.result for k, out in enumerate(traced.outs) if k not in target and out.result is not None})

    def emit(b: Builder, params: tuple[Value, ...]) -> list[Value]:
        place = dict(zip(added, params[own:own + len(added)]))
        results = inline(b, f, (*params[:own], *params[own + len(added):]))
        new = [results[traced.outs[k].computed] for k in target]
        if accumulate:
            new = [b("add", place[leaf], x) for leaf, x in zip(target.values(), new)]
        return [*[results[k] for k in kept], *new]

    g = closed(f.name, values, [v.name for v in values], emit, f.loc)
    writes = {own + added.index(leaf): len(kept) + n for n, leaf in enumerate(target.values())}
    if accumulate:
        accumulated(g, {result: g.params[param] for param, result in writes.items()})
    place = {None: None} | {result: n for n, result in enumerate(kept)}
    outs = [Out("arg", None, target[k]) if k in target else out._replace(result=place[out.result])
            for k, out in enumerate(traced.outs)]
    return replace(traced, function=g, tree=call.tree, leaves=leaves, paths=call.paths, outs=tuple(outs), writes=writes)
