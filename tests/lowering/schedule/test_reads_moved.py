"""Reads that move before the write which would destroy what they read: several that move to one place keep their order."""
import numpy as np
import pytest

import tracegrad as tg


def swapped_rows(a):
    a = a.copy()
    for p in range(len(a) - 1):
        upper, lower = a[p].copy(), a[p + 1].copy()
        s = upper[1]
        a[p], a[p + 1] = upper - s * lower, s * upper
    return np.sum(a**2)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("n", [4, 8, 17])
def test_rows_that_overwrite_each_other_to_second_order(n):
    """In its derivative, writes to the tangent move before one to the array, and later reads before these."""
    rng = np.random.default_rng(0)
    a, v = 0.3 * rng.standard_normal((n, n)), rng.standard_normal((n, n))

    def gradient(x):
        return tg.grad(swapped_rows)(x)

    _, hvp = tg.jvp(gradient, (a,), (v,))
    h = 1e-5
    expected = (gradient(a + h * v) - gradient(a - h * v)) / (2 * h)
    np.testing.assert_allclose(hvp, expected, rtol=1e-6, atol=1e-6 * np.abs(expected).max())
