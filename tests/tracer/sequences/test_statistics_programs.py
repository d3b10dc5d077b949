"""The module `statistics` in compiled functions."""
from __future__ import annotations

import statistics as st
import sys

import numpy as np
import pytest

import tracegrad as tg

X = [1.5, 2.5, 4.0, 7.25]


def all_of_them(data):
    return (st.mean(data), st.fmean(data), st.variance(data), st.variance(data, 2.0), st.pvariance(data), st.stdev(data),
            st.pstdev(data), st.median(data), st.median_low(data), st.median_high(data))


@pytest.mark.parametrize("data", [X, X[:3], np.array(X), [1e16, 1.0, -1e16]])
def test_values(data):
    np.testing.assert_allclose(tg.jit(all_of_them)(data), all_of_them(data), rtol=1e-14)


def test_lists_of_run_time_length():
    def f(x):
        found = [v for v in x if v > 2]
        return st.mean(found), st.stdev(found), st.median(found)

    np.testing.assert_allclose(tg.jit(f)(np.array(X)), f(np.array(X)), rtol=1e-14)
    with pytest.raises(st.StatisticsError, match="mean requires at least one data point"):
        tg.jit(f)(np.array(X) - 9)


def test_derivatives():
    def f(data):
        return st.mean(data) + 2 * st.stdev(data) + 3 * st.median(data) + 4 * st.pvariance(data)

    x, step = np.array(X), 1e-6 * np.eye(4)
    slope = [(f(list(x + s)) - f(list(x - s))) / 2e-6 for s in step]
    np.testing.assert_allclose(tg.grad(f)(X), slope, atol=1e-7)


def test_ints():
    assert tg.jit(lambda data: (st.median(data), st.fmean(data)))([1, 5, 2]) == (2, st.fmean([1, 5, 2]))

    def f(data):
        return st.mean(data) * 2

    with pytest.raises(tg.UnsupportedError, match="mean of ints"):
        tg.jit(f)([1, 5, 2])


@pytest.mark.skipif(sys.version_info < (3, 11), reason="fmean has weights from Python 3.11 on")
def test_weights():
    def f(x):
        return (st.fmean(x, weights=x * x) + st.fmean([1.0, 2.0], [x[0], 3.0])
                + st.fmean([v for v in x if v > 1], [1.0, x[0]]))

    x = np.array([0.5, 2.0, 3.0])
    np.testing.assert_allclose(tg.jit(f)(x), f(x), rtol=1e-14)
    with pytest.raises(st.StatisticsError, match="same length"):
        tg.jit(f)(x + 2)
