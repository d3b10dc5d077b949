"""Functions that are called once for each element or row: np.vectorize, numba's, np.apply_along_axis, np.fromiter."""
import numpy as np
import pytest
from trace_check import check
from tracegrad.tracer.staging import trace_function

import tracegrad as tg

numba = pytest.importorskip("numba")
X = np.array([0.5, -1.5, 2.5, 3.5, -0.25])
A = np.arange(10.0).reshape(2, 5) - 4.5


def bent(v, k):
    return v * k if v > 0 else -v


BENT = np.vectorize(bent)
CAST = np.vectorize(bent, otypes=[np.float32])


def vectorized(x, k):
    return BENT(x, k), CAST(x, k), BENT(A, x), np.vectorize(lambda v: v + 1.0)(2.0), np.vectorize(divmod)(x, 2.0)


def along_axes(a):
    return (np.apply_along_axis(lambda row: row * row.sum(), 1, a), np.apply_along_axis(np.sum, 0, a),
            np.apply_along_axis(lambda row, k: np.outer(row, row) * k, 0, a, 2.0), np.apply_along_axis(np.cumsum, -1, a[0]))


def from_an_iterator(x):
    return np.fromiter((v * 2 for v in x), float), np.fromiter([1, 2, 3], dtype=np.int32), np.fromiter((v for v in x), float, 2)


@pytest.mark.parametrize(("fn", "args"), [(vectorized, (X, 2.0)), (along_axes, (A,)), (along_axes, (A[::-1, ::2].copy(),)),
                                          (from_an_iterator, (X,))], ids=lambda v: getattr(v, "__name__", ""))
def test_equals_numpy(fn, args):
    check(fn, *args)


@numba.vectorize(["float64(float64, float64)"])
def clipped(a, b):
    return a * b + 1 if a > b else a - b


@numba.guvectorize(["void(float64[:], float64[:], float64[:])"], "(n),(n)->()")
def inner(a, b, out):
    total = 0.0
    for i in range(a.shape[0]):
        total += a[i] * b[i]
    out[0] = total


@numba.guvectorize(["void(float64[:], float64, float64[:])"], "(n),()->(n)")
def smoothed(a, k, out):
    held = a[0]
    for i in range(a.shape[0]):
        held += k * (a[i] - held)
        out[i] = held


@numba.stencil
def blurred(a):
    return 0.5 * (a[-1] + a[1])


@numba.njit
def length(x):
    total = 0.0
    for i in numba.prange(x.size):
        total += x[i] ** 2
    return total


@numba.jit(nopython=True)
def through_numba(x):
    return length(x) + clipped(x, 1.0)[0]


def uses_numba(x, y):
    return clipped(x, y), clipped(x[0], 0.25), inner(A, x), inner(x, y), smoothed(A, 0.5), smoothed(x, np.array([0.1, 0.2])[0])


def test_numba_functions_of_elements():
    got, expected = tg.jit(uses_numba)(X, X[::-1]), uses_numba(X, X[::-1])
    for g, e in zip(got, expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-13)
        assert np.shape(g) == np.shape(e)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("fn", [lambda x: np.sum(np.sin(BENT(x, 2.0))), lambda x: np.sum(clipped(x, 0.4) ** 2), through_numba,
                                lambda x: np.sum(np.apply_along_axis(lambda r: r / np.sum(r), 0, np.outer(x, x)) ** 2),
                                lambda x: inner(x, smoothed(x, 0.5))], ids=["numpy", "numba", "njit", "axis", "guvectorize"])
def test_gradient(fn):
    hand = [(fn(X + 1e-6 * e) - fn(X - 1e-6 * e)) / 2e-6 for e in np.eye(X.size)]
    np.testing.assert_allclose(tg.grad(fn)(X), hand, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("fn", "reason"), [
    (lambda x: np.vectorize(np.sum, signature="(n)->()")(x), "np.vectorize with the signature"),
    (lambda x: BENT(x[:0], 2.0), "an empty array")], ids=["signature", "empty"])
def test_refused(fn, reason):
    with pytest.raises(tg.TracegradError, match=reason) as caught:
        trace_function.trace(fn, (X,))
    assert "  Instead: " in str(caught.value)


@numba.guvectorize(["void(int64[:], float64, float64[:])"], "(n),()->()")
def half_sum(x, y, out):
    out[0] = x.sum() * 0.5 + y


@numba.guvectorize(["void(float64[:], float64, float64[:])"], "(n),()->(n)")
def accumulate(x, y, out):
    for i in range(x.size):
        out[i] += x[i] * y


@numba.vectorize(["float32(float32)", "float64(float64)"])
def itself(x):
    return x


@pytest.mark.parametrize("x", [np.arange(4), np.arange(3, dtype=np.float32), 2, 2.5, np.int8(3), np.zeros((2, 0)), True],
                         ids=repr)
def test_the_declared_types_decide(x):
    got, want = tg.jit(lambda x: itself(x))(x), itself(x)
    assert np.asarray(got).dtype == np.asarray(want).dtype
    np.testing.assert_array_equal(got, want)


def test_results_of_guvectorize_have_the_declared_type():
    x = np.arange(8).reshape(2, 4)
    got, want = tg.jit(lambda x: half_sum(x, 0.25))(x), half_sum(x, 0.25)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)
    with pytest.raises(TypeError, match="no signature for arguments of float64, float"):
        tg.jit(lambda x: half_sum(x, 0.25))(x * 1.0)


def test_output_arrays_of_guvectorize():
    x = np.arange(6.0).reshape(2, 3)

    def fn(x, keyword):
        out = np.full_like(x, 0.5)
        found = accumulate(x, 2.0, out=out) if keyword else accumulate(x, 2.0, out)
        found[0, 0] = 9.0
        return out

    for keyword in (False, True):
        np.testing.assert_array_equal(tg.jit(fn, static_argnums=1)(x, keyword), fn(x, keyword))
    tg.check_grads(lambda x: fn(x, False)[1], (x,))
