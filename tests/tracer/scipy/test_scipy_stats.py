"""scipy.stats in traced code: the methods of distributions against SciPy, derivatives in the argument and in all parameters."""
import numpy as np
import pytest
import scipy.stats as ss
from tracegrad.ir.errors import UnsupportedError

import tracegrad as tg

X = np.array([[-0.7, 0.2, 0.9], [1.6, 3.0, 0.55]])
Q = np.array([0.05, 0.3, 0.5, 0.85, 0.99])
# family -> its shapes; the argument is loc + scale * x with x from a support that fits
CONTINUOUS = {
    "norm": (), "uniform": (), "expon": (), "gamma": (2.3,), "beta": (1.7, 2.6), "t": (3.4,), "chi2": (3.6,), "f": (5.2, 7.4),
    "lognorm": (0.8,), "cauchy": (), "laplace": (), "logistic": (), "gumbel_r": (), "gumbel_l": (), "weibull_min": (1.8,),
    "pareto": (2.7,), "rayleigh": (), "halfnorm": (), "halfcauchy": (), "invgamma": (3.3,), "truncnorm": (-1.2, 2.1),
    "skewnorm": (1.4,), "loguniform": (0.3, 4.0),
}
DISCRETE = {"poisson": (2.3,), "binom": (7, 0.35), "nbinom": (3.5, 0.4), "geom": (0.3,), "bernoulli": (0.6,)}
LOC, SCALE = 0.25, 1.3
NO_PPF, NO_ENTROPY = ("skewnorm",), ("skewnorm", "poisson", "binom", "nbinom")


def methods(name):
    if name in DISCRETE:
        return ("pmf", "logpmf", "cdf", "sf", "logcdf", "logsf")
    return ("pdf", "logpdf", "cdf", "sf", "logcdf", "logsf")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.sweep(12)
@pytest.mark.parametrize("name", [*CONTINUOUS, *DISCRETE])
def test_values(name):
    d, shapes = getattr(ss, name), (CONTINUOUS | DISCRETE)[name]
    scale = {} if name in DISCRETE else {"scale": SCALE}
    x = np.array([[-1.0, 0, 1], [2, 2.5, 6]]) if name in DISCRETE else X
    x = np.concatenate((x, [[np.nan, np.inf, -np.inf]]))

    def all_of(x, q, shapes, loc, scale):
        frozen = d(*shapes, loc=loc, **scale)
        found = [getattr(d, m)(x, *shapes, loc=loc, **scale) for m in methods(name)]
        found += [d.mean(*shapes, loc=loc, **scale), d.var(*shapes, loc=loc, **scale), d.std(*shapes, loc, **scale)]
        found += [frozen.cdf(x), frozen.mean()]
        if name in CONTINUOUS and name not in NO_PPF:
            found += [d.ppf(q, *shapes, loc=loc, **scale), d.isf(q, *shapes, loc=loc, **scale), d.median(*shapes)]
        if name not in NO_ENTROPY:
            found.append(d.entropy(*shapes, loc=loc, **scale))
        return found

    loc = 0.0 if name in DISCRETE else LOC
    args = (x, np.concatenate((Q, [0.0, 1.0, 1.5, np.nan])), tuple(map(float, shapes)), loc, scale)
    for k, (found, right) in enumerate(zip(tg.jit(all_of)(*args), all_of(*args), strict=True)):
        np.testing.assert_allclose(found, right, rtol=2e-11, atol=1e-14, err_msg=str(k))
        assert np.shape(found) == np.shape(right)
        assert np.asarray(found).dtype == np.float64
    bad = tg.jit(lambda x, loc: getattr(d, methods(name)[0])(x, *[-s for s in shapes], loc=loc))(x, 0.0)
    np.testing.assert_array_equal(np.isnan(bad), np.isnan(getattr(d, methods(name)[0])(x, *[-s for s in shapes], loc=0.0)))


@pytest.mark.sweep(10)
@pytest.mark.parametrize("name", CONTINUOUS)
def test_derivatives(name):
    d, shapes = getattr(ss, name), CONTINUOUS[name]
    u = np.array([0.2, 0.45, 0.8])
    x = LOC + SCALE * d.ppf(u, *shapes)

    def total(x, u, loc, scale, *shapes):
        found = (d.logpdf(x, *shapes, loc=loc, scale=scale) + 0.7 * d.cdf(x, *shapes, loc, scale)
                 + 0.4 * d.logsf(x, *shapes, loc=loc, scale=scale) - 0.3 * d.logcdf(x, *shapes, loc=loc, scale=scale))
        if name not in NO_PPF:
            found = found + 0.2 * d.ppf(u, *shapes, loc=loc, scale=scale)
        return np.sum(found * np.array([1.0, 1.5, 0.7]))

    tg.check_grads(total, (x, u, LOC, SCALE, *shapes), order=1)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", DISCRETE)
def test_derivatives_of_discrete_ones(name):
    d, shapes = getattr(ss, name), DISCRETE[name]
    k = np.array([1.0, 2.0, 3.0]) if name != "bernoulli" else np.array([0.0, 1.0])
    for m in ("logpmf", "cdf", "sf"):
        f = getattr(d, m)
        fixed = shapes[:1] if name == "binom" else ()

        def total(*free, f=f, fixed=fixed):
            return np.sum(f(k, *fixed, *free))

        tg.check_grads(total, shapes[len(fixed):], order=1)


@pytest.mark.sweep(6, days=True)
def test_multivariate_normal():
    cov, mean = np.array([[2.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 0.7]]), np.array([0.1, 0.2, -0.3])
    x = np.array([[0.3, 0.7, 1.5], [0.1, 0.2, 0.3]])
    captured = ss.multivariate_normal(mean, cov)
    for f in (lambda x, m, c: ss.multivariate_normal.logpdf(x, m, c),
              lambda x, m, c: ss.multivariate_normal.pdf(x, mean=m, cov=c),
              lambda x, m, c: ss.multivariate_normal(m, c).logpdf(x), lambda x, m, c: captured.logpdf(x),
              lambda x, m, c: ss.multivariate_normal.logpdf(x, cov=2.5 * np.eye(3)),
              lambda x, m, c: ss.multivariate_normal.entropy(m, c)):
        for points in (x, x[0], x[:1], x[None], x[:0]):
            found, right = tg.jit(f)(points, mean, cov), f(points, mean, cov)
            np.testing.assert_allclose(found, right, rtol=1e-13)
            assert np.shape(found) == np.shape(right) and type(found) is type(right)
    tg.check_grads(lambda x, m, c: np.sum(ss.multivariate_normal.logpdf(x, m, (c + c.T) / 2)), (x, mean, cov), order=2)


RNG = np.random.default_rng(3)
ROOT = RNG.standard_normal((4, 2))
RANKS = {"2 of 4": ROOT @ ROOT.T, "4": ROOT @ ROOT.T + np.eye(4), "2, equal": np.diag([1.0, 1.0, 0.0, 0.0])}


@pytest.mark.sweep(9, days=True)
@pytest.mark.parametrize("cov", RANKS.values(), ids=list(RANKS))
def test_multivariate_normal_on_a_space(cov):
    normal, mean, coordinates = ss.multivariate_normal, RNG.standard_normal(4), RNG.standard_normal((5, 2))
    basis = np.linalg.svd(cov)[0][:, :2]
    inside = mean + coordinates @ basis.T
    captured = normal(mean, cov, allow_singular=True)

    def values(x, m, c):
        return (normal.logpdf(x, m, c, allow_singular=True), normal.pdf(x[0], m, c, True), captured.logpdf(x),
                normal.entropy(m, c), normal.pdf(m + 1.0, m, c, allow_singular=True))

    points = np.vstack((inside, inside + 1.0))
    for expected, found in zip(values(points, mean, cov), tg.jit(values)(points, mean, cov), strict=True):
        assert np.shape(expected) == np.shape(found)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    with tg.disable_jit():
        tg.check_grads(lambda t, m, s: (normal.logpdf(m + t @ basis.T, m, s * cov, allow_singular=True),
                                        normal.entropy(m, s * cov)),
                       (coordinates, mean, 1.3), order=2)


@pytest.mark.sweep(4, days=True)
def test_multivariate_normal_as_its_space_turns():
    mean, coordinates = np.arange(4.0), RNG.standard_normal((3, 2))
    with tg.disable_jit():
        tg.check_grads(lambda a, t: ss.multivariate_normal.logpdf(mean + t @ a.T, mean, a @ a.T, allow_singular=True),
                       (ROOT, coordinates), order=2)
    with pytest.raises(ValueError, match="positive semidefinite"):
        tg.jit(lambda c: ss.multivariate_normal.logpdf(np.zeros(2), None, c, allow_singular=True))(np.diag([1.0, -1.0]))


def test_t_of_infinite_degrees_of_freedom():
    df = np.array([2.5, np.inf])
    for f in (lambda df: ss.t.pdf(0.7, df), lambda df: ss.t.cdf(0.7, df), lambda df: ss.t.var(df), lambda df: ss.t.entropy(df),
              lambda df: ss.t.ppf(0.7, df)):
        np.testing.assert_allclose(tg.jit(f)(df), f(df), rtol=1e-12)
    found = tg.jit(lambda s: ss.norm.interval(0.9, scale=s))(2.0)
    np.testing.assert_allclose(found, ss.norm.interval(0.9, scale=2.0), rtol=1e-13)


def test_captured_and_inner_frozen_distributions():
    captured = ss.gamma(2.0, scale=2.0)
    x = np.array([0.3, 0.7, 1.5])
    np.testing.assert_allclose(tg.jit(lambda x: captured.cdf(x))(x), captured.cdf(x), rtol=1e-15)
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(captured.cdf(x)))(x), captured.pdf(x), rtol=1e-13)
    found = tg.grad(lambda m: np.sum(ss.norm(m, 2.0).logpdf(x)))(0.1)
    np.testing.assert_allclose(found, np.sum((x - 0.1) / 4), rtol=1e-13)


def test_what_is_refused():
    for f, name in ((lambda x: ss.norm.rvs(x), "norm.rvs"), (lambda x: ss.kstest(x, "norm"), "kstest"),
                    (lambda x: ss.zipf.cdf(x, 3.0), "zipf.cdf"), (lambda x: ss.zipf(x).cdf(2.0), "zipf.cdf")):
        with pytest.raises(UnsupportedError, match=f"scipy.stats.{name} cannot be compiled"):
            tg.jit(f)(X[0])
    with pytest.raises(TypeError, match="unexpected"):
        tg.jit(lambda x: ss.norm.pdf(x, shape=2.0))(X)


@pytest.mark.parametrize("name", ["tvar", "tstd", "tsem"])
def test_trimmed_moments(name):
    a = np.random.default_rng(4).standard_normal((6, 5))
    for f, x in ((lambda a: getattr(ss, name)(a), a), (lambda a: getattr(ss, name)(a, (-1, 0.5), (False, True), axis=None), a),
                 (lambda a: getattr(ss, name)(a, (-1.5, None), axis=1, ddof=0, keepdims=True), a.astype(np.float32)),
                 *((lambda a: getattr(ss, name)(a), x) for x in (np.arange(5), np.array([1.0, np.nan, 2.0])))):
        found, right = tg.jit(f)(x), f(x)
        np.testing.assert_allclose(found, right, rtol=1e-5 if x.dtype == np.float32 else 1e-12)
        assert np.shape(found) == np.shape(right) and found.dtype == right.dtype
    tg.check_grads(lambda a: np.sum(getattr(ss, name)(a, (-2.0, 2.0))), (a,), order=1)
    with pytest.raises(ValueError, match="within given limits"):
        tg.jit(lambda a: getattr(ss, name)(a, (9, 10)))(a)


@pytest.mark.sweep(3)
@pytest.mark.parametrize("n", [2, 3, 9, 33, 34])
def test_kendall(n):
    x, y = np.random.default_rng(n).standard_normal((2, n))
    for pair in ((x, y), (x, x * 2), (np.round(x), np.round(y))):
        for how in ("two-sided", "less"):
            np.testing.assert_allclose(tg.jit(lambda x, y, how=how: tuple(ss.kendalltau(x, y, alternative=how)))(*pair),
                                       ss.kendalltau(*pair, alternative=how), rtol=1e-12)
