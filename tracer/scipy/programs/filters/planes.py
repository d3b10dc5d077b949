"""scipy.signal's convolutions of two dimensions with a boundary, and medians of windows."""
from __future__ import annotations

from typing import Any

import numpy as np

from .convolutions import _FEW, _by_fourier, _by_shifts
from .neighbourhoods import median_filter

_BOUNDARIES: Any = {"fill": "constant", "pad": "constant", "wrap": "wrap", "circular": "wrap", "symm": "symmetric",
                    "symmetric": "symmetric"}


def _checked(in1: Any, in2: Any, mode: str, boundary: str, name: str) -> Any:
    a, b = np.asarray(in1), np.asarray(in2)
    if a.ndim != 2 or b.ndim != 2:
        raise ValueError(f"{name} inputs must both be 2-D arrays")
    if mode not in ("full", "same", "valid"):
        raise ValueError("Acceptable mode flags are 'valid', 'same', or 'full'.")
    if boundary not in _BOUNDARIES:
        raise ValueError("Acceptable boundary flags are 'fill', 'circular' (or 'wrap'), and 'symmetric' (or 'symm').")
    return a, b


def _turned(a: Any, b: Any, mode: str) -> bool:
    """Whether the second is the larger one, of which a valid part is taken."""
    if mode != "valid" or (a.shape[0] >= b.shape[0] and a.shape[1] >= b.shape[1]):
        return False
    if a.shape[0] > b.shape[0] or a.shape[1] > b.shape[1]:
        raise ValueError("For 'valid' mode, one must be at least as large as the other in every dimension")
    return True


def _plane(a: Any, b: Any, mode: str, boundary: str, fillvalue: Any, before: Any) -> Any:
    """The convolution; `before` says how many rows and columns of the full one are before those of mode "same"."""
    m, n = b.shape
    if boundary in ("fill", "pad") and isinstance(fillvalue, (int, float)) and fillvalue == 0:
        exact = not np.issubdtype(np.result_type(a, b), np.inexact)
        if min(a.size, b.size) <= _FEW or exact:
            full = _by_shifts(a, b) if b.size <= a.size else _by_shifts(b, a)
        else:
            full = _by_fourier(a, b)
    else:
        how = _BOUNDARIES[boundary]
        widths = ((m - 1, m - 1), (n - 1, n - 1))
        wide = (np.pad(a, widths, constant_values=fillvalue) if how == "constant" else np.pad(a, widths, mode=how))
        rows, columns = a.shape[0] + m - 1, a.shape[1] + n - 1
        full = np.zeros((rows, columns), np.result_type(a, b))
        for i, j in np.ndindex(m, n):
            full = full + b[m - 1 - i, n - 1 - j] * wide[i:i + rows, j:j + columns]
    if mode == "full":
        return full
    if mode == "same":
        return full[before[0]:before[0] + a.shape[0], before[1]:before[1] + a.shape[1]]
    return full[m - 1:a.shape[0], n - 1:a.shape[1]]


def convolve2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    a, b = _checked(in1, in2, mode, boundary, "convolve2d")
    if _turned(a, b, mode):
        a, b = b, a
    return _plane(a, b, mode, boundary, fillvalue, [(k - 1) // 2 for k in b.shape])


def correlate2d(in1: Any, in2: Any, mode: str = "full", boundary: str = "fill", fillvalue: Any = 0) -> Any:
    a, b = _checked(in1, in2, mode, boundary, "correlate2d")
    turned = _turned(a, b, mode)
    if turned:
        a, b = b, a
    found = _plane(a, np.conj(b[::-1, ::-1]), mode, boundary, fillvalue, [k // 2 for k in b.shape])
    return found[::-1, ::-1] if turned else found              # SciPy conjugates the smaller one in either order


def medfilt(volume: Any, kernel_size: Any = None) -> Any:
    x = np.atleast_1d(np.asarray(volume))
    size = [3] * x.ndim if kernel_size is None else (
        list(kernel_size) if isinstance(kernel_size, (list, tuple)) else [kernel_size] * x.ndim)
    for k in size:
        if k % 2 != 1:
            raise ValueError("Each element of kernel_size should be odd.")
    return median_filter(x, tuple(size), mode="constant", cval=0.0)


def medfilt2d(input: Any, kernel_size: Any = 3) -> Any:
    return medfilt(input, kernel_size)


PLANES = {f.__name__: f for f in (convolve2d, correlate2d, medfilt, medfilt2d)}
