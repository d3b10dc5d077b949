"""scipy.sparse.linalg's spsolve and cg in compiled code.

spsolve   elimination of the dense matrix, so it is for systems that fit: at most `MOST` unknowns. Its derivatives are those of
          np.linalg.solve; that by the matrix has the matrix's pattern, as A.data is what it was made of. Of a singular matrix
          SciPy warns and gives NaN; this raises LinAlgError.
cg        SciPy's own steps (M. R. Hestenes, E. Stiefel, Methods of conjugate gradients for solving linear systems, J. Res.
          Nat. Bur. Standards 49, 1952), with its test for the end. They are not differentiated: the derivative is that of the
          solution, A x_dot = b_dot - A_dot x, by elimination, so that it does not inherit `rtol`. Where none is asked for,
          nothing of it is computed, and A may be of any size.
eigsh     those that are asked for, of all by eigh; svds likewise. Signs of vectors are LAPACK's.
expm_multiply
          Taylor's series in steps of a small norm, with terms enough for the derivatives too (A. H. Al-Mohy and N. J. Higham,
          SIAM J. Sci. Comput. 33, 2011, who choose the steps and the number of terms).
gmres …   the other iterations take many forms, whose ends are the solution: it is that by elimination, to rounding.
"""
from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.errors import UnsupportedError
from ..tracer.scipy.primitives import followed
from ..tracer.staging.arguments import where

MOST = 4096


def _dense(A: Any) -> Any:
    a = A.toarray() if hasattr(A, "toarray") else np.asarray(A)
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ValueError(f"matrix must be square (has shape {a.shape})")
    return a if np.issubdtype(a.dtype, np.inexact) else a.astype(np.float64)


def spsolve(A: Any, b: Any, permc_spec: Any = None, use_umfpack: bool = True) -> Any:
    if hasattr(b, "toarray"):
        raise UnsupportedError("scipy.sparse.linalg.spsolve with a sparse right side cannot be compiled",
                               "pass b.toarray()", where(spsolve))
    if A.shape[0] > MOST:
        raise UnsupportedError(f"scipy.sparse.linalg.spsolve of more than {MOST} unknowns cannot be compiled",
                               "use scipy.sparse.linalg.cg, or solve outside of the compiled function", where(spsolve))
    b = np.asarray(b)
    if b.shape[0] != A.shape[0]:
        raise ValueError(f"matrix - rhs dimension mismatch ({A.shape} - {b.shape[0]})")
    found = np.linalg.solve(_dense(A), b)
    return found.reshape(-1) if b.ndim == 2 and b.shape[1] == 1 else found


def cg(A: Any, b: Any, x0: Any = None, *, rtol: float = 1e-5, atol: float = 0.0, maxiter: Any = None, M: Any = None,
       callback: Any = None) -> Any:
    if callback is not None:
        raise UnsupportedError("scipy.sparse.linalg.cg with callback= cannot be compiled", "leave it out", where(cg))
    right = np.ravel(np.asarray(b))
    if right.shape[0] != A.shape[0]:
        raise ValueError(f"shapes of A {A.shape} and b {np.shape(b)} are incompatible")
    dtype = np.result_type(A.dtype, right.dtype)
    right = right.astype(dtype if np.issubdtype(dtype, np.inexact) else np.float64)
    x, info = _steps(A, right, x0, rtol, atol, right.shape[0] * 10 if maxiter is None else maxiter, M)
    return followed(x, spsolve(A, right)) if A.shape[0] <= MOST else x, info


def _eliminating(name: str) -> Any:
    """An iteration of SciPy's as elimination: what says where the iteration ends has no effect."""
    def solver(A: Any, b: Any, x0: Any = None, *, callback: Any = None, **options: Any) -> Any:
        if callback is not None:
            raise UnsupportedError(f"scipy.sparse.linalg.{name} with callback= cannot be compiled", "leave it out",
                                   where(solver))
        right = np.ravel(np.asarray(b))
        dtype = np.result_type(A.dtype, right.dtype)
        return spsolve(A, right.astype(dtype if np.issubdtype(dtype, np.inexact) else np.float64)), 0

    return solver


gmres, bicgstab, bicg, minres, lgmres, qmr, tfqmr, cgs = map(_eliminating, (
    "gmres", "bicgstab", "bicg", "minres", "lgmres", "qmr", "tfqmr", "cgs"))


def _steps(A: Any, b: Any, x0: Any, rtol: Any, atol: Any, maxiter: Any, M: Any) -> Any:
    """(x, 0 where it has converged, else the number of steps)."""
    size = np.linalg.norm(b)
    least = np.maximum(atol, rtol * size)
    x = np.zeros_like(b) if x0 is None else np.ravel(np.asarray(x0)).astype(b.dtype)
    r = b - A @ x
    p, rho, steps = np.zeros_like(b), np.vdot(b, b) * 0.0, 0
    done = size == 0
    while not done and steps < maxiter:
        done = np.linalg.norm(r) < least
        if not done:
            z = r if M is None else M @ r
            new = np.vdot(r, z)
            p = (z + p * (new / rho) if steps > 0 else z + 0.0 * p).astype(b.dtype)           # SciPy's are updated in place
            q = A @ p
            alpha = new / np.vdot(p, q)
            x = (x + alpha * p).astype(b.dtype)
            r = (r - alpha * q).astype(b.dtype)
            rho = new
            steps += 1
    return (b * 0.0 if size == 0 else x), 0 if done else steps


# --- eigenvalues and exponentials -------------------------------------------------------------------------------------

def _refused(name: str, f: Any, options: dict) -> None:
    for option, value in options.items():
        if value is not None:
            raise UnsupportedError(f"scipy.sparse.linalg.{name} with {option}= cannot be compiled",
                                   f"leave {option}= out, or use np.linalg.eigh of the dense matrix", where(f))


def eigsh(A: Any, k: int = 6, M: Any = None, sigma: Any = None, which: str = "LM", v0: Any = None, ncv: Any = None,
          maxiter: Any = None, tol: float = 0, return_eigenvectors: bool = True, Minv: Any = None, OPinv: Any = None,
          mode: str = "normal", rng: Any = None) -> Any:
    """With sigma, the eigenvalues w of which 1 / (w - sigma) are as `which` says."""
    _refused("eigsh", eigsh, {"M": M, "Minv": Minv, "OPinv": OPinv, "mode": None if mode == "normal" else mode})
    a = _fitting(A, "eigsh", eigsh)
    n = a.shape[0]
    if k <= 0:
        raise ValueError("k must be greater than 0.")
    if k >= n and hasattr(A, "toarray"):
        raise TypeError("Cannot use scipy.linalg.eigh for sparse A with k >= N. Use scipy.linalg.eigh(A.toarray()) or reduce "
                        "k.")
    w, v = np.linalg.eigh(a)
    size = w if sigma is None else 1 / (w - sigma)
    low = int(k) // 2
    if which == "BE":
        order = np.argsort(size)
        chosen = np.concatenate((order[:low], order[n - (k - low):]))
    elif which in ("LM", "SM", "LA", "SA"):
        key = np.abs(size) if which[1] == "M" else size
        chosen = np.argsort(-key if which[0] == "L" else key)[:k]
    else:
        raise ValueError("which must be one of LM SM LA SA BE")
    if not return_eigenvectors:                                # ARPACK's order: what is wanted most comes last
        return w[chosen if which == "BE" else chosen[::-1]]
    chosen = np.sort(chosen)
    return w[chosen], v[:, chosen]


def svds(A: Any, k: int = 6, ncv: Any = None, tol: float = 0, which: str = "LM", v0: Any = None, maxiter: Any = None,
         return_singular_vectors: Any = True, solver: str = "arpack", rng: Any = None, options: Any = None, *,
         random_state: Any = None) -> Any:
    a = A.toarray() if hasattr(A, "toarray") else np.asarray(A)
    a = a if np.issubdtype(a.dtype, np.inexact) else a.astype(np.float64)
    if not 0 < k <= min(a.shape):
        raise ValueError("`k` must be an integer satisfying `0 < k < min(A.shape)`.")
    if which not in ("LM", "SM"):
        raise ValueError("`which` must be in {'LM', 'SM'}.")
    if max(a.shape) > MOST:
        raise UnsupportedError(f"scipy.sparse.linalg.svds of more than {MOST} rows or columns cannot be compiled",
                               "call it outside of the compiled function", where(svds))
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    part = slice(k - 1, None, -1) if which == "LM" else slice(None, min(a.shape) - k - 1 if min(a.shape) > k else None, -1)
    u, s, vh = u[:, part], s[part], vh[part]
    if return_singular_vectors is False:
        return s
    return (None if return_singular_vectors == "vh" else u), s, (None if return_singular_vectors == "u" else vh)


def _fitting(A: Any, name: str, f: Any) -> Any:
    if A.shape[0] > MOST:
        raise UnsupportedError(f"scipy.sparse.linalg.{name} of more than {MOST} rows cannot be compiled",
                               "call it outside of the compiled function", where(f))
    return _dense(A)


_STEP, _TERMS = 2.0, 32               # 2^n / n! is less than 1e-26 then: the terms after, and their derivatives, are rounding


def _moved(A: Any, b: Any, t: Any) -> Any:
    """exp(t A) b"""
    size = np.max(np.real(abs(A).T @ np.ones(A.shape[0]))) * np.abs(t)
    steps = int(np.ceil(np.maximum(size / _STEP, 1.0)))
    for _ in range(steps):
        term = b
        for j in range(_TERMS):
            term = (A @ term) * (t / steps / (j + 1))
            b = b + term
    return b


def expm_multiply(A: Any, B: Any, start: Any = None, stop: Any = None, num: Any = None, endpoint: Any = None,
                  traceA: Any = None) -> Any:
    if A.ndim != 2 or A.shape[0] != A.shape[1]:
        raise ValueError("expected A to be like a square matrix")
    b = np.asarray(B)
    if b.shape[0] != A.shape[1]:
        raise ValueError(f"shapes of matrices A {A.shape} and B {b.shape} are incompatible")
    b = b.astype(np.result_type(A.dtype, b.dtype, np.float64))
    if start is None and stop is None and num is None:
        return _moved(A, b, 1.0)
    times = np.linspace(start, stop, **({} if num is None else {"num": num}), **({} if endpoint is None else
                                                                              {"endpoint": endpoint}))
    return np.stack([_moved(A, b, t) for t in times])
