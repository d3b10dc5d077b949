"""Reductions, products, norms and deviations, statistics."""
from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import scipy.special as sp

from .arrays import Arrays, at, kinks

NAN = math.nan


def sqrt_of_squares(x):
    return mp.sqrt(np.sum(x * x))


def deviation(x, ddof=0):
    d = x - np.sum(x) / x.size
    return mp.sqrt(np.sum(d * d) / (x.size - ddof))


def variance(x, ddof=0):
    d = x - np.sum(x) / x.size
    return np.sum(d * d) / (x.size - ddof)


def p_norm(p):
    return lambda x: mp.power(np.sum(np.array([mp.power(abs(v), p) for v in x.ravel()], object)), 1 / mp.mpf(p))


def present(f):
    """Without what is NaN."""
    return lambda x: f(np.array([v for v in x.ravel() if not mp.isnan(v)], object))


def by_rows(f):
    return lambda x: np.array([f(row) for row in x], object)


def log_sum_exp(x, b=None):
    return mp.log(sum((1 if b is None else float(c)) * mp.exp(v) for v, c in zip(x.ravel(), x.ravel() if b is None else b)))


def soft_max(x):
    e = np.array([mp.exp(v) for v in x], object)
    return e / np.sum(e)


ZERO_IN_IT = [at([0.0, 3.0, 4.0]), at([0.0, 0.0, 2.0]), at([-1.0, 0.5, 2.0])]
NULL = at([0.0, 0.0, 0.0], slopes=([0.0, 0.0, 0.0],))
CENTRED = [at([0.0, 1.0, 2.0]), at([-1.0, 1.0, 0.0]), at([1.0, 2.0, 5.0])]
FACTORS = [at([2.0, 0.0, 3.0]), at([0.0, 0.0, 3.0]), at([0.0, 0.0, 0.0]), at([-1.0, 2.0, 4.0])]
GRID = [at([[0.0, 3.0, 4.0], [1.0, 0.0, 0.0]])]
MATRICES = [at([[0.0, 3.0], [4.0, 0.0]]), at([[1.0, 0.0], [0.0, 0.0]]), at([[1.0, 2.0], [-3.0, 0.5]])]
EXPONENTS = [at([0.0, 0.0, 0.0]), at([1.0, 1.0, -2.0]), at([1000.0, 1000.0, 0.0]), at([-1000.0, 0.5, 0.5])]

NORMS = [
    *(Arrays(name, f, [*ZERO_IN_IT, NULL], sqrt_of_squares) for name, f in {
        "norm": lambda x: np.linalg.norm(x), "norm of order 2": lambda x: np.linalg.norm(x, 2),
        "norm along the axis": lambda x: np.linalg.norm(x, axis=0), "vector_norm": lambda x: np.linalg.vector_norm(x)}.items()),
    *(Arrays(name, f, [*ZERO_IN_IT, at([0.0, 0.0, 0.0], slopes=([0.0, 0.0, 0.0],), orders=1)], sqrt_of_squares) for name, f in {
        "sqrt of dot": lambda x: np.sqrt(x @ x), "sqrt of a sum": lambda x: np.sqrt(np.sum(x ** 2))}.items()),
    Arrays("norms of rows", lambda x: np.linalg.norm(x, axis=1), GRID, by_rows(sqrt_of_squares)),
    Arrays("vector_norm of rows", lambda x: np.linalg.vector_norm(x, axis=1, keepdims=True)[:, 0], GRID,
           by_rows(sqrt_of_squares)),
    Arrays("norm of a matrix", lambda x: np.linalg.norm(x), MATRICES, sqrt_of_squares),
    Arrays("Frobenius norm", lambda x: np.linalg.norm(x, "fro"), MATRICES, sqrt_of_squares, covers=("linalg.matrix_norm",)),
    Arrays("matrix_norm", lambda x: np.linalg.matrix_norm(x), MATRICES, sqrt_of_squares),
    Arrays("norm of order 1", lambda x: np.linalg.norm(x, 1), [*kinks("np.linalg.norm(x, 1)"), at([1.0, -2.0])],
           lambda x: sum(abs(v) for v in x)),
    Arrays("norm of order 3", lambda x: np.linalg.norm(x, 3), [*ZERO_IN_IT, NULL, *kinks("np.linalg.norm(x, 3)")], p_norm(3)),
    Arrays("vector_norm of order 3", lambda x: np.linalg.vector_norm(x, ord=3), [*ZERO_IN_IT, NULL], p_norm(3)),
    Arrays("norm of order 4", lambda x: np.linalg.norm(x, 4), [*ZERO_IN_IT, NULL], p_norm(4)),
    Arrays("norm of order 1.5", lambda x: np.linalg.norm(x, 1.5),
           [at([0.0, 3.0, 4.0], orders=1), at([-1.0, 0.5, 2.0]), NULL], p_norm(1.5)),
    Arrays("norm of order -1", lambda x: np.linalg.norm(x, -1), [at([-1.0, 0.5, 2.0])], p_norm(-1)),
    Arrays("norm of order -2", lambda x: np.linalg.norm(x, -2), [at([-1.0, 0.5, 2.0])], p_norm(-2)),
    Arrays("norm of order 0", lambda x: np.linalg.norm(x, 0), [at([0.0, 2.0], slopes=([0.0, 0.0],))]),
    Arrays("norm of order inf", lambda x: np.linalg.norm(x, np.inf), [*kinks("np.linalg.norm(x, np.inf)"), at([1.0, -3.0])],
           lambda x: max(abs(v) for v in x)),
    Arrays("norm of order -inf", lambda x: np.linalg.norm(x, -np.inf),
           [at([1.0, -1.0], slopes=([0.5, -0.5],)), at([1.0, -3.0])],
           lambda x: min(abs(v) for v in x)),
    Arrays("largest sum of a column", lambda x: np.linalg.norm(x, 1), [at([[1.0, -2.0], [0.5, 3.0]])],
           lambda x: max(sum(abs(v) for v in column) for column in x.T)),
    Arrays("largest sum of a row", lambda x: np.linalg.norm(x, np.inf), [at([[1.0, -2.0], [0.5, 3.0]])],
           lambda x: max(sum(abs(v) for v in row) for row in x)),
    *(Arrays(f"{f.__name__}{', ddof ' + str(d) if d else ''}", lambda x, f=f, d=d: f(x, ddof=d),
             [*CENTRED, at([1.0, 1.0, 1.0], slopes=([0.0] * 3,))], lambda x, d=d: deviation(x, d))
      for f in (np.std, np.nanstd) for d in (0, 1)),
    Arrays("nanstd of some", lambda x: np.nanstd(x), [at([0.0, NAN, 1.0, 2.0])], present(deviation)),
    Arrays("std of rows", lambda x: np.std(x, axis=1), [at([[0.0, 1.0, 2.0], [3.0, 5.0, 5.5]])], by_rows(deviation)),
    Arrays("var", lambda x: np.var(x), [*CENTRED, at([1.0, 1.0, 1.0])], variance),
    Arrays("nanvar", lambda x: np.nanvar(x, ddof=1), [at([0.0, NAN, 1.0, 2.0]), at([1.0, NAN, 1.0, 1.0])],
           present(lambda x: variance(x, 1))),
    Arrays("sqrt of var", lambda x: np.sqrt(np.var(x)), CENTRED, deviation),
]

PRODUCTS = [
    Arrays("prod", lambda x: np.prod(x), FACTORS, np.prod, covers=("op:reduce",)),
    Arrays("prod of rows", lambda x: np.prod(x, axis=1), [at([[0.0, 3.0, 4.0], [0.0, 0.0, 2.0]])], by_rows(np.prod)),
    Arrays("nanprod", lambda x: np.nanprod(x), [at([2.0, 0.0, NAN]), at([0.0, 0.0, NAN])], present(np.prod)),
    Arrays("cumprod", lambda x: np.cumprod(x), FACTORS, np.cumprod, covers=("cumulative_prod", "op:scan")),
    Arrays("nancumprod", lambda x: np.nancumprod(x), [at([2.0, NAN, 0.0, 0.0]), at([2.0, NAN, 3.0, 0.0])],
           lambda x: np.cumprod(np.array([mp.mpf(1) if mp.isnan(v) else v for v in x], object))),
    Arrays("multiply.reduce", lambda x: np.multiply.reduce(x), FACTORS, np.prod),
    Arrays("multiply.accumulate", lambda x: np.multiply.accumulate(x), FACTORS, np.cumprod),
    Arrays("einsum of three", lambda x: np.einsum("i,i,i->", x, x, x), FACTORS, lambda x: np.sum(x ** 3), covers=("einsum",)),
]

CHOICES = [
    Arrays("max", lambda x: np.max(x), [*kinks("np.max(x)"), at([1.0, 3.0, 2.0])], max, covers=("amax",)),
    Arrays("min", lambda x: np.min(x), [*kinks("np.min(x)"), at([1.0, 3.0, 2.0])], min, covers=("amin",)),
    Arrays("nanmax", lambda x: np.nanmax(x), kinks("np.nanmax(x)")),
    Arrays("nanmin", lambda x: np.nanmin(x), [at([1.0, 1.0, NAN], slopes=([0.5, 0.5, 0.0],))]),
    Arrays("ptp", lambda x: np.ptp(x), [*kinks("np.ptp(x)"), at([2.0, 2.0, 2.0], slopes=([0.0] * 3,)), at([1.0, 3.0, 2.0])],
           lambda x: max(x) - min(x)),
    Arrays("maximum.accumulate", lambda x: np.maximum.accumulate(x), [at([1.0, 3.0, 2.0])],
           lambda x: np.array([max(x[:k + 1]) for k in range(3)], object)),
    Arrays("sort", lambda x: np.sort(x), [at([1.0, 1.0, 0.0]), at([3.0, 1.0, 2.0])],
           lambda x: np.array([x[k] for k in ((2, 0, 1) if x[0] < 2 else (1, 2, 0))], object), covers=("op:sort",)),
    Arrays("sort_complex", lambda x: np.sort(x)[::-1], [at([3.0, 1.0, 2.0])], lambda x: x[[0, 2, 1]], covers=("partition",)),
    Arrays("median", lambda x: np.median(x), [*kinks("np.median(x)"), at([3.0, 1.0, 2.0])], lambda x: x[2]),
    Arrays("nanmedian", lambda x: np.nanmedian(x), [at([3.0, NAN, 1.0, 2.0])], lambda x: x[3]),
    Arrays("quantile", lambda x: np.quantile(x, 0.25), [at([3.0, 1.0, 2.0]), *kinks("np.quantile(x, 0.25)")],
           lambda x: (x[1] + x[2]) / 2, covers=("percentile",)),
    Arrays("nanquantile", lambda x: np.nanquantile(x, 0.25), [at([3.0, 1.0, NAN, 2.0])], lambda x: (x[1] + x[3]) / 2,
           covers=("nanpercentile",)),
    Arrays("quantile by its level", lambda q: np.quantile(np.array([1.0, 2.0, 4.0]), q), [at(0.25)], lambda q: 1 + 2 * q),
]

EXPONENTIALS = [
    Arrays("logsumexp", lambda x: sp.logsumexp(x), [*EXPONENTS, at([-math.inf, 0.0, 1.0])], log_sum_exp),
    Arrays("logsumexp of rows", lambda x: sp.logsumexp(x, axis=1), [at([[0.0, 0.0], [1.0, -1.0]])], by_rows(log_sum_exp)),
    Arrays("logsumexp with weights", lambda x: sp.logsumexp(x, b=np.array([1.0, 2.0, 0.5])), EXPONENTS,
           lambda x: log_sum_exp(x, (1.0, 2.0, 0.5))),
    Arrays("logsumexp with a weight of 0", lambda x: sp.logsumexp(x, b=np.array([1.0, 0.0, 0.5])), EXPONENTS[:2],
           lambda x: log_sum_exp(x, (1.0, 0.0, 0.5))),
    Arrays("logsumexp by its weights", lambda x, b: sp.logsumexp(x, b=b),
           [at([0.0, 1.0], [1.0, 2.0]), at([0.0, 1.0], [1.0, 0.0])],
           lambda x, b: mp.log(sum(c * mp.exp(v) for v, c in zip(x, b)))),
    Arrays("logsumexp with a sign", lambda x: sp.logsumexp(x, b=np.array([1.0, -2.0, 0.5]), return_sign=True)[0],
           [at([0.0, 1.0, 2.0]), at([0.0, 2.0, 1.0])],
           lambda x: mp.log(abs(mp.exp(x[0]) - 2 * mp.exp(x[1]) + mp.exp(x[2]) / 2))),
    Arrays("softmax", lambda x: sp.softmax(x), [*EXPONENTS, at([-math.inf, 0.0, 1.0])], soft_max, least=1.0),
    Arrays("log_softmax", lambda x: sp.log_softmax(x), EXPONENTS, lambda x: x - log_sum_exp(x), least=1.0),
    Arrays("multigammaln", lambda x: sp.multigammaln(x, 2), [at(2.5), at(1.5)],
           lambda a: mp.log(mp.pi) / 2 + mp.loggamma(a) + mp.loggamma(a - mp.mpf(1) / 2)),
    Arrays("logaddexp.reduce", lambda x: np.logaddexp.reduce(x), EXPONENTS[:2], log_sum_exp),
]

ROWS = [*NORMS, *PRODUCTS, *CHOICES, *EXPONENTIALS]


def failures(row, orders):
    from .arrays import check
    return check(row, orders, True) + check(row, tuple(o for o in orders if o < 3), False)
