"""Loops that write where data decide: what is computed first, the writes in their order, checks that fail in the middle."""
import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(11)


def counted(x, low, scale, n):
    h = np.zeros(n, np.int64)
    for v in x:
        k = int((v - low) * scale)
        if 0 <= k < n:
            h[k] += 1
    return h


def weighted(x, w, n):
    h = np.zeros(n)
    for i in range(x.size):
        h[int(x[i] * n)] += w[i] * np.sqrt(x[i])
    return h


def last_wins(x, y, n):
    """Plain writes: the last one stays, and later ones read what earlier ones have written."""
    h = np.full(n, -1.0)
    for i in range(x.size):
        k = min(int(x[i] * x[i] * n), n - 1)
        if h[k] < y[i]:
            h[k] = y[i]
    return h


def two_arrays(x, n):
    h, g = np.zeros(n), np.zeros((n, 2))
    for i in range(x.size):
        k = int(np.exp(-x[i]) * (n - 1))
        h[k] += x[i]
        g[k, k % 2] = h[k]
    return h, g


def grid(x, y, n):
    h = np.zeros((n, n))
    for i in range(x.size):
        h[int(x[i] * n), int(y[i] * n)] += 1.0
    return h


CASES = {
    "counted": (counted, lambda x: (x * 3 - 1, -0.5, 20.0, 30)),
    "weighted": (weighted, lambda x: (x, x[::-1].copy(), 50)),
    "last_wins": (last_wins, lambda x: (x, x[::-1].copy(), 9)),
    "two_arrays": (two_arrays, lambda x: (x, 40)),
    "grid": (grid, lambda x: (x, x[::-1].copy(), 7)),
}


def lowered(f, args):
    return tg.jit(f).lower(*args).text("loops")


@pytest.mark.sweep(3)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("size", [0, 1, 100, 255, 256, 257, 1000])
def test_same_bits_as_python(name, size):
    f, make = CASES[name]
    args = make(RNG.random(size))
    found, wanted = tg.jit(f)(*args), f(*args)
    for a, b in zip(found if type(found) is tuple else (found,), wanted if type(wanted) is tuple else (wanted,), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14 if name == "two_arrays" else 0)


@pytest.mark.parametrize("name", CASES)
def test_is_done_in_strips(name):
    f, make = CASES[name]
    assert "$handed0" in lowered(f, make(RNG.random(1000)))


def test_any_length():
    f = tg.jit(weighted)
    for size in (10, 300, 301, 777, 5):
        x = RNG.random(size)
        np.testing.assert_array_equal(f(x, x, 50), weighted(x, x, 50))


@pytest.mark.parametrize("at", [0, 255, 256, 700])
@pytest.mark.parametrize("bad, error", [(1.5, IndexError), (np.nan, ValueError), (np.inf, OverflowError)])
def test_a_check_fails_after_the_writes_before_it(at, bad, error):
    def fill(h, x, w):
        for i in range(x.size):
            h[int(x[i] * 10)] += w[i] * w[i]
        return h

    x, w = RNG.random(1000), RNG.random(1000)
    x[at] = bad
    ours, theirs = np.zeros(10), np.zeros(10)
    with pytest.raises(error):
        tg.jit(fill)(ours, x, w)
    with pytest.raises(error):
        fill(theirs, x, w)
    np.testing.assert_array_equal(ours, theirs)


def test_gradients():
    x = RNG.random(300) * 0.8 + 0.1
    tg.check_grads(lambda w: weighted(x, w, 20), (RNG.random(300),))
    tg.check_grads(lambda y: last_wins(x, y, 9), (RNG.random(300),))


@pytest.mark.sweep(2)
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i8", "u1"])
def test_histograms_are_numpys(dtype):
    floats = np.dtype(dtype).kind == "f"
    x = (RNG.normal(size=3000).round(1) if floats else RNG.integers(0, 100, 3000)).astype(dtype)
    for bins, limits in ((10, None), (64, (-1.0, 1.0)), (17, (0, 50))):
        found, wanted = tg.jit(lambda x, b=bins, r=limits: np.histogram(x, b, r))(x), np.histogram(x, bins, limits)
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


def test_a_histogram_has_no_nan_and_nothing_from_outside():
    x = RNG.normal(size=2000)
    x[3:9] = np.nan, np.inf, -np.inf, 1.0, -1.0, 0.0
    for bins in (10, np.linspace(-1, 1, 11), np.array([-1.0, 0.0, 0.0, 1.0])):
        limits = None if type(bins) is not int else (-1.0, 1.0)
        found = tg.jit(lambda x, b=bins, r=limits: np.histogram(x, b, r)[0])(x)
        np.testing.assert_array_equal(found, np.histogram(x, bins, limits)[0])


# --- loops whose iterations wait for nothing but their checks ----------------------------------------------------------

def powers(a, h):
    for i in range(a.size):
        x = i * h
        a[i] = x ** 3 + 2 * x
    return a


def quotients(a, h):
    for i in range(a.size):
        a[i] = 1.0 / (700.0 - i * h) + a[i]
    return a


def two_checks(a, h):
    for i in range(a.size):
        x = i * h
        if x > 2.0:
            a[i] = (x - 1.0) ** 5 / (x + 1.0)
    return a


@pytest.mark.parametrize("f", [powers, quotients])
def test_checks_alone_keep_no_loop_from_becoming_vectors(f):
    assert "$handed0" in lowered(f, (RNG.random(1000), 0.5))


@pytest.mark.parametrize("f, h, error", [
    (powers, 0.3, None), (powers, np.inf, None), (powers, np.nan, None),
    (powers, 1e100, OverflowError), (powers, -1e101, OverflowError),
    (quotients, 0.3, None), (quotients, 1.0, ZeroDivisionError), (quotients, 2.0, ZeroDivisionError),
    (quotients, 700.0, ZeroDivisionError),
    (two_checks, 0.3, None), (two_checks, 1e59, OverflowError), (two_checks, np.nan, None)])
@pytest.mark.parametrize("size", [3, 257, 1000])
def test_what_an_error_leaves_is_pythons(f, h, error, size):
    ours, theirs = RNG.random(size), None
    theirs = ours.copy()
    raised = []
    for g, a in ((tg.jit(f), ours), (f, theirs)):
        try:
            g(a, float(h))
            raised.append(None)
        except (OverflowError, ZeroDivisionError) as e:
            raised.append((type(e), str(e).split("\n")[0]))
    assert raised[0] == raised[1] and (raised[0] is None or raised[0][0] is error)
    np.testing.assert_allclose(ours, theirs, rtol=1e-14)


@pytest.mark.parametrize("start", [0, 1, 300, -1001, -300])
def test_nothing_is_read_before_the_check_of_its_place(start):
    def shifted(a, b, start, h):
        for i in range(a.size):
            a[i] = b[i + start] / (i * h + 1.0) + 2.0 / (i * h + 3.0)
        return a

    b = RNG.random(1000)
    ours, theirs, raised = np.zeros(1000), np.zeros(1000), []
    for g, a in ((tg.jit(shifted), ours), (shifted, theirs)):
        try:
            g(a, b, start, 0.5)
        except IndexError:
            raised.append(a)
    assert len(raised) in (0, 2)
    np.testing.assert_array_equal(ours, theirs)
