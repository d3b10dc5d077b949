"""The methods of SciPy's distributions as NumPy programs over the standard forms of families.py: location and scale, supports,
what is NaN and what is 0. Results are in double precision, as SciPy's are.
"""
from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .....ir.errors import UnsupportedError
from ....values import captured_values
from ....values.promotion import fail
from ....values.shapes import static_int
from ...primitives import is_known
from . import families_more  # noqa: F401  (fills the table)
from .families import FAMILIES, INF
from .families_borrowed import Borrowed

if TYPE_CHECKING:
    from .....ir.types import Array


def _parsed(family: Any, args: tuple[float | Array, ...], kwargs: Mapping[str, float | Array]) -> tuple[list[Array],
            Array, Array]:
    """(shapes, location, scale) from what follows the argument of a method."""
    names = (*family.shapes, "loc", *(() if family.discrete else ("scale",)))
    if len(args) > len(names):
        raise TypeError(f"{family.__name__} takes {len(names)} parameters, not {len(args)}")
    given = dict(zip(names, args))
    for name in kwargs:
        if name not in names or name in given:
            raise TypeError(f"{family.__name__} got an unexpected or repeated parameter {name!r}")
    given = {"loc": 0.0, "scale": 1.0, **given, **kwargs}
    missing = [name for name in family.shapes if name not in given]
    if missing:
        raise TypeError(f"{family.__name__} needs its parameter {missing[0]!r}")
    shapes = [np.asarray(given[name]).astype(np.float64) for name in family.shapes]
    return shapes, np.asarray(given["loc"]).astype(np.float64), np.asarray(given["scale"]).astype(np.float64)


def _mass(family: Any, log: Any, x: Any, shapes: Sequence[Array], scale: Array) -> Any:
    name = "pmf" if family.discrete else "pdf"
    own = None if log else getattr(family, name, None)
    if own is not None:
        return own(x, *shapes) / scale
    value = getattr(family, "log" + name)(x, *shapes) - (0.0 if family.discrete else np.log(scale))
    return value if log else np.exp(value)


def _density(family: Any, log: bool, x: np.ndarray | Array, *args: float | Array, **kwargs: Array) -> Any:
    shapes, loc, scale = _parsed(family, args, kwargs)
    x = (np.asarray(x).astype(np.float64) - loc) / scale
    low, high = family.support(*shapes)
    inside = (low < x) & (x < high) if family.ends_outside else (low <= x) & (x <= high)
    if family.discrete:
        inside = inside & (x == np.floor(x))
    value = _mass(family, log, x, shapes, scale)
    found = np.where(inside, value, -INF if log else 0.0)
    return np.where(family.valid(*shapes) & (scale > 0) & (x == x), found, np.nan)[()]


def _standard(family: Any, name: str, x: Any, shapes: list[Array]) -> Any:
    """A distribution function in standard form, by its own formula or that of its complement."""
    own = getattr(family, name, None)
    if own is not None:
        return own(x, *shapes)
    if name in ("logcdf", "logsf"):
        return _logarithm(family, name[3:], x, shapes)
    return 1.0 - _standard(family, "cdf", x, shapes)


def _logarithm(family: Any, name: str, x: Any, shapes: list[Array]) -> Any:
    """log of a probability; one above 1/2 is 1 less its complement, where the family computes that: log1p(-complement)
    keeps the digits that the probability has lost."""
    part, other = _standard(family, name, x, shapes), "sf" if name == "cdf" else "cdf"
    if family.discrete or not hasattr(family, other):
        return np.log(part)
    rest, above = _standard(family, other, x, shapes), part > 0.5
    return np.where(above, np.log1p(-np.where(above, rest, 0.0)), np.log(np.where(above, 1.0, part)))


def _cumulative(family: Any, name: str, x: Array, *args: float | Array, **kwargs: float | Array) -> Any:
    shapes, loc, scale = _parsed(family, args, kwargs)
    x = (np.asarray(x).astype(np.float64) - loc) / scale
    if family.discrete and not family.takes_steps:
        x = np.floor(x)
    low, high = family.support(*shapes)
    first, last = {"cdf": (0.0, 1.0), "sf": (1.0, 0.0), "logcdf": (-INF, 0.0), "logsf": (0.0, -INF)}[name]
    below = x < low if family.discrete else x <= low
    found = np.where(below, first, np.where(x >= high, last, _standard(family, name, x, shapes)))
    return np.where(family.valid(*shapes) & (scale > 0) & (x == x), found, np.nan)[()]


def _quantile(family: Any, name: str, q: Any, *args: Array, **kwargs: Array) -> Any:
    shapes, loc, scale = _parsed(family, args, kwargs)
    q = np.asarray(q).astype(np.float64)
    own, good = getattr(family, name, None), family.valid(*shapes)
    some = np.where((q > 0) & (q < 1), q, 0.5)
    used = [np.where(good, s, v) for s, v in zip(shapes, family.sample)] if family.discrete else shapes
    inside = own(some, *used) if own is not None else family.ppf(1.0 - some, *used)
    low, high = family.support(*shapes)
    if family.discrete:
        low = low - 1                              # SciPy's: the step before the first, where no probability lies yet
    if name == "isf":
        low, high = high, low
    found = np.where(q == 0, low * scale + loc, np.where(q == 1, high * scale + loc, inside * scale + loc))
    return np.where(good & (scale > 0) & (q >= 0) & (q <= 1), found, np.nan)[()]


def _moment(family: Any, name: str, *args: Array, **kwargs: Array) -> Any:
    shapes, loc, scale = _parsed(family, args, kwargs)
    if name == "mean":
        found = family.mean(*shapes) * scale + loc
    elif name == "entropy":
        found = family.entropy(*shapes) + np.log(scale)
    else:
        found = family.var(*shapes) * scale * scale + loc * 0.0
    if name == "std":
        found = np.sqrt(found)
    return np.where(family.valid(*shapes) & (scale > 0), found, np.nan)[()]


def _moments_of_standard(family: Any, order: int, shapes: Any) -> list:
    """E X^k of the standard form, k = 0 to `order`: from mean, variance, skewness g and excess kurtosis h,
    E (X - m)^3 = g v^(3/2) and E (X - m)^4 = (h + 3) v^2, or by SciPy's own formula for a moment."""
    found: list = [1.0]
    for number in range(1, order + 1):
        k = static_int(number, "the order of a moment")
        if k <= 2 or (k <= 4 and hasattr(family, "skewness")):
            found.append(_by_central(family, k, shapes))
        elif hasattr(family, "munp"):
            found.append(family.munp(k, *shapes))
        else:
            raise NotImplementedError(f"scipy.stats.{family.__name__}.moment of order {k} cannot be compiled: integrate "
                                      "x**n * pdf(x)")
    return found


def _by_central(family: Any, k: int, shapes: Any) -> Any:
    m = family.mean(*shapes)
    if k == 1:
        return m
    v = family.var(*shapes)
    if k == 2:
        return v + m * m
    third = family.skewness(*shapes) * v ** 1.5
    if k == 3:
        return third + 3 * m * v + m * m * m
    return (family.kurtosis(*shapes) + 3.0) * v * v + 4 * m * third + 6 * m * m * v + m ** 4


def _raw_moment(family: Any, order: Any, *args: Any, **kwargs: Any) -> Any:
    """E (loc + scale X)^n = Σ_k C(n, k) scale^k loc^(n-k) E X^k."""
    if is_known(order) and order != int(order):
        raise ValueError("Moment must be an integer.")
    order = static_int(order, "the order of a moment")
    if order < 0:
        raise ValueError("Moment must be positive.")
    shapes, loc, scale = _parsed(family, args, kwargs)
    if order == 0:
        return np.where(family.valid(*shapes) & (scale > 0), loc * 0.0 + 1.0, np.nan)[()]
    moments = _moments_of_standard(family, order, shapes)
    found = sum([math.comb(order, k) * scale ** k * loc ** (order - k) * moments[k] for k in range(order + 1)])
    return np.where(family.valid(*shapes) & (scale > 0), found, np.nan)[()]


def _support(family: Any, *args: Any, **kwargs: Any) -> Any:
    shapes, loc, scale = _parsed(family, args, kwargs)
    low, high = family.support(*shapes)
    good = family.valid(*shapes) & (scale > 0)
    ends = np.where(good, low * scale + loc, np.nan)[()], np.where(good, high * scale + loc, np.nan)[()]
    return _whole_ends(family, *ends, args, kwargs) if family.discrete else ends


def _whole_ends(family: Any, low: Any, high: Any, args: Any, kwargs: Any) -> Any:
    """SciPy's ends of a discrete support are integers where the parameters that say them are, as long as all are valid."""
    given = {**dict(zip((*family.shapes, "loc"), args)), **kwargs}
    loc = given.pop("loc", 0)
    ends = family.support(*[np.asarray(given[name]) for name in family.shapes])

    def as_given(found: Any, end: Any) -> Any:
        first = 0 if is_known(end) and np.ndim(end) == 0 and np.isfinite(end) and end == int(end) else end
        kind = np.result_type(np.asarray(first), np.asarray(loc))
        if not np.issubdtype(kind, np.integer):
            return found
        if np.any(np.isnan(found)):
            raise ValueError(f"scipy.stats.{family.__name__}.support: a parameter is outside of its domain, where SciPy gives "
                             "NaN, which integers have not: pass loc as a float")
        return found.astype(kind)

    return as_given(low, ends[0]), as_given(high, ends[1])


def _stats(family: Any, *args: Any, moments: str = "mv", **kwargs: Any) -> Any:
    """Mean, variance, skewness and kurtosis, those of the letters that `moments` has."""
    found = []
    if "m" in moments:
        found.append(_moment(family, "mean", *args, **kwargs))
    if "v" in moments:
        found.append(_moment(family, "var", *args, **kwargs))
    for letter, name in (("s", "skewness"), ("k", "kurtosis")):
        if letter in moments:
            shapes, loc, scale = _parsed(family, args, kwargs)
            if not hasattr(family, name):
                raise NotImplementedError(f"the {name} of such a distribution cannot be compiled: call it outside the function")
            value = getattr(family, name)(*shapes) + loc * 0.0
            found.append(np.where(family.valid(*shapes) & (scale > 0), value, np.nan)[()])
    return found[0] if len(found) == 1 else tuple(found)


def _median(family: Any, *args: Any, **kwargs: Any) -> Any:
    return _quantile(family, "ppf", 0.5, *args, **kwargs)


def _interval(family: Any, confidence: Any, *args: Any, **kwargs: Any) -> Any:
    tail = (1.0 - np.asarray(confidence)) / 2
    return _quantile(family, "ppf", tail, *args, **kwargs), _quantile(family, "ppf", 1.0 - tail, *args, **kwargs)


def _rvs(family: Any, *args: Any, size: Any = None, random_state: Any = None, **kwargs: Any) -> Any:
    """SciPy's own draws: the class's from the generator, then scale and location."""
    if random_state is None or isinstance(random_state, (int, np.integer)):
        raise NotImplementedError(f"scipy.stats.{family.__name__}.rvs cannot be compiled without a generator: pass "
                                  "random_state=rng, a np.random.Generator")
    names = (*family.shapes, "loc", *(() if family.discrete else ("scale",)))
    if len(args) == len(names) + 1:
        args, size = args[:-1], args[-1]
    shapes, loc, scale = _parsed(family, args, kwargs)
    full = np.broadcast_shapes(*[np.shape(v) for v in (*shapes, loc, scale)])
    size = full if size is None else size if isinstance(size, tuple) else (size,)
    if len(full) > 0:
        shapes = [np.broadcast_to(s, size) for s in shapes]
    drawn = family.rvs(*shapes, size=size, random_state=random_state)
    drawn = drawn * scale + loc
    return drawn.astype(np.int64) if family.discrete else drawn


# method -> (program, what it takes besides the family, what the family must have)
_METHODS = {
    "logpdf": (_density, (True,), "logpdf"), "pdf": (_density, (False,), "logpdf"), "logpmf": (_density, (True,), "logpmf"),
    "pmf": (_density, (False,), "logpmf"), **{name: (_cumulative, (name,), "cdf") for name in ("cdf", "sf", "logcdf", "logsf")},
    **{name: (_quantile, (name,), "ppf") for name in ("ppf", "isf")}, "mean": (_moment, ("mean",), "mean"),
    "var": (_moment, ("var",), "var"), "std": (_moment, ("std",), "var"), "entropy": (_moment, ("entropy",), "entropy"),
    "moment": (_raw_moment, (), "var"), "rvs": (_rvs, (), "rvs"), "median": (_median, (), "ppf"),
    "interval": (_interval, (), "ppf"), "stats": (_stats, (), "var"), "support": (_support, (), "valid"),
}


class Bound:
    """A program with its first arguments: a method of a distribution."""

    def __init__(self, program: Any, first: tuple[bool | str | type, ...]):
        self.program, self.first = program, first

    def __call__(self, *args: Array, **kwargs: float | Array) -> Array:
        return self.program(*self.first, *args, **kwargs)


_OWN: dict = {}                    # class of a distribution -> its family


def family_of(dist: str) -> Any:
    """The family of a distribution: families.py's, and where that says nothing the methods that SciPy writes for it."""
    kind = type(dist)
    if kind not in _OWN:
        _OWN[kind] = Borrowed(dist, FAMILIES.get(kind.__name__)) if hasattr(dist, "_argcheck") else None
    return _OWN[kind]


FROZEN: dict = {}                  # class of a multivariate distribution -> its programs; scipy_source.py fills it
BORROWED: list[Callable] = []      # (distribution, name of a method) -> that of SciPy, rewritten, or None; filled there, too
# frozen multivariate distribution -> its attributes that are the parameters of a method
_KEPT = {"multivariate_normal_frozen": ("mean", "cov", "allow_singular"), "multivariate_t_frozen": ("loc", "shape", "df"),
         "multinomial_frozen": ("n", "p"), "dirichlet_frozen": ("alpha",), "wishart_frozen": ("df", "scale"),
         "matrix_normal_frozen": ("mean", "rowcov", "colcov"), "invwishart_frozen": ("df", "scale"),
         "dirichlet_multinomial_frozen": ("alpha", "n")}


def program(dist: Any, name: str) -> Bound | None:
    """The program of a method of a distribution, None where there is none."""
    if type(dist).__name__ in FROZEN:
        return FROZEN[type(dist).__name__].get(name)
    family = family_of(dist)
    if family is None or name not in _METHODS or not hasattr(family, _METHODS[name][2]):
        return None
    return Bound(_METHODS[name][0], (family, *_METHODS[name][1]))


def parts(owner: Any) -> tuple[Any, tuple[float, ...], dict[str, float]]:
    """(distribution, parameters, named parameters) of a distribution of SciPy, frozen or not."""
    if type(owner).__name__ in _KEPT:
        return owner._dist, tuple(getattr(owner, name) for name in _KEPT[type(owner).__name__]), {}
    if type(owner).__name__ in ("rv_continuous_frozen", "rv_discrete_frozen"):
        for name in ("dist", "args", "kwds"):
            captured_values.whole(captured_values.attribute(owner, name, getattr(owner, name)))
        return owner.dist, owner.args, owner.kwds
    return owner, (), {}


class Frozen:
    """A distribution whose parameters are given inside traced code."""

    def __init__(self, dist: Any, args: tuple[float | Array, ...], kwargs: dict[str, Array]):
        self.dist, self.args, self.kwds = dist, args, kwargs

    def __getattr__(self, name: str) -> Callable:
        if name.startswith("__"):
            raise AttributeError(name)
        found = program(self.dist, name) or BORROWED[0](self.dist, name)
        if found is None:
            fail(UnsupportedError, f"scipy.stats.{type(self.dist).__name__.removesuffix('_gen')}.{name} cannot be compiled",
                 "call it before the compiled function and pass the result in")
        return functools.partial(_late, found, name, self.args, self.kwds)


_FIRST = {"interval": "confidence", "moment": "order", "ppf": "q", "isf": "q", "pmf": "k", "logpmf": "k"}
_LAST = {"stats": "moments"}


def before_parameters(name: str, xs: tuple, more: dict) -> tuple[tuple, dict]:
    """What a method of a frozen distribution is given: its first argument by its place, as parameters follow it,
    or by its name, where it follows them."""
    if name in _LAST and xs:
        return (), {**more, _LAST[name]: xs[0]}
    first = _FIRST.get(name, "x")
    return ((more[first],), {k: v for k, v in more.items() if k != first}) if not xs and first in more else (xs, more)


def _late(found: Bound, name: str, args: tuple[float | Array, ...], kwds: dict[str, Array], *xs: np.ndarray | Array,
          **more: Any) -> Array:
    xs, more = before_parameters(name, xs, more)
    return found(*xs, *args, **kwds, **more)


def frozen(name: str) -> type | None:
    return Frozen if name in FAMILIES or name in FROZEN or name.endswith("_gen") else None
