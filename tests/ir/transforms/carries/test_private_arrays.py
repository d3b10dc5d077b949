"""Work arrays that each iteration writes whole before it reads them."""
from __future__ import annotations

import numpy as np
import pytest
from tracegrad.ir.transforms.pipeline import optimize

import tracegrad as tg


def vector(x):
    total, work = 0.0, np.empty(x.shape[1])
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            work[j] = x[i, j] * x[i, j]
            work[j] += np.sin(work[j])
        for j in range(1, x.shape[1]):
            work[j] = work[j] * work[j - 1]
        total += work[-1]
    return total


def matrix(x):
    total, work = 0.0, np.zeros((x.shape[1], x.shape[1]))
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            for k in range(x.shape[1]):
                work[k, j] = x[i, j] * x[i, k] ** 2
        total += np.sum(work @ work)
    return total


def rows(x):
    total, work = 0.0, np.zeros((x.shape[1], 2))
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            work[j, :] = x[i, j] ** 3
        total += np.sum(work ** 2)
    return total


def two_levels(x):
    total, work = 0.0, np.empty(3)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            for k in range(3):
                work[k] = x[i, j] ** (k + 1)
            work[1] += work[0] * work[2]
            total += np.sum(work * work)
    return total


def few(x):
    total, w = 0.0, np.empty(3)
    for i in range(x.shape[0]):
        w[0] = x[i, 0]
        w[1] = w[0] * x[i, 1]
        w[-1] = w[1] * w[0]
        w[1] = w[1] * w[2]
        total += w[0] * w[1] + np.sum(np.sin(w))
    return total


def in_a_while(x):
    total, i, work = 0.0, 0, np.empty(x.shape[1])
    while i < x.shape[0] and total < 100.0:
        for j in range(x.shape[1]):
            work[j] = x[i, j] ** 2
        total += np.sum(work * work)
        i += 1
    return total


def one_missing(x):
    total, work = 0.0, np.ones(x.shape[1])
    for i in range(x.shape[0]):
        for j in range(x.shape[1] - 1):
            work[j] = x[i, j] ** 2 + work[x.shape[1] - 1]
        total += np.sum(work * work)
        work[x.shape[1] - 1] = total
    return total


def read_ahead(x):
    total, work = 0.0, np.ones(x.shape[1])
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            work[j] = x[i, j] * work[(j + 1) % x.shape[1]]
        total += np.sum(work * work)
    return total


def read_after_the_write(x):
    total, work = 0.0, np.ones(x.shape[1])
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            work[j] = x[i, j] ** 2
            total += work[x.shape[1] - 1 - j] * x[i, j]
    return total


def sometimes(x):
    total, work = 0.0, np.ones(x.shape[1])
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            if x[i, j] > 0.3:
                work[j] = x[i, j] ** 2
        total += np.sum(work * work)
    return total


def one_twice(x):
    total, w = 0.0, np.ones(3)
    for i in range(x.shape[0]):
        w[0] = x[i, 0] + w[2]
        w[1] = x[i, 1] * w[0]
        w[1] = w[1] ** 2
        total += np.sum(w * w)
        w[2] = total * 0.1
    return total


def returned(x):
    work = np.ones(x.shape[1])
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            work[j] = x[i, j] ** 2
    return np.sum(work * work)


def inner_of_none(x):
    total, work = 0.0, np.ones(3)
    for i in range(x.shape[0]):
        for j in range(x.shape[1] - 2):
            for k in range(3):
                work[k] = x[i, j] ** (k + 1)
        total += np.sum(work * work) * x[i, 0]
    return total


PRIVATE = [vector, matrix, rows, two_levels, few, in_a_while]
CARRIED = [one_missing, read_ahead, read_after_the_write, sometimes, one_twice, returned, inner_of_none]


def carried(f, x):
    """How many arrays the outermost loops of a program carry."""
    ops = optimize(tg.jit(f).lower(x).function).body.ops
    return sum(bool(r.type.dims) for op in ops if op.defn.name in ("for", "while") for r in op.results)


@pytest.mark.parametrize("f", PRIVATE, ids=lambda f: f.__name__)
def test_no_loop_carries_them(f):
    assert carried(f, np.ones((60, 20))) == 0


@pytest.mark.parametrize("f", [f for f in CARRIED if f is not returned], ids=lambda f: f.__name__)
def test_others_are_carried(f):
    assert carried(f, np.ones((60, 20))) == 1


@pytest.mark.sweep(3, by="f")
@pytest.mark.parametrize("f", PRIVATE + CARRIED, ids=lambda f: f.__name__)
@pytest.mark.parametrize("shape", [(4, 3), (1, 3), (0, 3), (3, 2), (2, 5)], ids=str)
def test_values_and_gradients(f, shape):
    if f in (few, one_twice) and shape[1] < 2:
        return
    x = np.random.default_rng(sum(shape)).standard_normal(shape)
    compiled = tg.jit(f)
    np.testing.assert_allclose(compiled(x), f(x), rtol=1e-12)
    np.testing.assert_allclose(compiled.interpret(x), f(x), rtol=1e-12)
    if x.size:
        tg.check_grads(f, (x,), order=2 if f in (vector, few) and shape == (4, 3) else 1)


def test_what_restoring_cost_is_not_kept():
    """Of the first loop the way back needs nothing but x; the old elements of the work array least of all."""
    x = np.random.default_rng(1).standard_normal((50, 40))

    def f(x):
        total, work = 0.0, np.empty(40)
        for i in range(50):
            for j in range(40):
                work[j] = 2.0 * x[i, j]
            for j in range(1, 40):
                work[j] += 3.0 * work[j - 1]
            total += np.sum(work)
        return total

    text = tg.grad(f).lower(x).text("optimized")
    assert "f64[40, 50]" not in text and "f64[39, 50]" not in text
    assert text.count("f64[50, 40]") == text.count("f64[50, 40]")
