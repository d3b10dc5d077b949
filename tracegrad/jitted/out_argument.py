"""`f(x, out=…)`: what a compiled function returns, written into arrays that the caller gives.

    tg.jit(f)(x, out=y)          y[...] = f(x), and y is what is returned
    tg.jit(f)(x, out=x)          as if f(x) were computed first and then written
    tg.jit(f)(x, out={"a": a})   the structure of what f returns

The arrays become arguments that the program overwrites, so machine code writes to them. Where one shares memory with another
array of the call, otherwise than by being the same, the result is computed first and copied.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..autodiff.custom_calls import closed
from ..ir.clone import inline
from ..ir.core import Length, Value
from ..ir.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from ..ir.types import Type
from ..lowering.call.specialisation import SharedMemoryError
from ..options import config, owned
from ..programs.derivative_programs import dynamic
from ..stack_room import deep
from ..tracer import pytrees, tracing
from ..tracer.staging import arguments, signature, trace_function
from ..tracer.staging.arguments import Call
from ..tracer.staging.traced import Out, Traced
from ..tracer.values import boxes
from .api import Jitted
from .gradients import OPTIONS

if TYPE_CHECKING:
    from ..ir.build import Builder

OUT = "out"


class WithOut(Jitted):
    """A compiled function of which a call takes `out` by keyword, unless the function has a parameter of that name."""

    @property
    def delivers(self) -> bool:                  # type: ignore[override]
        """`jit` of a function does what the function does."""
        return self.derive is None

    def _takes(self, kwargs: dict[str, Any]) -> bool:
        return OUT in kwargs and self._is_option()

    def _is_option(self) -> bool:
        """Whether `out` is no argument of the function, nor an option of what this is `jit` of."""
        parameters = arguments.parameters_of(self.root)
        if parameters.keywords or parameters.signature is None or OUT in parameters.signature.parameters:
            return False
        inner = self.fn if type(self) is WithOut and self.derive is None else None
        return not isinstance(inner, Jitted) or self.static is not inner.static

    def flatten(self, args: Sequence[Any], kwargs: dict) -> Call:
        if not self._takes(kwargs):
            return super().flatten(args, kwargs)
        call = super().flatten(args, {name: x for name, x in kwargs.items() if name != OUT})
        return _with_out(call, kwargs[OUT])

    def program(self, call: Call, trace: Callable = trace_function.trace_call) -> Traced:
        if not self._is_option():
            return super().program(call, trace)
        base, out = _without_out(call)
        traced = super().program(base, trace)
        if out is not None and traced.refers_to_objects:
            raise ArgumentError("out= of a function that assigns to attributes of its arguments, or returns them",
                                "leave out= out, and return the arrays", traced.function.loc)
        return traced if out is None else _into(traced, call, len(base.leaves), out)

    @deep
    @owned
    def miss(self, *args: Any, **kwargs: Any) -> Any:
        if not self._takes(kwargs) or tracing.active() is not None:
            return super().miss(*args, **kwargs)
        rest = {name: x for name, x in kwargs.items() if name != OUT}
        if config.disable_jit and not self.derives:
            return _copied(kwargs[OUT], self(*args, **rest))
        try:
            return super().miss(*args, **kwargs)
        except SharedMemoryError:
            return _copied(kwargs[OUT], self(*args, **rest))

    def __tracegrad_call__(self, args: Sequence[Value], kwargs: dict) -> Any:
        if not self._takes(kwargs) or self.derives:
            return super().__tracegrad_call__(args, kwargs)
        return _copied(kwargs[OUT], super().__tracegrad_call__(args, {name: x for name, x in kwargs.items() if name != OUT}))


def _copied(out: Any, result: Any) -> Any:
    """The structure of a result with its arrays written into those of `out`."""
    made, structure = pytrees.flatten(result)
    held, given = pytrees.flatten(out)
    _expect_structure(given, structure)
    for path, x, y in zip(structure.paths(OUT), held, made, strict=True):
        _expect_array(x, path)
        _expect_type(path, signature.abstract(x, path).type, signature.abstract(y, path).type)
    for x, y in zip(held, made, strict=True):
        x[...] = y
    return structure.unflatten(held)


def _expect_structure(given: pytrees.TreeDef, made: pytrees.TreeDef) -> None:
    if given != made:
        raise ArgumentTypeError(f"out has the structure {given!r}, what is returned {made!r}",
                                "pass arrays in the structure of what the function returns")


def _expect_array(x: Any, path: str) -> None:
    if not isinstance(x, (boxes.ArrayBox, np.ndarray)):
        raise ArgumentTypeError(f"{path} is a {type(x).__name__}, which cannot be written to",
                                "pass an array; for a number np.zeros(()) of its dtype")
    if isinstance(x, np.ndarray) and not x.flags.writeable:
        raise ArgumentError(f"{path} is read-only", "pass an array that can be written to")


def _expect_type(path: str, have: Type, need: Type) -> None:
    if not all(isinstance(d, (int, Length)) for d in need.dims):
        raise ShapeError(f"{path} is given for a result of which only run time knows the length", "leave out= away")
    if have.dims != need.dims:
        raise ShapeError(f"{path} has shape {have.dims}, what is returned {need.dims}", f"make it with shape {need.dims}")
    if have.dtype is not need.dtype:
        raise DTypeError(f"{path} has dtype {have.dtype.np}, what is returned {need.dtype.np}",
                         f"make it with dtype=np.{need.dtype.np}")


def _with_out(call: Call, out: Any) -> Call:
    """The call with `out` as a further keyword."""
    held, structure = pytrees.flatten(out)
    paths = structure.paths(OUT)
    for x, path in zip(held, paths, strict=True):
        _expect_array(x, path)
    positional, keyword = call.tree.children
    names = (*keyword.meta[0], OUT)
    keyword = pytrees.TreeDef(pytrees.DICT, (names, names), (*keyword.children, structure))
    leaves = (*call.leaves, *[signature.abstract(x, f"argument {p}") for x, p in zip(held, paths, strict=True)])
    values, start = (*call.values, *held), len(call.leaves)
    aliases = arguments.aliases_of(values, leaves)
    if any(k >= start and first >= start for k, first in aliases.items()):
        raise SharedMemoryError("out has the same array in two places", "pass an array for each")
    return Call(pytrees.TreeDef(pytrees.TUPLE, None, (positional, keyword)), leaves, (*call.paths, *paths), values, aliases,
                call.objects)


def _without_out(call: Call) -> tuple[Call, pytrees.TreeDef | None]:
    """(the call of the function itself, the structure of `out`)."""
    positional, keyword = call.tree.children
    names = keyword.meta[0]
    if names[-1:] != (OUT,) or names[-2:] == OPTIONS:
        return call, None
    out = keyword.children[-1]
    count = call.tree.count - out.count
    structure = pytrees.TreeDef(pytrees.TUPLE, None, (positional, pytrees.TreeDef(pytrees.DICT, (names[:-1], names[:-1]),
                                                                                  keyword.children[:-1])))
    aliases = {k: first for k, first in call.aliases.items() if k < count}
    return Call(structure, call.leaves[:count], call.paths[:count], call.values[:count], aliases, call.objects), out


def _into(traced: Traced, call: Call, start: int, out: pytrees.TreeDef) -> Traced:
    """The program that writes what it returns into the last leaves of the call, from `start` on."""
    _expect_structure(out, traced.out_tree)
    f, own, leaves = traced.function, dynamic(traced), traced.leaves + call.leaves[start:]
    for path, leaf, made in zip(call.paths[start:], call.leaves[start:], traced.outs, strict=True):
        if made.kind == "static":
            raise ArgumentTypeError(f"{path} is given for {made.value!r}, which is no array", "leave out= away")
        need = f.params[own.index(made.value)] if made.kind == "arg" else f.results[made.computed]
        _expect_type(path, leaf.type, need.type)
    buffers = [Value(leaf.type, path) for leaf, path in zip(call.leaves[start:], call.paths[start:], strict=True)]
    number = {leaf: n for n, leaf in enumerate((*own, *range(start, len(leaves))))}
    targets = [number[call.aliases.get(k, k)] for k in range(start, len(leaves))]
    other = {param: result for param, result in traced.writes.items() if param not in targets}
    kept, count = sorted(set(other.values())), len(own)

    def emit(b: Builder, params: tuple[Value, ...]) -> Any:
        given = (*params[:count], *params[count + len(buffers):])
        results = inline(b, f, given)

        def value(made: Out) -> Value:
            if made.kind != "arg":
                return results[made.computed]
            param = own.index(made.value)
            return results[traced.writes[param]] if param in traced.writes else given[param]

        return [*[results[k] for k in kept], *map(value, traced.outs)]

    values = (*f.params[:count], *buffers, *f.params[count:])
    g = closed(f.name, values, [v.name for v in values], emit, f.loc)
    writes = {param: kept.index(result) for param, result in other.items()}
    writes |= {param: len(kept) + n for n, param in enumerate(targets)}
    outs = tuple([Out("arg", None, k) for k in range(start, len(leaves))])
    return replace(traced, function=g, tree=call.tree, leaves=leaves, paths=call.paths, outs=outs, writes=writes)
