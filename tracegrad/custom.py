"""`custom_jvp` and `custom_vjp`: a function whose derivative its author gives, with the interface of JAX.

    @tg.custom_jvp                            @tg.custom_vjp
    def f(x, y): …                            def f(x, y): …

    @f.defjvp                                 def fwd(x, y):        return f(x, y), residuals
    def rule(primals, tangents):              def bwd(residuals, out_bar):    return x_bar, y_bar
        return out, out_dot                   f.defvjp(fwd, bwd)

In traced code a call of `f` becomes a `call` op with a rule (autodiff/rules.py). The rule is traced when something first
differentiates the call, for the types of that call, so a rule may call `f` itself. What it returns is checked against `f`.
"""
from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .autodiff.custom import closed
from .autodiff.rules import Rule
from .ir.build import const
from .ir.core import Const, Function, Value
from .ir.errors import ArgumentError, ArgumentTypeError, DTypeError, Loc, ShapeError, UnsupportedError
from .ir.rewrite import dims_of, inline, lift_free
from .tracer import context, signature, stage, tree
from .tracer.signature import Leaf
from .tracer.stage import Call, Out, Traced
from .api import emitted
from .derive import dynamic, explicit, inexact, tuple_of

_NO_TANGENT = signature.static(0.0)              # the tangent of something that is no float
_NO_KEYWORDS = tree.TreeDef(tree.DICT, ((), ()), ())


class Custom:
    """A function with a rule. Called outside traced code it is the function itself."""

    operator = ""
    definition = ""

    def __init__(self, fun: Callable, nondiff_argnums=()):
        if not callable(fun):
            raise ArgumentTypeError(f"tg.{self.operator} takes a function, got a {type(fun).__name__}", f"write @tg.{self.operator} above a def")
        self.fun = fun
        self.nondiff_argnums = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else tuple(nondiff_argnums)
        self.rules: tuple = ()
        functools.update_wrapper(self, fun, updated=())

    @property
    def name(self) -> str:
        return getattr(self.fun, "__name__", type(self.fun).__name__)

    def __repr__(self):
        return f"<tracegrad.{self.operator} of {getattr(self.fun, '__qualname__', self.fun)}>"

    def __get__(self, instance, owner=None):
        """A method, where the function stands in a class body."""
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args, **kwargs):
        return self.fun(*args, **kwargs) if context.active() is None else self.__tracegrad_call__(args, kwargs)

    def __tracegrad_call__(self, args, kwargs):
        """A call in traced code."""
        if not self.rules:
            raise ArgumentError(f"`{self.name}` is a {self.operator} without a rule", self.definition, stage._where(self.fun))
        call = stage.flatten_call(self.fun, self.positional(args, kwargs))
        traced = stage.trace_inner_call(self.fun, call, writes=True)
        if traced.writes:
            path = traced.paths[dynamic(traced)[next(iter(traced.writes))]]
            raise UnsupportedError(f"`{self.name}` has a custom derivative and overwrites its argument {path}",
                                   f"let it work on a copy: {path} = {path}.copy()", context.locate())
        traced = explicit(traced)
        rule = self.rule(_Primal(self, traced))
        return emitted(traced, call, lambda builder, f, operands: builder.emit("call", *operands, callee=f, rule=rule))

    def positional(self, args, kwargs) -> tuple:
        """All arguments by position, those left to their defaults too."""
        if not kwargs and len(args) == len(stage.parameters_of(self.fun).names):
            return tuple(args)
        try:
            bound = inspect.signature(self.fun).bind(*args, **kwargs)
        except ValueError:                       # a builtin that does not say what it takes
            return tuple(args)
        bound.apply_defaults()
        if bound.kwargs:
            raise ArgumentError(f"`{self.name}` has a custom derivative and takes {', '.join(bound.kwargs)} by keyword only",
                                "make every parameter one that can be given by position", context.locate())
        return bound.args

    def rule(self, primal: "_Primal") -> Rule:
        raise NotImplementedError


class CustomJVP(Custom):
    """What `custom_jvp` makes."""

    operator = "custom_jvp"
    definition = "define it with f.defjvp(rule), where rule(primals, tangents) returns (out, out_dot)"

    def defjvp(self, rule: Callable, symbolic_zeros: bool = False) -> Callable:
        """Set the rule: rule(primals, tangents) -> (out, out_dot), both tuples of the differentiable arguments; arguments that
        nondiff_argnums names come first, one by one. Returns the rule, so it can stand as a decorator."""
        if symbolic_zeros:
            raise UnsupportedError("defjvp(symbolic_zeros=True)", "leave it out: tangents that are zero cost nothing after the passes")
        _expect_callable(rule, "defjvp")
        self.rules = (rule,)
        return rule

    def defjvps(self, *rules: Callable | None) -> None:
        """Set one rule for each argument: rule(tangent, out, *primals) -> its part of out_dot, or None where there is none."""
        if self.nondiff_argnums:
            raise ArgumentError("defjvps does not go with nondiff_argnums", "write one rule with defjvp")
        for rule in rules:
            if rule is not None:
                _expect_callable(rule, "defjvps")
        fun = self.fun

        def whole(primals, tangents):
            if len(rules) != len(primals):
                raise ArgumentError(f"defjvps was given {len(rules)} rules for {len(primals)} arguments", "give one for each, None where there is none")
            out = fun_of(self)(*primals)
            parts = [stage.calls.call(rule, t, out, *primals) for rule, t in zip(rules, tangents) if rule is not None]
            return out, _sum(parts, out)

        def fun_of(custom):
            return lambda *args: stage.calls.call(custom, *args)

        whole.__name__ = f"{getattr(fun, '__name__', 'f')}_rules"
        self.rules = (whole,)

    def rule(self, primal: "_Primal") -> Rule:
        (rule,) = self.rules
        return Rule(self.name, primal.inputs, primal.count, loc=stage._where(rule), tangents=lambda: _tangents(primal, rule))


class CustomVJP(Custom):
    """What `custom_vjp` makes."""

    operator = "custom_vjp"
    definition = "define it with f.defvjp(fwd, bwd): fwd(*args) returns (out, residuals), bwd(residuals, out_bar) a tuple of cotangents"

    def defvjp(self, fwd: Callable, bwd: Callable, symbolic_zeros: bool = False, optimize_remat: bool = False) -> None:
        """Set the rule: fwd(*args) -> (out, residuals); bwd(residuals, out_bar) -> a tuple with the cotangent of each
        differentiable argument, None for zero. Arguments that nondiff_argnums names come to bwd first, one by one."""
        if symbolic_zeros:
            raise UnsupportedError("defvjp(symbolic_zeros=True)", "leave it out: cotangents that are zero cost nothing after the passes")
        _expect_callable(fwd, "defvjp")
        _expect_callable(bwd, "defvjp")
        self.rules = fwd, bwd

    def rule(self, primal: "_Primal") -> Rule:
        fwd, bwd = self.rules
        return Rule(self.name, primal.inputs, primal.count, loc=stage._where(bwd), halves=lambda: _halves(primal, fwd, bwd))


def _expect_callable(rule, method: str) -> None:
    if not callable(rule):
        raise ArgumentTypeError(f"{method} takes functions, got a {type(rule).__name__}", f"write f.{method}(rule), not f.{method}(rule(…))")


def _sum(parts, out):
    """The sum of structures; zeros of the structure of `out` where there are none."""
    leaves, structure = tree.flatten(out)
    columns = [structure.flatten_up_to(part) for part in parts]
    return structure.unflatten([functools.reduce(lambda a, b: a + b, row) for row in zip(*columns)] if columns else [leaf * 0.0 for leaf in leaves])


def custom_jvp(fun: Callable | None = None, nondiff_argnums=()) -> Any:
    """A function whose derivative a rule for forward mode gives: `f.defjvp(rule)` or `f.defjvps(…)`.

    rule(primals, tangents) returns (out, out_dot). It serves forward mode, and where it is linear in the tangents its
    transpose serves reverse mode. Derivatives of higher order differentiate the rule itself.
    nondiff_argnums   positions of arguments that are not differentiated; the rule gets them first, one by one
    """
    return functools.partial(custom_jvp, nondiff_argnums=nondiff_argnums) if fun is None else CustomJVP(fun, nondiff_argnums)


def custom_vjp(fun: Callable | None = None, nondiff_argnums=()) -> Any:
    """A function whose derivative a rule for reverse mode gives: `f.defvjp(fwd, bwd)`.

    fwd(*args) returns (out, residuals), bwd(residuals, out_bar) a tuple with the cotangent of each argument. It serves reverse
    mode, and where bwd is linear in out_bar its transpose serves forward mode. Derivatives of higher order differentiate fwd and bwd.
    nondiff_argnums   positions of arguments that are not differentiated; bwd gets them first, one by one
    """
    return functools.partial(custom_vjp, nondiff_argnums=nondiff_argnums) if fun is None else CustomVJP(fun, nondiff_argnums)


# --- what a rule is traced for ---------------------------------------------------------------------------------------------

class _Primal:
    """A traced call of a function with a rule.

    spans   for each argument, its leaves;  fixed, moving  the positions of the arguments that are not and that are differentiated
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
                                    "name positions of arguments", stage._where(custom.fun))
        chosen = {k % count for k in custom.nondiff_argnums}
        self.fixed, self.moving = sorted(chosen), [k for k in range(count) if k not in chosen]
        self.param = {leaf: p for p, leaf in enumerate(dynamic(traced))}
        self.leaves = [k for m in self.moving for k in self.spans[m]]
        self.inputs = tuple(self.param[k] for k in self.leaves if inexact(traced.leaves[k]))
        self.count = len(self.function.results)
        self.own = len(self.function.params) - len(traced.captured)

    def structures(self, positions):
        """(structures, leaf specifications, leaf numbers) of the arguments at these positions."""
        found = [k for m in positions for k in self.spans[m]]
        return [self.arguments[m] for m in positions], [self.traced.leaves[k] for k in found], found

    def expect(self, what: str, found: tree.TreeDef, expected: tree.TreeDef, remedy: str, loc: Loc) -> None:
        if found != expected:
            raise ArgumentTypeError(f"{what} has the structure {found!r}, where `{self.custom.name}` has {expected!r}", remedy, loc)


def _trace_rule(rule: Callable, structures, leaves, paths) -> Traced:
    """A rule on arguments of these types, as a program that returns results only."""
    call = Call(tuple_of(tuple_of(*structures), _NO_KEYWORDS), tuple(leaves), tuple(paths),
                tuple(leaf.value if leaf.kind == "static" else None for leaf in leaves), {})
    return explicit(stage.trace_call(rule, call, writes=False))


def _pair(rule: Callable, traced: Traced, what: str) -> tuple[tree.TreeDef, tree.TreeDef]:
    structure = traced.out_tree
    if structure.kind is not tree.TUPLE or len(structure.children) != 2:
        raise ArgumentTypeError(f"the rule `{rule.__name__}` must return a pair {what}, but returns {structure!r}", f"write return {what}",
                                stage._where(rule))
    return structure.children


def _run(primal: _Primal, traced: Traced, known: dict[Value, Value], builder, args) -> list:
    """Emit a traced rule; `known` leads from values of the trace around the call to values here. Returns, for each leaf that
    the rule returns, a value or the Python object that it is."""
    f, free = lift_free(traced.function)
    outside = []
    for v in free:
        if v not in known:
            raise UnsupportedError(f"the rule of `{primal.custom.name}` uses a traced value from outside, `{v.name or 'computed there'}`",
                                   f"pass it to `{primal.custom.name}` as an argument", traced.function.loc)
        outside.append(known[v])
    results = inline(builder, f, (*args, *outside))
    return [out.value if out.kind == "static" else results[out.result] for out in traced.outs]


def _value(builder, found, like, path: str, what: str, loc: Loc, exact: bool):
    """A leaf that a rule returned, as a value of the type that it must have. `exact`: the dtype must be the same too."""
    if not isinstance(found, Value):
        if isinstance(found, bool) or not isinstance(found, (int, float, complex)):
            raise ArgumentTypeError(f"{what} of {path} is {found!r}", f"return an array or a number of shape {like.dims}", loc)
        found = const(found, like.dtype) if not isinstance(found, complex) else found
        if isinstance(found, Value) and like.dims and found.item == 0:
            return builder.full(0, like.dims, like.dtype)
        found = found if isinstance(found, Value) else const(found, _complex(like, path, what, loc))
    have = found.type
    if have.dims != like.dims:
        raise ShapeError(f"{what} of {path} has shape {have.dims}, where {like.dims} is expected", "return one of that shape", loc)
    if have.dtype is like.dtype:
        return found
    if exact or (have.dtype.complex and not like.dtype.complex):
        raise DTypeError(f"{what} of {path} has dtype {have.dtype.np}, where {like.dtype.np} is expected",
                         f"return its real part{'' if exact else ' or check the formula'}" if have.dtype.complex and not like.dtype.complex
                         else f"convert it with .astype(np.{like.dtype.np})", loc)
    return builder.cast(found, like.dtype)


def _complex(like, path, what, loc):
    if not like.dtype.complex:
        raise DTypeError(f"{what} of {path} is complex, where {like.dtype.np} is expected", "return its real part", loc)
    return like.dtype


def _results(primal: _Primal, builder, found, paths, loc: Loc, mapping) -> list[Value]:
    """The results of the call, as a rule computed them."""
    results: list = [None] * primal.count
    for out, x, path in zip(primal.traced.outs, found, paths):
        if out.result is not None:
            like = primal.function.results[out.result]
            results[out.result] = _value(builder, x, _like(like, mapping), path, "the result", loc, True)
    return results


def _like(value: Value, mapping):
    """The type of a result or parameter of the call; lengths that the call's own arguments do not give stay as they are."""
    return stage.subst_type(value.type, mapping) if hasattr(stage, "subst_type") else _subst(value.type, mapping)


def _subst(type_, mapping):
    return type_ if type_.static else type(type_)(type_.dtype, tuple(d if isinstance(d, int) else mapping.get(d, d) for d in type_.dims))
