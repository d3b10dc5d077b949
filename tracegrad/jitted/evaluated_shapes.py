"""`eval_shape`: what a function would return, by shapes and dtypes, without compiling or running it."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..programs.result_shapes import shapes_of
from ..tracer import tracing
from ..tracer.staging import trace_function
from ..tracer.staging.shape_struct import with_structs
from .api import Jitted
from .functions import jit


def eval_shape(f: Callable, *args: Any, **kwargs: Any) -> Any:
    """What `f` would return for such arguments, with a ShapeDtypeStruct in place of each array and number.

    Nothing is compiled or computed. Arguments are arrays and numbers, or what has only their `shape` and `dtype`, such as
    `tg.ShapeDtypeStruct((3,), float)` or JAX's.

    Parameters: `f`, a function or a compiled one; `args`, `kwargs`. Result: as above; strings and the like as they are.
    Errors: those of `jit`; ShapeError where only the elements of arrays decide the length of a result.

    >>> tg.eval_shape(lambda a, x: a @ x, tg.ShapeDtypeStruct((2, 3), np.float64), np.ones(3))
    ShapeDtypeStruct(shape=(2,), dtype=float64)
    """
    inner = tracing.active() is not None
    jitted: Any = f if isinstance(f, Jitted) else jit(f)
    jitted = getattr(jitted, "own", jitted) if inner else getattr(jitted, "core", jitted)
    trace = functools.partial(trace_function.trace_inner_call if inner else trace_function.trace_call, private=True)
    args, kwargs = with_structs((args, kwargs))
    call = jitted.flatten(args, kwargs)
    if inner:
        return shapes_of(jitted.program(call, trace))
    return shapes_of(jitted.with_captures(call, lambda call: jitted.program(call, trace)))
