"""Integers that loops step, and conditions that loops keep: what a gradient need not keep, and that it finds the right one."""
import numpy as np
import pytest
from test_gradient_memory import gradient, kept_by

import tracegrad as tg


def insertion_sort(x):
    weights = np.arange(x.shape[0]) + 1.0
    for i in range(1, x.shape[0]):
        v, j = x[i], i - 1
        while j >= 0 and x[j] > v:
            x[j + 1] = x[j]
            j -= 1
        x[j + 1] = v * v
    return np.sum(x * weights)


def strides(x, step):
    """Up by what the caller says, down in another integer type, both across the ends."""
    total, k, back = 0.0, 2, np.int8(-1)
    while k < x.shape[0]:
        total += x[k] * x[back] * x[k - 2]
        k += step
        back = np.int8(back - 1)
    return total + k * x[0]


def doubled(x):
    """In a `for`, with a step that changes from row to row, and a number that is not stepped."""
    total = 0.0
    for i in range(1, 4):
        k, twice = -i, 1
        for _ in range(3):
            total += np.sin(x[k] * x[twice % 5])
            k = i + k
            twice = 2 * twice
        total *= 1.0 + x[k]
    return total


def around(x):
    """A machine integer that runs past its end."""
    k, total = np.uint8(250), 0.0
    for _ in range(12):
        total += x[int(k) % 7] ** 2
        k = np.uint8(k + np.uint8(3))
    return total


PROGRAMS = {"insertion_sort": (insertion_sort, (np.array([0.3, -1.0, 2.0, 0.7, 0.1, -0.2]),)),
            "strides": (strides, (np.linspace(0.5, 1.5, 9), 2)),
            "doubled": (doubled, (np.linspace(-0.5, 0.8, 7),)),
            "around": (around, (np.linspace(0.1, 1.0, 7),))}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_of_stepped_integers(name):
    f, args = PROGRAMS[name]
    with np.errstate(over="ignore"):
        expected = f(args[0].copy(), *args[1:])
        value, found = tg.value_and_grad(f)(*args)
        assert value == pytest.approx(expected, rel=1e-14)
        with tg.disable_jit():
            np.testing.assert_allclose(tg.grad(f)(*args), found, rtol=1e-13)
        moved = np.cos(np.arange(args[0].size))
        slope = tg.jvp(lambda x: f(x, *args[1:]), args[:1], (moved,))[1]
        assert slope == pytest.approx(found @ moved, rel=1e-12)
        tg.check_grads(lambda x: f(x, *args[1:]), args[:1], order=2)


@pytest.mark.parametrize("name", ["insertion_sort", "strides"])
def test_no_position_is_kept(name):
    """Of the sort, what its outer loop keeps for each row: where the row ended, how long it was, the value put there."""
    f, args = PROGRAMS[name]
    kept, counter = kept_by(gradient(f, args), *args)
    assert counter.elements["push"] == 0
    assert kept <= 3 * (args[0].size - 1)


def relax(d):
    """Every step may shorten a way: a condition, and a number where it holds."""
    for k in range(d.shape[0]):
        for i in range(d.shape[0]):
            for j in range(d.shape[0]):
                if d[i, k] + d[k, j] < d[i, j]:
                    d[i, j] = d[i, k] + d[k, j]
    return np.sum(d * d)


def test_a_condition_that_is_kept_is_not_computed_again():
    d = np.random.default_rng(0).uniform(1.0, 5.0, (5, 5))
    f = gradient(relax, (d,))
    assert sum(op.defn.name == "lt" for op in f.body.walk()) == 1
    tg.check_grads(relax, (d,), order=2)
    with tg.disable_jit():
        expected = tg.grad(relax)(d)
    np.testing.assert_allclose(tg.grad(relax)(d), expected, rtol=1e-14)
