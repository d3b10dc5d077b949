"""A function for PyTorch: an autograd.Function over CPU tensors whose memory the compiled code reads in place.

Tensors of floats, wherever they stand in the arguments' containers, are differentiated; the backward pass is such a function of
its own, so gradients of gradients work. Arguments are read only: a function that overwrites one is refused.
"""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.errors import ArgumentTypeError
from ..jitted.functions import jit
from ..tracer import pytrees
from .programs import expect_function, package, pulled


def as_function(f: Callable) -> Callable:
    """f as a function of PyTorch tensors: NumPy code that is compiled, and differentiable by torch.autograd to any order.

    Results are tensors in the structure that f returns. Tensors must be on the CPU and not complex. `torch.compile` leaves a
    call as it is.
    """
    torch = package("torch", "torch")
    expect_function(f, "tg.interop.torch.as_function")
    function = _function_class(torch)

    @functools.wraps(f, updated=())
    def call(*args: Any) -> Any:
        return _applied(torch, function, f, args)
    return torch.compiler.disable(call)


def _applied(torch: Any, function: Any, f: Callable, args: tuple) -> Any:
    leaves, structure = pytrees.flatten(args)
    shape: list = []
    found = function.apply(f, structure, shape, *leaves)
    return shape[0].unflatten(found)


@functools.cache
def _function_class(torch: Any) -> Any:
    class Compiled(torch.autograd.Function):
        """apply(f, structure of the arguments, a list that gets the structure of the results, *leaves)."""

        @staticmethod
        def forward(ctx: Any, f: Callable, structure: Any, shape: list, *leaves: Any) -> tuple:
            ctx.f, ctx.structure, ctx.places = f, structure, [k for k, x in enumerate(leaves) if torch.is_tensor(x)]
            ctx.rest = [None if torch.is_tensor(x) else x for x in leaves]
            ctx.save_for_backward(*[leaves[k] for k in ctx.places])
            found = jit(f)(*structure.unflatten([_array(torch, x) for x in leaves]))
            outs, out_structure = pytrees.flatten(found)
            shape.append(out_structure)
            ctx.shape = out_structure
            tensors = tuple([_tensor(torch, x) for x in outs])
            ctx.mark_non_differentiable(*[t for t in tensors if torch.is_tensor(t) and not t.is_floating_point()])
            return tensors

        @staticmethod
        def backward(ctx: Any, *bars: Any) -> tuple:
            leaves = list(ctx.rest)
            for k, tensor in zip(ctx.places, ctx.saved_tensors):
                leaves[k] = tensor
            args = ctx.structure.unflatten(leaves)
            found = _applied(torch, Compiled, _pulled(ctx.f), (args, ctx.shape.unflatten(bars)))
            given = pytrees.flatten(found)[0]
            wanted = [k for k in ctx.places if leaves[k].is_floating_point()]
            gradients = {k: given[k] for k in wanted}
            return (None, None, None, *[gradients.get(k) for k in range(len(leaves))])

    return Compiled


_pulled = functools.cache(pulled)


def _array(torch: Any, x: Any) -> Any:
    """A tensor's memory as an array that cannot be written."""
    if not torch.is_tensor(x):
        return x
    if x.device.type != "cpu" or x.layout != torch.strided or x.is_complex():
        raise ArgumentTypeError(f"tracegrad computes with real dense tensors on the CPU, got one of {x.dtype} on {x.device}",
                                "pass x.cpu(), x.to_dense(), or real and imaginary parts")
    found = x.detach().numpy().view()
    found.flags.writeable = False
    return found


def _tensor(torch: Any, x: Any) -> Any:
    if isinstance(x, (np.ndarray, np.generic, float, int)):
        found = np.array(x) if not isinstance(x, np.ndarray) or not x.flags.writeable else x
        return torch.from_numpy(found)
    return x
