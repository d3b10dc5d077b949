"""Eigenvalues, singular values, QR, pseudo-inverses: compiled == evaluated == NumPy, derivatives every way, errors."""
from __future__ import annotations

import nest_check
import numpy as np
import pytest
from derivatives import check as check_derivatives
from numpy_trace import build, check, expressions, run

import tracegrad as tg

RNG = np.random.default_rng(8)
SQ, TALL, WIDE = RNG.standard_normal((4, 4)), RNG.standard_normal((5, 3)), RNG.standard_normal((2, 4))
Z = SQ + 1j * RNG.standard_normal((4, 4))
STACK = RNG.standard_normal((2, 3, 3))
SYM = SQ + SQ.T
RIGHT = RNG.standard_normal((5, 2))
LOW_RANK = np.outer(SQ[0], SQ[1]) + np.outer(SQ[2], SQ[3])

SQUARE = """
    np.linalg.eigh(a)
    np.linalg.eigh(a, "U").eigenvalues
    np.linalg.eigvalsh(a)
    np.linalg.eigvalsh(a, UPLO="u")
    np.linalg.eig(a + 0j)
    np.linalg.eigvals(a + 0j)
    np.linalg.svd(a, hermitian=True, compute_uv=False)
    np.linalg.matrix_rank(a, hermitian=True)
    np.linalg.cond(a, 1)
    np.linalg.cond(a, "fro")
"""
ANY = """
    np.linalg.svd(a)
    np.linalg.svd(a, full_matrices=False).Vh
    np.linalg.svd(a, compute_uv=False)
    np.linalg.svdvals(a)
    np.linalg.qr(a)
    np.linalg.qr(a, mode="r")
    np.linalg.qr(a, "complete").Q
    np.linalg.pinv(a)
    np.linalg.pinv(a, 0.5)
    np.linalg.pinv(a * 1.0, rtol=None)
    np.linalg.matrix_rank(a)
    np.linalg.matrix_rank(a, tol=0.7)
    np.linalg.cond(a)
    np.linalg.cond(a, -2)
    np.linalg.norm(a, 2, axis=(-2, -1))
    np.linalg.norm(a, -2, axis=(-1, -2), keepdims=True)
    np.linalg.norm(a, "nuc", axis=(-2, -1))
    np.linalg.matrix_norm(a, ord=2)
"""


def agree(fn, *args, tol=1e-11):
    """NumPy == evaluator == machine code."""
    check(fn, *args, tol=tol)
    f = build(fn, *args)[0]
    nest_check.check(f, *args, tol=2e-4 if args[0].dtype in (np.float32, np.complex64) else tol)


@pytest.mark.sweep(7)
@pytest.mark.parametrize("fn", expressions("np, a", globals(), SQUARE.rstrip() + ANY))
@pytest.mark.parametrize("a", [SYM, Z, STACK, SQ.astype(np.float32), np.arange(9).reshape(3, 3), SQ.T, LOW_RANK, SYM[:1, :1],
                               Z.astype(np.complex64)], ids=range(9))
def test_square(fn, a):
    agree(fn, a, tol=1e-10)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("fn", expressions("np, a", globals(), ANY))
@pytest.mark.parametrize("a", [TALL, WIDE, TALL[None] * 1j, np.stack([WIDE, WIDE + 1])], ids=range(4))
def test_oblong(fn, a):
    agree(fn, a, tol=1e-10)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3, 3), (3, 0), (0, 3), (2, 0, 3)])
def test_empty(shape):
    a = np.zeros(shape)
    names = ["svd(a)", "svd(a, full_matrices=False)", "qr(a)", "pinv(a)", "svd(a, compute_uv=False)", "matrix_rank(a)"]
    if shape[-1] == shape[-2]:
        names += ["eigh(a)", "eigvalsh(a)", "eigvals(a + 0j)"]
    for name in names:
        agree(eval(f"lambda np, a: np.linalg.{name}"), a)


@pytest.mark.sweep(2, days=True)
def test_least_squares():
    for a, b in ((TALL, RIGHT), (TALL, RIGHT[:, 0]), (WIDE, RIGHT[:2]), (SQ, SQ), (TALL * 1j, RIGHT), (LOW_RANK, SQ),
                 (np.ones((4, 2)), SQ), (TALL.astype(np.float32), RIGHT[:, 0].astype(np.float32)), (TALL, RIGHT[:, :0])):
        agree(lambda np, a, b: np.linalg.lstsq(a, b, rcond=None), a, b, tol=1e-9)
        agree(lambda np, a, b: np.linalg.lstsq(a, b, 1e-3)[2], a, b, tol=1e-9)


def test_lengths_known_at_run_time():
    a = RNG.standard_normal((6, 5))

    @tg.jit
    def f(a, bounds):
        out = 0.0
        for k in range(len(bounds)):
            m = bounds[k]
            part = a[:m, :3]
            u, s, vh = np.linalg.svd(part, full_matrices=False)
            q, r = np.linalg.qr(part)
            out += np.sum(s) + np.sum((u * s) @ vh) + np.sum(np.abs(q @ r)) + np.sum(np.linalg.pinv(part))
            out += np.linalg.lstsq(part, a[:m, 4], rcond=None)[1].sum()
        return out

    bounds = np.array([3, 2, 6])
    np.testing.assert_allclose(f(a, bounds), f.__wrapped__(a, bounds), rtol=1e-10)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("fn", expressions("np, a", globals(), """
    np.linalg.eigvalsh(a)
    np.linalg.eigvalsh(a, "U")
    np.linalg.eigh(a)[1] ** 2
    np.linalg.eigh(a, "U")[1] * np.linalg.eigh(a)[0]
    np.linalg.svd(a, compute_uv=False)
    np.linalg.svd(a)
    np.linalg.svd(a, full_matrices=False)
    np.linalg.qr(a)
    np.linalg.pinv(a)
    np.linalg.norm(a, 2) + np.linalg.norm(a, "nuc") * np.linalg.cond(a)
    np.abs(np.linalg.eigvals(a + 0j)) ** 2
    np.linalg.eig(a + 0j)[1].real
    np.linalg.lstsq(a, a[:, 0] ** 2, 1e-9)[0]
"""))
@pytest.mark.sweep(2, days=True)
def test_derivatives(fn):
    check_derivatives(build(fn, SQ)[0], [SQ], tol=1e-5)


@pytest.mark.parametrize("fn", expressions("np, a", globals(), """
    np.linalg.svd(a, full_matrices=False)
    np.linalg.qr(a)
    np.linalg.qr(a, "complete")[0][..., :2] ** 2
    np.linalg.pinv(a)
    np.linalg.lstsq(a, a[:, 0] ** 2)[0] * np.linalg.lstsq(a, a[:, 0])[1].sum()
"""))
@pytest.mark.sweep(3)
@pytest.mark.parametrize("a", [TALL, WIDE, np.stack([TALL, TALL[::-1] + 1])], ids=["tall", "wide", "stack"])
def test_derivatives_of_oblong(fn, a):
    try:
        fn(np, a)
    except np.linalg.LinAlgError:             # lstsq takes no stacks
        return
    check_derivatives(build(fn, a)[0], [a], order=1 if a.ndim == 3 else 2, tol=1e-5)


def _projections(np, a):
    """What the spans of singular vectors determine: those of a null space too."""
    u, s, vh = np.linalg.svd(a)
    k = s.shape[0]
    beyond_u, beyond_v = u[:, k:], vh[k:]
    return (beyond_u @ np.conj(beyond_u.T), np.conj(beyond_v.T) @ beyond_v, (u[:, :k] * s ** 2) @ np.conj(u[:, :k].T))


@pytest.mark.sweep(6)
@pytest.mark.parametrize("a", [TALL, WIDE], ids=["tall", "wide"])
def test_derivatives_of_null_spaces(a):
    check_derivatives(build(_projections, a)[0], [a], tol=1e-5)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("fn", expressions("np, x, y", globals(), """
    np.linalg.eigvalsh(x + 1j * y)
    np.abs(np.linalg.eigh(x + 1j * y)[1]) ** 2
    np.linalg.svd(x + 1j * y, compute_uv=False)
    (lambda u, s, vh: ((u * s ** 2) @ vh).real)(*np.linalg.svd(x + 1j * y))
    np.abs(np.linalg.svd(x + 1j * y)[0]) ** 2
    np.linalg.qr(x + 1j * y)[0].imag + np.linalg.qr(x + 1j * y)[1].real
    np.linalg.pinv(x + 1j * y).imag
    np.linalg.eig(x + 1j * y)[1].imag
    np.linalg.eigvals(x + 1j * y).imag
"""))
@pytest.mark.sweep(6, days=True)
def test_complex_derivatives(fn):
    x, y = SQ[:3, :3], SQ[1:, 1:]
    check_derivatives(build(fn, x, y)[0], [x, y], tol=1e-5)


def test_pseudo_inverse_of_constant_rank():
    """Along matrices of rank two the pseudo-inverse is smooth."""
    f = build(lambda np, x, y: np.linalg.pinv(x @ y, 1e-8), SQ[:, :2], SQ[:2])[0]
    check_derivatives(f, [SQ[:, :2], SQ[:2]], tol=1e-4)


def test_equal_values_have_finite_derivatives():
    """What is symmetric in equal values has its derivative: the trace of a function, the sum of singular values."""
    f = tg.grad(lambda a: np.sum(np.linalg.eigvalsh(a)))
    np.testing.assert_allclose(f(np.eye(3)), np.eye(3), atol=1e-12)
    g = tg.grad(lambda a: np.sum(np.linalg.svd(a)[1]))
    np.testing.assert_allclose(g(np.eye(3) * 2), np.eye(3), atol=1e-12)
    h = tg.grad(lambda a: np.sum((lambda w, v: (v * w ** 2) @ v.T)(*np.linalg.eigh(a)) * np.eye(3)))
    np.testing.assert_allclose(h(np.eye(3)), 2 * np.eye(3), atol=1e-12)


@pytest.mark.sweep(2, days=True)
def test_compiled_gradients():
    a = TALL
    f = lambda a: np.sum(np.linalg.svd(a, full_matrices=False)[0] ** 3) + np.linalg.cond(a) + np.sum(np.linalg.pinv(a))  # noqa: E731
    tg.check_grads(f, (a,), order=1)


def test_errors():
    bad = np.full((3, 3), np.nan)
    for fn, what in ((lambda a: np.linalg.svd(a)[1], "SVD did not converge"), (lambda a: np.linalg.pinv(a), "SVD did not"),
                     (lambda a: np.linalg.eigvals(a + 0j), "must not contain infs or NaNs")):
        with pytest.raises(np.linalg.LinAlgError, match=what):
            tg.jit(fn)(bad)
        with pytest.raises(np.linalg.LinAlgError, match=what):
            run(lambda np, a, fn=fn: fn(a), bad)
    # an invalid operation before the call is no failure of it
    assert np.isnan(tg.jit(lambda a: (a[0, 0] - a[0, 0]) / (a[0, 0] - a[0, 0]) + np.linalg.svdvals(a)[0])(SQ))
    for fn in (lambda np, a: np.linalg.eigh(a), lambda np, a: np.linalg.cond(a, 1), lambda np, a: np.linalg.solve(a, a)):
        with pytest.raises(np.linalg.LinAlgError, match="must be square"):
            run(fn, TALL)
    with pytest.raises(np.linalg.LinAlgError, match="at least two-dimensional"):
        run(lambda np, a: np.linalg.svd(a), TALL[0])
    with pytest.raises(np.linalg.LinAlgError, match="Incompatible dimensions"):
        run(lambda np, a: np.linalg.lstsq(a, a.T, None), TALL)
    with pytest.raises(ValueError, match="UPLO"):
        run(lambda np, a: np.linalg.eigh(a, "X"), SQ)
    with pytest.raises(tg.UnsupportedError, match=r"(?s)mode 'raw'.*reduced"):
        run(lambda np, a: np.linalg.qr(a, "raw"), SQ)
