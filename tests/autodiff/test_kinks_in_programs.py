"""Kinks that cancel across lists, writes, branches and loops, and functions that are written for each side of 0 apart."""
from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.special as sp
from sweeps import share

import tracegrad as tg

W = np.array([1.0, 2.0, -0.5])
NESTINGS = ["F", "R", *map("".join, itertools.product("FR", repeat=2))]


def derivative(f, nesting):
    """f differentiated once for each letter, the first innermost: F forward, R reverse."""
    for letter in nesting:
        f = tg.grad(f) if letter == "R" else (lambda g: lambda x: tg.jvp(g, (x,), (1.0,))[1])(f)
    return f


def distance(a, b):
    return np.sqrt(np.sum((a - b) ** 2))


def points(t):
    return np.stack([t * W, np.zeros(3), np.ones(3)])


def distances(t):
    x, out = points(t), np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            out[i, j] = distance(x[i], x[j])
    return out


def written(t, n=40):
    out = np.zeros(n)
    for i in range(n):
        out[i] = abs(t)
    return out


def listed(t):
    found = []
    for p in points(t):
        found.append(distance(p, np.zeros(3)))
    return np.sum(np.array(found) ** 2)


def branched(t):
    r = abs(t)
    if r < 1:
        u = r
    else:
        u = 2 * r - 1
    return u * u


def carried(step):
    """A kink that a loop of unknown length computes on with."""
    def f(t):
        y, k = np.abs(t), 0
        while k < 3:
            y, k = step(y), k + 1
        return y
    return f


def squared_in_place(t):
    y, i = np.abs(t * W), 0
    while i < 3:
        y[i] = y[i] ** 2
        i += 1
    return np.sum(y)


def matern(r):
    return np.sum((1 + r) * np.exp(-r))


# name -> (function of one number, its first and second derivative at 0)
JOINED = {
    "distances": (lambda t: np.sum(distances(t) ** 2), -10.0, 42.0),
    "written in a loop": (lambda t: np.sum(written(t) ** 2), 0, 80), "cos": (lambda t: np.sum(np.cos(written(t))), 0, -40),
    "Matérn, in a loop": (lambda t: matern(written(t, 3)), 0, -3), "list": (listed, 0, 10.5), "branch": (branched, 0, 2),
    "vmap": (lambda t: np.sum(tg.vmap(lambda p: distance(p, 0 * p))(points(t)) ** 2), 0, 10.5),
    "vmap and Matérn": (lambda t: matern(tg.vmap(np.abs)(t * W)), 0, -5.25),
    "concatenated": (lambda t: np.sum(np.concatenate([np.abs(t * W), t * W]) ** 2), 0, 21),
    "chosen": (lambda t: np.sum(np.where(W > 0, np.abs(t * W), np.hypot(t, 0 * W)) ** 2), 0, 2 * (1 + 4 + 1)),
    "logsumexp": (lambda t: sp.logsumexp(np.stack([np.abs(t), -np.abs(t)])), 0, 1),
    "product of exponentials": (lambda t: np.prod(np.exp(np.stack([np.abs(t), -np.abs(t)]))), 0, 0),
    "squared hinge": (lambda t: np.sum(np.maximum(0, t * W) ** 2), 0, 5.25),
    "both hinges": (lambda t: np.maximum(t, 0) ** 2 + np.minimum(t, 0) ** 2, 0, 2),
    "squared in place": (squared_in_place, 0, 10.5),
    "carried root": (lambda t: carried(lambda y: np.sqrt(y * y))(t) ** 2, 0, 2),
    "carried sine": (lambda t: carried(np.sin)(t) ** 2, 0, 2),
    "carried and Matérn": (carried(lambda y: 1 - (1 + y) * np.exp(-y)), 0, 0),
    "larger times smaller": (lambda t: np.maximum(t, 2 * t) * np.minimum(t, 2 * t), 0, 4),
}


def logistic(x):
    z = np.exp(-np.abs(x))
    return np.where(x >= 0, 1, z) / (1 + z)


def logistic_of_branches(x):
    z = math.exp(-abs(x))
    return z / (1 + z) if x < 0 else 1 / (1 + z)


def logistic_in_a_loop(v):
    out = np.empty_like(v)
    for i in range(v.shape[0]):
        z = math.exp(-abs(v[i]))
        if v[i] > 0:
            out[i] = 1 / (1 + z)
        else:
            out[i] = z / (1 + z)
    return np.sum(out)


def tanh(x):
    return (1 - np.exp(-2 * np.abs(x))) / (1 + np.exp(-2 * np.abs(x)))


SIDES = {
    "logistic": (logistic, 0.25, 0), "branches": (logistic_of_branches, 0.25, 0),
    "loop": (lambda t: logistic_in_a_loop(t * W), 0.625, 0),
    "loss": (lambda t: -np.sum(np.log(logistic(t * W))), -1.25, 1.3125),
    "softplus": (lambda x: np.where(x > 0, x, 0) + np.log1p(np.exp(-np.abs(x))), 0.5, 0.25),
    "softplus of Python": (lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))), 0.5, 0.25),
    "softplus by a mask": (lambda x: x * (x >= 0) + np.log1p(np.exp(-np.abs(x))), 0.5, 0.25),
    "softplus of a maximum":
        (lambda x: np.maximum(x, 0) + np.log1p(np.where(x >= 0, np.exp(-np.abs(x)), np.exp(x))), 0.5, 0.25),
    "tanh by a sign": (lambda x: np.sign(x) * tanh(x), 1, 0), "by copysign": (lambda x: np.copysign(tanh(x), x), 1, 0),
    "a negative by copysign": (lambda x: np.copysign(-np.arctan(np.abs(x)), x), 1, 0),
    "erf": (lambda x: np.where(x < 0, -1, 1) * sp.erf(np.abs(x)), 2 / math.sqrt(math.pi), 0),
    "arcsinh": (lambda x: np.sign(x) * np.log(np.abs(x) + np.sqrt(x * x + 1)), 1, 0),
    "its gradient": (lambda x: tg.grad(logistic)(x), 0, -0.125),
}
# What asks for no side, or bends nothing, keeps the mean: (function, slope)
MEANS = {
    "penalty": (lambda x: np.where(x > 0, x, 0) + 3 * np.abs(x), 0),
    "signed square": (lambda x: np.sign(x) * np.abs(x) ** 2, 0),
    "softsign": (lambda x: x / (1 + np.abs(x)), 1), "threshold": (lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0), 0),
    "another's side": (lambda x: np.where(x + 1 > 0, 1, 2) * np.exp(-np.abs(x)), 0),
}


def check(f, right, name, x=0.0):
    nestings = (*NESTINGS[:2], *share(NESTINGS[2:], 2, name))
    found = tg.jit(lambda x: [derivative(f, n)(x) for n in nestings])(x)
    assert np.allclose(found, [right[len(n) - 1] for n in nestings], rtol=1e-12, atol=1e-12), dict(zip(nestings, found))


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", JOINED)
def test_kinks_that_cancel_in_what_is_put_together_of_them(name):
    f, *right = JOINED[name]
    check(f, right, name)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", SIDES)
def test_functions_that_ask_for_the_side(name):
    f, *right = SIDES[name]
    check(f, right, name)


def test_the_evaluator_agrees():
    with tg.disable_jit():
        for f, first, second in (JOINED["written in a loop"], SIDES["logistic"], SIDES["by copysign"]):
            assert np.allclose([derivative(f, n)(0.0) for n in ("F", "R", "FR")], [first, first, second], atol=1e-12)


@pytest.mark.parametrize("name", MEANS)
def test_where_no_side_is_asked_for(name):
    f, slope = MEANS[name]
    assert tg.grad(f)(0.0) == tg.jvp(f, (0.0,), (1.0,))[1] == slope


def test_single_precision_and_both_zeros():
    x = np.array([0.0, -0.0, 1.0], np.float32)
    slope = tg.grad(lambda x: np.sum(logistic(x)))(x)
    assert slope.dtype == np.float32 and np.allclose(slope, sp.expit(x) * sp.expit(-x), rtol=1e-6)


def test_values_stay_what_the_program_computes():
    x = np.random.default_rng(0).standard_normal(50)
    value, _ = tg.value_and_grad(lambda x: np.sum(logistic(x) * np.maximum(x, 0) ** 2))(x)
    assert value == tg.jit(lambda x: np.sum(logistic(x) * np.maximum(x, 0) ** 2))(x)


@pytest.mark.parametrize("x", [1.0, -1.0, 0.5])
def test_sines_of_angles(x):
    for f in (lambda x: np.sin(np.arcsin(x)), lambda x: np.cos(np.arccos(x))):
        check(f, (1, 0), f"sine at {x}", x)
