"""The derivative operators: grad, value_and_grad, jvp, vjp, linearize, stop_gradient.

grad and value_and_grad make a compiled function; jvp, vjp and linearize evaluate at once. What was compiled for a function is
found again (jitted/functions.py), so calling one of them again on the same function and types costs a dictionary look-up.
Inside traced code all of them become part of the program that is being traced.
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

import numpy as np

from ..autodiff import forward
from ..autodiff.reverse import reverse
from ..ir.analysis import lengths
from ..ir.clone import inline
from ..ir.core import Length
from ..ir.errors import ArgumentError, ArgumentTypeError, UnsupportedError
from ..ir.types import INDEX, Array, Type
from ..jitted.api import Jitted
from ..jitted.functions import Found, derived, maker
from ..jitted.gradients import Gradient
from ..programs import derivative_programs, symbolic
from ..tracer import pytrees, tracing
from ..tracer.staging import arguments, signature, trace_function
from ..tracer.staging.traced import Out, Traced
from ..tracer.values import boxes

if TYPE_CHECKING:
    from ..ir.build import Builder
    from ..ir.core import Function, Value
    from ..tracer.pytrees import TreeDef
    from ..tracer.values.boxes import Box, ScalarBox

P = ParamSpec("P")
R = TypeVar("R")


@overload
def grad(f: Callable[P, R], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False,
         static_argnums: Any = (), static_argnames: Any = ()) -> Jitted[P, Any]: ...
@overload
def grad(f: None = None, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False,
         static_argnums: Any = (), static_argnames: Any = ()
         ) -> Callable[[Callable[P, R]], Jitted[P, Any]]: ...
def grad(f: Callable | Found | None = None, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False,
         static_argnums: Sequence = (), static_argnames: tuple = ()) -> Found:
    """The gradient of a function that returns one real scalar, or an array of one element such as shape (1, 1).

    argnums   position of the argument to differentiate with respect to (the result has its structure), or a tuple of
              positions (the result is a tuple)
    has_aux   the function returns (value, aux) and the gradient comes as (gradient, aux)

    A call takes the function's arguments, and by keyword `out`: arrays in the structure of the gradient, which are overwritten
    by it and returned, with accumulate=True added to.

    Complex arguments follow the convention of JAX: the conjugate of the gradient over real and imaginary parts. At kinks:
    abs'(0) = 0, ties of max and min share equally. Raises ArgumentTypeError where the result is no scalar, DTypeError (a
    TypeError) for an argument of integers.

    Parameters: `f`, the function; `static_argnums` and `static_argnames` as of `jit`.
    Result: a compiled function of the same arguments; with `f` left out, a decorator.
    Errors: as above, and those of `jit`.

    >>> tg.grad(lambda x: np.sum(x**3))(np.array([1.0, 2.0])).tolist()
    [3.0, 12.0]
    """
    return _gradient(grad, f, argnums, has_aux, static_argnums, static_argnames)


@overload
def value_and_grad(f: Callable[P, R], argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False,
                   static_argnums: Any = (), static_argnames: Any = ()) -> Jitted[P, tuple[R, Any]]: ...
@overload
def value_and_grad(f: None = None, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False,
                   static_argnums: Any = (), static_argnames: Any = ()
                   ) -> Callable[[Callable[P, R]], Jitted[P, tuple[R, Any]]]: ...
def value_and_grad(f: Any = None, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False, static_argnums: Any = (),
                   static_argnames: Any = ()) -> Any:
    """Like `grad`, but returns (value, gradient); with has_aux ((value, aux), gradient).

    Parameters: `f`, `argnums`, `has_aux`, `static_argnums`, `static_argnames` as of `grad`.
    Result: a compiled function of the same arguments; with `f` left out, a decorator.
    Errors: those of `grad`.

    >>> value, gradient = tg.value_and_grad(lambda x: x * x)(3.0)
    >>> float(value), float(gradient)
    (9.0, 6.0)
    """
    return _gradient(value_and_grad, f, argnums, has_aux, static_argnums, static_argnames)


def _gradient(operator: Callable, f: Callable | Found | None, argnums: int | tuple[int, ...], has_aux: bool,
              static_argnums: Sequence, static_argnames: tuple) -> Any:
    if f is None:
        return functools.partial(operator, argnums=argnums, has_aux=has_aux, static_argnums=static_argnums,
                                 static_argnames=static_argnames)
    return derived(f, operator.__name__, argnums, has_aux, static_argnums, static_argnames)


@maker("grad")
def _made_grad(f: Callable | Jitted, argnums: int | tuple[int, ...], has_aux: bool, static_argnums: Sequence,
               static_argnames: tuple) -> Gradient:
    return Gradient(f, several(argnums), has_aux, False, "grad", static_argnums=static_argnums, static_argnames=static_argnames)


@maker("value_and_grad")
def _made_value_and_grad(f: Callable, argnums: int | tuple[int, ...], has_aux: bool, static_argnums: tuple,
                         static_argnames: tuple) -> Gradient:
    return Gradient(f, several(argnums), has_aux, True, "value_and_grad", static_argnums=static_argnums,
                    static_argnames=static_argnames)


def several(argnums: int | tuple[int, ...]) -> int | tuple[int, ...]:
    """`argnums` as an int or a tuple of ints."""
    found = signature.indices(argnums, "argnums")
    return found if isinstance(argnums, (tuple, list, set, range)) else found[0]


# --- forward mode ----------------------------------------------------------------------------------------------------

class Tangents(Jitted):
    """`jvp` of a function: called with the primals and the tangents, one tuple each."""

    def __init__(self, fn: Callable, has_aux: bool = False):
        super().__init__(fn, label="jvp")
        self.has_aux = has_aux

    @property
    def derives(self) -> bool:
        return True

    def flatten(self, args: Sequence[Any], kwargs: dict) -> arguments.Call:
        primals, tangents = args
        own, moves = arguments.flatten_call(self.root, primals), arguments.leaves_of_call(_tangents, (tangents,))
        primals, tangents = own.tree.children[0], moves.tree.children[0].children[0]
        if not primals.matches(tangents):
            raise ArgumentTypeError(f"the tangents have the structure {tangents}, the primals {primals}",
                                    "pass one tangent for each primal, of the same structure")
        structure = derivative_programs.tuple_of(derivative_programs.tuple_of(primals, tangents), own.tree.children[1])
        count = len(own.leaves)
        return arguments.Call(structure, own.leaves + moves.leaves,
                                   own.paths + tuple("tangent of " + p for p in own.paths),
                          own.values + moves.values,
                          own.aliases | {k + count: first + count for k, first in moves.aliases.items()})

    def program(self, call: arguments.Call, trace: Callable = trace_function.trace_call) -> trace_function.Traced:
        primals, count = call.tree.children[0].children[0], call.tree.count // 2
        own = arguments.Call(derivative_programs.tuple_of(primals, call.tree.children[1]), call.leaves[:count],
                                  call.paths[:count],
                         call.values[:count], {k: v for k, v in call.aliases.items() if k < count})
        return derivative_programs.tangents(super().program(own, trace), call, self.has_aux)


def _tangents(tangents: tuple) -> None:
    """The names of tangents in messages."""


maker("jvp")(Tangents)


def jvp(f: Callable, primals: Sequence, tangents: Sequence, has_aux: bool = False) -> tuple[Any, ...]:
    """(f(*primals), its derivative at `primals` along `tangents`): forward mode.

    primals, tangents   sequences of the positional arguments and of their tangents, each with the structure and
                        shapes of its argument. A tangent of something that is no float or complex is not looked at.
    has_aux             the function returns (value, aux); aux has no tangent

    Parameters: `f`, the function, and these.
    Result: (value, tangent of the value), in the structure of the value; with has_aux (value, tangent, aux).
    Errors: ArgumentTypeError and ShapeError where the tangents do not fit the arguments; those of `jit`.

    >>> value, tangent = tg.jvp(np.sin, (0.0,), (2.0,))
    >>> float(value), float(tangent)
    (0.0, 2.0)
    """
    expect_tuples("jvp", primals, tangents)
    return derived(f, "jvp", *[True] * bool(has_aux))(tuple(primals), tuple(tangents))


def expect_tuples(operator: str, primals: Sequence[Array | Box], tangents: Sequence) -> None:
    if not isinstance(primals, (tuple, list)) or not isinstance(tangents, (tuple, list)):
        raise ArgumentTypeError(f"{operator} takes the primals and the tangents as tuples",
                                f"write tg.{operator}(f, (x,), (v,))")


# --- the two halves of reverse mode and of linearize -----------------------------------------------------------------

class LinearProgram(Jitted):
    """The other half of a program that was cut in two: called with the residuals and the (co)tangents.

    likes   what each (co)tangent belongs to: (path, type);  outs, out_tree  what it returns
    general whether the program was made for many lengths
    """

    def __init__(self, function: Function, residuals: int, likes: list[tuple[str, Type] | None], tree_of_flows: TreeDef,
                 outs: list[Out], out_tree: TreeDef, what: str, general: bool):
        super().__init__(_pulled if what == "cotangent" else _pushed, label=what)
        self.function, self.residuals, self.likes = function, residuals, likes
        self.tree_of_flows, self.outs, self.out_tree, self.what = tree_of_flows, tuple(outs), out_tree, what
        self.shapes = symbolic.Shapes("auto", 0 if general else None, self._varying)

    def _varying(self, call: arguments.Call) -> list[bool]:
        """Which lengths of a call are known at run time only in the program, too."""
        types = [p.type for p in self.function.params[:self.residuals]] + [like and like[1] for like in self.likes]
        return [t is not None and len(t.dims) == len(leaf.dims) and not isinstance(t.dims[k], int)
                for t, leaf in zip(types, call.leaves) if leaf.kind == "array" for k in range(len(leaf.dims))]

    @property
    def derives(self) -> bool:
        return True

    def flatten(self, args: Sequence[Any], kwargs: dict) -> arguments.Call:
        return arguments.leaves_of_call(self.root, args, kwargs)

    def check(self, flows: Any) -> None:
        found = pytrees.flatten(flows)[1]
        if not self.tree_of_flows.matches(found):
            raise ArgumentTypeError(
                f"the {self.what} has the structure {found}, expected {self.tree_of_flows}",
                "pass one of the structure of " + ("the result" if self.what == "cotangent" else "the arguments"),
            )

    def program(self, call: arguments.Call, trace: Callable = trace_function.trace_call) -> trace_function.Traced:
        f, n = self.function, self.residuals
        dynamic = [k for k, leaf in enumerate(call.leaves) if leaf.kind != "static"]
        place = {k: p for p, k in enumerate(dynamic)}
        flows = {k: like for k, like in enumerate(self.likes, n) if like is not None}

        def body(b: Builder, params: tuple[Value, ...]) -> tuple[Value, ...]:
            given = [params[place[k]] if k in place else None for k in range(n + len(self.likes))]
            known = _lengths(b, f, given, [*range(n), *flows])
            held = [b.index(known[p]) if p in known else b.cast(params[place[k]], p.type.dtype)
                    for k, p in enumerate(f.params[:n])]
            moves = [derivative_programs.matched(self.what, flows[k][0], given[k], call.leaves[k],
                                                 _known(p.type, known), b)
                     for k, p in zip(flows, f.params[n:])]
            rest = f.params[n + len(moves):]            # what is not asked about (aux) moves nothing
            return inline(b, f, (*held, *moves, *[b.full(0, _known(p.type, known).dims, p.type.dtype) for p in rest]))

        names = [call.paths[k].replace("[", "_").replace("]", "") for k in dynamic]
        g = derivative_programs.built(f.name, f, [call.leaves[k].type for k in dynamic], names, body)
        made = trace_function.Traced(g, call.tree, call.leaves, call.paths, self.out_tree, self.outs, {})
        return derivative_programs.only_returned(made)


def _lengths(b: Builder, f: Function, given: Sequence[Value | None], places: list[int]) -> dict:
    """The parameters of `f` that are lengths of others, by the shapes given (residuals first): numbers, or `Length`s. A length
    that the first half found and kept is checked to be that; what is no parameter is held to the result's shape."""
    numbers: dict = {}
    for p, k in zip(f.params, places):
        if (x := given[k]) is not None:
            numbers.update({d: n for d, n in zip(p.type.dims, x.type.dims)
                            if not isinstance(d, (int, Length)) and d not in numbers})
    for d, number in numbers.items():
        if d in f.params and (found := given[f.params.index(d)]) is not None:
            kept, have = b.cast(found, INDEX), b.index(number)
            b.emit("check", b("eq", kept, have), kept, have, error="ShapeError", decided=True,
                   message="a tangent or cotangent of length {1}, where the value has {0}")
    return numbers


def _known(type: Type, lengths: dict[Value, int]) -> Type:
    """A type with the lengths that are known as numbers."""
    return type.with_dims([lengths.get(d, d) if not isinstance(d, int) else d for d in type.dims])


def _pulled(residuals: int, cotangent: Any) -> None:
    """The names of the arguments of a pullback in messages."""


def _pushed(residuals: int, tangents: tuple) -> None:
    """The names of the arguments of a linear map in messages."""


class SplitProgram(Jitted):
    """The first half of `vjp` or `linearize`: returns (result, residuals, the second half)."""

    def __init__(self, fn: Callable, parts: Callable, second: Callable, label: str):
        super().__init__(fn, lambda traced: derivative_programs.cut(traced, parts, second), label=label)


def _pull(traced: Traced, backward: Function, wrt: list[int], residuals: int, has_aux: bool) -> LinearProgram:
    """The pullback: cotangents of the results in, cotangents of the positional arguments out."""
    structure = traced.out_tree
    likes: list[tuple[str, Type] | None] = []
    if has_aux:
        structure = derivative_programs.pair_with_aux(traced)[0]
    for out, path in zip(traced.outs, structure.paths("the result")):
        value = None if out.kind == "static" else traced.function.results[out.computed]
        likes.append((path, value.type) if value is not None and value.type.dtype.inexact else None)
    return LinearProgram(backward, residuals, likes, structure, _argument_outs(traced, wrt), traced.tree.children[0],
                         "cotangent", _general(traced))


def _general(traced: Traced) -> bool:
    """Whether a program is for many lengths."""
    return bool(lengths.of_types([leaf.type for leaf in traced.leaves if leaf.kind == "array"]))


def _argument_outs(traced: Traced, wrt: list[int]) -> list[Out]:
    count = sum(child.count for child in traced.tree.children[0].children)
    place = {k: n for n, k in enumerate(wrt)}
    return [Out(traced.leaves[k].kind, place[k]) if k in place else Out("static", None, 0.0) for k in range(count)]


def _push(traced: Traced, linear: Function, wrt: list[int], residuals: int, has_aux: bool) -> LinearProgram:
    """The linear map: tangents of the positional arguments in, tangents of the results out."""
    count = sum(child.count for child in traced.tree.children[0].children)
    chosen = set(wrt)
    if any(pytrees.fixed(traced.out_tree)):
        raise UnsupportedError("a function that returns a sparse matrix cannot be linearized",
                               "return its data, or use tg.jvp", traced.function.loc)
    likes = [(traced.paths[k], traced.leaves[k].type) if k in chosen else None for k in range(count)]
    place, at = {}, 0
    for k, value in enumerate(traced.function.results):
        if value.type.dtype.inexact:
            place[k], at = at, at + 1
    structure = derivative_programs.pair_with_aux(traced)[0] if has_aux else traced.out_tree
    outs = [derivative_programs._tangent_out(out, place) for out in traced.outs[:structure.count]]
    return LinearProgram(linear, residuals, likes, traced.tree.children[0], outs, structure, "tangent", _general(traced))


@maker("vjp")
def _split(f: Callable, has_aux: bool) -> SplitProgram:
    return SplitProgram(f, reverse.split, functools.partial(_pull, has_aux=has_aux), "vjp")


@maker("linearize")
def _linearized(f: Callable, has_aux: bool = False) -> SplitProgram:
    return SplitProgram(f, forward.linearize, functools.partial(_push, has_aux=has_aux), "linearize")


class LinearMap:
    """The second half with its residuals: what `vjp` and `linearize` return beside the result."""

    __slots__ = ("_residuals", "_second")

    def __init__(self, second: LinearProgram, residuals: tuple[Array | Box, ...]):
        self._second, self._residuals = second, residuals

    def __copy__(self) -> LinearMap:
        return self

    def __deepcopy__(self, memo: dict) -> LinearMap:
        return self

    def __reduce__(self) -> tuple:
        raise ArgumentTypeError(f"a {type(self).__name__.lower()} cannot be pickled: it holds what one evaluation in this "
                                "process has kept, and the compiled code for it",
                                "pickle the function and its arguments, and call tg.vjp or tg.linearize where they arrive")


class Pullback(LinearMap):
    """cotangent of the result -> tuple of cotangents of the arguments. `primals`: the arguments, where one has a pattern."""

    __slots__ = ("_primals",)

    def __init__(self, second: LinearProgram, residuals: tuple[Array | Box, ...], primals: tuple[Array | Box, ...]):
        super().__init__(second, residuals)
        self._primals = primals if any(pytrees.fixed(pytrees.flatten(primals)[1])) else None

    def __call__(self, *cotangents: Any) -> tuple[Array | Box, ...]:
        if len(cotangents) != 1:
            raise ArgumentError(f"a pullback takes one cotangent, of the result's structure, and was given {len(cotangents)}",
                                "pass those of several results as the function returns them, for example pull((a, b))")
        (cotangent,) = cotangents
        self._second.check(cotangent)
        found = self._second(self._residuals, cotangent)
        if self._primals is None:
            return found
        leaves, structure = pytrees.flatten(found)
        parts = zip(leaves, pytrees.leaves_of(self._primals), pytrees.fixed(structure))
        return structure.unflatten([primal if flag else leaf for leaf, primal, flag in parts])


class Pushforward(LinearMap):
    """tangents of the arguments -> tangent of the result."""

    __slots__ = ()

    def __call__(self, *tangents: np.ndarray) -> Array | ScalarBox:
        self._second.check(tangents)
        return self._second(self._residuals, tangents)


def vjp(f: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """(f(*primals), pullback): reverse mode.

    pullback(cotangent) takes what has the structure and shapes of the result, and returns a tuple with a cotangent for
    each argument (0.0 for what is no float or complex). With has_aux, f returns (result, aux) and vjp
    (result, pullback, aux).

    Parameters: `f`, the function; `primals`, its arguments; `has_aux`.
    Result: (value, pullback).
    Errors: ArgumentTypeError and ShapeError where a cotangent does not fit the result; those of `jit`.

    >>> value, pullback = tg.vjp(lambda x, y: x * y, 3.0, 4.0)
    >>> [float(bar) for bar in pullback(1.0)]
    [4.0, 3.0]
    """
    out, residuals, second = derived(f, "vjp", has_aux)(*primals)
    if has_aux:
        return out[0], Pullback(second, residuals, primals), out[1]
    return out, Pullback(second, residuals, primals)


def linearize(f: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """(f(*primals), the linear map of tangents at `primals`), which can be called many times without running f again.

    Parameters: `f`, the function; `primals`, its arguments; `has_aux`: it returns (value, aux), and aux has no tangent.
    Result: (value, map), where map(*tangents) is the tangent of the value; with has_aux (value, map, aux).
    Errors: ArgumentTypeError and ShapeError where tangents do not fit; those of `jit`.

    >>> value, push = tg.linearize(lambda x: x**2, 3.0)
    >>> float(value), float(push(1.0)), float(push(0.5))
    (9.0, 6.0, 3.0)
    """
    out, residuals, second = derived(f, "linearize", *[True] * bool(has_aux))(*primals)
    if has_aux:
        return out[0], Pushforward(second, residuals), out[1]
    return out, Pushforward(second, residuals)


def stop_gradient(x: Any) -> Any:
    """x itself, with a derivative of zero. Takes any structure of arrays and numbers; outside traced code: the identity.

    Parameters: `x`, the structure.
    Result: the same structure.
    Errors: none of its own.

    >>> float(tg.grad(lambda x: x * tg.stop_gradient(x))(3.0))
    3.0
    """
    if tracing.active() is None:
        return x
    builder = tracing.current().builder

    def stop(leaf: Box) -> Box:
        if not isinstance(leaf, boxes.Box) or not leaf.read().type.dtype.inexact:
            return leaf
        value = builder("stop_gradient", leaf.read())
        return boxes.ArrayBox(value) if isinstance(leaf, boxes.ArrayBox) else boxes.ScalarBox(value, leaf.weak)

    return pytrees.map(stop, x)

