"""Elementwise ops of random numbers: functions that give NumPy's numbers to the last bit.

`libm_exp`, `libm_expm1` and `libm_pow` are the C library's, which NumPy's distributions call. Those of elementwise.py are
tracegrad's own, which vectorise and may differ in the last bit.
"""
from __future__ import annotations

import ctypes

import numpy as np

from ..types import F64
from .elementwise import ANY, POSITIVE, declare

DOUBLE = frozenset({F64})


def _c(name: str, arity: int = 1):
    """A function of the C library on arrays."""
    function = getattr(ctypes.CDLL(None), name)
    function.argtypes, function.restype = [ctypes.c_double] * arity, ctypes.c_double

    def every(*arrays):
        return np.vectorize(function, otypes=[np.float64])(*arrays)

    every.__name__ = name
    return every


def _recipe(name: str):
    return (("f", ("exact", name)),)


declare("libm_exp", _c("exp"), 1, DOUBLE, recipe=_recipe("exp"), partials=(lambda x, out: out,), singular=(0,), domain=(ANY,),
        doc="The C library's exp.")
declare("libm_expm1", _c("expm1"), 1, DOUBLE, recipe=_recipe("expm1"), partials=(lambda x, out: out + 1,), singular=(0,),
        domain=(ANY,), doc="The C library's expm1.")
declare("libm_pow", _c("pow", 2), 2, DOUBLE, recipe=_recipe("pow"), singular=(0, 1), domain=(POSITIVE, POSITIVE),
        partials=(lambda x, y, out: y * x.libm_pow(y - 1), lambda x, y, out: (x == 0).select(0, out * x.log())),
        doc="The C library's pow of a number that is not negative.")
