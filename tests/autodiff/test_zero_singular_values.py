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


@pytest.mark.sweep(2, days=True)
def test_the_evaluator():
    f, g = [lambda a, k=k: weighed(FUNCTIONS["cube"][k](a)) for k in (0, 1)]
    a = MATRICES["exact"]
    with tg.disable_jit():
        np.testing.assert_allclose(tg.grad(f)(a), tg.grad(g)(a), rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(tg.hessian(f)(a), tg.hessian(g)(a), rtol=1e-9, atol=1e-9)


# --- matrices that are not square -----------------------------------------------------------------------------------------

def oblong(rows, columns):
    """Matrices whose last singular value is 0, or all, or all but one; and a column or row of zeros."""
    k = min(rows, columns)
    left, right = (np.linalg.qr(np.random.default_rng(n).standard_normal((n, n)))[0] for n in (rows, columns))
    made = [(left[:, :k] * np.array(s)) @ right[:k] for s in ([2.0, 0.0][-k:], [0.0] * k)]
    lines = np.random.default_rng(9).standard_normal((rows, columns))
    lines[(slice(None), 0) if rows > columns else 0] = 0
    return [*made, lines]


THIN = {name: FUNCTIONS[name] for name in ("itself", "adjoint", "diagonal", "cube", "left", "right")} | {
    "squares": (lambda a: np.sum(np.linalg.svd(a, compute_uv=False) ** 2), lambda a: np.sum(np.real(a * np.conj(a)))),
    "full": (lambda a: (lambda u, s, v: (u[:, :s.size] * s) @ v[:s.size])(*np.linalg.svd(a)), lambda a: a),
    "elements": (lambda a: (lambda u, s, v: np.sum(u[:, None, :] * s * v.T[None], axis=2))(*svd(a)), lambda a: a),
    "twice": (lambda a: (lambda u, s, v: (u * s) @ np.conj(u * s).T)(*svd(a)), lambda a: a @ adjoint(a)),
    "largest": (lambda a: (lambda u, s, v: (u[:, :1] * s[:1]) @ v[:1])(*svd(a)), None),
}


def weighed_by_place(a):
    return np.sum(np.cos(np.arange(1.0, a.size + 1)).reshape(a.shape) * np.real(a))


@pytest.mark.sweep(14)
@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (3, 1)])
@pytest.mark.parametrize("name", [name for name in THIN if name != "largest"])
def test_what_is_not_square(name, shape):
    f, g = [lambda a, k=k: weighed_by_place(np.atleast_1d(THIN[name][k](a))) for k in (0, 1)]
    for a in oblong(*shape):
        np.testing.assert_allclose(tg.grad(f)(a), tg.grad(g)(a), rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(tg.jacfwd(f)(a), tg.grad(g)(a), rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(tg.hessian(f)(a), tg.hessian(g)(a), rtol=1e-9, atol=1e-9)


@pytest.mark.sweep(14, days=True)
@pytest.mark.parametrize("shape", [(3, 2), (2, 3)])
def test_complex_matrices_that_are_not_square(shape):
    for name in ("itself", "left" if shape[0] > shape[1] else "right"):
        f, g = [lambda a, k=k, name=name: weighed_by_place(THIN[name][k](a)) for k in (0, 1)]
        for a in oblong(*shape)[1:]:
            a = a * np.exp(1j * np.arange(shape[0]))[:, None]
            np.testing.assert_allclose(tg.grad(f)(a), tg.grad(g)(a), rtol=1e-11, atol=1e-11)
            e = np.random.default_rng(3).standard_normal(shape) * (1 + 2j)
            got, want = [tg.jvp(lambda a, h=h, e=e: tg.jvp(h, (a,), (e,))[1], (a,), (e,))[1] for h in (f, g)]
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)


@pytest.mark.sweep(2, days=True)
def test_what_has_no_slope_is_nan():
    """U V^H and projections on what is not determined; the part of the largest value beside zeros is smooth."""
    polar = lambda a: weighed_by_place((lambda u, s, v: u @ v)(*svd(a)))                 # noqa: E731
    onto = lambda a: weighed_by_place((lambda u, s, v: u @ u.T)(*svd(a)))                # noqa: E731
    for a in (oblong(3, 2)[0], MATRICES["exact"]):
        with np.errstate(invalid="ignore"):
            assert np.isnan(tg.grad(polar)(a)).all() and np.isnan(tg.jacfwd(polar)(a)).all()
    assert np.isnan(tg.grad(onto)(oblong(3, 2)[0])).all()
    assert np.isnan(tg.hessian(lambda a: svd(a)[1][0] ** 2)(np.zeros((3, 1)))).any()
    a, e = oblong(3, 2)[0], np.array([[0.3, 1.0], [-0.5, 0.2], [0.7, -0.4]])
    largest = lambda a: weighed_by_place(THIN["largest"][0](a))                          # noqa: E731
    around = [largest(a + h * e) for h in (-2e-3, -1e-3, 1e-3, 2e-3)]
    want = (8 * (around[2] - around[1]) - (around[3] - around[0])) / 12e-3
    np.testing.assert_allclose(np.sum(tg.grad(largest)(a) * e), want, rtol=1e-8)


@pytest.mark.sweep(4, days=True)
def test_lengths_known_at_run_time():
    """The same program serves square matrices and both others."""
    def f(a, m, n):
        return weighed_by_place((lambda u, s, v: (u * s) @ v)(*svd(a[:m, :n])))

    a = np.zeros((4, 4))
    a[0, 0] = 2.0
    for m, n in ((3, 3), (4, 2), (2, 4)):
        want = np.zeros((4, 4))
        want[:m, :n] = np.cos(np.arange(1.0, m * n + 1)).reshape(m, n)
        np.testing.assert_allclose(tg.grad(f)(a, m, n), want, rtol=1e-11, atol=1e-11)
