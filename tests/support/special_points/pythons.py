"""Python's math module, on single numbers, and its builtins: at the points of NumPy's function where Python raises no error."""
from __future__ import annotations

import math

import mpmath as mp
import numpy as np

from . import elementary, special_functions
from .conventions import kink
from .points import Points


def each(f):
    """A function of numbers over the elements of arrays."""
    def function(*xs):
        out = np.zeros_like(xs[0])
        for i in range(out.shape[0]):
            out[i] = f(*[x[i] for x in xs])
        return out
    return function


def defined(f, point) -> bool:
    try:
        return math.isfinite(f(*point))
    except (ValueError, OverflowError):
        return False


TWINS = {row.name: row for row in (*elementary.ROWS, *special_functions.ROWS)}
NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh",
         "atan2": "arctan2", "lgamma": "gammaln", "radians": "deg2rad", "degrees": "rad2deg", "pow": "power"}
SAME = ("sqrt", "exp", "expm1", "exp2", "log", "log2", "log10", "log1p", "cbrt", "sin", "cos", "tan", "sinh", "cosh", "tanh",
        "erf", "erfc",
        "fabs", "gamma", "hypot", "copysign", "fmod", "nextafter", "ldexp", "modf", *NAMES)


def twin(name: str) -> Points:
    f, row = getattr(math, name), TWINS[NAMES.get(name, name)]
    call = {"ldexp": lambda x: math.ldexp(x, 3), "modf": lambda x: math.modf(x)[0]}.get(name, f)
    points = tuple(p for p in row.at() if defined(call, p))
    return Points(f"math.{name}", each(call), points, row.reference, row.exact, slope=row.slope, by=row.by, least=row.least,
                  single=False)


ROWS = [
    *(twin(name) for name in SAME if hasattr(math, name)),
    Points("math.log to a base", each(lambda x, y: math.log(x, y)), ((1.0, 2.0), (3.0, 0.5)), lambda x,
           y: mp.log(x) / mp.log(y), single=False),
    Points("math.hypot of three", each(lambda x, y, z: math.hypot(x, y, z)), ((0.0, 3.0, 4.0), (1.0, 2.0, 2.0)),
           lambda x, y, z: mp.sqrt(x * x + y * y + z * z), single=False),
    Points("math.hypot of one", each(lambda x: math.hypot(x)), (0.0, 2.0, -3.0), abs, kink("np.abs(x)"), single=False),
    Points("math.dist", each(lambda x, y: math.dist((x, 1.0), (y, 1.0 + 3.0))), ((1.0, 1.0), (0.0, 4.0)),
           lambda x, y: mp.sqrt((x - y) ** 2 + 9), single=False),
    Points("math.remainder", each(lambda x, y: math.remainder(x, y)), ((0.0, 3.0), (7.0, 3.0), (-2.0, 3.0)), None,
           {(0.0, 3.0): {(0,): 1.0}, (7.0, 3.0): {(0,): 1.0, (1,): -2.0}, (-2.0, 3.0): {(0,): 1.0, (1,): 1.0}}, single=False),
    Points("math.prod", each(lambda x, y: math.prod([x, y, x])), ((0.0, 2.0), (0.0, 0.0)), lambda x, y: x * x * y,
           single=False),
    Points("builtins.abs", each(abs), (0.0, -0.0, 2.0, -3.0), abs, kink("np.abs(x)"), single=False),
    Points("builtins.max", each(max), ((1.0, 1.0), (2.0, 1.0), (1.0, 2.0)), None,
           {(2.0, 1.0): {(0,): 1.0}, (1.0, 2.0): {(1,): 1.0}, **kink("max(x, y)")}, single=False),
    Points("builtins.min", each(min), ((1.0, 1.0), (2.0, 1.0), (1.0, 2.0)), None,
           {(2.0, 1.0): {(1,): 1.0}, (1.0, 2.0): {(0,): 1.0}, **kink("min(x, y)")}, single=False),
    Points("builtins.pow", each(pow), ((0.0, 2.0), (2.0, 3.0), (2.0, 0.0)), lambda x, y: x ** y,
           {(0.0, 2.0): {(0, 0): 2.0, (0, 0, 1): None, (0, 1, 1): None}}, single=False),
    Points("x % 3", each(lambda x: x % 3.0), (0.0, 7.0, -7.0, 6.0), None, dict.fromkeys((0.0, 7.0, -7.0, 6.0), (1.0, 0.0)),
           single=False),
]
