"""C functions that a program calls by their address, as Numba's users do: those of which the address says what they compute.

    gammaln = ctypes.CFUNCTYPE(c_double, c_double)(get_cython_function_address("scipy.special.cython_special", "gammaln"))
    cos = ctypes.CDLL("libm.so.6").cos

SciPy's stand for scipy.special's functions, those of C's mathematics for NumPy's: with derivatives, and without an address in
the program. What others compute nobody knows here.
"""
from __future__ import annotations

import ctypes
import functools
import importlib
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ....ir.errors import UnsupportedError
from ... import tracing
from .. import calls

_FUNCTION: Any = ctypes.CFUNCTYPE(None).__mro__[1]                 # of which all functions of ctypes are
_CYTHON = "scipy.special.cython_special"
_NUMPYS = {**{name: name for name in (
    "sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt",
    "fabs", "floor", "ceil", "trunc", "rint", "hypot", "copysign", "fmod", "fmax", "fmin")},
    **{name: f"arc{name[1:]}" for name in ("asin", "acos", "atan", "atan2", "asinh", "acosh", "atanh")}, "pow": "power"}
_SCIPYS = {"erf": "erf", "erfc": "erfc", "tgamma": "gamma", "lgamma": "gammaln"}


def redirect(f: Any) -> Callable | None:
    """What to call instead of a C function; None for anything else."""
    address = _address(f)
    if address is None:
        return None
    instead = _known().get(address)
    if instead is None and tracing.current().freezing:
        return None
    return functools.partial(_refuse, f) if instead is None else lambda *args: _of_doubles(instead, args)


def _of_doubles(instead: Callable, args: tuple) -> Any:
    """C takes doubles and returns one, which is Python's float."""
    return calls.call(float, calls.call(instead, *[calls.call(float, x) for x in args]))


def _address(f: Any) -> int | None:
    """Where a function of ctypes, or what Numba calls by its address, is."""
    if isinstance(f, _FUNCTION):
        return ctypes.cast(f, ctypes.c_void_p).value
    types = sys.modules.get("numba.core.types")
    if types is None or isinstance(f, type) or not isinstance(f, types.WrapperAddressProtocol):
        return None
    return f.__wrapper_address__()


@functools.cache
def _known() -> dict[int, Callable]:
    import scipy.special
    from numba.extending import get_cython_function_address as address_of

    found: dict[Any, Callable] = {}
    for key in importlib.import_module(_CYTHON).__pyx_capi__:
        name = re.sub(r"^__pyx_fuse(_\d+)+", "", key)               # one of several, for other types of its arguments
        if hasattr(scipy.special, name):
            found[address_of(_CYTHON, key)] = getattr(scipy.special, name)
    library = ctypes.CDLL(None)
    for module, names in ((np, _NUMPYS), (scipy.special, _SCIPYS)):
        for name, ufunc in names.items():
            if hasattr(library, name):
                found[ctypes.cast(getattr(library, name), ctypes.c_void_p).value] = getattr(module, ufunc)
    return found


def _refuse(f: Any, *_: Any, **__: Any) -> Any:
    name = getattr(f, "__name__", type(f).__name__)
    raise UnsupportedError(f"{name} is a C function: what it computes, and its derivative, cannot be seen",
                           "write what it computes as a function of Python (SciPy's and those of C's mathematics are known), "
                           "or tg.static(…) around a call with known arguments whose value may stay the same",
                           tracing.locate())


calls.REDIRECTS.append(redirect)
