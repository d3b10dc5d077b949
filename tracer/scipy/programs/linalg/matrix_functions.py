"""Functions of matrices in scipy.linalg: exp, log, the square root, the sign, and those made of exponentials.

Sources: N. J. Higham, Functions of Matrices (SIAM 2008), for all of them. The cosines and sines of A and the hyperbolic ones
are sums of two exponentials, of which one is the other's inverse: both have one norm, and so are one stack of two matrices.
"""
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.linalg import LinAlgError

from ...primitives import followed, is_known, stopped
from .over_numpy import _adjoint, _doubled, _ready, _square

_PADE = (64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
         10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0)


def expm(A: Any) -> Any:
    """Scaling and squaring with the Padé approximant of order 13 (Higham, algorithm 10.20). The norm is brought below 4.25, the
    bound at which the derivative of the approximant is the derivative of the exponential to rounding too (Al-Mohy and Higham,
    SIAM J. Matrix Anal. Appl. 30, 2009): so the program itself is differentiated."""
    a = np.asarray(A)
    if a.ndim < 2:
        if a.size == 1:
            return np.exp(_ready(a, False, 0)).reshape((1, 1))
        raise LinAlgError("The input array must be at least two-dimensional")
    if a.shape[-1] != a.shape[-2]:
        raise LinAlgError("Last 2 dimensions of the array must be square")
    a = _ready(a, False)
    if a.size == 0:
        return np.zeros(a.shape, a.dtype)
    if a.shape[-1] == 1:
        return np.exp(a)
    size = np.max(np.sum(np.abs(a), axis=-2))
    a0, finite = a, np.isfinite(size)                   # else all is NaN, but of a diagonal matrix
    size = np.where(finite, size, 1.0)
    squarings = np.maximum(np.ceil(np.log2(np.maximum(size, 1e-300) / 4.25)), 0.0).astype(np.int64)
    a = a * np.where(finite, np.exp2(-squarings.astype(np.float64)), np.nan).astype(np.real(a).dtype)
    one = np.eye(a.shape[-1], dtype=a.dtype)
    a2 = a @ a
    a4 = a2 @ a2
    a6 = a2 @ a4
    c = _PADE
    odd = a @ (a6 @ (a6 * c[13] + a4 * c[11] + a2 * c[9]) + a6 * c[7] + a4 * c[5] + a2 * c[3] + one * c[1])
    even = a6 @ (a6 * c[12] + a4 * c[10] + a2 * c[8]) + a6 * c[6] + a4 * c[4] + a2 * c[2] + one * c[0]
    found = np.linalg.solve(even - odd, even + odd)
    for _ in range(squarings):
        found = found @ found
    if not finite:
        alone = np.all((a0 == 0) | (one != 0), axis=(-2, -1), keepdims=True)
        found = np.where(alone, np.where(one != 0, np.exp(a0), 0), found)
    return found


def _root(a: Any) -> Any:
    """The principal square root by the product form of Denman and Beavers' iteration (Higham, 6.29), which converges
    quadratically where a has no eigenvalues on the negative real axis."""
    one = np.eye(a.shape[-1], dtype=a.dtype)
    m, x = a, a
    for _ in range(24):
        inverse = np.linalg.inv(m)
        x = x @ (one + inverse) * 0.5
        m = (one + (m + inverse) * 0.5) * 0.5
    return x


def _turn(a: Any) -> Any:
    """The angle t by which a complex matrix is turned back before its root is taken, sqrt(a) = exp(i t/2) sqrt(exp(-i t) a), so
    that no eigenvalue is near the negative real axis: half of what lies between that axis and the next eigenvalue above -pi.
    Eigenvalues on the axis, or below it by rounding, have the angle pi. The root is the same for every such t."""
    angles = np.angle(np.linalg.eigvals(stopped(a)))
    angles = np.where(angles < -np.pi + 1e-10, np.pi, angles)
    turn = (np.min(angles, axis=-1) + np.pi) / 2
    return np.where(np.max(angles, axis=-1) > np.pi - 0.1, turn, 0.0)[..., None, None]


def _checked_root(a: Any, name: str) -> Any:
    if np.iscomplexobj(a) and a.size > 0:
        half = np.exp(0.5j * _turn(a)).astype(a.dtype)
        found = half * _root(a / (half * half))
    else:
        found = _root(a)
    bound = 1e3 * np.finfo(a.dtype).eps * a.shape[-1] * (np.max(np.abs(found)) ** 2 + 1e-300)
    if not np.max(np.abs(found @ found - a)) <= bound:
        raise ValueError(name + ": the matrix is singular or has eigenvalues on the negative real axis, so that its root is "
                         "not real or does not exist: pass a.astype(complex), which has one where it is not singular")
    return found


def sqrtm(A: Any, disp: Any = None, blocksize: Any = None) -> Any:
    """Of a singular Hermitian matrix without negative eigenvalues, as a covariance of low rank is, by its eigenvectors: it has
    a root, but no derivative, as the slope of the square root of 0 is infinite."""
    a = _square(_ready(A))
    if a.size == 0:
        return a
    if a.ndim > 2:
        return _checked_root(a, "scipy.linalg.sqrtm")
    sizes, vectors = np.zeros(a.shape[0], np.real(a).dtype), a * 0
    if np.all(a == _adjoint(a)):
        sizes, vectors = np.linalg.eigh(stopped(a))
    least = a.shape[0] * np.finfo(a.dtype).eps * np.max(np.abs(sizes))
    if np.all(a == _adjoint(a)) and np.all(sizes >= -least) and np.any(sizes <= least):
        root = vectors * np.sqrt(np.where(sizes > least, sizes, 0)) @ _adjoint(vectors)
        return followed(root, a * np.nan)
    return _checked_root(a, "scipy.linalg.sqrtm")


# Gauss-Legendre nodes and weights on [0, 1]: log(I + X) = ∫ X (I + tX)^-1 dt (Higham, 11.1), the Padé approximant of order 8
_NODES, _WEIGHTS = (np.polynomial.legendre.leggauss(8)[0] + 1) / 2, np.polynomial.legendre.leggauss(8)[1] / 2


def logm(A: Any, disp: Any = None) -> Any:
    """Inverse scaling and squaring: square roots until the matrix is close to I, then the Padé approximant."""
    a = _doubled(_square(_ready(A)))
    one = np.eye(a.shape[-1], dtype=a.dtype)
    x, scale = a, 1.0
    while np.max(np.sum(np.abs(x - one), axis=-2)) > 0.25 and scale < 1e18:
        x = _checked_root(x, "scipy.linalg.logm")
        scale = scale * 2.0
    x = x - one
    parts = np.linalg.solve(one + x[..., None, :, :] * _NODES.reshape(-1, 1, 1), x[..., None, :, :])
    return np.sum(parts * _WEIGHTS.reshape(-1, 1, 1), axis=-3) * scale


def signm(A: Any, disp: Any = None) -> Any:
    """Newton's iteration X <- (X + X^-1) / 2 (Higham, Functions of Matrices, 5.3), scaled by the size of X while that
    is far from its limit. It converges quadratically, and its derivatives with it: the program itself is differentiated."""
    a = _square(_ready(A))
    x = _doubled(a)
    steps, last, close = 0, False, False
    while not last and steps < 100:
        inverse = np.linalg.inv(x)
        scale = np.sqrt(np.linalg.norm(inverse) / np.linalg.norm(x))
        scale = np.where(np.abs(scale - 1.0) > 0.01, scale, 1.0)
        following = (x * scale + inverse / scale) / 2
        last = close                                       # one more step, for the derivatives
        close = np.linalg.norm(following - x) <= 1e-10 * np.linalg.norm(following)
        x = following
        steps += 1
    return x.astype(a.dtype)


def fractional_matrix_power(A: Any, t: Any) -> Any:
    """A^t = exp(t log A), for A without eigenvalues on the negative real axis."""
    if isinstance(t, int) or (is_known(t) and t == int(t)):
        return np.linalg.matrix_power(np.asarray(A), int(t))
    return expm(t * logm(A))


# --- cosines and sines ------------------------------------------------------------------------------------------------

def _argument(A: Any) -> Any:
    a = np.asarray(A)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError("expected square array_like input")
    return a


def _exponentials(a: Any) -> Any:
    """exp a and exp -a."""
    both = expm(np.stack((a, -a)))
    return both[0], both[1]


def _circular(A: Any) -> Any:
    """(cos A, sin A)"""
    a = _argument(A)
    if not np.iscomplexobj(a):
        turned = expm(1j * a)
        return turned.real, turned.imag
    ahead, back = _exponentials(1j * a)
    return 0.5 * (ahead + back), -0.5j * (ahead - back)


def _hyperbolic(A: Any) -> Any:
    """(cosh A, sinh A)"""
    ahead, back = _exponentials(_argument(A))
    return 0.5 * (ahead + back), 0.5 * (ahead - back)


def cosm(A: Any) -> Any:
    return _circular(A)[0]


def sinm(A: Any) -> Any:
    return _circular(A)[1]


def tanm(A: Any) -> Any:
    cosine, sine = _circular(A)
    return np.linalg.solve(cosine, sine)


def coshm(A: Any) -> Any:
    return _hyperbolic(A)[0]


def sinhm(A: Any) -> Any:
    return _hyperbolic(A)[1]


def tanhm(A: Any) -> Any:
    cosine, sine = _hyperbolic(A)
    return np.linalg.solve(cosine, sine)
