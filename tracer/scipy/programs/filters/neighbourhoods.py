"""Filters of scipy.ndimage by order or difference of the elements around each: medians, extremes, ranks, gradients."""
from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...primitives import footprint_of
from .convolutions import _axes, _each, _padded, correlate1d, gaussian_filter

if TYPE_CHECKING:
    from .....ir.types import Array


def _plain(output: Any) -> None:
    if output is not None:
        raise NotImplementedError("output= of a filter cannot be compiled: assign the result")


def _along(input: Array, size: Any, axis: int, mode: str, cval: float, origin: int, larger: Any) -> Any:
    """The extreme over a window of an axis."""
    n, before = input.shape[axis], size // 2 + origin
    if size < 1:
        raise RuntimeError("incorrect filter size")
    wide = np.moveaxis(_padded(input, axis, before, size - 1 - before, mode, cval), axis, 0)
    found = wide[:n]
    for j in range(1, size):
        found = np.maximum(found, wide[j:j + n]) if larger else np.minimum(found, wide[j:j + n])
    return np.moveaxis(found, 0, axis)


def maximum_filter1d(input: Array, size: Any, axis: int = -1, output: int | None = None, mode: str = "reflect",
                     cval: float = 0.0, origin: int = 0) -> Any:
    _plain(output)
    input = np.asarray(input)
    return _along(input, size, axis % input.ndim, mode, cval, origin, True)


def minimum_filter1d(input: Array, size: Any, axis: int = -1, output: int | None = None, mode: str = "reflect",
                     cval: float = 0.0, origin: int = 0) -> Any:
    _plain(output)
    input = np.asarray(input)
    return _along(input, size, axis % input.ndim, mode, cval, origin, False)


def _extreme(input: Array, size: Any, footprint: Any, output: int | None, mode: str, cval: float, origin: int,
             axes: tuple[int, ...] | None, larger: Any) -> Any:
    _plain(output)
    input = np.asarray(input)
    if footprint is not None and not all(footprint_of(footprint)[1]):
        windows = _windows(input, size, footprint, mode, cval, origin, axes)
        found = windows[0]
        for w in windows[1:]:
            found = np.maximum(found, w) if larger else np.minimum(found, w)
        return found
    axes = _axes(input, axes)
    size = size if footprint is None else footprint_of(footprint)[0]
    for axis, n, m, o in zip(axes, *[_each(v, axes) for v in (size, mode, origin)]):
        input = _along(input, n, axis, m, cval, o, larger)
    return input if axes else input.copy()


def maximum_filter(input: Array, size: Any = None, footprint: Any = None, output: int | None = None, mode: str = "reflect",
                   cval: float = 0.0, origin: int = 0, *, axes: tuple[int, ...] | None = None) -> Any:
    return _extreme(input, size, footprint, output, mode, cval, origin, axes, True)


def minimum_filter(input: Array, size: Any = None, footprint: Any = None, output: int | None = None, mode: str = "reflect",
                   cval: float = 0.0, origin: int = 0, *, axes: tuple[int, ...] | None = None) -> Any:
    return _extreme(input, size, footprint, output, mode, cval, origin, axes, False)


def _windows(input: Array, size: Any, footprint: Any, mode: str, cval: float, origin: int,
             axes: tuple[int, ...] | None) -> Any:
    """The array moved to each place of the window that counts."""
    axes = _axes(input, axes)
    if size is None and footprint is None:
        raise RuntimeError("no footprint or filter size provided")
    sizes, counts = (_each(size, axes), None) if footprint is None else footprint_of(footprint)
    wide = input
    for axis, n, m, o in zip(axes, sizes, *[_each(v, axes) for v in (mode, origin)]):
        wide = _padded(wide, axis, n // 2 + o, n - 1 - n // 2 - o, m, cval)
    found = []
    for place, index in enumerate(np.ndindex(*sizes)):
        if counts is None or counts[place]:
            part = [slice(None)] * input.ndim
            for axis, k in zip(axes, index):
                part[axis] = slice(k, k + input.shape[axis])
            found.append(wide[tuple(part)])
    return found


def _ranked(input: Array, rank: Callable[[int], int], windows: Any) -> Any:
    count = len(windows)
    place = rank(count)
    if place < 0:
        place += count
    if place < 0 or place >= count:
        raise RuntimeError("rank not within filter footprint size")
    return np.sort(np.stack(windows), axis=0)[place]


def rank_filter(input: Array, rank: int, size: Any = None, footprint: Any = None, output: int | None = None,
                mode: str = "reflect", cval: float = 0.0, origin: int = 0, *, axes: tuple[int, ...] | None = None) -> Any:
    _plain(output)
    input = np.asarray(input)
    return _ranked(input, lambda count: rank, _windows(input, size, footprint, mode, cval, origin, axes))


def median_filter(input: Array, size: Any = None, footprint: Any = None, output: int | None = None, mode: str = "reflect",
                  cval: float = 0.0, origin: int = 0, *, axes: tuple[int, ...] | None = None) -> Any:
    _plain(output)
    input = np.asarray(input)
    return _ranked(input, lambda count: count // 2, _windows(input, size, footprint, mode, cval, origin, axes))


def percentile_filter(input: Array, percentile: Any, size: Any = None, footprint: Any = None, output: int | None = None,
                      mode: str = "reflect", cval: float = 0.0, origin: int = 0, *, axes: tuple[int, ...] | None = None) -> Any:
    _plain(output)
    input = np.asarray(input)
    share = percentile + 100.0 if percentile < 0 else percentile
    if share < 0 or share > 100:
        raise RuntimeError("invalid percentile")
    return _ranked(input, lambda count: count - 1 if share == 100.0 else int(float(count) * share / 100.0),
                   _windows(input, size, footprint, mode, cval, origin, axes))


# --- differences ------------------------------------------------------------------------------------------------------

def _gradient(input: Array, axis: int, output: int | None, mode: str, cval: float, smooth: Any) -> Any:
    _plain(output)
    input = np.asarray(input)
    axis = axis % input.ndim
    modes = _each(mode, range(input.ndim))
    found = correlate1d(input, [-1, 0, 1], axis, None, modes[axis], cval, 0)
    for k in range(input.ndim):
        if k != axis:
            found = correlate1d(found, smooth, k, None, modes[k], cval, 0)
    return found


def sobel(input: Array, axis: int = -1, output: int | None = None, mode: str = "reflect", cval: float = 0.0) -> Any:
    return _gradient(input, axis, output, mode, cval, [1, 2, 1])


def prewitt(input: Array, axis: int = -1, output: int | None = None, mode: str = "reflect", cval: float = 0.0) -> Any:
    return _gradient(input, axis, output, mode, cval, [1, 1, 1])


def _summed(input: Array, parts: list) -> Any:
    """The sum of what an operator gives along each axis. Along none the result is the array itself, as in SciPy."""
    return functools.reduce(operator.add, parts) if parts else input.copy()


def laplace(input: Array, output: int | None = None, mode: str = "reflect", cval: float = 0.0, *,
            axes: tuple[int, ...] | None = None) -> Any:
    _plain(output)
    input = np.asarray(input)
    axes = _axes(input, axes)
    return _summed(input, [correlate1d(input, [1, -2, 1], axis, None, m, cval, 0) for axis, m in zip(axes, _each(mode, axes))])


def _derivatives(input: Array, sigma: Any, order: int, mode: str, cval: float, axes: tuple[int, ...] | None,
                 options: Any) -> Any:
    """Gaussian derivatives of one order, by each axis."""
    axes = _axes(input, axes)
    orders = [[order if k == j else 0 for j in range(len(axes))] for k in range(len(axes))]
    return [gaussian_filter(input, sigma, one, None, mode, cval, axes=axes, **options) for one in orders]


def gaussian_laplace(input: Array, sigma: Any, output: int | None = None, mode: str = "reflect", cval: float = 0.0, *,
                     axes: tuple[int, ...] | None = None, **kwargs: Any) -> Any:
    _plain(output)
    input = np.asarray(input)
    return _summed(input, _derivatives(input, sigma, 2, mode, cval, axes, kwargs))


def gaussian_gradient_magnitude(input: Array, sigma: Any, output: int | None = None, mode: str = "reflect",
                                cval: float = 0.0, *, axes: tuple[int, ...] | None = None, **kwargs: Any) -> Any:
    _plain(output)
    input = np.asarray(input)
    parts = _derivatives(input, sigma, 1, mode, cval, axes, kwargs)
    found = _summed(input, [part * part for part in parts])
    return np.sqrt(found).astype(found.dtype) if parts else found       # of integers an integer, as in SciPy


# --- morphology -------------------------------------------------------------------------------------------------------

def _turned(size: Any, origin: int, rank: int) -> Any:
    """The origin of a window that is turned round: an even one has its middle on the other side."""
    return [-o - (1 if n % 2 == 0 else 0) for n, o in zip(_each(size, range(rank)), _each(origin, range(rank)))]


def grey_erosion(input: Array, size: Any = None, footprint: Any = None, structure: Array | None = None,
                 output: int | None = None, mode: str = "reflect", cval: float = 0.0, origin: int = 0, *,
                 axes: tuple[int, ...] | None = None) -> Any:
    if structure is not None or size is None or footprint is not None:
        raise NotImplementedError("morphology of grey images can be compiled by size= alone")
    return minimum_filter(input, size, None, output, mode, cval, origin, axes=axes)


def grey_dilation(input: Array, size: Any = None, footprint: Any = None, structure: Array | None = None,
                  output: int | None = None, mode: str = "reflect", cval: float = 0.0, origin: int = 0, *,
                  axes: tuple[int, ...] | None = None) -> Any:
    if structure is not None or size is None or footprint is not None:
        raise NotImplementedError("morphology of grey images can be compiled by size= alone")
    input = np.asarray(input)
    return maximum_filter(input, size, None, output, mode, cval, _turned(size, origin, len(_axes(input, axes))), axes=axes)


def grey_opening(input: Array, size: Any = None, footprint: Any = None, structure: Array | None = None,
                 output: int | None = None, mode: str = "reflect", cval: float = 0.0, origin: int = 0, *,
                 axes: tuple[int, ...] | None = None) -> Any:
    found = grey_erosion(input, size, footprint, structure, None, mode, cval, origin, axes=axes)
    return grey_dilation(found, size, footprint, structure, output, mode, cval, origin, axes=axes)


def grey_closing(input: Array, size: Any = None, footprint: Any = None, structure: Array | None = None,
                 output: int | None = None, mode: str = "reflect", cval: float = 0.0, origin: int = 0, *,
                 axes: tuple[int, ...] | None = None) -> Any:
    found = grey_dilation(input, size, footprint, structure, None, mode, cval, origin, axes=axes)
    return grey_erosion(found, size, footprint, structure, output, mode, cval, origin, axes=axes)


NEIGHBOURHOODS = {f.__name__: f for f in (
    maximum_filter1d, minimum_filter1d, maximum_filter, minimum_filter, rank_filter, median_filter, percentile_filter, sobel,
    prewitt, laplace, gaussian_laplace, gaussian_gradient_magnitude, grey_erosion, grey_dilation, grey_opening, grey_closing)}
