"""Tables of scipy.interpolate: interp1d along an axis, RegularGridInterpolator on a grid of several."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .interpolants import _basis, _placed, make_interp_spline, pchip
from .stands import Stand

if TYPE_CHECKING:
    from .....ir.core import Value


class Interp1d(Stand):
    of = ("scipy.interpolate", "interp1d")

    def __init__(self, x: Any, y: Any, kind: str = "linear", axis: int = -1, copy: bool = True, bounds_error: Any = None,
                 fill_value: Any = np.nan, assume_sorted: bool = False):
        x, y = np.asarray(x), np.asarray(y)
        if not np.issubdtype(y.dtype, np.inexact):
            y = y.astype(np.float64)
        self.axis = axis % y.ndim
        y = np.moveaxis(y, axis, 0)
        if x.shape[0] != y.shape[0]:
            raise ValueError("x and y arrays must be equal in length along interpolation axis.")
        if not assume_sorted:
            order = np.argsort(x, kind="stable")
            x, y = x[order], y[order]
        self.x, self.y, self.kind, self.fill = x, y, kind, fill_value
        self.extrapolates = isinstance(fill_value, str)
        self.raises = not self.extrapolates and isinstance(fill_value, float) and fill_value != fill_value
        if bounds_error is not None:
            self.raises = bounds_error and not self.extrapolates
        degree = {"slinear": 1, "quadratic": 2, "cubic": 3}.get(kind, kind if isinstance(kind, int) else None)
        self.spline = None if degree is None else make_interp_spline(x, y, degree)
        if degree is None and kind not in ("linear", "nearest", "nearest-up", "previous", "next", "zero"):
            raise NotImplementedError(f"{kind} is unsupported: Use fitpack routines for other types.")

    def __call__(self, x: Any) -> Any:
        at = np.asarray(x).astype(np.float64)
        low, high = self.x[0], self.x[-1]
        below, above = at < low, at > high
        if self.raises and np.any(below):
            raise ValueError("A value in x_new is below the interpolation range's minimum value.")
        if self.raises and np.any(above):
            raise ValueError("A value in x_new is above the interpolation range's maximum value.")
        found = self._value(at)
        if not self.extrapolates:
            fill = self.fill if isinstance(self.fill, tuple) else (self.fill, self.fill)
            shape = (*at.shape, *[1] * (self.y.ndim - 1))
            found = np.where(below.reshape(shape), fill[0], np.where(above.reshape(shape), fill[1], found))
        return _placed(found, at.ndim, self.axis)

    def _value(self, at: Any) -> Any:
        x, y, n = self.x, self.y, self.x.shape[0]
        if self.spline is not None:
            return self.spline(at)
        if self.kind == "linear":
            i = np.clip(np.searchsorted(x, at), 1, n - 1)
            step = (at - x[i - 1]).reshape(*at.shape, *[1] * (y.ndim - 1))
            return (y[i] - y[i - 1]) / (x[i] - x[i - 1]).reshape(step.shape) * step + y[i - 1]
        if self.kind in ("nearest", "nearest-up"):
            middle = x[1:] / 2.0 + x[:-1] / 2.0
            side: Any = "left" if self.kind == "nearest" else "right"
            return y[np.clip(np.searchsorted(middle, at, side=side), 0, n - 1)]
        if self.kind == "next":
            return y[np.clip(np.searchsorted(x, at, side="left"), 0, n - 1)]
        return y[np.clip(np.searchsorted(x, at, side="right") - 1, 0, n - 1)]


class RegularGrid(Stand):
    of = ("scipy.interpolate", "RegularGridInterpolator")

    def __init__(self, points: Any, values: tuple[Value, ...], method: str = "linear", bounds_error: bool = True,
                 fill_value: Any = np.nan, **options: Any):
        degree = self._degree(method)
        self.grid = [np.asarray(p).astype(np.float64) for p in points]
        least = 0 if degree is None else (degree or 3) + 1
        for k, p in enumerate(self.grid):
            if p.shape[0] < least:
                raise ValueError(f"There are {p.shape[0]} points in dimension {k}, but method {method} requires at least  "
                                 f"{least} points per dimension.")
        self.values, self.method, self.raises, self.fill = np.asarray(values), method, bounds_error, fill_value
        if not np.issubdtype(self.values.dtype, np.inexact):
            self.values = self.values.astype(np.float64)

    def __call__(self, xi: Any, method: str | None = None) -> Any:
        method = self.method if method is None else method
        parts = [np.asarray(p) for p in xi] if isinstance(xi, tuple) else None
        xi = np.stack(np.broadcast_arrays(*parts), axis=-1) if parts is not None else np.asarray(xi)
        rank, places = len(self.grid), []
        if parts is None and xi.ndim == 1:
            xi = xi.reshape(-1, rank)
        outside: Any = False
        if xi.shape[-1] != rank:
            raise ValueError(f"The requested sample points xi have dimension {xi.shape[-1]} but this RegularGridInterpolator "
                             f"has dimension {rank}")
        bad = np.any(np.isnan(xi), axis=-1)
        for k in range(rank):
            p, grid = xi[..., k], self.grid[k]
            beyond = (p < grid[0]) | (p > grid[-1])
            if self.raises and np.any(beyond):
                raise ValueError(f"One of the requested xi is out of bounds in dimension {k}")
            outside = outside | beyond
            i = np.clip(np.searchsorted(grid, p, side="right") - 1, 0, grid.shape[0] - 2)
            places.append((i, (p - grid[i]) / (grid[i + 1] - grid[i])))
        degree = self._degree(method)
        if degree is None:
            found = self._near(places) if method == "nearest" else self._linear(places)
        else:
            points = np.where(bad[..., None], 0.0, xi).reshape(-1, rank)
            found = self._splines(points, degree) if degree else self._pieces(points)
            found = found.reshape(*bad.shape, *self.values.shape[rank:])
        shape = (*bad.shape, *[1] * (self.values.ndim - rank))
        if not self.raises and self.fill is not None:
            found = np.where(outside.reshape(shape), self.fill, found)
        return np.where(bad.reshape(shape), np.nan, found)

    def _degree(self, method: str) -> int | None:
        """Of the splines along the axes, 0 for those of Fritsch and Carlson; None where there are none."""
        degrees: dict[str, int | None] = {"linear": None, "slinear": None, "nearest": None, "pchip": 0, "cubic": 3,
                                          "quintic": 5, "slinear_legacy": None, "cubic_legacy": 3, "quintic_legacy": 5}
        if method not in degrees:
            raise NotImplementedError(f"RegularGridInterpolator with method={method!r} cannot be compiled: use linear, "
                                      "nearest, slinear, cubic, quintic or pchip")
        return degrees[method]

    def _pieces(self, points: Any) -> Any:
        """At each point along one axis after the other, the last first."""
        rank = len(self.grid)
        found = np.zeros((points.shape[0], *self.values.shape[rank:]), self.values.dtype)
        for j in range(points.shape[0]):
            v = self.values
            for k in range(rank - 1, -1, -1):
                v = pchip(self.grid[k], v, k)(points[j, k])
            found[j] = v
        return found

    def _splines(self, points: Any, degree: int) -> Any:
        """The spline along all axes through all values: its coefficients by one axis after the other, and at each point the
        products of those that are not 0 there. SciPy finds the coefficients by iteration, to about five digits."""
        rank, c, places, weights = len(self.grid), self.values, [], []
        for k in range(rank):
            along = make_interp_spline(self.grid[k], c, degree, axis=k)
            c = np.moveaxis(along.c, 0, k)
            i, values = _basis(along.t, degree, points[:, k], self.grid[k].shape[0])
            window = (-1, *[1] * k, degree + 1, *[1] * (rank - 1 - k))
            places.append((i[:, None] - degree + np.arange(degree + 1)).reshape(window))
            weights.append(np.stack(values, axis=-1))
        found = c[tuple(places)]
        for k in range(rank - 1, -1, -1):
            found = np.sum(found * weights[k].reshape(-1, *[1] * k, degree + 1, *[1] * (c.ndim - rank)), axis=k + 1)
        return found

    def _near(self, places: Any) -> Any:
        return self.values[tuple([np.where(share <= 0.5, i, i + 1) for i, share in places])]

    def _linear(self, places: Any) -> Any:
        total = None
        for corner in np.ndindex(*[2] * len(places)):
            weight: Any = 1.0
            for bit, (_, share) in zip(corner, places):
                weight = weight * (share if bit else 1.0 - share)
            value = self.values[tuple([i + bit for bit, (i, _) in zip(corner, places)])]
            value = value * weight.reshape(*weight.shape, *[1] * (self.values.ndim - len(places)))
            total = value if total is None else total + value
        return total


def interpn(points: Any, values: tuple[Value, ...], xi: Any, method: str = "linear", bounds_error: bool = True,
            fill_value: Any = np.nan) -> Any:
    return RegularGrid(points, values, method, bounds_error, fill_value)(xi)
