"""NumPy meanings of elementwise ops that are not one NumPy function. All arguments have the op's dtype already."""
from __future__ import annotations

from functools import cache

import numpy as np

from ..types import DType


@cache
def _special(name: str):
    import scipy.special

    return getattr(scipy.special, name)


class Special:
    """A function of scipy.special by name, imported when first called."""

    def __init__(self, name: str):
        self.__name__ = name

    def __call__(self, *arrays):
        return _special(self.__name__)(*arrays)


def mulz(a, b):
    return np.where(a == 0, a.dtype.type(0), a * b)


def complex_of(re, im):
    re, im = np.asarray(re), np.asarray(im)
    out = np.empty(np.broadcast_shapes(re.shape, im.shape), np.result_type(re.dtype, np.complex64))
    out.real, out.imag = re, im
    return out[()]


def int_pow(x, y):
    """np.power, with 0 for an integer to a negative power where np.power raises."""
    if np.result_type(x, y).kind != "i":
        return np.power(x, y)
    return np.where(y < 0, x.dtype.type(0), np.power(x, np.maximum(y, y.dtype.type(0))))


def polygamma(n, x):
    """The order n >= 1 as a number of x's dtype: (-1)^(n+1) n! zeta(n + 1, x); NaN below -1e5, where that sum is too long."""
    scale = np.where(np.mod(n, 2) == 1, 1.0, -1.0) * _special("gamma")(n + 1.0)
    far = np.less_equal(x, -1e5)
    return np.where(far, np.nan, scale * _special("zeta")(n + 1.0, np.where(far, 1.0, x)))


def select(cond, a, b):
    return np.where(cond, a, b)


def surrogate(value, smooth):
    return np.broadcast_arrays(value, smooth)[0].copy()[()]


def cast(x, dtype: DType):
    """x in another dtype: of a complex number the real part, unless the new dtype is bool or complex."""
    if x.dtype.kind == "c" and dtype.kind not in "cb":
        x = x.real
    with np.errstate(all="ignore"):
        return x.astype(dtype.np)
