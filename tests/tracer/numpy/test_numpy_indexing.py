"""Indexing: reads and writes of every kind of key, on several shapes, against NumPy."""
from __future__ import annotations

import numpy as np
import pytest
from numpy_trace import check, expressions, run
from tracegrad.ir.errors import BoundsError

import tracegrad as tg

RNG = np.random.default_rng(2)
X = RNG.standard_normal(7)
A = RNG.standard_normal((4, 5))
CUBE = RNG.standard_normal((3, 4, 5))
FOUR = RNG.standard_normal((2, 3, 4, 5))
S = slice

BASIC = [
    (X, 0), (X, -1), (X, S(None)), (X, S(1, None)), (X, S(None, -1)), (X, S(None, None, -1)), (X, S(5, 1, -2)),
    (X, S(-3, None)), (X, S(10, 20)),
    (X, S(-20, 3)), (X, S(4, 2)), (X, None), (X, (None, S(2, 5))), (X, Ellipsis), (X, (Ellipsis, 2)), (X, S(6, None, -3)),
    (X, S(None, None, 3)),
    (A, 1), (A, (1, 2)), (A, (-1, -2)), (A, (S(None), 2)), (A, (S(1, 3), S(None, None, 2))), (A, (Ellipsis, 0)),
    (A, (0, Ellipsis)),
    (A, (1, 2, Ellipsis)), (A, (S(None), None)), (A, (None, 1, None, S(2))), (A, (S(None, None, -1), S(3, 0, -1))), (A, ()),
    (CUBE, (0, S(None), 1)), (CUBE, (Ellipsis, None)), (CUBE, (S(1, 2), 2)), (CUBE, (S(None), -1, S(None, None, -2))),
    (CUBE, (2, 3, 4)),
]
I1, I2 = np.array([2, 0, -1]), np.array([[1, 2], [0, -1], [3, 1]])
ADVANCED = [
    (X, I1), (X, I2), (X, [0, 2]), (X, [-1]), (X, []), (X, (I1,)), (X, (None, I1)), (A, I1), (A, (I1, [0, 1, 2])),
    (A, (S(None), I1)),
    (A, (I1, 2)), (A, (1, I1)), (A, (S(1, 4), I2)), (A, (I2, S(None, None, -1))), (A, (I1, None)), (A, (None, I1)),
    (A, (I1[:, None], [0, 3])),
    (CUBE, (I1, S(None), [0, 1, 2])), (CUBE, (0, S(None), I1)), (CUBE, (I1, [0, 1, 2])), (CUBE, (S(None), I1, [0, 1, 2])),
    (CUBE, (0, I1)),
    (CUBE, (S(None), 1, I1)), (CUBE, (I1, Ellipsis)), (CUBE, (Ellipsis, I2)), (CUBE, (S(0, 2), S(1, None), I1)),
    (CUBE, (I1, 0, S(None))),
    (CUBE, (I1, S(None), 0)), (CUBE, ([1], None, I1)), (FOUR, (S(None), I1, S(1, 3), 2)), (FOUR, (0, I1, S(None), I1)),
    (FOUR, (S(None), I1, I1)), (FOUR, (1, S(None), I2)), (FOUR, (S(None), S(None, None, -1), I2, 1)),
    (X, np.array([], np.int64)),
    (X, np.array([1, 2], np.uint8)), (CUBE, (np.array(1),)), (A, (np.array(1), np.array(2))),
]


def _label(case):
    return str(case[1]).replace("None", "")[:40]


@pytest.mark.parametrize("x, key", BASIC + ADVANCED)
def test_read(x, key):
    check(lambda np, x: x[key], x)


def _arrays_of(key):
    """The arrays of a key, and a function that puts others in their places: so that they can be arguments."""
    key = key if isinstance(key, tuple) else (key,)
    spots = [k for k, e in enumerate(key) if isinstance(e, (np.ndarray, list)) and np.size(e)]

    def fill(arrays):
        out, it = list(key), iter(arrays)
        for k in spots:
            out[k] = next(it)
        return tuple(out)

    return [np.asarray(key[k]) for k in spots], fill


@pytest.mark.parametrize("x, key", ADVANCED)
def test_read_with_traced_arrays(x, key):
    arrays, fill = _arrays_of(key)
    check(lambda np, x, *i: x[fill(i)], x, *arrays)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("x, key", BASIC + ADVANCED)
def test_write(x, key):
    shape = np.shape(x[key])
    full = RNG.standard_normal(shape)

    def write(np, x, v):
        x[key] = v

    check(write, x, full)
    check(write, x, 2.5)
    check(write, x, 3)
    if shape and 0 not in shape:
        check(write, x, full[..., :1])
        check(write, x, full[None])
        check(write, x, full[0])

    def accumulate(np, x, v):
        x[key] += v
        x[key] *= 2

    check(accumulate, x, full)


@pytest.mark.parametrize("x, key", ADVANCED)
def test_write_with_traced_arrays(x, key):
    arrays, fill = _arrays_of(key)
    full = RNG.standard_normal(np.shape(x[key]))

    def write(np, x, v, *i):
        x[fill(i)] = v

    check(write, x, full, *arrays)
    if arrays:
        check(lambda np, x, v, *i: np.add.at(x, fill(i), v), x, full, *arrays)
        check(lambda np, x, *i: np.subtract.at(x, fill(i), 2), x, *arrays)


def test_add_at_repeats():
    check(lambda np, x, i, v: np.add.at(x, i, v), np.zeros(4), np.array([0, 1, 1, -1, 1]), RNG.standard_normal(5))
    check(lambda np, x, i, v: np.add.at(x, i, v), np.zeros(4, int), np.array([0, 1, 1, -1, 1]), 1)
    check(lambda np, x, i, j: np.add.at(x, (i, j), 1.5), np.zeros((3, 3)), np.array([0, 1, 1]), np.array([2, 0, 0]))
    check(lambda np, x, i, v: np.add.at(x, i, v), np.zeros((4, 2)), np.array([0, 1, 1]), RNG.standard_normal((3, 2)))


@pytest.mark.parametrize("function, values", [(np.add, ()), (np.multiply, ()), (np.negative, (1.0,))])
def test_at_says_what_it_takes(function, values):
    with pytest.raises(ValueError, match="second operand"):
        run(lambda np, x: function.at(x, [0, 1], *values), X.copy())


@pytest.mark.sweep(2)
@pytest.mark.parametrize("lo, hi", [(0, 3), (2, 5), (-4, -1), (3, 1), (0, 100), (-100, 2), (5, 7), (7, 7), (4, -5)])
def test_slices_with_traced_bounds(lo, hi):
    # bounds that come from data: an element of an integer array
    bounds = np.array([lo, hi])
    for fn in (lambda np, x, b: x[b[0]:b[1]], lambda np, x, b: x[b[0]:], lambda np, x, b: x[:b[1]], lambda np, x,
               b: x[b[0]:b[1]:2],
               lambda np, x, b: x[::-1][b[0]:b[1]], lambda np, x, b: x[b[0]:b[1]:-1], lambda np, x, b: x[b[0]::-1], lambda np,
               x, b: x[:b[1]:-2],
               lambda np, x, b: x[b[0]:b[1]].sum(), lambda np, x, b: np.sum(x[1:][b[0]:b[1]] * 2), lambda np, x, b: x[b[0]:-1],
               lambda np, x, b: x[1:b[1]],
               lambda np, x, b: x[b[0]:b[1]].size, lambda np, x, b: x[b[0]:b[1]][1:].shape, lambda np, x, b: x[-3:b[1]],
               lambda np, x, b: x[b[0]:4]):
        check(fn, X, bounds)
    check(lambda np, a, b: a[1, b[0]:b[1]] @ a[2, b[0]:b[1]], CUBE[0].T.copy(), bounds)

    def write(np, x, b):
        x[b[0]:b[1]] = 5.0
        x[b[0]:b[1]] += x[b[0]:b[1]] * 2
        x[b[0]:][:2] = 1.0

    check(write, X, bounds)


def test_traced_positions():
    check(lambda np, x, k: (x[k], x[-k], x[k - 1]), X, 3)
    check(lambda np, a, k: (a[k], a[k, k], a[:, k], a[k, 1:], a[k][k]), A, 2)
    check(lambda np, a, i: (a[i[0]], a[i[0], i[1]], a[:, i[1]]), A, np.array([2, -1]))

    def write(np, a, k):
        a[k] = 1.0
        a[k, k] = 5.0
        a[k][0] = 7.0
        a[:, k] += 2.0
        a[k, k:] = 9.0

    check(write, A, 2)
    with pytest.raises(IndexError, match="index 9 is out of bounds for axis 0 with size 7"):
        run(lambda np, x, k: x[k], X, 9)
    with pytest.raises(IndexError, match="index -8 is out of bounds for axis 0 with size 7"):
        run(lambda np, x, i: x[i], X, np.array([0, -8]))


MASK2 = A > 0


@pytest.mark.parametrize("x, m", [(X, X > 0), (X, X > 100), (A, MASK2), (A, MASK2[:, 0]), (CUBE, CUBE > 0),
                                  (CUBE, CUBE[:, :, 0] > 0), (CUBE, CUBE[:, 0, 0] > 0)])
def test_masks(x, m):
    check(lambda np, x, m: x[m], x, m)
    check(lambda np, x, m: (x[m].sum(), x[m].size, x[m].shape, x[~m].max() if m.any is None else x[m] * 2), x, m)
    check(lambda np, x, m: np.count_nonzero(m), x, m)

    def write(np, x, m):
        x[m] = 0.5
        x[~m] += 1.0
        x[m] = x[m] ** 2

    check(write, x, m)
    values = RNG.standard_normal(x[m].shape)

    def scatter(np, x, m, v):
        x[m] = v

    check(scatter, x, m, values)
    if x[m].shape[0] > 1:
        with pytest.raises(ValueError, match=r"cannot assign|could not broadcast"):
            run(scatter, x, m, values[1:] if values.shape[0] > 2 else np.concatenate([values, values]))


def test_masks_in_keys():
    col = A[0] > 0
    check(lambda np, a, m: (a[:, m], a[1, m], a[m[:4]]), A, col)
    check(lambda np, a, m, n: a[n, m[:3][m[:3]].size:][:, :1], A, col, np.array([True, False, True, False]))
    check(lambda np, a: a[np.array([True, False, True, True])], A)
    check(lambda np, a: a[np.array([True, False, True, True]), 1], A)

    def write(np, a, m):
        a[:, m] = 3.0
        a[1, m] += 1.0

    check(write, A, col)
    with pytest.raises(IndexError,
                       match="boolean index did not match indexed array along axis 0; size of axis is 7 but size of "
                             "corresponding boolean axis is 3"):
        run(lambda np, x, m: x[m], X, np.array([True, False, True]))


@pytest.mark.parametrize("error, message, fn", [
    (BoundsError, "index 7 is out of bounds for axis 0 with size 4", lambda np, a: a[7]),
    (BoundsError, "index 5 is out of bounds for axis 1 with size 5", lambda np, a: a[0, 5]),
    (BoundsError, "index 4 is out of bounds for axis 0 with size 4", lambda np, a: a[[0, 4]]),
    (BoundsError, "too many indices for array", lambda np, a: a[0, 0, 0]),
    (BoundsError, "single ellipsis", lambda np, a: a[..., ...]),
    (BoundsError, "only integers, slices", lambda np, a: a["x"]),
    (BoundsError, "must be of integer", lambda np, a: a[a[0]]),
    (ValueError, "slice step cannot be zero", lambda np, a: a[::0]),
])
def test_errors(error, message, fn):
    with pytest.raises(error, match=message):
        run(fn, A)


@pytest.mark.parametrize("fn", expressions("np, a, i", globals(), """
    np.take(a, i)
    np.take(a, i, axis=1)
    a.take(i, 0)
    np.take(a, 2)
    np.take(a, i * 9, mode="wrap")
    np.take(a, i * 9, mode="clip", axis=0)
    np.take(a, 1, axis=1)
    np.take_along_axis(a, np.argsort(a, 1), 1)
    np.take_along_axis(a, i[:, None], 0)
    a[np.ix_(i, i)]
    np.take_along_axis(a, np.expand_dims(np.argmax(a, 1), 1), 1)
    np.unravel_index(i, (4, 5))
    np.ravel_multi_index((i, i), (4, 5))
    np.nonzero(a > 0)
    np.argwhere(a > 0)
    np.flatnonzero(a > 0)
    np.extract(a > 0, a)
    np.compress([True, False, True, True], a, axis=0)
    np.choose(i, [i, i * 10, i * 100, i])
    a.flat[3]
    a.flat[i]
    a.item(1, 2)
    a[0].tolist()
"""))
def test_functions_that_index(fn):
    check(fn, A, np.array([1, 0, 2]))


def test_other_ufuncs_at():
    i = np.array([1, 0, 1, 3])
    for name in ("multiply", "maximum", "minimum", "divide"):
        check(lambda np, x, i, v, name=name: getattr(np, name).at(x, i, v), X, i, RNG.standard_normal(4))
    check(lambda np, x, i: np.multiply.at(x, i, 2.0), X, i)
    check(lambda np, x, i: np.negative.at(x, i), X, i)
    check(lambda np, x, i, v: np.multiply.at(x, (slice(None), i), v), A, i, RNG.standard_normal(4))
    check(lambda np, x, i, v: np.maximum.at(x, i, v), CUBE, np.array([[0, 1], [1, 1]]), RNG.standard_normal((2, 2, 4, 5)))


def test_functions_that_write():
    def put(np, a, i):
        np.put(a, i, [1.0, 2.0, 3.0])
        np.put(a, [7, -1], 9)

    def put_along(np, a, i):
        np.put_along_axis(a, np.argmax(a, 1)[:, None], 99.0, 1)

    def place(np, a, i):
        np.place(a, a > 0, [1.0, 2.0])

    def putmask(np, a, i):
        np.putmask(a, a > 0, a ** 2)
        np.putmask(a, a < -1, [5.0, 6.0])

    def copyto(np, a, i):
        np.copyto(a, 2, where=a > 0)
        np.copyto(a[0], a[1])

    def flat(np, a, i):
        a.flat[3] = 5.0
        a.T.flat[1] = 6.0
        a.flat = a * 2

    def fill(np, a, i):
        a[1].fill(3)
        a[2:].sort()

    for fn in (put, put_along, place, putmask, copyto, fill):
        check(fn, A, np.array([1, 0, 2]))
    check(lambda np, a, i: (a.flat.__setitem__(3, 5.0), a.T.flat.__setitem__(1, 6.0), None)[2], A, np.array([1]))


def masked(x):
    y = np.asarray(x * 1.0)
    y[y > 2] = 7.0
    y[np.isnan(y)] = -1.0
    return y


@pytest.mark.parametrize("x", [1.5, 3.0, float("nan"), np.array(2.5), np.array([1.0, 3.0]), np.float32(4.0)])
def test_a_single_bool_is_the_mask_of_an_axis_of_its_own(x):
    for f in (masked, lambda x: np.asarray(x)[np.sum(x) > 2], lambda x: np.asarray(x)[False], lambda x: np.asarray(x)[True,]):
        with np.errstate(invalid="ignore"):
            found, expected = tg.jit(f)(x), f(x)
        np.testing.assert_array_equal(found, expected)
        assert np.shape(found) == np.shape(expected)
    kept = ~np.isnan(x) & ~(np.asarray(x) > 2)
    np.testing.assert_array_equal(tg.grad(lambda x: np.sum(masked(x)))(x), kept * 1.0)


def test_squeeze_of_an_axis_whose_length_the_elements_decide():
    f = tg.jit(lambda x: np.squeeze(x[x > 1]))
    assert f(np.array([0.0, 2.0, 3.0])).tolist() == [2.0, 3.0] and f(np.zeros(2)).shape == (0,)
    with pytest.raises(tg.UnsupportedError, match=r"(?s)known only at run time, and is 1.*Instead: name the axis"):
        f(np.array([0.0, 2.0]))
    g = tg.jit(lambda x: np.squeeze(x[x > 1], axis=0))
    assert g(np.array([0.0, 2.0])) == 2.0 and g(np.array([0.0, 2.0])).shape == ()
    with pytest.raises(ValueError, match="cannot select an axis to squeeze out"):
        g(np.ones(3) * 2)
