"""scipy.optimize's minima and roots inside of compiled functions: SciPy's values, derivatives by closures and arguments."""
import numpy as np
import pytest
import scipy.optimize as so

import tracegrad as tg


def quartic(t, a):
    return np.sum((t - a) ** 2 + t ** 4)


def crossing(t, a):
    return [t[0] * np.cos(t[1]) - 4, t[1] * t[0] - t[1] - 5 * a]


def valley(x, a):
    return (1 - x[0]) ** 2 + 100 * a * (x[1] - x[0] ** 2) ** 2 + a * x[0]


CASES = {
    "brent": lambda a: so.minimize_scalar(lambda t: quartic(t, a)).x,
    "value": lambda a: so.minimize_scalar(quartic, args=(a,)).fun,
    "bounded": lambda a: so.minimize_scalar(lambda t: quartic(t, a), bounds=(0, 2)).x,
    "at a bound": lambda a: so.minimize_scalar(lambda t: t * t, bounds=(a, 3 * a), method="bounded").x,
    "golden": lambda a: so.minimize_scalar(lambda t: np.cos(t) + a * (t - 3) ** 2, bracket=(2, 4), method="golden").x,
    "bracketed": lambda a: so.root_scalar(lambda t: t ** 3 - a, bracket=[0, 3]).root,
    "newton": lambda a: so.root_scalar(lambda t: t ** 3 - a, x0=1.0, fprime=lambda t: 3 * t * t).root,
    "root": lambda a: so.root(lambda t: t ** 3 - a, [1.0, 2.0]).x, "fsolve": lambda a: so.fsolve(crossing, [5.0, 1.0], (a,)),
    "a number": lambda a: so.fsolve(lambda t: t ** 3 - a, 1.0),
    "fixed point": lambda a: so.fixed_point(lambda t: np.sqrt(a / (t + 0.2)), 1.2),
    "minimize": lambda a: so.minimize(lambda t: quartic(t, a), [1.0, 0.3], method="BFGS", tol=1e-9).x,
    "valley": lambda a: so.minimize(valley, [-1.0, 1.3], args=(a,), tol=1e-9).x,
}
# Where the minimum is, of which SciPy's differences of functions find some digits, on each machine others.
PLACES = {"valley": lambda a: np.array([1 - a / 2, (1 - a / 2) ** 2])}


@pytest.mark.sweep(4)
@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name):
    f = CASES[name]
    (found, slope), scipys = tg.jit(lambda a: tg.jvp(f, (a,), (1.0,)))(0.9), f(0.9)
    assert np.shape(found) == np.shape(scipys)
    right = PLACES[name](0.9) if name in PLACES else scipys
    np.testing.assert_allclose(found, right, rtol=1e-6)
    np.testing.assert_allclose(scipys, right, rtol=1e-4)
    step = (np.asarray(f(0.9 + 1e-2)) - f(0.9 - 1e-2)) / 2e-2
    np.testing.assert_allclose(slope, step, rtol=2e-3)
    np.testing.assert_allclose(tg.grad(lambda a: np.sum(f(a)))(0.9), np.sum(slope), rtol=1e-9)


@pytest.mark.parametrize("bracket", [(0.5, 2.0), None])
def test_of_two_minima_the_one_that_scipy_finds(bracket):
    f = lambda a: so.minimize_scalar(lambda t: (t * t - a) ** 2, bracket=bracket).x         # noqa: E731
    np.testing.assert_allclose(tg.jit(f)(2.0), f(2.0), rtol=1e-7)


def test_the_second_derivative_and_refusals():
    f = lambda a: so.minimize_scalar(lambda t: t ** 3 / 3 - a * t, bracket=(0.5, 2.0)).x      # noqa: E731
    np.testing.assert_allclose(tg.grad(tg.grad(f))(2.0), -0.25 * 2.0 ** -1.5, rtol=1e-6)          # x = sqrt(a)
    for g, what in ((lambda a: so.minimize(lambda x: np.sum((x - a) ** 2), [1.0], bounds=[(0, 1)]).x, "bounds"),
                    (lambda a: so.fsolve(lambda x: x - a, 1.0, full_output=True)[0], "full_output"),
                    (lambda a: so.root_scalar(lambda x: x - a, x0=1.0, fprime=True).root, "fprime=True")):
        with pytest.raises(tg.UnsupportedError, match=what):
            tg.jit(g)(0.5)
