"""Whether two results are the same, but for rounding: what `bench` and `check` say of compiled code."""
from __future__ import annotations

from typing import Any

import numpy as np

from ..tracer import pytrees


def equal(a: Any, b: Any) -> bool:
    """To the last bit."""
    return all(np.array_equal(np.asarray(x), np.asarray(y)) for x, y in zip(pytrees.leaves_of(a), pytrees.leaves_of(b)))


def difference_of(found: Any, expected: Any) -> str:
    """Where what tracegrad returns is not what Python returns, in words; "" where it is, but for rounding."""
    ours, theirs = pytrees.leaves_of(found), pytrees.leaves_of(expected)
    if len(ours) != len(theirs):
        return f"tracegrad returns {len(ours)} arrays and numbers, Python {len(theirs)}"
    return next(filter(None, (_of_leaves(np.asarray(a), np.asarray(b)) for a, b in zip(ours, theirs))), "")


def _of_leaves(a: np.ndarray, b: np.ndarray) -> str:
    if a.shape != b.shape or a.dtype != b.dtype:
        return f"tracegrad returns {a.dtype}{list(a.shape)}, Python {b.dtype}{list(b.shape)}"
    if a.dtype.kind not in "fc":
        return "" if np.array_equal(a, b) else "the results differ"
    limits = np.finfo(a.dtype)
    scale = float(np.max(np.abs(b), initial=0.0, where=np.isfinite(b)))
    if np.allclose(a, b, rtol=1e4 * limits.eps, atol=1e2 * limits.eps * scale, equal_nan=True):
        return ""
    with np.errstate(invalid="ignore"):
        return f"the results differ by up to {np.nanmax(np.abs(a - b)):.3g}"
