"""What a declaration of special points is, and what the right derivatives at them are.

A row of the table names a function, the points at which its derivative is easily got wrong (zeros, ties, poles, ends of the
domain, infinities, thresholds of formulas), and a reference in mpmath of which the derivatives are taken with 40 digits. Where
that cannot be (infinities, one-sided limits), the row says the values. Where the function has a kink the value is a convention,
read from the table in docs/exactness.md.
"""
from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import mpmath as mp

from .conventions import FirstOrder

DIGITS = 40
INF, NAN = math.inf, math.nan


@dataclass(frozen=True, eq=False)
class Points:
    """Special points of an elementwise function of one or several arguments.

    points     arguments: numbers, or tuples of them
    reference  the function on mpmath's numbers; None where `exact` says everything
    exact      point -> derivatives where mpmath has none. Of a function of one argument: (first, second, third), the last of
               which stands for the orders that follow. Of several: {indices of arguments: value}, as {(0, 1): d2f/dx0 dx1};
               what is not named is 0. The key "-0.0" tells a negative zero apart.
    slope      the first derivative on mpmath's numbers, where differences of the reference lose its digits; or a tuple of
               the first four
    by         the indices of the arguments to differentiate by; the others are held
    least      a scale that errors are measured by at the least
    covers     what else the row stands for: ops of the IR ("op:sin"), functions of other modules that are the same
    single     whether float32 is asked too
    """

    name: str
    function: Callable
    points: tuple
    reference: Callable | None = None
    exact: dict = field(default_factory=dict)
    slope: Callable | tuple | None = None
    by: tuple | None = None
    least: float = 0.0
    covers: tuple = ()
    single: bool = True

    def at(self) -> list[tuple]:
        return [p if isinstance(p, tuple) else (p,) for p in self.points]

    @property
    def arguments(self) -> int:
        return len(self.at()[0])

    def directions(self) -> tuple:
        return tuple(range(self.arguments)) if self.by is None else self.by

    def derivative(self, point: tuple, by: tuple) -> float | None:
        """The derivative at a point by the arguments of these indices, as the nearest float64; None where none is asked."""
        given = self._given(point)
        if given is None:
            return float(_derivative(self, point, by))
        if isinstance(given, FirstOrder) and len(by) > 1:
            return None
        if isinstance(given, dict):
            found = given.get(tuple(sorted(by)), 0.0)
            return None if found is None else float(found)
        return float(given[min(len(by), len(given)) - 1])

    def _given(self, point):
        single = len(point) == 1
        for known, values in self.exact.items():
            if known == "-0.0":
                if single and str(point[0]) == "-0.0":
                    return values
            elif (known if isinstance(known, tuple) else (known,)) == point:
                if single and str(point[0]) == "-0.0" and "-0.0" in self.exact:
                    continue
                return values
        return None

    def scale(self, point: tuple, by: tuple) -> float:
        """What an error is measured by: the derivative, and what a relative change of the arguments changes it by."""
        parts = [self.least, abs(self.derivative(point, by))]
        if self._given(point) is None:
            with mp.workdps(DIGITS):
                parts += [float(abs(point[k] * _derivative(self, point, (*by, k)))) for k in self.directions()]
            if len(by) > 1:
                parts += [abs(self.derivative(point, by[:k] + by[k + 1:])) for k in range(len(by))]
        return max((part for part in parts if math.isfinite(part)), default=0.0)

    def noise(self, point: tuple) -> float:
        """What differences with 40 digits cannot tell from 0."""
        if self.reference is None or self.slope is not None or self._given(point) is not None:
            return 0.0
        step = min([1.0, *(abs(x) for x in point if x)])
        size = max(abs(self.reference(*(mp.mpf(x) + step * move for x in point))) for move in (0, 0.125, -0.125))
        return float(size * mp.mpf(10) ** -30)


@cache
def _derivative(row, point, by):
    return _mixed(row, point, tuple(sorted(by)))


@cache
def _mixed(row, point, by):
    if isinstance(row.slope, tuple):
        with mp.workdps(DIGITS):
            return row.slope[len(by) - 1](mp.mpf(point[0]))
    small = max((-math.log10(abs(x)) for x in point if x), default=0)
    with mp.workdps(DIGITS + int(len(by) * max(0, small))):
        if row.slope is not None:
            return mp.re(_difference(row.slope, tuple(map(mp.mpf, point)), by[1:]))
        return mp.re(_difference(row.reference, tuple(map(mp.mpf, point)), by))


def _difference(f, point, by):
    """By differences in one argument after the other; with steps relative to it, x = here (1 + s), where it is not about 1."""
    if not by:
        return f(*point)
    k, order = by[0], by.count(by[0])
    here, rest = point[k], tuple(j for j in by if j != by[0])

    def along(x):
        return _difference(f, (*point[:k], x, *point[k + 1:]), rest)

    if not here or 1e-3 < abs(here) < 1e3:
        return mp.diff(along, here, order)
    return mp.diff(lambda s: along(here * (1 + s)), 0, order) / here ** order
