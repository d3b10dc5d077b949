"""Boxes alone: operators, promotion, views and aliases, in-place writes, errors."""
from __future__ import annotations

import numpy as np
import pytest
from numpy_trace import check, expressions, run
from tracegrad.ir.errors import (
    BoundsError,
    ConcretizationError,
    DTypeError,
    ShapeError,
    TracegradError,
    UnsupportedError,
)
from tracegrad.tracer.values.boxes import lift

RNG = np.random.default_rng(0)
X = RNG.standard_normal(6)
A = RNG.standard_normal((3, 4))
CUBE = RNG.standard_normal((2, 3, 4))
INTS = np.array([3, -2, 0, 7, -5, 1])


@pytest.mark.parametrize("fn", expressions("np, x", globals(), """
    x + 1
    1 - x
    x * 2.5
    x / 3
    2 / x
    x // 0.3
    x % 0.7
    x ** 2
    x ** 3
    abs(x) ** 0.5
    x ** -1
    2.0 ** x
    -x
    +x
    abs(x)
    x < 0.1
    (x > 0) & (x < 1)
    ~(x > 0)
    divmod(x, 0.4)
    x @ x
    x == x
    x != 0
    (x > 0) | (x < -1)
    1j * x
    (x * 1j).real
    np.asarray([1.0, 2, 3, 4, 5, 6]) - x
    x + [1, 2, 3, 4, 5, 6]
    (x > 0) * 2
    (x > 0) + (x > 1)
    (x > 0) ^ (x > 1)
"""))
def test_array_operators(fn):
    check(fn, X)


@pytest.mark.parametrize("fn", expressions("np, x", globals(), """
    x + 1
    x * 2.5
    x / 2
    x // 2
    x % 3
    x // -2
    x % -3
    x ** 2
    x ** 3
    x << 2
    x >> 1
    x & 3
    x | 8
    x ^ 5
    ~x
    x // 0
    x % 0
    x / 0
    x < 2.5
    x + 1j
    divmod(x, 3)
    2.0 ** x
    7 // x
"""))
@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int16])
def test_integer_operators(fn, dtype):
    if dtype is np.int16:
        fn16 = fn
        try:
            with np.errstate(all="ignore"):
                found = fn16(np, INTS.astype(dtype))
        except TypeError:
            return
        if any(np.asarray(f).dtype == np.float16 for f in (found if isinstance(found, tuple) else (found,))):
            return
    check(fn, INTS.astype(dtype))


@pytest.mark.sweep(2)
@pytest.mark.parametrize("left", [np.float32(1.5), np.int8(3), np.uint8(200), True, 2, 0.5, 1j, np.float64(2.0),
                                  np.complex64(1 + 2j), np.int64(5)])
@pytest.mark.parametrize("right", [np.float32(1.5), np.int8(3), np.int64(2), 2, 0.5, np.array([1.5, 2.5], np.float32),
                                   np.array([1, 2], np.int32)])
@pytest.mark.parametrize("op", ["add", "sub", "mul", "truediv"])
def test_promotion(left, right, op):
    import operator
    if type(left) is bool:
        left = np.bool_(left)
    if op == "sub" and (isinstance(left, np.bool_) and isinstance(right, np.bool_)):
        return
    f = getattr(operator, op)
    with np.errstate(all="ignore"):
        want = f(left, right)
    if np.asarray(want).dtype == np.float16:
        with pytest.raises(DTypeError):
            run(lambda np, a, b: f(a, b), left, right)
    else:
        check(lambda np, a, b: f(a, b), left, right)


def test_python_scalars_stay_python_scalars():
    check(lambda np, a, b: (a + b, a * b, a - b, a / b, a // b, a % b, a ** 2, -a, abs(b), a < b, a == b, divmod(a, b)), 7, 3)
    check(lambda np, a, b: (a + b, a * b, a - b, a / b, a // b, a % b, a ** 2, -a, abs(b), a < b, a == b, divmod(a, b)), 7.5,
          -2.0)
    check(lambda np, a, b: (a + b, a * b, a / b, a ** 3, a < b), 7, 2.5)
    check(lambda np, a: (a + 1j, a * 1j, abs(a * 1j), (a + 2j).real, (a + 2j).imag, (a + 2j).conjugate()), 3.0)
    check(lambda np, a, b: (a & b, a | b, a ^ b, ~a, a << 2, a >> 1), 12, 10)


def test_python_integers_out_of_range():
    with pytest.raises(OverflowError, match="Python integer 300 out of bounds for uint8"):
        run(lambda np, x: x + 300, np.array([1], np.uint8))
    check(lambda np, x: (x < 300, x > 300, x == 300, x != -1, x > -1), np.array([1], np.uint8))


@pytest.mark.parametrize("a, b", [(np.array([-1, 5, 3]), np.array([2**63 + 5, 5, 2], np.uint64))])
def test_signed_against_unsigned(a, b):
    check(lambda np, a, b: (a < b, a <= b, a > b, a >= b, a == b, a != b, b < a, b >= a), a, b)


@pytest.mark.parametrize("error, fn", [
    (ZeroDivisionError, lambda np, a, b: a / b), (ZeroDivisionError, lambda np, a, b: a // b),
    (ZeroDivisionError, lambda np, a, b: a % b),
])
def test_python_division_by_zero(error, fn):
    for a, b in ((1, 0), (1.0, 0.0)):
        with pytest.raises(error):
            run(fn, a, b)


# --- views and aliases ----------------------------------------------------------------------------------------------

def _two_names(np, a):
    row = a[0]
    row[:] = 5.0
    col = a[:, 1]
    col *= 3.0
    return row, col


def _overlap(np, x):
    x[1:] = x[:-1]
    x[:3] += x[3:]


def _view_of_view(np, a):
    b = a[1:, ::2]
    c = b.T[::-1]
    c[0, 0] = 7.0
    c[1] += 1.0
    b[...] -= 0.5
    return a, b, c


def _reshape_view(np, a):
    flat = a.reshape(-1)
    flat[-1] = 99.0
    a[0, 0] = -1.0
    turned = a.T.reshape(-1)      # a copy
    turned[0] = 1000.0
    return a, flat, turned


def _transposed(np, a):
    a.T[0] += 1.0
    np.swapaxes(a, 0, 1)[1] = 4.0
    return a


def _ravel(np, a):
    r = a.ravel()
    r[0] = 5.0
    s = a[:, 1:].ravel()          # a copy
    s[0] = 7.0
    f = a.flatten()
    f[1] = 8.0
    return a, r, s, f


def _new_axes(np, a):
    b = a[:, None, :]
    b[0, 0, 0] = 3.0
    c = np.expand_dims(a, 0)
    c[0, 1] = 2.0
    d = np.squeeze(b)
    d[-1, -1] = -5.0
    return a, b, c, d


def _swap(np, x):
    x[0], x[2] = x[2], x[0]
    row = x[1:3].copy()
    x[1:3] = x[3:5]
    x[3:5] = row


def _parts(np, a):
    z = a + 1j * a
    z.real[0] = 5.0
    z.imag = 2.0
    z.real *= 2.0
    return z


def _zero_dim(np, a):
    s = np.array(1.5)
    s += 1.0
    s[...] = s * 2
    t = a[..., 0, 0]
    u = a[0, 0]
    t += 1.0
    return s, t, u, a


def _k_order(np, a):
    b = a.T * 2.0                 # keeps the order of memory
    flat = b.reshape(-1)          # a copy, for that reason
    flat[0] = 77.0
    other = b.T.reshape(-1)       # a view
    other[1] = 55.0
    return b, flat, other


def _merged_axes(np, a):
    v = a[:, ::2]
    w = v.reshape(-1)             # strides (4, 2): one axis of stride 2, hence a view
    w[0] = 9.0
    return a, w


def _diagonal_and_flip(np, a):
    np.flip(a, 0)[0] = 1.0
    np.fliplr(a)[:, 0] += 2.0
    np.rot90(a)[0, 0] = 11.0
    return np.diagonal(a), np.rot90(a, 2), np.rot90(a, 3)


@pytest.mark.parametrize("fn, arg", [
    (_two_names, A), (_overlap, X), (_view_of_view, A), (_reshape_view, A), (_transposed, A), (_ravel, A), (_new_axes, A),
    (_swap, X),
    (_parts, A), (_zero_dim, A), (_k_order, A), (_merged_axes, A), (_diagonal_and_flip, A),
])
def test_aliases(fn, arg):
    check(fn, arg)


def test_in_place_casting():
    with pytest.raises(DTypeError,
                       match=r"Cannot cast ufunc 'add' output from dtype\('float64'\) to dtype\('int64'\) with casting rule "
                             r"'same_kind'"):
        run(lambda np, x: x.__iadd__(1.5), INTS)
    with pytest.raises(DTypeError, match="Cannot cast ufunc 'divide' output"):
        run(lambda np, x: x.__itruediv__(2), INTS)
    with pytest.raises(ShapeError,
                       match=r"non-broadcastable output operand with shape \(4,\) doesn't match the broadcast shape \(3, ?4\)"):
        run(lambda np, a: a[0].__iadd__(a), A)

    def narrow(np, x, y):
        x += y
        x **= 2
        x -= 1
        x[1:] *= 2
        return x

    check(narrow, X.astype(np.float32), X)


def test_assignment_casts_freely():
    def write(np, x, y):
        x[:] = y * 2.5
        x[0] = True
        x[1] = 3.99

    check(write, INTS, X)


@pytest.mark.parametrize("error, message, fn", [
    (BoundsError, "index 9 is out of bounds for axis 0 with size 6", lambda np, x: x[9]),
    (BoundsError, "too many indices for array: array is 1-dimensional, but 2 were indexed", lambda np, x: x[1, 2]),
    (ShapeError, r"operands could not be broadcast together with shapes \(6,\) \(4,\)", lambda np, x: x + x[:4]),
    (ShapeError, r"could not broadcast input array from shape \(4,\) into shape \(3,\)", lambda np,
     x: x.__setitem__(slice(0, 3), x[:4])),
    (ConcretizationError, "needs a number", lambda np, x: float(x[0])),
    (ConcretizationError, "truth value", lambda np, x: bool(x[0] > 0)),
    (UnsupportedError, "np.packbits cannot be compiled", lambda np, x: np.packbits(x)),
    (DTypeError, "float128", lambda np, x: x.astype("longdouble")),
    (DTypeError, "object", lambda np, x: x + np.asarray([None] * 6)),
    (UnsupportedError, "ndarray.tobytes", lambda np, x: x.tobytes()),
])
def test_errors(error, message, fn):
    with pytest.raises(error, match=message):
        run(fn, X)


def test_a_captured_array_is_read_and_not_written():
    table = np.arange(6.0)
    check(lambda np, x: x + table, X)
    strided = np.arange(24.0).reshape(4, 6)
    for held in (strided[::2, ::-1][0], strided.T[:, 1], strided[:, ::3].T[0]):
        n = held.shape[0]
        check(lambda np, x, held=held, n=n: x[:n] * held, X)
    check(lambda np, x: np.sum(strided.T) + np.sum(strided[:, ::2]) + np.sum(strided[::-1]), X)
    with pytest.raises(UnsupportedError, match="made outside"):
        run(lambda np, x: np.add.at(table, [0], x[:1]), X)
    for held in (table, strided, strided.T, strided[::2, ::3], strided[::-1]):
        with pytest.raises(TracegradError, match=r"made outside|read-only"):
            run(lambda np, x, held=held: lift(held).T[1:].__setitem__(0, x[0]), X)
