"""scipy.optimize's roots of one number and solve_ivp inside of compiled functions: SciPy's values, derivatives by formulas."""
import numpy as np
import pytest
import scipy.integrate as si
import scipy.optimize as so

import tracegrad as tg


def cubic(t, s):
    return t ** 3 - s - t


ROOTS = {
    **{name: lambda s, name=name: getattr(so, name)(lambda t: cubic(t, s), 0.9, 2.0)
       for name in ("brentq", "brenth", "bisect", "ridder", "toms748")},
    "brentq args": lambda s: so.brentq(cubic, 2.0, 0.9, args=(s,), xtol=1e-13),
    "secant": lambda s: so.newton(lambda t: cubic(t, s), 1.2), "two starts": lambda s: so.newton(cubic, 1.2, args=(s,), x1=1.4),
    "newton": lambda s: so.newton(lambda t: cubic(t, s), 1.2, fprime=lambda t: 3 * t * t - 1),
    "halley": lambda s: so.newton(cubic, 1.2, lambda t, s: 3 * t * t - 1, args=(s,), fprime2=lambda t, s: 6 * t),
}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", ROOTS)
def test_roots(name):
    """x(s) with x^3 - x = s: x' = 1 / (3x^2 - 1), x'' = -6x x'^3."""
    f = ROOTS[name]
    found, right = tg.jit(f)(0.7), f(0.7)
    assert type(found) is type(right)
    np.testing.assert_allclose(found, right, rtol=1e-15 if name in ("brentq", "brentq args", "bisect", "newton") else 3e-12)
    slope = 1 / (3 * right ** 2 - 1)
    np.testing.assert_allclose(tg.grad(f)(0.7), slope, rtol=1e-11)
    np.testing.assert_allclose(tg.jvp(f, (0.7,), (1.0,))[1], slope, rtol=1e-11)
    np.testing.assert_allclose(tg.grad(tg.grad(f))(0.7), -6 * right * slope ** 3, rtol=1e-10)


@pytest.mark.sweep(2, days=True)
def test_ends_signs_and_flat_roots():
    for f in (lambda a: so.brentq(lambda t: t - a, 1.0, 2.0), lambda a: so.brentq(lambda t: t - a, 0.0, 1.0),
              lambda a: so.bisect(lambda t: t - a, 1.0, 2.0)):
        assert tg.jit(f)(1.0) == f(1.0) == 1.0 and tg.grad(f)(1.0) == 1.0
    for f in (so.brentq, so.bisect):
        with pytest.raises(ValueError, match="different signs"):
            tg.jit(lambda a: f(lambda t: t + a, 1.0, 2.0))(1.0)
    flat = lambda a: so.brentq(lambda t: (t - a) ** 3, 0.0, 2.0, xtol=1e-3)  # noqa: E731
    assert abs(tg.jit(flat)(1.0) - flat(1.0)) == 0.0
    with pytest.raises(RuntimeError, match="Failed to converge after 3 iterations"):
        tg.jit(lambda a: so.brentq(lambda t: np.exp(t) - a, -5.0, 9.0, maxiter=3))(2.0)
    with pytest.raises(tg.UnsupportedError, match="full_output cannot be compiled"):
        tg.jit(lambda a: so.brentq(lambda t: t - a, 0.0, 2.0, full_output=True))(1.0)
    with pytest.raises(tg.UnsupportedError, match="newton of an array"):
        tg.jit(lambda x: so.newton(lambda t: t * t - x, x))(np.ones(2))


@pytest.mark.sweep(2, days=True)
def test_in_a_loop_over_elements():
    def f(x):
        out = np.zeros(x.size)
        for i in range(x.size):
            out[i] = so.brentq(lambda t: t * t - x[i], 0.0, 10.0)
        return out

    x = np.array([0.5, 2.0, 9.0])
    np.testing.assert_allclose(tg.jit(f)(x), np.sqrt(x), rtol=1e-11)
    np.testing.assert_allclose(tg.grad(lambda x: np.sum(f(x)))(x), 0.5 / np.sqrt(x), rtol=1e-10)


TIMES, TIGHT = np.linspace(0.5, 2.0, 4), {"rtol": 1e-10, "atol": 1e-12}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("method", ["RK45", "DOP853", "LSODA"])
def test_solve_ivp(method):
    def f(s, y0):
        return si.solve_ivp(lambda t, y: -s * y + np.sin(t), (0.0, 2.0), y0, method, t_eval=TIMES, **TIGHT).y

    y0 = np.array([1.0, 2.0])
    found, right = tg.jit(f)(0.7, y0), f(0.7, y0)
    np.testing.assert_allclose(found, right, rtol=1e-7)
    assert found.shape == right.shape == (2, 4)
    if method == "RK45":
        tg.check_grads(lambda s, y0: np.sum(f(s, y0) ** 2), (0.7, y0), order=1)


def test_parts_and_refusals_of_solve_ivp():
    def parts(s):
        found = si.solve_ivp(lambda t, y, k: -k * y, (0, 1), [1.0], t_eval=[0.0, 1.0], args=(s,), **TIGHT)
        return found.t, found.y[0, -1], found.success

    t, y, success = tg.jit(parts)(0.7)
    np.testing.assert_allclose(t, [0.0, 1.0])
    np.testing.assert_allclose(y, np.exp(-0.7), rtol=1e-8)
    assert success
    for options, words in (({"method": "Radau"}, "method 'Radau' and without t_eval"),
                           ({"t_eval": [1.0], "method": "BDF"}, "method 'BDF'"),
                           ({"t_eval": [1.0], "events": lambda t, y: y[0]}, "with events")):
        with pytest.raises(tg.UnsupportedError, match=words):
            tg.jit(lambda s, options=options: si.solve_ivp(lambda t, y: -s * y, (0.0, 1.0), [1.0], **options).y)(0.7)


@pytest.mark.sweep(3, days=True)
@pytest.mark.parametrize("method", ["RK45", "RK23", "DOP853"])
def test_times_of_solve_ivp(method):
    """Without t_eval: as many steps as SciPy takes, at its times."""
    def f(k, y0, end, **options):
        found = si.solve_ivp(prey, (0.5, end), y0, method, args=(k,), **options)
        return found.t, found.y, found.nfev, found.success

    k, y0 = np.array([1.5, 1.0, 3.0]), np.array([4.0, 2.0])
    for end, options in ((2.0, {}), (0.5, {}), (0.1, {"rtol": 1e-6}), (1.5, {"first_step": 0.01, "max_step": 0.2})):
        found, right = tg.jit(lambda k, y0, end: f(k, y0, end, **options))(k, y0, end), f(k, y0, end, **options)
        np.testing.assert_allclose(found[0], right[0], rtol=1e-8)
        np.testing.assert_allclose(found[1], right[1], rtol=1e-7)
        assert found[2:] == right[2:]

    def last(k, y0, end):
        return np.sum(np.array([1.0, 0.3]) * f(k, y0, end, rtol=1e-11, atol=1e-12)[1][:, -1])

    tg.check_grads(last, (k, y0, 1.4), order=1)


def prey(t, y, k):
    return np.array([k[0] * y[0] - y[0] * y[1], -k[2] * y[1] + k[1] * y[0] * y[1]])


def test_solve_ivp_ends_where_no_step_can_be_taken():
    def f(y0, edge, **options):
        found = si.solve_ivp(lambda t, y: np.where(t > edge, np.nan, -y), (0.0, 1.0), y0, **options)
        return found.t, found.y, found.nfev, found.status, found.success

    for y0, edge in ((np.ones(2), 0.5), (np.ones(2), -1.0), (np.zeros(0), 2.0)):
        for found, right in zip(tg.jit(f)(y0, edge), f(y0, edge) if edge > 0 else ([0.0], [[1.0], [1.0]], 2, -1, False)):
            np.testing.assert_allclose(found, right, rtol=1e-12)
    for y0, options in ((np.array([1.0, np.nan]), {}), (np.ones(2), {"max_step": 0.0}), (np.ones(2), {"first_step": -1.0}),
                        (np.ones(2), {"first_step": 2.0}), (np.ones(2), {"atol": -1.0}), (np.ones(2), {"atol": np.ones(3)})):
        with pytest.raises(ValueError) as right:
            f(y0, 2.0, **options)
        with pytest.raises(ValueError) as found:
            tg.jit(lambda y0, edge, o=options: f(y0, edge, **o))(y0, 2.0)
        assert str(found.value).split("\n")[0] == str(right.value)
