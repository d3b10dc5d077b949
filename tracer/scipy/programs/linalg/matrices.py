"""The matrices of scipy.linalg that have a form: Toeplitz, block diagonal and their kin, as NumPy programs."""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .....ir.types import Array


def toeplitz(c: Any, r: Any = None) -> Any:
    c = np.ravel(np.asarray(c))
    r = np.conj(c) if r is None else np.ravel(np.asarray(r))
    line = np.concatenate((c[::-1], r[1:]))
    i, j = np.arange(c.shape[0])[:, None], np.arange(r.shape[0])
    return line[c.shape[0] - 1 - i + j]


def circulant(c: Any) -> Any:
    c = np.asarray(c)
    n = c.shape[-1]
    return c[..., (np.arange(n)[:, None] - np.arange(n)) % n]


def hankel(c: Array, r: Array | None = None) -> Any:
    c = np.ravel(np.asarray(c))
    r = np.zeros_like(c) if r is None else np.ravel(np.asarray(r))
    line = np.concatenate((c, r[1:]))
    return line[np.arange(c.shape[0])[:, None] + np.arange(r.shape[0])]


def companion(a: Any) -> Any:
    a = np.asarray(a)
    n = a.shape[0] - 1
    top = -a[1:] / (1.0 * a[0])
    return np.concatenate((top[None, :], np.eye(n, dtype=top.dtype)[:n - 1]), axis=0)


def block_diag(*arrs: Any) -> Any:
    blocks = [np.atleast_2d(np.asarray(x)) for x in arrs] if arrs else [np.zeros((1, 0))]
    width = sum([x.shape[1] for x in blocks])
    rows, at = [], 0
    dtype = np.result_type(*blocks)
    for x in blocks:
        h, w = x.shape
        rows.append(np.concatenate((np.zeros((h, at), dtype), x.astype(dtype), np.zeros((h, width - at - w), dtype)), axis=1))
        at += w
    return np.concatenate(rows, axis=0)


def khatri_rao(a: Any, b: Array) -> Any:
    a, b = np.asarray(a), np.asarray(b)
    if a.shape[1] != b.shape[1]:
        raise ValueError("The number of columns for both arrays should be equal.")
    return (a[:, None, :] * b[None, :, :]).reshape(-1, a.shape[1])


def convolution_matrix(a: Any, n: Any, mode: str = "full") -> Any:
    a = np.asarray(a)
    m = a.shape[0]
    zeros = np.zeros(n - 1, a.dtype)
    full = toeplitz(np.concatenate((a, zeros)), np.concatenate((a[:1], zeros)))
    if mode == "full":
        return full
    if mode == "same":
        first = (min(m, n) - 1) // 2
        return full[first:first + max(m, n)]
    return full[min(m, n) - 1:max(m, n)]
