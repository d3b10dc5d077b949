"""Peaks of signals: scipy.signal's find_peaks, peak_prominences and peak_widths.

The loops find positions; heights, prominences and widths are then read at these, so that derivatives follow the values.
"""
from __future__ import annotations

from typing import Any

import numpy as np


def _maxima(x: Any) -> Any:
    """(first, last position) of each run of equal elements that is above its neighbours on both sides."""
    n, count, i = x.shape[0], 0, 1
    left, right = np.zeros(n, np.int64), np.zeros(n, np.int64)
    while i < n - 1:
        if x[i - 1] < x[i]:
            ahead = i + 1
            while ahead < n - 1 and x[ahead] == x[i]:
                ahead += 1
            if x[ahead] < x[i]:
                left[count], right[count] = i, ahead - 1
                count, i = count + 1, ahead
        i += 1
    return left[:count], right[:count]


def _within(values: Any, interval: Any, peaks: Any) -> Any:
    low, high = interval if isinstance(interval, (tuple, list)) else (interval, None)
    keep = np.ones(values.shape[0], np.bool_)
    if low is not None:
        keep = keep & (values >= (np.asarray(low)[peaks] if np.ndim(low) else low))
    if high is not None:
        keep = keep & (values <= (np.asarray(high)[peaks] if np.ndim(high) else high))
    return keep


def _apart(peaks: Any, heights: Any, distance: Any) -> Any:
    """The highest first: lower ones that are nearer than `distance` go. Which of equal ones is first SciPy leaves open."""
    keep, order = np.ones(peaks.shape[0], np.bool_), np.argsort(heights)
    for place in range(peaks.shape[0] - 1, -1, -1):
        j = order[place]
        if keep[j]:
            k = j - 1
            while k >= 0 and peaks[j] - peaks[k] < distance:
                keep[k] = False
                k -= 1
            k = j + 1
            while k < peaks.shape[0] and peaks[k] - peaks[j] < distance:
                keep[k] = False
                k += 1
    return keep


def _bases(x: Any, peaks: Any, wlen: Any) -> Any:
    """The lowest element on each side of a peak, before a higher one or the end of the window."""
    n = x.shape[0]
    half = n if wlen is None else int(np.ceil(wlen)) // 2
    left, right = np.zeros(peaks.shape[0], np.int64), np.zeros(peaks.shape[0], np.int64)
    for k in range(peaks.shape[0]):
        top = peaks[k]
        i, found = top, top
        while i >= max(top - half, 0) and x[i] <= x[top]:
            if x[i] < x[found]:
                found = i
            i -= 1
        left[k], i, found = found, top, top
        while i <= min(top + half, n - 1) and x[i] <= x[top]:
            if x[i] < x[found]:
                found = i
            i += 1
        right[k] = found
    return left, right


def peak_prominences(x: Any, peaks: Any, wlen: Any = None) -> Any:
    x, peaks = np.asarray(x).astype(np.float64), np.asarray(peaks)
    if wlen is not None and wlen <= 1:
        raise ValueError(f"`wlen` must be larger than 1, was {wlen}")
    left, right = _bases(x, peaks, wlen)
    return x[peaks] - np.maximum(x[left], x[right]), left, right


def peak_widths(x: Any, peaks: Any, rel_height: float = 0.5, prominence_data: Any = None, wlen: Any = None) -> Any:
    x, peaks = np.asarray(x).astype(np.float64), np.asarray(peaks)
    prominences, first, last = peak_prominences(x, peaks, wlen) if prominence_data is None else prominence_data
    heights = x[peaks] - prominences * rel_height
    left, right = np.zeros(peaks.shape[0], np.int64), np.zeros(peaks.shape[0], np.int64)
    for k in range(peaks.shape[0]):
        i = peaks[k]
        while first[k] < i and heights[k] < x[i]:
            i -= 1
        left[k], i = i, peaks[k]
        while i < last[k] and heights[k] < x[i]:
            i += 1
        right[k] = i
    low, high = x[left] < heights, x[right] < heights
    up = np.where(low, x[np.minimum(left + 1, peaks)] - x[left], 1.0)
    down = np.where(high, x[np.maximum(right - 1, peaks)] - x[right], 1.0)
    starts = left + np.where(low, (heights - x[left]) / up, 0.0)
    ends = right - np.where(high, (heights - x[right]) / down, 0.0)
    return ends - starts, heights, starts, ends


def find_peaks(x: Any, height: Any = None, threshold: Any = None, distance: Any = None, prominence: Any = None,
               width: Any = None, wlen: Any = None, rel_height: float = 0.5, plateau_size: Any = None) -> Any:
    x = np.asarray(x).astype(np.float64)
    if x.ndim != 1:
        raise ValueError("`x` must be a 1-D array")
    if distance is not None and distance < 1:
        raise ValueError("`distance` must be greater or equal to 1")
    left, right = _maxima(x)
    peaks, found = (left + right) // 2, {}
    if plateau_size is not None:
        found = {"plateau_sizes": right - left + 1, "left_edges": left, "right_edges": right}
        peaks, found = _kept(_within(found["plateau_sizes"], plateau_size, peaks), peaks, found)
    if height is not None:
        found["peak_heights"] = x[peaks]
        peaks, found = _kept(_within(x[peaks], height, peaks), peaks, found)
    if threshold is not None:
        low, high = threshold if isinstance(threshold, (tuple, list)) else (threshold, None)
        before, after = x[peaks] - x[peaks - 1], x[peaks] - x[peaks + 1]
        keep = _within(np.minimum(before, after), (low, None), peaks) & _within(np.maximum(before, after), (None, high), peaks)
        found["left_thresholds"], found["right_thresholds"] = before, after
        peaks, found = _kept(keep, peaks, found)
    if distance is not None:
        peaks, found = _kept(_apart(peaks, x[peaks], np.ceil(distance)), peaks, found)
    if prominence is not None or width is not None:
        found["prominences"], found["left_bases"], found["right_bases"] = peak_prominences(x, peaks, wlen)
    if prominence is not None:
        peaks, found = _kept(_within(found["prominences"], prominence, peaks), peaks, found)
    if width is not None:
        bases = found["prominences"], found["left_bases"], found["right_bases"]
        widths, heights, starts, ends = peak_widths(x, peaks, rel_height, bases)
        found |= {"widths": widths, "width_heights": heights, "left_ips": starts, "right_ips": ends}
        peaks, found = _kept(_within(found["widths"], width, peaks), peaks, found)
    return peaks, found


def _kept(keep: Any, peaks: Any, found: Any) -> Any:
    return peaks[keep], {name: values[keep] for name, values in found.items()}


PEAKS = {f.__name__: f for f in (find_peaks, peak_prominences, peak_widths)}
