"""scipy.sparse.linalg's spsolve and cg in compiled code.

spsolve   elimination of the dense matrix, so it is for systems that fit: at most `MOST` unknowns. Its derivatives are those of
          np.linalg.solve; that by the matrix has the matrix's pattern, as A.data is what it was made of. Of a singular matrix
          SciPy warns and gives NaN; this raises LinAlgError.
cg        SciPy's own steps (M. R. Hestenes, E. Stiefel, Methods of conjugate gradients for solving linear systems, J. Res.
          Nat. Bur. Standards 49, 1952), with its test for the end. They are not differentiated: the derivative is that of the
          solution, A x_dot = b_dot - A_dot x, by elimination, so that it does not inherit `rtol`. Where none is asked for,
          nothing of it is computed, and A may be of any size.
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
