"""Every elementwise NumPy function on many dtypes and broadcasting patterns: value, dtype, shape, scalar or array."""
from __future__ import annotations

import numpy as np
import pytest
from numpy_trace import check, expressions, run
from tracegrad.ir.errors import DTypeError
from tracegrad.tracer.values import ufuncs

import tracegrad as tg

RNG = np.random.default_rng(1)
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -0.3, 2.5, -2.5, 3.7, np.inf, -np.inf, np.nan])
REAL = np.concatenate([SPECIAL, RNG.standard_normal(4)])
SAMPLES = {
    "?": np.array([True, False, True]), "i1": np.array([3, -2, 0, 7, -128, 127], np.int8),
    "u1": np.array([3, 0, 255, 8], np.uint8),
    "i2": np.array([3, -2, 0], np.int16), "i4": np.array([3, -2, 0, 7], np.int32),
    "i8": np.array([3, -2, 0, 7, 10**12], np.int64),
    "u8": np.array([3, 0, 7, 2**63 + 5], np.uint64), "f4": REAL.astype(np.float32), "f8": REAL,
    "c16": np.array([1 + 2j, -0.5j, 2.0, -1.5 - 0.5j, 0]), "c8": np.array([1 + 2j, -0.5j, 2.0, -1.5 - 0.5j, 0], np.complex64),
}
SKIPPED = {np.gcd, np.lcm, np.isnat, np.matmul}
UFUNCS = sorted({u for u in vars(np).values() if isinstance(u, np.ufunc) and u.signature is None} - SKIPPED,
                key=lambda u: u.__name__)
LOOSE = {"tan": 1e-12, "power": 1e-9, "float_power": 1e-9, "logaddexp2": 1e-12, "spacing": 1e-300}


def test_every_ufunc_has_a_rule():
    own = [u for u in ufuncs.RULES if getattr(np, u.__name__, None) is u]            # scipy.special's stand there, too
    assert {u.__name__ for u in UFUNCS} == {u.__name__ for u in own}


def _agrees(fn, *args, tol):
    """check, where NumPy computes in a dtype that exists here; elsewhere a DTypeError."""
    try:
        with np.errstate(all="ignore"):
            want = fn(np, *args)
    except (TypeError, ValueError) as error:
        with pytest.raises(TypeError if isinstance(error, TypeError) else ValueError):
            run(fn, *args)
        return
    many = want if isinstance(want, tuple) else (want,)
    tol = 2e-3 if any(np.asarray(w).dtype == np.float16 for w in many) else tol
    if any(np.asarray(w).dtype == object for w in many):
        with pytest.raises(DTypeError):
            run(fn, *args)
        return
    try:
        check(fn, *args, tol=tol)
    except DTypeError as error:                       # about the format itself
        assert "np.spacing of float16" in str(error) or "np.nextafter of float16" in str(error)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("ufunc", [u for u in UFUNCS if u.nin == 1], ids=lambda u: u.__name__)
@pytest.mark.parametrize("dtype", SAMPLES)
def test_unary(ufunc, dtype):
    x = SAMPLES[dtype]
    fn = lambda np, x: getattr(np, ufunc.__name__)(x)           # noqa: E731
    if ufunc in (np.reciprocal,) and dtype[0] in "iu?":
        x = x[x != 0]
    _agrees(fn, x, tol=LOOSE.get(ufunc.__name__, 1e-13))
    _agrees(fn, x[0], tol=LOOSE.get(ufunc.__name__, 1e-13))


@pytest.mark.sweep(5)
@pytest.mark.parametrize("ufunc", [u for u in UFUNCS if u.nin == 2], ids=lambda u: u.__name__)
@pytest.mark.parametrize("left, right", [("f8", "f8"), ("f4", "f4"), ("i8", "i8"), ("i4", "i4"), ("i1", "i1"), ("u1", "u1"),
                                         ("?", "?"),
                                         ("i8", "f4"), ("u8", "i8"), ("i4", "u1"), ("c16", "c16"), ("f8", "c8"), ("?", "i2")])
def test_binary(ufunc, left, right):
    fn = lambda np, x, y: getattr(np, ufunc.__name__)(x, y)     # noqa: E731
    x, y = SAMPLES[left], SAMPLES[right][::-1]
    n = min(x.size, y.size)
    tol = LOOSE.get(ufunc.__name__, 1e-13)
    if "shift" in ufunc.__name__:
        y = np.abs(y) % 8 if right[0] in "iu" else y
    if ufunc is np.power and right[0] == "i":
        y = np.abs(y) % 5
        y = y.astype(SAMPLES[right].dtype)
    if ufunc is np.ldexp and right[0] in "iu":
        y = y % 50
    if ufunc in (np.power, np.float_power) and "c" in left + right:
        x, y = np.array([1 + 2j, 2.0, -1.5 - 0.5j]), np.array([2, 0.5, 1 + 1j])
        n = 3
    _agrees(fn, x[:n], y[:n], tol=tol)
    _agrees(fn, x[:, None], y[None, :n], tol=tol)
    _agrees(fn, x[:0], y[:0], tol=tol)
    _agrees(fn, x[:1], y[:n], tol=tol)
    _agrees(fn, x[0], y[:n], tol=tol)
    _agrees(fn, x[0], y[0], tol=tol)
    if left == right and left != "c16":
        _agrees(lambda np, x: getattr(np, ufunc.__name__)(x, 2), x, tol=tol)
        _agrees(lambda np, x: getattr(np, ufunc.__name__)(3, x), y, tol=tol)


@pytest.mark.parametrize("fn", expressions("np, x, y", globals(), """
    np.add(x, y, out=x)
    np.add(x, y, where=x > 0, out=x)
    np.sqrt(x, where=x > 0, out=y)
    np.multiply(x, y, dtype=np.float32)
    np.add(x, y, x)
    np.multiply.outer(x, y)
    np.add.outer(x, y[:2])
    np.subtract(x, y, casting="unsafe")
    np.divmod(x, y)
    np.add.reduce(x)
    np.maximum.reduce(x)
    np.multiply.accumulate(x)
    np.maximum.accumulate(x)
    np.logical_or.reduce(x > 0)
    np.less(x, 1, out=np.empty(4, bool))
"""))
def test_keywords_and_methods(fn):
    check(fn, np.array([1.0, -2.0, 3.0, 0.5]), np.array([0.5, 4.0, -1.0, 2.0]))


def test_powers_of_integers():
    check(lambda np, x: (x ** 2, x ** 3, x ** 0, x ** 1, 2 ** abs(x)), np.array([3, -2, 0, 7]))
    for bad in (-1, np.array([1, -1])):
        with pytest.raises(ValueError, match="Integers to negative integer powers are not allowed"):
            run(lambda np, x, y: np.power(x, y), np.array([3, 2]), np.asarray(bad))
    with pytest.raises(ValueError, match="Integers to negative integer powers are not allowed"):
        run(lambda np, x: x ** -1, np.array([3, 2]))


def test_zero_dimensional_arrays_give_scalars():
    check(lambda np, x: (np.sin(x), x + 1, x * x, -x, np.add(x, x), x > 0), np.array(0.5))
    check(lambda np, x: (np.sin(x), x + 1, np.sqrt(abs(x)), np.float32(x), np.int64(x), np.bool_(x)), 0.5)


@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_complex_exp_of_special_and_far_parts(dtype):
    """Signs of zeros, infinities without a direction, and factors that overflow where the product does not."""
    parts = [0.0, -0.0, 1.0, -1.5, np.inf, -np.inf, np.nan, 88.0, 100.0, 700.0, 710.0, 1408.0, -100.0, -744.0, -800.0, 1e-300,
             5e-324, 1e-40]
    with np.errstate(all="ignore"):
        z = np.array([complex(a, b) for a in parts for b in parts]).astype(dtype)
        want = np.exp(z)
        got = tg.jit(lambda z: np.exp(z))(z)
        for w, g in ((want.real, got.real), (want.imag, got.imag)):
            near = (w == g) | (np.abs(w - g) <= 4 * np.spacing(np.abs(w)))
            assert np.all(np.isnan(w) & np.isnan(g) | near & (np.signbit(w) == np.signbit(g)))
