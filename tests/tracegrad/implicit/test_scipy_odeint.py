"""scipy.integrate.odeint in compiled code: SciPy's numbers up to the bounds, and derivatives."""
import numpy as np
import pytest
from scipy.integrate import odeint

import tracegrad as tg

P, Y0, T = np.array([1.5, 1.0, 1.0, 3.0]), np.array([1.0, 1.0]), np.linspace(0.0, 1.0, 4)


def prey(y, t, p):
    return np.array([p[0] * y[0] - p[1] * y[0] * y[1], p[2] * y[0] * y[1] - p[3] * y[1]])


def chain(t, y, p):
    slope = np.zeros(2)
    for i in range(2):
        slope[i] = p[2 * i] * y[0] - p[2 * i + 1] * y[i]
    return slope


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f, args, bound", [
    (lambda y, t, p: odeint(prey, y, t, (p,)), (Y0, T, P), 1e-6),
    (lambda y, t, p: odeint(prey, y, t, args=(p,), rtol=1e-3, atol=1e-3), (Y0, T, P), 1e-2),
    (lambda y, t, p: odeint(chain, y, t, (p,), tfirst=True), (Y0, T, P), 1e-6),
    (lambda k: odeint(lambda y, t: -k * y, 1.0, [0.0, 1.0, 2.0]), (0.7,), 1e-6),       # one number, captured parameters
    (lambda k: odeint(lambda y, t: -k * y, [1, 2], [0.0, 1.0]), (0.7,), 1e-6),
    (lambda k: odeint(lambda y, t: -k * y[0], 1.0, [0.0, 1.0]), (0.7,), 1e-6),
    (lambda k: k + odeint(lambda y, t: -y, 1.0, np.array([0.0, 1.0])), (0.7,), 1e-6),
])
def test_values(f, args, bound):
    expected, found = f(*args), tg.jit(f)(*args)
    assert found.shape == expected.shape and found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=bound, atol=bound)


@pytest.mark.sweep(3, days=True)
def test_derivatives():
    with tg.disable_jit():
        tg.check_grads(lambda y, p: odeint(prey, y, T, (p,))[1:], (Y0, P))
    slope = tg.grad(lambda k: odeint(lambda y, t: -k * y, 1.0, [0.0, 2.0])[-1, 0])(0.7)
    np.testing.assert_allclose(slope, -2.0 * np.exp(-1.4), rtol=1e-6)


@pytest.mark.parametrize("f, text", [
    (lambda k: odeint(lambda y, t: -k * y, 1.0, T, full_output=True), "with full_output cannot be compiled"),
    (lambda k: odeint(lambda y, t: -k * y, 1.0, T, rtol=k), "takes as rtol and atol what is a number"),
    (lambda k: odeint(lambda y, t: k * np.ones(3), Y0, T), r"f of scipy.integrate.odeint must return the shape of y, \(2,\)"),
])
def test_refused(f, text):
    with pytest.raises((tg.UnsupportedError, ValueError), match=text):
        tg.jit(f)(0.5)
