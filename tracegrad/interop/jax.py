"""A function for JAX: a pure_callback to compiled code, with its derivative as another one."""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.errors import ArgumentError
from ..jitted.functions import jit
from ..tracer import pytrees
from .programs import expect_function, package, pulled, pushed, results

MODES = ("reverse", "forward")


def as_function(f: Callable, mode: str = "reverse") -> Callable:
    """f as a function of JAX arrays: usable within jax.jit, jax.vmap and the derivatives of `mode`, to any order.

    mode   "reverse": jax.grad, jax.vjp, jax.jacrev; "forward": jax.jvp, jax.jacfwd. JAX has no rule that serves both for code
           that it cannot see.

    f must not depend on anything but its arguments, as JAX may call it at any time, once or several times. Results have JAX's
    dtypes: float32, unless jax_enable_x64 is set.
    """
    jax = package("jax", "jax")
    expect_function(f, "tg.interop.jax.as_function")
    if mode not in MODES:
        raise ArgumentError(f"there is no mode {mode!r}", "use one of " + ", ".join(map(repr, MODES)))
    return functools.wraps(f, updated=())(_with_derivative(jax, f, mode))


def _with_derivative(jax: Any, f: Callable, mode: str) -> Callable:
    def call(*args: Any) -> Any:
        return _called(jax, f, args)
    tree_map = jax.tree_util.tree_map
    if mode == "forward":
        made = jax.custom_jvp(call)

        def forward(primals: Any, tangents: Any) -> tuple:
            out = made(*primals)
            found = _derivative(jax, f, mode)(primals, tree_map(lambda t: _dense(jax, t), tangents))
            return out, tree_map(lambda x, t: t if _inexact(jax, x) else np.zeros(np.shape(x), jax.dtypes.float0), out, found)
        made.defjvp(forward)
        return made
    made = jax.custom_vjp(call)

    def backward(args: Any, bars: Any) -> tuple:
        found = _derivative(jax, f, mode)(args, tree_map(lambda bar: _dense(jax, bar), bars))
        return tree_map(lambda x, bar: bar if _inexact(jax, x) else None, args, found)
    made.defvjp(lambda *args: (made(*args), args), backward)
    return made


@functools.cache
def _derivative(jax: Any, f: Callable, mode: str) -> Callable:
    return _with_derivative(jax, (pulled if mode == "reverse" else pushed)(f), mode)


def _inexact(jax: Any, x: Any) -> bool:
    return jax.numpy.issubdtype(jax.numpy.result_type(x), jax.numpy.inexact)


def _dense(jax: Any, change: Any) -> Any:
    """A tangent or cotangent as an array, that of an integer too."""
    return jax.numpy.zeros(np.shape(change)) if jax.numpy.result_type(change) == jax.dtypes.float0 else change


def _called(jax: Any, f: Callable, args: tuple) -> Any:
    leaves, structure = jax.tree_util.tree_flatten(args)
    examples = [np.zeros(np.shape(x), jax.numpy.result_type(x)) for x in leaves]
    found = results(f, jax.tree_util.tree_unflatten(structure, examples))
    kinds = [jax.ShapeDtypeStruct(shape, jax.dtypes.canonicalize_dtype(dtype)) for shape, dtype in found.leaves]

    def callback(*given: Any) -> tuple:
        out = jit(f)(*jax.tree_util.tree_unflatten(structure, [np.asarray(x) for x in given]))
        return tuple([np.asarray(x, kind.dtype) for x, kind in zip(pytrees.flatten(out)[0], kinds)])
    made = jax.pure_callback(callback, tuple(kinds), *leaves, vmap_method="sequential")
    return found.structure.unflatten(list(made))
