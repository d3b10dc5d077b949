"""Numbers of points, of bins and of diagonals, lengths of windows, decimals and powers that only run time knows."""
import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

import tracegrad as tg

X = np.arange(12.0).reshape(3, 4) + 0.5
COUNTS = {
    "linspace": (lambda x, n: np.linspace(x[0], x[1], n), (0, 1, 2, 5)),
    "linspace without its end": (lambda x, n: np.linspace(x[0, 0], x[1, 0], n, endpoint=False), (0, 1, 4)),
    "linspace of numbers": (lambda x, n: np.linspace(0, 1, n) * x[0, 0], (0, 1, 4)),
    "linspace of one point twice": (lambda x, n: np.linspace(x[0, 0], x[0, 0], n), (1, 4)),
    "the step of linspace": (lambda x, n: np.linspace(x[0, 0], x[1, 1], n, retstep=True)[1], (2, 5)),
    "linspace of integers": (lambda x, n: np.linspace(0, 10, n, dtype=int), (1, 7)),
    "linspace along the last axis": (lambda x, n: np.linspace(x[0], x[1], n, axis=-1), (0, 3)),
    "logspace": (lambda x, n: np.logspace(x[0, 0], x[0, 1], n) / 100, (0, 1, 4)),
    "geomspace": (lambda x, n: np.geomspace(x[0], x[1], n), (0, 1, 4)),
    "geomspace along the last axis": (lambda x, n: np.geomspace(x[0], x[1], n, axis=1), (1, 4)),
    "vander": (lambda x, n: np.vander(x[0], n), (0, 1, 4)),
    "vander of integers": (lambda x, n: np.vander(np.array([1, 2, 3]), n, increasing=True), (0, 3)),
    "histogram": (lambda x, n: np.histogram(x, n)[0], (1, 4)),
    "bin edges": (lambda x, n: np.histogram_bin_edges(x, n), (1, 4)),
    "a diagonal": (lambda x, k: np.diag(x, k), (-4, -2, 0, 3, 7)),
    "a diagonal of the first axes": (lambda x, k: np.diagonal(x.reshape(2, 3, 2), k, 1, 0), (-2, 0, 1)),
    "a matrix of a diagonal": (lambda x, k: np.diag(x[0], k), (-2, 0, 1)),
    "triangles": (lambda x, k: np.tril(x, k) + 3 * np.triu(x, k) + x * np.tri(3, 4, k), (-4, -1, 0, 2, 5)),
    "eye": (lambda x, k: x * np.eye(3, 4, k), (-2, 0, 1, 9)),
    "a trace": (lambda x, k: np.trace(x, k), (-1, 0, 2)),
    "windows": (lambda x, n: sliding_window_view(x[0], n), (1, 3, 4)),
    "lengths of as_strided": (lambda x, n: as_strided(x, (3, 5 - n, n), (x.strides[0], 8, x.strides[1])), (1, 2, 4)),
    "strides of as_strided": (lambda x, n: as_strided(x, (3, 2), (8 * n, x.strides[1])), (0, 1, 5)),
    "a power": (lambda x, n: np.linalg.matrix_power(x[:, :3] / 9 + np.eye(3), n), (-2, -1, 0, 1, 2, 7)),
    "a power of integers": (lambda x, n: np.linalg.matrix_power(np.array([[1, 1], [1, 0]]), n), (0, 1, 10)),
    "decimals": (lambda x, k: np.round(x * 1.23456789, k), (-1, 0, 3)),
    "decimals of integers": (lambda x, k: np.round(np.array([15, -26, 144]), k), (-2, 0, 1)),
}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", COUNTS)
def test_as_numpy(name):
    f, counts = COUNTS[name]
    compiled = tg.jit(lambda x, n: f(x, int(n[0])))
    for count in counts:
        n, want = np.array([float(count)]), f(X, count)
        for found in (compiled(X, n), compiled.interpret(X, n)):
            assert found.dtype == want.dtype and found.shape == want.shape, count
            np.testing.assert_allclose(found, want, rtol=3e-14, err_msg=str(count))
        if "decimals" not in name and want.dtype == float:
            tg.check_grads(lambda x, n=n: np.sum(f(x, int(n[0])) ** 2), (X,), order=1)


@pytest.mark.parametrize(("name", "count", "error", "message"), [
    ("linspace", -1, ValueError, "must be non-negative"), ("geomspace", -1, ValueError, "must be non-negative"),
    ("histogram", 0, ValueError, "must be positive"), ("windows", 5, ValueError, "cannot be larger"),
    ("strides of as_strided", 6, ValueError, "reads outside"), ("lengths of as_strided", -1, ValueError, "negative dimensions"),
    ("a power of integers", -1, ValueError, "astype"), ("vander", -1, ValueError, "negative dimensions")])
def test_counts_that_cannot_be(name, count, error, message):
    f, _ = COUNTS[name]
    with pytest.raises(error, match=message):
        tg.jit(lambda x, n: f(x, int(n[0])))(X, np.array([float(count)]))
