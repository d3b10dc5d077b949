"""Where a tape lies: what an inner loop keeps that runs down columns lies in columns too, so that loops can be exchanged."""
import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(8)


def paths(s, noise):
    """Each path runs down a column; paths lie side by side."""
    steps, count = noise.shape
    last = np.empty(count)
    for p in range(count):
        x = s
        for t in range(steps):
            x = x * np.exp(0.001 + 0.2 * noise[t, p])
        last[p] = max(x - 1.0, 0.0)
    return last


def across(s, noise):
    """The same with a path in each row."""
    out = np.empty(noise.shape[0])
    for p in range(noise.shape[0]):
        x = s
        for t in range(noise.shape[1]):
            x = x * np.sin(x + noise[p, t])
        out[p] = x
    return out


def written(s, noise):
    """Columns are written, and read one row above."""
    a = noise.copy()
    for p in range(a.shape[1]):
        x = s
        for t in range(1, a.shape[0]):
            x = np.tanh(x + a[t - 1, p] * a[t, p])
            a[t, p] = x
    return a


def three_deep(s, noise):
    total = s
    for k in range(3):
        for p in range(noise.shape[1]):
            x = total
            for t in range(noise.shape[0]):
                x = x * np.cos(noise[t, p] + x + k)
            total = total + 0.01 * x
    return total


def growing(s, noise):
    """The inner loop's length depends on the outer one: the tape is a stack."""
    total = s
    for p in range(noise.shape[1]):
        x = s
        for t in range(min(p, noise.shape[0])):
            x = x * np.cos(noise[t, p] + x)
        total = total + x
    return total


PROGRAMS = (paths, across, written, three_deep, growing)


@pytest.mark.sweep(4, by="f")
@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("shape", [(6, 5), (1, 3), (17, 200), (3, 1)])
def test_gradients(f, shape):
    noise = RNG.random(shape)
    tg.check_grads(lambda s, x: np.sum(f(s, x)), (1.1, noise), order=2 if noise.size < 50 else 1)


def test_columns_lie_in_columns():
    noise = RNG.random((30, 200))
    for f, wanted in ((paths, "[30, 200]"), (across, "[30, 200]")):
        text = tg.grad(lambda s, x, f=f: np.sum(f(s, x)), argnums=1).lower(1.0, noise).text("optimized")
        (tape,) = [line for line in text.splitlines() if "_tape = empty" in line]
        assert wanted in tape


def test_strips_of_exchanged_loops_are_parallel():
    """Bits do not depend on the number of threads."""
    noise = RNG.random((100, 8000))
    f, g = tg.jit(paths), tg.grad(lambda s, x: np.sum(paths(s, x) ** 2), argnums=1)
    assert "parallel for" in f.lower(1.0, noise).text("loops").split("alloc $row")[0]
    before, found = tg.config.threads, []
    try:
        for threads in (1, 2, 3, 5):
            tg.config.threads = threads
            found.append((f(1.0, noise), g(1.0, noise)))
    finally:
        tg.config.threads = before
    for value, gradient in found[1:]:
        assert np.array_equal(value, found[0][0]) and np.array_equal(gradient, found[0][1])
