"""Further families of distributions, in the form of families.py: of positive numbers, truncated and skewed, discrete."""
from __future__ import annotations

from typing import Any

import numpy as np

from .families import EULER, INF, LOG_ROOT_2PI, Family, Positive, sp


class weibull_min(Positive):
    shapes = ("c",)

    def logpdf(x: Any, c: Any) -> Any:
        return np.log(c) + sp.xlogy(c - 1, x) - x ** c

    def cdf(x: Any, c: Any) -> Any:
        return -np.expm1(-(x ** c))

    def sf(x: Any, c: Any) -> Any:
        return np.exp(-(x ** c))

    def logsf(x: Any, c: Any) -> Any:
        return -(x ** c)

    def ppf(q: Any, c: Any) -> Any:
        return (-np.log1p(-q)) ** (1 / c)

    def isf(q: Any, c: Any) -> Any:
        return (-np.log(q)) ** (1 / c)

    def mean(c: Any) -> Any:
        return sp.gamma(1 + 1 / c)

    def var(c: Any) -> Any:
        return sp.gamma(1 + 2 / c) - sp.gamma(1 + 1 / c) ** 2

    def entropy(c: Any) -> Any:
        return -EULER / c - np.log(c) + EULER + 1


class pareto(Family):
    shapes = ("b",)

    def support(b: Any) -> Any:
        return 1.0, INF

    def logpdf(x: Any, b: Any) -> Any:
        return np.log(b) - (b + 1) * np.log(x)

    def cdf(x: Any, b: Any) -> Any:
        return -np.expm1(-b * np.log(x))

    def sf(x: Any, b: Any) -> Any:
        return x ** -b

    def ppf(q: Any, b: Any) -> Any:
        return (1 - q) ** (-1 / b)

    def isf(q: Any, b: Any) -> Any:
        return q ** (-1 / b)

    def mean(b: Any) -> Any:
        return np.where(b > 1, b / (b - 1), INF)

    def var(b: Any) -> Any:
        return np.where(b > 2, b / ((b - 2) * (b - 1) ** 2), INF)

    def entropy(b: Any) -> Any:
        return 1 + 1 / b - np.log(b)


class rayleigh(Positive):
    ends_outside = True

    def logpdf(x: Any) -> Any:
        return np.log(x) - x * x / 2

    def cdf(x: Any) -> Any:
        return -np.expm1(x * x * -0.5)

    def sf(x: Any) -> Any:
        return np.exp(x * x * -0.5)

    def logsf(x: Any) -> Any:
        return x * x * -0.5

    def ppf(q: Any) -> Any:
        return np.sqrt(-2 * np.log1p(-q))

    def isf(q: Any) -> Any:
        return np.sqrt(-2 * np.log(q))

    def mean(*shapes: Any) -> float:
        return float(np.sqrt(np.pi / 2))

    def var(*shapes: Any) -> float:
        return float((4 - np.pi) / 2)

    def entropy(*shapes: Any) -> float:
        return float(EULER / 2 + 1 - np.log(2) / 2)


class halfnorm(Positive):
    def logpdf(x: Any) -> Any:
        return x * x * -0.5 + float(np.log(2 / np.pi) / 2)

    def cdf(x: Any) -> Any:
        return sp.erf(x * float(np.sqrt(0.5)))

    def sf(x: Any) -> Any:
        return 2 * sp.ndtr(-x)

    def ppf(q: Any) -> Any:
        return sp.ndtri((1 + q) / 2)

    def isf(q: Any) -> Any:
        return -sp.ndtri(q / 2)

    def mean(*shapes: Any) -> Any:
        return float(np.sqrt(2 / np.pi))

    def var(*shapes: Any) -> Any:
        return float(1 - 2 / np.pi)

    def entropy(*shapes: Any) -> Any:
        return float(np.log(np.pi / 2) / 2) + 0.5


class halfcauchy(Positive):
    def logpdf(x: Any) -> Any:
        return float(np.log(2 / np.pi)) - np.log1p(x * x)

    def cdf(x: Any) -> Any:
        return np.arctan(x) * (2 / np.pi)

    def sf(x: Any) -> Any:
        return np.arctan2(1.0, x) * (2 / np.pi)

    def ppf(q: Any) -> Any:
        return np.tan(np.pi / 2 * q)

    def isf(q: Any) -> Any:
        return 1 / np.tan(np.pi / 2 * q)

    def mean(*shapes: Any) -> Any:
        return INF

    def var(*shapes: Any) -> Any:
        return INF

    def entropy(*shapes: Any) -> Any:
        return float(np.log(2 * np.pi))


class invgamma(Positive):
    shapes = ("a",)
    ends_outside = True

    def logpdf(x: Any, a: Any) -> Any:
        return -(a + 1) * np.log(x) - sp.gammaln(a) - 1 / x

    def cdf(x: Any, a: Any) -> Any:
        return sp.gammaincc(a, 1 / x)

    def sf(x: Any, a: Any) -> Any:
        return sp.gammainc(a, 1 / x)

    def ppf(q: Any, a: Any) -> Any:
        return 1 / sp.gammainccinv(a, q)

    def isf(q: Any, a: Any) -> Any:
        return 1 / sp.gammaincinv(a, q)

    def mean(a: Any) -> Any:
        return np.where(a > 1, 1 / (a - 1), INF)

    def var(a: Any) -> Any:
        return np.where(a > 2, 1 / ((a - 1) ** 2 * (a - 2)), INF)

    def entropy(a: Any) -> Any:
        return a - (a + 1) * sp.psi(a) + sp.gammaln(a)


def _log_mass(a: Any, b: Any) -> Any:
    """log(Φ(b) - Φ(a)): of two values on one side by their logarithms from that side."""
    right = a > 0
    low, high = np.where(right, -b, a), np.where(right, -a, b)
    one_side = sp.log_ndtr(high) + np.log1p(-np.exp(sp.log_ndtr(low) - sp.log_ndtr(high)))
    return np.where(right | (b <= 0), one_side, np.log1p(-sp.ndtr(a) - sp.ndtr(-b)))


def _edge(a: Any) -> Any:
    """(φ(a), a φ(a)), 0 at infinity"""
    finite = np.isfinite(a)
    density = np.where(finite, np.exp(a * a * -0.5 - LOG_ROOT_2PI), 0.0)
    return density, np.where(finite, a * density, 0.0)


class truncnorm(Family):
    shapes = ("a", "b")

    def support(a: Any, b: Any) -> Any:
        return a, b

    def valid(a: Any, b: Any) -> bool:
        return a < b

    def logpdf(x: Any, a: Any, b: Any) -> Any:
        return x * x * -0.5 - LOG_ROOT_2PI - _log_mass(a, b)

    def logcdf(x: Any, a: Any, b: Any) -> Any:
        return _log_mass(a, x) - _log_mass(a, b)

    def logsf(x: Any, a: Any, b: Any) -> Any:
        return _log_mass(x, b) - _log_mass(a, b)

    def cdf(x: Any, a: Any, b: Any) -> Any:
        return np.exp(_log_mass(a, x) - _log_mass(a, b))

    def sf(x: Any, a: Any, b: Any) -> Any:
        return np.exp(_log_mass(x, b) - _log_mass(a, b))

    def ppf(q: Any, a: Any, b: Any) -> Any:
        mass = _log_mass(a, b)
        left = sp.ndtri_exp(np.logaddexp(sp.log_ndtr(a), np.log(q) + mass))
        right = -sp.ndtri_exp(np.logaddexp(sp.log_ndtr(-b), np.log1p(-q) + mass))
        return np.where(a < 0, left, right)

    def mean(a: Any, b: Any) -> Any:
        (left, _), (right, _) = _edge(a), _edge(b)
        return (left - right) / np.exp(_log_mass(a, b))

    def var(a: Any, b: Any) -> Any:
        (left, left_times), (right, right_times) = _edge(a), _edge(b)
        mass = np.exp(_log_mass(a, b))
        return 1 + (left_times - right_times) / mass - ((left - right) / mass) ** 2

    def entropy(a: Any, b: Any) -> Any:
        mass = _log_mass(a, b)
        return LOG_ROOT_2PI + 0.5 + mass + (_edge(a)[1] - _edge(b)[1]) / (2 * np.exp(mass))


_NODES, _WEIGHTS = (np.polynomial.legendre.leggauss(32) + np.array([[1.0], [0.0]])) / 2


def _skewed_below(x: Any, a: Any) -> Any:
    """P(X < x) = Φ(x) - 2 T(x, a). Where x < 0 < a the two are nearly equal, and with Φ(-y) = exp(-y^2/2) erfcx(y/√2) / 2 it is
    the integral of the density itself, b = 1 + a^2, c = √b |x|:

        ∫ exp(-b u^2/2) erfcx(a u/√2) du / √(2π) from |x| to ∞
            = exp(-c^2/2) / √(2π b) ∫ exp(-c w - w^2/2) erfcx(a (|x| + w/√b)/√2) dw from 0 to ∞

    of which nothing is left from w = 80 / (c + √(c^2 + 80)) on, where c w + w^2/2 = 40."""
    left = (x < 0) & (a > 0)
    size, slant = np.where(left, -x, 1.0), np.where(left, a, 1.0)
    root = np.sqrt(1.0 + slant * slant)
    c = root * size
    last = 80.0 / (c + np.sqrt(c * c + 80.0))
    w = last[..., None] * _NODES
    inner = np.exp(-w * (c[..., None] + w * 0.5)) * sp.erfcx((slant[..., None] * (size[..., None] + w / root[..., None]))
                                                             * float(np.sqrt(0.5)))
    tail = np.exp(c * c * -0.5 - LOG_ROOT_2PI) * last / root * np.sum(inner * _WEIGHTS, axis=-1)
    return np.where(left, tail, np.clip(sp.ndtr(x) - 2 * sp.owens_t(x, a), 0.0, 1.0))


class skewnorm(Family):
    shapes = ("a",)

    def support(a: Any) -> Any:
        return -INF, INF

    def valid(a: Any) -> Any:
        return np.isfinite(a)

    def logpdf(x: Any, a: Any) -> Any:
        return float(np.log(2)) + x * x * -0.5 - LOG_ROOT_2PI + sp.log_ndtr(a * x)

    def cdf(x: Any, a: Any) -> Any:
        return _skewed_below(x, a)

    def sf(x: Any, a: Any) -> Any:
        return _skewed_below(-x, -a)

    def mean(a: Any) -> Any:
        return float(np.sqrt(2 / np.pi)) * a / np.sqrt(1 + a * a)

    def var(a: Any) -> Any:
        return 1 - a * a * float(2 / np.pi) / (1 + a * a)


class reciprocal(Family):
    shapes = ("a", "b")

    def support(a: Any, b: Any) -> Any:
        return a, b

    def valid(a: Any, b: Any) -> Any:
        return (a > 0) & (b > a)

    def logpdf(x: Any, a: Any, b: Any) -> Any:
        return -np.log(x) - np.log(np.log(b) - np.log(a))

    def cdf(x: Any, a: Any, b: Any) -> Any:
        return (np.log(x) - np.log(a)) / (np.log(b) - np.log(a))

    def ppf(q: Any, a: Any, b: Any) -> Any:
        return np.exp(np.log(a) + q * (np.log(b) - np.log(a)))

    def mean(a: Any, b: Any) -> Any:
        return (b - a) / (np.log(b) - np.log(a))

    def var(a: Any, b: Any) -> Any:
        log = np.log(b) - np.log(a)
        return (b * b - a * a) / (2 * log) - ((b - a) / log) ** 2

    def entropy(a: Any, b: Any) -> Any:
        return 0.5 * (np.log(a) + np.log(b)) + np.log(np.log(b) - np.log(a))


# --- discrete distributions -------------------------------------------------------------------------------------------

class Counts(Family):
    discrete = True

    def support(*shapes: Any) -> Any:
        return 0.0, INF


class poisson(Counts):
    shapes = ("mu",)

    def valid(mu: Any) -> bool:
        return mu >= 0

    def logpmf(k: Any, mu: Any) -> Any:
        return sp.xlogy(k, mu) - sp.gammaln(k + 1) - mu

    def cdf(k: Any, mu: Any) -> Any:
        return sp.pdtr(k, mu)

    def sf(k: Any, mu: Any) -> Any:
        return sp.pdtrc(k, mu)

    def mean(mu: Any) -> Any:
        return mu

    def var(mu: Any) -> Any:
        return mu


def _probability(p: Any) -> Any:
    return (p >= 0) & (p <= 1)


class binom(Counts):
    shapes = ("n", "p")

    def support(n: Any, p: Any) -> Any:
        return 0.0, n

    def valid(n: Any, p: Any) -> Any:
        return (n >= 0) & (n == np.floor(n)) & _probability(p)

    def logpmf(k: Any, n: Any, p: Any) -> Any:
        return (sp.gammaln(n + 1) - (sp.gammaln(k + 1) + sp.gammaln(n - k + 1)) + sp.xlogy(k, p) + sp.xlog1py(n - k, -p))

    def cdf(k: Any, n: Any, p: Any) -> Any:
        return sp.betaincc(k + 1, np.maximum(n - k, 1.0), p)

    def sf(k: Any, n: Any, p: Any) -> Any:
        return sp.betainc(k + 1, np.maximum(n - k, 1.0), p)

    def mean(n: Any, p: Any) -> Any:
        return n * p

    def var(n: Any, p: Any) -> Any:
        return n * p * (1 - p)


class nbinom(Counts):
    shapes = ("n", "p")

    def valid(n: Any, p: Any) -> Any:
        return (n > 0) & (p > 0) & (p <= 1)

    def logpmf(k: Any, n: Any, p: Any) -> Any:
        return sp.gammaln(n + k) - sp.gammaln(k + 1) - sp.gammaln(n) + n * np.log(p) + sp.xlog1py(k, -p)

    def cdf(k: Any, n: Any, p: Any) -> Any:
        return sp.betainc(n, k + 1, p)

    def logcdf(k: Any, n: Any, p: Any) -> Any:            # SciPy's own is compiled code
        return np.log(sp.betainc(n, k + 1, p))

    def sf(k: Any, n: Any, p: Any) -> Any:
        return sp.betaincc(n, k + 1, p)

    def mean(n: Any, p: Any) -> Any:
        return n * (1 - p) / p

    def var(n: Any, p: Any) -> Any:
        return n * (1 - p) / (p * p)


class geom(Counts):
    shapes = ("p",)

    def support(p: Any) -> Any:
        return 1.0, INF

    def valid(p: Any) -> Any:
        return (p > 0) & (p <= 1)

    def logpmf(k: Any, p: Any) -> Any:
        return sp.xlog1py(k - 1, -p) + np.log(p)

    def cdf(k: Any, p: Any) -> Any:
        return -np.expm1(np.log1p(-p) * k)

    def sf(k: Any, p: Any) -> Any:
        return np.exp(np.log1p(-p) * k)

    def logsf(k: Any, p: Any) -> Any:
        return np.log1p(-p) * k

    def mean(p: Any) -> Any:
        return 1 / p

    def var(p: Any) -> Any:
        return (1 - p) / (p * p)

    def entropy(p: Any) -> Any:
        return -np.log(p) - np.log1p(-p) * (1 - p) / p


class bernoulli(Counts):
    shapes = ("p",)

    def support(p: Any) -> Any:
        return 0.0, 1.0

    def valid(p: Any) -> Any:
        return _probability(p)

    def logpmf(k: Any, p: Any) -> Any:
        return sp.xlogy(k, p) + sp.xlog1py(1 - k, -p)

    def cdf(k: Any, p: Any) -> Any:
        return np.where(k >= 1, 1.0, 1 - p)

    def sf(k: Any, p: Any) -> Any:
        return np.where(k >= 1, 0.0, p)

    def mean(p: Any) -> Any:
        return p

    def var(p: Any) -> Any:
        return p * (1 - p)

    def entropy(p: Any) -> Any:
        return sp.entr(p) + sp.entr(1 - p)
