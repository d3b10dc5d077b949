"""Distributions of scipy.stats whose class in SciPy is traced: densities and distribution functions, with derivatives."""
import numpy as np
import pytest
import scipy.optimize as so
import scipy.stats as ss

import tracegrad as tg

# name -> parameters; more than these have programs
FAMILIES = {
    "alpha": (3.6,), "anglit": (), "arcsine": (), "bradford": (0.3,), "burr": (10.5, 4.3), "burr12": (10.0, 4.0),
    "chi": (78.0,),
    "cosine": (), "dgamma": (1.1,), "dweibull": (2.07,), "erlang": (10.0,), "exponnorm": (1.5,), "exponweib": (2.9, 1.95),
    "fatiguelife": (2.0,), "fisk": (3.1,), "foldcauchy": (4.7,), "foldnorm": (1.95,), "genextreme": (-0.1,),
    "gengamma": (4.4, 3.1), "genhalflogistic": (0.77,), "genlogistic": (0.41,), "gennorm": (1.3,), "genpareto": (0.1,),
    "gibrat": (), "gompertz": (0.95,), "halfgennorm": (0.67,), "halflogistic": (), "hypsecant": (), "invweibull": (10.6,),
    "johnsonsb": (4.3, 3.2), "johnsonsu": (2.55, 2.2), "kappa3": (1.0,), "laplace_asymmetric": (2.0,), "levy": (),
    "loggamma": (0.41,), "loglaplace": (3.3,), "lomax": (1.9,), "maxwell": (), "mielke": (10.4, 4.6), "moyal": (),
    "nakagami": (4.97,), "norminvgauss": (1.25, 0.5), "powerlaw": (1.66,), "powernorm": (4.45,), "rdist": (1.6,),
    "semicircular": (), "skewcauchy": (0.5,), "trapezoid": (0.2, 0.8), "triang": (0.16,), "truncexpon": (4.7,), "wald": (),
    "weibull_max": (2.9,), "wrapcauchy": (0.031,), "vonmises": (3.99,), "skewnorm": (4.0,),
}
DISCRETE = {
    "boltzmann": (1.4, 19), "dlaplace": (0.8,), "logser": (0.6,), "planck": (0.51,), "randint": (7, 31), "yulesimon": (11.0,),
    "zipf": (6.5,), "betabinom": (5, 2.3, 0.63), "geom": (0.5,),
}
WITHOUT_CDF = {"cosine", "norminvgauss", "logser", "zipf", "betabinom"}          # which SciPy sums or compiles
Q = np.array([0.1, 0.4, 0.85])


@pytest.mark.sweep(21)
@pytest.mark.parametrize("name", FAMILIES)
def test_continuous(name):
    dist, shapes = getattr(ss, name), FAMILIES[name]
    x = dist.ppf(Q, *shapes, loc=0.5, scale=1.5)
    for method in ("pdf", "logpdf") if name in WITHOUT_CDF else ("pdf", "logpdf", "cdf", "logsf"):
        def f(x, shapes, loc, scale, method=method):
            return getattr(dist, method)(x, *shapes, loc=loc, scale=scale)

        beyond = np.array([*x, np.nan, -1e3, 1e3])
        np.testing.assert_allclose(tg.jit(f)(beyond, shapes, 0.5, 1.5), f(beyond, shapes, 0.5, 1.5), rtol=1e-9, atol=1e-15)

    def total(x, shapes, loc, scale):
        return np.sum(dist.logpdf(x, *shapes, loc=loc, scale=scale))

    tg.check_grads(total, (x, shapes, 0.5, 1.5), order=1)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", DISCRETE)
def test_discrete(name):
    dist, shapes = getattr(ss, name), DISCRETE[name]
    k = np.array([*dist.ppf(Q, *shapes), 1.5, -3.0, np.nan])
    for method in ("pmf", "logpmf") if name in WITHOUT_CDF else ("pmf", "logpmf", "cdf"):
        def f(k, shapes, method=method):
            return getattr(dist, method)(k, *shapes)

        np.testing.assert_allclose(tg.jit(f)(k, shapes), f(k, shapes), rtol=1e-9, atol=1e-15)


def test_draws_are_those_of_scipy():
    for dist, shapes in ((ss.norm, ()), (ss.gamma, (1.7,)), (ss.expon, ()), (ss.beta, (2.0, 0.7)), (ss.poisson, (3.5,))):
        def f(loc, shapes, rng, dist=dist):
            return dist.rvs(*shapes, loc=loc, size=5, random_state=rng)

        found, right = (g(1, shapes, np.random.default_rng(3)) for g in (tg.jit(f), f))
        np.testing.assert_allclose(found, right, rtol=1e-14)
        assert found.dtype == right.dtype


def test_densities_of_vectors():
    p, a = np.array([0.2, 0.3, 0.5]), np.array([1.5, 2.0, 0.7])
    covariance = np.array([[2.0, 0.3], [0.3, 1.0]])
    for f, args in ((lambda p, a: ss.dirichlet.logpdf(p, a), (p, a)),
                    (lambda s: ss.wishart.logpdf(s, 5, s * 0.7), (covariance,))):
        np.testing.assert_allclose(tg.jit(f)(*args), f(*args), rtol=1e-12)


KDE = ss.gaussian_kde(np.array([0.2, 1.1, 1.4, 2.9]), bw_method=0.6)
PLANE = np.array([[0.1, 0.9, 1.4, 2.0, -0.3], [1.2, 0.3, -0.5, 0.8, 0.4]])


@pytest.mark.sweep(3)
@pytest.mark.parametrize("f", [
    lambda x, d: ss.gaussian_kde(d)(x), lambda x, d: ss.gaussian_kde(d, "silverman").logpdf(x), lambda x, d: KDE(x[0]),
    lambda x, d: ss.gaussian_kde(d, 0.7, weights=d[0] ** 2 + 1).pdf(x)], ids=["built", "log", "captured", "weighted"])
def test_estimates_of_densities(f):
    x = PLANE[:, ::2] + 0.3
    np.testing.assert_allclose(tg.jit(f)(x, PLANE), f(x, PLANE), rtol=1e-12)
    tg.check_grads(lambda x, d: np.sum(f(x, d)), (x, PLANE), order=1)


def test_roots_of_what_depends_on_an_argument():
    def root(x):
        return so.brentq(lambda q: q * q - x, 0.0, 3.0)

    assert tg.jit(root)(2.0) == pytest.approx(2.0**0.5) and tg.grad(root)(2.0) == pytest.approx(0.5 / 2.0**0.5)
    assert tg.jit(lambda x: so.brentq(lambda q: q * q - 4.0, 0.0, 3.0) * x)(2.0) == pytest.approx(4.0)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", [
    lambda a: ss.gamma(a).stats(moments="mvsk"), lambda a: ss.norm.stats(a, 2.0), lambda a: ss.t.stats(a + 5.5, moments="sk"),
    lambda a: ss.beta(a, 2.0).stats(), lambda a: ss.binom.stats(10, a / 5, moments="mvk"),
    lambda a: ss.norm(0.0, a).stats("mv"),
    lambda a: ss.norm(a).interval(confidence=0.9), lambda a: (ss.norm(loc=a).cdf(x=0.3), ss.norm(0.0, a).ppf(q=0.3))])
def test_moments_and_named_arguments(f):
    found, right = tg.jit(f)(1.3), f(1.3)
    assert [type(v) for v in found] == [type(v) for v in right]
    np.testing.assert_allclose(found, right, rtol=1e-12)
    tg.check_grads(lambda a: sum(f(a)), (1.3,), order=1)


def test_moments_without_a_formula():
    with pytest.raises(tg.UnsupportedError, match="skewness"):
        tg.jit(lambda a: ss.weibull_min(a).stats(moments="s"))(1.3)


FROZEN = ss.norm(0.5, 2.0)


def test_moments_of_a_captured_distribution():
    assert tg.jit(lambda a: a * FROZEN.stats(moments="v") + FROZEN.interval(confidence=a / 2)[1])(1.0) == pytest.approx(
        4.0 + FROZEN.interval(0.5)[1])


def _equal(f, *args, rtol=1e-12):
    found, right = tg.jit(f)(*args), f(*args)
    for a, b in zip(*[v if isinstance(v, tuple) else (v,) for v in (found, right)]):
        np.testing.assert_allclose(a, b, rtol=rtol)


def test_raw_moments_and_supports():
    def moments(a, loc, scale):
        return ss.gamma.moment(3, a, loc, scale), ss.gamma.moment(4, a, loc, scale), ss.norm(loc, scale).moment(order=2)

    _equal(moments, 1.3, 0.4, 1.5)
    tg.check_grads(lambda *a: sum(moments(*a)), (1.3, 0.4, 1.5), order=1)
    _equal(lambda a: (ss.weibull_min.moment(5, a), ss.norm.moment(0, a)), 1.3)
    _equal(lambda m: ss.poisson.moment(3, m, loc=1), np.array([2.3, -1.0, np.nan]))
    _equal(lambda a, s: (*ss.gamma.support(a, 0.5, s), *ss.uniform(s, 2.0).support()), np.array([1.3, -1.0]), 1.5)
    with pytest.raises(ValueError, match="positive"):
        tg.jit(lambda a: ss.gamma.moment(-1, a))(1.3)


def test_supports_of_integers():
    for f, n in ((lambda n: ss.binom.support(n, 0.3), 5), (lambda n: ss.binom.support(n, 0.3, 1.5), np.array([5, 6])),
                 (lambda n: ss.binom(n, 0.3).support(), 5.0), (lambda n: ss.poisson.support(2.0, n), 1)):
        found, right = tg.jit(f)(n), f(n)
        np.testing.assert_array_equal(found, right)
        assert [np.asarray(v).dtype for v in found] == [np.asarray(v).dtype for v in right]
    with pytest.raises(ValueError, match="outside of its domain"):
        tg.jit(lambda p: ss.binom.support(5, p))(2.0)


def test_tails_of_the_skew_normal():
    """The integral of the density 2 φ(t) Φ(a t), by mpmath to 40 digits; SciPy's own is right to 9."""
    exact = {(-5.0, 1.0): 8.2169123660812674e-14, (-1.0, 4.0): 8.1796903390645501e-7, (-0.1, 30.0): 1.0103424081800578e-5,
             (-9.0, 0.5): 6.0958251099321775e-25, (-3.0, 2.0): 5.5966222878363664e-13}
    f = tg.jit(lambda x, a: (ss.skewnorm.cdf(x, a), ss.skewnorm.logsf(-x, -a)))
    for (x, a), right in exact.items():
        np.testing.assert_allclose(f(x, a), (right, np.log(right)), rtol=1e-13)
    x = np.array([-4.0, -1.0, 0.0, 0.3, 5.0])
    np.testing.assert_allclose(f(x, 2.0)[0], ss.skewnorm.cdf(x, 2.0), rtol=1e-8)
    tg.check_grads(lambda x, a: np.sum(ss.skewnorm.logcdf(x, a)), (x[:2], 2.0), order=1)


def test_von_mises_on_both_sides_of_the_approximation():
    x, kappa = np.linspace(-7.0, 9.0, 11), np.array([[0.0], [3.5], [49.9], [50.1]])
    f = tg.jit(lambda x, k: ss.vonmises.cdf(x, k))
    np.testing.assert_allclose(f(x, kappa), ss.vonmises.cdf(x, kappa), rtol=1e-12, atol=1e-13)
    tg.check_grads(lambda x, k: np.sum(ss.vonmises.cdf(x, k)), (x, 3.5), order=1)


def test_quantiles_at_the_ends():
    q = np.array([0.0, 1e-10, 0.3, 0.999, 1.0, -0.1, 1.1, np.nan])
    for dist, shapes in ((ss.poisson, (3.2,)), (ss.geom, (0.4,)), (ss.nbinom, (4.0, 0.3)), (ss.bernoulli, (0.3,)),
                         (ss.cauchy, ())):
        bad = tuple(np.array([[v], [-v - 0.5], [np.nan]]) for v in shapes)
        _equal(lambda q, s, d=dist: d.ppf(q, *s), q, bad)
        if dist not in (ss.nbinom, ss.bernoulli):                                     # whose isf is compiled code
            _equal(lambda q, s, d=dist: (d.ppf(q, *s), d.isf(q, *s)), q, shapes)
    _equal(lambda x: ss.cauchy.logpdf(x), np.array([1e200, -1e160, 0.3, 0.0, np.inf, -np.inf]))


def test_probabilities_next_to_one_keep_their_digits():
    x = np.array([0.3, 2.0, 40.0, 60.0])
    for dist, shapes in ((ss.gamma, (2.3,)), (ss.expon, ()), (ss.laplace, ()), (ss.weibull_min, (1.2,)), (ss.norm, ())):
        _equal(lambda x, s, d=dist: (d.logcdf(x, *s), d.logsf(-x, *s), d.logsf(x, *s)), x, shapes, rtol=1e-9)
    _equal(lambda x: ss.gumbel_r.logsf(x), np.array([-5.0, -4.0, 0.3, 50.0]), rtol=1e-9)
    slope = tg.grad(lambda x: ss.expon.logcdf(x))(50.0)
    assert slope == pytest.approx(np.exp(-50.0), rel=1e-12)


LOOSE = np.array([[2.0, 0.3, 0.1], [0.3, 1.0, 0.2], [0.1, 0.2, 1.5]])
SHARES, COUNTS, POINTS = np.array([0.2, 0.3, 0.5]), np.array([1, 2, 3]), np.array([[0.2, -0.3, 1.0], [0.5, 0.1, 0.0]])
HELD = ss.dirichlet(SHARES * 4), ss.multivariate_t(np.zeros(3), LOOSE, 3.0), ss.multinomial(6, SHARES), ss.wishart(6, LOOSE)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f, args", [
    (lambda x, c, df: (ss.multivariate_t.logpdf(x, np.zeros(3), c, df), ss.multivariate_t(x[0], c, df=df).pdf(x)),
     (POINTS, LOOSE, 3.5)),
    (lambda x, c, df: ss.multivariate_t.logpdf(x, np.zeros(3), c, df), (POINTS, LOOSE, np.inf)),
    (lambda p: (ss.multinomial.logpmf(COUNTS, 6, p), ss.multinomial(6, p).pmf(np.array([[1, 2, 3], [2, 2, 1], [-1, 4, 3]])),
                ss.multinomial.cov(6, p), ss.multinomial.mean(np.array([6, -1]), p)), (SHARES,)),
    (lambda a: (ss.dirichlet(a).logpdf(SHARES), ss.dirichlet(a).mean(), ss.dirichlet.var(a)), (SHARES * 5,)),
    (lambda c: (ss.wishart(6, c).logpdf(c + np.eye(3)), ss.wishart.mean(6, c)), (LOOSE,)),
    (lambda p, x, c: (HELD[0].logpdf(p), HELD[1].logpdf(x), HELD[2].pmf(COUNTS + 0 * p), HELD[3].logpdf(c)),
     (SHARES, POINTS, LOOSE))], ids=["t", "normal", "multinomial", "dirichlet", "wishart", "captured"])
def test_frozen_distributions_of_vectors(f, args):
    _equal(f, *args)


@pytest.mark.sweep(2, days=True)
def test_slopes_of_densities_of_vectors():
    tg.check_grads(lambda x, c, df: np.sum(ss.multivariate_t.logpdf(x, np.zeros(3), c, df)), (POINTS, LOOSE, 3.3), order=1)
    p = SHARES * np.array([1.0, 1.0, 0.9])
    for q in (p, SHARES):
        found = tg.grad(lambda p: np.sum(ss.multinomial.logpmf(COUNTS, 6, p)))(q)
        np.testing.assert_allclose(found, [*(COUNTS[:2] / q[:2] - 3 / (1 - q[0] - q[1])), 0.0], rtol=1e-12)
    with pytest.raises(ValueError, match="greater than zero"):
        tg.jit(lambda x, df: ss.multivariate_t.logpdf(x, np.zeros(3), LOOSE, df))(POINTS, -1.0)
