"""scipy.signal.upfirdn as SciPy's: values, dtypes, derivatives."""
import numpy as np
import pytest
import scipy.signal as sg

import tracegrad as tg

H, X = np.array([0.5, 1.5, 2.5]), np.random.default_rng(2).standard_normal((2, 5))


@pytest.mark.sweep(2)
@pytest.mark.parametrize("up, down, axis", [(1, 1, -1), (2, 1, 1), (3, 2, 0), (1, 4, 1)])
def test_as_scipy(up, down, axis):
    f = tg.jit(lambda h, x: sg.upfirdn(h, x, up, down, axis))
    for h, x in ((H, X), (H[:1], X), (H.astype(np.float32), X.astype(np.float32)), ([1, 2], np.arange(6).reshape(2, 3)),
                 (H, X + 1j)):
        found, right = f(h, x), sg.upfirdn(h, x, up, down, axis)
        np.testing.assert_allclose(found, right, rtol=1e-6)
        assert found.dtype == right.dtype
    tg.check_grads(lambda h, x: np.sum(sg.upfirdn(h, x, up, down, axis) ** 2), (H, X), order=1)


def test_errors():
    for h, up in ((np.ones((2, 2)), 1), (H, 0)):
        with pytest.raises(ValueError):
            tg.jit(lambda h, x, up=up: sg.upfirdn(h, x, up))(h, X)
