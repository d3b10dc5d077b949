"""Arithmetic, powers, exponentials, circular and hyperbolic functions: the ufuncs of NumPy."""
from __future__ import annotations

import math

import mpmath as mp
import numpy as np

from .conventions import FirstOrder, kink
from .points import INF, NAN, Points

ORDINARY = (0.7, -1.3)
ZEROS = (0.0, -0.0, 1e-20, -1e-300)
STEP = (0.0, 0.0, 0.0)


def power_slopes(x: float, n: float, order: int) -> float:
    """The derivative of x**n at x = 0: n (n-1) ... x**(n - order), whose factor may be 0 before x**(n - order) is infinite."""
    factor = math.prod(n - k for k in range(order))
    if factor == 0 or n > order:
        return 0.0
    if n == order:
        return factor
    odd = float(n).is_integer() and (n - order) % 2 == 1 and math.copysign(1, x) < 0
    return math.copysign(INF, -factor if odd else factor)


def monomial(n) -> dict:
    """The derivatives of x**n at both zeros."""
    return {"-0.0": tuple(power_slopes(-0.0, n, k) for k in (1, 2, 3)), 0.0: tuple(power_slopes(0.0, n, k) for k in (1, 2, 3))}


END = (INF, -INF, INF)                                   # of sqrt, log …: infinitely steep where the domain begins

ONE = [
    Points("negative", np.negative, (0.0, -0.0, INF, 2.0), None, dict.fromkeys((0.0, INF, 2.0), (-1.0, 0.0)),
           covers=("op:neg",)),
    Points("positive", np.positive, (0.0, -0.0, INF, 2.0), None, dict.fromkeys((0.0, INF, 2.0), (1.0, 0.0))),
    Points("conjugate", np.conjugate, (0.0, -0.0, INF, 2.0), None, dict.fromkeys((0.0, INF, 2.0), (1.0, 0.0)),
           covers=("op:conj",)),
    Points("deg2rad", np.deg2rad, (0.0, 90.0, INF), None, dict.fromkeys((0.0, 90.0, INF), (math.pi / 180, 0.0)),
           covers=("radians",)),
    Points("rad2deg", np.rad2deg, (0.0, 1.5, INF), None, dict.fromkeys((0.0, 1.5, INF), (180 / math.pi, 0.0)),
           covers=("degrees",)),
    Points("square", np.square, (0.0, -0.0, 1e-200, 1e200, -3.0), lambda x: x * x),
    Points("reciprocal", np.reciprocal, (0.0, -0.0, INF, -INF, 0.5, -2.0), lambda x: 1 / x, {
        INF: (0.0, 0.0), -INF: (0.0, 0.0), **monomial(-1)}),
    Points("absolute", np.absolute, (0.0, -0.0, 2.0, -3.0, INF, -INF, 1e-320), abs, {
        INF: (1.0, 0.0), -INF: (-1.0, 0.0), **kink("np.abs(x)")}, covers=("op:abs",)),
    Points("fabs", np.fabs, (0.0, -0.0, 2.0, -3.0), abs, kink("np.fabs(x)")),
    Points("exp", np.exp, (0.0, -0.0, 1.0, -745.5, 709.5, 710.0, INF, -INF), mp.exp, {INF: (INF, INF), -INF: (0.0, 0.0)},
           covers=("op:exp",)),
    Points("exp2", np.exp2, (0.0, -0.0, 3.0, 1023.5, 1026.0, -1080.0, INF, -INF), lambda x: mp.mpf(2) ** x,
           {INF: (INF, INF), -INF: (0.0, 0.0)}, covers=("op:exp2",)),
    Points("expm1", np.expm1, (*ZEROS, 1.0, -50.0, INF, -INF), mp.expm1, {INF: (INF, INF), -INF: (0.0, 0.0)},
           slope=mp.exp, covers=("op:expm1",)),
    Points("log", np.log, (0.0, -0.0, 1.0, 1e-300, 1e300, 2.5, INF), mp.log, {0.0: END, INF: (0.0, 0.0)}, covers=("op:log",)),
    Points("log2", np.log2, (0.0, -0.0, 1.0, 1e-300, 8.0, INF), lambda x: mp.log(x, 2), {0.0: END, INF: (0.0, 0.0)},
           covers=("op:log2",)),
    Points("log10", np.log10, (0.0, -0.0, 1.0, 1e-300, 1000.0, INF), mp.log10, {0.0: END, INF: (0.0, 0.0)},
           covers=("op:log10",)),
    Points("log1p", np.log1p, (*ZEROS, -1.0, -0.5, 1e10, INF), mp.log1p, {-1.0: END, INF: (0.0, 0.0)},
           slope=lambda x: 1 / (1 + x), covers=("op:log1p",)),
    Points("sqrt", np.sqrt, (0.0, -0.0, 1.0, 4.0, 1e-300, 1e300, INF), mp.sqrt, {0.0: END, INF: (0.0, 0.0)},
           covers=("op:sqrt", "op:root", "op:norm_root")),
    Points("cbrt", np.cbrt, (0.0, -0.0, 1.0, -8.0, 1e-30, 1e300, INF, -INF), lambda x: mp.sign(x) * mp.cbrt(abs(x)),
           {"-0.0": (INF, INF, INF), 0.0: END, INF: (0.0, 0.0), -INF: (0.0, 0.0)}, covers=("op:cbrt", "op:cbrt_reciprocal")),
    Points("sin", np.sin, (*ZEROS, math.pi / 2, math.pi, 1e6, *ORDINARY), mp.sin, covers=("op:sin",)),
    Points("cos", np.cos, (*ZEROS, math.pi / 2, math.pi, 1e6, *ORDINARY), mp.cos, covers=("op:cos",)),
    Points("tan", np.tan, (*ZEROS, math.pi / 2, math.pi, 1.5, *ORDINARY), mp.tan, covers=("op:tan",)),
    Points("arcsin", np.arcsin, (*ZEROS, 1.0, -1.0, 0.5, 1 - 2**-53, -0.99), mp.asin,
           {1.0: (INF, INF, INF), -1.0: END}, covers=("op:asin",)),
    Points("arccos", np.arccos, (*ZEROS, 1.0, -1.0, 0.5, 1 - 2**-53, -0.99), mp.acos,
           {1.0: (-INF, -INF, -INF), -1.0: (-INF, INF, -INF)}, covers=("op:acos",)),
    Points("arctan", np.arctan, (*ZEROS, 1.0, -1.0, 1e8, 1e100, 1e200, INF, -INF), mp.atan, {INF: STEP, -INF: STEP},
           slope=lambda x: 1 / (1 + x * x), covers=("op:atan", "op:cauchy")),
    Points("sinh", np.sinh, (*ZEROS, 1.0, -1.0, 710.3, 711.0, INF, -INF), mp.sinh,
           {INF: (INF, INF, INF), -INF: (INF, -INF, INF)}, covers=("op:sinh",)),
    Points("cosh", np.cosh, (*ZEROS, 1.0, -1.0, 710.3, 711.0, INF, -INF), mp.cosh,
           {INF: (INF, INF, INF), -INF: (-INF, INF, -INF)}, covers=("op:cosh",)),
    Points("tanh", np.tanh, (*ZEROS, 1.0, -1.0, 19.0, 400.0, -800.0, INF, -INF), mp.tanh, {INF: STEP, -INF: STEP},
           slope=lambda x: mp.sech(x) ** 2, least=1.0, covers=("op:tanh",)),
    Points("arcsinh", np.arcsinh, (*ZEROS, 1.0, -1.0, 1e100, -1e200, INF, -INF), mp.asinh, {INF: STEP, -INF: STEP},
           slope=lambda x: 1 / mp.hypot(x, 1), covers=("op:asinh",)),
    Points("arccosh", np.arccosh, (1.0, 1 + 2**-50, 2.0, 1e100, 1e200, INF), mp.acosh, {1.0: END, INF: STEP},
           slope=lambda x: 1 / (mp.sqrt(x - 1) * mp.sqrt(x + 1)), covers=("op:acosh",)),
    Points("arctanh", np.arctanh, (*ZEROS, 1.0, -1.0, 0.5, -0.5, 1 - 2**-53), mp.atanh,
           {1.0: (INF, INF, INF), -1.0: END}, covers=("op:atanh",)),
    *(Points(f.__name__, f, (0.0, -0.0, 0.5, 1.0, -1.5, INF, 2.7), None, dict.fromkeys((0.0, 0.5, 1.0, -1.5, INF, 2.7), STEP))
      for f in (np.sign, np.floor, np.ceil, np.trunc, np.rint)),
    Points("spacing", np.spacing, (0.0, 1.0, -2.7), None, dict.fromkeys((0.0, 1.0, -2.7), STEP)),
    Points("ldexp", lambda x: np.ldexp(x, 3), (0.0, -0.0, 1.5), None, dict.fromkeys((0.0, 1.5), (8.0, 0.0))),
    Points("frexp", lambda x: np.frexp(x)[0], (1.0, -2.5, 0.3), None, {1.0: (0.5, 0.0), -2.5: (0.25, 0.0), 0.3: (2.0, 0.0)}),
    Points("modf", lambda x: np.modf(x)[0], (0.0, -0.0, 1.0, -2.5), None, dict.fromkeys((0.0, 1.0, -2.5), (1.0, 0.0))),
    *(Points(f"x**{n}", lambda x, n=n: x ** n, (0.0, -0.0, 1.0, 2.0) if n % 1 else (0.0, -0.0, 1.0, 2.0, -2.0),
             lambda x, n=n: x ** mp.mpf(n), {**monomial(n), **({"-0.0": tuple(power_slopes(0.0, n, k) for k in (1, 2, 3))}
                                                              if n % 1 else {})})
      for n in (0, 1, 2, 3, 4, 5, -1, -2, -3, 0.5, 1.5, 2.5, 3.5, -0.5)),
]


FLAT_POWERS = ((0.5, INF), (-0.5, INF), (2.0, -INF))               # 0, and so are all slopes


def power_at_zero(y: float) -> dict:
    """All derivatives of x**y at x = 0 for y > 0: limits of sums of x**(y - k) log(x)**j."""
    found = {(0,) * k: power_slopes(0.0, y, k) for k in (1, 2, 3)}
    # d2/dxdy = y x^(y-1) log x + x^(y-1);  d3/dxdy2 = x^(y-1) (y log^2 x + 2 log x)
    found[0, 1] = 0.0 if y > 1 else -INF
    found[0, 1, 1] = 0.0 if y > 1 else INF
    # d3/dx2dy = x^(y-2) (y (y-1) log x + 2 y - 1)
    found[0, 0, 1] = 0.0 if y > 2 else (-INF if y > 1 else INF)
    if y <= 2:
        found |= {(0, 0, 1): None, (0, 1, 1): None}
    return found


def flat(first: float, second: float) -> dict:
    return {(0,): first, (1,): second}


POLE = {(0,): INF, (1,): -INF, (0, 1): -INF, (1, 1): INF, (0, 1, 1): INF, (1, 1, 1): -INF}        # of 1 / 0.0
TIES = ((1.0, 1.0), (0.0, 0.0), (0.0, -0.0), (2.0, 1.0), (-1.0, 3.0), (INF, 1.0), (1.0, -INF))
HALVES = flat(0.5, 0.5)
FIRST, SECOND = flat(1.0, 0.0), flat(0.0, 1.0)


def extreme(f, expression, larger: bool, **more):
    exact = dict.fromkeys(((0.0, 0.0), (0.0, -0.0)), HALVES)
    exact |= {p: FIRST if (p[0] > p[1]) == larger else SECOND for p in TIES[3:]}
    return Points(f.__name__, f, TIES, None, exact | kink(expression), **more)


TWO = [
    Points("add", np.add, ((0.0, -0.0), (INF, 1.0), (2.0, 3.0)), None,
           {p: flat(1.0, 1.0) for p in ((0.0, -0.0), (INF, 1.0), (2.0, 3.0))}, covers=("op:add",)),
    Points("subtract", np.subtract, ((0.0, -0.0), (INF, 1.0), (2.0, 3.0)), None,
           {p: flat(1.0, -1.0) for p in ((0.0, -0.0), (INF, 1.0), (2.0, 3.0))}, covers=("op:sub",)),
    Points("multiply", np.multiply, ((0.0, 0.0), (0.0, -0.0), (0.0, 2.0), (1e200, 1e200), (INF, 2.0)), lambda x, y: x * y,
           {(INF, 2.0): {(0,): 2.0, (1,): INF, (0, 1): 1.0}}, covers=("op:mul", "op:mulz")),
    Points("divide", np.divide, ((0.0, 1.0), (-0.0, -2.0), (3.0, 7.0), (1.0, 0.0), (1.0, INF), (1e-200, 1e200), (1.0, 1e-150)),
           lambda x, y: x / y, {(1.0, 0.0): POLE, (1.0, INF): {}}, covers=("op:div",)),
    Points("floor_divide", np.floor_divide, ((6.0, 3.0), (7.0, 3.0), (0.0, 2.0)), None,
           {p: {} for p in ((6.0, 3.0), (7.0, 3.0), (0.0, 2.0))}),
    Points("remainder", np.remainder, ((6.0, 3.0), (7.0, 3.0), (-7.0, 3.0), (7.0, -3.0), (0.0, 3.0), (-0.0, 3.0), (1.5, INF)),
           None, {(7.0, 3.0): flat(1.0, -2.0), (-7.0, 3.0): flat(1.0, 3.0), (7.0, -3.0): flat(1.0, 3.0),
                  (0.0, 3.0): flat(1.0, 0.0), (1.5, INF): flat(1.0, 0.0), **kink("np.mod(x, y)")}, covers=("op:mod",)),
    Points("fmod", np.fmod, ((-6.0, 3.0), (7.0, 3.0), (-7.0, 3.0), (7.0, -3.0), (0.0, 3.0), (-0.0, 3.0), (1.5, 3.0),
                             (1.5, INF)),
           None, {(7.0, 3.0): flat(1.0, -2.0), (-7.0, 3.0): flat(1.0, 2.0), (7.0, -3.0): flat(1.0, 2.0),
                  (0.0, 3.0): flat(1.0, 0.0), (1.5, 3.0): flat(1.0, 0.0), (1.5, INF): flat(1.0, 0.0),
                  **kink("np.fmod(x, y)")}),
    Points("divmod", lambda x, y: np.divmod(x, y)[1], ((6.0, 3.0), (-7.0, 3.0), (0.0, 3.0)), None,
           {(-7.0, 3.0): flat(1.0, 3.0), (0.0, 3.0): flat(1.0, 0.0), **kink("np.mod(x, y)")}),
    extreme(np.maximum, "np.maximum(x, y)", True, covers=("op:max",)),
    extreme(np.minimum, "np.minimum(x, y)", False, covers=("op:min",)),
    extreme(np.fmax, "np.fmax(x, y)", True), extreme(np.fmin, "np.fmin(x, y)", False),
    Points("fmax of NaN", np.fmax, ((1.0, NAN),), None, {(1.0, NAN): FIRST}, single=False),
    Points("copysign", np.copysign, ((0.0, 1.0), (0.0, -1.0), (-0.0, 1.0), (2.0, -1.0), (-2.0, 1.0), (2.0, -0.0), (-3.0, 0.0)),
           None, {(2.0, -1.0): flat(-1.0, 0.0), (-2.0, 1.0): flat(-1.0, 0.0), (2.0, -0.0): flat(-1.0, 0.0),
                  (-3.0, 0.0): flat(-1.0, 0.0), **kink("np.copysign(x, y)")}, covers=("op:copysign",)),
    Points("nextafter", np.nextafter, ((0.0, 3.0), (1.0, -1.0), (2.0, 2.0)), None,
           dict.fromkeys(((0.0, 3.0), (1.0, -1.0), (2.0, 2.0)), FIRST), covers=("op:nextafter",)),
    Points("heaviside", np.heaviside, ((0.0, 0.5), (-0.0, 0.5), (1.0, 0.5), (-1.0, 0.5)), None,
           {(1.0, 0.5): {}, (-1.0, 0.5): {}, **kink("np.heaviside(x, y)")}),
    Points("power", np.power, ((0.0, 0.0), (0.0, 0.5), (0.0, 1.0), (0.0, 1.5), (0.0, 2.0), (0.0, 3.0), (0.0, 2.3), (1.0, 0.0),
                               (2.0, 0.0), (2.0, -1.0), (1.0, 3.0), (2.5, 1.3), (2.0, -0.0), *FLAT_POWERS), lambda x, y: x ** y,
           {**{point: {} for point in FLAT_POWERS},
            **{(0.0, y): power_at_zero(y) for y in (0.5, 1.0, 1.5, 2.0, 3.0, 2.3)}, (0.0, 0.0): FirstOrder(flat(0.0, 0.0))},
           covers=("op:pow", "op:power_slope", "op:power_log", "float_power")),
    Points("power by its base", np.power,
           (*((x, float(n)) for x in (0.0, -2.0, 2.0) for n in (0, 1, 2, 3, 4, -1, -2)), (-0.0, 3.0), (-0.0, 1.0), (-0.0, 0.0)),
           lambda x, y: x ** int(y),
           {(0.0, float(n)): {(0,) * k: power_slopes(0.0, n, k) for k in (1, 2, 3)} for n in (0, 1, 2, 3, 4, -1, -2)}, by=(0,)),
    Points("power by its exponent", np.power, ((0.0, 0.5), (0.0, 1.0), (0.0, 3.0), (1.0, 0.0), (2.0, 0.0), (2.0, -3.0),
                                               (INF, -1.0)),
           lambda x, y: x ** y, {**{(0.0, y): {} for y in (0.5, 1.0, 3.0)}, (INF, -1.0): {}}, by=(1,)),
    Points("logaddexp", np.logaddexp, ((0.0, 0.0), (1.0, 1.0), (1000.0, 1000.0), (-1000.0, 1000.0), (1.0, 3.0),
                                       (2.0, 1.9999999),
                                       (INF, 1.0), (1.0, -INF), (0.0, -0.0)), lambda x, y: y + mp.log1p(mp.exp(x - y)),
           {(INF, 1.0): FIRST, (1.0, -INF): FIRST, (-1000.0, 1000.0): SECOND}),
    Points("logaddexp2", np.logaddexp2, ((0.0, 0.0), (1.0, 1.0), (1000.0, 1000.0), (-1500.0, 1500.0), (1.0, 3.0), (INF, 1.0),
                                         (1.0, -INF)), lambda x, y: y + mp.log1p(mp.mpf(2) ** (x - y)) / mp.log(2),
           {(INF, 1.0): FIRST, (1.0, -INF): FIRST, (-1500.0, 1500.0): SECOND}),
    Points("arctan2", np.arctan2, ((0.0, 1.0), (0.0, -1.0), (-0.0, -1.0), (1.0, 0.0), (-1.0, 0.0), (1.0, 1.0), (1e200, 1e200),
                                   (1e-200, 1e-200), (INF, 1.0), (1.0, INF), (0.0, 0.0)),
           lambda y, x: mp.atan2(y, x) if x > -0.5 else mp.atan(y / x),
           {(INF, 1.0): {}, (1.0, INF): {}, (1e200, 1e200): {(0,): 5e-201, (1,): -5e-201},
            (1e-200, 1e-200): FirstOrder(flat(5e199, -5e199)),
            **kink("np.arctan2(x, y)")}, covers=("op:atan2",)),
    Points("hypot", np.hypot, ((3.0, 4.0), (0.0, 2.0), (2.0, 0.0), (-0.0, -2.0), (0.0, 0.0), (1e200, 1e200), (1e-100, 1e-100),
                               (INF, 1.0), (1.0, 1e-3)), lambda x, y: mp.sqrt(x * x + y * y),
           {(INF, 1.0): FIRST, **kink("np.hypot(x, y)")}, covers=("op:hypot",)),
]

ROWS = [*ONE, *TWO]
