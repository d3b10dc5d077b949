"""An array that a function reaches from outside is read where it lies when the function is called: what has been written into
it since, in every part of the program, and what a resize has made of it."""
from __future__ import annotations

import math

import numpy as np
import pytest

import tracegrad as tg

A, M = np.array([3.0, 1.0, 2.0]), np.arange(9.0).reshape(3, 3)
HELD = {"a": A, "list": [A]}


class Holder:
    a = A


def helper(x):
    return x * A[0]


READS = {
    "method": lambda x: x * A.sum(),
    "function": lambda x: x * np.sum(A),
    "item": lambda x: x * A[0],
    "negative": lambda x: x * A[-1],
    "part": lambda x: x * A[1:].sum(),
    "sum of arrays": lambda x: x + (A + 1),
    "product": lambda x: x * (A @ A),
    "matrix": lambda x: x * (M @ A),
    "minus": lambda x: x * (-A)[0],
    "transpose": lambda x: x * M.T[0, 1],
    "copy": lambda x: A.copy() * x,
    "max": lambda x: x * max(A),
    "iteration": lambda x: sum(a * x for a in A),
    "float": lambda x: x * float(A[0]),
    "condition": lambda x: x if A[0] > 5 else -x,
    "any": lambda x: x if (A > 5).any() else -x,
    "in": lambda x: x if 77.0 in A else -x,
    "round": lambda x: x * round(A[0]),
    "math": lambda x: x * math.sqrt(A[0]),
    "power": lambda x: x * 2.0 ** (A[0] / 10),
    "where": lambda x: x * np.where(A > 1.5, A, 0).sum(),
    "dict": lambda x: x * HELD["a"][1],
    "list": lambda x: x * HELD["list"][0][1],
    "attribute": lambda x: x * Holder.a[1],
    "helper": helper,
    "min of two": lambda x: x * min(A[0], A[1]),
    "count": lambda x: sum(x for _ in range(int(A[0]))),
}


@pytest.fixture(autouse=True)
def values():
    A[:], M[:] = [3.0, 1.0, 2.0], np.arange(9.0).reshape(3, 3)


@pytest.mark.parametrize("name", READS)
def test_what_is_written_later_is_read(name):
    f = READS[name]
    g = tg.jit(f)
    for values in ([3.0, 1.0, 2.0], [77.0, 5.0, -4.0], [6.0, 0.5, 0.25]):
        A[:] = values
        M[0, 1] += values[0]
        np.testing.assert_allclose(g(1.5), f(1.5), rtol=1e-14)
    assert g.cache_info().misses == 1


def test_derivatives_read_it_too():
    f = lambda x: np.sum(A * x**2) * A[0]  # noqa: E731
    x, ones = np.array([1.0, 2.0, 3.0]), np.ones(3)
    gradient, slope, bend, each = tg.grad(f), lambda: tg.jvp(f, (x,), (ones,))[1], tg.hessian(f), tg.vmap(lambda v: v * A[1])
    for scale in (1.0, 2.0, -3.0):
        A[:] = [scale, 2 * scale, 3.0]
        np.testing.assert_allclose(gradient(x), 2 * A * x * A[0], rtol=1e-14)
        np.testing.assert_allclose(slope(), np.sum(2 * A * x * A[0]), rtol=1e-14)
        np.testing.assert_allclose(bend(x), np.diag(2 * A * A[0]), rtol=1e-14)
        np.testing.assert_allclose(each(x), x * A[1], rtol=1e-14)
        with tg.disable_jit():
            np.testing.assert_allclose(gradient(x), 2 * A * x * A[0], rtol=1e-14)


def test_resizing():
    """The memory moves, and what lay there is freed."""
    held = np.ones(1000)
    f = tg.jit(lambda x: x + held)
    gradient = tg.grad(lambda x: np.sum(x * held))
    assert f(1.0).tolist() == [2.0] * 1000
    assert gradient(2.0) == 1000.0
    held.resize(200_000, refcheck=False)
    held[:] = 5.0
    assert f(1.0).shape == (200_000,) and (f(1.0) == 6.0).all()
    assert gradient(2.0) == 1e6
    held.resize(3, refcheck=False)
    assert f(1.0).tolist() == [6.0] * 3 and f.interpret(1.0).tolist() == [6.0] * 3


def test_views_and_other_layouts():
    base = np.arange(20.0)
    part, turned, single = base[2:11:3], base.reshape(4, 5).T, np.array(3.0)
    f = tg.jit(lambda x: x * part.sum() + turned[1, 2] + single)
    assert f(2.0) == 2.0 * part.sum() + turned[1, 2] + 3.0
    base *= 2.0
    single[()] = -1.0
    assert f(2.0) == 2.0 * part.sum() + turned[1, 2] - 1.0


def test_a_program_overwrites_an_array_of_its_own_only():
    def f(x):
        x[0] = A.sum()
        return x

    g = tg.jit(f)
    assert g(np.zeros(3)).tolist() == [6.0, 0.0, 0.0] and A.tolist() == [3.0, 1.0, 2.0]
    with pytest.raises(tg.ArgumentError, match="shares"):
        g(A)
