"""Reductions and cumulative functions: axes, keepdims, dtypes, initial, where, empty arrays."""
from __future__ import annotations

import operator

import numpy as np
import pytest
from numpy_trace import check, expressions, run

import tracegrad as tg

RNG = np.random.default_rng(3)
CUBE = RNG.standard_normal((2, 3, 4))
ARRAYS = {
    "f8": CUBE, "f4": CUBE.astype(np.float32), "i8": (CUBE * 9).astype(np.int64), "i2": (CUBE * 9).astype(np.int16),
    "u1": np.abs(CUBE * 40).astype(np.uint8), "?": CUBE > 0, "c16": CUBE + 1j * CUBE[::-1], "1": CUBE[:1, :1, :1],
    "line": CUBE[0, 0],
    "0d": np.array(2.5), "nan": np.where(CUBE > 0.8, np.nan, CUBE),
}
REDUCE = ["sum", "prod", "mean", "var", "std", "max", "min", "any", "all", "argmax", "argmin", "ptp", "count_nonzero", "median",
          "nansum", "nanprod",
          "nanmean", "nanmax", "nanmin", "nanvar", "nanstd", "average"]
CUMULATE = ["cumsum", "cumprod", "nancumsum", "nancumprod"]


def _computable(fn, x):
    with np.errstate(all="ignore"):
        try:
            want = fn(np, x)
        except (TypeError, ValueError):
            return False
    return np.asarray(want).dtype != np.float16


@pytest.mark.sweep(5)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REDUCE + CUMULATE)
@pytest.mark.parametrize("dtype", ARRAYS)
def test_axes(name, dtype):
    x = ARRAYS[dtype]
    if dtype == "c16" and name in ("argmax", "argmin", "max", "min", "ptp", "median", "nanmax", "nanmin"):
        return
    axes = [None, 0, -1] + ([1] if x.ndim == 3 else [])
    if name not in ("argmax", "argmin", *CUMULATE) and x.ndim == 3:
        axes += [(0, 2), (1, 0), (0, 1, 2)]
    for axis in axes:
        if x.ndim == 0 and axis is not None:
            continue
        fns = [lambda np, x, name=name, axis=axis: getattr(np, name)(x, axis=axis)]
        if name not in CUMULATE and (name, x.ndim) != ("median", 0):
            fns.append(lambda np, x, name=name, axis=axis: getattr(np, name)(x, axis=axis, keepdims=True))
        if hasattr(np.ndarray, name):
            fns.append(lambda np, x, name=name, axis=axis: getattr(x, name)(axis))
        for fn in fns:
            if _computable(fn, x):
                check(fn, x, tol=2e-6 if dtype == "f4" else 1e-11)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("fn", expressions("np, x, m", globals(), """
    np.sum(x, initial=3.0)
    np.sum(x, axis=1, where=m)
    np.prod(x, where=m, initial=2)
    np.max(x, axis=0, initial=0.5)
    np.max(x, where=m, initial=-1)
    np.min(x, axis=(0, 1), where=m, initial=9)
    np.mean(x, where=m)
    np.mean(x, axis=1, where=m)
    np.var(x, ddof=1)
    np.std(x, axis=0, ddof=1)
    np.var(x, axis=2, where=m)
    np.sum(x, dtype=np.float32)
    np.sum(m, dtype=np.int8)
    np.any(x > 1, axis=0, where=m)
    np.all(x > -9, where=m)
    np.sum(x, out=np.zeros(()))
    np.sum(x, axis=0, out=np.ones((3, 4)))
    np.mean(x, axis=0, dtype=np.float32)
    np.sum(x, axis=())
    np.average(x, axis=1, weights=np.array([1.0, 2.0, 3.0]))
    np.average(x, weights=np.abs(x))
    np.average(x, axis=0, weights=np.abs(x), returned=True)
    np.cumsum(x, axis=1, dtype=np.float32)
    np.nanargmax(np.where(m, x, np.nan))
    np.count_nonzero(m, axis=(0, 1))
    np.trace(x)
    np.trace(x, 1, 1, 2)
    np.sum([x, x])
    np.quantile(x, 0.3)
    np.quantile(x, [0.0, 0.25, 1.0], axis=1)
    np.percentile(x, 70, axis=0)
    np.percentile(x, [10, 90], axis=(0, 2), keepdims=True)
    np.median(x[0, :, :3], axis=1, keepdims=True)
    np.cumulative_sum(x, axis=1, include_initial=True)
    np.cumulative_prod(x, axis=2)
    x.sum(0).mean()
    np.nanmean(np.where(m, x, np.nan), axis=0)
    x.max(axis=-1, keepdims=True)
    (np.amax(x), np.amin(x, 0))
    np.add.reduce(x, axis=(0, 1))
    np.add.accumulate(x, axis=1)
    np.minimum.reduce(x, axis=2, keepdims=True)
    np.logical_and.reduce(m)
    np.sum(2.5)
    np.max(x[0, 0, 0])
    np.mean(x[0, 0, 0])
"""))
def test_options(fn):
    check(fn, CUBE, CUBE > -0.5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_empty(shape):
    x = np.zeros(shape)
    for name in ("sum", "prod", "mean", "any", "all", "cumsum", "std", "median", "count_nonzero"):
        for axis in (None, 0, -1):
            check(lambda np, x, name=name, axis=axis: getattr(np, name)(x, axis=axis), x)
    for name, word in (("max", "maximum"), ("min", "minimum")):
        with pytest.raises(ValueError, match=f"zero-size array to reduction operation {word} which has no identity"):
            run(lambda np, x, name=name: getattr(np, name)(x), x)
    with pytest.raises(ValueError, match="attempt to get argmax of an empty sequence"):
        run(lambda np, x: np.argmax(x), x)
    if len(shape) == 2:
        for axis in (0, 1):
            if shape[axis]:
                check(lambda np, x, axis=axis: np.max(x, axis=axis), x)


@pytest.mark.parametrize("name", ["sum", "prod", "max", "any", "all", "ptp", "argmax", "nansum", "count_nonzero",
                                  "logical_and.reduce", "add.reduce", "hypot.reduce"])
def test_axis_of_no_axes(name):
    """A ufunc takes axis 0 and -1 of an array that has none."""
    for axis in (0, -1):
        check(lambda np, x, axis=axis: operator.attrgetter(name)(np)(x, axis=axis), np.array(2.5))
    with pytest.raises(np.exceptions.AxisError):
        run(lambda np, x: operator.attrgetter(name)(np)(x, axis=1), np.array(2.5))


def test_flip_has_no_axis_of_no_axes():
    with pytest.raises(np.exceptions.AxisError):
        run(lambda np, x: np.flip(x, 0), np.array(2.5))


def test_empty_at_run_time():
    for fn in (lambda np, x: np.max(x[x > 100]), lambda np, x: x[x > 100].min(), lambda np, x: np.argmin(x[x > 100])):
        with pytest.raises(ValueError, match=r"zero-size|empty sequence"):
            run(fn, CUBE[0, 0])
    check(lambda np, x: (np.sum(x[x > 100]), np.max(x[x > 0]), np.mean(x[x > 0]), np.std(x[x > 0]), np.median(x[x > -1]),
                         np.argmax(x[x > -1])), CUBE.ravel())


def test_errors():
    with pytest.raises(np.exceptions.AxisError, match="axis 3 is out of bounds for array of dimension 3"):
        run(lambda np, x: np.sum(x, axis=3), CUBE)
    with pytest.raises(ValueError, match="duplicate value in 'axis'"):
        run(lambda np, x: np.sum(x, axis=(0, 0)), CUBE)


@pytest.mark.parametrize("n", [1, 2, 6, 33, 100])
def test_sums_of_negative_zeros(n):
    """A sum starts from 0.0."""
    def sums(x):
        return np.sum(x), sum(x), np.mean(x), np.einsum("i->", x), x @ np.ones(n)

    x = np.full(n, -0.0)
    assert np.signbit(sums(x)).tolist() == np.signbit(tg.jit(sums)(x)).tolist()
    assert tg.grad(lambda x: np.sum(np.abs(np.sum(x, axis=0)) ** 2))(np.full((1, n), 3.0)).tolist() == [[6.0] * n]


@pytest.mark.parametrize("z", [[-0.0, -0.0], [-0.0, 0.0], [-1.0, 1.0], [-0.0, -2.0], []])
def test_sum_that_starts_from_negative_zero(z):
    def total(a):
        return np.sum(a, initial=-0.0)

    a = np.array(z)
    got, want = tg.jit(total)(a), total(a)
    assert got == want and np.signbit(got) == np.signbit(want)
    assert np.array_equal(tg.grad(total)(a), np.ones(a.shape))
