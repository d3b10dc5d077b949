"""odeint's implicit method, and its ways back: through the steps, by the adjoint equation, with all derivatives at hand."""
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import tracegrad as tg

K, START = np.array([0.04, 3e7, 1e4]), np.array([1.0, 0.0, 0.0])
TIMES = np.array([0.0, 0.4, 4.0])


def robertson(y, t, k):
    slow, fast, back = k[0] * y[0], k[1] * y[1] * y[1], k[2] * y[1] * y[2]
    return np.array([back - slow, slow - back - fast, fast])


def heat(u, t, k):
    rate = np.zeros_like(u)
    rate[1:-1] = k[0] * (u[2:] - 2.0 * u[1:-1] + u[:-2]) + k[1] * u[1:-1] * (1.0 - u[1:-1]) * np.cos(t)
    rate[0], rate[-1] = k[0] * (u[1] - 2.0 * u[0]), k[0] * (u[-2] - 2.0 * u[-1])
    return rate


def prey(y, t, p):
    return np.array([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - p[3] * y[1]])


def gradients(f, args, **options):
    """{mode: derivatives by the start, the times and the parameters, one after the other}."""
    def loss(mode):
        def of(y, t, p):
            found = tg.implicit.odeint(f, y, t, p, mode=mode, **options)
            return np.sum(np.cos(np.arange(1.0, 1.0 + y.size)) * found[1:]) + np.sum(found[0]**2)
        return of

    found = {mode: np.concatenate(tg.grad(loss(mode), (0, 1, 2))(*args)) for mode in ("discrete", "forward", "continuous")}
    moves = tuple([np.sin(np.arange(1.0, 1.0 + x.size)) for x in args])
    along = tg.jvp(loss("continuous"), args, moves)[1]
    assert np.concatenate(moves) @ found["discrete"] == pytest.approx(along, rel=1e-9)
    return found


@pytest.mark.sweep(2, days=True)
def test_values():
    wanted = solve_ivp(lambda t, y: robertson(y, t, K), (0, 4), START, "Radau", TIMES, rtol=1e-10, atol=1e-14).y.T
    found = tg.implicit.odeint(robertson, START, TIMES, K, method="Rodas5P", rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found, wanted, rtol=1e-7)
    forced = tg.implicit.odeint(lambda y, t: -1e5 * (y - np.cos(t)) - np.sin(t), 1.0, [0.0, 3.0], method="Rodas5P")
    np.testing.assert_allclose(forced, np.cos([0.0, 3.0]), atol=1e-7)


def test_order():
    """Of the steps: halving them divides the error by 2^5."""
    def error(steps):
        found = tg.implicit.odeint(lambda y, t: np.cos(t) * y * (1.0 - y), 0.3, [0.0, 2.0], method="Rodas5P", steps=steps)[1]
        return abs(found - 1.0 / (1.0 + 7.0 / 3.0 * np.exp(-np.sin(2.0))))

    assert 20.0 < error(8) / error(16) < 60.0


@pytest.mark.sweep(2, days=True)
def test_band():
    u = np.sin(np.linspace(0.2, 3.0, 9))
    options = {"method": "Rodas5P", "rtol": 1e-9, "atol": 1e-9}
    whole, banded = (tg.implicit.odeint(heat, u, [0.0, 1.0], np.array([30.0, 1.0]), **options, **more)
                     for more in ({}, {"band": (1, 1)}))
    np.testing.assert_allclose(banded, whole, rtol=1e-12)


def test_equal_times():
    """The solution at a time that stands there twice depends on each of the two."""
    found = tg.grad(lambda t: np.sum(tg.implicit.odeint(lambda y, s: -2.0 * y, 1.0, t)))(np.array([0.0, 0.5, 0.5]))
    np.testing.assert_allclose(found, [4 * np.exp(-1), -2 * np.exp(-1), -2 * np.exp(-1)], rtol=1e-6)


U = np.sin(np.linspace(0.1, 3.0, 300))
STIFF = {"method": "Rodas5P", "rtol": 1e-11, "atol": 1e-14}
LYNX = np.ones(2), np.array([0.0, 1.0, 3.0]), np.array([1.5, 1.0, 1.0, 3.0])
CASES = {
    "explicit": (prey, LYNX, {"rtol": 1e-11, "atol": 1e-11}),
    "stiff": (robertson, (START, TIMES, K), STIFF),
    "banded": (heat, (U, np.array([0.0, 0.5]), np.array([1e4, 1.0])), STIFF | {"band": (1, 1), "atol": 1e-11}),
}


@pytest.mark.sweep(14, days=True)
@pytest.mark.parametrize("name", CASES)
def test_ways_back_agree(name):
    f, args, options = CASES[name]
    found = gradients(f, args, **options)
    for mode in ("forward", "continuous"):
        near = 1e-8 * np.max(np.abs(found["discrete"]))
        np.testing.assert_allclose(found[mode], found["discrete"], rtol=1e-8, atol=near)


@pytest.mark.sweep(4)
@pytest.mark.parametrize("budget", ["2kB"])
def test_memory_is_bounded(budget):
    """The adjoint equation with fewer steps in memory than there are: the others are taken again."""
    def end(k):
        return tg.implicit.odeint(lambda y, t, k: -k * y * np.cos(t), 1.5, [0.0, 9.0], k, mode="continuous", rtol=1e-11,
                                  atol=1e-12)[1]

    with tg.config(memory_budget=budget):
        assert tg.grad(end)(0.8) == pytest.approx(-1.5 * np.sin(9.0) * np.exp(-0.8 * np.sin(9.0)), rel=1e-8)


def decay(y, t, params, name, power):
    assert name == "decay"
    return -params["rate"][0] * y**power


@pytest.mark.sweep(10, days=True)
@pytest.mark.parametrize("mode", ["forward", "continuous", "auto"])
def test_containers_and_second_order(mode):
    """Arguments of all kinds, y that falls and a number, and a derivative of a derivative: y = y0 / (1 + k y0 t)."""
    def end(rate, y0):
        return tg.implicit.odeint(decay, y0, [0.0, 2.0], {"rate": [rate]}, "decay", 2, mode=mode, rtol=1e-10, atol=1e-12)[1]

    k, y, below = 0.5, 1.5, 1 + 0.5 * 1.5 * 2
    assert end(k, y) == pytest.approx(y / below, rel=1e-8)
    np.testing.assert_allclose(tg.grad(end, (0, 1))(k, y), [-2 * y * y / below**2, below**-2], rtol=1e-7)
    assert tg.grad(tg.grad(end))(k, y) == pytest.approx(8 * y**3 / below**3, rel=1e-6)
    assert tg.jvp(end, (k, y), (1.0, 0.0))[1] == pytest.approx(-2 * y * y / below**2, rel=1e-7)


@pytest.mark.sweep(9, days=True)
@pytest.mark.parametrize("p", [np.array([1.5, 1.0, 1.0, 3.0])])
def test_times_that_fall(p):
    def loss(mode):
        return lambda p: np.sum(tg.implicit.odeint(prey, np.ones(2), [1.0, 0.0], p, mode=mode, rtol=1e-10, atol=1e-10)[1]**2)

    np.testing.assert_allclose(tg.grad(loss("continuous"))(p), tg.grad(loss("discrete"))(p), rtol=1e-7)


@pytest.mark.parametrize(("options", "says"), [
    ({"method": "Euler"}, "there is no method 'Euler'"), ({"mode": "backward"}, "there is no mode 'backward'"),
    ({"band": (1, 1)}, "takes no band"), ({"band": 1, "method": "Rodas5P"}, "give the numbers of diagonals"),
    ({"mode": "continuous", "steps": 4}, "leave steps out")])
def test_misuse(options, says):
    with pytest.raises(ValueError, match=says):
        tg.implicit.odeint(prey, np.ones(2), [0.0, 1.0], np.ones(4), **options)


def test_a_band_that_is_too_narrow():
    with pytest.raises(ValueError, match="band"):
        tg.implicit.odeint(lambda y, t: y[::-1] * 1.0, np.arange(1.0, 6.0), [0.0, 1.0], method="Rodas5P", band=(1, 1))
