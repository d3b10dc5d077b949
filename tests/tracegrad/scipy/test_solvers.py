"""SciPy's solvers: the same results as SciPy's own, with derivatives that it does not ask for by differences."""
import subprocess
import sys
import warnings

import numpy as np
import pytest
from scipy import integrate, optimize, sparse

import tracegrad as tg
from tracegrad.scipy.compiled import vector


def valley(x, a=1.0):
    return np.sum(100 * (x[1:] - x[:-1]**2)**2 + (a - x[:-1])**2)


@pytest.mark.parametrize("method", [None, "BFGS", "L-BFGS-B", "SLSQP", "Nelder-Mead", "COBYQA", "Newton-CG", "trust-ncg",
                                    "trust-exact", "trust-krylov", "trust-constr"])
def test_minimize(method):
    found = tg.scipy.minimize(valley, [1.3, 0.7, 0.8], method=method)
    assert type(found) is optimize.OptimizeResult and found.success
    np.testing.assert_allclose(found.x, 1.0, rtol=2e-3)
    if "hess" in found:
        assert found.nfev < 60


def test_minimize_many_variables():
    for method in ("trust-constr", "trust-ncg"):                      # a sparse Hessian, and products
        np.testing.assert_allclose(tg.scipy.minimize(valley, np.full(200, 1.2), args=(1.0,), method=method).x, 1.0, rtol=1e-6)


def test_constraints():
    disc = [{"type": "ineq", "fun": lambda x: [1 - x[0]**2 - x[1]**2]}]
    wanted = optimize.minimize(valley, [0.1, 0.1], constraints=disc).x
    np.testing.assert_allclose(tg.scipy.minimize(valley, [0.1, 0.1], constraints=disc).x, wanted, rtol=1e-5)
    disc = optimize.NonlinearConstraint(lambda x: x[0]**2 + x[1]**2, -np.inf, 1.0)
    for method in (None, "trust-constr"):
        found = tg.scipy.minimize(valley, [0.1, 0.1], constraints=disc, method=method)
        np.testing.assert_allclose(found.x, wanted, rtol=1e-4)
    found = tg.scipy.minimize(valley, [0.1, 0.1], bounds=[(0, 0.5), (None, None)])
    np.testing.assert_allclose(found.x, [0.5, 0.25], rtol=1e-6)


def two(x, c):
    return [x[0] + 0.5 * (x[0] - x[1])**3 - c, 0.5 * (x[1] - x[0])**3 + x[1]]


@pytest.mark.parametrize("method", ["hybr", "lm", "broyden1"])
def test_root(method):
    found = tg.scipy.root(two, [0, 0], args=(1.0,), method=method)
    np.testing.assert_allclose(found.x, [0.8411639, 0.1588361], rtol=1e-5)


def test_root_scalar():
    for options in ({"x0": 2}, {"x0": 2, "method": "halley"}, {"bracket": [0, 3]}):
        assert tg.scipy.root_scalar(lambda x, a: x**3 - a, args=(5.0,), **options).root == pytest.approx(5 ** (1 / 3))


def chain(x):
    y = (3 - x) * x - 1
    y[1:] += -x[:-1]
    y[:-1] += -2 * x[1:]
    return y


@pytest.mark.sweep(2, days=True)
def test_least_squares():
    found, wanted = tg.scipy.least_squares(chain, -np.ones(300)), optimize.least_squares(chain, -np.ones(300))
    assert sparse.issparse(found.jac) and found.cost == pytest.approx(wanted.cost, rel=1e-6)
    found = tg.scipy.least_squares(chain, -np.ones(20), method="lm")
    assert type(found.jac) is np.ndarray and found.nfev < 40


def test_curve_fit():
    x = np.linspace(0, 4, 50)
    y = 2.5 * np.exp(-1.3 * x) + 0.5

    def model(x, a, b, c):
        return a * np.exp(-b * x) + c
    for options in ({}, {"sigma": np.full(50, 0.1), "bounds": (0, [3.0, 2.0, 1.0])}, {"p0": [1, 1, 1]}):
        found, wanted = tg.scipy.curve_fit(model, x, y + 0.01 * np.sin(9 * x), **options), optimize.curve_fit(
            model, x, y + 0.01 * np.sin(9 * x), **options)
        np.testing.assert_allclose(found[0], wanted[0], rtol=1e-5)
        np.testing.assert_allclose(found[1], wanted[1], rtol=1e-3)


def robertson(t, y):
    return [-0.04 * y[0] + 1e4 * y[1] * y[2], 0.04 * y[0] - 1e4 * y[1] * y[2] - 3e7 * y[1]**2, 3e7 * y[1]**2]


def heat(t, u, k):
    out = np.zeros_like(u)
    out[1:-1] = k * (u[2:] - 2 * u[1:-1] + u[:-2])
    return out


@pytest.mark.sweep(2)
@pytest.mark.parametrize("method", ["RK45", "Radau", "BDF", "LSODA"])
def test_solve_ivp(method):
    end = 0.1 if method == "RK45" else 40
    found = tg.scipy.solve_ivp(robertson, (0, end), [1, 0, 0], method, rtol=1e-8, atol=1e-10)
    wanted = integrate.solve_ivp(robertson, (0, end), [1, 0, 0], method, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(found.y[:, -1], wanted.y[:, -1], rtol=1e-6)
    u = np.sin(np.linspace(0, np.pi, 100))
    found = tg.scipy.solve_ivp(heat, (0, 1), u, method, args=(10.0,), events=lambda t, u, k: u[50] - 0.95)
    wanted = integrate.solve_ivp(heat, (0, 1), u, method, args=(10.0,), events=lambda t, u, k: u[50] - 0.95)
    np.testing.assert_allclose(found.y[:, -1], wanted.y[:, -1], rtol=1e-5, atol=1e-12)
    assert len(found.t_events[0]) == len(wanted.t_events[0])


def test_errors_stand_at_the_users_lines():
    with pytest.raises(tg.TracegradError) as caught:
        tg.scipy.solve_ivp(lambda t, y: np.concatenate([y, y]) @ np.ones((3, 2)), (0, 1), [1.0, 2.0])
    assert "test_solvers.py" in str(caught.value) and "compiled.py" not in str(caught.value)
    with pytest.raises(tg.TracegradError, match="one scalar"):
        tg.scipy.minimize(lambda x: x**2, [1.0, 2.0])


@pytest.mark.sweep(2, days=True)
def test_scipy_is_imported_when_it_is_used():
    program = "import tracegrad as tg, sys; tg.scipy, tg.implicit, tg.interop; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_kernels_are_found_again():
    before = []
    for _ in range(3):
        tg.scipy.solve_ivp(heat, (0, 1), np.ones(5), args=(1.0,))
        before.append(tg.jit(vector(heat)).cache_info().misses)
    assert len(set(before)) == 1


# --- integrations that are one call -----------------------------------------------------------------------------------------

def hunt(t, y, a, b):
    return np.array([a * y[0] - b * y[0] * y[1], y[0] * y[1] - (3.0 + 0.1 * np.sin(t)) * y[1]])


@pytest.mark.sweep(2)
@pytest.mark.parametrize("options", [
    {}, {"rtol": 1e-9, "atol": 1e-12}, {"atol": np.array([1e-3, 1e-9])}, {"max_step": 0.05}, {"first_step": 0.01},
    {"t_eval": [0.0, 0.5, 1.75, 5.0]}, {"t_eval": np.array([1, 2])}, {"t_span": (5.0, 0.0), "t_eval": [4.0, 1.0, 0.0]}])
def test_the_steps_are_scipys(options):
    given = {"t_span": (0.0, 5.0), "y0": [1.0, 2.0], "args": (1.5, 1.0), **options}
    found, wanted = tg.scipy.solve_ivp(hunt, **given), integrate.solve_ivp(hunt, **given)
    assert type(found) is type(wanted) and found.keys() == wanted.keys()
    for name in ("nfev", "njev", "nlu", "status", "message", "success", "sol", "t_events", "y_events"):
        assert found[name] == wanted[name], name
    assert found.t.dtype == wanted.t.dtype and found.y.flags.c_contiguous
    # A step follows from the estimated error over the tolerance. The estimate is a sum that NumPy adds in an order of the
    # machine's: its rounding, some eps * |y|, is eps / rtol of the ratio.
    rounding = 1e-9 + 100 * np.finfo(float).eps / options.get("rtol", 1e-3)
    np.testing.assert_allclose(found.t, wanted.t, rtol=rounding)
    np.testing.assert_allclose(found.y, wanted.y, rtol=10 * rounding, atol=1e-10)


@pytest.mark.sweep(6, days=True)
def test_integrations_that_fail():
    """A solution that grows without bound, NaN, a failed check; what SciPy refuses is refused by it."""
    burst = lambda t, y: y**2  # noqa: E731
    found, wanted = (solve(burst, (0.0, 5.0), [1.0]) for solve in (tg.scipy.solve_ivp, integrate.solve_ivp))
    assert found.status == wanted.status == -1 and found.message == wanted.message and not found.success
    assert found.nfev == wanted.nfev and found.t.shape == wanted.t.shape
    for right in (lambda t, y: y * np.nan, lambda t, y: y / np.sqrt(np.maximum(1.0 - t, -1.0))):      # SciPy tries for ever
        assert tg.scipy.solve_ivp(right, (0.0, 5.0), [1.0, 2.0]).status == -1
    found = tg.scipy.solve_ivp(burst, (0.0, 5.0), [1.0], t_eval=[0.25, 0.5, 3.0])
    assert found.t.tolist() == [0.25, 0.5] and found.y.shape == (1, 2)
    with pytest.raises(IndexError, match="index 7"):
        tg.scipy.solve_ivp(lambda t, y, k: y[k] * y, (0.0, 1.0), [1.0], args=(7,))
    for wrong in ({"t_eval": [0.0, 9.0]}, {"t_eval": [1.0, 0.5]}, {"max_step": -1.0}, {"first_step": 9.0}, {"rtol": "x"}):
        with pytest.raises((ValueError, TypeError)) as caught:
            tg.scipy.solve_ivp(burst, (0.0, 1.0), [0.1], **wrong)
        assert not isinstance(caught.value, tg.TracegradError)


def _clipped(t, y):
    y[y < 0.5] = 0.5
    return -y


def test_right_sides_that_scipys_own_loop_takes(caplog):
    """Those that write to their y, which SciPy's steps see, or are complex; states that SciPy refuses."""
    caplog.set_level("INFO", "tracegrad.compile")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        for right in (_clipped, lambda t, y: 1j * y - y):
            found, wanted = (solve(right, (0.0, 3.0), [1.0, 2.0]) for solve in (tg.scipy.solve_ivp, integrate.solve_ivp))
            np.testing.assert_allclose(found.y, wanted.y, rtol=1e-9)
    assert sum("solve_ivp takes SciPy's steps in Python: " in line for line in caplog.messages) == 2       # it is no secret
    for state in ([np.nan, 1.0], [np.inf, 1.0]):
        with pytest.raises(ValueError, match="finite"):
            tg.scipy.solve_ivp(_clipped, (0.0, 1.0), state)


@pytest.mark.sweep(6, days=True)
def test_a_stiff_integration_in_one_call():
    def reactions(t, y, k):
        a, b, c = k[0] * y[0], k[1] * y[1] ** 2, k[2] * y[1] * y[2]
        return [c - a, a - b - c, b]

    given = (0.0, 40.0), [1.0, 0.0, 0.0]
    k = np.array([0.04, 3e7, 1e4])
    found = tg.scipy.solve_ivp(reactions, *given, method="Rodas5P", args=(k,), rtol=1e-7, atol=1e-11)
    wanted = integrate.solve_ivp(reactions, *given, method="Radau", args=(k,), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(found.y[:, -1], wanted.y[:, -1], rtol=1e-6)
    assert found.success and found.t[-1] == 40.0 and found.njev == found.nlu > 0 and found.message == wanted.message
    times = np.array([0.0, 1.0, 10.0])
    at = tg.scipy.solve_ivp(reactions, *given, method="Rodas5P", args=(k,), t_eval=times, rtol=1e-7, atol=1e-11)
    fine = integrate.solve_ivp(reactions, *given, method="Radau", args=(k,), t_eval=times, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(at.y, fine.y, rtol=1e-5, atol=1e-9)
    with pytest.raises(tg.ArgumentError, match="Radau"):
        tg.scipy.solve_ivp(reactions, *given, method="Rodas5P", args=(k,), dense_output=True)
