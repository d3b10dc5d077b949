"""Algebraic Riccati equations and the derivative of the exponential of a matrix, of scipy.linalg.

The doubling iteration (E. K.-W. Chu, H.-Y. Fan, W.-W. Lin, Linear Algebra Appl. 396 (2005); with C.-S. Wang, Int. J. Control 77
(2004)) converges quadratically to the stabilising solution, and its derivatives with it: the program itself is differentiated.
"""
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from .matrix_functions import expm
from .over_numpy import _adjoint, _ready, _square


def _equation(name: str, a: Any, b: Any, q: Any, r: Any, e: Any, s: Any) -> tuple[Any, Any, Any]:
    """A, B R^-1 B^H and Q, checked as SciPy does."""
    if e is not None or s is not None:
        raise NotImplementedError(f"scipy.linalg.{name} with e= or s= cannot be compiled: bring the equation to the form "
                                  "without them")
    a, b, q, r = _square(_ready(a)), _ready(b), _square(_ready(q)), _square(_ready(r))
    if a.shape[0] != b.shape[0] or a.shape != q.shape or b.shape[1] != r.shape[0]:
        raise ValueError(f"Matrices a {a.shape}, b {b.shape}, q {q.shape} and r {r.shape} do not fit each other.")
    for matrix in (q, r):
        if not np.linalg.norm(matrix - _adjoint(matrix), 1) <= np.spacing(np.linalg.norm(matrix, 1)) * 100:
            raise ValueError("Matrices q and r should be symmetric/hermitian.")
    return a, b @ np.linalg.solve(r, _adjoint(b)), q


def _doubled(a: Any, g: Any, h: Any) -> Any:
    """The limit of H: X = A^H X (I + G X)^-1 A + H."""
    n = a.shape[0]
    one = np.eye(n, dtype=a.dtype)
    last, close, steps = False, False, 0
    while not last:
        if steps >= 60:
            raise LinAlgError("Failed to find a finite solution.")
        both = np.linalg.solve(one + g @ h, np.concatenate((a, g), axis=1))
        left, right = both[:, :n], both[:, n:]
        change = _adjoint(a) @ h @ left
        g = g + a @ right @ _adjoint(a)
        a = a @ left
        h = h + change
        last = close                                       # one more step, for the derivatives
        close = np.max(np.abs(change)) <= 1e-13 * np.max(np.abs(h))
        steps += 1
    if not np.all(np.isfinite(h)):
        raise LinAlgError("Failed to find a finite solution.")
    return (h + _adjoint(h)) / 2


def solve_discrete_are(a: Any, b: Any, q: Any, r: Any, e: Any = None, s: Any = None, balanced: Any = True) -> Any:
    """A^H X A - X - A^H X B (R + B^H X B)^-1 B^H X A + Q = 0"""
    a, g, h = _equation("solve_discrete_are", a, b, q, r, e, s)
    zero = a[0, 0] * g[0, 0] * h[0, 0] * 0                   # of their common dtype
    return _doubled(a + zero, g + zero, h + zero)


def solve_continuous_are(a: Any, b: Any, q: Any, r: Any, e: Any = None, s: Any = None, balanced: Any = True) -> Any:
    """A^H X + X A - X B R^-1 B^H X + Q = 0, brought to the discrete one by a Cayley transform."""
    a, g, h = _equation("solve_continuous_are", a, b, q, r, e, s)
    zero = a[0, 0] * g[0, 0] * h[0, 0] * 0
    one = np.eye(a.shape[0], dtype=a.dtype)
    speed = np.linalg.norm(a) + np.sqrt(np.linalg.norm(g) * np.linalg.norm(h))
    moved = a + zero - speed * one
    inverse = np.linalg.inv(moved)
    outer = np.linalg.inv(_adjoint(moved) + h @ inverse @ g)
    start = one + 2 * speed * np.linalg.inv(moved + g @ _adjoint(inverse) @ h)
    return _doubled(start, 2 * speed * inverse @ g @ outer, 2 * speed * outer @ h @ inverse)


def expm_frechet(A: Any, E: Any, method: Any = None, compute_expm: Any = True, check_finite: bool = True) -> Any:
    """exp [[A, E], [0, A]] = [[exp A, L], [0, exp A]] (Higham, Functions of Matrices, 3.16)."""
    a, e = _square(_ready(A, check_finite)), _square(_ready(E, check_finite))
    if a.shape != e.shape:
        raise ValueError("expected A and E to be the same shape")
    n = a.shape[0]                                    # the zeros make it double, as SciPy does
    both = expm(np.concatenate((np.concatenate((a, e), axis=1), np.concatenate((np.zeros((n, n)), a), axis=1)), axis=0))
    return (both[:n, :n], both[:n, n:]) if compute_expm else both[:n, n:]
