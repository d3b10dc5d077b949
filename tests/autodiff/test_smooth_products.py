"""Products in which a kink cancels: |x|², sqrt(y)², norm(v)² … have the derivatives of what they are, to any order."""
from __future__ import annotations

import itertools

import numpy as np
import pytest
from sweeps import share

import tracegrad as tg

W = np.array([1.0, 0.0, 2.0])


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
    "x ** 0": (lambda x: x**0.0, 0.0, 0, 0, 0),
    "x ** 1": (lambda x: x**1.0, 0.0, 1, 0, 0),
    "x ** 2": (lambda x: np.power(x, 2.0), 0.0, 0, 2, 0),
    "x ** 3": (lambda x: np.power(x, 3.0), 0.0, 0, 0, 6),
}
NESTINGS = [n for order in (1, 2) for n in map("".join, itertools.product("FR", repeat=order))] + ["FFF", "RRR", "RFR"]


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


@pytest.mark.parametrize("x, y, right", [(0.0, 2.3, 0.0), (0.0, 1.0, -np.inf), (0.0, 0.5, -np.inf),
                                         (2.0, 3.0, 4 * (3 * np.log(2.0) + 1))])
def test_mixed_derivatives_of_a_power(x, y, right):
    by_y = tg.grad(lambda x, y: x**y, 1)
    for found in (tg.grad(by_y, 0)(x, y), tg.jvp(lambda x: by_y(x, y), (x,), (1.0,))[1]):
        assert np.isclose(found, right, rtol=1e-14, atol=0)


# f(c |v|) at v = 0: the second derivative along a unit vector, from the series of f
SCALED = {
    "cos(r / 2)": (lambda r: np.cos(r / 2.0), -0.25), "cosh(-3 r)": (lambda r: np.cosh(-3.0 * r), 9.0),
    "sin(r / 2) r": (lambda r: np.sin(r / 2.0) * r, 1.0), "tanh(2 r) sin(r)": (lambda r: np.tanh(2.0 * r) * np.sin(r), 4.0),
}


@pytest.mark.parametrize("name", SCALED)
def test_functions_of_a_multiple_of_a_norm(name):
    f, right = SCALED[name]
    d = np.array([0.6, 0.8])
    for h in (tg.hessian(lambda v: f(np.linalg.norm(v))), tg.jacrev(tg.grad(lambda v: f(np.sqrt(v @ v))))):
        assert np.isclose(d @ h(np.zeros(2)) @ d, right, rtol=1e-14)
