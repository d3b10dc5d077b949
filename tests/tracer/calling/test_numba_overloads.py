"""Functions whose meaning numba.extending.overload gives: chosen by the types at hand, differentiated like any other."""
import numba
import numpy as np
import pytest
from numba import types
from numba.extending import overload

import tracegrad as tg


def square_sum(a, scale=1.0):
    pass


def of_array(a, scale=1.0):
    total = 0.0
    for x in a.flat:
        total += x ** 2
    return total * scale


@overload(square_sum)
def choose(a, scale=1.0):
    if isinstance(a, types.Number):
        return lambda a, scale=1.0: a ** 2 * scale
    if isinstance(a, types.Array) and a.ndim == 2:
        return of_array


@overload(square_sum)
def choose_for_tuples(a, scale=1.0):
    if isinstance(a, types.BaseTuple):
        return lambda a, scale=1.0: a[0] ** 2 * scale


X = np.arange(6.0).reshape(2, 3)


@pytest.mark.parametrize(("x", "want"), [(X, 55.0), (3.0, 9.0), (2, 4), ((5.0, X), 25.0), (np.float32(2), 4.0)])
def test_the_type_chooses(x, want):
    assert tg.jit(lambda x: square_sum(x))(x) == want
    assert tg.jit(lambda x: square_sum(x, scale=2.0))(x) == 2 * want


def test_derivatives():
    tg.check_grads(tg.jit(lambda x: square_sum(x, 3.0)), (X,), order=2)


def test_functions_without_source_and_in_closures():
    made = {}
    exec("def doubled(x): pass", made)
    overload(made["doubled"])(lambda x: lambda x: 2 * x)

    def through(f):
        return tg.jit(lambda x: f(x) + 1)

    assert through(made["doubled"])(3.0) == 7.0


def test_no_overload_for_such_an_argument():
    with pytest.raises(tg.UnsupportedError, match="no overload of square_sum takes"):
        tg.jit(lambda x: square_sum(x))(X[0])


def test_what_numba_overloads_itself_stays_numpys():
    """Once Numba has compiled something, its registry knows NumPy's polynomials and windows, too."""
    assert numba.njit(lambda x: x + 1)(1) == 2
    x = np.linspace(0.1, 1.0, 4)
    for f in (lambda x: np.polynomial.polynomial.polyval(x, x[:3]), lambda x: np.sum(np.polynomial.Polynomial(x[:3])(x)),
              lambda x: x * np.hanning(4), lambda x: np.histogram_bin_edges(x, 3)):
        np.testing.assert_allclose(tg.jit(f)(x), f(x), rtol=1e-13)


def test_intrinsics_are_refused_by_name():
    @numba.extending.intrinsic
    def ones(typing, x):
        return numba.int64(numba.int64), lambda context, builder, signature, args: builder.ctpop(args[0])

    with pytest.raises(tg.UnsupportedError, match="ones is an intrinsic of Numba"):
        tg.jit(lambda x: ones(x) + 1)(7)


def test_a_loop_over_pndindex_stays_a_loop():
    def weighed(x):
        s = 0.0
        for i, j in numba.pndindex(x.shape):
            s += x[i, j] * (i - j)
        return s

    x = np.arange(400.0).reshape(20, 20) % 7
    assert tg.jit(weighed)(x) == weighed(x)
    assert len(tg.jit(weighed).lower(x).text().splitlines()) < 60


def conversions(x):
    return numba.float32(x) * 2, numba.int64(x), numba.types.uint8(7), numba.boolean(x), numba.complex64(x)


def dtypes(x):
    made = np.empty(3, dtype=numba.uint32)
    made[:] = 4
    return (made, x.astype(numba.float32), np.zeros(3, numba.types.int16), np.array([1, 0], dtype=numba.boolean),
            np.full(2, 1, dtype=numba.complex64), np.arange(3, dtype=numba.uint8))


@pytest.mark.parametrize(("f", "x"), [(conversions, 2.7), (conversions, 3), (dtypes, np.ones(3))])
def test_number_types_are_dtypes_and_conversions(f, x):
    for found, want in zip(tg.jit(f)(x), numba.njit(f)(x), strict=True):
        np.testing.assert_array_equal(found, want)
        assert not isinstance(want, np.ndarray) or found.dtype == want.dtype             # Numba's scalars are Python's
    assert tg.jit(lambda x: numba.float64(x) ** 2)(np.float32(3)).dtype == np.float64
    assert tg.grad(lambda x: numba.float64(x) ** 2)(3.0) == 6.0


def test_what_sets_numbas_schedule_decides_no_value():
    def fn(x, n):
        before = numba.set_parallel_chunksize(n)
        numba.set_num_threads(n)
        s = 0.0
        with numba.parallel_chunksize(n):
            for i in numba.prange(len(x)):
                s += x[i] * x[i]
        numba.set_parallel_chunksize(before)
        return s

    assert tg.jit(fn)(np.array([1.0, 2.0]), 1) == 5.0
    np.testing.assert_array_equal(tg.grad(fn)(np.array([1.0, 2.0]), 1), [2.0, 4.0])
