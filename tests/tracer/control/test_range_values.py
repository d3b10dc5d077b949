"""range objects whose bounds only run time knows: as values, across branches and loops, and as results."""
import numpy as np
import pytest

import tracegrad as tg

X = np.array([1.0, 3.5, 2.25, -1.0, 0.5, 2.25, 3.0])
SHIFTS = np.array([2, -3, 0, 1])


def diagonals(x, shifts):
    """Which rows a diagonal has depends on its side of the middle."""
    total = 0.0
    for g in shifts:
        if g >= 0:
            rows = range(0, len(x) - g)
        else:
            rows = range(-g, len(x))
        for i in rows:
            total += x[i] * x[i + g] * (i + 1)
    return total


def either_way(x, shifts):
    steps = range(shifts[0], len(x), 2) if x[0] > 0 else range(len(x) - 1, shifts[0], -1)
    total = 0.0
    for i in steps:
        total = total * 0.5 + x[i]
    return total + len(steps)


def known_or_not(x, shifts):
    rows = range(3)
    if shifts[0] > 1:
        rows = range(shifts[0] + 3)
    return sum(x[i] for i in rows)


def none_or_one(x, shifts):
    rows = range(shifts[0]) if x[1] > 0 else None
    return 0.0 if rows is None else x[rows[-1]] * x[rows[0]]


def narrowed(x, shifts):
    rows = range(0, shifts[0] + 4)
    while len(rows) > 2:
        rows = range(rows.start + 1, rows.stop)
    return x[rows.start] * x[rows[1]] + rows.step


PROGRAMS = [diagonals, either_way, known_or_not, none_or_one, narrowed]


@pytest.mark.sweep(3)
@pytest.mark.parametrize("f", PROGRAMS, ids=lambda f: f.__name__)
def test_values_and_derivatives(f):
    compiled = tg.jit(f)
    for x in (X, -X):
        for shifts in (SHIFTS, SHIFTS[::-1]):
            if f is narrowed or len(range(shifts[0])):
                assert compiled(x, shifts) == f(x, shifts) == compiled.interpret(x, shifts)
    tg.check_grads(lambda x: f(x, SHIFTS), (X,), order=2)


def test_a_range_is_returned_as_python_s_own():
    f = tg.jit(lambda n, k: (range(n, k), range(k, n, -1)))
    assert f(2, 5) == (range(2, 5), range(5, 2, -1))


@pytest.mark.parametrize(("at", "error", "said"), [(9, IndexError, "range object index out of range"),
                                                   (slice(1, 2), tg.UnsupportedError, "a slice of a range")])
def test_positions_are_checked(at, error, said):
    with pytest.raises(error, match=said):
        tg.jit(lambda n: range(n)[at])(4)


@pytest.mark.parametrize("f", [lambda n: range(n) == range(3), lambda n: range(n) != range(n), lambda n: f"{range(n)}"])
def test_what_compares_or_prints_a_range_is_refused(f):
    with pytest.raises(tg.UnsupportedError, match="compared or printed"):
        tg.jit(f)(3)


def test_their_type_is_range():
    assert tg.jit(lambda n: (isinstance(range(n), range), type(range(n)) is range))(3) == (True, True)
