"""Lists that are arguments and are indexed at positions of run time, or get longer or shorter where only run time knows."""
from __future__ import annotations

import collections
import copy
import heapq

import numpy as np
import pytest

import tracegrad as tg


def bubble(a):
    n = len(a)
    for i in range(n):
        swapped = False
        for j in range(n - i - 1):
            if a[j] > a[j + 1]:
                a[j], a[j + 1] = a[j + 1], a[j]
                swapped = True
        if not swapped:
            break
    return a


def insertion(a):
    for i in range(1, len(a)):
        k, j = a[i], i - 1
        while j >= 0 and a[j] > k:
            a[j + 1] = a[j]
            j -= 1
        a[j + 1] = k
    return sum((i + 1) * v for i, v in enumerate(a))


def shorter(values, k):
    if k > 0:
        values.pop()
    return sum(values)


def longer(values, k):
    while k > 0:
        values.append(k)
        k -= 2
    return values[-1]


def heap(values, n):
    for k in range(n):
        heapq.heappush(values, (k * 7) % 5)
    out = []
    while len(values) > 3:
        out.append(heapq.heappop(values))
    return out


def matrix(m, i, j):
    m[i][j] = m[j][i] * 2
    for r in range(len(m)):
        for c in range(len(m[r])):
            if m[r][c] > 2:
                m[r][c] -= 1
    return m


def removed(values, k):
    if k in values:
        values.remove(k)
    return len(values)


def taken_out(d):
    d["c"] = d["a"] + d["b"][0]
    d["b"].append(d["c"])
    del d["a"]
    return d


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f, args", [
    (bubble, ([5, 2, 9, 1, 5],)), (insertion, ([5.0, 2.0, 9.0],)), (shorter, ([1.0, 2.0], 5.0)), (shorter, ([1.0, 2.0], -5.0)),
    (longer, ([1, 2], 5)), (longer, ([1, 2], 0)), (heap, ([1, 4, 9], 4)), (matrix, ([[1.0, 2.0], [3.0, 4.0]], 1, 0)),
    (removed, ([1, 2, 3], 2)), (removed, ([1, 2, 3], 7)), (taken_out, ({"a": 1.0, "b": [2.0, 3.0]},))])
def test_the_callers_list(f, args):
    mine, theirs = copy.deepcopy(args), copy.deepcopy(args)
    held = [x for x in mine[0] if isinstance(x, list)] if isinstance(mine[0], list) else [mine[0]["b"]]
    found, expected = tg.jit(f)(*mine), f(*theirs)
    assert found == expected and mine == theirs
    assert (found is mine[0]) is (expected is theirs[0])
    assert all(any(x is y for y in (mine[0] if isinstance(mine[0], list) else mine[0].values())) for x in held)


@pytest.mark.parametrize("empty, change", [
    ([], lambda x: x.append(1)), ({}, lambda x: x.update(a=1)), (set(), lambda x: x.add(1)), ([], lambda x: x.append([])),
    (collections.deque(), lambda x: x.appendleft(1))])
def test_what_is_put_into_an_empty_one_that_is_the_only_argument(empty, change):
    def by_another(x):
        inner(x)
        return len(x)

    inner = tg.jit(change)
    for f in (inner, tg.jit(by_another), tg.jit(by_another).interpret):
        mine, theirs = copy.deepcopy(empty), copy.deepcopy(empty)
        f(mine)
        change(theirs)
        assert mine == theirs


def at_both_ends(d, x):
    d.append(x)
    d.appendleft(2 * x)


def one_less(d, x):
    d.pop()
    d[0] = x
    return d


def in_a_list(d, x):
    d[0].append(x)


def put_in_again(d, x):
    del d["a"]
    d["a"] = x


@pytest.mark.parametrize("f, held", [
    (at_both_ends, collections.deque([1.0, 3.0])), (at_both_ends, collections.deque([1.0, 3.0], 2)),
    (one_less, collections.deque([1.0, 3.0], 2)), (in_a_list, [collections.deque()]), (put_in_again, {"a": 1.0, "b": 2.0})])
def test_the_callers_deque_and_the_order_of_a_dict(f, held):
    mine, theirs = copy.deepcopy(held), copy.deepcopy(held)
    assert tg.jit(f)(mine, 5.0) == f(theirs, 5.0) and repr(mine) == repr(theirs)


def test_derivative_by_the_items():
    values = [5.0, 2.0, 9.0]
    np.testing.assert_allclose(tg.grad(insertion)(list(values)), [2.0, 1.0, 3.0])


# --- dicts ------------------------------------------------------------------------------------------------------------

def nearest(graph, start):
    dist = dict.fromkeys(graph, np.inf)
    dist[start] = 0.0
    heap = [(0.0, start)]
    while heap:
        d, u = heapq.heappop(heap)
        if d > dist[u]:
            continue
        for v, w in graph[u]:
            if d + w < dist[v]:
                dist[v] = d + w
                heapq.heappush(heap, (d + w, v))
    return dist


def joined(graph, a, b):
    graph[int(a)].append(b)
    return len(graph[int(a)])


def raised(scores, keys):
    for k in keys:
        scores[int(k)] = scores.get(int(k), 0.0) + 1.0
    return len(scores)


def test_a_dict_of_lists_at_keys_of_run_time():
    graph = {0: [(1, 4.0), (2, 1.0)], 1: [(3, 1.0)], 2: [(1, 2.0), (3, 5.0)], 3: []}
    mine, rows = copy.deepcopy(graph), list(graph.values())
    assert tg.jit(nearest)(graph, 0) == nearest(mine, 0)
    assert graph == mine and all(a is b for a, b in zip(rows, graph.values()))


def test_a_dict_that_is_changed_at_keys_of_run_time():
    for f, d, args in ((joined, {0: [1, 2], 1: [], 5: [3]}, (5.0, 7)), (raised, {1: 2.0, 5: 3.0}, (np.array([5, 1, 7, 5]),))):
        mine, theirs = copy.deepcopy(d), copy.deepcopy(d)
        assert tg.jit(f)(mine, *args) == f(theirs, *args)
        assert mine == theirs and list(mine) == list(theirs)


def looked_up(table, x):
    return table[int(x[0])] * 2.0


def put_one(table, x):
    table[int(x[0])] = x[1:]


def without_one(table, x):
    del table[int(x[0])]


def test_what_a_dict_of_the_caller_held_stays():
    """A lookup changes nothing, and a write only its own entry: the others are the same objects, of the same types."""
    array = np.zeros(2)
    table, x = {1: array, 3: np.ones(2)}, np.array([3.0, 5.0, 6.0])
    np.testing.assert_equal(tg.jit(looked_up)(table, x), [2.0, 2.0])
    assert table[1] is array
    tg.jit(put_one)(table, x)
    assert table[1] is array and table[3].tolist() == [5.0, 6.0]
    mixed = {1: 2, 3: 2.5}
    assert tg.jit(looked_up)(mixed, x) == 5.0 and type(mixed[1]) is int
    tg.jit(without_one)(mixed, x)
    assert mixed == {1: 2} and type(mixed[1]) is int


def test_keys_of_run_time_from_a_sequence():
    def counted(x):
        found = dict.fromkeys((int(v) for v in x), 0)
        for v in x:
            found[int(v)] += 1
        return found, dict.fromkeys(["a", "b"], x[0]), dict.fromkeys(range(2))

    x = np.array([3.0, 1.0, 3.0])
    assert tg.jit(counted)(x) == counted(x) and list(tg.jit(counted)(x)[0]) == [3, 1]
    with pytest.raises(tg.UnsupportedError, match="None for each of them") as caught:
        tg.jit(lambda x: list(dict.fromkeys([int(v) for v in x])))(x)
    assert "dict.fromkeys(keys, 0)" in str(caught.value)
