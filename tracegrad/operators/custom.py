"""`custom_jvp` and `custom_vjp`: a function whose derivative its author gives, with the interface of JAX.

    @tg.custom_jvp                            @tg.custom_vjp
    def f(x, y): …                            def f(x, y): …

    @f.defjvp                                 def fwd(x, y):        return f(x, y), residuals
    def rule(primals, tangents):              def bwd(residuals, out_bar):    return x_bar, y_bar
        return out, out_dot                   f.defvjp(fwd, bwd)

In traced code a call of `f` becomes a `call` op with a rule (autodiff/custom_rules.py). The rule is traced when something first
differentiates the call, for the types of that call, so a rule may call `f` itself. What it returns is checked against `f`.
"""
from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import pickling
from ..autodiff.custom_rules import Rule
from ..captures.frozen_closures import HOLDERS, frozen
from ..ir.errors import ArgumentError, ArgumentTypeError, UnsupportedError
from ..jitted.emitting import emitted
from ..programs.derivative_programs import dynamic, explicit, summed
from ..tracer import tracing
from ..tracer.staging import arguments, signature, trace_function
from ..tracer.values import captured_values
from . import traced_rules
from .traced_rules import Primal, named

if TYPE_CHECKING:
    from ..ir.types import Array
    from ..tracer.values.boxes import ArrayBox, Box


class Custom:
    """A function with a rule. Called outside traced code it is the function itself."""

    operator = ""
    definition = ""

    def __init__(self, fun: Callable, nondiff_argnums: int | tuple[int, ...] = ()):
        if not callable(fun):
            raise ArgumentTypeError(f"tg.{self.operator} takes a function, got a {type(fun).__name__}",
                                    f"write @tg.{self.operator} above a def")
        functools.update_wrapper(self, fun)
        self.fun = fun
        self.nondiff_argnums = signature.indices(nondiff_argnums, "nondiff_argnums")
        self.rules: tuple = ()

    @property
    def name(self) -> str:
        return named(self.fun)

    def __repr__(self) -> str:
        return f"<tracegrad.{self.operator} of {getattr(self.fun, '__qualname__', self.fun)}>"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A method, where the function stands in a class body."""
        return self if instance is None else functools.partial(self, instance)

    def __deepcopy__(self, memo: dict | None = None) -> Custom:
        return self

    __copy__ = __deepcopy__

    def __reduce_ex__(self, protocol: Any) -> str | tuple:
        return pickling.reduced_object(self, self.fun, (self.nondiff_argnums,), {"rules": self.rules})

    def __call__(self, *args: Array, **kwargs: Any) -> Array:
        return self.fun(*args, **kwargs) if tracing.active() is None else self.__tracegrad_call__(args, kwargs)

    def __tracegrad_call__(self, args: tuple[dict[str, ArrayBox] | Box | tuple[Box, ...], ...], kwargs: dict) -> Any:
        """A call in traced code."""
        captured_values.state(self, "rules")
        if not self.rules:
            raise ArgumentError(f"`{self.name}` is a {self.operator} without a rule", self.definition,
                                arguments.where(self.fun))
        call = arguments.flatten_call(self.fun, self.positional(args, kwargs))
        traced = trace_function.trace_inner_call(self.fun, call, writes=True)
        if traced.writes:
            path = traced.paths[dynamic(traced)[next(iter(traced.writes))]]
            raise UnsupportedError(f"`{self.name}` has a custom derivative and overwrites its argument {path}",
                                   f"let it work on a copy: {path} = {path}.copy()", tracing.locate())
        traced = explicit(traced)
        rule = _frozen(self, {}).rule(Primal(self, traced))
        return emitted(traced, call, lambda builder, f, operands: builder.emit("call", *operands, callee=f, rule=rule))

    def positional(self, args: tuple[dict[str, ArrayBox] | Box | tuple[Box, ...], ...], kwargs: dict) -> tuple:
        """All arguments by position, those left to their defaults too."""
        if not kwargs and len(args) == len(arguments.parameters_of(self.fun).names):
            return tuple(args)
        try:
            bound = inspect.signature(self.fun).bind(*args, **kwargs)
        except ValueError:                       # a builtin that does not say what it takes
            return tuple(args)
        bound.apply_defaults()
        if bound.kwargs:
            raise ArgumentError(f"`{self.name}` has a custom derivative and takes {', '.join(bound.kwargs)} by keyword only",
                                "make every parameter one that can be given by position", tracing.locate())
        return bound.args

    def rule(self, primal: Primal) -> Rule:
        raise NotImplementedError


class CustomJVP(Custom):
    """What `custom_jvp` makes."""

    operator = "custom_jvp"
    definition = "define it with f.defjvp(rule), where rule(primals, tangents) returns (out, out_dot)"

    def defjvp(self, rule: Callable, symbolic_zeros: bool = False) -> Callable:
        """Set the rule: rule(primals, tangents) -> (out, out_dot), both tuples of the differentiable arguments; arguments that
        nondiff_argnums names come first, one by one. Returns the rule, so it can stand as a decorator."""
        if symbolic_zeros:
            raise UnsupportedError("defjvp(symbolic_zeros=True)",
                                   "leave it out: tangents that are zero cost nothing after the passes")
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

        def whole(primals: tuple[Array | Box, ...], tangents: tuple) -> Any:
            if len(rules) != len(primals):
                raise ArgumentError(f"defjvps was given {len(rules)} rules for {len(primals)} arguments",
                                    "give one for each, None where there is none")
            out = fun_of(self)(*primals)
            parts = [trace_function.calls.call(rule, t, out, *primals) for rule, t in zip(rules, tangents) if rule is not None]
            return out, summed(parts, out)

        def fun_of(custom: Custom) -> Any:
            return lambda *args: trace_function.calls.call(custom, *args)

        whole.__name__ = f"{named(self.fun)}_rules"
        self.rules = (whole,)

    def rule(self, primal: Primal) -> Rule:
        (rule,) = self.rules
        return Rule(self.name, primal.inputs, primal.count, loc=arguments.where(rule),
                    tangents=lambda: traced_rules.tangents(primal, rule))


class CustomVJP(Custom):
    """What `custom_vjp` makes."""

    operator = "custom_vjp"
    definition = ("define it with f.defvjp(fwd, bwd): fwd(*args) returns (out, residuals), bwd(residuals, out_bar) a tuple of "
                  "cotangents")

    def defvjp(self, fwd: Callable, bwd: Callable, symbolic_zeros: bool = False, optimize_remat: bool = False) -> None:
        """Set the rule: fwd(*args) -> (out, residuals); bwd(residuals, out_bar) -> a tuple with the cotangent of each
        differentiable argument, None for zero. Arguments that nondiff_argnums names come to bwd first, one by one."""
        if symbolic_zeros:
            raise UnsupportedError("defvjp(symbolic_zeros=True)",
                                   "leave it out: cotangents that are zero cost nothing after the passes")
        _expect_callable(fwd, "defvjp")
        _expect_callable(bwd, "defvjp")
        self.rules = fwd, bwd

    def rule(self, primal: Primal) -> Rule:
        fwd, bwd = self.rules
        return Rule(self.name, primal.inputs, primal.count, loc=arguments.where(bwd),
                    halves=lambda: traced_rules.halves(primal, fwd, bwd))


class CustomDerivatives(Custom):
    """A function with a rule of its own for each mode."""

    operator = "custom_derivatives"
    definition = "define them with f.defrules(rule, fwd, bwd)"

    def defrules(self, rule: Callable, fwd: Callable, bwd: Callable) -> None:
        """Set the rules: of forward mode as in `CustomJVP.defjvp`, of reverse mode as in `CustomVJP.defvjp`."""
        self.rules = rule, fwd, bwd

    def rule(self, primal: Primal) -> Rule:
        rule, fwd, bwd = self.rules
        return Rule(self.name, primal.inputs, primal.count, loc=arguments.where(bwd),
                    tangents=lambda: traced_rules.tangents(primal, rule), halves=lambda: traced_rules.halves(primal, fwd, bwd))


def _frozen(custom: Custom, memo: dict[int, Any]) -> Custom:
    """The same with its rules as they are now: they are traced later."""
    made = memo[id(custom)] = type(custom)(custom.fun, custom.nondiff_argnums)
    made.fun, made.rules = frozen(custom.fun, memo), tuple([frozen(rule, memo) for rule in custom.rules])
    return made


HOLDERS |= {CustomJVP: _frozen, CustomVJP: _frozen, CustomDerivatives: _frozen}


def _expect_callable(rule: Callable | float, method: str) -> None:
    if not callable(rule):
        raise ArgumentTypeError(f"{method} takes functions, got a {type(rule).__name__}",
                                f"write f.{method}(rule), not f.{method}(rule(…))")
