"""Copies and parts of lists of run-time length that are changed, and lists that branches leave with different lengths."""
from __future__ import annotations

import copy

import numpy as np
import pytest

import tracegrad as tg

X = np.array([0.5, 1.5, 2.25, 0.75, 3.0])


def large(x):
    return [v for v in x if v > 1]


def parts(x):
    found = large(x)
    rest = found[1:]
    rest.append(x[0])
    rest[0] = x[1]
    return found, rest


def copies(x):
    found = large(x)
    a, b, c = found.copy(), list(found), copy.copy(found)
    a.append(x[0])
    b.pop()
    c.reverse()
    return found, a, b, c


def in_order(x):
    found = sorted(large(x))
    found.insert(0, x[0])
    last = list(reversed(found))
    last.pop(0)
    return found, last


def of_tuples(x):
    found = [(v, k) for k, v in enumerate(x) if v > 1]
    rest = found[1:]
    rest.append((x[0], 0))
    return found, rest


def of_keys(x):
    named = {}
    for v in x:
        named[int(v)] = v
    keys = list(named)
    keys.append(9)
    return keys


def longest(x):
    best, now = [], []
    for v in x:
        now = now + [v] if v > 1 else []
        if len(now) > len(best):
            best = now
    return best, now


def begun_anew(x):
    path = []
    for v in x:
        if v > 1:
            path = path + [v * v]
        elif v > 0.6:
            path = [v]
    return path


def of_two(x):
    a = [x[0], x[1]] if x[2] > 1 else [x[3]]
    b = a + [x[4]]
    return a, b, sum(a), len(a), a[-1]


def of_a_function(x):
    def two(v):
        if v > 1:
            return [v, 2 * v]
        return []

    out = []
    for v in x:
        out += two(v)
    return out


@pytest.mark.parametrize("f", [parts, copies, in_order, of_tuples, of_keys, longest, begun_anew, of_two, of_a_function])
@pytest.mark.parametrize("x", [X, X[::-1] - 1.2])
def test_as_python_has_them(f, x):
    assert tg.jit(f)(x) == f(x)


@pytest.mark.parametrize("f", [parts, begun_anew])
def test_derivatives(f):
    def loss(x):
        found = f(x)
        return sum(v * v for v in (found[1] if isinstance(found, tuple) else found))

    step = 1e-6 * np.eye(5)
    np.testing.assert_allclose(tg.grad(loss)(X), [(loss(X + s) - loss(X - s)) / 2e-6 for s in step], atol=1e-6)


def changed_under_another_name(x):
    a = [1.0, 2.0]
    m = a
    if x[0] > 1:
        a = [3.0]
    m.append(9.0)
    return a


def one_that_the_caller_may_hold(x, held):
    if x[0] > 1:
        held = held + [1.0]
    held.append(3.0)
    return held


def longest_changed(x):
    best, now = longest(x)
    now.append(x[0])                                         # under both names, where `best` is `now`
    return best, now


@pytest.mark.parametrize("f, args", [(changed_under_another_name, ()), (longest_changed, ()),
                                     (one_that_the_caller_may_hold, ([1.0],))])
def test_a_list_that_has_another_name_is_not_changed(f, args):
    with pytest.raises(tg.UnsupportedError, match=r"another name may have|may be one of two"):
        tg.jit(f)(X, *args)


def test_a_helper_gives_back_lists_or_makes_others_in_a_tuple():
    """Adjacent intervals become one, if there are several."""
    def merged(starts, stops):
        if len(starts) <= 1:
            return starts, stops
        first, last = [starts[0]], []
        for i in range(1, len(starts)):
            if starts[i] != stops[i - 1]:
                first.append(starts[i])
                last.append(stops[i - 1])
        last.append(stops[-1])
        return first, last

    def once(x, n):
        starts, stops = [], []
        for i in range(n):
            starts.append(i)
            stops.append(i + int(x[i]))
        starts, stops = merged(starts, stops)
        return sum(starts) + sum(stops) * x[0], len(starts)

    def again_and_again(x, n):
        starts, stops = [0], [n]
        for i in range(n):
            first, last = [], []
            for k in range(len(starts)):
                for j in range(int(x[i])):
                    first.append(starts[k] + 2 * j)
                    last.append(starts[k] + j + 1)
            starts, stops = merged(first, last)
        return sum(starts) + sum(stops) * x[0], len(starts)

    x = np.array([1.0, 2.0, 1.0, 3.0, 1.0])
    for f in (once, again_and_again):
        for n in (0, 1, 3, 5):
            assert tg.jit(f)(x, n) == f(x, n)
        slope = np.zeros(5)
        slope[0] = (f(x + [0.5, 0, 0, 0, 0], 5)[0] - f(x, 5)[0]) / 0.5
        np.testing.assert_allclose(tg.grad(lambda x: f(x, 5)[0])(x), slope)                     # noqa: B023


def test_two_lists_that_turn_out_to_be_equally_long():
    """Of an array without elements: the program is simplified to lists of one length, of which each type has a name."""
    def found(starts, stops, c, steps):
        first, last = [], []
        for j in range(len(starts)):
            for step in range(steps[0], steps[1]):
                part = c[starts[j]:stops[j]]
                low, high = np.searchsorted(part, step), np.searchsorted(part, step, side="right")
                if low != high:
                    first.append(low + starts[j])
                    last.append(high + starts[j])
        return first, last

    def f(c, steps):
        starts, stops = [0], [c.size]
        i = 0
        while i < len(steps):
            if steps[0, 1] > 4:
                break
            starts, stops = found(starts, stops, c, steps[i])
            i += 1
        return np.array(starts, dtype=int), np.array(stops, dtype=int)

    for c in (np.zeros(0, int), np.zeros(3, int), np.array([0, 1, 1, 2])):
        for steps in ([[0, 2]], [[0, 9]], [[1, 2], [0, 2]]):
            for mine, theirs in zip(tg.jit(f)(c, np.array(steps)), f(c, np.array(steps))):
                np.testing.assert_array_equal(mine, theirs)
