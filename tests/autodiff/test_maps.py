"""Reverse mode of parallel loops: rows are added to in place, what is shared is summed, and a large record is not kept."""
import re
from math import prod

import numpy as np
import pytest
from tracegrad.ir.thresholds import sizes

import tracegrad as tg

RNG = np.random.default_rng(0)
R = RNG.standard_normal


def largest(f, *args) -> int:
    """Elements of the largest temporary of a compiled call."""
    found = re.findall(r"alloc \$\S+: \w+\[([\d, ]+)\]", f.lower(*args).text("loops"))
    return max((prod(map(int, dims.split(", "))) for dims in found), default=0)


def walk(k, x):
    for _ in range(50):
        x = x + 0.01 * np.sin(x * k)
    return x


def layers(w, x):
    return np.sum(np.tanh(w[0] @ np.tanh(w[1] @ np.tanh(w[2] @ x))) * x)


def recurrent(w, x):
    h = np.zeros(w.shape[0])
    for t in range(x.shape[0]):
        h = np.tanh(w @ h + x[t])
    return np.sum(h * h)


def looked_up(table, x):
    """The shared table is read in parts that data choose."""
    s = 0.0
    for t in range(x.size):
        s = np.tanh(s + table[int(np.abs(x[t]) * 3) % table.size] * x[t])
    return s


def settled(k, x):
    while np.abs(x) > 0.5:
        x = x * k
    return np.sin(x)


PROGRAMS = {
    "walk": (walk, (0.7, R(6)), (None, 0)), "walk, own factor": (walk, (R(6), R(6)), (0, 0)),
    "layers": (layers, (R((3, 4, 4)), R((6, 4))), (None, 0)),
    "layers, own weights": (layers, (R((6, 3, 4, 4)), R(4)), (0, None)),
    "recurrent": (recurrent, (R((4, 4)), R((6, 5, 4))), (None, 0)),
    "last axis": (recurrent, (R((4, 4)), R((5, 4, 6))), (None, -1)),
    "looked up": (looked_up, (R(5), R((6, 7))), (None, 0)),
    "while": (settled, (0.7, 3 * R(6)), (None, 0)),
}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", PROGRAMS)
def test_running_again_gives_the_same(name, monkeypatch):
    """Gradients, pullbacks in two halves and second derivatives, with iterations that are run again and without."""
    f, args, axes = PROGRAMS[name]

    def total(*args):
        return np.sum(np.sin(tg.vmap(f, in_axes=axes)(*args)))

    def derivatives():
        first = tg.grad(lambda *a: total(*a), argnums=(0, 1))(*args)
        pulled = tg.vjp(lambda *a: tg.vmap(f, in_axes=axes)(*a), *args)[1](np.cos(tg.vmap(f, in_axes=axes)(*args)))
        second = tg.hvp(lambda x: total(args[0], x), (args[1],), (np.ones_like(args[1]),))
        return [*first, *pulled, second]

    monkeypatch.setattr(sizes, "record", 1 << 60)
    expected = derivatives()
    monkeypatch.setattr(sizes, "record", -1)
    monkeypatch.setattr(sizes, "record_times", 0)
    got = derivatives()
    with tg.config(disable_jit=True):
        evaluated = derivatives()
    for a, b, c, d in zip(got, expected, evaluated, [*got[2:4], *got[2:4], got[4]]):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(a, c, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(a, d, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["walk", "walk, own factor"])
def test_nothing_is_kept_of_all_iterations(name, monkeypatch):
    f, args, axes = PROGRAMS[name]
    gradient = tg.grad(lambda *a: np.sum(tg.vmap(f, in_axes=axes)(*a)), argnums=(0, 1))
    batch = [np.repeat(a, 100, 0) if np.ndim(a) else a for a in args]
    monkeypatch.setattr(sizes, "record", 1 << 60)
    assert largest(gradient, *batch) >= 600 * 4
    gradient = tg.grad(lambda *a: np.sum(tg.vmap(f, in_axes=axes)(*a)), argnums=(0, 1))
    monkeypatch.setattr(sizes, "record", 0)
    assert largest(gradient, *batch) <= 50 * 300         # of a chunk of the batch, or of one element


@pytest.mark.sweep(2)
@pytest.mark.parametrize("name", ["walk, own factor", "recurrent", "while"])
def test_a_budget_is_for_one_element(name):
    """What does not fit for all elements is made again for each; a loop of unknown length always is."""
    f, args, axes = PROGRAMS[name]
    batch = [np.repeat(a, 300, 0) if axis == 0 else a for a, axis in zip(args, axes)]

    def gradient():
        return tg.grad(lambda *a: np.sum(np.sin(tg.vmap(f, in_axes=axes)(*a))), argnums=(0, 1))

    expected = gradient()(*batch)
    with tg.config(memory_budget="64kB"):
        limited = gradient()
        assert largest(limited, *batch) <= 1800 * 20         # the argument and the result of the loop
        for a, b in zip(limited(*batch), expected):
            np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12)


def test_rows_and_sums_need_no_temporaries():
    """The adjoint of rows is written where the result is, that of what is shared is added up in its own memory."""
    gradient = tg.grad(lambda w, x: np.sum(tg.vmap(lambda w, x: np.sum(w * x * x), in_axes=(None, 0))(w, x)), argnums=(0, 1))
    w, x = R(40), R((500, 40))
    assert largest(gradient, w, x) <= 40
    np.testing.assert_allclose(gradient(w, x)[0], np.sum(x * x, 0), rtol=1e-12)
    np.testing.assert_allclose(gradient(w, x)[1], 2 * w * x, rtol=1e-12)


def test_only_large_records_are_made_again():
    gradient = tg.grad(lambda k, x: np.sum(tg.vmap(walk, in_axes=(None, 0))(k, x)))
    assert largest(gradient, 0.5, R(100)) >= 100 * 50
    assert largest(gradient, 0.5, np.zeros(40_000)) <= 50 * 300
    gradient = tg.grad(lambda w, x: np.sum(tg.vmap(recurrent, in_axes=(None, 0))(w, x)))
    assert largest(gradient, R((4, 4)), np.zeros((30_000, 20, 4))) >= 30_000 * 20     # no more than the arguments have
