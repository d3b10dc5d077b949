"""Functions of scipy.special in traced code: values against SciPy, derivatives against difference quotients and known ones."""
import math

import numpy as np
import pytest
import scipy.special as sp
from tracegrad.ir.errors import UnsupportedError

import tracegrad as tg

RNG = np.random.default_rng(5)
REAL = np.concatenate([RNG.uniform(-4, 4, 60), RNG.uniform(-36, 36, 40), [0.0, -0.0, 1.0, np.inf, -np.inf, np.nan]])
INSIDE = RNG.uniform(0.01, 0.99, 40)
ABOVE = np.concatenate([RNG.uniform(0.01, 4, 40), RNG.uniform(1, 150, 40), [1.0, 2.0, 0.5]])
SIGNED = np.concatenate([ABOVE, RNG.uniform(-30, 0, 60), [0.0, -0.0, 171.6, 172.0, np.inf, np.nan, -1.0]])
ONE = {"expit": REAL, "log_expit": REAL, "logit": INSIDE, "ndtr": REAL, "log_ndtr": REAL[REAL < 30], "exp10": REAL,
       "gamma": SIGNED, "gammaln": ABOVE, "psi": ABOVE, "entr": REAL, "exprel": REAL, "erf": REAL, "erfc": REAL[REAL < 5],
       "erfinv": np.concatenate([2 * INSIDE - 1, [0.0, -0.0, 1e-9, 1 - 1e-12, 1.0, -1.0, 1.5, np.nan]]),
       "ndtri": np.concatenate([INSIDE, [0.5, 1e-12, 1e-290, 1 - 1e-12, 0.0, 1.0, 2.0, np.nan]]),
       "erfcinv": np.concatenate([2 * INSIDE, [1.0, 1e-12, 1e-290, 0.0, 2.0, -1.0]]), "rgamma": ABOVE,
       "log1p": ABOVE, "expm1": REAL, "cbrt": REAL, "exp2": REAL, "round": REAL}
TWO = ("xlogy", "xlog1py", "rel_entr", "kl_div", "huber", "pseudo_huber", "boxcox", "beta", "betaln", "inv_boxcox")


def compiled(name):
    return tg.jit(lambda *args: getattr(sp, name)(*args))


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", ONE)
def test_one_argument(name):
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(compiled(name)(ONE[name]), getattr(sp, name)(ONE[name]), rtol=2e-13, atol=1e-16)
        single = ONE[name][:40].astype(np.float32)
        got = compiled(name)(single)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, getattr(sp, name)(single), rtol=3e-5)


@pytest.mark.parametrize("name", TWO)
def test_two_arguments(name):
    a, b = np.array([0.0, 0.5, 1.0, 2.5, 0.0, 3.0, -1.0, 4.0]), np.array([0.0, 1.5, 1.0, 0.25, 2.0, 0.0, 2.0, 0.5])
    if name.startswith(("beta", "inv")):
        a, b = np.abs(a) + 0.25, np.abs(b) + 0.5
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(compiled(name)(a, b), getattr(sp, name)(a, b), rtol=1e-12)
        np.testing.assert_allclose(compiled(name)(a[:, None], 1.5), getattr(sp, name)(a[:, None], 1.5), rtol=1e-12)


@pytest.mark.sweep(3)
@pytest.mark.parametrize(("name", "args"), [
    *[(n, (0.7,)) for n in ONE if n != "round"], *[(n, (-2.3,)) for n in ("gamma", "log_ndtr", "log_expit", "exprel")],
    *[(n, (0.7, 1.3)) for n in TWO], ("log_ndtr", (-25.0,)), ("log_ndtr", (3.0,)), ("gamma", (40.5,)), ("huber", (0.5, 2.0))])
def test_derivatives(name, args):
    f = getattr(sp, name)

    def loss(*args):
        return f(*args)

    for k, x in enumerate(args):
        h = 1e-6 * max(1.0, abs(x))
        moved = [[*args[:k], x + s * h, *args[k + 1:]] for s in (1, -1)]
        slope = (f(*moved[0]) - f(*moved[1])) / (2 * h)
        got = tg.grad(loss, argnums=k)(*args)
        np.testing.assert_allclose(got, slope, rtol=2e-6, atol=1e-8)
        tangent = tuple(1.0 if j == k else 0.0 for j in range(len(args)))
        np.testing.assert_allclose(tg.jvp(loss, args, tangent)[1], got, rtol=1e-12)


def test_known_derivatives():
    for x in (3.3, -3.3, 0.4):
        assert math.isclose(tg.grad(lambda v: sp.gamma(v))(x), sp.gamma(x) * sp.psi(x), rel_tol=1e-13)
        assert math.isclose(tg.grad(tg.grad(lambda v: sp.gamma(v)))(x), sp.gamma(x) * (sp.psi(x)**2 + sp.polygamma(1, x)),
                            rel_tol=1e-10)
    assert tg.grad(lambda v: sp.exprel(v))(0.0) == 0.5
    for x in (0.0, 0.3, -0.7, 0.99):
        y, first = sp.erfinv(x), tg.grad(lambda v: sp.erfinv(v))
        slope = math.sqrt(math.pi) / 2 * math.exp(y * y)
        np.testing.assert_allclose([first(x), tg.grad(first)(x)], [slope, 2 * y * slope**2], rtol=1e-13, atol=1e-14)


A = RNG.standard_normal((4, 5))
A[0, 0] = -np.inf


@pytest.mark.parametrize("kwargs", [{}, {"axis": 1}, {"axis": 0, "keepdims": True}, {"axis": (0, 1)}, {"b": np.full(5, 2.0)},
                                    {"axis": 1, "b": np.array([1.0, 0.0, -1.0, 2.0, 3.0]), "return_sign": True}], ids=str)
def test_logsumexp(kwargs):
    got, expected = tg.jit(lambda a: sp.logsumexp(a, **kwargs))(A), sp.logsumexp(A, **kwargs)
    for g, e in zip(*((x if isinstance(x, tuple) else (x,)) for x in (got, expected)), strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-13)
        assert np.shape(g) == np.shape(e)


def test_softmax_and_its_kind():
    for kwargs in ({}, {"axis": 0}, {"axis": -1}):
        np.testing.assert_allclose(tg.jit(lambda a, kwargs=kwargs: sp.softmax(a, **kwargs))(A), sp.softmax(A, **kwargs),
                                   rtol=1e-13)
        np.testing.assert_allclose(tg.jit(lambda a, kwargs=kwargs: sp.log_softmax(a, **kwargs))(A[1:]),
                                   sp.log_softmax(A[1:], **kwargs), rtol=1e-12)
    np.testing.assert_allclose(tg.jit(sp.softmax)([1, 2, 3]), sp.softmax([1, 2, 3]))
    np.testing.assert_allclose(tg.jit(lambda a: sp.multigammaln(a, 3))(4.5), sp.multigammaln(4.5, 3), rtol=1e-13)
    x = A[1]
    np.testing.assert_allclose(tg.grad(lambda v: sp.logsumexp(v))(x), sp.softmax(x), rtol=1e-13)
    assert np.isfinite(tg.grad(lambda v: sp.logsumexp(v))(A[0])).all()


def test_math_gamma():
    for x in (4.0, -2.5, 20.5, 1e-3, -1e-308, -1e-200, -3e-170, -1e-19, -1e-21, 1e-21, -170.5, -171.5, -177.5, -1000.5):
        assert math.isclose(tg.jit(lambda v: math.gamma(v))(x), math.gamma(x), rel_tol=2e-15)
    with pytest.raises(ValueError, match=r"math domain error|expected a noninteger"):
        tg.jit(lambda v: math.gamma(v))(-3.0)
    with pytest.raises(OverflowError):
        tg.jit(lambda v: math.gamma(v))(200.0)


def test_refused():
    with pytest.raises(UnsupportedError, match="mathieu_a cannot be compiled"):
        tg.jit(lambda x: sp.mathieu_a(1, x))(0.5)
    with pytest.raises(UnsupportedError, match="comb with exact=True"):
        tg.jit(lambda n: sp.comb(n, 2, exact=True))(5)


def test_gammaln_at_minus_infinity():
    """SciPy's is -inf, Python's math.lgamma inf."""
    x = np.array([-np.inf, np.inf, -1.0, 0.0, 0.5])
    np.testing.assert_allclose(tg.jit(lambda x: sp.gammaln(x))(x), sp.gammaln(x), rtol=1e-14)
    assert tg.jit(lambda x: math.lgamma(x))(-math.inf) == math.inf


@pytest.mark.sweep(2, days=True)
def test_functions_of_python():
    n, k, x = np.array([5, 4, 3, -1]), np.array([2, 0, 7, 1]), np.array([0.7, 1.0, 2.5, 3.0])
    for f, args in ((lambda n, k: sp.comb(n, k), (n, k)), (lambda n, k: sp.comb(n, k, repetition=True), (n, k)),
                    (lambda n, k: sp.perm(n, k), (n, k)), (lambda n: sp.factorial(n), (n,)), (lambda x: sp.zeta(x + 1.5), (x,)),
                    (lambda x: sp.zeta(2.5, x), (x,)), (lambda x: sp.polygamma(2, x), (x,)),
                    (lambda x: sp.polygamma(0, x), (x,)),
                    (lambda n, x: sp.polygamma(n, x), (k, x)), (lambda x: sp.lambertw(x), (x,)),
                    (lambda x: sp.lambertw(-0.1 * x / 3, -1), (x,))):
        found, right = tg.jit(f)(*args), f(*args)
        np.testing.assert_allclose(found, right, rtol=4e-15)
        assert found.dtype == right.dtype
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(sp.polygamma(1, x)))(x), sp.polygamma(2, x), rtol=1e-14)
    w = sp.lambertw(x).real
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(sp.lambertw(x).real))(x), w / (x * (1 + w)), rtol=1e-13)
    assert tg.grad(lambda x: sp.lambertw(x).real)(0.0) == 1.0


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", ["erf", "erfc", "ndtr", "log_ndtr", "gamma", "rgamma", "loggamma", "erfcx", "erfi", "dawsn",
                                  "wofz", "exp1", "expi", "wrightomega"])
def test_complex_arguments(name):
    f, z = getattr(sp, name), np.array([0.4 + 0.3j, 1.2 - 0.7j])
    np.testing.assert_allclose(tg.jit(lambda z: f(z))(z), f(z), rtol=1e-15)
    single = tg.jit(lambda z: f(z))(z.astype(np.complex64))
    np.testing.assert_allclose(single, f(z.astype(np.complex64)), rtol=1e-6)
    assert single.dtype == np.complex64
    tangent = tg.jvp(lambda z: f(z), (z,), (np.ones(2, complex),))[1]
    np.testing.assert_allclose(tangent, (f(z + 1e-6) - f(z - 1e-6)) / 2e-6, rtol=1e-8)


def test_bessel_functions_of_complex_arguments():
    z = np.array([0.4 + 0.3j, 1.2 - 0.7j])
    for f in (sp.jv, sp.yv, sp.iv, sp.kv, sp.hankel1, sp.hankel2, sp.hankel1e, sp.hankel2e):
        np.testing.assert_allclose(tg.jit(lambda z, f=f: f(1.5, z))(z), f(1.5, z), rtol=1e-15)
        tangent = tg.jvp(lambda z, f=f: f(1.5, z), (z,), (np.ones(2, complex),))[1]
        np.testing.assert_allclose(tangent, (f(1.5, z + 1e-6) - f(1.5, z - 1e-6)) / 2e-6, rtol=1e-8)
