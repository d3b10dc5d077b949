"""Implicit differentiation, the recipe of docs/differentiation.md: a Newton root and an argmin, against differences."""
import importlib.util
import pathlib

import numpy as np
import pytest
from sweeps import turn

import tracegrad as tg

PATH = pathlib.Path(__file__).parents[2] / "examples" / "implicit.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("implicit_example", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.sweep(3, days=True)
def test_a_newton_root(example):
    theta = np.array([4.0, 1.0])
    x = example.meeting(theta)
    assert np.max(np.abs(example.curves(x, theta))) < 1e-12
    # d(x, y) of x^2 + y^2 = a, x y = b solves [[2x, 2y], [y, x]] d = I
    exact = np.linalg.inv([[2 * x[0], 2 * x[1]], [x[1], x[0]]])
    for jacobian in (tg.jacrev, tg.jacfwd):
        assert jacobian(example.meeting)(theta) == pytest.approx(exact, rel=1e-10)
    with tg.disable_jit():
        assert tg.jacrev(example.meeting)(theta) == pytest.approx(exact, rel=1e-10)
    tg.check_grads(lambda theta: np.sum(example.meeting(theta) ** 3), (theta,), order=2)


def test_the_argmin_of_logistic_regression(example):
    for s in (1.0, -1.0, -3.0):
        tg.check_grads(example.test_loss, (s,), order=1 + turn(4, "logistic regression"))


def test_the_argmin_of_ridge_regression(example):
    """Against the closed form w = (X'X + a)^-1 X'y, whose derivative tracegrad takes through the solve."""
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((12, 3)), rng.standard_normal(12)

    def stationary(w, a):
        return x.T @ (x @ w - y) + a * w

    def descend(a):
        w = np.zeros(3)
        for _ in range(3000):
            w = w - 0.02 * stationary(w, a)
        return w

    def closed(a):
        return np.linalg.solve(x.T @ x + a * np.eye(3), x.T @ y)

    best = example.implicit(stationary, descend)
    assert best(0.7) == pytest.approx(closed(0.7), rel=1e-10)

    def loss(a, w):
        return np.sum(w(a) ** 2)

    assert tg.grad(loss)(0.7, best) == pytest.approx(tg.grad(loss)(0.7, closed), rel=1e-9)
    assert tg.grad(tg.grad(loss))(0.7, best) == pytest.approx(tg.grad(tg.grad(loss))(0.7, closed), rel=1e-8)


def test_a_fixed_point_with_structured_parameters(example):
    """x = tanh(W x + b): the deep-equilibrium layer."""
    rng = np.random.default_rng(5)
    params = {"w": 0.2 * rng.standard_normal((3, 3)), "b": rng.standard_normal(3)}

    def residual(x, p):
        return np.tanh(p["w"] @ x + p["b"]) - x

    def iterate(p):
        x = np.zeros(3)
        for _ in range(80):
            x = np.tanh(p["w"] @ x + p["b"])
        return x

    layer = example.implicit(residual, iterate)
    found = tg.grad(lambda p: np.sum(layer(p) ** 2))(params)
    unrolled = tg.grad(lambda p: np.sum(iterate(p) ** 2))(params)
    for name in params:
        assert found[name] == pytest.approx(unrolled[name], rel=1e-9)


@pytest.mark.sweep(2, days=True)
def test_the_example_runs(example, capsys):
    example.main()
    assert "best ridge weight" in capsys.readouterr().out
