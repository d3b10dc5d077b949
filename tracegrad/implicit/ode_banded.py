"""Jacobians of which only a band of diagonals is filled, and systems with such a matrix.

A band (l, u) has l diagonals below the main one and u above it, kept as LAPACK and SciPy keep it: A[i, j] is ab[u + i - j, j].
"""
from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from ..operators.custom_decorators import custom_vjp
from ..operators.transforms import jvp

Band = tuple[int, int]


def banded_jacobian(f: Callable, x: Any, band: Band) -> Any:
    """The band of df/dx. Columns that are l + u + 1 apart have no row in common, so that many tangents give them all."""
    lower, upper = band
    n, width = np.size(x), lower + upper + 1
    columns = np.arange(n)
    colours = columns % width
    moved = np.zeros((width, n), x.dtype)
    for colour in range(width):
        moved[colour] = jvp(f, (x,), ((colours == colour) * np.ones(n, x.dtype),))[1]
    found = np.zeros((width, n), x.dtype)
    for row in range(width):                                           # i = j + row - u
        rows = columns + (row - upper)
        found[row] = np.where((rows >= 0) & (rows < n), moved[colours, np.clip(rows, 0, n - 1)], 0.0)
    return found


def expect_band(f: Callable, x: Any, band: Band) -> None:
    """Raise where df/dx at x has entries outside of the band: where its product with a rough vector is another one."""
    lower, upper = band
    n = np.size(x)
    v = (1.0 + 0.5 * np.sin(1.7 * np.arange(n))).astype(x.dtype)
    ab, wanted = banded_jacobian(f, x, band), jvp(f, (x,), (v,))[1]
    found, sizes = np.zeros(n, x.dtype), np.zeros(n, x.dtype)
    for row in range(lower + upper + 1):
        shift = row - upper
        first, last = max(0, -shift), min(n, n - shift)
        if last > first:
            found[first + shift:last + shift] += ab[row, first:last] * v[first:last]
            sizes[first + shift:last + shift] += np.abs(ab[row, first:last] * v[first:last])
    near = np.sqrt(np.finfo(x.dtype).eps) * (np.max(sizes, initial=0.0) + np.max(np.abs(wanted), initial=0.0))
    if np.max(np.abs(found - wanted), initial=0.0) > near:
        raise ValueError(f"df/dy has entries outside of band={band}: give the numbers of diagonals below and above the main "
                         "one")


def transposed(ab: Any, band: Band) -> Any:
    """The band (u, l) of the transpose: row l + i - j of it, at j, is A[j, i], which is ab[u + j - i, i]."""
    lower, upper = band
    n = ab.shape[1]
    found = np.zeros((lower + upper + 1, n), ab.dtype)
    for d in range(-upper, lower + 1):                                 # d = j - i
        first, last = max(0, d), min(n, n + d)
        if last > first:
            found[lower - d, first:last] = ab[upper + d, first - d:last - d]
    return found


@cache
def banded_solve(band: Band) -> Callable:
    """(ab, b) -> x with A x = b. In reverse mode A^T y = x_bar gives b_bar = y and A_bar = -y x^T, of which the band counts."""
    lower, upper = band

    def run(limits: Band, ab: Any, b: Any) -> Any:
        from scipy.linalg import solve_banded

        return solve_banded(limits, ab, b, check_finite=False)

    @custom_vjp
    def solve(ab: Any, b: Any) -> Any:
        return run(band, ab, b)

    def ahead(ab: Any, b: Any) -> Any:
        x = solve(ab, b)
        return x, (ab, x)

    def back(kept: Any, bar: Any) -> Any:
        ab, x = kept
        n = np.size(x)
        y = banded_solve((upper, lower))(transposed(ab, band), bar)
        ab_bar = np.zeros((lower + upper + 1, n), x.dtype)
        for row in range(lower + upper + 1):
            shift = row - upper                                        # i = j + shift
            first, last = max(0, -shift), min(n, n - shift)
            if last > first:
                ab_bar[row, first:last] = -y[first + shift:last + shift] * x[first:last]
        return ab_bar, y

    solve.defvjp(ahead, back)
    return solve
