"""Families of distributions in their standard form, as scipy.stats has them: functions of the standardised argument and the
shapes. `stats.py` adds location and scale, supports and what follows from the others (pdf from logpdf, sf from cdf …).

A family says: `shapes`, names of its parameters; `support(*shapes)`; `valid(*shapes)`, where positive is not all that they must
be; `logpdf` or, of a discrete one, `logpmf`; `cdf`, and `sf`, `logcdf`, `logsf`, `ppf`, `isf` where the general way
loses digits; `mean`, `var`, `entropy`. Formulas are those of SciPy's documentation.
"""
from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

INF, EULER = np.inf, float(np.euler_gamma)
LOG_ROOT_2PI = float(np.log(2 * np.pi) / 2)
FAMILIES: dict[str, type] = {}


class _Special:
    """scipy.special, imported where a distribution is used."""

    def __getattr__(self, name: str) -> Callable:
        return getattr(importlib.import_module("scipy.special"), name)


sp = _Special()


def _everywhere(*shapes: Any) -> tuple[float, float]:
    return -INF, INF


def _all_positive(*shapes: Any) -> Any:
    good = True
    for shape in shapes:
        good = good & (shape > 0)
    return good


class Family:
    shapes: tuple[str, ...] = ()
    discrete = False
    ends_outside = False           # whether the ends of the support are no part of it

    def __init_subclass__(cls) -> None:
        FAMILIES[cls.__name__ + "_gen"] = cls

    support: Callable[..., tuple] = _everywhere
    valid: Callable[..., Any] = _all_positive


class norm(Family):
    def logpdf(x: Any) -> Any:
        return x * x * -0.5 - LOG_ROOT_2PI

    def cdf(x: Any) -> Any:
        return sp.ndtr(x)

    def sf(x: Any) -> Any:
        return sp.ndtr(-x)

    def logcdf(x: Any) -> Any:
        return sp.log_ndtr(x)

    def logsf(x: Any) -> Any:
        return sp.log_ndtr(-x)

    def ppf(q: Any) -> Any:
        return sp.ndtri(q)

    def isf(q: Any) -> Any:
        return -sp.ndtri(q)

    def mean(*shapes: Any) -> Any:
        return 0.0

    def var(*shapes: Any) -> Any:
        return 1.0

    def entropy(*shapes: Any) -> Any:
        return LOG_ROOT_2PI + 0.5


class Positive(Family):
    def support(*shapes: Any) -> tuple[float, float]:
        return 0.0, INF


class uniform(Family):
    def support(*shapes: Any) -> Any:
        return 0.0, 1.0

    def logpdf(x: Any) -> Any:
        return x * 0.0

    def cdf(x: Any) -> Any:
        return x

    def ppf(q: Any) -> Any:
        return q

    def mean(*shapes: Any) -> Any:
        return 0.5

    def var(*shapes: Any) -> Any:
        return 1 / 12

    def entropy(*shapes: Any) -> Any:
        return 0.0


class expon(Positive):
    def logpdf(x: Any) -> Any:
        return -x

    def cdf(x: Any) -> Any:
        return -np.expm1(-x)

    def sf(x: Any) -> Any:
        return np.exp(-x)

    def logsf(x: Any) -> Any:
        return -x

    def ppf(q: Any) -> Any:
        return -np.log1p(-q)

    def isf(q: Any) -> Any:
        return -np.log(q)

    def mean(*shapes: Any) -> Any:
        return 1.0

    def var(*shapes: Any) -> Any:
        return 1.0

    def entropy(*shapes: Any) -> Any:
        return 1.0


class gamma(Positive):
    shapes = ("a",)

    def logpdf(x: Any, a: Any) -> Any:
        return sp.xlogy(a - 1.0, x) - x - sp.gammaln(a)

    def cdf(x: Any, a: Any) -> Any:
        return sp.gammainc(a, x)

    def sf(x: Any, a: Any) -> Any:
        return sp.gammaincc(a, x)

    def ppf(q: Any, a: Any) -> Any:
        return sp.gammaincinv(a, q)

    def isf(q: Any, a: Any) -> Any:
        return sp.gammainccinv(a, q)

    def mean(a: Any) -> Any:
        return a

    def var(a: Any) -> Any:
        return a

    def entropy(a: Any) -> Any:
        return sp.psi(a) * (1 - a) + a + sp.gammaln(a)


class beta(Family):
    shapes = ("a", "b")

    def support(a: Any, b: Any) -> Any:
        return 0.0, 1.0

    def logpdf(x: Any, a: Any, b: Any) -> Any:
        return sp.xlog1py(b - 1.0, -x) + sp.xlogy(a - 1.0, x) - sp.betaln(a, b)

    def cdf(x: Any, a: Any, b: Any) -> Any:
        return sp.betainc(a, b, x)

    def sf(x: Any, a: Any, b: Any) -> Any:
        return sp.betaincc(a, b, x)

    def ppf(q: Any, a: Any, b: Any) -> Any:
        return sp.betaincinv(a, b, q)

    def isf(q: Any, a: Any, b: Any) -> Any:
        return sp.betainccinv(a, b, q)

    def mean(a: Any, b: Any) -> Any:
        return a / (a + b)

    def var(a: Any, b: Any) -> Any:
        return a * b / ((a + b) ** 2 * (a + b + 1))

    def entropy(a: Any, b: Any) -> Any:
        return sp.betaln(a, b) - (a - 1) * sp.psi(a) - (b - 1) * sp.psi(b) + (a + b - 2) * sp.psi(a + b)


class t(Family):
    shapes = ("df",)

    def support(df: Any) -> Any:
        return -INF, INF

    def logpdf(x: Any, df: Any) -> Any:
        finite = df < INF                       # without end of degrees of freedom it is the normal distribution
        v = np.where(finite, df, 1.0)
        found = -sp.betaln(v / 2, v * 0.0 + 0.5) - 0.5 * np.log(v) - (v + 1) / 2 * np.log1p(x * x / v)
        return np.where(finite, found, x * x * -0.5 - LOG_ROOT_2PI)

    def cdf(x: Any, df: Any) -> Any:
        return sp.stdtr(df, x)

    def sf(x: Any, df: Any) -> Any:
        return sp.stdtr(df, -x)

    def ppf(q: Any, df: Any) -> Any:
        return sp.stdtrit(df, q)

    def isf(q: Any, df: Any) -> Any:
        return -sp.stdtrit(df, q)

    def mean(df: Any) -> Any:
        return np.where(df > 1, 0.0, INF)

    def var(df: Any) -> Any:
        return np.where(df == INF, 1.0, np.where(df > 2, df / (df - 2), np.where(df > 1, INF, np.nan)))

    def entropy(df: Any) -> Any:
        finite = df < INF
        df = np.where(finite, df, 1.0)
        half = df / 2
        found = (half + 0.5) * (sp.psi(half + 0.5) - sp.psi(half)) + np.log(df) / 2 + sp.betaln(half, df * 0.0 + 0.5)
        return np.where(finite, found, LOG_ROOT_2PI + 0.5)


class chi2(Positive):
    shapes = ("df",)

    def logpdf(x: Any, df: Any) -> Any:
        return sp.xlogy(df / 2 - 1, x) - x / 2 - sp.gammaln(df / 2) - float(np.log(2)) * df / 2

    def cdf(x: Any, df: Any) -> Any:
        return sp.chdtr(df, x)

    def sf(x: Any, df: Any) -> Any:
        return sp.chdtrc(df, x)

    def ppf(q: Any, df: Any) -> Any:
        return 2 * sp.gammaincinv(df / 2, q)

    def isf(q: Any, df: Any) -> Any:
        return sp.chdtri(df, q)

    def mean(df: Any) -> Any:
        return df

    def var(df: Any) -> Any:
        return 2 * df

    def entropy(df: Any) -> Any:
        half = df / 2
        return half + float(np.log(2)) + sp.gammaln(half) + (1 - half) * sp.psi(half)


class f(Positive):
    shapes = ("dfn", "dfd")

    def logpdf(x: Any, m: Any, n: Any) -> Any:
        return (m / 2 * np.log(m) + n / 2 * np.log(n) + sp.xlogy(m / 2 - 1, x) - (n + m) / 2 * np.log(n + m * x)
                - sp.betaln(m / 2, n / 2))

    def cdf(x: Any, m: Any, n: Any) -> Any:
        return sp.fdtr(m, n, x)

    def sf(x: Any, m: Any, n: Any) -> Any:
        return sp.fdtrc(m, n, x)

    def ppf(q: Any, m: Any, n: Any) -> Any:
        return sp.fdtri(m, n, q)

    def mean(m: Any, n: Any) -> Any:
        return np.where(n > 2, n / (n - 2), INF)

    def var(m: Any, n: Any) -> Any:
        return np.where(n > 4, 2 * n * n * (m + n - 2) / (m * (n - 2) ** 2 * (n - 4)), INF)

    def entropy(m: Any, n: Any) -> Any:
        m, n, total = m / 2, n / 2, (m + n) / 2
        return np.log(n) - np.log(m) + sp.betaln(m, n) + (1 - m) * sp.psi(m) - (1 + n) * sp.psi(n) + total * sp.psi(total)


class lognorm(Positive):
    shapes = ("s",)
    ends_outside = True

    def logpdf(x: Any, s: Any) -> Any:
        return np.where(x == 0, -INF, -np.log(x) ** 2 / (2 * s * s) - np.log(s * x) - LOG_ROOT_2PI)

    def cdf(x: Any, s: Any) -> Any:
        return sp.ndtr(np.log(x) / s)

    def sf(x: Any, s: Any) -> Any:
        return sp.ndtr(-np.log(x) / s)

    def logcdf(x: Any, s: Any) -> Any:
        return sp.log_ndtr(np.log(x) / s)

    def logsf(x: Any, s: Any) -> Any:
        return sp.log_ndtr(-np.log(x) / s)

    def ppf(q: Any, s: Any) -> Any:
        return np.exp(s * sp.ndtri(q))

    def isf(q: Any, s: Any) -> Any:
        return np.exp(-s * sp.ndtri(q))

    def mean(s: Any) -> Any:
        return np.exp(s * s / 2)

    def var(s: Any) -> Any:
        return np.expm1(s * s) * np.exp(s * s)

    def entropy(s: Any) -> Any:
        return LOG_ROOT_2PI + 0.5 + np.log(s)


class cauchy(Family):
    def logpdf(x: Any) -> Any:
        """log1p(x^2) = 2 log|x| + log1p(x^-2), whose squares do not overflow."""
        size = np.abs(x)
        far = size > 1.0
        large = np.where(far, size, 1.0)
        inner = np.where(far, 1.0 / large, x)
        return -(2.0 * np.log(large) + np.log1p(inner * inner)) - float(np.log(np.pi))

    def cdf(x: Any) -> Any:
        return np.arctan2(1.0, -x) / np.pi

    def sf(x: Any) -> Any:
        return np.arctan2(1.0, x) / np.pi

    def ppf(q: Any) -> Any:
        """tan(π (q - 1/2)), near the ends cot of the distance to them, which is exact."""
        low, high = q < 0.25, q > 0.75
        tail = np.where(low, q, np.where(high, 1.0 - q, 0.25))
        return np.where(low, -1.0, 1.0) * np.where(low | high, 1.0 / np.tan(np.pi * tail), np.tan(np.pi * (q - 0.5)))

    def isf(q: Any) -> Any:
        return -cauchy.ppf(q)

    def mean(*shapes: Any) -> Any:
        return np.nan

    def var(*shapes: Any) -> Any:
        return np.nan

    def entropy(*shapes: Any) -> Any:
        return float(np.log(4 * np.pi))


class laplace(Family):
    def logpdf(x: Any) -> Any:
        return -np.abs(x) - float(np.log(2))

    def cdf(x: Any) -> Any:
        return np.where(x > 0, 1.0 - 0.5 * np.exp(-x), 0.5 * np.exp(x))

    def sf(x: Any) -> Any:
        return np.where(x < 0, 1.0 - 0.5 * np.exp(x), 0.5 * np.exp(-x))

    def ppf(q: Any) -> Any:
        return np.where(q > 0.5, -np.log(2 * (1 - q)), np.log(2 * q))

    def isf(q: Any) -> Any:
        return np.where(q > 0.5, np.log(2 * (1 - q)), -np.log(2 * q))

    def mean(*shapes: Any) -> Any:
        return 0.0

    def var(*shapes: Any) -> Any:
        return 2.0

    def entropy(*shapes: Any) -> Any:
        return float(np.log(2)) + 1


class logistic(Family):
    def logpdf(x: Any) -> Any:
        return sp.log_expit(x) + sp.log_expit(-x)

    def cdf(x: Any) -> Any:
        return sp.expit(x)

    def sf(x: Any) -> Any:
        return sp.expit(-x)

    def logcdf(x: Any) -> Any:
        return sp.log_expit(x)

    def logsf(x: Any) -> Any:
        return sp.log_expit(-x)

    def ppf(q: Any) -> Any:
        return sp.logit(q)

    def isf(q: Any) -> Any:
        return -sp.logit(q)

    def mean(*shapes: Any) -> Any:
        return 0.0

    def var(*shapes: Any) -> Any:
        return float(np.pi ** 2 / 3)

    def entropy(*shapes: Any) -> Any:
        return 2.0


class gumbel_r(Family):
    def logpdf(x: Any) -> Any:
        return -x - np.exp(-x)

    def cdf(x: Any) -> Any:
        return np.exp(-np.exp(-x))

    def logcdf(x: Any) -> Any:
        return -np.exp(-x)

    def sf(x: Any) -> Any:
        return -np.expm1(-np.exp(-x))

    def ppf(q: Any) -> Any:
        return -np.log(-np.log(q))

    def isf(q: Any) -> Any:
        return -np.log(-np.log1p(-q))

    def mean(*shapes: Any) -> Any:
        return EULER

    def var(*shapes: Any) -> Any:
        return float(np.pi ** 2 / 6)

    def entropy(*shapes: Any) -> Any:
        return EULER + 1


class gumbel_l(Family):
    def logpdf(x: Any) -> Any:
        return x - np.exp(x)

    def cdf(x: Any) -> Any:
        return -np.expm1(-np.exp(x))

    def sf(x: Any) -> Any:
        return np.exp(-np.exp(x))

    def logsf(x: Any) -> Any:
        return -np.exp(x)

    def ppf(q: Any) -> Any:
        return np.log(-np.log1p(-q))

    def isf(q: Any) -> Any:
        return np.log(-np.log(q))

    def mean(*shapes: Any) -> Any:
        return -EULER

    def var(*shapes: Any) -> Any:
        return float(np.pi ** 2 / 6)

    def entropy(*shapes: Any) -> Any:
        return EULER + 1
