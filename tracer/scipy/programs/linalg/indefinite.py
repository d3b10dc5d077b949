"""scipy.linalg.ldl: J. R. Bunch and L. Kaufman, Some stable methods for calculating inertia and solving symmetric linear
systems, Math. Comp. 31 (1977), with the pivots of LAPACK's sytrf and hetrf. It is differentiated as it stands; which rows are
exchanged and which pivots are blocks of two has no derivative.
"""
from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...primitives import followed
from .over_numpy import _adjoint, _ready, _square

_ALPHA = (1 + math.sqrt(17)) / 8               # bounds the growth of elements: Bunch and Kaufman, (2.6)


def _size(x: Any) -> Any:
    return np.abs(np.real(x)) + np.abs(np.imag(x))


def _pivot(a: Any, k: Any, last: bool) -> tuple[Any, Any]:
    """(the row that is exchanged, whether the pivot is a block of two), of what is left from row k on."""
    n, places = a.shape[0], np.arange(a.shape[0])
    column = np.where(places > k, _size(a[:, k]), -1.0)
    i = n - 1 - np.argmax(column[::-1]) if last else np.argmax(column)
    own, largest = _size(a[k, k]), np.maximum(column[i], 0.0)
    row = np.max(np.where((places >= k) & (places != i), _size(a[i]), 0.0))
    stays = (own >= _ALPHA * largest) | (own * row >= _ALPHA * largest * largest)
    return np.where(stays, k, i), ~stays & (_size(a[i, i]) < _ALPHA * row)


def _factors(a: Any, hermitian: bool, last: bool) -> tuple[Any, Any, Any]:
    """(L, D, order) with a[order][:, order] = L D L^H, or L D L^T. Of equal elements the first is the pivot, or the last."""
    n, places = a.shape[0], np.arange(a.shape[0])
    lower, d, order, second = np.eye(n, dtype=a.dtype), np.zeros((n, n), a.dtype), np.arange(n), False
    for k in range(n):
        if second:
            second = False
        else:
            i, second = _pivot(a, k, last)
            other = np.where(second, k + 1, k)
            swap = np.where(places == other, i, np.where(places == i, other, places))
            a, order, lower = a[swap][:, swap], order[swap], np.where(places < k, lower[swap], lower)
            d[k, k] = a[k, k]
            if second:
                below, above, end = a[k + 1, k], a[k, k + 1], a[k + 1, k + 1]
                d[k + 1, k], d[k, k + 1], d[k + 1, k + 1] = below, above, end
                x, y = np.where(places > k + 1, a[:, k], 0), np.where(places > k + 1, a[:, k + 1], 0)
                p, q = a[k, k] / above, end / below               # the block's inverse, without products that overflow
                v, w = (x * q - y) / (above * (p * q - 1)), (y * p - x) / (below * (p * q - 1))
                a = a - np.outer(v, np.conj(x) if hermitian else x) - np.outer(w, np.conj(y) if hermitian else y)
                lower[:, k] += v
                lower[:, k + 1] += w
            else:
                x, none = np.where(places > k, a[:, k], 0), a[k, k] == 0
                v = x / np.where(none, 1, a[k, k])
                v = np.where(none & (places > k), followed(v, v * np.nan), v)            # 0 / 0: a value, but no slope
                a = a - np.outer(v, np.conj(x) if hermitian else x)
                lower[:, k] += v
    return lower, d, order


def ldl(A: Any, lower: bool = True, hermitian: bool = True, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    a = np.atleast_2d(_ready(A, check_finite, 0))
    if a.ndim > 2:
        raise NotImplementedError("scipy.linalg.ldl of stacked matrices cannot be compiled: write a loop")
    a = _square(a)
    n = a.shape[0]
    if n == 0:
        return a, a, np.zeros(0, np.int64)
    half = np.tril(a, -1) if lower else np.triu(a, 1)
    own = np.diag(a)
    whole = half + (_adjoint(half) if hermitian else half.T) + np.diag(np.real(own).astype(a.dtype) if hermitian else own)
    if lower:
        left, d, order = _factors(whole, hermitian, False)
        return left[np.argsort(order)], d, order
    left, d, order = _factors(whole[::-1, ::-1], hermitian, True)
    return left[np.argsort(order)][::-1, ::-1], d[::-1, ::-1], n - 1 - order[::-1]
