"""itertools.groupby whose keys only run time knows."""
import itertools
from itertools import groupby

import numpy as np
import pytest

import tracegrad as tg

X = np.array([0.6, 1.9, 2.4, 1.1, 0.6])


def by_key(x):
    s = 0.0
    for k, group in groupby(x, lambda v: v > 1.2):
        t, n = 0.0, 0
        for v in group:
            t += v * v
            n += 1
        s = s * 0.5 + t * t * n
        if k:
            s += 1.0
    return s


def in_comprehension(x):
    return sum([k * sum(group) for k, group in itertools.groupby(x)])


def longest(x):
    best = 0
    for k, group in groupby(x > 1.0):
        if k:
            best = max(best, len(list(group)))
    return best


def kept(x):
    out = []
    for k, group in groupby(np.sort(x), key=lambda v: int(v)):
        out.append((k, max(group)))
    s = 0.0
    for k, most in out:
        s += (k + 1) * most
    return s


def of_a_list(x):
    s = 0.0
    for _, group in groupby([v * 2 for v in x], key=lambda v: v < 3):
        s = s * 0.9 + next(group)
    return s


def of_pairs(x):
    s = 0.0
    for _, group in groupby(list(enumerate(x)), key=lambda p: p[1] > 1.2):
        for i, v in group:
            s = s * 0.5 + i * v
    return s


def of_known_keys(x):
    return {k: len(list(group)) for k, group in groupby([1, 1, 2, 2, 2, 3])}[2] * np.sum(x)


@pytest.mark.parametrize("f", [by_key, in_comprehension, longest, kept, of_a_list, of_pairs, of_known_keys])
def test_as_python(f):
    for x in (X, X[:1], X[:0]):
        np.testing.assert_allclose(tg.jit(f)(x), f(x))
    if f is not longest:
        want = [(f(X + d) - f(X - d)) / 2e-6 for d in np.eye(X.size) * 1e-6]
        np.testing.assert_allclose(tg.grad(f)(X), want, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(tg.jvp(f, (X,), (np.ones_like(X),))[1], np.sum(want), rtol=1e-6)


def test_iterators_that_run_time_has_moved():
    def rest(x):
        it = iter(x[x > 1.0])
        return next(it) * 100 + sum(it)

    np.testing.assert_allclose(tg.jit(rest)(X), rest(X))
    with pytest.raises(StopIteration):
        tg.jit(rest)(X * 0)


def gone_on_with(x):
    runs = groupby(x, key=lambda v: int(v + 0.25))
    s = 0.0
    for key, group in runs:
        s += sum(group)
        if key >= 1:
            break
    for _, group in runs:
        s += 10 * sum(group)
    return s


def moved_bound(x):
    bound, s = 1.2, 0.0
    for _, group in groupby(x, key=lambda v: v > bound):
        bound = bound + 0.5
        s = s * 0.5 + sum(group)
    return s


def written_items(x):
    y, s = x.copy(), 0.0
    for _, group in groupby(y, key=lambda v: v > 1.2):
        y[-1] = 0.1
        s = s * 0.5 + sum(group)
    return s


class Bound:
    def __init__(self):
        self.value = 1.2


def moved_attribute(x):
    bound, s = Bound(), 0.0
    for _, group in groupby(x, key=lambda v: v > bound.value):
        bound.value = bound.value + 0.5
        s = s * 0.5 + sum(group)
    return s


def moved_item(x):
    bound, s = [1.2], 0.0
    above = lambda v, limits=bound: v > limits[0]                                       # noqa: E731
    for _, group in groupby(x, key=lambda v: above(v)):
        bound[0] = bound[0] + 0.5
        s = s * 0.5 + sum(group)
    return s


def by_what_stays(x):
    bound, s, other = Bound(), 0.0, Bound()
    for _, group in groupby(x, key=lambda v: v > bound.value):
        other.value = other.value + 0.5
        s = s * 0.5 + sum(group) * other.value
    return s


def test_what_python_does_as_it_goes():
    np.testing.assert_allclose(tg.jit(by_what_stays)(X), by_what_stays(X))
    np.testing.assert_allclose(tg.jit(gone_on_with)(X), gone_on_with(X))
    for f in (moved_bound, written_items, moved_attribute, moved_item):
        with pytest.raises(tg.UnsupportedError, match="changes what the keys are computed of"):
            tg.jit(f)(X)
