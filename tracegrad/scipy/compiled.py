"""Compiled forms of the functions that solvers are given: value, Jacobian (sparse where that is less), Hessian, its products.

The functions here that return a `Jitted` contain functions that are traced like the user's.
"""
from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.errors import TracegradError
from ..jacobians.jacobians import hessian, jacobian
from ..jacobians.sparsity import sparsity
from ..jitted.functions import jit
from ..operators.transforms import grad, jvp
from ..tracer.syntax import source

if TYPE_CHECKING:
    from ..ir.core import Value
    from ..tracer.values.boxes import Box

source.OPEN |= {__package__}

SMALL = 64            # inputs up to which a matrix is dense in any case
SPARSE = 0.25         # share of its entries that a sparse matrix may have


def vector(f: Callable) -> Callable:
    """The function with an array for a list or tuple of numbers that it returns."""
    @functools.wraps(f, assigned=("__name__", "__qualname__", "__doc__"), updated=())
    def values(*args: Box, **kwargs: Any) -> Any:
        return np.asarray(f(*args, **kwargs))
    return values


def jacobian_for(f: Callable, args: tuple, kwargs: dict | None = None, argnum: int = 0, sparse: bool = True) -> Callable:
    """The compiled Jacobian of `vector(f)`: a sparse one where that is allowed and pays for arguments like these."""
    f = vector(f)
    size = np.size(args[argnum])
    sparse = sparse and size > SMALL and _is_sparse(sparsity(f, argnum), args, kwargs or {})
    return jacobian(f, argnum, sparse=sparse)


def hessian_for(f: Callable, args: tuple, sparse: bool = True) -> tuple[Callable | None, Callable | None]:
    """(hess, hessp) of a scalar function, of which one is None: the matrix where it is small or sparse, else its products."""
    size = np.size(args[0])
    if size <= SMALL:
        return hessian(f), None
    if sparse and _is_sparse(sparsity(grad(f)), args, {}):
        return hessian(f, sparse=True), None
    return None, hessian_product(f)


def hessian_product(f: Callable) -> Callable:
    """f(x, *args) -> (x, p, *args): its Hessian at x times p."""
    def product(x: Any, p: Any, *args: Any) -> Any:
        return jvp(lambda v: grad(f)(v, *args), (x,), (p,))[1]
    return jit(product)


def weighted_hessian(f: Callable) -> Callable:
    """f(x) -> (x, v): the Hessian of the sum of v times f."""
    def weighted(x: Any, v: Value) -> Any:
        return hessian(lambda y: np.sum(v * np.asarray(f(y))))(x)
    return jit(weighted)


def _is_sparse(pattern: Callable, args: tuple, kwargs: dict) -> bool:
    """Whether a pattern, where there is one to be had, has few entries."""
    try:
        found: Any = pattern(*args, **kwargs)
    except TracegradError:
        return False
    return hasattr(found, "nnz") and found.nnz <= SPARSE * found.shape[0] * found.shape[1]
