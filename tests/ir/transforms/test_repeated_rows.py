"""What is the same for all rows is computed once, also where derivatives bring it in."""
import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(4)


def standardized(a):
    return (a - a.mean(axis=0)) / a.std(axis=0)


def by_rows(a):
    return (a - a.mean(axis=1, keepdims=True)) / a.std(axis=1, keepdims=True)


def both(a):
    return np.exp(np.broadcast_to(a[0], a.shape)) / np.sqrt(np.broadcast_to(a[1] + 1.0, a.shape)) + a


def different(a):
    """A row and a column: nothing is repeated as a whole."""
    return np.exp(a[0][None, :] * a[:, 0][:, None])


@pytest.mark.sweep(6, by="f")
@pytest.mark.parametrize("f", [standardized, by_rows, both, different], ids=lambda f: f.__name__)
@pytest.mark.parametrize("shape", [(6, 5), (5, 5), (2, 1)])
def test_right(f, shape):
    a = RNG.random(shape) + np.arange(shape[0])[:, None] * 0.3 + (np.arange(shape[1]) * 0.2)
    if f is by_rows and shape[1] == 1:
        return
    np.testing.assert_allclose(tg.jit(f)(a), f(a), rtol=1e-13)
    tg.check_grads(lambda a: np.sum(np.sin(f(a))), (a,), order=2)


def test_a_reciprocal_for_each_column():
    text = tg.grad(lambda a: (standardized(a) ** 2).sum()).lower(RNG.random((100, 30))).text("optimized")
    assert not [line for line in text.splitlines() if "div 1.0" in line and "[100, 30]" in line]
