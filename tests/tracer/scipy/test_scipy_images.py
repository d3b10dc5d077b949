"""scipy.ndimage's interpolation and filters of neighbourhoods: values at every border, derivatives in both modes."""
import numpy as np
import pytest
import scipy.ndimage as sn

import tracegrad as tg

RNG = np.random.default_rng(8)
IMAGE = RNG.standard_normal((6, 7))
POINTS = np.array([[0.3, 2.7, -1.4, 6.8, 3.2], [1.2, 3.4, 2.6, 4.1, 9.3]])
MODES = ("reflect", "grid-mirror", "constant", "grid-constant", "nearest", "mirror", "grid-wrap", "wrap")
TURN = np.array([[0.9, 0.2], [-0.1, 1.1]])

CASES = {
    **{f"points {m} {k}": (lambda a, p, m=m, k=k: sn.map_coordinates(a, p, order=k, mode=m, cval=0.3), (IMAGE, POINTS))
       for m in MODES for k in (1, 3)},
    **{f"points of order {k}": (lambda a, p, k=k: sn.map_coordinates(a, p, order=k, mode="mirror"), (IMAGE, POINTS))
       for k in (0, 2, 4, 5)},
    "points not filtered": (lambda a, p: sn.map_coordinates(a, p, prefilter=False, mode="mirror"), (IMAGE, POINTS)),
    "affine": (lambda a, m: sn.affine_transform(a, m, offset=(0.5, 0.2), mode="mirror"), (IMAGE, TURN)),
    "affine homogeneous": (lambda a, m: sn.affine_transform(a, m, mode="reflect"), (IMAGE, np.c_[TURN, [0.2, 0.3]])),
    "affine diagonal": (lambda a, m: sn.affine_transform(a, m, output_shape=(4, 9), mode="mirror"),
                        (IMAGE, np.array([0.8, 1.2]))),
    "shift": (lambda a, s: sn.shift(a, s, mode="nearest"), (IMAGE, np.array([0.4, -1.3]))),
    "zoom": (lambda a: sn.zoom(a, (1.5, 0.6)), (IMAGE,)), "rotate": (lambda a: sn.rotate(a, 30.0), (IMAGE,)),
    "rotate by a variable": (lambda a, t: sn.rotate(a, t, reshape=False, mode="reflect"), (IMAGE, 21.0)),
    **{f"spline_filter {m}": (lambda a, m=m: sn.spline_filter(a, mode=m), (IMAGE,))
       for m in ("mirror", "reflect", "grid-wrap")},
    **{f"median {m}": (lambda a, m=m: sn.median_filter(a, (3, 2), mode=m), (IMAGE,)) for m in ("reflect", "wrap", "constant")},
    "percentile": (lambda a: sn.percentile_filter(a, 30, 3), (IMAGE,)), "rank": (lambda a: sn.rank_filter(a, -2, 3), (IMAGE,)),
    **{f"{n} {s}": (lambda a, n=n, s=s: getattr(sn, n)(a, s), (IMAGE,)) for s in (2, 3) for n in (
        "maximum_filter", "minimum_filter", "grey_dilation", "grey_erosion", "grey_opening", "grey_closing")},
    "footprint": (lambda a: sn.maximum_filter(a, footprint=[[0, 1, 0], [1, 1, 1]]), (IMAGE,)),
    **{n: (lambda a, n=n: getattr(sn, n)(a), (IMAGE,)) for n in ("sobel", "prewitt", "laplace")},
    **{n: (lambda a, n=n: getattr(sn, n)(a, 0.9), (IMAGE,)) for n in ("gaussian_laplace", "gaussian_gradient_magnitude")},
}


@pytest.mark.sweep(24)
@pytest.mark.parametrize("name", CASES)
def test_values_and_derivatives(name):
    f, args = CASES[name]
    found, right = tg.jit(f)(*args), f(*args)
    np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-12)
    assert found.shape == right.shape and found.dtype == right.dtype
    weights = 1 + np.arange(right.size).reshape(right.shape) * 0.1
    tg.check_grads(lambda *args: np.sum(weights * f(*args)), args, order=1)


def test_along_no_axis_and_with_no_width_the_array_stays():
    def f(a):
        return (sn.gaussian_laplace(a, 0.9, axes=()), sn.gaussian_gradient_magnitude(a, 0.9, axes=()), sn.laplace(a, axes=()),
                sn.maximum_filter(a, 3, axes=()), sn.gaussian_filter(a, 0), sn.gaussian_filter(a, (0.0, 0.9)),
                sn.gaussian_laplace(a, 0.0), sn.uniform_filter(a, 3, axes=-1),
                sn.gaussian_gradient_magnitude(np.round(a * 9).astype(int), 0.9))

    def g(a):
        return sn.laplace(a), sn.gaussian_laplace(a, 0.9), sn.gaussian_gradient_magnitude(a, 0.9)

    for a, h in ((IMAGE[:3, :3], f), (IMAGE[0, :1], g), (np.array(0.7), g)):
        for one, other in zip(tg.jit(h)(a), h(a)):
            assert one is not a and one.dtype == other.dtype
            np.testing.assert_allclose(one, other, atol=1e-14)


@pytest.mark.sweep(6, days=True)
def test_other_dtypes():
    whole = np.arange(42).reshape(6, 7) % 11
    for f in (lambda a: sn.median_filter(a, 3), lambda a: sn.map_coordinates(a, POINTS, order=1),
              lambda a: sn.map_coordinates(a, POINTS), lambda a: sn.sobel(a), lambda a: sn.maximum_filter(a, 3)):
        for a in (whole, IMAGE.astype(np.float32)):
            found, right = tg.jit(f)(a), f(a)
            np.testing.assert_allclose(found, right, rtol=1e-5, atol=1e-6)
            assert found.dtype == right.dtype
