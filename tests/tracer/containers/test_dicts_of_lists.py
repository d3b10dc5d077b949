"""Dicts of lists whose keys only run time knows: groups, neighbours."""
from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

import tracegrad as tg

X = np.array([3, 1, 2, 3, 1, 7, 2])
EDGES = np.array([[0, 1], [1, 2], [0, 2], [3, 1], [2, 4], [4, 3]])


def grouped(a):
    groups = defaultdict(list)
    for k, v in enumerate(a):
        groups[int(v)].append((k, 2.0 * k))
    total = 0.0
    for k, g in sorted(groups.items(), key=lambda item: (-len(item[1]), item[0])):
        total = total * 3 + k + sum(w for _, w in g)
    longest = max(groups.values(), key=len)
    return total, len(groups), list(longest), groups


def found_or_made(a):
    groups = {}
    for k, v in enumerate(a):
        if int(v) in groups:
            groups[int(v)].append(k)
        else:
            groups[int(v)] = [k]
    return sorted(groups.items()), max(groups, key=lambda k: len(groups[k])), [k for k, g in groups.items() if len(g) > 1]


def joined(a):
    groups = {}
    for k, v in enumerate(a):
        groups[int(v)] = groups.get(int(v), []) + [k]
    return groups, len(groups.get(99, ())), sum(len(g) * g[0] for g in groups.values())


def changed(a):
    groups, totals = defaultdict(list), defaultdict(float)
    for v in a:
        groups[int(v) % 3].append(int(v))
        totals[int(v) % 3] += v
    for k in groups:
        groups[k].sort()
    groups[5] += [1, 2]
    taken = groups.pop(5)
    same = groups[1]
    same.append(9)
    groups[4] = same                                        # one list under two keys
    groups[1].append(8)
    del groups[0]
    return groups, totals, taken, groups[4][-1], 0 in groups


def visited(edges):
    graph = {}
    for u, v in edges:
        graph.setdefault(int(u), []).append(int(v))
        graph.setdefault(int(v), []).append(int(u))
    seen, stack, order = set(), [0], []
    while stack:
        u = stack.pop()
        if u in seen:
            continue
        seen.add(u)
        order.append(u)
        for v in reversed(graph[u]):
            if v not in seen:
                stack.append(v)
    return order


def from_known_keys(edges):
    near = {k: [] for k in range(5)}
    for u, v in edges:
        near[u].append(v)
        near[v].append(u)
    return near, [len(x) for x in near.values()]


LONG = [pytest.param(f, x, marks=pytest.mark.sweep(6, days=True)) for f, x in (
    (grouped, X), (joined, X), (changed, X), (from_known_keys, EDGES))]


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f, x", [(found_or_made, X), (visited, EDGES), *LONG])
def test_as_python(f, x):
    found, expected = tg.jit(f)(x), f(x)
    assert found == expected
    if f is changed:
        assert found[0][4] is found[0][1] and type(found[0]) is defaultdict


def named(a):
    groups = {}
    for v in a:
        g = [int(v)]
        groups[int(v)] = g
        g.append(1)
    return groups


def test_a_list_with_a_name_is_refused():
    with pytest.raises(tg.UnsupportedError, match=r"a list that has a name[\s\S]*groups\[int\(v\)\] = g[\s\S]*\[\*x\]"):
        tg.jit(named)(X)


def squares(x, k):
    groups = {}
    for i in range(len(x)):
        groups.setdefault(int(k[i]), []).append(x[i] ** 2)
    return sum(sum(g) * len(g) for g in groups.values())


@pytest.mark.sweep(2, days=True)
def test_derivative():
    x, k = np.array([1.0, 2.0, 3.0]), np.array([1, 2, 1])
    value, slope = tg.value_and_grad(squares)(x, k)
    assert value == squares(x, k)
    np.testing.assert_allclose(slope, [4.0, 4.0, 12.0])
