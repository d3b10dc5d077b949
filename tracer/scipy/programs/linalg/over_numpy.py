"""scipy.linalg as NumPy programs: SciPy's signatures, dtypes and errors over NumPy's factorisations.

`overwrite_*`, `lapack_driver` and their kin say how, not what: they are taken and have no effect.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.linalg import LinAlgError

from ...primitives import lu_factors, solve_triangle, stopped
from .matrices import circulant, toeplitz

if TYPE_CHECKING:
    from .....ir.types import Array


def _ready(a: Any, check_finite: bool = True, least: int = 2) -> Any:
    """An inexact array of at least so many dimensions, with a check of its values where that is asked for."""
    a = np.asarray(a)
    if not np.issubdtype(a.dtype, np.inexact):
        a = a.astype(np.float64)
    if a.ndim < least:
        raise ValueError(f"array must have at least {least} dimensions, it has {a.ndim}")
    if check_finite and not np.all(np.isfinite(a)):
        raise ValueError("array must not contain infs or NaNs")
    return a


def _doubled(a: Any) -> Any:
    """In double precision, which some functions give whatever they get."""
    return a.astype(np.complex128 if np.iscomplexobj(a) else np.float64)


def _square(a: Any) -> Array:
    if a.shape[-1] != a.shape[-2]:
        raise ValueError("Expected a square matrix")
    return a


def _adjoint(a: Any) -> Any:
    return np.conj(np.swapaxes(a, -1, -2))


def _from_triangle(a: Any, lower: Any, hermitian: bool = True) -> Any:
    """The symmetric or Hermitian matrix of which one triangle is given."""
    part = np.tril(a, -1) if lower else np.triu(a, 1)
    other = _adjoint(part) if hermitian else np.swapaxes(part, -1, -2)
    diagonal = np.tril(np.triu(a))
    return part + other + (np.real(diagonal) if hermitian and np.iscomplexobj(a) else diagonal)


# --- solving ----------------------------------------------------------------------------------------------------------

def solve(a: Any, b: Any, lower: bool = False, overwrite_a: bool = False, overwrite_b: bool = False,
          check_finite: bool = True, assume_a: Any = None, transposed: bool = False) -> Any:
    a, b = _square(_ready(a, check_finite)), _ready(b, check_finite, 1)
    a = a.astype(np.result_type(a, b))
    if assume_a in ("sym", "symmetric", "her", "hermitian", "pos", "positive definite"):
        a = _from_triangle(a, lower, assume_a not in ("sym", "symmetric"))
        if assume_a in ("pos", "positive definite"):
            return cho_solve((cholesky(a, True), True), b) if a.ndim == 2 else np.linalg.solve(a, b)
    elif assume_a in ("lower triangular", "upper triangular"):
        return solve_triangular(a, b, trans=int(transposed), lower=assume_a == "lower triangular")
    elif assume_a == "diagonal":
        a = np.tril(np.triu(a))
    elif assume_a not in (None, "gen", "general", "banded", "tridiagonal"):
        raise ValueError(f"{assume_a} is not a recognized option")
    if transposed:
        a = np.swapaxes(a, -1, -2)
    return np.linalg.solve(a, b)


def inv(a: Array, overwrite_a: bool = False, check_finite: bool = True, *, assume_a: Any = None,
        lower: bool = False) -> Any:
    a = _square(_ready(a, check_finite))
    if assume_a in ("sym", "her", "pos", "symmetric", "hermitian", "positive definite"):
        a = _from_triangle(a, lower, assume_a not in ("sym", "symmetric"))
    elif assume_a in ("lower triangular", "upper triangular"):
        a = np.tril(a) if assume_a == "lower triangular" else np.triu(a)
    return np.linalg.inv(a)


def det(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    return np.linalg.det(_doubled(_square(_ready(a, check_finite))))


def norm(a: Any, ord: Any = None, axis: int | None = None, keepdims: bool = False, check_finite: bool = True) -> Any:
    found = np.linalg.norm(_ready(a, check_finite, 0), ord, axis, keepdims)
    whole = axis is None and np.ndim(a) == 1 and ord in (None, 2) and not keepdims          # BLAS's nrm2, in double
    large = np.ndim(a) == 2 and min(np.shape(a)) > 1 and ord in (1, np.inf) and axis is None and not keepdims
    if large and np.issubdtype(np.asarray(a).dtype, np.inexact):                         # LAPACK's lange, a Python float
        return float(found)
    return np.float64(found) if whole else found


def solve_triangular(a: Any, b: Any, trans: int = 0, lower: bool = False, unit_diagonal: bool = False,
                     overwrite_b: bool = False, check_finite: bool = True) -> Any:
    a, b = _square(_ready(a, check_finite)), _ready(b, check_finite, 1)
    if a.shape[-1] != b.shape[0 if b.ndim == 1 else -2]:
        raise ValueError(f"shapes of a {a.shape} and b {b.shape} are incompatible")
    if trans in (2, "C"):
        return np.conj(solve_triangle(a, np.conj(b), lower, True, unit_diagonal))
    return solve_triangle(a, b, lower, trans in (1, "T"), unit_diagonal)


def cholesky(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    a = _square(_ready(a, check_finite))
    found = np.linalg.cholesky(a if lower else _adjoint(a))
    return found if lower else _adjoint(found)


def cho_factor(a: Any, lower: bool = False, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    """The factor in its triangle; the other holds what LAPACK leaves there, the matrix."""
    a = _square(_ready(a, check_finite))
    found = cholesky(a, lower)
    return found + (np.triu(a, 1) if lower else np.tril(a, -1)), lower


def cho_solve(c_and_lower: Any, b: Any, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    c, lower = c_and_lower
    c, b = _square(_ready(c, check_finite)), _ready(b, check_finite, 1)
    if lower:
        return solve_triangular(c, solve_triangular(c, b, 0, True), 2, True)
    return solve_triangular(c, solve_triangular(c, b, 2, False), 0, False)


def _exchanges(order: Any) -> Any:
    """LAPACK's row exchanges from a permutation: row i was exchanged with row piv[i]."""
    n = order.shape[0]
    now, piv = np.arange(n), np.zeros(n, np.int32)
    for i in range(n):
        j = np.argmax(now == order[i])
        piv[i] = j
        other = now[i]
        now[i] = now[j]
        now[j] = other
    return piv


def lu_factor(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    a = _square(_ready(a, check_finite))
    if a.ndim > 2:
        raise NotImplementedError("lu_factor of stacked matrices cannot be compiled: use solve, or a loop")
    factors, order = lu_factors(a)
    return factors, _exchanges(order)


def lu_solve(lu_and_piv: Any, b: Any, trans: int = 0, overwrite_b: bool = False, check_finite: bool = True) -> Any:
    factors, piv = lu_and_piv
    x = _ready(b, check_finite, 1) + np.zeros((), factors.dtype)
    n = factors.shape[0]
    if n != x.shape[0]:
        raise ValueError(f"Shapes of lu {factors.shape} and b {x.shape} are incompatible")
    order = np.arange(n)
    for i in range(n):
        other = order[i]
        order[i] = order[piv[i]]
        order[piv[i]] = other
    if trans == 0:
        return solve_triangular(factors, solve_triangular(factors, x[order], 0, True, True), 0, False)
    y = solve_triangular(factors, solve_triangular(factors, x, trans, False), trans, True, True)
    return y[np.argsort(order)]


def _lower_upper(a: Any) -> tuple[Any, Any, Any]:
    """(lower, upper, the order of rows). Of a wide matrix the square part on the left is factored, and U = L^-1 P A; of a tall
    one the rows that pivots choose, which are those of the matrix with columns of zeros, and L = P A U^-1 below them; L is 0
    in the columns of pivots that are 0."""
    m, n = a.shape
    if m > n:
        order = lu_factors(stopped(np.concatenate((a, np.zeros((m, m - n), a.dtype)), axis=1)))[1]
        rows = a[order]
        lower, upper, inner = _lower_upper(rows[:n])
        pivots = upper + np.diag((np.diag(upper) == 0).astype(upper.dtype))
        below = np.swapaxes(solve_triangular(pivots, np.swapaxes(rows[n:], 0, 1), 1, False, check_finite=False), 0, 1)
        return np.concatenate((lower, below), axis=0), upper, np.concatenate((order[:n][inner], order[n:]))
    factors, order = lu_factors(a[:, :m])
    lower, upper = np.tril(factors, -1) + np.eye(m, dtype=a.dtype), np.triu(factors)
    if n > m:
        upper = np.concatenate((upper, solve_triangular(lower, a[order][:, m:], 0, True, True)), axis=1)
    return lower, upper, order


def lu(a: Any, permute_l: bool = False, overwrite_a: bool = False, check_finite: bool = True, p_indices: bool = False) -> Any:
    a = _ready(a, check_finite)
    if a.ndim > 2:
        raise NotImplementedError("scipy.linalg.lu of stacked matrices cannot be compiled: write a loop")
    lower, upper, order = _lower_upper(a)
    n = a.shape[0]
    back = np.argsort(order)                          # a = lower[back] upper
    if permute_l:
        return lower[back], upper
    return (back.astype(np.int32) if p_indices else np.eye(n, dtype=np.real(a).dtype)[back]), lower, upper


def lstsq(a: Array, b: Array, cond: Any = None, overwrite_a: bool = False, overwrite_b: bool = False,
          check_finite: bool = True, lapack_driver: Any = None) -> tuple[Array, Array, Array, Array]:
    """The residue of a single right side is a number, NaN where the matrix has no full rank and SciPy gives an empty array."""
    a, b = _ready(a, check_finite), _ready(b, check_finite, 1)
    x, rest, rank, s = np.linalg.lstsq(a, b, np.finfo(a.dtype).eps if cond is None else cond)
    if b.ndim == 1 and a.shape[0] > a.shape[1]:
        rest = np.where(rank == a.shape[1], np.sum(rest), np.nan)[()]
    return x, rest, int(rank), s


def pinv(a: Any, *, atol: Any = None, rtol: Any = None, return_rank: bool = False, check_finite: bool = True) -> Any:
    a = _ready(a, check_finite)
    s = np.linalg.svd(a, compute_uv=False)
    top = np.max(s, initial=0.0)
    if rtol is None:
        rtol = max(a.shape) * np.finfo(a.dtype).eps if atol is None else 0.0
    cut = (0.0 if atol is None else atol) + top * rtol
    found = np.linalg.pinv(a, rcond=cut / np.where(top == 0, 1.0, top))
    return (found, np.sum(s > cut)) if return_rank else found


def solve_banded(l_and_u: Any, ab: Any, b: Any, overwrite_ab: bool = False, overwrite_b: bool = False,
                 check_finite: bool = True) -> Any:
    """Elimination with exchanges of rows on the window of l + 1 rows and l + u + 1 columns that a step can reach."""
    low, up = l_and_u
    ab, b = _ready(ab, check_finite), _ready(b, check_finite, 1)
    n, width = ab.shape[1], low + up + 1
    if n != b.shape[0]:
        raise ValueError("shapes of ab and b are not compatible.")
    if low + up + 1 != ab.shape[0]:
        raise ValueError(f"invalid values for the number of lower and upper diagonals: l+u+1 ({low + up + 1}) does not equal "
                         f"ab.shape[0] ({ab.shape[0]})")
    zero = np.zeros((), ab.dtype) + np.zeros((), b.dtype)
    right = (b if b.ndim == 2 else b[:, None]) + zero
    # rows[i] = A[i, i-l : i+u+1], which ab has as a diagonal
    rows = np.zeros((n + low + 1, width), zero.dtype)
    for d in range(-low, up + 1):
        first, last = max(0, -d), min(n, n - d)
        if last > first:
            rows[first:last, d + low] = ab[up - d, first + d:last + d]
    window = np.zeros((low + 1, width), zero.dtype)
    sides = np.zeros((low + 1, right.shape[1]), zero.dtype)
    for r in range(min(low + 1, n)):                       # row r begins at column r - l: its part from column 0 on
        window[r, :width - low + r] = rows[r, low - r:]
        sides[r] = right[r]
    upper, y = np.zeros((n, width), zero.dtype), np.zeros(right.shape, zero.dtype)
    for k in range(n):
        p = np.argmax(np.abs(window[:, 0]))
        top, side = window[p].copy(), sides[p].copy()
        if top[0] == 0:
            raise LinAlgError("singular matrix")
        window[p], sides[p] = window[0], sides[0]
        upper[k], y[k] = top, side
        if low > 0:
            factors = window[1:, :1] / top[0]
            rest, others = window[1:] - factors * top, sides[1:] - factors * side
            window[:low, :width - 1] = rest[:, 1:]
            window[:low, width - 1] = 0.0
            sides[:low] = others
        window[low], sides[low] = 0.0, 0.0
        if k + low + 1 < n:
            window[low] = rows[k + low + 1]
            sides[low] = right[k + low + 1]
    x = np.zeros((n + width, right.shape[1]), zero.dtype)
    for j in range(n):
        k = n - 1 - j
        x[k] = (y[k] - upper[k, 1:] @ x[k + 1:k + width]) / upper[k, 0]
    return x[:n] if b.ndim == 2 else x[:n, 0]


def solveh_banded(ab: Any, b: Array, overwrite_ab: bool = False, overwrite_b: bool = False, lower: bool = False,
                  check_finite: bool = True) -> Any:
    ab = _ready(ab, check_finite)
    m, n = ab.shape[0] - 1, ab.shape[1]
    full = np.zeros((2 * m + 1, n), ab.dtype)
    for d in range(m + 1):
        line = ab[d, :n - d] if lower else ab[m - d, d:]          # the d-th diagonal
        full[m + d, :n - d] = line if lower else np.conj(line)
        full[m - d, d:] = np.conj(line) if lower else line
    return solve_banded((m, m), full, b, check_finite=check_finite)


def solve_toeplitz(c_or_cr: Any, b: Any, check_finite: bool = True) -> Any:
    c, r = c_or_cr if isinstance(c_or_cr, tuple) else (c_or_cr, np.conj(np.asarray(c_or_cr)))
    return np.linalg.solve(_doubled(_ready(toeplitz(c, r), check_finite)), _ready(b, check_finite, 1))


def solve_circulant(c: Any, b: Any, singular: str = "raise", tol: Any = None, caxis: Any = -1, baxis: int = 0,
                    outaxis: int = 0) -> Any:
    return np.linalg.solve(circulant(c), b)


# --- factorisations ---------------------------------------------------------------------------------------------------

def svd(a: Any, full_matrices: Any = True, compute_uv: Any = True, overwrite_a: bool = False, check_finite: Any = True,
        lapack_driver: str = "gesdd") -> Any:
    return np.linalg.svd(_ready(a, check_finite), full_matrices, compute_uv)


def svdvals(a: Any, overwrite_a: bool = False, check_finite: bool = True) -> Any:
    return np.linalg.svd(_ready(a, check_finite), compute_uv=False)


def diagsvd(s: Any, M: Any, N: Any) -> Any:
    s = np.asarray(s)
    out = np.zeros((M, N), s.dtype)
    for i in range(min(M, N)):
        out[i, i] = s[i]
    return out


def eigh(a: Any, b: Any = None, *, lower: bool = True, eigvals_only: bool = False, overwrite_a: bool = False,
         overwrite_b: bool = False, type: int | Array = 1, check_finite: bool = True, subset_by_index: Any = None,
         subset_by_value: Any = None, driver: Any = None) -> Any:
    if subset_by_value is not None or type != 1:
        raise NotImplementedError("scipy.linalg.eigh with subset_by_value or type 2 and 3 cannot be compiled: pick the values "
                                  "after eigh(a, b)")
    a = _square(_ready(a, check_finite))
    uplo: Any = "L" if lower else "U"
    if b is not None:
        factor = np.linalg.cholesky(_from_triangle(_square(_ready(b, check_finite)), lower))
        left = solve_triangular(factor, _from_triangle(a, lower), 0, True)
        a, uplo = _adjoint(solve_triangular(factor, _adjoint(left), 0, True)), "L"
    part = slice(None) if subset_by_index is None else slice(subset_by_index[0], subset_by_index[1] + 1)
    if eigvals_only:
        return np.linalg.eigvalsh(a, uplo)[..., part]
    w, v = np.linalg.eigh(a, uplo)
    if b is not None:
        v = solve_triangular(factor, v, 2, True)
    return w[..., part], v[..., part]


def eigvalsh(a: Any, b: Array | None = None, *, lower: bool = True, overwrite_a: bool = False, overwrite_b: bool = False,
             type: int | Array = 1, check_finite: bool = True, subset_by_index: Any = None, subset_by_value: Any = None,
             driver: Any = None) -> Any:
    return eigh(a, b, lower=lower, eigvals_only=True, type=type, check_finite=check_finite, subset_by_index=subset_by_index,
                subset_by_value=subset_by_value)


def eigvals(a: Any, b: Array | None = None, overwrite_a: bool = False, check_finite: bool = True,
            homogeneous_eigvals: bool = False) -> Any:
    return eig(a, b, right=False, check_finite=check_finite, homogeneous_eigvals=homogeneous_eigvals)


def eig(a: Any, b: Array | None = None, left: bool = False, right: bool = True, overwrite_a: bool = False,
        overwrite_b: bool = False, check_finite: bool = True, homogeneous_eigvals: bool = False) -> Any:
    if b is not None or left or homogeneous_eigvals:
        raise NotImplementedError("scipy.linalg.eig and eigvals with b=, left= or homogeneous_eigvals= cannot be compiled: "
                                  "use eig(solve(b, a))")
    a = _square(_ready(a, check_finite))
    kind = np.complex64 if a.dtype in (np.float32, np.complex64) else np.complex128
    if not right:
        return np.linalg.eigvals(a).astype(kind)
    w, v = np.linalg.eig(a)
    return w.astype(kind), v


def polar(a: Any, side: int | str = "right") -> Any:
    if side not in ("right", "left"):
        raise ValueError("`side` must be either 'right' or 'left'")
    w, s, vh = np.linalg.svd(_ready(a), full_matrices=False)
    u = w @ vh
    return u, (_adjoint(vh) * s[..., None, :]) @ vh if side == "right" else (w * s[..., None, :]) @ _adjoint(w)


def orth(A: Any, rcond: Array | None = None) -> Any:
    A = _ready(A)
    u, s, _ = np.linalg.svd(A, full_matrices=False)
    rcond = np.finfo(s.dtype).eps * max(A.shape) if rcond is None else rcond
    return u[:, :np.sum(s > np.max(s, initial=0.0) * rcond)]


def null_space(A: Any, rcond: Array | None = None, *, overwrite_a: bool = False, check_finite: bool = True,
               lapack_driver: str = "gesdd") -> Any:
    A = _ready(A, check_finite)
    _, s, vh = np.linalg.svd(A, full_matrices=True)
    rcond = np.finfo(s.dtype).eps * max(A.shape) if rcond is None else rcond
    return _adjoint(vh[np.sum(s > np.max(s, initial=0.0) * rcond):, :])


# --- linear matrix equations -------------------------------------------------------------------------------------------

def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """a x + x b = q as one system of linear equations, (I ⊗ a + b^T ⊗ I) vec x = vec q by rows."""
    a, b, q = _square(_ready(a)), _square(_ready(b)), _ready(q)
    m, n = a.shape[0], b.shape[0]
    if q.shape != (m, n):
        raise ValueError(f"Dimension mismatch: q has shape {q.shape}, not {(m, n)}")
    if m * n > 4096:
        raise NotImplementedError("solve_sylvester of more than 4096 unknowns cannot be compiled")
    system = np.kron(a, np.eye(n, dtype=a.dtype)) + np.kron(np.eye(m, dtype=b.dtype), b.T)
    return np.linalg.solve(system, q.reshape(-1)).reshape(m, n)


def solve_continuous_lyapunov(a: Any, q: Any) -> Any:
    return solve_sylvester(a, _adjoint(np.asarray(a)), q)


def solve_discrete_lyapunov(a: Any, q: Any, method: str | None = None) -> Any:
    """x = a x a^H + q"""
    a, q = _doubled(_square(_ready(a))), _ready(q)
    n = a.shape[0]
    if n * n > 4096:
        raise NotImplementedError("solve_discrete_lyapunov of more than 4096 unknowns cannot be compiled")
    system = np.eye(n * n, dtype=a.dtype) - np.kron(a, np.conj(a))
    return np.linalg.solve(system, q.reshape(-1)).reshape(n, n)
