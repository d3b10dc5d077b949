"""What compiled code takes from Python and not from NumPy: decimal rounding, texts of containers, whole numbers of any size
beside small ones, floats stored as whole numbers, values that are equal and not the same."""
from __future__ import annotations

import cmath
import contextlib
import enum
import io
import itertools
import math
import operator
import random

import numpy as np
import pytest

import tracegrad as tg


@pytest.mark.parametrize("digits", [0, 1, 2, 3, 8, 15, 22, -1, -2])
def test_round_is_correct_in_decimal(digits):
    draw = random.Random(digits)
    xs = [2.675, 1.005, 12345.675, 0.145, 8.115, 0.35, 0.25, 1.45, -0.5, -2.675, 1e300, 1e16 + 2, math.inf, 5e-324, -0.0, 2.5,
          1250.0, 1350.0, -1250.0, 1e15 + 0.3, 4503599627370497.5, *[draw.uniform(-10, 10) for _ in range(200)],
          *[draw.randint(-9999, 9999) / 8 for _ in range(100)],
          *[draw.randint(-9999, 9999) / 1000 + 0.0005 for _ in range(100)]]
    f = tg.jit(lambda x: round(x, digits))
    assert [repr(f(x)) for x in xs] == [repr(round(x, digits)) for x in xs]
    assert math.isnan(f(math.nan)) and tg.grad(lambda x: round(x, digits) * x)(2.5) == round(2.5, digits)


def test_static_values_that_are_equal_and_not_the_same():
    f = tg.jit(lambda x, k: (k, math.copysign(x, k[0])), static_argnums=1)
    for k in ((1,), (True,), (1.0,), (0.0,), (-0.0,), (0,), (False,), (1.0, (0.0, 1)), (1.0, (-0.0, True)), (1 + 0j and 1.0,)):
        assert repr(f(2.0, k)) == repr((k, math.copysign(2.0, k[0])))
    g = tg.jit(lambda x, k: x if k != k else -x, static_argnums=1)
    assert [g(1.0, float("nan")) for _ in range(3)] == [1.0] * 3 and g.cache_info().misses == 1


class Mode(enum.Enum):
    FAST = 1


class Off(enum.IntEnum):
    OFF = 0


def test_truth_of_enumerations():
    f = tg.jit(lambda x, m: x if m else -x)
    assert f(1.0, Mode.FAST) == 1.0 and f(1.0, Off.OFF) == -1.0


def printed(f, *args):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        f(*args)
    return out.getvalue()


@pytest.mark.parametrize("f", [
    lambda x: print({"a": x}), lambda x: print({"a": [x, {"b": (x,)}], 3: "c"}), lambda x: print([x], (x,), [[x], "s"]),
    lambda x: print(format(x, ".3f"), f"{x:8.2f}|", str({"k": x}))])
def test_texts_of_containers(f):
    for x in (2.5, np.float64(2.5)):
        assert printed(tg.jit(f), x) == printed(f, x)


def test_a_text_of_a_number_is_a_result():
    for x in (1.37, -0.0, np.float32(2.5)):
        assert tg.jit(lambda x: format(x, ".2f"))(x) == format(x, ".2f")


def outcome(f, *args):
    try:
        return f(*(a.copy() if isinstance(a, np.ndarray) else a for a in args))
    except Exception as error:
        return type(error)


def as_python(f, g, *args):
    want, got = outcome(f, *args), outcome(g, *args)
    if isinstance(want, type):
        assert isinstance(got, type) and issubclass(got, want), (want, got)
    else:
        assert np.array_equal(want, got) and got.dtype == want.dtype, (want, got)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_floats_stored_as_whole_numbers(dtype):
    def stored(a, v):
        a[0] = v
        return a

    compiled = tg.jit(stored)
    for v in (math.nan, math.inf, -math.inf, 2.7, -2.7, 300.0, -1.0, 1e30, 127.9, 255.5):
        as_python(stored, compiled, np.arange(3).astype(dtype), v)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint64, np.int8, np.int64])
def test_comparison_with_python_ints(dtype):
    a = np.array([0, 1, 100], dtype)
    for f in (lambda a, n: a < n, lambda a, n: a <= n, lambda a, n: a == n, lambda a, n: a != n, lambda a, n: n > a,
              lambda a, n: n >= a):
        g = tg.jit(f)
        for n in (-1, 0, 1, 100, 255, 256, -2**63, 2**62):
            as_python(f, g, a, n)


def test_iterators_with_a_state():
    def counted(n):
        c, k = itertools.count(), 0
        for _ in range(n):
            k = next(c)
        return k

    assert tg.jit(counted)(5) == 4


def test_the_names_of_the_running_program():
    assert tg.jit(lambda x: x * globals()["SCALE"])(2.0) == 6.0
    for f in (lambda x: x * len(locals()), lambda x: x * eval("3.0"), lambda x: x * len(vars())):
        with pytest.raises(tg.UnsupportedError, match="names are those of the running program"):
            tg.jit(f)(1.0)


SCALE = 3.0


def test_floating_point_errors_are_refused_or_ignored():
    def quiet(x):
        with np.errstate(divide="ignore"):
            return 1.0 / x

    def loud(x):
        with np.errstate(all="raise"):
            return 1.0 / x

    assert tg.jit(quiet)(np.zeros(2)).tolist() == [np.inf, np.inf]
    with pytest.raises(tg.UnsupportedError, match="neither warns nor raises"):
        tg.jit(loud)(np.zeros(2))


class Level(enum.IntEnum):
    low = 1
    high = 300


def test_members_of_int_enumerations_are_ints_beside_python_numbers():
    f = lambda x: x - Level.low if x > Level.high else x + Level.low        # noqa: E731
    for x in (400, 2, 2.5, np.int64(7)):
        found = tg.jit(f)(x)
        assert found == f(x) and type(found) is type(f(x))


@pytest.mark.parametrize("name", ["acos", "acosh", "asin", "asinh", "atan", "atanh", "log10", "isfinite", "isinf", "isnan"])
def test_cmath(name):
    f = getattr(cmath, name)
    for z in (1 + 2j, -0.5 - 0.3j, complex("inf"), complex(0.3, float("-inf")), 0.25, -3.0, complex("nan")):
        found, wanted = tg.jit(lambda z: f(z))(z), f(z)
        assert type(found) is type(wanted)
        np.testing.assert_allclose(found, wanted, rtol=4e-16)
    if not name.startswith("is"):
        step = 1e-6
        (slope,) = tg.vjp(lambda x: f(complex(x, 0.4)).real, 0.3)[1](1.0)
        np.testing.assert_allclose(slope, (f(0.3 + step + 0.4j) - f(0.3 - step + 0.4j)).real / (2 * step), rtol=1e-8)


def test_the_opposite_of_a_users_equality():
    class Point:
        def __init__(self, x):
            self.x = x

        def __eq__(self, other):
            return self.x == other.x if isinstance(other, Point) else NotImplemented

    def f(x, y):
        count = 0
        for k in range(3):
            count += Point(x) != Point(float(k))
        return Point(x) != Point(y), Point(x) == Point(y), Point(x) != 3, 1 if Point(x) != Point(y) else 2, count

    for args in ((1.0, 2.0), (1.0, 1.0)):
        assert tg.jit(f)(*args) == f(*args)


@pytest.mark.parametrize("f", [
    lambda s, k: s.find("l", k), lambda s, k: s.center(k), lambda s, k: s.zfill(k), lambda s, k: s.split("l", k),
    lambda s, k: s.replace("l", "x", k), lambda s, k: s.startswith("l", k), lambda s, k: s.count("l", 0, k),
], ids=["find", "center", "zfill", "split", "replace", "startswith", "count"])
def test_positions_and_widths_of_texts(f):
    for k in (1, 3, 12):
        assert tg.jit(f)("hello", k) == f("hello", k)


def test_positions_of_texts_in_a_loop():
    def places(text, part):
        at = count = 0
        while text.find(part, at) >= 0:
            at = text.find(part, at) + 1
            count += at
        return count

    assert tg.jit(places)("hello", "l") == places("hello", "l") == 7


def test_cmath_isclose():
    f = tg.jit(lambda a, b, t: cmath.isclose(a, b, rel_tol=t))
    for a, b in ((1 + 2j, 1 + 2.001j), (1 + 2j, 1 + 2j), (0j, 1e-20j)):
        for t in (1e-9, 1e-2):
            assert f(a, b, t) is cmath.isclose(a, b, rel_tol=t)


def test_exceptions_hold_numpy_numbers():
    def raising(a):
        if a == 0:
            raise ValueError(np.int64(-7))
        raise ValueError(np.float32(0.5), a)

    for a in (0, 1):
        with pytest.raises(ValueError) as caught:
            tg.jit(raising)(a)
        with pytest.raises(ValueError) as wanted:
            raising(a)
        assert caught.value.args == wanted.value.args
        assert [type(x) for x in caught.value.args] == [type(x) for x in wanted.value.args]


def test_operator_index():
    f = tg.jit(operator.index)
    for x in (3, np.int8(-4), True):
        assert f(x) == operator.index(x) and type(f(x)) is int
    with pytest.raises(TypeError, match="'float' object cannot be interpreted as an integer"):
        f(2.5)


@pytest.mark.parametrize("extreme", [min, max])
def test_extremes_of_nothing(extreme):
    above = tg.jit(lambda x, default: extreme(x[x > 2], default=default))
    for x in (np.arange(3.0), np.arange(5.0), np.arange(3)):
        assert above(x, 7.0) == extreme(x[x > 2], default=7.0)
    assert tg.jit(lambda x: extreme(x, default=7))(np.zeros(0)) == 7
    assert tg.grad(lambda x: extreme(x[x > 0], default=7.0) * x[0])(np.array([-1.0, -2.0])).tolist() == [7, 0]
    with pytest.raises(ValueError, match="size 1"):
        tg.jit(lambda x: x.item())(np.zeros(3))


NAMES = ("__iter__", "__len__", "__getitem__", "shape", "ndim", "is_integer", "bit_length", "__index__", "__call__", "read",
         "weak", "dims", "append", "__array__", "real", "item")


@pytest.mark.parametrize("x", [1, 1.5, True, 2j, np.float64(1.0), np.int32(2), np.ones(2), np.array(3.0)])
def test_attributes_that_a_value_has(x):
    def has(x):
        return tuple([hasattr(x, name) for name in NAMES]), bool(getattr(x, "__iter__", False)), getattr(x, "weak", 7)

    assert tg.jit(has)(x) == has(x)


def test_attributes_that_a_value_has_not():
    with pytest.raises(AttributeError, match="'float' object has no attribute 'shape'"):
        tg.jit(lambda x: x.shape)(1.0)
    with pytest.raises(AttributeError, match="has no attribute 'weak'"):
        tg.jit(lambda x: x.weak)(np.ones(2))


def test_the_namespace_and_the_class_of_an_array():
    def sines(x):
        xp = x.__array_namespace__() if hasattr(x, "__array_namespace__") else None
        return xp.sin(x), x.__class__ is np.ndarray, x[0].__class__, xp is x[0].__array_namespace__(api_version="2023.12")

    got, want = tg.jit(sines)(np.ones(2)), sines(np.ones(2))
    assert np.array_equal(got[0], want[0]) and got[1:] == want[1:] == (True, np.float64, True)


def test_the_same_item_is_equal_in_containers():
    def equal(x, a):
        dicts = {"a": x} == {"a": x}, {"a": a, "x": x} == {"x": x, "a": a}
        return (x,) == (x,), [x, 1] != [x, 1], (x, 1) < (x, 2), [a] == [a], *dicts

    assert tg.jit(equal)(np.nan, np.ones(2)) == equal(np.nan, np.ones(2)) == (True, False, True, True, True, True)
