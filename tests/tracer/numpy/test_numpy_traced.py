"""NumPy in functions as users write them, through the whole tracer: captured arrays, builtins, objects of NumPy."""
from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import trace_check
from tracegrad.ir.errors import TracegradError, UnsupportedError

RNG = np.random.default_rng(7)
TABLE = RNG.standard_normal(8)
MATRIX = RNG.standard_normal((4, 6))[:, ::2]
SIZES = np.array([2, 3])
X = RNG.standard_normal(6)
GAIN = np.float64(1.5)


def captured_by_counter(n):
    total = 0.0
    for i in range(n):
        total += TABLE[i] * MATRIX[i % 4, 1]
    return total


def captured_by_array(i, m):
    return TABLE[i] * 2, MATRIX[:, i % 3], TABLE[m], TABLE[: i[0] + 1]


def captured_in_products(x):
    return MATRIX.T @ x[:4] + MATRIX.sum(axis=0), GAIN * x, np.dot(TABLE[:6], x), np.zeros(SIZES) + x[0]


def columns(x):
    return np.c_[x, x ** 2], np.r_[x, 0.0, x[:2]]


def extremes(x):
    return min(x), max(x), min(x[0], 0.5), max(1, 2.0, x[1]), min(x[0], x[1], x[2]), sum(x), sum([x[0], x[1]]), abs(x[2])


def conversions(x, n):
    numbers = int(x[0] * 10), float(n), bool(n), complex(x[0], x[1]), round(x[0] * 7), round(x[1], 2), divmod(n, 3), pow(n, 2)
    return numbers, len(x), any(x > 1), all([n > 1, x[0] < 9])


def mathematics(x, n):
    whole = math.sqrt(n) + math.floor(x[0] * 3)
    return whole, math.hypot(x[0], x[1]), math.atan2(n, 2), math.exp(x[2]), math.pi * x, math.isnan(x[0])


def scalar_types(x):
    made = np.float32(x[0]), np.int64(x[1] * 9), x.dtype.type(2), np.finfo(x.dtype).eps * x, np.ones(3, x.dtype)
    made += np.finfo(float(x[0])).eps, np.finfo(x[0]).max, np.iinfo(int(x[1])).max
    return made, x.astype("float32"), x.astype(np.int8)


def written_in_place(x):
    y = np.zeros((2, 6))
    y[0] = x
    y[1, ::2] = y[0, ::2] ** 2
    y[:, -1] += [1.0, 2.0]
    z = y.T
    z[0] *= 5
    np.add.at(y, (0, [1, 1]), x[:2])
    np.multiply(y, 2, out=y)
    a, b, *rest = x
    return y, a * b + len(rest), [v * 2 for v in x[:2]]


def copied(x):
    held = {"a": x, "b": [x[0], x * 2]}
    other, again = copy.deepcopy(held), copy.copy(x)
    other["a"][0] = 9.0
    again[1] = 8.0
    return held, other, again


def by_parts(x):
    out = np.full(x.shape, np.nan)
    out[x > 0] = np.log(x[x > 0])
    out[x <= 0] = x[x <= 0] ** 2
    return out, np.where(x > 0, x, 0).sum(), x[np.argsort(x)], x[::-1].cumsum()


@pytest.mark.parametrize("fn, args", [
    (captured_by_counter, (8,)), (captured_by_array, (np.array([2, 0, 7]), TABLE > 0)), (captured_in_products, (X,)),
    (columns, (X,)), (extremes, (X,)),
    (conversions, (X, 5)), (mathematics, (X, 5)), (scalar_types, (X,)), (written_in_place, (X,)), (by_parts, (X,)),
    (copied, (X,)),
])
def test_idioms(fn, args):
    trace_check.check(fn, *args)


def test_a_captured_array_is_read_at_run_time():
    table = np.arange(3.0)
    traced = trace_check.trace_function.trace(lambda x: x * table, (np.ones(3),))
    table[:] = 7.0
    (out,) = trace_check.interp.run(traced.function, np.ones(3))[:1]
    np.testing.assert_array_equal(out, np.full(3, 7.0))


def writes_captured(x):
    TABLE[0] = x[0]


def common(x):
    return np.unpackbits(x)


@pytest.mark.parametrize("fn, words", [
    (writes_captured, "outside"),
    (common, "np.unpackbits cannot be compiled"),
])
def test_refusals_name_the_line(fn, words):
    with pytest.raises(UnsupportedError, match=words) as caught:
        trace_check.trace_function.trace(fn, (X,))
    error: TracegradError = caught.value
    assert error.remedy and error.loc and error.loc[-1].function == fn.__name__
