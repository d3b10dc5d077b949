"""Remainders and floor divisions of floats have NumPy's bits: for quotients of any size, at whole ones and beside them."""
import numpy as np
import pytest

import tracegrad as tg

OPS = {"%": lambda x, y: x % y, "//": lambda x, y: x // y, "fmod": lambda x, y: np.fmod(x, y),
       "divmod": lambda x, y: np.divmod(x, y)[1]}
SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1e-310, 1.0, -1.0, 1e300, 3.0, 2.0**52, 2.0**53 - 1, 0.1, -2.5]


def pairs(dtype):
    rng, n = np.random.default_rng(7), 4000
    unsigned = np.uint64 if dtype == "d" else np.uint32
    any_bits = rng.integers(0, np.iinfo(unsigned).max, (2, n), dtype=unsigned).view(dtype)
    yield any_bits[0], any_bits[1]
    y = rng.uniform(0.5, 2, n).astype(dtype)
    whole = rng.integers(1, 2**40 if dtype == "d" else 2**15, n).astype(dtype) * y
    for x in (whole, np.nextafter(whole, np.array(np.inf, dtype)), -np.nextafter(whole, np.array(0, dtype))):
        yield x, y
    yield (2.0 ** rng.uniform(45, 58, n)).astype(dtype), y
    yield tuple(c.ravel().astype(dtype) for c in np.meshgrid(SPECIAL, SPECIAL))


@pytest.mark.parametrize("dtype", "df")
@pytest.mark.parametrize("name", OPS)
def test_bits_are_those_of_numpy(name, dtype):
    f = tg.jit(OPS[name])
    with np.errstate(all="ignore"):
        for x, y in pairs(dtype):
            found, expected = f(x, y), OPS[name](x, y)
            assert found.dtype == expected.dtype
            same = (found == expected) & (np.signbit(found) == np.signbit(expected)) | (np.isnan(found) & np.isnan(expected))
            assert same.all(), (x[~same][:3], y[~same][:3], found[~same][:3], expected[~same][:3])
