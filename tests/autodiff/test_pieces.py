"""Functions of one value in which kinks of several places meet or touch: the first two derivatives, evaluated in all nestings
and, of a few, compiled; true kinks keep their conventions."""
from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.special as sp
from sweeps import share
from tracegrad.autodiff.forward import jvp
from tracegrad.autodiff.reverse.reverse import vjp
from tracegrad.ir.interp import run
from tracegrad.tracer.staging import trace_function

import tracegrad as tg


def derivatives(f, x):
    """Of the sum of f, by all nestings, evaluated."""
    f = trace_function.trace(lambda x: np.sum(f(x)), (x,)).function
    forward, backward = jvp(f, (0,)), vjp(f, (0,))
    one, d, zero = np.ones_like(x[0]), np.ones_like(x), np.zeros_like(x[0])
    rest = [np.zeros(r.type.dims, r.type.dtype.np) for r in backward.results[:-1]]
    return ({"R": run(backward, x, one)[-1]},
            {"RF": run(vjp(forward, (0,)), x, d, zero, one)[-1], "FR": run(jvp(backward, (0,)), x, one, d)[-1],
             "RR": run(vjp(backward, (0,)), x, one, *rest, d)[-1]},
            (run(forward, x, d)[1], run(jvp(forward, (0,)), x, d, d)[3]))


def check(f, points, first, second):
    x = np.array(points)
    with np.errstate(all="ignore"):
        ones, twos, sums = derivatives(f, x)
    for found, right, total in ((ones, first, sums[0]), (twos, second, sums[1])):
        right = np.broadcast_to(np.asarray(right, float), x.shape)
        for nesting, values in found.items():
            np.testing.assert_allclose(values, right, rtol=1e-12, atol=1e-12, err_msg=nesting)
        np.testing.assert_allclose(total, np.sum(right), rtol=1e-12, atol=1e-12)


def in_a_loop(f):
    def looped(x):
        out = np.zeros_like(x)
        for k in range(x.shape[0]):
            out[k] = f(x[k])
        return out
    return looped


def by_steps(x):
    u = np.sin(x)
    if_positive = np.where(x >= 0, np.abs(u), -np.abs(u))
    return if_positive * np.exp(x)


def softened(u, v):
    return np.maximum(u, v) + np.log1p(np.exp(-np.abs(u - v)))


# name -> (function, points, first derivative, second)
TABLE = {
    "moduli of two functions": (lambda x: np.abs(np.sin(x)) * np.abs(x), [0.0, 1.0], [0, np.sin(1) + np.cos(1)],
                                [2, 2 * np.cos(1) - np.sin(1)]),
    "the same in a loop": (in_a_loop(lambda x: abs(np.expm1(x)) * abs(x)), [0.0, -0.0], 0, 2),
    "sign of another": (lambda x: np.sign(np.sin(x)) * np.log1p(np.abs(x)), [0.0], 1, -1),
    "sign beside a curve": (lambda x: np.sign(x) * np.abs(np.sin(x)), [0.0, -0.0], 1, 0),
    "copysign of a curve": (lambda x: np.copysign(np.sin(2 * x), x), [0.0, -0.5], [2, 2 * np.cos(1)], [0, 4 * np.sin(1)]),
    "copysign, bent": (lambda x: np.copysign(np.expm1(np.abs(np.sin(x))), x), [0.0], 1, 1),
    "chosen by a side": (lambda x: np.where(x >= 0, np.abs(np.expm1(x)), -np.abs(np.expm1(x))), [0.0], 1, 1),
    "by steps": (by_steps, [0.0], 1, 2),
    "sign beside a choice": (lambda x: np.sign(x) * np.log1p(np.where(x >= 0, x, -x)), [0.0, -0.0], 1, -1),
    "one place below all": (lambda x: softened(np.log1p(0.25 * (x / 2)), x / 2) ** 2, [0.0], 0.625 * np.log(2),
                            0.625**2 / 2 + 2 * np.log(2) * (0.375**2 / 4 - 0.015625 / 2)),
    "touching": (lambda x: np.maximum(x, x - x**2), [0.0, 1.0], [1, 1], [0, 0]),
    "touching from above": (lambda x: np.minimum(x, np.expm1(x)), [0.0], 1, 0),
    "touching, python": (in_a_loop(lambda x: max(x - x**2, x)), [0.0], 1, 0),
    "modulus of what touches": (lambda x: np.abs(1 - np.cos(x)), [0.0, np.pi], [0, 0], [1, -1]),
    "modulus of minus that": (lambda x: np.abs(np.cos(x) - 1), [0.0], 0, 1),
    "sign of a square": (lambda x: np.abs((x - 1) ** 2) * np.sign((x - 1) * (x - 1)), [1.0], 0, 2),
    "kinks of kinks": (lambda x: np.abs(np.abs(np.sin(x)) - np.abs(x)) * np.abs(x) + x * x, [0.0], 0, 2),
    "root of a rectifier's square": (lambda x: np.sqrt(np.maximum(x, 0) ** 2), [0.0, 1.0, -1.0], [0.5, 1, 0], 0),
    "root of an eighth power": (lambda x: np.sqrt(x**8) * np.exp(x), [0.0, 1.0], [0, 5 * np.e], [0, 21 * np.e]),
    "far from kinks": (lambda x: np.abs(np.sin(x)) * np.abs(x), [np.inf, np.nan], np.nan, np.nan),
    "a minimum of a minimum": (lambda x: np.maximum(x, 0) + np.minimum(np.exp(np.minimum(x, 0)) - 1, 0), [0.0, -1.0],
                               [1, np.exp(-1)], [0.5, np.exp(-1)]),
    "with others between": (lambda x: np.abs(np.tanh(x)) * np.abs(x) * sp.expit(x), [0.0], 0, 1),
}


@pytest.mark.parametrize("name", TABLE)
def test_pieces(name):
    check(*TABLE[name])


def nested(mode, f):
    if mode == "R":
        return tg.grad(lambda x: np.sum(f(x)))
    return lambda x: tg.jvp(lambda x: np.sum(f(x)), (x,), (np.ones_like(x),))[1]


@pytest.mark.parametrize("name", share(list(TABLE), 7, "pieces"))
def test_compiled_pieces(name):
    f, points, first, second = TABLE[name]
    x = np.array(points)
    modes = share(["".join(n) for n in itertools.product("FR", repeat=2)], 4, name)

    def both(x):
        return [nested("R", f)(x), *[nested(outer, nested(inner, f))(x) for outer, inner in modes]]

    found = tg.jit(both)(x)
    np.testing.assert_allclose(found[0], np.broadcast_to(first, x.shape), rtol=1e-12, atol=1e-12)
    for mode, values in zip(modes, found[1:]):
        right = np.broadcast_to(second, x.shape)
        np.testing.assert_allclose(values, np.sum(right) if mode[0] == "F" else right, rtol=1e-12, atol=1e-12, err_msg=mode)


def test_float32():
    with np.errstate(all="ignore"):
        x = np.zeros(2, np.float32)
        ones, twos, _ = derivatives(lambda x: np.abs(np.sin(x)) * np.abs(x) + np.maximum(x, np.expm1(x)), x)
    assert all(v.dtype == np.float32 and np.allclose(v, 1) for v in ones.values())
    assert all(v.dtype == np.float32 and np.allclose(v, 3) for v in twos.values())


@pytest.mark.parametrize("f, slope", [
    (lambda x: np.abs(np.sin(x)), 0), (lambda x: np.maximum(x, np.sin(2 * x)), 1.5),
    (lambda x: np.abs(np.sin(x)) + np.abs(x), 0), (lambda x: np.maximum(np.expm1(x), 0) + np.abs(x), 0.5),
    (lambda x: np.where(x > 0, np.sin(x), 0.0) + np.abs(np.sin(x)), 0),
    (lambda x: np.maximum(x, 0) + np.minimum(2 * np.expm1(np.minimum(x, 0)), 0), 1.5)])
def test_true_kinks_keep_their_conventions(f, slope):
    ones, _, sums = derivatives(f, np.zeros(1))
    assert ones["R"][0] == slope == sums[0]


@pytest.mark.parametrize("f, slopes", [
    (lambda x, y: np.where(x > 0, y, 2 * y) + np.abs(x) * np.abs(np.sin(x)), (0, 2)),
    (lambda x, y: y * np.sign(x) + np.sign(x) * np.abs(x) * np.abs(np.sin(x)), (0, 0)),
    (lambda x, y: y * np.abs(np.sign(x)) + np.abs(x) * np.abs(np.sin(x)), (0, 0)),
    (lambda x, y: y * np.sign(x) * np.abs(np.sin(x)), (0, 0)),
    (lambda x, y: (y + 3) * (np.sign(x) * np.abs(np.sin(x))), (3, 0)),
    (lambda x, y: (y + 3) * np.abs(x) * np.abs(np.sin(x)), (0, 0))])
def test_a_second_variable_keeps_its_slope_where_the_first_jumps(f, slopes):
    f = trace_function.trace(f, (0.0, 0.0)).function
    assert run(vjp(f, (0, 1)), 0.0, 0.0, 1.0)[1:3] == slopes
    assert (run(jvp(f, (0, 1)), 0.0, 0.0, 1.0, 0.0)[1], run(jvp(f, (0, 1)), 0.0, 0.0, 0.0, 1.0)[1]) == slopes


def length(f):
    f = trace_function.trace(lambda x: np.sum(f(x)), (np.ones(3),)).function
    return sum(1 for _ in vjp(f, (0,)).body.walk())


@pytest.mark.parametrize("f", [
    lambda x: np.clip(x, -0.5, 0.5) ** 2, lambda x: np.maximum(0.3 * (x - 1), -0.7 * (x - 1)),
    lambda x: x / np.maximum(np.abs(x), 1e-12), lambda x: x * min(1.0, 1 / np.sqrt(np.sum(x * x)))])
def test_kinks_that_stand_alone_cost_nothing(f, monkeypatch):
    found = length(f)
    for module in ("canonicalize", "forward"):
        monkeypatch.setattr(f"tracegrad.autodiff.{module}.pieced", lambda body: None)
    assert found == length(f)


def test_a_long_recurrence_is_followed_once():
    def f(x):
        a, b = np.abs(x - 1), np.abs(x)
        for _ in tuple(range(60)):
            a, b = b, 0.5 * b - 0.25 * a
        return np.abs(b) * b

    assert length(f) < 2000
