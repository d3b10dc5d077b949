"""What follows for lengths that only run time knows from slices, masks and the arrays that loops reach into."""
import numpy as np
import pytest

import tracegrad as tg


def first(x, n):
    out = np.zeros(6)
    for k in range(n):
        out[:k] += x[:k] * 2.0
    return out


def between(x, i, j):
    return x[i:j].sum() * 2.0 + np.exp(x[i:j]).max(initial=0.0)


def halved(x):
    n = len(x)
    while n > 1:
        x[: n // 2] = x[:n:2] + x[1:n:2]
        n //= 2
    return x[0]


def picked(x, m):
    return np.sum(x[m > 0] ** 2)


def trimmed(p):
    """Positions that data decide, one of them after a branch."""
    nonzero = np.nonzero(p)[0]
    last = nonzero[-1] + 1 if len(nonzero) else 1
    return np.sum(p[np.argmax(p != 0):last] ** 2)


def counted(x):
    """A length that a loop counts, and the rest of the array."""
    n = 0
    for v in x:
        if v > 0.0:
            n += 1
    n = min(n, 3)
    return np.sum(np.exp(x[n:])) + np.sum(np.ones(n + 2) * x[0])


SMALL = {"trimmed": (trimmed, (np.array([0.0, 1.0, -3.0, 2.5, 0.0]),)), "counted": (counted, (np.array([0.5, 1.0, -3.0]),)),
         "roots": (lambda p: np.sum(np.abs(np.roots(p)) ** 2), (np.array([1.0, -3.0, 2.5, 1.0]),)),
         "first": (first, (np.arange(6.0), 5)), "between": (between, (np.arange(7.0) / 3, 2, 6)),
         "halved": (halved, (np.arange(16.0),)), "picked": (picked, (np.arange(12.0), np.array([1, -1] * 6)))}


@pytest.mark.parametrize("name", SMALL)
def test_short_loops_have_no_form_for_threads(name):
    fn, args = SMALL[name]
    assert "parallel for" not in tg.jit(fn).lower(*args).text("loops")
    copies = [a.copy() if isinstance(a, np.ndarray) else a for a in args]
    assert np.allclose(tg.jit(fn)(*copies), fn(*[a.copy() if isinstance(a, np.ndarray) else a for a in args]), rtol=1e-14)


def test_long_loops_keep_it():
    assert "parallel for" in tg.jit(lambda x, i: np.exp(x[i:])).lower(np.ones(2_000_000), 3).text("loops")


@pytest.mark.parametrize("i, j", [(0, 7), (2, 6), (-3, 7), (5, 2), (-1, 100), (7, 7), (-100, 3)])
def test_bounded_lengths_compute_what_numpy_computes(i, j):
    x = np.linspace(-1.0, 1.0, 7)
    assert np.allclose(tg.jit(between)(x, i, j), between(x, i, j), rtol=1e-14)
    if len(x[i:j]):
        slope = tg.grad(between)(x, i, j)
        assert np.allclose(slope[np.setdiff1d(np.arange(7), np.arange(7)[i:j])], 0.0)
        part = np.where(np.isin(np.arange(7), np.arange(7)[i:j]), 2.0, 0.0)
        part[np.arange(7)[i:j][-1]] += np.exp(x[i:j][-1])
        assert np.allclose(slope, part)


def test_one_position_over_all_elements():
    """In programs for many lengths, loops over all elements of an array have a single counter."""
    f = tg.jit(lambda x: np.sum(x[:, None] * x + np.eye(len(x))), shapes="symbolic")
    for n in (3, 5, 9):
        assert np.isclose(f(np.arange(float(n))), np.sum(np.arange(n)) ** 2 + n)
    assert f.cache_info().misses == 1


@pytest.mark.parametrize("number", [2.0 + 1.0j, np.inf, np.nan])
def test_numbers_that_are_no_positions(number):
    x = np.arange(1.0, 6.0)
    assert np.array_equal(tg.jit(lambda x, n: x[:n] * number + number)(x, 4), x[:4] * number + number, equal_nan=True)


def test_rows_under_a_long_axis_become_vectors():
    """A nest of 15 x 2 is a loop over 15, not thirty copies of its body."""
    loops = tg.jit(lambda a, b: np.exp(a[:, None] * b)).lower(np.ones(15), np.ones(2)).text("loops")
    assert "for %" in loops and loops.count("exp") <= 2
