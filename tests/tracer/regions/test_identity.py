"""Two names for one array or two, which only run time knows: a write under one name reaches the other where it is the same."""
import numpy as np
import pytest
from trace_check import check
from tracegrad.tracer.staging import trace_function

import tracegrad as tg

X = np.arange(5.0) + 1


def chosen(x, k):
    y = 2 * x
    z = x if k > 1 else y
    z[0] = 7.0
    x[1] += z[0]
    return x, y, z


def swapped_on_condition(x, n):
    a, b = x.copy(), 2 * x
    for _ in range(n):
        for j in range(1, 5):
            b[j] = 0.5 * (a[j] + a[j - 1])
        if b[2] > 2.03:
            a, b = b, a
    return a, b


def swapped_until_small(x, n):
    a, b = x, np.zeros_like(x)
    for _ in range(n):
        b[1:] = 0.5 * (a[1:] + a[:-1])
        b[0] = a[0]
        if abs(b[2] - a[2]) < 0.2:
            break
        a, b = b, a
    return a, b


def swapped_while(x, n):
    a, b, change = x, np.zeros_like(x), 10.0
    while change > 0.2:
        b[1:] = 0.5 * (a[1:] + a[:-1])
        change = abs(b[2] - a[2])
        a, b = b, a
    return a, b


def three_names(x, n):
    a, b, c = x.copy(), 2 * x, 3 * x
    for _ in range(n):
        c[1:] = a[1:] - b[:-1]
        if c[2] > 0:
            a, b, c = b, c, a
        else:
            a, c = c, a
    return a, b, c


def best_and_second(x, n):
    best, second, now, least = x.copy(), x.copy(), x.copy(), np.sum(x)
    for t in range(n):
        now = np.roll(now, 1) * (0.9 if t % 3 else 1.3)
        found = np.sum(now)
        if found < least:
            second, best, least = best, now, found
        second[t % 5] += 0.25
        now[0] -= 0.1
    return best, second, now, least


def made_in_an_inner_loop(x, n):
    a, b = x, x.copy()
    for i in range(n):
        for j in range(n):
            c = np.zeros_like(x)
            c[:] = a + j
            if (i + j) % 3 == 0:
                b = c
            c[1] = 5.0
        b[0] += 1.0
        if i % 2:
            a = b
    return a, b


def changed_or_new(a, k):
    if k % 2 == 0:
        return a + 1.0
    a[k % 5] *= 2.0
    return a


def helper_changes_or_makes(x, n):
    z = x
    for k in range(n):
        x = changed_or_new(x, k)
    return x, z


def larger(a, b):
    return a if a[0] > b[0] else b


def two_choices(x, n):
    y = 2.6 - x
    for _ in range(n):
        z, w = larger(x, y), larger(y, x)
        z[:2] += w[:2]
        w[1:3] = z[2:4]
        np.add(z, 1.0, out=z)
    return x, y


class State:
    def __init__(self, x):
        self.old, self.new = x, x.copy()

    def step(self, k):
        self.new[1:] = self.old[:-1] * 0.7
        if k % 2:
            self.old, self.new = self.new, self.old


def attributes(x, n):
    s = State(x)
    for k in range(n):
        s.step(k)
    return s.old, s.new, x


def updated(ex, ey, h):
    ex[1:] += h[1:] - h[:-1]
    ey[:-1] -= h[:-1]
    return ex, ey


def helper_returns_what_it_changed(x, n):
    ex, ey, h, t = np.zeros_like(x), np.zeros_like(x), x.copy(), 0
    while t < n:
        h = h + 0.1 * (ex - ey)
        ex, ey = updated(ex, ey, h)
        if np.sum(h) > 1e6:
            break
        t += 1
    return h, ex


ALL = [chosen, swapped_on_condition, swapped_until_small, swapped_while, three_names, best_and_second, made_in_an_inner_loop,
       helper_changes_or_makes, two_choices, attributes, helper_returns_what_it_changed]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("n", [0, 1, 2, 7])
@pytest.mark.parametrize("f", ALL, ids=lambda f: f.__name__)
def test_values(f, n):
    check(f, X.copy(), n)
    check(f, (X * 0.3).astype(np.float32), n)


@pytest.mark.sweep(11)
@pytest.mark.parametrize("f", ALL, ids=lambda f: f.__name__)
def test_compiled_and_gradients(f):
    ours, theirs = X * 1.1, X * 1.1
    got, want = tg.jit(f)(ours, 6), f(theirs, 6)
    for a, b in zip((*got, ours), (*want, theirs)):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    tg.check_grads(lambda x: sum(np.sum(np.sin(part)) for part in f(x.copy(), 6)[:2]), (X * 1.1,), order=2)


def test_programs_without_doubt_have_no_identities():
    def f(x, n):
        a, b = x.copy(), x * 2
        for _ in range(n):
            b[1:] += a[:-1]
            a, b = b, a
        return a

    assert not any(kind == "copy" for kind, *_ in trace_function.trace(f, (X, 3)).notes)


def test_explain_tells_of_writes_that_are_done_twice():
    assert "a write under one name of an array that may have another" in str(tg.explain(swapped_on_condition, X, 3))
