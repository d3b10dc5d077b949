"""Derivative programs: a traced program in, its derivative with the Python structure around it out.

    gradient   params -> the gradient of the one scalar result, in the structure of the chosen arguments
    tangents   params, tangents -> results and their tangents
    cut        params -> results, residuals, and the second program: residuals, (co)tangents -> (co)tangents

A derivative overwrites nothing: what the function writes to its arguments stays inside.
"""
from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..autodiff import forward
from ..autodiff.reverse import reverse
from ..captures.captures import closed, live
from ..ir.analysis import lengths
from ..ir.analysis.draws import draws
from ..ir.build import Builder, const, function
from ..ir.clone import inline
from ..ir.core import Const, Function, Length, Value, subst_type
from ..ir.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError, UnsupportedError
from ..ir.ops.random import KINDS
from ..ir.transforms.simplify import peephole
from ..ir.types import StackType, Type, known_dtype
from ..lowering.build import loop_builder
from ..options import config
from ..tracer import pytrees
from ..tracer.pytrees import LEAF, TUPLE, TreeDef, fixed
from ..tracer.staging.arguments import Call
from ..tracer.staging.signature import Leaf
from ..tracer.staging.traced import Out, Traced

_PYTHON = {"float": "float", "int": "int", "complex": "complex", "numpy": "numpy", "array": "array"}


def named(traced: Traced) -> str:
    """The function's name as Python has it."""
    return "<lambda>" if traced.function.name == "lambda_" else traced.function.name


def shown(structure: TreeDef) -> str:
    """A structure in a message: what it is, with * for its leaves."""
    return "a single value" if structure.kind is None else f"the structure {structure}" if structure.count else repr(structure)


def tuple_of(*children: TreeDef) -> TreeDef:
    return TreeDef(TUPLE, None, children)


def summed(parts: list, out: Any) -> Any:
    """The sum of structures; zeros of the structure of `out` where there are none."""
    leaves, structure = pytrees.flatten(out)
    columns = [structure.flatten_up_to(part) for part in parts]
    if not columns:
        return structure.unflatten([leaf * 0.0 for leaf in leaves])
    return structure.unflatten([functools.reduce(operator.add, row) for row in zip(*columns)])


def dynamic(traced: Traced) -> list[int]:
    """The leaf number of each parameter that is an argument."""
    return [k for k, leaf in enumerate(traced.leaves) if leaf.kind != "static"]


def built(name: str, like: Function, param_types: Sequence[Type], names: Sequence[str | None], body: Callable,
          old: Sequence[Value] = ()) -> Function:
    """A new function; `body(builder, params)` emits it and returns the results. old: what its parameters take the place of, in
    types that name lengths which are parameters themselves; those of `like` where they are as many."""
    made = function(name, param_types, names, like.loc)
    if len(made.params) == len(old or like.params):
        mapping = dict(zip(old or like.params, made.params))
        for p in made.params:
            p.type = subst_type(p.type, mapping)
    builder = Builder(peephole=peephole)
    builder.loc = like.loc
    with builder.at(made.body):
        made.body.yields = tuple(body(builder, made.params))
    return made


def explicit(traced: Traced) -> Traced:
    """The program with every leaf that it returns, floats known beforehand too, a result of the function, and no writes."""
    place = {leaf: k for k, leaf in enumerate(dynamic(traced))}
    f = traced.function
    results: list[Value] = []
    outs: list[Out] = []
    for out in traced.outs:
        if out.kind == "static" and not isinstance(out.value, (float, np.floating)):
            outs.append(out)
            continue
        kind = out.kind
        if kind == "static":                                     # a constant: its derivative is zero
            kind, value = ("float" if type(out.value) is float else "numpy"), const(out.value, known_dtype(type(out.value)))
        elif kind == "arg":
            kind, param = traced.leaves[out.value].kind, place[out.value]
            value = f.results[traced.writes[param]] if param in traced.writes else f.params[param]
        else:
            value = f.results[out.computed]
        outs.append(Out(kind, len(results)))
        results.append(value)
    if not traced.writes and results == list(f.results):
        return replace(traced, outs=tuple(outs))
    g = built(f.name, f, [p.type for p in f.params], [p.name for p in f.params], lambda b, params: inline(b, f, params))
    where = dict(zip(f.results, g.results)) | dict(zip(f.params, g.params))
    g.body.yields = tuple(where.get(v, v) for v in results)
    return replace(traced, function=g, outs=tuple(outs), writes={})


def only_returned(traced: Traced) -> Traced:
    """The program without results that nothing returns. Its function is new and belongs to it alone."""
    place: dict[int, int] = {}
    outs = tuple(
        out if out.result is None else out._replace(result=place.setdefault(out.result, len(place))) for out in traced.outs
    )
    traced.function.body.yields = tuple(traced.function.results[k] for k in place)
    return replace(traced, outs=outs)


def without_aux(traced: Traced) -> tuple[Traced, tuple[Out, ...], TreeDef]:
    """(the program as one that returns the value only, though it computes aux; what is returned as aux; its structure)."""
    traced = explicit(traced)
    value, aux = pair_with_aux(traced)
    return replace(traced, outs=traced.outs[:value.count], out_tree=value), traced.outs[value.count:], aux


def copied(traced: Traced) -> Traced:
    """The program with a function of its own, of what is returned only."""
    f = traced.function
    g = built(f.name, f, [p.type for p in f.params], [p.name for p in f.params], lambda b, params: inline(b, f, params))
    return only_returned(replace(traced, function=g))


def value_only(traced: Traced) -> Traced:
    """The program of the value of a pair (value, aux)."""
    return copied(without_aux(traced)[0])


def aux_only(traced: Traced) -> Traced:
    """The program of the aux of a pair (value, aux)."""
    found, outs, structure = without_aux(traced)
    return copied(replace(found, outs=outs, out_tree=structure))


# --- gradients -------------------------------------------------------------------------------------------------------

def chosen_leaves(traced: Traced, argnums: tuple[int, ...]) -> list[int]:
    """The leaf numbers of the arguments `argnums`."""
    positional = traced.tree.children[0].children
    found: list[int] = []
    for position in argnums:
        if not -len(positional) <= position < len(positional):
            count = f"{len(positional)} positional argument{'s' * (len(positional) != 1)}"
            raise ArgumentError(f"argnums names argument {position}, but the call has {count}",
                                "pass the arguments to differentiate by position")
        start = sum(child.count for child in positional[:position % len(positional)])
        structure = positional[position % len(positional)]
        leaves = range(start, start + structure.count)
        if leaves and not any(inexact(traced.leaves[k]) for k in leaves):
            _refuse_wrt(traced, leaves[0])
        found += leaves
    return found


def inexact(leaf: Leaf) -> bool:
    return leaf.kind != "static" and leaf.number.inexact


def _refuse_wrt(traced: Traced, k: int) -> None:
    leaf = traced.leaves[k]
    remedy = "pass a float (2.0 for 2, x.astype(float) for an array), or name other arguments in argnums"
    what = "a Python int" if leaf.kind == "int" else f"of dtype {leaf.number.np}" if leaf.kind != "static" else (
        "a Python int" if type(leaf.value) is int else f"{leaf.value!r}, which is no number")
    if leaf.kind in KINDS:
        what, remedy = "a generator of random numbers", "name other arguments in argnums"
    if leaf.kind == "static" and isinstance(leaf.value, (float, complex, np.inexact)):
        what, remedy = f"static ({leaf.value!r})", "leave it out of static_argnums, or name other arguments in argnums"
    raise DTypeError(f"argument {traced.paths[k]} is {what}: there is no derivative with respect to it", remedy,
                     traced.function.loc)


def _scalar(traced: Traced, has_aux: bool) -> int:
    """The number of the one real scalar result that a gradient is taken of. An array that can have one element only is one,
    too, as for autograd and torch: losses by `np.sum(…, keepdims=True)` and `row @ column` are of shape (1, 1)."""
    structure, loc = traced.out_tree, traced.function.loc
    if has_aux:
        structure = pair_with_aux(traced)[0]
    if structure.kind is not None or traced.outs[0].kind == "static":
        what = shown(structure) if structure.kind is not None else f"{traced.outs[0].value!r}, which is no float"
        raise ArgumentTypeError(f"a gradient is taken of one scalar, but `{named(traced)}` returns {what}",
                                "return one number; give the rest with has_aux=True, or use tg.vjp", loc)
    result = traced.outs[0].computed
    value = traced.function.results[result]
    found, loc = value.type, (value.op.loc if value.op is not None else ()) or loc
    if any(length != 1 for length in found.dims):
        raise ArgumentTypeError(
            f"a gradient is taken of one scalar, but `{named(traced)}` returns an array of type {found}",
            "reduce it to a number, for example by np.sum, or use tg.vjp or tg.jvp",
            loc,
        )
    if not found.dtype.inexact or found.dtype.complex:
        raise DTypeError(f"a gradient is taken of one real scalar, but `{named(traced)}` returns {found.dtype.np}",
                         "return np.abs(...) or np.real(...) of it" if found.dtype.complex else "return a float", loc)
    return result


def pair_with_aux(traced: Traced) -> tuple[TreeDef, ...]:
    """The structures of the value and of aux that a function returns."""
    structure = traced.out_tree
    if structure.kind is not TUPLE or len(structure.children) != 2:
        raise ArgumentTypeError(
            f"with has_aux=True the function must return a pair (value, aux), but `{named(traced)}` returns {shown(structure)}",
            "write return value, aux", traced.function.loc)
    return structure.children


def gradient(traced: Traced, argnums: int | tuple[int, ...], has_aux: bool, with_value: bool) -> Traced:
    """The program of `grad` or `value_and_grad`."""
    traced = explicit(traced)
    chosen = chosen_leaves(traced, (argnums,) if isinstance(argnums, int) else argnums)
    place = {leaf: k for k, leaf in enumerate(dynamic(traced))}
    wrt = [k for k in dict.fromkeys(chosen) if inexact(traced.leaves[k])]
    result, f = _scalar(traced, has_aux), traced.function
    notes: list = []
    derivative = reverse.vjp(f, [place[k] for k in wrt], {result}, notes, config.memory_bytes)
    pattern = fixed(traced.tree)
    bars: dict[int, int] = {}

    def body(b: Builder, params: tuple[Value, ...]) -> list[Value]:
        found = f.results[result].type
        values = inline(b, derivative, (*params, b.full(1.0, found.dims, found.dtype)))
        results, slopes = list(values[:len(f.results)]), dict(zip(wrt, values[len(f.results):]))
        for k in dict.fromkeys(chosen):
            leaf = traced.leaves[k]
            if leaf.kind != "static" and not pattern[k]:
                bars[k] = len(results)
                results.append(slopes[k] if k in slopes else b.full(0, leaf.dims, const(0.0).type.dtype))
        return results

    g = built(f.name + "_grad", f, [p.type for p in f.params], [p.name for p in f.params], body)
    slopes = [Out("float" if traced.leaves[k].kind == "int" else traced.leaves[k].kind, bars[k]) if k in bars
              else Out("arg", None, k) if pattern[k] else Out("static", None, traced.leaves[k].value) for k in chosen]
    positional = traced.tree.children[0].children
    structure = (positional[argnums] if isinstance(argnums, int) else tuple_of(*(positional[k] for k in argnums)))
    return only_returned(
        replace(
            traced, function=g, notes=(*traced.notes, *notes), **_gradient_outs(traced, structure, slopes, has_aux, with_value)
        )
    )


def _gradient_outs(traced: Traced, structure: TreeDef, slopes: list[Out], has_aux: bool, with_value: bool) -> dict:
    """value_and_grad -> (value or (value, aux), slopes); grad -> slopes or (slopes, aux)."""
    if with_value:
        return {"out_tree": tuple_of(traced.out_tree, structure), "outs": (*traced.outs, *slopes)}
    if has_aux:
        return {"out_tree": tuple_of(structure, traced.out_tree.children[1]), "outs": (*slopes, *traced.outs[1:])}
    return {"out_tree": structure, "outs": tuple(slopes)}


# --- tangents --------------------------------------------------------------------------------------------------------

def matched(what: str, path: str, value: Value | None, leaf: Leaf, like: Type, builder: Builder) -> Value:
    """A tangent or cotangent in the type of its primal. Raises where the shapes differ or a complex one meets a real."""
    if value is None or leaf.kind == "static":
        raise ArgumentTypeError(f"the {what} of {path} is {leaf.value!r}", f"pass a number or an array of shape {like.dims}")
    if value.type.dims != like.dims:
        raise ShapeError(
            f"the {what} of {path} has shape {value.type.dims}, the primal {like.dims}", "pass one of the same shape"
        )
    if value.type.dtype.complex and not like.dtype.complex:
        raise DTypeError(f"the {what} of {path} is complex, the primal {like.dtype.np}", "pass its real part")
    return builder.cast(value, like.dtype)


def tangents(traced: Traced, call: Call, has_aux: bool = False) -> Traced:
    """The program of `jvp`. `call` has the arguments (primals, tangents); `traced` is the program on the primals."""
    traced, aux, *structure = without_aux(traced) if has_aux else (explicit(traced), ())
    f, count = traced.function, len(traced.leaves)
    place = {leaf: k for k, leaf in enumerate(dynamic(traced))}
    wrt = [k for k in place if inexact(traced.leaves[k])]
    derivative = forward.jvp(f, [place[k] for k in wrt])
    leaves = traced.leaves + call.leaves[count:]
    after = {k: n for n, k in enumerate([k for k in range(count, 2 * count) if leaves[k].kind != "static"])}
    own, primals = len(f.params) - len(traced.captured), len(dynamic(traced))
    types = [p.type for p in f.params[:own]] + [leaves[k].type for k in after] + [p.type for p in f.params[own:]]
    names = (
        [p.name for p in f.params[:own]] + [f"{_name(traced, k - count)}_dot" for k in after] + [p.name for p in f.params[own:]]
    )

    def body(b: Builder, params: tuple[Value, ...]) -> tuple[Value, ...]:
        given, dots = params[:own] + params[own + len(after):], params[own:own + len(after)]
        moves = [matched("tangent", traced.paths[k], dots[after[k + count]] if k + count in after else None, leaves[k + count],
                         traced.leaves[k].type, b) for k in wrt]
        return inline(b, derivative, (*given, *moves))

    assert own == primals
    g = built(f.name + "_jvp", f, types, names, body)
    place_of_dot, at = {}, len(f.results)
    for k, value in enumerate(f.results):
        if value.type.dtype.inexact:
            place_of_dot[k], at = at, at + 1
    dots = tuple(out if flag else _tangent_out(out, place_of_dot) for out, flag in zip(traced.outs, fixed(traced.out_tree)))
    return only_returned(replace(traced, function=g, tree=call.tree, leaves=leaves, paths=call.paths,
                                 out_tree=tuple_of(traced.out_tree, traced.out_tree, *structure),
                                 outs=(*traced.outs, *dots, *aux)))


def _name(traced: Traced, leaf: int) -> str:
    return "".join(c if c.isalnum() else "_" for c in traced.paths[leaf]).strip("_")


def _tangent_out(out: Out, place: dict[int, int]) -> Out:
    """The tangent of one returned leaf: of what is not inexact, the value 0.0 (as it cannot change)."""
    return Out(out.kind, place[out.result]) if out.result in place else Out("static", None, 0.0)


# --- the two halves of vjp and linearize -----------------------------------------------------------------------------

def halves(f: Function, wrt: Sequence[int], parts: Callable) -> tuple[Function, Function]:
    """(first, second): what needs the arguments only, and the linear rest. parts   reverse.split or forward.linearize.

    A stack is used once, but the second half may run many times (and outside the program): where a residual is a stack, the
    residuals are the arguments, and the second half runs `f` anew."""
    constants = live(f)
    f = closed(f, constants)                  # what is captured is a residual: the second half is of the same arrays
    first, second = parts(f, wrt, *([config.memory_bytes] if parts is reverse.split else []))
    if any(type(v.type) is StackType for v in first.results):
        if draws(f.body):
            raise UnsupportedError("this derivative runs the function anew for each of its linear parts, as a loop of unknown "
                                   "length keeps values, and random numbers must not be drawn again",
                                   "take tg.grad or tg.jvp, which run it once, or make the loop a `for` with a `break`", f.loc)
        first, second = _run_again(f, wrt, parts)
    return _shared(_opened(first, constants), second, len(f.results))


def _shared(first: Function, second: Function, results: int) -> tuple[Function, Function]:
    """What the rules of calls captured stands in the second half only now: it becomes a residual, too. So do lengths that only
    run time knows: the second half is called by itself, with arrays that may not tell them."""
    flat = loop_builder.flatten_calls(second)
    constants: tuple[Const | Length, ...] = (*live(flat), *lengths.free(flat))
    if not constants:
        return first, second
    both, kept, taken = closed(flat, constants), len(first.results) - results, len(constants)
    types, names = [p.type for p in both.params], [p.name for p in both.params]
    order = [*range(kept), *range(len(types) - taken, len(types)), *range(kept, len(types) - taken)]
    place = {old: new for new, old in enumerate(order)}
    second = built(second.name, second, [types[k] for k in order], [names[k] for k in order],
                   lambda b, params: inline(b, both, [params[place[k]] for k in range(len(types))]),
                   [both.params[k] for k in order])
    first = built(first.name, first, [p.type for p in first.params], [p.name for p in first.params],
                  lambda b, params: (*inline(b, first, params), *constants))
    return first, second


def _opened(first: Function, constants: tuple[Const, ...]) -> Function:
    """The first half on the captured arrays themselves."""
    if not constants:
        return first
    own = first.params[:len(first.params) - len(constants)]
    return built(first.name, first, [p.type for p in own], [p.name for p in own],
                 lambda b, params: inline(b, first, (*params, *constants)))


def _run_again(f: Function, wrt: Sequence[int], parts: Callable) -> tuple[Function, Function]:
    whole = reverse.vjp(f, wrt, budget=config.memory_bytes) if parts is reverse.split else forward.jvp(f, wrt)
    names = [p.name for p in f.params]
    first = built(f"{f.name}_forward", f, [p.type for p in f.params], names, lambda b, params: (*inline(b, f, params), *params))
    second = built(f"{f.name}_again", whole, [p.type for p in whole.params], [p.name for p in whole.params],
                   lambda b, params: inline(b, whole, params)[len(f.results):])
    return first, second


def cut(traced: Traced, parts: Callable, second: Callable) -> Traced:
    """(the program of the results and the residuals, what the other half is).

    parts   reverse.split or forward.linearize;   second   makes the callable for the other half, returned as a constant leaf
    """
    traced = explicit(traced)
    f = traced.function
    place = {leaf: k for k, leaf in enumerate(dynamic(traced))}
    wrt = [k for k in place if inexact(traced.leaves[k])]
    first, other = halves(f, [place[k] for k in wrt], parts)
    residuals = [Out("array" if v.type.rank else "numpy", k) for k, v in enumerate(first.results) if k >= len(f.results)]
    made = second(traced, other, wrt, len(residuals))
    structure = tuple_of(traced.out_tree, tuple_of(*[LEAF] * len(residuals)), LEAF)
    return replace(traced, function=first, out_tree=structure, outs=(*traced.outs, *residuals, Out("static", None, made)))
