"""Discrete cosine and sine transforms of types 1 to 4, by one Fourier transform of twice the length each.

    type 2   2 Σ x_n cos(π k (2n+1) / 2N) = 2 Re e^{-iπk/2N} Σ x_n e^{-2πikn/2N}          and likewise the others

Sources: SciPy's documentation of scipy.fft.dct and dst for the definitions, factors and what `orthogonalize` does to the ends.
"""
from __future__ import annotations

from typing import Any

import numpy as np

_INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}
_OPPOSITE = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}


def _phases(places: Any, size: int) -> Any:
    """e^{-iπ places / size}"""
    return np.exp(-1j * np.pi * places / size)


def _cosines(x: Any, type: int, n: int) -> Any:
    k = np.arange(n)
    if type == 1:
        return np.real(np.fft.fft(np.concatenate((x, x[..., 1:-1][..., ::-1]), axis=-1), axis=-1)[..., :n])
    if type == 2:
        return 2.0 * np.real(_phases(k, 2 * n) * np.fft.fft(x, 2 * n, axis=-1)[..., :n])
    if type == 3:
        return 2.0 * np.real(np.fft.fft(x * np.where(k == 0, 0.5, 1.0) * _phases(k, 2 * n), 2 * n, axis=-1)[..., :n])
    return 2.0 * np.real(_phases(2 * k + 1, 4 * n) * np.fft.fft(x * _phases(k, 2 * n), 2 * n, axis=-1)[..., :n])


def _sines(x: Any, type: int, n: int) -> Any:
    k = np.arange(n)
    if type == 4:
        return -2.0 * np.imag(_phases(2 * k + 1, 4 * n) * np.fft.fft(x * _phases(k, 2 * n), 2 * n, axis=-1)[..., :n])
    if type == 2:
        return -2.0 * np.imag(_phases(k + 1, 2 * n) * np.fft.fft(x, 2 * n, axis=-1)[..., 1:n + 1])
    later = np.concatenate((np.zeros_like(x[..., :1]), x), axis=-1)                  # its place is n + 1
    if type == 1:
        return -2.0 * np.imag(np.fft.fft(later, 2 * n + 2, axis=-1)[..., 1:n + 1])
    places = np.arange(n + 1)
    ends = np.where(places == n, 0.5, 1.0) * _phases(places, 2 * n)
    return -2.0 * np.imag(np.fft.fft(later * ends, 2 * n, axis=-1)[..., :n]) if n > 1 else 2.0 * 0.5 * x


def _ends(type: int, n: int, cosine: bool) -> tuple[Any, Any]:
    """What orthogonal transforms multiply into the places before and after: √2 and 1/√2 at the ends."""
    k, root = np.arange(n), np.sqrt(2.0)
    end = (k == 0) if cosine else (k == n - 1)
    if type == 1 and cosine:
        both = (k == 0) | (k == n - 1)
        return np.where(both, root, 1.0), np.where(both, 1 / root, 1.0)
    return np.where(end, root, 1.0) if type == 3 else None, np.where(end, 1 / root, 1.0) if type == 2 else None


def _transformed(x: Any, type: Any, n: Any, axis: int, norm: Any, orthogonalize: Any, cosine: bool) -> Any:
    x = np.asarray(x)
    if type not in (1, 2, 3, 4):
        raise ValueError(f"invalid type ({type}); must be 1, 2, 3 or 4")
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f'Invalid norm value {norm!r}, should be "backward", "ortho" or "forward"')
    if np.iscomplexobj(x):                                  # SciPy does not hand `orthogonalize` on to the parts
        parts = [_transformed(part, type, n, axis, norm, None, cosine) for part in (np.real(x), np.imag(x))]
        return parts[0] + 1j * parts[1]
    kind = x.dtype if x.dtype == np.float32 else np.float64
    rows = np.moveaxis(x.astype(kind), axis, -1)
    if n is not None and n <= rows.shape[-1]:
        rows = rows[..., :n]
    elif n is not None:
        rows = np.concatenate((rows, np.zeros((*rows.shape[:-1], n - rows.shape[-1]), kind)), axis=-1)
    n = rows.shape[-1]
    if n < 1:
        raise ValueError(f"invalid number of data points ({n}) specified")
    if n == 1 and type == 1 and cosine:
        raise RuntimeError("zero-length FFT requested")
    length = 2 * n + (0 if type != 1 else -2 if cosine else 2)
    before, after = _ends(type, n, cosine) if (norm == "ortho" if orthogonalize is None else orthogonalize) else (None, None)
    rows = rows if before is None else rows * before
    found = _cosines(rows, type, n) if cosine else _sines(rows, type, n)
    found = found if after is None else found * after
    factor = {None: 1.0, "backward": 1.0, "ortho": length ** -0.5, "forward": 1 / length}[norm]
    return np.moveaxis((found * factor).astype(kind), -1, axis)


def dct(x: Any, type: Any = 2, n: Any = None, axis: int = -1, norm: Any = None, overwrite_x: bool = False, workers: Any = None,
        orthogonalize: Any = None) -> Any:
    return _transformed(x, type, n, axis, norm, orthogonalize, True)


def idct(x: Any, type: Any = 2, n: Any = None, axis: int = -1, norm: Any = None, overwrite_x: bool = False, workers: Any = None,
         orthogonalize: Any = None) -> Any:
    return _transformed(x, _INVERSE.get(type), n, axis, _OPPOSITE.get(norm, norm), orthogonalize, True)


def dst(x: Any, type: Any = 2, n: Any = None, axis: int = -1, norm: Any = None, overwrite_x: bool = False, workers: Any = None,
        orthogonalize: Any = None) -> Any:
    return _transformed(x, type, n, axis, norm, orthogonalize, False)


def idst(x: Any, type: Any = 2, n: Any = None, axis: int = -1, norm: Any = None, overwrite_x: bool = False, workers: Any = None,
         orthogonalize: Any = None) -> Any:
    return _transformed(x, _INVERSE.get(type), n, axis, _OPPOSITE.get(norm, norm), orthogonalize, False)


def _along_axes(x: Any, type: Any, s: Any, axes: Any, norm: Any, orthogonalize: Any, cosine: bool) -> Any:
    x = np.asarray(x)
    sizes = [s] if isinstance(s, int) else s
    axes = [axes] if isinstance(axes, int) else axes
    if axes is None:
        axes = range(x.ndim) if sizes is None else range(x.ndim - len(sizes), x.ndim)
    for k, axis in enumerate(axes):
        x = _transformed(x, type, None if sizes is None else sizes[k], axis, norm, orthogonalize, cosine)
    return x


def dctn(x: Any, type: Any = 2, s: Any = None, axes: Any = None, norm: Any = None, overwrite_x: bool = False,
         workers: Any = None, *, orthogonalize: Any = None) -> Any:
    return _along_axes(x, type, s, axes, norm, orthogonalize, True)


def idctn(x: Any, type: Any = 2, s: Any = None, axes: Any = None, norm: Any = None, overwrite_x: bool = False,
          workers: Any = None, orthogonalize: Any = None) -> Any:
    return _along_axes(x, _INVERSE.get(type), s, axes, _OPPOSITE.get(norm, norm), orthogonalize, True)


def dstn(x: Any, type: Any = 2, s: Any = None, axes: Any = None, norm: Any = None, overwrite_x: bool = False,
         workers: Any = None, orthogonalize: Any = None) -> Any:
    return _along_axes(x, type, s, axes, norm, orthogonalize, False)


def idstn(x: Any, type: Any = 2, s: Any = None, axes: Any = None, norm: Any = None, overwrite_x: bool = False,
          workers: Any = None, orthogonalize: Any = None) -> Any:
    return _along_axes(x, _INVERSE.get(type), s, axes, _OPPOSITE.get(norm, norm), orthogonalize, False)
