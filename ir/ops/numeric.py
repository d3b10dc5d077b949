"""NumPy meanings of elementwise ops that are not one NumPy function. All arguments have the op's dtype already."""
from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ..types import Array, DType


@cache
def _special(name: str) -> np.ufunc:
    import scipy.special

    found = getattr(scipy.special, name, None)
    return found if callable(found) else getattr(scipy.special._ufuncs, name)


class Special:
    """A function of scipy.special by name, imported when first called."""

    def __init__(self, name: str):
        self.__name__ = name

    def __call__(self, *arrays: Array) -> Array:
        return _special(self.__name__)(*arrays)


def lgamma(x: Array) -> np.ndarray:
    """log |gamma(x)| as C has it: inf at -inf, where SciPy has -inf."""
    return np.where(x == -np.inf, np.abs(x), _special("gammaln")(x))


def mulz(a: Array, b: Array) -> np.ndarray:
    return np.where(a == 0, a.dtype.type(0), a * b)


def complex_of(re: Array, im: Array) -> Array:
    re, im = np.asarray(re), np.asarray(im)
    out = np.empty(np.broadcast_shapes(re.shape, im.shape), np.result_type(re.dtype, np.complex64))
    out.real, out.imag = re, im
    return out[()]


def int_pow(x: Array, y: Array) -> Any:
    """np.power, with 0 for an integer to a negative power where np.power raises."""
    if np.result_type(x, y).kind != "i":
        return np.power(x, y)
    return np.where(y < 0, x.dtype.type(0), np.power(x, np.maximum(y, y.dtype.type(0))))


def polygamma(n: Array, x: Array) -> np.ndarray:
    """The order n >= 1 as a number of x's dtype: (-1)^(n+1) n! zeta(n + 1, x); NaN below -1e5, where that sum is too long."""
    scale = np.where(np.mod(n, 2) == 1, 1.0, -1.0) * _special("gamma")(n + 1.0)
    far = np.less_equal(x, -1e5)
    return np.where(far, np.nan, scale * _special("zeta")(n + 1.0, np.where(far, 1.0, x)))


def mills_ratio(x: Array) -> Any:
    """The normal density over the normal distribution function, φ(x) / Φ(x)."""
    with np.errstate(all="ignore"):
        found = math.sqrt(2 / math.pi) / _special("erfcx")(x * -math.sqrt(0.5))
        return np.where(np.isposinf(x), x.dtype.type(0), np.where(x < -1e10, -x, found))


def _by_order(of_order: Callable) -> Callable:
    """A family of functions, function(order, x), as a function of two arrays."""
    def function(n: Array, x: Array) -> Any:
        n, x = np.broadcast_arrays(n, x)
        out = np.full(x.shape, np.nan, x.dtype)
        for order in np.unique(n[np.isfinite(n) & (n >= 0) & (n < 60)]):
            out[n == order] = of_order(int(order), x[n == order])
        return out[()]

    return function


@_by_order
def exprel_n(n: Array, x: Array) -> Any:
    """The n-th derivative of (exp(x) - 1)/x = Σ x^k/(k + 1)!: x f_n = exp(x) - n f_(n-1), near 0 the series."""
    with np.errstate(all="ignore"):
        found = np.expm1(x) / x
        for k in range(1, n + 1):
            found = (np.exp(x) - k * found) / x
        near = np.abs(x) < 2 + n
        series = sum(np.where(near, x, 0) ** k / (math.factorial(k) * (n + k + 1)) for k in range(40 + 5 * n))
        return np.where(np.isposinf(x), x, np.where(near, series, found))


@_by_order
def log1prel_n(n: Array, t: Array) -> Any:
    """The n-th derivative of log(1 + t)/t: t g_n = (-1)^(n-1) (n-1)!/(1+t)^n - n g_(n-1), near 0 a series."""
    with np.errstate(all="ignore"):
        found = np.log1p(t) / t
        for k in range(1, n + 1):
            found = ((-1) ** (k - 1) * math.factorial(k - 1) / (1 + t) ** k - k * found) / t
        near = np.abs(t) < 0.4
        series = sum((-1) ** k * math.perm(k, n) / (k + 1) * np.where(near, t, 0) ** (k - n) for k in range(n, n + 80))
        return np.where(near, series, np.where(t == -1, (-1) ** n * math.inf, found))


def hypot_excess(delta: Any, r: Array) -> Any:
    with np.errstate(all="ignore"):
        return np.where(r == 0, np.zeros((), r.dtype), r * (r / (np.hypot(delta, r) + delta)))


def power_slope(x: Array, y: Array) -> Any:
    with np.errstate(all="ignore"):
        power = np.power(x, y - 1)
        return np.where((y == 0) | (np.isinf(y) & (power == 0)), np.zeros((), x.dtype), y * power)


def power_log(k: Array, x: Array, y: Array) -> Any:
    with np.errstate(all="ignore"):
        power = np.power(x, y)
        return np.where(power == 0, np.zeros((), power.dtype), power * np.power(np.log(x + 0.0), k))


def cauchy(x: Array) -> Array:
    with np.errstate(all="ignore"):
        return 1 / (1 + x * x)


def cbrt_reciprocal(k: Array, x: Array) -> Any:
    with np.errstate(all="ignore"):
        return 1 / np.cbrt(x) ** k


def bell(x: Array) -> Any:
    with np.errstate(all="ignore"):
        return np.exp(-x * x)


def shifted(x: int, y: int) -> int:
    """x 2^y, as far as it matters to whether it fits; of a negative count as of a large one."""
    return x << (y if 0 <= y < 64 else 64)


def fits(exact: Callable) -> Callable:
    """A function that says, element by element, whether the exact result for two integers of 64 bits is one."""
    def function(x: Array, y: Array) -> Array:
        x, y = np.broadcast_arrays(x, y)
        least, most = (0, 2**64 - 1) if x.dtype == np.uint64 else (-2**63, 2**63 - 1)
        found = [least <= exact(a, b) <= most for a, b in zip(x.ravel().tolist(), y.ravel().tolist())]
        return np.array(found, bool).reshape(x.shape)[()]

    return function


def select(cond: Array, a: Array, b: Array) -> Array:
    return np.where(cond, a, b)


def lost(x: Array, at: Array) -> Any:
    return np.zeros(np.broadcast_shapes(np.shape(x), np.shape(at)), np.result_type(x))


def surrogate(value: Array, smooth: Array) -> Array:
    return np.broadcast_arrays(value, smooth)[0].copy()[()]


def sloped(value: Array, x: Array, slope: Array) -> Array:
    return np.broadcast_arrays(value, x, slope)[0].copy()[()]


def cast(x: Array, dtype: DType) -> Array:
    """x in another dtype: of a complex number the real part, unless the new dtype is bool or complex."""
    if x.dtype.kind == "c" and dtype.kind not in "cb":
        x = x.real
    with np.errstate(all="ignore"):
        return x.astype(dtype.np)
