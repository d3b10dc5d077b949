"""A slope that is lost past loops, branches and writes is NaN in both modes, and another element's pole changes nothing
(autodiff/smoothness/poles.py)."""
from __future__ import annotations

import numpy as np
import pytest
import scipy.special as sp

import tracegrad as tg


def times_in_loop(c, n):
    u = np.log(c)
    for _ in range(n):
        u = u * 0.0
    return u


def summed(c, n):
    u, s = np.log(c), 0.0
    for _ in range(n):
        s = s + u * 0.0
    return s


def reciprocals(c, n):
    m = 1.0 / c
    for _ in range(n):
        m = 1.0 / (m + 1.0)
    return m


def reciprocals_while(c, n):
    m, k = 1.0 / c, 0
    while k < n:
        m = 1.0 / (1.0 / (m + 1.0))
        k += 1
    return m


def branch(c, n):
    u = 1.0 / c if n > 1 else c
    return 1.0 / (1.0 + u) if n > 0 else c


def written(c, n):
    v = np.zeros(3)
    v[1] = 1.0 / c
    s = 0.0
    for i in range(n):
        s = s + 1.0 / (1.0 + v[i])
    return s


def logarithm(c, n):
    u = np.log(c)
    for _ in range(n):
        u = u + 1.0
    return np.exp(u)


LOST = [times_in_loop, summed, reciprocals, reciprocals_while, branch, written, logarithm]


def slopes(f, *args):
    x, one = np.float64(0.0), np.float64(1.0)

    def g(c):
        return f(c, *args)

    with np.errstate(all="ignore"):
        return tg.grad(g)(x), tg.jvp(g, (x,), (one,))[1], float(tg.jacrev(g)(x))


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", LOST, ids=lambda f: f.__name__)
def test_what_control_loses_is_not_a_number(f):
    """The number of rounds is known only at run time: no loop is unrolled."""
    assert np.isnan(slopes(lambda c, n: f(c, n), 3)).all()
    with np.errstate(all="ignore"):
        both = tg.grad(f)(np.float64(0.0), 3), tg.jvp(lambda c: f(c, 3), (np.float64(0.0),), (np.float64(1.0),))[1]
    assert np.isnan(both).all()


@pytest.mark.parametrize("f", LOST, ids=lambda f: f.__name__)
def test_elsewhere_nothing_changes(f):
    x, h = np.float64(0.7), 1e-6
    want = (f(x + h, 3) - f(x - h, 3)) / (2 * h)
    assert np.isclose(tg.grad(f)(x, 3), want, atol=1e-8)
    assert np.isclose(tg.jvp(lambda c: f(c, 3), (x,), (np.float64(1.0),))[1], want, atol=1e-8)


def chosen(c, n):
    u, s = np.log(c), 0.0
    for _ in range(n):
        s = s + (u if c > 0.0 else 3.0 * c)
    return s


def saturated(c, n):
    """An overflow, not a pole."""
    e, s = np.exp(800.0 - c), 0.0
    for _ in range(n):
        s = s + 1.0 / (1.0 + e)
        e = e * 1.5
    return s


def test_what_is_not_lost_stays():
    assert slopes(chosen, 3) == (9.0, 9.0, 9.0)
    assert slopes(saturated, 3) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("f", [lambda x: np.log(x) ** 2, lambda x: np.sin(1.0 / x), lambda x: x * np.log(np.cos(x + 8.0)),
                               lambda x: np.sqrt(x) * np.log(x), lambda x: (1.0 / x) * np.exp(x)])
def test_other_elements_are_independent(f):
    x = np.array([0.0, 1.0, 2.5])
    off = ~np.eye(3, dtype=bool)
    with np.errstate(all="ignore"):
        found = [mode(f)(x) for mode in (tg.jacfwd, tg.jacrev, tg.jacobian)]
        _, pull = tg.vjp(f, x)
        one = pull(np.array([0.0, 1.0, 0.0]))[0]
    for jacobian in found:
        assert (jacobian[off] == 0.0).all(), jacobian
        assert np.isclose(jacobian[1, 1], one[1], equal_nan=True)
    assert one[0] == one[2] == 0.0


@pytest.mark.parametrize(("f", "slope", "second"), [
    (lambda x: x * np.log(x), -np.inf, np.inf), (lambda x: -x * np.log2(x), np.inf, -np.inf),
    (lambda x: x * x * np.log(x), 0.0, -np.inf), (lambda x: x ** 2 * np.log10(x), 0.0, -np.inf),
    (lambda x: sp.xlogy(x * x, x), 0.0, -np.inf), (lambda x: sp.xlogy(np.abs(x)**2, np.abs(x)), 0.0, -np.inf),
    (lambda x: np.abs(x)**2 * np.log(np.abs(x)), 0.0, -np.inf), (lambda x: sp.xlogy(np.abs(x)**4, np.abs(x)), 0.0, 0.0),
    (lambda x: sp.entr(x * x), 0.0, np.inf)])
def test_a_logarithm_times_what_vanishes_with_it(f, slope, second):
    """The limits from inside; mpmath: diff(x**2 * log(x)) = x (2 log(x) + 1)."""
    x, one = np.float64(0.0), np.float64(1.0)
    with np.errstate(all="ignore"):
        found = tg.grad(f)(x), tg.jvp(f, (x,), (one,))[1], float(tg.jacrev(f)(x))
        assert found == (slope, slope, slope)
        assert tg.grad(tg.grad(f))(x) == second
