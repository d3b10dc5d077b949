"""NumPy's functions that are neither ufuncs nor reductions: analysis, polynomials, selection, making arrays."""
from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import scipy.special as sp

from .arrays import Arrays, at
from .conventions import kink
from .points import INF, NAN, Points

KNOTS, HEIGHTS = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, 3.0])
INTERPOLATION = "np.interp(x, [0.0, 1.0, 2.0], [0.0, 1.0, 3.0])"
SINC = 0.03 / math.pi                                    # where np.sinc has changed from a series to the quotient


def sinc(x):
    return mp.sin(mp.pi * x) / (mp.pi * x) if x else mp.mpf(1)


def interpolate(x, knots, heights):
    k = 0 if x < knots[1] else 1
    return heights[k] + (heights[k + 1] - heights[k]) / (knots[k + 1] - knots[k]) * (x - knots[k])


def clipped(x):
    return min(max(x, mp.mpf(0)), mp.mpf(1))


def vandermonde(x):
    return np.array([[v ** k for k in (3, 2, 1, 0)] for v in x], object)


def polynomial(c, x):
    total = mp.mpf(0)
    for v in c:
        total = total * x + v
    return total


def convolution(a, b):
    found = [mp.mpf(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            found[i + j] = found[i + j] + x * y
    return np.array(found, object)


def covariance(x):
    d = x - np.array([[np.sum(row) / len(row)] for row in x], object)
    return d @ d.T / (x.shape[1] - 1)


def correlation(x):
    c = covariance(x)
    return np.array([[c[i, j] / mp.sqrt(c[i, i] * c[j, j]) for j in range(len(c))] for i in range(len(c))], object)


def gradient(y, x):
    """One-sided at the ends; inside the mean of both slopes, each weighted by the distance to the other side."""
    (left, right), (before, after) = np.diff(x), np.diff(y) / np.diff(x)
    return np.array([before, (right * before + left * after) / (left + right), after], object)


def of_roots(r):
    found = np.array([mp.mpf(1)], object)
    for v in r:
        found = convolution(found, [mp.mpf(1), -v])
    return found


ELEMENTWISE = [
    Points("sinc", np.sinc, (0.0, -0.0, 1e-20, 1e-8, -1e-5, 1e-3, SINC * 0.999, SINC * 1.001, 0.5, 1.0, -1.0, 2.0,
                             1.4302966531242027, 20.5),
           sinc),
    Points("i0", np.i0, (0.0, -0.0, 1e-10, 1.0, -1.0, 8.0, 29.999, 30.0, -30.001, 700.0), lambda x: mp.besseli(0, x)),
    Points("i1", sp.i1, (0.0, -0.0, 1e-10, 1.0, -1.0, 8.0, 29.999, 30.0, -30.001, 700.0), lambda x: mp.besseli(1, x),
           covers=("op:bessel_i",)),
    Points("clip", lambda x: np.clip(x, 0.0, 1.0), (0.0, 1.0, -0.0, 0.5, 2.0, -3.0, INF), clipped,
           {INF: (0.0, 0.0), **kink("np.clip(x, 0.0, 1.0)")}),
    Points("clip by its bounds", np.clip, ((0.5, 0.0, 1.0), (2.0, 0.0, 1.0), (-3.0, 0.0, 1.0)), None,
           {(0.5, 0.0, 1.0): {(0,): 1.0}, (2.0, 0.0, 1.0): {(2,): 1.0}, (-3.0, 0.0, 1.0): {(1,): 1.0}}),
    Points("relu", lambda x: np.maximum(x, 0.0), (0.0, -0.0, 1.0, -1.0), lambda x: max(x, mp.mpf(0)),
           kink("np.maximum(x, 0.0)")),
    Points("where", lambda x: np.where(x > 0.0, x, 0.0), (0.0, -0.0, 1.0, -1.0), lambda x: max(x, mp.mpf(0)),
           kink("np.where(x > 0.0, x, 0.0)"), covers=("op:select", "where")),
    Points("where of square roots", lambda x: np.where(x > 0.0, np.sqrt(x), 0.0), (0.0, -0.0, 4.0, -1.0), mp.sqrt,
           dict.fromkeys((0.0, -1.0), (0.0, 0.0))),
    Points("where of logarithms", lambda x: np.where(x > 0.0, np.log(x), 0.0), (0.0, -0.0, 4.0, -1.0), mp.log,
           dict.fromkeys((0.0, -1.0), (0.0, 0.0))),
    Points("where of quotients", lambda x: np.where(x == 0.0, 1.0, np.sin(x) / x), (0.0, -0.0, 4.0, -1.0),
           lambda x: mp.sin(x) / x,
           {0.0: (0.0, 0.0)}),
    Points("select", lambda x: np.select([x > 1.0, x > 0.0], [x * x, np.sqrt(x)], 0.0), (0.0, 0.25, 1.0, 2.0, -1.0),
           lambda x: x * x if x > 1 else mp.sqrt(x), {0.0: (0.0, 0.0), -1.0: (0.0, 0.0), 1.0: (0.5, -0.25, 0.375)}),
    Points("piecewise", lambda x: np.piecewise(x, [x > 1.0, x <= 1.0], [lambda v: v * v, lambda v: v ** 3]),
           (0.0, 1.0, 2.0, -1.0),
           lambda x: x * x if x > 1 else x ** 3, {1.0: (3.0, 6.0, 6.0)}),
    Points("nan_to_num", np.nan_to_num, (0.0, INF, -INF, 2.0), None, {INF: (0.0, 0.0), -INF: (0.0, 0.0), 0.0: (1.0, 0.0),
                                                                      2.0: (1.0, 0.0)}),
    Points("real of a real", np.real, (0.0, 2.0), None, dict.fromkeys((0.0, 2.0), (1.0, 0.0)), covers=("real",)),
    Points("imag of a real", lambda x: np.imag(x) + 0.0 * x, (0.0, 2.0), None, dict.fromkeys((0.0, 2.0), (0.0, 0.0)),
           covers=("imag",)),
    *(Points(f.__name__ + " as a step", f, (0.0, 0.5, 1.7), None, dict.fromkeys((0.0, 0.5, 1.7), (0.0, 0.0)),
             covers=(f.__name__,))
      for f in (np.round, np.fix)),
    Points("round to a digit", lambda x: np.round(x, 1), (0.05, 1.0), None, dict.fromkeys((0.05, 1.0), (0.0, 0.0)),
           covers=("around",)),
    Points("interp", lambda x: np.interp(x, KNOTS, HEIGHTS), (1.0, 2.0, 0.0, 0.5, 1.5, -1.0, 3.0, INF), None,
           {0.0: (1.0, 0.0), 0.5: (1.0, 0.0), 1.5: (2.0, 0.0), -1.0: (0.0, 0.0), 3.0: (0.0, 0.0), INF: (0.0, 0.0),
            **kink(INTERPOLATION)}),
    Points("polyval", lambda x: np.polyval(np.array([2.0, 0.0, -1.0, 3.0]), x), (0.0, -0.0, 1.0, -2.0),
           lambda x: 2 * x ** 3 - x + 3),
    Points("fmin and fmax of NaN", lambda x: np.fmax(np.fmin(x, NAN), NAN), (0.0, 2.0), None,
           dict.fromkeys((0.0, 2.0), (1.0, 0.0))),
]

WHOLE = [
    Arrays("interp by everything", lambda x, k, h: np.interp(x, k, h),
           [at([0.5, 1.5], KNOTS, HEIGHTS), at([0.25], KNOTS, [1.0, 1.0, 2.0])],
           lambda x, k, h: np.array([interpolate(v, k, h) for v in x], object)),
    Arrays("interp at its knots, by the heights", lambda h: np.interp(np.array([0.0, 1.0, 2.0, 3.0, -1.0]), KNOTS, h),
           [at(HEIGHTS)],
           lambda h: np.array([h[0], h[1], h[2], h[2], h[0]], object)),
    Arrays("unwrap", lambda x: np.unwrap(x), [at([0.0, 3.0, 7.0, 1.0]), at([0.0, 0.0])], lambda x: x),
    Arrays("vander", lambda x: np.vander(x, 4), [at([0.0, 1.0, -2.0])], vandermonde, least=1.0),
    Arrays("polyval by its coefficients", lambda c, x: np.polyval(c, x), [at([2.0, 0.0, 1.0], 0.0), at([0.0, 0.0, 0.0], 2.0)],
           polynomial, least=1.0),
    Arrays("polyfit", lambda y: np.polyfit(np.array([0.0, 1.0, 2.0]), y, 2), [at([0.0, 0.0, 0.0]), at([1.0, 0.0, 2.0])],
           lambda y: np.array([(y[0] - 2 * y[1] + y[2]) / 2, (-3 * y[0] + 4 * y[1] - y[2]) / 2, y[0]], object), least=1.0),
    Arrays("poly", lambda r: np.poly(r), [at([0.0, 0.0, 0.0]), at([1.0, 1.0, -2.0])], of_roots, least=1.0),
    Arrays("polymul", lambda a, b: np.polymul(a, b), [at([1.0, 0.0], [1.0, 0.0, 2.0])], convolution,
           covers=("convolve", "correlate")),
    Arrays("convolve", lambda a, b: np.convolve(a, b), [at([0.0, 0.0], [1.0, 0.0, 2.0])], convolution, least=1.0),
    Arrays("logspace", lambda a, b: np.logspace(a, b, 3), [at(0.0, 0.0), at(0.0, 2.0)],
           lambda a, b: np.array([mp.mpf(10) ** v for v in (a, (a + b) / 2, b)], object)),
    Arrays("geomspace", lambda a, b: np.geomspace(a, b, 3), [at(1.0, 1.0), at(2.0, 8.0)],
           lambda a, b: np.array([a, mp.sqrt(a * b), b], object)),
    Arrays("linspace", lambda a, b: np.linspace(a, b, 3), [at(0.0, 0.0), at(1.0, 2.0)],
           lambda a, b: np.array([a, (a + b) / 2, b], object)),
    Arrays("gradient", lambda y, x: np.gradient(y, x),
           [at([0.0, 1.0, 4.0], [0.0, 1.0, 3.0]), at([1.0, 1.0, 1.0], [0.0, 1.0, 2.0])], gradient),
    Arrays("trapezoid", lambda y, x: np.trapezoid(y, x), [at([0.0, 1.0, 4.0], [0.0, 1.0, 1.0])],
           lambda y, x: ((y[0] + y[1]) * (x[1] - x[0]) + (y[1] + y[2]) * (x[2] - x[1])) / 2),
    Arrays("average", lambda x, w: np.average(x, weights=w), [at([1.0, 2.0, 3.0], [1.0, 0.0, 2.0]),
                                                              at([0.0, 0.0, 0.0], [1.0, 1.0, 2.0])],
           lambda x, w: np.sum(x * w) / np.sum(w), least=1.0),
    Arrays("cov", lambda x: np.cov(x), [at([[1.0, 1.0, 1.0], [0.0, 1.0, 3.0]])], covariance, least=1.0),
    Arrays("corrcoef", lambda x: np.corrcoef(x), [at([[1.0, 0.0, 1.5], [0.0, 1.0, 3.0]])], correlation),
    Arrays("corrcoef of one line", lambda x: np.corrcoef(x)[0, 1], [at([[0.0, 1.0, 2.0], [1.0, 3.0, 5.0]])],
           lambda x: correlation(x)[0, 1],
           least=1.0),
    Arrays("cross", lambda a, b: np.cross(a, b), [at([0.0, 0.0, 0.0], [1.0, 0.0, 2.0])],
           lambda a, b: np.array([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]], object),
           least=1.0),
    Arrays("kron", lambda a, b: np.kron(a, b), [at([0.0, 1.0], [0.0, 0.0])], lambda a,
           b: np.array([x * y for x in a for y in b], object), least=1.0),
    Arrays("take_along_axis", lambda x: np.take_along_axis(x, np.argsort(x), 0), [at([3.0, 1.0, 2.0])], lambda x: x[[1, 2, 0]]),
]

ROWS = [*ELEMENTWISE, *WHOLE]
