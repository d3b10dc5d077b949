"""Problems of scipy.optimize that a finite number of steps solves: least squares without negative numbers, assignment.

Which elements are at their bound, and who is assigned to whom, has no derivative; numbers have those of the solution for that.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from ..primitives import stopped


def _solution(a: Any, b: Any, free: Any) -> Any:
    """The least squares of a x = b in the elements that are free, the others 0: normal equations, whose error a second solution
    takes back (Å. Björck, Numerical Methods for Least Squares Problems, 2.9.3)."""
    both = free[:, None] & free
    system = np.where(both, a.T @ a, np.eye(a.shape[1]))
    x = np.linalg.solve(system, np.where(free, a.T @ b, 0.0))
    return x + np.linalg.solve(system, np.where(free, a.T @ (b - a @ x), 0.0))


def _free(a: Any, b: Any, most: Any) -> Any:
    """Which elements are positive at the minimum: C. L. Lawson, R. J. Hanson, Solving Least Squares Problems, chapter 23."""
    n = a.shape[1]
    free, x, slope, steps = np.zeros(n, bool), np.zeros(n), a.T @ b, 0
    least = 10 * np.finfo(np.float64).eps * np.max(np.sum(np.abs(a), axis=0), initial=0.0) * max(a.shape)
    bound = least * np.max(np.abs(b), initial=0.0)
    while np.any(~free & (slope > bound)):
        free = free | (np.arange(n) == np.argmax(np.where(free, -np.inf, slope)))
        s = _solution(a, b, free)
        while np.any(free & (s <= 0)):
            if steps >= most:
                raise RuntimeError("Maximum number of iterations reached.")
            steps += 1
            turning = free & (s <= 0)
            parts = np.where(turning, x / np.where(turning, x - s, 1.0), np.inf)
            x = x + np.min(parts) * (s - x)
            free = free & (x > 0) & (parts > np.min(parts))
            x = np.where(free, x, 0.0)
            s = _solution(a, b, free)
        if steps >= most:
            raise RuntimeError("Maximum number of iterations reached.")
        steps += 1
        x = s
        slope = a.T @ (b - a @ x)
    return free


def nnls(A: Any, b: Any, *, maxiter: Any = None, atol: Any = None) -> Any:
    a, b = np.asarray(A).astype(np.float64), np.asarray(b).astype(np.float64)
    if not (np.all(np.isfinite(a)) and np.all(np.isfinite(b))):
        raise ValueError("array must not contain infs or NaNs")
    if a.ndim != 2:
        raise ValueError(f"Expected a 2D array, but the shape of A is {a.shape}")
    if b.ndim > 2 or (b.ndim == 2 and b.shape[1] != 1):
        raise ValueError(f"Expected a 1D array,(or 2D with one column), but the, shape of b is {b.shape}")
    b = b.ravel()
    if a.shape[0] != b.shape[0]:
        raise ValueError(f"Incompatible dimensions. The first dimension of A is {a.shape[0]}, while the shape of b is "
                         f"{b.shape}")
    x = _solution(a, b, _free(stopped(a), stopped(b), maxiter if maxiter else 3 * a.shape[1]))
    x = np.maximum(x, 0.0)                               # a free element is 0 by rounding at most
    return x, float(np.linalg.norm(a @ x - b))


# --- assignment -------------------------------------------------------------------------------------------------------

def _assigned(cost: Any) -> Any:
    """The column of each row, of at least as many columns as rows: shortest augmenting paths, in SciPy's order (D. F. Crouse,
    "On implementing 2D rectangular assignment algorithms", IEEE Trans. Aerospace and Electronic Systems 52, 2016)."""
    rows, columns = cost.shape
    u, v = np.zeros(rows), np.zeros(columns)
    of_row, of_column, path = np.full(rows, -1), np.full(columns, -1), np.full(columns, -1)
    for row in range(rows):
        left, remaining = columns, np.arange(columns)[::-1].copy()
        seen_rows, seen_columns, shortest = np.zeros(rows, bool), np.zeros(columns, bool), np.full(columns, np.inf)
        i, sink, least = row, -1, 0.0
        while sink == -1:
            seen_rows[i] = True
            place, lowest = -1, np.inf
            for k in range(left):
                j = remaining[k]
                length = least + cost[i, j] - u[i] - v[j]
                if length < shortest[j]:
                    path[j], shortest[j] = i, length
                if shortest[j] < lowest or (shortest[j] == lowest and of_column[j] == -1):
                    lowest, place = shortest[j], k
            least = lowest
            if least == np.inf:
                raise ValueError("cost matrix is infeasible")
            j = remaining[place]
            if of_column[j] == -1:
                sink = j
            else:
                i = of_column[j]
            seen_columns[j] = True
            left -= 1
            remaining[place] = remaining[left]
        u[row] += least
        for r in range(rows):
            if seen_rows[r] and r != row:
                u[r] += least - shortest[of_row[r]]
        v = np.where(seen_columns, v - (least - np.where(seen_columns, shortest, 0.0)), v)
        j, done = sink, False
        while not done:
            r = path[j]
            of_column[j] = r
            following = of_row[r]
            of_row[r] = j
            j, done = following, r == row
    return of_row


def linear_sum_assignment(cost_matrix: Any, maximize: bool = False) -> Any:
    cost = np.asarray(cost_matrix)
    if cost.ndim != 2:
        raise ValueError(f"expected a matrix (2-D array), got a {cost.ndim} array")
    if np.issubdtype(cost.dtype, np.complexfloating):
        raise ValueError("expected a matrix containing numerical entries, got complex128")
    cost = stopped(cost.astype(np.float64))
    if maximize:
        cost = -cost
    turned = cost.shape[1] < cost.shape[0]
    if turned:
        cost = cost.T
    if np.any(np.isnan(cost) | (cost == -np.inf)):
        raise ValueError("matrix contains invalid numeric entries")
    found = _assigned(cost)
    if not turned:
        return np.arange(cost.shape[0]), found
    order = np.argsort(found)
    return found[order], order


SEARCHES = {f.__name__: f for f in (nnls, linear_sum_assignment)}
