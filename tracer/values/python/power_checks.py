"""Which powers of Python's floats and complex numbers are errors: `x ** y`, y being `exponent` where it is known."""
from __future__ import annotations

import functools
import math
import operator
import sys

import numpy as np

from ....ir.build import Builder, const
from ....ir.core import Const, Value
from ....ir.types import F64
from ... import tracing
from . import division
from .failing import failure_text, require

_NEGATIVE_POWER, _RANGE = failure_text(operator.pow, 0.0, -1.0), failure_text(operator.pow, 10.0, 400.0)
_COMPLEX_POWER = failure_text(operator.pow, 0j, -1.0), failure_text(operator.pow, 1e200 + 0j, 2.5)


def expect_fit(out: Value, x: Value, y: Value, exponent: complex | None) -> None:
    """Python raises where a power of finite numbers is too large for a float, and no other operator of floats does."""
    builder = tracing.current().builder
    if not division.raises():
        return
    if isinstance(exponent, (int, float)) and not x.type.dtype.complex:
        _expect_within(builder, x, float(exponent))
    elif not (isinstance(exponent, (int, float)) and (0 <= exponent <= 1 or not math.isfinite(exponent))):
        _expect_finite(builder, out, x, y)


def _expect_within(builder: Builder, x: Value, exponent: float) -> None:
    """Of the base: so nobody waits for the power, and a derivative that has no use for it need not compute it."""
    bound = _bound(exponent)
    if bound is None:
        return
    size, limit = builder("abs", x), const(bound, F64)
    if exponent < 0:
        fine = builder("not", builder("lt", size, limit))                 # a base of 0 has its own error
    else:
        fine = builder("not", builder("and", builder("gt", size, limit), builder("lt", size, const(math.inf, F64))))
    require(fine, x, "OverflowError", _RANGE)


@functools.lru_cache(maxsize=256)
def _bound(exponent: float) -> float | None:
    """The last |x| whose power is a float, from where on those of larger ones are not (of smaller ones, where the exponent is
    negative); None where all are. Positive floats lie as the ints of their bits do."""
    low, high = (_bits(5e-324), _bits(sys.float_info.max))
    fits, beyond = (low, high) if exponent > 0 else (high, low)
    if not math.isfinite(exponent) or _is_float(_float(beyond), exponent):
        return None
    while abs(fits - beyond) > 1:
        middle = (fits + beyond) // 2
        fits, beyond = (middle, beyond) if _is_float(_float(middle), exponent) else (fits, middle)
    return _float(fits)


def _bits(x: float) -> int:
    return int(np.float64(x).view(np.int64))


def _float(bits: int) -> float:
    return float(np.int64(bits).view(np.float64))


def _is_float(x: float, exponent: float) -> bool:
    try:
        return x ** exponent < math.inf
    except OverflowError:
        return False


def _expect_finite(builder: Builder, out: Value, x: Value, y: Value) -> None:
    """Of the power: its exponent is known at run time, or it is complex."""
    of_finite = builder("isfinite", x)
    if y.__class__ is not Const:
        of_finite = builder("and", of_finite, builder("isfinite", y))
    message = _COMPLEX_POWER[1] if out.type.dtype.complex else _RANGE
    require(builder("not", builder("and", builder("isinf", out), of_finite)), out, "OverflowError", message)


def expect_value(x: Value, y: Value, exponent: complex | None) -> None:
    """A complex 0 has positive real powers alone, and the power 0."""
    if exponent is not None and (exponent == 0 or (complex(exponent).real > 0 and complex(exponent).imag == 0)):
        return
    builder, zero = tracing.current().builder, const(0, y.type.dtype)
    real, imag = builder("real", y), builder("imag", y)
    fine = builder("and", builder("ge", real, const(0, F64)), builder("eq", imag, const(0, F64)))
    fine = builder("and", fine, builder("or", builder("gt", real, const(0, F64)), builder("eq", y, zero)))
    require(builder("or", builder("ne", x, zero), fine), x, "ZeroDivisionError", _COMPLEX_POWER[0])


def expect_real(x: Value, y: Value, exponent: float | None, whole_exponent: bool) -> None:
    """Python raises where 0.0 is raised to a negative power, and turns complex where a negative number is to a fraction; with
    an infinity or a NaN on either side it follows C's pow, and does neither. `exponent` is y, where it is known."""
    builder, zero, infinity = tracing.current().builder, const(0, F64), const(math.inf, F64)
    if (exponent is None or -math.inf < exponent < 0) and division.raises():
        fine = builder("ne", x, zero)
        if exponent is None:
            negative = builder("and", builder("lt", y, zero), builder("ne", y, builder("neg", infinity)))
            fine = builder("or", fine, builder("not", negative))
        require(fine, x if exponent is None else y, "ZeroDivisionError", _NEGATIVE_POWER)
    if not whole_exponent and (exponent is None or exponent % 1 > 0):
        fine = builder("not", builder("and", builder("lt", x, zero), builder("ne", x, builder("neg", infinity))))
        if exponent is None:
            fine = builder("or", fine, builder("not", builder("gt", y, builder("floor", y))))
        require(fine, x, "DTypeError", "a negative float to a fractional power is complex: make the base complex")
