"""Kinks of several kinds that cancel, choices that no bound makes, sides that comparisons of two values ask for, and kinks
whose second slope is infinite: the first two derivatives at the kink, and no NaN far from it."""
from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.special as sp
from sweeps import share

import tracegrad as tg

NESTINGS = ["F", "R", *map("".join, itertools.product("FR", repeat=2))]


def derivative(f, nesting):
    for letter in nesting:
        f = (lambda g: tg.grad(lambda x: np.sum(g(x))))(f) if letter == "R" else (
            lambda g: lambda x: tg.jvp(g, (x,), (np.ones_like(x),))[1])(f)
    return f


def check(f, points, *orders):
    x, nestings = np.array(points), (*NESTINGS[:2], *share(NESTINGS[2:], 4, str(points)))
    found = tg.jit(lambda x: [derivative(f, n)(x) for n in nestings])(x)
    for nesting, values in zip(nestings, found):
        right = np.broadcast_to(orders[len(nesting) - 1], x.shape)
        np.testing.assert_allclose(values, right, rtol=1e-12, atol=1e-12, err_msg=nesting)


def logistic(x):
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def square_distance(x):
    return (x - 1) ** 2 + (2 * x - 2) ** 2


def guarded_logaddexp(x):
    larger, gap = np.maximum(x, 2 * x), x - 2 * x
    return np.where(np.isnan(gap), larger, larger + np.log1p(np.exp(-np.abs(gap))))


def raised(m):
    return np.sqrt(m**2 + 1) - np.exp(m) + m


# name -> (function, points, first derivative, second)
TABLE = {
    "logistic of a minimum": (logistic, [0.0, -0.0, np.inf, -np.inf], [0.25, 0.25, 0, 0], 0),
    "softplus of a minimum": (lambda x: np.log1p(np.exp(-np.abs(-x))) - np.minimum(-x, 0), [0.0, -0.0], 0.5, 0.25),
    "logaddexp": (lambda x: np.maximum(x, 2) + np.log1p(np.exp(-np.abs(2 - x))), [2.0], 0.5, 0.25),
    "logaddexp of both": (lambda x: np.maximum(x, 3 - x) + np.log1p(np.exp(np.minimum(x, 3 - x) - np.maximum(x, 3 - x))),
                          [1.5], 0, 1),
    "elu": (lambda x: np.maximum(x, 0) + np.expm1(np.minimum(x, 0)), [0.0], 1, 0.5),
    "bell": (lambda x: np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))) ** 2, [0.0, np.inf, -np.inf], 0, [-0.125, 0, 0]),
    "range, squared": (lambda x: (np.maximum(x, 2 * x - 1) - np.minimum(2 * x - 1, x)) ** 2, [1.0], 0, 2),
    "of two elements": (lambda x: np.abs(x) * np.max(np.stack([x, -x]), axis=0), [0.0], 0, 2),
    "against the negative": (lambda x: np.sin(np.abs(x)) * np.where(x > -x, x, -x), [0.0], 0, 2),
    "a side of the negative": (lambda x: np.where(x >= -x, 1, -1) * np.log1p(np.abs(x)), [0.0], 1, -1),
    "distance twice": (lambda x: np.abs(x - 1) * np.abs(1 - x), [1.0], 0, 2),
    "multiples": (lambda x: np.abs(-3 * x) * np.abs(x), [0.0], 0, 6),
    "not negative": (lambda x: np.exp(-np.maximum(square_distance(x), 0)), [1.0], 0, -10),
    "distance from what is not negative": (lambda x: np.exp(-np.sqrt(np.maximum(square_distance(x), 0)) ** 2), [1.0], 0, -10),
    "chosen where it is positive": (lambda x: np.where(square_distance(x) > 0, square_distance(x), 0.0), [1.0], 0, 10),
    "clipped from below": (lambda x: np.clip(x ** 2, 0, None), [0.0], 0, 2),
    "the smaller of a square and 0": (lambda x: np.minimum(x ** 2, 0) - 2 * x, [0.0, 1.0], -2, 0),
    "modulus of a square": (lambda x: np.abs(x ** 2), [0.0], 0, 2),
    "power of a modulus": (lambda x: np.abs(x) ** 1.5, [0.0], 0, np.inf),
    "power of a root": (lambda x: np.hypot(x, 2 * x) ** 1.5, [0.0], 0, np.inf),
    "tanh by c sign": (lambda x: -np.sign(x) * np.expm1(-2 * np.abs(x)) / (1 + np.exp(-2 * np.abs(x))), [0.0], 1, 0),
    "half a sign": (lambda x: 0.5 * np.sign(x) * np.log1p(np.abs(x)), [0.0], 0.5, None),
    "modulus by its side": (lambda x: np.where(x > 0, np.abs(x), -np.abs(x)), [0.0], 1, 0),
    "multiples far apart": (lambda x: np.abs(x * 1e-300) * np.abs(x * 1e300), [0.0, 1.0], [0, 2], 2),
    "a difference and a multiple": (lambda x: np.abs(-3 * (x - 1)) * np.abs(1 - x), [1.0, 2.0], [0, 6], 6),
    "chosen, of NaN": (lambda x: np.where(x * x > 0, x * x, 0.0), [0.0, np.nan], 0, None),
    "ties of infinities": (lambda x: np.exp(np.minimum(x, 2 * x)) + np.exp(np.maximum(x, 2 * x)),
                           [0.0, -np.inf], [3, 0], [5, 0]),
    "logaddexp, guarded": (guarded_logaddexp, [0.0, np.inf, -np.inf], 1.5, [0.25, 0, 0]),
    "a modulus and its double": (lambda x: np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(-2 * x))), [0.0, -0.0], 0, -0.5),
    "multiples in functions": (lambda x: np.exp(-2 * np.abs(x)) * (1 + np.abs(-2.0 * x)), [0.0], 0, -4),
    "softplus by another length": (lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(3 * x))) / 3, [0.0], 0.5, 0.75),
    "chosen where it is not above": (lambda x: np.where(x * x <= 0, 0.0, x * x), [0.0, 1.0], [0, 2], 2),
    "chosen where it is not 0": (lambda x: np.where(x * x != 0, x * x, 0.0), [0.0, 1.0], [0, 2], 2),
    "never above": (lambda x: np.minimum(-x * x, 0) - np.maximum(-2 * x**2, 0), [0.0, 1.0], [0, -2], -2),
    "modulus of what is never above": (lambda x: np.abs(-x * x), [0.0, 1.0], [0, 2], 2),
    "sign of a multiple": (lambda x: np.sign(-3 * x) * np.log1p(np.abs(x)), [0.0], -1, None),
    "square roots of squares": (lambda x: np.hypot(x * x, -3 * x * x) + np.sqrt(x ** 4 + (2 * x) ** 4), [0.0, 1.0],
                                [0, 2 * 10 ** 0.5 + 2 * 17 ** 0.5], 2 * 10 ** 0.5 + 2 * 17 ** 0.5),
    "norm of squares": (lambda x: np.linalg.norm(np.stack([x, 2 * x]) ** 2, axis=0), [0.0, -1.0], [0, -2 * 17 ** 0.5],
                        2 * 17 ** 0.5),
    "two norms": (lambda x: np.hypot(x, x) * np.sqrt((3 * x) ** 2), [0.0, 1.0], [0, 6 * 2 ** 0.5], 6 * 2 ** 0.5),
    "sign of a root": (lambda x: np.sign(x) * np.log1p(np.sqrt(x * x)), [0.0], 1, None),
    "copysign of what falls": (lambda x: np.copysign(np.exp(-np.abs(x)) - 1, x), [0.0, -0.0], 1, None),
    "copysign by a multiple": (lambda x: np.copysign(np.expm1(np.hypot(x, 0)), -3 * x), [0.0, -0.0], -1, None),
    "side of a multiple": (lambda x: np.where(-x > 0, np.exp(x) - 1, 1 - np.exp(-np.abs(x))), [0.0, -0.0], 1, -1),
    "a sign as a kink": (lambda x: (1 + np.sign(x) * x) * np.exp(-np.sign(x) * x), [0.0], 0, -1),
    "larger times smaller": (lambda x: np.max(np.stack([x, 2 * x]), 0) * np.min(np.stack([x, 2 * x]), 0), [0.0], 0, 4),
    "range of two": (lambda x: np.cosh(np.ptp(np.stack([3 * x, x - 2]), axis=0)), [-1.0], 0, 4),
    "largest of sizes": (lambda x: np.max(np.abs(np.stack([x, -x, x])), axis=0) ** 2, [0.0, 1.0], [0, 2], 2),
    "median of sizes": (lambda x: np.median(np.abs(np.stack([x, -x, x])), axis=0) ** 2, [0.0, 1.0], [0, 2], 2),
    "modulus of a product": (lambda x: np.log1p(np.abs(x * (-3 * x))), [0.0], 0, 6),
    "a modulus less a number": (lambda x: np.abs(np.abs(x) - np.abs(x - 1)) * (np.abs(x) + np.abs(x - 1)), [0.0], -2, 0),
    "cube root of a cube": (lambda x: np.cosh(np.cbrt(np.abs(x) ** 3)), [0.0], 0, 1),
    "ties of choices": (lambda x: np.where(x > 0, x, 0) + np.where(x < 0, x, 0), [0.0, -0.0, 1.0], 1, 0),
    "choices of a choice and its mirror": (lambda x: np.where(x > 0, x, 0.1 * x) - np.where(-x > 0, -0.9 * x, 0), [0.0], 1, 0),
    "masks": (lambda x: x * (x > 0) + (x < 0) * x, [0.0, -0.0, 1.0], 1, 0),
    "a choice beside np.minimum": (lambda x: np.where(x > 2, x, 2.0) * np.minimum(x, 2), [2.0], 2, 0),
    "range by choices": (lambda x: (np.where(x > 2, x, 2.0) - np.where(x < 2, x, 2.0)) ** 2, [2.0, 3.0], [0, 2], 2),
    "large and small": (lambda x: np.sqrt((x * 1e100) ** 2) * np.abs(x) * 1e-100 + np.abs(x * 1e-200 * x) * 1e200, [0.0], 0, 4),
    "a rectifier's square beside it": (lambda x: raised(np.maximum(x, 0)) + raised(np.minimum(3 * x, 0)), [0.0], 0, 0),
    "powers of a rectifier": (lambda x: np.cosh(np.clip(2 * x - 1, 0, None)) - np.maximum(2 * x - 1, 0) ** 2 / 2, [0.5], 0, 0),
    "root and sign": (lambda x: np.sqrt(x * x) * np.sign(x), [0.0], 1, 0),
}


@pytest.mark.sweep(7)
@pytest.mark.parametrize("name", TABLE)
def test_derivatives(name):
    f, points, first, second = TABLE[name]
    if second is None:
        for nesting in "FR":
            np.testing.assert_array_equal(derivative(f, nesting)(np.array(points)), first)
    else:
        check(f, points, first, second)


def python_logaddexp(v):
    s = v[0]
    for i in range(1, v.shape[0]):
        m = max(s, v[i])
        s = m + math.log1p(math.exp(-abs(s - v[i])))
    return s


def logaddexp_of_branches(v):
    s = v[0]
    for i in range(1, v.shape[0]):
        d = abs(v[i] - s)
        if s > v[i]:
            s = s + math.log1p(math.exp(-d))
        else:
            s = v[i] + math.log1p(math.exp(-d))
    return s


@pytest.mark.parametrize("f", [python_logaddexp, logaddexp_of_branches])
def test_comparisons_of_two_values_ask_for_the_side(f):
    """At a tie Python's max has the slope of its first argument, and |a - b| is taken from the same side."""
    x = np.array([0.5, 0.5, 0.5])
    np.testing.assert_allclose(tg.grad(f)(x), np.full(3, 1 / 3), rtol=1e-14)
    np.testing.assert_allclose(tg.jvp(f, (x,), (np.eye(3)[1],))[1], 1 / 3, rtol=1e-14)
    np.testing.assert_allclose(tg.hessian(f)(x), np.eye(3) / 3 - 1 / 9, atol=1e-14)


def test_ties_of_pythons_choices():
    """max and min of one pair take one side, whatever the order of their arguments."""
    for f, slopes in ((lambda x, y: max(x, y) + min(x, y), (1, 1)), (lambda x, y: max(x, y) * min(y, x), (1, 1)),
                      (lambda x, y: max(x, y) - max(y, x), (0, 0)), (lambda x, y: max(x, y) - np.maximum(x, y), (0, 0)),
                      (lambda x, y: max(x - 1, 0.0) - max(1 - x, 0.0) + y, (1, 1)), (lambda x, y: max(x, y), (1, 0))):
        assert tg.grad(f, argnums=(0, 1))(1.0, 1.0) == slopes
        assert (tg.jvp(f, (1.0, 1.0), (1.0, 0.0))[1], tg.jvp(f, (1.0, 1.0), (0.0, 1.0))[1]) == slopes


def test_nan_beside_pythons_choices():
    """np.minimum takes NaN, and has the slope of that: a silent 0 would hide it."""
    def f(x, y):
        return np.sum(np.minimum(x, y) + np.where(x > y, x, y))

    x, y = np.array([np.nan, 1.0, 2.0]), np.array([1.0, np.nan, 3.0])
    np.testing.assert_array_equal(tg.grad(f, argnums=(0, 1))(x, y), [[1, 0, 1], [1, 2, 1]])
    np.testing.assert_array_equal(tg.jacfwd(f, argnums=(0, 1))(x, y), [[1, 0, 1], [1, 2, 1]])


def test_a_mask_that_is_written_to():
    def f(x):
        out = np.abs(x)
        out[x < 0] *= -1
        return out

    np.testing.assert_array_equal(derivative(f, "R")(np.array([0.0, -1.0, 2.0])), [1, 1, 1])
    np.testing.assert_array_equal(derivative(f, "F")(np.array([0.0, -1.0, 2.0])), [1, 1, 1])


def test_thin_plates():
    """r² log(r) at 0: its slope is 0 in both modes."""
    f = lambda x: sp.xlogy(np.linalg.norm(x) ** 2, np.linalg.norm(x))             # noqa: E731
    assert tg.grad(f)(np.zeros(2)).tolist() == [0, 0] and tg.jvp(f, (np.zeros(2),), (np.ones(2),))[1] == 0
    g = lambda x: np.sum(np.linalg.norm(x[:, None] - x[None], axis=-1) ** 1.5)     # noqa: E731
    assert np.isfinite(tg.grad(g)(np.array([[0.0, 1.0], [2.0, 3.0]]))).all()


def test_a_kernel_of_clipped_distances():
    x = np.array([[0.0, 1.0], [2.0, 3.0], [0.0, 1.0]])

    def plain(x):
        return np.sum(np.exp(-np.sum((x[:, None] - x[None]) ** 2, axis=-1)))

    def clipped(x):
        return np.sum(np.exp(-np.sqrt(np.maximum(np.sum((x[:, None] - x[None]) ** 2, axis=-1), 0)) ** 2))

    np.testing.assert_allclose(tg.hessian(clipped)(x), tg.hessian(plain)(x), atol=1e-13)


def test_the_evaluator_agrees():
    with tg.disable_jit():
        for name in ("logistic of a minimum", "logaddexp", "power of a modulus", "not negative"):
            f, points, *right = TABLE[name]
            for nesting in ("F", "R", "FR"):
                found = derivative(f, nesting)(np.array(points))
                np.testing.assert_allclose(found, np.broadcast_to(right[len(nesting) - 1], np.shape(points)), atol=1e-12)
