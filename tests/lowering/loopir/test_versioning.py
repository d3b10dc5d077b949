"""Loops whose positions are checked before them: what they compute, what they raise, and what is written until then."""
import numpy as np
import pytest

import tracegrad as tg

RNG = np.random.default_rng(5)


def shifted(a, b, k):
    for i in range(a.size):
        a[i] += 2.0 * b[i + k]
    return a


def backwards(a, b, k):
    for i in range(a.size):
        a[i] += b[k - 2 * i] * b[i]
    return a


def butterflies(a, b, k):
    h = k
    while h < a.size:
        for i in range(0, a.size, 2 * h):
            for j in range(i, i + h):
                u, v = a[j], a[j + h]
                a[j], a[j + h] = u + v, u - v
        h *= 2
    return a


def rows(a, b, k):
    m = b.reshape(-1, 10)
    for i in range(m.shape[0]):
        for j in range(m.shape[1]):
            a[i] += m[i + k, j] * j
    return a


def under_a_condition(a, b, k):
    for i in range(a.size):
        if a[i] > 0.5:
            a[i] = b[i + k]
        a[i] -= b[i - k]
    return a


def along_itself(a, b, k):
    for i in range(a.size):
        a[i + k] = a[i] + b[i]
    return a


CASES = [(f, k) for f in (shifted, rows, under_a_condition, along_itself) for k in (0, 1, 7, 200, -1, -90, -300)]
CASES += [(backwards, k) for k in (199, 200, 99, 0)] + [(butterflies, k) for k in (1, 2, 5, 100)]


@pytest.mark.parametrize("f, k", CASES, ids=lambda x: getattr(x, "__name__", str(x)))
@pytest.mark.parametrize("n, m", [(100, 200), (128, 130), (1, 10), (0, 20)])
def test_results_errors_and_what_they_leave_are_pythons(f, k, n, m):
    b, ours = RNG.random(m), RNG.random(n)
    theirs, raised = ours.copy(), []
    for g, a in ((tg.jit(f), ours), (f, theirs)):
        try:
            g(a, b, k)
            raised.append(None)
        except IndexError as e:
            raised.append(str(e).split("\n")[0])
    assert raised[0] == raised[1]
    np.testing.assert_array_equal(ours, theirs)


def test_both_versions_are_there():
    text = tg.jit(shifted).lower(np.zeros(100), np.zeros(200), 3).text("loops")
    assert text.count("for %") == 2 and "fail " not in text.partition("} else {")[2]


def test_gradients():
    for f, k in ((shifted, 3), (shifted, -100), (butterflies, 1), (rows, -3), (under_a_condition, 2)):
        tg.check_grads(lambda a, b, f=f, k=k: np.sum(f(a.copy(), b, k) ** 2), (RNG.random(64), RNG.random(200)))


@pytest.mark.parametrize("trip", [2**47, 2**48 + 1])
def test_positions_that_would_go_around_64_bits(trip):
    """The last of them is in the array again."""
    step, a = np.int64(65536), np.zeros(100)

    def far(a, n, k):
        for i in range(n):
            a[i * step + k] = 1.0

    with pytest.raises(IndexError, match="index 65539 is out of bounds"):
        tg.jit(far)(a, trip, np.int64(3))
    np.testing.assert_array_equal(np.flatnonzero(a), [3])
