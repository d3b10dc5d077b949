"""Slopes that a program loses in an infinity are NaN in both modes, and no others (autodiff/smoothness/lost_slopes.py)."""
from __future__ import annotations

import numpy as np
import pytest
import scipy.special as sp

import tracegrad as tg

LOST = {
    "1 / (1 / c)": lambda c: 1.0 / (1.0 / c), "1 / (2 - 1 / c)": lambda c: 1.0 / (2.0 - 1.0 / c),
    "harmonic mean": lambda c: 2.0 / np.sum(1.0 / np.stack([c, c + 1.0])), "arctan": lambda c: np.arctan(1.0 / c),
    "1 / log": lambda c: 1.0 / np.log(c), "exp of log": lambda c: np.exp(np.log(c)), "power": lambda c: np.exp(2.0 * np.log(c)),
    "expit": lambda c: sp.expit(np.log(c)), "logaddexp": lambda c: np.logaddexp(np.log(c), 0.0),
    "softmax": lambda c: sp.softmax(np.log(np.stack([c, c + 1.0])))[0], "1 / gamma": lambda c: 1.0 / sp.gamma(c),
}
KEPT = {
    "not taken": lambda c: np.where(c > 0.0, 1.0 / (1.0 + 1.0 / c), 0.0), "exp": lambda c: np.exp(-1.0 / c),
    "tanh": lambda c: np.tanh(1.0 / c), "bell": lambda c: np.exp(-1.0 / c ** 2), "ndtr": lambda c: sp.ndtr(np.log(c)),
    "overflow": lambda c: 1.0 / (1.0 + np.exp(800.0 - c)), "chosen": lambda c: np.minimum(1.0 / c, 5.0),
    "chosen log": lambda c: np.maximum(np.log(c), -10.0), "clipped log": lambda c: np.exp(np.clip(np.log(c), -10.0, 10.0)),
    "chosen square": lambda c: np.minimum((1.0 / c) ** 2, 5.0), "chosen log squared": lambda c: np.minimum(np.log(c) ** 2, 5.0),
    "bell of a square": lambda c: np.exp(-(1.0 / c) ** 2), "tanh of a square": lambda c: np.tanh((1.0 / c) ** 2),
    "chosen overflow": lambda c: np.minimum(np.exp(800.0 - c) * np.exp(c + 800.0), 5.0),
}


def slopes(f, dtype):
    x, one = dtype(0.0), dtype(1.0)
    with np.errstate(all="ignore"):
        return tg.grad(f)(x), tg.jvp(f, (x,), (one,))[1], tg.vjp(f, x)[1](one)[0]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("f", LOST.values(), ids=LOST)
def test_what_is_lost_is_not_a_number(f, dtype):
    assert np.isnan(slopes(f, dtype)).all()


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", KEPT.values(), ids=KEPT)
def test_what_is_not_lost_is_0(f):
    assert slopes(f, np.float64) == (0.0, 0.0, 0.0)


# functions with an infinite slope at 0, where they are finite
STEEP = {
    "gammainc": lambda c: sp.gammainc(0.5, c), "gammaincc": lambda c: sp.gammaincc(0.5, c),
    "betainc": lambda c: sp.betainc(0.5, 2, c), "betaincc": lambda c: sp.betaincc(0.5, 2, c),
    "chdtr": lambda c: sp.chdtr(1, c), "fdtr": lambda c: sp.fdtr(1, 2, c), "gdtr": lambda c: sp.gdtr(1, 0.5, c),
    "gammaincinv": lambda c: sp.gammaincinv(2, c), "chdtri": lambda c: sp.chdtri(4, 1 - c),
    "betaincinv": lambda c: sp.betaincinv(2, 2, c), "fdtri": lambda c: sp.fdtri(4, 4, c), "spence": lambda c: sp.spence(c),
    "ellipe": lambda c: sp.ellipe(1 - c), "jv": lambda c: sp.jv(0.5, c), "iv": lambda c: sp.iv(0.5, c),
    "struve": lambda c: sp.struve(-0.5, c), "expn": lambda c: sp.expn(2, c), "powm1": lambda c: sp.powm1(c, 0.5),
    "boxcox": lambda c: sp.boxcox(c, 0.5), "boxcox1p": lambda c: sp.boxcox1p(c - 1, 0.5),
    "inv_boxcox": lambda c: sp.inv_boxcox(c - 0.5, 2.0),
}


@pytest.mark.sweep(4)
@pytest.mark.parametrize("f", STEEP.values(), ids=STEEP)
def test_steep_ends_beside_what_is_0_there(f):
    """sin(x) f(x) has the slope f(0), in both modes."""
    np.testing.assert_allclose(slopes(lambda c: np.sin(c) * f(c), np.float64), float(f(np.float64(0.0))), atol=1e-15)
    assert np.isinf(slopes(f, np.float64)).all()


def test_only_what_is_infinite_is_lost():
    def f(x, c):
        return 1.0 / (x - 1.0 / c)

    x, c = np.array([2.0, 2.0]), np.array([0.0, 4.0])
    with np.errstate(all="ignore"):
        of_x, of_c = tg.grad(lambda x, c: np.sum(f(x, c)), argnums=(0, 1))(x, c)
        rows = tg.jacrev(f, argnums=1)(x, c)
        columns = tg.jacfwd(f, argnums=1)(x, c)
    assert np.isnan(of_c[0]) and np.isclose(of_c[1], -1 / 7.0 ** 2)
    assert of_x[0] == 0.0 and np.isclose(of_x[1], -(4 / 7) ** 2)
    for found in (rows, columns):
        assert found[0, 1] == found[1, 0] == 0.0 and np.isnan(found[0, 0]) and np.isclose(found[1, 1], -1 / 49)


def test_not_a_number_twice():
    with np.errstate(all="ignore"):
        assert np.isnan(tg.grad(tg.grad(LOST["1 / (1 / c)"]))(np.float64(0.0)))
        assert np.isclose(tg.grad(tg.grad(LOST["power"]))(np.float64(2.0)), 2.0)


def test_divisors_that_are_above_0():
    """They multiply adjoints without looking for zeros, but where a branch may not be taken or they may be no number."""
    x, y = np.array([2.0, 3.0]), np.array([1.0, np.nan])
    with np.errstate(all="ignore"):
        chosen = tg.grad(lambda x, y: np.sum(np.where(y > 0.0, x / (y * y + 1.0), 0.0)), argnums=(0, 1))(x, y)
        rows = tg.jacrev(lambda c: x / (np.log(c) ** 2 + 1.0))(np.array([1.0, -1.0]))
        far = tg.grad(lambda c: 1.0 / (np.exp(c) ** 2 + 1.0))(800.0)
    assert chosen[0].tolist() == [0.5, 0.0] and chosen[1].tolist() == [-1.0, 0.0]
    assert rows[0].tolist() == [0.0, 0.0] and np.isnan(rows[1, 1]) and far == 0.0
    steep = tg.hessian(lambda v: np.sqrt(np.sum(v ** 2)) ** 2 / (v @ v + 1.0))(np.zeros(2))
    assert np.allclose(steep, 2.0 * np.eye(2))


@pytest.mark.parametrize("f", [
    lambda x: 1.0 / x, lambda x: 1.0 / (1.0 + np.exp(-x)), lambda x: 1.0 / np.maximum(x, 1.0), lambda x: x / np.exp(x)])
def test_a_division_that_nothing_depends_on_hands_back_no_nan(f):
    x = np.array([2.0, np.nan, np.inf, -800.0])
    with np.errstate(all="ignore"):
        found = tg.grad(lambda x: f(x)[0])(x)
    assert found[0] != 0.0 and not found[1:].any()


def test_a_difference_with_itself_depends_on_nothing():
    with np.errstate(all="ignore"):
        f = lambda x: 1.0 / (x - x)                                                          # noqa: E731
        assert tg.grad(f)(np.float64(0.5)) == 0.0 and tg.jvp(f, (np.float64(0.5),), (1.0,))[1] == 0.0
