"""Determinants, solutions, factorisations, spectra, products."""
from __future__ import annotations

import itertools
import math

import mpmath as mp
import numpy as np

from .arrays import Arrays, at, kinks


def determinant(a):
    n = len(a)
    total = mp.mpf(0)
    for order in itertools.permutations(range(n)):
        sign = 1
        for i, j in itertools.combinations(order, 2):
            sign = sign if i < j else -sign
        total += sign * math.prod((a[i, k] for i, k in enumerate(order)), start=mp.mpf(1))
    return total


def inverse(a):
    """By cofactors."""
    n = len(a)
    minor = lambda i, j: np.delete(np.delete(a, i, 0), j, 1)                                # noqa: E731
    found = np.empty((n, n), object)
    for i, j in itertools.product(range(n), repeat=2):
        found[j, i] = (-1) ** (i + j) * (determinant(minor(i, j)) if n > 1 else mp.mpf(1)) / determinant(a)
    return found


def solve(a, b):
    return inverse(a) @ b


def cholesky(a):
    n = len(a)
    root = np.full((n, n), mp.mpf(0), object)
    for i, j in itertools.product(range(n), repeat=2):
        if j <= i:
            rest = a[i, j] - sum((root[i, k] * root[j, k] for k in range(j)), mp.mpf(0))
            root[i, j] = mp.sqrt(rest) if i == j else rest / root[j, j]
    return root


def symmetric(a):
    """What functions that read the lower triangle see."""
    return np.tril(a) + np.tril(a, -1).T


def eigenvalues(a):
    return np.array(list(mp.eigsy(mp.matrix(symmetric(a).tolist()), eigvals_only=True)), object)


def singular_values(a):
    return np.array(list(mp.svd_r(mp.matrix(a.tolist()), compute_uv=False)), object)


def exponential(a):
    found = mp.expm(mp.matrix(symmetric(a).tolist()))
    return np.array(found.tolist(), object)


def pseudo_inverse(a):
    return inverse(a.T @ a) @ a.T


def root_of(a):
    """The square root of a positive matrix, by Newton's method (Denman and Beavers)."""
    x, y = symmetric(a), np.array(mp.eye(len(a)).tolist(), object)
    for _ in range(14):
        x, y = (x + inverse(y)) / 2, (y + inverse(x)) / 2
    return x


def gram_schmidt(a):
    """(q, r) with the signs that LAPACK's reflections give: of each row of r those of r as computed in floats."""
    q, r = np.empty(a.shape, object), np.full((a.shape[1],) * 2, mp.mpf(0), object)
    signs = np.sign(np.diag(np.linalg.qr(np.round(a.astype(float), 12))[1]))
    for j in range(a.shape[1]):
        v = a[:, j]
        for k in range(j):
            r[k, j] = np.sum(q[:, k] * a[:, j])
            v = v - r[k, j] * q[:, k]
        r[j, j] = int(signs[j]) * mp.sqrt(np.sum(v * v))
        q[:, j] = v / r[j, j]
    return q, r


def power(a, n):
    found = np.array(mp.eye(len(a)).tolist(), object)
    for _ in range(n):
        found = found @ a
    return found


SINGULAR = [at([[1.0, 2.0], [2.0, 4.0]]), at([[0.0, 0.0], [0.0, 0.0]]), at([[0.0, 1.0], [0.0, 0.0]]),
            at([[0.0, 1.0], [1.0, 0.0]]),
            at([[2.0, 1.0], [-1.0, 3.0]])]
SINGULAR_3 = [at([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [1.0, 0.0, 1.0]]), at([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [3.0, 6.0, 9.0]]),
              at(np.zeros((3, 3))), at([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
              at([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])]
REGULAR = [at([[0.0, 1.0], [1.0, 0.0]]), at([[1.0, 0.0], [0.0, 1.0]]), at([[2.0, 1.0], [-1.0, 3.0]]),
           at([[-1.0, 0.0], [0.0, 2.0]])]
POSITIVE = [at([[1.0, 0.0], [0.0, 1.0]]), at([[4.0, 1.0], [1.0, 2.0]]), at([[1e-8, 0.0], [0.0, 1.0]])]
EQUAL = [at([[1.0, 0.0], [0.0, 1.0]]), at([[2.0, 1.0], [1.0, 3.0]])]
EQUAL_3 = [at(np.eye(3)), at([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0]])]
DISTINCT = [at([[1.0, 0.0], [0.0, 2.0]]), at([[2.0, 1.0], [1.0, 3.0]]), at([[0.0, 1.0], [1.0, 0.0]])]


def spectral(f):
    def of_matrix(a):
        w, v = np.linalg.eigh(a)
        return (v * f(w)) @ v.T
    return of_matrix


def by_svd(f):
    def of_matrix(a):
        u, s, vt = np.linalg.svd(a, full_matrices=False)
        return (u * f(s)) @ vt
    return of_matrix


ROWS = [
    Arrays("det", lambda a: np.linalg.det(a), SINGULAR, determinant, least=1.0),
    Arrays("det of 3", lambda a: np.linalg.det(a), SINGULAR_3, determinant, least=1.0),
    Arrays("det of several", lambda a: np.linalg.det(a), [at([[[1.0, 2.0], [2.0, 4.0]], [[2.0, 1.0], [-1.0, 3.0]]])],
           lambda a: np.array([determinant(m) for m in a], object), least=1.0),
    Arrays("slogdet", lambda a: np.linalg.slogdet(a)[1], REGULAR, lambda a: mp.log(abs(determinant(a)))),
    Arrays("slogdet that is not taken", lambda a: np.where(np.linalg.slogdet(a)[0] > 0.0, np.linalg.slogdet(a)[1], 0.0),
           [at([[1.0, 2.0], [2.0, 4.0]], slopes=(np.zeros((2, 2)),)), at([[2.0, 1.0], [-1.0, 3.0]])],
           lambda a: mp.log(abs(determinant(a)))),
    Arrays("sign of slogdet", lambda a: np.linalg.slogdet(a)[0], [at([[0.0, 1.0], [1.0, 0.0]], slopes=(np.zeros((2, 2)),))]),
    Arrays("inv", lambda a: np.linalg.inv(a), REGULAR, inverse, covers=("op:lu", "linalg.tensorinv")),
    Arrays("solve", lambda a, b: np.linalg.solve(a, b), [at(p.arguments[0], [0.0, 2.0]) for p in REGULAR], solve,
           covers=("op:lu_solve", "linalg.tensorsolve")),
    Arrays("cholesky", lambda a: np.linalg.cholesky(a), POSITIVE[:2], lambda a: cholesky(symmetric(a)),
           covers=("op:cholesky", "op:triangular_solve")),
    Arrays("diagonal of cholesky", lambda a: np.log(np.diag(np.linalg.cholesky(a))), POSITIVE,
           lambda a: np.array([mp.log(v) for v in np.diag(cholesky(symmetric(a)))], object)),
    *(Arrays(f"matrix_power {n}", lambda a, n=n: np.linalg.matrix_power(a, n), SINGULAR, lambda a, n=n: power(a, n), least=1.0,
             covers=("linalg.matrix_power",))
      for n in (0, 1, 2, 3, 5)),
    Arrays("matrix_power -2", lambda a: np.linalg.matrix_power(a, -2), REGULAR, lambda a: power(inverse(a), 2)),
    Arrays("multi_dot", lambda a, b: np.linalg.multi_dot([a, b, a]), [at(np.zeros((2, 2)), np.eye(2)),
                                                                      at([[0.0, 1.0], [0.0, 0.0]], np.eye(2))],
           lambda a, b: a @ b @ a, least=1.0),
    Arrays("eigvalsh", lambda a: np.linalg.eigvalsh(a), DISTINCT, eigenvalues, covers=("op:eigvalsh",)),
    Arrays("eigenvalues of eigh", lambda a: np.linalg.eigh(a)[0], DISTINCT, eigenvalues, covers=("op:eigh", "linalg.eigh")),
    Arrays("sum of equal eigenvalues", lambda a: np.sum(np.linalg.eigvalsh(a)), EQUAL_3, lambda a: np.sum(np.diag(a)),
           least=1.0),
    Arrays("sum of their squares", lambda a: np.sum(np.linalg.eigvalsh(a) ** 2), EQUAL_3, lambda a: np.sum(symmetric(a) ** 2)),
    Arrays("log of their product", lambda a: np.sum(np.log(np.linalg.eigvalsh(a))), EQUAL_3,
           lambda a: mp.log(determinant(symmetric(a)))),
    Arrays("exponential by eigh", spectral(np.exp), [*EQUAL, at(np.zeros((2, 2)))], exponential, least=1.0),
    Arrays("exponential of 3 by eigh", spectral(np.exp), EQUAL_3, exponential, least=1.0),
    Arrays("square by eigh", spectral(lambda w: w * w), [*EQUAL, at(np.zeros((2, 2)))], lambda a: symmetric(a) @ symmetric(a),
           least=1.0),
    Arrays("root by eigh", spectral(np.sqrt), EQUAL, root_of),
    Arrays("svdvals", lambda a: np.linalg.svdvals(a), [at([[1.0, 0.0], [0.0, 3.0]]), at([[2.0, 1.0], [-1.0, 3.0]])],
           singular_values,
           covers=("op:svdvals",)),
    Arrays("values of svd", lambda a: np.linalg.svd(a)[1], [at([[1.0, 0.0], [0.0, 3.0]]), at([[2.0, 1.0], [-1.0, 3.0]])],
           singular_values, covers=("op:svd", "linalg.svd")),
    Arrays("sum of squares of equal singular values", lambda a: np.sum(np.linalg.svdvals(a) ** 2),
           [at(np.eye(2)), at([[0.0, 1.0], [1.0, 0.0]]), at(np.zeros((2, 2)), orders=1),      # twice: docs/exactness.md
            at([[1.0, 0.0], [0.0, 0.0]])],
           lambda a: np.sum(a * a), least=1.0),
    Arrays("the matrix from its svd", by_svd(lambda s: s), [at(np.eye(2)), at([[2.0, 1.0], [-1.0, 3.0]]),
                                                            at([[1.0, 0.0], [0.0, 0.0]], orders=1)],
           lambda a: a, least=1.0),
    Arrays("cube by svd", by_svd(lambda s: s ** 3), [at(np.eye(2)), at([[2.0, 1.0], [-1.0, 3.0]])], lambda a: a @ a.T @ a,
           least=1.0),
    Arrays("norm of order 2 of a matrix", lambda a: np.linalg.norm(a, 2),
           [at([[1.0, 0.0], [0.0, 3.0]]), *kinks("np.linalg.norm(x, 2)", 1)],
           lambda a: max(singular_values(a))),
    Arrays("norm of order -2 of a matrix", lambda a: np.linalg.norm(a, -2), [at([[1.0, 0.0], [0.0, 3.0]])],
           lambda a: min(singular_values(a))),
    Arrays("nuclear norm", lambda a: np.linalg.norm(a, "nuc"),
           [at(np.eye(2)), at([[1.0, 0.0], [0.0, 3.0]]), *kinks('np.linalg.norm(x, "nuc")', 1),
            at([[2.0, 0.0], [0.0, 0.0]], slopes=([[1.0, 0.0], [0.0, 1.0]],), orders=1)], lambda a: np.sum(singular_values(a))),
    Arrays("cond", lambda a: np.linalg.cond(a), [at([[1.0, 0.0], [0.0, 3.0]]), at([[2.0, 1.0], [-1.0, 3.0]])],
           lambda a: max(singular_values(a)) / min(singular_values(a))),
    Arrays("pinv", lambda a: np.linalg.pinv(a), [at([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]),
                                                 at([[1.0, 2.0], [0.0, 1.0], [3.0, -1.0]])],
           pseudo_inverse, covers=("op:pinv",)),
    Arrays("lstsq", lambda a, b: np.linalg.lstsq(a, b)[0],
           [at([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [0.0, 1.0, 2.0]),
            at([[1.0, 2.0], [0.0, 1.0], [3.0, -1.0]], [1.0, 0.0, 2.0])],
           lambda a, b: pseudo_inverse(a) @ b),
    Arrays("q of qr", lambda a: np.linalg.qr(a)[0], [at([[1.0, 0.0], [0.0, 1.0]]), at([[1.0, 2.0], [0.0, 1.0], [3.0, -1.0]])],
           lambda a: gram_schmidt(a)[0], covers=("op:qr", "linalg.qr")),
    Arrays("r of qr", lambda a: np.linalg.qr(a)[1], [at([[1.0, 0.0], [0.0, 1.0]]), at([[1.0, 2.0], [0.0, 1.0], [3.0, -1.0]])],
           lambda a: gram_schmidt(a)[1]),
    Arrays("dot", lambda a, b: np.dot(a, b), [at([0.0, 0.0], [0.0, 1.0])], lambda a, b: np.sum(a * b), covers=("op:dot",)),
]


def failures(row, orders):
    from .arrays import check
    return check(row, orders, True) + check(row, tuple(o for o in orders if o < 3), False)
