"""Names that trade arrays and views, where only run time knows which of them they hold."""
import numpy as np
import pytest

import tracegrad as tg

X = np.random.default_rng(7).standard_normal(7)


def rows(x, n):
    buffer = np.zeros((2, x.size))
    buffer[0] = x
    a, b = buffer[0], buffer[1]
    k = 0
    while k < n:
        b[1:] = a[:-1] * 2
        b[0] = a[-1]
        a, b = b, a
        k += 1
    return a - buffer[1]


def array_and_row(x, n):
    work, order = np.zeros((3, x.size)), x.copy()
    a, b = order, work[1]
    k = 0
    while k < n:
        for i in range(x.size):
            b[i] = a[x.size - 1 - i] + k
        a, b = b, a
        k += 1
    if k % 2 == 1:
        for i in range(x.size):
            order[i] = a[i]
    return order * 2


def parts_of_two(x, n):
    work, order = np.zeros(2 * x.size), x.copy()
    a, b = order[:], work[:x.size]
    k = 0
    while k < n:
        b[:] = a[::-1] + k
        a, b = b, a
        k += 1
    if k % 2 == 1:
        order[:] = a
    return order * 2 + work[:x.size]


def by_a_condition(x, n):
    work = np.zeros((2, x.size))
    work[0] = x
    k = 0
    while k < n:
        a, b = (work[0], work[1]) if k % 2 == 0 else (work[1], work[0])
        b[1:] = a[:-1] * 2
        b[0] = a[-1]
        k += 1
    return work


def attributes(x, n):
    class State:
        pass

    state, work = State(), np.zeros((2, x.size))
    work[0] = x
    state.a, state.b = work[0], work[1]
    k = 0
    while k < n:
        state.b[:] = state.a[::-1] + k
        state.a, state.b = state.b, state.a
        k += 1
    return state.a * 2 + work[0]


def three(x, n):
    a, b, c = x.copy(), np.zeros(3 * x.size)[::3], np.zeros((x.size, 2))[:, 1]
    k = 0
    while k < n:
        c[1:-1] = 2 * b[1:-1] - a[1:-1] + 0.1 * (b[2:] - 2 * b[1:-1] + b[:-2])
        a, b, c = b, c, a
        k += 1
    return a + 2 * b + 3 * c


def best_so_far(x, n):
    table = np.outer(x, x)
    best = table[0]
    for i in range(n):
        row = table[i % x.size]
        if row.sum() > best.sum():
            best = row
        best[0] = best[0] + 1
    return table + best


def in_a_tuple(x, n):
    work = np.zeros((2, x.size))
    work[0] = x
    pair = work[0], work[1]
    k = 0
    while k < n:
        pair[1][:] = pair[0] * 1.1
        pair = pair[1], pair[0]
        k += 1
    return pair[0] + work[0]


def by_a_helper(x, n):
    def step(a, b, k):
        b[1:] = a[:-1] + k
        b[0] = a[-1]
        return b, a

    work = np.zeros((2, x.size))
    work[0] = x
    a, b = work[0], work[1]
    k = 0
    while k < n:
        a, b = step(a, b, k)
        k += 1
    return a - b + work[1]


def halves_on_a_condition(x, n):
    work = np.zeros((4, x.size))
    work[:2] = x
    a, b = work[:2], work[2:]
    k = 0
    while k < n:
        if x[k % x.size] > 0:
            a, b = b, a
        b[:] = a * 0.5 + 1
        k += 1
    return work


@pytest.mark.parametrize("f", [rows, array_and_row, parts_of_two, by_a_condition, attributes, three, best_so_far, in_a_tuple,
                               by_a_helper, halves_on_a_condition])
def test_as_python(f):
    compiled = tg.jit(f)
    for n in (0, 1, 2, 5):
        np.testing.assert_allclose(compiled(X, n), f(X, n), rtol=1e-14)
        np.testing.assert_allclose(compiled.interpret(X, n), f(X, n), rtol=1e-14)
    tg.check_grads(lambda x: np.sum(f(x, 5) ** 2), (X,), order=1)


def merged(keys, order, spare):
    """A stable sort by merging runs from one buffer into the other."""
    n = keys.size
    source, target, home, width = order, spare, True, 1
    for i in range(n):
        order[i] = i
    while width < n:
        for low in range(0, n, 2 * width):
            middle, high = min(low + width, n), min(low + 2 * width, n)
            i, j = low, middle
            for k in range(low, high):
                if i < middle and (j >= high or keys[source[i]] <= keys[source[j]]):
                    target[k] = source[i]
                    i += 1
                else:
                    target[k] = source[j]
                    j += 1
        source, target, home, width = target, source, not home, 2 * width
    if not home:
        for i in range(n):
            order[i] = source[i]


@pytest.mark.parametrize("n", [0, 1, 2, 5, 7])
def test_merge_sort(n):
    def f(x, n):
        order, spare = np.empty(x.size, np.int64), np.empty(x.size + 3, np.int64)
        merged(x[:n], order[:n], spare[:n])
        return x[order[:n]]

    np.testing.assert_array_equal(tg.jit(f)(X, n), np.sort(X[:n]))
    if n:
        weights = np.arange(1.0, n + 1)
        slope = tg.grad(lambda x: np.sum(f(x, n) * weights))(X)
        np.testing.assert_array_equal(slope[np.argsort(X[:n])], weights)


def test_of_one_of_them_and_a_new_array_is_refused():
    def f(x, n):
        work = np.zeros((2, x.size))
        a, b = work[0], work[1]
        k = 0
        while k < n:
            b[:] = a + x
            a, b = b, a
            if a[0] > 2:
                a = a * 0.5
            k += 1
        return a + work[0]

    with pytest.raises(tg.UnsupportedError, match=r"overwritten through another name(.|\n)*b = a.copy\(\)"):
        tg.jit(f)(X, 3)
