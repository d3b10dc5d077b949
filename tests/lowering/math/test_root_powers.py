"""Powers whose exponent is half an odd number: errors against mpmath over the whole range, special values as NumPy's."""
import mpmath
import numpy as np
import pytest
from tracegrad.lowering.math import library
from tracegrad.lowering.math.root_powers import ROOT_POWERS

import tracegrad as tg

pytestmark = pytest.mark.skipif(not library.widths(), reason="this host keeps libm")

SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -1.0, 1.0, 4.0, 1.7976931348623157e308, 5e-324, -5e-324])
BOUND = 1.3               # ulp; half of one but for roots of numbers whose rounding error cannot be a number


def power(y):
    def f(x):
        return np.power(x, y)
    return tg.jit(f)


def each(y):
    def f(x):
        out = np.empty_like(x)
        for i in range(x.size):
            out[i] = x[i] ** y
        return out
    return tg.jit(f)


def ulps(found, x, y):
    worst = 0.0
    with mpmath.mp.workprec(200):
        for a, v in zip(found, x, strict=True):
            exact = mpmath.power(mpmath.mpf(float(v)), y)
            with np.errstate(all="ignore"):
                rounded = found.dtype.type(float(exact))
            if not np.isfinite(rounded):
                assert a == rounded
                continue
            ulp = max(float(np.spacing(rounded)), float(np.finfo(found.dtype).smallest_subnormal))
            worst = max(worst, float(abs(mpmath.mpf(float(a)) - exact) / ulp))
    return worst


@pytest.mark.sweep(2)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("y", ROOT_POWERS)
def test_errors(y, dtype):
    rng = np.random.default_rng(3)
    info = np.finfo(dtype)
    low, high = float(np.log(info.smallest_normal)) - 10, float(np.log(info.max))
    with np.errstate(all="ignore"):
        x = np.concatenate([rng.random(200) * 5, np.exp(rng.uniform(low, high, 800)), [info.smallest_subnormal]]).astype(dtype)
    x = x[x > 0]
    for make in (power, each):
        f = make(y)
        assert "pow" in f.lower(x).text("loops") or y == 0.5
        assert ulps(f(x), x, y) <= BOUND


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("y", ROOT_POWERS)
def test_special_values(y, dtype):
    with np.errstate(all="ignore"):
        x = SPECIAL.astype(dtype)
        wanted = np.array([np.power(v, dtype(y)) for v in x])
        found = np.array([tg.jit(lambda v: np.power(v, y))(v) for v in x])
    if y == 0.5:                                            # NumPy takes a root here; C's pow, and Python, do not
        wanted[x == -np.inf], wanted[x == 0] = np.inf, 0.0
    sure = ~np.isnan(wanted)
    assert np.array_equal(np.isnan(found), ~sure)
    np.testing.assert_allclose(found, wanted, rtol=4 * np.finfo(dtype).eps)
    assert np.array_equal(np.signbit(found)[sure], np.signbit(wanted)[sure])


@pytest.mark.sweep(2)
@pytest.mark.parametrize("y", ROOT_POWERS)
def test_gradients(y):
    tg.check_grads(lambda x: np.sum(x ** y), (np.random.default_rng(0).random(40) + 0.5,), order=2)
