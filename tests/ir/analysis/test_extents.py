"""Slices between traced bounds: those that lie on their axis in every iteration have a length that is known, and short ones are
stretched as NumPy stretches them."""
import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(5)


def left(w, b, t):
    out = np.zeros((len(b), 3))
    for k in range(w.shape[1]):
        out += w[:, k:k + 1] * (b @ t[k, :3].T)
    return out


def right(w, b, t):
    out = np.zeros((len(b), 3))
    for k in range(w.shape[1]):
        out = out + (b @ t[k, :3].T) * w[:, k:k + 1]
    return out


def shifted(w, b, t):
    out = np.zeros((len(b), 3))
    for k in reversed(range(1, w.shape[1])):
        out += w[:, k - 1:k] * (b @ t[k:k + 1, :3][0].T) + w[k // 5:k // 5 + 1, k % 2:k % 2 + 1]
    return out


def counted(w, b, t):
    out, k = np.zeros((len(b), 3)), 0
    while k < w.shape[1]:
        out += w[:, k:k + 1] * (b @ t[k, :3].T)
        k += 1
    return out


@pytest.mark.sweep(2)
@pytest.mark.parametrize("program", [left, right, shifted, counted])
@pytest.mark.parametrize("columns", [1, 4, 23])
def test_column_times_product(program, columns):
    args = RNG.random((12, columns)), RNG.random((12, 4)), RNG.random((columns, 4, 4))
    np.testing.assert_allclose(tg.jit(program)(*args), program(*args))
    gradient = tg.grad(lambda t: np.sum(program(*args[:2], t) ** 2))(args[2])
    d = RNG.standard_normal(args[2].shape)
    slope = 2 * np.sum(program(*args) * program(*args[:2], d)) if program is not shifted else None
    if slope is None:
        ends = [np.sum(program(*args[:2], args[2] + s * d) ** 2) for s in (1e-4, -1e-4)]
        slope = (ends[0] - ends[1]) / 2e-4
    np.testing.assert_allclose(np.sum(gradient * d), slope, rtol=1e-6)


def stretched(w, k):
    return w[k:k + 1] * w[:, k:k + 1]


def assigned(w, k):
    w = w.copy()
    w[:, 1:4] = w[:, k:k + 1]
    w += w[k:k + 1]
    return w


@pytest.mark.parametrize("program", [stretched, assigned])
@pytest.mark.parametrize("k", [0, 5, 6, -7, -1])
def test_position_from_data(program, k):
    """The last two leave the axis, or end where it begins: no element, which nothing is stretched to."""
    w = RNG.random((7, 6))

    def run(w, t):
        return program(w, np.argmax(t) + k)

    try:
        want = run(w, np.ones(3))
    except ValueError:
        with pytest.raises(tg.ShapeError):
            tg.jit(run)(w, np.ones(3))
    else:
        np.testing.assert_array_equal(tg.jit(run)(w, np.ones(3)), want)


def test_narrow_integers_wrap():
    """100 + 100 is -56 in 8 bits: not one element, and none of the first axis."""
    def run(w, k):
        return w[k[0] + k[0]:k[0] + k[1]].sum()

    w, k = np.arange(300.0), np.array([100, 101], np.int8)
    with np.errstate(over="ignore"):
        want = run(w, k)
    assert tg.jit(run)(w, k) == want
