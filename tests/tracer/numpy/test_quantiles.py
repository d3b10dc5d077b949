"""Medians and quantiles by every method, with and without NaN, against NumPy; their derivatives."""
from __future__ import annotations

import nest_check
import numpy as np
import pytest
from derivatives import check as check_derivatives
from numpy_trace import build, check, expressions, run

import tracegrad as tg

RNG = np.random.default_rng(3)
A = RNG.standard_normal((4, 5))
HOLED = np.where(RNG.random((4, 5)) < 0.3, np.nan, A)
HOLED[2] = np.nan
METHODS = ("inverted_cdf", "averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen", "weibull",
           "linear", "median_unbiased", "normal_unbiased", "lower", "higher", "midpoint", "nearest")
pytestmark = pytest.mark.filterwarnings("ignore:All-NaN", "ignore:Mean of empty")


@pytest.mark.sweep(2)
@pytest.mark.parametrize("method", METHODS)
def test_methods(method):
    for a in (A, HOLED, (A * 9).astype(int), A.astype(np.float32)):
        check(lambda np, a: (np.quantile(a, 0.3, method=method), np.percentile(a, [0, 25, 50, 90, 100], 1, method=method),
                             np.quantile(a, [[0.1], [0.7]], axis=(0, 1), method=method, keepdims=True)), a)
        check(lambda np, a: (np.nanquantile(a, 0.3, method=method), np.nanpercentile(a, [0, 33, 100], axis=-1, method=method),
                             np.nanquantile(a, 0.5, axis=0, method=method, keepdims=True)), a)
    nest_check.check(build(lambda np, a: np.nanquantile(a, [0.2, 0.5], 0, method=method), HOLED)[0], HOLED)


@pytest.mark.parametrize("fn", expressions("np, a", globals(), """
    np.nanmedian(a)
    np.nanmedian(a, axis=0)
    np.nanmedian(a, axis=(0, 1), keepdims=True)
    np.nanmedian(a, axis=-1, keepdims=True)
    np.nanmedian(a[:, :0], axis=1)
    np.nanmedian(a[1])
    np.nanmedian(a, axis=1, out=np.zeros(4))
"""))
@pytest.mark.parametrize("a", [A, HOLED, (A * 9).astype(int), HOLED.astype(np.float32), np.where(A > 1, np.inf, A)],
                         ids=range(5))
def test_nanmedian(fn, a):
    check(fn, a)


def test_the_dtype_of_integers_is_that_of_the_fractions():
    for dtype in (np.int8, np.uint16, np.int64, np.float16, np.float32):
        for q in (np.float32(0.3), np.float64(0.3), np.array([0.3, 0.6], np.float32)):
            check(lambda np, a, q: (np.quantile(a, q), np.nanquantile(a, q), np.quantile(a, q, method="hazen")),
                  np.arange(5).astype(dtype), q)


@pytest.mark.sweep(2, days=True)
def test_derivatives():
    for method in METHODS:
        for name in ("quantile", "nanquantile"):
            f = build(lambda np, a, name=name, method=method: getattr(np, name)(a ** 2, [0.23, 0.61], 0, method=method), A)[0]
            check_derivatives(f, [A], order=1)
    check_derivatives(build(lambda np, a: np.nanmedian(np.where(a > 1, np.nan, a ** 2), axis=1), A)[0], [A])


def test_errors():
    with pytest.raises(ValueError, match="is not a valid method"):
        run(lambda np, a: np.quantile(a, 0.5, method="most"), A)
    with pytest.raises(ValueError, match="range"):
        run(lambda np, a: np.nanpercentile(a, 101), A)
    with pytest.raises(tg.UnsupportedError, match=r"(?s)weights.*argsort"):
        run(lambda np, a: np.quantile(a, 0.5, weights=a, method="inverted_cdf"), A)
