"""Python lists of numbers that are indexed where only run time knows the position: tables of dynamic programs, counters."""
import math

import numpy as np
import pytest
from trace_check import check, ops, run
from tracegrad.tracer.staging import trace_function

import tracegrad as tg

X = np.array([0.5, -1.5, 2.5, 3.5, -0.25, 1.0, 7.0])
INTS = np.array([3, 1, 4, 1, 5, 9, 2, 6])


def knapsack(weights, values, capacity):
    best = [0.0] * (capacity + 1)
    for w, v in zip(weights, values):
        for c in range(capacity, w - 1, -1):
            best[c] = max(best[c], best[c - w] + v)
    return best[capacity], best


def increasing(x):
    longest = [1] * len(x)
    for i in range(len(x)):
        for j in range(i):
            if x[j] < x[i] and longest[j] + 1 > longest[i]:
                longest[i] = longest[j] + 1
    return max(longest), min(longest), sum(longest), len(longest), longest


def common(a, b):
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            if a[i - 1] == b[j - 1]:
                table[i][j] = table[i - 1][j - 1] + 1
            else:
                table[i][j] = max(table[i - 1][j], table[i][j - 1])
    return table[-1][-1], table


def edit_distance(a, b):
    before = list(range(len(b) + 1))
    for i, p in enumerate(a):
        now = [i + 1] + [0] * len(b)
        for j, q in enumerate(b):
            now[j + 1] = min(before[j + 1] + 1, now[j] + 1, before[j] + (0 if p == q else 1))
        before = now
    return before[-1]


def counts(x, bins):
    found = [0] * bins
    for v in x:
        found[int((v - x.min()) / (x.max() - x.min() + 1e-9) * bins)] += 1
    return found, 2 in found, np.array(found) * 2, found[1:3], [c + 1 for c in found]


def sets_apart(pairs, n):
    parent = list(range(n))

    def find(i):
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for a, b in pairs:
        p, q = find(int(a)), find(int(b))
        if p != q:
            parent[q] = p
    return len(parent), parent


def insertion_sort(x):
    a = list(x)
    for i in range(1, len(a)):
        held, j = a[i], i - 1
        while j >= 0 and a[j] > held:
            a[j + 1] = a[j]
            j -= 1
        a[j + 1] = held
    return np.array(a)


def prefix_sums(x, queries):
    total = [0.0] * (len(x) + 1)
    for i in range(len(x)):
        total[i + 1] = total[i] + x[i]
    return np.array([total[b] - total[a] for a, b in queries])


def triangle(a, b):
    out = [[0.0] * len(b) for _ in a]
    for i in range(len(a)):
        for j in range(len(b)):
            for k in range(i, len(b)):
                out[i][j] += a[k] * b[j]
    return np.array(out)


QUERIES = np.array([[0, 3], [2, 5]])
PROGRAMS = [(knapsack, (np.array([2, 3, 4]), np.array([3.0, 4.0, 5.5]), 9)), (increasing, (X,)), (increasing, (INTS,)),
            (common, (INTS, INTS[::2])), (edit_distance, (INTS, INTS[::2])), (counts, (X, 4)),
            (sets_apart, (np.array([[0, 1], [2, 3], [1, 3]]), 6)), (insertion_sort, (X,)),
            (insertion_sort, (X.astype(np.float32),)),
            (prefix_sums, (X, QUERIES)), (triangle, (X[:3], X[3:6]))]


@pytest.mark.sweep(2)
@pytest.mark.parametrize(("fn", "args"), PROGRAMS, ids=lambda v: getattr(v, "__name__", ""))
def test_equals_python(fn, args):
    check(fn, *args)


@pytest.mark.sweep(2)
@pytest.mark.parametrize(("fn", "args", "wrt"), [
    (lambda v: knapsack(np.array([2, 3, 4]), v, 9)[0], (np.array([3.0, 4.0, 5.5]),), 0),
    (lambda x: np.sum(np.sin(insertion_sort(x)) * np.arange(7)), (X,), 0),
    (lambda x: np.sum(prefix_sums(x, QUERIES)**2), (X,), 0), (lambda x: np.sum(triangle(x[:3], x[3:6])**2), (X,), 0)],
    ids=["knapsack", "sort", "prefix", "triangle"])
def test_gradient(fn, args, wrt):
    x = args[wrt]
    hand = [(fn(x + 1e-6 * e) - fn(x - 1e-6 * e)) / 2e-6 for e in np.eye(x.size)]
    np.testing.assert_allclose(tg.grad(fn)(x), hand, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(tg.grad(fn)(x), [tg.jvp(fn, (x,), (e,))[1] for e in np.eye(x.size)], rtol=1e-12)
    direction = np.cos(np.arange(x.size))
    both = [tg.grad(fn)(x + s * 1e-6 * direction) for s in (1, -1)]
    np.testing.assert_allclose(tg.jvp(tg.grad(fn), (x,), (direction,))[1], (both[0] - both[1]) / 2e-6, rtol=1e-5, atol=1e-6)


def test_the_loop_stays_rolled():
    sizes = [sum(ops(common, np.arange(n), np.arange(n)).values()) for n in (20, 40)]
    assert sizes[0] == sizes[1]


def test_numbers_of_several_kinds_take_the_widest():
    def fn(x):
        held = [0] * 4
        held[int(x[0] > 0)] = 2.5
        return held

    assert run(fn, X) == [0, 2.5, 0, 0] and tg.jit(fn)(X) == [0, 2.5, 0, 0]

    def shortest(pairs, lengths):
        far = [math.inf] * 4
        far[0] = 0
        for _ in range(3):
            for (a, b), w in zip(pairs, lengths):
                if far[a] + w < far[b]:
                    far[b] = far[a] + w
        return far

    pairs, lengths = np.array([(0, 1), (1, 2), (0, 2), (2, 3)]), np.array([1.0, 2.0, 5.0, 1.0])
    assert tg.jit(shortest)(pairs, lengths) == shortest(pairs, lengths)


def test_positions_outside():
    def fn(x, k):
        held = [0.0] * 3
        held[k[0]] = x[0]
        return held[k[1]]

    check(fn, X, np.array([-1, 2]))
    for bad in ([3, 0], [0, -4]):
        with pytest.raises(IndexError):
            tg.jit(fn)(X, np.array(bad))


def twice_the_same_row(x, k):
    row = [0.0] * 3
    table = [row] * 2
    table[k[0]][k[1]] = x[0]
    return table


def grows_later(x, k):
    held = [0.0] * 3
    held[k[0]] = x[0]
    held.append(x[1])
    return held


def holds_a_text(x, k):
    held = ["a", "b", "c"]
    held[k[0]] = "d"
    return held


def test_a_list_that_is_written_to_and_grows_later():
    assert tg.jit(grows_later)(X, np.array([1])) == grows_later(X, np.array([1])) == [0.0, X[0], 0.0, X[1]]


def test_texts_at_positions_of_run_time():
    assert tg.jit(holds_a_text)(X, np.array([1])) == holds_a_text(X, np.array([1])) == ["a", "d", "c"]


def test_what_cannot_be_an_array_says_so():
    with pytest.raises(tg.TracegradError, match="needs a number when the function is compiled") as caught:
        trace_function.trace(twice_the_same_row, (X, np.array([0, 1])))
    assert "  Instead: " in str(caught.value)
