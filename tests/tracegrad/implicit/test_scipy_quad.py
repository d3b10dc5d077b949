"""scipy.integrate's adaptive integrals in compiled functions: SciPy's values, derivatives by parameters and bounds."""
import numpy as np
import pytest
import scipy.integrate as si

import tracegrad as tg

# name -> (the integral, its arguments, its derivative by the first of them)
CASES = {
    "bounds": (lambda a: si.quad(lambda t: np.exp(-t) * a, 0.1 * a, a * a)[0], (1.3,), lambda a:
               np.exp(-0.1 * a) - np.exp(-a * a) + a * (np.exp(-a * a) * 2 * a - 0.1 * np.exp(-0.1 * a))),
    "to infinity": (lambda a: si.quad(lambda t, s: np.exp(-s * t * t), 0, np.inf, args=(a,))[0], (1.3,), lambda a:
                    -np.pi ** 0.5 / 4 * a ** -1.5),
    "from infinity": (lambda a: si.quad(lambda t: np.exp(a * t), 1.0, -np.inf)[0], (1.3,), lambda a:
                      -np.exp(a) / a + np.exp(a) / a ** 2),
    "the whole line": (lambda a: si.quad(lambda t: np.exp(-(t - a) ** 2) * t, -np.inf, np.inf)[0], (1.3,),
                       lambda a: np.pi ** 0.5),
    "a singular end": (lambda a: si.quad(lambda t: a / np.sqrt(t), 0, 1)[0], (0.5,), lambda a: 2.0),
    "a kink": (lambda a: si.quad(lambda t: abs(t - a), 0, 2.0)[0], (0.7,), lambda a: 2 * a - 2),
    "a vector": (lambda a: np.sum(si.quad_vec(lambda t: np.stack((np.exp(-a * t), t * a)), 0, 2.0)[0]), (0.7,), lambda a:
                 (np.exp(-2 * a) * (2 * a + 1) - 1) / a ** 2 + 2.0),
    "nquad": (lambda a: si.nquad(lambda x, y, s: s * x * y, [lambda y, s: [0, y], [0, a]], args=(a,))[0], (0.7,),
              lambda a: 5 * a ** 4 / 8),
    "a triangle": (lambda a: si.dblquad(lambda y, x: a * x * y, 0, a, 0.0, lambda x: x)[0], (0.7,), lambda a: 5 * a ** 4 / 8),
}


@pytest.mark.sweep(9)
@pytest.mark.parametrize("name", CASES)
def test_integrals(name):
    f, args, slope = CASES[name]
    right = f(*args)
    value, found = tg.jit(lambda *args: tg.jvp(f, args, (1.0,)))(*args)
    np.testing.assert_allclose(value, right, rtol=1e-9)
    np.testing.assert_allclose(found, slope(*args), rtol=2e-7)
    np.testing.assert_allclose(tg.grad(f)(*args), slope(*args), rtol=2e-7)


def test_results_and_refusals():
    found = tg.jit(lambda a: si.quad(lambda t: a * t, 0, 1))(2.0)
    assert found[0] == pytest.approx(1.0, rel=1e-15) and type(found[0]) is float and 0 < found[1] < 1e-10
    with pytest.raises(tg.UnsupportedError, match="quad with weight cannot be compiled"):
        tg.jit(lambda a: si.quad(lambda t: a * t, 0, 1, weight="cos", wvar=1.0)[0])(2.0)
    till = tg.jit(lambda a: si.quad(lambda t: np.exp(-t), 0, a)[0])
    np.testing.assert_allclose([till(np.inf), till(1.0)], [1.0, 1 - np.exp(-1.0)], rtol=1e-12)
