"""as_strided and strides: where the elements of an array lie in memory."""
import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

import tracegrad as tg

X = np.arange(12.0).reshape(3, 4)
CASES = {
    "lags": lambda x: as_strided(x, (3, 2), (8, 8)),
    "blocks": lambda x: as_strided(x, (2, 2, 2, 3), x.strides + x.strides),
    "diagonal": lambda x: as_strided(x, shape=(3,), strides=(40,)),
    "one number": lambda x: as_strided(x, (), ()),
    "nothing": lambda x: as_strided(x, (0, 5), (800, 8)),
    "repeated": lambda x: as_strided(x, (3, 4), (0, 8), writeable=False),
    "of a part": lambda x: as_strided(x[1:], (2, 3), (8, 16)),
    "of a transpose": lambda x: as_strided(x.T, (3, 2), x.T.strides[::-1]),
    "of a result": lambda x: as_strided(np.sin(x), (5,), (16,)),
    "as it lies": lambda x: as_strided(x),
    "other strides": lambda x: as_strided(x, strides=(8, 8)),
    "a moving sum": lambda x: as_strided(x.ravel(), (x.size - 2, 3), (8, 8)).sum(axis=1),
}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("f", CASES.values(), ids=list(CASES))
def test_reading(f):
    found = tg.jit(f)(X)
    assert found.dtype == X.dtype and found.shape == f(X).shape and np.array_equal(found, f(X))
    assert np.array_equal(tg.jit(f).interpret(X), f(X))
    tg.check_grads(lambda x: f(x) ** 2, (X,), order=2)


def test_an_element_that_is_read_often_adds_up():
    slope = tg.grad(lambda x: np.sum(as_strided(x, (3, 3), (8, 8))))(np.arange(5.0))
    assert slope.tolist() == [1.0, 2.0, 3.0, 2.0, 1.0]


def test_later_writes_to_the_array_are_seen():
    def f(x):
        x = x.copy()
        lags = as_strided(x, (3,), (40,))
        x[0, 0] = 99.0
        return lags * 2

    assert np.array_equal(tg.jit(f)(X), f(X))


def test_strides_of_every_length():
    strides = tg.jit(lambda x: (x.strides, x.T.strides, x[::2].strides))
    for n in range(1, 8):
        x = np.ones((n, n + 1), np.float32)
        assert strides(x) == (x.strides, x.T.strides, x[::2].strides)


LAYOUTS = {"Fortran's": np.asfortranarray, "backwards": lambda x: x[:, ::-1].copy()[:, ::-1],
           "every other row": lambda x: np.repeat(x, 2, axis=0)[::2], "columns of more": lambda x: np.hstack((x, x))[:, :4]}


@pytest.mark.parametrize("lay", LAYOUTS.values(), ids=list(LAYOUTS))
def test_arrays_of_another_order(lay):
    """A program that depends on an argument's layout is made for its strides; another call for C order, and back."""
    def windows(x):
        rows, columns = x.strides
        return as_strided(x, (3, 3, 2), (rows, columns, columns))

    def flattened(x):
        y = x.copy("K")
        flat = y.ravel("K")
        flat[0] = flat[1] ** 2
        return y * 3

    def in_c_order(x):
        return np.ascontiguousarray(x) * 2 if not x.flags.c_contiguous else x * 3

    for f in (windows, flattened, in_c_order, lambda x: np.array(x.strides)):
        compiled = tg.jit(f)
        for x in (X, lay(X), X, lay(X) + 1):
            np.testing.assert_array_equal(compiled(x), f(x))
            np.testing.assert_array_equal(compiled.interpret(x), f(x))
    x = lay(X)
    tg.check_grads(windows, (x,), order=2)
    slope = 3 * np.ones(x.shape)
    first, second = sorted(np.ndindex(x.shape), key=lambda at: np.dot(at, np.abs(x.strides)))[:2]
    slope[first], slope[second] = 0.0, 3.0 + 6.0 * x[second]
    np.testing.assert_array_equal(tg.grad(lambda x: np.sum(flattened(x)))(x), slope)


@pytest.mark.parametrize("f, text", [
    (lambda x: as_strided(x, (13,), (8,)), "reads outside of the array"),
    (lambda x: as_strided(x, (2,), (-8,)), "reads outside of the array"),
    (lambda x: as_strided(x[:, ::2], (2,), (8,)), "in the gaps between the elements"),
    (lambda x: as_strided(x[:, ::2], (2, 3), (32, 16)), "reads outside of the axis"),
    (lambda x: as_strided(x, (2,), (4,)), "of parts of elements"),
    (lambda x: as_strided(x, (2,), (8, 8)), "a stride for each axis"),
    (lambda x: as_strided(x, (3,), (40,)).fill(1.0), "cannot be written to"),
])
def test_refused(f, text):
    with pytest.raises(tg.TracegradError, match=text):
        tg.jit(f)(X)


def test_flags():
    def contiguous(x):
        return x.flags.c_contiguous, x.flags["F"], x.flags.forc, x.flags.fnc, x.flags["ALIGNED"]

    def f(x):
        y = np.zeros((3, 2), order="F")
        return [contiguous(v) for v in (x, x.T, x[1:], x[:, 1:], x[::2], x[:, 0], x[::-1], y, y.T, x + 1,
                                        np.broadcast_to(x, (2, *x.shape)))]

    for shape in ((2, 3), (1, 3), (0, 3), (3, 1)):
        assert tg.jit(f)(np.zeros(shape)) == f(np.zeros(shape))

    def in_c_order(x):
        if not x.flags.c_contiguous:
            x = np.ascontiguousarray(x)
        return (x[x > 1].flags.c_contiguous, x.sum())

    x = np.arange(5.0)
    assert tg.jit(in_c_order)(x) == in_c_order(x)
    with pytest.raises(tg.UnsupportedError, match="writeable of an array is another one from call to call"):
        tg.jit(lambda x: x.flags.writeable)(x)
    with pytest.raises(KeyError, match="Unknown flag"):
        tg.jit(lambda x: x.flags["Z"])(x)
