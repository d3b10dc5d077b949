"""scipy.interpolate in traced code: interpolants built inside and captured ones, with derivatives by data and places."""
import numpy as np
import pytest
import scipy.interpolate as sx

import tracegrad as tg

RNG = np.random.default_rng(5)
T, Y, Y2 = np.sort(RNG.uniform(0, 5, 8)), RNG.standard_normal(8), RNG.standard_normal((8, 3))
AT = np.array([[0.9, 2.2, 3.1], [4.0, T[0] + 0.01, T[-1] - 0.02]])
LOOP = np.r_[Y[:-1], Y[0]]
GRID, VALUES = (np.array([0.0, 0.7, 2.0, 3.1]), np.array([-1.0, 0.5, 1.5])), RNG.standard_normal((4, 3))
PLACES = np.array([[0.2, -0.4], [1.1, 0.9], [2.9, 1.4]])
KNOTS = np.r_[[0.0] * 4, 1, 2, 3, 4, [5.0] * 4]
BSPLINE, SMOOTH = sx.BSpline(KNOTS, Y, 3), sx.UnivariateSpline(T, Y, s=0.5)
CUBIC, TABLE, FIELD = sx.CubicSpline(T, Y), sx.interp1d(T, Y2, axis=0), sx.RegularGridInterpolator(GRID, VALUES)
RADIAL, SURFACE = RNG.uniform(-1, 3, (8, 2)), RNG.standard_normal((8, 6))
INNER = np.stack((AT[0], T[1:4] + 0.03), axis=-1)
PLANE = sx.bisplrep(*[v.ravel() for v in np.meshgrid(np.arange(5.0), np.arange(5.0))], RNG.standard_normal(25), s=0)
RBF = sx.RBFInterpolator(RADIAL, Y2)
FORMS = {"natural": "natural", "clamped": "clamped", "not-a-knot": "not-a-knot", "mixed": ((1, 0.4), (2, -0.3))}

CASES = {
    **{f"CubicSpline {k}": (lambda t, y, x, bc=bc: sx.CubicSpline(t, y, bc_type=bc)(x), (T, Y, AT)) for k, bc in FORMS.items()},
    "CubicSpline periodic": (lambda y, x: sx.CubicSpline(T, np.append(y[:-1], y[0]), bc_type="periodic")(x), (LOOP, AT)),
    "CubicSpline columns": (lambda t, y, x: sx.CubicSpline(t, y)(x, 1), (T, Y2, AT)),
    "CubicSpline rows": (lambda y, x: sx.CubicSpline(T, y, axis=1)(x), (Y2.T.copy(), AT)),
    "CubicSpline few": (lambda t, y, x: sx.CubicSpline(t, y)(x), (T[:3], Y[:3], AT)),
    "CubicSpline two": (lambda t, y, x: sx.CubicSpline(t, y)(x), (T[:2], Y[:2], AT)),
    "CubicSpline integral": (lambda t, y, a: sx.CubicSpline(t, y).integrate(a, 3.3), (T, Y, 1.2)),
    "CubicSpline derivative": (lambda y, x: sx.CubicSpline(T, y).derivative()(x), (Y, AT)),
    "Pchip": (lambda t, y, x: sx.PchipInterpolator(t, y)(x), (T, Y, AT)),
    "Pchip columns": (lambda y, x: sx.PchipInterpolator(T, y)(x), (Y2, AT)),
    "Akima": (lambda t, y, x: sx.Akima1DInterpolator(t, y)(x), (T, Y, AT)),
    "makima": (lambda t, y, x: sx.Akima1DInterpolator(t, y, method="makima")(x), (T, Y, AT)),
    "Hermite": (lambda t, y, s, x: sx.CubicHermiteSpline(t, y, s)(x), (T, Y, Y[::-1].copy(), AT)),
    "PPoly": (lambda c, x: sx.PPoly(c, T)(x), (RNG.standard_normal((3, 7)), AT)),
    **{f"make_interp_spline {k}": (lambda t, y, x, k=k: sx.make_interp_spline(t, y, k=k)(x), (T, Y, AT)) for k in (1, 2, 3, 5)},
    "make_interp_spline columns": (lambda y, x: sx.make_interp_spline(T, y)(x, 2), (Y2, AT)),
    **{f"RBFInterpolator {k}": (lambda y, x, k=k: sx.RBFInterpolator(RADIAL, y, kernel=k)(x), (Y, PLACES))
       for k in ("linear", "thin_plate_spline", "cubic", "quintic")},
    **{f"RBFInterpolator {k}": (lambda p, y, x, k=k: sx.RBFInterpolator(p, y, kernel=k, epsilon=1.5, smoothing=0.1)(x),
                                (RADIAL, Y2, PLACES)) for k in ("gaussian", "multiquadric", "inverse_multiquadric")},
    "RBFInterpolator captured": (lambda x: RBF(x), (PLACES,)),
    "RBFInterpolator at its points": (lambda y: sx.RBFInterpolator(RADIAL, y)(RADIAL), (Y,)),
    "bisplev": (lambda c, x: sx.bisplev(x, [0.4, 2.0, 9.0], (*PLANE[:2], c, 3, 3), dx=1),
                (PLANE[2], np.array([-1.0, 0.3, 3.3]))),
    "bisplev at a point": (lambda x: sx.bisplev(x, 0.4, PLANE), (0.3,)),
    "RectBivariateSpline": (lambda z, a: sx.RectBivariateSpline(T, T[:6], z)(a, [1.0, 2.5]), (SURFACE, np.sort(AT[0]))),
    "RectBivariateSpline ev": (lambda t, z, a: sx.RectBivariateSpline(t, T[:6], z, kx=2, ky=1).ev(a, 2.5), (T, SURFACE, AT)),
    "RectBivariateSpline slopes": (lambda z: sx.RectBivariateSpline(T, T[:6], z)(1.4, 1.5, dx=1, dy=1), (SURFACE,)),
    "RectBivariateSpline outside": (lambda z: sx.RectBivariateSpline(T, T[:6], z).ev([-9.0, 9.0], 2.5), (SURFACE,)),
    "UnivariateSpline": (lambda y, x: sx.UnivariateSpline(T, y, s=0)(x), (Y, AT)),
    "make_lsq_spline": (lambda y, x: sx.make_lsq_spline(T, y, np.r_[[T[0]] * 4, 2.5, [T[-1]] * 4])(x), (Y, AT)),
    "BSpline": (lambda c, x: sx.BSpline(KNOTS, c, 3)(x), (Y, AT)),
    "BSpline integral": (lambda c, b: sx.BSpline(KNOTS, c, 3).integrate(0.3, b), (Y, 4.1)),
    "splint": (lambda y, b: sx.splint(-9.0, b, sx.splrep(T, y)), (Y, 3.2)),
    "UnivariateSpline integral": (lambda y, b: sx.UnivariateSpline(T, y, s=0).derivative().integral(0.9, b), (Y, 3.2)),
    "captured integral to the end": (lambda a: SMOOTH.integral(a, 99.0), (1.2,)),
    "splev": (lambda y, x: sx.splev(x, sx.splrep(T, y), der=1), (Y, AT)),
    **{f"interp1d {k}": (lambda t, y, x, k=k: sx.interp1d(t, y, kind=k)(x), (T, Y, AT))
       for k in ("linear", "quadratic", "cubic", "nearest", "previous", "next", "slinear", "zero")},
    "interp1d fill": (lambda y, x: sx.interp1d(T, y, bounds_error=False, fill_value=(0.5, 1.5))(x), (Y, AT * 2)),
    "interp1d extrapolate": (lambda y, x: sx.interp1d(T, y, fill_value="extrapolate", axis=0)(x), (Y2, AT * 2)),
    **{f"grid {m}": (lambda v, x, m=m: sx.RegularGridInterpolator(GRID, v, method=m)(x), (VALUES, PLACES))
       for m in ("linear", "nearest", "slinear")},
    **{f"grid {m}": (lambda v, x, m=m: sx.RegularGridInterpolator((T, T[:6]), v, method=m)(x), (SURFACE, INNER))
       for m in ("cubic_legacy", "quintic_legacy", "pchip")},
    "grid of columns": (lambda v: sx.RegularGridInterpolator((T,), v, method="cubic_legacy")(AT[0]), (Y2,)),
    "grid smooth fill": (lambda v: sx.RegularGridInterpolator((T, T[:6]), v, "cubic_legacy", False, 9.0)(AT.T), (SURFACE,)),
    "grid at a point": (lambda v: sx.RegularGridInterpolator(GRID, v)([GRID[0][1], GRID[1][1]]), (VALUES,)),
    "grid of one axis": (lambda x: sx.RegularGridInterpolator((T,), Y)(x), (AT[0],)),
    "grid fill": (lambda v, x: sx.RegularGridInterpolator(GRID, v, bounds_error=False, fill_value=9.0)(x),
                  (VALUES, PLACES * 2)),
    "grid extrapolate": (lambda v, x: sx.interpn(GRID, v, x, bounds_error=False, fill_value=None), (VALUES, PLACES * 2)),
    "Krogh": (lambda t, y, x: sx.KroghInterpolator(t, y)(x), (T[:5], Y[:5], AT)),
    "barycentric": (lambda t, y, x: sx.BarycentricInterpolator(t, y)(x), (T[:5], Y2[:5], AT)),
    "captured spline": (lambda x: CUBIC(x), (AT,)), "captured integral": (lambda a: CUBIC.integrate(a, 2.0), (1.1,)),
    "captured slope": (lambda x: CUBIC.derivative()(x), (AT,)), "captured BSpline": (lambda x: BSPLINE(x, 1), (AT,)),
    "captured smoothing": (lambda x: SMOOTH(x), (AT,)), "captured table": (lambda x: TABLE(x), (AT,)),
    "captured grid": (lambda x: FIELD(x), (PLACES,)),
}


@pytest.mark.sweep(28)
@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name):
    f, args = CASES[name]
    found, right = tg.jit(f)(*args), np.asarray(f(*args))
    np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-10)
    assert np.shape(found) == right.shape and np.asarray(found).dtype == right.dtype
    weights = 1 + np.arange(right.size).reshape(right.shape) * 0.1
    tg.check_grads(lambda *args: np.sum(np.where(np.isnan(f(*args)), 0.0, weights * f(*args))), args, order=1)


def test_errors_are_those_of_scipy():
    for f, match in ((lambda x: sx.interp1d(T, Y)(x), "below the interpolation range"),
                     (lambda x: sx.RegularGridInterpolator(GRID, VALUES)(x[:2]), "out of bounds in dimension 0"),
                     (lambda x: sx.RegularGridInterpolator(GRID, VALUES, "pchip")(x[:2]), "requires at least"),
                     (lambda x: sx.CubicSpline(x, Y)(1.0), "strictly increasing")):
        for run in (f, tg.jit(f)):
            with pytest.raises(ValueError, match=match):
                run(np.full(8, -9.0))


def test_the_class_of_a_derivative():
    def f(y):
        made = sx.CubicSpline(T, y).derivative(), sx.CubicSpline(T, y).antiderivative(), sx.PPoly(y[None, 1:], T).derivative()
        return tuple((isinstance(x, sx.PPoly), isinstance(x, sx.CubicSpline), isinstance(x, sx.BSpline)) for x in made)

    assert tg.jit(f)(Y) == f(Y)


def test_what_is_refused_is_named():
    with pytest.raises(tg.UnsupportedError, match=r"scipy\.interpolate\.SmoothBivariateSpline cannot be compiled"):
        tg.jit(lambda y: sx.SmoothBivariateSpline(T, y, y)(1.0, 1.0))(Y)
    with pytest.raises(NotImplementedError, match="with s=0"):
        tg.jit(lambda y: sx.UnivariateSpline(T, y)(1.0))(Y)
    with pytest.raises(ValueError, match="epsilon"):
        tg.jit(lambda y: sx.RBFInterpolator(RADIAL, y, kernel="gaussian")(PLACES))(Y)
