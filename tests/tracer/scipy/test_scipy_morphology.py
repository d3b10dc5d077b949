"""Binary morphology of scipy.ndimage."""
import numpy as np
import pytest
import scipy.ndimage as nd

import tracegrad as tg

R = np.random.default_rng(0)
PICTURE, MASK = R.integers(0, 3, (7, 9)) > 0, R.integers(0, 4, (7, 9)) > 0
UNEVEN, EVEN = np.array([[0, 1, 1], [1, 1, 0], [0, 0, 1]]), np.array([[1, 1], [0, 1]])
RING = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]])

CALLS = [
    lambda x: nd.binary_erosion(x), lambda x: nd.binary_dilation(x, UNEVEN, iterations=3, border_value=1),
    lambda x: nd.binary_erosion(x, UNEVEN, iterations=2, border_value=1), lambda x: nd.binary_erosion(x, EVEN, iterations=2),
    lambda x: nd.binary_dilation(x, EVEN, origin=-1), lambda x: nd.binary_erosion(x, RING),
    lambda x: nd.binary_erosion(x, mask=MASK, iterations=2), lambda x: nd.binary_dilation(x, mask=MASK, iterations=2),
    lambda x: nd.binary_opening(x, UNEVEN, 2), lambda x: nd.binary_closing(x), lambda x: nd.binary_fill_holes(x),
    lambda x: nd.binary_hit_or_miss(x, UNEVEN, origin1=1), lambda x: nd.binary_propagation(x, mask=MASK),
    lambda x: nd.binary_erosion(x, iterations=-1), lambda x: nd.binary_erosion(x, axes=(1,)),
    lambda x: nd.binary_erosion(x, np.ones((3, 3)))]


@pytest.mark.sweep(6, days=True)
def test_pictures():
    def all_of(x):
        return tuple([f(x) for f in CALLS])

    for x in (PICTURE, PICTURE * 2.0):
        for k, (found, right) in enumerate(zip(tg.jit(all_of)(x), all_of(x))):
            assert found.dtype == right.dtype, k
            np.testing.assert_array_equal(found, right, err_msg=str(k))


def test_other_ranks_and_errors():
    def run(x):
        return nd.binary_erosion(x), nd.binary_dilation(x, iterations=2)

    for x in (R.integers(0, 3, (3, 4, 5)), R.integers(0, 2, 11), PICTURE[:0]):
        for found, right in zip(tg.jit(run)(x), run(x)):
            np.testing.assert_array_equal(found, right)
    with pytest.raises(TypeError, match="Complex"):
        tg.jit(lambda x: nd.binary_erosion(x))(PICTURE * 1j)
    with pytest.raises(RuntimeError, match="same dimensionality"):
        tg.jit(lambda x: nd.binary_erosion(x, [1, 1, 1]))(PICTURE)
    with pytest.raises(tg.UnsupportedError, match="structure"):
        tg.jit(lambda x: nd.binary_erosion(x, x))(PICTURE)


@pytest.mark.sweep(6, days=True)
def test_components():
    def run(x):
        labels, count = nd.label(x)
        return labels, count, nd.label(x, np.ones((3, 3))), nd.label(x, [[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.int64)

    for shape in ((7, 9), (20, 25), (1, 5), (0, 4)):
        x = R.integers(0, 3, shape) > 0
        found, right = tg.jit(run)(x), run(x)
        for a, b in zip((*found[:2], *found[2], *found[3]), (*right[:2], *right[2], *right[3])):
            assert type(a) is type(b) and np.asarray(a).dtype == np.asarray(b).dtype
            np.testing.assert_array_equal(a, b)
    x = R.integers(0, 3, (4, 5, 6)) > 1
    np.testing.assert_array_equal(tg.jit(lambda x: nd.label(x)[0])(x), nd.label(x)[0])
    with pytest.raises(ValueError, match="not symmetric"):
        tg.jit(lambda x: nd.label(x, [[1, 0, 0], [0, 1, 0], [0, 0, 0]]))(PICTURE)
