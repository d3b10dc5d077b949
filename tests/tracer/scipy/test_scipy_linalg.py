"""scipy.linalg in traced code: values, dtypes and errors as SciPy's, derivatives in both modes against difference quotients."""
import numpy as np
import pytest
import scipy.linalg as sl
from tracegrad.ir.errors import UnsupportedError

import tracegrad as tg

RNG = np.random.default_rng(4)
A = RNG.standard_normal((4, 4)) + 3 * np.eye(4)
SPD = A @ A.T + np.eye(4)
B, V = RNG.standard_normal((4, 2)), RNG.standard_normal(4)
W = RNG.standard_normal((3, 3))
BAND = RNG.standard_normal((4, 6)) + np.array([[0.0], [0.0], [4.0], [0.0]])
SYM_BAND = np.array([[0, 0.3, -0.2, 0.4, 0.1], [3.0, 4, 5, 4, 3]])
W4 = np.random.default_rng(5).standard_normal((4, 4)) + 2 * np.eye(4)
TALL = RNG.standard_normal((5, 3))

# name -> (function, arguments); each is differentiated by all of them
CASES = {
    "solve": (lambda a, b: sl.solve(a, b), (A, B)), "solve of a vector": (lambda a, b: sl.solve(a, b), (A, V)),
    "solve transposed": (lambda a, b: sl.solve(a, b, transposed=True), (A, V)),
    "solve pos": (lambda a, b: sl.solve(a, b, assume_a="pos"), (SPD, B)),
    "solve sym": (lambda a, b: sl.solve(a, b, assume_a="sym", lower=True), (SPD, V)),
    "solve upper": (lambda a, b: sl.solve(a, b, assume_a="upper triangular"), (A, V)),
    "inv": (lambda a: sl.inv(a), (A,)), "det": (lambda a: sl.det(a), (A,)), "norm": (lambda a: sl.norm(a), (A,)),
    "norm 1": (lambda a: sl.norm(a, 1), (V,)),
    "solve_triangular": (lambda a, b: sl.solve_triangular(a, b), (A, B)),
    "solve_triangular lower": (lambda a, b: sl.solve_triangular(a, b, lower=True, trans="T", unit_diagonal=True), (A, V)),
    "cholesky": (lambda a: sl.cholesky(a), (SPD,)), "cholesky lower": (lambda a: sl.cholesky(a, lower=True), (SPD,)),
    "cho_solve": (lambda a, b: sl.cho_solve(sl.cho_factor(a), b), (SPD, B)),
    "cho_solve lower": (lambda a, b: sl.cho_solve(sl.cho_factor(a, lower=True), b), (SPD, V)),
    "lu_factor": (lambda a: sl.lu_factor(a)[0], (A[::-1],)), "piv": (lambda a: sl.lu_factor(a)[1] + 0.0, (A[::-1],)),
    "lu_solve": (lambda a, b: sl.lu_solve(sl.lu_factor(a), b), (A[::-1], B)),
    "lu_solve trans": (lambda a, b: sl.lu_solve(sl.lu_factor(a), b, trans=1), (A[::-1], V)),
    "lu": (lambda a: sl.lu(a)[1], (A[::-1],)), "lu u": (lambda a: sl.lu(a)[2], (A[::-1],)),
    "lu p": (lambda a: sl.lu(a)[0], (A[::-1],)),
    "lu permute_l": (lambda a: sl.lu(a, permute_l=True)[0], (A[::-1],)),
    "lstsq": (lambda a, b: sl.lstsq(a, b)[0], (TALL, RNG.standard_normal(5))), "pinv": (lambda a: sl.pinv(a), (TALL,)),
    "solve_banded": (lambda a, b: sl.solve_banded((1, 2), a, b), (BAND, RNG.standard_normal((6, 2)))),
    "solve_banded tridiagonal": (lambda a, b: sl.solve_banded((1, 1), a, b), (BAND[1:], RNG.standard_normal(6))),
    "solveh_banded": (lambda a, b: sl.solveh_banded(a, b), (SYM_BAND, RNG.standard_normal(5))),
    "solve_toeplitz": (lambda c, b: sl.solve_toeplitz(c, b), (np.array([4.0, 1, 0.5, 0.2]), V)),
    "solve_circulant": (lambda c, b: sl.solve_circulant(c, b), (np.array([4.0, 1, 0.5, 0.2]), V)),
    "qr": (lambda a: sl.qr(a, mode="economic")[1], (TALL,)), "qr q": (lambda a: sl.qr(a, mode="economic")[0], (TALL,)),
    "svdvals": (lambda a: sl.svdvals(a), (TALL,)), "svd": (lambda a: sl.svd(a, full_matrices=False)[1], (TALL,)),
    "eigh": (lambda a: sl.eigh(a)[0], (SPD,)), "eigvalsh": (lambda a: sl.eigvalsh(a, subset_by_index=(1, 2)), (SPD,)),
    "eigh generalised": (lambda a, b: sl.eigh(a, b, eigvals_only=True), (A + A.T, SPD)),
    "eigvals": (lambda a: np.abs(np.sum(sl.eigvals(a) ** 3)), (A,)),
    "polar": (lambda a: sl.polar(a)[0], (A,)), "polar p": (lambda a: sl.polar(a, side="left")[1], (A,)),
    "null_space": (lambda a: np.abs(sl.null_space(a)), (RNG.standard_normal((2, 3)),)),
    "orth": (lambda a: np.abs(sl.orth(a)), (TALL,)),
    "expm": (lambda a: sl.expm(a), (W,)), "expm large": (lambda a: sl.expm(a), (9 * W,)), "expm stacked": (lambda a: sl.expm(a),
                                                                                           (np.stack((W, 2 * W)),)),
    "sqrtm": (lambda a: sl.sqrtm(a), (SPD,)), "logm": (lambda a: sl.logm(a), (SPD,)),
    **{n: (lambda a, n=n: getattr(sl, n)(a * 0.3), (SPD,)) for n in ("coshm", "cosm", "sinhm", "sinm", "tanhm", "tanm")},
    "solve_sylvester": (lambda a, b, q: sl.solve_sylvester(a, b, q), (A, W + 4 * np.eye(3), RNG.standard_normal((4, 3)))),
    "solve_continuous_lyapunov": (lambda a, q: sl.solve_continuous_lyapunov(a, q), (A, SPD)),
    "solve_discrete_lyapunov": (lambda a, q: sl.solve_discrete_lyapunov(a, q), (W * 0.3, np.eye(3))),
    "solve_continuous_are": (lambda a, b, q: sl.solve_continuous_are(a, b, q @ q.T, np.eye(2, dtype=a.dtype)), (A, B, W4)),
    "solve_discrete_are": (lambda a, b, q: sl.solve_discrete_are(a, b, q @ q.T, np.eye(2, dtype=a.dtype)), (A, B, W4)),
    "expm_frechet": (lambda a, e: sl.expm_frechet(a, e)[1], (W, W[::-1])),
    "expm_frechet exp": (lambda a, e: sl.expm_frechet(a, e)[0], (W, W[::-1])),
    "toeplitz": (lambda c: sl.toeplitz(c), (V,)), "toeplitz r": (lambda c, r: sl.toeplitz(c, r), (V, V[:3])),
    "circulant": (lambda c: sl.circulant(c), (V,)), "hankel": (lambda c: sl.hankel(c), (V,)),
    "hankel r": (lambda c, r: sl.hankel(c, r), (V, V[:3])), "companion": (lambda c: sl.companion(c), (V,)),
    "block_diag": (lambda a, b, c: sl.block_diag(a, b, c), (W, B, V)),
    "khatri_rao": (lambda a, b: sl.khatri_rao(a, b), (W, TALL)),
    "convolution_matrix": (lambda a: sl.convolution_matrix(a, 3, mode="same"), (V,)),
}


@pytest.mark.sweep(24)
@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name):
    f, args = CASES[name]
    found, right = tg.jit(f)(*args), f(*args)
    close = 1e-12 * max(10.0, np.abs(right).max(initial=0.0))               # errors are of the size of the largest element
    np.testing.assert_allclose(found, right, rtol=2e-11, atol=close)
    assert np.shape(found) == np.shape(right) and np.asarray(found).dtype == np.asarray(right).dtype
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(tg.jit(f).interpret(*args), right, rtol=2e-11, atol=close)
    single = [a.astype(np.float32) for a in args]
    found, right = tg.jit(f)(*single), f(*single)
    if name not in ("lu p", "piv", "expm large", "solve_continuous_are", "solve_discrete_are"):
        np.testing.assert_allclose(found, right, rtol=2e-3, atol=2e-4)
        assert np.asarray(found).dtype == np.asarray(right).dtype
    weights = 1 + np.arange(np.size(right)).reshape(np.shape(right)) * 0.1
    if name != "lu p" and name != "piv":
        tg.check_grads(lambda *args: np.sum(weights * f(*args)), args, order=1)


@pytest.mark.sweep(6)
@pytest.mark.parametrize("f", [sl.det, sl.inv, sl.expm, sl.svdvals, sl.norm], ids=lambda f: f.__name__)
def test_functions_of_scipy_themselves(f):
    np.testing.assert_allclose(tg.jit(f)(A), f(A), rtol=2e-11)
    tg.check_grads(f, (A,))


@pytest.mark.parametrize("kind", ["gen", "sym", "pos"])
def test_a_single_matrix_and_a_double_side(kind):
    a, b = (A @ A.T + np.eye(4)).astype(np.float32), np.arange(1.0, 5.0)
    found = tg.jit(lambda a: sl.solve(a, b, assume_a=kind))(a)
    np.testing.assert_allclose(found, np.linalg.solve(a.astype(float), b), rtol=1e-12)


def test_errors_are_those_of_scipy():
    for f, args, kind in ((lambda a: sl.inv(a), (np.ones((2, 3)),), ValueError),
                          (lambda a: sl.solve(a, a), (np.full((2, 2), np.nan),), ValueError),
                          (lambda a: sl.solve(a, a), (np.zeros((2, 2)),), np.linalg.LinAlgError),
                          (lambda a: sl.cholesky(a), (-np.eye(2),), np.linalg.LinAlgError),
                          (lambda a: sl.expm(a), (np.ones((2, 3)),), np.linalg.LinAlgError),
                          (lambda a: sl.tanhm(a), (np.ones((2, 3)),), ValueError)):
        for g in (f, tg.jit(f)):
            with pytest.raises(kind):
                g(*args)
    with pytest.raises(ValueError, match=r"sqrtm.*a\.astype\(complex\)"):
        tg.jit(lambda a: sl.sqrtm(a))(-SPD)


@pytest.mark.parametrize("a", [-SPD, A + A.T, A + 1j * A[::-1], np.diag([-1.0, 1j, -1j, 2]), np.array([[-2.0, 1], [0, -2]])],
                         ids=["negative", "indefinite", "complex", "beside the axis", "one vector"])
def test_roots_of_complex_matrices_with_negative_eigenvalues(a):
    """The principal root, whose eigenvalues on the cut are i times positive numbers."""
    a, direction = a + 0j, np.cos(np.arange(a.size)).reshape(a.shape)
    for f in (lambda a: sl.sqrtm(a), lambda a: sl.logm(a)):
        np.testing.assert_allclose(tg.jit(f)(a), f(a), rtol=1e-10, atol=1e-11)
        if np.array_equal(a, np.conj(a.T)):                # moved so, its eigenvalues stay on the cut

            def along(t, f=f):
                return f(a + t * (direction + direction.T))

            found = tg.jvp(lambda t: np.sum(np.abs(along(t)) ** 2), (0.0,), (1.0,))[1]
            right = (np.sum(np.abs(along(1e-6)) ** 2) - np.sum(np.abs(along(-1e-6)) ** 2)) / 2e-6
            np.testing.assert_allclose([found, tg.grad(lambda t: np.sum(np.abs(along(t)) ** 2))(0.0)], right, rtol=1e-6)


def test_what_has_no_program_is_refused_by_name():
    with pytest.raises(UnsupportedError, match=r"scipy.linalg.schur cannot be compiled"):
        tg.jit(lambda a: sl.schur(a))(A)


@pytest.mark.sweep(2, days=True)
def test_complex_matrices_and_integers():
    z = A + 0.5j * A[::-1]
    for f in (lambda a: sl.expm(a), lambda a: sl.inv(a), lambda a: sl.cholesky(a @ np.conj(a.T) + np.eye(4)),
              lambda a: sl.sqrtm(a @ a), lambda a: sl.polar(a)[1], sl.cosm, sl.sinm, sl.tanm, sl.coshm, sl.sinhm, sl.tanhm):
        np.testing.assert_allclose(tg.jit(f)(z), f(z), rtol=1e-10, atol=1e-10)
    turn = np.array([[0, 1], [-1, 0]])
    for f in (sl.cosm, sl.sinhm):
        np.testing.assert_allclose(tg.jit(f)(turn), f(turn), rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(tg.jit(f)(np.stack((A, 2 * A))), f(np.stack((A, 2 * A))), rtol=1e-10)
    np.testing.assert_allclose(tg.jit(lambda a: sl.expm(a))(turn), sl.expm(turn), rtol=1e-14)
    np.testing.assert_allclose(np.abs(tg.jit(lambda a: sl.eig(a)[1])(z)), np.abs(sl.eig(z)[1]), rtol=1e-10)
