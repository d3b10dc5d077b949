"""Objects and dicts of a list at a position that only run time knows, and names that an `if` or a loop leaves one of several:
they are those of the list, and what is assigned under one name is seen under the other."""
import collections
import copy
import heapq
import itertools

import numpy as np
import pytest

import tracegrad as tg


class Particle:
    def __init__(self, x, cost=0.0):
        self.x, self.cost = x, cost

    def kick(self, v):
        self.x += v


def moved(x, ks):
    ps = [Particle(float(v)) for v in x]
    for k in ks:
        ps[k].kick(1.5)
        ps[k - 1].x *= 0.5
    return [p.x for p in ps]


def moved_often(x, ks):
    ps = [Particle(1.0), Particle(2.0)]
    for k in range(1000):
        p = ps[ks[k % 4] % 2]
        p.x += k * x[0]
    return ps[0].x, ps[1].x


def arrays_moved(x, ks):
    ps = [Particle(np.zeros(2)), Particle(np.ones(2))]
    for k in range(100):
        p = ps[ks[k % 4] % 2]
        p.x = p.x + k * x[0]
    return ps[0].x, ps[1].x


def seen_through_the_list(x, ks):
    ps = [Particle(float(v)) for v in x]
    p, q = ps[ks[0]], ps[ks[0]]
    ps[1].x = 5.0
    p.cost = 7.0
    return p.x, q.cost, p is q, p is ps[1], p is ps[0]


def dicts(x, ks):
    ps = [{"x": 1.0}, {"x": 2.0}]
    for k in range(100):
        ps[ks[k % 4] % 2]["x"] += x[0]
    return ps


def swapped(x, ks):
    a, b = Particle(0.0), Particle(10.0)
    ps = [a, b]
    for v in x:
        if v < 1.5:
            a, b = b, a
        a.x += float(v)
    return ps[0].x, ps[1].x, a is ps[0]


def best_of(x, ks):
    ps = [Particle(float(v), float(v * v)) for v in x]
    best = ps[0]
    for p in ps:
        if p.cost < best.cost:
            best = p
    best.x = 100.0
    return [p.x for p in ps]


@pytest.mark.parametrize("fn", [moved, moved_often, arrays_moved, seen_through_the_list, dicts, swapped, best_of])
def test_values(fn):
    x, ks = np.array([3.0, 1.0, 2.0]), np.array([1, 2, 0, 1])
    np.testing.assert_equal(tg.jit(fn)(x, ks), fn(x, ks))


@pytest.mark.parametrize("fn", [moved, arrays_moved])
def test_derivatives(fn):
    ks = np.array([1, 2, 0, 1])
    loss = lambda x: sum([np.sum(v ** 3) for v in fn(x, ks)])                                          # noqa: E731
    x, v = np.array([0.3, 1.0, 2.0]), np.array([0.4, -1.0, 0.7])
    slope = (loss(x + 1e-6 * v) - loss(x - 1e-6 * v)) / 2e-6
    np.testing.assert_allclose(tg.grad(loss)(x) @ v, slope, rtol=1e-7)
    np.testing.assert_allclose(tg.jvp(loss, (x,), (v,))[1], slope, rtol=1e-7)


def test_objects_of_the_caller():
    def put(ps, k, v):
        p = ps[k]
        p.x = v
        ps[0].cost = 1.0
        return p.cost

    for k in (0, 1, -1):
        mine, others = ([Particle(1.0), Particle(2.0), Particle(3.0)] for _ in range(2))
        assert tg.jit(put)(mine, k, 9.0) == put(others, k, 9.0)
        assert [vars(p) for p in mine] == [vars(p) for p in others]


def test_what_a_loop_leaves_is_never_a_stale_copy():
    def left(x, ks):
        ps = [Particle(float(v), float(v * v)) for v in x]
        best = ps[0]
        for k in ks:
            if ps[k].cost < best.cost:
                best = ps[k]
        ps[1].x = -5.0
        return best.x

    with pytest.raises(tg.UnsupportedError, match="that another name may have"):
        tg.jit(left)(np.array([3.0, 1.0, 2.0]), np.array([1, 2]))


def test_a_list_of_the_caller_after_an_error_in_a_loop():
    def append(items, x, n):
        for i in range(n):
            items.append(x[i])

    for start in ([], [1.0]):
        mine, others = copy.copy(start), copy.copy(start)
        for f, items in ((tg.jit(append), mine), (append, others)):
            with pytest.raises(IndexError):
                f(items, np.arange(3.0), 5)
        assert mine == others == [*start, 0.0, 1.0, 2.0]


def least_and_greatest(x):
    return heapq.nlargest(2, x), heapq.nsmallest(2, [v * v for v in x if v > 0]), heapq.nlargest(2, x, key=abs)


def not_positive(x):
    return sum(itertools.filterfalse(lambda v: v > 0, x)), list(itertools.filterfalse(None, x))


def counts(x):
    counted = collections.Counter([int(v) for v in x])
    return counted.most_common(2), sorted(counted.elements())


@pytest.mark.parametrize("fn", [least_and_greatest, not_positive, counts])
def test_library_functions(fn):
    x = np.array([1.0, -2.0, 7.0, 1.0, 0.0, -2.0, 1.0])
    assert tg.jit(fn)(x) == fn(x)
    items = [1, 1, 2, 5, 5, 5]
    assert tg.jit(lambda v: collections.Counter(v).most_common(2))(items) == [(5, 3), (1, 2)]
