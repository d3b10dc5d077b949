"""`checkpoint`: a function whose intermediate values a gradient does not keep."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import pickling
from ..ir.analysis.draws import draws
from ..ir.errors import ArgumentTypeError
from ..jitted.emitting import emitted
from ..tracer import tracing
from ..tracer.staging import arguments, trace_function

if TYPE_CHECKING:
    from ..ir.types import Array


class Checkpoint:
    """What `checkpoint` makes. Outside traced code it is the function itself."""

    def __init__(self, fun: Callable):
        if not callable(fun):
            raise ArgumentTypeError(
                f"tg.checkpoint takes a function, got a {type(fun).__name__}", "write @tg.checkpoint above a def"
            )
        functools.update_wrapper(self, fun)
        self.fun = fun

    def __repr__(self) -> str:
        return f"<tracegrad.checkpoint of {getattr(self.fun, '__qualname__', self.fun)}>"

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __copy__(self) -> Checkpoint:
        return self

    def __deepcopy__(self, memo: dict) -> Checkpoint:
        return self

    def __reduce_ex__(self, protocol: Any) -> str | tuple:
        return pickling.reduced_object(self, self.fun, (), {})

    def __call__(self, *args: np.ndarray, **kwargs: Any) -> Array:
        return self.fun(*args, **kwargs) if tracing.active() is None else self.__tracegrad_call__(args, kwargs)

    def __tracegrad_call__(self, args: Any, kwargs: dict) -> Any:
        """A call in traced code."""
        call = arguments.flatten_call(self.fun, args, kwargs)
        traced = trace_function.trace_inner_call(self.fun, call, writes=True)
        if draws(traced.function.body):
            return emitted(traced, call)             # what it has drawn is kept, and the rest with it
        return emitted(traced, call, lambda builder, f, operands: builder.emit("call", *operands, callee=f, checkpoint=True))


def checkpoint(fun: Callable) -> Checkpoint:
    """`fun`, of which a gradient keeps the arguments only: going backwards runs it a second time.

    Use it where the intermediate values of a part of a program take more memory than running that part twice is worth. Values
    and derivatives are the same, in every mode and order. The option `memory_budget` does the like for long loops by itself.
    A function that draws random numbers is not run a second time: its values are kept.

    Parameters: `fun`, the function.
    Result: a function of the same arguments and results.
    Errors: those of `jit`.

    >>> float(tg.grad(lambda x: tg.checkpoint(np.sin)(x) ** 2)(0.0))
    0.0
    """
    return Checkpoint(fun)
