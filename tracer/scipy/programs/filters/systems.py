"""Coefficients of filters in scipy.signal for systems that only run time knows: other sampling, other forms, other rates."""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...primitives import is_known
from .polyphase import upfirdn


def _binomial_rows(n: int) -> Any:
    """Row q holds the coefficients of (z + 1)^(n - q) (z - 1)^q, highest power first."""
    rows = np.zeros((n + 1, n + 1))
    for q in range(n + 1):
        row = np.ones(1)
        for k in range(n):
            row = np.convolve(row, [1.0, 1.0 if k < n - q else -1.0])
        rows[q] = row
    return rows


def bilinear(b: Any, a: Any, fs: Any = 1.0) -> Any:
    """s = 2 fs (z - 1) / (z + 1) in b(s) / a(s), times (z + 1)^n: coefficients are sums with those of known polynomials."""
    b, a = np.atleast_1d(np.asarray(b)), np.atleast_1d(np.asarray(a))
    for name, x in (("a", a), ("b", b)):
        if x.ndim != 1:
            raise ValueError(f"Parameter {name} is not a 1d array since {name}.shape={x.shape}")
    if a[0] == 0 or b[0] == 0:
        raise NotImplementedError("scipy.signal.bilinear of coefficients that begin with 0 cannot be compiled: leave them out")
    n = max(a.shape[0], b.shape[0]) - 1
    rows = _binomial_rows(n)
    rate = np.asarray(fs).astype(np.float64) * 2.0
    powers = rate ** (np.arange(n + 1) - n / 2.0)              # SciPy spreads the factor over both sides
    parts = rows * powers.reshape(-1, 1)
    numerator = b[::-1] @ parts[:b.shape[0]]
    denominator = a[::-1] @ parts[:a.shape[0]]
    return numerator / denominator[0], denominator / denominator[0]


def resample_poly(x: Any, up: Any, down: Any, axis: int = 0, window: Any = ("kaiser", 5.0), padtype: str = "constant",
                  cval: Any = None) -> Any:
    """SciPy's steps over upfirdn: a low pass, delayed by a whole number of samples."""
    x = np.asarray(x)
    if up != int(up):
        raise ValueError("up must be an integer")
    if down != int(down):
        raise ValueError("down must be an integer")
    up, down = int(up), int(down)
    if up < 1 or down < 1:
        raise ValueError("up and down must be >= 1")
    if cval is not None and padtype != "constant":
        raise ValueError("cval has no effect when padtype is ", padtype)
    common = math.gcd(up, down)
    up, down = up // common, down // common
    if up == down == 1:
        return x.copy()
    n = x.shape[axis]
    length = -(-n * up // down)
    h, half = _low_pass(x, up, down, window)
    before = down - half % down
    skipped = (half + before) // down
    after = 0
    while ((n - 1) * up + h.shape[0] + before + after - 1) // down + 1 < length + skipped:
        after += 1
    h = np.concatenate((np.zeros(before, h.dtype), h * up, np.zeros(after, h.dtype)))
    base = _base(x, axis, padtype, cval)
    found = upfirdn(h, x if base is None else x - base, up, down, axis)
    found = np.moveaxis(np.moveaxis(found, axis, 0)[skipped:skipped + length], 0, axis)
    return found if base is None else found + base


def _low_pass(x: Any, up: int, down: int, window: Any) -> Any:
    """(the filter, half of its length)."""
    if not isinstance(window, (str, tuple, float)):
        h = np.asarray(window)
        if h.ndim > 1:
            raise ValueError("window must be 1-D")
        return h, (h.shape[0] - 1) // 2
    from scipy import signal

    most = max(up, down)
    h = signal.firwin(20 * most + 1, 1.0 / most, window=window)
    return (h.astype(x.dtype) if np.issubdtype(x.dtype, np.inexact) else h), 10 * most


def _base(x: Any, axis: int, padtype: str, cval: Any) -> Any:
    """What is taken off the samples before and put back after."""
    if padtype == "constant":
        if not is_known(cval) or cval not in (None, 0):
            raise NotImplementedError("scipy.signal.resample_poly with cval= cannot be compiled: take it off before")
        return None
    if padtype not in ("mean", "median", "minimum", "maximum"):
        raise NotImplementedError(f"scipy.signal.resample_poly with padtype='{padtype}' cannot be compiled: use 'constant', "
                                  "'mean', 'median', 'minimum' or 'maximum'")
    of: Any = {"mean": np.mean, "median": np.median, "minimum": np.min, "maximum": np.max}[padtype]
    return of(x, axis=axis, keepdims=True)


def czt(x: Any, m: Any = None, w: Any = None, a: Any = 1 + 0j, *, axis: int = -1) -> Any:
    """Σ x_n a^-n w^(k n) for k < m, by L. I. Bluestein's n k = (n^2 + k^2 - (k - n)^2) / 2: a convolution with w^(-n^2/2)."""
    x = np.moveaxis(np.asarray(x), axis, -1)
    n = x.shape[-1]
    m = n if m is None else m
    if n < 1 or m < 1:
        raise ValueError(f"Invalid number of CZT data points ({n}) or output points ({m}). n must be positive integers.")
    k = np.arange(max(m, n))
    if w is None:
        chirp = np.exp(-1j * np.pi * (k * k % (2 * m)) / m)
    else:
        chirp = np.asarray(w) ** (k * k / 2.0)
    size = 1
    while size < n + m - 1:
        size *= 2
    inverse = 1 / np.concatenate((chirp[n - 1:0:-1], chirp[:m]))
    scaled = x * np.asarray(a).astype(np.complex128) ** -k[:n] * chirp[:n]
    found = np.fft.ifft(np.fft.fft(scaled, size) * np.fft.fft(inverse, size))[..., n - 1:n + m - 1] * chirp[:m]
    return np.moveaxis(found, -1, axis)


def zoom_fft(x: Any, fn: Any, m: Any = None, *, fs: Any = 2, endpoint: bool = False, axis: int = -1) -> Any:
    """The transform at m frequencies from f1 on, below f2, as a chirp z-transform."""
    x, fn = np.asarray(x), np.asarray(fn)
    m = x.shape[axis] if m is None else m
    first, last = (fn[0], fn[1]) if fn.ndim else (fn * 0.0, fn)
    step = (last - first) / ((m - 1) if endpoint and m > 1 else m) / fs
    return czt(x, m, np.exp(-2j * np.pi * step), np.exp(2j * np.pi * (first / fs)), axis=axis)


SYSTEMS = {f.__name__: f for f in (bilinear, resample_poly, czt, zoom_fft)}
