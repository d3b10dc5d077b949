"""Functions of all singular vectors and values of matrices with several singular values of 0, against the same without them."""
import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(0)
LEFT, RIGHT = (np.linalg.qr(RNG.standard_normal((3, 3)))[0] for _ in range(2))
WEIGHT = RNG.standard_normal((3, 3))
MATRICES = {"zero": np.zeros((3, 3)), "exact": np.diag([2.0, 0, 0]), "rounded": LEFT @ np.diag([2.0, 0, 0]) @ RIGHT,
            "one": LEFT @ np.diag([2.0, 1, 0]) @ RIGHT}


def svd(a):
    return np.linalg.svd(a, full_matrices=False)


def adjoint(a):
    return np.conj(a).T


def weighed(a):
    return np.sum(WEIGHT * np.real(a))


FUNCTIONS = {
    "itself": (lambda a: (lambda u, s, v: (u * s) @ v)(*svd(a)), lambda a: a),
    "adjoint": (lambda a: (lambda u, s, v: (adjoint(v) * s) @ adjoint(u))(*svd(a)), adjoint),
    "diagonal": (lambda a: (lambda u, s, v: u @ np.diag(s) @ v)(*svd(a)), lambda a: a),
    "cube": (lambda a: (lambda u, s, v: (u * s**3) @ v)(*svd(a)), lambda a: a @ adjoint(a) @ a),
    "left": (lambda a: (lambda u, s, v: (u * s**2) @ adjoint(u))(*svd(a)), lambda a: a @ adjoint(a)),
    "right": (lambda a: (lambda u, s, v: (adjoint(v) * s**2) @ v)(*svd(a)), lambda a: adjoint(a) @ a),
    "projection": (lambda a: (lambda u, s, v: u @ adjoint(u))(*svd(a)), lambda a: np.eye(3) + 0 * a),
    "squares": (lambda a: np.sum(np.linalg.svd(a, compute_uv=False) ** 2) * np.eye(3),
                lambda a: np.sum(np.real(a * np.conj(a))) * np.eye(3)),
    "determinant": (lambda a: np.sum(np.log1p(svd(a)[1] ** 2)) * np.eye(3),
                    lambda a: np.linalg.slogdet(np.eye(3) + a @ adjoint(a))[1] * np.eye(3)),
}


@pytest.mark.sweep(14, days=True)
@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_to_the_second_order(name, matrix):
    a = MATRICES[matrix]
    f, g = [lambda a, k=k: weighed(FUNCTIONS[name][k](a)) for k in (0, 1)]
    np.testing.assert_allclose(tg.grad(f)(a), tg.grad(g)(a), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(tg.jacfwd(f)(a), tg.grad(g)(a), rtol=1e-11, atol=1e-11)
    bend = tg.hessian(g)(a)
    np.testing.assert_allclose(tg.hessian(f)(a), bend, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(tg.jacrev(tg.grad(f))(a), bend, rtol=1e-9, atol=1e-9)


@pytest.mark.sweep(4)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_complex_matrices(name):
    turned = MATRICES["rounded"] * np.exp(1j * RNG.standard_normal((3, 1)))
    f, g = [lambda a, k=k: weighed(FUNCTIONS[name][k](a)) for k in (0, 1)]
    for a in (turned, MATRICES["zero"] + 0j):
        np.testing.assert_allclose(tg.grad(f)(a), tg.grad(g)(a), rtol=1e-11, atol=1e-11)


def test_the_evaluator():
    f, g = [lambda a, k=k: weighed(FUNCTIONS["cube"][k](a)) for k in (0, 1)]
    a = MATRICES["exact"]
    with tg.disable_jit():
        np.testing.assert_allclose(tg.grad(f)(a), tg.grad(g)(a), rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(tg.hessian(f)(a), tg.hessian(g)(a), rtol=1e-9, atol=1e-9)
