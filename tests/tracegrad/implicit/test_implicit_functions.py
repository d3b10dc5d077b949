"""Solutions as functions of parameters: values, both modes, second order, in loops and maps, and each misuse."""
import numpy as np
import pytest
from sweeps import turn

import tracegrad as tg


def curves(x, theta):
    return np.array([x[0]**2 + x[1]**2 - theta[0], x[0] * x[1] - theta[1]])


def meeting(theta):
    return tg.implicit.root(curves, np.array([2.0, 0.5]), theta)


def cube_root(a):
    return tg.implicit.root(lambda x, a: x**3 - a, 1.0, a)


def angle(a):
    return tg.implicit.fixed_point(lambda x, a: np.cos(a * x), 0.5, a)


RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 4))
Y = (X @ np.array([1.5, -2.0, 0.5, 0.0]) > 0) * 1.0


def loss(w, s):
    z = X @ w
    return np.mean(np.logaddexp(0.0, z) - Y * z) + 0.5 * np.exp(s) * np.sum(w * w)


def weights(s):
    return tg.implicit.argmin(loss, np.zeros(4), s)


@pytest.mark.sweep(2, days=True)
def test_values():
    theta = np.array([4.0, 1.0])
    np.testing.assert_allclose(curves(meeting(theta), theta), 0.0, atol=1e-14)
    assert cube_root(5.0) == pytest.approx(5 ** (1 / 3), rel=1e-15) and cube_root(-8.0) == pytest.approx(-2.0)
    assert np.cos(angle(1.0)) == pytest.approx(angle(1.0), rel=1e-11)
    np.testing.assert_allclose(tg.grad(loss)(weights(-2.0), -2.0), 0.0, atol=1e-12)
    two_wells = tg.implicit.argmin(lambda x: (x**2 - 1.0)**2 + 0.1 * x, 0.05)           # from negative curvature
    assert two_wells == pytest.approx(0.98726, abs=1e-5)


@pytest.mark.sweep(6, days=True)
def test_derivatives():
    theta = np.array([4.0, 1.0])
    np.testing.assert_allclose(tg.jacfwd(meeting)(theta), tg.jacrev(meeting)(theta), rtol=1e-13)
    tg.check_grads(meeting, (theta,))
    tg.check_grads(angle, (0.8,), order=1 + turn(3, "angle"))
    tg.check_grads(lambda s: np.sum(weights(s)**2), (-2.0,), order=1 + turn(4, "weights"))
    assert tg.grad(cube_root)(5.0) == pytest.approx(5 ** (-2 / 3) / 3)
    assert tg.grad(tg.grad(cube_root))(5.0) == pytest.approx(-2 / 9 * 5 ** (-5 / 3))
    assert tg.grad(tg.grad(tg.grad(cube_root)))(5.0) == pytest.approx(10 / 27 * 5 ** (-8 / 3))
    assert tg.grad(lambda x0: tg.implicit.root(lambda x: x**3 - 2.0, x0))(1.0) == 0.0


@pytest.mark.sweep(3, days=True)
def test_in_compiled_code():
    a = np.array([1.0, 8.0, 27.0])
    np.testing.assert_allclose(tg.vmap(cube_root)(a), [1, 2, 3], rtol=1e-14)
    np.testing.assert_allclose(tg.vmap(tg.grad(cube_root))(a), 1 / (3 * np.array([1, 4, 9])), rtol=1e-14)

    @tg.jit
    def total(a):
        t = 0.0
        for k in range(3):                                   # the equation reads the loop's number
            t += tg.implicit.root(lambda x, a: x**2 - a - k, 1.0, a)
        return t
    assert total(2.0) == pytest.approx(sum((2.0 + k)**0.5 for k in range(3)))
    assert tg.grad(total)(2.0) == pytest.approx(sum(0.5 * (2.0 + k)**-0.5 for k in range(3)))
    assert tg.jvp(total, (2.0,), (1.0,))[1] == pytest.approx(tg.grad(total)(2.0))
    assert total.interpret(2.0) == pytest.approx(total(2.0))


def test_structures_and_shapes():
    found = tg.implicit.root(lambda x, p: x**2 - p["a"], np.ones((2, 2), np.float32), {"a": np.full((2, 2), 3, np.float32)})
    np.testing.assert_allclose(found, np.full((2, 2), 3**0.5), rtol=1e-6)
    assert found.dtype == np.float32
    assert tg.implicit.root(lambda x: 1.0 * x, np.zeros(0)).shape == (0,)
    assert tg.implicit.root(np.cos, 1) == pytest.approx(np.pi / 2)
    slope = tg.grad(lambda p: tg.implicit.root(lambda x, p: p["m"][0] * x - p["b"], 0.0, p))({"m": [2.0], "b": 6.0})
    assert slope["m"][0] == pytest.approx(-1.5) and slope["b"] == pytest.approx(0.5)
    own = tg.grad(lambda a: tg.implicit.root(lambda x, a: np.exp(x) - a, 0.0, a, solver=lambda f, x0, a: np.log(a)))
    assert own(3.0) == pytest.approx(1 / 3)


@pytest.mark.parametrize(("make", "kind", "says"), [
    (lambda: tg.implicit.root(lambda x, a: x**2 + a, 1.3, 1.0), RuntimeError, "not converged"),
    (lambda: tg.implicit.fixed_point(lambda x: 2 * x + 1, 1.0), RuntimeError, "contraction"),
    (lambda: tg.implicit.root(lambda x: 0.0 * x + 1.0, 1.0), np.linalg.LinAlgError, "[Ss]ingular"),
    (lambda: tg.implicit.root(lambda x: np.ones(3), np.ones(2)), ValueError, "returns 3"),
    (lambda: tg.implicit.root(3, 1.0), TypeError, "a function first"),
    (lambda: tg.implicit.root(np.cos, 1.0, maxiter=0), ValueError, "maxiter"),
    (lambda: tg.implicit.argmin(lambda x: x**2, 1.0, solver=2), TypeError, "solver"),
    (lambda: tg.grad(lambda a: tg.implicit.root(lambda x: x - a, 1.0))(2.0), NotImplementedError, "`a`, which is differ"),
])
def test_misuse(make, kind, says):
    with pytest.raises(kind, match=says):
        make()
