"""The smallest of what a loop has seen, and its place: a branch, as it changes seldom; other choices stay choices."""
import numpy as np
import pytest

import tracegrad as tg


def largest(a):
    best, place = -np.inf, -1
    for i in range(a.shape[0]):
        if a[i] > best:
            best = a[i]
            place = i
    return best, place


def nearest(a):
    """Under a condition, of what is computed."""
    out = np.zeros(a.shape[0], np.int64)
    for i in range(a.shape[0]):
        best, place = 1e300, -1
        for j in range(a.shape[0]):
            if j != i:
                d = (a[i] - a[j]) ** 2
                if d <= best:
                    best = d
                    place = j
        out[i] = place
    return out


def runs(a):
    """Choices between what is carried and what is new, of which none is compared with what it replaces."""
    up, down = 0, 0
    for i in range(1, a.shape[0]):
        if a[i] > a[i - 1]:
            up = down + 1
        elif a[i] < a[i - 1]:
            down = up + 1
    return up, down


def ordered(a):
    """Two carried values that change places."""
    x, y = a[0], a[1]
    for i in range(2, a.shape[0]):
        if y < x:
            x, y = y, x
        x = x + a[i]
    return x, y


INPUTS = {"none in order": np.random.default_rng(0).normal(size=40), "rising": np.arange(9.0), "falling": -np.arange(9.0),
          "equal": np.ones(5), "zeros": np.array([0.0, -0.0, 0.0]), "no numbers": np.array([np.nan, 1.0, np.nan, 3.0, 2.0]),
          "all none": np.full(4, np.nan), "infinite": np.array([1.0, np.inf, -np.inf, np.inf]), "two": np.array([2.0, 1.0])}


@pytest.mark.parametrize("f, branches", [(largest, 1), (nearest, 1), (runs, 0), (ordered, 0)])
def test_records(f, branches):
    compiled = tg.jit(f)
    for name, a in INPUTS.items():
        want, got = f(a), compiled(a)
        np.testing.assert_array_equal(got, want, err_msg=name)
        with tg.disable_jit():
            np.testing.assert_array_equal(tg.jit(f)(a), want, err_msg=name)
    text = compiled.lower(INPUTS["none in order"]).text("loops")
    assert text.count("record") == 6 * branches               # two variables, each set twice and got


def test_none_and_integers():
    assert tg.jit(largest)(np.empty(0)) == (-np.inf, -1)
    a = np.random.default_rng(1).integers(-99, 99, 50)

    def least(a):
        best, place = a[0], 0
        for i in range(len(a)):
            if a[i] < best:
                best, place = a[i], i
        return best, place

    assert tg.jit(least)(a) == (a.min(), a.argmin())


def test_gradient_of_the_largest():
    a = INPUTS["none in order"]
    np.testing.assert_array_equal(tg.grad(lambda a: largest(a)[0] * 2.0)(a), 2.0 * (np.arange(40) == a.argmax()))
