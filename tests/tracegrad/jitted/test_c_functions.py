"""Functions for C code: SciPy's low-level callables, Numba, ctypes."""
import functools
import gc
import math

import numpy as np
import pytest
from scipy import integrate, ndimage

import tracegrad as tg

IMAGE = np.random.default_rng(0).random((20, 20))


@tg.jit
def bell(x, a):
    return np.exp(-a * x * x)


def test_scalars():
    assert bell.ctypes(1.0, 2.0) == bell(1.0, 2.0)
    assert bell.address == bell.ctypes.owner.address and bell.ctypes is bell.ctypes
    assert bell.cfunc().signature == "double (double, double)"
    assert tg.grad(bell, 1).ctypes(1.0, 2.0) == pytest.approx(-math.exp(-2.0), rel=1e-14)
    assert tg.jit(lambda x: x > 0.5).ctypes(1.0) == 1.0 and tg.jit(lambda x: 3.0).ctypes(1.0) == 3.0
    assert tg.jit(lambda x: x).ctypes(4.0) == 4.0 and math.isnan(tg.jit(lambda x: x * 2).ctypes(math.nan))
    assert tg.jit(functools.partial(bell, a=3.0)).ctypes(1.0) == bell(1.0, 3.0)
    assert tg.jit(lambda x: np.float32(2.5) * np.float32(x)).ctypes(2.0) == 5.0


@pytest.mark.sweep(2, days=True)
def test_quad_and_nquad():
    for f in (bell, tg.grad(bell, 1)):
        assert integrate.quad(f.low_level_callable(), 0, 1, args=(2.0,)) == pytest.approx(
            integrate.quad(f, 0, 1, args=(2.0,)), rel=1e-12)
    both = integrate.nquad(bell.low_level_callable(), [[0, 1], [0.5, 1]])[0]
    assert both == pytest.approx(integrate.nquad(bell, [[0, 1], [0.5, 1]])[0], rel=1e-12)
    mixed = tg.jit(lambda x, theta: np.sum(theta[::2] * x)).low_level_callable(0.0, np.zeros(3))
    gc.collect()
    assert integrate.quad(mixed, 0, 2, args=(1.0, 5.0, 2.0))[0] == pytest.approx(6.0)


def test_arrays_that_are_read_where_they_lie():
    weights = np.arange(3.0)
    f = tg.jit(lambda x: np.sum(weights * x))
    assert f.ctypes(2.0) == 6.0
    weights[0] = 100.0
    assert f.ctypes(2.0) == 206.0
    data = np.arange(4, dtype=np.float32)
    given = tg.jit(lambda x, t, w: t * np.sum(w * x)).low_level_callable(user_data=data)
    assert integrate.quad(given, 0, 1, args=(2.0,))[0] == pytest.approx(6.0)
    data[:] = 0.0
    assert integrate.quad(given, 0, 1, args=(2.0,))[0] == 0.0


def test_numbers_that_are_captured():
    """One that has changed is no constant of the program: a pointer has the value of when it was asked for."""
    held, lone, rng = {"k": 2.0}, np.array(0.5), np.random.default_rng(0)
    f = tg.jit(lambda x: x * held["k"] + lone)
    made = []
    for k in (2.0, 3.0, -0.0, 0.0, np.float32(4.0), 5):
        held["k"] = k
        made.append((f.cfunc(1.0), 3.0 * k))
    lone[()] = 7.0
    assert [pointer.ctypes(3.0) for pointer, _ in made] == [times + 7.0 for _, times in made]
    with pytest.raises(tg.UnsupportedError, match=r"uses a Generator.* the C function runs without Python"):
        tg.jit(lambda x: x + rng.random()).cfunc(1.0)


def test_filters():
    width = tg.jit(lambda w: np.max(w) - np.min(w))
    c = width.low_level_callable(np.zeros(9), signature="generic_filter")
    np.testing.assert_array_equal(ndimage.generic_filter(IMAGE, c, 3), ndimage.generic_filter(IMAGE, np.ptp, 3))

    line = tg.jit(lambda x: np.cumsum(x)[1:-1])
    c = line.low_level_callable(np.zeros(22), signature="generic_filter1d")

    def plain(given, out):
        out[:] = np.cumsum(given)[1:-1]
    np.testing.assert_allclose(ndimage.generic_filter1d(IMAGE, c, 3), ndimage.generic_filter1d(IMAGE, plain, 3))

    place = tg.jit(lambda at: (at[0] - 0.5, at[1] * 1.0 - 0.25))
    c = place.low_level_callable(np.zeros(2, int), signature="geometric_transform")
    np.testing.assert_allclose(ndimage.geometric_transform(IMAGE, c),
                               ndimage.geometric_transform(IMAGE, lambda at: (at[0] - 0.5, at[1] - 0.25)))


def test_numba_calls_it():
    numba = pytest.importorskip("numba")
    c = bell.ctypes

    @numba.njit
    def total(n):
        s = 0.0
        for i in range(n):
            s += c(0.1 * i, 1.0)
        return s
    assert total(10) == pytest.approx(sum(math.exp(-(0.1 * i)**2) for i in range(10)), rel=1e-14)


@tg.jit
def picky(x):
    if x > 0.5:
        raise ValueError("too large")
    return x


def test_failed_checks_raise():
    with pytest.raises(ValueError, match="too large"):
        picky.ctypes(1.0)
    assert picky.ctypes(0.25) == 0.25
    with pytest.raises(SystemError) as caught:                   # SciPy's integrator does not look; Python does
        integrate.quad(picky.low_level_callable(), 0, 1)
    assert str(caught.value.__cause__) == "too large"
    few = tg.jit(np.max).low_level_callable(np.zeros(25), signature="generic_filter")
    with pytest.raises(ValueError, match="called with 9 numbers, and was compiled for 25"):
        ndimage.generic_filter(IMAGE, few, 3)


def grows(x):
    x[0] = 1.0
    return x[0]


@pytest.mark.parametrize(("make", "says"), [
    (lambda: tg.jit(lambda x: np.array([x, x])).cfunc(), "returns 2 numbers"),
    (lambda: tg.jit(lambda x: x * 1j).cfunc(), "c128"),
    (lambda: tg.jit(lambda x: x[0]).cfunc(np.zeros(3, "f4")), r"f32\[3\]"),
    (lambda: tg.jit(lambda x: x[x > 0]).cfunc(np.zeros(3)), "only at run time"),
    (lambda: tg.jit(lambda x, n: x * n).cfunc(1.0, 2), "functools.partial"),
    (lambda: tg.jit(lambda *x: sum(x)).cfunc(), "example arguments"),
    (lambda: tg.jit(lambda x: None).cfunc(), "returns .*None"),
    (lambda: tg.jit(lambda x: "text").cfunc(), "returns .*text"),
    (lambda: tg.jit(grows).cfunc(np.zeros(3)), "overwrites"),
    (lambda: bell.cfunc(signature="double (float)"), "no C signature"),
    (lambda: bell.cfunc(signature="double (double)"), "takes 2 numbers"),
    (lambda: bell.low_level_callable(user_data=[1.0]), "user_data is the array"),
])
def test_what_c_cannot_call(make, says):
    with pytest.raises(tg.TracegradError, match=f"(?s){says}"):
        make()
