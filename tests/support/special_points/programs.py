"""Whole formulas as users write them, at the points that they start from or run into: losses, densities at the ends of their
support, distances between equal points, softened kinks, matrices with equal or vanishing values."""
from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import scipy.special as sp
import scipy.stats as st

from .arrays import Arrays, at
from .matrices import determinant, inverse, symmetric
from .points import INF, Points

ZERO = (0.0, -0.0, 0.5, -2.0)
AT_ZERO = (0.0, -0.0)
FEATURES = np.array([[1.0, 2.0, -0.5], [1.0, -1.0, 0.25], [1.0, 0.0, 3.0], [1.0, 0.5, -2.0]])
TARGETS = np.array([1.0, 0.0, 1.0, 0.0])


def exactly(a):
    return np.vectorize(mp.mpf, otypes=[object])(a)


def each(f):
    return lambda x: np.array([f(v) for v in np.ravel(x)], object).reshape(np.shape(x))


def no_slope(points, *values):
    return dict.fromkeys(points, values)


# --- one number -------------------------------------------------------------------------------------------------------------

SMOOTH = [
    Points("x * abs(x) * abs(x)", lambda x: x * np.abs(x) * np.abs(x), ZERO, lambda x: x ** 3),
    Points("x**2 * sign(x)**2", lambda x: x ** 2 * np.sign(x) ** 2, ZERO, lambda x: x ** 2),
    Points("sqrt(x**4)", lambda x: np.sqrt(x ** 4), ZERO, lambda x: x ** 2),
    Points("cbrt(x**3)", lambda x: np.cbrt(x ** 3), ZERO, lambda x: x),
    Points("hypot(3, x)", lambda x: np.hypot(3.0, x), (*ZERO, 1e-200, 1e200), lambda x: mp.sqrt(9 + x * x)),
    Points("sqrt(1 + abs(x)**2)", lambda x: np.sqrt(1.0 + np.abs(x) ** 2), ZERO, lambda x: mp.sqrt(1 + x * x)),
    Points("log1p(abs(x)**2)", lambda x: np.log1p(np.abs(x) ** 2), ZERO, lambda x: mp.log1p(x * x)),
    Points("log(cosh(x))", lambda x: np.log(np.cosh(x)), ZERO, lambda x: mp.log(mp.cosh(x))),
    Points("log of cosh without overflow",
           lambda x: np.abs(x) + np.log1p(np.exp(-2.0 * np.abs(x))) - math.log(2.0), (0.5, -2.0),
           lambda x: mp.log(mp.cosh(x))),
    Points("tanh by exp", lambda x: (1.0 - np.exp(-2.0 * x)) / (1.0 + np.exp(-2.0 * x)), ZERO, mp.tanh),
    Points("logistic by exp", lambda x: 1.0 / (1.0 + np.exp(-x)), (*ZERO, 40.0), lambda x: 1 / (1 + mp.exp(-x))),
    Points("softplus by logaddexp", lambda x: np.logaddexp(0.0, x) - x / 2, ZERO, lambda x: mp.log(2 * mp.cosh(x / 2))),
    Points("softplus by maximum", lambda x: np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x))), (0.5, -2.0),
           lambda x: mp.log1p(mp.exp(x))),
    Points("cross entropy of a logit", lambda z: np.maximum(z, 0.0) - 0.3 * z + np.log1p(np.exp(-np.abs(z))), (0.5, -2.0),
           lambda z: mp.log1p(mp.exp(z)) - mp.mpf(0.3) * z),
    Points("gelu", lambda x: x * sp.ndtr(x), (*ZERO, -9.0), lambda x: x * mp.ncdf(x)),
    Points("gelu by tanh", lambda x: 0.5 * x * (1.0 + np.tanh(0.75 * (x + 0.05 * x ** 3))), ZERO,
           lambda x: x / 2 * (1 + mp.tanh(mp.mpf(0.75) * (x + mp.mpf(0.05) * x ** 3)))),
    Points("mish", lambda x: x * np.tanh(np.logaddexp(x, 0.0)), ZERO, lambda x: x * mp.tanh(mp.log1p(mp.exp(x)))),
    Points("where(x > 0, x, 0)**3", lambda x: np.where(x > 0.0, x, 0.0) ** 3, (0.5, -2.0), lambda x: max(x, mp.mpf(0)) ** 3),
    Points("sinc of twice", lambda x: np.sinc(2.0 * x) ** 2, (*ZERO, 1e-9), lambda x: mp.sincpi(2 * x) ** 2),
    Points("expm1(x) / x away", lambda x: np.expm1(x) / x, (0.5, -1.0), lambda x: mp.expm1(x) / x),
    Points("exprel squared", lambda x: sp.exprel(x) ** 2, (*ZERO, 1e-9), lambda x: (mp.expm1(x) / x if x else mp.mpf(1)) ** 2),
    Points("versine", lambda x: sp.cosm1(x) * -2.0, (*ZERO, 1e-9), lambda x: 2 - 2 * mp.cos(x)),
    Points("power of integers", lambda x: x ** np.array(3), ZERO, lambda x: x ** 3),
    Points("power of an integer array", lambda x: x ** np.array([0]) + x ** np.array([1]) + x ** np.array([2]), ZERO,
           lambda x: 1 + x + x ** 2),
    Points("reciprocal power", lambda x: x ** -2.0, (0.5, -2.0), lambda x: x ** -2),
    Points("square of a maximum with itself", lambda x: np.maximum(x, -x) ** 2, ZERO, lambda x: x ** 2),
    Points("clipped and back", lambda x: np.clip(x, -3.0, 3.0) ** 2, ZERO, lambda x: x ** 2),
    Points("cos of a square root of a square", lambda x: np.cos(np.sqrt(x * x)), ZERO, mp.cos),
    Points("cos of hypot", lambda x: np.cos(np.hypot(x, 0.0)), ZERO, mp.cos),
    Points("cos of a norm", lambda x: np.cos(np.linalg.norm(np.stack([x, 2.0 * x]), axis=0)), ZERO,
           lambda x: mp.cos(mp.sqrt(5) * x)),
    Points("cosh of a norm", lambda x: np.cosh(np.linalg.norm(np.stack([x, 2.0 * x]), axis=0)), ZERO,
           lambda x: mp.cosh(mp.sqrt(5) * x)),
    Points("sinc of a norm", lambda x: np.sinc(np.linalg.norm(np.stack([x, 2.0 * x]), axis=0)), ZERO,
           lambda x: mp.sincpi(mp.sqrt(5) * x)),
    Points("sinc of abs", lambda x: np.sinc(np.abs(x)), ZERO, mp.sincpi),
    Points("j0 of abs", lambda x: sp.j0(np.abs(x)), ZERO, lambda x: mp.besselj(0, x)),
    Points("i0 of abs", lambda x: sp.i0(np.abs(x)), ZERO, lambda x: mp.besseli(0, x)),
    Points("abs(x) * tanh(abs(x))", lambda x: np.abs(x) * np.tanh(np.abs(x)), ZERO, lambda x: x * mp.tanh(x)),
    Points("abs(x) * sin(abs(x))", lambda x: np.abs(x) * np.sin(np.abs(x)), ZERO, lambda x: x * mp.sin(x)),
    Points("sin(abs(x))**2", lambda x: np.sin(np.abs(x)) ** 2, ZERO, lambda x: mp.sin(x) ** 2),
    Points("log(cosh(abs(x)))", lambda x: np.log(np.cosh(np.abs(x))), ZERO, lambda x: mp.log(mp.cosh(x))),
    Points("erf(abs(x)) * abs(x)", lambda x: sp.erf(np.abs(x)) * np.abs(x), ZERO, lambda x: x * mp.erf(x)),
    Points("arccos(x)**2", lambda x: np.arccos(x) ** 2, (1.0, 0.5, 0.0), lambda x: mp.acos(x) ** 2,
           {1.0: (-2.0, 2 / 3, -8 / 15)}),
    Points("arccosh(x)**2", lambda x: np.arccosh(x) ** 2, (1.0, 2.0), lambda x: mp.acosh(x) ** 2, {1.0: (2.0, -2 / 3, 8 / 15)}),
    Points("cos(arccos(x))", lambda x: np.cos(np.arccos(x)), (1.0, 0.5), lambda x: x, least=1.0),
    Points("cos(sqrt(x))", lambda x: np.cos(np.sqrt(x)), (0.0, 1e-9, 1e-3, 2.0), lambda x: mp.cos(mp.sqrt(x)),
           {0.0: (-1 / 2, 1 / 12, -1 / 120)}),
    Points("arcsin(sqrt(x))**2", lambda x: np.arcsin(np.sqrt(x)) ** 2, (0.0, 1e-9, 9.9e-4, 1.1e-3, 0.5),
           lambda x: mp.asin(mp.sqrt(x)) ** 2, {0.0: (1.0, 2 / 3, 16 / 15)}),
    Points("sqrt(x) * tanh(sqrt(x))", lambda x: np.sqrt(x) * np.tanh(np.sqrt(x)), (0.0, 1e-9, 9.9e-4, 1.1e-3, 0.5),
           lambda x: mp.sqrt(x) * mp.tanh(mp.sqrt(x)), {0.0: (1.0, -2 / 3, 4 / 5)}),
    Points("hypot of a square root", lambda x: np.hypot(np.sqrt(x), 1.0), (0.0, 3.0), lambda x: mp.sqrt(1 + x),
           {0.0: (1 / 2, -1 / 4, 3 / 8)}),
]

# --- several numbers --------------------------------------------------------------------------------------------------------

PAIRS = [
    Points("angle at an axis", np.arctan2, ((0.0, 1.0), (-0.0, 1.0), (1.0, 0.0), (-1.0, 0.0), (2.0, -0.0), (1.0, -3.0)),
           lambda y, x: mp.atan(y / x) if x > 0 else mp.sign(y) * mp.acos(0) - mp.atan(x / y)),
    Points("smooth maximum", lambda x, y: np.logaddexp(5.0 * x, 5.0 * y) / 5, ((1.0, 1.0), (0.0, 0.0), (0.0, 1.0)),
           lambda x, y: mp.log(mp.exp(5 * x) + mp.exp(5 * y)) / 5),
    Points("maximum times minimum", lambda x, y: np.maximum(x, y) * np.minimum(x, y), ((1.0, 2.0), (2.0, -1.0)),
           lambda x, y: x * y),
    Points("squared difference", lambda x, y: np.abs(x - y) ** 2, ((1.0, 1.0), (0.0, 0.0), (2.0, -1.0)),
           lambda x, y: (x - y) ** 2),
    Points("quotient at 0", lambda x, y: x / y, ((0.0, 2.0), (-0.0, -1.0), (0.0, 1e-3)), lambda x, y: x / y),
    Points("power of a product", lambda x, y: (x * y) ** 2, ((0.0, 0.0), (0.0, 3.0), (-1.0, 2.0)), lambda x, y: (x * y) ** 2),
    Points("modulus squared", lambda x, y: np.abs((x + 1j * y) ** 2), ((1.0, 0.0), (0.0, 2.0), (3.0, 4.0)),
           lambda x, y: x * x + y * y),
    Points("real part of a power", lambda x, y: ((x + 1j * y) ** 3).real, ((0.0, 0.0), (0.0, 2.0), (3.0, 4.0)),
           lambda x, y: x ** 3 - 3 * x * y * y),
    Points("exp(1j * x)", lambda x, y: (np.exp(1j * x) * np.exp(y)).real, ((0.0, 0.0), (1.0, -1.0)),
           lambda x, y: mp.cos(x) * mp.exp(y)),
]

# --- densities --------------------------------------------------------------------------------------------------------------

DENSITIES = [
    Points("norm.logpdf", lambda x: st.norm.logpdf(x, 1.0, 2.0), (1.0, 0.0, -0.0, 50.0), lambda x: -((x - 1) / 2) ** 2 / 2),
    Points("norm.logpdf by its scale", lambda s: st.norm.logpdf(1.0, 1.0, s), (1.0, 0.5), lambda s: -mp.log(s)),
    Points("norm.pdf", lambda x: st.norm.pdf(x), (0.0, -0.0, 40.0, 1.0), lambda x: mp.npdf(x)),
    Points("norm.logcdf", lambda x: st.norm.logcdf(x), (0.0, -30.0, 9.0), None, slope=lambda x: mp.npdf(x) / mp.ncdf(x)),
    Points("norm.logsf", lambda x: st.norm.logsf(x), (0.0, 30.0, -9.0), None, slope=lambda x: -mp.npdf(x) / mp.ncdf(-x)),
    Points("norm.ppf", lambda q: st.norm.ppf(q), (0.5,), lambda q: mp.sqrt(2) * mp.erfinv(2 * q - 1)),
    Points("expon.logpdf", lambda x: st.expon.logpdf(x), (0.0, 1.0), lambda x: -x),
    Points("expon.logpdf outside", lambda x: st.expon.logpdf(x), (-1.0,), None, {-1.0: (0.0, 0.0)}),
    Points("gamma.logpdf", lambda x: st.gamma.logpdf(x, 1.0), (0.0, 1.0), lambda x: -x),
    Points("gamma.logpdf at its end", lambda x: st.gamma.logpdf(x, 3.0), (0.0, 1.0), lambda x: 2 * mp.log(x) - x,
           {0.0: (INF, -INF, INF)}),
    Points("gamma.logpdf by its shape", lambda a: st.gamma.logpdf(1.0, a), (1.0, 2.0, 0.5), lambda a: -mp.loggamma(a)),
    Points("beta.logpdf", lambda x: st.beta.logpdf(x, 1.0, 1.0), (0.0, 1.0, 0.5), None, no_slope((0.0, 1.0, 0.5), 0.0, 0.0)),
    Points("beta.logpdf at its ends", lambda x: st.beta.logpdf(x, 2.0, 3.0), (0.0, 1.0, 0.5),
           lambda x: mp.log(x) + 2 * mp.log(1 - x), {0.0: (INF, -INF, INF), 1.0: (-INF, -INF, -INF)}),
    Points("uniform.logpdf", lambda x: st.uniform.logpdf(x), (0.0, 1.0, 0.5), None, no_slope((0.0, 1.0, 0.5), 0.0, 0.0)),
    Points("laplace.logpdf", lambda x: st.laplace.logpdf(x), (0.0, 1.0, -2.0), lambda x: -abs(x), {0.0: (0.0, 0.0)}),
    Points("cauchy.logpdf", lambda x: st.cauchy.logpdf(x), (0.0, -0.0, 1.0), lambda x: -mp.log1p(x * x)),
    Points("logistic.logpdf", lambda x: st.logistic.logpdf(x), (0.0, -0.0, 1.0), lambda x: -x - 2 * mp.log1p(mp.exp(-x))),
    Points("t.logpdf", lambda x: st.t.logpdf(x, 3.0), (0.0, -0.0, 1.0), lambda x: -2 * mp.log1p(x * x / 3)),
    Points("lognorm.logpdf", lambda x: st.lognorm.logpdf(x, 1.0), (1.0, 0.5), lambda x: -mp.log(x) - mp.log(x) ** 2 / 2),
    Points("weibull_min.logpdf", lambda x: st.weibull_min.logpdf(x, 1.0), (0.0, 1.0), lambda x: -x),
    Points("pareto.logpdf", lambda x: st.pareto.logpdf(x, 2.0), (1.0, 2.0), lambda x: -3 * mp.log(x)),
    Points("chi2.logpdf", lambda x: st.chi2.logpdf(x, 2.0), (0.0, 1.0), lambda x: -x / 2),
    Points("poisson.logpmf by its mean", lambda m: st.poisson.logpmf(2, m), (1.0, 2.0), lambda m: 2 * mp.log(m) - m),
    Points("poisson.logpmf of 0", lambda m: st.poisson.logpmf(0, m), (0.0, 2.0), lambda m: -m),
    Points("binom.logpmf of 0", lambda p: st.binom.logpmf(0, 3, p), (0.0, 0.5), lambda p: 3 * mp.log(1 - p)),
    Points("binom.logpmf of all", lambda p: st.binom.logpmf(3, 3, p), (1.0, 0.5), lambda p: 3 * mp.log(p)),
    Points("bernoulli.logpmf", lambda p: st.bernoulli.logpmf(1, p), (1.0, 0.5), lambda p: mp.log(p)),
    Points("geom.logpmf of 1", lambda p: st.geom.logpmf(1, p), (1.0, 0.5), lambda p: mp.log(p)),
]

# --- entropies and likelihoods ----------------------------------------------------------------------------------------------


def logistic_loss(w):
    z = exactly(FEATURES) @ w
    return sum(mp.log1p(mp.exp(v)) - t * v for v, t in zip(z, map(mp.mpf, TARGETS)))


def poisson_loss(w):
    z = exactly(FEATURES) @ w
    return sum(mp.exp(v) - t * v for v, t in zip(z, map(mp.mpf, TARGETS)))


def soft_max_loss(w):
    z = np.array([[FEATURES[i] @ w[k] for k in range(2)] for i in range(4)], object)
    return sum(mp.log(mp.exp(a) + mp.exp(b)) - (b if t else a) for (a, b), t in zip(z, TARGETS))


def network(w):
    hidden = np.array([mp.tanh(v) for v in exactly(FEATURES) @ w[:3]], object)
    return sum((h * w[3] - mp.mpf(t)) ** 2 for h, t in zip(hidden, TARGETS))


WEIGHTS = [at([0.0, 0.0, 0.0]), at([0.5, -1.0, 0.0])]


def by_labels(w):
    z = FEATURES @ w.T
    return np.sum(sp.logsumexp(z, axis=1)) - np.sum(z[np.arange(4), TARGETS.astype(int)])


LOSSES = [
    Arrays("logistic regression by expit", lambda w: -np.sum(TARGETS * np.log(sp.expit(FEATURES @ w))
                                                            + (1.0 - TARGETS) * np.log(1.0 - sp.expit(FEATURES @ w))),
           WEIGHTS, logistic_loss),
    Arrays("logistic regression by log_expit", lambda w: -np.sum(sp.log_expit((2.0 * TARGETS - 1.0) * (FEATURES @ w))), WEIGHTS,
           logistic_loss),
    Arrays("logistic regression by logaddexp", lambda w: np.sum(np.logaddexp(0.0, FEATURES @ w) - TARGETS * (FEATURES @ w)),
           WEIGHTS, logistic_loss),
    Arrays("logistic regression by xlogy", lambda w: -np.sum(sp.xlogy(TARGETS, sp.expit(FEATURES @ w))
                                                            + sp.xlog1py(1.0 - TARGETS, -sp.expit(FEATURES @ w))),
           WEIGHTS, logistic_loss),
    Arrays("logistic regression by exp", lambda w: np.sum(np.log1p(np.exp((1.0 - 2.0 * TARGETS) * (FEATURES @ w)))), WEIGHTS,
           logistic_loss),
    Arrays("Poisson regression", lambda w: np.sum(np.exp(FEATURES @ w) - TARGETS * (FEATURES @ w)), WEIGHTS, poisson_loss),
    Arrays("softmax regression", by_labels, [at(np.zeros((2, 3))), at([[0.0, 1.0, 0.0], [0.5, 0.0, -1.0]])], soft_max_loss),
    Arrays("a network of zero weights", lambda w: np.sum((np.tanh(FEATURES @ w[:3]) * w[3] - TARGETS) ** 2),
           [at([0.0, 0.0, 0.0, 0.0]), at([0.5, 0.0, 0.0, 1.0])], network),
    Arrays("ridge", lambda w: np.linalg.norm(FEATURES @ w - TARGETS) ** 2 + 0.5 * np.linalg.norm(w) ** 2, WEIGHTS,
           lambda w: np.sum((exactly(FEATURES) @ w - exactly(TARGETS)) ** 2) + np.sum(w * w) / 2),
    Arrays("lasso", lambda w: 0.5 * np.sum((FEATURES @ w - TARGETS) ** 2) + np.sum(np.abs(w)), [at([0.5, -1.0, 2.0])],
           lambda w: np.sum((exactly(FEATURES) @ w - exactly(TARGETS)) ** 2) / 2 + sum(abs(v) for v in w)),
    Arrays("entropy of probabilities", lambda p: np.sum(sp.entr(p)), [at([0.5, 0.5]), at([1.0, 0.25])],
           lambda p: -sum(v * mp.log(v) for v in p)),
    Arrays("cross entropy with a class of probability 0", lambda q: -np.sum(sp.xlogy(np.array([0.0, 1.0]), q)),
           [at([0.5, 0.5]), at([0.0, 1.0])], lambda q: -mp.log(q[1])),
    Arrays("cross entropy of logits", lambda z: -np.sum(np.array([0.0, 1.0, 0.0]) * sp.log_softmax(z)),
           [at([0.0, 0.0, 0.0]), at([1000.0, 1000.0, 0.0])], lambda z: mp.log(sum(map(mp.exp, z))) - z[1]),
    Arrays("Kullback-Leibler divergence of equals", lambda q: np.sum(sp.kl_div(np.array([0.25, 0.75]), q)),
           [at([0.25, 0.75]), at([0.5, 0.5])],
           lambda q: sum(mp.mpf(p) * mp.log(p / v) - p + v for p, v in zip((0.25, 0.75), q)),
           least=1.0),
    Arrays("logsumexp of less infinite", lambda x: sp.logsumexp(np.append(x, -np.inf)), [at([0.0, 0.0]), at([1.0, -1.0])],
           lambda x: mp.log(sum(map(mp.exp, x)))),
    Arrays("attention with a mask", lambda x: sp.softmax(np.where(np.array([True, False, True]), x, -np.inf)),
           [at([0.0, 0.0, 0.0]), at([1.0, 5.0, -1.0])],
           lambda x: np.array([1 / (1 + mp.exp(x[2] - x[0])), mp.mpf(0), 1 / (1 + mp.exp(x[0] - x[2]))], object), least=1.0),
    Arrays("attention with an added mask", lambda x: sp.softmax(x + np.array([0.0, -np.inf, 0.0])), [at([0.0, 0.0, 0.0])],
           lambda x: np.array([1 / (1 + mp.exp(x[2] - x[0])), mp.mpf(0), 1 / (1 + mp.exp(x[0] - x[2]))], object), least=1.0),
    Arrays("multivariate normal by Cholesky", lambda a: 2.0 * np.sum(np.log(np.diag(np.linalg.cholesky(a)))),
           [at(np.eye(2)), at([[2.0, 0.0], [0.0, 2.0]])], lambda a: mp.log(determinant(symmetric(a)))),
]

# --- arrays -----------------------------------------------------------------------------------------------------------------


def pairwise(x):
    d = x[:, None, :] - x[None, :, :]
    return np.sum(np.sqrt(np.sum(d * d, axis=-1) + 1e-2))


def pairwise_exact(x):
    return sum(mp.sqrt(np.sum((a - b) ** 2) + mp.mpf(1e-2)) for a in x for b in x)


def gaussian_kernel(x):
    return np.sum(np.exp(-np.linalg.norm(x[:, None, :] - x[None, :, :], axis=-1) ** 2))


POINTS = [at([[0.0, 0.0], [0.0, 0.0]]), at([[1.0, 0.0], [1.0, 2.0]])]
TIES = [at([1.0, 1.0, 1.0]), at([0.0, 0.0, 2.0])]

ARRAYS = [
    Arrays("distances, softened", pairwise, POINTS, pairwise_exact, least=1.0),
    Arrays("kernel of distances", gaussian_kernel, POINTS, lambda x: sum(mp.exp(-np.sum((a - b) ** 2)) for a in x for b in x),
           least=1.0),
    Arrays("var of equals", lambda x: np.var(x, ddof=1), TIES, lambda x: np.sum((x - np.sum(x) / 3) ** 2) / 2, least=1.0),
    Arrays("std**2 of equals", lambda x: np.std(x) * np.std(x), TIES, lambda x: np.sum((x - np.sum(x) / 3) ** 2) / 3,
           least=1.0),
    Arrays("standardised", lambda x: (x - np.mean(x)) / np.sqrt(np.var(x) + 1e-2), TIES,
           lambda x: (x - np.sum(x) / 3) / mp.sqrt(np.sum((x - np.sum(x) / 3) ** 2) / 3 + mp.mpf(1e-2)), least=1.0),
    Arrays("layer norm by std", lambda x: (x - np.mean(x)) / (np.std(x) ** 2 + 1.0), TIES,
           lambda x: (x - np.sum(x) / 3) / (np.sum((x - np.sum(x) / 3) ** 2) / 3 + 1), least=1.0),
    Arrays("sum of max and min", lambda x: np.max(x) + np.min(x), [at([1.0, 1.0])], lambda x: x[0] + x[1]),
    Arrays("sum of sorted", lambda x: np.sum(np.sort(x) ** 2), TIES, lambda x: np.sum(x * x)),
    Arrays("geometric mean", lambda x: np.prod(x) ** 2, [at([0.0, 2.0, 3.0]), at([0.0, 0.0, 1.0])], lambda x: np.prod(x) ** 2,
           least=1.0),
    Arrays("cumprod with zeros, squared", lambda x: np.cumprod(x) ** 2, [at([2.0, 0.0, 3.0]), at([0.0, 0.0, 1.0])],
           lambda x: np.cumprod(x) ** 2, least=1.0),
    Arrays("prod along an axis", lambda x: np.prod(x, axis=0), [at([[0.0, 2.0], [3.0, 0.0]])], lambda x: x[0] * x[1]),
    Arrays("norm of order 4, to the fourth", lambda x: np.linalg.norm(x, 4) ** 4, [at([0.0, 0.0]), at([0.0, 2.0])],
           lambda x: np.sum(x ** 4), least=1.0),
    Arrays("norm**4", lambda x: np.linalg.norm(x) ** 4, [at([0.0, 0.0]), at([0.0, 2.0])], lambda x: np.sum(x * x) ** 2,
           least=1.0),
    Arrays("x @ x / norm", lambda x: x @ x / np.linalg.norm(np.append(x, 2.0)), [at([0.0, 0.0]), at([0.0, 2.0])],
           lambda x: np.sum(x * x) / mp.sqrt(4 + np.sum(x * x))),
    Arrays("cosine similarity", lambda x: x @ np.array([1.0, 2.0]) / np.linalg.norm(x), [at([0.0, 2.0]), at([1.0, 2.0])],
           lambda x: (x[0] + 2 * x[1]) / mp.sqrt(np.sum(x * x)), least=1.0),
    Arrays("cumulative maximum of a ramp", lambda x: np.maximum.accumulate(x) ** 2, [at([1.0, 2.0, 3.0])], lambda x: x ** 2),
    Arrays("trace of a power", lambda a: np.trace(np.linalg.matrix_power(a, 3)), [at(np.zeros((2, 2))), at(np.eye(2))],
           lambda a: np.trace(a @ a @ a), least=1.0),
    Arrays("trace of an inverse", lambda a: np.trace(np.linalg.inv(a)), [at(np.eye(2)), at([[0.0, 1.0], [1.0, 0.0]])],
           lambda a: np.trace(inverse(a))),
    Arrays("det of a Gram matrix", lambda a: np.linalg.det(a.T @ a), [at(np.zeros((2, 2))), at([[1.0, 2.0], [2.0, 4.0]])],
           lambda a: determinant(a) ** 2, least=1.0),
    Arrays("det**2", lambda a: np.linalg.det(a) ** 2, [at(np.zeros((2, 2))), at([[1.0, 2.0], [2.0, 4.0]])],
           lambda a: determinant(a) ** 2, least=1.0),
    Arrays("logdet by slogdet", lambda a: np.linalg.slogdet(a @ a.T + np.eye(2))[1],
           [at(np.zeros((2, 2))), at([[1.0, 2.0], [2.0, 4.0]])],
           lambda a: mp.log(determinant(a @ a.T + exactly(np.eye(2)))), least=1.0),
    Arrays("quadratic form by solve", lambda b: b @ np.linalg.solve(np.array([[2.0, 1.0], [1.0, 3.0]]), b), [at([0.0, 0.0])],
           lambda b: (3 * b[0] ** 2 - 2 * b[0] * b[1] + 2 * b[1] ** 2) / 5),
    Arrays("sum of fourth powers of eigenvalues", lambda a: np.sum(np.linalg.eigvalsh(a) ** 4),
           [at(np.eye(2)), at(np.zeros((2, 2)))],
           lambda a: np.trace(symmetric(a) @ symmetric(a) @ symmetric(a) @ symmetric(a)), least=1.0),
    Arrays("Frobenius norm squared", lambda a: np.linalg.norm(a) ** 2, [at(np.zeros((2, 2))), at(np.eye(2))],
           lambda a: np.sum(a * a)),
    Arrays("interpolation between knots", lambda x, h: np.interp(x, np.array([0.0, 1.0, 2.0]), h) ** 2,
           [at([0.5, 1.5], [0.0, 0.0, 1.0])],
           lambda x, h: np.array([(h[0] + (h[1] - h[0]) * x[0]) ** 2, (h[1] + (h[2] - h[1]) * (x[1] - 1)) ** 2], object),
           least=1.0),
    Arrays("power spectrum", lambda x: np.abs(np.fft.rfft(x)) ** 2, [at([0.0, 0.0, 0.0, 0.0]), at([1.0, 1.0, 1.0, 1.0])],
           lambda x: np.array([sum(x) ** 2, (x[0] - x[2]) ** 2 + (x[1] - x[3]) ** 2, (x[0] - x[1] + x[2] - x[3]) ** 2], object),
           least=1.0),
    Arrays("cross product squared", lambda a, b: np.linalg.norm(np.cross(a, b)) ** 2, [at([1.0, 0.0, 0.0], [2.0, 0.0, 0.0])],
           lambda a, b: np.sum(a * a) * np.sum(b * b) - np.sum(a * b) ** 2, least=1.0),
    Arrays("where of norms", lambda x: np.where(x @ x > 0.0, np.sqrt(x @ x), 0.0) ** 2, [at([3.0, 4.0])],
           lambda x: np.sum(x * x)),
    Arrays("huber of norms", lambda x: np.sum(sp.huber(1.0, x)), [at([0.0, 0.5, -2.0])],
           lambda x: x[0] ** 2 / 2 + x[1] ** 2 / 2 + abs(x[2]) - mp.mpf(1) / 2),
]

ROWS = [*SMOOTH, *PAIRS, *DENSITIES, *LOSSES, *ARRAYS]
