"""Convolutions and filters of scipy.signal and scipy.ndimage as NumPy programs."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .....ir.types import Array

_FEW = 64              # elements of a kernel that is applied shift by shift; larger ones of several axes go by transforms


def _centred(full: Any, size: Any) -> Any:
    """The middle of an array, of this size."""
    for axis, n in enumerate(size):
        first = (full.shape[axis] - n) // 2
        full = np.moveaxis(np.moveaxis(full, axis, 0)[first:first + n], 0, axis)
    return full


def _cropped(full: Any, a: Any, b: Any, mode: str) -> Any:
    if mode == "full":
        return full
    if mode == "same":
        return _centred(full, a)
    if mode != "valid":
        raise ValueError("acceptable mode flags are 'valid', 'same', or 'full'")
    more = [m - n for m, n in zip(a, b)]
    if min(more) < 0 < max(more):
        raise ValueError("For 'valid' mode, one must be at least as large as the other in every dimension")
    return _centred(full, [abs(m - n) + 1 for m, n in zip(a, b)])


def _by_shifts(a: Any, b: Any) -> Any:
    out = np.zeros([m + n - 1 for m, n in zip(a.shape, b.shape)], np.result_type(a, b))
    for index in np.ndindex(*b.shape):
        part = tuple([slice(k, k + m) for k, m in zip(index, a.shape)])
        out[part] += a * b[index]
    return out


def _by_fourier(a: Any, b: Any) -> Any:
    size = [m + n - 1 for m, n in zip(a.shape, b.shape)]
    if np.iscomplexobj(a) or np.iscomplexobj(b):
        return np.fft.ifftn(np.fft.fftn(a, size) * np.fft.fftn(b, size))
    return np.fft.irfftn(np.fft.rfftn(a, size) * np.fft.rfftn(b, size), size)


def _matched(in1: Any, in2: Any) -> Any:
    a, b = np.asarray(in1), np.asarray(in2)
    if a.ndim != b.ndim:
        raise ValueError("in1 and in2 should have the same dimensionality")
    return a, b


def convolve(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    a, b = _matched(in1, in2)
    if a.ndim == 0:
        return a * b
    if method == "fft":
        full, kind = _by_fourier(a, b), np.result_type(a, b)
        if np.issubdtype(kind, np.integer):
            full = np.round(full).astype(kind)
    elif a.ndim == 1:
        full = np.convolve(a, b)
    elif min(a.size, b.size) <= _FEW or not np.issubdtype(np.result_type(a, b), np.inexact):
        full = _by_shifts(a, b) if b.size <= a.size else _by_shifts(b, a)
    else:
        full = _by_fourier(a, b)
    return _cropped(full, a.shape, b.shape, mode)


def fftconvolve(in1: Any, in2: Any, mode: str = "full", axes: tuple[int, ...] | None = None) -> Any:
    a, b = _matched(in1, in2)
    if axes is not None:
        raise NotImplementedError("fftconvolve with axes= cannot be compiled")
    return _cropped(_by_fourier(a, b), a.shape, b.shape, mode)


oaconvolve = fftconvolve


def correlate(in1: Any, in2: Any, mode: str = "full", method: str = "auto") -> Any:
    a, b = _matched(in1, in2)
    turned = np.conj(np.flip(b))
    if mode == "valid" and min([m - n for m, n in zip(a.shape, b.shape)], default=0) < 0:
        return np.conj(np.flip(correlate(b, a, mode, method)))
    return convolve(a, turned, mode, method)


def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    """The transposed direct form II: y = b0 x + z0, z_i = b_(i+1) x + z_(i+1) - a_(i+1) y."""
    b, a, x = np.atleast_1d(np.asarray(b)), np.atleast_1d(np.asarray(a)), np.asarray(x)
    order = max(b.shape[0], a.shape[0]) - 1
    dtype = np.result_type(b, a, x, np.float32) if zi is None else np.result_type(b, a, x, np.asarray(zi), np.float32)
    b, a = b / a[0], a / a[0]
    b = np.concatenate((b, np.zeros(order + 1 - b.shape[0]))).astype(dtype)
    a = np.concatenate((a, np.zeros(order + 1 - a.shape[0]))).astype(dtype)
    rows = np.moveaxis(x, axis, 0).astype(dtype)
    rest = (1,) * (rows.ndim - 1)
    z = np.zeros((order + 1, *rows.shape[1:]), dtype)           # the last row stays 0
    if zi is not None:
        z[:order] = np.moveaxis(np.asarray(zi), axis, 0)
    later_b, later_a = b[1:].reshape(order, *rest), a[1:].reshape(order, *rest)
    out = np.zeros(rows.shape, dtype)
    for n in range(rows.shape[0]):
        y = b[0] * rows[n] + z[0]
        z[:order] = z[1:] + later_b * rows[n] - later_a * y
        out[n] = y
    found = np.moveaxis(out, 0, axis)
    return found if zi is None else (found, np.moveaxis(z[:order], 0, axis))


def sosfilt(sos: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    sos = np.asarray(sos)
    if sos.ndim != 2 or sos.shape[1] != 6:
        raise ValueError("sos array must be shape (n_sections, 6)")
    if zi is None:
        for k in range(sos.shape[0]):
            x = lfilter(sos[k, :3], sos[k, 3:], x, axis)
        return x
    zi, after = np.asarray(zi), []
    for k in range(sos.shape[0]):
        x, z = lfilter(sos[k, :3], sos[k, 3:], x, axis, zi[k])
        after.append(z)
    return x, np.stack(after)


# --- scipy.ndimage ----------------------------------------------------------------------------------------------------

_MODES = {"reflect": "symmetric", "grid-mirror": "symmetric", "mirror": "reflect", "nearest": "edge", "wrap": "wrap",
          "grid-wrap": "wrap", "constant": "constant", "grid-constant": "constant"}


def _padded(x: Any, axis: int, before: int, after: int, mode: Any, cval: float) -> Any:
    if mode not in _MODES:
        raise RuntimeError("boundary mode not supported")
    widths = [(0, 0)] * x.ndim
    widths[axis] = (before, after)
    how: Any = _MODES[mode]
    return np.pad(x, widths, constant_values=cval) if how == "constant" else np.pad(x, widths, mode=how)


def _kept_as(output: Any, input: Any) -> Any:
    """The dtype of a filter's result."""
    if output is None:
        return input.dtype
    if not isinstance(output, (type, str, np.dtype)):
        raise NotImplementedError("an array as output= of a filter cannot be compiled: assign the result")
    return np.dtype(output)


def _stored(found: Any, kind: Any) -> Any:
    """A double as SciPy's C stores it: whole numbers lose their fraction, and so does a truth value."""
    return np.trunc(found) != 0 if kind == np.bool_ else found.astype(kind)


def _correlate_axis(input: Any, weights: Any, axis: int, kind: Any, mode: str, cval: float, origin: int, turn: int = 0) -> Any:
    """`turn` is 1 for weights that are the same backwards, -1 where the sign changes: SciPy adds those in pairs, from the
    middle, which decides how a sum near a whole number is stored."""
    size, n = weights.shape[0], input.shape[axis]
    before = size // 2
    wide = np.moveaxis(_padded(input + 0.0, axis, before + origin, size - before - 1 - origin, mode, cval), axis, 0)
    if turn:
        out = weights[before] * wide[before:before + n]
        for j in range(before):
            out = out + weights[j] * (wide[j:j + n] + turn * wide[size - 1 - j:size - 1 - j + n])
    else:
        out = np.zeros((n, *wide.shape[1:]), wide.dtype)
        for j in range(size):
            out = out + weights[j] * wide[j:j + n]
    return _stored(np.moveaxis(out, 0, axis), kind)


def correlate1d(input: Any, weights: Any, axis: int = -1, output: Any = None, mode: str = "reflect",
                cval: float = 0.0, origin: int = 0) -> Array:
    input = np.asarray(input)
    return _correlate_axis(input, np.asarray(weights), axis % input.ndim, _kept_as(output, input), mode, cval, origin)


def convolve1d(input: Array, weights: Any, axis: int = -1, output: Any = None, mode: str = "reflect",
               cval: float = 0.0, origin: int = 0) -> Any:
    weights = np.asarray(weights)
    return correlate1d(input, weights[::-1], axis, output, mode, cval, -origin - (weights.shape[0] % 2 == 0))


def uniform_filter1d(input: Any, size: Any, axis: int = -1, output: Any = None, mode: str = "reflect",
                     cval: float = 0.0, origin: int = 0) -> Any:
    input = np.asarray(input)
    kind = _kept_as(output, input)
    total = _correlate_axis(input + 0.0, np.ones(size), axis % input.ndim, np.result_type(input.dtype, np.float32), mode, cval,
                            origin)
    return _stored(total / size, kind)


def _gaussian(sigma: Any, order: Any, radius: Any) -> Any:
    """The weights: of a derivative of the Gaussian, q(x) φ(x) with q' - q x/σ² applied `order` times to 1."""
    x = np.arange(-radius, radius + 1)
    variance = sigma * sigma
    phi = np.exp(-0.5 / variance * x ** 2)
    phi = phi / np.sum(phi)
    q = [1.0] + [0.0] * order
    for _ in range(order):
        q = [(q[k + 1] * (k + 1) if k < order else 0.0) - (q[k - 1] / variance if k else 0.0) for k in range(order + 1)]
    total = x * 0.0
    for c in q[::-1]:
        total = total * x + c
    return total * phi


def gaussian_filter1d(input: Any, sigma: Any, axis: int = -1, order: Any = 0, output: Any = None,
                      mode: str = "reflect", cval: float = 0.0, truncate: float = 4.0, *, radius: Any = None) -> Any:
    radius = int(truncate * float(sigma) + 0.5) if radius is None else radius
    input = np.asarray(input)
    return _correlate_axis(input, _gaussian(sigma, order, radius)[::-1], axis % input.ndim, _kept_as(output, input), mode, cval,
                           0, -1 if order % 2 else 1)


def _axes(input: Array, axes: Any) -> tuple[int, ...]:
    return tuple(range(input.ndim)) if axes is None else tuple([a % input.ndim for a in np.atleast_1d(axes).tolist()])


def _each(value: Any, axes: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else [value] * len(axes)


def gaussian_filter(input: Any, sigma: Any, order: Any = 0, output: Any = None, mode: str = "reflect",
                    cval: float = 0.0, truncate: float = 4.0, *, radius: Any = None,
                    axes: tuple[int, ...] | None = None) -> Any:
    found = np.asarray(input)
    kind = _kept_as(output, found)
    axes = _axes(found, axes)
    for axis, s, k, m, r in zip(axes, *[_each(v, axes) for v in (sigma, order, mode, radius)]):
        if (float(s) if r is None else s) > 1e-15:                   # a narrower one leaves the array as it is
            found = gaussian_filter1d(found, s, axis, k, kind, m, cval, truncate, radius=r)
    return _stored(found, kind)


def uniform_filter(input: Array, size: int = 3, output: Any = None, mode: str = "reflect", cval: float = 0.0,
                   origin: int = 0, *, axes: tuple[int, ...] | None = None) -> Any:
    found = np.asarray(input)
    kind = _kept_as(output, found)
    axes = _axes(found, axes)
    for axis, n, m, o in zip(axes, *[_each(v, axes) for v in (size, mode, origin)]):
        found = uniform_filter1d(found, n, axis, kind, m, cval, o)
    return _stored(found, kind)


def nd_correlate(input: Any, weights: Any, output: Any = None, mode: str = "reflect", cval: float = 0.0,
                 origin: Any = 0, *, axes: tuple[int, ...] | None = None) -> Any:
    input, weights = np.asarray(input), np.asarray(weights)
    if weights.ndim != input.ndim or axes is not None:
        raise RuntimeError("filter weights array has incorrect shape.")
    wide = input + 0.0
    for axis, (n, o) in enumerate(zip(weights.shape, _each(origin, weights.shape))):
        wide = _padded(wide, axis, n // 2 + o, n - n // 2 - 1 - o, mode, cval)
    out = np.zeros(input.shape, wide.dtype)
    for index in np.ndindex(*weights.shape):
        out = out + weights[index] * wide[tuple([slice(k, k + n) for k, n in zip(index, input.shape)])]
    return _stored(out, _kept_as(output, input))


def nd_convolve(input: Array, weights: Any, output: Any = None, mode: str = "reflect", cval: float = 0.0,
                origin: Any = 0, *, axes: tuple[int, ...] | None = None) -> Any:
    weights = np.asarray(weights)
    moved = [-o - (n % 2 == 0) for o, n in zip(_each(origin, weights.shape), weights.shape)]
    return nd_correlate(input, np.flip(weights), output, mode, cval, moved, axes=axes)


_SIGNAL = ("convolve", "fftconvolve", "oaconvolve", "correlate", "lfilter", "sosfilt")
_IMAGE = ("correlate1d", "convolve1d", "uniform_filter1d", "gaussian_filter1d", "gaussian_filter", "uniform_filter")
SIGNAL = {name: globals()[name] for name in _SIGNAL}
IMAGE = {**{name: globals()[name] for name in _IMAGE}, "correlate": nd_correlate, "convolve": nd_convolve}
