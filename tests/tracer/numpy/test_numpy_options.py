"""Less common options of NumPy's functions and methods: as in NumPy."""
from __future__ import annotations

import numpy as np
import pytest
from derivatives import check as check_derivatives
from numpy_trace import build, check, expressions, run

import tracegrad as tg

RNG = np.random.default_rng(4)
X, Y = RNG.uniform(0.2, 1.5, 7), RNG.uniform(0.2, 1.5, 7)
A = RNG.standard_normal((4, 5))
I = np.array([3, 0, 2, 2, 1])
COUNTS = np.array([1, 2, 1, 3, 1, 1, 2])


@pytest.mark.parametrize("fn", expressions("np, x, y, a, i, c", globals(), """
    np.pad(a, 2, mode="mean")
    np.pad(a, ((1, 2), (0, 3)), mode="maximum")
    np.pad(a, 1, mode="minimum", stat_length=2)
    np.pad(a, ((0, 1), (2, 1)), mode="median", stat_length=((1, 2), (3, 4)))
    np.pad(a, 2, mode="linear_ramp")
    np.pad(a, ((1, 3), (2, 0)), mode="linear_ramp", end_values=((1.0, 2.0), (3.0, -4.0)))
    np.pad(i, (2, 3), "linear_ramp", end_values=(5, -4))
    np.pad(i, 2, "mean")
    np.pad(i, 3, "median", stat_length=2)
    np.interp(x * 5, [0.0, 1.0, 2.5], [1.0, 2.0, 0.5], period=3)
    np.interp(x - 1, y, x, period=-0.7)
    np.cov(x, y, aweights=y)
    np.cov(a, fweights=[1, 2, 1, 3, 1])
    np.cov(np.stack([x, y]), fweights=c, aweights=x)
    np.cov(np.stack([x, y]), fweights=c, aweights=x, bias=True)
    x.compress(x > 0.7)
    a.compress([True, False, True], axis=1)
    x[x.argpartition(3)[3]]
    x.view() * 2
    x.view(np.float64) + x.view(np.ndarray)
    np.require(a, requirements="C")
    np.require(a, np.float32, ["F", "W"])
"""))
def test_options(fn):
    check(fn, X, Y, A, I, COUNTS)


def test_flat():
    def assigned(np, a, x):
        a.flat = 5.0
        b = np.zeros((2, 3))
        b.flat = x[:4]
        b.flat[1:3] = 9.0
        return a, b

    check(assigned, A, X)


@pytest.mark.parametrize("fn", expressions("np, x, y", globals(), """
    np.pad(x * y, 2, mode="mean")
    np.pad(x * y, (3, 2), mode="linear_ramp", end_values=1.0)
    np.pad(x * y, 2, mode="median", stat_length=3)
    np.interp(x, np.linspace(0, 2, 7), y, period=2.3)
    np.cov(x, y, aweights=y)
"""))
def test_derivatives(fn):
    check_derivatives(build(fn, X, Y)[0], [X, Y])


def test_refusals():
    with pytest.raises(tg.UnsupportedError, match=r"(?s)another dtype.*astype"):
        run(lambda np, x: x.view(np.int64), X)
    with pytest.raises(tg.UnsupportedError, match=r"(?s)another dtype.*\.real and \.imag"):
        run(lambda np, x: (x * 1j).view(float), X)
    with pytest.raises(ValueError, match="non-zero"):
        run(lambda np, x: np.interp(x, x, x, period=0), X)
