"""Dicts and sets whose keys only run time knows, where the program has not entered one: by the evaluator, as Python's."""
# ruff: noqa: C401, C402      (of a generator that turns out empty, a table is made)
import numpy as np
import pytest
from support import trace_check

import tracegrad as tg

K = np.array([3, 1, 3, -2])


def taken_over(k):
    s, t, r, many = set(), set(), set() | set(k), set()
    s |= set(k)
    t.update(set(k))
    for i in range(3):
        many |= {x + i for x in k}
    return len(s), sum(s), sorted(t), sorted(set().union(r)), len(many), sum(many)


def changed_at_once(k):
    s, t, r, q = (set(x for x in []) for _ in range(4))
    s ^= set(k)
    t &= set(k)
    q |= r
    q |= set(k)
    return sorted(s), len(t), len(set(k) - r), 3 in q, len(q)


def looped_over(k):
    s, d, n = set(x for x in []), dict((x, x) for x in []), 0
    for x in s:
        n += x
    for x in d:
        n += x
    for x, y in d.items():
        n += x + y
    for y in d.values():
        n += y
    return n, len(s & set(x for x in [])), s == set(x for x in []), list(s), sorted(d)


def dicts(k):
    d = dict((x, x) for x in [])
    e = d.copy()
    e.update({x: 2 * x for x in k})
    return len(d), len(e), d == e, list(d.items()), d.get(3, 5), sum(e.values())


@pytest.mark.sweep(2)
@pytest.mark.parametrize("f", [taken_over, changed_at_once, looped_over, dicts], ids=lambda f: f.__name__)
@pytest.mark.parametrize("k", [K, K[:1], K.astype(np.int32), K[::-2]], ids=["int64", "one", "int32", "strided"])
def test_as_python(f, k):
    assert trace_check.run(f, k) == f(k)


def test_pop_of_what_has_nothing():
    with pytest.raises(KeyError, match="pop from an empty set"):
        trace_check.run(lambda k: set(x for x in []).pop() + k[0], K)


def test_members_of_another_type_are_refused():
    def f(k, w):
        s = {k[0]}
        s.clear()
        s |= set(w)
        return len(s)

    with pytest.raises(tg.UnsupportedError, match="keys of a set are of several types"):
        trace_check.run(f, K, np.array([0.5, 2.5]))


def test_an_item_of_a_set_is_not_assigned():
    def f(k):
        s = set(k)
        s[1] = 2
        return len(s)

    with pytest.raises(TypeError, match="'set' object does not support item assignment"):
        trace_check.run(f, K)
