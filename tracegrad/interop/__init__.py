"""Functions for other frameworks: each module is imported when it is asked for, and its package with it.

    tg.interop.torch.as_function(f)       a function of PyTorch's CPU tensors, differentiable there to any order
    tg.interop.jax.as_function(f)         a function of JAX arrays, for use within jit, grad and vmap
    tg.interop.pytensor.as_op(f, …)       an Op of PyTensor with its gradient, as PyMC's samplers want it
"""
from __future__ import annotations

from importlib import import_module
from types import ModuleType

__all__ = ["jax", "pytensor", "torch"]


def __getattr__(name: str) -> ModuleType:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")
