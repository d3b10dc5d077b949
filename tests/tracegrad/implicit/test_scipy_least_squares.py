"""scipy.optimize's least_squares, leastsq and curve_fit in compiled code: the same minima, all derivatives."""
import numpy as np
import pytest
from scipy import optimize

import tracegrad as tg

U = np.linspace(0, 2, 15)
Y = 2.0 * np.exp(-1.3 * U) + 0.05 * np.random.default_rng(0).standard_normal(15)
X = np.array([0.5, 1.5])


def model(u, p, q):
    return p * np.exp(-q * u)


def residual(v, x):
    return np.array([v[0] - x[0], 2 * (v[1] - x[1]), v[0] * v[1]])


FITS = {
    "plain": lambda y: optimize.curve_fit(model, U, y, p0=[1.0, 1.0]),
    "bounded": lambda y: optimize.curve_fit(model, U, y, bounds=([0, 0], [1.8, 5.0])),
    "weighted": lambda y: optimize.curve_fit(model, U, y, sigma=np.linspace(0.1, 0.3, 15), absolute_sigma=True),
    "correlated": lambda y: optimize.curve_fit(model, U, y, sigma=np.eye(15) + 0.2, p0=[2.0, 1.0]),
}


@pytest.mark.sweep(4)
@pytest.mark.parametrize("name", FITS)
def test_curve_fit(name):
    f = FITS[name]
    (p, cov), (q, right) = tg.jit(f)(Y), f(Y)
    np.testing.assert_allclose(p, q, rtol=3e-6)
    if name != "bounded":                             # SciPy's is that of its Jacobian by differences
        np.testing.assert_allclose(cov, right, rtol=1e-4)


@pytest.mark.sweep(4, days=True)
def test_what_a_fit_does_with_data():
    """The slope by the data, at the minimum: -(J^T J + S)^-1 J^T, against differences of a compiled fit."""
    tg.check_grads(lambda y: tg.jit(FITS["plain"])(y)[0][0], (Y,), order=1)
    tg.check_grads(lambda y: tg.jit(FITS["plain"])(y)[1][0, 1], (Y,), order=1)


@pytest.mark.sweep(10, days=True)
@pytest.mark.parametrize("loss", ["linear", "soft_l1", "cauchy", "huber", "arctan"])
def test_least_squares(loss):
    def f(x):
        return optimize.least_squares(residual, np.ones(2), args=(x,), loss=loss)

    found, right = tg.jit(f)(X), f(X)
    assert type(found) is type(right) and found.success and found["cost"] == found.cost
    for name in ("x", "fun", "jac", "active_mask"):
        np.testing.assert_allclose(found[name], right[name], rtol=2e-5, atol=1e-5)
    assert found.cost <= right.cost * (1 + 1e-12) and found.optimality < 1e-8
    weights = np.array([1.0, 2.0])
    tg.check_grads(lambda x: tg.jit(f)(x).x @ weights, (X,), order=1)


@pytest.mark.sweep(2, days=True)
def test_parameters_at_a_bound_move_with_it():
    """At v0 = x0 + 0.1 the other one is 4 x1 / (4 + v0^2)."""
    def f(x):
        return optimize.least_squares(residual, np.ones(2), args=(x,), bounds=(x[0] + 0.1, 3.0)).x

    v = X[0] + 0.1
    slopes = [[1.0, 0.0], [-8 * X[1] * v / (4 + v * v) ** 2, 4 / (4 + v * v)]]
    found, right = tg.jit(lambda x: (f(x), tg.jacobian(f)(x)))(X)
    np.testing.assert_allclose(found, [v, 4 * X[1] / (4 + v * v)], rtol=1e-9)
    np.testing.assert_allclose(right, slopes, rtol=1e-8, atol=1e-12)


def test_leastsq_and_errors():
    def f(x):
        return optimize.leastsq(residual, np.ones(2), args=(x,), ftol=1e-15, xtol=1e-15)[0]

    np.testing.assert_allclose(tg.jit(f)(X), f(X), rtol=1e-5)
    for run in (lambda x: optimize.least_squares(residual, x, args=(x,), bounds=(2.0, 3.0)),
                lambda x: optimize.curve_fit(model, U, Y * np.nan * x[0])):
        for g in (run, tg.jit(run)):
            with pytest.raises(ValueError):
                g(X)
    with pytest.raises(tg.TracegradError, match="loss of your own"):
        tg.jit(lambda x: optimize.least_squares(residual, x, args=(x,), loss=lambda z: z))(X)


def test_models_that_the_data_do_not_settle():
    """The fit is there, its covariance infinite, as SciPy's where it is exactly singular; there is no derivative."""
    t = np.linspace(0.0, 1.0, 8)
    y = 2 * t + 0.1 * np.sin(9 * t)
    fit = tg.jit(lambda y, t: optimize.curve_fit(lambda t, a, b: a * t + 0.0 * b, t, y))
    with pytest.warns(optimize.OptimizeWarning):
        right = optimize.curve_fit(lambda t, a, b: a * t + 0.0 * b, t, y)
    for found, its in zip(fit(y, t), right):
        np.testing.assert_allclose(found, its, rtol=1e-6)
    assert np.all(tg.jit(lambda y: optimize.curve_fit(lambda t, a, b: a * t + b, t[:2], y[:2])[1])(y) == np.inf)
    assert np.all(np.isnan(tg.grad(lambda y: optimize.least_squares(lambda p: (p[0] + p[1]) * t - y, [1.0, 1.0]).x[0])(y)))
