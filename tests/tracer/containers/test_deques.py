"""Deques whose length only run time knows: queues, windows, searches, as Python's; values and derivatives."""
from collections import deque

import numpy as np
import pytest

import tracegrad as tg

CASES = []


def case(*args):
    def note(fn):
        CASES.append((fn, args))
        return fn
    return note


@case(np.array([1., 2, 3]))
def deq1(x):
    d = deque(maxlen=2)
    s = 0.0
    for v in x:
        d.append(v)
        s += sum(d)
    return s


@case(np.array([1., -2, 3]))
def deq2(x):
    d = deque()
    for v in x:
        if v > 0:
            d.append(v)
    s = 0.0
    while d:
        s += d.popleft()
    return s


@case(np.array([1., -2, 3, 4.]))
def deq3(x):
    d = deque([x[0]])
    for k in range(1, len(x)):
        if x[k] > 0:
            d.appendleft(x[k])
        else:
            d.append(x[k])
        if len(d) > 2:
            d.pop()
    return d[0] + d[-1] * len(d)


@case(np.array([[0,1,0],[0,0,1],[1,0,0]]), 0)
def bfs(g, s):
    n = g.shape[0]
    dist = np.full(n, -1)
    dist[s] = 0
    q = deque([s])
    while q:
        u = q.popleft()
        for v in range(n):
            if g[u, v] and dist[v] < 0:
                dist[v] = dist[u] + 1
                q.append(v)
    return dist



@case(np.array([3., -1, 2, 5, -2, 4]), 3)
def window_max(x, k):
    d = deque()
    out = []
    for i in range(len(x)):
        while d and x[d[-1]] <= x[i]:
            d.pop()
        d.append(i)
        if d[0] <= i - k:
            d.popleft()
        if i >= k - 1:
            out.append(x[d[0]])
    return np.array(out)


@case(np.array([3., -1, 2, 5, -2, 4]))
def maxlen(x):
    d = deque(maxlen=2)
    s = 0.0
    for v in x:
        if v > 0:
            d.append(v)
        s += sum(d) * len(d)
    return s


@case(np.array([3., -1, 2, 5, -2, 4]))
def lst(x):
    d = deque([x[0]])
    for v in x:
        if v > 0:
            d.appendleft(v)
            d.append(2 * v)
    return np.array(d), np.array(list(d)), d[1], d[-2], max(d)


@case(np.array([-1., -2]))
def emptyq(x):
    d = deque()
    for v in x:
        if v > 0:
            d.append(v)
    return d.popleft()


@case(np.array([[0,1,0],[0,0,1],[1,0,0]]), 0)
def bfs2(g, s):
    n = g.shape[0]
    seen = np.zeros(n, bool)
    q = deque([(s, 0)])
    total = 0
    while len(q) > 0:
        u, d = q.popleft()
        if seen[u]:
            continue
        seen[u] = True
        total += d
        for v in range(n):
            if g[u, v]:
                q.append((v, d + 1))
    return total, seen


def outcome(run, args):
    try:
        return run(*args)
    except IndexError as error:
        return str(error).partition("\n")[0]


@pytest.mark.sweep(3)
@pytest.mark.parametrize("fn, args", CASES, ids=[fn.__name__ for fn, _ in CASES])
def test_as_python(fn, args):
    compiled, want = tg.jit(fn), outcome(fn, args)
    np.testing.assert_equal(outcome(compiled, args), want)
    np.testing.assert_equal(outcome(compiled.interpret, args), want)


@pytest.mark.sweep(4)
@pytest.mark.parametrize("fn, args", [c for c in CASES if c[0].__name__ in ("window_max", "maxlen", "deq2", "deq3")],
                         ids=lambda x: getattr(x, "__name__", None))
def test_derivatives(fn, args):
    tg.check_grads(lambda x: np.sum(fn(x, *args[1:])), args[:1])


def test_the_truth_of_a_list_in_a_condition():
    def falling(x):
        q = []
        for v in x:
            while q and q[-1] > v:
                q.pop()
            q.append(v)
        return sum(q)

    x = np.array([1., 3, 2, 5, 4])
    assert tg.jit(falling)(x) == falling(x) == 7


@pytest.mark.sweep(2, days=True)
def test_a_window_over_many():
    """Each step takes the same time: a deque's ends are read without moving what lies between."""
    x = np.random.default_rng(0).random(2000)
    windows = np.lib.stride_tricks.sliding_window_view(x, 50)
    compiled = tg.jit(window_max)
    np.testing.assert_array_equal(compiled(x, 50), windows.max(axis=1))
    np.testing.assert_array_equal(compiled(x[:9], 3), window_max(x[:9], 3))
    counts = np.bincount(np.argmax(windows, axis=1) + np.arange(1951), minlength=2000)
    np.testing.assert_array_equal(tg.grad(lambda x: np.sum(window_max(x, 50)))(x), counts)
