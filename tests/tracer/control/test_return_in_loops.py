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


@pytest.mark.sweep(2)
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


def list_from_outside(x):
    pair = [1.0, 2.0]
    for v in x:
        if v > 0.0:
            kept = pair
    return kept[0] + x[0]


def text(x):
    for v in x:
        if v > 0.0:
            kept = "positive"
    return 1.0 if kept == "positive" else 2.0


@pytest.mark.parametrize("program", [list_from_outside, text])
def test_what_holds_no_number_is_set_where_an_iteration_has_set_it(program):
    compiled = tg.jit(program)
    for x in (np.array([1.0, -1.0] * 40), np.array([-1.0, 1.0] * 40)):
        assert compiled(x) == program(x)
    with pytest.raises(UnboundLocalError, match="'kept'"):
        compiled(-np.ones(80))


def test_a_list_returned_from_a_loop_within_loops():
    def counted(x):
        found = []
        for k in range(3):
            found.append(1.0)
            if x[0] == k:
                return found
        return found

    def program(x):
        out = np.empty((2, 3, 9))
        for a in range(2):
            for b in range(3):
                for c in range(9):
                    out[a, b, c] = len(counted(x * (a + b * c)))
        return out

    x = np.array([0.5, 1.0])
    np.testing.assert_array_equal(tg.jit(program)(x), program(x))
