"""Products in which a kink cancels: |x|², sqrt(y)², norm(v)² … have the derivatives of what they are, to any order."""
from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.special as sp
from sweeps import share

import tracegrad as tg

W, HALVES = np.array([1.0, 0.0, 2.0]), np.array([0.5, 0.5])


def derivative(f, nesting):
    """f differentiated once for each letter, the first innermost: F forward, R reverse."""
    def forward(g):
        return lambda x: tg.jvp(g, (x,), (1.0,))[1]

    for letter in nesting:
        f = tg.grad(f) if letter == "R" else forward(f)
    return f


def summed(x):
    total = 0.0
    for k in range(3):
        total += abs(W[k] * x) ** 2
    return total


# name -> (function, where, first derivative, second, third)
CASES = {
    "abs ** 2": (lambda x: np.abs(x) ** 2, 0.0, 0, 2, 0),
    "abs * abs": (lambda x: np.abs(x) * np.abs(x), -0.0, 0, 2, 0),
    "abs of a float ** 2": (lambda x: abs(x) ** 2, 0.0, 0, 2, 0),
    "square of abs": (lambda x: np.square(np.abs(x)), 0.0, 0, 2, 0),
    "scaled abs": (lambda x: (3 * np.abs(x)) ** 2, 0.0, 0, 18, 0),
    "abs apart": (lambda x: np.abs(x) * np.exp(x) * np.abs(x) / 2, 0.0, 0, 1, 3),
    "-abs * -abs": (lambda x: -np.abs(x) * -np.abs(x), 0.0, 0, 2, 0),
    "abs ** 4": (lambda x: np.abs(x) ** 4, 0.0, 0, 0, 0),
    "abs of complex ** 2": (lambda x: np.abs(x + 0j) ** 2, 0.0, 0, 2, 0),
    "sqrt ** 2": (lambda x: np.sqrt(x) ** 2, 0.0, 1, 0, 0),
    "sqrt * sqrt": (lambda x: np.sqrt(x) * np.sqrt(x), 0.0, 1, 0, 0),
    "sqrt ** 4": (lambda x: np.sqrt(x) ** 4, 0.0, 0, 2, 0),
    "cbrt ** 3": (lambda x: np.cbrt(x) ** 3, 0.0, 1, 0, 0),
    "(x ** 0.5) ** 2": (lambda x: (x**0.5) ** 2, 0.0, 1, 0, 0),
    "(x ** 0.25) ** 4": (lambda x: (x**0.25) ** 4, 0.0, 1, 0, 0),
    "copysign ** 2": (lambda x: np.copysign(x, -3.0) ** 2, 0.0, 0, 2, 0),
    "sign * x": (lambda x: np.sign(x) * x, 0.0, 0, 0, 0),
    "sign * abs": (lambda x: np.sign(x) * np.abs(x), 0.0, 1, 0, 0),
    "(sign * x) ** 2": (lambda x: (np.sign(x) * x) ** 2, 0.0, 0, 2, 0),
    "hypot ** 2": (lambda x: np.hypot(x, 0.0) ** 2, 0.0, 0, 2, 0),
    "max(x, -x) ** 2": (lambda x: np.maximum(x, -x) ** 2, 0.0, 0, 2, 0),
    "cos of abs": (lambda x: np.cos(np.abs(x)), 0.0, 0, -1, 0),
    "cosh of abs": (lambda x: np.cosh(np.abs(x)), 0.0, 0, 1, 0),
    "abs @ abs": (lambda x: np.abs(W * x) @ np.abs(W * x), 0.0, 0, 10, 0),
    "sum of abs ** 2": (lambda x: np.sum(np.abs(W * x) ** 2), 0.0, 0, 10, 0),
    "in a loop": (summed, 0.0, 0, 10, 0),
    "root of a sum ** 2": (lambda x: np.sqrt(np.sum((W * x) ** 2)) ** 2, 0.0, 0, 10, 0),
    "broadcast root ** 2": (lambda x: np.sum(np.broadcast_to(np.sqrt(x), (3,)) ** 2), 0.0, 3, 0, 0),
    "0 ** y": (lambda y: 0.0**y, 0.3, 0, 0, 0),
    "copysign of abs": (lambda x: np.copysign(np.abs(x), x), -0.0, 1, 0, 0),
    "sign * roots of abs": (lambda x: np.sign(x) * np.abs(x)**0.5 * np.abs(x)**0.5, 0.0, 1, 0, 0),
    "power of an array ** 2": (lambda x: np.sum((x**HALVES) ** 2), 0.0, 2, 0, 0),
    "abs ** an array": (lambda x: np.sum(np.abs(x) ** (4 * HALVES)), 0.0, 0, 4, 0),
    "cumprod of abs": (lambda x: np.sum(np.cumprod(np.stack([np.abs(x), 2 * np.abs(x), x]))), 0.0, 0, 4, 12),
    "cumprod of abs ** 2": (lambda x: np.sum(np.cumprod(np.abs(x * W)) ** 2), 0.0, 0, 2 * W[0]**2, 0),
    "prod of abs ** 2": (lambda x: np.prod(np.abs(np.stack([3 * x, x + 1]))) ** 2, 0.0, 0, 18, 108),
    "where(q >= 0, q, -q)": (lambda x: np.sin(np.where(x * x >= 0, x * x, -x * x)), 0.0, 0, 2, 0),
    "where(-q <= 0, -q, q)": (lambda x: np.sin(np.where(-x * x <= 0, -x * x, x * x)), 0.0, 0, -2, 0),
    "root of where(x >= 0, x, -x) ** 2": (lambda x: np.sqrt(1 + np.sqrt(np.where(x >= 0, x, -x) ** 2)), 0.0, 0.5, -0.25, 0.375),
    "(1 + r) exp(-r)": (lambda x: (1 + np.abs(x)) * np.exp(-np.abs(x)), 0.0, 0, -1, 0),
    "exp(-r) + r": (lambda x: np.exp(-np.abs(x)) + np.abs(x), -0.0, 0, 1, 0),
    "log1p(r) ** 2": (lambda x: np.log1p(np.abs(x)) ** 2, 0.0, 0, 2, 0),
    "softplus": (lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), 0.0, 0.5, 0.25, 0),
    "abs ** 2.5": (lambda x: np.abs(x) ** 2.5, 0.0, 0, 0, 0),
    "x ** 0": (lambda x: x**0.0, 0.0, 0, 0, 0),
    "x ** 1": (lambda x: x**1.0, 0.0, 1, 0, 0),
    "x ** 2": (lambda x: np.power(x, 2.0), 0.0, 0, 2, 0),
    "x ** 3": (lambda x: np.power(x, 3.0), 0.0, 0, 0, 6),
}
NESTINGS = [n for order in (1, 2) for n in map("".join, itertools.product("FR", repeat=order))] + ["FFF", "RRR", "RFR"]


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", CASES)
def test_derivatives_where_a_kink_cancels(name):
    """The first derivative in both modes, and in turns the nestings of higher order."""
    f, x, *right = CASES[name]
    nestings = (*NESTINGS[:2], *share(NESTINGS[2:], 3, name))
    found = {n: float(derivative(f, n)(x)) for n in nestings}
    assert found == {n: right[len(n) - 1] for n in nestings}


@pytest.mark.parametrize("name", ["abs * abs", "sqrt ** 2", "abs @ abs", "0 ** y"])
def test_the_evaluator_agrees(name):
    f, x, *right = CASES[name]
    with tg.disable_jit():
        assert [float(derivative(f, n)(x)) for n in ("F", "R", "FR", "RR")] == [right[0], right[0], right[1], right[1]]


def test_values_stay_what_the_program_computes():
    x = np.random.default_rng(0).random(1000)
    value, slope = tg.value_and_grad(lambda x: np.sum(np.sqrt(x) ** 2 * np.arange(1000.0)))(x)
    assert value == tg.jit(lambda x: np.sum(np.sqrt(x) ** 2 * np.arange(1000.0)))(x)
    assert slope.tolist() == list(range(1000))
    assert (tg.jvp(lambda x: np.sqrt(x) ** 2, (x,), (x,))[0] == np.sqrt(x) ** 2).all()


def matern(r):
    return (1 + r + r**2 / 3) * np.exp(-r)


POINTS = np.array([[0.0, 0.0], [1.0, 2.0]])
# name -> (a function of a vector, what its Hessian at 0 is the identity times)
NORMS = {
    "norm": (lambda x: matern(np.linalg.norm(x)), -1 / 3), "root": (lambda x: matern(np.sqrt(x @ x)), -1 / 3),
    "hypot": (lambda x: matern(np.hypot(x[0], x[1])), -1 / 3),
    "scaled": (lambda x: 2.0 * matern(np.sqrt(5.0) * np.linalg.norm(x) / 0.5), -40 / 3),
    "weighted": (lambda x: np.sum((1 + np.sqrt(x @ x)) * (np.exp(-np.sqrt(x @ x)) * W)), -3),
    "Morse": (lambda x: (1 - np.exp(-np.linalg.norm(x))) ** 2, 2),
}


@pytest.mark.parametrize("name", NORMS)
def test_functions_of_a_norm_whose_odd_terms_cancel(name):
    f, right = NORMS[name]
    for h in share((lambda f: tg.jacfwd(tg.grad(f)), lambda f: tg.jacrev(tg.jacfwd(f)), lambda f: tg.jacfwd(tg.jacfwd(f)),
                    lambda f: tg.jacrev(tg.grad(f))), 2, name):
        assert np.allclose(h(f)(np.zeros(2)), right * np.eye(2), rtol=1e-13, atol=1e-13)


def test_a_kernel_of_distances_of_which_one_is_0():
    def total(x, scale):
        r = np.sqrt(np.sum((x - POINTS) ** 2, axis=1)) / scale
        return np.sum((1 + r) * np.exp(-r))

    x, h = np.array([1.0, 2.0]), 1e-4
    found = tg.hessian(total)(x, 0.7)
    gradient = tg.grad(total)
    moved = np.array([(gradient(x + h * e, 0.7) - gradient(x - h * e, 0.7)) / (2 * h) for e in np.eye(2)])
    assert np.allclose(found, moved, rtol=1e-3)


def test_what_is_no_function_of_a_square_is_not_called_smooth():
    """(1 + r) exp(-r) with r = sqrt(x) has the terms x**1.5, so a second derivative that is infinite at 0."""
    def f(x):
        return (1 + np.sqrt(x)) * np.exp(-np.sqrt(x))

    assert tg.grad(f)(0.0) == tg.jvp(f, (0.0,), (1.0,))[1] == -0.5
    assert not np.isfinite(tg.grad(tg.grad(f))(0.0))
    assert tg.grad(lambda x: np.exp(-np.sqrt(x)))(0.0) == -np.inf


@pytest.mark.parametrize("x, y, right", [(0.0, 2.3, 0.0), (0.0, 1.0, -np.inf), (0.0, 0.5, -np.inf),
                                         (2.0, 3.0, 4 * (3 * np.log(2.0) + 1))])
def test_mixed_derivatives_of_a_power(x, y, right):
    by_y = tg.grad(lambda x, y: x**y, 1)
    for found in (tg.grad(by_y, 0)(x, y), tg.jvp(lambda x: by_y(x, y), (x,), (1.0,))[1]):
        assert np.isclose(found, right, rtol=1e-14, atol=0)


ONES, SWAPPED = np.diag([1.0, 1.0]), np.array([[0.0, 1.0], [1.0, 0.0]])
# name -> (a function of a vector, a point, the gradient, the Hessian)
SEVERAL = {
    "largest, smallest": (lambda v: np.maximum(abs(v[0]), abs(v[1])) ** 2 + np.min(np.abs(v)) ** 2, [0, 0], 0, 2 * ONES),
    "at a tie": (lambda v: np.maximum(abs(v[0]), abs(v[1])) ** 2 + np.min(np.abs(v)) ** 2, [1, -1], [2, -2], 2 * ONES),
    "square of a sum of sizes": (lambda v: np.sum(np.abs(v)) ** 2, [0, 0], 0, 2 * ONES),
    "product of norms": (lambda v: np.linalg.norm(v, 1) * np.mean(np.abs(v)), [0, 0], 0, ONES),
    "larger times smaller": (lambda v: np.max(v) * np.min(v), [1, 1], 1, SWAPPED),
    "square of a range": (lambda v: np.ptp(v) ** 2, [1, 1], 0, 2 * ONES - 2 * SWAPPED),
    "range beside a size": (lambda v: np.exp(np.hypot(np.ptp(np.stack([v[0], v[1]])), v[0])) - np.hypot(v[0] - v[1], v[0]),
                            [0, 0], 0, 2 * ONES - SWAPPED - np.diag([0, 1])),
    "a size twice": (lambda v: np.prod(np.stack([abs(v[0]), np.exp(v[1]), abs(v[0])])), [0, 0], 0, np.diag([2, 0])),
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", SEVERAL)
def test_kinks_of_several_values(name):
    f, x, slope, bend = SEVERAL[name]
    x, gradient = np.array(x, float), tg.grad(f)
    np.testing.assert_allclose([gradient(x), tg.jacfwd(f)(x)], np.broadcast_to(slope, (2, 2)), atol=1e-14)
    h = share((tg.jacfwd(gradient), tg.jacrev(tg.jacfwd(f)), tg.jacfwd(tg.jacfwd(f)), tg.jacrev(gradient)), 2, name)
    np.testing.assert_allclose([g(x) for g in h], np.broadcast_to(bend, (len(h), 2, 2)), atol=1e-13)


# f(c |v|) at v = 0: the second derivative along a unit vector, from the series of f
SCALED = {
    "cos(r / 2)": (lambda r: np.cos(r / 2.0), -0.25), "cosh(-3 r)": (lambda r: np.cosh(-3.0 * r), 9.0),
    "sin(r / 2) r": (lambda r: np.sin(r / 2.0) * r, 1.0), "tanh(2 r) sin(r)": (lambda r: np.tanh(2.0 * r) * np.sin(r), 4.0),
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", SCALED)
def test_functions_of_a_multiple_of_a_norm(name):
    f, right = SCALED[name]
    d = np.array([0.6, 0.8])
    for h in (tg.hessian(lambda v: f(np.linalg.norm(v))), tg.jacrev(tg.grad(lambda v: f(np.sqrt(v @ v))))):
        assert np.isclose(d @ h(np.zeros(2)) @ d, right, rtol=1e-14)


FLAT = [(lambda r: sp.iv(2, r), 0.25), (lambda r: sp.iv(0, r), 0.5), (lambda r: sp.struve(1, r), 4 / (3 * np.pi)),
        (lambda r: sp.spherical_jn(0, r), -1 / 3), (lambda r: sp.spherical_in(0, r), 1 / 3), (lambda r: sp.bei(r), 0.5),
        (lambda r: sp.ellipj(r, 0.3)[1], -1.0), (lambda r: sp.eval_legendre(2, r), 3.0),
        (lambda r: sp.eval_chebyt(4, r), -16.0),
        (lambda r: sp.eval_hermite(2, r), 8.0), (lambda r: sp.gammainc(2.0, r), 1.0), (lambda r: sp.betainc(2.0, 1.0, r), 2.0),
        (lambda r: sp.owens_t(r, 1.0), -0.5 / np.pi), (lambda r: sp.pseudo_huber(1.0, r), 1.0),
        (lambda r: sp.kl_div(1 + r, 1.0), 1.0), (lambda r: sp.chdtr(4, r), 0.25), (lambda r: sp.cosm1(r), -1.0),
        (lambda r: sp.pbdv(2, r)[0], 2.5), (lambda r: sp.ive(2, r), 0.25), (lambda r: sp.pdtr(1, r), -1.0),
        (lambda r: sp.bdtr(1, 3, r), -6.0), (lambda r: sp.nbdtr(2, 2, r), 12.0),
        (lambda r: sp.eval_sh_legendre(2, r + 0.5), 12.0), (lambda r: sp.boxcox(r, 2.0), 1.0),
        *[(f, np.inf) for f in (lambda r: sp.gammainc(1.5, r), lambda r: sp.betainc(1.5, 2.0, r), lambda r: sp.jv(1.5, r),
                                lambda r: sp.chdtr(3, r), lambda r: sp.boxcox(r, 1.5))]]


@pytest.mark.sweep(4)
@pytest.mark.parametrize("k", range(len(FLAT)))
def test_functions_that_are_flat_at_a_kink(k):
    """Smooth functions of |x| with a slope of 0 there, some for these parameters only: f''(0) in every nesting."""
    f, bend = lambda x: FLAT[k][0](np.abs(x)), FLAT[k][1]
    slope, gradient = lambda x: tg.jvp(f, (x,), (1.0,))[1], tg.grad(f)
    with tg.disable_jit():
        assert slope(0.0) == 0 and gradient(0.0) == 0
        for first in (slope, gradient):
            got = tg.jvp(first, (0.0,), (1.0,))[1], tg.grad(first)(0.0)
            np.testing.assert_allclose(got, [bend] * 2, rtol=1e-9)
    if k < 2:
        np.testing.assert_allclose(tg.grad(gradient)(0.0), bend, rtol=1e-9)
