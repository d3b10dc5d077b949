"""A function for PyTorch: an autograd.Function over CPU tensors whose memory the compiled code reads in place.

Tensors of floats and complex numbers, wherever they stand in the arguments' containers, are differentiated; each derivative is
such a function of its own, so gradients of gradients work, and torch.func's grad, vjp, jvp and vmap in any order. Arguments are
read only: a function that overwrites one is refused.

PyTorch's gradient by z = x + iy is dL/dx + i dL/dy, and ours dL/dx - i dL/dy: cotangents are conjugated on both sides.
"""
from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.errors import ArgumentTypeError
from ..jitted.functions import jit
from ..tracer import pytrees
from .programs import batched, expect_function, package, pulled, pushed, spread


def as_function(f: Callable) -> Callable:
    """f as a function of PyTorch tensors: NumPy code that is compiled, and differentiable by torch.autograd to any order.

    Results are tensors in the structure that f returns. Tensors must be on the CPU, of a dtype that NumPy has. `torch.compile`
    leaves a call as it is; with fullgraph=True it refuses it.
    """
    torch = package("torch", "torch")
    expect_function(f, "tg.interop.torch.as_function")
    function = _function_class(torch)

    @functools.wraps(f, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        return _applied(function, _spread(f), (args, kwargs)) if kwargs else _applied(function, f, args)
    return torch.compiler.disable(call)


class _Shape:
    """Gets the structure of the results. No list, of which torch.func would hand on copies."""

    structure: pytrees.TreeDef


def _applied(function: Any, f: Callable, args: tuple) -> Any:
    leaves, structure = pytrees.flatten(args)
    shape = _Shape()
    found = function.apply(f, structure, shape, *leaves)
    return shape.structure.unflatten(found)


@functools.cache
def _function_class(torch: Any) -> Any:
    class Compiled(torch.autograd.Function):
        """apply(f, structure of the arguments, what gets that of the results, *leaves)."""

        @staticmethod
        def forward(f: Callable, structure: Any, shape: _Shape, *leaves: Any) -> tuple:
            found = jit(f)(*structure.unflatten([_array(torch, x) for x in leaves]))
            outs, shape.structure = pytrees.flatten(found)
            return tuple([_tensor(torch, x) for x in outs])

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
            ctx.f, ctx.structure, shape, *leaves = inputs
            ctx.shape = shape.structure
            ctx.places = [k for k, x in enumerate(leaves) if torch.is_tensor(x)]
            ctx.rest = [None if torch.is_tensor(x) else x for x in leaves]
            ctx.save_for_backward(*[leaves[k] for k in ctx.places])
            ctx.save_for_forward(*[leaves[k] for k in ctx.places])
            ctx.mark_non_differentiable(*[t for t in output if torch.is_tensor(t) and not _inexact(t)])
            ctx.smooth = [torch.is_tensor(t) and _inexact(t) for t in output]

        @staticmethod
        def backward(ctx: Any, *bars: Any) -> tuple:
            leaves = _leaves(ctx)
            args = ctx.structure.unflatten(leaves)
            bars = tuple([bar.conj() if torch.is_tensor(bar) and bar.is_complex() else bar for bar in bars])
            found = _applied(Compiled, _pulled(ctx.f), (args, ctx.shape.unflatten(bars)))
            given = pytrees.flatten(found)[0]
            wanted = [k for k in ctx.places if _inexact(leaves[k])]
            gradients = {k: given[k].conj() if given[k].is_complex() else given[k] for k in wanted}
            return (None, None, None, *[gradients.get(k) for k in range(len(leaves))])

        @staticmethod
        def jvp(ctx: Any, *dots: Any) -> tuple:
            leaves = _leaves(ctx)
            moved = [torch.zeros_like(x) if dot is None and torch.is_tensor(x) and _inexact(x) else 0.0 if dot is None else dot
                     for x, dot in zip(leaves, dots[3:])]
            found = _applied(Compiled, _pushed(ctx.f), (ctx.structure.unflatten(leaves), ctx.structure.unflatten(moved)))
            return tuple([dot if smooth else None for dot, smooth in zip(pytrees.flatten(found)[0], ctx.smooth)])

        @staticmethod
        def vmap(info: Any, axes: tuple, f: Callable, structure: Any, shape: _Shape, *leaves: Any) -> tuple:
            found = _applied(Compiled, batched(f, structure, tuple(axes[3:])), tuple(leaves))
            outs, shape.structure = pytrees.flatten(found)
            return tuple(outs), tuple([0] * len(outs))

    # torch.compile would otherwise look into those that PyTorch calls when `call` has returned: the rule for a gradient
    for name in ("forward", "setup_context", "backward", "jvp", "vmap"):
        setattr(Compiled, name, staticmethod(torch.compiler.disable(getattr(Compiled, name))))
    return Compiled


_pulled, _pushed, _spread = functools.cache(pulled), functools.cache(pushed), functools.cache(spread)


def _leaves(ctx: Any) -> Sequence[Any]:
    """The leaves of the arguments, as they were given."""
    leaves = list(ctx.rest)
    for k, tensor in zip(ctx.places, ctx.saved_tensors):
        leaves[k] = tensor
    return leaves


def _inexact(x: Any) -> bool:
    return x.is_floating_point() or x.is_complex()


def _array(torch: Any, x: Any) -> Any:
    """A tensor's memory as an array that cannot be written."""
    if not torch.is_tensor(x):
        return x
    if x.device.type != "cpu" or x.layout != torch.strided:
        raise ArgumentTypeError(f"tracegrad computes with dense tensors on the CPU, got a {x.layout} one on {x.device}",
                                "pass x.cpu() or x.to_dense()")
    try:
        found = x.detach().resolve_conj().resolve_neg().numpy().view()
    except (TypeError, RuntimeError) as error:
        raise ArgumentTypeError(f"a tensor of {x.dtype} cannot be read as a NumPy array: {error}",
                                "pass x.float(), or what has numbers in memory (no fake or quantised tensor)") from None
    found.flags.writeable = False
    return found


def _tensor(torch: Any, x: Any) -> Any:
    if isinstance(x, (np.ndarray, np.generic, float, int, complex)):
        found = np.array(x) if not isinstance(x, np.ndarray) or not x.flags.writeable else x
        return torch.from_numpy(found)
    return x
