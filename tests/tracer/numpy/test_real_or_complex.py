"""Eigenvalues and roots, which NumPy makes real or complex as the data are: values, dtypes and derivatives in both cases."""
import numpy as np
import pytest
import scipy.linalg as sl
from numpy.polynomial import Polynomial, polynomial
from sweeps import turn

import tracegrad as tg

RNG = np.random.default_rng(3)
TURNING = np.array([[0.4, -1.3, 0.2], [1.1, 0.3, -0.7], [0.5, 0.6, 2.0]])          # a pair of complex eigenvalues
STILL = np.array([[1.0, 2.0, 0.3], [0.5, 4.0, 1.0], [0.2, 0.3, 9.0]])              # real ones
MATRICES = {"complex": TURNING, "real": STILL, "float32": TURNING.astype(np.float32), "int": np.arange(9).reshape(3, 3),
            "stack": np.stack((TURNING, STILL)), "stack of real": np.stack((STILL, STILL)), "empty": np.zeros((0, 0)),
            "one": np.array([[3.0]]), "strided": np.asfortranarray(TURNING)[::-1, ::-1], "complex dtype": TURNING + 0.5j}


def first_three_times(w):
    return w[0] * 3


def parts(a):
    w, v = np.linalg.eig(a)
    return w.real, w.imag, abs(w), np.abs(v), w.shape, len(w)


def rebuilt(a):
    w, v = np.linalg.eig(a)
    return v @ np.diag(w) @ np.linalg.inv(v)


def largest(a):
    w, v = np.linalg.eig(a)
    k = np.argmax(w.real)
    return v[:, k].real, w[k], (w.real > 0).all(), w[np.argsort(-np.abs(w))][:2] * 2 + 1


def looped(a):
    total = 0.0
    for part in np.linalg.eigvals(a):
        total = total + abs(part)
    return total


def roots_in_a_loop(a):
    found, turning = [], 0
    for k, r in enumerate(np.roots(np.poly(a))):
        if abs(r.imag) < 1e-9:
            found.append(r.real)
        elif r.imag > 0:
            turning += k + 1
    return sorted(found), turning, max(r.real for r in np.linalg.eigvals(a))


ANY = [
    lambda a: np.linalg.eigvals(a), lambda a: np.linalg.eig(a), parts, lambda a: np.sum(np.linalg.eigvals(a)),
    lambda a: np.sqrt(np.linalg.eigvals(a)), lambda a: np.prod(np.linalg.eigvals(a), axis=-1),
    lambda a: np.sort(np.linalg.eigvals(a)), lambda a: np.linalg.eigvals(a).astype(complex),
    lambda a: (np.linalg.eigvals(a) + 0j, np.linalg.eigvals(a) * 1j), lambda a: -np.linalg.eigvals(a) / 2 + np.ones(1),
    lambda a: np.concatenate((np.linalg.eigvals(a), np.linalg.eigvals(2 * a)), axis=-1), lambda a: np.linalg.eigvals(a).conj(),
    lambda a: np.linalg.eigvals(a) + np.linalg.eigvals(a @ a), lambda a: (np.isrealobj(np.linalg.eigvals(a)), 1),
    lambda a: {"w": np.linalg.eigvals(a).reshape(-1), "n": np.linalg.eigvals(a).size},
]
SINGLE = [rebuilt, largest, looped, roots_in_a_loop, lambda a: first_three_times(np.linalg.eigvals(a)), lambda a: np.poly(a),
          lambda a: sl.eig(a), lambda a: sl.eigvals(a)]


def leaves(x):
    if isinstance(x, (tuple, dict)):
        return [leaf for part in (x.values() if isinstance(x, dict) else x) for leaf in leaves(part)]
    return [np.asarray(x)]


def same(found, right, rtol=1e-9):
    for p, q in zip(leaves(found), leaves(right), strict=True):
        assert p.dtype == q.dtype and p.shape == q.shape
        rtol = max(rtol, 2e-5) if q.dtype in (np.float32, np.complex64) else rtol
        np.testing.assert_allclose(p, q, rtol, rtol * 1e-3)


@pytest.mark.sweep(4)
@pytest.mark.parametrize("k", range(len(ANY)))
def test_values_and_dtypes_are_those_of_numpy(k):
    f = ANY[k]
    compiled = tg.jit(f)
    for a in MATRICES.values():
        same(compiled(a), f(a))
        with np.errstate(all="ignore"):
            same(compiled.interpret(a), f(a))


@pytest.mark.sweep(4)
@pytest.mark.parametrize("k", range(len(SINGLE)))
def test_of_single_matrices(k):
    f = SINGLE[k]
    for name in ("complex", "real", "one", "strided"):
        same(tg.jit(f)(MATRICES[name]), f(MATRICES[name]))


def test_one_function_gives_both():
    """The dtype is no part of what is compiled."""
    f = tg.jit(lambda a: np.linalg.eigvals(a))
    assert f(TURNING).dtype == np.complex128 and f(STILL).dtype == np.float64 and f(TURNING).dtype == np.complex128
    assert len(f.specializations) == 1 and f(STILL).flags.c_contiguous


WEIGHTS = np.array([1.0, 0.3, -0.7])
SMOOTH = {
    "abs": lambda a: np.sum(np.abs(np.linalg.eigvals(a))), "real": lambda a: np.sum(np.linalg.eigvals(a).real ** 3),
    "imag": lambda a: np.sum(np.linalg.eigvals(a).imag ** 2), "largest": lambda a: np.max(np.abs(np.linalg.eigvals(a))),
    "root": lambda a: np.sum(np.sqrt(np.linalg.eigvals(a)).real), "trace": lambda a: np.sum(np.linalg.eigvals(a)).real,
    "vectors": lambda a: np.sum(np.linalg.eig(a)[1].real ** 3), "imaginary parts of vectors": lambda a: np.sum(
        np.linalg.eig(a)[1].imag * np.arange(9).reshape(3, 3)), "poly": lambda a: np.sum(np.poly(a) ** 2),
    "scipy": lambda a: np.sum(np.abs(sl.eig(a)[0]) + np.abs(sl.eig(a)[1][0])), "weighted": lambda a: np.sum(
        np.sort(np.linalg.eigvals(a)).real * WEIGHTS),
}


@pytest.mark.sweep(6)
@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives(name):
    for a in (TURNING, STILL):
        tg.check_grads(SMOOTH[name], (a,), order=2 if name in ("abs", "real", "poly", "root", "vectors") else 1)


def test_derivative_of_an_eigenvalue_is_its_formula():
    """w_dot = y^T A_dot x / (y^T x), with left and right eigenvectors (Magnus, Econometric Theory 1, 1985)."""
    w, left, right = sl.eig(TURNING, left=True, right=True)
    k = int(np.argmax(w.imag))
    slope = np.outer(left[:, k].conj(), right[:, k]) / (left[:, k].conj() @ right[:, k])
    f = lambda part: lambda a: part(np.linalg.eigvals(a)[k])  # noqa: E731
    np.testing.assert_allclose(tg.grad(f(np.real))(TURNING), slope.real, rtol=1e-12)
    np.testing.assert_allclose(tg.grad(f(np.imag))(TURNING), slope.imag, rtol=1e-12)


def test_where_eigenvalues_have_met_there_is_no_derivative():
    jordan = np.array([[1.0, 1.0], [0.0, 1.0]])
    assert np.isnan(tg.grad(lambda a: np.linalg.eigvals(a)[0].real)(jordan)).any()
    assert np.isnan(tg.grad(lambda a: np.linalg.eig(a)[1][:, 1].real.sum())(jordan)).any()
    assert np.isnan(tg.grad(lambda a: np.linalg.eig(a)[1][1, 0].real)(np.eye(2))).any()
    # what is symmetric in the eigenvalues has one, to the first order
    np.testing.assert_allclose(tg.grad(lambda a: np.sum(np.linalg.eigvals(a) ** 2).real)(np.eye(2)), 2 * np.eye(2))


def test_what_needs_a_dtype_is_refused_with_the_remedy():
    def stored(a):
        out = np.zeros(3)
        out[:] = np.linalg.eigvals(a)
        return out

    for run in (lambda: tg.jacobian(lambda a: np.linalg.eigvals(a))(TURNING), lambda: tg.jit(stored)(TURNING),
                lambda: tg.vmap(lambda a: np.linalg.eigvals(a))(MATRICES["stack"]),
                lambda: tg.jit(lambda a: np.zeros(3, np.linalg.eigvals(a).dtype))(TURNING)):
        with pytest.raises(tg.UnsupportedError, match=r"(?s)real or complex as its elements are.*astype\(complex\)") as caught:
            run()
        assert caught.value.loc


def test_batches_of_what_is_decided():
    f = lambda a: np.max(np.abs(np.linalg.eigvals(a)))  # noqa: E731
    np.testing.assert_allclose(tg.vmap(f)(MATRICES["stack"]), [f(a) for a in MATRICES["stack"]])


# --- polynomials ------------------------------------------------------------------------------------------------------

COEFFICIENTS = [[1.0, 2, 3], [1.0, -3, 2], [0, 0, 1.0, -3, 2], [1.0, -3, 2, 0, 0], [0.0, 0], [5.0], [], [0, 1.0, 0],
                [1.0, 0, 0, 0, -1], [1, 2, 3], [1 + 1j, 2, 3], [2.0, 4]]


@pytest.mark.sweep(9)
@pytest.mark.parametrize("p", COEFFICIENTS, ids=str)
def test_roots(p):
    p = np.array(p)
    same(tg.jit(lambda p: np.roots(p))(p), np.roots(p))
    if p.size > 1:
        same(tg.jit(lambda p: polynomial.polyroots(p))(p), polynomial.polyroots(p))
        same(tg.jit(lambda p: Polynomial(p).roots())(p), Polynomial(p).roots())


@pytest.mark.sweep(14, days=True)
def test_derivatives_of_roots():
    order = 1 + turn(4, "roots")
    tg.check_grads(lambda p: np.sum(np.abs(np.roots(p))), (np.array([1.0, 2, 3, 5, 1]),), order=order)
    tg.check_grads(lambda p: np.sum(np.roots(p).real ** 2), (np.array([1.0, -6, 11, -6]),), order=order)
    p = np.array([1.0, -6, 11, -6])                                       # 3, 2, 1: dr/dp_k = -r**(n-k) / p'(r)
    right = [-3.0 ** (3 - k) / np.polyval(np.polyder(p), 3.0) for k in range(4)]
    np.testing.assert_allclose(tg.grad(lambda p: np.max(np.roots(p).real))(p), right, rtol=1e-9)
    with pytest.raises(ValueError, match="rank-1"):
        tg.jit(lambda p: np.roots(p))(np.ones((2, 2)))


@pytest.mark.sweep(2)
@pytest.mark.parametrize("u, v", [([1.0, 2, 1], [1.0, 1]), ([1.0, 2], [1.0, 1, 3]), ([1, 2, 4], [1, 1]), ([1j, 2, 4], [1, 1]),
                                  ([3.0, 5, 2, 7, 1], [2.0, 0.5, 1]), ([0.0, 2, 1], [2.0])], ids=str)
def test_polydiv(u, v):
    u, v = np.array(u), np.array(v)
    same(tg.jit(lambda u, v: np.polydiv(u, v))(u, v), np.polydiv(u, v))
    if u.dtype == float and v.size < u.size:
        tg.check_grads(lambda u, v: np.sum(np.polydiv(u, v)[0] ** 2), (u, v), order=2)


@pytest.mark.parametrize("imag", [0.0, 1e-16, 1e-4, 1.0])
def test_real_if_close(imag):
    z = RNG.standard_normal(3) + imag * 1j
    for f in (lambda z: np.real_if_close(z), lambda z: np.real_if_close(z, tol=1e-3), lambda z: np.real_if_close(z).imag):
        same(tg.jit(f)(z), f(z))


@pytest.mark.sweep(2, days=True)
def test_frexp():
    x = np.array([0.0, -0.0, 1, 2, 3, 0.5, 0.1, -7.3, np.inf, -np.inf, np.nan, 5e-324, 2.2e-308, 1e-310, 1.7e308, 2**52,
                  2.0**-1022, np.nextafter(1, 0), np.nextafter(1024, 0), np.nextafter(2.0**-3, 0)])
    for data in (x, x.astype(np.float32), x.astype(np.float16), np.arange(5), np.arange(5, dtype=np.uint8), np.float64(3),
                 RNG.standard_normal(1000) * 10.0 ** RNG.integers(-300, 300, 1000)):
        with np.errstate(all="ignore"):
            found, right = tg.jit(lambda x: np.frexp(x))(data), np.frexp(data)
        for p, q in zip(found, right):
            np.testing.assert_array_equal(p, q)
            assert np.asarray(p).dtype == np.asarray(q).dtype
    tg.check_grads(lambda x: np.sum(np.frexp(x)[0] * x), (np.array([0.3, 1.2, 7.7]),), order=2)
