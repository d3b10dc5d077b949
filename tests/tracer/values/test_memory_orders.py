"""In which order new arrays lie that are made of broadcast, gapped and empty ones."""
import numpy as np
import pytest

import tracegrad as tg


def orders(x):
    return x.ravel("K"), x.flatten("K"), x.copy("K").strides, np.zeros_like(x).strides, (x + 1).strides


@pytest.mark.parametrize("x", [
    np.broadcast_to(np.arange(6.0), (4, 6)),                 # loops leave the axis of stride 0 where it is, copies do not
    np.broadcast_to(np.arange(4.0)[:, None], (4, 6)),
    np.arange(48.0).reshape(4, 12)[:, 3:4],
    np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1)[::-1, :1],
    np.zeros((4, 0)),
    np.zeros((0, 4)).T,
])
def test_memory_orders(x):
    for found, expected in zip(tg.jit(orders)(x), orders(x), strict=True):
        np.testing.assert_array_equal(found, expected)
