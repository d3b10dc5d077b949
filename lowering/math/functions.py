"""The formulas of vecmath: reduce the argument, evaluate a polynomial, undo the reduction, select at special values.

`m` is a vecbuilder.Math, which computes in f64 or, of some functions of f32, in f32. Polynomials are Chebyshev fits on the
reduced range; the comment at each gives what it approximates and how well, relative to the function. A sum written as
(hi, lo) is their unevaluated exact sum. Each formula's error, against mpmath over its whole range, stands in
tests/lowering/math/test_vecmath.py.
"""
from __future__ import annotations

from .exponentials import acosh, asinh, atanh, cosh, exp, exp2, expm1, log, log1p, log2, log10, sinh, tanh
from .powers import cbrt, erf, erfc, hypot, pow
from .remainders import fmod
from .trig import acos, asin, atan, atan2, cos, sin, tan

FORMULAS = {f.__name__: f for f in (
    exp, exp2, expm1, tanh, sinh, cosh, log, log2, log10, log1p, asinh, acosh, atanh, sin, cos, tan, atan, atan2, asin, acos,
    pow, cbrt, hypot, erf, erfc, fmod)}
