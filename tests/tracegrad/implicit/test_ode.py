"""odeint against SciPy; derivatives of its steps in both modes against each other and against differences."""
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import tracegrad as tg

P, Y0, T = np.array([1.5, 1.0, 1.0, 3.0]), np.array([1.0, 1.0]), np.linspace(0.0, 3.0, 4)


def prey(y, t, p):
    return np.array([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - p[3] * y[1]])


def end(y0, t, p):
    return np.sum(tg.implicit.odeint(prey, y0, t, p)[-1]**2)


@pytest.mark.sweep(2, days=True)
def test_values():
    wanted = solve_ivp(lambda t, y: prey(y, t, P), (0, 3), Y0, t_eval=T, rtol=1e-11, atol=1e-12).y.T
    np.testing.assert_allclose(tg.implicit.odeint(prey, Y0, T, P), wanted, atol=1e-6)
    np.testing.assert_allclose(tg.implicit.odeint(prey, Y0, T, P, steps=200), wanted, atol=1e-7)
    back = tg.implicit.odeint(lambda y, t: -y, 1.0, [0, 1.0, 0.5, 0.5])
    np.testing.assert_allclose(back, np.exp([0, -1, -0.5, -0.5]), rtol=1e-7)
    grid = tg.implicit.odeint(lambda y, t, k: k * t * y, np.ones((2, 3)), np.array([0.0, 2.0]), 0.5)
    np.testing.assert_allclose(grid[1], np.full((2, 3), np.e), rtol=1e-7)
    assert tg.implicit.odeint(prey, Y0, T[:1], P).tolist() == [Y0.tolist()]


@pytest.mark.sweep(4, days=True)
def test_derivatives():
    found, args = tg.grad(end, (0, 1, 2))(Y0, T, P), (Y0, T, P)
    moves = tuple([np.cos(np.arange(len(x))) for x in args])
    along = sum(bar @ move for bar, move in zip(found, moves))
    assert tg.jvp(end, args, moves)[1] == pytest.approx(along, rel=1e-10)            # sensitivities and discrete adjoint
    fine = tg.jit(lambda y0, t, p: np.sum(tg.implicit.odeint(prey, y0, t, p, rtol=1e-12, atol=1e-12)[-1]**2))
    up, down = (fine(*[x + s * 1e-5 * move for x, move in zip(args, moves)]) for s in (1, -1))
    assert along == pytest.approx((up - down) / 2e-5, rel=1e-6)


@pytest.mark.sweep(6, days=True)
def test_second_order():
    tg.check_grads(lambda p: np.sum(tg.implicit.odeint(prey, Y0, T[:2], p, steps=5)[-1]**2), (P,), order=2)


@pytest.mark.parametrize(("make", "kind", "says"), [
    (lambda: tg.implicit.odeint(3, 1.0, T), TypeError, "a function first"),
    (lambda: tg.implicit.odeint(prey, Y0, T, P, rtol=-1.0), ValueError, "positive"),
    (lambda: tg.implicit.odeint(lambda y, t: np.ones(3), Y0, T), ValueError, "returns"),
    (lambda: tg.implicit.odeint(lambda y, t: -1e6 * (y - t), 1.0, T, maxsteps=100), RuntimeError, "stiff")])
def test_misuse(make, kind, says):
    with pytest.raises(kind, match=says):
        make()
