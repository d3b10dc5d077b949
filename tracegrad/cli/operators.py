"""What `--of` names: the programs that a derivative operator compiles for a call, as the call itself would compile them."""
from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..ir.types import INDEX, Array
from ..jacobians.jacobians import hessian
from ..jitted import functions
from ..jitted.api import Jitted
from ..operators.transforms import LinearProgram, grad, value_and_grad
from ..options import bytes_of, config
from ..programs.lowered import Lowered
from ..tracer.staging import arguments
from . import arguments as described
from .load import UsageError, load

if TYPE_CHECKING:
    from ..tracer.staging.traced import Out, Traced

OPERATORS = ("value", "grad", "value_and_grad", "jvp", "vjp", "hessian")
_OF_ARGUMENTS = {"grad": grad, "value_and_grad": value_and_grad, "hessian": hessian}


class Program(NamedTuple):
    """One program. title: which of several it is, "" where it is the only one."""

    title: str
    lowered: Lowered


class Target(NamedTuple):
    """A function with the arguments of a call."""

    function: Any
    args: tuple
    kwargs: dict


def configure_call(parser: argparse.ArgumentParser) -> None:
    """The options that describe a call of a function."""
    parser.add_argument("target", metavar="FILE.py:FUNCTION")
    configure_args(parser)


def configure_args(parser: argparse.ArgumentParser) -> None:
    """The option that describes arguments."""
    parser.add_argument("--args", metavar="TYPES", help="the arguments, for example \"f64[100,3], f64, mode='soft'\"")


def configure_values(parser: argparse.ArgumentParser) -> None:
    """The options of commands that run a call, for which arrays need values."""
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the numbers that fill arrays (default 0)")


def configure(parser: argparse.ArgumentParser) -> None:
    """The options of commands that look at a call of a function or of its derivative."""
    configure_call(parser)
    configure_derivative(parser)


def configure_derivative(parser: argparse.ArgumentParser) -> None:
    """The options that name a derivative of a function."""
    parser.add_argument("--of", default="value", choices=OPERATORS, help="the function itself, or a derivative of it")
    parser.add_argument("--argnums", metavar="N,…",
                        help="positions to differentiate with respect to, for grad, value_and_grad and hessian (default 0)")
    parser.add_argument("--memory-budget", metavar="SIZE", help='bytes for the tapes of loops, for example "64MB"')


def target_of(options: argparse.Namespace, fill: described.Filler = described.ones) -> Target:
    """The call, its arrays filled by `fill`.

    Raises UsageError, with the parameters of the function, where these do not fit them.
    """
    args, kwargs = described.parse_args(options.args or "", fill)
    function = load(options.target)
    expect_fit(options.target.rpartition(":")[2], function.root if isinstance(function, Jitted) else function, args, kwargs)
    return Target(function, args, kwargs)


def expect_fit(name: str, function: Callable, args: tuple, kwargs: dict) -> None:
    """Raises UsageError, with the parameters of the function, where it cannot be called with these arguments."""
    found = arguments.parameters_of(function).signature
    if found is None:
        return
    try:
        found.bind(*args, **kwargs)
    except TypeError as error:
        needed = [p for p in found.parameters.values()
                  if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        example = ", ".join("f64[100]" if p.kind is not p.KEYWORD_ONLY else f"{p.name}=f64[100]" for p in needed)
        what = f"--args does not fit {name}{found}: {error}" if args or kwargs else f"{name}{found} needs arguments"
        remedy = f"describe a call by its types: --args \"{example}\"" if needed else "leave out --args"
        raise UsageError(what, remedy) from None


def budgeted(options: argparse.Namespace) -> Any:
    """The block in which `--memory-budget` holds."""
    budget = options.memory_budget
    if budget is None:
        return config()
    if bytes_of(budget) is None:
        raise UsageError(f"--memory-budget {budget!r} is no size", "write a number of bytes, or a size such as 64MB")
    return config(memory_budget=budget)


def derived(options: argparse.Namespace, function: Callable) -> Any:
    """The compiled function that `--of` names, for those that are called like the function itself."""
    if options.of == "value":
        return function if isinstance(function, Jitted) else functions.jit(function)
    operator: Any = _OF_ARGUMENTS[options.of]
    return operator(function, argnums=argnums_of(options))


def argnums_of(options: argparse.Namespace) -> int | tuple[int, ...]:
    """The positions that `--argnums` names."""
    try:
        numbers = tuple(int(n) for n in (options.argnums or "0").split(","))
    except ValueError:
        raise UsageError(f"--argnums {options.argnums!r} are no positions", "write --argnums 0 or --argnums 0,2") from None
    return numbers[0] if len(numbers) == 1 else numbers


def programs(options: argparse.Namespace, target: Target) -> list[Program]:
    """What the call compiles: one program, or for vjp that of the call and that of the pullback."""
    function, args, kwargs = target
    if options.of not in ("jvp", "vjp"):
        return [Program("", derived(options, function).lower(*args, **kwargs))]
    if kwargs:
        raise UsageError(f"{options.of} takes positional arguments only", "write the arguments without their names")
    if options.argnums is not None:
        raise UsageError(f"{options.of} differentiates by all arguments, and --argnums says {options.argnums}",
                         "leave it out, or name a function that has the other arguments already")
    if options.of == "jvp":
        return [Program("", functions.derived(function, "jvp").lower(args, args))]
    first = functions.derived(function, "vjp", False).lower(*args)
    return [Program(f"tg.vjp({first.function.name}, …)", first), Program("its pullback", _second(first))]


def _second(first: Lowered) -> Lowered:
    """The pullback's program, for a cotangent of the result's own types."""
    traced = first.traced
    second = next(out.value for out in traced.outs if out.kind == "static" and isinstance(out.value, LinearProgram))
    leaves = [_example(traced, out) for out in traced.outs]
    result, residuals, _ = traced.out_tree.unflatten(leaves)
    return second.lower(residuals, result)


def _example(traced: Traced, out: Out) -> Array | LinearProgram:
    """Something of the type of what is returned."""
    if out.kind == "static":
        return out.value
    if out.kind == "arg":
        raise UsageError("the pullback of a function that returns an argument itself cannot be shown")
    assert out.result is not None
    found = traced.function.results[out.result].type
    if not all(isinstance(d, int) for d in found.dims):
        raise UsageError("the pullback keeps arrays whose length only run time knows", "use --of grad, or --stage vjp")
    dtype = np.dtype("i8") if found.dtype is INDEX else found.dtype.np
    made = np.ones(found.shape, dtype)
    return made if out.kind == "array" else made[()] if out.kind == "numpy" else made.item()
