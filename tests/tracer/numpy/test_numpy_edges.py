"""Where NumPy raises, casts or changes a shape: ranks that a function does not take, positions outside, numbers that a dtype
does not hold, data that is not finite. Compiled code does the same."""
from __future__ import annotations

import math

import numpy as np
import pytest

import tracegrad as tg

LINE, TABLE, CUBE, NONE = np.array([1.0, 2.0, 3.0, 4.0]), np.arange(1.0, 13.0).reshape(3, 4), np.ones((2, 3, 4)), np.zeros(0)


def outcome(f, args):
    args = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    with np.errstate(all="ignore"):
        try:
            return f(*args)
        except Exception as error:
            return error


def as_numpy(f, *args, compiled=True):
    """Compiled, a function gives what NumPy gives: values, dtypes, shapes, types, or an error of that class."""
    want, got = outcome(f, args), outcome(tg.jit(f) if compiled else tg.jit(f).interpret, args)
    if isinstance(want, Exception):
        assert isinstance(got, Exception) and (isinstance(got, type(want)) or isinstance(want, type(got))), (want, got)
        return
    if isinstance(got, Exception):
        raise got
    for a, b in zip(got, want, strict=True) if isinstance(want, tuple) else [(got, want)]:
        kind = np.asarray(b).dtype
        assert type(a) is type(b) and np.asarray(a).dtype == kind and np.shape(a) == np.shape(b), (got, want)
        np.testing.assert_allclose(a, b, rtol=1e-5 if kind.itemsize < 8 or kind == np.complex64 else 1e-12)


ONE_DIMENSIONAL = {
    "convolve": lambda x: np.convolve(x, LINE), "correlate": lambda x: np.correlate(LINE, x, "same"),
    "vander": lambda x: np.vander(x), "linalg.outer": lambda x: np.linalg.outer(x, LINE),
    "compress": lambda x: np.compress(x > 1, LINE), "polymul": lambda x: np.polymul(x, LINE),
    "histogram2d": lambda x: np.histogram2d(x, x, bins=3), "bins": lambda x: np.histogram(LINE, bins=x)[0],
    "digitize": lambda x: np.digitize(LINE, x), "ix_": lambda x: TABLE[np.ix_(np.astype(x, int) % 3, [0, 1])],
}


@pytest.mark.parametrize("name", ONE_DIMENSIONAL)
def test_ranks(name):
    for x in (np.array(2.0), LINE, TABLE, CUBE):
        if x.ndim or name not in ("bins", "histogram2d"):      # a number of bins; a TypeError of len()
            as_numpy(ONE_DIMENSIONAL[name], x)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("obj", [0, 1, -1, 4, -4, 5, -5, [1], [0, 2], [2, 0], [1, 1], [], [-1, 0], [0, 9], (1, 2), slice(0, 3),
                                 slice(None, None, 2)], ids=repr)
def test_insert(obj):
    for x in (LINE, TABLE, NONE) if isinstance(obj, int) else (LINE, TABLE):
        as_numpy(lambda x: np.insert(x, obj, 7.0), x)
        as_numpy(lambda x: np.insert(x, obj, [7.0, 8.0], axis=-1), x)
    as_numpy(lambda x: np.insert(x, obj, 7.0, axis=1), TABLE)
    if isinstance(obj, int):
        as_numpy(lambda x, k: np.insert(x, k, 7.0), LINE, obj)


def test_inserted_lines():
    for place, what, axis in ((1, [9.0, 8, 7, 6], 0), (1, [9.0, 8, 7], 1), ([1], [[9.0], [8], [7]], 1), ([1], [9.0, 8, 7], 1),
                              (1, [[9.0, 8, 7, 6], [1, 2, 3, 4]], 0), ([0, 2], [[9.0, 8, 7, 6], [1, 2, 3, 4]], 0),
                              (1, [[9.0, 8, 7], [1, 2, 3]], 1)):
        as_numpy(lambda x: np.insert(x, place, what, axis=axis), TABLE)
    as_numpy(lambda x: np.insert(x, 1, 2.7), np.arange(4))
    as_numpy(lambda x: np.insert(x, np.array([True, False, True, False]), [8.0, 9.0]), LINE)
    slope = tg.grad(lambda x, v: np.sum(np.insert(x, [1, 3], v) * np.arange(6.0)), (0, 1))(LINE, np.ones(2))
    assert slope[0].tolist() == [0.0, 2.0, 3.0, 5.0] and slope[1].tolist() == [1.0, 4.0]


@pytest.mark.sweep(3)
@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32, complex])
def test_numbers_that_a_dtype_may_not_hold(dtype):
    x = np.array([0, 1, 1, 0], dtype)
    for value in (2, 2.5, -1, 300, math.nan, 2j, np.int64(-2), np.float32(1.5)):
        for ufunc in (np.add, np.multiply):
            if not (isinstance(value, float) and math.isnan(value)):          # which int NaN becomes is nobody's promise

                def at(x):
                    ufunc.at(x, np.array([0, 0]), value)
                    return x

                as_numpy(at, x)

        def copied(x):
            np.copyto(x, value)
            return x

        if not isinstance(value, complex) or dtype is complex:
            as_numpy(lambda x: np.sum(x, initial=value), x)
            if dtype is not complex and value != 300 and not isinstance(value, np.generic):
                as_numpy(lambda x: np.max(x, initial=value), x)
        as_numpy(copied, x)


def test_bools_have_no_differences():
    for f in (np.gradient, np.ediff1d, np.diff, lambda x: np.percentile(x, 30), lambda x: np.nanquantile(x, 0.3), np.median):
        as_numpy(lambda x: f(x), np.array([True, False, True]))
    as_numpy(lambda x: np.quantile(x, 0.5), np.array([1j, 2]))


@pytest.mark.sweep(2, days=True)
def test_histograms():
    for x in (np.array([1.0, np.nan]), np.array([np.inf, 1.0]), NONE, LINE, np.array([3, 1, 2])):
        as_numpy(lambda x: np.histogram(x, bins=4), x)
        as_numpy(lambda x: np.histogram(x, bins=4, range=(0, 2)), x)
    for limits in ((1, 0), (0, np.nan), (-np.inf, 1)):
        as_numpy(lambda x: np.histogram(x, 3, range=limits), LINE)
    for bins in (0, [3, 2, 1], [1, 1, 2]):
        as_numpy(lambda x: np.histogram(x, bins), LINE)
    as_numpy(lambda x: np.histogram(x, 3, weights=x[:2]), LINE)
    for least in (0.0, 3.5, 99.0):
        as_numpy(lambda x, least: np.histogram(x[x > least], 3), LINE, least)


def test_averages_need_weight():
    as_numpy(lambda x, w: np.average(x, weights=w), LINE, np.array([1.0, -1.0, 2.0, -2.0]))
    as_numpy(lambda x, w: np.average(x, axis=0, weights=w), TABLE, TABLE * [0.0, 1.0, 1.0, 1.0])
    as_numpy(lambda x, w: np.average(x, weights=w), LINE, LINE)


def test_products_of_polynomials_lose_leading_zeros():
    for p in ([0.0, 1.0, 2.0], [0.0, 0.0], [0.0], [], [1.0, 0.0], [0.0, 0.0, 3.0]):
        as_numpy(lambda p, q: np.polymul(p, q), np.array(p), LINE)
        as_numpy(lambda q: np.polymul(p, q), LINE)
    slope = tg.grad(lambda p: np.sum(np.polymul(p, LINE) ** 2))(np.array([0.0, 2.0]))
    assert slope[1] == 2 * 2.0 * np.sum(LINE**2)


@pytest.mark.sweep(2, days=True)
def test_covariance_of_a_fit():
    x, y = np.arange(6.0), np.array([1.0, 3.0, 2.0, 5.0, 4.0, 7.0])
    for options in ({"cov": True}, {"cov": "unscaled"}, {"cov": True, "w": np.arange(1.0, 7.0)}):
        for values in (y, np.stack([y, y[::-1]], 1)):
            found, right = tg.jit(lambda x, y: np.polyfit(x, y, 2, **options))(x, values), np.polyfit(x, values, 2, **options)
            for a, b in zip(found, right, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9)
    as_numpy(lambda x, y: np.polyfit(x, y, 2, cov=True)[1], x[:3], y[:3])


@pytest.mark.sweep(2, days=True)
def test_the_rest():
    as_numpy(lambda n: np.isin(n, {1, 2}), np.arange(3))
    as_numpy(lambda x: np.bincount(x), LINE)
    as_numpy(lambda z: np.interp(z, z, z), np.array([0j, 1]))
    for ends in ((np.float32(1.5), 10.0), (np.float32(1.5), np.float32(9.0)), (1.5, np.float32(3.0)), (np.int8(1), 5), (2, 8),
                 (np.complex64(1 + 1j), 2.0)):
        for spaced in (np.linspace, np.geomspace, np.logspace):
            as_numpy(lambda a, b: spaced(a, b, 4), *ends)
    assert tg.jit(lambda x, keep: 1.0 if np.iterable(x[keep]) else 0.0)(LINE, LINE > 2) == 1.0
    assert tg.jit(lambda x, y: math.dist(x, y))(np.array([1, 2], np.uint8), np.array([3, 1], np.uint8)) == math.sqrt(5.0)


@pytest.mark.sweep(11, days=True)
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
@pytest.mark.parametrize("sliding", [np.convolve, np.correlate])
def test_sliding_where_run_time_says_which_array_is_shorter(sliding, mode):
    def program(x, y):
        return sliding(x[x > 0.0], y[y > 0.0], mode)

    by_data, by_length = tg.jit(program), tg.jit(lambda x, y: sliding(x, y, mode))
    for n, m in ((5, 3), (6, 4), (3, 4), (2, 9), (7, 7), (1, 5), (5, 1), (2, 7), (4, 6)):
        x, y = np.arange(1.0, n + 1), np.arange(2.0, m + 2)
        np.testing.assert_allclose(by_data(x, y), program(x, y))
        np.testing.assert_allclose(by_length(x, y), program(x, y))


def test_the_length_of_a_bincount_of_known_numbers_is_known_at_run_time_only():
    def counts(x, n):
        k = 0
        while k * k < x[0]:
            k += 1
        return np.bincount(np.array([0, 1, 1]), minlength=k + n)
    for start, more in ((10.0, 0), (1.0, 1), (2.0, 7)):
        as_numpy(counts, np.array([start]), more)


def test_numbers_as_arrays_without_dimensions():
    for dtype in (bool, np.float32, complex):
        x = np.array(3).astype(dtype)
        for f in (np.add.reduce, np.argsort, lambda x: np.maximum.reduce(x, axis=-1), lambda x: np.sum(x, axis=0),
                  lambda x: np.any(x, axis=-1), lambda x: np.lexsort([x]), lambda x: np.argpartition(x, 0), np.fft.fft,
                  lambda x: np.sum(x, axis=1), lambda x: np.mean(x, axis=0)):
            as_numpy(f, x, compiled=False)
    as_numpy(lambda x: np.hypot.reduce(x), np.array(2.0))


def test_values_that_do_not_broadcast_to_the_shape_that_they_fill():
    for x in (LINE, NONE, TABLE[:, :0], LINE[None], TABLE, LINE[:1]):
        as_numpy(lambda x: np.full((2,), x), x)
        as_numpy(lambda x: np.full((3, 4), x), x)


@pytest.mark.parametrize("dtype", [bool, np.int8, np.float16, np.complex64, complex])
def test_keywords_of_dtypes(dtype):
    x = (np.cos(np.arange(12.0)) * 4).reshape(3, 4).astype(dtype)
    if x.dtype.kind == "c":
        x = x + np.array(1j * np.sin(np.arange(4.0)), dtype)
    for f in (lambda x: np.var(x, axis=(0, 1), dtype=np.float32), lambda x: np.std(x, dtype=np.float32, where=x != 0),
              lambda x: np.nanmax(x, axis=0, initial=2), lambda x: np.nanmin(x, axis=0, initial=2, where=x != 0),
              lambda x: np.ediff1d(x, to_end=[1, 2]), lambda x: np.ediff1d(x, to_begin=-3.0),
              lambda x: np.add(x, 1.5, dtype=np.float32, casting="unsafe"),
              lambda x: np.digitize(x, [0, 1, 2]), lambda x: np.bincount(np.abs(x[0]), minlength=9),
              lambda x: np.pad(x, 2, mode="mean"), lambda x: np.pad(x, 3, mode="linear_ramp"),
              lambda x: np.fft.ifft(x, norm="ortho"), np.fft.irfft, np.sinc):
        if f is not np.sinc or dtype is not np.float16:                    # of which NumPy computes the product in float16
            as_numpy(f, x, compiled=False)


def test_casting_that_a_call_does_not_allow():
    with pytest.raises(TypeError, match="casting rule 'no'"):
        tg.jit(lambda x: np.add(x, 1.5, casting="no"))(np.arange(3))


def test_histograms_of_complex_numbers_are_refused():
    with pytest.raises(tg.UnsupportedError, match="complex numbers"):
        tg.jit(lambda x: np.histogram(x, 3))(LINE + 1j)


@pytest.mark.parametrize("ddof", [0, 1, 2, 3, 7])
def test_more_degrees_of_freedom_than_observations(ddof):
    as_numpy(lambda m, d: np.cov(m, ddof=d), TABLE[:2, :3], ddof)
    as_numpy(lambda m: np.cov(m, ddof=ddof), LINE[:2])
    with pytest.raises(ValueError, match="ddof must be integer"):
        tg.jit(lambda m: np.cov(m, ddof=1.5))(TABLE)


def test_interpolation_between_values_that_are_not_finite():
    x = np.array([-1.0, 0.0, 0.3, 0.5, 1.0, 1.7, 2.0, 3.0, np.nan, np.inf, -np.inf])
    for xp, fp in (([0.0, 1, 2], [np.inf, -np.inf, 3]), ([0.0, 1, 2], [np.nan, 1, 2]), ([0.0, np.inf], [1.0, 2]),
                   ([1.0], [2.0]), ([-np.inf, 0, np.inf], [1.0, 2, 1]), ([0.0, 1, 2], [np.inf, np.inf, np.inf]),
                   ([0.0, 1], [-np.inf, np.inf])):
        xp, fp = np.array(xp), np.array(fp)
        as_numpy(np.interp, x, xp, fp)
        as_numpy(lambda x, xp, fp: np.interp(x, xp, fp + 1j * fp[::-1]), x, xp, fp)


@pytest.mark.sweep(2, days=True)
def test_arguments_that_numpy_takes():
    for n in (-2, 0, 3):
        as_numpy(lambda: np.tri(n))
        as_numpy(lambda k: np.tri(2, k, 1), n)
        as_numpy(lambda: np.tril_indices(n))
    broken = np.array([1.0, np.nan, np.inf, -np.inf])
    as_numpy(lambda x, v: np.nan_to_num(x, nan=v, posinf=2 * v, neginf=-v), broken, 5.0)
    as_numpy(lambda x, v: np.nan_to_num(x * (1 + 1j), nan=v), broken, 5)
    for shape in ((7, 3), (3, 7), (3, 3)):
        def wrapped(a):
            np.fill_diagonal(a, 2.0, wrap=True)
            return a
        as_numpy(wrapped, np.zeros(shape))

    def repeated(a, v):
        np.fill_diagonal(a, v, wrap=True)
        return a
    for length in (2, 9):
        as_numpy(repeated, np.zeros((7, 3)), np.arange(1.0, 1.0 + length))
    as_numpy(np.array_equal, 1, 1)
    as_numpy(np.array_equal, 1, 2.0)
    as_numpy(lambda x: np.ediff1d(x, to_end=0.5), np.array([1, 2, 4]))
    as_numpy(lambda x: np.ediff1d(x, to_begin=[7, 8]), np.array([1, 2, 4]))


def test_frexp_of_a_number():
    for x in (1.0, -3.5, 0.7, 1e300, 5e-324, 0.0, -0.0, math.inf, 3):
        as_numpy(math.frexp, x)
    assert tg.grad(lambda x: 2 * math.frexp(x)[0])(3.3) == 0.5


def test_bases_of_int():
    for text, base in (("12", 8), ("ff", 16)):
        as_numpy(lambda t, b: int(t, b) + int(t, base=b), text, base)


def test_bins_of_digitize_with_nan():
    """The first two bins that differ decide whether they ascend; a NaN differs, and is above nothing."""
    x, nan = np.array([0.5, 1.0, 1.5, np.nan, 3.0, -1.0]), np.nan
    f = tg.jit(lambda x, b: (np.digitize(x, b), np.digitize(x, b, right=True)))
    for bins in ([nan, nan, 1.0], [1.0, nan, 2.0], [nan, 1.0, 2.0], [0.0, 1.0, nan], [2.0, 1.0, nan], [1.0, 1], [3.0, 3, 1]):
        want = outcome(lambda x, b: (np.digitize(x, b), np.digitize(x, b, right=True)), (x, bins))
        got = outcome(f, (x, np.array(bins)))
        assert (type(want) is type(got)) if isinstance(want, Exception) else np.array_equal(got, want), bins


def test_dtypes_that_are_asked_for():
    z = np.array([1 + 1j, 2 - 1j, 0.5])
    for f in (np.var, np.std):
        as_numpy(lambda z, f=f: f(z, dtype=np.complex64), z)
    as_numpy(lambda x: np.ediff1d(x, to_begin=1), np.array([250, 3, 7], np.uint8))
    as_numpy(lambda x: np.ediff1d(x, to_begin=np.array([1], np.uint8)), np.array([250, 3, 7], np.uint8))


def test_an_array_without_axes_spread_and_transposed():
    def f(x):
        spread = np.broadcast_to(np.asarray(x[0] + 1.0), (2, 3)).T
        return spread > 1.0, spread + 1.0, np.broadcast_to(x[1], (2, 1)).T + np.ones((1, 2))

    x = np.array([0.5, 2.0])
    for found, wanted in zip(tg.jit(f)(x), f(x)):
        np.testing.assert_equal(found, wanted)
        assert found.strides == wanted.strides


def test_answers_about_several_arrays():
    for kinds in ((np.int16,), (np.float16,), (np.int8, np.complex64), (np.float32, np.float16)):
        arrays = [np.ones(2, kind) for kind in kinds]
        assert tg.jit(lambda *a: np.ones(1, np.common_type(*a)))(*arrays).dtype == np.common_type(*arrays), kinds
    for a, b in ((np.ones(5), np.ones((2, 3))), (np.ones((2, 1)), np.ones(3)), (np.ones(3), np.arange(3.0))):
        assert tg.jit(lambda a, b: np.array_equiv(a, b))(a, b) == np.array_equiv(a, b)


@pytest.mark.parametrize("kind", [np.int8, np.float32, np.complex64])
def test_transforms_along_no_axis_are_the_array(kind):
    for f in (np.fft.fftn, np.fft.ifftn):
        as_numpy(lambda x, f=f: f(x), kind(3))
        as_numpy(lambda x, f=f: f(x, axes=()), np.ones((2, 2), kind))


RANGES = ((3.5,), (-1.0,), (0.1, 1.0, 0.1), (1.0, 0.0, -0.1), (0, 1, 0.3), (0.3, 4.7, np.float64(0.7)), (5e-324, 1e-323, 1e300),
          (1e-323, 5e-324, 1e300), (0.0, 1.0, 0.0), (0.0, math.nan, 1.0), (0.0, math.inf, 1.0),
          (-0.0, 2.0), (0.0, 1.0, math.inf), (0.0, -5.0, 1e-300), (-0.0, 5000.0),
          (np.float32(0.3), np.float32(2.1), np.float32(0.1)), (np.uint8(1), np.uint8(9), np.uint8(3)))


@pytest.mark.parametrize("bounds", RANGES, ids=str)
def test_arange_of_numbers_that_only_a_call_knows(bounds):
    as_numpy(lambda *at: np.arange(*at), *bounds)
    as_numpy(lambda: np.arange(*bounds))
    if not all(type(x) is float for x in bounds):
        as_numpy(lambda *at: np.arange(*at, dtype=np.float32), *bounds)


def test_the_steps_of_arange_have_derivatives():
    slope = tg.grad(lambda a, h: np.sum(np.arange(a, 3.2, h) ** 2), (0, 1))(0.5, 0.5)
    assert slope == (sum(1 + k for k in range(6)), sum((1 + k) * k for k in range(6)))


def filled(x):
    y = np.nan_to_num(x, copy=False, nan=1.0, posinf=7.0, neginf=-7.0)
    y[0] = 5
    return x, y


def copied(x):
    y = np.nan_to_num(x)
    y[0] = 5
    return x, y


FINITE_AND_NOT = np.array([1, 2]), np.array([2.0, np.nan, -np.inf]), np.array([2, np.inf - 1j, complex(0, np.nan)])


@pytest.mark.parametrize("x", FINITE_AND_NOT)
def test_nan_to_num_in_place_and_as_a_copy(x):
    as_numpy(filled, x)
    as_numpy(copied, x)


def test_nan_to_num_in_place_of_an_array_without_axes():
    x = np.array(np.nan)
    assert tg.jit(lambda x: np.nan_to_num(x, copy=False, nan=2))(x) == 2.0 == x


@pytest.mark.parametrize("dtype", ["i8", "i4", "f4", "f8"])
def test_unwrap_has_the_dtype_of_its_operands(dtype):
    x = np.array([0, 75, 150, 225, 20, 130, 3, 127]).astype(dtype)
    for options in ({"period": 255}, {"period": 254}, {"period": 6.0}, {"discont": 200.0, "period": 255}, {}):
        as_numpy(lambda x, options=options: np.unwrap(x, **options), x)
    as_numpy(lambda x, d, p: np.unwrap(x, discont=d, period=p), x, 100.0, 255)
