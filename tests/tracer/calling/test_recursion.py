"""Recursion that only run time ends: one loop over frames, both modes; arrays that it overwrites; what is refused."""
import numpy as np
import pytest
from sweeps import turn
from trace_check import check

import tracegrad as tg

LEFT, RIGHT = np.array([1, 3, 5, -1, -1, -1, -1]), np.array([2, 4, 6, -1, -1, -1, -1])
FIRST, NEXT = np.array([1, 4, -1, -1, 5, -1, -1]), np.array([-1, 2, 3, -1, -1, -1, -1])
X = np.arange(7.0) * 0.3 + 0.2


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def ackermann(m, n):
    if m == 0:
        return n + 1
    return ackermann(m - 1, 1) if n == 0 else ackermann(m - 1, ackermann(m, n - 1))


def even(n):
    return True if n == 0 else odd(n - 1)


def odd(n):
    return False if n == 0 else even(n - 1)


def integers(a):
    return fibonacci(a[0]), ackermann(a[1], a[2]), even(a[0]), odd(a[2])


def tree(x, k):
    return 0.0 if k < 0 else x[k] * np.cos(tree(x, LEFT[k])) + 0.5 * tree(x, RIGHT[k])


def children(x, k):
    total, c = x[k], FIRST[k]
    while c >= 0:
        total = total + 0.5 * np.sin(children(x, c))
        c = NEXT[c]
    return total


def three_ways(v, depth, w):
    if depth <= 0 or v < 0.1:
        return v * w, 1
    total, count = 0.0, 0
    for i in range(3):
        part, n = three_ways(v * 0.6 - 0.05 * i, depth - 1, w)
        total += part * (i + 1)
        count += n
    return total, count


def simpson(f, a, fa, b, fb):
    m = 0.5 * (a + b)
    return m, f(m), abs(b - a) / 6 * (fa + 4 * f(m) + fb)


def quadrature(f, a, fa, b, fb, eps):
    m, fm, whole = simpson(f, a, fa, b, fb)
    left, right = simpson(f, a, fa, m, fm)[2], simpson(f, m, fm, b, fb)[2]
    if abs(left + right - whole) <= 15 * eps:
        return left + right + (left + right - whole) / 15
    return quadrature(f, a, fa, m, fm, eps / 2) + quadrature(f, m, fm, b, fb, eps=eps / 2)


def integral(x, n=None):
    def f(t):
        return np.exp(-x[0] * t) * np.sin(3 * t) + 1 / (0.05 + t * t)
    return quadrature(f, x[1], f(x[1]), 2.0, f(2.0), 1e-4)


class Walk:
    def __init__(self, x):
        self.x = x

    def largest(self, low, high):
        if high - low == 1:
            return self.x[low]
        middle = (low + high) // 2
        return np.maximum(self.largest(low, middle), self.largest(middle, high)) * 1.1


def vectors(v, n):
    if n == 0 or v[0] > 100:
        return v
    return vectors(v * 1.5, n - 1) + v


def merge_sort(a, low, high, spare):
    if high - low < 2:
        return
    middle = (low + high) // 2
    merge_sort(a, low, middle, spare)
    merge_sort(a, middle, high, spare)
    i, j = low, middle
    for k in range(low, high):
        if j >= high or (i < middle and a[i] <= a[j]):
            spare[k] = a[i]
            i += 1
        else:
            spare[k] = a[j]
            j += 1
    for k in range(low, high):
        a[k] = spare[k]


def sort(x, n):
    merge_sort(x, 0, n[0], np.zeros_like(x))
    return x * np.arange(1.0, 8.0)


def queens(board, row, n):
    if row == n:
        return 1
    count = 0
    for column in range(n):
        free = True
        for r in range(row):
            if board[r] == column or abs(board[r] - column) == row - r:
                free = False
                break
        if free:
            board[row] = column
            count += queens(board, row + 1, n)
    return count


def mixed(x, n):
    return tree(x, n[1] - 2), children(x, n[1] - 2), three_ways(x[2], n[1], x[0])[0], Walk(x).largest(0, n[0])


@pytest.mark.sweep(7, days=True)
def test_integers():
    check(integers, np.array([11, 2, 3]))
    check(queens, np.zeros(6, int), 0, 6)
    assert tg.jit(lambda b, n: queens(b, 0, n[0]))(np.zeros(7, int), np.array([7])) == 40
    assert tg.jit(fibonacci)(25) == 75025                     # a number that is known: doubled calls are not written out


def powers(x, n):
    return vectors(x, n[1])


@pytest.mark.sweep(9, days=True)
@pytest.mark.parametrize("f", [mixed, integral, powers, sort], ids=lambda f: f.__name__)
def test_values_and_gradients(f):
    n = np.array([7, 2])
    check(f, X.copy(), n)
    ours, theirs = X[::-1].copy(), X[::-1].copy()
    np.testing.assert_allclose(np.ravel(tg.jit(f)(ours, n)), np.ravel(f(theirs, n)), rtol=1e-12)
    np.testing.assert_array_equal(ours, theirs)
    tg.check_grads(lambda x: np.sum(np.array(f(x.copy(), n)) * 0.7), (X[::-1] + 0.05,),
                   order=2 if f is sort and turn(4, "sort") else 1)


def test_depth():
    def down(x, k):
        return x if k <= 0 else 0.5 * down(x * 1.001, k - 1) + 1.0

    def f(x, n):
        return down(x, n[0])

    np.testing.assert_allclose(tg.jit(f)(1.0, np.array([900])), f(1.0, np.array([900])))
    with pytest.raises(RecursionError, match="maximum recursion depth exceeded") as found:
        tg.jit(f)(1.0, np.array([100_000]))
    assert "down(x * 1.001, k - 1)" in "".join(found.value.__notes__)


def test_in_a_loop_and_under_vmap():
    def f(x, n):
        total = 0.0
        for k in range(n.size):
            total += tree(x, n[k]) * (k + 1)
        return total

    check(f, X, np.array([0, 1, 2, 6, -1]))
    many = tg.vmap(lambda k: tree(X, k))(np.array([0, 1, 2]))
    np.testing.assert_allclose(many, [tree(X, k) for k in range(3)])


class Components:
    def __init__(self, n):
        self.above = list(range(n))

    def find(self, x):
        if self.above[x] != x:
            self.above[x] = self.find(self.above[x])
        return self.above[x]

    def union(self, a, b):
        a, b = self.find(a), self.find(b)
        if a == b:
            return False
        self.above[a] = b
        return True


def spanning(edges, n):
    parts, count = Components(n), 0
    for k in range(len(edges)):
        if parts.union(edges[k, 0], edges[k, 1]):
            count += 1
    return count


def test_a_method_that_calls_itself_reads_its_object():
    edges = np.array([[0, 1], [1, 2], [0, 2], [3, 1], [2, 4]])
    assert tg.jit(spanning)(edges, 6) == spanning(edges, 6) == 4
