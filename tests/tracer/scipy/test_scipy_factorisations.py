"""scipy.linalg's Hessenberg form, QR with pivots, RQ and banded factors: LAPACK's signs, derivatives in both modes."""
import numpy as np
import pytest
import scipy.linalg as sl

import tracegrad as tg

RNG = np.random.default_rng(1)
A, TALL = RNG.standard_normal((4, 4)), RNG.standard_normal((5, 3))
Z, WIDE = A + 1j * A[::-1] * 0.7, TALL.T.copy()
UPPER = np.array([[0, 0.3, -0.2, 0.4, 0.1], [3.0, 4, 5, 4, 3]])
LOWER = np.array([[3.0, 4, 5, 4, 3], [0.3, -0.2, 0.4, 0.1, 0]])

# name -> (function, the matrices that it is tried with)
CASES = {
    "hessenberg": (lambda a: sl.hessenberg(a, calc_q=True), (A, Z, A[:1, :1], A[:2, :2])),
    "qr with pivots": (lambda a: sl.qr(a, pivoting=True), (A, Z[:3], TALL, np.eye(3))),
    "qr with pivots economic": (lambda a: sl.qr(a, pivoting=True, mode="economic"), (TALL, WIDE)),
    "qr with pivots r": (lambda a: sl.qr(a, pivoting=True, mode="r"), (TALL,)),
    "rq": (lambda a: sl.rq(a), (A, Z, TALL)), "rq economic": (lambda a: sl.rq(a, mode="economic"), (WIDE, TALL)),
    "rq r": (lambda a: (sl.rq(a, mode="r"),), (WIDE,)),
    "cholesky_banded": (lambda a: (sl.cholesky_banded(a), sl.eigvals_banded(a)), (UPPER,)),
    "cholesky_banded lower": (lambda a: (sl.cholesky_banded(a, lower=True), sl.eigvals_banded(a, lower=True)), (LOWER,)),
    "cho_solve_banded": (lambda a: (sl.cho_solve_banded((sl.cholesky_banded(a), False), np.arange(5.0)),), (UPPER,)),
    "cho_solve_banded lower": (lambda a: (sl.cho_solve_banded((a, True), np.arange(5.0)),), (LOWER,)),
}


@pytest.mark.sweep(4)
@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name):
    f, matrices = CASES[name]
    for a in matrices:
        for found, right in zip(tg.jit(f)(a), f(a)):
            np.testing.assert_allclose(found, right, rtol=1e-10, atol=1e-12)
            assert found.dtype == right.dtype and found.shape == right.shape
    weights = 1 + np.arange(np.size(f(matrices[0])[0])).reshape(np.shape(f(matrices[0])[0])) * 0.1
    start = matrices[0] + (np.array([[0.1], [0.0]]) if name.startswith("cholesky_banded ") else 0.0)
    tg.check_grads(lambda a: np.sum(weights * f(a)[0]), (start,), order=1)


def test_tests_of_structure():
    f = tg.jit(lambda a: (sl.issymmetric(a), sl.ishermitian(a), sl.issymmetric(a, rtol=1e-3), sl.bandwidth(np.triu(a, -1))))
    for a in (A, A + A.T, A + A.T + 1e-6 * np.triu(A), Z + np.conj(Z.T), np.diag(np.ones(3), 1)):
        right = sl.issymmetric(a), sl.ishermitian(a), sl.issymmetric(a, rtol=1e-3), sl.bandwidth(np.triu(a, -1))
        assert f(a) == right
