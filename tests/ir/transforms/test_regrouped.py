"""Arithmetic of flattened arrays runs along the axes that they had before, where one of them is transposed or repeated."""
from __future__ import annotations

import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(7)


def turned(x, y):
    return np.reshape(x.T, -1) * np.reshape(y, -1)


def repeated(x, y):
    return np.reshape(np.repeat(np.exp(x)[:, :, None], 3, axis=2), -1) + 1.0 / np.reshape(y[:, :, None] + np.arange(3.0), -1)


def one_alone(x, y):
    return np.sin(np.reshape(x.T, -1)) @ np.reshape(y, -1)


def with_ones(x, y):
    return np.reshape(x.T[:, None, :], -1) * np.reshape(y.T[None], -1) * 2.0


def other_groups(x, y):
    return np.reshape(x.T, -1) - np.reshape(np.reshape(y, (-1, 2)).T, -1)


def to_a_product(x, y):
    return np.reshape(np.reshape(x.T, -1) * np.reshape(y.T, -1), (2, -1)) @ np.reshape(y, (-1, 2))


def stages(x, y):
    """As in a fast Fourier transform: lengths that depend on the stage."""
    out = np.reshape(x * y, -1)[:16].copy()
    for k in range(4):
        steps = np.reshape(np.exp(-0.1 * np.arange(2.0)[:, None] * np.arange(2 ** k)), (2, 2 ** k, 1))
        wide = np.reshape(np.repeat(steps, 2 ** (3 - k), axis=2), 16)
        out[:] = np.reshape(np.transpose(np.reshape(out, (2 ** k, 2, 2 ** (3 - k))), (1, 0, 2)), 16) * wide
    return out


ALL = [turned, repeated, one_alone, other_groups, to_a_product, with_ones, stages]


@pytest.mark.sweep(3)
@pytest.mark.parametrize("f", ALL, ids=lambda f: f.__name__)
@pytest.mark.parametrize("shape", [(4, 6), (16, 1), (1, 16), (0, 4)], ids=str)
def test_values_and_gradients(f, shape):
    if f is stages and not np.prod(shape):
        return
    x, y = RNG.standard_normal(shape), RNG.standard_normal(shape) + 3.0
    if f is one_alone or f is turned or f is other_groups:
        x = np.ascontiguousarray(x.T)
    compiled = tg.jit(f)
    np.testing.assert_allclose(compiled(x, y), f(x, y), rtol=1e-12)
    np.testing.assert_allclose(compiled.interpret(x, y), f(x, y), rtol=1e-12)
    if x.size:
        tg.check_grads(lambda x, y: np.sum(f(x, y) ** 2), (x, y))


def test_no_division_is_left():
    x = np.ones((300, 200))
    loops = tg.jit(lambda x, y: np.exp(np.reshape(x.T, -1)) * np.reshape(y.T, -1)).lower(x, x).text("loops")
    assert "floordiv" not in loops and " mod " not in loops
