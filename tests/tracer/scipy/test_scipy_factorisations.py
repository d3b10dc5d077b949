"""scipy.linalg's Hessenberg form, QR with pivots, RQ and banded factors: LAPACK's signs, derivatives in both modes."""
import numpy as np
import pytest
import scipy.linalg as sl

import tracegrad as tg

RNG = np.random.default_rng(1)
A, TALL = RNG.standard_normal((4, 4)), RNG.standard_normal((5, 3))
Z, WIDE = A + 1j * A[::-1] * 0.7, TALL.T.copy()
UPPER = np.array([[0, 0.3, -0.2, 0.4, 0.1], [3.0, 4, 5, 4, 3]])
WHOLE = np.array([[2, 1], [0, 3]])
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
    "lu": (lambda a: sl.lu(a), (TALL, WIDE, Z[:, :2])), "lu permuted": (lambda a: sl.lu(a, permute_l=True), (TALL,)),
    "lu positions": (lambda a: sl.lu(a, p_indices=True)[1:] + (sl.lu(a, p_indices=True)[0],), (WIDE, TALL)),
    "signm": (lambda a: (sl.signm(a),), (A + A.T + np.diag([3.0, -4, 2, -2]), A + 3 * np.eye(4), Z)),
    "ldl": (lambda a: sl.ldl(a), (A + A.T, A @ A.T, Z + np.conj(Z.T), Z, np.eye(3) - 1, A[:1, :1], np.ones((3, 3)))),
    "ldl upper": (lambda a: sl.ldl(a, lower=False), (A + A.T, Z + np.conj(Z.T), np.eye(3) - 1, np.ones((3, 3)))),
    "ldl symmetric": (lambda a: sl.ldl(a + 1j * a @ a, hermitian=False), (A + A.T,)),
    "ldl blocks": (lambda a: sl.ldl(a, lower=False)[1:], (np.eye(4)[::-1] + 0.1 * (A + A.T),)),
    "subspace_angles": (lambda a: (sl.subspace_angles(a[:, :2], a[:, :2] + 0.2 * a[::-1, :2]),), (TALL, A, Z)),
    "subspace_angles of others": (lambda a: (sl.subspace_angles(a[:, :1], a[:, 1:]),), (TALL, Z[:, :3])),
    "tridiagonal": (lambda a: (sl.eigvalsh_tridiagonal(a[0], a[1, :3]), sl.eigh_tridiagonal(a[0], a[1, :3])[0],
                               sl.eigvalsh_tridiagonal(a[0], a[1, :3], select="i", select_range=(1, 2))), (A,)),
    "eig_banded": (lambda a: (sl.eig_banded(a, eigvals_only=True), sl.eig_banded(a)[0]), (UPPER,)),
    "powers": (lambda a: (sl.fractional_matrix_power(a, 3), sl.fractional_matrix_power(a, -1)), (A,)),
    "powers of whole numbers": (lambda a: (sl.fractional_matrix_power(a, 2),), (WHOLE, WHOLE.astype(np.float32))),
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


@pytest.mark.sweep(6, days=True)
def test_powers_that_run_time_knows():
    a, power = A @ A.T + np.eye(4), tg.jit(sl.fractional_matrix_power)
    for t in (0.3, 2.0, 3):
        np.testing.assert_allclose(power(a, t), sl.fractional_matrix_power(a, t), rtol=1e-9)
    found, right = tg.jit(sl.signm)(A.astype(np.float32)), sl.signm(A.astype(np.float32))
    np.testing.assert_allclose(found, right, rtol=1e-3)
    assert found.dtype == right.dtype


def test_lower_and_upper_of_deficient_rank():
    """A pivot of 0 leaves a column of zeros."""
    f = tg.jit(lambda a: sl.lu(a))
    for a in (np.outer([1.0, 2, 3, 4], [1.0, 1]), np.zeros((4, 2))):
        for found, right in zip(f(a), sl.lu(a)):
            np.testing.assert_allclose(found, right, atol=1e-15)


def test_tests_of_structure():
    f = tg.jit(lambda a: (sl.issymmetric(a), sl.ishermitian(a), sl.issymmetric(a, rtol=1e-3), sl.bandwidth(np.triu(a, -1))))
    for a in (A, A + A.T, A + A.T + 1e-6 * np.triu(A), Z + np.conj(Z.T), np.diag(np.ones(3), 1)):
        right = sl.issymmetric(a), sl.ishermitian(a), sl.issymmetric(a, rtol=1e-3), sl.bandwidth(np.triu(a, -1))
        assert f(a) == right


def test_what_least_squares_and_norms_return():
    b = np.arange(5.0)
    found, right = tg.jit(sl.lstsq)(TALL, b), sl.lstsq(TALL, b)
    for mine, its in zip(found, right):
        np.testing.assert_allclose(mine, its, rtol=1e-10)
        assert np.shape(mine) == np.shape(its)
    assert np.isnan(tg.jit(sl.lstsq)(TALL * [1, 0, 1], b)[1])
    for order in (1, np.inf):
        assert type(tg.jit(lambda a, order=order: sl.norm(a, order))(A)) is float
    with pytest.raises(ValueError, match="one more element"):
        tg.jit(sl.eigh_tridiagonal)(b, b)


def test_roots_of_low_rank():
    """Covariances of low rank have a root without a derivative; all others go the usual way."""
    f = tg.jit(sl.sqrtm)
    for a in (np.ones((3, 3)), np.zeros((2, 2)), np.diag([1.0, 0, 2]), TALL @ TALL.T, Z[:, :2] @ np.conj(Z[:, :2].T), A @ A.T):
        found = f(a)
        np.testing.assert_allclose(found @ found, a, atol=1e-12)
        assert found.dtype == a.dtype
    assert np.all(np.isnan(tg.grad(lambda a: np.sum(sl.sqrtm(a)))(np.ones((2, 2)))))
    tg.check_grads(lambda a: np.sum(sl.sqrtm(a)), (A @ A.T + np.eye(4),), order=1)
