"""A function for JAX: XLA calls the compiled code through its foreign function interface, and so it calls the derivatives.

    f(args)        leaves of args as JAX sees them -> `_Program`: a function of leaves, its handler, what it returns
    program.run    jax.jit(custom_vjp or custom_jvp (custom_vmap (call of the handler)))
                   the derivative, and the function of many elements at once, are programs of the same kind

Where XLA has other devices than the CPU, or no such interface, the call is a `pure_callback` to Python instead.
"""
from __future__ import annotations

import functools
import itertools
import re
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..ir.errors import ArgumentError
from ..jitted.functions import derived, jit
from ..jitted.xla_handlers import XlaHandler, xla_handler
from ..lowering.call.foreign.xla_handler import MAJOR
from ..operators.batching import vmap
from ..tracer import pytrees
from .programs import expect_function, package, pulled, pushed, results

MODES = ("reverse", "forward")
# The names of handlers. Another process may find a program in JAX's cache on disk, and has other code under such a number.
_NAMES = (f"tracegrad_{uuid.uuid4().hex}_{k}" for k in itertools.count())


def as_function(f: Callable, mode: str = "reverse") -> Callable:
    """f as a function of JAX arrays: usable within jax.jit, jax.vmap and the derivatives of `mode`, to any order.

    mode   "reverse": jax.grad, jax.vjp, jax.jacrev; "forward": jax.jvp, jax.jacfwd. JAX has no rule that serves both for code
           that it cannot see.

    f must not depend on anything but its arguments, as JAX may call it at any time, once or several times. Results have JAX's
    dtypes: float32, unless jax_enable_x64 is set. On the CPU, XLA calls the compiled code itself (its code stays until the
    process ends); elsewhere Python does. An error of f is JAX's JaxRuntimeError, with its text.
    """
    jax = package("jax", "jax")
    expect_function(f, "tg.interop.jax.as_function")
    if mode not in MODES:
        raise ArgumentError(f"there is no mode {mode!r}", "use one of " + ", ".join(map(repr, MODES)))

    @functools.wraps(f, updated=())
    def call(*args: Any) -> Any:
        return _applied(jax, f, args, mode)
    return call


def _applied(jax: Any, f: Callable, args: tuple, mode: str) -> Any:
    leaves, structure = jax.tree_util.tree_flatten(args)
    arrays = [x if isinstance(x, jax.Array) else jax.numpy.asarray(x) for x in leaves]
    flat = _of_leaves(jax, f, structure)
    examples = tuple([_example(x.shape, x.dtype) for x in arrays])
    found = results(flat, examples)
    kinds = tuple([(shape, jax.dtypes.canonicalize_dtype(dtype)) for shape, dtype in found.leaves])
    flat = _of_kinds(flat, tuple([kind for _, kind in kinds]))
    version = _version(jax)
    handler = None if version is None else xla_handler(derived(flat, "jit", (), ()).core, examples, version)
    return found.structure.unflatten(list(_program(jax, flat, handler, kinds, mode)(*arrays)))


@functools.lru_cache(maxsize=1024)
def _example(shape: tuple, dtype: Any) -> np.ndarray:
    return np.broadcast_to(np.zeros((), dtype), shape)


@functools.cache
def _of_leaves(jax: Any, f: Callable, structure: Any) -> Callable:
    """f as a function of the leaves of its arguments."""
    @functools.wraps(f, assigned=("__name__", "__qualname__"), updated=())
    def call(*leaves: Any) -> Any:
        return f(*jax.tree_util.tree_unflatten(structure, leaves))
    return call


@functools.cache
def _of_kinds(flat: Callable, kinds: tuple) -> Callable:
    """The leaves of what a function of leaves returns, in these dtypes."""
    @functools.wraps(flat, assigned=("__name__", "__qualname__"), updated=())
    def call(*leaves: Any) -> tuple:
        return tuple([np.asarray(x).astype(kind) for x, kind in zip(pytrees.flatten(flat(*leaves))[0], kinds)])
    return call


@functools.cache
def _version(jax: Any) -> int | None:
    """The lower number of the version of XLA's interface, None where its handlers cannot be used."""
    try:
        text = Path(jax.ffi.include_dir(), "xla", "ffi", "api", "c_api.h").read_text()
    except (AttributeError, OSError):
        return None
    major, minor = (int(re.findall(rf"#define XLA_FFI_API_{part} (\d+)", text)[0]) for part in ("MAJOR", "MINOR"))
    return minor if major == MAJOR and jax.default_backend() == "cpu" else None


@functools.cache
def _program(jax: Any, flat: Callable, handler: XlaHandler | None, kinds: tuple, mode: str) -> Callable:
    """A function of JAX arrays that gives the tuple of the results, with its derivative and its function of many elements."""
    types = [jax.ShapeDtypeStruct(*kind) for kind in kinds]
    call = jax.custom_batching.custom_vmap(_by_python(jax, flat, types) if handler is None else _by_xla(jax, handler, types))

    @call.def_vmap
    def many(size: int, batched: Sequence[bool], *leaves: Any) -> tuple:
        out = _applied(jax, _batched(flat, tuple([0 if b else None for b in batched])), leaves, mode)
        return out, (True,) * len(out)
    return jax.jit(_FORMS[mode](jax, flat, call))


@functools.cache
def _batched(flat: Callable, axes: tuple) -> Callable:
    return vmap(flat, in_axes=axes)


def _by_xla(jax: Any, handler: XlaHandler, types: list) -> Callable:
    name = next(_NAMES)
    jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(handler.address), platform="cpu")
    _KEPT.append(handler)
    made = jax.ffi.ffi_call(name, [types[k] for k in handler.first])
    return lambda *leaves: tuple([found[k] for found in (made(*leaves),) for k in handler.outs])


_KEPT: list[XlaHandler] = []               # XLA never forgets a target


def _by_python(jax: Any, flat: Callable, types: list) -> Callable:
    def callback(*given: Any) -> tuple:
        return tuple([np.asarray(x) for x in jit(flat)(*[np.asarray(x) for x in given])])
    return lambda *leaves: jax.pure_callback(callback, tuple(types), *leaves)


# --- derivatives --------------------------------------------------------------------------------------------------------

_pulled, _pushed = functools.cache(pulled), functools.cache(pushed)


def _reverse(jax: Any, flat: Callable, call: Callable) -> Callable:
    made = jax.custom_vjp(call)

    def backward(args: tuple, bars: tuple) -> tuple:
        found = _applied(jax, _pulled(flat), (args, tuple([_dense(jax, bar) for bar in bars])), "reverse")
        return tuple([bar if _inexact(jax, x) else None for x, bar in zip(args, found)])
    made.defvjp(lambda *args: (made(*args), args), backward)
    return made


def _forward(jax: Any, flat: Callable, call: Callable) -> Callable:
    made = jax.custom_jvp(call)

    @made.defjvp
    def forward(primals: tuple, tangents: tuple) -> tuple:
        out = made(*primals)
        found = _applied(jax, _pushed(flat), (primals, tuple([_dense(jax, t) for t in tangents])), "forward")
        return out, tuple([t if _inexact(jax, x) else np.zeros(x.shape, jax.dtypes.float0) for x, t in zip(out, found)])
    return made


_FORMS = {"reverse": _reverse, "forward": _forward}


def _inexact(jax: Any, x: Any) -> bool:
    return jax.numpy.issubdtype(x.dtype, jax.numpy.inexact)


def _dense(jax: Any, change: Any) -> Any:
    """A tangent or cotangent as an array, that of an integer too."""
    return jax.numpy.zeros(np.shape(change)) if change.dtype == jax.dtypes.float0 else change
