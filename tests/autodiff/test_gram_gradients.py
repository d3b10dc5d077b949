"""The gradient of a product of an array with itself is one product."""
import numpy as np
import pytest
from sweeps import turn

import tracegrad as tg

RNG = np.random.default_rng(0)
A, STACKED, W, W7 = RNG.random((7, 5)), RNG.random((3, 7, 5)), RNG.random((5, 5)), RNG.random((7, 7))
BATCH = RNG.random((3, 5, 5))


def windows(a):
    s = 0.0
    for i in range(3):
        s += np.sum((a[i:i + 4].T @ a[i:i + 4]) * W)
    return s


PROGRAMS = {
    "columns": (lambda a: (a.T @ a * W).sum(), A),
    "rows": (lambda a: np.tanh(a @ a.T * W7).sum(), A),
    "covariance": (lambda a: (np.cov(a, rowvar=False) * W).sum(), A),
    "determinant": (lambda a: np.linalg.det(a.T @ a + np.eye(5)), A),
    "batch": (lambda t: (np.einsum("bki,bkj->bij", t, t) * BATCH).sum(), STACKED),
    "four axes": (lambda t: (np.einsum("kij,klm->ijlm", t, t) * np.cos(np.arange(1225.0).reshape(7, 5, 7, 5))).sum(), STACKED),
    "windows": (windows, A),
    "one column": (lambda a: (a[:, :1].T @ a[:, :1]).sum(), A),
}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", PROGRAMS)
def test_right(name):
    f, x = PROGRAMS[name]
    tg.check_grads(f, (x,), order=2 if turn(3, name) else 1)


@pytest.mark.parametrize("f", [lambda z: np.real((z.T @ z) * (1 + 2j)).sum(),
                               lambda z: np.real((z.conj().T @ z) * (1 + 2j) * W[:3, :3]).sum()], ids=["plain", "conjugated"])
def test_complex(f):
    tg.check_grads(f, (RNG.random((4, 3)) + 1j * RNG.random((4, 3)),), order=1)


@pytest.mark.parametrize("name", ["columns", "rows", "batch"])
def test_one_product(name):
    f, x = PROGRAMS[name]
    assert tg.value_and_grad(f).lower(x).text("optimized").count("= dot ") == 2
