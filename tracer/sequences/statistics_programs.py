"""The standard library's module `statistics`, as programs over lists of numbers that only run time knows.

CPython sums fractions; these sum floats and, apart, what each addition loses (Neumaier 1974, Z. angew. Math. Mech. 54, 39), so
results may differ in the last bit.
"""
from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from typing import Any

from ...ir.errors import UnsupportedError
from .. import pytrees, tracing
from ..calling import calls
from ..control import packed_lists
from ..syntax import source
from ..values import boxes
from ..values.boxes import ArrayBox, Box


def _total(data: Any) -> Any:
    total, lost = 0.0, 0.0
    for v in data:
        now = total + v
        lost += (total - now) + v if abs(total) >= abs(v) else (v - now) + total
        total = now
    return total + lost if math.isfinite(total) else total


def mean(data: Any) -> Any:
    n = len(data)
    if n < 1:
        raise statistics.StatisticsError("mean requires at least one data point")
    return _total(data) / n


def fmean(data: Any, weights: Any = None) -> Any:
    n = len(data)
    if n < 1:
        raise statistics.StatisticsError("fmean requires at least one data point")
    if weights is None:
        return _total(data) / n
    if len(weights) != n:
        raise statistics.StatisticsError("data and weights must be the same length")
    den = _total(weights)
    if den == 0:
        raise statistics.StatisticsError("sum of weights must be non-zero")
    return _total([data[k] * weights[k] for k in range(n)]) / den


def _squares(data: Any, center: Any) -> Any:
    """The sum of (v - center)**2, less what the rounding of the center adds to it."""
    apart = [v - center for v in data]
    return _total([d * d for d in apart]) - _total(apart) ** 2 / len(data)


def variance(data: Any, xbar: Any = None) -> Any:
    n = len(data)
    if n < 2:
        raise statistics.StatisticsError("variance requires at least two data points")
    return (_squares(data, mean(data)) if xbar is None else _total([(v - xbar) * (v - xbar) for v in data])) / (n - 1)


def pvariance(data: Any, mu: Any = None) -> Any:
    n = len(data)
    if n < 1:
        raise statistics.StatisticsError("pvariance requires at least one data point")
    return (_squares(data, mean(data)) if mu is None else _total([(v - mu) * (v - mu) for v in data])) / n


def stdev(data: Any, xbar: Any = None) -> Any:
    if len(data) < 2:
        raise statistics.StatisticsError("stdev requires at least two data points")
    return math.sqrt(variance(data, xbar))


def pstdev(data: Any, mu: Any = None) -> Any:
    if len(data) < 1:
        raise statistics.StatisticsError("pstdev requires at least one data point")
    return math.sqrt(pvariance(data, mu))


def median(data: Any) -> Any:
    ordered, n = sorted(data), len(data)
    if n == 0:
        raise statistics.StatisticsError("no median for empty data")
    return ordered[n // 2] if n % 2 else (ordered[n // 2 - 1] + ordered[n // 2]) / 2


def median_low(data: Any) -> Any:
    ordered, n = sorted(data), len(data)
    if n == 0:
        raise statistics.StatisticsError("no median for empty data")
    return ordered[(n - 1) // 2]


def median_high(data: Any) -> Any:
    ordered, n = sorted(data), len(data)
    if n == 0:
        raise statistics.StatisticsError("no median for empty data")
    return ordered[n // 2]


def _are_ints(data: Any) -> bool:
    leaves = [data.array()] if isinstance(data, packed_lists.ListValue) else pytrees.leaves_of(data)
    return all(boxes.lift(x).dtype_ir.kind not in "fc" for x in leaves)


def _by_program(plain: Callable, program: Callable) -> Callable:
    def run(data: Any, *args: Any, **kwargs: Any) -> Any:
        given = (data, *args, *kwargs.values())
        traced = any(isinstance(x, (ArrayBox, packed_lists.ListValue)) for x in given)
        if traced or any(isinstance(x, Box) for x in pytrees.leaves_of(given)):
            if plain in _EXACT and _are_ints(data):
                raise UnsupportedError(f"statistics.{plain.__name__} of ints is an int or a float, which only run time knows",
                                       "use statistics.fmean, or make the items floats", tracing.locate())
            return calls.call(program, data, *args, **kwargs)
        return calls.as_it_stands(plain, [data, *args], kwargs)

    return run


_EXACT = (statistics.mean, statistics.variance, statistics.pvariance)
_PROGRAMS = (mean, fmean, variance, pvariance, stdev, pstdev, median, median_low, median_high)
source.OPENED.update(f.__code__ for f in (*_PROGRAMS, _squares, _total))
for _program in _PROGRAMS:
    _plain = getattr(statistics, _program.__name__)
    calls.BUILTINS[_plain] = calls.OF_LISTS[_plain] = _by_program(_plain, _program)
