"""The cmath module on traced values. Results are Python's complex numbers and floats, errors are Python's: where CPython's
Modules/cmathmodule.c sets EDOM, and where something finite has an infinite exponential."""
from __future__ import annotations

import cmath
from collections.abc import Callable
from typing import Any

import numpy as np

from ....ir.build import Builder, const
from ....ir.core import Value
from ....ir.types import C128
from ... import tracing
from .. import ufuncs
from ..boxes import Box, ScalarBox
from .failing import failure_text
from .scalar_arithmetic import scalar
from .scalar_functions import _OVERFLOW, INF, MATH, _check, _closeness, _real, of


def _complex(x: Any) -> Value:
    return tracing.current().builder.cast(scalar(x, "a cmath function"), C128)


def _is(value: complex) -> Callable[[Builder, Value], Value]:
    return lambda b, z: b("and", b("eq", b("real", z), const(value.real)), b("eq", b("imag", z), const(value.imag)))


def _either(one: Callable, other: Callable) -> Callable[[Builder, Value], Value]:
    return lambda b, z: b("or", one(b, z), other(b, z))


def _turns_endlessly(part: str, other: str, bad: Callable) -> Callable[[Builder, Value], Value]:
    """An infinite part is the angle of a number that the other part gives a size: no number, unless that size has none."""
    return lambda b, z: b("and", b("isinf", b(part, z)), bad(b, b(other, z)))


def _no_nan(b: Builder, x: Value) -> Value:
    return b("not", b("isnan", x))


def _finite(b: Builder, x: Value) -> Value:
    return b("isfinite", x)


def _grows(b: Builder, x: Value) -> Value:
    """Not -inf, for which the exponential is 0 at any angle, and no NaN."""
    return b("gt", x, const(-INF))


# cmath function -> (op, condition on an argument that has no value or None, one that has none, whether it can overflow)
_ELEMENTARY: dict[str, tuple[str, Callable | None, complex, bool]] = {
    "exp": ("exp", _turns_endlessly("imag", "real", _grows), complex(0, INF), True),
    "log": ("log", _is(0), 0, False), "sqrt": ("sqrt", None, 0, False), "log10": ("log10", _is(0), 0, False),
    "sin": ("sin", _turns_endlessly("real", "imag", _no_nan), INF, True),
    "cos": ("cos", _turns_endlessly("real", "imag", _no_nan), INF, True),
    "tan": ("tan", _turns_endlessly("real", "imag", _finite), INF, False),
    "sinh": ("sinh", _turns_endlessly("imag", "real", _no_nan), complex(0, INF), True),
    "cosh": ("cosh", _turns_endlessly("imag", "real", _no_nan), complex(0, INF), True),
    "tanh": ("tanh", _turns_endlessly("imag", "real", _finite), complex(0, INF), False),
    "acos": ("arccos", None, 0, False), "asin": ("arcsin", None, 0, False), "acosh": ("arccosh", None, 0, False),
    "asinh": ("arcsinh", None, 0, False),
    "atan": ("arctan", _either(_is(1j), _is(-1j)), 1j, False), "atanh": ("arctanh", _either(_is(1), _is(-1)), 1, False),
}


def _elementary(name: str, ufunc: np.ufunc, outside: Callable | None, example: complex, overflows: bool) -> Callable:
    message = "" if outside is None else failure_text(getattr(cmath, name), example)

    def run(z: Any, /) -> ScalarBox:
        b, value = tracing.current().builder, _complex(z)
        if outside is not None:
            _check(b("not", outside(b, value)), "ValueError", message)
        found = ufuncs.evaluate(ufunc, [value], (C128,))
        if overflows:
            _check(b("or", b("not", b("isinf", found)), b("not", b("isfinite", value))), "OverflowError", _OVERFLOW)
        return ScalarBox(found, "complex")

    return run


for _name, (_ufunc, _outside, _example, _overflows) in _ELEMENTARY.items():
    MATH[getattr(cmath, _name)] = _elementary(_name, getattr(np, _ufunc), _outside, _example, _overflows)
for _name in ("isfinite", "isinf", "isnan"):
    MATH[getattr(cmath, _name)] = lambda x, /, *, f=getattr(np, _name): ScalarBox(f(ScalarBox(_complex(x))).read(), "bool")
MATH[cmath.isclose] = _closeness(_complex)
_natural = MATH[cmath.log]


@of(cmath.log)
def _log(z: Any, base: Any = None, /) -> Any:
    out = _natural(z)
    return out if base is None else out / (_natural(base) if isinstance(base, Box) else cmath.log(base))


@of(cmath.phase)
def _phase(x: Any, /) -> Any:
    b, value = tracing.current().builder, _complex(x)
    return ScalarBox(b("atan2", b("imag", value), b("real", value)), "float")


@of(cmath.polar)
def _polar(x: Any, /) -> Any:
    b, value = tracing.current().builder, _complex(x)
    size = b("abs", value)
    _check(b("or", b("not", b("isinf", size)), b("not", b("isfinite", value))), "OverflowError", _OVERFLOW)
    return ScalarBox(size, "float"), _phase(x)


@of(cmath.rect)
def _rect(r: Any, phi: Any, /) -> Any:
    """r (cos phi + i sin phi); 0 whatever the angle, where r is 0, and real where the angle is 0."""
    b, size, angle = tracing.current().builder, _real(r), _real(phi)
    zero, known = b("eq", size, const(0.0)), b("isfinite", angle)
    fine = b("or", b("or", zero, b("isnan", size)), b("not", b("isinf", angle)))
    _check(fine, "ValueError", failure_text(cmath.rect, 1.0, INF))
    real, imag = b("mul", size, b("cos", angle)), b("mul", size, b("sin", angle))
    # not a number times an infinite one: of an angle that is 0 or unknown
    flat = b("and", b("eq", angle, const(0.0)), b("not", b("isfinite", size)))
    imag = b("select", flat, b("mul", b("copysign", const(1.0), size), angle), imag)
    real = b("select", b("and", b("isinf", size), b("isnan", angle)), const(INF), real)
    nothing = b("and", zero, b("not", known))
    return ScalarBox(b("complex", *[b("select", nothing, const(0.0), x) for x in (real, imag)]), "complex")
