"""Lines through medians of slopes, and the rank of a number in a sample, in scipy.stats.

P. K. Sen, Estimates of the regression coefficient based on Kendall's tau, J. Am. Stat. Assoc. 63 (1968); A. F. Siegel, Robust
regression using repeated medians, Biometrika 69 (1982). How many pairs have a slope, only run time knows: those without one
stand last in sorted rows, as infinity.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from .families import sp


def _samples(name: str, y: Any, x: Any, method: str, methods: Any, axis: Any, nan_policy: str, keepdims: bool) -> Any:
    if method not in methods:
        raise ValueError(f"method must be either '{methods[0]}' or '{methods[1]}'.'{method}' is invalid.")
    if axis is not None or nan_policy != "propagate" or keepdims:
        raise NotImplementedError(f"scipy.stats.{name} with axis=, nan_policy= or keepdims= cannot be compiled: write a loop "
                                  "over the samples, and drop the NaN before")
    y = np.asarray(y).astype(np.float64).ravel()
    x = np.arange(y.shape[0]).astype(np.float64) if x is None else np.asarray(x).astype(np.float64).ravel()
    if x.shape[0] != y.shape[0]:
        raise ValueError("Array shapes are incompatible for broadcasting.")
    return y, x


def _medians(rows: Any, counts: Any) -> Any:
    """Of the first numbers of each sorted row, as many as count there; NaN where none does."""
    low, high = np.maximum(counts - 1, 0) // 2, np.minimum(counts // 2, rows.shape[-1] - 1)
    middle = (np.take_along_axis(rows, low[..., None], -1) + np.take_along_axis(rows, high[..., None], -1))[..., 0] / 2
    return np.where(counts > 0, middle, np.nan)


def _quotients(a: Any, b: Any, counts: Any) -> Any:
    """a / b in sorted rows, of those that count."""
    return np.sort(np.where(counts, a / np.where(counts, b, 1.0), np.inf), axis=-1)


def _ties(x: Any) -> Any:
    """Σ k (k - 1) (2 k + 5) over groups of k equal numbers: each of the k has a k-th of its group's term."""
    k = np.sum(x == x[:, None], axis=1)
    return np.sum((k - 1) * (2 * k + 5))


def theilslopes(y: Any, x: Any = None, alpha: float = 0.95, method: str = "separate", *, axis: Any = None,
                nan_policy: str = "propagate", keepdims: bool = False) -> Any:
    from scipy.stats._stats_mstats_common import TheilslopesResult

    y, x = _samples("theilslopes", y, x, method, ("joint", "separate"), axis, nan_policy, keepdims)
    bad = np.any(np.isnan(x)) | np.any(np.isnan(y))
    counts = (x[:, None] - x > 0).ravel()
    slopes, n = _quotients((y[:, None] - y).ravel(), (x[:, None] - x).ravel(), counts), np.sum(counts)
    slope = _medians(slopes, n)
    at = np.median(y - slope * x) if method == "joint" else np.median(y) - slope * np.median(x)
    m = y.shape[0]
    spread = (m * (m - 1) * (2 * m + 5) - _ties(x) - _ties(y)) / 18.0            # (2.6) of Sen
    some = (n > 0) & (spread >= 0)
    width = sp.ndtri(np.where(alpha > 0.5, 1.0 - alpha, alpha) / 2.0) * np.sqrt(np.where(some, spread, 0.0))
    low = np.maximum(np.round((n + width) / 2.0).astype(np.int64) - 1, 0)
    high = np.clip(np.round((n - width) / 2.0).astype(np.int64), 0, np.maximum(n - 1, 0))
    found = [np.where(bad, np.nan, a)[()] for a in (slope, at, np.where(some, slopes[low], np.nan),
                                                    np.where(some, slopes[high], np.nan))]
    return TheilslopesResult(slope=found[0], intercept=found[1], low_slope=found[2], high_slope=found[3])


def siegelslopes(y: Any, x: Any = None, method: str = "hierarchical", *, axis: Any = None, nan_policy: str = "propagate",
                 keepdims: bool = False) -> Any:
    from scipy.stats._stats_mstats_common import SiegelslopesResult

    y, x = _samples("siegelslopes", y, x, method, ("hierarchical", "separate"), axis, nan_policy, keepdims)
    bad = np.any(np.isnan(x)) | np.any(np.isnan(y))
    gaps = x[:, None] - x
    counts, numbers = gaps != 0, np.sum(gaps != 0, axis=1)
    slope = np.median(_medians(_quotients(y[:, None] - y, gaps, counts), numbers))
    if method == "separate":
        at = np.median(_medians(_quotients(y * x[:, None] - y[:, None] * x, gaps, counts), numbers))
    else:
        at = np.median(y - slope * x)
    return SiegelslopesResult(slope=np.where(bad, np.nan, slope)[()], intercept=np.where(bad, np.nan, at)[()])


def percentileofscore(a: Any, score: Any, kind: str = "rank", nan_policy: str = "propagate") -> Any:
    a, score = np.asarray(a), np.asarray(score)
    if a.ndim != 1:
        raise ValueError("`a` must be 1-dimensional.")
    if nan_policy != "propagate":
        raise NotImplementedError("scipy.stats.percentileofscore with nan_policy= cannot be compiled: drop the NaN before")
    if kind not in ("rank", "strict", "weak", "mean"):
        raise ValueError("kind can only be 'rank', 'strict', 'weak' or 'mean'")
    at, n = score[..., None], a.shape[0]
    if n == 0:
        return np.full(score.shape, np.nan)[()]
    left, right = np.sum(a < at, axis=-1), np.sum(a <= at, axis=-1)
    if kind == "strict":
        found = left * (100.0 / n)
    elif kind == "weak":
        found = right * (100.0 / n)
    else:
        found = (left + right + ((left < right) if kind == "rank" else 0)) * (50.0 / n)
    return np.where(np.isnan(score) | np.any(np.isnan(a)), np.nan, found)[()]


SLOPES = {f.__name__: f for f in (theilslopes, siegelslopes, percentileofscore)}
