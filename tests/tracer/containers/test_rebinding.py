"""Loops that bind a name to another list, dict or set of run-time size in each iteration."""
from __future__ import annotations

import collections
import copy
import functools

import numpy as np
import pytest

import tracegrad as tg

X = np.array([3, 1, 2, 3, 1, 7, 2])


def frontiers(a, n):
    frontier, seen = {int(a[0])}, set()
    while frontier:
        seen |= frontier
        following = set()
        for u in frontier:
            for v in ((u * 2) % 11, (u + n) % 11):
                if v not in seen:
                    following.add(v)
        frontier = following
    return sorted(seen)


def cells(a, n):
    live = {(int(v), k % 3) for k, v in enumerate(a)}
    for _ in range(n):
        counts = {}
        for x, y in live:
            for dx in (-1, 0, 1):
                for dy in (-1, 0, 1):
                    if dx or dy:
                        counts[(x + dx, y + dy)] = counts.get((x + dx, y + dy), 0) + 1
        live = {c for c, k in counts.items() if k == 3 or (k == 2 and c in live)}
    return len(live)


def thinned(a, n):
    live = {int(v) for v in a}
    for _ in range(n):
        following = {v + 1 for v in live}
        following.discard(4)
        live = following
    return sorted(live)


def levels(a, n):
    front, count = [n], 0
    while front:
        following = []
        for v in front:
            if v > 1:
                following.append(v // 2)
            if v > 2:
                following.append(v - 3)
        front = following
        count += 1
    return count


def shorter(a, n):
    left, k = [v for v in a if v > 1], 0
    while len(left) > 1 and k < n:
        left = [v - 1 for v in left if v > 2] + [k]
        k += 1
    return left, k


def another_name(a, n):
    live = {int(v) for v in a}
    first = live
    for _ in range(n):
        live.add(100)
        live = {v + 1 for v in live}
    return sorted(first), sorted(live)


def both_names(a, n):
    s = {int(v) for v in a}
    t = s
    for k in range(n):
        following = {v + k for v in s}
        s = following
        t = following
        t.add(77)
    return sorted(s), sorted(t), s is t


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", [frontiers, cells, thinned, levels, shorter])
def test_bound_to_another_one(f):
    g = tg.jit(f)
    for n in (3, 0):
        assert g(X, n) == f(X, n)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", [another_name, both_names])
def test_where_another_name_holds_the_first_one_or_the_last(f):
    assert tg.jit(f)(X[:3], 2) == f(X[:3], 2)


def held_by_the_caller(a):
    def last(s):
        while len(s) < 9:
            s.add(50)
            s = {v + 1 for v in s} | {len(s)}
        return len(s)

    live = {int(v) for v in a}
    return last(live), len(live)


def test_a_container_that_the_caller_holds_is_not_taken_over():
    assert held_by_the_caller(X) == (10, 5)
    with pytest.raises(tg.UnsupportedError, match="`s`"):
        tg.jit(held_by_the_caller)(X)


def shrinking_argument(held, n):
    for k in range(n):
        held = [v + 1 for v in held if v > k]
    return held, len(held)


def buckets(held):
    e = 1
    while max(held) // e > 0:
        rows = [[] for _ in range(10)]
        for v in held:
            rows[v // e % 10].append(v)
        held = [v for row in rows for v in row]
        e *= 10
    return held


def thinned_argument(held, n):
    for k in range(n):
        held = {key + k: v * 0.5 for key, v in held.items() if v > 1e-3}
    return held


def helped(held, n):
    found = shrinking_argument(held, n)
    held.append(7)
    return found


def of_two_names(n):
    held = [n, 30, 1]
    first = held
    for k in range(n):
        held = [v for v in held if v > k]
    first.append(7)
    return held, first


@pytest.mark.parametrize("f, args", [
    (shrinking_argument, ([30, 1, 2, 99], 70)), (shrinking_argument, ([30, 1, 2, 99], 0)), (buckets, ([170, 45, 802, 2],)),
    (thinned_argument, ({1: 2.0, 2: 3.0}, 70)), (helped, ([30, 1, 2, 99], 70)), (of_two_names, (70,))])
def test_the_first_one_stays_as_it_is_where_something_else_holds_it(f, args):
    expected, given = copy.deepcopy(args), copy.deepcopy(args)
    assert tg.jit(f)(*given) == f(*expected)
    assert given == expected


def chances(w, g):
    found = {0: 1.0}
    for v, k in zip(w, g):
        following = {}
        for s, p in found.items():
            following[s + int(k)] = following.get(s + int(k), 0.0) + p * v
            following[s] = following.get(s, 0.0) + p * (1 - v)
        found = following
    return sum(p * (s + 1) ** 2 for s, p in found.items())


@pytest.mark.sweep(2, days=True)
def test_derivative_through_dicts_of_each_step():
    w, g = np.array([0.5, 0.25, 0.75]), np.array([0, 1, 1])
    assert tg.jit(chances)(w, g) == pytest.approx(chances(w, g))
    step = 1e-6 * np.eye(3)
    slope = [(chances(w + s, g) - chances(w - s, g)) / 2e-6 for s in step]
    np.testing.assert_allclose(tg.grad(chances)(w, g), slope, atol=1e-6)


def seen_later(a, n):
    live = {int(v): int(v) for v in a}
    keys, doubled = live.keys(), (2 * v for v in live)
    for _ in range(n):
        live = {v + 1: v for v in live}
    return sorted(keys), sum(doubled), sorted(live)


def test_views_and_generators_hold_the_first_one():
    assert tg.jit(seen_later)(X[:3], 2) == seen_later(X[:3], 2)


def halves(front, a):
    return [v // 2 for v in front if a[v] > 1] + [0]


@pytest.mark.parametrize("keep", [
    lambda held: collections.deque([held]), lambda held: functools.partial(len, held), lambda held: held.append])
def test_other_objects_of_python_hold_the_first_one(keep):
    def f(a):
        front, k = [len(a) - 1], 0
        first = keep(front)
        while k < 2 and a[k] > 0:
            front = halves(front, a)
            k += 1
        return front, first is None

    assert tg.jit(f)(X) == f(X) == ([1, 0, 0], False)
