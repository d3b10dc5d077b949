"""Derivatives of eigenvalues, singular values and their vectors where values are equal, or nearly."""
from __future__ import annotations

import numpy as np
import pytest
from derivatives import check as check_derivatives
from numpy_trace import build

import tracegrad as tg

RNG = np.random.default_rng(3)
FACTOR = RNG.standard_normal((3, 3))
Q, R = np.linalg.qr(FACTOR)[0], np.linalg.qr(FACTOR.T)[0]
TALL = np.linalg.qr(RNG.standard_normal((5, 3)))[0]
U = np.linalg.qr(FACTOR + 1j * RNG.standard_normal((3, 3)))[0]
V = np.linalg.qr(FACTOR - 1j * FACTOR.T)[0]


def hermitian(m):
    return (m + np.conj(np.swapaxes(m, -1, -2))) / 2


def turned(w, q=Q):
    return hermitian(q @ np.diag(w) @ np.conj(q.T))


MATRICES = {
    "identity": np.eye(3), "zero": np.zeros((3, 3)), "one": np.full((1, 1), 2.0), "diagonal": np.diag([2.0, 2, 5]),
    "turned": turned([2.0, 2, 5]), "projector": turned([0.0, 1, 1]), "close": turned([2, 2 + 1e-9, 5]),
    "closer": turned([2, 2 + 4e-15, 5]), "less close": turned([2, 2 + 3e-6, 5]), "apart": turned([1.0, 2, 4]),
    "complex": turned([2.0, 2, 5], U), "stack": np.stack([np.eye(3), turned([2.0, 2, 5]), turned([1.0, 2, 4])]),
}
FORMS = {
    "columns": lambda w, v: (v * w[..., None, :]) @ np.swapaxes(v, -1, -2).conj(),
    "rows": lambda w, v: v @ (w[..., :, None] * np.conj(np.swapaxes(v, -1, -2))),
    "einsum": lambda w, v: np.einsum("...ij,...j,...kj->...ik", v, w, np.conj(v)),
    "divided": lambda w, v: (v / (1 / w)[..., None, :]) @ np.swapaxes(v, -1, -2).conj(),
    "diagonal": lambda w, v: v @ np.diag(w) @ v.conj().T,
}


def direction(a, hermitian_only=True):
    d = RNG.standard_normal(a.shape) + (1j * RNG.standard_normal(a.shape) if a.dtype.kind == "c" else 0)
    return hermitian(d) if hermitian_only else d


def exact(a, e, f, slope):
    """Daleckii and Krein: V (K * (V^H E V)) V^H, K the divided differences of f."""
    w, v = np.linalg.eigh(a)
    x, y = w[..., :, None], w[..., None, :]
    same = abs(x - y) < 1e-4
    k = np.where(same, slope((x + y) / 2), (f(x) - f(y)) / np.where(same, 1, x - y))
    vh = np.conj(np.swapaxes(v, -1, -2))
    return v @ (k * (vh @ e @ v)) @ vh


def both(f, a, e, want, tol=1e-9):
    """Forward and reverse mode, compiled and evaluated, give the derivative along e."""
    np.testing.assert_allclose(tg.jvp(f, (a,), (e,))[1], want, rtol=tol, atol=tol)
    weight = np.cos(np.arange(np.size(want))).reshape(np.shape(want))

    def loss(a):
        return np.sum(weight * np.real(f(a)))

    g = tg.grad(loss)(a)
    pairs = [np.real(np.sum(g * z)) for z in (e, np.conj(e))]
    wanted = np.sum(weight * np.real(want))
    assert min(abs(p - wanted) for p in pairs) <= tol * max(1, abs(wanted)), (pairs, wanted)
    with tg.disable_jit():
        np.testing.assert_allclose(tg.grad(loss)(a), g, rtol=1e-9, atol=1e-9)


FUNCTIONS = {"exp": (np.exp, np.exp), "cube": (lambda x: x ** 3 + 2 * x, lambda x: 3 * x ** 2 + 2),
             "root": (np.sqrt, lambda x: 0.5 / np.sqrt(x)), "log": (np.log, lambda x: 1 / x)}


@pytest.mark.sweep(9)
@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("form", ["columns", "rows", "einsum"])
def test_functions_of_matrices(name, form):
    a = MATRICES[name]
    e = direction(a)
    for f, slope in FUNCTIONS.values() if form == "columns" else [FUNCTIONS["exp"]]:
        if name in ("zero", "projector") and f in (np.sqrt, np.log):
            continue
        both(lambda a, f=f: (lambda w, v: FORMS[form](f(w), v))(*np.linalg.eigh(a)), a, e, exact(a, e, f, slope))


@pytest.mark.sweep(11, days=True)
@pytest.mark.parametrize("name", ["identity", "turned", "close", "apart", "complex"])
def test_other_forms(name):
    a = MATRICES[name]
    e, b = direction(a), np.arange(1.0, 4)
    want = exact(a, e, np.exp, np.exp)
    for form in ("diagonal", "divided"):
        both(lambda a, form=form: (lambda w, v: FORMS[form](np.exp(w), v))(*np.linalg.eigh(a)), a, e, want)
    both(lambda a: (lambda w, v: v @ (np.exp(w) * (np.conj(v.T) @ b)))(*np.linalg.eigh(a)), a, e, want @ b)
    if a.dtype.kind != "c":
        both(lambda a: (lambda w, v: np.sum(np.exp(w) * (v.T @ b) ** 2))(*np.linalg.eigh(a)), a, e, b @ want @ b)
        both(lambda a: (lambda w, v: np.sum((v.T @ b) ** 2 / w))(*np.linalg.eigh(a)), a, e,
             b @ exact(a, e, lambda x: 1 / x, lambda x: -1 / x ** 2) @ b)
    wave = exact(a, e, lambda x: np.exp(1j * x), lambda x: 1j * np.exp(1j * x))
    both(lambda a: (lambda w, v: (v * np.exp(1j * w)) @ np.conj(v.T))(*np.linalg.eigh(a)), a, e, wave)


@pytest.mark.sweep(5)
@pytest.mark.parametrize("name", ["identity", "diagonal", "turned", "close", "complex"])
def test_symmetric_functions(name):
    a = MATRICES[name]
    e, inverse = direction(a), np.linalg.inv(a)
    both(lambda a: np.sum(np.exp(np.linalg.eigvalsh(a))), a, e, np.trace(exact(a, e, np.exp, np.exp)).real)
    both(lambda a: np.log(np.linalg.eigvalsh(a)).sum(), a, e, np.trace(inverse @ e).real)
    both(lambda a: np.prod(np.linalg.eigh(a)[0]), a, e, (np.linalg.det(a) * np.trace(inverse @ e)).real)
    both(lambda a: (lambda w: w @ w)(np.linalg.eigvalsh(a)), a, e, 2 * np.trace(a @ e).real)
    t, d = np.trace(a).real, np.trace(e).real
    both(lambda a: (lambda w, v: (v * (w / np.sum(w))) @ np.conj(v.T))(*np.linalg.eigh(a)), a, e, e / t - a * d / t ** 2)


@pytest.mark.sweep(4)
@pytest.mark.parametrize("name", ["diagonal", "turned", "close", "complex"])
def test_whole_groups(name):
    """A projection onto all vectors of a group, and the sum of its values."""
    a = MATRICES[name]
    e = direction(a)
    w, v = np.linalg.eigh(a)
    m = np.conj(v.T) @ e @ v
    turn = np.where(np.arange(3) < 2, m / (w[:2].mean() - w[2]), 0)[2]
    change = np.outer(v[:, 2], turn @ np.conj(v.T))
    for f, sign in ((lambda v: v[:, :2] @ np.conj(v[:, :2].T), 1), (lambda v: v[:, 2:] @ np.conj(v[:, 2:].T), -1),
                    (lambda v: np.outer(v[:, 2], np.conj(v[:, 2])), -1)):
        both(lambda a, f=f: f(np.linalg.eigh(a)[1]), a, e, sign * (change + np.conj(change.T)), 1e-8)
    both(lambda a: np.sum(np.linalg.eigvalsh(a)[:2]), a, e, np.trace(m[:2, :2]).real)
    both(lambda a: np.linalg.eigvalsh(a)[2], a, e, m[2, 2].real)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("a", [MATRICES[k] for k in ("identity", "zero", "diagonal", "turned", "projector", "closer")])
@pytest.mark.parametrize("f", [
    lambda w, v: w[1], lambda w, v: w @ np.arange(3.0), lambda w, v: v[0, 1], lambda w, v: np.sum(v),
    lambda w, v: np.sum(FACTOR * np.outer(v[:, 1], v[:, 1])), lambda w, v: np.sum(FACTOR * ((v * np.arange(3.0)) @ v.T)),
    lambda w, v: np.sum(FACTOR * (v[:, 1:2] @ v[:, 1:2].T)), lambda w, v: np.sum(w[1:2])], ids=range(8))
def test_what_is_not_smooth_is_nan(f, a):
    g = lambda a: f(*np.linalg.eigh(a))                                             # noqa: E731
    with np.errstate(invalid="ignore"):
        assert np.isnan(tg.jvp(g, (a,), (hermitian(FACTOR),))[1])
        assert np.isnan(tg.grad(g)(a)).any()


def test_nan_only_where_values_are_equal():
    got = tg.jacfwd(np.linalg.eigvalsh)(np.diag([2.0, 2, 5]))
    assert np.isnan(got[:2]).all()
    np.testing.assert_array_equal(got[2], np.diag([0.0, 0, 1]))


SINGULAR = {"identity": np.eye(3), "turned": Q @ np.diag([5.0, 2, 2]) @ R.T, "close": Q @ np.diag([5, 2 + 1e-9, 2]) @ R.T,
            "tall": TALL @ np.diag([5.0, 2, 2]) @ R.T, "wide": R @ np.diag([2.0, 2, 2]) @ TALL.T,
            "complex": U @ np.diag([5, 2, 2]) @ np.conj(V.T)}


def slope_of(f, a, e, h=1e-3):
    """A difference quotient of the sixth order."""
    return sum(c * (f(a + k * h * e) - f(a - k * h * e)) for k, c in ((1, 45), (2, -9), (3, 1))) / (60 * h)


@pytest.mark.sweep(9)
@pytest.mark.parametrize("name", SINGULAR)
@pytest.mark.parametrize("f", [
    lambda u, s, vh: (u * np.sqrt(s)) @ vh, lambda u, s, vh: u @ np.diag(np.exp(s)) @ vh, lambda u, s, vh: u @ vh,
    lambda u, s, vh: np.sum(np.log(s)), lambda u, s, vh: np.conj(vh.T) @ ((1 / s)[:, None] * np.conj(u.T)),
    lambda u, s, vh: (u * s ** 2) @ np.conj(u.T)], ids=range(6))
def test_singular_values(name, f):
    a = SINGULAR[name]
    e = direction(a, False)
    g = lambda a: f(*np.linalg.svd(a, full_matrices=False))                         # noqa: E731
    both(g, a, e, slope_of(g, a, e), 1e-7)


@pytest.mark.sweep(3, days=True)
def test_decompositions_that_are_asked_for_twice():
    """Two of one matrix are one: values of the one and vectors of the other belong together."""
    a, e = SINGULAR["turned"], direction(SINGULAR["turned"], False)

    def root(a):
        return (np.linalg.svd(a)[0] * np.sqrt(np.linalg.svd(a)[1])) @ np.linalg.svd(a)[2]

    def exp(a):
        values = np.exp(np.linalg.eigh(a)[0])
        return (np.linalg.eigh(a)[1] * values) @ np.linalg.eigh(a)[1].T

    both(root, a, e, slope_of(root, a, e), 1e-7)
    text = tg.jit(root).lower(a).text("optimized")
    assert text.count("svd") == 1, text
    a = MATRICES["turned"]
    e = direction(a)
    both(exp, a, e, slope_of(exp, a, e), 1e-7)


@pytest.mark.sweep(3, days=True)
def test_parts_of_full_singular_vectors():
    a = SINGULAR["tall"]
    e = direction(a, False)
    for f in (lambda u, s, vh: (u[:, :3] * np.exp(s)) @ vh, lambda u, s, vh: (u[:, :1] * s[:1]) @ vh[:1],
              lambda u, s, vh: u[:, 3:] @ u[:, 3:].T, lambda u, s, vh: s[0]):
        g = lambda a, f=f: f(*np.linalg.svd(a))                                     # noqa: E731
        both(g, a, e, slope_of(g, a, e), 1e-7)
    with np.errstate(invalid="ignore"):
        assert np.isnan(tg.grad(lambda a: np.linalg.svd(a)[1][1])(a)).any()
        assert np.isnan(tg.grad(lambda a: np.linalg.svd(a)[0][0, 2])(a)).any()


def bend_of(f, a, e, h=4e-3):
    """A second difference of the sixth order."""
    around = sum(c * (f(a + k * h * e) + f(a - k * h * e)) for k, c in ((1, 270), (2, -27), (3, 2)))
    return (around - 490 * f(a)) / (180 * h * h)


@pytest.mark.sweep(25)
@pytest.mark.parametrize("name", ["identity", "turned", "close"])
@pytest.mark.parametrize("f", [
    lambda a: np.sum(np.exp(np.linalg.eigvalsh(a))), lambda a: np.prod(np.linalg.eigvalsh(a)),
    lambda a: (lambda w, v: np.sum(FACTOR * ((v * np.sqrt(w)) @ v.T)))(*np.linalg.eigh(a)),
    lambda a: (lambda w, v: np.sum(np.log(w) * (v.T @ FACTOR[0]) ** 2))(*np.linalg.eigh(a)),
    lambda a: (lambda u, s, vh: np.sum(FACTOR * (u @ vh)))(*np.linalg.svd(a)),
    lambda a: (lambda u, s, vh: np.sum(FACTOR * ((u * np.exp(-s)) @ vh)))(*np.linalg.svd(a)),
    lambda a: np.sum(np.linalg.svd(a, compute_uv=False) ** 3)], ids=range(7))
def test_second_derivatives(f, name):
    a, e = MATRICES[name], hermitian(FACTOR) / 2
    want = bend_of(f, a, e)
    np.testing.assert_allclose(np.einsum("ijkl,ij,kl->", tg.hessian(f)(a), e, e), want, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(tg.jvp(lambda a: tg.jvp(f, (a,), (e,))[1], (a,), (e,))[1], want, rtol=1e-6, atol=1e-6)


@pytest.mark.sweep(28)
@pytest.mark.parametrize("a", [np.zeros((2, 2)), np.diag([0.0, 0.0, 2.0]), np.diag([1.0, 1.0, 0.0])], ids=range(3))
def test_second_derivatives_of_a_product_with_zeros(a):
    """The determinant, as the product of eigenvalues of which several are 0."""
    f, g = (lambda a: np.prod(np.linalg.eigvalsh((a + a.T) / 2))), (lambda a: np.linalg.det((a + a.T) / 2))
    np.testing.assert_allclose(tg.hessian(f)(a), tg.hessian(g)(a), atol=1e-13)
    e = hermitian(FACTOR).real[:len(a), :len(a)]
    along = lambda h: tg.jvp(lambda a: tg.jvp(h, (a,), (e,))[1], (a,), (e,))[1]       # noqa: E731
    np.testing.assert_allclose(along(f), along(g), atol=1e-12)


@pytest.mark.sweep(2, days=True)
def test_second_derivatives_of_what_stands_alone():
    """The largest eigenvalue and its projection, beside two equal ones."""
    a, e = MATRICES["turned"], hermitian(FACTOR) / 4
    for f in (lambda a: np.linalg.eigvalsh(a)[2],
              lambda a: (lambda v: np.sum(FACTOR * np.outer(v, v)))(np.linalg.eigh(a)[1][:, 2])):
        got = np.einsum("ijkl,ij,kl->", tg.hessian(f)(a), e, e)
        np.testing.assert_allclose(got, bend_of(f, a, e), rtol=1e-6)


@pytest.mark.parametrize("values", [np.linalg.eigvals, lambda a: np.linalg.eig(a)[0]])
def test_second_derivatives_of_general_matrices_are_not_made_up(values):
    """In reverse mode the adjoint of the vectors cancels to 0 where values are equal, and what it stands for was lost."""
    f = lambda a: np.sum(np.real(values(a) ** 2))                                   # noqa: E731
    found, right = tg.jacrev(tg.grad(f))(np.eye(2)), tg.jacfwd(tg.grad(lambda a: np.trace(a @ a)))(np.eye(2))
    assert np.isnan(tg.hessian(f)(np.eye(2))).all() and np.isnan(found[0, 1]).all() and np.isnan(found[1, 0]).all()
    assert np.all(np.isnan(found) | (found == right))
    assert np.array_equal(tg.grad(f)(np.eye(2)), 2 * np.eye(2))
    apart = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(tg.jacrev(tg.grad(f))(apart), tg.jacfwd(tg.grad(lambda a: np.trace(a @ a)))(apart), atol=1e-12)


def test_single_precision():
    f = lambda a: (lambda w, v: (v * np.sqrt(w)) @ v.T)(*np.linalg.eigh(a))         # noqa: E731
    for name in ("identity", "turned", "close", "apart"):
        a = MATRICES[name]
        e = direction(a)
        got = tg.jvp(f, (a.astype(np.float32),), (e.astype(np.float32),))[1]
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, exact(a, e, *FUNCTIONS["root"]), rtol=2e-4, atol=2e-4)


@pytest.mark.sweep(6, days=True)
def test_in_a_loop():
    """Iterates of a map that takes roots of matrices."""
    def f(a):
        total = 0.0
        for _ in range(4):
            w, v = np.linalg.eigh(a)
            a = (v * np.sqrt(w)) @ v.T
            total = total + np.sum(a * FACTOR)
        return total

    a, e = MATRICES["identity"] * 2, direction(np.eye(3))
    np.testing.assert_allclose(np.sum(tg.grad(f)(a) * e), slope_of(f, a, e), rtol=1e-8)


@pytest.mark.sweep(6, days=True)
def test_programs_without_derivatives_stay():
    f = build(lambda np, a: (lambda w, v: (v * np.sqrt(w)) @ v.T)(*np.linalg.eigh(a)), MATRICES["apart"])[0]
    check_derivatives(f, [MATRICES["apart"]], tol=1e-5)
    text = tg.jit(lambda a: np.sum(np.linalg.eigh(a)[1])).lower(MATRICES["apart"]).text("vjp")
    assert text.count("eigh") == 1 and "couple" not in text and "near" not in text
