"""Products, einsum, linear algebra, numerical analysis, sorting and comparisons."""
from __future__ import annotations

import math

import numpy as np
import pytest
from numpy_trace import MATH, check, expressions, run

import tracegrad as tg

RNG = np.random.default_rng(5)
V, W = RNG.standard_normal(4), RNG.standard_normal(4)
A, B = RNG.standard_normal((3, 4)), RNG.standard_normal((4, 5))
C, D = RNG.standard_normal((2, 3, 4)), RNG.standard_normal((2, 4, 5))
SQ = RNG.standard_normal((4, 4))
SPD = SQ @ SQ.T + 4 * np.eye(4)
Z = SQ + 1j * RNG.standard_normal((4, 4))
BATCH = RNG.standard_normal((3, 4, 4))
INT = RNG.integers(-5, 5, (4, 4))


@pytest.mark.parametrize("a, b", [(V, W), (A, V), (V, B), (A, B), (C, D), (A, D), (C, B), (C, V), (V, D), (C[:1], D),
                                  (C, RNG.standard_normal((5, 1, 4, 2))), (INT, INT),
                                  (INT, SQ), (A.astype(np.float32), B), (Z, SQ), (INT > 0, INT > 1), (A[:, :0], B[:0]),
                                  (A[:0], B), (INT.astype(np.int8), INT.astype(np.uint8))])
def test_matmul(a, b):
    check(lambda np, a, b: a @ b, a, b)
    check(lambda np, a, b: np.matmul(a, b), a, b)
    if a.ndim <= 2 and b.ndim <= 2 and a.dtype != bool:
        check(lambda np, a, b: np.dot(a, b), a, b)
        check(lambda np, a, b: a.dot(b), a, b)


@pytest.mark.parametrize("fn", expressions("np, a, b", globals(), """
    np.dot(a, b)
    np.dot(a, 2.0)
    np.dot(2, 3.0) + a[0, 0]
    np.dot(a[None], b)
    np.inner(a, a)
    np.inner(a[0], a)
    np.outer(a, b)
    np.outer(a[0], b[0])
    np.vdot(a, a)
    np.vdot(a[0] * 1j, a[0])
    np.tensordot(a, b, 1)
    np.tensordot(a, b, axes=([1], [0]))
    np.tensordot(a, a, axes=([0, 1], [0, 1]))
    np.tensordot(a, b, 0)
    np.kron(a, b)
    np.kron(a[0], b)
    np.cross(a[:, :3], a[:, 1:])
    np.cross(a[0, :3], a[1, :3])
    np.trace(a)
    np.linalg.multi_dot([a, b, b.T, a.T])
    np.linalg.matrix_power(a @ a.T, 3)
    np.linalg.norm(a)
    np.linalg.norm(a, axis=1)
    np.linalg.norm(a[0])
    np.linalg.norm(a, 1)
    np.linalg.norm(a, np.inf)
    np.linalg.norm(a[0], np.inf)
    np.linalg.norm(a[0], 3)
    np.linalg.norm(a[0], 0)
    np.linalg.norm(a, axis=0, keepdims=True, ord=1)
    np.linalg.norm(a * 1j)
    np.linalg.norm(a, "fro")
    np.linalg.norm(a, -1)
    np.linalg.norm(a[None], axis=(1, 2))
    np.matmul(a, b, out=np.zeros((3, 5)))
    np.dot(a, b, out=np.zeros((3, 5)))
    np.cov(a)
    np.cov(a, rowvar=False, bias=True)
    np.corrcoef(a)
    np.linalg.vector_norm(a)
    np.linalg.matrix_norm(a)
    np.vecdot(a, a)
    np.matvec(a, b[:, 0])
    np.vecmat(b[:, 0], a.T)
"""))
def test_products(fn):
    check(fn, A, B, tol=1e-11)


@pytest.mark.parametrize("subscripts, args", [
    ("ij,jk->ik", (A, B)), ("ij,jk", (A, B)), ("ij->ji", (A,)), ("ij->", (A,)), ("ij->i", (A,)), ("ii", (SQ,)),
    ("ii->i", (SQ,)), ("i,i", (V, W)), ("i,j->ij", (V, W)), ("i,j", (V, W)), ("bid,bjd->bij", (C, C)),
    ("bij,bjd->bid", (C, D)), ("ij,ij->ij", (A, A)), ("ij,ij->i", (A, A)), ("...ij,...jk->...ik", (C, D)),
    ("...ij,...jk", (C, D)), ("...i,i->...", (C, V)), ("ij,j->ij", (A, V)), ("ijk->kij", (C,)), ("ij,jk,kl->il", (A, B, B.T)),
    ("i,i,i->i", (V, W, V)), ("ij,kl->ijkl", (A, B)), ("ji", (A,)), ("ba", (A,)), ("...->...", (C,)), ("i...->...", (C,)),
    ("ij,ji->", (SQ, SQ)), ("iij->j", (np.stack([SQ[:, :2]] * 4),)), ("i,ij,j", (V, SQ, W)), ("ij,ij->", (INT, SQ)),
    ("a,b,c->abc", (V, W, V)), ("bik,bjk->bij", (C[:, :1], C)), ("ij,ik->ijk", (A, A)),
    ("ijk,ilm,njm->nkl", (C, RNG.standard_normal((2, 5, 6)), RNG.standard_normal((7, 3, 6)))),
])
def test_einsum(subscripts, args):
    check(lambda np, *a: np.einsum(subscripts, *a), *args, tol=1e-11)


def test_einsum_lists_and_errors():
    check(lambda np, a, b: np.einsum(a, [0, 1], b, [1, 2], [0, 2]), A, B)
    check(lambda np, a, b: np.einsum(a, [0, 1], b, [1, 2]), A, B)
    for text in ("ij,jk->iz", "ij", "ijk,jk->i", "ij,jk->ii", "i,jk->ik"):
        with pytest.raises(ValueError):
            run(lambda np, a, b, text=text: np.einsum(text, a, b), A, B)


@pytest.mark.parametrize("fn", expressions("np, a, b", globals(), """
    np.linalg.solve(a, b)
    np.linalg.solve(a, b[0])
    np.linalg.inv(a)
    np.linalg.det(a)
    np.linalg.slogdet(a)
    np.linalg.solve(a, b[:, :2])
    np.linalg.slogdet(a).logabsdet
    np.linalg.matrix_power(a, -2)
"""))
@pytest.mark.sweep(2)
@pytest.mark.parametrize("a", [SQ, SPD, Z, BATCH, INT + 10 * np.eye(4, dtype=int), SQ.astype(np.float32), SQ[::-1].copy()],
                         ids=range(7))
def test_solving(fn, a):
    try:
        fn(np, a, SQ)
    except Exception:
        return
    check(fn, a, SQ, tol=1e-3 if a.dtype == np.float32 else 1e-9)


def test_cholesky():
    check(lambda np, a: np.linalg.cholesky(a), SPD)
    check(lambda np, a: np.linalg.cholesky(np.stack([a, a * 2])), SPD)
    check(lambda np, a: np.linalg.cholesky(a, upper=True), SPD)
    with pytest.raises(np.linalg.LinAlgError):
        run(lambda np, a: np.linalg.cholesky(a), -SPD)
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        run(lambda np, a: np.linalg.solve(a * 0, a), SPD)


G = np.sort(RNG.uniform(0, 1, 8))
F = RNG.standard_normal(8)
P = np.concatenate([RNG.uniform(-0.2, 1.2, 20), G, [np.nan]])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fn", expressions("np, g, f, p", globals(), """
    np.interp(p, g, f)
    np.interp(p, g, f, left=-1, right=9)
    np.interp(0.3, g, f)
    np.interp(p, g, f * 1j)
    np.searchsorted(g, p)
    np.searchsorted(g, p, side="right")
    np.searchsorted(g, 0.5)
    g.searchsorted(f)
    np.digitize(p, g)
    np.digitize(p[:-1], g[::-1], right=True)
    np.sort(f)
    np.argsort(f)
    np.sort(f.reshape(2, 4), axis=0)
    np.sort(p)
    np.sort(f.reshape(2, 4), axis=None)
    f.argsort()
    np.lexsort((f, np.round(f)))
    np.diff(f)
    np.diff(f, 2)
    np.diff(f.reshape(2, 4), axis=0)
    np.diff(f, prepend=0, append=[1.0, 2.0])
    np.diff(f > 0)
    np.ediff1d(f, to_begin=0)
    np.trapezoid(f)
    np.trapezoid(f, g)
    np.trapezoid(f.reshape(2, 4), dx=0.5, axis=0)
    np.gradient(f)
    np.gradient(f, 0.5)
    np.gradient(f, g)
    np.gradient(f, g, edge_order=2)
    np.gradient(f, edge_order=2)
    np.gradient(f.reshape(2, 4))
    np.gradient(f.reshape(2, 4), axis=1)
    np.convolve(f, g[:3])
    np.convolve(f, g[:3], "same")
    np.convolve(f, g[:3], "valid")
    np.convolve(g[:2], f, "same")
    np.convolve(f, g[:4], "same")
    np.correlate(f, g[:3])
    np.correlate(f, g[:3], "full")
    np.correlate(g[:3], f, "full")
    np.correlate(f, g[:3] * 1j, "same")
    np.correlate(g[:3], f, "valid")
    np.polyval(f, 0.5)
    np.polyval(f[:3], g)
    np.polyval([1, 2, 3], g)
    np.polyder(f)
    np.polymul(f, g)
    np.polyadd(f, g[:3])
    np.round(f, 2)
    np.round(f * 10)
    f.round(1)
    np.around(f * 100, -1)
    np.sinc(f)
    np.sinc(0.0 * f)
    np.angle(f + 1j * g)
    np.angle(f)
    np.angle(f * 1j, deg=True)
    np.unwrap(f * 5)
    np.fix(f * 3)
    np.isclose(f, f + 1e-9)
    np.allclose(f, f + 1e-9)
    np.array_equal(f, g)
    np.isin(np.round(f), [0, 1])
    np.allclose(p, p, equal_nan=True)
    np.histogram(f, 4)
    np.histogram(f, [-1.0, 0.0, 1.0])
    np.histogram(f, 5, range=(-1, 1))
    np.histogram(f, 4, weights=g)
    np.histogram(f, 4, density=True)
    np.bincount((np.abs(f) * 3).astype(int))
    np.bincount((np.abs(f) * 3).astype(int), weights=g, minlength=12)
    np.partition(np.sort(f), 2)
    np.isreal(f)
    np.isposinf(f)
    np.median(f)
    np.array_equiv(f, f)
    np.polysub(g[:2], f)
"""))
def test_analysis(fn):
    check(fn, G, F, P, tol=1e-11)


@pytest.mark.parametrize("name", ["sqrt", "exp", "expm1", "exp2", "log", "log2", "log10", "log1p", "cbrt", "sin", "cos", "tan",
                                  "atan", "sinh", "cosh", "tanh", "asinh", "erf", "erfc", "fabs", "lgamma", "floor", "ceil",
                                  "trunc", "radians", "degrees", "isnan", "isinf", "isfinite", "modf"])
def test_math_of_one(name):
    for x in (0.3, 1.7, 5, np.float64(0.7)):
        check(lambda m, x: getattr(m, name)(x), x, real=math, module=MATH, tol=1e-13)


def test_math_of_more():
    check(lambda m, x, y: (m.atan2(x, y), m.hypot(x, y), m.pow(x, y), m.fmod(x, y), m.copysign(x, -y), m.log(x, 3),
                           m.ldexp(x, 3), m.isclose(x, x), m.remainder(x, y), m.dist([x, y], [1, 2])), 1.7, 0.6, real=math,
          module=MATH)
    check(lambda m, x: (m.asin(x), m.acos(x), m.atanh(x), m.acosh(1 + x)), 0.4, real=math, module=MATH)
    check(lambda m, x: m.sqrt(2 / m.pi) * x, 0.4, real=math, module=MATH)


@pytest.mark.parametrize("name, x, error",
                         [("sqrt", -1.0, ValueError), ("log", 0.0, ValueError), ("log", -2, ValueError),
                          ("acos", 1.5, ValueError), ("exp", 1000.0, OverflowError), ("sin", math.inf, ValueError),
                          ("atanh", 1.0, ValueError), ("floor", math.nan, ValueError), ("floor", math.inf, OverflowError),
                          ("fmod", (1.0, 0.0), ValueError), ("pow", (-1.0, 0.5), ValueError)])
def test_math_errors(name, x, error):
    args = x if isinstance(x, tuple) else (x,)
    with pytest.raises(error) as want:
        getattr(math, name)(*args)
    with pytest.raises(error, match=str(want.value).split(",")[0]):
        run(lambda m, *x: getattr(m, name)(*x), *args, module=MATH)


@pytest.mark.filterwarnings("ignore")
def test_scipy_special():
    special = pytest.importorskip("scipy.special")
    x, y = np.array([-30.0, -0.5, 0.0, 0.3, 40.0]), np.array([0.2, 0.0, 0.7, 2.0, np.nan])
    for name in ("erf", "erfc", "expit", "gammaln", "psi"):
        ufunc = getattr(special, name)
        check(lambda np, x, ufunc=ufunc: ufunc(x), np.abs(x) + 0.1 if name in ("gammaln", "psi") else x)
    check(lambda np, x, y: (special.xlogy(x, y), special.xlog1py(x, y), special.logit(np.abs(np.sin(x)))), x, y)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("order", [1, -1, 2, -2, np.inf, -np.inf, "nuc"])
def test_norms_of_nothing(order):
    compiled = tg.jit(lambda a: np.linalg.norm(a, order))
    for shape in ((0, 0), (0, 3), (3, 0), (2, 2), (3, 3), (4, 4), (5, 5), (0, 0)):      # lengths of run time at the end
        a = np.ones(shape)
        try:
            want = np.linalg.norm(a, order)
        except ValueError as error:
            with pytest.raises(ValueError, match=str(error)):
                compiled(a)
        else:
            np.testing.assert_allclose(compiled(a), want, rtol=1e-12, atol=1e-15)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("order", [1.0, 2.0, 3, 1.5, -1.0, 0, np.inf, -np.inf])
def test_a_norm_whose_order_is_an_argument(order):
    x = np.array([1.0, -3.5, 0.25, 2.25])
    f = tg.jit(lambda x, p: np.linalg.norm(x, ord=p))
    for found in (f(x, order), f.interpret(x, order)):
        np.testing.assert_allclose(found, np.linalg.norm(x, ord=order), rtol=1e-15)
    np.testing.assert_allclose(tg.grad(f)(x, order), tg.grad(lambda x: np.linalg.norm(x, ord=order))(x), rtol=1e-14)
    if type(order) is float and 0 < order < np.inf:
        tg.check_grads(f, (x, order), order=2)
        np.testing.assert_array_equal(tg.grad(f)(np.zeros(2), 2.0), [0.0, 0.0])


def test_the_smallest_of_no_elements_is_no_norm():
    f = tg.jit(lambda x, p: np.linalg.norm(x, ord=p))
    assert f(np.zeros(0), 2.0) == 0
    with pytest.raises(ValueError, match="zero-size array to reduction operation minimum"):
        f(np.zeros(0), -np.inf)
