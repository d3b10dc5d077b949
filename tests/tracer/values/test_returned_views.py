"""Views of arguments that a function returns share the caller's memory wherever NumPy's do: compiled and by the evaluator."""
import sys

import numpy as np
import pytest

import tracegrad as tg

X = np.arange(24.0).reshape(4, 6)
windows = np.lib.stride_tricks.sliding_window_view

CASES = [
    (lambda x: x.T, X), (lambda x: x[1:3], X), (lambda x: x[::-1, ::2].T, X), (lambda x: x.reshape(3, 8)[1:], X),
    (lambda x: x[1], X), (lambda x: x[None, :, 2], X), (lambda x: x[..., 0], X), (lambda x: x.ravel(), X),
    (lambda x: x.flatten(), X), (lambda x: x.T.reshape(-1), X), (lambda x: x.real, X + 1j), (lambda x: x.imag[1], X + 1j),
    (lambda x: np.diagonal(x, 1), X), (lambda x: np.diag(x), X), (lambda x: np.broadcast_to(x[0], (3, 6)), X),
    (lambda x: windows(x, 2, axis=1), X),
    (lambda x: x.squeeze(), X[None]), (lambda x: x[:, None].swapaxes(0, 2), X), (lambda x: x[0, ...][2, ...], X),
    (lambda x: (x[1:], x[:1], x), X), (lambda x: x[[0, 1]], X), (lambda x: x[x > 3], X), (lambda x: tuple(np.split(x, 2)), X),
    (lambda x: x[1:] * 2, X), (lambda x: x[1:].copy(), X), (lambda x: np.flip(x, 1), X), (lambda x: x[:], X),
    (lambda x: np.rot90(x), X), (lambda x: x[3:1:-1], X), (lambda x: x[::-1], X[:0]), (lambda x: x[None, 1, :, None].T, X),
    (lambda x: (x[1:], x, x.T), X.T), (lambda x: x.T, X[::2, ::-1]), (lambda x: x[1:].T, np.asfortranarray(X)),
    (lambda x: (x.ravel(), x.reshape(-1), x.T.ravel()), X[:, ::2]), (lambda x: (x.ravel(), x.reshape(-1)), X[0, ::2]),
    (lambda x: (np.ravel(x[1:]), x.ravel("F")), X[::2]), (lambda x: x.ravel(), np.asfortranarray(X)),
    (lambda x: x[1:], np.arange(5, dtype=np.int8)), (lambda x: x[-1:], np.zeros((1, 2))),
]
COUNTED = [(lambda x, n: x[:n], 2), (lambda x, n: x[n], -2), (lambda x, n: x[n::-1, 1:n], 3),
           (lambda x, n: (x[n:].T, x[1, n:]), 1), (lambda x, n: x[5:n], 3), (lambda x, n: x[n:n], 2),
           (lambda x, n: x[:, None, n], 0)]


def agree(call, f, x, *more):
    want, got = f(x, *more), call(x, *more)
    pairs = list(zip(want, got, strict=True)) if isinstance(want, tuple) else [(want, got)]
    for w, g in pairs:
        assert np.array_equal(w, g) and w.shape == g.shape and w.flags.writeable == g.flags.writeable
        assert np.shares_memory(w, x) == np.shares_memory(g, x)
        if w.size and np.shares_memory(w, x):
            assert w.ctypes.data == g.ctypes.data and all(s == t for s, t, n in zip(w.strides, g.strides, w.shape) if n > 1)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f, x", CASES)
def test_as_numpy(f, x):
    jitted = tg.jit(f)
    for call in (jitted, jitted.interpret, jitted):
        agree(call, f, x)


@pytest.mark.parametrize("f, n", COUNTED)
def test_positions_of_run_time(f, n):
    jitted = tg.jit(f)
    for call in (jitted, jitted.interpret, jitted):
        agree(call, f, X, n)


def test_a_position_that_the_program_computes():
    def parts(x, limit):
        k = 0
        while x[k] < limit:
            k += 1
        return x[k:], x[:k]

    agree(tg.jit(parts), parts, np.arange(6.0), 3.0)
    agree(tg.jit(parts), parts, np.arange(6.0)[::-1], -3.0)


def test_writes_go_both_ways():
    def f(x):
        y = x[1:]
        y[0] = 7.0
        x[2] = 9.0
        return y

    for x in (np.zeros(4), np.zeros((4, 2))[:, 0]):
        y = tg.jit(f)(x)
        assert list(x) == [0, 7, 9, 0] and np.shares_memory(x, y)
        y[2] = 5.0
        assert x[3] == 5.0


def test_a_view_of_one_of_two_is_a_value():
    f = tg.jit(lambda x, c: x[1:] if c > 0 else x[:-1])
    assert list(f(np.arange(3.0), 1.0)) == [1, 2] and list(f(np.arange(3.0), -1.0)) == [0, 1]


def test_an_object_that_is_returned_twice_is_one():
    def f(x):
        y, z = x[1:].T, x * 2
        return y, [y, z], z, x, x[1:], x[1:]

    x = np.arange(6.0).reshape(3, 2)
    jitted = tg.jit(f)
    for call, a in ((jitted, x), (jitted, np.asfortranarray(x)), (jitted.interpret, x)):
        y, (again, z), other, same, first, second = call(a)
        assert again is y and other is z and same is a and first is not second
    counted = sys.getrefcount(x)
    for _ in range(100):
        jitted(x)
    assert sys.getrefcount(x) == counted


def test_one_array_passed_twice():
    x = np.arange(3.0)
    assert np.shares_memory(tg.jit(lambda a, b: b[1:])(x, x), x)


def test_derivatives_see_values():
    def f(x):
        y = x[1:]
        return y, y, x * 2

    tg.check_grads(f, (np.arange(3.0),), order=2)
    x = np.arange(6.0).reshape(2, 3)
    assert not np.shares_memory(tg.vmap(lambda x: x[1:])(x), x)
    assert np.allclose(tg.jacobian(lambda x: x[1:])(np.ones(3)), np.eye(3)[1:])
