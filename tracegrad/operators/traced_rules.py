"""The rules that authors give for the derivatives of their functions, traced for one call and checked against it.

    tangents  a rule of forward mode: parameters, tangents -> results, tangents
    halves    a rule of reverse mode: parameters -> results, residuals; residuals, cotangents -> cotangents

custom.py says when, and autodiff/custom_rules.py what derivatives are made of them.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..autodiff.custom_calls import closed
from ..ir.build import Builder, const
from ..ir.clone import dims_of, inline, lift_free
from ..ir.core import Function, Value, subst_type
from ..ir.errors import ArgumentError, ArgumentTypeError, DTypeError, Frame, Loc, ShapeError, UnsupportedError
from ..programs.derivative_programs import dynamic, explicit, inexact, tuple_of
from ..tracer import pytrees
from ..tracer.staging import arguments, signature, trace_function
from ..tracer.staging.arguments import Call
from ..tracer.staging.signature import Leaf
from ..tracer.staging.traced import Out, Traced

if TYPE_CHECKING:
    from ..ir.types import Type
    from ..tracer.pytrees import TreeDef
    from .custom import Custom

_NO_TANGENT = signature.static(0.0)              # the tangent of something that is no float
_NO_KEYWORDS = pytrees.TreeDef(pytrees.DICT, ((), ()), ())


def named(function: Callable) -> str:
    return getattr(function, "__name__", type(function).__name__)


class _Chosen(NamedTuple):
    """Some arguments: their structures, their leaf specifications, the numbers of those leaves."""

    structures: list
    specifications: list
    leaves: list


class Primal:
    """A traced call of a function with a rule.

    spans   for each argument, its leaves;  fixed, moving  positions of the arguments that are not, and that are differentiated
    inputs  the parameters of the call that derivatives pass through;  results  for each returned leaf its result or None
    """

    def __init__(self, custom: Custom, traced: Traced):
        self.custom, self.traced, self.function = custom, traced, traced.function
        self.arguments = traced.tree.children[0].children
        count, start, self.spans = len(self.arguments), 0, []
        for child in self.arguments:
            self.spans.append(range(start, start + child.count))
            start += child.count
        for k in custom.nondiff_argnums:
            if not -count <= k < count:
                raise ArgumentError(f"nondiff_argnums names argument {k} of `{custom.name}`, which was given {count} arguments",
                                    "name positions of arguments", arguments.where(custom.fun))
        chosen = {k % count for k in custom.nondiff_argnums}
        self.fixed, self.moving = sorted(chosen), [k for k in range(count) if k not in chosen]
        self.ahead = "*nondiff, " if self.fixed else ""      # what a rule gets before all else
        self.param = {leaf: p for p, leaf in enumerate(dynamic(traced))}
        self.leaves = [k for m in self.moving for k in self.spans[m]]
        self.inputs = tuple(self.param[k] for k in self.leaves if inexact(traced.leaves[k]))
        self.count = len(self.function.results)
        self.own = len(self.function.params) - len(traced.captured)
        self.out_paths = traced.out_tree.paths("out")
        known = set(self.function.params)
        if any(d not in known for r in self.function.results for d in dims_of(r.type)):
            raise UnsupportedError(f"`{custom.name}` has a custom derivative and returns a length that depends on values",
                                   "return arrays whose lengths follow from those of the arguments",
                                   arguments.where(custom.fun))

    def structures(self, positions: list[int]) -> _Chosen:
        """The arguments at these positions."""
        found = [k for m in positions for k in self.spans[m]]
        return _Chosen([self.arguments[m] for m in positions], [self.traced.leaves[k] for k in found], found)

    def expect(self, what: str, found: pytrees.TreeDef, expected: pytrees.TreeDef, remedy: str, loc: Loc) -> None:
        if found != expected:
            raise ArgumentTypeError(f"{what} has the structure {found!r}, where `{self.custom.name}` has {expected!r}",
                                    remedy, loc)


def _expect_takes(rule: Callable, count: int, form: str) -> None:
    """Raises where a rule cannot be called with `count` arguments, which `form` describes."""
    try:
        inspect.signature(rule).bind(*[None] * count)
    except TypeError:
        raise ArgumentTypeError(f"the rule `{named(rule)}` takes {inspect.signature(rule)}, and is called as {form}, with "
                                f"{count} argument{'s' * (count != 1)}", f"give it the parameters of {form}",
                                arguments.where(rule)) from None
    except ValueError:                           # a builtin that does not say what it takes
        return


def _trace_rule(rule: Callable, structures: Sequence[TreeDef], leaves: Sequence[Leaf], paths: Sequence[str],
                form: str) -> Traced:
    """A rule on arguments of these types, as a program that returns results only."""
    _expect_takes(rule, len(structures), form)
    call = Call(tuple_of(tuple_of(*structures), _NO_KEYWORDS), tuple(leaves), tuple(paths),
                tuple(leaf.value if leaf.kind == "static" else None for leaf in leaves), {})
    return explicit(trace_function.trace_call(rule, call, writes=False))


def _pair(rule: Callable, traced: Traced, what: str) -> tuple[pytrees.TreeDef, pytrees.TreeDef]:
    structure = traced.out_tree
    if structure.kind is not pytrees.TUPLE or len(structure.children) != 2:
        raise ArgumentTypeError(f"the rule `{named(rule)}` must return a pair {what}, but returns {structure!r}",
                                f"write return {what}", arguments.where(rule))
    return structure.children


def _run(primal: Primal, traced: Traced, known: dict[Value, Value], builder: Builder, args: Sequence[Value],
         everything: bool = False) -> Sequence:
    """Emit a traced rule; `known` leads from values of the trace around the call to values here. Returns, for each leaf that
    the rule returns, a value or the Python object that it is; with `everything` also all results of the function."""
    f, free = lift_free(traced.function)
    outside: list = []
    for v in free:
        if v not in known:
            raise UnsupportedError(f"the rule of `{primal.custom.name}` uses a traced value from outside, "
                                   f"`{v.name or 'computed there'}`",
                                   f"pass it to `{primal.custom.name}` as an argument", traced.function.loc)
        outside.append(known[v])
    results = inline(builder, f, (*args, *outside))
    found = [out.value if out.kind == "static" else results[out.computed] for out in traced.outs]
    return (found, results) if everything else found


def _value(builder: Builder, found: Value, like: Type, path: str, what: str, loc: Loc, exact: bool) -> Value:
    """A leaf that a rule returned, as a value of the type that it must have. `exact`: the dtype must be the same too."""
    if not isinstance(found, Value):
        if isinstance(found, bool) or not isinstance(found, (int, float, complex)):
            raise ArgumentTypeError(f"{what} of {path} is {found!r}", f"return an array or a number of shape {like.dims}", loc)
        if found == 0:
            return builder.full(0, like.dims, like.dtype)
        found = const(found, _complex(like, path, what, loc) if isinstance(found, complex) else like.dtype)
    have = found.type
    if have.dims != like.dims:
        raise ShapeError(f"{what} of {path} has shape {have.dims}, where {like.dims} is expected",
                         "return one of that shape", loc)
    if have.dtype is like.dtype:
        return found
    if exact or (have.dtype.complex and not like.dtype.complex):
        raise DTypeError(f"{what} of {path} has dtype {have.dtype.np}, where {like.dtype.np} is expected",
                         "return its real part" if have.dtype.complex and not like.dtype.complex
                         else f"convert it with .astype(np.{like.dtype.np})", loc)
    return builder.cast(found, like.dtype)


def _complex(like: Type, path: str, what: str, loc: tuple[Frame, ...]) -> Any:
    if not like.dtype.complex:
        raise DTypeError(f"{what} of {path} is complex, where {like.dtype.np} is expected", "return its real part", loc)
    return like.dtype


def _results(primal: Primal, builder: Builder, found: Sequence[Value], loc: Loc, mapping: dict[Value, Value]) -> list[Value]:
    """The results of the call, as a rule computed them. `mapping` leads from the call's parameters to values here."""
    results: list = [None] * primal.count
    for out, x, path in zip(primal.traced.outs, found, primal.out_paths):
        if out.result is not None:
            like = subst_type(primal.function.results[out.result].type, mapping)
            results[out.result] = _value(builder, x, like, path, f"what the rule of `{primal.custom.name}` returns", loc, True)
    return results


def _known(primal: Primal, params: tuple[Value, ...]) -> dict[Value, Value]:
    """Values of the trace around the call, and parameters of the call -> `params` of a function that begins with those."""
    own = primal.own
    return dict(zip(primal.function.params, params)) | dict(zip(primal.traced.captured, params[own:]))


# --- forward mode: params, tangents -> results, tangents --------------------------------------------------------------------

def tangents(primal: Primal, rule: Callable) -> Function:
    f, leaves, paths, loc = primal.function, primal.traced.leaves, primal.traced.paths, arguments.where(rule)
    fixed, moving = primal.structures(primal.fixed), primal.structures(primal.moving)
    order = [*fixed.leaves, *moving.leaves]
    tangents = [leaves[k] if inexact(leaves[k]) else _NO_TANGENT for k in moving.leaves]
    traced = _trace_rule(rule, [*fixed.structures, tuple_of(*moving.structures), tuple_of(*moving.structures)],
                         [*[leaves[k] for k in order], *tangents],
                         [*[paths[k] for k in order], *[f"{paths[k]}_dot" for k in moving.leaves]],
                         f"rule({primal.ahead}primals, tangents)")
    given = primal.traced.out_tree
    for what, found in zip(("out", "out_dot"), _pair(rule, traced, "(out, out_dot)")):
        primal.expect(f"{what} of the rule", found, given, "return both in the structure that the function returns", loc)

    def emit(b: Builder, params: tuple[Value, ...]) -> Any:
        known, dots = _known(primal, params), iter(params[len(f.params):])
        args = [params[primal.param[k]] for k in order if k in primal.param]
        found = _run(primal, traced, known, b, [*args, *dots])
        results, moved = _results(primal, b, found[:given.count], loc, known), {}
        for out, x, path in zip(primal.traced.outs, found[given.count:], primal.out_paths):
            if out.result is not None and results[out.result].type.dtype.inexact:
                moved[out.result] = _value(b, x, results[out.result].type, path, "the tangent", loc, False)
        return [*results, *[moved[k] for k in sorted(moved)]]

    names = [p.name for p in f.params] + [f"{f.params[k].name}_dot" for k in primal.inputs]
    return closed(f"{f.name}_jvp", (*f.params, *[Value(f.params[k].type) for k in primal.inputs]), names, emit, loc)


# --- reverse mode: params -> results, residuals;  residuals, cotangents -> cotangents ----------------------------------------

def _leaf_of(out: Out, value: Value | None) -> Leaf:
    """What a returned leaf is as an argument."""
    if value is None:
        return signature.static(out.value)
    if out.kind == "array":
        return Leaf("array", value.type.dtype, value.type.dims)
    return Leaf("numpy" if out.kind == "bool" else out.kind, value.type.dtype)


def halves(primal: Primal, fwd: Callable, bwd: Callable) -> tuple[Function, Function]:
    """What the backward half needs besides what `fwd` calls residuals: the arguments that are not differentiated, and
    lengths and values from around the call that `bwd` uses."""
    f, traced = primal.function, primal.traced
    ahead = _trace_rule(fwd, primal.arguments, traced.leaves, traced.paths, "fwd(*args)")
    out_tree, res_tree = _pair(fwd, ahead, "(out, residuals)")
    primal.expect("out of the forward rule", out_tree, traced.out_tree, "return (f(*args), residuals)",
                  arguments.where(fwd))
    kept = ahead.outs[out_tree.count:]
    back, fixed = _trace_backward(primal, bwd, ahead, kept, res_tree)
    free = lift_free(back.function)[1]
    inside = [v for v in free if v not in _known(primal, f.params)]
    ahead.function.body.yields += tuple(inside)
    dynamic_residuals = [out.result for out in kept if out.result is not None]

    def emit(b: Builder, params: tuple[Value, ...]) -> list[Value]:
        known = _known(primal, params)
        found, values = _run(primal, ahead, known, b, params[:primal.own], True)
        known |= dict(zip(inside, values[len(values) - len(inside):]))
        results = _results(primal, b, found[:out_tree.count], arguments.where(fwd), known)
        residuals = [*[params[primal.param[k]] for k in fixed], *[values[k] for k in dynamic_residuals]]
        residuals += [known[v] for v in free]
        lengths = [d for v in (*results, *residuals) for d in dims_of(v.type)]
        return [*results, *residuals, *[d for d in dict.fromkeys(lengths) if d not in residuals]]

    forward = closed(f"{f.name}_forward", f.params, [p.name for p in f.params], emit, arguments.where(fwd))
    return forward, _backward(primal, bwd, forward, back, free)


def _trace_backward(primal: Primal, bwd: Callable, ahead: Traced, kept: tuple[Out, ...], res_tree: TreeDef) -> tuple[Traced,
                    list[int]]:
    """(`bwd` traced on its arguments, the leaves of the call's arguments among those)."""
    traced = primal.traced
    structures, leaves, order = primal.structures(primal.fixed)
    residuals = [_leaf_of(out, None if out.result is None else ahead.function.results[out.result]) for out in kept]
    flows = []
    for out in traced.outs:
        value = None if out.result is None else primal.function.results[out.result]
        flows.append(_leaf_of(out, value) if value is not None and value.type.dtype.inexact else _NO_TANGENT)
    paths = [*[traced.paths[k] for k in order], *res_tree.paths("residuals"), *traced.out_tree.paths("out_bar")]
    back = _trace_rule(bwd, [*structures, res_tree, traced.out_tree], [*leaves, *residuals, *flows], paths,
                       f"bwd({primal.ahead}residuals, out_bar)")
    return back, [k for k in order if k in primal.param]


def _backward(primal: Primal, bwd: Callable, forward: Function, back: Traced, free: list) -> Function:
    loc, count = arguments.where(bwd), primal.count
    residuals = forward.results[count:]
    flows = [Value(r.type, "out_bar") for r in forward.results[:count] if r.type.dtype.inexact]
    places = _cotangent_places(primal, bwd, back.out_tree, loc)
    given = len(back.function.params) - len(flows)               # arguments of `bwd` that are residuals

    def emit(b: Builder, params: tuple[Value, ...]) -> list[Value]:
        own, after = params[:given], params[given:given + len(free)]
        found = _run(primal, back, dict(zip(free, after)), b, [*own, *params[len(residuals):]])
        mapping = dict(zip(residuals, params))
        bars = []
        for leaf, k in zip(_inexact_leaves(primal), primal.inputs):
            like = _in_backward(primal.function.params[k].type, primal, forward, mapping)
            bar, path = places[leaf], primal.traced.paths[leaf]
            bars.append(b.full(0, like.dims, like.dtype) if bar is None else
                        _value(b, found[bar], like, path, "the cotangent", loc, False))
        return bars

    names = [v.name for v in residuals] + ["out_bar"] * len(flows)
    return closed(f"{primal.function.name}_backward", (*residuals, *flows), names, emit, loc)


def _in_backward(type_: Type, primal: Primal, forward: Function, mapping: dict[Value, Value]) -> Type:
    """The type of a parameter of the call in the backward half, where its lengths are residuals."""
    return subst_type(subst_type(type_, dict(zip(primal.function.params, forward.params))), mapping)


def _inexact_leaves(primal: Primal) -> list[int]:
    return [k for k in primal.leaves if inexact(primal.traced.leaves[k])]


def _cotangent_places(primal: Primal, bwd: Callable, found: pytrees.TreeDef, loc: Loc) -> dict[int, int | None]:
    """For each leaf of the differentiated arguments, the leaf that `bwd` returns for it; None for zero."""
    expected = [primal.arguments[m] for m in primal.moving]
    if found.kind is not pytrees.TUPLE or len(found.children) != len(expected):
        what = f"a tuple of {len(found.children)}" if found.kind is pytrees.TUPLE else f"the structure {found!r}"
        raise ArgumentTypeError(
            f"`{named(bwd)}` must return a tuple with the cotangent of each of the {len(expected)} differentiated arguments "
            f"of `{primal.custom.name}`, but returns {what}",
            "write return (x_bar,) for one argument, None for a cotangent that is zero", loc)
    places: list[int | None] = []
    counter = iter(range(found.count))
    for m, part, whole in zip(primal.moving, found.children, expected):
        if not pytrees.places_of(part, whole, counter, places):
            raise ArgumentTypeError(f"the cotangent of argument {m} has the structure {part!r}, the argument {whole!r}",
                                    "return it in the structure of the argument, with None for parts that are zero", loc)
    return dict(zip(primal.leaves, places))
