"""Jacobians and Hessians: both modes agree, with closed forms where there are any, and with loops over single calls."""
import numpy as np
import pytest
from scipy.optimize import rosen, rosen_hess
from shared_functions import recurrence

import tracegrad as tg

RNG = np.random.default_rng(0)
OPERATORS = [tg.jacfwd, tg.jacrev, tg.jacobian]


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@pytest.mark.parametrize("operator", OPERATORS)
def test_linear_map(operator):
    a = RNG.standard_normal((3, 4))
    np.testing.assert_allclose(operator(lambda x: a @ x)(np.ones(4)), a, rtol=1e-14)


@pytest.mark.parametrize("operator", OPERATORS)
def test_structures(operator):
    def f(p, c):
        return {"a": np.sin(p["x"]) * c[:, None], "b": (np.sum(p["x"]) * p["y"], p["y"] ** 2)}

    p, c = {"x": np.array([0.1, 1.2, 2.3]), "y": 2.0}, np.array([1.0, -2.0])
    j = operator(f)(p, c)
    assert j["a"]["x"].shape == (2, 3, 3) and j["a"]["y"].shape == (2, 3)
    np.testing.assert_allclose(j["a"]["x"], c[:, None, None] * np.diag(np.cos(p["x"])))
    np.testing.assert_array_equal(j["a"]["y"], 0.0)
    np.testing.assert_allclose(j["b"][0]["x"], [2.0, 2.0, 2.0])
    assert j["b"][0]["y"] == pytest.approx(3.6) and j["b"][1]["y"] == 4.0
    both = operator(f, argnums=(1, 0))(p, c)
    assert both["a"][0].shape == (2, 3, 2)
    np.testing.assert_allclose(both["a"][1]["x"], j["a"]["x"])


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("shape", [(0,), (1,), (2, 3)])
def test_shapes(operator, shape):
    x = RNG.standard_normal(shape)
    j = operator(lambda x: np.exp(x))(x)
    assert j.shape == shape + shape
    np.testing.assert_allclose(j.reshape(x.size, x.size), np.diag(np.exp(x).ravel()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_stays(dtype):
    assert tg.jacrev(lambda x: x * x)(np.ones(2, dtype)).dtype == dtype


def test_jacobian_through_a_loop_with_branches():
    x = RNG.standard_normal(8)
    forward, reverse = tg.jacfwd(recurrence, argnums=(0, 1))(0.5, x), tg.jacrev(recurrence, argnums=(0, 1))(0.5, x)
    np.testing.assert_allclose(forward[0], reverse[0], rtol=1e-12)
    np.testing.assert_allclose(forward[1], reverse[1], rtol=1e-12)


def test_hessian_and_hvp():
    x = np.linspace(-1, 1, 5)
    assert rosenbrock(x) == pytest.approx(rosen(x))
    h = tg.hessian(rosenbrock)(x)
    np.testing.assert_allclose(h, rosen_hess(x), rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(tg.jacrev(tg.jacrev(rosenbrock))(x), h, rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(tg.hvp(rosenbrock, (x,), (x,)), h @ x, rtol=1e-12, atol=1e-10)
    third = tg.jacfwd(tg.hessian(rosenbrock))(x)
    np.testing.assert_allclose(third, np.transpose(third, (2, 0, 1)), rtol=1e-12)
    np.testing.assert_allclose(third[0, 0, 0], 2400 * x[0])


def test_hvp_of_two_arguments():
    a, b = np.array([1.0, 2.0]), 3.0
    da, db = tg.hvp(lambda a, b: np.sum(a**2) * b**2, (a, b), (np.ones(2), 0.0))
    np.testing.assert_allclose(da, 2 * b**2 * np.ones(2))
    assert db == pytest.approx(4 * b * np.sum(a))


@pytest.mark.parametrize("evaluator", [False, True])
def test_inside_traced_code(evaluator):
    @tg.jit
    def newton(x):
        for _ in range(20):
            x = x - np.linalg.solve(tg.hessian(rosenbrock)(x), tg.grad(rosenbrock)(x))
        return x

    with tg.config(disable_jit=evaluator):
        np.testing.assert_allclose(newton(np.array([0.5, 0.3, 0.2])), 1.0)


def test_modes_and_refusals():
    with pytest.raises(tg.ArgumentError, match="there is no mode 'both'"):
        tg.jacobian(rosenbrock, mode="both")
    with pytest.raises(TypeError, match="argument n is a Python int"):
        tg.jacfwd(lambda n: n * 2.0)(3)
    with pytest.raises(TypeError, match="Jacobian of complex numbers"):
        tg.jacrev(lambda z: z * 2)(1j * np.ones(2))
    with pytest.raises(ValueError, match="length is known only at run time"):
        tg.jacrev(lambda x: x[x > 0])(np.ones(2))


def test_an_element_may_be_an_array_of_one_number():
    x = np.arange(1.0, 4.0)
    for n in (2, 5, 40):
        np.testing.assert_array_equal(tg.vmap(lambda a, n=n: np.full(n, a * a))(x), np.repeat(x * x, n).reshape(3, n))
        np.testing.assert_array_equal(tg.vmap(lambda a, n=n: np.zeros(n))(x), np.zeros((3, n)))
    np.testing.assert_array_equal(tg.hessian(lambda x: np.sum(x) ** 2)(np.arange(30.0)), 2.0)


def test_a_jacobian_of_zeros_is_written():
    """The gradient is constant: the rows of its Jacobian are zeros, into memory that has held something else."""
    held = [np.full((3, 3), 7.5) for _ in range(20)]
    del held
    np.testing.assert_array_equal(tg.jacrev(tg.grad(lambda x: np.sum(np.abs(x))))(np.array([0.0, 4.0, 1.0])), np.zeros((3, 3)))
