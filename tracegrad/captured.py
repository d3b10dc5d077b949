"""Captured arrays become inputs: a kernel reads them where they lie at each call, not where they lay when it was made.

    %1 = add %x, (const of A)        →        func @f(%x: f64[3], %a: f64[3])       called with A's memory of that moment

An array that owns its memory may be resized, which moves it; the native entry looks at its dtype and dimensions as at those of
an argument, and where they differ the call is compiled anew. A view cannot be resized; it is held, with what it is a view of.
"""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .ir.core import Const, Function, Value
from .ir.rewrite import replace
from .lowering.layout import ArrayIn


class Captured(NamedTuple):
    """An array that a program reads besides its arguments, and the parameter that it is."""

    array: np.ndarray
    layout: ArrayIn

    @property
    def moved(self) -> bool:
        """Whether it has other dimensions than the program was made for."""
        return self.array.shape != self.layout.dims


def as_parameters(f: Function) -> list[Captured]:
    """In place: the captured arrays of a function that is owned, as parameters behind its own."""
    found: dict[int, Captured] = {}
    mapping: dict[Value, Value] = {}
    for op in f.body.walk():
        for v in op.operands:
            if v.__class__ is not Const or v.frozen or v in mapping or not _owning(v.data):
                continue
            array = v.data.base
            if id(array) not in found:
                param = Value(v.type, "captured", f.body, len(f.params))
                f.body.params += (param,)
                found[id(array)] = Captured(array, ArrayIn(v.type.dtype, v.data.shape, param.slot))
            mapping[v] = f.params[found[id(array)].layout.param]
    if mapping:
        replace(f.body, mapping)
    return list(found.values())


def _owning(view: np.ndarray) -> bool:
    """Whether a constant is the whole of an array that owns its memory."""
    base = view.base
    return (type(base) is np.ndarray and base.flags.owndata and base.flags.c_contiguous and base.flags.aligned
            and base.shape == view.shape and base.dtype == view.dtype and base.dtype.isnative)
