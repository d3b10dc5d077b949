"""Objects, lists and dicts that an `if` leaves under another name: changes are seen under both."""
from __future__ import annotations

import copy

import numpy as np
import pytest

import tracegrad as tg

X = np.array([0.5, 1.5, 2.25, 0.75, 3.0])


class Point:
    def __init__(self, x, cost):
        self.x, self.cost = x, cost


def a_list(x, decides):
    a = [1.0, 2.0]
    m = a
    if decides:
        a = [3.0, 4.0]
    m[0] = x[0]
    a[1] = x[1]
    return a[0], a[1], m[0], m[1]


def a_dict(x, decides):
    a, b = {"v": x[0]}, {"v": x[2]}
    m = a if decides else b
    k = m if x[1] > 0 else a
    b["v"] = x[3]
    a["v"] = x[4]
    m["v"] += 1
    return m["v"], k["v"], a["v"], b["v"]


def objects(x, decides):
    a, b = Point(x[0], x[1]), Point(x[2], x[3])
    least = a if decides else b
    a.x += x[4]
    b.x *= 2
    least.cost = least.x * x[1]
    lower = least if least.cost > 1 else a
    lower.x *= x[3]
    return a.x, a.cost, b.x, b.cost, least.x, lower.cost


def in_a_loop(x, decides):
    a, b, s = Point(x[0], x[1]), Point(x[2], x[3]), 0.0
    for k in range(3):
        least = a if a.cost < b.cost else b
        a.x = a.x * 1.5 + least.x
        if k == 1 and decides:
            b.cost = a.x + 1
        s += least.x + least.cost
    return a.x, b.cost, s


def set_in_one_branch(x, decides):
    a = Point(x[0], x[1])
    if x[0] < 1:
        held = a
    a.x = x[2]
    return held.x


def a_part_that_both_have(x, decides):
    part = [x[0]]
    pair = (part, 1.0) if decides else (part, 2.0)
    part[0] = x[1]
    return pair[0][0], pair[1]


def chosen_of_many(x, decides):
    points = [Point(v, v * v - 2 * v) for v in x]
    best = points[0]
    for p in points:
        if p.cost < best.cost:
            best = p
    best.x = 100.0
    for p in points:
        p.cost += p.x * decides
    return best.cost


@pytest.mark.parametrize("f", [a_list, a_dict, objects, in_a_loop, set_in_one_branch, a_part_that_both_have, chosen_of_many])
@pytest.mark.parametrize("decides", [np.array(True), np.array(False)])
def test_a_change_is_seen_under_both_names(f, decides):
    expected, found = f(X, decides), tg.jit(f)(X, decides)
    np.testing.assert_allclose(found, expected)


def test_the_callers_objects_get_what_is_assigned_to_the_one_that_it_is():
    def f(a, b):
        least = a if a.cost < b.cost else b
        for k in range(5):
            least.x += k
            if least.x > 6:
                a.cost += 1.0
        return least.x

    for costs in ((1.0, 2.0), (2.0, 1.0)):
        given = Point(1.0, costs[0]), Point(3.0, costs[1])
        expected = copy.deepcopy(given)
        assert tg.jit(f)(*given) == f(*expected)
        assert [vars(p) for p in given] == [vars(p) for p in expected]


def test_derivative():
    def f(x):
        return objects(x, x[0] < x[1])[4] * objects(x, x[0] < x[1])[5]

    step = 1e-6 * np.eye(5)
    np.testing.assert_allclose(tg.grad(f)(X), [(f(X + s) - f(X - s)) / 2e-6 for s in step], rtol=1e-6)


def test_a_name_that_a_loop_has_left_is_refused():
    def f(x):
        a, b = [x[0]], [x[1]]
        best = b
        for v in x:
            if v > 1:
                best = a
        a[0] = 5.0
        return best[0]

    with pytest.raises(tg.UnsupportedError, match="another name may have"):
        tg.jit(f)(np.arange(40.0))


def which_object(x, decides):
    p, q, r = Point(x[0], 1.0), Point(x[1], 2.0), Point(x[2], 3.0)
    best = p if decides else q
    last = best if x[0] < 1 else r
    maybe = p if x[1] > 1 else None
    return (best is p, best is q, best is not p, last is best, last is p, last is r, best in [q, r], best == p, q != last,
            maybe is p, maybe is q, maybe is None)


def which_list(x, decides):
    a = [v for v in x if v > 1]
    b = a if decides else a[1:]
    c = [x[0]]
    d = c if decides else [1.0, 2.0]
    e = d if x[1] > 1 else c
    return b is a, d is c, e is c, e is d, c is not d


@pytest.mark.parametrize("f", [which_object, which_list])
@pytest.mark.parametrize("x", [X, X[::-1], X + 1.0])
@pytest.mark.parametrize("bound", [0.0, 9.0])
def test_which_one_it_is(f, x, bound):
    def asked(x, bound):
        return f(x, x[0] < bound)

    assert tg.jit(asked)(x, bound) == asked(x, bound)


def test_which_one_a_loop_has_left_is_refused():
    def f(x):
        first = best = Point(x - 2.0, x)
        while best.x < x:
            best = Point(best.x + 1.0, x)
        return best is first

    with pytest.raises(tg.UnsupportedError, match="`is` of a Point"):
        tg.jit(f)(2.0)


def kept_list(x, b):
    path, best = [], []
    for v in x:
        path.append(v)
        best = path
    return best, path


def kept_in_tuple(x, b):
    path, best = [], ()
    for v in x:
        best = (path, v)
        path.append(v)
    return best, path


def kept_by_object(x, b):
    p, path = Point(None, 0.0), []
    p.x = []
    for v in x:
        path.append(v)
        p.x = path
    return p.x, path


@pytest.mark.parametrize("f", [kept_list, kept_in_tuple, kept_by_object])
def test_a_list_that_a_loop_appends_to_under_another_name(f):
    x = np.arange(9.0)
    assert tg.jit(f)(x, 1.0) == f(x, 1.0)


def kept_where(x):
    path, best = [], []
    for v in x:
        path.append(v)
        if v < 0:
            path = []
        if len(path) > len(best):
            best = path
    return best


def kept_at_times(x):
    path, best = [], []
    for v in x:
        path.append(v)
        if v > 2:
            best = path
    return best


@pytest.mark.parametrize("f", [kept_where, kept_at_times])
@pytest.mark.parametrize("n", [4, 9])
def test_a_list_that_grows_and_may_have_another_name_is_refused(f, n):
    with pytest.raises(tg.UnsupportedError, match="another name may have"):
        tg.jit(f)(np.arange(float(n)))


def test_second_derivative_of_lists_of_two_lengths():
    def squares(x):
        s = 0.0
        for v in [x[0]] if x[0] > 0 else [x[1], x[2]]:
            s += v * v
        return s

    def weighted(x):
        return np.sum(tg.grad(squares)(x) * np.arange(1.0, 6.0))

    assert tg.grad(weighted)(X).tolist() == [2.0, 0.0, 0.0, 0.0, 0.0]
    assert tg.grad(weighted)(-X).tolist() == [0.0, 4.0, 6.0, 0.0, 0.0]


# --- methods of what a condition chooses ------------------------------------------------------------------------------------

class Counter:
    def __init__(self):
        self.n = 0.0

    def add(self, v, w=1.0):
        self.n = self.n * 0.5 + v * w


def lists_chosen(x):
    a, b, c = [], [], []
    for i, v in enumerate(x):
        (a if v < 1.2 else b if v < 2.1 else c).append((lambda z, i=i: z * i)(v))
    return sum(a) * 1.5 + sum(b) * sum(c)


def extended(x):
    low, high = [], []
    for v in x:
        (low if v < 1.2 else high).extend([v * k for k in range(2)])
    return sum(low) * len(high)


def objects_chosen(x):
    p, q = Counter(), Counter()
    for v in x:
        (p if v < 1.2 else q).add(v, w=v)
    return p.n * q.n


def sets_chosen(x):
    low, high = set(), set()
    for v in x:
        (low if v < 1.2 else high).add(int(v))
    return len(low) * 10.0 + len(high)


@pytest.mark.parametrize("f", [lists_chosen, extended, objects_chosen, sets_chosen])
def test_methods_of_what_a_condition_chooses(f):
    x = np.array([0.5, 1.1, 1.6, 2.05, 2.6])
    assert tg.jit(f)(x) == pytest.approx(f(x))
    want = [(f(x + d) - f(x - d)) / 2e-6 for d in np.eye(5) * 1e-6]
    np.testing.assert_allclose(tg.grad(f)(x), want, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(tg.jvp(f, (x,), (np.ones(5),))[1], np.sum(want), rtol=1e-6, atol=1e-8)
