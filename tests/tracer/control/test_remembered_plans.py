"""Loops in loops: what the inner ones carried is remembered while the outer ones settle."""
import numpy as np
import pytest
from tracegrad.tracer.control import rolled_loops

import tracegrad as tg

X = np.linspace(0.5, 1.5, 90)


def sums(x, n):
    a = 0.0
    for i in range(n):
        b = 0.0
        for j in range(n):
            c = 0.0
            for k in range(n):
                c += x[i] * x[j] * x[k]
            b += c
        a += b
    return a


def test_loops_in_each_other_are_not_traced_two_to_the_n_times(monkeypatch):
    turns = []
    absorb = rolled_loops.RolledLoop.absorb
    monkeypatch.setattr(rolled_loops.RolledLoop, "absorb", lambda self, outcome: turns.append(self) or absorb(self, outcome))
    found = tg.jit(sums)(X, 90)
    assert len(turns) == 2 + 3 + 4                      # not 2 + 4 + 8
    np.testing.assert_allclose(found, sums(X, 90), rtol=1e-12)


def ints_at_first(x, n):
    total = 0
    for _ in range(n):
        count = 0
        for j in range(n):
            count += j
            if x[j] > 1.2:
                count = count + x[j]
        total += count
    return total


def of_two_kinds(x, n):
    """The inner loop stands at one place, and runs over ints first, then over floats, then over ints again."""
    found = [0, 0, 0]
    best = 0
    for i in range(n):
        for k, v in enumerate((np.arange(70), x, np.arange(70) % 7)):
            s = 0
            for j in range(70):
                s += v[j]
            found[k] = s
        best = max(best, found[1] * x[i])
    return found[0] // 2, found[1], found[2] // 2, best


def written_by_a_helper(x, n):
    def fill(a, i, v):
        a[i] += v

    a, s = np.zeros(n), 0
    for i in range(n):
        for j in range(n):
            fill(a, j, x[i])
            s += a[j]
    return s, a


@pytest.mark.parametrize("f", [ints_at_first, of_two_kinds, written_by_a_helper])
def test_as_python(f):
    found, wanted = (x if isinstance(x, tuple) else (x,) for x in (tg.jit(f)(X, 80), f(X, 80)))
    for mine, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-12)
        assert np.asarray(mine).dtype == np.asarray(theirs).dtype


def test_derivatives():
    tg.check_grads(lambda x: sums(x, 80), (X,), order=2)
    tg.check_grads(lambda x: written_by_a_helper(x, 80)[0], (X,), order=1)
