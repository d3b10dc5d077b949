"""What a Jacobian is of: the arguments and results of a traced program, with their sizes, and what has none."""
from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

from ..ir.analysis import lengths
from ..ir.build import Builder
from ..ir.core import Function, Value
from ..ir.errors import ArgumentError, ArgumentTypeError, DTypeError
from ..ir.types import Type
from ..programs.derivative_programs import chosen_leaves, dynamic, explicit, inexact, named, tuple_of, without_aux
from ..tracer.pytrees import TreeDef
from ..tracer.staging.traced import Out, Traced


class Sides(NamedTuple):
    """The two sides of a Jacobian.

    traced   the program, which returns numbers only and overwrites nothing
    wrt      the parameters that are differentiated;   ins   their types;   below   the structure of those arguments
    outs     the results that are returned, in order;  results   their types
    aux      what else is returned, undifferentiated, with its structure; None where nothing is
    """

    traced: Traced
    wrt: tuple[int, ...]
    ins: tuple[Type, ...]
    outs: tuple[int, ...]
    results: tuple[Type, ...]
    below: TreeDef
    aux: tuple[tuple[Out, ...], TreeDef] | None = None

    @property
    def function(self) -> Function:
        return self.traced.function


def sides(traced: Traced, argnums: int | tuple[int, ...], has_aux: bool = False, general: bool = False) -> Sides:
    """Raises where an argument or a result has no Jacobian: integers, complex numbers, lengths that only run time knows.
    general: lengths that follow from those of arguments are taken, in a program for many lengths."""
    aux: tuple[tuple[Out, ...], TreeDef] | None = None
    if has_aux:
        traced, given, structure = without_aux(traced)
        aux = given, structure
    else:
        traced = explicit(traced)
    f = traced.function
    place = {leaf: k for k, leaf in enumerate(dynamic(traced))}
    chosen = chosen_leaves(traced, (argnums,) if isinstance(argnums, int) else argnums)
    for k in chosen:
        if not inexact(traced.leaves[k]):
            raise DTypeError(f"argument {traced.paths[k]} is no float: there is no Jacobian with respect to it",
                             "name other arguments in argnums, or pass it as a float", f.loc)
    _expect_numbers(traced)
    outs = tuple([out.computed for out in traced.outs])
    ins, results = tuple([traced.leaves[k].type for k in chosen]), tuple([f.results[r].type for r in outs])
    _expect_sizes(traced, ins + results, general)
    positional = traced.tree.children[0].children
    below = positional[argnums] if isinstance(argnums, int) else tuple_of(*(positional[k] for k in argnums))
    return Sides(traced, tuple([place[k] for k in chosen]), ins, outs, results, below, aux)


def _expect_numbers(traced: Traced) -> None:
    name, loc = named(traced), traced.function.loc
    if not traced.outs:
        raise ArgumentTypeError(f"`{name}` returns {traced.out_tree}: a Jacobian of that has no size",
                                "return at least one array or number", loc)
    for out, path in zip(traced.outs, traced.out_tree.paths("the result")):
        if out.result is None:
            raise ArgumentTypeError(f"`{name}` returns something that is no number: {path} is {out.value!r}",
                                    "return arrays and numbers only", loc)


def _expect_sizes(traced: Traced, types: tuple[Type, ...], general: bool) -> None:
    loc = traced.function.loc
    for t in types:
        if not t.static and not (general and all(isinstance(d, int) or lengths.follows(d) for d in t.dims)):
            raise ArgumentError(
                f"`{named(traced)}` returns an array whose length is known only at run time: its Jacobian has no size",
                "return an array of a fixed length, or use tg.vjp or tg.jvp",
                loc,
            )
        if t.dtype.complex:
            raise DTypeError("a Jacobian of complex numbers depends on what is held fixed",
                             "take real and imaginary parts, or use tg.jvp and tg.vjp", loc)


def nested(outer: TreeDef, inner: TreeDef) -> TreeDef:
    """`outer` with `inner` in the place of each leaf."""
    if outer.kind is None:
        return inner
    return TreeDef(outer.kind, outer.meta, tuple(nested(child, inner) for child in outer.children))


def offsets(types: Sequence[Type]) -> list[int]:
    """Where the elements of each type start when all stand one after the other; the total comes last."""
    found = [0]
    for t in types:
        found.append(found[-1] + t.count)
    return found


def places(b: Builder, types: Sequence[Type]) -> list[Value]:
    """`offsets`, as index values: lengths may be known at run time only."""
    found = [b.index(0)]
    for t in types:
        count = functools.reduce(lambda n, d: b.iop("mul", n, d), t.dims, b.index(1))
        found.append(b.iop("add", found[-1], count))
    return found
