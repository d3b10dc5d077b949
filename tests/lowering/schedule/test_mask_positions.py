"""Positions of a mask's true elements: blocks without any are passed over."""
from __future__ import annotations

import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(11)


def masks(n):
    """None, all, few, many, the first, the last, the ends of a block."""
    few, ends = RNG.random(n) < 0.03, np.zeros(n, bool)
    ends[[k for k in (15, 16, 31, 47) if k < n]] = True
    return [np.zeros(n, bool), np.ones(n, bool), few, RNG.random(n) < 0.7, np.arange(n) == 0, np.arange(n) == n - 1, ends]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("n", [0, 1, 15, 16, 17, 32, 70])
def test_picked_elements(n):
    x = RNG.standard_normal(n)
    for mask in masks(n):
        np.testing.assert_array_equal(tg.jit(lambda x, m: x[m])(x, mask), x[mask])
        np.testing.assert_array_equal(tg.jit(lambda m: np.nonzero(m)[0])(mask), np.nonzero(mask)[0])
        if n == 17:
            tg.check_grads(lambda x, m=mask: np.sum(np.cumsum(x[m]) ** 2), (x,))


@pytest.mark.parametrize("shape", [(3, 17), (40, 3), (2, 3, 33), (0, 20), (20, 0)], ids=str)
def test_positions_along_several_axes(shape):
    for chance in (0.0, 0.02, 0.5, 1.0):
        mask = RNG.random(shape) < chance
        for got, want in zip(tg.jit(np.nonzero)(mask), np.nonzero(mask), strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.sweep(2, days=True)
def test_lengths_that_only_run_time_knows():
    def f(x):
        while len(x) > 3:
            x = x[x < np.mean(x)] * 1.5
        return x

    for n in (5, 50, 400):
        x = RNG.standard_normal(n)
        np.testing.assert_allclose(tg.jit(f)(x), f(x), rtol=1e-13)


def test_masks_that_cost_much_are_computed_once():
    x = RNG.standard_normal(400)
    dear = tg.jit(lambda x: np.nonzero(np.sin(np.exp(x)) > 0.9)[0])
    np.testing.assert_array_equal(dear(x), np.nonzero(np.sin(np.exp(x)) > 0.9)[0])
