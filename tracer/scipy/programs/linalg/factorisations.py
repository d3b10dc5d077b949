"""Further factorisations of scipy.linalg, with LAPACK's reflections and signs: Hessenberg form, QR with pivots, RQ.

Reflections are those of Golub and Van Loan, Matrix Computations, sections 5.1 and 7.4, in the form of LAPACK's larfg:
H = I - tau v v^H with v = 1 at its first place takes x to beta e with beta = -sign(Re alpha) |x|, alpha the first of x. They
are differentiated as they stand; which columns are exchanged has no derivative.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from ...primitives import stopped
from .over_numpy import _adjoint, _ready, _square, cholesky, orth, solve_banded


def _reflection(x: Any, first: Any) -> Any:
    """(tau, v) for the part of a column from the place `first` on."""
    places = np.arange(x.shape[0])
    rest = np.where(places > first, x, 0.0)
    alpha, size = x[first], np.sum(np.real(rest * np.conj(rest)))
    plain = (size == 0) & (np.imag(alpha) == 0)
    length = np.sqrt(np.where(plain, 1.0, size + np.real(alpha * np.conj(alpha))))
    beta = np.where(np.real(alpha) >= 0, -length, length)
    v = np.where(places == first, 1.0, rest / np.where(plain, 1.0, alpha - beta))
    return np.where(plain, 0.0, (beta - alpha) / beta), v


def hessenberg(a: Any, calc_q: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    a = _square(_ready(a, check_finite))
    if a.ndim > 2:
        raise NotImplementedError("hessenberg of stacked matrices cannot be compiled: write a loop")
    n = a.shape[0]
    h, q = a + 0.0, np.eye(n, dtype=a.dtype)
    for k in range(n - 1):                             # the last one makes a complex number real
        tau, v = _reflection(h[:, k], k + 1)
        h = h - np.outer(h @ v, tau * np.conj(v))
        h = h - np.outer(np.conj(tau) * v, np.conj(v) @ h)
        if calc_q:
            q = q - np.outer(q @ v, tau * np.conj(v))
    h = np.triu(h, -1)
    return (h, q) if calc_q else h


def _pivots(a: Any) -> Any:
    """The order of columns in which each is the longest of those that are left, outside of the span of those before."""
    m, n = a.shape
    rest, order = a + 0.0, np.arange(n)
    rows, columns = np.arange(m).reshape(-1, 1), np.arange(n)
    for k in range(min(m, n)):
        lengths = np.sum(np.where(rows >= k, np.real(rest * np.conj(rest)), 0.0), axis=0)
        j = np.argmax(np.where(columns >= k, lengths, -1.0))
        swap = np.where(columns == k, j, np.where(columns == j, k, columns))
        rest, order = rest[:, swap], order[swap]
        tau, v = _reflection(np.where(np.arange(m) >= k, rest[:, k], 0.0), k)
        rest = rest - np.outer(np.conj(tau) * v, np.conj(v) @ rest)
    return order


def _qr_pivoted(a: Any, mode: str) -> Any:
    order = _pivots(a)
    piv, sorted_a = order.astype(np.int32), a[:, order]
    if mode == "r":
        return np.linalg.qr(sorted_a, "complete")[1], piv
    q, r = np.linalg.qr(sorted_a, "complete" if mode == "full" else "reduced")
    return q, r, piv


def qr(a: Any, overwrite_a: bool = False, lwork: Any = None, mode: str = "full", pivoting: bool = False,
       check_finite: bool = True) -> Any:
    if mode not in ("full", "r", "economic"):
        raise ValueError("Mode argument should be one of ['full', 'r', 'economic'] in compiled code")
    a = _ready(a, check_finite)
    if pivoting:
        return _qr_pivoted(a, mode)
    if mode == "r":
        return (np.linalg.qr(a, "complete")[1],)
    q, r = np.linalg.qr(a, "complete" if mode == "full" else "reduced")
    return q, r


def rq(a: Any, overwrite_a: bool = False, lwork: Any = None, mode: str = "full", check_finite: bool = True) -> Any:
    """From the QR factorisation of the adjoint, with rows and columns in the opposite order."""
    if mode not in ("full", "r", "economic"):
        raise ValueError("Mode argument should be one of ['full', 'r', 'economic']")
    a = _ready(a, check_finite)
    q, r = np.linalg.qr(_adjoint(a[..., ::-1, ::-1]), "reduced" if mode == "economic" else "complete")
    r = _adjoint(r)[..., ::-1, ::-1]
    return r if mode == "r" else (r, _adjoint(q)[..., ::-1, ::-1])


def subspace_angles(A: Any, B: Any) -> Any:
    """A. V. Knyazev and M. E. Argentati, SIAM J. Sci. Comput. 23 (2002): small angles by their sines, others by cosines."""
    A, B = _ready(A, True, 0), _ready(B, True, 0)
    for x in (A, B):
        if x.ndim != 2:
            raise ValueError(f"expected 2D array, got shape {x.shape}")
    if A.shape[0] != B.shape[0]:
        raise ValueError(f"A and B must have the same number of rows, got {A.shape[0]} and {B.shape[0]}")
    a, b = orth(A), orth(B)
    if a.shape[1] < b.shape[1]:
        a, b = b, a
    common = _adjoint(a) @ b
    cosines, sines = np.linalg.svdvals(common), np.linalg.svdvals(b - a @ common)
    none = sines <= 10 * np.finfo(sines.dtype).eps                  # a common direction: its angle is 0, a kink as that of |x|
    sines = np.where(none, stopped(sines), sines)
    return np.where(cosines ** 2 >= 0.5, np.arcsin(np.clip(sines, -1.0, 1.0)), np.arccos(np.clip(cosines[::-1], -1.0, 1.0)))


def _equal(a: Any, b: Any, atol: Any, rtol: Any) -> Any:
    if atol is None and rtol is None:
        return np.all(a == b)
    return np.allclose(a, b, atol=0.0 if atol is None else atol, rtol=0.0 if rtol is None else rtol)


def issymmetric(a: Any, atol: Any = None, rtol: Any = None) -> Any:
    a = _square(np.asarray(a))
    return bool(_equal(a, a.T, atol, rtol))


def ishermitian(a: Any, atol: Any = None, rtol: Any = None) -> Any:
    a = _square(np.asarray(a))
    return bool(_equal(a, np.conj(a.T), atol, rtol))


def bandwidth(a: Any) -> Any:
    """How many diagonals below and above the main one have something in them."""
    a = np.asarray(a)
    gap = np.arange(a.shape[0]).reshape(-1, 1) - np.arange(a.shape[1])
    lower, upper = np.where(a != 0, gap, 0), np.where(a != 0, -gap, 0)
    return int(np.max(lower, initial=0)), int(np.max(upper, initial=0))


def _from_band(ab: Any, lower: bool) -> Any:
    """The Hermitian matrix of which the diagonals of one side are given."""
    m, n = ab.shape[0] - 1, ab.shape[1]
    full = np.zeros((n, n), ab.dtype)
    for d in range(m + 1):
        i = np.arange(n - d)
        line = ab[d, :n - d] if lower else np.conj(ab[m - d, d:])
        full[i, i + d] = np.conj(line)
        full[i + d, i] = line
    return full


def cholesky_banded(ab: Any, overwrite_ab: bool = False, lower: bool = False, check_finite: bool = True) -> Any:
    ab = _ready(ab, check_finite)
    m, n = ab.shape[0] - 1, ab.shape[1]
    c, found = cholesky(_from_band(ab, lower), lower), ab.copy()          # the corner outside of the matrix stays
    for d in range(m + 1):
        i = np.arange(n - d)
        if lower:
            found[d, :n - d] = c[i + d, i]
        else:
            found[m - d, d:] = c[i, i + d]
    return found


def cho_solve_banded(cb_and_lower: Any, b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    cb, lower = cb_and_lower
    cb = _ready(cb, check_finite)
    m = cb.shape[0] - 1
    turned = np.zeros(cb.shape, cb.dtype)                      # the diagonals of the adjoint, on the other side
    for d in range(m + 1):
        line = cb[d, :cb.shape[1] - d] if lower else cb[m - d, d:]
        if lower:
            turned[m - d, d:] = np.conj(line)
        else:
            turned[d, :cb.shape[1] - d] = np.conj(line)
    below, above = (cb, turned) if lower else (turned, cb)
    return solve_banded((0, m), above, solve_banded((m, 0), below, b))


def eigvals_banded(a_band: Any, lower: bool = False, overwrite_a_band: bool = False, select: str = "a",
                   select_range: Any = None, check_finite: bool = True) -> Any:
    if select not in ("a", "all", 0):
        raise NotImplementedError("eigvals_banded with select= cannot be compiled: pick from all eigenvalues")
    return np.linalg.eigvalsh(_from_band(_ready(a_band, check_finite), lower))


def eig_banded(a_band: Any, lower: bool = False, eigvals_only: bool = False, overwrite_a_band: bool = False,
               select: str = "a", select_range: Any = None, max_ev: int = 0, check_finite: bool = True) -> Any:
    if select not in ("a", "all", 0):
        raise NotImplementedError("eig_banded with select= cannot be compiled: pick from all eigenvalues")
    full = _from_band(_ready(a_band, check_finite), lower)
    return np.linalg.eigvalsh(full) if eigvals_only else np.linalg.eigh(full)


def eigh_tridiagonal(d: Any, e: Any, eigvals_only: bool = False, select: str = "a", select_range: Any = None,
                     check_finite: bool = True, tol: float = 0.0, lapack_driver: str = "auto") -> Any:
    """Of the matrix as a whole, whose eigenvectors are defined up to their signs."""
    d, e = _ready(d, check_finite, 1), _ready(e, check_finite, 1)
    if d.ndim != 1 or e.ndim != 1:
        raise ValueError("expected a 1-D array")
    if d.shape[0] != e.shape[0] + 1:
        raise ValueError(f"d ({d.shape[0]}) must have one more element than e ({e.shape[0]})")
    if np.iscomplexobj(d) or np.iscomplexobj(e):
        raise TypeError("Only real arrays currently supported")
    if select not in ("a", "all", 0, "i", "index", 2):
        raise NotImplementedError("eigh_tridiagonal with select='v' cannot be compiled: pick from all eigenvalues")
    full = np.diag(d) + np.diag(e, 1) + np.diag(e, -1)
    part = slice(None) if select in ("a", "all", 0) else slice(select_range[0], select_range[1] + 1)
    if eigvals_only:
        return np.linalg.eigvalsh(full)[part]
    w, v = np.linalg.eigh(full)
    return w[part], v[:, part]


def eigvalsh_tridiagonal(d: Any, e: Any, select: str = "a", select_range: Any = None, check_finite: bool = True,
                         tol: float = 0.0, lapack_driver: str = "auto") -> Any:
    return eigh_tridiagonal(d, e, True, select, select_range, check_finite, tol, lapack_driver)
