"""What frameworks need of a function beside its value: its pullback and its pushforward as functions, and its result's types.

Derivatives of higher order are made by the frameworks: the pullback is itself a function with a pullback.
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from ..captures.captures import captures_of
from ..ir.errors import ArgumentError, ArgumentTypeError, TracegradError
from ..jitted.api import Jitted
from ..jitted.functions import derived
from ..operators.batching import vmap
from ..operators.transforms import jvp, vjp
from ..programs.derivative_programs import explicit
from ..tracer.pytrees import TreeDef
from ..tracer.staging.traced import Traced
from ..tracer.syntax import source

if TYPE_CHECKING:
    from ..ir.core import Value

source.OPEN |= {__package__}


class MissingPackageError(TracegradError, ImportError):
    """A package is not installed."""


def package(name: str, pip: str) -> ModuleType:
    """The imported package, or one line that says how to get it."""
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingPackageError(f"{name.partition('.')[0]} cannot be imported: {error}", f"pip install {pip}") from error


def pulled(f: Callable) -> Callable:
    """(args, cotangents of the results) -> the cotangents of args."""
    @functools.wraps(f, assigned=("__name__", "__qualname__"), updated=())
    def pull(args: Sequence[Value], bars: Any) -> Any:
        return vjp(f, *args)[1](bars)
    return pull


def pushed(f: Callable) -> Callable:
    """(args, tangents) -> the tangents of the results."""
    @functools.wraps(f, assigned=("__name__", "__qualname__"), updated=())
    def push(args: Any, dots: Any) -> Any:
        return jvp(f, args, dots)[1]
    return push


def spread(f: Callable) -> Callable:
    """(args, kwargs) -> what f returns for them."""
    @functools.wraps(f, assigned=("__name__", "__qualname__"), updated=())
    def call(args: Sequence[Value], kwargs: dict[str, Value]) -> Any:
        return f(*args, **kwargs)
    return call


@functools.cache
def batched(f: Callable, structure: TreeDef, axes: tuple[int | None, ...]) -> Callable:
    """The leaves of many arguments -> many results along a first axis. axes: along which axis each leaf has them."""
    @functools.wraps(f, assigned=("__name__", "__qualname__"), updated=())
    def call(*leaves: Value) -> Any:
        return f(*structure.unflatten(list(leaves)))
    return vmap(call, in_axes=axes)


class Results(NamedTuple):
    """The structure of what a function returns, and the shape and dtype of each leaf."""

    structure: TreeDef
    leaves: tuple[tuple[tuple[int, ...], np.dtype], ...]


_RESULTS: WeakKeyDictionary[Jitted, dict[Any, Results]] = WeakKeyDictionary()       # {function: {key of a call: its results}}


def results(f: Callable, args: tuple) -> Results:
    """What f returns for arguments of these types: traced once, and anew where what f captured has changed."""
    jitted = derived(f, "jit", (), ()).core
    call = jitted.flatten(args, {})
    known = _RESULTS.setdefault(jitted, {})
    key, captured = jitted.known(call)
    if captured is None or key not in known:
        program = jitted.with_captures(call)
        jitted.remember(call, program, captures_of(program.held))
        key = jitted.known(call)[0]
        known[key] = _results(explicit(program))
    return known[key]


def _results(traced: Traced) -> Results:
    found = []
    for out in traced.outs:
        if out.result is None:
            raise ArgumentTypeError(f"`{traced.function.name}` returns {out.value!r}, which is no array",
                                    "return arrays and floats", traced.function.loc)
        kind = traced.function.results[out.result].type
        if not all(isinstance(d, int) for d in kind.dims):
            raise ArgumentError(f"the length of what `{traced.function.name}` returns is known only at run time",
                                "return an array whose length the arguments' shapes give", traced.function.loc)
        found.append((kind.shape, kind.dtype.np))
    return Results(traced.out_tree, tuple(found))


def expect_function(f: Any, name: str) -> None:
    if not callable(f):
        raise ArgumentTypeError(f"{name} takes a function, got a {type(f).__name__}", "pass the function itself")
