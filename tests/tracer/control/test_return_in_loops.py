"""`return` in a loop of an array that the loop only reads: it is what comes out, not what stands for a name never set."""
import numpy as np
import pytest

import tracegrad as tg


def same_after(a, b):
    for _ in range(int(a[0] * 5)):
        return a
    return a


def other_after(a, b):
    for k in np.flatnonzero(a > 0.5):
        a[k] += 1.0
        return a
    return b


def pairs(a, b):
    while a[0] < 1.0:
        a[0] += 1.0
        return a, b
    return b, a


def bound(a, b):
    c = b
    for _ in range(int(abs(a[0]) * 5)):
        c = a
        d = b
    return c * 2.0 + d


@pytest.mark.parametrize("f", [same_after, other_after, pairs, bound])
def test_arrays_from_outside(f):
    for first in (0.83, 2.0, 0.3):
        a, b = np.array([first, 0.21, -1.1]), np.arange(3.0)
        want = f(a.copy(), b.copy())
        for run in (tg.jit(f), tg.jit(f).interpret):
            np.testing.assert_equal(run(a.copy(), b.copy()), want)
        tg.check_grads(lambda a, b: np.sum(np.sin(f(a + 0.0, b + 0.0)[0])), (a, b))


def test_a_name_that_no_iteration_sets():
    for f in (bound, lambda a, b: bound(a + 0.0, b)):
        with pytest.raises(UnboundLocalError):
            tg.jit(f)(np.zeros(3), np.ones(3))
