"""Sample values and one-op programs for the registry-driven tests."""
from __future__ import annotations

import itertools

import numpy as np
from tracegrad.ir.build import make_op
from tracegrad.ir.core import Value
from tracegrad.ir.types import DType, Type
from tracegrad.ir.types import dtype as dtype_of

_FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, -0.3, 2.0, -2.5, 3.0, 7.25, 40.0, -1e3, np.inf, -np.inf, np.nan)
_PARTS = (0.0, -0.0, 1.0, -1.5, 2.0, 3.0, np.inf, -np.inf, np.nan)


def specials(dtype: DType, short: bool = False) -> np.ndarray:
    """Values of a dtype at which things go wrong: signed zeros, infinities, NaN, limits, neighbours of 0 and 1."""
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iux":
        info = np.iinfo(dtype.np)
        values = {info.min, info.min + 1, info.max, info.max - 1, 0, 1, 2, 3, 5, 8, 17, 63, -1, -2, -3, -7}
        return np.array(sorted(v for v in values if info.min <= v <= info.max), dtype.np)
    if dtype.kind == "f":
        info = np.finfo(dtype.np)
        limits = (info.max, -info.max, info.tiny, info.smallest_subnormal, -info.smallest_subnormal)
        return np.array(_FLOATS + (() if short else limits + (0.999, 1.0001, 1.5, 700.0, -700.0, 1e5)), dtype.np)
    parts = _PARTS if not short else (0.0, 1.0, -1.5, 2.0, np.inf, np.nan)
    return np.array([complex(a, b) for a, b in itertools.product(parts, parts)], dtype.np)


def value_of(array, dtype: DType | None = None) -> Value:
    """A parameter of an array's type."""
    array = np.asarray(array)
    return Value(Type(dtype or dtype_of(array.dtype), array.shape))


def one_op(defn, *arrays, dtypes=None, regions=(), **attrs):
    """An op on parameters of the arrays' types; `dtypes` says which are index."""
    dtypes = dtypes or [None] * len(arrays)
    return make_op(defn, [value_of(a, d) for a, d in zip(arrays, dtypes)], attrs, regions)


def evaluate(defn, *arrays, **attrs):
    """The only result of an op on arrays."""
    op = one_op(defn, *arrays, **attrs)
    (out,) = defn.evaluate(op, *arrays)
    return np.asarray(out)[()]
