"""Operators nested in any order, inside traced code and its loops too: against Cauchy's formula and closed forms."""
import itertools
import random

import numpy as np
import pytest
from nesting import FUNCTIONS, OPERATORS, X, along, iterating, nest
from sweeps import share

import tracegrad as tg


def check_nests(nests, f, most: int = 4):
    expected = [along(f, k) for k in range(most + 1)]
    for names in nests:
        order, g = nest(names, f)
        if order <= most:
            assert g(X) == pytest.approx(expected[order], rel=1e-7, abs=1e-7), names


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_each_operator(f):
    check_nests([(name,) for name in OPERATORS], f)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_pairs(f):
    """A selection of all pairs by the evaluator, a few of them compiled; in turns."""
    pairs = list(itertools.product(OPERATORS, repeat=2))
    random.Random(len(f.__name__)).shuffle(pairs)
    with tg.config(disable_jit=True):
        check_nests(share(pairs[:40], 3, f.__name__), f)
    check_nests(share(pairs[:6], 3, f.__name__), f)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", FUNCTIONS, ids=lambda f: f.__name__)
def test_triples(f):
    triples = list(itertools.product(OPERATORS, repeat=3))
    chosen = random.Random(len(f.__name__)).sample(triples, 8)
    with tg.config(disable_jit=True):
        check_nests(share(chosen, 4, f.__name__), f)
    check_nests(share(chosen[:2], 2, f.__name__), f)


def test_a_record_of_unknown_length_serves_every_column():
    """The linear half of a `while` pops what its first half pushed, once: it cannot run for one basis vector after another."""
    for operator in (tg.jacfwd, tg.jacrev):
        j = operator(lambda x: np.array([1.0, 2.0]) * iterating(x))(X)
        np.testing.assert_allclose(j, np.outer([1.0, 2.0], tg.grad(iterating)(X)), rtol=1e-12)
    slope = tg.grad(iterating)
    h = tg.hessian(iterating)(X)
    step = 1e-6 * np.eye(3)
    np.testing.assert_allclose(h, [(slope(X + e) - slope(X - e)) / 2e-6 for e in step], rtol=1e-6)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("inner", [lambda f: f, tg.jit], ids=["plain", "jitted"])
def test_what_is_overwritten_and_returned(inner):
    """A derivative in compiled code is of what the function returns, also where that is its own argument, overwritten."""
    @inner
    def f(y):
        y[0] = 3.0 * y[0] * y[1]
        return y

    def program(x):
        v, out = np.array([0.5, 2.0]), []
        value, pull = tg.vjp(f, x)
        out += [value, pull(np.ones(2))[0], *tg.jvp(f, (x,), (v,)), tg.linearize(f, x)[1](v), tg.jacfwd(f)(x), tg.jacrev(f)(x)]
        out += [tg.vmap(f)(np.stack([x, x + 1.0])), tg.grad(lambda z: np.sum(f(z)))(x), tg.hessian(lambda z: f(z)[0] ** 2)(x)]
        return (*out, x)

    x = np.array([1.0, 2.0])
    expected = program(x)
    assert expected[0].tolist() == [6.0, 2.0] and expected[1].tolist() == [6.0, 4.0] and expected[3].tolist() == [9.0, 2.0]
    for a, b in zip(tg.jit(program)(x), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def from_one_end(x, n):
    y = np.array([x, x * x, 1.0])
    if x > 0:
        for i in range(len(y[:n]) - 1):
            y[i] = np.sin(y[i + 1] * y[i])
        for _ in range(len(y[n:]) - 2):
            y[0] += y[1] * y[0]
    return np.sum(y**3)


def nested_loops(x, n):
    s = 0.5 * x
    if n < 2:
        for i in range(n - 1):
            s = np.sin(s + x * i) * x
    else:
        for i in range(n - 2):
            for _ in range(i - 1):
                s = np.cos(s * x + i)
    return s * s * x


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", [from_one_end, nested_loops])
def test_loops_of_fewer_than_no_iterations_in_branches(f):
    """What the reverse sweep of a reverse sweep keeps of a loop with a count below 0, in a branch that is taken or not."""
    first = tg.grad(f)
    second, mixed = tg.grad(lambda x, n: first(x, n)), tg.grad(lambda x, n: tg.jvp(lambda x: f(x, n), (x,), (1.0,))[1])
    for x in (0.7, -0.7):
        for n in (-3, -1, 0, 1, 3, 5):
            h = 1e-4
            slope = (8 * (f(x + h, n) - f(x - h, n)) - (f(x + 2 * h, n) - f(x - 2 * h, n))) / (12 * h)
            bend = (8 * (first(x + h, n) - first(x - h, n)) - (first(x + 2 * h, n) - first(x - 2 * h, n))) / (12 * h)
            np.testing.assert_allclose([first(x, n), second(x, n), mixed(x, n)], [slope, bend, bend], rtol=1e-8, atol=1e-8)
