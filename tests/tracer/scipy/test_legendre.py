"""scipy.special's Legendre functions and spherical harmonics: SciPy's values, dtypes, shapes; derivatives also at the poles."""
import math

import numpy as np
import pytest
import scipy.special as sc

import tracegrad as tg

X, M = np.array([-0.9, -0.3, 0.2, 0.7]), np.array([0, 1, 2, 3])

# name -> (function, its arguments)
CASES = {
    "lpmv": (lambda x: sc.lpmv(M[:, None], 3, x), (X,)), "lpmv of -m": (lambda x: sc.lpmv(-M[:, None], 3, x), (X,)),
    "lpmv real degree": (lambda x: sc.lpmv(1, 2.5, x), (X,)), "lpmv floats": (lambda x: sc.lpmv(2.0, 4.0, x), (X,)),
    "lpmv negative degree": (lambda x: sc.lpmv(2, -4, x), (X,)), "lpmv m > n": (lambda x: sc.lpmv(3, 2, x), (X,)),
    "lpmv large": (lambda x: sc.lpmv(20, 40, x), (X,)), "lpmv traced degree": (lambda x, n: sc.lpmv(1, n, x), (X, 3)),
    "lpmv single": (lambda x: sc.lpmv(1, 3, x), (X.astype(np.float32),)),
    "legendre_p": (lambda x: sc.legendre_p(3, x, diff_n=2), (X,)),
    "legendre_p degrees": (lambda x: sc.legendre_p(M, x), (0.3,)),
    "legendre_p outside": (lambda x: sc.legendre_p(4, x), (np.array([1.0, -1.0, 2.0]),)),
    "legendre_p_all": (lambda x: sc.legendre_p_all(3, x, diff_n=1), (X,)),
    "sph_legendre_p": (lambda x: sc.sph_legendre_p(3, M, x), (X,)), "sph of -m": (lambda x: sc.sph_legendre_p(3, -M, x), (X,)),
    "sph large": (lambda x: sc.sph_legendre_p(120, 60, x), (X,)),
    "sph_harm_y": (lambda x, y: sc.sph_harm_y(3, -M, x, y), (X + 1, X[::-1] + 1)),
    "sph_harm_y numbers": (lambda x, y: sc.sph_harm_y(2, 1, x, y), (0.3, 0.4)),
    "sph_harm_y_all": (lambda x, y: sc.sph_harm_y_all(3, 2, x, y), (0.3, 0.4)),
    "assoc_legendre_p": (lambda x: sc.assoc_legendre_p(3, M, x), (X,)),
    "assoc normalised": (lambda x: sc.assoc_legendre_p(3, -M, x, norm=True), (X,)),
    "assoc_legendre_p_all": (lambda x: sc.assoc_legendre_p_all(3, 2, x), (X,)),
}


@pytest.mark.sweep(6)
@pytest.mark.parametrize("name", [n for n in CASES if hasattr(sc, n.split()[0]) or " " in n])
def test_values_and_derivatives(name):
    f, args = CASES[name]
    found, right = tg.jit(f)(*args), f(*args)
    np.testing.assert_allclose(found, right, rtol=2e-12 if right.dtype.itemsize > 4 else 1e-5, atol=1e-14)
    assert found.dtype == right.dtype and found.shape == right.shape and type(found) is type(right)
    if right.dtype.itemsize > 4:
        weights = np.reshape(1 + 0.1 * np.arange(right.size), right.shape)
        floats = [a for a in args if not isinstance(a, int)]
        tg.check_grads(lambda *xs: np.sum(weights * (np.real(f(*xs, *args[len(xs):])) + np.imag(f(*xs, *args[len(xs):])))),
                       floats, order=1 + (name in ("lpmv", "sph_harm_y")))


def test_special_points():
    edge = np.array([1.0, -1.0, 1.5, np.nan])
    for m in (0, 1, 2, -1):
        np.testing.assert_allclose(tg.jit(lambda x, m=m: sc.lpmv(m, 3, x))(edge), sc.lpmv(m, 3, edge), rtol=1e-14, atol=1e-15)
    np.testing.assert_array_equal(tg.jit(lambda x: sc.lpmv([0.5, -3], 2, x))(0.3), sc.lpmv([0.5, -3], 2, 0.3))
    slope = tg.grad(lambda x: sc.lpmv(2, 4, x))                        # 15/2 (7 x^2 - 1)(1 - x^2)
    assert slope(1.0) == pytest.approx(-90.0, rel=1e-13) and slope(-1.0) == pytest.approx(90.0, rel=1e-13)
    for theta in (0.0, math.pi):                                       # Y_1^1 is -sqrt(3 / 8π) sin θ
        found = tg.grad(lambda t: sc.sph_harm_y(1, 1, t, 0.0).real)(theta)
        assert found == pytest.approx(-math.sqrt(3 / (8 * math.pi)) * math.cos(theta), rel=1e-14)


def test_refusals_name_the_function():
    for f, kind, what in ((lambda x: sc.sph_harm_y(2, 1, x, x, diff_n=1), tg.UnsupportedError, "sph_harm_y with diff_n=1"),
                          (lambda x: sc.assoc_legendre_p(3, 2, x, branch_cut=3), tg.UnsupportedError, "branch_cut other"),
                          (lambda x: sc.legendre_p(2, x * 1j), tg.UnsupportedError, "legendre_p of complex numbers"),
                          (lambda x: sc.legendre_p(2.0, x), TypeError, "takes integers for its degree")):
        with pytest.raises(kind, match=what):
            tg.jit(f)(0.3)
    with pytest.raises(tg.UnsupportedError, match="degree known only at run time"):
        tg.jit(lambda n, x: sc.legendre_p_all(n, x))(3, 0.3)
    with pytest.raises(tg.UnsupportedError, match="by its"):
        tg.grad(lambda v: sc.lpmv(1, v, 0.3))(2.5)
