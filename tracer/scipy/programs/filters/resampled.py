"""scipy.ndimage's interpolation of arrays by B-splines, as NumPy programs: map_coordinates and what moves an image by it.

    value(p) = Σ_j c[j] Π_axes B(p - j)            c: the image, filtered so that the splines go through its elements

The recursive filters and their first values at each kind of border are those of M. Unser, A. Aldroubi and M. Eden, B-spline
signal processing: Part II (IEEE Trans. Signal Processing 41, 1993), as in SciPy's ni_splines.c. Derivatives by coordinates are
those of the splines; the place of the first coefficient is a step and has none.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .....ir.types import Array

_POLES = {
    0: (), 1: (), 2: (8 ** 0.5 - 3,), 3: (3 ** 0.5 - 2,),
    4: ((664 - 438976 ** 0.5) ** 0.5 + 304 ** 0.5 - 19, (664 + 438976 ** 0.5) ** 0.5 - 304 ** 0.5 - 19),
    5: ((67.5 - 4436.25 ** 0.5) ** 0.5 + 26.25 ** 0.5 - 6.5, (67.5 + 4436.25 ** 0.5) ** 0.5 - 26.25 ** 0.5 - 6.5),
}
_BORDERS = {"constant": "mirror", "grid-constant": "mirror", "mirror": "mirror", "wrap": "mirror", "grid-wrap": "wrap",
            "nearest": "reflect", "reflect": "reflect", "grid-mirror": "reflect"}
_PAD = 12              # elements around an image whose border is no symmetry of the splines


def _doubled(x: Any) -> Any:
    return x.astype(np.complex128 if np.iscomplexobj(x) else np.float64)


def _checked(order: int, mode: str) -> None:
    if order < 0 or order > 5:
        raise RuntimeError("spline order not supported")
    if mode not in _BORDERS:
        raise RuntimeError("boundary mode not supported")


# --- the filter -------------------------------------------------------------------------------------------------------

def _first(c: Any, z: Any, border: Any) -> Any:
    """The first value of the filter forwards, from all elements."""
    n = c.shape[0]
    powers = z ** np.arange(n).reshape(n, *[1] * (c.ndim - 1))
    if border == "mirror":
        last = z ** (n - 1)
        inner = np.sum(powers[1:n - 1] * (c[1:n - 1] + last * c[n - 2:0:-1]), axis=0)
        return (c[0] + last * c[n - 1] + inner) / (1 - last * last)
    if border == "wrap":
        return (c[0] + np.sum(powers[1:] * c[:0:-1], axis=0)) / (1 - z ** n)
    # SciPy adds in place, so that its last term has the sum so far where c[0] belongs: z^(2n-1) of it
    last = z ** n
    inner = c[0] + last * c[n - 1] + np.sum(powers[1:n - 1] * (c[1:n - 1] + last * c[n - 2:0:-1]), axis=0)
    return c[0] + (inner + z ** (n - 1) * (c[n - 1] + last * inner)) * (z / (1 - last * last))


def _last(c: Any, z: Any, border: Any) -> Any:
    """The first value of the filter backwards, which is the last element."""
    n = c.shape[0]
    if border == "mirror":
        return (z * c[n - 2] + c[n - 1]) * (z / (z * z - 1))
    if border == "wrap":
        powers = z ** np.arange(1, n).reshape(n - 1, *[1] * (c.ndim - 1))
        return (c[n - 1] + np.sum(powers * c[:n - 1], axis=0)) * (z / (z ** n - 1))
    return c[n - 1] * (z / (z - 1))


def _filtered(c: Any, order: int, border: Any) -> Any:
    """The coefficients of splines along the first axis."""
    n = c.shape[0]
    if n < 2:
        return c
    for z in _POLES[order]:
        c = c * ((1 - z) * (1 - 1 / z))
        c[0] = _first(c, z, border)
        for i in range(1, n):
            c[i] += z * c[i - 1]
        c[n - 1] = _last(c, z, border)
        for i in range(n - 2, -1, -1):
            c[i] = z * (c[i + 1] - c[i])
    return c


def spline_filter1d(input: Array, order: int = 3, axis: int = -1, output: Any = np.float64,
                    mode: str = "mirror") -> Any:
    _checked(order, mode)
    found = np.moveaxis(_doubled(np.asarray(input)), axis, 0)
    return np.moveaxis(_filtered(found, order, _BORDERS[mode]), 0, axis)


def spline_filter(input: Array, order: int = 3, output: Any = np.float64, mode: str = "mirror") -> Any:
    if order < 2 or order > 5:
        raise RuntimeError("spline order not supported")
    found = np.asarray(input)
    for axis in range(found.ndim):
        found = spline_filter1d(found, order, axis, mode=mode)
    return found


# --- one axis of a point ----------------------------------------------------------------------------------------------

def _mapped(x: Any, n: Any, mode: str) -> Any:
    """A coordinate, brought into the image; of "constant" it stays where it is."""
    if mode in ("constant", "grid-constant"):
        return x
    if mode == "nearest":
        return np.minimum(np.maximum(x, 0.0), n - 1.0)
    if n == 1:
        return x * 0.0
    if mode == "mirror":
        period = 2.0 * n - 2.0
        there = x - period * np.floor(x / period)
        return np.where(there > n - 1, period - there, there)
    if mode in ("reflect", "grid-mirror"):
        there = x + 0.5 - 2.0 * n * np.floor((x + 0.5) / (2.0 * n))
        return np.where(there > n, 2.0 * n - there, there) - 0.5
    if mode == "grid-wrap":
        return x - n * np.floor(x / n)
    length = n - 1.0
    below, above = x + length * (np.floor(-x / length) + 1.0), x - length * np.floor(x / length)
    return np.where(x < 0, below, np.where(x > length, above, x))


def _place(k: Any, n: Any, mode: str) -> Any:
    """The index of a coefficient beyond the border."""
    if mode == "nearest":
        return np.minimum(np.maximum(k, 0), n - 1)
    if n == 1:
        return k * 0
    if mode == "grid-wrap":
        return k % n
    if mode in ("reflect", "grid-mirror"):
        there = k % (2 * n)
        return np.where(there >= n, 2 * n - 1 - there, there)
    there = k % (2 * n - 2)
    return np.where(there >= n, 2 * n - 2 - there, there)


def _weights(t: Any, order: int) -> Any:
    """The values at t in [0, 1) of the splines that are not 0 there (de Boor's recursion for equal steps)."""
    found = [np.ones(t.shape)]
    for d in range(1, order + 1):
        saved, after = np.zeros(t.shape), []
        for r in range(d):
            share = found[r] / d
            after.append(saved + (r + 1 - t) * share)
            saved = (t + (d - r - 1)) * share
        found = [*after, saved]
    return found


def _axis(x: Any, n: Any, order: int, mode: str) -> Any:
    """(indices and weights of the coefficients, whether a point lies outside)."""
    outside = (x < 0) | (x > n - 1) if mode == "constant" else np.zeros(x.shape, np.bool_)
    x = np.where(outside, 0.0, _mapped(x, n, mode))
    moved = x if order % 2 else x + 0.5
    first = np.floor(moved)
    start, taps = first.astype(np.int64) - order // 2, []
    for j, weight in enumerate(_weights(moved - first, order)):
        k = start + j
        if mode == "grid-constant":
            beyond = (k < 0) | (k >= n)
            taps.append((np.where(beyond, 0, k), weight, beyond))
        else:
            taps.append((_place(k, n, mode), weight, None))
    return taps, outside


def _sampled(c: Any, points: Any, order: int, mode: str, cval: float) -> Any:
    axes, outside = [], None
    for x, n in zip(points, c.shape):
        taps, beyond = _axis(x, n, order, mode)
        axes.append(taps)
        outside = beyond if outside is None else outside | beyond
    chosen = [()]
    for taps in axes:
        chosen = [(*before, tap) for before in chosen for tap in taps]
    total = np.zeros(points[0].shape, c.dtype)
    for taps in chosen:
        value = c[tuple([k for k, _, _ in taps])]
        if mode == "grid-constant":
            beyond = taps[0][2]
            for tap in taps[1:]:
                beyond = beyond | tap[2]
            value = np.where(beyond, cval, value)
        for _, weight, _ in taps:
            value = value * weight
        total = total + value
    return np.where(outside, cval, total) if outside is not None and mode == "constant" else total


# --- functions --------------------------------------------------------------------------------------------------------

def _no_output(output: int | None) -> None:
    if output is not None:
        raise NotImplementedError("output= of scipy.ndimage cannot be compiled: assign the result")


def map_coordinates(input: Array, coordinates: Any, output: int | None = None, order: int = 3, mode: str = "constant",
                    cval: float = 0.0, prefilter: bool = True) -> Any:
    _no_output(output)
    _checked(order, mode)
    input, coordinates = np.asarray(input), np.asarray(coordinates)
    if np.iscomplexobj(coordinates):
        raise TypeError("Complex type not supported")
    if coordinates.shape[0] != input.ndim:
        raise RuntimeError("invalid shape for coordinate array")
    return _resampled(input, [coordinates[k] + 0.0 for k in range(input.ndim)], order, mode, cval, prefilter)


def _resampled(input: Array, points: Any, order: int, mode: str, cval: float, prefilter: Any) -> Any:
    if mode == "nearest" and order > 1 and not prefilter:
        raise NotImplementedError("scipy.ndimage's mode='nearest' without prefilter cannot be compiled: use mode='mirror'")
    c, points = _doubled(input), [p.astype(np.float64) for p in points]
    if prefilter and order > 1:
        if mode in ("nearest", "grid-constant"):
            c = np.pad(c, _PAD, mode="edge") if mode == "nearest" else np.pad(c, _PAD, constant_values=cval)
            points = [p + float(_PAD) for p in points]
        for axis in range(c.ndim):
            c = spline_filter1d(c, order, axis, mode=mode)
    found = _sampled(c, points, order, mode, cval)
    if np.issubdtype(input.dtype, np.inexact):
        return found.astype(input.dtype)
    return np.round(found).astype(input.dtype) if order > 1 else np.trunc(found + np.where(found > 0, 0.5, -0.5)).astype(
        input.dtype)


def _grid(shape: Any) -> Any:
    return [np.arange(n).reshape([-1 if k == axis else 1 for k in range(len(shape))]) * 1.0 for axis, n in enumerate(shape)]


def affine_transform(input: Array, matrix: Any, offset: Any = 0.0, output_shape: Any = None, output: int | None = None,
                     order: int = 3, mode: str = "constant", cval: float = 0.0, prefilter: bool = True) -> Any:
    _no_output(output)
    _checked(order, mode)
    input, matrix = np.asarray(input), np.asarray(matrix)
    rank = input.ndim
    shape = input.shape if output_shape is None else tuple(output_shape)
    if matrix.ndim == 2 and matrix.shape[1] == rank + 1:
        offset, matrix = matrix[:rank, rank], matrix[:rank, :rank]
    if matrix.shape[0] != rank:
        raise RuntimeError("affine matrix has wrong number of rows")
    offset = np.broadcast_to(np.asarray(offset), (rank,))
    grid = _grid(shape)
    points = []
    for k in range(rank):
        p = np.zeros(shape) + offset[k]
        for j in range(rank):
            if matrix.ndim == 2:
                p = p + matrix[k, j] * grid[j]
            elif j == k:
                p = p + matrix[k] * grid[k]
        points.append(p)
    return _resampled(input, points, order, mode, cval, prefilter)


def shift(input: Array, shift: Any, output: int | None = None, order: int = 3, mode: str = "constant",
          cval: float = 0.0, prefilter: bool = True) -> Any:
    input = np.asarray(input)
    moved = np.broadcast_to(np.asarray(shift), (input.ndim,))
    return affine_transform(input, np.ones(input.ndim), -moved, None, output, order, mode, cval, prefilter)


def zoom(input: Array, zoom: Any, output: int | None = None, order: int = 3, mode: str = "constant", cval: float = 0.0,
         prefilter: bool = True, *, grid_mode: bool = False) -> Any:
    input = np.asarray(input)
    factors = list(zoom) if isinstance(zoom, (list, tuple)) else [zoom] * input.ndim
    if grid_mode:
        raise NotImplementedError("scipy.ndimage.zoom with grid_mode=True cannot be compiled: use affine_transform")
    shape = tuple([round(n * float(f)) for n, f in zip(input.shape, factors)])
    steps = np.array([(n - 1) / (m - 1) if m > 1 else 1.0 for n, m in zip(input.shape, shape)])
    return affine_transform(input, steps, 0.0, shape, output, order, mode, cval, prefilter)


def rotate(input: Array, angle: Any, axes: tuple[int, ...] = (1, 0), reshape: bool = True, output: int | None = None,
           order: int = 3, mode: str = "constant", cval: float = 0.0, prefilter: bool = True) -> Any:
    input = np.asarray(input)
    if input.ndim != 2:
        raise NotImplementedError("scipy.ndimage.rotate of an array that has not two dimensions cannot be compiled: use "
                                  "map_coordinates")
    if sorted([axes[0] % 2, axes[1] % 2]) != [0, 1]:
        raise ValueError("axes contains invalid axis indices")
    angle = np.asarray(angle) * (np.pi / 180) if not isinstance(angle, (int, float)) else angle * np.pi / 180
    c, s = np.cos(angle), np.sin(angle)
    matrix = np.array([[c, s], [-s, c]])
    shape = input.shape
    if reshape:
        n, m = input.shape
        corners = np.array([[0, 0, n, n], [0, m, 0, m]])
        spread = np.array([[np.cos(float(angle)), np.sin(float(angle))],
                           [-np.sin(float(angle)), np.cos(float(angle))]]) @ corners
        wide = np.max(spread, axis=1) - np.min(spread, axis=1)
        shape = (int(wide[0] + 0.5), int(wide[1] + 0.5))
    middle = matrix @ np.array([(shape[0] - 1) / 2, (shape[1] - 1) / 2])
    offset = np.array([(input.shape[0] - 1) / 2, (input.shape[1] - 1) / 2]) - middle
    return affine_transform(input, matrix, offset, shape, output, order, mode, cval, prefilter)


RESAMPLED = {f.__name__: f for f in (spline_filter1d, spline_filter, map_coordinates, affine_transform, shift, zoom, rotate)}
