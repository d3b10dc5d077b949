"""Where piecewise polynomials take a value: SciPy's PPoly.solve and roots.

Between two neighbours of the ends of an interval and the zeros of the derivative a polynomial is monotonic, so bisection finds
its only zero there; the zeros of the derivative are found in the same way, down to the straight line. The search is not
differentiated: two of Newton's steps follow the zero u(c) of p(u; c), whose derivatives they have to the third order.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from ...primitives import sloped, stopped

_HALVINGS = 120


def _at(c: Any, u: Any) -> Any:
    total = c[0] + u * 0.0
    for k in range(1, c.shape[0]):
        total = total * u + c[k]
    return total


def _slopes(c: Any) -> Any:
    return c[:-1] * np.arange(c.shape[0] - 1, 0, -1).reshape(-1, 1)


def _zeros(c: Any, low: Any, high: Any) -> Any:
    """(zeros in [low, high) of each column's polynomial, in order; which of them there are), an array of one row per degree."""
    degree = c.shape[0] - 1
    if degree == 0:
        return np.zeros((0, c.shape[1])), np.zeros((0, c.shape[1]), bool)
    inner, there = _zeros(_slopes(c), low, high)
    inner = np.sort(np.where(there, inner, high), axis=0)
    left = np.concatenate((low[None], inner), axis=0)
    right = np.concatenate((inner, high[None]), axis=0)
    below, above = _at(c, left), _at(c, right)
    there = (left < right) & ((below == 0) | ((below < 0) & (above > 0)) | ((below > 0) & (above < 0)))
    rising = above > 0
    a, b = left, np.where(below == 0, left, right)
    for _ in range(_HALVINGS):
        middle = 0.5 * (a + b)
        value = _at(c, middle)
        up = (value > 0) == rising
        a, b = np.where(up & (value != 0), a, middle), np.where(up | (value == 0), middle, b)
    return 0.5 * (a + b), there


def _far(c: Any) -> Any:
    """No zero of a column's polynomial is farther from 0: Cauchy's bound, by the first coefficient that is not 0."""
    lead, seen = np.ones(c.shape[1]), np.zeros(c.shape[1], bool)
    for k in range(c.shape[0]):
        lead = np.where(~seen & (c[k] != 0), c[k], lead)
        seen = seen | (c[k] != 0)
    return 2.0 + np.max(np.abs(c), axis=0) / np.abs(lead)


def _followed(c: Any, u: Any) -> Any:
    """The zeros u with the derivatives by c."""
    u, slopes = stopped(u), _slopes(c)
    found = u
    for _ in range(2):
        slope = _at(slopes, found)
        found = found - _at(c, found) / np.where(slope == 0, np.nan, slope)
    return sloped(u, found)


def solve(c: Any, x: Any, y: Any, discontinuity: bool, extrapolate: Any) -> Any:
    """All points at which the piecewise polynomial of one column of coefficients for each interval is y, in order."""
    shifted = np.concatenate((c[:-1], (c[-1] - y)[None]), axis=0)
    held, width = stopped(shifted), stopped(np.diff(x))
    n = width.shape[0]
    low, high = np.zeros(n), width + 0.0
    if extrapolate:
        low[0] = -_far(held)[0]
        high[n - 1] = np.maximum(_far(held)[n - 1], width[n - 1])
    found, there = _zeros(held, low, high)
    end = _at(held, width)
    start = np.concatenate((held[-1][1:], np.full(1, np.nan)))
    # the right end of an interval belongs to it, too, unless the next one begins there with the same value
    inner = (np.arange(n) < n - 1) | (not extrapolate)
    ends = inner & (np.abs(end) <= 4 * np.finfo(float).eps * _at(np.abs(held), width))
    there = there & ~(ends & (width - found <= 1e-12 * width))
    closing = ends & (start != 0)
    found = np.concatenate((found, width[None]), axis=0)
    there = np.concatenate((there, closing[None]), axis=0)
    flat = np.all(held == 0, axis=0)                         # 0 everywhere: SciPy gives the left end, and NaN
    places = np.where(there & ~flat, _followed(shifted, found), 0.0) + x[:-1]
    crossed = ((end < 0) & (start > 0)) | ((end > 0) & (start < 0))
    jumps = np.concatenate((np.zeros(1, bool), crossed[:-1])) & discontinuity
    none = np.full(n, np.nan)
    places = np.concatenate((x[:-1][None], places, x[:-1][None], none[None]), axis=0)
    there = np.concatenate((jumps[None], there & ~flat, flat[None], flat[None]), axis=0)
    return places.T.ravel()[there.T.ravel()]
