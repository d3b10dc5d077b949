"""Python ints that decide shapes: after a few values one program reads them at run time, and says what NumPy says."""
import numpy as np
import pytest

import tracegrad as tg

X = np.linspace(0.3, 2.0, 24)
FIRST = (3, 2, 4)                       # each of which is compiled for itself
VALUES = (*FIRST, 1, 6, 8, 0, 12, 5, 1, -2)


def window(x, n):
    return np.sum(x[n:n + 5] ** 2)


def head(x, n):
    return x[:n] * 2.0


def tail(x, n):
    return x[-n:]


def euler(x, n):
    y = np.empty(n + 1)
    y[0] = x[0]
    for i in range(n):
        y[i + 1] = y[i] + 0.1 * np.sin(y[i] * x[i % 3])
    return y


def lags(x, n):
    out = np.empty(len(x) - n)
    for i in range(len(out)):
        out[i] = np.mean(x[i:i + n]) if n > 0 else 0.0
    return out


def turned(x, n):
    return np.concatenate((x[n:], x[:n]))


def ranks(x, n):
    return np.sort(-x[:n])


def outer(x, n):
    return np.outer(x[:n], x[:n])


def scaled(x, n):
    return np.arange(n) * x[0]


def marked(x, n):
    y = x.copy()
    y[n:n + 3] += 1.0
    return y


def solved(x, n):
    return np.linalg.solve(2.0 * np.eye(n) + x[0], np.full(n, x[1]))


GENERAL = [window, head, tail, euler, turned, ranks, outer, scaled, marked]


def outcome(f, *args):
    try:
        return f(*args)
    except Exception as error:
        return error


def agree(found, wanted):
    if isinstance(wanted, Exception):
        assert isinstance(found, type(wanted)), (found, wanted)
        return
    assert type(found) is type(wanted) and np.shape(found) == np.shape(wanted)
    np.testing.assert_allclose(found, wanted, rtol=1e-13)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", [*GENERAL, lags, solved], ids=lambda f: f.__name__)
def test_values(f):
    jitted = tg.jit(f)
    for n in VALUES:
        agree(outcome(jitted, X, n), outcome(f, X, n))
    if f in GENERAL:
        assert len(jitted.specializations) == len(FIRST) + 1


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", [window, euler, turned, ranks, outer, marked], ids=lambda f: f.__name__)
def test_derivatives(f):
    gradient = tg.grad(lambda x, n: np.sum(f(x, n) ** 2))
    for n in (*FIRST, 1, 7, 5):
        fresh = tg.grad(lambda x, n=n: np.sum(f(x, n) ** 2))       # with n a constant
        np.testing.assert_allclose(gradient(X, n), fresh(X), rtol=1e-12, atol=1e-14)
    assert len(gradient.specializations) == len(FIRST) + 1
    _, pushed = tg.jvp(lambda x: f(x, 7), (X,), (np.ones(24),))
    step = 1e-6
    np.testing.assert_allclose(pushed, (f(X + step, 7) - f(X - step, 7)) / (2 * step), rtol=1e-6, atol=1e-8)


def test_a_length_of_one_is_stretched_as_before():
    jitted = tg.jit(lambda x, n, y: x[:n] * y)
    y = np.arange(1.0, 8.0)
    for n in (7, 1, 7, 1):
        agree(jitted(X, n, y), X[:n] * y)
    for n in (2, 3, 4, 5):
        with pytest.raises(ValueError, match="could not be broadcast"):
            jitted(X, n, y)
    agree(jitted(X, 1, y), X[:1] * y)


def test_types_that_a_number_decides_stay():
    """n == 0 gives a Python float, others a NumPy scalar: no program for all."""
    f = lambda x, n: np.sum(x[:n]) if n > 0 else 0.0               # noqa: E731
    jitted = tg.jit(f)
    for n in (3, 2, 4, 5, 0, 6, 0):
        assert type(jitted(X, n)) is type(f(X, n))


def test_lengths_and_ints_vary_together():
    f = lambda x, n: np.cumsum(x[n:])                               # noqa: E731
    jitted = tg.jit(f)
    for size, n in ((9, 3), (10, 4), (11, 5), (12, 3), (13, 12), (14, 0), (20, 19)):
        agree(jitted(X[:size], n), f(X[:size], n))
    assert len(jitted.specializations) == 4
    agree(jitted(X[:1], 0), f(X[:1], 0))


def test_an_int_that_stays_is_no_part_of_what_varies():
    f = lambda x, n, k: x[:n].reshape(k, -1)                        # noqa: E731
    jitted = tg.jit(f)
    for n in (4, 6, 8, 10, 12, 20):
        agree(jitted(X, n, 2), f(X, n, 2))
    agree(jitted(X, 9, 3), f(X, 9, 3))


def test_static_shapes_compile_each():
    jitted = tg.jit(head, shapes="static")
    for n in (3, 2, 4, 5, 6):
        jitted(X, n)
    assert len(jitted.specializations) == 5
