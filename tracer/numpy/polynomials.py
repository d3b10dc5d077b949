"""np.roots, np.polydiv, numpy.polynomial's polyroots: programs that are rewritten like a function of the user
(calling/libraries/numpy_source.py). How many coefficients count only run time knows: leading ones may be 0."""
from __future__ import annotations

from typing import Any

import numpy as np


def _companion(row: Any) -> Any:
    """The matrix with this first row and ones below the diagonal."""
    n = row.shape[0]
    below = np.arange(n)
    return np.where(below[:, None] == 0, row, (below[:, None] == below + 1).astype(row.dtype))


def roots(p: Any) -> Any:
    p = np.atleast_1d(p)
    if p.ndim != 1:
        raise ValueError("Input must be a rank-1 array.")
    if not np.issubdtype(p.dtype, np.inexact):
        p = p.astype(float)
    if p.shape[0] == 0:
        return np.zeros(0)
    some = p != 0
    stop = p.shape[0] - int(np.argmax(some[::-1])) if np.any(some) else 1          # of zeros one is left, and has no roots
    first = int(np.argmax(some))
    zeros = p.shape[0] - stop if np.any(some) else 0
    kept = p[first:stop]
    found = np.linalg.eigvals(_companion(-kept[1:] / kept[0]))
    return np.concatenate((found, np.zeros(zeros, p.dtype)))


def polyroots(c: Any) -> Any:
    c = np.atleast_1d(c)
    if not np.issubdtype(c.dtype, np.inexact):
        c = c.astype(float)
    some = c != 0
    stop = c.shape[0] - int(np.argmax(some[::-1])) if np.any(some) else 1
    kept = c[:stop][::-1]
    return np.sort(np.linalg.eigvals(_companion(-kept[1:] / kept[0]).T))


def polydiv(u: Any, v: Any) -> Any:
    u, v = np.atleast_1d(u) + 0.0, np.atleast_1d(v) + 0.0
    m, n = u.shape[0] - 1, v.shape[0] - 1
    r = u + 0.0 * v[0]
    q = np.zeros(max(m - n + 1, 1), r.dtype)
    for k in range(m - n + 1):
        q[k] = 1.0 / v[0] * r[k]
        r[k:k + n + 1] -= q[k] * v
    small = np.abs(r) <= 1e-8                          # as np.allclose(r[0], 0), except the last
    first = int(np.argmax(~small)) if not np.all(small) else m
    return q, r[first:]
