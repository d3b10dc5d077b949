"""scipy.interpolate as NumPy programs: interpolants that are built inside traced code, and those of SciPy that it captures.

Piecewise holds polynomials on intervals, Spline coefficients of B-splines, Newton a polynomial in divided differences; each is
called, differentiated and integrated like SciPy's. Formulas: C. de Boor, A Practical Guide to Splines (1978), F. N. Fritsch and
J. Butland (SIAM J. Sci. Stat. Comput. 5, 1984) for PCHIP, H. Akima (J. ACM 17, 1970) with MATLAB's change for "makima".
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..linalg.over_numpy import solve_banded
from ..sampled import piecewise_polynomial
from .crossings import solve
from .stands import Stand

if TYPE_CHECKING:
    from .....ir.types import Array


def _column(h: Any, y: Any) -> Any:
    """Lengths of intervals, to divide differences along the first axis by."""
    return h.reshape(-1, *[1] * (y.ndim - 1))


def _points(x: Any, y: Any, axis: int) -> Any:
    x, y = np.asarray(x), np.asarray(y)
    if np.iscomplexobj(x):
        raise ValueError("`x` must contain real values.")
    if y.shape[axis] != x.shape[0]:
        raise ValueError(f"The length of `y` along `axis`={axis} doesn't match the length of `x`")
    if x.shape[0] < 2:
        raise ValueError("`x` must contain at least 2 elements.")
    x, y = x.astype(np.float64), np.moveaxis(y, axis, 0) + 0.0
    if np.any(np.diff(x) <= 0):
        raise ValueError("`x` must be strictly increasing sequence.")
    return x, y


def _real(y: Any, name: str) -> Any:
    if np.iscomplexobj(y):
        raise ValueError(f"`{name}` only works with real values for `y`. If you are trying to use the real components of the "
                         "passed array, use `np.real` on the array before passing to it.")
    return y


def _placed(found: Any, rank: int, axis: int) -> Any:
    """The axes of the points where SciPy puts them: at the axis that was interpolated."""
    return found if axis == 0 else np.moveaxis(found, tuple(range(rank)), tuple(range(axis, axis + rank)))


# --- piecewise polynomials --------------------------------------------------------------------------------------------

class Piecewise(Stand):
    of = ("scipy.interpolate", "PPoly")

    def __init__(self, c: Any, x: Any, extrapolate: bool = True, axis: int = 0):
        self.c, self.x, self.axis = np.asarray(c), np.asarray(x), axis
        self.extrapolate = True if extrapolate is None else extrapolate

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        found = piecewise_polynomial(self.c, self.x, extrapolate, x, nu)
        return _placed(found, np.ndim(x), self.axis)

    def derivative(self, nu: int = 1) -> Any:
        c = self.c
        for _ in range(nu):
            degree = c.shape[0] - 1
            steps = np.arange(degree, 0, -1).reshape(-1, *[1] * (c.ndim - 1))
            c = c[:-1] * steps if degree > 0 else c * 0.0
        return self._like(c, self.extrapolate)

    def _like(self, c: Any, extrapolate: Any) -> Any:
        """Of the same class to the program, as SciPy makes them."""
        made = Piecewise(c, self.x, extrapolate, self.axis)
        made.made_as = self.made_as
        return made

    def antiderivative(self, nu: int = 1) -> Any:
        c, h = self.c, np.diff(self.x)
        for _ in range(nu):
            n = c.shape[0]
            c = c / np.arange(n, 0, -1).reshape(-1, *[1] * (c.ndim - 1))
            gain = c[0] * 0.0
            for k in range(n):
                gain = (gain + c[k]) * _column(h, gain)
            start = np.concatenate((gain[:1] * 0.0, np.cumsum(gain, axis=0)[:-1]), axis=0)
            c = np.concatenate((c, start[None]), axis=0)
        extrapolate = False if self.extrapolate == "periodic" else self.extrapolate
        return self._like(c, extrapolate)

    def integrate(self, a: Any, b: Array, extrapolate: Any = None) -> Any:
        if self.extrapolate == "periodic" or extrapolate == "periodic":
            raise NotImplementedError("integrate of a periodic interpolant cannot be compiled: use antiderivative()")
        whole = self.antiderivative()
        return whole(b, 0, extrapolate) - whole(a, 0, extrapolate)

    def solve(self, y: Any = 0.0, discontinuity: bool = True, extrapolate: Any = None) -> Any:
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        if self.c.ndim != 2 or extrapolate == "periodic":
            raise NotImplementedError("solve and roots of an interpolant with several columns, or a periodic one, cannot be "
                                      "compiled: of several columns each has its own number of roots")
        return solve(self.c, self.x, y, discontinuity, extrapolate)

    def roots(self, discontinuity: bool = True, extrapolate: Any = None) -> Any:
        return self.solve(0.0, discontinuity, extrapolate)


def _hermite(x: Any, y: Any, slopes: Any, extrapolate: Any, axis: int) -> Any:
    h = _column(np.diff(x), y)
    chord = np.diff(y, axis=0) / h
    bend = (slopes[:-1] + slopes[1:] - 2 * chord) / h
    c = np.stack((bend / h, (chord - slopes[:-1]) / h - bend, slopes[:-1], y[:-1]))
    return Piecewise(c, x, extrapolate, axis)


def cubic_hermite_spline(x: Any, y: Any, dydx: Any, axis: int = 0, extrapolate: Any = None) -> Any:
    x, y = _points(x, y, axis)
    return _hermite(x, y, np.moveaxis(np.asarray(dydx), axis, 0) + 0.0, extrapolate, axis)


def _condition(bc: Any) -> Any:
    if isinstance(bc, str):
        named = {"not-a-knot": None, "natural": (2, 0.0), "clamped": (1, 0.0)}
        if bc not in named:
            raise ValueError(f"bc_type={bc} is not allowed.")
        return named[bc]
    return bc


def cubic_spline(x: Any, y: Any, axis: int = 0, bc_type: str = "not-a-knot", extrapolate: Any = None) -> Any:
    x, y = _points(x, y, axis)
    n, h = x.shape[0], np.diff(x)
    hr = _column(h, y)
    chord = np.diff(y, axis=0) / hr
    if isinstance(bc_type, str) and bc_type == "periodic":
        return _hermite(x, y, _periodic_slopes(h, hr, chord), "periodic" if extrapolate is None else extrapolate, axis)
    first, last = (bc_type, bc_type) if isinstance(bc_type, str) else bc_type
    first, last = _condition(first), _condition(last)
    if n == 2:
        first = (1, chord[0]) if first is None else first
        last = (1, chord[0]) if last is None else last
    if n == 3 and first is None and last is None:
        zero = np.zeros(())
        a = np.stack((np.stack((zero + 1, zero + 1, zero)), np.stack((h[1], 2 * (h[0] + h[1]), h[0])),
                      np.stack((zero, zero + 1, zero + 1))))
        b = np.stack((2 * chord[0], 3 * (hr[0] * chord[1] + hr[1] * chord[0]), 2 * chord[1]))
        return _hermite(x, y, np.linalg.solve(a, b.reshape(3, -1)).reshape(b.shape), extrapolate, axis)
    band, b = np.zeros((3, n)), np.zeros(y.shape, y.dtype)
    band[1, 1:-1] = 2 * (h[:-1] + h[1:])
    band[0, 2:] = h[:-1]
    band[2, :-2] = h[1:]
    b[1:-1] = 3 * (hr[1:] * chord[:-1] + hr[:-1] * chord[1:])
    _first_row(band, b, first, x, y, h, hr, chord)
    _last_row(band, b, last, x, y, h, hr, chord)
    slopes = solve_banded((1, 1), band, b.reshape(n, -1)).reshape(b.shape)
    return _hermite(x, y, slopes, extrapolate, axis)


def _first_row(band: Any, b: Array, condition: Any, x: Any, y: Any, h: Any, hr: Any, chord: Any) -> None:
    if condition is None:
        d = x[2] - x[0]
        band[1, 0], band[0, 1] = h[1], d
        b[0] = ((hr[0] + 2 * d) * hr[1] * chord[0] + hr[0] ** 2 * chord[1]) / d
    elif condition[0] == 1:
        band[1, 0], band[0, 1] = 1.0, 0.0
        b[0] = condition[1]
    else:
        band[1, 0], band[0, 1] = 2 * h[0], h[0]
        b[0] = -0.5 * np.asarray(condition[1]) * h[0] ** 2 + 3 * (y[1] - y[0])


def _last_row(band: Any, b: Array, condition: Any, x: Any, y: Any, h: Any, hr: Any, chord: Any) -> None:
    if condition is None:
        d = x[-1] - x[-3]
        band[1, -1], band[2, -2] = h[-2], d
        b[-1] = (hr[-1] ** 2 * chord[-2] + (2 * d + hr[-1]) * hr[-2] * chord[-1]) / d
    elif condition[0] == 1:
        band[1, -1], band[2, -2] = 1.0, 0.0
        b[-1] = condition[1]
    else:
        band[1, -1], band[2, -2] = 2 * h[-1], h[-1]
        b[-1] = 0.5 * np.asarray(condition[1]) * h[-1] ** 2 + 3 * (y[-1] - y[-2])


def _periodic_slopes(h: Any, hr: Any, chord: Any) -> Any:
    """The same equations around a circle, whose last slope is the first."""
    m = h.shape[0]
    if m == 2:
        t = np.sum(chord / hr, axis=0) / np.sum(1.0 / hr, axis=0)
        return np.stack((t, t, t))
    before, system = np.roll(h, 1), np.zeros((m, m))
    k = np.arange(m)
    system[k, k] = 2 * (before + h)
    system[k, (k - 1) % m] = h
    system[k, (k + 1) % m] = before
    right = 3 * (hr * np.roll(chord, 1, axis=0) + np.roll(hr, 1, axis=0) * chord)
    found = np.linalg.solve(system, right.reshape(m, -1)).reshape(right.shape)
    return np.concatenate((found, found[:1]), axis=0)


def _edge(h0: Any, h1: Any, m0: Any, m1: Any) -> Any:
    d = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    turned = np.sign(d) != np.sign(m0)
    steep = (np.sign(m0) != np.sign(m1)) & (np.abs(d) > 3.0 * np.abs(m0))
    return np.where(turned, 0.0, np.where(steep, 3.0 * m0, d))


def pchip(x: Any, y: Any, axis: int = 0, extrapolate: Any = None) -> Any:
    x, y = _points(x, _real(y, "PchipInterpolator"), axis)
    h = _column(np.diff(x), y)
    m = np.diff(y, axis=0) / h
    if x.shape[0] == 2:
        return _hermite(x, y, np.concatenate((m, m), axis=0), extrapolate, axis)
    flat = (np.sign(m[1:]) != np.sign(m[:-1])) | (m[1:] == 0) | (m[:-1] == 0)
    w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    mean = (w1 / np.where(flat, 1.0, m[:-1]) + w2 / np.where(flat, 1.0, m[1:])) / (w1 + w2)
    inner = np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, mean))
    ends = _edge(h[0], h[1], m[0], m[1]), _edge(h[-1], h[-2], m[-1], m[-2])
    return _hermite(x, y, np.concatenate((ends[0][None], inner, ends[1][None]), axis=0), extrapolate, axis)


def akima(x: Any, y: Any, axis: int = 0, *, method: str = "akima", extrapolate: Any = None) -> Any:
    if method not in ("akima", "makima"):
        raise NotImplementedError(f"`method`={method} is unsupported.")
    x, y = _points(x, _real(y, "Akima1DInterpolator"), axis)
    m = np.diff(y, axis=0) / _column(np.diff(x), y)
    extrapolate = False if extrapolate is None else extrapolate
    if x.shape[0] == 2:
        return _hermite(x, y, np.concatenate((m, m), axis=0), extrapolate, axis)
    a = 2 * m[0] - m[1]
    z = 2 * m[-1] - m[-2]
    m = np.concatenate(((2 * a - m[0])[None], a[None], m, z[None], (2 * z - m[-1])[None]), axis=0)
    change = np.abs(np.diff(m, axis=0))
    if method == "makima":
        change = change + 0.5 * np.abs(m[1:] + m[:-1])
    f1, f2 = change[2:], change[:-2]
    total = f1 + f2
    apart = total > 1e-9 * np.max(total, initial=-np.inf)
    slopes = np.where(apart, m[1:-2] + f2 / np.where(apart, total, 1.0) * (m[2:-1] - m[1:-2]), 0.5 * (m[3:] + m[:-3]))
    return _hermite(x, y, slopes, extrapolate, axis)


# --- B-splines --------------------------------------------------------------------------------------------------------

def _basis(t: Any, k: Any, x: Any, n: Any) -> Any:
    """(the interval of each point, the k + 1 splines that are not 0 there)."""
    i = np.clip(np.searchsorted(t, x, side="right") - 1, k, n - 1)
    found = [np.ones(x.shape)]
    for d in range(1, k + 1):
        saved, after = np.zeros(x.shape), []
        for r in range(d):
            right, left = t[i + r + 1], t[i + r + 1 - d]
            width = right - left
            share = found[r] / np.where(width == 0, 1.0, width)
            after.append(saved + (right - x) * share)
            saved = (x - left) * share
        found = [*after, saved]
    return i, found


class Spline(Stand):
    of = ("scipy.interpolate", "BSpline")

    def __init__(self, t: Any, c: Any, k: Any, extrapolate: bool = True, axis: int = 0):
        self.t, self.c, self.k, self.extrapolate, self.axis = np.asarray(t), np.asarray(c), k, extrapolate, axis
        if self.c.shape[0] < self.t.shape[0] - k - 1:
            raise ValueError(f"Knots, coefficients and degree are inconsistent: {self.t.shape[0]} knots, degree {k}")

    def __call__(self, x: Any, nu: int = 0, extrapolate: Any = None) -> Any:
        x = np.asarray(x).astype(np.float64)
        extrapolate = self.extrapolate if extrapolate is None else extrapolate
        t, c, k = self.t, self.c, self.k
        n = t.shape[0] - k - 1
        low, high = t[k], t[n]
        if extrapolate == "periodic":
            x = low + np.mod(x - low, high - low)
        inside = (x >= low) & (x <= high)
        for _ in range(nu):
            t, c, k = _slope(t, c, k)
        n = t.shape[0] - k - 1
        i, values = _basis(t, k, x, n)
        total = np.zeros((*x.shape, *c.shape[1:]), np.result_type(c, np.float64))
        shape = (*x.shape, *[1] * (c.ndim - 1))
        for j in range(k + 1):
            total = total + c[i - k + j] * values[j].reshape(shape)
        if not extrapolate:
            total = np.where(inside.reshape(shape), total, np.nan)
        return _placed(total, x.ndim, self.axis)

    def derivative(self, nu: int = 1) -> Any:
        t, c, k = self.t, self.c, self.k
        for _ in range(nu):
            t, c, k = _slope(t, c, k)
        return self._like(t, c, k, self.extrapolate, self.axis)

    def antiderivative(self, nu: int = 1) -> Any:
        t, c, k = self.t, self.c, self.k
        for _ in range(nu):
            n = t.shape[0] - k - 1
            steps = _column((t[k + 1:] - t[:n]) / (k + 1), c)
            c = np.concatenate((c[:1] * 0.0, np.cumsum(c[:n] * steps, axis=0)), axis=0)
            t = np.concatenate((t[:1], t, t[-1:]))
            k = k + 1
        return self._like(t, c, k, False if self.extrapolate == "periodic" else self.extrapolate, self.axis)

    def integrate(self, a: Any, b: Array, extrapolate: Any = None) -> Any:
        whole = self.antiderivative()
        return whole(b, 0, extrapolate) - whole(a, 0, extrapolate)

    def _like(self, t: Any, c: Any, k: Any, extrapolate: Any, axis: int) -> Any:
        return Spline(t, c, k, extrapolate, axis)


class Univariate(Spline):
    """The splines that come of FITPACK, which are 0 to its integral outside of their points."""

    def _like(self, t: Any, c: Any, k: Any, extrapolate: Any, axis: int) -> Any:
        return Univariate(t, c, k, extrapolate, axis)

    def integral(self, a: Any, b: Any) -> Any:
        low, high = self.t[self.k], self.t[self.t.shape[0] - self.k - 1]
        return float(self.integrate(np.clip(a, low, high), np.clip(b, low, high)))


def splint(a: Any, b: Any, tck: Any, full_output: int = 0) -> Any:
    if full_output:
        raise NotImplementedError("scipy.interpolate.splint with full_output= cannot be compiled")
    return Univariate(tck[0], tck[1], tck[2]).integral(a, b)


def _slope(t: Any, c: Any, k: Any) -> Any:
    if k == 0:
        return t, c * 0.0, 0
    n = t.shape[0] - k - 1
    width = t[k + 1:k + n] - t[1:n]
    steps = _column(k / np.where(width == 0, 1.0, width), c)
    return t[1:-1], (c[1:n] - c[:n - 1]) * steps, k - 1


def make_interp_spline(x: Any, y: Any, k: int = 3, t: Any = None, bc_type: Any = None, axis: int = 0,
                       check_finite: bool = True) -> Any:
    if bc_type is not None and not (isinstance(bc_type, str) and bc_type == "not-a-knot"):
        raise NotImplementedError("make_interp_spline with bc_type= cannot be compiled: use CubicSpline, or not-a-knot")
    x, y = _points(x, y, axis)
    n = x.shape[0]
    if t is None:
        t = _knots(x, k)
    t = np.asarray(t) + 0.0
    if k == 0:
        return Spline(t, y, 0, True, axis)
    if n < k + 1:
        raise ValueError(f"The number of points {n} is not enough for a spline of degree {k}")
    i, values = _basis(t, k, x, n)
    rows, band = np.arange(n), np.zeros((2 * k + 1, n))
    for j in range(k + 1):
        columns = i - k + j
        band[k + rows - columns, columns] = values[j]
    c = solve_banded((k, k), band, y.reshape(n, -1)).reshape(y.shape)
    return Spline(t, c, k, True, axis)


def _knots(x: Any, k: Any) -> Any:
    if k == 0:
        return np.concatenate((x, x[-1:]))
    inner = x if k % 2 else (x[1:] + x[:-1]) / 2
    cut = (k + 1) // 2 if k % 2 else k // 2
    inner = inner[cut:inner.shape[0] - cut]
    return np.concatenate((np.repeat(x[:1], k + 1), inner, np.repeat(x[-1:], k + 1)))


def make_lsq_spline(x: Any, y: Any, t: Any, k: int = 3, w: Any = None, axis: int = 0, check_finite: bool = True, *,
                    method: str = "qr") -> Any:
    x, y = _points(x, y, axis)
    t = np.asarray(t) + 0.0
    n, count = t.shape[0] - k - 1, x.shape[0]
    i, values = _basis(t, k, x, n)
    design, rows = np.zeros((count, n)), np.arange(count)
    for j in range(k + 1):
        design[rows, i - k + j] = values[j]
    flat = y.reshape(count, -1)
    if w is not None:
        weight = np.asarray(w)[:, None]
        design, flat = design * weight, flat * weight
    q, r = np.linalg.qr(design)
    c = np.linalg.solve(r, q.T @ flat)
    return Spline(t, c.reshape(n, *y.shape[1:]), k, True, axis)


def interpolated_univariate_spline(x: Any, y: Any, w: Any = None, bbox: Any = (None, None), k: int = 3, ext: int = 0,
                                   check_finite: bool = False) -> Any:
    if w is not None or bbox[0] is not None or bbox[1] is not None or k % 2 == 0 or ext not in (0, "extrapolate"):
        raise NotImplementedError("InterpolatedUnivariateSpline can be compiled of odd degree, without w=, bbox= and ext=")
    made = make_interp_spline(x, y, k)
    return Univariate(made.t, made.c, k)


def univariate_spline(x: Any, y: Any, w: Any = None, bbox: Any = (None, None), k: int = 3, s: Any = None, ext: int = 0,
                      check_finite: bool = False) -> Any:
    if s is None or s != 0:
        raise NotImplementedError("UnivariateSpline can be compiled through all data, with s=0: with other s its knots are "
                                  "found by trying; use make_lsq_spline with knots of yours")
    return interpolated_univariate_spline(x, y, w, bbox, k, ext)


def splrep(x: Any, y: Any, w: Any = None, xb: Any = None, xe: Any = None, k: int = 3, task: int = 0, s: Any = None,
           t: Any = None, full_output: int = 0, per: int = 0, quiet: int = 1) -> Any:
    if w is not None or xb is not None or xe is not None or task != 0 or s not in (None, 0) or per or k % 2 == 0 or full_output:
        raise NotImplementedError("scipy.interpolate.splrep can be compiled as an interpolant: of odd degree, with s=0")
    made = make_interp_spline(x, y, k)
    return made.t, np.concatenate((made.c, np.zeros(k + 1))), k


def splev(x: Any, tck: Any, der: int = 0, ext: int = 0) -> Any:
    if ext not in (0, "extrapolate"):
        raise NotImplementedError("scipy.interpolate.splev with ext= cannot be compiled")
    return Spline(tck[0], tck[1], tck[2])(x, der)


# --- polynomials ------------------------------------------------------------------------------------------------------

class Newton(Stand):
    """Divided differences, which are smooth at the points too."""

    def __init__(self, xi: Any, yi: Any, axis: int = 0):
        x, y = np.asarray(xi) + 0.0, np.moveaxis(np.asarray(yi) + 0.0, axis, 0)
        self.x, self.axis, parts = x, axis, [y[0]]
        for d in range(1, x.shape[0]):
            y = (y[1:] - y[:-1]) / _column(x[d:] - x[:-d], y)
            parts.append(y[0])
        self.parts = parts

    def __call__(self, x: Any) -> Any:
        x = np.asarray(x) + 0.0
        at = x.reshape(*x.shape, *[1] * self.parts[0].ndim)
        n = len(self.parts)
        total = self.parts[n - 1] + at * 0.0
        for k in range(1, n):
            total = total * (at - self.x[n - 1 - k]) + self.parts[n - 1 - k]
        return _placed(total, x.ndim, self.axis)


def newton_interpolate(xi: Any, yi: Any, x: Any, axis: int = 0) -> Any:
    return Newton(xi, yi, axis)(x)


def krogh_interpolate(xi: Any, yi: Any, x: Any, der: int = 0, axis: int = 0) -> Any:
    if der != 0:
        raise NotImplementedError("krogh_interpolate with der= cannot be compiled: differentiate with tg.jvp")
    return Newton(xi, yi, axis)(x)


def pchip_interpolate(xi: Any, yi: Any, x: Any, der: int = 0, axis: int = 0) -> Any:
    return pchip(xi, yi, axis)(x, der)
