"""scipy.sparse.linalg's spsolve and cg in compiled code: SciPy's values, and the derivatives of the solution."""
import numpy as np
import pytest
import scipy.sparse as ss
import scipy.sparse.linalg as sla

import tracegrad as tg

N = 7
OFF = np.linspace(-1.0, -0.2, N - 1)
DENSE = np.diag(np.linspace(3.0, 5.0, N)) + np.diag(OFF, 1) + np.diag(OFF, -1)
B, W = np.cos(np.arange(N)), np.arange(1.0, N + 1)
MATRIX = ss.csr_array(DENSE)
CALLS = {
    "vector": lambda a, b: sla.spsolve(a, b), "column": lambda a, b: sla.spsolve(a, b[:, None]),
    "several": lambda a, b: sla.spsolve(a, np.stack([b, b + 1], 1)), "cg": lambda a, b: sla.cg(a, b),
    "few steps": lambda a, b: sla.cg(a, b, rtol=1e-12, maxiter=3), "start": lambda a, b: sla.cg(a, b, b / 4, atol=1e-3),
    "preconditioned": lambda a, b: sla.cg(a, b, M=np.diag(1 / W)), "nothing": lambda a, b: sla.cg(a, 0 * b),
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", CALLS)
def test_values(name):
    f = CALLS[name]
    for a, b in ((MATRIX, B), (ss.csc_matrix(DENSE.astype(np.float32)), B.astype(np.float32))):
        found, right = tg.jit(f).interpret(a, b), f(a, b)
        for x, y in zip(found, right) if isinstance(right, tuple) else [(found, right)]:
            np.testing.assert_allclose(x, y, rtol=1e-12 if b.dtype == float else 1e-5, atol=1e-6 if b.dtype != float else 1e-14)
            assert np.shape(x) == np.shape(y) and np.asarray(x).dtype == np.asarray(y).dtype


def solved(a, b, rtol=1e-14):
    return np.sum(W * sla.cg(a, b, rtol=rtol)[0] ** 2)


def eliminated(a, b):
    return np.sum(W * sla.spsolve(a, b) ** 2)


@pytest.mark.sweep(4)
@pytest.mark.parametrize("name", ["gmres", "bicgstab", "bicg", "minres", "lgmres", "qmr", "tfqmr", "cgs"])
def test_other_iterations_end_at_the_solution(name):
    f = tg.jit(lambda a, b: getattr(sla, name)(a, b, rtol=1e-10, maxiter=50))
    for a in (MATRIX, DENSE):
        (x, info), right = f.interpret(a, B), getattr(sla, name)(a, B, rtol=1e-10)
        np.testing.assert_allclose(x, right[0], rtol=1e-7)
        assert info == 0 and x.dtype == right[0].dtype
    slope = tg.grad(lambda b: getattr(sla, name)(MATRIX, b)[0] @ W).interpret(B)
    np.testing.assert_allclose(slope, np.linalg.solve(DENSE.T, W), rtol=1e-11)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", [solved, eliminated])
def test_derivatives(f):
    inverse = np.linalg.inv(DENSE)
    x = inverse @ B
    by_b = 2 * inverse.T @ (W * x)
    by_a, found = tg.jit(tg.grad(f, argnums=(0, 1)))(MATRIX, B)
    np.testing.assert_allclose(found, by_b, rtol=1e-11)
    rows, columns = MATRIX.nonzero()
    np.testing.assert_allclose(by_a.data, -by_b[rows] * x[columns], rtol=1e-11)
    captured = tg.hessian(lambda b: f(MATRIX, b)).interpret(B)
    np.testing.assert_allclose(captured, 2 * inverse.T @ np.diag(W) @ inverse, rtol=1e-11)
    np.testing.assert_allclose(tg.jvp(lambda b: f(MATRIX, b), (B,), (W,))[1], by_b @ W, rtol=1e-11)


def test_the_derivative_is_that_of_the_solution_where_the_steps_end_early():
    rough = tg.grad(lambda b: sla.cg(MATRIX, b, rtol=1e-3)[0] @ W)(B)
    np.testing.assert_allclose(rough, np.linalg.solve(DENSE.T, W), rtol=1e-12)


def test_a_matrix_from_outside_that_changes():
    class Held:
        matrix = MATRIX

    f = tg.jit(lambda b: sla.spsolve(Held.matrix, b))
    first = f(B)
    Held.matrix = ss.csr_array(2 * DENSE)
    np.testing.assert_allclose(f(B), first / 2, rtol=1e-13)


def test_what_is_refused():
    for f, message in ((lambda a, b: sla.spsolve(a, MATRIX), "sparse right side"),
                       (lambda a, b: sla.cg(a, b, callback=print), "callback"),
                       (lambda a, b: sla.gmres(a, b, callback=print), "callback")):
        with pytest.raises(tg.UnsupportedError, match=message):
            tg.jit(f)(MATRIX, B)
    large = ss.csr_array(ss.eye_array(5000))
    with pytest.raises(tg.UnsupportedError, match="more than 4096"):
        tg.jit(lambda a, b: sla.spsolve(a, b))(large, np.ones(5000))
    np.testing.assert_allclose(tg.jit(lambda a, b: sla.cg(a, b)[0])(large, np.ones(5000)), np.ones(5000))
    with pytest.raises(np.linalg.LinAlgError):
        tg.jit(lambda a, b: sla.spsolve(a, b))(ss.csr_array(np.ones((2, 2))), np.ones(2))


INDEFINITE = np.array([[2.0, 1, 0, -1], [1, -3, 0.5, 0], [0, 0.5, 0.4, 1], [-1, 0, 1, 1]])
OTHERS = {
    **{f"eigsh {which}": lambda a, b, which=which: sla.eigsh(a + a.T, 3, which=which, return_eigenvectors=False)
       for which in ("LM", "SM", "LA", "SA", "BE")},
    "eigsh near": lambda a, b: sla.eigsh(a + a.T, 2, sigma=0.3)[0], "vectors": lambda a, b: np.abs(sla.eigsh(a + a.T, 2)[1]),
    "svds": lambda a, b: sla.svds(a, 2)[1], "least": lambda a, b: sla.svds(a, 2, which="SM", return_singular_vectors=False),
    "all of a product": lambda a, b: (lambda u, s, vh: (u * s) @ vh)(*sla.svds(a, 3)),
    "expm_multiply": lambda a, b: sla.expm_multiply(a, b), "in time": lambda a, b: sla.expm_multiply(4 * a, b, 0, 1, 3),
    "sparse": lambda a, b: sla.expm_multiply(ss.csr_array((a.ravel(), np.tile(np.arange(4), 4), 4 * np.arange(5)),
                                                          shape=(4, 4)), b),
}


@pytest.mark.sweep(6)
@pytest.mark.parametrize("name", OTHERS)
def test_eigenvalues_and_exponentials(name):
    f, a, b = OTHERS[name], INDEFINITE + np.triu(np.ones((4, 4)), 2) * 0.3, np.arange(1.0, 5.0)
    found, right = tg.jit(f)(a, b), f(a, b)
    np.testing.assert_allclose(found, right, rtol=1e-10, atol=1e-12)
    assert found.dtype == right.dtype and found.shape == right.shape
    weights = np.reshape(1 + 0.1 * np.arange(right.size), right.shape)
    tg.check_grads(lambda a, b: np.sum(weights * f(a, b)), (a, b), order=1)


def test_refusals_of_eigenvalues():
    for f, kind in ((lambda a: sla.eigsh(a, 0), ValueError), (lambda a: sla.eigsh(a, 2, which="XX"), ValueError),
                    (lambda a: sla.eigsh(a, 2, M=a), tg.UnsupportedError), (lambda a: sla.eigs(a, 2), tg.UnsupportedError),
                    (lambda a: sla.expm_multiply(a[:2], a), ValueError)):
        with pytest.raises(kind):
            tg.jit(f)(INDEFINITE)
