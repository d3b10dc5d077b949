"""Loops over enumerate(), zip() or reversed() of lists that their bodies change; containers that are passed twice."""
from __future__ import annotations

import copy

import numpy as np
import pytest

import tracegrad as tg

X = np.array([3, 1, 2, 3, 1, 7, 2])


def enumerated(a):
    left = [v for v in a if v > 1]
    total = 0
    for k, v in enumerate(left, 1):
        if v < 4 and len(left) < 12:
            left.append(v + 3)
        total += k * v
    return total, len(left)


def zipped(a):
    left = [v for v in a if v > 1]
    total = 0
    for v, w in zip(a, left):
        if len(left) < 9:
            left.append(v + w)
        total += v * w
    return total, len(left)


def backwards_shorter(a):
    left = [v for v in a if v > 1]
    total = 0
    for v in reversed(left):
        total = total * 3 + v
        if v == 3:
            left.pop()
    return total, len(left)


def backwards_written(a):
    left = [v for v in a if v > 1]
    total = 0
    for k, v in enumerate(reversed(left)):
        left[0] = 50 + k
        total += v
    return total, left[0]


def rows(a):
    adj = [[] for _ in range(3)]
    for v in a:
        adj[v % 3].append(v)
    total = 0
    for i, row in enumerate(adj):
        for j, v in enumerate(row):
            total += (i + 1) * (j + 2) * v
            if len(row) < 5:
                row.append(v + 3)
    return total, len(adj[0]), len(adj[1])


def unchanged(a):
    left = [v for v in a if v > 1]
    return sum(i * v for i, v in enumerate(left)) + sum(v * w for v, w in zip(left, reversed(left)))


@pytest.mark.parametrize("f", [enumerated, zipped, backwards_shorter, backwards_written, rows, unchanged])
def test_items_are_those_of_their_turn(f):
    assert tg.jit(f)(X) == f(X)


class Held:
    def __init__(self, value):
        self.value = value


def first_of(s, t):
    s[0] = s[0] * 2
    return t[0]


def longer(s, t):
    s.append(1.0)
    return len(t), s is t


def through_rows(s):
    s[0][0] = 9.0
    return s[1][0] + s[2][0]


def same(s, t):
    return s is t


def stored(s, t):
    s["a"] = 5.0
    return t["a"]


@pytest.mark.parametrize("f, one, other", [(first_of, [1.0], [2.0]), (longer, [1.0], [2.0]), (same, [1.0], [1.0]),
                                           (same, {"a": 1.0}, {"a": 1.0}), (stored, {"a": 1.0}, {"a": 2.0})])
def test_a_container_that_is_passed_twice_is_one(f, one, other):
    g = tg.jit(f)
    for order in (0, 1, 0):                                # each call has its own program, whichever comes first
        mine, theirs = copy.deepcopy((one, one)), copy.deepcopy((one, one))
        given = (mine[0], mine[0]) if order else (mine[0], copy.deepcopy(other))
        expected = (theirs[0], theirs[0]) if order else (theirs[0], copy.deepcopy(other))
        assert g(*given) == f(*expected)
        assert given == expected


def test_rows_of_a_list_that_are_one():
    g = tg.jit(through_rows)
    row = [1.0]
    assert g([row, row, [2.0]]) == 11.0 and row == [9.0]
    assert g([[1.0], [1.0], [2.0]]) == 3.0
    row = [1.0]
    assert g([row, [3.0], row]) == 12.0
    assert tg.grad(lambda s, t: s[0] * t[0])([3.0], [4.0]) == [4.0]
